//! Sparse weights whose places move: now and then the smallest are dropped, and as many grow elsewhere.

use super::layers::Learned;
use super::{Layer, Move, Network, Parameter};
use crate::error::{Error, Result};
use crate::rng::Rng;

/// A layer grows into at most this share of its zero places, as long as others have room.
const MOST_GROWN: f64 = 0.99;
/// Rounds of spreading what was too much for a layer.
const ROUNDS: usize = 1000;
/// Layers with fewer zeros than this share drop fewer weights if they are important.
const DENSE: f64 = 0.2;
/// What roots of mean squares are kept away from 0 by.
const EPSILON: f32 = 1e-8;

/// Which weights grow, and of which layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Growth {
    /// Those of the largest momentum; a layer's share is the mean momentum of its weights.
    ///
    /// Source: Dettmers and Zettlemoyer, "Sparse networks from scratch", 2019.
    Momentum,
    /// Any, in each layer as many as it lost, of its positive and its negative weights alike.
    ///
    /// Source: Mocanu et al., "Scalable training of artificial neural networks with adaptive sparse
    /// connectivity", 2018.
    Random,
    /// Those of the largest gradient, in each layer as many as it lost; instead of the step.
    ///
    /// Source: Evci et al., "Rigging the lottery", 2020.
    Gradient,
}

/// How many weights each layer keeps at first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Densities {
    /// The same share of each.
    Uniform,
    /// Shares like the sum over the product of the layer's dimensions, at most 1: "Erdős-Rényi-kernel" of Evci
    /// et al. 2020.
    ErdosRenyi,
}

/// One change of places.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Change {
    pub(crate) growth: Growth,
    /// Share of the weights that are dropped.
    pub(crate) rate: f64,
    /// What random places are drawn from.
    pub(crate) seed: u64,
}

impl Network {
    /// Keeps `counts` weights of each layer, at places drawn by `seed`; all others are zero from now on.
    pub(crate) fn sparsify(&mut self, counts: &[usize], seed: u64) {
        for (number, (learned, &count)) in self.weights().into_iter().zip(counts).enumerate() {
            let mut kept = vec![false; learned.values().len()];
            let places = Rng::of_stream(seed, number as u64).distinct(count, kept.len());
            places.into_iter().for_each(|place| kept[place as usize] = true);
            learned.keep(kept);
        }
        self.refresh();
    }

    /// How many weights each layer keeps of all the share `density`, rounded once for the whole network.
    pub(crate) fn kept_counts(&self, density: f64, densities: Densities) -> Result<Vec<usize>> {
        let shapes: Vec<Vec<usize>> =
            self.layers.iter().filter_map(Layer::weight_counts).map(|(shape, _)| shape).collect();
        let sizes: Vec<usize> = shapes.iter().map(|shape| shape.iter().product()).collect();
        let total: usize = sizes.iter().sum();
        let budget = (density * total as f64).round() as usize;
        let targets: Vec<f64> = match densities {
            Densities::Uniform => {
                sizes.iter().map(|&size| size as f64 / total as f64 * budget as f64).collect()
            }
            Densities::ErdosRenyi => erdos_renyi(&shapes, &sizes, budget),
        };
        let counts = whole(&targets, &sizes, budget);
        match counts.contains(&0) {
            true => Err(Error::setting("weight_density", "a weight or more a layer", density)),
            false => Ok(counts),
        }
    }

    /// Whether `count` weights of all layers are kept, or, if there is no such number, as many as each layer says.
    pub(crate) fn keeps(&self, count: Option<usize>) -> bool {
        let masked = |layer: &Layer| match layer {
            Layer::Convolve(layer) => Some((!layer.weights.kept.is_empty(), layer.density < 1.0)),
            Layer::Linear(layer) => Some((!layer.weights.kept.is_empty(), false)),
            _ => None,
        };
        let mut masked = self.layers.iter().filter_map(masked);
        let counts = self.layers.iter().filter_map(Layer::weight_counts);
        match count {
            Some(count) => {
                masked.all(|(is, _)| is) && counts.map(|(_, kept)| kept).sum::<usize>() == count
            }
            None => masked.all(|(is, meant)| is == meant),
        }
    }

    /// The network with sparse weights stored sparse, where it has some that are not: for inference, and
    /// equal to this one but for rounding.
    pub(crate) fn stored_sparse(&self) -> Option<Self> {
        let mut network = self.clone();
        let mut found = false;
        for layer in &mut network.layers {
            let Layer::Linear(linear) = layer else { continue };
            if let Some(sparse) = linear.stored_sparse() {
                (*linear, found) = (sparse, true);
            }
        }
        found.then_some(network)
    }

