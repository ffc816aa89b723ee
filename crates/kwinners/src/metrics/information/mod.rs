//! Mutual information in bits, estimated from samples: how much codes tell of inputs and of classes.
//!
//! No estimate is the truth: each [`Estimator`] says what it leaves out. From `len` samples no more than
//! about `log2 len` bits can be seen; an estimate beyond is what a model of the data claims.

mod bins;
mod copula;
mod kraskov;
mod mine;
mod principal;

use serde::{Deserialize, Serialize};

use super::{Classes, Features, check_labels};
use crate::error::{Error, Result};
use crate::rng::Rng;
use crate::rows::Rows;
use crate::sdr::SdrBatch;
use principal::principal_components;

/// Samples that are looked at; of more, so many are drawn.
const MOST_SAMPLES: usize = 4000;

/// Samples that are needed.
const FEWEST_SAMPLES: usize = 50;

/// Principal components that are kept of either side.
const COMPONENTS: usize = 64;

/// Codes of which more than this share differ say nothing of their entropy.
const MOST_DISTINCT: f64 = 0.1;

const SEED: u64 = 0x696E_666F_0000;

/// How mutual information is estimated. All look at the first 64 principal components of either side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Estimator {
    /// `k_means`: both sides are cut into 20 clusters each, labels are taken as they are; then the
    /// plug-in estimate from counts with the correction of Miller and Madow. Sees at most `log2 20`
    /// bits and nothing inside a cluster: too small, by .1 bit for Gaussians that share 1 bit.
    ///
    /// Cost: 20 products of `20 · 64` a sample.
    KMeans,
    /// `kraskov`: from the distances to the 4 nearest neighbours, the largest difference of a
    /// coordinate. Within .1 bit for few dimensions; far too small for many.
    ///
    /// Source: Kraskov, Stögbauer and Grassberger, "Estimating mutual information", 2004, the first
    /// estimator; for labels Ross, "Mutual information between discrete and continuous data sets", 2014.
    ///
    /// Cost: `len² · 128`.
    Kraskov,
    /// `copula`: every coordinate is given a normal distribution by its ranks; then as if all together
    /// were Gaussian, with the correction for few samples. Right where they are; between vectors
    /// elsewhere a model's claim, which may be many times `log2 len`. With labels it may be too large, as a mixture of classes is no Gaussian:
    /// it stops at the entropy of the labels, which it reaches where classes lie apart.
    ///
    /// Source: Ince and others, "A statistical framework for neuroimaging data analysis based on mutual
    /// information estimated via a Gaussian copula", 2017.
    ///
    /// Cost: `len · 128²`.
    Copula,
    /// `mine`: a network of two hidden layers, 100 and 50 units, learns to tell pairs from strangers on
    /// two thirds of the samples; the bound of Donsker and Varadhan on the other third, the best of
    /// five looks. A lower bound in the mean over samples, within .2 bits for Gaussians that share 1 bit;
    /// it sees at most about `log2 len` bits, and less where few samples leave little to learn.
    ///
    /// Source: Belghazi and others, "Mutual information neural estimation", 2018. The original program
    /// reports the largest smoothed bound on the samples that it learns from, which is too large.
    ///
    /// Cost: 1,500 steps of 256 pairs, some seconds.
    Mine,
}

impl Estimator {
    /// All estimators.
    pub const ALL: [Self; 4] = [Self::KMeans, Self::Kraskov, Self::Copula, Self::Mine];
}

/// What a variable may have something to do with.
#[derive(Clone, Copy, Debug)]
pub enum Related<'a> {
    /// Vectors, one a sample.
    Rows(Rows<'a>),
    /// Classes, one a sample.
    Labels(&'a [u32]),
}

/// What activations `T` tell of inputs `X` and of classes `Y`, in bits: a point of the information plane.
///
/// Source: Shwartz-Ziv and Tishby, "Opening the black box of deep neural networks via information", 2017.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Information {
    /// `I(X; T)`.
    pub x_t: f64,
    /// `I(T; Y)`.
    pub t_y: f64,
}

