//! The spatial pooler of hierarchical temporal memory: pools of synapses that are connected or not,
//! inhibition, and learning by permanences.
//!
//! Source: Cui, Ahmad and Hawkins, "The HTM spatial pooler", Frontiers in Computational
//! Neuroscience 11, 2017, and what nupic-legacy and htm.core made of it. The parameters have their
//! names there.

mod boost;
mod geometry;
mod inhibition;
mod learn;
mod settings;
mod synapses;

use std::ops::Range;

use rayon::prelude::*;

use super::{Encoder, Inputs, Kind, Learner, ROWS_A_TASK, Schedule, State};
use crate::error::{Error, Result};
use crate::kernel::pools::{FULL, WORD_INPUTS, WordRows};
use crate::kernel::table;
use crate::kwta::DutyCycle;
use crate::rows::Rows;
use crate::sdr::SdrBatch;
pub use geometry::Dimensions;
use geometry::Geometry;
use inhibition::{Inhibition, PickScratch};
use learn::Workspace;
pub use settings::{Binarise, BoostRule, PoolerPreset, SpatialPoolerSettings};
use synapses::AllSynapses;

/// Rows that are shown to one tile of columns after the other, while their overlaps are in the cache.
const ROWS_A_PASS: usize = 16;
/// Samples a step of a fit; each is learned from before the next is seen.
const SAMPLES_A_STEP: usize = 64;

/// The spatial pooler: each column has a pool of inputs and a permanence for each of them; its
/// overlap is the number of inputs that are on and connected, which is to say of a permanence of at
/// least `syn_perm_connected`; the columns with the largest overlaps, of all or of their
/// neighbourhoods, win; winners learn, their permanences going up where the input is on and down
/// where it is off.
///
/// Inputs are bits: an [`SdrBatch`] ([`SpatialPooler::encode_codes`]), or [`Rows`] that are made bits
/// by `binarise`. Permanences are kept in steps of 0.00002, and a boosted score is
/// `overlap · exp(boost_strength · (target - duty))`.
///
/// With `exactly_k` codes have `k = ⌊density · columns⌋` winners; with local inhibition `k` is
/// rounded, the winners of the neighbourhoods come before all others, and among them and among the
/// others the larger score, then the lower index. Winners below the stimulus threshold are then on,
/// but don't learn. Without it codes are as published.
///
/// Cost of a row: `O(columns · inputs / 512)` vector operations, words of the input that are 0 being
/// passed over; learning `O(k · inputs / 16)` more. Memory: 2 bytes an input within reach and column.
///
/// ```
/// use kwinners::encoder::{Dimensions, Encoder, Learner, SpatialPooler, SpatialPoolerSettings};
/// use kwinners::Rows;
/// let bars: Vec<f32> = (0..640).map(|i| (i / 64 % 4 == i % 8 / 2) as u8 as f32).collect();
/// let rows = Rows::new(&bars, 64)?;
/// let settings = SpatialPoolerSettings {
///     column_dimensions: Dimensions::new(&[128]),
///     num_active_columns_per_inh_area: 6,
///     potential_radius: 0,
///     potential_pct: 0.8,
///     ..Default::default()
/// };
/// let mut pooler = SpatialPooler::new(settings, rows)?;
/// let first = pooler.learn(rows, None)?.loss;
/// let last = (0..50).map(|_| pooler.learn(rows, None)).last().unwrap()?.loss;
/// assert!(last < first / 2.0);
/// assert_eq!(pooler.encode(rows)?.winners(), Some(6));
/// # Ok::<(), kwinners::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct SpatialPooler {
    settings: SpatialPoolerSettings,
    geometry: Geometry,
    synapses: AllSynapses,
    inhibition: Inhibition,
    active_duty: DutyCycle,
    overlap_duty: Vec<f32>,
    /// Columns whose overlap duty cycle is below this are bumped.
    least_overlap_duty: Vec<f32>,
    boost: Vec<f32>,
    steps: u64,
    workspace: Workspace,
}

