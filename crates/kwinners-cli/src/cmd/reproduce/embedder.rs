//! Codes that are learned for their neighbours: EmbedderSDR's network and ours beside softmax, convolutions, and heads
//! on sentence embeddings and word vectors; what heads learned without labels find of the nearest rows by cosine.

use anyhow::bail;
use kwinners::encoder::Model;
use kwinners::index::{DecoderScore, LinearDecoder};
use kwinners::metrics::{
    accuracy, centroid_accuracy, code_figures, nearest_by_distance, neighbours_by_overlap,
};
use kwinners::report::Summary;
use kwinners::sdr::code_bits;
use kwinners::train::{Position, StopReason};
use kwinners::{Dataset, Error, SdrBatch};
use serde::Serialize;

use super::Arguments;
use super::experiment::Form;
use super::recall::{CosineNeighbours, TOP};
use crate::args::Shared;
use crate::fitting;
use crate::output::Output;

/// Neighbours that vote.
const VOTES: usize = 15;

/// A row: an encoder with its settings, its data, and what is known of it.
#[derive(Debug, Serialize)]
struct Row {
    /// What `--rows` calls it.
    name: &'static str,
    label: &'static str,
    kind: &'static str,
    settings: &'static [(&'static str, &'static str)],
    /// Training and test set.
    #[serde(skip)]
    data: (&'static str, &'static str),
    /// Share of the test rows that are told right, by nearest centroid or by the softmax.
    known: Option<f64>,
}

const MNIST: (&str, &str) = ("mnist:train", "mnist:test");
const FASHION: (&str, &str) = ("fashion-mnist:train", "fashion-mnist:test");
const CLINC: (&str, &str) = ("clinc150:train", "clinc150:test");
const BANKING: (&str, &str) = ("banking77:train", "banking77:test");
/// The rarest words are looked for among the others.
const WORDS: (&str, &str) = ("glove[0..25000]", "glove[25000..30000]");

const K25: &[(&str, &str)] = &[("winners", "25")];
const PUBLISHED: &[(&str, &str)] = &[("preset", "published-mlp")];
const CONV: &[(&str, &str)] = &[("preset", "conv")];
/// Of clothes, which side is left does not matter.
const MIRRORED: &[(&str, &str)] = &[("preset", "conv"), ("mirror", "true")];
const HEAD: &[(&str, &str)] = &[("preset", "head")];
const UNLABELLED: &[(&str, &str)] = &[("preset", "unlabelled-head")];
const GLOVE: &[(&str, &str)] = &[("preset", "glove")];
/// The same layers, and a softmax in the code's place; its codes are the 26 largest of the 512.
const SOFTMAX: &[(&str, &str)] = &[
    ("layers", "linear 64, relu, linear 512, relu"),
    ("winners", "26"),
    ("epochs", "20"),
    ("batch", "256"),
    ("boost", "0"),
];

const fn row(
    (name, label): (&'static str, &'static str),
    settings: &'static [(&'static str, &'static str)],
    data: (&'static str, &'static str),
    known: Option<f64>,
) -> Row {
    Row { name, label, kind: "embedder", settings, data, known }
}

const fn softmax(data: (&'static str, &'static str), known: Option<f64>) -> Row {
    Row {
        name: "softmax",
        label: "softmax 784-64-512-10",
        kind: "classifier",
        settings: SOFTMAX,
        data,
        known,
    }
}

static ROWS: [Row; 15] = [
    row(("published", "published 784-64-512 k=26"), PUBLISHED, MNIST, Some(0.973)),
    row(("mlp", "ours 784-64-512 k=26"), &[], MNIST, None),
    row(("mlp-25", "ours 784-64-512 k=25"), K25, MNIST, None),
    softmax(MNIST, Some(0.980)),
    row(("published", "published 784-64-512 k=26"), PUBLISHED, FASHION, None),
    row(("mlp", "ours 784-64-512 k=26"), &[], FASHION, None),
    row(("mlp-25", "ours 784-64-512 k=25"), K25, FASHION, None),
    softmax(FASHION, None),
    row(("conv", "convolutions 1024/32"), CONV, MNIST, None),
    row(("conv-mirrored", "the same, mirrored"), MIRRORED, FASHION, None),
    row(("head", "head 2048/40"), HEAD, CLINC, None),
    row(("head", "head 2048/40"), HEAD, BANKING, None),
    row(("unlabelled-head", "head 2048/40, no labels"), UNLABELLED, CLINC, None),
    row(("unlabelled-head", "head 2048/40, no labels"), UNLABELLED, BANKING, None),
    row(("glove", "word vectors 2048/64, no labels"), GLOVE, WORDS, None),
];

