//! Loops over plain vectors, written once: every table compiles these bodies for its own instructions.
//!
//! All arithmetic is in fixed lanes and in a fixed order, so the tables agree to the bit whatever
//! the compiler makes of them.

/// Values that are summed side by side in registers.
const PANEL: usize = 128;
/// The same where a whole panel is too much: the width of many layers.
const HALF_PANEL: usize = 64;
/// The widest vector; sums over a row run in as many lanes, four times over.
const LANES: usize = 16;

/// "Row `row`, times `factor`."
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Weighted {
    pub(crate) row: u32,
    pub(crate) factor: f32,
}

/// One step of Adam with its bias correction worked in: see [`adam`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct AdamStep {
    pub(crate) beta1: f32,
    pub(crate) beta2: f32,
    /// The learning rate over `1 - beta1^step`.
    pub(crate) rate: f32,
    /// `1 / sqrt(1 - beta2^step)`.
    pub(crate) correction: f32,
    pub(crate) epsilon: f32,
}

/// Values with what Adam remembers of their gradient.
#[derive(Debug)]
pub(crate) struct Moved<'a> {
    pub(crate) values: &'a mut [f32],
    pub(crate) mean: &'a mut [f32],
    pub(crate) square: &'a mut [f32],
}

/// What is done to inputs to make their reconstruction harder.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Noise {
    /// One for the normal numbers, one for what is dropped.
    pub(crate) keys: [u32; 2],
    /// Standard deviation of what is added, before it is cut at two of them.
    pub(crate) deviation: f32,
    /// Numbers of 32 bits below which a value is kept, out of 2^32; kept ones are divided by the
    /// share.
    pub(crate) keep_below: u32,
    pub(crate) keep_factor: f32,
}

/// `out += Σ factor · rows[row]`, in the order of the parts; `rows` is `(_, out.len())`.
#[inline(always)]
pub(super) fn add_weighted_rows(rows: &[f32], parts: &[Weighted], out: &mut [f32]) {
    add_weighted(rows, (out.len(), 0), parts, out);
}

/// `out += Σ factor · values[row..]`, in the order of the parts: rows that overlap.
#[inline(always)]
pub(super) fn add_weighted_runs(values: &[f32], parts: &[Weighted], out: &mut [f32]) {
    add_weighted(values, (1, 0), parts, out);
}

/// `out += Σ factor · row`, in the order of the parts: the row of a part begins at `(part.row + shift) · pitch`.
#[inline(always)]
pub(super) fn add_weighted(
    rows: &[f32],
    (pitch, shift): (usize, u32),
    parts: &[Weighted],
    out: &mut [f32],
) {
    let (panels, rest) = out.as_chunks_mut::<PANEL>();
    let mut start = 0;
    for panel in panels {
        add_weighted_pieces(rows, (pitch, shift, start), parts, panel);
        start += PANEL;
    }
    let (halves, rest) = rest.as_chunks_mut::<HALF_PANEL>();
    for half in halves {
        add_weighted_pieces(rows, (pitch, shift, start), parts, half);
        start += HALF_PANEL;
    }
    let (pairs, rest) = rest.as_chunks_mut::<{ 2 * LANES }>();
    for pair in pairs {
        add_weighted_pieces(rows, (pitch, shift, start), parts, pair);
        start += 2 * LANES;
    }
    let (vectors, rest) = rest.as_chunks_mut::<LANES>();
    for vector in vectors {
        add_weighted_pieces(rows, (pitch, shift, start), parts, vector);
        start += LANES;
    }
    if let [single] = rest {
        let single: &mut [f32; 1] = std::array::from_mut(single);
        add_weighted_pieces(rows, (pitch, shift, start), parts, single);
    } else if !rest.is_empty() {
        add_weighted_rest(rows, (pitch, shift, start), parts, rest);
    }
}

/// [`add_weighted`] of the `N` columns from `start` on.
#[inline(always)]
fn add_weighted_pieces<const N: usize>(
    rows: &[f32],
    (pitch, shift, start): (usize, u32, usize),
    parts: &[Weighted],
    out: &mut [f32; N],
) {
    let mut sums = *out;
    for part in parts {
        let at = part.row.wrapping_add(shift) as usize * pitch + start;
        for (sum, value) in sums.iter_mut().zip(&rows[at..][..N]) {
            *sum = part.factor.mul_add(*value, *sum);
        }
    }
    *out = sums;
}

