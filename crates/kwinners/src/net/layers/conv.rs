//! Convolutions, forward: dense ones in registers, sparse ones by the winners in each window.

use rayon::prelude::*;

use super::aligned::Aligned;
use super::weights::{Learned, draw_kept};
use super::{LayerState, Scratch};
use crate::error::{Error, Result};
use crate::kernel::maps::Windows;
use crate::kernel::{self, vectors::Weighted};
use crate::net::{FirstValues, MapShape, Optimiser, Signal};
use crate::rng::Rng;

/// Taps of all filters that are turned round together.
const TAPS_A_TASK: usize = 64;

/// Filters moved place by place over maps, without margin.
///
/// `W` is `(maps, kernel, kernel, channels)`, kept the other way round too. Cost a sample: `places · kernel² · channels · maps`
/// multiply-adds for dense maps; where the input is listed, `active inputs · kernel² · maps` at most, and
/// backward, where winners follow, `winners · kernel² · channels`.
#[derive(Clone, Debug)]
pub(crate) struct Convolve {
    pub(crate) input: MapShape,
    pub(crate) windows: Windows,
    pub(crate) density: f32,
    pub(crate) weights: Learned,
    /// The weights as `(kernel, kernel, channels, maps)`.
    pub(super) across: Aligned,
    pub(crate) bias: Learned,
}

impl Convolve {
    /// A layer without weights, for [`Convolve::draw`] or [`Convolve::restore`].
    pub(crate) fn new(input: MapShape, (maps, kernel): (usize, usize), density: f32) -> Self {
        let none = || Learned::new(Vec::new(), &Optimiser::Sgd { momentum: 0.0 });
        let windows = Windows {
            height: input.height + 1 - kernel,
            width: input.width + 1 - kernel,
            input_width: input.width,
            channels: input.channels,
            kernel,
            outputs: maps,
        };
        Self { input, windows, density, weights: none(), across: Aligned::default(), bias: none() }
    }

    /// First weights drawn by `first`, then all but the share `density` of each filter's dropped.
    pub(crate) fn draw(&mut self, first: FirstValues, optimiser: &Optimiser, rng: &mut Rng) {
        let (taps, maps, density) = (self.taps(), self.windows.outputs, self.density);
        let values = first.weights((taps, maps), taps * maps, density, rng);
        let bias = first.bias(taps, maps, density, rng);
        self.weights = Learned::new(values, optimiser);
        self.bias = Learned::new(bias, optimiser);
        if density < 1.0 {
            let place = |tap, map| map * taps + tap;
            self.weights.keep(draw_kept((taps, maps), density, rng, place));
        }
        self.refresh();
    }

    /// Follows the weights after they have moved.
    pub(crate) fn refresh(&mut self) {
        let (taps, maps) = (self.taps(), self.windows.outputs);
        if self.across.len() != taps * maps {
            self.across = Aligned::zeros(taps * maps);
        }
        let filters = self.weights.values();
        let tasks = self.across.par_chunks_mut(maps * TAPS_A_TASK).enumerate();
        tasks.for_each(|(task, rows)| {
            for (map, filter) in filters.chunks_exact(taps).enumerate() {
                let weights = &filter[task * TAPS_A_TASK..];
                for (row, weight) in rows.chunks_exact_mut(maps).zip(weights) {
                    row[map] = *weight;
                }
            }
        });
    }

    /// Takes saved weights.
    pub(crate) fn restore(&mut self, state: &mut LayerState, optimiser: &Optimiser) -> Result<()> {
        let (taps, maps) = (self.taps(), self.windows.outputs);
        let masks = std::mem::take(&mut state.masks);
        let expected = || Error::shape("filters", format!("{maps} of {taps} weights"), "others");
        let count = taps.checked_mul(maps).ok_or_else(expected)?;
        self.weights.restore(count, optimiser, state)?;
        self.bias.restore(maps, optimiser, state)?;
        if self.density < 1.0 || !masks.is_empty() {
            self.weights.keep_masks((maps, taps), masks).ok_or_else(expected)?;
        }
        self.refresh();
        Ok(())
    }

    pub(crate) fn output_shape(&self) -> MapShape {
        let Windows { height, width, outputs, .. } = self.windows;
        MapShape { height, width, channels: outputs }
    }

    /// Weights of one filter.
    pub(super) fn taps(&self) -> usize {
        self.windows.kernel * self.windows.kernel * self.windows.channels
    }

    pub(crate) fn forward(&self, input: &Signal, output: &mut Signal, scratch: &mut Scratch) {
        let samples = input.len();
        output.resize(samples, self.output_shape().size());
        for sample in 0..samples {
            let (values, out) = (input.sample(sample), output.sample_mut(sample));
            match input.active_of(sample) {
                None => {
                    let (weights, bias) = (&self.across, self.bias.values());
                    (kernel::table().convolve)(&self.windows, values, weights, bias, out);
                }
                Some(active) => self.forward_listed(values, active, out, scratch),
            }
        }
    }

    /// The sums of the winners in every window.
    fn forward_listed(
        &self,
        values: &[f32],
        active: &[u32],
        out: &mut [f32],
        scratch: &mut Scratch,
    ) {
        cell_starts(&self.input, active, &mut scratch.ends);
        scratch.parts.clear();
        let part = |&row: &u32| Weighted { row, factor: values[row as usize] };
        scratch.parts.extend(active.iter().map(part));
        let listed = (&scratch.parts[..], &scratch.ends[..]);
        let (weights, bias) = (&self.across, self.bias.values());
        (kernel::table().convolve_listed)(&self.windows, listed, weights, bias, out);
    }
}

/// Where the active places of each cell of a map begin in their list, and where the last end.
pub(super) fn cell_starts(shape: &MapShape, active: &[u32], starts: &mut Vec<u32>) {
    starts.clear();
    let channels = shape.channels as u32;
    for (at, place) in active.iter().enumerate() {
        let cell = (place / channels) as usize;
        starts.resize((cell + 1).max(starts.len()), at as u32);
    }
    starts.resize(shape.places() + 1, active.len() as u32);
}
