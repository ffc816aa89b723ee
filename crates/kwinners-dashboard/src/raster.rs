//! Rasters as PNG inside a page: small images, filters, heat maps, and codes as dots.

use std::fmt::Write as _;

use base64::Engine as _;
use kwinners::data::ImageShape;
use kwinners::report::pictures::{Rgb, diverging, vector_shape, viridis};
use kwinners::{Error, Result, SdrRef};

/// The colours of classes: each readable on white and on the dark page.
pub(crate) const CLASS_COLOURS: [Rgb; 10] = [
    [59, 120, 216],
    [205, 103, 25],
    [47, 145, 80],
    [217, 67, 78],
    [142, 99, 206],
    [160, 113, 79],
    [209, 83, 163],
    [123, 128, 136],
    [143, 138, 28],
    [23, 147, 165],
];

/// Colours of a heat map or of filters.
const SHADES: usize = 64;

/// An image of numbers that stand for colours.
pub(crate) struct Raster {
    pub(crate) width: usize,
    pub(crate) height: usize,
    /// `(height, width)`: places in the palette.
    pixels: Vec<u8>,
    palette: Vec<Rgb>,
    /// Whether colour 0 is clear.
    clear: bool,
}

impl Raster {
    /// Clear, with class `c` at colour `c + 1`.
    pub(crate) fn of_classes(width: usize, height: usize) -> Self {
        let palette = std::iter::once([0; 3]).chain(CLASS_COLOURS).collect();
        Self { width, height, pixels: vec![0; width * height], palette, clear: true }
    }

    pub(crate) fn set_class(&mut self, x: usize, y: usize, class: usize) {
        self.pixels[y * self.width + x] = (class % CLASS_COLOURS.len()) as u8 + 1;
    }

    /// Values from `low`, dark, to `high`, light.
    pub(crate) fn heat(values: &[f32], width: usize, (low, high): (f32, f32)) -> Self {
        let shade = |&value: &f32| {
            let share = if high > low { (value - low) / (high - low) } else { 0.0 };
            (share.clamp(0.0, 1.0) * (SHADES - 1) as f32).round() as u8
        };
        let palette = (0..SHADES).map(|shade| viridis(shade as f32 / (SHADES - 1) as f32));
        Self {
            width,
            height: values.len() / width.max(1),
            pixels: values.iter().map(shade).collect(),
            palette: palette.collect(),
            clear: false,
        }
    }

    /// Filters as tiles of `image`, `columns` a line, blue below and red above zero, each at its own scale; clear
    /// between.
    pub(crate) fn filters(filters: &[Vec<f32>], image: ImageShape, columns: usize) -> Self {
        let lines = filters.len().div_ceil(columns).max(1);
        let (step_x, step_y) = (image.width + 1, image.height + 1);
        let (width, height) = (columns * step_x - 1, lines * step_y - 1);
        let middle = (SHADES / 2) as f32;
        let palette = (0..=SHADES).map(|shade| diverging(shade as f32 / middle - 1.0));
        let palette = std::iter::once([0; 3]).chain(palette).collect();
        let mut pixels = vec![0; width * height];
        for (number, filter) in filters.iter().enumerate() {
            let most = filter.iter().fold(f32::MIN_POSITIVE, |most, weight| most.max(weight.abs()));
            let (left, top) = (number % columns * step_x, number / columns * step_y);
            for (cell, weight) in filter.iter().take(image.width * image.height).enumerate() {
                let place = (top + cell / image.width) * width + left + cell % image.width;
                pixels[place] = ((weight / most + 1.0) * middle).round() as u8 + 1;
            }
        }
        Self { width, height, pixels, palette, clear: true }
    }

    /// As an address that holds the whole picture.
    pub(crate) fn data_uri(&self) -> Result<String> {
        let bits =
            if self.palette.len() <= 16 { png::BitDepth::Four } else { png::BitDepth::Eight };
        let packed: Vec<u8> = match bits {
            png::BitDepth::Four => {
                let line = |line: &[u8]| -> Vec<u8> {
                    line.chunks(2).map(|pair| pair[0] << 4 | pair.get(1).unwrap_or(&0)).collect()
                };
                self.pixels.chunks(self.width.max(1)).flat_map(line).collect()
            }
            _ => self.pixels.clone(),
        };
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, self.width as u32, self.height as u32);
        encoder.set_color(png::ColorType::Indexed);
        encoder.set_depth(bits);
        encoder.set_palette(self.palette.concat());
        if self.clear {
            encoder.set_trns(vec![0]);
        }
        finish(encoder, &packed)?;
        Ok(uri_of(&bytes))
    }
}

/// How a row of `width` values is drawn: as the image that it is, or as a square.
pub(crate) fn shape(image: Option<ImageShape>, width: usize) -> ImageShape {
    image.filter(|image| matches!(image.channels, 1 | 3)).unwrap_or_else(|| vector_shape(width))
}

