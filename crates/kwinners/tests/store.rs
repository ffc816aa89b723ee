//! Files of codes and indexes: small, appended to, read where they lie, and never believed if damaged.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use kwinners::file::{self, CodeFile};
use kwinners::index::{Hit, Layout, SdrIndex, Search};
use kwinners::sdr::code_bits;
use kwinners::{Rng, SdrBatch};
use proptest::prelude::*;

const LAYOUTS: [Layout; 2] = [Layout::Columns, Layout::Lists];

fn random(len: usize, units: usize, winners: usize, seed: u64) -> SdrBatch {
    let mut rng = Rng::new(seed);
    let indices = (0..len).flat_map(|_| rng.distinct(winners, units)).collect();
    SdrBatch::from_exact(units, winners, indices).unwrap()
}

fn index(codes: &SdrBatch, layout: Layout) -> SdrIndex {
    let mut index = SdrIndex::with_layout(codes.units(), layout).unwrap();
    index.add(codes).unwrap();
    index
}

fn answers(index: &SdrIndex, queries: &SdrBatch) -> kwinners::Result<Vec<Vec<Hit>>> {
    index.top_batch(queries, 5, &Search::default())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn codes_are_read_from_any_place(
        codes in proptest::collection::vec(proptest::collection::btree_set(0u32..300, 0..20), 1..80),
        cut in 0usize..80,
    ) {
        let codes: Vec<Vec<u32>> = codes.into_iter().map(|code| code.into_iter().collect()).collect();
        let mut all = SdrBatch::new(300).unwrap();
        codes.iter().for_each(|code| all.push(code).unwrap());
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("codes.kw");
        let cut = cut.min(codes.len());
        let part = |range: std::ops::Range<usize>| all.select(&range.collect::<Vec<_>>());
        file::save_codes(&path, &part(0..cut)).unwrap();
        let before = CodeFile::open(&path).unwrap();
        file::append_codes(&path, &part(cut..codes.len())).unwrap();
        prop_assert_eq!(before.read_all().unwrap(), part(0..cut), "readers see what they opened");
        let file = CodeFile::open(&path).unwrap();
        prop_assert_eq!((file.len(), file.units()), (codes.len(), 300));
        for (place, code) in codes.iter().enumerate().rev() {
            let stored = file.get(place).unwrap();
            prop_assert_eq!(stored.indices(), &code[..]);
        }
        let read: Vec<_> = file.iter().map(|code| code.unwrap().indices().to_vec()).collect();
        prop_assert_eq!(read, codes);
        prop_assert_eq!(file::load_codes(&path).unwrap(), all);
    }

    /// An index in a file gives the answers of one in memory, however it came about.
    #[test]
    fn an_index_in_a_file_is_an_index(seed: u64, sizes in proptest::collection::vec(1usize..700, 1..6)) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("index.kw");
        let queries = random(5, 90, 9, seed ^ 9);
        for layout in LAYOUTS {
            let mut memory = SdrIndex::with_layout(90, layout).unwrap();
            file::save_index(&path, &memory).unwrap();
            let mut rng = Rng::new(seed);
            for (step, &size) in sizes.iter().enumerate() {
                let codes = random(size, 90, 9, seed ^ (step as u64 + 100));
                let ids = file::append_to_index(&path, &codes).unwrap();
                prop_assert_eq!(memory.add(&codes).unwrap(), ids);
                let gone = (0..size / 10).map(|_| rng.below(memory.next_id() as usize) as u32).collect();
                let there = file::delete_from_index(&path, &gone).unwrap();
                prop_assert_eq!(gone.iter().filter(|&id| memory.delete(id)).count(), there);
                let stored = file::open_index(&path).unwrap();
                prop_assert_eq!(answers(&stored, &queries).unwrap(), answers(&memory, &queries).unwrap());
                if step == 2 {
                    file::compact_index(&path).unwrap();
                    prop_assert_eq!(answers(&stored, &queries).unwrap(), answers(&memory, &queries).unwrap());
                }
            }
            let stored = file::open_index(&path).unwrap();
            prop_assert_eq!((stored.len(), stored.next_id()), (memory.len(), memory.next_id()));
            prop_assert_eq!(answers(&stored, &queries).unwrap(), answers(&memory, &queries).unwrap());
            file::inspect(&path).unwrap();
        }
    }
}

