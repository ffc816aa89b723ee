//! Each sample tells those of its class among all others.

use rayon::prelude::*;

use super::MetricOutcome;
use super::distances::Points;

/// Adds the slopes by distances to `weights`, `(len, len)`.
pub(super) fn weigh(
    points: &Points<'_>,
    temperature: f32,
    labels: &[u32],
    weights: &mut [f32],
) -> MetricOutcome {
    let len = labels.len();
    if len == 0 {
        return MetricOutcome::default();
    }
    let distances = points.matrix();
    let has_positive = |anchor: usize| {
        let mut others = labels.iter().enumerate();
        others.any(|(other, label)| other != anchor && *label == labels[anchor])
    };
    let anchors: Vec<bool> = (0..len).map(has_positive).collect();
    let terms = anchors.iter().filter(|anchor| **anchor).count();
    let rows = weights.par_chunks_mut(len).zip(distances.par_chunks(len)).enumerate();
    let losses: Vec<f64> = rows
        .filter(|(anchor, _)| anchors[*anchor])
        .map(|(anchor, (weights, distances))| {
            let scale = 1.0 / (temperature * terms as f32);
            weigh_anchor(anchor, (labels, distances), (temperature, scale), weights)
        })
        .collect();
    MetricOutcome { loss: losses.iter().sum::<f64>() / terms.max(1) as f64, terms: terms as u64 }
}

/// One anchor's loss, and its slopes times `scale`: the share of the softmax less that of the target, negative, as
/// distances fall where cosines rise.
fn weigh_anchor(
    anchor: usize,
    (labels, distances): (&[u32], &[f32]),
    (temperature, scale): (f32, f32),
    weights: &mut [f32],
) -> f64 {
    let others = || (0..labels.len()).filter(move |other| *other != anchor);
    let nearest = others().map(|other| distances[other]).fold(f32::INFINITY, f32::min);
    let (mut sum, mut positives, mut cosines) = (0.0f64, 0, 0.0f64);
    for other in others() {
        let logit = (nearest - distances[other]) / temperature;
        weights[other] = logit.exp();
        sum += f64::from(weights[other]);
        if labels[other] == labels[anchor] {
            positives += 1;
            cosines += f64::from(logit);
        }
    }
    let (inverse, target) = ((1.0 / sum) as f32, 1.0 / positives as f32);
    for other in others() {
        let wanted = if labels[other] == labels[anchor] { target } else { 0.0 };
        weights[other] = scale * (wanted - weights[other] * inverse);
    }
    sum.ln() - cosines / f64::from(positives)
}
