//! Codes as points of a plane, near where they share many units.

use rayon::prelude::*;

use crate::rng::Rng;
use crate::sdr::SdrBatch;

/// Neighbours that a point is placed by, roughly.
const PERPLEXITY: f64 = 30.0;
/// Steps of the descent.
const STEPS: usize = 500;
/// Steps at first in which attraction is exaggerated, and by how much.
const EXAGGERATED: (usize, f64) = (125, 12.0);

/// The places of `codes` on a map, by t-SNE of their Hamming distances: `(len, 2)`, near each other where codes
/// share many units. Distances between far groups, their sizes and the axes mean nothing.
///
/// Exact, not approximated, and the same for the same codes whatever the number of threads. The
/// start is random with a fixed seed. Cost: `500 · len²` time, `16 · len²` bytes: for some hundreds
/// of codes.
///
/// Source: van der Maaten and Hinton, "Visualizing Data using t-SNE", 2008.
pub fn neighbour_map(codes: &SdrBatch) -> Vec<[f64; 2]> {
    let len = codes.len();
    let wanted = affinities(codes);
    let mut rng = Rng::new(0);
    let mut draw = || f64::from(rng.normal()) * 1e-2;
    let mut points: Vec<[f64; 2]> = (0..len).map(|_| [draw(), draw()]).collect();
    let mut speeds = vec![[0.0; 2]; len];
    let mut gains = vec![[1.0_f64; 2]; len];
    for step in 0..STEPS {
        let (exaggeration, momentum) = match step < EXAGGERATED.0 {
            true => (EXAGGERATED.1, 0.5),
            false => (1.0, 0.8),
        };
        let rate = (len as f64 / EXAGGERATED.1).max(20.0);
        for (point, slope) in slopes(&points, &wanted, exaggeration).into_iter().enumerate() {
            for axis in 0..2 {
                let (speed, gain) = (&mut speeds[point][axis], &mut gains[point][axis]);
                let against = (slope[axis] > 0.0) != (*speed > 0.0);
                *gain = if against { *gain + 0.2 } else { (*gain * 0.8).max(0.01) };
                *speed = momentum * *speed - rate * *gain * slope[axis];
                points[point][axis] += *speed;
            }
        }
    }
    points
}

/// How near each two codes should be: symmetric, summing to 1, `(len, len)`.
fn affinities(codes: &SdrBatch) -> Vec<f64> {
    let len = codes.len();
    let perplexity = PERPLEXITY.min((len as f64 - 1.0) / 3.0).max(1.0);
    let mut one_way = vec![0.0; len * len];
    one_way.par_chunks_exact_mut(len.max(1)).enumerate().for_each(|(a, row)| {
        let of = |b: usize| {
            let (a, b) = (codes.get(a), codes.get(b));
            (a.count() + b.count() - 2 * a.overlap(b).expect("codes of one batch")) as f64
        };
        let distances: Vec<f64> = (0..len).map(of).collect();
        conditional(&distances, a, perplexity.ln(), row);
    });
    let both = |place: usize| one_way[place] + one_way[place % len * len + place / len];
    (0..len * len).map(|place| (both(place) / (2 * len) as f64).max(1e-12)).collect()
}

/// Fills `row` with the chances that point `own` picks each other one: a Gaussian as wide as gives
/// the wanted entropy, found by bisection.
fn conditional(distances: &[f64], own: usize, entropy: f64, row: &mut [f64]) {
    let nearest = distances.iter().enumerate().filter(|&(other, _)| other != own);
    let nearest = nearest.map(|(_, &distance)| distance).fold(f64::INFINITY, f64::min);
    let (mut low, mut high, mut width) = (0.0, f64::INFINITY, 1.0);
    for _ in 0..60 {
        let (mut sum, mut weighted) = (0.0, 0.0);
        for (other, &distance) in distances.iter().enumerate() {
            let far = distance - nearest;
            row[other] = if other == own { 0.0 } else { (-far * width).exp() };
            sum += row[other];
            weighted += far * row[other];
        }
        let found = f64::ln(sum) + width * weighted / sum;
        row.iter_mut().for_each(|chance| *chance /= sum);
        if (found - entropy).abs() < 1e-5 {
            return;
        }
        *(if found > entropy { &mut low } else { &mut high }) = width;
        width = if high.is_finite() { f64::midpoint(low, high) } else { width * 2.0 };
    }
}

/// The slopes of the divergence by every point's place.
fn slopes(points: &[[f64; 2]], wanted: &[f64], exaggeration: f64) -> Vec<[f64; 2]> {
    let len = points.len();
    let closeness = |a: usize, b: usize| {
        let (x, y) = (points[a][0] - points[b][0], points[a][1] - points[b][1]);
        1.0 / (1.0 + x * x + y * y)
    };
    let sums: Vec<f64> = (0..len)
        .into_par_iter()
        .map(|a| (0..len).filter(|&b| b != a).map(|b| closeness(a, b)).sum())
        .collect();
    let all: f64 = sums.iter().sum::<f64>().max(f64::MIN_POSITIVE);
    let of = |a: usize| {
        let mut slope = [0.0; 2];
        for b in (0..len).filter(|&b| b != a) {
            let close = closeness(a, b);
            let pull = 4.0 * (exaggeration * wanted[a * len + b] - close / all) * close;
            for axis in 0..2 {
                slope[axis] += pull * (points[a][axis] - points[b][axis]);
            }
        }
        slope
    };
    (0..len).into_par_iter().map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_that_share_units_lie_together() {
        // Two groups of codes, each from its own half of the units.
        let mut rng = Rng::new(5);
        let mut codes = SdrBatch::new(80).unwrap();
        for code in 0..80 {
            let first = if code < 40 { 0 } else { 40 };
            let units: Vec<u32> = rng.distinct(8, 40).iter().map(|unit| unit + first).collect();
            codes.push(&units).unwrap();
        }
        let points = neighbour_map(&codes);
        assert_eq!(points, neighbour_map(&codes));
        let distance = |a: usize, b: usize| {
            let (x, y) = (points[a][0] - points[b][0], points[a][1] - points[b][1]);
            x.hypot(y)
        };
        let nearest = |a: usize| {
            let others = (0..80).filter(|&b| b != a);
            others.min_by(|&b, &c| distance(a, b).total_cmp(&distance(a, c))).expect("another")
        };
        assert!((0..80).all(|a| (a < 40) == (nearest(a) < 40)));
    }

    #[test]
    fn few_codes_are_no_trouble() {
        assert!(neighbour_map(&SdrBatch::new(4).unwrap()).is_empty());
        let one = SdrBatch::from_exact(4, 1, vec![2]).unwrap();
        assert!(neighbour_map(&one).iter().flatten().all(|place| place.is_finite()));
        let equal = SdrBatch::from_exact(4, 1, vec![2, 2, 2]).unwrap();
        assert!(neighbour_map(&equal).iter().flatten().all(|place| place.is_finite()));
    }
}
