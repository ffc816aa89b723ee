//! Associative memory: pairs of codes that are stored on top of each other in one matrix of bits, and
//! found again from their first half, whole, in part or with noise.
//!
//! [`AssociativeMemory`] stores and recalls; a [`RecallRule`] says which units answer;
//! [`MemoryPlan`] says beforehand how many pairs a memory takes, and [`RecallQuality`] afterwards how
//! well it keeps them. [`ClassMemory`] tells classes by the units that their codes share, and
//! [`ClassDecoders`] decode codes by class.

mod class_decoders;
mod classes;
mod matrix;
mod plan;
mod quality;
mod recall;
mod rule;

pub use class_decoders::ClassDecoders;
pub use classes::{ClassMemory, ClassRule};
use matrix::BitMatrix;
pub(crate) use matrix::{Row, longest_list, words_a_row};
pub use plan::{MemoryPlan, MemoryShape};
pub use quality::RecallQuality;
pub use recall::Recalled;
pub use rule::RecallRule;

use crate::error::{Error, Result};
use crate::sdr::{SdrBatch, SdrRef, code_bits};

/// Most units of either side: what is above is a forged file or a slip of the keyboard.
const MOST_UNITS: usize = 1 << 24;

/// A Willshaw memory: a bit for each pair of a cue unit and a target unit, on if the two were ever
/// stored together.
///
/// Storing `(s, t)` sets `M = M ∨ s tᵀ`; recalling adds up the rows of the cue's units and picks the
/// units that enough of them reach, by a [`RecallRule`]. Where cue and target are the same code the
/// memory is auto-associative, and [`AssociativeMemory::complete`] repairs codes.
///
/// Memory: a row that is nearly empty is a list of 4 bytes a synapse, then `target_units / 8` bytes:
/// 32 MiB at most for 16,384 units on both sides. Cost of storing: `O(k²)`; of recalling:
/// `O(k · target_units / 64)` words.
///
/// Source: Willshaw, Buneman and Longuet-Higgins, "Non-holographic associative memory", Nature 222,
/// 1969; Palm, "On associative memory", Biological Cybernetics 36, 1980.
///
/// ```
/// use kwinners::{AssociativeMemory, Sdr};
/// use kwinners::memory::RecallRule;
/// let mut memory = AssociativeMemory::new(100, 50)?;
/// let (name, face) = (Sdr::new(100, vec![3, 41, 99])?, Sdr::new(50, vec![7, 8, 30])?);
/// memory.store(name.view(), face.view())?;
/// let part = Sdr::new(100, vec![3, 99])?;
/// assert_eq!(memory.recall(part.view(), RecallRule::All)?, face);
/// assert_eq!(memory.pairs(), 1);
/// # Ok::<(), kwinners::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssociativeMemory {
    /// `(cue_units, target_units)`.
    synapses: BitMatrix,
    pairs: u64,
    cue_sizes: Sizes,
    target_sizes: Sizes,
}

/// The fewest and the most active units of the codes that were stored; 0 and 0 before the first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sizes {
    pub(crate) least: u32,
    pub(crate) most: u32,
}

impl Sizes {
    fn add(&mut self, size: usize) {
        let size = size as u32;
        self.least = if self.most == 0 { size } else { self.least.min(size) };
        self.most = self.most.max(size);
    }

    /// The size that all have.
    fn all(self) -> Option<usize> {
        (self.most > 0 && self.least == self.most).then_some(self.most as usize)
    }
}

/// The numbers of a memory beside its bits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tally {
    pub(crate) pairs: u64,
    pub(crate) cue_sizes: Sizes,
    pub(crate) target_sizes: Sizes,
}

impl AssociativeMemory {
    /// An empty memory of cues of `cue_units` and targets of `target_units` units.
    ///
    /// # Errors
    /// If either number is 0 or above 2²⁴.
    pub fn new(cue_units: usize, target_units: usize) -> Result<Self> {
        check_units(cue_units, target_units)?;
        Ok(Self {
            synapses: BitMatrix::new(cue_units, target_units),
            pairs: 0,
            cue_sizes: Sizes::default(),
            target_sizes: Sizes::default(),
        })
    }

    /// Stores one pair. Cost: `O(|cue| · |target|)`.
    ///
    /// # Errors
    /// If a code has other units than its side of the memory, or none of them on.
    pub fn store(&mut self, cue: SdrRef<'_>, target: SdrRef<'_>) -> Result<()> {
        check("cue to store", cue, self.cue_units())?;
        check("target to store", target, self.target_units())?;
        for &unit in cue.indices() {
            self.synapses.switch_on(unit as usize, target.indices());
        }
        self.pairs += 1;
        self.cue_sizes.add(cue.count());
        self.target_sizes.add(target.count());
        Ok(())
    }

