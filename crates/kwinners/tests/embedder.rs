//! What embedders promise: learning, schedules, views, starting from a classifier, autoencoders, presets.

mod common;

use common::{images, saved_bytes, settings};
use kwinners::data::ImageShape;
use kwinners::encoder::{
    Embedder, EmbedderPreset, EmbedderSettings, Encoder, Inputs, Learner, Model,
};
use kwinners::metrics::{
    BIT_THRESHOLDS, binary_reconstruction, centroid_accuracy, code_figures, neighbours_by_overlap,
    unit_saliency,
};
use kwinners::train::{Control, Position, fit};
use kwinners::{Dataset, Error, Rows};

fn labelled(len: usize, width: usize, seed: u64) -> Dataset {
    let classes = (0..10).map(|class| class.to_string()).collect();
    images(len, width, seed)
        .with_labels((0..len as u32).map(|row| row % 10).collect(), classes)
        .unwrap()
}

fn fitted(kind: &str, pairs: &[(&str, &str)], data: &Dataset) -> Model {
    let mut model = Model::new(kind, &settings(pairs), data.inputs()).unwrap();
    fit(&mut model, data, Position::default(), &mut |_, _, _| Control::Continue).unwrap();
    model
}

const SMALL: [(&str, &str); 5] = [
    ("layers", "linear 30, relu"),
    ("units", "120"),
    ("winners", "8"),
    ("epochs", "20"),
    ("batch", "100"),
];

/// Share of right answers of nearest centroid and nearest neighbour on rows that were not learned from.
fn accuracies(model: &Model, train: &Dataset, test: &Dataset) -> (f64, f64) {
    let (train_labels, test_labels) = (train.labels().unwrap(), test.labels().unwrap());
    let codes = model.encoder().encode(train.rows()).unwrap();
    let found = model.encoder().encode(test.rows()).unwrap();
    let nearest = neighbours_by_overlap(&codes, &found, 1).unwrap();
    (
        centroid_accuracy(&codes, train_labels, &found, test_labels).unwrap(),
        nearest.vote_accuracy(1, train_labels, test_labels).unwrap(),
    )
}

/// Every loss and every step learns codes that tell the classes, from what tells almost nothing before.
#[test]
fn every_loss_learns() {
    let all = labelled(900, 60, 3);
    let (train, test) = all.split(600).unwrap();
    let ways: [&[(&str, &str)]; 13] = [
        &[("loss", "triplet"), ("miner", "random"), ("multiplier", "5")],
        &[("loss", "triplet"), ("miner", "all"), ("step", "relu6")],
        &[("loss", "triplet"), ("miner", "hard"), ("step", "surrogate")],
        &[("loss", "triplet"), ("miner", "semi-hard")],
        &[("loss", "triplet"), ("miner", "all"), ("metric", "l2"), ("margin", "1")],
        &[("loss", "triplet"), ("miner", "all"), ("metric", "l1"), ("margin", "1")],
        &[("loss", "contrastive")],
        &[("loss", "pair"), ("hardest", "0.5")],
        &[("loss", "contrast")],
        &[("loss", "prototypes")],
        &[("loss", "contrast"), ("step", "hard")],
        &[("threshold", "learned")],
        &[("threshold", "predicted"), ("least_winners", "3")],
    ];
    for way in ways {
        let model = fitted("embedder", &[&SMALL[..], way].concat(), &train);
        let (centroid, nearest) = accuracies(&model, &train, &test);
        assert!(centroid > 0.97 && nearest > 0.97, "{way:?}: {centroid} {nearest}");
    }
}

/// A penalty of the code is added to any loss, as a mean over units and samples. That of hard codes is known: `k / n`.
#[test]
fn a_latent_penalty_is_added_to_any_loss() {
    let data = labelled(600, 60, 3);
    let first_loss = |pairs: &[(&str, &str)]| {
        let settings = EmbedderSettings::of_pairs(&settings(&[&SMALL[..], pairs].concat()));
        let mut embedder = Embedder::new(settings.unwrap(), data.rows()).unwrap();
        embedder.learn(data.rows(), data.labels()).unwrap().loss
    };
    for loss in ["prototypes", "triplet", "contrastive", "pair", "contrast", "mse", "bce"] {
        let with = |penalty| {
            let pairs = [("loss", loss), ("step", "hard"), ("input", "raw")];
            first_loss(&[&pairs[..], &[("latent_penalty", penalty)]].concat())
        };
        let added = with("4") - with("1");
        assert!((added - 3.0 * 8.0 / 120.0).abs() < 1e-6, "{loss}: {added}");
    }
}

