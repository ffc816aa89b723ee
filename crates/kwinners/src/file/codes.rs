//! Batches of codes in `.kw` files: near the fewest bits, appended to, read from any place.

use std::path::Path;
use std::sync::OnceLock;

use super::coding::{BitReader, BitWriter, Coding};
use super::container::u32_at;
use super::fields::{self, Fields};
use super::journal::{self, Append, Chunk, Journal, NewChunk};
use crate::error::Result;
use crate::sdr::{Sdr, SdrBatch};

/// Codes of a chunk.
const CHUNK: usize = 4096;
/// Active units of a chunk, so that a bit's place fits 32 bits.
const CHUNK_INDICES: usize = 1 << 20;
/// Codes between two places that can be jumped to.
const GROUP: usize = 16;
/// "Each code says how many units it has on."
const MANY: u32 = u32::MAX;

/// Saves `codes` to `path`, in place of what is there. A million codes of 40 of 2,048 units take about 1.03
/// times `log2 C(2048, 40)` bits each, checksums and places to jump to included.
///
/// # Errors
/// If the file can't be written; what was at `path` is then still there.
pub fn save_codes(path: &Path, codes: &SdrBatch) -> Result<()> {
    let mut about = Fields::default();
    about.push("content", "codes");
    about.push("units", codes.units());
    let about = NewChunk { name: "about", bytes: about.to_bytes(), count: 0 };
    journal::create(path, std::iter::once(about).chain(chunks(codes, None)))
}

/// Loads codes that [`save_codes`] saved, after verifying every byte.
///
/// # Errors
/// [`crate::Error::Damaged`] if the file is not just as it was saved, or holds something else.
pub fn load_codes(path: &Path) -> Result<SdrBatch> {
    CodeFile::open(path)?.read_all()
}

/// Adds `codes` to the end of the file at `path`. When this returns they are on the disk; if the
/// process is killed before, the file is as it was. Waits for another writer; readers go on reading what
/// was there when they opened the file.
///
/// # Errors
/// If the file is damaged or holds something else, the codes have another number of units, or the disk
/// refuses.
pub fn append_codes(path: &Path, codes: &SdrBatch) -> Result<()> {
    refuse_others(path, "codes")?;
    let append = Append::open(path)?;
    let (units, about) = open_about(&append.journal, "codes")?;
    about.finish(&append.journal, "about")?;
    if codes.units() != units {
        let expected = format!("{units} units, as in {}", path.display());
        return Err(crate::Error::shape("codes to append", expected, codes.units()));
    }
    let last = append.journal.chunks.iter().rfind(|chunk| chunk.name() == "coding");
    let coding = last.map(|chunk| read_coding(&append.journal, chunk, units)).transpose()?;
    let chunks: Vec<NewChunk> = chunks(codes, coding).collect();
    append.commit(&chunks)
}

/// A file of codes that is read where it lies: opened in no time, any code in microseconds.
///
/// Each chunk of 4,096 codes is verified when it is first touched. It sees the codes that were there when
/// it was opened.
///
/// ```
/// use kwinners::{SdrBatch, file};
/// # let folder = std::env::temp_dir().join(format!("kwinners-doc-codes-{}", std::process::id()));
/// # std::fs::create_dir_all(&folder).unwrap();
/// let mut codes = SdrBatch::new(1000)?;
/// codes.push(&[1, 500, 999])?;
/// let path = folder.join("codes.kw");
/// file::save_codes(&path, &codes)?;
/// file::append_codes(&path, &codes)?;
/// let stored = file::CodeFile::open(&path)?;
/// assert_eq!(stored.len(), 2);
/// assert_eq!(stored.get(1)?.indices(), [1, 500, 999]);
/// # std::fs::remove_dir_all(&folder).unwrap();
/// # Ok::<(), kwinners::Error>(())
/// ```
#[derive(Debug)]
pub struct CodeFile {
    journal: Journal,
    units: usize,
    codings: Vec<Coding>,
    parts: Vec<Part>,
}

/// A chunk of codes.
#[derive(Debug)]
struct Part {
    /// The number of its first code.
    start: usize,
    chunk: Chunk,
    coding: usize,
    /// Whether the checksum was found right.
    verified: OnceLock<()>,
}

