//! One stage: convolutions, the winner of each map, pooled places, and the way back down.

use super::super::State;
use super::settings::Plan;
use crate::error::{Error, Result};
use crate::net::{Convolution, Optimiser, Parameter};
use crate::rng::Rng;

/// First bias of each map: a map that no image activates could never learn.
const FIRST_BIAS: f32 = 1e-4;
/// Standard deviation of the first weights of the decoder.
const DECODER_DEVIATION: f32 = 0.01;
/// Share of its map's winner in the score of a square: well above the steps of the balance, well below
/// what the square itself says.
const LEAN: f32 = 0.1;
/// Weight of a new winner in the mean place of its unit.
const PLACE_SHARE: f32 = 0.01;

/// A convolution with its weights.
#[derive(Clone, Debug)]
pub(super) struct Layer {
    /// `(maps, taps)`.
    pub(super) filters: Parameter,
    /// `(maps,)`.
    pub(super) bias: Parameter,
    /// The filters again, `(taps, maps)`, as the way up reads them.
    across: Vec<f32>,
}

/// One stage of the encoder. A unit is `square · maps + map`, a square being a pooled place.
#[derive(Clone, Debug)]
pub(super) struct Stage {
    pub(super) plan: Plan,
    pub(super) layers: Vec<Layer>,
    /// `(maps, taps)` of the plan's decoder.
    pub(super) decoder: Parameter,
    /// Mean row and column of the winners within each unit's square, `(units,)` each.
    rows: Vec<f32>,
    columns: Vec<f32>,
}

/// What one sample is on its way up, kept to be reused.
#[derive(Clone, Debug, Default)]
pub(super) struct Climb {
    /// Inputs of the stage, `(height, width, channels)`.
    pub(super) dense: Vec<f32>,
    /// Inputs of each layer, with margins.
    pub(super) inputs: Vec<Vec<f32>>,
    /// Outputs of the last layer, before the rectifier.
    pub(super) outputs: Vec<f32>,
    /// Largest output in each square, before the rectifier, `(units,)`.
    pub(super) pooled: Vec<f32>,
}

impl Stage {
    /// First weights: He's for the filters, small ones for the decoder, all normal.
    pub(super) fn new(plan: Plan, rule: &Optimiser, rng: &mut Rng) -> Self {
        let layers = plan.layers.iter().map(|shape| {
            let deviation = (2.0 / shape.taps() as f32).sqrt();
            let weights = (0..shape.outputs * shape.taps()).map(|_| deviation * rng.normal());
            Layer {
                filters: Parameter::new(weights.collect(), rule),
                bias: Parameter::new(vec![FIRST_BIAS; shape.outputs], rule),
                across: Vec::new(),
            }
        });
        let layers = layers.collect();
        let weights = plan.maps * plan.decoder.taps();
        let weights = (0..weights).map(|_| DECODER_DEVIATION * rng.normal()).collect();
        let decoder = Parameter::new(weights, rule);
        let (rows, columns) = centres(&plan);
        let mut stage = Self { plan, layers, decoder, rows, columns };
        stage.refresh();
        stage
    }

    /// All learned values, bottom first, in an order that files rely on.
    pub(super) fn parameters(&mut self) -> impl Iterator<Item = &mut Parameter> {
        let layers = self.layers.iter_mut().flat_map(|layer| [&mut layer.filters, &mut layer.bias]);
        layers.chain([&mut self.decoder])
    }

    /// As [`Stage::parameters`], to read.
    pub(super) fn saved_parameters(&self) -> impl Iterator<Item = &Parameter> {
        let layers = self.layers.iter().flat_map(|layer| [&layer.filters, &layer.bias]);
        layers.chain([&self.decoder])
    }

    /// How many learned values a stage of `plan` has.
    pub(super) fn values_of(plan: &Plan) -> usize {
        let layers = plan.layers.iter().map(|shape| shape.outputs * (shape.taps() + 1));
        layers.sum::<usize>() + plan.maps * plan.decoder.taps()
    }

    /// To be called when filters have changed.
    pub(super) fn refresh(&mut self) {
        for (shape, layer) in self.plan.layers.iter().zip(&mut self.layers) {
            shape.across(&layer.filters.values, &mut layer.across);
        }
    }

    /// From `climb.dense` to `climb.outputs`. Cost: `Σ places · taps · maps` over the layers.
    pub(super) fn climb(&self, climb: &mut Climb) {
        let Climb { dense, inputs, outputs, .. } = climb;
        inputs.resize_with(self.layers.len(), Vec::new);
        for (number, (shape, layer)) in self.plan.layers.iter().zip(&self.layers).enumerate() {
            let input = &mut inputs[number];
            input.clear();
            input.resize(shape.input_len(), 0.0);
            for y in 0..shape.height {
                let row = &mut input[shape.input_row(y)];
                match number {
                    0 => row.copy_from_slice(&dense[y * row.len()..][..row.len()]),
                    _ => {
                        let below = &outputs[self.plan.layers[number - 1].output_row(y)];
                        row.iter_mut().zip(below).for_each(|(to, from)| *to = from.max(0.0));
                    }
                }
            }
            shape.forward(input, &layer.across, &layer.bias.values, outputs);
        }
    }

