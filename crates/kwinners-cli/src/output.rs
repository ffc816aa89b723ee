//! The only place that prints: results on standard output, everything else on standard error.

use std::fmt::Display;
use std::io::{ErrorKind, IsTerminal, Write};
use std::time::Duration;

use indicatif::{HumanCount, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use serde::Serialize;

use crate::args::Shared;

/// Whoever reads standard output has closed it.
#[derive(Debug)]
pub(crate) struct PipeClosed;

impl Display for PipeClosed {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("standard output was closed")
    }
}

impl std::error::Error for PipeClosed {}

/// What one command says: text for people, or one JSON object for programs.
#[derive(Debug)]
pub(crate) struct Output {
    json: bool,
    styled: bool,
    quiet: bool,
}

/// What a progress bar counts.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Counts {
    Bytes,
    Samples,
    Runs,
}

impl Output {
    pub(crate) fn new(shared: &Shared) -> Self {
        let no_colour = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let styled = std::io::stdout().is_terminal() && !no_colour;
        Self { json: shared.json, styled, quiet: shared.quiet }
    }

    /// Whether text may be bold and coloured: standard output is a terminal and NO_COLOR is not set.
    pub(crate) fn styled(&self) -> bool {
        self.styled
    }

    /// A line of text; nothing under `--json`.
    pub(crate) fn line(&mut self, text: impl Display) -> anyhow::Result<()> {
        if self.json { Ok(()) } else { print(&format!("{text}\n")) }
    }

    /// The result as one JSON object; nothing without `--json`.
    pub(crate) fn object(&mut self, result: &impl Serialize) -> anyhow::Result<()> {
        if !self.json {
            return Ok(());
        }
        print(&format!("{}\n", serde_json::to_string_pretty(result)?))
    }

    /// Rows under headings, numbers to the right; nothing under `--json`.
    pub(crate) fn table(&mut self, headings: &[&str], rows: &[Vec<String>]) -> anyhow::Result<()> {
        for (place, line) in aligned(headings, rows).into_iter().enumerate() {
            let heading = place == 0 && self.styled;
            self.line(if heading { format!("\x1b[1m{line}\x1b[0m") } else { line })?;
        }
        Ok(())
    }

    /// Names and what they stand for, a line each; nothing under `--json`.
    pub(crate) fn facts(&mut self, facts: &[(&str, String)]) -> anyhow::Result<()> {
        let width = facts.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
        facts.iter().try_for_each(|(name, what)| self.line(format_args!("{name:width$}  {what}")))
    }

    /// What went wrong, with its causes, on standard error.
    pub(crate) fn error(&self, error: &anyhow::Error) {
        complain(&format!("error: {}", with_causes(error)));
    }

    /// A remark on standard error; nothing under `--quiet`.
    pub(crate) fn note(&self, text: impl Display) {
        if !self.quiet {
            complain(&text.to_string());
        }
    }

    /// A line on standard error that says what is going on, for how long; hidden if that is no
    /// terminal.
    pub(crate) fn spinner(&self, what: &str) -> ProgressBar {
        if self.quiet || !std::io::stderr().is_terminal() {
            return ProgressBar::hidden();
        }
        let style = ProgressStyle::with_template("{prefix}: {msg}  {elapsed}");
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(8));
        bar.enable_steady_tick(Duration::from_millis(125));
        bar.with_style(style.expect("a template of ours")).with_prefix(what.to_owned())
    }

    /// A progress bar on standard error with speed and time left; hidden if that is no terminal.
    pub(crate) fn progress(&self, what: &str, len: u64, counts: Counts) -> ProgressBar {
        if self.quiet || !std::io::stderr().is_terminal() {
            return ProgressBar::hidden();
        }
        let template = match counts {
            Counts::Bytes => {
                "{prefix} [{bar:30}] {bytes}/{total_bytes}  {bytes_per_sec}  {eta} left"
            }
            Counts::Samples => {
                "{prefix} [{bar:30}] {percent}%  {speed} samples/s  {eta} left  {msg}"
            }
            Counts::Runs => "{prefix} [{bar:30}] {pos}/{len}  {msg}  {eta} left",
        };
        let style = ProgressStyle::with_template(template).expect("a template of ours");
        let style =
            style.with_key("speed", |state: &ProgressState, out: &mut dyn std::fmt::Write| {
                // Nobody is left to tell if the terminal does not take it.
                let _ = write!(out, "{}", HumanCount(state.per_sec() as u64));
            });
        let bar = ProgressBar::with_draw_target(Some(len), ProgressDrawTarget::stderr_with_hz(8));
        bar.with_style(style.progress_chars("=> ")).with_prefix(what.to_owned())
    }
}

