//! What an autoencoder can be set to, and the published systems as recipes of it.

use super::super::settings::{
    check_below_1, check_counts, check_from_0, check_positive, choice, settings,
};
use super::super::{Boosting, InputScaling};
use crate::error::{Error, Result};
use crate::kwta::KWinners;
use crate::net::{Loss, Optimiser, Rate};

choice! {
    /// Which units of an [`super::Autoencoder`] pass their activation on while it learns; choosing one
    /// gives all settings the values of the published system.
    LatentSelection {
        /// The `k` largest of each sample, linear, tied, `k` coming down from a larger number over the
        /// first half. Source: Makhzani and Frey, "k-sparse autoencoders", 2014.
        KSparse = "k-sparse",
        /// The largest activations of each unit over the mini-batch, so that every unit is used:
        /// lifetime sparsity. Source: Makhzani and Frey, "Winner-take-all autoencoders", 2015.
        Wta = "wta",
        /// All units, pressed to a mean activation of `k/n` a sample and a unit by two losses.
        /// Source: J. Bruce, "Universal sparse encoder", 2017.
        Universal = "universal",
        /// The `k` largest of each sample, if positive. Source: Gao et al., "Scaling and evaluating
        /// sparse autoencoders", 2024.
        TopK = "topk",
        /// The `k · B` largest of a batch of `B`, if positive. Source: Bussmann et al., "BatchTopK
        /// sparse autoencoders", 2024.
        BatchTopK = "batch-topk",
        /// As `topk`, but every prefix of the units, each half of the next, must reconstruct by
        /// itself. Source: Bussmann et al., "Learning multi-level features with Matryoshka sparse
        /// autoencoders", 2025.
        Matryoshka = "matryoshka",
        /// The `k` largest of each sample pass on the same every time, the mean activation of their
        /// unit, and the slope by that goes straight through to their score: what is learned from is
        /// what the code itself can give back.
        Binary = "binary",
    }
}

choice! {
    /// What a score becomes in a unit.
    Activation {
        /// Itself.
        Linear = "linear",
        /// Itself, or 0 if it is negative.
        Relu = "relu",
        /// `1 / (1 + e^-score)`.
        Sigmoid = "sigmoid",
    }
}

choice! {
    /// What a reconstruction is measured by.
    LossKind {
        /// The mean of the squared errors of a sample.
        Mse = "mse",
        /// Their sum.
        Sse = "sse",
        /// The sum of the binary cross-entropies, for inputs from 0 to 1; outputs are sigmoid.
        Bce = "bce",
    }
}

choice! {
    /// How weights follow their gradient.
    OptimiserKind {
        /// Gradient descent with momentum.
        Sgd = "sgd",
        /// Adam with 0.9, 0.999 and 1e-8.
        Adam = "adam",
    }
}

choice! {
    /// How the learning rate goes on over the fit.
    RateKind {
        /// The same all the time.
        Constant = "constant",
        /// Halved every `halve_every` steps.
        Step = "step",
        /// Down to 0 on a cosine.
        Cosine = "cosine",
        /// Down to 0 on a line.
        Linear = "linear",
    }
}

choice! {
    /// Where the weights start.
    FirstWeights {
        /// Uniform in `±sqrt(6 / (inputs + units))`.
        Glorot = "glorot",
        /// Normal with a deviation of 0.01.
        Small = "small",
        /// Random directions of length 1, the same for encoder and decoder.
        Directions = "directions",
    }
}

