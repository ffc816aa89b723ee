//! Networks against a plain evaluation in `f64`, and their gradients against its differences.

use proptest::prelude::*;

use super::layers::{BatchNorm, Convolve, Linear, plain_k_step};
use super::network::{Build, Network, Trace, cut};
use super::*;
use crate::kernel::vectors::hash;
use crate::rng::Rng;

/// A network in `f64`, evaluated by the definitions; winners and thresholds are found anew, unless they are
/// held.
struct Plain<'a> {
    network: &'a Network,
    /// One list of values a learned parameter, in the order of the layers.
    parameters: Vec<Vec<f64>>,
    key: u32,
    /// Thresholds of soft k-winners, in the order in which they are met.
    held: std::cell::RefCell<Vec<f64>>,
    /// What penalties added to the loss of the last pass, summed over its samples.
    penalty: std::cell::Cell<f64>,
}

impl<'a> Plain<'a> {
    fn new(network: &'a Network, key: u32) -> Self {
        let mut parameters = Vec::new();
        for layer in &network.layers {
            let mut layer = layer.clone();
            for learned in layer.learned() {
                parameters.push(learned.values().iter().map(|value| f64::from(*value)).collect());
            }
        }
        let (held, penalty) = Default::default();
        Self { network, parameters, key, held, penalty }
    }

    /// The mean loss of a batch of inputs, `(samples, size)`.
    fn loss(&self, inputs: &[f64], labels: &[u32], smooth: f64) -> f64 {
        let scores = self.scores(inputs, labels.len());
        let classes = scores.len() / labels.len();
        let mut loss = 0.0;
        for (scores, &label) in scores.chunks_exact(classes).zip(labels) {
            let sum: f64 = scores.iter().map(|score| score.exp()).sum();
            for (class, score) in scores.iter().enumerate() {
                let own = if class == label as usize { 1.0 - smooth } else { 0.0 };
                loss -= (own + smooth / classes as f64) * (score - sum.ln());
            }
        }
        (loss + self.penalty.get()) / labels.len() as f64
    }

    fn scores(&self, inputs: &[f64], samples: usize) -> Vec<f64> {
        let (mut values, mut next, mut soft) = (inputs.to_vec(), 0, 0);
        self.penalty.set(0.0);
        for (number, layer) in self.network.layers.iter().enumerate() {
            let (input, output) = (self.network.shapes[number], self.network.shapes[number + 1]);
            let size = input.size();
            let all = |one: &dyn Fn(&[f64]) -> Vec<f64>| -> Vec<f64> {
                values.chunks_exact(size).flat_map(one).collect()
            };
            values = match layer {
                Layer::Convolve(layer) => {
                    next += 2;
                    let (weights, bias) = (&self.parameters[next - 2], &self.parameters[next - 1]);
                    all(&|values| convolve(layer, values, weights, bias))
                }
                Layer::Linear(layer) => {
                    next += 2;
                    let weights = self.dense(layer, next - 2, number);
                    all(&|values| linear(layer, values, &weights, &self.parameters[next - 1]))
                }
                Layer::BatchNorm(layer) => batch_norm(layer, &values, input.channels),
                Layer::Pad(_) => all(&|values| pad(values, input, output)),
                Layer::MaxPool(_) => all(&|values| pool(values, input, output)),
                Layer::Activation(layers::Activation::Relu) => {
                    all(&|values| values.iter().map(|value| value.max(0.0)).collect())
                }
                Layer::Activation(layers::Activation::Tanh) => {
                    all(&|values| values.iter().map(|value| value.tanh()).collect())
                }
                Layer::Dropout(layer) => {
                    let key = hash(layer.number, self.key);
                    let limit = f64::from(layer.rate) * (1u64 << 32) as f64;
                    let scale = 1.0 / (1.0 - f64::from(layer.rate));
                    let keep = |place: usize| f64::from(hash(place as u32, key)) >= limit.floor();
                    let thin = |(place, value)| if keep(place) { value * scale } else { 0.0 };
                    values.iter().copied().enumerate().map(thin).collect()
                }
                Layer::KWinners(layer) => all(&|values| k_winners(layer, values)),
                Layer::KStep(layer) => {
                    next += usize::from(layer.learned.is_some());
                    let learned = layer.learned.as_ref().map(|_| &self.parameters[next - 1][..]);
                    all(&|values| plain_k_step(layer, learned.unwrap_or_default(), values))
                }
                Layer::Penalty(layer) => {
                    let (power, weight) = (f64::from(layer.power), f64::from(layer.weight));
                    let norm = |values: &[f64]| {
                        let sum = values.iter().map(|z| z.abs().powf(power)).sum::<f64>();
                        weight * sum.powf(1.0 / power) / size as f64
                    };
                    let added = values.chunks_exact(size).map(norm).sum::<f64>();
                    self.penalty.set(self.penalty.get() + added);
                    values
                }
                Layer::SoftKWinners(layer) => values
                    .chunks_exact(size)
                    .flat_map(|values| {
                        soft += 1;
                        let threshold = self.threshold(soft - 1, values, layer.winners);
                        let hardness = f64::from(layer.hardness);
                        values.iter().map(move |x| x / (1.0 + (-hardness * (x - threshold)).exp()))
                    })
                    .collect(),
            };
        }
        assert_eq!(values.len() % samples, 0);
        values
    }

