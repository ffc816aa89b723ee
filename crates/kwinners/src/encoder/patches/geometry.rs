//! Where patches lie in an image, and which regions they are pooled in.

use crate::error::{Error, Result};
use crate::rows::ImageShape;

/// The square patches of one size in an image, and the regions that their places belong to.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Geometry {
    image: ImageShape,
    /// Pixels from one edge of a patch to the other.
    side: usize,
    /// Pixels from one patch to the next.
    stride: usize,
    /// Top rows and left columns of all patches.
    tops: usize,
    lefts: usize,
    /// For each top row, or left column, the regions along that direction that it belongs to.
    regions_of_top: Vec<Vec<usize>>,
    regions_of_left: Vec<Vec<usize>>,
    grid: usize,
}

impl Geometry {
    /// Patches of `side` every `stride` pixels of `image`, pooled in `grid · grid` regions, each of
    /// which reaches `overlap` (a share of its own side) over into its neighbours.
    pub(super) fn new(
        image: ImageShape,
        (side, stride): (usize, usize),
        (grid, overlap): (usize, f32),
    ) -> Result<Self> {
        if side == 0 || side > image.width.min(image.height) {
            let expected = format!("1 to {} pixels", image.width.min(image.height));
            return Err(Error::setting("patch", expected, side));
        }
        if stride == 0 {
            return Err(Error::setting("stride", "at least 1 pixel", 0));
        }
        let tops = (image.height - side) / stride + 1;
        let lefts = (image.width - side) / stride + 1;
        if grid == 0 || grid > tops.min(lefts) {
            let expected = format!("1 to {} regions a side", tops.min(lefts));
            return Err(Error::setting("grid", expected, grid));
        }
        let regions = |places| regions_of(places, grid, overlap);
        Ok(Self {
            regions_of_top: regions(tops),
            regions_of_left: regions(lefts),
            image,
            side,
            stride,
            tops,
            lefts,
            grid,
        })
    }

    /// Values of a patch, all channels.
    pub(super) fn patch_len(&self) -> usize {
        self.side * self.side * self.image.channels
    }

    /// Patches of an image.
    pub(super) fn places(&self) -> usize {
        self.tops * self.lefts
    }

    /// The regions that patch `place` is pooled in.
    pub(super) fn regions_at(&self, place: usize) -> impl Iterator<Item = usize> + '_ {
        let (top, left) = (place / self.lefts, place % self.lefts);
        self.regions_of_top[top].iter().flat_map(move |row| {
            self.regions_of_left[left].iter().map(move |column| row * self.grid + column)
        })
    }

    /// Copies patch `place` of `row`, an image, to `out`, `(patch_len,)`, channel by channel.
    pub(super) fn copy(&self, row: &[f32], place: usize, out: &mut [f32]) {
        let (top, left) = (place / self.lefts * self.stride, place % self.lefts * self.stride);
        for (line, out) in out.chunks_exact_mut(self.side).enumerate() {
            let (channel, down) = (line / self.side, line % self.side);
            let start = (channel * self.image.height + top + down) * self.image.width + left;
            out.copy_from_slice(&row[start..start + self.side]);
        }
    }

    /// An image, `(channels · height · width,)`, of `patch` in the middle of `region`, 0 elsewhere.
    pub(super) fn placed(&self, patch: &[f32], region: usize) -> Vec<f32> {
        let middle = |regions: &[Vec<usize>], region| {
            let inside: Vec<usize> =
                (0..regions.len()).filter(|&place| regions[place].contains(&region)).collect();
            (inside[0] + inside[inside.len() - 1]) / 2 * self.stride
        };
        let top = middle(&self.regions_of_top, region / self.grid);
        let left = middle(&self.regions_of_left, region % self.grid);
        let image = self.image;
        let mut out = vec![0.0; image.channels * image.height * image.width];
        for (line, values) in patch.chunks_exact(self.side).enumerate() {
            let (channel, down) = (line / self.side, line % self.side);
            let start = (channel * image.height + top + down) * image.width + left;
            out[start..start + self.side].copy_from_slice(values);
        }
        out
    }
}

/// For each of `places` along one direction the regions, of `grid`, that it belongs to: even
/// stretches of the direction, drawn out by `overlap` of their length, half to each side.
fn regions_of(places: usize, grid: usize, overlap: f32) -> Vec<Vec<usize>> {
    let length = places as f32 / grid as f32;
    let reach = length * overlap / 2.0;
    let covers = |region: usize, place: usize| {
        let middle = place as f32 + 0.5;
        let start = region as f32 * length;
        middle > start - reach && middle <= start + length + reach
    };
    (0..places).map(|place| (0..grid).filter(|&region| covers(region, place)).collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const IMAGE: ImageShape = ImageShape { width: 6, height: 5, channels: 2 };

    #[test]
    fn every_place_has_a_region_and_copies_its_pixels() {
        let row: Vec<f32> = (0..60).map(|value| value as f32).collect();
        for (side, stride, grid, overlap) in [(2, 1, 2, 0.0), (3, 1, 3, 0.5), (2, 2, 2, 1.0)] {
            let geometry = Geometry::new(IMAGE, (side, stride), (grid, overlap)).unwrap();
            let mut patch = vec![0.0; geometry.patch_len()];
            for place in 0..geometry.places() {
                let regions: Vec<usize> = geometry.regions_at(place).collect();
                assert!(!regions.is_empty() && regions.iter().all(|&r| r < grid * grid));
                geometry.copy(&row, place, &mut patch);
                assert_eq!(patch[1], patch[0] + 1.0);
                assert_eq!(patch[side], patch[0] + 6.0);
                assert_eq!(patch[side * side], patch[0] + 30.0, "the second channel");
            }
            for region in 0..grid * grid {
                let placed = geometry.placed(&vec![1.0; geometry.patch_len()], region);
                assert_eq!(placed.iter().sum::<f32>(), (2 * side * side) as f32);
            }
        }
    }

    #[test]
    fn sizes_that_do_not_fit_are_refused() {
        for (side, stride, grid) in [(0, 1, 1), (6, 1, 1), (3, 0, 1), (3, 1, 4), (3, 1, 0)] {
            assert!(Geometry::new(IMAGE, (side, stride), (grid, 0.0)).is_err());
        }
    }
}
