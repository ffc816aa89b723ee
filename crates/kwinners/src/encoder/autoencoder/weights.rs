//! An autoencoder from weights learned elsewhere, and what inputs it expects.

use rayon::prelude::*;

use super::layers::{Layers, finite};
use super::{Autoencoder, AutoencoderSettings, mean_of};
use crate::encoder::{Encoder, InputScaling, Latents, ROWS_A_TASK, State};
use crate::error::{Error, Result};
use crate::net::Parameter;
use crate::rows::Rows;

/// The learned values of an autoencoder.
#[derive(Clone, Debug, PartialEq)]
pub struct AutoencoderWeights {
    /// `W_enc`, `(n, width)` row-major.
    pub encoder: Vec<f32>,
    /// `b_enc`, `(n,)`.
    pub encoder_bias: Vec<f32>,
    /// `W_dec`, `(n, width)` row-major.
    pub decoder: Vec<f32>,
    /// `b_dec`, `(width,)`.
    pub decoder_bias: Vec<f32>,
}

/// What the inputs of a fit were like, so that inputs of another kind are noticed.
#[derive(Clone, Debug, PartialEq)]
pub struct InputStatistics {
    /// Mean of the lengths of the inputs.
    pub mean_length: f32,
    /// Mean input, `(width,)`.
    pub mean: Vec<f32>,
}

/// How far lengths and means may be off, as a share of the expected length.
const TOLERANCE: f32 = 0.25;

impl InputStatistics {
    /// The statistics of `rows`; zeros if there are none.
    pub fn of(rows: Rows<'_>) -> Self {
        if rows.is_empty() {
            return Self { mean_length: 0.0, mean: vec![0.0; rows.width()] };
        }
        let length = |row: &[f32]| f64::from(row.iter().map(|x| x * x).sum::<f32>().sqrt());
        let mean_length = rows.iter().map(length).sum::<f64>() / rows.len() as f64;
        Self { mean_length: mean_length as f32, mean: mean_of(rows) }
    }

    /// Refuses rows of another width, or whose mean length, or mean, is off by more than a quarter of
    /// the expected mean length: they come from another source or were scaled in another way.
    ///
    /// ```
    /// use kwinners::encoder::InputStatistics;
    /// use kwinners::Rows;
    /// let expected = InputStatistics::of(Rows::new(&[3.0, 4.0, -3.0, 4.0], 2)?);
    /// assert_eq!(expected.mean_length, 5.0);
    /// assert!(expected.check(Rows::new(&[4.0, 3.0, -3.0, 5.0], 2)?).is_ok());
    /// let error = expected.check(Rows::new(&[0.6, 0.8], 2)?).unwrap_err();
    /// assert_eq!(error.to_string(), "mean length of the inputs: expected 5, got 1");
    /// # Ok::<(), kwinners::Error>(())
    /// ```
    ///
    /// Where nothing is known, `mean_length` being 0, only the width counts.
    ///
    /// # Errors
    /// If they are refused.
    pub fn check(&self, rows: Rows<'_>) -> Result<()> {
        rows.check_width("inputs", self.mean.len())?;
        if self.mean_length == 0.0 {
            return Ok(());
        }
        let found = Self::of(rows);
        let most = TOLERANCE * self.mean_length;
        if (found.mean_length - self.mean_length).abs() > most {
            let (expected, got) = (self.mean_length, found.mean_length);
            return Err(Error::shape("mean length of the inputs", expected, got));
        }
        let pairs = self.mean.iter().zip(&found.mean);
        let apart = pairs.map(|(a, b)| (a - b) * (a - b)).sum::<f32>().sqrt();
        if apart > most {
            let expected = format!("at most {most} from the mean of the training inputs");
            return Err(Error::shape("mean of the inputs", expected, apart));
        }
        Ok(())
    }

    pub(super) fn push_to(&self, state: &mut State) {
        state.push("mean_length", self.mean_length);
        state.push_array("inputmean", &self.mean);
    }

