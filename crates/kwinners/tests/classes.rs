//! What codes say of classes: centroids, pairs, scatter and pixels against brute force.

mod common;

use common::{Largest, images};
use kwinners::data::ImageShape;
use kwinners::encoder::Classify;
use kwinners::metrics::{
    CentroidDistance, Centroids, ConfusionMatrix, Features, pair_curve, pixel_figures,
    reconstruction, saliency, separability,
};
use kwinners::{Encoder, Rng, Rows, SdrBatch};

const UNITS: usize = 80;
const WINNERS: usize = 9;

/// Codes of ten classes, noisy, with their labels.
fn codes(len: usize, seed: u64) -> (SdrBatch, Vec<u32>) {
    let data = images(len, UNITS, seed);
    let labels = (0..len as u32).map(|place| place % 10).collect();
    let largest = Largest { units: UNITS, winners: WINNERS };
    (largest.encode(data.rows()).unwrap(), labels)
}

fn dense(codes: &SdrBatch) -> Vec<f32> {
    codes.iter().flat_map(|code| code.to_dense()).collect()
}

#[test]
fn centroids_are_as_near_as_they_are() {
    let ((train, labels), (test, _)) = (codes(300, 1), codes(100, 2));
    let centroids = Centroids::of(&train, &labels).unwrap();
    let test_rows = dense(&test);
    for distance in CentroidDistance::ALL {
        let predicted = centroids.predict(&test, distance).unwrap();
        for (row, label) in test_rows.chunks_exact(UNITS).zip(predicted) {
            let apart = |class: usize| apart(row, centroids.of_class(class), distance);
            let least = (0..10).map(apart).fold(f64::INFINITY, f64::min);
            assert!(apart(label as usize) <= least + 1e-9, "{distance:?}");
        }
    }
    assert!(centroids.predict(&SdrBatch::new(UNITS + 1).unwrap(), CentroidDistance::L1).is_err());
    assert!(Centroids::of(&train, &labels[1..]).is_err());
}

/// The distance, written out.
fn apart(row: &[f32], mean: &[f64], distance: CentroidDistance) -> f64 {
    let binary: Vec<f64> = {
        let mut order: Vec<usize> = (0..mean.len()).collect();
        order.sort_by(|&a, &b| mean[b].total_cmp(&mean[a]).then(a.cmp(&b)));
        (0..mean.len()).map(|unit| f64::from(order[..WINNERS].contains(&unit))).collect()
    };
    let pairs = |of: &dyn Fn(f64, f64) -> f64, mean: &[f64]| -> f64 {
        row.iter().zip(mean).map(|(&x, &c)| of(f64::from(x), c)).sum()
    };
    let cosine = |mean: &[f64]| {
        let norms = pairs(&|x, _| x * x, mean) * pairs(&|_, c| c * c, mean);
        1.0 - pairs(&|x, c| x * c, mean) / norms.sqrt()
    };
    match distance {
        CentroidDistance::Cosine => cosine(mean),
        CentroidDistance::Binarised => cosine(&binary),
        CentroidDistance::L1 => pairs(&|x, c| (x - c).abs(), mean),
        CentroidDistance::L2 => pairs(&|x, c| (x - c).powi(2), mean),
    }
}

#[test]
fn the_confusion_matrix_counts_every_sample_once() {
    let mut rng = Rng::new(4);
    let labels: Vec<u32> = (0..500).map(|_| rng.below(7) as u32 * 1000).collect();
    let predicted: Vec<u32> =
        labels.iter().map(|&label| if rng.uniform() < 0.8 { label } else { 3000 }).collect();
    let matrix = ConfusionMatrix::of(&predicted, &labels).unwrap();
    assert_eq!(matrix.counts.iter().flatten().sum::<u64>(), 500);
    let right: u64 = (0..7).map(|class| matrix.counts[class][class]).sum();
    let equal = predicted.iter().zip(&labels).filter(|(a, b)| a == b).count() as u64;
    assert_eq!(right, equal);
    assert_eq!(matrix.recalls()[3], 1.0);
    let balanced = matrix.recalls().iter().sum::<f64>() / 7.0;
    assert!((matrix.balanced_accuracy() - balanced).abs() < 1e-12);
    assert!(ConfusionMatrix::of(&predicted, &labels[1..]).is_err());
    assert!(ConfusionMatrix::of(&[], &[]).unwrap().balanced_accuracy().is_nan());
}

#[test]
fn pairs_are_counted_as_one_by_one() {
    let (codes, labels) = codes(120, 5);
    let curve = pair_curve(&codes, &labels).unwrap();
    let mut pairs = Vec::new();
    for a in 0..codes.len() {
        for b in a + 1..codes.len() {
            pairs.push((codes.get(a).overlap(codes.get(b)).unwrap(), labels[a] == labels[b]));
        }
    }
    let same = pairs.iter().filter(|pair| pair.1).count() as f64;
    assert_eq!(curve.base, same / pairs.len() as f64);
    for point in &curve.points {
        let named = pairs.iter().filter(|pair| pair.0 >= point.overlap);
        let found = named.clone().filter(|pair| pair.1).count() as f64;
        assert_eq!(point.precision, found / named.count() as f64);
        assert_eq!(point.recall, found / same);
    }
    assert_eq!(curve.points.last().unwrap().recall, 1.0);
    assert!(curve.average_precision > curve.base);
    assert!(pair_curve(&SdrBatch::new(8).unwrap(), &[]).unwrap().average_precision.is_nan());
}