impl CodeFile {
    /// Opens the codes at `path`.
    ///
    /// # Errors
    /// [`crate::Error::Damaged`] if what describes the codes is damaged or the file holds something else.
    pub fn open(path: &Path) -> Result<Self> {
        refuse_others(path, "codes")?;
        let journal = Journal::open(path)?;
        let (units, about) = open_about(&journal, "codes")?;
        about.finish(&journal, "about")?;
        let mut file = Self { journal, units, codings: Vec::new(), parts: Vec::new() };
        let mut start = 0;
        for chunk in file.journal.chunks.clone().into_iter().skip(1) {
            match chunk.name() {
                "coding" => file.codings.push(read_coding(&file.journal, &chunk, units)?),
                "codes" => {
                    let coding = file.codings.len().checked_sub(1);
                    let possible = (1..=CHUNK).contains(&(chunk.count as usize));
                    let Some(coding) = coding.filter(|_| possible) else {
                        return Err(file
                            .journal
                            .damage(&chunk, "codes without a coding, or too many"));
                    };
                    file.parts.push(Part { start, chunk, coding, verified: OnceLock::new() });
                    start += chunk.count as usize;
                }
                _ => return Err(file.journal.damage(&chunk, "not a chunk of a file of codes")),
            }
        }
        Ok(file)
    }

    /// Number of units, `n`.
    pub fn units(&self) -> usize {
        self.units
    }

    /// Number of codes.
    pub fn len(&self) -> usize {
        self.parts.last().map_or(0, |part| part.start + part.chunk.count as usize)
    }

    /// Whether there is no code.
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// Bytes of the file.
    pub fn bytes(&self) -> u64 {
        self.journal.end()
    }

    /// Code `index`. Cost: decoding up to 16 codes; verifying its chunk, the first time.
    ///
    /// # Errors
    /// If its chunk is damaged.
    ///
    /// # Panics
    /// If there is no such code.
    pub fn get(&self, index: usize) -> Result<Sdr> {
        assert!(index < self.len(), "code {index} of {}", self.len());
        let part = &self.parts[self.parts.partition_point(|part| part.start <= index) - 1];
        let within = index - part.start;
        let mut decoder = self.decoder(part, within / GROUP)?;
        for _ in 0..=within % GROUP {
            decoder.next_code()?;
        }
        Sdr::new(self.units, decoder.code)
            .map_err(|wrong| self.journal.damage(&part.chunk, wrong.to_string()))
    }

    /// Code after code. After an error there are no more.
    pub fn iter(&self) -> impl Iterator<Item = Result<Sdr>> + '_ {
        (0..self.parts.len()).flat_map(|part| {
            let mut codes = Vec::new();
            let read = self.read_part(&self.parts[part], |code| {
                codes.push(Sdr::new(self.units, code.to_vec()));
                Ok(())
            });
            codes.into_iter().chain(read.err().map(Err))
        })
    }

    /// All codes.
    ///
    /// # Errors
    /// If any chunk is damaged.
    pub fn read_all(&self) -> Result<SdrBatch> {
        let mut codes = SdrBatch::new(self.units)?;
        for part in &self.parts {
            self.read_part(part, |code| codes.push(code))?;
        }
        Ok(codes)
    }

    fn read_part(&self, part: &Part, mut each: impl FnMut(&[u32]) -> Result<()>) -> Result<()> {
        let mut decoder = self.decoder(part, 0)?;
        for _ in 0..part.chunk.count {
            decoder.next_code()?;
            each(&decoder.code)
                .map_err(|wrong| self.journal.damage(&part.chunk, wrong.to_string()))?;
        }
        Ok(())
    }

    /// A decoder of the codes of `part` from the `group`-th place to jump to on.
    fn decoder(&self, part: &Part, group: usize) -> Result<Decoder<'_>> {
        let (journal, chunk) = (&self.journal, part.chunk);
        if part.verified.get().is_none() {
            journal.bytes(&chunk)?;
            // Another thread may have come first.
            let _ = part.verified.set(());
        }
        let bytes = journal.map.bytes(chunk.offset as usize, chunk.bytes as usize);
        let head = 4 + 4 * (chunk.count as usize).div_ceil(GROUP);
        let Some((head, bits)) = bytes.split_at_checked(head) else {
            return Err(journal.damage(&chunk, "a chunk of codes is shorter than its head"));
        };
        let winners = u32_at(head, 0);
        if winners == 0 {
            return Err(journal.damage(&chunk, "codes of no units that don't say so"));
        }
        let bits = BitReader::new(bits, u32_at(head, 4 + 4 * group) as usize);
        let coding = &self.codings[part.coding];
        Ok(Decoder { journal, chunk, winners, bits, coding, code: Vec::new() })
    }
}

