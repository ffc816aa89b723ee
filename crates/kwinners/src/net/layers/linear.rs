//! Every unit sees all inputs, or a fixed share of them.

use rayon::prelude::*;

use super::weights::{Learned, compact, draw_kept};
use super::{Flow, LayerState, Scratch};
use crate::error::{Error, Result};
use crate::kernel::maps::SparsePattern;
use crate::kernel::product::{add_product, add_product_of_transposed, add_product_transposed};
use crate::kernel::{self, vectors::Weighted};
use crate::net::{FirstValues, Optimiser, Signal};
use crate::rng::Rng;
use crate::rows::Rows;

/// Tasks that the rows of a gradient are cut into; fixed.
const TASKS: usize = 16;
/// Rows of a sparse gradient that are gathered as dense ones at a time.
const ROWS_A_TASK: usize = 16;

/// `score = x W + b`. `W` is `(inputs, units)`: the rows of inputs that are zero are never touched, forward
/// or backward.
///
/// Cost a sample: `active inputs · units` multiply-adds forward, as many backward and for the gradient,
/// times the density where weights are stored sparse.
#[derive(Clone, Debug)]
pub(crate) struct Linear {
    pub(crate) inputs: usize,
    pub(crate) units: usize,
    density: f32,
    /// `(inputs, units)`, or what `pattern` keeps of it.
    pub(crate) weights: Learned,
    pub(crate) bias: Learned,
    /// How the weights are stored, where they are stored sparse.
    pub(crate) pattern: Option<SparsePattern>,
    /// Probability of a weight to be left out of a step.
    pub(crate) drop_connect: f32,
    /// The weights of the step at hand, where some are left out.
    thinned: Vec<f32>,
}

impl Linear {
    /// A layer without weights, for [`Linear::draw`] or [`Linear::restore`].
    pub(crate) fn new((inputs, units): (usize, usize), density: f32, drop_connect: f32) -> Self {
        let none = || Learned::new(Vec::new(), &Optimiser::Sgd { momentum: 0.0 });
        Self {
            inputs,
            units,
            density,
            weights: none(),
            bias: none(),
            pattern: None,
            drop_connect,
            thinned: Vec::new(),
        }
    }

    /// First weights drawn by `first` for all inputs, then all but the share `density` dropped.
    pub(crate) fn draw(&mut self, first: FirstValues, optimiser: &Optimiser, rng: &mut Rng) {
        let Self { inputs, units, density, .. } = *self;
        let values = first.weights((inputs, units), inputs * units, density, rng);
        let bias = first.bias(inputs, units, density, rng);
        self.pattern = (density < 1.0).then(|| {
            let place = |input, unit| input * units + unit;
            SparsePattern::new(units, &draw_kept((inputs, units), density, rng, place))
        });
        let values = match &self.pattern {
            Some(pattern) => compact(pattern, &values),
            None => values,
        };
        self.weights = Learned::new(values, optimiser);
        self.bias = Learned::new(bias, optimiser);
    }

    /// Takes saved weights.
    pub(crate) fn restore(&mut self, state: &mut LayerState, optimiser: &Optimiser) -> Result<()> {
        let Self { inputs, units, .. } = *self;
        let mut count = inputs.checked_mul(units);
        if self.density < 1.0 {
            let masks = std::mem::take(&mut state.masks);
            self.pattern = SparsePattern::from_masks(units, inputs, masks);
            count = self.pattern.as_ref().map(SparsePattern::kept);
        }
        let count = count.ok_or_else(|| {
            Error::shape("masks of weights", format!("those of {inputs} rows of {units}"), "others")
        })?;
        let masks = std::mem::take(&mut state.masks);
        self.weights.restore(count, optimiser, state)?;
        self.bias.restore(units, optimiser, state)?;
        if !masks.is_empty() {
            let expected = format!("{inputs} rows of {units}");
            let kept = self.weights.keep_masks((inputs, units), masks);
            return kept.ok_or_else(|| Error::shape("masks of weights", expected, "others"));
        }
        Ok(())
    }

    /// The layer with its weights stored sparse, where some are held at zero: for inference.
    pub(crate) fn stored_sparse(&self) -> Option<Self> {
        let masks = self.weights.masks(self.units);
        let pattern = SparsePattern::from_masks(self.units, self.inputs, masks)?;
        let values = compact(&pattern, self.weights.values());
        let weights = Learned::new(values, &Optimiser::Sgd { momentum: 0.0 });
        Some(Self { weights, pattern: Some(pattern), ..self.clone() })
    }

