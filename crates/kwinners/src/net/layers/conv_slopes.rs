//! Convolutions, backward: each sum over the shorter of its lists.

use rayon::prelude::*;

use super::conv::Convolve;
use super::linear::add_columns;
use super::{Flow, Scratch};
use crate::kernel;
use crate::kernel::maps::{RowPair, Windows};
use crate::kernel::product::{add_product_of_transposed, product_transposed};
use crate::net::Signal;
use crate::rows::Rows;

/// Places whose windows are copied out at once.
const PLACES_A_BLOCK: usize = 256;

impl Convolve {
    /// The slopes by the listed inputs: of each, the products of its weights with the slopes of the
    /// places that see it.
    pub(super) fn backward_to_listed(
        &self,
        flow: Flow<'_>,
        input_slopes: &mut Signal,
        scratch: &mut Scratch,
    ) {
        let (samples, size) = (flow.input.len(), self.input.size());
        let Some(active) = &flow.input.active else { return };
        let (values, listed) = input_slopes.clear_listed(samples, size);
        listed.copy_from(active);
        for (sample, to) in values.chunks_exact_mut(size).enumerate() {
            let which = active.of(sample);
            scratch.pairs.clear();
            scratch.ends.clear();
            for &place in which {
                self.list_windows_of(place as usize, &mut scratch.pairs);
                scratch.ends.push(scratch.pairs.len() as u32);
            }
            scratch.values.resize(which.len(), 0.0);
            let outputs = self.windows.outputs;
            let sides = (self.weights.values(), flow.slopes.sample(sample), outputs);
            let dots = &mut scratch.values;
            (kernel::table().sum_dots)(sides, &scratch.pairs, &scratch.ends, dots);
            which.iter().zip(dots).for_each(|(&place, dot)| to[place as usize] = *dot);
        }
    }

    /// The weight rows and output places that meet at `place` of the input.
    fn list_windows_of(&self, place: usize, pairs: &mut Vec<RowPair>) {
        let Windows { height, width, input_width, channels, kernel, .. } = self.windows;
        let (cell, channel) = (place / channels, place % channels);
        let (y, x) = (cell / input_width, cell % input_width);
        let rows = (y + 1).saturating_sub(height)..kernel.min(y + 1);
        let columns = (x + 1).saturating_sub(width)..kernel.min(x + 1);
        for row in rows {
            for column in columns.clone() {
                let tap = (row * kernel + column) * channels + channel;
                let from = (y - row) * width + x - column;
                pairs.push(RowPair { row: tap as u32, from: from as u32, factor: 0.0 });
            }
        }
    }

    /// The slopes by all inputs, of outputs few of which have one.
    pub(super) fn backward_of_listed(&self, flow: Flow<'_>, input_slopes: &mut Signal) {
        let Windows { width, input_width, channels, kernel, outputs, .. } = self.windows;
        input_slopes.resize(flow.input.len(), self.input.size());
        input_slopes.values.fill(0.0);
        let weights = self.weights.values();
        for sample in 0..flow.input.len() {
            let slopes = flow.slopes.sample(sample);
            let to = input_slopes.sample_mut(sample);
            for &place in flow.slopes.active_of(sample).unwrap_or_default() {
                let (cell, output) = (place as usize / outputs, place as usize % outputs);
                let first = cell / width * input_width + cell % width;
                for row in 0..kernel {
                    let start = (first + row * input_width) * channels;
                    let taps = &weights[row * kernel * channels * outputs..];
                    for (tap, to) in to[start..][..kernel * channels].iter_mut().enumerate() {
                        *to += slopes[place as usize] * taps[tap * outputs + output];
                    }
                }
            }
        }
    }

