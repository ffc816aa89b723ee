//! Laws of encoders and of the fit loop, through the public surface.

mod common;

use common::{images, settings};
use kwinners::Rows;
use kwinners::encoder::{
    Boosting, Decoder, Encoder, Learner, Model, Projection, RandomProjection,
    RandomProjectionSettings, Selection, Tied, TiedSettings,
};
use kwinners::train::{Control, Position, fit};
use proptest::prelude::*;

fn small_tied() -> TiedSettings {
    TiedSettings { units: 50, winners: 5, batch: 40, epochs: 2, ..TiedSettings::default() }
}

/// The rule, written as in the source and nothing else: dense, row-major, in `f64`.
fn naive_step(weights: &mut [Vec<f64>], batch: &[&[f32]], k: usize, rate: f64) {
    let mut changes = Vec::new();
    let mut wins = vec![0; weights.len()];
    for x in batch {
        let dot = |w: &Vec<f64>| w.iter().zip(*x).map(|(w, &x)| w * f64::from(x)).sum::<f64>();
        let scores: Vec<f64> = weights.iter().map(dot).collect();
        let mut order: Vec<usize> = (0..weights.len()).collect();
        order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]).then(a.cmp(&b)));
        let winners = &order[..k];
        let sum = |i: usize| winners.iter().map(|&u| weights[u][i]).sum::<f64>().max(0.0);
        let missing: Vec<f64> = x.iter().enumerate().map(|(i, &x)| f64::from(x) - sum(i)).collect();
        winners.iter().for_each(|&unit| wins[unit] += 1);
        changes.extend(winners.iter().map(|&unit| (unit, missing.clone())));
    }
    for (unit, missing) in changes {
        let rate = rate.min(1.0 / (k * wins[unit]) as f64);
        for (weight, missing) in weights[unit].iter_mut().zip(missing) {
            *weight += rate * missing;
        }
    }
}

#[test]
fn tied_learning_is_the_published_rule() {
    let data = images(60, 30, 1);
    for batch in [1, 7, 60] {
        let chosen = TiedSettings { boosting: Boosting::None, batch, ..small_tied() };
        let mut tied = Tied::new(chosen, data.rows()).unwrap();
        let mut naive: Vec<Vec<f64>> =
            (0..50).map(|unit| tied.filter(unit).iter().map(|&w| f64::from(w)).collect()).collect();
        for rows in data.rows().blocks(batch) {
            tied.learn(rows, None).unwrap();
            naive_step(&mut naive, &rows.iter().collect::<Vec<_>>(), 5, 0.003);
        }
        for (unit, expected) in naive.iter().enumerate() {
            for (got, expected) in tied.filter(unit).iter().zip(expected) {
                assert!((f64::from(*got) - expected).abs() < 1e-5, "unit {unit}, batch {batch}");
            }
        }
    }
}

#[test]
fn balance_keeps_all_units_in_use_and_nothing_else_does() {
    let data = images(2000, 60, 2);
    let dead = |boosting| {
        let chosen = TiedSettings { boosting, epochs: 4, ..small_tied() };
        let pairs: Vec<_> = chosen.list().into_iter().map(|(k, v)| (k.to_owned(), v)).collect();
        let mut model = Model::new("tied", &pairs, data.rows()).unwrap();
        fit(&mut model, &data, Position::default(), &mut |_, _, _| Control::Continue).unwrap();
        let codes = model.encoder().encode(data.rows()).unwrap();
        codes.unit_counts().iter().filter(|&&count| count == 0).count()
    };
    assert_eq!(dead(Boosting::Balance), 0);
    assert!(dead(Boosting::None) > 25, "without boosting most units die");
}

