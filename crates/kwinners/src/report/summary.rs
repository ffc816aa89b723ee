//! Several seeds in one: each figure as mean, spread and list.

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::{DataInfo, Figure, ModelInfo, NoiseSetup, Report};
use crate::error::{Error, Result};
use crate::metrics::{ATTACK_LEVELS, ATTACK_WARNING};

/// One figure over several runs.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
#[non_exhaustive]
pub struct Summary {
    /// Arithmetic mean.
    pub mean: f64,
    /// Standard deviation of the sample, `√(Σ (x - mean)² / (n - 1))`; 0 for a single run.
    pub sd: f64,
    /// Number of runs that have the figure.
    pub n: usize,
    /// The figure of each run, in the order of the runs.
    pub values: Vec<f64>,
}

impl Summary {
    /// The summary of `values`.
    ///
    /// ```
    /// let summary = kwinners::report::Summary::of(vec![1.0, 2.0, 6.0]);
    /// assert_eq!((summary.mean, summary.sd, summary.n), (3.0, 7f64.sqrt(), 3));
    /// ```
    pub fn of(values: Vec<f64>) -> Self {
        let n = values.len();
        let mean = values.iter().sum::<f64>() / n as f64;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        let sd = if n > 1 { (squares / (n - 1) as f64).sqrt() } else { 0.0 };
        Self { mean, sd, n, values }
    }
}

/// A figure by its names in the JSON, over several runs.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct FigureSummary {
    /// The section, such as `readout`.
    pub section: &'static str,
    /// The name in the section, such as `linear_probe`.
    pub name: &'static str,
    /// The place in the list, where the name stands for a list.
    pub place: Option<usize>,
    /// What the runs gave.
    pub summary: Summary,
}

/// The reports of several seeds in one.
///
/// Serialises with the names of a [`Report`]: each figure is a [`Summary`], `code.exact_k` says
/// whether it held in every run, and `model.seed` is the list of the seeds.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ReportSummary {
    /// What the models have in common; its own `seed` is `None`.
    pub model: ModelInfo,
    /// The seeds that are known, in the order of the runs.
    pub seeds: Vec<u64>,
    /// The data that all were judged on.
    pub data: DataInfo,
    /// Whether all codes of all runs have exactly `k` units on, where that was looked at.
    pub exact_k: Option<bool>,
    /// How the read-outs were tried under noise, where they were.
    pub noise: Option<NoiseSetup>,
    /// Every figure that at least one run has, in the order of the record.
    pub figures: Vec<FigureSummary>,
}

/// Joins the reports of one kind of model, judged on the same data, over several seeds.
///
/// # Errors
/// If there is no report, or two differ in more than the seed and the figures.
pub fn summarise(reports: &[Report]) -> Result<ReportSummary> {
    let Some(first) = reports.first() else {
        return Err(Error::shape("reports to summarise", "at least 1", 0));
    };
    let model = |report: &Report| ModelInfo { seed: None, ..report.model.clone() };
    let noise = |report: &Report| report.noise.as_ref().map(|noise| noise.setup.clone());
    let alike = |report: &Report| {
        model(report) == model(first) && report.data == first.data && noise(report) == noise(first)
    };
    if !reports.iter().all(alike) {
        let reason = "reports of different models, data or noise can't be summarised together";
        return Err(Error::Unsupported(reason.to_owned()));
    }
    let all: Vec<Figure> = reports.iter().flat_map(Report::figures).collect();
    let mut names = Vec::new();
    for name in all.iter().map(name_of) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let summary_of = |name: Name| {
        let same = all.iter().filter(|figure| name_of(figure) == name);
        let summary = Summary::of(same.map(|figure| figure.value).collect());
        let (section, name, place) = name;
        FigureSummary { section, name, place, summary }
    };
    let exact: Vec<bool> =
        reports.iter().filter_map(|report| Some(report.code.as_ref()?.exact_k)).collect();
    Ok(ReportSummary {
        model: model(first),
        seeds: reports.iter().filter_map(|report| report.model.seed).collect(),
        data: first.data.clone(),
        exact_k: (!exact.is_empty()).then(|| exact.iter().all(|&exact| exact)),
        noise: noise(first),
        figures: names.into_iter().map(summary_of).collect(),
    })
}

/// The sections of a [`Report`] that hold figures, in its order.
const SECTIONS: [&str; 11] = [
    "code",
    "readout",
    "separation",
    "reconstruction",
    "latents",
    "noise",
    "classes",
    "pixels",
    "information",
    "attacks",
    "time",
];

/// Section, name and place in the list.
type Name = (&'static str, &'static str, Option<usize>);

fn name_of(figure: &Figure) -> Name {
    (figure.section, figure.name, figure.place)
}

impl Serialize for ReportSummary {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("model", &Model { info: &self.model, seed: &self.seeds })?;
        map.serialize_entry("data", &self.data)?;
        for section in SECTIONS {
            let entries = Section { summary: self, section };
            if entries.figures().next().is_some() {
                map.serialize_entry(section, &entries)?;
            }
        }
        map.end()
    }
}

#[derive(serde::Serialize)]
struct Model<'a> {
    #[serde(flatten)]
    info: &'a ModelInfo,
    seed: &'a [u64],
}

/// One section of the summary as a map from names to figures.
struct Section<'a> {
    summary: &'a ReportSummary,
    section: &'static str,
}

impl Section<'_> {
    fn figures(&self) -> impl Iterator<Item = &FigureSummary> {
        self.summary.figures.iter().filter(|figure| figure.section == self.section)
    }

    /// The summaries of a list.
    fn list(&self, name: &str) -> Vec<&Summary> {
        let named = self.figures().filter(|figure| figure.name == name);
        named.map(|figure| &figure.summary).collect()
    }
}

impl Serialize for Section<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        if let ("code", Some(exact_k)) = (self.section, self.summary.exact_k) {
            map.serialize_entry("exact_k", &exact_k)?;
        }
        if let ("noise", Some(setup)) = (self.section, &self.summary.noise) {
            map.serialize_entry("protocol", &setup.protocol)?;
            map.serialize_entry("readout", setup.readout)?;
            map.serialize_entry("levels", &setup.levels)?;
        }
        if self.section == "attacks" {
            map.serialize_entry("warning", ATTACK_WARNING)?;
            map.serialize_entry("levels", &ATTACK_LEVELS)?;
        }
        for figure in self.figures() {
            match figure.place {
                None => map.serialize_entry(figure.name, &figure.summary)?,
                Some(0) => map.serialize_entry(figure.name, &self.list(figure.name))?,
                Some(_) => {} // in the list of the first
            }
        }
        map.end()
    }
}
