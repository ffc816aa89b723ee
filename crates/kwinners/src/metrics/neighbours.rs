//! Nearest neighbours by overlap, and what they vote for.

use super::{accuracy, check_labels};
use crate::error::{Error, Result};
use crate::index::{Hit, SdrIndex, Search};
use crate::sdr::SdrBatch;

/// The nearest neighbours of many queries, `(queries, top)`, nearest first.
#[derive(Clone, Debug, PartialEq)]
pub struct Neighbours {
    lists: Vec<Vec<Hit>>,
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
    pub fn of(&self, query: usize) -> &[Hit] {
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

fn vote(neighbours: &[Hit], labels: &[u32]) -> Result<u32> {
    let mut ballots: Vec<(u32, u32, f64)> = Vec::with_capacity(neighbours.len());
    for neighbour in neighbours {
        let Some(&label) = labels.get(neighbour.id as usize) else {
            let expected = format!("one for each code, the {}-th too", neighbour.id);
            return Err(Error::shape("labels of the codes searched", expected, labels.len()));
        };
        match ballots.iter_mut().find(|ballot| ballot.0 == label) {
            Some(ballot) => (ballot.1, ballot.2) = (ballot.1 + 1, ballot.2 + neighbour.score),
            None => ballots.push((label, 1, neighbour.score)),
        }
    }
    let winner = ballots.into_iter().max_by(|a, b| {
        let votes = a.1.cmp(&b.1).then(a.2.total_cmp(&b.2));
        votes.then(b.0.cmp(&a.0)) // the lower label is the greater one here
    });
    let (label, ..) =
        winner.ok_or_else(|| Error::shape("neighbours to vote", "at least 1 a query", 0))?;
    Ok(label)
}

/// For each query the `top` codes that share most units with it, largest overlap first, ties to the
/// lower place; fewer where there are fewer codes. Exact.
///
/// Cost: that of an [`SdrIndex`] of the codes, which is built for this and dropped.
///
/// ```
/// use kwinners::{SdrBatch, metrics::neighbours_by_overlap};
/// let codes = SdrBatch::from_exact(8, 2, vec![0, 1, 2, 3, 0, 3])?;
/// let found = neighbours_by_overlap(&codes, &codes, 2)?;
/// assert_eq!((found.of(1)[1].id, found.of(1)[1].score), (2, 1.0));
/// # Ok::<(), kwinners::Error>(())
/// ```
///
/// # Errors
/// If the queries have other units than the codes.
pub fn neighbours_by_overlap(
    codes: &SdrBatch,
    queries: &SdrBatch,
    top: usize,
) -> Result<Neighbours> {
    let lists = SdrIndex::build(codes)?.top_batch(queries, top, &Search::default())?;
    Ok(Neighbours { lists })
}
