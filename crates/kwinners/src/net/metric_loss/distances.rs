//! Distances between the outputs of a batch, and from slopes by distances to slopes by outputs.

use rayon::prelude::*;

use super::Metric;
use super::prototypes::normalise;
use crate::kernel::product::{add_product, product_transposed};
use crate::kernel::{self, vectors::Weighted};
use crate::rows::Rows;

/// Outputs that one task works at; fixed, so that results don't depend on threads.
const ROWS_A_TASK: usize = 16;

/// The outputs of a batch, ready to be compared.
pub(super) struct Points<'a> {
    metric: Metric,
    rows: Rows<'a>,
    /// The outputs scaled to length 1 and what they were divided by, for the cosine; zeros stay zeros.
    unit: &'a [f32],
    lengths: Vec<f32>,
}

impl<'a> Points<'a> {
    /// `unit` is room for what the cosine needs.
    pub(super) fn new(metric: Metric, rows: Rows<'a>, unit: &'a mut Vec<f32>) -> Self {
        let mut lengths = Vec::new();
        unit.clear();
        if metric == Metric::Cosine && !rows.is_empty() {
            unit.extend_from_slice(rows.values());
            lengths = unit.par_chunks_mut(rows.width()).map(normalise).collect();
        }
        Self { metric, rows, unit, lengths }
    }

    /// Number of outputs.
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Values of an output.
    pub(super) fn width(&self) -> usize {
        self.rows.width()
    }

    /// The outputs scaled to length 1, `(len, width)`, for the cosine.
    pub(super) fn unit_rows(&self) -> &[f32] {
        self.unit
    }

    pub(super) fn unit(&self, row: usize) -> &[f32] {
        &self.unit[row * self.rows.width()..][..self.rows.width()]
    }

    /// The distances of output `row` to `others`.
    pub(super) fn to_some(&self, row: usize, others: &[u32], distances: &mut Vec<f32>) {
        distances.clear();
        match self.metric {
            Metric::Cosine => {
                distances.resize(others.len(), 0.0);
                (kernel::table().dots)(self.unit, others, self.unit(row), distances);
                distances.iter_mut().for_each(|cosine| *cosine = 1.0 - *cosine);
            }
            metric => {
                let of = |other: &u32| {
                    distance(metric, self.rows.row(row), self.rows.row(*other as usize))
                };
                distances.extend(others.iter().map(of));
            }
        }
    }

    /// All distances, `(len, len)`.
    pub(super) fn matrix(&self) -> Vec<f32> {
        let len = self.len();
        let mut matrix = vec![0.0; len * len];
        let tasks = matrix.par_chunks_mut((ROWS_A_TASK * len).max(1)).enumerate();
        tasks.for_each(|(task, out)| {
            let first = task * ROWS_A_TASK;
            if self.metric == Metric::Cosine {
                let (width, count) = (self.rows.width(), out.len() / len);
                let block = &self.unit[first * width..][..count * width];
                let view = |values| Rows::new(values, width).expect("whole rows");
                product_transposed(view(block), view(self.unit), out);
                out.iter_mut().for_each(|cosine| *cosine = 1.0 - *cosine);
                return;
            }
            for (row, out) in out.chunks_exact_mut(len).enumerate() {
                for (other, out) in out.iter_mut().enumerate() {
                    *out = distance(self.metric, self.rows.row(first + row), self.rows.row(other));
                }
            }
        });
        matrix
    }

    /// The slopes by the outputs, `(len, width)`, from those by the distances, `weights`, `(len, len)`: entry
    /// `(i, j)` is that by the distance of `i` and `j`, in either order; they add up.
    pub(super) fn slopes(&self, weights: &mut [f32], slopes: &mut Vec<f32>) {
        let (len, width) = (self.len(), self.rows.width());
        slopes.clear();
        slopes.resize(len * width, 0.0);
        add_mirrored(weights, len);
        let tasks = slopes.par_chunks_mut(ROWS_A_TASK * width);
        let tasks = tasks.zip(weights.par_chunks_mut((ROWS_A_TASK * len).max(1))).enumerate();
        tasks.for_each(|(task, (slopes, weights))| {
            let first = task * ROWS_A_TASK;
            match self.metric {
                Metric::Cosine => self.cosine_slopes(first, weights, slopes),
                Metric::L1 => self.l1_slopes(first, weights, slopes),
                Metric::L2 => self.l2_slopes(first, weights, slopes),
            }
        });
    }