impl Row {
    /// Whether it learns without labels, from vectors that have neighbours of their own.
    fn seeks_neighbours(&self) -> bool {
        self.settings == UNLABELLED || self.settings == GLOVE
    }
}

/// What one run of a row gave.
struct Run {
    /// Units and winners of a code.
    size: (usize, usize),
    /// The model's own answers, where it tells classes.
    answers: Option<f64>,
    readouts: Option<Readouts>,
    recall: Option<Recall>,
    dead_units: f64,
    duty_entropy: f64,
    fit_s: f64,
}

/// Shares of the test rows whose class codes tell.
struct Readouts {
    centroid: f64,
    knn1: f64,
    knn15: f64,
}

/// Shares of the nearest rows by cosine that codes find.
struct Recall {
    overlap: f64,
    product: f64,
    cosine: f64,
}

/// A row with what its runs gave.
#[derive(Serialize)]
struct Line<'a> {
    #[serde(flatten)]
    row: &'a Row,
    data: String,
    /// Nearest neighbour by distance of the raw inputs; of sentence embeddings, by cosine.
    raw_knn1: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    answers: Option<Summary>,
    #[serde(skip_serializing_if = "Option::is_none")]
    centroid: Option<Summary>,
    #[serde(skip_serializing_if = "Option::is_none")]
    knn1_overlap: Option<Summary>,
    #[serde(skip_serializing_if = "Option::is_none")]
    knn15_overlap: Option<Summary>,
    /// What codes find of the ten nearest rows by cosine.
    #[serde(skip_serializing_if = "Option::is_none")]
    recall: Option<RecallLine>,
    dead_units: Summary,
    duty_entropy: Summary,
    fit_s: Summary,
}

/// What the codes of a row find of the ten nearest rows by cosine.
#[derive(Serialize)]
struct RecallLine {
    /// `⌈log2 C(n, k) / 8⌉`.
    bytes: usize,
    /// By the units that codes share.
    overlap: Summary,
    /// By the product of the query with what a code stands for, and by their cosine.
    product: Summary,
    cosine: Summary,
    /// By the signs of the values without their means, a bit each.
    sign_bits: f64,
    sign_bytes: usize,
}

/// The answer under `--json`.
#[derive(Serialize)]
struct Answer<'a> {
    name: &'static str,
    seeds: &'a [u64],
    rows: &'a [Line<'a>],
}

/// Training and test set of a row, and what the raw inputs give.
struct Sets {
    names: (&'static str, &'static str),
    train: Dataset,
    test: Dataset,
    raw_knn1: Option<f64>,
    wanted: Option<CosineNeighbours>,
}

pub(super) fn run(
    arguments: &Arguments,
    shared: &Shared,
    output: &mut Output,
) -> anyhow::Result<()> {
    let seeds = arguments.seeds();
    let (mut lines, mut sets) = (Vec::<Line<'_>>::new(), None::<Sets>);
    for row in asked(arguments)? {
        // Rows that differ only in data are the same on data that was asked for.
        let same = |line: &Line<'_>| (line.row.kind, line.row.settings) == (row.kind, row.settings);
        if arguments.data.is_some() && lines.iter().any(same) {
            continue;
        }
        if sets.as_ref().is_none_or(|sets| !sets.are_of(row)) {
            sets = Some(Sets::load(row, arguments, shared)?);
        }
        let sets = sets.as_ref().expect("just loaded");
        let mut runs = Vec::new();
        for &seed in &seeds {
            output.note(format_args!("{}, {}, seed {seed}", row.label, sets.train.name));
            runs.push(sets.fit(row, seed, output)?);
        }
        lines.push(Line::new(row, sets, &runs));
    }
    print(&lines, arguments.data.is_none(), output)?;
    output.object(&Answer { name: "embedder", seeds: &seeds, rows: &lines })
}

/// The rows that are asked for, by their names.
fn asked(arguments: &Arguments) -> kwinners::Result<Vec<&'static Row>> {
    let Some(list) = &arguments.rows else { return Ok(ROWS.iter().collect()) };
    let known: Vec<&str> = ROWS.iter().map(|row| row.name).collect();
    let names: Vec<&str> = list.split(',').map(str::trim).collect();
    if let Some(name) = names.iter().find(|name| !known.contains(name)) {
        return Err(Error::unknown_name("row", name, &known));
    }
    Ok(ROWS.iter().filter(|row| names.contains(&row.name)).collect())
}

