//! The associative memory: stores and recalls a second, whole cues and noisy ones.

use std::hint::black_box;

use kwinners::memory::{AssociativeMemory, RecallRule};
use kwinners::{Rng, SdrBatch};

use super::Task;

/// 1,000 units with 10 on and 2,000 pairs; 16,384 with 14 and 100,000.
pub(super) fn all(threads: usize) {
    run((1000, 10), 2000, threads);
    run((16_384, 14), 100_000, threads);
}

fn random_codes(len: usize, (units, winners): (usize, usize), seed: u64) -> SdrBatch {
    let mut rng = Rng::new(seed);
    let mut codes = SdrBatch::new(units).expect("some units");
    for _ in 0..len {
        codes.push(&rng.distinct(winners, units)).expect("distinct indices are a code");
    }
    codes
}

fn run((units, winners): (usize, usize), pairs: usize, threads: usize) {
    let (cues, targets) =
        (random_codes(pairs, (units, winners), 1), random_codes(pairs, (units, winners), 2));
    let stored = || {
        let mut memory = AssociativeMemory::new(units, units).expect("some units");
        memory.store_all(&cues, &targets).expect("codes of its units");
        memory
    };
    let memory = stored();
    let n = format!("{units}/{winners} pairs={pairs}");
    let task = |task| Task { task, n: n.clone(), threads };
    let few: Vec<usize> = (0..pairs).step_by(pairs / 1000).collect();
    let (some, expected) = (cues.select(&few), targets.select(&few));
    if threads == 1 {
        task("associative memory, storing in an empty one").rate("stores/s", pairs, || {
            drop(black_box(stored()));
        });
    }
    let rule = RecallRule::Winners(winners);
    let mut rng = Rng::new(3);
    let mut noisy = SdrBatch::new(units).expect("some units");
    for cue in some.iter() {
        let moved = cue.with_moved(2, &mut rng).expect("enough units");
        noisy.push(moved.indices()).expect("a code");
    }
    for (what, cues, least) in [
        ("associative memory, recall from whole cues", &some, 0.99),
        ("associative memory, recall, 2 units of a cue wrong", &noisy, 0.9),
    ] {
        let quality = memory.judge(cues, &expected, rule).expect("codes of its units");
        assert!(quality.exact > least, "{what}: {quality:?}");
        task(what).rate("recalls/s", cues.len(), || {
            drop(black_box(memory.recall_all(cues, rule).expect("codes of its units")));
        });
    }
}
