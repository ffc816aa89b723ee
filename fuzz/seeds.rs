//! Writes small valid inputs for the targets: `corpus/TARGET/`, beside this file.

use std::fs;
use std::path::{Path, PathBuf};

use kwinners::data::{self, CodeFormat};
use kwinners::encoder::{Autoencoder, AutoencoderSettings, Model};
use kwinners::file::{self, About, SaeLayout, SavedModel};
use kwinners::index::{Layout, SdrIndex};
use kwinners::{AssociativeMemory, Dataset, Rng, SdrBatch};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> Result<()> {
    kw()?;
    codes()?;
    data_sets()?;
    exchange()?;
    texts()
}

fn folder(target: &str) -> Result<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    fs::create_dir_all(&folder)?;
    Ok(folder)
}

fn some_codes() -> Result<SdrBatch> {
    let (mut rng, mut codes) = (Rng::new(1), SdrBatch::new(90)?);
    for _ in 0..12 {
        codes.push(&rng.distinct(5, 90))?;
    }
    Ok(codes)
}

fn some_rows() -> Result<Dataset> {
    let mut rng = Rng::new(2);
    let values = (0..20 * 16).map(|_| rng.uniform() as f32).collect();
    Ok(Dataset::new("rows", values, 16)?)
}

/// Every kind of model with few units, codes, indexes of both layouts, a memory.
fn kw() -> Result<()> {
    let (folder, codes, data) = (folder("kw")?, some_codes()?, some_rows()?);
    let small = [("units", "12"), ("winners", "3")].map(|(key, value)| (key.into(), value.into()));
    for kind in Model::KINDS {
        // Kinds that call these settings something else, or take images only, are left out.
        let Ok(model) = Model::new(kind, &small, data.rows()) else { continue };
        let saved = SavedModel { model, about: About::of(&data), checkpoint: None };
        file::save_model(&folder.join(kind), &saved)?;
    }
    file::save_codes(&folder.join("codes"), &codes)?;
    for (name, layout) in [("columns", Layout::Columns), ("lists", Layout::Lists)] {
        let mut index = SdrIndex::with_layout(codes.units(), layout)?;
        index.add(&codes)?;
        file::save_index(&folder.join(name), &index)?;
        file::append_to_index(&folder.join(name), &codes)?;
    }
    let mut memory = AssociativeMemory::new(90, 90)?;
    memory.store_all(&codes, &codes)?;
    Ok(file::save_memory(&folder.join("memory"), &memory)?)
}

/// Puts the byte that chooses the format before the contents of `file`.
fn choose(kind: u8, file: &Path) -> Result<()> {
    let contents = fs::read(file)?;
    Ok(fs::write(file, [&[kind], &contents[..]].concat())?)
}

fn codes() -> Result<()> {
    let (folder, codes) = (folder("codes")?, some_codes()?);
    let formats = [
        (0, "packed.npy", CodeFormat::PackedNpy),
        (0, "index.npy", CodeFormat::IndexNpy),
        (1, "csr.npz", CodeFormat::CsrNpz),
        (2, "lists.parquet", CodeFormat::Parquet),
    ];
    for (kind, name, format) in formats {
        data::write_codes(&folder.join(name), &codes, format)?;
        choose(kind, &folder.join(name))?;
    }
    Ok(())
}

fn data_sets() -> Result<()> {
    let folder = folder("data")?;
    let values: Vec<f32> = (0..60).map(|value| value as f32).collect();
    data::write_npy(&folder.join("npy"), &values, &[10, 6])?;
    choose(0, &folder.join("npy"))?;
    let idx = [&[0, 0, 8, 3, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0, 5][..], &[7; 60]].concat();
    let vectors = [&6i32.to_le_bytes()[..], &[1, 2, 3, 4, 5, 6]].concat().repeat(4);
    let texts = [(2, "csv", &b"1,2.5,-3e4\n4,5,6\n"[..]), (3, "idx", &idx), (4, "bvecs", &vectors)];
    for (kind, name, contents) in texts {
        fs::write(folder.join(name), [&[kind], contents].concat())?;
    }
    Ok(())
}

fn exchange() -> Result<()> {
    let (folder, data) = (folder("exchange")?, some_rows()?);
    let settings = AutoencoderSettings { units: 20, winners: 3, ..Default::default() };
    let model = Autoencoder::new(settings, data.rows())?;
    let saved = tempfile::tempdir()?;
    file::save_sae(saved.path(), &model, SaeLayout::SaeLens)?;
    let read = |name| fs::read(saved.path().join(name));
    Ok(fs::write(folder.join("sae"), [read("cfg.json")?, vec![0], read("sae.safetensors")?].concat())?)
}

fn texts() -> Result<()> {
    let folder = folder("text")?;
    let texts = [
        ("spec", "mnist:train[10..500]"),
        ("pair", "a/b.npy[5..],labels.npy"),
        ("rule", "winners=14"),
        ("layers", "conv 32 5, pool 2, batch-norm affine, relu, linear 100 density=0.3, k-winners 10"),
        ("setting", "learning_rate=0.003"),
    ];
    for (name, text) in texts {
        fs::write(folder.join(name), text)?;
    }
    Ok(())
}
