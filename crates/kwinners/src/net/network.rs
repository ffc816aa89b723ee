//! A network at work: blocks of a batch pass all layers on their own, and meet where a layer needs the
//! whole batch and where gradients are added up.

use rayon::prelude::*;

use super::layers::{
    Activation, BatchNorm, Convolve, Dropout, Flow, KStep, KWinnersLayer, Layer, Linear, MaxPool,
    Move, Pad, Pass, Penalty, Scratch, SoftKWinners,
};
use super::loss::softmax_slope;
use super::{FirstValues, LayerSpec, Loss, MapShape, NetworkSpec, Optimiser, Signal};
use crate::error::Result;
use crate::kernel::vectors::hash;
use crate::rng::Rng;

/// Most samples of a block, of maps and of vectors, and blocks of a small batch; fixed, so that results don't depend
/// on threads. Maps should stay in the cache; products of vectors want many.
pub(crate) const MAPS_A_BLOCK: usize = 16;
pub(crate) const VECTORS_A_BLOCK: usize = 64;
const FEWEST_BLOCKS: usize = 4;

/// What a new network is made with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Build {
    pub(crate) first: FirstValues,
    pub(crate) optimiser: Optimiser,
    /// Boost strength and period of the duty cycles.
    pub(crate) boost: f32,
    pub(crate) period: u64,
    pub(crate) seed: u64,
}

/// What the last layer's values are to be.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Target {
    /// `-ln softmax(scores)[label]`, the labels smoothed by this share.
    Softmax { smooth: f32 },
    /// A loss against 1 for the label and 0 for all other classes.
    OneHot(Loss),
}

/// What a step came to, summed over its samples.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Outcome {
    pub(crate) loss: f64,
    pub(crate) correct: usize,
}

/// A network: layers, and the shape of a sample before each and after the last.
#[derive(Clone, Debug)]
pub(crate) struct Network {
    pub(crate) layers: Vec<Layer>,
    pub(crate) shapes: Vec<MapShape>,
}

/// One block of a batch on its way: what is before each layer and after the last, and the slopes there.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trace {
    pub(crate) signals: Vec<Signal>,
    pub(crate) slopes: Vec<Signal>,
    /// Number of the first sample in the batch.
    first: usize,
    pub(crate) scratch: Scratch,
}

impl Network {
    /// The network of `spec` for inputs of `input`, its first weights drawn.
    pub(crate) fn new(spec: &NetworkSpec, input: MapShape, build: &Build) -> Result<Self> {
        let mut network = Self::empty(spec, input, build)?;
        for (number, layer) in network.layers.iter_mut().enumerate() {
            let mut rng = Rng::of_stream(build.seed, LAYER_STREAMS + number as u64);
            match layer {
                Layer::Convolve(layer) => layer.draw(build.first, &build.optimiser, &mut rng),
                Layer::Linear(layer) => layer.draw(build.first, &build.optimiser, &mut rng),
                Layer::KStep(layer) => layer.draw(&build.optimiser, &mut rng),
                _ => {}
            }
        }
        Ok(network)
    }

    /// The network of `spec` without weights, each layer to be restored.
    pub(crate) fn empty(spec: &NetworkSpec, input: MapShape, build: &Build) -> Result<Self> {
        let shapes = spec.shapes(input)?;
        let layers = spec.layers().iter().enumerate();
        let layers = layers.map(|(number, layer)| {
            make_layer(layer, (shapes[number], shapes[number + 1]), build, number)
        });
        Ok(Self { layers: layers.collect::<Result<_>>()?, shapes })
    }

    /// Takes a block of a trained network from its input to layer `until`, not included.
    pub(crate) fn infer(&self, trace: &mut Trace, until: usize) {
        trace.forward(&self.layers, 0..until, &Pass::INFERENCE);
    }

    /// Takes a block of a trained network from before layer `first` to its output.
    pub(crate) fn infer_from(&self, trace: &mut Trace, first: usize) {
        trace.forward(&self.layers, first..self.layers.len(), &Pass::INFERENCE);
    }

    /// The gradient of a batch whose traces hold their inputs: forward, loss, backward;
    /// then layers take note of it.
    pub(crate) fn gradients(
        &mut self,
        traces: &mut [Trace],
        (labels, target): (&[u32], Target),
        key: u32,
    ) -> Outcome {
        self.prepare(key);
        self.forward(traces, key);
        let mut outcome = self.set_slopes(traces, labels, target);
        outcome.loss += self.penalty(traces);
        self.backward(traces, key);
        self.gather(traces);
        self.observe(traces);
        outcome
    }

