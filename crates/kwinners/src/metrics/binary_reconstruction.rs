//! How well decoded codes give back inputs that are read as bits.

use crate::error::{Error, Result};
use crate::rows::Rows;

/// Thresholds that a reconstruction from 0 to 1 is tried with.
pub const BIT_THRESHOLDS: [f32; 10] =
    [0.1, 0.1944, 0.2889, 0.3833, 0.4778, 0.5722, 0.6667, 0.7611, 0.8556, 0.95];

/// Inputs and reconstructions as bits: an input's is on above the mean input value, a reconstruction's above a
/// threshold.
///
/// Source: the autoencoder metrics of EmbedderSDR, which choose the threshold on the training set.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct BinaryReconstruction {
    /// The threshold.
    pub threshold: f32,
    /// Share of the bits that are wrong.
    pub bit_error: f64,
    /// Rows without a wrong bit.
    pub exact: usize,
}

/// The reconstruction as bits of `inputs` by `decoded`, both `(len, width)`, by the one of `thresholds` with the fewest
/// wrong bits, the first of equal ones; an input bit is on where its value is above `mean`.
///
/// Cost: `O(len · width · thresholds)`.
///
/// ```
/// use kwinners::{Rows, metrics::{BIT_THRESHOLDS, binary_reconstruction}};
/// let (inputs, decoded) = ([0.0, 1.0, 0.9, 0.0], [0.3, 0.8, 0.6, 0.55]);
/// let rows = |values| Rows::new(values, 2);
/// let bits = binary_reconstruction((rows(&inputs)?, rows(&decoded)?), 0.5, &BIT_THRESHOLDS)?;
/// assert_eq!((bits.threshold, bits.bit_error, bits.exact), (0.5722, 0.0, 2));
/// # Ok::<(), kwinners::Error>(())
/// ```
///
/// # Errors
/// If the two differ in shape, or there is no threshold.
pub fn binary_reconstruction(
    (inputs, decoded): (Rows<'_>, Rows<'_>),
    mean: f32,
    thresholds: &[f32],
) -> Result<BinaryReconstruction> {
    decoded.check_width("decoded rows", inputs.width())?;
    if decoded.len() != inputs.len() {
        return Err(Error::shape("decoded rows", inputs.len(), decoded.len()));
    }
    let of = |threshold: f32| {
        let (mut wrong, mut exact) = (0, 0);
        for (input, decoded) in inputs.iter().zip(decoded.iter()) {
            let pairs = input.iter().zip(decoded);
            let here = pairs.filter(|(x, r)| (**x > mean) != (**r > threshold)).count();
            wrong += here;
            exact += usize::from(here == 0);
        }
        let bit_error = wrong as f64 / inputs.values().len().max(1) as f64;
        BinaryReconstruction { threshold, bit_error, exact }
    };
    let all = thresholds.iter().map(|threshold| of(*threshold));
    let best = all.min_by(|a, b| a.bit_error.total_cmp(&b.bit_error));
    best.ok_or_else(|| Error::shape("thresholds to try", "at least 1", 0))
}
