//! Support vector machines, noise on the inputs and the stability of codes: laws and brute force.

mod common;

use common::{Largest, with_threads};
use kwinners::data::{DataDirs, Dataset, ImageShape, Spec, load};
use kwinners::encoder::Inputs;
use kwinners::metrics::{
    Features, LinearSettings, LinearSvm, LogisticRegression, NOISE_LEVELS, Noise, NoiseProtocol,
    accuracy, fit_linear_svm, input_coverage, noise_curve, noise_robustness, places_above,
    stability,
};
use kwinners::report::{Evidence, ModelInfo, Part, Report, Timing, judge, summarise};
use kwinners::{Encoder, Rng, Rows, SdrBatch};

/// All that needs neither attacks nor the estimators of information, which take seconds each.
const PARTS: &[Part] = Part::ALL.split_at(9).0;

const UNITS: usize = 60;
const WINNERS: usize = 10;
const LARGEST: Largest = Largest { units: UNITS, winners: WINNERS };

/// Rows of values from 0 to 1 around the middle of their class, and their labels.
fn clusters(len: usize, classes: usize, spread: f32, seed: u64) -> (Vec<f32>, Vec<u32>) {
    let mut centres = Rng::new(99);
    let centres: Vec<f32> = (0..classes * UNITS).map(|_| centres.uniform()).collect();
    let mut rng = Rng::new(seed);
    let labels: Vec<u32> = (0..len).map(|_| rng.below(classes) as u32).collect();
    let values = labels.iter().flat_map(|&label| &centres[label as usize * UNITS..][..UNITS]);
    let near = values.map(|value| (value + spread * rng.normal()).clamp(0.0, 1.0)).collect();
    (near, labels)
}

fn view(values: &[f32], width: usize) -> Rows<'_> {
    Rows::new(values, width).unwrap()
}

#[test]
fn support_vector_machines_separate_what_is_separable() {
    let (values, labels) = clusters(600, 6, 0.1, 1);
    let (test, test_labels) = clusters(300, 6, 0.1, 2);
    let far = |labels: &[u32]| labels.iter().map(|l| l * 700_000_000).collect::<Vec<u32>>();
    let rows = Features::Rows(view(&values, UNITS));
    let svm = fit_linear_svm(rows, &far(&labels)).unwrap();
    let predicted = svm.predict(Features::Rows(view(&test, UNITS))).unwrap();
    assert_eq!(accuracy(&predicted, &far(&test_labels)).unwrap(), 1.0);
    assert!([10.0, 1.0, 0.1, 0.01].contains(&svm.penalty()));
    assert!(LinearSvm::fit(rows, &[1], &LinearSettings::default()).is_err());
    assert!(svm.scores(Features::Rows(view(&test, UNITS / 2))).is_err());

    let codes = LARGEST.encode(view(&values, UNITS)).unwrap();
    let svm = fit_linear_svm(Features::Codes(&codes), &labels).unwrap();
    let codes = LARGEST.encode(view(&test, UNITS)).unwrap();
    let share = accuracy(&svm.predict(Features::Codes(&codes)).unwrap(), &test_labels).unwrap();
    assert!(share > 0.99, "{share}");
}

/// The least value of a convex function of one number from -20 to 20, and where: ternary search.
fn least(of: &dyn Fn(f64) -> f64) -> (f64, f64) {
    let (mut low, mut high) = (-20.0, 20.0);
    for _ in 0..90 {
        let third = (high - low) / 3.0;
        match of(low + third) < of(high - third) {
            true => high -= third,
            false => low += third,
        }
    }
    (of(low), low)
}

