//! A pull of values towards zero.

use super::elementwise::copy_list;
use super::{Flow, Pass};
use crate::net::Signal;

/// Lets values `z` pass, and adds `λ · mean ‖z‖_p / n` to the loss, the mean over the samples of a batch.
///
/// Source: the latent penalty of pytorch-mighty. There `z` is detached unless asked otherwise, so that the term moves
/// nothing; here it always moves. Its learned `λ` falls to 0, as the loss falls with it, and is left out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Penalty {
    pub(crate) weight: f32,
    /// `p`, at least 1.
    pub(crate) power: f32,
}

impl Penalty {
    pub(crate) fn forward(self, input: &Signal, output: &mut Signal) {
        copy_list(input, output);
        output.values.extend_from_slice(&input.values);
    }

    /// Adds `λ / (b n) · sign(z) (|z| / ‖z‖_p)^(p - 1)` to the slopes, for a batch of `b`.
    pub(crate) fn backward(self, flow: Flow<'_>, input_slopes: &mut Signal, pass: &Pass) {
        input_slopes.resize(flow.slopes.len(), flow.slopes.size);
        input_slopes.values.copy_from_slice(&flow.slopes.values);
        if !pass.training {
            return;
        }
        let factor = self.weight / (pass.samples * flow.slopes.size) as f32;
        for sample in 0..flow.slopes.len() {
            let values = flow.output.sample(sample);
            let norm = self.norm(values) as f32;
            let pairs = input_slopes.sample_mut(sample).iter_mut().zip(values);
            for (slope, value) in pairs.filter(|(_, value)| **value != 0.0) {
                let share = match self.power {
                    1.0 => 1.0,
                    power => (value.abs() / norm).powf(power - 1.0),
                };
                *slope += factor * value.signum() * share;
            }
        }
    }

    /// `λ ‖z‖_p / n`, summed over the samples.
    pub(crate) fn loss(self, values: &Signal) -> f64 {
        let samples = (0..values.len()).map(|sample| self.norm(values.sample(sample)));
        f64::from(self.weight) * samples.sum::<f64>() / values.size as f64
    }

    fn norm(self, values: &[f32]) -> f64 {
        let (power, sizes) = (f64::from(self.power), values.iter().map(|z| f64::from(z.abs())));
        match self.power {
            1.0 => sizes.sum(),
            _ => sizes.map(|size| size.powf(power)).sum::<f64>().powf(1.0 / power),
        }
    }
}
