//! `kwinners encode`: codes from data.

use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::{Args, ValueEnum};
use kwinners::data::{CodeFormat, write_codes};
use kwinners::{SdrBatch, file};
use serde_json::json;

use crate::args::Shared;
use crate::output::Output;
use crate::status::BadInput;

/// Turn data into codes.
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// The model
    #[arg(value_name = "MODEL.kw")]
    model: PathBuf,
    /// Data to encode: a known name or a path
    #[arg(long, value_name = "SPEC")]
    data: String,
    /// File for the codes: .kw, .npz (SciPy CSR) or .npy
    #[arg(long, value_name = "CODES")]
    out: PathBuf,
    /// What an .npy file holds
    #[arg(long, value_enum, default_value_t = Layout::Packed)]
    layout: Layout,
}

/// The two ways to lay codes out in an .npy file.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Layout {
    /// `(len, n / 8)` bytes, in the bit order of `numpy.packbits`
    Packed,
    /// `(len, k)` numbers: the active units of each code
    Index,
}

pub(crate) fn run(
    arguments: &Arguments,
    shared: &Shared,
    output: &mut Output,
) -> anyhow::Result<()> {
    super::check_writable(&arguments.out)?;
    let format = format_of(&arguments.out, arguments.layout)?;
    let saved = file::load_model(&arguments.model)?;
    let data = super::load(&arguments.data, shared)?;
    let spinner = output.spinner();
    spinner.set_message(format!("encoding {}", data.name));
    let start = Instant::now();
    let codes = saved.model.encoder().encode(data.rows())?;
    let seconds = start.elapsed().as_secs_f64().max(1e-9);
    spinner.finish_and_clear();
    write(&arguments.out, &codes, format)?;
    let out = &arguments.out;
    let bytes = std::fs::metadata(out).map_err(kwinners::Error::io(out))?.len();
    let per_s = codes.len() as f64 / seconds;
    let (units, winners) = (codes.units(), saved.model.encoder().winners());
    output.line(format_args!("codes  {} of {winners} of {units} units", codes.len()))?;
    output.line(format_args!("speed  {per_s:.0} a second"))?;
    output.line(format_args!("file   {} ({bytes} bytes)", out.display()))?;
    output.object(&json!({
        "len": codes.len(), "units": units, "winners": winners,
        "encode_per_s": per_s, "out": out, "bytes": bytes,
    }))
}

/// The interchange format of `path`; none for our own.
fn format_of(path: &Path, layout: Layout) -> anyhow::Result<Option<CodeFormat>> {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("kw") => Ok(None),
        Some("npz") => Ok(Some(CodeFormat::CsrNpz)),
        Some("npy") => Ok(Some(match layout {
            Layout::Packed => CodeFormat::PackedNpy,
            Layout::Index => CodeFormat::IndexNpy,
        })),
        _ => {
            let reason = format!("{}: codes go to .kw, .npz or .npy files", path.display());
            Err(BadInput(reason).into())
        }
    }
}

fn write(path: &Path, codes: &SdrBatch, format: Option<CodeFormat>) -> kwinners::Result<()> {
    match format {
        None => file::save_codes(path, codes),
        Some(format) => write_codes(path, codes, format),
    }
}
