//! Losses against naive versions in `f64`, their slopes against differences, samplers against counting.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::pairs::random_pairs;
use super::triplets::{Triplet, random_triplets};
use super::*;
use crate::rng::Rng;

const WIDTH: usize = 7;

fn naive_distance(metric: Metric, a: &[f64], b: &[f64]) -> f64 {
    let sum = |term: &dyn Fn(f64, f64) -> f64| a.iter().zip(b).map(|(a, b)| term(*a, *b)).sum();
    match metric {
        Metric::L1 => sum(&|a, b| (a - b).abs()),
        Metric::L2 => f64::sqrt(sum(&|a, b| (a - b).powi(2))),
        Metric::Cosine => {
            let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
            1.0 - dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
        }
    }
}

/// The loss by its definition; random terms are drawn as the loss draws them.
fn naive(loss: &MetricLoss, outputs: &[f64], labels: &[u32], rng: &mut Rng) -> f64 {
    let len = labels.len();
    let d = |metric, a: usize, b: usize| {
        naive_distance(metric, &outputs[a * WIDTH..][..WIDTH], &outputs[b * WIDTH..][..WIDTH])
    };
    let positives = |a: usize| (0..len).filter(move |p| *p != a && labels[*p] == labels[a]);
    let negatives = |a: usize| (0..len).filter(move |n| labels[*n] != labels[a]);
    let mean = |terms: Vec<f64>| terms.iter().sum::<f64>() / terms.len().max(1) as f64;
    match *loss {
        MetricLoss::Triplet { metric, miner, margin } => {
            let triplets: Vec<[usize; 3]> = match miner {
                Miner::Random { multiplier } => random_triplets(labels, multiplier, rng)
                    .iter()
                    .map(|t| [t.anchor, t.positive, t.negative].map(|sample| sample as usize))
                    .collect(),
                Miner::All => all_triplets(labels),
                Miner::Hard => (0..len)
                    .filter_map(|a| {
                        let by =
                            |x: &usize, y: &usize| d(metric, a, *x).total_cmp(&d(metric, a, *y));
                        Some([a, positives(a).max_by(by)?, negatives(a).min_by(by)?])
                    })
                    .collect(),
                Miner::SemiHard => (0..len)
                    .flat_map(|a| positives(a).map(move |p| (a, p)))
                    .filter_map(|(a, p)| {
                        let by =
                            |x: &usize, y: &usize| d(metric, a, *x).total_cmp(&d(metric, a, *y));
                        let beyond = negatives(a).filter(|n| d(metric, a, *n) > d(metric, a, p));
                        Some([a, p, beyond.min_by(by).or_else(|| negatives(a).max_by(by))?])
                    })
                    .collect(),
            };
            let term = |[a, p, n]: &[usize; 3]| {
                (d(metric, *a, *p) - d(metric, *a, *n) + f64::from(margin)).max(0.0)
            };
            mean(triplets.iter().map(term).collect())
        }
        MetricLoss::Contrastive { margin, multiplier } => {
            let pairs = random_pairs(len, multiplier * classes_of(labels).len() * len, rng);
            let term = |(a, b): &(u32, u32)| {
                let distance = d(Metric::Cosine, *a as usize, *b as usize);
                match labels[*a as usize] == labels[*b as usize] {
                    true => distance,
                    false => (1.0 - distance - f64::from(margin)).max(0.0),
                }
            };
            mean(pairs.iter().map(term).collect())
        }
        MetricLoss::Pair { metric, margin, margin_same, hardest } => {
            let side = |alike: bool| {
                let pairs = (0..len).flat_map(|a| (0..a).map(move |b| (a, b)));
                let mut terms: Vec<f64> = pairs
                    .filter(|(a, b)| (labels[*a] == labels[*b]) == alike)
                    .map(|(a, b)| d(metric, a, b))
                    .map(|d| if alike { d - f64::from(margin_same) } else { f64::from(margin) - d })
                    .map(|excess| excess.max(0.0))
                    .collect();
                terms.sort_by(|a, b| b.total_cmp(a));
                terms.truncate((f64::from(hardest) * terms.len() as f64).ceil() as usize);
                mean(terms)
            };
            side(true) + side(false)
        }
        MetricLoss::Contrast { temperature } => {
            let cosine = |a, b| (1.0 - d(Metric::Cosine, a, b)) / f64::from(temperature);
            let anchor = |a: usize| {
                let others = (0..len).filter(|x| *x != a);
                let sum: f64 = others.map(|x| cosine(a, x).exp()).sum();
                mean(positives(a).map(|p| sum.ln() - cosine(a, p)).collect())
            };
            mean((0..len).filter(|a| positives(*a).count() > 0).map(anchor).collect())
        }
        MetricLoss::Prototypes { temperature } => {
            naive_prototypes(outputs, labels, f64::from(temperature))
        }
    }
}

