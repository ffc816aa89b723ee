//! Loops over maps `(height, width, channels)`, channels side by side, and over matrices of which only
//! some values are kept. Written once, as in [`super::vectors`]; the tables agree to the bit.

use super::vectors::{self, Weighted};

/// The widest vector.
const LANES: usize = 16;
/// Columns of a [`SparsePattern`] that one mask speaks for.
pub(crate) const GROUP: usize = 16;

/// A convolution without margins, one place a step: `outputs` filters of `kernel` by `kernel` places
/// over maps of `channels`, `input_width` places a row, giving maps of `height` by `width`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Windows {
    pub(crate) height: usize,
    pub(crate) width: usize,
    pub(crate) input_width: usize,
    pub(crate) channels: usize,
    pub(crate) kernel: usize,
    pub(crate) outputs: usize,
}

/// `rows[row] · vectors[from]`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct RowPair {
    pub(crate) row: u32,
    pub(crate) from: u32,
}

/// See [`convolve`].
pub(super) type Convolve =
    fn(shape: &Windows, input: &[f32], weights: &[f32], bias: &[f32], out: &mut [f32]);

/// `out = bias + windows · weights`; `input` is `(height + kernel - 1, input_width, channels)`, `weights`
/// `(kernel, kernel, channels, outputs)`, `out` `(height, width, outputs)`. Each output is summed tap
/// by tap.
#[inline(always)]
pub(super) fn convolve(
    shape: &Windows,
    input: &[f32],
    weights: &[f32],
    bias: &[f32],
    out: &mut [f32],
) {
    let mut first = 0;
    while first + 32 <= shape.outputs {
        convolve_panel::<32>(shape, input, (weights, bias), (first, out));
        first += 32;
    }
    while first + 16 <= shape.outputs {
        convolve_panel::<16>(shape, input, (weights, bias), (first, out));
        first += 16;
    }
    if first < shape.outputs && shape.outputs >= 16 {
        // The last sixteen once more: the same sums, cheaper than a few one by one.
        convolve_panel::<16>(shape, input, (weights, bias), (shape.outputs - 16, out));
        return;
    }
    while first < shape.outputs {
        convolve_panel::<1>(shape, input, (weights, bias), (first, out));
        first += 1;
    }
}

/// [`convolve`] of the `N` outputs from `first` on.
#[inline(always)]
fn convolve_panel<const N: usize>(
    shape: &Windows,
    input: &[f32],
    parameters: (&[f32], &[f32]),
    (first, out): (usize, &mut [f32]),
) {
    for y in 0..shape.height {
        let mut x = 0;
        while x + 6 <= shape.width {
            convolve_places::<N, 6>(shape, input, parameters, (first, &mut *out), (y, x));
            x += 6;
        }
        while x + 2 <= shape.width {
            convolve_places::<N, 2>(shape, input, parameters, (first, &mut *out), (y, x));
            x += 2;
        }
        while x < shape.width {
            convolve_places::<N, 1>(shape, input, parameters, (first, &mut *out), (y, x));
            x += 1;
        }
    }
}

/// [`convolve_panel`] at the `P` places from `(y, x)` on: `N · P` sums in registers.
#[inline(always)]
fn convolve_places<const N: usize, const P: usize>(
    shape: &Windows,
    input: &[f32],
    (weights, bias): (&[f32], &[f32]),
    (first, out): (usize, &mut [f32]),
    (y, x): (usize, usize),
) {
    let start: &[f32; N] = bias[first..][..N].try_into().expect("N values");
    let mut sums = [*start; P];
    let length = shape.kernel * shape.channels;
    for row in 0..shape.kernel {
        let from = ((y + row) * shape.input_width + x) * shape.channels;
        let values = &input[from..][..length + (P - 1) * shape.channels];
        let weights = &weights[row * length * shape.outputs..][..length * shape.outputs];
        for (tap, weights) in weights.chunks_exact(shape.outputs).enumerate() {
            let weights: &[f32; N] = weights[first..][..N].try_into().expect("N values");
            for (place, sums) in sums.iter_mut().enumerate() {
                let value = values[place * shape.channels + tap];
                for lane in 0..N {
                    sums[lane] = value.mul_add(weights[lane], sums[lane]);
                }
            }
        }
    }
    for (place, sums) in sums.iter().enumerate() {
        let to = (y * shape.width + x + place) * shape.outputs + first;
        out[to..][..N].copy_from_slice(sums);
    }
}

