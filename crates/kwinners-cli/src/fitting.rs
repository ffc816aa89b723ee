//! Fitting and judging with something to watch: shared by every verb that does it.

use std::sync::atomic::Ordering;
use std::time::Instant;

use indicatif::ProgressBar;
use kwinners::encoder::{Encoder, Model};
use kwinners::report::{Evidence, ModelInfo, Part, Report, Timing, judge};
use kwinners::train::{self, Control, Position, StopReason};
use kwinners::{Dataset, Rows, SdrBatch, Step};

use crate::interrupt;
use crate::output::{Counts, Output};

/// Samples between two looks at the clock.
const SAMPLES_A_LOOK: u64 = 512;
/// Rows encoded between two looks at the progress bar.
const ROWS_A_LOOK: usize = 8192;
/// Sets that take less than this to encode are encoded again until the clock can tell, in seconds.
const SHORTEST_TIMING_S: f64 = 0.1;

/// How a fit went.
#[derive(Debug)]
pub(crate) struct Fitted {
    pub(crate) reason: StopReason,
    pub(crate) position: Position,
    pub(crate) seconds: f64,
    /// Samples learned from in this run.
    pub(crate) samples: u64,
    /// Mean loss of the last epoch's samples, as far as they were learned here.
    pub(crate) loss: Option<f64>,
    /// Mean losses from first to last, over parts of the fit of equal length.
    pub(crate) trace: Vec<f64>,
}

impl Fitted {
    /// Samples learned a second; 0 where there was nothing to learn.
    pub(crate) fn samples_per_s(&self) -> f64 {
        self.samples as f64 / self.seconds.max(1e-9)
    }
}

/// What a verb does besides; an error ends the fit.
pub(crate) type More<'a> = &'a mut dyn FnMut(&Step, &Model, Position) -> anyhow::Result<()>;

/// Fits `model` from `from` on, with a progress bar, until it is done or Ctrl-C is pressed.
///
/// `every` sees every step, `look` one in 512 samples or so and the last one of every epoch: online
/// learning does several 100,000 steps a second, and they should wait for no clock.
pub(crate) fn fit(
    output: &Output,
    model: &mut Model,
    data: &Dataset,
    from: Position,
    (every, look): (More<'_>, More<'_>),
) -> anyhow::Result<Fitted> {
    let asked = interrupt::flag();
    let mut meter = Meter::new(output, model, data, from);
    let (begin, mut failure) = (Instant::now(), None);
    let ended = train::fit(model, data, from, &mut |step, model, position| {
        meter.note(step, position);
        meter.warn_once(output, step);
        let mut result = every(step, model, position);
        if meter.is_due(position) {
            result = result.and_then(|()| look(step, model, position));
        }
        failure = result.err();
        match failure.is_some() || asked.load(Ordering::Relaxed) {
            true => Control::Stop,
            false => Control::Continue,
        }
    });
    let seconds = begin.elapsed().as_secs_f64();
    meter.bar.finish_and_clear();
    interrupt::release();
    failure.map_or(Ok(()), Err)?;
    let (reason, position) = ended?;
    let (samples, loss, trace) = (meter.seen(), meter.loss.mean(), meter.trace.means());
    Ok(Fitted { reason, position, seconds, samples, loss, trace })
}

/// Counts samples and losses, and moves the bar now and then.
struct Meter {
    bar: ProgressBar,
    /// Rows of the data.
    len: usize,
    /// Samples done before this run.
    start: u64,
    /// Samples done, those before included.
    done: u64,
    /// Samples done at the last look.
    looked: u64,
    loss: MeanLoss,
    trace: Trace,
    warned: bool,
}

impl Meter {
    fn new(output: &Output, model: &Model, data: &Dataset, from: Position) -> Self {
        let all = model.schedule().samples(data.len());
        let start = (from.epoch * data.len() + from.sample) as u64;
        let bar = output.progress(&format!("fit {}", model.kind()), all, Counts::Samples);
        bar.set_position(start);
        bar.reset_eta();
        let (loss, trace, len) = (MeanLoss::default(), Trace::new(), data.len());
        Self { bar, len, start, done: start, looked: start, loss, trace, warned: false }
    }

