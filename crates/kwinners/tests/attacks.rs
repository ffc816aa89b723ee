//! Laws of attacks: what they may change, what they must find, and that they are the same every time.

mod common;

use common::{images, with_threads};
use kwinners::data::ImageShape;
use kwinners::encoder::{Classifier, ClassifierSettings, Classify, Inputs, Learner};
use kwinners::metrics::{Attack, Rays, Target};
use kwinners::{Result, Rng, Rows};
use proptest::prelude::*;

const WIDTH: usize = 60;
const ATTACKS: [Attack; 4] = [
    Attack::FastGradient,
    Attack::IteratedFastGradient { steps: 4 },
    Attack::ProjectedGradient { steps: 8, starts: 2 },
    Attack::Decision { queries: 60 },
];

/// A classifier of ten kinds of images, `passes` times shown.
fn classifier(layers: &str, passes: usize, seed: u64) -> Classifier {
    let mut settings = ClassifierSettings { learning_rate: 0.01, seed, ..Default::default() };
    settings.set("layers", layers).unwrap();
    settings.set("winners", if layers.contains("k-winners") { "0" } else { "5" }).unwrap();
    let (data, labels) = (images(200, WIDTH, 3), labels(200));
    let inputs = Inputs { rows: data.rows(), image: None, classes: 10 };
    let mut classifier = Classifier::new(settings, inputs).unwrap();
    for _ in 0..passes {
        classifier.learn(data.rows(), Some(&labels)).unwrap();
    }
    classifier
}

fn labels(len: usize) -> Vec<u32> {
    (0..len as u32).map(|row| row % 10).collect()
}

const SMOOTH: &str = "linear 30, tanh";
const SPARSE: &str = "linear 100 density=0.5, k-winners 10";

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// No value moves further than `ε`, none leaves the range, and without `ε` none moves.
    #[test]
    fn changes_stay_in_the_ball_and_the_range(
        epsilon in 0.0f64..0.6,
        seed in 0u64..100,
        sparse: bool,
    ) {
        let model = classifier(if sparse { SPARSE } else { SMOOTH }, 5, seed);
        let (data, labels) = (images(30, WIDTH, 3), labels(30));
        // Values outside of the range may not go further out.
        for range in [(0.0, 1.0), (0.1, 0.9)] {
            let target = Target { rows: data.rows(), labels: &labels, range, seed };
            for attack in ATTACKS {
                prop_assert_eq!(attack.examples(&model, &target, 0.0)?, data.rows().values());
                let examples = attack.examples(&model, &target, epsilon)?;
                for (value, from) in examples.iter().zip(data.rows().values()) {
                    let far = f64::from((value - from).abs());
                    prop_assert!(far <= epsilon + 1e-6, "{}: {from} to {value}", attack.name());
                    let (low, high) = (range.0.min(*from), range.1.max(*from));
                    prop_assert!((low..=high).contains(value), "{}: {value}", attack.name());
                }
            }
        }
    }

    /// Slopes by raw values are differences, through scaling and channels, in the order of the rows.
    #[test]
    fn slopes_are_differences(seed in 0u64..1000, scaling in 0usize..4) {
        let image = ImageShape { width: 6, height: 5, channels: 2 };
        let mut settings = ClassifierSettings { seed, winners: 2, ..Default::default() };
        settings.set("layers", "pad 1, conv 4 3, tanh, linear 9, tanh").unwrap();
        settings.set("input", ["raw", "normalised", "centred", "standardised"][scaling]).unwrap();
        let mut rng = Rng::new(seed);
        let values: Vec<f32> = (0..40 * WIDTH).map(|_| rng.uniform()).collect();
        let rows = Rows::new(&values, WIDTH)?;
        let inputs = Inputs { rows, image: Some(image), classes: 3 };
        let model = Classifier::new(settings, inputs).unwrap();
        let weights = [[0.5, -1.0, 0.25], [-0.75, 1.0, 2.0]];
        // More rows than pass at once: the numbers of rows go on from block to block.
        let slopes = model.input_slopes(rows, &|row, scores| {
            scores.copy_from_slice(&weights[row % 2]);
        })?;
        for _ in 0..10 {
            let (row, place) = (rng.below(40), rng.below(WIDTH));
            let loss = |by: f32| -> f64 {
                let mut values = rows.row(row).to_vec();
                values[place] += by;
                let scores = model.scores(Rows::new(&values, WIDTH).unwrap()).unwrap();
                scores.iter().zip(weights[row % 2]).map(|(a, b)| f64::from(a * b)).sum()
            };
            let expected = (loss(0.005) - loss(-0.005)) / 0.01;
            let got = f64::from(slopes[row * WIDTH + place]);
            let near = 2e-3 + 1e-2 * expected.abs();
            prop_assert!((got - expected).abs() < near, "{got} for {expected}");
        }
    }
}

/// On a smooth network more steps find more, and more room gives more.
#[test]
fn stronger_attacks_find_more() -> Result<()> {
    let model = classifier(SMOOTH, 30, 1);
    let (data, labels) = (images(300, WIDTH, 3), labels(300));
    let target = Target { rows: data.rows(), labels: &labels, range: (0.0, 1.0), seed: 4 };
    let epsilons = [0.0, 0.05, 0.1, 0.2, 0.4];
    let [fgsm, iterated, pgd, decision] =
        ATTACKS.map(|attack| attack.accuracies(&model, &target, &epsilons).unwrap());
    assert!(fgsm[0] > 0.95, "it has learned: {}", fgsm[0]);
    for place in 0..epsilons.len() {
        assert!(pgd[place] <= fgsm[place], "{pgd:?} {fgsm:?}");
        assert!(iterated[place] <= fgsm[place] + 0.01, "{iterated:?} {fgsm:?}");
        // It sees less, but what it finds is real.
        assert!(decision[place] <= fgsm[0]);
    }
    assert!(pgd.is_sorted_by(|a, b| a >= b) && decision.is_sorted_by(|a, b| a >= b));
    assert!(pgd[4] < 0.1 && decision[4] < 0.9, "{pgd:?} {decision:?}");
    Ok(())
}

