//! `kwinners fit`: an encoder from data.

mod checkpoint;
mod curves;
mod events;
mod list;
pub(super) mod log;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use kwinners::Error;
use kwinners::encoder::{Model, Step};
use kwinners::file::{self, About, SavedModel};
use kwinners::report::ModelInfo;
use kwinners::train::{Position, StopReason};
use serde::Serialize;

use super::serve::{self, ADDRESS};
use crate::args::Shared;
use crate::fitting::{self, Fitted};
use crate::output::{Output, sparkline};
use crate::selection::{self, Best, Looked};
use crate::settings::SettingsArguments;
use crate::status::BadInput;
use checkpoint::Checkpoints;
use log::{Log, LogArguments};

/// What `kwinners fit` is asked for.
#[derive(Args, Debug)]
#[command(override_usage = "kwinners fit KIND --data SPEC --out MODEL.kw [OPTIONS]\n       \
                            kwinners fit [KIND] --list")]
pub(crate) struct Arguments {
    /// Kind of encoder; `--list` shows the kinds and their settings
    #[arg(required_unless_present = "list")]
    kind: Option<String>,
    /// Data to learn from: a known name (`mnist:train`, `digits:train`) or a path, labels after a comma
    #[arg(long, value_name = "SPEC", required_unless_present = "list")]
    data: Option<String>,
    /// File for the model
    #[arg(long, value_name = "MODEL.kw", required_unless_present = "list")]
    out: Option<PathBuf>,
    #[command(flatten)]
    settings: SettingsArguments,
    #[command(flatten)]
    log: LogArguments,
    /// Save DIR/checkpoint.kw at the end of every epoch (at most once a second) and every 30 seconds,
    /// and leave it there [default: only when stopped by Ctrl-C, as MODEL.kw.checkpoint]
    #[arg(long, value_name = "DIR")]
    checkpoint: Option<PathBuf>,
    /// Keep the model after the epoch that tells most of these rows right, not the last one; with
    /// --checkpoint it is there as DIR/best.kw on the way. For kinds that tell classes
    #[arg(long, value_name = "SPEC")]
    validate: Option<String>,
    /// Take over the first layers of this classifier, as many as `layers` has alike, for the embedder to learn on from
    #[arg(long, value_name = "MODEL.kw")]
    start: Option<PathBuf>,
    /// Go on from the checkpoint of the same command: the model will have the same bytes as if the
    /// run had never been stopped
    #[arg(long)]
    resume: bool,
    /// Show the fit in the browser while it runs. It writes its log then, without --log as MODEL.jsonl
    #[arg(long, value_name = "ADDR", num_args = 0..=1, default_missing_value = ADDRESS)]
    serve: Option<SocketAddr>,
    /// Show all kinds, or KIND, with their settings, and do nothing else
    #[arg(long)]
    list: bool,
}

pub(crate) fn run(
    arguments: &Arguments,
    shared: &Shared,
    output: &mut Output,
) -> anyhow::Result<()> {
    if arguments.list {
        return list::show(arguments.kind.as_deref(), output);
    }
    let (Some(kind), Some(spec), Some(out)) = (&arguments.kind, &arguments.data, &arguments.out)
    else {
        return Err(BadInput("fit needs a kind, --data and --out".to_owned()).into());
    };
    let settings = checked_settings(kind, &arguments.settings)?;
    super::check_output(out, "the model", &["kw"])?;
    let data = super::load(spec, shared)?;
    let validation = arguments.validate.as_ref().map(|spec| super::load(spec, shared));
    let validation = validation.transpose()?;
    let mut model = Model::new(kind, &settings, data.inputs())?;
    if let Some(path) = arguments.start.as_ref().filter(|_| !arguments.resume) {
        let layers = model.start_from(&file::load_model(path)?.model)?;
        output.note(format_args!("the first {layers} layers are those of {}", path.display()));
    }
    if let Some(validation) = &validation {
        selection::check(&model, &data, validation)?;
    }
    let mut log = match arguments.serve {
        // The page reads the log.
        Some(_) => Log::new(&arguments.log.or_file(out.with_extension("jsonl")), &model, &data)?,
        None => Log::new(&arguments.log, &model, &data)?,
    };
    let mut checkpoints = Checkpoints::new(arguments.checkpoint.as_deref(), out, &data)?;
    let mut from = Position::default();
    if arguments.resume {
        (model, from) = checkpoints.load(&model)?;
        output.note(format_args!("going on in epoch {}", from.epoch + 1));
    } else if let Some(path) = checkpoints.left_over() {
        let path = path.display();
        output.note(format_args!("{path} is of an earlier run; only --resume goes on from it"));
    }
    let page = arguments.serve.map(|address| serve::of_fit(address, out, shared)).transpose()?;
    if let Some((server, _)) = &page {
        output.note(format_args!("the page: {}", server.url()));
    }
    if let Some(log) = &mut log {
        log.start(from);
    }
    let every = &mut |step: &Step, model: &Model, position| match &mut log {
        Some(log) => Ok(log.note(step, model, position)?),
        None => Ok(()),
    };
    let mut best = None;
    if let Some(validation) = validation.as_ref().filter(|_| arguments.resume) {
        best = checkpoints.load_best(&model, validation)?;
    }
    let look = &mut |_: &Step, model: &Model, position| {
        if let Some(validation) = &validation
            && Best::look(&mut best, model, position, validation)? == Looked::Better
        {
            checkpoints.save_best(best.as_ref().expect("just found"))?;
        }
        if let Some((_, showcase)) = &page {
            let samples = position.epoch * data.len() + position.sample;
            showcase.offer(model, &data, samples as u64);
        }
        Ok(checkpoints.look(model, position)?)
    };
    let fitted = fitting::fit(output, &mut model, &data, from, (every, look))?;
    if fitted.reason == StopReason::Asked {
        checkpoints.save(&model, fitted.position).context("stopped, and no checkpoint saved")?;
        return Err(stopped(&model, fitted.position, checkpoints.path()));
    }
    if let Some((_, showcase)) = &page {
        showcase.close();
    }
    let chosen = best.as_ref().map(|best| Chosen { epoch: best.epoch, accuracy: best.accuracy });
    let model = best.map_or(model, |best| best.model);
    let saved = SavedModel { model, about: About::of(&data), checkpoint: None };
    file::save_model(out, &saved)?;
    checkpoints.forget();
    for path in log.map_or(Ok(Vec::new()), Log::finish)? {
        output.note(path.display());
    }
    tell(output, &saved, (&fitted, chosen), out)
}

