//! The report: everything that was measured of one model on one data set, as a plain record.
//!
//! [`judge`] measures, [`Report`] prints as an aligned table and serialises with names that scripts
//! rely on, [`summarise`] joins the reports of several seeds, [`pictures`] show what it is about.

mod card;
mod judge;
mod neighbour_map;
mod on_request;
mod overlaps;
mod part;
pub mod pictures;
mod summary;

pub use judge::{Evidence, judge};
pub use neighbour_map::neighbour_map;
pub use on_request::{AttackFigures, ClassFigures, InformationFigures, PairLists};
pub use overlaps::{OverlapHistogram, overlap_histogram};
pub use part::Part;
pub use summary::{FigureSummary, ReportSummary, Summary, summarise};

use serde::Serialize;

use crate::metrics::{CodeFigures, NoiseProtocol, PixelFigures, Reconstruction};

/// What was measured. Shares are fractions from 0 to 1; what was not measured is absent.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// The model that was judged.
    pub model: ModelInfo,
    /// The data that it was judged on.
    pub data: DataInfo,
    /// The codes by themselves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<CodeFigures>,
    /// What can be read out of the codes; absent without labels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub readout: Option<Readout>,
    /// How far classes lie apart; absent without labels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub separation: Option<Separation>,
    /// What the decoder gives back; absent where there is no decoder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reconstruction: Option<Reconstruction>,
    /// What the latents behind the codes give; absent where the kind has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latents: Option<LatentFigures>,
    /// What can be read out under noise; absent without labels or without the model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub noise: Option<NoiseFigures>,
    /// How codes keep classes apart; on request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub classes: Option<ClassFigures>,
    /// What the decoder gives back where pixels are only on or off; on request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pixels: Option<PixelFigures>,
    /// What codes tell of inputs and classes, in bits; on request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub information: Option<InformationFigures>,
    /// What can be told under attack; on request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attacks: Option<AttackFigures>,
    /// How long it took.
    #[serde(skip_serializing_if = "Timing::is_empty")]
    pub time: Timing,
}

/// Name and shape of a model.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ModelInfo {
    /// The kind, such as `tied`; `codes` where codes were judged without their model.
    pub kind: String,
    /// Values an input vector has, where known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input_width: Option<usize>,
    /// Units of a code, `n`.
    pub units: usize,
    /// Active units of a code, `k`.
    pub winners: usize,
    /// The seed that the model was made with, where known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
}

/// Names and sizes of the data.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct DataInfo {
    /// What the user called the training set.
    pub train: String,
    /// What the user called the test set.
    pub test: String,
    /// Rows of the training set.
    pub train_len: usize,
    /// Rows of the test set.
    pub test_len: usize,
}

/// Shares of the test set that a simple reader of the training set labels rightly.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Readout {
    /// Nearest neighbour by overlap.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub knn1_overlap: Option<f64>,
    /// Vote of the five nearest neighbours by overlap.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub knn5_overlap: Option<f64>,
    /// Logistic regression on the codes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub linear_probe: Option<f64>,
    /// Linear support vector machines on the codes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub linear_svm: Option<f64>,
    /// Nearest class centroid by cosine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub centroid: Option<f64>,
    /// The model's own answers, where it tells classes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub classifier: Option<f64>,
    /// Control: nearest neighbour by Euclidean distance of the raw inputs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub raw_knn1: Option<f64>,
    /// Control: logistic regression on the raw inputs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub raw_linear_probe: Option<f64>,
    /// Control: linear support vector machines on the raw inputs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub raw_linear_svm: Option<f64>,
}

/// Mean L1 distance between classes over that within, see [`crate::metrics::Goodness`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Separation {
    /// The ratio of the means, for codes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub goodness: Option<f64>,
    /// The form of the original script, for codes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub goodness_script: Option<f64>,
    /// Control: the ratio of the means, for the raw inputs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub raw_goodness: Option<f64>,
    /// Control: the form of the original script, for the raw inputs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub raw_goodness_script: Option<f64>,
}

/// What real-valued latents give, of which the codes keep only which are largest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct LatentFigures {
    /// Logistic regression on the latents; absent without labels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub linear_probe: Option<f64>,
    /// Linear support vector machines on the latents; absent without labels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub linear_svm: Option<f64>,
    /// Mean squared error a value of what the latents reconstruct.
    pub mse: f64,
    /// Fraction of variance unexplained, see [`Reconstruction`].
    pub fvu: f64,
}

/// Shares of the test set that the probe of clean codes labels rightly when the inputs are noisy.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct NoiseFigures {
    /// What was done.
    #[serde(flatten)]
    pub setup: NoiseSetup,
    /// The share at each level.
    pub accuracy: Vec<f64>,
    /// Rows labelled rightly, summed over the levels, see [`crate::metrics::NoiseCurve`].
    pub score: usize,
    /// Control: the share at each level for the probe of the raw inputs.
    pub raw_accuracy: Vec<f64>,
    /// Control: the score for the probe of the raw inputs.
    pub raw_score: usize,
}

