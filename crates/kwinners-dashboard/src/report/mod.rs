//! The report of a run as one HTML file, and several reports side by side.

mod compare;
mod figures;
mod headline;
mod numbers;
mod pictures;
mod published;

pub use compare::{Side, compare_page, compare_rows};

use std::fmt::Write as _;

use kwinners::encoder::Model;
use kwinners::report::{Report, ReportSummary};
use kwinners::{Dataset, Result, Rows, SdrBatch};

use crate::charts::escape;
use crate::curve::CurvePoint;

/// Everything that a report page shows.
#[derive(Clone, Copy)]
#[allow(missing_debug_implementations, reason = "data sets and codes would fill a screen")]
pub struct Page<'a> {
    /// What was measured.
    pub report: &'a Report,
    /// The same over several seeds, where there are several; pictures are those of `report`.
    pub seeds: Option<&'a ReportSummary>,
    /// The model, where it is at hand.
    pub model: Option<&'a Model>,
    /// What the read-outs learned from.
    pub train: &'a Dataset,
    /// What everything was measured on.
    pub test: &'a Dataset,
    /// One code a row of `train`.
    pub train_codes: &'a SdrBatch,
    /// One code a row of `test`.
    pub test_codes: &'a SdrBatch,
    /// The test codes decoded, one row a row of `test`, where there is a decoder.
    pub decoded: Option<Rows<'a>>,
    /// The learning curve; empty where no log was kept.
    pub curve: &'a [CurvePoint],
    /// Where all this comes from.
    pub provenance: &'a Provenance,
}

/// How to do it again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Provenance {
    /// The commands, one a line, as a shell takes them.
    pub commands: Vec<String>,
    /// Names and what they stand for: version, machine, files.
    pub facts: Vec<(String, String)>,
}

/// One figure: its name, what stands in it, and how to read it.
pub(crate) struct Figure {
    pub(crate) id: &'static str,
    pub(crate) title: String,
    pub(crate) body: String,
    /// A sentence or two.
    pub(crate) how: String,
    /// Whether it takes the whole width.
    pub(crate) wide: bool,
}

impl Figure {
    fn html(&self) -> String {
        let Self { id, title, body, how, wide } = self;
        let class = if *wide { "wide" } else { "half" };
        format!(
            "<figure id={id} class={class}><h3>{}</h3>{body}<figcaption><b>How to read it.</b> {how}</figcaption>\
             </figure>",
            escape(title)
        )
    }
}

/// The page as one HTML file that needs nothing else: no script, no network.
///
/// Cost: the map of codes is t-SNE of up to 600 test codes, below a second; all else is pictures.
///
/// # Errors
/// If there is not one code a row, or the decoded rows have another width.
pub fn report_page(page: &Page<'_>) -> Result<String> {
    let mut body = headline::html(page);
    let look = [
        figures::curve(page),
        figures::neighbour_map(page),
        pictures::strips(page)?,
        pictures::neighbours(page)?,
        pictures::maps(page)?,
        figures::overlaps(page)?,
        figures::duty(page),
        figures::pairs(page),
        figures::noise(page),
        pictures::filters(page)?,
        figures::information(page),
        figures::confusion(page),
        pictures::raster(page)?,
    ];
    body.push_str("<section aria-label=Figures class=figures>");
    look.into_iter().flatten().for_each(|figure| body.push_str(&figure.html()));
    body.push_str("</section>");
    body.push_str(&numbers::html(page));
    body.push_str(&again(page));
    Ok(document(&headline::title(page), &body))
}

/// What a report may load: nothing but itself.
const POLICY: &str = "default-src 'none'; img-src data:; style-src 'unsafe-inline'";

/// A whole document around `body`.
fn document(title: &str, body: &str) -> String {
    let style = include_str!("../../assets/style.css");
    format!(
        "<!doctype html>\n<html lang=en><head><meta charset=utf-8>\
         <meta name=viewport content=\"width=device-width, initial-scale=1\">\
         <meta http-equiv=Content-Security-Policy content=\"{POLICY}\">\
         <meta name=color-scheme content=\"light dark\"><title>{}</title>\
         <style>{style}</style></head><body class=report><main>{body}</main>\
         <footer>Made by kwinners {}. This file is complete: it loads nothing.</footer></body></html>\n",
        escape(title),
        env!("CARGO_PKG_VERSION")
    )
}

/// How to do it again.
fn again(page: &Page<'_>) -> String {
    let Provenance { commands, facts } = page.provenance;
    let mut html = "<section id=again><h2>Do it again</h2>".to_owned();
    let lines: Vec<String> = commands.iter().map(|command| escape(command)).collect();
    let _ = write!(html, "<pre tabindex=0>{}</pre><dl class=facts>", lines.join("\n"));
    let settings = page.model.map(|model| {
        let pairs = model.settings().into_iter().filter(|(_, value)| !value.is_empty());
        let pairs: Vec<String> = pairs.map(|(key, value)| format!("{key}={value}")).collect();
        ("settings".to_owned(), pairs.join(", "))
    });
    for (name, what) in facts.iter().chain(&settings) {
        let _ = write!(html, "<dt>{}</dt><dd>{}</dd>", escape(name), escape(what));
    }
    html + "</dl><p class=fine>The same seed gives the same model bytes with any number of threads.</p></section>"
}
