//! Optimisers: how learned values follow their gradient.

use std::ops::Range;

use rayon::prelude::*;

use crate::kernel::{
    self,
    vectors::{AdamStep, Moved},
};

/// Values that one task moves; fixed, and all arithmetic is value by value, so that results don't
/// depend on threads.
const VALUES_A_TASK: usize = 1 << 14;

/// A rule by which values `w` follow their gradient `g` at `rate`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Optimiser {
    /// `v = momentum · v + g; w -= rate · v`.
    Sgd {
        /// Share of the last step that is taken again; 0 for plain descent.
        momentum: f32,
    },
    /// Nesterov's momentum: `v = momentum · v + g; w -= rate · (g + momentum · v)`. Source: Sutskever et
    /// al., "On the importance of initialization and momentum in deep learning", 2013, as PyTorch has it.
    Nesterov {
        /// Share of the last step that is taken again.
        momentum: f32,
    },
    /// [`Optimiser::Adam`] dividing by the largest mean square so far. Source: Reddi, Kale and Kumar, "On
    /// the convergence of Adam and beyond", 2018, algorithm 2, with bias correction.
    AmsGrad {
        /// Decay of the mean of the gradient.
        beta1: f32,
        /// Decay of the mean of its square.
        beta2: f32,
        /// What the root of the largest mean square is kept away from 0 by.
        epsilon: f32,
    },
    /// Adam with bias correction: Kingma and Ba, "Adam: a method for stochastic optimization", 2015,
    /// algorithm 1.
    Adam {
        /// Decay of the mean of the gradient.
        beta1: f32,
        /// Decay of the mean of its square.
        beta2: f32,
        /// What the root of the mean square is kept away from 0 by.
        epsilon: f32,
    },
}

impl Optimiser {
    /// Adam as its paper has it: 0.9, 0.999, 1e-8.
    pub const ADAM: Self = Self::Adam { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 };
}

/// An optimiser at one step: its rate there, bias correction worked in.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Stride {
    Sgd { momentum: f32, rate: f32 },
    Nesterov { momentum: f32, rate: f32 },
    Adam(AdamStep),
    AmsGrad(AdamStep),
}

impl Optimiser {
    /// The optimiser at `step`, which counts from 1.
    pub(crate) fn at(&self, rate: f32, step: u64) -> Stride {
        match *self {
            Self::Sgd { momentum } => Stride::Sgd { momentum, rate },
            Self::Nesterov { momentum } => Stride::Nesterov { momentum, rate },
            Self::Adam { beta1, beta2, epsilon } => {
                Stride::Adam(adam_step((beta1, beta2, epsilon), rate, step))
            }
            Self::AmsGrad { beta1, beta2, epsilon } => {
                Stride::AmsGrad(adam_step((beta1, beta2, epsilon), rate, step))
            }
        }
    }

    /// Whether mean squares are kept, and the largest of them.
    pub(crate) fn keeps(&self) -> (bool, bool) {
        match self {
            Self::Sgd { .. } | Self::Nesterov { .. } => (false, false),
            Self::Adam { .. } => (true, false),
            Self::AmsGrad { .. } => (true, true),
        }
    }
}

fn adam_step((beta1, beta2, epsilon): (f32, f32, f32), rate: f32, step: u64) -> AdamStep {
    let power = i32::try_from(step).unwrap_or(i32::MAX);
    let rate = rate / (1.0 - beta1.powi(power));
    let correction = (1.0 - beta2.powi(power)).sqrt().recip();
    AdamStep { beta1, beta2, rate, correction, epsilon }
}

/// Learned values, and what their optimiser remembers of past gradients.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Parameter {
    pub(crate) values: Vec<f32>,
    /// Velocity, or mean gradient.
    pub(crate) first: Vec<f32>,
    /// Mean squared gradient; empty unless the optimiser is Adam or AMSGrad.
    pub(crate) second: Vec<f32>,
    /// Largest mean squared gradient so far; empty unless the optimiser is AMSGrad.
    pub(crate) peak: Vec<f32>,
}

/// A run of a [`Parameter`]'s values, and of what goes with them.
#[derive(Debug)]
pub(crate) struct Piece<'a> {
    pub(crate) values: &'a mut [f32],
    first: &'a mut [f32],
    second: &'a mut [f32],
    peak: &'a mut [f32],
}

impl Parameter {
    /// Values that have not moved yet.
    pub(crate) fn new(values: Vec<f32>, optimiser: &Optimiser) -> Self {
        let first = vec![0.0; values.len()];
        let (squares, peaks) = optimiser.keeps();
        let second = if squares { first.clone() } else { Vec::new() };
        let peak = if peaks { first.clone() } else { Vec::new() };
        Self { values, first, second, peak }
    }

