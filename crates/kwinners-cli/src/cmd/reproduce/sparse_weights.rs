//! LeNet-300-100 on MNIST with few weights whose places move while it learns: how many of the test images
//! it tells right.

use std::time::Instant;

use kwinners::metrics::accuracy;
use kwinners::report::Summary;
use kwinners::train::{self, Control, Position};
use kwinners::{Dataset, Model};
use rayon::prelude::*;
use serde::Serialize;

use super::Arguments;
use crate::args::Shared;
use crate::output::Output;

/// One way to learn.
#[derive(Clone, Copy, Serialize)]
struct Row {
    label: &'static str,
    settings: &'static [(&'static str, &'static str)],
    /// Known accuracy; left out where other data was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    known: Option<f64>,
}

/// What all rows have in common.
const COMMON: [(&str, &str); 3] =
    [("preset", "lenet-300-100"), ("schedule", "cosine"), ("epochs", "100")];

/// More changes of places than one an epoch, each of fewer weights.
macro_rules! momentum {
    ($density:literal) => {
        &[
            ("regrow", "momentum"),
            ("weight_density", $density),
            ("regrow_every", "100"),
            ("prune_rate", "0.2"),
        ]
    };
}

const ROWS: [Row; 5] = [
    Row { label: "sparse momentum", settings: momentum!("0.05"), known: Some(0.9853) },
    Row { label: "sparse momentum", settings: momentum!("0.02"), known: Some(0.9820) },
    Row {
        label: "RigL",
        settings: &[
            ("regrow", "rigl"),
            ("weight_density", "0.05"),
            ("layer_density", "erdos-renyi"),
            ("regrow_every", "100"),
            ("regrow_until", "0.75"),
            ("prune_rate", "0.3"),
            ("last_prune_rate", "0"),
        ],
        known: None,
    },
    Row {
        label: "SET",
        settings: &[
            ("regrow", "set"),
            ("weight_density", "0.05"),
            ("layer_density", "erdos-renyi"),
            ("prune_rate", "0.3"),
            ("last_prune_rate", "0.3"),
        ],
        known: Some(0.9814),
    },
    Row { label: "dense", settings: &[], known: Some(0.9869) },
];

/// What one run gave.
struct Run {
    accuracy: f64,
    /// Of each layer: weights kept, and all.
    weights: Vec<(usize, usize)>,
    epochs: usize,
    fit_s: f64,
}

/// A row with what its runs gave.
#[derive(Serialize)]
struct Line {
    #[serde(flatten)]
    row: Row,
    accuracy: Summary,
    /// Weights that are not held at zero when all is learned, mean over the seeds, layer by layer.
    kept_by_layer: Vec<f64>,
    /// The same of the whole network, which no seed changes, and all weights.
    kept: Summary,
    weights: usize,
    epochs: usize,
    fit_s: Summary,
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
        // Batches are small: seeds side by side keep all cores busy.
        let runs: Vec<Run> = seeds
            .par_iter()
            .map(|&seed| measure(&row, seed, (&train, &test)))
            .collect::<kwinners::Result<_>>()?;
        let known = row.known.filter(|_| arguments.data.is_none());
        let line = Line::new(Row { known, ..row }, &runs);
        output.note(format_args!("{}", line.cells().join("  ")));
        lines.push(line);
    }
    print(&lines, output)?;
    output.object(&Answer {
        name: "sparse-weights",
        train: &train.name,
        test: &test.name,
        seeds: &seeds,
        rows: &lines,
    })
}

/// Learns one row with one seed and tells the test images apart.
fn measure(row: &Row, seed: u64, (train, test): (&Dataset, &Dataset)) -> kwinners::Result<Run> {
    let settings = COMMON.iter().chain(row.settings);
    let settings = settings.map(|&(key, value)| (key.to_owned(), value.to_owned()));
    let settings: Vec<_> = settings.chain([("seed".to_owned(), seed.to_string())]).collect();
    let mut model = Model::new("classifier", &settings, train.inputs())?;
    let begin = Instant::now();
    train::fit(&mut model, train, Position::default(), &mut |_, _, _| Control::Continue)?;
    let fit_s = begin.elapsed().as_secs_f64();
    let Model::Classifier(classifier) = &model else { unreachable!("made as one") };
    let classes = model.classifier().expect("it is one").classify(test.rows())?;
    Ok(Run {
        accuracy: accuracy(&classes, test.require_labels()?)?,
        weights: classifier.kept_weights(),
        epochs: model.schedule().epochs,
        fit_s,
    })
}

impl Line {
    fn new(row: Row, runs: &[Run]) -> Self {
        let summary = |figure: &dyn Fn(&Run) -> f64| Summary::of(runs.iter().map(figure).collect());
        let layers = runs[0].weights.len();
        let kept = |layer: usize| summary(&|run| run.weights[layer].0 as f64).mean;
        Self {
            row,
            accuracy: summary(&|run| run.accuracy),
            kept_by_layer: (0..layers).map(kept).collect(),
            kept: summary(&|run| run.weights.iter().map(|(kept, _)| *kept as f64).sum()),
            weights: runs[0].weights.iter().map(|(_, all)| all).sum(),
            epochs: runs[0].epochs,
            fit_s: summary(&|run| run.fit_s),
        }
    }

    fn cells(&self) -> Vec<String> {
        let percent =
            |summary: &Summary| format!("{:.2} ± {:.2}", 100.0 * summary.mean, 100.0 * summary.sd);
        let known = self.row.known.map_or_else(|| "-".to_owned(), |x| format!("{:.2}", 100.0 * x));
        let layers: Vec<String> =
            self.kept_by_layer.iter().map(|kept| format!("{kept:.0}")).collect();
        // Whole, unless a seed had another number of weights than the others.
        let kept = match self.kept.sd == 0.0 {
            true => format!("{}", self.kept.mean),
            false => format!("{} ± {}", self.kept.mean, self.kept.sd),
        };
        vec![
            self.row.label.to_owned(),
            format!("{:.3}", 100.0 * self.kept.mean / self.weights as f64),
            known,
            percent(&self.accuracy),
            kept,
            layers.join(" "),
            self.epochs.to_string(),
            format!("{:.0}", self.fit_s.mean),
        ]
    }
}

fn print(lines: &[Line], output: &mut Output) -> anyhow::Result<()> {
    output.line("LeNet-300-100, 266,200 weights: those that are kept at the end, and accuracy")?;
    let headings =
        ["regrow", "weights %", "known %", "accuracy %", "kept", "by layer", "epochs", "fit s"];
    let rows: Vec<Vec<String>> = lines.iter().map(Line::cells).collect();
    output.table(&headings, &rows)?;
    output.line(
        "\nmean ± sd over the seeds; test images are looked at once, all choices were made on the last\n\
         10,000 training images. Known: 100 epochs, the results that TimDettmers/sparse_learning keeps for\n\
         its paper (arXiv 1907.04840); its SET drops by another rule than the one published.",
    )
}