    /// The step of the optimiser, with the change of places where one is due.
    pub(crate) fn step_or_regrow(&mut self, how: &Move, change: Option<&Change>) {
        match change {
            None => {
                self.step(how);
                return;
            }
            Some(change) if change.growth == Growth::Gradient => self.regrow(change),
            Some(change) => {
                self.step(how);
                self.regrow(change);
            }
        }
        self.refresh();
    }

    fn regrow(&mut self, change: &Change) {
        let mut weights = self.weights();
        let rate = change.rate;
        if change.growth == Growth::Momentum {
            regrow_by_momentum(&mut weights, rate);
            return;
        }
        for (number, learned) in weights.into_iter().enumerate() {
            let grown = match change.growth {
                Growth::Random => {
                    let mut rng = Rng::of_stream(change.seed, number as u64);
                    regrow_at_random(learned, rate, &mut rng)
                }
                _ => {
                    let count = drop_smallest(learned, |_| true, |kept| (rate * kept).floor());
                    largest(zeros(learned), count, |place| learned.gradient[place].abs())
                }
            };
            grow(learned, &grown);
            // What their slopes were while nothing followed them is forgotten.
            let Parameter { first, second, peak, .. } = &mut learned.parameter;
            for memory in [first, second, peak].into_iter().filter(|memory| !memory.is_empty()) {
                grown.iter().for_each(|&place| memory[place] = 0.0);
            }
        }
    }

    /// The weights of all layers that have some; no biases, no factors of batch normalisation.
    fn weights(&mut self) -> Vec<&mut Learned> {
        self.layers.iter_mut().filter_map(Layer::weights).collect()
    }
}

/// Sparse momentum: layers that move most get most of what is dropped everywhere.
///
/// As published but for the rounding: the source rounds each layer's part up or down and corrects the sum
/// in later rounds; here parts are rounded so that exactly as many grow as were dropped.
fn regrow_by_momentum(weights: &mut [&mut Learned], rate: f64) {
    let shares = importance(weights);
    let fair = 1.0 / weights.len() as f64;
    let mut dropped = 0;
    for (learned, share) in weights.iter_mut().zip(&shares) {
        let sparsity = zeros(learned).len() as f64 / learned.kept.len() as f64;
        let grows = sparsity < DENSE && fair / share < 1.0;
        let rate = if grows { sparsity.min(rate) } else { rate };
        dropped += drop_smallest(learned, |_| true, |n| (rate * n).ceil());
    }
    let room: Vec<usize> = weights.iter().map(|learned| zeros(learned).len()).collect();
    for (learned, count) in weights.iter_mut().zip(parts(&shares, dropped, &room)) {
        let momentum = |place| momentum(&learned.parameter, place);
        let grown = largest(zeros(learned), count, momentum);
        grow(learned, &grown);
    }
}

/// Drops the share `rate` of the positive and of the negative weights; places of as many, drawn from all
/// that are zero then.
fn regrow_at_random(learned: &mut Learned, rate: f64, rng: &mut Rng) -> Vec<usize> {
    let share = |kept: f64| (rate * kept).round();
    let count = drop_smallest(learned, |weight| weight >= 0.0, share)
        + drop_smallest(learned, |weight| weight < 0.0, share);
    let zeros = zeros(learned);
    let drawn = rng.distinct(count, zeros.len()).into_iter();
    drawn.map(|place| zeros[place as usize]).collect()
}

/// Mean momentum of the kept weights of each layer, summing to 1.
fn importance(weights: &[&mut Learned]) -> Vec<f64> {
    let mean = |learned: &&mut Learned| {
        let kept = (0..learned.kept.len()).filter(|&place| learned.kept[place]);
        let count = kept.clone().count().max(1);
        kept.map(|place| f64::from(momentum(&learned.parameter, place))).sum::<f64>() / count as f64
    };
    let means: Vec<f64> = weights.iter().map(mean).collect();
    let sum: f64 = means.iter().sum();
    let fair = 1.0 / weights.len() as f64;
    means.into_iter().map(|mean| if sum > 0.0 { mean / sum } else { fair }).collect()
}