#[test]
fn the_minimum_is_that_of_brute_force() {
    let values = [-1.5f32, -0.5, 0.25, 0.75, 1.0, 2.0];
    let labels = [0, 0, 1, 0, 1, 1]; // not separable
    let sides = labels.map(|label| if label == 1 { 1.0 } else { -1.0 });
    let square: f64 = values.iter().map(|&x| f64::from(x).powi(2)).sum();
    let scale = 1.0 / (square / values.len() as f64).sqrt();
    for penalty in [0.1, 1.0, 5.0] {
        let value = |w: f64, b: f64| {
            let short = values
                .iter()
                .zip(sides)
                .map(|(&x, y)| (1.0 - y * (w * f64::from(x) * scale + b)).max(0.0).powi(2));
            short.sum::<f64>() + penalty / 2.0 * w * w
        };
        let (_, w) = least(&|w| least(&|b| value(w, b)).0);
        let (_, b) = least(&|b| value(w, b));
        let features = Features::Rows(view(&values, 1));
        let settings = LinearSettings { penalty, max_iterations: 1_000, tolerance: 1e-8 };
        let scores =
            LinearSvm::fit(features, &labels, &settings).unwrap().scores(features).unwrap();
        for (x, scores) in values.iter().zip(scores.chunks_exact(2)) {
            let expected = w * f64::from(*x) * scale + b;
            assert!((f64::from(scores[1]) - expected).abs() < 1e-3, "{scores:?} {expected}");
            assert!((scores[0] + scores[1]).abs() < 1e-3, "one against the other: mirror images");
        }
    }
}

/// Rows that are mostly zeros are fitted as lists; the same rows with a grain of dust on every zero
/// go through the dense product.
#[test]
fn mostly_empty_rows_are_read_as_full_ones_are() {
    let (width, per_row) = (400, 12);
    let mut rng = Rng::new(3);
    let labels: Vec<u32> = (0..700).map(|_| rng.below(3) as u32).collect();
    let mut values = vec![0.0; labels.len() * width];
    for (row, &label) in values.chunks_exact_mut(width).zip(&labels) {
        for place in rng.distinct(per_row, width / 2) {
            row[place as usize + 60 * label as usize] = rng.between(0.5, 1.5);
        }
    }
    let dusty: Vec<f32> = values.iter().map(|v| if *v == 0.0 { 1e-12 } else { *v }).collect();
    let settings = LinearSettings::default();
    let (sparse, dense) = (view(&values, width), view(&dusty, width));
    let svm = |rows| LinearSvm::fit(Features::Rows(rows), &labels, &settings).unwrap();
    let scores = |rows| svm(rows).scores(Features::Rows(sparse)).unwrap();
    let (of_sparse, of_dense) = (scores(sparse), scores(dense));
    assert!(of_sparse.iter().zip(&of_dense).all(|(a, b)| (a - b).abs() < 0.02));
    let logistic = |rows| {
        let model = LogisticRegression::fit(Features::Rows(rows), &labels, &settings).unwrap();
        model.predict(Features::Rows(sparse)).unwrap()
    };
    let same = accuracy(&logistic(sparse), &logistic(dense)).unwrap();
    assert!(same > 0.995, "{same}"); // a sample on the border may fall either way
    assert_eq!(with_threads(1, || svm(sparse)), with_threads(2, || svm(sparse)));
    assert_eq!(with_threads(1, || svm(dense)), with_threads(3, || svm(dense)));
}

const WIDTH: usize = 784;
const IMAGE: ImageShape = ImageShape { width: 28, height: 28, channels: 1 };

/// Noise for inputs from 0 to 1 whose mean is 0.5.
fn noise_on(protocol: NoiseProtocol, image: Option<ImageShape>, seed: u64) -> Noise {
    let train: Vec<f32> = (0..WIDTH).map(|place| (place % 2) as f32).collect();
    Noise::new(protocol, Inputs { rows: view(&train, WIDTH), image, classes: 0 }, seed).unwrap()
}

fn changed(clean: &[f32], noisy: &[f32]) -> usize {
    clean.iter().zip(noisy).filter(|(a, b)| a != b).count()
}

#[test]
fn as_many_places_change_as_the_protocol_says() {
    let clean = vec![0.25; 40 * WIDTH];
    for protocol in [NoiseProtocol::S2, NoiseProtocol::RandomValue, NoiseProtocol::SaltAndPepper] {
        let noise = noise_on(protocol, Some(IMAGE), 1);
        // int(784 · level) for 0, .05 ... .50, as the original programs compute it.
        let counts = [0, 39, 78, 117, 156, 196, 235, 274, 313, 352, 392];
        for (level, count) in NOISE_LEVELS.into_iter().zip(counts) {
            let noisy = noise.corrupt(view(&clean, WIDTH), level).unwrap();
            for row in noisy.chunks_exact(WIDTH) {
                assert_eq!(changed(&clean[..WIDTH], row), count, "{protocol} {level}");
            }
            let new = noisy.iter().filter(|&&value| value != 0.25);
            let right = |value: f32| match protocol {
                NoiseProtocol::S2 => value == 1.5,
                NoiseProtocol::SaltAndPepper => value == 0.0 || value == 1.0,
                _ => (0.0..1.0).contains(&value),
            };
            assert!(new.copied().all(right), "{protocol} {level}");
        }
    }
}

