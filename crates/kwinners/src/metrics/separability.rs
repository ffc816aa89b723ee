//! How far class means lie apart for how much classes scatter.

use serde::Serialize;

use super::{Classes, Features, check_labels};
use crate::error::Result;

/// How far the means of the classes lie apart, and how much their samples scatter.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Separability {
    /// Mean L1 distance between the means of two classes, over the mean L1 norm of a class mean.
    pub inter: f64,
    /// Mean L1 norm of a class's standard deviations, unit by unit, over the same norm.
    pub intra: f64,
    /// `inter / intra`.
    pub ratio: f64,
}

/// Cluster separability of `features`. NaN where there is one class only, infinite where no class
/// scatters. Standard deviations are those of the sample, `√(Σ (x - mean)² / (len - 1))`; a class of
/// one sample has 0.
///
/// Cost: `O(len · width + classes² · width)`, for codes `O(len · k + classes² · n)`.
///
/// Source: pytorch-mighty, the monitor of embeddings.
///
/// ```
/// use kwinners::{Rows, metrics::{Features, separability}};
/// let rows = Rows::new(&[0.0, 2.0, 10.0, 12.0], 1)?;
/// let figures = separability(Features::Rows(rows), &[0, 0, 1, 1])?;
/// assert_eq!(figures.inter, 10.0 / 6.0); // means 1 and 11
/// assert!((figures.intra - 2f64.sqrt() / 6.0).abs() < 1e-12);
/// # Ok::<(), kwinners::Error>(())
/// ```
///
/// # Errors
/// If there is not one label a sample.
pub fn separability(features: Features<'_>, labels: &[u32]) -> Result<Separability> {
    check_labels(labels, features.len())?;
    let classes = Classes::of(labels);
    let moments = Moments::of(features, &classes.places(labels), classes.len());
    let norms = moments.means.chunks_exact(features.width().max(1)).map(l1);
    let norm = norms.sum::<f64>() / classes.len() as f64;
    let intra = moments.deviations.iter().sum::<f64>() / classes.len() as f64 / norm;
    let inter = mean_distance(&moments.means, features.width()) / norm;
    Ok(Separability { inter, intra, ratio: inter / intra })
}

/// Means, `(classes, width)`, and summed standard deviations, `(classes,)`.
struct Moments {
    means: Vec<f64>,
    deviations: Vec<f64>,
}

impl Moments {
    fn of(features: Features<'_>, places: &[usize], classes: usize) -> Self {
        let width = features.width();
        let mut counts = vec![0.0f64; classes];
        places.iter().for_each(|&class| counts[class] += 1.0);
        let (mut means, mut squares) = (vec![0.0; classes * width], vec![0.0; classes * width]);
        for_each_value(features, |sample, place, value| {
            let place = places[sample] * width + place;
            means[place] += value / counts[places[sample]];
        });
        // Values that are 0 and not listed are as far from the mean as the mean is from 0.
        for_each_value(features, |sample, place, value| {
            let place = places[sample] * width + place;
            squares[place] += (value - means[place]).powi(2) - means[place].powi(2);
        });
        let deviation = |class: usize| -> f64 {
            let range = class * width..(class + 1) * width;
            let values = means[range.clone()].iter().zip(&squares[range]);
            let count = counts[class];
            values
                .map(|(mean, square)| {
                    let sum = (square + count * mean * mean).max(0.0);
                    (sum / (count - 1.0).max(1.0)).sqrt()
                })
                .sum()
        };
        let deviations = (0..classes).map(deviation).collect();
        Self { means, deviations }
    }
}

/// Calls `visit` with the sample, the place in it and the value, of every value that is not 0.
fn for_each_value(features: Features<'_>, mut visit: impl FnMut(usize, usize, f64)) {
    match features {
        Features::Codes(codes) => {
            for (sample, code) in codes.iter().enumerate() {
                code.indices().iter().for_each(|&unit| visit(sample, unit as usize, 1.0));
            }
        }
        Features::Rows(rows) => {
            for (sample, row) in rows.iter().enumerate() {
                let values = row.iter().enumerate().filter(|(_, value)| **value != 0.0);
                values.for_each(|(place, &value)| visit(sample, place, f64::from(value)));
            }
        }
    }
}

/// Mean L1 distance between two different rows.
fn mean_distance(rows: &[f64], width: usize) -> f64 {
    let rows: Vec<&[f64]> = rows.chunks_exact(width.max(1)).collect();
    let mut sum = 0.0;
    for (place, a) in rows.iter().enumerate() {
        for b in &rows[place + 1..] {
            sum += a.iter().zip(*b).map(|(a, b)| (a - b).abs()).sum::<f64>();
        }
    }
    sum / (rows.len() * rows.len().saturating_sub(1) / 2) as f64
}

fn l1(values: &[f64]) -> f64 {
    values.iter().map(|value| value.abs()).sum()
}
