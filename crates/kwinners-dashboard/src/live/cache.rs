//! Files that were asked about lately, open.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use kwinners::{Error, Result};

/// A file as it was when it was opened: its path, its length and when it was last written.
type Key = (PathBuf, u64, Option<SystemTime>);

/// What was made of files, until they change or others are asked for.
pub(super) struct Cache<T> {
    most: usize,
    held: Mutex<Vec<(Key, Arc<T>)>>,
}

impl<T> Cache<T> {
    /// Holds the last `most` files.
    pub(super) fn new(most: usize) -> Self {
        Self { most, held: Mutex::new(Vec::new()) }
    }

    /// What `open` makes of the file at `path` as it is now. Others wait meanwhile, as they may want the
    /// same.
    pub(super) fn get(&self, path: &Path, open: impl FnOnce(&Path) -> Result<T>) -> Result<Arc<T>> {
        let facts = std::fs::metadata(path).map_err(Error::io(path))?;
        let key = (path.to_owned(), facts.len(), facts.modified().ok());
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, found)) = held.iter().find(|(other, _)| *other == key) {
            return Ok(found.clone());
        }
        let opened = Arc::new(open(path)?);
        held.retain(|(other, _)| other.0 != key.0);
        if held.len() >= self.most {
            held.remove(0);
        }
        held.push((key, opened.clone()));
        Ok(opened)
    }
}
