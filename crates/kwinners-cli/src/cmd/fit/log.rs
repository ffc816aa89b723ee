//! The log of a fit: JSON lines.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use kwinners::encoder::Step;
use kwinners::train::Position;
use kwinners::{Error, Result};

/// Samples a line: online learning would otherwise write megabytes a second.
const SAMPLES_A_LINE: u64 = 1000;

/// An open log. Every line is written at once, so that others can follow it.
#[derive(Debug)]
pub(in crate::cmd) struct Log {
    path: PathBuf,
    file: File,
    /// Rows of the data.
    len: usize,
    /// Samples at the last line.
    line: u64,
    /// Samples at the last step.
    done: u64,
    /// Sum of the losses since the last line.
    loss: f64,
}

impl Log {
    /// Opens a log to append to, of a fit to `len` rows that goes on from `position`.
    pub(in crate::cmd) fn open(path: &Path, len: usize, position: Position) -> Result<Self> {
        let done = (position.epoch * len + position.sample) as u64;
        let file = OpenOptions::new().create(true).append(true).open(path);
        let file = file.map_err(Error::io(path))?;
        Ok(Self { path: path.to_owned(), file, len, line: done, done, loss: 0.0 })
    }

    /// Takes note of a step after which the fit is at `position`.
    pub(in crate::cmd) fn note(&mut self, step: &Step, position: Position) -> Result<()> {
        let done = (position.epoch * self.len + position.sample) as u64;
        self.loss += step.loss * (done - self.done) as f64;
        self.done = done;
        if done < self.line + SAMPLES_A_LINE && position.sample != 0 {
            return Ok(());
        }
        let mut mean = step.clone();
        mean.loss = self.loss / (done - self.line) as f64;
        (self.line, self.loss) = (done, 0.0);
        let text = serde_json::to_string(&mean).expect("numbers become JSON") + "\n";
        self.file.write_all(text.as_bytes()).map_err(Error::io(&self.path))
    }
}
