//! Random projections: the untrained baseline that every learner has to beat.

use super::scaling::{InputScaling, Scaling};
use super::settings::{choice, settings};
use super::weights::UnitWeights;
use super::{Encoder, Inputs, Kind, Schedule, State};
use crate::error::{Error, Result};
use crate::kernel::tiles::BlockedRows;
use crate::kernel::{SelectScratch, product};
use crate::kwta::KWinners;
use crate::rng::Rng;
use crate::rows::Rows;
use crate::sdr::SdrBatch;

choice! {
    /// How the random weights are drawn.
    Projection {
        /// Each unit sums a few inputs, drawn without replacement: the fly's.
        Sparse = "sparse",
        /// Each weight is standard normal.
        Gaussian = "gaussian",
    }
}

choice! {
    /// Among which units the winners are picked.
    Selection {
        /// The `k` best of all `n`.
        Global = "global",
        /// The best of each of `k` blocks of `n / k` units: a winner-take-all code.
        Blocks = "blocks",
    }
}

settings! {
    /// Settings of a [`RandomProjection`].
    RandomProjectionSettings {
        /// Units of a code, `n`.
        units: usize = 1000,
        /// Active units of every code, `k`.
        winners: usize = 30,
        /// Seed of the weights.
        seed: u64 = 0,
        /// How the weights are drawn: sparse or gaussian.
        projection: Projection = Projection::Sparse,
        /// Inputs that a unit of a sparse projection sums; 0 means a tenth of them.
        inputs_a_unit: usize = 0,
        /// Winners: the best of all units (global), or the best of each of k equal blocks (blocks).
        selection: Selection = Selection::Global,
        /// What is done to inputs: raw, centred or standardised.
        input: InputScaling = InputScaling::Centred,
    }
}

/// `scores = W x`, the `k` best are the code; `W`, `(n, width)`, is random and stays so.
///
/// Sparse is the fly's olfactory hash: Dasgupta, Stevens and Navlakha, "A neural algorithm for a
/// fundamental computing problem", Science 358, 2017. One winner a block is the winner-take-all hash
/// of Yagnik et al., "The power of comparative reasoning", ICCV 2011. Cost: `O(n · width)` a row, less the inputs
/// that are 0 if they are not centred.
///
/// ```
/// use kwinners::encoder::{Encoder, RandomProjection, RandomProjectionSettings};
/// use kwinners::Rows;
/// let inputs = [0.9, 0.1, 0.0, 0.2, 0.8, 0.1, 0.0, 0.3];
/// let rows = Rows::new(&inputs, 4)?;
/// let settings = RandomProjectionSettings { units: 64, winners: 5, ..Default::default() };
/// let codes = RandomProjection::new(settings, rows)?.encode(rows)?;
/// assert_eq!((codes.len(), codes.winners()), (2, Some(5)));
/// # Ok::<(), kwinners::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct RandomProjection {
    settings: RandomProjectionSettings,
    k_winners: KWinners,
    scaling: Scaling,
    width: usize,
    weights: Weights,
}

#[derive(Clone, Debug)]
enum Weights {
    Sparse(UnitWeights),
    /// Row-major, `(n, width)`.
    Dense(Vec<f32>),
}

