//! Search by overlap: the stored codes that a query shares most units with, exactly.
//!
//! Counting is done in one of two ways, chosen by how many units are on ([`Layout::for_codes`]):
//!
//! - **Columns.** A bit for each unit and code, unit by unit. The 512-bit lines of the query's units are
//!   added up bit-parallel, 512 overlaps at once; a batch of queries passes over a block of codes while
//!   it is in the cache.
//! - **Lists.** For each unit the codes that have it on, in blocks whose counters stay in the cache.
//!
//! Both stop early: once `t` answers are known, a code that shares too few of the first units can't be
//! among them any more, whatever the others say. The bound is exact, so that every answer equals that
//! of brute force.
//!
//! With [`Search::recall`] a query looks into some blocks only, those whose codes have most of its units
//! on: few of them, once [`SdrIndex::group`] has put codes that share units into the same blocks.

mod block;
mod collect;
mod columns;
mod decoder;
mod groups;
mod guide;
mod lists;
mod scan;
mod score;
mod stages;
mod tiles;

use std::ops::Range;
use std::sync::OnceLock;

pub use block::Layout;
pub(crate) use block::{Block, Source};
pub use decoder::{DecoderScore, LinearDecoder, UnitProducts};
use guide::Guide;
pub use scan::Search;
pub use score::{Hit, Score};

use crate::error::{Error, Result};
use crate::sdr::{Sdr, SdrBatch};

/// Stored codes of `n` units, searched by overlap, Jaccard or containment.
///
/// Codes are numbered from 0 in the order in which they are added; a number is never used again. Queries
/// and codes may have any number of units on. Memory: [`Layout`].
///
/// ```
/// use kwinners::index::{Score, Search, SdrIndex};
/// use kwinners::SdrBatch;
/// let mut codes = SdrBatch::new(64)?;
/// for code in [[1, 2, 3], [2, 3, 4], [7, 8, 9]] {
///     codes.push(&code)?;
/// }
/// let index = SdrIndex::build(&codes)?;
/// let hits = index.top(codes.get(0), 2, &Search::default())?;
/// assert_eq!((hits[0].id, hits[0].score), (0, 3.0));
/// assert_eq!((hits[1].id, hits[1].score), (1, 2.0));
/// let jaccard = Search { score: Score::Jaccard, ..Search::default() };
/// assert_eq!(index.within(codes.get(0), 0.5, &jaccard)?.len(), 2);
/// # Ok::<(), kwinners::Error>(())
/// ```
#[derive(Debug)]
pub struct SdrIndex {
    units: usize,
    /// Chosen with the first codes.
    layout: Option<Layout>,
    /// In the order of the ids, unless grouped.
    blocks: Vec<Block>,
    /// Whether codes that share units were put together; the ids of a block rise in any case.
    grouped: bool,
    next_id: u32,
    /// Estimated when first asked for.
    duty: OnceLock<Duty>,
    /// Made when first asked for.
    guide: OnceLock<Guide>,
}

impl SdrIndex {
    /// An empty index of codes of `units` units; the layout is chosen with the first codes.
    ///
    /// # Errors
    /// If `units` is 0 or above `u32::MAX`.
    pub fn new(units: usize) -> Result<Self> {
        SdrBatch::new(units)?;
        Ok(Self::of_blocks(units, None, (Vec::new(), false), 0))
    }

    /// As [`SdrIndex::new`], with a layout of the caller's choice: lists where memory counts more than
    /// speed.
    ///
    /// # Errors
    /// If `units` is 0 or above `u32::MAX`.
    pub fn with_layout(units: usize, layout: Layout) -> Result<Self> {
        Ok(Self { layout: Some(layout), ..Self::new(units)? })
    }

    /// An index of `codes`.
    ///
    /// # Errors
    /// If there are more codes than ids.
    pub fn build(codes: &SdrBatch) -> Result<Self> {
        let mut index = Self::new(codes.units())?;
        index.add(codes)?;
        Ok(index)
    }

    /// From the blocks of a file, and whether they are grouped.
    pub(crate) fn of_blocks(
        units: usize,
        layout: Option<Layout>,
        (blocks, grouped): (Vec<Block>, bool),
        next_id: u32,
    ) -> Self {
        let (duty, guide) = (OnceLock::new(), OnceLock::new());
        Self { units, layout, blocks, grouped, next_id, duty, guide }
    }

    /// Adds `codes` and returns their ids. Cost: amortised `O(log)` copies of a code; batches are
    /// cheaper than single codes.
    ///
    /// # Errors
    /// If the codes are of another number of units, or there are more than ids (`u32::MAX`).
    pub fn add(&mut self, codes: &SdrBatch) -> Result<Range<u32>> {
        let ids = self.next_ids(codes)?;
        self.add_with_ids(&ids.clone().collect::<Vec<_>>(), codes)?;
        Ok(ids)
    }

