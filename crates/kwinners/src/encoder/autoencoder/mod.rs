//! Autoencoders of one hidden layer, learned by gradient, with every selection of units that is
//! published for them.

mod batch;
mod dense;
mod layers;
mod learn;
mod noise;
mod select;
mod settings;
mod sparse;
mod update;
mod weights;

#[cfg(test)]
mod tests;

use rayon::prelude::*;

pub use settings::{
    Activation, AutoencoderSettings, FirstWeights, LatentSelection, LossKind, OptimiserKind,
    RateKind,
};

pub use weights::{AutoencoderWeights, InputStatistics};

use super::scaling::Scaling;
use super::{
    Boosting, Decoder, Encoder, Inputs, Kind, Latents, ROWS_A_TASK, Schedule, State, offers,
};
use crate::error::{Error, Result};
use crate::kernel::{SelectScratch, vectors::Weighted};
use crate::kwta::{Balance, DutyCycle, KWinners};
use crate::net::LayerView;
use crate::rows::{ImageShape, Rows};
use crate::sdr::SdrBatch;
use batch::Workspace;
use layers::{Layers, finite};
use noise::Levels;

/// Samples of a fit whose length is not set.
const ENOUGH_SAMPLES: usize = 1_000_000;
const FEWEST_EPOCHS: usize = 5;

/// An autoencoder: `score = W_enc x + b_enc`, latents `z` by activation and selection, and
/// `r = W_decᵀ z + b_dec`, learned by the gradient of how far `r` is from `x`.
///
/// Encoding gives the `k` units of the largest scores, whatever the selection while learning was.
/// A code says which units are on, not how strongly, so decoding gives each the mean of its
/// activation when it was active while learning, a running average that the model keeps; the latents
/// themselves ([`Latents`]) reconstruct better.
///
/// `W_enc` and `W_dec` are `(n, width)`. A step costs one dense product, `O(batch · n · width)`, for the
/// scores; the rest touches active units only, `O(batch · k · width)`, but for one pass of the
/// optimiser over all weights. With all units active (`universal`) it is five dense products.
///
/// ```
/// use kwinners::encoder::{Autoencoder, AutoencoderSettings, Decoder, Encoder, Latents, Learner};
/// use kwinners::Rows;
/// let images: Vec<f32> = (0..400).map(|i| (i % 10 < i / 40) as u8 as f32).collect();
/// let rows = Rows::new(&images, 10)?;
/// let settings = AutoencoderSettings { units: 32, winners: 4, batch: 40, ..Default::default() };
/// let mut autoencoder = Autoencoder::new(settings, rows)?;
/// let first = autoencoder.learn(rows, None)?.loss;
/// let last = (0..200).map(|_| autoencoder.learn(rows, None)).last().unwrap()?.loss;
/// assert!(last < first / 4.0);
/// let codes = autoencoder.encode(rows)?;
/// assert_eq!(codes.winners(), Some(4));
/// assert_eq!(autoencoder.decode(&codes)?.len(), 400);
/// assert_eq!(autoencoder.latents(rows)?.len(), 40 * 32);
/// # Ok::<(), kwinners::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Autoencoder {
    settings: AutoencoderSettings,
    image: Option<ImageShape>,
    k_winners: KWinners,
    scaling: Scaling,
    layers: Layers,
    usage: Usage,
    /// What the training inputs are like.
    statistics: InputStatistics,
    /// Steps of the whole fit, for schedules.
    all_steps: u64,
    samples: u64,
    steps: u64,
    workspace: Workspace,
}

/// What is known of who won.
#[derive(Clone, Debug)]
struct Usage {
    duty: DutyCycle,
    balance: Balance,
    /// Samples since each unit was last active, `(n,)`.
    idle: Vec<u64>,
    /// Mean activation of each unit when it was active, `(n,)`.
    magnitudes: Vec<f32>,
    /// Least activation that passed the selection of a batch.
    threshold: f32,
}

