//! Estimates of mutual information on data whose information is known.

mod common;

use common::with_threads;
use kwinners::metrics::{
    Estimator, Features, Related, code_information, information, mutual_information,
};
use kwinners::{Rng, Rows, SdrBatch};

fn view(values: &[f32], width: usize) -> Rows<'_> {
    Rows::new(values, width).unwrap()
}

/// Pairs of numbers of this correlation, and the bits that they share.
fn correlated(len: usize, correlation: f32, seed: u64) -> (Vec<f32>, Vec<f32>, f64) {
    let mut rng = Rng::new(seed);
    let x: Vec<f32> = (0..len).map(|_| rng.normal()).collect();
    let rest = (1.0 - correlation * correlation).sqrt();
    let y = x.iter().map(|x| correlation * x + rest * rng.normal()).collect();
    (x, y, -0.5 * (1.0 - f64::from(correlation).powi(2)).log2())
}

/// How far below and above the truth each estimator may lie.
fn bounds(estimator: Estimator) -> (f64, f64) {
    match estimator {
        Estimator::KMeans => (0.3, 0.05),
        Estimator::Mine => (0.2, 0.2),
        _ => (0.1, 0.1),
    }
}

fn assert_near(estimator: Estimator, bits: f64, truth: f64) {
    let (below, above) = bounds(estimator);
    assert!(
        (truth - below..=truth + above).contains(&bits),
        "{estimator:?}: {bits} where {truth} is true"
    );
}

#[test]
fn gaussians_share_what_their_correlation_says() {
    for correlation in [0.5, 0.9] {
        let (x, y, truth) = correlated(3000, correlation, 3);
        for estimator in Estimator::ALL {
            let y = Related::Rows(view(&y, 1));
            let bits = mutual_information(view(&x, 1), y, estimator).unwrap();
            assert_near(estimator, bits, truth);
        }
    }
}

#[test]
fn strangers_share_nothing() {
    let (x, ..) = correlated(3000, 0.5, 5);
    let (y, ..) = correlated(3000, 0.5, 6);
    let mut rng = Rng::new(7);
    let labels: Vec<u32> = (0..3000).map(|_| rng.below(10) as u32).collect();
    for estimator in Estimator::ALL {
        for y in [Related::Rows(view(&y, 1)), Related::Labels(&labels)] {
            let bits = mutual_information(view(&x, 1), y, estimator).unwrap();
            assert!(bits.abs() < 0.1, "{estimator:?}: {bits}");
        }
    }
}

/// Ten classes told apart share `log2 10` bits with what tells them.
#[test]
fn ten_classes_that_lie_apart_share_all_their_bits() {
    let mut rng = Rng::new(8);
    let labels: Vec<u32> = (0..4000).map(|row| row % 10).collect();
    let mut answers = Vec::new();
    for &label in &labels {
        let scores: Vec<f32> = (0..10)
            .map(|class| if class == label { 6.0 } else { 0.0 } + 0.5 * rng.normal())
            .map(f32::exp)
            .collect();
        let sum: f32 = scores.iter().sum();
        answers.extend(scores.iter().map(|score| score / sum));
    }
    for estimator in Estimator::ALL {
        let y = Related::Labels(&labels);
        let bits = mutual_information(view(&answers, 10), y, estimator).unwrap();
        assert_near(estimator, bits, 10f64.log2());
    }
}

/// What lies in one direction of many is found there.
#[test]
fn directions_without_variance_change_nothing() {
    let (x, y, truth) = correlated(3000, 0.9, 9);
    let mut rng = Rng::new(10);
    let direction: Vec<f32> = (0..300).map(|_| rng.normal()).collect();
    let wide: Vec<f32> = x.iter().flat_map(|x| direction.iter().map(move |d| x * d)).collect();
    for estimator in Estimator::ALL {
        let y = Related::Rows(view(&y, 1));
        let bits = mutual_information(view(&wide, 300), y, estimator).unwrap();
        assert_near(estimator, bits, truth);
    }
}

#[test]
fn counting_is_exact_where_codes_repeat() {
    let mut rng = Rng::new(11);
    let kinds: Vec<u32> = (0..8000).map(|_| rng.below(8) as u32).collect();
    let labels: Vec<u32> = kinds.iter().map(|kind| kind / 2).collect();
    let indices = kinds.iter().flat_map(|kind| [*kind, 8 + kind]).collect();
    let codes = SdrBatch::from_exact(16, 2, indices).unwrap();
    let bits = code_information(&codes, &labels).unwrap().unwrap();
    assert!((bits.x_t - 3.0).abs() < 0.01 && (bits.t_y - 2.0).abs() < 0.01, "{bits:?}");
    let places: Vec<usize> = (0..30).collect();
    assert_eq!(code_information(&codes.select(&places), &labels[..30]).unwrap(), None);
    // The estimators see the same bits in the codes as vectors.
    let inputs: Vec<f32> = kinds.iter().map(|kind| *kind as f32).collect();
    let seen = information(view(&inputs, 1), Features::Codes(&codes), &labels, Estimator::KMeans);
    let seen = seen.unwrap();
    assert!((seen.x_t - 3.0).abs() < 0.1 && (seen.t_y - 2.0).abs() < 0.1, "{seen:?}");
}

#[test]
fn threads_change_nothing() {
    let (x, y, _) = correlated(500, 0.7, 12);
    for estimator in Estimator::ALL {
        let estimate =
            || mutual_information(view(&x, 1), Related::Rows(view(&y, 1)), estimator).unwrap();
        assert_eq!(with_threads(1, estimate), with_threads(3, estimate), "{estimator:?}");
    }
}

#[test]
fn what_can_not_be_estimated_is_refused() {
    let (x, y, _) = correlated(100, 0.5, 13);
    let estimate = |x: &[f32], y: &[f32]| {
        let y = Related::Rows(view(y, 1));
        mutual_information(view(x, 1), y, Estimator::Kraskov)
    };
    assert!(estimate(&x, &y).is_ok());
    assert!(estimate(&x[..60], &y).is_err());
    assert!(estimate(&x[..20], &y[..20]).is_err());
    assert!(estimate(&[f32::NAN; 100], &y).is_err());
    assert!(mutual_information(view(&x, 1), Related::Labels(&[1; 99]), Estimator::KMeans).is_err());
    assert!(
        information(view(&x, 1), Features::Rows(view(&y, 1)), &[1; 3], Estimator::Mine).is_err()
    );
}
