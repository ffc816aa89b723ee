//! Triplets: an anchor, a positive of its class, a negative of another.

use rayon::prelude::*;

use super::distances::Points;
use super::{MetricOutcome, Miner, classes_of};
use crate::rng::Rng;

/// One triplet of samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Triplet {
    pub(super) anchor: u32,
    pub(super) positive: u32,
    pub(super) negative: u32,
}

/// Adds the slopes by distances to `weights`, `(len, len)`.
pub(super) fn weigh(
    points: &Points<'_>,
    (miner, margin): (Miner, f32),
    labels: &[u32],
    rng: &mut Rng,
    weights: &mut [f32],
) -> MetricOutcome {
    let Miner::Random { multiplier } = miner else {
        return weigh_mined(points, (miner, margin), labels, weights);
    };
    let triplets = random_triplets(labels, multiplier, rng);
    let (share, mut loss) = (1.0 / triplets.len() as f32, 0.0);
    let mut distances = Vec::new();
    for Triplet { anchor, positive, negative } in &triplets {
        points.to_some(*anchor as usize, &[*positive, *negative], &mut distances);
        let excess = distances[0] - distances[1] + margin;
        if excess > 0.0 {
            loss += f64::from(excess);
            let row = &mut weights[*anchor as usize * labels.len()..][..labels.len()];
            row[*positive as usize] += share;
            row[*negative as usize] -= share;
        }
    }
    mean(loss, triplets.len() as u64)
}

fn mean(sum: f64, terms: u64) -> MetricOutcome {
    MetricOutcome { loss: sum / terms.max(1) as f64, terms }
}

/// Valid triplets of a class: ordered pairs of it times all others.
fn count(members: usize, len: usize) -> usize {
    members * (members - 1) * (len - members)
}

/// `multiplier · classes · len` random triples leave so many valid ones on average; as many are drawn, each evenly
/// from all valid triplets and apart from the others.
pub(super) fn random_triplets(labels: &[u32], multiplier: usize, rng: &mut Rng) -> Vec<Triplet> {
    let (len, classes) = (labels.len(), classes_of(labels));
    let ends: Vec<usize> = classes
        .iter()
        .scan(0, |sum, members| {
            *sum += count(members.len(), len);
            Some(*sum)
        })
        .collect();
    let valid = ends.last().copied().unwrap_or(0);
    if valid == 0 {
        return Vec::new();
    }
    let triples = (multiplier * classes.len() * len) as f64;
    let wanted = (triples * valid as f64 / (len as f64).powi(3)).round().max(1.0) as usize;
    let mut draw = |_| {
        let place = rng.below(valid);
        let class = ends.partition_point(|end| *end <= place);
        let members = &classes[class];
        let pair = rng.distinct(2, members.len());
        let turn = rng.below(2);
        // A number below that of the others: the members, in order, are stepped over.
        let mut negative = rng.below(len - members.len()) as u32;
        for &member in members {
            negative += u32::from(member <= negative);
        }
        let [anchor, positive] = [pair[turn], pair[1 - turn]].map(|place| members[place as usize]);
        Triplet { anchor, positive, negative }
    };
    (0..wanted).map(&mut draw).collect()
}

fn weigh_mined(
    points: &Points<'_>,
    (miner, margin): (Miner, f32),
    labels: &[u32],
    weights: &mut [f32],
) -> MetricOutcome {
    let (len, distances) = (labels.len(), points.matrix());
    if len == 0 {
        return MetricOutcome::default();
    }
    let rows = weights.par_chunks_mut(len).zip(distances.par_chunks(len)).enumerate();
    let sums: Vec<(f64, u64)> = rows
        .map(|(anchor, (weights, distances))| {
            let side = Sides::new(anchor, labels, distances);
            match miner {
                Miner::Hard => side.hard(margin, weights),
                Miner::SemiHard => side.semi_hard(margin, weights),
                _ => side.all(margin, weights),
            }
        })
        .collect();
    let (loss, terms) = sums.iter().fold((0.0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    let share = 1.0 / terms.max(1) as f32;
    weights.par_chunks_mut(len).for_each(|row| row.iter_mut().for_each(|w| *w *= share));
    mean(loss, terms)
}

/// The other samples as an anchor sees them, by distance, nearest first.
struct Sides {
    positives: Vec<(f32, usize)>,
    negatives: Vec<(f32, usize)>,
}

impl Sides {
    fn new(anchor: usize, labels: &[u32], distances: &[f32]) -> Self {
        let sorted = |same: bool| {
            let others = labels
                .iter()
                .enumerate()
                .filter(|(other, label)| *other != anchor && (**label == labels[anchor]) == same);
            let mut side: Vec<(f32, usize)> =
                others.map(|(other, _)| (distances[other], other)).collect();
            side.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            side
        };
        Self { positives: sorted(true), negatives: sorted(false) }
    }

    /// One triplet, if there is any.
    fn hard(&self, margin: f32, weights: &mut [f32]) -> (f64, u64) {
        match (self.positives.last(), self.negatives.first()) {
            (Some(positive), Some(negative)) => (add(*positive, *negative, margin, weights), 1),
            _ => (0.0, 0),
        }
    }

    /// One triplet a positive.
    fn semi_hard(&self, margin: f32, weights: &mut [f32]) -> (f64, u64) {
        let Some(farthest) = self.negatives.last() else { return (0.0, 0) };
        let mut sum = 0.0;
        for positive in &self.positives {
            let beyond = self.negatives.partition_point(|negative| negative.0 <= positive.0);
            let negative = self.negatives.get(beyond).unwrap_or(farthest);
            sum += add(*positive, *negative, margin, weights);
        }
        (sum, self.positives.len() as u64)
    }

    /// Each positive with each negative: those that it is in conflict with are the nearest so many, and the sum over
    /// them is had from prefix sums.
    fn all(&self, margin: f32, weights: &mut [f32]) -> (f64, u64) {
        let (mut sum, mut prefix, mut conflicts) = (0.0, 0.0f64, 0);
        for (rank, (positive, place)) in self.positives.iter().enumerate() {
            let limit = positive + margin;
            while let Some((negative, place)) = self.negatives.get(conflicts)
                && *negative < limit
            {
                prefix += f64::from(*negative);
                // This positive and all farther ones are in conflict with it.
                weights[*place] -= (self.positives.len() - rank) as f32;
                conflicts += 1;
            }
            sum += conflicts as f64 * f64::from(limit) - prefix;
            weights[*place] += conflicts as f32;
        }
        (sum, (self.positives.len() * self.negatives.len()) as u64)
    }
}

/// Adds one triplet's slopes; returns its loss.
fn add(positive: (f32, usize), negative: (f32, usize), margin: f32, weights: &mut [f32]) -> f64 {
    let excess = positive.0 - negative.0 + margin;
    if excess <= 0.0 {
        return 0.0;
    }
    weights[positive.1] += 1.0;
    weights[negative.1] -= 1.0;
    f64::from(excess)
}
