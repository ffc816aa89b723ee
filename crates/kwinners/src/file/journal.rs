//! Files that grow: chunks that are written once, and a head that says how far they are good.
//!
//! The bytes are described in [`super`]. A change adds chunks and a directory of them at the end, waits
//! for the disk, and only then names the directory in the head. Nothing that is named is ever changed,
//! so that readers may have it mapped, and a crash leaves what was named last.

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::container::{MAGIC, u32_at, u64_at};
use crate::data::replace_seekable;
use crate::error::{Error, Result};
use crate::kernel::map::Map;

pub(super) const VERSION: u32 = 2;
/// Bytes of the head: magic, version, and two slots at [`SLOT`] and twice that.
const HEAD: u64 = 256;
const SLOT: usize = 64;
const ALIGNMENT: u64 = 64;
/// Bytes of a directory before its entries, and of an entry.
const DIRECTORY: usize = 24;
const ENTRY: usize = 40;
const NAME: usize = 16;
/// How often a reader looks again, a millisecond apart, while a writer is at work.
const PATIENCE: usize = 10_000;

/// One chunk of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Chunk {
    name: [u8; NAME],
    pub(super) offset: u64,
    pub(super) bytes: u64,
    pub(super) crc32: u32,
    /// How many codes there are inside.
    pub(super) count: u32,
}

impl Chunk {
    pub(super) fn name(&self) -> &str {
        let length = self.name.iter().position(|&byte| byte == 0).unwrap_or(NAME);
        std::str::from_utf8(&self.name[..length]).unwrap_or_default()
    }
}

/// What is to be written.
#[derive(Debug)]
pub(super) struct NewChunk {
    pub(super) name: &'static str,
    pub(super) bytes: Vec<u8>,
    pub(super) count: usize,
}

/// One of the two slots of the head: where the last directory is, and where the file ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Slot {
    generation: u64,
    end: u64,
    directory: Place,
    /// A writer is at work, or was killed: bytes past the end mean nothing.
    writing: bool,
}

/// Where a directory is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Place {
    offset: u64,
    bytes: u64,
    crc32: u32,
}

impl Place {
    fn to_bytes(self) -> Vec<u8> {
        let mut out = self.offset.to_le_bytes().to_vec();
        out.extend(self.bytes.to_le_bytes());
        out.extend(self.crc32.to_le_bytes());
        out
    }

    fn at(bytes: &[u8], place: usize) -> Self {
        let crc32 = u32_at(bytes, place + 16);
        Self { offset: u64_at(bytes, place), bytes: u64_at(bytes, place + 8), crc32 }
    }
}

impl Slot {
    fn to_bytes(self) -> [u8; SLOT] {
        let mut out = [0; SLOT];
        out[..8].copy_from_slice(&self.generation.to_le_bytes());
        out[8..16].copy_from_slice(&self.end.to_le_bytes());
        out[16..36].copy_from_slice(&self.directory.to_bytes());
        out[36] = u8::from(self.writing);
        let crc32 = crc32fast::hash(&out[..SLOT - 4]);
        out[SLOT - 4..].copy_from_slice(&crc32.to_le_bytes());
        out
    }

    /// The slot, if the bytes are one to the bit.
    fn of_bytes(bytes: &[u8]) -> Option<Self> {
        let (generation, end) = (u64_at(bytes, 0), u64_at(bytes, 8));
        let slot =
            Self { generation, end, directory: Place::at(bytes, 16), writing: bytes[36] == 1 };
        (slot.to_bytes() == bytes && generation > 0).then_some(slot)
    }

    /// Where in the file the slot of a generation is.
    fn offset(generation: u64) -> u64 {
        SLOT as u64 * (1 + generation % 2)
    }
}

/// An open file: everything that was named when it was opened.
#[derive(Debug)]
pub(super) struct Journal {
    pub(super) map: Arc<Map>,
    /// In file order.
    pub(super) chunks: Vec<Chunk>,
    slot: Slot,
}

/// Whether `path` begins as a file that grows does.
pub(super) fn is_journal(path: &Path) -> bool {
    let mut start = [0; 12];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut start));
    read.is_ok() && start[..8] == MAGIC && u32_at(&start, 8) == VERSION
}

