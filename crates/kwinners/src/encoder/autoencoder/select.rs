//! Which units of which rows pass on while learning: one function a selection.

use rayon::prelude::*;

use super::batch::{Block, Pool, Scratch};
use super::settings::{Activation, LatentSelection};
use super::{Autoencoder, Boosting};
use crate::error::Result;
use crate::kernel::{self, SelectScratch};
use crate::kwta::{Balance, Boost, KWinners};
use crate::rows::Rows;

/// Units whose scores over a batch one task looks at.
const UNITS_A_TASK: usize = 128;

impl Activation {
    /// What `score` becomes.
    pub(super) fn of(self, score: f32) -> f32 {
        match self {
            Self::Linear => score,
            Self::Relu => score.max(0.0),
            Self::Sigmoid => {
                let mut value = [score];
                (kernel::table().sigmoid)(&mut value);
                value[0]
            }
        }
    }

    /// What all `scores` become, in place.
    pub(super) fn apply(self, scores: &mut [f32]) {
        match self {
            Self::Linear => {}
            Self::Relu => scores.iter_mut().for_each(|score| *score = score.max(0.0)),
            Self::Sigmoid => (kernel::table().sigmoid)(scores),
        }
    }

    /// Slope of the activation, from its value.
    pub(super) fn slope(self, value: f32) -> f32 {
        match self {
            Self::Linear => 1.0,
            Self::Relu => f32::from(u8::from(value > 0.0)),
            Self::Sigmoid => value * (1.0 - value),
        }
    }

    /// Slope of that slope.
    pub(super) fn bend(self, value: f32) -> f32 {
        match self {
            Self::Linear | Self::Relu => 0.0,
            Self::Sigmoid => value * (1.0 - value) * (1.0 - 2.0 * value),
        }
    }
}

/// What the selection of one step goes by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Choice<'a> {
    pub(super) winners: usize,
    /// Idle units, increasing; empty where none stand in.
    pub(super) idle: &'a [u32],
}

impl Autoencoder {
    /// Lists the active units of every row of `seen`, the encoder's inputs, in the blocks.
    pub(super) fn select(
        &self,
        seen: Rows<'_>,
        (blocks, pool): (&mut [Block], &Pool),
        choice: Choice<'_>,
    ) -> Result<()> {
        match self.settings.selection {
            LatentSelection::Wta => self.select_of_units(seen, blocks),
            LatentSelection::BatchTopK => self.select_of_batch(seen, (blocks, pool), choice),
            _ => blocks.par_iter_mut().try_for_each(|block| {
                let rows = seen.slice(block.first..block.first + block.len);
                pool.with(|scratch| self.select_of_rows(rows, block, scratch, choice))
            }),
        }
    }

    /// The `k` best of each row.
    fn select_of_rows(
        &self,
        rows: Rows<'_>,
        block: &mut Block,
        scratch: &mut Scratch,
        choice: Choice<'_>,
    ) -> Result<()> {
        let Scratch { scores, ranked, picked, select, .. } = scratch;
        let k_winners = KWinners::new(self.settings.units, choice.winners)?;
        self.layers.scores(rows, scores);
        picked.resize(choice.winners, 0);
        for (row, scores) in scores.chunks_exact(self.settings.units).enumerate() {
            if self.settings.boosting == Boosting::Balance {
                block.spread += Balance::spread_of(scores);
            }
            let ranked = self.rank(scores, true, ranked);
            k_winners.pick(block.first + row, ranked, select, picked)?;
            self.take_winners(picked, scores, block);
            self.select_idle(choice.idle, scores, block, select);
        }
        Ok(())
    }

    /// Lists what the winners of one row pass on: nothing, where a unit's activation can be cut off
    /// at 0 and is.
    fn take_winners(&self, winners: &[u32], scores: &[f32], block: &mut Block) {
        let activation = self.settings.activation;
        for &unit in winners {
            let value = activation.of(scores[unit as usize]);
            if value > 0.0 || activation != Activation::Relu {
                block.active.push(unit, value);
            }
        }
        block.active.end_row();
    }

    /// Lists the best of the idle units of one row, as far as they are active.
    fn select_idle(
        &self,
        idle: &[u32],
        scores: &[f32],
        block: &mut Block,
        select: &mut SelectScratch,
    ) {
        let count = self.settings.aux_winners.min(idle.len());
        if count > 0 {
            let theirs: Vec<f32> = idle.iter().map(|&unit| scores[unit as usize]).collect();
            let mut best = vec![0; count];
            // Scores were found to be numbers when the winners were picked.
            if (kernel::table().select)(&theirs, select, &mut best).is_ok() {
                for place in best {
                    let value = self.settings.activation.of(theirs[place as usize]);
                    if value > 0.0 || self.settings.activation != Activation::Relu {
                        block.aux.push(idle[place as usize], value);
                    }
                }
            }
        }
        block.aux.end_row();
    }

