//! Settings of the embedder.

use super::super::networks::{InputNoise, Moves, NetworkOptimiser, NetworkSchedule, Pace};
use super::super::scaling::InputScaling;
use super::super::settings::{
    check_below_1, check_counts, check_from_0, check_positive, choice, settings,
};
use super::presets::EmbedderPreset;
use crate::error::{Error, Result};
use crate::net::{
    FirstValues, KStepSpec, LayerSpec, Loss, Metric, MetricLoss, Miner, NetworkSpec, Optimiser,
    Step, Threshold,
};

/// Most units of a code: what is above is a slip.
const MOST_UNITS: usize = 1 << 20;

choice! {
    /// What an embedder learns from.
    EmbedderLoss {
        /// Triplets: negatives should be farther than positives by a margin.
        Triplet = "triplet",
        /// Random pairs, by cosine.
        Contrastive = "contrastive",
        /// All pairs, or the hardest of them, with a margin for either sort.
        Pair = "pair",
        /// Each sample tells those of its label among all others.
        Contrast = "contrast",
        /// Each sample tells the mean of its label among those of all labels.
        Prototypes = "prototypes",
        /// No pairs: the code should lead back to the input, by squared errors.
        Mse = "mse",
        /// The same by cross-entropy, for inputs from 0 to 1.
        Bce = "bce",
    }
}

choice! {
    /// Which outputs belong together.
    EmbedderPairs {
        /// Those of one label.
        Labels = "labels",
        /// Two noisy views of one input; labels are not looked at.
        Views = "views",
    }
}

choice! {
    /// The distance that triplets and pairs go by.
    EmbedderMetric {
        /// 1 less the cosine.
        Cosine = "cosine",
        /// Sum of absolute differences.
        L1 = "l1",
        /// Euclidean.
        L2 = "l2",
    }
}

choice! {
    /// Which triplets count.
    EmbedderMiner {
        /// Random ones.
        Random = "random",
        /// All of the batch.
        All = "all",
        /// For each anchor the hardest.
        Hard = "hard",
        /// For each anchor and positive the hardest negative that is farther.
        SemiHard = "semi-hard",
    }
}

choice! {
    /// The step that makes codes, while learning.
    EmbedderStep {
        /// A sigmoid.
        Sigmoid = "sigmoid",
        /// A ramp from 0 to 1.
        Relu6 = "relu6",
        /// The step itself, its slope taken as 1.
        Hard = "hard",
        /// The step itself, its slope taken as the sigmoid's.
        Surrogate = "surrogate",
    }
}

choice! {
    /// Where the step that makes codes lies while learning; see [`Threshold`](crate::net::Threshold). Codes have the
    /// `winners` units that are above it by most.
    EmbedderThreshold {
        /// Between the last winner and the next unit.
        Between = "between",
        /// At a number of each unit's own, learned.
        Learned = "learned",
        /// Above as many units as a learned sum of their values says, at most `winners`.
        Predicted = "predicted",
    }
}