/// Random codes take little more than the fewest bits there can be; uneven ones take fewer.
#[test]
fn codes_take_few_bits() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("codes.kw");
    let bits = |codes: &SdrBatch| {
        file::save_codes(&path, codes).unwrap();
        std::fs::metadata(&path).unwrap().len() as f64 * 8.0 / codes.len() as f64
    };
    for (units, winners) in [(2048, 40), (1000, 30), (4096, 32), (65_536, 64), (512, 26)] {
        let taken = bits(&random(20_000, units, winners, 5)) / code_bits(units, winners);
        assert!(taken <= 1.10, "{units}/{winners}: {taken}");
    }
    let mut rng = Rng::new(6);
    let mut uneven = SdrBatch::new(2048).unwrap();
    for _ in 0..20_000 {
        let mut code: Vec<u32> = Vec::new();
        while code.len() < 40 {
            let unit = (rng.uniform() * rng.uniform() * rng.uniform() * 2048.0) as u32 * 5 % 2048;
            if !code.contains(&unit) {
                code.push(unit);
            }
        }
        code.sort_unstable();
        uneven.push(&code).unwrap();
    }
    let taken = bits(&uneven) / code_bits(2048, 40);
    assert!(taken <= 0.95, "{taken}");
    assert_eq!(file::load_codes(&path).unwrap(), uneven);
}

/// Groups are kept in a file, and what is added and deleted there comes to the same.
#[test]
fn grouped_indexes_are_searched_where_they_lie() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("grouped.kw");
    let (stored, more, queries) =
        (random(3000, 90, 7, 1), random(1500, 90, 7, 2), random(20, 90, 7, 3));
    file::save_index(&path, &index(&stored, Layout::Columns)).unwrap();
    file::group_index(&path).unwrap();
    let mut plain = index(&stored, Layout::Columns);
    let same = |plain: &SdrIndex| {
        let mapped = file::open_index(&path).unwrap();
        assert!(mapped.is_grouped());
        assert_eq!(answers(&mapped, &queries).unwrap(), answers(plain, &queries).unwrap());
        assert_eq!((mapped.len(), mapped.next_id()), (plain.len(), plain.next_id()));
    };
    same(&plain);
    for codes in [&random(4, 90, 7, 4), &more] {
        assert_eq!(file::append_to_index(&path, codes).unwrap(), plain.add(codes).unwrap());
        same(&plain);
    }
    let ids = (5..2500).step_by(3).collect();
    assert_eq!(file::delete_from_index(&path, &ids).unwrap() as u64, ids.len());
    ids.iter().for_each(|id| assert!(plain.delete(id)));
    same(&plain);
    file::compact_index(&path).unwrap();
    same(&plain);
    file::inspect(&path).unwrap();
}

/// Names the file to the process that appends, and the test in which it does.
const FILE: &str = "KWINNERS_STORE_FILE";
const CRASH: &str = "a_killed_append_loses_nothing_committed";
const KILLS: usize = 25;

/// The codes of step `step`, different for each.
fn step_codes(step: usize) -> SdrBatch {
    random(1 + step * 37 % 90, 200, 8, step as u64)
}

/// Appends step after step, on and on, and says so after each.
#[expect(clippy::print_stdout, reason = "this is how one process tells the other")]
fn append_without_end(path: &Path) {
    let mut step = steps_in(&file::open_index(path).unwrap());
    loop {
        file::append_to_index(path, &step_codes(step)).unwrap();
        step += 1;
        println!("{step} steps");
    }
}

