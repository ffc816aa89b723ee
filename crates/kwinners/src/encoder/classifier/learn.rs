//! One step of learning, and what hangs on how far the fit has come.

use std::sync::Mutex;

use rayon::prelude::*;

use super::{Classifier, ClassifierSchedule};
use crate::encoder::{Learner, State, Step};
use crate::error::{Error, Result};
use crate::net::{Layer, Move, Rate, Trace, cut};
use crate::rng::Rng;
use crate::rows::Rows;

/// Stream of the seed that what is random in a step comes from.
const STEPS: u64 = 0x7374_6570_7300_0000;

/// How far a fit has come.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Progress {
    /// Rows of the training data: an epoch.
    epoch_len: u64,
    pub(super) samples: u64,
    steps: u64,
    /// Sum of the losses of the running epoch's samples.
    loss: f64,
    /// The best mean loss of an epoch, epochs since, and cuts of the rate: for `plateau`.
    best: f64,
    waited: u32,
    cuts: u32,
}

impl Progress {
    pub(super) fn new(epoch_len: usize) -> Self {
        let epoch_len = epoch_len.max(1) as u64;
        let best = f64::MAX;
        Self { epoch_len, samples: 0, steps: 0, loss: 0.0, best, waited: 0, cuts: 0 }
    }

    pub(super) fn push_to(self, state: &mut State) {
        state.push("epoch_len", self.epoch_len);
        state.push("samples", self.samples);
        state.push("steps", self.steps);
        state.push("loss", format!("{:?}", self.loss));
        state.push("best_loss", format!("{:?}", self.best));
        state.push("waited", self.waited);
        state.push("cuts", self.cuts);
    }

    pub(super) fn take_from(state: &mut State) -> Result<Self> {
        let progress = Self {
            epoch_len: state.take("epoch_len")?,
            samples: state.take("samples")?,
            steps: state.take("steps")?,
            loss: state.take("loss")?,
            best: state.take("best_loss")?,
            waited: state.take("waited")?,
            cuts: state.take("cuts")?,
        };
        match progress.epoch_len {
            0 => Err(Error::shape("rows of an epoch", "at least 1", 0)),
            _ => Ok(progress),
        }
    }

    /// The epoch that the next sample belongs to.
    fn epoch(&self) -> usize {
        usize::try_from(self.samples / self.epoch_len).unwrap_or(usize::MAX)
    }

    /// Number of the step of `samples` that comes next, and epochs done after it.
    pub(super) fn after(&self, samples: usize) -> (u64, f64) {
        let samples = self.samples + samples as u64;
        (self.steps + 1, samples as f64 / self.epoch_len as f64)
    }

    /// Whether that step is the last of its epoch.
    pub(super) fn ends_epoch(&self, samples: usize) -> bool {
        (self.samples + samples as u64) / self.epoch_len > self.samples / self.epoch_len
    }

    /// Takes a step of `samples` with this sum of losses in.
    fn advance(&mut self, samples: usize, loss: f64, patience: usize) {
        let before = self.epoch();
        self.samples += samples as u64;
        self.steps += 1;
        self.loss += loss;
        if self.epoch() == before {
            return;
        }
        let mean = self.loss / self.epoch_len as f64;
        self.loss = 0.0;
        if mean < self.best {
            (self.best, self.waited) = (mean, 0);
            return;
        }
        self.waited += 1;
        if self.waited as usize > patience {
            (self.waited, self.cuts) = (0, self.cuts + 1);
        }
    }
}

/// The blocks of a batch, kept from step to step, and traces for answers: new ones cost more than a pass.
#[derive(Debug, Default)]
pub(super) struct Workspace {
    traces: Vec<Trace>,
    spare: Mutex<Vec<Trace>>,
}

impl Clone for Workspace {
    /// Buffers hold nothing worth a copy.
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl Workspace {
    /// Does `work` with a trace that is kept for the next.
    pub(super) fn with_trace<T>(&self, work: impl FnOnce(&mut Trace) -> T) -> T {
        let kept = self.spare.lock().ok().and_then(|mut spare| spare.pop());
        let mut trace = kept.unwrap_or_default();
        let done = work(&mut trace);
        if let Ok(mut spare) = self.spare.lock() {
            spare.push(trace);
        }
        done
    }
}

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
        let (block, first) = (cut(traces, rows.len()), self.progress.samples);
        let blocks: Vec<Rows<'_>> = rows.blocks(block).collect();
        traces.par_iter_mut().zip(&blocks).enumerate().for_each(|(number, (trace, rows))| {
            self.fill_noisy(*rows, first + (number * block) as u64, trace);
        });
        self.set_boost();
        let how = Move {
            optimiser: self.settings.optimiser(),
            rate: self.rate(),
            step: self.progress.steps + 1,
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
            step: self.progress.steps,
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

    /// Learning rate of the step that comes next.
    fn rate(&self) -> f32 {
        let (settings, progress) = (&self.settings, &self.progress);
        let cuts = match settings.schedule {
            ClassifierSchedule::Constant => 0,
            ClassifierSchedule::Epoch => progress.epoch() as u64,
            ClassifierSchedule::Step => progress.steps / settings.rate_every as u64,
            ClassifierSchedule::Plateau => u64::from(progress.cuts),
            ClassifierSchedule::Cosine => {
                let all = progress.epoch_len.saturating_mul(settings.epochs as u64);
                return settings.learning_rate * Rate::Cosine.share(progress.samples + 1, all, 0);
            }
        };
        let power = i32::try_from(cuts).unwrap_or(i32::MAX);
        settings.learning_rate * settings.rate_factor.powi(power)
    }
}
