//! Sections in a file: written at once, read one by one, nothing believed before it is checked.

use std::collections::HashSet;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::journal::{self, Chunk, Journal};
use crate::data::replace;
use crate::error::{Error, Result};

pub(super) const MAGIC: [u8; 8] = [0x89, b'K', b'W', b'I', b'N', 0x0D, 0x0A, 0x1A];
const VERSION: u32 = 1;
const HEADER: usize = 24;
const ENTRY: usize = 40;
const NAME: usize = 16;
const ALIGNMENT: u64 = 64;
/// A network of a thousand layers has some ten thousand.
const MOST_SECTIONS: u32 = 1 << 16;

/// What [`inspect`] finds: every section's place, length and checksum, and the `about` text.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
#[non_exhaustive]
pub struct Inspection {
    /// Version of the format.
    pub version: u32,
    /// Length of the file in bytes.
    pub bytes: u64,
    /// The sections in file order; every checksum was right.
    pub sections: Vec<SectionInfo>,
    /// The lines of `about` and `settings`, as key and value.
    pub text: Vec<(String, String)>,
}

/// One section of a `.kw` file.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct SectionInfo {
    /// Name, as in the table.
    pub name: String,
    /// Offset in the file, in bytes.
    pub offset: u64,
    /// Length in bytes.
    pub bytes: u64,
    /// CRC-32 of the contents.
    pub crc32: u32,
}

/// Reads the whole of `path`, verifies it, and says what is inside.
///
/// # Errors
/// [`Error::Damaged`] at the first thing that is not as it must be.
pub fn inspect(path: &Path) -> Result<Inspection> {
    if journal::is_journal(path) {
        return inspect_journal(path);
    }
    let mut reader = Reader::open(path)?;
    let mut text = Vec::new();
    for place in 0..reader.table.len() {
        let name = reader.table[place].name.clone();
        let bytes = reader.section(&name)?;
        if name == "about" || name == "settings" {
            text.extend(super::fields::Fields::parse(&reader, &name, &bytes)?.into_pairs());
        }
    }
    Ok(Inspection { version: VERSION, bytes: reader.length, sections: reader.table, text })
}

/// What `path` says of itself, by key, such as `content`, `kind` and `units`: reads that alone, however
/// large the file is.
///
/// # Errors
/// [`Error::Damaged`] if what is read is not as it must be.
pub fn describe(path: &Path) -> Result<Vec<(String, String)>> {
    let fields = if journal::is_journal(path) {
        super::fields::about_of(&Journal::open(path)?)?
    } else {
        let mut reader = Reader::open(path)?;
        let bytes = reader.section("about")?;
        super::fields::Fields::parse(&reader, "about", &bytes)?
    };
    Ok(fields.into_pairs())
}

/// [`inspect`] for files that grow.
fn inspect_journal(path: &Path) -> Result<Inspection> {
    let journal = Journal::open(path)?;
    let section = |chunk: &Chunk| {
        journal.bytes(chunk)?;
        let Chunk { offset, bytes, crc32, .. } = *chunk;
        Ok(SectionInfo { name: chunk.name().to_owned(), offset, bytes, crc32 })
    };
    let sections = journal.chunks.iter().map(section).collect::<Result<_>>()?;
    let text = super::fields::about_of(&journal)?.into_pairs();
    Ok(Inspection { version: journal::VERSION, bytes: journal.end(), sections, text })
}

