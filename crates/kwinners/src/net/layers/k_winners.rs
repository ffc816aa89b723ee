//! k-winners as a layer: hard with a duty cycle and boosting, and soft.

use rayon::prelude::*;

use super::{Flow, Pass, Scratch};
use crate::error::{Error, Result};
use crate::kernel::{self, SelectScratch};
use crate::kwta::DutyCycle;
use crate::net::{KWinnersSpec, MapShape, Signal};

/// Passes the values of the winners; ranks by `x · e^(β (k/n - d))` with `d` the duty cycle of the value's
/// map.
///
/// Source: Ahmad and Scheinkman, "How Can We Be So Dense?", 2019, equations 3 to 6.
#[derive(Clone, Debug)]
pub(crate) struct KWinnersLayer {
    pub(crate) shape: MapShape,
    pub(crate) spec: KWinnersSpec,
    /// One a map.
    pub(crate) duty: DutyCycle,
    /// `β`.
    boost: f32,
    /// What the values of each map are multiplied by to rank them, while learning and after.
    factors: [Vec<f32>; 2],
}

impl KWinnersLayer {
    pub(crate) fn new(
        shape: MapShape,
        spec: KWinnersSpec,
        (boost, period): (f32, u64),
    ) -> Result<Self> {
        let duty = DutyCycle::new(shape.channels, period)?;
        let mut layer = Self { shape, spec, duty, boost, factors: Default::default() };
        layer.refresh();
        Ok(layer)
    }

    #[cfg(test)]
    pub(crate) fn boost(&self) -> f32 {
        self.boost
    }

    /// Boosts by another strength.
    pub(crate) fn set_boost(&mut self, boost: f32) {
        if self.boost.to_bits() != boost.to_bits() {
            self.boost = boost;
            self.refresh();
        }
    }

    /// Lets the factors follow duty cycle and strength.
    fn refresh(&mut self) {
        for training in [true, false] {
            let (among, winners) = self.contest(training);
            let target = winners as f32 / among as f32;
            let factor = |duty: &f32| (self.boost * (target - duty)).exp();
            self.factors[usize::from(training)] = self.duty.values().iter().map(factor).collect();
        }
    }

    /// Values that compete, of which this many win.
    fn contest(&self, training: bool) -> (usize, usize) {
        let among = if self.spec.local { self.shape.channels } else { self.shape.size() };
        let winners = if training { self.spec.winners } else { self.spec.inference };
        (among, winners.min(among))
    }

    /// Winners of a code: those of inference, over all places.
    pub(crate) fn code_winners(&self) -> usize {
        let (among, winners) = self.contest(false);
        winners * (self.shape.size() / among)
    }

    /// The values as they are ranked.
    fn rank(&self, values: &[f32], factors: &[f32], ranked: &mut Vec<f32>) {
        ranked.clear();
        for values in values.chunks_exact(self.shape.channels) {
            ranked.extend(values.iter().zip(factors).map(|(value, factor)| value * factor));
        }
    }

    /// Writes exactly `winners` places of each contest of a sample to `places`, increasing.
    fn pick(
        &self,
        values: &[f32],
        training: bool,
        ranked: &mut Vec<f32>,
        (select, places): (&mut SelectScratch, &mut Vec<u32>),
    ) {
        let (among, winners) = self.contest(training);
        self.rank(values, &self.factors[usize::from(training)], ranked);
        // Values of a network whose learning went astray; the loss will say so.
        ranked.iter_mut().filter(|value| value.is_nan()).for_each(|value| *value = 0.0);
        places.clear();
        places.resize(winners * (values.len() / among), 0);
        let contests = ranked.chunks_exact(among).zip(places.chunks_exact_mut(winners));
        for (number, (ranked, slots)) in contests.enumerate() {
            (kernel::table().select)(ranked, select, slots).expect("NaN was cleared");
            slots.iter_mut().for_each(|place| *place += (number * among) as u32);
        }
    }

    /// The winners of a code for one sample, `(code_winners,)`.
    pub(crate) fn code_of(&self, values: &[f32], scratch: &mut Scratch, code: &mut Vec<u32>) {
        let Scratch { values: ranked, select, .. } = scratch;
        self.pick(values, false, ranked, (select, code));
    }

    pub(crate) fn forward(
        &self,
        input: &Signal,
        output: &mut Signal,
        pass: &Pass,
        scratch: &mut Scratch,
    ) {
        let (samples, size) = (input.len(), self.shape.size());
        let (among, winners) = self.contest(pass.training);
        let (values, listed) = output.clear_listed(samples, size);
        for (sample, out) in values.chunks_exact_mut(size).enumerate() {
            let values = input.sample(sample);
            let Scratch { values: ranked, select, places, .. } = scratch;
            if winners == among {
                places.clear();
                places.extend(0..size as u32);
            } else {
                self.pick(values, pass.training, ranked, (select, places));
                if self.spec.ties {
                    self.add_ties((ranked, among), places);
                }
            }
            if self.spec.relu || winners == among {
                places.retain(|&place| values[place as usize] > 0.0);
            }
            places.iter().for_each(|&place| out[place as usize] = values[place as usize]);
            listed.push(places.iter().copied());
        }
        if self.spec.straight {
            output.active = None;
        }
    }

