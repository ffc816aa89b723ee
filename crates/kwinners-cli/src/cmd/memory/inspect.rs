//! `kwinners memory inspect`: what is in a memory.

use std::path::PathBuf;

use clap::Args;
use kwinners::memory::{MemoryPlan, MemoryShape};
use kwinners::{AssociativeMemory, file};
use serde::Serialize;

use super::{code_size, percent};
use crate::cmd;
use crate::output::Output;

/// What `kwinners memory inspect` is asked for.
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// The memory
    #[arg(value_name = "MEMORY.kw")]
    memory: PathBuf,
}

/// The answer of `memory inspect`.
#[derive(Serialize)]
struct Answer {
    pairs: u64,
    cue_units: usize,
    cue_winners: Option<usize>,
    target_units: usize,
    target_winners: Option<usize>,
    synapses: u64,
    load: f64,
    bits_per_synapse: Option<f64>,
    /// What the formula says of as many random pairs.
    expected: Option<MemoryPlan>,
    memory_bytes: usize,
    bytes: u64,
}

pub(crate) fn run(arguments: &Arguments, output: &mut Output) -> anyhow::Result<()> {
    let memory = file::load_memory(&arguments.memory)?;
    let answer = Answer {
        pairs: memory.pairs(),
        cue_units: memory.cue_units(),
        cue_winners: memory.cue_winners(),
        target_units: memory.target_units(),
        target_winners: memory.target_winners(),
        synapses: memory.synapses(),
        load: memory.load(),
        bits_per_synapse: memory.bits_a_synapse(),
        expected: expected(&memory)?,
        memory_bytes: memory.bytes(),
        bytes: cmd::length_of(&arguments.memory)?,
    };
    let bits = answer.bits_per_synapse.map_or("-".to_owned(), |bits| format!("{bits:.4}"));
    output.facts(&[
        ("pairs", answer.pairs.to_string()),
        ("cues", code_size(answer.cue_units, answer.cue_winners)),
        ("targets", code_size(answer.target_units, answer.target_winners)),
        ("synapses", format!("{}, {} on, {bits} bits each", answer.synapses, percent(answer.load))),
        ("in memory", format!("{} bytes", answer.memory_bytes)),
        ("file", format!("{}, {} bytes", arguments.memory.display(), answer.bytes)),
    ])?;
    if let Some(plan) = &answer.expected {
        output.line(format_args!(
            "\nas many random pairs: {} on, {:.3} false bits a recall from whole cues",
            percent(plan.load),
            plan.false_bits
        ))?;
    }
    output.line("\nall checksums are right")?;
    output.object(&answer)
}

/// What the formula says, where all codes of a side are of one size.
fn expected(memory: &AssociativeMemory) -> anyhow::Result<Option<MemoryPlan>> {
    let (Some(cue_winners), Some(target_winners)) = (memory.cue_winners(), memory.target_winners())
    else {
        return Ok(None);
    };
    let shape = MemoryShape {
        cue_units: memory.cue_units(),
        cue_winners,
        target_units: memory.target_units(),
        target_winners,
        shown: cue_winners,
    };
    Ok(Some(MemoryPlan::of_pairs(shape, memory.pairs())?))
}
