//! Multinomial logistic regression, on sparse codes or dense rows.

use super::Features;
use super::linear::{LinearModel, LinearSettings, Loss};
use crate::error::Result;

/// Multinomial logistic regression: `P(c | x) = softmax_c(W x + b)`.
///
/// ```
/// use kwinners::metrics::{Features, LinearSettings, LogisticRegression};
/// use kwinners::SdrBatch;
/// let codes = SdrBatch::from_exact(8, 2, vec![0, 1, 0, 2, 5, 6, 5, 7])?;
/// let features = Features::Codes(&codes);
/// let model = LogisticRegression::fit(features, &[3, 3, 9, 9], &LinearSettings::default())?;
/// assert_eq!(model.predict(features)?, [3, 3, 9, 9]);
/// # Ok::<(), kwinners::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct LogisticRegression(pub(super) LinearModel);

impl LogisticRegression {
    /// Fits `features`, one label a sample, by L-BFGS on all samples.
    ///
    /// Cost an iteration: `2 · len · classes` multiply-adds for each value of a row or active unit of
    /// a code, over all cores; of rows that are nine tenths zeros, only the other values count.
    ///
    /// # Errors
    /// If there is no sample, not one label a sample, or a value is NaN or infinite.
    pub fn fit(features: Features<'_>, labels: &[u32], settings: &LinearSettings) -> Result<Self> {
        LinearModel::fit(Loss::Softmax, features, labels, settings).map(Self)
    }

    /// The penalty that the model was fitted with.
    pub fn penalty(&self) -> f64 {
        self.0.penalty()
    }

    /// The most probable label of each sample, ties to the lower label: `(len,)`.
    ///
    /// # Errors
    /// If the features have another width.
    pub fn predict(&self, features: Features<'_>) -> Result<Vec<u32>> {
        self.0.predict(features)
    }
}
