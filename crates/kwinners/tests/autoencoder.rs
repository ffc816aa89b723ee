//! Autoencoders from outside: what each selection promises, and the form that other programs use.

use std::path::Path;

use kwinners::encoder::{
    Autoencoder, AutoencoderSettings, Boosting, InputStatistics, LatentSelection, Latents,
};
use kwinners::file::{SaeLayout, load_sae, save_sae};
use kwinners::{Encoder, Error, Learner, Rng, Rows};

const WIDTH: usize = 24;

/// Sums of a few of 40 directions, like what dictionaries are learned from.
fn inputs(len: usize, seed: u64) -> Vec<f32> {
    let mut rng = Rng::new(1);
    let directions: Vec<f32> = (0..40 * WIDTH).map(|_| rng.normal() / 5.0).collect();
    let mut rng = Rng::new(seed);
    let mut values = vec![0.0; len * WIDTH];
    for row in values.chunks_exact_mut(WIDTH) {
        for direction in rng.distinct(3, 40) {
            let weight = rng.between(0.5, 1.5);
            let direction = &directions[direction as usize * WIDTH..][..WIDTH];
            row.iter_mut().zip(direction).for_each(|(sum, value)| *sum += weight * value);
        }
    }
    values
}

fn recipe(selection: &str) -> AutoencoderSettings {
    let small = [("selection", selection), ("units", "64"), ("winners", "4"), ("batch", "64")];
    let small = small.map(|(key, value)| (key.to_owned(), value.to_owned()));
    AutoencoderSettings::of_pairs(&small).unwrap()
}

fn fitted(settings: &AutoencoderSettings, rows: Rows<'_>, epochs: usize) -> Autoencoder {
    let settings = AutoencoderSettings { epochs, ..settings.clone() };
    let batch = settings.batch;
    let mut model = Autoencoder::new(settings, rows).unwrap();
    for _ in 0..epochs {
        for rows in rows.blocks(batch) {
            model.learn(rows, None).unwrap();
        }
    }
    model
}

/// Share of the variance that is not explained.
fn unexplained(rows: Rows<'_>, reconstructed: &[f32]) -> f64 {
    let mut mean = [0.0; WIDTH];
    rows.iter().for_each(|row| mean.iter_mut().zip(row).for_each(|(m, x)| *m += f64::from(*x)));
    let mean = mean.map(|sum| sum / rows.len() as f64);
    let (mut error, mut variance) = (0.0, 0.0);
    for (row, reconstructed) in rows.iter().zip(reconstructed.chunks_exact(WIDTH)) {
        for ((x, r), mean) in row.iter().zip(reconstructed).zip(mean) {
            error += f64::from(x - r).powi(2);
            variance += (f64::from(*x) - mean).powi(2);
        }
    }
    error / variance
}

#[test]
fn every_selection_learns() {
    let values = inputs(1000, 2);
    let rows = Rows::new(&values, WIDTH).unwrap();
    for selection in ["k-sparse", "wta", "topk", "batch-topk", "matryoshka", "binary"] {
        let model =
            fitted(&AutoencoderSettings { learning_rate: 0.01, ..recipe(selection) }, rows, 60);
        let latents = model.latents(rows).unwrap();
        let latents = Rows::new(&latents, 64).unwrap();
        let by_latents = unexplained(rows, &model.reconstruct(latents).unwrap());
        let most = if selection == "binary" { 0.75 } else { 0.35 };
        assert!(by_latents < most, "{selection}: {by_latents}");
        assert_eq!(model.encode(rows).unwrap().winners(), Some(4));
    }
}

/// Latents are what their doc says: as many as are to be kept, largest first in the code.
#[test]
fn latents_are_the_winners() {
    let values = inputs(200, 4);
    let rows = Rows::new(&values, WIDTH).unwrap();
    let active = |latents: &[f32]| latents.iter().filter(|value| **value != 0.0).count();
    let model = fitted(&AutoencoderSettings { alpha: 3.0, ..recipe("k-sparse") }, rows, 2);
    let latents = model.latents(rows).unwrap();
    assert!(latents.chunks_exact(64).all(|row| active(row) == 12));
    let model = fitted(&recipe("topk"), rows, 2);
    let (latents, codes) = (model.latents(rows).unwrap(), model.encode(rows).unwrap());
    for (row, code) in latents.chunks_exact(64).zip(codes.iter()) {
        assert!(active(row) <= 4);
        assert!(row.iter().enumerate().all(|(u, value)| *value == 0.0 || code.contains(u as u32)));
    }
    let model = fitted(&recipe("binary"), rows, 2);
    let latents = model.latents(rows).unwrap();
    let of_unit = |place: usize| model.magnitudes()[place % model.units()];
    assert!(latents.iter().enumerate().all(|(i, &value)| value == 0.0 || value == of_unit(i)));
    let model = fitted(&recipe("batch-topk"), rows, 20);
    let latents = model.latents(rows).unwrap();
    assert!(model.threshold() > 0.0);
    let mean = active(&latents) as f32 / 200.0;
    assert!((2.0..8.0).contains(&mean), "{mean} active units a row, 4 while learning");
}