    /// [`Network::gradients`] of a loss of all outputs of the batch together, `(samples, size)`: `loss` makes their
    /// slopes of them. `all` is room for them.
    pub(crate) fn gradients_of<T>(
        &mut self,
        traces: &mut [Trace],
        key: u32,
        (all, loss): (&mut Vec<f32>, impl FnOnce(&mut Vec<f32>) -> T),
    ) -> T {
        self.prepare(key);
        self.forward(traces, key);
        let last = self.layers.len();
        all.clear();
        traces.iter().for_each(|trace| all.extend_from_slice(&trace.signals[last].values));
        let outcome = loss(all);
        let mut rest = all.as_slice();
        for trace in traces.iter_mut() {
            trace.slopes.resize_with(last + 1, Signal::default);
            let (samples, size) = (trace.signals[last].len(), trace.signals[last].size);
            let (slopes, other) = rest.split_at(samples * size);
            trace.slopes[last].resize(samples, size);
            trace.slopes[last].values.copy_from_slice(slopes);
            rest = other;
        }
        self.backward(traces, key);
        self.gather(traces);
        self.observe(traces);
        outcome
    }

    /// Follows the gradient.
    pub(crate) fn step(&mut self, how: &Move) {
        self.step_from(0, how);
    }

    /// Follows the gradient from layer `first` on; the layers before it stay as they are.
    pub(crate) fn step_from(&mut self, first: usize, how: &Move) {
        let (frozen, learning) = self.layers.split_at_mut(first);
        for layer in frozen {
            layer.learned().into_iter().for_each(|learned| learned.gradient.fill(0.0));
        }
        for layer in learning {
            layer.learned().into_iter().for_each(|learned| learned.step(how));
        }
        self.refresh();
    }

    /// Lets what is derived from weights follow them.
    pub(crate) fn refresh(&mut self) {
        for layer in &mut self.layers {
            if let Layer::Convolve(layer) = layer {
                layer.refresh();
            }
        }
    }

    /// Draws the weights that take part in the step.
    pub(crate) fn prepare(&mut self, key: u32) {
        for (number, layer) in self.layers.iter_mut().enumerate() {
            if let Layer::Linear(linear) = layer {
                linear.thin(hash(number as u32, key));
            }
        }
    }

    /// Forward while learning.
    pub(crate) fn forward(&mut self, traces: &mut [Trace], key: u32) {
        let samples = traces.iter().map(Trace::len).sum();
        for segment in self.segments() {
            if let Layer::BatchNorm(layer) = &mut self.layers[segment.start] {
                let inputs: Vec<&Signal> =
                    traces.iter().map(|trace| &trace.signals[segment.start]).collect();
                layer.measure(&inputs);
            }
            let layers = &self.layers;
            traces.par_iter_mut().for_each(|trace| {
                let pass = Pass { training: true, key, first: trace.first, samples };
                trace.forward(layers, segment.clone(), &pass);
            });
        }
    }

    /// Duty cycles, balances and running averages take note of a batch that has passed. Comes after the way back,
    /// which looks at what forward went by.
    pub(crate) fn observe(&mut self, traces: &[Trace]) {
        for (number, layer) in self.layers.iter_mut().enumerate() {
            let flows: Vec<Flow<'_>> = traces.iter().map(|trace| trace.seen(number)).collect();
            layer.observe(&flows);
        }
    }

    /// What penalties of values add to the loss of a batch that has passed, summed over its samples.
    pub(crate) fn penalty(&self, traces: &[Trace]) -> f64 {
        let of_layer = |(number, layer): (usize, &Layer)| match layer {
            Layer::Penalty(layer) => {
                traces.iter().map(|trace| layer.loss(&trace.signals[number])).sum::<f64>()
            }
            _ => 0.0,
        };
        self.layers.iter().enumerate().map(of_layer).sum()
    }

    /// Sets the slopes of the loss after the last layer, for a mean over the batch.
    pub(crate) fn set_slopes(
        &self,
        traces: &mut [Trace],
        labels: &[u32],
        target: Target,
    ) -> Outcome {
        let (last, samples) = (self.layers.len(), labels.len());
        let outcomes: Vec<Outcome> = traces
            .par_iter_mut()
            .map(|trace| {
                let labels = &labels[trace.first..][..trace.len()];
                trace.set_slopes(last, labels, target, samples)
            })
            .collect();
        outcomes.iter().fold(Outcome::default(), |sum, one| Outcome {
            loss: sum.loss + one.loss,
            correct: sum.correct + one.correct,
        })
    }

