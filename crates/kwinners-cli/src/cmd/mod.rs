//! One file a verb.

pub(crate) mod compare;
pub(crate) mod data;
pub(crate) mod decode;
pub(crate) mod demo;
pub(crate) mod encode;
pub(crate) mod eval;
pub(crate) mod experiment;
pub(crate) mod explain;
pub(crate) mod fit;
pub(crate) mod index;
pub(crate) mod inspect;
pub(crate) mod interchange;
pub(crate) mod memory;
pub(crate) mod reproduce;
pub(crate) mod search;
pub(crate) mod serve;

use std::path::Path;

use anyhow::Context;
use kwinners::data::{self as data_sets, CodeFormat, DataDirs, Spec};
use kwinners::encoder::Model;
use kwinners::{Dataset, Error, SdrBatch, file};

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
        Command::Compare(arguments) => compare::run(arguments, output),
        Command::Serve(arguments) => serve::run(arguments, shared, output),
        Command::Export(arguments) => interchange::export(arguments, output),
        Command::Import(arguments) => interchange::import(arguments, shared, output),
        Command::Index(arguments) => index::run(arguments, output),
        Command::Search(arguments) => search::run(arguments, shared, output),
        Command::Inspect(arguments) => inspect::run(arguments, output),
        Command::Explain(arguments) => explain::run(arguments, shared, output),
        Command::Memory(verb) => memory::run(verb, shared, output),
        Command::Data(verb) => data::run(verb, shared, output),
        Command::Experiment(arguments) => experiment::run(arguments, shared, output),
        Command::Reproduce(arguments) => reproduce::run(arguments, shared, output),
    }
}

/// What the name of a file of codes may end in.
pub(crate) const CODE_ENDINGS: [&str; 4] = ["kw", "npz", "npy", "parquet"];

/// The data set that `spec` names.
pub(crate) fn load(spec: &str, shared: &Shared) -> anyhow::Result<Dataset> {
    Ok(loader(shared)(spec)?)
}

/// What finds data by its SPEC, as every verb does.
pub(crate) fn loader(shared: &Shared) -> impl Fn(&str) -> kwinners::Result<Dataset> + use<> {
    let dirs = DataDirs::standard(shared.data_dir.as_deref());
    #[cfg(feature = "onnx")]
    let backbone = shared.backbone.clone();
    move |spec| {
        let data = data_sets::load(&Spec::parse(spec)?, &dirs)?;
        #[cfg(feature = "onnx")]
        if let Some(path) = &backbone {
            return crate::backbone::pass(path, data);
        }
        Ok(data)
    }
}

/// Refuses data that the model at `path` can't take.
pub(crate) fn check_fits(data: &Dataset, path: &Path, model: &Model) -> kwinners::Result<()> {
    let what = format!("{} for {}", data.name, path.display());
    data.rows().check_width(&what, model.encoder().input_width())
}

/// Codes from a file of any of our formats; `units` where the file does not say.
pub(crate) fn load_codes(path: &Path, units: Option<usize>) -> anyhow::Result<SdrBatch> {
    if extension(path) != "kw" {
        return Ok(data_sets::read_codes(path, units)?);
    }
    let codes = file::load_codes(path)?;
    match units {
        Some(units) if units != codes.units() => {
            let what = format!("codes in {}", path.display());
            Err(Error::shape(what, format!("{units} units"), codes.units()).into())
        }
        _ => Ok(codes),
    }
}

/// Writes codes in the format that the ending of `path` names; `.npy` as packed bits.
pub(crate) fn write_codes(path: &Path, codes: &SdrBatch) -> anyhow::Result<()> {
    if extension(path) == "kw" {
        return Ok(file::save_codes(path, codes)?);
    }
    Ok(data_sets::write_codes(path, codes, CodeFormat::of_path(path)?)?)
}

/// What the name of `path` ends in, in lower case; empty if it has no ending.
pub(crate) fn extension(path: &Path) -> String {
    let extension = path.extension().unwrap_or_default();
    extension.to_string_lossy().to_ascii_lowercase()
}

/// The length of a file that was just written, in bytes.
pub(crate) fn length_of(path: &Path) -> anyhow::Result<u64> {
    Ok(std::fs::metadata(path).map_err(Error::io(path))?.len())
}

/// Refuses an output file that could not be written in the end, before any work is done: its name
/// must end in one of `endings`, and its folder must be there and take files.
pub(crate) fn check_output(path: &Path, what: &str, endings: &[&str]) -> anyhow::Result<()> {
    let refuse = |reason: String| Err(BadInput(format!("{}: {reason}", path.display())).into());
    if path == Path::new("-") {
        return refuse(format!("{what} can't go to standard output: name a file"));
    }
    if !endings.contains(&extension(path).as_str()) {
        let endings: Vec<String> = endings.iter().map(|ending| format!(".{ending}")).collect();
        return refuse(format!("{what} must have a name that ends in {}", endings.join(" or ")));
    }
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    if !folder.is_dir() {
        return refuse(format!("there is no folder {}", folder.display()));
    }
    if path.is_dir() {
        return refuse("this is a folder, not a file".to_owned());
    }
    let probe = folder.join(format!(".kwinners.{}.tmp", std::process::id()));
    std::fs::write(&probe, []).map_err(Error::io(path))?;
    std::fs::remove_file(&probe).map_err(Error::io(&probe))?;
    Ok(())
}