/// `I(X; Y)` in bits. Of more than 4,000 samples, 4,000 drawn with a fixed seed are looked at. An
/// estimate may fall below 0 where there is nothing.
///
/// ```
/// use kwinners::metrics::{Estimator, Related, mutual_information};
/// use kwinners::{Rng, Rows};
/// // Two numbers of correlation .8 share -½ log2(1 - .8²) = .737 bits.
/// let mut rng = Rng::new(1);
/// let pairs: Vec<[f32; 2]> = (0..2000).map(|_| [rng.normal(), rng.normal()]).collect();
/// let x: Vec<f32> = pairs.iter().map(|[a, _]| *a).collect();
/// let y: Vec<f32> = pairs.iter().map(|[a, b]| 0.8 * a + 0.6 * b).collect();
/// let y = Related::Rows(Rows::new(&y, 1)?);
/// let bits = mutual_information(Rows::new(&x, 1)?, y, Estimator::Copula)?;
/// assert!((bits - 0.737).abs() < 0.05, "{bits}");
/// # Ok::<(), kwinners::Error>(())
/// ```
///
/// # Errors
/// If the two differ in number, there are fewer than 50, or a value is NaN or infinite.
pub fn mutual_information(x: Rows<'_>, y: Related<'_>, estimator: Estimator) -> Result<f64> {
    let len = match y {
        Related::Rows(rows) => rows.len(),
        Related::Labels(labels) => labels.len(),
    };
    if x.len() != len || len < FEWEST_SAMPLES {
        let expected = format!("{len} on both sides, at least {FEWEST_SAMPLES}");
        return Err(Error::shape("samples to estimate information from", expected, x.len()));
    }
    let places = drawn(len);
    let x = Sample::of_rows(x, &places)?;
    match y {
        Related::Rows(rows) => {
            let y = Sample::of_rows(rows, &places)?;
            between_rows(&x, &y, estimator)
        }
        Related::Labels(labels) => {
            let labels: Vec<u32> = places.iter().map(|&place| labels[place]).collect();
            between_labels(&x, &labels, estimator)
        }
    }
}

/// `I(X; T)` and `I(T; Y)` in bits, for inputs and what an encoder makes of them: see
/// [`mutual_information`]. Codes are taken as vectors of 0 and 1.
///
/// # Errors
/// As [`mutual_information`].
pub fn information(
    inputs: Rows<'_>,
    activations: Features<'_>,
    labels: &[u32],
    estimator: Estimator,
) -> Result<Information> {
    check_labels(labels, inputs.len())?;
    if activations.len() != inputs.len() || inputs.len() < FEWEST_SAMPLES {
        let expected = format!("{}, at least {FEWEST_SAMPLES}", inputs.len());
        return Err(Error::shape("activations", expected, activations.len()));
    }
    let places = drawn(inputs.len());
    let x = Sample::of_rows(inputs, &places)?;
    let t = match activations {
        Features::Rows(rows) => Sample::of_rows(rows, &places)?,
        Features::Codes(codes) => Sample::of_codes(&codes.select(&places))?,
    };
    let labels: Vec<u32> = places.iter().map(|&place| labels[place]).collect();
    Ok(Information {
        x_t: between_rows(&x, &t, estimator)?,
        t_y: between_labels(&t, &labels, estimator)?,
    })
}

/// `I(X; T)` and `I(T; Y)` in bits by counting codes, where that is possible: an encoder makes one code
/// of an input, so that `I(X; T)` is the entropy of the codes. With the correction of Miller and Madow.
/// `None` where more than a tenth of the codes differ: there counts tell nothing.
///
/// ```
/// use kwinners::{SdrBatch, metrics::code_information};
/// let codes = SdrBatch::from_exact(4, 1, [0, 1, 2, 3].repeat(500))?;
/// let labels = [7, 7, 9, 9].repeat(500);
/// let bits = code_information(&codes, &labels)?.unwrap();
/// assert!((bits.x_t - 2.0).abs() < 0.01 && (bits.t_y - 1.0).abs() < 0.01);
/// # Ok::<(), kwinners::Error>(())
/// ```
///
/// # Errors
/// If there is not one label a code.
pub fn code_information(codes: &SdrBatch, labels: &[u32]) -> Result<Option<Information>> {
    check_labels(labels, codes.len())?;
    let mut order: Vec<usize> = (0..codes.len()).collect();
    order.sort_by(|&a, &b| codes.get(a).indices().cmp(codes.get(b).indices()));
    let mut kinds = vec![0; codes.len()];
    let mut kind = 0;
    for pair in order.windows(2) {
        kind += u32::from(codes.get(pair[0]).indices() != codes.get(pair[1]).indices());
        kinds[pair[1]] = kind;
    }
    if f64::from(kind + 1) > MOST_DISTINCT * codes.len() as f64 {
        return Ok(None);
    }
    let t_y = discrete_information(&kinds, labels);
    Ok(Some(Information { x_t: discrete_information(&kinds, &kinds), t_y }))
}

