//! Whether the units between them look at the whole input.

use serde::Serialize;

use crate::error::Result;
use crate::rows::Rows;
use crate::sdr::SdrBatch;

/// How the units share the inputs.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct InputCoverage {
    /// Share of the inputs that at least one unit is connected to.
    pub reached: f64,
    /// Units an input, on average over the inputs.
    pub units_per_input: f64,
}

/// How the units share the inputs, where `connected` holds one entry a unit: the inputs that the unit
/// is connected to. [`places_above`] makes that of filters or permanences.
///
/// ```
/// use kwinners::{SdrBatch, metrics::input_coverage};
/// let connected = SdrBatch::from_exact(4, 2, vec![0, 1, 1, 2])?; // two units, four inputs
/// let coverage = input_coverage(&connected);
/// assert_eq!((coverage.reached, coverage.units_per_input), (0.75, 1.0));
/// # Ok::<(), kwinners::Error>(())
/// ```
pub fn input_coverage(connected: &SdrBatch) -> InputCoverage {
    let reached = connected.unit_counts().into_iter().filter(|&units| units > 0).count();
    let inputs = connected.units() as f64;
    InputCoverage {
        reached: reached as f64 / inputs,
        units_per_input: connected.indices().len() as f64 / inputs,
    }
}

/// The places of each row whose value lies above `threshold`: one entry a row of `width` places.
///
/// ```
/// use kwinners::{Rows, metrics::places_above};
/// let filters = Rows::new(&[0.1, 0.9, 0.5, 0.0, 0.0, 0.6], 3)?;
/// let connected = places_above(filters, 0.4)?;
/// assert_eq!(connected.get(0).indices(), [1, 2]);
/// assert_eq!(connected.get(1).indices(), [2]);
/// # Ok::<(), kwinners::Error>(())
/// ```
///
/// # Errors
/// If a value is NaN or infinite.
pub fn places_above(rows: Rows<'_>, threshold: f32) -> Result<SdrBatch> {
    rows.check_finite("rows to look for places in")?;
    let mut places = SdrBatch::new(rows.width())?;
    for row in &rows {
        let above = row.iter().enumerate().filter(|(_, value)| **value > threshold);
        places.push(&above.map(|(place, _)| place as u32).collect::<Vec<_>>())?;
    }
    Ok(places)
}
