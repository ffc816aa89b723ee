//! Dense products of row-major matrices, one thread each: callers cut the batch into blocks.

use gemm::{Parallelism, gemm};

use crate::rows::Rows;

/// `out = a · bᵀ`, `(a.len(), b.len())` row-major. Cost: `a.len() · b.len() · width` multiply-adds.
///
/// # Panics
/// If the two differ in width, or `out` does not have one place a pair of rows.
pub(crate) fn product_transposed(a: Rows<'_>, b: Rows<'_>, out: &mut [f32]) {
    assert_eq!(a.width(), b.width(), "both sides of a · bᵀ must have the same width");
    assert_eq!(out.len(), a.len() * b.len(), "out must have one place a pair of rows");
    let (rows, columns, depth) = (a.len(), b.len(), a.width());
    // SAFETY: `a` has rows · depth values and `b` columns · depth, each read as row-major, `b` as its
    // own transpose by swapped strides; `out` has rows · columns places, row-major, and is borrowed
    // mutably, so it can't overlap either. All three were asserted above or hold for any `Rows`.
    unsafe {
        gemm(
            rows,
            columns,
            depth,
            out.as_mut_ptr(),
            1,
            columns as isize,
            false,
            a.values().as_ptr(),
            1,
            depth as isize,
            b.values().as_ptr(),
            depth as isize,
            1,
            0.0,
            1.0,
            false,
            false,
            false,
            Parallelism::None,
        );
    }
}

/// `out += a · b`, `(a.len(), b.width())` row-major. Cost: `a.len() · a.width() · b.width()`
/// multiply-adds.
///
/// # Panics
/// If `a` is not as wide as `b` is long, or `out` does not have one place a row of `a` and column
/// of `b`.
pub(crate) fn add_product(a: Rows<'_>, b: Rows<'_>, out: &mut [f32]) {
    assert_eq!(a.width(), b.len(), "a · b needs as many columns of a as rows of b");
    assert_eq!(out.len(), a.len() * b.width(), "out must have one place a row and column");
    let (rows, columns, depth) = (a.len(), b.width(), a.width());
    // SAFETY: `a` has rows · depth values and `b` depth · columns, both row-major; `out` has
    // rows · columns initialised places, row-major, and is borrowed mutably, so it can't overlap
    // either. All three were asserted above or hold for any `Rows`.
    unsafe {
        gemm(
            rows,
            columns,
            depth,
            out.as_mut_ptr(),
            1,
            columns as isize,
            true,
            a.values().as_ptr(),
            1,
            depth as isize,
            b.values().as_ptr(),
            1,
            columns as isize,
            1.0,
            1.0,
            false,
            false,
            false,
            Parallelism::None,
        );
    }
}

/// `out += aᵀ · b`, `(a.width(), b.width())` row-major. Cost: `a.len() · a.width() · b.width()`
/// multiply-adds.
///
/// # Panics
/// If the two differ in length, or `out` does not have one place a pair of columns.
pub(crate) fn add_product_of_transposed(a: Rows<'_>, b: Rows<'_>, out: &mut [f32]) {
    assert_eq!(a.len(), b.len(), "both sides of aᵀ · b must have the same number of rows");
    assert_eq!(out.len(), a.width() * b.width(), "out must have one place a pair of columns");
    let (rows, columns, depth) = (a.width(), b.width(), a.len());
    // SAFETY: `a` has depth · rows values and `b` depth · columns, each read as row-major, `a` as its
    // own transpose by swapped strides; `out` has rows · columns initialised places, row-major, and
    // is borrowed mutably, so it can't overlap either. All asserted above or true of any `Rows`.
    unsafe {
        gemm(
            rows,
            columns,
            depth,
            out.as_mut_ptr(),
            1,
            columns as isize,
            true,
            a.values().as_ptr(),
            rows as isize,
            1,
            b.values().as_ptr(),
            1,
            columns as isize,
            1.0,
            1.0,
            false,
            false,
            false,
            Parallelism::None,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    const SIZES: [(usize, usize, usize); 4] = [(1, 1, 1), (3, 5, 7), (17, 10, 33), (40, 65, 130)];

    fn random(len: usize, rng: &mut Rng) -> Vec<f32> {
        (0..len).map(|_| rng.between(-1.0, 1.0)).collect()
    }

    fn transposed(values: &[f32], width: usize) -> Vec<f32> {
        let len = values.len() / width;
        (0..values.len()).map(|place| values[place % len * width + place / len]).collect()
    }

    /// `a · bᵀ` by its definition.
    fn expected(a: &[f32], b: &[f32], depth: usize) -> Vec<f32> {
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum();
        let row = |a| b.chunks_exact(depth).map(move |b| dot(a, b)).collect::<Vec<f32>>();
        a.chunks_exact(depth).flat_map(row).collect()
    }

    fn assert_near(got: &[f32], expected: &[f32]) {
        assert_eq!(got.len(), expected.len());
        for (got, expected) in got.iter().zip(expected) {
            assert!((got - expected).abs() < 1e-4, "{got} for {expected}");
        }
    }

    #[test]
    fn products_equal_their_definition() {
        let mut rng = Rng::new(1);
        for (rows, columns, depth) in SIZES {
            let (a, b) = (random(rows * depth, &mut rng), random(columns * depth, &mut rng));
            let (across_a, across_b) = (transposed(&a, depth), transposed(&b, depth));
            let expected = expected(&a, &b, depth);
            let one_more: Vec<f32> = expected.iter().map(|value| value + 1.0).collect();
            let view = |values, width| Rows::new(values, width).unwrap();

            let mut out = vec![f32::NAN; rows * columns];
            product_transposed(view(&a, depth), view(&b, depth), &mut out);
            assert_near(&out, &expected);
            let mut out = vec![1.0; rows * columns];
            add_product(view(&a, depth), view(&across_b, columns), &mut out);
            assert_near(&out, &one_more);
            let mut out = vec![1.0; rows * columns];
            add_product_of_transposed(view(&across_a, rows), view(&across_b, columns), &mut out);
            assert_near(&out, &one_more);
        }
    }
}
