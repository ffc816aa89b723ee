//! The fit loop: data in a seeded order through a learner, a closure watching every step.

mod monitor;

pub use monitor::{
    Histogram, LayerFigures, Monitor, MonitorLevel, Observation, PlaneFigures, UnitFigures,
};

use crate::data::Dataset;
use crate::encoder::{Model, Schedule, Step};
use crate::error::{Error, Result};
use crate::rng::Rng;
use crate::rows::Rows;

/// How far a fit has come: all that is needed, with the model, to go on as if never stopped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// Epochs finished.
    pub epoch: usize,
    /// Samples of the running epoch that are done.
    pub sample: usize,
}

/// What the watching closure wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// Go on.
    Continue,
    /// Stop after this step.
    Stop,
}

/// Why a fit ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopReason {
    /// All epochs are done.
    Finished,
    /// The watching closure asked for it.
    Asked,
    /// The kind does not learn: there was nothing to do.
    NothingToLearn,
}

/// Fits `model` to `data` from `position` on; `watch` is called after every step with the step, the
/// model as it is then, and the position after it.
///
/// Epoch `e` goes through the samples in an order drawn from the model's seed and `e` alone, so a
/// run that is stopped and taken up at its position ends in the same bytes as one never stopped. Where
/// the schedule is balanced, epoch `e` draws as many samples with replacement, classes in balance.
///
/// ```
/// use kwinners::encoder::Model;
/// use kwinners::train::{self, Control, Position, StopReason};
/// use kwinners::Dataset;
/// let data = Dataset::new("ramp", (0..800).map(|i| (i % 7) as f32 / 7.0).collect(), 8)?;
/// let settings = [("units", "32"), ("winners", "4"), ("epochs", "2")];
/// let settings = settings.map(|(key, value)| (key.to_owned(), value.to_owned()));
/// let mut model = Model::new("tied", &settings, data.rows())?;
/// let mut samples = 0;
/// let (reason, position) = train::fit(&mut model, &data, Position::default(), &mut |step, _, _| {
///     samples = step.samples;
///     Control::Continue
/// })?;
/// assert_eq!((reason, position.epoch, samples), (StopReason::Finished, 2, 200));
/// # Ok::<(), kwinners::Error>(())
/// ```
///
/// # Errors
/// If the data do not fit the model, the position lies past the end, or a balanced schedule finds no
/// labels.
pub fn fit(
    model: &mut Model,
    data: &Dataset,
    position: Position,
    watch: &mut dyn FnMut(&Step, &Model, Position) -> Control,
) -> Result<(StopReason, Position)> {
    let schedule = model.schedule();
    if model.learner().is_none() {
        return Ok((StopReason::NothingToLearn, position));
    }
    if position.epoch > schedule.epochs || position.sample > data.len() {
        let expected = format!("at most epoch {} of {} samples", schedule.epochs, data.len());
        let got = format!("epoch {}, sample {}", position.epoch, position.sample);
        return Err(Error::shape("position to go on from", expected, got));
    }
    if data.is_empty() {
        return Err(Error::shape(format!("training data {}", data.name), "at least 1 row", 0));
    }
    let mut here = position;
    let mut batch = Batch::default();
    while !schedule.ends_at(here, data.len()) {
        let order = match schedule.balanced {
            true => balanced_order(schedule.seed, here.epoch, data.require_labels()?),
            false => order_of_epoch(schedule.seed, here.epoch, data.len()),
        };
        while here.sample < order.len() {
            let end = (here.sample + schedule.batch_of(here.epoch)).min(order.len());
            batch.gather(data, &order[here.sample..end]);
            let rows = Rows::new(&batch.values, data.width())?;
            let labels = data.labels.as_ref().map(|_| &batch.labels[..]);
            let learner = model.learner().expect("checked above");
            let step = Step { epoch: here.epoch, ..learner.learn(rows, labels)? };
            here.sample = end;
            if here.sample == order.len() {
                here = Position { epoch: here.epoch + 1, sample: 0 };
            }
            let finished = schedule.ends_at(here, data.len());
            match (watch(&step, model, here), finished) {
                (_, true) => return Ok((StopReason::Finished, here)),
                (Control::Stop, false) => return Ok((StopReason::Asked, here)),
                (Control::Continue, false) => {}
            }
            if here.sample == 0 {
                break;
            }
        }
    }
    Ok((StopReason::Finished, here))
}

impl Schedule {
    /// Samples that a whole fit to `len` rows shows, repeats counted.
    pub fn samples(&self, len: usize) -> u64 {
        let all = (self.epochs * len) as u64;
        let Some(steps) = self.steps else { return all };
        let first = self.steps_of(0, len);
        if steps < first {
            return all.min(steps * self.first_batch as u64);
        }
        let (epochs, rest) =
            ((steps - first) / self.steps_of(1, len), (steps - first) % self.steps_of(1, len));
        all.min((epochs + 1) * len as u64 + rest * self.batch as u64)
    }

