//! How far classes lie apart: distance maps, and the goodness drawn from them.

use rayon::prelude::*;

use super::{Classes, Features, check_labels};
use crate::error::Result;
use crate::rng::Rng;

/// Samples that a draw takes of each class.
const SAMPLES_A_CLASS: usize = 50;

/// Draws that [`goodness`] is the mean of: one draw of 50 a class differs from the next by about 1 %.
const DRAWS: u64 = 10;

/// The L1 distance of each sample to each other: `(len, len)`, symmetric, 0 on the diagonal.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct DistanceMap {
    /// Number of samples.
    pub len: usize,
    /// `(len, len)`, row-major.
    pub distances: Vec<f32>,
}

/// Mean distance between classes over mean distance within them: above 1 where classes lie apart.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Goodness {
    /// `mean between / mean within`, over pairs of different samples.
    pub mean_ratio: f64,
    /// `(sum between / classes) / sum within`, as the encoder's original script has it; for `C`
    /// classes of `N` samples it is `mean_ratio · (C - 1) / C · N / (N - 1)`.
    pub script: f64,
}

/// The L1 distances between all samples: for codes `|a| + |b| - 2 · overlap`, for rows
/// `Σ |a_i - b_i|`.
///
/// With the samples of [`sample_of_each_class`] this is the confusion map of the Universal Sparse
/// Encoder. Cost: `len² / 2` distances, over all cores; memory `4 · len²` bytes.
///
/// ```
/// use kwinners::{SdrBatch, metrics::{Features, distance_map}};
/// let codes = SdrBatch::from_exact(8, 2, vec![0, 1, 0, 2, 5, 6])?;
/// let map = distance_map(Features::Codes(&codes));
/// assert_eq!(map.distances, [0.0, 2.0, 4.0, 2.0, 0.0, 4.0, 4.0, 4.0, 0.0]);
/// # Ok::<(), kwinners::Error>(())
/// ```
pub fn distance_map(features: Features<'_>) -> DistanceMap {
    let places: Vec<usize> = (0..features.len()).collect();
    map_of(features, &places)
}

/// The places of up to `per_class` samples of each class, class after class in label order, drawn
/// with `seed`; of a class with fewer samples, all.
///
/// ```
/// let places = kwinners::metrics::sample_of_each_class(&[1, 0, 1, 0, 0], 2, 7);
/// assert_eq!(places.len(), 4);
/// assert_eq!(places[2..], [0, 2]);
/// ```
pub fn sample_of_each_class(labels: &[u32], per_class: usize, seed: u64) -> Vec<usize> {
    let classes = Classes::of(labels);
    let mut members = vec![Vec::new(); classes.len()];
    for (place, class) in classes.places(labels).into_iter().enumerate() {
        members[class].push(place);
    }
    let draw = |(class, members): (usize, &Vec<usize>)| -> Vec<usize> {
        let mut rng = Rng::of_stream(seed, class as u64);
        let chosen = rng.distinct(per_class.min(members.len()), members.len());
        chosen.into_iter().map(|rank| members[rank as usize]).collect()
    };
    members.iter().enumerate().flat_map(draw).collect()
}

impl DistanceMap {
    /// The mean distance between each two classes, `(classes, classes)` row-major in label order:
    /// over pairs of different samples, so that the diagonal is the mean distance within a class.
    /// NaN for a class of one sample with itself.
    ///
    /// # Errors
    /// If there is not one label a sample.
    pub fn class_means(&self, labels: &[u32]) -> Result<Vec<f64>> {
        let (sums, pairs) = self.class_sums(labels)?;
        Ok(sums.iter().zip(&pairs).map(|(sum, &pairs)| sum / pairs as f64).collect())
    }

