//! Tables of whole fits: a row is an encoder with its settings and data, a column is a figure of its
//! report, and known figures stand beside ours.

use anyhow::bail;
use kwinners::Dataset;
use kwinners::encoder::Model;
use kwinners::report::{Part, Report, ReportSummary, Summary, summarise};
use kwinners::train::{Position, StopReason};
use serde::Serialize;

use super::Arguments;
use crate::args::Shared;
use crate::cmd;
use crate::fitting::{self, Asked};
use crate::output::Output;

/// A table of fits.
#[derive(Debug)]
pub(super) struct Experiment {
    pub(super) name: &'static str,
    /// A line above the table.
    pub(super) title: &'static str,
    /// What is measured of every row.
    pub(super) parts: &'static [Part],
    pub(super) columns: &'static [Column],
    pub(super) rows: &'static [Row],
    /// Lines below the table: where the known figures come from, what is to be seen.
    pub(super) note: &'static str,
}

/// A figure of the report.
#[derive(Debug)]
pub(super) struct Column {
    pub(super) heading: &'static str,
    pub(super) section: &'static str,
    pub(super) name: &'static str,
    pub(super) form: Form,
}

/// How a figure is shown.
#[derive(Clone, Copy, Debug)]
pub(super) enum Form {
    /// A share, in percent with two digits.
    Percent,
    /// A number with so many digits after the point.
    Digits(usize),
}

/// One encoder.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    pub(super) label: &'static str,
    pub(super) kind: &'static str,
    pub(super) settings: &'static [(&'static str, &'static str)],
    /// Training and test set.
    pub(super) data: (&'static str, &'static str),
    /// Known figures by the names of their columns, as the report has them.
    #[serde(skip)]
    pub(super) known: &'static [(&'static str, f64)],
}

/// A row with what its runs gave.
#[derive(Serialize)]
struct Line<'a> {
    #[serde(flatten)]
    row: &'a Row,
    /// Known figures, left out where other data was asked for.
    known: Vec<Known>,
    report: ReportSummary,
}

#[derive(Clone, Copy, Serialize)]
struct Known {
    name: &'static str,
    value: f64,
}

/// The answer under `--json`.
#[derive(Serialize)]
struct Answer<'a> {
    name: &'static str,
    seeds: Vec<u64>,
    rows: Vec<Line<'a>>,
}

impl Experiment {
    pub(super) fn run(
        &'static self,
        arguments: &Arguments,
        shared: &Shared,
        output: &mut Output,
    ) -> anyhow::Result<()> {
        let seeds = arguments.seeds();
        let mut sets = Sets { arguments, shared, loaded: None };
        let mut rows: Vec<Line<'_>> = Vec::new();
        for row in self.rows {
            // Other data than a row's own make rows that differ only in data the same.
            if arguments.data.is_some() && rows.iter().any(|line| line.row.is_same_fit(row)) {
                continue;
            }
            let (train, test) = sets.of(row)?;
            let mut reports: Vec<Report> = Vec::new();
            for &seed in &seeds {
                output.note(format_args!("{}, {}, seed {seed}", row.label, train.name));
                let report = self.judge((row, seed), (train, test), reports.first(), output)?;
                reports.push(report);
            }
            let known = row.known.iter().map(|&(name, value)| Known { name, value });
            let known = if arguments.data.is_none() { known.collect() } else { Vec::new() };
            rows.push(Line { row, known, report: summarise(&reports)? });
        }
        self.print(&rows, output)?;
        output.object(&Answer { name: self.name, seeds, rows })
    }

    /// Fits `row` with one seed and measures it.
    fn judge(
        &self,
        (row, seed): (&Row, u64),
        (train, test): (&Dataset, &Dataset),
        controls: Option<&Report>,
        output: &Output,
    ) -> anyhow::Result<Report> {
        let own = row.settings.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        let settings: Vec<_> = own.chain([("seed".to_owned(), seed.to_string())]).collect();
        let mut model = Model::new(row.kind, &settings, train.inputs())?;
        let fitted = fitting::fit(
            output,
            &mut model,
            train,
            Position::default(),
            (&mut |_, _, _| Ok(()), &mut |_, _, _| Ok(())),
        )?;
        if fitted.reason == StopReason::Asked {
            bail!("stopped before the table was done");
        }
        let encoded = fitting::encode_both(output, &model, train, test)?;
        let asked = Asked { parts: self.parts, fit_s: Some(fitted.seconds), controls };
        fitting::judged(output, &model, (train, test), &encoded, asked)
    }

    fn print(&self, lines: &[Line<'_>], output: &mut Output) -> anyhow::Result<()> {
        output.line(self.title)?;
        let mut headings = vec!["encoder", "data"];
        for column in self.columns {
            let known = column.is_known(lines);
            headings.extend(known.then_some("known"));
            headings.push(column.heading);
        }
        let rows: Vec<Vec<String>> = lines.iter().map(|line| self.cells(line, lines)).collect();
        output.table(&headings, &rows)?;
        output.line(format_args!("\nmean ± sd over the seeds. {}", self.note))
    }

    fn cells(&self, line: &Line<'_>, lines: &[Line<'_>]) -> Vec<String> {
        let data = line.report.data.train.split([':', '[']).next().unwrap_or_default();
        let mut cells = vec![line.row.label.to_owned(), data.to_owned()];
        let none = || "-".to_owned();
        for column in self.columns {
            if column.is_known(lines) {
                let known = line.known.iter().find(|known| known.name == column.name);
                cells.push(known.map_or_else(none, |known| column.form.text(known.value)));
            }
            let figure = line
                .report
                .figures
                .iter()
                .find(|figure| (figure.section, figure.name) == (column.section, column.name));
            cells.push(figure.map_or_else(none, |figure| column.form.summary(&figure.summary)));
        }
        cells
    }
}

impl Row {
    /// Whether the two fit the same encoder, if to the same data.
    fn is_same_fit(&self, other: &Self) -> bool {
        (self.kind, self.settings) == (other.kind, other.settings)
    }
}

impl Column {
    fn is_known(&self, lines: &[Line<'_>]) -> bool {
        lines.iter().any(|line| line.known.iter().any(|known| known.name == self.name))
    }
}

impl Form {
    fn text(self, value: f64) -> String {
        match self {
            Self::Percent => format!("{:.2}", 100.0 * value),
            Self::Digits(digits) => format!("{value:.digits$}"),
        }
    }

    /// The mean, and the standard deviation where there are several runs.
    pub(super) fn summary(self, summary: &Summary) -> String {
        let mean = self.text(summary.mean);
        if summary.n > 1 { format!("{mean} ± {}", self.text(summary.sd)) } else { mean }
    }
}

/// The sets of the last row, kept for the next.
struct Sets<'a> {
    arguments: &'a Arguments,
    shared: &'a Shared,
    loaded: Option<((String, String), (Dataset, Dataset))>,
}

impl Sets<'_> {
    fn of(&mut self, row: &Row) -> anyhow::Result<(&Dataset, &Dataset)> {
        let spec =
            |asked: &Option<String>, usual: &str| asked.clone().unwrap_or_else(|| usual.to_owned());
        let specs =
            (spec(&self.arguments.data, row.data.0), spec(&self.arguments.test, row.data.1));
        if self.loaded.as_ref().is_none_or(|(known, _)| *known != specs) {
            let train = cmd::load(&specs.0, self.shared)?;
            let test = cmd::load(&specs.1, self.shared)?;
            self.loaded = Some((specs, (train, test)));
        }
        let (_, (train, test)) = self.loaded.as_ref().expect("loaded just now");
        Ok((train, test))
    }
}
