//! `kwinners export` and `kwinners import`: autoencoders of other programs.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use kwinners::encoder::{Encoder, Model};
use kwinners::file::{self, About, SaeLayout, SavedModel};
use serde::Serialize;

use crate::args::Shared;
use crate::output::Output;
use crate::status::BadInput;

/// What `kwinners export` is asked for.
#[derive(Args, Debug)]
pub(crate) struct Export {
    /// The model: a topk, batch-topk or matryoshka autoencoder
    #[arg(value_name = "MODEL.kw")]
    model: PathBuf,
    /// Folder for cfg.json and sae.safetensors
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// How the encoder's weights are named and laid out
    #[arg(long, value_enum, default_value_t = Layout::Saelens)]
    layout: Layout,
}

/// The layouts in use.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Layout {
    /// `W_enc`, a column a unit, as in `SAELens`
    Saelens,
    /// `encoder.weight`, a row a unit, as in sparsify
    Linear,
}

/// What `kwinners import` is asked for.
#[derive(Args, Debug)]
pub(crate) struct Import {
    /// Folder with cfg.json and sae.safetensors
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// File for the model
    #[arg(long, value_name = "MODEL.kw")]
    out: PathBuf,
    /// Data like those that it was made for: compared with what it expects, and used to learn how
    /// strongly its units are active, which decoding codes needs
    #[arg(long, value_name = "SPEC")]
    data: Option<String>,
}

/// The answer of both.
#[derive(Serialize)]
struct Answer<'a> {
    width: usize,
    units: usize,
    winners: usize,
    out: &'a Path,
}

pub(crate) fn export(arguments: &Export, output: &mut Output) -> anyhow::Result<()> {
    let saved = file::load_model(&arguments.model)?;
    let Model::Autoencoder(model) = &saved.model else {
        let (path, kind) = (arguments.model.display(), saved.model.kind());
        return Err(BadInput(format!("{path}: only autoencoders are exported, not {kind}")).into());
    };
    let layout = match arguments.layout {
        Layout::Saelens => SaeLayout::SaeLens,
        Layout::Linear => SaeLayout::Linear,
    };
    file::save_sae(&arguments.out, model, layout)?;
    say(output, model.as_ref(), &arguments.out)
}

pub(crate) fn import(
    arguments: &Import,
    shared: &Shared,
    output: &mut Output,
) -> anyhow::Result<()> {
    super::check_output(&arguments.out, "the model", &["kw"])?;
    let mut model = file::load_sae(&arguments.folder)?;
    let mut about = About::default();
    if let Some(spec) = &arguments.data {
        let data = super::load(spec, shared)?;
        model.statistics().check(data.rows())?;
        model.learn_magnitudes(data.rows())?;
        about = About::of(&data);
    } else if model.magnitudes().iter().all(|magnitude| *magnitude == 0.0) {
        output
            .note("how strongly units are active is not known: codes decode to b_dec (see --data)");
    }
    let saved = SavedModel { model: Model::from(model), about, checkpoint: None };
    file::save_model(&arguments.out, &saved)?;
    say(output, saved.model.encoder(), &arguments.out)
}

fn say(output: &mut Output, encoder: &dyn Encoder, out: &Path) -> anyhow::Result<()> {
    let (width, units, winners) = (encoder.input_width(), encoder.units(), encoder.winners());
    output.facts(&[
        ("inputs", format!("{width} values each")),
        ("code", format!("{winners} of {units} units")),
        ("written", out.display().to_string()),
    ])?;
    output.object(&Answer { width, units, winners, out })
}
