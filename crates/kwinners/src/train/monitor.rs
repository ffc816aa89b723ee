//! What a model is like while it learns, as numbers to log and draw.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::data::Dataset;
use crate::encoder::{Model, Step};
use crate::error::Result;
use crate::metrics::{Estimator, Features, Information, duty_entropy, information};
use crate::net::LayerView;
use crate::sdr::SdrBatch;

/// Rows of the training data whose codes are looked at, evenly chosen.
const PROBE: usize = 1000;

/// Bins of a histogram.
const BINS: usize = 30;

/// Decibels beyond which a weight counts as still, or as noise.
const MOST_DECIBELS: f64 = 60.0;

/// How much is looked at. A monitor only looks: the model's bytes are the same at every level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MonitorLevel {
    /// At each observation the norms of weights and slopes, sign flips and the way from the first
    /// weights; at the end of epochs also the use of the units.
    ///
    /// Cost: a few passes over all weights an observation, and 1,000 rows encoded an epoch. Memory:
    /// the weights twice.
    Light,
    /// What `Light` has; means and deviations of slopes and weights over the steps between two
    /// observations, histograms; and the information plane, at the steps 1, 2, 4, 8, ... of the first
    /// epoch and at the end of every epoch.
    ///
    /// Cost: besides, two passes over all weights a step, which is most of the time where batches are
    /// small: the network `sparse-cnn2`, 6,000 images in batches of 4, took 4.6 times the processor time,
    /// and 1.1 times at `Light`. Memory: the weights six times.
    Full,
}

/// Watches a model that learns.
///
/// ```
/// use kwinners::encoder::Model;
/// use kwinners::train::{self, Control, Monitor, MonitorLevel, Position};
/// use kwinners::Dataset;
/// let data = Dataset::new("ramp", (0..800).map(|i| (i % 7) as f32 / 7.0).collect(), 8)?;
/// let settings = [("units", "32"), ("winners", "4"), ("epochs", "2")];
/// let settings = settings.map(|(key, value)| (key.to_owned(), value.to_owned()));
/// let mut model = Model::new("tied", &settings, data.rows())?;
/// let mut monitor = Monitor::new(MonitorLevel::Light, &model, &data);
/// train::fit(&mut model, &data, Position::default(), &mut |_, model, _| {
///     monitor.note(model);
///     Control::Continue
/// })?;
/// let seen = monitor.observe(&model, true)?;
/// assert!(seen.layers["weights"].from_first > 0.0);
/// # Ok::<(), kwinners::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Monitor {
    level: MonitorLevel,
    probe: Dataset,
    layers: BTreeMap<String, Watched>,
}

/// What a monitor saw. Its names in JSON are stable.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Observation {
    /// By the name of the layer, see [`LayerView`].
    pub layers: BTreeMap<String, LayerFigures>,
    /// The use of the units by 1,000 training rows, in a whole observation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub units: Option<UnitFigures>,
    /// The real values behind the codes, where the kind has latents, or else the scores of classes, of
    /// the same rows: at [`MonitorLevel::Full`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub activations: Option<Histogram>,
    /// The information plane, given labels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub information: Option<PlaneFigures>,
}

/// One layer. Sums and norms are over all its weights.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct LayerFigures {
    /// `‖w‖`.
    pub weight_norm: f64,
    /// `‖w - w₀‖ / ‖w₀‖`, `w₀` the weights before the first step; infinite from zeros.
    pub from_first: f64,
    /// Share of the weights whose sign is not that of the observation before.
    pub sign_flips: f64,
    /// Norm of the slopes of the last step, where the learner keeps them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gradient_norm: Option<f64>,
    /// Their mean.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gradient_mean: Option<f64>,
    /// Their standard deviation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gradient_sd: Option<f64>,
    /// `‖mean‖ / ‖sd‖` of the slopes, both over the steps since the observation before: above 1 learning
    /// goes somewhere, below it diffuses (Shwartz-Ziv and Tishby 2017).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gradient_snr: Option<f64>,
    /// `10 log10((mean / sd)²)` of each weight over the same steps, cut at ±60 dB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight_snr_db: Option<Histogram>,
    /// The weights.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weights: Option<Histogram>,
}

/// How units are used.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct UnitFigures {
    /// Share of the units that are on in a code, `k / n`.
    pub density: f64,
    /// Units that no row has on.
    pub dead_units: usize,
    /// 1 where all units are used alike, see [`crate::metrics::CodeFigures`].
    pub duty_entropy: f64,
    /// The shares of the rows that units are on in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duty: Option<Histogram>,
}