/// See [`convolve_listed`].
pub(super) type ConvolveListed = fn(
    shape: &Windows,
    listed: (&[Weighted], &[u32]),
    weights: &[f32],
    bias: &[f32],
    out: &mut [f32],
);

/// As [`convolve`], of an input given by the values that are not zero: `listed` has their places and values,
/// increasing, and where those of each cell begin, with one end more. All windows go through a row of the weights
/// before the next, so that it stays in the first-level cache.
#[inline(always)]
pub(super) fn convolve_listed(
    shape: &Windows,
    (parts, starts): (&[Weighted], &[u32]),
    weights: &[f32],
    bias: &[f32],
    out: &mut [f32],
) {
    let Windows { width, input_width, channels, kernel, outputs, .. } = *shape;
    out.chunks_exact_mut(outputs).for_each(|out| out.copy_from_slice(bias));
    for row in 0..kernel {
        for (place, out) in out.chunks_exact_mut(outputs).enumerate() {
            let cell = (place / width + row) * input_width + place % width;
            let parts = &parts[starts[cell] as usize..starts[cell + kernel] as usize];
            // What has to be added to a place of the input to make it a row of the weights.
            let shift = (row * kernel * channels).wrapping_sub(cell * channels) as u32;
            vectors::add_weighted(weights, (outputs, shift), parts, out);
        }
    }
}

/// `rows[row] += factor · vector` for each part, in order; rows as wide as the vector.
#[inline(always)]
pub(super) fn add_outer(rows: &mut [f32], vector: &[f32], parts: &[Weighted]) {
    for part in parts {
        let row = &mut rows[part.row as usize * vector.len()..][..vector.len()];
        for (sum, value) in row.iter_mut().zip(vector) {
            *sum = part.factor.mul_add(*value, *sum);
        }
    }
}

/// See [`sum_dots`].
pub(super) type SumDots =
    fn(sides: (&[f32], &[f32], usize), pairs: &[RowPair], ends: &[u32], out: &mut [f32]);

/// `out[i] = Σ rows[row] · vectors[from]` over the pairs up to `ends[i]`; rows and vectors of `width`.
/// Sixty-four sums side by side, then sixteen, then one; added in halves.
#[inline(always)]
pub(super) fn sum_dots(
    (rows, vectors, width): (&[f32], &[f32], usize),
    pairs: &[RowPair],
    ends: &[u32],
    out: &mut [f32],
) {
    let mut start = 0;
    for (out, &end) in out.iter_mut().zip(ends) {
        let (mut wide, mut narrow, mut single) = ([0.0f32; 4 * LANES], [0.0f32; LANES], 0.0f32);
        for pair in &pairs[start..end as usize] {
            let row = &rows[pair.row as usize * width..][..width];
            let vector = &vectors[pair.from as usize * width..][..width];
            let (row, row_rest) = row.as_chunks::<{ 4 * LANES }>();
            let (vector, vector_rest) = vector.as_chunks::<{ 4 * LANES }>();
            for (a, b) in row.iter().zip(vector) {
                for lane in 0..4 * LANES {
                    wide[lane] = a[lane].mul_add(b[lane], wide[lane]);
                }
            }
            let (row, row_rest) = row_rest.as_chunks::<LANES>();
            let (vector, vector_rest) = vector_rest.as_chunks::<LANES>();
            for (a, b) in row.iter().zip(vector) {
                for lane in 0..LANES {
                    narrow[lane] = a[lane].mul_add(b[lane], narrow[lane]);
                }
            }
            single =
                row_rest.iter().zip(vector_rest).fold(single, |sum, (a, b)| a.mul_add(*b, sum));
        }
        start = end as usize;
        let mut half = 2 * LANES;
        while half >= LANES {
            for lane in 0..half {
                wide[lane] += wide[lane + half];
            }
            half /= 2;
        }
        for lane in 0..LANES {
            narrow[lane] += wide[lane];
        }
        *out = sum_of_lanes(narrow) + single;
    }
}

