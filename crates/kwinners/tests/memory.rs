//! Associative memory: what was stored comes back, by the rules, as often as the formula says.

mod common;

use common::with_threads;
use kwinners::memory::{
    AssociativeMemory, ClassDecoders, ClassMemory, ClassRule, MemoryPlan, MemoryShape,
    RecallQuality, RecallRule,
};
use kwinners::{Rng, Sdr, SdrBatch};
use proptest::collection::{btree_set, vec};
use proptest::prelude::*;

/// `len` random codes of exactly `winners` of `units`.
fn random_codes(len: usize, units: usize, winners: usize, seed: u64) -> SdrBatch {
    let mut rng = Rng::new(seed);
    let mut codes = SdrBatch::new(units).unwrap();
    (0..len).for_each(|_| codes.push(&rng.distinct(winners, units)).unwrap());
    codes
}

fn memory_of(cues: &SdrBatch, targets: &SdrBatch) -> AssociativeMemory {
    let mut memory = AssociativeMemory::new(cues.units(), targets.units()).unwrap();
    memory.store_all(cues, targets).unwrap();
    memory
}

/// The matrix as its definition has it, a bool a synapse.
struct Naive {
    on: Vec<Vec<bool>>,
}

impl Naive {
    fn of(cues: &SdrBatch, targets: &SdrBatch) -> Self {
        let mut on = vec![vec![false; targets.units()]; cues.units()];
        for (cue, target) in cues.iter().zip(targets.iter()) {
            for &row in cue.indices() {
                target.indices().iter().for_each(|&unit| on[row as usize][unit as usize] = true);
            }
        }
        Self { on }
    }

    /// How many of `cue` reach each target unit.
    fn counts(&self, cue: &[u32]) -> Vec<usize> {
        let reach = |unit: usize| cue.iter().filter(|&&row| self.on[row as usize][unit]).count();
        (0..self.on[0].len()).map(reach).collect()
    }

    fn load(&self, unit: usize) -> usize {
        self.on.iter().filter(|row| row[unit]).count()
    }

    fn recall(&self, cue: &[u32], rule: RecallRule) -> Vec<u32> {
        let counts = self.counts(cue);
        let at_least = |least: usize| -> Vec<usize> {
            (0..counts.len()).filter(|&unit| counts[unit] >= least).collect()
        };
        let best = |units: std::ops::Range<usize>, kept: usize| -> Vec<usize> {
            let mut units: Vec<usize> = units.collect();
            units.sort_by_key(|&unit| (std::cmp::Reverse(counts[unit]), self.load(unit), unit));
            units.truncate(kept);
            units
        };
        let mut units = match rule {
            RecallRule::All => at_least(cue.len()),
            RecallRule::AtLeast(least) => at_least(least),
            RecallRule::Percent(percent) => at_least((percent * cue.len()).div_ceil(100)),
            RecallRule::Maximum => at_least(counts.iter().copied().max().unwrap().max(1)),
            RecallRule::Winners(winners) => best(0..counts.len(), winners),
            RecallRule::Blocks(blocks) => {
                let start = |block: usize| (block * counts.len()).div_ceil(blocks);
                (0..blocks).flat_map(|block| best(start(block)..start(block + 1), 1)).collect()
            }
        };
        units.sort_unstable();
        units.into_iter().map(|unit| unit as u32).collect()
    }
}

fn codes_of(units: usize, most: usize) -> impl Strategy<Value = Vec<Vec<u32>>> {
    let code = btree_set(0..units as u32, 1..7).prop_map(|code| code.into_iter().collect());
    vec(code, 1..most)
}

fn batch(units: usize, codes: &[Vec<u32>]) -> SdrBatch {
    let mut batch = SdrBatch::new(units).unwrap();
    codes.iter().for_each(|code| batch.push(code).unwrap());
    batch
}

