//! Codes as bits, near the fewest there can be.
//!
//! A code is the gaps between its units, each a Rice number (Rice 1979): the quotient by `2^b` in unary,
//! then `b` bits of remainder. Gaps of a random code are geometric, and for these `b` by Kiely's rule
//! (2004) is within 2 % of the entropy. Where some units are on more often than others, units are first
//! ranked by how often, and `b` follows the rank, so that codes of a learned encoder can take fewer bits
//! than `log2 C(n, k)`. Why not others: ARCHITECTURE.md.

use super::container::u32_at;
use crate::sdr::SdrBatch;

/// The longest quotient; a gap with a longer one follows in [`WHOLE`] bits.
const LONGEST: u32 = 40;
const WHOLE: u32 = 32;
/// Codes that the two ways are compared on.
const SAMPLE: usize = 2048;

/// How the codes of a file are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Coding {
    units: usize,
    /// The unit of each rank; empty if units are their own ranks.
    unit_of: Vec<u32>,
    rank_of: Vec<u32>,
    /// Bits of remainder of a gap that begins at each rank, or one number for all.
    remainders: Vec<u8>,
}

impl Coding {
    /// The better one for codes like these: ranked units, or units as they are.
    pub(super) fn for_codes(codes: &SdrBatch) -> Self {
        let mean = codes.indices().len() as f64 / codes.len().max(1) as f64;
        let plain = Self::plain(codes.units(), remainder(mean / codes.units() as f64));
        if codes.indices().len() < codes.units() {
            return plain;
        }
        let ranked = Self::ranked(codes);
        let sample: Vec<usize> = (0..codes.len()).step_by(codes.len().div_ceil(SAMPLE)).collect();
        let sample = codes.select(&sample);
        let bits = |coding: &Self| {
            let mut bits = BitWriter::default();
            sample.iter().for_each(|code| coding.write(code.indices(), &mut bits));
            bits.len() as f64 / sample.len() as f64
        };
        // The table of ranks is part of the price.
        let table = ranked.to_bytes().len() as f64 * 8.0 / codes.len() as f64;
        if bits(&ranked) + table < bits(&plain) { ranked } else { plain }
    }

    fn plain(units: usize, remainder: u8) -> Self {
        Self { units, unit_of: Vec::new(), rank_of: Vec::new(), remainders: vec![remainder] }
    }

    fn ranked(codes: &SdrBatch) -> Self {
        let counts = codes.unit_counts();
        let mut unit_of: Vec<u32> = (0..codes.units() as u32).collect();
        unit_of.sort_by_key(|&unit| (std::cmp::Reverse(counts[unit as usize]), unit));
        let share =
            |unit: &u32| (f64::from(counts[*unit as usize]) + 0.5) / (codes.len() as f64 + 1.0);
        let remainders = unit_of.iter().map(|unit| remainder(share(unit))).collect();
        let rank_of = inverse(&unit_of);
        Self { units: codes.units(), unit_of, rank_of, remainders }
    }

    fn remainder_at(&self, rank: u32) -> u32 {
        let place = if self.remainders.len() == 1 { 0 } else { rank as usize };
        self.remainders[place].into()
    }

    /// Appends the gaps of `code`; how many there are must be known from elsewhere.
    pub(super) fn write(&self, code: &[u32], bits: &mut BitWriter) {
        let mut ranks: Vec<u32>;
        let ranks = if self.rank_of.is_empty() {
            code
        } else {
            ranks = code.iter().map(|&unit| self.rank_of[unit as usize]).collect();
            ranks.sort_unstable();
            &ranks
        };
        let mut next = 0;
        for &rank in ranks {
            let (gap, remainder) = (rank - next, self.remainder_at(next));
            match gap >> remainder {
                quotient @ 0..LONGEST => {
                    bits.push((1 << quotient) - 1, quotient + 1);
                    bits.push(u64::from(gap) & ((1 << remainder) - 1), remainder);
                }
                _ => {
                    bits.push((1 << LONGEST) - 1, LONGEST);
                    bits.push(gap.into(), WHOLE);
                }
            }
            next = rank + 1;
        }
    }