/// How many steps the index holds: whole ones, each with its codes.
fn steps_in(index: &SdrIndex) -> usize {
    let mut held = 0;
    let steps = (0..).find(|&step| {
        let reached = held == index.len();
        held += step_codes(step).len();
        reached || held > index.len() + 100
    });
    let steps = steps.expect("a number of steps");
    let expected: usize = (0..steps).map(|step| step_codes(step).len()).sum();
    assert_eq!(index.len(), expected, "a part of a step");
    steps
}

fn start(path: &Path) -> (Child, BufReader<ChildStdout>) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", CRASH, "--nocapture"]).env(FILE, path);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap());
    (child, lines)
}

/// `KWINNERS_KILLS` says how often instead of 25 times.
#[test]
fn a_killed_append_loses_nothing_committed() {
    if let Some(path) = std::env::var_os(FILE) {
        append_without_end(Path::new(&path));
    }
    let kills =
        std::env::var("KWINNERS_KILLS").map_or(KILLS, |kills| kills.parse().expect("a number"));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("index.kw");
    file::save_index(&path, &SdrIndex::with_layout(200, Layout::Lists).unwrap()).unwrap();
    let mut rng = Rng::new(5);
    let mut committed = 0;
    for kill in 0..kills {
        let (mut child, lines) = start(&path);
        let mut lines = lines.lines().map_while(Result::ok).filter(|line| line.ends_with(" steps"));
        let line = lines.next().expect("the process ended by itself");
        std::thread::sleep(Duration::from_micros(rng.below(8000) as u64));
        child.kill().unwrap();
        child.wait().unwrap();
        let said = std::iter::once(line).chain(lines).last().unwrap();
        let said: usize = said.rsplit(' ').nth(1).unwrap().parse().unwrap();
        let index = file::open_index(&path).unwrap_or_else(|error| panic!("kill {kill}: {error}"));
        let steps = steps_in(&index);
        assert!(steps >= said && steps > committed, "kill {kill}: {steps} steps of {said}");
        committed = steps;
        if kill % 10 == 9 {
            file::compact_index(&path).unwrap();
        }
    }
    let index = file::open_index(&path).unwrap();
    let mut first = 0;
    for step in 0..committed {
        for code in step_codes(step).iter() {
            let stored = index.get(first).unwrap().expect("it was committed");
            assert_eq!(stored.indices(), code.indices(), "step {step}");
            first += 1;
        }
    }
}

/// Readers that open and search while a writer appends, deletes and compacts: each sees a state that
/// was, with the right answers. `KWINNERS_SECONDS` says for how long instead of one.
#[test]
fn readers_see_states_that_were() {
    let seconds =
        std::env::var("KWINNERS_SECONDS").map_or(1, |text| text.parse().expect("a number"));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("index.kw");
    file::save_index(&path, &SdrIndex::with_layout(200, Layout::Lists).unwrap()).unwrap();
    let (end, done) = (Instant::now() + Duration::from_secs(seconds), AtomicBool::new(false));
    let read = || {
        let mut searches = 0;
        let mut before = 0;
        while !done.load(Ordering::Relaxed) {
            let index = file::open_index(&path).unwrap();
            let steps = steps_in(&index);
            assert!(steps >= before, "a state older than one seen");
            before = steps;
            if let Some(last) = steps.checked_sub(1) {
                let codes = step_codes(last);
                let first = index.next_id() - codes.len() as u32;
                let hits = index.top(codes.get(0), 1, &Search::default()).unwrap();
                assert_eq!(hits[0].score, 8.0);
                assert!(hits[0].id <= first, "ties go to the lower id");
                searches += 1;
            }
        }
        searches
    };
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..8).map(|_| scope.spawn(read)).collect();
        for step in (0..).take_while(|_| Instant::now() < end) {
            file::append_to_index(&path, &step_codes(step)).unwrap();
            if step % 20 == 19 {
                file::compact_index(&path).unwrap();
            }
        }
        done.store(true, Ordering::Relaxed);
        let searches: usize = readers.into_iter().map(|reader| reader.join().unwrap()).sum();
        assert!(searches > 0, "nobody read anything");
    });
}
