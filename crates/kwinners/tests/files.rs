//! `.kw` files: what is saved comes back to the bit, and nothing damaged is believed.

use std::path::Path;

use kwinners::encoder::Model;
use kwinners::file::{self, About, Checkpoint, SavedModel};
use kwinners::train::{Control, Position, fit};
use kwinners::{AssociativeMemory, Dataset, Error, Rng, SdrBatch};
use proptest::prelude::*;

fn data() -> Dataset {
    let mut rng = Rng::new(5);
    let values = (0..40 * 6).map(|_| rng.uniform().max(0.5) - 0.5).collect();
    Dataset::new("noise", values, 6).unwrap()
}

fn model(kind: &str, more: &[(&str, &str)]) -> Model {
    let settings = [("units", "12"), ("winners", "3")].iter().chain(more);
    let settings: Vec<_> = settings.map(|(k, v)| (k.to_string(), v.to_string())).collect();
    let mut model = Model::new(kind, &settings, data().rows()).unwrap();
    fit(&mut model, &data(), Position::default(), &mut |_, _, _| Control::Continue).unwrap();
    model
}

fn saved(model: Model) -> SavedModel {
    SavedModel { model, about: About::of(&data()), checkpoint: None }
}

/// Every kind, with every way it can be laid out in a file.
fn all_models() -> Vec<SavedModel> {
    let mut models = vec![
        saved(model("random-projection", &[])),
        saved(model("random-projection", &[("projection", "gaussian"), ("input", "raw")])),
        saved(model("tied", &[("input", "standardised"), ("epochs", "2")])),
        saved(model("tied", &[("boosting", "additive"), ("batch", "1"), ("epochs", "1")])),
    ];
    let position = Position { epoch: 1, sample: 7 };
    models[2].checkpoint = Some(Checkpoint::new(position, &data()));
    models
}

fn bytes_of(saved: &SavedModel, folder: &Path) -> Vec<u8> {
    let path = folder.join("bytes.kw");
    file::save_model(&path, saved).unwrap();
    std::fs::read(path).unwrap()
}

#[test]
fn deep_networks_come_back() {
    let layers = ["linear 6, batch-norm affine, relu"; 20].join(", ");
    let settings = [("layers", layers.as_str()), ("pairs", "views"), ("epochs", "1")];
    let (saved, folder) = (saved(model("embedder", &settings)), tempfile::tempdir().unwrap());
    let path = folder.path().join("deep.kw");
    file::save_model(&path, &saved).unwrap();
    let loaded = file::load_model(&path).unwrap();
    assert_eq!(bytes_of(&loaded, folder.path()), std::fs::read(&path).unwrap());
}

#[test]
fn models_come_back_to_the_bit() {
    let folder = tempfile::tempdir().unwrap();
    for saved in all_models() {
        let path = folder.path().join("model.kw");
        file::save_model(&path, &saved).unwrap();
        let loaded = file::load_model(&path).unwrap();
        assert_eq!(loaded.about, saved.about);
        assert_eq!(loaded.checkpoint, saved.checkpoint);
        assert_eq!(loaded.model.settings(), saved.model.settings());
        assert_eq!(bytes_of(&loaded, folder.path()), std::fs::read(&path).unwrap());
        let rows = data();
        let codes = |model: &Model| model.encoder().encode(rows.rows()).unwrap();
        assert_eq!(codes(&loaded.model), codes(&saved.model));
    }
}

proptest! {
    #[test]
    fn codes_come_back(
        codes in proptest::collection::vec(proptest::collection::btree_set(0u32..300, 0..20), 0..30)
    ) {
        let mut batch = SdrBatch::new(300).unwrap();
        for code in codes {
            batch.push(&code.into_iter().collect::<Vec<_>>()).unwrap();
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("codes.kw");
        file::save_codes(&path, &batch).unwrap();
        prop_assert_eq!(file::load_codes(&path).unwrap(), batch);
    }
}

/// A memory with a row of bits, a row that is a list, and empty ones.
fn memory() -> AssociativeMemory {
    let mut memory = AssociativeMemory::new(5, 40).unwrap();
    let mut rng = Rng::new(3);
    for (cue, winners) in [(0, 30), (0, 30), (3, 2)] {
        let cue = kwinners::Sdr::new(5, vec![cue]).unwrap();
        let target = kwinners::Sdr::new(40, rng.distinct(winners, 40)).unwrap();
        memory.store(cue.view(), target.view()).unwrap();
    }
    memory
}

fn memory_bytes(memory: &AssociativeMemory, folder: &Path) -> Vec<u8> {
    let path = folder.join("memory.kw");
    file::save_memory(&path, memory).unwrap();
    std::fs::read(path).unwrap()
}

proptest! {
    #[test]
    fn memories_come_back(seed in 0u64..1000, pairs in 0usize..60, cues in 1usize..6) {
        let (mut rng, mut memory) = (Rng::new(seed), AssociativeMemory::new(9, 300).unwrap());
        for _ in 0..pairs {
            let cue = kwinners::Sdr::new(9, rng.distinct(cues, 9)).unwrap();
            let target = kwinners::Sdr::new(300, rng.distinct(1 + rng.clone().below(4), 300)).unwrap();
            memory.store(cue.view(), target.view()).unwrap();
        }
        let folder = tempfile::tempdir().unwrap();
        let bytes = memory_bytes(&memory, folder.path());
        let loaded = file::load_memory(&folder.path().join("memory.kw")).unwrap();
        prop_assert_eq!(&loaded, &memory);
        prop_assert_eq!(memory_bytes(&loaded, folder.path()), bytes);
    }
}

/// Loads whatever `bytes` are: as a model, as codes, as a memory, and by inspection; all must refuse.
fn refused(path: &Path, bytes: &[u8]) -> Result<(), String> {
    std::fs::write(path, bytes).unwrap();
    let errors = [
        file::load_model(path).err(),
        file::load_codes(path).err(),
        file::load_memory(path).err(),
        file::inspect(path).err(),
    ];
    for error in errors {
        match error {
            Some(Error::Damaged { .. }) => {}
            other => return Err(format!("{other:?}")),
        }
    }
    Ok(())
}

/// Every single flipped bit and every truncation of small files, and bytes added at the end.
#[test]
fn every_flip_and_every_truncation_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("damaged.kw");
    let mut codes = SdrBatch::new(40).unwrap();
    codes.push(&[1, 5, 39]).unwrap();
    codes.push(&[2, 5, 7]).unwrap();
    file::save_codes(&path, &codes).unwrap();
    let mut files = vec![std::fs::read(&path).unwrap()];
    files.push(bytes_of(&all_models()[2], folder.path()));
    files.push(memory_bytes(&memory(), folder.path()));
    for whole in files {
        for bit in 0..whole.len() * 8 {
            let mut damaged = whole.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            refused(&path, &damaged).unwrap_or_else(|got| panic!("bit {bit} flipped: {got}"));
        }
        for length in 0..whole.len() {
            refused(&path, &whole[..length]).unwrap_or_else(|got| panic!("cut at {length}: {got}"));
        }
        let longer = [&whole[..], &[0]].concat();
        refused(&path, &longer).unwrap_or_else(|got| panic!("one byte more: {got}"));
    }
}