settings! {
    /// Settings of an [`Embedder`](super::Embedder). Choosing a preset sets all the others.
    EmbedderSettings recipes preset {
        /// A network with its way of learning; what is set besides overrides it.
        preset: EmbedderPreset = EmbedderPreset::Mlp,
        /// The network before the code, layer by layer; the linear layer to the units follows.
        layers: NetworkSpec = super::presets::layers("dropout 0.2, linear 64, batch-norm affine, relu"),
        /// Units of a code, n.
        units: usize = 512,
        /// Active units of a code, k.
        winners: usize = 26,
        /// Whether the values of the units are normalised over the batch before they compete.
        normalise: bool = false,
        /// Where the step lies while learning: between the last winner and the next unit, learned unit by unit, or predicted; codes have the `winners` units that are above by most.
        threshold: EmbedderThreshold = EmbedderThreshold::Between,
        /// Fewest winners that are predicted.
        least_winners: usize = 1,
        /// The step while learning: sigmoid, relu6, hard or surrogate; a trained one is hard.
        step: EmbedderStep = EmbedderStep::Sigmoid,
        /// Steepness of the step at first.
        hardness: f32 = 2.0,
        /// What the steepness is multiplied by every `anneal_every` epochs.
        hardness_factor: f32 = 1.13,
        /// Most steepness.
        most_hardness: f32 = 20.0,
        /// Winners at first, while learning; 0 for `winners` at all times.
        first_winners: usize = 0,
        /// What the winners are multiplied by every `anneal_every` epochs, down to `winners`.
        winners_factor: f32 = 0.7,
        /// Epochs between two changes of steepness and winners.
        anneal_every: usize = 1,
        /// Whether the p-th change multiplies by the factor p times, as EmbedderSDR's scheduler does; else once.
        compounding: bool = false,
        /// Rate of the balance that keeps all units in use, in standard deviations of a sample's values; it falls as the learning rate does; 0 for none.
        balance: f32 = 0.0001,
        /// Strength of synaptic scaling, EmbedderSDR's way of keeping units in use; 0 for none.
        scaling: f32 = 0.0,
        /// What is learned from: triplet, contrastive, pair, contrast, prototypes, mse or bce.
        loss: EmbedderLoss = EmbedderLoss::Prototypes,
        /// Which outputs belong together: those of one of the labels, or two noisy views of one input.
        pairs: EmbedderPairs = EmbedderPairs::Labels,
        /// Distance of triplets and pairs: cosine, l1 or l2.
        metric: EmbedderMetric = EmbedderMetric::Cosine,
        /// Which triplets count: random, all, hard or semi-hard.
        miner: EmbedderMiner = EmbedderMiner::Random,
        /// Random triples, or pairs, a sample and class.
        multiplier: usize = 1,
        /// How much farther others should be, or how far; of `contrastive` the cosine that they may have.
        margin: f32 = 0.5,
        /// How near those that belong together need not be, for `pair`.
        margin_same: f32 = 0.1,
        /// Share of the pairs that counts, the hardest, for `pair`.
        hardest: f32 = 1.0,
        /// Temperature of `contrast` and `prototypes`.
        temperature: f32 = 0.1,
        /// What the mean size of a code's values counts besides, while they are soft: `latent_penalty · mean ‖y‖_p / n` is added to the loss; 0 for nothing.
        latent_penalty: f32 = 0.0,
        /// Its `p`, 1 or more.
        latent_power: f32 = 1.0,
        /// The network from the code back to the input, for mse and bce; the linear layer to the values follows.
        decoder: NetworkSpec = NetworkSpec::default(),
        /// Layers, from the first on, that do not learn.
        frozen: usize = 0,
        /// Passes over the training data.
        epochs: usize = 20,
        /// Samples a step.
        batch: usize = 256,
        /// How far the weights move a step.
        learning_rate: f32 = 0.003,
        /// How the rate goes on: constant, epoch, step, cosine or plateau.
        schedule: NetworkSchedule = NetworkSchedule::Cosine,
        /// What the rate is multiplied by, epoch after epoch or where the schedule says.
        rate_factor: f32 = 0.5,
        /// Steps between two cuts of the rate (`step`), or epochs without progress (`plateau`).
        rate_every: usize = 10,
        /// How the weights follow their gradient: sgd, nesterov, adam or amsgrad.
        optimiser: NetworkOptimiser = NetworkOptimiser::Adam,
        /// Share of the last step that is taken again by sgd and nesterov.
        momentum: f32 = 0.0,
        /// Pull of every weight and bias towards 0, added to its slope.
        weight_decay: f32 = 0.00001,
        /// First weights: kaiming, rescaled, he, xavier or uniform.
        first_weights: FirstValues = FirstValues::Kaiming,
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
        /// Seed of the first weights, of all that is random while learning and of the order of the samples.
        seed: u64 = 0,
    }
}

