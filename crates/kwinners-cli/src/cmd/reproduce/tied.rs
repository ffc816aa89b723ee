//! The tied encoder online on MNIST: what each way of boosting does to error, neighbours and dead units.
//!
//! The thread (HTM forum 10138) gives the rule, 1000 units and 30 winners, and leaves learning rate
//! and boosting open. The figures beside ours are of one run a row, by an independent NumPy
//! implementation of the rule with additive boosting `a + β (k/n - d)` or multiplicative boosting
//! `a · exp(β (k/n - d))`, duty period 1000, images in random order. Units are dead if no image of
//! the training set has them on when encoding without boosting.

use anyhow::bail;
use kwinners::encoder::{Boosting, InputScaling, Tied, TiedSettings};
use kwinners::metrics::{
    Features, accuracy, fit_linear_probe, neighbours_by_overlap, reconstruction,
};
use kwinners::report::{Part, Report, ReportSummary, Summary, summarise};
use kwinners::train::{self, Control, Position, StopReason};
use kwinners::{Dataset, Model, Rows};
use rayon::prelude::*;
use serde::Serialize;

use super::Arguments;
use crate::args::Shared;
use crate::fitting::{self, Asked};
use crate::output::{Counts, Output};

/// A row of the table: how one encoder learns, online, and what the reference run of it gave.
#[derive(Clone, Copy, Debug, Serialize)]
struct Row {
    learning_rate: f32,
    #[serde(skip)]
    boosting: Boosting,
    boost_strength: f32,
    units: usize,
    winners: usize,
    epochs: usize,
    /// Absent where there is none, or other data was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    reference: Option<Reference>,
}

/// What the reference run gave.
#[derive(Clone, Copy, Debug, Serialize)]
struct Reference {
    mse: f64,
    knn1_overlap: f64,
    dead_units: usize,
}

/// A full-size row of one epoch, and the figures of its reference run.
const fn row(
    learning_rate: f32,
    boosting: Boosting,
    boost_strength: f32,
    (mse, knn1_overlap, dead_units): (f64, f64, usize),
) -> Row {
    let reference = Some(Reference { mse, knn1_overlap, dead_units });
    Row { learning_rate, boosting, boost_strength, units: 1000, winners: 30, epochs: 1, reference }
}

const ROWS: [Row; 11] = [
    row(0.01, Boosting::None, 0.0, (0.078, 0.089, 970)),
    row(0.01, Boosting::Multiplicative, 10.0, (0.044, 0.917, 697)),
    row(0.003, Boosting::Multiplicative, 10.0, (0.054, 0.922, 765)),
    row(0.01, Boosting::Additive, 10.0, (0.041, 0.932, 508)),
    row(0.003, Boosting::Additive, 30.0, (0.053, 0.945, 245)),
    row(0.01, Boosting::Additive, 100.0, (0.066, 0.944, 102)),
    row(0.003, Boosting::Additive, 100.0, (0.067, 0.941, 115)),
    row(0.003, Boosting::Multiplicative, 100.0, (0.093, 0.941, 218)),
    Row { epochs: 3, ..row(0.003, Boosting::Additive, 30.0, (0.052, 0.938, 225)) },
    Row { units: 256, winners: 12, ..row(0.01, Boosting::Additive, 30.0, (0.049, 0.877, 57)) },
    Row { reference: None, ..row(0.003, Boosting::Balance, 0.0, (0.0, 0.0, 0)) },
];

impl Row {
    /// Everything that the table fixes; later defaults of the encoder don't change it.
    fn settings(&self, seed: u64) -> TiedSettings {
        TiedSettings {
            units: self.units,
            winners: self.winners,
            epochs: self.epochs,
            batch: 1,
            learning_rate: self.learning_rate,
            seed,
            boosting: self.boosting,
            boost_strength: self.boost_strength,
            boost_when_encoding: false,
            duty_period: 1000,
            nonnegative: true,
            input: InputScaling::Raw,
            ..TiedSettings::default()
        }
    }

    fn boosting_name(&self) -> &'static str {
        match self.boosting {
            Boosting::None => "none",
            Boosting::Balance => "balance",
            Boosting::Additive => "additive",
            Boosting::Multiplicative => "multiplicative",
        }
    }
}

/// What one run of a row gave.
struct Run {
    mse: f64,
    knn1_overlap: f64,
    dead_units_train: usize,
    linear_probe: Option<f64>,
}

/// A row with what its runs gave.
#[derive(Serialize)]
struct Line {
    #[serde(flatten)]
    row: Row,
    boosting: &'static str,
    mse: Summary,
    knn1_overlap: Summary,
    /// Units that no code of the training set has on.
    dead_units_train: Summary,
    #[serde(skip_serializing_if = "Option::is_none")]
    linear_probe: Option<Summary>,
    /// Whether the mean of `knn1_overlap` lies within 0.01 of the reference.
    #[serde(skip_serializing_if = "Option::is_none")]
    within_one_point: Option<bool>,
}