    /// The ids that `codes` would have, if they can be added.
    pub(crate) fn next_ids(&self, codes: &SdrBatch) -> Result<Range<u32>> {
        self.check_units("codes to add", codes.units())?;
        let first = self.next_id;
        let end = u32::try_from(codes.len()).ok().and_then(|len| first.checked_add(len));
        let end = end.filter(|&end| end < u32::MAX);
        let Some(end) = end else {
            let expected = format!("at most {} codes", u32::MAX - 1 - first);
            return Err(Error::shape("codes to add", expected, codes.len()));
        };
        Ok(first..end)
    }

    /// Adds codes whose ids rise and are above all that are here.
    pub(crate) fn add_with_ids(&mut self, ids: &[u32], codes: &SdrBatch) -> Result<()> {
        if codes.is_empty() {
            return Ok(());
        }
        let winners = codes.indices().len() as f64 / codes.len() as f64;
        let layout = *self.layout.get_or_insert(Layout::for_codes(self.units, winners));
        // Small blocks are merged as the digits of a binary counter are, so that a code is copied
        // a logarithmic number of times whatever the sizes of the batches.
        let (mut all_ids, mut all) = (Vec::new(), SdrBatch::new(self.units)?);
        let mut first = self.blocks.len();
        let mut held = codes.len();
        while let Some(block) = first.checked_sub(1).map(|last| &self.blocks[last])
            && block.len() <= held
            && block.len() + held <= layout.capacity()
        {
            held += block.len();
            first -= 1;
        }
        for block in &self.blocks[first..] {
            let (ids, codes) = block.living(self.units)?;
            all_ids.extend(ids);
            all.append(&codes)?;
        }
        all_ids.extend_from_slice(ids);
        all.append(codes)?;
        self.blocks.truncate(first);
        self.blocks.extend(blocks_of(layout, &all_ids, &all));
        self.next_id = self.next_id.max(ids.last().map_or(0, |last| last + 1));
        self.forget();
        Ok(())
    }

    /// Deletes the code `id`; says whether it was there. Its memory is given back by
    /// [`SdrIndex::compact`].
    pub fn delete(&mut self, id: u32) -> bool {
        let found =
            self.may_hold(id).find_map(|number| Some((number, self.blocks[number].place_of(id)?)));
        found.is_some_and(|(number, place)| self.blocks[number].delete(place))
    }

    /// The blocks that the code `id` may be in.
    fn may_hold(&self, id: u32) -> impl Iterator<Item = usize> {
        let first = match self.grouped {
            true => 0,
            false => self.blocks.partition_point(|block| block.last_id() < id),
        };
        let end = if self.grouped { self.blocks.len() } else { self.blocks.len().min(first + 1) };
        let may = move |block: &Block| (block.first_id()..=block.last_id()).contains(&id);
        (first..end).filter(move |&number| may(&self.blocks[number]))
    }

    /// What was found out about the blocks is true no more.
    fn forget(&mut self) {
        (self.duty, self.guide) = (OnceLock::new(), OnceLock::new());
    }

    /// Rebuilds the index without what was deleted; ids stay as they are.
    ///
    /// # Errors
    /// If a block of a mapped file is damaged; the index is then as it was.
    pub fn compact(&mut self) -> Result<()> {
        let Some(layout) = self.layout else { return Ok(()) };
        let (mut ids, mut codes) = (Vec::new(), SdrBatch::new(self.units)?);
        let mut blocks = Vec::new();
        for block in &self.blocks {
            let (more_ids, more) = block.living(self.units)?;
            ids.extend(more_ids);
            codes.append(&more)?;
            let whole = codes.len() - codes.len() % layout.capacity();
            if whole > 0 {
                let places = |range: Range<usize>| range.collect::<Vec<_>>();
                let full = codes.select(&places(0..whole));
                blocks.extend(blocks_of(layout, &ids[..whole], &full));
                codes = codes.select(&places(whole..codes.len()));
                ids.drain(..whole);
            }
        }
        blocks.extend(blocks_of(layout, &ids, &codes));
        self.blocks = blocks;
        self.forget();
        Ok(())
    }

    /// Rebuilds the index without what was deleted and with codes that share units in the same blocks, so
    /// that a search with [`Search::recall`] looks into few of them; ids stay as they are. Codes that are
    /// added later come after. Lists are always searched exactly and stay as they lie.
    ///
    /// Cost: 2.3 additions for each unit of a code and group of 256 codes, of 4,096 groups at most; memory
    /// for all codes.
    ///
    /// ```
    /// use kwinners::index::{Search, SdrIndex};
    /// use kwinners::{Rng, SdrBatch};
    /// let (mut rng, mut codes) = (Rng::new(1), SdrBatch::new(256)?);
    /// for _ in 0..3000 {
    ///     codes.push(&rng.distinct(8, 256))?;
    /// }
    /// let mut index = SdrIndex::build(&codes)?;
    /// let before = index.top_batch(&codes, 3, &Search::default())?;
    /// index.group()?;
    /// assert_eq!(index.top_batch(&codes, 3, &Search::default())?, before);
    /// # Ok::<(), kwinners::Error>(())
    /// ```
    ///
    /// # Errors
    /// If a block of a mapped file is damaged; the index is then as it was.
    pub fn group(&mut self) -> Result<()> {
        let Some(layout @ Layout::Columns) = self.layout else { return self.compact() };
        let (mut ids, mut codes) = (Vec::new(), SdrBatch::new(self.units)?);
        for block in &self.blocks {
            let (more_ids, more) = block.living(self.units)?;
            ids.extend(more_ids);
            codes.append(&more)?;
        }
        let order = groups::order(&codes)?;
        let ids: Vec<u32> = order.iter().map(|&place| ids[place as usize]).collect();
        let places: Vec<usize> = order.into_iter().map(|place| place as usize).collect();
        self.blocks = blocks_of(layout, &ids, &codes.select(&places));
        self.grouped = true;
        self.forget();
        Ok(())
    }

