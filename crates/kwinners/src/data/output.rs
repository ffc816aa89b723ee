//! Writing files so that nobody ever sees a part of one.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// Has `write` write a new file beside `path`, waits until the disk has it, and renames it to `path`.
///
/// If anything fails, `path` is as it was and the new file is removed.
pub(crate) fn replace(
    path: &Path,
    write: impl FnOnce(&mut dyn Write) -> std::io::Result<()>,
) -> Result<()> {
    replace_seekable(path, |file| write(file))
}

/// As [`replace`], for files whose head says what comes after it.
pub(crate) fn replace_seekable(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> std::io::Result<()>,
) -> Result<()> {
    let fresh = name_beside(path);
    let finish = |file: File| {
        let mut buffered = BufWriter::new(file);
        write(&mut buffered)?;
        buffered.into_inner()?.sync_all()?;
        fs::rename(&fresh, path)
    };
    let file = OpenOptions::new().write(true).create_new(true).open(&fresh);
    let file = file.map_err(Error::io(path))?;
    finish(file).map_err(|source| {
        // The first failure is the one to tell.
        let _ = fs::remove_file(&fresh);
        Error::io(path)(source)
    })
}

/// `.NAME.PROCESS.NUMBER.tmp`: in the same folder, so that the rename does not copy, and with a
/// number, so that two threads do not meet.
fn name_beside(path: &Path) -> PathBuf {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".{}.{number}.tmp", std::process::id()));
    path.with_file_name(name)
}
