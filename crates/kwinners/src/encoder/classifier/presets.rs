//! Published networks and their ways of learning.

use super::super::scaling::InputScaling;
use super::super::settings::choice;
use super::front::ClassifierFront;
use super::settings::ClassifierSettings;
use crate::encoder::networks::{InputNoise, NetworkOptimiser, NetworkSchedule};
use crate::net::{FirstValues, NetworkSpec};

choice! {
    /// A network with its way of learning.
    ///
    /// Sources: Ahmad and Scheinkman, "How Can We Be So Dense?", 2019, its configurations for MNIST and speech; the
    /// models and notebooks of nupic.torch; tiny-kwinner of the HTM forum, put right; Dettmers and Zettlemoyer, "Sparse networks from scratch", 2019,
    /// for the two LeNets.
    ///
    /// Those for speech take clips of 16,000 samples, augmented, in epochs of balanced classes. For log-mel images
    /// themselves set `front=none`.
    ClassifierPreset {
        /// One sparse hidden layer, for vectors of any kind.
        Mlp = "mlp",
        /// Paper, MNIST: one convolution, all dense.
        DenseCnn1 = "dense-cnn1",
        /// Paper, MNIST: two convolutions, all dense.
        DenseCnn2 = "dense-cnn2",
        /// Paper, MNIST: one convolution, sparse.
        SparseCnn1 = "sparse-cnn1",
        /// Paper, MNIST: two convolutions, sparse.
        SparseCnn2 = "sparse-cnn2",
        /// Paper, MNIST: dense convolutions, sparse linear layer.
        DenseCnn2Sp3 = "dense-cnn2-sp3",
        /// Paper, MNIST: sparse convolutions, dense linear layer.
        SparseCnn2D3 = "sparse-cnn2-d3",
        /// Paper, MNIST: sparse activations, dense weights.
        SparseCnn2W1 = "sparse-cnn2-w1",
        /// Paper, MNIST: sparse convolutions, a linear layer of sparse weights and dense activations.
        SparseCnn2Dsw = "sparse-cnn2-dsw",
        /// `dense-cnn2` with dropout of a half before the classes.
        DropoutCnn2 = "dropout-cnn2",
        /// `dense-cnn2` with batch normalisation after each convolution and the linear layer.
        BatchNormCnn2 = "batch-norm-cnn2",
        /// nupic.torch's MNISTSparseCNN.
        MnistSparseCnn = "mnist-sparse-cnn",
        /// nupic.torch's GSCSparseCNN, for clips.
        GscSparseCnn = "gsc-sparse-cnn",
        /// nupic.torch's GSCSuperSparseCNN.
        GscSuperSparseCnn = "gsc-super-sparse-cnn",
        /// Paper, speech: sparse.
        SpeechSparseCnn2 = "speech-sparse-cnn2",
        /// Paper, speech: dense, with dropout of a half.
        SpeechDenseCnn2 = "speech-dense-cnn2",
        /// Paper, speech: super-sparse.
        SpeechSuperSparseCnn2 = "speech-super-sparse-cnn2",
        /// The convolutional net of nupic.torch's notebook.
        NotebookCnn = "notebook-cnn",
        /// The net of two linear layers of nupic.torch's notebook.
        NotebookMlp = "notebook-mlp",
        /// Sparse convolutions of nupic.torch's shape that learn from noisy images.
        NoiseAware = "noise-aware",
        /// Forum: a LeNet with tanh, nothing else.
        ForumRaw = "forum-raw",
        /// Forum: the same with dropout of 0.3 before the classes.
        ForumDropout = "forum-dropout",
        /// Forum: the same with batch normalisation before the classes.
        ForumBatchNorm = "forum-batch-norm",
        /// Forum: the same with 48 winners of 120 before the classes, no boosting.
        ForumKWinners = "forum-k-winners",
        /// Forum: the same with 7 winners and boosting of 4.2.
        ForumKWinnersBoost = "forum-k-winners-boost",
        /// LeNet-300-100.
        Lenet300100 = "lenet-300-100",
        /// LeNet-5 in Caffe's shape: 20-50-500.
        Lenet5 = "lenet-5",
    }
}

/// The layers of a text of this library.
pub(super) fn layers(text: &str) -> NetworkSpec {
    text.parse().expect("presets are written right; a test makes each")
}

