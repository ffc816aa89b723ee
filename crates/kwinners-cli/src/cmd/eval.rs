//! `kwinners eval`: a model or codes judged beside the raw data.

use std::num::NonZeroU64;
use std::path::{Path, PathBuf};

use clap::Args;
use kwinners::data::CodeFormat;
use kwinners::encoder::Model;
use kwinners::metrics::NoiseProtocol;
use kwinners::report::{Evidence, ModelInfo, Part, Report, ReportSummary, Timing, summarise};
use kwinners::train::{Position, StopReason};
use kwinners::{Dataset, Error, SdrBatch, file};
use serde::Serialize;

use crate::args::Shared;
use crate::fitting::{self, Asked, Encoded};
use crate::output::Output;
use crate::page;
use crate::pictures;
use crate::status::BadInput;

/// What `kwinners eval` is asked for.
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// The model; or the codes of the training data (.kw, .npz, .npy, .parquet), with --test-codes
    #[arg(value_name = "MODEL.kw|CODES")]
    input: PathBuf,
    /// Data that the read-outs learn from
    #[arg(long, value_name = "TRAIN_SPEC")]
    data: String,
    /// Data that everything is measured on
    #[arg(long, value_name = "TEST_SPEC")]
    test: String,
    /// What to measure, between commas: code, readout, separation, reconstruction, raw, svm, latents,
    /// noise, classes, pixels, information, attacks [default: the first five as far as they can be; the
    /// others cost most]
    #[arg(long, value_name = "LIST")]
    metrics: Option<String>,
    /// The noise of the metric `noise`: s2, random-value, gaussian, forum-a, salt-and-pepper,
    /// occlusion, waveform (for sound) [default: s2]
    #[arg(long, value_name = "PROTOCOL", requires = "metrics")]
    noise: Option<NoiseProtocol>,
    /// Fit the model's settings anew with seeds 0 to N-1, and give every figure as mean and standard
    /// deviation
    #[arg(long, value_name = "N")]
    seeds: Option<NonZeroU64>,
    /// The codes of the test data, where codes are judged
    #[arg(long, value_name = "CODES")]
    test_codes: Option<PathBuf>,
    /// Units of the codes, where their file does not say: an .npy of indices or of packed bits
    #[arg(long, value_name = "N", requires = "test_codes")]
    units: Option<usize>,
    /// Folder for pictures: strips.png, filters.png, encodings.png, and confusion.png given labels; with
    /// the metric `classes` also classes.png, pairs.png and, for classifiers and embedders of images,
    /// saliency.png: what their answers, or the strongest units of their codes, hang on
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Write everything as one page that needs no network: figures, charts, pictures, neighbours
    #[arg(long, value_name = "FILE.html")]
    report: Option<PathBuf>,
    /// Log of the fit, for the learning curve of the page [default: MODEL.jsonl, if it is there]
    #[arg(long, value_name = "FILE.jsonl", requires = "report")]
    log: Option<PathBuf>,
}

/// What is judged on what.
struct Task<'a> {
    arguments: &'a Arguments,
    train: Dataset,
    test: Dataset,
    parts: Vec<Part>,
}

/// A report, and the pictures that were drawn beside it.
#[derive(Serialize)]
struct Answer<'a, T> {
    #[serde(flatten)]
    report: T,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pictures: Vec<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    page: Option<&'a Path>,
}

/// A model that was judged, with what the page needs of it.
struct Judged {
    report: Report,
    encoded: Encoded,
    pictures: Vec<PathBuf>,
}

pub(crate) fn run(
    arguments: &Arguments,
    shared: &Shared,
    output: &mut Output,
) -> anyhow::Result<()> {
    let parts = parts(arguments)?;
    let codes = holds_codes(&arguments.input)?;
    if let Some(page) = &arguments.report {
        super::check_output(page, "the page", &["html"])?;
    }
    if let Some(folder) = &arguments.out {
        std::fs::create_dir_all(folder).map_err(Error::io(folder))?;
    }
    let train = super::load(&arguments.data, shared)?;
    let mut test = super::load(&arguments.test, shared)?;
    if train.labels().is_some() {
        test = test.with_classes_of(&train.classes)?;
    }
    let task = Task { arguments, train, test, parts };
    if codes { task.judge_codes(output) } else { task.judge_model(output) }
}

/// The parts that were asked for.
fn parts(arguments: &Arguments) -> anyhow::Result<Vec<Part>> {
    let mut parts = match &arguments.metrics {
        Some(list) => Part::parse_list(list)?,
        None => Part::DEFAULT.to_vec(),
    };
    if let Some(protocol) = arguments.noise {
        let mut noises = parts.iter_mut().filter(|part| matches!(part, Part::Noise(_)));
        let Some(part) = noises.next() else {
            let reason = "--noise is for the metric `noise`: name it in --metrics";
            return Err(BadInput(reason.to_owned()).into());
        };
        *part = Part::Noise(protocol);
    }
    Ok(parts)
}

