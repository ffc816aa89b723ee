//! Models and checkpoints in `.kw` files.

use std::path::Path;

use super::container::{self, Reader};
use super::fields::{self, Fields, f32_bytes, read_f32};
use crate::data::{Dataset, ImageShape};
use crate::encoder::{Model, RandomProjection, RandomProjectionSettings};
use crate::encoder::{RandomProjectionState, Tied, TiedSettings, TiedState};
use crate::error::Result;
use crate::train::Position;

/// A model as a file holds it.
#[derive(Clone, Debug)]
pub struct SavedModel {
    /// The model.
    pub model: Model,
    /// Where it comes from.
    pub about: About,
    /// How far its fit has come, if the file is a checkpoint.
    pub checkpoint: Option<Checkpoint>,
}

/// What a file says of a model besides the model.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// Name of the data that it was fitted to.
    pub data: String,
    /// Number of rows of that data.
    pub data_len: usize,
    /// How an input is laid out as an image, where it is one.
    pub image: Option<ImageShape>,
}

/// A place in a fit, and what it needs to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The place.
    pub position: Position,
    /// CRC-32 of the training inputs: a fit can only go on with the same data.
    pub data_crc32: u32,
}

impl About {
    /// What is to be said of a model fitted to `data`.
    pub fn of(data: &Dataset) -> Self {
        Self { data: data.name.clone(), data_len: data.len(), image: data.image }
    }
}

impl Checkpoint {
    /// The checkpoint of a fit to `data` that has come to `position`.
    pub fn new(position: Position, data: &Dataset) -> Self {
        Self { position, data_crc32: data_crc32(data) }
    }

    /// Whether `data` is what the fit was going through.
    pub fn is_of(&self, data: &Dataset) -> bool {
        self.data_crc32 == data_crc32(data)
    }
}

fn data_crc32(data: &Dataset) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    for row in &data.rows() {
        crc.update(&f32_bytes(row));
    }
    crc.finalize()
}

/// Saves a model, or a checkpoint, to `path`, in place of what is there.
///
/// The same model gives the same bytes: no clock, no machine and no thread count goes in.
///
/// # Errors
/// If the file can't be written; what was at `path` is then still there.
pub fn save_model(path: &Path, saved: &SavedModel) -> Result<()> {
    let mut about = Fields::default();
    about.push("content", "model");
    about.push("kind", saved.model.kind());
    about.push("data", &saved.about.data);
    about.push("data_len", saved.about.data_len);
    if let Some(image) = saved.about.image {
        let shape = format!("{}x{}x{}", image.channels, image.height, image.width);
        about.push("image", shape);
    }
    if let Some(checkpoint) = &saved.checkpoint {
        about.push("epoch", checkpoint.position.epoch);
        about.push("sample", checkpoint.position.sample);
        about.push("data_crc32", checkpoint.data_crc32);
    }
    let mut settings = Fields::default();
    saved.model.settings().iter().for_each(|(key, value)| settings.push(key, value));
    let arrays = match &saved.model {
        Model::RandomProjection(model) => {
            let state = model.state();
            about.push("width", state.width);
            vec![("weights", state.weights), ("mean", state.mean), ("factor", state.factor)]
        }
        Model::Tied(model) => {
            let state = model.state();
            about.push("width", state.width);
            about.push("samples", state.samples);
            about.push("steps", state.steps);
            about.push("duty_samples", state.duty_samples);
            about.push("spread_bits", state.spread.to_bits());
            vec![
                ("weights", state.weights),
                ("mean", state.mean),
                ("factor", state.factor),
                ("duty", state.duty),
                ("bias", state.bias),
            ]
        }
    };
    let mut sections = vec![("about", about.to_bytes()), ("settings", settings.to_bytes())];
    sections.extend(arrays.into_iter().map(|(name, values)| (name, f32_bytes(&values))));
    container::write(path, &sections)
}