impl ClassifierSettings {
    /// What a preset means, setting by setting.
    pub(super) fn recipe(preset: ClassifierPreset) -> Self {
        use ClassifierPreset as P;
        let settings = match preset {
            P::Mlp => Self::default(),
            P::DenseCnn1 => Self::paper_dense("conv 30 5, pool 2, relu, linear 1000, relu"),
            P::DenseCnn2 => Self::paper_dense(DENSE_CNN2),
            P::SparseCnn1 => Self::paper_sparse(
                "conv 30 5, pool 2, k-winners 400 inference=600, linear 150 density=0.3, \
                 k-winners 50 inference=75",
            ),
            P::SparseCnn2 => Self {
                layers: layers(&format!("{SPARSE_CONVOLUTIONS}, linear 700 density=0.3, {K100}")),
                learning_rate: 0.02,
                epochs: 10,
                ..Self::paper_sparse("")
            },
            P::DenseCnn2Sp3 => Self {
                momentum: 0.5,
                epochs: 10,
                ..Self::paper_sparse(&format!(
                    "{DENSE_CONVOLUTIONS}, linear 700 density=0.3, {K100}"
                ))
            },
            P::SparseCnn2D3 => Self {
                first_batch: 0,
                ..Self::paper_mixed(&format!("{SPARSE_CONVOLUTIONS}, linear 1000, relu"))
            },
            P::SparseCnn2W1 => Self {
                first_batch: 0,
                ..Self::paper_mixed(&format!("{SPARSE_CONVOLUTIONS}, linear 700, {K100}"))
            },
            P::SparseCnn2Dsw => {
                Self::paper_mixed(&format!("{SPARSE_CONVOLUTIONS}, linear 1000 density=0.3, relu"))
            }
            P::DropoutCnn2 => Self::paper_dense(&format!("{DENSE_CNN2}, dropout 0.5")),
            P::BatchNormCnn2 => Self::paper_dense(
                "conv 30 5, batch-norm, pool 2, relu, conv 30 5, batch-norm, pool 2, relu, \
                 linear 1000, batch-norm, relu",
            ),
            P::MnistSparseCnn => Self::mnist_sparse_cnn(),
            P::GscSparseCnn => Self::gsc(1000, 0.1),
            P::GscSuperSparseCnn => Self::gsc(1500, 0.05),
            P::SpeechSparseCnn2 => Self::speech(1000, 0.4, 30),
            P::SpeechDenseCnn2 => Self::speech_dense(),
            P::SpeechSuperSparseCnn2 => Self::speech(1500, 0.1, 25),
            P::NotebookCnn => Self::notebook(
                "conv 30 5 density=0.8, pool 2, k-winners 432 inference=648, \
                 linear 150 density=0.3, k-winners 15 inference=22",
                1.4,
            ),
            P::NotebookMlp => Self::notebook(
                "linear 1000 density=0.3, k-winners 100 inference=150, linear 1000 density=0.3, \
                 k-winners 100 inference=150",
                1.0,
            ),
            P::NoiseAware => Self::noise_aware(),
            P::ForumRaw => Self::forum("", 0.0),
            P::ForumDropout => Self::forum(", dropout 0.3", 0.0),
            P::ForumBatchNorm => Self::forum(", batch-norm", 0.0),
            P::ForumKWinners => Self { winners: 0, ..Self::forum(", k-winners 48", 0.0) },
            P::ForumKWinnersBoost => Self { winners: 0, ..Self::forum(", k-winners 7", 4.2) },
            P::Lenet300100 => Self::lenet("linear 300, relu, linear 100, relu", 10),
            P::Lenet5 => Self::lenet(
                "conv 20 5, relu, pool 2, conv 50 5, relu, pool 2, linear 500, relu",
                50,
            ),
        };
        Self { preset, ..settings }
    }

    /// What all of the paper's networks for MNIST have in common.
    fn paper(text: &str) -> Self {
        Self {
            layers: layers(text),
            winners: 0,
            epochs: 15,
            batch: 64,
            first_batch: 0,
            learning_rate: 0.01,
            schedule: NetworkSchedule::Epoch,
            rate_factor: 0.8,
            optimiser: NetworkOptimiser::Sgd,
            momentum: 0.0,
            boost: 1.5,
            boost_decay: 0.85,
            ..Self::default()
        }
    }

    fn paper_dense(text: &str) -> Self {
        Self { momentum: 0.9, boost: 0.0, winners: 100, ..Self::paper(text) }
    }

