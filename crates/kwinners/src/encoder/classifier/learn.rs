//! One step of learning, and what hangs on how far the fit has come.

use rayon::prelude::*;

use super::Classifier;
use crate::encoder::{Learner, Step};
use crate::error::{Error, Result};
use crate::net::{Layer, MAPS_A_BLOCK, Move, Trace, cut};
use crate::rng::Rng;
use crate::rows::Rows;

/// Stream of the seed that what is random in a step comes from.
const STEPS: u64 = 0x7374_6570_7300_0000;

impl Learner for Classifier {
    fn learn(&mut self, rows: Rows<'_>, labels: Option<&[u32]>) -> Result<Step> {
        rows.check_width("training inputs", self.width)?;
        rows.check_finite("training inputs")?;
        let Some(labels) = labels else {
            let expected = "labels: a classifier learns from them";
            return Err(Error::shape("training data", expected, "none"));
        };
        if rows.is_empty() || labels.len() != rows.len() {
            let expected = format!("one of each of {} rows, at least 1", rows.len());
            return Err(Error::shape("labels", expected, labels.len()));
        }
        if let Some(label) = labels.iter().find(|label| **label as usize >= self.classes) {
            return Err(Error::shape("labels", format!("below {}", self.classes), label));
        }
        let mut traces = std::mem::take(&mut self.workspace.traces);
        let step = self.learn_with(rows, labels, &mut traces);
        self.workspace.traces = traces;
        step
    }
}

impl Classifier {
    fn learn_with(
        &mut self,
        rows: Rows<'_>,
        labels: &[u32],
        traces: &mut Vec<Trace>,
    ) -> Result<Step> {
        let (block, first) = (cut(traces, rows.len(), MAPS_A_BLOCK), self.progress.samples);
        let blocks: Vec<Rows<'_>> = rows.blocks(block).collect();
        traces.par_iter_mut().zip(&blocks).enumerate().for_each(|(number, (trace, rows))| {
            self.fill_noisy(*rows, first + (number * block) as u64, trace);
        });
        self.set_boost();
        let how = Move {
            optimiser: self.settings.optimiser(),
            rate: self.progress.rate(&self.settings.pace()),
            step: self.progress.steps() + 1,
            decay: self.settings.weight_decay,
        };
        let key = Rng::of_stream(self.settings.seed ^ STEPS, how.step).next_u64() as u32;
        let target = (labels, self.settings.target());
        self.sparse.take();
        let outcome = self.network.gradients(traces, target, key);
        self.network.step_or_regrow(&how, self.change_due(rows.len()).as_ref());
        if !outcome.loss.is_finite() {
            let reason = "the loss is no number any more: a lower learning_rate may help";
            return Err(Error::Unsupported(reason.to_owned()));
        }
        self.progress.advance(rows.len(), outcome.loss, self.settings.rate_every);
        self.set_boost();
        Ok(Step {
            step: self.progress.steps(),
            samples: self.progress.samples,
            loss: outcome.loss / rows.len() as f64,
            accuracy: Some(outcome.correct as f64 / rows.len() as f64),
            learning_rate: Some(f64::from(how.rate)),
            ..Step::default()
        })
    }

    /// Boosting as strong as this epoch has it; after the last, as one more would.
    pub(super) fn set_boost(&mut self) {
        let epoch = i32::try_from(self.progress.epoch()).unwrap_or(i32::MAX);
        let boost = self.settings.boost * self.settings.boost_decay.powi(epoch);
        for layer in &mut self.network.layers {
            if let Layer::KWinners(layer) = layer {
                layer.set_boost(boost);
            }
        }
    }
}