    fn note(&mut self, step: &Step, position: Position) {
        let done = (position.epoch * self.len + position.sample) as u64;
        self.loss.take(step, done - self.done);
        self.trace.take(step.loss, done - self.done);
        self.done = done;
    }

    /// Says, the first time, that a step had nothing to learn from.
    fn warn_once(&mut self, output: &Output, step: &Step) {
        if step.terms == Some(0) && !self.warned {
            self.warned = true;
            output.note(format_args!(
                "step {} found no pairs or triplets to learn from; such steps have a loss of 0 and change little. \
                 Larger batches, or more labels in each, help",
                step.step
            ));
        }
    }

    /// Whether it is time for a look; the bar then shows how far the fit is.
    fn is_due(&mut self, position: Position) -> bool {
        if self.done < self.looked + SAMPLES_A_LOOK && position.sample != 0 {
            return false;
        }
        self.looked = self.done;
        if !self.bar.is_hidden() {
            self.bar.set_message(format!("loss {:.5}", self.loss.mean().unwrap_or(f64::NAN)));
            self.bar.set_position(self.done);
        }
        true
    }

    fn seen(&self) -> u64 {
        self.done - self.start
    }
}

/// Mean loss of the samples of the running epoch.
#[derive(Default)]
struct MeanLoss {
    epoch: usize,
    sum: f64,
    samples: u64,
}

impl MeanLoss {
    fn take(&mut self, step: &Step, samples: u64) {
        if step.epoch != self.epoch {
            *self = Self { epoch: step.epoch, ..Self::default() };
        }
        self.sum += step.loss * samples as f64;
        self.samples += samples;
    }

    fn mean(&self) -> Option<f64> {
        (self.samples > 0).then(|| self.sum / self.samples as f64)
    }
}

/// Most parts that a [`Trace`] keeps, and least once it has been full.
const TRACE: (usize, usize) = (64, 32);

/// Losses in few numbers, however long the fit: when there are too many parts, each two become one.
struct Trace {
    /// Steps that make a part.
    steps: u64,
    /// Steps in the last part.
    last: u64,
    /// Sum of losses and number of samples of each part.
    parts: Vec<(f64, u64)>,
}

impl Trace {
    fn new() -> Self {
        Self { steps: 1, last: 1, parts: Vec::with_capacity(TRACE.0 + 1) }
    }

    fn take(&mut self, loss: f64, samples: u64) {
        if self.last == self.steps || self.parts.is_empty() {
            if self.parts.len() == TRACE.0 {
                let pair = |pair: &[(f64, u64)]| (pair[0].0 + pair[1].0, pair[0].1 + pair[1].1);
                self.parts = self.parts.chunks_exact(2).map(pair).collect();
                self.steps *= 2;
            }
            self.parts.push((0.0, 0));
            self.last = 0;
        }
        self.last += 1;
        if let Some((sum, count)) = self.parts.last_mut() {
            *sum += loss * samples as f64;
            *count += samples;
        }
    }

    /// The mean of each part; the last one may be short.
    fn means(&self) -> Vec<f64> {
        let parts = self.parts.iter().filter(|part| part.1 > 0);
        parts.map(|(sum, count)| sum / *count as f64).collect()
    }
}

