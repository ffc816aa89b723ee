//! Codes and rows learned together: each input is the sum of the rows of its active units.

mod greedy;
mod least_squares;

use std::sync::OnceLock;

use rayon::prelude::*;

use self::greedy::Greedy;
use super::settings::{check_counts, settings};
use super::{Decoder, Encoder, Inputs, Kind, Learner, ROWS_A_TASK, Schedule, State, Step, offers};
use crate::error::{Error, Result};
use crate::kernel::product::product_transposed;
use crate::kernel::{self, vectors::Weighted};
use crate::rng::Rng;
use crate::rows::Rows;
use crate::sdr::SdrBatch;

/// Most units: the products of all pairs of rows are kept.
const MOST_UNITS: usize = 1 << 14;
/// Swaps through a whole code while learning, and while encoding, where it is worth more.
const SWAPS_TO_LEARN: usize = 1;
const SWAPS_TO_ENCODE: usize = 4;

settings! {
    /// Settings of [`Pursuit`].
    PursuitSettings {
        /// Units of a code, n.
        units: usize = 2048,
        /// Active units of every code, k.
        winners: usize = 32,
        /// Turns: codes for the rows, then rows for the codes.
        epochs: usize = 10,
        /// Samples of a turn: as many as there are, or what memory allows.
        batch: usize = 1 << 16,
        /// Weight of the rows' squared lengths, which keeps rows of rare units from fitting single inputs.
        ridge: f32 = 1.0,
        /// Seed of the first rows, which are inputs, and of the order of the samples.
        seed: u64 = 0,
    }
}

/// Codes that decode as well as `k` of `n` rows can: `x̂ = mean + Σ w_i` over the active units.
///
/// Encoding takes in units one by one, each the one that lowers `|x - x̂|²` most (matching pursuit with
/// factors of 1), then swaps units, one for one, while that lowers it. A turn of learning encodes the
/// batch and moves the rows towards the least squares for these codes, by conjugate gradients. No
/// encoder here spends more on a code, and none keeps more of the input in as few bits.
///
/// Cost of encoding: `n · width + 2 k n` multiply-adds, and `2 k n` for each round of swaps; memory: `n²`
/// numbers besides the rows. Learning touches every active unit's row twenty times a turn.
///
/// Source: Mallat and Zhang, "Matching pursuits with time-frequency dictionaries", 1993; turn by turn
/// as in additive quantisation, Babenko and Lempitsky, CVPR 2014, with one codebook of which `k`
/// different rows are taken.
///
/// ```
/// use kwinners::encoder::{Decoder, Encoder, Pursuit, PursuitSettings};
/// use kwinners::Rows;
/// let inputs = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 0.0];
/// let rows = Rows::new(&inputs, 3)?;
/// let settings = PursuitSettings { units: 4, winners: 2, ..Default::default() };
/// let pursuit = Pursuit::new(settings, rows)?;
/// let codes = pursuit.encode(rows)?;
/// assert_eq!(codes.winners(), Some(2));
/// assert_eq!(pursuit.decode(&codes)?.len(), inputs.len());
/// # Ok::<(), kwinners::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Pursuit {
    settings: PursuitSettings,
    /// `(width,)`.
    mean: Vec<f32>,
    /// `(n, width)`.
    weights: Vec<f32>,
    /// Products of all pairs of rows, `(n, n)`, made when they are first asked for.
    gram: OnceLock<Vec<f32>>,
    steps: u64,
    samples: u64,
}

