//! Whatever bytes come in, no parser panics, hangs or asks for memory that the input does not account
//! for.
//!
//! Each parser gets valid inputs with random damage. `KWINNERS_DAMAGES` is how many of each (300 unless
//! said), `KWINNERS_DAMAGE_SEED` draws others. The targets in `fuzz/` do the same, led by coverage.

mod common;

use std::fs;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use common::{checksums, images, settings};
use kwinners::data::{self, CodeFormat, DataDirs, Spec};
use kwinners::encoder::{Autoencoder, AutoencoderSettings, Model};
use kwinners::file::{self, About, SaeLayout, SavedModel};
use kwinners::memory::RecallRule;
use kwinners::{AssociativeMemory, Rng, Sdr, SdrBatch};

/// Counts what is allocated, and refuses more than it is told to.
#[global_allocator]
static ALLOCATOR: cap::Cap<std::alloc::System> = cap::Cap::new(std::alloc::System, usize::MAX);

/// One parser at a time: what another one allocates would be counted too.
static ALONE: Mutex<()> = Mutex::new(());

/// Room for what a parser may need whatever comes in, in bytes: threads, buffers, decompression.
const ROOM: usize = 256 << 20;

fn number(name: &str, usual: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

/// One damage: bits, bytes, numbers, cuts, pieces moved; up to four of them at a time.
fn damage(bytes: &mut Vec<u8>, rng: &mut Rng) {
    for _ in 0..1 + rng.below(4) {
        if bytes.is_empty() {
            bytes.push(rng.next_u64() as u8);
        }
        let (at, length) = (rng.below(bytes.len()), bytes.len());
        match rng.below(9) {
            0 => bytes[at] ^= 1 << rng.below(8),
            1 => bytes[at] = rng.next_u64() as u8,
            2 => bytes[at] = [0, 1, 0x7F, 0x80, 0xFF, b'9', b',', b'\n'][rng.below(8)],
            3 => bytes.truncate(at),
            4 => bytes.insert(at, rng.next_u64() as u8),
            5 => {
                let piece = bytes[at..length.min(at + 1 + rng.below(16))].to_vec();
                let to = rng.below(length);
                bytes.splice(to..to, piece);
            }
            6 => drop(bytes.drain(at..length.min(at + 1 + rng.below(16)))),
            7 => {
                let forged = [0, 1, u64::MAX, 1 << 31, 1 << 32, 1 << 40, u64::MAX / 2];
                let forged = forged[rng.below(forged.len())].to_le_bytes();
                let end = length.min(at + 8);
                bytes[at..end].copy_from_slice(&forged[..end - at]);
            }
            _ => {
                let digits = b"99999999999999999999";
                bytes.splice(at..at, digits[..1 + rng.below(20)].iter().copied());
            }
        }
    }
}

/// Gives `parse` damaged copies of `whole`, which it must take as it is.
fn try_damages(what: &str, whole: &[u8], mut parse: impl FnMut(&[u8]) -> bool) {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    assert!(parse(whole), "{what}: the undamaged input is refused");
    let seed = number("KWINNERS_DAMAGE_SEED", 0);
    for trial in 0..number("KWINNERS_DAMAGES", 300) {
        let mut rng = Rng::of_stream(seed, trial);
        let mut bytes = whole.to_vec();
        damage(&mut bytes, &mut rng);
        ALLOCATOR.set_limit(ALLOCATOR.allocated() + ROOM + 64 * bytes.len()).unwrap();
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| parse(&bytes)));
        ALLOCATOR.set_limit(usize::MAX).unwrap();
        assert!(result.is_ok(), "{what}: trial {trial} of seed {seed} panicked");
    }
}

/// The same for a parser of files called `name`, valid ones of which `write` makes.
fn try_files(name: &str, write: impl Fn(&Path), mut load: impl FnMut(&Path) -> bool) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    write(&path);
    let whole = fs::read(&path).unwrap();
    try_damages(name, &whole, |bytes| {
        fs::write(&path, bytes).unwrap();
        load(&path)
    });
}

/// The same for a parser of texts.
fn try_texts(what: &str, texts: &[&str], parse: impl Fn(&str) -> bool) {
    for text in texts {
        try_damages(what, text.as_bytes(), |bytes| parse(&String::from_utf8_lossy(bytes)));
    }
}

fn codes() -> SdrBatch {
    let (mut rng, mut codes) = (Rng::new(1), SdrBatch::new(90).unwrap());
    (0..12).for_each(|_| codes.push(&rng.distinct(5, 90)).unwrap());
    codes
}

/// Loads as it is, then with checksums put right: what they cover is reached.
fn try_kw(name: &str, write: impl Fn(&Path), load: impl Fn(&Path) -> bool) {
    try_files(name, &write, |path| {
        let plain = load(path);
        let _ = file::inspect(path);
        let mut bytes = fs::read(path).unwrap();
        checksums::put_right(&mut bytes);
        fs::write(path, bytes).unwrap();
        let repaired = load(path);
        plain || repaired
    });
}

