//! The rows that add up to inputs best, given which are added up.

use rayon::prelude::*;

use crate::kernel::{self, vectors::Weighted};
use crate::rows::Rows;
use crate::sdr::SdrBatch;

/// Steps of conjugate gradients; they begin where the last solution was.
const STEPS: usize = 10;

/// The codes seen from both sides: the matrix `S`, `(len, n)`, and its transpose.
struct Incidence {
    /// The units of each code.
    by_code: Vec<Vec<Weighted>>,
    /// The codes of each unit.
    by_unit: Vec<Vec<Weighted>>,
}

impl Incidence {
    fn new(codes: &SdrBatch) -> Self {
        let one = |row: u32| Weighted { row, factor: 1.0 };
        let mut by_unit = vec![Vec::new(); codes.units()];
        for (number, code) in codes.iter().enumerate() {
            code.indices().iter().for_each(|&unit| by_unit[unit as usize].push(one(number as u32)));
        }
        let by_code =
            codes.iter().map(|code| code.indices().iter().map(|&unit| one(unit)).collect());
        Self { by_code: by_code.collect(), by_unit }
    }

    /// `S m`: for each code the sum of the rows of its units.
    fn times(&self, rows: &[f32], width: usize) -> Vec<f32> {
        sums(&self.by_code, rows, width)
    }

    /// `Sᵀ m`: for each unit the sum of the rows of its codes.
    fn transposed_times(&self, rows: &[f32], width: usize) -> Vec<f32> {
        sums(&self.by_unit, rows, width)
    }

    /// `(SᵀS + ridge) m`.
    fn normal(&self, rows: &[f32], width: usize, ridge: f32) -> Vec<f32> {
        let mut out = self.transposed_times(&self.times(rows, width), width);
        out.iter_mut().zip(rows).for_each(|(sum, value)| *sum += ridge * value);
        out
    }
}

fn sums(lists: &[Vec<Weighted>], rows: &[f32], width: usize) -> Vec<f32> {
    let mut out = vec![0.0; lists.len() * width];
    out.par_chunks_exact_mut(width).zip(lists).for_each(|(out, parts)| {
        (kernel::table().add_weighted_rows)(rows, parts, out);
    });
    out
}

/// Moves `weights`, `(n, width)`, towards the least `Σ |y - Σ w_i|² + ridge Σ |w_i|²` over the codes and
/// their `targets` `y`: ten steps of conjugate gradients, every column of its own. Cost: a step adds up
/// all active units' rows twice.
pub(super) fn solve(codes: &SdrBatch, targets: Rows<'_>, ridge: f32, weights: &mut [f32]) {
    let width = targets.width();
    let incidence = Incidence::new(codes);
    let mut residual = incidence.transposed_times(targets.values(), width);
    let reached = incidence.normal(weights, width, ridge);
    residual.iter_mut().zip(&reached).for_each(|(value, reached)| *value -= reached);
    let mut direction = residual.clone();
    let mut squares = column_dots(&residual, &residual, width);
    for _ in 0..STEPS {
        let image = incidence.normal(&direction, width, ridge);
        let curvature = column_dots(&direction, &image, width);
        let steps = ratios(&squares, &curvature);
        add_scaled(weights, &direction, &steps, 1.0);
        add_scaled(&mut residual, &image, &steps, -1.0);
        let next = column_dots(&residual, &residual, width);
        let keep = ratios(&next, &squares);
        for (direction, residual) in
            direction.chunks_exact_mut(width).zip(residual.chunks_exact(width))
        {
            for ((value, residual), keep) in direction.iter_mut().zip(residual).zip(&keep) {
                *value = residual + keep * *value;
            }
        }
        squares = next;
    }
}

/// `Σ a b` of each column, row after row.
fn column_dots(a: &[f32], b: &[f32], width: usize) -> Vec<f64> {
    let mut dots = vec![0.0; width];
    for (a, b) in a.chunks_exact(width).zip(b.chunks_exact(width)) {
        for ((dot, a), b) in dots.iter_mut().zip(a).zip(b) {
            *dot += f64::from(*a) * f64::from(*b);
        }
    }
    dots
}

/// `a / b`, 0 where there is nothing left to do.
fn ratios(a: &[f64], b: &[f64]) -> Vec<f32> {
    a.iter().zip(b).map(|(a, b)| if *b > 0.0 { (a / b) as f32 } else { 0.0 }).collect()
}

/// `out += sign · factor · rows`, a factor a column.
fn add_scaled(out: &mut [f32], rows: &[f32], factors: &[f32], sign: f32) {
    let width = factors.len();
    for (out, rows) in out.chunks_exact_mut(width).zip(rows.chunks_exact(width)) {
        for ((out, value), factor) in out.iter_mut().zip(rows).zip(factors) {
            *out += sign * factor * value;
        }
    }
}
