//! Sound from one sample rate to another.

use std::f64::consts::PI;

use crate::speech::sum_of_products;

/// Zero crossings of the filter to either side.
const CROSSINGS: f64 = 32.0;

/// Share of the smaller of the two bands that is let through at half amplitude.
const PASS: f64 = 0.92;

/// Shape of the Kaiser window: about 90 dB of what is above the band is gone.
const KAISER: f64 = 9.0;

/// The first `out.len()` samples of `sound`, `from` samples a second, at `to` samples a second; both
/// more than 0. What the sound has no samples for is filled with zeros.
///
/// Band-limited: a sinc of 32 zero crossings to either side under a Kaiser window, cut off at 0.92 of
/// half the lower rate. Source: J. O. Smith, "Digital audio resampling", 2002. Cost: 64 products a
/// sample, more by `from / to` where the rate falls.
pub(crate) fn resample(sound: &[f32], from: u32, to: u32, out: &mut [f32]) {
    if from == to {
        let len = sound.len().min(out.len());
        out[..len].copy_from_slice(&sound[..len]);
        out[len..].fill(0.0);
        return;
    }
    let common = greatest_common_divisor(from, to);
    let (step, phases) = (u64::from(from / common), u64::from(to / common));
    let filter = Filter::new(from, to);
    // A new sample lies on an old one or one of a few places after it.
    let tables: Vec<Vec<f32>> = match phases <= 640 {
        true => (0..phases).map(|phase| filter.weights(phase as f64 / phases as f64)).collect(),
        false => Vec::new(),
    };
    for (number, value) in out.iter_mut().enumerate() {
        let position = number as u64 * step;
        let (place, phase) = ((position / phases) as usize, position % phases);
        *value = match tables.get(phase as usize) {
            _ if place >= sound.len() => 0.0,
            Some(weights) => filter.apply(weights, sound, place),
            None => filter.apply(&filter.weights(phase as f64 / phases as f64), sound, place),
        };
    }
}

/// The kernel of one change of rate.
struct Filter {
    /// Half amplitude, as a share of the old sample rate.
    cut: f64,
    /// Old samples to either side.
    reach: usize,
}

impl Filter {
    fn new(from: u32, to: u32) -> Self {
        let cut = 0.5 * PASS * (f64::from(to) / f64::from(from)).min(1.0);
        Self { cut, reach: (CROSSINGS / (2.0 * cut)).ceil() as usize }
    }

    /// Weights of the old samples around a place `share` after an old one, which is number
    /// `reach - 1` of the `2 * reach`. They sum to 1: silence and loudness stay what they are.
    fn weights(&self, share: f64) -> Vec<f32> {
        let weight = |number: usize| {
            let away = number as f64 - (self.reach - 1) as f64 - share;
            let inside = away / self.reach as f64;
            let window = bessel((1.0 - inside * inside).max(0.0).sqrt() * KAISER);
            let angle = 2.0 * PI * self.cut * away;
            window * if angle == 0.0 { 1.0 } else { angle.sin() / angle }
        };
        let weights: Vec<f64> = (0..2 * self.reach).map(weight).collect();
        let sum: f64 = weights.iter().sum();
        weights.into_iter().map(|weight| (weight / sum) as f32).collect()
    }

    /// The sum around old sample `place`; there is silence beyond the ends.
    fn apply(&self, weights: &[f32], sound: &[f32], place: usize) -> f32 {
        let skipped = (self.reach - 1).saturating_sub(place);
        let start = (place + 1).saturating_sub(self.reach);
        let (weights, sound) = (&weights[skipped..], &sound[start.min(sound.len())..]);
        let len = weights.len().min(sound.len());
        sum_of_products(&weights[..len], &sound[..len])
    }
}

/// The modified Bessel function of the first kind and order 0, by its power series.
fn bessel(x: f64) -> f64 {
    let (mut term, mut sum) = (1.0, 1.0);
    for number in 1..64 {
        term *= (x / (2.0 * f64::from(number))).powi(2);
        sum += term;
    }
    sum
}

fn greatest_common_divisor(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(hertz: f64, rate: u32, len: usize) -> Vec<f32> {
        let at = |number: usize| (number as f64 / f64::from(rate) * hertz * 2.0 * PI).sin() as f32;
        (0..len).map(at).collect()
    }

    /// Greatest absolute value away from the ends.
    fn loudest(sound: &[f32]) -> f32 {
        sound[1000..sound.len() - 1000].iter().fold(0.0, |most, value| most.max(value.abs()))
    }

    #[test]
    fn a_tone_stays_that_tone_at_any_rate() {
        for from in [8000, 11_025, 12_345, 22_050, 44_100, 48_000] {
            let mut out = vec![0.0; 16_000];
            resample(&tone(1000.0, from, from as usize), from, 16_000, &mut out);
            let expected = tone(1000.0, 16_000, 16_000);
            let difference: Vec<f32> = out.iter().zip(&expected).map(|(a, b)| a - b).collect();
            assert!(loudest(&difference) < 1e-3, "{from}: off by {}", loudest(&difference));
        }
    }

    #[test]
    fn what_the_new_rate_cannot_hold_is_gone() {
        for (from, hertz) in [(44_100, 9000.0), (48_000, 15_000.0), (22_050, 8500.0)] {
            let mut out = vec![0.0; 16_000];
            resample(&tone(hertz, from, from as usize), from, 16_000, &mut out);
            assert!(loudest(&out) < 1e-3, "{hertz} of {from}: {}", loudest(&out));
        }
    }

    #[test]
    fn a_constant_stays_and_beyond_the_end_is_silence() {
        let mut out = vec![1.0; 4000];
        resample(&[0.5; 1000], 8000, 16_000, &mut out);
        assert!(out[200..1800].iter().all(|value| (value - 0.5).abs() < 1e-5));
        assert!(out[2000..].iter().all(|&value| value == 0.0));
        resample(&[0.5; 10], 16_000, 16_000, &mut out);
        assert_eq!((out[9], out[10]), (0.5, 0.0));
    }
}