    /// Reads a code of `count` units to `code`; `None` if the bits are no code.
    pub(super) fn read(
        &self,
        count: usize,
        bits: &mut BitReader<'_>,
        code: &mut Vec<u32>,
    ) -> Option<()> {
        code.clear();
        let mut next = 0u32;
        for _ in 0..count {
            if next as usize >= self.units {
                return None;
            }
            let remainder = self.remainder_at(next);
            let quotient = bits.ones(LONGEST)?;
            let gap = if quotient < LONGEST {
                (quotient << remainder) | bits.take(remainder)?
            } else {
                bits.take(WHOLE)?
            };
            let rank = next.checked_add(gap).filter(|&rank| (rank as usize) < self.units)?;
            code.push(if self.unit_of.is_empty() { rank } else { self.unit_of[rank as usize] });
            next = rank + 1;
        }
        if !self.unit_of.is_empty() {
            code.sort_unstable();
        }
        Some(())
    }

    /// A number of ranked units (0 or all) and the remainder of all (or 0), then the tables.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let ranked = self.unit_of.len() as u32;
        let remainder = if ranked == 0 { u32::from(self.remainders[0]) } else { 0 };
        let mut out = [ranked.to_le_bytes(), remainder.to_le_bytes()].concat();
        if ranked > 0 {
            out.extend(self.unit_of.iter().flat_map(|unit| unit.to_le_bytes()));
            out.extend(&self.remainders);
        }
        out
    }

    /// The coding that `bytes` say, if they do.
    pub(super) fn of_bytes(bytes: &[u8], units: usize) -> Option<Self> {
        let (head, tables) = bytes.split_at_checked(8)?;
        let (ranked, remainder) = (u32_at(head, 0) as usize, u32_at(head, 4));
        if ranked == 0 {
            let remainder = u8::try_from(remainder).ok().filter(|&bits| bits < 32)?;
            return tables.is_empty().then(|| Self::plain(units, remainder));
        }
        if ranked != units || remainder != 0 || tables.len() != units.checked_mul(5)? {
            return None;
        }
        let (unit_of, remainders) = tables.split_at(units * 4);
        let unit_of: Vec<u32> =
            unit_of.as_chunks().0.iter().map(|unit| u32::from_le_bytes(*unit)).collect();
        let mut seen = vec![false; units];
        let new = |unit: &u32| {
            seen.get_mut(*unit as usize).is_some_and(|seen| !std::mem::replace(seen, true))
        };
        let right = unit_of.iter().all(new) && remainders.iter().all(|&bits| bits < 32);
        let rank_of = if right { inverse(&unit_of) } else { return None };
        Some(Self { units, unit_of, rank_of, remainders: remainders.to_vec() })
    }
}

/// Bits of remainder for gaps between units that are on with this share (Kiely, "Selecting the Golomb
/// parameter in Rice coding", 2004).
fn remainder(share: f64) -> u8 {
    if share <= 0.0 || share >= 1.0 {
        return 0;
    }
    let golden = (f64::sqrt(5.0) - 1.0) / 2.0;
    let bits = (golden.ln() / (1.0 - share).ln()).log2().floor() + 1.0;
    bits.clamp(0.0, 31.0) as u8
}

fn inverse(unit_of: &[u32]) -> Vec<u32> {
    let mut rank_of = vec![0; unit_of.len()];
    for (rank, &unit) in unit_of.iter().enumerate() {
        rank_of[unit as usize] = rank as u32;
    }
    rank_of
}

/// Bits in a row, the lowest bit of each byte first.
#[derive(Debug, Default)]
pub(super) struct BitWriter {
    bytes: Vec<u8>,
    pending: u64,
    used: u32,
}

