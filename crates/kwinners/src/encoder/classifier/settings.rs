//! Settings of the classifier.

use super::super::networks::{InputNoise, Moves, NetworkOptimiser, NetworkSchedule, Pace};
use super::super::scaling::InputScaling;
use super::super::settings::{
    check_below_1, check_counts, check_from_0, check_positive, choice, settings,
};
use super::front::ClassifierFront;
use super::presets::ClassifierPreset;
use super::sparse::{LayerDensity, PruneSchedule, Regrow};
use crate::error::{Error, Result};
use crate::net::{FirstValues, Loss, NetworkSpec, Optimiser, Target};

choice! {
    /// What a classifier's scores are to be.
    ClassifierLoss {
        /// The logarithms of the classes' shares: `-ln softmax(scores)[label]`.
        Softmax = "softmax",
        /// 1 for the label and 0 for all others: squared errors.
        Mse = "mse",
        /// The same through a sigmoid: cross-entropy of each class.
        Bce = "bce",
    }
}

settings! {
    /// Settings of a [`Classifier`](super::Classifier). Choosing a preset sets all the others.
    ClassifierSettings recipes preset {
        /// A published network with its way of learning; what is set besides overrides it.
        preset: ClassifierPreset = ClassifierPreset::Mlp,
        /// The network, layer by layer, but for the last: a linear one to the classes.
        layers: NetworkSpec = super::presets::layers("linear 1000 density=0.3, k-winners 100"),
        /// Active units of a code where no layer has k-winners; 0 takes those of the last such layer at inference.
        winners: usize = 0,
        /// Passes over the training data; 0 means as many as show 600,000 samples, and at least 10.
        epochs: usize = 0,
        /// Samples a step.
        batch: usize = 64,
        /// Samples a step of the first epoch; 0 for as many as later.
        first_batch: usize = 0,
        /// How far the weights move a step.
        learning_rate: f32 = 0.001,
        /// How the rate goes on: constant, epoch, step, cosine or plateau.
        schedule: NetworkSchedule = NetworkSchedule::Cosine,
        /// What the rate is multiplied by, epoch after epoch or where the schedule says.
        rate_factor: f32 = 0.8,
        /// Steps between two cuts of the rate (`step`), or epochs without progress (`plateau`).
        rate_every: usize = 5,
        /// How the weights follow their gradient: sgd, nesterov, adam or amsgrad.
        optimiser: NetworkOptimiser = NetworkOptimiser::Adam,
        /// Share of the last step that is taken again by sgd and nesterov.
        momentum: f32 = 0.0,
        /// Pull of every weight and bias towards 0, added to its slope.
        weight_decay: f32 = 0.0,
        /// What the scores are to be: softmax, mse or bce.
        loss: ClassifierLoss = ClassifierLoss::Softmax,
        /// Share of the target that all classes get alike, for softmax.
        smooth: f32 = 0.0,
        /// Boost strength of the k-winners layers; the paper's is 1.5, falling, which leaves many units unused.
        boost: f32 = 15.0,
        /// What the boost strength is multiplied by after every epoch.
        boost_decay: f32 = 1.0,
        /// Samples that duty cycles reach back.
        duty_period: u64 = 1000,
        /// First weights: kaiming, rescaled, he, xavier or uniform.
        first_weights: FirstValues = FirstValues::Kaiming,
        /// What is made of rows first: none, or log-mel, images of clips of 16,000 samples.
        front: ClassifierFront = ClassifierFront::None,
        /// Whether clips are augmented while learning; with front=log-mel only.
        augment: bool = false,
        /// Whether epochs draw every class equally often, instead of every sample once.
        balanced: bool = false,
        /// What is done to inputs: raw, normalised, centred or standardised.
        input: InputScaling = InputScaling::Normalised,
        /// Noise on inputs while learning: none, random-value, random-values, gaussian or waveform.
        noise: InputNoise = InputNoise::None,
        /// Most of that noise: a share of the values, or of their range.
        noise_level: f32 = 0.5,
        /// Pixels by which images are shifted at random while learning, at most, each way.
        shift: usize = 0,
        /// Whether every other image is mirrored, left to right, while learning.
        mirror: bool = false,
        /// Share of all weights of the network that is not held at zero, at places that may move; 0 means all, or
        /// 0.05 where `regrow` says how.
        weight_density: f32 = 0.0,
        /// How many of these each layer has at first: uniform or erdos-renyi.
        layer_density: LayerDensity = LayerDensity::Uniform,
        /// How places move: none, momentum, set or rigl.
        regrow: Regrow = Regrow::None,
        /// Steps from one change of places to the next; 0 for the end of every epoch.
        regrow_every: usize = 0,
        /// Share of the fit after which places stay.
        regrow_until: f32 = 1.0,
        /// Share of the weights that are dropped, and grow elsewhere, the first time.
        prune_rate: f32 = 0.5,
        /// The same at the end.
        last_prune_rate: f32 = 0.005,
        /// How the share goes on: constant, linear or cosine.
        prune_schedule: PruneSchedule = PruneSchedule::Cosine,
        /// Seed of the first weights, of all noise and of the order of the samples.
        seed: u64 = 0,
    }
}

impl ClassifierSettings {
    pub(super) fn target(&self) -> Target {
        match self.loss {
            ClassifierLoss::Softmax => Target::Softmax { smooth: self.smooth },
            ClassifierLoss::Mse => Target::OneHot(Loss::MeanSquared),
            ClassifierLoss::Bce => Target::OneHot(Loss::CrossEntropy),
        }
    }

    pub(super) fn optimiser(&self) -> Optimiser {
        self.optimiser.rule(self.momentum)
    }

    pub(super) fn moves(&self) -> Moves {
        Moves { shift: self.shift, mirror: self.mirror }
    }

    pub(super) fn pace(&self) -> Pace {
        let Self { learning_rate, schedule, rate_factor, rate_every, epochs, .. } = *self;
        Pace { first: learning_rate, schedule, factor: rate_factor, every: rate_every, epochs }
    }

    /// Refuses values out of range.
    pub(super) fn check(&self) -> Result<()> {
        check_positive(&[
            ("learning_rate", self.learning_rate),
            ("rate_factor", self.rate_factor),
            ("boost_decay", self.boost_decay),
            ("noise_level", self.noise_level),
        ])?;
        check_from_0(&[("weight_decay", self.weight_decay), ("boost", self.boost)])?;
        check_below_1(&[("momentum", self.momentum), ("smooth", self.smooth)])?;
        check_counts(&[("batch", self.batch), ("rate_every", self.rate_every)])?;
        match self.noise_level <= 1.0 {
            true => self.check_sparse(),
            false => Err(Error::setting("noise_level", "at most 1", self.noise_level)),
        }
    }
}
