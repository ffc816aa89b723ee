//! Pairs: near if their labels are equal, far if not.

use super::distances::Points;
use super::{MetricOutcome, classes_of};
use crate::rng::Rng;

/// Different unordered pairs of `len` samples, `count` of them or all there are, each set of pairs as likely as any
/// other.
pub(super) fn random_pairs(len: usize, count: usize, rng: &mut Rng) -> Vec<(u32, u32)> {
    let all = len * len.saturating_sub(1) / 2;
    // Pair number `p` lies in the row whose triangle of pairs before it ends last at or before `p`.
    let pair = |number: u32| {
        let number = number as usize;
        let mut row = ((8.0 * number as f64 + 1.0).sqrt() as usize).div_ceil(2).max(1);
        while row * (row - 1) / 2 > number {
            row -= 1;
        }
        while row * (row + 1) / 2 <= number {
            row += 1;
        }
        (row as u32, (number - row * (row - 1) / 2) as u32)
    };
    rng.distinct(count.min(all), all).into_iter().map(pair).collect()
}

/// The mean over random pairs of `1 - cos`, or `max(cos - margin, 0)` where labels differ.
pub(super) fn weigh_random(
    points: &Points<'_>,
    (margin, multiplier): (f32, usize),
    labels: &[u32],
    rng: &mut Rng,
    weights: &mut [f32],
) -> MetricOutcome {
    let count = multiplier * classes_of(labels).len() * labels.len();
    let pairs = random_pairs(labels.len(), count, rng);
    let (share, mut loss, mut distances) = (1.0 / pairs.len() as f32, 0.0, Vec::new());
    for (a, b) in &pairs {
        let (row, other) = (*a as usize, *b as usize);
        points.to_some(row, &[*b], &mut distances);
        let (term, slope) = match labels[row] == labels[other] {
            true => (distances[0], share),
            false => (1.0 - distances[0] - margin, -share),
        };
        if term > 0.0 {
            loss += f64::from(term);
            weights[row * labels.len() + other] += slope;
        }
    }
    MetricOutcome { loss: loss / pairs.len().max(1) as f64, terms: pairs.len() as u64 }
}

/// The mean of `max(d - same, 0)` over pairs of equal labels, plus that of `max(other - d, 0)` over all others; of
/// either only the `hardest` share, and at least one.
pub(super) fn weigh_all(
    points: &Points<'_>,
    (same, other): (f32, f32),
    hardest: f32,
    labels: &[u32],
    weights: &mut [f32],
) -> MetricOutcome {
    let (len, distances) = (labels.len(), points.matrix());
    let mut outcome = MetricOutcome::default();
    for alike in [true, false] {
        let excess = |d: f32| if alike { d - same } else { other - d };
        let pairs = (0..len).flat_map(|a| (0..a).map(move |b| (a, b)));
        let pairs = pairs.filter(|(a, b)| (labels[*a] == labels[*b]) == alike);
        let mut terms: Vec<(f32, usize)> = pairs
            .map(|(a, b)| a * len + b)
            .map(|place| (excess(distances[place]).max(0.0), place))
            .collect();
        if terms.is_empty() {
            continue;
        }
        let kept =
            ((f64::from(hardest) * terms.len() as f64).ceil() as usize).clamp(1, terms.len());
        if kept < terms.len() {
            let harder =
                |a: &(f32, usize), b: &(f32, usize)| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1));
            terms.select_nth_unstable_by(kept, harder);
            terms.truncate(kept);
            // Added in one order, whatever the selection left.
            terms.sort_unstable_by_key(|(_, place)| *place);
        }
        let share = if alike { 1.0 } else { -1.0 } / kept as f32;
        terms.iter().filter(|term| term.0 > 0.0).for_each(|term| weights[term.1] += share);
        let sum: f64 = terms.iter().map(|term| f64::from(term.0)).sum();
        outcome.loss += sum / kept as f64;
        outcome.terms += kept as u64;
    }
    outcome
}