#[test]
fn learning_lowers_the_loss_and_decoding_shows_it() {
    let data = images(500, 40, 3);
    for input in ["raw", "centred", "standardised"] {
        let pairs =
            settings(&[("units", "80"), ("winners", "8"), ("epochs", "8"), ("input", input)]);
        let mut model = Model::new("tied", &pairs, data.rows()).unwrap();
        fit(&mut model, &data, Position::default(), &mut |_, _, _| Control::Continue).unwrap();
        let codes = model.encoder().encode(data.rows()).unwrap();
        let decoded = model.decoder().unwrap().decode(&codes).unwrap();
        let decoded = Rows::new(&decoded, 40).unwrap();
        let fvu = kwinners::metrics::reconstruction(data.rows(), decoded).unwrap().fvu;
        assert!(fvu < 0.5, "{input}: {fvu}");
        assert!(decoded.values().iter().all(|&value| value >= -1e-6), "{input}: cut off at 0");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// Whatever is encoded is exactly k, and a row's code does not depend on its neighbours.
    #[test]
    fn encoders_are_pure_and_exact(
        rows in 1usize..80,
        width in 1usize..30,
        units in 1usize..60,
        share in 0.0f64..1.0,
        seed in 0u64..100,
    ) {
        let winners = 1 + (share * (units - 1) as f64) as usize;
        let data = images(rows, width, seed);
        for kind in ["random-projection", "tied"] {
            let (n, k) = (units.to_string(), winners.to_string());
            let pairs = settings(&[("units", &n), ("winners", &k)]);
            let model = Model::new(kind, &pairs, data.rows()).unwrap();
            let codes = model.encoder().encode(data.rows()).unwrap();
            prop_assert_eq!(codes.len(), rows);
            prop_assert_eq!(codes.winners(), Some(winners));
            let last = data.rows().slice(rows - 1..rows);
            let alone = model.encoder().encode(last).unwrap();
            prop_assert_eq!(alone.get(0), codes.get(rows - 1));
        }
    }
}

#[test]
fn bad_input_is_an_error_and_changes_nothing() {
    let data = images(50, 10, 8);
    let mut tied = Tied::new(small_tied(), data.rows()).unwrap();
    let before = tied.filter(3);
    let mut bad = vec![0.5; 20];
    bad[13] = f32::NAN;
    let message = tied.learn(Rows::new(&bad, 10).unwrap(), None).unwrap_err().to_string();
    assert!(message.contains("row 1, column 3"), "{message}");
    assert!(tied.learn(Rows::new(&bad[..8], 4).unwrap(), None).is_err());
    assert!(tied.encode(Rows::new(&bad, 10).unwrap()).is_err());
    assert_eq!(tied.filter(3), before);
    let wrong = kwinners::SdrBatch::new(51).unwrap();
    assert!(tied.decode(&wrong).is_err());
    assert!(Tied::new(TiedSettings { winners: 51, ..small_tied() }, data.rows()).is_err());
    let few = RandomProjectionSettings { inputs_a_unit: 11, ..Default::default() };
    assert!(RandomProjection::new(few, data.rows()).is_err());
}

/// One winner in each block, the best of it, whatever the other blocks do.
#[test]
fn blocks_have_one_winner_each() {
    let data = images(60, 20, 9);
    let chosen = |selection| RandomProjectionSettings {
        units: 60,
        winners: 6,
        selection,
        projection: Projection::Gaussian,
        ..Default::default()
    };
    let encode = |selection| {
        RandomProjection::new(chosen(selection), data.rows()).unwrap().encode(data.rows()).unwrap()
    };
    let (blocks, global) = (encode(Selection::Blocks), encode(Selection::Global));
    for (code, best) in blocks.iter().zip(global.iter()) {
        let of_block: Vec<u32> = code.indices().iter().map(|unit| unit / 10).collect();
        assert_eq!(of_block, [0, 1, 2, 3, 4, 5]);
        // The best unit of all is the best of its block; so is the first global winner of a block
        // that has only one.
        let lonely = best.indices().iter().filter(|unit| {
            best.indices().iter().filter(|other| *other / 10 == *unit / 10).count() == 1
        });
        lonely.for_each(|unit| assert!(code.contains(*unit)));
    }
    let uneven = RandomProjectionSettings { winners: 7, ..chosen(Selection::Blocks) };
    assert!(RandomProjection::new(uneven, data.rows()).is_err());
}

#[test]
fn settings_go_round_by_name_and_wrong_ones_are_named() {
    let mut changed = TiedSettings::default();
    for (key, value) in (TiedSettings { learning_rate: 0.1 + 0.2, ..small_tied() }).list() {
        changed.set(key, &value).unwrap();
    }
    assert_eq!(changed, TiedSettings { learning_rate: 0.1 + 0.2, ..small_tied() });
    let message = changed.set("lerning_rate", "1").unwrap_err().to_string();
    assert!(message.contains("did you mean `learning_rate`"), "{message}");
    for (key, value) in [("units", "-3"), ("learning_rate", "NaN"), ("boosting", "maximal")] {
        assert!(changed.set(key, value).is_err(), "{key} = {value}");
    }
}

/// An empty batch is no step and no crash.
#[test]
fn empty_batches_are_harmless() {
    let data = images(50, 10, 8);
    let mut tied = Tied::new(small_tied(), data.rows()).unwrap();
    let step = tied.learn(Rows::new(&[], 10).unwrap(), None).unwrap();
    assert_eq!((step.samples, step.loss), (0, 0.0));
    assert!(tied.encode(Rows::new(&[], 10).unwrap()).unwrap().is_empty());
}
