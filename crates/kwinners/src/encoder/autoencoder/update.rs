//! One step of the weights: each unit's rows of both matrices are passed over once, gradient and
//! optimiser together.

use rayon::prelude::*;

use super::Autoencoder;
use super::batch::{Batch, Block, Buffers, ByUnit, Entry, Scratch};
use super::layers::to_length_1;
use super::settings::AutoencoderSettings;
use crate::kernel::{self, vectors::Weighted};
use crate::net::{Piece, Stride};
use crate::rows::Rows;

/// Units whose weights one task moves.
const UNITS_A_TASK: usize = 64;

/// What moving the weights goes by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moving<'a> {
    pub(super) settings: &'a AutoencoderSettings,
    pub(super) stride: &'a Stride,
    pub(super) samples: usize,
}

/// A run of units with what is learned of each.
#[derive(Debug)]
pub(super) struct Units<'a> {
    pub(super) first: usize,
    pub(super) encoder: Piece<'a>,
    pub(super) encoder_bias: Piece<'a>,
    pub(super) decoder: Option<Piece<'a>>,
}

impl super::layers::Layers {
    /// All units in runs of `length`.
    pub(super) fn units_in_runs(&mut self, length: usize) -> Vec<Units<'_>> {
        let weights = length * self.width;
        let decoder = self.decoder.as_mut().map(|decoder| decoder.pieces(weights));
        let mut decoder = decoder.unwrap_or_default().into_iter();
        let pieces = self.encoder.pieces(weights).into_iter().zip(self.encoder_bias.pieces(length));
        let units = |(run, (encoder, encoder_bias))| Units {
            first: run * length,
            encoder,
            encoder_bias,
            decoder: decoder.next(),
        };
        pieces.enumerate().map(units).collect()
    }
}

/// What a step of sparse learning has found out.
#[derive(Clone, Copy, Debug)]
struct Found<'a> {
    active: &'a ByUnit,
    aux: &'a ByUnit,
    deltas: &'a [f32],
    seen: Rows<'a>,
    slots: usize,
}

impl Autoencoder {
    /// Moves all weights by what was found of `batch`, each sample of which has `slots` rows of
    /// slopes.
    pub(super) fn move_weights(
        &mut self,
        batch: Batch<'_>,
        (buffers, slots): (&mut Buffers, usize),
        stride: &Stride,
    ) {
        let Buffers { blocks, active, aux, deltas, pool, .. } = buffers;
        active.sort(self.settings.units, blocks.iter().map(|block| (block.first, &block.active)));
        aux.sort(self.settings.units, blocks.iter().map(|block| (block.first, &block.aux)));
        let seen = batch.seen;
        let found = Found { active, aux, deltas, seen, slots };
        let prefix_of: Vec<usize> =
            (0..self.settings.units).map(|unit| self.prefix_of(unit)).collect();
        let moving = Moving { settings: &self.settings, stride, samples: seen.len() };
        let width = self.layers.width;
        let tasks = self.layers.units_in_runs(UNITS_A_TASK);
        let back: Vec<Vec<f32>> = tasks
            .into_par_iter()
            .map(|mut units| {
                let mut back = vec![0.0; width];
                pool.with(|scratch| {
                    for unit in 0..units.encoder_bias.values.len() {
                        let prefix = prefix_of[units.first + unit];
                        units.learn_unit((unit, prefix), found, (moving, scratch), &mut back);
                    }
                });
                back
            })
            .collect();
        self.move_decoder_bias(blocks, &back);
    }

    /// Moves the decoder's bias along the slopes that the blocks found and, where the encoder sees
    /// `x - b_dec`, along `back`, those through the encoder.
    pub(super) fn move_decoder_bias(&mut self, blocks: &[Block], back: &[Vec<f32>]) {
        let mut gradient = vec![0.0; self.layers.width];
        let through = if self.settings.subtract_bias { back } else { &[] };
        for slopes in blocks.iter().map(|block| &block.bias_slope).chain(through) {
            gradient.iter_mut().zip(slopes).for_each(|(sum, slope)| *sum += slope);
        }
        let (optimiser, rate, step) = (self.settings.optimiser(), self.rate(), self.steps + 1);
        self.layers.decoder_bias.step(&optimiser, rate, step, &gradient);
    }
}

