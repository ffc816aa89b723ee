//! The evaluation card against laws, brute force and figures worked out by hand.

mod common;

use std::io::Read;
use std::path::Path;

use common::{Largest, with_threads};
use kwinners::data::Dataset;
use kwinners::metrics::{
    Features, LinearSettings, LogisticRegression, NoiseProtocol, accuracy, centroid_accuracy,
    code_figures, distance_map, fit_linear_probe, goodness, nearest_by_distance,
    neighbours_by_overlap, reconstruction, sample_of_each_class, unit_mutual_information,
};
use kwinners::report::{Evidence, ModelInfo, Part, Report, Timing, judge, summarise};
use kwinners::{Rng, Rows, SdrBatch};

/// All that needs neither attacks nor the estimators of information, which take seconds each.
const PARTS: &[Part] = Part::ALL.split_at(9).0;

const UNITS: usize = 300;
const WINNERS: usize = 8;
/// The encoder of the toy data.
const LARGEST: Largest = Largest { units: UNITS, winners: WINNERS };

fn random_codes(len: usize, rng: &mut Rng) -> SdrBatch {
    let mut codes = SdrBatch::new(UNITS).unwrap();
    for _ in 0..len {
        codes.push(&rng.distinct(WINNERS, UNITS)).unwrap();
    }
    codes
}

/// Codes of `classes` classes, each a noisy copy of the code of its class, with their labels.
fn noisy_codes(len: usize, classes: usize, moved: usize, rng: &mut Rng) -> (SdrBatch, Vec<u32>) {
    let centres = random_codes(classes, &mut Rng::new(99));
    let mut codes = SdrBatch::new(UNITS).unwrap();
    let labels: Vec<u32> = (0..len).map(|_| rng.below(classes) as u32).collect();
    for &label in &labels {
        let code = centres.get(label as usize).with_moved(moved, rng).unwrap();
        codes.push(code.indices()).unwrap();
    }
    (codes, labels)
}

fn dense(codes: &SdrBatch) -> Vec<f32> {
    codes.iter().flat_map(|code| code.to_dense()).collect()
}

/// All overlaps with one query, largest first, ties to the lower id.
fn ranked(codes: &SdrBatch, query: kwinners::SdrRef<'_>) -> Vec<(usize, u32)> {
    let mut all: Vec<(usize, u32)> = codes
        .iter()
        .enumerate()
        .map(|(id, code)| (id, code.overlap(query).unwrap() as u32))
        .collect();
    all.sort_by_key(|&(id, overlap)| (std::cmp::Reverse(overlap), id));
    all
}

#[test]
fn neighbours_equal_brute_force() {
    let mut rng = Rng::new(1);
    // More codes than a block of the scan holds, so that block borders are crossed.
    let (codes, queries) = (random_codes(9_000, &mut rng), random_codes(70, &mut rng));
    let found = neighbours_by_overlap(&codes, &queries, 5).unwrap();
    assert_eq!(found.len(), queries.len());
    for (place, query) in queries.iter().enumerate() {
        let expected = &ranked(&codes, query)[..5];
        let got = found.of(place).iter().map(|hit| (hit.id as usize, hit.score as u32));
        assert_eq!(got.collect::<Vec<_>>(), expected);
    }
}

#[test]
fn neighbours_of_few_codes_are_all_codes() {
    let mut rng = Rng::new(2);
    let (codes, queries) = (random_codes(3, &mut rng), random_codes(2, &mut rng));
    let found = neighbours_by_overlap(&codes, &queries, 5).unwrap();
    assert_eq!(found.of(1).len(), 3);
    assert!(neighbours_by_overlap(&codes, &queries, 0).unwrap().of(0).is_empty());
    let none = neighbours_by_overlap(&SdrBatch::new(UNITS).unwrap(), &queries, 5).unwrap();
    assert!(none.vote(1, &[]).is_err(), "nobody can vote");
    let other = SdrBatch::new(UNITS + 1).unwrap();
    assert!(neighbours_by_overlap(&other, &queries, 5).is_err());
}