settings! {
    /// Settings of an [`super::Autoencoder`].
    AutoencoderSettings recipes selection {
        /// Which units pass on while learning: k-sparse, wta, universal, topk, batch-topk, matryoshka or
        /// binary; sets all others to the published system's.
        selection: LatentSelection = LatentSelection::TopK,
        /// Units of a code, `n`.
        units: usize = 4096,
        /// Active units of every code, `k`.
        winners: usize = 32,
        /// Passes over the training data; 0 means as many as `steps` take, or else as show
        /// 1,000,000 samples, and at least 5.
        epochs: usize = 0,
        /// Samples a step.
        batch: usize = 256,
        /// Steps after which the fit ends, even within an epoch; 0 for no such end.
        steps: u64 = 0,
        /// Seed of the first weights, the order of the samples and the noise.
        seed: u64 = 0,
        /// What a score becomes in a unit: linear, relu or sigmoid.
        activation: Activation = Activation::Relu,
        /// Whether the decoder is the transpose of the encoder.
        tied: bool = false,
        /// Where the weights start: glorot, small or directions.
        first_weights: FirstWeights = FirstWeights::Directions,
        /// What is done to inputs: raw, centred or standardised.
        input: InputScaling = InputScaling::Raw,
        /// Whether the encoder sees `x - b_dec`, which starts as the mean of the inputs.
        subtract_bias: bool = true,
        /// Whether the rows of the decoder keep length 1.
        unit_decoder: bool = true,
        /// What a reconstruction is measured by: mse (mean over values), sse (sum) or bce.
        loss: LossKind = LossKind::Sse,
        /// How weights follow their gradient: sgd or adam.
        optimiser: OptimiserKind = OptimiserKind::Adam,
        /// First learning rate.
        learning_rate: f32 = 0.001,
        /// Momentum of sgd.
        momentum: f32 = 0.9,
        /// How the learning rate goes on: constant, step, cosine or linear.
        schedule: RateKind = RateKind::Linear,
        /// Steps after which the schedule `step` halves the rate.
        halve_every: u64 = 1000,
        /// Steps over which the rate rises to its first value.
        warmup: u64 = 0,
        /// Winners with which the fit begins; they come down to `winners` over its first half. 0 for
        /// `winners` from the start.
        anneal_from: usize = 0,
        /// How many times `winners` real-valued latents keep after training.
        alpha: f32 = 1.0,
        /// What keeps units in use where `k` winners are picked: balance, additive, multiplicative or
        /// none.
        boosting: Boosting = Boosting::None,
        /// Strength of additive or multiplicative boosting.
        boost_strength: f32 = 1.0,
        /// Whether boosting from the duty cycle also ranks when encoding after training.
        boost_when_encoding: bool = false,
        /// Samples that the duty cycle reaches back.
        duty_period: u64 = 1000,
        /// Rate of the balance, in standard deviations of a sample's scores, a sample.
        balance_rate: f32 = 0.001,
        /// Deviation of normal noise on inputs, cut at two deviations.
        noise: f32 = 0.0,
        /// Share of inputs set to 0, the others growing to make up for it.
        input_dropout: f32 = 0.0,
        /// Side of a square of each image that is set to 0, in pixels.
        occlusion: usize = 0,
        /// Share of the units' activations set to 0, the others growing to make up for it.
        hidden_dropout: f32 = 0.0,
        /// Factor of `½ (‖W_enc‖² + ‖b_enc‖²)` in the loss.
        weight_decay: f32 = 0.0,
        /// Factor of the squared slopes of the latents by the inputs in the loss.
        contractive: f32 = 0.0,
        /// Factor of `(mean activation of a sample - k/n)²` in the loss of universal.
        sample_sparsity: f32 = 0.0,
        /// Factor of `(mean activation of a unit - k/n)²` in the loss of universal.
        unit_sparsity: f32 = 0.0,
        /// Units that have not won lately and reconstruct what the winners left over; 0 for none.
        aux_winners: usize = 192,
        /// Factor of what they leave over in the loss.
        aux_weight: f32 = 0.03125,
        /// Samples without a win after which a unit counts as dead.
        dead_after: u64 = 10_000,
        /// Prefixes of matryoshka, all units among them.
        prefixes: usize = 5,
    }
}

impl AutoencoderSettings {
    /// The published system of a selection.
    fn recipe(selection: LatentSelection) -> Self {
        let topk = Self { selection, ..Self::default() };
        match selection {
            LatentSelection::TopK | LatentSelection::BatchTopK | LatentSelection::Matryoshka => {
                topk
            }
            LatentSelection::KSparse => Self::k_sparse(),
            LatentSelection::Wta => Self::wta(),
            LatentSelection::Universal => Self::universal(),
            LatentSelection::Binary => Self::binary(),
        }
    }

    /// What the oldest systems have in common: tied small weights, plain inputs.
    fn classic(selection: LatentSelection) -> Self {
        Self {
            selection,
            batch: 100,
            tied: true,
            first_weights: FirstWeights::Small,
            subtract_bias: false,
            unit_decoder: false,
            aux_winners: 0,
            ..Self::default()
        }
    }

    fn k_sparse() -> Self {
        Self {
            units: 1000,
            winners: 25,
            activation: Activation::Linear,
            anneal_from: 100,
            alpha: 3.0,
            ..Self::classic(LatentSelection::KSparse)
        }
    }

    fn wta() -> Self {
        Self {
            units: 2000,
            winners: 100,
            epochs: 25,
            learning_rate: 0.001,
            ..Self::classic(LatentSelection::Wta)
        }
    }