impl Autoencoder {
    /// An untrained autoencoder for inputs like `inputs`: their scaling and their mean are learned, and
    /// their number says how long the schedule is.
    ///
    /// # Errors
    /// If a setting is out of range or does not go with another, or the inputs hold NaN or infinity.
    pub fn new<'a>(
        mut settings: AutoencoderSettings,
        inputs: impl Into<Inputs<'a>>,
    ) -> Result<Self> {
        let Inputs { rows, image, .. } = inputs.into();
        rows.check_finite("training inputs")?;
        settings.check()?;
        image.map_or(Ok(()), |image| image.check(rows.width()))?;
        check_occlusion(&settings, image)?;
        let steps_an_epoch = rows.len().div_ceil(settings.batch).max(1);
        if settings.epochs == 0 {
            settings.epochs = match settings.steps {
                0 => ENOUGH_SAMPLES.div_ceil(rows.len().max(1)).max(FEWEST_EPOCHS),
                steps => {
                    usize::try_from(steps.div_ceil(steps_an_epoch as u64)).unwrap_or(usize::MAX)
                }
            };
        }
        let all_steps = (settings.epochs as u64).saturating_mul(steps_an_epoch as u64);
        let all_steps = if settings.steps > 0 { all_steps.min(settings.steps) } else { all_steps };
        let scaling = Scaling::learn(settings.input, rows)?;
        let mut bias = vec![0.0; rows.width()];
        if settings.subtract_bias && !rows.is_empty() {
            bias = mean_of(rows);
            scaling.apply(&mut bias);
        }
        Ok(Self {
            image,
            k_winners: KWinners::new(settings.units, settings.winners)?,
            scaling,
            layers: Layers::new(&settings, bias),
            usage: Usage::new(&settings)?,
            statistics: InputStatistics::of(rows),
            all_steps,
            samples: 0,
            steps: 0,
            workspace: Workspace::default(),
            settings,
        })
    }

    /// The autoencoder as it was saved.
    pub(crate) fn from_state(settings: AutoencoderSettings, state: &mut State) -> Result<Self> {
        settings.check()?;
        let width = state.take("width")?;
        let image = state.take_image(width)?;
        check_occlusion(&settings, image)?;
        let layers = Layers::take_from(&settings, width, state)?;
        Ok(Self {
            image,
            k_winners: KWinners::new(settings.units, settings.winners)?,
            scaling: Scaling::take_from(state, width)?,
            layers,
            usage: Usage::take_from(&settings, state)?,
            statistics: InputStatistics::take_from(width, state)?,
            all_steps: state.take("all_steps")?,
            samples: state.take("samples")?,
            steps: state.take("steps")?,
            workspace: Workspace::default(),
            settings,
        })
    }

    /// The settings that the autoencoder was made with.
    pub fn settings(&self) -> &AutoencoderSettings {
        &self.settings
    }

    /// The weights of one unit of the decoder, `(width,)`, in scaled input space: what it stands for.
    ///
    /// # Panics
    /// If there is no such unit.
    pub fn filter(&self, unit: usize) -> Vec<f32> {
        assert!(unit < self.settings.units, "unit {unit} of {}", self.settings.units);
        self.layers.decoder_values()[unit * self.layers.width..][..self.layers.width].to_vec()
    }

    /// Mean activation of each unit when it was active while learning, `(n,)`: what decoding gives it.
    pub fn magnitudes(&self) -> &[f32] {
        &self.usage.magnitudes
    }

    /// The least activation that passed the selection `batch-topk` while learning, a running average;
    /// 0 for the others.
    pub fn threshold(&self) -> f32 {
        self.usage.threshold
    }

    fn levels(&self) -> Levels {
        let settings = &self.settings;
        Levels {
            noise: settings.noise,
            input_dropout: settings.input_dropout,
            hidden_dropout: settings.hidden_dropout,
            occlusion: self
                .image
                .filter(|_| settings.occlusion > 0)
                .map(|image| (settings.occlusion, image)),
        }
    }

    /// Makes scaled rows what the encoder sees.
    fn subtract_bias(&self, rows: &mut [f32]) {
        if self.settings.subtract_bias {
            for row in rows.chunks_exact_mut(self.layers.width) {
                row.iter_mut()
                    .zip(&self.layers.decoder_bias.values)
                    .for_each(|(x, bias)| *x -= bias);
            }
        }
    }

    /// Scores of a block of rows, `(len, n)`.
    fn scores(&self, rows: Rows<'_>) -> Vec<f32> {
        let mut seen = rows.values().to_vec();
        seen.chunks_exact_mut(rows.width()).for_each(|row| self.scaling.apply(row));
        self.subtract_bias(&mut seen);
        let mut scores = Vec::new();
        self.layers.scores(Rows::new(&seen, rows.width()).expect("whole rows"), &mut scores);
        scores
    }

    /// Winners of a block of rows, `(len, k)`.
    fn encode_block(&self, rows: Rows<'_>) -> Result<Vec<u32>> {
        let (scores, k) = (self.scores(rows), self.settings.winners);
        let mut winners = vec![0; rows.len() * k];
        let (mut scratch, mut buffer) = (SelectScratch::default(), Vec::new());
        let rows = scores.chunks_exact(self.settings.units).zip(winners.chunks_exact_mut(k));
        for (row, (scores, slots)) in rows.enumerate() {
            let ranked = self.rank(scores, false, &mut buffer);
            self.k_winners.pick(row, ranked, &mut scratch, slots)?;
        }
        Ok(winners)
    }

    /// Turns the scores of one row into its latents.
    fn keep_latents(&self, scores: &mut [f32], scratch: &mut SelectScratch) -> Result<()> {
        match self.settings.selection {
            LatentSelection::Wta | LatentSelection::Universal => {
                self.settings.activation.apply(scores);
            }
            LatentSelection::BatchTopK => {
                self.settings.activation.apply(scores);
                let threshold = self.usage.threshold;
                let below = |value: &&mut f32| **value < threshold;
                scores.iter_mut().filter(below).for_each(|value| *value = 0.0);
            }
            _ => {
                let mut winners = vec![0; self.settings.latent_winners()];
                let mut buffer = Vec::new();
                let k_winners = KWinners::new(self.settings.units, winners.len())?;
                k_winners.pick(0, self.rank(scores, false, &mut buffer), scratch, &mut winners)?;
                let binary = self.settings.selection == LatentSelection::Binary;
                let value = |unit: u32| match binary {
                    true => self.usage.magnitudes[unit as usize],
                    false => self.settings.activation.of(scores[unit as usize]),
                };
                let kept: Vec<f32> = winners.iter().map(|&unit| value(unit)).collect();
                scores.fill(0.0);
                for (unit, value) in winners.into_iter().zip(kept) {
                    scores[unit as usize] = value;
                }
            }
        }
        Ok(())
    }

    /// One row of input space for each list of weighted units.
    fn decode_all<'a>(
        &self,
        len: usize,
        parts_of: impl Fn(usize, &mut Vec<Weighted>) + Sync + 'a,
    ) -> Vec<f32> {
        let width = self.layers.width;
        let mut rows = vec![0.0; len * width];
        rows.par_chunks_mut(width * ROWS_A_TASK).enumerate().for_each(|(task, rows)| {
            let mut parts = Vec::new();
            for (row, out) in rows.chunks_exact_mut(width).enumerate() {
                parts.clear();
                parts_of(task * ROWS_A_TASK + row, &mut parts);
                self.layers.decode(&parts, out);
                self.settings.loss().finish(out);
                self.scaling.invert(out);
            }
        });
        rows
    }
}

