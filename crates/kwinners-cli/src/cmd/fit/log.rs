//! What a fit leaves behind while it runs: JSON lines, events for TensorBoard, curves.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use kwinners::encoder::{Model, Step};
use kwinners::train::{Monitor, MonitorLevel, Observation, Position};
use kwinners::{Dataset, Error, Result};
use serde::Serialize;
use serde_json::Value;

use super::curves::Curves;
use super::events::Events;
use crate::status::BadInput;

/// Samples a line: online learning would otherwise write megabytes a second.
const SAMPLES_A_LINE: u64 = 1000;

/// What is to be left behind.
#[derive(Args, Clone, Debug, Default)]
pub(in crate::cmd) struct LogArguments {
    /// Append to this file, as JSON, a line about every 1,000 samples (a step, if steps are larger)
    /// and at the end of every epoch, with the mean loss since the line before
    #[arg(long, value_name = "FILE.jsonl")]
    log: Option<PathBuf>,
    /// Write the numbers of these lines as an event file for TensorBoard into this folder
    #[arg(long, value_name = "DIR")]
    tensorboard: Option<PathBuf>,
    /// Draw the numbers of these lines, a PNG each, into this folder when the fit is done
    #[arg(long, value_name = "DIR")]
    plots: Option<PathBuf>,
    /// What the lines say besides, as `monitor`. light: norms of weights and gradients, sign flips, the
    /// way from the first weights, the use of units. full: also signal to noise, histograms, the
    /// information plane; with small batches learning takes several times as long. The model is the
    /// same at every level
    #[arg(long, value_name = "LEVEL", default_value = "off")]
    monitor: Level,
}

impl LogArguments {
    /// A log in the file at `path`, and nothing else.
    pub(in crate::cmd) fn file(path: &Path) -> Self {
        Self { log: Some(path.to_owned()), ..Self::default() }
    }

    /// The same, with a log in the file at `path` if none was asked for.
    pub(super) fn or_file(&self, path: PathBuf) -> Self {
        Self { log: self.log.clone().or(Some(path)), ..self.clone() }
    }
}

/// Levels of `--monitor`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Level {
    #[default]
    Off,
    Light,
    Full,
}

/// The lines of a fit, and where they go.
#[derive(Debug)]
pub(in crate::cmd) struct Log {
    lines: Lines,
    monitor: Option<Monitor>,
    file: Option<(PathBuf, File)>,
    events: Option<Events>,
    curves: Option<Curves>,
}

/// One line.
#[derive(Serialize)]
struct Line<'a> {
    #[serde(flatten)]
    step: &'a Step,
    #[serde(skip_serializing_if = "Option::is_none")]
    monitor: Option<Observation>,
}

impl Log {
    /// The log that is asked for, of a fit of `model`, which has not learned yet, to `data`; `None` where
    /// nothing is to be left behind.
    pub(in crate::cmd) fn new(
        arguments: &LogArguments,
        model: &Model,
        data: &Dataset,
    ) -> anyhow::Result<Option<Self>> {
        let LogArguments { log, tensorboard, plots, monitor } = arguments;
        let level = match monitor {
            Level::Off => None,
            Level::Light => Some(MonitorLevel::Light),
            Level::Full => Some(MonitorLevel::Full),
        };
        if log.is_none() && tensorboard.is_none() && plots.is_none() {
            let reason = "--monitor needs a place to write to: --log, --tensorboard or --plots";
            return match level {
                Some(_) => Err(BadInput(reason.to_owned()).into()),
                None => Ok(None),
            };
        }
        let open = |path: &PathBuf| {
            let file = OpenOptions::new().create(true).append(true).open(path);
            file.map(|file| (path.clone(), file)).map_err(Error::io(path))
        };
        Ok(Some(Self {
            lines: Lines { len: data.len(), ..Lines::default() },
            monitor: level.map(|level| Monitor::new(level, model, data)),
            file: log.as_ref().map(open).transpose()?,
            events: tensorboard.as_deref().map(Events::create).transpose()?,
            curves: plots.as_deref().map(Curves::new).transpose()?,
        }))
    }

