//! Laws of sparse weights whose places move, through the public surface.

mod common;

use common::{images, settings, with_threads};
use kwinners::data::ImageShape;
use kwinners::encoder::{Classifier, Model};
use kwinners::file::{self, About, Checkpoint, SavedModel};
use kwinners::train::{Control, Position, fit};
use kwinners::{Dataset, Rng};
use proptest::prelude::*;

const RULES: [&str; 4] = ["none", "momentum", "set", "rigl"];

/// Labelled images of 8x8.
fn digits(len: usize) -> Dataset {
    let image = ImageShape { width: 8, height: 8, channels: 1 };
    let labels = (0..len as u32).map(|row| row % 10).collect();
    let classes = (0..10).map(|class: u32| class.to_string()).collect();
    images(len, 64, 5).with_image(image).unwrap().with_labels(labels, classes).unwrap()
}

fn classifier(model: &Model) -> &Classifier {
    let Model::Classifier(classifier) = model else { panic!("a classifier") };
    classifier
}

fn kept(model: &Model) -> usize {
    classifier(model).kept_weights().iter().map(|(kept, _)| kept).sum()
}

fn bytes_of(model: Model, data: &Dataset, at: Option<Position>) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.kw");
    let checkpoint = at.map(|position| Checkpoint::new(position, data));
    let saved = SavedModel { model, about: About::of(data), checkpoint };
    file::save_model(&path, &saved).unwrap();
    std::fs::read(path).unwrap()
}

fn go_on(model: &mut Model, data: &Dataset, from: Position) {
    fit(model, data, from, &mut |_, _, _| Control::Continue).unwrap();
}

