//! The lossy tied-weights encoder: one matrix that encodes, decodes and learns by a local rule.
//!
//! Source: the thread "Lossy MNIST encoder", HTM forum 10138, where learning rate and boosting
//! were left open.

mod learn;

use rayon::prelude::*;

use super::scaling::{InputScaling, Scaling};
use super::settings::{check_counts, check_positive, choice, settings};
use super::weights::{ByTile, UnitWeights};
use super::{Decoder, Encoder, Inputs, Kind, ROWS_A_TASK, Schedule, State, offers};
use crate::error::{Error, Result};
use crate::kernel::SelectScratch;
use crate::kernel::tiles::BlockedRows;
use crate::kwta::{Balance, Boost, DutyCycle, KWinners};
use crate::net::LayerView;
use crate::rng::Rng;
use crate::rows::Rows;
use crate::sdr::SdrBatch;
use learn::Workspace;

/// Samples after which the balance has brought every unit into use on all data tried.
const ENOUGH_SAMPLES: usize = 300_000;
const FEWEST_EPOCHS: usize = 5;

choice! {
    /// What keeps all units of a [`Tied`] encoder in use.
    Boosting {
        /// A learned bias, kept in the model and used the same way after training.
        Balance = "balance",
        /// `score + strength · (k/n - duty)`, the forum's, in the form that suits signed scores.
        Additive = "additive",
        /// `score · exp(strength · (k/n - duty))`.
        Multiplicative = "multiplicative",
        /// Nothing: nearly all units die, as the thread says.
        None = "none",
    }
}

settings! {
    /// Settings of a [`Tied`] encoder.
    TiedSettings {
        /// Units of a code, `n`.
        units: usize = 1000,
        /// Active units of every code, `k`.
        winners: usize = 30,
        /// Passes over the training data; 0 means as many as show 300,000 samples, and at least 5.
        epochs: usize = 0,
        /// Samples a step; 1 is the forum's online rule.
        batch: usize = 64,
        /// How far each winner moves towards what the reconstruction lacks, a sample.
        learning_rate: f32 = 0.003,
        /// Seed of the first weights and of the order of the samples.
        seed: u64 = 0,
        /// What keeps all units in use: balance, additive, multiplicative or none.
        boosting: Boosting = Boosting::Balance,
        /// Strength of additive or multiplicative boosting.
        boost_strength: f32 = 30.0,
        /// Whether boosting from the duty cycle also ranks when encoding after training.
        boost_when_encoding: bool = false,
        /// Samples that the duty cycle reaches back.
        duty_period: u64 = 1000,
        /// Rate of the balance, in standard deviations of a sample's scores, a sample.
        balance_rate: f32 = 0.003,
        /// Whether reconstructions are cut off at 0.
        nonnegative: bool = true,
        /// What is done to inputs: raw, centred or standardised.
        input: InputScaling = InputScaling::Raw,
    }
}

/// The tied encoder: `scores = W x`, the `k` best are the code `s`, `r = max(0, Wᵀ s)` is what it
/// stands for, and learning moves each winner's row by `learning_rate · (x - r)`.
///
/// `W` is `(n, width)`. Encoding costs `O(n · active inputs)`, decoding and learning
/// `O(k · width)` a sample: only winners are touched.
///
/// ```
/// use kwinners::encoder::{Decoder, Encoder, Learner, Tied, TiedSettings};
/// use kwinners::Rows;
/// let images: Vec<f32> = (0..40).map(|i| (i % 10 < 5) as u8 as f32).collect();
/// let rows = Rows::new(&images, 10)?;
/// let settings = TiedSettings { units: 32, winners: 4, learning_rate: 0.1, ..Default::default() };
/// let mut tied = Tied::new(settings, rows)?;
/// let first = tied.learn(rows, None)?.loss;
/// let last = (0..50).map(|_| tied.learn(rows, None)).last().unwrap()?.loss;
/// assert!(last < first / 2.0);
/// let codes = tied.encode(rows)?;
/// assert_eq!(codes.winners(), Some(4));
/// assert_eq!(tied.decode(&codes)?.len(), 40);
/// # Ok::<(), kwinners::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Tied {
    settings: TiedSettings,
    k_winners: KWinners,
    scaling: Scaling,
    weights: UnitWeights,
    duty: DutyCycle,
    balance: Balance,
    samples: u64,
    steps: u64,
    workspace: Workspace,
}