/// [`add_weighted`] of the last columns, less than a vector: as a vector wherever the rows reach so far.
#[inline(always)]
fn add_weighted_rest(
    rows: &[f32],
    (pitch, shift, start): (usize, u32, usize),
    parts: &[Weighted],
    out: &mut [f32],
) {
    let mut sums = [0.0; LANES];
    sums[..out.len()].copy_from_slice(out);
    for part in parts {
        let at = part.row.wrapping_add(shift) as usize * pitch + start;
        if let Some(values) = rows[at..].first_chunk::<LANES>() {
            for (sum, value) in sums.iter_mut().zip(values) {
                *sum = part.factor.mul_add(*value, *sum);
            }
        } else {
            for (sum, value) in sums.iter_mut().zip(&rows[at..][..out.len()]) {
                *sum = part.factor.mul_add(*value, *sum);
            }
        }
    }
    out.copy_from_slice(&sums[..out.len()]);
}

/// See [`dots`].
pub(super) type Dots = fn(rows: &[f32], which: &[u32], vector: &[f32], out: &mut [f32]);

/// `out[i] = rows[which[i]] · vector`; `rows` is `(_, vector.len())`.
#[inline(always)]
pub(super) fn dots(rows: &[f32], which: &[u32], vector: &[f32], out: &mut [f32]) {
    for (out, &row) in out.iter_mut().zip(which) {
        *out = dot(&rows[row as usize * vector.len()..][..vector.len()], vector);
    }
}

/// Sixty-four sums side by side, added in halves; the rest one by one.
#[inline(always)]
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0f32; 4 * LANES];
    let ((a, a_rest), (b, b_rest)) =
        (a.as_chunks::<{ 4 * LANES }>(), b.as_chunks::<{ 4 * LANES }>());
    for (a, b) in a.iter().zip(b) {
        for lane in 0..4 * LANES {
            sums[lane] = a[lane].mul_add(b[lane], sums[lane]);
        }
    }
    let mut half = 2 * LANES;
    while half > 0 {
        for lane in 0..half {
            sums[lane] += sums[lane + half];
        }
        half /= 2;
    }
    let rest = a_rest.iter().zip(b_rest).fold(0.0, |sum: f32, (a, b)| a.mul_add(*b, sum));
    sums[0] + rest
}

/// Moves every value by the rule of Adam along `gradient`.
#[inline(always)]
pub(super) fn adam(moved: Moved<'_>, gradient: &[f32], step: &AdamStep) {
    let Moved { values, mean, square } = moved;
    let moments = mean.iter_mut().zip(square);
    for ((value, slope), (mean, square)) in values.iter_mut().zip(gradient).zip(moments) {
        *mean = step.beta1 * *mean + (1.0 - step.beta1) * slope;
        *square = step.beta2 * *square + (1.0 - step.beta2) * slope * slope;
        *value -= step.rate * *mean / (square.sqrt() * step.correction + step.epsilon);
    }
}

/// `1 / (1 + e^-x)`, to two units in the last place or so; 0 and 1 at the ends.
#[inline(always)]
pub(super) fn sigmoid(values: &mut [f32]) {
    for value in values {
        *value = 1.0 / (1.0 + exp(-*value));
    }
}

/// `e^x` for `x` cut to ±87: `2^n · e^r` with `|r| <= ln 2 / 2`, the second factor by its Taylor
/// series to degree 6 (relative error below 2e-7).
#[inline(always)]
fn exp(x: f32) -> f32 {
    /// `1.5 · 2^23`: adding it rounds to a whole number, which then stands in the low bits.
    const ROUND: f32 = 12_582_912.0;
    // ln 2 in two parts; the first has few bits, so that its product with n is exact.
    const LN_2_HIGH: f32 = 0.693_359_4;
    const LN_2_LOW: f32 = -2.121_944_4e-4;
    let x = x.clamp(-87.0, 87.0);
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = (x - n * LN_2_HIGH) - n * LN_2_LOW;
    let mut series = 1.0 / 720.0;
    for coefficient in [1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0] {
        series = series * r + coefficient;
    }
    let bits = shifted.to_bits().wrapping_sub(ROUND.to_bits()).wrapping_add(127) << 23;
    series * f32::from_bits(bits)
}

