//! Sparse autoencoders in the form that other programs use: a folder of `cfg.json` and
//! `sae.safetensors`.
//!
//! | tensor | layout `saelens` | layout `linear` |
//! |---|---|---|
//! | encoder | `W_enc`, `(d_in, d_sae)` | `encoder.weight`, `(d_sae, d_in)` |
//! | its bias | `b_enc`, `(d_sae,)` | `encoder.bias`, `(d_sae,)` |
//! | decoder | `W_dec`, `(d_sae, d_in)` | `W_dec`, `(d_sae, d_in)` |
//! | its bias | `b_dec`, `(d_in,)` | `b_dec`, `(d_in,)` |
//!
//! `saelens` is what SAELens writes, `linear` what EleutherAI's sparsify does. `cfg.json` has `d_in`,
//! `d_sae` (also `num_latents`), `k`, and whether the encoder sees `x - b_dec`
//! (`apply_b_dec_to_input`, true where it is missing). Under `kwinners` it also has what the inputs
//! were like and the magnitudes that decoding codes needs.

use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde_json::{Value, json};

use crate::data::replace;
use crate::encoder::{
    Activation, Autoencoder, AutoencoderSettings, AutoencoderWeights, Boosting, InputScaling,
    InputStatistics, LatentSelection, LossKind,
};
use crate::error::{Error, Result};

const CONFIG: &str = "cfg.json";
const TENSORS: &str = "sae.safetensors";
/// How SAELens names the file.
const OTHER_TENSORS: &str = "sae_weights.safetensors";

/// How the encoder's weights lie in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SaeLayout {
    /// `W_enc` and `b_enc`, a column a unit, as in SAELens.
    SaeLens,
    /// `encoder.weight` and `encoder.bias`, a row a unit, as in sparsify.
    Linear,
}

/// Writes `model` to the folder `dir`, which is made if it is missing.
///
/// # Errors
/// If the model does what the form can't say (anything but the `k` largest positive activations of
/// raw inputs), or the folder can't be written.
pub fn save_sae(dir: &Path, model: &Autoencoder, layout: SaeLayout) -> Result<()> {
    check_expressible(model)?;
    let config = config_of(model, layout);
    let bytes = tensors_of(&model.weights(), layout)?;
    std::fs::create_dir_all(dir).map_err(Error::io(dir))?;
    replace(&dir.join(TENSORS), |file| std::io::Write::write_all(file, &bytes))?;
    let text = serde_json::to_string_pretty(&config).expect("plain values");
    replace(&dir.join(CONFIG), |file| std::io::Write::write_all(file, text.as_bytes()))
}

/// Reads an autoencoder that [`save_sae`], SAELens or sparsify wrote to the folder `dir`.
///
/// # Errors
/// If a file is missing, damaged or of another form, the two disagree, or the autoencoder is not one
/// that keeps the `k` largest activations.
pub fn load_sae(dir: &Path) -> Result<Autoencoder> {
    let config = dir.join(CONFIG);
    let config = Config::read(&config)?;
    let path = [TENSORS, OTHER_TENSORS].map(|name| dir.join(name));
    let path = path.iter().find(|path| path.exists()).unwrap_or(&path[0]);
    let bytes = std::fs::read(path).map_err(Error::io(path))?;
    let tensors = SafeTensors::deserialize(&bytes)
        .map_err(|wrong| Error::format(path, "safetensors", "whole tensors", wrong))?;
    let mut weights = Tensors { path, tensors, config: &config }.weights()?;
    if config.flag("rescale_acts_by_decoder_norm") == Some(true) {
        move_lengths(&mut weights);
    }
    let settings = config.settings()?;
    let statistics = config.statistics(&weights)?;
    let mut model = Autoencoder::from_weights(settings, weights, statistics)?;
    if let Some(magnitudes) = config.numbers("magnitudes")? {
        model.set_magnitudes(magnitudes)?;
    }
    Ok(model)
}

/// Refuses what the form has no word for.
fn check_expressible(model: &Autoencoder) -> Result<()> {
    let settings = model.settings();
    let picks_k = matches!(
        settings.selection,
        LatentSelection::TopK | LatentSelection::BatchTopK | LatentSelection::Matryoshka
    );
    let reason = if !picks_k {
        "only topk, batch-topk and matryoshka autoencoders can be exported"
    } else if settings.activation != Activation::Relu {
        "the form knows the activation relu only"
    } else if settings.boosting != Boosting::None {
        "the form has no place for boosting"
    } else if settings.input != InputScaling::Raw {
        "the form has no place for the scaling of inputs"
    } else if settings.loss == LossKind::Bce {
        "the form has no place for sigmoid outputs"
    } else {
        return Ok(());
    };
    Err(Error::Unsupported(reason.to_owned()))
}