impl EmbedderSettings {
    /// The whole network for inputs of `width`, and the number of the layer that makes codes.
    pub(super) fn network(&self, width: usize) -> (NetworkSpec, usize) {
        let linear = |units| LayerSpec::Linear { units, density: 1.0, drop_connect: 0.0 };
        let mut layers = self.layers.layers().to_vec();
        layers.push(linear(self.units));
        layers.extend(self.normalise.then_some(LayerSpec::BatchNorm { affine: false }));
        let code = layers.len();
        layers.push(LayerSpec::KStep(self.k_step()));
        let weight = self.latent_penalty * self.loss_values(width);
        let power = self.latent_power;
        layers.extend((weight > 0.0).then_some(LayerSpec::Penalty { weight, power }));
        if self.reconstruction().is_some() {
            layers.extend_from_slice(self.decoder.layers());
            layers.push(linear(width));
        }
        (NetworkSpec::new(layers), code)
    }

    fn k_step(&self) -> KStepSpec {
        let Self { winners, hardness, balance, scaling, .. } = *self;
        let step = match self.step {
            EmbedderStep::Sigmoid => Step::Sigmoid,
            EmbedderStep::Relu6 => Step::Relu6,
            EmbedderStep::Hard => Step::Hard,
            EmbedderStep::Surrogate => Step::Surrogate,
        };
        let threshold = match self.threshold {
            EmbedderThreshold::Between => Threshold::Between,
            EmbedderThreshold::Learned => Threshold::Learned,
            EmbedderThreshold::Predicted => Threshold::Predicted { least: self.least_winners },
        };
        KStepSpec { winners, threshold, step, hardness, balance, scaling }
    }

    /// What compares outputs, where outputs are compared.
    pub(super) fn metric_loss(&self) -> Option<MetricLoss> {
        let Self { margin, margin_same, hardest, multiplier, temperature, .. } = *self;
        let metric = match self.metric {
            EmbedderMetric::Cosine => Metric::Cosine,
            EmbedderMetric::L1 => Metric::L1,
            EmbedderMetric::L2 => Metric::L2,
        };
        let miner = match self.miner {
            EmbedderMiner::Random => Miner::Random { multiplier },
            EmbedderMiner::All => Miner::All,
            EmbedderMiner::Hard => Miner::Hard,
            EmbedderMiner::SemiHard => Miner::SemiHard,
        };
        Some(match self.loss {
            EmbedderLoss::Triplet => MetricLoss::Triplet { metric, miner, margin },
            EmbedderLoss::Contrastive => MetricLoss::Contrastive { margin, multiplier },
            EmbedderLoss::Pair => MetricLoss::Pair { metric, margin, margin_same, hardest },
            EmbedderLoss::Contrast => MetricLoss::Contrast { temperature },
            EmbedderLoss::Prototypes => MetricLoss::Prototypes { temperature },
            EmbedderLoss::Mse | EmbedderLoss::Bce => return None,
        })
    }

    /// How far reconstructions are from inputs, where inputs are reconstructed.
    pub(super) fn reconstruction(&self) -> Option<Loss> {
        match self.loss {
            EmbedderLoss::Mse => Some(Loss::MeanSquared),
            EmbedderLoss::Bce => Some(Loss::CrossEntropy),
            _ => None,
        }
    }

    /// How many times the loss that is told is followed: cross-entropies are told by value, and followed by sample.
    pub(super) fn loss_values(&self, width: usize) -> f32 {
        if self.loss == EmbedderLoss::Bce { width as f32 } else { 1.0 }
    }

    pub(super) fn moves(&self) -> Moves {
        Moves { shift: self.shift, mirror: self.mirror }
    }

    pub(super) fn optimiser(&self) -> Optimiser {
        self.optimiser.rule(self.momentum)
    }

    pub(super) fn pace(&self) -> Pace {
        let Self { learning_rate, schedule, rate_factor, rate_every, epochs, .. } = *self;
        Pace { first: learning_rate, schedule, factor: rate_factor, every: rate_every, epochs }
    }

    /// Winners and steepness of an epoch of learning.
    ///
    /// Source: the scheduler of EmbedderSDR. It multiplies what it has come to by `factor^p` at its `p`-th change, so
    /// that powers compound: `factor^(p (p + 1) / 2)`; meant was `factor^p`.
    pub(super) fn at_epoch(&self, epoch: usize) -> (usize, f32) {
        let changes = (epoch / self.anneal_every) as f64;
        let power = if self.compounding { changes * (changes + 1.0) / 2.0 } else { changes };
        let after = |first: f64, factor: f32| first * f64::from(factor).powf(power);
        let hardness = after(f64::from(self.hardness), self.hardness_factor);
        let first = self.first_winners.max(self.winners);
        let winners = after(first as f64, self.winners_factor).ceil() as usize;
        (winners.clamp(self.winners, first), hardness.min(f64::from(self.most_hardness)) as f32)
    }

