//! The algebra of sets on codes.

use std::cmp::Ordering;

use super::{Sdr, SdrRef};
use crate::error::{Error, Result};

impl SdrRef<'_> {
    /// Number of units that are on in both, `|a ∧ b|`. Cost: `O(|a| + |b|)`.
    ///
    /// # Errors
    /// If the two codes differ in units.
    pub fn overlap(&self, other: SdrRef<'_>) -> Result<usize> {
        let mut shared = 0;
        self.merge(other, |_, _, both| shared += usize::from(both))?;
        Ok(shared)
    }

    /// Units on in either, `a ∨ b`.
    ///
    /// # Errors
    /// If the two codes differ in units.
    pub fn union(&self, other: SdrRef<'_>) -> Result<Sdr> {
        self.keep(other, |_, _| true)
    }

    /// Units on in both, `a ∧ b`.
    ///
    /// # Errors
    /// If the two codes differ in units.
    pub fn intersection(&self, other: SdrRef<'_>) -> Result<Sdr> {
        self.keep(other, |_, both| both)
    }

    /// Units on here and not there, `a ∖ b`.
    ///
    /// # Errors
    /// If the two codes differ in units.
    pub fn difference(&self, other: SdrRef<'_>) -> Result<Sdr> {
        self.keep(other, |ours, both| ours && !both)
    }

    fn keep(&self, other: SdrRef<'_>, wanted: impl Fn(bool, bool) -> bool) -> Result<Sdr> {
        let mut indices = Vec::with_capacity(self.count() + other.count());
        self.merge(other, |index, ours, both| {
            if wanted(ours, both) {
                indices.push(index);
            }
        })?;
        Ok(Sdr::trusted(self.units, indices))
    }

    /// Walks both codes in order: `visit(unit, on here, on in both)` for each unit on in either.
    fn merge(&self, other: SdrRef<'_>, mut visit: impl FnMut(u32, bool, bool)) -> Result<()> {
        if self.units != other.units {
            let expected = format!("{} units", self.units);
            return Err(Error::shape("the other code", expected, other.units));
        }
        let (mut a, mut b) = (self.indices, other.indices);
        while let (Some(&x), Some(&y)) = (a.first(), b.first()) {
            match x.cmp(&y) {
                Ordering::Less => visit(x, true, false),
                Ordering::Equal => visit(x, true, true),
                Ordering::Greater => visit(y, false, false),
            }
            a = &a[usize::from(x <= y)..];
            b = &b[usize::from(y <= x)..];
        }
        a.iter().for_each(|&x| visit(x, true, false));
        b.iter().for_each(|&y| visit(y, false, false));
        Ok(())
    }
}
