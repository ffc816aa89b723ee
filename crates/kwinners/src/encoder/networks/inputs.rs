//! From rows to the maps that a network takes: layout, and noise while learning.

use super::InputNoise;
use crate::encoder::State;
use crate::error::{Error, Result};
use crate::kernel::vectors::hash;
use crate::net::MapShape;
use crate::rng::Rng;
use crate::rows::{ImageShape, Rows};

/// Values this near to that of `s2` noise are not learned from, as a share of the range.
const KEPT_AWAY: f32 = 0.05;

/// What the training values are like.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::encoder) struct Range {
    low: f32,
    high: f32,
    /// Mean and two standard deviations: the value of `s2` noise.
    bright: f32,
}

impl Range {
    pub(in crate::encoder) fn of(rows: Rows<'_>) -> Self {
        let values = rows.values();
        if values.is_empty() {
            return Self { low: 0.0, high: 0.0, bright: 0.0 };
        }
        let (mut low, mut high) = (values[0], values[0]);
        let (mut sum, mut squares) = (0.0f64, 0.0f64);
        for &value in values {
            (low, high) = (low.min(value), high.max(value));
            sum += f64::from(value);
            squares += f64::from(value).powi(2);
        }
        let mean = sum / values.len() as f64;
        let deviation = (squares / values.len() as f64 - mean * mean).max(0.0).sqrt();
        Self { low, high, bright: (mean + 2.0 * deviation) as f32 }
    }

    pub(in crate::encoder) fn push_to(self, state: &mut State) {
        state.push("low", self.low);
        state.push("high", self.high);
        state.push("bright", self.bright);
    }

    pub(in crate::encoder) fn take_from(state: &mut State) -> Result<Self> {
        let range = Self {
            low: state.take("low")?,
            high: state.take("high")?,
            bright: state.take("bright")?,
        };
        let finite = [range.low, range.high, range.bright].iter().all(|value| value.is_finite());
        match finite && range.low <= range.high {
            true => Ok(range),
            false => {
                Err(Error::shape("range of inputs", "finite, increasing", format!("{range:?}")))
            }
        }
    }

    /// A value of the range, away from that of the test's noise.
    fn draw(self, rng: &mut Rng) -> f32 {
        loop {
            let value = rng.between(self.low, self.high);
            let near = (value - self.bright).abs() < KEPT_AWAY * (self.high - self.low);
            if !near || self.high <= self.low {
                return value;
            }
        }
    }
}

impl InputNoise {
    /// Adds noise of up to `level` to a `row` of inputs that are like `range`.
    pub(in crate::encoder) fn add(
        self,
        level: f32,
        range: Range,
        (row, rng): (&mut [f32], &mut Rng),
    ) {
        let level = match self {
            Self::None => return,
            _ => rng.between(0.0, level),
        };
        let count = (row.len() as f32 * level) as usize;
        match self {
            Self::None => {}
            Self::RandomValue => {
                let value = range.draw(rng);
                for_some(row, count, rng, |_| value);
            }
            Self::RandomValues => for_some(row, count, rng, |rng| range.draw(rng)),
            Self::Waveform => {
                for value in row {
                    *value = (1.0 - level) * *value + level * rng.between(-1.0, 1.0);
                }
            }
            Self::Gaussian => {
                let deviation = level * (range.high - range.low);
                for value in row {
                    let noisy = *value + deviation * rng.normal();
                    *value = noisy.clamp(range.low, range.high);
                }
            }
        }
    }
}

/// Images as maps, other inputs as one place.
pub(in crate::encoder) fn shape_of(width: usize, image: Option<ImageShape>) -> MapShape {
    image.map_or(MapShape::flat(width), |image| MapShape {
        height: image.height,
        width: image.width,
        channels: image.channels,
    })
}

/// Lays the channels of an image side by side.
pub(in crate::encoder) fn lay_out(row: &mut [f32], shape: MapShape, buffer: &mut Vec<f32>) {
    if shape.places() == 1 || shape.channels == 1 {
        return;
    }
    buffer.clear();
    buffer.extend_from_slice(row);
    for (channel, plane) in buffer.chunks_exact(shape.places()).enumerate() {
        for (place, value) in plane.iter().enumerate() {
            row[place * shape.channels + channel] = *value;
        }
    }
}

