//! How a weight matrix of `units` rows and `width` columns lies in memory, and the batches that meet it.
//!
//! ```text
//! tile 0 (units 0-7)                               tile 1 (units 8-15)   ...
//! ┌ block 0 (inputs 0-3) ┐┌ block 1 (inputs 4-7) ┐
//! │unit 0: 4│..│unit 7: 4││unit 0: 4│..│unit 7: 4│...
//! ```
//!
//! Why: scoring skips the blocks of four inputs that are all zero (72 % of them on MNIST, 81 % of
//! its pixels), and a tile of 784 inputs is 25 KB, so it stays in the first-level cache while a
//! batch passes over it. Decoding and updating touch the rows of the winners only: one row is a
//! run of 16-byte pieces 128 bytes apart. Row-major weights could not skip inputs, column-major
//! ones would scatter every update over single floats.

/// Units of a tile.
pub(crate) const TILE_UNITS: usize = 8;
/// Inputs of a block.
pub(crate) const BLOCK: usize = 4;
/// Weights that one block of one tile holds.
pub(crate) const CHUNK: usize = TILE_UNITS * BLOCK;

/// Input rows cut into blocks of four, the last one filled up with zeros, and for each row the
/// list of blocks that are not all zero.
#[derive(Debug, Default)]
pub(crate) struct BlockedRows {
    blocks: usize,
    /// `(len, blocks * BLOCK)`.
    values: Vec<f32>,
    /// Active blocks of row `r`: `active[ends[r - 1]..ends[r]]`, increasing, below `blocks`. The
    /// kernels rely on it: only [`BlockedRows::push`] writes here.
    active: Vec<u32>,
    ends: Vec<usize>,
    /// The blocks active in any row of group `g`, as for rows.
    group_active: Vec<u32>,
    group_ends: Vec<usize>,
}

/// Rows that are scored together: each weight is then loaded once for all of them.
pub(crate) const GROUP: usize = 4;

impl BlockedRows {
    /// Forgets all rows and makes room for `len` rows of `width` values.
    pub(crate) fn clear(&mut self, width: usize, len: usize) {
        self.blocks = width.div_ceil(BLOCK);
        self.values.clear();
        self.values.reserve(len * self.blocks * BLOCK);
        self.active.clear();
        self.active.reserve(len * self.blocks);
        self.ends.clear();
        self.ends.reserve(len);
        self.group_active.clear();
        self.group_ends.clear();
    }

    /// Appends a row, `(width,)`, which `fill` writes over zeros.
    pub(crate) fn push(&mut self, width: usize, fill: impl FnOnce(&mut [f32])) {
        let (start, listed) = (self.values.len(), self.active.len());
        self.values.resize(start + self.blocks * BLOCK, 0.0);
        fill(&mut self.values[start..start + width]);
        // Written for every block, kept for the active ones: no branch to foretell.
        self.active.resize(listed + self.blocks, 0);
        let mut active = listed;
        let (fours, _) = self.values[start..].as_chunks::<BLOCK>();
        for (block, four) in fours.iter().enumerate() {
            self.active[active] = block as u32;
            active +=
                usize::from(four.iter().fold(0, |bits, value| bits | value.to_bits() << 1) != 0);
        }
        self.active.truncate(active);
        self.ends.push(active);
    }

    /// Lists the blocks of each group of rows; must follow the last [`BlockedRows::push`] before
    /// rows are scored.
    pub(crate) fn group(&mut self) {
        self.group_active.clear();
        self.group_ends.clear();
        let mut any = vec![false; self.blocks];
        let mut start = 0;
        for ends in self.ends.chunks(GROUP) {
            let end = ends[ends.len() - 1];
            any.fill(false);
            self.active[start..end].iter().for_each(|&block| any[block as usize] = true);
            let listed = (0..self.blocks as u32).filter(|&block| any[block as usize]);
            self.group_active.extend(listed);
            self.group_ends.push(self.group_active.len());
            start = end;
        }
    }

    /// Number of groups that [`BlockedRows::group`] made.
    pub(crate) fn groups(&self) -> usize {
        self.group_ends.len()
    }

    /// The values of the rows of group `index`, the last row standing in for those that a short last
    /// group lacks; how many there really are; and the blocks active in any of them.
    #[inline(always)]
    pub(crate) fn group_rows(&self, index: usize) -> ([&[f32]; GROUP], usize, &[u32]) {
        let (first, last) = (index * GROUP, self.len() - 1);
        let rows = std::array::from_fn(|row| self.row((first + row).min(last)).0);
        let start = if index == 0 { 0 } else { self.group_ends[index - 1] };
        let active = &self.group_active[start..self.group_ends[index]];
        (rows, GROUP.min(self.len() - first), active)
    }

    /// Blocks of a row.
    pub(crate) fn blocks(&self) -> usize {
        self.blocks
    }

    /// Number of rows.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Row `index` and its active blocks.
    #[inline(always)]
    pub(crate) fn row(&self, index: usize) -> (&[f32], &[u32]) {
        let length = self.blocks * BLOCK;
        let start = if index == 0 { 0 } else { self.ends[index - 1] };
        (&self.values[index * length..][..length], &self.active[start..self.ends[index]])
    }
}

/// Rows to add to weights: the same shape, under the name of what they mean.
pub(crate) type Delta = BlockedRows;

/// One factor a unit of a tile.
pub(crate) type Factors = [f32; TILE_UNITS];

/// "Row `row` of a [`Delta`] goes to unit `unit` (0 to 7) of this tile."
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pair {
    pub(crate) row: u32,
    pub(crate) unit: u32,
}
