//! `kwinners fit`: an encoder from data.

use std::fs::OpenOptions;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Args;
use kwinners::encoder::Model;
use kwinners::file::{self, About, Checkpoint, SavedModel};
use kwinners::train::{Position, StopReason};
use kwinners::{Dataset, Step};
use serde_json::json;

use crate::args::Shared;
use crate::fitting::{self, Fitted};
use crate::output::Output;
use crate::settings::SettingsArguments;
use crate::status::BadInput;

/// Time between two checkpoints in the course of an epoch.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(30);

/// Fit an encoder to data and save it.
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// Kind of encoder; `--list` shows all kinds and their settings
    #[arg(required_unless_present = "list")]
    kind: Option<String>,
    /// Data to learn from: a known name (`mnist:train`, `digits:train`) or a path, labels after a comma
    #[arg(long, value_name = "SPEC", required_unless_present = "list")]
    data: Option<String>,
    /// File to save the model to
    #[arg(long, value_name = "MODEL.kw", required_unless_present = "list")]
    out: Option<PathBuf>,
    #[command(flatten)]
    settings: SettingsArguments,
    /// Append one JSON line a step to this file
    #[arg(long, value_name = "FILE.jsonl")]
    log: Option<PathBuf>,
    /// Save a checkpoint into this folder after every epoch and every half minute
    #[arg(long, value_name = "DIR")]
    checkpoint: Option<PathBuf>,
    /// Go on from the last checkpoint: the result has the bytes of a run never stopped
    #[arg(long)]
    resume: bool,
    /// Show all kinds and their settings, and do nothing else
    #[arg(long)]
    list: bool,
}

pub(crate) fn run(
    arguments: &Arguments,
    shared: &Shared,
    output: &mut Output,
) -> anyhow::Result<()> {
    if arguments.list {
        return list(arguments.kind.as_deref(), output);
    }
    let (Some(kind), Some(spec), Some(out)) = (&arguments.kind, &arguments.data, &arguments.out)
    else {
        return Err(BadInput("fit needs a kind, --data and --out".to_owned()).into());
    };
    super::check_writable(out)?;
    let place = CheckpointPlace::new(arguments.checkpoint.as_deref(), out)?;
    let data = super::load(spec, shared)?;
    let settings: Vec<_> = arguments.settings.read()?.into_iter().collect();
    let mut model = Model::new(kind, &settings, data.rows())?;
    let mut from = Position::default();
    if arguments.resume {
        (model, from) = place.load(&model, &data)?;
    }
    let mut log = Log::open(arguments.log.as_deref(), arguments.resume)?;
    let mut saved = Instant::now();
    let fitted = fitting::fit(
        output,
        &mut model,
        &data,
        from,
        (&mut |step, _, _| log.write(step), &mut |_, model, position| {
            let due = position.sample == 0 || saved.elapsed() >= CHECKPOINT_EVERY;
            if arguments.checkpoint.is_some() && due {
                place.save(model, &data, position)?;
                saved = Instant::now();
            }
            Ok(())
        }),
    )?;
    log.flush()?;
    if fitted.reason == StopReason::Asked {
        place.save(&model, &data, fitted.position)?;
        let at = place.path.display();
        anyhow::bail!(
            "stopped in epoch {} of {}; checkpoint saved to {at}; the same command with --resume \
             goes on from there",
            fitted.position.epoch + 1,
            model.schedule().epochs
        );
    }
    let saved = SavedModel { model, about: About::of(&data), checkpoint: None };
    file::save_model(out, &saved)?;
    place.forget();
    tell(output, &saved, &fitted, out)
}

fn tell(
    output: &mut Output,
    saved: &SavedModel,
    fitted: &Fitted,
    out: &Path,
) -> anyhow::Result<()> {
    let bytes = std::fs::metadata(out).map_err(kwinners::Error::io(out))?.len();
    let encoder = saved.model.encoder();
    let (units, winners) = (encoder.units(), encoder.winners());
    let learned = match fitted.reason {
        StopReason::NothingToLearn => "nothing to learn: the weights are random".to_owned(),
        _ => format!(
            "{} samples in {:.1} s, {:.0} a second; loss of the last epoch {:.5}",
            fitted.samples,
            fitted.seconds,
            fitted.samples_per_s(),
            fitted.loss
        ),
    };
    let about = &saved.about;
    output.line(format_args!("{}: {winners} of {units} units", saved.model.kind()))?;
    output.line(format_args!("data   {} ({} rows)", about.data, about.data_len))?;
    output.line(format_args!("fit    {learned}"))?;
    output.line(format_args!("model  {} ({bytes} bytes)", out.display()))?;
    output.object(&json!({
        "model": { "kind": saved.model.kind(), "units": units, "winners": winners,
                   "input_width": encoder.input_width(), "seed": saved.model.schedule().seed },
        "data": about.data,
        "data_len": about.data_len,
        "samples": fitted.samples,
        "fit_s": fitted.seconds,
        "samples_per_s": fitted.samples_per_s(),
        "loss": fitted.loss,
        "out": out,
        "bytes": bytes,
    }))
}

