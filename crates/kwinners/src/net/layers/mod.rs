//! The layers of a network at work: forward, backward, and what they learn.

mod aligned;
mod batch_norm;
mod conv;
mod conv_slopes;
mod elementwise;
mod k_step;
mod k_winners;
mod linear;
mod penalty;
mod pool;
mod weights;

pub(crate) use batch_norm::BatchNorm;
pub(crate) use conv::Convolve;
pub(crate) use elementwise::{Activation, Dropout, Pad};
pub(crate) use k_step::KStep;
#[cfg(test)]
pub(crate) use k_step::plain_k_step;
pub(crate) use k_winners::{KWinnersLayer, SoftKWinners};
pub(crate) use linear::Linear;
pub(crate) use penalty::Penalty;
pub(crate) use pool::MaxPool;
pub(crate) use weights::{Learned, Move};

use super::{Optimiser, Signal};
use crate::error::{Error, Result};
use crate::kernel::SelectScratch;
use crate::kernel::maps::{RowPair, Windows};
use crate::kernel::vectors::Weighted;

/// What a pass through a network is for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pass {
    /// Learning: the winners of learning, batch statistics, dropout.
    pub(crate) training: bool,
    /// A number that differs from step to step, from which all that is random in a step comes.
    pub(crate) key: u32,
    /// Number of the block's first sample in its batch.
    pub(crate) first: usize,
    /// Samples of the batch.
    pub(crate) samples: usize,
}

impl Pass {
    /// A pass of a trained network.
    pub(crate) const INFERENCE: Self = Self { training: false, key: 0, first: 0, samples: 0 };
}

/// What one layer got and gave for a block of samples, and the slopes of the loss by what it gave.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Flow<'a> {
    pub(crate) input: &'a Signal,
    pub(crate) output: &'a Signal,
    pub(crate) slopes: &'a Signal,
}

/// What a file has to keep of a layer; which array is which, the layer knows.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct LayerState {
    pub(crate) floats: Vec<Vec<f32>>,
    /// Which weights are kept, as [`crate::kernel::maps::SparsePattern`] has it.
    pub(crate) masks: Vec<u16>,
    /// Samples of a duty cycle.
    pub(crate) samples: u64,
}

impl LayerState {
    /// The next array.
    pub(crate) fn take(&mut self) -> Result<Vec<f32>> {
        if self.floats.is_empty() {
            return Err(Error::shape("layer", "an array", "nothing"));
        }
        Ok(self.floats.remove(0))
    }
}

/// Buffers of a block that passes through a network.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    pub(crate) parts: Vec<Weighted>,
    pub(crate) pairs: Vec<RowPair>,
    pub(crate) ends: Vec<u32>,
    pub(crate) values: Vec<f32>,
    pub(crate) steps: Vec<f32>,
    pub(crate) places: Vec<u32>,
    pub(crate) select: SelectScratch,
}

impl Clone for Scratch {
    /// Buffers hold nothing worth a copy.
    fn clone(&self) -> Self {
        Self::default()
    }
}

/// A layer with all that it has learned.
#[derive(Clone, Debug)]
pub(crate) enum Layer {
    Convolve(Convolve),
    Pad(Pad),
    MaxPool(MaxPool),
    BatchNorm(BatchNorm),
    Activation(Activation),
    Dropout(Dropout),
    KWinners(KWinnersLayer),
    KStep(KStep),
    SoftKWinners(SoftKWinners),
    Penalty(Penalty),
    Linear(Linear),
}

impl Layer {
    /// Makes `output` of `input`.
    pub(crate) fn forward(
        &self,
        input: &Signal,
        output: &mut Signal,
        pass: &Pass,
        scratch: &mut Scratch,
    ) {
        match self {
            Self::Convolve(layer) => layer.forward(input, output, scratch),
            Self::Pad(layer) => layer.forward(input, output),
            Self::MaxPool(layer) => layer.forward(input, output, scratch),
            Self::BatchNorm(layer) => layer.forward(input, output, pass),
            Self::Activation(layer) => layer.forward(input, output),
            Self::Dropout(layer) => layer.forward(input, output, pass),
            Self::KWinners(layer) => layer.forward(input, output, pass, scratch),
            Self::KStep(layer) => layer.forward(input, output, pass, scratch),
            Self::SoftKWinners(layer) => layer.forward(input, output, scratch),
            Self::Penalty(layer) => layer.forward(input, output),
            Self::Linear(layer) => layer.forward(input, output, scratch),
        }
    }