impl BitWriter {
    /// Appends the low `count` bits of `bits`, at most 56; the others must be 0.
    pub(super) fn push(&mut self, bits: u64, count: u32) {
        debug_assert!(count <= 56 && bits >> count == 0, "bits outside their number");
        self.pending |= bits << self.used;
        self.used += count;
        while self.used >= 8 {
            self.bytes.push(self.pending as u8);
            self.pending >>= 8;
            self.used -= 8;
        }
    }

    /// Bits so far.
    pub(super) fn len(&self) -> usize {
        self.bytes.len() * 8 + self.used as usize
    }

    pub(super) fn into_bytes(mut self) -> Vec<u8> {
        if self.used > 0 {
            self.bytes.push(self.pending as u8);
        }
        self.bytes
    }
}

/// Reads what a [`BitWriter`] wrote, from any bit on; past the end there is nothing.
#[derive(Clone, Debug)]
pub(super) struct BitReader<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl<'a> BitReader<'a> {
    pub(super) fn new(bytes: &'a [u8], position: usize) -> Self {
        Self { bytes, position }
    }

    /// The next 57 bits or more, with zeros past the end.
    fn peek(&self) -> u64 {
        let start = self.position / 8;
        let word = match self.bytes.get(start..start.saturating_add(8)) {
            Some(bytes) => u64::from_le_bytes(std::array::from_fn(|byte| bytes[byte])),
            None => {
                let rest = self.bytes.get(start..).unwrap_or_default();
                rest.iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte))
            }
        };
        word >> (self.position % 8)
    }

    fn skip(&mut self, count: u32) -> Option<()> {
        self.position += count as usize;
        (self.position <= self.bytes.len() * 8).then_some(())
    }

    /// The next `count` bits, at most 32.
    pub(super) fn take(&mut self, count: u32) -> Option<u32> {
        let bits = self.peek() & ((1 << count) - 1);
        self.skip(count)?;
        Some(bits as u32)
    }

    /// How many ones come next, up to `most`; the zero after fewer is passed over.
    pub(super) fn ones(&mut self, most: u32) -> Option<u32> {
        let ones = self.peek().trailing_ones().min(most);
        self.skip(ones + u32::from(ones < most))?;
        Some(ones)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn batch(codes: &[Vec<u32>]) -> SdrBatch {
        let mut batch = SdrBatch::new(500).unwrap();
        codes.iter().for_each(|code| batch.push(code).unwrap());
        batch
    }

    proptest! {
        #[test]
        fn codes_come_back(
            codes in proptest::collection::vec(proptest::collection::btree_set(0u32..500, 0..60), 1..40),
        ) {
            let codes: Vec<Vec<u32>> = codes.into_iter().map(|code| code.into_iter().collect()).collect();
            let batch = batch(&codes);
            for coding in [Coding::plain(500, 0), Coding::plain(500, 5), Coding::ranked(&batch)] {
                let again = Coding::of_bytes(&coding.to_bytes(), 500);
                prop_assert_eq!(again.as_ref(), Some(&coding));
                let mut bits = BitWriter::default();
                codes.iter().for_each(|code| coding.write(code, &mut bits));
                let bytes = bits.into_bytes();
                let (mut bits, mut read) = (BitReader::new(&bytes, 0), Vec::new());
                for code in &codes {
                    prop_assert_eq!(coding.read(code.len(), &mut bits, &mut read), Some(()));
                    prop_assert_eq!(&read, code);
                }
            }
        }

        #[test]
        fn any_bytes_end(bytes in proptest::collection::vec(any::<u8>(), 0..40), remainder in 0u8..32) {
            let mut bits = BitReader::new(&bytes, 0);
            let mut code = Vec::new();
            let coding = Coding::plain(500, remainder);
            while coding.read(7, &mut bits, &mut code).is_some() {
                prop_assert!(code.len() == 7 && code.is_sorted() && code[6] < 500);
            }
        }
    }
}
