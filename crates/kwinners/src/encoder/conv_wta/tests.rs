//! A step against its definition: loops over every place in `f64`, and differences of that.

use super::*;
use crate::encoder::Learner;
use crate::net::Convolution;

const IMAGE: ImageShape = ImageShape { width: 6, height: 5, channels: 2 };
const SAMPLES: usize = 11;

fn settings(channels: &str, percent: &str) -> ConvWtaSettings {
    let mut settings =
        ConvWtaSettings { winners: 2, kernel: 3, decoder_kernel: 5, ..Default::default() };
    settings.set("channels", channels).unwrap();
    settings.set("lifetime_percent", percent).unwrap();
    settings
}

fn images() -> Vec<f32> {
    let mut rng = Rng::new(5);
    (0..SAMPLES * 60).map(|_| rng.uniform().powi(3)).collect()
}

/// All weights of a stage as the definition reads them.
type Weights = Vec<Vec<f64>>;

fn weights(stage: &Stage) -> Weights {
    let parameters = stage.saved_parameters();
    parameters.map(|p| p.values.iter().map(|&value| f64::from(value)).collect()).collect()
}

/// The value at `(y, x)` of one output, or what one input gets from one output, for maps
/// `(height, width, channels)`.
fn taps<'a>(
    shape: &'a Convolution,
    (y, x): (usize, usize),
) -> impl Iterator<Item = (usize, usize)> + 'a {
    let reach = shape.kernel as isize / 2;
    let places = (-reach..=reach).flat_map(move |dy| (-reach..=reach).map(move |dx| (dy, dx)));
    places.enumerate().flat_map(move |(tap, (dy, dx))| {
        let (row, column) = (y as isize + dy, x as isize + dx);
        let inside = (0..shape.height as isize).contains(&row)
            && (0..shape.width as isize).contains(&column);
        let at = (row * shape.width as isize + column) as usize;
        let channels = if inside { shape.inputs } else { 0 };
        (0..channels).map(move |c| (tap * shape.inputs + c, at * shape.inputs + c))
    })
}

/// The rectified maps of a layer, `(height, width, outputs)`.
fn layer(shape: &Convolution, input: &[f64], filters: &[f64], bias: &[f64]) -> Vec<f64> {
    let mut out = Vec::new();
    for place in 0..shape.places() {
        for (filter, bias) in filters.chunks_exact(shape.taps()).zip(bias) {
            let at = (place / shape.width, place % shape.width);
            let sum: f64 = taps(shape, at).map(|(tap, value)| filter[tap] * input[value]).sum();
            out.push((sum + bias).max(0.0));
        }
    }
    out
}

/// The mean of `½ |x - x̂|²` over the samples, by its definition.
fn loss(plan: &settings::Plan, weights: &Weights, samples: &[Vec<f64>], count: usize) -> f64 {
    let winners: Vec<Vec<(f64, usize)>> = samples
        .iter()
        .map(|sample| {
            let mut maps = sample.clone();
            for (number, shape) in plan.layers.iter().enumerate() {
                maps = layer(shape, &maps, &weights[2 * number], &weights[2 * number + 1]);
            }
            let best = |map: usize| {
                let values = maps.iter().skip(map).step_by(plan.maps).copied().enumerate();
                values.fold(
                    (0.0, 0),
                    |best, (place, value)| if value > best.0 { (value, place) } else { best },
                )
            };
            (0..plan.maps).map(best).collect()
        })
        .collect();
    let filters = weights.last().unwrap();
    let mut total = 0.0;
    for (number, sample) in samples.iter().enumerate() {
        let mut error: Vec<f64> = sample.iter().map(|value| -value).collect();
        for map in 0..plan.maps {
            let (value, place) = winners[number][map];
            let rank = winners.iter().enumerate().filter(|(other, sample)| {
                sample[map].0 > value || (sample[map].0 == value && *other < number)
            });
            if rank.count() < count {
                let filter = &filters[map * plan.decoder.taps()..];
                let at = (place / plan.decoder.width, place % plan.decoder.width);
                taps(&plan.decoder, at).for_each(|(tap, to)| error[to] += value * filter[tap]);
            }
        }
        total += error.iter().map(|error| error * error).sum::<f64>() / 2.0;
    }
    total / samples.len() as f64
}

