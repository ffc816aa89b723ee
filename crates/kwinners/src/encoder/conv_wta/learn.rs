//! A step: the way up for all samples, the winners that survive, and the way back through them alone.

use rayon::prelude::*;

use super::super::{Encoder, Learner, Step};
use super::ConvWta;
use super::stage::{Climb, Stage};
use crate::error::Result;
use crate::kernel::SelectScratch;
use crate::kwta::{Balance, KWinners};
use crate::net::Optimiser;
use crate::rows::Rows;

/// Samples that one task looks at; fixed, so that results don't depend on threads.
const SAMPLES_A_TASK: usize = 8;

/// How much faster than weights amplitudes move: each is in few codes only.
const AMPLITUDE_HASTE: f32 = 5.0;

/// A unit that has won none of so many samples counts as dead.
const DEAD_AFTER: u32 = 10_000;

/// Buffers kept between steps; nothing of them outlives one.
#[derive(Debug, Default)]
pub(super) struct Workspace {
    blocks: Vec<Block>,
}

impl Clone for Workspace {
    fn clone(&self) -> Self {
        Self::default()
    }
}

/// What one task does with its samples.
#[derive(Debug, Default)]
struct Block {
    shots: Vec<Shot>,
    /// Samples of this step: the first so many of `shots`.
    used: usize,
    climb: Climb,
    scratch: SelectScratch,
    /// Gradients of all layers but the last, filters and bias each.
    below: Vec<[Vec<f32>; 2]>,
}

/// What a step keeps of one sample.
#[derive(Debug, Default)]
struct Shot {
    /// Inputs of each layer, with margins.
    inputs: Vec<Vec<f32>>,
    /// Largest activation of each map, and its place.
    best: Vec<f32>,
    places: Vec<u32>,
    kept: Vec<Survivor>,
    /// `x̂ - x`, with the decoder's margins.
    error: Vec<f32>,
    squared_error: f64,
    /// The code, if the last stage learns; the slope of each of its amplitudes.
    winners: Vec<u32>,
    slopes: Vec<f32>,
    spread: f32,
}

/// A winner that its map keeps.
#[derive(Clone, Copy, Debug)]
struct Survivor {
    map: usize,
    place: usize,
    value: f32,
    /// Slope of the loss in the value.
    slope: f32,
}

impl Learner for ConvWta {
    /// One step of the stage whose turn it is.
    fn learn(&mut self, rows: Rows<'_>, _labels: Option<&[u32]>) -> Result<Step> {
        rows.check_width("training inputs", self.input_width())?;
        rows.check_finite("training inputs")?;
        if rows.is_empty() {
            return Ok(Step { step: self.steps, samples: self.samples, ..Step::default() });
        }
        let turn = self.turn();
        let mut workspace = std::mem::take(&mut self.workspace);
        let by_map = self.look_at_all(turn, rows, &mut workspace)?;
        let blocks = &workspace.blocks[..rows.len().div_ceil(SAMPLES_A_TASK)];
        let loss = self.take_in(turn, blocks, &by_map);
        self.workspace = workspace;
        self.samples += rows.len() as u64;
        self.steps += 1;
        let shape = &self.stages[turn].plan.decoder;
        let values = rows.len() * shape.places() * shape.inputs;
        let dead = || self.idle.iter().filter(|idle| **idle >= DEAD_AFTER).count();
        Ok(Step {
            step: self.steps,
            samples: self.samples,
            loss: loss / values as f64,
            dead_units: (turn + 1 == self.stages.len()).then(dead),
            ..Step::default()
        })
    }
}

impl ConvWta {
    /// The stage that learns in the next step.
    fn turn(&self) -> usize {
        let turn = self.steps / self.stage_steps.max(1);
        turn.min(self.stages.len() as u64 - 1) as usize
    }

