//! The hot paths, timed the way the peers are: one JSON object a line with `peer`, `task`, `metric`,
//! `value` (median), `best`, `runs`, `threads` and `n`.
//!
//! `cargo bench` runs all of it (`cargo bench -- tied classifier` some), on one thread and, where work is shared out, on all; each task
//! asserts its answer first. `KWINNERS_BENCH=quick` runs every task once, for tests; `KWINNERS_BENCH=large`
//! searches ten million codes in the place of fewer (on two threads alone; in 24 GB of memory, about ten minutes);
//! `KWINNERS_DATA` names the folder with `mnist/`, else random images of the same density are used.

#![expect(clippy::print_stdout, reason = "a bench prints its figures")]

#[path = "hot_paths/autoencoder.rs"]
mod autoencoder;
#[path = "hot_paths/classifier.rs"]
mod classifier;
#[path = "hot_paths/codings.rs"]
mod codings;
#[path = "hot_paths/embedder.rs"]
mod embedder;
#[path = "hot_paths/index.rs"]
mod index;
#[path = "hot_paths/memory.rs"]
mod memory;
#[path = "hot_paths/spatial_pooler.rs"]
mod spatial_pooler;

use std::hint::black_box;
use std::time::Instant;

use kwinners::data::{self, DataDirs, Spec};
use kwinners::encoder::{Encoder, Learner, Tied, TiedSettings};
use kwinners::{Dataset, KWinners, Rng, Rows, SdrBatch};

/// Seconds of the median and of the best run of `work`, which is repeated within a run until it
/// lasts a tenth of a second.
fn measure(mut work: impl FnMut()) -> (f64, f64, usize) {
    let quick = std::env::var("KWINNERS_BENCH").is_ok_and(|mode| mode == "quick");
    let start = Instant::now();
    work();
    let once = start.elapsed().as_secs_f64().max(1e-9);
    let (runs, repeats) = if quick { (1, 1) } else { (9, (0.1 / once).ceil() as usize) };
    let mut seconds: Vec<f64> = (0..runs)
        .map(|_| {
            let start = Instant::now();
            (0..repeats).for_each(|_| work());
            start.elapsed().as_secs_f64() / repeats as f64
        })
        .collect();
    seconds.sort_by(f64::total_cmp);
    (seconds[runs / 2], seconds[0], runs)
}

/// What is printed besides the times.
struct Task {
    task: &'static str,
    n: String,
    threads: usize,
}

impl Task {
    fn emit(&self, metric: &str, value: f64, best: f64, runs: usize) {
        let Self { task, n, threads } = self;
        println!(
            "{{\"peer\": \"kwinners\", \"task\": \"{task}\", \"metric\": \"{metric}\", \
             \"value\": {value:.6}, \"threads\": {threads}, \"n\": \"{n}\", \"best\": {best:.6}, \
             \"runs\": {runs}}}"
        );
    }

    /// Prints how many of the `items` that one call handles are handled in a second.
    fn rate(&self, metric: &str, items: usize, work: impl FnMut()) {
        let (median, best, runs) = measure(work);
        self.emit(metric, items as f64 / median, items as f64 / best, runs);
    }

    /// Prints the nanoseconds that each of the `items` of one call takes.
    fn nanoseconds(&self, metric: &str, items: usize, work: impl FnMut()) {
        let (median, best, runs) = measure(work);
        self.emit(metric, median / items as f64 * 1e9, best / items as f64 * 1e9, runs);
    }
}

fn main() {
    eprintln_machine();
    let asked: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with('-')).collect();
    let wants = |name: &str| asked.is_empty() || asked.iter().any(|asked| asked == name);
    if wants("selection") {
        selection();
    }
    let images = images();
    for threads in [1, 2] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        pool.expect("threads can be started").install(|| {
            if threads == 1 && wants("spatial-pooler") {
                spatial_pooler::all(&images);
            }
            if wants("tied") {
                tied(&images, threads);
            }
            if wants("autoencoder") {
                autoencoder::run(&images, threads);
            }
            if wants("classifier") {
                classifier::run(&images, threads);
            }
            if wants("memory") {
                memory::all(threads);
            }
            if wants("embedder") {
                embedder::run(&images, threads);
            }
            if wants("index") {
                index::run(threads);
            }
            if threads == 1 && wants("codings") {
                codings::run(&images);
            }
            if wants("overlap") {
                overlap(threads);
            }
        });
    }
}

#[expect(clippy::print_stderr, reason = "not part of the figures")]
fn eprintln_machine() {
    eprintln!("hot loops: {}", kwinners::instruction_set());
}

