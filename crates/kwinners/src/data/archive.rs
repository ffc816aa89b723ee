//! Archives of sounds: `.tar`, perhaps packed with gzip, of folders of WAV files.

use std::collections::BTreeSet;
use std::io::Read;
use std::path::Path;

use tar::{Archive, Entry};

use super::input::{Input, extension};
use super::sounds::{Clip, Collection, LISTS, Sound};
use super::wav::WAV_LIMIT_BYTES;
use crate::error::{Error, Result};

const FORMAT: &str = "tar";

/// Reads the WAV files of an archive: `[FOLDERS/]CLASS/NAME.wav`, and the lists beside the classes.
///
/// Where all lie in one folder there are no classes. Members that are no files or have other names,
/// and what [`Collection::of_folder`] leaves out, are passed over; nothing is unpacked to disk.
pub(crate) fn read(path: &Path) -> Result<Collection> {
    let input = Input::open(path, FORMAT)?;
    let mut archive = Archive::new(input.into_reader());
    let wrong = |error: std::io::Error| {
        Error::format(path, FORMAT, "an archive of WAV files", error.to_string())
    };
    let mut read =
        Members { path, folder: None, names: BTreeSet::new(), found: Collection::default() };
    read.found.path = path.to_owned();
    for entry in archive.entries().map_err(wrong)? {
        let mut entry = entry.map_err(wrong)?;
        if entry.header().entry_type().is_file() {
            read.take(&mut entry)?;
        }
    }
    Ok(read.finish())
}

/// What has been read of an archive.
struct Members<'a> {
    path: &'a Path,
    /// What stands before the class, the same for all clips.
    folder: Option<String>,
    /// All names of clips, none of them twice.
    names: BTreeSet<String>,
    found: Collection,
}

impl Members<'_> {
    fn take<R: Read>(&mut self, entry: &mut Entry<'_, R>) -> Result<()> {
        let name = self.name_of(entry)?;
        let (front, file) = name.rsplit_once('/').unwrap_or(("", &name));
        if file.starts_with('.') {
            return Ok(());
        }
        if let Some(list) = LISTS.iter().position(|(_, list)| *list == file) {
            let bytes = self.bytes_of(entry, &name)?;
            let text =
                String::from_utf8(bytes).map_err(|_| self.refuse("a list in UTF-8", &name))?;
            let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
            self.found.lists[list] = Some(lines.map(str::to_owned).collect());
            return Ok(());
        }
        let (folder, class) = front.rsplit_once('/').unwrap_or(("", front));
        if extension(Path::new(file)) != "wav" || class.starts_with(['_', '.']) {
            return Ok(());
        }
        if self.folder.get_or_insert_with(|| folder.to_owned()) != folder {
            return Err(self.refuse("all classes in one folder", &name));
        }
        if !self.names.insert(name.clone()) {
            return Err(self.refuse("every name once", &name));
        }
        let bytes = self.bytes_of(entry, &name)?;
        self.found.clips.push(Clip::new(class, file, Sound::Wav(bytes)));
        Ok(())
    }

    /// The name of a member, without `.` in it.
    fn name_of<R: Read>(&self, entry: &Entry<'_, R>) -> Result<String> {
        let bytes = entry.path_bytes();
        let name = std::str::from_utf8(&bytes)
            .map_err(|_| self.refuse("names in UTF-8", &String::from_utf8_lossy(&bytes)))?;
        if name.starts_with('/')
            || name.contains(['\\', '\0'])
            || name.split('/').any(|part| part == "..")
        {
            return Err(self.refuse("names inside the archive", name));
        }
        let parts = name.split('/').filter(|part| !matches!(*part, "" | "."));
        Ok(parts.collect::<Vec<_>>().join("/"))
    }

    /// All bytes of a member; the memory grows with what is there and not with what is promised.
    fn bytes_of<R: Read>(&self, entry: &mut Entry<'_, R>, name: &str) -> Result<Vec<u8>> {
        let promised = entry.size();
        if promised > WAV_LIMIT_BYTES {
            let got = format!("`{name}` of {promised}");
            return Err(self.refused(&format!("members of at most {WAV_LIMIT_BYTES} bytes"), &got));
        }
        let mut bytes = Vec::new();
        let read = entry.take(promised + 1).read_to_end(&mut bytes);
        read.map_err(|error| {
            self.refused(&format!("{promised} bytes of `{name}`"), &error.to_string())
        })?;
        match bytes.len() as u64 == promised {
            true => Ok(bytes),
            false => {
                let got = format!("{} bytes", bytes.len());
                Err(self.refused(&format!("{promised} bytes of `{name}`"), &got))
            }
        }
    }

    fn refuse(&self, expected: &str, name: &str) -> Error {
        self.refused(expected, &format!("`{}`", name.escape_debug()))
    }

    fn refused(&self, expected: &str, got: &str) -> Error {
        Error::format(self.path, FORMAT, expected, got)
    }

    /// Takes the class off again where all clips lie in one folder.
    fn finish(self) -> Collection {
        let mut found = self.found;
        if found.classes().len() == 1 {
            for clip in &mut found.clips {
                let file = clip.name.rsplit_once('/').map_or(clip.name.as_str(), |(_, file)| file);
                *clip = Clip::new("", file, std::mem::replace(&mut clip.sound, Sound::Silence));
            }
        }
        found
    }
}
