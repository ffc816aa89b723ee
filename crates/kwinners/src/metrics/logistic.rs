//! Multinomial logistic regression, on sparse codes or dense rows.

use rayon::prelude::*;

use super::lbfgs::{Stop, minimise};
use super::{Classes, Features, check_labels};
use crate::error::{Error, Result};
use crate::kernel::product::{add_product, add_product_of_transposed};
use crate::rows::Rows;
use crate::sdr::SdrBatch;

/// Samples whose scores are held at once.
const CHUNK: usize = 256;

/// The loss and its gradient are summed in at most so many parts, whatever the number of threads.
const BLOCKS: usize = 32;

/// Scores of a sample are padded to a multiple of this, so that loops over classes run on vectors.
const LANES: usize = 8;

/// How a [`LogisticRegression`] is fitted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LogisticSettings {
    /// `a` in `Σ loss + a / 2 · |w|²`, for inputs scaled to a mean squared norm of 1; the inverse of
    /// what scikit-learn calls `C`. Biases are free.
    pub penalty: f64,
    /// Most steps of the optimiser.
    pub max_iterations: usize,
    /// Largest absolute entry of the gradient of the mean loss at which the optimiser stops.
    pub tolerance: f64,
}

impl Default for LogisticSettings {
    fn default() -> Self {
        Self { penalty: 1.0, max_iterations: 200, tolerance: 1e-5 }
    }
}

/// Multinomial logistic regression: `P(c | x) = softmax_c(W x + b)`.
///
/// ```
/// use kwinners::metrics::{Features, LogisticRegression, LogisticSettings};
/// use kwinners::SdrBatch;
/// let codes = SdrBatch::from_exact(8, 2, vec![0, 1, 0, 2, 5, 6, 5, 7])?;
/// let features = Features::Codes(&codes);
/// let model = LogisticRegression::fit(features, &[3, 3, 9, 9], &LogisticSettings::default())?;
/// assert_eq!(model.predict(features)?, [3, 3, 9, 9]);
/// # Ok::<(), kwinners::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct LogisticRegression {
    classes: Classes,
    width: usize,
    /// What the inputs are multiplied by: 1 / their root mean square norm.
    scale: f64,
    /// `(width + 1, classes)`: a weight for each feature and class, then the biases.
    parameters: Vec<f64>,
    penalty: f64,
}

impl LogisticRegression {
    /// Fits `features`, one label a sample, by L-BFGS on all samples.
    ///
    /// Cost an iteration: `2 · len · classes` multiply-adds for each value of a row or active unit of
    /// a code, over all cores.
    ///
    /// # Errors
    /// If there is no sample, not one label a sample, or a value is NaN or infinite.
    pub fn fit(
        features: Features<'_>,
        labels: &[u32],
        settings: &LogisticSettings,
    ) -> Result<Self> {
        check_labels(labels, features.len())?;
        if features.is_empty() {
            return Err(Error::shape("samples to fit", "at least 1", 0));
        }
        if let Features::Rows(rows) = features {
            rows.check_finite("rows to fit")?;
        }
        let classes = Classes::of(labels);
        let norm = features.mean_square_norm().sqrt();
        let mut model = Self {
            width: features.width(),
            scale: if norm > 0.0 { 1.0 / norm } else { 1.0 },
            parameters: vec![0.0; (features.width() + 1) * classes.len()],
            classes,
            penalty: settings.penalty,
        };
        model.refit(features, labels, settings);
        Ok(model)
    }

    /// Fits again from where the model stands, with the scale and classes that it has.
    pub(super) fn refit(
        &mut self,
        features: Features<'_>,
        labels: &[u32],
        settings: &LogisticSettings,
    ) {
        self.penalty = settings.penalty;
        let objective = Objective {
            features,
            targets: self.classes.places(labels),
            classes: self.classes.len(),
            scale: self.scale,
            penalty: settings.penalty / features.len() as f64,
        };
        let stop = Stop { max_iterations: settings.max_iterations, gradient: settings.tolerance };
        let mut function = |point: &[f64], gradient: &mut [f64]| objective.value(point, gradient);
        minimise(&mut function, &mut self.parameters, stop);
    }

