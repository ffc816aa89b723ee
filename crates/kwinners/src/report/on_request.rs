//! Parts of a report that are measured on request only.

use serde::Serialize;

use super::{Evidence, Figure, figures_of};
use crate::error::Result;
use crate::metrics::{
    ATTACK_LEVELS, ATTACK_WARNING, Attack, CentroidDistance, Centroids, ConfusionMatrix, Estimator,
    Features, Information, PairCurve, Separability, Target, accuracy, code_information,
    information, pair_curve, separability,
};

/// Rows that attacks are tried on: of more, as many, evenly chosen.
const MOST_ATTACKED: usize = 500;

/// Steps of iterated attacks, starts of those that begin at random, questions of those by decisions.
const STEPS: usize = 20;
const STARTS: usize = 1;
const QUERIES: usize = 500;

const SEED: u64 = 0x6174_7461_636B;

/// How codes keep classes apart, see [`crate::metrics`]; shares of the test set.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ClassFigures {
    /// Nearest class centroid by cosine, by L1, by L2 distance, and by cosine to binary centroids.
    pub centroid_cosine: f64,
    /// See [`CentroidDistance::L1`].
    pub centroid_l1: f64,
    /// See [`CentroidDistance::L2`].
    pub centroid_l2: f64,
    /// See [`CentroidDistance::Binarised`].
    pub centroid_binarised: f64,
    /// Mean over the classes of the share told right by what `confusion` is of.
    pub balanced_accuracy: f64,
    /// Mean precision of "similar codes are of one class" over all recalls, see [`PairCurve`].
    pub pair_average_precision: f64,
    /// The precision of chance.
    pub pair_base: f64,
    /// Distance of class means over scatter, see [`Separability`].
    pub separability: f64,
    /// See [`Separability::inter`].
    pub separability_inter: f64,
    /// See [`Separability::intra`].
    pub separability_intra: f64,
    /// The share of the test codes that the least used unit is on in.
    pub firing_min: f64,
    /// The share of the test codes that the most used unit is on in.
    pub firing_max: f64,
    /// Standard deviation of that share over the units.
    pub firing_sd: f64,
    /// What classes are taken for which: by the model's own answers where it tells classes, or else by
    /// nearest centroids, cosine.
    pub confusion: ConfusionMatrix,
    /// Overlaps from the highest down, and precision and recall of "shares at least so many units".
    pub pairs: PairLists,
}

/// A [`PairCurve`] as lists of equal length.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct PairLists {
    /// Units shared at least.
    pub overlap: Vec<usize>,
    /// Of the pairs that share so many, the share that is of one class.
    pub precision: Vec<f64>,
    /// Of the pairs of one class, the share that shares so many.
    pub recall: Vec<f64>,
}

impl From<&PairCurve> for PairLists {
    fn from(curve: &PairCurve) -> Self {
        Self {
            overlap: curve.points.iter().map(|point| point.overlap).collect(),
            precision: curve.points.iter().map(|point| point.precision).collect(),
            recall: curve.points.iter().map(|point| point.recall).collect(),
        }
    }
}

impl ClassFigures {
    pub(super) fn measure(evidence: &Evidence<'_>, labels: (&[u32], &[u32])) -> Result<Self> {
        let (codes, len) = (evidence.test_codes, evidence.test_codes.len() as f64);
        let centroids = Centroids::of(evidence.train_codes, labels.0)?;
        let share = |distance| accuracy(&centroids.predict(codes, distance)?, labels.1);
        let answers = match evidence.classifier {
            Some(classifier) => classifier.classify(evidence.test.rows())?,
            None => centroids.predict(codes, CentroidDistance::Cosine)?,
        };
        let confusion = ConfusionMatrix::of(&answers, labels.1)?;
        let curve = pair_curve(codes, labels.1)?;
        let Separability { inter, intra, ratio, .. } =
            separability(Features::Codes(codes), labels.1)?;
        let firing: Vec<f64> =
            codes.unit_counts().into_iter().map(|count| f64::from(count) / len).collect();
        let mean = firing.iter().sum::<f64>() / firing.len() as f64;
        let variance =
            firing.iter().map(|rate| (rate - mean).powi(2)).sum::<f64>() / firing.len() as f64;
        Ok(Self {
            centroid_cosine: share(CentroidDistance::Cosine)?,
            centroid_l1: share(CentroidDistance::L1)?,
            centroid_l2: share(CentroidDistance::L2)?,
            centroid_binarised: share(CentroidDistance::Binarised)?,
            balanced_accuracy: confusion.balanced_accuracy(),
            pair_average_precision: curve.average_precision,
            pair_base: curve.base,
            separability: ratio,
            separability_inter: inter,
            separability_intra: intra,
            firing_min: firing.iter().copied().fold(f64::INFINITY, f64::min),
            firing_max: firing.iter().copied().fold(0.0, f64::max),
            firing_sd: variance.sqrt(),
            confusion,
            pairs: PairLists::from(&curve),
        })
    }

    pub(super) fn figures(&self) -> Vec<Figure> {
        let figure = |name, value| ("classes", name, Some(value));
        figures_of(&[
            figure("centroid_cosine", self.centroid_cosine),
            figure("centroid_l1", self.centroid_l1),
            figure("centroid_l2", self.centroid_l2),
            figure("centroid_binarised", self.centroid_binarised),
            figure("balanced_accuracy", self.balanced_accuracy),
            figure("pair_average_precision", self.pair_average_precision),
            figure("pair_base", self.pair_base),
            figure("separability", self.separability),
            figure("separability_inter", self.separability_inter),
            figure("separability_intra", self.separability_intra),
            figure("firing_min", self.firing_min),
            figure("firing_max", self.firing_max),
            figure("firing_sd", self.firing_sd),
        ])
    }
}

