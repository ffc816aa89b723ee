//! Right checksums for damaged `.kw` files, or nothing behind a checksum would ever be reached. The
//! targets in `fuzz/` use this too.

use std::ops::Range;

/// Makes all checksums of a `.kw` file right, and the length in its head, whatever its numbers are.
pub(crate) fn put_right(bytes: &mut [u8]) {
    match bytes.get(8) {
        Some(2) => put_journal_right(bytes),
        _ => put_container_right(bytes),
    }
}

/// The same where the file has one table of sections.
fn put_container_right(bytes: &mut [u8]) {
    let length = bytes.len() as u64;
    let Some(place) = bytes.get_mut(16..24) else { return };
    place.copy_from_slice(&length.to_le_bytes());
    let table = u32::from_le_bytes(bytes[12..16].try_into().unwrap_or_default()) as usize;
    let end = 40usize.saturating_mul(table).saturating_add(24);
    for entry in (24..end.min(bytes.len())).step_by(40) {
        put(bytes, entry + 32, range(bytes, entry + 16));
    }
    put(bytes, end, 0..end);
}

/// The same where the file grows by chunks and directories.
fn put_journal_right(bytes: &mut [u8]) {
    for slot in [64, 128] {
        // The last directory, the one before it, and so on, from the first to the last.
        let mut chain = vec![slot + 16];
        while let Some(&named) = chain.last()
            && chain.len() < 8
            && number(bytes, named) > 255
            && number(bytes, named) < bytes.len()
        {
            chain.push(number(bytes, named));
        }
        for pair in chain.windows(2).rev() {
            let directory = range(bytes, pair[0]);
            for entry in (directory.start + 24..directory.end.min(bytes.len())).step_by(40) {
                put(bytes, entry + 32, range(bytes, entry + 16));
            }
            put(bytes, pair[0] + 16, directory);
        }
        if bytes.get(slot..slot + 64).is_some_and(|slot| slot.iter().any(|&byte| byte != 0)) {
            put(bytes, slot + 60, slot..slot + 60);
        }
    }
}

fn number(bytes: &[u8], at: usize) -> usize {
    let number = bytes.get(at..at.saturating_add(8)).and_then(|bytes| bytes.try_into().ok());
    number.map_or(usize::MAX, |bytes| u64::from_le_bytes(bytes) as usize)
}

/// The range whose start and length are at `at`.
fn range(bytes: &[u8], at: usize) -> Range<usize> {
    let (start, length) = (number(bytes, at), number(bytes, at.saturating_add(8)));
    start..start.saturating_add(length)
}

/// The checksum of `range`, to `at`, if both are within the file.
fn put(bytes: &mut [u8], at: usize, range: Range<usize>) {
    if let Some(contents) = bytes.get(range) {
        let sum = crc32fast::hash(contents).to_le_bytes();
        if let Some(place) = bytes.get_mut(at..at.saturating_add(4)) {
            place.copy_from_slice(&sum);
        }
    }
}