impl SpatialPooler {
    /// A pooler of inputs like `inputs`, of which only the width and the image's shape matter.
    ///
    /// # Errors
    /// If a setting is out of range, or the axes don't fit.
    pub fn new<'a>(settings: SpatialPoolerSettings, inputs: impl Into<Inputs<'a>>) -> Result<Self> {
        settings.check()?;
        let geometry = Geometry::new(&settings, inputs.into())?;
        let synapses = AllSynapses::new(&geometry, &settings);
        let (radius, units) =
            (inhibition::radius(&settings, &geometry, &synapses), geometry.units());
        Ok(Self {
            inhibition: Inhibition::new(&settings, &geometry, radius),
            active_duty: DutyCycle::new(units, settings.duty_cycle_period)?,
            overlap_duty: vec![0.0; units],
            least_overlap_duty: vec![0.0; units],
            boost: vec![1.0; units],
            steps: 0,
            workspace: Workspace::default(),
            settings,
            geometry,
            synapses,
        })
    }

    /// The pooler as it was saved.
    pub(crate) fn from_state(settings: SpatialPoolerSettings, state: &mut State) -> Result<Self> {
        settings.check()?;
        let axes = state.take_array::<u32>("axes")?.into_iter().map(|axis| axis as usize);
        let geometry = Geometry::of_axes(axes.collect(), &settings)?;
        let permanences = state.take_array::<u16>("permanences")?;
        let mut shares = |name: &str, most: f32| {
            let values = state.take_array::<f32>(name)?;
            check_shares(name, &values, geometry.units(), most).map(|()| values)
        };
        let (active, overlap) = (shares("activeduty", 1.0)?, shares("overlapduty", 1.0)?);
        let (least, boost) = (shares("leastduty", 1.0)?, shares("boost", f32::MAX / 65_536.0)?);
        let period = settings.duty_cycle_period;
        Ok(Self {
            synapses: AllSynapses::from_values(&geometry, &settings, &permanences)?,
            inhibition: Inhibition::new(&settings, &geometry, state.take("inhibition_radius")?),
            active_duty: DutyCycle::from_parts(active, period, state.take("samples")?)?,
            overlap_duty: overlap,
            least_overlap_duty: least,
            boost,
            steps: state.take("steps")?,
            workspace: Workspace::default(),
            settings,
            geometry,
        })
    }

    /// The settings that the pooler was made with.
    pub fn settings(&self) -> &SpatialPoolerSettings {
        &self.settings
    }

    /// The axes of the inputs, as they were asked for or found.
    pub fn input_dimensions(&self) -> Dimensions {
        Dimensions::new(&self.geometry.inputs)
    }

    /// The permanences of one unit, `(input_width,)`; 0 outside of its pool.
    ///
    /// # Panics
    /// If there is no such unit.
    pub fn permanences(&self, unit: usize) -> Vec<f32> {
        self.check_unit(unit);
        let mut permanences = vec![0.0; self.geometry.width()];
        for (input, permanence) in self.synapses.of_column(unit) {
            permanences[input] = f32::from(permanence) / f32::from(FULL);
        }
        permanences
    }

    /// The inputs in the pool of one unit, increasing.
    ///
    /// # Panics
    /// If there is no such unit.
    pub fn pool(&self, unit: usize) -> Vec<u32> {
        self.check_unit(unit);
        self.synapses.of_column(unit).map(|(input, _)| input as u32).collect()
    }

    /// The inputs that one unit is connected to, increasing.
    ///
    /// # Panics
    /// If there is no such unit.
    pub fn connected(&self, unit: usize) -> Vec<u32> {
        self.check_unit(unit);
        self.synapses.connected(unit).map(|input| input as u32).collect()
    }

    /// Share of the last samples that each unit won while learning, `(n,)`.
    pub fn active_duty_cycle(&self) -> &[f32] {
        self.active_duty.values()
    }

    /// Share of the last samples in which each unit saw any connected input on, `(n,)`.
    pub fn overlap_duty_cycle(&self) -> &[f32] {
        &self.overlap_duty
    }

    /// How far neighbourhoods reach; the largest column axis if inhibition is global.
    pub fn inhibition_radius(&self) -> usize {
        self.inhibition.radius()
    }

    /// How many connected inputs of each unit are on, for each of `codes`: `(len, n)`.
    ///
    /// # Errors
    /// If the codes have other units than the pooler has inputs.
    pub fn overlaps(&self, codes: &SdrBatch) -> Result<Vec<u16>> {
        self.check_codes(codes)?;
        let (mut inputs, mut padded) = (WordRows::default(), Vec::new());
        self.load_codes(codes, 0..codes.len(), &mut inputs);
        self.synapses.overlaps(&inputs, &mut padded);
        let rows = padded.chunks_exact(self.synapses.padded_columns());
        Ok(rows.flat_map(|row| &row[..self.geometry.units()]).copied().collect())
    }

    /// Encodes `codes`, whose units are this pooler's inputs.
    ///
    /// # Errors
    /// If the codes have other units than the pooler has inputs.
    pub fn encode_codes(&self, codes: &SdrBatch) -> Result<SdrBatch> {
        self.check_codes(codes)?;
        let mut encoded = SdrBatch::new(self.units())?;
        self.encode_all(codes.len(), &mut encoded, |rows, inputs| {
            self.load_codes(codes, rows, inputs);
        })?;
        Ok(encoded)
    }

    fn check_unit(&self, unit: usize) {
        assert!(unit < self.geometry.units(), "unit {unit} of {}", self.geometry.units());
    }

    fn check_codes(&self, codes: &SdrBatch) -> Result<()> {
        if codes.units() == self.geometry.width() {
            return Ok(());
        }
        let expected = format!("{} units, one an input", self.geometry.width());
        Err(Error::shape("codes to pool", expected, codes.units()))
    }

    /// Makes bits of `rows`.
    fn load_rows(&self, rows: Rows<'_>, inputs: &mut WordRows) {
        inputs.clear(self.geometry.width());
        for row in &rows {
            let limit = match self.settings.binarise {
                Binarise::Threshold => self.settings.threshold.next_up(),
                Binarise::AboveMean => mean(row),
            };
            inputs.push(|words| (table().bits_at_least)(row, limit, words));
        }
    }

    fn load_codes(&self, codes: &SdrBatch, rows: Range<usize>, inputs: &mut WordRows) {
        inputs.clear(self.geometry.width());
        for row in rows {
            inputs.push(|words| {
                for &input in codes.get(row).indices() {
                    words[input as usize / WORD_INPUTS] |= 1 << (input as usize % WORD_INPUTS);
                }
            });
        }
    }

    /// The boost factors that rank, if any do.
    fn boost(&self, learning: bool) -> Option<&[f32]> {
        let ranks = learning || self.settings.boost_when_encoding;
        (ranks && self.settings.boost_strength > 0.0).then_some(&self.boost[..])
    }

    /// Encodes `len` rows, which `load` makes bits of, and appends their codes.
    fn encode_all(
        &self,
        len: usize,
        codes: &mut SdrBatch,
        load: impl Fn(Range<usize>, &mut WordRows) + Sync,
    ) -> Result<()> {
        let tasks: Vec<usize> = (0..len).step_by(ROWS_A_TASK).collect();
        let encoded: Vec<SdrBatch> = tasks
            .par_iter()
            .map(|start| self.encode_task(*start..(start + ROWS_A_TASK).min(len), &load))
            .collect::<Result<_>>()?;
        encoded.iter().try_for_each(|encoded| codes.append(encoded))
    }

    fn encode_task(
        &self,
        rows: Range<usize>,
        load: impl Fn(Range<usize>, &mut WordRows),
    ) -> Result<SdrBatch> {
        let (mut inputs, mut overlaps) = (WordRows::default(), Vec::new());
        let (mut scratch, mut winners) = (PickScratch::default(), Vec::new());
        let (units, end) = (self.geometry.units(), rows.end);
        let mut codes = SdrBatch::new(units)?;
        for start in rows.step_by(ROWS_A_PASS) {
            load(start..(start + ROWS_A_PASS).min(end), &mut inputs);
            self.synapses.overlaps(&inputs, &mut overlaps);
            for overlaps in overlaps.chunks_exact(self.synapses.padded_columns()) {
                self.inhibition.pick(
                    &overlaps[..units],
                    self.boost(false),
                    &mut scratch,
                    &mut winners,
                );
                codes.push(&winners)?;
            }
        }
        Ok(codes)
    }
}

