//! The kernels for AVX-512 (F, BW, DQ, VL, VBMI2, VPOPCNTDQ, BITALG): Ice Lake, Zen 4 and later.
//!
use std::arch::x86_64::*;

use super::Table;
use super::avx2::{add_tile_rows, update_tile};
use super::bit_rows::{self, avx512::count_bits};
use super::maps::spread::{add_sparse_rows, sparse_dots};
use super::maps::{self, RowPair, SparsePattern, Windows};
use super::pools::TILE_COLUMNS;
use super::pools::{self, Adaptation, Lanes, Synapses, WordRows};
use super::postings::wide::add_lines;
use super::postings::{self, Columns, Line};
use super::select::{Effort, SelectScratch, Steps, first_nan, keep_first_of_ties, key, narrow};
use super::tiles::{BLOCK, BlockedRows, CHUNK, Delta, Factors, GROUP, Pair, TILE_UNITS};
use super::vectors::{self, AdamStep, Moved, Noise, Weighted};

/// Whether this CPU has all that the kernels here use.
pub(super) fn is_available() -> bool {
    super::avx2::is_available()
        && is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512vbmi2")
        && is_x86_feature_detected!("avx512vpopcntdq")
        && is_x86_feature_detected!("avx512bitalg")
}

pub(super) static TABLE: Table = Table {
    name: "avx512",
    overlaps: entry!(overlaps(query: &[u64], rows: &[u64], out: &mut [u32]) -> ()),
    select: entry!(
        select(scores: &[f32], scratch: &mut SelectScratch, out: &mut [u32]) -> Result<(), usize>
    ),
    scores: entry!(
        scores(weights: &[f32], rows: &BlockedRows, out: &mut [f32], stride: usize) -> ()
    ),
    add_tile_rows: entry!(add_tile_rows(tile: &[f32], pairs: &[Pair], out: &mut [f32]) -> ()),
    update_tile: entry!(
        update_tile(tile: &mut [f32], pairs: &[Pair], delta: &Delta, factors: &Factors) -> ()
    ),
    add_weighted_rows: entry!(
        add_weighted_rows(rows: &[f32], parts: &[Weighted], out: &mut [f32]) -> ()
    ),
    add_weighted_runs: entry!(
        add_weighted_runs(values: &[f32], parts: &[Weighted], out: &mut [f32]) -> ()
    ),
    dots: entry!(dots(rows: &[f32], which: &[u32], vector: &[f32], out: &mut [f32]) -> ()),
    convolve: entry!(
        convolve(shape: &Windows, input: &[f32], weights: &[f32], bias: &[f32], out: &mut [f32]) -> ()
    ),
    convolve_listed: entry!(
        convolve_listed(shape: &Windows, listed: (&[Weighted], &[u32]), weights: &[f32], bias: &[f32], out: &mut [f32]) -> ()
    ),
    max_pool: entry!(
        max_pool(
            input: &[f32], shape: (usize, usize, usize), squares: (usize, usize), out: &mut [f32]
        ) -> ()
    ),
    add_outer: entry!(
        add_outer(rows: &mut [f32], vector: &[f32], parts: &[Weighted]) -> ()
    ),
    sum_dots: entry!(
        sum_dots(
            sides: (&[f32], &[f32], usize), pairs: &[RowPair], ends: &[u32], out: &mut [f32]
        ) -> ()
    ),
    add_sparse_rows: entry!(
        add_sparse_rows(
            pattern: &SparsePattern, values: &[f32], parts: &[Weighted], out: &mut [f32]
        ) -> ()
    ),
    sparse_dots: entry!(
        sparse_dots(
            pattern: &SparsePattern, values: &[f32], which: &[u32], sides: (&[f32], &mut [f32])
        ) -> ()
    ),
    adam: entry!(adam(moved: Moved<'_>, gradient: &[f32], step: &AdamStep) -> ()),
    sigmoid: entry!(sigmoid(values: &mut [f32]) -> ()),
    add_noise: entry!(add_noise(values: &mut [f32], start: u32, noise: &Noise) -> ()),
    pool_overlaps: entry!(
        pool_overlaps(
            tile: &[Lanes], first: usize, rows: &WordRows, out: &mut [u16], stride: usize
        ) -> ()
    ),
    bits_at_least: entry!(bits_at_least(values: &[f32], limit: f32, words: &mut [u16]) -> ()),
    adapt: entry!(
        adapt(
            column: &mut [Synapses], inputs: &[u16], rule: &Adaptation, tile: &mut [Lanes],
            lane: usize
        ) -> u32
    ),
    select_counts: entry!(select_counts(counts: &[u16], out: &mut [u32]) -> ()),
    local_winners: super::avx2::TABLE.local_winners,
    count_bits: entry!(count_bits(rows: &[&[u64]], counts: &mut [u16]) -> ()),
    common_bits: entry!(common_bits(rows: &[&[u64]], out: &mut [u64]) -> ()),
    add_lines: entry!(
        add_lines(
            columns: Columns<'_>, column: usize, units: &[u32], least: u32, planes: &mut [Line]
        ) -> Line
    ),
    counters_at_least: entry!(
        counters_at_least(counters: &[u16], least: u16, places: &mut Vec<u32>) -> ()
    ),
};

static STEPS: Steps = Steps {
    group_maxima: entry!(group_maxima_in_memory(scores: &[f32], maxima: &mut [i32]) -> ()),
    kth_key: entry!(kth_key(keys: &[i32], k: usize, effort: Effort) -> (i32, usize)),
    places_at_least: entry!(
        places_at_least(scores: &[f32], threshold: f32, places: &mut [u32]) -> usize
    ),
    gather_keys: entry!(
        gather_keys(scores: &[f32], places: &[u32], count: usize, keys: &mut [i32]) -> bool
    ),
    keep_at_least: entry!(
        keep_at_least(keys: &[i32], threshold: i32, places: &[u32], out: &mut [u32]) -> ()
    ),
};

#[target_feature(enable = "avx512f,avx512vpopcntdq")]
fn overlaps(query: &[u64], rows: &[u64], out: &mut [u32]) {
    assert!(query.len().is_multiple_of(8), "rows are whole cache lines");
    if query.len() == 16 {
        return overlaps_16(query, rows, out);
    }
    for (row, out) in rows.chunks_exact(query.len()).zip(out) {
        let mut counts = _mm512_setzero_si512();
        for (a, b) in row.chunks_exact(8).zip(query.chunks_exact(8)) {
            // SAFETY: both chunks hold 8 words, 64 bytes, and the loads need no alignment.
            let both = unsafe {
                _mm512_and_si512(
                    _mm512_loadu_si512(a.as_ptr().cast()),
                    _mm512_loadu_si512(b.as_ptr().cast()),
                )
            };
            counts = _mm512_add_epi64(counts, _mm512_popcnt_epi64(both));
        }
        *out = _mm512_reduce_add_epi64(counts) as u32;
    }
}

/// Codes of up to 1,024 units: the query stays in two registers.
#[target_feature(enable = "avx512f,avx512vpopcntdq")]
fn overlaps_16(query: &[u64], rows: &[u64], out: &mut [u32]) {
    let (query, _) = query.as_chunks::<8>();
    let q0 = load_words(&query[0]);
    let q1 = load_words(&query[1]);
    let (rows, _) = rows.as_chunks::<16>();
    for (row, out) in rows.iter().zip(out) {
        let (halves, _) = row.as_chunks::<8>();
        let first = _mm512_popcnt_epi64(_mm512_and_si512(load_words(&halves[0]), q0));
        let second = _mm512_popcnt_epi64(_mm512_and_si512(load_words(&halves[1]), q1));
        *out = _mm512_reduce_add_epi64(_mm512_add_epi64(first, second)) as u32;
    }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load_words(words: &[u64; 8]) -> __m512i {
    // SAFETY: the array is 64 bytes long and the load needs no alignment.
    unsafe { _mm512_loadu_si512(words.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load_keys(keys: &[i32; 16]) -> __m512i {
    // SAFETY: the array is 64 bytes long and the load needs no alignment.
    unsafe { _mm512_loadu_si512(keys.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load_floats(values: &[f32; 16]) -> __m512 {
    // SAFETY: the array is 64 bytes long and the load needs no alignment.
    unsafe { _mm512_loadu_ps(values.as_ptr()) }
}

/// Loads fewer than 16 values, the other lanes being -∞.
#[inline]
#[target_feature(enable = "avx512f")]
fn load_tail(values: &[f32]) -> __m512 {
    debug_assert!(values.len() < 16, "a tail is shorter than a register");
    let mask = ((1u32 << values.len()) - 1) as __mmask16;
    // SAFETY: only the lanes of the mask are read, one for each value of the slice.
    unsafe { _mm512_mask_loadu_ps(_mm512_set1_ps(f32::NEG_INFINITY), mask, values.as_ptr()) }
}

/// [`super::select::key`] of 16 scores, -0.0 counting as 0.0.
#[inline]
#[target_feature(enable = "avx512f")]
fn keys_of(scores: __m512) -> __m512i {
    let bits = _mm512_castps_si512(_mm512_add_ps(scores, _mm512_setzero_ps()));
    let flip = _mm512_and_si512(_mm512_srai_epi32::<31>(bits), _mm512_set1_epi32(0x7FFF_FFFF));
    _mm512_xor_si512(bits, flip)
}

/// Most winners for which the maxima of 64 groups give a threshold worth trying.
const FEW_WINNERS: usize = 40;
/// Fewest units for which the groups are long enough.
const MANY_UNITS: usize = 256;

/// As [`super::select::select`], but for few winners of many units all that is data-dependent is
/// done without a branch, so that the CPU works on two rows at once.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vbmi2,popcnt")]
fn select(scores: &[f32], scratch: &mut SelectScratch, out: &mut [u32]) -> Result<(), usize> {
    if out.len() <= FEW_WINNERS && scores.len() >= MANY_UNITS {
        scratch.make_room(scores.len(), 0);
        let (threshold, largest) = likely_threshold(group_maxima(scores), out.len());
        let candidates = places_at_least(scores, threshold, &mut scratch.places);
        let range = (key(threshold + 0.0), largest);
        let (vectors, _) = scratch.places.as_chunks::<16>();
        if candidates >= out.len() && candidates <= 64 {
            return match candidates.div_ceil(16) {
                1 => keep_largest::<1>(scores, vectors, candidates, range, out),
                2 => keep_largest::<2>(scores, vectors, candidates, range, out),
                3 => keep_largest::<3>(scores, vectors, candidates, range, out),
                _ => keep_largest::<4>(scores, vectors, candidates, range, out),
            };
        }
    }
    super::select::select(&STEPS, scores, scratch, out)
}

/// Largest of each of 64 groups of scores, as four registers. NaN is passed over: the second
/// operand of `_mm512_max_ps` is the answer where the first is NaN.
#[inline]
#[target_feature(enable = "avx512f,avx512dq")]
fn group_maxima(scores: &[f32]) -> [__m512; 4] {
    let mut largest = [_mm512_set1_ps(f32::NEG_INFINITY); 4];
    let (vectors, tail) = scores.as_chunks::<16>();
    let (rounds, rest) = vectors.as_chunks::<4>();
    for round in rounds {
        for (largest, vector) in largest.iter_mut().zip(round) {
            *largest = _mm512_max_ps(load_floats(vector), *largest);
        }
    }
    for (largest, vector) in largest.iter_mut().zip(rest) {
        *largest = _mm512_max_ps(load_floats(vector), *largest);
    }
    largest[3] = _mm512_max_ps(load_tail(tail), largest[3]);
    largest
}

/// A threshold that a little more than `k` scores are likely to reach.
///
/// Sorted lane by lane, the four registers hold the maxima of ranks around 8, 24, 40 and 56 of 64;
/// what lies at rank `9/8 k + 2` is read between their means. A wrong guess costs time only. With it
/// comes the key of the largest score.
#[inline]
#[target_feature(enable = "avx512f,avx512dq")]
fn likely_threshold([a, b, c, d]: [__m512; 4], k: usize) -> (f32, i32) {
    let (ab, ba) = (_mm512_max_ps(a, b), _mm512_min_ps(a, b));
    let (cd, dc) = (_mm512_max_ps(c, d), _mm512_min_ps(c, d));
    let (first, inner) = (_mm512_max_ps(ab, cd), _mm512_min_ps(ab, cd));
    let (outer, fourth) = (_mm512_max_ps(ba, dc), _mm512_min_ps(ba, dc));
    let (second, third) = (_mm512_max_ps(inner, outer), _mm512_min_ps(inner, outer));
    let rank = (k + k / 8 + 2) as f32;
    let (upper, lower, place) = match rank {
        ..24.0 => (first, second, (rank - 8.0) / 16.0),
        24.0..40.0 => (second, third, (rank - 24.0) / 16.0),
        _ => (third, fourth, (rank - 40.0) / 16.0),
    };
    let step = _mm512_mul_ps(_mm512_set1_ps(place), _mm512_sub_ps(lower, upper));
    let threshold = _mm512_reduce_add_ps(_mm512_add_ps(upper, step)) / 16.0;
    (threshold, _mm512_reduce_max_epi32(keys_of(first)))
}

/// The `out.len()` largest of up to 64 candidates: each one's rank is the number of larger ones,
/// counted against all of them.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,popcnt")]
fn keep_largest<const VECTORS: usize>(
    scores: &[f32],
    places: &[[u32; 16]],
    candidates: usize,
    range: (i32, i32),
    out: &mut [u32],
) -> Result<(), usize> {
    let mut keys = [_mm512_set1_epi32(i32::MIN); VECTORS];
    let mut not_a_number = 0;
    for (vector, (keys, places)) in keys.iter_mut().zip(places).enumerate() {
        let (found, bad) = gather(scores, places, candidates - vector * 16);
        (*keys, not_a_number) = (found, not_a_number | bad);
    }
    if not_a_number != 0 {
        return Err(first_nan(scores));
    }
    let k = out.len();
    let (threshold, count) = narrow(range, k, Effort::Exact, |tried| {
        let limit = _mm512_set1_epi32(tried);
        let mut count = 0;
        for &keys in &keys {
            count += _mm512_cmpge_epi32_mask(keys, limit).count_ones();
        }
        count as usize
    });
    if count == k {
        keep_vectors(keys.iter().copied().zip(places), threshold, out);
        return Ok(());
    }
    let mut listed = [[0; 16]; VECTORS];
    listed.iter_mut().zip(keys).for_each(|(slot, keys)| store_keys(slot, keys));
    let listed = &listed.as_flattened()[..candidates];
    keep_first_of_ties(listed, threshold, places.as_flattened(), out);
    Ok(())
}

/// Writes the places of all keys that reach `threshold`, which fill `out` just so.
#[inline]
#[target_feature(enable = "avx512f,popcnt")]
fn keep_vectors<'a>(
    vectors: impl Iterator<Item = (__m512i, &'a [u32; 16])>,
    threshold: i32,
    out: &mut [u32],
) {
    let limit = _mm512_set1_epi32(threshold);
    let mut written = 0;
    for (keys, places) in vectors {
        let mask = _mm512_cmpge_epi32_mask(keys, limit);
        written += store_kept(mask, places, &mut out[written..]);
    }
}

#[target_feature(enable = "avx512f,popcnt")]
fn keep_at_least(keys: &[i32], threshold: i32, places: &[u32], out: &mut [u32]) {
    let ((keys, _), (places, _)) = (keys.as_chunks::<16>(), places.as_chunks::<16>());
    keep_vectors(keys.iter().map(|keys| load_keys(keys)).zip(places), threshold, out);
}

/// Keys of the scores at the first `left` places, at most 16, then `i32::MIN`; and which are NaN.
#[inline]
#[target_feature(enable = "avx512f")]
fn gather(scores: &[f32], places: &[u32; 16], left: usize) -> (__m512i, __mmask16) {
    let inside = ((1u32 << left.min(16)) - 1) as __mmask16;
    // SAFETY: the array is 64 bytes long and the load needs no alignment.
    let from = unsafe { _mm512_loadu_si512(places.as_ptr().cast()) };
    let length = _mm512_set1_epi32(scores.len() as i32);
    let within = _mm512_mask_cmplt_epu32_mask(inside, from, length);
    assert_eq!(within, inside, "every place is one of the scores");
    // SAFETY: only lanes of `inside` are read, and their places lie within `scores` (just checked).
    let values = unsafe {
        _mm512_mask_i32gather_ps::<4>(_mm512_setzero_ps(), inside, from, scores.as_ptr())
    };
    let bad = _mm512_cmp_ps_mask::<_CMP_UNORD_Q>(values, values);
    (_mm512_mask_mov_epi32(_mm512_set1_epi32(i32::MIN), inside, keys_of(values)), bad)
}

#[target_feature(enable = "avx512f")]
fn gather_keys(scores: &[f32], places: &[u32], count: usize, keys: &mut [i32]) -> bool {
    let (places, _) = places.as_chunks::<16>();
    let (keys, _) = keys.as_chunks_mut::<16>();
    let mut not_a_number = 0;
    for (vector, (slot, places)) in keys.iter_mut().zip(places).enumerate() {
        let (found, bad) = gather(scores, places, count - vector * 16);
        store_keys(slot, found);
        not_a_number |= bad;
    }
    not_a_number != 0
}

/// Writes the places of the mask to the front of `out` and returns how many there were.
#[inline]
#[target_feature(enable = "avx512f,popcnt")]
fn store_kept(mask: __mmask16, places: &[u32; 16], out: &mut [u32]) -> usize {
    let count = mask.count_ones() as usize;
    assert!(count <= out.len(), "`out` has one slot a kept place");
    let slots = ((1u32 << count) - 1) as __mmask16;
    // SAFETY: the array is 64 bytes long; of `out` only the first `count` slots are written.
    unsafe {
        let kept = _mm512_maskz_compress_epi32(mask, _mm512_loadu_si512(places.as_ptr().cast()));
        _mm512_mask_storeu_epi32(out.as_mut_ptr().cast(), slots, kept);
    }
    count
}

#[target_feature(enable = "avx512f,avx512dq")]
fn group_maxima_in_memory(scores: &[f32], maxima: &mut [i32]) {
    let (vectors, tail) = scores.as_chunks::<16>();
    let (slots, _) = maxima.as_chunks_mut::<16>();
    let groups = slots.len();
    for (group, slot) in slots.iter_mut().enumerate() {
        let mut largest = _mm512_set1_ps(f32::NEG_INFINITY);
        for vector in vectors.iter().skip(group).step_by(groups) {
            largest = _mm512_max_ps(load_floats(vector), largest);
        }
        if vectors.len() % groups == group {
            largest = _mm512_max_ps(load_tail(tail), largest);
        }
        store_keys(slot, keys_of(largest));
    }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn store_keys(slot: &mut [i32; 16], keys: __m512i) {
    // SAFETY: the slot is 64 bytes long and the store needs no alignment.
    unsafe { _mm512_storeu_si512(slot.as_mut_ptr().cast(), keys) };
}

#[target_feature(enable = "avx512f,popcnt")]
fn kth_key(keys: &[i32], k: usize, effort: Effort) -> (i32, usize) {
    let (vectors, _) = keys.as_chunks::<16>();
    let (mut least, mut most) = (_mm512_set1_epi32(i32::MAX), _mm512_set1_epi32(i32::MIN));
    for vector in vectors {
        let vector = load_keys(vector);
        let filling = _mm512_cmpeq_epi32_mask(vector, _mm512_set1_epi32(i32::MIN));
        least = _mm512_mask_min_epi32(least, !filling, least, vector);
        most = _mm512_max_epi32(most, vector);
    }
    let (low, high) = (_mm512_reduce_min_epi32(least), _mm512_reduce_max_epi32(most));
    narrow((low, high), k, effort, |tried| {
        let limit = _mm512_set1_epi32(tried);
        let mut count = 0;
        for vector in vectors {
            count += _mm512_cmpge_epi32_mask(load_keys(vector), limit).count_ones();
        }
        count as usize
    })
}

/// Asks for a cache line that is likely to be read soon: rows of scores lie back to back, so what
/// follows this row is the next one.
#[inline]
#[target_feature(enable = "sse")]
fn prefetch(place: *const f32) {
    // It never faults, wherever it points.
    _mm_prefetch::<_MM_HINT_T0>(place.cast());
}

/// Four registers make one mask of 64 lanes; the numbers of its set bits come out of one byte
/// compression, and the few that there are on ordinary scores are widened and stored at once.
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi2,popcnt")]
fn places_at_least(scores: &[f32], threshold: f32, places: &mut [u32]) -> usize {
    assert!(places.len() >= scores.len() + 64, "room for four registers after the last place");
    let limit = _mm512_set1_ps(threshold);
    let (groups, rest) = scores.as_chunks::<64>();
    let mut count = 0;
    for (group, chunk) in groups.iter().enumerate() {
        let (vectors, _) = chunk.as_chunks::<16>();
        for ahead in 0..4 {
            prefetch(scores.as_ptr().wrapping_add(scores.len() + group * 64 + ahead * 16));
        }
        let reached = [0, 1, 2, 3].map(|lane| {
            u32::from(_mm512_cmp_ps_mask::<_CMP_NLT_UQ>(load_floats(&vectors[lane]), limit))
        });
        let low = u64::from(_mm512_kunpackw(reached[1], reached[0]));
        let high = u64::from(_mm512_kunpackw(reached[3], reached[2]));
        let mask = _mm512_kunpackd(high, low);
        count += store_places(mask, group * 64, &mut places[count..]);
    }
    let (vectors, tail) = rest.as_chunks::<16>();
    let mut mask = 0;
    for (lane, vector) in vectors.iter().enumerate() {
        let reached = _mm512_cmp_ps_mask::<_CMP_NLT_UQ>(load_floats(vector), limit);
        mask |= u64::from(reached) << (16 * lane);
    }
    let inside = ((1u32 << tail.len()) - 1) as __mmask16;
    let reached = _mm512_mask_cmp_ps_mask::<_CMP_NLT_UQ>(inside, load_tail(tail), limit);
    mask |= u64::from(reached) << (16 * vectors.len());
    count + store_places(mask, groups.len() * 64, &mut places[count..])
}

/// Writes `base` plus the number of each set bit to the front of `places`; returns how many.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi2,popcnt")]
fn store_places(mask: u64, base: usize, places: &mut [u32]) -> usize {
    let set = mask.count_ones() as usize;
    let kept = _mm512_maskz_compress_epi8(mask, byte_numbers());
    let base = _mm512_set1_epi32(base as i32);
    let slots = &mut places[..64];
    store_sixteen(slots, base, _mm512_castsi512_si128(kept));
    if set > 16 {
        store_sixteen(&mut slots[16..], base, _mm512_extracti32x4_epi32::<1>(kept));
        store_sixteen(&mut slots[32..], base, _mm512_extracti32x4_epi32::<2>(kept));
        store_sixteen(&mut slots[48..], base, _mm512_extracti32x4_epi32::<3>(kept));
    }
    set
}

/// The bytes 0 to 63.
#[inline]
#[target_feature(enable = "avx512f")]
fn byte_numbers() -> __m512i {
    const NUMBERS: [u8; 64] = {
        let mut numbers = [0; 64];
        let mut number = 0;
        while number < 64 {
            numbers[number] = number as u8;
            number += 1;
        }
        numbers
    };
    // SAFETY: the array is 64 bytes long and the load needs no alignment.
    unsafe { _mm512_loadu_si512(NUMBERS.as_ptr().cast()) }
}

/// `places[i] = base + numbers[i]` for 16 bytes.
#[inline]
#[target_feature(enable = "avx512f")]
fn store_sixteen(places: &mut [u32], base: __m512i, numbers: __m128i) {
    let wide = _mm512_add_epi32(base, _mm512_cvtepu8_epi32(numbers));
    let slots = &mut places[..16];
    // SAFETY: `slots` is 64 bytes long and the store needs no alignment.
    unsafe { _mm512_storeu_si512(slots.as_mut_ptr().cast(), wide) };
}

/// Eight sums wait for eight independent products each time: four rows against one tile, which
/// stays in the first-level cache, or, when there is one row only, that row against four tiles.
#[target_feature(enable = "avx512f,avx512dq,avx512vl")]
fn scores(weights: &[f32], rows: &BlockedRows, out: &mut [f32], stride: usize) {
    let length = rows.blocks() * CHUNK;
    if rows.len() == 1 {
        let (values, active) = rows.row(0);
        for (number, tiles) in weights.chunks(length * GROUP).enumerate() {
            let last = tiles.len() / length - 1;
            let tiles = std::array::from_fn(|tile| &tiles[tile.min(last) * length..][..length]);
            let scores = four_sums(tiles, [values; GROUP], active);
            for (tile, scores) in scores.into_iter().enumerate().take(last + 1) {
                store_scores(scores, &mut out[(number * GROUP + tile) * TILE_UNITS..]);
            }
        }
        return;
    }
    for (number, tile) in weights.chunks_exact(length).enumerate() {
        for group in 0..rows.groups() {
            let (values, count, active) = rows.group_rows(group);
            let scores = four_sums([tile; GROUP], values, active);
            for (row, scores) in scores.into_iter().enumerate().take(count) {
                let at = (group * GROUP + row) * stride + number * TILE_UNITS;
                store_scores(scores, &mut out[at..]);
            }
        }
    }
}

/// The scores of `values[i]` against `tiles[i]` over the listed blocks.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vl")]
fn four_sums(tiles: [&[f32]; GROUP], values: [&[f32]; GROUP], active: &[u32]) -> [__m256; GROUP] {
    let mut sums = [[_mm512_setzero_ps(); 2]; GROUP];
    for &block in active {
        for ((tile, values), sums) in tiles.iter().zip(&values).zip(&mut sums) {
            debug_assert!((block as usize + 1) * CHUNK <= tile.len());
            debug_assert!((block as usize + 1) * BLOCK <= values.len());
            // SAFETY: a listed block is below `blocks`, so its chunk lies within the tile and its
            // four values within the row. Checking it again here would take longer than the
            // products. The loads need no alignment.
            unsafe {
                let inputs = _mm_loadu_ps(values.as_ptr().add(block as usize * BLOCK));
                let inputs = _mm512_broadcast_f32x4(inputs);
                let weights = tile.as_ptr().add(block as usize * CHUNK);
                sums[0] = _mm512_fmadd_ps(inputs, _mm512_loadu_ps(weights), sums[0]);
                sums[1] = _mm512_fmadd_ps(inputs, _mm512_loadu_ps(weights.add(16)), sums[1]);
            }
        }
    }
    let mut scores = [_mm256_setzero_ps(); GROUP];
    for (scores, [first, second]) in scores.iter_mut().zip(sums) {
        *scores = sum_fours(first, second);
    }
    scores
}

#[inline]
#[target_feature(enable = "avx512f")]
fn store_scores(scores: __m256, out: &mut [f32]) {
    let slots = &mut out[..TILE_UNITS];
    // SAFETY: `slots` is 32 bytes long and the store needs no alignment.
    unsafe { _mm256_storeu_ps(slots.as_mut_ptr(), scores) };
}

/// `(l0 + l1) + (l2 + l3)` of each group of four lanes: eight units, in order.
#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vl")]
fn sum_fours(first: __m512, second: __m512) -> __m256 {
    // Lanes (l0, l2) of the first and second register beside (l1, l3), then added pairwise.
    let evens = _mm512_shuffle_ps::<0b10_00_10_00>(first, second);
    let odds = _mm512_shuffle_ps::<0b11_01_11_01>(first, second);
    let pairs = _mm512_add_ps(evens, odds);
    // Now each quarter holds (first 01, first 23, second 01, second 23) of one unit of each half.
    let swapped = _mm512_permute_ps::<0b10_11_00_01>(pairs);
    let sums = _mm512_add_ps(pairs, swapped);
    let order = _mm512_set_epi32(0, 0, 0, 0, 0, 0, 0, 0, 14, 10, 6, 2, 12, 8, 4, 0);
    _mm512_castps512_ps256(_mm512_permutexvar_ps(order, sums))
}

// The loops over plain vectors, compiled for these instructions.

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
fn add_weighted_rows(rows: &[f32], parts: &[Weighted], out: &mut [f32]) {
    vectors::add_weighted_rows(rows, parts, out);
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
fn add_weighted_runs(values: &[f32], parts: &[Weighted], out: &mut [f32]) {
    vectors::add_weighted_runs(values, parts, out);
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
fn dots(rows: &[f32], which: &[u32], vector: &[f32], out: &mut [f32]) {
    vectors::dots(rows, which, vector, out);
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
fn convolve(shape: &Windows, input: &[f32], weights: &[f32], bias: &[f32], out: &mut [f32]) {
    maps::convolve(shape, input, weights, bias, out);
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
fn convolve_listed(
    shape: &Windows,
    listed: (&[Weighted], &[u32]),
    weights: &[f32],
    bias: &[f32],
    out: &mut [f32],
) {
    maps::convolve_listed(shape, listed, weights, bias, out);
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
fn max_pool(input: &[f32], shape: (usize, usize, usize), squares: (usize, usize), out: &mut [f32]) {
    maps::max_pool(input, shape, squares, out);
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
fn add_outer(rows: &mut [f32], vector: &[f32], parts: &[Weighted]) {
    maps::add_outer(rows, vector, parts);
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
fn sum_dots(sides: (&[f32], &[f32], usize), pairs: &[RowPair], ends: &[u32], out: &mut [f32]) {
    maps::sum_dots(sides, pairs, ends, out);
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
fn adam(moved: Moved<'_>, gradient: &[f32], step: &AdamStep) {
    vectors::adam(moved, gradient, step);
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
fn sigmoid(values: &mut [f32]) {
    vectors::sigmoid(values);
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
fn add_noise(values: &mut [f32], start: u32, noise: &Noise) {
    vectors::add_noise(values, start, noise);
}

/// 32 columns a vector, 16 inputs a lane.
#[target_feature(enable = "avx512f,avx512bw,avx512bitalg")]
fn pool_overlaps(tile: &[Lanes], first: usize, rows: &WordRows, out: &mut [u16], stride: usize) {
    for row in 0..rows.len() {
        let mut counts = _mm512_setzero_si512();
        for word in rows.active(row, first, first + tile.len()) {
            let lanes = load_shorts(&tile[word.place as usize - first].0);
            let seen = _mm512_and_si512(lanes, _mm512_set1_epi16(word.bits as i16));
            counts = _mm512_add_epi16(counts, _mm512_popcnt_epi16(seen));
        }
        let out = &mut out[row * stride..][..TILE_COLUMNS];
        // SAFETY: `out` is 64 bytes long and the store needs no alignment.
        unsafe { _mm512_storeu_si512(out.as_mut_ptr().cast(), counts) };
    }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load_shorts(shorts: &[u16; 32]) -> __m512i {
    // SAFETY: the array is 64 bytes long and the load needs no alignment.
    unsafe { _mm512_loadu_si512(shorts.as_ptr().cast()) }
}

#[target_feature(enable = "avx512f")]
fn bits_at_least(values: &[f32], limit: f32, words: &mut [u16]) {
    let (whole, rest) = values.as_chunks::<16>();
    let (limits, mut words) = (_mm512_set1_ps(limit), words.iter_mut());
    for (values, word) in whole.iter().zip(&mut words) {
        *word = _mm512_cmp_ps_mask::<_CMP_GE_OQ>(load_floats(values), limits);
    }
    if let (false, Some(word)) = (rest.is_empty(), words.next()) {
        let inside = (1u16 << rest.len()) - 1;
        *word = inside & _mm512_cmp_ps_mask::<_CMP_GE_OQ>(load_tail(rest), limits);
    }
}

/// 16 synapses a vector: comparisons give the connected bits as they are stored.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,popcnt")]
fn adapt(
    column: &mut [Synapses],
    inputs: &[u16],
    rule: &Adaptation,
    tile: &mut [Lanes],
    lane: usize,
) -> u32 {
    let all = |value: u16| _mm256_set1_epi16(value as i16);
    let (up, down) = (all(rule.increment), all(rule.decrement));
    let (full, trim, connected) = (all(pools::FULL), all(rule.trim), all(rule.connected));
    let mut count = 0;
    for ((synapses, &input), lanes) in column.iter_mut().zip(inputs).zip(tile) {
        // SAFETY: 16 numbers of 2 bytes; the load needs no alignment.
        let old = unsafe { _mm256_loadu_si256(synapses.0.as_ptr().cast()) };
        let inside = _mm256_cmple_epu16_mask(old, full);
        let raised = _mm256_min_epu16(_mm256_adds_epu16(old, up), full);
        let moved = _mm256_mask_blend_epi16(input, _mm256_subs_epu16(old, down), raised);
        let moved = _mm256_maskz_mov_epi16(_mm256_cmpge_epu16_mask(moved, trim), moved);
        let bits = _mm256_mask_cmpge_epu16_mask(inside, moved, connected);
        let new = _mm256_mask_mov_epi16(old, inside, moved);
        // SAFETY: 16 numbers of 2 bytes; the store needs no alignment.
        unsafe { _mm256_storeu_si256(synapses.0.as_mut_ptr().cast(), new) };
        lanes.0[lane] = bits;
        count += bits.count_ones();
    }
    count
}

#[target_feature(enable = "avx512f,avx512bw,bmi1,popcnt")]
fn select_counts(counts: &[u16], out: &mut [u32]) {
    let at_least = |counts: &[u16], limit: u16| count_at_least(counts, limit);
    pools::select_counts(counts, out, at_least, |counts, limit| reaching(counts, limit));
}

/// One bit for each of up to 32 counts: whether it reaches `limit`.
#[target_feature(enable = "avx512f,avx512bw")]
fn reaching(counts: &[u16], limit: u16) -> u32 {
    match counts.try_into() {
        Ok(counts) => _mm512_cmpge_epu16_mask(load_shorts(counts), _mm512_set1_epi16(limit as i16)),
        Err(_) => pools::reaching(counts, limit),
    }
}

/// How many of `counts` reach `limit`: a comparison and a population count for 32 of them.
#[target_feature(enable = "avx512f,avx512bw,popcnt")]
fn count_at_least(counts: &[u16], limit: u16) -> usize {
    let limits = _mm512_set1_epi16(limit as i16);
    let (vectors, rest) = counts.as_chunks::<32>();
    let mut total = 0;
    for vector in vectors {
        total += _mm512_cmpge_epu16_mask(load_shorts(vector), limits).count_ones();
    }
    total as usize + rest.iter().filter(|count| **count >= limit).count()
}

#[target_feature(enable = "avx512f")]
fn common_bits(rows: &[&[u64]], out: &mut [u64]) {
    bit_rows::common_bits(rows, out);
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl,bmi1")]
fn counters_at_least(counters: &[u16], least: u16, places: &mut Vec<u32>) {
    postings::counters_at_least(counters, least, places);
}
