//! Laws of codes, winners, duty cycles, and the mathematics of matches.

use std::collections::BTreeSet;

use kwinners::sdr::{code_bits, match_probability, union_match_probability};
use kwinners::{Balance, Boost, DutyCycle, Error, KWinners, Rng, Rows, Sdr, SdrBatch, SdrRef};
use proptest::prelude::*;

const UNITS: u32 = 200;

fn set() -> impl Strategy<Value = BTreeSet<u32>> {
    proptest::collection::btree_set(0..UNITS, 0..60)
}

fn sdr(set: &BTreeSet<u32>) -> Sdr {
    Sdr::new(UNITS as usize, set.iter().copied().collect()).unwrap()
}

fn indices(set: impl Iterator<Item = u32>) -> Vec<u32> {
    set.collect()
}

proptest! {
    #[test]
    fn operations_are_those_of_sets(a in set(), b in set()) {
        let (x, y) = (sdr(&a), sdr(&b));
        let (x, y) = (x.view(), y.view());
        prop_assert_eq!(x.overlap(y).unwrap(), a.intersection(&b).count());
        prop_assert_eq!(x.overlap(y).unwrap(), y.overlap(x).unwrap());
        let union = x.union(y).unwrap();
        prop_assert_eq!(union.indices(), indices(a.union(&b).copied()));
        let both = x.intersection(y).unwrap();
        prop_assert_eq!(both.indices(), indices(a.intersection(&b).copied()));
        let without = x.difference(y).unwrap();
        prop_assert_eq!(without.indices(), indices(a.difference(&b).copied()));
        // |a| + |b| = |a ∪ b| + |a ∩ b|, and a is put together again from its two parts.
        prop_assert_eq!(x.count() + y.count(), union.view().count() + both.view().count());
        prop_assert_eq!(without.view().union(both.view()).unwrap(), x.to_sdr());
        prop_assert_eq!(x.union(x).unwrap(), x.to_sdr());
    }

    #[test]
    fn bits_dense_and_indices_say_the_same(sets in proptest::collection::vec(set(), 1..8)) {
        let mut batch = SdrBatch::new(UNITS as usize).unwrap();
        sets.iter().for_each(|set| batch.push(sdr(set).indices()).unwrap());
        let bits = batch.to_bits();
        prop_assert_eq!(&bits.to_codes().unwrap(), &batch);
        let mut overlaps = vec![0; batch.len()];
        bits.overlaps(bits.row(0), &mut overlaps);
        for (code, overlap) in batch.iter().zip(&overlaps) {
            prop_assert_eq!(code.overlap(batch.get(0)).unwrap(), *overlap as usize);
            let dense = code.to_dense();
            prop_assert_eq!(dense.iter().sum::<f32>(), code.count() as f32);
            prop_assert!(code.indices().iter().all(|&i| dense[i as usize] == 1.0));
            prop_assert!((0..UNITS).all(|i| code.contains(i) == (dense[i as usize] == 1.0)));
        }
        let counts = batch.unit_counts();
        prop_assert_eq!(counts.iter().sum::<u32>() as usize, batch.indices().len());
    }

    #[test]
    fn moved_bits_leave_the_rest(set in set(), share in 0.0f64..=1.0, seed in any::<u64>()) {
        let code = sdr(&set);
        let moved = (share * set.len() as f64) as usize;
        let noisy = code.view().with_moved(moved, &mut Rng::new(seed)).unwrap();
        prop_assert_eq!(noisy.view().count(), set.len());
        prop_assert_eq!(noisy.view().overlap(code.view()).unwrap(), set.len() - moved);
        let same = code.view().with_moved(moved, &mut Rng::new(seed)).unwrap();
        prop_assert_eq!(noisy, same);
    }

    /// Reordering the units reorders the winners, as long as no two scores are equal.
    #[test]
    fn winners_follow_their_scores(seed in any::<u64>(), n in 1usize..300, share in 0.0f64..1.0) {
        let k = 1 + (share * (n - 1) as f64) as usize;
        let mut rng = Rng::new(seed);
        let mut scores: Vec<f32> = (0..n).map(|i| i as f32).collect();
        rng.shuffle(&mut scores);
        let code = KWinners::new(n, k).unwrap().winners_of(&scores).unwrap();
        let expected: Vec<u32> =
            (0..n as u32).filter(|&i| scores[i as usize] >= (n - k) as f32).collect();
        prop_assert_eq!(code.indices(), expected);
    }

    #[test]
    fn duty_cycles_sum_to_k_once_warm(seed in any::<u64>(), batch in 1usize..200) {
        let (n, k) = (40, 6);
        let mut rng = Rng::new(seed);
        let mut duty = DutyCycle::new(n, 500).unwrap();
        for _ in 0..20 {
            let winners: Vec<u32> = (0..batch).flat_map(|_| rng.distinct(k, n)).collect();
            duty.update(batch, &winners);
            let sum: f32 = duty.values().iter().sum();
            prop_assert!((sum - k as f32).abs() < 1e-3, "{}", sum);
            prop_assert!(duty.values().iter().all(|value| (0.0..=1.0).contains(value)));
        }
    }
}

