//! Pictures of a fit that is running, made only while somebody looks.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, TryLockError};
use std::time::{Duration, Instant};

use kwinners::data::ImageShape;
use kwinners::encoder::Model;
use kwinners::{Dataset, Result};
use serde_json::{Value, json};

use crate::raster::{Raster, shape, tile, value_range};

/// Least time between two pictures.
const PAUSE: Duration = Duration::from_secs(3);
/// A fit spends at most one part in so many of its time on pictures.
const SHARE: u32 = 100;
/// Filters and samples that are shown.
const FILTERS: usize = 100;
const SAMPLES: usize = 10;

/// What a model looks like at one moment.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Samples that a running fit has seen.
    samples: Option<u64>,
    /// How a filter, and a sample, is laid out.
    image: ImageShape,
    filters: Vec<Vec<f32>>,
    inputs: Vec<Vec<f32>>,
    codes: Vec<Vec<u32>>,
    units: usize,
    /// Empty where the kind has no decoder.
    decoded: Vec<Vec<f32>>,
}

impl Snapshot {
    /// `model`, after `samples` samples if it is still learning: filters, and what it makes of rows spread over `data`.
    ///
    /// # Errors
    /// If the data do not fit the model.
    pub fn of(model: &Model, data: &Dataset, samples: Option<u64>) -> Result<Self> {
        let encoder = model.encoder();
        let count = data.len().min(SAMPLES);
        let places: Vec<usize> = (0..count).map(|place| place * data.len() / count).collect();
        let shown = data.select(&places);
        let codes = encoder.encode(shown.rows())?;
        let rows = |values: &[f32]| values.chunks(data.width()).map(<[f32]>::to_vec).collect();
        let decoded = model.decoder().map(|decoder| decoder.decode(&codes)).transpose()?;
        let filters = encoder.units().min(FILTERS);
        let filter = |number: usize| model.filter(number * encoder.units() / filters);
        Ok(Self {
            samples,
            image: shape(data.image, data.width()),
            filters: (0..filters).map(filter).collect(),
            inputs: rows(shown.rows().values()),
            codes: codes.iter().map(|code| code.indices().to_vec()).collect(),
            units: encoder.units(),
            decoded: decoded.as_deref().map(rows).unwrap_or_default(),
        })
    }

    /// Pictures as addresses that hold them.
    pub(super) fn to_json(&self) -> Result<Value> {
        let mut filters = Value::Null;
        if self.image.channels == 1 && !self.filters.is_empty() {
            let columns = (self.filters.len() as f64).sqrt().ceil() as usize;
            filters = Raster::filters(&self.filters, self.image, columns).data_uri()?.into();
        }
        let range = value_range(&self.inputs.concat());
        let mut samples = Vec::new();
        for (place, input) in self.inputs.iter().enumerate() {
            let decoded =
                self.decoded.get(place).map(|row| tile(row, self.image, range)).transpose()?;
            samples.push(json!({
                "input": tile(input, self.image, range)?,
                "code": self.codes[place],
                "decoded": decoded,
            }));
        }
        Ok(
            json!({ "samples": self.samples, "units": self.units, "filters": filters, "strips": samples }),
        )
    }
}

/// Where a fit leaves its latest pictures. The fit never waits here: if a reader holds the place, it goes on.
#[derive(Debug, Default)]
pub struct Showcase {
    watchers: AtomicUsize,
    number: AtomicU64,
    over: AtomicBool,
    latest: Mutex<Option<Arc<Snapshot>>>,
    due: Mutex<Option<Instant>>,
}

impl Showcase {
    /// Takes new pictures of `model` if somebody looks and it is time for some. Costs a look at a counter
    /// otherwise. What can't be drawn is left out: it is no reason to stop a fit.
    pub fn offer(&self, model: &Model, data: &Dataset, samples: u64) {
        if self.watchers.load(Ordering::Relaxed) == 0 {
            return;
        }
        let begin = Instant::now();
        let Ok(mut due) = self.due.try_lock() else { return };
        if due.is_some_and(|due| begin < due) {
            return;
        }
        if let Ok(snapshot) = Snapshot::of(model, data, Some(samples))
            && let Some(mut place) = free(self.latest.try_lock())
        {
            *place = Some(Arc::new(snapshot));
            self.number.fetch_add(1, Ordering::Relaxed);
        }
        *due = Some(Instant::now() + PAUSE.max(begin.elapsed() * SHARE));
    }

    /// The fit is over: from now on the model file has what there is to show.
    pub fn close(&self) {
        self.over.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    pub(super) fn enter(&self) {
        self.watchers.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn leave(&self) {
        self.watchers.fetch_sub(1, Ordering::Relaxed);
    }

    /// How many pictures there have been.
    pub(super) fn number(&self) -> u64 {
        self.number.load(Ordering::Relaxed)
    }

    pub(super) fn latest(&self) -> Option<Arc<Snapshot>> {
        self.latest.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }
}

fn free<'a, T>(
    tried: std::result::Result<
        std::sync::MutexGuard<'a, T>,
        TryLockError<std::sync::MutexGuard<'a, T>>,
    >,
) -> Option<std::sync::MutexGuard<'a, T>> {
    match tried {
        Ok(place) => Some(place),
        Err(TryLockError::Poisoned(place)) => Some(place.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}