#[test]
fn every_place_is_as_likely_to_change() {
    let (rows, width) = (4_000, 20);
    let clean = vec![0.25; rows * width];
    let noise = Noise::new(NoiseProtocol::S2, view(&[0.0, 1.0].repeat(10), width), 5).unwrap();
    let noisy = noise.corrupt(view(&clean, width), 0.25).unwrap();
    for place in 0..width {
        let hit = noisy.iter().skip(place).step_by(width).filter(|&&value| value != 0.25).count();
        // Binomial, 1,000 ± 27.
        assert!(hit.abs_diff(1_000) < 140, "{hit} at {place}");
    }
}

#[test]
fn gaussian_noise_has_its_spread_and_stays_in_the_range() {
    let noise = noise_on(NoiseProtocol::Gaussian, None, 1);
    let clean = vec![0.5; 20 * WIDTH];
    let noisy = noise.corrupt(view(&clean, WIDTH), 0.1).unwrap();
    let square: f64 = noisy.iter().map(|&value| f64::from(value - 0.5).powi(2)).sum();
    let spread = (square / noisy.len() as f64).sqrt();
    assert!((spread - 0.1).abs() < 0.003, "{spread}");
    let noisy = noise.corrupt(view(&clean, WIDTH), 0.5).unwrap();
    assert!(noisy.iter().all(|value| (0.0..=1.0).contains(value)));
    assert!(noisy.contains(&0.0) && noisy.contains(&1.0));
}

/// As often as the level says a pixel becomes a normal number cut to the range: half of these its lower end, one in
/// six its upper one.
#[test]
fn the_noise_of_the_forum_draws_normal_pixels() {
    let noise = noise_on(NoiseProtocol::ForumA, None, 1);
    let clean = vec![0.5; 50 * WIDTH];
    for level in [0.1, 0.8] {
        let noisy = noise.corrupt(view(&clean, WIDTH), level).unwrap();
        let share = |count: usize| count as f64 / (level * noisy.len() as f64);
        let ends = [0.0, 1.0].map(|end| noisy.iter().filter(|value| **value == end).count());
        assert!((share(changed(&clean, &noisy)) - 1.0).abs() < 0.05, "{level}");
        assert!((share(ends[0]) - 0.5).abs() < 0.03 && (share(ends[1]) - 0.1587).abs() < 0.03);
        assert!(noisy.iter().all(|value| (0.0..=1.0).contains(value)));
    }
}

/// The rectangle of zeros in a plane of ones: rows and columns that it covers.
fn hole(plane: &[f32], image: ImageShape) -> (usize, usize) {
    let zero = |row: usize, column: usize| plane[row * image.width + column] == 0.0;
    let rows = (0..image.height).filter(|&row| (0..image.width).any(|column| zero(row, column)));
    let columns = (0..image.width).filter(|&column| (0..image.height).any(|row| zero(row, column)));
    let (rows, columns) = (rows.count(), columns.count());
    assert_eq!(plane.iter().filter(|&&value| value == 0.0).count(), rows * columns, "no rectangle");
    (rows, columns)
}

#[test]
fn waveform_noise_mixes_with_uniform_noise() {
    let noise = noise_on(NoiseProtocol::Waveform, None, 1);
    for level in [0.1, 0.5, 1.0] {
        let clean = vec![0.5; 200 * WIDTH];
        let noisy = noise.corrupt(view(&clean, WIDTH), level).unwrap();
        let (kept, level) = ((1.0 - level as f32) * 0.5, level as f32);
        assert!(noisy.iter().all(|value| (value - kept).abs() <= level));
        let mean = noisy.iter().sum::<f32>() / noisy.len() as f32;
        assert!((mean - kept).abs() < 0.05 * level, "mean {mean} for {kept}");
        let spread =
            noisy.iter().map(|value| (value - mean).powi(2)).sum::<f32>() / noisy.len() as f32;
        assert!((spread.sqrt() / (level / 3f32.sqrt()) - 1.0).abs() < 0.05, "spread {spread}");
    }
}

