//! Boosting: units that win too seldom are ranked higher than their scores say.

use super::DutyCycle;

/// How a score is changed before winners are picked, from the unit's [`DutyCycle`].
///
/// The target is `k / n`. Boosting ranks; it never changes what a winner passes on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Boost {
    /// Scores as they are.
    None,
    /// `score · exp(strength · (k/n - d))`. Source: Ahmad and Scheinkman 2019, section 2.2. Works
    /// backwards on negative scores.
    Multiplicative {
        /// `β`; 1.5 in the paper.
        strength: f32,
    },
    /// `score + strength · (k/n - d)`: the same push whatever the sign of the score.
    Additive {
        /// `β`, in units of the score.
        strength: f32,
    },
}

impl Boost {
    /// Boosts one row of scores, `(n,)`, in place; `target` is `k / n`.
    ///
    /// ```
    /// use kwinners::{Boost, DutyCycle};
    /// let duty = DutyCycle::from_parts(vec![1.0, 0.0], 1000, 1000)?;
    /// let mut scores = [2.0, 1.0];
    /// Boost::Additive { strength: 4.0 }.apply(&mut scores, &duty, 0.5);
    /// assert_eq!(scores, [0.0, 3.0]);
    /// # Ok::<(), kwinners::Error>(())
    /// ```
    pub fn apply(&self, scores: &mut [f32], duty: &DutyCycle, target: f32) {
        let pairs = scores.iter_mut().zip(duty.values());
        match *self {
            Self::None => {}
            Self::Multiplicative { strength } => {
                pairs.for_each(|(score, duty)| *score *= (strength * (target - duty)).exp());
            }
            Self::Additive { strength } => {
                pairs.for_each(|(score, duty)| *score += strength * (target - duty));
            }
        }
    }
}
