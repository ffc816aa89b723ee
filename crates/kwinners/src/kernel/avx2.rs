//! The kernels for AVX2 and FMA: every x86-64 machine since about 2014.

use std::arch::x86_64::*;

use super::Table;
use super::bit_rows::{self, avx2::count_bits};
use super::maps::{self, RowPair, SparsePattern, Windows};
use super::pools::{self, Adaptation, Lanes, LocalScratch, Neighbourhoods, Synapses, WordRows};
use super::postings::{self, Columns, Line};
use super::select::{Effort, SelectScratch, Steps, narrow};
use super::tiles::{BLOCK, BlockedRows, CHUNK, Delta, Factors, Pair, TILE_UNITS};
use super::vectors::{self, AdamStep, Moved, Noise, Weighted};

/// Whether this CPU has all that the kernels here use.
pub(super) fn is_available() -> bool {
    is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("fma")
        && is_x86_feature_detected!("popcnt")
        && is_x86_feature_detected!("bmi1")
}

pub(super) static TABLE: Table = Table {
    name: "avx2",
    overlaps: entry!(overlaps(query: &[u64], rows: &[u64], out: &mut [u32]) -> ()),
    select,
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
    local_winners: entry!(
        local_winners(
            scores: &[f32], grid: &Neighbourhoods, bounds: (f32, f32),
            scratch: &mut LocalScratch, winners: &mut Vec<u32>
        ) -> ()
    ),
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
    group_maxima: entry!(group_maxima(scores: &[f32], maxima: &mut [i32]) -> ()),
    kth_key: entry!(kth_key(keys: &[i32], k: usize, effort: Effort) -> (i32, usize)),
    places_at_least: entry!(
        places_at_least(scores: &[f32], threshold: f32, places: &mut [u32]) -> usize
    ),
    gather_keys: super::scalar::gather_keys,
    keep_at_least: super::scalar::keep_at_least,
};

fn select(scores: &[f32], scratch: &mut SelectScratch, out: &mut [u32]) -> Result<(), usize> {
    super::select::select(&STEPS, scores, scratch, out)
}

/// The hardware population count, word by word; the compiler unrolls it.
#[target_feature(enable = "popcnt")]
fn overlaps(query: &[u64], rows: &[u64], out: &mut [u32]) {
    for (row, out) in rows.chunks_exact(query.len()).zip(out) {
        *out = row.iter().zip(query).map(|(a, b)| (a & b).count_ones()).sum();
    }
}