    /// Makes the slopes by the layer's input; only where the input is listed, if it is.
    pub(crate) fn backward(
        &self,
        flow: Flow<'_>,
        input_slopes: &mut Signal,
        pass: &Pass,
        scratch: &mut Scratch,
    ) {
        match self {
            Self::Convolve(layer) => layer.backward(flow, input_slopes, scratch),
            Self::Pad(layer) => layer.backward(flow, input_slopes),
            Self::MaxPool(layer) => layer.backward(flow, input_slopes, scratch),
            Self::BatchNorm(layer) => layer.backward(flow, input_slopes, pass),
            Self::Activation(layer) => layer.backward(flow, input_slopes),
            Self::Dropout(layer) => layer.backward(flow, input_slopes, pass),
            Self::KWinners(layer) => layer.backward(flow, input_slopes),
            Self::KStep(layer) => layer.backward(flow, input_slopes, pass, scratch),
            Self::SoftKWinners(layer) => layer.backward(flow, input_slopes, scratch),
            Self::Penalty(layer) => layer.backward(flow, input_slopes, pass),
            Self::Linear(layer) => layer.backward(flow, input_slopes, scratch),
        }
    }

    /// Adds up the gradient of a whole batch, block after block.
    pub(crate) fn gather(&mut self, flows: &[Flow<'_>]) {
        match self {
            Self::Convolve(layer) => layer.gather(flows),
            Self::Linear(layer) => layer.gather(flows),
            Self::BatchNorm(layer) => layer.gather(flows),
            Self::KStep(layer) => layer.gather(flows),
            _ => {}
        }
    }

    /// Takes note of what a batch was like: duty cycles, running means. Of the flows only input and
    /// output count.
    pub(crate) fn observe(&mut self, flows: &[Flow<'_>]) {
        match self {
            Self::KWinners(layer) => layer.observe(flows),
            Self::KStep(layer) => layer.observe(flows),
            Self::BatchNorm(layer) => layer.observe(),
            _ => {}
        }
    }

    /// What the optimiser moves.
    pub(crate) fn learned(&mut self) -> Vec<&mut Learned> {
        match self {
            Self::Convolve(layer) => vec![&mut layer.weights, &mut layer.bias],
            Self::Linear(layer) => vec![&mut layer.weights, &mut layer.bias],
            Self::BatchNorm(layer) => layer.learned(),
            Self::KStep(layer) => layer.learned.iter_mut().collect(),
            _ => Vec::new(),
        }
    }

    /// What the layer weighs its inputs by.
    pub(crate) fn weights(&mut self) -> Option<&mut Learned> {
        match self {
            Self::Convolve(layer) => Some(&mut layer.weights),
            Self::Linear(layer) => Some(&mut layer.weights),
            _ => None,
        }
    }

    /// The dimensions of [`Layer::weights`], and how many of these may differ from zero.
    pub(crate) fn weight_counts(&self) -> Option<(Vec<usize>, usize)> {
        match self {
            Self::Convolve(layer) => {
                let Windows { kernel, channels, outputs, .. } = layer.windows;
                Some((vec![kernel, kernel, channels, outputs], layer.weights.kept_count()))
            }
            Self::Linear(layer) => {
                Some((vec![layer.inputs, layer.units], layer.weights.kept_count()))
            }
            _ => None,
        }
    }

    /// What a file has to keep of the layer.
    pub(crate) fn save(&self) -> LayerState {
        let mut state = LayerState::default();
        match self {
            Self::Convolve(layer) => {
                state.masks = layer.weights.masks(layer.taps());
                state.floats = [layer.weights.save(), layer.bias.save()].concat();
            }
            Self::Linear(layer) => {
                state.masks = match &layer.pattern {
                    Some(pattern) => pattern.masks().to_vec(),
                    None => layer.weights.masks(layer.units),
                };
                state.floats = [layer.weights.save(), layer.bias.save()].concat();
            }
            Self::BatchNorm(layer) => state.floats = layer.save(),
            Self::KStep(layer) => return layer.save(),
            Self::KWinners(layer) => {
                state.samples = layer.duty.samples();
                state.floats = vec![layer.duty.values().to_vec()];
            }
            _ => {}
        }
        state
    }

    /// Makes the layer what it was when it was saved; a layer that was made empty, or any other of the same
    /// description.
    pub(crate) fn restore(&mut self, mut state: LayerState, optimiser: &Optimiser) -> Result<()> {
        match self {
            Self::Convolve(layer) => layer.restore(&mut state, optimiser)?,
            Self::Linear(layer) => layer.restore(&mut state, optimiser)?,
            Self::BatchNorm(layer) => layer.restore(&mut state, optimiser)?,
            Self::KWinners(layer) => layer.restore(state.take()?, state.samples)?,
            Self::KStep(layer) => layer.restore(&mut state, optimiser)?,
            _ => {}
        }
        match state.floats.len() + state.masks.len() {
            0 => Ok(()),
            left => Err(Error::shape("layer", "nothing more of it", format!("{left} arrays more"))),
        }
    }
}