/// The slopes that a step follows are the differences of the loss by its definition, and its loss is
/// that loss, for one layer and for three, with and without lifetime sparsity.
#[test]
fn slopes_are_differences_of_the_definition() {
    let values = images();
    let rows = Rows::new(&values, 60).unwrap();
    let inputs = Inputs { rows, image: Some(IMAGE), classes: 0 };
    for (channels, percent, count) in [("4", "100", 11), ("4", "30", 3), ("3-4-5", "40", 4)] {
        let mut model = ConvWta::new(settings(channels, percent), inputs).unwrap();
        // Some steps, so that the decoder says something.
        for _ in 0..30 {
            model.learn(rows, None).unwrap();
        }
        let mut dense = Vec::new();
        let samples: Vec<Vec<f64>> = rows
            .iter()
            .map(|row| {
                model.dense_of(row, &mut dense);
                dense.iter().map(|&value| f64::from(value)).collect()
            })
            .collect();
        let (gradients, squares) = model.slopes_of(rows);
        let (plan, mut weights) = (model.stages[0].plan.clone(), weights(&model.stages[0]));
        let here = loss(&plan, &weights, &samples, count);
        let told = squares / (2 * SAMPLES) as f64;
        assert!((told - here).abs() < 1e-5 * here, "{told} for {here}");
        let mut moved = 0;
        for (number, gradient) in gradients.iter().enumerate() {
            for (place, &slope) in gradient.iter().enumerate() {
                let middle = weights[number][place];
                let mut at = |value| {
                    weights[number][place] = value;
                    loss(&plan, &weights, &samples, count)
                };
                let difference = (at(middle + 1e-6) - at(middle - 1e-6)) / 2e-6;
                at(middle);
                let near = (difference - f64::from(slope)).abs() < 1e-4 + 1e-3 * difference.abs();
                assert!(near, "{channels}, {number}[{place}]: {slope} for {difference}");
                moved += usize::from(difference.abs() > 1e-3);
            }
        }
        assert!(moved > 100, "{moved} weights matter");
    }
}

/// A map that is largest at two places wins at the first, and a map that is nowhere above 0 nowhere.
#[test]
fn ties_go_to_the_first_place() {
    let values = images();
    let inputs = Inputs { rows: Rows::new(&values, 60).unwrap(), image: Some(IMAGE), classes: 0 };
    let model = ConvWta::new(settings("2", "100"), inputs).unwrap();
    let stage = &model.stages[0];
    let shape = stage.plan.layers[0];
    let mut outputs = vec![9.0; shape.output_len()];
    for y in 0..5 {
        let row = &mut outputs[shape.output_row(y)];
        for (x, values) in row.chunks_exact_mut(2).enumerate() {
            let value = if [(1, 4), (3, 0)].contains(&(y, x)) { 2.0 } else { 1.0 };
            values.copy_from_slice(&[value, -value]);
        }
    }
    let (mut best, mut places) = (Vec::new(), Vec::new());
    stage.winners(&outputs, &mut best, &mut places);
    assert_eq!((best, places), (vec![2.0, 0.0], vec![10, 0]));
}

/// What one unit finds in an image is its share in what it shows: the way up is the adjoint of the way
/// down, through both stages.
#[test]
fn finding_is_the_adjoint_of_showing() {
    let values = images();
    let inputs = Inputs { rows: Rows::new(&values, 60).unwrap(), image: Some(IMAGE), classes: 0 };
    let model = ConvWta::new(settings("3/4", "100"), inputs).unwrap();
    let units: Vec<u32> = (0..model.units() as u32).collect();
    let (mut shown, mut found) = (Vec::new(), Vec::new());
    for row in inputs.rows.iter().take(2) {
        let mut dense = row.to_vec();
        model.ascend(&mut dense, &units, &mut found);
        for (&unit, found) in units.iter().zip(&found) {
            model.descend(&[unit], |_| 1.0, &mut shown);
            let share: f32 = shown.iter().zip(row).map(|(shown, value)| shown * value).sum();
            assert!((share - found).abs() < 1e-5, "unit {unit}: {found} for {share}");
        }
    }
    assert!(found.iter().any(|found| found.abs() > 1e-4));
}
