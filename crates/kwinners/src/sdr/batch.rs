//! Many codes of the same units, back to back.

use super::{BitRows, Sdr, SdrRef};
use crate::error::{Error, Result};

/// Many codes of the same `n`: indices back to back, one offset a code.
///
/// Memory: 4 bytes an active unit and 8 bytes a code.
///
/// ```
/// use kwinners::SdrBatch;
/// let mut codes = SdrBatch::new(16)?;
/// codes.push(&[1, 5, 9])?;
/// codes.push(&[2, 5, 9])?;
/// assert_eq!(codes.len(), 2);
/// assert_eq!(codes.get(1).indices(), [2, 5, 9]);
/// # Ok::<(), kwinners::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SdrBatch {
    units: u32,
    /// `ends[i]` is where code `i` ends in `indices`.
    ends: Vec<usize>,
    indices: Vec<u32>,
}

impl SdrBatch {
    /// An empty batch of codes of `units` units.
    ///
    /// # Errors
    /// If `units` is 0 or above `u32::MAX`.
    pub fn new(units: usize) -> Result<Self> {
        SdrRef::new(units, &[])?;
        Ok(Self { units: units as u32, ends: Vec::new(), indices: Vec::new() })
    }

    /// Takes over codes of exactly `winners` units each, back to back.
    ///
    /// # Errors
    /// If `indices` is not a whole number of codes, or one is not a code of `units` units.
    pub fn from_exact(units: usize, winners: usize, indices: Vec<u32>) -> Result<Self> {
        if winners == 0 || !indices.len().is_multiple_of(winners) {
            let got = format!("{} indices", indices.len());
            return Err(Error::shape("codes", format!("a multiple of {winners} indices"), got));
        }
        let ends = (1..=indices.len() / winners).map(|code| code * winners).collect();
        Self::from_parts(units, ends, indices)
    }

    /// Takes over codes of any size: code `i` is `indices[ends[i - 1]..ends[i]]`.
    ///
    /// # Errors
    /// If the ends do not rise to the number of indices, or one code is not a code of `units` units.
    pub fn from_parts(units: usize, ends: Vec<usize>, indices: Vec<u32>) -> Result<Self> {
        let rising = ends.windows(2).all(|pair| pair[0] <= pair[1]);
        if !rising || ends.last().copied().unwrap_or(0) != indices.len() {
            let expected = format!("offsets that rise to {}", indices.len());
            return Err(Error::shape("codes", expected, "offsets that do not"));
        }
        let batch = Self { ends, indices, ..Self::new(units)? };
        for code in 0..batch.len() {
            SdrRef::new(units, batch.get(code).indices())?;
        }
        Ok(batch)
    }

    /// Appends a code.
    ///
    /// # Errors
    /// [`Error::NotACode`] if the indices do not strictly increase or reach `units`.
    pub fn push(&mut self, indices: &[u32]) -> Result<()> {
        SdrRef::new(self.units(), indices)?;
        self.indices.extend_from_slice(indices);
        self.ends.push(self.indices.len());
        Ok(())
    }

    /// Appends all codes of `other`.
    ///
    /// # Errors
    /// If the two batches differ in units.
    pub fn append(&mut self, other: &Self) -> Result<()> {
        if self.units != other.units {
            let expected = format!("codes of {} units", self.units);
            return Err(Error::shape("codes to append", expected, other.units));
        }
        let shift = self.indices.len();
        self.indices.extend_from_slice(&other.indices);
        self.ends.extend(other.ends.iter().map(|end| end + shift));
        Ok(())
    }

    /// Appends exactly-`winners` codes that a kernel has just made and that need no second look.
    pub(crate) fn extend_trusted(&mut self, winners: usize, indices: &[u32]) {
        let filled: Result<()> = self.extend_filled(winners, indices.len() / winners, |slots| {
            slots.copy_from_slice(indices);
            Ok(())
        });
        debug_assert!(filled.is_ok(), "copying can't fail");
    }

    /// Appends `len` codes of `winners` units each, whose indices `fill` writes, code after code. If
    /// it fails, the batch is as it was.
    pub(crate) fn extend_filled(
        &mut self,
        winners: usize,
        len: usize,
        fill: impl FnOnce(&mut [u32]) -> Result<()>,
    ) -> Result<()> {
        let start = self.indices.len();
        self.indices.resize(start + len * winners, 0);
        if let Err(error) = fill(&mut self.indices[start..]) {
            self.indices.truncate(start);
            return Err(error);
        }
        self.ends.extend((1..=len).map(|code| start + code * winners));
        debug_assert!(
            self.indices[start..]
                .chunks(winners)
                .all(|code| SdrRef::new(self.units(), code).is_ok()),
            "a kernel made something that is not a code"
        );
        Ok(())
    }

    /// Number of units, `n`.
    pub fn units(&self) -> usize {
        self.units as usize
    }

    /// Number of codes.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is no code.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Code `index`.
    ///
    /// # Panics
    /// If there is no such code.
    pub fn get(&self, index: usize) -> SdrRef<'_> {
        let start = if index == 0 { 0 } else { self.ends[index - 1] };
        SdrRef { units: self.units, indices: &self.indices[start..self.ends[index]] }
    }

    /// Code after code.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = SdrRef<'_>> {
        (0..self.len()).map(|index| self.get(index))
    }

    /// All active indices, code after code.
    pub fn indices(&self) -> &[u32] {
        &self.indices
    }

    /// Where each code ends in [`SdrBatch::indices`].
    pub fn ends(&self) -> &[usize] {
        &self.ends
    }

    /// The number of active units that every code has, if it is the same for all; `None` for an
    /// empty batch.
    pub fn winners(&self) -> Option<usize> {
        let first = *self.ends.first()?;
        self.ends.windows(2).all(|pair| pair[1] - pair[0] == first).then_some(first)
    }

    /// How many codes have each unit on: `(n,)`.
    pub fn unit_counts(&self) -> Vec<u32> {
        let mut counts = vec![0; self.units()];
        for &index in &self.indices {
            counts[index as usize] += 1;
        }
        counts
    }

    /// The codes at `places`, in that order.
    ///
    /// # Panics
    /// If a place is past the last code.
    pub fn select(&self, places: &[usize]) -> Self {
        let mut chosen = Self { units: self.units, ends: Vec::new(), indices: Vec::new() };
        for &place in places {
            chosen.indices.extend_from_slice(self.get(place).indices());
            chosen.ends.push(chosen.indices.len());
        }
        chosen
    }

    /// The codes as rows of packed bits.
    pub fn to_bits(&self) -> BitRows {
        let mut bits = BitRows::zeros(self.units(), self.len());
        for (row, code) in self.iter().enumerate() {
            let words = bits.row_mut(row);
            for &index in code.indices() {
                words[index as usize / 64] |= 1 << (index % 64);
            }
        }
        bits
    }
}

impl Sdr {
    /// The code as one row of packed bits.
    pub fn to_bits(&self) -> BitRows {
        let mut batch = SdrBatch { units: self.units, ends: Vec::new(), indices: Vec::new() };
        batch.ends.push(self.indices.len());
        batch.indices.clone_from(&self.indices);
        batch.to_bits()
    }
}
