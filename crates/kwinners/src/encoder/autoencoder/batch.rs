//! What one step of learning keeps of its batch.

use std::sync::Mutex;

use crate::kernel::SelectScratch;
use crate::kernel::vectors::Weighted;
use crate::rows::Rows;

/// Units that are active in some rows, row after row, with what they pass on.
#[derive(Debug, Default)]
pub(super) struct Listed {
    /// Row `r` has the places `ends[r - 1]..ends[r]`.
    ends: Vec<usize>,
    /// Increasing within a row.
    pub(super) units: Vec<u32>,
    /// Activations.
    pub(super) values: Vec<f32>,
    /// What is passed on of them: all, but where some are dropped.
    pub(super) passed: Vec<f32>,
    /// Slope of the loss by the score, once known.
    pub(super) slopes: Vec<f32>,
}

impl Listed {
    pub(super) fn clear(&mut self) {
        self.ends.clear();
        self.units.clear();
        self.values.clear();
        self.passed.clear();
        self.slopes.clear();
    }

    pub(super) fn push(&mut self, unit: u32, value: f32) {
        self.units.push(unit);
        self.values.push(value);
        self.passed.push(value);
        self.slopes.push(0.0);
    }

    /// The row that was pushed to is complete.
    pub(super) fn end_row(&mut self) {
        self.ends.push(self.units.len());
    }

    /// The places of a row.
    pub(super) fn places(&self, row: usize) -> std::ops::Range<usize> {
        let start = if row == 0 { 0 } else { self.ends[row - 1] };
        start..self.ends[row]
    }
}

/// What is kept of a block of rows.
#[derive(Debug, Default)]
pub(super) struct Block {
    /// The first row's place in the batch.
    pub(super) first: usize,
    pub(super) len: usize,
    pub(super) active: Listed,
    /// Idle units that stand in for what the active ones left over.
    pub(super) aux: Listed,
    /// Slope of the loss by the decoder's bias, `(width,)`.
    pub(super) bias_slope: Vec<f32>,
    pub(super) loss: f64,
    /// Sum of the spreads of the rows' scores.
    pub(super) spread: f32,
}

impl Block {
    pub(super) fn start(&mut self, first: usize, len: usize, width: usize) {
        (self.first, self.len) = (first, len);
        self.active.clear();
        self.aux.clear();
        self.bias_slope.clear();
        self.bias_slope.resize(width, 0.0);
        (self.loss, self.spread) = (0.0, 0.0);
    }
}

/// One activation in the batch, seen from its unit.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Entry {
    pub(super) row: u32,
    pub(super) value: f32,
    pub(super) passed: f32,
    pub(super) slope: f32,
}

/// The activations of a batch sorted by unit; within a unit, rows stay in order.
#[derive(Debug, Default)]
pub(super) struct ByUnit {
    ends: Vec<usize>,
    entries: Vec<Entry>,
}

impl ByUnit {
    /// Sorts what `listed` gives, each with the place of its first row. Cost: `O(units + entries)`.
    pub(super) fn sort<'a>(
        &mut self,
        units: usize,
        listed: impl Iterator<Item = (usize, &'a Listed)> + Clone,
    ) {
        self.ends.clear();
        self.ends.resize(units + 1, 0);
        for &unit in listed.clone().flat_map(|(_, listed)| &listed.units) {
            self.ends[unit as usize + 1] += 1;
        }
        for unit in 0..units {
            self.ends[unit + 1] += self.ends[unit];
        }
        self.entries.clear();
        self.entries.resize(self.ends[units], Entry::default());
        for (first, listed) in listed {
            for row in 0..listed.ends.len() {
                for place in listed.places(row) {
                    let next = &mut self.ends[listed.units[place] as usize];
                    self.entries[*next] = Entry {
                        row: (first + row) as u32,
                        value: listed.values[place],
                        passed: listed.passed[place],
                        slope: listed.slopes[place],
                    };
                    *next += 1;
                }
            }
        }
        self.ends.truncate(units);
    }

    /// The activations of one unit.
    pub(super) fn of(&self, unit: usize) -> &[Entry] {
        let start = if unit == 0 { 0 } else { self.ends[unit - 1] };
        &self.entries[start..self.ends[unit]]
    }
}

/// Buffers of one task, taken from a pool and given back: what is in them never matters.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    pub(super) scores: Vec<f32>,
    pub(super) ranked: Vec<f32>,
    pub(super) picked: Vec<u32>,
    pub(super) select: SelectScratch,
    pub(super) parts: Vec<Weighted>,
    pub(super) more_parts: Vec<Weighted>,
    pub(super) gradient: Vec<f32>,
    pub(super) more_gradient: Vec<f32>,
}

/// A batch as it is learned from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Batch<'a> {
    /// What is to be reconstructed.
    pub(super) targets: Rows<'a>,
    /// What the encoder sees.
    pub(super) seen: Rows<'a>,
}

/// Buffers kept between steps; nothing of them outlives one.
#[derive(Debug, Default)]
pub(super) struct Workspace {
    /// Targets, `(batch, width)`; empty where they are the rows as they came.
    pub(super) targets: Vec<f32>,
    /// What the encoder sees, `(batch, width)`; empty where that is the targets.
    pub(super) seen: Vec<f32>,
    pub(super) buffers: Buffers,
}

/// The rest of the buffers.
#[derive(Debug, Default)]
pub(super) struct Buffers {
    pub(super) blocks: Vec<Block>,
    /// Slopes of the loss by the reconstructions, `(batch, slots, width)`.
    pub(super) deltas: Vec<f32>,
    pub(super) active: ByUnit,
    pub(super) aux: ByUnit,
    pub(super) pool: Pool,
    /// Activations of a step where all units are active, a run of units after the other.
    pub(super) dense: Vec<Dense>,
}

/// What a run of units does in a batch, each array `(batch, units of the run)`.
#[derive(Debug, Default)]
pub(super) struct Dense {
    pub(super) values: Vec<f32>,
    /// What is passed on of them: all, but where some are dropped.
    pub(super) passed: Vec<f32>,
    /// Slopes of the loss by what is passed on, then by the scores.
    pub(super) slopes: Vec<f32>,
    /// Sum of the values of each row.
    pub(super) row_sums: Vec<f32>,
    /// Slopes of the loss by the run's weights, `(units of the run, width)`.
    pub(super) encoder: Vec<f32>,
    pub(super) decoder: Vec<f32>,
}

impl Clone for Workspace {
    fn clone(&self) -> Self {
        Self::default()
    }
}

/// Scratches for tasks that run side by side.
#[derive(Debug, Default)]
pub(super) struct Pool(Mutex<Vec<Scratch>>);

impl Pool {
    /// Does `work` with a scratch of its own.
    pub(super) fn with<T>(&self, work: impl FnOnce(&mut Scratch) -> T) -> T {
        let free = || self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut scratch = free().pop().unwrap_or_default();
        let answer = work(&mut scratch);
        free().push(scratch);
        answer
    }
}