/// One row as a grey or coloured image, `low` black and `high` white, as an address that holds it.
pub(crate) fn tile(values: &[f32], image: ImageShape, range: (f32, f32)) -> Result<String> {
    Ok(uri_of(&tile_png(values, image, range)?))
}

fn tile_png(values: &[f32], image: ImageShape, (low, high): (f32, f32)) -> Result<Vec<u8>> {
    let byte = |value: f32| {
        let share = if high > low { (value - low) / (high - low) } else { 0.5 };
        (share.clamp(0.0, 1.0) * 255.0).round() as u8
    };
    let plane = image.width * image.height;
    let pixels: Vec<u8> = match image.channels {
        3 => (0..plane)
            .flat_map(|cell| [0, 1, 2].map(|channel| byte(values[channel * plane + cell])))
            .collect(),
        _ => (0..plane).map(|cell| values.get(cell).map_or(0, |&value| byte(value))).collect(),
    };
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, image.width as u32, image.height as u32);
    let colour = if image.channels == 3 { png::ColorType::Rgb } else { png::ColorType::Grayscale };
    encoder.set_color(colour);
    encoder.set_depth(png::BitDepth::Eight);
    finish(encoder, &pixels)?;
    Ok(bytes)
}

fn finish(mut encoder: png::Encoder<'_, &mut Vec<u8>>, pixels: &[u8]) -> Result<()> {
    // The live page makes them beside a fit: time counts more than the last third of the bytes.
    encoder.set_compression(png::Compression::Fast);
    let written = encoder.write_header().and_then(|mut writer| writer.write_image_data(pixels));
    // Memory takes everything: only a picture without pixels is refused.
    written.map_err(|error| Error::Unsupported(format!("this can't be drawn: {error}")))
}

fn uri_of(bytes: &[u8]) -> String {
    format!("data:image/png;base64,{}", base64::engine::general_purpose::STANDARD.encode(bytes))
}

/// A code as a nearly square field of dots, one a unit, in the colours of the page: `shared` ones stand out.
pub(crate) fn code_tile(code: SdrRef<'_>, shared: Option<SdrRef<'_>>) -> String {
    let grid = vector_shape(code.units());
    let mut paths = [String::new(), String::new()];
    for &unit in code.indices() {
        let (x, y) = (unit as usize % grid.width, unit as usize / grid.width);
        let stands_out = shared.is_none_or(|shared| shared.contains(unit));
        let _ = write!(paths[usize::from(!stands_out)], "M{x} {y}h1v1h-1z");
    }
    let [on, rest] = paths;
    format!(
        "<svg class=code viewBox=\"-.5 -.5 {} {}\" role=img aria-label=\"code: {} of {} units on\"><path class=on \
         d=\"{on}\"/><path class=rest d=\"{rest}\"/></svg>",
        grid.width + 1,
        grid.height + 1,
        code.count(),
        code.units()
    )
}

/// `0..=1` if all values lie there, else from the smallest to the largest.
pub(crate) fn value_range(values: &[f32]) -> (f32, f32) {
    values.iter().fold((0.0, 1.0), |(low, high), &value| (value.min(low), value.max(high)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Relative luminance as the Web Content Accessibility Guidelines have it.
    fn luminance(colour: Rgb) -> f64 {
        let linear = colour.map(|byte| {
            let share = f64::from(byte) / 255.0;
            if share <= 0.04045 { share / 12.92 } else { ((share + 0.055) / 1.055).powf(2.4) }
        });
        0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    }

    #[test]
    fn classes_stand_out_by_day_and_by_night() {
        let contrast = |a: f64, b: f64| (a.max(b) + 0.05) / (a.min(b) + 0.05);
        let night = luminance([0x16, 0x18, 0x1d]);
        for colour in CLASS_COLOURS {
            let own = luminance(colour);
            assert!(contrast(own, 1.0) >= 3.0, "{colour:?} by day: {}", contrast(own, 1.0));
            assert!(contrast(own, night) >= 3.0, "{colour:?} by night: {}", contrast(own, night));
        }
    }

    #[test]
    fn pictures_are_png() {
        let mut raster = Raster::of_classes(3, 2);
        raster.set_class(2, 1, 13);
        let grey = ImageShape { width: 2, height: 2, channels: 1 };
        let colour = ImageShape { width: 1, height: 2, channels: 3 };
        let filters = Raster::filters(&[vec![0.0, -1.0, 1.0, 0.5], vec![0.0; 4]], grey, 2);
        let all = [
            raster.data_uri().unwrap(),
            filters.data_uri().unwrap(),
            Raster::heat(&[0.0, 1.0, f32::NAN, 0.5], 2, (0.0, 1.0)).data_uri().unwrap(),
            tile(&[0.0, 0.5, 1.0], grey, (0.0, 1.0)).unwrap(),
            tile(&[0.0, 0.5, 1.0, 0.0, 1.0, 2.0], colour, (0.0, 1.0)).unwrap(),
        ];
        for uri in all {
            assert!(uri.starts_with("data:image/png;base64,iVBORw0KGgo"), "{uri}");
        }
    }
}
