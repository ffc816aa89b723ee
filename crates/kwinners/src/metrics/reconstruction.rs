//! How much of the input a decoder gives back.

use serde::Serialize;

use crate::error::{Error, Result};
use crate::rows::Rows;

/// The error of decoded rows against the originals.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Reconstruction {
    /// Mean squared error a value.
    pub mse: f64,
    /// Fraction of variance unexplained, `Σ (x - x̂)² / Σ (x - x̄)²` with `x̄` the mean row: 0 is
    /// perfect, 1 is no better than always answering the mean. NaN or infinite where all rows are
    /// the same.
    pub fvu: f64,
    /// Peak signal-to-noise ratio, dB: mean over the rows of `10 log10(range² / mse)`, both of the row,
    /// `range` from its least to its largest value. Rows of one value are left out: NaN where all are
    /// such; infinite where a row is given back to the bit.
    pub psnr: f64,
}

/// Compares `decoded` with `original`, both `(len, width)`. Sums in `f64`. Cost: `O(len · width)`.
///
/// ```
/// use kwinners::{Rows, metrics::reconstruction};
/// let original = Rows::new(&[0.0, 2.0, 4.0, 6.0], 2)?;
/// let mean_only = Rows::new(&[2.0, 4.0, 2.0, 4.0], 2)?;
/// let figures = reconstruction(original, mean_only)?;
/// assert_eq!((figures.mse, figures.fvu), (4.0, 1.0));
/// assert_eq!(figures.psnr, 0.0); // the error is as large as the range of a row
/// # Ok::<(), kwinners::Error>(())
/// ```
///
/// # Errors
/// If the two differ in width or length, or there is no row.
pub fn reconstruction(original: Rows<'_>, decoded: Rows<'_>) -> Result<Reconstruction> {
    decoded.check_width("decoded rows", original.width())?;
    if decoded.len() != original.len() || original.is_empty() {
        let expected = format!("{} rows, at least 1", original.len());
        return Err(Error::shape("decoded rows", expected, decoded.len()));
    }
    let mut mean = vec![0.0; original.width()];
    for row in &original {
        mean.iter_mut().zip(row).for_each(|(sum, &value)| *sum += f64::from(value));
    }
    mean.iter_mut().for_each(|sum| *sum /= original.len() as f64);
    let (mut error, mut variance) = (0.0, 0.0);
    let (mut decibels, mut counted) = (0.0, 0);
    for (row, decoded) in original.iter().zip(decoded.iter()) {
        let mut of_row = 0.0;
        for ((&value, &decoded), mean) in row.iter().zip(decoded).zip(&mean) {
            of_row += (f64::from(value) - f64::from(decoded)).powi(2);
            variance += (f64::from(value) - mean).powi(2);
        }
        error += of_row;
        let range = range_of(row);
        if range > 0.0 {
            decibels += 10.0 * (range * range / (of_row / row.len() as f64)).log10();
            counted += 1;
        }
    }
    let mse = error / original.values().len() as f64;
    Ok(Reconstruction { mse, fvu: error / variance, psnr: decibels / f64::from(counted) })
}

/// From the least to the largest value.
fn range_of(row: &[f32]) -> f64 {
    let least = row.iter().copied().fold(f32::INFINITY, f32::min);
    let largest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    f64::from(largest) - f64::from(least)
}