impl Pursuit {
    /// An encoder of inputs like `inputs`: the mean is theirs, and the first rows are some of them
    /// without it; where there are fewer inputs than units, some twice.
    ///
    /// # Errors
    /// If a setting is out of range, or the inputs hold NaN or infinity, or are none.
    pub fn new<'a>(settings: PursuitSettings, inputs: impl Into<Inputs<'a>>) -> Result<Self> {
        let rows = inputs.into().rows;
        rows.check_finite("training inputs")?;
        check(&settings)?;
        if rows.is_empty() {
            return Err(Error::shape("training inputs", "at least 1 row", 0));
        }
        let mean = mean_of(rows);
        // Rows of this length add up to about an input.
        let scale = 1.2 / (settings.winners as f32).sqrt();
        let mut rng = Rng::of_stream(settings.seed, 0);
        let mut first = rng.distinct(settings.units.min(rows.len()), rows.len());
        first.resize_with(settings.units, || rng.below(rows.len()) as u32);
        let mut weights = Vec::with_capacity(settings.units * rows.width());
        for row in first {
            let values = rows.row(row as usize).iter().zip(&mean);
            weights.extend(values.map(|(value, mean)| scale * (value - mean)));
        }
        Ok(Self { settings, mean, weights, gram: OnceLock::new(), steps: 0, samples: 0 })
    }

    /// The encoder as it was saved.
    pub(crate) fn from_state(settings: PursuitSettings, state: &mut State) -> Result<Self> {
        check(&settings)?;
        let (steps, samples) = (state.take("steps")?, state.take("samples")?);
        let mean: Vec<f32> = state.take_array("mean")?;
        let weights: Vec<f32> = state.take_array("weights")?;
        Rows::new(&mean, mean.len().max(1))?.check_finite("mean")?;
        let rows = Rows::new(&weights, mean.len())?;
        rows.check_finite("weights")?;
        if rows.len() != settings.units {
            return Err(Error::shape("weights", format!("{} units", settings.units), rows.len()));
        }
        Ok(Self { settings, mean, weights, gram: OnceLock::new(), steps, samples })
    }

    /// The settings that the encoder was made with.
    pub fn settings(&self) -> &PursuitSettings {
        &self.settings
    }

    fn weights(&self) -> Result<Rows<'_>> {
        Rows::new(&self.weights, self.mean.len())
    }

    /// Appends the codes of `rows`, each swapped through so many times.
    fn encode_swapping(&self, rows: Rows<'_>, swaps: usize, codes: &mut SdrBatch) -> Result<()> {
        let weights = self.weights()?;
        let gram = self.gram.get_or_init(|| products_of_pairs(weights));
        super::encode_in_blocks(self, rows, codes, |block| self.encode_block(block, gram, swaps))
    }

    /// The codes of a block of rows, `(len, k)`.
    fn encode_block(&self, rows: Rows<'_>, gram: &[f32], swaps: usize) -> Result<Vec<u32>> {
        let weights = self.weights()?;
        let centred = without_mean(rows, &self.mean);
        let winners = self.settings.winners;
        let mut codes = Vec::with_capacity(rows.len() * winners);
        pursue(weights, gram, Rows::new(&centred, rows.width())?, |mut greedy, _| {
            greedy.fill(winners);
            greedy.swap(swaps);
            codes.extend(greedy.into_units());
        });
        Ok(codes)
    }
}

impl Encoder for Pursuit {
    fn input_width(&self) -> usize {
        self.mean.len()
    }

    fn units(&self) -> usize {
        self.settings.units
    }

    fn winners(&self) -> usize {
        self.settings.winners
    }

    fn encode_into(&self, rows: Rows<'_>, codes: &mut SdrBatch) -> Result<()> {
        self.encode_swapping(rows, SWAPS_TO_ENCODE, codes)
    }
}

impl Learner for Pursuit {
    fn learn(&mut self, rows: Rows<'_>, _labels: Option<&[u32]>) -> Result<Step> {
        let mut codes = SdrBatch::new(self.settings.units)?;
        self.encode_swapping(rows, SWAPS_TO_LEARN, &mut codes)?;
        let decoded = self.decode(&codes)?;
        let square = |(value, decoded): (&f32, &f32)| f64::from(value - decoded).powi(2);
        let loss = rows.values().iter().zip(&decoded).map(square).sum::<f64>();
        let centred = without_mean(rows, &self.mean);
        let targets = Rows::new(&centred, rows.width())?;
        least_squares::solve(&codes, targets, self.settings.ridge, &mut self.weights);
        self.gram = OnceLock::new();
        self.steps += 1;
        self.samples += rows.len() as u64;
        Ok(Step {
            step: self.steps,
            samples: self.samples,
            loss: loss / rows.values().len().max(1) as f64,
            ..Step::default()
        })
    }
}

impl Decoder for Pursuit {
    fn decode(&self, codes: &SdrBatch) -> Result<Vec<f32>> {
        if codes.units() != self.settings.units {
            let expected = format!("codes of {} units", self.settings.units);
            return Err(Error::shape("codes to decode", expected, codes.units()));
        }
        Ok(add_up(codes, &self.mean, &self.weights))
    }
}

impl Kind for Pursuit {
    offers!(learner, decoder);

    fn schedule(&self) -> Schedule {
        let PursuitSettings { epochs, batch, seed, .. } = self.settings;
        Schedule { epochs, batch, first_batch: batch, steps: None, seed, balanced: false }
    }

    fn filter(&self, unit: usize) -> Vec<f32> {
        self.weights[unit * self.mean.len()..][..self.mean.len()].to_vec()
    }

    fn state(&self) -> State {
        let mut state = State::default();
        state.push("steps", self.steps);
        state.push("samples", self.samples);
        state.push_array("mean", &self.mean);
        state.push_array("weights", &self.weights);
        state
    }
}

