//! From cues to what was stored with them.

use rayon::prelude::*;

use super::matrix::Scratch;
use super::rule::emptiest;
use super::{AssociativeMemory, RecallRule, check};
use crate::error::{Error, Result};
use crate::sdr::{Sdr, SdrBatch, SdrRef};

/// Cues that one task recalls; fixed, so that results don't depend on threads.
const CUES_A_TASK: usize = 64;

/// What a recall in several steps came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recalled {
    /// The code.
    pub code: Sdr,
    /// Recalls made.
    pub steps: usize,
    /// Whether the last step changed nothing; else the steps ran out.
    pub settled: bool,
}

impl AssociativeMemory {
    /// The target that `cue` leads to. Cost: `O(|cue| · target_units / 64)`.
    ///
    /// # Errors
    /// If the cue has other units than the memory's cues or none on, or no code can follow the rule.
    pub fn recall(&self, cue: SdrRef<'_>, rule: RecallRule) -> Result<Sdr> {
        check("cue", cue, self.cue_units())?;
        rule.check(self.target_units())?;
        let units = self.answer(cue.indices(), rule, &mut Scratch::default());
        Sdr::new(self.target_units(), units)
    }

    /// The targets that `cues` lead to, in order; on all cores.
    ///
    /// # Errors
    /// As [`AssociativeMemory::recall`].
    pub fn recall_all(&self, cues: &SdrBatch, rule: RecallRule) -> Result<SdrBatch> {
        rule.check(self.target_units())?;
        cues.iter().try_for_each(|cue| check("cue", cue, self.cue_units()))?;
        let blocks: Vec<Vec<Vec<u32>>> = (0..cues.len().div_ceil(CUES_A_TASK))
            .into_par_iter()
            .map(|block| {
                let mut scratch = Scratch::default();
                let range = block * CUES_A_TASK..cues.len().min((block + 1) * CUES_A_TASK);
                let answer = |cue| self.answer(cues.get(cue).indices(), rule, &mut scratch);
                range.map(answer).collect()
            })
            .collect();
        let mut targets = SdrBatch::new(self.target_units())?;
        blocks.iter().flatten().try_for_each(|units| targets.push(units))?;
        Ok(targets)
    }

    /// The cue that was stored with `target`: the way back. Cost: `O(cue_units · target_units / 64)`,
    /// a pass over the whole memory.
    ///
    /// # Errors
    /// If the target has other units than the memory's targets or none on, or no code can follow the
    /// rule.
    pub fn recall_cue(&self, target: SdrRef<'_>, rule: RecallRule) -> Result<Sdr> {
        check("target", target, self.target_units())?;
        rule.check(self.cue_units())?;
        let counts = self.synapses.count_rows(target.indices());
        let units = rule.pick(&counts, self.synapses.row_loads(), target.count());
        Sdr::new(self.cue_units(), units)
    }

    /// Repairs a code that was stored with itself: recalls, takes what came for the next cue, and so
    /// on until nothing changes, at most `most_steps` times.
    ///
    /// A part of a stored code, none of it wrong, reaches all of the code with all it has: the first step
    /// then takes every unit that is reached so, and makes no guess among them. Else, and from then on,
    /// `rule` picks.
    ///
    /// Source: Schwenker, Sommer and Palm, "Iterative retrieval of sparsely coded associative memory
    /// patterns", Neural Networks 9, 1996.
    ///
    /// # Errors
    /// As [`AssociativeMemory::recall`], and if cues and targets have different units.
    ///
    /// # Panics
    /// If `most_steps` is 0.
    pub fn complete(
        &self,
        cue: SdrRef<'_>,
        rule: RecallRule,
        most_steps: usize,
    ) -> Result<Recalled> {
        assert!(most_steps > 0, "at least one step");
        check("cue to complete", cue, self.cue_units())?;
        check_same(self.cue_units(), self.target_units())?;
        rule.check(self.target_units())?;
        let mut scratch = Scratch::default();
        let mut units = cue.indices().to_vec();
        let mut steps = 0;
        if most_steps > 1 {
            let common = self.synapses.common(&units, &mut scratch);
            if common.len() >= units.len() {
                (units, steps) = (common, 1);
            }
        }
        loop {
            let answer = self.answer(&units, rule, &mut scratch);
            steps += 1;
            let settled = answer.is_empty() || answer == units;
            units = answer;
            if settled || steps == most_steps {
                let code = Sdr::new(self.target_units(), units)?;
                return Ok(Recalled { code, steps, settled });
            }
        }
    }

    /// Recalls the target of `cue`, then its cue, by `cue_rule`, and so on until nothing changes, at
    /// most `most_steps` times: a cue with wrong bits is repaired on the way. Cost: a pass over the whole
    /// memory a step.
    ///
    /// Source: Sommer and Palm, "Improved bidirectional retrieval of sparse patterns stored by Hebbian
    /// learning", Neural Networks 12, 1999.
    ///
    /// # Errors
    /// As [`AssociativeMemory::recall`] and [`AssociativeMemory::recall_cue`].
    ///
    /// # Panics
    /// If `most_steps` is 0.
    pub fn recall_both_ways(
        &self,
        cue: SdrRef<'_>,
        (rule, cue_rule): (RecallRule, RecallRule),
        most_steps: usize,
    ) -> Result<Recalled> {
        assert!(most_steps > 0, "at least one step");
        let mut target = self.recall(cue, rule)?;
        for step in 1..most_steps {
            if target.view().count() == 0 {
                return Ok(Recalled { code: target, steps: step, settled: true });
            }
            let cue = self.recall_cue(target.view(), cue_rule)?;
            if cue.view().count() == 0 {
                return Ok(Recalled { code: target, steps: step, settled: true });
            }
            let next = self.recall(cue.view(), rule)?;
            if next == target {
                return Ok(Recalled { code: target, steps: step, settled: true });
            }
            target = next;
        }
        Ok(Recalled { code: target, steps: most_steps, settled: false })
    }

    /// The units that answer `cue`, increasing. All is checked.
    fn answer(&self, cue: &[u32], rule: RecallRule, scratch: &mut Scratch) -> Vec<u32> {
        let loads = self.synapses.column_loads();
        match rule {
            RecallRule::All => return self.synapses.common(cue, scratch),
            RecallRule::Winners(winners) => {
                // A whole cue reaches enough units with all it has: nothing has to be counted.
                let common = self.synapses.common(cue, scratch);
                if common.len() >= winners {
                    return emptiest(common, loads, winners);
                }
            }
            _ => {}
        }
        self.synapses.count(cue, scratch);
        rule.pick(&scratch.counts, loads, cue.len())
    }
}

/// Only a memory of codes with themselves can complete.
fn check_same(cue_units: usize, target_units: usize) -> Result<()> {
    if cue_units == target_units {
        return Ok(());
    }
    let expected = format!("as many units as cues have, {cue_units}");
    Err(Error::shape("targets of a memory that completes", expected, target_units))
}
