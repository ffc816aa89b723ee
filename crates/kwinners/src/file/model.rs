//! Models and checkpoints in `.kw` files.

use std::path::Path;

use super::container::{self, Reader};
use super::fields::{self, Fields};
use crate::data::{Dataset, ImageShape};
use crate::encoder::{Model, State};
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
        row.iter().for_each(|value| crc.update(&value.to_le_bytes()));
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
    let state = saved.model.state();
    state.numbers.iter().for_each(|(key, value)| about.push(key, value));
    let mut sections = vec![("about", about.to_bytes()), ("settings", settings.to_bytes())];
    sections.extend(state.arrays.iter().map(|(name, bytes)| (name.as_str(), bytes.clone())));
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
    let mut arrays = Vec::new();
    while let Some(name) = reader.next_section().map(str::to_owned) {
        let bytes = reader.section(&name)?;
        arrays.push((name, bytes));
    }
    let state = State { numbers: fields.into_pairs(), arrays };
    let model = Model::from_state(&kind, &settings, state);
    let model = model.map_err(|wrong| reader.nonsense("settings", wrong))?;
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
