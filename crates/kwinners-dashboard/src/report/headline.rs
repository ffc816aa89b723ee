//! What was made, of what, and how good it is, in a few lines and four numbers.

use std::fmt::Write as _;

use super::{Page, published};
use crate::charts::{escape, grouped, number};

/// Most cards.
const CARDS: usize = 4;

/// A number that may stand at the top: where it is in the report, where the raw control is, its name and meaning.
struct Candidate {
    section: &'static str,
    name: &'static str,
    raw: &'static str,
    title: &'static str,
    means: &'static str,
}

/// What tells most first; the first four that were measured are shown.
const CANDIDATES: [Candidate; 8] = [
    candidate("readout", "classifier", "", "told right", "by the network itself"),
    candidate(
        "readout",
        "linear_probe",
        "raw_linear_probe",
        "linear probe",
        "labelled rightly by logistic regression",
    ),
    candidate(
        "readout",
        "linear_svm",
        "raw_linear_svm",
        "linear SVM",
        "labelled rightly by support vector machines",
    ),
    candidate(
        "readout",
        "knn1_overlap",
        "raw_knn1",
        "nearest neighbour",
        "labelled as the code that shares most units",
    ),
    candidate(
        "noise",
        "score",
        "raw_score",
        "noise score",
        "labelled rightly, summed over all noise levels",
    ),
    candidate("reconstruction", "fvu", "", "variance lost", "when codes are decoded; 0 is perfect"),
    candidate("code", "dead_units", "", "dead units", "that no test code has on"),
    candidate("code", "bits_bound", "", "bits a sample", "are enough for a code"),
];

const fn candidate(
    section: &'static str,
    name: &'static str,
    raw: &'static str,
    title: &'static str,
    means: &'static str,
) -> Candidate {
    Candidate { section, name, raw, title, means }
}

/// The page's title.
pub(super) fn title(page: &Page<'_>) -> String {
    let model = &page.report.model;
    format!("{} {}/{} on {}", model.kind, model.units, model.winners, page.report.data.test)
}

/// The figure `section.name`: the mean over seeds and its spread, where there are several.
pub(super) fn figure(page: &Page<'_>, section: &str, name: &str) -> Option<(f64, Option<f64>)> {
    if let Some(seeds) = page.seeds {
        let found = seeds
            .figures
            .iter()
            .find(|figure| (figure.section, figure.name, figure.place) == (section, name, None));
        return found.map(|figure| (figure.summary.mean, Some(figure.summary.sd)));
    }
    let figures = page.report.figures();
    let found = figures
        .iter()
        .find(|figure| (figure.section, figure.name, figure.place) == (section, name, None));
    found.map(|figure| (figure.value, None))
}

pub(super) fn html(page: &Page<'_>) -> String {
    let (model, data) = (&page.report.model, &page.report.data);
    let seeds = match (page.seeds, model.seed) {
        (Some(seeds), _) => format!(", mean ± standard deviation of {} seeds", seeds.seeds.len()),
        (None, Some(seed)) => format!(", seed {seed}"),
        (None, None) => String::new(),
    };
    let mut html = format!(
        "<header><p class=kicker>kwinners report</p><h1>{}</h1><p class=lead>Each of {} test samples of <b>{}</b> became \
         a code of exactly <b>{}</b> of <b>{}</b> units; read-outs learned from the codes of {} samples of {}{seeds}.</p>",
        escape(&title(page)),
        grouped(data.test_len as f64),
        escape(&data.test),
        model.winners,
        grouped(model.units as f64),
        grouped(data.train_len as f64),
        escape(&data.train),
    );
    html.push_str("<ul class=cards>");
    let shown = CANDIDATES.iter().filter_map(|candidate| card(page, candidate)).take(CARDS);
    shown.for_each(|card| html.push_str(&card));
    html + "</ul></header>"
}

fn card(page: &Page<'_>, candidate: &Candidate) -> Option<String> {
    let (value, spread) = figure(page, candidate.section, candidate.name)?;
    // A number and its unit stay on one line.
    let show = |value: f64| shown(candidate.section, candidate.name, value).replace(' ', "&nbsp;");
    let spread = spread.filter(|&spread| spread > 0.0);
    let spread = spread.map(|spread| format!("<small> ± {}</small>", show(spread)));
    let mut html = format!(
        "<li><h2>{}</h2><p class=big>{}{}</p><p>{}</p>",
        candidate.title,
        show(value),
        spread.unwrap_or_default(),
        candidate.means
    );
    if let Some((raw, _)) = figure(page, candidate.section, candidate.raw) {
        let _ = write!(html, "<p class=beside>raw inputs: {}</p>", show(raw));
    }
    if candidate.name == "bits_bound" {
        let bits = 8 * page.test.width();
        let _ = write!(
            html,
            "<p class=beside>raw inputs, a byte a value: {}</p>",
            grouped(bits as f64)
        );
    }
    let data = &page.report.data.test;
    let comparable = candidate.name != "score" || is_papers_noise(page);
    if let Some(known) =
        published::find(data, candidate.section, candidate.name).filter(|_| comparable)
    {
        let _ =
            write!(html, "<p class=beside>published: {}, {}</p>", show(known.value), known.whose);
    }
    Some(html + "</li>")
}

/// Whether the noise is that of the paper whose score is known.
fn is_papers_noise(page: &Page<'_>) -> bool {
    let noise = page.report.noise.as_ref();
    noise.is_some_and(|noise| noise.setup.protocol.name() == "s2")
}

/// A figure with its unit: shares as per cent.
pub(super) fn shown(section: &str, name: &str, value: f64) -> String {
    let share = matches!(section, "readout") || name.ends_with("accuracy") || name == "fvu";
    let share = share || section == "latents" && name.starts_with("linear");
    match name {
        _ if !value.is_finite() => "–".to_owned(),
        _ if share => format!("{:.2} %", 100.0 * value),
        "bits_bound" => format!("{value:.0}"),
        "encode_per_s" => grouped(value),
        "score" | "raw_score" => grouped(value),
        _ if name.starts_with("goodness") || name.starts_with("raw_goodness") => {
            format!("{value:.3}")
        }
        _ => number(value),
    }
}
