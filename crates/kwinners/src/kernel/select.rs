//! Which `k` of `n` scores are the largest: exactly `k`, ties to the lowest index.
//!
//! In words:
//! 1. One pass over the row takes the largest score of each of about `2k` groups. The `k`-th largest
//!    of these is at most the `k`-th largest score: a threshold that nearly all losers fail.
//! 2. A second pass (the row is in the cache now) lists the places that reach the threshold: a
//!    little more than `k` of them on ordinary scores, all of them at worst.
//! 3. The exact `k`-th largest of these few is found by bisection on their keys. A NaN is not below
//!    any threshold, so it is among the few and found here.
//!
//! Cost: `O(n)`, two reads of the row. The floor is one read: 4 KB for 1,000 units.

/// See [`super::Table::select`]. Panics unless `1 <= out.len() <= scores.len()`.
pub(super) type Select =
    fn(scores: &[f32], scratch: &mut SelectScratch, out: &mut [u32]) -> Result<(), usize>;

/// The steps of the selection, for one instruction set. "Key" is an `f32` as an `i32` of the same
/// order ([`key`]).
pub(super) struct Steps {
    /// Largest key of each of `maxima.len()` groups, group `g` being the scores at `g`,
    /// `g + maxima.len()`, ...; `maxima.len()` is a multiple of 16. NaN is passed over.
    pub(super) group_maxima: fn(scores: &[f32], maxima: &mut [i32]),
    /// [`narrow`] over `keys`, whose length is a multiple of 16, filled up with `i32::MIN`.
    pub(super) kth_key: fn(keys: &[i32], k: usize, effort: Effort) -> (i32, usize),
    /// Writes the places of the scores that are not below `threshold`, NaN among them, to the front
    /// of `places`, which has 64 more places than there are scores; returns how many there are.
    pub(super) places_at_least: fn(scores: &[f32], threshold: f32, places: &mut [u32]) -> usize,
    /// Writes the keys of the scores at the first `count` of `places`, and `i32::MIN` to the rest of
    /// `keys`, which is as long as `places`: a multiple of 16. True if one is NaN.
    pub(super) gather_keys:
        fn(scores: &[f32], places: &[u32], count: usize, keys: &mut [i32]) -> bool,
    /// Writes the places of all keys that reach the threshold to `out`, which they fill just so;
    /// `keys` as for `kth_key`, `places` at least as long.
    pub(super) keep_at_least: fn(keys: &[i32], threshold: i32, places: &[u32], out: &mut [u32]),
}

/// Lanes of the widest kernel; keys come in whole numbers of it.
const LANES: usize = 16;
/// Places that a kernel may write past the last one that counts.
const SPARE_PLACES: usize = 64;
/// Buffers of [`select`], kept between calls.
#[derive(Debug, Default)]
pub(crate) struct SelectScratch {
    keys: Vec<i32>,
    pub(super) places: Vec<u32>,
}

impl SelectScratch {
    /// Room for the places of `n` scores and for `keys` keys.
    pub(super) fn make_room(&mut self, n: usize, keys: usize) {
        if self.places.len() < n + SPARE_PLACES {
            self.places.resize(n + SPARE_PLACES, 0);
        }
        if self.keys.len() < keys {
            self.keys.resize(keys, 0);
        }
    }
}

/// An `f32` (not NaN) as an `i32` of the same order; `-0.0` and `0.0` must be made equal before.
#[inline(always)]
pub(super) fn key(score: f32) -> i32 {
    let bits = score.to_bits() as i32;
    bits ^ ((bits >> 31) & 0x7FFF_FFFF)
}

/// The inverse of [`key`].
#[inline(always)]
pub(super) fn score_of(key: i32) -> f32 {
    f32::from_bits((key ^ ((key >> 31) & 0x7FFF_FFFF)) as u32)
}

/// The value that bisection tries between two keys, `low < high`.
#[inline(always)]
fn middle(low: i32, high: i32) -> i32 {
    ((i64::from(low) + i64::from(high) + 1) >> 1) as i32
}

