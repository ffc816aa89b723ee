//! NumPy's `.npz`: a zip of `.npy` files.

use std::fs::File;
use std::io::{BufReader, Cursor};
use std::path::{Path, PathBuf};

use zip::result::ZipError;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipArchive, ZipWriter};

use super::array::Array;
use super::input::Input;
use super::{npy, output};
use crate::error::{Error, Result};

/// An open `.npz`.
pub(crate) struct Npz {
    path: PathBuf,
    archive: ZipArchive<BufReader<File>>,
}

impl Npz {
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(Error::io(path))?;
        let archive = ZipArchive::new(BufReader::new(file)).map_err(|error| refuse(path, error))?;
        Ok(Self { path: path.to_owned(), archive })
    }

    /// Names of the arrays, in the order of the file.
    pub(crate) fn names(&self) -> Vec<String> {
        let names = self.archive.file_names_raw().map(String::from_utf8_lossy);
        names.filter_map(|name| name.strip_suffix(".npy").map(str::to_owned)).collect()
    }

    /// The array `name`.
    pub(crate) fn array(&mut self, name: &str) -> Result<Array> {
        npy::read_array(self.entry(name)?)
    }

    /// The one text that the array `name` is.
    pub(crate) fn text(&mut self, name: &str) -> Result<String> {
        npy::read_text(self.entry(name)?)
    }

    fn entry(&mut self, name: &str) -> Result<Input<'_>> {
        if !self.names().iter().any(|known| known == name) {
            let expected = format!("an array `{name}`");
            let got = format!("arrays {}", self.names().join(", "));
            return Err(Error::format(&self.path, "npz", expected, got));
        }
        let entry = self.archive.by_name(&format!("{name}.npy"));
        let entry = entry.map_err(|error| refuse(&self.path, error))?;
        Ok(Input::part(&self.path, "npz", entry))
    }

    /// The first of `names` that there is.
    pub(crate) fn first_of(&self, names: &[&str]) -> Option<String> {
        let there = self.names();
        names.iter().find(|name| there.iter().any(|known| known == *name)).map(|&name| name.into())
    }

    /// The [`Error::Format`] of this file.
    pub(crate) fn refuse(&self, expected: &str) -> Error {
        let got = format!("arrays {}", self.names().join(", "));
        Error::format(&self.path, "npz", expected, got)
    }
}

fn refuse(path: &Path, error: ZipError) -> Error {
    match error {
        ZipError::Io(source) => Error::io(path)(source),
        other => Error::format(path, "npz", "a zip of .npy files", other),
    }
}

/// One array to be written: its name, its type as NumPy writes it, its shape and its bytes.
pub(crate) type Entry<'a> = (&'a str, &'a str, &'a [usize], Vec<u8>);

/// Writes a compressed `.npz`. The same arrays give the same bytes: entries carry no date.
pub(crate) fn write(path: &Path, entries: &[Entry<'_>]) -> Result<()> {
    output::replace(path, |file| {
        let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, descr, shape, bytes) in entries {
            let large = bytes.len() > u32::MAX as usize / 2;
            let options = SimpleFileOptions::default()
                .compression_method(CompressionMethod::Deflated)
                .last_modified_time(DateTime::default())
                .large_file(large);
            archive.start_file(format!("{name}.npy"), options)?;
            npy::write_array(&mut archive, descr, shape, bytes)?;
        }
        file.write_all(archive.finish()?.get_ref())
    })
}