    /// The slopes by all inputs: of a block of places at a time, the slopes of their windows, which are
    /// then added where the windows lie.
    pub(super) fn backward_dense(
        &self,
        flow: Flow<'_>,
        input_slopes: &mut Signal,
        scratch: &mut Scratch,
    ) {
        let Windows { width, input_width, channels, kernel, outputs, .. } = self.windows;
        input_slopes.resize(flow.input.len(), self.input.size());
        input_slopes.values.fill(0.0);
        let weights = Rows::new(self.weights.values(), outputs).expect("whole rows of weights");
        for sample in 0..flow.input.len() {
            let to = input_slopes.sample_mut(sample);
            let blocks = flow.slopes.sample(sample).chunks(PLACES_A_BLOCK * outputs);
            for (block, slopes) in blocks.enumerate() {
                let slopes = Rows::new(slopes, outputs).expect("whole places");
                scratch.values.resize(slopes.len() * self.taps(), 0.0);
                product_transposed(slopes, weights, &mut scratch.values);
                for (place, window) in scratch.values.chunks_exact(self.taps()).enumerate() {
                    let place = block * PLACES_A_BLOCK + place;
                    let first = place / width * input_width + place % width;
                    for (row, window) in window.chunks_exact(kernel * channels).enumerate() {
                        let start = (first + row * input_width) * channels;
                        let to = to[start..][..kernel * channels].iter_mut();
                        to.zip(window).for_each(|(to, slope)| *to += slope);
                    }
                }
            }
        }
    }

    /// Adds up the gradient, one task a row of the windows, or a tap where the inputs are listed.
    pub(crate) fn gather(&mut self, flows: &[Flow<'_>]) {
        add_columns(flows, &mut self.bias.gradient);
        let Windows { channels, kernel, outputs, .. } = self.windows;
        let mut gradient = std::mem::take(&mut self.weights.gradient);
        let listed = flows.iter().all(|flow| flow.input.active.is_some());
        if listed {
            let tasks = gradient.par_chunks_mut(channels * outputs).enumerate();
            tasks.for_each(|(tap, sums)| self.gather_tap(flows, tap, sums));
        } else {
            let tasks = gradient.par_chunks_mut(kernel * channels * outputs).enumerate();
            tasks.for_each(|(row, sums)| self.gather_row(flows, row, sums));
        }
        self.weights.gradient = gradient;
    }

    /// The gradient of the weights `(channels, outputs)` at one place of the windows.
    fn gather_tap(&self, flows: &[Flow<'_>], tap: usize, sums: &mut [f32]) {
        let Windows { height, width, input_width, channels, kernel, outputs } = self.windows;
        let (row, column) = (tap / kernel, tap % kernel);
        let mut pairs = Vec::new();
        for flow in flows {
            for sample in 0..flow.input.len() {
                let values = flow.input.sample(sample);
                pairs.clear();
                for &place in flow.input.active_of(sample).unwrap_or_default() {
                    let (cell, channel) = (place / channels as u32, place % channels as u32);
                    let (y, x) = (cell / input_width as u32, cell % input_width as u32);
                    // Below 0 is far above the size.
                    let y = (y as usize).wrapping_sub(row);
                    let x = (x as usize).wrapping_sub(column);
                    if y < height && x < width {
                        let from = (y * width + x) as u32;
                        let factor = values[place as usize];
                        pairs.push(RowPair { row: channel, from, factor });
                    }
                }
                (kernel::table().add_outer)(sums, flow.slopes.sample(sample), outputs, &pairs);
            }
        }
    }

    /// The gradient of the weights `(kernel, channels, outputs)` of one row of the windows.
    fn gather_row(&self, flows: &[Flow<'_>], row: usize, sums: &mut [f32]) {
        let Windows { width, input_width, channels, kernel, outputs, .. } = self.windows;
        let length = kernel * channels;
        let mut windows = Vec::new();
        for flow in flows {
            for sample in 0..flow.input.len() {
                let (values, slopes) = (flow.input.sample(sample), flow.slopes.sample(sample));
                let start_of =
                    |cell: usize| ((cell / width + row) * input_width + cell % width) * channels;
                if let Some(active) = flow.slopes.active_of(sample) {
                    for &place in active {
                        let (cell, output) = (place as usize / outputs, place as usize % outputs);
                        let slope = slopes[place as usize];
                        let window = &values[start_of(cell)..][..length];
                        for (tap, value) in window.iter().enumerate() {
                            sums[tap * outputs + output] += slope * value;
                        }
                    }
                    continue;
                }
                for (block, slopes) in slopes.chunks(PLACES_A_BLOCK * outputs).enumerate() {
                    windows.clear();
                    let first = block * PLACES_A_BLOCK;
                    for cell in first..first + slopes.len() / outputs {
                        windows.extend_from_slice(&values[start_of(cell)..][..length]);
                    }
                    let windows = Rows::new(&windows, length).expect("whole rows of windows");
                    let slopes = Rows::new(slopes, outputs).expect("whole places");
                    add_product_of_transposed(windows, slopes, sums);
                }
            }
        }
    }
}