/// How far the optimiser would move a value, but for the rate.
fn momentum(parameter: &Parameter, place: usize) -> f32 {
    let mean = parameter.first[place].abs();
    parameter.second.get(place).map_or(mean, |square| mean / (square.sqrt() + EPSILON))
}

/// Cuts `budget` into parts like `shares`; what a layer has no room for goes to all layers alike, again and
/// again. `room` must have space for all.
fn parts(shares: &[f64], budget: usize, room: &[usize]) -> Vec<usize> {
    let limits: Vec<f64> = room.iter().map(|&room| MOST_GROWN * room as f64).collect();
    let mut targets: Vec<f64> = shares.iter().map(|share| share * budget as f64).collect();
    for _ in 0..ROUNDS {
        let mut left = 0.0;
        for (target, limit) in targets.iter_mut().zip(&limits) {
            left += (*target - limit).max(0.0);
            *target = target.min(*limit);
        }
        if left <= 0.0 {
            break;
        }
        let more = left / targets.len() as f64;
        targets.iter_mut().for_each(|target| *target += more);
    }
    whole(&targets, room, budget)
}

/// Whole numbers near `targets`, none above its limit, that sum to `budget`: rounded down, the rest goes
/// where most was cut off, first to the lower of equals.
fn whole(targets: &[f64], limits: &[usize], budget: usize) -> Vec<usize> {
    let pairs = targets.iter().zip(limits);
    let mut counts: Vec<usize> =
        pairs.map(|(target, &limit)| (target.floor() as usize).min(limit)).collect();
    let mut order: Vec<usize> = (0..counts.len()).collect();
    order.sort_by(|&a, &b| targets[b].fract().total_cmp(&targets[a].fract()));
    let mut left = budget - counts.iter().sum::<usize>();
    while left > 0 {
        let before = left;
        for &number in &order {
            if left > 0 && counts[number] < limits[number] {
                counts[number] += 1;
                left -= 1;
            }
        }
        assert!(left < before, "room for all of {budget} in {limits:?}");
    }
    counts
}

/// Kept weights like the sums of the layers' dimensions, none above its layer's size.
fn erdos_renyi(shapes: &[Vec<usize>], sizes: &[usize], budget: usize) -> Vec<f64> {
    let sums: Vec<f64> = shapes.iter().map(|shape| shape.iter().sum::<usize>() as f64).collect();
    let mut full = vec![false; sizes.len()];
    loop {
        let is_full = &full;
        let of = |which: bool| (0..sizes.len()).filter(move |&n| which == is_full[n]);
        let left = budget as f64 - of(true).map(|n| sizes[n] as f64).sum::<f64>();
        let scale = left.max(0.0) / of(false).map(|n| sums[n]).sum::<f64>();
        let targets: Vec<f64> = (0..sizes.len())
            .map(|n| if full[n] { sizes[n] as f64 } else { scale * sums[n] })
            .collect();
        let over: Vec<usize> = of(false).filter(|&n| targets[n] > sizes[n] as f64).collect();
        if over.is_empty() {
            return targets;
        }
        over.into_iter().for_each(|n| full[n] = true);
    }
}

/// Drops the smallest of the kept weights that are `meant`, as many as `count` makes of their number; returns
/// how many those are. The first of equals go first.
fn drop_smallest(
    learned: &mut Learned,
    meant: impl Fn(f32) -> bool,
    count: impl Fn(f64) -> f64,
) -> usize {
    let values = &learned.parameter.values;
    let kept = (0..values.len()).filter(|&place| learned.kept[place] && meant(values[place]));
    let kept: Vec<usize> = kept.collect();
    let count = (count(kept.len() as f64) as usize).min(kept.len());
    for place in largest(kept, count, |place| -values[place].abs()) {
        learned.kept[place] = false;
        learned.parameter.values[place] = 0.0;
    }
    count
}

/// Places whose weights are held at zero, in order.
fn zeros(learned: &Learned) -> Vec<usize> {
    (0..learned.kept.len()).filter(|&place| !learned.kept[place]).collect()
}

/// The `count` of `places` with the largest scores; the first of equals.
fn largest(mut places: Vec<usize>, count: usize, score: impl Fn(usize) -> f32) -> Vec<usize> {
    if count < places.len() {
        let rank = |a: &usize, b: &usize| score(*b).total_cmp(&score(*a)).then(a.cmp(b));
        places.select_nth_unstable_by(count, rank);
        places.truncate(count);
    }
    places
}

