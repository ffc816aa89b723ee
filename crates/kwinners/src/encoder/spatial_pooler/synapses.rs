//! Pools and permanences of all columns, and the connected bits that follow from them.

use std::ops::Range;

use rayon::prelude::*;

use super::geometry::Geometry;
use super::settings::{SpatialPoolerSettings, permanence};
use crate::error::{Error, Result};
use crate::kernel::pools::{
    Adaptation, FULL, Lanes, OUTSIDE, Synapses, TILE_COLUMNS, WORD_INPUTS, WordRows,
};
use crate::kernel::table;
use crate::rng::Rng;

/// Sets the streams of pools apart from those of the order of samples.
const POOL_STREAMS: u64 = 0x706F_6F6C_7320_6F66;

/// The synapses of all columns. A tile has only the words of the inputs that the pools of its
/// columns can reach.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct AllSynapses {
    rule: Rule,
    tiles: Vec<Tile>,
    /// Enough words with all bits on.
    all_on: Vec<u16>,
}

/// What learning does, in parts of [`FULL`].
#[derive(Clone, Copy, Debug, PartialEq)]
struct Rule {
    adaptation: Adaptation,
    /// What a column that is too weak gets on its whole pool.
    bump: u16,
    /// Connected synapses that a column is to have at least.
    fewest_connected: u32,
}

#[derive(Clone, Debug, PartialEq)]
struct Tile {
    /// First word of the inputs.
    first: usize,
    /// Always those with a permanence of at least `connected`; one for each word.
    connected: Vec<Lanes>,
    /// Column after column, one for each word.
    permanences: Vec<Synapses>,
}

/// Which words of the inputs the pools of `columns` can reach: the first one, and how many.
fn words_of(geometry: &Geometry, radius: usize, columns: Range<usize>) -> (usize, usize) {
    let (mut first, mut last) = (usize::MAX, 0);
    for column in columns {
        let (mut low, mut high) = (0, 0);
        for (span, axis) in geometry.pool_spans(column, radius).iter().zip(&geometry.inputs) {
            let (start, end) = span.bounds();
            (low, high) = (low * axis + start, high * axis + end - 1);
        }
        (first, last) = (first.min(low), last.max(high));
    }
    (first / WORD_INPUTS, last / WORD_INPUTS + 1 - first / WORD_INPUTS)
}

/// The columns of every tile.
fn tile_columns(units: usize) -> impl Iterator<Item = Range<usize>> {
    (0..units).step_by(TILE_COLUMNS).map(move |start| start..(start + TILE_COLUMNS).min(units))
}

impl Tile {
    /// All inputs outside of all pools.
    fn empty((first, words): (usize, usize)) -> Self {
        Self {
            first,
            connected: vec![Lanes::NONE; words],
            permanences: vec![Synapses::OUTSIDE; words * TILE_COLUMNS],
        }
    }

    fn words(&self) -> usize {
        self.connected.len()
    }

    fn column(&self, lane: usize) -> &[Synapses] {
        &self.permanences[lane * self.words()..][..self.words()]
    }

    /// Moves one column by `rule`; returns how many synapses are connected.
    fn adapt(&mut self, lane: usize, inputs: &[u16], rule: &Adaptation) -> u32 {
        let words = self.words();
        let column = &mut self.permanences[lane * words..][..words];
        (table().adapt)(column, &inputs[..words], rule, &mut self.connected, lane)
    }
}

impl AllSynapses {
    /// Pools of `round(potential_pct · reach)` inputs, drawn without replacement; half of the
    /// permanences uniform from `connected` to 1, half from 0 to `connected`; then raised until
    /// enough are connected. Each column draws from a stream of its own.
    pub(super) fn new(geometry: &Geometry, settings: &SpatialPoolerSettings) -> Self {
        let mut synapses = Self::empty(geometry, settings);
        let (radius, rule, all_on) = (radius_of(settings), synapses.rule, &synapses.all_on);
        let columns: Vec<Range<usize>> = tile_columns(geometry.units()).collect();
        synapses.tiles.par_iter_mut().zip(columns).for_each(|(tile, columns)| {
            for (lane, column) in columns.enumerate() {
                let mut rng = Rng::of_stream(settings.seed ^ POOL_STREAMS, column as u64);
                let mut reach = geometry.pool(column, radius);
                let pool = draw_pool(&mut reach, settings.potential_pct, &mut rng);
                let words = tile.words();
                let synapses = &mut tile.permanences[lane * words..][..words];
                for input in pool {
                    let input = *input as usize - tile.first * WORD_INPUTS;
                    let first = first_permanence(rule.adaptation.connected, &mut rng);
                    synapses[input / WORD_INPUTS].0[input % WORD_INPUTS] = first;
                }
                rule.raise(tile, lane, all_on);
            }
        });
        synapses
    }