impl Units<'_> {
    /// Gradient and step of one unit of this run.
    fn learn_unit(
        &mut self,
        (unit, prefix): (usize, usize),
        found: Found<'_>,
        (moving, scratch): (Moving<'_>, &mut Scratch),
        back: &mut [f32],
    ) {
        let Found { slots, seen, deltas, .. } = found;
        let width = seen.width();
        let active = found.active.of(self.first + unit);
        let aux = found.aux.of(self.first + unit);
        let Scratch { parts, more_parts, gradient, more_gradient, .. } = scratch;
        let inputs = |entry: &Entry| Weighted { row: entry.row, factor: entry.slope };
        parts.clear();
        parts.extend(active.iter().chain(aux).map(inputs));
        let bias_slope = parts.iter().map(|part| part.factor).sum();
        gradient.clear();
        gradient.resize(width, 0.0);
        (kernel::table().add_weighted_rows)(seen.values(), parts, gradient);
        let outputs = |entry: &Entry, slot: usize| {
            let row = entry.row * slots as u32 + slot as u32;
            Weighted { row, factor: entry.passed }
        };
        more_parts.clear();
        more_parts.extend(active.iter().map(|entry| outputs(entry, prefix)));
        more_parts.extend(aux.iter().map(|entry| outputs(entry, slots - 1)));
        more_gradient.clear();
        more_gradient.resize(width, 0.0);
        (kernel::table().add_weighted_rows)(deltas, more_parts, more_gradient);
        let squares = match moving.settings.contractive > 0.0 {
            true => active.iter().map(|entry| moving.settings.squared_slope(entry.value)).sum(),
            false => 0.0,
        };
        let slopes =
            Slopes { encoder: gradient, decoder: more_gradient, bias: bias_slope, squares };
        self.move_unit(unit, slopes, moving, back);
    }

    /// One step of one unit of this run; `back` gains the slope by the decoder's bias through it.
    pub(super) fn move_unit(
        &mut self,
        unit: usize,
        slopes: Slopes<'_>,
        moving: Moving<'_>,
        back: &mut [f32],
    ) {
        let Moving { settings, stride, samples } = moving;
        let Slopes { encoder: gradient, decoder: more_gradient, bias, squares } = slopes;
        let width = gradient.len();
        let mut encoder = self.encoder.slice(unit * width..(unit + 1) * width);
        let mut own_bias = self.encoder_bias.slice(unit..unit + 1);
        if settings.subtract_bias && bias != 0.0 {
            back.iter_mut()
                .zip(encoder.values.iter())
                .for_each(|(sum, weight)| *sum -= bias * weight);
        }
        let pull = settings.weight_decay + 2.0 * settings.contractive / samples as f32 * squares;
        if pull > 0.0 {
            let weights = gradient.iter_mut().zip(encoder.values.iter());
            weights.for_each(|(slope, weight)| *slope += pull * weight);
        }
        own_bias.step(stride, &[bias + settings.weight_decay * own_bias.values[0]]);
        match &mut self.decoder {
            None => {
                gradient.iter_mut().zip(more_gradient).for_each(|(sum, slope)| *sum += *slope);
                step_row(&mut encoder, gradient, moving, settings.unit_decoder);
            }
            Some(decoder) => {
                step_row(&mut encoder, gradient, moving, false);
                let mut row = decoder.slice(unit * width..(unit + 1) * width);
                step_row(&mut row, more_gradient, moving, settings.unit_decoder);
            }
        }
    }
}

/// The gradient of one unit.
#[derive(Debug)]
pub(super) struct Slopes<'a> {
    pub(super) encoder: &'a mut [f32],
    pub(super) decoder: &'a mut [f32],
    pub(super) bias: f32,
    /// Sum of the squared slopes of its latents by their scores, if latents are contractive.
    pub(super) squares: f32,
}

/// Moves one row along its gradient; if it keeps length 1, only across itself.
fn step_row(row: &mut Piece<'_>, gradient: &mut [f32], moving: Moving<'_>, keeps_length: bool) {
    if keeps_length {
        let mut along = [0.0];
        (kernel::table().dots)(row.values, &[0], gradient, &mut along);
        gradient.iter_mut().zip(row.values.iter()).for_each(|(slope, w)| *slope -= along[0] * w);
    }
    row.step(moving.stride, gradient);
    if keeps_length {
        to_length_1(row.values);
    }
}

impl AutoencoderSettings {
    /// The squared slope of a latent by its score.
    pub(super) fn squared_slope(&self, value: f32) -> f32 {
        let slope = self.activation.slope(value);
        slope * slope
    }
}
