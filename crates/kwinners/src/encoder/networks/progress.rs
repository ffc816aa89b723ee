//! How far a fit of a network has come, and what it keeps from step to step.

use std::sync::Mutex;

use super::NetworkSchedule;
use crate::encoder::State;
use crate::error::{Error, Result};
use crate::net::{Rate, Trace};

/// How far a fit has come.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::encoder) struct Progress {
    /// Rows of the training data: an epoch.
    epoch_len: u64,
    pub(in crate::encoder) samples: u64,
    steps: u64,
    /// Sum of the losses of the running epoch's samples.
    loss: f64,
    /// The best mean loss of an epoch, epochs since, and cuts of the rate: for `plateau`.
    best: f64,
    waited: u32,
    cuts: u32,
}

/// What the settings say of the learning rate.
#[derive(Clone, Copy, Debug)]
pub(in crate::encoder) struct Pace {
    /// The rate at first.
    pub(in crate::encoder) first: f32,
    pub(in crate::encoder) schedule: NetworkSchedule,
    pub(in crate::encoder) factor: f32,
    pub(in crate::encoder) every: usize,
    pub(in crate::encoder) epochs: usize,
}

impl Progress {
    pub(in crate::encoder) fn new(epoch_len: usize) -> Self {
        let epoch_len = epoch_len.max(1) as u64;
        let best = f64::MAX;
        Self { epoch_len, samples: 0, steps: 0, loss: 0.0, best, waited: 0, cuts: 0 }
    }

    pub(in crate::encoder) fn push_to(self, state: &mut State) {
        state.push("epoch_len", self.epoch_len);
        state.push("samples", self.samples);
        state.push("steps", self.steps);
        state.push("loss", format!("{:?}", self.loss));
        state.push("best_loss", format!("{:?}", self.best));
        state.push("waited", self.waited);
        state.push("cuts", self.cuts);
    }

    pub(in crate::encoder) fn take_from(state: &mut State) -> Result<Self> {
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
    pub(in crate::encoder) fn epoch(&self) -> usize {
        usize::try_from(self.samples / self.epoch_len).unwrap_or(usize::MAX)
    }

    /// Steps done.
    pub(in crate::encoder) fn steps(&self) -> u64 {
        self.steps
    }

    /// Learning rate of the step that comes next.
    pub(in crate::encoder) fn rate(&self, pace: &Pace) -> f32 {
        let cuts = match pace.schedule {
            NetworkSchedule::Constant => 0,
            NetworkSchedule::Epoch => self.epoch() as u64,
            NetworkSchedule::Step => self.steps / pace.every as u64,
            NetworkSchedule::Plateau => u64::from(self.cuts),
            NetworkSchedule::Cosine => {
                let all = self.epoch_len.saturating_mul(pace.epochs as u64);
                return pace.first * Rate::Cosine.share(self.samples + 1, all, 0);
            }
        };
        pace.first * pace.factor.powi(i32::try_from(cuts).unwrap_or(i32::MAX))
    }

    /// Number of the step of `samples` that comes next, and epochs done after it.
    pub(in crate::encoder) fn after(&self, samples: usize) -> (u64, f64) {
        let samples = self.samples + samples as u64;
        (self.steps + 1, samples as f64 / self.epoch_len as f64)
    }

    /// Whether that step is the last of its epoch.
    pub(in crate::encoder) fn ends_epoch(&self, samples: usize) -> bool {
        (self.samples + samples as u64) / self.epoch_len > self.samples / self.epoch_len
    }

    /// Takes a step of `samples` with this sum of losses in.
    pub(in crate::encoder) fn advance(&mut self, samples: usize, loss: f64, patience: usize) {
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
pub(in crate::encoder) struct Workspace {
    pub(in crate::encoder) traces: Vec<Trace>,
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
    pub(in crate::encoder) fn with_trace<T>(&self, work: impl FnOnce(&mut Trace) -> T) -> T {
        let kept = self.spare.lock().ok().and_then(|mut spare| spare.pop());
        let mut trace = kept.unwrap_or_default();
        let done = work(&mut trace);
        if let Ok(mut spare) = self.spare.lock() {
            spare.push(trace);
        }
        done
    }
}
