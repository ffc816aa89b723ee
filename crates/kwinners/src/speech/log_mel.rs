//! Log-mel images of clips.

use std::fmt;
use std::sync::Arc;

use rayon::prelude::*;
use realfft::num_complex::Complex;
use realfft::{RealFftPlanner, RealToComplex};

use super::filterbank::{Band, bands};
use super::{BANDS, BINS, CLIP_SAMPLES, DECIBELS, FRAMES, HOP, WINDOW};
use crate::error::Result;
use crate::rows::Rows;

/// No energy counts as less than this, 100 dB below 1.
const LEAST_ENERGY: f32 = 1e-10;

/// Makes the log-mel image of a clip: `(32, 32)`, a row a mel band (lowest first), a column a frame.
///
/// Spectra of 2048 samples under a Hann window, every 512 samples and centred there, with zeros beyond
/// the ends of the clip; their power in 32 triangular bands (Slaney); in decibels relative to the
/// image's own maximum, cut off at -80 dB. A pixel is `(dB + 80) / 80`, so `0..=1`, as the known set
/// `speech-commands` has them. A clip of zeros is 0 dB everywhere, so all ones.
///
/// These are librosa's defaults: `power_to_db(melspectrogram(y=clip, sr=16000, n_fft=2048,
/// hop_length=512, n_mels=32), ref=np.max)`. Cost: about a quarter of a millisecond a clip.
///
/// ```
/// use kwinners::speech::{CLIP_SAMPLES, LogMel};
/// let tone = |hertz: f32| move |i| (i as f32 / 16000.0 * hertz * std::f32::consts::TAU).sin();
/// let clip: Vec<f32> = (0..CLIP_SAMPLES).map(tone(440.0)).collect();
/// let image = LogMel::new().image(&clip);
/// // Up to 1 kHz there is a band every 91.4 Hz; the fifth, number 4, has its peak at 457 Hz.
/// assert!(image[4 * 32..5 * 32].iter().all(|&pixel| pixel > 0.9));
/// ```
#[derive(Clone)]
pub struct LogMel {
    transform: Arc<dyn RealToComplex<f32>>,
    /// `(WINDOW,)`.
    window: Vec<f32>,
    bands: [Band; BANDS],
}

impl LogMel {
    /// Computes the window and the filters; one serves any number of threads.
    pub fn new() -> Self {
        let turn = std::f64::consts::TAU / WINDOW as f64;
        let hann = |place: usize| (0.5 - 0.5 * (place as f64 * turn).cos()) as f32;
        Self {
            transform: RealFftPlanner::new().plan_fft_forward(WINDOW),
            window: (0..WINDOW).map(hann).collect(),
            bands: bands(),
        }
    }

    /// The images of `clips`, `(len, 16000)` to `(len, 1024)`, in parallel.
    ///
    /// # Errors
    /// If the rows are no clips, or hold NaN or infinity.
    pub fn images(&self, clips: Rows<'_>) -> Result<Vec<f32>> {
        clips.check_width("clips", CLIP_SAMPLES)?;
        clips.check_finite("clips")?;
        let mut images = vec![0.0; clips.len() * BANDS * FRAMES];
        let each = images.par_chunks_exact_mut(BANDS * FRAMES);
        each.enumerate().for_each(|(row, image)| self.image_into(clips.row(row), image));
        Ok(images)
    }

    /// The image of one clip, `(16000,)` to `(1024,)`.
    ///
    /// # Panics
    /// If the clip has another length.
    pub fn image(&self, clip: &[f32]) -> Vec<f32> {
        let mut image = vec![0.0; BANDS * FRAMES];
        self.image_into(clip, &mut image);
        image
    }

    /// As [`LogMel::image`], into `image`.
    ///
    /// # Panics
    /// If the clip or the image has another length.
    pub fn image_into(&self, clip: &[f32], image: &mut [f32]) {
        let mut work = Work::new(self);
        for frame in 0..FRAMES {
            work.take(clip, frame, self);
            self.put_column(&work.power, frame, image);
        }
        to_pixels(image);
    }

    /// Writes the energies of one frame's `power`, `(BINS,)`, into a column of `image`.
    pub(super) fn put_column(&self, power: &[f32], frame: usize, image: &mut [f32]) {
        assert_eq!(image.len(), BANDS * FRAMES, "an image is 32 x 32");
        for (band, line) in self.bands.iter().zip(image.chunks_exact_mut(FRAMES)) {
            line[frame] = band.energy(power);
        }
    }
}

impl Default for LogMel {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for LogMel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogMel").finish_non_exhaustive()
    }
}

/// Room to take spectra in.
pub(super) struct Work {
    samples: Vec<f32>,
    spectrum: Vec<Complex<f32>>,
    scratch: Vec<Complex<f32>>,
    /// Squared magnitudes of the last spectrum, `(BINS,)`.
    pub(super) power: Vec<f32>,
}

impl Work {
    pub(super) fn new(mel: &LogMel) -> Self {
        Self {
            samples: vec![0.0; WINDOW],
            spectrum: vec![Complex::default(); BINS],
            scratch: mel.transform.make_scratch_vec(),
            power: vec![0.0; BINS],
        }
    }

    /// Takes the spectrum of `clip` around sample `frame * HOP`.
    pub(super) fn take(&mut self, clip: &[f32], frame: usize, mel: &LogMel) {
        assert_eq!(clip.len(), CLIP_SAMPLES, "a clip is one second at 16 kHz");
        // Sample `start` of the clip comes first, `before` zeros ahead of it.
        let before = (WINDOW / 2).saturating_sub(frame * HOP);
        let start = (frame * HOP).saturating_sub(WINDOW / 2);
        let heard = &clip[start..clip.len().min(start + WINDOW - before)];
        self.samples.fill(0.0);
        let windowed = self.samples[before..].iter_mut().zip(&mel.window[before..]);
        for ((sample, window), heard) in windowed.zip(heard) {
            *sample = heard * window;
        }
        let (samples, spectrum) = (&mut self.samples, &mut self.spectrum);
        let done = mel.transform.process_with_scratch(samples, spectrum, &mut self.scratch);
        done.expect("all lengths are those of the plan");
        for (power, value) in self.power.iter_mut().zip(spectrum) {
            *power = value.norm_sqr();
        }
    }
}

/// Energies to decibels below the greatest, and these to `0..=1`, in place.
pub(super) fn to_pixels(image: &mut [f32]) {
    let decibels = |energy: f32| 10.0 * energy.max(LEAST_ENERGY).log10();
    let loudest = decibels(image.iter().copied().fold(0.0, f32::max));
    for pixel in image {
        *pixel = ((decibels(*pixel) - loudest + DECIBELS) / DECIBELS).max(0.0);
    }
}
