//! One step of learning: noise, selection, reconstruction, weights, and the account of who won.

use rayon::prelude::*;

use super::super::{InputScaling, Learner, Step};
use super::batch::{Batch, Block, Buffers, Workspace};
use super::noise::StepNoise;
use super::select::Choice;
use super::settings::LatentSelection;
use super::sparse::Shared;
use super::{Autoencoder, Boosting};
use crate::error::{Error, Result};
use crate::net::Stride;
use crate::rows::Rows;

/// Weight of a new sample in the average of the threshold.
const THRESHOLD_SHARE: f32 = 0.01;
/// Weight of a new step in the averages of the magnitudes.
pub(super) const MAGNITUDE_SHARE: f32 = 0.05;

impl Learner for Autoencoder {
    fn learn(&mut self, rows: Rows<'_>, _labels: Option<&[u32]>) -> Result<Step> {
        rows.check_width("training inputs", self.layers.width)?;
        rows.check_finite("training inputs")?;
        self.check_range(rows)?;
        if rows.is_empty() {
            return Err(Error::shape("training inputs", "at least 1 row", 0));
        }
        let mut workspace = std::mem::take(&mut self.workspace);
        let step = self.learn_with(rows, &mut workspace);
        self.workspace = workspace;
        step
    }
}

impl Autoencoder {
    fn learn_with(&mut self, rows: Rows<'_>, workspace: &mut Workspace) -> Result<Step> {
        let (step, width) = (self.steps + 1, self.layers.width);
        let noise = StepNoise::new(&self.levels(), self.settings.seed, step);
        let Workspace { targets, seen, buffers } = workspace;
        self.prepare(rows, &noise, (targets, seen));
        let targets = if targets.is_empty() { rows } else { Rows::new(targets, width)? };
        let seen = if seen.is_empty() { targets } else { Rows::new(seen, width)? };
        let batch = Batch { targets, seen };
        buffers.start(rows.len(), width);
        let loss = match self.settings.selection {
            LatentSelection::Universal => self.learn_dense(batch, &noise, buffers),
            _ => self.learn_sparse(batch, &noise, buffers)?,
        };
        self.steps = step;
        self.samples += rows.len() as u64;
        let values = (rows.len() * width) as f64;
        Ok(Step {
            step,
            samples: self.samples,
            loss: loss / values,
            dead_units: self.dead_units(),
            ..Step::default()
        })
    }

    /// Learning rate of the step that comes next.
    pub(super) fn rate(&self) -> f32 {
        let settings = &self.settings;
        let share = settings.rate().share(self.steps + 1, self.all_steps, settings.warmup);
        settings.learning_rate * share
    }

    /// Optimiser and learning rate of the step that comes next.
    pub(super) fn stride(&self) -> Stride {
        self.settings.optimiser().at(self.rate(), self.steps + 1)
    }

    /// Cross-entropy wants inputs from 0 to 1.
    fn check_range(&self, rows: Rows<'_>) -> Result<()> {
        if self.settings.loss() != crate::net::Loss::CrossEntropy {
            return Ok(());
        }
        match rows.values().iter().find(|value| !(0.0..=1.0).contains(*value)) {
            None => Ok(()),
            Some(value) => {
                Err(Error::shape("training inputs for the loss bce", "values from 0 to 1", value))
            }
        }
    }

    /// Writes targets, and what the encoder sees, where they differ from the rows as they came.
    fn prepare(
        &self,
        rows: Rows<'_>,
        noise: &StepNoise,
        (targets, seen): (&mut Vec<f32>, &mut Vec<f32>),
    ) {
        let width = rows.width();
        targets.clear();
        if self.settings.input != InputScaling::Raw {
            targets.extend_from_slice(rows.values());
            targets.par_chunks_exact_mut(width).for_each(|row| self.scaling.apply(row));
        }
        seen.clear();
        if noise.changes_inputs() || self.settings.subtract_bias {
            seen.extend_from_slice(if targets.is_empty() { rows.values() } else { targets });
            let a_task = rows_a_task(rows.len());
            seen.par_chunks_mut(a_task * width).enumerate().for_each(|(block, rows)| {
                noise.apply(rows, width, block * a_task);
                self.subtract_bias(rows);
            });
        }
    }

