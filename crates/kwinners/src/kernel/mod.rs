//! The hot loops, behind one table chosen once for the CPU at hand.
//!
//! [`scalar`] is the meaning of every kernel; `avx2` and `avx512` do the same, faster. All three
//! add in the same order, and a product is always added without rounding in between (a fused
//! multiply-add, which the scalar code asks for by name), so **they agree to the bit**: a model
//! has the same bytes whichever table trained it.
//!
//! This is the only room with `unsafe`. Dense products are the `gemm` crate's work
//! ([`product`]); they may differ in the last bit between CPUs, not between thread counts.

/// A safe entry to a kernel that was compiled for a CPU feature.
#[cfg(target_arch = "x86_64")]
macro_rules! entry {
    ($inner:ident ( $($name:ident : $kind:ty),* ) -> $answer:ty) => {
        |$($name: $kind),*| -> $answer {
            // SAFETY: entries stand in tables only, and a table is only handed out where its
            // `is_available` said yes, so the CPU has every feature that the inner function needs.
            unsafe { $inner($($name),*) }
        }
    };
}

pub(crate) mod bit_rows;
pub(crate) mod map;
pub(crate) mod maps;
pub(crate) mod pools;
pub(crate) mod postings;
pub(crate) mod product;
mod scalar;
mod select;
pub(crate) mod tiles;
pub(crate) mod vectors;

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;

#[cfg(test)]
mod tests;

use std::sync::OnceLock;

use maps::SparsePattern;
use pools::{Lanes, WordRows};
pub(crate) use select::SelectScratch;
use tiles::{BlockedRows, Delta, Factors, Pair};
use vectors::{AdamStep, Moved, Noise, Weighted};

