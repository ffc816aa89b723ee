//! What sections are made of: text of keys and values, and arrays of numbers.

use std::path::Path;

use super::container::Reader;
use super::journal::{self, Journal};
use crate::error::{Error, Result};

/// What can say of a section, whose checksum was right, that it makes no sense.
pub(super) trait Blame {
    fn nonsense(&self, section: &str, reason: &str) -> Error;
}

impl Blame for Reader {
    fn nonsense(&self, section: &str, reason: &str) -> Error {
        Self::nonsense(self, section, reason)
    }
}

impl Blame for Journal {
    fn nonsense(&self, section: &str, reason: &str) -> Error {
        let offset = self.chunks.iter().find(|chunk| chunk.name() == section);
        let offset = offset.map_or(0, |chunk| chunk.offset);
        let (path, section) = (self.map.path().to_owned(), section.to_owned());
        Error::Damaged { path, section, offset, reason: reason.to_owned() }
    }
}

/// The first chunk of a file that grows: what it says of itself.
pub(super) fn about_of(journal: &Journal) -> Result<Fields> {
    match journal.chunks.first() {
        Some(chunk) if chunk.name() == "about" => {
            Fields::parse(journal, "about", journal.bytes(chunk)?)
        }
        _ => Err(Blame::nonsense(journal, "about", "the file does not say what it holds")),
    }
}

/// Opens a file that must hold `content`: the reader after its `about`, and what is left of that.
pub(super) fn open(path: &Path, content: &str) -> Result<(Reader, Fields)> {
    if journal::is_journal(path) {
        let journal = Journal::open(path)?;
        let found: String = about_of(&journal)?.require(&journal, "about", "content")?;
        let reason = format!("the file holds {found}, not {content}");
        return Err(Blame::nonsense(&journal, "about", &reason));
    }
    let mut reader = Reader::open(path)?;
    let bytes = reader.section("about")?;
    let mut about = Fields::parse(&reader, "about", &bytes)?;
    let found: String = about.require(&reader, "about", "content")?;
    if found != content {
        return Err(reader.nonsense("about", format!("the file holds {found}, not {content}")));
    }
    Ok((reader, about))
}

/// Keys and values of a text section, each used once.
#[derive(Debug, Default)]
pub(super) struct Fields {
    pairs: Vec<(String, String)>,
}

impl Fields {
    pub(super) fn push(&mut self, key: &str, value: impl std::fmt::Display) {
        // A line break in a name would end the line; everything else is kept as it is.
        let value = value.to_string().replace(['\n', '\r'], " ");
        self.pairs.push((key.to_owned(), value));
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let lines = self.pairs.iter().map(|(key, value)| format!("{key} = {value}\n"));
        lines.collect::<String>().into_bytes()
    }

    pub(super) fn parse(reader: &impl Blame, section: &str, bytes: &[u8]) -> Result<Self> {
        let text = std::str::from_utf8(bytes)
            .map_err(|_| reader.nonsense(section, "the text is not UTF-8"))?;
        let mut pairs = Vec::new();
        for line in text.lines() {
            let Some((key, value)) = line.split_once(" = ") else {
                return Err(reader.nonsense(section, &format!("`{line}` is not `key = value`")));
            };
            pairs.push((key.to_owned(), value.to_owned()));
        }
        Ok(Self { pairs })
    }

    pub(super) fn into_pairs(self) -> Vec<(String, String)> {
        self.pairs
    }

    /// Takes out the value of `key`, if there is one.
    pub(super) fn take(&mut self, key: &str) -> Option<String> {
        let place = self.pairs.iter().position(|(other, _)| other == key)?;
        Some(self.pairs.remove(place).1)
    }

    /// Takes out the value of `key`, which must be there and of the right kind.
    pub(super) fn require<T: std::str::FromStr>(
        &mut self,
        reader: &impl Blame,
        section: &str,
        key: &str,
    ) -> Result<T> {
        let value = self.take(key);
        let value =
            value.ok_or_else(|| reader.nonsense(section, &format!("`{key}` is missing")))?;
        let wrong = |_| reader.nonsense(section, &format!("`{key}` can't be `{value}`"));
        value.parse().map_err(wrong)
    }

    /// Nothing may be left over.
    pub(super) fn finish(&self, reader: &impl Blame, section: &str) -> Result<()> {
        match self.pairs.first() {
            None => Ok(()),
            Some((key, _)) => Err(reader.nonsense(section, &format!("`{key}` is not known"))),
        }
    }
}
