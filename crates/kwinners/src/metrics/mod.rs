//! The evaluation card: what a code keeps of the input, measured beside the raw input.
//!
//! All shares are fractions from 0 to 1. Every random choice (pairs, validation part, draws) has a
//! fixed seed, work is cut into fixed blocks and reduced in block order: the same data give the same
//! figures, whatever the number of threads.

mod attacks;
mod binary_reconstruction;
mod centroid;
mod code;
mod confusion;
mod coverage;
mod information;
mod lbfgs;
mod linear;
mod logistic;
mod mutual;
mod neighbours;
mod noise;
mod pairs;
mod pixels;
mod probe;
mod raw_neighbours;
mod reconstruction;
mod saliency;
mod separability;
mod separation;
mod stability;
mod svm;

pub use attacks::{ATTACK_LEVELS, ATTACK_WARNING, Attack, Rays, Target};
pub use binary_reconstruction::{BIT_THRESHOLDS, BinaryReconstruction, binary_reconstruction};
pub use centroid::{CentroidDistance, Centroids, centroid_accuracy};
pub(crate) use code::duty_entropy;
pub use code::{CodeFigures, code_figures};
pub use confusion::ConfusionMatrix;
pub use coverage::{InputCoverage, input_coverage, places_above};
pub use information::{
    Estimator, Information, Related, code_information, information, mutual_information,
};
pub use linear::LinearSettings;
pub use logistic::LogisticRegression;
pub use mutual::unit_mutual_information;
pub use neighbours::{Neighbours, neighbours_by_overlap};
pub use noise::{NOISE_LEVELS, Noise, NoiseCurve, NoiseProtocol, noise_curve};
pub use pairs::{PairCurve, PairPoint, pair_curve};
pub use pixels::{DecodedRows, PixelFigures, pixel_figures};
pub use probe::{fit_linear_probe, fit_linear_svm};
pub use raw_neighbours::nearest_by_distance;
pub use reconstruction::{Reconstruction, reconstruction};
pub use saliency::{Saliency, saliency, unit_saliency};
pub use separability::{Separability, separability};
pub use separation::{DistanceMap, Goodness, distance_map, goodness, sample_of_each_class};
pub use stability::{noise_robustness, stability};
pub use svm::LinearSvm;

use crate::error::{Error, Result};
use crate::rows::Rows;
use crate::sdr::SdrBatch;

/// What a read-out reads: codes, or the raw inputs as a control.
#[derive(Clone, Copy, Debug)]
pub enum Features<'a> {
    /// Each unit is a feature that is 0 or 1; costs count only the units that are on.
    Codes(&'a SdrBatch),
    /// Each value is a feature.
    Rows(Rows<'a>),
}

impl Features<'_> {
    /// Number of samples.
    pub fn len(&self) -> usize {
        match self {
            Self::Codes(codes) => codes.len(),
            Self::Rows(rows) => rows.len(),
        }
    }

    /// Whether there is no sample.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Features a sample: units, or values of a row.
    pub fn width(&self) -> usize {
        match self {
            Self::Codes(codes) => codes.units(),
            Self::Rows(rows) => rows.width(),
        }
    }

    /// Mean over the samples of the squared Euclidean norm; for exactly-k codes it is `k`.
    fn mean_square_norm(&self) -> f64 {
        let total = match self {
            Self::Codes(codes) => codes.indices().len() as f64,
            Self::Rows(rows) => rows.iter().map(square_norm).sum(),
        };
        total / self.len().max(1) as f64
    }

    fn check_width(&self, expected: usize) -> Result<()> {
        if self.width() == expected {
            return Ok(());
        }
        Err(Error::shape("features", format!("{expected} a sample"), self.width()))
    }
}

/// Share of the samples whose predicted label is the true one; 0 for no samples.
///
/// ```
/// assert_eq!(kwinners::metrics::accuracy(&[3, 1, 4, 1], &[3, 1, 4, 2])?, 0.75);
/// # Ok::<(), kwinners::Error>(())
/// ```
///
/// # Errors
/// If there are not as many predictions as labels.
pub fn accuracy(predicted: &[u32], labels: &[u32]) -> Result<f64> {
    check_labels(labels, predicted.len())?;
    let right = predicted.iter().zip(labels).filter(|(a, b)| a == b).count();
    Ok(right as f64 / labels.len().max(1) as f64)
}

fn check_labels(labels: &[u32], samples: usize) -> Result<()> {
    if labels.len() == samples {
        return Ok(());
    }
    Err(Error::shape("labels", format!("{samples}, one a sample"), labels.len()))
}

/// Squared Euclidean norm, summed in `f64`.
fn square_norm(row: &[f32]) -> f64 {
    row.iter().map(|&value| f64::from(value) * f64::from(value)).sum()
}

/// The labels that occur, in order: label number `place` is class `place`, so that memory goes by
/// the classes there are and not by the largest label.
#[derive(Clone, Debug, PartialEq)]
struct Classes {
    labels: Vec<u32>,
}

impl Classes {
    fn of(labels: &[u32]) -> Self {
        let mut labels = labels.to_vec();
        labels.sort_unstable();
        labels.dedup();
        Self { labels }
    }

    fn len(&self) -> usize {
        self.labels.len()
    }

    fn label(&self, place: usize) -> u32 {
        self.labels[place]
    }

    /// The class of each label.
    ///
    /// # Panics
    /// If a label is not among those that the classes were made of.
    fn places(&self, labels: &[u32]) -> Vec<usize> {
        let place = |label| self.labels.binary_search(label).expect("a label of these classes");
        labels.iter().map(place).collect()
    }
}
