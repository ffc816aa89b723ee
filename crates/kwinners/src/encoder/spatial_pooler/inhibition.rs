//! Which columns win: all against all, or within neighbourhoods.

use super::geometry::{Geometry, Span};
use super::settings::SpatialPoolerSettings;
use super::synapses::AllSynapses;
use crate::kernel::pools::{LocalScratch, Neighbourhoods};
use crate::kernel::{SelectScratch, table};

/// How columns compete.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Inhibition {
    radius: usize,
    /// `None` where every column competes with all others.
    grid: Option<Neighbourhoods>,
    density: f32,
    /// `k`.
    winners: usize,
    /// The least score that wins, where codes need not be exact.
    least: f32,
    exactly_k: bool,
}

/// Buffers of [`Inhibition::pick`], kept between calls.
#[derive(Debug, Default)]
pub(super) struct PickScratch {
    scores: Vec<f32>,
    some: Vec<f32>,
    places: Vec<u32>,
    select: SelectScratch,
    local: LocalScratch,
}

impl Inhibition {
    /// Inhibition within `radius`, which means nothing if it is global.
    ///
    /// The density is `local_area_density`, or the number of winners a neighbourhood over its size;
    /// at most a half. `k` is `⌊density · columns⌋` if inhibition is global, else rounded, and at
    /// least 1.
    pub(super) fn new(
        settings: &SpatialPoolerSettings,
        geometry: &Geometry,
        radius: usize,
    ) -> Self {
        let global = settings.global_inhibition;
        let counted = settings.num_active_columns_per_inh_area;
        let units = geometry.units();
        let area = if global { units } else { geometry.area(radius) };
        let density = match counted {
            0 => settings.local_area_density,
            counted => (counted as f32 / area as f32).min(0.5),
        };
        let winners = match (global, counted) {
            (true, 0) => (density * units as f32) as usize,
            (true, counted) => counted.min(units / 2),
            (false, _) => (0.5 + density * units as f32) as usize,
        };
        let alone = global || geometry.is_one_neighbourhood(radius);
        Self {
            radius,
            grid: (!alone).then(|| geometry.neighbourhoods(radius)),
            density,
            winners: winners.clamp(1, units),
            least: settings.stimulus_threshold as f32,
            exactly_k: settings.exactly_k,
        }
    }

    pub(super) fn radius(&self) -> usize {
        self.radius
    }

    /// `k`.
    pub(super) fn winners(&self) -> usize {
        self.winners
    }

    /// `k / n`, which duty cycles aim at.
    pub(super) fn target(&self, units: usize) -> f32 {
        self.winners as f32 / units as f32
    }

    /// Whether columns compete in neighbourhoods smaller than the grid.
    pub(super) fn is_local(&self) -> bool {
        self.grid.is_some()
    }

    /// Writes the columns that win, increasing; scores are `overlap`, or `overlap · boost`.
    pub(super) fn pick(
        &self,
        overlaps: &[u16],
        boost: Option<&[f32]>,
        scratch: &mut PickScratch,
        winners: &mut Vec<u32>,
    ) {
        winners.clear();
        if boost.is_none() && self.grid.is_none() {
            winners.resize(self.winners, 0);
            (table().select_counts)(overlaps, winners);
            if !self.exactly_k {
                winners.retain(|column| f32::from(overlaps[*column as usize]) >= self.least);
            }
            return;
        }
        scratch.scores.clear();
        match boost {
            None => scratch.scores.extend(overlaps.iter().map(|overlap| f32::from(*overlap))),
            Some(boost) => {
                let pairs = overlaps.iter().zip(boost);
                scratch.scores.extend(pairs.map(|(overlap, boost)| f32::from(*overlap) * boost));
            }
        }
        match &self.grid {
            None => {
                winners.resize(self.winners, 0);
                select(&scratch.scores, &mut scratch.select, winners);
                if !self.exactly_k {
                    winners.retain(|column| scratch.scores[*column as usize] >= self.least);
                }
            }
            Some(grid) => {
                let bounds = (self.density, self.least);
                let PickScratch { scores, local, .. } = scratch;
                (table().local_winners)(scores, grid, bounds, local, winners);
                if self.exactly_k {
                    self.make_exact(scratch, winners);
                }
            }
        }
    }

    /// Makes `k` of the local winners: the best of them by score if they are more; if they are
    /// fewer, the best of all others are added. Ties go to the lower index.
    fn make_exact(&self, scratch: &mut PickScratch, winners: &mut Vec<u32>) {
        let PickScratch { scores, some, places, select: buffers, .. } = scratch;
        let k = self.winners;
        if winners.len() > k {
            some.clear();
            some.extend(winners.iter().map(|column| scores[*column as usize]));
            places.resize(k, 0);
            select(some, buffers, places);
            // Places increase, so none is read after it was written.
            for (slot, place) in places.iter().enumerate() {
                winners[slot] = winners[*place as usize];
            }
            winners.truncate(k);
        } else if winners.len() < k {
            for winner in winners.iter() {
                scores[*winner as usize] = f32::NEG_INFINITY;
            }
            places.resize(k - winners.len(), 0);
            select(scores, buffers, places);
            winners.append(places);
            winners.sort_unstable();
        }
    }
}