/// Reads code after code of a chunk.
struct Decoder<'a> {
    journal: &'a Journal,
    chunk: Chunk,
    winners: u32,
    bits: BitReader<'a>,
    coding: &'a Coding,
    code: Vec<u32>,
}

impl Decoder<'_> {
    fn next_code(&mut self) -> Result<()> {
        let size =
            if self.winners == MANY { read_size(&mut self.bits) } else { Some(self.winners) };
        let read =
            size.and_then(|size| self.coding.read(size as usize, &mut self.bits, &mut self.code));
        read.ok_or_else(|| self.journal.damage(&self.chunk, "bits that are no code"))
    }
}

/// A number as its length in unary and its bits (Elias 1975, gamma, of one more).
fn write_size(size: u32, bits: &mut BitWriter) {
    let value = u64::from(size) + 1;
    let length = value.ilog2();
    bits.push((1 << length) - 1, length + 1);
    bits.push(value & ((1 << length) - 1), length);
}

fn read_size(bits: &mut BitReader<'_>) -> Option<u32> {
    let length = bits.ones(32)?;
    let value = (1u64 << length) | u64::from(bits.take(length.min(32))?);
    u32::try_from(value - 1).ok()
}

/// The chunks that hold `codes`, a coding before them if none is given.
fn chunks(codes: &SdrBatch, known: Option<Coding>) -> impl Iterator<Item = NewChunk> {
    let new = known.is_none() && !codes.is_empty();
    let coding = known.unwrap_or_else(|| Coding::for_codes(codes));
    let table = new.then(|| NewChunk { name: "coding", bytes: coding.to_bytes(), count: 0 });
    let mut start = 0;
    let parts = std::iter::from_fn(move || {
        let first = start;
        let mut indices = 0;
        while start < codes.len() && start - first < CHUNK && indices < CHUNK_INDICES {
            indices += codes.get(start).count();
            start += 1;
        }
        (start > first).then(|| chunk(codes, first..start, &coding))
    });
    table.into_iter().chain(parts)
}

fn chunk(codes: &SdrBatch, range: std::ops::Range<usize>, coding: &Coding) -> NewChunk {
    let count = range.len();
    let size = codes.get(range.start).count() as u32;
    let same = size > 0 && range.clone().all(|place| codes.get(place).count() as u32 == size);
    let mut head = if same { size } else { MANY }.to_le_bytes().to_vec();
    let mut bits = BitWriter::default();
    for (place, code) in range.map(|place| codes.get(place)).enumerate() {
        if place % GROUP == 0 {
            head.extend((bits.len() as u32).to_le_bytes());
        }
        if !same {
            write_size(code.count() as u32, &mut bits);
        }
        coding.write(code.indices(), &mut bits);
    }
    head.extend(bits.into_bytes());
    NewChunk { name: "codes", bytes: head, count }
}

fn read_coding(journal: &Journal, chunk: &Chunk, units: usize) -> Result<Coding> {
    let coding = Coding::of_bytes(journal.bytes(chunk)?, units);
    coding.ok_or_else(|| journal.damage(chunk, "not a coding of these units"))
}

/// What a file that grows says of itself in its first chunk: `n`, and what is left to be read.
pub(super) fn open_about(journal: &Journal, content: &str) -> Result<(usize, Fields)> {
    let mut about = fields::about_of(journal)?;
    let found: String = about.require(journal, "about", "content")?;
    if found != content {
        return Err(fields::Blame::nonsense(
            journal,
            "about",
            &format!("the file holds {found}, not {content}"),
        ));
    }
    let units: usize = about.require(journal, "about", "units")?;
    if units == 0 || units > u32::MAX as usize {
        return Err(fields::Blame::nonsense(journal, "about", "no possible number of units"));
    }
    Ok((units, about))
}

/// Refuses files that are none that grow, saying what they are.
pub(super) fn refuse_others(path: &Path, content: &str) -> Result<()> {
    if journal::is_journal(path) {
        return Ok(());
    }
    let (reader, _) = fields::open(path, content)?;
    Err(fields::Blame::nonsense(
        &reader,
        "about",
        &format!("{content} in a form that is no longer read"),
    ))
}
