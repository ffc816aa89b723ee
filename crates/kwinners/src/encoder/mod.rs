//! Encoders: from input vectors to exactly-k codes.
//!
//! Two traits, both object-safe, and one closed enum of everything that a file can hold.

mod autoencoder;
mod classifier;
mod conv_wta;
mod embedder;
mod model;
mod networks;
mod patches;
pub(crate) mod pursuit;
mod random_projection;
mod scaling;
mod settings;
mod spatial_pooler;
mod state;
mod tied;
mod weights;

pub use autoencoder::{
    Activation, Autoencoder, AutoencoderSettings, AutoencoderWeights, FirstWeights,
    InputStatistics, LatentSelection, LossKind, OptimiserKind, RateKind,
};
pub use classifier::{
    Classifier, ClassifierFront, ClassifierLoss, ClassifierPreset, ClassifierSettings,
    LayerDensity, PruneSchedule, Regrow,
};
pub use conv_wta::{Channels, ConvWta, ConvWtaSettings};
pub use embedder::{
    Embedder, EmbedderLoss, EmbedderMetric, EmbedderMiner, EmbedderPairs, EmbedderPreset,
    EmbedderSettings, EmbedderStep, EmbedderThreshold,
};
pub use model::{Inputs, Model, Schedule, SettingHelp};
pub(crate) use model::{Kind, offers};
pub use networks::{InputNoise, NetworkOptimiser, NetworkSchedule};
pub use patches::{Patches, PatchesSettings, Pooling};
pub use pursuit::{Pursuit, PursuitSettings};
pub use random_projection::{Projection, RandomProjection, RandomProjectionSettings, Selection};
pub use scaling::InputScaling;
pub use spatial_pooler::{
    Binarise, BoostRule, Dimensions, PoolerPreset, SpatialPooler, SpatialPoolerSettings,
};
pub(crate) use state::State;
pub use tied::{Boosting, Tied, TiedSettings};

use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::net::best;
use crate::rows::Rows;
use crate::sdr::SdrBatch;

/// Turns vectors into codes. Pure: the same rows give the same codes, whatever was encoded before.
pub trait Encoder: Send + Sync {
    /// Values an input vector has.
    fn input_width(&self) -> usize;

    /// Units of a code, `n`.
    fn units(&self) -> usize;

    /// Active units of every code, `k`.
    fn winners(&self) -> usize;

