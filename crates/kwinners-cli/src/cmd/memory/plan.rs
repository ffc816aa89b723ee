//! `kwinners memory plan`: how many pairs fit, by formula and measured.

use std::num::NonZeroUsize;
use std::time::Instant;

use clap::Args;
use kwinners::memory::{MemoryPlan, MemoryShape, RecallQuality, RecallRule};
use kwinners::{AssociativeMemory, Rng, SdrBatch};
use serde::Serialize;

use super::{code_size, percent};
use crate::output::{Counts, Output};

/// Random pairs that are made, stored and recalled at a time.
const PAIRS_A_BLOCK: u64 = 1000;

/// What `kwinners memory plan` is asked for.
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// Units of the cues, and of the targets unless said otherwise
    #[arg(long, value_name = "N")]
    units: usize,
    /// Units on in every cue, and target
    #[arg(long, value_name = "K")]
    winners: usize,
    /// Units of the targets
    #[arg(long, value_name = "N")]
    target_units: Option<usize>,
    /// Units on in every target
    #[arg(long, value_name = "K")]
    target_winners: Option<usize>,
    /// Units of a cue that are shown at recall [default: all that are on]
    #[arg(long, value_name = "N")]
    shown: Option<usize>,
    /// Pairs to store [default: as many as leave --false-bits a recall]
    #[arg(long, value_name = "N", conflicts_with = "false_bits")]
    pairs: Option<u64>,
    /// Wrong units that a recall may have on average
    #[arg(long, value_name = "X", default_value_t = 0.1)]
    false_bits: f64,
    /// Store so many random pairs, recall some of them, and print what came beside the formula
    #[arg(long)]
    measure: bool,
    /// Pairs to recall, spread over those stored
    #[arg(long, value_name = "N", default_value = "20000", requires = "measure")]
    recalls: NonZeroUsize,
    /// Seed of the random pairs
    #[arg(long, value_name = "N", default_value_t = 0, requires = "measure")]
    seed: u64,
}

/// The answer of `memory plan`.
#[derive(Serialize)]
struct Answer {
    expected: MemoryPlan,
    measured: Option<Measured>,
}

/// What random pairs gave.
#[derive(Serialize)]
struct Measured {
    load: f64,
    stores_per_s: f64,
    rules: Vec<Judged>,
}

/// What one rule recalled.
#[derive(Serialize)]
struct Judged {
    rule: String,
    #[serde(flatten)]
    quality: RecallQuality,
    bits_per_synapse: Option<f64>,
    recalled_bits_per_synapse: Option<f64>,
    recalls_per_s: f64,
}

pub(crate) fn run(arguments: &Arguments, output: &mut Output) -> anyhow::Result<()> {
    let shape = MemoryShape {
        cue_units: arguments.units,
        cue_winners: arguments.winners,
        target_units: arguments.target_units.unwrap_or(arguments.units),
        target_winners: arguments.target_winners.unwrap_or(arguments.winners),
        shown: arguments.shown.unwrap_or(arguments.winners),
    };
    let expected = match arguments.pairs {
        Some(pairs) => MemoryPlan::of_pairs(shape, pairs)?,
        None => MemoryPlan::of_false_bits(shape, arguments.false_bits)?,
    };
    let measured = if arguments.measure && expected.pairs > 0 {
        Some(measure(&expected, arguments, output)?)
    } else {
        None
    };
    output.facts(&[
        (
            "cues",
            format!(
                "{}, {} shown",
                code_size(shape.cue_units, Some(shape.cue_winners)),
                shape.shown
            ),
        ),
        ("targets", code_size(shape.target_units, Some(shape.target_winners))),
        ("pairs", expected.pairs.to_string()),
        ("synapses", format!("{} on", percent(expected.load))),
        ("memory", format!("{} bytes", expected.bytes)),
    ])?;
    print(&expected, measured.as_ref(), output)?;
    output.object(&Answer { expected, measured })
}

