//! How well a memory keeps what was stored.

use super::{AssociativeMemory, RecallRule};
use crate::error::{Error, Result};
use crate::sdr::{SdrBatch, code_bits};

/// What recalls gave, against what should have come; means over the recalls.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize)]
#[non_exhaustive]
pub struct RecallQuality {
    /// Recalls made.
    pub recalls: usize,
    /// Share of the recalls that came back without a wrong bit, `0..=1`.
    pub exact: f64,
    /// Bits on that should be off, a recall.
    pub false_bits: f64,
    /// Bits off that should be on, a recall.
    pub missing_bits: f64,
    /// Bits of information that an answer still lacks, a recall: `log2 C(c, h) + log2 C(n - c, k - h)`
    /// where `h` of the answer's `c` units are among the `k` right ones.
    pub doubt_bits: f64,
}

impl RecallQuality {
    /// Compares `answers` with `targets`, one an answer.
    ///
    /// # Errors
    /// If they differ in number or units.
    pub fn of(answers: &SdrBatch, targets: &SdrBatch) -> Result<Self> {
        if answers.len() != targets.len() {
            let expected = format!("{}, one a recall", answers.len());
            return Err(Error::shape("targets to compare with", expected, targets.len()));
        }
        let mut quality = Self { recalls: answers.len(), ..Self::default() };
        for (answer, target) in answers.iter().zip(targets.iter()) {
            let shared = answer.overlap(target)?;
            let (wrong, missing) = (answer.count() - shared, target.count() - shared);
            quality.exact += f64::from(u8::from(wrong + missing == 0));
            quality.false_bits += wrong as f64;
            quality.missing_bits += missing as f64;
            quality.doubt_bits += code_bits(answer.count(), shared)
                + code_bits(answer.units() - answer.count(), missing);
        }
        let recalls = quality.recalls.max(1) as f64;
        let Self { exact, false_bits, missing_bits, doubt_bits, .. } = &mut quality;
        [exact, false_bits, missing_bits, doubt_bits].into_iter().for_each(|sum| *sum /= recalls);
        Ok(quality)
    }
}

impl AssociativeMemory {
    /// Recalls from `cues` and compares with `targets`, one a cue.
    ///
    /// # Errors
    /// As [`AssociativeMemory::recall_all`] and [`RecallQuality::of`].
    pub fn judge(
        &self,
        cues: &SdrBatch,
        targets: &SdrBatch,
        rule: RecallRule,
    ) -> Result<RecallQuality> {
        RecallQuality::of(&self.recall_all(cues, rule)?, targets)
    }

    /// Bits a synapse that recalls of this quality get back: those stored without the doubt that is
    /// left, `pairs · (log2 C(target_units, k) - doubt) / synapses`; `None` where targets differ in size.
    pub fn recalled_bits_a_synapse(&self, quality: &RecallQuality) -> Option<f64> {
        let doubt = self.pairs() as f64 * quality.doubt_bits / self.synapses() as f64;
        self.bits_a_synapse().map(|stored| stored - doubt)
    }
}
