//! Batch normalisation of every map.

use super::weights::Learned;
use super::{Flow, LayerState, Pass};
use crate::error::{Error, Result};
use crate::net::{Optimiser, Signal};

const EPSILON: f32 = 1e-5;
/// Weight of a new batch in the running averages.
const SHARE: f32 = 0.1;

/// `y = (x - mean) / sqrt(variance + ε) · scale + shift`, map by map; mean and variance are those of the batch
/// while learning, running averages after.
///
/// Source: Ioffe and Szegedy, "Batch normalization", 2015, algorithms 1 and 2.
#[derive(Clone, Debug)]
pub(crate) struct BatchNorm {
    channels: usize,
    /// Factor and term, where they are learned.
    affine: Option<[Learned; 2]>,
    /// Running averages of mean and variance (of the whole, not of the sample).
    pub(crate) mean: Vec<f32>,
    pub(crate) variance: Vec<f32>,
    batch: Statistics,
}

/// What a batch is like, map by map.
#[derive(Clone, Debug, Default)]
struct Statistics {
    /// Values a map.
    count: f64,
    mean: Vec<f32>,
    variance: Vec<f32>,
    /// Mean slope, and mean of slope times normalised value.
    slope: Vec<f32>,
    slope_value: Vec<f32>,
}

impl BatchNorm {
    pub(crate) fn new(channels: usize, affine: bool, optimiser: &Optimiser) -> Self {
        let learned = |value: f32| Learned::new(vec![value; channels], optimiser);
        Self {
            channels,
            affine: affine.then(|| [learned(1.0), learned(0.0)]),
            mean: vec![0.0; channels],
            variance: vec![1.0; channels],
            batch: Statistics::default(),
        }
    }

    pub(crate) fn is_affine(&self) -> bool {
        self.affine.is_some()
    }

    pub(crate) fn learned(&mut self) -> Vec<&mut Learned> {
        self.affine.iter_mut().flatten().collect()
    }

    /// What a file has to keep.
    pub(super) fn save(&self) -> Vec<Vec<f32>> {
        let mut floats = vec![self.mean.clone(), self.variance.clone()];
        self.affine.iter().flatten().for_each(|learned| floats.extend(learned.save()));
        floats
    }

    /// Takes saved averages and factors.
    pub(super) fn restore(&mut self, state: &mut LayerState, optimiser: &Optimiser) -> Result<()> {
        let (mean, variance) = (state.take()?, state.take()?);
        for values in [&mean, &variance] {
            if values.len() != self.channels || values.iter().any(|value| !value.is_finite()) {
                let expected = format!("{} finite numbers", self.channels);
                return Err(Error::shape("batch-norm averages", expected, values.len()));
            }
        }
        if let Some(value) = variance.iter().find(|value| **value < 0.0) {
            return Err(Error::shape("batch-norm variance", "0 or more", value));
        }
        (self.mean, self.variance) = (mean, variance);
        for learned in self.affine.iter_mut().flatten() {
            learned.restore(self.channels, optimiser, state)?;
        }
        Ok(())
    }

    /// Takes mean and variance of a batch, in `f64` and in the order of its samples.
    pub(crate) fn measure(&mut self, blocks: &[&Signal]) {
        let mut mean = vec![0.0f64; self.channels];
        let mut count = 0;
        for values in blocks.iter().flat_map(|block| block.values.chunks_exact(self.channels)) {
            mean.iter_mut().zip(values).for_each(|(sum, value)| *sum += f64::from(*value));
            count += 1;
        }
        mean.iter_mut().for_each(|mean| *mean /= f64::from(count.max(1)));
        let mut variance = vec![0.0f64; self.channels];
        for values in blocks.iter().flat_map(|block| block.values.chunks_exact(self.channels)) {
            for (sum, (value, mean)) in variance.iter_mut().zip(values.iter().zip(&mean)) {
                *sum += (f64::from(*value) - mean).powi(2);
            }
        }
        let share = 1.0 / f64::from(count.max(1));
        self.batch.count = f64::from(count);
        self.batch.mean = mean.into_iter().map(|mean| mean as f32).collect();
        self.batch.variance = variance.into_iter().map(|sum| (sum * share) as f32).collect();
    }

    /// Takes the batch at hand into the running averages.
    pub(crate) fn observe(&mut self) {
        let unbiased = (self.batch.count / (self.batch.count - 1.0).max(1.0)) as f32;
        for (mean, new) in self.mean.iter_mut().zip(&self.batch.mean) {
            *mean += SHARE * (new - *mean);
        }
        for (variance, new) in self.variance.iter_mut().zip(&self.batch.variance) {
            *variance += SHARE * (new * unbiased - *variance);
        }
    }