impl Encoder for SpatialPooler {
    fn input_width(&self) -> usize {
        self.geometry.width()
    }

    fn units(&self) -> usize {
        self.geometry.units()
    }

    /// `k`; where codes need not be exact, what they have if no neighbourhood is short of winners.
    fn winners(&self) -> usize {
        self.inhibition.winners()
    }

    fn encode_into(&self, rows: Rows<'_>, codes: &mut SdrBatch) -> Result<()> {
        rows.check_width("inputs to encode", self.geometry.width())?;
        rows.check_finite("inputs to encode")?;
        if codes.units() != self.units() {
            let expected = format!("a batch of {} units", self.units());
            return Err(Error::shape("codes to append to", expected, codes.units()));
        }
        self.encode_all(rows.len(), codes, |range, inputs| {
            self.load_rows(rows.slice(range), inputs);
        })
    }
}

impl Kind for SpatialPooler {
    fn learner(&mut self) -> Option<&mut dyn Learner> {
        self.settings.learn.then_some(self as &mut dyn Learner)
    }

    fn setting_list(&self) -> Vec<(&'static str, String)> {
        self.settings.list()
    }

    fn schedule(&self) -> Schedule {
        let epochs = if self.settings.learn { self.settings.epochs } else { 0 };
        Schedule {
            epochs,
            batch: SAMPLES_A_STEP,
            steps: None,
            seed: self.settings.seed,
            balanced: false,
        }
    }

