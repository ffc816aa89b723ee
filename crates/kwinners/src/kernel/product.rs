//! Dense products of row-major matrices, one thread each: callers cut the batch into blocks.

use gemm::{Parallelism, gemm};

use crate::rows::Rows;

/// `out = a · bᵀ`, `(a.len(), b.len())` row-major. Cost: `a.len() · b.len() · width` multiply-adds.
///
/// # Panics
/// If the two differ in width, or `out` does not have one place a pair of rows.
pub(crate) fn product_transposed(a: Rows<'_>, b: Rows<'_>, out: &mut [f32]) {
    multiply(Factor::of(a), Factor::transposed(b), out, false);
}

/// `out += a · b`, `(a.len(), b.width())` row-major. Cost: `a.len() · a.width() · b.width()`
/// multiply-adds.
///
/// # Panics
/// If `a` is not as wide as `b` is long, or `out` does not have one place a row of `a` and column
/// of `b`.
pub(crate) fn add_product(a: Rows<'_>, b: Rows<'_>, out: &mut [f32]) {
    multiply(Factor::of(a), Factor::of(b), out, true);
}

/// `out += aᵀ · b`, `(a.width(), b.width())` row-major. Cost: `a.len() · a.width() · b.width()`
/// multiply-adds.
///
/// # Panics
/// If the two differ in length, or `out` does not have one place a pair of columns.
pub(crate) fn add_product_of_transposed(a: Rows<'_>, b: Rows<'_>, out: &mut [f32]) {
    multiply(Factor::transposed(a), Factor::of(b), out, true);
}

/// `out += a · b` where row `i` of `a` is the window `values[i · step..]` of `b.len()` values, windows
/// overlapping if `step` is less; `a` has a row for each row of `out`, `(a.len(), b.width())`
/// row-major. A convolution is a few of these, without the windows ever being copied out.
///
/// # Panics
/// If `out` is not whole rows, or the last window reaches past the values.
pub(crate) fn add_product_of_windows(values: &[f32], step: usize, b: Rows<'_>, out: &mut [f32]) {
    let (rows, columns) = (out.len() / b.width(), b.len());
    if rows == 0 || columns == 0 {
        return;
    }
    assert!((rows - 1) * step + columns <= values.len(), "the last window is among the values");
    let windows = Factor { values, rows, columns, strides: (step as isize, 1) };
    multiply(windows, Factor::of(b), out, true);
}

/// `out += a · bᵀ`, `(a.len(), b.len())` row-major. Cost: `a.len() · b.len() · width` multiply-adds.
///
/// # Panics
/// If the two differ in width, or `out` does not have one place a pair of rows.
pub(crate) fn add_product_transposed(a: Rows<'_>, b: Rows<'_>, out: &mut [f32]) {
    multiply(Factor::of(a), Factor::transposed(b), out, true);
}

/// One side of a product: rows read as they lie, or as their transpose.
#[derive(Clone, Copy)]
struct Factor<'a> {
    values: &'a [f32],
    rows: usize,
    columns: usize,
    /// Values from one row to the next, and from one column to the next.
    strides: (isize, isize),
}

impl<'a> Factor<'a> {
    fn of(rows: Rows<'a>) -> Self {
        let strides = (rows.width() as isize, 1);
        Self { values: rows.values(), rows: rows.len(), columns: rows.width(), strides }
    }

    fn transposed(rows: Rows<'a>) -> Self {
        let Self { values, rows, columns, strides: (down, right) } = Self::of(rows);
        Self { values, rows: columns, columns: rows, strides: (right, down) }
    }
}

/// `out = a · b`, or `out += a · b` if `add`.
fn multiply(a: Factor<'_>, b: Factor<'_>, out: &mut [f32], add: bool) {
    assert_eq!(a.columns, b.rows, "a has as many columns as b has rows");
    assert_eq!(out.len(), a.rows * b.columns, "out has one place a row of a and column of b");
    // SAFETY: each side's rows, columns and strides stay among its values: a `Factor` is made from
    // `Rows`, or from windows whose last one was checked; `out` has as many initialised places as the product (asserted), row-major,
    // and is borrowed mutably, so it overlaps neither side.
    unsafe {
        gemm(
            a.rows,
            b.columns,
            a.columns,
            out.as_mut_ptr(),
            1,
            b.columns as isize,
            add,
            a.values.as_ptr(),
            a.strides.1,
            a.strides.0,
            b.values.as_ptr(),
            b.strides.1,
            b.strides.0,
            if add { 1.0 } else { 0.0 },
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
            add_product_of_windows(&a, depth, view(&across_b, columns), &mut out);
            assert_near(&out, &one_more);
            let mut out = vec![1.0; rows * columns];
            add_product_of_transposed(view(&across_a, rows), view(&across_b, columns), &mut out);
            assert_near(&out, &one_more);
        }
    }
}
