//! Going through the blocks with a batch of queries.

use std::ops::Range;

use rayon::prelude::*;
use roaring::RoaringBitmap;

use super::SdrIndex;
use super::block::{Block, Body, Layout};
use super::collect::{Collector, Floor, Goal, merge};
use super::columns::ColumnBlock;
use super::guide::Guide;
use super::lists::ListBlock;
use super::score::{Hit, Score, Scorer};
use super::stages::{Costs, Plan, Stage};
use crate::error::{Error, Result};
use crate::kernel::postings::{LINE, LIST_BLOCK, Line, add_list, planes_for, sum_at};
use crate::kernel::{self, Table};
use crate::sdr::{SdrBatch, SdrRef};

/// How to search.
#[derive(Clone, Copy, Debug, Default)]
pub struct Search<'a> {
    /// How codes are compared.
    pub score: Score,
    /// Only codes with these ids, if given.
    pub allowed: Option<&'a RoaringBitmap>,
    /// The share of the answers that is enough on average, above 0 and up to 1; all of them if not given.
    /// An answer that is found has its true score. Of `top` searches among all codes in columns; others are
    /// exact in any case.
    ///
    /// A query looks into the blocks whose codes have most of its units on, into so many that stored codes,
    /// taken as queries, find this share of their true answers there: 256 of them, asked exactly the first
    /// time. Queries that are less like the codes than these are like one another may find less; asking some
    /// with and without says. Worth it after [`SdrIndex::group`].
    pub recall: Option<f64>,
}

/// Queries that pass over a block one after the other.
const GROUP: usize = 1024;
/// Queries whose units together are most of a block, so that all of it is fetched, in order.
const MANY_QUERIES: usize = 32;
/// Fewest queries for a thread.
const FEW_QUERIES: usize = 64;
/// How many blocks before they are needed the units of fewer queries are fetched.
const AHEAD: usize = 4;
/// Fewest blocks for a thread.
const FEW_BLOCKS: usize = 8;
/// Stored codes that say how many blocks a recall takes.
const SAMPLES: usize = 256;
/// Most units of a query that the counters along lists can count.
const MOST_LISTS: usize = u16::MAX as usize;

impl SdrIndex {
    /// The `top` codes most like `query`, best first, equal ones by rising id; fewer if there are
    /// fewer codes. Exactly what comparing with every code gives.
    ///
    /// # Errors
    /// If the query is of another number of units, or a block of a mapped file is damaged.
    pub fn top(&self, query: SdrRef<'_>, top: usize, search: &Search<'_>) -> Result<Vec<Hit>> {
        self.one(query, Goal::Top(top), search)
    }

    /// As [`SdrIndex::top`] for each of many queries, which is faster than one at a time.
    ///
    /// # Errors
    /// As [`SdrIndex::top`].
    pub fn top_batch(
        &self,
        queries: &SdrBatch,
        top: usize,
        search: &Search<'_>,
    ) -> Result<Vec<Vec<Hit>>> {
        self.run(queries, Goal::Top(top), search)
    }

    /// All codes with a score of `least` or more, best first, equal ones by rising id.
    ///
    /// # Errors
    /// As [`SdrIndex::top`], and if `least` is NaN.
    pub fn within(&self, query: SdrRef<'_>, least: f64, search: &Search<'_>) -> Result<Vec<Hit>> {
        self.one(query, Goal::Within(least), search)
    }

    /// As [`SdrIndex::within`] for each of many queries.
    ///
    /// # Errors
    /// As [`SdrIndex::within`].
    pub fn within_batch(
        &self,
        queries: &SdrBatch,
        least: f64,
        search: &Search<'_>,
    ) -> Result<Vec<Vec<Hit>>> {
        self.run(queries, Goal::Within(least), search)
    }

    fn one(&self, query: SdrRef<'_>, goal: Goal, search: &Search<'_>) -> Result<Vec<Hit>> {
        let mut queries = SdrBatch::new(query.units())?;
        queries.push(query.indices())?;
        Ok(self.run(&queries, goal, search)?.pop().unwrap_or_default())
    }

