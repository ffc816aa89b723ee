//! Whether decoded pixels are on where those of the input are.

use rayon::prelude::*;
use serde::Serialize;

use crate::error::{Error, Result};
use crate::rows::Rows;

/// Thresholds that are tried, evenly from the least input to this share of the range of inputs.
const THRESHOLDS: usize = 10;
const HIGHEST: f64 = 0.95;

/// Rows that one task looks at; fixed, so that sums don't depend on threads.
const ROWS_A_TASK: usize = 256;

/// What a decoder gives back where pixels are only on or off.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct PixelFigures {
    /// Decoded pixels are on above this: the threshold with fewest errors on the training rows.
    pub threshold: f64,
    /// Mean number of wrong pixels in a test row at that threshold.
    pub pixel_error: f64,
    /// Share of the training rows with no wrong pixel.
    pub exact_train: f64,
    /// Share of the test rows with no wrong pixel: the accuracy of a binary autoencoder.
    pub exact: f64,
}

/// Rows, `(len, width)`, and what they were decoded to, `(len, width)`.
pub type DecodedRows<'a> = (Rows<'a>, Rows<'a>);

/// Compares decoded rows with their inputs, pixel by pixel.
///
/// An input's pixel is on above the mean absolute value of the training inputs. A decoded one is on
/// above a threshold that is chosen on the training rows, of ten evenly from the least training input
/// to 0.95 of their range; the lowest of equally good ones. Cost: `10 · len · width`, over all cores.
///
/// Source: the metrics of EmbedderSDR's binary autoencoders.
///
/// ```
/// use kwinners::{Rows, metrics::pixel_figures};
/// let input = Rows::new(&[0.0, 1.0, 1.0, 0.0], 2)?;
/// let decoded = Rows::new(&[0.1, 0.7, 0.6, 0.5], 2)?;
/// let figures = pixel_figures((input, decoded), (input, decoded))?;
/// assert!((0.5..0.6).contains(&figures.threshold));
/// assert_eq!((figures.pixel_error, figures.exact), (0.0, 1.0));
/// # Ok::<(), kwinners::Error>(())
/// ```
///
/// # Errors
/// If there is no training row, decoded rows differ from their inputs in width or number, or a training
/// input is NaN or infinite.
pub fn pixel_figures(train: DecodedRows<'_>, test: DecodedRows<'_>) -> Result<PixelFigures> {
    let reader = Reader::new(train.0)?;
    let (of_train, of_test) = (reader.errors(train)?, reader.errors(test)?);
    let best = (0..THRESHOLDS).min_by_key(|&place| of_train.wrong[place]).unwrap_or(0);
    let share = |count: u64, (rows, _): DecodedRows<'_>| count as f64 / rows.len() as f64;
    Ok(PixelFigures {
        threshold: reader.thresholds[best],
        pixel_error: share(of_test.wrong[best], test),
        exact_train: share(of_train.exact[best], train),
        exact: share(of_test.exact[best], test),
    })
}

struct Reader {
    /// Of inputs.
    mean: f64,
    /// Of decoded pixels.
    thresholds: [f64; THRESHOLDS],
}

/// Pixels that are wrong, and rows without one, at each threshold.
#[derive(Clone, Copy, Default)]
struct Errors {
    wrong: [u64; THRESHOLDS],
    exact: [u64; THRESHOLDS],
}

impl Reader {
    fn new(train: Rows<'_>) -> Result<Self> {
        train.check_finite("training inputs")?;
        if train.values().is_empty() {
            return Err(Error::shape("training inputs", "at least 1 row", 0));
        }
        let values = || train.values().iter().map(|&value| f64::from(value));
        let low = values().fold(f64::INFINITY, f64::min);
        let high = values().fold(f64::NEG_INFINITY, f64::max);
        let step = HIGHEST * (high - low) / (THRESHOLDS - 1) as f64;
        Ok(Self {
            mean: values().map(f64::abs).sum::<f64>() / train.values().len() as f64,
            thresholds: std::array::from_fn(|place| low + place as f64 * step),
        })
    }

    fn errors(&self, (inputs, decoded): DecodedRows<'_>) -> Result<Errors> {
        decoded.check_width("decoded rows", inputs.width())?;
        if decoded.len() != inputs.len() {
            return Err(Error::shape("decoded rows", inputs.len(), decoded.len()));
        }
        let blocks: Vec<_> = inputs.blocks(ROWS_A_TASK).zip(decoded.blocks(ROWS_A_TASK)).collect();
        let parts: Vec<Errors> =
            blocks.into_par_iter().map(|block| self.errors_of_block(block)).collect();
        Ok(parts.into_iter().fold(Errors::default(), |sum, part| Errors {
            wrong: std::array::from_fn(|place| sum.wrong[place] + part.wrong[place]),
            exact: std::array::from_fn(|place| sum.exact[place] + part.exact[place]),
        }))
    }

    fn errors_of_block(&self, (inputs, decoded): DecodedRows<'_>) -> Errors {
        let mut errors = Errors::default();
        for (input, decoded) in inputs.iter().zip(decoded.iter()) {
            for (place, threshold) in self.thresholds.iter().enumerate() {
                let differ = |(input, decoded): &(&f32, &f32)| {
                    (f64::from(**input) > self.mean) != (f64::from(**decoded) > *threshold)
                };
                let wrong = input.iter().zip(decoded).filter(differ).count() as u64;
                errors.wrong[place] += wrong;
                errors.exact[place] += u64::from(wrong == 0);
            }
        }
        errors
    }
}
