//! A weight matrix cut into tiles, shared by every encoder that scores inputs against units.

use crate::error::{Error, Result};
use crate::kernel;
use crate::kernel::tiles::{BLOCK, BlockedRows, CHUNK, Pair, TILE_UNITS};
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

    /// All values, the tiles' padding of zeros too.
    pub(crate) fn values(&self) -> &[f32] {
        &self.values
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
    pub(crate) fn scores(&self, rows: &mut BlockedRows, out: &mut Vec<f32>) {
        let stride = self.padded_units();
        out.resize(rows.len() * stride, 0.0);
        if rows.len() > 0 {
            rows.group();
            (kernel::table().scores)(&self.values, rows, out, stride);
        }
    }

    /// `out[row] = Σ row(unit)` over the units listed for that row, `(rows, padded_width)`.
    pub(crate) fn sum_rows(&self, listed: &ByTile, rows: usize, out: &mut Vec<f32>) {
        out.clear();
        out.resize(rows * self.padded_width(), 0.0);
        for (tile, weights) in self.values.chunks_exact(self.tile_len()).enumerate() {
            (kernel::table().add_tile_rows)(weights, listed.of(tile), out);
        }
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

/// Which units belong to which rows, sorted by the units' tiles; within a tile, rows stay in order.
/// A tile is then worked on for all rows while it is in the cache.
#[derive(Debug, Default)]
pub(crate) struct ByTile {
    /// Pairs of tile `t`: `pairs[ends[t - 1]..ends[t]]`.
    pairs: Vec<Pair>,
    ends: Vec<usize>,
}

impl ByTile {
    /// Lists the units of each of `rows`, all below `units`. Cost: `O(units + listed)`.
    pub(crate) fn sort<'a>(&mut self, units: usize, rows: impl Iterator<Item = &'a [u32]> + Clone) {
        let tiles = units.div_ceil(TILE_UNITS);
        self.ends.clear();
        self.ends.resize(tiles + 1, 0);
        for &unit in rows.clone().flatten() {
            self.ends[unit as usize / TILE_UNITS + 1] += 1;
        }
        for tile in 0..tiles {
            self.ends[tile + 1] += self.ends[tile];
        }
        self.pairs.clear();
        self.pairs.resize(self.ends[tiles], Pair { row: 0, unit: 0 });
        for (row, listed) in rows.enumerate() {
            for &unit in listed {
                let next = &mut self.ends[unit as usize / TILE_UNITS];
                self.pairs[*next] = Pair { row: row as u32, unit: unit % TILE_UNITS as u32 };
                *next += 1;
            }
        }
        // Each start has moved on to its tile's end.
        self.ends.truncate(tiles);
    }

    /// The pairs of one tile.
    pub(crate) fn of(&self, tile: usize) -> &[Pair] {
        let start = if tile == 0 { 0 } else { self.ends[tile - 1] };
        &self.pairs[start..self.ends[tile]]
    }
}