    /// Adds what equals the last winner of its contest.
    fn add_ties(&self, (ranked, among): (&[f32], usize), places: &mut Vec<u32>) {
        let winners = places.len() / (ranked.len() / among);
        let last = |places: &[u32]| {
            places.iter().map(|&place| ranked[place as usize]).fold(f32::INFINITY, f32::min)
        };
        let limits: Vec<f32> = places.chunks_exact(winners).map(last).collect();
        places.clear();
        let reaches = |place: &u32| ranked[*place as usize] >= limits[*place as usize / among];
        places.extend((0..ranked.len() as u32).filter(reaches));
    }

    pub(crate) fn backward(&self, flow: Flow<'_>, input_slopes: &mut Signal) {
        let Some(active) = &flow.output.active else {
            input_slopes.resize(flow.slopes.len(), self.shape.size());
            input_slopes.values.copy_from_slice(&flow.slopes.values);
            return;
        };
        let size = self.shape.size();
        let (values, listed) = input_slopes.clear_listed(flow.slopes.len(), size);
        listed.copy_from(active);
        for (sample, to) in values.chunks_exact_mut(size).enumerate() {
            let slopes = flow.slopes.sample(sample);
            active.of(sample).iter().for_each(|&place| to[place as usize] = slopes[place as usize]);
        }
    }

    /// Takes the winners above zero into the duty cycle.
    pub(crate) fn observe(&mut self, flows: &[Flow<'_>]) {
        let maps = self.shape.channels as u32;
        let count = |flow: &Flow<'_>| {
            let mut counts = vec![0u32; self.shape.channels];
            for sample in 0..flow.output.len() {
                let values = flow.output.sample(sample);
                let mut count = |place: u32| {
                    counts[(place % maps) as usize] += u32::from(values[place as usize] > 0.0);
                };
                match flow.output.active_of(sample) {
                    Some(active) => active.iter().for_each(|&place| count(place)),
                    None => (0..values.len() as u32).for_each(count),
                }
            }
            counts
        };
        let blocks: Vec<Vec<u32>> = flows.par_iter().map(count).collect();
        let mut counts = vec![0u32; self.shape.channels];
        for block in &blocks {
            counts.iter_mut().zip(block).for_each(|(sum, count)| *sum += count);
        }
        let samples = flows.iter().map(|flow| flow.output.len()).sum();
        self.duty.update_counts(samples, &counts, self.shape.places());
        self.refresh();
    }

    /// Mean entropy of the duty cycles in bits, times the values of a map, and the most that it could be:
    /// `Σ H(d) · n / maps` and `n · H(k/n)`.
    pub(crate) fn entropy(&self) -> (f64, f64) {
        let bits = |p: f64| {
            let part = |p: f64| if p > 0.0 { -p * p.log2() } else { 0.0 };
            part(p) + part(1.0 - p)
        };
        let (among, winners) = self.contest(true);
        let each = self.duty.values().iter().map(|duty| bits(f64::from(*duty))).sum::<f64>();
        let most = self.shape.size() as f64 * bits(winners as f64 / among as f64);
        (each * self.shape.places() as f64, most)
    }

    /// Takes a saved duty cycle.
    pub(crate) fn restore(&mut self, values: Vec<f32>, samples: u64) -> Result<()> {
        if values.len() != self.shape.channels {
            return Err(Error::shape("duty cycle", self.shape.channels, values.len()));
        }
        self.duty = DutyCycle::from_parts(values, self.duty.period(), samples)?;
        self.refresh();
        Ok(())
    }
}

/// `x · s(x)` with `s = 1 / (1 + e^(-H (x - t)))`, `t` half way between the `k`-th and the next value; the
/// gradient takes `t` as given.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SoftKWinners {
    pub(crate) winners: usize,
    pub(crate) hardness: f32,
}

impl SoftKWinners {
    /// The steps `s` of one sample.
    fn steps(self, values: &[f32], scratch: &mut Scratch, steps: &mut Vec<f32>) {
        scratch.values.clear();
        scratch.values.extend_from_slice(values);
        scratch.values.iter_mut().filter(|value| value.is_nan()).for_each(|value| *value = 0.0);
        let below = self.winners;
        let order = |a: &f32, b: &f32| b.total_cmp(a);
        let (above, next, _) = scratch.values.select_nth_unstable_by(below, order);
        let last = above.iter().copied().fold(f32::INFINITY, f32::min);
        let threshold = 0.5 * (last + *next);
        steps.clear();
        steps.extend(values.iter().map(|value| self.hardness * (value - threshold)));
        (kernel::table().sigmoid)(steps);
    }

    pub(crate) fn forward(self, input: &Signal, output: &mut Signal, scratch: &mut Scratch) {
        output.resize(input.len(), input.size);
        let mut steps = Vec::new();
        for sample in 0..input.len() {
            self.steps(input.sample(sample), scratch, &mut steps);
            let values = input.sample(sample).iter().zip(&steps);
            let out = output.sample_mut(sample).iter_mut();
            out.zip(values).for_each(|(out, (value, step))| *out = value * step);
        }
    }

    pub(crate) fn backward(self, flow: Flow<'_>, input_slopes: &mut Signal, scratch: &mut Scratch) {
        input_slopes.resize(flow.input.len(), flow.input.size);
        let mut steps = Vec::new();
        for sample in 0..flow.input.len() {
            self.steps(flow.input.sample(sample), scratch, &mut steps);
            let values = flow.input.sample(sample).iter().zip(&steps);
            let slopes = flow.slopes.sample(sample).iter().zip(values);
            for (to, (slope, (value, s))) in input_slopes.sample_mut(sample).iter_mut().zip(slopes)
            {
                *to = slope * (s + value * self.hardness * s * (1.0 - s));
            }
        }
    }
}
