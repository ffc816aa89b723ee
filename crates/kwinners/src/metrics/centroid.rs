//! The nearest class centroid.

use serde::Serialize;

use super::{Classes, accuracy, check_labels};
use crate::error::{Error, Result};
use crate::kwta::KWinners;
use crate::sdr::{Sdr, SdrBatch};

/// Share of the `test` codes whose nearest class centroid is that of their own class.
///
/// The centroid of a class is the mean of its `train` codes; nearest is by cosine, ties to the lower
/// label. Cost: `O(classes · (n + test · k))`.
///
/// Source: the prediction rule of EmbedderSDR (class centroid accuracy).
///
/// ```
/// use kwinners::{SdrBatch, metrics::centroid_accuracy};
/// let train = SdrBatch::from_exact(8, 2, vec![0, 1, 0, 2, 5, 6, 5, 7])?;
/// let test = SdrBatch::from_exact(8, 2, vec![1, 2, 6, 7])?;
/// assert_eq!(centroid_accuracy(&train, &[3, 3, 9, 9], &test, &[3, 9])?, 1.0);
/// # Ok::<(), kwinners::Error>(())
/// ```
///
/// # Errors
/// If the two batches differ in units, there is no training code, or not one label a code.
pub fn centroid_accuracy(
    train: &SdrBatch,
    train_labels: &[u32],
    test: &SdrBatch,
    test_labels: &[u32],
) -> Result<f64> {
    let centroids = Centroids::of(train, train_labels)?;
    accuracy(&centroids.predict(test, CentroidDistance::Cosine)?, test_labels)
}

/// How far a code lies from the centroid of a class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CentroidDistance {
    /// `1 - cos(x, c)`.
    Cosine,
    /// `Σ |x - c|`.
    L1,
    /// `Σ (x - c)²`.
    L2,
    /// `1 - cos(x, b)`, where `b` has the `k` largest values of the centroid on, and `k` is the mean
    /// number of units that a training code has on, rounded.
    Binarised,
}

impl CentroidDistance {
    /// All distances.
    pub const ALL: [Self; 4] = [Self::Cosine, Self::L1, Self::L2, Self::Binarised];
}

/// The mean code of each class.
///
/// Source: the accuracies of EmbedderSDR.
///
/// ```
/// use kwinners::{SdrBatch, metrics::{CentroidDistance, Centroids}};
/// let train = SdrBatch::from_exact(8, 2, vec![0, 1, 0, 2, 5, 6, 5, 7])?;
/// let centroids = Centroids::of(&train, &[3, 3, 9, 9])?;
/// assert_eq!(centroids.of_class(0), [1.0, 0.5, 0.5, 0.0, 0.0, 0.0, 0.0, 0.0]);
/// let test = SdrBatch::from_exact(8, 2, vec![1, 2, 6, 7])?;
/// assert_eq!(centroids.predict(&test, CentroidDistance::L1)?, [3, 9]);
/// # Ok::<(), kwinners::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Centroids {
    classes: Classes,
    units: usize,
    winners: usize,
    /// `(classes, units)`.
    means: Vec<f64>,
}

/// A distance of codes from one class that is `offset + Σ weights` over the units that are on, but for
/// what is the same for all classes.
struct Linear {
    offset: f64,
    weights: Vec<f64>,
}

impl Centroids {
    /// The mean code of each class in `labels`. Cost: `O(len · k + classes · n)`.
    ///
    /// # Errors
    /// If there is no code, or not one label a code.
    pub fn of(codes: &SdrBatch, labels: &[u32]) -> Result<Self> {
        check_labels(labels, codes.len())?;
        if codes.is_empty() {
            return Err(Error::shape("training codes", "at least 1", 0));
        }
        let (classes, units) = (Classes::of(labels), codes.units());
        let mut means = vec![0.0; classes.len() * units];
        let mut counts = vec![0.0; classes.len()];
        for (code, class) in codes.iter().zip(classes.places(labels)) {
            counts[class] += 1.0;
            code.indices().iter().for_each(|&unit| means[class * units + unit as usize] += 1.0);
        }
        for (mean, count) in means.chunks_exact_mut(units).zip(&counts) {
            mean.iter_mut().for_each(|value| *value /= count);
        }
        let winners = codes.indices().len() as f64 / codes.len() as f64;
        Ok(Self { classes, units, winners: winners.round() as usize, means })
    }

    /// Number of classes.
    pub fn len(&self) -> usize {
        self.classes.len()
    }

    /// Whether there is no class; there always is one.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The share of the codes of class number `place`, in label order, that have each unit on: `(n,)`.
    ///
    /// # Panics
    /// If there are not so many classes.
    pub fn of_class(&self, place: usize) -> &[f64] {
        &self.means[place * self.units..][..self.units]
    }

    /// The labels of the classes, in order.
    pub fn labels(&self) -> &[u32] {
        &self.classes.labels
    }

    /// The units that the codes of class number `place` have on most often, as many as a training code
    /// has on average; ties to the lower unit.
    ///
    /// # Errors
    /// If there are not so many classes.
    pub fn binary(&self, place: usize) -> Result<Sdr> {
        if place >= self.len() {
            return Err(Error::shape("class number", format!("below {}", self.len()), place));
        }
        let values: Vec<f32> = self.of_class(place).iter().map(|&value| value as f32).collect();
        KWinners::new(self.units, self.winners.clamp(1, self.units))?.winners_of(&values)
    }

    /// The label of the nearest centroid of each code, ties to the lower label: `(len,)`.
    /// Cost: `O(classes · len · k)`.
    ///
    /// # Errors
    /// If the codes have other units.
    pub fn predict(&self, codes: &SdrBatch, distance: CentroidDistance) -> Result<Vec<u32>> {
        if codes.units() != self.units {
            let expected = format!("{} units, as the training codes have", self.units);
            return Err(Error::shape("codes to label", expected, codes.units()));
        }
        let classes: Vec<Linear> =
            (0..self.len()).map(|place| self.linear(place, distance)).collect::<Result<_>>()?;
        let nearest = |indices: &[u32]| {
            let mut best = (f64::INFINITY, 0);
            for (place, class) in classes.iter().enumerate() {
                let on = indices.iter().map(|&unit| class.weights[unit as usize]);
                let distance = class.offset + on.sum::<f64>();
                best = if distance < best.0 { (distance, place) } else { best };
            }
            self.classes.label(best.1)
        };
        Ok(codes.iter().map(|code| nearest(code.indices())).collect())
    }

    /// With `x` 0 or 1, `|x - c| = c + x (1 - 2c)` for `0 ≤ c ≤ 1`, and `(x - c)² = c² + x (1 - 2c)`.
    fn linear(&self, place: usize, distance: CentroidDistance) -> Result<Linear> {
        let mean = self.of_class(place);
        let square = mean.iter().map(|value| value * value).sum::<f64>();
        let flipped = || mean.iter().map(|value| 1.0 - 2.0 * value).collect();
        Ok(match distance {
            CentroidDistance::Cosine => {
                let norm = if square > 0.0 { square.sqrt() } else { 1.0 };
                Linear { offset: 0.0, weights: mean.iter().map(|value| -value / norm).collect() }
            }
            CentroidDistance::L1 => Linear { offset: mean.iter().sum(), weights: flipped() },
            CentroidDistance::L2 => Linear { offset: square, weights: flipped() },
            CentroidDistance::Binarised => {
                let mut weights = vec![0.0; self.units];
                self.binary(place)?
                    .indices()
                    .iter()
                    .for_each(|&unit| weights[unit as usize] = -1.0);
                Linear { offset: 0.0, weights }
            }
        })
    }
}
