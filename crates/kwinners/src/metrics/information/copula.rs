//! Information as if variables were Gaussian, their coordinates made so by ranks.

use std::f64::consts::LN_2;

use super::{Sample, digamma};
use crate::metrics::Classes;
use crate::net::normal_quantile;

/// Samples for each coordinate that covariances need.
const SAMPLES_A_COORDINATE: usize = 5;

/// Least share of a coordinate's variance that may be its own.
const LEAST_PIVOT: f64 = 1e-6;

/// `H(x) + H(y) - H(x, y)` of Gaussians.
pub(super) fn between_rows(x: &Sample, y: &Sample) -> f64 {
    let most = (x.len() / SAMPLES_A_COORDINATE / 2).max(1);
    let (x, y) = (Normal::of(x, most), Normal::of(y, most));
    let all: Vec<usize> = (0..x.len()).collect();
    let both = x.beside(&y);
    (x.entropy(&all) + y.entropy(&all) - both.entropy(&all)) / LN_2
}

/// `H(x) - Σ p(y) H(x | y)` of Gaussians. Classes of one sample are left out.
pub(super) fn between_labels(x: &Sample, labels: &[u32]) -> f64 {
    let classes = Classes::of(labels);
    let mut members = vec![Vec::new(); classes.len()];
    for (sample, class) in classes.places(labels).into_iter().enumerate() {
        members[class].push(sample);
    }
    members.retain(|members| members.len() > 1);
    let fewest = members.iter().map(Vec::len).min().unwrap_or(1);
    let x = Normal::of(x, (fewest / SAMPLES_A_COORDINATE).max(1));
    let all: Vec<usize> = members.concat();
    let within =
        |members: &Vec<usize>| members.len() as f64 / all.len() as f64 * x.entropy(members);
    (x.entropy(&all) - members.iter().map(within).sum::<f64>()) / LN_2
}

/// Coordinates with normal distributions: `(len, width)`.
struct Normal {
    values: Vec<f64>,
    width: usize,
}

impl Normal {
    /// The first `most` coordinates, each value the normal quantile of `rank / (len + 1)`; equal values
    /// get their mean rank.
    fn of(sample: &Sample, most: usize) -> Self {
        let (len, width) = (sample.len(), sample.width.min(most));
        let mut values = vec![0.0; len * width];
        for column in 0..width {
            let value = |place: usize| sample.row(place)[column];
            let mut order: Vec<usize> = (0..len).collect();
            order.sort_by(|&a, &b| value(a).total_cmp(&value(b)));
            let mut below = 0;
            for equals in order.chunk_by(|&a, &b| value(a) == value(b)) {
                let rank = below as f64 + (equals.len() + 1) as f64 / 2.0;
                let quantile = normal_quantile(rank / (len + 1) as f64);
                equals.iter().for_each(|&place| values[place * width + column] = quantile);
                below += equals.len();
            }
        }
        Self { values, width }
    }

    fn len(&self) -> usize {
        self.values.len() / self.width
    }

    fn row(&self, place: usize) -> &[f64] {
        &self.values[place * self.width..][..self.width]
    }

    fn beside(&self, other: &Self) -> Self {
        let rows = (0..self.len()).flat_map(|place| [self.row(place), other.row(place)].concat());
        Self { values: rows.collect(), width: self.width + other.width }
    }

    /// `½ ln |C|` of the samples at `places`, in nats and but for what every entropy of so many
    /// coordinates has, less its bias from few samples (Ince and others, equation 18).
    fn entropy(&self, places: &[usize]) -> f64 {
        let count = places.len() as f64;
        let logs: f64 =
            cholesky_diagonal(self.covariance(places), self.width).iter().map(|v| v.ln()).sum();
        let bias = |place: usize| {
            digamma(((count - place as f64 - 1.0) / 2.0).max(0.5)) / 2.0
                + (2.0 / (count - 1.0)).ln() / 2.0
        };
        logs - (0..self.width).map(bias).sum::<f64>()
    }

    fn covariance(&self, places: &[usize]) -> Vec<f64> {
        let (width, count) = (self.width, places.len() as f64);
        let mut mean = vec![0.0; width];
        for &place in places {
            mean.iter_mut().zip(self.row(place)).for_each(|(mean, value)| *mean += value / count);
        }
        let mut covariance = vec![0.0; width * width];
        let mut centred = vec![0.0; width];
        for &place in places {
            let values = self.row(place).iter().zip(&mean);
            centred.iter_mut().zip(values).for_each(|(to, (value, mean))| *to = value - mean);
            for (line, value) in covariance.chunks_exact_mut(width).zip(&centred) {
                line.iter_mut().zip(&centred).for_each(|(sum, other)| *sum += value * other);
            }
        }
        covariance.iter_mut().for_each(|sum| *sum /= count - 1.0);
        covariance
    }
}

/// The diagonal of `L` with `L Lᵀ` the `matrix`; where a coordinate hangs on those before, what rounding
/// leaves of it is not believed.
fn cholesky_diagonal(mut matrix: Vec<f64>, width: usize) -> Vec<f64> {
    let mut diagonal = Vec::with_capacity(width);
    for row in 0..width {
        let variance = matrix[row * width + row].max(f64::MIN_POSITIVE);
        for column in 0..=row {
            let (before, rest) = matrix.split_at(row * width);
            let own = &rest[..width];
            let other = if column == row { own } else { &before[column * width..][..width] };
            let known: f64 = own[..column].iter().zip(other).map(|(a, b)| a * b).sum();
            let value = own[column] - known;
            matrix[row * width + column] = match column == row {
                true => value.max(LEAST_PIVOT * variance).sqrt(),
                false => value / other[column],
            };
        }
        diagonal.push(matrix[row * width + row]);
    }
    diagonal
}