/// Lets weights grow, from zero.
fn grow(learned: &mut Learned, places: &[usize]) {
    for &place in places {
        learned.kept[place] = true;
        learned.parameter.values[place] = 0.0;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::net::{Build, FirstValues, MapShape, NetworkSpec, Optimiser, Trace};
    use crate::rng::Rng;

    const ADAM: Optimiser = Optimiser::ADAM;
    const NESTEROV: Optimiser = Optimiser::Nesterov { momentum: 0.9 };

    fn network(spec: &str, optimiser: Optimiser) -> Network {
        let spec: NetworkSpec = spec.parse().unwrap();
        let first = FirstValues::Kaiming;
        let build = Build { first, optimiser, boost: 0.0, period: 100, seed: 1 };
        Network::new(&spec, MapShape { height: 6, width: 6, channels: 2 }, &build).unwrap()
    }

    /// A layer of these weights, zeros not kept, with this momentum and gradient.
    fn layer(values: &[f32], momentum: &[f32], gradient: &[f32]) -> Learned {
        let mut learned = Learned::new(values.to_vec(), &NESTEROV);
        learned.keep(values.iter().map(|value| *value != 0.0).collect());
        learned.parameter.first = momentum.to_vec();
        learned.gradient = gradient.to_vec();
        learned
    }

    /// A network of these layers, and what it is after a change.
    fn changed(layers: &[&Learned], growth: Growth, rate: f64) -> Vec<Learned> {
        let spec: Vec<String> =
            layers.iter().map(|layer| format!("linear {}", layer.values().len())).collect();
        let mut network = network(&spec.join(", "), NESTEROV);
        for (own, layer) in network.weights().into_iter().zip(layers) {
            *own = (*layer).clone();
        }
        network.regrow(&Change { growth, rate, seed: 3 });
        network.weights().into_iter().map(|learned| learned.clone()).collect()
    }

    fn kept(learned: &Learned) -> Vec<usize> {
        (0..learned.kept.len()).filter(|&place| learned.kept[place]).collect()
    }

    #[test]
    fn momentum_goes_where_most_moves() {
        // Mean momentum of kept weights: 3 and 1. Each layer loses half of 4.
        let values = [0.4, -0.1, 0.2, -0.3, 0.0, 0.0, 0.0, 0.0];
        let moving = layer(&values, &[3.0, 3.0, -3.0, 3.0, 0.5, -9.0, 0.1, 2.0], &[0.0; 8]);
        let still = layer(&values, &[1.0, 1.0, -1.0, 1.0, 0.5, -9.0, 0.1, 2.0], &[0.0; 8]);
        let after = changed(&[&moving, &still], Growth::Momentum, 0.5);
        // Three of four grow in the first: of momentum 9, and 3 of two that were dropped just now.
        assert_eq!(kept(&after[0]), [0, 1, 2, 3, 5]);
        assert_eq!(after[0].values(), [0.4, 0.0, 0.0, -0.3, 0.0, 0.0, 0.0, 0.0]);
        assert_eq!(kept(&after[1]), [0, 3, 5]);
        assert_eq!(after[0].parameter.first, moving.parameter.first, "momentum goes on");
    }

    #[test]
    fn adam_moves_by_its_root() {
        let mut parameter = Parameter::new(vec![0.0; 2], &ADAM);
        (parameter.first, parameter.second) = (vec![-6.0, 4.0], vec![9.0, 1.0]);
        assert!((momentum(&parameter, 0) - 2.0).abs() < 1e-6);
        assert!((momentum(&parameter, 1) - 4.0).abs() < 1e-6);
    }

    #[test]
    fn set_drops_of_each_sign_and_grows_anywhere() {
        let values = [0.4, 0.3, 0.2, 0.1, -5.0, -6.0, 0.0, 0.0, 0.0, 0.0];
        let before = layer(&values, &[1.0; 10], &[9.0; 10]);
        let after = changed(&[&before], Growth::Random, 0.5).remove(0);
        assert_eq!(kept(&after).len(), 6);
        // Of four positive weights the two smallest went, of two negative ones the one nearest to 0.
        for (place, value) in [(0, 0.4), (1, 0.3), (5, -6.0)] {
            assert!(after.kept[place] && after.values()[place] == value);
        }
        for place in [2, 3, 4, 6, 7, 8, 9] {
            assert_eq!(after.values()[place], 0.0);
            let remembered = if after.kept[place] { 0.0 } else { 1.0 };
            assert_eq!(after.parameter.first[place], remembered);
        }
    }

    #[test]
    fn rigl_grows_by_gradient_instead_of_a_step() {
        let values = [0.4, -0.1, 0.2, -0.3, 0.0, 0.0, 0.0, 0.0];
        let before = layer(&values, &[1.0; 8], &[0.0, 0.0, 8.0, 0.0, 0.5, -9.0, 0.1, 2.0]);
        let after = changed(&[&before], Growth::Gradient, 0.7).remove(0);
        // The two smallest go; one of them comes back, as its gradient is the second largest.
        assert_eq!(kept(&after), [0, 2, 3, 5]);
        assert_eq!(after.values(), [0.4, 0.0, 0.0, -0.3, 0.0, 0.0, 0.0, 0.0]);
        assert_eq!(after.parameter.first, [1.0, 1.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0]);
    }

    #[test]
    fn nearly_dense_layers_lose_no_more_than_they_lack() {
        // 2 of 20 are zero: the first layer moves more than its fair share and loses a tenth, not half.
        let mut values = [1.0; 20];
        (values[0], values[1]) = (0.0, 0.0);
        let after = |momentum: f32| {
            let own = layer(&values, &[momentum; 20], &[0.0; 20]);
            let other = layer(&values, &[1.0; 20], &[0.0; 20]);
            let after = changed(&[&own, &other], Growth::Momentum, 0.5);
            after[0].values().iter().filter(|value| **value != 0.0).count()
        };
        assert_eq!(after(2.0), 18 - 2);
        assert_eq!(after(0.5), 18 - 9);
    }

    #[test]
    fn shares_of_layers_follow_their_shapes() {
        let network = network("conv 4 3, linear 30, linear 3", NESTEROV);
        // 72, 64 · 30 and 90 weights.
        let counts = network.kept_counts(0.1, Densities::Uniform).unwrap();
        assert_eq!(counts, [7, 192, 9]);
        let counts = network.kept_counts(0.1, Densities::ErdosRenyi).unwrap();
        // Like 12, 94 and 33.
        assert_eq!(counts, [18, 141, 49]);
        let counts = network.kept_counts(0.5, Densities::ErdosRenyi).unwrap();
        // The small ones are full.
        assert_eq!(counts, [72, 1041 - 72 - 90, 90]);
        assert!(network.kept_counts(0.001, Densities::Uniform).is_err());
    }

    #[test]
    fn stored_sparse_it_says_the_same() {
        let mut network = network("conv 4 3, relu, pool 2, linear 30, k-winners 7, linear 3", ADAM);
        assert!(network.stored_sparse().is_none());
        let counts = network.kept_counts(0.3, Densities::Uniform).unwrap();
        network.sparsify(&counts, 4);
        let sparse = network.stored_sparse().unwrap();
        assert_eq!(counts[1], 144, "round(0.3 · 16 · 30)");
        let Layer::Linear(layer) = &sparse.layers[3] else { panic!("a linear layer") };
        assert_eq!(layer.weights.values().len(), counts[1]);
        let mut rng = Rng::new(5);
        let mut traces = [Trace::default(), Trace::default()];
        let inputs: Vec<f32> = (0..5 * 72).map(|_| rng.between(-1.0, 1.0)).collect();
        for (trace, network) in traces.iter_mut().zip([&network, &sparse]) {
            trace.input(5, 72).values.copy_from_slice(&inputs);
            network.infer(trace, 6);
        }
        let [dense, sparse] = traces.map(|trace| trace.signals[6].values.clone());
        assert!(dense.iter().zip(&sparse).all(|(a, b)| (a - b).abs() < 1e-5));
    }

    proptest! {
        /// However many there are, as many grow as were dropped, where there is room.
        #[test]
        fn parts_are_exact(
            layers in prop::collection::vec((0.0f64..1.0, 0usize..50), 1..6),
            filled in 0.0f64..=1.0,
        ) {
            let (mut shares, room): (Vec<f64>, Vec<usize>) = layers.into_iter().unzip();
            let sum: f64 = shares.iter().sum();
            shares.iter_mut().for_each(|share| *share /= sum);
            let budget = (filled * room.iter().sum::<usize>() as f64) as usize;
            let parts = parts(&shares, budget, &room);
            prop_assert_eq!(parts.iter().sum::<usize>(), budget);
            prop_assert!(parts.iter().zip(&room).all(|(part, room)| part <= room));
        }
    }
}