/// The codes of `rows`, with a progress bar named `what`.
pub(crate) fn encode(
    output: &Output,
    what: &str,
    encoder: &dyn Encoder,
    rows: Rows<'_>,
) -> kwinners::Result<SdrBatch> {
    let bar = output.progress(what, rows.len() as u64, Counts::Samples);
    let mut codes = SdrBatch::new(encoder.units())?;
    for block in rows.blocks(ROWS_A_LOOK) {
        encoder.encode_into(block, &mut codes)?;
        bar.inc(block.len() as u64);
    }
    bar.finish_and_clear();
    Ok(codes)
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
    let encoder = model.encoder();
    let begin = Instant::now();
    let train_codes = encode(output, "encoding the training set", encoder, train.rows())?;
    let test_codes = encode(output, "encoding the test set", encoder, test.rows())?;
    let (samples, seconds) = (train.len() + test.len(), begin.elapsed().as_secs_f64());
    let per_s = match seconds < SHORTEST_TIMING_S {
        true => warm_speed(encoder, test.rows())?,
        false => samples as f64 / seconds,
    };
    let decoded = model.decoder().map(|decoder| decoder.decode(&test_codes)).transpose()?;
    Ok(Encoded { train: train_codes, test: test_codes, decoded, per_s })
}

/// Samples encoded a second, over as many rounds as it takes for the clock to tell.
fn warm_speed(encoder: &dyn Encoder, rows: Rows<'_>) -> kwinners::Result<f64> {
    let (begin, mut rounds) = (Instant::now(), 0);
    loop {
        encoder.encode(rows)?;
        rounds += 1;
        let seconds = begin.elapsed().as_secs_f64();
        if seconds >= SHORTEST_TIMING_S || rows.is_empty() {
            return Ok((rounds * rows.len()) as f64 / seconds);
        }
    }
}

/// Name and shape of `model` for a report.
pub(crate) fn info(model: &Model) -> ModelInfo {
    let encoder = model.encoder();
    ModelInfo {
        kind: model.kind().to_owned(),
        input_width: Some(encoder.input_width()),
        units: encoder.units(),
        winners: encoder.winners(),
        seed: Some(model.schedule().seed),
    }
}

/// What is to be measured, and what is known already.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'a> {
    pub(crate) parts: &'a [Part],
    /// Seconds of learning, where it was done just now.
    pub(crate) fit_s: Option<f64>,
    /// A report on the same data, whose figures of the raw inputs serve again.
    pub(crate) controls: Option<&'a Report>,
}

impl<'a> Asked<'a> {
    pub(crate) fn new(parts: &'a [Part], fit_s: Option<f64>) -> Self {
        Self { parts, fit_s, controls: None }
    }
}

/// Measures what is `asked` of `model` by what it made of both sets.
pub(crate) fn judged(
    output: &Output,
    model: &Model,
    (train, test): (&Dataset, &Dataset),
    encoded: &Encoded,
    asked: Asked<'_>,
) -> anyhow::Result<Report> {
    let decoded = encoded.decoded.as_deref().map(|rows| Rows::new(rows, test.width()));
    let evidence = Evidence {
        model: info(model),
        encoder: Some(model.encoder()),
        classifier: model.classifier(),
        latents: model.latents(),
        decoder: model.decoder(),
        train,
        test,
        train_codes: &encoded.train,
        test_codes: &encoded.test,
        decoded: decoded.transpose()?,
        controls: asked.controls,
        time: Timing { fit_s: asked.fit_s, encode_per_s: Some(encoded.per_s) },
    };
    measure(output, &evidence, asked.parts)
}

/// [`judge`] with a line that says what is being measured.
pub(crate) fn measure(
    output: &Output,
    evidence: &Evidence<'_>,
    parts: &[Part],
) -> anyhow::Result<Report> {
    let line = output.spinner("judging");
    let report = judge(evidence, parts, &mut |what| line.set_message(what.to_owned()));
    line.finish_and_clear();
    Ok(report?)
}

#[cfg(test)]
mod tests {
    use super::{TRACE, Trace};

    #[test]
    fn a_trace_is_short_and_loses_nothing() {
        for steps in [0_u64, 1, 5, 64, 65, 1000, 54_321] {
            let mut trace = Trace::new();
            (0..steps).for_each(|step| trace.take(step as f64, 3));
            let means = trace.means();
            assert!(means.len() <= TRACE.0 && means.len() as u64 >= steps.min(TRACE.1 as u64));
            assert!(means.is_sorted(), "{means:?}");
            assert_eq!(trace.parts.iter().map(|part| part.1).sum::<u64>(), 3 * steps);
        }
    }
}
