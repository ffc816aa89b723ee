//! The linear probe: logistic regression whose penalty is chosen on a validation part.

use super::{Features, LogisticRegression, LogisticSettings, accuracy, check_labels};
use crate::error::Result;
use crate::rng::Rng;
use crate::rows::Rows;
use crate::sdr::SdrBatch;

/// Penalties tried, strongest first: each fit starts from the one before.
const PENALTIES: [f64; 4] = [10.0, 1.0, 0.1, 0.01];

/// Samples that the penalties are tried on, at most: more would not change the choice.
const MOST_TRIAL_SAMPLES: usize = 20_000;

/// Steps of the optimiser while choosing: enough to rank the penalties.
const TRIAL_ITERATIONS: usize = 50;

const SEED: u64 = 0x0070_726F_6265;

/// Fits a linear probe to `features`: the penalty that predicts a tenth of the samples best, held out
/// with a fixed seed, is chosen among four a factor of ten apart (ties to the stronger), then all
/// samples are fitted with it.
///
/// The penalties are tried on up to 20,000 of the other samples. Cost: about 200 steps of the
/// optimiser on these and 200 on all; see [`LogisticRegression::fit`].
///
/// # Errors
/// As [`LogisticRegression::fit`].
pub fn fit_linear_probe(features: Features<'_>, labels: &[u32]) -> Result<LogisticRegression> {
    check_labels(labels, features.len())?;
    let mut settings = LogisticSettings::default();
    settings.penalty = choose_penalty(features, labels)?.unwrap_or(settings.penalty);
    LogisticRegression::fit(features, labels, &settings)
}

/// The best of the penalties; `None` where there are too few samples to hold any out.
fn choose_penalty(features: Features<'_>, labels: &[u32]) -> Result<Option<f64>> {
    let mut places: Vec<usize> = (0..features.len()).collect();
    Rng::new(SEED).shuffle(&mut places);
    let (held_out, trial) = places.split_at(features.len() / 10);
    if held_out.is_empty() {
        return Ok(None);
    }
    let held_out = Gathered::new(features, labels, held_out);
    let trial = Gathered::new(features, labels, &trial[..trial.len().min(MOST_TRIAL_SAMPLES)]);
    let settings =
        LogisticSettings { max_iterations: TRIAL_ITERATIONS, ..LogisticSettings::default() };
    let mut model: Option<LogisticRegression> = None;
    let mut best = (f64::NEG_INFINITY, None);
    for penalty in PENALTIES {
        let settings = LogisticSettings { penalty, ..settings };
        let mut fitted = match model.take() {
            None => LogisticRegression::fit(trial.features(), &trial.labels, &settings)?,
            Some(model) => model,
        };
        fitted.refit(trial.features(), &trial.labels, &settings);
        let share = accuracy(&fitted.predict(held_out.features())?, &held_out.labels)?;
        if share > best.0 {
            best = (share, Some(penalty));
        }
        model = Some(fitted);
    }
    Ok(best.1)
}

/// A copy of some samples with their labels.
struct Gathered {
    samples: Samples,
    labels: Vec<u32>,
}

enum Samples {
    Codes(SdrBatch),
    Rows(Vec<f32>, usize),
}

impl Gathered {
    fn new(features: Features<'_>, labels: &[u32], places: &[usize]) -> Self {
        let samples = match features {
            Features::Codes(codes) => Samples::Codes(codes.select(places)),
            Features::Rows(rows) => {
                let values = places.iter().flat_map(|&place| rows.row(place)).copied();
                Samples::Rows(values.collect(), rows.width())
            }
        };
        Self { samples, labels: places.iter().map(|&place| labels[place]).collect() }
    }

    fn features(&self) -> Features<'_> {
        match &self.samples {
            Samples::Codes(codes) => Features::Codes(codes),
            Samples::Rows(values, width) => {
                Features::Rows(Rows::new(values, *width).expect("whole rows were copied"))
            }
        }
    }
}
