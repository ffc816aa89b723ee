//! How many units two codes share.

use crate::error::{Error, Result};
use crate::metrics::sample_of_each_class;
use crate::sdr::{SdrBatch, match_probability};

/// Samples of each class whose pairs are counted, where there are not many classes.
const SAMPLES_A_CLASS: usize = 50;
/// Most samples whose pairs are counted.
const MOST_SAMPLES: usize = 1000;

/// How many units two codes share: at place `o` the share of the pairs that share `o` units.
///
/// Each list has `most + 1` places, where `most` is the size of the largest code drawn.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct OverlapHistogram {
    /// Pairs of the same class; absent without labels, and where no class has two codes.
    pub within: Option<Vec<f64>>,
    /// Pairs of different classes; without labels any two codes.
    pub between: Vec<f64>,
    /// Two random codes of this size, `C(k, o) · C(n - k, k - o) / C(n, k)`.
    pub random: Vec<f64>,
}

/// Counts how many units the codes of up to 50 samples a class, at most 1,000 samples, share pair by
/// pair; without labels those of up to 1,000 samples, evenly chosen.
///
/// Cost: half a million overlaps.
///
/// ```
/// use kwinners::{SdrBatch, report::overlap_histogram};
/// let codes = SdrBatch::from_exact(8, 2, vec![0, 1, 0, 2, 5, 6])?;
/// let shared = overlap_histogram(&codes, Some(&[0, 0, 1]))?;
/// assert_eq!(shared.within, Some(vec![0.0, 1.0, 0.0]));
/// assert_eq!(shared.between, [1.0, 0.0, 0.0]);
/// # Ok::<(), kwinners::Error>(())
/// ```
///
/// # Errors
/// If there is not one label a code.
pub fn overlap_histogram(codes: &SdrBatch, labels: Option<&[u32]>) -> Result<OverlapHistogram> {
    let places = match labels {
        Some(labels) => {
            if labels.len() != codes.len() {
                let expected = format!("{}, one a code", codes.len());
                return Err(Error::shape("labels", expected, labels.len()));
            }
            let classes = labels.iter().max().map_or(1, |&last| last as usize + 1);
            let per_class = (MOST_SAMPLES / classes).clamp(2, SAMPLES_A_CLASS);
            sample_of_each_class(labels, per_class, 0)
        }
        None => {
            let count = codes.len().min(MOST_SAMPLES);
            (0..count).map(|place| place * codes.len() / count).collect()
        }
    };
    let most = places.iter().map(|&place| codes.get(place).count()).max().unwrap_or(0);
    let (mut within, mut between) = (vec![0_u64; most + 1], vec![0_u64; most + 1]);
    for (rank, &a) in places.iter().enumerate() {
        for &b in &places[rank + 1..] {
            let shared = codes.get(a).overlap(codes.get(b))?;
            let same = labels.is_some_and(|labels| labels[a] == labels[b]);
            (if same { &mut within } else { &mut between })[shared] += 1;
        }
    }
    let tail = |least: usize| match_probability(codes.units(), most, most, least);
    Ok(OverlapHistogram {
        within: within.iter().any(|&pairs| pairs > 0).then(|| shares(&within)),
        between: shares(&between),
        random: (0..=most).map(|shared| (tail(shared) - tail(shared + 1)).max(0.0)).collect(),
    })
}

fn shares(pairs: &[u64]) -> Vec<f64> {
    let all = pairs.iter().sum::<u64>().max(1);
    pairs.iter().map(|&pairs| pairs as f64 / all as f64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    #[test]
    fn random_codes_share_as_the_theory_says() {
        let mut rng = Rng::new(3);
        let codes: Vec<u32> = (0..600).flat_map(|_| rng.distinct(12, 120)).collect();
        let codes = SdrBatch::from_exact(120, 12, codes).unwrap();
        let shared = overlap_histogram(&codes, None).unwrap();
        assert_eq!(shared.within, None);
        let sum = |shares: &[f64]| shares.iter().sum::<f64>();
        assert!((sum(&shared.between) - 1.0).abs() < 1e-9);
        assert!((sum(&shared.random) - 1.0).abs() < 1e-9);
        // 179,700 pairs: a share of 0.3 has a standard deviation of 0.001.
        let far = shared.between.iter().zip(&shared.random).map(|(a, b)| (a - b).abs());
        assert!(far.fold(0.0, f64::max) < 0.008);
    }
}