/// Settings of a small network that regrows by `rule`.
fn small(rule: &str, more: &[(&str, &str)]) -> Vec<(String, String)> {
    let usual = [
        ("preset", "lenet-300-100"),
        ("layers", "conv 6 3, relu, pool 2, linear 40, batch-norm, k-winners 9"),
        ("winners", "0"),
        ("weight_density", "0.2"),
        ("epochs", "4"),
        ("batch", "30"),
        ("regrow", rule),
    ];
    settings(&[&usual[..], more].concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// As many weights are kept after every step as were drawn, the rounded share of all, and those that are
    /// not are zero.
    #[test]
    fn density_is_exact(
        rule in 0usize..4,
        layers in 0usize..5,
        density in 0.03f32..0.99,
        every in 0usize..4,
        seed in 0u64..1000,
        flags in 0usize..16,
    ) {
        let layers = [
            "linear 30",
            "linear 30, relu, linear 20, tanh",
            "conv 5 3, pool 2, relu, linear 17, relu",
            "pad 1, conv 4 3, batch-norm affine, relu, conv 9 3, relu, pool 3, linear 50, relu",
            "linear 40, k-winners 8, dropout 0.2, linear 16, soft-k-winners 4",
        ][layers];
        let pick = |bit: usize, names: [&'static str; 2]| names[flags >> bit & 1];
        let (every, density_text, seed) = (every.to_string(), density.to_string(), seed.to_string());
        let chosen = settings(&[
            ("layers", layers),
            ("winners", if layers.contains(" k-winners") { "0" } else { "5" }),
            ("weight_density", &density_text),
            ("layer_density", pick(0, ["uniform", "erdos-renyi"])),
            ("regrow", RULES[rule]),
            ("regrow_every", &every),
            ("prune_rate", pick(1, ["0.5", "0.9"])),
            ("prune_schedule", pick(2, ["cosine", "constant"])),
            ("optimiser", pick(3, ["adam", "nesterov"])),
            ("momentum", "0.9"),
            ("epochs", "3"),
            ("batch", "32"),
            ("seed", &seed),
        ]);
        let data = digits(90);
        let mut model = Model::new("classifier", &chosen, data.inputs()).unwrap();
        let all: usize = classifier(&model).kept_weights().iter().map(|(_, all)| all).sum();
        let density: f64 = density_text.parse().unwrap();
        let wanted = (density * all as f64).round() as usize;
        prop_assert_eq!(kept(&model), wanted);
        fit(&mut model, &data, Position::default(), &mut |_, model, _| {
            assert_eq!(kept(model), wanted);
            Control::Continue
        })
        .unwrap();
    }
}

/// Places move where they are to move, and nowhere else.
#[test]
fn rules_differ_and_none_stays() {
    let data = digits(120);
    let mut seen = Vec::new();
    for rule in RULES {
        let mut model = Model::new("classifier", &small(rule, &[]), data.inputs()).unwrap();
        let before = classifier(&model).kept_weights();
        go_on(&mut model, &data, Position::default());
        let after = classifier(&model).kept_weights();
        assert_eq!(before == after, rule != "momentum", "only momentum moves between layers");
        let bytes = bytes_of(model, &data, None);
        assert!(!seen.contains(&bytes), "{rule}");
        seen.push(bytes);
    }
}

/// What is sparse can still be learned.
#[test]
fn sparse_networks_learn() {
    let data = digits(600);
    for rule in RULES {
        let chosen = small(rule, &[("epochs", "12"), ("learning_rate", "0.05")]);
        let mut model = Model::new("classifier", &chosen, data.inputs()).unwrap();
        go_on(&mut model, &data, Position::default());
        let classes = model.classifier().unwrap().classify(data.rows()).unwrap();
        let labels = data.labels.as_ref().unwrap();
        let right = classes.iter().zip(labels).filter(|(got, label)| got == label).count();
        // 60 by chance.
        assert!(right > 400, "{rule}: {right} of 600");
    }
}

#[test]
fn threads_and_stops_make_no_difference() {
    let data = digits(120);
    let mut rng = Rng::new(2);
    for rule in RULES {
        for every in ["0", "3"] {
            let chosen = small(rule, &[("regrow_every", every)]);
            let whole = |threads| {
                with_threads(threads, || {
                    let mut model = Model::new("classifier", &chosen, data.inputs()).unwrap();
                    go_on(&mut model, &data, Position::default());
                    bytes_of(model, &data, None)
                })
            };
            let unbroken = whole(1);
            assert!(unbroken == whole(3), "{rule}, every {every}");
            for _ in 0..3 {
                let last = 1 + rng.below(14) as u64;
                let mut model = Model::new("classifier", &chosen, data.inputs()).unwrap();
                let (_, position) =
                    fit(&mut model, &data, Position::default(), &mut |step, _, _| {
                        if step.step == last { Control::Stop } else { Control::Continue }
                    })
                    .unwrap();
                let folder = tempfile::tempdir().unwrap();
                let path = folder.path().join("model.kw");
                std::fs::write(&path, bytes_of(model, &data, Some(position))).unwrap();
                let mut taken_up = file::load_model(&path).unwrap().model;
                go_on(&mut taken_up, &data, position);
                assert!(unbroken == bytes_of(taken_up, &data, None), "{rule}, stopped at {last}");
            }
        }
    }
}

#[test]
fn what_cannot_be_is_refused() {
    let data = digits(40);
    let cases: [(&str, &[(&str, &str)]); 9] = [
        ("weight_density", &[("weight_density", "1")]),
        ("weight_density", &[("weight_density", "1.5")]),
        ("weight_density", &[("weight_density", "0.0001")]),
        ("prune_rate", &[("prune_rate", "1")]),
        ("last_prune_rate", &[("last_prune_rate", "0.6")]),
        ("regrow_until", &[("regrow_until", "0")]),
        ("momentum", &[("momentum", "0")]),
        ("layers", &[("layers", "linear 40 density=0.5, k-winners 9")]),
        ("layers", &[("layers", "linear 40 drop-connect=0.5, k-winners 9")]),
    ];
    for (setting, more) in cases {
        let chosen = small("momentum", more);
        let error = Model::new("classifier", &chosen, data.inputs()).unwrap_err().to_string();
        assert!(error.contains(setting), "{error}");
    }
    let chosen = small("none", &[("weight_density", "1")]);
    Model::new("classifier", &chosen, data.inputs()).unwrap();
}