impl Sets {
    fn load(row: &Row, arguments: &Arguments, shared: &Shared) -> anyhow::Result<Self> {
        let (train, test) = match row.seeks_neighbours() {
            true => super::rows(arguments, shared, row.data)?,
            false => super::sets(arguments, shared, row.data)?,
        };
        // Images would take minutes, and are not what heads stand on.
        let raw_knn1 = match (train.image, train.labels(), test.labels()) {
            (None, Some(labels), Some(truth)) => {
                let nearest = nearest_by_distance(train.rows(), test.rows())?;
                let found: Vec<u32> = nearest.iter().map(|&row| labels[row]).collect();
                Some(accuracy(&found, truth)?)
            }
            _ => None,
        };
        let seeks = row.seeks_neighbours();
        let wanted = seeks.then(|| CosineNeighbours::of(&train, &test)).transpose()?;
        Ok(Self { names: row.data, train, test, raw_knn1, wanted })
    }

    /// Whether these are the sets of `row`.
    fn are_of(&self, row: &Row) -> bool {
        self.names == row.data && self.wanted.is_some() == row.seeks_neighbours()
    }

    /// Fits `row` with one seed and measures it.
    fn fit(&self, row: &Row, seed: u64, output: &Output) -> anyhow::Result<Run> {
        let (train, test) = (&self.train, &self.test);
        let own = row.settings.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        let settings: Vec<_> = own.chain([("seed".to_owned(), seed.to_string())]).collect();
        let mut model = Model::new(row.kind, &settings, train.inputs())?;
        let (every, look) = (&mut |_: &_, _: &_, _| Ok(()), &mut |_: &_, _: &_, _| Ok(()));
        let from = Position::default();
        let fitted = fitting::fit(output, &mut model, train, from, (every, look))?;
        if fitted.reason == StopReason::Asked {
            bail!("stopped before the table was done");
        }
        let codes = fitting::encode(output, "training codes", model.encoder(), train.rows())?;
        let found = fitting::encode(output, "test codes", model.encoder(), test.rows())?;
        let answers = match (model.classifier(), test.labels()) {
            (Some(model), Some(truth)) => Some(accuracy(&model.classify(test.rows())?, truth)?),
            _ => None,
        };
        let figures = code_figures(&codes, model.encoder().winners(), None)?;
        Ok(Run {
            size: (codes.units(), model.encoder().winners()),
            answers,
            readouts: self.readouts(&codes, &found)?,
            recall: self.recall(&model, &codes)?,
            dead_units: figures.dead_units as f64,
            duty_entropy: figures.duty_entropy,
            fit_s: fitted.seconds,
        })
    }

    /// What the training codes tell of the classes of those of the test set, `found`.
    fn readouts(&self, codes: &SdrBatch, found: &SdrBatch) -> anyhow::Result<Option<Readouts>> {
        let (Some(labels), Some(truth)) = (self.train.labels(), self.test.labels()) else {
            return Ok(None);
        };
        let nearest = neighbours_by_overlap(codes, found, VOTES)?;
        Ok(Some(Readouts {
            centroid: centroid_accuracy(codes, labels, found, truth)?,
            knn1: nearest.vote_accuracy(1, labels, truth)?,
            knn15: nearest.vote_accuracy(VOTES, labels, truth)?,
        }))
    }

    /// What the training codes find of the queries' neighbours: by overlap, and read through the linear decoder that
    /// leads from them back to the rows best.
    fn recall(&self, model: &Model, codes: &SdrBatch) -> anyhow::Result<Option<Recall>> {
        let Some(wanted) = &self.wanted else { return Ok(None) };
        let asked = model.encoder().encode(wanted.queries.rows())?;
        let decoder = LinearDecoder::learn(codes, self.train.rows())?;
        Ok(Some(Recall {
            overlap: wanted.by_overlap(codes, &asked)?,
            product: wanted.by_decoder(&decoder, codes, DecoderScore::Product)?,
            cosine: wanted.by_decoder(&decoder, codes, DecoderScore::Cosine)?,
        }))
    }
}

impl<'a> Line<'a> {
    fn new(row: &'a Row, sets: &Sets, runs: &[Run]) -> Self {
        let summary = |figure: &dyn Fn(&Run) -> f64| Summary::of(runs.iter().map(figure).collect());
        let answers: Option<Vec<f64>> = runs.iter().map(|run| run.answers).collect();
        let readout = |figure: &dyn Fn(&Readouts) -> f64| {
            let values: Option<Vec<f64>> =
                runs.iter().map(|run| run.readouts.as_ref().map(figure)).collect();
            values.map(Summary::of)
        };
        Self {
            row,
            data: sets.train.name.clone(),
            raw_knn1: sets.raw_knn1,
            answers: answers.map(Summary::of),
            centroid: readout(&|readouts| readouts.centroid),
            knn1_overlap: readout(&|readouts| readouts.knn1),
            knn15_overlap: readout(&|readouts| readouts.knn15),
            recall: RecallLine::new(sets, runs),
            dead_units: summary(&|run| run.dead_units),
            duty_entropy: summary(&|run| run.duty_entropy),
            fit_s: summary(&|run| run.fit_s),
        }
    }

