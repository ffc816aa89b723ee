//! `kwinners memory recall`: what was stored with codes, from whole cues, parts and noisy ones.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;
use kwinners::memory::{RecallQuality, RecallRule};
use kwinners::report::pictures::tile_lines;
use kwinners::{AssociativeMemory, Error, Rng, Rows, SdrBatch, file};
use serde::Serialize;

use super::percent;
use super::side::{Named, Side};
use crate::args::Shared;
use crate::cmd;
use crate::output::Output;
use crate::pictures;
use crate::status::BadInput;

/// Samples side by side in a picture.
const PICTURED: usize = 10;

/// What `kwinners memory recall` is asked for.
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// The memory
    #[arg(value_name = "MEMORY.kw")]
    memory: PathBuf,
    /// What is shown: a file of codes (.kw, .npz, .npy, .parquet), or with --model data to encode
    #[arg(long, value_name = "CODES|SPEC")]
    cues: String,
    /// What should come back, one a cue, to compare with
    #[arg(long, value_name = "CODES|SPEC")]
    targets: Option<String>,
    /// The model that encodes cues and targets
    #[arg(long, value_name = "MODEL.kw")]
    model: Option<PathBuf>,
    /// The model that encodes the targets, where it is another one
    #[arg(long, value_name = "MODEL.kw", requires = "targets")]
    target_model: Option<PathBuf>,
    /// Which units answer: winners=K, all, maximum, percent=P, at-least=N, blocks=K [default:
    /// winners=K, with the K of the stored targets]
    #[arg(long, value_name = "RULE")]
    rule: Option<RecallRule>,
    /// Complete codes that were stored with themselves; compares with the whole cues
    #[arg(long, conflicts_with_all = ["targets", "both_ways"])]
    complete: bool,
    /// Recall back and forth between cues and targets until nothing changes
    #[arg(long)]
    both_ways: bool,
    /// Most recalls of a --complete or --both-ways
    #[arg(long, value_name = "N", default_value = "8")]
    steps: NonZeroUsize,
    /// Show only so many units of each cue
    #[arg(long, value_name = "N")]
    part: Option<usize>,
    /// Move so many units of each cue to where they are wrong
    #[arg(long, value_name = "N")]
    noise: Option<usize>,
    /// Seed of --part and --noise
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// File for what came: .kw, .npz (a sparse matrix for SciPy), .npy or .parquet
    #[arg(long, value_name = "CODES")]
    out: Option<PathBuf>,
    /// Picture of some recalls: the inputs, and decoded: the whole cues, what was shown, what came
    #[arg(long, value_name = "FILE.png", requires = "model")]
    picture: Option<PathBuf>,
}

/// The answer of `memory recall`.
#[derive(Serialize)]
struct Answer<'a> {
    rule: String,
    recalls: usize,
    /// Against the targets, where these are known.
    quality: Option<RecallQuality>,
    /// What was shown, against the same: what the memory adds is the difference.
    shown: Option<RecallQuality>,
    mean_steps: f64,
    recalls_per_s: f64,
    out: Option<&'a Path>,
    picture: Option<&'a Path>,
}

/// What came of all cues.
struct Answers {
    codes: SdrBatch,
    steps: usize,
}

pub(crate) fn run(
    arguments: &Arguments,
    shared: &Shared,
    output: &mut Output,
) -> anyhow::Result<()> {
    check_outputs(arguments)?;
    let memory = file::load_memory(&arguments.memory)?;
    let model = arguments.model.as_deref().map(Named::load).transpose()?;
    let other = arguments.target_model.as_deref().map(Named::load).transpose()?;
    let (cue_units, target_units) = (memory.cue_units(), memory.target_units());
    let whole = Side::load(&arguments.cues, model.as_ref(), Some(cue_units), (shared, output))?;
    let wanted = match &arguments.targets {
        Some(text) => {
            let model = other.as_ref().or(model.as_ref());
            Some(Side::load(text, model, Some(target_units), (shared, output))?.codes)
        }
        None if arguments.complete => Some(whole.codes.clone()),
        None => None,
    };
    let shown = shown(&whole.codes, arguments)?;
    let rule = arguments.rule.or(memory.target_winners().map(RecallRule::Winners));
    let rule = rule.unwrap_or(RecallRule::Maximum);
    let begin = Instant::now();
    let answers = recall(&memory, &shown, rule, arguments)?;
    let seconds = begin.elapsed().as_secs_f64();
    if let Some(out) = &arguments.out {
        cmd::write_codes(out, &answers.codes)?;
    }
    if let (Some(path), Some(named)) = (&arguments.picture, &model) {
        draw(path, named, &whole, (&shown, &answers.codes))?;
    }
    let compare = |codes: &SdrBatch| {
        let wanted = wanted.as_ref().filter(|wanted| wanted.units() == codes.units());
        wanted.map(|wanted| RecallQuality::of(codes, wanted)).transpose()
    };
    let answer = Answer {
        rule: rule.to_string(),
        recalls: shown.len(),
        quality: compare(&answers.codes)?,
        shown: if arguments.complete { compare(&shown)? } else { None },
        mean_steps: answers.steps as f64 / shown.len().max(1) as f64,
        recalls_per_s: shown.len() as f64 / seconds.max(1e-9),
        out: arguments.out.as_deref(),
        picture: arguments.picture.as_deref(),
    };
    print(&answer, output)?;
    output.object(&answer)
}

