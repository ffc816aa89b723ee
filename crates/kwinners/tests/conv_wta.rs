//! The convolutional winner-take-all autoencoder, through the public surface.

mod common;

use common::settings;
use kwinners::data::ImageShape;
use kwinners::encoder::{ConvWta, ConvWtaSettings, Encoder, Inputs, Latents, Learner, Model};
use kwinners::metrics::reconstruction;
use kwinners::train::{Control, Position, fit};
use kwinners::{Dataset, Rng, Rows};

const SIDE: usize = 12;

/// Images of `channels` planes, each with a few strokes of four kinds (one channel a kind, if there are
/// several) at one of six places.
fn strokes(len: usize, channels: usize, seed: u64) -> Dataset {
    let steps: [(usize, usize); 4] = [(0, 1), (1, 0), (1, 1), (1, 2)];
    let pixels = SIDE * SIDE;
    let mut rng = Rng::new(seed);
    let mut values = vec![0.0; len * channels * pixels];
    for image in values.chunks_exact_mut(channels * pixels) {
        for _ in 0..3 {
            let kind = rng.below(4);
            let (y, x) = (4 * rng.below(3), 3 * rng.below(2));
            for i in 0..4 {
                let at = (y + i * steps[kind].0) * SIDE + x + i * steps[kind].1;
                image[kind % channels * pixels + at] = 1.0;
            }
        }
    }
    let image = ImageShape { width: SIDE, height: SIDE, channels };
    Dataset::new("strokes", values, channels * pixels).unwrap().with_image(image).unwrap()
}

/// The model fitted, and the losses of its steps.
fn fitted(pairs: &[(&str, &str)], data: &Dataset) -> (Model, Vec<f64>) {
    let mut model = Model::new("conv-wta", &settings(pairs), data.inputs()).unwrap();
    let mut losses = Vec::new();
    fit(&mut model, data, Position::default(), &mut |step, _, _| {
        losses.push(step.loss);
        Control::Continue
    })
    .unwrap();
    (model, losses)
}

fn mean(losses: &[f64]) -> f64 {
    losses.iter().sum::<f64>() / losses.len() as f64
}

/// Share of the variance of `data` that its codes don't bring back.
fn unexplained(model: &Model, data: &Dataset) -> f64 {
    let codes = model.encoder().encode(data.rows()).unwrap();
    let decoded = model.decoder().unwrap().decode(&codes).unwrap();
    let decoded = Rows::new(&decoded, data.width()).unwrap();
    reconstruction(data.rows(), decoded).unwrap().fvu
}

const SMALL: [(&str, &str); 7] = [
    ("channels", "8"),
    ("winners", "8"),
    ("epochs", "40"),
    ("batch", "50"),
    ("learning_rate", "0.005"),
    ("lifetime_percent", "30"),
    ("decoder_kernel", "7"),
];

#[test]
fn strokes_are_learned_coded_and_brought_back() {
    for channels in [1, 3] {
        let (data, fresh) = (strokes(800, channels, 1), strokes(300, channels, 2));
        let (model, losses) = fitted(&SMALL, &data);
        let (first, last) = (mean(&losses[..5]), mean(&losses[losses.len() - 5..]));
        assert!(last < 0.5 * first, "{channels} channels: {first} to {last}");
        let codes = model.encoder().encode(data.rows()).unwrap();
        assert!(codes.unit_counts().iter().all(|count| *count > 0), "no unit is dead");
        let fvu = unexplained(&model, &fresh);
        assert!(fvu < 0.75, "{channels} channels: {fvu}");
    }
}

/// The second stage learns after the first, which then stands still, and its codes lead back to images.
#[test]
fn stages_are_learned_one_after_the_other() {
    let data = strokes(800, 1, 3);
    let mut pairs = SMALL.to_vec();
    pairs[0].1 = "8/12";
    pairs[2].1 = "60";
    pairs.extend([("pool", "3"), ("stride", "2")]);
    let mut model = Model::new("conv-wta", &settings(&pairs), data.inputs()).unwrap();
    let (mut losses, mut counted) = (Vec::new(), Vec::new());
    fit(&mut model, &data, Position::default(), &mut |step, _, _| {
        losses.push(step.loss);
        counted.push(step.dead_units.is_some());
        Control::Continue
    })
    .unwrap();
    let half = losses.len() / 2;
    assert!(counted[..half].iter().all(|counted| !counted), "the first half is the first stage's");
    assert!(counted[half..].iter().all(|counted| *counted), "the second half is the second's");
    for losses in [&losses[..half], &losses[half..]] {
        let (first, last) = (mean(&losses[..5]), mean(&losses[losses.len() - 5..]));
        assert!(last < 0.7 * first, "{first} to {last}");
    }
    // 12x12 places pool to 6x6, those to 3x3.
    assert_eq!(model.encoder().units(), 12 * 3 * 3);
    let fvu = unexplained(&model, &data);
    assert!(fvu < 0.95, "{fvu}");
    assert!(model.filter(50).iter().any(|value| value.abs() > 1e-3));
}

