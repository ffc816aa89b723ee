//! Fitting and judging with something to watch: shared by every verb that does it.

use std::sync::atomic::Ordering;
use std::time::Instant;

use kwinners::encoder::Model;
use kwinners::report::{Evidence, ModelInfo, Part, Report, Timing, judge};
use kwinners::train::{self, Control, Position, StopReason};
use kwinners::{Dataset, Rows, SdrBatch, Step};

use crate::interrupt;
use crate::output::{Counts, Output};

/// Samples between two looks at the clock.
const SAMPLES_A_LOOK: u64 = 512;

/// How a fit went.
#[derive(Debug)]
pub(crate) struct Fitted {
    pub(crate) reason: StopReason,
    pub(crate) position: Position,
    pub(crate) seconds: f64,
    /// Samples learned from in this run.
    pub(crate) samples: u64,
    /// Mean loss of the last epoch, as far as it went.
    pub(crate) loss: f64,
}

impl Fitted {
    pub(crate) fn samples_per_s(&self) -> f64 {
        self.samples as f64 / self.seconds.max(1e-9)
    }
}

/// What a verb does besides, at every look at the clock; an error ends the fit.
pub(crate) type More<'a> = &'a mut dyn FnMut(&Step, &Model, Position) -> anyhow::Result<()>;

/// Fits `model` from `from` on, with a progress bar, until it is done or Ctrl-C is pressed.
/// `every` sees every step, `look` about one in 512 samples.
pub(crate) fn fit(
    output: &Output,
    model: &mut Model,
    data: &Dataset,
    from: Position,
    (every, look): (More<'_>, More<'_>),
) -> anyhow::Result<Fitted> {
    let all = (model.schedule().epochs * data.len()) as u64;
    let done = (from.epoch * data.len() + from.sample) as u64;
    let bar = output.progress(&format!("fit {}", model.kind()), all, Counts::Samples);
    bar.set_position(done);
    bar.reset_eta();
    let asked = interrupt::flag();
    let start = Instant::now();
    let (mut seen, mut looked, mut failure) = (0, 0, None);
    let mut loss = MeanLoss::default();
    let (reason, position) = train::fit(model, data, from, &mut |step, model, position| {
        seen = (position.epoch * data.len() + position.sample) as u64 - done;
        loss.take(step, seen);
        let mut result = every(step, model, position);
        if seen - looked >= SAMPLES_A_LOOK || seen + done == all {
            looked = seen;
            bar.set_position(done + seen);
            bar.set_message(format!("loss {:.5}", loss.mean()));
            result = result.and_then(|()| look(step, model, position));
        }
        failure = result.err();
        match failure.is_some() || asked.load(Ordering::Relaxed) {
            true => Control::Stop,
            false => Control::Continue,
        }
    })?;
    bar.finish_and_clear();
    if let Some(failure) = failure {
        return Err(failure);
    }
    let seconds = start.elapsed().as_secs_f64();
    Ok(Fitted { reason, position, seconds, samples: seen, loss: loss.mean() })
}

/// Mean loss of the samples of the running epoch.
#[derive(Default)]
struct MeanLoss {
    epoch: usize,
    seen: u64,
    sum: f64,
    samples: u64,
}

impl MeanLoss {
    fn take(&mut self, step: &Step, seen: u64) {
        if step.epoch != self.epoch {
            (self.epoch, self.sum, self.samples) = (step.epoch, 0.0, 0);
        }
        let fresh = seen - self.seen;
        self.seen = seen;
        self.sum += step.loss * fresh as f64;
        self.samples += fresh;
    }

    fn mean(&self) -> f64 {
        if self.samples == 0 { 0.0 } else { self.sum / self.samples as f64 }
    }
}

/// A model with the codes of both sets and what they decode to: all that judging and drawing need.
#[derive(Debug)]
pub(crate) struct Encoded {
    pub(crate) train: SdrBatch,
    pub(crate) test: SdrBatch,
    /// The test codes decoded, `(len, width)`, where the kind can.
    pub(crate) decoded: Option<Vec<f32>>,
    per_s: f64,
}

/// Encodes both sets and decodes the test codes.
pub(crate) fn encode_both(
    output: &Output,
    model: &Model,
    train: &Dataset,
    test: &Dataset,
) -> anyhow::Result<Encoded> {
    let spinner = output.spinner();
    spinner.set_message("encoding");
    let start = Instant::now();
    let codes = model.encoder().encode(train.rows())?;
    let per_s = train.len() as f64 / start.elapsed().as_secs_f64().max(1e-9);
    let test_codes = model.encoder().encode(test.rows())?;
    let decoded = model.decoder().map(|decoder| decoder.decode(&test_codes)).transpose()?;
    spinner.finish_and_clear();
    Ok(Encoded { train: codes, test: test_codes, decoded, per_s })
}

/// Measures `parts` of `model` by what it made of both sets.
pub(crate) fn judged(
    output: &Output,
    model: &Model,
    (train, test): (&Dataset, &Dataset),
    encoded: &Encoded,
    (parts, fit_s): (&[Part], Option<f64>),
) -> anyhow::Result<Report> {
    let encoder = model.encoder();
    let decoded = encoded.decoded.as_deref().map(|rows| Rows::new(rows, test.width()));
    let evidence = Evidence {
        model: ModelInfo {
            kind: model.kind().to_owned(),
            input_width: Some(encoder.input_width()),
            units: encoder.units(),
            winners: encoder.winners(),
            seed: Some(model.schedule().seed),
        },
        train,
        test,
        train_codes: &encoded.train,
        test_codes: &encoded.test,
        decoded: decoded.transpose()?,
        time: Timing { fit_s, encode_per_s: Some(encoded.per_s) },
    };
    measure(output, &evidence, parts)
}

/// [`judge`] with a line that says what is being measured.
pub(crate) fn measure(
    output: &Output,
    evidence: &Evidence<'_>,
    parts: &[Part],
) -> anyhow::Result<Report> {
    let spinner = output.spinner();
    let report = judge(evidence, parts, &mut |what| spinner.set_message(what.to_owned()))?;
    spinner.finish_and_clear();
    Ok(report)
}
