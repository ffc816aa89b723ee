//! Monitors: what they say is true, and looking changes nothing.

mod common;

use common::{images, saved_bytes, settings};
use kwinners::train::{self, Control, Monitor, MonitorLevel, Observation, Position};
use kwinners::{Dataset, Model};

fn data() -> Dataset {
    let labels: Vec<u32> = (0..300).map(|place| place % 10).collect();
    let classes = (0..10).map(|class| class.to_string()).collect();
    images(300, 40, 3).with_labels(labels, classes).unwrap()
}

fn network() -> Vec<(String, String)> {
    settings(&[("layers", "linear 30, k-winners 6"), ("epochs", "2"), ("batch", "50")])
}

/// Fits a model and watches it: an observation a step, whole at the end of epochs.
fn watched(
    kind: &str,
    pairs: &[(String, String)],
    level: MonitorLevel,
) -> (Model, Vec<Observation>) {
    let data = data();
    let mut model = Model::new(kind, pairs, data.inputs()).unwrap();
    let mut monitor = Monitor::new(level, &model, &data);
    let mut seen = Vec::new();
    train::fit(&mut model, &data, Position::default(), &mut |step, model, position| {
        monitor.note(model);
        let whole = position.sample == 0 || monitor.is_due(step);
        seen.push(monitor.observe(model, whole).unwrap());
        Control::Continue
    })
    .unwrap();
    (model, seen)
}

#[test]
fn looking_changes_nothing() {
    let data = data();
    for (kind, pairs) in [
        ("classifier", network()),
        ("tied", settings(&[("units", "40"), ("winners", "4"), ("epochs", "2")])),
        ("autoencoder", settings(&[("units", "40"), ("winners", "4"), ("epochs", "2")])),
    ] {
        let mut alone = Model::new(kind, &pairs, data.inputs()).unwrap();
        train::fit(&mut alone, &data, Position::default(), &mut |_, _, _| Control::Continue)
            .unwrap();
        let alone = saved_bytes(alone, &data);
        for level in [MonitorLevel::Light, MonitorLevel::Full] {
            let (model, seen) = watched(kind, &pairs, level);
            assert_eq!(saved_bytes(model, &data), alone, "{kind} {level:?}");
            assert!(seen.iter().all(|seen| !seen.layers.is_empty()), "{kind}");
        }
    }
}

#[test]
fn layers_are_what_their_weights_say() {
    let data = data();
    let first = Model::new("classifier", &network(), data.inputs()).unwrap();
    let (model, seen) = watched("classifier", &network(), MonitorLevel::Full);
    let last = seen.last().unwrap();
    assert_eq!(last.layers.keys().collect::<Vec<_>>(), ["linear1", "linear2"]);
    for (view, first) in model.layers().iter().zip(first.layers()) {
        let figures = &last.layers[&view.name];
        let norm = |values: &[f32]| {
            values.iter().map(|&value| f64::from(value).powi(2)).sum::<f64>().sqrt()
        };
        let way: Vec<f32> = view.weights.iter().zip(first.weights).map(|(a, b)| a - b).collect();
        let near = |a: f64, b: f64| (a - b).abs() < 1e-9 * (1.0 + b);
        assert!(near(figures.weight_norm, norm(view.weights)), "{}", view.name);
        assert!(near(figures.from_first, norm(&way) / norm(first.weights)), "{}", view.name);
        assert!(near(figures.gradient_norm.unwrap(), norm(view.slopes)), "{}", view.name);
        assert!(figures.gradient_norm.unwrap() > 0.0);
        let histogram = figures.weights.as_ref().unwrap();
        assert_eq!(histogram.counts.iter().sum::<u64>(), view.weights.len() as u64);
    }
}

#[test]
fn the_plane_is_seen_at_powers_of_two_and_at_the_end_of_epochs() {
    let (_, seen) = watched("classifier", &network(), MonitorLevel::Full);
    let planes: Vec<usize> =
        (0..seen.len()).filter(|&step| seen[step].information.is_some()).map(|s| s + 1).collect();
    assert_eq!(planes, [1, 2, 4, 6, 12]); // six steps an epoch
    let units = seen[5].units.as_ref().unwrap();
    assert_eq!(units.density, 0.2);
    assert!((0.0..=1.0).contains(&units.duty_entropy));
    let (_, light) = watched("classifier", &network(), MonitorLevel::Light);
    assert!(light.iter().all(|seen| seen.information.is_none() && seen.activations.is_none()));
    assert!(light[5].units.is_some() && light[4].units.is_none());
}

#[test]
fn slopes_over_several_steps_have_signal_and_noise() {
    let data = data();
    let mut model = Model::new("classifier", &network(), data.inputs()).unwrap();
    let mut monitor = Monitor::new(MonitorLevel::Full, &model, &data);
    let mut slopes: Vec<Vec<f32>> = Vec::new();
    train::fit(&mut model, &data, Position::default(), &mut |_, model, _| {
        monitor.note(model);
        slopes.push(model.layers()[0].slopes.to_vec());
        Control::Continue
    })
    .unwrap();
    let seen = monitor.observe(&model, false).unwrap();
    let count = slopes.len() as f64;
    let (mut signal, mut noise) = (0.0, 0.0);
    for place in 0..slopes[0].len() {
        let values = slopes.iter().map(|slopes| f64::from(slopes[place]));
        let mean = values.clone().sum::<f64>() / count;
        signal += mean * mean;
        noise += values.map(|value| (value - mean).powi(2)).sum::<f64>() / (count - 1.0);
    }
    let snr = seen.layers["linear1"].gradient_snr.unwrap();
    assert!((snr - (signal / noise).sqrt()).abs() < 1e-3 * snr, "{snr}");
    assert!(seen.layers["linear1"].weight_snr_db.is_some());
    // Counting begins anew.
    assert_eq!(monitor.observe(&model, false).unwrap().layers["linear1"].gradient_snr, None);
    assert_eq!(monitor.observe(&model, false).unwrap().layers["linear1"].sign_flips, 0.0);
}
