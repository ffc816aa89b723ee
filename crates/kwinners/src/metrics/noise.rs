//! Noise on inputs, and how a read-out bears it.

use std::fmt;
use std::str::FromStr;

use rayon::prelude::*;
use serde::{Serialize, Serializer};

use super::check_labels;
use crate::encoder::Inputs;
use crate::error::{Error, Result};
use crate::rng::Rng;
use crate::rows::{ImageShape, Rows};

/// The levels of noise that read-outs are tried at: none, then every twentieth up to a half.
pub const NOISE_LEVELS: [f64; 11] = [0.0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5];

/// Rows corrupted and read at once.
const ROWS_A_BLOCK: usize = 8192;

/// What noise does to a row of `width` values at level `l`. The range is that of the training values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoiseProtocol {
    /// `s2`: `⌊width · l⌋` values become mean + 2 standard deviations of the training values, both
    /// rounded to four decimals: 0.1307 + 2 · 0.3081 = 0.7469 for MNIST.
    ///
    /// Source: Ahmad and Scheinkman, "How Can We Be So Dense?", 2019, and its programs.
    S2,
    /// `random-value`: `⌊width · l⌋` values become uniform in the range, each on its own.
    RandomValue,
    /// `gaussian`: every value gets `l` times a standard normal number added and is clamped to the
    /// range.
    Gaussian,
    /// `forum-a`: every value becomes, with probability `l`, a standard normal number clamped to `0..1`, stretched
    /// to the range.
    ///
    /// Source: tiny-kwinner, the first table of the HTM forum's thread; its other noise is `gaussian`.
    ForumA,
    /// `salt-and-pepper`: `⌊width · l⌋` values become the one end of the range or the other.
    SaltAndPepper,
    /// `occlusion`: a square of `l` times the area of the image, somewhere in it, becomes 0 in all
    /// channels, cut to a rectangle of that area where the image is too flat. Without an image: a run
    /// of `⌊width · l⌋` values.
    Occlusion,
    /// `waveform`, for rows that are sound: every value becomes `(1 - l)` times itself plus `l` times a
    /// number uniform in `-1..1`, whatever the range.
    ///
    /// Source: Ahmad and Scheinkman, "How Can We Be So Dense?", 2019, on speech commands.
    Waveform,
}

impl NoiseProtocol {
    /// All protocols.
    pub const ALL: [Self; 7] = [
        Self::S2,
        Self::RandomValue,
        Self::Gaussian,
        Self::ForumA,
        Self::SaltAndPepper,
        Self::Occlusion,
        Self::Waveform,
    ];

    /// The name, such as `s2`.
    pub fn name(self) -> &'static str {
        match self {
            Self::S2 => "s2",
            Self::RandomValue => "random-value",
            Self::Gaussian => "gaussian",
            Self::ForumA => "forum-a",
            Self::SaltAndPepper => "salt-and-pepper",
            Self::Occlusion => "occlusion",
            Self::Waveform => "waveform",
        }
    }
}

impl fmt::Display for NoiseProtocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for NoiseProtocol {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        let unknown = || Error::unknown_name("noise", name, &Self::ALL.map(Self::name));
        Self::ALL.into_iter().find(|protocol| protocol.name() == name).ok_or_else(unknown)
    }
}

impl Serialize for NoiseProtocol {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// A protocol with what it takes from the training inputs, and a seed.
///
/// What happens to a row hangs on its number, the level and the seed alone: not on threads, nor on
/// how the rows are cut into batches.
///
/// ```
/// use kwinners::Rows;
/// use kwinners::metrics::{Noise, NoiseProtocol};
/// let train = Rows::new(&[0.0, 1.0, 1.0, 0.0], 4)?;
/// let noise = Noise::new(NoiseProtocol::S2, train, 7)?;
/// let noisy = noise.corrupt(train, 0.5)?;
/// // Mean 0.5, standard deviation 0.5: two of the four values are 1.5 now.
/// assert_eq!(noisy.iter().filter(|&&value| value == 1.5).count(), 2);
/// # Ok::<(), kwinners::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Noise {
    protocol: NoiseProtocol,
    width: usize,
    image: Option<ImageShape>,
    /// The ends of the range of the training values.
    range: (f32, f32),
    /// Mean + 2 standard deviations of the training values.
    bright: f32,
    seed: u64,
}

