//! One step of learning.

use rayon::prelude::*;

use super::{Embedder, EmbedderPairs};
use crate::encoder::networks::lay_out;
use crate::encoder::{Learner, Step};
use crate::error::{Error, Result};
use crate::net::{Layer, MAPS_A_BLOCK, Move, Trace, VECTORS_A_BLOCK, cut};
use crate::rng::Rng;
use crate::rows::Rows;

/// Streams of the seed: what is random in a step, its triplets or pairs, and noise on inputs.
const STEPS: u64 = 0x7374_6570_7300_0000;
const PAIRS: u64 = 0x7061_6972_7300_0000;
const NOISE: u64 = 0x6E6F_6973_6500_0000;

impl Learner for Embedder {
    fn learn(&mut self, rows: Rows<'_>, labels: Option<&[u32]>) -> Result<Step> {
        rows.check_width("training inputs", self.width)?;
        rows.check_finite("training inputs")?;
        let labels = self.groups(rows, labels)?;
        let mut traces = std::mem::take(&mut self.workspace.traces);
        let step = self.learn_with(rows, &labels, &mut traces);
        self.workspace.traces = traces;
        step
    }
}

impl Embedder {
    /// Which of the samples that pass the network belong together, `(views · len,)`.
    fn groups(&self, rows: Rows<'_>, labels: Option<&[u32]>) -> Result<Vec<u32>> {
        let views = self.views();
        if rows.is_empty() {
            return Err(Error::shape("training data", "at least 1 row", 0));
        }
        if self.settings.pairs == EmbedderPairs::Views || self.settings.metric_loss().is_none() {
            return Ok((0..(views * rows.len()) as u32)
                .map(|view| view % rows.len() as u32)
                .collect());
        }
        match labels {
            Some(labels) if labels.len() == rows.len() => Ok(labels.to_vec()),
            Some(labels) => {
                let expected = format!("one of each of {} rows", rows.len());
                Err(Error::shape("labels", expected, labels.len()))
            }
            None => {
                let expected = "labels, or pairs=views, which needs none";
                Err(Error::shape("training data of an embedder", expected, "none"))
            }
        }
    }

    /// How often each row passes the network in a step.
    fn views(&self) -> usize {
        let compares = self.settings.metric_loss().is_some();
        if compares && self.settings.pairs == EmbedderPairs::Views { 2 } else { 1 }
    }

    fn learn_with(
        &mut self,
        rows: Rows<'_>,
        labels: &[u32],
        traces: &mut Vec<Trace>,
    ) -> Result<Step> {
        let most = if self.has_maps() { MAPS_A_BLOCK } else { VECTORS_A_BLOCK };
        let block = cut(traces, labels.len(), most);
        let first = self.progress.samples * self.views() as u64;
        traces.par_iter_mut().enumerate().for_each(|(number, trace)| {
            let start = number * block;
            let end = (start + block).min(labels.len());
            self.fill_noisy(rows, (start..end, first), trace);
        });
        let rate = self.progress.rate(&self.settings.pace());
        let (winners, hardness) = self.anneal(rate / self.settings.learning_rate);
        let how = Move {
            optimiser: self.settings.optimiser(),
            rate,
            step: self.progress.steps() + 1,
            decay: self.settings.weight_decay,
        };
        let key = Rng::of_stream(self.settings.seed ^ STEPS, how.step).next_u64() as u32;
        let (loss, terms) = match self.settings.reconstruction() {
            Some(_) => (self.reconstruct_and_gather(rows, traces, key), None),
            None => {
                let (loss, terms) = self.compare_and_gather((labels, how.step), traces, key)?;
                (loss, Some(terms))
            }
        };
        if !loss.is_finite() {
            let reason = "the loss is no number any more: a lower learning_rate may help";
            return Err(Error::Unsupported(reason.to_owned()));
        }
        self.network.step_from(self.settings.frozen, &how);
        self.progress.advance(rows.len(), loss * rows.len() as f64, self.settings.rate_every);
        Ok(Step {
            step: self.progress.steps(),
            samples: self.progress.samples,
            loss,
            terms,
            learning_rate: Some(f64::from(how.rate)),
            hardness: Some(f64::from(hardness)),
            winners: Some(winners),
            ..Step::default()
        })
    }

