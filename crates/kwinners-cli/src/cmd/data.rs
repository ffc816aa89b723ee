//! `kwinners data`: which data sets there are, fetching them, looking into one.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use kwinners::data::{self, DataDirs, KnownSet};
use kwinners::{Dataset, Error};
use serde::Serialize;

use crate::args::Shared;
use crate::download::{Downloader, Fetched, SOURCES, SourceSet};
use crate::interrupt;
use crate::output::{Counts, Output};
use crate::status::BadInput;

/// What to do with data sets.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// The data sets that are known by name, and where they were found
    List,
    /// Fetch a known data set: checked, and going on where an earlier try stopped
    Get {
        /// `mnist` or `fashion-mnist`
        name: String,
        /// Ask this address instead of the usual mirrors
        #[arg(long, value_name = "URL")]
        mirror: Option<String>,
    },
    /// What is in a data set
    Info {
        /// A known name (`mnist:test[0..100]`) or a path, labels after a comma
        spec: String,
    },
}

pub(crate) fn run(verb: &Verb, shared: &Shared, output: &mut Output) -> anyhow::Result<()> {
    match verb {
        Verb::List => list(&DataDirs::standard(shared.data_dir.as_deref()), output),
        Verb::Get { name, mirror } => get(name, mirror.as_deref(), shared, output),
        Verb::Info { spec } => info(&super::load(spec, shared)?, output),
    }
}

/// A known data set in the answer of `data list`.
#[derive(Serialize)]
struct Listed {
    name: &'static str,
    what: &'static str,
    splits: &'static [&'static str],
    licence: &'static str,
    files: &'static str,
    downloadable: bool,
    /// The data folder that has it; `null` for a set that is not here or needs no files.
    folder: Option<PathBuf>,
    here: bool,
}

fn list(dirs: &DataDirs, output: &mut Output) -> anyhow::Result<()> {
    let sets: Vec<Listed> = data::known().iter().map(|set| listed(set, dirs)).collect();
    let rows: Vec<Vec<String>> = sets.iter().map(row_of).collect();
    output.table(&["name", "splits", "where", "what"], &rows)?;
    output.object(&serde_json::json!({ "sets": sets }))
}

fn listed(set: &KnownSet, dirs: &DataDirs) -> Listed {
    let folder = dirs.folders.iter().find(|folder| holds(folder, set.files)).cloned();
    Listed {
        name: set.name,
        what: set.what,
        splits: set.splits,
        licence: set.licence,
        files: set.files,
        downloadable: set.downloadable,
        here: set.files.is_empty() || folder.is_some(),
        folder,
    }
}

fn row_of(set: &Listed) -> Vec<String> {
    let place = match &set.folder {
        Some(folder) => folder.display().to_string(),
        None if set.here => "built in".to_owned(),
        None if set.downloadable => format!("kwinners data get {}", set.name),
        None => format!("not found: {}", set.files),
    };
    vec![set.name.to_owned(), set.splits.join(" "), place, set.what.to_owned()]
}

/// Whether `folder` has a file that starts as the pattern `files` does, such as `mnist/{train,..}`.
fn holds(folder: &Path, files: &str) -> bool {
    let fixed = files.split(['{', '[']).next().unwrap_or_default();
    let Some((inner, start)) = fixed.rsplit_once('/') else { return false };
    let Ok(entries) = std::fs::read_dir(folder.join(inner)) else { return false };
    entries.flatten().any(|entry| entry.file_name().to_string_lossy().starts_with(start))
}

/// A file in the answer of `data get`.
#[derive(Serialize)]
struct Got {
    name: &'static str,
    bytes: u64,
    fetched: Fetched,
}

fn get(
    name: &str,
    mirror: Option<&str>,
    shared: &Shared,
    output: &mut Output,
) -> anyhow::Result<()> {
    let set = source_of(name)?;
    let folder = target_folder(shared)?.join(set.name);
    let usual = || set.mirrors.iter().map(|&mirror| mirror.to_owned()).collect();
    let mirrors = mirror.map_or_else(usual, |mirror| vec![mirror.to_owned()]);
    let downloader = Downloader::new(mirrors, interrupt::flag());
    let mut got = Vec::new();
    for file in set.files {
        let bar = output.progress(file.name, file.bytes, Counts::Bytes);
        let fetched = downloader.fetch(file, &folder, &mut |bytes| bar.set_position(bytes));
        bar.finish_and_clear();
        got.push(Got { name: file.name, bytes: file.bytes, fetched: fetched? });
    }
    let rows: Vec<Vec<String>> = got
        .iter()
        .map(|file| {
            let how = match file.fetched {
                Fetched::Present => "was there",
                Fetched::Downloaded => "downloaded",
                Fetched::Resumed => "resumed",
            };
            vec![file.name.to_owned(), file.bytes.to_string(), how.to_owned()]
        })
        .collect();
    output.table(&["file", "bytes", "checksum right"], &rows)?;
    output.line(format!("in {}", folder.display()))?;
    output.object(&serde_json::json!({ "name": set.name, "folder": folder, "files": got }))
}

