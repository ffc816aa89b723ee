//! `kwinners decode`: data or a picture from codes.

use std::path::{Path, PathBuf};

use clap::Args;
use kwinners::data::write_npy;
use kwinners::report::pictures::{FilterScale, filter_mosaic};
use kwinners::{Error, Rows, file};
use serde::Serialize;

use crate::output::Output;
use crate::pictures;
use crate::status::BadInput;

/// Most decoded rows that a picture shows.
const MOST_IMAGES: usize = 400;

/// What `kwinners decode` is asked for.
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// The model that made the codes
    #[arg(value_name = "MODEL.kw")]
    model: PathBuf,
    /// The codes: .kw, .npz, .npy or .parquet, as `encode` writes them
    #[arg(long, value_name = "CODES")]
    codes: PathBuf,
    /// File for what they stand for: .npy (all rows, `f32`) or .png (the first 400 as images)
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// The answer of `decode`.
#[derive(Serialize)]
struct Answer<'a> {
    len: usize,
    width: usize,
    out: &'a Path,
    bytes: u64,
}

pub(crate) fn run(arguments: &Arguments, output: &mut Output) -> anyhow::Result<()> {
    let out = &arguments.out;
    super::check_output(out, "what is decoded", &["npy", "png"])?;
    let saved = file::load_model(&arguments.model)?;
    let encoder = saved.model.encoder();
    let Some(decoder) = saved.model.decoder() else {
        let (path, kind) = (arguments.model.display(), saved.model.kind());
        return Err(Error::Unsupported(format!("{path}: a {kind} has no decoder")).into());
    };
    let codes = super::load_codes(&arguments.codes, Some(encoder.units()))?;
    let (len, width) = (codes.len(), encoder.input_width());
    let decoded = decoder.decode(&codes)?;
    if super::extension(out) == "npy" {
        write_npy(out, &decoded, &[len, width])?;
    } else {
        let shown = len.min(MOST_IMAGES);
        if shown == 0 {
            let reason = format!("{}: no codes, no picture", arguments.codes.display());
            return Err(BadInput(reason).into());
        }
        let rows = Rows::new(&decoded[..shown * width], width)?;
        let shape = pictures::shape(saved.about.image, width);
        filter_mosaic(rows, shape, FilterScale::Common)?.save_png(out)?;
    }
    let bytes = super::length_of(out)?;
    output.facts(&[
        ("codes", format!("{}, {len} codes", arguments.codes.display())),
        ("decoded", format!("{width} values each")),
        ("file", format!("{}, {bytes} bytes", out.display())),
    ])?;
    output.object(&Answer { len, width, out, bytes })
}
