//! Which part of an image an answer hangs on: the smallest mask that takes it away.

use crate::encoder::{Classify, Embedder};
use crate::error::{Error, Result};
use crate::net::{Optimiser, Parameter};
use crate::rng::Rng;
use crate::rows::{ImageShape, Rows};

/// Places of a side of the mask, before it is spread over the image.
const SIDE: usize = 10;

/// Steps of Adam, and their rate.
const STEPS: u64 = 100;
const RATE: f32 = 0.1;

/// Weights of the share that is masked and of how ragged the mask is.
const AREA: f32 = 0.01;
const RAGGED: f32 = 0.2;

/// Deviation of the noise on what is shown, so that no mask lives by single pixels.
const NOISE: f32 = 0.2;

/// What an answer hangs on.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Saliency {
    /// 1 where a pixel stays as it is, 0 where it is blurred: `(height, width)`.
    pub mask: Vec<f32>,
    /// The image under the mask, `(width of a row,)`.
    pub masked: Vec<f32>,
    /// The probability of the class, or how surely the unit is on, for the image as it is.
    pub before: f64,
    /// The same under the mask.
    pub after: f64,
    /// The loss before each step.
    pub losses: Vec<f64>,
}

/// The mask that takes `class` out of an image with as little as possible blurred.
///
/// A mask of 10 x 10 begins at 1, is spread over the image by bilinear interpolation, and follows for 100
/// steps of Adam the slope of `0.01 · mean |1 - m| + 0.2 · (mean step from place to place) + p(class)`,
/// `p` for the image `m x + (1 - m) blur(x)` under normal noise of deviation 0.2, for values about 0 to 1.
/// Cost: 100 passes forward and back.
///
/// Source: Fong and Vedaldi, "Interpretable explanations of black boxes by meaningful perturbation", 2017, as
/// pytorch-mighty has it.
///
/// # Errors
/// If the image does not fit the model, or the model has no slopes by its inputs.
pub fn saliency(
    model: &dyn Classify,
    image: &[f32],
    shape: ImageShape,
    class: u32,
) -> Result<Saliency> {
    shape.check(image.len())?;
    if class as usize >= model.classes() {
        return Err(Error::shape("class", format!("below {}", model.classes()), class));
    }
    masked(image, shape, &|row| chance_and_slopes(model, row, class))
}

/// The mask that takes `unit` out of the code of an image with as little as possible blurred: as [`saliency`], with how
/// surely the unit is on, [`Embedder::membership`], in the place of the probability of a class.
///
/// Source: the masks of embedding neurons of EmbedderSDR.
///
/// # Errors
/// If the image does not fit the model, or there is no such unit.
pub fn unit_saliency(
    model: &Embedder,
    image: &[f32],
    shape: ImageShape,
    unit: u32,
) -> Result<Saliency> {
    shape.check(image.len())?;
    masked(image, shape, &|row| model.membership(row, unit))
}

/// A share, and its slopes by the values of a row.
type Answer = (f64, Vec<f32>);

/// The mask that lowers `answer`, a share with its slopes by the values of a row, by as little as possible blurred.
fn masked(
    image: &[f32],
    shape: ImageShape,
    answer: &dyn Fn(&[f32]) -> Result<Answer>,
) -> Result<Saliency> {
    let blurred = blur(image, shape);
    let mut rng = Rng::new(0);
    let mut grid = Parameter::new(vec![1.0; SIDE * SIDE], &Optimiser::ADAM);
    let mut losses = Vec::new();
    for step in 1..=STEPS {
        let mask = spread(&grid.values, shape);
        let mut shown = under(&mask, image, &blurred);
        shown.iter_mut().for_each(|value| *value += NOISE * rng.normal());
        let (chance, slopes) = answer(&shown)?;
        let of_mask = |place: usize| -> f32 {
            let planes = (place..image.len()).step_by(mask.len());
            planes.map(|place| slopes[place] * (image[place] - blurred[place])).sum()
        };
        let mut slopes = gathered(&(0..mask.len()).map(of_mask).collect::<Vec<f32>>(), shape);
        let penalty = add_penalties(&grid.values, &mut slopes);
        losses.push(chance + f64::from(penalty));
        grid.step(&Optimiser::ADAM, RATE, step, &slopes);
        grid.values.iter_mut().for_each(|value| *value = value.clamp(0.0, 1.0));
    }
    let mask = spread(&grid.values, shape);
    let masked = under(&mask, image, &blurred);
    let (before, _) = answer(image)?;
    let (after, _) = answer(&masked)?;
    Ok(Saliency { mask, masked, before, after, losses })
}

