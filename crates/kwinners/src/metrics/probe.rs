//! Linear read-outs whose penalty is chosen on a validation part.

use super::linear::{LinearModel, LinearSettings, Loss, Samples};
use super::{Features, LinearSvm, LogisticRegression, accuracy, check_labels};
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

/// Steps of the last fit of support vector machines, most of which converge in fewer; on raw pixels
/// the 200 that do for logistic regression leave them 0.2 points short.
const SVM_ITERATIONS: usize = 500;

const SEED: u64 = 0x0070_726F_6265;

/// Fits a linear probe, logistic regression, to `features`: the penalty that predicts a tenth of the
/// samples best, held out with a fixed seed, is chosen among four a factor of ten apart (ties to the
/// stronger), then all samples are fitted with it.
///
/// The penalties are tried on up to 20,000 of the other samples. Cost: about 200 steps of the
/// optimiser on these and 200 on all; see [`LogisticRegression::fit`].
///
/// # Errors
/// As [`LogisticRegression::fit`].
pub fn fit_linear_probe(features: Features<'_>, labels: &[u32]) -> Result<LogisticRegression> {
    let settings = LinearSettings::default();
    fit_with_chosen_penalty(Loss::Softmax, features, labels, settings).map(LogisticRegression)
}

/// Fits linear support vector machines to `features`, the penalty chosen as in [`fit_linear_probe`].
/// Cost: about 200 steps of the optimiser on the trial samples and up to 500 on all.
///
/// # Errors
/// As [`LinearSvm::fit`].
pub fn fit_linear_svm(features: Features<'_>, labels: &[u32]) -> Result<LinearSvm> {
    let settings = LinearSettings { max_iterations: SVM_ITERATIONS, ..LinearSettings::default() };
    fit_with_chosen_penalty(Loss::SquaredHinge, features, labels, settings).map(LinearSvm)
}

fn fit_with_chosen_penalty(
    loss: Loss,
    features: Features<'_>,
    labels: &[u32],
    mut settings: LinearSettings,
) -> Result<LinearModel> {
    check_labels(labels, features.len())?;
    settings.penalty = choose_penalty(loss, features, labels)?.unwrap_or(settings.penalty);
    LinearModel::fit(loss, features, labels, &settings)
}

/// The best of the penalties; `None` where there are too few samples to hold any out.
fn choose_penalty(loss: Loss, features: Features<'_>, labels: &[u32]) -> Result<Option<f64>> {
    let mut places: Vec<usize> = (0..features.len()).collect();
    Rng::new(SEED).shuffle(&mut places);
    let (held_out, trial) = places.split_at(features.len() / 10);
    if held_out.is_empty() {
        return Ok(None);
    }
    let held_out = Gathered::new(features, labels, held_out);
    let trial = Gathered::new(features, labels, &trial[..trial.len().min(MOST_TRIAL_SAMPLES)]);
    let mut model = LinearModel::new(loss, trial.features(), &trial.labels)?;
    let samples = Samples::sparse_where_it_pays(trial.features());
    let mut best = (f64::NEG_INFINITY, None);
    for penalty in PENALTIES {
        let max_iterations = TRIAL_ITERATIONS;
        let settings = LinearSettings { penalty, max_iterations, ..LinearSettings::default() };
        model.improve(&samples, &trial.labels, &settings);
        let share = accuracy(&model.predict(held_out.features())?, &held_out.labels)?;
        if share > best.0 {
            best = (share, Some(penalty));
        }
    }
    Ok(best.1)
}

/// A copy of some samples with their labels.
struct Gathered {
    samples: Copied,
    labels: Vec<u32>,
}

enum Copied {
    Codes(SdrBatch),
    Rows(Vec<f32>, usize),
}

impl Gathered {
    fn new(features: Features<'_>, labels: &[u32], places: &[usize]) -> Self {
        let samples = match features {
            Features::Codes(codes) => Copied::Codes(codes.select(places)),
            Features::Rows(rows) => {
                let values = places.iter().flat_map(|&place| rows.row(place)).copied();
                Copied::Rows(values.collect(), rows.width())
            }
        };
        Self { samples, labels: places.iter().map(|&place| labels[place]).collect() }
    }

    fn features(&self) -> Features<'_> {
        match &self.samples {
            Copied::Codes(codes) => Features::Codes(codes),
            Copied::Rows(values, width) => {
                Features::Rows(Rows::new(values, *width).expect("whole rows were copied"))
            }
        }
    }
}