    pub(super) fn take_from(width: usize, state: &mut State) -> Result<Self> {
        let mean = finite("inputmean", state.take_array("inputmean")?, width)?;
        Ok(Self { mean_length: state.take("mean_length")?, mean })
    }
}

impl Autoencoder {
    /// An autoencoder with `weights` learned elsewhere, for inputs like `statistics`; it has not seen
    /// any sample, and knows no magnitudes until [`Autoencoder::learn_magnitudes`].
    ///
    /// # Errors
    /// If a setting is out of range, the decoder is tied, inputs are scaled, or an array is of another
    /// length or holds NaN or infinity.
    pub fn from_weights(
        settings: AutoencoderSettings,
        weights: AutoencoderWeights,
        statistics: InputStatistics,
    ) -> Result<Self> {
        if settings.tied || settings.input != InputScaling::Raw {
            let reason = "weights from elsewhere need an untied decoder and raw inputs";
            return Err(Error::Unsupported(reason.to_owned()));
        }
        let (units, width) = (settings.units, weights.decoder_bias.len());
        let optimiser = settings.optimiser();
        let zeros = vec![0.0; width];
        let mut model = Self::new(settings, Rows::new(&zeros, width)?)?;
        let parameter = |name, values, length| -> Result<Parameter> {
            Ok(Parameter::new(finite(name, values, length)?, &optimiser))
        };
        model.layers = Layers {
            width,
            encoder: parameter("W_enc", weights.encoder, units * width)?,
            encoder_bias: parameter("b_enc", weights.encoder_bias, units)?,
            decoder: Some(parameter("W_dec", weights.decoder, units * width)?),
            decoder_bias: parameter("b_dec", weights.decoder_bias, width)?,
        };
        model.statistics = InputStatistics {
            mean: finite("mean of the inputs", statistics.mean, width)?,
            ..statistics
        };
        Ok(model)
    }

    /// The learned values; a tied decoder is the encoder's.
    pub fn weights(&self) -> AutoencoderWeights {
        AutoencoderWeights {
            encoder: self.layers.encoder.values.clone(),
            encoder_bias: self.layers.encoder_bias.values.clone(),
            decoder: self.layers.decoder_values().to_vec(),
            decoder_bias: self.layers.decoder_bias.values.clone(),
        }
    }

    /// What the inputs of the fit were like.
    pub fn statistics(&self) -> &InputStatistics {
        &self.statistics
    }

    /// Sets the magnitudes, `(n,)`: what decoding gives each active unit.
    ///
    /// # Errors
    /// If there is not one finite number a unit.
    pub fn set_magnitudes(&mut self, magnitudes: Vec<f32>) -> Result<()> {
        self.usage.magnitudes = finite("magnitudes", magnitudes, self.settings.units)?;
        Ok(())
    }

    /// Learns the magnitudes from `rows`, `(len, width)`: the mean of each unit's activation over the
    /// rows that it is among the winners of, 0 for units that never are.
    ///
    /// # Errors
    /// If the rows have another width or hold NaN or infinity.
    pub fn learn_magnitudes(&mut self, rows: Rows<'_>) -> Result<()> {
        let units = self.settings.units;
        let blocks: Vec<Rows<'_>> = rows.blocks(ROWS_A_TASK).collect();
        let found: Vec<_> = blocks
            .par_iter()
            .map(|rows| Ok((self.encode(*rows)?, self.latents(*rows)?)))
            .collect::<Result<_>>()?;
        let (mut sums, mut wins) = (vec![0.0f64; units], vec![0u32; units]);
        for (codes, latents) in &found {
            for (code, latents) in codes.iter().zip(latents.chunks_exact(units)) {
                for &unit in code.indices() {
                    sums[unit as usize] += f64::from(latents[unit as usize]);
                    wins[unit as usize] += 1;
                }
            }
        }
        let means = sums.iter().zip(wins).map(|(sum, wins)| (sum / f64::from(wins.max(1))) as f32);
        self.set_magnitudes(means.collect())
    }
}
