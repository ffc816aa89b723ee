//! Networks and their ways of learning.

use super::super::networks::{InputNoise, NetworkSchedule};
use super::super::scaling::InputScaling;
use super::super::settings::choice;
use super::settings::{
    EmbedderLoss, EmbedderMetric, EmbedderMiner, EmbedderPairs, EmbedderSettings,
};
use crate::net::NetworkSpec;

choice! {
    /// A network with its way of learning.
    ///
    /// Source of those called published: the recipes of EmbedderSDR.
    EmbedderPreset {
        /// 64 hidden units, codes of 26 of 512: for vectors and small images, with labels.
        Mlp = "mlp",
        /// EmbedderSDR's recipe for the same network: random triplets, a step that hardens.
        PublishedMlp = "published-mlp",
        /// Convolutions, codes of 32 of 1024: for images, with labels.
        Conv = "conv",
        /// EmbedderSDR's convolutional net of three maps, codes of 7 of 128.
        PublishedConv = "published-conv",
        /// A smaller sister of EmbedderSDR's net for CIFAR-10, codes of 32 of 1024.
        Cifar = "cifar",
        /// One linear layer, codes of 40 of 2048: for vectors of a pretrained network, with labels.
        Head = "head",
        /// The same without labels: two noisy views of every vector.
        UnlabelledHead = "unlabelled-head",
        /// A linear layer there and one back, without labels, for word vectors: codes of 64 of 2048.
        Glove = "glove",
        /// EmbedderSDR's autoencoder with k-winners: codes of 103 of 2048, no labels.
        Autoencoder = "autoencoder",
        /// The same behind a convolution.
        ConvAutoencoder = "conv-autoencoder",
    }
}

/// The layers of a text of this library.
pub(super) fn layers(text: &str) -> NetworkSpec {
    text.parse().expect("presets are written right; a test makes each")
}

impl EmbedderSettings {
    /// What a preset means, setting by setting.
    pub(super) fn recipe(preset: EmbedderPreset) -> Self {
        use EmbedderPreset as P;
        let settings = match preset {
            P::Mlp => Self::default(),
            P::PublishedMlp => Self::published("linear 64, relu"),
            P::Conv => Self::convolutional(),
            P::PublishedConv => Self {
                units: 128,
                winners: 7,
                ..Self::published("pad 1, conv 3 3, batch-norm affine, relu, pool 3")
            },
            P::Cifar => Self { epochs: 20, shift: 2, mirror: true, ..Self::convolutional() },
            P::Head => Self::head(),
            P::UnlabelledHead => {
                Self { pairs: EmbedderPairs::Views, layers: layers("dropout 0.3"), ..Self::head() }
            }
            P::Glove => {
                let (loss, layers) = (EmbedderLoss::Mse, NetworkSpec::default());
                Self { winners: 64, loss, layers, ..Self::head() }
            }
            P::Autoencoder => Self::autoencoder("dropout 0.25"),
            P::ConvAutoencoder => {
                Self::autoencoder("pad 1, conv 3 3, batch-norm affine, relu, pool 3, dropout 0.25")
            }
        };
        Self { preset, ..settings }
    }

    fn published(network: &str) -> Self {
        Self {
            layers: layers(network),
            loss: EmbedderLoss::Triplet,
            metric: EmbedderMetric::Cosine,
            miner: EmbedderMiner::Random,
            margin: 0.5,
            hardness: 2.0,
            hardness_factor: 2.0,
            most_hardness: 20.0,
            anneal_every: 10,
            compounding: true,
            balance: 0.0,
            epochs: 30,
            learning_rate: 0.001,
            // Halved every 10 epochs of 60,000 samples.
            schedule: NetworkSchedule::Step,
            rate_factor: 0.5,
            rate_every: 2350,
            ..Self::default()
        }
    }

    fn convolutional() -> Self {
        Self {
            layers: layers(
                "pad 1, conv 32 3, batch-norm affine, relu, pool 2, pad 1, conv 64 3, batch-norm affine, relu, \
                 pool 2, pad 1, conv 128 3, batch-norm affine, relu, pool 2, dropout 0.2",
            ),
            units: 1024,
            winners: 32,
            // A balance that keeps more units in use costs accuracy: classes need few.
            balance: 0.00005,
            hardness_factor: 1.03,
            learning_rate: 0.001,
            epochs: 10,
            batch: 64,
            ..Self::default()
        }
    }

    fn head() -> Self {
        Self {
            layers: layers("dropout 0.1"),
            units: 2048,
            winners: 40,
            loss: EmbedderLoss::Contrast,
            balance: 0.002,
            epochs: 12,
            input: InputScaling::Standardised,
            ..Self::default()
        }
    }

    fn autoencoder(network: &str) -> Self {
        Self {
            layers: layers(network),
            units: 2048,
            winners: 103,
            loss: EmbedderLoss::Bce,
            decoder: layers("dropout 0.25"),
            hardness: 2.0,
            hardness_factor: 1.25,
            most_hardness: 20.0,
            anneal_every: 1,
            compounding: true,
            balance: 0.0,
            epochs: 40,
            learning_rate: 0.001,
            input: InputScaling::Raw,
            noise: InputNoise::None,
            ..Self::default()
        }
    }
}