/// An image that moves by the stride moves its latents by one square, away from the margins.
#[test]
fn latents_move_with_the_image() {
    let data = strokes(40, 1, 4);
    let settings =
        ConvWtaSettings { winners: 4, pool: 2, stride: 2, kernel: 3, ..Default::default() };
    let model = ConvWta::new(settings, data.inputs()).unwrap();
    let maps = model.units() / 36;
    let mut moved = data.rows().values().to_vec();
    for image in moved.chunks_exact_mut(SIDE * SIDE) {
        image.copy_within(..SIDE * SIDE - 2, 2);
        image.chunks_exact_mut(SIDE).for_each(|row| row[..2].fill(0.0));
    }
    let here = model.latents(data.rows()).unwrap();
    let there = model.latents(Rows::new(&moved, SIDE * SIDE).unwrap()).unwrap();
    let square = |latents: &[f32], image: usize, row: usize, column: usize| {
        latents[(image * 36 + row * 6 + column) * maps..][..maps].to_vec()
    };
    assert!(here.iter().any(|value| *value > 0.1) && here.iter().all(|value| *value >= 0.0));
    for image in 0..40 {
        for (row, column) in (0..36).map(|at| (at / 6, at % 6)).filter(|at| (1..4).contains(&at.1))
        {
            let (a, b) =
                (square(&here, image, row, column), square(&there, image, row, column + 1));
            assert!(a.iter().zip(&b).all(|(a, b)| (a - b).abs() < 1e-4), "image {image}");
        }
    }
}

/// Where the balance has not moved yet, the code is the best of the latents, each leaning on the best
/// of its map by a tenth.
#[test]
fn codes_are_the_best_latents() {
    let data = strokes(30, 1, 5);
    let settings = ConvWtaSettings { winners: 6, ..Default::default() };
    let model = ConvWta::new(settings, data.inputs()).unwrap();
    let (codes, latents) =
        (model.encode(data.rows()).unwrap(), model.latents(data.rows()).unwrap());
    for (code, latents) in codes.iter().zip(latents.chunks_exact(model.units())) {
        let best = |map: usize| latents.iter().skip(map).step_by(64).copied().fold(0.0, f32::max);
        let scores: Vec<f32> =
            latents.iter().enumerate().map(|(unit, value)| value + 0.1 * best(unit % 64)).collect();
        let winners = || code.indices().iter().map(|unit| *unit as usize);
        assert!(winners().all(|unit| latents[unit] > 0.0), "enough units are above 0");
        let least = winners().map(|unit| scores[unit]).fold(f32::MAX, f32::min);
        assert!(scores.iter().filter(|score| **score > least).count() < 6);
    }
}

#[test]
fn what_can_not_be_is_said() {
    let data = strokes(20, 1, 6);
    let error = |pairs: &[(&str, &str)]| {
        Model::new("conv-wta", &settings(pairs), data.inputs()).unwrap_err().to_string()
    };
    let message = Model::new("conv-wta", &[], data.rows()).unwrap_err().to_string();
    assert!(message.contains("images") && message.contains("with_image"), "{message}");
    let wrong = Inputs {
        rows: data.rows(),
        image: Some(ImageShape { width: 5, height: 5, channels: 1 }),
        classes: 0,
    };
    let message = Model::new("conv-wta", &[], wrong).unwrap_err().to_string();
    assert!(message.contains("144") && message.contains("5x5"), "{message}");
    assert!(error(&[("units", "100")]).contains("unknown setting"));
    let message = error(&[("winners", "600"), ("channels", "16")]);
    assert!(message.contains("1 to 144, the units"), "{message}");
    for (key, value) in [
        ("kernel", "4"),
        ("decoder_kernel", "0"),
        ("pool", "0"),
        ("stride", "6"),
        ("lifetime_percent", "0"),
        ("lifetime_percent", "101"),
        ("learning_rate", "0"),
        ("momentum", "1"),
        ("batch", "0"),
        ("channels", "8--8"),
        ("channels", "0"),
        ("optimiser", "newton"),
    ] {
        assert!(error(&[(key, value)]).contains(key), "{key} = {value}");
    }
}

#[test]
fn empty_batches_are_harmless() {
    let data = strokes(20, 1, 7);
    let mut model =
        ConvWta::new(ConvWtaSettings { winners: 4, ..Default::default() }, data.inputs()).unwrap();
    let none = Rows::new(&[], SIDE * SIDE).unwrap();
    let step = model.learn(none, None).unwrap();
    assert_eq!((step.samples, step.loss), (0, 0.0));
    assert!(model.encode(none).unwrap().is_empty() && model.latents(none).unwrap().is_empty());
}