    /// Takes note that the fit goes on from `position`.
    pub(in crate::cmd) fn start(&mut self, position: Position) {
        self.lines.start(position);
    }

    /// Takes note of a step after which the fit is at `position`. A line is written at once, so that others
    /// can follow it.
    pub(in crate::cmd) fn note(
        &mut self,
        step: &Step,
        model: &Model,
        position: Position,
    ) -> Result<()> {
        let mut is_due = false;
        if let Some(monitor) = &mut self.monitor {
            monitor.note(model);
            is_due = monitor.is_due(step);
        }
        let Some(step) = self.lines.note(step, position, is_due) else { return Ok(()) };
        let whole = is_due || position.sample == 0;
        let monitor = self.monitor.as_mut().map(|monitor| monitor.observe(model, whole));
        let line = Line { step: &step, monitor: monitor.transpose()? };
        if let Some((path, file)) = &mut self.file {
            let text = serde_json::to_string(&line).expect("numbers become JSON") + "\n";
            file.write_all(text.as_bytes()).map_err(Error::io(path))?;
        }
        if self.events.is_none() && self.curves.is_none() {
            return Ok(());
        }
        let numbers = numbers(&serde_json::to_value(&line).expect("numbers become JSON"));
        if let Some(events) = &mut self.events {
            events.write(step.step, &numbers)?;
        }
        if let Some(curves) = &mut self.curves {
            curves.take(step.samples, &numbers);
        }
        Ok(())
    }

    /// Draws what is to be drawn when all is done; the files.
    pub(super) fn finish(self) -> Result<Vec<PathBuf>> {
        self.curves.map_or(Ok(Vec::new()), |curves| curves.draw())
    }
}

/// Decides when a line is due.
#[derive(Debug, Default)]
struct Lines {
    /// Rows of the data.
    len: usize,
    /// Samples at the last line.
    line: u64,
    /// Samples at the last step.
    done: u64,
    /// Sum of the losses since the last line.
    loss: f64,
}

impl Lines {
    fn start(&mut self, position: Position) {
        self.done = (position.epoch * self.len + position.sample) as u64;
        (self.line, self.loss) = (self.done, 0.0);
    }

    /// The step with the mean loss since the last line, if a line is due or asked for.
    fn note(&mut self, step: &Step, position: Position, asked: bool) -> Option<Step> {
        let done = (position.epoch * self.len + position.sample) as u64;
        self.loss += step.loss * (done - self.done) as f64;
        self.done = done;
        if !asked && done < self.line + SAMPLES_A_LINE && position.sample != 0 {
            return None;
        }
        let mut mean = step.clone();
        mean.loss = self.loss / (done - self.line) as f64;
        (self.line, self.loss) = (done, 0.0);
        Some(mean)
    }
}

/// The numbers of a line by their paths, such as `monitor/layers/linear1/weight_norm`; no histograms, and
/// not those that say where the line stands.
fn numbers(line: &Value) -> Vec<(String, f64)> {
    let mut found = Vec::new();
    collect(line, "", &mut found);
    found.retain(|(path, _)| !matches!(path.as_str(), "epoch" | "step" | "samples"));
    found
}

fn collect(value: &Value, path: &str, found: &mut Vec<(String, f64)>) {
    match value {
        Value::Number(number) => {
            found.extend(number.as_f64().map(|number| (path.to_owned(), number)));
        }
        Value::Object(fields) if !fields.contains_key("counts") => {
            for (name, value) in fields {
                let slash = if path.is_empty() { "" } else { "/" };
                collect(value, &format!("{path}{slash}{name}"), found);
            }
        }
        _ => {}
    }
}

/// Makes the folder at `path`, if need be.
pub(super) fn make_folder(path: &Path) -> Result<()> {
    std::fs::create_dir_all(path).map_err(Error::io(path))
}
