//! Values that a layer learns, with their gradient and what holds some of them at zero.

use super::LayerState;
use crate::error::{Error, Result};
use crate::kernel::maps::SparsePattern;
use crate::net::{Optimiser, Parameter};
use crate::rng::Rng;

/// Learned values with the gradient of the batch at hand.
#[derive(Clone, Debug)]
pub(crate) struct Learned {
    pub(crate) parameter: Parameter,
    pub(crate) gradient: Vec<f32>,
    /// Which values may differ from zero, one a value; all of them if it is empty.
    pub(crate) kept: Vec<bool>,
}

/// One step of the optimiser: how, how far, against which pull towards zero.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Move {
    pub(crate) optimiser: Optimiser,
    pub(crate) rate: f32,
    /// Counts from 1.
    pub(crate) step: u64,
    /// `decay · w` is added to the slope of `w`.
    pub(crate) decay: f32,
}

impl Learned {
    /// Values that have not moved yet.
    pub(crate) fn new(values: Vec<f32>, optimiser: &Optimiser) -> Self {
        let gradient = vec![0.0; values.len()];
        Self { parameter: Parameter::new(values, optimiser), gradient, kept: Vec::new() }
    }

    pub(crate) fn values(&self) -> &[f32] {
        &self.parameter.values
    }

    /// Keeps the values and forgets how they came to be: `optimiser` begins anew.
    pub(crate) fn forget(&mut self, optimiser: &Optimiser) {
        let values = std::mem::take(&mut self.parameter.values);
        self.parameter = Parameter::new(values, optimiser);
    }

    /// Holds all values at zero that are not `kept`, one a value.
    pub(crate) fn keep(&mut self, kept: Vec<bool>) {
        assert_eq!(kept.len(), self.values().len(), "one answer a value");
        self.kept = kept;
        self.rezero();
    }

    /// Values that may differ from zero.
    pub(crate) fn kept_count(&self) -> usize {
        match self.kept.is_empty() {
            true => self.values().len(),
            false => self.kept.iter().filter(|kept| **kept).count(),
        }
    }

    /// Which of the values, rows of `width`, are kept, if not all.
    pub(super) fn masks(&self, width: usize) -> Vec<u16> {
        match self.kept.is_empty() {
            true => Vec::new(),
            false => SparsePattern::new(width, &self.kept).masks().to_vec(),
        }
    }

    /// [`Learned::keep`] by [`Learned::masks`] of `(rows, width)`, if that is what they are.
    pub(super) fn keep_masks(
        &mut self,
        (rows, width): (usize, usize),
        masks: Vec<u16>,
    ) -> Option<()> {
        let pattern = SparsePattern::from_masks(width, rows, masks)?;
        let mut kept = vec![false; self.values().len()];
        for row in 0..rows {
            pattern.columns_of(row).for_each(|column| kept[row * width + column] = true);
        }
        self.keep(kept);
        Some(())
    }

    /// Follows the gradient, which stays to be looked at until the next is gathered.
    pub(crate) fn step(&mut self, how: &Move) {
        if how.decay > 0.0 {
            for (slope, value) in self.gradient.iter_mut().zip(&self.parameter.values) {
                *slope += how.decay * value;
            }
        }
        self.parameter.step(&how.optimiser, how.rate, how.step, &self.gradient);
        self.rezero();
    }

    /// Values and what the optimiser remembers, for [`Learned::restore`].
    pub(crate) fn save(&self) -> Vec<Vec<f32>> {
        let Parameter { values, first, second, peak } = &self.parameter;
        // Plain descent remembers nothing.
        let first = if first.iter().all(|value| *value == 0.0) { &Vec::new() } else { first };
        vec![values.clone(), first.clone(), second.clone(), peak.clone()]
    }

    /// Takes `count` saved values, moved by `optimiser`.
    pub(crate) fn restore(
        &mut self,
        count: usize,
        optimiser: &Optimiser,
        state: &mut LayerState,
    ) -> Result<()> {
        let [values, mut first, second, peak] =
            [state.take()?, state.take()?, state.take()?, state.take()?];
        let (squares, peaks) = optimiser.keeps();
        let wanted = |kept: bool| if kept { count } else { 0 };
        let wanted = [count, first.len(), wanted(squares), wanted(peaks)];
        let got = [values.len(), first.len(), second.len(), peak.len()];
        if got != wanted || !(first.is_empty() || first.len() == count) {
            return Err(Error::shape("weights", format!("{count} of them"), format!("{got:?}")));
        }
        let all = [&values, &first, &second, &peak];
        if let Some(value) = all.into_iter().flatten().find(|value| !value.is_finite()) {
            return Err(Error::shape("weights", "finite numbers", value));
        }
        if let Some(square) = second.iter().chain(&peak).find(|value| **value < 0.0) {
            return Err(Error::shape("weights", "squares of 0 or more", square));
        }
        first.resize(count, 0.0);
        self.gradient = vec![0.0; count];
        self.parameter = Parameter { values, first, second, peak };
        Ok(())
    }

    /// Sets what is not kept to zero. Its velocity goes on, as in the published programs.
    fn rezero(&mut self) {
        for (value, kept) in self.parameter.values.iter_mut().zip(&self.kept) {
            *value = if *kept { *value } else { 0.0 };
        }
    }
}

/// Which of `inputs` weights each of `units` units keeps: all but `round((1 - density) · inputs)`, drawn
/// without replacement. `place` says where the weight of an input and a unit lies.
pub(crate) fn draw_kept(
    (inputs, units): (usize, usize),
    density: f32,
    rng: &mut Rng,
    place: impl Fn(usize, usize) -> usize,
) -> Vec<bool> {
    let zeros = ((1.0 - f64::from(density)) * inputs as f64).round() as usize;
    let mut kept = vec![true; inputs * units];
    for unit in 0..units {
        for input in rng.distinct(zeros, inputs) {
            kept[place(input as usize, unit)] = false;
        }
    }
    kept
}

/// The values of `(inputs, units)` that `pattern` keeps.
pub(crate) fn compact(pattern: &SparsePattern, values: &[f32]) -> Vec<f32> {
    let rows = values.chunks_exact(pattern.width()).enumerate();
    rows.flat_map(|(row, values)| pattern.columns_of(row).map(move |unit| values[unit])).collect()
}
