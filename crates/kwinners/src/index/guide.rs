//! Which blocks a query should look into: those whose codes have most of its units on.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use rayon::prelude::*;

use super::block::Block;
use super::tiles::{TILE, Tiles};
use crate::error::Result;
use crate::kwta::KWinners;
use crate::rows::Rows;
use crate::sdr::SdrBatch;

/// How many codes of each block have each unit on.
#[derive(Debug)]
pub(super) struct Guide {
    /// `(units, blocks)`.
    counts: Tiles,
    /// By the number of answers: see [`Guide::places`].
    places: Mutex<BTreeMap<usize, Arc<[u32]>>>,
}

impl Guide {
    /// Cost: one pass over the index.
    pub(super) fn new(blocks: &[Block], units: usize) -> Self {
        let tile = |blocks: &[Block]| {
            let mut counts = vec![0.0; units * blocks.len()];
            for (number, block) in blocks.iter().enumerate() {
                for (unit, count) in block.unit_counts() {
                    counts[unit as usize * blocks.len() + number] = count as f32;
                }
            }
            counts
        };
        let tiles = blocks.par_chunks(TILE).map(tile).collect();
        Self { counts: Tiles::of(units, blocks.len(), tiles), places: Mutex::default() }
    }

    /// For each query how many of its units the codes of each block have on in all, `(queries, blocks)`.
    /// Cost: the query's rows of the guide, `k · blocks` additions.
    pub(super) fn sums<'a>(&self, queries: impl ExactSizeIterator<Item = &'a [u32]>) -> Vec<f32> {
        let blocks = self.counts.columns();
        let mut all = vec![0.0; queries.len() * blocks];
        self.counts.sums(queries, |query, first, sums| {
            all[query * blocks + first..][..sums.len()].copy_from_slice(sums);
        });
        all
    }

    /// The `count` blocks with the largest sums for each query, the first of equals.
    ///
    /// # Errors
    /// If there are fewer blocks.
    pub(super) fn best<'a>(
        &self,
        queries: impl ExactSizeIterator<Item = &'a [u32]>,
        count: usize,
    ) -> Result<SdrBatch> {
        let (blocks, sums) = (self.counts.columns(), self.sums(queries));
        let mut best = SdrBatch::new(blocks)?;
        KWinners::new(blocks, count)?.winners_of_rows(Rows::new(&sums, blocks)?, &mut best)?;
        Ok(best)
    }

    /// In which place of its query's order each true answer's block came, rising, for `top` answers to each
    /// of some queries: what `find` finds out the first time.
    pub(super) fn places(
        &self,
        top: usize,
        find: impl FnOnce() -> Result<Vec<u32>>,
    ) -> Result<Arc<[u32]>> {
        let known = || self.places.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(places) = known().get(&top) {
            return Ok(places.clone());
        }
        let mut places = find()?;
        places.sort_unstable();
        let places: Arc<[u32]> = places.into();
        known().insert(top, places.clone());
        Ok(places)
    }
}