/// All lanes, added in halves.
#[inline(always)]
fn sum_of_lanes(mut lanes: [f32; LANES]) -> f32 {
    let mut half = LANES / 2;
    while half > 0 {
        for lane in 0..half {
            lanes[lane] += lanes[lane + half];
        }
        half /= 2;
    }
    lanes[0]
}

/// See [`max_pool`].
pub(super) type MaxPool =
    fn(input: &[f32], shape: (usize, usize, usize), squares: (usize, usize), out: &mut [f32]);

/// The largest of each square of `size` by `size` places; `(height, width, channels)` is the shape of
/// `out`, `input` has `pitch` places a row.
#[inline(always)]
pub(super) fn max_pool(
    input: &[f32],
    (height, width, channels): (usize, usize, usize),
    (size, pitch): (usize, usize),
    out: &mut [f32],
) {
    for (place, out) in out.chunks_exact_mut(channels).take(height * width).enumerate() {
        let first = place / width * size * pitch + place % width * size;
        out.copy_from_slice(&input[first * channels..][..channels]);
        for other in 1..size * size {
            let from = (first + other / size * pitch + other % size) * channels;
            for (largest, value) in out.iter_mut().zip(&input[from..][..channels]) {
                *largest = if *value > *largest { *value } else { *largest };
            }
        }
    }
}

/// Which values of a matrix `(_, width)` are kept: bit `c % 16` of mask `c / 16` of a row says whether
/// column `c` is; kept values lie row after row, left to right.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct SparsePattern {
    width: usize,
    masks: Vec<u16>,
    /// Where the kept values of each row begin; one more than there are rows.
    starts: Vec<u32>,
}

impl SparsePattern {
    /// The pattern of the places that are `kept`, `(rows, width)`.
    pub(crate) fn new(width: usize, kept: &[bool]) -> Self {
        let (mut masks, mut starts, mut count) = (Vec::new(), vec![0], 0);
        for row in kept.chunks_exact(width) {
            for group in row.chunks(GROUP) {
                let bit = |(place, kept): (usize, &bool)| u16::from(*kept) << place;
                masks.push(group.iter().enumerate().map(bit).sum());
            }
            count += row.iter().filter(|kept| **kept).count() as u32;
            starts.push(count);
        }
        Self { width, masks, starts }
    }

    /// The pattern of `rows` rows with these masks, if they are as many as that takes and keep nothing
    /// outside.
    pub(crate) fn from_masks(width: usize, rows: usize, masks: Vec<u16>) -> Option<Self> {
        let groups = width.div_ceil(GROUP);
        let outside = if width.is_multiple_of(GROUP) { 0 } else { u16::MAX << (width % GROUP) };
        let within = |masks: &[u16]| masks.last().is_some_and(|mask| mask & outside == 0);
        if rows.checked_mul(groups)? != masks.len() || !masks.chunks(groups).all(within) {
            return None;
        }
        let (mut starts, mut count) = (vec![0], 0u32);
        for row in masks.chunks_exact(groups) {
            count = count.checked_add(row.iter().map(|mask| mask.count_ones()).sum())?;
            starts.push(count);
        }
        Some(Self { width, masks, starts })
    }

    /// All masks, row after row.
    pub(crate) fn masks(&self) -> &[u16] {
        &self.masks
    }

    /// Columns.
    pub(crate) fn width(&self) -> usize {
        self.width
    }

    /// Columns, up to whole groups: what vectors that go with a row are padded to.
    pub(crate) fn padded_width(&self) -> usize {
        self.width.next_multiple_of(GROUP)
    }