fn select(scores: &[f32], scratch: &mut SelectScratch, out: &mut [u32]) {
    (table().select)(scores, scratch, out).expect("an overlap times a finite boost is a number");
}

/// The radius of inhibition: the largest column axis if it is global, else
/// `max(1, round((span · columns an input - 1) / 2))`, with the mean over the columns of what their
/// connected inputs span along an axis, and the mean over the axes of columns an input.
pub(super) fn radius(
    settings: &SpatialPoolerSettings,
    geometry: &Geometry,
    synapses: &AllSynapses,
) -> usize {
    if settings.global_inhibition {
        return geometry.columns.iter().copied().max().unwrap_or(1);
    }
    let axes = geometry.columns.len() as f64;
    let ratios = geometry.columns.iter().zip(&geometry.inputs);
    let columns_an_input: f64 = ratios.map(|(c, i)| *c as f64 / *i as f64).sum::<f64>() / axes;
    let places = input_places(geometry);
    let spans = (0..geometry.units()).map(|column| span(synapses, column, &places) as f64);
    let span = spans.sum::<f64>() / axes / geometry.units() as f64;
    (((span * columns_an_input - 1.0) / 2.0).max(1.0) + 0.5) as usize
}

/// Where each input lies on each axis.
fn input_places(geometry: &Geometry) -> Vec<Vec<u16>> {
    let mut inner = geometry.width();
    let axes = geometry.inputs.iter().map(|axis| {
        inner /= axis;
        (0..geometry.width()).map(|input| (input / inner % axis) as u16).collect()
    });
    axes.collect()
}

/// `last - first + 1` of the connected inputs of a column, summed over the axes; 0 if there is none.
fn span(synapses: &AllSynapses, column: usize, places: &[Vec<u16>]) -> usize {
    let mut bounds = vec![(u16::MAX, 0u16); places.len()];
    for input in synapses.connected(column) {
        for (bound, places) in bounds.iter_mut().zip(places) {
            let place = places[input];
            *bound = (bound.0.min(place), bound.1.max(place));
        }
    }
    let length = |(first, last): &(u16, u16)| usize::from(last + 1).saturating_sub((*first).into());
    bounds.iter().map(length).sum()
}

/// The mean of `values` over the neighbourhood of each column.
pub(super) fn local_means(geometry: &Geometry, radius: usize, values: &[f32]) -> Vec<f32> {
    let mut means = values.to_vec();
    let mut prefix = Vec::new();
    along_axes(geometry, radius, |spans, inner| {
        for block in means.chunks_exact_mut(spans.len() * inner) {
            prefix.clear();
            prefix.resize(inner, 0.0);
            for place in 0..block.len() {
                prefix.push(prefix[place] + block[place]);
            }
            for (span, out) in spans.iter().zip(block.chunks_exact_mut(inner)) {
                let share = 1.0 / span.len() as f32;
                let [first, second] = &span.ranges;
                for (lane, out) in out.iter_mut().enumerate() {
                    let at = |place: usize| prefix[place * inner + lane];
                    let sum = at(first.end) - at(first.start) + (at(second.end) - at(second.start));
                    *out = sum * share;
                }
            }
        }
    });
    means
}

/// The largest of `values` in the neighbourhood of each column.
pub(super) fn local_maxima(geometry: &Geometry, radius: usize, values: &[f32]) -> Vec<f32> {
    let mut maxima = values.to_vec();
    let mut before = Vec::new();
    along_axes(geometry, radius, |spans, inner| {
        for block in maxima.chunks_exact_mut(spans.len() * inner) {
            before.clear();
            before.extend_from_slice(block);
            for (span, out) in spans.iter().zip(block.chunks_exact_mut(inner)) {
                for place in span.ranges.iter().cloned().flatten() {
                    let other = &before[place * inner..][..inner];
                    for (out, other) in out.iter_mut().zip(other) {
                        *out = out.max(*other);
                    }
                }
            }
        }
    });
    maxima
}

/// Calls `work` for each axis, with the spans along it and the number of columns that lie between
/// neighbours on it.
fn along_axes(geometry: &Geometry, radius: usize, mut work: impl FnMut(&[Span], usize)) {
    let mut inner = geometry.units();
    for (axis, length) in geometry.columns.iter().enumerate() {
        inner /= length;
        work(&geometry.axis_spans(axis, radius), inner);
    }
}