#[test]
fn votes_go_to_the_most_then_the_nearest_then_the_lowest_label() {
    let codes = SdrBatch::from_exact(8, 3, vec![0, 1, 2, 0, 1, 3, 0, 1, 4, 5, 6, 7]).unwrap();
    let mut query = SdrBatch::new(8).unwrap();
    query.push(&[0, 1, 2]).unwrap();
    let found = neighbours_by_overlap(&codes, &query, 4).unwrap(); // overlaps 3, 2, 2, 0
    assert_eq!(found.vote(1, &[7, 5, 5, 0]).unwrap(), [7]);
    assert_eq!(found.vote(3, &[7, 5, 5, 0]).unwrap(), [5], "two votes against one");
    assert_eq!(found.vote(2, &[7, 5, 5, 0]).unwrap(), [7], "one vote each, 3 shared against 2");
    assert_eq!(found.vote(4, &[7, 5, 5, 7]).unwrap(), [5], "two votes each, 4 shared against 3");
    let tied = SdrBatch::from_exact(8, 3, vec![0, 1, 3, 0, 1, 4]).unwrap();
    let found = neighbours_by_overlap(&tied, &query, 2).unwrap();
    assert_eq!(found.vote(2, &[9, 4]).unwrap(), [4], "all equal: the lower label");
    assert!(found.vote(2, &[9]).is_err(), "a label is missing");
}

#[test]
fn nearest_by_distance_equals_brute_force() {
    let mut rng = Rng::new(3);
    let width = 19;
    let mut values = |len: usize| -> Vec<f32> {
        // Whole numbers, so that many distances are equal and the lower id must win.
        (0..len * width).map(|_| rng.below(2) as f32).collect()
    };
    let (rows, queries) = (values(1_300), values(150));
    let (rows, queries) = (Rows::new(&rows, width).unwrap(), Rows::new(&queries, width).unwrap());
    let found = nearest_by_distance(rows, queries).unwrap();
    for (query, &got) in queries.iter().zip(&found) {
        let distance =
            |row: &[f32]| -> f32 { row.iter().zip(query).map(|(a, b)| (a - b).powi(2)).sum() };
        let first_least = rows.iter().enumerate().fold((0, f32::INFINITY), |best, (id, row)| {
            if distance(row) < best.1 { (id, distance(row)) } else { best }
        });
        assert_eq!(got, first_least.0);
    }
    assert!(nearest_by_distance(rows.slice(0..0), queries).is_err());
}

#[test]
fn duty_entropy_is_one_where_even_and_low_where_few_units_win() {
    // Each of 16 units is on in exactly one of 8 codes.
    let even = SdrBatch::from_exact(16, 2, (0..16).collect()).unwrap();
    let figures = code_figures(&even, 2, None).unwrap();
    assert!((figures.duty_entropy - 1.0).abs() < 1e-12, "{}", figures.duty_entropy);
    assert_eq!((figures.exact_k, figures.dead_units), (true, 0));
    assert_eq!(figures.false_match_measured, 0.0);

    let collapsed = SdrBatch::from_exact(16, 2, [3, 7].repeat(8)).unwrap();
    let figures = code_figures(&collapsed, 2, None).unwrap();
    assert_eq!((figures.duty_entropy, figures.dead_units), (0.0, 14));
    assert_eq!(figures.false_match_measured, 1.0);

    let full = SdrBatch::from_exact(2, 2, vec![0, 1]).unwrap();
    assert_eq!(code_figures(&full, 2, None).unwrap().duty_entropy, 1.0);

    let mut uneven = even;
    uneven.push(&[1, 2, 3]).unwrap();
    assert!(!code_figures(&uneven, 2, None).unwrap().exact_k);
    assert!(code_figures(&uneven, 0, None).is_err());
    assert!(code_figures(&uneven, 2, Some(&[0])).is_err());
}

fn entropy(p: f64) -> f64 {
    [p, 1.0 - p].into_iter().filter(|&p| p > 0.0).map(|p| -p * p.log2()).sum()
}