#[test]
fn damaged_files_of_ours() {
    try_kw(
        "codes.kw",
        |path| file::save_codes(path, &codes()).unwrap(),
        |path| file::load_codes(path).is_ok(),
    );
    let mut memory = AssociativeMemory::new(30, 90).unwrap();
    for (number, code) in codes().iter().enumerate() {
        let cue = Sdr::new(30, vec![number as u32, 29]).unwrap();
        memory.store(cue.view(), code).unwrap();
    }
    try_kw(
        "memory.kw",
        |path| file::save_memory(path, &memory).unwrap(),
        |path| file::load_memory(path).is_ok(),
    );
    let data = images(30, 16, 2);
    for kind in
        Model::KINDS.iter().filter(|kind| !["conv-wta", "patches", "classifier"].contains(kind))
    {
        let pairs = settings(&[("units", "12"), ("winners", "3")]);
        // The kind may call these settings something else; then its defaults will do.
        let model = Model::new(kind, &pairs, data.rows())
            .or_else(|_| Model::new(kind, &[], data.rows()))
            .unwrap();
        let saved = SavedModel { model, about: About::of(&data), checkpoint: None };
        try_kw(
            &format!("{kind}.kw"),
            |path| file::save_model(path, &saved).unwrap(),
            |path| file::load_model(path).is_ok(),
        );
    }
}

#[test]
fn damaged_files_of_others() {
    let read = |path: &Path| data::read_codes(path, Some(90)).is_ok();
    for (name, format) in [
        ("csr.npz", CodeFormat::CsrNpz),
        ("packed.npy", CodeFormat::PackedNpy),
        ("index.npy", CodeFormat::IndexNpy),
        ("lists.parquet", CodeFormat::Parquet),
    ] {
        try_files(name, |path| data::write_codes(path, &codes(), format).unwrap(), read);
    }
    let load = |path: &Path| {
        let spec = Spec::parse(path.to_str().unwrap()).unwrap();
        data::load(&spec, &DataDirs::default()).is_ok()
    };
    let values: Vec<f32> = (0..60).map(|value| value as f32).collect();
    try_files("rows.npy", |path| data::write_npy(path, &values, &[10, 6]).unwrap(), load);
    let table = "1,2.5,-3e4\n4,5,6\n0.1,nan,8\n".replace("nan", "7");
    try_files("rows.csv", |path| fs::write(path, &table).unwrap(), load);
    let idx = [&[0, 0, 8, 3, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0, 5][..], &[7; 60]].concat();
    try_files("images-idx3-ubyte", |path| fs::write(path, &idx).unwrap(), load);
    let vectors = [&6i32.to_le_bytes()[..], &[1, 2, 3, 4, 5, 6]].concat().repeat(4);
    try_files("rows.bvecs", |path| fs::write(path, &vectors).unwrap(), load);
}

#[test]
fn damaged_exchange_files() {
    let data = images(30, 16, 3);
    let pairs = settings(&[("units", "20"), ("winners", "3"), ("selection", "topk")]);
    let model =
        Autoencoder::new(AutoencoderSettings::of_pairs(&pairs).unwrap(), data.rows()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    file::save_sae(folder.path(), &model, SaeLayout::SaeLens).unwrap();
    for name in ["cfg.json", "sae.safetensors"] {
        let path = folder.path().join(name);
        let whole = fs::read(&path).unwrap();
        try_damages(name, &whole, |bytes| {
            fs::write(&path, bytes).unwrap();
            file::load_sae(folder.path()).is_ok()
        });
        fs::write(&path, whole).unwrap();
    }
}

#[test]
fn damaged_texts() {
    let specs = ["mnist:train[10..500]", "a/b.npy[5..],labels.npy", "words.tar.gz:train", "digits"];
    try_texts("SPEC", &specs, |text| Spec::parse(text).is_ok());
    try_texts("recall rule", &["winners=14", "percent=50"], |text| {
        text.parse::<RecallRule>().is_ok()
    });
    let networks =
        ["conv 32 5, pool 2, k-winners 400, linear 100", "linear 1000 density=0.3, k-winners 100"];
    // Narrow, so that the most units there may be fit into the room.
    let data = images(20, 5, 4);
    try_texts("layers", &networks[1..], |text| {
        Model::new("classifier", &settings(&[("layers", text)]), inputs(&data)).is_ok()
    });
    try_texts("settings", &["0.003", "30"], |text| {
        let learning = Model::new("tied", &settings(&[("learning_rate", text)]), data.rows());
        let winners = Model::new("tied", &settings(&[("winners", text)]), data.rows());
        learning.is_ok() || winners.is_ok()
    });
}

/// The rows of `data` as what a classifier learns from.
fn inputs(data: &kwinners::Dataset) -> kwinners::encoder::Inputs<'_> {
    kwinners::encoder::Inputs { rows: data.rows(), image: None, classes: 4 }
}
