//! The networks that tables are about: presets of the classifier, fitted, or taken from a folder.

use std::path::Path;

use anyhow::bail;
use kwinners::encoder::{Classify, Model};
use kwinners::file::{self, About, SavedModel};
use kwinners::train::{Position, StopReason};
use kwinners::{Dataset, Error};
use serde::Serialize;

use super::Arguments;
use crate::fitting;
use crate::output::Output;
use crate::status::BadInput;

/// A row of a table.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Net {
    pub(super) label: &'static str,
    pub(super) preset: &'static str,
}

/// The numbers of those of `nets` that are asked for; the first one's always.
pub(super) fn asked(nets: &[Net], arguments: &Arguments) -> kwinners::Result<Vec<usize>> {
    let Some(list) = &arguments.rows else { return Ok((0..nets.len()).collect()) };
    let known: Vec<&str> = nets.iter().map(|net| net.preset).collect();
    let mut asked = vec![0];
    for name in list.split(',').map(str::trim) {
        let number = known.iter().position(|preset| *preset == name);
        asked.push(number.ok_or_else(|| Error::unknown_name("row", name, &known))?);
    }
    asked.sort_unstable();
    asked.dedup();
    Ok(asked)
}

impl Net {
    /// The network of one seed, fitted to `train`; where the models are kept, one that is there is not fitted again.
    pub(super) fn fitted(
        &self,
        seed: u64,
        train: &Dataset,
        arguments: &Arguments,
        output: &Output,
    ) -> anyhow::Result<Model> {
        let settings = [("preset", self.preset.to_owned()), ("seed", seed.to_string())];
        let settings = settings.map(|(key, value)| (key.to_owned(), value));
        let mut model = Model::new("classifier", &settings, train.inputs())?;
        let folder = arguments.models.as_deref();
        let path = folder.map(|folder| folder.join(format!("{}-{seed}.kw", self.preset)));
        if let Some(path) = path.as_deref().filter(|path| path.exists()) {
            return load(path, &model, train);
        }
        output.note(format_args!("{}, seed {seed}", self.label));
        let (every, look) = (&mut |_: &_, _: &_, _| Ok(()), &mut |_: &_, _: &_, _| Ok(()));
        let fitted = fitting::fit(output, &mut model, train, Position::default(), (every, look))?;
        if fitted.reason == StopReason::Asked {
            bail!("stopped before the table was done");
        }
        let (Some(path), Some(folder)) = (path, folder) else { return Ok(model) };
        std::fs::create_dir_all(folder).map_err(Error::io(folder))?;
        let saved = SavedModel { model, about: About::of(train), checkpoint: None };
        file::save_model(&path, &saved)?;
        Ok(saved.model)
    }
}

/// The model of `path`, which has to be what `like` becomes when it is fitted to `train`.
fn load(path: &Path, like: &Model, train: &Dataset) -> anyhow::Result<Model> {
    let saved = file::load_model(path)?;
    // A preset only says what the others are.
    let settings = |model: &Model| {
        let mut settings = model.settings();
        settings.retain(|(key, _)| *key != "preset");
        settings
    };
    let same = saved.model.kind() == like.kind() && settings(&saved.model) == settings(like);
    if !same || saved.about != About::of(train) || saved.checkpoint.is_some() {
        let (path, data) = (path.display(), &train.name);
        let reason = format!("{path} was fitted with other settings, or not to {data}: remove it");
        return Err(BadInput(reason).into());
    }
    Ok(saved.model)
}

/// The model as what tells classes.
pub(super) fn reader(model: &Model) -> &dyn Classify {
    model.classifier().expect("the kind classifies")
}