/// Units that lose by their bias stay dead, unless they stand in for what the winners leave over.
#[test]
fn idle_units_are_brought_back() {
    let values = inputs(1000, 6);
    let rows = Rows::new(&values, WIDTH).unwrap();
    let dead = |aux_winners| {
        let settings = AutoencoderSettings {
            aux_winners,
            dead_after: 500,
            epochs: 100,
            learning_rate: 0.003,
            ..recipe("topk")
        };
        let fresh = Autoencoder::new(settings.clone(), rows).unwrap();
        let mut weights = fresh.weights();
        weights.encoder_bias[32..].fill(-0.6);
        let statistics = fresh.statistics().clone();
        let mut model = Autoencoder::from_weights(settings, weights, statistics).unwrap();
        for _ in 0..40 {
            for rows in rows.blocks(64) {
                model.learn(rows, None).unwrap();
            }
        }
        let mut used = [false; 64];
        let codes = model.encode(rows).unwrap();
        codes.iter().for_each(|code| code.indices().iter().for_each(|u| used[*u as usize] = true));
        used.iter().filter(|used| !**used).count()
    };
    assert!(dead(16) + 8 < dead(0), "{} dead with, {} without", dead(16), dead(0));
}

#[test]
fn unfit_settings_are_refused() {
    let values = inputs(20, 8);
    let rows = Rows::new(&values, WIDTH).unwrap();
    let refused = |settings: AutoencoderSettings, part: &str| {
        let message = Autoencoder::new(settings, rows).unwrap_err().to_string();
        assert!(message.contains(part), "{message}");
    };
    refused(AutoencoderSettings { occlusion: 3, ..recipe("topk") }, "no images");
    refused(AutoencoderSettings { hidden_dropout: 1.0, ..recipe("topk") }, "hidden_dropout");
    refused(AutoencoderSettings { learning_rate: 0.0, ..recipe("topk") }, "learning_rate");
    refused(AutoencoderSettings { boosting: Boosting::Balance, ..recipe("wta") }, "boosting");
    refused(AutoencoderSettings { winners: 65, ..recipe("topk") }, "65 winners of 64 units");
    refused(AutoencoderSettings { prefixes: 0, ..recipe("matryoshka") }, "prefixes");
    let mut bce = recipe("binary");
    bce.set("loss", "bce").unwrap();
    let error = Autoencoder::new(bce, rows).unwrap().learn(rows, None).unwrap_err();
    assert!(error.to_string().contains("from 0 to 1"), "{error}");
}

#[test]
fn exported_autoencoders_come_back() {
    let values = inputs(300, 10);
    let rows = Rows::new(&values, WIDTH).unwrap();
    let folder = tempfile::tempdir().unwrap();
    for selection in ["topk", "matryoshka"] {
        let model = fitted(&recipe(selection), rows, 3);
        for layout in [SaeLayout::SaeLens, SaeLayout::Linear] {
            save_sae(folder.path(), &model, layout).unwrap();
            let back = load_sae(folder.path()).unwrap();
            assert_eq!(back.weights(), model.weights());
            assert_eq!(back.magnitudes(), model.magnitudes());
            assert_eq!(back.statistics(), model.statistics());
            assert_eq!(back.encode(rows).unwrap(), model.encode(rows).unwrap());
            assert_eq!(back.latents(rows).unwrap(), model.latents(rows).unwrap());
            assert!(back.statistics().check(rows).is_ok());
            let twice: Vec<f32> = values.iter().map(|value| 2.0 * value).collect();
            let twice = Rows::new(&twice, WIDTH).unwrap();
            assert!(matches!(back.statistics().check(twice), Err(Error::Shape { .. })));
        }
    }
}