    /// The threshold of the `number`-th soft layer and sample, found once.
    fn threshold(&self, number: usize, values: &[f64], winners: usize) -> f64 {
        let mut held = self.held.borrow_mut();
        if number == held.len() {
            let mut sorted = values.to_vec();
            sorted.sort_by(|a, b| b.total_cmp(a));
            held.push(0.5 * (sorted[winners - 1] + sorted[winners]));
        }
        held[number]
    }

    /// The weights of a linear layer, `(inputs, units)`, as the step sees them.
    fn dense(&self, layer: &Linear, parameter: usize, number: usize) -> Vec<f64> {
        let values = &self.parameters[parameter];
        let Some(pattern) = &layer.pattern else {
            let limit = f64::from(layer.drop_connect) * (1u64 << 32) as f64;
            let scale = 1.0 / (1.0 - f64::from(layer.drop_connect));
            let key = hash(number as u32, self.key);
            let keep = |place: usize| f64::from(hash(place as u32, key)) >= limit.floor();
            let thin = |(place, value)| if keep(place) { value * scale } else { 0.0 };
            return values.iter().copied().enumerate().map(thin).collect();
        };
        let mut dense = vec![0.0; layer.inputs * layer.units];
        for row in 0..layer.inputs {
            for (at, unit) in pattern.columns_of(row).enumerate() {
                dense[row * layer.units + unit] = values[pattern.start(row) + at];
            }
        }
        dense
    }
}

fn convolve(layer: &Convolve, values: &[f64], weights: &[f64], bias: &[f64]) -> Vec<f64> {
    let (shape, output) = (layer.windows, layer.output_shape());
    let taps = shape.kernel * shape.kernel * shape.channels;
    let mut out = Vec::new();
    for y in 0..output.height {
        for x in 0..output.width {
            for map in 0..shape.outputs {
                let mut sum = bias[map];
                for tap in 0..taps {
                    let (cell, channel) = (tap / shape.channels, tap % shape.channels);
                    let (row, column) = (y + cell / shape.kernel, x + cell % shape.kernel);
                    let at = (row * shape.input_width + column) * shape.channels + channel;
                    sum += weights[map * taps + tap] * values[at];
                }
                out.push(sum);
            }
        }
    }
    out
}

fn linear(layer: &Linear, values: &[f64], weights: &[f64], bias: &[f64]) -> Vec<f64> {
    let sum = |unit: usize| {
        let products = values.iter().enumerate();
        products.map(|(input, x)| x * weights[input * layer.units + unit]).sum::<f64>()
    };
    (0..layer.units).map(|unit| bias[unit] + sum(unit)).collect()
}