    /// Stores pair after pair: cue `i` with target `i`.
    ///
    /// # Errors
    /// If there are not as many cues as targets, or one is refused by [`AssociativeMemory::store`]; no
    /// pair is stored then.
    pub fn store_all(&mut self, cues: &SdrBatch, targets: &SdrBatch) -> Result<()> {
        if cues.len() != targets.len() {
            let expected = format!("{}, one a cue", cues.len());
            return Err(Error::shape("targets to store", expected, targets.len()));
        }
        for (cue, target) in cues.iter().zip(targets.iter()) {
            check("cue to store", cue, self.cue_units())?;
            check("target to store", target, self.target_units())?;
        }
        cues.iter().zip(targets.iter()).try_for_each(|(cue, target)| self.store(cue, target))
    }

    /// Units of a cue.
    pub fn cue_units(&self) -> usize {
        self.synapses.rows().len()
    }

    /// Units of a target.
    pub fn target_units(&self) -> usize {
        self.synapses.columns()
    }

    /// Pairs stored, repeated ones counted again.
    pub fn pairs(&self) -> u64 {
        self.pairs
    }

    /// The number of active units that all stored cues have; `None` if they differ or there are none.
    pub fn cue_winners(&self) -> Option<usize> {
        self.cue_sizes.all()
    }

    /// The number of active units that all stored targets have; `None` if they differ or there are
    /// none.
    pub fn target_winners(&self) -> Option<usize> {
        self.target_sizes.all()
    }

    /// Synapses, `cue_units · target_units`.
    pub fn synapses(&self) -> u64 {
        self.cue_units() as u64 * self.target_units() as u64
    }

    /// Share of the synapses that are on. A memory of random pairs is full at about a half.
    pub fn load(&self) -> f64 {
        let on: u64 = self.synapses.row_loads().iter().map(|&load| u64::from(load)).sum();
        on as f64 / self.synapses() as f64
    }

    /// Bits of the stored targets a synapse, `pairs · log2 C(target_units, k) / synapses`; `None`
    /// where targets differ in size. What of it can be recalled, [`RecallQuality`] says.
    pub fn bits_a_synapse(&self) -> Option<f64> {
        let winners = if self.pairs == 0 { Some(0) } else { self.target_winners() };
        let bits = code_bits(self.target_units(), winners?);
        Some(self.pairs as f64 * bits / self.synapses() as f64)
    }

    /// Memory that the synapses take, in bytes.
    pub fn bytes(&self) -> usize {
        self.synapses.bytes()
    }

    /// What a file keeps.
    pub(crate) fn parts(&self) -> (&BitMatrix, Tally) {
        let Self { pairs, cue_sizes, target_sizes, .. } = *self;
        (&self.synapses, Tally { pairs, cue_sizes, target_sizes })
    }

    /// The memory that a file holds; the error says what makes no sense.
    pub(crate) fn from_parts(
        rows: Vec<Row>,
        column_loads: &[u32],
        tally: Tally,
    ) -> std::result::Result<Self, String> {
        let (mut counted, mut row_loads) = (vec![0u32; column_loads.len()], Vec::new());
        check_units(rows.len(), column_loads.len()).map_err(|wrong| wrong.to_string())?;
        for (number, row) in rows.iter().enumerate() {
            if !row.is_proper(column_loads.len()) {
                return Err(format!("row {number} is not what a memory makes"));
            }
            let ones = row.ones();
            row_loads.push(ones.len() as u32);
            ones.iter().for_each(|&column| counted[column as usize] += 1);
        }
        if counted != column_loads {
            return Err("the columns do not add up to what the rows have".to_owned());
        }
        for (what, sizes, units) in [
            ("cues", tally.cue_sizes, rows.len()),
            ("targets", tally.target_sizes, column_loads.len()),
        ] {
            let any = tally.pairs > 0;
            let right = sizes.least <= sizes.most && sizes.most as usize <= units;
            if !right || any != (sizes.least > 0) {
                let Sizes { least, most } = sizes;
                return Err(format!("{what} can't have {least} to {most} units on"));
            }
        }
        if (tally.pairs == 0) != row_loads.iter().all(|&load| load == 0) {
            return Err(format!("{} pairs can't have made these synapses", tally.pairs));
        }
        let synapses = BitMatrix::from_rows(counted.len(), rows, (row_loads, counted));
        let Tally { pairs, cue_sizes, target_sizes } = tally;
        Ok(Self { synapses, pairs, cue_sizes, target_sizes })
    }
}

fn check_units(cue_units: usize, target_units: usize) -> Result<()> {
    for (key, units) in [("cue_units", cue_units), ("target_units", target_units)] {
        if !(1..=MOST_UNITS).contains(&units) {
            return Err(Error::setting(key, format!("1 to {MOST_UNITS}"), units));
        }
    }
    Ok(())
}

/// Refuses codes of other units, and codes that say nothing.
fn check(what: &str, code: SdrRef<'_>, units: usize) -> Result<()> {
    if code.units() != units {
        return Err(Error::shape(what, format!("a code of {units} units"), code.units()));
    }
    // Counts of 16 bits add the rows up.
    let most = usize::from(u16::MAX);
    if code.count() == 0 || code.count() > most {
        let expected = format!("1 to {most} active units");
        return Err(Error::shape(what, expected, code.count()));
    }
    Ok(())
}
