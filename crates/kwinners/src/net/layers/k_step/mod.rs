//! k-winners as a step: 1 for the winners and 0 for all others, soft while learning.

#[cfg(test)]
mod tests;
mod threshold;

use rayon::prelude::*;

use super::{Flow, LayerState, Learned, Pass, Scratch};
use crate::error::{Error, Result};
use crate::kernel;
use crate::kwta::Balance;
use crate::net::{FirstValues, KStepSpec, Optimiser, Signal, Step, Threshold};
use crate::rng::Rng;
use threshold::{Edge, Prediction};

#[cfg(test)]
pub(crate) use tests::plain_k_step;

/// `step(v - t)` of the scores `v = x + b`, `b` the [`Balance`], with `t` where [`Threshold`] says.
///
/// While learning the step is as soft as [`Step`] says, and `t` is differentiated through: half of the slope by a `t`
/// between two values goes to each of them. A trained layer gives exactly `k` ones, ties going to the lowest unit; `k`
/// differs from sample to sample where it is predicted.
///
/// Source: the k-winners-take-all layers of EmbedderSDR, hard and soft, and its synaptic scaling.
#[derive(Clone, Debug)]
pub(crate) struct KStep {
    units: usize,
    pub(crate) spec: KStepSpec,
    /// Winners, steepness and rate of the balance at hand.
    winners: usize,
    hardness: f32,
    balance_rate: f32,
    pub(crate) balance: Balance,
    /// The thresholds of the units, or what predicts the number of winners, `(units,)`.
    pub(crate) learned: Option<Learned>,
    /// Mean output of each unit over all samples learned from, and their number; empty without synaptic scaling.
    pub(crate) activity: Vec<f32>,
    samples: u64,
}

impl KStep {
    /// A layer that has learned nothing, for [`KStep::draw`] or [`KStep::restore`].
    pub(crate) fn new(units: usize, spec: KStepSpec) -> Self {
        let activity = if spec.scaling > 0.0 { vec![0.0; units] } else { Vec::new() };
        let nothing = || Learned::new(Vec::new(), &Optimiser::Sgd { momentum: 0.0 });
        Self {
            units,
            spec,
            winners: spec.winners,
            hardness: spec.hardness,
            balance_rate: spec.balance,
            balance: Balance::new(units),
            learned: (spec.threshold != Threshold::Between).then(nothing),
            activity,
            samples: 0,
        }
    }

    /// First thresholds or weights: those that one unit that sees all others would have, as published.
    pub(crate) fn draw(&mut self, optimiser: &Optimiser, rng: &mut Rng) {
        if let Some(learned) = &mut self.learned {
            let values = FirstValues::Kaiming.weights((self.units, 1), self.units, 1.0, rng);
            *learned = Learned::new(values, optimiser);
        }
    }

    /// Learns with other winners and another steepness than the spec has, and with a share of its balance rate.
    pub(crate) fn set(&mut self, winners: usize, hardness: f32, balance_share: f32) {
        (self.winners, self.hardness) = (winners, hardness);
        self.balance_rate = balance_share * self.spec.balance;
    }

    /// What the values of each unit are multiplied by while learning: `e^(β (τ - f))` with `f` its mean output and
    /// `τ = 0`.
    fn factors(&self) -> impl Iterator<Item = f32> {
        self.activity.iter().map(|mean| (-self.spec.scaling * mean).exp())
    }

    /// The values as they compete, less the thresholds where units have their own.
    fn scores(&self, values: &[f32], training: bool, scores: &mut Vec<f32>) {
        // Values of a network whose learning went astray; the loss will say so.
        let number = |score: f32| if score.is_nan() { 0.0 } else { score };
        scores.clear();
        let pairs = values.iter().zip(self.balance.bias());
        if training && !self.activity.is_empty() {
            let pairs = pairs.zip(self.factors());
            scores.extend(pairs.map(|((value, bias), factor)| number(value * factor + bias)));
        } else {
            scores.extend(pairs.map(|(value, bias)| number(value + bias)));
        }
        if let (Threshold::Learned, Some(learned)) = (self.spec.threshold, &self.learned) {
            let pairs = scores.iter_mut().zip(learned.values());
            pairs.for_each(|(score, threshold)| *score = number(*score - threshold));
        }
    }

