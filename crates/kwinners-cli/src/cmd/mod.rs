//! One file a verb.

pub(crate) mod data;
pub(crate) mod decode;
pub(crate) mod demo;
pub(crate) mod encode;
pub(crate) mod eval;
pub(crate) mod fit;
pub(crate) mod inspect;
pub(crate) mod reproduce;

use std::path::Path;

use anyhow::Context;
use kwinners::data::{self as data_sets, DataDirs, Spec};
use kwinners::{Dataset, SdrBatch, file};

use crate::args::{Arguments, Command, Shared};
use crate::output::Output;
use crate::status::BadInput;

/// Does what the command line asks.
pub(crate) fn run(arguments: &Arguments, output: &mut Output) -> anyhow::Result<()> {
    if let Some(threads) = arguments.shared.threads {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads.get());
        pool.build_global().context("can't start the worker threads")?;
    }
    let shared = &arguments.shared;
    match &arguments.command {
        Command::Demo(arguments) => demo::run(arguments, output),
        Command::Fit(arguments) => fit::run(arguments, shared, output),
        Command::Encode(arguments) => encode::run(arguments, shared, output),
        Command::Decode(arguments) => decode::run(arguments, output),
        Command::Eval(arguments) => eval::run(arguments, shared, output),
        Command::Inspect(arguments) => inspect::run(arguments, output),
        Command::Data(verb) => data::run(verb, shared, output),
        Command::Reproduce(arguments) => reproduce::run(arguments, shared, output),
    }
}

/// The data set that `spec` names.
pub(crate) fn load(spec: &str, shared: &Shared) -> anyhow::Result<Dataset> {
    let dirs = DataDirs::standard(shared.data_dir.as_deref());
    Ok(data_sets::load(&Spec::parse(spec)?, &dirs)?)
}

/// Codes from a file of any of our formats; `units` where the file does not say.
pub(crate) fn load_codes(path: &Path, units: Option<usize>) -> anyhow::Result<SdrBatch> {
    let is_kw = path.extension().is_some_and(|extension| extension == "kw");
    Ok(if is_kw { file::load_codes(path)? } else { data_sets::read_codes(path, units)? })
}

/// Refuses an output file that could not be written in the end, before any work is done.
pub(crate) fn check_writable(path: &Path) -> anyhow::Result<()> {
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    if !folder.is_dir() {
        let reason = format!("{}: there is no folder {}", path.display(), folder.display());
        return Err(BadInput(reason).into());
    }
    if path.is_dir() {
        return Err(BadInput(format!("{}: is a folder, not a file", path.display())).into());
    }
    let probe = folder.join(format!(".kwinners-{}.tmp", std::process::id()));
    std::fs::write(&probe, []).map_err(kwinners::Error::io(path))?;
    std::fs::remove_file(&probe).map_err(kwinners::Error::io(&probe))?;
    Ok(())
}
