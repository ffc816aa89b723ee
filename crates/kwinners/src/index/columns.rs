//! Blocks of bits, unit by unit.

use crate::kernel::map::Array;
use crate::kernel::postings::{Columns, LINE, Line, prefetch};
use crate::sdr::SdrBatch;

/// Up to [`ColumnBlock::CAPACITY`] codes as lines, `(units, width)`.
#[derive(Debug)]
pub(super) struct ColumnBlock {
    pub(super) lines: Array<Line>,
    /// Lines a unit: one for 512 codes.
    pub(super) width: usize,
}

impl ColumnBlock {
    /// With 2,048 units a block is 256 KiB: two of them, this one and the next, fit the second-level
    /// cache while a batch of queries passes.
    pub(super) const CAPACITY: usize = 2 * LINE;

    pub(super) fn new(codes: &SdrBatch) -> Self {
        let width = codes.len().div_ceil(LINE);
        let mut lines = vec![Line::default(); codes.units() * width];
        for (place, code) in codes.iter().enumerate() {
            for &unit in code.indices() {
                lines[unit as usize * width + place / LINE].set(place % LINE, true);
            }
        }
        Self { lines: lines.into(), width }
    }

    pub(super) fn columns(&self) -> Columns<'_> {
        Columns { lines: &self.lines, width: self.width }
    }

    /// Fetches part `part` of `parts` of the block: for many queries, each with its part, whose units
    /// are most of the block together.
    pub(super) fn fetch_part(&self, part: usize, parts: usize) {
        let place = |part| self.lines.len() * part / parts;
        prefetch(&self.lines[place(part)..place(part + 1)]);
    }

    /// Fetches the lines of `units`.
    pub(super) fn fetch_units(&self, units: &[u32]) {
        for &unit in units {
            let start = unit as usize * self.width;
            prefetch(self.lines.get(start..start + self.width).unwrap_or_default());
        }
    }

    pub(super) fn code(&self, place: usize) -> Vec<u32> {
        let lines = self.lines.chunks_exact(self.width.max(1)).zip(0u32..);
        let on = lines.filter(|(lines, _)| lines[place / LINE].get(place % LINE));
        on.map(|(_, unit)| unit).collect()
    }

    pub(super) fn unit_counts(&self) -> Vec<(u32, u32)> {
        let count =
            |lines: &[Line]| lines.iter().flat_map(|line| line.0).map(u64::count_ones).sum();
        (0..).zip(self.lines.chunks_exact(self.width.max(1)).map(count)).collect()
    }

    /// The first `len` codes. Cost: one pass over the block.
    pub(super) fn codes(&self, len: usize) -> Vec<Vec<u32>> {
        let mut codes = vec![Vec::new(); len];
        for (unit, lines) in (0u32..).zip(self.lines.chunks_exact(self.width.max(1))) {
            for (number, line) in lines.iter().enumerate() {
                for place in line.places().take_while(|place| number * LINE + place < len) {
                    codes[number * LINE + place].push(unit);
                }
            }
        }
        codes
    }
}