    /// One step along `gradient`, as long as the values; `step` counts from 1.
    pub(crate) fn step(&mut self, optimiser: &Optimiser, rate: f32, step: u64, gradient: &[f32]) {
        assert_eq!(gradient.len(), self.values.len(), "one slope a value");
        let stride = optimiser.at(rate, step);
        let pieces = self.pieces(VALUES_A_TASK);
        let tasks = pieces.into_par_iter().zip(gradient.par_chunks(VALUES_A_TASK));
        tasks.for_each(|(mut piece, gradient)| piece.step(&stride, gradient));
    }

    /// Cuts all values into runs of `length`, the last one perhaps shorter.
    pub(crate) fn pieces(&mut self, length: usize) -> Vec<Piece<'_>> {
        let (mut second, mut peak) = (self.second.chunks_mut(length), self.peak.chunks_mut(length));
        let pairs = self.values.chunks_mut(length).zip(self.first.chunks_mut(length));
        let piece = |(values, first)| {
            let (second, peak) =
                (second.next().unwrap_or_default(), peak.next().unwrap_or_default());
            Piece { values, first, second, peak }
        };
        pairs.map(piece).collect()
    }
}

impl Piece<'_> {
    /// The part of this piece that lies at `range`.
    pub(crate) fn slice(&mut self, range: Range<usize>) -> Piece<'_> {
        let second = if self.second.is_empty() { 0..0 } else { range.clone() };
        let peak = if self.peak.is_empty() { 0..0 } else { range.clone() };
        Piece {
            values: &mut self.values[range.clone()],
            first: &mut self.first[range],
            second: &mut self.second[second],
            peak: &mut self.peak[peak],
        }
    }

    /// One step along `gradient`, as long as the piece.
    pub(crate) fn step(&mut self, stride: &Stride, gradient: &[f32]) {
        match stride {
            Stride::Sgd { momentum: 0.0, rate } => {
                let values = self.values.iter_mut().zip(gradient);
                values.for_each(|(value, slope)| *value -= rate * slope);
            }
            Stride::Nesterov { momentum, rate } => {
                let values = self.values.iter_mut().zip(self.first.iter_mut());
                for ((value, velocity), slope) in values.zip(gradient) {
                    *velocity = momentum * *velocity + slope;
                    *value -= rate * (slope + momentum * *velocity);
                }
            }
            Stride::AmsGrad(step) => self.step_amsgrad(step, gradient),
            Stride::Sgd { momentum, rate } => {
                let values = self.values.iter_mut().zip(self.first.iter_mut());
                for ((value, velocity), slope) in values.zip(gradient) {
                    *velocity = momentum * *velocity + slope;
                    *value -= rate * *velocity;
                }
            }
            Stride::Adam(step) => {
                let Self { values, first, second, .. } = self;
                (kernel::table().adam)(
                    Moved { values, mean: first, square: second },
                    gradient,
                    step,
                );
            }
        }
    }
}

impl Piece<'_> {
    fn step_amsgrad(&mut self, step: &AdamStep, gradient: &[f32]) {
        let values = self.values.iter_mut().zip(gradient);
        let moments = self.first.iter_mut().zip(self.second.iter_mut()).zip(self.peak.iter_mut());
        for ((value, slope), ((mean, square), peak)) in values.zip(moments) {
            *mean = step.beta1 * *mean + (1.0 - step.beta1) * slope;
            *square = step.beta2 * *square + (1.0 - step.beta2) * slope * slope;
            *peak = peak.max(*square);
            *value -= step.rate * *mean / (peak.sqrt() * step.correction + step.epsilon);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All rules find the minimum of `Σ (w - 3)²`, and the first step is what the papers say.
    #[test]
    fn steps_go_downhill() {
        let rules = [
            Optimiser::Sgd { momentum: 0.0 },
            Optimiser::Sgd { momentum: 0.9 },
            Optimiser::Nesterov { momentum: 0.9 },
            Optimiser::ADAM,
            Optimiser::AmsGrad { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 },
        ];
        for optimiser in rules {
            let mut parameter = Parameter::new(vec![0.0, 10.0], &optimiser);
            for step in 1..=4000 {
                let gradient: Vec<f32> =
                    parameter.values.iter().map(|value| 2.0 * (value - 3.0)).collect();
                parameter.step(&optimiser, 0.01, step, &gradient);
                if step == 1 && optimiser == Optimiser::ADAM {
                    assert!((parameter.values[0] - 0.01).abs() < 1e-6, "a first step is the rate");
                }
            }
            assert!(parameter.values.iter().all(|value| (value - 3.0).abs() < 0.01));
        }
    }
}
