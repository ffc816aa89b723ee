//! Classes as unions of the codes that were seen of them.

use crate::error::{Error, Result};
use crate::sdr::{SdrBatch, SdrRef};

/// What a [`ClassMemory`] compares a code with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClassRule {
    /// The union of the class's codes: the score is the overlap with it. A union of many codes is
    /// nearly everything; this is for few codes a class.
    Union,
    /// How often each unit was on in the class: the score is the mean overlap with its codes.
    Counts,
    /// The same as odds: the score is `Σ ln((count + 1) / (codes + 2))` over the code's units, which is
    /// naive Bayes without the units that are off.
    LogOdds,
}

/// Tells classes by what their codes have in common: for each class, how often each unit was on.
///
/// It learns in one pass, forgets nothing, and two memories add up. Memory: 4 bytes a class and unit.
///
/// ```
/// use kwinners::SdrBatch;
/// use kwinners::memory::{ClassMemory, ClassRule};
/// let mut codes = SdrBatch::new(9)?;
/// for code in [[0, 1], [1, 2], [6, 7], [7, 8]] {
///     codes.push(&code)?;
/// }
/// let mut memory = ClassMemory::new(9, 2)?;
/// memory.learn(&codes, &[0, 0, 1, 1])?;
/// let mut asked = SdrBatch::new(9)?;
/// asked.push(&[0, 2])?;
/// assert_eq!(memory.classify(&asked, ClassRule::Union)?, [0]);
/// # Ok::<(), kwinners::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassMemory {
    units: usize,
    /// `(units, classes)`: one unit's classes lie together.
    counts: Vec<u32>,
    /// Codes of each class.
    codes: Vec<u32>,
}

impl ClassMemory {
    /// An empty memory of codes of `units` units in `classes` classes.
    ///
    /// # Errors
    /// If either is 0, or there are more than 2²⁸ of both together.
    pub fn new(units: usize, classes: usize) -> Result<Self> {
        let cells = units.checked_mul(classes).filter(|cells| (1..=1 << 28).contains(cells));
        let Some(cells) = cells else {
            let got = format!("{units} units, {classes} classes");
            return Err(Error::shape("class memory", "1 to 2^28 pairs of both", got));
        };
        Ok(Self { units, counts: vec![0; cells], codes: vec![0; classes] })
    }

    /// Adds codes of the classes `labels`, one a code. Cost: `O(k)` a code.
    ///
    /// # Errors
    /// If a code has other units, or there is not one label a code, each below the number of classes;
    /// nothing is added then.
    pub fn learn(&mut self, codes: &SdrBatch, labels: &[u32]) -> Result<()> {
        let classes = self.classes();
        self.check_units(codes)?;
        if labels.len() != codes.len() {
            let expected = format!("{}, one a code", codes.len());
            return Err(Error::shape("labels", expected, labels.len()));
        }
        if let Some(label) = labels.iter().find(|label| **label as usize >= classes) {
            return Err(Error::shape("labels", format!("labels below {classes}"), label));
        }
        for (code, &label) in codes.iter().zip(labels) {
            self.codes[label as usize] += 1;
            for &unit in code.indices() {
                self.counts[unit as usize * classes + label as usize] += 1;
            }
        }
        Ok(())
    }

    /// Number of classes.
    pub fn classes(&self) -> usize {
        self.codes.len()
    }

    /// Share of the units that are in each class's union, `0..=1`.
    pub fn union_density(&self) -> Vec<f64> {
        let mut on = vec![0u32; self.classes()];
        for counts in self.counts.chunks_exact(self.classes()) {
            on.iter_mut().zip(counts).for_each(|(on, &count)| *on += u32::from(count > 0));
        }
        on.into_iter().map(|on| f64::from(on) / self.units as f64).collect()
    }

    /// The scores of all classes for one code: `(classes,)`.
    ///
    /// # Panics
    /// If the code has other units.
    pub fn scores(&self, code: SdrRef<'_>, rule: ClassRule) -> Vec<f64> {
        assert_eq!(code.units(), self.units, "a code of the memory's units");
        let mut scores = vec![0.0; self.classes()];
        for &unit in code.indices() {
            let counts = &self.counts[unit as usize * self.classes()..][..self.classes()];
            for ((score, &count), &codes) in scores.iter_mut().zip(counts).zip(&self.codes) {
                let (count, codes) = (f64::from(count), f64::from(codes));
                *score += match rule {
                    ClassRule::Union => f64::from(u8::from(count > 0.0)),
                    ClassRule::Counts => count / codes.max(1.0),
                    ClassRule::LogOdds => ((count + 1.0) / (codes + 2.0)).ln(),
                };
            }
        }
        scores
    }

    /// The class of each code: the one that scores highest, the lowest of equals. Cost: `O(k · classes)`
    /// a code.
    ///
    /// # Errors
    /// If a code has other units.
    pub fn classify(&self, codes: &SdrBatch, rule: ClassRule) -> Result<Vec<u32>> {
        self.check_units(codes)?;
        let best = |code: SdrRef<'_>| {
            let scores = self.scores(code, rule);
            let first = |best: usize, class: usize| {
                if scores[class] > scores[best] { class } else { best }
            };
            (1..scores.len()).fold(0, first) as u32
        };
        Ok(codes.iter().map(best).collect())
    }

    fn check_units(&self, codes: &SdrBatch) -> Result<()> {
        if codes.units() == self.units {
            return Ok(());
        }
        Err(Error::shape("codes", format!("codes of {} units", self.units), codes.units()))
    }
}
