//! Attacks: changes to inputs, none of a value by more than `ε`, that make a classifier err.
//!
//! What is found is an upper bound of how robust the classifier is, see [`ATTACK_WARNING`].

mod gradient;
mod rays;

pub use rays::Rays;

use gradient::Climb;

use super::{accuracy, check_labels};
use crate::encoder::Classify;
use crate::error::{Error, Result};
use crate::rows::Rows;

/// What has to be said wherever figures of attacks stand.
pub const ATTACK_WARNING: &str = "\
Accuracy under attack is an upper bound: another attack may find more. k-winners, like everything that cuts or \
flattens gradients, hides weakness from attacks by gradient (gradient masking), so the attacks that need none, \
transfer and decision-based, have to be read beside them. kwinners claims no adversarial robustness.";

/// The `ε` that attacks are tried at where nothing else is asked for, for values from 0 to 1.
pub const ATTACK_LEVELS: [f64; 7] = [0.0, 0.003, 0.1, 0.15, 0.2, 0.25, 0.3];

/// A way of changing inputs. Each step is clamped to `ε` about the input and to the range of the data.
///
/// Attacks by gradient follow that of `-ln softmax(scores)[label]` whatever the classifier was fitted by, in the form
/// `softmax` of the other classes' scores minus the label's, which has the same direction and does not
/// vanish in rounding when the classifier is sure. They keep the first change that is misread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Attack {
    /// `fgsm`: one step of `ε` up the sign of the gradient.
    ///
    /// Source: Goodfellow, Shlens and Szegedy, "Explaining and harnessing adversarial examples", 2015.
    FastGradient,
    /// `iterated-fgsm`: steps of `ε / steps`.
    ///
    /// Source: Kurakin, Goodfellow and Bengio, "Adversarial examples in the physical world", 2017.
    IteratedFastGradient {
        /// Steps, at least 1.
        steps: usize,
    },
    /// `pgd`: steps of `2.5 ε / steps` from a random place within `ε`.
    ///
    /// Source: Madry and others, "Towards deep learning models resistant to adversarial attacks", 2018.
    ProjectedGradient {
        /// Steps, at least 1.
        steps: usize,
        /// Random places to start from, one after the other for what is still read rightly.
        starts: usize,
    },
    /// `decision`: needs the answers of the classifier only, see [`Rays`].
    Decision {
        /// Questions that may be asked about an input.
        queries: usize,
    },
}