    /// The penalty that the model was fitted with.
    pub fn penalty(&self) -> f64 {
        self.penalty
    }

    /// The most probable label of each sample, ties to the lower label: `(len,)`.
    ///
    /// # Errors
    /// If the features have another width.
    pub fn predict(&self, features: Features<'_>) -> Result<Vec<u32>> {
        features.check_width(self.width)?;
        let weights = Weights::new(&self.parameters, self.classes.len(), self.scale);
        let labels: Vec<Vec<u32>> = chunks(0..features.len(), CHUNK)
            .into_par_iter()
            .map(|range| {
                let mut scores = vec![0.0; range.len() * weights.lanes];
                weights.scores(features, range, &mut scores);
                scores
                    .chunks_exact(weights.lanes)
                    .map(|row| self.classes.label(best(row)))
                    .collect()
            })
            .collect();
        Ok(labels.concat())
    }
}

/// The place of the largest score, the lowest of equals.
fn best(scores: &[f32]) -> usize {
    let mut best = 0;
    for (place, score) in scores.iter().enumerate() {
        if *score > scores[best] {
            best = place;
        }
    }
    best
}

fn chunks(range: std::ops::Range<usize>, len: usize) -> Vec<std::ops::Range<usize>> {
    range.clone().step_by(len).map(|start| start..range.end.min(start + len)).collect()
}

/// What is minimised: `mean loss + penalty / 2 · |w|²`.
struct Objective<'a> {
    features: Features<'a>,
    targets: Vec<usize>,
    classes: usize,
    scale: f64,
    penalty: f64,
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
    fn value(&self, point: &[f64], gradient: &mut [f64]) -> f64 {
        let weights = Weights::new(point, self.classes, self.scale);
        let samples = self.features.len();
        let block = samples.div_ceil(BLOCKS).max(CHUNK);
        let parts: Vec<Part> = chunks(0..samples, block)
            .into_par_iter()
            .map(|range| self.part(&weights, range))
            .collect();
        gradient.fill(0.0);
        let (slopes, bias_slopes) = gradient.split_at_mut(self.features.width() * self.classes);
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

    fn part(&self, weights: &Weights, range: std::ops::Range<usize>) -> Part {
        let lanes = weights.lanes;
        let mut part = Part {
            loss: 0.0,
            weights: vec![0.0; self.features.width() * lanes],
            biases: vec![0.0; lanes],
        };
        let mut scores = vec![0.0; CHUNK.min(range.len()) * lanes];
        for chunk in chunks(range, CHUNK) {
            let scores = &mut scores[..chunk.len() * lanes];
            weights.scores(self.features, chunk.clone(), scores);
            for (row, &target) in scores.chunks_exact_mut(lanes).zip(&self.targets[chunk.clone()]) {
                part.loss += f64::from(residual(row, target));
                part.biases.iter_mut().zip(&*row).for_each(|(sum, slope)| *sum += slope);
            }
            match self.features {
                Features::Codes(codes) => add_outer(codes, chunk, scores, &mut part.weights),
                Features::Rows(rows) => {
                    let residuals = Rows::new(scores, lanes).expect("whole rows");
                    add_product_of_transposed(rows.slice(chunk), residuals, &mut part.weights);
                }
            }
        }
        part
    }
}

