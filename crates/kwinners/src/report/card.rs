//! The report as an aligned table, codes and raw inputs side by side.

use std::fmt;

use super::{DataInfo, ModelInfo, NoiseSetup, Report, ReportSummary};
use crate::metrics::{ATTACK_LEVELS, ATTACK_WARNING};

/// Lines of the table: section, label, the figure for the codes, the figure for the raw inputs. Where
/// the figure is a list there is a line for each of its entries.
const LINES: [(&str, &str, &str, &str); 57] = [
    ("code", "exactly k", "exact_k", ""),
    ("code", "dead units", "dead_units", ""),
    ("code", "duty entropy", "duty_entropy", ""),
    ("code", "entropy of a unit, Rényi", "renyi_entropy", ""),
    ("code", "information of two units", "unit_mutual_information", ""),
    ("code", "bits a code at least", "bits_bound", ""),
    ("code", "false match, theory", "false_match_theory", ""),
    ("code", "false match, measured", "false_match_measured", ""),
    ("readout", "1 nearest neighbour", "knn1_overlap", "raw_knn1"),
    ("readout", "5 nearest neighbours", "knn5_overlap", ""),
    ("readout", "linear probe", "linear_probe", "raw_linear_probe"),
    ("readout", "linear SVM", "linear_svm", "raw_linear_svm"),
    ("readout", "nearest centroid", "centroid", ""),
    ("readout", "own answers", "classifier", ""),
    ("separation", "goodness", "goodness", "raw_goodness"),
    ("separation", "goodness, script form", "goodness_script", "raw_goodness_script"),
    ("reconstruction", "mean squared error", "mse", ""),
    ("reconstruction", "variance unexplained", "fvu", ""),
    ("reconstruction", "peak signal to noise, dB", "psnr", ""),
    ("latents", "linear probe", "linear_probe", ""),
    ("latents", "linear SVM", "linear_svm", ""),
    ("latents", "mean squared error", "mse", ""),
    ("latents", "variance unexplained", "fvu", ""),
    ("noise", "at level", "accuracy", "raw_accuracy"),
    ("noise", "score, rightly labelled", "score", "raw_score"),
    ("classes", "nearest centroid, cosine", "centroid_cosine", ""),
    ("classes", "nearest centroid, L1", "centroid_l1", ""),
    ("classes", "nearest centroid, L2", "centroid_l2", ""),
    ("classes", "nearest centroid, binary", "centroid_binarised", ""),
    ("classes", "balanced accuracy", "balanced_accuracy", ""),
    ("classes", "pairs: average precision", "pair_average_precision", ""),
    ("classes", "pairs: that of chance", "pair_base", ""),
    ("classes", "separability", "separability", ""),
    ("classes", "separability, between", "separability_inter", ""),
    ("classes", "separability, within", "separability_intra", ""),
    ("classes", "firing rate, least", "firing_min", ""),
    ("classes", "firing rate, most", "firing_max", ""),
    ("classes", "firing rate, sd of units", "firing_sd", ""),
    ("pixels", "threshold, from train", "threshold", ""),
    ("pixels", "wrong pixels a row", "pixel_error", ""),
    ("pixels", "rows exact, train", "exact_train", ""),
    ("pixels", "rows exact", "exact", ""),
    ("information", "I(X;T) bits, k-means", "k_means_x_t", ""),
    ("information", "I(T;Y) bits, k-means", "k_means_t_y", ""),
    ("information", "I(X;T) bits, Kraskov", "kraskov_x_t", ""),
    ("information", "I(T;Y) bits, Kraskov", "kraskov_t_y", ""),
    ("information", "I(X;T) bits, copula", "copula_x_t", ""),
    ("information", "I(T;Y) bits, copula", "copula_t_y", ""),
    ("information", "I(X;T) bits, MINE", "mine_x_t", ""),
    ("information", "I(T;Y) bits, MINE", "mine_t_y", ""),
    ("information", "I(X;T) bits, counted", "exact_x_t", ""),
    ("information", "I(T;Y) bits, counted", "exact_t_y", ""),
    ("attacks", "fgsm at", "fgsm", ""),
    ("attacks", "pgd at", "pgd", ""),
    ("attacks", "decision at", "decision", ""),
    ("time", "learning, s", "fit_s", ""),
    ("time", "codes made a second", "encode_per_s", ""),
];

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seed = self.model.seed.map(|seed| format!(", seed {seed}")).unwrap_or_default();
        write_head(f, &self.model, &seed, &self.data)?;
        let figures = self.figures();
        let noise = self.noise.as_ref().map(|noise| &noise.setup);
        write_table(f, noise, &|section, name, place| match (name, &self.code) {
            ("exact_k", Some(code)) => Some(yes_or_no(code.exact_k)),
            _ => figures
                .iter()
                .find(|figure| {
                    (figure.section, figure.name, figure.place) == (section, name, place)
                })
                .map(|figure| show(name, figure.value)),
        })
    }
}