proptest! {
    /// Rows of both forms, lists and bits, every rule: as the definition has it.
    #[test]
    fn recall_is_the_definition(
        cues in codes_of(12, 60),
        targets in codes_of(90, 60),
        asked in btree_set(0u32..12, 1..7),
        number in 1usize..12,
    ) {
        let pairs = cues.len().min(targets.len());
        let (cues, targets) = (batch(12, &cues[..pairs]), batch(90, &targets[..pairs]));
        let (memory, naive) = (memory_of(&cues, &targets), Naive::of(&cues, &targets));
        let asked = Sdr::new(12, asked.into_iter().collect()).unwrap();
        for rule in [
            RecallRule::All,
            RecallRule::Maximum,
            RecallRule::AtLeast(number),
            RecallRule::Percent(9 * number),
            RecallRule::Winners(number),
            RecallRule::Blocks(number),
        ] {
            let found = memory.recall(asked.view(), rule).unwrap();
            prop_assert_eq!(found.indices(), naive.recall(asked.indices(), rule), "{}", rule);
        }
        let on = naive.on.iter().flatten().filter(|on| **on).count();
        prop_assert_eq!(memory.load(), on as f64 / (12.0 * 90.0));
    }

    /// The way back is the way there of the pairs turned round.
    #[test]
    fn the_way_back_is_the_transpose(
        cues in codes_of(30, 40),
        targets in codes_of(90, 40),
        asked in btree_set(0u32..90, 1..7),
        winners in 1usize..12,
    ) {
        let pairs = cues.len().min(targets.len());
        let (cues, targets) = (batch(30, &cues[..pairs]), batch(90, &targets[..pairs]));
        let (memory, turned) = (memory_of(&cues, &targets), memory_of(&targets, &cues));
        let asked = Sdr::new(90, asked.into_iter().collect()).unwrap();
        for rule in [RecallRule::All, RecallRule::Maximum, RecallRule::Winners(winners)] {
            let back = memory.recall_cue(asked.view(), rule).unwrap();
            prop_assert_eq!(back, turned.recall(asked.view(), rule).unwrap(), "{}", rule);
        }
    }

    /// Whatever else is stored, a whole cue and every part of it reach all of their target.
    #[test]
    fn nothing_stored_is_lost(pairs in 1usize..200, kept in 1usize..6, seed in 0u64..1000) {
        let (cues, targets) = (random_codes(pairs, 80, 6, seed), random_codes(pairs, 70, 5, seed + 1));
        let memory = memory_of(&cues, &targets);
        let mut rng = Rng::new(seed);
        for (cue, target) in cues.iter().zip(targets.iter()) {
            let part = cue.with_kept(kept, &mut rng).unwrap();
            let found = memory.recall(part.view(), RecallRule::All).unwrap();
            prop_assert_eq!(found.view().overlap(target).unwrap(), 5);
        }
    }

    /// Pairs may come in any order and more than once.
    #[test]
    fn order_and_repetition_change_no_synapse(seed in 0u64..1000) {
        let (cues, targets) = (random_codes(60, 50, 4, seed), random_codes(60, 300, 6, seed + 1));
        let mut order: Vec<usize> = (0..60).collect();
        Rng::new(seed).shuffle(&mut order);
        let memory = memory_of(&cues, &targets);
        let shuffled = memory_of(&cues.select(&order), &targets.select(&order));
        prop_assert_eq!(&memory, &shuffled);
        let mut twice = memory.clone();
        twice.store_all(&cues, &targets).unwrap();
        prop_assert_eq!((twice.load(), twice.pairs()), (memory.load(), 120));
    }

    #[test]
    fn rules_are_their_texts(number in 1usize..100) {
        for rule in [
            RecallRule::All,
            RecallRule::Maximum,
            RecallRule::AtLeast(number),
            RecallRule::Percent(number),
            RecallRule::Winners(number),
            RecallRule::Blocks(number),
        ] {
            prop_assert_eq!(rule.to_string().parse::<RecallRule>().unwrap(), rule);
        }
    }
}