    /// Where the step of the scores in `scratch` lies while learning.
    fn edge(&self, scratch: &mut Scratch) -> (Edge, f32) {
        match self.spec.threshold {
            Threshold::Between => {
                let (units, threshold) = self.border(self.winners, scratch);
                (Edge::Between(units), threshold)
            }
            Threshold::Learned => (Edge::Zero, 0.0),
            Threshold::Predicted { least } => {
                let found = self.predict(&scratch.values, (least, self.winners));
                (Edge::Predicted(found), found.threshold as f32)
            }
        }
    }

    fn predict(&self, scores: &[f32], (least, most): (usize, usize)) -> Prediction {
        let weights = self.learned.as_ref().map_or(&[][..], Learned::values);
        Prediction::of(scores, weights, (least.min(most), most))
    }

    /// The units that a threshold for `winners` lies between, and the threshold.
    fn border(&self, winners: usize, scratch: &mut Scratch) -> ([usize; 2], f32) {
        let Scratch { values: scores, select, places, .. } = scratch;
        places.clear();
        places.resize(winners + 1, 0);
        (kernel::table().select)(scores, select, places).expect("NaN was cleared");
        let mut last = [usize::MAX; 2];
        let below = |a: usize, b: usize| b == usize::MAX || scores[a] < scores[b];
        for place in places.iter().map(|place| *place as usize) {
            if below(place, last[0]) {
                last = [place, last[0]];
            } else if below(place, last[1]) {
                last[1] = place;
            }
        }
        (last, 0.5 * (scores[last[0]] + scores[last[1]]))
    }

    /// The winners of a code for one sample, `(k,)`.
    pub(crate) fn code_of(&self, values: &[f32], scratch: &mut Scratch, code: &mut [u32]) {
        self.scores(values, false, &mut scratch.values);
        let pick = kernel::table().select;
        pick(&scratch.values, &mut scratch.select, code).expect("NaN was cleared");
    }

    /// `s = 1 / (1 + e^(-H (v - t)))` of one unit of a trained layer, `t` half way between the last winner's score and the
    /// next; and its slopes by the values, `(units,)`.
    pub(crate) fn membership(
        &self,
        values: &[f32],
        unit: usize,
        scratch: &mut Scratch,
    ) -> (f32, Vec<f32>) {
        self.scores(values, false, &mut scratch.values);
        let (border, threshold) = self.border(self.spec.winners, scratch);
        let hardness = self.spec.hardness;
        let share = 1.0 / (1.0 + (-hardness * (scratch.values[unit] - threshold)).exp());
        let (steepness, mut slopes) = (hardness * share * (1.0 - share), vec![0.0; self.units]);
        slopes[unit] = steepness;
        border.iter().for_each(|&place| slopes[place] -= 0.5 * steepness);
        (share, slopes)
    }

    pub(crate) fn forward(
        &self,
        input: &Signal,
        output: &mut Signal,
        pass: &Pass,
        scratch: &mut Scratch,
    ) {
        let soft = matches!(self.spec.step, Step::Sigmoid | Step::Relu6) && pass.training;
        if !soft {
            self.forward_hard(input, output, pass, scratch);
            return;
        }
        output.resize(input.len(), input.size);
        for sample in 0..input.len() {
            self.scores(input.sample(sample), true, &mut scratch.values);
            let (_, threshold) = self.edge(scratch);
            let (hardness, out) = (self.hardness, output.sample_mut(sample));
            for (out, score) in out.iter_mut().zip(&scratch.values) {
                *out = hardness * (score - threshold);
            }
            match self.spec.step {
                Step::Sigmoid => (kernel::table().sigmoid)(out),
                _ => out.iter_mut().for_each(|z| *z = (*z + 3.0).clamp(0.0, 6.0) / 6.0),
            }
        }
    }

    fn forward_hard(
        &self,
        input: &Signal,
        output: &mut Signal,
        pass: &Pass,
        scratch: &mut Scratch,
    ) {
        let (values, listed) = output.clear_listed(input.len(), input.size);
        for (sample, out) in values.chunks_exact_mut(input.size).enumerate() {
            self.scores(input.sample(sample), pass.training, &mut scratch.values);
            self.pick(pass, scratch);
            scratch.places.iter().for_each(|&place| out[place as usize] = 1.0);
            listed.push(scratch.places.iter().copied());
        }
    }

