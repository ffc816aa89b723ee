//! What the targets share: parsers read files, so the bytes go into one.

#[path = "../crates/kwinners/tests/common/checksums.rs"]
mod checksums;

use std::cell::OnceCell;
use std::path::Path;

use tempfile::TempDir;

thread_local! {
    static FOLDER: OnceCell<TempDir> = const { OnceCell::new() };
}

/// Puts `bytes` into a file called `name` and gives its path to `parse`.
///
/// # Panics
/// If no temporary file can be written.
pub fn with_file(name: &str, bytes: &[u8], parse: impl FnOnce(&Path)) {
    FOLDER.with(|folder| {
        let folder = folder.get_or_init(|| tempfile::tempdir().expect("a temporary folder"));
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).expect("a temporary file");
        parse(&path);
    });
}

/// A `.kw` file with its checksums put right, so that what they cover is reached.
pub fn with_right_checksums(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    checksums::put_right(&mut bytes);
    bytes
}