/// The settings as the command line and its file give them; wrong names are refused before any
/// data are read.
fn checked_settings(
    kind: &str,
    arguments: &SettingsArguments,
) -> anyhow::Result<Vec<(String, String)>> {
    let known = Model::settings_of(kind)?;
    let known: Vec<&str> = known.iter().map(|(name, ..)| *name).collect();
    let settings = arguments.read()?;
    match settings.keys().find(|key| !known.contains(&key.as_str())) {
        Some(key) => Err(Error::unknown_name("setting", key, &known).into()),
        None => Ok(settings.into_iter().collect()),
    }
}

/// What tells the user how to go on.
fn stopped(model: &Model, position: Position, checkpoint: &Path) -> anyhow::Error {
    let (epoch, epochs) = (position.epoch + 1, model.schedule().epochs);
    anyhow::anyhow!(
        "stopped in epoch {epoch} of {epochs}; checkpoint saved to {}\nto go on: the same command \
         with --resume",
        checkpoint.display()
    )
}

/// The epoch whose model was kept, and the share of the validation rows that it tells right.
#[derive(Clone, Copy, Serialize)]
struct Chosen {
    epoch: usize,
    accuracy: f64,
}

/// The answer of `fit`.
#[derive(Serialize)]
struct Answer<'a> {
    model: ModelInfo,
    data: &'a str,
    data_len: usize,
    epochs: usize,
    /// Learned from in this run.
    samples: u64,
    fit_s: f64,
    samples_per_s: f64,
    /// Mean of the last epoch; `null` where nothing was learned.
    loss: Option<f64>,
    /// What was kept by `--validate`.
    #[serde(skip_serializing_if = "Option::is_none")]
    validation: Option<Chosen>,
    out: &'a Path,
    bytes: u64,
}

fn tell(
    output: &mut Output,
    saved: &SavedModel,
    (fitted, chosen): (&Fitted, Option<Chosen>),
    out: &Path,
) -> anyhow::Result<()> {
    let answer = Answer {
        model: fitting::info(&saved.model),
        data: &saved.about.data,
        data_len: saved.about.data_len,
        epochs: saved.model.schedule().epochs,
        samples: fitted.samples,
        fit_s: fitted.seconds,
        samples_per_s: fitted.samples_per_s(),
        loss: fitted.loss,
        validation: chosen,
        out,
        bytes: super::length_of(out)?,
    };
    let model = &answer.model;
    let mut facts = vec![
        ("kind", model.kind.clone()),
        ("code", format!("{} of {} units", model.winners, model.units)),
        ("data", format!("{}, {} rows", answer.data, answer.data_len)),
    ];
    match answer.loss {
        None => facts.push(("learning", "none: this kind does not learn".to_owned())),
        Some(loss) => {
            let (seconds, speed) = (answer.fit_s, answer.samples_per_s);
            let epochs = answer.epochs;
            let learning = format!("{epochs} epochs, {seconds:.1} s, {speed:.0} samples a second");
            facts.push(("learning", learning));
            facts.push(("loss", format!("{loss:.5}, mean of the last epoch")));
            let line = sparkline(&fitted.trace);
            if !line.is_empty() {
                facts.push(("curve", line));
            }
        }
    }
    if let Some(Chosen { epoch, accuracy }) = answer.validation {
        let right = 100.0 * accuracy;
        facts.push((
            "kept",
            format!("after epoch {epoch}: {right:.2} % of the validation rows right"),
        ));
    }
    facts.push(("file", format!("{}, {} bytes", out.display(), answer.bytes)));
    output.facts(&facts)?;
    output.object(&answer)
}