    /// Refuses values out of range.
    pub(super) fn check(&self) -> Result<()> {
        check_positive(&[
            ("learning_rate", self.learning_rate),
            ("rate_factor", self.rate_factor),
            ("hardness", self.hardness),
            ("hardness_factor", self.hardness_factor),
            ("most_hardness", self.most_hardness),
            ("winners_factor", self.winners_factor),
            ("noise_level", self.noise_level),
            ("hardest", self.hardest),
            ("temperature", self.temperature),
        ])?;
        check_from_0(&[
            ("weight_decay", self.weight_decay),
            ("balance", self.balance),
            ("scaling", self.scaling),
            ("latent_penalty", self.latent_penalty),
        ])?;
        if self.latent_power < 1.0 {
            return Err(Error::setting("latent_power", "1 or more", self.latent_power));
        }
        check_below_1(&[("momentum", self.momentum)])?;
        check_counts(&[
            ("batch", self.batch),
            ("rate_every", self.rate_every),
            ("anneal_every", self.anneal_every),
            ("multiplier", self.multiplier),
            ("winners", self.winners),
            ("least_winners", self.least_winners),
        ])?;
        if self.least_winners > self.winners {
            let expected = format!("at most the {} winners", self.winners);
            return Err(Error::setting("least_winners", expected, self.least_winners));
        }
        if self.units > MOST_UNITS {
            return Err(Error::setting("units", format!("at most {MOST_UNITS}"), self.units));
        }
        if self.first_winners.max(self.winners) >= self.units {
            let expected = format!("fewer than {} units", self.units);
            return Err(Error::setting("winners", expected, self.first_winners.max(self.winners)));
        }
        for (key, share) in [("noise_level", self.noise_level), ("hardest", self.hardest)] {
            if share > 1.0 {
                return Err(Error::setting(key, "at most 1", share));
            }
        }
        match self.frozen <= self.layers.layers().len() {
            true => Ok(()),
            false => {
                let expected = format!("at most the {} of `layers`", self.layers.layers().len());
                Err(Error::setting("frozen", expected, self.frozen))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The two published schedules, epoch by epoch, and the one that was meant.
    #[test]
    fn schedules_are_as_published() {
        let recipe = EmbedderSettings::recipe;
        let hardness = |settings: &EmbedderSettings, epoch| settings.at_epoch(epoch).1;
        let train_kwta = recipe(EmbedderPreset::PublishedMlp);
        let steps = [0, 9, 10, 19, 20, 30].map(|epoch| hardness(&train_kwta, epoch));
        assert_eq!(steps, [2.0, 2.0, 4.0, 4.0, 16.0, 20.0]);
        let train_kwta_autoenc = recipe(EmbedderPreset::Autoencoder);
        let steps = [1, 2, 3, 4, 5].map(|epoch| hardness(&train_kwta_autoenc, epoch));
        assert_eq!(steps, [2.5, 3.906_25, 7.629_394_5, 18.626_451, 20.0]);
        let meant = EmbedderSettings { compounding: false, ..train_kwta };
        assert_eq!([10, 20, 30].map(|epoch| hardness(&meant, epoch)), [4.0, 8.0, 16.0]);
        // train_pretrained: densities 0.3, 0.21, 0.103, 0.05 of 1000 units.
        let falling = EmbedderSettings {
            units: 1000,
            winners: 50,
            first_winners: 300,
            winners_factor: 0.7,
            anneal_every: 15,
            compounding: true,
            ..EmbedderSettings::default()
        };
        let winners = [0, 15, 30, 45, 60].map(|epoch| falling.at_epoch(epoch).0);
        assert_eq!(winners, [300, 210, 103, 50, 50]);
    }
}