/// Half of a code is enough to find all of it, and so is a code with wrong bits.
#[test]
fn parts_and_noise_are_repaired() {
    let codes = random_codes(1500, 1000, 10, 1);
    let memory = memory_of(&codes, &codes);
    let mut rng = Rng::new(2);
    let rule = RecallRule::Winners(10);
    let (mut halves, mut noisy) = (0, 0);
    for code in codes.iter().take(300) {
        let half = code.with_kept(5, &mut rng).unwrap();
        let wrong = code.with_moved(3, &mut rng).unwrap();
        halves += usize::from(memory.complete(half.view(), rule, 5).unwrap().code.view() == code);
        noisy += usize::from(memory.complete(wrong.view(), rule, 5).unwrap().code.view() == code);
    }
    assert!(halves >= 295 && noisy >= 295, "of 300: {halves} halves, {noisy} noisy ones");
    let settled = memory.complete(codes.get(0), rule, 5).unwrap();
    assert!(settled.settled && settled.steps == 2, "a whole code is there at once: {settled:?}");
}

#[test]
fn both_ways_repair_more_than_one() {
    let (cues, targets) = (random_codes(3000, 1000, 10, 3), random_codes(3000, 1000, 10, 4));
    let memory = memory_of(&cues, &targets);
    let rule = RecallRule::Winners(10);
    let mut rng = Rng::new(5);
    let (mut once, mut both) = (0, 0);
    for (cue, target) in cues.iter().zip(targets.iter()).take(200) {
        let noisy = cue.with_moved(4, &mut rng).unwrap();
        once += usize::from(memory.recall(noisy.view(), rule).unwrap().view() == target);
        let answer = memory.recall_both_ways(noisy.view(), (rule, rule), 5).unwrap();
        both += usize::from(answer.code.view() == target);
    }
    assert!(both > once, "of 200: {once} by one recall, {both} by several");
}

/// The formula is the mean over random pairs, near a full memory, for whole cues and for parts.
#[test]
fn the_plan_is_what_happens() {
    for (shown, pairs) in [(8, 9000), (5, 4000)] {
        let shape = MemoryShape { shown, ..MemoryShape::square(1024, 8) };
        let plan = MemoryPlan::of_pairs(shape, pairs).unwrap();
        let cues = random_codes(pairs as usize, 1024, 8, 6);
        let targets = random_codes(pairs as usize, 1024, 8, 7);
        let memory = memory_of(&cues, &targets);
        let mut rng = Rng::new(8);
        let mut parts = SdrBatch::new(1024).unwrap();
        for cue in cues.iter() {
            parts.push(cue.with_kept(shown, &mut rng).unwrap().indices()).unwrap();
        }
        let measured = memory.judge(&parts, &targets, RecallRule::All).unwrap();
        assert!((memory.load() - plan.load).abs() < 0.005, "{} {}", memory.load(), plan.load);
        let ratio = measured.false_bits / plan.false_bits;
        assert!((0.9..1.1).contains(&ratio), "{measured:?} against {plan:?}");
        assert_eq!(measured.missing_bits, 0.0);
        assert_eq!(memory.bits_a_synapse().unwrap(), plan.bits_a_synapse);
        let again = MemoryPlan::of_false_bits(shape, plan.false_bits).unwrap();
        assert!(again.pairs.abs_diff(pairs) <= 1, "{again:?}");
    }
}

/// Of equally reached units those with the fewest synapses win: fewer wrong bits than by index.
#[test]
fn the_emptiest_of_equals_are_right_more_often() {
    let (cues, targets) = (random_codes(9500, 1024, 8, 9), random_codes(9500, 1024, 8, 10));
    let memory = memory_of(&cues, &targets);
    let all = memory.recall_all(&cues, RecallRule::All).unwrap();
    let mut first = SdrBatch::new(1024).unwrap();
    all.iter().for_each(|answer| first.push(&answer.indices()[..8]).unwrap());
    let by_index = RecallQuality::of(&first, &targets).unwrap();
    let by_load = memory.judge(&cues, &targets, RecallRule::Winners(8)).unwrap();
    assert!(by_load.false_bits < 0.97 * by_index.false_bits, "{by_load:?} {by_index:?}");
    assert_eq!(by_load.false_bits, by_load.missing_bits, "exactly 8 answer");
}

