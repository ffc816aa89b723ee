//! How often each unit wins.

use crate::error::{Error, Result};

/// Moving average of the wins of each unit.
///
/// After a batch of `B` samples in which unit `j` won `w_j` times:
/// `d_j = ((P - B) · d_j + w_j) / P` with `P = min(period, samples seen)`, from `d_j = 0`: a plain
/// mean at first, then one that forgets at `1 / period` a sample.
///
/// Source: Ahmad and Scheinkman, "How Can We Be So Dense?", 2019, equation 6.
///
/// ```
/// use kwinners::DutyCycle;
/// let mut duty = DutyCycle::new(3, 1000)?;
/// duty.update(2, &[0, 2, 0, 1]);
/// assert_eq!(duty.values(), [1.0, 0.5, 0.5]);
/// # Ok::<(), kwinners::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct DutyCycle {
    values: Vec<f32>,
    period: u64,
    samples: u64,
}

impl DutyCycle {
    /// The duty cycle of `units` units that have seen nothing.
    ///
    /// # Errors
    /// If `period` is 0.
    pub fn new(units: usize, period: u64) -> Result<Self> {
        Self::from_parts(vec![0.0; units], period, 0)
    }

    /// A duty cycle as it was saved.
    ///
    /// # Errors
    /// If `period` is 0 or a value does not lie in `0..=1`.
    pub fn from_parts(values: Vec<f32>, period: u64, samples: u64) -> Result<Self> {
        if period == 0 {
            return Err(Error::setting("duty_period", "at least 1 sample", period));
        }
        if let Some(value) = values.iter().find(|value| !(0.0..=1.0).contains(*value)) {
            return Err(Error::shape("duty cycle", "values from 0 to 1", value));
        }
        Ok(Self { values, period, samples })
    }

    /// Takes in a batch of `samples` samples whose winners were `winners`, in any order.
    ///
    /// # Panics
    /// If a winner is not a unit.
    pub fn update(&mut self, samples: usize, winners: &[u32]) {
        self.samples += samples as u64;
        let period = self.period.min(self.samples).max(1) as f32;
        let keep = (period - samples as f32).max(0.0) / period;
        for value in &mut self.values {
            *value *= keep;
        }
        // A batch longer than the period counts as a mean over the batch.
        let share = 1.0 / period.max(samples as f32);
        for &winner in winners {
            let value = &mut self.values[winner as usize];
            *value = (*value + share).min(1.0);
        }
    }

    /// Takes in a batch of `samples` samples in which unit `j` won `counts[j]` times of the `chances`
    /// that it has in a sample: the places of a map.
    ///
    /// # Panics
    /// If there is not one count a unit.
    pub fn update_counts(&mut self, samples: usize, counts: &[u32], chances: usize) {
        assert_eq!(counts.len(), self.values.len(), "one count a unit");
        self.samples += samples as u64;
        let period = self.period.min(self.samples).max(1) as f32;
        let keep = (period - samples as f32).max(0.0) / period;
        let share = 1.0 / (period.max(samples as f32) * chances.max(1) as f32);
        for (value, count) in self.values.iter_mut().zip(counts) {
            *value = (*value * keep + *count as f32 * share).clamp(0.0, 1.0);
        }
    }

    /// Share of samples that each unit won, `(n,)`, in `0..=1`.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// Samples that the average reaches back.
    pub fn period(&self) -> u64 {
        self.period
    }

    /// Samples seen so far.
    pub fn samples(&self) -> u64 {
        self.samples
    }
}