fn check(settings: &PursuitSettings) -> Result<()> {
    let PursuitSettings { units, winners, batch, ridge, .. } = *settings;
    check_counts(&[("batch", batch)])?;
    super::settings::check_positive(&[("ridge", ridge)])?;
    for (key, most, value) in [("units", MOST_UNITS, units), ("winners", units, winners)] {
        if !(1..=most).contains(&value) {
            return Err(Error::setting(key, format!("1 to {most}"), value));
        }
    }
    Ok(())
}

/// Rounds of ten steps that rows are learned in from nothing, and the ridge that keeps those of rare units small.
const ROUNDS_FROM_NOTHING: usize = 4;
const RIDGE: f32 = 1.0;

/// The mean of `inputs`, `(width,)`, and rows of the codes' units, `(n, width)`, that with it add up to the inputs best,
/// an input a code.
pub(crate) fn learn_rows(codes: &SdrBatch, inputs: Rows<'_>) -> Result<(Vec<f32>, Vec<f32>)> {
    let (mean, mut weights) = (mean_of(inputs), vec![0.0; codes.units() * inputs.width()]);
    let centred = without_mean(inputs, &mean);
    let targets = Rows::new(&centred, inputs.width())?;
    for _ in 0..ROUNDS_FROM_NOTHING {
        least_squares::solve(codes, targets, RIDGE, &mut weights);
    }
    Ok((mean, weights))
}

/// For each code `mean + Σ` rows of its units: `(len, width)`. On all cores.
pub(crate) fn add_up(codes: &SdrBatch, mean: &[f32], weights: &[f32]) -> Vec<f32> {
    let mut decoded = mean.repeat(codes.len());
    decoded.par_chunks_exact_mut(mean.len()).enumerate().for_each(|(number, out)| {
        let units = codes.get(number).indices().iter();
        let parts: Vec<Weighted> = units.map(|&row| Weighted { row, factor: 1.0 }).collect();
        (kernel::table().add_weighted_rows)(weights, &parts, out);
    });
    decoded
}

/// `codes` with units swapped, one for one, while that lowers `Σ |x - mean - Σ w_i|²`, row by row.
pub(crate) fn refine(
    codes: &SdrBatch,
    inputs: Rows<'_>,
    (mean, weights): (&[f32], Rows<'_>),
) -> Result<SdrBatch> {
    if weights.len() > MOST_UNITS {
        return Err(Error::setting("units", format!("at most {MOST_UNITS}"), weights.len()));
    }
    let gram = products_of_pairs(weights);
    let blocks: Vec<(usize, Rows<'_>)> = inputs.blocks(ROWS_A_TASK).enumerate().collect();
    let of_block = |(block, rows): (usize, Rows<'_>)| -> Result<Vec<Vec<u32>>> {
        let centred = without_mean(rows, mean);
        let mut refined = Vec::with_capacity(rows.len());
        pursue(weights, &gram, Rows::new(&centred, rows.width())?, |mut greedy, row| {
            greedy.take_in_all(codes.get(block * ROWS_A_TASK + row).indices());
            greedy.swap(SWAPS_TO_ENCODE);
            refined.push(greedy.into_units());
        });
        Ok(refined)
    };
    let refined: Vec<Vec<Vec<u32>>> =
        blocks.into_par_iter().map(of_block).collect::<Result<_>>()?;
    let mut out = SdrBatch::new(codes.units())?;
    refined.iter().flatten().try_for_each(|code| out.push(code))?;
    Ok(out)
}

/// Gives `work` every row's beginning and its number.
fn pursue(
    weights: Rows<'_>,
    gram: &[f32],
    centred: Rows<'_>,
    mut work: impl FnMut(Greedy<'_>, usize),
) {
    let mut products = vec![0.0; centred.len() * weights.len()];
    product_transposed(centred, weights, &mut products);
    for (row, products) in products.chunks_exact_mut(weights.len()).enumerate() {
        work(Greedy::new(gram, products), row);
    }
}

/// `(n, n)`. On one core: whoever waits for it may be a task of the same pool.
fn products_of_pairs(weights: Rows<'_>) -> Vec<f32> {
    let mut gram = vec![0.0; weights.len() * weights.len()];
    product_transposed(weights, weights, &mut gram);
    gram
}

fn mean_of(inputs: Rows<'_>) -> Vec<f32> {
    let mut sums = vec![0.0f64; inputs.width()];
    for row in &inputs {
        sums.iter_mut().zip(row).for_each(|(sum, &value)| *sum += f64::from(value));
    }
    sums.into_iter().map(|sum| (sum / inputs.len() as f64) as f32).collect()
}

fn without_mean(rows: Rows<'_>, mean: &[f32]) -> Vec<f32> {
    let pairs = rows.iter().flat_map(|row| row.iter().zip(mean));
    pairs.map(|(value, mean)| value - mean).collect()
}
