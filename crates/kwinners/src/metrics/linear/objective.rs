//! What is minimised: the mean loss and the penalty, with their slope.

use std::ops::Range;

use rayon::prelude::*;

use super::{CHUNK, Samples, Weights, chunks};

/// The loss and its gradient are summed in at most so many parts, whatever the number of threads.
const BLOCKS: usize = 32;

/// How wrong the scores of a sample are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::metrics) enum Loss {
    /// `-log softmax(s)_target`.
    Softmax,
    /// `Σ_c max(0, 1 - y_c s_c)²`, `y_c` 1 for the target and -1 for the others: one machine a class.
    SquaredHinge,
}

impl Loss {
    /// Turns scores into the slope of the loss by them; returns the loss. A padded score of -∞ adds
    /// nothing and gets slope 0.
    fn slope(self, scores: &mut [f32], target: usize) -> f32 {
        match self {
            Self::Softmax => softmax_slope(scores, target),
            Self::SquaredHinge => squared_hinge_slope(scores, target),
        }
    }
}

/// The slope is `softmax - one-hot`.
fn softmax_slope(scores: &mut [f32], target: usize) -> f32 {
    let most = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let of_target = scores[target] - most;
    let mut total = 0.0;
    for score in scores.iter_mut() {
        *score = (*score - most).exp();
        total += *score;
    }
    scores.iter_mut().for_each(|score| *score /= total);
    scores[target] -= 1.0;
    total.ln() - of_target
}

/// The slope is `-2 y_c max(0, 1 - y_c s_c)`.
fn squared_hinge_slope(scores: &mut [f32], target: usize) -> f32 {
    let of_target = (1.0 - scores[target]).max(0.0);
    scores[target] = f32::NEG_INFINITY;
    let mut total = of_target * of_target;
    for score in scores.iter_mut() {
        let short = (1.0 + *score).max(0.0);
        total += short * short;
        *score = 2.0 * short;
    }
    scores[target] = -2.0 * of_target;
    total
}

/// What is minimised: `mean loss + penalty / 2 · |w|²`.
pub(super) struct Objective<'a> {
    pub(super) loss: Loss,
    pub(super) samples: &'a Samples<'a>,
    pub(super) targets: Vec<usize>,
    pub(super) classes: usize,
    pub(super) scale: f64,
    pub(super) penalty: f64,
}

/// The part that some samples have in the summed loss and its gradient.
struct Part {
    loss: f64,
    /// `(width, lanes)`.
    weights: Vec<f32>,
    /// `(lanes,)`.
    biases: Vec<f32>,
}

impl Objective<'_> {
    /// The value at `point`; the gradient there goes into `gradient`.
    pub(super) fn value(&self, point: &[f64], gradient: &mut [f64]) -> f64 {
        let weights = Weights::new(point, self.classes, self.scale);
        let samples = self.samples.len();
        let block = samples.div_ceil(BLOCKS).max(CHUNK);
        let parts: Vec<Part> = chunks(0..samples, block)
            .into_par_iter()
            .map(|range| self.part(&weights, range))
            .collect();
        gradient.fill(0.0);
        let (slopes, bias_slopes) = gradient.split_at_mut(self.samples.width() * self.classes);
        let mean = 1.0 / samples as f64;
        for part in &parts {
            let rows = part.weights.chunks_exact(weights.lanes);
            for (sums, row) in slopes.chunks_exact_mut(self.classes).zip(rows) {
                add_scaled(sums, row, self.scale * mean);
            }
            add_scaled(bias_slopes, &part.biases, mean);
        }
        let weights = &point[..slopes.len()];
        slopes.iter_mut().zip(weights).for_each(|(slope, weight)| *slope += self.penalty * weight);
        let square: f64 = weights.iter().map(|weight| weight * weight).sum();
        let loss: f64 = parts.iter().map(|part| part.loss).sum();
        loss * mean + self.penalty / 2.0 * square
    }

    fn part(&self, weights: &Weights, range: Range<usize>) -> Part {
        let lanes = weights.lanes;
        let mut part = Part {
            loss: 0.0,
            weights: vec![0.0; self.samples.width() * lanes],
            biases: vec![0.0; lanes],
        };
        let mut scores = vec![0.0; CHUNK.min(range.len()) * lanes];
        for chunk in chunks(range, CHUNK) {
            let scores = &mut scores[..chunk.len() * lanes];
            weights.scores(self.samples, chunk.clone(), scores);
            for (row, &target) in scores.chunks_exact_mut(lanes).zip(&self.targets[chunk.clone()]) {
                part.loss += f64::from(self.loss.slope(row, target));
                part.biases.iter_mut().zip(&*row).for_each(|(sum, slope)| *sum += slope);
            }
            self.samples.add_outer(chunk, scores, lanes, &mut part.weights);
        }
        part
    }
}

