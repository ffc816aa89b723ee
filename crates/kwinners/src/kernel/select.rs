//! Which `k` of `n` scores are the largest: exactly `k`, ties to the lowest index.
//!
//! In words:
//! 1. One pass over the row takes the largest score of each of about `2k` groups. The `k`-th largest
//!    of these is at most the `k`-th largest score: a threshold that nearly all losers fail.
//! 2. A second pass (the row is in the cache now) lists the places that reach the threshold: a
//!    little more than `k` of them on ordinary scores, all of them at worst.
//! 3. The exact `k`-th largest of these few is found by bisection on their keys.
//!
//! Cost: `O(n)`, two reads of the row. The floor is one read: 4 KB for 1,000 units.

use super::Table;

/// Lanes of the widest kernel; buffers are whole numbers of it.
const LANES: usize = 16;

/// Buffers of [`select`], kept between calls.
#[derive(Debug, Default)]
pub(crate) struct SelectScratch {
    keys: Vec<i32>,
    places: Vec<u32>,
}

/// An `f32` (not NaN) as an `i32` of the same order; `-0.0` and `0.0` must be made equal before.
#[inline(always)]
pub(super) fn key(score: f32) -> i32 {
    let bits = score.to_bits() as i32;
    bits ^ ((bits >> 31) & 0x7FFF_FFFF)
}

/// The inverse of [`key`].
#[inline(always)]
fn score_of(key: i32) -> f32 {
    f32::from_bits((key ^ ((key >> 31) & 0x7FFF_FFFF)) as u32)
}

/// The value that bisection tries between two keys, `low < high`.
#[inline(always)]
pub(super) fn middle(low: i32, high: i32) -> i32 {
    ((i64::from(low) + i64::from(high) + 1) >> 1) as i32
}

/// Writes the indices of the `out.len()` largest scores to `out`, strictly increasing; equal scores
/// go to the lowest index. `Err(index)` names a NaN.
///
/// # Panics
/// If `out` is empty or longer than `scores`.
pub(crate) fn select(
    table: &Table,
    scores: &[f32],
    scratch: &mut SelectScratch,
    out: &mut [u32],
) -> Result<(), usize> {
    let (n, k) = (scores.len(), out.len());
    assert!(0 < k && k <= n, "between 1 and n winners");
    let groups = (2 * k).next_multiple_of(LANES).min(n.next_multiple_of(LANES));
    scratch.keys.resize(groups.max(scratch.keys.len()), 0);
    let maxima = &mut scratch.keys[..groups];
    if (table.group_maxima)(scores, maxima) {
        return Err(scores.iter().position(|score| score.is_nan()).unwrap_or(0));
    }
    let threshold = score_of((table.kth_key)(maxima, k, k / 4 + 1).0);
    scratch.places.resize((n + LANES).max(scratch.places.len()), 0);
    let candidates = (table.places_at_least)(scores, threshold, &mut scratch.places);
    let places = &scratch.places[..candidates];
    if candidates == k {
        out.copy_from_slice(places);
        return Ok(());
    }
    let padded = candidates.next_multiple_of(LANES);
    scratch.keys.resize(padded.max(scratch.keys.len()), 0);
    let keys = &mut scratch.keys[..padded];
    for (slot, &place) in keys.iter_mut().zip(places) {
        *slot = key(scores[place as usize] + 0.0); // -0.0 + 0.0 = 0.0
    }
    keys[candidates..].fill(i32::MIN);
    let (threshold, count) = (table.kth_key)(keys, k, 0);
    let keys = &keys[..candidates];
    if count == k {
        (table.keep_at_least)(keys, threshold, places, out);
    } else {
        keep_first_of_ties(keys, threshold, places, out);
    }
    Ok(())
}

/// All places above the threshold and as many of the first ones on it as there is room for.
fn keep_first_of_ties(keys: &[i32], threshold: i32, places: &[u32], out: &mut [u32]) {
    let above = keys.iter().filter(|&&key| key > threshold).count();
    let mut ties = out.len() - above;
    let mut slots = out.iter_mut();
    for (&key, &place) in keys.iter().zip(places) {
        if key < threshold || (key == threshold && ties == 0) {
            continue;
        }
        ties -= usize::from(key == threshold);
        if let Some(slot) = slots.next() {
            *slot = place;
        }
    }
}