impl Attack {
    /// The name, such as `fgsm`.
    pub fn name(self) -> &'static str {
        match self {
            Self::FastGradient => "fgsm",
            Self::IteratedFastGradient { .. } => "iterated-fgsm",
            Self::ProjectedGradient { .. } => "pgd",
            Self::Decision { .. } => "decision",
        }
    }

    /// What `target`'s rows become at `epsilon`, `(len, width)`: misread by `model`, as far as the attack can.
    /// What is misread as it is stays as it is. Cost: a pass forward and one back for each step of each
    /// row that is not misread yet; a pass forward for each query.
    ///
    /// # Errors
    /// If the rows don't fit the model, `epsilon` is no number from 0 on, or the attack follows gradients and the model
    /// has none.
    pub fn examples(
        self,
        model: &dyn Classify,
        target: &Target<'_>,
        epsilon: f64,
    ) -> Result<Vec<f32>> {
        check_epsilon(epsilon)?;
        if let Self::Decision { queries } = self {
            return Ok(Rays::search(model, target, queries, 0.0)?.examples(target, epsilon));
        }
        let mut climb = Climb::new(model, target, epsilon as f32, true)?;
        self.climb(&mut climb)?;
        Ok(climb.into_examples())
    }

    /// The share of `target`'s rows that `model` reads rightly at each of `epsilons`, as they are and as the
    /// attack makes them. An attack by decisions searches once for all.
    ///
    /// # Errors
    /// As [`Attack::examples`].
    pub fn accuracies(
        self,
        model: &dyn Classify,
        target: &Target<'_>,
        epsilons: &[f64],
    ) -> Result<Vec<f64>> {
        epsilons.iter().try_for_each(|epsilon| check_epsilon(*epsilon))?;
        if let Self::Decision { queries } = self {
            let least = epsilons.iter().copied().filter(|epsilon| *epsilon > 0.0);
            let least = least.fold(f64::INFINITY, f64::min);
            let rays = Rays::search(model, target, queries, least as f32)?;
            return Ok(epsilons.iter().map(|epsilon| rays.accuracy(*epsilon)).collect());
        }
        let read = |epsilon: &f64| {
            let examples = self.examples(model, target, *epsilon)?;
            let examples = Rows::new(&examples, target.rows.width())?;
            accuracy(&model.classify(examples)?, target.labels)
        };
        epsilons.iter().map(read).collect()
    }

    /// As [`Attack::accuracies`] of `victim`, where the changes are those that an attack by gradient makes on
    /// `source`, all steps of it, and the victim is asked once. Rows that the victim misreads as they are count as
    /// misread.
    ///
    /// # Errors
    /// As [`Attack::examples`], for both models; a decision-based attack is refused.
    pub fn transferred_accuracies(
        self,
        (source, victim): (&dyn Classify, &dyn Classify),
        target: &Target<'_>,
        epsilons: &[f64],
    ) -> Result<Vec<f64>> {
        if let Self::Decision { .. } = self {
            let reason = "changes to be transferred are made by an attack by gradient";
            return Err(Error::Unsupported(reason.to_owned()));
        }
        let clean = victim.classify(target.rows)?;
        check_labels(target.labels, clean.len())?;
        let read = |epsilon: &f64| {
            check_epsilon(*epsilon)?;
            let mut climb = Climb::new(source, target, *epsilon as f32, false)?;
            self.climb(&mut climb)?;
            let examples = climb.into_examples();
            let after = victim.classify(Rows::new(&examples, target.rows.width())?)?;
            let pairs = clean.iter().zip(&after).zip(target.labels);
            let right = pairs.filter(|((a, b), label)| a == label && b == label).count();
            Ok(right as f64 / target.labels.len().max(1) as f64)
        };
        epsilons.iter().map(read).collect()
    }

    /// Takes the steps of an attack by gradient.
    fn climb(self, climb: &mut Climb<'_>) -> Result<()> {
        let epsilon = climb.epsilon();
        match self {
            Self::FastGradient => climb.ascend(1, epsilon),
            Self::IteratedFastGradient { steps } => climb.ascend(steps, epsilon / steps as f32),
            Self::ProjectedGradient { steps, starts } => {
                for start in 0..starts {
                    climb.start_at_random(start as u64);
                    climb.ascend(steps, 2.5 * epsilon / steps as f32)?;
                }
                Ok(())
            }
            Self::Decision { .. } => unreachable!("not by gradient"),
        }
    }
}

/// The inputs that are to be changed.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// `(len, width)`.
    pub rows: Rows<'a>,
    /// The true class of each, `(len,)`.
    pub labels: &'a [u32],
    /// The ends of the range that values can have, such as 0 and 1.
    pub range: (f32, f32),
    /// Seed of random places to start from.
    pub seed: u64,
}

impl Target<'_> {
    /// What the value `from` may become at `epsilon`; its own value always.
    fn bounds(&self, from: f32, epsilon: f32) -> (f32, f32) {
        let (low, high) = self.range;
        (from.min((from - epsilon).max(low)), from.max((from + epsilon).min(high)))
    }

    fn check(&self) -> Result<()> {
        check_labels(self.labels, self.rows.len())?;
        let (low, high) = self.range;
        match low.is_finite() && high.is_finite() && low <= high {
            true => Ok(()),
            false => {
                let got = format!("{low} to {high}");
                Err(Error::setting("range of an attack", "two numbers, increasing", got))
            }
        }
    }
}

fn check_epsilon(epsilon: f64) -> Result<()> {
    match epsilon.is_finite() && epsilon >= 0.0 {
        true => Ok(()),
        false => Err(Error::setting("epsilon of an attack", "a number from 0 on", epsilon)),
    }
}
