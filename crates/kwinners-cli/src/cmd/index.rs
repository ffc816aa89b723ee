//! `kwinners index`: codes made searchable.

use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::{Args, ValueEnum};
use kwinners::Error;
use kwinners::file;
use kwinners::index::{Layout, SdrIndex};
use roaring::RoaringBitmap;
use serde::Serialize;

use crate::output::Output;
use crate::status::BadInput;

/// What `kwinners index` is asked for.
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// The codes: .kw, .npz, .parquet or .npy (packed bits, or indices with --units)
    #[arg(value_name = "CODES", required_unless_present_any = ["delete", "compact", "group"])]
    codes: Option<PathBuf>,
    /// The index
    #[arg(long, value_name = "INDEX.kw")]
    out: PathBuf,
    /// Add the codes to the index that is there; their ids go on from the last
    #[arg(long, conflicts_with = "layout")]
    append: bool,
    /// Delete the codes whose ids are in this file, one a line
    #[arg(long, value_name = "IDS", conflicts_with_all = ["append", "codes"])]
    delete: Option<PathBuf>,
    /// Write the index anew without what was deleted; ids stay as they are
    #[arg(long, conflicts_with_all = ["append", "codes"])]
    compact: bool,
    /// Put codes that share units side by side, which makes searches with --recall fast; also for an index
    /// that is there
    #[arg(long, conflicts_with_all = ["append", "delete"])]
    group: bool,
    /// Units of the codes, where their file does not say
    #[arg(long, value_name = "N")]
    units: Option<usize>,
    /// How the codes lie [default: what is faster for them]
    #[arg(long, value_enum)]
    layout: Option<LayoutName>,
}

/// The layouts by name.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum LayoutName {
    /// A bit for each unit and code: fast where many units are on
    Columns,
    /// The codes of each unit: small, and fast where few units are on
    Lists,
}

impl LayoutName {
    fn layout(self) -> Layout {
        match self {
            Self::Columns => Layout::Columns,
            Self::Lists => Layout::Lists,
        }
    }
}

/// The answer of `index`.
#[derive(Serialize)]
struct Answer<'a> {
    codes: usize,
    units: usize,
    added: usize,
    deleted: usize,
    next_id: u32,
    layout: Option<String>,
    grouped: bool,
    seconds: f64,
    out: &'a Path,
    bytes: u64,
}

pub(crate) fn run(arguments: &Arguments, output: &mut Output) -> anyhow::Result<()> {
    let out = &arguments.out;
    super::check_output(out, "the index", &["kw"])?;
    let begin = Instant::now();
    let waiting = output.spinner("index");
    let (added, deleted) = change(arguments, |what| waiting.set_message(what))?;
    waiting.finish_and_clear();
    let index = file::open_index(out)?;
    let layout = index.layout().map(|layout| format!("{layout:?}").to_lowercase());
    let answer = Answer {
        codes: index.len(),
        units: index.units(),
        added,
        deleted,
        next_id: index.next_id(),
        layout,
        grouped: index.is_grouped(),
        seconds: begin.elapsed().as_secs_f64(),
        out,
        bytes: super::length_of(out)?,
    };
    let layout = answer.layout.clone().unwrap_or_else(|| "none yet".to_owned());
    let grouped = if answer.grouped { ", grouped" } else { "" };
    if arguments.group && !answer.grouped {
        output.note("lists are always searched exactly: there is nothing to group");
    }
    output.facts(&[
        ("index", format!("{} codes of {} units", answer.codes, answer.units)),
        ("changed", format!("{added} added, {deleted} deleted, {:.2} s", answer.seconds)),
        ("layout", layout + grouped),
        ("file", format!("{}, {} bytes", out.display(), answer.bytes)),
    ])?;
    output.object(&answer)
}

/// Does what is asked for, and says before each step what it is; returns how many codes were added and deleted.
fn change(
    arguments: &Arguments,
    mut tell: impl FnMut(&'static str),
) -> anyhow::Result<(usize, usize)> {
    let out = &arguments.out;
    let (mut added, mut deleted) = (0, 0);
    if let Some(path) = &arguments.codes {
        tell("reading codes");
        added = add(path, arguments, &mut tell)?;
    }
    if let Some(path) = &arguments.delete {
        tell("deleting");
        deleted = file::delete_from_index(out, &read_ids(path)?)?;
    }
    if arguments.group && arguments.codes.is_none() {
        tell("grouping");
        file::group_index(out)?;
    } else if arguments.compact {
        tell("compacting");
        file::compact_index(out)?;
    }
    Ok((added, deleted))
}

/// Builds the index or adds to it; returns how many codes were added.
fn add(
    path: &Path,
    arguments: &Arguments,
    tell: &mut impl FnMut(&'static str),
) -> anyhow::Result<usize> {
    let out = &arguments.out;
    if arguments.append {
        let units = file::open_index(out)?.units();
        let codes = super::load_codes(path, Some(arguments.units.unwrap_or(units)))?;
        tell("adding");
        return Ok(file::append_to_index(out, &codes)?.len());
    }
    let codes = super::load_codes(path, arguments.units)?;
    tell("building");
    let mut index = match arguments.layout {
        Some(name) => SdrIndex::with_layout(codes.units(), name.layout())?,
        None => SdrIndex::new(codes.units())?,
    };
    index.add(&codes)?;
    if arguments.group {
        tell("grouping");
        index.group()?;
    }
    tell("writing");
    file::save_index(out, &index)?;
    Ok(codes.len())
}

/// The ids in a text file, one a line; empty lines are passed over.
pub(super) fn read_ids(path: &Path) -> anyhow::Result<RoaringBitmap> {
    let text = std::fs::read_to_string(path).map_err(Error::io(path))?;
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let ids = lines.map(|(number, line)| {
        line.trim().parse::<u32>().map_err(|_| {
            let place = format!("{}:{}", path.display(), number + 1);
            BadInput(format!("{place}: expected an id, a whole number, got `{}`", line.trim()))
                .into()
        })
    });
    ids.collect()
}