fn print(
    expected: &MemoryPlan,
    measured: Option<&Measured>,
    output: &mut Output,
) -> anyhow::Result<()> {
    let none = || "-".to_owned();
    let mut rows = vec![vec![
        "all, by formula".to_owned(),
        format!("{:.4}", expected.false_bits),
        "0.0000".to_owned(),
        none(),
        format!("{:.4}", expected.bits_a_synapse),
        none(),
    ]];
    for judged in measured.iter().flat_map(|measured| &measured.rules) {
        let bits = |bits: Option<f64>| bits.map_or_else(none, |bits| format!("{bits:.4}"));
        rows.push(vec![
            format!("{}, measured", judged.rule),
            format!("{:.4}", judged.quality.false_bits),
            format!("{:.4}", judged.quality.missing_bits),
            format!("{:.2}", 100.0 * judged.quality.exact),
            bits(judged.bits_per_synapse),
            bits(judged.recalled_bits_per_synapse),
        ]);
    }
    output.line("")?;
    let headings =
        ["rule", "false bits", "missing bits", "exact %", "bits a synapse", "recalled bits"];
    output.table(&headings, &rows)?;
    if let Some(measured) = measured {
        output.line(format_args!(
            "\n{} of the synapses on; {:.0} stores a second",
            percent(measured.load),
            measured.stores_per_s
        ))?;
    }
    Ok(())
}

/// Stores the plan's pairs and recalls some, block after block: memory is needed for one block only.
fn measure(plan: &MemoryPlan, arguments: &Arguments, output: &Output) -> anyhow::Result<Measured> {
    let shape = plan.shape;
    let mut memory = AssociativeMemory::new(shape.cue_units, shape.target_units)?;
    let blocks = plan.pairs.div_ceil(PAIRS_A_BLOCK);
    let bar = output.progress("storing", plan.pairs, Counts::Samples);
    let mut seconds = 0.0;
    for block in 0..blocks {
        let (cues, targets) = random_pairs(plan, arguments.seed, block)?;
        let begin = Instant::now();
        memory.store_all(&cues, &targets)?;
        seconds += begin.elapsed().as_secs_f64();
        bar.inc(cues.len() as u64);
    }
    bar.finish_and_clear();
    let asked = blocks.min((arguments.recalls.get() as u64).div_ceil(PAIRS_A_BLOCK));
    let (mut shown, mut wanted) =
        (SdrBatch::new(shape.cue_units)?, SdrBatch::new(shape.target_units)?);
    for number in 0..asked {
        let block = number * blocks / asked;
        let (cues, targets) = random_pairs(plan, arguments.seed, block)?;
        let mut rng = Rng::of_stream(arguments.seed, blocks + block);
        for cue in cues.iter() {
            shown.push(cue.with_kept(shape.shown, &mut rng)?.indices())?;
        }
        wanted.append(&targets)?;
    }
    let rules = [RecallRule::All, RecallRule::Winners(shape.target_winners)];
    let judge = |rule| judge(&memory, (&shown, &wanted), rule);
    let rules = rules.into_iter().map(judge).collect::<anyhow::Result<_>>()?;
    Ok(Measured { load: memory.load(), stores_per_s: plan.pairs as f64 / seconds.max(1e-9), rules })
}

fn judge(
    memory: &AssociativeMemory,
    (cues, targets): (&SdrBatch, &SdrBatch),
    rule: RecallRule,
) -> anyhow::Result<Judged> {
    let begin = Instant::now();
    let answers = memory.recall_all(cues, rule)?;
    let seconds = begin.elapsed().as_secs_f64();
    let quality = RecallQuality::of(&answers, targets)?;
    Ok(Judged {
        rule: rule.to_string(),
        quality,
        bits_per_synapse: memory.bits_a_synapse(),
        recalled_bits_per_synapse: memory.recalled_bits_a_synapse(&quality),
        recalls_per_s: cues.len() as f64 / seconds.max(1e-9),
    })
}

/// The pairs of one block.
fn random_pairs(plan: &MemoryPlan, seed: u64, block: u64) -> anyhow::Result<(SdrBatch, SdrBatch)> {
    let shape = plan.shape;
    let mut rng = Rng::of_stream(seed, block);
    let (mut cues, mut targets) =
        (SdrBatch::new(shape.cue_units)?, SdrBatch::new(shape.target_units)?);
    for _ in 0..PAIRS_A_BLOCK.min(plan.pairs - block * PAIRS_A_BLOCK) {
        cues.push(&rng.distinct(shape.cue_winners, shape.cue_units))?;
        targets.push(&rng.distinct(shape.target_winners, shape.target_units))?;
    }
    Ok((cues, targets))
}