fn batch_norm(_: &BatchNorm, values: &[f64], channels: usize) -> Vec<f64> {
    let count = (values.len() / channels) as f64;
    let mut out = values.to_vec();
    for channel in 0..channels {
        let of_map = || values.iter().skip(channel).step_by(channels);
        let mean = of_map().sum::<f64>() / count;
        let variance = of_map().map(|value| (value - mean).powi(2)).sum::<f64>() / count;
        for value in out.iter_mut().skip(channel).step_by(channels) {
            *value = (*value - mean) / (variance + 1e-5).sqrt();
        }
    }
    out
}

fn pad(values: &[f64], input: MapShape, output: MapShape) -> Vec<f64> {
    let (margin, mut out) = ((output.width - input.width) / 2, vec![0.0; output.size()]);
    for (place, value) in values.iter().enumerate() {
        let (cell, channel) = (place / input.channels, place % input.channels);
        let (y, x) = (cell / input.width + margin, cell % input.width + margin);
        out[(y * output.width + x) * input.channels + channel] = *value;
    }
    out
}

fn pool(values: &[f64], input: MapShape, output: MapShape) -> Vec<f64> {
    let size = input.height / output.height;
    let mut out = vec![f64::NEG_INFINITY; output.size()];
    for (place, value) in values.iter().enumerate() {
        let (cell, channel) = (place / input.channels, place % input.channels);
        let (y, x) = (cell / input.width / size, cell % input.width / size);
        if y < output.height && x < output.width {
            let largest = &mut out[(y * output.width + x) * input.channels + channel];
            *largest = largest.max(*value);
        }
    }
    out
}

fn k_winners(layer: &layers::KWinnersLayer, values: &[f64]) -> Vec<f64> {
    let spec = layer.spec;
    let among = if spec.local { layer.shape.channels } else { values.len() };
    let k = spec.winners.min(among);
    let mut out = vec![0.0; values.len()];
    for (contest, values) in values.chunks_exact(among).enumerate() {
        let rank = |place: usize| {
            let duty = f64::from(layer.duty.values()[place % layer.shape.channels]);
            values[place] * (f64::from(layer.boost()) * (k as f64 / among as f64 - duty)).exp()
        };
        let mut order: Vec<usize> = (0..among).collect();
        order.sort_by(|&a, &b| rank(b).total_cmp(&rank(a)));
        for &place in &order[..k] {
            let cut = spec.relu || k == among;
            let value = if cut { values[place].max(0.0) } else { values[place] };
            out[contest * among + place] = value;
        }
    }
    out
}

const NETWORKS: [&str; 24] = [
    "linear 7, linear 3",
    "relu, linear 9 density=0.4, k-winners 4, linear 3",
    "conv 4 3, pool 2, k-winners 20, linear 3",
    "conv 4 3 density=0.5, k-winners 30, pool 2, conv 17 2, relu, linear 3",
    "conv 5 2, pool 2, k-winners 13, conv 18 2, k-winners 9 relu, linear 20 density=0.3, k-winners 6, linear 3",
    "pad 2, conv 3 3, tanh, pool 3, linear 3",
    "conv 3 3, k-winners 1 local, pad 1, conv 16 2, k-winners 1000, linear 3",
    "conv 3 3, batch-norm, pool 2, k-winners 9, linear 8, batch-norm, k-winners 3, linear 3",
    "linear 12, batch-norm, relu, linear 3",
    "conv 3 3, batch-norm, k-winners 40, pool 2, conv 5 2, batch-norm, relu, linear 3",
    "dropout 0.3, linear 9, relu, dropout 0.5, linear 3",
    "conv 3 3, pool 2, k-winners 8, dropout 0.3, linear 9 drop-connect=0.4, tanh, linear 3",
    "linear 9, soft-k-winners 3 hardness=2, linear 3",
    "conv 3 3, relu, pool 2, soft-k-winners 5 hardness=3, conv 4 2, relu, linear 3",
    "linear 9, relu, linear 12, k-step 3, linear 3",
    "linear 12, batch-norm, k-step 4 relu6 hardness=9, linear 3",
    "conv 4 3, relu, linear 12, k-step 3 hardness=4, dropout 0.2, linear 3",
    "linear 9, relu, linear 12, k-step 3 scaling=2 balance=0.3, linear 3",
    "linear 12, batch-norm, k-step 4 relu6 hardness=5 scaling=1, linear 3",
    "linear 9, relu, linear 12, k-step 4 learned balance=0.3, linear 3",
    "conv 3 3, pool 2, k-step 7 predicted, linear 12, k-step 4 learned relu6 hardness=3, linear 3",
    "linear 12, batch-norm, k-step 5 predicted least=2 scaling=1 hardness=3, linear 3",
    "linear 12, tanh, penalty 2, linear 12, k-step 3, penalty 5, linear 3",
    "conv 4 3, pool 2, k-winners 20, penalty 3 power=2, linear 12, penalty 1 power=1.5, linear 3",
];

