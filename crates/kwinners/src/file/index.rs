//! Indexes in `.kw` files: searched where they lie, appended to, deleted from.

use std::ops::Range;
use std::path::Path;
use std::sync::OnceLock;

use roaring::RoaringBitmap;

use super::codes::{open_about, refuse_others};
use super::container::u32_at;
use super::fields::{Blame, Fields};
use super::journal::{self, Append, Chunk, Journal, NewChunk};
use crate::error::Result;
use crate::index::{Block, Layout, SdrIndex, Source};
use crate::sdr::SdrBatch;

/// Codes that are added few at a time lie as they are, up to so many; then they become blocks.
const LOOSE: usize = 1024;
const NO_LAYOUT: &str = "none";
/// Says that ids don't rise from block to block.
const GROUPED: &str = "grouped";

/// Saves `index` to `path`, in place of what is there: blocks as they lie in memory, without what was
/// deleted from blocks that have nothing left.
///
/// # Errors
/// If the file can't be written (what was at `path` is then still there), or a block that is itself
/// mapped from a file is damaged.
pub fn save_index(path: &Path, index: &SdrIndex) -> Result<()> {
    index.blocks().iter().try_for_each(Block::verify)?;
    let units = index.units();
    let mut about = Fields::default();
    about.push("content", "index");
    about.push("units", units);
    about.push("layout", index.layout().map_or(NO_LAYOUT, name_of));
    about.push("next", index.next_id());
    if index.is_grouped() {
        about.push(GROUPED, true);
    }
    let about = NewChunk { name: "about", bytes: about.to_bytes(), count: 0 };
    let living = || index.blocks().iter().filter(|block| block.alive_count() > 0);
    let blocks = living().map(|block| new_block(block, units));
    let dead: Vec<u32> = living().flat_map(dead_ids).collect();
    journal::create(path, std::iter::once(about).chain(blocks).chain(deleted(&dead)))
}

/// Opens the index at `path` without reading its blocks: they are searched where they lie in the file,
/// each verified when it is first touched. The index sees what was there when it was opened.
///
/// Nothing may write into the file but this library, which never changes what a reader has mapped. A file
/// that another program shortens while it is open ends the process.
///
/// # Errors
/// [`crate::Error::Damaged`] if what describes the index is damaged or the file holds something else. Damage
/// in a block is an error of the search that meets it, and of [`super::inspect`].
pub fn open_index(path: &Path) -> Result<SdrIndex> {
    refuse_others(path, "index")?;
    index_of(&Journal::open(path)?)
}

/// Adds `codes` to the index at `path` and returns their ids. When this returns they are on the disk; if
/// the process is killed before, the file is as it was. Waits for another writer.
///
/// # Errors
/// If the file is damaged or holds something else, the codes have another number of units or are more
/// than there are ids, or the disk refuses.
pub fn append_to_index(path: &Path, codes: &SdrBatch) -> Result<Range<u32>> {
    refuse_others(path, "index")?;
    let append = Append::open(path)?;
    let index = index_of(&append.journal)?;
    let loose = loose_chunks(&append.journal);
    let held: usize = loose.iter().map(|chunk| chunk.count as usize).sum();
    let few = held + codes.len() < LOOSE;
    let mut fresh = match index.layout() {
        Some(layout) => SdrIndex::with_layout(index.units(), layout)?,
        None => SdrIndex::new(index.units())?,
    };
    let ids = index.next_ids(codes)?;
    let new_ids: Vec<u32> = ids.clone().collect();
    let chunks = if codes.is_empty() {
        Vec::new()
    } else if few {
        vec![loose_chunk(&new_ids, codes)]
    } else {
        for chunk in loose {
            let (ids, codes) = read_loose(&append.journal, chunk, index.units())?;
            fresh.add_with_ids(&ids, &codes)?;
        }
        fresh.add_with_ids(&new_ids, codes)?;
        let absorbed = NewChunk { name: "absorbed", bytes: Vec::new(), count: 0 };
        let blocks = fresh.blocks().iter().map(|block| new_block(block, index.units()));
        std::iter::once(absorbed).chain(blocks).collect()
    };
    append.commit(&chunks)?;
    Ok(ids)
}

/// Deletes the codes with these ids from the index at `path`; returns how many were there. As
/// [`append_to_index`], all of it or nothing. The space is given back by [`compact_index`].
///
/// # Errors
/// If the file is damaged or holds something else, or the disk refuses.
pub fn delete_from_index(path: &Path, ids: &RoaringBitmap) -> Result<usize> {
    refuse_others(path, "index")?;
    let append = Append::open(path)?;
    let mut index = index_of(&append.journal)?;
    let there: Vec<u32> = ids.iter().filter(|&id| index.delete(id)).collect();
    append.commit(&deleted(&there).into_iter().collect::<Vec<_>>())?;
    Ok(there.len())
}

/// Writes the index at `path` anew without what was deleted; ids stay as they are.
///
/// # Errors
/// If anything in the file is damaged, or it can't be written; what was there is then still there.
pub fn compact_index(path: &Path) -> Result<()> {
    rewrite(path, SdrIndex::compact)
}

/// Writes the index at `path` anew as [`SdrIndex::group`] lays it out, without what was deleted.
///
/// # Errors
/// As [`compact_index`].
pub fn group_index(path: &Path) -> Result<()> {
    rewrite(path, SdrIndex::group)
}

fn rewrite(path: &Path, change: impl FnOnce(&mut SdrIndex) -> Result<()>) -> Result<()> {
    refuse_others(path, "index")?;
    let append = Append::open(path)?;
    let mut index = index_of(&append.journal)?;
    change(&mut index)?;
    save_index(path, &index)
}