fn check_outputs(arguments: &Arguments) -> anyhow::Result<()> {
    if let Some(out) = &arguments.out {
        cmd::check_output(out, "the codes", &cmd::CODE_ENDINGS)?;
    }
    if let Some(picture) = &arguments.picture {
        cmd::check_output(picture, "the picture", &["png"])?;
    }
    Ok(())
}

fn print(answer: &Answer<'_>, output: &mut Output) -> anyhow::Result<()> {
    let mut facts = vec![
        ("recalls", format!("{}, by {}", answer.recalls, answer.rule)),
        ("steps", format!("{:.2} a recall", answer.mean_steps)),
        ("speed", format!("{:.0} recalls a second", answer.recalls_per_s)),
    ];
    for (name, quality) in [("shown", answer.shown), ("recalled", answer.quality)] {
        let Some(RecallQuality { exact, false_bits, missing_bits, .. }) = quality else { continue };
        let text = format!(
            "{} without a wrong bit; {false_bits:.3} false and {missing_bits:.3} missing bits each",
            percent(exact)
        );
        facts.push((name, text));
    }
    let files = [("codes", answer.out), ("picture", answer.picture)];
    for (name, path) in files {
        facts.extend(path.map(|path| (name, path.display().to_string())));
    }
    output.facts(&facts)
}

/// The cues as they are shown: in part, with noise, or whole.
fn shown(cues: &SdrBatch, arguments: &Arguments) -> anyhow::Result<SdrBatch> {
    let mut shown = SdrBatch::new(cues.units())?;
    for (number, cue) in cues.iter().enumerate() {
        let mut rng = Rng::of_stream(arguments.seed, number as u64);
        let mut code = cue.to_sdr();
        if let Some(part) = arguments.part {
            code = code.view().with_kept(part, &mut rng)?;
        }
        if let Some(moved) = arguments.noise {
            code = code.view().with_moved(moved, &mut rng)?;
        }
        shown.push(code.indices())?;
    }
    Ok(shown)
}

fn recall(
    memory: &AssociativeMemory,
    cues: &SdrBatch,
    rule: RecallRule,
    arguments: &Arguments,
) -> anyhow::Result<Answers> {
    let steps = arguments.steps.get();
    if !arguments.complete && !arguments.both_ways {
        return Ok(Answers { codes: memory.recall_all(cues, rule)?, steps: cues.len() });
    }
    let back = memory.cue_winners().map_or(RecallRule::Maximum, RecallRule::Winners);
    let mut answers = Answers { codes: SdrBatch::new(memory.target_units())?, steps: 0 };
    for cue in cues.iter() {
        let recalled = match arguments.complete {
            true => memory.complete(cue, rule, steps)?,
            false => memory.recall_both_ways(cue, (rule, back), steps)?,
        };
        answers.codes.push(recalled.code.indices())?;
        answers.steps += recalled.steps;
    }
    Ok(answers)
}

/// Ten of the recalls, evenly spread, a column each.
fn draw(
    path: &Path,
    named: &Named<'_>,
    whole: &Side,
    (shown, came): (&SdrBatch, &SdrBatch),
) -> anyhow::Result<()> {
    let model = named.model();
    let Some(decoder) = model.decoder() else {
        let reason = format!("a picture needs a decoder, and a {} has none", model.kind());
        return Err(Error::Unsupported(reason).into());
    };
    let count = shown.len().min(PICTURED);
    if count == 0 {
        return Err(BadInput("no cues, no picture".to_owned()).into());
    }
    let places: Vec<usize> = (0..count).map(|number| number * shown.len() / count).collect();
    let decode = |codes: &SdrBatch| decoder.decode(&codes.select(&places));
    let mut lines = Vec::new();
    if let Some(data) = &whole.data {
        lines.push(("input", data.select(&places).rows().values().to_vec()));
    }
    lines.push(("code", decode(&whole.codes)?));
    lines.push(("shown", decode(shown)?));
    lines.push(("recalled", decode(came)?));
    let width = model.encoder().input_width();
    let lines: Vec<(&str, Rows<'_>)> = lines
        .iter()
        .map(|(name, values)| Ok((*name, Rows::new(values, width)?)))
        .collect::<kwinners::Result<_>>()?;
    let shape = pictures::shape(named.saved.about.image, width);
    Ok(tile_lines(&lines, shape)?.save_png(path)?)
}
