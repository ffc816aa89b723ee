//! Reconstruction, and slopes by the scores, where few units are active: only they are touched.

use rayon::prelude::*;

use super::Autoencoder;
use super::batch::{Block, Listed, Pool, Scratch};
use super::noise::HiddenDropout;
use super::settings::LatentSelection;
use crate::kernel::{self, vectors::Weighted};
use crate::rows::Rows;

/// What all rows of a step share.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shared<'a> {
    pub(super) targets: Rows<'a>,
    pub(super) hidden: HiddenDropout,
    /// Rows of slopes that one sample has: one a prefix, and one for the idle units if any stand in.
    pub(super) slots: usize,
    /// Squared length of each unit's encoder weights; empty unless latents are contractive.
    pub(super) lengths: &'a [f32],
}

impl Autoencoder {
    /// Prefixes of the units that reconstruct by themselves.
    pub(super) fn prefixes(&self) -> usize {
        match self.settings.selection {
            LatentSelection::Matryoshka => self.settings.prefixes,
            _ => 1,
        }
    }

    /// The first unit that is not in `prefix`.
    fn end_of_prefix(&self, prefix: usize) -> usize {
        (self.settings.units >> (self.prefixes() - 1 - prefix)).max(1)
    }

    /// The first prefix that has `unit`.
    pub(super) fn prefix_of(&self, unit: usize) -> usize {
        (0..self.prefixes()).find(|&prefix| unit < self.end_of_prefix(prefix)).unwrap_or(0)
    }

    /// Reconstructs every row, and fills in slopes and losses.
    pub(super) fn reconstruct_all(
        &self,
        (blocks, pool): (&mut [Block], &Pool),
        deltas: &mut [f32],
        shared: Shared<'_>,
    ) {
        let row_length = shared.slots * self.layers.width;
        let rows_a_block = blocks[0].len;
        let tasks = blocks.par_iter_mut().zip(deltas.par_chunks_mut(rows_a_block * row_length));
        tasks.for_each(|(block, deltas)| {
            pool.with(|scratch| {
                for (row, deltas) in deltas.chunks_exact_mut(row_length).enumerate() {
                    self.reconstruct_row((block, row), deltas, scratch, shared);
                }
            });
        });
    }

    /// Reconstructs one row: `deltas`, `(slots, width)`, become what the units of each prefix see.
    fn reconstruct_row(
        &self,
        (block, row): (&mut Block, usize),
        deltas: &mut [f32],
        scratch: &mut Scratch,
        shared: Shared<'_>,
    ) {
        let (width, prefixes) = (self.layers.width, self.prefixes());
        let (deltas, of_idle) = deltas.split_at_mut(prefixes * width);
        self.pass_on((block, row), &mut scratch.parts, shared);
        self.reconstruct_prefixes(&scratch.parts, deltas);
        let target = shared.targets.row(block.first + row);
        let mut full = 0.0;
        for outputs in deltas.chunks_exact_mut(width) {
            let samples = shared.targets.len() * prefixes;
            full = self.settings.loss().slope(target, outputs, samples);
        }
        block.loss += full;
        if !of_idle.is_empty() {
            let last = &deltas[(prefixes - 1) * width..];
            self.reconstruct_rest((block, row), (last, of_idle), scratch, shared);
        }
        for prefix in (1..prefixes).rev() {
            let (before, here) = deltas.split_at_mut(prefix * width);
            let before = &mut before[(prefix - 1) * width..];
            before.iter_mut().zip(here).for_each(|(sum, slope)| *sum += *slope);
        }
        block.bias_slope.iter_mut().zip(&deltas[..width]).for_each(|(sum, slope)| *sum += slope);
        self.slopes_of_row((block, row), deltas, shared);
    }

    /// Lists what the active units of a row pass on: their values, some dropped.
    fn pass_on(
        &self,
        (block, row): (&mut Block, usize),
        parts: &mut Vec<Weighted>,
        shared: Shared<'_>,
    ) {
        let places = block.active.places(row);
        let Listed { units, values, passed, .. } = &mut block.active;
        parts.clear();
        for place in places {
            let unit = units[place];
            let row = block.first + row;
            let factor = shared.hidden.factor(row, unit as usize, self.settings.units);
            passed[place] = factor
                * match self.settings.selection {
                    LatentSelection::Binary => self.usage.magnitudes[unit as usize],
                    _ => values[place],
                };
            parts.push(Weighted { row: unit, factor: passed[place] });
        }
    }

