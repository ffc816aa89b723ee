//! Several reports side by side.

use std::fmt::Write as _;

use kwinners::{Error, Result};
use serde_json::Value;

use super::headline::shown;
use super::{Figure, Provenance, document, numbers};
use crate::charts::{Chart, Series, escape};
use crate::curve::CurvePoint;

/// One of the runs that are compared.
#[derive(Clone, Debug, PartialEq)]
pub struct Side {
    /// What to call it, such as its file.
    pub name: String,
    /// Its report as JSON, of one seed or of several.
    pub report: Value,
    /// Its learning curve; empty where no log was kept.
    pub curve: Vec<CurvePoint>,
}

/// A figure of one side: mean, and spread over seeds where there are several.
#[derive(Clone, Copy)]
struct Cell {
    mean: f64,
    sd: Option<f64>,
}

/// Which end of a figure is good.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Good {
    High,
    Low,
    Neither,
}

impl Side {
    /// Name and number of everything measured: `(section, name, cell)`.
    fn cells(&self) -> Vec<(String, String, Cell)> {
        let mut cells = Vec::new();
        let sections =
            ["code", "readout", "separation", "reconstruction", "latents", "noise", "time"];
        for section in sections {
            let Some(figures) = self.report.get(section).and_then(Value::as_object) else {
                continue;
            };
            for (name, value) in figures {
                if let Some(cell) = cell(value) {
                    cells.push((section.to_owned(), name.clone(), cell));
                }
            }
        }
        cells
    }

    fn noise(&self, name: &str) -> Option<Vec<(f64, f64)>> {
        let noise = self.report.get("noise")?;
        let levels = noise.get("levels")?.as_array()?.iter().filter_map(Value::as_f64);
        let shares =
            noise.get(name)?.as_array()?.iter().map(|value| cell(value).map(|cell| cell.mean));
        levels.zip(shares).map(|(level, share)| Some((level, 100.0 * share?))).collect()
    }

    /// Kind, shape and data in a line.
    fn about(&self) -> String {
        let text = |section: &str, name: &str| {
            let value = self.report.get(section).and_then(|section| section.get(name));
            match value {
                Some(Value::String(text)) => text.clone(),
                Some(other) => other.to_string(),
                None => "?".to_owned(),
            }
        };
        let model = format!(
            "{} {}/{}",
            text("model", "kind"),
            text("model", "units"),
            text("model", "winners")
        );
        format!("{model}, {} → {}", text("data", "train"), text("data", "test"))
    }
}

fn cell(value: &Value) -> Option<Cell> {
    match value {
        Value::Number(number) => Some(Cell { mean: number.as_f64()?, sd: None }),
        Value::Object(summary) => {
            let number = |name: &str| summary.get(name).and_then(Value::as_f64);
            Some(Cell { mean: number("mean")?, sd: number("sd") })
        }
        _ => None,
    }
}

fn good(section: &str, name: &str) -> Good {
    match (section, name) {
        (_, name) if name.starts_with("raw_") => Good::Neither,
        ("readout" | "separation", _) | ("noise", "score") | ("code", "duty_entropy") => Good::High,
        ("latents", name) if name.starts_with("linear") => Good::High,
        ("reconstruction" | "latents", _) | ("code", "dead_units" | "false_match_measured") => {
            Good::Low
        }
        _ => Good::Neither,
    }
}

