//! Information as the bound that a network reaches which tells pairs from strangers.

use std::f64::consts::LN_2;

use rayon::prelude::*;

use super::Sample;
use crate::error::Result;
use crate::net::{
    Build, FirstValues, LayerSpec, MapShape, Move, Network, NetworkSpec, Optimiser, Signal, Trace,
    VECTORS_A_BLOCK, cut,
};
use crate::rng::Rng;

/// Units of the hidden layers.
const HIDDEN: [usize; 2] = [100, 50];

/// Pairs of a step, and as many strangers.
const PAIRS: usize = 256;

/// Steps, and after how many the rate is halved and the bound looked at.
const STEPS: u64 = 1500;
const STEPS_A_LOOK: u64 = 300;

const RATE: f32 = 1e-3;
const DECAY: f32 = 1e-5;

/// Strangers that each sample is put beside when the bound is looked at.
const STRANGERS: usize = 32;

const SEED: u64 = 0x6D69_6E65;

/// `mean(T(pairs)) - ln(mean(e^T(strangers)))` in bits on a third of the samples, by a `T` learned on the
/// others: a bound of the information from below, whatever `T` is (Donsker and Varadhan).
pub(super) fn bound(x: &Sample, y: &Sample) -> Result<f64> {
    let mut order: Vec<usize> = (0..x.len()).collect();
    let mut rng = Rng::new(SEED);
    rng.shuffle(&mut order);
    let (held_out, learned) = order.split_at(x.len() / 3);
    let mut judge = Judge::new(x, y)?;
    let mut best = 0.0f64;
    for step in 1..=STEPS {
        let drawn: Vec<usize> = (0..PAIRS).map(|_| learned[rng.below(learned.len())]).collect();
        let rate = RATE * 0.5f32.powi(((step - 1) / STEPS_A_LOOK) as i32);
        judge.learn(&drawn, rate, step);
        if step % STEPS_A_LOOK == 0 {
            best = best.max(judge.bound(held_out));
        }
    }
    Ok(best / LN_2)
}

/// The network, and what it is shown.
struct Judge<'a> {
    x: &'a Sample,
    y: &'a Sample,
    network: Network,
    traces: Vec<Trace>,
}

impl<'a> Judge<'a> {
    fn new(x: &'a Sample, y: &'a Sample) -> Result<Self> {
        let linear = |units| LayerSpec::Linear { units, density: 1.0, drop_connect: 0.0 };
        let [first, second] = HIDDEN.map(linear);
        let layers = vec![first, LayerSpec::Relu, second, LayerSpec::Relu, linear(1)];
        let build = Build {
            first: FirstValues::Kaiming,
            optimiser: Optimiser::ADAM,
            boost: 0.0,
            period: 1,
            seed: SEED,
        };
        let shape = MapShape::flat(x.width + y.width);
        let network = Network::new(&NetworkSpec::new(layers), shape, &build)?;
        Ok(Self { x, y, network, traces: Vec::new() })
    }

    /// One step up the bound on `pairs`; strangers are each sample's `x` and the next one's `y`.
    fn learn(&mut self, pairs: &[usize], rate: f32, step: u64) {
        let strangers = pairs.iter().zip(pairs.iter().cycle().skip(1));
        let shown: Vec<(usize, usize)> = pairs
            .iter()
            .map(|&sample| (sample, sample))
            .chain(strangers.map(|(&a, &b)| (a, b)))
            .collect();
        self.show(&shown);
        self.network.prepare(step as u32);
        self.network.forward(&mut self.traces, step as u32);
        let last = self.network.layers.len();
        let answers: Vec<f32> =
            self.traces.iter().flat_map(|trace| &trace.signals[last].values).copied().collect();
        let mut slopes = slopes(&answers, pairs.len()).into_iter();
        for trace in &mut self.traces {
            trace.slopes.resize_with(last + 1, Signal::default);
            let count = trace.signals[last].len();
            trace.slopes[last].resize(count, 1);
            trace.slopes[last].values.fill_with(|| slopes.next().expect("one an answer"));
        }
        self.network.backward(&mut self.traces, step as u32);
        self.network.gather(&self.traces);
        self.network.step(&Move { optimiser: Optimiser::ADAM, rate, step, decay: DECAY });
    }

    /// The bound on samples, in nats.
    fn bound(&mut self, samples: &[usize]) -> f64 {
        let pairs: Vec<(usize, usize)> = samples.iter().map(|&sample| (sample, sample)).collect();
        let answers = self.answers(&pairs);
        let mean = answers.iter().map(|&answer| f64::from(answer)).sum::<f64>();
        let mut strangers = Vec::new();
        for far in (1..=STRANGERS).map(|turn| (turn * samples.len() / (STRANGERS + 1)).max(1)) {
            let turned = samples.iter().cycle().skip(far);
            let pairs: Vec<_> = samples.iter().zip(turned).map(|(&a, &b)| (a, b)).collect();
            strangers.extend(self.answers(&pairs));
        }
        mean / samples.len() as f64 - log_mean_exp(&strangers)
    }

    fn answers(&mut self, pairs: &[(usize, usize)]) -> Vec<f32> {
        self.show(pairs);
        let last = self.network.layers.len();
        let network = &self.network;
        self.traces.par_iter_mut().for_each(|trace| network.infer(trace, last));
        self.traces.iter().flat_map(|trace| &trace.signals[last].values).copied().collect()
    }

    /// Fills the traces with the `x` and the `y` of each pair, side by side.
    fn show(&mut self, pairs: &[(usize, usize)]) {
        let block = cut(&mut self.traces, pairs.len(), VECTORS_A_BLOCK);
        for (trace, pairs) in self.traces.iter_mut().zip(pairs.chunks(block)) {
            let input = trace.input(pairs.len(), self.x.width + self.y.width);
            for (place, &(x, y)) in pairs.iter().enumerate() {
                let (left, right) = input.sample_mut(place).split_at_mut(self.x.width);
                left.copy_from_slice(self.x.row(x));
                right.copy_from_slice(self.y.row(y));
            }
        }
    }
}

/// Slopes of minus the bound by the answers, first those to pairs: `-1 / pairs`, and for strangers the
/// softmax of their answers.
fn slopes(answers: &[f32], pairs: usize) -> Vec<f32> {
    let (_, strangers) = answers.split_at(pairs);
    let log_sum = log_mean_exp(strangers) + (strangers.len() as f64).ln();
    let of_stranger = |&answer: &f32| (f64::from(answer) - log_sum).exp() as f32;
    let of_pairs = std::iter::repeat_n(-1.0 / pairs as f32, pairs);
    of_pairs.chain(strangers.iter().map(of_stranger)).collect()
}

fn log_mean_exp(values: &[f32]) -> f64 {
    let most = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = values.iter().map(|&value| f64::from(value - most).exp()).sum();
    (sum / values.len() as f64).ln() + f64::from(most)
}