/// The values of a map in the order that a row has them: [`lay_out`] taken back.
pub(in crate::encoder) fn in_planes(map: &[f32], shape: MapShape) -> impl Iterator<Item = f32> {
    (0..shape.size())
        .map(move |place| place % shape.places() * shape.channels + place / shape.places())
        .map(|place| map[place])
}

/// Sets `count` different values of `row` to what `value` draws. Places come from a hash of one draw, walked
/// over as a permutation: cheaper than shuffling.
fn for_some(row: &mut [f32], count: usize, rng: &mut Rng, value: impl Fn(&mut Rng) -> f32) {
    let key = rng.next_u64() as u32;
    let mut order: Vec<(u32, u32)> =
        (0..row.len() as u32).map(|place| (hash(place, key), place)).collect();
    if count > 0 && count < order.len() {
        order.select_nth_unstable(count);
    }
    // In the order of the places, so that what is drawn for each does not hang on the selection.
    let mut chosen: Vec<u32> = order[..count].iter().map(|(_, place)| *place).collect();
    chosen.sort_unstable();
    chosen.into_iter().for_each(|place| row[place as usize] = value(rng));
}

/// How images are moved while learning.
#[derive(Clone, Copy, Debug)]
pub(in crate::encoder) struct Moves {
    /// Pixels each way, at most.
    pub(in crate::encoder) shift: usize,
    /// Whether every other image is mirrored, left to right.
    pub(in crate::encoder) mirror: bool,
}

impl Moves {
    /// Refuses to move what is not an image.
    pub(in crate::encoder) fn check(self, image: Option<ImageShape>) -> Result<()> {
        let nothing = "nothing, as the inputs are not images";
        match image {
            None if self.shift > 0 => Err(Error::setting("shift", nothing, self.shift)),
            None if self.mirror => Err(Error::setting("mirror", nothing, self.mirror)),
            _ => Ok(()),
        }
    }

    /// Moves `row`, if it is an `image`, into `to`.
    pub(in crate::encoder) fn apply(
        self,
        row: &[f32],
        image: Option<ImageShape>,
        (rng, to): (&mut Rng, &mut [f32]),
    ) {
        match image.filter(|_| self.shift > 0) {
            Some(image) => shift(row, image, self.shift, (rng, &mut *to)),
            None => to.copy_from_slice(row),
        }
        if let Some(image) = image.filter(|_| self.mirror)
            && rng.below(2) == 1
        {
            to.chunks_exact_mut(image.width).for_each(<[f32]>::reverse);
        }
    }
}

/// Moves an image by up to `most` pixels each way; what comes in from outside is 0.
fn shift(row: &[f32], image: ImageShape, most: usize, (rng, to): (&mut Rng, &mut [f32])) {
    let by = |rng: &mut Rng| rng.below(2 * most + 1) as isize - most as isize;
    let (down, right) = (by(rng), by(rng));
    let ImageShape { width, height, .. } = image;
    let from =
        |at: usize, by: isize, end: usize| at.checked_add_signed(-by).filter(|from| *from < end);
    for (plane, to) in row.chunks_exact(width * height).zip(to.chunks_exact_mut(width * height)) {
        for (y, to) in to.chunks_exact_mut(width).enumerate() {
            for (x, to) in to.iter_mut().enumerate() {
                let pixel = from(y, down, height).zip(from(x, right, width));
                *to = pixel.map_or(0.0, |(y, x)| plane[y * width + x]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Half of the images are mirrored, line by line and channel by channel, the others are as they were.
    #[test]
    fn every_other_image_is_mirrored() {
        let image = ImageShape { channels: 2, height: 1, width: 3 };
        let (row, mut rng) = ([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], Rng::new(3));
        let mut to = [0.0; 6];
        let mirrored = (0..1000).filter(|_| {
            Moves { shift: 0, mirror: true }.apply(&row, Some(image), (&mut rng, &mut to));
            assert!(to == row || to == [3.0, 2.0, 1.0, 6.0, 5.0, 4.0], "{to:?}");
            to != row
        });
        assert!((450..550).contains(&mirrored.count()));
    }

    #[test]
    fn what_is_no_image_is_not_moved() {
        let moves = |shift, mirror| Moves { shift, mirror };
        assert!(moves(1, false).check(None).is_err());
        assert!(moves(0, true).check(None).is_err());
        assert!(moves(0, false).check(None).is_ok());
        let image = ImageShape { channels: 1, height: 2, width: 2 };
        assert!(moves(1, true).check(Some(image)).is_ok());
    }
}