#[test]
fn ties_go_to_the_lowest_index_and_nan_is_refused() {
    let picker = KWinners::new(6, 3).unwrap();
    assert_eq!(picker.winners_of(&[1.0; 6]).unwrap().indices(), [0, 1, 2]);
    assert_eq!(picker.winners_of(&[0.0, -0.0, 0.0, -0.0, 0.0, 1.0]).unwrap().indices(), [0, 1, 5]);
    let infinite = [f32::NEG_INFINITY, 2.0, f32::INFINITY, f32::NEG_INFINITY, -1.0, 3.0];
    assert_eq!(picker.winners_of(&infinite).unwrap().indices(), [1, 2, 5]);
    let mut codes = SdrBatch::new(6).unwrap();
    let mut scores = [0.5; 12];
    scores[8] = f32::NAN;
    let error = picker.winners_of_rows(Rows::new(&scores, 6).unwrap(), &mut codes).unwrap_err();
    assert!(matches!(error, Error::NotFinite { row: 1, column: 2, .. }), "{error}");
    assert!(codes.is_empty(), "nothing is appended when a row is refused");
    for (n, k) in [(5, 0), (5, 6), (0, 0)] {
        assert!(matches!(KWinners::new(n, k), Err(Error::Winners { .. })), "{k} of {n}");
    }
}

#[test]
fn what_is_not_a_code_is_refused() {
    for bad in [vec![3, 3], vec![4, 2], vec![10]] {
        assert!(matches!(Sdr::new(10, bad), Err(Error::NotACode { .. })));
    }
    assert!(SdrRef::new(0, &[]).is_err());
    assert!(SdrBatch::from_exact(10, 2, vec![1, 2, 3]).is_err());
    assert!(SdrBatch::from_parts(10, vec![2, 1], vec![1, 2]).is_err());
    let (a, b) = (Sdr::new(10, vec![1]).unwrap(), Sdr::new(11, vec![1]).unwrap());
    assert!(a.view().overlap(b.view()).is_err());
    assert!(a.view().with_moved(2, &mut Rng::new(0)).is_err());
}

/// The values that the authors of "How Can We Be So Dense?" list for s = 24 and θ = 12.
#[test]
fn match_probability_agrees_with_the_paper() {
    let listed = [
        (64, 300, 1.0946e-3),
        (64, 500, 5.6957e-6),
        (64, 700, 1.4125e-7),
        (128, 300, 0.29208),
        (128, 500, 7.3679e-3),
        (128, 1900, 7.1314e-9),
        (256, 500, 0.62937),
        (256, 3500, 2.2338e-8),
    ];
    for (a, n, expected) in listed {
        let got = match_probability(n, a, 24, 12);
        assert!((got / expected - 1.0f64).abs() < 1e-4, "a {a}, n {n}: {got:e}");
    }
    assert_eq!(match_probability(50, 5, 5, 6), 0.0);
    assert!((match_probability(50, 5, 5, 0) - 1.0).abs() < 1e-12);
}

