//! Clusters as bins.

use super::Sample;
use crate::kernel::product::product_transposed;
use crate::metrics::square_norm;
use crate::rng::Rng;
use crate::rows::Rows;

const CLUSTERS: usize = 20;

/// Rounds; most samples keep their cluster after a few.
const ROUNDS: usize = 20;

const SEED: u64 = 0x006B_6D65_616E_7300;

/// The cluster of each sample, by k-means from first centres that lie apart: Arthur and Vassilvitskii,
/// "k-means++: the advantages of careful seeding", 2007.
pub(super) fn clusters(sample: &Sample) -> Vec<u32> {
    let mut centres = first_centres(sample);
    let mut clusters = vec![0; sample.len()];
    for _ in 0..ROUNDS {
        let nearest = nearest_centres(sample, &centres);
        if nearest == clusters {
            break;
        }
        clusters = nearest;
        move_centres(sample, &clusters, &mut centres);
    }
    clusters
}

/// The first drawn at random, each other with a probability that grows with the square of its distance
/// to those before.
fn first_centres(sample: &Sample) -> Vec<f32> {
    let mut rng = Rng::new(SEED);
    let mut centres = sample.row(rng.below(sample.len())).to_vec();
    let mut distances = vec![f64::INFINITY; sample.len()];
    for _ in 1..CLUSTERS.min(sample.len()) {
        let newest = &centres[centres.len() - sample.width..];
        for (place, least) in distances.iter_mut().enumerate() {
            let pairs = sample.row(place).iter().zip(newest);
            let distance = pairs.map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>();
            *least = least.min(distance);
        }
        let mut left = f64::from(rng.uniform()) * distances.iter().sum::<f64>();
        let passed = distances.iter().position(|distance| {
            left -= distance;
            left < 0.0
        });
        centres.extend_from_slice(sample.row(passed.unwrap_or(sample.len() - 1)));
    }
    centres
}

/// `|a - b|² = |a|² + |b|² - 2 a·b`; the first is the same for all centres.
fn nearest_centres(sample: &Sample, centres: &[f32]) -> Vec<u32> {
    let centres = Rows::new(centres, sample.width).expect("whole rows");
    let squares: Vec<f32> = centres.iter().map(|centre| square_norm(centre) as f32).collect();
    let mut products = vec![0.0; sample.len() * centres.len()];
    product_transposed(sample.rows(), centres, &mut products);
    let nearest = |products: &[f32]| {
        let distance = |place: usize| squares[place] - 2.0 * products[place];
        (1..products.len()).fold(
            0,
            |best, place| {
                if distance(place) < distance(best) { place } else { best }
            },
        ) as u32
    };
    products.chunks_exact(centres.len()).map(nearest).collect()
}

/// To the mean of their samples; those without one stay.
fn move_centres(sample: &Sample, clusters: &[u32], centres: &mut [f32]) {
    let mut sums = vec![0.0f64; centres.len()];
    let mut counts = vec![0.0f64; centres.len() / sample.width];
    for (place, &cluster) in clusters.iter().enumerate() {
        counts[cluster as usize] += 1.0;
        let sum = &mut sums[cluster as usize * sample.width..][..sample.width];
        sum.iter_mut().zip(sample.row(place)).for_each(|(sum, &value)| *sum += f64::from(value));
    }
    for (place, (centre, sum)) in centres.iter_mut().zip(sums).enumerate() {
        let count = counts[place / sample.width];
        *centre = if count > 0.0 { (sum / count) as f32 } else { *centre };
    }
}