/// Every step says how steep the step of the codes was and how many won, so that curves show what a schedule did: as
/// published, where its powers compound, and as it was meant.
#[test]
fn steps_tell_the_schedule() {
    let data = labelled(60, 20, 3);
    let schedule = [
        ("layers", ""),
        ("winners", "5"),
        ("first_winners", "40"),
        ("winners_factor", "0.5"),
        ("hardness", "1"),
        ("hardness_factor", "2"),
        ("most_hardness", "50"),
        ("anneal_every", "1"),
        ("epochs", "5"),
    ];
    for (compounding, expected) in [
        ("true", [(40, 1.0), (20, 2.0), (5, 8.0), (5, 50.0), (5, 50.0)]),
        ("false", [(40, 1.0), (20, 2.0), (10, 4.0), (5, 8.0), (5, 16.0)]),
    ] {
        let pairs = [&schedule[..], &[("compounding", compounding)]].concat();
        let mut model = Model::new("embedder", &settings(&pairs), data.inputs()).unwrap();
        let mut told = Vec::new();
        fit(&mut model, &data, Position::default(), &mut |step, _, _| {
            told.push((step.winners.unwrap(), step.hardness.unwrap()));
            Control::Continue
        })
        .unwrap();
        assert_eq!(told, expected, "compounding={compounding}");
    }
}

/// How surely a unit is in a code says whether it is, its slopes are those by the image's own values, and a mask takes it
/// away.
#[test]
fn units_hang_on_parts_of_images() {
    let shape = ImageShape { width: 12, height: 12, channels: 1 };
    let data = labelled(300, 144, 3).with_image(shape).unwrap();
    let layers = [("layers", "conv 4 3, tanh"), ("epochs", "5")];
    let Model::Embedder(model) =
        fitted("embedder", &[&SMALL[1..3], &layers, &[("batch", "100")]].concat(), &data)
    else {
        panic!("an embedder")
    };
    let image = data.rows().row(7);
    let (code, strongest) =
        (model.encode(data.rows()).unwrap(), model.strongest(image, 1).unwrap());
    assert_eq!(model.strongest(image, 8).unwrap(), code.get(7).indices());
    let sureness = |image: &[f32], unit| model.membership(image, unit).unwrap().0;
    for unit in 0..120 {
        let is_on = code.get(7).contains(unit);
        assert_eq!(sureness(image, unit) > 0.5, is_on, "{unit}: {}", sureness(image, unit));
    }
    let unit = strongest[0];
    assert!((0..120).all(|other| sureness(image, other) <= sureness(image, unit)));
    let (_, slopes) = model.membership(image, unit).unwrap();
    let (mut near, most) = (0, slopes.iter().fold(0.0f32, |most, slope| most.max(slope.abs())));
    for place in 0..144 {
        let moved = |by: f32| {
            let mut image = image.to_vec();
            image[place] += by;
            sureness(&image, unit)
        };
        let expected = (moved(2e-3) - moved(-2e-3)) / 4e-3;
        near += usize::from((f64::from(slopes[place]) - expected).abs() < 0.03 * f64::from(most));
    }
    // Elsewhere units at the threshold change places.
    assert!(near > 130, "{near} of 144 slopes are differences");
    let found = unit_saliency(&model, image, shape, unit).unwrap();
    assert!(found.after < found.before - 0.05, "{} {}", found.before, found.after);
    assert!(found.mask.iter().all(|value| (0.0..=1.0).contains(value)));
    assert!(unit_saliency(&model, image, shape, 120).is_err());
    assert!(model.membership(&image[1..], unit).is_err());
    assert!(model.strongest(image, 121).is_err());
}