/// One implementation of every hot loop.
///
/// "Tile" and "block" are the pieces that [`tiles`] cuts a weight matrix into.
#[derive(Debug)]
pub(crate) struct Table {
    /// The instruction set, for reports.
    pub(crate) name: &'static str,
    /// `out[i] = popcount(query & rows[i])`, rows as long as `query`, a multiple of 8 words.
    pub(crate) overlaps: fn(query: &[u64], rows: &[u64], out: &mut [u32]),
    /// Writes the places of the `out.len()` largest scores to `out`, increasing, equal scores going
    /// to the lowest place; `Err(place)` names the first NaN. See [`select`].
    pub(crate) select: select::Select,
    /// The scores of every row against the units of every tile, [`tiles::TILE_UNITS`] a tile; row
    /// `r` goes to `out[r * stride..]`. The four lanes of a unit are summed block by block, then as
    /// `(l0 + l1) + (l2 + l3)`. Blocks of zeros change nothing, so they may be skipped or not.
    pub(crate) scores: fn(weights: &[f32], rows: &BlockedRows, out: &mut [f32], stride: usize),
    /// `out[row] += row(unit)` for each pair, in order, within one tile; a row of `out` has as many
    /// blocks as the tile.
    pub(crate) add_tile_rows: fn(tile: &[f32], pairs: &[Pair], out: &mut [f32]),
    /// `row(unit) += factors[unit] · delta(row)` for each pair, in order, within one tile.
    pub(crate) update_tile: fn(tile: &mut [f32], pairs: &[Pair], delta: &Delta, factors: &Factors),
    /// [`vectors::add_weighted_rows`].
    pub(crate) add_weighted_rows: fn(rows: &[f32], parts: &[Weighted], out: &mut [f32]),
    /// [`vectors::add_weighted_runs`].
    pub(crate) add_weighted_runs: fn(values: &[f32], parts: &[Weighted], out: &mut [f32]),
    /// [`vectors::dots`].
    pub(crate) dots: vectors::Dots,
    /// [`maps::convolve`].
    pub(crate) convolve: maps::Convolve,
    /// [`maps::convolve_listed`].
    pub(crate) convolve_listed: maps::ConvolveListed,
    /// [`maps::max_pool`].
    pub(crate) max_pool: maps::MaxPool,
    /// [`maps::add_outer`].
    pub(crate) add_outer: fn(rows: &mut [f32], vector: &[f32], parts: &[Weighted]),
    /// [`maps::sum_dots`].
    pub(crate) sum_dots: maps::SumDots,
    /// [`maps::add_sparse_rows`].
    pub(crate) add_sparse_rows:
        fn(pattern: &SparsePattern, values: &[f32], parts: &[Weighted], out: &mut [f32]),
    /// [`maps::sparse_dots`].
    pub(crate) sparse_dots: maps::SparseDots,
    /// [`vectors::adam`].
    pub(crate) adam: fn(moved: Moved<'_>, gradient: &[f32], step: &AdamStep),
    /// [`vectors::sigmoid`].
    pub(crate) sigmoid: fn(values: &mut [f32]),
    /// [`vectors::noise`].
    pub(crate) add_noise: fn(values: &mut [f32], start: u32, noise: &Noise),
    /// How many connected inputs each column of a tile sees on: those of row `r` go to
    /// `out[r * stride..]`, [`pools::TILE_COLUMNS`] of them. The tile has the words from `first` on.
    pub(crate) pool_overlaps:
        fn(tile: &[Lanes], first: usize, rows: &WordRows, out: &mut [u16], stride: usize),
    /// Bit `i % 16` of word `i / 16` says whether value `i` reaches `limit`; bits past the end are 0.
    pub(crate) bits_at_least: fn(values: &[f32], limit: f32, words: &mut [u16]),
    /// Moves the permanences of one column by `rule`, up where `inputs` are on and down where they
    /// are off, and writes its connected bits to `lane` of its tile; returns how many they are.
    pub(crate) adapt: pools::Adapt,
    /// As `select`, of whole numbers: the places of the `out.len()` largest, increasing, equal ones
    /// going to the lowest place.
    pub(crate) select_counts: fn(counts: &[u16], out: &mut [u32]),
    /// Appends the columns that win in their neighbourhoods, increasing: those with at least `least`
    /// as their score and fewer than `room` others above them or tied with them and already chosen,
    /// `room = ⌊0.5 + density · size of the neighbourhood⌋`. `bounds` is `(density, least)`. No
    /// score is NaN.
    pub(crate) local_winners: pools::LocalWinners,
    /// `counts[i]` = how many of `rows` have bit `i` on; a row has `counts.len() / 64` words, whole
    /// [`bit_rows::LINE`]s, and there are no more rows than a count can take.
    pub(crate) count_bits: fn(rows: &[&[u64]], counts: &mut [u16]),
    /// The bits that all of `rows` have on; rows are as long as `out`, whole [`bit_rows::LINE`]s,
    /// and there is at least one.
    pub(crate) common_bits: fn(rows: &[&[u64]], out: &mut [u64]),
    /// [`postings::AddLines`].
    pub(crate) add_lines: postings::AddLines,
    /// [`postings::CountersAtLeast`].
    pub(crate) counters_at_least: postings::CountersAtLeast,
}

/// All tables that this CPU can run, best first; the scalar one is always the last.
pub(crate) fn available() -> Vec<&'static Table> {
    let mut tables = Vec::new();
    #[cfg(target_arch = "x86_64")]
    {
        if avx512::is_available() {
            tables.push(&avx512::TABLE);
        }
        if avx2::is_available() {
            tables.push(&avx2::TABLE);
        }
    }
    tables.push(&scalar::TABLE);
    tables
}

/// The instruction set that the hot loops use on this CPU: `avx512`, `avx2` or `scalar`.
pub fn instruction_set() -> &'static str {
    table().name
}

/// The best table for this CPU, looked up once.
pub(crate) fn table() -> &'static Table {
    static CHOSEN: OnceLock<&'static Table> = OnceLock::new();
    CHOSEN.get_or_init(|| available()[0])
}