#[inline]
#[target_feature(enable = "avx2")]
fn load_floats(values: &[f32; 8]) -> __m256 {
    // SAFETY: the array is 32 bytes long and the load needs no alignment.
    unsafe { _mm256_loadu_ps(values.as_ptr()) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn load_keys(keys: &[i32; 8]) -> __m256i {
    // SAFETY: the array is 32 bytes long and the load needs no alignment.
    unsafe { _mm256_loadu_si256(keys.as_ptr().cast()) }
}

/// [`super::select::key`] of 8 scores, -0.0 counting as 0.0.
#[inline]
#[target_feature(enable = "avx2")]
fn keys_of(scores: __m256) -> __m256i {
    let bits = _mm256_castps_si256(_mm256_add_ps(scores, _mm256_setzero_ps()));
    let flip = _mm256_and_si256(_mm256_srai_epi32::<31>(bits), _mm256_set1_epi32(0x7FFF_FFFF));
    _mm256_xor_si256(bits, flip)
}

#[target_feature(enable = "avx2")]
fn group_maxima(scores: &[f32], maxima: &mut [i32]) {
    let groups = maxima.len() / 8;
    let (vectors, tail) = scores.as_chunks::<8>();
    let (slots, _) = maxima.as_chunks_mut::<8>();
    let mut last = [f32::NEG_INFINITY; 8];
    last[..tail.len()].copy_from_slice(tail);
    for (group, slot) in slots.iter_mut().enumerate() {
        let mut largest = _mm256_set1_ps(f32::NEG_INFINITY);
        let tail = (vectors.len() % groups == group).then_some(&last);
        for vector in vectors.iter().skip(group).step_by(groups).chain(tail) {
            // The second operand is the answer where the first is NaN.
            largest = _mm256_max_ps(load_floats(vector), largest);
        }
        // SAFETY: the slot is 32 bytes long and the store needs no alignment.
        unsafe { _mm256_storeu_si256(slot.as_mut_ptr().cast(), keys_of(largest)) };
    }
}

/// How many of `keys` are at least `limit`.
#[inline]
#[target_feature(enable = "avx2,popcnt")]
fn count_at_least(keys: &[[i32; 8]], limit: i32) -> usize {
    let limit = _mm256_set1_epi32(limit);
    let mut below = 0;
    for vector in keys {
        let smaller = _mm256_cmpgt_epi32(limit, load_keys(vector));
        below += _mm256_movemask_ps(_mm256_castsi256_ps(smaller)).count_ones();
    }
    keys.len() * 8 - below as usize
}

#[target_feature(enable = "avx2,popcnt")]
fn kth_key(keys: &[i32], k: usize, effort: Effort) -> (i32, usize) {
    let real = || keys.iter().copied().filter(|&key| key != i32::MIN);
    let (low, high) = (real().min().unwrap_or(i32::MIN), real().max().unwrap_or(i32::MIN));
    let (vectors, _) = keys.as_chunks::<8>();
    narrow((low, high), k, effort, |tried| count_at_least(vectors, tried))
}

#[target_feature(enable = "avx2,popcnt,bmi1")]
fn places_at_least(scores: &[f32], threshold: f32, places: &mut [u32]) -> usize {
    let limit = _mm256_set1_ps(threshold);
    let (vectors, tail) = scores.as_chunks::<8>();
    let mut count = 0;
    for (number, vector) in vectors.iter().enumerate() {
        let reached = _mm256_cmp_ps::<_CMP_NLT_UQ>(load_floats(vector), limit);
        let mut mask = _mm256_movemask_ps(reached) as u32;
        while mask != 0 {
            places[count] = (number * 8) as u32 + mask.trailing_zeros();
            count += 1;
            mask &= mask - 1;
        }
    }
    for (offset, &score) in tail.iter().enumerate() {
        places[count] = (vectors.len() * 8 + offset) as u32;
        count += usize::from(score >= threshold || score.is_nan());
    }
    count
}

#[target_feature(enable = "avx2,fma")]
fn scores(weights: &[f32], rows: &BlockedRows, out: &mut [f32], stride: usize) {
    for (number, tile) in weights.chunks_exact(rows.blocks() * CHUNK).enumerate() {
        for row in 0..rows.len() {
            let (values, active) = rows.row(row);
            let mut sums = [_mm256_setzero_ps(); 4];
            for &block in active {
                // SAFETY: a listed block is below `blocks`, so it lies within the tile and within
                // `values`, which has four values a block; the loads need no alignment.
                let (inputs, weights) = unsafe {
                    let weights = tile.as_ptr().add(block as usize * CHUNK).cast::<[[f32; 8]; 4]>();
                    (_mm_loadu_ps(values.as_ptr().add(block as usize * BLOCK)), &*weights)
                };
                let inputs = _mm256_set_m128(inputs, inputs);
                for (sum, weights) in sums.iter_mut().zip(weights) {
                    *sum = _mm256_fmadd_ps(inputs, load_floats(weights), *sum);
                }
            }
            // Horizontal adds give (l0 + l1, l2 + l3) and then their sum, within each 128-bit half.
            let low = _mm256_hadd_ps(sums[0], sums[1]);
            let high = _mm256_hadd_ps(sums[2], sums[3]);
            let order = _mm256_set_epi32(7, 3, 6, 2, 5, 1, 4, 0);
            let scores = _mm256_permutevar8x32_ps(_mm256_hadd_ps(low, high), order);
            let slots = &mut out[row * stride + number * TILE_UNITS..][..TILE_UNITS];
            // SAFETY: `slots` is 32 bytes long and the store needs no alignment.
            unsafe { _mm256_storeu_ps(slots.as_mut_ptr(), scores) };
        }
    }
}

/// Pieces of 16 bytes: nothing wider would help.
#[target_feature(enable = "avx2")]
pub(super) fn add_tile_rows(tile: &[f32], pairs: &[Pair], out: &mut [f32]) {
    let length = tile.len() / TILE_UNITS;
    for pair in pairs {
        let (out, _) = out[pair.row as usize * length..][..length].as_chunks_mut::<BLOCK>();
        assert!((pair.unit as usize) < TILE_UNITS, "a tile has {TILE_UNITS} units");
        let row = tile[pair.unit as usize * BLOCK..].as_ptr();
        for (block, out) in out.iter_mut().enumerate() {
            // SAFETY: a row has one piece in each of the tile's chunks, as many as `out` has blocks,
            // and the unit is one of the tile's (asserted); neither access needs alignment.
            unsafe {
                let weights = _mm_loadu_ps(row.add(block * CHUNK));
                _mm_storeu_ps(out.as_mut_ptr(), _mm_add_ps(_mm_loadu_ps(out.as_ptr()), weights));
            }
        }
    }
}

#[target_feature(enable = "avx2,fma")]
pub(super) fn update_tile(tile: &mut [f32], pairs: &[Pair], delta: &Delta, factors: &Factors) {
    assert_eq!(tile.len(), delta.blocks() * CHUNK, "one chunk a block");
    for pair in pairs {
        let factor = _mm_set1_ps(factors[pair.unit as usize]);
        let (values, active) = delta.row(pair.row as usize);
        let row = tile[pair.unit as usize * BLOCK..].as_mut_ptr();
        for &block in active {
            // SAFETY: a listed block is below `blocks`, so its piece of the unit's row lies within
            // the tile (asserted above; the unit is below 8 or `factors` would have refused it) and
            // its values within `values`, which has four a block.
            unsafe {
                let weights = row.add(block as usize * CHUNK);
                let change = _mm_loadu_ps(values.as_ptr().add(block as usize * BLOCK));
                let sum = _mm_fmadd_ps(factor, change, _mm_loadu_ps(weights));
                _mm_storeu_ps(weights, sum);
            }
        }
    }
}

// The loops over plain vectors, compiled for these instructions.

#[target_feature(enable = "avx2,fma")]
fn add_weighted_rows(rows: &[f32], parts: &[Weighted], out: &mut [f32]) {
    vectors::add_weighted_rows(rows, parts, out);
}

#[target_feature(enable = "avx2,fma")]
fn add_weighted_runs(values: &[f32], parts: &[Weighted], out: &mut [f32]) {
    vectors::add_weighted_runs(values, parts, out);
}

#[target_feature(enable = "avx2,fma")]
fn dots(rows: &[f32], which: &[u32], vector: &[f32], out: &mut [f32]) {
    vectors::dots(rows, which, vector, out);
}

#[target_feature(enable = "avx2,fma")]
fn convolve(shape: &Windows, input: &[f32], weights: &[f32], bias: &[f32], out: &mut [f32]) {
    maps::convolve(shape, input, weights, bias, out);
}

#[target_feature(enable = "avx2,fma")]
fn convolve_listed(
    shape: &Windows,
    listed: (&[Weighted], &[u32]),
    weights: &[f32],
    bias: &[f32],
    out: &mut [f32],
) {
    maps::convolve_listed(shape, listed, weights, bias, out);
}

#[target_feature(enable = "avx2,fma")]
fn max_pool(input: &[f32], shape: (usize, usize, usize), squares: (usize, usize), out: &mut [f32]) {
    maps::max_pool(input, shape, squares, out);
}

#[target_feature(enable = "avx2,fma")]
fn add_outer(rows: &mut [f32], vector: &[f32], parts: &[Weighted]) {
    maps::add_outer(rows, vector, parts);
}

#[target_feature(enable = "avx2,fma")]
fn sum_dots(sides: (&[f32], &[f32], usize), pairs: &[RowPair], ends: &[u32], out: &mut [f32]) {
    maps::sum_dots(sides, pairs, ends, out);
}

#[target_feature(enable = "avx2,fma")]
fn add_sparse_rows(pattern: &SparsePattern, values: &[f32], parts: &[Weighted], out: &mut [f32]) {
    maps::add_sparse_rows(pattern, values, parts, out);
}

#[target_feature(enable = "avx2,fma")]
fn sparse_dots(
    pattern: &SparsePattern,
    values: &[f32],
    which: &[u32],
    sides: (&[f32], &mut [f32]),
) {
    maps::sparse_dots(pattern, values, which, sides);
}

#[target_feature(enable = "avx2,fma")]
fn adam(moved: Moved<'_>, gradient: &[f32], step: &AdamStep) {
    vectors::adam(moved, gradient, step);
}

#[target_feature(enable = "avx2,fma")]
fn sigmoid(values: &mut [f32]) {
    vectors::sigmoid(values);
}

#[target_feature(enable = "avx2,fma")]
fn add_noise(values: &mut [f32], start: u32, noise: &Noise) {
    vectors::add_noise(values, start, noise);
}

/// Columns side by side: the compiler counts bits by table look-ups.
#[target_feature(enable = "avx2")]
fn pool_overlaps(tile: &[Lanes], first: usize, rows: &WordRows, out: &mut [u16], stride: usize) {
    pools::pool_overlaps(tile, first, rows, out, stride);
}

#[target_feature(enable = "avx2")]
fn bits_at_least(values: &[f32], limit: f32, words: &mut [u16]) {
    pools::bits_at_least(values, limit, words);
}

#[target_feature(enable = "avx2,popcnt")]
fn adapt(
    column: &mut [Synapses],
    inputs: &[u16],
    rule: &Adaptation,
    tile: &mut [Lanes],
    lane: usize,
) -> u32 {
    pools::adapt(column, inputs, rule, tile, lane)
}

#[target_feature(enable = "avx2,bmi1")]
fn select_counts(counts: &[u16], out: &mut [u32]) {
    pools::select_counts(counts, out, pools::count_at_least, pools::reaching);
}

/// The hardware population count.
#[target_feature(enable = "popcnt")]
fn local_winners(
    scores: &[f32],
    grid: &Neighbourhoods,
    bounds: (f32, f32),
    scratch: &mut LocalScratch,
    winners: &mut Vec<u32>,
) {
    pools::local_winners(scores, grid, bounds, scratch, winners);
}

#[target_feature(enable = "avx2")]
fn common_bits(rows: &[&[u64]], out: &mut [u64]) {
    bit_rows::common_bits(rows, out);
}

#[target_feature(enable = "avx2")]
fn add_lines(
    columns: Columns<'_>,
    column: usize,
    units: &[u32],
    least: u32,
    planes: &mut [Line],
) -> Line {
    postings::add_lines(columns, column, units, least, planes)
}

#[target_feature(enable = "avx2,bmi1")]
fn counters_at_least(counters: &[u16], least: u16, places: &mut Vec<u32>) {
    postings::counters_at_least(counters, least, places);
}