impl Journal {
    pub(super) fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(Error::io(path))?;
        if !file.metadata().map_err(Error::io(path))?.is_file() {
            return Err(Error::format(path, "KW", "a regular file", "a folder or device"));
        }
        Self::of_file(path, file)
    }

    fn of_file(path: &Path, mut file: File) -> Result<Self> {
        let slot = read_head(path, &mut file)?;
        let map = usize::try_from(slot.end).map_err(|_| too_long(path))?;
        let map = Arc::new(Map::new(path, &file, map).map_err(Error::io(path))?);
        let mut journal = Self { map, chunks: Vec::new(), slot };
        let directories = journal.read_directories()?;
        journal.check_order(&directories)?;
        Ok(journal)
    }

    fn path(&self) -> &Path {
        self.map.path()
    }

    /// Reads the chain of directories, the last one first; returns where they are.
    fn read_directories(&mut self) -> Result<Vec<Place>> {
        let mut places = Vec::new();
        let (mut next, mut before) = (self.slot.directory, self.slot.end);
        let mut chunks = Vec::new();
        loop {
            let wrong = |reason: &str| Err(damage(self.path(), "directory", next.offset, reason));
            let end = next.offset.checked_add(next.bytes);
            // Each lies before the one that names it, so that the chain ends.
            if next.offset < HEAD || end.is_none_or(|end| end > before) {
                return wrong("a directory reaches past what comes after it");
            }
            let bytes = self.map.bytes(next.offset as usize, next.bytes as usize);
            if crc32fast::hash(bytes) != next.crc32 {
                return wrong("the directory's checksum is wrong");
            }
            let entries = bytes.len().checked_sub(DIRECTORY).filter(|rest| rest % ENTRY == 0);
            if entries.is_none() || u32_at(bytes, 20) as usize != (bytes.len() - DIRECTORY) / ENTRY
            {
                return wrong("a directory of no whole number of entries");
            }
            for entry in bytes[DIRECTORY..].chunks_exact(ENTRY).rev() {
                chunks.push(Chunk {
                    name: std::array::from_fn(|place| entry[place]),
                    offset: u64_at(entry, 16),
                    bytes: u64_at(entry, 24),
                    crc32: u32_at(entry, 32),
                    count: u32_at(entry, 36),
                });
            }
            places.push(next);
            before = next.offset;
            let previous = Place::at(bytes, 0);
            if previous == Place::default() {
                break;
            }
            next = previous;
        }
        chunks.reverse();
        self.chunks = chunks;
        Ok(places)
    }

    /// Chunks and directories must fill the file from the head to its end, with zeros between them.
    fn check_order(&self, directories: &[Place]) -> Result<()> {
        let mut directories = directories.iter().rev().copied().peekable();
        let mut chunks = self.chunks.iter().peekable();
        let mut end = HEAD;
        loop {
            let chunk = chunks.peek().map_or(u64::MAX, |chunk| chunk.offset);
            let directory = directories.peek().map_or(u64::MAX, |place| place.offset);
            let (offset, bytes) = if chunk < directory {
                let chunk = chunks.next().expect("one is there");
                check_name(chunk)
                    .map_err(|reason| damage(self.path(), "directory", chunk.offset, reason))?;
                (chunk.offset, chunk.bytes)
            } else if let Some(place) = directories.next() {
                (place.offset, place.bytes)
            } else {
                break;
            };
            let wrong = |reason: &str| Err(damage(self.path(), "directory", offset, reason));
            let start = end.next_multiple_of(ALIGNMENT);
            let Some(next) = offset.checked_add(bytes).filter(|&end| end <= self.slot.end) else {
                return wrong("a chunk reaches past the end of the file");
            };
            if offset != start {
                return wrong("a chunk is not where the one before it ends");
            }
            if self.map.bytes(end as usize, (start - end) as usize).iter().any(|&byte| byte != 0) {
                return wrong("the gap before a chunk is not zero");
            }
            end = next;
        }
        if end != self.slot.end || chunks.next().is_some() {
            return Err(damage(self.path(), "directory", end, "the chunks don't fill the file"));
        }
        Ok(())
    }

    /// The verified bytes of a chunk.
    pub(super) fn bytes(&self, chunk: &Chunk) -> Result<&[u8]> {
        let bytes = self.map.bytes(chunk.offset as usize, chunk.bytes as usize);
        let found = crc32fast::hash(bytes);
        if found != chunk.crc32 {
            let reason = format!("checksum {found:08x}; expected {:08x}", chunk.crc32);
            return Err(self.damage(chunk, reason));
        }
        Ok(bytes)
    }

    pub(super) fn damage(&self, chunk: &Chunk, reason: impl Into<String>) -> Error {
        damage(self.path(), chunk.name(), chunk.offset, reason)
    }

    /// Length of the file in bytes.
    pub(super) fn end(&self) -> u64 {
        self.slot.end
    }
}

