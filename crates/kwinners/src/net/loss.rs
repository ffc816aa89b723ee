//! Losses of reconstructions.

/// How far an output `r` is from its target `x`, a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// `Σ (r - x)² / width`.
    MeanSquared,
    /// `Σ (r - x)²`.
    SumSquared,
    /// `-Σ x ln r + (1 - x) ln (1 - r)` with `r` the sigmoid of the output, for targets from 0 to 1.
    CrossEntropy,
}

impl Loss {
    /// Turns outputs of a layer into the slope of the loss by them, for a batch of `samples` over
    /// which the loss is a mean; `outputs` and `targets` are `(width,)`. Returns the loss a value,
    /// summed: squared errors or cross-entropy, whatever the factors.
    pub(crate) fn slope(self, targets: &[f32], outputs: &mut [f32], samples: usize) -> f64 {
        let scale = self.scale(targets.len(), samples);
        match self {
            Self::MeanSquared | Self::SumSquared => squared(targets, outputs, scale),
            Self::CrossEntropy => cross_entropy(targets, outputs, scale),
        }
    }

    /// What an error `r - x` is multiplied by in [`Loss::slope`].
    pub(crate) fn scale(self, width: usize, samples: usize) -> f32 {
        match self {
            Self::MeanSquared => 2.0 / (samples as f32 * width as f32),
            Self::SumSquared => 2.0 / samples as f32,
            Self::CrossEntropy => 1.0 / samples as f32,
        }
    }

    /// Turns outputs of the last layer into what they stand for.
    pub(crate) fn finish(self, outputs: &mut [f32]) {
        if self == Self::CrossEntropy {
            (crate::kernel::table().sigmoid)(outputs);
        }
    }
}

/// Turns the scores of one sample's classes into the slope of `-ln p[label]`, `p = softmax(scores)`, times
/// `scale`; returns that loss. With `smooth` above 0 the target is `1 - smooth` for the label and
/// `smooth` shared by all classes.
pub(crate) fn softmax_slope(scores: &mut [f32], label: usize, smooth: f32, scale: f32) -> f64 {
    let most = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = scores.iter().map(|score| f64::from(score - most).exp()).sum();
    let log_sum = f64::from(most) + sum.ln();
    let (even, mut loss) = (f64::from(smooth) / scores.len() as f64, 0.0);
    for (class, score) in scores.iter_mut().enumerate() {
        let target = even + if class == label { 1.0 - f64::from(smooth) } else { 0.0 };
        let log_share = f64::from(*score) - log_sum;
        loss -= target * log_share;
        *score = scale * (log_share.exp() - target) as f32;
    }
    loss
}

/// Sums in sixteen lanes.
fn squared(targets: &[f32], outputs: &mut [f32], factor: f32) -> f64 {
    let mut sums = [0.0f32; 16];
    let ((targets, targets_rest), (outputs, outputs_rest)) =
        (targets.as_chunks::<16>(), outputs.as_chunks_mut::<16>());
    for (targets, outputs) in targets.iter().zip(outputs) {
        for lane in 0..16 {
            let error = outputs[lane] - targets[lane];
            sums[lane] += error * error;
            outputs[lane] = factor * error;
        }
    }
    let mut rest = 0.0;
    for (target, output) in targets_rest.iter().zip(outputs_rest) {
        let error = *output - target;
        rest += error * error;
        *output = factor * error;
    }
    f64::from(sums.iter().sum::<f32>() + rest)
}

/// By `ln(1 + e^-|a|) + max(a, 0) - a x`, which no output `a` overflows.
fn cross_entropy(targets: &[f32], outputs: &mut [f32], factor: f32) -> f64 {
    let mut sum = 0.0;
    for (target, output) in targets.iter().zip(outputs.iter()) {
        let smooth = (-output.abs()).exp().ln_1p();
        sum += f64::from(smooth + output.max(0.0) - output * target);
    }
    (crate::kernel::table().sigmoid)(outputs);
    for (target, output) in targets.iter().zip(outputs) {
        *output = factor * (*output - target);
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The slopes are those of the losses, by differences.
    #[test]
    fn slopes_are_differences() {
        let targets: Vec<f32> = (0..19).map(|place| place as f32 / 18.0).collect();
        let outputs: Vec<f32> = (0..19).map(|place| (place * 7 % 19) as f32 / 6.0 - 1.5).collect();
        let scaled = |loss: Loss, outputs: &[f32]| {
            let sum = loss.slope(&targets, &mut outputs.to_vec(), 3) / 3.0;
            if loss == Loss::MeanSquared { sum / 19.0 } else { sum }
        };
        for loss in [Loss::MeanSquared, Loss::SumSquared, Loss::CrossEntropy] {
            let mut slopes = outputs.clone();
            loss.slope(&targets, &mut slopes, 3);
            for place in 0..19 {
                let moved = |by: f32| {
                    let mut outputs = outputs.clone();
                    outputs[place] += by;
                    scaled(loss, &outputs)
                };
                let expected = (moved(0.01) - moved(-0.01)) / 0.02;
                assert!((f64::from(slopes[place]) - expected).abs() < 1e-3, "{loss:?} {place}");
            }
        }
    }
}
