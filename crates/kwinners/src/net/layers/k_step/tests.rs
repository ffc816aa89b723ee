//! The slopes of a k-step against differences in `f64` of the step that they are those of.
//!
//! The sigmoid and the ramp are differentiable but where two values at the threshold change places and, the ramp, at
//! its two corners; values drawn at random lie on neither. The surrogate's own step and the hard one are flat but for
//! jumps, so there is nothing to compare with: the surrogate's slopes are held against the sigmoid's differences, the
//! hard step's against the identity that they stand for.

use proptest::prelude::*;

use super::*;
use crate::net::normal_quantile;
use crate::rng::Rng;

const UNITS: usize = 17;

impl KStep {
    /// Biases, mean outputs and learned numbers of a layer that has learned for a few samples.
    pub(crate) fn disturb(&mut self, rng: &mut Rng) {
        let bias = (0..self.units).map(|_| rng.between(-0.2, 0.2)).collect();
        self.balance = Balance::from_parts(bias, 1.0).unwrap();
        self.activity.iter_mut().for_each(|mean| *mean = rng.uniform());
        self.samples = 20;
        if let Some(learned) = &mut self.learned {
            let values = (0..self.units).map(|_| rng.between(-0.3, 0.3)).collect();
            *learned = Learned::new(values, &Optimiser::Sgd { momentum: 0.0 });
        }
    }
}

