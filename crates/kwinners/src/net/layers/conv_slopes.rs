//! Convolutions, backward: each sum over the shorter of its lists.

use rayon::prelude::*;

use super::conv::Convolve;
use super::linear::add_columns;
use super::{Flow, Scratch};
use crate::kernel;
use crate::kernel::maps::{RowPair, Windows};
use crate::kernel::product::{add_product_of_transposed, product_transposed};
use crate::kernel::vectors::Weighted;
use crate::net::Signal;
use crate::rows::Rows;

/// Places whose windows are copied out at once.
const PLACES_A_BLOCK: usize = 256;
/// Runs that are not worth the call of a kernel.
const SHORT: usize = 24;
/// Filters whose gradient is one task.
const FILTERS_A_TASK: usize = 8;

/// The outputs of a block of samples that have a slope, filter after filter.
#[derive(Debug)]
struct Winners {
    /// Where those of each filter begin, and one end more.
    starts: Vec<usize>,
    /// Where the window of each begins among the inputs, and its slope.
    windows: Vec<Weighted>,
}

impl Convolve {
    pub(crate) fn backward(
        &self,
        flow: Flow<'_>,
        input_slopes: &mut Signal,
        scratch: &mut Scratch,
    ) {
        match (&flow.input.active, &flow.slopes.active) {
            (Some(_), Some(_)) => self.backward_between_lists(flow, input_slopes, scratch),
            (Some(_), None) => self.backward_to_listed(flow, input_slopes, scratch),
            (None, Some(_)) => self.backward_of_listed(flow, input_slopes),
            (None, None) => self.backward_dense(flow, input_slopes, scratch),
        }
    }

    /// Where the first row of the window of `cell` of the output begins in the input, in values.
    fn corner_of(&self, cell: usize) -> usize {
        let Windows { width, input_width, channels, .. } = self.windows;
        (cell / width * input_width + cell % width) * channels
    }

    /// The slopes by the listed inputs, of listed outputs: a filter for each of these is added to all
    /// inputs in its window, which is cheaper than to look for the listed ones among them.
    fn backward_between_lists(
        &self,
        flow: Flow<'_>,
        input_slopes: &mut Signal,
        scratch: &mut Scratch,
    ) {
        let (samples, size) = (flow.input.len(), self.input.size());
        let (Some(active), Some(outputs)) = (&flow.input.active, &flow.slopes.active) else {
            return;
        };
        let (values, listed) = input_slopes.clear_listed(samples, size);
        listed.copy_from(active);
        scratch.values.resize(size, 0.0);
        for (sample, to) in values.chunks_exact_mut(size).enumerate() {
            scratch.values.fill(0.0);
            self.add_filters(flow.slopes.sample(sample), outputs.of(sample), &mut scratch.values);
            let which = active.of(sample).iter();
            which.for_each(|&place| to[place as usize] = scratch.values[place as usize]);
        }
    }

    /// Adds to the inputs in the window of each of the outputs `which` its filter, times its slope.
    fn add_filters(&self, slopes: &[f32], which: &[u32], to: &mut [f32]) {
        let Windows { input_width, channels, kernel, outputs, .. } = self.windows;
        for &place in which {
            let (cell, output) = (place as usize / outputs, place as usize % outputs);
            let filter = &self.weights.values()[output * self.taps()..][..self.taps()];
            let corner = self.corner_of(cell);
            for (row, weights) in filter.chunks_exact(kernel * channels).enumerate() {
                let start = corner + row * input_width * channels;
                add_scaled(&mut to[start..][..weights.len()], slopes[place as usize], weights);
            }
        }
    }

