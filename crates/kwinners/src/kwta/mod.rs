//! k-winners-take-all: exactly `k` winners, and the means that keep every unit in use.

mod balance;
mod boost;
mod duty_cycle;

pub use balance::Balance;
pub use boost::Boost;
pub use duty_cycle::DutyCycle;

use crate::error::{Error, Result};
use crate::kernel::{self, SelectScratch};
use crate::rows::Rows;
use crate::sdr::{Sdr, SdrBatch};

/// Picks exactly `k` of `n` scores: the largest, equal ones going to the lowest index.
///
/// `-0.0` and `0.0` are equal, infinities are ordinary scores, NaN is an error and never a winner.
///
/// ```
/// use kwinners::KWinners;
/// let code = KWinners::new(5, 2)?.winners_of(&[0.1, 0.7, 0.7, 0.9, 0.7])?;
/// assert_eq!(code.indices(), [1, 3]);
/// # Ok::<(), kwinners::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KWinners {
    units: usize,
    winners: usize,
}

impl KWinners {
    /// Picks `winners` of `units`.
    ///
    /// # Errors
    /// [`Error::Winners`] unless `1 <= winners <= units <= u32::MAX`.
    pub fn new(units: usize, winners: usize) -> Result<Self> {
        if winners == 0 || winners > units || units > u32::MAX as usize {
            return Err(Error::Winners { winners, units });
        }
        Ok(Self { units, winners })
    }

    /// Number of units, `n`.
    pub fn units(&self) -> usize {
        self.units
    }

    /// Number of winners, `k`.
    pub fn winners(&self) -> usize {
        self.winners
    }

    /// The code of one row of scores, `(n,)`. Cost: `O(n)`, about two reads of the row.
    ///
    /// # Errors
    /// If there are not `n` scores, or one is NaN.
    pub fn winners_of(&self, scores: &[f32]) -> Result<Sdr> {
        if scores.len() != self.units {
            return Err(Error::shape("scores", self.units, scores.len()));
        }
        let mut indices = vec![0; self.winners];
        self.pick(0, scores, &mut SelectScratch::default(), &mut indices)?;
        Sdr::new(self.units, indices)
    }

    /// Appends the code of each row of `scores`, `(len, n)`, to `codes`, on the calling thread.
    ///
    /// # Errors
    /// If a row does not hold `n` scores, `codes` has other units, or a score is NaN; `codes` is
    /// then as it was.
    pub fn winners_of_rows(&self, scores: Rows<'_>, codes: &mut SdrBatch) -> Result<()> {
        scores.check_width("scores", self.units)?;
        if codes.units() != self.units {
            return Err(Error::shape("codes", format!("{} units", self.units), codes.units()));
        }
        codes.extend_filled(self.winners, scores.len(), |indices| {
            let mut scratch = SelectScratch::default();
            for (row, slots) in indices.chunks_exact_mut(self.winners).enumerate() {
                self.pick(row, scores.row(row), &mut scratch, slots)?;
            }
            Ok(())
        })
    }

    /// Writes the winners of `scores` to `out`, `(k,)`; `row` names the row if it holds a NaN.
    pub(crate) fn pick(
        &self,
        row: usize,
        scores: &[f32],
        scratch: &mut SelectScratch,
        out: &mut [u32],
    ) -> Result<()> {
        (kernel::table().select)(scores, scratch, out).map_err(|column| Error::NotFinite {
            what: "scores".to_owned(),
            row,
            column,
            value: f32::NAN,
        })
    }

    /// Writes the best unit of each of `k` blocks of `n / k` scores to `out`, `(k,)`; equal scores go
    /// to the lowest index. `n` must be a multiple of `k`.
    pub(crate) fn pick_of_blocks(&self, row: usize, scores: &[f32], out: &mut [u32]) -> Result<()> {
        let size = self.units / self.winners;
        for (block, (slot, scores)) in out.iter_mut().zip(scores.chunks_exact(size)).enumerate() {
            let mut best = 0;
            for (place, score) in scores.iter().enumerate() {
                if score.is_nan() {
                    let column = block * size + place;
                    let what = "scores".to_owned();
                    return Err(Error::NotFinite { what, row, column, value: *score });
                }
                if *score > scores[best] {
                    best = place;
                }
            }
            *slot = (block * size + best) as u32;
        }
        Ok(())
    }
}