/// A point of the information plane by two estimators.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PlaneFigures {
    /// See [`Estimator::KMeans`].
    pub k_means: Information,
    /// See [`Estimator::Kraskov`].
    pub kraskov: Information,
}

/// How often values fall into bins of one width.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Histogram {
    /// Lower end of the first bin.
    pub low: f64,
    /// Upper end of the last bin, which it belongs to.
    pub high: f64,
    /// 30 counts.
    pub counts: Vec<u64>,
}

impl Histogram {
    /// The histogram of those of `values` that are finite, from the least to the largest.
    pub fn of(values: &[f64]) -> Self {
        let finite = || values.iter().copied().filter(|value| value.is_finite());
        let low = finite().fold(f64::INFINITY, f64::min);
        let high = finite().fold(f64::NEG_INFINITY, f64::max);
        let mut counts = vec![0; BINS];
        if low > high {
            return Self { low: 0.0, high: 0.0, counts };
        }
        let scale = if high > low { BINS as f64 / (high - low) } else { 0.0 };
        finite().for_each(|value| counts[(((value - low) * scale) as usize).min(BINS - 1)] += 1);
        Self { low, high, counts }
    }
}

/// What is remembered of a layer.
#[derive(Clone, Debug)]
struct Watched {
    first: Vec<f32>,
    before: Vec<f32>,
    slopes: Moments,
    weights: Moments,
}

/// Mean and summed squared deviation of each of many values (Welford 1962).
#[derive(Clone, Debug, Default)]
struct Moments {
    count: u64,
    mean: Vec<f32>,
    squares: Vec<f32>,
}

impl Moments {
    fn take(&mut self, values: &[f32]) {
        self.count += 1;
        self.mean.resize(values.len(), 0.0);
        self.squares.resize(values.len(), 0.0);
        let share = 1.0 / self.count as f32;
        let moments = self.mean.iter_mut().zip(&mut self.squares);
        for ((mean, squares), value) in moments.zip(values) {
            let off = value - *mean;
            *mean += share * off;
            *squares += off * (value - *mean);
        }
    }

    /// Mean and standard deviation of each value; none of fewer than two.
    fn pairs(&self) -> impl Iterator<Item = (f64, f64)> {
        let count = if self.count > 1 { self.mean.len() } else { 0 };
        let share = 1.0 / (self.count.max(2) - 1) as f64;
        let pairs = self.mean[..count].iter().zip(&self.squares[..count]);
        pairs.map(move |(&mean, &squares)| (f64::from(mean), (f64::from(squares) * share).sqrt()))
    }

    fn forget(&mut self) {
        *self = Self::default();
    }
}

