//! Nearest neighbours by overlap: an exact scan of packed bits.

use rayon::prelude::*;

use super::{accuracy, check_labels};
use crate::error::{Error, Result};
use crate::sdr::{BitRows, SdrBatch, SdrRef};

/// Bytes of packed codes that stay in the second-level cache while a block of queries passes over.
const TRAIN_BLOCK_BYTES: usize = 256 * 1024;

/// Queries that pass over a block of codes together.
const QUERY_BLOCK: usize = 64;

/// A code that was found, and how many units it shares with the query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Neighbour {
    /// Place of the code in the batch that was searched.
    pub id: usize,
    /// Units that are on in both.
    pub overlap: u32,
}

/// The nearest neighbours of many queries, `(queries, top)`, nearest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Neighbours {
    lists: Vec<Vec<Neighbour>>,
}

impl Neighbours {
    /// Number of queries.
    pub fn len(&self) -> usize {
        self.lists.len()
    }

    /// Whether there was no query.
    pub fn is_empty(&self) -> bool {
        self.lists.is_empty()
    }

    /// The neighbours of query `query`, nearest first.
    ///
    /// # Panics
    /// If there was no such query.
    pub fn of(&self, query: usize) -> &[Neighbour] {
        &self.lists[query]
    }

    /// The label that most of the first `count` neighbours have: `(queries,)`.
    ///
    /// Of labels with equally many neighbours the one with the larger summed overlap wins, then the
    /// lower label.
    ///
    /// # Errors
    /// If `count` is 0, a query has no neighbour, or a neighbour has no label in `labels`.
    pub fn vote(&self, count: usize, labels: &[u32]) -> Result<Vec<u32>> {
        self.lists.iter().map(|list| vote(&list[..count.min(list.len())], labels)).collect()
    }

    /// Share of the queries that [`Neighbours::vote`] gives the right label.
    ///
    /// # Errors
    /// As [`Neighbours::vote`], or if there is not one label a query.
    pub fn vote_accuracy(&self, count: usize, labels: &[u32], queries: &[u32]) -> Result<f64> {
        check_labels(queries, self.len())?;
        accuracy(&self.vote(count, labels)?, queries)
    }
}

fn vote(neighbours: &[Neighbour], labels: &[u32]) -> Result<u32> {
    let mut ballots: Vec<(u32, u32, u64)> = Vec::with_capacity(neighbours.len());
    for neighbour in neighbours {
        let Some(&label) = labels.get(neighbour.id) else {
            let expected = format!("one for each code, the {}-th too", neighbour.id);
            return Err(Error::shape("labels of the codes searched", expected, labels.len()));
        };
        let overlap = u64::from(neighbour.overlap);
        match ballots.iter_mut().find(|ballot| ballot.0 == label) {
            Some(ballot) => (ballot.1, ballot.2) = (ballot.1 + 1, ballot.2 + overlap),
            None => ballots.push((label, 1, overlap)),
        }
    }
    let winner = ballots.into_iter().max_by_key(|&(label, votes, overlap)| {
        (votes, overlap, std::cmp::Reverse(label)) // the lower label is the greater one here
    });
    let (label, ..) =
        winner.ok_or_else(|| Error::shape("neighbours to vote", "at least 1 a query", 0))?;
    Ok(label)
}

/// The `top` codes of `codes` that share most units with `query`, largest overlap first, ties to the
/// lower id; fewer where there are fewer codes. Exact. Cost: one pass over the packed codes.
///
/// ```
/// use kwinners::{SdrBatch, metrics::nearest_by_overlap};
/// let codes = SdrBatch::from_exact(8, 2, vec![0, 1, 2, 3, 0, 3])?;
/// let found = nearest_by_overlap(&codes.to_bits(), codes.get(1), 2)?;
/// assert_eq!(found, [(1, 2), (2, 1)]);
/// # Ok::<(), kwinners::Error>(())
/// ```
///
/// # Errors
/// If the query has other units than the codes.
pub fn nearest_by_overlap(
    codes: &BitRows,
    query: SdrRef<'_>,
    top: usize,
) -> Result<Vec<(usize, u32)>> {
    check_units(codes.units(), query.units())?;
    let mut overlaps = vec![0; codes.len()];
    codes.overlaps(query.to_sdr().to_bits().row(0), &mut overlaps);
    let mut list = Vec::new();
    keep_nearest(&mut list, top.min(codes.len()), 0, &overlaps);
    Ok(list.into_iter().map(|neighbour| (neighbour.id, neighbour.overlap)).collect())
}

