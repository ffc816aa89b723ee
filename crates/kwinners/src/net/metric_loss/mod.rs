//! Losses of a whole batch: which outputs should be near each other, and which far.

mod contrast;
mod distances;
mod pairs;
mod prototypes;
mod triplets;

#[cfg(test)]
mod tests;

use crate::error::{Error, Result};
use crate::rng::Rng;
use crate::rows::Rows;
use distances::Points;

/// How far two outputs are from each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metric {
    /// `1 - a·b / (‖a‖ ‖b‖)`; 1 where one of them is all zeros. Of exactly-k codes it is 1 less the shared part of
    /// their units.
    Cosine,
    /// `Σ |a - b|`.
    L1,
    /// `√(Σ (a - b)²)`.
    L2,
}

/// Which triplets of a batch a loss is a mean over: an anchor, a positive of its class, a negative of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Miner {
    /// As many as random triples would give on average, each drawn evenly from all valid triplets.
    Random {
        /// Triples a sample and class.
        multiplier: usize,
    },
    /// All valid triplets. Cost: `O(b² log b)`, as the sums are had by sorting.
    All,
    /// For each anchor the farthest positive and the nearest negative.
    ///
    /// Source: Hermans, Beyer and Leibe, "In defense of the triplet loss for person re-identification", 2017.
    Hard,
    /// For each anchor and positive the nearest negative that is farther than the positive, or the farthest of all
    /// where none is.
    ///
    /// Source: Schroff, Kalenichenko and Philbin, "FaceNet", 2015.
    SemiHard,
}

/// A loss of the outputs of a batch and their labels, which pulls outputs of one label together and others apart.
///
/// Distances are `d`, margins `m`. Terms that a batch does not have are left out; without any the loss is 0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum MetricLoss {
    /// Mean of `max(d(a, p) - d(a, n) + m, 0)` over triplets of anchor, positive and negative.
    Triplet {
        /// The distance.
        metric: Metric,
        /// Which triplets.
        miner: Miner,
        /// How much farther negatives should be than positives.
        margin: f32,
    },
    /// Mean over different random pairs of `1 - cos` for equal labels and `max(cos - m, 0)` for others.
    ///
    /// Source: the contrastive sampler of pytorch-mighty with its de-duplication put right.
    Contrastive {
        /// Cosine up to which outputs of different labels may be alike.
        margin: f32,
        /// Pairs a sample and class.
        multiplier: usize,
    },
    /// Mean of `max(d - s, 0)` over pairs of equal labels, plus mean of `max(m - d, 0)` over the others.
    ///
    /// Source: the first loss of EmbedderSDR, over all pairs.
    Pair {
        /// The distance.
        metric: Metric,
        /// How far pairs of different labels should be.
        margin: f32,
        /// How near pairs of equal labels need not be, `s`.
        margin_same: f32,
        /// Share of the pairs of either sort that counts: those of the largest losses.
        hardest: f32,
    },
    /// Mean over anchors of the mean over their positives of `-ln(e^(cos(a, p)/τ) / Σ e^(cos(a, x)/τ))`, summed over
    /// all `x` but the anchor. With two noisy views of every input, labelled by the input, no labels are needed.
    ///
    /// Source: Khosla et al., "Supervised contrastive learning", 2020, equation 2; Chen et al., "A simple framework
    /// for contrastive learning of visual representations", 2020, for two views.
    Contrast {
        /// `τ`.
        temperature: f32,
    },
    /// Mean over anchors of `-ln softmax(cos(a, m) / τ)` of their own class, `m` the means of the classes in the
    /// batch, at length 1 each output; the anchor is left out of its own. What the nearest class mean is to tell.
    ///
    /// Source: Snell, Swersky and Zemel, "Prototypical networks for few-shot learning", 2017, with the cosine.
    Prototypes {
        /// `τ`.
        temperature: f32,
    },
}

/// What a loss leaves of a batch, kept from step to step as new memory would cost more than the sums.
#[derive(Clone, Debug, Default)]
pub struct MetricWork {
    /// The slopes by the outputs, `(len, size)`.
    pub slopes: Vec<f32>,
    unit: Vec<f32>,
    weights: Vec<f32>,
}

/// What a loss came to.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct MetricOutcome {
    /// The loss, a mean.
    pub loss: f64,
    /// Triplets, pairs or anchors that it is a mean over; 0 for a batch that has none.
    pub terms: u64,
}

impl MetricLoss {
    /// The loss of `outputs`, `(len, size)`, with `labels`, `(len,)`; leaves its slopes by the outputs in `work`. Random
    /// terms are drawn from `rng`.
    ///
    /// Cost: `O(len² · size)`, but `O(terms · size)` where terms are random.
    ///
    /// ```
    /// use kwinners::net::{Metric, MetricLoss, MetricWork, Miner};
    /// use kwinners::{Rng, Rows};
    /// let outputs = [1.0, 0.0, 0.0, 1.0, 1.0, 0.0];
    /// let loss = MetricLoss::Triplet { metric: Metric::Cosine, miner: Miner::All, margin: 0.5 };
    /// // The second has the label of the first, but the third is nearer to the first.
    /// let (mut work, rows) = (MetricWork::default(), Rows::new(&outputs, 2)?);
    /// let outcome = loss.slopes(rows, &[7, 7, 8], &mut Rng::new(0), &mut work)?;
    /// assert_eq!((outcome.loss, outcome.terms), (1.0, 2));
    /// # Ok::<(), kwinners::Error>(())
    /// ```
    ///
    /// # Errors
    /// If there is not one label an output.
    pub fn slopes(
        &self,
        outputs: Rows<'_>,
        labels: &[u32],
        rng: &mut Rng,
        work: &mut MetricWork,
    ) -> Result<MetricOutcome> {
        if labels.len() != outputs.len() {
            return Err(Error::shape(
                "labels",
                format!("one of each of {}", outputs.len()),
                labels.len(),
            ));
        }
        let MetricWork { slopes, unit, weights } = work;
        let points = Points::new(self.metric(), outputs, unit);
        weights.clear();
        weights.resize(labels.len() * labels.len(), 0.0);
        let outcome = match *self {
            Self::Triplet { miner, margin, .. } => {
                triplets::weigh(&points, (miner, margin), labels, rng, weights)
            }
            Self::Contrastive { margin, multiplier } => {
                pairs::weigh_random(&points, (margin, multiplier), labels, rng, weights)
            }
            Self::Pair { margin, margin_same, hardest, .. } => {
                let margins = (margin_same, margin);
                pairs::weigh_all(&points, margins, hardest, labels, weights)
            }
            Self::Contrast { temperature } => {
                contrast::weigh(&points, temperature, labels, weights)
            }
            Self::Prototypes { temperature } => {
                return Ok(prototypes::slopes(&points, temperature, labels, slopes));
            }
        };
        points.slopes(weights, slopes);
        Ok(outcome)
    }

    fn metric(&self) -> Metric {
        match *self {
            Self::Triplet { metric, .. } | Self::Pair { metric, .. } => metric,
            Self::Contrastive { .. } | Self::Contrast { .. } | Self::Prototypes { .. } => {
                Metric::Cosine
            }
        }
    }
}

/// The samples of each class that occurs, by label.
fn classes_of(labels: &[u32]) -> Vec<Vec<u32>> {
    let mut order: Vec<u32> = (0..labels.len() as u32).collect();
    order.sort_by_key(|&sample| labels[sample as usize]);
    let label = |sample: &u32| labels[*sample as usize];
    order.chunk_by(|a, b| label(a) == label(b)).map(<[u32]>::to_vec).collect()
}