    /// Backward while learning, from the slopes after the last layer to those before the second.
    pub(crate) fn backward(&mut self, traces: &mut [Trace], key: u32) {
        let samples = traces.iter().map(Trace::len).sum();
        for segment in self.segments().into_iter().rev() {
            let layers = &self.layers;
            let down_to = segment.start.max(1);
            // The first of a segment may need the slopes of the whole batch.
            let rest = if segment.start > 0 { segment.start + 1 } else { 1 };
            traces.par_iter_mut().for_each(|trace| {
                let pass = Pass { training: true, key, first: trace.first, samples };
                trace.backward(layers, rest..segment.end, &pass);
            });
            if let Layer::BatchNorm(layer) = &mut self.layers[segment.start] {
                let flows: Vec<Flow<'_>> =
                    traces.iter().map(|trace| trace.flow(segment.start)).collect();
                layer.measure_slopes(&flows);
            }
            if down_to == rest {
                continue;
            }
            let layers = &self.layers;
            traces.par_iter_mut().for_each(|trace| {
                let pass = Pass { training: true, key, first: trace.first, samples };
                trace.backward(layers, down_to..rest, &pass);
            });
        }
    }

    /// Adds up the gradients of all layers.
    pub(crate) fn gather(&mut self, traces: &[Trace]) {
        for (number, layer) in self.layers.iter_mut().enumerate() {
            layer.learned().into_iter().for_each(|learned| learned.gradient.fill(0.0));
            let flows: Vec<Flow<'_>> = traces.iter().map(|trace| trace.flow(number)).collect();
            layer.gather(&flows);
        }
    }

    /// Slopes of a trained network by its inputs: they stand before layer 0 afterwards. `weigh` gets the number
    /// of a sample and its scores, and makes of these the slopes of a loss by them.
    pub(crate) fn input_slopes(&self, trace: &mut Trace, weigh: impl Fn(usize, &mut [f32])) {
        let last = self.layers.len();
        trace.forward(&self.layers, 0..last, &Pass::INFERENCE);
        trace.slopes.resize_with(last + 1, Signal::default);
        let (scores, slopes) = (&trace.signals[last], &mut trace.slopes[last]);
        slopes.resize(scores.len(), scores.size);
        slopes.values.copy_from_slice(&scores.values);
        let samples = slopes.values.chunks_exact_mut(scores.size);
        samples.enumerate().for_each(|(sample, slopes)| weigh(sample, slopes));
        trace.backward(&self.layers, 0..last, &Pass::INFERENCE);
    }

    /// Slopes of one value before layer `until` by the inputs, for a trace that has come there: they stand
    /// before layer 0 afterwards.
    pub(crate) fn unit_slopes(&self, trace: &mut Trace, until: usize, unit: usize) {
        trace.slopes.resize_with(until.max(1) + 1, Signal::default);
        let (values, active) = trace.slopes[until].clear_listed(1, trace.signals[until].size);
        values[unit] = 1.0;
        active.push([unit as u32]);
        trace.backward(&self.layers, 0..until, &Pass::INFERENCE);
    }

    /// The slopes by the inputs of a trace of one sample that has come before layer `until`, from `slopes` by its values
    /// there: they stand before layer 0 afterwards.
    pub(crate) fn slopes_by_inputs(&self, trace: &mut Trace, until: usize, slopes: &[f32]) {
        trace.slopes.resize_with(until.max(1) + 1, Signal::default);
        trace.slopes[until].resize(1, slopes.len());
        trace.slopes[until].values.copy_from_slice(slopes);
        trace.backward(&self.layers, 0..until, &Pass::INFERENCE);
    }

    /// Runs of layers that a block can pass without the others: each but the first begins with batch
    /// normalisation.
    fn segments(&self) -> Vec<std::ops::Range<usize>> {
        let mut starts = vec![0];
        let is_norm = |number: &usize| matches!(self.layers[*number], Layer::BatchNorm(_));
        starts.extend((1..self.layers.len()).filter(is_norm));
        let ends = starts.iter().copied().skip(1).chain([self.layers.len()]);
        starts.iter().zip(ends).map(|(&start, end)| start..end).collect()
    }
}

/// Streams of the seed for the first weights of layer 0 and on; the order of samples has the lower ones.
const LAYER_STREAMS: u64 = 1 << 40;

