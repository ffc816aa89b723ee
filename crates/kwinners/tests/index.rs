//! The laws of search: every answer is that of brute force, whatever the layout, filter and threads.

mod common;

use std::cmp::Ordering;

use kwinners::index::{Hit, Layout, Score, SdrIndex, Search};
use kwinners::{Rng, SdrBatch, SdrRef};
use proptest::prelude::*;
use roaring::RoaringBitmap;

const LAYOUTS: [Layout; 2] = [Layout::Columns, Layout::Lists];
const SCORES: [Score; 3] = [Score::Overlap, Score::Jaccard, Score::Containment];

/// Codes around a few centres, of sizes from `winners.0` to `winners.1`; some are the same.
fn codes(len: usize, units: usize, winners: (usize, usize), seed: u64) -> SdrBatch {
    let mut rng = Rng::new(seed);
    let centres: Vec<Vec<u32>> =
        (0..len / 20 + 1).map(|_| rng.distinct(winners.1, units)).collect();
    let mut codes = SdrBatch::new(units).unwrap();
    for _ in 0..len {
        let size = winners.0 + rng.below(winners.1 - winners.0 + 1);
        let mut code = centres[rng.below(centres.len())].clone();
        code.retain(|_| rng.uniform() < 0.7);
        code.extend(rng.distinct(size.min(units), units));
        let mut chosen = Vec::new();
        for unit in code {
            if chosen.len() < size && !chosen.contains(&unit) {
                chosen.push(unit);
            }
        }
        chosen.sort_unstable();
        codes.push(&chosen).unwrap();
    }
    codes
}

fn value(score: Score, query: SdrRef<'_>, code: SdrRef<'_>) -> f64 {
    let both = query.overlap(code).unwrap();
    let parts = match score {
        Score::Overlap => return both as f64,
        Score::Jaccard => query.count() + code.count() - both,
        Score::Containment => query.count(),
    };
    if parts == 0 { 0.0 } else { both as f64 / parts as f64 }
}

/// Every code compared, best first, ties to the lower id.
fn brute_force(stored: &[(u32, Vec<u32>)], query: SdrRef<'_>, search: &Search<'_>) -> Vec<Hit> {
    let allowed = |id: u32| search.allowed.is_none_or(|allowed| allowed.contains(id));
    let mut hits: Vec<Hit> = stored
        .iter()
        .filter(|(id, _)| allowed(*id))
        .map(|(id, code)| {
            let code = SdrRef::new(query.units(), code).unwrap();
            Hit { id: *id, score: value(search.score, query, code) }
        })
        .collect();
    hits.sort_by(|a, b| match b.score.partial_cmp(&a.score).unwrap() {
        Ordering::Equal => a.id.cmp(&b.id),
        other => other,
    });
    hits
}

fn numbered(codes: &SdrBatch) -> Vec<(u32, Vec<u32>)> {
    (0..).zip(codes.iter().map(|code| code.indices().to_vec())).collect()
}