#[test]
fn quality_is_counted_right() {
    let targets = batch(10, &[vec![0, 1], vec![2, 3]]);
    let answers = batch(10, &[vec![0, 1], vec![2, 4, 5]]);
    let quality = RecallQuality::of(&answers, &targets).unwrap();
    assert_eq!((quality.recalls, quality.exact), (2, 0.5));
    assert_eq!((quality.false_bits, quality.missing_bits), (1.0, 0.5));
    // One of 3 units is right: log2 3; the other is one of 7: log2 7.
    assert!((quality.doubt_bits - 21f64.log2() / 2.0).abs() < 1e-12);
}

#[test]
fn threads_change_nothing() {
    let (cues, targets) = (random_codes(3000, 500, 9, 11), random_codes(3000, 700, 7, 12));
    let memory = memory_of(&cues, &targets);
    let recall = |threads| {
        with_threads(threads, || memory.recall_all(&cues, RecallRule::Winners(7)).unwrap())
    };
    assert_eq!(recall(1), recall(3));
    let one = memory.recall(cues.get(5), RecallRule::Winners(7)).unwrap();
    assert_eq!(recall(2).get(5), one.view());
}

#[test]
fn bad_input_is_refused() {
    let mut memory = AssociativeMemory::new(10, 20).unwrap();
    let (cue, target) = (Sdr::new(10, vec![1]).unwrap(), Sdr::new(20, vec![2]).unwrap());
    let nothing = Sdr::new(10, vec![]).unwrap();
    for (cue, target) in [(&target, &target), (&cue, &cue), (&nothing, &target)] {
        assert!(memory.store(cue.view(), target.view()).is_err());
    }
    assert_eq!((memory.pairs(), memory.bits_a_synapse()), (0, Some(0.0)));
    memory.store(cue.view(), target.view()).unwrap();
    assert!(memory.recall(target.view(), RecallRule::All).is_err());
    assert!(memory.recall(nothing.view(), RecallRule::All).is_err());
    for rule in ["winners=0", "winners=21", "blocks=0", "percent=101", "percent=0", "at-least=0"] {
        let refused = memory.recall(cue.view(), rule.parse().unwrap()).unwrap_err().to_string();
        assert!(refused.contains(rule.split('=').next().unwrap()), "{refused}");
    }
    for text in ["winer=3", "winners", "winners=x", "", "half"] {
        assert!(text.parse::<RecallRule>().is_err(), "{text}");
    }
    assert!(memory.complete(cue.view(), RecallRule::All, 3).is_err(), "10 units are not 20");
    for (cues, targets) in [(0, 5), (5, 0), (1 << 25, 5)] {
        assert!(AssociativeMemory::new(cues, targets).is_err());
    }
    let shape = MemoryShape::square(100, 5);
    for wrong in [
        MemoryShape { shown: 6, ..shape },
        MemoryShape { cue_winners: 101, ..shape },
        MemoryShape { target_winners: 0, ..shape },
        MemoryShape { target_units: 0, ..shape },
    ] {
        assert!(MemoryPlan::of_pairs(wrong, 1).is_err(), "{wrong:?}");
    }
    assert!(MemoryPlan::of_pairs(shape, u64::MAX).is_err());
    for bits in [0.0, -1.0, f64::NAN, 95.0, f64::INFINITY] {
        assert!(MemoryPlan::of_false_bits(shape, bits).is_err(), "{bits}");
    }
    let all = MemoryPlan::of_pairs(MemoryShape::square(5, 5), 3).unwrap();
    assert_eq!((all.load, all.false_bits), (1.0, 0.0), "codes of all units leave nothing wrong");
}

/// Classes with units of their own, and some that all share.
fn class_codes(len: usize, seed: u64) -> (SdrBatch, Vec<u32>) {
    let mut rng = Rng::new(seed);
    let (mut codes, mut labels) = (SdrBatch::new(200).unwrap(), Vec::new());
    for row in 0..len {
        let class = row as u32 % 4;
        let own = rng.distinct(6, 40).into_iter().map(|unit| 40 * class + unit);
        let shared = rng.distinct(2, 40).into_iter().map(|unit| 160 + unit);
        codes.push(&own.chain(shared).collect::<Vec<_>>()).unwrap();
        labels.push(class);
    }
    (codes, labels)
}

