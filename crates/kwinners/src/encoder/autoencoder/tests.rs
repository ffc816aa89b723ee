//! Gradients against differences of a loss that is written down a second time, in `f64`, sample by
//! sample, with no thought of speed.

use super::*;
use crate::encoder::Learner;
use crate::rng::Rng;

/// Layers in `f64`, and all that the loss needs.
struct Oracle<'a> {
    settings: &'a AutoencoderSettings,
    width: usize,
    /// `W_enc, b_enc, W_dec (empty if tied), b_dec`.
    layers: [Vec<f64>; 4],
    /// Units that were idle before the step.
    idle: Vec<usize>,
    /// What the idle units are to reconstruct, if given; else it is worked out.
    left_over: Option<Vec<Vec<f64>>>,
}

/// What a batch comes to.
struct Outcome {
    loss: f64,
    left_over: Vec<Vec<f64>>,
}

impl Oracle<'_> {
    fn activation(&self, score: f64) -> f64 {
        match self.settings.activation {
            Activation::Linear => score,
            Activation::Relu => score.max(0.0),
            Activation::Sigmoid => 1.0 / (1.0 + (-score).exp()),
        }
    }

    /// Slope of a latent by its score.
    fn slope(&self, score: f64) -> f64 {
        match self.settings.activation {
            Activation::Linear => 1.0,
            Activation::Relu => f64::from(u8::from(score > 0.0)),
            Activation::Sigmoid => {
                let value = self.activation(score);
                value * (1.0 - value)
            }
        }
    }

    fn encoder_row(&self, unit: usize) -> &[f64] {
        &self.layers[0][unit * self.width..][..self.width]
    }

    fn decoder_row(&self, unit: usize) -> &[f64] {
        let weights = if self.layers[2].is_empty() { &self.layers[0] } else { &self.layers[2] };
        &weights[unit * self.width..][..self.width]
    }

    fn scores(&self, x: &[f32]) -> Vec<f64> {
        let shift = |place: usize| match self.settings.subtract_bias {
            true => self.layers[3][place],
            false => 0.0,
        };
        let score = |unit: usize| {
            let row = self.encoder_row(unit).iter().enumerate();
            let sum: f64 = row.map(|(place, w)| w * (f64::from(x[place]) - shift(place))).sum();
            sum + self.layers[1][unit]
        };
        (0..self.settings.units).map(score).collect()
    }

    fn best(units: &[usize], scores: &[f64], count: usize) -> Vec<usize> {
        let mut order = units.to_vec();
        order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
        order.truncate(count);
        order
    }

    /// The selected units of each row.
    fn selected(&self, scores: &[Vec<f64>]) -> Vec<Vec<usize>> {
        let (n, k, len) = (self.settings.units, self.settings.winners, scores.len());
        let all: Vec<usize> = (0..n).collect();
        match self.settings.selection {
            LatentSelection::Universal => vec![all; len],
            LatentSelection::BatchTopK => {
                let places: Vec<usize> = (0..n * len).collect();
                let best = Self::best(&places, &scores.concat(), k * len);
                let of = |row: usize| {
                    best.iter().filter(|place| *place / n == row).map(|place| place % n).collect()
                };
                (0..len).map(of).collect()
            }
            LatentSelection::Wta => {
                let rows: Vec<usize> = (0..len).collect();
                let mut selected = vec![Vec::new(); len];
                for unit in 0..n {
                    let column: Vec<f64> = scores.iter().map(|row| row[unit]).collect();
                    for row in Self::best(&rows, &column, (k * len + n / 2) / n) {
                        selected[row].push(unit);
                    }
                }
                selected
            }
            _ => scores.iter().map(|row| Self::best(&all, row, k)).collect(),
        }
    }

    fn reconstruct(&self, units: &[usize], scores: &[f64], bias: bool) -> Vec<f64> {
        let mut out = if bias { self.layers[3].clone() } else { vec![0.0; self.width] };
        for &unit in units {
            let value = self.activation(scores[unit]);
            out.iter_mut().zip(self.decoder_row(unit)).for_each(|(sum, w)| *sum += value * w);
        }
        out
    }

    fn distance(&self, x: &[f32], output: &[f64]) -> f64 {
        let pairs = x.iter().zip(output);
        let squares = pairs.clone().map(|(x, r)| (f64::from(*x) - r).powi(2)).sum::<f64>();
        match self.settings.loss {
            LossKind::Mse => squares / self.width as f64,
            LossKind::Sse => squares,
            LossKind::Bce => pairs.map(|(x, r)| (1.0 + r.exp()).ln() - r * f64::from(*x)).sum(),
        }
    }

    fn run(&self, rows: Rows<'_>) -> Outcome {
        let (settings, len) = (self.settings, rows.len() as f64);
        let scores: Vec<Vec<f64>> = rows.iter().map(|x| self.scores(x)).collect();
        let selected = self.selected(&scores);
        let prefixes = match settings.selection {
            LatentSelection::Matryoshka => settings.prefixes,
            _ => 1,
        };
        let (mut loss, mut left_over) = (self.penalties(&scores, &selected), Vec::new());
        for (row, x) in rows.iter().enumerate() {
            let mut full = Vec::new();
            for prefix in 0..prefixes {
                let end = (settings.units >> (prefixes - 1 - prefix)).max(1);
                let units: Vec<usize> =
                    selected[row].iter().copied().filter(|unit| *unit < end).collect();
                full = self.reconstruct(&units, &scores[row], true);
                loss += self.distance(x, &full) / (prefixes as f64 * len);
            }
            let rest: Vec<f64> = x.iter().zip(&full).map(|(x, r)| f64::from(*x) - r).collect();
            let count = settings.aux_winners.min(self.idle.len());
            if count > 0 {
                let units = Self::best(&self.idle, &scores[row], count);
                let of_idle = self.reconstruct(&units, &scores[row], false);
                let rest = self.left_over.as_ref().map_or(&rest, |given| &given[row]);
                let squares: f64 = rest.iter().zip(&of_idle).map(|(e, r)| (e - r).powi(2)).sum();
                loss += f64::from(settings.aux_weight) * squares / len;
            }
            left_over.push(rest);
        }
        Outcome { loss, left_over }
    }

    fn penalties(&self, scores: &[Vec<f64>], selected: &[Vec<usize>]) -> f64 {
        let (settings, len, n) = (self.settings, scores.len() as f64, self.settings.units as f64);
        let target = settings.winners as f64 / n;
        let squares = self.layers[0].iter().chain(&self.layers[1]).map(|w| w * w).sum::<f64>();
        let mut loss = 0.5 * f64::from(settings.weight_decay) * squares;
        for (scores, units) in scores.iter().zip(selected) {
            for &unit in units {
                let length: f64 = self.encoder_row(unit).iter().map(|w| w * w).sum();
                let slope = self.slope(scores[unit]);
                loss += f64::from(settings.contractive) * slope * slope * length / len;
            }
            let mean = scores.iter().map(|score| self.activation(*score)).sum::<f64>() / n;
            loss += f64::from(settings.sample_sparsity) * (mean - target).powi(2) / len;
        }
        for unit in 0..settings.units {
            let mean = scores.iter().map(|row| self.activation(row[unit])).sum::<f64>() / len;
            loss += f64::from(settings.unit_sparsity) * (mean - target).powi(2) / n;
        }
        loss
    }
}