/// A network of `spec` with duty cycles that differ, and a batch for it.
struct Case {
    network: Network,
    inputs: Vec<f32>,
    labels: Vec<u32>,
    traces: Vec<Trace>,
}

const SAMPLES: usize = 6;
const KEY: u32 = 0x1234_5678;
const INPUT: MapShape = MapShape { height: 7, width: 6, channels: 2 };

fn case(spec: &str, seed: u64) -> Case {
    let spec: NetworkSpec = spec.parse().unwrap();
    let optimiser = Optimiser::Sgd { momentum: 0.0 };
    let build = Build { first: FirstValues::Kaiming, optimiser, boost: 1.5, period: 100, seed };
    let mut network = Network::new(&spec, INPUT, &build).unwrap();
    let mut rng = Rng::new(seed);
    for layer in &mut network.layers {
        if let Layer::KStep(layer) = layer {
            layer.disturb(&mut rng);
        }
        if let Layer::KWinners(layer) = layer {
            let duty = (0..layer.shape.channels).map(|_| rng.uniform()).collect();
            layer.restore(duty, 100).unwrap();
        }
    }
    let inputs: Vec<f32> = (0..SAMPLES * INPUT.size()).map(|_| rng.between(-1.0, 1.0)).collect();
    let labels = (0..SAMPLES).map(|_| rng.below(3) as u32).collect();
    let mut traces = Vec::new();
    let block = cut(&mut traces, SAMPLES, MAPS_A_BLOCK);
    for (trace, values) in traces.iter_mut().zip(inputs.chunks(block * INPUT.size())) {
        let samples = values.len() / INPUT.size();
        trace.input(samples, INPUT.size()).values.copy_from_slice(values);
    }
    Case { network, inputs, labels, traces }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Scores, loss, and the slope by every kind of parameter and by the inputs, against differences in
    /// `f64`.
    #[test]
    fn gradients_are_differences(number in 0..NETWORKS.len(), seed in 0u64..1000) {
        let spec = NETWORKS[number];
        let Case { network, inputs, labels, mut traces } = case(spec, seed);
        let mut learner = network.clone();
        let target = Target::Softmax { smooth: 0.1 };
        let outcome = learner.gradients(&mut traces, (&labels, target), KEY);

        let inputs: Vec<f64> = inputs.iter().map(|value| f64::from(*value)).collect();
        let mut plain = Plain::new(&network, KEY);
        let loss = plain.loss(&inputs, &labels, 0.1);
        prop_assert!((loss - outcome.loss / SAMPLES as f64).abs() < 1e-4, "{spec}: {loss}");
        let gradients: Vec<Vec<f32>> = learner
            .layers
            .iter_mut()
            .flat_map(|layer| layer.learned())
            .map(|learned| learned.gradient.clone())
            .collect();
        let kept: Vec<Vec<bool>> = learner
            .layers
            .iter_mut()
            .flat_map(|layer| layer.learned())
            .map(|learned| learned.kept.clone())
            .collect();
        let mut rng = Rng::new(seed);
        for (parameter, gradient) in gradients.iter().enumerate() {
            for _ in 0..8 {
                let place = rng.below(gradient.len());
                if kept[parameter].get(place) == Some(&false) {
                    continue;
                }
                let mut moved = |by: f64| {
                    plain.parameters[parameter][place] += by;
                    let loss = plain.loss(&inputs, &labels, 0.1);
                    plain.parameters[parameter][place] -= by;
                    loss
                };
                let expected = (moved(1e-6) - moved(-1e-6)) / 2e-6;
                let got = f64::from(gradient[place]);
                prop_assert!(
                    (got - expected).abs() < 2e-5 + 1e-3 * expected.abs(),
                    "{spec}: parameter {parameter}, place {place}: {got} for {expected}"
                );
            }
        }
    }

    /// Slopes of a trained network by its inputs, which attacks follow, against differences.
    #[test]
    fn input_slopes_are_differences(seed in 0u64..1000, number in 0usize..4) {
        let specs = [
            "relu, linear 9 density=0.4, relu, linear 3",
            "conv 4 3, pool 2, k-winners 20, linear 3",
            "conv 4 3, k-winners 30, pool 2, conv 17 2, relu, linear 3",
            "pad 1, conv 3 3, tanh, pool 3, linear 3",
        ];
        let Case { network, inputs, labels, mut traces } = case(specs[number], seed);
        let inputs: Vec<f64> = inputs.iter().map(|value| f64::from(*value)).collect();
        let plain = Plain::new(&network, KEY);
        let trace = &mut traces[0];
        let samples = trace.len();
        network.input_slopes(trace, |sample, scores| {
            loss::softmax_slope(scores, labels[sample] as usize, 0.0, 1.0);
        });
        let slopes = &trace.slopes[0].values;
        let inputs = &inputs[..samples * INPUT.size()];
        let mut rng = Rng::new(seed);
        for _ in 0..20 {
            let place = rng.below(inputs.len());
            let moved = |by: f64| {
                let mut inputs = inputs.to_vec();
                inputs[place] += by;
                samples as f64 * plain.loss(&inputs, &labels[..samples], 0.0)
            };
            let expected = (moved(1e-6) - moved(-1e-6)) / 2e-6;
            let got = f64::from(slopes[place]);
            prop_assert!((got - expected).abs() < 2e-5 + 1e-3 * expected.abs(), "{got} for {expected}");
        }
    }
}

