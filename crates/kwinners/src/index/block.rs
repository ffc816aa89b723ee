//! The codes of an index in blocks, each laid out for the way in which it is searched.

use std::sync::{Arc, OnceLock};

use super::columns::ColumnBlock;
use super::lists::ListBlock;
use crate::error::{Error, Result};
use crate::kernel::map::{Array, Map};
use crate::kernel::postings::{LINE, Line};
use crate::sdr::SdrBatch;

/// How the codes of an index lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// A bit for each unit and code, unit by unit: `n / 8` bytes a code. 512 overlaps are counted at
    /// once.
    Columns,
    /// For each unit the list of codes that have it on: about `2 k` bytes a code. One count at a time,
    /// but only where a unit is on.
    Lists,
}

impl Layout {
    /// Units for each active one up to which columns are faster: at `n = 128 k` a line of 512 codes
    /// has 4 bits on, and reading it costs as much as four counts.
    const DENSE: usize = 128;

    /// The faster layout for codes of `units` units of which `winners` are on.
    pub fn for_codes(units: usize, winners: f64) -> Self {
        if units as f64 <= winners * Self::DENSE as f64 { Self::Columns } else { Self::Lists }
    }

    /// Codes that a block can hold.
    pub(crate) fn capacity(self) -> usize {
        match self {
            Self::Columns => ColumnBlock::CAPACITY,
            Self::Lists => ListBlock::CAPACITY,
        }
    }

    fn number(self) -> u32 {
        match self {
            Self::Columns => 0,
            Self::Lists => 1,
        }
    }
}

/// Some codes of an index with rising ids.
#[derive(Debug)]
pub(crate) struct Block {
    pub(super) ids: Ids,
    pub(super) sizes: Sizes,
    pub(super) body: Body,
    /// Codes that are there and not deleted.
    pub(super) alive: Vec<Line>,
    pub(super) alive_count: usize,
    len: usize,
    /// Where the block lies in a file, until it has been verified.
    source: Option<Source>,
}

/// The units that are on.
#[derive(Debug)]
pub(super) enum Body {
    Columns(ColumnBlock),
    Lists(ListBlock),
}

/// The ids of a block's codes.
#[derive(Debug)]
pub(super) enum Ids {
    /// One after the other, from here.
    From(u32),
    Each(Array<u32>),
}

/// How many units each code has on.
#[derive(Debug)]
pub(super) enum Sizes {
    All(u32),
    Each(Array<u32>),
}

impl Ids {
    fn of(ids: &[u32]) -> Self {
        let first = ids.first().copied().unwrap_or(0);
        let unbroken = ids.iter().zip(first..).all(|(&id, expected)| id == expected);
        if unbroken { Self::From(first) } else { Self::Each(ids.to_vec().into()) }
    }

    pub(super) fn get(&self, place: usize) -> u32 {
        match self {
            Self::From(first) => first.saturating_add(place as u32),
            Self::Each(ids) => ids.get(place).copied().unwrap_or(u32::MAX),
        }
    }
}

impl Sizes {
    fn of(codes: &SdrBatch) -> Self {
        match codes.winners() {
            Some(winners) => Self::All(winners as u32),
            None => {
                Self::Each(codes.iter().map(|code| code.count() as u32).collect::<Vec<_>>().into())
            }
        }
    }

    pub(super) fn get(&self, place: usize) -> u32 {
        match self {
            Self::All(size) => *size,
            Self::Each(sizes) => sizes.get(place).copied().unwrap_or(0),
        }
    }

    /// Units that are on in `len` codes together.
    fn sum(&self, len: usize) -> u64 {
        match self {
            Self::All(size) => u64::from(*size) * len as u64,
            Self::Each(sizes) => sizes.iter().map(|&size| u64::from(size)).sum(),
        }
    }

    /// The smallest.
    pub(super) fn least(&self) -> u32 {
        match self {
            Self::All(size) => *size,
            Self::Each(sizes) => sizes.iter().copied().min().unwrap_or(0),
        }
    }
}

/// The bytes of a block in a mapped file, and whether they were found to be right.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) map: Arc<Map>,
    pub(crate) offset: usize,
    pub(crate) bytes: usize,
    pub(crate) crc32: u32,
    /// `None` inside: right. Else what is wrong.
    pub(crate) verdict: OnceLock<Option<String>>,
}

impl Source {
    fn damage(&self, reason: &str) -> Error {
        Error::Damaged {
            path: self.map.path().to_owned(),
            section: "block".to_owned(),
            offset: self.offset as u64,
            reason: reason.to_owned(),
        }
    }
}

/// Bytes of a block's head; its arrays follow, each at the next multiple of 64.
const HEAD: usize = 64;
/// Numbers in the head: layout, codes, units, lines a unit, the size of all codes or [`MANY`], the
/// first id or [`MANY`], listed units, listed places.
const HEAD_NUMBERS: usize = 8;
/// "A number for each code."
const MANY: u32 = u32::MAX;