/// Without labels, two noisy views of each input are enough; labels are not looked at.
#[test]
fn views_need_no_labels() {
    let all = labelled(900, 60, 5);
    let (train, test) = all.split(600).unwrap();
    let unlabelled = Dataset::new(train.name.clone(), train.rows().values().to_vec(), 60).unwrap();
    let views =
        [&SMALL[..], &[("pairs", "views"), ("layers", "dropout 0.3"), ("temperature", "0.3")]]
            .concat();
    let model = fitted("embedder", &views, &unlabelled);
    let (_, nearest) = accuracies(&model, &train, &test);
    assert!(nearest > 0.9, "{nearest}");
    let with_labels = fitted("embedder", &views, &train);
    assert_eq!(saved_bytes(with_labels, &train), saved_bytes(model, &train));
    let mut blind = Model::new("embedder", &settings(&SMALL), unlabelled.inputs()).unwrap();
    let error = blind.learner().unwrap().learn(unlabelled.rows(), None).unwrap_err().to_string();
    assert!(error.contains("pairs=views"), "{error}");
}

/// A balance brings units into use that would win nowhere.
#[test]
fn the_balance_uses_all_units() {
    let data = labelled(1000, 60, 7);
    let dead = |balance| {
        let model = fitted("embedder", &[&SMALL[..], &[("balance", balance)]].concat(), &data);
        let figures = code_figures(&model.encoder().encode(data.rows()).unwrap(), 8, None).unwrap();
        (figures.dead_units, figures.duty_entropy)
    };
    let (without, with) = (dead("0"), dead("0.003"));
    assert!(with.0 <= without.0 / 5 && with.1 > without.1, "{without:?} {with:?}");
}

/// A step without any triplet has a loss of 0, says so, and moves nothing where nothing pulls.
#[test]
fn no_triplets_are_a_loss_of_zero() {
    let data = labelled(30, 20, 1);
    let pairs = settings(&[("loss", "triplet"), ("weight_decay", "0"), ("balance", "0")]);
    let mut embedder =
        Embedder::new(EmbedderSettings::of_pairs(&pairs).unwrap(), data.rows()).unwrap();
    let before = embedder.encode(data.rows()).unwrap();
    let step = embedder.learn(data.rows(), Some(&[4; 30])).unwrap();
    assert_eq!((step.loss, step.terms), (0.0, Some(0)));
    let layers = settings(&[("layers", "linear 9, relu")]);
    let mut embedder =
        Embedder::new(EmbedderSettings::of_pairs(&[pairs, layers].concat()).unwrap(), data.rows())
            .unwrap();
    let plain = embedder.encode(data.rows()).unwrap();
    embedder.learn(data.rows(), Some(&[4; 30])).unwrap();
    assert_eq!(embedder.encode(data.rows()).unwrap(), plain);
    assert_eq!(before.winners(), plain.winners());
}

/// An embedder that starts from a classifier and keeps its layers frozen has them to the bit; what does not fit is
/// refused.
#[test]
fn embedders_start_from_classifiers() {
    let all = labelled(900, 60, 9);
    let (train, test) = all.split(600).unwrap();
    let classifier = fitted(
        "classifier",
        &[("layers", "linear 30, relu, linear 20, relu"), ("winners", "5"), ("epochs", "10")],
        &train,
    );
    let pairs = [&SMALL[..], &[("frozen", "2"), ("epochs", "5")]].concat();
    let mut model = Model::new("embedder", &settings(&pairs), train.inputs()).unwrap();
    assert_eq!(model.start_from(&classifier).unwrap(), 2);
    fit(&mut model, &train, Position::default(), &mut |_, _, _| Control::Continue).unwrap();
    let (centroid, _) = accuracies(&model, &train, &test);
    assert!(centroid > 0.97, "{centroid}");
    let mut other =
        Model::new("embedder", &settings(&[("layers", "linear 31")]), train.inputs()).unwrap();
    assert!(matches!(other.start_from(&classifier), Err(Error::Setting { .. })));
    let narrow = labelled(40, 20, 1);
    let mut other = Model::new("embedder", &settings(&SMALL), narrow.inputs()).unwrap();
    assert!(matches!(other.start_from(&classifier), Err(Error::Shape { .. })));
    let mut tied = Model::new("tied", &[], narrow.inputs()).unwrap();
    assert!(matches!(tied.start_from(&classifier), Err(Error::Unsupported(_))));
}