/// `to += factor · from`, for as many places as `to` has.
fn add_scaled(to: &mut [f64], from: &[f32], factor: f64) {
    to.iter_mut().zip(from).for_each(|(to, &from)| *to += factor * f64::from(from));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Features;
    use crate::rng::Rng;
    use crate::rows::Rows;
    use crate::sdr::SdrBatch;

    const CLASSES: usize = 3;

    fn random(len: usize, rng: &mut Rng) -> Vec<f64> {
        (0..len).map(|_| f64::from(rng.normal())).collect()
    }

    /// The gradient must be the slope of the value: central differences along random directions.
    fn assert_gradient_is_the_slope(objective: &Objective<'_>, rng: &mut Rng) {
        let len = (objective.samples.width() + 1) * CLASSES;
        let point = random(len, rng);
        let mut gradient = vec![0.0; len];
        objective.value(&point, &mut gradient);
        for _ in 0..5 {
            let direction = random(len, rng);
            let at = |step: f64| {
                let moved: Vec<f64> =
                    point.iter().zip(&direction).map(|(p, d)| p + step * d).collect();
                objective.value(&moved, &mut vec![0.0; len])
            };
            let slope: f64 = gradient.iter().zip(&direction).map(|(g, d)| g * d).sum();
            let difference = (at(1e-2) - at(-1e-2)) / 2e-2;
            assert!(
                (slope - difference).abs() < 1e-3 * (1.0 + slope.abs()),
                "{:?}: {slope} {difference}",
                objective.loss
            );
        }
    }

    #[test]
    fn gradient_is_the_slope_of_the_value() {
        let mut rng = Rng::new(3);
        let (samples, units) = (600, 80);
        let mut codes = SdrBatch::new(units).unwrap();
        for _ in 0..samples {
            codes.push(&rng.distinct(5, units)).unwrap();
        }
        let sparse: Vec<f32> = codes.iter().flat_map(|code| code.to_dense()).collect();
        let dense: Vec<f32> = sparse.iter().map(|value| value - 0.5).collect();
        let rows = |values| Features::Rows(Rows::new(values, units).unwrap());
        let of_sparse = Samples::sparse_where_it_pays(rows(&sparse));
        assert!(matches!(of_sparse, Samples::Sparse(_)));
        let of_dense = Samples::sparse_where_it_pays(rows(&dense));
        assert!(matches!(of_dense, Samples::Rows(_)));
        let targets: Vec<usize> = (0..samples).map(|_| rng.below(CLASSES)).collect();
        for samples in [&of_sparse, &of_dense, &Samples::Codes(&codes)] {
            for loss in [Loss::Softmax, Loss::SquaredHinge] {
                let targets = targets.clone();
                let objective = Objective {
                    loss,
                    samples,
                    targets,
                    classes: CLASSES,
                    scale: 0.5,
                    penalty: 0.1,
                };
                assert_gradient_is_the_slope(&objective, &mut rng);
            }
        }
    }
}
