//! Laws of the spatial pooler: against brute force by the published rules.

use kwinners::data::ImageShape;
use kwinners::encoder::{
    Binarise, BoostRule, Dimensions, Encoder, Learner, PoolerPreset, SpatialPooler,
    SpatialPoolerSettings,
};
use kwinners::{Dataset, Error, Model, Rng, Rows, SdrBatch};
use proptest::prelude::*;

const IMAGE: ImageShape = ImageShape { width: 9, height: 7, channels: 1 };

/// Random bits of `width`, a third of them on.
fn bits(len: usize, width: usize, seed: u64) -> SdrBatch {
    let mut rng = Rng::new(seed);
    let mut codes = SdrBatch::new(width).unwrap();
    for _ in 0..len {
        let on: Vec<u32> = (0..width as u32).filter(|_| rng.uniform() < 0.33).collect();
        codes.push(&on).unwrap();
    }
    codes
}

/// A pooler over images of 7x9.
fn pooler(settings: SpatialPoolerSettings) -> SpatialPooler {
    let data = Dataset::new("nothing", vec![0.0; 63], 63).unwrap().with_image(IMAGE).unwrap();
    SpatialPooler::new(settings, data.inputs()).unwrap()
}

/// Large pools, no boosting.
fn base() -> SpatialPoolerSettings {
    SpatialPoolerSettings {
        potential_radius: 0,
        potential_pct: 0.8,
        syn_perm_inactive_dec: 0.008,
        syn_perm_connected: 0.1,
        boost_strength: 0.0,
        ..SpatialPoolerSettings::default()
    }
}

/// Local inhibition over 8x9 columns.
fn local() -> SpatialPoolerSettings {
    SpatialPoolerSettings {
        column_dimensions: Dimensions::new(&[8, 9]),
        potential_radius: 2,
        global_inhibition: false,
        local_area_density: 0.12,
        num_active_columns_per_inh_area: 0,
        ..base()
    }
}

/// Global inhibition over 50 columns on one axis.
fn global() -> SpatialPoolerSettings {
    SpatialPoolerSettings {
        column_dimensions: Dimensions::new(&[50]),
        num_active_columns_per_inh_area: 7,
        ..base()
    }
}

/// The permanence from which on synapses are connected, on the grid of permanences, less some slack.
fn least_connected(pooler: &SpatialPooler) -> f32 {
    (pooler.settings().syn_perm_connected * 50_000.0).round() / 50_000.0 - 1e-6
}

/// Overlaps by definition: permanences that reach the threshold and inputs that are on.
fn overlaps_by_definition(pooler: &SpatialPooler, codes: &SdrBatch) -> Vec<u16> {
    let least = least_connected(pooler);
    let columns: Vec<Vec<f32>> = (0..pooler.units()).map(|unit| pooler.permanences(unit)).collect();
    let overlap = |code: &[u32], column: &Vec<f32>| {
        code.iter().filter(|input| column[**input as usize] >= least).count() as u16
    };
    let rows = codes.iter();
    rows.flat_map(|code| columns.iter().map(move |column| overlap(code.indices(), column)))
        .collect()
}

/// The columns of an 8x9 grid within `radius` of `column`.
fn neighbours(column: usize, radius: usize, wrap: bool) -> Vec<usize> {
    let near = |a: usize, b: usize, axis: usize| {
        let distance = a.abs_diff(b);
        distance <= radius || (wrap && axis - distance <= radius)
    };
    let near = |other: &usize| near(column / 9, other / 9, 8) && near(column % 9, other % 9, 9);
    (0..72).filter(near).collect()
}

/// The published rule, word for word.
fn local_winners(scores: &[u16], settings: &SpatialPoolerSettings, radius: usize) -> Vec<u32> {
    let mut won = vec![false; scores.len()];
    for column in 0..scores.len() {
        let area = neighbours(column, radius, settings.wrap_around);
        let room = (0.5 + settings.local_area_density * area.len() as f32) as usize;
        let ahead = area.iter().filter(|&&other| {
            scores[other] > scores[column] || (scores[other] == scores[column] && won[other])
        });
        let stimulated = usize::from(scores[column]) >= settings.stimulus_threshold;
        won[column] = ahead.count() < room && stimulated;
    }
    (0..scores.len() as u32).filter(|column| won[*column as usize]).collect()
}

fn by_sorting(scores: &[u16], k: usize) -> Vec<u32> {
    let mut order: Vec<u32> = (0..scores.len() as u32).collect();
    order.sort_by_key(|column| (std::cmp::Reverse(scores[*column as usize]), *column));
    order.truncate(k);
    order.sort_unstable();
    order
}