    /// Draws the weights that take part in a step; `key` differs from step to step.
    pub(crate) fn thin(&mut self, key: u32) {
        if self.drop_connect > 0.0 {
            let scale = 1.0 / (1.0 - self.drop_connect);
            let limit = dropped_below(self.drop_connect);
            let keeps = |place: usize| kernel::vectors::hash(place as u32, key) >= limit;
            let weights = self.weights.values().iter().enumerate();
            self.thinned = weights
                .map(|(place, weight)| if keeps(place) { weight * scale } else { 0.0 })
                .collect();
        }
    }

    /// The weights of a pass; thinned ones hold until [`Linear::gather`] has used them.
    fn seen(&self) -> &[f32] {
        if self.thinned.is_empty() { self.weights.values() } else { &self.thinned }
    }

    pub(crate) fn forward(&self, input: &Signal, output: &mut Signal, scratch: &mut Scratch) {
        let samples = input.len();
        output.resize(samples, self.units);
        for out in output.values.chunks_exact_mut(self.units) {
            out.copy_from_slice(self.bias.values());
        }
        if input.active.is_none() && self.pattern.is_none() {
            let weights = Rows::new(self.seen(), self.units).expect("whole rows of weights");
            add_product(input.rows(), weights, &mut output.values);
            return;
        }
        for sample in 0..samples {
            list_parts(input, sample, &mut scratch.parts);
            let out = output.sample_mut(sample);
            match &self.pattern {
                None => (kernel::table().add_weighted_rows)(self.seen(), &scratch.parts, out),
                Some(pattern) => {
                    pad(out, pattern, &mut scratch.values);
                    let padded = &mut scratch.values;
                    let add = kernel::table().add_sparse_rows;
                    add(pattern, self.weights.values(), &scratch.parts, padded);
                    out.copy_from_slice(&padded[..self.units]);
                }
            }
        }
    }

    pub(crate) fn backward(
        &self,
        flow: Flow<'_>,
        input_slopes: &mut Signal,
        scratch: &mut Scratch,
    ) {
        let samples = flow.input.len();
        let Some(active) = &flow.input.active else {
            input_slopes.resize(samples, self.inputs);
            self.backward_to_all(flow, input_slopes, scratch);
            return;
        };
        let (values, listed) = input_slopes.clear_listed(samples, self.inputs);
        listed.copy_from(active);
        for (sample, slopes) in values.chunks_exact_mut(self.inputs).enumerate() {
            let which = active.of(sample);
            scratch.values.resize(which.len(), 0.0);
            let dots = &mut scratch.values;
            match &self.pattern {
                None => {
                    let vector = flow.slopes.sample(sample);
                    (kernel::table().dots)(self.seen(), which, vector, dots);
                }
                Some(pattern) => {
                    let mut vector = Vec::new();
                    pad(flow.slopes.sample(sample), pattern, &mut vector);
                    let dots_of = kernel::table().sparse_dots;
                    dots_of(pattern, self.weights.values(), which, (&vector, dots));
                }
            }
            which.iter().zip(dots).for_each(|(&place, dot)| slopes[place as usize] = *dot);
        }
    }

    /// The slopes by all inputs, none of which is known to be zero.
    fn backward_to_all(&self, flow: Flow<'_>, slopes: &mut Signal, scratch: &mut Scratch) {
        let Some(pattern) = &self.pattern else {
            slopes.values.fill(0.0);
            let weights = Rows::new(self.seen(), self.units).expect("whole rows of weights");
            add_product_transposed(flow.slopes.rows(), weights, &mut slopes.values);
            return;
        };
        let all: Vec<u32> = (0..self.inputs as u32).collect();
        for sample in 0..flow.input.len() {
            pad(flow.slopes.sample(sample), pattern, &mut scratch.values);
            let sides = (scratch.values.as_slice(), slopes.sample_mut(sample));
            (kernel::table().sparse_dots)(pattern, self.weights.values(), &all, sides);
        }
    }

