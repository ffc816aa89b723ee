//! Files seen as memory.
//!
//! A map is only ever read, as arrays of plain numbers for which every bit pattern is a value. Nothing
//! read from one is used as a length or a place without being compared with what there is, each time:
//! a file that another program writes to while it is mapped gives wrong answers, not broken memory.
//! kwinners itself never changes bytes that a reader may have mapped: it appends after them, or puts a
//! new file in place of the old one, which lives on for those who have it mapped. A file that another
//! program *shortens* while it is mapped ends the process by a bus error when the missing part is read;
//! no program can map files and rule that out.

use std::fs::File;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::postings::Line;

/// Numbers that any bytes are: no padding, no bit pattern without a meaning.
pub(crate) trait Plain: Copy + std::fmt::Debug + 'static {}
impl Plain for u16 {}
impl Plain for u32 {}
impl Plain for Line {}

/// The first bytes of a file, mapped.
#[derive(Debug)]
pub(crate) struct Map {
    path: PathBuf,
    map: memmap2::Mmap,
}

impl Map {
    /// Maps the first `length` bytes of `file`, which was opened from `path`.
    pub(crate) fn new(path: &Path, file: &File, length: usize) -> std::io::Result<Self> {
        // SAFETY: the map is private to this type, which hands out shared views only, of types for
        // which all bytes are values. That the bytes stay as they are is what the writers of this
        // library keep to (see the module's head); a foreign writer is named there.
        let map = unsafe { memmap2::MmapOptions::new().len(length).map(file)? };
        Ok(Self { path: path.to_owned(), map })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The `length` bytes from `offset` on.
    ///
    /// # Panics
    /// If they reach past the end.
    pub(crate) fn bytes(&self, offset: usize, length: usize) -> &[u8] {
        &self.map[offset..][..length]
    }

    /// The `len` numbers from byte `offset` on; `None` if they reach past the end or lie askew.
    pub(crate) fn array<T: Plain>(&self, offset: usize, len: usize) -> Option<&[T]> {
        let end = len.checked_mul(size_of::<T>())?.checked_add(offset)?;
        let bytes = self.map.get(offset..end)?;
        // SAFETY: `Plain` types are what any bytes are, and `align_to` sees to the alignment.
        let (before, array, after) = unsafe { bytes.align_to::<T>() };
        (before.is_empty() && after.is_empty()).then_some(array)
    }
}

/// Numbers in memory of our own or in a mapped file.
#[derive(Debug)]
pub(crate) enum Array<T: Plain> {
    Owned(Vec<T>),
    Mapped { map: Arc<Map>, offset: usize, len: usize },
}

impl<T: Plain> Array<T> {
    /// The `len` numbers from byte `offset` of `map` on, if they are there. Files are little-endian;
    /// on other machines nothing can be mapped.
    pub(crate) fn of_map(map: &Arc<Map>, offset: usize, len: usize) -> Option<Self> {
        map.array::<T>(offset, len).filter(|_| cfg!(target_endian = "little"))?;
        Some(Self::Mapped { map: Arc::clone(map), offset, len })
    }
}

impl<T: Plain> From<Vec<T>> for Array<T> {
    fn from(numbers: Vec<T>) -> Self {
        Self::Owned(numbers)
    }
}

impl<T: Plain> Deref for Array<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        match self {
            Self::Owned(numbers) => numbers,
            Self::Mapped { map, offset, len } => map.array(*offset, *len).unwrap_or_default(),
        }
    }
}