/// The selection, step by step.
#[inline(always)]
pub(super) fn select(
    steps: &Steps,
    scores: &[f32],
    scratch: &mut SelectScratch,
    out: &mut [u32],
) -> Result<(), usize> {
    let (n, k) = (scores.len(), out.len());
    assert!(0 < k && k <= n, "between 1 and n winners");
    let groups = groups_for(n, k);
    scratch.make_room(n, groups);
    let maxima = &mut scratch.keys[..groups];
    (steps.group_maxima)(scores, maxima);
    let threshold = score_of((steps.kth_key)(maxima, k, Effort::Rough).0);
    let candidates = (steps.places_at_least)(scores, threshold, &mut scratch.places);
    let padded = candidates.next_multiple_of(LANES);
    scratch.make_room(n, padded);
    let (keys, places) = (&mut scratch.keys[..padded], &scratch.places[..padded]);
    if (steps.gather_keys)(scores, places, candidates, keys) {
        return Err(first_nan(scores));
    }
    let (threshold, count) = (steps.kth_key)(keys, k, Effort::Exact);
    if count == k {
        (steps.keep_at_least)(keys, threshold, places, out);
    } else {
        keep_first_of_ties(&keys[..candidates], threshold, places, out);
    }
    Ok(())
}

/// Number of groups whose maxima give the first threshold: about `2k`, a multiple of 16.
pub(super) fn groups_for(n: usize, k: usize) -> usize {
    (2 * k).next_multiple_of(LANES).min(n.next_multiple_of(LANES))
}

/// The place to name when some score is NaN.
#[cold]
pub(super) fn first_nan(scores: &[f32]) -> usize {
    scores.iter().position(|score| score.is_nan()).unwrap_or(0)
}

/// The places of all keys above the threshold, and as many of the first ones on it as `out` has room
/// for.
pub(super) fn keep_first_of_ties(keys: &[i32], threshold: i32, places: &[u32], out: &mut [u32]) {
    let above = keys.iter().filter(|&&key| key > threshold).count();
    let mut ties = out.len() - above;
    let mut slots = out.iter_mut();
    for (&key, &place) in keys.iter().zip(places) {
        let tied = key == threshold;
        if key < threshold || (tied && ties == 0) {
            continue;
        }
        ties -= usize::from(tied);
        if let Some(slot) = slots.next() {
            *slot = place;
        }
    }
}

/// How hard [`narrow`] searches.
#[derive(Clone, Copy)]
pub(super) enum Effort {
    /// Five halvings, whatever happens: the threshold comes within 1/32 of the range of the
    /// maxima, which lets a few per cent more candidates pass, and no branch depends on the data.
    Rough,
    /// Until exactly `k` keys reach the threshold or no other key is left.
    Exact,
}

/// Narrows what lies between `range.0`, which at least `k` keys reach, and `range.1`, which fewer
/// than `k` are above. Returns the lower end and how many keys reach it.
#[inline(always)]
pub(super) fn narrow(
    range: (i32, i32),
    k: usize,
    effort: Effort,
    reaching: impl Fn(i32) -> usize,
) -> (i32, usize) {
    let mut between = Between { low: range.0, high: range.1, count: usize::MAX };
    match effort {
        Effort::Rough => {
            for _ in 0..5 {
                let tried = middle(between.low, between.high);
                between.cut(tried, reaching(tried), k);
            }
        }
        Effort::Exact => {
            while between.count != k && between.low < between.high {
                let tried = middle(between.low, between.high);
                between.cut(tried, reaching(tried), k);
            }
        }
    }
    if between.count == usize::MAX {
        between.count = reaching(between.low);
    }
    (between.low, between.count)
}

/// At least `k` keys reach `low`, `count` of them if that is known; fewer are above `high`.
struct Between {
    low: i32,
    high: i32,
    count: usize,
}

impl Between {
    /// Takes in that `reached` keys reach `tried`; without branches, none of which could be foretold.
    #[inline(always)]
    fn cut(&mut self, tried: i32, reached: usize, k: usize) {
        let enough = reached >= k;
        self.count = if enough { reached } else { self.count };
        self.low = if enough { tried } else { self.low };
        self.high = if enough { self.high } else { (tried - 1).max(self.low) };
    }
}
