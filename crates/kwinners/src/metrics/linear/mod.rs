//! What logistic regression and the support vector machine share: one linear score a class, fitted
//! to all samples by L-BFGS.

mod objective;
mod samples;

pub(super) use objective::Loss;
pub(super) use samples::Samples;

use std::ops::Range;

use rayon::prelude::*;

use super::lbfgs::{Stop, minimise};
use super::{Classes, Features, check_labels};
use crate::error::{Error, Result};
use objective::Objective;

/// Samples whose scores are held at once.
const CHUNK: usize = 256;

/// Scores of a sample are padded to a multiple of this, so that loops over classes run on vectors.
const LANES: usize = 8;

/// How a linear read-out is fitted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LinearSettings {
    /// `a` in `Σ loss + a / 2 · |w|²`, for inputs scaled to a mean squared norm of 1; the inverse of
    /// what scikit-learn calls `C`. Biases are free.
    pub penalty: f64,
    /// Most steps of the optimiser.
    pub max_iterations: usize,
    /// Largest absolute entry of the gradient of the mean loss at which the optimiser stops.
    pub tolerance: f64,
}

impl Default for LinearSettings {
    fn default() -> Self {
        Self { penalty: 1.0, max_iterations: 200, tolerance: 1e-5 }
    }
}

/// One linear score a class, `W x + b`; the class of the largest one is the answer.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct LinearModel {
    loss: Loss,
    classes: Classes,
    width: usize,
    /// What the inputs are multiplied by: 1 / their root mean square norm.
    scale: f64,
    /// `(width + 1, classes)`: a weight for each feature and class, then the biases.
    parameters: Vec<f64>,
    penalty: f64,
}

impl LinearModel {
    /// A model of all zeros for the classes and the scale of `features`.
    ///
    /// # Errors
    /// If there is no sample, not one label a sample, or a value is NaN or infinite.
    pub(super) fn new(loss: Loss, features: Features<'_>, labels: &[u32]) -> Result<Self> {
        check_labels(labels, features.len())?;
        if features.is_empty() {
            return Err(Error::shape("samples to fit", "at least 1", 0));
        }
        if let Features::Rows(rows) = features {
            rows.check_finite("rows to fit")?;
        }
        let classes = Classes::of(labels);
        let norm = features.mean_square_norm().sqrt();
        Ok(Self {
            loss,
            width: features.width(),
            scale: if norm > 0.0 { 1.0 / norm } else { 1.0 },
            parameters: vec![0.0; (features.width() + 1) * classes.len()],
            classes,
            penalty: LinearSettings::default().penalty,
        })
    }

    /// A model fitted to `features`.
    ///
    /// # Errors
    /// As [`LinearModel::new`].
    pub(super) fn fit(
        loss: Loss,
        features: Features<'_>,
        labels: &[u32],
        settings: &LinearSettings,
    ) -> Result<Self> {
        let mut model = Self::new(loss, features, labels)?;
        model.improve(&Samples::sparse_where_it_pays(features), labels, settings);
        Ok(model)
    }

    /// Fits on from where the model stands, with the scale and classes that it has.
    pub(super) fn improve(
        &mut self,
        samples: &Samples<'_>,
        labels: &[u32],
        settings: &LinearSettings,
    ) {
        self.penalty = settings.penalty;
        let objective = Objective {
            loss: self.loss,
            samples,
            targets: self.classes.places(labels),
            classes: self.classes.len(),
            scale: self.scale,
            penalty: settings.penalty / samples.len() as f64,
        };
        let stop = Stop { max_iterations: settings.max_iterations, gradient: settings.tolerance };
        let mut function = |point: &[f64], gradient: &mut [f64]| objective.value(point, gradient);
        minimise(&mut function, &mut self.parameters, stop);
    }

    /// The penalty that the model was fitted with.
    pub(super) fn penalty(&self) -> f64 {
        self.penalty
    }

    /// The label of the largest score of each sample, ties to the lower label: `(len,)`.
    ///
    /// # Errors
    /// If the features have another width.
    pub(super) fn predict(&self, features: Features<'_>) -> Result<Vec<u32>> {
        self.of_each(features, &|scores| vec![self.classes.label(best(scores))])
    }

    /// The scores of each sample: `(len, classes)`.
    ///
    /// # Errors
    /// If the features have another width.
    pub(super) fn scores(&self, features: Features<'_>) -> Result<Vec<f32>> {
        self.of_each(features, &<[f32]>::to_vec)
    }

    /// What `answer` makes of the scores of each sample, one after the other.
    fn of_each<T: Clone + Send>(
        &self,
        features: Features<'_>,
        answer: &(dyn Fn(&[f32]) -> Vec<T> + Sync),
    ) -> Result<Vec<T>> {
        features.check_width(self.width)?;
        let weights = Weights::new(&self.parameters, self.classes.len(), self.scale);
        let samples = Samples::as_they_are(features);
        let answers: Vec<Vec<T>> = chunks(0..samples.len(), CHUNK)
            .into_par_iter()
            .map(|range| {
                let mut scores = vec![0.0; range.len() * weights.lanes];
                weights.scores(&samples, range, &mut scores);
                let rows = scores.chunks_exact(weights.lanes);
                rows.flat_map(|row| answer(&row[..self.classes.len()])).collect()
            })
            .collect();
        Ok(answers.concat())
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

fn chunks(range: Range<usize>, len: usize) -> Vec<Range<usize>> {
    range.clone().step_by(len).map(|start| start..range.end.min(start + len)).collect()
}

/// The parameters as `f32`, scaled, each row padded with classes that have no chance.
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
    fn scores(&self, samples: &Samples<'_>, range: Range<usize>, scores: &mut [f32]) {
        for row in scores.chunks_exact_mut(self.lanes) {
            row.copy_from_slice(&self.biases);
        }
        samples.add_scores(&self.weights, self.lanes, range, scores);
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
