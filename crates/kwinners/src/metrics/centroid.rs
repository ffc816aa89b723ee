//! The nearest class centroid.

use super::{Classes, accuracy, check_labels};
use crate::error::{Error, Result};
use crate::sdr::SdrBatch;

/// Share of the `test` codes whose nearest class centroid is that of their own class.
///
/// The centroid of a class is the mean of its `train` codes; nearest is by cosine, ties to the lower
/// label. Cost: `O(classes · (n + test · k))`.
///
/// Source: the prediction rule of EmbedderSDR (class centroid accuracy).
///
/// ```
/// use kwinners::{SdrBatch, metrics::centroid_accuracy};
/// let train = SdrBatch::from_exact(8, 2, vec![0, 1, 0, 2, 5, 6, 5, 7])?;
/// let test = SdrBatch::from_exact(8, 2, vec![1, 2, 6, 7])?;
/// assert_eq!(centroid_accuracy(&train, &[3, 3, 9, 9], &test, &[3, 9])?, 1.0);
/// # Ok::<(), kwinners::Error>(())
/// ```
///
/// # Errors
/// If the two batches differ in units, there is no training code, or not one label a code.
pub fn centroid_accuracy(
    train: &SdrBatch,
    train_labels: &[u32],
    test: &SdrBatch,
    test_labels: &[u32],
) -> Result<f64> {
    check_labels(train_labels, train.len())?;
    check_labels(test_labels, test.len())?;
    if train.is_empty() || train.units() != test.units() {
        let expected = format!("at least 1 of {} units", test.units());
        let got = format!("{} of {} units", train.len(), train.units());
        return Err(Error::shape("training codes", expected, got));
    }
    let classes = Classes::of(train_labels);
    let centroids = unit_centroids(train, &classes.places(train_labels), classes.len());
    let nearest = |indices: &[u32]| {
        let score = |class: usize| -> f64 {
            let centroid = &centroids[class * train.units()..][..train.units()];
            indices.iter().map(|&index| centroid[index as usize]).sum()
        };
        let first = (0.0, 0); // no score is negative: equal scores leave the lower label
        let (_, class) = (0..classes.len())
            .map(|class| (score(class), class))
            .fold(first, |best, next| if next.0 > best.0 { next } else { best });
        classes.label(class)
    };
    let predicted: Vec<u32> = test.iter().map(|code| nearest(code.indices())).collect();
    accuracy(&predicted, test_labels)
}

/// The mean code of each class, scaled to length 1: `(classes, n)`.
fn unit_centroids(codes: &SdrBatch, places: &[usize], classes: usize) -> Vec<f64> {
    let mut centroids = vec![0.0; classes * codes.units()];
    for (code, &class) in codes.iter().zip(places) {
        for &index in code.indices() {
            centroids[class * codes.units() + index as usize] += 1.0;
        }
    }
    for centroid in centroids.chunks_exact_mut(codes.units()) {
        let norm = centroid.iter().map(|value| value * value).sum::<f64>().sqrt();
        if norm > 0.0 {
            centroid.iter_mut().for_each(|value| *value /= norm);
        }
    }
    centroids
}
