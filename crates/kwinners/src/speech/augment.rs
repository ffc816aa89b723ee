//! Augmentation: what a speaker, a microphone and a clock could have made of the same clip.

use super::log_mel::{LogMel, Work, to_pixels};
use super::{BANDS, BINS, CLIP_SAMPLES, FRAMES};
use crate::rng::Rng;

/// How much slower or faster a clip or its spectra may get.
const SPEED: f32 = 0.2;

/// Frames that spectra may be moved by, to either side.
const SHIFT: usize = 8;

impl LogMel {
    /// The image of an augmented clip, `(16000,)` to `(1024,)`.
    ///
    /// Each of these happens with probability one half, in this order: amplitude times `U(0.7, 1.1)`;
    /// speed and pitch times `1 / (1 + U(-0.2, 0.2))` by linear interpolation, then cut or padded with
    /// zeros to one second; spectra stretched in time by `1 + U(-0.2, 0.2)`, the pitch kept, as a
    /// phase vocoder does; spectra moved by -8 to 8 frames. At last cut or padded to 32 frames.
    ///
    /// Of the vocoder only the magnitudes are computed, which go linearly from one frame to the next:
    /// the image is made of these, so the phases change nothing. The same `rng` gives the same image.
    /// Cost: that of [`LogMel::image`] and about a third more.
    ///
    /// ```
    /// use kwinners::Rng;
    /// use kwinners::speech::{CLIP_SAMPLES, LogMel};
    /// let (mel, clip) = (LogMel::new(), vec![0.5; CLIP_SAMPLES]);
    /// let augmented = |row| mel.augmented(&clip, &mut Rng::of_stream(7, row));
    /// assert_eq!(augmented(3), augmented(3));
    /// assert_ne!(augmented(3), augmented(4));
    /// ```
    ///
    /// Source: the speech experiments of Ahmad and Scheinkman, "How Can We Be So Dense?", 2019; the
    /// vocoder: Flanagan and Golden, "Phase vocoder", 1966, as librosa has it.
    ///
    /// # Panics
    /// If the clip has another length.
    pub fn augmented(&self, clip: &[f32], rng: &mut Rng) -> Vec<f32> {
        let mut image = vec![0.0; BANDS * FRAMES];
        self.augmented_into(clip, rng, &mut image);
        image
    }

    /// As [`LogMel::augmented`], into `image`.
    ///
    /// # Panics
    /// If the clip or the image has another length.
    pub fn augmented_into(&self, clip: &[f32], rng: &mut Rng, image: &mut [f32]) {
        self.changed_into(clip, Change::draw(rng), image);
    }

    fn changed_into(&self, clip: &[f32], change: Change, image: &mut [f32]) {
        let clip = change.of_clip(clip);
        let mut work = Work::new(self);
        let mut magnitudes = vec![0.0; FRAMES * BINS];
        for (frame, into) in magnitudes.chunks_exact_mut(BINS).enumerate() {
            work.take(&clip, frame, self);
            into.iter_mut().zip(&work.power).for_each(|(to, power)| *to = power.sqrt());
        }
        for frame in 0..FRAMES {
            change.power_at(&magnitudes, frame, &mut work.power);
            self.put_column(&work.power, frame, image);
        }
        to_pixels(image);
    }
}

/// What happens to one clip.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Change {
    amplitude: f32,
    /// Samples of the clip that one sample of the new clip goes on by.
    step: f64,
    /// Frames that one new frame goes on by.
    stretch: f64,
    /// Frames that everything comes later.
    shift: isize,
}

impl Change {
    const NONE: Self = Self { amplitude: 1.0, step: 1.0, stretch: 1.0, shift: 0 };

    fn draw(rng: &mut Rng) -> Self {
        let mut change = Self::NONE;
        if rng.below(2) == 1 {
            change.amplitude = rng.between(0.7, 1.1);
        }
        if rng.below(2) == 1 {
            change.step = 1.0 / (1.0 + f64::from(rng.between(-SPEED, SPEED)));
        }
        if rng.below(2) == 1 {
            change.stretch = 1.0 + f64::from(rng.between(-SPEED, SPEED));
        }
        if rng.below(2) == 1 {
            change.shift = rng.below(2 * SHIFT + 1) as isize - SHIFT as isize;
        }
        change
    }

    /// The clip louder or softer, faster or slower, and again of one second.
    fn of_clip(self, clip: &[f32]) -> Vec<f32> {
        assert_eq!(clip.len(), CLIP_SAMPLES, "a clip is one second at 16 kHz");
        let sample = |number: usize| {
            let position = number as f64 * self.step;
            let (place, share) = (position as usize, position.fract() as f32);
            let Some(&here) = clip.get(place) else { return 0.0 };
            let next = clip.get(place + 1).copied().unwrap_or(here);
            self.amplitude * (here + share * (next - here))
        };
        (0..CLIP_SAMPLES).map(sample).collect()
    }