impl Tied {
    /// An untrained encoder for inputs like `inputs`, from which only the scaling is learned.
    ///
    /// The first weights are uniform in ±0.01, as in the thread.
    ///
    /// # Errors
    /// If a setting is out of range, or the inputs hold NaN or infinity.
    pub fn new<'a>(mut settings: TiedSettings, inputs: impl Into<Inputs<'a>>) -> Result<Self> {
        let rows = inputs.into().rows;
        rows.check_finite("training inputs")?;
        check(&settings)?;
        if settings.epochs == 0 {
            settings.epochs = ENOUGH_SAMPLES.div_ceil(rows.len().max(1)).max(FEWEST_EPOCHS);
        }
        let mut rng = Rng::of_stream(settings.seed, 0);
        let mut weights = UnitWeights::zeros(settings.units, rows.width());
        for unit in 0..settings.units {
            let row: Vec<f32> = (0..rows.width()).map(|_| rng.between(-0.01, 0.01)).collect();
            weights.set_row(unit, &row);
        }
        Ok(Self {
            k_winners: KWinners::new(settings.units, settings.winners)?,
            scaling: Scaling::learn(settings.input, rows)?,
            weights,
            duty: DutyCycle::new(settings.units, settings.duty_period)?,
            balance: Balance::new(settings.units),
            samples: 0,
            steps: 0,
            workspace: Workspace::default(),
            settings,
        })
    }

    /// The encoder as it was saved.
    pub(crate) fn from_state(settings: TiedSettings, state: &mut State) -> Result<Self> {
        check(&settings)?;
        let width = state.take("width")?;
        let rows = state.take_array::<f32>("weights")?;
        let weights = UnitWeights::from_rows(Rows::new(&rows, width)?)?;
        weights.check_shape(settings.units, width)?;
        let (duty, duty_samples) = (state.take_array("duty")?, state.take("duty_samples")?);
        let duty = DutyCycle::from_parts(duty, settings.duty_period, duty_samples)?;
        let balance = Balance::from_parts(state.take_array("bias")?, state.take("spread")?)?;
        for (what, length) in [("duty cycle", duty.values().len()), ("bias", balance.bias().len())]
        {
            if length != settings.units {
                return Err(Error::shape(what, settings.units, length));
            }
        }
        Ok(Self {
            k_winners: KWinners::new(settings.units, settings.winners)?,
            scaling: Scaling::take_from(state, width)?,
            weights,
            duty,
            balance,
            samples: state.take("samples")?,
            steps: state.take("steps")?,
            workspace: Workspace::default(),
            settings,
        })
    }

    /// The settings that the encoder was made with.
    pub fn settings(&self) -> &TiedSettings {
        &self.settings
    }

    /// The weights of one unit, `(width,)`.
    ///
    /// # Panics
    /// If there is no such unit.
    pub fn filter(&self, unit: usize) -> Vec<f32> {
        assert!(unit < self.settings.units, "unit {unit} of {}", self.settings.units);
        self.weights.row(unit)
    }

    /// Share of the last samples that each unit won while learning, `(n,)`.
    pub fn duty_cycle(&self) -> &DutyCycle {
        &self.duty
    }

    fn boost(&self) -> Boost {
        let strength = self.settings.boost_strength;
        match self.settings.boosting {
            Boosting::Additive => Boost::Additive { strength },
            Boosting::Multiplicative => Boost::Multiplicative { strength },
            Boosting::Balance | Boosting::None => Boost::None,
        }
    }

    /// Ranks one row of scores the way this encoder does while learning or after.
    fn rank(&self, scores: &mut [f32], learning: bool) {
        if self.settings.boosting == Boosting::Balance {
            self.balance.apply(scores);
        } else if learning || self.settings.boost_when_encoding {
            let target = self.settings.winners as f32 / self.settings.units as f32;
            self.boost().apply(scores, &self.duty, target);
        }
    }

    /// Cuts `rows` into blocks, scaled.
    fn load(&self, rows: Rows<'_>, inputs: &mut BlockedRows) {
        inputs.clear(rows.width(), rows.len());
        for row in &rows {
            inputs.push(rows.width(), |slots| {
                slots.copy_from_slice(row);
                self.scaling.apply(slots);
            });
        }
    }

    /// Winners of a block of rows, `(len, k)`.
    fn encode_block(&self, rows: Rows<'_>) -> Result<Vec<u32>> {
        let (mut inputs, mut scores) = (BlockedRows::default(), Vec::new());
        self.load(rows, &mut inputs);
        self.weights.scores(&mut inputs, &mut scores);
        let mut winners = vec![0; rows.len() * self.settings.winners];
        let mut scratch = SelectScratch::default();
        let stride = self.weights.padded_units();
        for (row, slots) in winners.chunks_exact_mut(self.settings.winners).enumerate() {
            let scores = &mut scores[row * stride..][..self.settings.units];
            self.rank(scores, false);
            self.k_winners.pick(row, scores, &mut scratch, slots)?;
        }
        Ok(winners)
    }

    /// The reconstructions of the rows that `listed` names the winners of, in scaled input space,
    /// `(rows, padded_width)`.
    fn reconstruct(&self, listed: &ByTile, rows: usize, out: &mut Vec<f32>) {
        self.weights.sum_rows(listed, rows, out);
        if self.settings.nonnegative {
            for row in out.chunks_exact_mut(self.weights.padded_width()) {
                self.scaling.cut_at_zero(&mut row[..self.weights.width()]);
            }
        }
    }
}

