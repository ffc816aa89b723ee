//! Layers that look at one value at a time.

use super::linear::dropped_below;
use super::{Flow, Pass};
use crate::kernel::vectors::hash;
use crate::net::{MapShape, Signal};

/// A function of each value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Activation {
    /// `max(x, 0)`.
    Relu,
    Tanh,
}

impl Activation {
    pub(crate) fn forward(self, input: &Signal, output: &mut Signal) {
        output.size = input.size;
        output.active = None;
        output.values.clear();
        match self {
            Self::Relu => output.values.extend(input.values.iter().map(|value| value.max(0.0))),
            Self::Tanh => output.values.extend(input.values.iter().map(|value| value.tanh())),
        }
        if let Some(active) = &input.active {
            output.active.get_or_insert_default().copy_from(active);
        }
    }

    pub(crate) fn backward(self, flow: Flow<'_>, input_slopes: &mut Signal) {
        if self == Self::Relu {
            pass_active(flow, input_slopes);
            return;
        }
        let pairs = flow.slopes.values.iter().zip(&flow.output.values);
        copy_list(flow.slopes, input_slopes);
        input_slopes.values.extend(pairs.map(|(slope, value)| slope * (1.0 - value * value)));
    }
}

/// The slopes where the output is above zero, listed: about half of them are not.
fn pass_active(flow: Flow<'_>, input_slopes: &mut Signal) {
    let size = flow.output.size;
    let (values, listed) = input_slopes.clear_listed(flow.slopes.len(), size);
    let mut places = Vec::new();
    for (sample, to) in values.chunks_exact_mut(size).enumerate() {
        let (output, slopes) = (flow.output.sample(sample), flow.slopes.sample(sample));
        places.clear();
        places.extend((0..size as u32).filter(|&place| output[place as usize] > 0.0));
        places.iter().for_each(|&place| to[place as usize] = slopes[place as usize]);
        listed.push(places.iter().copied());
    }
}

/// Empties `to` and gives it the size and the list of `from`.
pub(super) fn copy_list(from: &Signal, to: &mut Signal) {
    to.size = from.size;
    to.values.clear();
    match &from.active {
        Some(active) => to.active.get_or_insert_default().copy_from(active),
        None => to.active = None,
    }
}

/// Zeroes values at random while learning; the others are divided by the share that is left.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dropout {
    pub(crate) rate: f32,
    /// Differs from layer to layer.
    pub(crate) number: u32,
}

impl Dropout {
    pub(crate) fn forward(self, input: &Signal, output: &mut Signal, pass: &Pass) {
        self.thin(input, output, pass);
    }

    pub(crate) fn backward(self, flow: Flow<'_>, input_slopes: &mut Signal, pass: &Pass) {
        self.thin(flow.slopes, input_slopes, pass);
    }

    fn thin(self, from: &Signal, to: &mut Signal, pass: &Pass) {
        copy_list(from, to);
        if !pass.training {
            to.values.extend_from_slice(&from.values);
            return;
        }
        let (limit, scale) = (dropped_below(self.rate), 1.0 / (1.0 - self.rate));
        let key = hash(self.number, pass.key);
        let first = pass.first * from.size;
        let kept = |(place, value): (usize, &f32)| {
            if hash((first + place) as u32, key) < limit { 0.0 } else { value * scale }
        };
        to.values.extend(from.values.iter().enumerate().map(kept));
    }
}

/// Zeros around every map.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pad {
    input: MapShape,
    margin: usize,
}

impl Pad {
    pub(crate) fn new(input: MapShape, margin: usize) -> Self {
        Self { input, margin }
    }

    pub(crate) fn output_shape(&self) -> MapShape {
        let MapShape { height, width, channels } = self.input;
        MapShape { height: height + 2 * self.margin, width: width + 2 * self.margin, channels }
    }

    /// The place that `place` of the input has in the output.
    fn moved(&self, place: usize) -> usize {
        let row = self.input.width * self.input.channels;
        let pitch = self.output_shape().width * self.input.channels;
        (place / row + self.margin) * pitch + self.margin * self.input.channels + place % row
    }

    pub(crate) fn forward(&self, input: &Signal, output: &mut Signal) {
        let (size, row) = (self.output_shape().size(), self.input.width * self.input.channels);
        let list = |to: &mut Signal| {
            let (values, active) = to.clear_listed(input.len(), size);
            for (sample, out) in values.chunks_exact_mut(size).enumerate() {
                for (y, values) in input.sample(sample).chunks_exact(row).enumerate() {
                    out[self.moved(y * row)..][..row].copy_from_slice(values);
                }
                let places = input.active_of(sample).unwrap_or_default();
                active.push(places.iter().map(|&place| self.moved(place as usize) as u32));
            }
        };
        list(output);
        if input.active.is_none() {
            // Rows of the input are all over: nothing is known to be zero but the margin.
            output.active = None;
        }
    }

    pub(crate) fn backward(&self, flow: Flow<'_>, input_slopes: &mut Signal) {
        let (size, row) = (self.input.size(), self.input.width * self.input.channels);
        input_slopes.resize(flow.slopes.len(), size);
        for sample in 0..flow.slopes.len() {
            let slopes = flow.slopes.sample(sample);
            for (y, to) in input_slopes.sample_mut(sample).chunks_exact_mut(row).enumerate() {
                to.copy_from_slice(&slopes[self.moved(y * row)..][..row]);
            }
        }
        if let Some(active) = &flow.input.active {
            input_slopes.active.get_or_insert_default().copy_from(active);
        }
    }
}