    /// `d = 1 - u·v`: `-Σ w v` by `u`, of which what lies along `u` changes nothing.
    fn cosine_slopes(&self, first: usize, weights: &mut [f32], slopes: &mut [f32]) {
        let width = self.rows.width();
        weights.iter_mut().for_each(|weight| *weight = -*weight);
        let all = Rows::new(self.unit, width).expect("whole rows");
        combine(weights, all, slopes);
        let rows = slopes.chunks_exact_mut(width).enumerate();
        rows.for_each(|(row, slopes)| self.along_output(first + row, slopes));
    }

    /// Turns slopes by outputs of length 1, `(len, width)`, into those by the outputs.
    pub(super) fn along_outputs(&self, slopes: &mut [f32]) {
        let rows = slopes.par_chunks_mut(self.rows.width()).enumerate();
        rows.for_each(|(row, slopes)| self.along_output(row, slopes));
    }

    fn along_output(&self, row: usize, slopes: &mut [f32]) {
        let (unit, length) = (self.unit(row), self.lengths[row]);
        let along = lanes(slopes, unit, |a, b| a * b);
        let factor = if length > 0.0 { 1.0 / length } else { 0.0 };
        for (slope, unit) in slopes.iter_mut().zip(unit) {
            *slope = factor * (*slope - along * unit);
        }
    }

    /// `Σ w (a - b) / d`.
    fn l2_slopes(&self, first: usize, weights: &mut [f32], slopes: &mut [f32]) {
        let len = self.len();
        for (row, weights) in weights.chunks_exact_mut(len).enumerate() {
            let mut sum = 0.0;
            for (other, weight) in weights.iter_mut().enumerate().filter(|(_, w)| **w != 0.0) {
                let d = distance(Metric::L2, self.rows.row(first + row), self.rows.row(other));
                *weight = if d > 0.0 { -*weight / d } else { 0.0 };
                sum -= *weight;
            }
            weights[first + row] = sum;
        }
        combine(weights, self.rows, slopes);
    }

    /// `Σ w sign(a - b)`.
    fn l1_slopes(&self, first: usize, weights: &[f32], slopes: &mut [f32]) {
        let rows = slopes.chunks_exact_mut(self.rows.width()).zip(weights.chunks_exact(self.len()));
        for (row, (slopes, weights)) in rows.enumerate() {
            let own = self.rows.row(first + row);
            for (other, weight) in weights.iter().enumerate().filter(|(_, w)| **w != 0.0) {
                for ((slope, a), b) in slopes.iter_mut().zip(own).zip(self.rows.row(other)) {
                    let sign = f32::from(i8::from(a > b) - i8::from(a < b));
                    *slope += weight * sign;
                }
            }
        }
    }
}

/// `weights += weightsᵀ`, with zeros on the diagonal.
fn add_mirrored(weights: &mut [f32], len: usize) {
    for row in 0..len {
        weights[row * len + row] = 0.0;
        for other in 0..row {
            let (here, there) = (row * len + other, other * len + row);
            let sum = weights[here] + weights[there];
            (weights[here], weights[there]) = (sum, sum);
        }
    }
}

/// `out = weights · rows`, `weights` `(few, len)`: row by row where most weights are zero.
fn combine(weights: &[f32], rows: Rows<'_>, out: &mut [f32]) {
    let used = weights.iter().filter(|weight| **weight != 0.0).count();
    if used * 4 > weights.len() {
        let weights = Rows::new(weights, rows.len()).expect("whole rows");
        add_product(weights, rows, out);
        return;
    }
    let mut parts = Vec::new();
    let pairs = weights.chunks_exact(rows.len()).zip(out.chunks_exact_mut(rows.width()));
    for (weights, out) in pairs {
        parts.clear();
        let some = weights.iter().zip(0u32..).filter(|(weight, _)| **weight != 0.0);
        parts.extend(some.map(|(&factor, row)| Weighted { row, factor }));
        (kernel::table().add_weighted_rows)(rows.values(), &parts, out);
    }
}

fn distance(metric: Metric, a: &[f32], b: &[f32]) -> f32 {
    match metric {
        Metric::Cosine => 1.0 - lanes(a, b, |a, b| a * b),
        Metric::L1 => lanes(a, b, |a, b| (a - b).abs()),
        Metric::L2 => lanes(a, b, |a, b| (a - b) * (a - b)).sqrt(),
    }
}

/// Sums `term` of the pairs of values in sixteen lanes.
pub(super) fn lanes(a: &[f32], b: &[f32], term: impl Fn(f32, f32) -> f32) -> f32 {
    let mut sums = [0.0f32; 16];
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<16>(), b.as_chunks::<16>());
    for (a, b) in a.iter().zip(b) {
        for lane in 0..16 {
            sums[lane] += term(a[lane], b[lane]);
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| term(*a, *b)).sum();
    sums.iter().sum::<f32>() + rest
}