/// What the step gives for `values` while learning, by its definition, its threshold found anew; the hard steps by what
/// stands for them. `learned` are the thresholds, or what predicts the number of winners.
pub(crate) fn plain_k_step(layer: &KStep, learned: &[f64], values: &[f64]) -> Vec<f64> {
    let (spec, count) = (layer.spec, values.len() as f64);
    let score = |unit: usize| {
        let mean = layer.activity.get(unit).copied().unwrap_or_default();
        let factor = (-f64::from(spec.scaling) * f64::from(mean)).exp();
        values[unit] * factor + f64::from(layer.balance.bias()[unit])
    };
    let scores: Vec<f64> = (0..values.len()).map(score).collect();
    let thresholds = match spec.threshold {
        Threshold::Between => {
            let mut sorted = scores.clone();
            sorted.sort_by(|a, b| b.total_cmp(a));
            vec![0.5 * (sorted[spec.winners - 1] + sorted[spec.winners]); scores.len()]
        }
        Threshold::Learned => learned.to_vec(),
        Threshold::Predicted { least } => {
            let mean = scores.iter().sum::<f64>() / count;
            let squares = scores.iter().map(|score| (score - mean).powi(2)).sum::<f64>();
            let activation: f64 = scores.iter().zip(learned).map(|(v, w)| v * w).sum();
            let number = (spec.winners as f64 / (1.0 + (-activation).exp())).max(least as f64);
            let quantile = normal_quantile(1.0 - number / count);
            vec![mean + (squares / (count - 1.0)).sqrt() * quantile; scores.len()]
        }
    };
    let step = |(score, threshold): (&f64, &f64)| {
        let z = f64::from(spec.hardness) * (score - threshold);
        match spec.step {
            Step::Sigmoid | Step::Surrogate => 1.0 / (1.0 + (-z).exp()),
            Step::Relu6 => (z + 3.0).clamp(0.0, 6.0) / 6.0,
            Step::Hard if spec.threshold == Threshold::Between => *score,
            Step::Hard => score - threshold,
        }
    };
    scores.iter().zip(&thresholds).map(step).collect()
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

const LEARNING: Pass = Pass { training: true, key: 0, first: 0, samples: 3 };

proptest! {
    #[test]
    fn slopes_are_differences(
        (step, threshold, scaled) in (0usize..4, 0usize..4, any::<bool>()),
        (winners, seed) in (1..UNITS, 0u64..1000),
    ) {
        let step = [Step::Sigmoid, Step::Relu6, Step::Surrogate, Step::Hard][step];
        let threshold = [
            Threshold::Between,
            Threshold::Learned,
            Threshold::Predicted { least: 1 },
            Threshold::Predicted { least: winners },
        ][threshold];
        let scaling = if scaled { 1.5 } else { 0.0 };
        let spec = KStepSpec { threshold, step, scaling, hardness: 2.5, ..KStepSpec::new(winners) };
        let (layer, input, slopes) = case(spec, seed);
        let (mut output, mut by_input) = (Signal::default(), Signal::default());
        let mut scratch = Scratch::default();
        layer.forward(&input, &mut output, &LEARNING, &mut scratch);
        let flow = Flow { input: &input, output: &output, slopes: &slopes };
        layer.backward(flow, &mut by_input, &LEARNING, &mut scratch);
        let numbers = layer.learned.as_ref().map_or(&[][..], Learned::values);
        let numbers: Vec<f64> = numbers.iter().map(|number| f64::from(*number)).collect();
        for sample in 0..input.len() {
            let values: Vec<f64> = input.sample(sample).iter().map(|x| f64::from(*x)).collect();
            let soft = plain_k_step(&layer, &numbers, &values);
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
                    let outputs = plain_k_step(&layer, &numbers, &values);
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

/// What is learned of the step: by differences, whatever the step.
#[test]
fn slopes_by_what_is_learned_are_differences() {
    for threshold in [Threshold::Learned, Threshold::Predicted { least: 2 }] {
        for step in [Step::Sigmoid, Step::Relu6, Step::Surrogate, Step::Hard] {
            let spec = KStepSpec { threshold, step, scaling: 0.7, ..KStepSpec::new(9) };
            let (mut layer, input, slopes) = case(spec, 3);
            let (mut output, mut scratch) = (Signal::default(), Scratch::default());
            layer.forward(&input, &mut output, &LEARNING, &mut scratch);
            layer.gather(&[Flow { input: &input, output: &output, slopes: &slopes }]);
            let learned = layer.learned.clone().unwrap();
            let numbers: Vec<f64> = learned.values().iter().map(|n| f64::from(*n)).collect();
            for place in 0..UNITS {
                let moved = |by: f64| -> f64 {
                    let mut numbers = numbers.clone();
                    numbers[place] += by;
                    let values: Vec<f64> = input.values.iter().map(|x| f64::from(*x)).collect();
                    let outputs = values.chunks(UNITS);
                    let outputs = outputs.flat_map(|x| plain_k_step(&layer, &numbers, x));
                    outputs.zip(&slopes.values).map(|(y, slope)| y * f64::from(*slope)).sum()
                };
                let expected = (moved(1e-6) - moved(-1e-6)) / 2e-6;
                let got = f64::from(learned.gradient[place]);
                let near = (got - expected).abs() < 5e-4;
                assert!(near, "{threshold:?} {step:?} {place}: {got} for {expected}");
            }
        }
    }
}

/// Hard steps have as many ones as they should: while learning all that lie above the threshold, afterwards exactly `k`,
/// the nearest whole number to what is predicted.
#[test]
fn trained_layers_have_whole_numbers_of_winners() {
    for threshold in [Threshold::Between, Threshold::Learned, Threshold::Predicted { least: 2 }] {
        let spec = KStepSpec { threshold, step: Step::Hard, ..KStepSpec::new(6) };
        let (layer, input, _) = case(spec, 11);
        let (mut output, mut scratch) = (Signal::default(), Scratch::default());
        layer.forward(&input, &mut output, &Pass::INFERENCE, &mut scratch);
        for sample in 0..input.len() {
            layer.scores(input.sample(sample), false, &mut scratch.values);
            let expected = match threshold {
                Threshold::Predicted { .. } => {
                    layer.predict(&scratch.values, (2, 6)).number.round() as usize
                }
                _ => 6,
            };
            let on = output.sample(sample).iter().filter(|value| **value == 1.0);
            let on = on.count();
            assert_eq!((on, output.active_of(sample).unwrap().len()), (expected, expected));
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