    /// The `k · B` best of all rows together.
    fn select_of_batch(
        &self,
        seen: Rows<'_>,
        (blocks, pool): (&mut [Block], &Pool),
        choice: Choice<'_>,
    ) -> Result<()> {
        let units = self.settings.units;
        let scores: Vec<Vec<f32>> = blocks
            .par_iter()
            .map(|block| {
                let mut scores = Vec::new();
                let rows = seen.slice(block.first..block.first + block.len);
                self.layers.scores(rows, &mut scores);
                scores
            })
            .collect();
        let scores = scores.concat();
        let all = KWinners::new(scores.len(), choice.winners * seen.len())?;
        let mut picked = vec![0; all.winners()];
        pool.with(|scratch| all.pick(0, &scores, &mut scratch.select, &mut picked))?;
        let mut picked = &picked[..];
        for block in blocks {
            for row in block.first..block.first + block.len {
                let scores = &scores[row * units..][..units];
                let end = picked.partition_point(|&place| (place as usize) < (row + 1) * units);
                let winners: Vec<u32> =
                    picked[..end].iter().map(|&place| place - (row * units) as u32).collect();
                self.take_winners(&winners, scores, block);
                pool.with(|scratch| {
                    self.select_idle(choice.idle, scores, block, &mut scratch.select);
                });
                picked = &picked[end..];
            }
        }
        Ok(())
    }

    /// The best rows of each unit, as many as give every unit its share `k/n` of the batch.
    fn select_of_units(&self, seen: Rows<'_>, blocks: &mut [Block]) -> Result<()> {
        let share = (self.settings.density() * seen.len() as f32).round() as usize;
        let k_winners = KWinners::new(seen.len(), share.clamp(1, seen.len()))?;
        let weights = self.layers.encoder_rows();
        let tasks: Vec<Rows<'_>> = weights.blocks(UNITS_A_TASK).collect();
        let picked: Vec<Vec<(u32, f32)>> = tasks
            .par_iter()
            .enumerate()
            .map(|(task, weights)| {
                let bias = &self.layers.encoder_bias.values[task * UNITS_A_TASK..];
                self.pick_of_units(*weights, bias, seen, k_winners)
            })
            .collect::<Result<_>>()?;
        let mut of_rows: Vec<Vec<(u32, f32)>> = vec![Vec::new(); seen.len()];
        for (unit, picked) in picked.concat().chunks_exact(k_winners.winners()).enumerate() {
            for &(row, value) in picked.iter().filter(|(_, value)| *value > 0.0) {
                of_rows[row as usize].push((unit as u32, value));
            }
        }
        for block in blocks {
            for row in &of_rows[block.first..block.first + block.len] {
                row.iter().for_each(|&(unit, value)| block.active.push(unit, value));
                block.active.end_row();
                block.aux.end_row();
            }
        }
        Ok(())
    }

    /// The best rows of each of the units of `weights` with their activations, unit after unit.
    fn pick_of_units(
        &self,
        weights: Rows<'_>,
        bias: &[f32],
        seen: Rows<'_>,
        k_winners: KWinners,
    ) -> Result<Vec<(u32, f32)>> {
        let mut scores = vec![0.0; weights.len() * seen.len()];
        kernel::product::product_transposed(weights, seen, &mut scores);
        let (mut picked, mut all) = (vec![0; k_winners.winners()], Vec::new());
        let mut scratch = SelectScratch::default();
        for (scores, bias) in scores.chunks_exact_mut(seen.len()).zip(bias) {
            scores.iter_mut().for_each(|score| *score += bias);
            self.settings.activation.apply(scores);
            k_winners.pick(0, scores, &mut scratch, &mut picked)?;
            all.extend(picked.iter().map(|&row| (row, scores[row as usize])));
        }
        Ok(all)
    }

    /// What one row of scores is ranked by, while learning or after; `buffer` is there to be used.
    pub(super) fn rank<'a>(
        &self,
        scores: &'a [f32],
        learning: bool,
        buffer: &'a mut Vec<f32>,
    ) -> &'a [f32] {
        let strength = self.settings.boost_strength;
        let boost = match self.settings.boosting {
            Boosting::Additive => Boost::Additive { strength },
            Boosting::Multiplicative => Boost::Multiplicative { strength },
            Boosting::Balance | Boosting::None => Boost::None,
        };
        let balanced = self.settings.boosting == Boosting::Balance;
        let boosted = boost != Boost::None && (learning || self.settings.boost_when_encoding);
        if !balanced && !boosted {
            return scores;
        }
        buffer.clear();
        buffer.extend_from_slice(scores);
        if balanced {
            self.usage.balance.apply(buffer);
        } else {
            if self.settings.boosting == Boosting::Multiplicative {
                self.settings.activation.apply(buffer);
            }
            boost.apply(buffer, &self.usage.duty, self.settings.density());
        }
        buffer
    }
}