/// Adds noise to `values` and drops some of them; `start` is the place of the first in the whole
/// batch, on which alone, with the keys, hangs what a value meets.
#[inline(always)]
pub(super) fn add_noise(values: &mut [f32], start: u32, noise: &Noise) {
    for (offset, value) in values.iter_mut().enumerate() {
        let place = start.wrapping_add(offset as u32);
        let normal = cut_normal(hash(place, noise.keys[0]));
        let kept = hash(place, noise.keys[1]) <= noise.keep_below;
        let factor = if kept { noise.keep_factor } else { 0.0 };
        *value = (*value + noise.deviation * normal) * factor;
    }
}

/// 32 bits that look random, from a place and a key: the finaliser "lowbias32" of C. Wellons' search
/// for hashes of low bias (2018), over a Weyl sequence.
#[inline(always)]
pub(crate) fn hash(place: u32, key: u32) -> u32 {
    let mut bits = place.wrapping_mul(0x9E37_79B9) ^ key;
    bits = (bits ^ (bits >> 16)).wrapping_mul(0x7FEB_352D);
    bits = (bits ^ (bits >> 15)).wrapping_mul(0x846C_A68B);
    bits ^ (bits >> 16)
}

/// A standard normal number between -2 and 2, from 32 even bits: the inverse of the distribution
/// function by P. Acklam's rational approximation of its middle (2003), whose error out to 2 is
/// below 1e-4 with the roundings of `f32`.
#[inline(always)]
fn cut_normal(bits: u32) -> f32 {
    /// Half of the share of the normal distribution that lies between -2 and 2.
    const HALF: f32 = 0.477_249_87;
    const A: [f32; 6] = [-39.696_83, 220.946_1, -275.928_5, 138.357_75, -30.664_799, 2.506_628_3];
    const B: [f32; 5] = [-54.476_1, 161.585_83, -155.698_98, 66.801_31, -13.280_682];
    let even = (bits >> 8) as i32 as f32 * (1.0 / (1 << 23) as f32) - 1.0;
    let q = even * HALF;
    let r = q * q;
    let above = ((((A[0] * r + A[1]) * r + A[2]) * r + A[3]) * r + A[4]) * r + A[5];
    let below = ((((B[0] * r + B[1]) * r + B[2]) * r + B[3]) * r + B[4]) * r + 1.0;
    q * above / below
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sigmoid_is_the_sigmoid() {
        for place in -2000..=2000 {
            let x = place as f32 * 0.05;
            let mut got = [x];
            sigmoid(&mut got);
            let expected = 1.0 / (1.0 + (-f64::from(x)).exp());
            let error = (f64::from(got[0]) - expected).abs();
            assert!(error < 1e-6 * expected.max(1e-30) + 1e-37, "{x}: {} for {expected}", got[0]);
        }
    }

    /// Mean 0, variance of a normal number cut at two deviations (0.7737), nothing outside, the kept
    /// share right, and no likeness of neighbours.
    #[test]
    fn noise_is_normal_and_cut() {
        let len = 1 << 18;
        let noise_of = |deviation, keep_below, keep_factor| {
            let mut values = vec![0.0f32; len];
            let keys = [12345, 678];
            add_noise(&mut values, 7, &Noise { keys, deviation, keep_below, keep_factor });
            values
        };
        let values = noise_of(1.0, u32::MAX, 1.0);
        let mean =
            |values: &mut dyn Iterator<Item = f32>| values.map(f64::from).sum::<f64>() / len as f64;
        assert!(values.iter().all(|value| value.abs() < 2.001));
        assert!(mean(&mut values.iter().copied()).abs() < 0.006);
        let variance = mean(&mut values.iter().map(|value| value * value));
        assert!((variance - 0.7737).abs() < 0.006, "{variance}");
        for apart in [1, 2, 784] {
            let alike = mean(&mut values.iter().zip(&values[apart..]).map(|(a, b)| a * b));
            assert!(alike.abs() < 0.006, "{apart}: {alike}");
        }
        let mut ones = vec![1.0f32; len];
        let keep =
            Noise { keys: [1, 2], deviation: 0.0, keep_below: 3_435_973_836, keep_factor: 1.25 };
        add_noise(&mut ones, 0, &keep);
        assert!((mean(&mut ones.iter().copied()) - 1.0).abs() < 0.004);
        assert!(ones.iter().all(|one| [0.0, 1.25].contains(one)));
    }
}