impl Line {
    fn new(row: Row, runs: &[Run]) -> Self {
        let summary = |figure: &dyn Fn(&Run) -> f64| Summary::of(runs.iter().map(figure).collect());
        let knn1_overlap = summary(&|run| run.knn1_overlap);
        let near =
            |reference: Reference| (knn1_overlap.mean - reference.knn1_overlap).abs() <= 0.01;
        let probes: Option<Vec<f64>> = runs.iter().map(|run| run.linear_probe).collect();
        Self {
            boosting: row.boosting_name(),
            mse: summary(&|run| run.mse),
            dead_units_train: summary(&|run| run.dead_units_train as f64),
            linear_probe: probes.map(Summary::of),
            within_one_point: row.reference.map(near),
            knn1_overlap,
            row,
        }
    }
}

/// Training and test set.
struct Sets {
    train: Dataset,
    test: Dataset,
}

/// The answer under `--json`.
#[derive(Serialize)]
struct Answer<'a> {
    name: &'static str,
    data: DataNames<'a>,
    seeds: &'a [u64],
    rows: &'a [Line],
    defaults: &'a ReportSummary,
}

#[derive(Serialize)]
struct DataNames<'a> {
    train: &'a str,
    test: &'a str,
}

pub(super) fn run(
    arguments: &Arguments,
    shared: &Shared,
    output: &mut Output,
) -> anyhow::Result<()> {
    let (train, test) = super::sets(arguments, shared, ("mnist:train", "mnist:test"))?;
    let sets = Sets { train, test };
    let seeds = arguments.seeds();
    let bar = output.progress("tied", ROWS.len() as u64 * arguments.seeds.get(), Counts::Runs);
    let mut lines = Vec::new();
    for row in ROWS {
        let reference = row.reference.filter(|_| arguments.data.is_none());
        let row = Row { reference, ..row };
        bar.set_message(row.boosting_name());
        // Learning online keeps one core busy: the seeds run side by side.
        let runs: Vec<Run> = seeds
            .par_iter()
            .map(|&seed| {
                let run = measure(&row, seed, &sets, arguments.probe)?;
                bar.inc(1);
                Ok(run)
            })
            .collect::<kwinners::Result<_>>()?;
        lines.push(Line::new(row, &runs));
    }
    bar.finish_and_clear();
    let mut reports = Vec::new();
    for &seed in &seeds {
        reports.push(judge_defaults(seed, &sets, output)?);
    }
    let defaults = summarise(&reports)?;
    print(&lines, &defaults, output)?;
    output.object(&Answer {
        name: "tied",
        data: DataNames { train: &sets.train.name, test: &sets.test.name },
        seeds: &seeds,
        rows: &lines,
        defaults: &defaults,
    })
}

/// The report of our defaults with one seed.
fn judge_defaults(seed: u64, sets: &Sets, output: &Output) -> anyhow::Result<Report> {
    let Sets { train, test } = sets;
    let settings = TiedSettings { seed, ..TiedSettings::default() };
    let mut model = Model::from(Tied::new(settings, train.rows())?);
    let (from, watch) = (Position::default(), &mut |_: &_, _: &_, _| Ok(()));
    let fitted = fitting::fit(output, &mut model, train, from, (watch, &mut |_, _, _| Ok(())))?;
    if fitted.reason == StopReason::Asked {
        bail!("stopped before the table was done");
    }
    let encoded = fitting::encode_both(output, &model, train, test)?;
    let parts = [Part::Code, Part::Readout, Part::Reconstruction];
    let asked = Asked::new(&parts, Some(fitted.seconds));
    fitting::judged(output, &model, (train, test), &encoded, asked)
}

/// Learns one row with one seed and measures it.
fn measure(row: &Row, seed: u64, sets: &Sets, probe: bool) -> kwinners::Result<Run> {
    let (train_rows, test_rows) = (sets.train.rows(), sets.test.rows());
    let (train_labels, test_labels) = (sets.train.require_labels()?, sets.test.require_labels()?);
    let mut model = Model::from(Tied::new(row.settings(seed), train_rows)?);
    train::fit(&mut model, &sets.train, Position::default(), &mut |_, _, _| Control::Continue)?;
    let train_codes = model.encoder().encode(train_rows)?;
    let test_codes = model.encoder().encode(test_rows)?;
    let decoded = model.decoder().expect("tied decodes").decode(&test_codes)?;
    let nearest = neighbours_by_overlap(&train_codes, &test_codes, 1)?;
    let linear_probe = match probe {
        true => {
            let probe = fit_linear_probe(Features::Codes(&train_codes), train_labels)?;
            Some(accuracy(&probe.predict(Features::Codes(&test_codes))?, test_labels)?)
        }
        false => None,
    };
    let counts = train_codes.unit_counts();
    Ok(Run {
        mse: reconstruction(test_rows, Rows::new(&decoded, test_rows.width())?)?.mse,
        knn1_overlap: nearest.vote_accuracy(1, train_labels, test_labels)?,
        dead_units_train: counts.iter().filter(|&&count| count == 0).count(),
        linear_probe,
    })
}

