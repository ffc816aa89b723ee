//! How many pairs a memory takes, by formula.

use crate::error::{Error, Result};
use crate::sdr::{code_bits, ln_factorial};

/// Most pairs that a plan is made for.
const MOST_PAIRS: u64 = 1 << 40;
/// Standard deviations of a unit's use that are summed over.
const SPREAD: f64 = 12.0;
/// Points of that sum at most: it is smooth where it is wide.
const MOST_POINTS: u64 = 4096;

/// What is stored in a memory: random exactly-k codes on both sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct MemoryShape {
    /// Units of a cue.
    pub cue_units: usize,
    /// Active units of a stored cue.
    pub cue_winners: usize,
    /// Units of a target.
    pub target_units: usize,
    /// Active units of a target.
    pub target_winners: usize,
    /// Active units that a recall is shown of the cue; none of them wrong.
    pub shown: usize,
}

/// What a memory is expected to do with so many random pairs, recalled by [`super::RecallRule::All`].
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
#[non_exhaustive]
pub struct MemoryPlan {
    /// The codes.
    pub shape: MemoryShape,
    /// Pairs stored.
    pub pairs: u64,
    /// Share of the synapses that are on, `1 - (1 - k_cue k_target / (n_cue n_target))^pairs`.
    pub load: f64,
    /// Units that answer and should not, a recall.
    pub false_bits: f64,
    /// Bits of the stored targets a synapse.
    pub bits_a_synapse: f64,
    /// Bytes of a full matrix.
    pub bytes: u64,
}

impl MemoryShape {
    /// Codes of `units` units with `winners` on, on both sides, recalled from whole cues.
    pub fn square(units: usize, winners: usize) -> Self {
        Self {
            cue_units: units,
            cue_winners: winners,
            target_units: units,
            target_winners: winners,
            shown: winners,
        }
    }

    fn check(&self) -> Result<()> {
        let Self { cue_units, cue_winners, target_units, target_winners, shown } = *self;
        super::check_units(cue_units, target_units)?;
        for (key, winners, most) in [
            ("cue_winners", cue_winners, cue_units),
            ("target_winners", target_winners, target_units),
            ("shown", shown, cue_winners),
        ] {
            if !(1..=most).contains(&winners) {
                return Err(Error::setting(key, format!("1 to {most}"), winners));
            }
        }
        Ok(())
    }

    /// Units that answer wrongly, a recall, after `pairs`.
    ///
    /// A target unit is in `c` of the pairs, binomially; then each row of the cue has it on with
    /// probability `1 - (1 - k_cue / n_cue)^c`, and it answers if all shown rows have. The mean over `c`
    /// is above what the mean `c` gives: units that are used more often answer wrongly far more often.
    fn false_bits(&self, pairs: u64) -> f64 {
        let share = self.target_winners as f64 / self.target_units as f64;
        let quiet = (-(self.cue_winners as f64) / self.cue_units as f64).ln_1p();
        let answers = |uses: u64| match uses {
            0 => 0.0,
            uses => (-(uses as f64 * quiet).exp_m1()).powi(self.shown as i32),
        };
        let (mean, deviation) =
            (pairs as f64 * share, (pairs as f64 * share * (1.0 - share)).sqrt());
        let others = (self.target_units - self.target_winners) as f64;
        if deviation == 0.0 {
            return others * answers(pairs);
        }
        let low = (mean - SPREAD * deviation).max(0.0).floor() as u64;
        let high = ((mean + SPREAD * deviation + SPREAD).ceil() as u64).min(pairs);
        let step = (high - low) / MOST_POINTS + 1;
        // Relative to the likeliest, so that no weight is too small for a number.
        let logarithm = |uses: u64| {
            let others = pairs - uses;
            uses as f64 * share.ln() + others as f64 * (-share).ln_1p()
                - ln_factorial(uses as usize)
                - ln_factorial(others as usize)
        };
        let top = logarithm(mean.floor() as u64);
        let (mut weights, mut sum) = (0.0, 0.0);
        for uses in (low..=high).step_by(step as usize) {
            let weight = (logarithm(uses) - top).exp();
            weights += weight;
            sum += weight * answers(uses);
        }
        others * sum / weights
    }
}

impl MemoryPlan {
    /// What to expect after `pairs`. Cost: some thousand logarithms.
    ///
    /// Source: Willshaw, Buneman and Longuet-Higgins 1969, with the spread of the units' use as in
    /// Knoblauch, Palm and Sommer, "Memory capacities for synaptic and structural plasticity", Neural
    /// Computation 22, 2010.
    ///
    /// ```
    /// use kwinners::memory::{MemoryPlan, MemoryShape};
    /// let plan = MemoryPlan::of_pairs(MemoryShape::square(1000, 10), 2000)?;
    /// // 1 - (1 - 0.0001)^2000
    /// assert!((plan.load - 0.1813).abs() < 1e-4);
    /// assert!(plan.false_bits < 1e-3);
    /// # Ok::<(), kwinners::Error>(())
    /// ```
    ///
    /// # Errors
    /// If there are no such codes, or more than 2⁴⁰ pairs.
    pub fn of_pairs(shape: MemoryShape, pairs: u64) -> Result<Self> {
        shape.check()?;
        if pairs > MOST_PAIRS {
            return Err(Error::setting("pairs", format!("at most {MOST_PAIRS}"), pairs));
        }
        let synapses = shape.cue_units as f64 * shape.target_units as f64;
        let density = (shape.cue_winners * shape.target_winners) as f64 / synapses;
        let bits = code_bits(shape.target_units, shape.target_winners);
        Ok(Self {
            shape,
            pairs,
            load: -(pairs as f64 * (-density).ln_1p()).exp_m1(),
            false_bits: shape.false_bits(pairs),
            bits_a_synapse: pairs as f64 * bits / synapses,
            bytes: (shape.cue_units * super::words_a_row(shape.target_units) * 8) as u64,
        })
    }

    /// The most pairs that leave at most `false_bits` a recall.
    ///
    /// # Errors
    /// If there are no such codes, or `false_bits` is not above 0 and below the units that can be wrong.
    pub fn of_false_bits(shape: MemoryShape, false_bits: f64) -> Result<Self> {
        shape.check()?;
        let most = (shape.target_units - shape.target_winners) as f64;
        if !(false_bits > 0.0 && false_bits < most) {
            let expected = format!("a number above 0 and below {most}");
            return Err(Error::setting("false_bits", expected, false_bits));
        }
        let (mut low, mut high) = (0, 1);
        while high < MOST_PAIRS && shape.false_bits(high) <= false_bits {
            (low, high) = (high, 2 * high);
        }
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            if shape.false_bits(middle) <= false_bits {
                low = middle;
            } else {
                high = middle;
            }
        }
        Self::of_pairs(shape, low)
    }
}