/// Both probabilities against counting random codes.
#[test]
fn matches_happen_as_often_as_they_should() {
    let (n, k, codes, threshold, trials) = (60, 8, 3, 4, 40_000);
    let mut rng = Rng::new(11);
    let mut random = || Sdr::new(n, rng.distinct(k, n)).unwrap();
    let (mut single, mut union) = (0, 0);
    for _ in 0..trials {
        let query = random();
        let first = random();
        single += u32::from(query.view().overlap(first.view()).unwrap() >= 2);
        let all = (1..codes).fold(first, |all, _| all.view().union(random().view()).unwrap());
        union += u32::from(query.view().overlap(all.view()).unwrap() >= threshold);
    }
    let near = |count: u32, expected: f64| {
        let spread = (expected * (1.0 - expected) / f64::from(trials)).sqrt();
        let share = f64::from(count) / f64::from(trials);
        assert!((share - expected).abs() < 4.0 * spread, "{share} against {expected}");
    };
    near(single, match_probability(n, k, k, 2));
    near(union, union_match_probability(n, k, codes, threshold));
}

#[test]
fn code_bits_are_those_of_counting() {
    // C(2048, 40) from exact integers.
    assert!((code_bits(2048, 40) - 280.287_929_260_746_75).abs() < 1e-8);
    assert_eq!(code_bits(10, 10), 0.0);
}

#[test]
fn boosting_and_balance_push_the_right_way() {
    let duty = DutyCycle::from_parts(vec![0.9, 0.1], 1000, 1000).unwrap();
    for strength in [1.0, 10.0] {
        for boost in [Boost::Additive { strength }, Boost::Multiplicative { strength }] {
            let mut scores = [1.0, 1.0];
            boost.apply(&mut scores, &duty, 0.5);
            assert!(scores[0] < 1.0 && scores[1] > 1.0, "{boost:?}: {scores:?}");
        }
    }
    let mut balance = Balance::new(4);
    balance.observe_spread(2.0);
    balance.update(&[0, 0, 0, 1], 0.5);
    assert_eq!(balance.bias(), [-2.0, 0.0, 1.0, 1.0]);
    assert_eq!(balance.bias().iter().sum::<f32>(), 0.0);
}

proptest! {
    /// The spread of a sample is its standard deviation, however many scores there are.
    #[test]
    fn the_spread_is_the_standard_deviation(
        scores in prop::collection::vec(-100.0f32..100.0, 1..100),
    ) {
        let count = scores.len() as f64;
        let mean = scores.iter().map(|&s| f64::from(s)).sum::<f64>() / count;
        let square = scores.iter().map(|&s| (f64::from(s) - mean).powi(2)).sum::<f64>() / count;
        let spread = f64::from(Balance::spread_of(&scores));
        prop_assert!((spread.powi(2) - square).abs() < 0.05, "{} for {}", spread, square.sqrt());
    }
}

/// What a seed draws is part of the contract: a change here changes every model of every user.
#[test]
fn the_generator_is_value_stable() {
    let mut rng = Rng::new(42);
    let words: Vec<u64> = (0..3).map(|_| rng.next_u64()).collect();
    assert_eq!(words, VALUES_OF_42);
    let mut rng = Rng::of_stream(42, 7);
    assert_eq!(rng.below(1000), BELOW_1000);
    assert_eq!(rng.distinct(5, 50), DISTINCT);
    assert_eq!(rng.uniform().to_bits(), UNIFORM_BITS);
    assert_eq!(rng.normal().to_bits(), NORMAL_BITS);
    let mut order: Vec<u32> = (0..6).collect();
    rng.shuffle(&mut order);
    assert_eq!(order, ORDER);
}
/// xoshiro256++ seeded by SplitMix64, checked against an independent implementation.
const VALUES_OF_42: [u64; 3] =
    [15_021_278_609_987_233_951, 5_881_210_131_331_364_753, 18_149_643_915_985_481_100];
const BELOW_1000: usize = 404;
const DISTINCT: [u32; 5] = [17, 25, 28, 31, 32];
const UNIFORM_BITS: u32 = 1_033_084_040;
const NORMAL_BITS: u32 = 1_047_844_324;
const ORDER: [u32; 6] = [4, 5, 1, 0, 2, 3];