/// Turns scores into the slope of the loss by them, `softmax - one-hot`; returns the loss.
fn residual(scores: &mut [f32], target: usize) -> f32 {
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

/// Adds the residuals of each code to the rows of its active units.
fn add_outer(
    codes: &SdrBatch,
    range: std::ops::Range<usize>,
    residuals: &[f32],
    slopes: &mut [f32],
) {
    let lanes = residuals.len() / range.len();
    for (code, residual) in range.zip(residuals.chunks_exact(lanes)) {
        for &index in codes.get(code).indices() {
            add_lanes(&mut slopes[index as usize * lanes..][..lanes], residual);
        }
    }
}

/// The parameters as `f32`, scaled, each row padded with classes of probability 0.
struct Weights {
    lanes: usize,
    /// `(width, lanes)`.
    weights: Vec<f32>,
    /// `(lanes,)`.
    biases: Vec<f32>,
}

impl Weights {
    fn new(parameters: &[f64], classes: usize, scale: f64) -> Self {
        let lanes = classes.next_multiple_of(LANES);
        let (weights, biases) = parameters.split_at(parameters.len() - classes);
        let mut padded = vec![0.0; weights.len() / classes * lanes];
        for (row, weights) in padded.chunks_exact_mut(lanes).zip(weights.chunks_exact(classes)) {
            row.iter_mut().zip(weights).for_each(|(to, weight)| *to = (weight * scale) as f32);
        }
        let mut padded_biases = vec![f32::NEG_INFINITY; lanes];
        padded_biases.iter_mut().zip(biases).for_each(|(to, bias)| *to = *bias as f32);
        Self { lanes, weights: padded, biases: padded_biases }
    }

    /// `W x + b` for the samples of `range`: `(range.len(), lanes)`.
    fn scores(&self, features: Features<'_>, range: std::ops::Range<usize>, scores: &mut [f32]) {
        for row in scores.chunks_exact_mut(self.lanes) {
            row.copy_from_slice(&self.biases);
        }
        match features {
            Features::Codes(codes) => {
                for (code, row) in range.zip(scores.chunks_exact_mut(self.lanes)) {
                    for &index in codes.get(code).indices() {
                        add_lanes(row, &self.weights[index as usize * self.lanes..][..self.lanes]);
                    }
                }
            }
            Features::Rows(rows) => {
                let weights = Rows::new(&self.weights, self.lanes).expect("whole rows");
                add_product(rows.slice(range), weights, scores);
            }
        }
    }
}

/// `to += from`, both a multiple of [`LANES`] long.
fn add_lanes(to: &mut [f32], from: &[f32]) {
    let (to, from) = (to.as_chunks_mut::<LANES>().0, from.as_chunks::<LANES>().0);
    for (to, from) in to.iter_mut().zip(from) {
        for lane in 0..LANES {
            to[lane] += from[lane];
        }
    }
}

/// `to += factor · from`, for as many places as `to` has.
fn add_scaled(to: &mut [f64], from: &[f32], factor: f64) {
    to.iter_mut().zip(from).for_each(|(to, &from)| *to += factor * f64::from(from));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    /// The gradient must be the slope of the value: central differences along random directions.
    fn assert_gradient_is_the_slope(features: Features<'_>, rng: &mut Rng) {
        let classes = 3;
        let objective = Objective {
            features,
            targets: (0..features.len()).map(|_| rng.below(classes)).collect(),
            classes,
            scale: 0.5,
            penalty: 0.1,
        };
        let len = (features.width() + 1) * classes;
        let mut random = || (0..len).map(|_| f64::from(rng.normal())).collect::<Vec<f64>>();
        let point = random();
        let mut gradient = vec![0.0; len];
        objective.value(&point, &mut gradient);
        for _ in 0..5 {
            let direction = random();
            let at = |step: f64| {
                let moved: Vec<f64> =
                    point.iter().zip(&direction).map(|(p, d)| p + step * d).collect();
                objective.value(&moved, &mut vec![0.0; len])
            };
            let slope: f64 = gradient.iter().zip(&direction).map(|(g, d)| g * d).sum();
            let difference = (at(1e-2) - at(-1e-2)) / 2e-2;
            assert!(
                (slope - difference).abs() < 1e-3 * (1.0 + slope.abs()),
                "{slope} {difference}"
            );
        }
    }

    #[test]
    fn gradient_is_the_slope_of_the_value() {
        let mut rng = Rng::new(3);
        let (samples, units) = (600, 40);
        let mut codes = SdrBatch::new(units).unwrap();
        for _ in 0..samples {
            codes.push(&rng.distinct(5, units)).unwrap();
        }
        assert_gradient_is_the_slope(Features::Codes(&codes), &mut rng);
        let dense: Vec<f32> = codes.iter().flat_map(|code| code.to_dense()).collect();
        let rows = Rows::new(&dense, units).unwrap();
        assert_gradient_is_the_slope(Features::Rows(rows), &mut rng);
    }
}