/// Connected synapses are those of the pool that reach the threshold; all lie in `0..=1`.
fn assert_sound(pooler: &SpatialPooler) {
    let least = least_connected(pooler);
    for unit in 0..pooler.units() {
        let (permanences, pool) = (pooler.permanences(unit), pooler.pool(unit));
        assert!(permanences.iter().all(|permanence| (0.0..=1.0).contains(permanence)));
        let outside = (0..permanences.len()).filter(|input| !pool.contains(&(*input as u32)));
        assert!(outside.into_iter().all(|input| permanences[input] == 0.0));
        let reaching = pool.into_iter().filter(|input| permanences[*input as usize] >= least);
        assert_eq!(pooler.connected(unit), reaching.collect::<Vec<u32>>());
    }
}

#[test]
fn overlaps_count_connected_inputs_that_are_on() {
    let codes = bits(40, 63, 1);
    for settings in [local(), global(), SpatialPoolerSettings { wrap_around: false, ..local() }] {
        let mut pooler = pooler(settings);
        assert_eq!(pooler.overlaps(&codes).unwrap(), overlaps_by_definition(&pooler, &codes));
        pooler.learn_codes(&codes).unwrap();
        assert_eq!(pooler.overlaps(&codes).unwrap(), overlaps_by_definition(&pooler, &codes));
    }
}

#[test]
fn global_inhibition_is_sorting() {
    let codes = bits(60, 63, 2);
    for exactly_k in [true, false] {
        let settings = SpatialPoolerSettings { stimulus_threshold: 9, exactly_k, ..global() };
        let pooler = pooler(settings);
        let overlaps = pooler.overlaps(&codes).unwrap();
        let encoded = pooler.encode_codes(&codes).unwrap();
        for (scores, code) in overlaps.chunks_exact(50).zip(encoded.iter()) {
            let mut expected = by_sorting(scores, 7);
            expected.retain(|column| exactly_k || scores[*column as usize] >= 9);
            assert_eq!(code.indices(), expected);
        }
        assert!(exactly_k || encoded.iter().any(|code| code.count() < 7), "some drop out");
    }
}

