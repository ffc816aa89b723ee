//! An attack that needs the classifier's answers only.

use rayon::prelude::*;

use super::Target;
use crate::encoder::Classify;
use crate::error::Result;
use crate::rows::Rows;

/// How near a search comes to the edge along a ray, as a share of the range.
const TOLERANCE: f32 = 1e-3;

/// How far each input is from being misread, along the best ray that was found.
///
/// A ray adds the same amount to some values and takes it from all others, clamped to the range. The search flips
/// the signs of ever smaller blocks of values; where the change as large as that of the best ray so far is
/// misread, the edge along the new ray is found by bisection and it becomes the best.
///
/// Source: Chen and Gu, "RayS: a ray searching method for hard-label adversarial attack", 2020.
#[derive(Clone, Debug, PartialEq)]
pub struct Rays {
    /// The change of each input that makes it misread, as large as its largest value: 0 for those that are misread as
    /// they are, infinity where nothing was found.
    pub distances: Vec<f32>,
    rays: Vec<Ray>,
}

/// The search about one input.
#[derive(Clone, Debug, PartialEq)]
struct Ray {
    /// Whether the value is raised, `(width,)`.
    up: Vec<bool>,
    /// The nearest change along `up` that is known to be misread.
    distance: f32,
    /// The values that are flipped in the question that is open.
    flipped: (usize, usize),
    /// The next block of `1 << stage`.
    stage: u32,
    block: usize,
    /// Where the bisection along the flipped ray has come to; `None` before the first answer.
    between: Option<(f32, f32)>,
}

impl Rays {
    /// Asks `model` up to `queries` times about each of `target`'s rows, no more about those that a change of
    /// `enough` makes it misread. Cost: that many passes forward.
    ///
    /// # Errors
    /// If the rows don't fit the model.
    pub fn search(
        model: &dyn Classify,
        target: &Target<'_>,
        queries: usize,
        enough: f32,
    ) -> Result<Self> {
        target.check()?;
        let (width, span) = (target.rows.width(), target.range.1 - target.range.0);
        let read = model.classify(target.rows)?;
        let mut rays: Vec<Ray> = read
            .iter()
            .zip(target.labels)
            .map(|(read, label)| Ray::new(width, if read == label { f32::INFINITY } else { 0.0 }))
            .collect();
        let (mut left, mut asked): (Vec<usize>, Vec<f32>) = ((0..rays.len()).collect(), Vec::new());
        for _ in 0..queries {
            left.retain(|&row| rays[row].distance > enough);
            asked.resize(left.len() * width, 0.0);
            let questions = asked.par_chunks_exact_mut(width).zip(&left);
            questions.for_each(|(to, &row)| {
                let (from, distance) = (target.rows.row(row), rays[row].asks(span));
                rays[row].go(target, (from, distance), rays[row].flipped, to);
            });
            let read = model.classify(Rows::new(&asked, width)?)?;
            for (&row, read) in left.iter().zip(read) {
                rays[row].take(read != target.labels[row], span);
            }
        }
        Ok(Self { distances: rays.iter().map(|ray| ray.distance).collect(), rays })
    }

    /// The share of the inputs for which no change up to `epsilon` was found.
    pub fn accuracy(&self, epsilon: f64) -> f64 {
        let right = self.distances.iter().filter(|distance| f64::from(**distance) > epsilon);
        right.count() as f64 / self.distances.len().max(1) as f64
    }

    /// The inputs of the search, changed where up to `epsilon` is enough: `(len, width)`.
    ///
    /// # Panics
    /// If `target` has others rows than that of the search.
    pub fn examples(&self, target: &Target<'_>, epsilon: f64) -> Vec<f32> {
        assert_eq!(target.rows.len(), self.rays.len(), "the rows of the search");
        let mut values = target.rows.values().to_vec();
        let rows = values.chunks_exact_mut(target.rows.width()).zip(&self.rays);
        for (row, (to, ray)) in rows.enumerate() {
            if ray.distance > 0.0 && f64::from(ray.distance) <= epsilon {
                ray.go(target, (target.rows.row(row), ray.distance), (0, 0), to);
            }
        }
        values
    }
}

impl Ray {
    fn new(width: usize, distance: f32) -> Self {
        let (flipped, stage, block, between) = ((0, 0), 0, 0, None);
        Self { up: vec![false; width], distance, flipped, stage, block, between }
    }

    /// How far along the flipped ray the classifier is to be asked: as far as the best one reaches, the
    /// whole range where there is none yet.
    fn asks(&self, span: f32) -> f32 {
        match self.between {
            None => self.distance.min(span),
            Some((low, high)) => 0.5 * (low + high),
        }
    }

    /// Writes `from`, changed by `distance` along the ray with its values from `flipped.0` to `flipped.1` flipped.
    fn go(
        &self,
        target: &Target<'_>,
        (from, distance): (&[f32], f32),
        flipped: (usize, usize),
        to: &mut [f32],
    ) {
        for (place, (to, &from)) in to.iter_mut().zip(from).enumerate() {
            let (low, high) = target.bounds(from, distance);
            let up = self.up[place] != (flipped.0..flipped.1).contains(&place);
            *to = if up { high } else { low };
        }
    }

    /// Takes the answer to the question that is open, and makes up the next.
    fn take(&mut self, misread: bool, span: f32) {
        let asked = self.asks(span);
        let (low, high) = match (self.between, misread) {
            (None, false) => return self.flip_next(),
            (None, true) => (0.0, asked),
            (Some((low, _)), true) => (low, asked),
            (Some((_, high)), false) => (asked, high),
        };
        if high - low > TOLERANCE * span {
            self.between = Some((low, high));
            return;
        }
        self.distance = high;
        self.up[self.flipped.0..self.flipped.1].iter_mut().for_each(|up| *up = !*up);
        self.flip_next();
    }

    /// Turns to the next block; after the smallest ones the largest come again.
    fn flip_next(&mut self) {
        let width = self.up.len();
        let blocks = 1usize << self.stage;
        let size = width.div_ceil(blocks);
        let start = (self.block * size).min(width);
        self.flipped = (start, (start + size).min(width));
        self.between = None;
        self.block += 1;
        if self.block * size >= width {
            self.block = 0;
            self.stage = if size == 1 { 0 } else { self.stage + 1 };
        }
    }
}