/// The source of a data set; a known set that can't be fetched says how it is laid out.
fn source_of(name: &str) -> anyhow::Result<&'static SourceSet> {
    if let Some(set) = SOURCES.iter().find(|set| set.name == name) {
        return Ok(set);
    }
    let fetchable: Vec<&str> = SOURCES.iter().map(|set| set.name).collect();
    match data::known().iter().find(|set| set.name == name) {
        Some(set) if set.files.is_empty() => {
            Err(BadInput(format!("`{name}` is built in: there is nothing to fetch")).into())
        }
        Some(set) => Err(BadInput(format!(
            "`{name}` can't be fetched (only {}); put its files into a data folder as {}",
            fetchable.join(" and "),
            set.files
        ))
        .into()),
        None => Err(Error::unknown_name("data set", name, &fetchable).into()),
    }
}

/// Where fetched files go: `--data-dir`, else `$KWINNERS_DATA`, else the user's data folder.
fn target_folder(shared: &Shared) -> anyhow::Result<PathBuf> {
    let dirs = DataDirs::standard(shared.data_dir.as_deref());
    let first = dirs.folders.into_iter().next();
    first.ok_or_else(|| {
        BadInput("no home folder to put data into: name one with --data-dir DIR".to_owned()).into()
    })
}

/// The answer of `data info`.
#[derive(Serialize)]
struct Info {
    name: String,
    len: usize,
    width: usize,
    /// Pixels across, pixels down, channels.
    image: Option<[usize; 3]>,
    min: f32,
    max: f32,
    mean: f64,
    /// Share of the values that are not 0.
    nonzero: f64,
    classes: Vec<ClassCount>,
}

#[derive(Serialize)]
struct ClassCount {
    label: usize,
    class: String,
    count: usize,
}

fn info(data: &Dataset, output: &mut Output) -> anyhow::Result<()> {
    let info = info_of(data);
    output.line(&info.name)?;
    let image = info.image.map(|[width, height, channels]| {
        format!(", images of {width} x {height} with {channels} channel(s)")
    });
    output.line(format!("{} rows of {}{}", info.len, info.width, image.unwrap_or_default()))?;
    let (min, max, mean, nonzero) = (info.min, info.max, info.mean, info.nonzero);
    output.line(format!("values {min} to {max}, mean {mean:.4}, not zero {nonzero:.4}"))?;
    if info.classes.is_empty() {
        output.line("no labels")?;
    } else {
        let rows: Vec<Vec<String>> = info
            .classes
            .iter()
            .map(|class| {
                vec![class.label.to_string(), class.count.to_string(), class.class.clone()]
            })
            .collect();
        output.table(&["label", "count", "class"], &rows)?;
    }
    output.object(&info)
}

fn info_of(set: &Dataset) -> Info {
    let rows = set.rows();
    let values = rows.values();
    let sum: f64 = values.iter().map(|&value| f64::from(value)).sum();
    let nonzero = values.iter().filter(|&&value| value != 0.0).count();
    let share = |part: f64| if values.is_empty() { 0.0 } else { part / values.len() as f64 };
    let mut counts = vec![0; set.classes.len()];
    for &label in set.labels.iter().flatten() {
        counts[label as usize] += 1;
    }
    let classes = set.classes.iter().zip(counts).enumerate();
    Info {
        name: set.name.clone(),
        len: set.len(),
        width: set.width(),
        image: set.image.map(|image| [image.width, image.height, image.channels]),
        min: values.iter().copied().reduce(f32::min).unwrap_or(0.0),
        max: values.iter().copied().reduce(f32::max).unwrap_or(0.0),
        mean: share(sum),
        nonzero: share(nonzero as f64),
        classes: classes
            .map(|(label, (class, count))| ClassCount { label, class: class.clone(), count })
            .collect(),
    }
}