/// Writes `sections`, name and contents, as a new file in place of `path`.
pub(super) fn write(path: &Path, sections: &[(&str, Vec<u8>)]) -> Result<()> {
    if sections.len() > MOST_SECTIONS as usize {
        let reason = format!("{} sections: a .kw file has at most {MOST_SECTIONS}", sections.len());
        return Err(Error::Unsupported(format!("{}: {reason}", path.display())));
    }
    let mut table = Vec::with_capacity(sections.len() * ENTRY);
    let mut end = (HEADER + sections.len() * ENTRY + 4) as u64;
    for (name, contents) in sections {
        assert!(name.len() <= NAME && name.is_ascii(), "section names are short: {name}");
        let offset = end.next_multiple_of(ALIGNMENT);
        let mut field = [0; NAME];
        field[..name.len()].copy_from_slice(name.as_bytes());
        table.extend_from_slice(&field);
        table.extend_from_slice(&offset.to_le_bytes());
        table.extend_from_slice(&(contents.len() as u64).to_le_bytes());
        table.extend_from_slice(&crc32fast::hash(contents).to_le_bytes());
        table.extend_from_slice(&[0; 4]);
        end = offset + contents.len() as u64;
    }
    let mut head = MAGIC.to_vec();
    head.extend_from_slice(&VERSION.to_le_bytes());
    head.extend_from_slice(&(sections.len() as u32).to_le_bytes());
    head.extend_from_slice(&end.to_le_bytes());
    head.extend_from_slice(&table);
    head.extend_from_slice(&crc32fast::hash(&head).to_le_bytes());
    replace(path, |file| {
        file.write_all(&head)?;
        let mut written = head.len() as u64;
        for (_, contents) in sections {
            let gap = written.next_multiple_of(ALIGNMENT) - written;
            file.write_all(&[0; ALIGNMENT as usize][..gap as usize])?;
            file.write_all(contents)?;
            written += gap + contents.len() as u64;
        }
        Ok(())
    })
}

/// An open file whose header and table are verified. Sections are read in file order.
#[derive(Debug)]
pub(super) struct Reader {
    path: PathBuf,
    file: File,
    length: u64,
    /// Bytes read so far.
    position: u64,
    table: Vec<SectionInfo>,
    /// Sections read so far.
    taken: usize,
}

