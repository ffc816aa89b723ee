//! The largest of each square.

use super::{Flow, Scratch};
use crate::kernel;
use crate::net::{MapShape, Signal};

/// Each value of the output is the largest of `size` by `size` places of its map; the slope goes to the first
/// of these that is as large.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MaxPool {
    input: MapShape,
    pub(crate) output: MapShape,
    size: usize,
}

/// A place of the output with all its channels: where they begin there, and where the first place of the
/// square begins in the input.
#[derive(Clone, Copy, Debug, Default)]
struct Cell {
    first: usize,
    corner: usize,
}

impl MaxPool {
    pub(crate) fn new(input: MapShape, output: MapShape, size: usize) -> Self {
        Self { input, output, size }
    }

    pub(crate) fn forward(&self, input: &Signal, output: &mut Signal, scratch: &mut Scratch) {
        let samples = input.len();
        let MapShape { height, width, channels } = self.output;
        let pool = |values: &[f32], out: &mut [f32]| {
            let squares = (self.size, self.input.width);
            (kernel::table().max_pool)(values, (height, width, channels), squares, out);
        };
        if input.active.is_none() {
            output.resize(samples, self.output.size());
            for sample in 0..samples {
                pool(input.sample(sample), output.sample_mut(sample));
            }
            return;
        }
        // Only squares with an active place can differ from zero.
        let (values, active) = output.clear_listed(samples, self.output.size());
        for (sample, out) in values.chunks_exact_mut(self.output.size()).enumerate() {
            pool(input.sample(sample), out);
            scratch.places.clear();
            let pooled = input.active_of(sample).unwrap_or_default().iter();
            scratch.places.extend(pooled.filter_map(|&place| self.pooled(place)));
            scratch.places.sort_unstable();
            scratch.places.dedup();
            let differs = |place: &u32| out[*place as usize] != 0.0;
            active.push(scratch.places.iter().copied().filter(differs));
        }
    }

    /// The place of the output that a place of the input belongs to, if any.
    fn pooled(&self, place: u32) -> Option<u32> {
        let (cell, channel) =
            (place as usize / self.input.channels, place as usize % self.input.channels);
        let (y, x) = (cell / self.input.width / self.size, cell % self.input.width / self.size);
        let inside = y < self.output.height && x < self.output.width;
        inside.then(|| ((y * self.output.width + x) * self.output.channels + channel) as u32)
    }

    /// The first place of its square where the input is as large as `place` of the output, which lies in
    /// `cell`.
    fn largest(&self, input: &[f32], (cell, place): (&Cell, usize), value: f32) -> usize {
        let first = cell.corner + place - cell.first;
        for row in 0..self.size {
            let start = first + row * self.input.width * self.input.channels;
            for column in 0..self.size {
                let at = start + column * self.input.channels;
                if input[at] == value {
                    return at;
                }
            }
        }
        first
    }

    /// The cell of the output that `place` lies in; found from the last one, as places mostly rise.
    fn cell_of(&self, place: usize, cell: &mut Cell) {
        if place.wrapping_sub(cell.first) < self.output.channels {
            return;
        }
        let number = place / self.output.channels;
        let (y, x) =
            (number / self.output.width * self.size, number % self.output.width * self.size);
        *cell = Cell {
            first: number * self.output.channels,
            corner: (y * self.input.width + x) * self.input.channels,
        };
    }

    pub(crate) fn backward(
        &self,
        flow: Flow<'_>,
        input_slopes: &mut Signal,
        scratch: &mut Scratch,
    ) {
        let samples = flow.input.len();
        let size = self.input.size();
        let Some(listed) = &flow.slopes.active else {
            input_slopes.resize(samples, size);
            input_slopes.values.fill(0.0);
            for sample in 0..samples {
                let (input, slopes) = (flow.input.sample(sample), flow.slopes.sample(sample));
                let (output, mut cell) = (flow.output.sample(sample), Cell::default());
                let to = input_slopes.sample_mut(sample);
                for (place, slope) in slopes.iter().enumerate() {
                    self.cell_of(place, &mut cell);
                    to[self.largest(input, (&cell, place), output[place])] += slope;
                }
            }
            return;
        };
        let (values, active) = input_slopes.clear_listed(samples, size);
        for (sample, to) in values.chunks_exact_mut(size).enumerate() {
            let (input, slopes) = (flow.input.sample(sample), flow.slopes.sample(sample));
            let (output, mut cell) = (flow.output.sample(sample), Cell::default());
            scratch.places.clear();
            for &place in listed.of(sample) {
                self.cell_of(place as usize, &mut cell);
                let at = (&cell, place as usize);
                let largest = self.largest(input, at, output[place as usize]);
                to[largest] += slopes[place as usize];
                scratch.places.push(largest as u32);
            }
            active.push(scratch.places.iter().copied());
        }
    }
}
