//! What sections are made of: text of keys and values, and arrays of numbers.

use std::path::Path;

use super::container::Reader;
use crate::error::Result;

/// Opens a file that must hold `content`: the reader after its `about`, and what is left of that.
pub(super) fn open(path: &Path, content: &str) -> Result<(Reader, Fields)> {
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

    pub(super) fn parse(reader: &Reader, section: &str, bytes: &[u8]) -> Result<Self> {
        let text = std::str::from_utf8(bytes)
            .map_err(|_| reader.nonsense(section, "the text is not UTF-8"))?;
        let mut pairs = Vec::new();
        for line in text.lines() {
            let Some((key, value)) = line.split_once(" = ") else {
                return Err(reader.nonsense(section, format!("`{line}` is not `key = value`")));
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
        reader: &Reader,
        section: &str,
        key: &str,
    ) -> Result<T> {
        let value = self.take(key);
        let value = value.ok_or_else(|| reader.nonsense(section, format!("`{key}` is missing")))?;
        let wrong = |_| reader.nonsense(section, format!("`{key}` can't be `{value}`"));
        value.parse().map_err(wrong)
    }

    /// Nothing may be left over.
    pub(super) fn finish(&self, reader: &Reader, section: &str) -> Result<()> {
        match self.pairs.first() {
            None => Ok(()),
            Some((key, _)) => Err(reader.nonsense(section, format!("`{key}` is not known"))),
        }
    }
}

macro_rules! array_section {
    ($write:ident, $read:ident, $kind:ty) => {
        pub(super) fn $write(values: &[$kind]) -> Vec<u8> {
            values.iter().flat_map(|value| value.to_le_bytes()).collect()
        }

        pub(super) fn $read(reader: &mut Reader, section: &str) -> Result<Vec<$kind>> {
            const SIZE: usize = size_of::<$kind>();
            let bytes = reader.section(section)?;
            let (values, rest) = bytes.as_chunks::<SIZE>();
            if !rest.is_empty() {
                let reason = format!("{} bytes are not whole numbers of {SIZE}", bytes.len());
                return Err(reader.nonsense(section, reason));
            }
            Ok(values.iter().map(|value| <$kind>::from_le_bytes(*value)).collect())
        }
    };
}
array_section!(u32_bytes, read_u32, u32);
array_section!(u64_bytes, read_u64, u64);
