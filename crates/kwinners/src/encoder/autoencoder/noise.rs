//! Inputs made harder: normal noise, dropout, a square covered; and the dropout of units.

use crate::kernel::{
    self,
    vectors::{Noise, hash},
};
use crate::rng::Rng;
use crate::rows::ImageShape;

/// Keeps the streams of the noise apart from those of first weights and orders.
const NOISE_SEED: u64 = 0x6E6F_6973_6500;

/// What is random in one step, all of it by place in the batch alone.
#[derive(Clone, Debug)]
pub(super) struct StepNoise {
    inputs: Option<Noise>,
    occlusion: Option<(usize, ImageShape)>,
    occlusion_key: u32,
    hidden: HiddenDropout,
}

/// Which activations are dropped, and what the others are multiplied by.
#[derive(Clone, Copy, Debug)]
pub(super) struct HiddenDropout {
    key: u32,
    keep_below: u32,
    factor: f32,
}

impl HiddenDropout {
    /// The factor of the activation of `unit`, of `units`, in row `row` of the batch.
    #[inline]
    pub(super) fn factor(&self, row: usize, unit: usize, units: usize) -> f32 {
        let place = (row * units + unit) as u32;
        if self.keep_below == u32::MAX {
            1.0
        } else if hash(place, self.key) <= self.keep_below {
            self.factor
        } else {
            0.0
        }
    }

    /// Multiplies a run of activations by their factors; `place` is `row · units + unit` of the first.
    pub(super) fn apply(&self, place: usize, values: &mut [f32]) {
        if self.keep_below < u32::MAX {
            let noise = Noise {
                keys: [0, self.key],
                deviation: 0.0,
                keep_below: self.keep_below,
                keep_factor: self.factor,
            };
            (kernel::table().add_noise)(values, place as u32, &noise);
        }
    }
}

/// How much noise there is, as the settings say.
#[derive(Clone, Copy, Debug)]
pub(super) struct Levels {
    pub(super) noise: f32,
    pub(super) input_dropout: f32,
    pub(super) hidden_dropout: f32,
    pub(super) occlusion: Option<(usize, ImageShape)>,
}

impl StepNoise {
    /// The noise of step `step` of the fit of `seed`.
    pub(super) fn new(levels: &Levels, seed: u64, step: u64) -> Self {
        let mut rng = Rng::of_stream(seed ^ NOISE_SEED, step);
        let keys: [u32; 4] = std::array::from_fn(|_| (rng.next_u64() >> 32) as u32);
        let inputs = (levels.noise > 0.0 || levels.input_dropout > 0.0).then(|| {
            let (keep_below, keep_factor) = kept(levels.input_dropout);
            Noise { keys: [keys[0], keys[1]], deviation: levels.noise, keep_below, keep_factor }
        });
        let (keep_below, factor) = kept(levels.hidden_dropout);
        Self {
            inputs,
            occlusion: levels.occlusion,
            occlusion_key: keys[2],
            hidden: HiddenDropout { key: keys[3], keep_below, factor },
        }
    }

    /// Whether inputs meet any noise.
    pub(super) fn changes_inputs(&self) -> bool {
        self.inputs.is_some() || self.occlusion.is_some()
    }

    pub(super) fn hidden(&self) -> HiddenDropout {
        self.hidden
    }

    /// Makes `rows` of `width` values harder; `first` is the first one's place in the batch.
    pub(super) fn apply(&self, rows: &mut [f32], width: usize, first: usize) {
        if let Some(noise) = &self.inputs {
            (kernel::table().add_noise)(rows, (first * width) as u32, noise);
        }
        if let Some((side, image)) = self.occlusion {
            for (offset, row) in rows.chunks_exact_mut(width).enumerate() {
                let place = hash((first + offset) as u32, self.occlusion_key);
                cover(row, (side, image), place);
            }
        }
    }
}

/// The limit below which 32 bits keep a value, and what a kept one is multiplied by.
fn kept(dropout: f32) -> (u32, f32) {
    let share = 1.0 - f64::from(dropout);
    ((share * f64::from(u32::MAX)) as u32, (1.0 / share) as f32)
}

/// Sets a square of `side` pixels to 0 in every plane, at a place drawn by `bits`.
fn cover(row: &mut [f32], (side, image): (usize, ImageShape), bits: u32) {
    let (width, height) = (side.min(image.width), side.min(image.height));
    let pick = |bits: u32, places: usize| (bits as usize * places) >> 16;
    let left = pick(bits & 0xFFFF, image.width - width + 1);
    let top = pick(bits >> 16, image.height - height + 1);
    for plane in row.chunks_exact_mut(image.width * image.height) {
        for line in plane.chunks_exact_mut(image.width).skip(top).take(height) {
            line[left..left + width].fill(0.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn squares_are_covered_whole() {
        let image = ImageShape { width: 6, height: 5, channels: 2 };
        let levels = Levels {
            noise: 0.0,
            input_dropout: 0.0,
            hidden_dropout: 0.0,
            occlusion: Some((3, image)),
        };
        let noise = StepNoise::new(&levels, 1, 1);
        let mut rows = vec![1.0; 60 * 50];
        noise.apply(&mut rows, 60, 0);
        let covered = |row: &[f32]| row.iter().filter(|value| **value == 0.0).count();
        assert!(rows.chunks_exact(60).all(|row| covered(row) == 18));
        let firsts: std::collections::BTreeSet<_> =
            rows.chunks_exact(60).map(|row| row.iter().position(|value| *value == 0.0)).collect();
        assert_eq!(firsts.len(), 12, "every place is drawn some time");
    }
}