/// Samples in their principal components, scaled by one factor to a mean variance of 1: `(len, width)`.
struct Sample {
    values: Vec<f32>,
    width: usize,
}

impl Sample {
    fn of_rows(rows: Rows<'_>, places: &[usize]) -> Result<Self> {
        rows.check_finite("samples to estimate information from")?;
        let values = places.iter().flat_map(|&place| rows.row(place)).copied().collect();
        Ok(Self::of_values(values, rows.width()))
    }

    fn of_codes(codes: &SdrBatch) -> Result<Self> {
        let values = codes.iter().flat_map(|code| code.to_dense()).collect();
        Ok(Self::of_values(values, codes.units()))
    }

    fn of_values(values: Vec<f32>, width: usize) -> Self {
        let (mut values, width) = principal_components(values, width, COMPONENTS);
        let square: f64 = values.iter().map(|&value| f64::from(value).powi(2)).sum();
        let deviation = (square / values.len().max(1) as f64).sqrt() as f32;
        if deviation > 0.0 {
            values.iter_mut().for_each(|value| *value /= deviation);
        }
        Self { values, width }
    }

    fn len(&self) -> usize {
        self.values.len() / self.width
    }

    fn row(&self, place: usize) -> &[f32] {
        &self.values[place * self.width..][..self.width]
    }

    fn rows(&self) -> Rows<'_> {
        Rows::new(&self.values, self.width).expect("whole rows")
    }
}

fn drawn(len: usize) -> Vec<usize> {
    match len <= MOST_SAMPLES {
        true => (0..len).collect(),
        false => {
            Rng::new(SEED).distinct(MOST_SAMPLES, len).into_iter().map(|p| p as usize).collect()
        }
    }
}

fn between_rows(x: &Sample, y: &Sample, estimator: Estimator) -> Result<f64> {
    Ok(match estimator {
        Estimator::KMeans => discrete_information(&bins::clusters(x), &bins::clusters(y)),
        Estimator::Kraskov => kraskov::between_rows(x, y),
        Estimator::Copula => copula::between_rows(x, y),
        Estimator::Mine => mine::bound(x, y)?,
    })
}

fn between_labels(x: &Sample, labels: &[u32], estimator: Estimator) -> Result<f64> {
    Ok(match estimator {
        Estimator::KMeans => discrete_information(&bins::clusters(x), labels),
        Estimator::Kraskov => kraskov::between_labels(x, labels),
        Estimator::Copula => {
            copula::between_labels(x, labels).min(discrete_information(labels, labels))
        }
        Estimator::Mine => mine::bound(x, &one_hot(labels))?,
    })
}

/// A 1 for the class of each label, scaled as samples are.
fn one_hot(labels: &[u32]) -> Sample {
    let classes = Classes::of(labels);
    let mut values = vec![0.0; labels.len() * classes.len()];
    for (row, class) in values.chunks_exact_mut(classes.len()).zip(classes.places(labels)) {
        row[class] = (classes.len() as f32).sqrt();
    }
    Sample { values, width: classes.len() }
}

/// `I(a; b) = H(a) + H(b) - H(a, b)` by counts, each entropy with `(kinds - 1) / 2 len` nats added: Miller,
/// "Note on the bias of information estimates", 1955.
fn discrete_information(a: &[u32], b: &[u32]) -> f64 {
    let pairs: Vec<(u32, u32)> = a.iter().copied().zip(b.iter().copied()).collect();
    let alone = |side: &[u32]| entropy(side.iter().map(|&kind| (kind, 0)).collect());
    alone(a) + alone(b) - entropy(pairs)
}

fn entropy(mut kinds: Vec<(u32, u32)>) -> f64 {
    kinds.sort_unstable();
    let len = kinds.len() as f64;
    let runs: Vec<f64> = kinds.chunk_by(|a, b| a == b).map(|run| run.len() as f64).collect();
    let nats: f64 = runs.iter().map(|count| -count / len * (count / len).ln()).sum();
    (nats + (runs.len() as f64 - 1.0) / (2.0 * len)) / std::f64::consts::LN_2
}

/// The logarithmic derivative of the gamma function, for `x > 0`: raised by the recurrence, then the
/// asymptotic series (Abramowitz and Stegun, 6.3.5 and 6.3.18).
fn digamma(mut x: f64) -> f64 {
    let mut value = 0.0;
    while x < 8.0 {
        value -= 1.0 / x;
        x += 1.0;
    }
    let square = 1.0 / (x * x);
    let series = square * (1.0 / 12.0 - square * (1.0 / 120.0 - square / 252.0));
    value + x.ln() - 0.5 / x - series
}
