//! Sparse distributed representations: one code, a view of one, and many back to back.

mod batch;
mod bits;
mod noise;
mod ops;
mod theory;

pub use batch::SdrBatch;
pub use bits::BitRows;
pub(crate) use theory::ln_factorial;
pub use theory::{code_bits, match_probability, union_match_probability};

use crate::error::{Error, Result};

/// One sparse distributed representation: the active units of `n`, strictly increasing.
///
/// ```
/// use kwinners::Sdr;
/// let a = Sdr::new(8, vec![1, 4, 6])?;
/// let b = Sdr::new(8, vec![0, 4, 6])?;
/// assert_eq!(a.view().overlap(b.view())?, 2);
/// assert_eq!(a.view().union(b.view())?.indices(), [0, 1, 4, 6]);
/// # Ok::<(), kwinners::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Sdr {
    units: u32,
    indices: Vec<u32>,
}

/// A borrowed [`Sdr`]: `n` and the strictly increasing indices of the active units.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SdrRef<'a> {
    units: u32,
    indices: &'a [u32],
}

impl Sdr {
    /// The code of `units` units with `indices` on.
    ///
    /// # Errors
    /// [`Error::NotACode`] if the indices do not strictly increase or reach `units`.
    pub fn new(units: usize, indices: Vec<u32>) -> Result<Self> {
        SdrRef::new(units, &indices)?;
        Ok(Self { units: units as u32, indices })
    }

    /// For indices that are known to be right.
    fn trusted(units: u32, indices: Vec<u32>) -> Self {
        debug_assert!(SdrRef::new(units as usize, &indices).is_ok());
        Self { units, indices }
    }

    /// Borrows the code; all set operations live on the view.
    pub fn view(&self) -> SdrRef<'_> {
        SdrRef { units: self.units, indices: &self.indices }
    }

    /// Number of units, `n`.
    pub fn units(&self) -> usize {
        self.units as usize
    }

    /// The active units, strictly increasing.
    pub fn indices(&self) -> &[u32] {
        &self.indices
    }
}

impl<'a> SdrRef<'a> {
    /// Views `indices` as a code of `units` units.
    ///
    /// # Errors
    /// [`Error::NotACode`] if the indices do not strictly increase or reach `units`.
    pub fn new(units: usize, indices: &'a [u32]) -> Result<Self> {
        let refuse = |reason: String| Err(Error::NotACode { units, reason });
        if units == 0 || units > u32::MAX as usize {
            return refuse(format!("units must lie between 1 and {}", u32::MAX));
        }
        if let Some(pair) = indices.windows(2).find(|pair| pair[1] <= pair[0]) {
            return refuse(format!("{} stands after {}: not increasing", pair[1], pair[0]));
        }
        match indices.last() {
            Some(&last) if last as usize >= units => refuse(format!("unit {last} is on")),
            _ => Ok(Self { units: units as u32, indices }),
        }
    }

    /// Number of units, `n`.
    pub fn units(&self) -> usize {
        self.units as usize
    }

    /// Number of active units.
    pub fn count(&self) -> usize {
        self.indices.len()
    }

    /// Share of the units that are on, `count / n`.
    pub fn density(&self) -> f64 {
        self.indices.len() as f64 / f64::from(self.units)
    }

    /// The active units, strictly increasing.
    pub fn indices(&self) -> &'a [u32] {
        self.indices
    }

    /// Whether unit `index` is on. Cost: `O(log count)`.
    pub fn contains(&self, index: u32) -> bool {
        self.indices.binary_search(&index).is_ok()
    }

    /// An owned copy.
    pub fn to_sdr(&self) -> Sdr {
        Sdr { units: self.units, indices: self.indices.to_vec() }
    }

    /// The code as `n` numbers, 1 where a unit is on and 0 elsewhere: `(n,)`.
    pub fn to_dense(&self) -> Vec<f32> {
        let mut dense = vec![0.0; self.units()];
        for &index in self.indices {
            dense[index as usize] = 1.0;
        }
        dense
    }
}
