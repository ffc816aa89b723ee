//! Decoders by class beside one for all, and classes as unions of codes.

use std::time::Instant;

use anyhow::bail;
use kwinners::memory::{ClassDecoders, ClassMemory, ClassRule};
use kwinners::metrics::{
    Features, accuracy, fit_linear_probe, reconstruction, sample_of_each_class,
};
use kwinners::report::Summary;
use kwinners::train::{Position, StopReason};
use kwinners::{Dataset, Model, Rows, SdrBatch};
use serde::Serialize;

use super::Arguments;
use crate::args::Shared;
use crate::fitting;
use crate::output::Output;

/// One encoder.
#[derive(Clone, Copy, Serialize)]
struct Row {
    label: &'static str,
    kind: &'static str,
    settings: &'static [(&'static str, &'static str)],
}

const ROWS: [Row; 3] = [
    Row { label: "random projection 1000/30", kind: "random-projection", settings: &[] },
    Row { label: "tied 1000/30", kind: "tied", settings: &[] },
    Row { label: "tied 4096/32", kind: "tied", settings: &[("units", "4096"), ("winners", "32")] },
];

/// Codes of each class in the small class memory.
const FEW: usize = 10;

/// The figures of one run, in the order of [`HEADINGS`]; NaN where there is none.
const HEADINGS: [&str; 9] = [
    "own decoder",
    "one learned",
    "by class",
    "class known",
    "probe %",
    "union of 10 %",
    "union of all %",
    "counts %",
    "log-odds %",
];
/// How many of them are errors; the others are shares told right.
const ERRORS: usize = 4;

/// A row with what its runs gave.
#[derive(Serialize)]
struct Line {
    #[serde(flatten)]
    row: Row,
    figures: Vec<(&'static str, Option<Summary>)>,
}

/// The answer under `--json`.
#[derive(Serialize)]
struct Answer<'a> {
    name: &'static str,
    train: &'a str,
    test: &'a str,
    seeds: &'a [u64],
    rows: &'a [Line],
}

pub(super) fn run(
    arguments: &Arguments,
    shared: &Shared,
    output: &mut Output,
) -> anyhow::Result<()> {
    let (train, test) = super::sets(arguments, shared, ("mnist:train", "mnist:test"))?;
    let seeds = arguments.seeds();
    let mut lines = Vec::new();
    for row in ROWS {
        let mut runs = Vec::new();
        for &seed in &seeds {
            let begin = Instant::now();
            runs.push(measure(&row, seed, (&train, &test), output)?);
            let seconds = begin.elapsed().as_secs_f64();
            output.note(format_args!("{}, seed {seed}: {seconds:.0} s", row.label));
        }
        let figure = |(place, name): (usize, &&'static str)| {
            let values: Vec<f64> = runs.iter().map(|run| run[place]).collect();
            let any = values.iter().all(|value| value.is_finite());
            (*name, any.then(|| Summary::of(values)))
        };
        lines.push(Line { row, figures: HEADINGS.iter().enumerate().map(figure).collect() });
    }
    print(&lines, output)?;
    let (train, test) = (&*train.name, &*test.name);
    output.object(&Answer { name: "classes", train, test, seeds: &seeds, rows: &lines })
}

/// Learns one row with one seed; everything is measured on the test set.
fn measure(
    row: &Row,
    seed: u64,
    (train, test): (&Dataset, &Dataset),
    output: &Output,
) -> anyhow::Result<[f64; HEADINGS.len()]> {
    let settings = row.settings.iter().map(|&(key, value)| (key.to_owned(), value.to_owned()));
    let settings: Vec<_> = settings.chain([("seed".to_owned(), seed.to_string())]).collect();
    let mut model = Model::new(row.kind, &settings, train.inputs())?;
    let (every, look) = (&mut |_: &_, _: &_, _| Ok(()), &mut |_: &_, _: &_, _| Ok(()));
    let fitted = fitting::fit(output, &mut model, train, Position::default(), (every, look))?;
    if fitted.reason == StopReason::Asked {
        bail!("stopped before the table was done");
    }
    let encoder = model.encoder();
    let codes = fitting::encode(output, "encoding", encoder, train.rows())?;
    let asked = fitting::encode(output, "encoding", encoder, test.rows())?;
    let (labels, expected) = (train.require_labels()?, test.require_labels()?);
    let unexplained = |decoded: &[f32]| -> kwinners::Result<f64> {
        Ok(reconstruction(test.rows(), Rows::new(decoded, test.width())?)?.fvu)
    };
    let own = match model.decoder() {
        Some(decoder) => unexplained(&decoder.decode(&asked)?)?,
        None => f64::NAN,
    };
    let all = vec![0; codes.len()];
    let one = ClassDecoders::learn(&codes, train.rows(), &all, seed)?;
    let one = unexplained(&one.decode(&asked, &vec![0; asked.len()])?)?;
    let probe = fit_linear_probe(Features::Codes(&codes), labels)?;
    let told = probe.predict(Features::Codes(&asked))?;
    let by_class = ClassDecoders::learn(&codes, train.rows(), labels, seed)?;
    let gated = unexplained(&by_class.decode(&asked, &told)?)?;
    let known = unexplained(&by_class.decode(&asked, expected)?)?;
    let few = sample_of_each_class(labels, FEW, seed);
    let few_labels: Vec<u32> = few.iter().map(|&place| labels[place]).collect();
    let classes = train.classes.len();
    let recalled = |codes: &SdrBatch, labels: &[u32], rule| -> kwinners::Result<f64> {
        let mut memory = ClassMemory::new(codes.units(), classes)?;
        memory.learn(codes, labels)?;
        accuracy(&memory.classify(&asked, rule)?, expected)
    };
    Ok([
        own,
        one,
        gated,
        known,
        accuracy(&told, expected)?,
        recalled(&codes.select(&few), &few_labels, ClassRule::Union)?,
        recalled(&codes, labels, ClassRule::Union)?,
        recalled(&codes, labels, ClassRule::Counts)?,
        recalled(&codes, labels, ClassRule::LogOdds)?,
    ])
}

fn print(lines: &[Line], output: &mut Output) -> anyhow::Result<()> {
    output.line("Decoders by class: fraction of variance unexplained; classes told right")?;
    let headings = [&["encoder"], &HEADINGS[..]].concat();
    let rows: Vec<Vec<String>> = lines.iter().map(Line::cells).collect();
    output.table(&headings, &rows)?;
    output.line(
        "\nmean ± sd over the seeds. A linear decoder learned from codes, one for all classes, one for each,\n\
         picked by the linear probe, and picked by the label. Class memories: the overlap with the union\n\
         of 10 codes of each class, of all of them, and the counts of units as means and as log-odds.",
    )
}

impl Line {
    fn cells(&self) -> Vec<String> {
        let mut cells = vec![self.row.label.to_owned()];
        for (place, (_, summary)) in self.figures.iter().enumerate() {
            let Some(Summary { mean, sd, .. }) = summary else {
                cells.push("-".to_owned());
                continue;
            };
            cells.push(match place < ERRORS {
                true => format!("{mean:.4} ± {sd:.4}"),
                false => format!("{:.2} ± {:.2}", 100.0 * mean, 100.0 * sd),
            });
        }
        cells
    }
}