#[test]
fn local_inhibition_is_the_published_rule() {
    let codes = bits(60, 63, 3);
    for (wrap_around, stimulus_threshold) in [(true, 0), (false, 0), (true, 5), (false, 5)] {
        let settings =
            SpatialPoolerSettings { wrap_around, stimulus_threshold, exactly_k: false, ..local() };
        let published = pooler(settings.clone());
        let exact = pooler(SpatialPoolerSettings { exactly_k: true, ..settings.clone() });
        let (radius, k) = (published.inhibition_radius(), exact.winners());
        assert!((1..4).contains(&radius), "a neighbourhood is a part of the grid");
        let overlaps = published.overlaps(&codes).unwrap();
        let (published, exact) =
            (published.encode_codes(&codes).unwrap(), exact.encode_codes(&codes).unwrap());
        assert!(published.iter().any(|code| code.count() != k), "counts vary");
        assert_eq!(exact.winners(), Some(k));
        for (row, scores) in overlaps.chunks_exact(72).enumerate() {
            let expected = local_winners(scores, &settings, radius);
            assert_eq!(published.get(row).indices(), expected);
            // Local winners stand before all others.
            let standing = |column: u32| {
                scores[column as usize] + if expected.contains(&column) { 1000 } else { 0 }
            };
            let standing: Vec<u16> = (0..72).map(standing).collect();
            assert_eq!(exact.get(row).indices(), by_sorting(&standing, k));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// Whatever the settings: learning keeps permanences in bounds and connected bits in step.
    #[test]
    fn learning_keeps_synapses_sound(
        seed in any::<u64>(),
        (increment, decrement) in (0.0f32..0.6, 0.0f32..0.6),
        connected in 0.01f32..1.0,
        (trim, wrap_around, global_inhibition) in any::<(bool, bool, bool)>(),
        (stimulus_threshold, least) in (0usize..40, 0.0f32..1.0),
        boost_strength in prop_oneof![Just(0.0f32), 0.0f32..200.0],
        logarithmic in any::<bool>(),
    ) {
        let settings = SpatialPoolerSettings {
            syn_perm_active_inc: increment,
            syn_perm_inactive_dec: decrement,
            syn_perm_connected: connected,
            trim: trim && increment / 2.0 < connected,
            boost_rule:
                if logarithmic { BoostRule::Logarithmic } else { BoostRule::Exponential },
            min_pct_overlap_duty_cycle: least,
            duty_cycle_period: 20,
            seed,
            wrap_around,
            global_inhibition,
            stimulus_threshold,
            boost_strength,
            ..local()
        };
        let mut pooler = pooler(settings);
        let pools: Vec<Vec<u32>> = (0..72).map(|unit| pooler.pool(unit)).collect();
        assert_sound(&pooler);
        pooler.learn_codes(&bits(120, 63, seed)).unwrap();
        assert_sound(&pooler);
        prop_assert!((0..72).all(|unit| pooler.pool(unit) == pools[unit]), "pools stay");
        let duties = pooler.active_duty_cycle().iter().chain(pooler.overlap_duty_cycle());
        prop_assert!(duties.copied().all(|duty| (0.0..=1.0).contains(&duty)));
        if stimulus_threshold <= 10 {
            let enough = |unit: usize| pooler.connected(unit).len() >= stimulus_threshold;
            prop_assert!((0..72).all(|unit| enough(unit) || decrement > 0.0));
        }
    }
}

/// One step by hand: winners go up where the input is on and down where it is off.
#[test]
fn winners_learn_and_nobody_else() {
    let settings = SpatialPoolerSettings {
        syn_perm_active_inc: 0.25,
        syn_perm_inactive_dec: 0.125,
        min_pct_overlap_duty_cycle: 0.0,
        ..global()
    };
    let mut pooler = pooler(settings);
    let codes = bits(1, 63, 4);
    let winners = pooler.encode_codes(&codes).unwrap();
    let before: Vec<Vec<f32>> = (0..50).map(|unit| pooler.permanences(unit)).collect();
    pooler.learn_codes(&codes).unwrap();
    for unit in 0..50 {
        let won = winners.get(0).contains(unit);
        let pool = pooler.pool(unit as usize);
        let mut expected = before[unit as usize].clone();
        for input in pool.into_iter().filter(|_| won) {
            let change = if codes.get(0).contains(input) { 0.25 } else { -0.125 };
            let permanence = &mut expected[input as usize];
            *permanence = (*permanence + change).clamp(0.0, 1.0);
        }
        let learned = pooler.permanences(unit as usize);
        assert!(learned.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-5), "unit {unit}");
        assert_eq!(pooler.active_duty_cycle()[unit as usize], f32::from(u8::from(won)));
    }
}

/// Columns that see nothing are raised by a tenth of the connected permanence, step after step.
#[test]
fn weak_columns_are_bumped() {
    let settings = SpatialPoolerSettings {
        column_dimensions: Dimensions::new(&[63]),
        num_active_columns_per_inh_area: 3,
        potential_radius: 1,
        potential_pct: 1.0,
        syn_perm_connected: 0.5,
        syn_perm_active_inc: 0.0,
        syn_perm_inactive_dec: 0.0,
        min_pct_overlap_duty_cycle: 0.9,
        wrap_around: false,
        ..base()
    };
    let mut pooler = pooler(settings);
    let mut codes = SdrBatch::new(63).unwrap();
    let on: Vec<u32> = (0..30).collect();
    (0..51).for_each(|_| codes.push(&on).unwrap());
    let before: Vec<Vec<f32>> = (0..63).map(|unit| pooler.permanences(unit)).collect();
    pooler.learn_codes(&codes).unwrap();
    // The least duty cycles are found after sample 50: the bump comes once, in sample 51.
    for (unit, before) in before.iter().enumerate() {
        let weak = pooler.overlap_duty_cycle()[unit] < 0.9;
        let rise = if weak { 0.05 } else { 0.0 };
        for input in pooler.pool(unit) {
            let (old, new) = (before[input as usize], pooler.permanences(unit));
            assert!((new[input as usize] - (old + rise).min(1.0)).abs() < 1e-5, "unit {unit}");
        }
        assert!(unit < 32 || weak, "unit {unit} sees nothing");
    }
}

#[test]
fn pools_have_the_size_and_the_place_that_was_asked() {
    let sizes = |wrap_around: bool, columns: &[usize], radius: usize| {
        let settings = SpatialPoolerSettings {
            column_dimensions: Dimensions::new(columns),
            num_active_columns_per_inh_area: 1,
            potential_radius: radius,
            potential_pct: 0.6,
            wrap_around,
            ..base()
        };
        let pooler = pooler(settings);
        let sizes: Vec<usize> = (0..pooler.units()).map(|unit| pooler.pool(unit).len()).collect();
        sizes
    };
    // Wrapped, every pool is of the same size: 0.6 of 25 inputs, of 5, of all 63.
    assert!(sizes(true, &[14, 18], 2).iter().all(|size| *size == 15));
    assert!(sizes(true, &[40], 2).iter().all(|size| *size == 3));
    assert!(sizes(true, &[5, 5], 0).iter().all(|size| *size == 38));
    // Cut off, the corners have 9 inputs within reach and the middle 25.
    let cut = sizes(false, &[7, 9], 2);
    assert_eq!((cut[0], cut[62], cut[3 * 9 + 4]), (5, 5, 15));
}

#[test]
fn pools_lie_around_their_centres() {
    let settings = SpatialPoolerSettings {
        column_dimensions: Dimensions::new(&[14, 3]),
        num_active_columns_per_inh_area: 1,
        potential_radius: 1,
        potential_pct: 1.0,
        ..base()
    };
    let wrapped = pooler(settings.clone());
    // Column (13, 1): centre (⌊13.5 · 7 / 14⌋, ⌊1.5 · 9 / 3⌋) = (6, 4).
    let rows = [0, 5, 6].map(|row| [3, 4, 5].map(|column| row * 9 + column));
    assert_eq!(wrapped.pool(13 * 3 + 1), rows.as_flattened());
    let cut = pooler(SpatialPoolerSettings { wrap_around: false, ..settings });
    assert_eq!(cut.pool(13 * 3 + 1), rows[1..].as_flattened());
}

/// Worked examples: everything is connected, so that spans are those of the pools.
#[test]
fn the_radius_of_inhibition_follows_the_spans() {
    let radius = |columns: &[usize], reach: usize| {
        let settings = SpatialPoolerSettings {
            column_dimensions: Dimensions::new(columns),
            potential_radius: reach,
            potential_pct: 1.0,
            stimulus_threshold: 10_000,
            ..local()
        };
        pooler(SpatialPoolerSettings { wrap_around: false, ..settings })
    };
    // One axis, 63 inputs, 63 columns, reach 3: 57 pools span 7, the others 4, 5, 6 twice:
    // mean 6.81; (6.81 · 1 - 1) / 2 = 2.90.
    assert_eq!(radius(&[63], 3).inhibition_radius(), 3);
    // 126 columns, two an input: (6.81 · 2 - 1) / 2 = 6.31.
    assert_eq!(radius(&[126], 3).inhibition_radius(), 6);
    // Two axes, reach 1: spans (3 · 5 + 2 · 2) / 7 = 2.71 and (3 · 7 + 2 · 2) / 9 = 2.78, mean 2.75;
    // three columns an input on each axis: (2.75 · 3 - 1) / 2 = 3.62.
    assert_eq!(radius(&[21, 27], 1).inhibition_radius(), 4);
    // Never below 1: (2.75 · 1 - 1) / 2 = 0.87.
    assert_eq!(radius(&[7, 9], 1).inhibition_radius(), 1);
    // Global inhibition reaches everywhere.
    let global = SpatialPoolerSettings { global_inhibition: true, ..local() };
    assert_eq!(pooler(global).inhibition_radius(), 9);
}

#[test]
fn what_does_not_learn_does_not_change() {
    let rows: Vec<f32> = (0..630).map(|value| (value % 7) as f32 / 7.0).collect();
    let rows = Rows::new(&rows, 63).unwrap();
    let settings = SpatialPoolerSettings {
        syn_perm_active_inc: 0.0,
        syn_perm_inactive_dec: 0.0,
        min_pct_overlap_duty_cycle: 0.0,
        ..global()
    };
    let mut still = pooler(settings.clone());
    let before: Vec<Vec<f32>> = (0..50).map(|unit| still.permanences(unit)).collect();
    let codes = still.encode(rows).unwrap();
    still.learn(rows, None).unwrap();
    assert!((0..50).all(|unit| still.permanences(unit) == before[unit]));
    assert_eq!(still.encode(rows).unwrap(), codes);
    let mut off = pooler(SpatialPoolerSettings { learn: false, ..settings });
    assert!(matches!(off.learn(rows, None), Err(Error::Unsupported(_))));
    assert!(off.active_duty_cycle().iter().all(|duty| *duty == 0.0));
    let mut model = Model::from(off);
    assert!(model.learner().is_none() && model.schedule().epochs == 0);
}

#[test]
fn boosting_brings_every_column_into_use() {
    let codes = bits(20, 63, 5);
    let used = |boost_strength: f32, boost_rule: BoostRule| {
        let settings = SpatialPoolerSettings {
            duty_cycle_period: 100,
            boost_strength,
            boost_rule,
            syn_perm_inactive_dec: 0.02,
            ..global()
        };
        let mut pooler = pooler(settings);
        for _ in 0..40 {
            pooler.learn_codes(&codes).unwrap();
        }
        pooler.active_duty_cycle().iter().filter(|duty| **duty > 0.01).count()
    };
    let bare = used(0.0, BoostRule::Exponential);
    assert!(bare < 45, "{bare} are in use without boosting");
    assert_eq!(used(10.0, BoostRule::Exponential), 50);
    assert_eq!(used(1.0, BoostRule::Logarithmic), 50);
}

#[test]
fn rows_are_made_bits_at_the_border() {
    let mut rng = Rng::new(6);
    let values: Vec<f32> = (0..63 * 30).map(|_| rng.below(5) as f32 * 0.25).collect();
    let rows = Rows::new(&values, 63).unwrap();
    for binarise in [Binarise::Threshold, Binarise::AboveMean] {
        let mut codes = SdrBatch::new(63).unwrap();
        for row in &rows {
            let mean = row.iter().sum::<f32>() / 63.0;
            let on = |input: &u32| match binarise {
                Binarise::Threshold => row[*input as usize] > 0.5,
                Binarise::AboveMean => row[*input as usize] >= mean,
            };
            codes.push(&(0..63).filter(on).collect::<Vec<u32>>()).unwrap();
        }
        let mut a = pooler(SpatialPoolerSettings { binarise, threshold: 0.5, ..local() });
        let mut b = a.clone();
        assert_eq!(a.encode(rows).unwrap(), a.encode_codes(&codes).unwrap());
        assert_eq!(a.learn(rows, None).unwrap(), b.learn_codes(&codes).unwrap());
        assert_eq!(a.permanences(5), b.permanences(5));
    }
}

#[test]
fn wrong_settings_are_refused() {
    let image = vec![0.0; 784];
    let data = Dataset::new("image", image, 784).unwrap();
    let image = ImageShape { width: 28, height: 28, channels: 1 };
    let data = data.with_image(image).unwrap();
    let refused = |pairs: &[(&str, &str)], key: &str| {
        let pairs: Vec<(String, String)> =
            pairs.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
        let model = Model::new("spatial-pooler", &pairs, data.inputs());
        let Err(error) = model else { panic!("{pairs:?} make a pooler") };
        let error = error.to_string();
        assert!(error.contains(key), "{error}");
    };
    refused(&[("column_dimensions", "3x")], "column_dimensions");
    refused(&[("column_dimensions", "2x2x2x2x2")], "column_dimensions");
    refused(&[("column_dimensions", "99999x99999")], "column_dimensions");
    refused(&[("input_dimensions", "28x29")], "input_dimensions");
    refused(&[("input_dimensions", "28x28"), ("column_dimensions", "64")], "column_dimensions");
    refused(&[("potential_pct", "0")], "potential_pct");
    refused(&[("local_area_density", "0.6")], "local_area_density");
    refused(&[("local_area_density", "0.1")], "num_active_columns_per_inh_area");
    refused(&[("num_active_columns_per_inh_area", "0")], "num_active_columns_per_inh_area");
    refused(&[("syn_perm_connected", "0")], "syn_perm_connected");
    refused(&[("syn_perm_active_inc", "0.000001")], "syn_perm_active_inc");
    refused(&[("syn_perm_connected", "0.02"), ("trim", "true")], "syn_perm_active_inc");
    refused(&[("duty_cycle_period", "0")], "duty_cycle_period");
    refused(&[("boost_strength", "-1")], "boost_strength");
}

/// Every known set makes a pooler of digits, and keeps what it says when another setting is named.
#[test]
fn presets_fit_images() {
    let image = ImageShape { width: 28, height: 28, channels: 1 };
    let data = Dataset::new("image", vec![0.0; 784], 784).unwrap().with_image(image).unwrap();
    let units = [
        (PoolerPreset::Seed, 4096, 240),
        (PoolerPreset::PaperBoosted, 1024, 20),
        (PoolerPreset::PaperTopologyCross, 1024, 102),
        (PoolerPreset::PaperTopologyBoosted, 1024, 20),
        (PoolerPreset::PaperNoBoosting, 1024, 102),
        (PoolerPreset::HtmCoreMnist, 6272, 627),
        (PoolerPreset::HtmCoreMnistPython, 6241, 624),
    ];
    for (preset, units, winners) in units {
        let settings = SpatialPoolerSettings::recipe(preset);
        assert_eq!(settings.preset, preset);
        let pooler = SpatialPooler::new(settings, data.inputs()).unwrap();
        assert_eq!((pooler.units(), pooler.winners()), (units, winners), "{preset:?}");
    }
    let pooler =
        SpatialPooler::new(SpatialPoolerSettings::recipe(PoolerPreset::Seed), data.inputs());
    assert_eq!(pooler.unwrap().pool(0).len(), 627);
}