#[test]
fn occlusion_cuts_squares_out_of_images_and_runs_out_of_rows() {
    let square = |image: ImageShape, level: f64| {
        let width = image.width * image.height * image.channels;
        let ones = vec![1.0; width * 30];
        let inputs = Inputs { rows: view(&ones, width), image: Some(image), classes: 0 };
        let noise = Noise::new(NoiseProtocol::Occlusion, inputs, 3).unwrap();
        let noisy = noise.corrupt(view(&ones, width), level).unwrap();
        let planes: Vec<_> = noisy.chunks_exact(image.width * image.height).collect();
        let same = |planes: &[&[f32]]| planes.iter().all(|plane| *plane == planes[0]);
        assert!(planes.chunks(image.channels).all(same), "one hole through all channels");
        assert!(!same(&planes), "not always in the same place");
        hole(planes[0], image)
    };
    assert_eq!(square(IMAGE, 0.25), (14, 14));
    assert_eq!(square(IMAGE, 0.5), (20, 20));
    assert_eq!(square(ImageShape { width: 10, height: 8, channels: 3 }, 0.2), (4, 4));
    assert_eq!(square(ImageShape { width: 50, height: 2, channels: 1 }, 0.5), (2, 25));
    assert_eq!(square(ImageShape { width: 2, height: 50, channels: 1 }, 0.5), (25, 2));

    let noise = noise_on(NoiseProtocol::Occlusion, None, 1);
    let noisy = noise.corrupt(view(&[1.0; WIDTH], WIDTH), 0.25).unwrap();
    let first = noisy.iter().position(|&value| value == 0.0).unwrap();
    let expected = |place: usize| if (first..first + 196).contains(&place) { 0.0 } else { 1.0 };
    assert!(noisy.iter().enumerate().all(|(place, &value)| value == expected(place)));
}

#[test]
fn noise_hangs_on_seed_level_and_row_alone() {
    let mut rng = Rng::new(4);
    let clean: Vec<f32> = (0..50 * WIDTH).map(|_| rng.uniform()).collect();
    let rows = view(&clean, WIDTH);
    for protocol in NoiseProtocol::ALL {
        let noise = noise_on(protocol, Some(IMAGE), 7);
        assert_eq!(noise.corrupt(rows, 0.0).unwrap(), clean, "{protocol}: level 0 is no noise");
        let noisy = noise.corrupt(rows, 0.3).unwrap();
        assert_ne!(noisy, clean, "{protocol}");
        assert_eq!(with_threads(1, || noise.corrupt(rows, 0.3).unwrap()), noisy);
        assert_eq!(with_threads(3, || noise.corrupt(rows, 0.3).unwrap()), noisy);
        let parts = [0..17, 17..50]
            .map(|part| noise.corrupt_from(rows.slice(part.clone()), part.start, 0.3).unwrap());
        assert_eq!(parts.concat(), noisy, "{protocol}: cut anywhere");
        assert_ne!(noise_on(protocol, Some(IMAGE), 8).corrupt(rows, 0.3).unwrap(), noisy);
        assert_eq!(protocol.to_string().parse::<NoiseProtocol>().unwrap(), protocol);
    }
    let noise = noise_on(NoiseProtocol::S2, None, 7);
    assert!(noise.corrupt(view(&[0.0], 1), 0.3).is_err(), "another width");
    for level in [-0.1, 1.1, f64::NAN] {
        assert!(noise.corrupt(rows, level).is_err(), "{level}");
    }
    let unknown = "gausian".parse::<NoiseProtocol>().unwrap_err().to_string();
    assert!(unknown.contains("did you mean `gaussian`"), "{unknown}");
    let image = Some(ImageShape { width: 3, ..IMAGE });
    assert!(Noise::new(NoiseProtocol::Occlusion, Inputs { rows, image, classes: 0 }, 0).is_err());
    assert!(Noise::new(NoiseProtocol::S2, rows.slice(0..0), 0).is_err());
}

