//! Centring and scaling of inputs, learned once and kept in the model.

use super::settings::choice;
use super::state::State;
use crate::error::{Error, Result};
use crate::rows::Rows;

choice! {
    /// What is done to an input before it is scored.
    InputScaling {
        /// Nothing: zeros stay zeros and cost nothing.
        Raw = "raw",
        /// The mean of all training values is subtracted from each, which is divided by their standard deviation.
        Normalised = "normalised",
        /// The mean of the training inputs is subtracted, value by value.
        Centred = "centred",
        /// Centred, and each value divided by its standard deviation over the training inputs.
        Standardised = "standardised",
    }
}

/// `x' = (x - mean) · factor`, value by value; nothing at all for raw inputs.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Scaling {
    /// `(width,)`, or empty for raw inputs.
    mean: Vec<f32>,
    factor: Vec<f32>,
}

impl Scaling {
    /// The scaling of `kind` for inputs like `rows`.
    ///
    /// Values that vary by less than a thousandth of the most variable one are not blown up: their
    /// factor is that of a thousandth.
    pub(crate) fn learn(kind: InputScaling, rows: Rows<'_>) -> Result<Self> {
        if kind == InputScaling::Raw {
            return Ok(Self { mean: Vec::new(), factor: Vec::new() });
        }
        if rows.is_empty() {
            return Err(Error::shape("rows to learn the scaling from", "at least 1 row", 0));
        }
        if kind == InputScaling::Normalised {
            return Ok(Self::normalised(rows));
        }
        let (mean, variance) = moments(rows);
        let largest = variance.iter().copied().fold(0.0, f64::max).sqrt();
        let factor = |variance: f64| match kind {
            InputScaling::Standardised if largest > 0.0 => {
                1.0 / variance.sqrt().max(largest * 1e-3)
            }
            _ => 1.0,
        };
        Ok(Self {
            factor: variance.into_iter().map(|variance| factor(variance) as f32).collect(),
            mean: mean.into_iter().map(|mean| mean as f32).collect(),
        })
    }

    /// One mean and one factor for all values.
    fn normalised(rows: Rows<'_>) -> Self {
        let (mut sum, mut squares) = (0.0f64, 0.0f64);
        rows.values().iter().for_each(|&value| sum += f64::from(value));
        let mean = sum / rows.values().len() as f64;
        rows.values().iter().for_each(|&value| squares += (f64::from(value) - mean).powi(2));
        let deviation = (squares / rows.values().len() as f64).sqrt();
        let factor = if deviation > 0.0 { 1.0 / deviation } else { 1.0 };
        Self { mean: vec![mean as f32; rows.width()], factor: vec![factor as f32; rows.width()] }
    }

    /// The scaling of inputs of `width` that [`Scaling::push_to`] saved: both arrays empty, or one
    /// number a value each.
    pub(crate) fn take_from(state: &mut State, width: usize) -> Result<Self> {
        let (mean, factor) = (state.take_array::<f32>("mean")?, state.take_array::<f32>("factor")?);
        let raw = mean.is_empty() && factor.is_empty();
        let whole = mean.len() == width && factor.len() == width;
        let sound = mean.iter().all(|value| value.is_finite())
            && factor.iter().all(|value| value.is_finite() && *value > 0.0);
        if !(raw || whole) || !sound {
            let expected = format!("0 or {width} finite means and positive factors");
            let got = format!("{} and {}", mean.len(), factor.len());
            return Err(Error::shape("input scaling", expected, got));
        }
        Ok(Self { mean, factor })
    }

    /// What a file has to keep.
    pub(crate) fn push_to(&self, state: &mut State) {
        state.push_array("mean", &self.mean);
        state.push_array("factor", &self.factor);
    }

    /// Scales `row` in place.
    pub(crate) fn apply(&self, row: &mut [f32]) {
        for (value, (mean, factor)) in row.iter_mut().zip(self.mean.iter().zip(&self.factor)) {
            *value = (*value - mean) * factor;
        }
    }

    /// Makes slopes by raw values of those by scaled ones, in place.
    pub(crate) fn apply_to_slopes(&self, slopes: &mut [f32]) {
        slopes.iter_mut().zip(&self.factor).for_each(|(slope, factor)| *slope *= factor);
    }

    /// Takes the scaling back, in place.
    pub(crate) fn invert(&self, row: &mut [f32]) {
        for (value, (mean, factor)) in row.iter_mut().zip(self.mean.iter().zip(&self.factor)) {
            *value = *value / factor + mean;
        }
    }

    /// Raises scaled values that stand for less than a raw 0 to what stands for 0.
    pub(crate) fn cut_at_zero(&self, row: &mut [f32]) {
        if self.mean.is_empty() {
            row.iter_mut().for_each(|value| *value = value.max(0.0));
            return;
        }
        for (value, (mean, factor)) in row.iter_mut().zip(self.mean.iter().zip(&self.factor)) {
            *value = value.max(-mean * factor);
        }
    }
}

/// Mean and variance of each column, in `f64` and row order.
fn moments(rows: Rows<'_>) -> (Vec<f64>, Vec<f64>) {
    let (mut mean, mut variance) = (vec![0.0; rows.width()], vec![0.0; rows.width()]);
    for row in &rows {
        mean.iter_mut().zip(row).for_each(|(mean, &value)| *mean += f64::from(value));
    }
    mean.iter_mut().for_each(|mean| *mean /= rows.len() as f64);
    for row in &rows {
        for (variance, (mean, &value)) in variance.iter_mut().zip(mean.iter().zip(row)) {
            *variance += (f64::from(value) - mean).powi(2);
        }
    }
    variance.iter_mut().for_each(|variance| *variance /= rows.len() as f64);
    (mean, variance)
}
