//! Whether similar codes are codes of one class: precision and recall over pairs.

use rayon::prelude::*;

use super::check_labels;
use crate::error::Result;
use crate::rng::Rng;
use crate::sdr::SdrBatch;

/// Codes whose pairs are all looked at; of more, so many are drawn.
const MOST_CODES: usize = 10_000;

const SEED: u64 = 0x0063_7572_7665;

/// Precision and recall of "two codes that share at least so many units are of one class".
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct PairCurve {
    /// Points from the highest overlap down; an overlap that no pair has is left out.
    pub points: Vec<PairPoint>,
    /// Share of all pairs that are of one class: the precision of chance.
    pub base: f64,
    /// `Σ (R_i - R_{i-1}) P_i` over the points: the mean precision over all recalls. NaN where no pair
    /// is of one class.
    pub average_precision: f64,
}

/// One threshold of a [`PairCurve`].
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct PairPoint {
    /// Pairs that share at least so many units are said to be of one class.
    pub overlap: usize,
    /// The share of these that are.
    pub precision: f64,
    /// The share of the pairs of one class that are among them.
    pub recall: f64,
}

/// The curve of all pairs of two different codes; of more than 10,000 codes, of the pairs of 10,000
/// drawn with a fixed seed. Similarity is overlap: for codes of exactly `k` the same order as cosine.
///
/// Cost: `len² / 2 · n / 64` word operations, over all cores.
///
/// ```
/// use kwinners::{SdrBatch, metrics::pair_curve};
/// let codes = SdrBatch::from_exact(8, 2, vec![0, 1, 0, 1, 5, 6, 0, 5])?;
/// let curve = pair_curve(&codes, &[3, 3, 9, 9])?;
/// // The pair that shares both units is of one class; of the three that share one, one is.
/// let points: Vec<_> = curve.points.iter().map(|p| (p.overlap, p.precision, p.recall)).collect();
/// assert_eq!(points, [(2, 1.0, 0.5), (1, 0.5, 1.0), (0, 2.0 / 6.0, 1.0)]);
/// assert_eq!(curve.average_precision, 0.5 * 1.0 + 0.5 * 0.5);
/// # Ok::<(), kwinners::Error>(())
/// ```
///
/// # Errors
/// If there is not one label a code.
pub fn pair_curve(codes: &SdrBatch, labels: &[u32]) -> Result<PairCurve> {
    check_labels(labels, codes.len())?;
    if codes.len() <= MOST_CODES {
        return Ok(curve_of(codes, labels));
    }
    let drawn = Rng::new(SEED).distinct(MOST_CODES, codes.len());
    let places: Vec<usize> = drawn.into_iter().map(|place| place as usize).collect();
    let labels: Vec<u32> = places.iter().map(|&place| labels[place]).collect();
    Ok(curve_of(&codes.select(&places), &labels))
}

/// How many pairs share each number of units: those of one class, and all.
type Counts = Vec<[u64; 2]>;

fn curve_of(codes: &SdrBatch, labels: &[u32]) -> PairCurve {
    let counts = counts_of(codes, labels);
    let total = |which: usize| counts.iter().map(|counts| counts[which]).sum::<u64>() as f64;
    let (same, all) = (total(0), total(1));
    let mut curve = PairCurve { points: Vec::new(), base: same / all, average_precision: 0.0 };
    let (mut found, mut named, mut before) = (0, 0, 0.0);
    for (overlap, counts) in counts.iter().enumerate().rev().filter(|(_, counts)| counts[1] > 0) {
        (found, named) = (found + counts[0], named + counts[1]);
        let (precision, recall) = (found as f64 / named as f64, found as f64 / same);
        curve.average_precision += (recall - before) * precision;
        before = recall;
        curve.points.push(PairPoint { overlap, precision, recall });
    }
    if curve.points.is_empty() {
        curve.average_precision = f64::NAN;
    }
    curve
}

fn counts_of(codes: &SdrBatch, labels: &[u32]) -> Counts {
    let bits = codes.to_bits();
    let most = codes.iter().map(|code| code.count()).max().unwrap_or(0);
    let count = |mut counts: Counts, place: usize| {
        let mut overlaps = vec![0; codes.len()];
        bits.overlaps(bits.row(place), &mut overlaps);
        for (other, &overlap) in overlaps.iter().enumerate().skip(place + 1) {
            let counts = &mut counts[overlap as usize];
            counts[0] += u64::from(labels[place] == labels[other]);
            counts[1] += 1;
        }
        counts
    };
    let sum = |mut a: Counts, b: Counts| {
        a.iter_mut().zip(b).for_each(|(a, b)| *a = [a[0] + b[0], a[1] + b[1]]);
        a
    };
    let empty = || vec![[0; 2]; most + 1];
    (0..codes.len()).into_par_iter().fold(empty, count).reduce(empty, sum)
}