fn index_of(journal: &Journal) -> Result<SdrIndex> {
    let (units, mut about) = open_about(journal, "index")?;
    let layout: String = about.require(journal, "about", "layout")?;
    let next: u32 = about.require(journal, "about", "next")?;
    let grouped = about.take(GROUPED).is_some();
    about.finish(journal, "about")?;
    let layout = match layout.as_str() {
        NO_LAYOUT => None,
        name => Some(
            layout_of(name)
                .ok_or_else(|| journal.nonsense("about", &format!("`{name}` is not a layout")))?,
        ),
    };
    let loose = loose_chunks(journal);
    let mut blocks: Vec<Block> = Vec::new();
    for chunk in journal.chunks.iter().filter(|chunk| chunk.name() == "block") {
        let block = Block::of_map(source_of(journal, chunk), units)?;
        if block.len() != chunk.count as usize {
            return Err(journal.damage(chunk, "another number of codes than is listed"));
        }
        if !grouped && blocks.last().is_some_and(|last| last.last_id() >= block.first_id()) {
            return Err(journal.damage(chunk, "ids that don't rise from block to block"));
        }
        blocks.push(block);
    }
    let last = blocks.iter().map(|block| block.last_id().saturating_add(1)).max().unwrap_or(0);
    let layout = layout.or(blocks.first().map(Block::layout));
    let mut index = SdrIndex::of_blocks(units, layout, (blocks, grouped), next.max(last));
    let mut least = last;
    for chunk in loose {
        let (ids, codes) = read_loose(journal, chunk, units)?;
        if ids.first().is_none_or(|&first| first < least) {
            return Err(journal.damage(chunk, "ids that don't rise"));
        }
        least = ids.last().map_or(least, |last| last.saturating_add(1));
        index.add_with_ids(&ids, &codes)?;
    }
    for chunk in journal.chunks.iter().filter(|chunk| chunk.name() == "deleted") {
        let ids = numbers(journal.bytes(chunk)?);
        ids.ok_or_else(|| journal.damage(chunk, "ids that are none"))?.for_each(|id| {
            index.delete(id);
        });
    }
    let known = ["about", "block", "loose", "deleted", "absorbed"];
    match journal.chunks.iter().find(|chunk| !known.contains(&chunk.name())) {
        Some(chunk) => Err(journal.damage(chunk, "not a chunk of an index")),
        None => Ok(index),
    }
}

/// The loose codes that have not become a block since.
fn loose_chunks(journal: &Journal) -> Vec<&Chunk> {
    let after = journal.chunks.iter().rposition(|chunk| chunk.name() == "absorbed");
    let after = after.map_or(0, |place| place + 1);
    journal.chunks[after..].iter().filter(|chunk| chunk.name() == "loose").collect()
}

fn source_of(journal: &Journal, chunk: &Chunk) -> Source {
    Source {
        map: journal.map.clone(),
        offset: chunk.offset as usize,
        bytes: chunk.bytes as usize,
        crc32: chunk.crc32,
        verdict: OnceLock::new(),
    }
}

fn new_block(block: &Block, units: usize) -> NewChunk {
    NewChunk { name: "block", bytes: block.to_bytes(units), count: block.len() }
}

fn dead_ids(block: &Block) -> impl Iterator<Item = u32> {
    (0..block.len()).filter(|&place| !block.is_alive(place)).map(|place| block.id(place))
}

/// The chunk that says what was deleted; none if nothing was.
fn deleted(ids: &[u32]) -> Option<NewChunk> {
    let bytes = ids.iter().flat_map(|id| id.to_le_bytes()).collect();
    (!ids.is_empty()).then_some(NewChunk { name: "deleted", bytes, count: ids.len() })
}

/// Ids, sizes and units of some codes, one after the other.
fn loose_chunk(ids: &[u32], codes: &SdrBatch) -> NewChunk {
    let sizes: Vec<u32> = codes.iter().map(|code| code.count() as u32).collect();
    let numbers = ids.iter().chain(&sizes).chain(codes.indices());
    let bytes = numbers.flat_map(|number| number.to_le_bytes()).collect();
    NewChunk { name: "loose", bytes, count: ids.len() }
}

fn read_loose(journal: &Journal, chunk: &Chunk, units: usize) -> Result<(Vec<u32>, SdrBatch)> {
    let bytes = journal.bytes(chunk)?;
    let wrong = |reason: &str| journal.damage(chunk, reason.to_owned());
    let mut numbers = numbers(bytes).ok_or_else(|| wrong("no whole numbers"))?;
    let count = chunk.count as usize;
    if count > LOOSE || count * 8 > bytes.len() {
        return Err(wrong("more codes than there is room for"));
    }
    let ids: Vec<u32> = numbers.by_ref().take(count).collect();
    if !ids.windows(2).all(|pair| pair[0] < pair[1]) || ids.last() == Some(&u32::MAX) {
        return Err(wrong("ids that don't rise"));
    }
    let mut end = 0usize;
    let ends = numbers.by_ref().take(count).map(|size| {
        end = end.saturating_add(size as usize);
        end
    });
    let ends: Vec<usize> = ends.collect();
    let codes = SdrBatch::from_parts(units, ends, numbers.collect());
    codes.map(|codes| (ids, codes)).map_err(|error| wrong(&error.to_string()))
}

fn numbers(bytes: &[u8]) -> Option<impl Iterator<Item = u32> + '_> {
    bytes.len().is_multiple_of(4).then(|| bytes.chunks_exact(4).map(|number| u32_at(number, 0)))
}

fn name_of(layout: Layout) -> &'static str {
    match layout {
        Layout::Columns => "columns",
        Layout::Lists => "lists",
    }
}

fn layout_of(name: &str) -> Option<Layout> {
    [Layout::Columns, Layout::Lists].into_iter().find(|&layout| name_of(layout) == name)
}