impl Reader {
    pub(super) fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(Error::io(path))?;
        let meta = file.metadata().map_err(Error::io(path))?;
        if !meta.is_file() {
            return Err(Error::format(path, "KW", "a regular file", "a folder or device"));
        }
        let mut reader = Self {
            path: path.to_owned(),
            file,
            length: meta.len(),
            position: 0,
            table: Vec::new(),
            taken: 0,
        };
        reader.read_head()?;
        Ok(reader)
    }

    fn read_head(&mut self) -> Result<()> {
        let fixed = self.read(HEADER as u64, "header")?;
        if fixed[..8] != MAGIC {
            return Err(self.damage("header", 0, "not a .kw file: the magic bytes are missing"));
        }
        let version = u32_at(&fixed, 8);
        if version != VERSION {
            let reason = format!("version {version}; this program reads version {VERSION}");
            return Err(self.damage("header", 8, reason));
        }
        let sections = u32_at(&fixed, 12);
        if !(1..=MOST_SECTIONS).contains(&sections) {
            let reason = format!("{sections} sections; expected 1 to {MOST_SECTIONS}");
            return Err(self.damage("header", 12, reason));
        }
        let promised = u64_at(&fixed, 16);
        if promised != self.length {
            let reason = format!("the file should have {promised} bytes and has {}", self.length);
            return Err(self.damage("header", 16, reason));
        }
        let rest = self.read(u64::from(sections) * ENTRY as u64 + 4, "header")?;
        let (entries, sum) = rest.split_at(rest.len() - 4);
        let mut crc = crc32fast::Hasher::new();
        crc.update(&fixed);
        crc.update(entries);
        if crc.finalize() != u32_at(sum, 0) {
            let offset = (HEADER + entries.len()) as u64;
            return Err(self.damage("header", offset, "the header's checksum is wrong"));
        }
        self.read_table(entries)
    }

    fn read_table(&mut self, entries: &[u8]) -> Result<()> {
        let mut end = self.position;
        let mut names = HashSet::new();
        for (number, entry) in entries.chunks_exact(ENTRY).enumerate() {
            let at = (HEADER + number * ENTRY) as u64;
            let length = entry[..NAME].iter().position(|&byte| byte == 0).unwrap_or(NAME);
            let plain = entry[..length].iter().all(u8::is_ascii_lowercase)
                && entry[length..NAME].iter().all(|&byte| byte == 0);
            if length == 0 || !plain {
                return Err(self.damage("header", at, "a section's name is not lower-case ASCII"));
            }
            let name = String::from_utf8_lossy(&entry[..length]).into_owned();
            let (offset, bytes) = (u64_at(entry, 16), u64_at(entry, 24));
            let next = end.next_multiple_of(ALIGNMENT);
            let fits = offset == next && bytes <= self.length.saturating_sub(offset);
            if !fits || u32_at(entry, 36) != 0 {
                let reason = format!("{bytes} bytes at {offset}; expected to begin at {next}");
                return Err(self.damage(&name, at + 16, reason));
            }
            if !names.insert(name.clone()) {
                return Err(self.damage(&name, at, "the name stands twice in the table"));
            }
            end = offset + bytes;
            self.table.push(SectionInfo { name, offset, bytes, crc32: u32_at(entry, 32) });
        }
        if end != self.length {
            let reason = format!("sections end at {end}, the file at {}", self.length);
            return Err(self.damage("header", HEADER as u64, reason));
        }
        Ok(())
    }

    /// The name of the next section, if there is one.
    pub(super) fn next_section(&self) -> Option<&str> {
        self.table.get(self.taken).map(|section| section.name.as_str())
    }

    /// The verified contents of the next section, which must be called `name`.
    pub(super) fn section(&mut self, name: &str) -> Result<Vec<u8>> {
        let Some(section) = self.table.get(self.taken).cloned() else {
            return Err(self.damage(name, self.length, "the section is missing"));
        };
        if section.name != name {
            let reason = format!("found section `{}` in its place", section.name);
            return Err(self.damage(name, section.offset, reason));
        }
        self.taken += 1;
        let gap_at = self.position;
        let gap = self.read(section.offset - gap_at, name)?;
        if let Some(place) = gap.iter().position(|&byte| byte != 0) {
            let reason = "the gap before the section is not zero";
            return Err(self.damage(name, gap_at + place as u64, reason));
        }
        let contents = self.read(section.bytes, name)?;
        let found = crc32fast::hash(&contents);
        if found != section.crc32 {
            let reason = format!("checksum {found:08x}; expected {:08x}", section.crc32);
            return Err(self.damage(name, section.offset, reason));
        }
        Ok(contents)
    }

    /// All sections must have been read: one that this version does not know is not ours.
    pub(super) fn finish(&self) -> Result<()> {
        match self.table.get(self.taken) {
            None => Ok(()),
            Some(section) => {
                Err(self.damage(&section.name, section.offset, "not a section of this content"))
            }
        }
    }

    /// The next `length` bytes; never allocates more than the file is known to hold.
    fn read(&mut self, length: u64, section: &str) -> Result<Vec<u8>> {
        if length > self.length.saturating_sub(self.position) {
            let reason = format!("{length} bytes expected, the file ends before");
            return Err(self.damage(section, self.position, reason));
        }
        let mut bytes = vec![0; length as usize];
        self.file.read_exact(&mut bytes).map_err(|source| match source.kind() {
            std::io::ErrorKind::UnexpectedEof => {
                self.damage(section, self.position, "the file became shorter while being read")
            }
            _ => Error::io(&self.path)(source),
        })?;
        self.position += length;
        Ok(bytes)
    }

    pub(super) fn damage(&self, section: &str, offset: u64, reason: impl Into<String>) -> Error {
        Error::Damaged {
            path: self.path.clone(),
            section: section.to_owned(),
            offset,
            reason: reason.into(),
        }
    }

    /// An error about the contents of a section whose checksum was right.
    pub(super) fn nonsense(&self, section: &str, reason: impl std::fmt::Display) -> Error {
        let at = self.table.iter().find(|info| info.name == section).map_or(0, |info| info.offset);
        self.damage(section, at, reason.to_string())
    }
}

pub(super) fn u32_at(bytes: &[u8], place: usize) -> u32 {
    u32::from_le_bytes(std::array::from_fn(|byte| bytes[place + byte]))
}

pub(super) fn u64_at(bytes: &[u8], place: usize) -> u64 {
    u64::from_le_bytes(std::array::from_fn(|byte| bytes[place + byte]))
}