    /// Leaves the winners by the scores in `scratch` in its places.
    fn pick(&self, pass: &Pass, scratch: &mut Scratch) {
        let count = match self.spec.threshold {
            Threshold::Learned | Threshold::Predicted { .. } if pass.training => {
                let (_, threshold) = self.edge(scratch);
                let Scratch { values: scores, places, .. } = scratch;
                places.clear();
                let above = scores.iter().zip(0u32..).filter(|(score, _)| **score > threshold);
                places.extend(above.map(|(_, place)| place));
                return;
            }
            Threshold::Predicted { least } => {
                self.predict(&scratch.values, (least, self.spec.winners)).number.round() as usize
            }
            _ if pass.training => self.winners,
            _ => self.spec.winners,
        };
        let Scratch { values: scores, select, places, .. } = scratch;
        places.clear();
        places.resize(count, 0);
        (kernel::table().select)(scores, select, places).expect("NaN was cleared");
    }

    /// The slopes by the values; those of a hard step pass as they are, as if it were the identity of score less
    /// threshold, but not through a threshold between two values.
    pub(crate) fn backward(
        &self,
        flow: Flow<'_>,
        input_slopes: &mut Signal,
        pass: &Pass,
        scratch: &mut Scratch,
    ) {
        input_slopes.resize(flow.slopes.len(), self.units);
        input_slopes.values.copy_from_slice(&flow.slopes.values);
        if !pass.training {
            return;
        }
        for sample in 0..flow.slopes.len() {
            let slopes = input_slopes.sample_mut(sample);
            self.pass_back(
                (flow.input.sample(sample), flow.output.sample(sample)),
                slopes,
                scratch,
            );
            slopes.iter_mut().zip(self.factors()).for_each(|(slope, factor)| *slope *= factor);
        }
    }

    /// Turns slopes by the outputs of one sample, from `values`, into those by its scores, which are in `scratch`
    /// afterwards; returns the slope by the activation that predicts the number of winners.
    fn pass_back(
        &self,
        (values, outputs): (&[f32], &[f32]),
        slopes: &mut [f32],
        scratch: &mut Scratch,
    ) -> f64 {
        let is_hard = self.spec.step == Step::Hard;
        if is_hard && self.spec.threshold == Threshold::Between {
            return 0.0;
        }
        self.scores(values, true, &mut scratch.values);
        let (edge, threshold) = self.edge(scratch);
        let sum = match is_hard {
            true => slopes.iter().sum(),
            false => self.multiply_steepness(slopes, (outputs, threshold), scratch),
        };
        match edge {
            Edge::Between(units) => units.iter().for_each(|&unit| slopes[unit] -= 0.5 * sum),
            Edge::Zero => {}
            Edge::Predicted(found) => {
                let weights = self.learned.as_ref().map_or(&[][..], Learned::values);
                let by = -f64::from(sum);
                found.pass_back(by, &scratch.values, weights, slopes);
                return found.by_activation(by);
            }
        }
        0.0
    }

    /// Multiplies slopes by the steepness of the step at each score; returns their sum.
    fn multiply_steepness(
        &self,
        slopes: &mut [f32],
        (outputs, threshold): (&[f32], f32),
        scratch: &mut Scratch,
    ) -> f32 {
        let (hardness, Scratch { values: scores, steps, .. }) = (self.hardness, scratch);
        let mut outputs = outputs;
        if self.spec.step == Step::Surrogate {
            steps.clear();
            steps.extend(scores.iter().map(|score| hardness * (*score - threshold)));
            (kernel::table().sigmoid)(steps);
            outputs = steps;
        }
        match self.spec.step {
            Step::Relu6 => {
                multiply(slopes, outputs, |y| if y > 0.0 && y < 1.0 { hardness / 6.0 } else { 0.0 })
            }
            _ => multiply(slopes, outputs, |y| hardness * y * (1.0 - y)),
        }
    }