    /// The gradient of the loss of outputs compared with each other; the loss, and the terms it is a mean over.
    fn compare_and_gather(
        &mut self,
        (labels, step): (&[u32], u64),
        traces: &mut [Trace],
        key: u32,
    ) -> Result<(f64, u64)> {
        let Some(loss) = self.settings.metric_loss() else { return Ok((0.0, 0)) };
        let mut rng = Rng::of_stream(self.settings.seed ^ PAIRS, step);
        let (units, work) = (self.settings.units, &mut self.work);
        let compare = |outputs: &mut Vec<f32>| {
            let compared = loss.slopes(Rows::new(outputs, units)?, labels, &mut rng, work);
            std::mem::swap(outputs, &mut work.slopes);
            compared
        };
        let outcome = self.network.gradients_of(traces, key, (&mut self.outputs, compare))?;
        let penalty = self.network.penalty(traces) / labels.len() as f64;
        Ok((outcome.loss + penalty, outcome.terms))
    }

    /// The gradient of the loss of outputs as reconstructions of `rows`; the loss.
    fn reconstruct_and_gather(&mut self, rows: Rows<'_>, traces: &mut [Trace], key: u32) -> f64 {
        let Some(loss) = self.settings.reconstruction() else { return 0.0 };
        let width = self.width;
        let compare = |outputs: &mut Vec<f32>| {
            let pairs = outputs.par_chunks_mut(width).zip(rows.values().par_chunks(width));
            let losses: Vec<f64> =
                pairs.map(|(outputs, row)| loss.slope(row, outputs, rows.len())).collect();
            losses.iter().sum::<f64>()
        };
        let sum = self.network.gradients_of(traces, key, (&mut self.outputs, compare));
        let penalty = self.network.penalty(traces) / f64::from(self.settings.loss_values(width));
        sum / rows.values().len() as f64 + penalty / rows.len() as f64
    }

    /// Winners and steepness as this epoch has them; the balance goes as fast as learning does, this share of its rate
    /// at first, or it would win in the end. Returns the first two.
    fn anneal(&mut self, share: f32) -> (usize, f32) {
        let (winners, hardness) = self.settings.at_epoch(self.progress.epoch());
        if let Layer::KStep(layer) = &mut self.network.layers[self.code] {
            layer.set(winners, hardness, share);
        }
        (winners, hardness)
    }

    /// Makes samples of a step the input of a trace: shifted and made noisy, each by its number in the whole fit.
    fn fill_noisy(
        &self,
        rows: Rows<'_>,
        (range, first): (std::ops::Range<usize>, u64),
        trace: &mut Trace,
    ) {
        let settings = &self.settings;
        let (mut buffer, shape) = (Vec::new(), self.shape());
        let signal = trace.input(range.len(), self.width);
        for (sample, number) in range.enumerate() {
            let (row, to) = (rows.row(number % rows.len()), signal.sample_mut(sample));
            let mut rng = Rng::of_stream(settings.seed ^ NOISE, first + number as u64);
            settings.moves().apply(row, self.image, (&mut rng, &mut *to));
            settings.noise.add(settings.noise_level, self.range, (&mut *to, &mut rng));
            self.scaling.apply(to);
            lay_out(to, shape, &mut buffer);
        }
    }

    /// Makes `rows` the input of a trace.
    pub(super) fn fill(&self, rows: Rows<'_>, trace: &mut Trace) {
        let (mut buffer, shape) = (Vec::new(), self.shape());
        let signal = trace.input(rows.len(), self.width);
        for (sample, row) in rows.iter().enumerate() {
            let to = signal.sample_mut(sample);
            to.copy_from_slice(row);
            self.scaling.apply(to);
            lay_out(to, shape, &mut buffer);
        }
    }
}
