//! `kwinners memory store`: pairs into a memory.

use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;
use kwinners::{AssociativeMemory, file};
use serde::Serialize;

use super::side::{Named, Side};
use super::{code_size, percent};
use crate::args::Shared;
use crate::cmd;
use crate::output::Output;

/// What `kwinners memory store` is asked for.
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// The memory: made if it is not there, else added to
    #[arg(value_name = "MEMORY.kw")]
    memory: PathBuf,
    /// What is shown at recall: a file of codes (.kw, .npz, .npy, .parquet), or with --model data to encode
    #[arg(long, value_name = "CODES|SPEC")]
    cues: String,
    /// What is to come back, one a cue [default: the cues themselves, to be completed from parts]
    #[arg(long, value_name = "CODES|SPEC")]
    targets: Option<String>,
    /// The model that encodes cues and targets
    #[arg(long, value_name = "MODEL.kw")]
    model: Option<PathBuf>,
    /// The model that encodes the targets, where it is another one
    #[arg(long, value_name = "MODEL.kw", requires = "targets")]
    target_model: Option<PathBuf>,
}

/// The answer of `memory store`.
#[derive(Serialize)]
struct Answer<'a> {
    stored: usize,
    pairs: u64,
    cue_units: usize,
    target_units: usize,
    load: f64,
    bits_per_synapse: Option<f64>,
    stores_per_s: f64,
    new: bool,
    file: &'a Path,
    bytes: u64,
}

pub(crate) fn run(
    arguments: &Arguments,
    shared: &Shared,
    output: &mut Output,
) -> anyhow::Result<()> {
    let path = &arguments.memory;
    cmd::check_output(path, "the memory", &["kw"])?;
    let old = if path.exists() { Some(file::load_memory(path)?) } else { None };
    let sides = (
        old.as_ref().map(AssociativeMemory::cue_units),
        old.as_ref().map(AssociativeMemory::target_units),
    );
    let model = arguments.model.as_deref().map(Named::load).transpose()?;
    let other = arguments.target_model.as_deref().map(Named::load).transpose()?;
    let cues = Side::load(&arguments.cues, model.as_ref(), sides.0, (shared, output))?;
    let targets = match &arguments.targets {
        Some(text) => {
            Some(Side::load(text, other.as_ref().or(model.as_ref()), sides.1, (shared, output))?)
        }
        None => None,
    };
    let (cues, targets) = (&cues.codes, targets.as_ref().map_or(&cues.codes, |side| &side.codes));
    let new = old.is_none();
    let mut memory = match old {
        Some(memory) => memory,
        None => AssociativeMemory::new(cues.units(), targets.units())?,
    };
    let begin = Instant::now();
    memory.store_all(cues, targets)?;
    let seconds = begin.elapsed().as_secs_f64();
    file::save_memory(path, &memory)?;
    let answer = Answer {
        stored: cues.len(),
        pairs: memory.pairs(),
        cue_units: memory.cue_units(),
        target_units: memory.target_units(),
        load: memory.load(),
        bits_per_synapse: memory.bits_a_synapse(),
        stores_per_s: cues.len() as f64 / seconds.max(1e-9),
        new,
        file: path,
        bytes: cmd::length_of(path)?,
    };
    let bits = answer.bits_per_synapse.map_or("-".to_owned(), |bits| format!("{bits:.4}"));
    output.facts(&[
        ("cues", code_size(answer.cue_units, memory.cue_winners())),
        ("targets", code_size(answer.target_units, memory.target_winners())),
        ("stored", format!("{} pairs, {} in all", answer.stored, answer.pairs)),
        ("synapses", format!("{} on, {bits} bits each", percent(answer.load))),
        ("speed", format!("{:.0} pairs a second", answer.stores_per_s)),
        ("file", format!("{}, {} bytes", path.display(), answer.bytes)),
    ])?;
    output.object(&answer)
}
