//! Blocks of postings: for each unit the codes that have it on.

use crate::kernel::map::Array;
use crate::kernel::postings::LIST_BLOCK;
use crate::sdr::SdrBatch;

/// Up to [`ListBlock::CAPACITY`] codes as lists of 16-bit places; units that are never on have no list.
#[derive(Debug)]
pub(super) struct ListBlock {
    /// The units that have a list, rising.
    pub(super) units: Array<u32>,
    /// Where each list ends in `places`.
    pub(super) ends: Array<u32>,
    /// The lists, each rising.
    pub(super) places: Array<u16>,
}

impl ListBlock {
    pub(super) const CAPACITY: usize = LIST_BLOCK;

    pub(super) fn new(codes: &SdrBatch) -> Self {
        let mut pairs: Vec<u64> = Vec::with_capacity(codes.indices().len());
        for (place, code) in codes.iter().enumerate() {
            pairs.extend(code.indices().iter().map(|&unit| u64::from(unit) << 16 | place as u64));
        }
        pairs.sort_unstable();
        let (mut units, mut ends) = (Vec::new(), Vec::new());
        for list in pairs.chunk_by(|a, b| a >> 16 == b >> 16) {
            units.push((list[0] >> 16) as u32);
            ends.push(ends.last().copied().unwrap_or(0) + list.len() as u32);
        }
        let places: Vec<u16> = pairs.into_iter().map(|pair| pair as u16).collect();
        Self { units: units.into(), ends: ends.into(), places: places.into() }
    }

    /// The list of the unit at place `at` of `units`.
    fn list_at(&self, at: usize) -> &[u16] {
        let start = if at == 0 { 0 } else { self.ends[at - 1] };
        self.places.get(start as usize..self.ends[at] as usize).unwrap_or_default()
    }

    /// The codes that have `unit` on, rising.
    pub(super) fn list(&self, unit: u32) -> &[u16] {
        self.units.binary_search(&unit).map_or(&[], |at| self.list_at(at))
    }

    pub(super) fn bytes(&self) -> usize {
        size_of_val(&self.units[..]) + size_of_val(&self.ends[..]) + size_of_val(&self.places[..])
    }

    pub(super) fn code(&self, place: usize) -> Vec<u32> {
        let lists = self.units.iter().enumerate();
        let on = lists.filter(|(at, _)| self.list_at(*at).binary_search(&(place as u16)).is_ok());
        on.map(|(_, &unit)| unit).collect()
    }

    pub(super) fn unit_counts(&self) -> Vec<(u32, u32)> {
        let count = |(at, &unit): (usize, &u32)| (unit, self.list_at(at).len() as u32);
        self.units.iter().enumerate().map(count).collect()
    }

    /// The first `len` codes. Cost: one pass over the block.
    pub(super) fn codes(&self, len: usize) -> Vec<Vec<u32>> {
        let mut codes = vec![Vec::new(); len];
        for (at, &unit) in self.units.iter().enumerate() {
            let places = self.list_at(at).iter().map(|&place| place as usize);
            places.filter(|&place| place < len).for_each(|place| codes[place].push(unit));
        }
        codes
    }

    /// What is wrong with lists of `len` codes, `on` units on in all, whose checksum is right: forged ones.
    pub(super) fn find_damage(&self, len: usize, on: u64) -> Option<String> {
        let rising = self.units.windows(2).all(|pair| pair[0] < pair[1])
            && self.ends.windows(2).all(|pair| pair[0] < pair[1]);
        let whole = self.ends.last().map_or(0, |&end| end as usize) == self.places.len()
            && on == self.places.len() as u64;
        let inside = (0..self.units.len()).all(|at| {
            let list = self.list_at(at);
            list.windows(2).all(|pair| pair[0] < pair[1])
                && list.last().is_some_and(|&last| (last as usize) < len)
        });
        (!(rising && whole && inside)).then(|| "lists that are none".to_owned())
    }
}