fn assert_exact(index: &SdrIndex, stored: &[(u32, Vec<u32>)], queries: &SdrBatch, seed: u64) {
    let mut rng = Rng::new(seed);
    let some: RoaringBitmap =
        stored.iter().map(|(id, _)| *id).filter(|_| rng.below(3) == 0).collect();
    for score in SCORES {
        for allowed in [None, Some(&some), Some(&RoaringBitmap::new())] {
            let search = Search { score, allowed, recall: None };
            let top = 1 + rng.below(20);
            let found = index.top_batch(queries, top, &search).unwrap();
            for (query, found) in queries.iter().zip(found) {
                let all = brute_force(stored, query, &search);
                assert_eq!(found, all[..top.min(all.len())], "{score:?}, top {top}");
                assert_eq!(index.top(query, top, &search).unwrap(), found);
                let least = all.get(all.len() / 3).map_or(0.5, |hit| hit.score);
                let within = index.within(query, least, &search).unwrap();
                let reached = all.iter().take_while(|hit| hit.score >= least);
                assert!(within.iter().eq(reached), "{score:?}, {least}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn every_answer_is_that_of_brute_force(
        seed: u64,
        len in 0usize..1400,
        units in 30usize..400,
        least in 0usize..12,
        more in 0usize..12,
        batches in 1usize..6,
    ) {
        let all = codes(len, units, (least, least + more), seed);
        let queries = codes(4, units, (0, 25), seed ^ 1);
        for layout in LAYOUTS {
            let mut index = SdrIndex::with_layout(units, layout).unwrap();
            for batch in 0..batches {
                let places: Vec<usize> = (len * batch / batches..len * (batch + 1) / batches).collect();
                index.add(&all.select(&places)).unwrap();
            }
            prop_assert_eq!(index.len(), len);
            assert_exact(&index, &numbered(&all), &queries, seed);
        }
    }

    #[test]
    fn deletion_is_having_never_been_there(
        seed: u64,
        len in 1usize..900,
        share in 0.0f32..1.0,
    ) {
        let all = codes(len, 120, (4, 9), seed);
        let queries = codes(3, 120, (3, 9), seed ^ 1);
        for layout in LAYOUTS {
            let mut index = SdrIndex::with_layout(120, layout).unwrap();
            index.add(&all).unwrap();
            let mut rng = Rng::new(seed);
            let mut left = numbered(&all);
            left.retain(|(id, _)| {
                let goes = rng.uniform() < share;
                if goes {
                    assert!(index.delete(*id) && !index.delete(*id), "there, then gone");
                }
                !goes
            });
            assert_exact(&index, &left, &queries, seed);
            index.compact().unwrap();
            prop_assert_eq!((index.len(), index.next_id()), (left.len(), len as u32));
            assert_exact(&index, &left, &queries, seed);
            for (id, code) in numbered(&all) {
                let there = left.iter().any(|(other, _)| *other == id);
                let found = index.get(id).unwrap();
                prop_assert_eq!(found.map(|code| code.indices().to_vec()), there.then_some(code));
            }
            let ids = index.add(&queries).unwrap();
            prop_assert_eq!(ids, len as u32..len as u32 + 3, "numbers are not used again");
        }
    }
}

/// Codes that lie in groups are found, added to, deleted and compacted as others are.
#[test]
fn groups_change_no_answer() {
    let all = codes(5000, 150, (5, 12), 21);
    let queries = codes(6, 150, (3, 12), 22);
    for layout in LAYOUTS {
        let mut index = SdrIndex::with_layout(150, layout).unwrap();
        index.add(&all.select(&(0..4000).collect::<Vec<_>>())).unwrap();
        (0..200).for_each(|id| assert!(index.delete(7 * id)));
        index.group().unwrap();
        assert_eq!(index.is_grouped(), layout == Layout::Columns);
        let mut left = numbered(&all);
        left.retain(|(id, _)| *id < 4000 && (id % 7 != 0 || *id >= 1400));
        assert_eq!(index.len(), left.len());
        assert_exact(&index, &left, &queries, 1);
        assert_eq!(index.add(&all.select(&(4000..5000).collect::<Vec<_>>())).unwrap(), 4000..5000);
        left.extend(numbered(&all).split_off(4000));
        (1000..1100).for_each(|id| assert_eq!(index.delete(id), id % 7 != 0));
        left.retain(|(id, _)| !(1000..1100).contains(id));
        assert_exact(&index, &left, &queries, 2);
        for (id, code) in &left {
            assert_eq!(index.get(*id).unwrap().unwrap().indices(), code);
        }
        index.compact().unwrap();
        assert_exact(&index, &left, &queries, 3);
        index.group().unwrap();
        assert_exact(&index, &left, &queries, 4);
        assert!(index.get(1001).unwrap().is_none() && !index.delete(1001));
    }
}

/// Many units, few of them on; more codes than one block of lists has; long and short queries.
#[test]
fn wide_codes_are_searched_exactly() {
    for (len, units, winners) in
        [(40_000, 1 << 20, (3, 6)), (300, 1 << 20, (400, 4096)), (5000, 65_536, (60, 70))]
    {
        let stored = codes(len, units, winners, 7);
        let index = SdrIndex::build(&stored).unwrap();
        let mut queries = stored.select(&[0, len / 2, len - 1]);
        queries.push(&(0..2000).map(|unit| unit * 30).collect::<Vec<_>>()).unwrap();
        queries.push(&[]).unwrap();
        let search = Search::default();
        for query in queries.iter() {
            let expected = brute_force(&numbered(&stored), query, &search);
            assert_eq!(index.top(query, 12, &search).unwrap(), expected[..12]);
        }
    }
}

#[test]
fn threads_and_batches_change_nothing() {
    let stored = codes(20_000, 300, (10, 14), 3);
    let queries = codes(40, 300, (8, 16), 4);
    for layout in LAYOUTS {
        let mut index = SdrIndex::with_layout(300, layout).unwrap();
        index.add(&stored).unwrap();
        let search = Search { score: Score::Jaccard, ..Search::default() };
        let answers = |threads| {
            common::with_threads(threads, || index.top_batch(&queries, 10, &search).unwrap())
        };
        assert_eq!(answers(1), answers(4));
        for (query, found) in queries.iter().zip(answers(3)) {
            assert_eq!(index.top(query, 10, &search).unwrap(), found);
        }
    }
}

/// Of the true answers about the share that was asked for is found, or more, each with its true score.
#[test]
fn recall_is_kept_on_average() {
    let stored = codes(30_000, 1024, (30, 30), 11);
    let queries = codes(200, 1024, (30, 30), 12);
    for (layout, grouped) in
        [(Layout::Columns, false), (Layout::Columns, true), (Layout::Lists, false)]
    {
        let mut index = SdrIndex::with_layout(1024, layout).unwrap();
        index.add(&stored).unwrap();
        if grouped {
            index.group().unwrap();
        }
        let exact = index.top_batch(&queries, 10, &Search::default()).unwrap();
        for recall in [0.99, 0.8] {
            let search = Search { recall: Some(recall), ..Search::default() };
            let found = index.top_batch(&queries, 10, &search).unwrap();
            let reached = exact
                .iter()
                .zip(&found)
                .flat_map(|(exact, found)| found.iter().filter(|hit| hit.score >= exact[9].score));
            let share = reached.count() as f64 / 2000.0;
            // Stored codes say what it takes: an estimate.
            assert!(share >= recall - 0.01, "{layout:?}, {grouped}: {share} of {recall}");
            for (query, found) in queries.iter().zip(&found) {
                for hit in found {
                    let overlap = query.overlap(stored.get(hit.id as usize)).unwrap();
                    assert_eq!(hit.score, overlap as f64);
                }
            }
        }
    }
}

#[test]
fn what_makes_no_sense_is_refused() {
    let stored = codes(10, 100, (5, 5), 1);
    let mut index = SdrIndex::build(&stored).unwrap();
    let other = codes(1, 99, (5, 5), 1);
    let refusal = |error: kwinners::Error| error.to_string();
    let search = Search::default();
    let wrong = refusal(index.top(other.get(0), 1, &search).unwrap_err());
    assert!(wrong.contains("100 units"), "{wrong}");
    assert!(refusal(index.add(&other).unwrap_err()).contains("99"));
    assert!(index.within(stored.get(0), f64::NAN, &search).is_err());
    for recall in [0.0, -1.0, 1.5, f64::NAN] {
        let search = Search { recall: Some(recall), ..search };
        assert!(index.top(stored.get(0), 1, &search).is_err());
    }
    assert!(SdrIndex::new(0).is_err());
    assert!(index.top(stored.get(0), 0, &search).unwrap().is_empty());
    let empty = SdrIndex::new(100).unwrap();
    assert!(empty.top(stored.get(0), 5, &search).unwrap().is_empty() && empty.layout().is_none());
}

#[test]
fn the_layout_follows_the_density() {
    assert_eq!(Layout::for_codes(2048, 40.0), Layout::Columns);
    assert_eq!(Layout::for_codes(65_536, 64.0), Layout::Lists);
    let index = SdrIndex::build(&codes(3, 4096, (2, 2), 1)).unwrap();
    assert_eq!(index.layout(), Some(Layout::Lists));
    assert!(index.bytes() < 200, "{}", index.bytes());
}
