//! Search and storage at the sizes of the peers: codes of 40 of 2,048 units, uniform and in clusters of
//! about 100.

use std::hint::black_box;
use std::path::Path;
use std::time::Instant;

use kwinners::file::{self, CodeFile};
use kwinners::index::{Hit, Layout, SdrIndex, Search};
use kwinners::sdr::code_bits;
use kwinners::{Rng, SdrBatch};

use super::Task;

const UNITS: usize = 2048;
const WINNERS: usize = 40;
const QUERIES: usize = 256;
const TOP: usize = 10;

/// How the codes are drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind {
    /// At random; a query is a stored code with half of its units drawn anew.
    Uniform,
    /// Each keeps each unit of its centre with probability 0.7; a query is one more of them.
    Clustered,
}

/// Search in memory, in a mapped file, and in groups where not all answers are asked for; then the store.
pub(crate) fn run(threads: usize) {
    let sizes: &[usize] = match std::env::var("KWINNERS_BENCH").as_deref() {
        Ok("quick") => &[5_000],
        Ok("large") if threads == 1 => return,
        Ok("large") => return search(10_000_000, Kind::Clustered, threads),
        _ => &[100_000, 1_000_000],
    };
    for &len in sizes {
        for kind in [Kind::Uniform, Kind::Clustered] {
            search(len, kind, threads);
        }
    }
    if threads == 1 {
        store(sizes[sizes.len() - 1]);
    }
}

/// As many units of `kept` as are kept, filled up at random to [`WINNERS`].
fn code(rng: &mut Rng, mut kept: Vec<u32>) -> Vec<u32> {
    while kept.len() < WINNERS {
        let unit = rng.below(UNITS) as u32;
        if !kept.contains(&unit) {
            kept.push(unit);
        }
    }
    kept.sort_unstable();
    kept
}

pub(crate) fn draw(len: usize, kind: Kind) -> (SdrBatch, SdrBatch) {
    let mut rng = Rng::new(7);
    let mut stored = SdrBatch::new(UNITS).expect("some units");
    let mut queries = stored.clone();
    let push = |to: &mut SdrBatch, code: Vec<u32>| to.push(&code).expect("different units");
    if kind == Kind::Uniform {
        (0..len).for_each(|_| push(&mut stored, code(&mut rng, Vec::new())));
        for _ in 0..QUERIES {
            let mut kept = stored.get(rng.below(len)).indices().to_vec();
            while kept.len() > WINNERS / 2 {
                kept.swap_remove(rng.below(kept.len()));
            }
            push(&mut queries, code(&mut rng, kept));
        }
        return (stored, queries);
    }
    let centres: Vec<Vec<u32>> = (0..len / 100).map(|_| code(&mut rng, Vec::new())).collect();
    for number in 0..len + QUERIES {
        let mut kept = centres[rng.below(centres.len())].clone();
        kept.retain(|_| rng.uniform() < 0.7);
        push(if number < len { &mut stored } else { &mut queries }, code(&mut rng, kept));
    }
    (stored, queries)
}

/// The best by comparing with every code, ties to the lower id.
fn brute_force(stored: &SdrBatch, query: &[u32]) -> Vec<Hit> {
    let mut on = [false; UNITS];
    query.iter().for_each(|&unit| on[unit as usize] = true);
    let overlap = |code: &[u32]| code.iter().filter(|&&unit| on[unit as usize]).count();
    let mut best: Vec<(usize, u32)> = Vec::new();
    for (id, code) in (0..).zip(stored.iter()) {
        let overlap = overlap(code.indices());
        if best.len() < TOP || overlap > best[TOP - 1].0 {
            let place = best.partition_point(|(other, _)| *other >= overlap);
            best.insert(place, (overlap, id));
            best.truncate(TOP);
        }
    }
    best.into_iter().map(|(overlap, id)| Hit { id, score: overlap as f64 }).collect()
}

fn search(len: usize, kind: Kind, threads: usize) {
    let (stored, queries) = draw(len, kind);
    let name = format!("{kind:?}").to_lowercase();
    let size = format!("{len} x {UNITS} bits, {WINNERS} on, {name}");
    let task = |task| Task { task, n: size.clone(), threads };
    let layouts = [Layout::Columns, Layout::Lists];
    for layout in layouts.into_iter().take(if len > 1_000_000 { 1 } else { 2 }) {
        let build = || {
            let mut index = SdrIndex::with_layout(UNITS, layout).expect("some units");
            index.add(&stored).expect("the same units");
            index
        };
        let index = build();
        task(if layout == Layout::Columns { "build an index" } else { "build an index, lists" })
            .rate("codes/s", len, || drop(black_box(build())));
        let exact = Search::default();
        let answers = index.top_batch(&queries, TOP, &exact).expect("the same units");
        for (query, found) in queries.iter().zip(&answers).take(16) {
            assert_eq!(found, &brute_force(&stored, query.indices()), "answers are exact");
        }
        let (batch, single) = match layout {
            Layout::Columns => ("search top-10, batch", "search top-10, one query a call"),
            Layout::Lists => {
                ("search top-10, batch, lists", "search top-10, one query a call, lists")
            }
        };
        task(batch).rate("queries/s", queries.len(), || {
            drop(black_box(index.top_batch(&queries, TOP, &exact)));
        });
        latencies(&task(single), &index, &queries);
        if layout == Layout::Columns {
            grouped((&size, threads), build(), (&queries, &answers));
        }
        let bytes = index.bytes() as f64 / len as f64;
        task(batch).emit("bytes/SDR", bytes, bytes, 1);
    }
}

