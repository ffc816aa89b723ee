//! The local rule, online and in mini-batches.

use rayon::prelude::*;

use super::super::weights::ByTile;
use super::super::{Learner, Step};
use super::{Boosting, Tied};
use crate::error::Result;
use crate::kernel::tiles::{BlockedRows, TILE_UNITS};
use crate::kernel::{self, SelectScratch};
use crate::kwta::Balance;
use crate::rows::Rows;

/// Buffers kept between steps; nothing of them outlives one.
#[derive(Debug, Default)]
pub(super) struct Workspace {
    blocks: Vec<BlockWork>,
}

impl Clone for Workspace {
    fn clone(&self) -> Self {
        Self::default()
    }
}

/// What one task does with its rows.
#[derive(Debug, Default)]
struct BlockWork {
    inputs: BlockedRows,
    scores: Vec<f32>,
    scratch: SelectScratch,
    /// `(len, k)`.
    winners: Vec<u32>,
    /// The winners again, by tile.
    listed: ByTile,
    /// `r` of each row, `(len, padded_width)`.
    decoded: Vec<f32>,
    /// `x - r` of each row.
    missing: BlockedRows,
    squared_error: f64,
    spread: f32,
}

impl Learner for Tied {
    /// One step: all samples meet the same weights, then each moves its winners by
    /// `learning_rate · (x - r)`; a batch of 1 is the online rule.
    fn learn(&mut self, rows: Rows<'_>, _labels: Option<&[u32]>) -> Result<Step> {
        rows.check_width("training inputs", self.weights.width())?;
        rows.check_finite("training inputs")?;
        let mut blocks = std::mem::take(&mut self.workspace.blocks);
        let tasks: Vec<Rows<'_>> = rows.blocks(rows_a_task(rows.len())).collect();
        blocks.resize_with(tasks.len().max(blocks.len()), BlockWork::default);
        let used = &mut blocks[..tasks.len()];
        match (&tasks[..], &mut *used) {
            ([rows], [block]) => self.look(*rows, block)?,
            _ => used
                .par_iter_mut()
                .zip(&tasks)
                .try_for_each(|(block, rows)| self.look(*rows, block))?,
        }
        let step = self.take_in(used, rows.len());
        self.workspace.blocks = blocks;
        Ok(step)
    }
}

impl Tied {
    /// Scores, picks and reconstructs a block of rows; changes nothing of the encoder.
    fn look(&self, rows: Rows<'_>, block: &mut BlockWork) -> Result<()> {
        let (n, k) = (self.settings.units, self.settings.winners);
        let (stride, width) = (self.weights.padded_units(), self.weights.width());
        self.load(rows, &mut block.inputs);
        self.weights.scores(&mut block.inputs, &mut block.scores);
        block.winners.resize(rows.len() * k, 0);
        block.spread = 0.0;
        for (row, winners) in block.winners.chunks_exact_mut(k).enumerate() {
            let scores = &mut block.scores[row * stride..][..n];
            if self.settings.boosting == Boosting::Balance {
                block.spread += Balance::spread_of(scores);
            }
            self.rank(scores, true);
            self.k_winners.pick(row, scores, &mut block.scratch, winners)?;
        }
        block.listed.sort(n, block.winners.chunks_exact(k));
        self.reconstruct(&block.listed, rows.len(), &mut block.decoded);
        block.missing.clear(width, rows.len());
        block.squared_error = 0.0;
        for (row, decoded) in block.decoded.chunks_exact(self.weights.padded_width()).enumerate() {
            let (input, decoded) = (&block.inputs.row(row).0[..width], &decoded[..width]);
            block.squared_error += squared_distance(input, decoded);
            block.missing.push(width, |slots| {
                for (slot, (x, r)) in slots.iter_mut().zip(input.iter().zip(decoded)) {
                    *slot = x - r;
                }
            });
        }
        Ok(())
    }

    /// The learning rate of each unit, `(padded_units,)`: the one that was set, but no more than
    /// `1 / (k · wins in this batch)`. Samples that share all their winners are then moved to their
    /// reconstruction at most, never past it: without this bound large batches diverge, above all at
    /// first, when a few units win everywhere.
    fn rates(&self, blocks: &[BlockWork]) -> Vec<f32> {
        let mut wins = vec![0u32; self.weights.padded_units()];
        for &winner in blocks.iter().flat_map(|block| &block.winners) {
            wins[winner as usize] += 1;
        }
        let (rate, k) = (self.settings.learning_rate, self.settings.winners as f32);
        wins.into_iter().map(|wins| rate.min(1.0 / (k * wins.max(1) as f32))).collect()
    }

    /// Changes weights, duty cycle and balance by what the blocks saw, in their order.
    fn take_in(&mut self, blocks: &[BlockWork], samples: usize) -> Step {
        let rates = self.rates(blocks);
        let (rates, _) = rates.as_chunks::<TILE_UNITS>();
        let update = |(tile, weights): (usize, &mut [f32])| {
            for block in blocks {
                let pairs = block.listed.of(tile);
                if !pairs.is_empty() {
                    (kernel::table().update_tile)(weights, pairs, &block.missing, &rates[tile]);
                }
            }
        };
        if blocks.len() > 1 {
            self.weights.tiles_mut().enumerate().par_bridge().for_each(update);
        } else {
            self.weights.tiles_mut().enumerate().for_each(update);
        }
        for block in blocks {
            let seen = block.missing.len();
            self.duty.update(seen, &block.winners);
            if self.settings.boosting == Boosting::Balance {
                self.balance.observe_spread(block.spread / seen as f32);
                self.balance.update(&block.winners, self.settings.balance_rate);
            }
        }
        self.samples += samples as u64;
        self.steps += 1;
        let values = (samples * self.weights.width()).max(1) as f64;
        let loss = blocks.iter().map(|block| block.squared_error).sum::<f64>() / values;
        Step { step: self.steps, samples: self.samples, loss, ..Step::default() }
    }
}

/// Rows of a batch of `len` that one task looks at: a quarter, so that four cores find work, but
/// enough to make the pass over all weights worth it. By the batch alone, never by the threads.
fn rows_a_task(len: usize) -> usize {
    (len / 4).clamp(32, 128)
}

/// `Σ (a - b)²`, summed in sixteen lanes.
fn squared_distance(a: &[f32], b: &[f32]) -> f64 {
    let mut sums = [0.0f32; 16];
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<16>(), b.as_chunks::<16>());
    for (a, b) in a.iter().zip(b) {
        for lane in 0..16 {
            sums[lane] += (a[lane] - b[lane]) * (a[lane] - b[lane]);
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| (a - b) * (a - b)).sum();
    f64::from(sums.iter().sum::<f32>() + rest)
}
