//! Codes as they are asked for: by a file of codes, or by data and the model that encodes it.

use std::path::Path;

use kwinners::encoder::Model;
use kwinners::file::{self, SavedModel};
use kwinners::{Dataset, Error, SdrBatch};

use crate::args::Shared;
use crate::cmd;
use crate::fitting;
use crate::output::Output;

/// One side of the pairs.
pub(super) struct Side {
    pub(super) codes: SdrBatch,
    /// What was encoded, where the codes did not come from a file.
    pub(super) data: Option<Dataset>,
}

/// A model, and where it comes from.
pub(super) struct Named<'a> {
    path: &'a Path,
    pub(super) saved: SavedModel,
}

impl<'a> Named<'a> {
    pub(super) fn load(path: &'a Path) -> anyhow::Result<Self> {
        Ok(Self { path, saved: file::load_model(path)? })
    }

    pub(super) fn model(&self) -> &Model {
        &self.saved.model
    }
}

impl Side {
    /// The codes that `text` names: a file, or data for `model` to encode. `units` is what they must
    /// have, where that is known.
    pub(super) fn load(
        text: &str,
        model: Option<&Named<'_>>,
        units: Option<usize>,
        (shared, output): (&Shared, &Output),
    ) -> anyhow::Result<Self> {
        let Some(named) = model else {
            return Ok(Self { codes: cmd::load_codes(Path::new(text), units)?, data: None });
        };
        let encoder = named.model().encoder();
        if let Some(units) = units.filter(|&units| units != encoder.units()) {
            let what = format!("codes of {}", named.path.display());
            return Err(Error::shape(what, format!("{units} units"), encoder.units()).into());
        }
        let data = cmd::load(text, shared)?;
        cmd::check_fits(&data, named.path, named.model())?;
        let codes = fitting::encode(output, "encoding", encoder, data.rows())?;
        Ok(Self { codes, data: Some(data) })
    }
}