/// Numbers as a line of bars, the largest full and the smallest lowest; nothing for fewer than two.
pub(crate) fn sparkline(values: &[f64]) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let finite = values.iter().copied().filter(|value| value.is_finite());
    let (low, high) = finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
        (low.min(value), high.max(value))
    });
    if values.len() < 2 || high <= low {
        return String::new();
    }
    let bar = |&value: &f64| match value.is_finite() {
        true => BARS[((value - low) / (high - low) * 7.0).round() as usize],
        false => ' ',
    };
    values.iter().map(bar).collect()
}

fn print(text: &str) -> anyhow::Result<()> {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Err(PipeClosed.into()),
        other => Ok(other?),
    }
}

/// Standard error may be closed as well, and then there is nobody left to tell.
fn complain(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// The message and its causes on one line, each said once: many errors already quote their source.
fn with_causes(error: &anyhow::Error) -> String {
    let mut text = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

/// The lines of a table: columns two spaces apart, those that hold only numbers to the right.
fn aligned(headings: &[&str], rows: &[Vec<String>]) -> Vec<String> {
    let head: Vec<String> = headings.iter().map(|&heading| heading.to_owned()).collect();
    let lines = || std::iter::once(&head).chain(rows);
    let cell = |row: &Vec<String>, column: usize| row.get(column).cloned().unwrap_or_default();
    let columns: Vec<(usize, bool)> = (0..headings.len())
        .map(|column| {
            let width = lines().map(|row| cell(row, column).chars().count()).max().unwrap_or(0);
            (width, !rows.is_empty() && rows.iter().all(|row| is_figure(&cell(row, column))))
        })
        .collect();
    let line = |row: &Vec<String>| {
        let cells = columns.iter().enumerate().map(|(column, &(width, right))| {
            let text = cell(row, column);
            if right { format!("{text:>width$}") } else { format!("{text:<width$}") }
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    lines().map(line).collect()
}

/// Whether a cell belongs to a column of figures: `1,234`, `0.95 ± 0.01`, `yes`, `-`.
fn is_figure(cell: &str) -> bool {
    let number = |text: &str| text.replace(',', "").parse::<f64>().is_ok();
    matches!(cell, "-" | "yes" | "no") || cell.split(" ± ").all(number)
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;

    #[test]
    fn tables_align_words_left_and_numbers_right() {
        let row = |cells: [&str; 3]| cells.map(str::to_owned).to_vec();
        let rows = [row(["one", "1,000", "x"]), row(["fourteen", "2.5", "-"])];
        let expected = ["name      count  note", "one       1,000  x", "fourteen    2.5  -"];
        assert_eq!(aligned(&["name", "count", "note"], &rows), expected);
        assert_eq!(aligned(&["name"], &[]), ["name"]);
        let cells = ["94.50", "9.1 ± 0.4", "yes", "-"].map(|cell| row([cell, "", ""]));
        let lines = aligned(&["1-NN"], &cells);
        assert_eq!(lines[1..], ["    94.50", "9.1 ± 0.4", "      yes", "        -"]);
    }

    #[test]
    fn sparklines_run_from_the_largest_to_the_smallest() {
        assert_eq!(sparkline(&[8.0, 4.5, 1.0]), "█▅▁");
        assert_eq!(sparkline(&[2.0, f64::NAN, 1.0]), "█ ▁");
        assert_eq!(sparkline(&[1.0, 1.0]), "");
        assert_eq!(sparkline(&[]), "");
    }

    #[test]
    fn causes_are_named_once() {
        let root = std::io::Error::other("the disk is full");
        let error = Err::<(), _>(root).context("can't write x.kw").unwrap_err();
        assert_eq!(with_causes(&error), "can't write x.kw: the disk is full");
        let quoting = kwinners::Error::io("x".as_ref())(std::io::Error::other("the disk is full"));
        assert_eq!(with_causes(&quoting.into()), "x: the disk is full");
    }
}
