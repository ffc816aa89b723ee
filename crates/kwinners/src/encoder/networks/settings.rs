//! Settings that the kinds that are networks share.

use crate::encoder::settings::{Value, choice};
use crate::error::Error;
use crate::net::{FirstValues, NetworkSpec, Optimiser};

choice! {
    /// How the weights of a network follow their gradient.
    NetworkOptimiser {
        /// Descent, with momentum if it is set.
        Sgd = "sgd",
        /// Nesterov's momentum.
        Nesterov = "nesterov",
        /// Adam with 0.9, 0.999 and 1e-8.
        Adam = "adam",
        /// Adam that divides by the largest mean square so far.
        AmsGrad = "amsgrad",
    }
}

choice! {
    /// How the learning rate of a network goes on.
    NetworkSchedule {
        /// The same all the time.
        Constant = "constant",
        /// Times `rate_factor` after every epoch.
        Epoch = "epoch",
        /// Times `rate_factor` after every `rate_every` steps.
        Step = "step",
        /// Down to 0 on half a cosine.
        Cosine = "cosine",
        /// Times `rate_factor` where the mean loss of `rate_every` epochs running was no better than before.
        Plateau = "plateau",
    }
}

impl NetworkOptimiser {
    /// The rule, with `momentum` where it has one.
    pub(in crate::encoder) fn rule(self, momentum: f32) -> Optimiser {
        let (beta1, beta2, epsilon) = (0.9, 0.999, 1e-8);
        match self {
            Self::Sgd => Optimiser::Sgd { momentum },
            Self::Nesterov => Optimiser::Nesterov { momentum },
            Self::Adam => Optimiser::Adam { beta1, beta2, epsilon },
            Self::AmsGrad => Optimiser::AmsGrad { beta1, beta2, epsilon },
        }
    }
}

choice! {
    /// What is done to inputs while learning, so that noise later does less harm.
    InputNoise {
        /// Nothing.
        None = "none",
        /// A share of an image's values, drawn up to `noise_level`, takes one value, drawn from the range of the
        /// training values for each image, never within a twentieth of the range of what `s2` noise takes.
        RandomValue = "random-value",
        /// As `random-value`, but every value drawn for itself.
        RandomValues = "random-values",
        /// Normal numbers, their deviation drawn up to `noise_level` of the range.
        Gaussian = "gaussian",
        /// For sound: `(1 - a) x + a u`, `a` drawn up to `noise_level` for each clip, `u` uniform in `-1..1` for
        /// each sample.
        Waveform = "waveform",
    }
}

impl Value for NetworkSpec {
    const EXPECTED: &'static str = "layers joined by commas, such as linear 100, k-winners 10";

    fn parse(text: &str) -> Option<Self> {
        text.parse().ok()
    }

    fn print(&self) -> String {
        self.to_string()
    }

    fn explain(text: &str) -> Option<Error> {
        text.parse::<Self>().err()
    }
}

impl Value for FirstValues {
    const EXPECTED: &'static str = "one of kaiming rescaled he xavier uniform";

    fn parse(text: &str) -> Option<Self> {
        Some(match text.trim() {
            "kaiming" => Self::Kaiming,
            "rescaled" => Self::Rescaled,
            "he" => Self::He,
            "xavier" => Self::Xavier,
            "uniform" => Self::Uniform,
            _ => return None,
        })
    }

    fn print(&self) -> String {
        let name = match self {
            Self::Kaiming => "kaiming",
            Self::Rescaled => "rescaled",
            Self::He => "he",
            Self::Xavier => "xavier",
            Self::Uniform => "uniform",
        };
        name.to_owned()
    }
}