/// The mutual information of two units by its definition.
fn information(codes: &SdrBatch, a: u32, b: u32) -> f64 {
    let len = codes.len() as f64;
    let share = |of: &dyn Fn(bool, bool) -> bool| {
        let on = |code: &kwinners::SdrRef<'_>, unit| code.indices().contains(&unit);
        codes.iter().filter(|code| of(on(code, a), on(code, b))).count() as f64 / len
    };
    let mut total = 0.0;
    for (of_a, of_b) in [(false, false), (false, true), (true, false), (true, true)] {
        let both = share(&|a, b| (a, b) == (of_a, of_b));
        if both > 0.0 {
            let alone = share(&|a, _| a == of_a) * share(&|_, b| b == of_b);
            total += both * (both / alone).log2();
        }
    }
    total
}

#[test]
fn mutual_information_is_that_of_the_definition() {
    // More units than a block of the scan holds.
    let codes = random_codes(90, &mut Rng::new(50));
    let pairs = (0..UNITS as u32).flat_map(|a| (0..a).map(move |b| (a, b)));
    let all: Vec<f64> = pairs.map(|(a, b)| information(&codes, a, b)).collect();
    let mean = all.iter().sum::<f64>() / all.len() as f64;
    assert!((unit_mutual_information(&codes) - mean).abs() < 1e-12, "{mean}");
    assert!(unit_mutual_information(&SdrBatch::new(4).unwrap()).is_nan());
    let one = SdrBatch::from_exact(1, 1, vec![0, 0]).unwrap();
    assert!(unit_mutual_information(&one).is_nan());
}

#[test]
fn mutual_information_is_0_for_strangers_and_the_entropy_for_twins() {
    let mut rng = Rng::new(51);
    let (len, units, p) = (4_000, 60, 0.3);
    let mut strangers = SdrBatch::new(units).unwrap();
    for _ in 0..len {
        let on = (0..units as u32).filter(|_| rng.uniform() < p);
        strangers.push(&on.collect::<Vec<_>>()).unwrap();
    }
    let bias = 1.0 / (2.0 * len as f64 * 2f64.ln());
    let found = unit_mutual_information(&strangers);
    assert!((found / bias - 1.0).abs() < 0.2, "{found} for {bias}");

    // More units than are looked at, all on together in a quarter of the codes.
    let units: Vec<u32> = (0..5_000).collect();
    let mut twins = SdrBatch::new(units.len()).unwrap();
    for code in 0..20 {
        twins.push(if code % 4 == 0 { &units } else { &[] }).unwrap();
    }
    assert!((unit_mutual_information(&twins) - entropy(0.25)).abs() < 1e-9);
    // -log2(1/16 + 9/16)
    let figures = code_figures(&twins, 1_250, None).unwrap();
    assert!((figures.renyi_entropy - 1.6f64.log2()).abs() < 1e-12);
    assert_eq!(figures.unit_mutual_information, unit_mutual_information(&twins));
}

#[test]
fn false_matches_of_random_codes_are_as_many_as_the_theory_says() {
    let mut rng = Rng::new(4);
    let (units, winners) = (40, 8);
    let mut codes = SdrBatch::new(units).unwrap();
    for _ in 0..3_000 {
        codes.push(&rng.distinct(winners, units)).unwrap();
    }
    let figures = code_figures(&codes, winners, None).unwrap(); // more pairs than are looked at
    assert!(figures.duty_entropy > 0.998 && figures.duty_entropy <= 1.0);
    let theory = figures.false_match_theory;
    // 1,000,000 pairs: one standard deviation is about sqrt(p / 1e6); four are allowed.
    let most = 4.0 * (theory / 1e6).sqrt();
    assert!((figures.false_match_measured - theory).abs() < most, "{figures:?}");
}

#[test]
fn centroids_tell_classes_apart_and_ties_go_to_the_lower_label() {
    let (train, train_labels) = noisy_codes(400, 5, 3, &mut Rng::new(5));
    let (test, test_labels) = noisy_codes(200, 5, 3, &mut Rng::new(6));
    let share = centroid_accuracy(&train, &train_labels, &test, &test_labels).unwrap();
    assert!(share > 0.99, "{share}");
    let both = SdrBatch::from_exact(8, 1, vec![2, 2]).unwrap();
    let one = SdrBatch::from_exact(8, 1, vec![2]).unwrap();
    assert_eq!(centroid_accuracy(&both, &[8, 3], &one, &[3]).unwrap(), 1.0);
    assert!(centroid_accuracy(&SdrBatch::new(8).unwrap(), &[], &one, &[3]).is_err());
}