fn oracle<'a>(settings: &'a AutoencoderSettings, layers: &Layers, idle: Vec<usize>) -> Oracle<'a> {
    let wide = |values: &[f32]| values.iter().map(|value| f64::from(*value)).collect();
    Oracle {
        settings,
        width: layers.width,
        layers: [
            wide(&layers.encoder.values),
            wide(&layers.encoder_bias.values),
            layers.decoder.as_ref().map(|decoder| wide(&decoder.values)).unwrap_or_default(),
            wide(&layers.decoder_bias.values),
        ],
        idle,
        left_over: None,
    }
}

/// Inputs from 0 to 1.
fn inputs(len: usize, width: usize, rng: &mut Rng) -> Vec<f32> {
    (0..len * width).map(|_| rng.uniform()).collect()
}

/// After the first step of descent with momentum, the velocity is the gradient; it is compared with differences
/// of the loss at some weights of each array.
fn check_gradient(settings: &AutoencoderSettings) {
    const WIDTH: usize = 21;
    let settings = AutoencoderSettings {
        optimiser: OptimiserKind::Sgd,
        momentum: 0.5,
        noise: 0.0,
        input_dropout: 0.0,
        hidden_dropout: 0.0,
        unit_decoder: false,
        anneal_from: 0,
        first_weights: FirstWeights::Glorot,
        units: 90,
        winners: 7,
        ..settings.clone()
    };
    let mut rng = Rng::new(3);
    let values = inputs(40, WIDTH, &mut rng);
    let rows = Rows::new(&values, WIDTH).unwrap();
    let mut model = Autoencoder::new(settings.clone(), rows).unwrap();
    model.layers.encoder_bias.values.iter_mut().for_each(|bias| *bias = rng.between(-0.1, 0.1));
    let idle: Vec<usize> =
        if settings.aux_winners > 0 { (0..90).step_by(4).collect() } else { vec![] };
    idle.iter().for_each(|&unit| model.usage.idle[unit] = settings.dead_after);
    let mut oracle = oracle(&settings, &model.layers, idle);
    oracle.left_over = Some(oracle.run(rows).left_over);
    model.learn(rows, None).unwrap();
    let layers = &model.layers;
    let gradients = [
        &layers.encoder.first[..],
        &layers.encoder_bias.first,
        layers.decoder.as_ref().map_or(&[][..], |decoder| &decoder.first),
        &layers.decoder_bias.first,
    ];
    for (array, gradient) in gradients.into_iter().enumerate() {
        let scale = gradient.iter().fold(0.0f32, |most, slope| most.max(slope.abs()));
        assert!(gradient.is_empty() || scale > 0.0, "{:?}", settings.selection);
        for place in (0..gradient.len()).step_by(1 + gradient.len() / 60) {
            const STEP: f64 = 1e-6;
            let held = oracle.layers[array][place];
            let mut at = |by: f64| {
                oracle.layers[array][place] = held + by;
                oracle.run(rows).loss
            };
            let expected = (at(STEP) - at(-STEP)) / (2.0 * STEP);
            at(0.0);
            let error = (f64::from(gradient[place]) - expected).abs();
            let what = format!("{settings:?}: array {array}, place {place}");
            assert!(error < 1e-4 * f64::from(scale), "{what}: {} for {expected}", gradient[place]);
        }
    }
}

