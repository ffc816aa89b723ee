//! Nearest neighbours of sentence embeddings by codes of a few bytes, read through a decoder.

use std::collections::BTreeMap;
use std::time::Instant;

use anyhow::bail;
use kwinners::encoder::Decoder;
use kwinners::index::{DecoderScore, LinearDecoder};
use kwinners::metrics::reconstruction;
use kwinners::report::Summary;
use kwinners::sdr::code_bits;
use kwinners::train::{Position, StopReason};
use kwinners::{Dataset, Model, Rows};
use serde::Serialize;

use super::Arguments;
use super::recall::{CosineNeighbours, TOP};
use crate::args::Shared;
use crate::cmd;
use crate::fitting;
use crate::output::Output;

/// How codes are made, and what reads them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Method {
    /// An autoencoder's codes, and its own decoder.
    Autoencoder,
    /// The same codes with units swapped so that its decoder gives more of the input back.
    Refined,
    /// Codes and rows learned together, by pursuit.
    Pursuit,
}

/// One row of the table: a method, units and winners.
const ROWS: [(Method, usize, usize); 7] = [
    (Method::Pursuit, 1024, 28),
    (Method::Pursuit, 2048, 32),
    (Method::Pursuit, 4096, 32),
    (Method::Pursuit, 4096, 48),
    (Method::Pursuit, 4096, 60),
    (Method::Autoencoder, 2048, 32),
    (Method::Refined, 2048, 32),
];

/// The figures of one run.
struct Run {
    unexplained: f64,
    overlap: f64,
    product: f64,
    cosine: f64,
    seconds: f64,
}

/// A row with what its runs gave.
#[derive(Serialize)]
struct Line {
    method: Method,
    units: usize,
    winners: usize,
    /// `⌈log2 C(n, k) / 8⌉`.
    bytes: usize,
    fvu: Summary,
    overlap: Summary,
    product: Summary,
    cosine: Summary,
    seconds: Summary,
}

/// The answer under `--json`.
#[derive(Serialize)]
struct Answer<'a> {
    name: &'static str,
    train: &'a str,
    test: &'a str,
    queries: usize,
    seeds: &'a [u64],
    /// Recall by the signs of the values, a bit each.
    sign_bits: f64,
    rows: &'a [Line],
}

/// What is searched, and what should be found.
struct Task {
    base: Dataset,
    wanted: CosineNeighbours,
    /// Autoencoders by their seeds: two rows are of the same.
    autoencoders: BTreeMap<u64, Model>,
}

pub(super) fn run(
    arguments: &Arguments,
    shared: &Shared,
    output: &mut Output,
) -> anyhow::Result<()> {
    let load =
        |spec: &Option<String>, usual: &str| cmd::load(spec.as_deref().unwrap_or(usual), shared);
    let base = load(&arguments.data, "clinc150:train")?;
    let test = load(&arguments.test, "clinc150:test")?;
    let wanted = CosineNeighbours::of(&base, &test)?;
    let mut task = Task { base, wanted, autoencoders: BTreeMap::new() };
    let seeds = arguments.seeds();
    let mut lines = Vec::new();
    for (method, units, winners) in ROWS {
        let mut runs = Vec::new();
        for &seed in &seeds {
            runs.push(task.measure(method, (units, winners), seed, output)?);
        }
        let line = Line::new(method, (units, winners), &runs);
        output.note(format_args!("{}", line.cells().join("  ")));
        lines.push(line);
    }
    print(&lines, &task, output)?;
    output.object(&Answer {
        name: "neighbours",
        train: &task.base.name,
        test: &test.name,
        queries: task.wanted.queries.len(),
        seeds: &seeds,
        sign_bits: task.wanted.sign_bits,
        rows: &lines,
    })
}