    /// The way up and back of all `rows`; changes nothing of the encoder. The samples of each map's
    /// survivors, as [`keep`] says.
    fn look_at_all(
        &self,
        turn: usize,
        rows: Rows<'_>,
        workspace: &mut Workspace,
    ) -> Result<Vec<Vec<(usize, usize)>>> {
        let tasks: Vec<Rows<'_>> = rows.blocks(SAMPLES_A_TASK).collect();
        workspace.blocks.resize_with(tasks.len().max(workspace.blocks.len()), Block::default);
        let blocks = &mut workspace.blocks[..tasks.len()];
        let looks = blocks.par_iter_mut().zip(&tasks);
        looks.try_for_each(|(block, rows)| self.look(turn, *rows, block))?;
        let stage = &self.stages[turn];
        let by_map = keep(blocks, stage.plan.maps, self.kept_of(rows.len()))?;
        blocks.par_iter_mut().for_each(|block| stage.look_back(block, rows.len() as f32));
        Ok(by_map)
    }

    /// The gradients of the first stage and the sum of all squared errors.
    #[cfg(test)]
    pub(super) fn slopes_of(&self, rows: Rows<'_>) -> (Vec<Vec<f32>>, f64) {
        let mut workspace = Workspace::default();
        let by_map = self.look_at_all(0, rows, &mut workspace).unwrap();
        let blocks = &workspace.blocks;
        let shots: Vec<&Shot> = used(blocks).collect();
        let gradients = self.stages[0].gradients(blocks, &shots, &by_map);
        (gradients, shots.iter().map(|shot| shot.squared_error).sum())
    }

    /// How many of `samples` a map keeps its winner in, at least one.
    fn kept_of(&self, samples: usize) -> usize {
        let share = f64::from(self.settings.lifetime_percent) / 100.0;
        ((share * samples as f64).round() as usize).clamp(1, samples.max(1))
    }

    /// The way up of a block of rows, and the codes if the last stage learns.
    fn look(&self, turn: usize, rows: Rows<'_>, block: &mut Block) -> Result<()> {
        let stage = &self.stages[turn];
        let Block { shots, used, climb, scratch, .. } = block;
        *used = rows.len();
        shots.resize_with(rows.len().max(shots.len()), Shot::default);
        for (number, (row, shot)) in rows.iter().zip(shots).enumerate() {
            self.load(row, turn, climb);
            std::mem::swap(&mut climb.inputs, &mut shot.inputs);
            stage.climb(climb);
            std::mem::swap(&mut climb.inputs, &mut shot.inputs);
            stage.winners(&climb.outputs, &mut shot.best, &mut shot.places);
            shot.winners.clear();
            if turn + 1 == self.stages.len() {
                stage.pool(climb);
                stage.lean(&mut climb.pooled);
                shot.spread = Balance::spread_of(&climb.pooled);
                self.balance.apply(&mut climb.pooled);
                shot.winners.resize(self.settings.winners, 0);
                self.k_winners.pick(number, &climb.pooled, scratch, &mut shot.winners)?;
                self.weigh(row, shot);
            }
        }
        Ok(())
    }

    /// The slopes of the amplitudes of a code, from what the code fails to say of its row.
    fn weigh(&self, row: &[f32], shot: &mut Shot) {
        let (mut said, mut dense, mut scaled) = (Vec::new(), Vec::new(), row.to_vec());
        self.descend(&shot.winners, |unit| self.amplitude.values[unit], &mut said);
        self.scaling.apply(&mut scaled);
        self.dense_of(&scaled, &mut dense);
        dense.iter_mut().zip(&said).for_each(|(value, said)| *value = said - *value);
        self.ascend(&mut dense, &shot.winners, &mut shot.slopes);
    }