#[test]
fn logistic_regression_separates_what_is_separable() {
    let (train, labels) = noisy_codes(600, 6, 2, &mut Rng::new(7));
    let (test, test_labels) = noisy_codes(300, 6, 2, &mut Rng::new(8));
    // Labels far apart: memory must go by the classes, not by the largest label.
    let far = |labels: &[u32]| labels.iter().map(|l| l * 700_000_000).collect::<Vec<u32>>();
    let probe = fit_linear_probe(Features::Codes(&train), &far(&labels)).unwrap();
    let predicted = probe.predict(Features::Codes(&test)).unwrap();
    assert_eq!(accuracy(&predicted, &far(&test_labels)).unwrap(), 1.0);
    assert!([10.0, 1.0, 0.1, 0.01].contains(&probe.penalty()));

    let settings = LinearSettings::default();
    assert!(LogisticRegression::fit(Features::Codes(&train), &[1, 2], &settings).is_err());
    let narrow = SdrBatch::new(UNITS - 1).unwrap();
    assert!(probe.predict(Features::Codes(&narrow)).is_err());
    let infinite = [1.0, f32::INFINITY];
    let rows = Rows::new(&infinite, 1).unwrap();
    assert!(LogisticRegression::fit(Features::Rows(rows), &[0, 1], &settings).is_err());
}

#[test]
fn codes_and_the_same_codes_as_rows_are_read_alike() {
    let (codes, labels) = noisy_codes(900, 4, 6, &mut Rng::new(9));
    let values = dense(&codes);
    let rows = Rows::new(&values, UNITS).unwrap();
    let settings = LinearSettings { max_iterations: 500, ..LinearSettings::default() };
    let of_codes = LogisticRegression::fit(Features::Codes(&codes), &labels, &settings).unwrap();
    let of_rows = LogisticRegression::fit(Features::Rows(rows), &labels, &settings).unwrap();
    let predicted = of_codes.predict(Features::Codes(&codes)).unwrap();
    let same = accuracy(&of_rows.predict(Features::Rows(rows)).unwrap(), &predicted).unwrap();
    assert!(same > 0.995, "{same}"); // a sample on the border may fall either way

    let (of_codes, of_rows) = (Features::Codes(&codes), Features::Rows(rows));
    assert_eq!(distance_map(of_codes), distance_map(of_rows));
    assert_eq!(goodness(of_codes, &labels).unwrap(), goodness(of_rows, &labels).unwrap());
}

#[test]
fn goodness_by_hand() {
    // Points on a line: class 0 at 0 and 1, class 1 at 10 and 13.
    let values = [0.0, 10.0, 1.0, 13.0];
    let labels = [0, 1, 0, 1];
    let features = Features::Rows(Rows::new(&values, 1).unwrap());
    let map = distance_map(features);
    assert_eq!(map.distances[..4], [0.0, 10.0, 1.0, 13.0]);
    let means = map.class_means(&labels).unwrap();
    // Within 1 and 3; between 10, 13, 9, 12.
    assert_eq!(means, [1.0, 11.0, 11.0, 3.0]);
    let figures = goodness(features, &labels).unwrap();
    assert!((figures.mean_ratio - 11.0 / 2.0).abs() < 1e-12);
    // The form of the script: (C - 1) / C · N / (N - 1) = 1/2 · 2 times the ratio of the means.
    assert!((figures.script - 11.0 / 2.0).abs() < 1e-12);
    assert!(goodness(features, &labels[..3]).is_err());
}

#[test]
fn script_goodness_is_0_918_of_the_mean_ratio_for_ten_classes_of_fifty() {
    let (codes, labels) = noisy_codes(900, 10, 4, &mut Rng::new(10));
    let figures = goodness(Features::Codes(&codes), &labels).unwrap();
    let expected = 0.9 * 50.0 / 49.0;
    assert!((figures.script / figures.mean_ratio - expected).abs() < 1e-9, "{figures:?}");
    assert!(figures.mean_ratio > 1.2, "{figures:?}");
}