impl Usage {
    fn new(settings: &AutoencoderSettings) -> Result<Self> {
        Ok(Self {
            duty: DutyCycle::new(settings.units, settings.duty_period)?,
            balance: Balance::new(settings.units),
            idle: vec![0; settings.units],
            magnitudes: vec![0.0; settings.units],
            threshold: 0.0,
        })
    }

    fn take_from(settings: &AutoencoderSettings, state: &mut State) -> Result<Self> {
        let units = settings.units;
        let (duty, duty_samples) = (state.take_array("duty")?, state.take("duty_samples")?);
        let idle: Vec<u64> = state.take_array("idle")?;
        let usage = Self {
            duty: DutyCycle::from_parts(duty, settings.duty_period, duty_samples)?,
            balance: Balance::from_parts(state.take_array("bias")?, state.take("spread")?)?,
            idle,
            magnitudes: finite("magnitudes", state.take_array("magnitudes")?, units)?,
            threshold: state.take("threshold")?,
        };
        let lengths = [
            ("duty cycle", usage.duty.values().len()),
            ("bias", usage.balance.bias().len()),
            ("idle", usage.idle.len()),
        ];
        match lengths.into_iter().find(|(_, length)| *length != units) {
            Some((what, length)) => Err(Error::shape(what, units, length)),
            None => Ok(usage),
        }
    }

    fn push_to(&self, state: &mut State) {
        state.push("duty_samples", self.duty.samples());
        state.push("spread", self.balance.spread());
        state.push("threshold", self.threshold);
        state.push_array("duty", self.duty.values());
        state.push_array("bias", self.balance.bias());
        state.push_array("idle", &self.idle);
        state.push_array("magnitudes", &self.magnitudes);
    }
}

impl Encoder for Autoencoder {
    fn input_width(&self) -> usize {
        self.layers.width
    }