/// Reports side by side as one HTML file: every figure, curves and noise in common charts.
///
/// # Errors
/// If there are fewer than two sides, or one is not a report.
pub fn compare_page(sides: &[Side], provenance: &Provenance) -> Result<String> {
    if sides.len() < 2 {
        return Err(Error::shape("runs to compare", "at least 2", sides.len()));
    }
    for side in sides {
        if side.report.get("model").is_none() || side.report.get("data").is_none() {
            let reason = format!("{} is no report: it has no `model` and `data`", side.name);
            return Err(Error::Unsupported(reason));
        }
    }
    let mut body =
        "<header><p class=kicker>kwinners comparison</p><h1>Runs side by side</h1><ul class=sides>"
            .to_owned();
    for side in sides {
        let _ = write!(body, "<li><b>{}</b> {}</li>", escape(&side.name), escape(&side.about()));
    }
    body.push_str("</ul>");
    let data = |side: &Side| side.report.get("data").cloned();
    if sides.iter().any(|side| data(side) != data(&sides[0])) {
        body.push_str("<p class=warn>These runs were judged on different data: their figures can't be compared fairly.</p>");
    }
    body.push_str("</header>");
    body.push_str(&table(sides));
    body.push_str("<section class=figures aria-label=Figures>");
    [curves(sides), noise(sides)]
        .into_iter()
        .flatten()
        .for_each(|figure| body.push_str(&figure.html()));
    let commands: Vec<String> = provenance.commands.iter().map(|line| escape(line)).collect();
    let _ = write!(
        body,
        "</section><section><h2>Do it again</h2><pre tabindex=0>{}</pre></section>",
        commands.join("\n")
    );
    Ok(document("kwinners: runs side by side", &body))
}

/// One figure of all sides.
struct Line {
    label: String,
    /// What each side has, as text.
    texts: Vec<String>,
    /// The places of the best.
    best: Vec<usize>,
}

/// Every figure that a side has.
fn lines(sides: &[Side]) -> Vec<Line> {
    let cells: Vec<Vec<(String, String, Cell)>> = sides.iter().map(Side::cells).collect();
    let mut names: Vec<(&str, &str)> = Vec::new();
    for (section, name, _) in cells.iter().flatten() {
        if !names.contains(&(section, name)) {
            names.push((section, name));
        }
    }
    names.sort_by_key(|(section, name)| (numbers::place(section, name), name.starts_with("raw_")));
    let line = |(section, name): (&str, &str)| {
        let row: Vec<Option<Cell>> = cells.iter().map(|cells| find(cells, section, name)).collect();
        let text = |cell: &Option<Cell>| {
            let Some(Cell { mean, sd }) = *cell else { return "–".to_owned() };
            let spread = sd.map(|sd| format!(" ± {}", shown(section, name, sd)));
            shown(section, name, mean) + &spread.unwrap_or_default()
        };
        let texts = row.iter().map(text).collect();
        Line {
            label: numbers::words(section, name),
            texts,
            best: best_of(&row, good(section, name)),
        }
    };
    names.into_iter().map(line).collect()
}

/// Every figure of all sides as text, the best with a star: the name, then a cell a side.
pub fn compare_rows(sides: &[Side]) -> Vec<Vec<String>> {
    let row = |line: Line| {
        let star = |place: usize| if line.best.contains(&place) { " *" } else { "" };
        let cells =
            line.texts.iter().enumerate().map(|(place, text)| format!("{text}{}", star(place)));
        std::iter::once(line.label.clone()).chain(cells).collect()
    };
    lines(sides).into_iter().map(row).collect()
}

fn table(sides: &[Side]) -> String {
    let mut html = "<section><h2>All figures</h2><div class=scroll tabindex=0 role=region aria-label=\"All figures\"><table>\
                    <thead><tr><th scope=col>figure</th>"
        .to_owned();
    html.extend(sides.iter().map(|side| format!("<th scope=col>{}</th>", escape(&side.name))));
    html.push_str("</tr></thead><tbody>");
    for line in lines(sides) {
        let _ = write!(html, "<tr><th scope=row>{}</th>", escape(&line.label));
        let cell = |(place, text): (usize, &String)| match line.best.contains(&place) {
            true => format!("<td class=best><b>{text}</b> <span>best</span></td>"),
            false => format!("<td>{text}</td>"),
        };
        html.extend(line.texts.iter().enumerate().map(cell));
        html.push_str("</tr>");
    }
    html + "</tbody></table></div><p class=fine>“best” says which number is best, not that the difference means \
            anything: for that look at the spread over seeds.</p></section>"
}

fn find(cells: &[(String, String, Cell)], section: &str, name: &str) -> Option<Cell> {
    cells.iter().find(|cell| cell.0 == section && cell.1 == name).map(|cell| cell.2)
}

