//! Optimisers: how learned values follow their gradient.

use rayon::prelude::*;

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

/// Learned values, and what their optimiser remembers of past gradients.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Parameter {
    pub(crate) values: Vec<f32>,
    /// Velocity, or mean gradient.
    pub(crate) first: Vec<f32>,
    /// Mean squared gradient; empty unless the optimiser is Adam.
    pub(crate) second: Vec<f32>,
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
        let values = self.values.par_chunks_mut(VALUES_A_TASK);
        let first = self.first.par_chunks_mut(VALUES_A_TASK);
        let tasks = values.zip(first).zip(gradient.par_chunks(VALUES_A_TASK));
        match *optimiser {
            Optimiser::Sgd { momentum } => tasks.for_each(|((values, velocity), gradient)| {
                for ((value, velocity), slope) in values.iter_mut().zip(velocity).zip(gradient) {
                    *velocity = momentum * *velocity + slope;
                    *value -= rate * *velocity;
                }
            }),
            Optimiser::Adam { beta1, beta2, epsilon } => {
                let power = i32::try_from(step).unwrap_or(i32::MAX);
                let rate = rate / (1.0 - beta1.powi(power));
                let correction = (1.0 - beta2.powi(power)).sqrt().recip();
                let second = self.second.par_chunks_mut(VALUES_A_TASK);
                tasks.zip(second).for_each(|(((values, mean), gradient), square)| {
                    let moments = mean.iter_mut().zip(square.iter_mut());
                    for ((value, slope), (mean, square)) in
                        values.iter_mut().zip(gradient).zip(moments)
                    {
                        *mean = beta1 * *mean + (1.0 - beta1) * slope;
                        *square = beta2 * *square + (1.0 - beta2) * slope * slope;
                        *value -= rate * *mean / (square.sqrt() * correction + epsilon);
                    }
                });
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