fn list(kind: Option<&str>, output: &mut Output) -> anyhow::Result<()> {
    let kinds: Vec<&str> = match kind {
        Some(kind) => vec![kind],
        None => Model::KINDS.to_vec(),
    };
    let mut all = serde_json::Map::new();
    for (place, kind) in kinds.into_iter().enumerate() {
        let settings = Model::settings_of(kind)?;
        let row = |(key, default, meaning): &(&str, String, &str)| {
            vec![(*key).to_owned(), default.clone(), (*meaning).to_owned()]
        };
        let rows: Vec<Vec<String>> = settings.iter().map(row).collect();
        output.line(if place > 0 { format!("\n{kind}\n") } else { format!("{kind}\n") })?;
        output.table(&["setting", "default", "meaning"], &rows)?;
        let named = settings.iter().map(|(key, default, meaning)| {
            ((*key).to_owned(), json!({ "default": default, "meaning": meaning }))
        });
        all.insert(kind.to_owned(), named.collect::<serde_json::Map<_, _>>().into());
    }
    output.object(&json!({ "kinds": all }))
}

/// Where checkpoints of this run go.
struct CheckpointPlace {
    path: PathBuf,
    /// Whether the file is ours to remove when the run is done.
    passing: bool,
}

impl CheckpointPlace {
    fn new(folder: Option<&Path>, out: &Path) -> anyhow::Result<Self> {
        let Some(folder) = folder else {
            let mut path = out.as_os_str().to_owned();
            path.push(".checkpoint");
            return Ok(Self { path: path.into(), passing: true });
        };
        std::fs::create_dir_all(folder).map_err(kwinners::Error::io(folder))?;
        Ok(Self { path: folder.join("checkpoint.kw"), passing: false })
    }

    fn save(&self, model: &Model, data: &Dataset, position: Position) -> anyhow::Result<()> {
        let checkpoint = Some(Checkpoint::new(position, data));
        let model = model.clone();
        let saved = SavedModel { model, about: About::of(data), checkpoint };
        Ok(file::save_model(&self.path, &saved)?)
    }

    /// The model and position to go on from; `asked` is what the command line describes.
    fn load(&self, asked: &Model, data: &Dataset) -> anyhow::Result<(Model, Position)> {
        let at = self.path.display();
        if !self.path.exists() {
            return Err(BadInput(format!("{at}: no checkpoint to resume from")).into());
        }
        let saved = file::load_model(&self.path)?;
        let Some(checkpoint) = saved.checkpoint else {
            return Err(BadInput(format!("{at}: a finished model, not a checkpoint")).into());
        };
        if !checkpoint.is_of(data) {
            let of = &saved.about.data;
            let reason = format!("{at}: fitted to other data ({of}) than {}", data.name);
            return Err(BadInput(reason).into());
        }
        if saved.model.kind() != asked.kind() || saved.model.settings() != asked.settings() {
            let theirs = saved.model.settings();
            let differs = asked.settings().into_iter().find(|pair| !theirs.contains(pair));
            let how = differs
                .map_or(String::new(), |(key, value)| format!(": `{key}` is not {value} there"));
            return Err(BadInput(format!("{at}: fitted with other settings{how}")).into());
        }
        Ok((saved.model, checkpoint.position))
    }

    /// Removes a checkpoint that only an interrupted run leaves.
    fn forget(&self) {
        if self.passing {
            // If it stays it harms nobody: resuming from it ends in the same model.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// The log of steps.
struct Log {
    path: PathBuf,
    file: Option<BufWriter<std::fs::File>>,
}

impl Log {
    fn open(path: Option<&Path>, append: bool) -> anyhow::Result<Self> {
        let Some(path) = path else { return Ok(Self { path: PathBuf::new(), file: None }) };
        let mut options = OpenOptions::new();
        options.create(true).write(true).append(append).truncate(!append);
        let file = options.open(path).map_err(kwinners::Error::io(path))?;
        Ok(Self { path: path.to_owned(), file: Some(BufWriter::new(file)) })
    }

    fn write(&mut self, step: &Step) -> anyhow::Result<()> {
        if let Some(file) = &mut self.file {
            let line = serde_json::to_string(step)?;
            writeln!(file, "{line}").map_err(kwinners::Error::io(&self.path))?;
        }
        Ok(())
    }

    fn flush(&mut self) -> anyhow::Result<()> {
        if let Some(file) = &mut self.file {
            file.flush().map_err(kwinners::Error::io(&self.path))?;
        }
        Ok(())
    }
}