/// An autoencoder's codes lead back to the inputs, better than their mean does.
#[test]
fn autoencoders_decode() {
    let data = labelled(600, 60, 11);
    let pairs = [
        ("preset", "autoencoder"),
        ("layers", ""),
        ("decoder", ""),
        ("learning_rate", "0.01"),
        ("units", "150"),
        ("winners", "12"),
        ("epochs", "30"),
        ("batch", "50"),
    ];
    let model = fitted("embedder", &pairs, &data);
    let codes = model.encoder().encode(data.rows()).unwrap();
    let decoded = model.decoder().expect("it reconstructs").decode(&codes).unwrap();
    let figures =
        kwinners::metrics::reconstruction(data.rows(), Rows::new(&decoded, 60).unwrap()).unwrap();
    let values = data.rows().values();
    let mean = values.iter().sum::<f32>() / values.len() as f32;
    let variance = values.iter().map(|value| f64::from((value - mean).powi(2))).sum::<f64>();
    let (rows, decoded) = (data.rows(), Rows::new(&decoded, 60).unwrap());
    let of = |thresholds: &[f32]| {
        let mean = rows.values().iter().sum::<f32>() / rows.values().len() as f32;
        binary_reconstruction((rows, decoded), mean, thresholds).unwrap()
    };
    let best = of(&BIT_THRESHOLDS);
    assert!(BIT_THRESHOLDS.iter().all(|threshold| of(&[*threshold]).bit_error >= best.bit_error));
    assert!(best.bit_error < 0.15, "{best:?}");
    assert!(figures.mse < 0.5 * variance / values.len() as f64, "{}", figures.mse);
    assert!(fitted("embedder", &SMALL, &data).decoder().is_none());
}

/// Every preset makes a network for images of its size and takes a step.
#[test]
fn presets_are_written_right() {
    use EmbedderPreset as P;
    let presets = [
        (P::Mlp, 28, 1),
        (P::PublishedMlp, 28, 1),
        (P::Conv, 28, 1),
        (P::PublishedConv, 28, 1),
        (P::Cifar, 32, 3),
        (P::Head, 19, 1),
        (P::UnlabelledHead, 19, 1),
        (P::Glove, 10, 1),
        (P::Autoencoder, 28, 1),
        (P::ConvAutoencoder, 28, 1),
    ];
    for (preset, side, channels) in presets {
        let shape = ImageShape { width: side, height: side, channels };
        let data = labelled(12, side * side * channels, 2);
        let settings = EmbedderSettings { preset, ..EmbedderSettings::default() };
        let name = settings.list().into_iter().find(|(key, _)| *key == "preset").unwrap().1;
        let mut settings = EmbedderSettings::default();
        settings.set("preset", &name).unwrap();
        assert_eq!(settings.preset, preset);
        let inputs = Inputs { rows: data.rows(), image: Some(shape), classes: 10 };
        let mut embedder = Embedder::new(settings, inputs).unwrap();
        assert!(embedder.learn(data.rows(), data.labels()).unwrap().loss.is_finite(), "{name}");
        assert_eq!(embedder.encode(data.rows()).unwrap().winners(), Some(embedder.winners()));
    }
}

#[test]
fn settings_out_of_range_are_refused() {
    let data = labelled(20, 12, 4);
    let refused = [
        ("winners", "0"),
        ("winners", "512"),
        ("first_winners", "600"),
        ("hardest", "1.5"),
        ("temperature", "0"),
        ("frozen", "5"),
        ("anneal_every", "0"),
        ("latent_penalty", "-1"),
        ("latent_power", "0.5"),
        ("layers", "linear 9, penalty"),
        ("layers", "linear 9, penalty 1 power=0"),
        ("least_winners", "0"),
        ("least_winners", "27"),
        ("layers", "k-step 4 predicted least=5, linear 9"),
        ("layers", "conv 3 3"),
        ("epochs", "-1"),
        ("loss", "triple"),
    ];
    for (key, text) in refused {
        assert!(
            Model::new("embedder", &settings(&[(key, text)]), data.inputs()).is_err(),
            "{key}={text}"
        );
    }
}
