//! What an answer is and how two codes are compared.

use std::cmp::Ordering;

use crate::error::{Error, Result};

/// How alike a query `q` and a stored code `c` are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Score {
    /// Units that both have on, `|q ∩ c|`.
    #[default]
    Overlap,
    /// `|q ∩ c| / |q ∪ c|`, 0 where both are empty (Jaccard 1912; Tanimoto's for bits).
    Jaccard,
    /// The share of the query's units that the code has too, `|q ∩ c| / |q|`, 0 for an empty query.
    Containment,
}

/// One answer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hit {
    /// The code, numbered from 0 in the order in which codes were added.
    pub id: u32,
    /// How alike it is to the query; overlaps are whole numbers.
    pub score: f64,
}

impl Hit {
    /// Better answers first: higher scores, then lower ids.
    pub(super) fn order(&self, other: &Self) -> Ordering {
        other.score.total_cmp(&self.score).then(self.id.cmp(&other.id))
    }
}

/// One query's way from overlaps to scores and back. Scores are fractions of whole numbers far below
/// `2^26`, so that two of them are equal as `f64` only if they are equal.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scorer {
    score: Score,
    /// Units of the query.
    size: u32,
}

impl Scorer {
    pub(super) fn new(score: Score, size: usize) -> Self {
        Self { score, size: size as u32 }
    }

    /// The score of a code of `size` units that has `overlap` of them in common with the query.
    pub(super) fn value(&self, overlap: u32, size: u32) -> f64 {
        let parts = match self.score {
            Score::Overlap => return f64::from(overlap),
            Score::Jaccard => {
                (u64::from(self.size) + u64::from(size)).saturating_sub(overlap.into())
            }
            Score::Containment => self.size.into(),
        };
        // More in common than there is: no code, but a bound that [`Self::least_overlap`] asks for.
        if overlap == 0 { 0.0 } else { f64::from(overlap) / parts as f64 }
    }

    /// The least overlap with which a code of `size` units or more can have a score that `enough`
    /// accepts; one more than the query's units if none can. Scores rise with the overlap and fall
    /// with the size, so what is passed over is not enough.
    pub(super) fn least_overlap(&self, size: u32, enough: impl Fn(f64) -> bool) -> u32 {
        let (mut low, mut high) = (0, self.size + 1);
        while low < high {
            let middle = low.midpoint(high);
            if enough(self.value(middle, size)) {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        low
    }

    /// Refuses a least score that is no number.
    pub(super) fn check(least: f64) -> Result<()> {
        if least.is_nan() {
            return Err(Error::setting("least score", "a number", least));
        }
        Ok(())
    }
}