#[test]
fn a_sample_has_as_many_of_each_class_as_there_are() {
    let labels = [2, 0, 2, 2, 0, 7, 2];
    let places = sample_of_each_class(&labels, 3, 5);
    let drawn: Vec<u32> = places.iter().map(|&place| labels[place]).collect();
    assert_eq!(drawn, [0, 0, 2, 2, 2, 7]);
    assert_eq!(places, sample_of_each_class(&labels, 3, 5));
    let others = (0..20).map(|seed| sample_of_each_class(&labels, 3, seed));
    assert!(others.into_iter().any(|other| other != places), "the seed must matter");
}

#[test]
fn reconstruction_knows_perfect_and_useless() {
    let mut rng = Rng::new(11);
    let values: Vec<f32> = (0..600).map(|_| rng.uniform()).collect();
    let rows = Rows::new(&values, 6).unwrap();
    let perfect = reconstruction(rows, rows).unwrap();
    assert_eq!((perfect.mse, perfect.fvu), (0.0, 0.0));
    let shifted: Vec<f32> = values.iter().map(|value| value + 0.5).collect();
    let shifted = reconstruction(rows, Rows::new(&shifted, 6).unwrap()).unwrap();
    assert!((shifted.mse - 0.25).abs() < 1e-6);
    // The variance of a uniform number is 1/12.
    assert!((shifted.fvu - 3.0).abs() < 0.4, "{shifted:?}");
    assert!(reconstruction(rows, rows.slice(1..100)).is_err());
}

/// A data set of noisy codes as inputs, and the same codes.
fn data(name: &str, len: usize, seed: u64) -> (Dataset, SdrBatch) {
    let (codes, labels) = noisy_codes(len, 5, 6, &mut Rng::new(seed));
    let classes = (0..5).map(|class| class.to_string()).collect();
    let data = Dataset::new(name, dense(&codes), UNITS).unwrap();
    (data.with_labels(labels, classes).unwrap(), codes)
}

fn model(seed: u64) -> ModelInfo {
    let kind = "toy".to_owned();
    ModelInfo { kind, input_width: Some(UNITS), units: UNITS, winners: WINNERS, seed: Some(seed) }
}

fn toy_report(seed: u64, parts: &[Part], decode: bool) -> Report {
    let (train, train_codes) = data("toy:train", 2_500, 20 + seed);
    let (test, test_codes) = data("toy:test", 1_700, 40 + seed);
    let decoded = vec![0.5; UNITS * test.len()];
    let evidence = Evidence {
        model: model(seed),
        encoder: Some(&LARGEST),
        classifier: None,
        latents: None,
        decoder: None,
        train: &train,
        test: &test,
        train_codes: &train_codes,
        test_codes: &test_codes,
        decoded: decode.then(|| Rows::new(&decoded, UNITS).unwrap()),
        controls: None,
        time: Timing { fit_s: Some(1.5), encode_per_s: Some(2e4) },
    };
    judge(&evidence, parts, &mut |_| ()).unwrap()
}

#[test]
fn the_number_of_threads_changes_no_bit_of_the_report() {
    let report = |threads| with_threads(threads, || toy_report(0, PARTS, true));
    let (one, two, three) = (report(1), report(2), report(3));
    assert_eq!(one, two);
    assert_eq!(one, three);

    let fit = |threads: usize| {
        let (codes, labels) = noisy_codes(9_000, 5, 6, &mut Rng::new(30));
        let settings = LinearSettings::default();
        with_threads(threads, || {
            LogisticRegression::fit(Features::Codes(&codes), &labels, &settings).unwrap()
        })
    };
    assert_eq!(fit(1), fit(2), "not only the figures: every weight");
}

