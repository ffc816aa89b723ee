//! Codes as packed bits, for scans.

use super::SdrBatch;
use crate::error::{Error, Result};
use crate::kernel;

/// Codes as packed words: `(len, words)` with `words` = `n / 64` rounded up to a multiple of 8, so
/// that every row is a whole number of cache lines.
///
/// Unit `i` of a row is bit `i % 64` of word `i / 64`; the bits past `n` are 0.
///
/// ```
/// use kwinners::SdrBatch;
/// let mut codes = SdrBatch::new(1000)?;
/// codes.push(&[3, 400, 999])?;
/// codes.push(&[3, 401, 999])?;
/// let bits = codes.to_bits();
/// let mut overlaps = [0; 2];
/// bits.overlaps(bits.row(0), &mut overlaps);
/// assert_eq!(overlaps, [3, 2]);
/// assert_eq!(bits.to_codes()?, codes);
/// # Ok::<(), kwinners::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BitRows {
    units: usize,
    words_a_row: usize,
    words: Vec<u64>,
}

impl BitRows {
    /// `len` rows of `units` bits, all 0.
    pub(crate) fn zeros(units: usize, len: usize) -> Self {
        let words_a_row = units.div_ceil(64).next_multiple_of(8);
        Self { units, words_a_row, words: vec![0; words_a_row * len] }
    }

    /// Number of units, `n`.
    pub fn units(&self) -> usize {
        self.units
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.words.len() / self.words_a_row
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// The words of row `index`.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn row(&self, index: usize) -> &[u64] {
        &self.words[index * self.words_a_row..][..self.words_a_row]
    }

    pub(crate) fn row_mut(&mut self, index: usize) -> &mut [u64] {
        &mut self.words[index * self.words_a_row..][..self.words_a_row]
    }

    /// The overlap of `query` with every row: `out[i] = popcount(query & row i)`.
    ///
    /// # Panics
    /// If `query` is not as long as a row or `out` does not have one place a row.
    pub fn overlaps(&self, query: &[u64], out: &mut [u32]) {
        assert_eq!(query.len(), self.words_a_row, "the query must be as long as a row");
        assert_eq!(out.len(), self.len(), "out must have one place a row");
        (kernel::table().overlaps)(query, &self.words, out);
    }

    /// The rows as lists of active units.
    ///
    /// # Errors
    /// If a bit past the last unit is on.
    pub fn to_codes(&self) -> Result<SdrBatch> {
        let mut codes = SdrBatch::new(self.units)?;
        let mut indices = Vec::new();
        for row in 0..self.len() {
            indices.clear();
            for (place, &word) in self.row(row).iter().enumerate() {
                let mut left = word;
                while left != 0 {
                    indices.push((place * 64) as u32 + left.trailing_zeros());
                    left &= left - 1;
                }
            }
            codes.push(&indices).map_err(|_| {
                Error::shape("packed bits", format!("{} units", self.units), "a bit past the end")
            })?;
        }
        Ok(codes)
    }
}
