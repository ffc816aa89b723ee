//! The reference: plain loops, the meaning of every kernel.

use super::select::{Effort, SelectScratch, Steps, key, narrow};
use super::tiles::{BLOCK, BlockedRows, CHUNK, Delta, Factors, Pair, TILE_UNITS};
use super::{Table, maps, vectors};
use super::{bit_rows, pools, postings};

pub(super) static TABLE: Table = Table {
    name: "scalar",
    overlaps,
    select,
    scores,
    add_tile_rows,
    update_tile,
    add_weighted_rows: |rows, parts, out| vectors::add_weighted_rows(rows, parts, out),
    add_weighted_runs: |values, parts, out| vectors::add_weighted_runs(values, parts, out),
    dots: |rows, which, vector, out| vectors::dots(rows, which, vector, out),
    convolve: |shape, input, weights, bias, out| maps::convolve(shape, input, weights, bias, out),
    convolve_listed: |shape, listed, weights, bias, out| {
        maps::convolve_listed(shape, listed, weights, bias, out);
    },
    max_pool: |input, shape, squares, out| maps::max_pool(input, shape, squares, out),
    add_outer: |rows, vector, parts| maps::add_outer(rows, vector, parts),
    sum_dots: |sides, pairs, ends, out| maps::sum_dots(sides, pairs, ends, out),
    add_sparse_rows: |pattern, values, parts, out| {
        maps::add_sparse_rows(pattern, values, parts, out);
    },
    sparse_dots: |pattern, values, which, sides| {
        maps::sparse_dots(pattern, values, which, sides);
    },
    adam: |moved, gradient, step| vectors::adam(moved, gradient, step),
    sigmoid: |values| vectors::sigmoid(values),
    add_noise: |values, start, noise| vectors::add_noise(values, start, noise),
    pool_overlaps: pools::pool_overlaps,
    bits_at_least: pools::bits_at_least,
    adapt: pools::adapt,
    select_counts: |counts, out| {
        pools::select_counts(counts, out, pools::count_at_least, pools::reaching);
    },
    local_winners: pools::local_winners,
    count_bits: bit_rows::count_bits,
    common_bits: |rows, out| bit_rows::common_bits(rows, out),
    add_lines: |columns, column, units, least, planes| {
        postings::add_lines(columns, column, units, least, planes)
    },
    counters_at_least: |counters, least, places| {
        postings::counters_at_least(counters, least, places);
    },
};

static STEPS: Steps = Steps { group_maxima, kth_key, places_at_least, gather_keys, keep_at_least };

fn select(scores: &[f32], scratch: &mut SelectScratch, out: &mut [u32]) -> Result<(), usize> {
    super::select::select(&STEPS, scores, scratch, out)
}

fn overlaps(query: &[u64], rows: &[u64], out: &mut [u32]) {
    for (row, out) in rows.chunks_exact(query.len()).zip(out) {
        *out = row.iter().zip(query).map(|(a, b)| (a & b).count_ones()).sum();
    }
}

fn group_maxima(scores: &[f32], maxima: &mut [i32]) {
    maxima.fill(key(f32::NEG_INFINITY));
    for group in scores.chunks(maxima.len()) {
        for (maximum, &score) in maxima.iter_mut().zip(group) {
            if !score.is_nan() {
                *maximum = (*maximum).max(key(score + 0.0));
            }
        }
    }
}

fn kth_key(keys: &[i32], k: usize, effort: Effort) -> (i32, usize) {
    let real = || keys.iter().copied().filter(|&key| key != i32::MIN);
    let (low, high) = (real().min().unwrap_or(i32::MIN), real().max().unwrap_or(i32::MIN));
    narrow((low, high), k, effort, |tried| keys.iter().filter(|&&key| key >= tried).count())
}

fn places_at_least(scores: &[f32], threshold: f32, places: &mut [u32]) -> usize {
    let mut count = 0;
    for (place, &score) in scores.iter().enumerate() {
        places[count] = place as u32;
        count += usize::from(score >= threshold || score.is_nan());
    }
    count
}

pub(super) fn gather_keys(scores: &[f32], places: &[u32], count: usize, keys: &mut [i32]) -> bool {
    let (keys, filling) = keys.split_at_mut(count);
    filling.fill(i32::MIN);
    let mut any_nan = false;
    for (slot, &place) in keys.iter_mut().zip(places) {
        let score = scores[place as usize];
        any_nan |= score.is_nan();
        *slot = key(score + 0.0); // -0.0 + 0.0 = 0.0
    }
    any_nan
}

pub(super) fn keep_at_least(keys: &[i32], threshold: i32, places: &[u32], out: &mut [u32]) {
    let kept = keys.iter().zip(places).filter(|(key, _)| **key >= threshold);
    for (slot, (_, &place)) in out.iter_mut().zip(kept) {
        *slot = place;
    }
}

fn scores(weights: &[f32], rows: &BlockedRows, out: &mut [f32], stride: usize) {
    for (number, tile) in weights.chunks_exact(rows.blocks() * CHUNK).enumerate() {
        for row in 0..rows.len() {
            let (values, active) = rows.row(row);
            let mut sums = [0.0f32; CHUNK];
            for &block in active {
                let inputs = &values[block as usize * BLOCK..][..BLOCK];
                let weights = &tile[block as usize * CHUNK..][..CHUNK];
                for (lane, sum) in sums.iter_mut().enumerate() {
                    *sum = inputs[lane % BLOCK].mul_add(weights[lane], *sum);
                }
            }
            let (units, _) = sums.as_chunks::<BLOCK>();
            let out = &mut out[row * stride + number * TILE_UNITS..][..TILE_UNITS];
            for (out, lanes) in out.iter_mut().zip(units) {
                *out = (lanes[0] + lanes[1]) + (lanes[2] + lanes[3]);
            }
        }
    }
}

fn add_tile_rows(tile: &[f32], pairs: &[Pair], out: &mut [f32]) {
    let length = tile.len() / TILE_UNITS;
    for pair in pairs {
        let out = &mut out[pair.row as usize * length..][..length];
        for (chunk, out) in tile.chunks_exact(CHUNK).zip(out.chunks_exact_mut(BLOCK)) {
            for (out, weight) in out.iter_mut().zip(&chunk[pair.unit as usize * BLOCK..]) {
                *out += weight;
            }
        }
    }
}

fn update_tile(tile: &mut [f32], pairs: &[Pair], delta: &Delta, factors: &Factors) {
    for pair in pairs {
        let (values, active) = delta.row(pair.row as usize);
        for &block in active {
            let weights = &mut tile[block as usize * CHUNK + pair.unit as usize * BLOCK..][..BLOCK];
            for (weight, value) in weights.iter_mut().zip(&values[block as usize * BLOCK..]) {
                *weight = factors[pair.unit as usize].mul_add(*value, *weight);
            }
        }
    }
}
