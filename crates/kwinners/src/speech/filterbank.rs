//! Triangular filters, evenly spaced on the mel scale.

use super::{BANDS, BINS, SAMPLE_RATE, WINDOW, sum_of_products};

/// One filter: weights of the frequencies from number `first` on; all others weigh nothing.
#[derive(Clone, Debug)]
pub(super) struct Band {
    first: usize,
    weights: Vec<f32>,
}

impl Band {
    /// The energy that the filter lets through of `power`, `(BINS,)`.
    pub(super) fn energy(&self, power: &[f32]) -> f32 {
        let power = &power[self.first..][..self.weights.len()];
        sum_of_products(power, &self.weights)
    }
}

/// The filters from 0 to half the sample rate, lowest first.
///
/// Band `b` rises from edge `b` to edge `b + 1` and falls to edge `b + 2`; its weights are scaled by
/// 2 over its width in hertz, so that all bands let through as much of white noise. Source: M.
/// Slaney, "Auditory Toolbox", 1998; the default of librosa.
pub(super) fn bands() -> [Band; BANDS] {
    let top = mel_of(SAMPLE_RATE as f64 / 2.0);
    let edge = |number: usize| hertz_of(top * number as f64 / (BANDS + 1) as f64);
    std::array::from_fn(|band| triangle(edge(band), edge(band + 1), edge(band + 2)))
}

fn triangle(low: f64, centre: f64, high: f64) -> Band {
    let weight = |bin: usize| {
        let hertz = (bin * SAMPLE_RATE) as f64 / WINDOW as f64;
        let rise = (hertz - low) / (centre - low);
        let fall = (high - hertz) / (high - centre);
        (rise.min(fall).max(0.0) * 2.0 / (high - low)) as f32
    };
    let inside: Vec<usize> = (0..BINS).filter(|&bin| weight(bin) > 0.0).collect();
    let first = inside.first().copied().unwrap_or(0);
    Band { first, weights: inside.into_iter().map(weight).collect() }
}

/// Hertz to mel after Slaney: linear to 1 kHz, which is 15 mel, from there 27 mel for a factor of 6.4.
fn mel_of(hertz: f64) -> f64 {
    match hertz < 1000.0 {
        true => hertz * 3.0 / 200.0,
        false => 15.0 + 27.0 * (hertz / 1000.0).ln() / 6.4f64.ln(),
    }
}

fn hertz_of(mel: f64) -> f64 {
    match mel < 15.0 {
        true => mel * 200.0 / 3.0,
        false => 1000.0 * ((mel - 15.0) / 27.0 * 6.4f64.ln()).exp(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mels_and_hertz_go_back_and_forth() {
        // librosa.hz_to_mel([60, 440, 1000, 8000]).
        for (hertz, mel) in [(60.0, 0.9), (440.0, 6.6), (1000.0, 15.0), (8000.0, 45.245_640_471_9)]
        {
            assert!((mel_of(hertz) - mel).abs() < 1e-9, "{hertz}");
            assert!((hertz_of(mel) - hertz).abs() < 1e-6, "{mel}");
        }
    }

    #[test]
    fn every_band_is_one_triangle_and_neighbours_cover_everything_between() {
        let bands = bands();
        let mut covered = [0; BINS];
        for band in &bands {
            assert!(!band.weights.is_empty() && band.weights.iter().all(|&weight| weight > 0.0));
            let peak = band.weights.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).unwrap().0;
            assert!(
                band.weights[..=peak].is_sorted()
                    && band.weights[peak..].is_sorted_by(|a, b| a >= b)
            );
            covered[band.first..][..band.weights.len()].iter_mut().for_each(|bin| *bin += 1);
        }
        assert!(covered[1..BINS - 1].iter().all(|count| (1..=2).contains(count)));
        assert!(bands.is_sorted_by_key(|band| band.first));
    }

    #[test]
    fn every_band_lets_through_as_much_of_white_noise() {
        let hertz_a_bin = SAMPLE_RATE as f32 / WINDOW as f32;
        for (number, band) in bands().iter().enumerate() {
            let area = band.energy(&[1.0; BINS]) * hertz_a_bin;
            // A narrow triangle has few bins, so that its sum is but near its area.
            assert!((area - 1.0).abs() < 0.03, "band {number} has area {area}");
        }
    }
}
