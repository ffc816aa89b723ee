//! Principal components, by subspace iteration: no matrix of `width²` is made.

use crate::kernel::product::{add_product_of_transposed, product_transposed};
use crate::metrics::square_norm;
use crate::rng::Rng;
use crate::rows::Rows;

/// Components that are followed besides those asked for: the last ones converge slowly.
const SPARE: usize = 8;

/// Rounds: the share of a component that is out of place falls with the ratio of variances at each.
const ROUNDS: usize = 12;

/// Components with less than this share of the largest variance are rounding.
const LEAST_SHARE: f64 = 1e-7;

/// Sweeps of Jacobi's rotations; a matrix of 72 rows needs about 8.
const SWEEPS: usize = 15;

const SEED: u64 = 0x0070_6361;

/// The first `most` principal components of rows of `width`, centred, `(len, components)`, and how many
/// they are: fewer where rows have fewer dimensions. Rows of no more than `most` values keep them.
///
/// Cost: `24 · len · width · most` multiply-adds.
pub(super) fn principal_components(
    mut values: Vec<f32>,
    width: usize,
    most: usize,
) -> (Vec<f32>, usize) {
    centre(&mut values, width);
    if width <= most {
        return (values, width);
    }
    let rows = Rows::new(&values, width).expect("whole rows");
    let followed = (most + SPARE).min(width).min(rows.len());
    let mut rng = Rng::new(SEED);
    let mut basis: Vec<f32> = (0..followed * width).map(|_| rng.normal()).collect();
    let mut answers = vec![0.0; rows.len() * followed];
    for _ in 0..ROUNDS {
        orthonormalise(&mut basis, width);
        product_transposed(rows, Rows::new(&basis, width).expect("whole rows"), &mut answers);
        basis.fill(0.0);
        let of_rows = Rows::new(&answers, followed).expect("whole rows");
        add_product_of_transposed(of_rows, rows, &mut basis);
    }
    orthonormalise(&mut basis, width);
    product_transposed(rows, Rows::new(&basis, width).expect("whole rows"), &mut answers);
    rotate_to_axes(&answers, followed, most)
}

fn centre(values: &mut [f32], width: usize) {
    let len = (values.len() / width).max(1) as f64;
    let mut mean = vec![0.0; width];
    for row in values.chunks_exact(width) {
        mean.iter_mut().zip(row).for_each(|(mean, &value)| *mean += f64::from(value) / len);
    }
    for row in values.chunks_exact_mut(width) {
        row.iter_mut().zip(&mean).for_each(|(value, mean)| *value -= *mean as f32);
    }
}

/// Gram and Schmidt, twice, as once leaves rounding behind; what hangs on the rows before becomes 0.
fn orthonormalise(rows: &mut [f32], width: usize) {
    for place in 0..rows.len() / width {
        let (before, rest) = rows.split_at_mut(place * width);
        let row = &mut rest[..width];
        let length = square_norm(row).sqrt();
        for _ in 0..2 {
            for other in before.chunks_exact(width) {
                let share: f64 =
                    row.iter().zip(other).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum();
                row.iter_mut().zip(other).for_each(|(a, b)| *a -= share as f32 * b);
            }
        }
        let left = square_norm(row).sqrt();
        let factor = if left > 1e-5 * length { 1.0 / left } else { 0.0 };
        row.iter_mut().for_each(|value| *value *= factor as f32);
    }
}

/// Turns `answers`, `(len, width)`, so that columns are uncorrelated, the one of largest variance
/// first, and keeps those of the first `most` that vary.
fn rotate_to_axes(answers: &[f32], width: usize, most: usize) -> (Vec<f32>, usize) {
    let mut covariance = vec![0.0; width * width];
    for row in answers.chunks_exact(width) {
        for (a, line) in row.iter().zip(covariance.chunks_exact_mut(width)) {
            line.iter_mut().zip(row).for_each(|(sum, b)| *sum += f64::from(a * b));
        }
    }
    let axes = eigenvectors(&mut covariance, width);
    let variance = |axis: usize| covariance[axis * width + axis];
    let mut order: Vec<usize> = (0..width).collect();
    order.sort_by(|&a, &b| variance(b).total_cmp(&variance(a)));
    let least = LEAST_SHARE * variance(order[0]);
    let kept = order.iter().take(most).filter(|&&axis| variance(axis) > least).count().max(1);
    let mut turned = Vec::with_capacity(answers.len() / width * kept);
    for row in answers.chunks_exact(width) {
        for &axis in &order[..kept] {
            let parts = row.iter().enumerate();
            turned.push(
                parts.map(|(place, &v)| f64::from(v) * axes[place * width + axis]).sum::<f64>()
                    as f32,
            );
        }
    }
    (turned, kept)
}

/// Makes the symmetric `matrix` diagonal and returns the rotation, its columns the eigenvectors: Jacobi's
/// method, cyclic (Golub and Van Loan, "Matrix computations", section 8.5).
fn eigenvectors(matrix: &mut [f64], width: usize) -> Vec<f64> {
    let mut axes = vec![0.0; width * width];
    (0..width).for_each(|place| axes[place * width + place] = 1.0);
    for _ in 0..SWEEPS {
        for p in 0..width {
            for q in p + 1..width {
                let off = matrix[p * width + q];
                let (low, high) = (matrix[p * width + p], matrix[q * width + q]);
                if off.abs() <= f64::EPSILON * (low * high).abs().sqrt() {
                    continue;
                }
                let slope = (high - low) / (2.0 * off);
                let tangent = slope.signum() / (slope.abs() + (1.0 + slope * slope).sqrt());
                let cosine = 1.0 / (1.0 + tangent * tangent).sqrt();
                let turn = (cosine, tangent * cosine);
                for place in 0..width {
                    rotate(matrix, (place * width + p, place * width + q), turn);
                    rotate(&mut axes, (place * width + p, place * width + q), turn);
                }
                for place in 0..width {
                    rotate(matrix, (p * width + place, q * width + place), turn);
                }
            }
        }
    }
    axes
}

fn rotate(values: &mut [f64], (p, q): (usize, usize), (cosine, sine): (f64, f64)) {
    let (a, b) = (values[p], values[q]);
    (values[p], values[q]) = (cosine * a - sine * b, sine * a + cosine * b);
}