    /// `1 / sqrt(variance + ε)` of each map.
    fn inverse(variance: &[f32]) -> Vec<f32> {
        variance.iter().map(|variance| 1.0 / (variance + EPSILON).sqrt()).collect()
    }

    fn moments(&self, training: bool) -> (&[f32], Vec<f32>) {
        match training {
            true => (&self.batch.mean, Self::inverse(&self.batch.variance)),
            false => (&self.mean, Self::inverse(&self.variance)),
        }
    }

    pub(crate) fn forward(&self, input: &Signal, output: &mut Signal, pass: &Pass) {
        output.resize(input.len(), input.size);
        let (mean, mut factor) = self.moments(pass.training);
        let mut term = vec![0.0; self.channels];
        if let Some([scale, shift]) = &self.affine {
            factor.iter_mut().zip(scale.values()).for_each(|(factor, scale)| *factor *= scale);
            term.copy_from_slice(shift.values());
        }
        for ((term, mean), factor) in term.iter_mut().zip(mean).zip(&factor) {
            *term -= mean * factor;
        }
        let places = input.values.chunks_exact(self.channels);
        for (out, values) in output.values.chunks_exact_mut(self.channels).zip(places) {
            for channel in 0..self.channels {
                out[channel] = values[channel] * factor[channel] + term[channel];
            }
        }
    }

    /// Takes what the slopes of a batch are like; comes before [`BatchNorm::backward`].
    pub(crate) fn measure_slopes(&mut self, flows: &[Flow<'_>]) {
        let inverse = Self::inverse(&self.batch.variance);
        let (mut slope, mut product) = (vec![0.0f64; self.channels], vec![0.0f64; self.channels]);
        for flow in flows {
            let values = flow.input.values.chunks_exact(self.channels);
            for (slopes, values) in flow.slopes.values.chunks_exact(self.channels).zip(values) {
                for channel in 0..self.channels {
                    let normal = (values[channel] - self.batch.mean[channel]) * inverse[channel];
                    slope[channel] += f64::from(slopes[channel]);
                    product[channel] += f64::from(slopes[channel]) * f64::from(normal);
                }
            }
        }
        let share = 1.0 / self.batch.count.max(1.0);
        self.batch.slope = slope.iter().map(|sum| (sum * share) as f32).collect();
        self.batch.slope_value = product.iter().map(|sum| (sum * share) as f32).collect();
    }

    /// `dx = scale · inverse · (g - mean g - x̂ · mean(g · x̂))`, from [`BatchNorm::measure_slopes`]; of a
    /// trained network just `scale · inverse · g`.
    pub(crate) fn backward(&self, flow: Flow<'_>, input_slopes: &mut Signal, pass: &Pass) {
        input_slopes.resize(flow.input.len(), flow.input.size);
        if !pass.training {
            let (_, mut factor) = self.moments(false);
            if let Some([scale, _]) = &self.affine {
                factor.iter_mut().zip(scale.values()).for_each(|(factor, scale)| *factor *= scale);
            }
            let pairs = input_slopes.values.iter_mut().zip(&flow.slopes.values);
            let factors = factor.iter().cycle();
            pairs.zip(factors).for_each(|((to, slope), factor)| *to = slope * factor);
            return;
        }
        let inverse = Self::inverse(&self.batch.variance);
        let scale = self.affine.as_ref().map(|[scale, _]| scale.values());
        let values = flow.input.values.chunks_exact(self.channels);
        let slopes = flow.slopes.values.chunks_exact(self.channels).zip(values);
        for (to, (slopes, values)) in
            input_slopes.values.chunks_exact_mut(self.channels).zip(slopes)
        {
            for channel in 0..self.channels {
                let normal = (values[channel] - self.batch.mean[channel]) * inverse[channel];
                let centred = slopes[channel]
                    - self.batch.slope[channel]
                    - normal * self.batch.slope_value[channel];
                to[channel] =
                    centred * inverse[channel] * scale.map_or(1.0, |scale| scale[channel]);
            }
        }
    }

    /// The slopes by factor and term, from [`BatchNorm::measure_slopes`].
    pub(crate) fn gather(&mut self, _flows: &[Flow<'_>]) {
        let count = self.batch.count as f32;
        if let Some([scale, shift]) = &mut self.affine {
            for channel in 0..self.channels {
                scale.gradient[channel] += count * self.batch.slope_value[channel];
                shift.gradient[channel] += count * self.batch.slope[channel];
            }
        }
    }
}
