//! Event files of TensorBoard: scalars only.
//!
//! A file is records, each its length in 8 bytes, a checksum of these in 4, the bytes, a checksum of these in 4,
//! all little-endian. A record is an `Event` message of Protocol Buffers: wall time (field 1, double), step
//! (2, varint), and either the version (3, string) or a summary (5) of values (1) with tag (1, string) and
//! simple value (2, float). Source: `tensorflow/core/lib/io/record_writer.cc`, `event.proto`, `summary.proto`.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use kwinners::{Error, Result};

use super::log::make_folder;

/// An open event file. Every event is written at once.
#[derive(Debug)]
pub(super) struct Events {
    path: PathBuf,
    file: File,
}

impl Events {
    /// A new file in `folder`, which is made if need be.
    pub(super) fn create(folder: &Path) -> Result<Self> {
        make_folder(folder)?;
        let (seconds, process) = (now().floor(), std::process::id());
        let path = folder.join(format!("events.out.tfevents.{seconds:.0}.kwinners.{process}"));
        let file = File::create(&path).map_err(Error::io(&path))?;
        let mut events = Self { path, file };
        let mut version = Vec::new();
        put_bytes(&mut version, 3, b"brain.Event:2");
        events.put(&event(0, &version))?;
        Ok(events)
    }

    /// Writes `numbers` by their tags as one event.
    pub(super) fn write(&mut self, step: u64, numbers: &[(String, f64)]) -> Result<()> {
        let mut summary = Vec::new();
        for (tag, number) in numbers {
            let mut value = Vec::new();
            put_bytes(&mut value, 1, tag.as_bytes());
            value.push(2 << 3 | 5);
            value.extend((*number as f32).to_le_bytes());
            put_bytes(&mut summary, 1, &value);
        }
        let mut rest = Vec::new();
        put_bytes(&mut rest, 5, &summary);
        self.put(&event(step, &rest))
    }

    fn put(&mut self, event: &[u8]) -> Result<()> {
        let length = (event.len() as u64).to_le_bytes();
        let mut record = length.to_vec();
        record.extend(masked(&length).to_le_bytes());
        record.extend(event);
        record.extend(masked(event).to_le_bytes());
        self.file.write_all(&record).map_err(Error::io(&self.path))
    }
}

/// Seconds since 1970.
fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

/// An `Event` message of this moment with the fields that `rest` holds.
fn event(step: u64, rest: &[u8]) -> Vec<u8> {
    let mut event = vec![1 << 3 | 1];
    event.extend(now().to_le_bytes());
    event.push(2 << 3);
    put_varint(&mut event, step);
    event.extend(rest);
    event
}

fn put_bytes(message: &mut Vec<u8>, field: u8, bytes: &[u8]) {
    message.push(field << 3 | 2);
    put_varint(message, bytes.len() as u64);
    message.extend(bytes);
}

fn put_varint(message: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        message.push(number as u8 | 0x80);
        number >>= 7;
    }
    message.push(number as u8);
}

/// The checksum of records: that of the bytes may stand inside them, so it is turned and shifted.
fn masked(bytes: &[u8]) -> u32 {
    crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}

/// Castagnoli's CRC, bit by bit: events are a few hundred bytes.
fn crc32c(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (0x82f6_3b78 & (crc & 1).wrapping_neg())
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_those_of_the_standard() {
        // RFC 3720, appendix B.4.
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c(&[0xff; 32]), 0x62a8_ab43);
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
    }

    #[test]
    fn an_event_is_the_message_that_tensorboard_reads() {
        let mut value = Vec::new();
        put_bytes(&mut value, 1, b"loss");
        assert_eq!(value, [10, 4, b'l', b'o', b's', b's']);
        let mut number = Vec::new();
        put_varint(&mut number, 300);
        assert_eq!(number, [0xac, 0x02]);
        let event = event(300, &[]);
        assert_eq!((event[0], &event[9..]), (9, &[16, 0xac, 0x02][..]));
    }
}