/// Of each anchor with another of its class, where there are two classes, by its own centroid without it.
fn naive_prototypes(outputs: &[f64], labels: &[u32], temperature: f64) -> f64 {
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let scaled = |row: &[f64]| -> Vec<f64> {
        row.iter().map(|value| value / dot(row, row).sqrt()).collect()
    };
    let unit: Vec<Vec<f64>> = outputs.chunks_exact(WIDTH).map(scaled).collect();
    let mut classes = labels.to_vec();
    classes.sort_unstable();
    classes.dedup();
    let mut losses = Vec::new();
    for (anchor, own) in labels.iter().enumerate() {
        let mean = |class: &u32| {
            let mut sum = vec![0.0; WIDTH];
            for other in (0..labels.len()).filter(|o| *o != anchor && labels[*o] == *class) {
                sum.iter_mut().zip(&unit[other]).for_each(|(sum, value)| *sum += value);
            }
            scaled(&sum)
        };
        if labels.iter().filter(|label| *label == own).count() < 2 || classes.len() < 2 {
            continue;
        }
        let logit = |class: &u32| dot(&mean(class), &unit[anchor]) / temperature;
        let sum: f64 = classes.iter().map(|class| logit(class).exp()).sum();
        losses.push(sum.ln() - logit(own));
    }
    losses.iter().sum::<f64>() / losses.len().max(1) as f64
}

fn all_triplets(labels: &[u32]) -> Vec<[usize; 3]> {
    let len = labels.len();
    let all = (0..len * len * len).map(|i| [i / (len * len), i / len % len, i % len]);
    all.filter(|[a, p, n]| a != p && labels[*a] == labels[*p] && labels[*a] != labels[*n]).collect()
}

/// Whether two others are equally far from an anchor but for rounding, so that either may be chosen.
fn has_close_choice(loss: &MetricLoss, outputs: &[f64], labels: &[u32]) -> bool {
    let MetricLoss::Triplet { metric, miner: Miner::Hard | Miner::SemiHard, .. } = *loss else {
        return false;
    };
    let rows = || outputs.chunks_exact(WIDTH).take(labels.len());
    rows().any(|anchor| {
        let mut distances: Vec<f64> =
            rows().map(|row| naive_distance(metric, anchor, row)).collect();
        distances.sort_by(f64::total_cmp);
        distances.windows(2).any(|pair| pair[1] - pair[0] < 1e-6)
    })
}

fn losses() -> Vec<MetricLoss> {
    let metrics = [Metric::Cosine, Metric::L1, Metric::L2];
    let miners = [Miner::Random { multiplier: 1 }, Miner::All, Miner::Hard, Miner::SemiHard];
    let triplets = metrics.iter().flat_map(|&metric| {
        miners.iter().map(move |&miner| MetricLoss::Triplet { metric, miner, margin: 0.5 })
    });
    let pairs = metrics.iter().map(|&metric| MetricLoss::Pair {
        metric,
        margin: 1.5,
        margin_same: 0.1,
        hardest: 0.6,
    });
    let others = [
        MetricLoss::Contrastive { margin: 0.5, multiplier: 1 },
        MetricLoss::Contrast { temperature: 0.3 },
        MetricLoss::Prototypes { temperature: 0.3 },
    ];
    triplets.chain(pairs).chain(others).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Every loss is its definition, and its slopes are differences of that.
    #[test]
    fn losses_are_their_definitions(
        labels in prop::collection::vec(0u32..4, 2..24),
        seed in 0u64..1000,
    ) {
        let mut rng = Rng::new(seed);
        let outputs: Vec<f32> =
            (0..labels.len() * WIDTH).map(|_| rng.between(-0.3, 1.0)).collect();
        let rows = Rows::new(&outputs, WIDTH).unwrap();
        let outputs: Vec<f64> = outputs.iter().map(|value| f64::from(*value)).collect();
        for loss in losses() {
            let mut work = MetricWork::default();
            let outcome = loss.slopes(rows, &labels, &mut Rng::new(seed), &mut work).unwrap();
            let at = |outputs: &[f64]| naive(&loss, outputs, &labels, &mut Rng::new(seed));
            let expected = at(&outputs);
            if has_close_choice(&loss, &outputs, &labels) {
                continue;
            }
            prop_assert!((outcome.loss - expected).abs() < 1e-4, "{loss:?}: {outcome:?}, {expected}");
            for place in 0..outputs.len() {
                let moved = |by: f64| {
                    let mut outputs = outputs.clone();
                    outputs[place] += by;
                    at(&outputs)
                };
                let (up, down) = (moved(1e-6), moved(-1e-6));
                // Where a hinge or a choice lies between, differences say nothing.
                if (up + down - 2.0 * expected).abs() > 1e-9 {
                    continue;
                }
                let (got, slope) = (f64::from(work.slopes[place]), (up - down) / 2e-6);
                prop_assert!((got - slope).abs() < 1e-3 * (1.0 + slope.abs()), "{loss:?}: {got}, {slope}");
            }
        }
    }

    /// Random pairs are different, valid, and as many as asked for or all.
    #[test]
    fn pairs_are_different(len in 0usize..30, count in 0usize..500, seed in 0u64..100) {
        let mut pairs = random_pairs(len, count, &mut Rng::new(seed));
        prop_assert_eq!(pairs.len(), count.min(len * len.saturating_sub(1) / 2));
        prop_assert!(pairs.iter().all(|(a, b)| b < a && (*a as usize) < len));
        let drawn = pairs.len();
        pairs.sort_unstable();
        pairs.dedup();
        prop_assert_eq!(pairs.len(), drawn);
    }
}