impl Monitor {
    /// A monitor of a fit of `model` to `data`, before its first step.
    pub fn new(level: MonitorLevel, model: &Model, data: &Dataset) -> Self {
        let count = data.len().min(PROBE);
        let places: Vec<usize> = (0..count).map(|place| place * data.len() / count).collect();
        let watch = |view: LayerView<'_>| {
            let weights = view.weights.to_vec();
            let (slopes, moments) = (Moments::default(), Moments::default());
            (
                view.name,
                Watched { first: weights.clone(), before: weights, slopes, weights: moments },
            )
        };
        let layers = model.layers().into_iter().map(watch).collect();
        Self { level, probe: data.select(&places), layers }
    }

    /// Takes note of a step that `model` has made. Call it after each.
    pub fn note(&mut self, model: &Model) {
        if self.level == MonitorLevel::Light {
            return;
        }
        for view in model.layers() {
            let Some(watched) = self.layers.get_mut(&view.name) else { continue };
            watched.weights.take(view.weights);
            if !view.slopes.is_empty() {
                watched.slopes.take(view.slopes);
            }
        }
    }

    /// Whether the information plane wants an observation of this step, in the first epoch.
    pub fn is_due(&self, step: &Step) -> bool {
        self.level == MonitorLevel::Full && step.epoch == 0 && step.step.is_power_of_two()
    }

    /// What `model` is like now. Sign flips and deviations count from the observation before; units,
    /// activations and the information plane are looked at if it is to be a `whole` observation, as at
    /// the end of an epoch.
    ///
    /// # Errors
    /// If the model can't encode the rows that it learns from.
    pub fn observe(&mut self, model: &Model, whole: bool) -> Result<Observation> {
        let full = self.level == MonitorLevel::Full;
        let mut layers = BTreeMap::new();
        for view in model.layers() {
            if let Some(watched) = self.layers.get_mut(&view.name) {
                layers.insert(view.name.clone(), watched.figures(&view, full));
            }
        }
        let mut seen = Observation { layers, units: None, activations: None, information: None };
        if !whole {
            return Ok(seen);
        }
        let encoder = model.encoder();
        let codes = encoder.encode(self.probe.rows())?;
        let counts = codes.unit_counts();
        let share = |count: &u32| f64::from(*count) / codes.len() as f64;
        seen.units = Some(UnitFigures {
            density: encoder.winners() as f64 / encoder.units() as f64,
            dead_units: counts.iter().filter(|&&count| count == 0).count(),
            duty_entropy: duty_entropy(&counts, codes.len(), encoder.winners()),
            duty: full.then(|| Histogram::of(&counts.iter().map(share).collect::<Vec<f64>>())),
        });
        if full {
            seen.activations = self.activations(model)?;
            seen.information = self.plane(&codes)?;
        }
        Ok(seen)
    }

    fn activations(&self, model: &Model) -> Result<Option<Histogram>> {
        let rows = self.probe.rows();
        let values = match (model.latents(), model.classifier()) {
            (Some(source), _) => source.latents(rows)?,
            (None, Some(classifier)) => classifier.scores(rows)?,
            (None, None) => return Ok(None),
        };
        Ok(Some(Histogram::of(&wide(&values))))
    }

    fn plane(&self, codes: &SdrBatch) -> Result<Option<PlaneFigures>> {
        let Some(labels) = self.probe.labels().filter(|labels| labels.len() >= 50) else {
            return Ok(None);
        };
        let of =
            |estimator| information(self.probe.rows(), Features::Codes(codes), labels, estimator);
        let (k_means, kraskov) = (of(Estimator::KMeans)?, of(Estimator::Kraskov)?);
        Ok(Some(PlaneFigures { k_means, kraskov }))
    }
}

impl Watched {
    fn figures(&mut self, view: &LayerView<'_>, full: bool) -> LayerFigures {
        let weights = view.weights;
        let way = weights.iter().zip(&self.first).map(|(now, first)| now - first);
        let flips = weights.iter().zip(&self.before);
        let flips = flips.filter(|(now, before)| (**now > 0.0) != (**before > 0.0)).count();
        let slopes = (!view.slopes.is_empty()).then_some(view.slopes);
        let mean = slopes.map(mean);
        let from = (self.slopes.count > 1).then(|| {
            let sum = |of: &dyn Fn((f64, f64)) -> f64| -> f64 { self.slopes.pairs().map(of).sum() };
            (sum(&|(mean, _)| mean * mean) / sum(&|(_, sd)| sd * sd)).sqrt()
        });
        let decibels = self.weights.pairs().filter(|(mean, _)| *mean != 0.0).map(|(mean, sd)| {
            let decibels = 20.0 * (mean.abs() / sd).log10();
            decibels.clamp(-MOST_DECIBELS, MOST_DECIBELS)
        });
        let figures = LayerFigures {
            weight_norm: norm(weights.iter().copied()),
            from_first: norm(way) / norm(self.first.iter().copied()),
            sign_flips: flips as f64 / weights.len().max(1) as f64,
            gradient_norm: slopes.map(|slopes| norm(slopes.iter().copied())),
            gradient_mean: mean,
            gradient_sd: slopes.zip(mean).map(|(slopes, mean)| {
                let off = slopes.iter().map(|slope| f64::from(*slope) - mean);
                (off.map(|off| off * off).sum::<f64>() / slopes.len() as f64).sqrt()
            }),
            gradient_snr: from,
            weight_snr_db: (self.weights.count > 1)
                .then(|| Histogram::of(&decibels.collect::<Vec<f64>>())),
            weights: full.then(|| Histogram::of(&wide(weights))),
        };
        self.before.copy_from_slice(weights);
        self.slopes.forget();
        self.weights.forget();
        figures
    }
}

fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&value| f64::from(value)).collect()
}

fn norm(values: impl Iterator<Item = f32>) -> f64 {
    values.map(|value| f64::from(value).powi(2)).sum::<f64>().sqrt()
}

fn mean(values: &[f32]) -> f64 {
    values.iter().map(|&value| f64::from(value)).sum::<f64>() / values.len() as f64
}
