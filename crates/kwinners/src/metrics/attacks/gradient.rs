//! Attacks that climb the loss.

use std::sync::atomic::{AtomicBool, Ordering};

use super::Target;
use crate::encoder::Classify;
use crate::error::Result;
use crate::net::best;
use crate::rng::Rng;
use crate::rows::Rows;

/// Rows on their way up the loss.
pub(super) struct Climb<'a> {
    model: &'a dyn Classify,
    target: &'a Target<'a>,
    epsilon: f32,
    /// Whether a row is left alone once it is misread.
    stops: bool,
    /// The rows as far as they have come, `(len, width)`.
    examples: Vec<f32>,
    /// Those that are changed still, increasing.
    left: Vec<usize>,
}

impl<'a> Climb<'a> {
    /// Rows where they are; those that are misread already stay there, if rows stop at all.
    pub(super) fn new(
        model: &'a dyn Classify,
        target: &'a Target<'a>,
        epsilon: f32,
        stops: bool,
    ) -> Result<Self> {
        target.check()?;
        let mut left: Vec<usize> = (0..target.rows.len()).collect();
        if stops {
            let read = model.classify(target.rows)?;
            left.retain(|&row| read[row] == target.labels[row]);
        }
        let examples = target.rows.values().to_vec();
        Ok(Self { model, target, epsilon, stops, examples, left })
    }

    pub(super) fn epsilon(&self) -> f32 {
        self.epsilon
    }

    pub(super) fn into_examples(self) -> Vec<f32> {
        self.examples
    }

    /// Puts every row that is left anywhere within `ε` of where it was; the `start`-th time.
    pub(super) fn start_at_random(&mut self, start: u64) {
        let (target, epsilon) = (self.target, self.epsilon);
        let of_start = Rng::of_stream(target.seed, start).next_u64();
        for &row in &self.left {
            let mut rng = Rng::of_stream(of_start, row as u64);
            let width = target.rows.width();
            let to = &mut self.examples[row * width..][..width];
            for (value, &from) in to.iter_mut().zip(target.rows.row(row)) {
                let (low, high) = target.bounds(from, epsilon);
                *value = rng.between(low, high).clamp(low, high);
            }
        }
    }

    /// Takes `steps` steps, each value by `size`, up the sign of the slopes; then looks what is misread.
    pub(super) fn ascend(&mut self, steps: usize, size: f32) -> Result<()> {
        for _ in 0..steps {
            if self.left.is_empty() {
                return Ok(());
            }
            let (slopes, misread) = self.slopes()?;
            let width = self.target.rows.width();
            let slopes = slopes.chunks_exact(width).zip(&self.left).zip(&misread);
            for ((slopes, &row), &misread) in slopes {
                if misread && self.stops {
                    continue;
                }
                let from = self.target.rows.row(row);
                let to = &mut self.examples[row * width..][..width];
                for ((value, from), slope) in to.iter_mut().zip(from).zip(slopes) {
                    let (low, high) = self.target.bounds(*from, self.epsilon);
                    *value = (*value + size * sign(*slope)).clamp(low, high);
                }
            }
            self.drop_misread(&misread);
        }
        if self.stops {
            let read =
                self.model.classify(Rows::new(&self.gathered(), self.target.rows.width())?)?;
            let labels = self.target.labels;
            let wrong = self.left.iter().zip(read).map(|(&row, read)| read != labels[row]);
            let misread: Vec<bool> = wrong.collect();
            self.drop_misread(&misread);
        }
        Ok(())
    }

    fn drop_misread(&mut self, misread: &[bool]) {
        if self.stops {
            let mut misread = misread.iter();
            self.left.retain(|_| !*misread.next().expect("one a row"));
        }
    }

    /// The rows that are left, back to back.
    fn gathered(&self) -> Vec<f32> {
        let width = self.target.rows.width();
        self.left.iter().flat_map(|&row| &self.examples[row * width..][..width]).copied().collect()
    }

    /// For the rows that are left: slopes of the loss by their values, and whether they are misread.
    fn slopes(&self) -> Result<(Vec<f32>, Vec<bool>)> {
        let misread: Vec<AtomicBool> = self.left.iter().map(|_| AtomicBool::new(false)).collect();
        let weigh = |place: usize, scores: &mut [f32]| {
            let label = self.target.labels[self.left[place]] as usize;
            misread[place].store(best(scores) != label, Ordering::Relaxed);
            weigh_others(scores, label);
        };
        let rows = self.gathered();
        let slopes =
            self.model.input_slopes(Rows::new(&rows, self.target.rows.width())?, &weigh)?;
        Ok((slopes, misread.into_iter().map(AtomicBool::into_inner).collect()))
    }
}

/// Makes of scores the slopes by them of `-ln softmax(scores)[label]`, divided by the share of the other classes:
/// the softmax of the others, and -1 for the label.
fn weigh_others(scores: &mut [f32], label: usize) {
    if label >= scores.len() {
        scores.fill(0.0);
        return;
    }
    scores[label] = f32::NEG_INFINITY;
    let most = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let shares: Vec<f64> = scores.iter().map(|score| f64::from(score - most).exp()).collect();
    let sum: f64 = shares.iter().sum();
    scores.iter_mut().zip(shares).for_each(|(score, share)| *score = (share / sum) as f32);
    scores[label] = -1.0;
}

/// -1, 0 or 1; 0 stays 0, unlike in `signum`.
fn sign(value: f32) -> f32 {
    if value > 0.0 {
        1.0
    } else if value < 0.0 {
        -1.0
    } else {
        0.0
    }
}
