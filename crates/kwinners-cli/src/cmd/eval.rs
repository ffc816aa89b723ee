//! `kwinners eval`: a model or codes judged beside the raw data.

use std::path::{Path, PathBuf};

use clap::Args;
use kwinners::encoder::Model;
use kwinners::report::{Evidence, ModelInfo, Part, Report, Timing, summarise};
use kwinners::train::Position;
use kwinners::{Dataset, Error, SdrBatch, file};

use crate::args::Shared;
use crate::fitting;
use crate::output::Output;
use crate::pictures;
use crate::status::BadInput;

/// Judge a model or codes beside the raw data.
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// The model, or the codes of the training data
    #[arg(value_name = "MODEL.kw|CODES")]
    input: PathBuf,
    /// Data that the read-outs learn from
    #[arg(long, value_name = "TRAIN_SPEC")]
    data: String,
    /// Data that everything is measured on
    #[arg(long, value_name = "TEST_SPEC")]
    test: String,
    /// What to measure, between commas: code, readout, separation, reconstruction, raw [default: all]
    #[arg(long, value_name = "LIST")]
    metrics: Option<String>,
    /// Fit the model's settings again with the seeds 0 to N-1 and give each figure as mean and spread
    #[arg(long, value_name = "N")]
    seeds: Option<u64>,
    /// Codes of the test data, where codes are judged
    #[arg(long, value_name = "CODES")]
    test_codes: Option<PathBuf>,
    /// Draw strips, filters, encodings and confusion maps as PNG files into this folder
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

pub(crate) fn run(
    arguments: &Arguments,
    shared: &Shared,
    output: &mut Output,
) -> anyhow::Result<()> {
    let train = super::load(&arguments.data, shared)?;
    let test = super::load(&arguments.test, shared)?;
    let parts = match &arguments.metrics {
        Some(list) => Part::parse_list(list)?,
        None => Part::ALL.to_vec(),
    };
    if holds_codes(&arguments.input)? {
        let report = of_codes(arguments, (&train, &test), &parts, output)?;
        return tell(output, &report);
    }
    let model = file::load_model(&arguments.input)?.model;
    if arguments.metrics.is_some() {
        check_parts(&parts, model.decoder().is_some(), &train, &test)?;
    }
    let Some(seeds) = arguments.seeds else {
        let report = of_model(output, &model, (&train, &test), (&parts, None), arguments)?;
        return tell(output, &report);
    };
    if seeds == 0 {
        return Err(BadInput("--seeds: at least 1".to_owned()).into());
    }
    let reports: Vec<Report> = (0..seeds)
        .map(|seed| {
            let (model, fit_s) = fit_again(output, &model, &train, seed)?;
            of_model(output, &model, (&train, &test), (&parts, Some(fit_s)), arguments)
        })
        .collect::<anyhow::Result<_>>()?;
    let summary = summarise(&reports)?;
    output.line(&summary)?;
    output.object(&summary)
}

fn tell(output: &mut Output, report: &Report) -> anyhow::Result<()> {
    output.line(report)?;
    output.object(report)
}

fn of_model(
    output: &Output,
    model: &Model,
    (train, test): (&Dataset, &Dataset),
    (parts, fit_s): (&[Part], Option<f64>),
    arguments: &Arguments,
) -> anyhow::Result<Report> {
    let encoded = fitting::encode_both(output, model, train, test)?;
    if let Some(folder) = &arguments.out {
        for path in pictures::write_all(folder, model, test, &encoded)? {
            output.note(format_args!("picture {}", path.display()));
        }
    }
    fitting::judged(output, model, (train, test), &encoded, (parts, fit_s))
}

/// A model of the same kind and settings, but for the seed, and the seconds that it took.
fn fit_again(
    output: &Output,
    like: &Model,
    data: &Dataset,
    seed: u64,
) -> anyhow::Result<(Model, f64)> {
    let mut settings: Vec<(String, String)> =
        like.settings().into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
    settings.push(("seed".to_owned(), seed.to_string()));
    let mut model = Model::new(like.kind(), &settings, data.rows())?;
    let from = Position::default();
    let watch = (&mut |_: &_, _: &_, _| Ok(()), &mut |_: &_, _: &_, _| Ok(()));
    let fitted = fitting::fit(output, &mut model, data, from, (watch.0, watch.1))?;
    if fitted.reason == kwinners::train::StopReason::Asked {
        anyhow::bail!("stopped in the fit of seed {seed}; nothing was saved");
    }
    Ok((model, fitted.seconds))
}

/// Whether `path` is a file of codes rather than a model.
fn holds_codes(path: &Path) -> anyhow::Result<bool> {
    if path.extension().is_some_and(|extension| extension == "npz" || extension == "npy") {
        return Ok(true);
    }
    let text = file::inspect(path)?.text;
    Ok(text.iter().any(|(key, value)| key == "content" && value == "codes"))
}

fn of_codes(
    arguments: &Arguments,
    (train, test): (&Dataset, &Dataset),
    parts: &[Part],
    output: &Output,
) -> anyhow::Result<Report> {
    let Some(test_codes) = &arguments.test_codes else {
        let reason = "codes of the training data need those of the test data: --test-codes FILE";
        return Err(BadInput(reason.to_owned()).into());
    };
    if arguments.seeds.is_some() || arguments.out.is_some() {
        let reason = "--seeds and --out need the model: codes alone can't be fitted or drawn";
        return Err(BadInput(reason.to_owned()).into());
    }
    if arguments.metrics.is_some() {
        check_parts(parts, false, train, test)?;
    }
    let train_codes = super::load_codes(&arguments.input, None)?;
    let test_codes = super::load_codes(test_codes, Some(train_codes.units()))?;
    let evidence = Evidence {
        model: ModelInfo {
            kind: "codes".to_owned(),
            input_width: Some(train.width()),
            units: train_codes.units(),
            winners: winners_of(&arguments.input, &train_codes)?,
            seed: None,
        },
        train,
        test,
        train_codes: &train_codes,
        test_codes: &test_codes,
        decoded: None,
        time: Timing::default(),
    };
    fitting::measure(output, &evidence, parts)
}

fn winners_of(path: &Path, codes: &SdrBatch) -> Result<usize, Error> {
    codes.winners().ok_or_else(|| {
        let reason = format!("{}: the codes do not all have the same winners", path.display());
        Error::Unsupported(reason)
    })
}

/// What was asked for by name must be measurable; left to itself, eval measures what it can.
fn check_parts(
    parts: &[Part],
    decoder: bool,
    train: &Dataset,
    test: &Dataset,
) -> anyhow::Result<()> {
    for part in parts {
        match part {
            Part::Reconstruction if !decoder => {
                let reason = "--metrics reconstruction: there is no decoder";
                return Err(BadInput(reason.to_owned()).into());
            }
            Part::Readout | Part::Raw | Part::Separation => {
                train.require_labels()?;
                test.require_labels()?;
            }
            Part::Code | Part::Reconstruction => {}
        }
    }
    Ok(())
}