fn make_layer(
    spec: &LayerSpec,
    (input, output): (MapShape, MapShape),
    build: &Build,
    number: usize,
) -> Result<Layer> {
    Ok(match *spec {
        LayerSpec::Convolution { maps, kernel, density } => {
            Layer::Convolve(Convolve::new(input, (maps, kernel), density))
        }
        LayerSpec::Pad { margin } => Layer::Pad(Pad::new(input, margin)),
        LayerSpec::MaxPool { size } => Layer::MaxPool(MaxPool::new(input, output, size)),
        LayerSpec::BatchNorm { affine } => {
            Layer::BatchNorm(BatchNorm::new(input.channels, affine, &build.optimiser))
        }
        LayerSpec::Relu => Layer::Activation(Activation::Relu),
        LayerSpec::Tanh => Layer::Activation(Activation::Tanh),
        LayerSpec::Dropout { rate } => Layer::Dropout(Dropout { rate, number: number as u32 }),
        LayerSpec::KWinners(spec) => {
            Layer::KWinners(KWinnersLayer::new(input, spec, (build.boost, build.period))?)
        }
        LayerSpec::KStep(spec) => Layer::KStep(KStep::new(input.size(), spec)),
        LayerSpec::Penalty { weight, power } => Layer::Penalty(Penalty { weight, power }),
        LayerSpec::SoftKWinners { winners, hardness } => {
            Layer::SoftKWinners(SoftKWinners { winners, hardness })
        }
        LayerSpec::Linear { units, density, drop_connect } => {
            Layer::Linear(Linear::new((input.size(), units), density, drop_connect))
        }
    })
}

/// Cuts a batch into blocks of up to `most` by its length alone: `traces` become as many, with their inputs to be
/// filled in; returns the samples of each.
pub(crate) fn cut(traces: &mut Vec<Trace>, samples: usize, most: usize) -> usize {
    let block = samples.div_ceil(FEWEST_BLOCKS).clamp(1, most);
    traces.resize_with(samples.div_ceil(block), Trace::default);
    traces.iter_mut().enumerate().for_each(|(number, trace)| trace.first = number * block);
    block
}

impl Trace {
    /// Samples of the block.
    pub(crate) fn len(&self) -> usize {
        self.signals.first().map_or(0, Signal::len)
    }

    /// Room for `samples` inputs of `size`, to be filled in.
    pub(crate) fn input(&mut self, samples: usize, size: usize) -> &mut Signal {
        if self.signals.is_empty() {
            self.signals.push(Signal::default());
        }
        self.signals[0].resize(samples, size);
        &mut self.signals[0]
    }

    fn forward(&mut self, layers: &[Layer], range: std::ops::Range<usize>, pass: &Pass) {
        self.signals.resize_with(layers.len() + 1, Signal::default);
        for number in range {
            let (before, after) = self.signals.split_at_mut(number + 1);
            layers[number].forward(&before[number], &mut after[0], pass, &mut self.scratch);
        }
    }

    /// Makes the slopes before each layer of `range` from those after it, last first.
    fn backward(&mut self, layers: &[Layer], range: std::ops::Range<usize>, pass: &Pass) {
        for number in range.rev() {
            let (before, after) = self.slopes.split_at_mut(number + 1);
            let flow = Flow {
                input: &self.signals[number],
                output: &self.signals[number + 1],
                slopes: &after[0],
            };
            layers[number].backward(flow, &mut before[number], pass, &mut self.scratch);
        }
    }

    /// What layer `number` got and gave.
    fn flow(&self, number: usize) -> Flow<'_> {
        Flow {
            input: &self.signals[number],
            output: &self.signals[number + 1],
            slopes: &self.slopes[number + 1],
        }
    }

    /// [`Trace::flow`] where slopes don't count.
    fn seen(&self, number: usize) -> Flow<'_> {
        let output = &self.signals[number + 1];
        Flow { input: &self.signals[number], output, slopes: output }
    }

    fn set_slopes(
        &mut self,
        last: usize,
        labels: &[u32],
        target: Target,
        samples: usize,
    ) -> Outcome {
        self.slopes.resize_with(last + 1, Signal::default);
        let scores = &self.signals[last];
        let slopes = &mut self.slopes[last];
        slopes.resize(scores.len(), scores.size);
        slopes.values.copy_from_slice(&scores.values);
        let mut outcome = Outcome::default();
        let mut wanted = vec![0.0; scores.size];
        for (slopes, &label) in slopes.values.chunks_exact_mut(scores.size).zip(labels) {
            outcome.correct += usize::from(best(slopes) == label as usize);
            outcome.loss += match target {
                Target::Softmax { smooth } => {
                    softmax_slope(slopes, label as usize, smooth, 1.0 / samples as f32)
                }
                Target::OneHot(loss) => {
                    wanted.fill(0.0);
                    wanted[label as usize] = 1.0;
                    loss.slope(&wanted, slopes, samples)
                }
            };
        }
        outcome
    }
}

/// The class of the largest score; the lowest of equal ones.
pub(crate) fn best(scores: &[f32]) -> usize {
    (1..scores.len()).fold(0, |best, class| if scores[class] > scores[best] { class } else { best })
}
