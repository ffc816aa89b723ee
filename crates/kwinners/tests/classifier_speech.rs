//! Laws of the classifier where rows are clips of sound: images made inside the model, augmentation, noise.

mod common;

use common::{saved_bytes, settings, with_threads};
use kwinners::data::ImageShape;
use kwinners::encoder::{ClassifierSettings, Model};
use kwinners::file::{self, About, Checkpoint, SavedModel};
use kwinners::speech::{CLIP_SAMPLES, LogMel};
use kwinners::train::{Control, Position, fit};
use kwinners::{Dataset, Error, Rng, Rows};

const SMALL: &[(&str, &str)] = &[
    ("front", "log-mel"),
    ("layers", "conv 4 5, batch-norm, pool 4, k-winners 40, linear 20 density=0.5, k-winners 4"),
    ("epochs", "3"),
    ("batch", "7"),
    ("augment", "true"),
    ("balanced", "true"),
    ("noise", "waveform"),
    ("noise_level", "0.1"),
    ("learning_rate", "0.01"),
];

/// Tones of two classes, low and high, with a little noise, for a part of the second.
fn tones(len: usize, seed: u64) -> Dataset {
    let mut rng = Rng::new(seed);
    let mut values = Vec::with_capacity(len * CLIP_SAMPLES);
    for row in 0..len {
        let hertz = if row % 2 == 0 { rng.between(200.0, 500.0) } else { rng.between(2e3, 4e3) };
        let begin = rng.below(CLIP_SAMPLES / 2);
        values.extend((0..CLIP_SAMPLES).map(|place| {
            let on = (begin..begin + CLIP_SAMPLES / 2).contains(&place);
            let turn = place as f32 / 16_000.0 * hertz * std::f32::consts::TAU;
            rng.between(-0.01, 0.01) + if on { 0.5 * turn.sin() } else { 0.0 }
        }));
    }
    let labels = (0..len as u32).map(|row| row % 2).collect();
    let names = vec!["low".to_owned(), "high".to_owned()];
    Dataset::new("tones", values, CLIP_SAMPLES).unwrap().with_labels(labels, names).unwrap()
}

fn new_model(data: &Dataset) -> Model {
    Model::new("classifier", &settings(SMALL), data.inputs()).unwrap()
}

fn fitted(data: &Dataset) -> Model {
    let mut model = new_model(data);
    fit(&mut model, data, Position::default(), &mut |_, _, _| Control::Continue).unwrap();
    model
}

#[test]
fn one_thread_or_three_and_any_stop_give_the_same_bytes() {
    let data = tones(30, 1);
    let unbroken = saved_bytes(with_threads(1, || fitted(&data)), &data);
    assert!(saved_bytes(with_threads(3, || fitted(&data)), &data) == unbroken);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint.kw");
    for stop_after in [1, 6, 13] {
        let mut model = new_model(&data);
        let (_, position) = fit(&mut model, &data, Position::default(), &mut |step, _, _| {
            if step.step == stop_after { Control::Stop } else { Control::Continue }
        })
        .unwrap();
        let checkpoint = Some(Checkpoint::new(position, &data));
        file::save_model(&path, &SavedModel { model, about: About::of(&data), checkpoint })
            .unwrap();
        let mut loaded = file::load_model(&path).unwrap();
        let position = loaded.checkpoint.unwrap().position;
        fit(&mut loaded.model, &data, position, &mut |_, _, _| Control::Continue).unwrap();
        assert!(saved_bytes(loaded.model, &data) == unbroken, "stopped after {stop_after}");
    }
}

#[test]
fn models_come_back_and_a_row_is_told_whatever_stands_beside_it() {
    let data = tones(24, 2);
    let model = fitted(&data);
    let told = model.classifier().unwrap().classify(data.rows()).unwrap();
    let codes = model.encoder().encode(data.rows()).unwrap();
    assert_eq!(codes.winners(), Some(4));
    let alone = model.encoder().encode(data.rows().slice(23..24)).unwrap();
    assert_eq!(alone.get(0), codes.get(23));
    assert_eq!(model.filter(0).len(), CLIP_SAMPLES);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.kw");
    let saved = SavedModel { model, about: About::of(&data), checkpoint: None };
    file::save_model(&path, &saved).unwrap();
    let loaded = file::load_model(&path).unwrap().model;
    assert_eq!(loaded.encoder().encode(data.rows()).unwrap(), codes);
    assert_eq!(loaded.classifier().unwrap().classify(data.rows()).unwrap(), told);
}

/// Without augmentation and noise a model of clips is the model of their images.
#[test]
fn the_front_is_the_log_mel_image() {
    let data = tones(20, 3);
    let plain = [("augment", "false"), ("noise", "none"), ("input", "standardised")];
    let inside = settings(&[SMALL, &plain].concat());
    let outside = settings(&[SMALL, &plain, &[("front", "none")]].concat());
    let images = LogMel::new().images(data.rows()).unwrap();
    let shape = kwinners::data::ImageShape { width: 32, height: 32, channels: 1 };
    let names = vec!["low".to_owned(), "high".to_owned()];
    let images = Dataset::new("images", images, 1024).unwrap().with_image(shape).unwrap();
    let images = images.with_labels(data.labels.clone().unwrap(), names).unwrap();
    let scores = |settings: &[(String, String)], data: &Dataset| {
        let mut model = Model::new("classifier", settings, data.inputs()).unwrap();
        fit(&mut model, data, Position::default(), &mut |_, _, _| Control::Continue).unwrap();
        model.classifier().unwrap().scores(data.rows()).unwrap()
    };
    assert_eq!(scores(&inside, &data), scores(&outside, &images));
}

/// Every preset that there is makes a network for images of 28x28, or for clips, and encodes.
#[test]
fn presets_are_written_right() {
    let images =
        common::images(4, 784, 5).with_image(ImageShape { width: 28, height: 28, channels: 1 });
    let (images, clips) = (images.unwrap(), tones(2, 4));
    let error = ClassifierSettings::default().set("preset", "?").unwrap_err().to_string();
    let names = error.split_once("one of ").unwrap().1.split_once(", got").unwrap().0;
    assert!(names.split(' ').count() > 20, "{names}");
    for name in names.split(' ') {
        let data =
            if name.starts_with("speech") || name.starts_with("gsc") { &clips } else { &images };
        let inputs =
            kwinners::encoder::Inputs { rows: data.rows(), image: data.image, classes: 10 };
        let model = Model::new("classifier", &settings(&[("preset", name)]), inputs)
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        let codes = model.encoder().encode(data.rows()).unwrap();
        assert_eq!(codes.winners(), Some(model.encoder().winners()), "{name}");
    }
}

#[test]
fn rows_that_are_no_clips_are_refused_with_the_way_out() {
    let narrow = Rows::new(&[0.5; 2048], 1024).unwrap();
    let inputs = kwinners::encoder::Inputs { rows: narrow, image: None, classes: 2 };
    for preset in
        ["speech-sparse-cnn2", "speech-dense-cnn2", "speech-super-sparse-cnn2", "gsc-sparse-cnn"]
    {
        let refused = Model::new("classifier", &settings(&[("preset", preset)]), inputs);
        let message = refused.unwrap_err().to_string();
        assert!(message.contains("16000") && message.contains("front=none"), "{message}");
    }
    let data = tones(14, 4);
    let mut model = new_model(&data);
    assert!(matches!(model.encoder().encode(narrow), Err(Error::Shape { .. })));
    let learned = model.learner().unwrap().learn(narrow, Some(&[0, 1]));
    assert!(matches!(learned, Err(Error::Shape { .. })));
}