    /// Kept values.
    pub(crate) fn kept(&self) -> usize {
        self.starts.last().map_or(0, |end| *end as usize)
    }

    /// Where the kept values of `row` lie; `row` may be one past the last.
    pub(crate) fn start(&self, row: usize) -> usize {
        self.starts[row] as usize
    }

    /// One mask a group of columns.
    pub(crate) fn masks_of(&self, row: usize) -> &[u16] {
        let groups = self.width.div_ceil(GROUP);
        &self.masks[row * groups..][..groups]
    }

    /// The columns of the kept values of `row`.
    pub(crate) fn columns_of(&self, row: usize) -> impl Iterator<Item = usize> {
        self.masks_of(row).iter().enumerate().flat_map(|(group, mask)| {
            let mut left = *mask;
            std::iter::from_fn(move || {
                let place = (left != 0).then(|| left.trailing_zeros() as usize)?;
                left &= left - 1;
                Some(group * GROUP + place)
            })
        })
    }

    /// `sums += dense` where values of `row` are kept; `sums` are those values, `dense` is a whole row.
    pub(crate) fn add_kept(&self, row: usize, dense: &[f32], sums: &mut [f32]) {
        let mut at = 0;
        for (mask, dense) in self.masks_of(row).iter().zip(dense.chunks(GROUP)) {
            let mut left = *mask;
            while left != 0 {
                sums[at] += dense[left.trailing_zeros() as usize];
                left &= left - 1;
                at += 1;
            }
        }
    }
}

/// `out += Σ factor · row`, in the order of the parts; `out` is padded.
#[inline(always)]
pub(super) fn add_sparse_rows(
    pattern: &SparsePattern,
    values: &[f32],
    parts: &[Weighted],
    out: &mut [f32],
) {
    for part in parts {
        let mut at = pattern.start(part.row as usize);
        let masks = pattern.masks_of(part.row as usize);
        for (mask, out) in masks.iter().zip(out.chunks_exact_mut(GROUP)) {
            let mut left = *mask;
            while left != 0 {
                let lane = left.trailing_zeros() as usize;
                out[lane] = part.factor.mul_add(values[at], out[lane]);
                at += 1;
                left &= left - 1;
            }
        }
    }
}

/// See [`sparse_dots`].
pub(super) type SparseDots =
    fn(pattern: &SparsePattern, values: &[f32], which: &[u32], sides: (&[f32], &mut [f32]));

/// `out[i] = rows[which[i]] · vector`; `vector` is padded. Sixteen sums for even groups and sixteen
/// for odd ones.
#[inline(always)]
pub(super) fn sparse_dots(
    pattern: &SparsePattern,
    values: &[f32],
    which: &[u32],
    (vector, out): (&[f32], &mut [f32]),
) {
    for (out, &row) in out.iter_mut().zip(which) {
        let mut at = pattern.start(row as usize);
        let mut sums = [[0.0f32; LANES]; 2];
        let masks = pattern.masks_of(row as usize);
        for (group, (mask, vector)) in masks.iter().zip(vector.chunks_exact(GROUP)).enumerate() {
            let (mut left, sums) = (*mask, &mut sums[group % 2]);
            while left != 0 {
                let lane = left.trailing_zeros() as usize;
                sums[lane] = values[at].mul_add(vector[lane], sums[lane]);
                at += 1;
                left &= left - 1;
            }
        }
        let [mut even, odd] = sums;
        even.iter_mut().zip(odd).for_each(|(even, odd)| *even += odd);
        *out = sum_of_lanes(even);
    }
}

/// The loops over sparse rows for AVX-512: a group of kept values is spread over its columns by one
/// instruction.
#[cfg(target_arch = "x86_64")]
pub(super) mod spread {
    use std::arch::x86_64::*;

    use super::{GROUP, LANES, SparsePattern, Weighted, sum_of_lanes};