    fn last(&self) -> &Convolution {
        self.plan.layers.last().expect("a stage has a layer")
    }

    /// Fills `climb.pooled` from `climb.outputs`.
    pub(super) fn pool(&self, climb: &mut Climb) {
        let Climb { outputs, pooled, .. } = climb;
        let (maps, pooling) = (self.plan.maps, &self.plan.pooling);
        pooled.clear();
        pooled.resize(self.plan.units(), f32::NEG_INFINITY);
        for (square, best) in pooled.chunks_exact_mut(maps).enumerate() {
            let [rows, columns] = pooling.spans(square / pooling.columns, square % pooling.columns);
            for y in rows {
                let row = &outputs[self.last().output_row(y)];
                for values in row[columns.start * maps..columns.end * maps].chunks_exact(maps) {
                    best.iter_mut().zip(values).for_each(|(best, value)| *best = best.max(*value));
                }
            }
        }
    }

    /// Makes scores of pooled activations: each square leans on the winner of its map by a small share, so
    /// that squares in which nothing ever stirs tell something too, and don't tie.
    pub(super) fn lean(&self, pooled: &mut [f32]) {
        let maps = self.plan.maps;
        let mut best = vec![f32::NEG_INFINITY; maps];
        for square in pooled.chunks_exact(maps) {
            best.iter_mut().zip(square).for_each(|(best, value)| *best = best.max(*value));
        }
        for square in pooled.chunks_exact_mut(maps) {
            square.iter_mut().zip(&best).for_each(|(value, best)| *value += LEAN * best);
        }
    }

    /// The largest output of each map, not below 0, and its place: spatial sparsity. Of equal ones the
    /// first place wins.
    pub(super) fn winners(&self, outputs: &[f32], best: &mut Vec<f32>, places: &mut Vec<u32>) {
        let (shape, maps) = (self.last(), self.plan.maps);
        best.clear();
        best.resize(maps, 0.0);
        places.clear();
        places.resize(maps, 0);
        for y in 0..shape.height {
            let row = &outputs[shape.output_row(y)];
            for (x, values) in row.chunks_exact(maps).enumerate() {
                let here = (y * shape.width + x) as u32;
                for ((best, place), &value) in best.iter_mut().zip(&mut *places).zip(values) {
                    let better = value > *best;
                    *best = if better { value } else { *best };
                    *place = if better { here } else { *place };
                }
            }
        }
    }

    /// Takes the winners of one sample into the mean places of their units.
    pub(super) fn remember_places(&mut self, best: &[f32], places: &[u32]) {
        let (maps, width) = (self.plan.maps, self.plan.decoder.width);
        let winners = best.iter().zip(places).enumerate().filter(|(_, (best, _))| **best > 0.0);
        for (map, (_, &place)) in winners {
            let (y, x) = (place as usize / width, place as usize % width);
            for square in self.plan.pooling.of_place(place as usize) {
                let unit = square * maps + map;
                self.rows[unit] += PLACE_SHARE * (y as f32 - self.rows[unit]);
                self.columns[unit] += PLACE_SHARE * (x as f32 - self.columns[unit]);
            }
        }
    }

    /// The decoder's filter of a map, `(taps,)`.
    pub(super) fn decoder_filter(&self, map: usize) -> &[f32] {
        let taps = self.plan.decoder.taps();
        &self.decoder.values[map * taps..][..taps]
    }

    /// The place that stands for `unit` on the way down.
    fn place_of(&self, unit: usize) -> usize {
        let shape = &self.plan.decoder;
        let near = |mean: f32, length: usize| (mean.round() as usize).min(length - 1);
        near(self.rows[unit], shape.height) * shape.width + near(self.columns[unit], shape.width)
    }

    /// `canvas += value · what the unit stands for`; the canvas has the decoder's margins.
    pub(super) fn show(&self, unit: usize, value: f32, canvas: &mut [f32]) {
        let filter = self.decoder_filter(unit % self.plan.maps);
        self.plan.decoder.add_to_window(canvas, self.place_of(unit), value, filter);
    }

    /// How much of what the unit stands for is in the canvas: the adjoint of [`Stage::show`].
    pub(super) fn find(&self, unit: usize, canvas: &[f32]) -> f32 {
        let filter = self.decoder_filter(unit % self.plan.maps);
        self.plan.decoder.dot_window(canvas, self.place_of(unit), filter)
    }

    /// An empty canvas with the decoder's margins.
    pub(super) fn clear_canvas(&self, canvas: &mut Vec<f32>) {
        canvas.clear();
        canvas.resize(self.plan.decoder.input_len(), 0.0);
    }

