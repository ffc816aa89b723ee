//! The linear support vector machine, on sparse codes or dense rows.

use super::Features;
use super::linear::{LinearModel, LinearSettings, Loss};
use crate::error::Result;

/// Linear support vector machines, one a class against the rest, with the squared hinge loss.
///
/// Class `c` has the minimum of `Σ_i max(0, 1 - y_i (w·x_i + b))² + a / 2 · |w|²`, `y_i` 1 for its
/// own samples and -1 for the others; `C = 1 / a`. The label of the largest score wins.
///
/// The loss is smooth, so that L-BFGS can minimise it for all classes at once, every pass over the
/// samples being one product; the minimum is that of dual coordinate descent, but for the bias, which
/// here is free of penalty.
///
/// Source: the L2-loss machine of LIBLINEAR (Fan et al. 2008, section 2); in the primal, Chapelle,
/// "Training a support vector machine in the primal", 2007.
///
/// ```
/// use kwinners::metrics::{Features, LinearSettings, LinearSvm};
/// use kwinners::SdrBatch;
/// let codes = SdrBatch::from_exact(8, 2, vec![0, 1, 0, 2, 5, 6, 5, 7])?;
/// let features = Features::Codes(&codes);
/// let model = LinearSvm::fit(features, &[3, 3, 9, 9], &LinearSettings::default())?;
/// assert_eq!(model.predict(features)?, [3, 3, 9, 9]);
/// # Ok::<(), kwinners::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct LinearSvm(pub(super) LinearModel);

impl LinearSvm {
    /// Fits `features`, one label a sample. Cost: as
    /// [`LogisticRegression::fit`](super::LogisticRegression::fit).
    ///
    /// # Errors
    /// If there is no sample, not one label a sample, or a value is NaN or infinite.
    pub fn fit(features: Features<'_>, labels: &[u32], settings: &LinearSettings) -> Result<Self> {
        LinearModel::fit(Loss::SquaredHinge, features, labels, settings).map(Self)
    }

    /// The penalty that the model was fitted with, `1 / C`.
    pub fn penalty(&self) -> f64 {
        self.0.penalty()
    }

    /// The score of each class for each sample, `(len, classes)`, classes in label order: how far on
    /// its side of the border a sample lies, 1 at the margin.
    ///
    /// # Errors
    /// If the features have another width.
    pub fn scores(&self, features: Features<'_>) -> Result<Vec<f32>> {
        self.0.scores(features)
    }

    /// The label of the largest score of each sample, ties to the lower label: `(len,)`.
    ///
    /// # Errors
    /// If the features have another width.
    pub fn predict(&self, features: Features<'_>) -> Result<Vec<u32>> {
        self.0.predict(features)
    }
}