/// What test codes `T` tell of inputs `X` and of classes `Y`, in bits, by each [`Estimator`]; `exact` by
/// counting, where codes are few enough.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct InformationFigures {
    /// See [`Estimator::KMeans`].
    pub k_means_x_t: f64,
    /// See [`Estimator::KMeans`].
    pub k_means_t_y: f64,
    /// See [`Estimator::Kraskov`].
    pub kraskov_x_t: f64,
    /// See [`Estimator::Kraskov`].
    pub kraskov_t_y: f64,
    /// See [`Estimator::Copula`].
    pub copula_x_t: f64,
    /// See [`Estimator::Copula`].
    pub copula_t_y: f64,
    /// See [`Estimator::Mine`].
    pub mine_x_t: f64,
    /// See [`Estimator::Mine`].
    pub mine_t_y: f64,
    /// See [`code_information`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exact_x_t: Option<f64>,
    /// See [`code_information`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exact_t_y: Option<f64>,
}

impl InformationFigures {
    pub(super) fn measure(evidence: &Evidence<'_>, labels: &[u32]) -> Result<Self> {
        let codes = evidence.test_codes;
        let estimate = |estimator| -> Result<Information> {
            information(evidence.test.rows(), Features::Codes(codes), labels, estimator)
        };
        let (k_means, kraskov) = (estimate(Estimator::KMeans)?, estimate(Estimator::Kraskov)?);
        let (copula, mine) = (estimate(Estimator::Copula)?, estimate(Estimator::Mine)?);
        let exact = code_information(codes, labels)?;
        Ok(Self {
            k_means_x_t: k_means.x_t,
            k_means_t_y: k_means.t_y,
            kraskov_x_t: kraskov.x_t,
            kraskov_t_y: kraskov.t_y,
            copula_x_t: copula.x_t,
            copula_t_y: copula.t_y,
            mine_x_t: mine.x_t,
            mine_t_y: mine.t_y,
            exact_x_t: exact.map(|bits| bits.x_t),
            exact_t_y: exact.map(|bits| bits.t_y),
        })
    }

    pub(super) fn figures(&self) -> Vec<Figure> {
        let figure = |name, value| ("information", name, value);
        figures_of(&[
            figure("k_means_x_t", Some(self.k_means_x_t)),
            figure("k_means_t_y", Some(self.k_means_t_y)),
            figure("kraskov_x_t", Some(self.kraskov_x_t)),
            figure("kraskov_t_y", Some(self.kraskov_t_y)),
            figure("copula_x_t", Some(self.copula_x_t)),
            figure("copula_t_y", Some(self.copula_t_y)),
            figure("mine_x_t", Some(self.mine_x_t)),
            figure("mine_t_y", Some(self.mine_t_y)),
            figure("exact_x_t", self.exact_x_t),
            figure("exact_t_y", self.exact_t_y),
        ])
    }
}

/// Shares of up to 500 test rows that a classifier tells right when they are attacked: upper bounds of
/// its robustness, see [`ATTACK_WARNING`].
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct AttackFigures {
    /// What has to be said beside the figures.
    pub warning: &'static str,
    /// Rows that were attacked.
    pub rows: usize,
    /// The most that a value is changed by, see [`ATTACK_LEVELS`].
    pub levels: Vec<f64>,
    /// One step up the sign of the gradient, at each level.
    pub fgsm: Vec<f64>,
    /// 20 steps from a random place.
    pub pgd: Vec<f64>,
    /// 500 questions, no gradient.
    pub decision: Vec<f64>,
}

impl AttackFigures {
    /// `None` where the model does not tell classes.
    pub(super) fn measure(
        evidence: &Evidence<'_>,
        labels: &[u32],
        progress: &mut dyn FnMut(&str),
    ) -> Result<Option<Self>> {
        let Some(classifier) = evidence.classifier else { return Ok(None) };
        let count = evidence.test.len().min(MOST_ATTACKED);
        let places: Vec<usize> =
            (0..count).map(|place| place * evidence.test.len() / count).collect();
        let rows = evidence.test.select(&places);
        let labels: Vec<u32> = places.iter().map(|&place| labels[place]).collect();
        let train = evidence.train.rows();
        let values = || train.values().iter().copied();
        let range =
            (values().fold(f32::INFINITY, f32::min), values().fold(f32::NEG_INFINITY, f32::max));
        let target = Target { rows: rows.rows(), labels: &labels, range, seed: SEED };
        let mut under = |attack: Attack| {
            progress(&format!("attack {}", attack.name()));
            attack.accuracies(classifier, &target, &ATTACK_LEVELS)
        };
        Ok(Some(Self {
            warning: ATTACK_WARNING,
            rows: count,
            levels: ATTACK_LEVELS.to_vec(),
            fgsm: under(Attack::FastGradient)?,
            pgd: under(Attack::ProjectedGradient { steps: STEPS, starts: STARTS })?,
            decision: under(Attack::Decision { queries: QUERIES })?,
        }))
    }

    pub(super) fn figures(&self) -> Vec<Figure> {
        let lists = [("fgsm", &self.fgsm), ("pgd", &self.pgd), ("decision", &self.decision)];
        let list = |(name, values): (&'static str, &Vec<f64>)| -> Vec<Figure> {
            let places = values.iter().enumerate();
            let section = "attacks";
            places
                .map(|(place, &value)| Figure { section, name, place: Some(place), value })
                .collect()
        };
        lists.into_iter().flat_map(list).collect()
    }
}