    pub(crate) fn gather(&mut self, flows: &[Flow<'_>]) {
        add_columns(flows, &mut self.bias.gradient);
        match &self.pattern {
            None => self.gather_dense(flows),
            Some(_) => self.gather_sparse(flows),
        }
        if !self.thinned.is_empty() {
            let scale = 1.0 / (1.0 - self.drop_connect);
            for (slope, weight) in self.weights.gradient.iter_mut().zip(&self.thinned) {
                *slope = if *weight == 0.0 { 0.0 } else { *slope * scale };
            }
            self.thinned.clear();
        }
    }

    fn gather_dense(&mut self, flows: &[Flow<'_>]) {
        let (units, rows) = (self.units, self.inputs.div_ceil(TASKS));
        let tasks = self.weights.gradient.par_chunks_mut(rows * units).enumerate();
        tasks.for_each(|(task, sums)| {
            let (first, mut parts) = (task * rows, Vec::new());
            let last = first + sums.len() / units;
            let mut columns = Vec::new();
            for flow in flows {
                if flow.input.active.is_some() {
                    for sample in 0..flow.input.len() {
                        list_parts_between(flow.input, sample, (first, last), &mut parts);
                        let vector = flow.slopes.sample(sample);
                        parts.iter_mut().for_each(|part| part.row -= first as u32);
                        (kernel::table().add_outer)(sums, vector, &parts);
                    }
                    continue;
                }
                columns.clear();
                for sample in 0..flow.input.len() {
                    columns.extend_from_slice(&flow.input.sample(sample)[first..last]);
                }
                if let Ok(inputs) = Rows::new(&columns, last - first) {
                    add_product_of_transposed(inputs, flow.slopes.rows(), sums);
                }
            }
        });
    }

    fn gather_sparse(&mut self, flows: &[Flow<'_>]) {
        let Some(pattern) = &self.pattern else { return };
        let rows = ROWS_A_TASK.min(self.inputs);
        let mut pieces = Vec::new();
        let mut rest = self.weights.gradient.as_mut_slice();
        for first in (0..self.inputs).step_by(rows) {
            let last = (first + rows).min(self.inputs);
            let (piece, other) = rest.split_at_mut(pattern.start(last) - pattern.start(first));
            pieces.push((first, last, piece));
            rest = other;
        }
        let units = self.units;
        pieces.into_par_iter().for_each(|(first, last, sums)| {
            // Dense rows that stay in the first-level cache, picked from once at the end.
            let (mut dense, mut parts) = (vec![0.0; (last - first) * units], Vec::new());
            let mut touched = [false; ROWS_A_TASK];
            for flow in flows {
                for sample in 0..flow.input.len() {
                    list_parts_between(flow.input, sample, (first, last), &mut parts);
                    for part in &mut parts {
                        part.row -= first as u32;
                        touched[part.row as usize] = true;
                    }
                    (kernel::table().add_outer)(&mut dense, flow.slopes.sample(sample), &parts);
                }
            }
            for (row, dense) in dense.chunks_exact(units).enumerate() {
                if touched[row] {
                    let from = pattern.start(first + row) - pattern.start(first);
                    pattern.add_kept(first + row, dense, &mut sums[from..]);
                }
            }
        });
    }
}

/// Numbers of 32 bits below which something that happens with `probability` does.
pub(super) fn dropped_below(probability: f32) -> u32 {
    (f64::from(probability) * (1u64 << 32) as f64) as u32
}

/// `values` with zeros up to whole groups of the pattern.
fn pad(values: &[f32], pattern: &SparsePattern, padded: &mut Vec<f32>) {
    padded.clear();
    padded.extend_from_slice(values);
    padded.resize(pattern.padded_width(), 0.0);
}

/// The inputs of a sample that are not zero.
fn list_parts(input: &Signal, sample: usize, parts: &mut Vec<Weighted>) {
    list_parts_between(input, sample, (0, input.size), parts);
}

/// The inputs from `first` up to `last` that are not zero.
fn list_parts_between(
    input: &Signal,
    sample: usize,
    (first, last): (usize, usize),
    parts: &mut Vec<Weighted>,
) {
    parts.clear();
    let values = input.sample(sample);
    match input.active_of(sample) {
        Some(active) => {
            let start = active.partition_point(|&place| (place as usize) < first);
            let within = active[start..].iter().take_while(|place| (**place as usize) < last);
            parts.extend(within.map(|&row| Weighted { row, factor: values[row as usize] }));
        }
        None => {
            let rows = values[first..last].iter().enumerate().filter(|(_, value)| **value != 0.0);
            parts.extend(rows.map(|(row, &factor)| Weighted { row: (first + row) as u32, factor }));
        }
    }
}

/// `sums[c] +=` the slopes of channel `c` of all samples and places; `sums` are the channels.
pub(super) fn add_columns(flows: &[Flow<'_>], sums: &mut [f32]) {
    for flow in flows {
        for sample in 0..flow.slopes.len() {
            let slopes = flow.slopes.sample(sample);
            match flow.slopes.active_of(sample) {
                Some(active) => active.iter().for_each(|&place| {
                    sums[place as usize % sums.len()] += slopes[place as usize];
                }),
                None => slopes.chunks_exact(sums.len()).for_each(|slopes| {
                    sums.iter_mut().zip(slopes).for_each(|(sum, slope)| *sum += slope);
                }),
            }
        }
    }
}