/// Weights that were dropped stay at zero whatever the optimiser, and the others learn.
#[test]
fn dropped_weights_stay_zero() {
    let Case { network, labels, mut traces, .. } = case(NETWORKS[3], 3);
    let mut learner = network.clone();
    let rules = [
        Optimiser::Nesterov { momentum: 0.9 },
        Optimiser::AmsGrad { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 },
    ];
    for optimiser in rules {
        for layer in &mut learner.layers {
            for learned in layer.learned() {
                learned.parameter = Parameter::new(learned.values().to_vec(), &optimiser);
            }
        }
        let target = Target::Softmax { smooth: 0.0 };
        let mut losses = Vec::new();
        for step in 1..=40 {
            let how = Move { optimiser, rate: 0.01, step, decay: 1e-4 };
            losses.push(learner.gradients(&mut traces, (&labels, target), KEY).loss);
            learner.step(&how);
        }
        assert!(losses[39] < 0.8 * losses[0], "{losses:?}");
    }
    let Layer::Convolve(layer) = &mut learner.layers[0] else { panic!("a convolution") };
    let zero = layer.weights.values().iter().filter(|weight| **weight == 0.0).count();
    assert_eq!(zero, 4 * 9, "half of 18 taps of each of 4 filters");
}

/// A signal that is listed holds zeros everywhere else, pass after pass.
#[test]
fn lists_are_true() {
    let Case { mut network, inputs, mut traces, .. } = case(NETWORKS[4], 5);
    let mut rng = Rng::new(9);
    for pass in 0..3 {
        network.forward(&mut traces, pass);
        for signal in traces.iter().flat_map(|trace| &trace.signals) {
            for sample in 0..signal.len() {
                let Some(active) = signal.active_of(sample) else { continue };
                assert!(active.is_sorted());
                let listed = active.iter().filter(|p| signal.sample(sample)[**p as usize] != 0.0);
                let nonzero = signal.sample(sample).iter().filter(|value| **value != 0.0).count();
                assert_eq!(listed.count(), nonzero);
            }
        }
        for value in &mut traces[0].signals[0].values {
            *value = inputs[rng.below(inputs.len())];
        }
    }
}