    /// All inputs outside of all pools.
    fn empty(geometry: &Geometry, settings: &SpatialPoolerSettings) -> Self {
        let radius = radius_of(settings);
        let tiles: Vec<Tile> = tile_columns(geometry.units())
            .map(|columns| Tile::empty(words_of(geometry, radius, columns)))
            .collect();
        let longest = tiles.iter().map(Tile::words).max().unwrap_or(0);
        Self { rule: Rule::of(settings), tiles, all_on: vec![u16::MAX; longest] }
    }

    /// The synapses with permanences as [`AllSynapses::to_values`] gave them.
    pub(super) fn from_values(
        geometry: &Geometry,
        settings: &SpatialPoolerSettings,
        values: &[u16],
    ) -> Result<Self> {
        let words = tile_columns(geometry.units())
            .map(|columns| words_of(geometry, radius_of(settings), columns).1);
        let expected = words.sum::<usize>() * TILE_COLUMNS * WORD_INPUTS;
        if values.len() != expected {
            return Err(Error::shape("permanences", expected, values.len()));
        }
        let mut synapses = Self::empty(geometry, settings);
        let still = synapses.rule.still();
        let mut values = values.iter();
        for (tile, columns) in synapses.tiles.iter_mut().zip(tile_columns(geometry.units())) {
            let (words, first) = (tile.words(), tile.first * WORD_INPUTS);
            for (place, slots) in tile.permanences.iter_mut().enumerate() {
                let inputs = first + place % words * WORD_INPUTS;
                let known = place / words < columns.len();
                for ((bit, slot), value) in slots.0.iter_mut().enumerate().zip(&mut values) {
                    let inside = known && inputs + bit < geometry.width() && *value <= FULL;
                    *slot = if inside { *value } else { OUTSIDE };
                }
            }
            for lane in 0..columns.len() {
                tile.adapt(lane, &synapses.all_on, &still);
            }
        }
        Ok(synapses)
    }

    /// All permanences, tile after tile, column after column; [`OUTSIDE`] where there is none.
    pub(super) fn to_values(&self) -> Vec<u16> {
        let all = self.tiles.iter().flat_map(|tile| &tile.permanences);
        all.flat_map(|synapses| synapses.0).collect()
    }

    /// The permanences of one column: the inputs of its pool, increasing, with theirs.
    pub(super) fn of_column(&self, column: usize) -> impl Iterator<Item = (usize, u16)> {
        let tile = &self.tiles[column / TILE_COLUMNS];
        let all = tile.column(column % TILE_COLUMNS).iter().flat_map(|synapses| synapses.0);
        let numbered = all.enumerate().map(|(at, value)| (tile.first * WORD_INPUTS + at, value));
        numbered.filter(|(_, value)| *value <= FULL)
    }

    /// The connected inputs of one column, increasing.
    pub(super) fn connected(&self, column: usize) -> impl Iterator<Item = usize> {
        let tile = &self.tiles[column / TILE_COLUMNS];
        let words = tile.connected.iter().map(move |lanes| lanes.0[column % TILE_COLUMNS]);
        words.enumerate().flat_map(move |(word, bits)| {
            let on = (0..WORD_INPUTS).filter(move |bit| bits >> bit & 1 == 1);
            on.map(move |bit| (tile.first + word) * WORD_INPUTS + bit)
        })
    }

    /// Columns rounded up to whole tiles: the length of a row of overlaps.
    pub(super) fn padded_columns(&self) -> usize {
        self.tiles.len() * TILE_COLUMNS
    }