    /// Adds up the slopes by what is learned.
    pub(crate) fn gather(&mut self, flows: &[Flow<'_>]) {
        if self.learned.is_none() {
            return;
        }
        let blocks: Vec<Vec<f64>> = flows.par_iter().map(|flow| self.gather_block(flow)).collect();
        if let Some(learned) = &mut self.learned {
            for (unit, slope) in learned.gradient.iter_mut().enumerate() {
                *slope += blocks.iter().map(|block| block[unit]).sum::<f64>() as f32;
            }
        }
    }

    /// `-Σ` of the slopes by scores, for thresholds that are subtracted; `Σ v dL/da` for weights of `a = w·v`.
    fn gather_block(&self, flow: &Flow<'_>) -> Vec<f64> {
        let (mut sums, mut scratch) = (vec![0.0; self.units], Scratch::default());
        let mut slopes = Vec::new();
        for sample in 0..flow.slopes.len() {
            slopes.clear();
            slopes.extend_from_slice(flow.slopes.sample(sample));
            let pair = (flow.input.sample(sample), flow.output.sample(sample));
            let by_activation = self.pass_back(pair, &mut slopes, &mut scratch);
            let (parts, factor) = match self.spec.threshold {
                Threshold::Predicted { .. } => (&scratch.values, by_activation),
                _ => (&slopes, -1.0),
            };
            for (sum, part) in sums.iter_mut().zip(parts) {
                *sum += factor * f64::from(*part);
            }
        }
        sums
    }

    /// Takes winners into the balance, outputs into their means.
    pub(crate) fn observe(&mut self, flows: &[Flow<'_>]) {
        if self.balance_rate > 0.0 {
            self.rebalance(flows);
        }
        if self.activity.is_empty() {
            return;
        }
        let mut sums = vec![0.0f64; self.units];
        for output in flows.iter().flat_map(|flow| flow.output.values.chunks_exact(self.units)) {
            sums.iter_mut().zip(output).for_each(|(sum, value)| *sum += f64::from(*value));
        }
        let samples = flows.iter().map(|flow| flow.output.len() as u64).sum::<u64>();
        self.samples = self.samples.saturating_add(samples);
        for (mean, sum) in self.activity.iter_mut().zip(sums) {
            let old = f64::from(*mean);
            *mean = (old + (sum - samples as f64 * old) / self.samples.max(1) as f64) as f32;
        }
    }

    fn rebalance(&mut self, flows: &[Flow<'_>]) {
        let mut winners = Vec::new();
        for flow in flows.iter().filter(|flow| flow.input.len() > 0) {
            // One sample a block says enough of the spread.
            self.balance.observe_spread(Balance::spread_of(flow.input.sample(0)));
            for output in flow.output.values.chunks_exact(self.units) {
                let above = output.iter().zip(0u32..).filter(|(value, _)| **value > 0.5);
                winners.extend(above.map(|(_, unit)| unit));
            }
        }
        self.balance.update(&winners, self.balance_rate);
    }

    pub(super) fn save(&self) -> LayerState {
        let (bias, spread) = (self.balance.bias().to_vec(), vec![self.balance.spread()]);
        let mut floats = vec![bias, spread, self.activity.clone()];
        floats.extend(self.learned.iter().flat_map(Learned::save));
        LayerState { floats, samples: self.samples, ..LayerState::default() }
    }

    pub(super) fn restore(&mut self, state: &mut LayerState, optimiser: &Optimiser) -> Result<()> {
        let (bias, spread, activity) = (state.take()?, state.take()?, state.take()?);
        let lengths = (bias.len(), spread.len(), activity.len());
        let expected = (self.units, 1, self.activity.len());
        if lengths != expected {
            let expected = format!("{expected:?} of bias, spread and activity");
            return Err(Error::shape("k-step", expected, format!("{lengths:?}")));
        }
        if let Some(mean) = activity.iter().find(|mean| !(0.0..=1.0).contains(*mean)) {
            return Err(Error::shape("mean outputs of a k-step", "from 0 to 1", mean));
        }
        self.balance = Balance::from_parts(bias, spread[0])?;
        (self.activity, self.samples) = (activity, state.samples);
        match &mut self.learned {
            Some(learned) => learned.restore(self.units, optimiser, state),
            None => Ok(()),
        }
    }
}

/// Multiplies each slope by the steepness at its output; returns their sum, added in sixteen lanes.
fn multiply(slopes: &mut [f32], outputs: &[f32], steepness: impl Fn(f32) -> f32) -> f32 {
    let mut sums = [0.0; 16];
    let ((slopes, slopes_rest), (outputs, outputs_rest)) =
        (slopes.as_chunks_mut::<16>(), outputs.as_chunks::<16>());
    for (slopes, outputs) in slopes.iter_mut().zip(outputs) {
        for lane in 0..16 {
            slopes[lane] *= steepness(outputs[lane]);
            sums[lane] += slopes[lane];
        }
    }
    for (slope, output) in slopes_rest.iter_mut().zip(outputs_rest) {
        *slope *= steepness(*output);
        sums[0] += *slope;
    }
    sums.iter().sum()
}