impl Task {
    /// Makes codes of the base, and finds the queries' neighbours by them.
    fn measure(
        &mut self,
        method: Method,
        (units, winners): (usize, usize),
        seed: u64,
        output: &Output,
    ) -> anyhow::Result<Run> {
        let begin = Instant::now();
        let model = self.fitted(method, (units, winners), seed, output)?;
        let rows = self.base.rows();
        let Some(decoder) = model.decoder() else { bail!("both kinds decode") };
        let decoder = LinearDecoder::of(decoder, units)?;
        let mut codes = model.encoder().encode(rows)?;
        let mut asked = model.encoder().encode(self.wanted.queries.rows())?;
        if method == Method::Refined {
            codes = decoder.refine(rows, &codes)?;
            asked = decoder.refine(self.wanted.queries.rows(), &asked)?;
        }
        let seconds = begin.elapsed().as_secs_f64();
        let decoded = decoder.decode(&codes)?;
        let unexplained = reconstruction(rows, Rows::new(&decoded, rows.width())?)?.fvu;
        let overlap = self.wanted.by_overlap(&codes, &asked)?;
        let by = |score| self.wanted.by_decoder(&decoder, &codes, score);
        Ok(Run {
            unexplained,
            overlap,
            product: by(DecoderScore::Product)?,
            cosine: by(DecoderScore::Cosine)?,
            seconds,
        })
    }

    fn fitted(
        &mut self,
        method: Method,
        (units, winners): (usize, usize),
        seed: u64,
        output: &Output,
    ) -> anyhow::Result<Model> {
        let numbers = [("units", units.to_string()), ("winners", winners.to_string())];
        let mut settings = numbers.map(|(key, value)| (key.to_owned(), value)).to_vec();
        settings.push(("seed".to_owned(), seed.to_string()));
        if let Some(model) = self.autoencoders.get(&seed).filter(|_| method != Method::Pursuit) {
            return Ok(model.clone());
        }
        let kind = match method {
            Method::Pursuit => "pursuit",
            Method::Autoencoder | Method::Refined => {
                settings.push(("selection".to_owned(), "binary".to_owned()));
                "autoencoder"
            }
        };
        let mut model = Model::new(kind, &settings, self.base.inputs())?;
        let (every, look) = (&mut |_: &_, _: &_, _| Ok(()), &mut |_: &_, _: &_, _| Ok(()));
        let from = Position::default();
        let fitted = fitting::fit(output, &mut model, &self.base, from, (every, look))?;
        if fitted.reason == StopReason::Asked {
            bail!("stopped before the table was done");
        }
        if kind == "autoencoder" {
            self.autoencoders.insert(seed, model.clone());
        }
        Ok(model)
    }
}

impl Line {
    fn new(method: Method, (units, winners): (usize, usize), runs: &[Run]) -> Self {
        let summary = |figure: &dyn Fn(&Run) -> f64| Summary::of(runs.iter().map(figure).collect());
        Self {
            method,
            units,
            winners,
            bytes: (code_bits(units, winners) / 8.0).ceil() as usize,
            fvu: summary(&|run| run.unexplained),
            overlap: summary(&|run| run.overlap),
            product: summary(&|run| run.product),
            cosine: summary(&|run| run.cosine),
            seconds: summary(&|run| run.seconds),
        }
    }

    fn cells(&self) -> Vec<String> {
        let percent =
            |summary: &Summary| format!("{:.2} ± {:.2}", 100.0 * summary.mean, 100.0 * summary.sd);
        let method = match self.method {
            Method::Autoencoder => "binary autoencoder",
            Method::Refined => "the same, units swapped",
            Method::Pursuit => "pursuit",
        };
        vec![
            method.to_owned(),
            format!("{}/{}", self.units, self.winners),
            self.bytes.to_string(),
            format!("{:.4} ± {:.4}", self.fvu.mean, self.fvu.sd),
            percent(&self.overlap),
            percent(&self.product),
            percent(&self.cosine),
            format!("{:.0}", self.seconds.mean),
        ]
    }
}

fn print(lines: &[Line], task: &Task, output: &mut Output) -> anyhow::Result<()> {
    let (base, queries) = (task.base.len(), task.wanted.queries.len());
    output.line(format_args!(
        "recall@{TOP} of cosine neighbours, {queries} queries in {base} stored codes"
    ))?;
    let headings = ["codes", "n/k", "bytes", "fvu", "overlap %", "product %", "cosine %", "s"];
    let rows: Vec<Vec<String>> = lines.iter().map(Line::cells).collect();
    output.table(&headings, &rows)?;
    output.line(format_args!(
        "\nmean ± sd over the seeds; bytes are log2 C(n, k) rounded up. Overlap compares code with code; product\n\
         and cosine compare the query itself with what the code stands for. The signs of the {} values\n\
         without their means, {} bytes: {:.2} %.",
        task.base.width(),
        task.base.width().div_ceil(8),
        100.0 * task.wanted.sign_bits
    ))
}