impl Noise {
    /// The noise of `protocol` for inputs like those of `train`. Cost: two passes over them.
    ///
    /// # Errors
    /// If there is no training row, a value is NaN or infinite, or an image has not as many values as
    /// a row.
    pub fn new<'a>(
        protocol: NoiseProtocol,
        train: impl Into<Inputs<'a>>,
        seed: u64,
    ) -> Result<Self> {
        let Inputs { rows, image, .. } = train.into();
        rows.check_finite("rows to take the noise from")?;
        if rows.is_empty() {
            return Err(Error::shape("rows to take the noise from", "at least 1", 0));
        }
        let pixels = image.map(|image| image.width * image.height * image.channels);
        if let Some(values) = pixels.filter(|&values| values != rows.width()) {
            return Err(Error::shape("images", format!("{} values", rows.width()), values));
        }
        let values = rows.values();
        let range =
            values.iter().fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), &value| {
                (low.min(value), high.max(value))
            });
        let bright = bright_value(values);
        Ok(Self { protocol, width: rows.width(), image, range, bright, seed })
    }

    /// `rows` at a level from 0, which leaves them as they are, to 1: `(len, width)`.
    ///
    /// # Errors
    /// If the rows have another width than those of the training, or the level lies outside.
    pub fn corrupt(&self, rows: Rows<'_>, level: f64) -> Result<Vec<f32>> {
        self.corrupt_from(rows, 0, level)
    }

    /// As [`Noise::corrupt`], for a part of the rows whose first has number `first`.
    ///
    /// # Errors
    /// As [`Noise::corrupt`].
    pub fn corrupt_from(&self, rows: Rows<'_>, first: usize, level: f64) -> Result<Vec<f32>> {
        rows.check_width("rows to put noise on", self.width)?;
        if !(0.0..=1.0).contains(&level) {
            return Err(Error::setting("noise level", "a share from 0 to 1", level));
        }
        let mut values = rows.values().to_vec();
        if level == 0.0 {
            return Ok(values);
        }
        let of_level = Rng::of_stream(self.seed, level.to_bits()).next_u64();
        values.par_chunks_exact_mut(self.width).enumerate().for_each(|(place, row)| {
            let mut rng = Rng::of_stream(of_level, (first + place) as u64);
            self.corrupt_row(row, level, &mut rng);
        });
        Ok(values)
    }

    fn corrupt_row(&self, row: &mut [f32], level: f64, rng: &mut Rng) {
        let (low, high) = self.range;
        match self.protocol {
            NoiseProtocol::S2 => at_places(row, level, rng, |_| self.bright),
            NoiseProtocol::RandomValue => at_places(row, level, rng, |rng| rng.between(low, high)),
            NoiseProtocol::SaltAndPepper => {
                at_places(row, level, rng, |rng| if rng.below(2) == 0 { low } else { high });
            }
            NoiseProtocol::Gaussian => {
                for value in row {
                    *value = (*value + level as f32 * rng.normal()).clamp(low, high);
                }
            }
            NoiseProtocol::ForumA => {
                for value in row {
                    if f64::from(rng.uniform()) < level {
                        *value = low + (high - low) * rng.normal().clamp(0.0, 1.0);
                    }
                }
            }
            NoiseProtocol::Waveform => {
                let level = level as f32;
                for value in row {
                    *value = (1.0 - level) * *value + level * rng.between(-1.0, 1.0);
                }
            }
            NoiseProtocol::Occlusion => match self.image {
                Some(image) => occlude(row, image, level, rng),
                None => {
                    let len = share_of(row.len(), level);
                    let start = rng.below(row.len() - len + 1);
                    row[start..start + len].fill(0.0);
                }
            },
        }
    }
}