    fn units(&self) -> usize {
        self.settings.units
    }

    fn winners(&self) -> usize {
        self.settings.winners
    }

    fn encode_into(&self, rows: Rows<'_>, codes: &mut SdrBatch) -> Result<()> {
        super::encode_in_blocks(self, rows, codes, |block| self.encode_block(block))
    }
}

impl Decoder for Autoencoder {
    /// Every active unit counts with its [`Autoencoder::magnitudes`].
    fn decode(&self, codes: &SdrBatch) -> Result<Vec<f32>> {
        if codes.units() != self.settings.units {
            let expected = format!("{} units", self.settings.units);
            return Err(Error::shape("codes", expected, codes.units()));
        }
        Ok(self.decode_all(codes.len(), |row, parts| {
            let units = codes.get(row).indices();
            let magnitude = |unit: u32| self.usage.magnitudes[unit as usize];
            parts.extend(units.iter().map(|&unit| Weighted { row: unit, factor: magnitude(unit) }));
        }))
    }
}

impl Latents for Autoencoder {
    /// `wta` and `universal`: the activations of all units; `batch-topk`: those that reach
    /// [`Autoencoder::threshold`]; `binary`: the code; the others: the activations of the `alpha · k`
    /// winners.
    fn latents(&self, rows: Rows<'_>) -> Result<Vec<f32>> {
        rows.check_width("inputs to encode", self.layers.width)?;
        rows.check_finite("inputs to encode")?;
        let blocks: Vec<Rows<'_>> = rows.blocks(ROWS_A_TASK).collect();
        let latents: Vec<Vec<f32>> = blocks
            .par_iter()
            .map(|rows| {
                let (mut scores, mut scratch) = (self.scores(*rows), SelectScratch::default());
                for row in scores.chunks_exact_mut(self.settings.units) {
                    self.keep_latents(row, &mut scratch)?;
                }
                Ok(scores)
            })
            .collect::<Result<_>>()?;
        Ok(latents.concat())
    }

    fn reconstruct(&self, latents: Rows<'_>) -> Result<Vec<f32>> {
        latents.check_width("latents", self.settings.units)?;
        Ok(self.decode_all(latents.len(), |row, parts| {
            let values = latents.row(row).iter().enumerate().filter(|(_, value)| **value != 0.0);
            parts.extend(values.map(|(unit, &factor)| Weighted { row: unit as u32, factor }));
        }))
    }
}

impl Kind for Autoencoder {
    offers!(learner, decoder, latents);

    fn schedule(&self) -> Schedule {
        let AutoencoderSettings { epochs, batch, steps, seed, .. } = self.settings;
        Schedule {
            epochs,
            batch,
            first_batch: batch,
            steps: (steps > 0).then_some(steps),
            seed,
            balanced: false,
        }
    }

    fn filter(&self, unit: usize) -> Vec<f32> {
        self.filter(unit)
    }

    fn layers(&self) -> Vec<LayerView<'_>> {
        let view = |name: &str, weights| LayerView { name: name.to_owned(), weights, slopes: &[] };
        let encoder = view("encoder", &self.layers.encoder.values);
        let decoder = self.layers.decoder.as_ref();
        let decoder = decoder.map(|decoder| view("decoder", &decoder.values));
        [Some(encoder), decoder].into_iter().flatten().collect()
    }

    fn state(&self) -> State {
        let mut state = State::default();
        state.push("width", self.layers.width);
        state.push_image(self.image);
        state.push("all_steps", self.all_steps);
        state.push("samples", self.samples);
        state.push("steps", self.steps);
        self.layers.push_to(&mut state);
        self.scaling.push_to(&mut state);
        self.usage.push_to(&mut state);
        self.statistics.push_to(&mut state);
        state
    }
}

/// A square can only be covered in an image.
fn check_occlusion(settings: &AutoencoderSettings, image: Option<ImageShape>) -> Result<()> {
    match image {
        None if settings.occlusion > 0 => {
            Err(Error::setting("occlusion", "0, as the data are no images", settings.occlusion))
        }
        _ => Ok(()),
    }
}

/// Mean of each column, in `f64` and row order.
fn mean_of(rows: Rows<'_>) -> Vec<f32> {
    let mut sums = vec![0.0f64; rows.width()];
    for row in &rows {
        sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += f64::from(*value));
    }
    sums.into_iter().map(|sum| (sum / rows.len() as f64) as f32).collect()
}
