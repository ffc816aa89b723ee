//! The two layers: where they start, how they score and decode, how they come back from a file.

use super::super::State;
use super::settings::{AutoencoderSettings, FirstWeights, OptimiserKind};
use crate::error::{Error, Result};
use crate::kernel::{self, product, vectors::Weighted};
use crate::net::Parameter;
use crate::rng::Rng;
use crate::rows::Rows;

/// `score = W_enc x + b_enc` and `r = W_decᵀ z + b_dec`; both matrices are `(n, width)`, a row a unit.
#[derive(Clone, Debug)]
pub(super) struct Layers {
    pub(super) width: usize,
    pub(super) encoder: Parameter,
    pub(super) encoder_bias: Parameter,
    /// `None` where the decoder is the encoder's transpose.
    pub(super) decoder: Option<Parameter>,
    pub(super) decoder_bias: Parameter,
}

impl Layers {
    /// The layers before anything is learned; the bias of the decoder starts at `bias`, `(width,)`.
    pub(super) fn new(settings: &AutoencoderSettings, bias: Vec<f32>) -> Self {
        let (units, width) = (settings.units, bias.len());
        let optimiser = settings.optimiser();
        let mut rng = Rng::of_stream(settings.seed, 0);
        let limit = (6.0 / (units + width) as f32).sqrt();
        let mut draw = || -> Vec<f32> {
            match settings.first_weights {
                FirstWeights::Glorot => {
                    (0..units * width).map(|_| rng.between(-limit, limit)).collect()
                }
                FirstWeights::Small => (0..units * width).map(|_| 0.01 * rng.normal()).collect(),
                FirstWeights::Directions => {
                    let mut rows: Vec<f32> = (0..units * width).map(|_| rng.normal()).collect();
                    rows.chunks_exact_mut(width).for_each(to_length_1);
                    rows
                }
            }
        };
        let encoder = draw();
        let decoder = match settings.first_weights {
            _ if settings.tied => None,
            FirstWeights::Directions => Some(encoder.clone()),
            _ => Some(draw()),
        };
        let parameter = |values| Parameter::new(values, &optimiser);
        let decoder = decoder.map(|mut rows: Vec<f32>| {
            if settings.unit_decoder {
                rows.chunks_exact_mut(width).for_each(to_length_1);
            }
            parameter(rows)
        });
        Self {
            width,
            encoder: parameter(encoder),
            encoder_bias: parameter(vec![0.0; units]),
            decoder,
            decoder_bias: parameter(bias),
        }
    }

    /// `W_enc`, `(n, width)`.
    pub(super) fn encoder_rows(&self) -> Rows<'_> {
        Rows::new(&self.encoder.values, self.width).expect("whole rows")
    }

    /// `W_dec`, `(n, width)`.
    pub(super) fn decoder_values(&self) -> &[f32] {
        &self.decoder.as_ref().unwrap_or(&self.encoder).values
    }

    /// Scores of `inputs`, `(len, n)`.
    pub(super) fn scores(&self, inputs: Rows<'_>, out: &mut Vec<f32>) {
        out.clear();
        for _ in 0..inputs.len() {
            out.extend_from_slice(&self.encoder_bias.values);
        }
        product::add_product_transposed(inputs, self.encoder_rows(), out);
    }

    /// `out = b_dec + Σ factor · W_dec[unit]`, before the loss finishes it.
    pub(super) fn decode(&self, parts: &[Weighted], out: &mut [f32]) {
        out.copy_from_slice(&self.decoder_bias.values);
        (kernel::table().add_weighted_rows)(self.decoder_values(), parts, out);
    }

    pub(super) fn push_to(&self, state: &mut State) {
        let mut push = |name: &str, parameter: &Parameter| {
            state.push_array(name, &parameter.values);
            state.push_array(&format!("{name}first"), &parameter.first);
            state.push_array(&format!("{name}second"), &parameter.second);
        };
        push("wenc", &self.encoder);
        push("benc", &self.encoder_bias);
        if let Some(decoder) = &self.decoder {
            push("wdec", decoder);
        }
        push("bdec", &self.decoder_bias);
    }

    /// The layers as [`Layers::push_to`] saved them.
    pub(super) fn take_from(
        settings: &AutoencoderSettings,
        width: usize,
        state: &mut State,
    ) -> Result<Self> {
        let units = settings.units;
        let Some(weights) = units.checked_mul(width).filter(|_| width > 0) else {
            return Err(Error::shape("width", "at least 1 value", width));
        };
        let mut take = |name: &str, length: usize| -> Result<Parameter> {
            let mut part = |suffix: &str, length: usize| {
                let name = format!("{name}{suffix}");
                finite(&name, state.take_array(&name)?, length)
            };
            let values = part("", length)?;
            let first = part("first", length)?;
            let second =
                part("second", if settings.optimiser == OptimiserKind::Adam { length } else { 0 })?;
            Ok(Parameter { values, first, second, peak: Vec::new() })
        };
        let encoder = take("wenc", weights)?;
        let encoder_bias = take("benc", units)?;
        let decoder = if settings.tied { None } else { Some(take("wdec", weights)?) };
        let decoder_bias = take("bdec", width)?;
        Ok(Self { width, encoder, encoder_bias, decoder, decoder_bias })
    }
}

/// Refuses another length, NaN and infinity.
pub(super) fn finite(name: &str, values: Vec<f32>, length: usize) -> Result<Vec<f32>> {
    if values.len() != length {
        return Err(Error::shape(name, length, values.len()));
    }
    match values.iter().find(|value| !value.is_finite()) {
        Some(value) => Err(Error::shape(name, "finite numbers", value)),
        None => Ok(values),
    }
}

/// Scales `row` to length 1; a row of zeros stays.
pub(super) fn to_length_1(row: &mut [f32]) {
    let length = row.iter().map(|value| value * value).sum::<f32>().sqrt();
    if length > 0.0 {
        row.iter_mut().for_each(|value| *value /= length);
    }
}
