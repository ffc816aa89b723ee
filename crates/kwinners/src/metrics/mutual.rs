//! How much units tell of each other.

use rayon::prelude::*;

use crate::rng::Rng;
use crate::sdr::{BitRows, SdrBatch};

/// Units whose pairs are all looked at; of more, so many are drawn.
const MOST_UNITS: usize = 4096;

/// Units compared with one block of others while it stays in the cache.
const UNITS_A_BLOCK: usize = 256;

const SEED: u64 = 0x006D_7574_7561_6C00;

/// Mean over all pairs of different units of their mutual information, in bits: 0 where units win
/// independently, the entropy of a unit where all win together. NaN where there are no two units, or
/// no code.
///
/// `I(a; b) = Σ p(a, b) log2 (p(a, b) / p(a) p(b))` over the four cases of on and off, with shares of
/// the codes for `p`: counts of few codes make it too large by about `1 / (2 len ln 2)`.
///
/// All pairs of up to 4,096 units; where there are more, those of 4,096 drawn with a fixed seed.
/// Cost: `units² · len / 128` word operations, over all cores; memory: `units · len` bits.
///
/// ```
/// use kwinners::{SdrBatch, metrics::unit_mutual_information};
/// // Each of the two units is on in half of the codes, and never with the other.
/// let codes = SdrBatch::from_exact(2, 1, vec![0, 1, 1, 0])?;
/// assert_eq!(unit_mutual_information(&codes), 1.0);
/// # Ok::<(), kwinners::Error>(())
/// ```
pub fn unit_mutual_information(codes: &SdrBatch) -> f64 {
    if codes.is_empty() {
        return f64::NAN;
    }
    let uses = Uses::of(codes);
    let sums: Vec<f64> =
        (0..uses.blocks.len()).into_par_iter().map(|block| uses.sum_of_block(block)).collect();
    let pairs = uses.counts.len() * uses.counts.len().saturating_sub(1) / 2;
    sums.iter().sum::<f64>() / pairs as f64
}

/// Which codes each unit is on in.
struct Uses {
    /// A row of `len` bits a unit.
    blocks: Vec<BitRows>,
    /// How many codes each unit is on in.
    counts: Vec<u32>,
    /// `c log2 c` for every count up to the number of codes.
    logs: Vec<f64>,
}

impl Uses {
    fn of(codes: &SdrBatch) -> Self {
        let units = drawn_units(codes.units());
        let mut place_of = vec![None; codes.units()];
        units.iter().enumerate().for_each(|(place, &unit)| place_of[unit as usize] = Some(place));
        let mut blocks: Vec<BitRows> = units
            .chunks(UNITS_A_BLOCK)
            .map(|units| BitRows::zeros(codes.len(), units.len()))
            .collect();
        let mut counts = vec![0; units.len()];
        for (code, indices) in codes.iter().enumerate() {
            for place in indices.indices().iter().filter_map(|&index| place_of[index as usize]) {
                let row = blocks[place / UNITS_A_BLOCK].row_mut(place % UNITS_A_BLOCK);
                row[code / 64] |= 1 << (code % 64);
                counts[place] += 1;
            }
        }
        let log = |count: usize| if count > 0 { count as f64 * (count as f64).log2() } else { 0.0 };
        Self { blocks, counts, logs: (0..=codes.len()).map(log).collect() }
    }

    /// The mutual information of each unit of a block with each later unit, summed.
    fn sum_of_block(&self, first: usize) -> f64 {
        let mut sum = 0.0;
        let mut both = vec![0; UNITS_A_BLOCK];
        for (block, rows) in self.blocks.iter().enumerate().skip(first) {
            let both = &mut both[..rows.len()];
            for own in 0..self.blocks[first].len() {
                rows.overlaps(self.blocks[first].row(own), both);
                let later = if block == first { own + 1 } else { 0 };
                let a = self.counts[first * UNITS_A_BLOCK + own];
                let others = &self.counts[block * UNITS_A_BLOCK..][..rows.len()];
                let pairs = both[later..].iter().zip(&others[later..]);
                sum += pairs.map(|(&both, &b)| self.of_pair(a, b, both)).sum::<f64>();
            }
        }
        sum
    }

    /// `I(a; b)` of units that are on in `a` and `b` codes, in `both` together.
    fn of_pair(&self, a: u32, b: u32, both: u32) -> f64 {
        let len = self.logs.len() - 1;
        let log = |count: usize| self.logs[count];
        let (a, b, both) = (a as usize, b as usize, both as usize);
        let joint = log(both) + log(a - both) + log(b - both) + log(len + both - a - b);
        let alone = log(a) + log(len - a) + log(b) + log(len - b);
        ((joint - alone + log(len)) / len as f64).max(0.0) // the sum of logarithms may end at -1e-17
    }
}

fn drawn_units(units: usize) -> Vec<u32> {
    match units <= MOST_UNITS {
        true => (0..units as u32).collect(),
        false => Rng::new(SEED).distinct(MOST_UNITS, units),
    }
}