#[test]
fn classes_are_told_by_their_unions_and_counts() {
    let ((codes, labels), (test, expected)) = (class_codes(80, 1), class_codes(200, 2));
    let mut memory = ClassMemory::new(200, 4).unwrap();
    memory.learn(&codes, &labels).unwrap();
    for rule in [ClassRule::Union, ClassRule::Counts, ClassRule::LogOdds] {
        assert_eq!(memory.classify(&test, rule).unwrap(), expected, "{rule:?}");
    }
    let union = codes.iter().zip(&labels).filter(|(_, label)| **label == 1);
    let union: std::collections::BTreeSet<u32> =
        union.flat_map(|(code, _)| code.indices().to_vec()).collect();
    assert_eq!(memory.union_density()[1], union.len() as f64 / 200.0);
    let asked = test.get(0);
    let shared = asked.indices().iter().filter(|unit| union.contains(unit)).count();
    assert_eq!(memory.scores(asked, ClassRule::Union)[1], shared as f64);
    let mut halves = ClassMemory::new(200, 4).unwrap();
    for range in [0..30, 30..80] {
        let places: Vec<usize> = range.clone().collect();
        halves.learn(&codes.select(&places), &labels[range]).unwrap();
    }
    assert_eq!(halves, memory, "learned in parts, learned at once");
    assert!(memory.learn(&codes, &labels[1..]).is_err());
    assert!(memory.learn(&codes, &vec![4; 80]).is_err(), "no such class");
    assert!(memory.classify(&random_codes(3, 201, 2, 1), ClassRule::Union).is_err());
    assert!(ClassMemory::new(0, 4).is_err() && ClassMemory::new(1 << 20, 1 << 20).is_err());
}

/// Where a unit stands for another thing in every class, a decoder for each class is right and one for
/// all can't be.
#[test]
fn decoders_by_class_know_what_a_unit_means_there() {
    let mut rng = Rng::new(3);
    let meaning: Vec<f32> = (0..2 * 30 * 10).map(|_| rng.normal()).collect();
    let (codes, mut labels) = (random_codes(2000, 30, 4, 4), Vec::new());
    let mut inputs = vec![0.0f32; 2000 * 10];
    for (row, input) in inputs.chunks_exact_mut(10).enumerate() {
        labels.push(row as u32 % 2);
        for &unit in codes.get(row).indices() {
            let from = (row % 2 * 30 + unit as usize) * 10;
            input.iter_mut().zip(&meaning[from..]).for_each(|(sum, value)| *sum += value);
        }
    }
    let rows = kwinners::Rows::new(&inputs, 10).unwrap();
    let error = |decoded: Vec<f32>| {
        let square = |(a, b): (&f32, &f32)| f64::from((a - b) * (a - b));
        decoded.iter().zip(&inputs).map(square).sum::<f64>() / inputs.len() as f64
    };
    let by_class = ClassDecoders::learn(&codes, rows, &labels, 0).unwrap();
    assert_eq!(by_class.classes(), 2);
    let all = vec![0; 2000];
    let one = ClassDecoders::learn(&codes, rows, &all, 0).unwrap();
    let (right, plain) = (
        error(by_class.decode(&codes, &labels).unwrap()),
        error(one.decode(&codes, &all).unwrap()),
    );
    assert!(right < 0.05 && plain > 0.5, "{right} by class, {plain} by one for all");
    let threads = |count| {
        with_threads(count, || {
            ClassDecoders::learn(&codes, rows, &labels, 0).unwrap().decode(&codes, &labels).unwrap()
        })
    };
    assert_eq!(threads(1), threads(3));
    assert!(by_class.decode(&codes, &vec![2; 2000]).is_err(), "no such class");
    assert!(ClassDecoders::learn(&codes, rows, &labels[1..], 0).is_err());
}