/// Codes that share units put together, and what searches gain by it.
fn grouped(
    (size, threads): (&str, usize),
    mut index: SdrIndex,
    (queries, answers): (&SdrBatch, &[Vec<Hit>]),
) {
    let task = |task| Task { task, n: size.to_owned(), threads };
    let begin = Instant::now();
    index.group().expect("codes in memory");
    let rate = index.len() as f64 / begin.elapsed().as_secs_f64();
    task("group an index").emit("codes/s", rate, rate, 1);
    let exact = Search::default();
    assert_eq!(index.top_batch(queries, TOP, &exact).expect("the same units"), answers);
    task("search top-10, batch, grouped").rate("queries/s", queries.len(), || {
        drop(black_box(index.top_batch(queries, TOP, &exact)));
    });
    for (recall, name) in [
        (0.99, "search top-10, batch, grouped, recall 0.99"),
        (0.9, "search top-10, batch, grouped, recall 0.9"),
    ] {
        let some = Search { recall: Some(recall), ..exact };
        let found = index.top_batch(queries, TOP, &some).expect("the same units");
        let reached = answers.iter().zip(&found).flat_map(|(exact, found)| {
            found.iter().filter(|hit| hit.score >= exact[TOP - 1].score)
        });
        let reached = reached.count() as f64 / (QUERIES * TOP) as f64;
        assert!(reached >= recall - 0.02, "recall {reached} where {recall} was asked for");
        task(name).rate("queries/s", queries.len(), || {
            drop(black_box(index.top_batch(queries, TOP, &some)));
        });
        task(name).emit("recall10", reached, reached, 1);
    }
}

/// Queries one at a time: how many a second, and what half and 99 of 100 of them stay below.
fn latencies(task: &Task, index: &SdrIndex, queries: &SdrBatch) {
    let search = Search::default();
    let mut seconds: Vec<f64> = queries
        .iter()
        .map(|query| {
            let begin = Instant::now();
            drop(black_box(index.top(query, TOP, &search)));
            begin.elapsed().as_secs_f64()
        })
        .collect();
    let mean = seconds.iter().sum::<f64>() / seconds.len() as f64;
    seconds.sort_by(f64::total_cmp);
    let at = |share: f64| seconds[(share * (seconds.len() - 1) as f64) as usize];
    task.emit("queries/s", 1.0 / mean, 1.0 / seconds[0], seconds.len());
    task.emit("us p50", at(0.5) * 1e6, seconds[0] * 1e6, seconds.len());
    task.emit("us p99", at(0.99) * 1e6, seconds[0] * 1e6, seconds.len());
}

/// Codes and indexes in files: bits a code, and how long writing, reading and opening take.
fn store(len: usize) {
    let (stored, queries) = draw(len, Kind::Uniform);
    let folder = tempfile::tempdir().expect("a folder for a while");
    let at = |name: &str| folder.path().join(name);
    let task = |task| Task { task, n: format!("{len} x {UNITS} bits, {WINNERS} on"), threads: 1 };
    let (codes, index) = (at("codes.kw"), at("index.kw"));
    task("save codes").rate("codes/s", len, || file::save_codes(&codes, &stored).expect("room"));
    let bytes = |path: &Path| std::fs::metadata(path).expect("it was written").len() as f64;
    let bits = bytes(&codes) * 8.0 / len as f64;
    task("codes in a file").emit("bits/code", bits, bits, 1);
    let share = bits / code_bits(UNITS, WINNERS);
    task("codes in a file").emit("of log2 C(n,k)", share, share, 1);
    assert_eq!(file::load_codes(&codes).expect("as it was saved"), stored);
    task("load codes").rate("codes/s", len, || {
        drop(black_box(file::load_codes(&codes)));
    });
    let file = CodeFile::open(&codes).expect("as it was saved");
    let mut rng = Rng::new(3);
    task("one code of a file").nanoseconds("ns/code", 1000, || {
        for _ in 0..1000 {
            drop(black_box(file.get(rng.below(len))));
        }
    });
    file::save_index(&index, &SdrIndex::build(&stored).expect("room")).expect("room");
    task("open an index").nanoseconds("ns", 1, || {
        drop(black_box(file::open_index(&index)));
    });
    let mapped = file::open_index(&index).expect("as it was saved");
    let hits = mapped.top(queries.get(0), TOP, &Search::default()).expect("as it was saved");
    assert_eq!(hits, brute_force(&stored, queries.get(0).indices()), "answers are exact");
}