/// For each query the `top` codes that share most units with it, as [`nearest_by_overlap`].
///
/// Exact. Cost: `queries · codes · n / 64` word operations, over all cores; memory: the packed codes
/// and the answer.
///
/// # Errors
/// If the queries have other units than the codes.
pub fn neighbours_by_overlap(
    codes: &SdrBatch,
    queries: &SdrBatch,
    top: usize,
) -> Result<Neighbours> {
    check_units(codes.units(), queries.units())?;
    let blocks = packed_blocks(codes);
    let top = top.min(codes.len());
    let queries = queries.to_bits();
    let starts: Vec<usize> = (0..queries.len()).step_by(QUERY_BLOCK).collect();
    let lists: Vec<Vec<Vec<Neighbour>>> = starts
        .into_par_iter()
        .map(|start| {
            let end = queries.len().min(start + QUERY_BLOCK);
            scan(&blocks, &queries, start..end, top)
        })
        .collect();
    Ok(Neighbours { lists: lists.into_iter().flatten().collect() })
}

fn check_units(codes: usize, queries: usize) -> Result<()> {
    if codes == queries {
        return Ok(());
    }
    Err(Error::shape("codes to look up", format!("{codes} units"), queries))
}

/// The codes as packed blocks that fit the cache.
fn packed_blocks(codes: &SdrBatch) -> Vec<BitRows> {
    let row_bytes = codes.units().div_ceil(8);
    let len = (TRAIN_BLOCK_BYTES / row_bytes).max(1);
    let places: Vec<usize> = (0..codes.len()).collect();
    places.par_chunks(len).map(|places| codes.select(places).to_bits()).collect()
}

/// Passes the queries of `range` over one block of codes after the other.
fn scan(
    blocks: &[BitRows],
    queries: &BitRows,
    range: std::ops::Range<usize>,
    top: usize,
) -> Vec<Vec<Neighbour>> {
    let mut lists = vec![Vec::with_capacity(top + 1); range.len()];
    let mut overlaps = vec![0; blocks.first().map_or(0, BitRows::len)];
    let mut first_id = 0;
    for block in blocks {
        let overlaps = &mut overlaps[..block.len()];
        for (list, query) in lists.iter_mut().zip(range.clone()) {
            block.overlaps(queries.row(query), overlaps);
            keep_nearest(list, top, first_id, overlaps);
        }
        first_id += block.len();
    }
    lists
}

/// Takes codes `first_id..` into the sorted `list` of at most `top`. Ids come in increasing order, so
/// that a later code of equal overlap never displaces an earlier one.
fn keep_nearest(list: &mut Vec<Neighbour>, top: usize, first_id: usize, overlaps: &[u32]) {
    if top == 0 {
        return;
    }
    let mut next = 0;
    loop {
        let worst = (list.len() == top).then(|| list[top - 1].overlap);
        let better = |&overlap: &u32| worst.is_none_or(|worst| overlap > worst);
        let Some(skipped) = overlaps[next..].iter().position(better) else { return };
        let (id, overlap) = (first_id + next + skipped, overlaps[next + skipped]);
        let place = list.partition_point(|neighbour| neighbour.overlap >= overlap);
        list.truncate(top - 1);
        list.insert(place, Neighbour { id, overlap });
        next += skipped + 1;
    }
}