#[test]
fn codes_scatter_as_their_dense_rows_do() {
    let (codes, labels) = codes(200, 6);
    let rows = dense(&codes);
    let of_codes = separability(Features::Codes(&codes), &labels).unwrap();
    let of_rows = separability(Features::Rows(Rows::new(&rows, UNITS).unwrap()), &labels).unwrap();
    assert_eq!(of_codes, of_rows);
    assert!((of_codes.ratio - of_codes.inter / of_codes.intra).abs() < 1e-12);
    let mixed: Vec<u32> = (0..200).map(|place| place / 20).collect();
    assert!(separability(Features::Codes(&codes), &mixed).unwrap().inter < of_codes.inter);
}

#[test]
fn pixels_are_read_by_the_best_threshold() {
    let mut rng = Rng::new(7);
    let input: Vec<f32> = (0..60 * 20).map(|_| f32::from(rng.uniform() < 0.3)).collect();
    // On and off lie around 0.5, 0.4 apart.
    let decoded: Vec<f32> =
        input.iter().map(|on| 0.3 + 0.4 * on + rng.between(-0.02, 0.02)).collect();
    let view = |values| Rows::new(values, 20).unwrap();
    let (train, test) = ((view(&input), view(&decoded)), (view(&input), view(&input)));
    let figures = pixel_figures(train, test).unwrap();
    assert!((0.32..0.68).contains(&figures.threshold), "{figures:?}");
    assert_eq!((figures.pixel_error, figures.exact, figures.exact_train), (0.0, 1.0, 1.0));
    let flipped: Vec<f32> = input.iter().map(|on| 1.0 - on).collect();
    let worst = pixel_figures(train, (view(&input), view(&flipped))).unwrap();
    assert_eq!((worst.pixel_error, worst.exact), (20.0, 0.0));
    assert!(pixel_figures(train, (view(&input), view(&input[20..]))).is_err());
}

#[test]
fn psnr_is_that_of_the_formula() {
    let original = Rows::new(&[0.0, 1.0, 0.0, 4.0, 7.0, 7.0], 2).unwrap();
    let decoded = Rows::new(&[0.1, 0.9, 0.0, 3.0, 7.0, 6.0], 2).unwrap();
    let figures = reconstruction(original, decoded).unwrap();
    // 1 / 0.01 and 16 / 0.5; the last row has no range.
    let expected = (10.0 * 100f64.log10() + 10.0 * 32f64.log10()) / 2.0;
    assert!((figures.psnr - expected).abs() < 1e-5, "{}", figures.psnr);
}

/// Says 1 as far as the upper left of an image of 12 x 12 is bright and what is around it dark.
struct Corner;

const CORNER: ImageShape = ImageShape { width: 12, height: 12, channels: 1 };

fn weight(pixel: usize) -> f32 {
    let far = (pixel % 12).max(pixel / 12);
    if far < 4 {
        0.5
    } else if far < 8 {
        -0.5
    } else {
        0.0
    }
}

impl Classify for Corner {
    fn classes(&self) -> usize {
        2
    }

    fn scores(&self, rows: Rows<'_>) -> kwinners::Result<Vec<f32>> {
        let answer = |row: &[f32]| (0..144).map(|pixel| weight(pixel) * row[pixel]).sum::<f32>();
        Ok(rows.iter().flat_map(|row| [0.0, answer(row) - 5.0]).collect())
    }

    fn input_slopes(
        &self,
        rows: Rows<'_>,
        weigh: &(dyn Fn(usize, &mut [f32]) + Sync),
    ) -> kwinners::Result<Vec<f32>> {
        let mut scores = self.scores(rows)?;
        scores.chunks_exact_mut(2).enumerate().for_each(|(row, scores)| weigh(row, scores));
        let slopes = scores.chunks_exact(2);
        let slopes = slopes.flat_map(|slopes| (0..144).map(|pixel| weight(pixel) * slopes[1]));
        Ok(slopes.collect())
    }
}

#[test]
fn a_mask_covers_what_the_answer_hangs_on() {
    let image: Vec<f32> = (0..144).map(|pixel| f32::from(weight(pixel) > 0.0)).collect();
    let found = saliency(&Corner, &image, CORNER, 1).unwrap();
    assert_eq!((found.mask.len(), found.masked.len(), found.losses.len()), (144, 144, 100));
    assert!(found.mask.iter().all(|value| (0.0..=1.0).contains(value)));
    assert!(found.before > 0.9 && found.after < 0.7, "{} {}", found.before, found.after);
    assert!(found.mask[0] < found.mask[143] - 0.2, "{:?}", found.mask);
    assert!(saliency(&Corner, &image, CORNER, 2).is_err());
    assert!(saliency(&Corner, &image[1..], CORNER, 1).is_err());
}
