//! A step where every unit is active: five dense products, each over runs of units or blocks of rows.

use rayon::prelude::*;

use super::Autoencoder;
use super::batch::{Batch, Block, Buffers, Dense};
use super::learn::{MAGNITUDE_SHARE, average};
use super::noise::StepNoise;
use super::update::{Moving, Slopes, Units};
use crate::kernel::{SelectScratch, product};
use crate::kwta::KWinners;
use crate::rows::Rows;

/// Units that one task sees; their weights are then learned while they are in the cache.
const UNITS_A_TASK: usize = 64;
/// Rows of a batch whose winners count for the magnitudes: picking them all would be a waste.
const ROWS_TO_PICK: usize = 8;

/// What pressing the activations to a density goes by.
#[derive(Clone, Copy, Debug)]
struct Pressure<'a> {
    /// Slope of the loss by each activation of a row, `(batch,)`.
    of_rows: &'a [f32],
    target: f32,
    /// Factor of a unit's mean activation less the target.
    of_units: f32,
    lengths: &'a [f32],
}

impl Autoencoder {
    /// One step; returns the loss summed over all values.
    pub(super) fn learn_dense(
        &mut self,
        batch: Batch<'_>,
        noise: &StepNoise,
        buffers: &mut Buffers,
    ) -> f64 {
        let (len, width) = (batch.seen.len(), batch.seen.width());
        let Buffers { blocks, deltas, dense, .. } = buffers;
        self.activate(batch.seen, noise, dense);
        deltas.clear();
        deltas.resize(len * width, 0.0);
        self.reconstruct_dense(batch.targets, blocks, (dense, deltas));
        let of_rows = self.pressure_of_rows(dense, len);
        let lengths = self.contractive_lengths();
        let pressure = Pressure {
            of_rows: &of_rows,
            target: self.settings.density(),
            of_units: 2.0 * self.settings.unit_sparsity / (self.settings.units * len) as f32,
            lengths: &lengths,
        };
        let deltas = Rows::new(deltas, width).expect("whole rows");
        self.move_dense((batch.seen, deltas), (blocks, dense), (noise, pressure));
        self.observe_magnitudes(dense, len);
        blocks.iter().map(|block| block.loss).sum()
    }

    /// Activations of all units, run by run.
    fn activate(&self, seen: Rows<'_>, noise: &StepNoise, dense: &mut Vec<Dense>) {
        let weights: Vec<Rows<'_>> = self.layers.encoder_rows().blocks(UNITS_A_TASK).collect();
        dense.resize_with(weights.len(), Dense::default);
        dense.par_iter_mut().enumerate().for_each(|(run, dense)| {
            let (first, count) = (run * UNITS_A_TASK, weights[run].len());
            dense.values.clear();
            for _ in 0..seen.len() {
                let bias = &self.layers.encoder_bias.values[first..first + count];
                dense.values.extend_from_slice(bias);
            }
            product::add_product_transposed(seen, weights[run], &mut dense.values);
            self.settings.activation.apply(&mut dense.values);
            dense.row_sums.clear();
            dense
                .row_sums
                .extend(dense.values.chunks_exact(count).map(|row| row.iter().sum::<f32>()));
            dense.passed.clear();
            dense.passed.extend_from_slice(&dense.values);
            for (row, passed) in dense.passed.chunks_exact_mut(count).enumerate() {
                noise.hidden().apply(row * self.settings.units + first, passed);
            }
        });
    }

    /// Slopes of the loss by the reconstructions, block by block of rows.
    fn reconstruct_dense(
        &self,
        targets: Rows<'_>,
        blocks: &mut [Block],
        (dense, deltas): (&[Dense], &mut [f32]),
    ) {
        let (width, a_task) = (targets.width(), blocks[0].len);
        let weights = Rows::new(self.layers.decoder_values(), width).expect("whole rows");
        let tasks = blocks.par_iter_mut().zip(deltas.par_chunks_mut(a_task * width));
        tasks.for_each(|(block, out)| {
            let bias = &self.layers.decoder_bias.values;
            out.chunks_exact_mut(width).for_each(|row| row.copy_from_slice(bias));
            for (dense, weights) in dense.iter().zip(weights.blocks(UNITS_A_TASK)) {
                let passed = Rows::new(&dense.passed, weights.len()).expect("whole rows");
                let rows = passed.slice(block.first..block.first + block.len);
                product::add_product(rows, weights, out);
            }
            for (row, out) in out.chunks_exact_mut(width).enumerate() {
                let target = targets.row(block.first + row);
                block.loss += self.settings.loss().slope(target, out, targets.len());
                block.bias_slope.iter_mut().zip(out).for_each(|(sum, slope)| *sum += *slope);
            }
        });
    }

    /// Slope of `sample_sparsity · mean (mean activation of a sample - k/n)²` by each activation.
    fn pressure_of_rows(&self, dense: &[Dense], len: usize) -> Vec<f32> {
        let units = self.settings.units as f32;
        let factor = 2.0 * self.settings.sample_sparsity / (units * len as f32);
        let mean = |row: usize| dense.iter().map(|dense| dense.row_sums[row]).sum::<f32>() / units;
        (0..len).map(|row| factor * (mean(row) - self.settings.density())).collect()
    }