impl RandomProjection {
    /// A projection of inputs like `inputs`, from which only the scaling is learned.
    ///
    /// # Errors
    /// If a setting is out of range, or the inputs hold NaN or infinity.
    pub fn new<'a>(
        settings: RandomProjectionSettings,
        inputs: impl Into<Inputs<'a>>,
    ) -> Result<Self> {
        let rows = inputs.into().rows;
        rows.check_finite("training inputs")?;
        check(&settings)?;
        let scaling = Scaling::learn(settings.input, rows)?;
        let weights = draw(&settings, rows.width())?;
        Self::of_parts(settings, scaling, rows.width(), weights)
    }

    /// The projection as it was saved.
    pub(crate) fn from_state(
        settings: RandomProjectionSettings,
        state: &mut State,
    ) -> Result<Self> {
        check(&settings)?;
        let width = state.take("width")?;
        let scaling = Scaling::take_from(state, width)?;
        Self::of_parts(settings, scaling, width, state.take_array("weights")?)
    }

    /// `weights` are row-major, `(n, width)`.
    fn of_parts(
        settings: RandomProjectionSettings,
        scaling: Scaling,
        width: usize,
        weights: Vec<f32>,
    ) -> Result<Self> {
        let rows = Rows::new(&weights, width)?;
        if rows.len() != settings.units {
            return Err(Error::shape("weights", format!("{} units", settings.units), rows.len()));
        }
        rows.check_finite("weights")?;
        let weights = match settings.projection {
            Projection::Sparse => Weights::Sparse(UnitWeights::from_rows(rows)?),
            Projection::Gaussian => Weights::Dense(weights),
        };
        let k_winners = KWinners::new(settings.units, settings.winners)?;
        Ok(Self { k_winners, scaling, width, weights, settings })
    }

    /// The settings that the projection was made with.
    pub fn settings(&self) -> &RandomProjectionSettings {
        &self.settings
    }

    /// The weights of one unit, `(width,)`.
    ///
    /// # Panics
    /// If there is no such unit.
    pub fn filter(&self, unit: usize) -> Vec<f32> {
        assert!(unit < self.settings.units, "unit {unit} of {}", self.settings.units);
        match &self.weights {
            Weights::Sparse(weights) => weights.row(unit),
            Weights::Dense(weights) => weights[unit * self.width..][..self.width].to_vec(),
        }
    }

    /// Winners of a block of rows, `(len, k)`.
    fn encode_block(&self, rows: Rows<'_>) -> Result<Vec<u32>> {
        let (mut scores, stride) = (Vec::new(), self.score_stride());
        match &self.weights {
            Weights::Sparse(weights) => {
                let mut inputs = BlockedRows::default();
                inputs.clear(self.width, rows.len());
                for row in &rows {
                    inputs.push(self.width, |slots| {
                        slots.copy_from_slice(row);
                        self.scaling.apply(slots);
                    });
                }
                weights.scores(&mut inputs, &mut scores);
            }
            Weights::Dense(weights) => {
                let mut scaled = rows.values().to_vec();
                scaled.chunks_exact_mut(self.width).for_each(|row| self.scaling.apply(row));
                let scaled = Rows::new(&scaled, self.width)?;
                scores.resize(rows.len() * stride, 0.0);
                let weights = Rows::new(weights, self.width)?;
                product::product_transposed(scaled, weights, &mut scores);
            }
        }
        let mut winners = vec![0; rows.len() * self.settings.winners];
        let mut scratch = SelectScratch::default();
        for (row, slots) in winners.chunks_exact_mut(self.settings.winners).enumerate() {
            let scores = &scores[row * stride..][..self.settings.units];
            match self.settings.selection {
                Selection::Global => self.k_winners.pick(row, scores, &mut scratch, slots)?,
                Selection::Blocks => self.k_winners.pick_of_blocks(row, scores, slots)?,
            }
        }
        Ok(winners)
    }

    fn score_stride(&self) -> usize {
        match &self.weights {
            Weights::Sparse(weights) => weights.padded_units(),
            Weights::Dense(_) => self.settings.units,
        }
    }
}

impl Encoder for RandomProjection {
    fn input_width(&self) -> usize {
        self.width
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

impl Kind for RandomProjection {
    fn setting_list(&self) -> Vec<(&'static str, String)> {
        self.settings.list()
    }

    fn schedule(&self) -> Schedule {
        Schedule { epochs: 0, batch: 1, steps: None, seed: self.settings.seed, balanced: false }
    }

    fn filter(&self, unit: usize) -> Vec<f32> {
        self.filter(unit)
    }

    fn state(&self) -> State {
        let mut state = State::default();
        state.push("width", self.width);
        self.scaling.push_to(&mut state);
        match &self.weights {
            Weights::Sparse(weights) => state.push_array("weights", &weights.to_rows()),
            Weights::Dense(weights) => state.push_array("weights", weights),
        }
        state
    }
}

fn check(settings: &RandomProjectionSettings) -> Result<()> {
    KWinners::new(settings.units, settings.winners)?;
    let even = settings.units.is_multiple_of(settings.winners);
    if settings.selection == Selection::Blocks && !even {
        let expected = format!("a divisor of {} units, for blocks of equal size", settings.units);
        return Err(Error::setting("winners", expected, settings.winners));
    }
    Ok(())
}

/// The weights of `settings`, row-major, `(n, width)`; each unit draws from a stream of its own.
fn draw(settings: &RandomProjectionSettings, width: usize) -> Result<Vec<f32>> {
    let inputs = match settings.inputs_a_unit {
        0 => width.div_ceil(10),
        inputs => inputs,
    };
    if inputs > width {
        let expected = format!("at most {width}, the width of the inputs");
        return Err(Error::setting("inputs_a_unit", expected, inputs));
    }
    let mut weights = vec![0.0; settings.units * width];
    for (unit, row) in weights.chunks_exact_mut(width).enumerate() {
        let mut rng = Rng::of_stream(settings.seed, unit as u64);
        match settings.projection {
            Projection::Sparse => {
                rng.distinct(inputs, width).into_iter().for_each(|input| row[input as usize] = 1.0);
            }
            Projection::Gaussian => row.iter_mut().for_each(|weight| *weight = rng.normal()),
        }
    }
    Ok(weights)
}