    /// Changes weights, places, amplitudes and balance by what the blocks saw, in their order; the sum
    /// of all squared errors.
    fn take_in(&mut self, turn: usize, blocks: &[Block], by_map: &[Vec<(usize, usize)>]) -> f64 {
        let shots: Vec<&Shot> = used(blocks).collect();
        let stage = &mut self.stages[turn];
        let gradients = stage.gradients(blocks, &shots, by_map);
        let (rule, rate) = (self.settings.rule(), self.settings.learning_rate);
        let step = self.steps - self.stage_steps * turn as u64 + 1;
        for (parameter, gradient) in stage.parameters().zip(&gradients) {
            parameter.step(&rule, rate, step, gradient);
        }
        stage.refresh();
        shots.iter().for_each(|shot| stage.remember_places(&shot.best, &shot.places));
        if turn + 1 == self.stages.len() {
            let mut slopes = vec![0.0; self.amplitude.values.len()];
            for shot in &shots {
                self.balance.observe_spread(shot.spread);
                self.balance.update(&shot.winners, self.settings.balance_rate);
                self.idle.iter_mut().for_each(|idle| *idle = idle.saturating_add(1));
                for (&winner, slope) in shot.winners.iter().zip(&shot.slopes) {
                    self.idle[winner as usize] = 0;
                    slopes[winner as usize] += slope / shots.len() as f32;
                }
            }
            self.amplitude.step(&Optimiser::ADAM, AMPLITUDE_HASTE * rate, step, &slopes);
        }
        shots.iter().map(|shot| shot.squared_error).sum()
    }
}

/// The samples of a step, in order.
fn used(blocks: &[Block]) -> impl Iterator<Item = &Shot> {
    blocks.iter().flat_map(|block| &block.shots[..block.used])
}

/// Lifetime sparsity: each map keeps its `count` largest winners over the batch, of equal ones the
/// first, and none that is 0. The samples of each map's survivors: which one, and the how manieth of
/// the sample's.
fn keep(blocks: &mut [Block], maps: usize, count: usize) -> Result<Vec<Vec<(usize, usize)>>> {
    let mut shots: Vec<&mut Shot> =
        blocks.iter_mut().flat_map(|block| &mut block.shots[..block.used]).collect();
    shots.iter_mut().for_each(|shot| shot.kept.clear());
    let mut by_map = vec![Vec::new(); maps];
    let picker = KWinners::new(shots.len(), count)?;
    let (mut scratch, mut chosen) = (SelectScratch::default(), vec![0; count]);
    let mut values = vec![0.0; shots.len()];
    for (map, survivors) in by_map.iter_mut().enumerate() {
        values.iter_mut().zip(&shots).for_each(|(value, shot)| *value = shot.best[map]);
        picker.pick(map, &values, &mut scratch, &mut chosen)?;
        for &sample in chosen.iter().filter(|sample| values[**sample as usize] > 0.0) {
            let shot = &mut shots[sample as usize];
            survivors.push((sample as usize, shot.kept.len()));
            let (place, value) = (shot.places[map] as usize, shot.best[map]);
            shot.kept.push(Survivor { map, place, value, slope: 0.0 });
        }
    }
    Ok(by_map)
}

impl Stage {
    /// The reconstructions of a block's samples, the slopes of the survivors, and the gradients of the
    /// layers below the last; the loss is a mean over `samples`.
    fn look_back(&self, block: &mut Block, samples: f32) {
        let Block { shots, used, below, .. } = block;
        let lower = &self.plan.layers[..self.layers.len() - 1];
        below.resize_with(lower.len(), Default::default);
        for ([filters, bias], shape) in below.iter_mut().zip(lower) {
            filters.clear();
            filters.resize(shape.outputs * shape.taps(), 0.0);
            bias.clear();
            bias.resize(shape.outputs, 0.0);
        }
        for shot in &mut shots[..*used] {
            self.reconstruct(shot, samples);
            if !lower.is_empty() && !shot.kept.is_empty() {
                self.descend_slopes(shot, below);
            }
        }
    }

    /// Fills `shot.error`, and the slopes of its survivors.
    fn reconstruct(&self, shot: &mut Shot, samples: f32) {
        let (shape, first) = (&self.plan.decoder, &self.plan.layers[0]);
        self.clear_canvas(&mut shot.error);
        for survivor in &shot.kept {
            let filter = self.decoder_filter(survivor.map);
            shape.add_to_window(&mut shot.error, survivor.place, survivor.value, filter);
        }
        shape.clear_margins(&mut shot.error);
        shot.squared_error = 0.0;
        for y in 0..shape.height {
            let (error, input) =
                (&mut shot.error[shape.input_row(y)], &shot.inputs[0][first.input_row(y)]);
            error.iter_mut().zip(input).for_each(|(error, x)| *error -= x);
            let squares: f32 = error.iter().map(|error| error * error).sum();
            shot.squared_error += f64::from(squares);
        }
        for survivor in &mut shot.kept {
            let filter = self.decoder_filter(survivor.map);
            survivor.slope = shape.dot_window(&shot.error, survivor.place, filter) / samples;
        }
    }

