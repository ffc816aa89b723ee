//! Numbers by unit for many columns, summed over the units of codes.

use crate::kernel::{self, vectors::Weighted};

/// Columns of a tile: 2,048 units of one are 512 KiB, which stay in the second-level cache while codes pass.
pub(super) const TILE: usize = 64;

/// A matrix `(units, columns)` in tiles of up to 64 columns, one after the other.
#[derive(Clone, Debug)]
pub(super) struct Tiles {
    units: usize,
    columns: usize,
    tiles: Vec<Vec<f32>>,
}

impl Tiles {
    pub(super) fn zeros(units: usize, columns: usize) -> Self {
        let widths = (0..columns).step_by(TILE).map(|first| TILE.min(columns - first));
        Self { units, columns, tiles: widths.map(|width| vec![0.0; units * width]).collect() }
    }

    /// From tiles that are made already, all but the last of 64 columns.
    pub(super) fn of(units: usize, columns: usize, tiles: Vec<Vec<f32>>) -> Self {
        Self { units, columns, tiles }
    }

    pub(super) fn columns(&self) -> usize {
        self.columns
    }

    /// The numbers of one column, by unit.
    pub(super) fn column(&self, column: usize) -> impl Iterator<Item = &f32> {
        let tile = &self.tiles[column / TILE];
        tile.iter().skip(column % TILE).step_by(tile.len() / self.units)
    }

    /// The same, to be changed.
    pub(super) fn column_mut(&mut self, column: usize) -> impl Iterator<Item = &mut f32> {
        let tile = &mut self.tiles[column / TILE];
        let width = tile.len() / self.units;
        tile.iter_mut().skip(column % TILE).step_by(width)
    }

    pub(super) fn add(&mut self, unit: u32, column: usize, value: f32) {
        let tile = &mut self.tiles[column / TILE];
        let width = tile.len() / self.units;
        tile[unit as usize * width + column % TILE] += value;
    }

    /// The sums over the units of each code, in any order, tile after tile: `each` gets the code's number, the
    /// first column, and the sums of up to 64. Cost: `k · columns` additions a code.
    pub(super) fn sums<'a>(
        &self,
        codes: impl Iterator<Item = &'a [u32]>,
        mut each: impl FnMut(usize, usize, &[f32]),
    ) {
        let part = |&row: &u32| Weighted { row, factor: 1.0 };
        let parts: Vec<Vec<Weighted>> =
            codes.map(|units| units.iter().map(part).collect()).collect();
        let mut sums = [0.0; TILE];
        for (tile, first) in self.tiles.iter().zip((0..).step_by(TILE)) {
            let sums = &mut sums[..tile.len() / self.units];
            for (number, parts) in parts.iter().enumerate() {
                sums.fill(0.0);
                (kernel::table().add_weighted_rows)(tile, parts, sums);
                each(number, first, sums);
            }
        }
    }
}