fn config_of(model: &Autoencoder, layout: SaeLayout) -> Value {
    let (settings, statistics) = (model.settings(), model.statistics());
    let width = statistics.mean.len();
    json!({
        "architecture": "topk",
        "activation": "topk",
        "d_in": width,
        "d_sae": settings.units,
        "num_latents": settings.units,
        "k": settings.winners,
        "dtype": "float32",
        "device": "cpu",
        "apply_b_dec_to_input": settings.subtract_bias,
        "normalize_activations": "none",
        "normalize_decoder": settings.unit_decoder,
        "kwinners": {
            "layout": match layout { SaeLayout::SaeLens => "saelens", SaeLayout::Linear => "linear" },
            "mean_length": statistics.mean_length,
            "mean": statistics.mean,
            "magnitudes": model.magnitudes(),
        },
    })
}

fn tensors_of(weights: &AutoencoderWeights, layout: SaeLayout) -> Result<Vec<u8>> {
    let (units, width) = (weights.encoder_bias.len(), weights.decoder_bias.len());
    let bytes = |values: &[f32]| values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
    let (names, shape, encoder) = match layout {
        SaeLayout::SaeLens => {
            let across = transposed(&weights.encoder, width);
            (["W_enc", "b_enc"], vec![width, units], bytes(&across))
        }
        SaeLayout::Linear => {
            (["encoder.weight", "encoder.bias"], vec![units, width], bytes(&weights.encoder))
        }
    };
    let parts = [
        (names[0], shape, encoder),
        (names[1], vec![units], bytes(&weights.encoder_bias)),
        ("W_dec", vec![units, width], bytes(&weights.decoder)),
        ("b_dec", vec![width], bytes(&weights.decoder_bias)),
    ];
    let views: Result<Vec<_>, _> = parts
        .iter()
        .map(|(name, shape, bytes)| {
            TensorView::new(Dtype::F32, shape.clone(), bytes).map(|view| (*name, view))
        })
        .collect();
    let written = views.and_then(|views| safetensors::serialize(views, None));
    written.map_err(|wrong| Error::Unsupported(format!("weights as safetensors: {wrong}")))
}

/// `(rows, columns)` as `(columns, rows)`.
fn transposed(values: &[f32], columns: usize) -> Vec<f32> {
    let rows = values.len() / columns.max(1);
    (0..values.len()).map(|place| values[place % rows * columns + place / rows]).collect()
}

/// Gives all decoder rows length 1 without changing any reconstruction, nor, where activations are
/// ranked by what they add to it, any selection.
fn move_lengths(weights: &mut AutoencoderWeights) {
    let width = weights.decoder_bias.len();
    let rows = weights.decoder.chunks_exact_mut(width).zip(weights.encoder.chunks_exact_mut(width));
    for ((decoder, encoder), bias) in rows.zip(&mut weights.encoder_bias) {
        let length = decoder.iter().map(|value| value * value).sum::<f32>().sqrt();
        if length > 0.0 {
            decoder.iter_mut().for_each(|value| *value /= length);
            encoder.iter_mut().for_each(|value| *value *= length);
            *bias *= length;
        }
    }
}

/// `cfg.json`.
struct Config<'a> {
    path: &'a Path,
    values: Value,
}

impl<'a> Config<'a> {
    fn read(path: &'a Path) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(Error::io(path))?;
        let values: Value = serde_json::from_slice(&bytes)
            .map_err(|wrong| Error::format(path, "JSON", "an object", wrong))?;
        if !values.is_object() {
            return Err(Error::format(path, "JSON", "an object", "something else"));
        }
        Ok(Self { path, values })
    }

    fn wrong(&self, expected: impl std::fmt::Display, got: impl std::fmt::Display) -> Error {
        Error::format(self.path, "autoencoder", expected, got)
    }

    /// The first of `keys` that is a whole number.
    fn size(&self, keys: &[&str]) -> Result<usize> {
        let found = keys.iter().find_map(|key| self.values[*key].as_u64());
        let found = found.or_else(|| self.values["activation_fn_kwargs"][keys[0]].as_u64());
        let size = found.and_then(|size| usize::try_from(size).ok()).filter(|size| *size > 0);
        size.ok_or_else(|| self.wrong(format!("a number above 0 for `{}`", keys[0]), "none"))
    }

    fn flag(&self, key: &str) -> Option<bool> {
        self.values[key].as_bool()
    }

    fn width(&self) -> Result<usize> {
        self.size(&["d_in"])
    }

    /// The number of units: given, or by the factor over the width.
    fn units(&self) -> Result<usize> {
        let given = self.size(&["d_sae", "num_latents"]);
        let factor = self.size(&["expansion_factor"]);
        match (given, factor) {
            (Ok(units), _) => Ok(units),
            (Err(_), Ok(factor)) => self
                .width()?
                .checked_mul(factor)
                .ok_or_else(|| self.wrong("a possible `expansion_factor`", factor)),
            (missing, _) => missing,
        }
    }