/// The places of the best number, if they are not all alike.
fn best_of(row: &[Option<Cell>], good: Good) -> Vec<usize> {
    let sign = match good {
        Good::High => 1.0,
        Good::Low => -1.0,
        Good::Neither => return Vec::new(),
    };
    let worth =
        |cell: &Option<Cell>| cell.map(|cell| sign * cell.mean).filter(|mean| mean.is_finite());
    let all: Vec<f64> = row.iter().filter_map(worth).collect();
    let top = all.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if all.len() < 2 || all.iter().all(|&value| value == top) {
        return Vec::new();
    }
    (0..row.len()).filter(|&place| worth(&row[place]) == Some(top)).collect()
}

fn curves(sides: &[Side]) -> Option<Figure> {
    let drawn = sides.iter().filter(|side| !side.curve.is_empty());
    let series: Vec<Series> = drawn
        .map(|side| {
            let points = side.curve.iter().map(|point| (point.samples as f64, point.loss));
            Series::line(&side.name, points.collect())
        })
        .collect();
    let body = (!series.is_empty()).then(|| Chart {
        describes: "loss by samples seen, a line a run".to_owned(),
        x: "samples seen".to_owned(),
        y: "mean loss of a sample".to_owned(),
        series,
        ..Chart::default()
    })?;
    let how = "Lower and sooner is better, where the runs have the same loss.".to_owned();
    Some(Figure { id: "curve", title: "Learning".to_owned(), body: body.html(), how, wide: false })
}

fn noise(sides: &[Side]) -> Option<Figure> {
    let lines =
        sides.iter().filter_map(|side| Some(Series::line(&side.name, side.noise("accuracy")?)));
    let mut series: Vec<Series> = lines.collect();
    let raw = sides.iter().find_map(|side| side.noise("raw_accuracy"));
    series.extend(raw.map(|raw| Series::line("raw inputs", raw)));
    if series.len() < 2 {
        return None;
    }
    let body = Chart {
        describes: "test samples labelled rightly by level of noise, a line a run".to_owned(),
        x: "level of noise".to_owned(),
        y: "labelled rightly, %".to_owned(),
        series,
        ..Chart::default()
    }
    .html();
    let how = "A linear probe learned from clean samples answers for noisy ones. Higher is better."
        .to_owned();
    Some(Figure { id: "noise", title: "Under noise".to_owned(), body, how, wide: false })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn side(name: &str, probe: f64) -> Side {
        let report = serde_json::json!({
            "model": { "kind": "tied", "units": 8, "winners": 2 },
            "data": { "train": "a", "test": "b" },
            "code": { "exact_k": true, "dead_units": 0 },
            "readout": { "linear_probe": probe, "knn1_overlap": { "mean": 0.5, "sd": 0.1, "n": 3, "values": [] } },
        });
        Side { name: name.to_owned(), report, curve: Vec::new() }
    }

    #[test]
    fn the_best_is_named() {
        let page =
            compare_page(&[side("one", 0.9), side("<two>", 0.95)], &Provenance::default()).unwrap();
        assert!(page.contains("<b>95.00 %</b> <span>best"), "{page}");
        assert!(page.contains("50.00 % ± 10.00 %") && page.contains("&lt;two&gt;"));
        assert_eq!(page.matches("<span>best").count(), 1);
    }

    #[test]
    fn what_is_no_report_is_refused() {
        let mut other = side("two", 0.9);
        other.report = serde_json::json!({ "kind": "tied" });
        let refused = compare_page(&[side("one", 0.9), other], &Provenance::default()).unwrap_err();
        assert!(refused.to_string().contains("two is no report"), "{refused}");
        assert!(compare_page(&[side("one", 0.9)], &Provenance::default()).is_err());
    }

    #[test]
    fn other_data_is_said() {
        let mut other = side("two", 0.9);
        other.report["data"]["test"] = "c".into();
        let page = compare_page(&[side("one", 0.9), other], &Provenance::default()).unwrap();
        assert!(page.contains("different data"));
    }
}
