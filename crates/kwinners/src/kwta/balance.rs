//! A bias that keeps every unit in use, learned and kept.

use crate::error::{Error, Result};

/// One bias a unit, added to its score before winners are picked, in training and ever after.
///
/// After a batch of `B` samples in which unit `j` won `w_j` times:
/// `b_j += rate · spread · (B · k/n - w_j)`. Winning more than `k/n` of the time lowers the bias,
/// winning less raises it, until all win alike: dual ascent on "every unit wins its share" as a
/// constraint of the selection. `spread` is a slow average of the standard deviation of a sample's
/// scores, so that `rate` means the same on every data set.
///
/// Unlike boosting from a duty cycle the bias does not decay, it is part of the model, and encoding
/// after training is what training did. The same idea balances experts in Wang et al.,
/// "Auxiliary-loss-free load balancing strategy for mixture-of-experts", 2024.
#[derive(Clone, Debug, PartialEq)]
pub struct Balance {
    bias: Vec<f32>,
    spread: f32,
}

/// Weight of a new sample in the average of the spread.
const SPREAD_SHARE: f32 = 0.01;

impl Balance {
    /// No bias for any of `units` units.
    pub fn new(units: usize) -> Self {
        Self { bias: vec![0.0; units], spread: 0.0 }
    }

    /// A balance as it was saved.
    ///
    /// # Errors
    /// If a number is not finite or the spread is negative.
    pub fn from_parts(bias: Vec<f32>, spread: f32) -> Result<Self> {
        let bad = bias.iter().chain([&spread]).find(|value| !value.is_finite());
        match bad {
            Some(value) => Err(Error::shape("balance", "finite numbers", value)),
            None if spread < 0.0 => Err(Error::shape("balance", "a spread of 0 or more", spread)),
            None => Ok(Self { bias, spread }),
        }
    }

    /// Adds the bias to one row of scores, `(n,)`.
    pub fn apply(&self, scores: &mut [f32]) {
        for (score, bias) in scores.iter_mut().zip(&self.bias) {
            *score += bias;
        }
    }

    /// The standard deviation of one sample's scores, `(n,)`, before the bias: what
    /// [`Balance::observe_spread`] takes in. It needs no balance, so that samples can be looked at
    /// side by side and taken in later, in their order.
    ///
    /// Formula: `√(Σ s² / n - (Σ s / n)²)`, summed in eight lanes; 0 for no scores.
    pub fn spread_of(scores: &[f32]) -> f32 {
        let (mut sum, mut square) = ([0.0f32; 8], [0.0f32; 8]);
        let (chunks, rest) = scores.as_chunks::<8>();
        for chunk in chunks {
            for lane in 0..8 {
                sum[lane] += chunk[lane];
                square[lane] += chunk[lane] * chunk[lane];
            }
        }
        let count = scores.len() as f32;
        let mean = sum.iter().chain(rest).sum::<f32>() / count;
        let squares = square.iter().sum::<f32>() + rest.iter().map(|s| s * s).sum::<f32>();
        (squares / count - mean * mean).max(0.0).sqrt()
    }

    /// Takes the spread of one sample's scores, or the mean spread of a few, into the average.
    pub fn observe_spread(&mut self, deviation: f32) {
        let share = if self.spread == 0.0 { 1.0 } else { SPREAD_SHARE };
        self.spread += share * (deviation - self.spread);
    }

    /// Moves the bias after a batch with these `winners`, those of all samples together.
    ///
    /// Cost: `O(n + winners)`.
    ///
    /// # Panics
    /// If a winner is not a unit.
    pub fn update(&mut self, winners: &[u32], rate: f32) {
        let step = rate * self.spread;
        let fair = step * winners.len() as f32 / self.bias.len() as f32;
        for bias in &mut self.bias {
            *bias += fair;
        }
        for &winner in winners {
            self.bias[winner as usize] -= step;
        }
    }

    /// The bias of each unit, `(n,)`, in units of the score.
    pub fn bias(&self) -> &[f32] {
        &self.bias
    }

    /// The average standard deviation of a sample's scores.
    pub fn spread(&self) -> f32 {
        self.spread
    }
}
