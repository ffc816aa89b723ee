//! The kernels for AVX-512 (F, BW, DQ, VL, VPOPCNTDQ): servers since 2019, desktops since Zen 4.
//!
//! Products and sums stay apart (no fused multiply-add), so the results equal the scalar ones to
//! the bit; the loops wait for memory, not for arithmetic, so it costs nothing.

use std::arch::x86_64::*;

use super::Table;
use super::select::middle;
use super::tiles::{BLOCK, BlockedRows, CHUNK, Delta, Pair, TILE_UNITS};

/// Whether this CPU has all that the kernels here use.
pub(super) fn is_available() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512vpopcntdq")
        && is_x86_feature_detected!("bmi2")
        && is_x86_feature_detected!("popcnt")
}

/// A safe entry to a kernel of this file.
macro_rules! entry {
    ($inner:ident ( $($name:ident : $kind:ty),* ) -> $answer:ty) => {
        |$($name: $kind),*| -> $answer {
            // SAFETY: the table below is only handed out where `is_available` said yes, so the CPU
            // has every feature that the inner function was compiled for.
            unsafe { $inner($($name),*) }
        }
    };
}

pub(super) static TABLE: Table = Table {
    name: "avx512",
    overlaps: entry!(overlaps(query: &[u64], rows: &[u64], out: &mut [u32]) -> ()),
    group_maxima: entry!(group_maxima(scores: &[f32], maxima: &mut [i32]) -> bool),
    kth_key: entry!(kth_key(keys: &[i32], k: usize, slack: usize) -> (i32, usize)),
    places_at_least: entry!(
        places_at_least(scores: &[f32], threshold: f32, places: &mut [u32]) -> usize
    ),
    keep_at_least: entry!(
        keep_at_least(keys: &[i32], threshold: i32, places: &[u32], out: &mut [u32]) -> ()
    ),
    tile_scores: entry!(
        tile_scores(tile: &[f32], rows: &BlockedRows, out: &mut [f32], stride: usize) -> ()
    ),
    add_unit_rows: entry!(add_unit_rows(weights: &[f32], winners: &[u32], out: &mut [f32]) -> ()),
    update_tile: entry!(
        update_tile(tile: &mut [f32], pairs: &[Pair], delta: &Delta, factor: f32) -> ()
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

#[target_feature(enable = "avx512f,avx512dq")]
fn group_maxima(scores: &[f32], maxima: &mut [i32]) -> bool {
    let (vectors, tail) = scores.as_chunks::<16>();
    let (slots, _) = maxima.as_chunks_mut::<16>();
    let groups = slots.len();
    let mut not_a_number: __mmask16 = 0;
    for (group, slot) in slots.iter_mut().enumerate() {
        let mut largest = _mm512_set1_ps(f32::NEG_INFINITY);
        for vector in vectors.iter().skip(group).step_by(groups) {
            let values = load_floats(vector);
            not_a_number |= _mm512_cmp_ps_mask::<_CMP_UNORD_Q>(values, values);
            largest = _mm512_max_ps(largest, values);
        }
        if vectors.len() % groups == group && !tail.is_empty() {
            let values = load_tail(tail);
            not_a_number |= _mm512_cmp_ps_mask::<_CMP_UNORD_Q>(values, values);
            largest = _mm512_max_ps(largest, values);
        }
        let keys = keys_of(largest);
        // SAFETY: the slot is 64 bytes long and the store needs no alignment.
        unsafe { _mm512_storeu_si512(slot.as_mut_ptr().cast(), keys) };
    }
    not_a_number != 0
}

#[target_feature(enable = "avx512f,popcnt")]
fn kth_key(keys: &[i32], k: usize, slack: usize) -> (i32, usize) {
    let (vectors, _) = keys.as_chunks::<16>();
    match vectors {
        [a] => bisect(&[load_keys(a)], k, slack),
        [a, b] => bisect(&[load_keys(a), load_keys(b)], k, slack),
        [a, b, c] => bisect(&[load_keys(a), load_keys(b), load_keys(c)], k, slack),
        [a, b, c, d] => bisect(&[load_keys(a), load_keys(b), load_keys(c), load_keys(d)], k, slack),
        _ => bisect_in_memory(vectors, k, slack),
    }
}

/// Smallest key that is not the filling `i32::MIN`, and the largest key.
#[inline]
#[target_feature(enable = "avx512f")]
fn key_range(least: __m512i, most: __m512i, keys: __m512i) -> (__m512i, __m512i) {
    let filling = _mm512_cmpeq_epi32_mask(keys, _mm512_set1_epi32(i32::MIN));
    (_mm512_mask_min_epi32(least, !filling, least, keys), _mm512_max_epi32(most, keys))
}

/// The bisection with all keys in registers.
#[inline]
#[target_feature(enable = "avx512f,popcnt")]
fn bisect<const VECTORS: usize>(keys: &[__m512i; VECTORS], k: usize, slack: usize) -> (i32, usize) {
    let (mut least, mut most) = (_mm512_set1_epi32(i32::MAX), _mm512_set1_epi32(i32::MIN));
    for &vector in keys {
        (least, most) = key_range(least, most, vector);
    }
    let (low, high) = (_mm512_reduce_min_epi32(least), _mm512_reduce_max_epi32(most));
    narrow(low, high, k, slack, |tried| {
        let tried = _mm512_set1_epi32(tried);
        let mut count = 0;
        for &vector in keys {
            count += _mm512_cmpge_epi32_mask(vector, tried).count_ones();
        }
        count as usize
    })
}

#[target_feature(enable = "avx512f,popcnt")]
fn bisect_in_memory(keys: &[[i32; 16]], k: usize, slack: usize) -> (i32, usize) {
    let (mut least, mut most) = (_mm512_set1_epi32(i32::MAX), _mm512_set1_epi32(i32::MIN));
    for vector in keys {
        (least, most) = key_range(least, most, load_keys(vector));
    }
    let (low, high) = (_mm512_reduce_min_epi32(least), _mm512_reduce_max_epi32(most));
    narrow(low, high, k, slack, |tried| {
        let tried = _mm512_set1_epi32(tried);
        let mut count = 0;
        for vector in keys {
            count += _mm512_cmpge_epi32_mask(load_keys(vector), tried).count_ones();
        }
        count as usize
    })
}

/// At least `k` keys reach `low` and fewer than `k` are above `high`: halves what lies between.
#[inline(always)]
fn narrow(
    mut low: i32,
    mut high: i32,
    k: usize,
    slack: usize,
    reaching: impl Fn(i32) -> usize,
) -> (i32, usize) {
    let mut count = reaching(low);
    while low < high && count > k + slack {
        let tried = middle(low, high);
        let reached = reaching(tried);
        if reached >= k {
            (low, count) = (tried, reached);
        } else {
            high = tried - 1;
        }
    }
    (low, count)
}

#[target_feature(enable = "avx512f,popcnt")]
fn places_at_least(scores: &[f32], threshold: f32, places: &mut [u32]) -> usize {
    assert!(places.len() >= scores.len() + 16, "room for a whole register after the last place");
    let limit = _mm512_set1_ps(threshold);
    let step = _mm512_set1_epi32(16);
    let mut here = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    let (vectors, tail) = scores.as_chunks::<16>();
    let mut count = 0;
    for vector in vectors {
        let mask = _mm512_cmp_ps_mask::<_CMP_GE_OQ>(load_floats(vector), limit);
        // SAFETY: `count` is at most the number of scores before this vector, so 16 places from
        // there end within `places`.
        unsafe {
            let kept = _mm512_maskz_compress_epi32(mask, here);
            _mm512_storeu_si512(places.as_mut_ptr().add(count).cast(), kept);
        }
        count += mask.count_ones() as usize;
        here = _mm512_add_epi32(here, step);
    }
    for (offset, &score) in tail.iter().enumerate() {
        places[count] = (vectors.len() * 16 + offset) as u32;
        count += usize::from(score >= threshold);
    }
    count
}

#[target_feature(enable = "avx512f,popcnt")]
fn keep_at_least(keys: &[i32], threshold: i32, places: &[u32], out: &mut [u32]) {
    assert_eq!(keys.len(), places.len(), "one place a key");
    let limit = _mm512_set1_epi32(threshold);
    let mut written = 0;
    for start in (0..keys.len()).step_by(16) {
        let lanes = (keys.len() - start).min(16);
        let inside = ((1u32 << lanes) - 1) as __mmask16;
        // SAFETY: the masks name only lanes within `keys`, `places` and (checked here) `out`.
        unsafe {
            let values = _mm512_maskz_loadu_epi32(inside, keys.as_ptr().add(start));
            let mask = _mm512_mask_cmpge_epi32_mask(inside, values, limit);
            let count = mask.count_ones() as usize;
            assert!(written + count <= out.len(), "`out` has one slot a kept key");
            let kept = _mm512_maskz_compress_epi32(
                mask,
                _mm512_maskz_loadu_epi32(inside, places.as_ptr().add(start).cast()),
            );
            let slots = ((1u32 << count) - 1) as __mmask16;
            _mm512_mask_storeu_epi32(out.as_mut_ptr().add(written).cast(), slots, kept);
            written += count;
        }
    }
}

/// Four inputs, four times over.
#[inline]
#[target_feature(enable = "avx512f")]
fn broadcast_block(values: &[f32], block: u32) -> __m512 {
    let four = &values[block as usize * BLOCK..][..BLOCK];
    // SAFETY: `four` is 16 bytes long and the load needs no alignment.
    unsafe { _mm512_broadcast_f32x4(_mm_loadu_ps(four.as_ptr())) }
}

/// The weights of one block: units 0-3 and units 4-7.
#[inline]
#[target_feature(enable = "avx512f")]
fn load_chunk(tile: &[f32], block: u32) -> (__m512, __m512) {
    let chunk = &tile[block as usize * CHUNK..][..CHUNK];
    let (halves, _) = chunk.as_chunks::<16>();
    (load_floats(&halves[0]), load_floats(&halves[1]))
}

#[target_feature(enable = "avx512f,avx512dq,avx512vl")]
fn tile_scores(tile: &[f32], rows: &BlockedRows, out: &mut [f32], stride: usize) {
    for row in 0..rows.len() {
        let (values, active) = rows.row(row);
        let zero = _mm512_setzero_ps();
        let (mut even0, mut even1, mut odd0, mut odd1) = (zero, zero, zero, zero);
        let (pairs, last) = active.as_chunks::<2>();
        for &[even, odd] in pairs {
            let (inputs, (first, second)) = (broadcast_block(values, even), load_chunk(tile, even));
            even0 = _mm512_add_ps(even0, _mm512_mul_ps(inputs, first));
            even1 = _mm512_add_ps(even1, _mm512_mul_ps(inputs, second));
            let (inputs, (first, second)) = (broadcast_block(values, odd), load_chunk(tile, odd));
            odd0 = _mm512_add_ps(odd0, _mm512_mul_ps(inputs, first));
            odd1 = _mm512_add_ps(odd1, _mm512_mul_ps(inputs, second));
        }
        if let &[even] = last {
            let (inputs, (first, second)) = (broadcast_block(values, even), load_chunk(tile, even));
            even0 = _mm512_add_ps(even0, _mm512_mul_ps(inputs, first));
            even1 = _mm512_add_ps(even1, _mm512_mul_ps(inputs, second));
        }
        let scores = sum_fours(_mm512_add_ps(even0, odd0), _mm512_add_ps(even1, odd1));
        let slots = &mut out[row * stride..][..TILE_UNITS];
        // SAFETY: `slots` is 32 bytes long and the store needs no alignment.
        unsafe { _mm256_storeu_ps(slots.as_mut_ptr(), scores) };
    }
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

#[target_feature(enable = "avx512f")]
fn add_unit_rows(weights: &[f32], winners: &[u32], out: &mut [f32]) {
    super::avx2::add_unit_rows(weights, winners, out);
}

#[target_feature(enable = "avx512f")]
fn update_tile(tile: &mut [f32], pairs: &[Pair], delta: &Delta, factor: f32) {
    super::avx2::update_tile(tile, pairs, delta, factor);
}