    /// How many connected inputs of each column are on, `(len, padded_columns)`.
    pub(super) fn overlaps(&self, rows: &WordRows, overlaps: &mut Vec<u16>) {
        let stride = self.padded_columns();
        overlaps.resize(rows.len() * stride, 0);
        if rows.len() > 0 {
            for (number, tile) in self.tiles.iter().enumerate() {
                let out = &mut overlaps[number * TILE_COLUMNS..];
                (table().pool_overlaps)(&tile.connected, tile.first, rows, out, stride);
            }
        }
    }

    /// Learns: each of `columns` moves its permanences towards one input, then is raised until it
    /// has enough connected synapses.
    pub(super) fn learn(&mut self, columns: impl Iterator<Item = u32>, input: &[u16]) {
        let Adaptation { increment, decrement, .. } = self.rule.adaptation;
        if increment == 0 && decrement == 0 {
            return;
        }
        for column in columns {
            let tile = &mut self.tiles[column as usize / TILE_COLUMNS];
            let lane = column as usize % TILE_COLUMNS;
            let connected = tile.adapt(lane, &input[tile.first..], &self.rule.adaptation);
            if connected < self.rule.fewest_connected {
                self.rule.raise(tile, lane, &self.all_on);
            }
        }
    }

    /// Raises the whole pool of a weak column once.
    pub(super) fn bump(&mut self, column: usize) {
        let tile = &mut self.tiles[column / TILE_COLUMNS];
        tile.adapt(column % TILE_COLUMNS, &self.all_on, &self.rule.bumping());
    }
}

impl Rule {
    fn of(settings: &SpatialPoolerSettings) -> Self {
        let trim = if settings.trim { settings.syn_perm_active_inc / 2.0 } else { 0.0 };
        Self {
            adaptation: Adaptation {
                increment: permanence(settings.syn_perm_active_inc),
                decrement: permanence(settings.syn_perm_inactive_dec),
                trim: permanence(trim),
                connected: permanence(settings.syn_perm_connected).max(1),
            },
            bump: permanence(settings.syn_perm_connected / 10.0).max(1),
            fewest_connected: u32::try_from(settings.stimulus_threshold).unwrap_or(u32::MAX),
        }
    }

    /// Changes nothing, and so only finds what is connected.
    fn still(&self) -> Adaptation {
        Adaptation { increment: 0, decrement: 0, trim: 0, ..self.adaptation }
    }

    fn bumping(&self) -> Adaptation {
        Adaptation { increment: self.bump, ..self.adaptation }
    }

    /// Raises a column's pool until enough of it is connected, or all of it; sets its bits in any
    /// case.
    fn raise(&self, tile: &mut Tile, lane: usize, all_on: &[u16]) {
        let trimming = Adaptation { increment: 0, ..self.adaptation };
        let mut connected = tile.adapt(lane, all_on, &trimming);
        // After so many bumps every permanence is 1.
        for _ in 0..=FULL / self.bump {
            if connected >= self.fewest_connected {
                break;
            }
            connected = tile.adapt(lane, all_on, &Adaptation { trim: 0, ..self.bumping() });
        }
    }
}

/// The radius that is meant: 0 stands for no bound.
fn radius_of(settings: &SpatialPoolerSettings) -> usize {
    match settings.potential_radius {
        0 => usize::MAX,
        radius => radius,
    }
}

/// `round(share · reach)` of the inputs within reach, at least one, increasing.
fn draw_pool<'a>(reach: &'a mut [u32], share: f32, rng: &mut Rng) -> &'a [u32] {
    let count = (reach.len() as f32 * share).round().max(1.0) as usize;
    for place in 0..count {
        let other = place + rng.below(reach.len() - place);
        reach.swap(place, other);
    }
    let pool = &mut reach[..count];
    pool.sort_unstable();
    pool
}

/// Connected or not with equal chances, and uniform within either part.
fn first_permanence(connected: u16, rng: &mut Rng) -> u16 {
    if rng.uniform() < 0.5 {
        connected + rng.below(usize::from(FULL - connected) + 1) as u16
    } else {
        rng.below(usize::from(connected)) as u16
    }
}