    fn cells(&self, known: bool) -> Vec<String> {
        let share = |share: Option<f64>| {
            share.map_or_else(|| "-".to_owned(), |share| format!("{:.1}", 100.0 * share))
        };
        let percent = |summary: &Option<Summary>| {
            summary.as_ref().map_or_else(|| "-".to_owned(), |found| Form::Percent.summary(found))
        };
        vec![
            self.row.label.to_owned(),
            self.data_name().to_owned(),
            share(self.row.known.filter(|_| known)),
            percent(&self.answers),
            percent(&self.centroid),
            share(self.raw_knn1),
            percent(&self.knn1_overlap),
            percent(&self.knn15_overlap),
            Form::Digits(1).summary(&self.dead_units),
            Form::Digits(3).summary(&self.duty_entropy),
            Form::Digits(0).summary(&self.fit_s),
        ]
    }

    fn data_name(&self) -> &str {
        self.data.split([':', '[']).next().unwrap_or_default()
    }

    /// The line of what neighbours were found.
    fn recall_cells(&self) -> Option<Vec<String>> {
        let recall = self.recall.as_ref()?;
        Some(vec![
            self.row.label.to_owned(),
            self.data_name().to_owned(),
            recall.bytes.to_string(),
            Form::Percent.summary(&recall.overlap),
            Form::Percent.summary(&recall.product),
            Form::Percent.summary(&recall.cosine),
            recall.sign_bytes.to_string(),
            format!("{:.2}", 100.0 * recall.sign_bits),
        ])
    }
}

impl RecallLine {
    fn new(sets: &Sets, runs: &[Run]) -> Option<Self> {
        let (units, winners) = runs.first()?.size;
        let wanted = sets.wanted.as_ref()?;
        let all: Vec<&Recall> = runs.iter().filter_map(|run| run.recall.as_ref()).collect();
        let summary = |figure: &dyn Fn(&Recall) -> f64| {
            Summary::of(all.iter().map(|run| figure(run)).collect())
        };
        Some(Self {
            bytes: (code_bits(units, winners) / 8.0).ceil() as usize,
            overlap: summary(&|found| found.overlap),
            product: summary(&|found| found.product),
            cosine: summary(&|found| found.cosine),
            sign_bits: wanted.sign_bits,
            sign_bytes: sets.train.width().div_ceil(8),
        })
    }
}

fn print(lines: &[Line<'_>], known: bool, output: &mut Output) -> anyhow::Result<()> {
    output.line("codes that are learned for their neighbours, and a softmax in their place")?;
    let headings = [
        "encoder",
        "data",
        "known %",
        "softmax %",
        "centroid %",
        "raw 1-NN %",
        "1-NN %",
        "15-NN %",
        "dead",
        "entropy",
        "fit s",
    ];
    let rows: Vec<Vec<String>> = lines.iter().map(|line| line.cells(known)).collect();
    output.table(&headings, &rows)?;
    output.line(
        "\nmean ± sd over the seeds. Known: read off the figure of EmbedderSDR's README, one run, nearest centroid\n\
         and softmax. Centroid: nearest class mean of the training codes by cosine. NN: votes of training codes by\n\
         overlap; raw: the nearest input, of sentence embeddings by cosine. All choices were made on a part of the\n\
         training sets, and the test sets looked at once.",
    )?;
    print_recall(lines, output)
}

fn print_recall(lines: &[Line<'_>], output: &mut Output) -> anyhow::Result<()> {
    let rows: Vec<Vec<String>> = lines.iter().filter_map(Line::recall_cells).collect();
    if rows.is_empty() {
        return Ok(());
    }
    output.line(format_args!(
        "\nwhat codes learned without labels find of the {TOP} nearest rows by cosine"
    ))?;
    let headings = [
        "encoder",
        "data",
        "bytes",
        "overlap %",
        "product %",
        "cosine %",
        "sign bytes",
        "sign bits %",
    ];
    output.table(&headings, &rows)?;
    output.line(
        "\nUp to 1,000 test rows ask, the training rows are searched. Bytes: log2 C(n, k), rounded up. Overlap compares\n\
         code with code; product and cosine the query itself with what a code stands for, by the linear decoder\n\
         that leads from the training codes back to their rows best. Sign bits: a bit a value, above its mean or not.",
    )
}
