//! Whether codes stay what they were: while the encoder learns, and while the input decays.

use crate::encoder::Encoder;
use crate::error::{Error, Result};
use crate::rng::Rng;
use crate::rows::Rows;
use crate::sdr::SdrBatch;

/// Steps from the clean input to one that has none of its bits left.
const STEPS: usize = 20;

/// Inputs encoded at once.
const INPUTS_A_BLOCK: usize = 2048;

/// How much of the codes is as it was: `mean |after ∧ before| / mean |after|`, of the same inputs
/// before and after some learning. 1 where nothing changed; NaN where no unit is on.
///
/// Source: the stability of Cui, Ahmad and Hawkins, "The HTM Spatial Pooler", 2017, and its programs.
///
/// ```
/// use kwinners::{SdrBatch, metrics::stability};
/// let before = SdrBatch::from_exact(8, 2, vec![0, 1, 4, 6])?;
/// let after = SdrBatch::from_exact(8, 2, vec![0, 1, 4, 7])?;
/// assert_eq!(stability(&before, &after)?, 0.75);
/// # Ok::<(), kwinners::Error>(())
/// ```
///
/// # Errors
/// If the two differ in units or in length.
pub fn stability(before: &SdrBatch, after: &SdrBatch) -> Result<f64> {
    if before.len() != after.len() {
        return Err(Error::shape("codes after", format!("{} codes", before.len()), after.len()));
    }
    let mut kept = 0;
    for (before, after) in before.iter().zip(after.iter()) {
        kept += after.overlap(before)?;
    }
    Ok(kept as f64 / after.indices().len() as f64)
}

/// How alike the codes of clean and of decayed inputs are: 21 shares, for 0, 1/20 ... 20/20 of the
/// bits of each binary input moved elsewhere.
///
/// A share is the mean over the inputs of `overlap / min(|clean|, |decayed|)`, 0 where a code is
/// empty. Of `w` bits `⌊w · level⌋` are moved, at most as many as there are places that are off. Each
/// input draws on its own from `seed`. Cost: 22 encodings of all inputs.
///
/// Source: Cui, Ahmad and Hawkins, "The HTM Spatial Pooler", 2017.
///
/// # Errors
/// If an input has not as many bits as the encoder takes values.
pub fn noise_robustness(encoder: &dyn Encoder, inputs: &SdrBatch, seed: u64) -> Result<Vec<f64>> {
    let clean = encode_bits(encoder, inputs)?;
    (0..=STEPS).map(|step| alike(encoder, &clean, &decayed(inputs, step, seed)?)).collect()
}

/// The inputs with `step` twentieths of their bits moved.
fn decayed(inputs: &SdrBatch, step: usize, seed: u64) -> Result<SdrBatch> {
    let of_step = Rng::of_stream(seed, step as u64).next_u64();
    let mut decayed = SdrBatch::new(inputs.units())?;
    for (place, input) in inputs.iter().enumerate() {
        let moved = (input.count() * step / STEPS).min(input.units() - input.count());
        let mut rng = Rng::of_stream(of_step, place as u64);
        decayed.push(input.with_moved(moved, &mut rng)?.indices())?;
    }
    Ok(decayed)
}

fn alike(encoder: &dyn Encoder, clean: &SdrBatch, decayed: &SdrBatch) -> Result<f64> {
    let codes = encode_bits(encoder, decayed)?;
    let mut total = 0.0;
    for (a, b) in clean.iter().zip(codes.iter()) {
        total += a.overlap(b)? as f64 / a.count().min(b.count()).max(1) as f64;
    }
    Ok(total / clean.len().max(1) as f64)
}

/// The codes of binary inputs, each bit a value of 0 or 1.
fn encode_bits(encoder: &dyn Encoder, inputs: &SdrBatch) -> Result<SdrBatch> {
    let mut codes = SdrBatch::new(encoder.units())?;
    let places: Vec<usize> = (0..inputs.len()).collect();
    for places in places.chunks(INPUTS_A_BLOCK) {
        let dense: Vec<f32> = places.iter().flat_map(|&at| inputs.get(at).to_dense()).collect();
        encoder.encode_into(Rows::new(&dense, inputs.units())?, &mut codes)?;
    }
    Ok(codes)
}