    /// Steps of a whole fit to `len` rows.
    pub fn all_steps(&self, len: usize) -> u64 {
        let all = self.steps_before(self.epochs, len);
        self.steps.map_or(all, |steps| steps.min(all))
    }

    /// Samples a step of an epoch.
    fn batch_of(&self, epoch: usize) -> usize {
        if epoch == 0 { self.first_batch } else { self.batch }
    }

    /// Steps of an epoch over `len` rows.
    fn steps_of(&self, epoch: usize, len: usize) -> u64 {
        len.div_ceil(self.batch_of(epoch)).max(1) as u64
    }

    /// Steps of the first `epochs` epochs over `len` rows.
    fn steps_before(&self, epochs: usize, len: usize) -> u64 {
        match epochs {
            0 => 0,
            _ => self.steps_of(0, len) + (epochs as u64 - 1) * self.steps_of(1, len),
        }
    }

    /// Whether all steps are done at `here`, a position in `len` samples.
    fn ends_at(&self, here: Position, len: usize) -> bool {
        let within = here.sample.div_ceil(self.batch_of(here.epoch)) as u64;
        self.steps_before(here.epoch, len) + within >= self.all_steps(len)
    }
}

/// The order in which epoch `epoch` sees `len` samples. Stream 0 of the seed draws first weights.
fn order_of_epoch(seed: u64, epoch: usize, len: usize) -> Vec<u32> {
    let mut order: Vec<u32> = (0..len as u32).collect();
    Rng::of_stream(seed, epoch as u64 + 1).shuffle(&mut order);
    order
}

/// As [`order_of_epoch`], but drawn with replacement with the weight 1 over the size of the class: each
/// time a class that has rows, all equally likely, and then one of its rows.
fn balanced_order(seed: u64, epoch: usize, labels: &[u32]) -> Vec<u32> {
    let mut by_class: Vec<u32> = (0..labels.len() as u32).collect();
    by_class.sort_by_key(|&row| labels[row as usize]);
    let classes: Vec<&[u32]> =
        by_class.chunk_by(|&a, &b| labels[a as usize] == labels[b as usize]).collect();
    let mut rng = Rng::of_stream(seed, epoch as u64 + 1);
    let mut draw = || {
        let class = classes[rng.below(classes.len())];
        class[rng.below(class.len())]
    };
    labels.iter().map(|_| draw()).collect()
}

/// The rows and labels of one step, gathered.
#[derive(Default)]
struct Batch {
    values: Vec<f32>,
    labels: Vec<u32>,
}

impl Batch {
    fn gather(&mut self, data: &Dataset, places: &[u32]) {
        self.values.clear();
        self.labels.clear();
        let rows = data.rows();
        for &place in places {
            self.values.extend_from_slice(rows.row(place as usize));
        }
        if let Some(labels) = &data.labels {
            self.labels.extend(places.iter().map(|&place| labels[place as usize]));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn balanced_epochs_show_every_class_as_often() {
        // Nine in ten rows are of class 5, no row is of class 1.
        let labels: Vec<u32> =
            (0..1000).map(|row| if row % 10 > 0 { 5 } else { row / 10 % 2 * 2 }).collect();
        let mut shown = vec![0; labels.len()];
        for epoch in 0..300 {
            let order = balanced_order(7, epoch, &labels);
            assert_eq!(order.len(), labels.len());
            order.iter().for_each(|&row| shown[row as usize] += 1);
        }
        for class in [0, 2, 5] {
            let rows: Vec<usize> = (0..1000).filter(|&row| labels[row] == class).collect();
            let total: usize = rows.iter().map(|&row| shown[row]).sum();
            // 100,000 expected, with a standard deviation of 258.
            assert!(total.abs_diff(100_000) < 1300, "class {class}: {total}");
            let mean = total as f64 / rows.len() as f64;
            let far = |&row: &usize| (shown[row] as f64 - mean).abs() > 6.0 * mean.sqrt();
            assert!(!rows.iter().any(far), "class {class} is not drawn evenly");
        }
    }

    #[test]
    fn balanced_epochs_hang_on_the_seed_and_their_number_alone() {
        let labels = [0, 1, 1, 1, 2, 2];
        assert_eq!(balanced_order(1, 3, &labels), balanced_order(1, 3, &labels));
        let order = balanced_order(1, 3, &[0; 100]);
        assert_ne!(order, balanced_order(1, 4, &[0; 100]));
        assert_ne!(order, balanced_order(2, 3, &[0; 100]));
    }
}