/// `softmax(scores)[class]`, and its slopes by the inputs.
fn chance_and_slopes(model: &dyn Classify, row: &[f32], class: u32) -> Result<(f64, Vec<f32>)> {
    let row = Rows::new(row, row.len())?;
    let mut chances = model.scores(row)?;
    softmax(&mut chances);
    let slopes = model.input_slopes(row, &|_, scores| {
        softmax(scores);
        let chance = scores[class as usize];
        for (place, score) in scores.iter_mut().enumerate() {
            *score = chance * (f32::from(place == class as usize) - *score);
        }
    })?;
    Ok((f64::from(chances[class as usize]), slopes))
}

fn softmax(scores: &mut [f32]) {
    let most = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    scores.iter_mut().for_each(|score| *score = (*score - most).exp());
    let sum: f32 = scores.iter().sum();
    scores.iter_mut().for_each(|score| *score /= sum);
}

/// The masked share and the raggedness of a grid; their slopes are added to `slopes`.
fn add_penalties(grid: &[f32], slopes: &mut [f32]) -> f32 {
    let share = AREA / grid.len() as f32;
    let steps = RAGGED / (SIDE * (SIDE - 1)) as f32;
    let mut penalty = 0.0;
    for place in 0..grid.len() {
        penalty += share * (1.0 - grid[place]).abs();
        slopes[place] -= share * (1.0 - grid[place]).signum();
        let right = (place % SIDE + 1 < SIDE).then_some(place + 1);
        let below = (place / SIDE + 1 < SIDE).then_some(place + SIDE);
        for other in [right, below].into_iter().flatten() {
            let step = grid[other] - grid[place];
            penalty += steps * step.abs();
            let slope = if step == 0.0 { 0.0 } else { steps * step.signum() };
            slopes[other] += slope;
            slopes[place] -= slope;
        }
    }
    penalty
}

/// `m x + (1 - m) blur(x)`, the mask the same for all planes.
fn under(mask: &[f32], image: &[f32], blurred: &[f32]) -> Vec<f32> {
    let values = image.iter().zip(blurred).zip(mask.iter().cycle());
    values.map(|((value, blurred), mask)| mask * value + (1.0 - mask) * blurred).collect()
}

/// For each pixel the four places of the grid that it lies between, and their shares.
fn corners(shape: ImageShape) -> impl Iterator<Item = [(usize, f32); 4]> {
    let along = |pixel: usize, side: usize| {
        let place = (pixel as f32 + 0.5) * SIDE as f32 / side as f32 - 0.5;
        let place = place.clamp(0.0, (SIDE - 1) as f32);
        let low = (place as usize).min(SIDE - 2);
        (low, place - low as f32)
    };
    (0..shape.height * shape.width).map(move |pixel| {
        let (y, down) = along(pixel / shape.width, shape.height);
        let (x, right) = along(pixel % shape.width, shape.width);
        let place = y * SIDE + x;
        [
            (place, (1.0 - down) * (1.0 - right)),
            (place + 1, (1.0 - down) * right),
            (place + SIDE, down * (1.0 - right)),
            (place + SIDE + 1, down * right),
        ]
    })
}

fn spread(grid: &[f32], shape: ImageShape) -> Vec<f32> {
    corners(shape).map(|at| at.iter().map(|(place, share)| share * grid[*place]).sum()).collect()
}

/// The transpose of [`spread`].
fn gathered(slopes: &[f32], shape: ImageShape) -> Vec<f32> {
    let mut grid = vec![0.0; SIDE * SIDE];
    for (corners, slope) in corners(shape).zip(slopes) {
        corners.iter().for_each(|(place, share)| grid[*place] += share * slope);
    }
    grid
}

/// Each plane under a Gaussian of `2 ⌊√height / 2⌋ + 1` pixels a side and twice that deviation, mirrored at
/// the edges.
fn blur(image: &[f32], shape: ImageShape) -> Vec<f32> {
    let half = ((shape.height as f64).sqrt() / 2.0) as isize;
    let deviation = 2.0 * (2 * half + 1) as f32;
    let weight = |off: isize| (-0.5 * (off as f32 / deviation).powi(2)).exp();
    let sum: f32 = (-half..=half).map(weight).sum();
    let pass = |values: &[f32], (count, step): (usize, usize)| -> Vec<f32> {
        let at = |place: usize| {
            let along = (place / step % count) as isize;
            let near = |off: isize| {
                let mirrored = mirrored(along + off, count);
                values[place - along as usize * step + mirrored * step]
            };
            (-half..=half).map(|off| weight(off) / sum * near(off)).sum()
        };
        (0..values.len()).map(at).collect()
    };
    pass(&pass(image, (shape.width, 1)), (shape.height, shape.width))
}

/// A place beyond an end of `0..count`, mirrored at that end; `count` itself is no mirror image of 0.
fn mirrored(place: isize, count: usize) -> usize {
    let last = count as isize - 1;
    let place = place.abs();
    let place = if place > last { 2 * last - place } else { place };
    place.clamp(0, last) as usize
}
