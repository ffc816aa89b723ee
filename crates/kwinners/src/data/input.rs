//! Opening files, compressed or not, and reading no more of them than they promise.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;

use crate::error::{Error, Result};

/// A data file being read. It knows its name and format, for the errors.
pub(crate) struct Input<'a> {
    pub(crate) path: PathBuf,
    pub(crate) format: &'static str,
    reader: Box<dyn Read + 'a>,
}

impl<'a> Input<'a> {
    /// Opens `path`, unpacking it if it begins as gzip does.
    ///
    /// The first two bytes decide and not the name: no format read here begins with 1f 8b.
    pub(crate) fn open(path: &Path, format: &'static str) -> Result<Self> {
        let file = File::open(path).map_err(Error::io(path))?;
        let mut buffered = BufReader::with_capacity(1 << 16, file);
        let gzip = buffered.fill_buf().map_err(Error::io(path))?.starts_with(&[0x1f, 0x8b]);
        let reader: Box<dyn Read> = match gzip {
            true => Box::new(BufReader::with_capacity(1 << 16, MultiGzDecoder::new(buffered))),
            false => Box::new(buffered),
        };
        Ok(Self { path: path.to_owned(), format, reader })
    }

    /// Reads from `reader`, which is part of the file `path`.
    pub(crate) fn part(path: &Path, format: &'static str, reader: impl Read + 'a) -> Self {
        Self { path: path.to_owned(), format, reader: Box::new(reader) }
    }

    /// The [`Error::Format`] of this file.
    pub(crate) fn refuse(
        &self,
        expected: impl std::fmt::Display,
        got: impl std::fmt::Display,
    ) -> Error {
        Error::format(&self.path, self.format, expected, got)
    }

    /// The next `N` bytes.
    pub(crate) fn bytes<const N: usize>(&mut self, what: &str) -> Result<[u8; N]> {
        let mut bytes = [0; N];
        let got = self.fill(&mut bytes)?;
        match got == N {
            true => Ok(bytes),
            false => Err(self.refuse(format!("{N} bytes of {what}"), format!("{got} bytes"))),
        }
    }

    /// Fills `buffer` as far as the file goes and says how far that is.
    pub(crate) fn fill(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.reader.read(&mut buffer[filled..]) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Error::io(&self.path)(error)),
            }
        }
        Ok(filled)
    }

    /// The rest of the file, which must be exactly `promised` bytes.
    ///
    /// The buffer grows with what is read, so a header that lies costs at most what the file holds;
    /// one byte past the promise is asked for, so a file that unpacks to more is stopped there.
    pub(crate) fn rest_of(&mut self, promised: u64) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let limit = promised.saturating_add(1);
        self.reader.by_ref().take(limit).read_to_end(&mut bytes).map_err(Error::io(&self.path))?;
        let got = bytes.len() as u64;
        if got == promised {
            return Ok(bytes);
        }
        let got = if got > promised { "more".to_owned() } else { format!("{got} bytes") };
        Err(self.refuse(format!("{promised} bytes after the header"), got))
    }

    /// The rest of the file, whatever it is, if it is at most `limit` bytes.
    pub(crate) fn rest_up_to(&mut self, limit: u64) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let taken = self.reader.by_ref().take(limit + 1).read_to_end(&mut bytes);
        taken.map_err(Error::io(&self.path))?;
        match bytes.len() as u64 > limit {
            true => Err(self.refuse(format!("at most {limit} bytes"), "more")),
            false => Ok(bytes),
        }
    }

    /// The rest of the file as text.
    pub(crate) fn text(&mut self) -> Result<String> {
        let mut text = String::new();
        self.reader.read_to_string(&mut text).map_err(Error::io(&self.path))?;
        Ok(text)
    }

    /// Gives up the reader, for a parser that brings its own buffer.
    pub(crate) fn into_reader(self) -> Box<dyn Read + 'a> {
        self.reader
    }
}

/// The name of the file without `.gz`, in small letters: what its format is told by.
pub(crate) fn plain_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    name.strip_suffix(".gz").unwrap_or(&name).to_owned()
}

/// The extension of the file without `.gz`, in small letters; empty if there is none.
pub(crate) fn extension(path: &Path) -> String {
    plain_name(path).rsplit_once('.').map(|(_, extension)| extension.to_owned()).unwrap_or_default()
}

/// The lines of a text file, without empty lines at the end.
pub(crate) fn lines(path: &Path) -> Result<Vec<String>> {
    let text = Input::open(path, "text")?.text()?;
    Ok(text.trim_end().lines().map(|line| line.trim().to_owned()).collect())
}