#[test]
fn the_score_counts_what_is_right_at_all_levels() {
    // Right as long as the first value is the label: `s2` turns it into 1.5.
    let values: Vec<f32> = (0..9_000).flat_map(|row| [(row % 2) as f32; 10]).collect();
    let labels: Vec<u32> = (0..9_000).map(|row| row % 2).collect();
    let rows = view(&values, 10);
    let noise = Noise::new(NoiseProtocol::S2, rows, 1).unwrap();
    let mut seen = 0;
    let mut predict = |rows: Rows<'_>| {
        seen += rows.len();
        Ok(rows.iter().map(|row| if row[0] == 1.5 { 9 } else { row[0] as u32 }).collect())
    };
    let curve = noise_curve(&noise, rows, &labels, &mut predict).unwrap();
    assert_eq!((curve.accuracy.len(), curve.accuracy[0]), (11, 1.0));
    for (accuracy, level) in curve.accuracy.iter().zip(NOISE_LEVELS) {
        let untouched = 1.0 - (10.0 * level + 1e-9).floor() / 10.0;
        assert!((accuracy - untouched).abs() < 0.02, "{accuracy} at {level}");
    }
    let right: f64 = curve.accuracy.iter().map(|share| share * 9_000.0).sum();
    assert_eq!(curve.score, right.round() as usize);
    assert_eq!(seen, 11 * 9_000);
    assert!(noise_curve(&noise, rows, &labels[1..], &mut |_| Ok(Vec::new())).is_err());
    assert!(noise_curve(&noise, rows, &labels, &mut |_| Ok(Vec::new())).is_err());
}

#[test]
#[allow(clippy::print_stderr, reason = "says that it was skipped")]
fn the_noise_of_mnist_is_the_published_one() {
    if std::env::var_os("KWINNERS_DATA").is_none() {
        eprintln!("skipped: KWINNERS_DATA is not set");
        return;
    }
    let train = load(&Spec::parse("mnist:train").unwrap(), &DataDirs::standard(None)).unwrap();
    let noise = Noise::new(NoiseProtocol::S2, train.inputs(), 0).unwrap();
    let noisy = noise.corrupt(train.rows().slice(0..1), 1.0).unwrap();
    assert_eq!(noisy, [0.7469; WIDTH]);
}

#[test]
fn stability_and_robustness_know_same_and_other() {
    let mut rng = Rng::new(5);
    let mut inputs = SdrBatch::new(UNITS).unwrap();
    (0..300).for_each(|_| inputs.push(&rng.distinct(WINNERS, UNITS)).unwrap());
    assert_eq!(stability(&inputs, &inputs).unwrap(), 1.0);
    let other = inputs.select(&(1..300).collect::<Vec<_>>());
    assert!(stability(&inputs, &other).is_err());
    assert!(stability(&other, &other).unwrap() == 1.0 && other.len() == 299);
    let empty = SdrBatch::new(UNITS).unwrap();
    assert!(stability(&empty, &empty).unwrap().is_nan());

    // The code of an input is the input: what is moved is lost.
    let curve = noise_robustness(&LARGEST, &inputs, 1).unwrap();
    assert_eq!(curve.len(), 21);
    for (step, share) in curve.iter().enumerate() {
        let kept = 1.0 - (WINNERS * step / 20) as f64 / WINNERS as f64;
        assert!((share - kept).abs() < 1e-12, "{share} at {step}");
    }
    let narrow = SdrBatch::from_exact(UNITS - 1, 1, vec![0]).unwrap();
    assert!(noise_robustness(&LARGEST, &narrow, 1).is_err());
    // All bits but one are on: only one can move.
    let mut full = SdrBatch::new(UNITS).unwrap();
    full.push(&(1..UNITS as u32).collect::<Vec<_>>()).unwrap();
    assert!(noise_robustness(&LARGEST, &full, 1).unwrap()[20] >= 0.9);
}

#[test]
fn coverage_counts_inputs_that_somebody_sees() {
    let filters: Vec<f32> = (0..12).map(|place| place as f32).collect();
    let connected = places_above(view(&filters, 4), 5.0).unwrap();
    assert_eq!(connected.ends(), [0, 2, 6]);
    let coverage = input_coverage(&connected);
    assert_eq!((coverage.reached, coverage.units_per_input), (1.0, 1.5));
    let nobody = input_coverage(&SdrBatch::new(4).unwrap());
    assert_eq!((nobody.reached, nobody.units_per_input), (0.0, 0.0));
    assert!(places_above(view(&[f32::NAN], 1), 0.0).is_err());
}

struct Sets {
    train: Dataset,
    test: Dataset,
    codes: (SdrBatch, SdrBatch),
}