    fn run(&self, queries: &SdrBatch, goal: Goal, search: &Search<'_>) -> Result<Vec<Vec<Hit>>> {
        self.check_units("queries", queries.units())?;
        let recall = check(goal, search)?;
        if goal == Goal::Top(0) || self.blocks.is_empty() {
            return Ok(vec![Vec::new(); queries.len()]);
        }
        let way = self.way(goal, search, recall)?;
        let duty = self.duty();
        let asked: Vec<Asked> = queries
            .iter()
            .map(|query| Asked {
                plan: Plan::new(query.indices(), |unit| duty.of(unit)),
                scorer: Scorer::new(search.score, query.count()),
                floor: Floor::default(),
            })
            .collect();
        let threads = rayon::current_num_threads();
        let mut answers = Vec::with_capacity(queries.len());
        for group in asked.chunks(GROUP) {
            // Queries are shared out first: one that meets all blocks in turn soon knows what is not enough.
            let share = group.len().div_ceil(threads).max(FEW_QUERIES);
            let ranges = self.ranges(threads.div_ceil(group.len().div_ceil(share)));
            let shares: Result<Vec<Vec<Vec<Hit>>>> = group
                .par_chunks(share)
                .map(|few| self.answers(few, (&ranges, &way), goal, search))
                .collect();
            answers.extend(shares?.into_iter().flatten());
        }
        Ok(answers)
    }