    /// Whether [`SdrIndex::group`] was called, here or before it was saved.
    pub fn is_grouped(&self) -> bool {
        self.grouped
    }

    /// Number of units, `n`.
    pub fn units(&self) -> usize {
        self.units
    }

    /// Number of codes that are there and not deleted.
    pub fn len(&self) -> usize {
        self.blocks.iter().map(Block::alive_count).sum()
    }

    /// Whether there is no code.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The id that the next code will have.
    pub fn next_id(&self) -> u32 {
        self.next_id
    }

    /// How the codes lie; `None` before the first.
    pub fn layout(&self) -> Option<Layout> {
        self.layout
    }

    /// Bytes that the codes take, in memory or in the mapped file.
    pub fn bytes(&self) -> usize {
        self.blocks.iter().map(Block::bytes).sum()
    }

    /// The code `id`, if it is there and not deleted. Cost: `O(n)`.
    ///
    /// # Errors
    /// If its block of a mapped file is damaged.
    pub fn get(&self, id: u32) -> Result<Option<Sdr>> {
        for number in self.may_hold(id) {
            let block = &self.blocks[number];
            block.verify()?;
            if let Some(place) = block.place_of(id).filter(|&place| block.is_alive(place)) {
                return Sdr::new(self.units, block.code(place)).map(Some);
            }
        }
        Ok(None)
    }

    /// All codes that are not deleted, a block at a time, with their ids: what a score that no overlap
    /// gives has to go through.
    ///
    /// # Errors
    /// If a block of a mapped file is damaged; what was passed over before it is right.
    pub fn for_each_block(&self, mut each: impl FnMut(&[u32], &SdrBatch)) -> Result<()> {
        self.blocks.iter().try_for_each(|block| {
            let (ids, codes) = block.living(self.units)?;
            each(&ids, &codes);
            Ok(())
        })
    }

    pub(crate) fn blocks(&self) -> &[Block] {
        &self.blocks
    }

    fn check_units(&self, what: &str, units: usize) -> Result<()> {
        if units == self.units {
            return Ok(());
        }
        Err(Error::shape(what, format!("{} units, as in the index", self.units), units))
    }

    /// From a few blocks: what makes a search fast or slow, never right or wrong.
    fn duty(&self) -> &Duty {
        const BLOCKS: usize = 16;
        self.duty.get_or_init(|| {
            let step = self.blocks.len().div_ceil(BLOCKS).max(1);
            let some = || self.blocks.iter().step_by(step);
            let seen: usize = some().map(Block::len).sum();
            let mut counts: Vec<(u32, u32)> = some().flat_map(Block::unit_counts).collect();
            counts.sort_unstable();
            let same = counts.chunk_by(|(a, _), (b, _)| a == b);
            let share = |list: &[(u32, u32)]| {
                (list[0].0, list.iter().map(|(_, count)| *count as f32).sum::<f32>() / seen as f32)
            };
            Duty(same.map(share).collect())
        })
    }
}

/// The share of codes that have each unit on, for the units that some have, rising.
#[derive(Debug)]
struct Duty(Vec<(u32, f32)>);

impl Duty {
    fn of(&self, unit: u32) -> f32 {
        // Where all units are there, a unit is its own place.
        let near = self.0.get(unit as usize).filter(|(other, _)| *other == unit);
        let found = near.or_else(|| {
            let place = self.0.binary_search_by_key(&unit, |(other, _)| *other);
            place.ok().map(|place| &self.0[place])
        });
        found.map_or(0.0, |(_, share)| *share)
    }
}

/// Full blocks and the rest, the ids of each rising.
fn blocks_of(layout: Layout, ids: &[u32], codes: &SdrBatch) -> Vec<Block> {
    use rayon::prelude::*;
    let starts: Vec<usize> = (0..codes.len()).step_by(layout.capacity()).collect();
    let block = |&start: &usize| {
        let mut places: Vec<usize> = (start..codes.len().min(start + layout.capacity())).collect();
        places.sort_unstable_by_key(|&place| ids[place]);
        let ids: Vec<u32> = places.iter().map(|&place| ids[place]).collect();
        Block::new(layout, &ids, &codes.select(&places))
    };
    starts.par_iter().map(block).collect()
}