    /// Adds what one sample says of the layers below the last to their gradients `below`; only places
    /// under the windows of survivors are looked at.
    fn descend_slopes(&self, shot: &Shot, below: &mut [[Vec<f32>; 2]]) {
        let last = self.layers.len() - 1;
        let shape = &self.plan.layers[last];
        let (mut gradient, mut marks) = (vec![0.0; shape.input_len()], vec![false; shape.places()]);
        for survivor in &shot.kept {
            let filter = &self.layers[last].filters.values[survivor.map * shape.taps()..];
            let filter = &filter[..shape.taps()];
            shape.add_to_window(&mut gradient, survivor.place, survivor.slope, filter);
            shape.mark_window(survivor.place, &mut marks);
        }
        for number in (0..last).rev() {
            let (above, shape) = (&self.plan.layers[number + 1], &self.plan.layers[number]);
            let outputs = shape.outputs;
            let (mut places, mut slopes) = (Vec::new(), Vec::new());
            for place in (0..marks.len()).filter(|place| marks[*place]) {
                let at = above.input_row(place / above.width).start + place % above.width * outputs;
                let active = shot.inputs[number + 1][at..at + outputs].iter();
                let slope = gradient[at..at + outputs].iter().zip(active);
                slopes.extend(slope.map(|(slope, value)| if *value > 0.0 { *slope } else { 0.0 }));
                places.push(place as u32);
            }
            let [filters, bias] = &mut below[number];
            shape.add_filter_gradient(&shot.inputs[number], &places, &slopes, filters);
            for slopes in slopes.chunks_exact(outputs) {
                bias.iter_mut().zip(slopes).for_each(|(bias, slope)| *bias += slope);
            }
            if number > 0 {
                gradient = vec![0.0; shape.input_len()];
                let filters = &self.layers[number].filters.values;
                shape.add_input_gradient(filters, &places, &slopes, &mut gradient);
                marks.fill(false);
                places.iter().for_each(|&place| shape.mark_window(place as usize, &mut marks));
            }
        }
    }

    /// The gradients of all parameters, in the order of [`Stage::parameters`].
    fn gradients(
        &self,
        blocks: &[Block],
        shots: &[&Shot],
        by_map: &[Vec<(usize, usize)>],
    ) -> Vec<Vec<f32>> {
        let mut gradients = Vec::new();
        for number in 0..self.layers.len() - 1 {
            for part in 0..2 {
                let mut sum = vec![0.0; blocks[0].below[number][part].len()];
                for block in blocks {
                    let values = sum.iter_mut().zip(&block.below[number][part]);
                    values.for_each(|(sum, value)| *sum += value);
                }
                gradients.push(sum);
            }
        }
        let (shape, decoder) = (self.plan.layers.last().expect("a layer"), &self.plan.decoder);
        let mut filters = vec![0.0; shape.outputs * shape.taps()];
        let mut bias = vec![0.0; shape.outputs];
        let mut shown = vec![0.0; decoder.outputs * decoder.taps()];
        let rows = filters.par_chunks_exact_mut(shape.taps()).zip(&mut bias);
        let rows = rows.zip(shown.par_chunks_exact_mut(decoder.taps())).zip(by_map);
        rows.for_each(|(((filter, bias), shown), survivors)| {
            for &(sample, number) in survivors {
                let (shot, kept) = (shots[sample], shots[sample].kept[number]);
                let input = shot.inputs.last().expect("a layer");
                shape.add_window(input, kept.place, kept.slope, filter);
                *bias += kept.slope;
                let factor = kept.value / shots.len() as f32;
                decoder.add_window(&shot.error, kept.place, factor, shown);
            }
        });
        gradients.extend([filters, bias, shown]);
        gradients
    }
}