fn sets() -> Sets {
    let set = |name: &str, len, seed| {
        let (values, labels) = clusters(len, 4, 0.2, seed);
        let classes = (0..4).map(|class| class.to_string()).collect();
        Dataset::new(name, values, UNITS).unwrap().with_labels(labels, classes).unwrap()
    };
    let (train, test) = (set("train", 800, 1), set("test", 300, 2));
    let codes = (LARGEST.encode(train.rows()).unwrap(), LARGEST.encode(test.rows()).unwrap());
    Sets { train, test, codes }
}

fn report_on(
    sets: &Sets,
    seed: u64,
    parts: &[Part],
    controls: Option<&Report>,
) -> kwinners::Result<(Report, Vec<String>)> {
    let kind = "largest".to_owned();
    let evidence = Evidence {
        model: ModelInfo {
            kind,
            input_width: Some(UNITS),
            units: UNITS,
            winners: WINNERS,
            seed: Some(seed),
        },
        encoder: Some(&LARGEST),
        classifier: None,
        latents: None,
        decoder: None,
        train: &sets.train,
        test: &sets.test,
        train_codes: &sets.codes.0,
        test_codes: &sets.codes.1,
        decoded: None,
        controls,
        time: Timing::default(),
    };
    let mut measured = Vec::new();
    let report = judge(&evidence, parts, &mut |name| measured.push(name.to_owned()))?;
    Ok((report, measured))
}

#[test]
fn the_raw_inputs_are_measured_once() {
    let sets = sets();
    let (first, measured) = report_on(&sets, 0, PARTS, None).unwrap();
    let raw = |names: &[String]| names.iter().filter(|name| name.contains("raw")).count();
    assert_eq!(raw(&measured), 5, "{measured:?}");
    let probes = measured.iter().filter(|name| name.contains("linear probe")).count();
    assert_eq!(probes, 2, "one of the codes, one of the raw inputs: {measured:?}");
    let (second, measured) = report_on(&sets, 0, PARTS, Some(&first)).unwrap();
    assert_eq!(raw(&measured), 0, "{measured:?}");
    assert_eq!(second, first);

    let gaussian = [Part::Noise(NoiseProtocol::Gaussian)];
    let (other, measured) = report_on(&sets, 0, &gaussian, Some(&first)).unwrap();
    assert_eq!(raw(&measured), 2, "another noise says nothing of this one: {measured:?}");
    let noise = other.noise.unwrap();
    assert_eq!((noise.accuracy.len(), noise.raw_accuracy.len()), (11, 11));
    assert_ne!(noise.raw_accuracy, first.noise.unwrap().raw_accuracy);

    let mut renamed = sets;
    renamed.test.name = "other".to_owned();
    assert!(report_on(&renamed, 0, PARTS, Some(&second)).is_err(), "other data");
}

#[test]
fn noise_over_several_seeds_keeps_its_lists() {
    let sets = sets();
    let parts = [Part::Noise(NoiseProtocol::S2)];
    let reports: Vec<Report> =
        (0..2).map(|seed| report_on(&sets, seed, &parts, None).unwrap().0).collect();
    let summary = summarise(&reports).unwrap();
    let json = serde_json::to_value(&summary).unwrap();
    let noise = &json["noise"];
    assert_eq!(noise["protocol"], "s2");
    assert_eq!(noise["levels"].as_array().unwrap().len(), 11);
    let score = reports[0].noise.as_ref().unwrap().score as f64;
    assert_eq!(noise["score"]["values"], serde_json::json!([score, score]));
    let last = reports[1].noise.as_ref().unwrap().raw_accuracy[10];
    assert_eq!(noise["raw_accuracy"][10]["values"], serde_json::json!([last, last]));
    assert_eq!(noise["accuracy"].as_array().unwrap().len(), 11);

    let other = [Part::Noise(NoiseProtocol::Occlusion)];
    let mixed = [reports[0].clone(), report_on(&sets, 1, &other, None).unwrap().0];
    assert!(summarise(&mixed).is_err(), "noises of two kinds");

    for table in [reports[0].to_string(), summary.to_string()] {
        assert!(table.contains("noise: s2, linear probe"), "{table}");
        let line = |text: &str| table.lines().find(|line| line.contains(text)).unwrap().to_owned();
        let (level, score) = (line("at level 0.05"), line("score, rightly labelled"));
        assert_eq!(level.chars().count(), score.chars().count(), "columns must align:\n{table}");
    }
}
