//! The codes beside an untrained baseline and the raw pixels, in one table.

use kwinners::report::Report;

use crate::output::Output;

/// A line of the table: label, figure of a model, figure of the raw pixels, digits after the point.
struct Line {
    label: &'static str,
    /// Section and name in the report; empty where there is none.
    code: (&'static str, &'static str),
    raw: (&'static str, &'static str),
    digits: usize,
}

const NONE: (&str, &str) = ("", "");

const LINES: [Line; 9] = [
    line("dead units", ("code", "dead_units"), NONE, 0),
    line("duty entropy, 1 is even use", ("code", "duty_entropy"), NONE, 4),
    line("1 nearest neighbour", ("readout", "knn1_overlap"), ("readout", "raw_knn1"), 4),
    line("5 nearest neighbours", ("readout", "knn5_overlap"), NONE, 4),
    line("linear probe", ("readout", "linear_probe"), ("readout", "raw_linear_probe"), 4),
    line("nearest centroid", ("readout", "centroid"), NONE, 4),
    line(
        "goodness, between / within",
        ("separation", "goodness"),
        ("separation", "raw_goodness"),
        3,
    ),
    line("variance lost in decoding", ("reconstruction", "fvu"), NONE, 4),
    line("bits a sample", ("code", "bits_bound"), NONE, 0),
];

const fn line(
    label: &'static str,
    code: (&'static str, &'static str),
    raw: (&'static str, &'static str),
    digits: usize,
) -> Line {
    Line { label, code, raw, digits }
}

pub(super) fn print(tied: &Report, baseline: &Report, output: &mut Output) -> anyhow::Result<()> {
    let (model, data) = (&tied.model, &tied.data);
    let width = model.input_width.unwrap_or_default();
    output.line(format!(
        "{} handwritten digits of {width} pixels learned in {:.2} s: {} of {} units on, seed {}",
        data.train_len,
        tied.time.fit_s.unwrap_or_default(),
        model.winners,
        model.units,
        model.seed.unwrap_or_default(),
    ))?;
    output.line(format!(
        "judged on {} digits by other writers; read-outs are the share of them labelled rightly\n",
        data.test_len
    ))?;
    let mut rows = vec![exact_k(tied, baseline)];
    rows.extend(LINES.iter().map(|line| cells(line, tied, baseline)));
    rows.push(speed(tied, baseline));
    output.table(&["", "tied", "random projection", "raw pixels"], &rows)
}

fn cells(line: &Line, tied: &Report, baseline: &Report) -> Vec<String> {
    let shown = |report: &Report, (section, name): (&str, &str)| {
        let figures = report.figures();
        let figure = figures.iter().find(|figure| (figure.section, figure.name) == (section, name));
        figure.map_or_else(|| "-".to_owned(), |figure| format!("{:.*}", line.digits, figure.value))
    };
    let raw = match line.code {
        // A byte a pixel.
        (_, "bits_bound") => (8 * tied.model.input_width.unwrap_or_default()).to_string(),
        _ => shown(tied, line.raw),
    };
    vec![line.label.to_owned(), shown(tied, line.code), shown(baseline, line.code), raw]
}

fn exact_k(tied: &Report, baseline: &Report) -> Vec<String> {
    let answer = |report: &Report| match report.code.as_ref().map(|code| code.exact_k) {
        Some(true) => "yes",
        Some(false) => "no",
        None => "-",
    };
    ["exactly k in every code", answer(tied), answer(baseline), "-"].map(str::to_owned).to_vec()
}

fn speed(tied: &Report, baseline: &Report) -> Vec<String> {
    let speed = |report: &Report| {
        report.time.encode_per_s.map_or_else(|| "-".to_owned(), |speed| format!("{speed:.0}"))
    };
    vec!["codes made a second".to_owned(), speed(tied), speed(baseline), "-".to_owned()]
}