    /// Encodes `rows`, `(len, input_width)`, and appends `len` codes to `codes`.
    ///
    /// # Errors
    /// If the rows have another width, hold NaN or infinity, or `codes` has other units.
    fn encode_into(&self, rows: Rows<'_>, codes: &mut SdrBatch) -> Result<()>;

    /// Encodes `rows`, `(len, input_width)`, into `len` codes.
    ///
    /// # Errors
    /// As [`Encoder::encode_into`].
    fn encode(&self, rows: Rows<'_>) -> Result<SdrBatch> {
        let mut codes = SdrBatch::new(self.units())?;
        self.encode_into(rows, &mut codes)?;
        Ok(codes)
    }
}

/// An encoder that learns, one mini-batch at a time.
pub trait Learner: Encoder {
    /// Learns from `rows`, `(len, input_width)`, with one label a row where the learner uses them.
    ///
    /// # Errors
    /// As [`Encoder::encode_into`]; nothing is learned then.
    fn learn(&mut self, rows: Rows<'_>, labels: Option<&[u32]>) -> Result<Step>;
}

/// Turns codes back into inputs.
pub trait Decoder {
    /// The inputs that `codes` stand for, `(len, input_width)` row-major.
    ///
    /// # Errors
    /// If the codes have other units than the decoder.
    fn decode(&self, codes: &SdrBatch) -> Result<Vec<f32>>;
}

/// Gives real-valued activations, of which a code says only which are the largest.
pub trait Latents {
    /// The activations of `rows`, `(len, n)` row-major: 0 where a unit is not selected.
    ///
    /// # Errors
    /// If the rows have another width or hold NaN or infinity.
    fn latents(&self, rows: Rows<'_>) -> Result<Vec<f32>>;

    /// The inputs that `latents`, `(len, n)`, stand for, `(len, input_width)` row-major.
    ///
    /// # Errors
    /// If the latents have another width.
    fn reconstruct(&self, latents: Rows<'_>) -> Result<Vec<f32>>;
}

/// Tells the class of an input.
pub trait Classify: Send + Sync {
    /// Classes that are told apart.
    fn classes(&self) -> usize;

    /// The scores of the classes for each of `rows`, `(len, classes)` row-major: the largest is the answer.
    ///
    /// # Errors
    /// If the rows have another width or hold NaN or infinity.
    fn scores(&self, rows: Rows<'_>) -> Result<Vec<f32>>;

    /// The slopes by the values of each of `rows` of a loss of their scores, `(len, input_width)` row-major.
    /// `weigh` gets the number of a row and its scores, `(classes,)`, and makes of these the slopes of the loss
    /// by them. Cost: a pass forward and one back.
    ///
    /// # Errors
    /// As [`Classify::scores`], and where a classifier has no slopes: unless it says otherwise, none has.
    fn input_slopes(
        &self,
        rows: Rows<'_>,
        weigh: &(dyn Fn(usize, &mut [f32]) + Sync),
    ) -> Result<Vec<f32>> {
        let _ = (rows, weigh);
        Err(Error::Unsupported("this classifier has no slopes by its inputs".to_owned()))
    }

    /// The class of each of `rows`, `(len,)`; the lowest of those that score alike.
    ///
    /// # Errors
    /// As [`Classify::scores`].
    fn classify(&self, rows: Rows<'_>) -> Result<Vec<u32>> {
        let scores = self.scores(rows)?;
        Ok(scores.chunks_exact(self.classes()).map(|scores| best(scores) as u32).collect())
    }
}

/// Rows that one task encodes or decodes; fixed, so that results don't depend on threads.
const ROWS_A_TASK: usize = 128;

/// What [`Encoder::encode_into`] is for an encoder that can give the winners of a block of rows,
/// `(len, k)`: the checks, then block after block on all cores.
fn encode_in_blocks(
    encoder: &dyn Encoder,
    rows: Rows<'_>,
    codes: &mut SdrBatch,
    winners_of: impl Fn(Rows<'_>) -> Result<Vec<u32>> + Sync,
) -> Result<()> {
    rows.check_width("inputs to encode", encoder.input_width())?;
    rows.check_finite("inputs to encode")?;
    if codes.units() != encoder.units() {
        let expected = format!("a batch of {} units", encoder.units());
        return Err(Error::shape("codes to append to", expected, codes.units()));
    }
    let blocks: Vec<Rows<'_>> = rows.blocks(ROWS_A_TASK).collect();
    let winners: Vec<Vec<u32>> =
        blocks.par_iter().map(|rows| winners_of(*rows)).collect::<Result<_>>()?;
    winners.iter().for_each(|winners| codes.extend_trusted(encoder.winners(), winners));
    Ok(())
}

/// What one step of learning did.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize)]
#[non_exhaustive]
pub struct Step {
    /// Epoch that the step belongs to, from 0.
    pub epoch: usize,
    /// Steps done so far, this one included.
    pub step: u64,
    /// Samples seen so far, this step's included.
    pub samples: u64,
    /// Mean loss of the step's samples; for reconstructing learners the mean squared error a value.
    pub loss: f64,
    /// Share of the step's samples whose class was told right, where classes are learned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accuracy: Option<f64>,
    /// Rate that the step was taken at, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub learning_rate: Option<f64>,
    /// Triplets, pairs or anchors that the loss is a mean over, where outputs are compared; a batch without any
    /// teaches nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub terms: Option<u64>,
    /// Steepness of the step that makes codes, where it is soft while learning and may change.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hardness: Option<f64>,
    /// Winners while learning, where their number may change.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub winners: Option<usize>,
    /// Units that have not won lately, where the learner keeps count.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dead_units: Option<usize>,
}