    /// Writes the canvas without its margins to `dense`, `(height, width, channels)`.
    pub(super) fn dense_of(&self, canvas: &[f32], dense: &mut Vec<f32>) {
        dense.clear();
        let rows = (0..self.plan.decoder.height).map(|y| self.plan.decoder.input_row(y));
        rows.for_each(|row| dense.extend_from_slice(&canvas[row]));
    }

    /// The canvas of `dense`, `(height, width, channels)`.
    pub(super) fn canvas_of(&self, dense: &[f32], canvas: &mut Vec<f32>) {
        self.clear_canvas(canvas);
        for y in 0..self.plan.decoder.height {
            let row = &mut canvas[self.plan.decoder.input_row(y)];
            row.copy_from_slice(&dense[y * row.len()..][..row.len()]);
        }
    }
}

/// The middle of each unit's square: where its winners are taken to be before any was seen.
fn centres(plan: &Plan) -> (Vec<f32>, Vec<f32>) {
    let middle = |span: &std::ops::Range<usize>| (span.start + span.end - 1) as f32 / 2.0;
    let unit = |unit: usize| {
        let square = unit / plan.maps;
        let columns = plan.pooling.columns;
        let [rows, columns] = plan.pooling.spans(square / columns, square % columns);
        (middle(&rows), middle(&columns))
    };
    (0..plan.units()).map(unit).unzip()
}

/// Puts the learned values and places of `stages` into `state`.
pub(super) fn push_stages(stages: &[Stage], state: &mut State) {
    let joined = |part: fn(&Parameter) -> &Vec<f32>| -> Vec<f32> {
        stages.iter().flat_map(Stage::saved_parameters).flat_map(part).copied().collect()
    };
    state.push_array("values", &joined(|parameter| &parameter.values));
    state.push_array("first", &joined(|parameter| &parameter.first));
    state.push_array("second", &joined(|parameter| &parameter.second));
    let joined = |part: fn(&Stage) -> &Vec<f32>| -> Vec<f32> {
        stages.iter().flat_map(part).copied().collect()
    };
    state.push_array("rows", &joined(|stage| &stage.rows));
    state.push_array("columns", &joined(|stage| &stage.columns));
}

/// The stages of these `plans` that [`push_stages`] saved. Nothing is allocated before the arrays are
/// known to be as long as the plans say.
pub(super) fn take_stages(
    plans: Vec<Plan>,
    rule: &Optimiser,
    state: &mut State,
) -> Result<Vec<Stage>> {
    let count = plans.iter().map(Stage::values_of).sum::<usize>();
    let units = plans.iter().map(Plan::units).sum();
    let mut saved = take_parameter(["values", "first", "second"], count, rule, state)?;
    let mut next = |length: usize| Parameter {
        values: saved.values.drain(..length).collect(),
        first: saved.first.drain(..length).collect(),
        second: saved.second.drain(..length.min(saved.second.len())).collect(),
        peak: Vec::new(),
    };
    let (mut rows, mut columns) =
        (take_floats("rows", units, state)?, take_floats("columns", units, state)?);
    let stages = plans.into_iter().map(|plan| {
        let layer = |shape: &Convolution| Layer {
            filters: next(shape.outputs * shape.taps()),
            bias: next(shape.outputs),
            across: Vec::new(),
        };
        let layers = plan.layers.iter().map(layer).collect();
        let decoder = next(plan.maps * plan.decoder.taps());
        let (rows, columns) =
            (rows.drain(..plan.units()).collect(), columns.drain(..plan.units()).collect());
        let mut stage = Stage { plan, layers, decoder, rows, columns };
        stage.refresh();
        stage
    });
    Ok(stages.collect())
}

/// Takes `count` learned values that were saved under these three names.
pub(super) fn take_parameter(
    names: [&str; 3],
    count: usize,
    rule: &Optimiser,
    state: &mut State,
) -> Result<Parameter> {
    let squares = if matches!(rule, Optimiser::Adam { .. }) { count } else { 0 };
    let parameter = Parameter {
        values: take_floats(names[0], count, state)?,
        first: take_floats(names[1], count, state)?,
        second: take_floats(names[2], squares, state)?,
        peak: Vec::new(),
    };
    match parameter.second.iter().find(|square| **square < 0.0) {
        Some(square) => Err(Error::shape(names[2], "squares", square)),
        None => Ok(parameter),
    }
}

/// Takes an array of `expected` finite numbers.
fn take_floats(name: &str, expected: usize, state: &mut State) -> Result<Vec<f32>> {
    let values = state.take_array::<f32>(name)?;
    if values.len() != expected {
        return Err(Error::shape(name, format!("{expected} numbers"), values.len()));
    }
    match values.iter().find(|value| !value.is_finite()) {
        Some(value) => Err(Error::shape(name, "finite numbers", value)),
        None => Ok(values),
    }
}