/// How the read-out was tried under noise.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct NoiseSetup {
    /// What the noise does.
    pub protocol: NoiseProtocol,
    /// The read-out, by its name in [`Readout`].
    pub readout: &'static str,
    /// How much of it, see [`crate::metrics::NOISE_LEVELS`].
    pub levels: Vec<f64>,
}

/// How long it took, where it was timed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Timing {
    /// Seconds of learning.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fit_s: Option<f64>,
    /// Samples encoded a second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encode_per_s: Option<f64>,
}

impl Timing {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// One number of a report, by the names that it has in the JSON.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Figure {
    /// The section, such as `readout`.
    pub section: &'static str,
    /// The name in the section, such as `linear_probe`.
    pub name: &'static str,
    /// The place in the list, where the name stands for a list.
    pub place: Option<usize>,
    /// The number.
    pub value: f64,
}

impl Report {
    /// Every number that was measured, in the order of the record. `code.exact_k`, which is no
    /// number, is left out.
    pub fn figures(&self) -> Vec<Figure> {
        let code = self.code.as_ref();
        let readout = self.readout.unwrap_or_default();
        let separation = self.separation.unwrap_or_default();
        let reconstruction = self.reconstruction.as_ref();
        let mut figures = figures_of(&[
            ("code", "dead_units", code.map(|code| code.dead_units as f64)),
            ("code", "duty_entropy", code.map(|code| code.duty_entropy)),
            ("code", "renyi_entropy", code.map(|code| code.renyi_entropy)),
            ("code", "unit_mutual_information", code.map(|code| code.unit_mutual_information)),
            ("code", "bits_bound", code.map(|code| code.bits_bound)),
            ("code", "false_match_theory", code.map(|code| code.false_match_theory)),
            ("code", "false_match_measured", code.map(|code| code.false_match_measured)),
            ("readout", "knn1_overlap", readout.knn1_overlap),
            ("readout", "knn5_overlap", readout.knn5_overlap),
            ("readout", "linear_probe", readout.linear_probe),
            ("readout", "linear_svm", readout.linear_svm),
            ("readout", "centroid", readout.centroid),
            ("readout", "classifier", readout.classifier),
            ("readout", "raw_knn1", readout.raw_knn1),
            ("readout", "raw_linear_probe", readout.raw_linear_probe),
            ("readout", "raw_linear_svm", readout.raw_linear_svm),
            ("separation", "goodness", separation.goodness),
            ("separation", "goodness_script", separation.goodness_script),
            ("separation", "raw_goodness", separation.raw_goodness),
            ("separation", "raw_goodness_script", separation.raw_goodness_script),
            ("reconstruction", "mse", reconstruction.map(|figures| figures.mse)),
            ("reconstruction", "fvu", reconstruction.map(|figures| figures.fvu)),
            ("reconstruction", "psnr", reconstruction.map(|figures| figures.psnr)),
        ]);
        let latents = self.latents.as_ref();
        figures.extend(figures_of(&[
            ("latents", "linear_probe", latents.and_then(|figures| figures.linear_probe)),
            ("latents", "linear_svm", latents.and_then(|figures| figures.linear_svm)),
            ("latents", "mse", latents.map(|figures| figures.mse)),
            ("latents", "fvu", latents.map(|figures| figures.fvu)),
        ]));
        figures.extend(self.noise.as_ref().map(NoiseFigures::figures).unwrap_or_default());
        figures.extend(self.classes.as_ref().map(ClassFigures::figures).unwrap_or_default());
        let pixels = self.pixels.as_ref();
        figures.extend(figures_of(&[
            ("pixels", "threshold", pixels.map(|figures| figures.threshold)),
            ("pixels", "pixel_error", pixels.map(|figures| figures.pixel_error)),
            ("pixels", "exact_train", pixels.map(|figures| figures.exact_train)),
            ("pixels", "exact", pixels.map(|figures| figures.exact)),
        ]));
        let information = self.information.as_ref();
        figures.extend(information.map(InformationFigures::figures).unwrap_or_default());
        figures.extend(self.attacks.as_ref().map(AttackFigures::figures).unwrap_or_default());
        figures.extend(figures_of(&[
            ("time", "fit_s", self.time.fit_s),
            ("time", "encode_per_s", self.time.encode_per_s),
        ]));
        figures
    }
}

impl NoiseFigures {
    fn figures(&self) -> Vec<Figure> {
        let list = |name, values: &[f64]| -> Vec<Figure> {
            let places = values.iter().enumerate();
            places
                .map(|(place, &value)| Figure { section: "noise", name, place: Some(place), value })
                .collect()
        };
        let score = |name, score| figures_of(&[("noise", name, Some(score as f64))]);
        [
            list("accuracy", &self.accuracy),
            score("score", self.score),
            list("raw_accuracy", &self.raw_accuracy),
            score("raw_score", self.raw_score),
        ]
        .concat()
    }
}

/// Those that were measured of single numbers, by section and name.
fn figures_of(numbers: &[(&'static str, &'static str, Option<f64>)]) -> Vec<Figure> {
    let measured = numbers.iter().filter_map(|&(section, name, value)| {
        Some(Figure { section, name, place: None, value: value? })
    });
    measured.collect()
}
