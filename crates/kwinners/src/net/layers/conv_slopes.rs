//! Convolutions, backward: each sum over the shorter of its lists.

use rayon::prelude::*;

use super::conv::{Convolve, cell_starts};
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

/// The lists of one sample: where the active inputs of each cell begin, and the outputs with a slope.
#[derive(Debug, Default)]
struct Winners {
    starts: Vec<u32>,
    outputs: Vec<Winner>,
}

/// An output with a slope.
#[derive(Clone, Copy, Debug)]
struct Winner {
    cell: u32,
    map: u32,
    slope: f32,
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

    /// The runs of active inputs that lie in the window of `cell` of the output: their range in the list,
    /// and what has to be added to a place to make it a tap.
    fn runs_of(&self, cell: usize, starts: &[u32]) -> impl Iterator<Item = (usize, usize, u32)> {
        let Windows { width, input_width, channels, kernel, .. } = self.windows;
        let first = cell / width * input_width + cell % width;
        (0..kernel).map(move |row| {
            let cell = first + row * input_width;
            let shift = (row * kernel * channels).wrapping_sub(cell * channels) as u32;
            (starts[cell] as usize, starts[cell + kernel] as usize, shift)
        })
    }

    /// The slopes by the listed inputs, of listed outputs: one product for each pair that meets.
    fn backward_between_lists(
        &self,
        flow: Flow<'_>,
        input_slopes: &mut Signal,
        scratch: &mut Scratch,
    ) {
        let (samples, size, taps) = (flow.input.len(), self.input.size(), self.taps());
        let (Some(active), Some(outputs)) = (&flow.input.active, &flow.slopes.active) else {
            return;
        };
        let (values, listed) = input_slopes.clear_listed(samples, size);
        listed.copy_from(active);
        for (sample, to) in values.chunks_exact_mut(size).enumerate() {
            let (which, slopes) = (active.of(sample), flow.slopes.sample(sample));
            cell_starts(&self.input, which, &mut scratch.ends);
            scratch.values.clear();
            scratch.values.resize(which.len(), 0.0);
            for &place in outputs.of(sample) {
                let maps = self.windows.outputs;
                let (cell, map) = (place as usize / maps, place as usize % maps);
                let (filter, slope) =
                    (&self.weights.values()[map * taps..][..taps], slopes[place as usize]);
                for (start, end, shift) in self.runs_of(cell, &scratch.ends) {
                    let sums = scratch.values[start..end].iter_mut();
                    for (sum, place) in sums.zip(&which[start..end]) {
                        *sum += slope * filter[place.wrapping_add(shift) as usize];
                    }
                }
            }
            let sums = which.iter().zip(&scratch.values);
            sums.for_each(|(&place, sum)| to[place as usize] = *sum);
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
        let Windows { width, input_width, channels, kernel, outputs, .. } = self.windows;
        input_slopes.resize(flow.input.len(), self.input.size());
        input_slopes.values.fill(0.0);
        for sample in 0..flow.input.len() {
            let slopes = flow.slopes.sample(sample);
            let to = input_slopes.sample_mut(sample);
            for &place in flow.slopes.active_of(sample).unwrap_or_default() {
                let (cell, output) = (place as usize / outputs, place as usize % outputs);
                let first = cell / width * input_width + cell % width;
                let filter = &self.weights.values()[output * self.taps()..][..self.taps()];
                for (row, weights) in filter.chunks_exact(kernel * channels).enumerate() {
                    let start = (first + row * input_width) * channels;
                    add_scaled(&mut to[start..][..weights.len()], slopes[place as usize], weights);
                }
            }
        }
    }

    /// The slopes by all inputs: of a block of places at a time, the slopes of their windows, which are
    /// then added where the windows lie.
    fn backward_dense(&self, flow: Flow<'_>, input_slopes: &mut Signal, scratch: &mut Scratch) {
        let Windows { width, input_width, channels, kernel, outputs, .. } = self.windows;
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

    fn gather_listed(&self, flows: &[Flow<'_>], gradient: &mut [f32]) {
        let taps = self.taps();
        let lists: Vec<Vec<Winners>> = flows.par_iter().map(|flow| self.list(flow)).collect();
        let tasks = gradient.par_chunks_mut(FILTERS_A_TASK * taps).enumerate();
        tasks.for_each(|(task, sums)| {
            let first = (task * FILTERS_A_TASK) as u32;
            for (flow, lists) in flows.iter().zip(&lists) {
                for (sample, list) in lists.iter().enumerate() {
                    for winner in &list.outputs {
                        let filter = winner.map.wrapping_sub(first) as usize;
                        if filter < FILTERS_A_TASK {
                            let sums = &mut sums[filter * taps..][..taps];
                            self.add_window(flow.input, (sample, list), winner, sums);
                        }
                    }
                }
            }
        });
    }

    /// The lists of each sample of a block, as they are met again and again.
    fn list(&self, flow: &Flow<'_>) -> Vec<Winners> {
        let maps = self.windows.outputs as u32;
        let list = |sample| {
            let mut list = Winners::default();
            if let Some(active) = flow.input.active_of(sample) {
                cell_starts(&self.input, active, &mut list.starts);
            }
            let slopes = flow.slopes.sample(sample);
            let listed = flow.slopes.active_of(sample).unwrap_or_default().iter();
            list.outputs.extend(listed.map(|&place| Winner {
                cell: place / maps,
                map: place % maps,
                slope: slopes[place as usize],
            }));
            list
        };
        (0..flow.input.len()).map(list).collect()
    }

    /// `sums += slope · window` of a winner of the output.
    fn add_window(
        &self,
        input: &Signal,
        (sample, list): (usize, &Winners),
        winner: &Winner,
        sums: &mut [f32],
    ) {
        let (values, cell, slope) = (input.sample(sample), winner.cell as usize, winner.slope);
        if let Some(active) = input.active_of(sample) {
            for (start, end, shift) in self.runs_of(cell, &list.starts) {
                for place in &active[start..end] {
                    let tap = place.wrapping_add(shift) as usize;
                    sums[tap] += slope * values[*place as usize];
                }
            }
            return;
        }
        let Windows { width, input_width, channels, kernel, .. } = self.windows;
        let first = cell / width * input_width + cell % width;
        for (row, sums) in sums.chunks_exact_mut(kernel * channels).enumerate() {
            let start = (first + row * input_width) * channels;
            add_scaled(sums, slope, &values[start..][..sums.len()]);
        }
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