impl Encoder for Tied {
    fn input_width(&self) -> usize {
        self.weights.width()
    }

    fn units(&self) -> usize {
        self.settings.units
    }

    fn winners(&self) -> usize {
        self.settings.winners
    }

    fn encode_into(&self, rows: Rows<'_>, codes: &mut SdrBatch) -> Result<()> {
        super::encode_in_blocks(self, rows, codes, |block| self.encode_block(block))
    }
}

impl Decoder for Tied {
    fn decode(&self, codes: &SdrBatch) -> Result<Vec<f32>> {
        if codes.units() != self.settings.units {
            let expected = format!("{} units", self.settings.units);
            return Err(Error::shape("codes", expected, codes.units()));
        }
        let (width, padded) = (self.weights.width(), self.weights.padded_width());
        let mut rows = vec![0.0; codes.len() * width];
        rows.par_chunks_mut(width * ROWS_A_TASK).enumerate().for_each(|(task, rows)| {
            let (mut listed, mut sums) = (ByTile::default(), Vec::new());
            let len = rows.len() / width;
            let codes = (0..len).map(|row| codes.get(task * ROWS_A_TASK + row).indices());
            listed.sort(self.settings.units, codes);
            self.reconstruct(&listed, len, &mut sums);
            for (row, sums) in rows.chunks_exact_mut(width).zip(sums.chunks_exact(padded)) {
                row.copy_from_slice(&sums[..width]);
                self.scaling.invert(row);
            }
        });
        Ok(rows)
    }
}

impl Kind for Tied {
    offers!(learner, decoder);

    fn schedule(&self) -> Schedule {
        let TiedSettings { epochs, batch, seed, .. } = self.settings;
        Schedule { epochs, batch, first_batch: batch, steps: None, seed, balanced: false }
    }

    fn filter(&self, unit: usize) -> Vec<f32> {
        self.filter(unit)
    }

    fn layers(&self) -> Vec<LayerView<'_>> {
        let name = "weights".to_owned();
        vec![LayerView { name, weights: self.weights.values(), slopes: &[] }]
    }

    fn state(&self) -> State {
        let mut state = State::default();
        state.push("width", self.weights.width());
        state.push("samples", self.samples);
        state.push("steps", self.steps);
        state.push("duty_samples", self.duty.samples());
        state.push("spread", self.balance.spread());
        state.push_array("weights", &self.weights.to_rows());
        self.scaling.push_to(&mut state);
        state.push_array("duty", self.duty.values());
        state.push_array("bias", self.balance.bias());
        state
    }
}

fn check(settings: &TiedSettings) -> Result<()> {
    KWinners::new(settings.units, settings.winners)?;
    check_positive(&[("learning_rate", settings.learning_rate)])?;
    if settings.boosting == Boosting::Balance {
        check_positive(&[("balance_rate", settings.balance_rate)])?;
    }
    check_counts(&[("batch", settings.batch)])
}