/// A file whose checksums are right but whose numbers make no sense: forged, not damaged.
#[test]
fn forged_lengths_are_refused_without_allocating() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("forged.kw");
    let files = [bytes_of(&all_models()[2], folder.path()), memory_bytes(&memory(), folder.path())];
    for whole in files {
        forge_lengths(&path, &whole);
    }
}

fn forge_lengths(path: &Path, whole: &[u8]) {
    let sections = u32::from_le_bytes(whole[12..16].try_into().unwrap()) as usize;
    for entry in 0..sections {
        for (field, forged) in [(16, u64::MAX), (24, u64::MAX), (24, 1 << 40), (24, 0), (16, 64)] {
            let mut bytes = whole.to_vec();
            let at = 24 + entry * 40 + field;
            bytes[at..at + 8].copy_from_slice(&forged.to_le_bytes());
            let end = 24 + sections * 40;
            let sum = crc32fast::hash(&bytes[..end]);
            bytes[end..end + 4].copy_from_slice(&sum.to_le_bytes());
            if bytes != whole {
                refused(path, &bytes).unwrap_or_else(|got| panic!("entry {entry}: {got}"));
            }
        }
    }
}

/// Right checksums over numbers that no memory has: each is refused, and by its section.
#[test]
fn forged_memories_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("forged.kw");
    let whole = memory_bytes(&memory(), folder.path());
    let sections = file::inspect(&folder.path().join("memory.kw")).unwrap().sections;
    for (section, place, value) in [
        ("rows", 0, 0),
        ("rows", 0, 17),
        ("rows", 12, 3),
        ("rows", 12, u32::MAX),
        ("columns", 0, 99),
        ("lists", 0, 40),
        ("lists", 4, 0),
        ("bits", 0, 0),
        ("bits", 4, u32::MAX),
    ] {
        let number = sections.iter().position(|info| info.name == section).unwrap();
        let (at, bytes) = (sections[number].offset as usize, sections[number].bytes as usize);
        let mut forged = whole.clone();
        forged[at + place..][..4].copy_from_slice(&u32::to_le_bytes(value));
        let sum = crc32fast::hash(&forged[at..at + bytes]);
        forged[24 + number * 40 + 32..][..4].copy_from_slice(&sum.to_le_bytes());
        let end = 24 + sections.len() * 40;
        let sum = crc32fast::hash(&forged[..end]);
        forged[end..end + 4].copy_from_slice(&sum.to_le_bytes());
        std::fs::write(&path, &forged).unwrap();
        let error = file::load_memory(&path).unwrap_err();
        assert!(matches!(error, Error::Damaged { .. }), "{section} {place}: {error}");
    }
}

#[test]
fn errors_name_file_section_and_offset() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.kw");
    file::save_model(&path, &all_models()[2]).unwrap();
    let inspection = file::inspect(&path).unwrap();
    let weights = inspection.sections.iter().find(|section| section.name == "weights").unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[weights.offset as usize + 10] ^= 4;
    std::fs::write(&path, bytes).unwrap();
    let message = file::load_model(&path).unwrap_err().to_string();
    let expected = format!("section `weights`, byte {}", weights.offset);
    assert!(message.contains("model.kw") && message.contains(&expected), "{message}");
}

#[test]
fn other_files_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notes.kw");
    std::fs::write(&path, "not one of ours, though long enough for a header").unwrap();
    assert!(file::load_model(&path).unwrap_err().to_string().contains("not a .kw file"));
    assert!(matches!(file::load_model(folder.path()), Err(Error::Format { .. })));
    assert!(matches!(file::load_model(&folder.path().join("none")), Err(Error::Io { .. })));
    file::save_codes(&path, &SdrBatch::new(9).unwrap()).unwrap();
    assert!(file::load_model(&path).unwrap_err().to_string().contains("holds codes, not model"));
}

/// Saving over a file in a folder that can't be written leaves the old file.
#[test]
fn a_failed_save_leaves_the_old_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("missing").join("model.kw");
    assert!(matches!(file::save_model(&path, &all_models()[0]), Err(Error::Io { .. })));
    let names = std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(names, 0, "nothing may be left behind");
}
