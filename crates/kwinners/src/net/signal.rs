//! What flows through a network: maps of a block of samples, and where they are not zero.

use crate::rows::Rows;

/// The shape of a sample between two layers: `(height, width, channels)`, channels side by side; plain
/// vectors are one place of many channels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct MapShape {
    pub(crate) height: usize,
    pub(crate) width: usize,
    pub(crate) channels: usize,
}

impl MapShape {
    /// A plain vector.
    pub(crate) fn flat(channels: usize) -> Self {
        Self { height: 1, width: 1, channels }
    }

    /// Places.
    pub(crate) fn places(&self) -> usize {
        self.height * self.width
    }

    /// Values.
    pub(crate) fn size(&self) -> usize {
        self.places() * self.channels
    }
}

/// Values of a block of samples, `(samples, size)`, and, where it is known that few are not zero, which.
#[derive(Clone, Debug, Default)]
pub(crate) struct Signal {
    pub(crate) size: usize,
    pub(crate) values: Vec<f32>,
    pub(crate) active: Option<Active>,
}

/// Where a signal may differ from zero: the places of one sample after another; increasing for values, in any
/// order for slopes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Active {
    /// Where the places of each sample end.
    ends: Vec<u32>,
    places: Vec<u32>,
}

impl Signal {
    /// Room for `samples` of `size` values, which may hold anything.
    pub(crate) fn resize(&mut self, samples: usize, size: usize) {
        self.size = size;
        self.active = None;
        self.values.resize(samples * size, 0.0);
    }

    /// `samples` of `size` zeros, active nowhere yet: lists can be pushed to what is returned.
    pub(crate) fn clear_listed(
        &mut self,
        samples: usize,
        size: usize,
    ) -> (&mut [f32], &mut Active) {
        let known = self.size == size && self.values.len() == samples * size;
        let mut active = self.active.take().unwrap_or_default();
        if known && active.ends.len() == samples {
            // Cheaper than all of it: only what was not zero.
            for sample in 0..samples {
                let values = &mut self.values[sample * size..][..size];
                active.of(sample).iter().for_each(|&place| values[place as usize] = 0.0);
            }
        } else {
            self.values.clear();
            self.values.resize(samples * size, 0.0);
        }
        self.size = size;
        active.clear();
        (&mut self.values, self.active.insert(active))
    }

    /// Samples.
    pub(crate) fn len(&self) -> usize {
        self.values.len() / self.size.max(1)
    }

    pub(crate) fn sample(&self, sample: usize) -> &[f32] {
        &self.values[sample * self.size..][..self.size]
    }

    pub(crate) fn sample_mut(&mut self, sample: usize) -> &mut [f32] {
        &mut self.values[sample * self.size..][..self.size]
    }

    pub(crate) fn rows(&self) -> Rows<'_> {
        Rows::new(&self.values, self.size).expect("whole samples")
    }

    /// Where a sample may differ from zero, if that is known.
    pub(crate) fn active_of(&self, sample: usize) -> Option<&[u32]> {
        self.active.as_ref().map(|active| active.of(sample))
    }
}

impl Active {
    pub(crate) fn clear(&mut self) {
        self.ends.clear();
        self.places.clear();
    }

    /// The places of one sample.
    pub(crate) fn of(&self, sample: usize) -> &[u32] {
        let start = if sample == 0 { 0 } else { self.ends[sample - 1] as usize };
        &self.places[start..self.ends[sample] as usize]
    }

    /// Adds the places of the next sample.
    pub(crate) fn push(&mut self, places: impl IntoIterator<Item = u32>) {
        self.places.extend(places);
        self.ends.push(self.places.len() as u32);
    }

    /// Makes this list a copy of `other`.
    pub(crate) fn copy_from(&mut self, other: &Self) {
        self.ends.clone_from(&other.ends);
        self.places.clone_from(&other.places);
    }
}