    /// The values that `mask` keeps of a group, each in its lane, 0 elsewhere, and how many they are.
    #[target_feature(enable = "avx512f,popcnt")]
    #[inline]
    fn group(values: &[f32], at: usize, mask: u16) -> (__m512, usize) {
        let count = mask.count_ones() as usize;
        assert!(at + count <= values.len(), "a pattern has as many kept values as bits");
        // Spread from a register is several times as fast as from memory.
        let packed = if at + GROUP <= values.len() {
            // SAFETY: the slice has sixteen values from `at`.
            unsafe { _mm512_loadu_ps(values.as_ptr().add(at)) }
        } else {
            let lowest = ((1u32 << count) - 1) as u16;
            // SAFETY: `count` values are read, and the slice has these many from `at`.
            unsafe { _mm512_maskz_loadu_ps(lowest, values.as_ptr().add(at)) }
        };
        (_mm512_maskz_expand_ps(mask, packed), count)
    }

    #[target_feature(enable = "avx512f,popcnt")]
    #[inline]
    fn load(values: &[f32; GROUP]) -> __m512 {
        // SAFETY: sixteen values are read.
        unsafe { _mm512_loadu_ps(values.as_ptr()) }
    }

    #[target_feature(enable = "avx512f,popcnt")]
    pub(crate) fn add_sparse_rows(
        pattern: &SparsePattern,
        values: &[f32],
        parts: &[Weighted],
        out: &mut [f32],
    ) {
        let (fours, rest) = parts.as_chunks::<4>();
        fours.iter().for_each(|parts| add_rows(pattern, values, parts, out));
        rest.iter().for_each(|part| add_rows(pattern, values, std::array::from_ref(part), out));
    }

    /// Adds `N` rows in order, each sum loaded and stored once.
    #[target_feature(enable = "avx512f,popcnt")]
    #[inline]
    fn add_rows<const N: usize>(
        pattern: &SparsePattern,
        values: &[f32],
        parts: &[Weighted; N],
        out: &mut [f32],
    ) {
        let (out, _) = out.as_chunks_mut::<GROUP>();
        let masks = parts.map(|part| pattern.masks_of(part.row as usize));
        let mut at = parts.map(|part| pattern.start(part.row as usize));
        let factors = parts.map(|part| _mm512_set1_ps(part.factor));
        for (number, out) in out.iter_mut().enumerate() {
            let mut sum = load(out);
            for row in 0..N {
                let mask = masks[row][number];
                let (kept, count) = group(values, at[row], mask);
                sum = _mm512_mask3_fmadd_ps(factors[row], kept, sum, mask);
                at[row] += count;
            }
            // SAFETY: sixteen values are written.
            unsafe { _mm512_storeu_ps(out.as_mut_ptr(), sum) };
        }
    }

    #[target_feature(enable = "avx512f,popcnt")]
    pub(crate) fn sparse_dots(
        pattern: &SparsePattern,
        values: &[f32],
        which: &[u32],
        (vector, out): (&[f32], &mut [f32]),
    ) {
        let (vector, _) = vector.as_chunks::<GROUP>();
        for (out, &row) in out.iter_mut().zip(which) {
            let mut at = pattern.start(row as usize);
            // Two sums by name: one picked by a number would live in memory.
            let (mut even, mut odd) = (_mm512_setzero_ps(), _mm512_setzero_ps());
            let masks = pattern.masks_of(row as usize).chunks(2);
            for (masks, vectors) in masks.zip(vector.chunks(2)) {
                let (kept, count) = group(values, at, masks[0]);
                even = _mm512_mask3_fmadd_ps(kept, load(&vectors[0]), even, masks[0]);
                at += count;
                if let ([_, mask], [_, vector]) = (masks, vectors) {
                    let (kept, count) = group(values, at, *mask);
                    odd = _mm512_mask3_fmadd_ps(kept, load(vector), odd, *mask);
                    at += count;
                }
            }
            let mut lanes = [0.0; LANES];
            // SAFETY: sixteen values are written.
            unsafe { _mm512_storeu_ps(lanes.as_mut_ptr(), _mm512_add_ps(even, odd)) };
            *out = sum_of_lanes(lanes);
        }
    }
}
