//! First weights of a layer.

use crate::rng::Rng;

/// How first weights are drawn, from the inputs `i` and the units `u` that they join.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FirstValues {
    /// Uniform in `±1/√i`, biases too: what PyTorch's layers begin with (Kaiming with `a = √5`).
    Kaiming,
    /// The same with `i` times the density, rounded down, where weights are sparse.
    Rescaled,
    /// Uniform in `±√(6/i)`, biases 0. Source: He et al., "Delving deep into rectifiers", 2015.
    He,
    /// Uniform in `±√(6/(i + u))`, biases 0. Source: Glorot and Bengio, "Understanding the difficulty of
    /// training deep feedforward neural networks", 2010.
    Xavier,
    /// Uniform in `±0.05`, biases 0.
    Uniform,
}

impl FirstValues {
    /// `count` weights of units with `inputs` each, of which the share `density` will be kept.
    pub(crate) fn weights(
        self,
        (inputs, units): (usize, usize),
        count: usize,
        density: f32,
        rng: &mut Rng,
    ) -> Vec<f32> {
        let bound = match self {
            Self::Kaiming | Self::Rescaled => 1.0 / self.seen(inputs, density).sqrt(),
            Self::He => (6.0 / inputs as f32).sqrt(),
            Self::Xavier => (6.0 / (inputs + units) as f32).sqrt(),
            Self::Uniform => 0.05,
        };
        (0..count).map(|_| rng.between(-bound, bound)).collect()
    }

    /// The biases of `units` units.
    pub(crate) fn bias(self, inputs: usize, units: usize, density: f32, rng: &mut Rng) -> Vec<f32> {
        let bound = match self {
            Self::Kaiming | Self::Rescaled => 1.0 / self.seen(inputs, density).sqrt(),
            _ => return vec![0.0; units],
        };
        (0..units).map(|_| rng.between(-bound, bound)).collect()
    }

    /// Inputs that count.
    fn seen(self, inputs: usize, density: f32) -> f32 {
        match self {
            Self::Rescaled => (inputs as f32 * density).floor().max(1.0),
            _ => inputs as f32,
        }
    }
}