/// Mean + 2 standard deviations, both rounded to four decimals.
fn bright_value(values: &[f32]) -> f32 {
    let len = values.len() as f64;
    let mean = values.iter().map(|&value| f64::from(value)).sum::<f64>() / len;
    let squares: f64 = values.iter().map(|&value| (f64::from(value) - mean).powi(2)).sum();
    let rounded = |value: f64| (value * 1e4).round() / 1e4;
    (rounded(mean) + 2.0 * rounded((squares / len).sqrt())) as f32
}

/// `⌊count · level⌋`, where the product is a whole number but for the rounding of `level`, that one.
fn share_of(count: usize, level: f64) -> usize {
    (count as f64 * level + 1e-9) as usize
}

/// Puts new values at `⌊width · level⌋` different places, all sets of places equally likely.
///
/// Selection sampling (Knuth, volume 2, algorithm 3.4.2 S): one draw a place, no list of places.
fn at_places(row: &mut [f32], level: f64, rng: &mut Rng, new: impl Fn(&mut Rng) -> f32) {
    let mut left = share_of(row.len(), level);
    let width = row.len();
    for (place, value) in row.iter_mut().enumerate() {
        if rng.below(width - place) < left {
            left -= 1;
            *value = new(rng);
        }
    }
}

/// Sets a square of `level` times the area to 0 in all channels.
fn occlude(row: &mut [f32], image: ImageShape, level: f64, rng: &mut Rng) {
    let area = level * (image.width * image.height) as f64;
    // Where the square would be wider than the image, it gets as much taller, and the other way round.
    let least = area / image.width as f64;
    let height = (area.sqrt().max(least).round() as usize).clamp(1, image.height);
    let width = ((area / height as f64).round() as usize).min(image.width);
    let (top, left) = (rng.below(image.height - height + 1), rng.below(image.width - width + 1));
    for plane in row.chunks_exact_mut(image.width * image.height) {
        for line in plane.chunks_exact_mut(image.width).skip(top).take(height) {
            line[left..left + width].fill(0.0);
        }
    }
}

/// How a read-out bears noise.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct NoiseCurve {
    /// Share of the rows labelled rightly at each of [`NOISE_LEVELS`].
    pub accuracy: Vec<f64>,
    /// Rows labelled rightly, summed over all levels, that without noise included: the noise score of
    /// Ahmad and Scheinkman, 110,000 at most for 10,000 rows.
    pub score: usize,
}

/// What `predict` makes of `rows` at each of [`NOISE_LEVELS`], counted against `labels`.
///
/// `predict` gives one label a row. Cost: it sees all rows eleven times.
///
/// # Errors
/// As [`Noise::corrupt`], if there is not one label a row, or if `predict` fails.
pub fn noise_curve(
    noise: &Noise,
    rows: Rows<'_>,
    labels: &[u32],
    predict: &mut dyn FnMut(Rows<'_>) -> Result<Vec<u32>>,
) -> Result<NoiseCurve> {
    check_labels(labels, rows.len())?;
    let mut curve = NoiseCurve { accuracy: Vec::new(), score: 0 };
    for level in NOISE_LEVELS {
        let (mut right, mut first) = (0, 0);
        for (clean, labels) in rows.blocks(ROWS_A_BLOCK).zip(labels.chunks(ROWS_A_BLOCK)) {
            let noisy = noise.corrupt_from(clean, first, level)?;
            let predicted = predict(Rows::new(&noisy, rows.width())?)?;
            check_labels(&predicted, labels.len())?;
            right += predicted.iter().zip(labels).filter(|(a, b)| a == b).count();
            first += clean.len();
        }
        curve.accuracy.push(right as f64 / labels.len().max(1) as f64);
        curve.score += right;
    }
    Ok(curve)
}