    fn paper_sparse(text: &str) -> Self {
        Self { first_batch: 4, ..Self::paper(text) }
    }

    fn paper_mixed(text: &str) -> Self {
        Self { first_batch: 4, momentum: 0.9, epochs: 10, ..Self::paper(text) }
    }

    fn mnist_sparse_cnn() -> Self {
        Self {
            learning_rate: 0.02,
            ..Self::paper_sparse(
                "conv 32 5 density=0.6, pool 2, k-winners 461, conv 64 5 density=0.45, pool 2, \
                 k-winners 205, linear 700 density=0.2, k-winners 140",
            )
        }
    }

    /// What the networks for speech have in common, but for their layers.
    fn clips(self) -> Self {
        Self {
            front: ClassifierFront::LogMel,
            augment: true,
            balanced: true,
            weight_decay: 0.01,
            input: InputScaling::Raw,
            ..self
        }
    }

    fn speech(units: usize, density: f32, epochs: usize) -> Self {
        let text = format!(
            "conv 64 5, batch-norm, pool 2, k-winners 1200 inference=1800, \
             conv 64 5, batch-norm, pool 2, k-winners 200 inference=300, \
             linear {units} density={density}, batch-norm, {K100}"
        );
        Self { epochs, batch: 16, rate_factor: 0.9, boost_decay: 0.9, ..Self::paper(&text).clips() }
    }

    fn speech_dense() -> Self {
        Self {
            epochs: 20,
            ..Self::paper_dense(
                "conv 64 5, batch-norm, pool 2, relu, conv 64 5, batch-norm, pool 2, relu, \
                 linear 1000, batch-norm, dropout 0.5, relu",
            )
            .clips()
        }
    }

    fn gsc(units: usize, density: f32) -> Self {
        let text = format!(
            "conv 64 5 density=0.5, batch-norm, k-winners 4767, pool 2, \
             conv 64 5 density=0.2, batch-norm, k-winners 800, pool 2, \
             linear {units} density={density}, batch-norm, k-winners {}",
            units / 10
        );
        Self { layers: layers(&text), first_batch: 4, ..Self::speech(units, density, 30) }
    }

    fn notebook(text: &str, boost: f32) -> Self {
        Self {
            epochs: 10,
            schedule: NetworkSchedule::Constant,
            momentum: 0.5,
            boost,
            boost_decay: 0.9,
            ..Self::paper_sparse(text)
        }
    }

    fn noise_aware() -> Self {
        Self {
            epochs: 15,
            first_batch: 0,
            learning_rate: 0.001,
            schedule: NetworkSchedule::Cosine,
            optimiser: NetworkOptimiser::Adam,
            noise: InputNoise::RandomValue,
            ..Self::mnist_sparse_cnn()
        }
    }

    /// Pixels stay as they are, so that the margin is background; one optimiser for all, where the original's tables
    /// had Adam and RMSprop.
    fn forum(last: &str, boost: f32) -> Self {
        let text = format!(
            "pad 2, conv 6 5, pool 2, tanh, conv 16 5, pool 2, tanh, conv 120 5, tanh{last}"
        );
        Self {
            layers: layers(&text),
            winners: 48,
            epochs: 10,
            schedule: NetworkSchedule::Constant,
            boost,
            boost_decay: 1.0,
            first_weights: FirstValues::Xavier,
            input: InputScaling::Raw,
            ..Self::default()
        }
    }

    /// Dense, unless `regrow` or a `weight_density` is set.
    fn lenet(text: &str, winners: usize) -> Self {
        Self {
            winners,
            epochs: 100,
            batch: 100,
            learning_rate: 0.1,
            schedule: NetworkSchedule::Step,
            rate_factor: 0.1,
            rate_every: 25_000,
            optimiser: NetworkOptimiser::Nesterov,
            momentum: 0.9,
            weight_decay: 5e-4,
            ..Self::paper_dense(text)
        }
    }
}

const DENSE_CONVOLUTIONS: &str = "conv 30 5, pool 2, relu, conv 30 5, pool 2, relu";
const DENSE_CNN2: &str = "conv 30 5, pool 2, relu, conv 30 5, pool 2, relu, linear 1000, relu";
const SPARSE_CONVOLUTIONS: &str = "conv 32 5, pool 2, k-winners 400 inference=600, \
                                   conv 64 5, pool 2, k-winners 300 inference=450";
const K100: &str = "k-winners 100 inference=150";