fn selection() {
    let sizes = [
        (256, 1000, 30),
        (256, 512, 26),
        (256, 4096, 32),
        (256, 4096, 240),
        (1024, 65536, 64),
        (1024, 65536, 1311),
    ];
    for (rows, n, k) in sizes {
        let mut rng = Rng::new(1);
        let scores: Vec<f32> = (0..rows * n).map(|_| rng.normal()).collect();
        let scores = Rows::new(&scores, n).expect("a whole number of rows");
        let picker = KWinners::new(n, k).expect("fewer winners than units");
        let pick = || {
            let mut codes = SdrBatch::new(n).expect("some units");
            picker.winners_of_rows(scores, &mut codes).expect("no NaN");
            codes
        };
        for (row, code) in scores.iter().zip(pick().iter()) {
            let on = |unit: usize| code.contains(unit as u32);
            let least =
                code.indices().iter().map(|&unit| row[unit as usize]).fold(f32::MAX, f32::min);
            assert_eq!(code.count(), k);
            assert!((0..n).all(|unit| on(unit) || row[unit] <= least), "the k largest win");
        }
        let task = Task { task: "k-winners selection", n: format!("{rows}x{n} k={k}"), threads: 1 };
        task.nanoseconds("ns/row", rows, || drop(black_box(pick())));
    }
}

/// The first 20,480 MNIST images, or random ones of which 19 % of the pixels are on.
fn images() -> Dataset {
    let spec = Spec::parse("mnist:train[0..20480]").expect("a known set");
    data::load(&spec, &DataDirs::standard(None)).unwrap_or_else(|_| {
        let mut rng = Rng::new(2);
        let mut pixel = || if rng.uniform() < 0.19 { rng.uniform() } else { 0.0 };
        let values = (0..20_480 * 784).map(|_| pixel()).collect();
        Dataset::new("random", values, 784).expect("a whole number of rows")
    })
}

fn tied(images: &Dataset, threads: usize) {
    let name = if images.name.starts_with("mnist") { "MNIST" } else { "random" };
    let task = |task| Task { task, n: format!("1000/30 {name}"), threads };
    let rows = images.rows();
    for (batch, what) in [
        (1, "tied encoder online (batch 1)"),
        (16, "tied encoder minibatch 16"),
        (256, "tied encoder minibatch 256"),
    ] {
        if batch == 1 && threads > 1 {
            continue;
        }
        let settings = TiedSettings { batch, ..TiedSettings::default() };
        let mut tied = Tied::new(settings, rows).expect("the defaults are right");
        let batches: Vec<Rows<'_>> = rows.blocks(batch).collect();
        let mut batches = batches.into_iter().cycle();
        let mut learn = || {
            let batch = batches.next().expect("there are images");
            tied.learn(batch, None).expect("finite images").loss
        };
        let first = learn();
        let last = (0..2048 / batch).map(|_| learn()).last().unwrap_or(first);
        assert!(last < first, "learning lowers the loss: {first} to {last}");
        let metric = if batch == 1 { "iterations/s" } else { "samples/s" };
        task(what).rate(metric, batch, || {
            black_box(learn());
        });
    }
    let mut tied = Tied::new(TiedSettings::default(), rows).expect("the defaults are right");
    for batch in rows.blocks(64).take(64) {
        tied.learn(batch, None).expect("finite images");
    }
    let some = rows.slice(0..1024);
    let codes = tied.encode(some).expect("finite images");
    assert_eq!(codes.winners(), Some(30));
    task("tied encoder encode only (batch 1024)").rate("samples/s", some.len(), || {
        drop(black_box(tied.encode(some).expect("finite images")));
    });
}

fn overlap(threads: usize) {
    if threads > 1 {
        return;
    }
    let mut rng = Rng::new(3);
    let mut codes = SdrBatch::new(2048).expect("some units");
    for _ in 0..8192 {
        codes.push(&rng.distinct(40, 2048)).expect("distinct indices are a code");
    }
    let bits = codes.to_bits();
    let mut overlaps = vec![0; bits.len()];
    bits.overlaps(bits.row(5), &mut overlaps);
    let expected = codes.iter().map(|code| code.overlap(codes.get(5)).expect("same units") as u32);
    assert!(overlaps.iter().copied().eq(expected), "popcounts are overlaps");
    let task = Task { task: "AND+popcount rows of 2048 bits", n: "2MiB".to_owned(), threads };
    task.rate("rows/s", bits.len(), || {
        bits.overlaps(black_box(bits.row(5)), &mut overlaps);
        black_box(&overlaps);
    });
}