/// Loads a model, or a checkpoint, that [`save_model`] saved.
///
/// # Errors
/// [`crate::Error::Damaged`] if the file is not just as it was saved, or holds something else.
pub fn load_model(path: &Path) -> Result<SavedModel> {
    let (mut reader, mut fields) = fields::open(path, "model")?;
    let kind: String = fields.require(&reader, "about", "kind")?;
    let about = About {
        data: fields.require(&reader, "about", "data")?,
        data_len: fields.require(&reader, "about", "data_len")?,
        image: fields.take("image").map(|text| parse_image(&reader, &text)).transpose()?,
    };
    let checkpoint = read_checkpoint(&reader, &mut fields)?;
    let bytes = reader.section("settings")?;
    let settings = Fields::parse(&reader, "settings", &bytes)?.into_pairs();
    let model = match kind.as_str() {
        "random-projection" => read_random_projection(&mut reader, &mut fields, &settings)?,
        "tied" => read_tied(&mut reader, &mut fields, &settings)?,
        _ => return Err(reader.nonsense("about", format!("kind `{kind}` is not known"))),
    };
    fields.finish(&reader, "about")?;
    reader.finish()?;
    Ok(SavedModel { model, about, checkpoint })
}

fn read_checkpoint(reader: &Reader, fields: &mut Fields) -> Result<Option<Checkpoint>> {
    let Some(epoch) = fields.take("epoch") else { return Ok(None) };
    let wrong = |_| reader.nonsense("about", format!("`epoch` can't be `{epoch}`"));
    let epoch = epoch.parse().map_err(wrong)?;
    let sample = fields.require(reader, "about", "sample")?;
    let data_crc32 = fields.require(reader, "about", "data_crc32")?;
    Ok(Some(Checkpoint { position: Position { epoch, sample }, data_crc32 }))
}

fn parse_image(reader: &Reader, text: &str) -> Result<ImageShape> {
    let sizes: Option<Vec<usize>> = text.split('x').map(|size| size.parse().ok()).collect();
    match sizes.as_deref() {
        Some(&[channels, height, width]) => Ok(ImageShape { width, height, channels }),
        _ => Err(reader.nonsense("about", format!("`image` can't be `{text}`"))),
    }
}

fn read_random_projection(
    reader: &mut Reader,
    about: &mut Fields,
    settings: &[(String, String)],
) -> Result<Model> {
    let mut chosen = RandomProjectionSettings::default();
    for (key, value) in settings {
        chosen.set(key, value).map_err(|wrong| reader.nonsense("settings", wrong))?;
    }
    let state = RandomProjectionState {
        width: about.require(reader, "about", "width")?,
        weights: read_f32(reader, "weights")?,
        mean: read_f32(reader, "mean")?,
        factor: read_f32(reader, "factor")?,
    };
    let model = RandomProjection::from_state(chosen, state);
    Ok(Model::RandomProjection(model.map_err(|wrong| reader.nonsense("weights", wrong))?))
}

fn read_tied(
    reader: &mut Reader,
    about: &mut Fields,
    settings: &[(String, String)],
) -> Result<Model> {
    let mut chosen = TiedSettings::default();
    for (key, value) in settings {
        chosen.set(key, value).map_err(|wrong| reader.nonsense("settings", wrong))?;
    }
    let state = TiedState {
        width: about.require(reader, "about", "width")?,
        samples: about.require(reader, "about", "samples")?,
        steps: about.require(reader, "about", "steps")?,
        duty_samples: about.require(reader, "about", "duty_samples")?,
        spread: f32::from_bits(about.require(reader, "about", "spread_bits")?),
        weights: read_f32(reader, "weights")?,
        mean: read_f32(reader, "mean")?,
        factor: read_f32(reader, "factor")?,
        duty: read_f32(reader, "duty")?,
        bias: read_f32(reader, "bias")?,
    };
    let model = Tied::from_state(chosen, state);
    Ok(Model::Tied(Box::new(model.map_err(|wrong| reader.nonsense("weights", wrong))?)))
}
