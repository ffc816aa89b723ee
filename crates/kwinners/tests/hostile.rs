//! Damaged and forged files of codes, indexes and memories: refused, or rightly sealed as what they say; no panic,
//! no hang, no memory that an undamaged one would not take.

mod common;

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use common::checksums;
use kwinners::file;
use kwinners::index::{Layout, SdrIndex, Search};
use kwinners::memory::RecallRule;
use kwinners::{AssociativeMemory, Error, Rng, SdrBatch};
use peak_alloc::PeakAlloc;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// One test at a time: what another one allocates would be counted too.
static ALONE: Mutex<()> = Mutex::new(());

/// What errors, threads and the like may take besides, in bytes.
const ROOM: usize = 64 << 10;
const UNITS: usize = 24;

fn random(len: usize, seed: u64) -> SdrBatch {
    let mut rng = Rng::new(seed);
    let indices = (0..len).flat_map(|_| rng.distinct(3, UNITS)).collect();
    SdrBatch::from_exact(UNITS, 3, indices).unwrap()
}

/// Small files of every kind, in one piece and appended to.
fn small_files(folder: &Path) -> Vec<Vec<u8>> {
    let path = folder.join("small.kw");
    let read = || std::fs::read(&path).unwrap();
    let codes = random(20, 1);
    let mut files = Vec::new();
    file::save_codes(&path, &codes).unwrap();
    file::append_codes(&path, &random(3, 2)).unwrap();
    files.push(read());
    for layout in [Layout::Columns, Layout::Lists] {
        let mut index = SdrIndex::with_layout(UNITS, layout).unwrap();
        index.add(&codes).unwrap();
        file::save_index(&path, &index).unwrap();
        files.push(read());
        file::append_to_index(&path, &random(3, 3)).unwrap();
        file::delete_from_index(&path, &[1, 21].into_iter().collect()).unwrap();
        files.push(read());
        if layout == Layout::Columns {
            file::group_index(&path).unwrap();
            files.push(read());
        }
    }
    let mut memory = AssociativeMemory::new(UNITS, UNITS).unwrap();
    memory.store_all(&codes, &codes).unwrap();
    file::save_memory(&path, &memory).unwrap();
    files.push(read());
    files
}

/// Uses everything there is to use in the file.
fn use_up(path: &Path) -> kwinners::Result<()> {
    let queries = random(2, 9);
    let index = file::open_index(path).and_then(|index| {
        index.top_batch(&queries, 5, &Search::default())?;
        index.for_each_block(|ids, codes| assert_eq!(ids.len(), codes.len()))
    });
    let memory = file::load_memory(path)
        .and_then(|memory| memory.recall_all(&queries, RecallRule::Maximum).map(drop));
    let codes = file::load_codes(path).map(drop);
    // Two of the three are not what the file holds.
    index.or(memory).or(codes)
}

/// Whether the file can be used, and how many bytes were allocated at a time for it.
fn peak_of(path: &Path) -> (bool, usize) {
    ALLOCATOR.reset_peak_usage();
    let before = ALLOCATOR.current_usage();
    let inspected = file::inspect(path).is_ok();
    let used = use_up(path).is_ok();
    (inspected && used, ALLOCATOR.peak_usage() - before)
}

#[test]
fn every_flip_and_every_truncation_is_refused() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("damaged.kw");
    for whole in small_files(folder.path()) {
        let refused = |bytes: &[u8], what: String| {
            std::fs::write(&path, bytes).unwrap();
            let found = [use_up(&path).err(), file::inspect(&path).err()];
            for found in found {
                assert!(matches!(found, Some(Error::Damaged { .. })), "{what}: {found:?}");
            }
        };
        let mut damaged = whole.clone();
        for bit in 0..whole.len() * 8 {
            damaged[bit / 8] ^= 1 << (bit % 8);
            refused(&damaged, format!("bit {bit} flipped"));
            damaged[bit / 8] ^= 1 << (bit % 8);
        }
        for length in 0..whole.len() {
            refused(&whole[..length], format!("cut at {length}"));
        }
        refused(&[&whole[..], &[0]].concat(), "one byte more".to_owned());
        std::fs::write(&path, &whole).unwrap();
        use_up(&path).unwrap();
    }
}

/// Numbers that make no sense under checksums that are right. `KWINNERS_DAMAGE` says how many files instead of
/// 4,000.
#[test]
fn forged_files_do_no_harm() {
    let cases: usize =
        std::env::var("KWINNERS_DAMAGE").map_or(4000, |cases| cases.parse().expect("a number"));
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("forged.kw");
    let files: Vec<(Vec<u8>, usize)> = small_files(folder.path())
        .into_iter()
        .map(|whole| {
            std::fs::write(&path, &whole).unwrap();
            let (taken, peak) = peak_of(&path);
            assert!(taken, "an undamaged file is refused");
            (whole, peak)
        })
        .collect();
    let mut rng = Rng::new(77);
    let mut taken_in_all = 0;
    for case in 0..cases {
        let (whole, whole_peak) = &files[case % files.len()];
        let mut bytes = whole.clone();
        for _ in 0..1 + rng.below(3) {
            let at = rng.below(bytes.len() / 4) * 4;
            let forged = match rng.below(6) {
                0 => u32::MAX,
                1 => 0,
                2 => 1 << rng.below(32),
                3 => rng.below(70) as u32,
                4 => u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()).wrapping_add(1),
                _ => rng.next_u64() as u32,
            };
            bytes[at..at + 4].copy_from_slice(&forged.to_le_bytes());
        }
        if rng.below(8) == 0 {
            bytes.truncate(rng.below(bytes.len()));
        }
        if rng.below(4) > 0 {
            checksums::put_right(&mut bytes);
        }
        std::fs::write(&path, &bytes).unwrap();
        let (taken, peak) = peak_of(&path);
        taken_in_all += usize::from(taken);
        assert!(peak <= 2 * whole_peak + ROOM, "case {case}: {peak} bytes instead of {whole_peak}");
    }
    // Some changes are other codes, rightly sealed; if none were taken, nothing got past the checksums.
    assert!(taken_in_all > 0 && taken_in_all < cases, "{taken_in_all} of {cases} taken");
}