#[test]
fn the_json_has_the_names_that_scripts_rely_on() {
    let report = toy_report(3, PARTS, true);
    let json = serde_json::to_value(&report).unwrap();
    let sections = [
        ("model", "kind,input_width,units,winners,seed"),
        ("data", "train,test,train_len,test_len"),
        (
            "code",
            "exact_k,dead_units,duty_entropy,renyi_entropy,unit_mutual_information,bits_bound,\
             false_match_theory,false_match_measured",
        ),
        (
            "readout",
            "knn1_overlap,knn5_overlap,linear_probe,linear_svm,centroid,raw_knn1,\
             raw_linear_probe,raw_linear_svm",
        ),
        ("separation", "goodness,goodness_script,raw_goodness,raw_goodness_script"),
        ("reconstruction", "mse,fvu,psnr"),
        ("noise", "protocol,readout,levels,accuracy,score,raw_accuracy,raw_score"),
        (
            "classes",
            "centroid_cosine,centroid_l1,centroid_l2,centroid_binarised,balanced_accuracy,\
             pair_average_precision,pair_base,separability,separability_inter,separability_intra,\
             firing_min,firing_max,firing_sd,confusion,pairs",
        ),
        ("time", "fit_s,encode_per_s"),
    ];
    assert_eq!(json.as_object().unwrap().len(), sections.len());
    for (section, names) in sections {
        let found = json[section].as_object().unwrap();
        for name in names.split(',') {
            assert!(found.contains_key(name), "{section}.{name}");
        }
        assert_eq!(found.len(), names.split(',').count(), "{section} has more");
    }
    assert_eq!(json["code"]["exact_k"], true);
    assert_eq!(json["model"]["seed"], 3);
    let figures = report.figures();
    assert_eq!(figures.len(), 7 + 8 + 4 + 3 + (11 + 1 + 11 + 1) + 13 + 2);
    for figure in figures {
        let entry = &json[figure.section][figure.name];
        let number = figure.place.map_or(entry, |place| &entry[place]).as_f64();
        assert_eq!(number, Some(figure.value), "{}.{}", figure.section, figure.name);
    }
    assert_eq!(json["noise"]["protocol"], "s2");
    assert_eq!(json["noise"]["readout"], "linear_probe");
    assert_eq!(json["noise"]["accuracy"][0], json["readout"]["linear_probe"]);
    assert_eq!(json["noise"]["raw_accuracy"][0], json["readout"]["raw_linear_probe"]);
}

#[test]
fn only_the_parts_asked_for_are_measured() {
    let names = |parts: &[Part]| {
        let json = serde_json::to_value(toy_report(0, parts, true)).unwrap();
        json.as_object().unwrap().keys().cloned().collect::<Vec<_>>().join(",")
    };
    assert_eq!(names(&[Part::Code]), "code,data,model,time");
    assert_eq!(names(&[Part::Reconstruction]), "data,model,reconstruction,time");
    assert_eq!(names(&[Part::Separation]), "data,model,separation,time");
    let readout = toy_report(0, &[Part::Readout], false).readout.unwrap();
    assert!(readout.raw_knn1.is_none() && readout.knn5_overlap.is_some());
    let raw = toy_report(0, &[Part::Raw], false);
    assert!(raw.readout.unwrap().knn1_overlap.is_none() && raw.readout.unwrap().raw_knn1.is_some());
    assert!(raw.separation.unwrap().goodness.is_none());
    assert!(toy_report(0, &[Part::Reconstruction], false).reconstruction.is_none());
    assert_eq!(names(&[Part::Noise(NoiseProtocol::Gaussian)]), "data,model,noise,time");
    let svm = toy_report(0, &[Part::Svm], false).readout.unwrap();
    assert!(svm.linear_svm.is_some() && svm.raw_linear_svm.is_some() && svm.raw_knn1.is_none());
    assert!(!Part::DEFAULT.iter().any(|part| matches!(part, Part::Svm | Part::Noise(_))));
}

#[test]
fn without_labels_there_is_no_read_out() {
    let (mut train, train_codes) = data("toy:train", 200, 1);
    let (mut test, test_codes) = data("toy:test", 100, 2);
    (train.labels, test.labels) = (None, None);
    let mut evidence = Evidence {
        model: model(0),
        encoder: Some(&LARGEST),
        classifier: None,
        latents: None,
        decoder: None,
        train: &train,
        test: &test,
        train_codes: &train_codes,
        test_codes: &test_codes,
        decoded: None,
        controls: None,
        time: Timing::default(),
    };
    let mut seen = Vec::new();
    let report = judge(&evidence, &Part::ALL, &mut |name| seen.push(name.to_owned())).unwrap();
    assert_eq!(seen, ["code figures"]);
    assert!(report.readout.is_none() && report.separation.is_none());
    assert!(report.code.unwrap().exact_k);
    (evidence.train_codes, evidence.test_codes) = (&test_codes, &train_codes);
    assert!(judge(&evidence, &Part::ALL, &mut |_| ()).is_err(), "codes of other data");
}

