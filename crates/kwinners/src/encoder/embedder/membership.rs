//! How surely a unit belongs to the code of an input, and what that hangs on.

use super::Embedder;
use crate::encoder::networks::in_planes;
use crate::error::{Error, Result};
use crate::net::{KStep, Layer, Trace};
use crate::rows::Rows;

impl Embedder {
    /// The `count` units that are above the threshold by most for `row`, in rising order: with `count` of `k` its code.
    ///
    /// # Errors
    /// If the row has another width, NaN or infinity, or there are not so many units.
    pub fn strongest(&self, row: &[f32], count: usize) -> Result<Vec<u32>> {
        if !(1..=self.settings.units).contains(&count) {
            let expected = format!("from 1 to {} units", self.settings.units);
            return Err(Error::shape("strongest units", expected, count));
        }
        let mut units = vec![0; count];
        self.with_values(row, |layer, trace| {
            let Trace { signals, scratch, .. } = trace;
            layer.code_of(signals[self.code].sample(0), scratch, &mut units);
        })?;
        Ok(units)
    }

    /// How surely `unit` is in the code of `row`, and the slopes of that by the row's values, `(input_width,)`: the
    /// sigmoid `1 / (1 + e^(-H (v - t)))` of its value `v`, with `t` half way between the last winner's and the next and
    /// `H` the steepness that learning began with. Above a half where the unit is on.
    ///
    /// Cost: a pass forward and one back.
    ///
    /// # Errors
    /// If the row has another width, NaN or infinity, or there is no such unit.
    pub fn membership(&self, row: &[f32], unit: u32) -> Result<(f64, Vec<f32>)> {
        if unit as usize >= self.settings.units {
            return Err(Error::shape("unit", format!("below {}", self.settings.units), unit));
        }
        self.with_values(row, |layer, trace| {
            let Trace { signals, scratch, .. } = &mut *trace;
            let values = signals[self.code].sample(0);
            let (sureness, slopes) = layer.membership(values, unit as usize, scratch);
            self.network.slopes_by_inputs(trace, self.code, &slopes);
            let mut slopes: Vec<f32> = in_planes(trace.slopes[0].sample(0), self.shape()).collect();
            self.scaling.apply_to_slopes(&mut slopes);
            (f64::from(sureness), slopes)
        })
    }

    /// Does `work` with the layer that makes codes and a trace of `row` that has come to it.
    fn with_values<T>(&self, row: &[f32], work: impl FnOnce(&KStep, &mut Trace) -> T) -> Result<T> {
        let rows = Rows::new(row, row.len().max(1))?;
        rows.check_width("input", self.width)?;
        rows.check_finite("input")?;
        let Layer::KStep(layer) = &self.network.layers[self.code] else {
            return Err(Error::Unsupported("this network makes no codes".to_owned()));
        };
        Ok(self.workspace.with_trace(|trace| {
            self.fill(rows, trace);
            self.network.infer(trace, self.code);
            work(layer, trace)
        }))
    }
}