/// As another program would write it: other names, other types, fewer keys.
#[test]
fn autoencoders_of_others_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let numbers: Vec<f32> = (0..12).map(|place| place as f32 / 4.0 - 1.0).collect();
    let doubles: Vec<u8> = numbers.iter().flat_map(|x| f64::from(*x).to_le_bytes()).collect();
    let singles: Vec<u8> = numbers.iter().flat_map(|x| x.to_le_bytes()).collect();
    let tensors = [
        ("encoder.weight", "F64", vec![4, 3], &doubles[..]),
        ("encoder.bias", "F32", vec![4], &singles[..16]),
        ("W_dec", "F32", vec![4, 3], &singles[..]),
        ("b_dec", "F32", vec![3], &singles[..12]),
    ];
    write_tensors(&folder.path().join("sae.safetensors"), &tensors);
    let config = |text: &str| std::fs::write(folder.path().join("cfg.json"), text).unwrap();
    config(r#"{"d_in": 3, "num_latents": 4, "k": 2, "activation": "topk"}"#);
    let model = load_sae(folder.path()).unwrap();
    let weights = model.weights();
    assert_eq!((&weights.encoder, &weights.decoder), (&numbers, &numbers));
    assert!(model.settings().subtract_bias);
    assert_eq!(model.settings().selection, LatentSelection::TopK);
    let unknown = InputStatistics { mean_length: 0.0, mean: vec![0.0; 3] };
    assert_eq!(*model.statistics(), unknown);
    for (text, part) in [
        (r#"{"d_in": 3, "num_latents": 5, "k": 2}"#, "`encoder.weight` of shape [5, 3]"),
        (r#"{"d_in": 3, "num_latents": 4}"#, "`k`"),
        (r#"{"d_in": 3, "d_sae": 4, "k": 2, "architecture": "jumprelu"}"#, "jumprelu"),
        (r#"{"d_in": 3, "d_sae": 4, "k": 5}"#, "5 winners of 4 units"),
        (r#"{"d_in": 3, "d_sae": 4, "k": 2, "normalize_activations": "layer_norm"}"#, "layer_norm"),
        (r#"{"d_in": 3, "d_sae": 4, "k": 2, "kwinners": {"magnitudes": [1, "a"]}}"#, "magnitudes"),
        (r#"[1]"#, "an object"),
        ("{", "JSON"),
    ] {
        config(text);
        let message = load_sae(folder.path()).unwrap_err().to_string();
        assert!(message.contains(part), "{text}: {message}");
    }
}

#[test]
fn damaged_exports_are_refused() {
    let values = inputs(100, 12);
    let rows = Rows::new(&values, WIDTH).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let model = fitted(&recipe("topk"), rows, 1);
    save_sae(folder.path(), &model, SaeLayout::SaeLens).unwrap();
    let path = folder.path().join("sae.safetensors");
    let whole = std::fs::read(&path).unwrap();
    for length in [0, 7, 8, 100, whole.len() / 2, whole.len() - 1] {
        std::fs::write(&path, &whole[..length]).unwrap();
        assert!(matches!(load_sae(folder.path()), Err(Error::Format { .. })), "{length}");
    }
    std::fs::remove_file(&path).unwrap();
    assert!(matches!(load_sae(folder.path()), Err(Error::Io { .. })));
    let unfit = fitted(&recipe("k-sparse"), rows, 1);
    assert!(matches!(
        save_sae(folder.path(), &unfit, SaeLayout::Linear),
        Err(Error::Unsupported(_))
    ));
}

/// A `.safetensors` file, written by its description: the length of a JSON header, the header, the
/// bytes of all tensors.
fn write_tensors(path: &Path, tensors: &[(&str, &str, Vec<usize>, &[u8])]) {
    let (mut header, mut body) = (serde_json::Map::new(), Vec::new());
    for (name, dtype, shape, bytes) in tensors {
        let start = body.len();
        body.extend_from_slice(bytes);
        let entry = serde_json::json!({
            "dtype": dtype, "shape": shape, "data_offsets": [start, body.len()],
        });
        header.insert((*name).to_owned(), entry);
    }
    let header = serde_json::Value::Object(header).to_string();
    let length = (header.len() as u64).to_le_bytes();
    std::fs::write(path, [&length, header.as_bytes(), &body].concat()).unwrap();
}
