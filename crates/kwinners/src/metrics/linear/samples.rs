//! Samples in the form that sums go over fastest.

use std::ops::Range;

use super::{LANES, add_lanes};
use crate::kernel::product::{add_product, add_product_of_transposed};
use crate::metrics::Features;
use crate::rows::Rows;
use crate::sdr::SdrBatch;

/// Rows of which less than one value in so many is not 0 are kept as lists: below that share the
/// lists take less time than the dense product.
const DENSE_TO_SPARSE: usize = 10;

/// Samples in the form that sums go over fastest.
pub(in crate::metrics) enum Samples<'a> {
    Codes(&'a SdrBatch),
    Rows(Rows<'a>),
    Sparse(SparseRows),
}

/// Rows as lists of the values that are not 0.
pub(in crate::metrics) struct SparseRows {
    width: usize,
    /// `ends[i]` is where row `i` ends in the other two.
    ends: Vec<usize>,
    columns: Vec<u32>,
    values: Vec<f32>,
}

impl SparseRows {
    fn of(rows: Rows<'_>, filled: usize) -> Self {
        let mut sparse = Self {
            width: rows.width(),
            ends: Vec::with_capacity(rows.len()),
            columns: Vec::with_capacity(filled),
            values: Vec::with_capacity(filled),
        };
        for row in &rows {
            for (column, &value) in row.iter().enumerate().filter(|(_, value)| **value != 0.0) {
                sparse.columns.push(column as u32);
                sparse.values.push(value);
            }
            sparse.ends.push(sparse.values.len());
        }
        sparse
    }

    fn row(&self, index: usize) -> impl Iterator<Item = (u32, f32)> {
        let start = if index == 0 { 0 } else { self.ends[index - 1] };
        let range = start..self.ends[index];
        self.columns[range.clone()].iter().copied().zip(self.values[range].iter().copied())
    }
}

impl<'a> Samples<'a> {
    /// Rows that are mostly 0 become lists, which costs one pass over them.
    pub(in crate::metrics) fn sparse_where_it_pays(features: Features<'a>) -> Self {
        let Features::Rows(rows) = features else { return Self::as_they_are(features) };
        let filled = rows.values().iter().filter(|&&value| value != 0.0).count();
        match filled < rows.values().len() / DENSE_TO_SPARSE {
            true => Self::Sparse(SparseRows::of(rows, filled)),
            false => Self::Rows(rows),
        }
    }

    /// For work that goes over the samples only once.
    pub(super) fn as_they_are(features: Features<'a>) -> Self {
        match features {
            Features::Codes(codes) => Self::Codes(codes),
            Features::Rows(rows) => Self::Rows(rows),
        }
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::Codes(codes) => codes.len(),
            Self::Rows(rows) => rows.len(),
            Self::Sparse(rows) => rows.ends.len(),
        }
    }

    pub(super) fn width(&self) -> usize {
        match self {
            Self::Codes(codes) => codes.units(),
            Self::Rows(rows) => rows.width(),
            Self::Sparse(rows) => rows.width,
        }
    }

    /// Adds `X W` of the samples of `range` to `scores`, `(range.len(), lanes)`; `weights` are
    /// `(width, lanes)`.
    pub(super) fn add_scores(
        &self,
        weights: &[f32],
        lanes: usize,
        range: Range<usize>,
        scores: &mut [f32],
    ) {
        let of = |column: u32| &weights[column as usize * lanes..][..lanes];
        match self {
            Self::Codes(codes) => {
                for (code, row) in range.zip(scores.chunks_exact_mut(lanes)) {
                    for &index in codes.get(code).indices() {
                        add_lanes(row, of(index));
                    }
                }
            }
            Self::Rows(rows) => {
                let weights = Rows::new(weights, lanes).expect("whole rows");
                add_product(rows.slice(range), weights, scores);
            }
            Self::Sparse(rows) => {
                for (place, row) in range.zip(scores.chunks_exact_mut(lanes)) {
                    rows.row(place)
                        .for_each(|(column, value)| add_multiple(row, value, of(column)));
                }
            }
        }
    }

    /// Adds `Xᵀ R` of the samples of `range` to `slopes`, `(width, lanes)`; `residuals` are
    /// `(range.len(), lanes)`.
    pub(super) fn add_outer(
        &self,
        range: Range<usize>,
        residuals: &[f32],
        lanes: usize,
        slopes: &mut [f32],
    ) {
        let place = |column: u32| column as usize * lanes..(column as usize + 1) * lanes;
        match self {
            Self::Codes(codes) => {
                for (code, residual) in range.zip(residuals.chunks_exact(lanes)) {
                    for &index in codes.get(code).indices() {
                        add_lanes(&mut slopes[place(index)], residual);
                    }
                }
            }
            Self::Rows(rows) => {
                let residuals = Rows::new(residuals, lanes).expect("whole rows");
                add_product_of_transposed(rows.slice(range), residuals, slopes);
            }
            Self::Sparse(rows) => {
                for (sample, residual) in range.zip(residuals.chunks_exact(lanes)) {
                    for (column, value) in rows.row(sample) {
                        add_multiple(&mut slopes[place(column)], value, residual);
                    }
                }
            }
        }
    }
}

/// `to += factor · from`, both a multiple of [`LANES`] long.
fn add_multiple(to: &mut [f32], factor: f32, from: &[f32]) {
    let (to, from) = (to.as_chunks_mut::<LANES>().0, from.as_chunks::<LANES>().0);
    for (to, from) in to.iter_mut().zip(from) {
        for lane in 0..LANES {
            to[lane] += factor * from[lane];
        }
    }
}