/// Whether `path` holds codes and not a model.
fn holds_codes(path: &Path) -> anyhow::Result<bool> {
    if CodeFormat::of_path(path).is_ok() {
        return Ok(true);
    }
    let text = file::inspect(path)?.text;
    Ok(text.iter().any(|(key, value)| key == "content" && value == "codes"))
}

impl Task<'_> {
    fn judge_model(&self, output: &mut Output) -> anyhow::Result<()> {
        let arguments = self.arguments;
        if arguments.test_codes.is_some() {
            let reason = "--test-codes is for judging codes; a model makes its own";
            return Err(BadInput(reason.to_owned()).into());
        }
        let model = file::load_model(&arguments.input)?.model;
        super::check_fits(&self.train, &arguments.input, &model)?;
        super::check_fits(&self.test, &arguments.input, &model)?;
        self.check_parts(Some(&model))?;
        match arguments.seeds {
            Some(seeds) => self.judge_seeds(output, &model, seeds.get()),
            None => {
                let judged = self.judge(output, &model, Asked::new(&self.parts, None), true)?;
                self.write_page(&model, &judged, None)?;
                self.answer(output, judged.report, judged.pictures)
            }
        }
    }

    /// The same settings with other seeds; the pictures are those of the first.
    fn judge_seeds(&self, output: &mut Output, like: &Model, seeds: u64) -> anyhow::Result<()> {
        let mut reports: Vec<Report> = Vec::new();
        let mut first: Option<(Model, Judged)> = None;
        for seed in 0..seeds {
            let (model, fit_s) = self.fit_again(output, like, seed)?;
            let asked = Asked { controls: reports.first(), ..Asked::new(&self.parts, fit_s) };
            let judged = self.judge(output, &model, asked, seed == 0)?;
            reports.push(judged.report.clone());
            first.get_or_insert((model, judged));
            output.note(format_args!("seed {seed} of 0 to {} judged", seeds - 1));
        }
        let summary = summarise(&reports)?;
        let Some((model, judged)) = first else { unreachable!("at least one seed") };
        self.write_page(&model, &judged, Some(&summary))?;
        self.answer(output, summary, judged.pictures)
    }

    /// Writes the page, if it was asked for.
    fn write_page(
        &self,
        model: &Model,
        judged: &Judged,
        seeds: Option<&ReportSummary>,
    ) -> anyhow::Result<()> {
        let Some(path) = &self.arguments.report else { return Ok(()) };
        let beside = page::log_beside(&self.arguments.input);
        let material = page::Material {
            report: &judged.report,
            seeds,
            model: Some(model),
            sets: (&self.train, &self.test),
            codes: (&judged.encoded.train, &judged.encoded.test),
            decoded: judged.encoded.decoded.as_deref(),
            log: self.arguments.log.as_deref().or(beside.as_deref()),
        };
        page::write(path, material)
    }

    /// A model of the same settings but for the seed, and the seconds that it learned.
    fn fit_again(
        &self,
        output: &Output,
        like: &Model,
        seed: u64,
    ) -> anyhow::Result<(Model, Option<f64>)> {
        let own = like.settings().into_iter().map(|(key, value)| (key.to_owned(), value));
        let settings: Vec<_> = own.chain([("seed".to_owned(), seed.to_string())]).collect();
        let mut model = Model::new(like.kind(), &settings, self.train.inputs())?;
        let from = Position::default();
        let fitted = fitting::fit(
            output,
            &mut model,
            &self.train,
            from,
            (&mut |_, _, _| Ok(()), &mut |_, _, _| Ok(())),
        )?;
        match fitted.reason {
            StopReason::Finished => Ok((model, Some(fitted.seconds))),
            StopReason::NothingToLearn => Ok((model, None)),
            StopReason::Asked => anyhow::bail!("stopped while fitting seed {seed}"),
        }
    }

    /// The report of one model, and the pictures of it if it is to be drawn.
    fn judge(
        &self,
        output: &Output,
        model: &Model,
        asked: Asked<'_>,
        draw: bool,
    ) -> anyhow::Result<Judged> {
        let sets = (&self.train, &self.test);
        let encoded = fitting::encode_both(output, model, sets.0, sets.1)?;
        let report = fitting::judged(output, model, sets, &encoded, asked)?;
        let mut pictures = Vec::new();
        if let Some(folder) = self.arguments.out.as_ref().filter(|_| draw) {
            pictures = pictures::write_all(folder, model, &self.test, &encoded)?;
            pictures.extend(self.draw_classes(folder, &report)?);
            if self.parts.contains(&Part::Classes) {
                pictures.extend(pictures::write_saliency(folder, model, &self.test)?);
            }
        }
        Ok(Judged { report, encoded, pictures })
    }

    fn draw_classes(&self, folder: &Path, report: &Report) -> kwinners::Result<Vec<PathBuf>> {
        let classes = report.classes.as_ref();
        classes.map_or(Ok(Vec::new()), |found| pictures::write_classes(folder, found, &self.test))
    }

    fn judge_codes(&self, output: &mut Output) -> anyhow::Result<()> {
        let arguments = self.arguments;
        let Some(test_codes) = &arguments.test_codes else {
            let path = arguments.input.display();
            let reason = format!(
                "{path} holds codes, taken for those of {}; the codes of {} are needed too: \
                 --test-codes CODES",
                arguments.data, arguments.test
            );
            return Err(BadInput(reason).into());
        };
        if arguments.seeds.is_some() {
            let reason = "--seeds needs a model: codes alone can't be made anew";
            return Err(BadInput(reason.to_owned()).into());
        }
        self.check_parts(None)?;
        let train_codes = super::load_codes(&arguments.input, arguments.units)?;
        let test_codes = super::load_codes(test_codes, Some(train_codes.units()))?;
        let evidence = Evidence {
            model: ModelInfo {
                kind: "codes".to_owned(),
                input_width: Some(self.train.width()),
                units: train_codes.units(),
                winners: typical_winners(&train_codes),
                seed: None,
            },
            encoder: None,
            classifier: None,
            latents: None,
            decoder: None,
            train: &self.train,
            test: &self.test,
            train_codes: &train_codes,
            test_codes: &test_codes,
            decoded: None,
            controls: None,
            time: Timing::default(),
        };
        let report = fitting::measure(output, &evidence, &self.parts)?;
        let pictures = match &arguments.out {
            Some(folder) => [
                pictures::write_those_of(folder, None, &self.test, &test_codes, None)?,
                self.draw_classes(folder, &report)?,
            ]
            .concat(),
            None => Vec::new(),
        };
        if let Some(path) = &arguments.report {
            let material = page::Material {
                report: &report,
                seeds: None,
                model: None,
                sets: (&self.train, &self.test),
                codes: (&train_codes, &test_codes),
                decoded: None,
                log: arguments.log.as_deref(),
            };
            page::write(path, material)?;
        }
        self.answer(output, report, pictures)
    }

    fn answer<T: Serialize + std::fmt::Display>(
        &self,
        output: &mut Output,
        report: T,
        pictures: Vec<PathBuf>,
    ) -> anyhow::Result<()> {
        let page = self.arguments.report.as_deref();
        output.line(report.to_string().trim_end())?;
        if !pictures.is_empty() {
            output.line("pictures")?;
        }
        for path in &pictures {
            output.line(format_args!("  {}", path.display()))?;
        }
        if let Some(page) = page {
            output.line(format_args!("page\n  {}", page.display()))?;
        }
        output.object(&Answer { report, pictures, page })
    }

    /// What was asked for by name must be measurable; left to itself, eval measures what it can.
    fn check_parts(&self, model: Option<&Model>) -> anyhow::Result<()> {
        if self.arguments.metrics.is_none() {
            return Ok(());
        }
        let path = self.arguments.input.display();
        let refused = |reason: String| Err(Error::Unsupported(reason).into());
        for part in &self.parts {
            match part {
                Part::Reconstruction if model.and_then(Model::decoder).is_none() => {
                    return refused(format!(
                        "{path} has no decoder: `reconstruction` can't be measured"
                    ));
                }
                Part::Noise(_) if model.is_none() => {
                    return refused(format!(
                        "{path} holds codes: `noise` needs the model, to encode noisy inputs"
                    ));
                }
                Part::Latents if model.and_then(Model::latents).is_none() => {
                    return refused(format!(
                        "{path} has no real-valued latents: `latents` can't be measured"
                    ));
                }
                Part::Pixels if model.and_then(Model::decoder).is_none() => {
                    return refused(format!("{path} has no decoder: `pixels` can't be measured"));
                }
                Part::Attacks if model.and_then(Model::classifier).is_none() => {
                    return refused(format!(
                        "{path} tells no classes: `attacks` can't be measured"
                    ));
                }
                Part::Code | Part::Reconstruction | Part::Latents | Part::Pixels => {}
                Part::Separation | Part::Information | Part::Attacks => {
                    self.test.require_labels().map(drop)?;
                }
                Part::Readout | Part::Raw | Part::Svm | Part::Noise(_) | Part::Classes => {
                    self.train.require_labels()?;
                    self.test.require_labels()?;
                }
            }
        }
        Ok(())
    }
}

/// The winners of all codes; where they differ, which the report then says, the nearest to their
/// mean.
fn typical_winners(codes: &SdrBatch) -> usize {
    let mean = codes.indices().len() as f64 / codes.len().max(1) as f64;
    codes.winners().unwrap_or((mean.round() as usize).max(1))
}
