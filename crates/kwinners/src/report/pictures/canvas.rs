//! A picture and what can be drawn on it.

use std::path::Path;

use super::colour::{BACKGROUND, Rgb};
use super::font::{GLYPH_HEIGHT, GLYPH_WIDTH, glyph};
use crate::error::{Error, Result};

/// A finished raster: `(height, width, 3)` bytes, red, green and blue, row after row from the top.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Pixels from left to right.
    pub width: usize,
    /// Pixels from top to bottom.
    pub height: usize,
    /// `3 * width * height` bytes.
    pub rgb: Vec<u8>,
}

/// A corner of something on a picture, in pixels from the top left.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) x: usize,
    pub(super) y: usize,
}

impl Place {
    pub(super) fn new(x: usize, y: usize) -> Self {
        Self { x, y }
    }
}

impl Picture {
    /// An empty picture of the background's colour.
    pub(super) fn blank(width: usize, height: usize) -> Self {
        Self { width, height, rgb: BACKGROUND.repeat(width * height) }
    }

    /// Writes the picture as PNG and replaces a file that is there.
    ///
    /// # Errors
    /// [`Error::Io`] if the file can't be written, or the picture is too large for PNG.
    pub fn save_png(&self, path: &Path) -> Result<()> {
        let refuse = |source| Error::Io { path: path.to_owned(), source };
        let side = |pixels: usize| u32::try_from(pixels).map_err(std::io::Error::other);
        let (width, height) =
            (side(self.width).map_err(refuse)?, side(self.height).map_err(refuse)?);
        let (colour, format) = (image::ExtendedColorType::Rgb8, image::ImageFormat::Png);
        image::save_buffer_with_format(path, &self.rgb, width, height, colour, format).map_err(
            |error| match error {
                image::ImageError::IoError(source) => refuse(source),
                other => refuse(std::io::Error::other(other)),
            },
        )
    }

    /// Fills `width` x `height` pixels from `place`; what lies outside the picture is left out.
    pub(super) fn fill(&mut self, place: Place, width: usize, height: usize, colour: Rgb) {
        let right = (place.x + width).min(self.width);
        for y in place.y..(place.y + height).min(self.height) {
            for x in place.x..right {
                self.rgb[3 * (y * self.width + x)..][..3].copy_from_slice(&colour);
            }
        }
    }

    /// Copies `other` to `place`; what lies outside the picture is left out.
    pub(super) fn paste(&mut self, place: Place, other: &Self) {
        let width = other.width.min(self.width.saturating_sub(place.x));
        for y in 0..other.height.min(self.height.saturating_sub(place.y)) {
            let from = &other.rgb[3 * y * other.width..][..3 * width];
            let start = 3 * ((place.y + y) * self.width + place.x);
            self.rgb[start..start + from.len()].copy_from_slice(from);
        }
    }

    /// Writes `text` with its top left corner at `place`, each dot of the font `scale` pixels wide.
    pub(super) fn write(&mut self, place: Place, text: &str, scale: usize, colour: Rgb) {
        for (letter, character) in text.chars().enumerate() {
            let left = place.x + letter * (GLYPH_WIDTH + 1) * scale;
            for (row, bits) in glyph(character).into_iter().enumerate() {
                for column in (0..GLYPH_WIDTH).filter(|column| bits >> (4 - column) & 1 == 1) {
                    let dot = Place::new(left + column * scale, place.y + row * scale);
                    self.fill(dot, scale, scale, colour);
                }
            }
        }
    }
}

/// Pixels that `text` takes from left to right.
pub(super) fn text_width(text: &str, scale: usize) -> usize {
    (text.chars().count() * (GLYPH_WIDTH + 1) * scale).saturating_sub(scale)
}

/// Pixels that a line of text takes from top to bottom.
pub(super) fn text_height(scale: usize) -> usize {
    GLYPH_HEIGHT * scale
}