fn recipe(selection: &str) -> AutoencoderSettings {
    AutoencoderSettings::of_pairs(&[("selection".to_owned(), selection.to_owned())]).unwrap()
}

#[test]
fn gradients_of_all_selections() {
    for selection in ["k-sparse", "wta", "universal", "topk", "batch-topk", "matryoshka"] {
        for tied in [false, true] {
            for subtract_bias in [false, true] {
                check_gradient(&AutoencoderSettings { tied, subtract_bias, ..recipe(selection) });
            }
        }
    }
}

#[test]
fn gradients_of_losses_activations_and_penalties() {
    for selection in ["topk", "universal"] {
        for activation in [Activation::Linear, Activation::Relu, Activation::Sigmoid] {
            for loss in [LossKind::Mse, LossKind::Sse, LossKind::Bce] {
                let settings = AutoencoderSettings {
                    activation,
                    loss,
                    aux_winners: 0,
                    weight_decay: 0.02,
                    contractive: 0.3,
                    ..recipe(selection)
                };
                check_gradient(&settings);
            }
        }
    }
    check_gradient(&AutoencoderSettings { aux_weight: 2.0, ..recipe("matryoshka") });
}

/// The gradient of a straight-through latent is that of a linear one whose value is the unit's mean
/// activation: the slope by the bias of a winner is its decoder row times the slope of the loss.
#[test]
fn binary_slopes_go_straight_through() {
    let settings = AutoencoderSettings {
        optimiser: OptimiserKind::Sgd,
        momentum: 0.5,
        units: 30,
        winners: 3,
        tied: false,
        anneal_from: 0,
        ..recipe("binary")
    };
    let values = inputs(1, 12, &mut Rng::new(5));
    let rows = Rows::new(&values, 12).unwrap();
    let mut model = Autoencoder::new(settings, rows).unwrap();
    model.set_magnitudes((0..30).map(|unit| 1.0 + unit as f32 / 10.0).collect()).unwrap();
    let code = model.encode(rows).unwrap();
    let decoder = model.layers.decoder.as_ref().unwrap().values.clone();
    let row = |unit: u32| &decoder[unit as usize * 12..][..12];
    let mut slope: Vec<f32> = values.iter().map(|x| -x).collect();
    for &unit in code.get(0).indices() {
        let magnitude = model.magnitudes()[unit as usize];
        slope.iter_mut().zip(row(unit)).for_each(|(sum, w)| *sum += magnitude * w);
    }
    model.learn(rows, None).unwrap();
    for unit in 0..30 {
        let dot: f32 = slope.iter().zip(row(unit)).map(|(a, b)| 2.0 * a * b).sum();
        let expected = if code.get(0).contains(unit) { dot } else { 0.0 };
        let got = model.layers.encoder_bias.first[unit as usize];
        assert!((got - expected).abs() < 1e-5, "unit {unit}: {got} for {expected}");
    }
}

#[test]
fn decoder_rows_keep_their_length() {
    let values = inputs(64, 12, &mut Rng::new(7));
    let rows = Rows::new(&values, 12).unwrap();
    for tied in [false, true] {
        let settings = AutoencoderSettings { units: 40, winners: 3, tied, ..recipe("topk") };
        let mut model = Autoencoder::new(settings, rows).unwrap();
        for _ in 0..20 {
            model.learn(rows, None).unwrap();
        }
        for row in model.layers.decoder_values().chunks_exact(12) {
            let length: f32 = row.iter().map(|w| w * w).sum();
            assert!((length - 1.0).abs() < 1e-5, "{length}");
        }
    }
}

#[test]
fn winners_come_down_on_a_line() {
    let settings = AutoencoderSettings { anneal_from: 100, winners: 20, ..recipe("k-sparse") };
    assert_eq!(settings.winners_at(1, 100), 100);
    assert_eq!(settings.winners_at(26, 100), 60);
    assert_eq!(settings.winners_at(51, 100), 20);
    assert_eq!(settings.winners_at(100, 100), 20);
}
