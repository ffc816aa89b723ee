//! A weight matrix cut into tiles, shared by every encoder that scores inputs against units.

use crate::error::{Error, Result};
use crate::kernel::tiles::{BLOCK, BlockedRows, CHUNK, TILE_UNITS};
use crate::kernel::{self};
use crate::rows::Rows;

/// Weights of `units` units over `width` inputs, laid out as [`crate::kernel::tiles`] says.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct UnitWeights {
    units: usize,
    width: usize,
    values: Vec<f32>,
}

impl UnitWeights {
    /// All weights 0.
    pub(crate) fn zeros(units: usize, width: usize) -> Self {
        let tiles = units.div_ceil(TILE_UNITS);
        Self { units, width, values: vec![0.0; tiles * width.div_ceil(BLOCK) * CHUNK] }
    }

    /// From row-major weights, `(units, width)`.
    pub(crate) fn from_rows(rows: Rows<'_>) -> Result<Self> {
        rows.check_finite("weights")?;
        let mut weights = Self::zeros(rows.len(), rows.width());
        for (unit, row) in rows.iter().enumerate() {
            weights.set_row(unit, row);
        }
        Ok(weights)
    }

    pub(crate) fn width(&self) -> usize {
        self.width
    }

    /// Units rounded up to whole tiles: the length of a row of scores.
    pub(crate) fn padded_units(&self) -> usize {
        self.units.next_multiple_of(TILE_UNITS)
    }

    /// Inputs rounded up to whole blocks: the length of a decoded row.
    pub(crate) fn padded_width(&self) -> usize {
        self.width.next_multiple_of(BLOCK)
    }

    fn tile_len(&self) -> usize {
        self.width.div_ceil(BLOCK) * CHUNK
    }

    /// The weights of one tile after the other.
    pub(crate) fn tiles_mut(&mut self) -> std::slice::ChunksExactMut<'_, f32> {
        let length = self.tile_len();
        self.values.chunks_exact_mut(length)
    }

    /// Where input `input` of unit `unit` lies.
    fn place(&self, unit: usize, input: usize) -> usize {
        unit / TILE_UNITS * self.tile_len()
            + input / BLOCK * CHUNK
            + unit % TILE_UNITS * BLOCK
            + input % BLOCK
    }

    pub(crate) fn set_row(&mut self, unit: usize, row: &[f32]) {
        for (input, &value) in row.iter().enumerate() {
            let place = self.place(unit, input);
            self.values[place] = value;
        }
    }

    /// The weights of one unit, `(width,)`.
    pub(crate) fn row(&self, unit: usize) -> Vec<f32> {
        (0..self.width).map(|input| self.values[self.place(unit, input)]).collect()
    }

    /// Row-major, `(units, width)`.
    pub(crate) fn to_rows(&self) -> Vec<f32> {
        (0..self.units).flat_map(|unit| self.row(unit)).collect()
    }

    /// Scores of all `rows`, `(len, padded_units)`; the columns past the last unit hold 0.
    pub(crate) fn scores(&self, rows: &BlockedRows, out: &mut Vec<f32>) {
        let stride = self.padded_units();
        out.resize(rows.len() * stride, 0.0);
        if rows.len() == 0 {
            return;
        }
        let kernels = kernel::table();
        for (tile, weights) in self.values.chunks_exact(self.tile_len()).enumerate() {
            (kernels.tile_scores)(weights, rows, &mut out[tile * TILE_UNITS..], stride);
        }
    }

    /// Adds the rows of `winners` to `out`, `(padded_width,)`.
    pub(crate) fn add_rows(&self, winners: &[u32], out: &mut [f32]) {
        debug_assert!(winners.iter().all(|&winner| (winner as usize) < self.units));
        (kernel::table().add_unit_rows)(&self.values, winners, out);
    }

    /// Refuses weights of another shape, as a file may hold them.
    pub(crate) fn check_shape(&self, units: usize, width: usize) -> Result<()> {
        if (self.units, self.width) == (units, width) {
            return Ok(());
        }
        let expected = format!("{units} units of {width} inputs");
        Err(Error::shape("weights", expected, format!("{} of {}", self.units, self.width)))
    }
}
