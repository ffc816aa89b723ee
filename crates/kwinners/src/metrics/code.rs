//! What the codes look like by themselves: exactness, use of the units, false matches.

use rayon::prelude::*;
use serde::Serialize;

use super::{check_labels, unit_mutual_information};
use crate::error::{Error, Result};
use crate::rng::Rng;
use crate::sdr::{SdrBatch, code_bits, match_probability};

/// Pairs that the false matches are measured on, where there are more.
const MOST_PAIRS: usize = 1_000_000;

/// Pairs that one generator draws: part of the meaning of the seed, not of the number of threads.
const PAIRS_A_BLOCK: usize = 10_000;

const SEED: u64 = 0x0070_6169_7273;

/// Figures of a batch of codes that should have exactly `k` of `n` units on.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct CodeFigures {
    /// Whether every code has exactly `k` units on.
    pub exact_k: bool,
    /// Units that no code has on.
    pub dead_units: usize,
    /// How evenly the units are used: `mean_j h(d_j) / h(k / n)` with `d_j` the share of the codes
    /// that have unit `j` on and `h` the binary entropy. 1 is even; 1 too where `k = n`, for then no
    /// use is less even than another.
    pub duty_entropy: f64,
    /// How evenly the units are used, by Rényi's entropy of order 2: `mean_j -log2(d_j² + (1 - d_j)²)`,
    /// in bits; at most 1, for units that are on in half of the codes.
    pub renyi_entropy: f64,
    /// Mean mutual information of two units, in bits, see [`unit_mutual_information`].
    pub unit_mutual_information: f64,
    /// `log2 C(n, k)`: the bits that a code of this kind needs at least.
    pub bits_bound: f64,
    /// Probability that two random codes match: overlap in at least `theta = ⌈k / 2⌉` units.
    pub false_match_theory: f64,
    /// Share of the pairs of codes of different classes that match. NaN where there is no such pair.
    pub false_match_measured: f64,
}

/// Figures of `codes` that should have exactly `winners` units on.
///
/// A match is an overlap of at least half the winners, `theta = ⌈winners / 2⌉`, the rule of Ahmad and
/// Scheinkman, "How Can We Be So Dense?", 2019. False matches are measured on pairs of different
/// classes (without labels: on any two codes): all of them up to a million pairs, beyond that those
/// among a million pairs drawn with a fixed seed.
///
/// Cost: `O(len · winners)`, a million overlaps and those of [`unit_mutual_information`].
///
/// ```
/// use kwinners::{SdrBatch, metrics::code_figures};
/// let codes = SdrBatch::from_exact(4, 2, vec![0, 1, 2, 3, 0, 2])?;
/// let figures = code_figures(&codes, 2, Some(&[0, 1, 1]))?;
/// assert!(figures.exact_k);
/// assert_eq!(figures.dead_units, 0);
/// // Of the two pairs of different classes one shares unit 0: half of the winners.
/// assert_eq!(figures.false_match_measured, 0.5);
/// # Ok::<(), kwinners::Error>(())
/// ```
///
/// # Errors
/// If `winners` is 0 or above the number of units, or there is not one label a code.
pub fn code_figures(
    codes: &SdrBatch,
    winners: usize,
    labels: Option<&[u32]>,
) -> Result<CodeFigures> {
    let units = codes.units();
    if winners == 0 || winners > units {
        return Err(Error::Winners { winners, units });
    }
    labels.map_or(Ok(()), |labels| check_labels(labels, codes.len()))?;
    let counts = codes.unit_counts();
    let threshold = winners.div_ceil(2);
    Ok(CodeFigures {
        exact_k: codes.iter().all(|code| code.count() == winners),
        dead_units: counts.iter().filter(|&&count| count == 0).count(),
        duty_entropy: duty_entropy(&counts, codes.len(), winners),
        renyi_entropy: renyi_entropy(&counts, codes.len()),
        unit_mutual_information: unit_mutual_information(codes),
        bits_bound: code_bits(units, winners),
        false_match_theory: match_probability(units, winners, winners, threshold),
        false_match_measured: false_matches(codes, labels, threshold),
    })
}

/// `mean_j h(counts_j / len) / h(winners / units)`.
pub(crate) fn duty_entropy(counts: &[u32], len: usize, winners: usize) -> f64 {
    let most = binary_entropy(winners as f64 / counts.len() as f64);
    if most == 0.0 {
        return 1.0;
    }
    let duty = |&count: &u32| f64::from(count) / len.max(1) as f64;
    let total: f64 = counts.iter().map(|count| binary_entropy(duty(count))).sum();
    total / counts.len() as f64 / most
}

/// `mean_j -log2(d_j² + (1 - d_j)²)` with `d_j = counts_j / len`.
fn renyi_entropy(counts: &[u32], len: usize) -> f64 {
    let of_unit = |&count: &u32| {
        let duty = f64::from(count) / len.max(1) as f64;
        (duty * duty + (1.0 - duty) * (1.0 - duty)).log2().abs() // the logarithm is never above 0
    };
    counts.iter().map(of_unit).sum::<f64>() / counts.len() as f64
}

/// `h(p) = -p log2 p - (1 - p) log2 (1 - p)`, in bits; 0 at both ends.
fn binary_entropy(p: f64) -> f64 {
    let part = |p: f64| if p > 0.0 { -p * p.log2() } else { 0.0 };
    part(p) + part(1.0 - p)
}

/// How many pairs were looked at and how many of them match.
#[derive(Clone, Copy, Default)]
struct Matches {
    pairs: u64,
    matches: u64,
}

fn false_matches(codes: &SdrBatch, labels: Option<&[u32]>, threshold: usize) -> f64 {
    let len = codes.len();
    let count = |pairs: &mut dyn Iterator<Item = (usize, usize)>| {
        let mut found = Matches::default();
        for (a, b) in pairs.filter(|&(a, b)| labels.is_none_or(|l| l[a] != l[b])) {
            let overlap = codes.get(a).overlap(codes.get(b)).expect("codes of one batch");
            found.pairs += 1;
            found.matches += u64::from(overlap >= threshold);
        }
        found
    };
    let found: Vec<Matches> = if len * len.saturating_sub(1) / 2 <= MOST_PAIRS {
        (0..len).into_par_iter().map(|a| count(&mut (a + 1..len).map(|b| (a, b)))).collect()
    } else {
        let blocks = (MOST_PAIRS / PAIRS_A_BLOCK) as u64;
        (0..blocks).into_par_iter().map(|block| count(&mut drawn_pairs(len, block))).collect()
    };
    let pairs: u64 = found.iter().map(|found| found.pairs).sum();
    let matches: u64 = found.iter().map(|found| found.matches).sum();
    matches as f64 / pairs as f64
}

/// The pairs of two different codes that block `block` looks at.
fn drawn_pairs(len: usize, block: u64) -> impl Iterator<Item = (usize, usize)> {
    let mut rng = Rng::of_stream(SEED, block);
    (0..PAIRS_A_BLOCK).map(move |_| {
        let (a, b) = (rng.below(len), rng.below(len - 1));
        (a, b + usize::from(b >= a))
    })
}