    /// Permanences.
    fn filter(&self, unit: usize) -> Vec<f32> {
        self.permanences(unit)
    }

    fn state(&self) -> State {
        let axes: Vec<u32> = self.geometry.inputs.iter().map(|axis| *axis as u32).collect();
        let mut state = State::default();
        state.push("inhibition_radius", self.inhibition.radius());
        state.push("samples", self.active_duty.samples());
        state.push("steps", self.steps);
        state.push_array("axes", &axes);
        state.push_array("permanences", &self.synapses.to_values());
        state.push_array("activeduty", self.active_duty.values());
        state.push_array("overlapduty", &self.overlap_duty);
        state.push_array("leastduty", &self.least_overlap_duty);
        state.push_array("boost", &self.boost);
        state
    }
}

/// Refuses arrays that a file should not hold.
fn check_shares(name: &str, values: &[f32], units: usize, most: f32) -> Result<()> {
    if values.len() != units {
        return Err(Error::shape(name, units, values.len()));
    }
    match values.iter().find(|value| !(0.0..=most).contains(*value)) {
        None => Ok(()),
        Some(value) => Err(Error::shape(name, format!("values from 0 to {most}"), value)),
    }
}

/// The mean of a row, summed in sixteen lanes.
fn mean(row: &[f32]) -> f32 {
    let (vectors, rest) = row.as_chunks::<16>();
    let mut sums = [0.0f32; 16];
    for vector in vectors {
        for (sum, value) in sums.iter_mut().zip(vector) {
            *sum += value;
        }
    }
    (sums.iter().sum::<f32>() + rest.iter().sum::<f32>()) / row.len() as f32
}