impl fmt::Display for ReportSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seeds: Vec<String> = self.seeds.iter().map(u64::to_string).collect();
        let seeds =
            if seeds.is_empty() { seeds.join("") } else { format!(", seeds {}", seeds.join(" ")) };
        write_head(f, &self.model, &seeds, &self.data)?;
        write_table(f, self.noise.as_ref(), &|section, name, place| match (name, self.exact_k) {
            ("exact_k", Some(exact_k)) => Some(yes_or_no(exact_k)),
            _ => self
                .figures
                .iter()
                .find(|figure| {
                    (figure.section, figure.name, figure.place) == (section, name, place)
                })
                .map(|figure| (show(name, figure.summary.mean), show(name, figure.summary.sd)))
                .map(|(mean, sd)| format!("{mean} ± {sd}")),
        })
    }
}

fn write_head(
    f: &mut fmt::Formatter<'_>,
    model: &ModelInfo,
    seeds: &str,
    data: &DataInfo,
) -> fmt::Result {
    let input = model.input_width.map(|width| format!("{width} values -> ")).unwrap_or_default();
    let (kind, units, winners) = (&model.kind, model.units, model.winners);
    writeln!(f, "{kind}: {input}{winners} of {units} units{seeds}")?;
    writeln!(f, "train {} ({}), test {} ({})", data.train, data.train_len, data.test, data.test_len)
}

/// A line of the table: section, label, the cell of the codes, the cell of the raw inputs.
type Row = (&'static str, String, String, String);

/// The text of a figure, by section, name and place in the list.
type Cell<'a> = &'a dyn Fn(&str, &str, Option<usize>) -> Option<String>;

/// The lines that have a cell.
fn rows(noise: Option<&NoiseSetup>, cell: Cell<'_>) -> Vec<Row> {
    let mut rows = Vec::new();
    for (section, label, code, raw) in LINES {
        let mut line = |label: String, place: Option<usize>| {
            let cells = (cell(section, code, place), cell(section, raw, place));
            if cells.0.is_some() || cells.1.is_some() {
                let (code, raw) = (cells.0.unwrap_or_default(), cells.1.unwrap_or_default());
                rows.push((section, label, code, raw));
            }
        };
        let levels: Option<&[f64]> = match (section, code) {
            ("noise", "accuracy") => noise.map(|noise| &noise.levels[..]),
            ("attacks", _) => Some(&ATTACK_LEVELS),
            _ => None,
        };
        match levels {
            None => line(label.to_owned(), None),
            Some(levels) => levels.iter().enumerate().for_each(|(place, level)| {
                line(format!("{label} {level:.2}"), Some(place));
            }),
        }
    }
    rows
}

/// Writes the lines in columns, under the names of their sections.
fn write_table(
    f: &mut fmt::Formatter<'_>,
    noise: Option<&NoiseSetup>,
    cell: Cell<'_>,
) -> fmt::Result {
    let rows = rows(noise, cell);
    let width = |texts: &mut dyn Iterator<Item = &str>| {
        texts.map(|text| text.chars().count()).max().unwrap_or(0)
    };
    let has_raw = rows.iter().any(|row| !row.3.is_empty());
    let raw_title = if has_raw { "raw input" } else { "" };
    let label_width = width(&mut rows.iter().map(|row| row.1.as_str()));
    let code_width = width(&mut rows.iter().map(|row| row.2.as_str()).chain(["codes"]));
    let raw_width = width(&mut rows.iter().map(|row| row.3.as_str()).chain([raw_title]));
    let line = |label: &str, code: &str, raw: &str| {
        let text = format!("  {label:label_width$}  {code:>code_width$}  {raw:>raw_width$}");
        text.trim_end().to_owned()
    };
    writeln!(f, "{}", line("", "codes", raw_title))?;
    let mut current = "";
    for (section, label, code, raw) in &rows {
        if *section != current {
            current = section;
            match noise.filter(|_| *section == "noise") {
                Some(noise) => writeln!(f, "noise: {}, {}", noise.protocol, spoken(noise.readout))?,
                None if *section == "attacks" => writeln!(f, "attacks. {ATTACK_WARNING}")?,
                None => writeln!(f, "{current}")?,
            }
        }
        writeln!(f, "{}", line(label, code, raw))?;
    }
    Ok(())
}

/// A name of the JSON in words.
fn spoken(name: &str) -> String {
    name.replace('_', " ")
}

fn yes_or_no(yes: bool) -> String {
    if yes { "yes" } else { "no" }.to_owned()
}

/// The number with the digits that mean something for this figure.
fn show(name: &str, value: f64) -> String {
    if value.is_nan() {
        return "-".to_owned();
    }
    match name {
        "dead_units" | "score" | "raw_score" if value.fract() == 0.0 => format!("{value:.0}"),
        "dead_units" | "score" | "raw_score" | "bits_bound" => format!("{value:.1}"),
        "unit_mutual_information" if value != 0.0 => format!("{value:.1e}"),
        "encode_per_s" => format!("{value:.0}"),
        "fit_s" => format!("{value:.2}"),
        "mse" => format!("{value:.5}"),
        "psnr" | "pixel_error" => format!("{value:.2}"),
        "false_match_theory" | "false_match_measured" if value != 0.0 => format!("{value:.1e}"),
        "false_match_theory" | "false_match_measured" => "0".to_owned(),
        _ => format!("{value:.4}"),
    }
}
