//! One sample after the other: winners learn, duty cycles move, weak columns are bumped.

use super::super::{Learner, Step};
use super::inhibition::{self, Inhibition, PickScratch};
use super::settings::BoostRule;
use super::{SpatialPooler, boost};
use crate::error::{Error, Result};
use crate::kernel::pools::WordRows;
use crate::rows::Rows;
use crate::sdr::SdrBatch;

/// Samples after which the radius of inhibition and the least duty cycles are found anew.
const UPDATE_PERIOD: u64 = 50;
/// A column that has won nothing in so many duty cycle periods counts as dead.
const DEAD_PERIODS: f32 = 3.0;

/// Buffers kept between samples; nothing of them outlives one.
#[derive(Debug, Default)]
pub(super) struct Workspace {
    inputs: WordRows,
    overlaps: Vec<u16>,
    winners: Vec<u32>,
    scratch: PickScratch,
}

impl Clone for Workspace {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl Learner for SpatialPooler {
    /// Learns from one row after the other. The loss is the share of a row's active inputs that a
    /// winner is not connected to, its mean over rows and winners.
    ///
    /// # Errors
    /// Also [`Error::Unsupported`] if learning is off.
    fn learn(&mut self, rows: Rows<'_>, _labels: Option<&[u32]>) -> Result<Step> {
        rows.check_width("training inputs", self.geometry.width())?;
        rows.check_finite("training inputs")?;
        self.learn_all(rows.len(), |pooler, row, inputs| {
            pooler.load_rows(rows.slice(row..row + 1), inputs);
        })
    }
}

impl SpatialPooler {
    /// Learns from one code after the other, as [`Learner::learn`] does from rows.
    ///
    /// # Errors
    /// If the codes have other units than the pooler has inputs, or learning is off.
    pub fn learn_codes(&mut self, codes: &SdrBatch) -> Result<Step> {
        self.check_codes(codes)?;
        self.learn_all(codes.len(), |pooler, row, inputs| {
            pooler.load_codes(codes, row..row + 1, inputs);
        })
    }

    /// Learns from `samples` rows, of which `load` makes bits of one.
    fn learn_all(
        &mut self,
        samples: usize,
        load: impl Fn(&Self, usize, &mut WordRows),
    ) -> Result<Step> {
        if !self.settings.learn {
            let reason = "this pooler does not learn: its setting `learn` is false";
            return Err(Error::Unsupported(reason.to_owned()));
        }
        let mut work = std::mem::take(&mut self.workspace);
        let mut missed = 0.0;
        for row in 0..samples {
            load(self, row, &mut work.inputs);
            missed += self.learn_one(&mut work);
        }
        self.workspace = work;
        self.steps += 1;
        let forgotten = (-DEAD_PERIODS).exp() / self.settings.duty_cycle_period as f32;
        let dead = self.active_duty.values().iter().filter(|duty| **duty < forgotten).count();
        Ok(Step {
            step: self.steps,
            samples: self.active_duty.samples(),
            loss: missed / samples.max(1) as f64,
            dead_units: Some(dead),
            ..Step::default()
        })
    }

    /// Learns from the one row that is loaded; returns the share of its active inputs that winners
    /// miss.
    fn learn_one(&mut self, work: &mut Workspace) -> f64 {
        let Workspace { inputs, overlaps, winners, scratch } = work;
        self.synapses.overlaps(inputs, overlaps);
        let overlaps = &overlaps[..self.geometry.units()];
        self.inhibition.pick(overlaps, self.boost(true), scratch, winners);
        let least = match self.settings.exactly_k {
            true => self.settings.stimulus_threshold,
            false => 0,
        };
        let learning = winners.iter().copied();
        let learning = learning.filter(|column| usize::from(overlaps[*column as usize]) >= least);
        self.synapses.learn(learning, inputs.words(0));
        self.update_duty_cycles(overlaps, winners);
        self.bump_weak_columns();
        self.update_boost();
        if self.active_duty.samples().is_multiple_of(UPDATE_PERIOD) {
            self.update_neighbourhoods();
        }
        let active: u32 = inputs.words(0).iter().map(|word| word.count_ones()).sum();
        let seen: u64 = winners.iter().map(|column| u64::from(overlaps[*column as usize])).sum();
        1.0 - seen as f64 / (u64::from(active) * winners.len() as u64).max(1) as f64
    }

    /// `duty ← ((P - 1) · duty + v) / P` with `P = min(period, samples)`; `v` is whether a column won,
    /// or whether it saw any input.
    fn update_duty_cycles(&mut self, overlaps: &[u16], winners: &[u32]) {
        self.active_duty.update(1, winners);
        let period = self.active_duty.samples().min(self.settings.duty_cycle_period) as f32;
        let (keep, share) = ((period - 1.0) / period, 1.0 / period);
        for (duty, overlap) in self.overlap_duty.iter_mut().zip(overlaps) {
            *duty = (*duty * keep + if *overlap > 0 { share } else { 0.0 }).min(1.0);
        }
    }

    fn bump_weak_columns(&mut self) {
        let (duties, least) = (self.overlap_duty.chunks(64), self.least_overlap_duty.chunks(64));
        for (chunk, (duties, least)) in duties.zip(least).enumerate() {
            // Weak columns are rare: whole chunks without a branch first.
            let weak = |(duty, least): (&f32, &f32)| duty < least;
            if duties.iter().zip(least).fold(false, |any, pair| any | weak(pair)) {
                for (place, pair) in duties.iter().zip(least).enumerate() {
                    if weak(pair) {
                        self.synapses.bump(chunk * 64 + place);
                    }
                }
            }
        }
    }

    fn update_boost(&mut self) {
        let strength = self.settings.boost_strength;
        if strength == 0.0 {
            return;
        }
        let target = self.inhibition.target(self.geometry.units());
        let duties = self.active_duty.values();
        match self.settings.boost_rule {
            BoostRule::Logarithmic => boost::logarithmic(target, duties, &mut self.boost),
            BoostRule::Exponential if self.inhibition.is_local() => {
                let radius = self.inhibition.radius();
                let targets = inhibition::local_means(&self.geometry, radius, duties);
                boost::exponential(strength, &targets, duties, &mut self.boost);
            }
            BoostRule::Exponential => {
                boost::exponential(strength, &[target], duties, &mut self.boost);
            }
        }
    }

    /// Radius of inhibition, and least overlap duty cycles: a share of the largest of all columns, or
    /// of the neighbourhood.
    fn update_neighbourhoods(&mut self) {
        let radius = inhibition::radius(&self.settings, &self.geometry, &self.synapses);
        if radius != self.inhibition.radius() {
            self.inhibition = Inhibition::new(&self.settings, &self.geometry, radius);
        }
        let share = self.settings.min_pct_overlap_duty_cycle;
        if self.inhibition.is_local() {
            self.least_overlap_duty =
                inhibition::local_maxima(&self.geometry, radius, &self.overlap_duty);
            self.least_overlap_duty.iter_mut().for_each(|duty| *duty *= share);
        } else {
            let largest = self.overlap_duty.iter().fold(0.0f32, |a, b| a.max(*b));
            self.least_overlap_duty.fill(share * largest);
        }
    }
}