impl Block {
    /// # Panics
    /// If there are more codes than `layout` has room for, or not one id for each.
    pub(crate) fn new(layout: Layout, ids: &[u32], codes: &SdrBatch) -> Self {
        assert!(codes.len() <= layout.capacity() && ids.len() == codes.len(), "a block's worth");
        let body = match layout {
            Layout::Columns => Body::Columns(ColumnBlock::new(codes)),
            Layout::Lists => Body::Lists(ListBlock::new(codes)),
        };
        Self::of_parts(Ids::of(ids), Sizes::of(codes), body, codes.len())
    }

    fn of_parts(ids: Ids, sizes: Sizes, body: Body, len: usize) -> Self {
        let lines = (0..len.div_ceil(LINE)).map(|line| Line::first(len - line * LINE));
        let alive = lines.collect();
        Self { ids, sizes, body, alive, alive_count: len, len, source: None }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn alive_count(&self) -> usize {
        self.alive_count
    }

    pub(crate) fn layout(&self) -> Layout {
        match &self.body {
            Body::Columns(_) => Layout::Columns,
            Body::Lists(_) => Layout::Lists,
        }
    }

    pub(crate) fn id(&self, place: usize) -> u32 {
        self.ids.get(place)
    }

    pub(crate) fn first_id(&self) -> u32 {
        self.ids.get(0)
    }

    pub(crate) fn last_id(&self) -> u32 {
        self.ids.get(self.len.saturating_sub(1))
    }

    /// The place of the code `id`, if it is here, deleted or not.
    pub(crate) fn place_of(&self, id: u32) -> Option<usize> {
        let (mut low, mut high) = (0, self.len);
        while low < high {
            let middle = low.midpoint(high);
            if self.ids.get(middle) < id { low = middle + 1 } else { high = middle }
        }
        (low < self.len && self.ids.get(low) == id).then_some(low)
    }

    pub(crate) fn is_alive(&self, place: usize) -> bool {
        self.alive[place / LINE].get(place % LINE)
    }

    /// Forgets code `place`; says whether it was there.
    pub(crate) fn delete(&mut self, place: usize) -> bool {
        let was = self.is_alive(place);
        self.alive[place / LINE].set(place % LINE, false);
        self.alive_count -= usize::from(was);
        was
    }

    /// Code `place`, deleted or not. Cost: `O(n)`.
    pub(crate) fn code(&self, place: usize) -> Vec<u32> {
        match &self.body {
            Body::Columns(block) => block.code(place),
            Body::Lists(block) => block.code(place),
        }
    }

    /// The codes that are not deleted, with their ids.
    pub(crate) fn living(&self, units: usize) -> Result<(Vec<u32>, SdrBatch)> {
        self.verify()?;
        let all = match &self.body {
            Body::Columns(block) => block.codes(self.len),
            Body::Lists(block) => block.codes(self.len),
        };
        let (mut ids, mut codes) = (Vec::new(), SdrBatch::new(units)?);
        for (place, code) in all.iter().enumerate().filter(|(place, _)| self.is_alive(*place)) {
            ids.push(self.ids.get(place));
            codes.push(code)?;
        }
        Ok((ids, codes))
    }

    /// The units that some code has on, rising, and how many have.
    pub(crate) fn unit_counts(&self) -> Vec<(u32, u32)> {
        match &self.body {
            Body::Columns(block) => block.unit_counts(),
            Body::Lists(block) => block.unit_counts(),
        }
    }

    /// Bytes of memory or of the file.
    pub(crate) fn bytes(&self) -> usize {
        let body = match &self.body {
            Body::Columns(block) => size_of_val(&block.lines[..]),
            Body::Lists(block) => block.bytes(),
        };
        let each = |array: &Array<u32>| size_of_val(&array[..]);
        let ids = if let Ids::Each(ids) = &self.ids { each(ids) } else { 0 };
        let sizes = if let Sizes::Each(sizes) = &self.sizes { each(sizes) } else { 0 };
        body + ids + sizes + size_of_val(&self.alive[..])
    }

    /// The block as a file has it: a head of numbers, then arrays. Which codes are deleted is not in
    /// it.
    pub(crate) fn to_bytes(&self, units: usize) -> Vec<u8> {
        let (layout, width, listed, places) = match &self.body {
            Body::Columns(block) => (Layout::Columns, block.width, 0, 0),
            Body::Lists(block) => (Layout::Lists, 0, block.units.len(), block.places.len()),
        };
        let size = if let Sizes::All(size) = self.sizes { size } else { MANY };
        let id = if let Ids::From(id) = self.ids { id } else { MANY };
        let numbers = [self.len, units, width, listed, places].map(|number| number as u32);
        let [len, units, width, listed, places] = numbers;
        let head = [layout.number(), len, units, width, size, id, listed, places];
        let mut out: Vec<u8> = head.iter().flat_map(|number| number.to_le_bytes()).collect();
        let mut push = |bytes: &mut dyn Iterator<Item = u8>| {
            out.resize(out.len().next_multiple_of(HEAD), 0);
            out.extend(bytes);
        };
        if let Sizes::Each(sizes) = &self.sizes {
            push(&mut sizes.iter().flat_map(|size| size.to_le_bytes()));
        }
        if let Ids::Each(ids) = &self.ids {
            push(&mut ids.iter().flat_map(|id| id.to_le_bytes()));
        }
        match &self.body {
            Body::Columns(block) => {
                let words = block.lines.iter().flat_map(|line| line.0);
                push(&mut words.flat_map(u64::to_le_bytes));
            }
            Body::Lists(block) => {
                push(&mut block.units.iter().flat_map(|unit| unit.to_le_bytes()));
                push(&mut block.ends.iter().flat_map(|end| end.to_le_bytes()));
                push(&mut block.places.iter().flat_map(|place| place.to_le_bytes()));
            }
        }
        out
    }

    /// A block of an index of `units` units as it lies in a mapped file. Only its head is read, and
    /// compared with the length; the rest is verified before the first search.
    pub(crate) fn of_map(source: Source, units: usize) -> Result<Self> {
        let wrong = |reason: &str| Err(source.damage(reason));
        let map = &source.map;
        let Some(head) =
            map.array::<u32>(source.offset, HEAD_NUMBERS).filter(|_| source.bytes >= HEAD / 2)
        else {
            return wrong("a block is shorter than its head");
        };
        let [layout, len, head_units, width, size, id, listed, places] =
            std::array::from_fn(|at| head[at] as usize);
        let limit = [ColumnBlock::CAPACITY, ListBlock::CAPACITY].get(layout).copied();
        let Some(capacity) = limit.filter(|_| head_units == units && len > 0) else {
            return wrong("a block of another layout or number of units, or without codes");
        };
        let mut arrays = Arrays { source: &source, end: source.offset + HEAD / 2 };
        let sizes = match size as u32 {
            MANY => Sizes::Each(arrays.next(len)?),
            size => Sizes::All(size),
        };
        let ids = match id as u32 {
            MANY => Ids::Each(arrays.next(len)?),
            id => Ids::From(id),
        };
        let body = if layout == 0 {
            let lines = units.checked_mul(width).filter(|_| width == len.div_ceil(LINE));
            let Some(lines) = lines else { return wrong("the lines don't fit the codes") };
            Body::Columns(ColumnBlock { lines: arrays.next(lines)?, width })
        } else {
            let (units, ends) = (arrays.next(listed)?, arrays.next(listed)?);
            Body::Lists(ListBlock { units, ends, places: arrays.next(places)? })
        };
        if len > capacity || arrays.end != source.offset + source.bytes {
            return wrong("the arrays of a block don't fill it");
        }
        let last = matches!(ids, Ids::From(id) if id.checked_add(len as u32).is_none());
        if last {
            return wrong("ids past the largest there is");
        }
        Ok(Self { source: Some(source), ..Self::of_parts(ids, sizes, body, len) })
    }

    /// Verifies a block of a file, the first time that it is asked for.
    pub(crate) fn verify(&self) -> Result<()> {
        let Some(source) = &self.source else { return Ok(()) };
        let verdict = source.verdict.get_or_init(|| self.find_damage(source));
        verdict.as_ref().map_or(Ok(()), |reason| Err(source.damage(reason)))
    }

    fn find_damage(&self, source: &Source) -> Option<String> {
        let found = crc32fast::hash(source.map.bytes(source.offset, source.bytes));
        if found != source.crc32 {
            return Some(format!("checksum {found:08x}; expected {:08x}", source.crc32));
        }
        if let Ids::Each(ids) = &self.ids
            && !ids.windows(2).all(|pair| pair[0] < pair[1])
        {
            return Some("ids that don't rise".to_owned());
        }
        match &self.body {
            Body::Columns(_) => None,
            Body::Lists(block) => block.find_damage(self.len, self.sizes.sum(self.len)),
        }
    }
}

/// Takes the arrays of a block one after the other, each at the next multiple of 64.
struct Arrays<'a> {
    source: &'a Source,
    end: usize,
}

impl Arrays<'_> {
    fn next<T: crate::kernel::map::Plain>(&mut self, len: usize) -> Result<Array<T>> {
        let start = self.end.next_multiple_of(HEAD);
        let end = len.checked_mul(size_of::<T>()).and_then(|bytes| start.checked_add(bytes));
        let inside = end.filter(|&end| end <= self.source.offset + self.source.bytes);
        let array = inside.and_then(|_| Array::of_map(&self.source.map, start, len));
        self.end = inside.unwrap_or(self.end);
        array.ok_or_else(|| self.source.damage("an array of a block reaches past its end"))
    }
}
