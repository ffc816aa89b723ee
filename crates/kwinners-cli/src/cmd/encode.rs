//! `kwinners encode`: codes from data.

use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::{Args, ValueEnum};
use kwinners::data::{CodeFormat, write_codes};
use kwinners::file;
use serde::Serialize;

use crate::args::Shared;
use crate::fitting;
use crate::output::Output;
use crate::status::BadInput;

/// What `kwinners encode` is asked for.
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// The model
    #[arg(value_name = "MODEL.kw")]
    model: PathBuf,
    /// Data to encode: a known name or a path
    #[arg(long, value_name = "SPEC")]
    data: String,
    /// File for the codes: .kw, .npz (a sparse matrix for SciPy), .npy or .parquet (for DuckDB, Spark ...)
    #[arg(long, value_name = "CODES")]
    out: PathBuf,
    /// What an .npy file is to hold [default: packed]
    #[arg(long, value_enum)]
    format: Option<NpyFormat>,
}

/// The two ways to lay codes out in an .npy file.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum NpyFormat {
    /// A bit a unit, `u8` of shape (rows, units / 8), as `numpy.packbits` has it
    Packed,
    /// The units that are on, `u32` of shape (rows, winners)
    Index,
}

/// The answer of `encode`.
#[derive(Serialize)]
struct Answer<'a> {
    len: usize,
    units: usize,
    winners: usize,
    encode_per_s: f64,
    out: &'a Path,
    bytes: u64,
}

pub(crate) fn run(
    arguments: &Arguments,
    shared: &Shared,
    output: &mut Output,
) -> anyhow::Result<()> {
    let out = &arguments.out;
    super::check_output(out, "the codes", &super::CODE_ENDINGS)?;
    if arguments.format.is_some() && super::extension(out) != "npy" {
        let reason = format!("{}: --format is for .npy files", out.display());
        return Err(BadInput(reason).into());
    }
    let model = file::load_model(&arguments.model)?.model;
    let data = super::load(&arguments.data, shared)?;
    super::check_fits(&data, &arguments.model, &model)?;
    let begin = Instant::now();
    let codes = fitting::encode(output, "encoding", model.encoder(), data.rows())?;
    let seconds = begin.elapsed().as_secs_f64();
    match arguments.format {
        Some(NpyFormat::Index) => write_codes(out, &codes, CodeFormat::IndexNpy)?,
        _ => super::write_codes(out, &codes)?,
    }
    let answer = Answer {
        len: codes.len(),
        units: codes.units(),
        winners: model.encoder().winners(),
        encode_per_s: codes.len() as f64 / seconds,
        out,
        bytes: super::length_of(out)?,
    };
    output.facts(&[
        ("data", format!("{}, {} rows", data.name, answer.len)),
        ("code", format!("{} of {} units", answer.winners, answer.units)),
        ("speed", format!("{:.0} codes a second", answer.encode_per_s)),
        ("file", format!("{}, {} bytes", out.display(), answer.bytes)),
    ])?;
    output.object(&answer)
}
