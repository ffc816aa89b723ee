//! Codes of exactly `k` units whose rows add up to an input as nearly as they can.

use crate::kernel::{self, vectors::Weighted};

/// Lanes of a search for the largest gain.
const LANES: usize = 16;

/// One input being coded: which units are in, and what taking in any other would gain.
///
/// With `r` the input without the rows that are in, taking in unit `i` lowers `|r|²` by its gain
/// `2 r·w_i - |w_i|²`. Taking one in or out changes all gains by a row of the Gram matrix, so the input
/// itself is not needed again.
#[derive(Debug)]
pub(super) struct Greedy<'a> {
    /// `(n, n)`: products of all rows.
    gram: &'a [f32],
    /// `(n,)`.
    gains: &'a mut [f32],
    /// 0, or minus infinity for units that are in.
    masks: Vec<f32>,
    chosen: Vec<u32>,
}

impl<'a> Greedy<'a> {
    /// Begins with nothing, given the products of the input with all rows, which become the gains.
    pub(super) fn new(gram: &'a [f32], products: &'a mut [f32]) -> Self {
        let units = products.len();
        for (unit, gain) in products.iter_mut().enumerate() {
            *gain = 2.0 * *gain - gram[unit * units + unit];
        }
        Self { gram, gains: products, masks: vec![0.0; units], chosen: Vec::new() }
    }

    /// Takes in the unit that gains most, over and over, until `winners` are in.
    pub(super) fn fill(&mut self, winners: usize) {
        while self.chosen.len() < winners {
            let best = self.best();
            self.take_in(best);
            self.chosen.push(best);
        }
    }

    pub(super) fn take_in_all(&mut self, units: &[u32]) {
        units.iter().for_each(|&unit| self.take_in(unit));
        self.chosen.extend_from_slice(units);
    }

    /// Takes out one unit after the other and takes in the best instead, often the same; until a whole
    /// round changes nothing, at most `rounds`. The error never rises.
    pub(super) fn swap(&mut self, rounds: usize) {
        for _ in 0..rounds {
            let mut changed = false;
            for place in 0..self.chosen.len() {
                let old = self.chosen[place];
                self.take_out(old);
                let best = self.best();
                // Of equals the old one stays, or rounding could go on for ever.
                let better = self.gains[best as usize] > self.gains[old as usize];
                let new = if better { best } else { old };
                self.take_in(new);
                self.chosen[place] = new;
                changed |= new != old;
            }
            if !changed {
                return;
            }
        }
    }

    /// The units that are in, increasing.
    pub(super) fn into_units(mut self) -> Vec<u32> {
        self.chosen.sort_unstable();
        self.chosen
    }

    fn take_in(&mut self, unit: u32) {
        let parts = [Weighted { row: unit, factor: -2.0 }];
        (kernel::table().add_weighted_rows)(self.gram, &parts, self.gains);
        self.masks[unit as usize] = f32::NEG_INFINITY;
    }

    fn take_out(&mut self, unit: u32) {
        let parts = [Weighted { row: unit, factor: 2.0 }];
        (kernel::table().add_weighted_rows)(self.gram, &parts, self.gains);
        self.masks[unit as usize] = 0.0;
    }

    /// The unit that is not in with the largest gain, the lowest of equals.
    fn best(&self) -> u32 {
        let mut most = [f32::NEG_INFINITY; LANES];
        let larger = |a: f32, b: f32| if a > b { a } else { b };
        let (gains, rest) = self.gains.as_chunks::<LANES>();
        let (masks, last) = self.masks.as_chunks::<LANES>();
        for (gains, masks) in gains.iter().zip(masks) {
            for lane in 0..LANES {
                most[lane] = larger(gains[lane] + masks[lane], most[lane]);
            }
        }
        let most = rest
            .iter()
            .zip(last)
            .map(|(gain, mask)| gain + mask)
            .fold(most.into_iter().fold(f32::NEG_INFINITY, larger), larger);
        let at = self.gains.iter().zip(&self.masks).position(|(gain, mask)| gain + mask == most);
        at.unwrap_or(0) as u32
    }
}