    /// How far the classes lie apart on this map; not finite where all samples of a class are equal.
    ///
    /// Source: jakebruce/universal-sparse-encoder, `encode.py`.
    ///
    /// # Errors
    /// If there is not one label a sample.
    pub fn goodness(&self, labels: &[u32]) -> Result<Goodness> {
        let (sums, pairs) = self.class_sums(labels)?;
        let classes = Classes::of(labels).len();
        let within = |values: &dyn Fn(usize) -> f64| -> f64 {
            (0..classes).map(|class| values(class * classes + class)).sum()
        };
        let within_sum = within(&|place| sums[place]);
        let within_pairs = within(&|place| pairs[place] as f64);
        let between_sum = sums.iter().sum::<f64>() - within_sum;
        let between_pairs = pairs.iter().sum::<u64>() as f64 - within_pairs;
        Ok(Goodness {
            mean_ratio: (between_sum / between_pairs) / (within_sum / within_pairs),
            script: between_sum / classes as f64 / within_sum,
        })
    }

    /// Summed distance and number of ordered pairs of different samples for each two classes.
    fn class_sums(&self, labels: &[u32]) -> Result<(Vec<f64>, Vec<u64>)> {
        check_labels(labels, self.len)?;
        let classes = Classes::of(labels);
        let places = classes.places(labels);
        let mut sums = vec![0.0; classes.len() * classes.len()];
        let mut pairs = vec![0; sums.len()];
        for (a, row) in self.distances.chunks_exact(self.len.max(1)).enumerate() {
            for (b, &distance) in row.iter().enumerate().filter(|&(b, _)| b != a) {
                let place = places[a] * classes.len() + places[b];
                sums[place] += f64::from(distance);
                pairs[place] += 1;
            }
        }
        Ok((sums, pairs))
    }
}

/// The goodness of `features`, mean of ten draws of up to 50 samples a class with fixed seeds.
///
/// Source: the evaluation of the Universal Sparse Encoder, which takes one draw.
///
/// # Errors
/// If there is not one label a sample.
pub fn goodness(features: Features<'_>, labels: &[u32]) -> Result<Goodness> {
    check_labels(labels, features.len())?;
    let mut mean = Goodness { mean_ratio: 0.0, script: 0.0 };
    for draw in 0..DRAWS {
        let places = sample_of_each_class(labels, SAMPLES_A_CLASS, draw);
        let drawn: Vec<u32> = places.iter().map(|&place| labels[place]).collect();
        let one = map_of(features, &places).goodness(&drawn)?;
        mean.mean_ratio += one.mean_ratio / DRAWS as f64;
        mean.script += one.script / DRAWS as f64;
    }
    Ok(mean)
}

fn map_of(features: Features<'_>, places: &[usize]) -> DistanceMap {
    let len = places.len();
    let mut distances = vec![0.0; len * len];
    distances.par_chunks_exact_mut(len.max(1)).enumerate().for_each(|(a, row)| {
        for b in a + 1..len {
            row[b] = distance(features, places[a], places[b]);
        }
    });
    for a in 0..len {
        for b in 0..a {
            distances[a * len + b] = distances[b * len + a];
        }
    }
    DistanceMap { len, distances }
}

fn distance(features: Features<'_>, a: usize, b: usize) -> f32 {
    match features {
        Features::Codes(codes) => {
            let (a, b) = (codes.get(a), codes.get(b));
            let overlap = a.overlap(b).expect("codes of one batch");
            (a.count() + b.count() - 2 * overlap) as f32
        }
        Features::Rows(rows) => absolute_distance(rows.row(a), rows.row(b)),
    }
}

/// `Σ |a_i - b_i|`, in sixteen sums side by side so that the loop runs on vectors.
fn absolute_distance(a: &[f32], b: &[f32]) -> f32 {
    let (a, a_rest) = a.as_chunks::<16>();
    let (b, b_rest) = b.as_chunks::<16>();
    let mut sums = [0.0; 16];
    for (a, b) in a.iter().zip(b) {
        for lane in 0..16 {
            sums[lane] += (a[lane] - b[lane]).abs();
        }
    }
    let rest = a_rest.iter().zip(b_rest).map(|(a, b)| (a - b).abs());
    sums.into_iter().sum::<f32>() + rest.sum::<f32>()
}
