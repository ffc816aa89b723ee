//! Which classes are taken for which.

use serde::Serialize;

use super::{Classes, check_labels};
use crate::error::Result;

/// How often each class was taken for each.
///
/// ```
/// use kwinners::metrics::ConfusionMatrix;
/// let matrix = ConfusionMatrix::of(&[3, 9, 9, 9], &[3, 3, 9, 9])?;
/// assert_eq!(matrix.labels, [3, 9]);
/// assert_eq!(matrix.counts, [[1, 1], [0, 2]]); // one 3 was taken for a 9
/// assert_eq!(matrix.recalls(), [0.5, 1.0]);
/// assert_eq!(matrix.precisions()[1], 2.0 / 3.0);
/// # Ok::<(), kwinners::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ConfusionMatrix {
    /// The labels that occur, true or predicted, in order: `(classes,)`.
    pub labels: Vec<u32>,
    /// `(classes, classes)`: a row for each true class, in it how often each class was predicted.
    pub counts: Vec<Vec<u64>>,
}

impl ConfusionMatrix {
    /// The matrix of one prediction a label.
    ///
    /// # Errors
    /// If there are not as many predictions as labels.
    pub fn of(predicted: &[u32], labels: &[u32]) -> Result<Self> {
        check_labels(labels, predicted.len())?;
        let classes = Classes::of(&[predicted, labels].concat());
        let mut counts = vec![vec![0; classes.len()]; classes.len()];
        for (from, to) in classes.places(labels).into_iter().zip(classes.places(predicted)) {
            counts[from][to] += 1;
        }
        Ok(Self { labels: classes.labels, counts })
    }

    /// The share of each true class that was told right; NaN for a class that is only predicted.
    pub fn recalls(&self) -> Vec<f64> {
        let recall = |(class, row): (usize, &Vec<u64>)| share(row[class], row.iter().sum());
        self.counts.iter().enumerate().map(recall).collect()
    }

    /// The share of the predictions of each class that are right; NaN for a class never predicted.
    pub fn precisions(&self) -> Vec<f64> {
        let all = |class: usize| self.counts.iter().map(|row| row[class]).sum();
        (0..self.labels.len()).map(|class| share(self.counts[class][class], all(class))).collect()
    }

    /// Mean of [`ConfusionMatrix::recalls`] over the classes that occur: accuracy where all classes
    /// weigh the same. NaN where there is none.
    pub fn balanced_accuracy(&self) -> f64 {
        let recalls: Vec<f64> =
            self.recalls().into_iter().filter(|share| !share.is_nan()).collect();
        recalls.iter().sum::<f64>() / recalls.len() as f64
    }
}

fn share(part: u64, all: u64) -> f64 {
    part as f64 / all as f64
}
