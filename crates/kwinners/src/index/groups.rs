//! An order of codes in which those that share units are near each other.

use rayon::prelude::*;

use super::tiles::Tiles;
use super::{SdrIndex, Search};
use crate::error::Result;
use crate::sdr::SdrBatch;

/// Codes of a group.
const GROUP: usize = 256;
/// Most groups that are told apart at a time; a group of theirs that is too large is split on its own.
const MOST_GROUPS: usize = 4096;
/// Codes a group that its centre is learned from.
const SAMPLES: usize = 64;
/// Rounds of learning.
const ROUNDS: usize = 5;
/// Most splits on top of one another, for codes that hardly split.
const DEPTH: usize = 8;
/// Codes that pass over the centres together.
const BLOCK: usize = 256;
/// A unit is a group's if at least one in so many of its codes has it on.
const SHARE: usize = 20;
/// Codes whose groups are looked for together, so that what is found takes little room.
const TOGETHER: usize = 1 << 16;

/// The places of all codes, those of one group after the other, by k-means with cosines: groups of about 256
/// codes. Splitting in two again and again would be cheaper, but codes that went astray early stay there.
/// Depends on the codes and their order alone.
///
/// Cost: for a code its `k` rows of a number a group, about 2.3 times, and a search among a 256th of the codes.
pub(super) fn order(codes: &SdrBatch) -> Result<Vec<u32>> {
    let mut places: Vec<u32> = (0..codes.len() as u32).collect();
    split(codes, &mut places, DEPTH);
    settle(codes, &mut places)?;
    Ok(places)
}

/// Moves each code into the group whose most frequent units it has most of: where there are many small ones,
/// some codes had gone astray while they were few and large.
fn settle(codes: &SdrBatch, places: &mut [u32]) -> Result<()> {
    let units: Vec<Vec<u32>> =
        places.par_chunks(GROUP).map(|group| frequent_units(codes, group)).collect();
    let mut groups = SdrBatch::new(codes.units())?;
    units.iter().try_for_each(|units| groups.push(units))?;
    let index = SdrIndex::build(&groups)?;
    let mut group_of = vec![0; codes.len()];
    for some in places.chunks(TOGETHER) {
        let some: Vec<usize> = some.iter().map(|&place| place as usize).collect();
        let found = index.top_batch(&codes.select(&some), 1, &Search::default())?;
        for (place, hits) in some.into_iter().zip(found) {
            group_of[place] = hits.first().map_or(0, |hit| hit.id);
        }
    }
    places.par_sort_by_key(|&place| group_of[place as usize]);
    Ok(())
}

/// The units that at least a twentieth of the codes at `places` have on, the most frequent first, up to eight times as
/// many as a code has: fewer would leave out those of small clusters among them.
fn frequent_units(codes: &SdrBatch, places: &[u32]) -> Vec<u32> {
    let codes = places.iter().map(|&place| codes.get(place as usize).indices());
    let mut on: Vec<u32> = codes.flatten().copied().collect();
    let most = 8 * on.len() / places.len();
    on.sort_unstable();
    let runs = on.chunk_by(|a, b| a == b).filter(|run| run.len() * SHARE >= places.len());
    let mut counts: Vec<(usize, u32)> = runs.map(|run| (run.len(), run[0])).collect();
    counts.sort_by_key(|&(count, unit)| (std::cmp::Reverse(count), unit));
    let mut units: Vec<u32> = counts.into_iter().take(most).map(|(_, unit)| unit).collect();
    units.sort_unstable();
    units
}

fn split(codes: &SdrBatch, places: &mut [u32], depth: usize) {
    if places.len() <= 2 * GROUP || depth == 0 {
        return;
    }
    let groups = places.len().div_ceil(GROUP).min(MOST_GROUPS);
    let chosen = Centres::learn(codes, places, groups).nearest_of(codes, places);
    let mut sizes = vec![0; groups];
    chosen.iter().for_each(|&group| sizes[group as usize] += 1);
    if sizes.contains(&places.len()) {
        return; // nothing tells these codes apart
    }
    let mut ordered: Vec<(u32, u32)> = chosen.into_iter().zip(places.iter().copied()).collect();
    ordered.sort_by_key(|(group, _)| *group);
    places.iter_mut().zip(ordered).for_each(|(place, (_, ordered))| *place = ordered);
    let (mut parts, mut rest) = (Vec::with_capacity(groups), places);
    for size in sizes {
        let (part, after) = rest.split_at_mut(size);
        parts.push(part);
        rest = after;
    }
    parts.into_par_iter().for_each(|part| split(codes, part, depth - 1));
}

/// The mean codes of some groups, each of length 1.
struct Centres(Tiles);

impl Centres {
    fn learn(codes: &SdrBatch, places: &[u32], groups: usize) -> Self {
        let step = places.len().div_ceil(SAMPLES * groups);
        let some: Vec<u32> = places.iter().copied().step_by(step).collect();
        // At first some of the codes, spread over all.
        let first: Vec<u32> = (0..groups).map(|group| some[group * some.len() / groups]).collect();
        let mut centres = Self(Tiles::zeros(codes.units(), groups));
        centres.move_to(codes, &first, &(0..groups as u32).collect::<Vec<_>>());
        for _ in 0..ROUNDS {
            let nearest = centres.nearest_of(codes, &some);
            centres.move_to(codes, &some, &nearest);
        }
        centres
    }

    /// Makes each centre the mean of its codes; those that have none stay.
    fn move_to(&mut self, codes: &SdrBatch, places: &[u32], groups: &[u32]) {
        let count = self.0.columns();
        let (mut sums, mut sizes) = (Tiles::zeros(codes.units(), count), vec![0; count]);
        for (&place, &group) in places.iter().zip(groups) {
            sizes[group as usize] += 1;
            for &unit in codes.get(place as usize).indices() {
                sums.add(unit, group as usize, 1.0);
            }
        }
        for (group, size) in sizes.into_iter().enumerate() {
            if size == 0 {
                let old = self.0.column(group);
                sums.column_mut(group).zip(old).for_each(|(new, old)| *new = *old);
            } else {
                let square: f32 = sums.column(group).map(|sum| sum * sum).sum();
                let factor = 1.0 / square.max(1.0).sqrt();
                sums.column_mut(group).for_each(|sum| *sum *= factor);
            }
        }
        self.0 = sums;
    }

    /// The group of each code, the first of equals.
    fn nearest_of(&self, codes: &SdrBatch, places: &[u32]) -> Vec<u32> {
        let nearest = |places: &[u32]| {
            let mut best = vec![(f32::NEG_INFINITY, 0); places.len()];
            let block = places.iter().map(|&place| codes.get(place as usize).indices());
            self.0.sums(block, |number, first, sums| {
                let most = sums.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                if most > best[number].0 {
                    let at = sums.iter().position(|sum| *sum == most).unwrap_or(0);
                    best[number] = (most, (first + at) as u32);
                }
            });
            best.into_iter().map(|(_, group)| group).collect::<Vec<_>>()
        };
        places.par_chunks(BLOCK).flat_map_iter(nearest).collect()
    }
}