    /// A step where few units are active.
    fn learn_sparse(
        &mut self,
        batch: Batch<'_>,
        noise: &StepNoise,
        buffers: &mut Buffers,
    ) -> Result<f64> {
        let idle = if self.settings.aux_winners > 0 { self.idle_units() } else { Vec::new() };
        let winners = self.settings.winners_at(self.steps + 1, self.all_steps);
        let Buffers { blocks, deltas, pool, .. } = &mut *buffers;
        self.select(batch.seen, (blocks, pool), Choice { winners, idle: &idle })?;
        let slots = self.prefixes() + usize::from(!idle.is_empty());
        let lengths = self.contractive_lengths();
        let (targets, hidden) = (batch.targets, noise.hidden());
        deltas.resize(targets.len() * slots * targets.width(), 0.0);
        let shared = Shared { targets, hidden, slots, lengths: &lengths };
        self.reconstruct_all((blocks, pool), deltas, shared);
        let loss = blocks.iter().map(|block| block.loss).sum();
        let stride = self.stride();
        self.move_weights(batch, (buffers, slots), &stride);
        self.account(buffers, targets.len());
        Ok(loss)
    }

    /// Units that have not won for `dead_after` samples.
    fn idle_units(&self) -> Vec<u32> {
        let idle = |&unit: &u32| self.usage.idle[unit as usize] >= self.settings.dead_after;
        (0..self.settings.units as u32).filter(idle).collect()
    }

    fn dead_units(&self) -> Option<usize> {
        match self.settings.selection {
            LatentSelection::Universal => None,
            _ => Some(self.idle_units().len()),
        }
    }

    /// Squared length of each unit's encoder weights, if latents are contractive.
    pub(super) fn contractive_lengths(&self) -> Vec<f32> {
        if self.settings.contractive == 0.0 {
            return Vec::new();
        }
        let square = |row: &[f32]| row.iter().map(|weight| weight * weight).sum();
        self.layers.encoder_rows().iter().map(square).collect()
    }

    /// Takes in who won, and with what.
    fn account(&mut self, buffers: &Buffers, samples: usize) {
        let usage = &mut self.usage;
        for (unit, magnitude) in usage.magnitudes.iter_mut().enumerate() {
            let entries = buffers.active.of(unit);
            if entries.is_empty() {
                usage.idle[unit] += samples as u64;
                continue;
            }
            usage.idle[unit] = 0;
            let sum: f32 = entries.iter().map(|entry| entry.value).sum();
            average(magnitude, sum / entries.len() as f32, MAGNITUDE_SHARE);
        }
        if self.settings.selection == LatentSelection::BatchTopK {
            let values = buffers.blocks.iter().flat_map(|block| &block.active.values);
            let least = values.copied().fold(f32::INFINITY, f32::min);
            if least.is_finite() {
                average(&mut usage.threshold, least, THRESHOLD_SHARE);
            }
        }
        for block in &buffers.blocks {
            match self.settings.boosting {
                Boosting::None => {}
                Boosting::Balance => {
                    usage.balance.observe_spread(block.spread / block.len as f32);
                    usage.balance.update(&block.active.units, self.settings.balance_rate);
                }
                Boosting::Additive | Boosting::Multiplicative => {
                    usage.duty.update(block.len, &block.active.units);
                }
            }
        }
    }
}

/// Moves an average, which is 0 at first, towards `value`.
pub(super) fn average(average: &mut f32, value: f32, share: f32) {
    *average += if *average == 0.0 { 1.0 } else { share } * (value - *average);
}

impl Buffers {
    /// Cuts a batch of `len` rows into blocks that know nothing yet.
    fn start(&mut self, len: usize, width: usize) {
        let a_task = rows_a_task(len);
        self.blocks.resize_with(len.div_ceil(a_task), Block::default);
        for (number, block) in self.blocks.iter_mut().enumerate() {
            block.start(number * a_task, a_task.min(len - number * a_task), width);
        }
    }
}

/// Rows of a batch of `len` that one task looks at: a quarter, so that four cores find work, within
/// bounds. By the batch alone, never by the threads.
fn rows_a_task(len: usize) -> usize {
    len.div_ceil(4).clamp(16, 512)
}