    /// The slopes by the listed inputs: of each, the products of its weights with the slopes of the
    /// places that see it.
    fn backward_to_listed(&self, flow: Flow<'_>, input_slopes: &mut Signal, scratch: &mut Scratch) {
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
            let sides = (&self.across[..], flow.slopes.sample(sample), self.windows.outputs);
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
                pairs.push(RowPair { row: tap as u32, from: from as u32 });
            }
        }
    }

    /// The slopes by all inputs, of outputs few of which have one.
    fn backward_of_listed(&self, flow: Flow<'_>, input_slopes: &mut Signal) {
        input_slopes.resize(flow.input.len(), self.input.size());
        input_slopes.values.fill(0.0);
        for sample in 0..flow.input.len() {
            let which = flow.slopes.active_of(sample).unwrap_or_default();
            let to = input_slopes.sample_mut(sample);
            self.add_filters(flow.slopes.sample(sample), which, to);
        }
    }

    /// The slopes by all inputs: of a block of places at a time, the slopes of their windows, which are
    /// then added where the windows lie.
    fn backward_dense(&self, flow: Flow<'_>, input_slopes: &mut Signal, scratch: &mut Scratch) {
        let Windows { input_width, channels, kernel, outputs, .. } = self.windows;
        input_slopes.resize(flow.input.len(), self.input.size());
        input_slopes.values.fill(0.0);
        let weights = Rows::new(&self.across, outputs).expect("whole rows of weights");
        for sample in 0..flow.input.len() {
            let to = input_slopes.sample_mut(sample);
            let blocks = flow.slopes.sample(sample).chunks(PLACES_A_BLOCK * outputs);
            for (block, slopes) in blocks.enumerate() {
                let slopes = Rows::new(slopes, outputs).expect("whole places");
                scratch.values.resize(slopes.len() * self.taps(), 0.0);
                product_transposed(slopes, weights, &mut scratch.values);
                for (place, window) in scratch.values.chunks_exact(self.taps()).enumerate() {
                    let corner = self.corner_of(block * PLACES_A_BLOCK + place);
                    for (row, window) in window.chunks_exact(kernel * channels).enumerate() {
                        let start = corner + row * input_width * channels;
                        let to = to[start..][..kernel * channels].iter_mut();
                        to.zip(window).for_each(|(to, slope)| *to += slope);
                    }
                }
            }
        }
    }

    /// Adds up the gradient: filter by filter where slopes are listed, a row of the windows at a time
    /// where they are not.
    pub(crate) fn gather(&mut self, flows: &[Flow<'_>]) {
        add_columns(flows, &mut self.bias.gradient);
        let mut gradient = std::mem::take(&mut self.weights.gradient);
        if flows.iter().all(|flow| flow.slopes.active.is_some()) {
            self.gather_listed(flows, &mut gradient);
        } else {
            self.gather_dense(flows, &mut gradient);
        }
        self.weights.gradient = gradient;
    }

    /// Windows are added whole: inputs that are zero cost less than to pass over them.
    fn gather_listed(&self, flows: &[Flow<'_>], gradient: &mut [f32]) {
        let Windows { input_width, channels, kernel, .. } = self.windows;
        let (length, pitch) = (kernel * channels, input_width * channels);
        let lists: Vec<Winners> = flows.par_iter().map(|flow| self.list(flow)).collect();
        let tasks = gradient.par_chunks_mut(self.taps()).enumerate();
        tasks.with_min_len(FILTERS_A_TASK).for_each(|(filter, sums)| {
            for (flow, list) in flows.iter().zip(&lists) {
                let windows = &list.windows[list.starts[filter]..list.starts[filter + 1]];
                for (row, sums) in sums.chunks_exact_mut(length).enumerate() {
                    let values = &flow.input.values[row * pitch..];
                    (kernel::table().add_weighted_runs)(values, windows, sums);
                }
            }
        });
    }

    /// The winners of a block of samples, filter by filter.
    fn list(&self, flow: &Flow<'_>) -> Winners {
        let (maps, size) = (self.windows.outputs, self.input.size());
        let mut by_filter = vec![Vec::new(); maps];
        for sample in 0..flow.slopes.len() {
            let slopes = flow.slopes.sample(sample);
            for &place in flow.slopes.active_of(sample).unwrap_or_default() {
                let (cell, map) = (place as usize / maps, place as usize % maps);
                let row = (sample * size + self.corner_of(cell)) as u32;
                by_filter[map].push(Weighted { row, factor: slopes[place as usize] });
            }
        }
        let mut list = Winners { starts: vec![0], windows: Vec::new() };
        for windows in by_filter {
            list.windows.extend(windows);
            list.starts.push(list.windows.len());
        }
        list
    }

    /// Products over blocks of places, one task a row of the windows.
    fn gather_dense(&self, flows: &[Flow<'_>], gradient: &mut [f32]) {
        let Windows { channels, kernel, outputs, .. } = self.windows;
        let (row_len, taps) = (kernel * channels, self.taps());
        let mut across = vec![0.0; gradient.len()];
        let tasks = across.par_chunks_mut(row_len * outputs).enumerate();
        tasks.for_each(|(row, sums)| self.gather_row(flows, row, sums));
        for (tap, sums) in across.chunks_exact(outputs).enumerate() {
            for (map, sum) in sums.iter().enumerate() {
                gradient[map * taps + tap] += sum;
            }
        }
    }

    /// The gradient of the weights `(kernel, channels, maps)` of one row of the windows.
    fn gather_row(&self, flows: &[Flow<'_>], row: usize, sums: &mut [f32]) {
        let Windows { width, input_width, channels, kernel, outputs, .. } = self.windows;
        let length = kernel * channels;
        let mut windows = Vec::new();
        for flow in flows {
            for sample in 0..flow.input.len() {
                let (values, slopes) = (flow.input.sample(sample), flow.slopes.sample(sample));
                for (block, slopes) in slopes.chunks(PLACES_A_BLOCK * outputs).enumerate() {
                    windows.clear();
                    let first = block * PLACES_A_BLOCK;
                    for cell in first..first + slopes.len() / outputs {
                        let start = ((cell / width + row) * input_width + cell % width) * channels;
                        windows.extend_from_slice(&values[start..][..length]);
                    }
                    let windows = Rows::new(&windows, length).expect("whole rows of windows");
                    let slopes = Rows::new(slopes, outputs).expect("whole places");
                    add_product_of_transposed(windows, slopes, sums);
                }
            }
        }
    }
}

/// `sums += factor · values`; long ones by the kernel.
fn add_scaled(sums: &mut [f32], factor: f32, values: &[f32]) {
    if sums.len() < SHORT {
        sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += factor * value);
    } else {
        (kernel::table().add_outer)(sums, values, &[Weighted { row: 0, factor }]);
    }
}