    /// Writes the reconstruction by each prefix to `out`, `(prefixes, width)`.
    fn reconstruct_prefixes(&self, parts: &[Weighted], out: &mut [f32]) {
        let width = self.layers.width;
        let mut start = 0;
        for prefix in 0..self.prefixes() {
            let limit = self.end_of_prefix(prefix) as u32;
            let end = start + parts[start..].partition_point(|part| part.row < limit);
            let (before, here) = out.split_at_mut(prefix * width);
            let here = &mut here[..width];
            match prefix {
                0 => here.copy_from_slice(&self.layers.decoder_bias.values),
                _ => here.copy_from_slice(&before[(prefix - 1) * width..]),
            }
            let weights = self.layers.decoder_values();
            (kernel::table().add_weighted_rows)(weights, &parts[start..end], here);
            start = end;
        }
    }

    /// What the idle units see, `out`: with `e` what the active ones left over, of which `full` is the
    /// slope, the slope of `aux_weight · ‖e - Σ value · W_dec[unit]‖²`, `e` being given.
    fn reconstruct_rest(
        &self,
        (block, row): (&mut Block, usize),
        (full, out): (&[f32], &mut [f32]),
        scratch: &mut Scratch,
        shared: Shared<'_>,
    ) {
        let places = block.aux.places(row);
        scratch.parts.clear();
        scratch.parts.extend(places.clone().map(|place| Weighted {
            row: block.aux.units[place],
            factor: block.aux.values[place],
        }));
        out.fill(0.0);
        (kernel::table().add_weighted_rows)(self.layers.decoder_values(), &scratch.parts, out);
        let (weight, prefixes) = (self.settings.aux_weight, self.prefixes() as f32);
        let scale = self.settings.loss().scale(self.layers.width, shared.targets.len());
        for (value, left_over) in out.iter_mut().zip(full) {
            *value = weight * (scale * *value + prefixes * left_over);
        }
        let weights = self.layers.decoder_values();
        let Listed { units, values, slopes, .. } = &mut block.aux;
        (kernel::table().dots)(weights, &units[places.clone()], out, &mut slopes[places.clone()]);
        for place in places {
            slopes[place] *= self.settings.activation.slope(values[place]);
        }
    }

    /// Slopes of the loss by the scores of a row's active units.
    fn slopes_of_row(&self, (block, row): (&mut Block, usize), deltas: &[f32], shared: Shared<'_>) {
        let width = self.layers.width;
        let places = block.active.places(row);
        let (mut start, first) = (places.start, block.first);
        let Listed { units, values, slopes, .. } = &mut block.active;
        for (prefix, delta) in deltas.chunks_exact(width).enumerate() {
            let limit = self.end_of_prefix(prefix) as u32;
            let end = start + units[start..places.end].partition_point(|&unit| unit < limit);
            let here = start..end;
            let weights = self.layers.decoder_values();
            (kernel::table().dots)(weights, &units[here.clone()], delta, &mut slopes[here]);
            start = end;
        }
        let contractive = self.settings.contractive / shared.targets.len() as f32;
        for place in places {
            let (unit, value) = (units[place] as usize, values[place]);
            let factor = shared.hidden.factor(first + row, unit, self.settings.units);
            let slope = self.latent_slope(value);
            slopes[place] *= factor * slope;
            if contractive > 0.0 {
                let bend = self.settings.activation.bend(value);
                slopes[place] += contractive * 2.0 * slope * bend * shared.lengths[unit];
            }
        }
    }

    /// Slope of a latent by its score: straight through for binary ones.
    pub(super) fn latent_slope(&self, value: f32) -> f32 {
        match self.settings.selection {
            LatentSelection::Binary => 1.0,
            _ => self.settings.activation.slope(value),
        }
    }
}
