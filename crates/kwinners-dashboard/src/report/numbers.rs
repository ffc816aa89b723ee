//! Every figure of a report in one table.

use std::fmt::Write as _;

use super::Page;
use super::headline::{figure, shown};
use crate::charts::escape;

/// What a figure is called: section, name, the name of its raw control, words.
const NAMES: &[(&str, &str, &str, &str)] = &[
    ("code", "dead_units", "", "dead units"),
    ("code", "duty_entropy", "", "duty entropy (1 is even use)"),
    ("code", "renyi_entropy", "", "Rényi entropy of a unit, bits"),
    ("code", "unit_mutual_information", "", "information of two units, bits"),
    ("code", "bits_bound", "", "bits a code needs at least"),
    ("code", "false_match_theory", "", "false match, random codes"),
    ("code", "false_match_measured", "", "false match, measured"),
    ("readout", "classifier", "", "own answers"),
    ("readout", "knn1_overlap", "raw_knn1", "1 nearest neighbour"),
    ("readout", "knn5_overlap", "", "5 nearest neighbours"),
    ("readout", "linear_probe", "raw_linear_probe", "linear probe"),
    ("readout", "linear_svm", "raw_linear_svm", "linear SVM"),
    ("readout", "centroid", "", "nearest centroid"),
    ("separation", "goodness", "raw_goodness", "goodness (between / within)"),
    ("separation", "goodness_script", "raw_goodness_script", "goodness, script form"),
    ("reconstruction", "mse", "", "mean squared error"),
    ("reconstruction", "fvu", "", "variance unexplained"),
    ("latents", "linear_probe", "", "latents: linear probe"),
    ("latents", "linear_svm", "", "latents: linear SVM"),
    ("latents", "mse", "", "latents: mean squared error"),
    ("latents", "fvu", "", "latents: variance unexplained"),
    ("noise", "score", "raw_score", "noise score"),
    ("time", "fit_s", "", "learning, s"),
    ("time", "encode_per_s", "", "codes made a second"),
];

/// The words for a figure; its name where it has none.
pub(super) fn words(section: &str, name: &str) -> String {
    let of = NAMES.iter().filter(|entry| entry.0 == section);
    let found = of.clone().find(|entry| entry.1 == name).map(|entry| entry.3.to_owned());
    let control = of.clone().find(|entry| entry.2 == name && !name.is_empty());
    found
        .or_else(|| control.map(|entry| format!("raw inputs: {}", entry.3)))
        .unwrap_or_else(|| format!("{section}: {}", name.replace('_', " ")))
}

/// Where a figure stands in the order of tables; those without words come last.
pub(super) fn place(section: &str, name: &str) -> usize {
    let here = |entry: &(&str, &str, &str, &str)| {
        entry.0 == section && (entry.1 == name || entry.2 == name)
    };
    NAMES.iter().position(here).unwrap_or(NAMES.len())
}

pub(super) fn html(page: &Page<'_>) -> String {
    let mut html = "<section id=numbers><h2>All figures</h2><div class=scroll tabindex=0 role=region aria-label=\"All \
                    figures\"><table><thead><tr><th scope=col>figure</th><th scope=col>codes</th><th scope=col>raw \
                    inputs</th></tr></thead><tbody>"
        .to_owned();
    if let Some(code) = &page.report.code {
        let exact = if code.exact_k { "yes" } else { "no" };
        let _ = write!(
            html,
            "<tr><th scope=row>exactly k in every code</th><td>{exact}</td><td></td></tr>"
        );
    }
    for &(section, name, raw, words) in NAMES {
        let cell = |name: &str| {
            let Some((value, spread)) = figure(page, section, name) else { return String::new() };
            let spread = spread.map(|spread| format!(" ± {}", shown(section, name, spread)));
            shown(section, name, value) + &spread.unwrap_or_default()
        };
        let own = cell(name);
        if !own.is_empty() {
            let _ = write!(
                html,
                "<tr><th scope=row>{}</th><td>{own}</td><td>{}</td></tr>",
                escape(words),
                cell(raw)
            );
        }
    }
    html.push_str(&others(page));
    html + "</tbody></table></div></section>"
}

/// Lines for single figures that have no words here: by their own names.
fn others(page: &Page<'_>) -> String {
    let figures = page.report.figures();
    let known = |section: &str, name: &str| {
        NAMES.iter().any(|entry| entry.0 == section && (entry.1 == name || entry.2 == name))
    };
    let new = figures.iter().filter(|figure| figure.place.is_none());
    let new = new.filter(|figure| !known(figure.section, figure.name));
    let line = |section: &str, name: &str, value: f64| {
        let words = words(section, name);
        format!(
            "<tr><th scope=row>{}</th><td>{}</td><td></td></tr>",
            escape(&words),
            shown(section, name, value)
        )
    };
    new.map(|figure| line(figure.section, figure.name, figure.value)).collect()
}