/// Accuracies are those of the examples, and what the rays say is so.
#[test]
fn accuracies_are_those_of_the_examples() -> Result<()> {
    let model = classifier(SPARSE, 20, 2);
    let (data, labels) = (images(100, WIDTH, 3), labels(100));
    let target = Target { rows: data.rows(), labels: &labels, range: (0.0, 1.0), seed: 4 };
    let misread = |examples: &[f32]| -> Vec<bool> {
        let read = model.classify(Rows::new(examples, WIDTH).unwrap()).unwrap();
        read.iter().zip(&labels).map(|(read, label)| read != label).collect()
    };
    for attack in ATTACKS {
        for epsilon in [0.0, 0.1, 0.3] {
            let examples = misread(&attack.examples(&model, &target, epsilon)?);
            let right = examples.iter().filter(|misread| !**misread).count() as f64 / 100.0;
            let told = attack.accuracies(&model, &target, &[epsilon])?[0];
            assert!((told - right).abs() < 1e-9, "{} {epsilon}", attack.name());
        }
    }
    let rays = Rays::search(&model, &target, 200, 0.0)?;
    for epsilon in [0.05, 0.2, 0.5] {
        let found = rays.distances.iter().map(|distance| f64::from(*distance) <= epsilon);
        assert_eq!(misread(&rays.examples(&target, epsilon)), found.collect::<Vec<_>>());
    }
    assert!(rays.distances.iter().filter(|distance| distance.is_finite()).count() > 50);
    Ok(())
}

#[test]
fn the_same_every_time_on_any_number_of_threads() {
    let model = classifier(SPARSE, 20, 5);
    let (data, labels) = (images(90, WIDTH, 3), labels(90));
    let examples = |threads: usize, seed: u64| {
        let target = Target { rows: data.rows(), labels: &labels, range: (0.0, 1.0), seed };
        with_threads(threads, || {
            ATTACKS.map(|attack| attack.examples(&model, &target, 0.1).unwrap())
        })
    };
    assert_eq!(examples(1, 7), examples(3, 7));
    assert_ne!(examples(1, 7)[2], examples(1, 8)[2], "pgd starts anywhere");
}

#[test]
fn changes_can_be_transferred() -> Result<()> {
    let (source, victim) = (classifier(SMOOTH, 30, 1), classifier(SMOOTH, 30, 2));
    let (data, labels) = (images(200, WIDTH, 3), labels(200));
    let target = Target { rows: data.rows(), labels: &labels, range: (0.0, 1.0), seed: 4 };
    let attack = Attack::IteratedFastGradient { steps: 10 };
    let epsilons = [0.0, 0.1, 0.4];
    let own = attack.accuracies(&victim, &target, &epsilons)?;
    let other = attack.transferred_accuracies((&source, &victim), &target, &epsilons)?;
    assert_eq!(own[0], other[0], "without change there is nothing to transfer");
    assert!(own[2] <= other[2] && other[2] < other[0], "{own:?} {other:?}");
    let blind = Attack::Decision { queries: 5 };
    assert!(blind.transferred_accuracies((&source, &victim), &target, &epsilons).is_err());
    Ok(())
}

/// A classifier of two classes that has no slopes.
struct Threshold;

impl Classify for Threshold {
    fn classes(&self) -> usize {
        2
    }

    fn scores(&self, rows: Rows<'_>) -> Result<Vec<f32>> {
        Ok(rows.iter().flat_map(|row| [0.5, row[0]]).collect())
    }
}

/// The distance that the decision-based attack finds is the true one where a single value decides; what can't be
/// asked is refused.
#[test]
fn decisions_are_enough() -> Result<()> {
    let values = [0.3, 0.0, 0.5, 0.9, 0.2, 0.7];
    let rows = Rows::new(&values, 3)?;
    let target = Target { rows, labels: &[0, 1], range: (0.0, 1.0), seed: 0 };
    let rays = Rays::search(&Threshold, &target, 100, 0.0)?;
    for (distance, expected) in rays.distances.iter().zip([0.2, 0.4]) {
        assert!((distance - expected).abs() < 2e-3, "{distance} for {expected}");
    }
    let wrong = Target { labels: &[1, 1], ..target };
    assert_eq!(Rays::search(&Threshold, &wrong, 100, 0.0)?.distances[0], 0.0);
    assert!(Attack::FastGradient.examples(&Threshold, &target, 0.1).is_err(), "no slopes");
    let decision = Attack::Decision { queries: 3 };
    assert!(decision.examples(&Threshold, &target, f64::NAN).is_err());
    assert!(decision.examples(&Threshold, &target, -0.1).is_err());
    assert!(decision.examples(&Threshold, &Target { labels: &[0], ..target }, 0.1).is_err());
    let backwards = Target { range: (1.0, 0.0), ..target };
    assert!(decision.examples(&Threshold, &backwards, 0.1).is_err());
    Ok(())
}
