//! Where the step of one sample lies, and how that moves with its scores.

use crate::net::{normal_density, normal_quantile};

/// Where the step of one sample lies.
#[derive(Clone, Copy, Debug)]
pub(super) enum Edge {
    /// Half way between the scores of two units.
    Between([usize; 2]),
    /// At 0, each unit's threshold being in its score.
    Zero,
    /// Above as many scores as are predicted.
    Predicted(Prediction),
}

/// `t = μ + σ Φ⁻¹(1 - k/n)` of one sample, with `k = max(K q, L)`, `q = 1 / (1 + e^-a)`, `a = w·v`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Prediction {
    /// `k`.
    pub(super) number: f64,
    /// `t`.
    pub(super) threshold: f64,
    mean: f64,
    deviation: f64,
    /// `Φ⁻¹(1 - k/n)`.
    quantile: f64,
    /// `dt/da`; 0 where `L` counts.
    slope: f64,
}

impl Prediction {
    /// For the scores `v` of a sample, `(n,)`, by the weights `w`, `(n,)`, and between `L` and `K`.
    pub(super) fn of(scores: &[f32], weights: &[f32], (least, most): (usize, usize)) -> Self {
        let wide = || scores.iter().map(|score| f64::from(*score));
        let (count, least, most) = (scores.len() as f64, least as f64, most as f64);
        let mean = wide().sum::<f64>() / count;
        let squares: f64 = wide().map(|score| (score - mean).powi(2)).sum();
        let deviation = (squares / (count - 1.0)).sqrt();
        let activation: f64 = wide().zip(weights).map(|(v, weight)| v * f64::from(*weight)).sum();
        let share = 1.0 / (1.0 + (-activation).exp());
        let number = (most * share).max(least);
        let quantile = normal_quantile(1.0 - number / count);
        let moves = if most * share > least { most / count * share * (1.0 - share) } else { 0.0 };
        Self {
            number,
            threshold: mean + deviation * quantile,
            mean,
            deviation,
            quantile,
            slope: -deviation * moves / normal_density(quantile),
        }
    }

    /// Adds what moves the threshold to the slopes by the scores, `by` being the slope of the loss by the threshold.
    pub(super) fn pass_back(&self, by: f64, scores: &[f32], weights: &[f32], slopes: &mut [f32]) {
        let count = scores.len() as f64;
        let spread = match self.deviation > 0.0 {
            true => self.quantile / ((count - 1.0) * self.deviation),
            false => 0.0,
        };
        for ((slope, score), weight) in slopes.iter_mut().zip(scores).zip(weights) {
            let off = f64::from(*score) - self.mean;
            let moves = 1.0 / count + spread * off + self.slope * f64::from(*weight);
            *slope += (by * moves) as f32;
        }
    }

    /// The slope of the loss by `a`.
    pub(super) fn by_activation(&self, by: f64) -> f64 {
        by * self.slope
    }
}