/// Classes of different sizes, one of a single sample: every valid triplet comes as often as any other, no other ever.
#[test]
fn random_triplets_are_even() {
    let labels = [3, 1, 1, 3, 3, 0, 1, 3, 9];
    let labels = labels.map(|label| label % 4);
    let mut seen: BTreeMap<Triplet, usize> = BTreeMap::new();
    let mut rng = Rng::new(5);
    let (mut drawn, rounds) = (0, 4000);
    for _ in 0..rounds {
        for triplet in random_triplets(&labels, 2, &mut rng) {
            *seen.entry(triplet).or_default() += 1;
            drawn += 1;
        }
    }
    let valid = all_triplets(&labels);
    assert_eq!(seen.len(), valid.len());
    let expected = drawn as f64 / valid.len() as f64;
    for [anchor, positive, negative] in valid.iter().map(|all| all.map(|sample| sample as u32)) {
        let count = seen[&Triplet { anchor, positive, negative }] as f64;
        assert!((count - expected).abs() < 5.0 * expected.sqrt(), "{count} of {expected}");
    }
    // As many as of two random triples a sample and class are valid on average.
    let share = valid.len() as f64 / 9f64.powi(3);
    assert!((drawn as f64 / f64::from(rounds) - (2.0 * 3.0 * 9.0 * share).round()).abs() < 1e-9);
}

#[test]
fn nothing_to_compare_is_a_loss_of_zero() {
    let outputs: Vec<f32> = (0..5 * WIDTH).map(|place| place as f32).collect();
    for loss in losses() {
        let all_alike = matches!(loss, MetricLoss::Triplet { .. } | MetricLoss::Prototypes { .. });
        let labels = if all_alike { [4; 5] } else { [0; 5] };
        let mut work = MetricWork { slopes: vec![1.0], ..MetricWork::default() };
        for len in [0, 1, if all_alike { 5 } else { 1 }] {
            let rows = Rows::new(&outputs[..len * WIDTH], WIDTH).unwrap();
            let outcome = loss.slopes(rows, &labels[..len], &mut Rng::new(1), &mut work).unwrap();
            assert_eq!(outcome, MetricOutcome::default(), "{loss:?}");
            assert_eq!(work.slopes, vec![0.0; len * WIDTH]);
        }
        let rows = Rows::new(&outputs, WIDTH).unwrap();
        assert!(loss.slopes(rows, &[0, 1], &mut Rng::new(1), &mut work).is_err());
    }
}

/// Outputs of zeros have no direction: they are far from all, and nothing is a number that is none.
#[test]
fn zeros_have_no_slopes() {
    let outputs = [vec![0.0; 2 * WIDTH], vec![1.0; 2 * WIDTH]].concat();
    for loss in losses() {
        let mut work = MetricWork::default();
        let rows = Rows::new(&outputs, WIDTH).unwrap();
        let outcome = loss.slopes(rows, &[0, 1, 0, 1], &mut Rng::new(2), &mut work).unwrap();
        assert!(
            outcome.loss.is_finite() && work.slopes.iter().all(|slope| slope.is_finite()),
            "{loss:?}"
        );
    }
}
