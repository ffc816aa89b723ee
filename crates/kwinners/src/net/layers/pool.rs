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

    /// The first place of the square of `place` of the output with its largest value.
    fn largest(&self, input: &[f32], place: usize) -> usize {
        let (cell, channel) = (place / self.output.channels, place % self.output.channels);
        let (y, x) = (cell / self.output.width * self.size, cell % self.output.width * self.size);
        let at = |other: usize| {
            let (y, x) = (y + other / self.size, x + other % self.size);
            (y * self.input.width + x) * self.input.channels + channel
        };
        let first = at(0);
        (1..self.size * self.size)
            .map(at)
            .fold(first, |best, other| if input[other] > input[best] { other } else { best })
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
                let to = input_slopes.sample_mut(sample);
                for (place, slope) in slopes.iter().enumerate() {
                    to[self.largest(input, place)] += slope;
                }
            }
            return;
        };
        let (values, active) = input_slopes.clear_listed(samples, size);
        for (sample, to) in values.chunks_exact_mut(size).enumerate() {
            let (input, slopes) = (flow.input.sample(sample), flow.slopes.sample(sample));
            scratch.places.clear();
            for &place in listed.of(sample) {
                let largest = self.largest(input, place as usize);
                to[largest] += slopes[place as usize];
                scratch.places.push(largest as u32);
            }
            active.push(scratch.places.iter().copied());
        }
    }
}