fn check_name(chunk: &Chunk) -> Result<(), &'static str> {
    let length = chunk.name().len();
    let plain = chunk.name[..length].iter().all(u8::is_ascii_lowercase)
        && chunk.name[length..].iter().all(|&byte| byte == 0);
    if plain && length > 0 { Ok(()) } else { Err("a chunk's name is not lower-case ASCII") }
}

fn damage(path: &Path, section: &str, offset: u64, reason: impl Into<String>) -> Error {
    let (path, section) = (path.to_owned(), section.to_owned());
    Error::Damaged { path, section, offset, reason: reason.into() }
}

fn too_long(path: &Path) -> Error {
    Error::Unsupported(format!("{}: too long to be mapped on this machine", path.display()))
}

/// The slot that counts. What looks damaged while a writer holds the file may be half of a change, and
/// is looked at again.
fn read_head(path: &Path, file: &mut File) -> Result<Slot> {
    for _ in 0..PATIENCE {
        if let Ok(slot) = look_at_head(path, file)? {
            return Ok(slot);
        }
        if file.try_lock_shared().is_ok() {
            break;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    let slot = look_at_head(path, file)?;
    // Not held if the patience has run out.
    let _ = file.unlock();
    slot.map_err(|(offset, reason)| damage(path, "header", offset, reason))
}

/// The slot that counts, or where and what is wrong.
fn look_at_head(path: &Path, file: &mut File) -> Result<Result<Slot, (u64, String)>> {
    let mut head = Vec::new();
    file.seek(SeekFrom::Start(0)).map_err(Error::io(path))?;
    file.take(HEAD).read_to_end(&mut head).map_err(Error::io(path))?;
    let length = file.metadata().map_err(Error::io(path))?.len();
    let wrong = |offset: u64, reason: &str| Ok(Err((offset, reason.to_owned())));
    if head.len() < 12 || head[..8] != MAGIC {
        return wrong(0, "not a .kw file: the magic bytes are missing");
    }
    if u32_at(&head, 8) != VERSION {
        return wrong(8, "another version, or a file of a kind that does not grow");
    }
    if head.len() < HEAD as usize {
        return wrong(12, "the file ends within its head");
    }
    let zeros = head[12..SLOT].iter().chain(&head[3 * SLOT..]);
    if zeros.copied().any(|byte| byte != 0) {
        return wrong(12, "the head has bytes that should be zero");
    }
    let slots = [SLOT, 2 * SLOT].map(|at| Slot::of_bytes(&head[at..][..SLOT]));
    let fresh = head[SLOT..2 * SLOT].iter().all(|&byte| byte == 0);
    let slot = match slots {
        [None, Some(only)] if fresh && only.generation == 1 => only,
        [Some(even), Some(odd)]
            if even.generation % 2 == 0 && even.generation.abs_diff(odd.generation) == 1 =>
        {
            if even.generation > odd.generation { even } else { odd }
        }
        _ => return wrong(SLOT as u64, "a slot of the head is damaged"),
    };
    if slot.end < HEAD || length < slot.end || (length > slot.end && !slot.writing) {
        let reason = format!("the file should have {} bytes and has {length}", slot.end);
        return Ok(Err((SLOT as u64, reason)));
    }
    Ok(Ok(slot))
}

/// Writes chunks and their directory to the end of a file, and counts on.
struct Writer<W: Write> {
    out: W,
    end: u64,
    entries: Vec<u8>,
}

impl<W: Write> Writer<W> {
    fn pad(&mut self) -> std::io::Result<u64> {
        let start = self.end.next_multiple_of(ALIGNMENT);
        self.out.write_all(&[0; ALIGNMENT as usize][..(start - self.end) as usize])?;
        Ok(start)
    }

    fn chunk(&mut self, chunk: &NewChunk) -> std::io::Result<()> {
        let start = self.pad()?;
        let mut name = [0; NAME];
        name[..chunk.name.len()].copy_from_slice(chunk.name.as_bytes());
        self.entries.extend(name);
        self.entries.extend(start.to_le_bytes());
        self.entries.extend((chunk.bytes.len() as u64).to_le_bytes());
        self.entries.extend(crc32fast::hash(&chunk.bytes).to_le_bytes());
        self.entries.extend((chunk.count as u32).to_le_bytes());
        self.out.write_all(&chunk.bytes)?;
        self.end = start + chunk.bytes.len() as u64;
        Ok(())
    }

    /// Ends with the directory; returns where it is.
    fn directory(&mut self, previous: Place) -> std::io::Result<Place> {
        let offset = self.pad()?;
        let mut bytes = previous.to_bytes();
        bytes.extend(((self.entries.len() / ENTRY) as u32).to_le_bytes());
        bytes.append(&mut self.entries);
        self.out.write_all(&bytes)?;
        self.end = offset + bytes.len() as u64;
        self.out.flush()?;
        Ok(Place { offset, bytes: bytes.len() as u64, crc32: crc32fast::hash(&bytes) })
    }
}

/// Writes a new file with `chunks` in place of `path`.
pub(super) fn create(path: &Path, chunks: impl IntoIterator<Item = NewChunk>) -> Result<()> {
    replace_seekable(path, |file| {
        let mut head = MAGIC.to_vec();
        head.extend(VERSION.to_le_bytes());
        head.resize(HEAD as usize, 0);
        file.write_all(&head)?;
        let mut writer = Writer { out: &mut *file, end: HEAD, entries: Vec::new() };
        chunks.into_iter().try_for_each(|chunk| writer.chunk(&chunk))?;
        let directory = writer.directory(Place::default())?;
        let slot = Slot { generation: 1, end: writer.end, directory, writing: false };
        file.seek(SeekFrom::Start(Slot::offset(1)))?;
        file.write_all(&slot.to_bytes())
    })
}

/// The only writer of a file, until it is dropped.
#[derive(Debug)]
pub(super) struct Append {
    path: PathBuf,
    file: File,
    pub(super) journal: Journal,
}

impl Append {
    /// Opens `path` for writing. Waits for another writer to end.
    pub(super) fn open(path: &Path) -> Result<Self> {
        loop {
            let file = OpenOptions::new().read(true).write(true).open(path);
            let file = file.map_err(Error::io(path))?;
            file.lock().map_err(Error::io(path))?;
            // The other writer may have put a new file in place of the one that we waited for.
            if is_same(&file, path)? {
                let again = file.try_clone().map_err(Error::io(path))?;
                let journal = Journal::of_file(path, again)?;
                return Ok(Self { path: path.to_owned(), file, journal });
            }
        }
    }

    /// Adds `chunks`. When this returns they are on the disk; if it does not return, the file is as it
    /// was.
    pub(super) fn commit(self, chunks: &[NewChunk]) -> Result<()> {
        let path = self.path.clone();
        self.write(chunks).map_err(Error::io(&path))
    }

    fn write(mut self, chunks: &[NewChunk]) -> std::io::Result<()> {
        let mut slot = self.journal.slot;
        (slot.generation, slot.writing) = (slot.generation + 1, true);
        self.write_slot(slot)?;
        // What a killed writer left.
        self.file.set_len(slot.end)?;
        self.file.seek(SeekFrom::Start(slot.end))?;
        let out = BufWriter::new(&self.file);
        let mut writer = Writer { out, end: slot.end, entries: Vec::new() };
        chunks.iter().try_for_each(|chunk| writer.chunk(chunk))?;
        let directory = writer.directory(slot.directory)?;
        let (end, generation) = (writer.end, slot.generation + 1);
        drop(writer);
        self.file.sync_data()?;
        self.write_slot(Slot { generation, end, directory, writing: false })
    }

    fn write_slot(&mut self, slot: Slot) -> std::io::Result<()> {
        self.file.seek(SeekFrom::Start(Slot::offset(slot.generation)))?;
        self.file.write_all(&slot.to_bytes())?;
        self.file.sync_data()
    }
}

#[cfg(unix)]
fn is_same(file: &File, path: &Path) -> Result<bool> {
    use std::os::unix::fs::MetadataExt;
    let open = file.metadata().map_err(Error::io(path))?;
    let named = std::fs::metadata(path).map_err(Error::io(path))?;
    Ok((open.dev(), open.ino()) == (named.dev(), named.ino()))
}

/// Elsewhere a file that is open can't be replaced.
#[cfg(not(unix))]
fn is_same(_: &File, _: &Path) -> Result<bool> {
    Ok(true)
}
