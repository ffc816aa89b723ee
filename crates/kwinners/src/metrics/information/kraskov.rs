//! Information from the distances to nearest neighbours.

use std::f64::consts::LN_2;

use rayon::prelude::*;

use super::{Sample, digamma};
use crate::rng::Rng;

/// The neighbour whose distance counts.
const NEIGHBOUR: usize = 4;

/// Samples that are equal, as codes may be, are moved apart by up to this share of a deviation.
const JITTER: f32 = 1e-5;

const SEED: u64 = 0x006B_7367;

/// `ψ(k) + ψ(len) - mean(ψ(x + 1) + ψ(y + 1))`, `x` and `y` the samples that are nearer on that side alone
/// than the `k`-th nearest is on both.
pub(super) fn between_rows(x: &Sample, y: &Sample) -> f64 {
    let (x, y) = (jittered(x, 0), jittered(y, 1));
    let neighbour = NEIGHBOUR.min(x.len() - 1);
    let term = |place: usize| {
        let (of_x, of_y) = (distances(&x, place), distances(&y, place));
        let mut both: Vec<f32> = of_x.iter().zip(&of_y).map(|(a, b)| a.max(*b)).collect();
        both[place] = f32::INFINITY;
        let (_, reach, _) = both.select_nth_unstable_by(neighbour - 1, f32::total_cmp);
        // The sample itself is nearer: that is the 1 that is added.
        let nearer = |side: &[f32]| side.iter().filter(|distance| *distance < reach).count();
        digamma(nearer(&of_x).max(1) as f64) + digamma(nearer(&of_y).max(1) as f64)
    };
    let terms: Vec<f64> = (0..x.len()).into_par_iter().map(term).collect();
    let mean = terms.iter().sum::<f64>() / x.len() as f64;
    (digamma(neighbour as f64) + digamma(x.len() as f64) - mean) / LN_2
}

/// `ψ(k) + ψ(len) - mean(ψ(own) + ψ(nearer))`, `own` the samples of the class, `nearer` all those nearer than
/// the `k`-th nearest of the class. Samples that are alone in their class are left out.
pub(super) fn between_labels(x: &Sample, labels: &[u32]) -> f64 {
    let x = jittered(x, 0);
    let term = |place: usize| {
        let all = distances(&x, place);
        let is_own = |other: usize| labels[other] == labels[place] && other != place;
        let mut own: Vec<f32> =
            (0..all.len()).filter(|&other| is_own(other)).map(|other| all[other]).collect();
        let neighbour = NEIGHBOUR.min(own.len());
        if neighbour == 0 {
            return None;
        }
        let count = own.len() + 1;
        let (_, reach, _) = own.select_nth_unstable_by(neighbour - 1, f32::total_cmp);
        let nearer = all.iter().filter(|distance| *distance < reach).count();
        let known = digamma(neighbour as f64) - digamma(count as f64);
        Some(known - digamma(nearer.max(1) as f64))
    };
    let terms: Vec<f64> = (0..x.len()).into_par_iter().filter_map(term).collect();
    let len = terms.len() as f64;
    (digamma(len) + terms.iter().sum::<f64>() / len) / LN_2
}

/// The largest difference of a coordinate, from sample `place` to each sample.
fn distances(sample: &Sample, place: usize) -> Vec<f32> {
    let own = sample.row(place);
    let distance = |other: &[f32]| {
        own.iter().zip(other).fold(0.0, |most: f32, (a, b)| most.max((a - b).abs()))
    };
    sample.values.chunks_exact(sample.width).map(distance).collect()
}

fn jittered(sample: &Sample, side: u64) -> Sample {
    let mut rng = Rng::of_stream(SEED, side);
    let values = sample.values.iter().map(|value| value + JITTER * rng.uniform()).collect();
    Sample { values, width: sample.width }
}
