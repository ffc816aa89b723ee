//! `kwinners compare`: the reports of several runs side by side.

use std::path::{Path, PathBuf};

use clap::Args;
use kwinners::Error;
use kwinners_dashboard::{Side, compare_page, compare_rows, read_curve};
use serde_json::{Value, json};

use crate::output::Output;
use crate::page;
use crate::status::BadInput;

/// What `kwinners compare` is asked for.
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// Reports: what `eval --json` printed, or a folder with report.json, as `demo` leaves it
    #[arg(value_name = "RUN", required = true, num_args = 2..)]
    runs: Vec<PathBuf>,
    /// Write the comparison as one page that needs no network
    #[arg(long, value_name = "FILE.html")]
    report: Option<PathBuf>,
}

pub(crate) fn run(arguments: &Arguments, output: &mut Output) -> anyhow::Result<()> {
    if let Some(page) = &arguments.report {
        super::check_output(page, "the page", &["html"])?;
    }
    let sides: Vec<Side> =
        arguments.runs.iter().map(|path| side(path)).collect::<Result<_, _>>()?;
    // The page checks what it is given, so it is made even where nobody wants it.
    let page = compare_page(&sides, &page::provenance())?;
    if let Some(path) = &arguments.report {
        std::fs::write(path, page).map_err(Error::io(path))?;
    }
    let names = sides.iter().map(|side| side.name.as_str());
    let headings: Vec<&str> = std::iter::once("").chain(names).collect();
    output.table(&headings, &compare_rows(&sides))?;
    output.line(
        "\n* the best of its line; whether a difference means anything only several seeds tell",
    )?;
    if let Some(path) = &arguments.report {
        output.line(format_args!("page\n  {}", path.display()))?;
    }
    let runs = sides.iter().map(|side| json!({ "name": side.name, "report": side.report }));
    output.object(&json!({ "runs": runs.collect::<Vec<_>>(), "page": arguments.report }))
}

/// The run that `path` names, with the log that lies beside its report.
fn side(path: &Path) -> anyhow::Result<Side> {
    let (file, logs) = match path.is_dir() {
        true => (path.join("report.json"), [path.join("model.jsonl"), path.join("report.jsonl")]),
        false => {
            (path.to_owned(), [path.with_extension("jsonl"), path.with_file_name("model.jsonl")])
        }
    };
    let text = std::fs::read(&file).map_err(Error::io(&file))?;
    let report: Value = serde_json::from_slice(&text).map_err(|error| {
        BadInput(format!(
            "{}: expected a report, as `eval --json` prints it: {error}",
            file.display()
        ))
    })?;
    let log = logs.iter().find(|log| log.is_file());
    let curve = log.map(|log| read_curve(log)).transpose()?.unwrap_or_default();
    let name = if path.is_dir() { path.to_owned() } else { path.with_extension("") };
    let name = name.display().to_string();
    Ok(Side { name, report, curve })
}