    /// What the file asks for, as far as it can be done here.
    fn settings(&self) -> Result<AutoencoderSettings> {
        let kind = self.values["architecture"].as_str().or(self.values["activation"].as_str());
        if kind.is_some_and(|kind| !["topk", "batchtopk", "matryoshka_batchtopk"].contains(&kind)) {
            return Err(self.wrong("the architecture `topk`", kind.unwrap_or_default()));
        }
        let scaling = self.values["normalize_activations"].as_str().unwrap_or("none");
        if scaling != "none" {
            return Err(self.wrong("`normalize_activations` of `none`", scaling));
        }
        for key in ["transcode", "skip_connection"] {
            if self.flag(key) == Some(true) {
                return Err(self.wrong("an autoencoder", format!("`{key}`")));
            }
        }
        Ok(AutoencoderSettings {
            units: self.units()?,
            winners: self.size(&["k"])?,
            epochs: 1,
            subtract_bias: self.flag("apply_b_dec_to_input").unwrap_or(true),
            unit_decoder: self.flag("normalize_decoder").unwrap_or(false),
            ..AutoencoderSettings::default()
        })
    }

    /// A list of numbers of ours, if it is there.
    fn numbers(&self, key: &str) -> Result<Option<Vec<f32>>> {
        let value = &self.values["kwinners"][key];
        if value.is_null() {
            return Ok(None);
        }
        let list = value.as_array().map(|list| list.iter().map(Value::as_f64).collect());
        let numbers: Option<Vec<f64>> = list.flatten();
        let numbers = numbers.ok_or_else(|| self.wrong(format!("numbers for `{key}`"), value))?;
        Ok(Some(numbers.into_iter().map(|number| number as f32).collect()))
    }

    /// What the inputs were like. Where another program wrote the file, all that is known is that
    /// `b_dec` stands for their mean.
    fn statistics(&self, weights: &AutoencoderWeights) -> Result<InputStatistics> {
        let length = self.values["kwinners"]["mean_length"].as_f64();
        match (length, self.numbers("mean")?) {
            (Some(length), Some(mean)) => Ok(InputStatistics { mean_length: length as f32, mean }),
            _ => Ok(InputStatistics {
                mean_length: 0.0,
                mean: vec![0.0; weights.decoder_bias.len()],
            }),
        }
    }
}

/// The tensors beside what the configuration says of them.
struct Tensors<'a> {
    path: &'a Path,
    tensors: SafeTensors<'a>,
    config: &'a Config<'a>,
}

impl Tensors<'_> {
    fn weights(&self) -> Result<AutoencoderWeights> {
        let (units, width) = (self.config.units()?, self.config.width()?);
        let (tall, wide) = ([units, width], [width, units]);
        // Where both sizes are the same, the name alone says how the weights lie.
        let encoder = match self.tensors.tensor("W_enc") {
            Ok(tensor) if tensor.shape() == wide => {
                transposed(&self.numbers("W_enc", &wide)?, units)
            }
            Ok(_) => self.numbers("W_enc", &tall)?,
            Err(_) => self.numbers("encoder.weight", &tall)?,
        };
        let decoder = match self.tensors.tensor("W_dec") {
            Ok(_) => self.numbers("W_dec", &tall)?,
            Err(_) => transposed(&self.numbers("decoder.weight", &wide)?, units),
        };
        let either = |names: [&'static str; 2], length: usize| {
            let present = names.iter().find(|name| self.tensors.tensor(name).is_ok());
            self.numbers(present.unwrap_or(&names[0]), &[length])
        };
        Ok(AutoencoderWeights {
            encoder,
            encoder_bias: either(["b_enc", "encoder.bias"], units)?,
            decoder,
            decoder_bias: either(["b_dec", "decoder.bias"], width)?,
        })
    }

    /// The numbers of a tensor, which must have `shape`.
    fn numbers(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        let wrong =
            |expected: String, got: String| Error::format(self.path, "safetensors", expected, got);
        let tensor = self.tensors.tensor(name);
        let tensor = tensor.map_err(|_| wrong(format!("a tensor `{name}`"), "none".to_owned()))?;
        if tensor.shape() != shape {
            let expected = format!("`{name}` of shape {shape:?}");
            return Err(wrong(expected, format!("{:?}", tensor.shape())));
        }
        numbers_of(&tensor).ok_or_else(|| {
            let expected = format!("`{name}` of F32, F16, BF16 or F64");
            wrong(expected, format!("{:?}", tensor.dtype()))
        })
    }
}

fn numbers_of(tensor: &TensorView<'_>) -> Option<Vec<f32>> {
    fn each<const N: usize>(bytes: &[u8], number: impl Fn([u8; N]) -> f32) -> Option<Vec<f32>> {
        Some(bytes.as_chunks().0.iter().map(|bytes| number(*bytes)).collect())
    }
    let bytes = tensor.data();
    match tensor.dtype() {
        Dtype::F32 => each(bytes, f32::from_le_bytes),
        Dtype::F16 => each(bytes, |bytes| half::f16::from_le_bytes(bytes).to_f32()),
        Dtype::BF16 => each(bytes, |bytes| half::bf16::from_le_bytes(bytes).to_f32()),
        Dtype::F64 => each(bytes, |bytes| f64::from_le_bytes(bytes) as f32),
        _ => None,
    }
}