#[test]
fn several_seeds_become_mean_spread_and_list() {
    let parts = [Part::Code, Part::Readout];
    let reports: Vec<Report> = (0..3).map(|seed| toy_report(seed, &parts, false)).collect();
    let summary = summarise(&reports).unwrap();
    let json = serde_json::to_value(&summary).unwrap();
    assert_eq!(json["model"]["seed"], serde_json::json!([0, 1, 2]));
    assert_eq!(json["model"]["units"], UNITS);
    assert_eq!(json["code"]["exact_k"], true);
    assert_eq!(json["data"]["test_len"], 1_700);
    let values: Vec<f64> =
        reports.iter().map(|report| report.readout.unwrap().knn1_overlap.unwrap()).collect();
    let mean = values.iter().sum::<f64>() / 3.0;
    let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / 2.0;
    let figure = &json["readout"]["knn1_overlap"];
    assert_eq!(figure["values"], serde_json::json!(values));
    assert_eq!(figure["n"], 3);
    assert!((figure["mean"].as_f64().unwrap() - mean).abs() < 1e-12);
    assert!((figure["sd"].as_f64().unwrap() - variance.sqrt()).abs() < 1e-12);
    assert_eq!(json.get("separation"), None);

    let mut other = reports.clone();
    other[1].model.units += 1;
    assert!(summarise(&other).is_err());
    assert!(summarise(&[]).is_err());
    let table = summary.to_string();
    assert!(table.contains("seeds 0 1 2") && table.contains('±'), "{table}");
}

#[test]
fn the_table_puts_codes_and_raw_inputs_side_by_side() {
    let report = toy_report(0, PARTS, true);
    let table = report.to_string();
    let readout = report.readout.unwrap();
    let expected = [
        readout.linear_probe.map(|share| format!("{share:.4}")),
        readout.raw_linear_probe.map(|share| format!("{share:.4}")),
    ];
    let line = table.lines().find(|line| line.contains("linear probe")).unwrap();
    let cells: Vec<&str> = line.split_whitespace().skip(2).collect();
    assert_eq!(cells, expected.map(Option::unwrap));
    let ends: Vec<usize> = ["codes  ", "1 nearest", "linear probe", "goodness  "]
        .map(|text| table.lines().find(|line| line.contains(text)).unwrap().len())
        .to_vec();
    assert!(ends.windows(2).all(|pair| pair[0] == pair[1]), "columns must align:\n{table}");
}

/// The bytes of a gzipped file after its header.
fn unzipped(path: &Path, header: usize) -> Vec<u8> {
    let file = std::fs::File::open(path).unwrap();
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(file).read_to_end(&mut bytes).unwrap();
    bytes.split_off(header)
}

#[test]
#[allow(clippy::print_stderr, reason = "says that it was skipped")]
fn raw_mnist_has_its_known_nearest_neighbour_score() {
    let Some(folder) = std::env::var_os("KWINNERS_DATA") else {
        eprintln!("skipped: KWINNERS_DATA is not set");
        return;
    };
    let folder = Path::new(&folder).join("mnist");
    let pixels = |name: &str| -> Vec<f32> {
        let bytes = unzipped(&folder.join(name), 16);
        bytes.into_iter().map(|byte| f32::from(byte) / 255.0).collect()
    };
    let labels = |name: &str| -> Vec<u32> {
        unzipped(&folder.join(name), 8).into_iter().map(u32::from).collect()
    };
    let (train, test) = (pixels("train-images-idx3-ubyte.gz"), pixels("t10k-images-idx3-ubyte.gz"));
    let (train, test) = (Rows::new(&train, 784).unwrap(), Rows::new(&test, 784).unwrap());
    let train_labels = labels("train-labels-idx1-ubyte.gz");
    let test_labels = labels("t10k-labels-idx1-ubyte.gz");
    let nearest = nearest_by_distance(train, test).unwrap();
    let predicted: Vec<u32> = nearest.iter().map(|&id| train_labels[id]).collect();
    assert_eq!(accuracy(&predicted, &test_labels).unwrap(), 0.9691);
}
