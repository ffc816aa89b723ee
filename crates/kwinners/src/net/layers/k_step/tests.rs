//! The slopes of a k-step against differences in `f64` of the step that they are those of.
//!
//! The sigmoid and the ramp are differentiable but where two values at the threshold change places and, the ramp, at
//! its two corners; values drawn at random lie on neither. The surrogate's own step and the hard one are flat but for
//! jumps, so there is nothing to compare with: the surrogate's slopes are held against the sigmoid's differences, the
//! hard step's against the identity that they stand for.

use proptest::prelude::*;

use super::*;
use crate::rng::Rng;

const UNITS: usize = 17;

impl KStep {
    /// Biases and mean outputs of a layer that has learned for a few samples.
    pub(crate) fn disturb(&mut self, rng: &mut Rng) {
        let bias = (0..self.units).map(|_| rng.between(-0.2, 0.2)).collect();
        self.balance = Balance::from_parts(bias, 1.0).unwrap();
        self.activity.iter_mut().for_each(|mean| *mean = rng.uniform());
        self.samples = 20;
    }
}

/// What the step gives for `values` while learning, by its definition; the hard steps by what stands for them.
fn plain(layer: &KStep, values: &[f64]) -> Vec<f64> {
    let spec = layer.spec;
    let score = |unit: usize| {
        let mean = layer.activity.get(unit).copied().unwrap_or_default();
        let factor = (-f64::from(spec.scaling) * f64::from(mean)).exp();
        values[unit] * factor + f64::from(layer.balance.bias()[unit])
    };
    let scores: Vec<f64> = (0..UNITS).map(score).collect();
    let mut sorted = scores.clone();
    sorted.sort_by(|a, b| b.total_cmp(a));
    let threshold = 0.5 * (sorted[spec.winners - 1] + sorted[spec.winners]);
    let step = |score: f64| {
        let z = f64::from(spec.hardness) * (score - threshold);
        match spec.step {
            Step::Sigmoid | Step::Surrogate => 1.0 / (1.0 + (-z).exp()),
            Step::Relu6 => (z + 3.0).clamp(0.0, 6.0) / 6.0,
            Step::Hard => score,
        }
    };
    scores.into_iter().map(step).collect()
}

/// A layer of `spec`, three samples for it and slopes after it.
fn case(spec: KStepSpec, seed: u64) -> (KStep, Signal, Signal) {
    let mut rng = Rng::new(seed);
    let mut layer = KStep::new(UNITS, spec);
    layer.disturb(&mut rng);
    let mut draw = |_| {
        let mut signal = Signal::default();
        signal.resize(3, UNITS);
        signal.values.iter_mut().for_each(|value| *value = rng.normal());
        signal
    };
    (layer, draw(0), draw(1))
}

const LEARNING: Pass = Pass { training: true, key: 0, first: 0 };

proptest! {
    #[test]
    fn slopes_are_differences(
        (step, scaled, seed) in (0usize..4, any::<bool>(), 0u64..1000),
        winners in 1..UNITS,
    ) {
        let step = [Step::Sigmoid, Step::Relu6, Step::Surrogate, Step::Hard][step];
        let scaling = if scaled { 1.5 } else { 0.0 };
        let spec = KStepSpec { step, scaling, hardness: 2.5, ..KStepSpec::new(winners) };
        let (layer, input, slopes) = case(spec, seed);
        let (mut output, mut by_input) = (Signal::default(), Signal::default());
        let mut scratch = Scratch::default();
        layer.forward(&input, &mut output, &LEARNING, &mut scratch);
        let flow = Flow { input: &input, output: &output, slopes: &slopes };
        layer.backward(flow, &mut by_input, &LEARNING, &mut scratch);
        for sample in 0..input.len() {
            let values: Vec<f64> = input.sample(sample).iter().map(|x| f64::from(*x)).collect();
            let soft = plain(&layer, &values);
            for (unit, got) in output.sample(sample).iter().enumerate() {
                // Above the threshold is where the soft step is above a half.
                let expected = match step {
                    Step::Sigmoid | Step::Relu6 => soft[unit],
                    Step::Surrogate => f64::from(u8::from(soft[unit] > 0.5)),
                    Step::Hard => continue,
                };
                prop_assert!((f64::from(*got) - expected).abs() < 1e-5, "{unit}: {got}");
            }
            for unit in 0..UNITS {
                let moved = |by: f64| -> f64 {
                    let mut values = values.clone();
                    values[unit] += by;
                    let outputs = plain(&layer, &values);
                    let slopes = slopes.sample(sample).iter();
                    outputs.iter().zip(slopes).map(|(y, slope)| y * f64::from(*slope)).sum()
                };
                let expected = (moved(1e-6) - moved(-1e-6)) / 2e-6;
                let got = f64::from(by_input.sample(sample)[unit]);
                prop_assert!((got - expected).abs() < 2e-4, "{step:?} {unit}: {got} for {expected}");
            }
        }
    }
}

/// Synaptic scaling and balance change what competes while learning; a trained layer has the balance only.
#[test]
fn scaling_is_for_learning_only() {
    let spec = KStepSpec { scaling: 3.0, ..KStepSpec::new(4) };
    let (layer, input, _) = case(spec, 5);
    let (mut output, mut scratch) = (Signal::default(), Scratch::default());
    layer.forward(&input, &mut output, &Pass::INFERENCE, &mut scratch);
    for (sample, values) in output.values.chunks_exact(UNITS).enumerate() {
        let scores = input.sample(sample).iter().zip(layer.balance.bias());
        let mut scores: Vec<(f32, usize)> =
            scores.map(|(value, bias)| value + bias).zip(0..).collect();
        scores.sort_by(|a, b| b.0.total_cmp(&a.0));
        let winners: Vec<usize> = scores[..4].iter().map(|(_, unit)| *unit).collect();
        assert!((0..UNITS).all(|unit| values[unit] == f32::from(winners.contains(&unit))));
    }
}