    /// Gradients of all weights and their step, run by run of units.
    fn move_dense(
        &mut self,
        (seen, deltas): (Rows<'_>, Rows<'_>),
        (blocks, dense): (&[Block], &mut [Dense]),
        (noise, pressure): (&StepNoise, Pressure<'_>),
    ) {
        let stride = self.stride();
        let moving = Moving { settings: &self.settings, stride: &stride, samples: seen.len() };
        let runs = self.layers.units_in_runs(UNITS_A_TASK);
        let back: Vec<Vec<f32>> = runs
            .into_par_iter()
            .zip(dense)
            .map(|(mut units, dense)| {
                dense.find_slopes(&units, deltas, (moving, noise, pressure));
                dense.find_gradients(seen, deltas);
                let mut back = vec![0.0; seen.width()];
                dense.move_units(&mut units, moving, &mut back);
                back
            })
            .collect();
        self.move_decoder_bias(blocks, &back);
    }

    /// Takes in what the winners of the first rows of the batch have.
    fn observe_magnitudes(&mut self, dense: &[Dense], len: usize) {
        let (units, mut scratch) = (self.settings.units, SelectScratch::default());
        let k_winners = KWinners::new(units, self.settings.winners).expect("checked settings");
        let mut picked = vec![0; self.settings.winners];
        for row in 0..len.min(ROWS_TO_PICK) {
            let values: Vec<f32> = dense
                .iter()
                .flat_map(|dense| {
                    let count = dense.values.len() / len;
                    &dense.values[row * count..][..count]
                })
                .copied()
                .collect();
            if k_winners.pick(row, &values, &mut scratch, &mut picked).is_ok() {
                for &unit in &picked {
                    let magnitude = &mut self.usage.magnitudes[unit as usize];
                    average(magnitude, values[unit as usize], MAGNITUDE_SHARE);
                }
            }
        }
    }
}

impl Dense {
    /// Slopes of the loss by the scores of the run's units.
    fn find_slopes(
        &mut self,
        units: &Units<'_>,
        deltas: Rows<'_>,
        (moving, noise, pressure): (Moving<'_>, &StepNoise, Pressure<'_>),
    ) {
        let (count, len) = (units.encoder_bias.values.len(), deltas.len());
        let weights = &units.decoder.as_ref().unwrap_or(&units.encoder).values;
        let weights = Rows::new(weights, deltas.width()).expect("whole rows");
        self.slopes.resize(len * count, 0.0);
        product::product_transposed(deltas, weights, &mut self.slopes);
        let mut of_units = vec![0.0; count];
        for values in self.values.chunks_exact(count) {
            of_units.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
        }
        for mean in &mut of_units {
            *mean = pressure.of_units * (*mean / len as f32 - pressure.target);
        }
        let settings = moving.settings;
        let contractive = 2.0 * settings.contractive / len as f32;
        for (row, slopes) in self.slopes.chunks_exact_mut(count).enumerate() {
            noise.hidden().apply(row * settings.units + units.first, slopes);
            let values = &self.values[row * count..][..count];
            for ((slope, value), of_unit) in slopes.iter_mut().zip(values).zip(&of_units) {
                let by_value = *slope + pressure.of_rows[row] + of_unit;
                *slope = by_value * settings.activation.slope(*value);
            }
            if contractive > 0.0 {
                let lengths = &pressure.lengths[units.first..][..count];
                for ((slope, value), length) in slopes.iter_mut().zip(values).zip(lengths) {
                    let bends =
                        settings.activation.slope(*value) * settings.activation.bend(*value);
                    *slope += contractive * bends * length;
                }
            }
        }
    }

    /// Slopes of the loss by the run's weights.
    fn find_gradients(&mut self, seen: Rows<'_>, deltas: Rows<'_>) {
        let count = self.slopes.len() / seen.len();
        let width = seen.width();
        for gradient in [&mut self.encoder, &mut self.decoder] {
            gradient.clear();
            gradient.resize(count * width, 0.0);
        }
        let slopes = Rows::new(&self.slopes, count).expect("whole rows");
        product::add_product_of_transposed(slopes, seen, &mut self.encoder);
        let passed = Rows::new(&self.passed, count).expect("whole rows");
        product::add_product_of_transposed(passed, deltas, &mut self.decoder);
    }

    /// One step of the run's units.
    fn move_units(&mut self, units: &mut Units<'_>, moving: Moving<'_>, back: &mut [f32]) {
        let (count, width) = (units.encoder_bias.values.len(), back.len());
        let (mut biases, mut squares) = (vec![0.0; count], vec![0.0; count]);
        for slopes in self.slopes.chunks_exact(count) {
            biases.iter_mut().zip(slopes).for_each(|(sum, slope)| *sum += slope);
        }
        if moving.settings.contractive > 0.0 {
            for values in self.values.chunks_exact(count) {
                let pairs = squares.iter_mut().zip(values);
                pairs.for_each(|(sum, value)| *sum += moving.settings.squared_slope(*value));
            }
        }
        let rows = self.encoder.chunks_exact_mut(width).zip(self.decoder.chunks_exact_mut(width));
        for (unit, (encoder, decoder)) in rows.enumerate() {
            let slopes = Slopes { encoder, decoder, bias: biases[unit], squares: squares[unit] };
            units.move_unit(unit, slopes, moving, back);
        }
    }
}
