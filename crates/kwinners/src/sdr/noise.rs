//! Noise on codes: some active units switched off and as many others switched on.

use super::{Sdr, SdrRef};
use crate::error::{Error, Result};
use crate::rng::Rng;

impl SdrRef<'_> {
    /// Moves `moved` of the active units to units that were off: the count stays, the overlap with
    /// the original is exactly `count - moved`. Cost: `O(count log count)`.
    ///
    /// ```
    /// use kwinners::{Rng, Sdr};
    /// let code = Sdr::new(100, (0..10).collect())?;
    /// let noisy = code.view().with_moved(3, &mut Rng::new(1))?;
    /// assert_eq!(noisy.view().count(), 10);
    /// assert_eq!(noisy.view().overlap(code.view())?, 7);
    /// # Ok::<(), kwinners::Error>(())
    /// ```
    ///
    /// # Errors
    /// If there are fewer than `moved` active units, or fewer than `moved` units that are off.
    pub fn with_moved(&self, moved: usize, rng: &mut Rng) -> Result<Sdr> {
        let off = self.units() - self.count();
        if moved > self.count() || moved > off {
            let expected = format!("at most {}", self.count().min(off));
            return Err(Error::shape("number of bits to move", expected, moved));
        }
        let leaving = rng.distinct(moved, self.count());
        let mut kept: Vec<u32> = Vec::with_capacity(self.count());
        let mut leaving = leaving.into_iter().peekable();
        for (place, &index) in self.indices.iter().enumerate() {
            if leaving.next_if_eq(&(place as u32)).is_none() {
                kept.push(index);
            }
        }
        kept.extend(rng.distinct(moved, off).into_iter().map(|rank| self.unit_off(rank)));
        kept.sort_unstable();
        Ok(Sdr::trusted(self.units, kept))
    }

    /// Keeps `kept` of the active units, switches the others off. Cost: `O(count log count)`.
    ///
    /// ```
    /// use kwinners::{Rng, Sdr};
    /// let code = Sdr::new(100, (0..10).collect())?;
    /// let part = code.view().with_kept(5, &mut Rng::new(1))?;
    /// assert_eq!(part.view().count(), 5);
    /// assert_eq!(part.view().overlap(code.view())?, 5);
    /// # Ok::<(), kwinners::Error>(())
    /// ```
    ///
    /// # Errors
    /// If there are fewer than `kept` active units.
    pub fn with_kept(&self, kept: usize, rng: &mut Rng) -> Result<Sdr> {
        if kept > self.count() {
            let expected = format!("at most {}", self.count());
            return Err(Error::shape("number of bits to keep", expected, kept));
        }
        let places = rng.distinct(kept, self.count());
        let units = places.iter().map(|&place| self.indices[place as usize]).collect();
        Ok(Sdr::trusted(self.units, units))
    }

    /// The `rank`-th unit that is off, from 0: `rank` plus the number of active units before it.
    fn unit_off(&self, rank: u32) -> u32 {
        // indices[i] - i units are off before the i-th active one; find how many of those ≤ rank.
        let (mut low, mut high) = (0, self.count());
        while low < high {
            let middle = (low + high) / 2;
            if self.indices[middle] - middle as u32 <= rank {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        rank + low as u32
    }
}