fn print(lines: &[Line], defaults: &ReportSummary, output: &mut Output) -> anyhow::Result<()> {
    let known = lines.iter().any(|line| line.row.reference.is_some());
    output.line(
        "the rule of the thread, online, one pass: one image a step, boosted while learning only",
    )?;
    let probed = lines.iter().any(|line| line.linear_probe.is_some());
    let headings = headings(known, probed);
    let rows: Vec<Vec<String>> = lines.iter().map(|line| cells(line, known, probed)).collect();
    output.table(&headings, &rows)?;
    if known {
        output.line(REFERENCE_NOTE)?;
        output.line(verdict(lines))?;
    }
    if let Some(line) = lines.iter().find(|line| line.row.boosting == Boosting::None) {
        let (dead, units) = (with_sd(&line.dead_units_train, 0), line.row.units);
        output.line(format!("collapse: without boosting {dead} of {units} units are dead"))?;
    }
    output.line("\nour defaults: mini-batches, a balance that is learned and kept in the model")?;
    output.line(defaults.to_string().trim_end())
}

const REFERENCE_NOTE: &str = "\
ref: one run by an independent NumPy implementation; ours: mean ± sd over the seeds
dead: units that no training image has on, encoding without boosting";

fn headings(known: bool, probed: bool) -> Vec<&'static str> {
    let mut headings = vec!["boosting", "rate", "n/k"];
    let figures: &[&str] = match known {
        true => &["1-NN % ref", "ours", "within 1", "MSE ref", "ours", "dead ref", "ours"],
        false => &["1-NN %", "MSE", "dead"],
    };
    headings.extend(figures);
    headings.extend(probed.then_some("probe %"));
    headings
}

fn cells(line: &Line, known: bool, probed: bool) -> Vec<String> {
    let row = &line.row;
    let strength = match row.boosting {
        Boosting::Additive | Boosting::Multiplicative => format!(" {}", row.boost_strength),
        Boosting::None | Boosting::Balance => String::new(),
    };
    let epochs = if row.epochs > 1 { format!(", {} epochs", row.epochs) } else { String::new() };
    let boosting = format!("{}{strength}{epochs}", line.boosting);
    let shape = format!("{}/{}", row.units, row.winners);
    let mut cells = vec![boosting, row.learning_rate.to_string(), shape];
    let reference = |text: &dyn Fn(Reference) -> String| {
        known.then(|| row.reference.map_or_else(|| "-".to_owned(), text))
    };
    let near = |near: bool| if near { "yes" } else { "no" }.to_owned();
    cells.extend(reference(&|reference| format!("{:.1}", 100.0 * reference.knn1_overlap)));
    cells.push(in_percent(&line.knn1_overlap));
    cells.extend(known.then(|| line.within_one_point.map_or_else(|| "-".to_owned(), near)));
    cells.extend(reference(&|reference| format!("{:.3}", reference.mse)));
    cells.push(with_sd(&line.mse, 3));
    cells.extend(reference(&|reference| reference.dead_units.to_string()));
    cells.push(with_sd(&line.dead_units_train, 0));
    if probed {
        cells.extend(line.linear_probe.as_ref().map(in_percent));
    }
    cells
}

/// How many rows came out as the reference run did, and which did not.
fn verdict(lines: &[Line]) -> String {
    let judged: Vec<&Line> = lines.iter().filter(|line| line.within_one_point.is_some()).collect();
    let far: Vec<String> = judged
        .iter()
        .filter(|line| line.within_one_point == Some(false))
        .map(|line| cells(line, false, false)[..3].join(" "))
        .collect();
    let near = judged.len() - far.len();
    let rest = if far.is_empty() { String::new() } else { format!("; not: {}", far.join("; ")) };
    format!("{near} of {} rows have their 1-NN within 1 point of the reference{rest}", judged.len())
}

fn with_sd(summary: &Summary, digits: usize) -> String {
    format!("{:.digits$} ± {:.digits$}", summary.mean, summary.sd)
}

fn in_percent(summary: &Summary) -> String {
    format!("{:.2} ± {:.2}", 100.0 * summary.mean, 100.0 * summary.sd)
}