    /// The power spectrum of new frame `frame`, of the magnitudes of the old ones, `(FRAMES, BINS)`.
    fn power_at(self, magnitudes: &[f32], frame: usize, power: &mut [f32]) {
        let position = (frame as isize - self.shift) as f64 * self.stretch;
        if position < 0.0 || position >= FRAMES as f64 {
            power.fill(0.0);
            return;
        }
        let (place, share) = (position as usize, position.fract() as f32);
        let (here, after) = magnitudes[place * BINS..].split_at(BINS);
        // After the last frame there is silence.
        let after = after.chunks_exact(BINS).next().unwrap_or(&[0.0; BINS]);
        for ((power, here), after) in power.iter_mut().zip(here).zip(after) {
            let magnitude = (1.0 - share) * here + share * after;
            *power = magnitude * magnitude;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The image of a clip after `change`, as decibels relative to the loudest, over 80, plus 1.
    fn image(clip: &[f32], change: Change) -> Vec<f32> {
        let (mel, mut image) = (LogMel::new(), vec![0.0; BANDS * FRAMES]);
        mel.changed_into(clip, change, &mut image);
        image
    }

    /// A tone that is there in the samples of `range`.
    fn tone_in(range: std::ops::Range<usize>, hertz: f32) -> Vec<f32> {
        let at = |i: usize| (i as f32 / 16_000.0 * hertz * std::f32::consts::TAU).sin();
        (0..CLIP_SAMPLES).map(|i| if range.contains(&i) { at(i) } else { 0.0 }).collect()
    }

    fn beep(hertz: f32) -> Vec<f32> {
        tone_in(4000..8000, hertz)
    }

    /// The frames in which the band that is loudest overall is within 6 dB of the maximum.
    fn heard(image: &[f32]) -> (usize, Vec<usize>) {
        let lines: Vec<&[f32]> = image.chunks_exact(FRAMES).collect();
        let band = (0..BANDS).find(|&band| lines[band].contains(&1.0)).unwrap();
        (band, (0..FRAMES).filter(|&frame| lines[band][frame] > 1.0 - 6.0 / 80.0).collect())
    }

    #[test]
    fn no_change_is_no_change() {
        let clip = beep(900.0);
        let plain = LogMel::new().image(&clip);
        let off = plain.iter().zip(image(&clip, Change::NONE)).map(|(a, b)| (a - b).abs());
        assert!(off.fold(0.0, f32::max) < 1e-4);
    }

    #[test]
    fn stretching_keeps_the_pitch_and_changes_the_time() {
        for hertz in [300.0, 900.0, 3000.0] {
            let (band, frames) = heard(&image(&beep(hertz), Change::NONE));
            for stretch in [0.8, 0.9, 1.1, 1.2] {
                let (same, stretched) =
                    heard(&image(&beep(hertz), Change { stretch, ..Change::NONE }));
                assert_eq!(same, band, "{hertz} Hz by {stretch}");
                for (before, after) in [(frames[0], stretched[0]), (frames.len(), stretched.len())]
                {
                    let expected = before as f64 / stretch;
                    assert!((after as f64 - expected).abs() <= 2.0, "{after} for {expected}");
                }
            }
        }
    }

    #[test]
    fn speed_changes_pitch_and_time() {
        let faster = image(&beep(1000.0), Change { step: 1.2, ..Change::NONE });
        let expected = heard(&image(&tone_in(3334..6667, 1200.0), Change::NONE));
        assert_eq!(heard(&faster), expected);
        assert!(expected.0 > heard(&image(&beep(1000.0), Change::NONE)).0);
    }

    #[test]
    fn shifts_move_frames_and_leave_silence() {
        let clip = beep(900.0);
        let plain = image(&clip, Change::NONE);
        for shift in [-8, -3, 0, 5, 8] {
            let moved = image(&clip, Change { shift, ..Change::NONE });
            for (before, after) in plain.chunks_exact(FRAMES).zip(moved.chunks_exact(FRAMES)) {
                for (frame, &pixel) in after.iter().enumerate() {
                    let from = frame.checked_add_signed(-shift).filter(|&from| from < FRAMES);
                    assert_eq!(pixel, from.map_or(0.0, |from| before[from]));
                }
            }
        }
    }

    #[test]
    fn changes_are_drawn_half_the_time_and_in_their_ranges() {
        let mut rng = Rng::new(5);
        let changes: Vec<Change> = (0..4000).map(|_| Change::draw(&mut rng)).collect();
        let share = |made: &dyn Fn(&Change) -> bool| {
            changes.iter().filter(|change| made(change)).count() as f64 / 4000.0
        };
        for made in [
            share(&|change| change.amplitude != 1.0),
            share(&|change| change.step != 1.0),
            share(&|change| change.stretch != 1.0),
            // One shift in seventeen is by 0.
            share(&|change| change.shift != 0) * 17.0 / 16.0,
        ] {
            assert!((made - 0.5).abs() < 0.04, "{made}");
        }
        for change in &changes {
            assert!((0.7..1.1).contains(&change.amplitude) && change.shift.abs() <= 8);
            assert!((1.0 / 1.201..1.0 / 0.799).contains(&change.step));
            assert!((0.799..1.201).contains(&change.stretch));
        }
        assert!(changes.iter().any(|change| change.shift == 8));
        assert!(changes.iter().any(|change| change.shift == -8));
    }
}
