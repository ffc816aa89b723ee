//! `kwinners decode`: data or a picture from codes.

use std::path::PathBuf;

use clap::Args;
use kwinners::data::write_npy;
use kwinners::report::pictures::{FilterScale, filter_mosaic, vector_shape};
use kwinners::{Error, Rows, file};
use serde_json::json;

use crate::output::Output;
use crate::status::BadInput;

/// Most decoded images that a picture shows.
const MOST_IMAGES: usize = 400;

/// Turn codes back into data or a picture.
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// The model that made the codes
    #[arg(value_name = "MODEL.kw")]
    model: PathBuf,
    /// The codes: .kw, .npz or .npy
    #[arg(long, value_name = "CODES")]
    codes: PathBuf,
    /// File for what they stand for: .npy (all rows) or .png (the first 400 as images)
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

pub(crate) fn run(arguments: &Arguments, output: &mut Output) -> anyhow::Result<()> {
    let out = &arguments.out;
    super::check_writable(out)?;
    let extension = out.extension().and_then(|extension| extension.to_str());
    if !matches!(extension, Some("npy" | "png")) {
        let reason = format!("{}: decoded rows go to .npy or .png files", out.display());
        return Err(BadInput(reason).into());
    }
    let saved = file::load_model(&arguments.model)?;
    let encoder = saved.model.encoder();
    let Some(decoder) = saved.model.decoder() else {
        let reason =
            format!("{}: a {} has no decoder", arguments.model.display(), saved.model.kind());
        return Err(Error::Unsupported(reason).into());
    };
    let codes = super::load_codes(&arguments.codes, Some(encoder.units()))?;
    let decoded = decoder.decode(&codes)?;
    let width = encoder.input_width();
    if extension == Some("npy") {
        write_npy(out, &decoded, &[codes.len(), width])?;
    } else {
        if codes.is_empty() {
            return Err(BadInput("no codes, no picture".to_owned()).into());
        }
        let shown = codes.len().min(MOST_IMAGES);
        let image = saved.about.image.unwrap_or_else(|| vector_shape(width));
        let rows = Rows::new(&decoded[..shown * width], width)?;
        filter_mosaic(rows, image, FilterScale::MinMax)?.save_png(out)?;
    }
    output.line(format_args!("decoded  {} codes to {width} values each", codes.len()))?;
    output.line(format_args!("file     {}", out.display()))?;
    output.object(&json!({ "len": codes.len(), "width": width, "out": out }))
}