    fn universal() -> Self {
        Self {
            units: 500,
            winners: 25,
            steps: 10_000,
            tied: false,
            activation: Activation::Sigmoid,
            first_weights: FirstWeights::Glorot,
            loss: LossKind::Mse,
            learning_rate: 0.005,
            schedule: RateKind::Step,
            noise: 0.25,
            input_dropout: 0.2,
            hidden_dropout: 0.5,
            weight_decay: 1e-5,
            sample_sparsity: 100.0,
            unit_sparsity: 100.0,
            ..Self::classic(LatentSelection::Universal)
        }
    }

    fn binary() -> Self {
        Self {
            units: 1000,
            winners: 30,
            activation: Activation::Linear,
            anneal_from: 300,
            boosting: Boosting::Balance,
            balance_rate: 0.003,
            ..Self::classic(LatentSelection::Binary)
        }
    }

    pub(super) fn loss(&self) -> Loss {
        match self.loss {
            LossKind::Mse => Loss::MeanSquared,
            LossKind::Sse => Loss::SumSquared,
            LossKind::Bce => Loss::CrossEntropy,
        }
    }

    pub(super) fn optimiser(&self) -> Optimiser {
        match self.optimiser {
            OptimiserKind::Sgd => Optimiser::Sgd { momentum: self.momentum },
            OptimiserKind::Adam => Optimiser::ADAM,
        }
    }

    pub(super) fn rate(&self) -> Rate {
        match self.schedule {
            RateKind::Constant => Rate::Constant,
            RateKind::Step => Rate::Halved { every: self.halve_every },
            RateKind::Cosine => Rate::Cosine,
            RateKind::Linear => Rate::Linear,
        }
    }

    /// Wanted mean activation, `k/n`.
    pub(super) fn density(&self) -> f32 {
        self.winners as f32 / self.units as f32
    }

    /// Latents that are kept after training, `(α k)`.
    pub(super) fn latent_winners(&self) -> usize {
        ((self.alpha * self.winners as f32).round() as usize).clamp(1, self.units)
    }

    /// Winners at step `step`, which counts from 1, of `steps`: on a line from `anneal_from` to
    /// `winners` over the first half.
    pub(super) fn winners_at(&self, step: u64, steps: u64) -> usize {
        let more = self.anneal_from.clamp(self.winners, self.units) - self.winners;
        let half = (steps / 2).max(1);
        let left = half.saturating_sub(step.saturating_sub(1));
        self.winners + (more as u64 * left / half) as usize
    }

    /// Refuses values out of range.
    pub(super) fn check(&self) -> Result<()> {
        KWinners::new(self.units, self.winners)?;
        self.check_numbers()?;
        self.check_combinations()
    }

    fn check_numbers(&self) -> Result<()> {
        check_positive(&[("learning_rate", self.learning_rate), ("alpha", self.alpha)])?;
        check_from_0(&[
            ("noise", self.noise),
            ("weight_decay", self.weight_decay),
            ("contractive", self.contractive),
            ("sample_sparsity", self.sample_sparsity),
            ("unit_sparsity", self.unit_sparsity),
            ("aux_weight", self.aux_weight),
            ("balance_rate", self.balance_rate),
        ])?;
        check_below_1(&[
            ("input_dropout", self.input_dropout),
            ("hidden_dropout", self.hidden_dropout),
            ("momentum", self.momentum),
        ])?;
        check_counts(&[("batch", self.batch)])?;
        match self.prefixes {
            1..=16 => Ok(()),
            _ => Err(Error::setting("prefixes", "1 to 16", self.prefixes)),
        }
    }

    /// Refuses settings that don't go together.
    fn check_combinations(&self) -> Result<()> {
        let picks_k = !matches!(
            self.selection,
            LatentSelection::Wta | LatentSelection::Universal | LatentSelection::BatchTopK
        );
        if self.boosting != Boosting::None && !picks_k {
            let expected = "none, as this selection does not pick k winners of each sample";
            return Err(Error::setting("boosting", expected, "boosting"));
        }
        if self.aux_winners > 0 && self.loss == LossKind::Bce {
            return Err(Error::setting("aux_winners", "0 with the loss bce", self.aux_winners));
        }
        if self.aux_winners > 0 && self.selection == LatentSelection::Universal {
            return Err(Error::setting("aux_winners", "0 for universal", self.aux_winners));
        }
        let sparsity = self.sample_sparsity + self.unit_sparsity;
        if sparsity > 0.0 && self.selection != LatentSelection::Universal {
            let expected = "0, as this selection needs no pressing";
            return Err(Error::setting("sample_sparsity and unit_sparsity", expected, sparsity));
        }
        Ok(())
    }
}
