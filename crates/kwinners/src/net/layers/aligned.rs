//! Values that begin where a line of the cache does.

use std::ops::{Deref, DerefMut};

/// Bytes of a line, and of the widest vector.
const LINE: usize = 64;

/// Values whose first one begins a line of the cache, so that vectors of rows of whole vectors never
/// lie across two lines, which halves the speed of loading them.
#[derive(Debug, Default)]
pub(crate) struct Aligned {
    values: Vec<f32>,
    start: usize,
    len: usize,
}

impl Aligned {
    /// `len` zeros.
    pub(crate) fn zeros(len: usize) -> Self {
        let values = vec![0.0f32; len + LINE / size_of::<f32>()];
        let start = values.as_ptr().align_offset(LINE).min(values.len() - len);
        Self { values, start, len }
    }
}

impl Deref for Aligned {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.values[self.start..][..self.len]
    }
}

impl DerefMut for Aligned {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.values[self.start..][..self.len]
    }
}

impl Clone for Aligned {
    fn clone(&self) -> Self {
        let mut copy = Self::zeros(self.len);
        copy.copy_from_slice(self);
        copy
    }
}