    /// Which blocks a search goes through.
    fn way(&self, goal: Goal, search: &Search<'_>, recall: f64) -> Result<Way<'_>> {
        let Goal::Top(top) = goal else { return Ok(Way::All) };
        let columns = matches!(self.layout, Some(Layout::Columns));
        if !columns || self.blocks.len() < 2 {
            return Ok(Way::All);
        }
        let exact = if self.grouped { Way::Best(self.guide(), 1) } else { Way::All };
        if recall >= 1.0 || search.allowed.is_some() {
            return Ok(exact);
        }
        let count = self.blocks_for(recall, top)?;
        // What is in the cache anyway may as well be searched.
        Ok(if count > self.blocks.len() / 2 { exact } else { Way::Only(self.guide(), count) })
    }

    fn guide(&self) -> &Guide {
        self.guide.get_or_init(|| Guide::new(&self.blocks, self.units))
    }

    /// How many blocks hold this share of the true answers.
    fn blocks_for(&self, recall: f64, top: usize) -> Result<usize> {
        let places = self.guide().places(top, || self.places_of_samples(top))?;
        let share = 1.0 - (1.0 - recall) / 2.0;
        let last =
            ((share * places.len() as f64).ceil() as usize).clamp(1, places.len().max(1)) - 1;
        Ok(places.get(last).map_or(self.blocks.len(), |place| *place as usize + 1))
    }

    /// For the `top` codes most like each of some stored codes: which place their block has among all, by how
    /// many of the code's units its codes have on. Of codes that are equally good the first that are met count.
    fn places_of_samples(&self, top: usize) -> Result<Vec<u32>> {
        let (queries, homes) = self.samples()?;
        let held = self.blocks.iter().enumerate();
        let held = held.flat_map(|(number, block)| {
            (0..block.len()).map(move |place| (block.id(place), number))
        });
        let mut held: Vec<(u32, usize)> = held.collect();
        held.sort_unstable();
        let block_of = |id: u32| {
            let found = held.binary_search_by_key(&id, |(id, _)| *id);
            found.map_or(0, |at| held[at].1)
        };
        let exact = self.top_batch(&queries, top + 1, &Search::default())?;
        let sums = self.guide().sums(queries.iter().map(|query| query.indices()));
        let samples: Vec<_> = queries.iter().zip(exact).zip(homes).collect();
        let places = |((query, hits), own): &((SdrRef<'_>, Vec<Hit>), u32), sums: &[f32]| {
            // A code is no answer to itself, and helps its block to no place.
            let others = hits.iter().filter(|hit| hit.id != *own).take(top);
            let Some(least) = others.map(|hit| hit.score).last() else { return Ok(Vec::new()) };
            let mut sums = sums.to_vec();
            sums[block_of(*own)] -= query.count() as f32;
            let mut order: Vec<usize> = (0..sums.len()).collect();
            order.sort_by(|&a, &b| sums[b].total_cmp(&sums[a]).then(a.cmp(&b)));
            let mut place_of = vec![0; sums.len()];
            (0..).zip(order).for_each(|(place, number)| place_of[number] = place);
            let good = self.within(*query, least, &Search::default())?.into_iter();
            let good = good.filter(|hit| hit.id != *own);
            let mut places: Vec<u32> = good.map(|hit| place_of[block_of(hit.id)]).collect();
            places.sort_unstable();
            places.truncate(top);
            Ok(places)
        };
        let all: Result<Vec<Vec<u32>>> = samples
            .par_iter()
            .zip(sums.par_chunks(self.blocks.len()))
            .map(|(sample, sums)| places(sample, sums))
            .collect();
        Ok(all?.into_iter().flatten().collect())
    }

    /// Some stored codes, spread over all, and their ids.
    fn samples(&self) -> Result<(SdrBatch, Vec<u32>)> {
        let (mut codes, mut ids) = (SdrBatch::new(self.units)?, Vec::new());
        let (step, mut next) = (self.len().div_ceil(SAMPLES).max(1), 0);
        for block in &self.blocks {
            block.verify()?;
            while next < block.len() {
                codes.push(&block.code(next))?;
                ids.push(block.id(next));
                next += step;
            }
            next -= block.len();
        }
        Ok((codes, ids))
    }

    /// The answers to each of `few` queries, each range of blocks being a task where all are gone through.
    fn answers(
        &self,
        few: &[Asked],
        (ranges, way): (&[Range<usize>], &Way<'_>),
        goal: Goal,
        search: &Search<'_>,
    ) -> Result<Vec<Vec<Hit>>> {
        if let Way::Best(guide, count) | Way::Only(guide, count) = way {
            let found = self.visit((guide, *count), few, goal, search)?;
            if let Way::Only(..) = way {
                return Ok(found.into_iter().map(|hits| merge(goal, [hits].into_iter())).collect());
            }
        }
        let parts: Result<Vec<Vec<Vec<Hit>>>> = ranges
            .par_iter()
            .map(|range| scan(&self.blocks[range.clone()], few, goal, search))
            .collect();
        let mut parts: Vec<_> = parts?.into_iter().map(Vec::into_iter).collect();
        let merged = (0..few.len())
            .map(|_| merge(goal, parts.iter_mut().map(|part| part.next().unwrap_or_default())));
        Ok(merged.collect())
    }

    /// The answers to each of `few` queries among the `count` blocks that the guide says are best for it.
    fn visit(
        &self,
        (guide, count): (&Guide, usize),
        few: &[Asked],
        goal: Goal,
        search: &Search<'_>,
    ) -> Result<Vec<Vec<Hit>>> {
        let best = guide.best(few.iter().map(|asked| &asked.plan.units[..]), count)?;
        // Block after block, so that queries that look into the same one find it in the cache.
        let visits = best.iter().enumerate().flat_map(|(query, blocks)| {
            blocks.indices().iter().map(move |&number| (number as usize, query)).collect::<Vec<_>>()
        });
        let mut visits: Vec<(usize, usize)> = visits.collect();
        visits.sort_unstable();
        let mut walks: Vec<Walk<'_>> = few.iter().map(|asked| Walk::new(asked, goal)).collect();
        let (mut scratch, mut open) = (Scratch::new(), (usize::MAX, Vec::new()));
        for (at, &(number, query)) in visits.iter().enumerate() {
            let block = &self.blocks[number];
            if open.0 != number {
                block.verify()?;
                open = (number, open_lines(block, search.allowed));
            }
            if let Some(&(next, query)) = visits.get(at + AHEAD)
                && let Body::Columns(next) = &self.blocks[next].body
            {
                next.fetch_units(walks[query].likely());
            }
            if let Body::Columns(body) = &block.body {
                let least_size = block.sizes.least();
                scan_columns((block, body), &open.1, &mut walks[query], least_size, &mut scratch);
            }
        }
        Ok(walks.into_iter().map(|walk| walk.collector.into_hits()).collect())
    }

    /// The blocks, shared out: two parts a thread, as far as there are enough.
    fn ranges(&self, threads: usize) -> Vec<Range<usize>> {
        let parts = if threads == 1 { 1 } else { 2 * threads };
        let length = self.blocks.len().div_ceil(parts).max(FEW_BLOCKS);
        let starts = (0..self.blocks.len()).step_by(length);
        starts.map(|start| start..self.blocks.len().min(start + length)).collect()
    }
}

/// Refuses what can't be asked; returns the recall.
fn check(goal: Goal, search: &Search<'_>) -> Result<f64> {
    if let Goal::Within(least) = goal {
        Scorer::check(least)?;
    }
    let recall = search.recall.unwrap_or(1.0);
    if !(recall > 0.0 && recall <= 1.0) {
        return Err(Error::setting("recall", "a number above 0 and up to 1", recall));
    }
    Ok(recall)
}

/// Which blocks a search goes through.
enum Way<'a> {
    All,
    /// All, after the best for each query, so that it knows early what is not enough.
    Best(&'a Guide, usize),
    /// The best for each query and no others.
    Only(&'a Guide, usize),
}

/// One query, ready to be compared.
#[derive(Debug)]
struct Asked {
    plan: Plan,
    scorer: Scorer,
    floor: Floor,
}

/// One query on its way through a range of blocks.
struct Walk<'a> {
    plan: &'a Plan,
    collector: Collector<'a>,
    /// The stage for so many needed; a stage depends on little else.
    stage: Option<(u32, Stage)>,
}

impl<'a> Walk<'a> {
    fn new(asked: &'a Asked, goal: Goal) -> Self {
        let collector = Collector::new(goal, asked.scorer, &asked.floor);
        Self { plan: &asked.plan, collector, stage: None }
    }

    /// The units that are sure to be counted, if nothing changes.
    fn likely(&self) -> &[u32] {
        let count = self.stage.map_or(self.plan.units.len(), |(_, stage)| stage.units);
        &self.plan.units[..count]
    }

    fn stage(&mut self, needed: u32, costs: Costs) -> Stage {
        match self.stage {
            Some((known, stage)) if known == needed => stage,
            _ => {
                let stage = self.plan.stage(needed, costs);
                self.stage = Some((needed, stage));
                stage
            }
        }
    }
}

/// What is written on while counting.
struct Scratch {
    table: &'static Table,
    planes: Vec<Line>,
    counters: Box<[u16; LIST_BLOCK]>,
    places: Vec<u32>,
}

impl Scratch {
    fn new() -> Self {
        let counters = vec![0; LIST_BLOCK].into_boxed_slice().try_into().expect("as long as it is");
        Self { table: kernel::table(), planes: Vec::new(), counters, places: Vec::new() }
    }
}

/// The answers to each query of `group` among `blocks`.
fn scan(
    blocks: &[Block],
    group: &[Asked],
    goal: Goal,
    search: &Search<'_>,
) -> Result<Vec<Vec<Hit>>> {
    let mut walks: Vec<Walk<'_>> = group.iter().map(|asked| Walk::new(asked, goal)).collect();
    let mut scratch = Scratch::new();
    let many = group.len() >= MANY_QUERIES;
    for (number, block) in blocks.iter().enumerate() {
        block.verify()?;
        let open = open_lines(block, search.allowed);
        if open.iter().all(Line::is_zero) {
            continue;
        }
        let least_size = block.sizes.least();
        let ahead = blocks.get(number + if many { 1 } else { AHEAD });
        for (place, walk) in walks.iter_mut().enumerate() {
            match &block.body {
                Body::Columns(body) => {
                    if let Some(Body::Columns(next)) = ahead.map(|block| &block.body) {
                        if many {
                            next.fetch_part(place, group.len());
                        } else {
                            next.fetch_units(walk.likely());
                        }
                    }
                    scan_columns((block, body), &open, walk, least_size, &mut scratch);
                }
                Body::Lists(body) => {
                    scan_lists((block, body), &open, walk, least_size, &mut scratch)?;
                }
            }
        }
    }
    Ok(walks.into_iter().map(|walk| walk.collector.into_hits()).collect())
}

/// The codes of a block that are not deleted and allowed.
fn open_lines(block: &Block, allowed: Option<&RoaringBitmap>) -> Vec<Line> {
    let Some(allowed) = allowed else { return block.alive.clone() };
    let mut lines = vec![Line::default(); block.alive.len()];
    let ids = block.first_id()..=block.last_id();
    let mut open = |place: usize| lines[place / LINE].set(place % LINE, true);
    if allowed.range_cardinality(ids.clone()) < block.len() as u64 {
        allowed.range(ids).filter_map(|id| block.place_of(id)).for_each(open);
    } else {
        (0..block.len()).filter(|&place| allowed.contains(block.id(place))).for_each(&mut open);
    }
    lines.iter().zip(&block.alive).map(|(line, alive)| line.and(alive)).collect()
}

fn scan_columns(
    (block, body): (&Block, &ColumnBlock),
    open: &[Line],
    walk: &mut Walk<'_>,
    least_size: u32,
    scratch: &mut Scratch,
) {
    let columns = body.columns();
    let plan = walk.plan;
    let planes = &mut scratch.planes;
    let add_lines = scratch.table.add_lines;
    for (column, open) in open.iter().enumerate() {
        let needed = walk.collector.needed(least_size, block.first_id());
        let stage = walk.stage(needed, Costs::Columns);
        let (first, rest) = plan.units.split_at(stage.units);
        planes.clear();
        planes.resize(planes_for(plan.units.len()), Line::default());
        let mut reached = add_lines(columns, column, first, stage.least, planes).and(open);
        if !rest.is_empty() && !reached.is_zero() {
            reached = add_lines(columns, column, rest, needed, planes).and(open);
        }
        if reached.is_zero() {
            continue;
        }
        for place in reached.places() {
            let overlap = sum_at(planes, place);
            let place = column * LINE + place;
            walk.collector.offer(block.ids.get(place), overlap, block.sizes.get(place));
        }
    }
}

fn scan_lists(
    (block, body): (&Block, &ListBlock),
    open: &[Line],
    walk: &mut Walk<'_>,
    least_size: u32,
    scratch: &mut Scratch,
) -> Result<()> {
    let plan = walk.plan;
    if plan.units.len() > MOST_LISTS {
        let expected = format!("at most {MOST_LISTS} units on in a query of so sparse an index");
        return Err(Error::shape("queries", expected, plan.units.len()));
    }
    let needed = walk.collector.needed(least_size, block.first_id());
    if needed as usize > plan.units.len() {
        return Ok(());
    }
    let stage = walk.stage(needed, Costs::Lists { codes: block.len() });
    let (first, rest) = plan.units.split_at(stage.units);
    let counters = &mut scratch.counters;
    counters[..block.len()].fill(0);
    first.iter().for_each(|&unit| add_list(body.list(unit), counters));
    scratch.places.clear();
    let least = stage.least as u16;
    (scratch.table.counters_at_least)(&counters[..block.len()], least, &mut scratch.places);
    for &place in &scratch.places {
        let place = place as usize;
        if !open[place / LINE].get(place % LINE) {
            continue;
        }
        let has = |&&unit: &&u32| body.list(unit).binary_search(&(place as u16)).is_ok();
        let overlap = u32::from(counters[place]) + rest.iter().filter(has).count() as u32;
        walk.collector.offer(block.ids.get(place), overlap, block.sizes.get(place));
    }
    Ok(())
}
