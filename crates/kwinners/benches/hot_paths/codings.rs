//! Bits that a code takes in a file, beside what other codings would take: the measurement that Rice
//! numbers were chosen by.

use kwinners::encoder::{Encoder, Learner, Tied, TiedSettings};
use kwinners::sdr::code_bits;
use kwinners::{Dataset, SdrBatch, file};

use super::Task;
use super::index::{Kind, draw};

/// Uniform, clustered and learned codes; the last of `images`.
pub(crate) fn run(images: &Dataset) {
    let quick = std::env::var("KWINNERS_BENCH").is_ok_and(|mode| mode == "quick");
    let len = if quick { 5_000 } else { 200_000 };
    compare("uniform", &draw(len, Kind::Uniform).0);
    compare("clustered", &draw(len, Kind::Clustered).0);
    for (units, winners) in [(1000, 30), (4096, 32)] {
        let settings = TiedSettings { units, winners, batch: 256, ..TiedSettings::default() };
        let mut tied = Tied::new(settings, images.rows()).expect("possible settings");
        for rows in images.rows().blocks(256) {
            tied.learn(rows, None).expect("finite images");
        }
        compare("learned", &tied.encode(images.rows()).expect("finite images"));
    }
}

/// Prints what `codes` take, all of them with the same number of units on.
fn compare(kind: &str, codes: &SdrBatch) {
    let (n, k) = (codes.units(), codes.get(0).count());
    let size = format!("{} {kind} x {n} bits, {k} on", codes.len());
    let emit = |task, bits| {
        Task { task, n: size.clone(), threads: 1 }.emit("bits/code", bits, bits, 1);
    };
    let folder = tempfile::tempdir().expect("a folder for a while");
    let path = folder.path().join("codes.kw");
    file::save_codes(&path, codes).expect("room");
    let bytes = std::fs::metadata(&path).expect("it was written").len();
    emit("Rice, the whole file", bytes as f64 * 8.0 / codes.len() as f64);
    emit("enumerative", code_bits(n, k).ceil());
    let low = (n / k).ilog2() as usize;
    emit("Elias-Fano", (k * (low + 1) + (n >> low)) as f64);
    emit("duty cycles, arithmetic coding", by_duty_cycles(codes, k));
}

/// The mean of `-log2 P(code)` where units are on independently, as often as in `codes`, given that `k` are:
/// what no coding by duty cycles alone can do without.
fn by_duty_cycles(codes: &SdrBatch, k: usize) -> f64 {
    let len = codes.len() as f64;
    let share = |count| (f64::from(count) + 0.5) / (len + 1.0);
    let shares: Vec<f64> = codes.unit_counts().into_iter().map(share).collect();
    // The probability that `on` of the units so far are on.
    let mut chances = vec![0.0; k + 1];
    chances[0] = 1.0;
    for share in &shares {
        for on in (1..=k).rev() {
            chances[on] = chances[on] * (1.0 - share) + chances[on - 1] * share;
        }
        chances[0] *= 1.0 - share;
    }
    let off: f64 = shares.iter().map(|share| (1.0 - share).log2()).sum();
    let bits = |code: &[u32]| {
        let odds = code.iter().map(|&unit| {
            let share = shares[unit as usize];
            (share / (1.0 - share)).log2()
        });
        chances[k].log2() - off - odds.sum::<f64>()
    };
    codes.iter().map(|code| bits(code.indices())).sum::<f64>() / len
}
