//! What several tests are made of.
#![allow(dead_code, reason = "each test uses its part")]

pub(crate) mod checksums;

use kwinners::encoder::Model;
use kwinners::file::{self, About, SavedModel};
use kwinners::{Dataset, Encoder, KWinners, Rng, Rows, SdrBatch};

/// Sparse non-negative images of ten kinds, a little like digits.
pub(crate) fn images(len: usize, width: usize, seed: u64) -> Dataset {
    let mut rng = Rng::new(seed);
    let kinds: Vec<Vec<u32>> = (0..10).map(|_| rng.distinct(width / 5, width)).collect();
    let mut values = vec![0.0; len * width];
    for (number, row) in values.chunks_exact_mut(width).enumerate() {
        for &pixel in &kinds[number % 10] {
            row[pixel as usize] = if rng.uniform() < 0.8 { rng.between(0.3, 1.0) } else { 0.0 };
        }
    }
    Dataset::new("images", values, width).unwrap()
}

/// Settings as the command line gives them.
pub(crate) fn settings(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect()
}

/// Does `work` on so many threads.
pub(crate) fn with_threads<T: Send>(threads: usize, work: impl FnOnce() -> T + Send) -> T {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(work)
}

/// The file that `model`, fitted to `data`, is saved in.
pub(crate) fn saved_bytes(model: Model, data: &Dataset) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.kw");
    let saved = SavedModel { model, about: About::of(data), checkpoint: None };
    file::save_model(&path, &saved).unwrap();
    std::fs::read(path).unwrap()
}

/// An encoder of as many units as values: the largest values win, ties to the first.
pub(crate) struct Largest {
    pub(crate) units: usize,
    pub(crate) winners: usize,
}

impl Encoder for Largest {
    fn input_width(&self) -> usize {
        self.units
    }

    fn units(&self) -> usize {
        self.units
    }

    fn winners(&self) -> usize {
        self.winners
    }

    fn encode_into(&self, rows: Rows<'_>, codes: &mut SdrBatch) -> kwinners::Result<()> {
        KWinners::new(self.units, self.winners)?.winners_of_rows(rows, codes)
    }
}
