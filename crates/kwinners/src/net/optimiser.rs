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
    Adam(AdamStep),
}

impl Optimiser {
    /// The optimiser at `step`, which counts from 1.
    pub(crate) fn at(&self, rate: f32, step: u64) -> Stride {
        match *self {
            Self::Sgd { momentum } => Stride::Sgd { momentum, rate },
            Self::Adam { beta1, beta2, epsilon } => {
                let power = i32::try_from(step).unwrap_or(i32::MAX);
                let rate = rate / (1.0 - beta1.powi(power));
                let correction = (1.0 - beta2.powi(power)).sqrt().recip();
                Stride::Adam(AdamStep { beta1, beta2, rate, correction, epsilon })
            }
        }
    }
}

/// Learned values, and what their optimiser remembers of past gradients.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Parameter {
    pub(crate) values: Vec<f32>,
    /// Velocity, or mean gradient.
    pub(crate) first: Vec<f32>,
    /// Mean squared gradient; empty unless the optimiser is Adam.
    pub(crate) second: Vec<f32>,
}

/// A run of a [`Parameter`]'s values, and of what goes with them.
#[derive(Debug)]
pub(crate) struct Piece<'a> {
    pub(crate) values: &'a mut [f32],
    first: &'a mut [f32],
    second: &'a mut [f32],
}

impl Parameter {
    /// Values that have not moved yet.
    pub(crate) fn new(values: Vec<f32>, optimiser: &Optimiser) -> Self {
        let first = vec![0.0; values.len()];
        let second = match optimiser {
            Optimiser::Sgd { .. } => Vec::new(),
            Optimiser::Adam { .. } => first.clone(),
        };
        Self { values, first, second }
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
        let mut second = self.second.chunks_mut(length);
        let pairs = self.values.chunks_mut(length).zip(self.first.chunks_mut(length));
        let piece = |(values, first)| {
            let second = second.next().unwrap_or_default();
            Piece { values, first, second }
        };
        pairs.map(piece).collect()
    }
}

impl Piece<'_> {
    /// The part of this piece that lies at `range`.
    pub(crate) fn slice(&mut self, range: Range<usize>) -> Piece<'_> {
        let second = if self.second.is_empty() { 0..0 } else { range.clone() };
        Piece {
            values: &mut self.values[range.clone()],
            first: &mut self.first[range],
            second: &mut self.second[second],
        }
    }

    /// One step along `gradient`, as long as the piece.
    pub(crate) fn step(&mut self, stride: &Stride, gradient: &[f32]) {
        match stride {
            Stride::Sgd { momentum, rate } => {
                let values = self.values.iter_mut().zip(self.first.iter_mut());
                for ((value, velocity), slope) in values.zip(gradient) {
                    *velocity = momentum * *velocity + slope;
                    *value -= rate * *velocity;
                }
            }
            Stride::Adam(step) => {
                let Self { values, first, second } = self;
                (kernel::table().adam)(
                    Moved { values, mean: first, square: second },
                    gradient,
                    step,
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Both rules find the minimum of `Σ (w - 3)²`, and the first step is what the papers say.
    #[test]
    fn steps_go_downhill() {
        for optimiser in [Optimiser::Sgd { momentum: 0.9 }, Optimiser::ADAM] {
            let mut parameter = Parameter::new(vec![0.0, 10.0], &optimiser);
            for step in 1..=2000 {
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
