//! Each sample tells the mean of its class among those of all classes.

use rayon::prelude::*;

use super::distances::{Points, lanes};
use super::{MetricOutcome, classes_of};
use crate::kernel::product::{add_product_of_transposed, product_transposed};
use crate::rows::Rows;

/// Writes the slopes by the outputs of the loss to `slopes`, `(len, width)`.
///
/// With `u` the outputs at length 1, `s` the sums of a class and `o = s - u` that of an anchor's own class without it:
/// logits are `u·s / (‖s‖ τ)`, and `u·o / (‖o‖ τ)`. Cost: `O(len · classes · width)`.
pub(super) fn slopes(
    points: &Points<'_>,
    temperature: f32,
    labels: &[u32],
    slopes: &mut Vec<f32>,
) -> MetricOutcome {
    let (width, classes) = (points.width(), classes_of(labels));
    slopes.clear();
    slopes.resize(labels.len() * width, 0.0);
    let terms = match classes.len() {
        0 | 1 => 0,
        _ => classes.iter().map(Vec::len).filter(|members| *members > 1).sum(),
    };
    if terms == 0 {
        return MetricOutcome::default();
    }
    let means = Means::new(points, &classes);
    let view = |values, width| Rows::new(values, width).expect("whole rows");
    let (unit, count) = (view(points.unit_rows(), width), classes.len());
    let mut weights = vec![0.0; labels.len() * count];
    product_transposed(unit, view(&means.unit, width), &mut weights);
    let mut place = vec![0; labels.len()];
    for (class, members) in classes.iter().enumerate() {
        members.iter().for_each(|&member| place[member as usize] = class);
    }
    // What the mean of its own class without it is to each anchor, and that mean's slope.
    let mut own_slopes = vec![0.0; slopes.len()];
    let scale = 1.0 / (temperature * terms as f32);
    let anchors = slopes.par_chunks_mut(width).zip(own_slopes.par_chunks_mut(width));
    let anchors = anchors.zip(weights.par_chunks_mut(count)).enumerate();
    let losses: Vec<f64> = anchors
        .map(|(anchor, ((slopes, own_slopes), weights))| {
            if classes[place[anchor]].len() < 2 {
                weights.fill(0.0);
                return 0.0;
            }
            let (unit, own) = (points.unit(anchor), place[anchor]);
            let length = means.without(own, unit, own_slopes);
            let cosine = lanes(own_slopes, unit, |a, b| a * b);
            weights[own] = cosine;
            let loss = to_weights(weights, own, (temperature, scale));
            let weight = std::mem::take(&mut weights[own]);
            for ((slope, other), unit) in slopes.iter_mut().zip(own_slopes).zip(unit) {
                *slope += weight * *other;
                *other = weight / length * (unit - cosine * *other);
            }
            loss
        })
        .collect();
    let mut pulls = means.pulls(unit, &weights);
    for (class, members) in classes.iter().enumerate() {
        let pull = &mut pulls[class * width..][..width];
        for &member in members {
            let own = &own_slopes[member as usize * width..][..width];
            pull.iter_mut().zip(own).for_each(|(pull, own)| *pull += own);
        }
    }
    crate::kernel::product::add_product(view(&weights, count), view(&means.unit, width), slopes);
    let rows = slopes.par_chunks_mut(width).zip(own_slopes.par_chunks(width)).enumerate();
    rows.for_each(|(row, (slopes, own))| {
        let pull = &pulls[place[row] * width..][..width];
        for (slope, (pull, own)) in slopes.iter_mut().zip(pull.iter().zip(own)) {
            *slope += pull - own;
        }
    });
    points.along_outputs(slopes);
    MetricOutcome { loss: losses.iter().sum::<f64>() / terms as f64, terms: terms as u64 }
}

/// Turns cosines into the slopes of `-ln softmax(cosines / τ)[own]` by them, times `scale` `τ`; returns that loss.
fn to_weights(cosines: &mut [f32], own: usize, (temperature, scale): (f32, f32)) -> f64 {
    let most = cosines.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let target = f64::from((cosines[own] - most) / temperature);
    let mut sum = 0.0;
    for cosine in cosines.iter_mut() {
        *cosine = ((*cosine - most) / temperature).exp();
        sum += f64::from(*cosine);
    }
    let inverse = (1.0 / sum) as f32;
    for (class, cosine) in cosines.iter_mut().enumerate() {
        *cosine = scale * (*cosine * inverse - f32::from(u8::from(class == own)));
    }
    sum.ln() - target
}

/// The sums of the outputs of each class, `(classes, width)`, and scaled to length 1.
struct Means {
    width: usize,
    sums: Vec<f32>,
    unit: Vec<f32>,
    lengths: Vec<f32>,
}

impl Means {
    fn new(points: &Points<'_>, classes: &[Vec<u32>]) -> Self {
        let width = points.width();
        let mut sums = vec![0.0; classes.len() * width];
        sums.par_chunks_mut(width).zip(classes).for_each(|(sums, members)| {
            for &member in members {
                let unit = points.unit(member as usize);
                sums.iter_mut().zip(unit).for_each(|(sum, value)| *sum += value);
            }
        });
        let mut unit = sums.clone();
        let lengths = unit.chunks_exact_mut(width).map(normalise).collect();
        Self { width, sums, unit, lengths }
    }

    /// Writes the mean of class `own` without `unit`, at length 1, to `mean`; returns the length of its sum.
    fn without(&self, own: usize, unit: &[f32], mean: &mut [f32]) -> f32 {
        let sums = &self.sums[own * self.width..][..self.width];
        for (mean, (sum, unit)) in mean.iter_mut().zip(sums.iter().zip(unit)) {
            *mean = sum - unit;
        }
        let length = normalise(mean);
        if length > 0.0 { length } else { 1.0 }
    }

    /// The slopes by the sums, `(classes, width)`, from those by the cosines of all `outputs`, `(len, classes)`.
    fn pulls(&self, outputs: Rows<'_>, weights: &[f32]) -> Vec<f32> {
        let mut pulls = vec![0.0; self.sums.len()];
        let weights = Rows::new(weights, self.lengths.len()).expect("whole rows");
        add_product_of_transposed(weights, outputs, &mut pulls);
        let means = self.unit.chunks_exact(self.width).zip(&self.lengths);
        for (pull, (mean, length)) in pulls.chunks_exact_mut(self.width).zip(means) {
            let along = lanes(pull, mean, |a, b| a * b);
            let factor = if *length > 0.0 { 1.0 / length } else { 0.0 };
            for (pull, mean) in pull.iter_mut().zip(mean) {
                *pull = factor * (*pull - along * mean);
            }
        }
        pulls
    }
}

/// Scales a row to length 1, unless it is all zeros; returns what it was divided by.
pub(super) fn normalise(row: &mut [f32]) -> f32 {
    let length = lanes(row, row, |a, b| a * b).sqrt();
    let factor = if length > 0.0 { 1.0 / length } else { 0.0 };
    row.iter_mut().for_each(|value| *value *= factor);
    length
}
