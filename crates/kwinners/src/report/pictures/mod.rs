//! Pictures of encoders and codes: filters, strips, rasters and distance maps, drawn by own code.
//!
//! Every function takes plain numbers and returns a [`Picture`]; nothing is written until
//! [`Picture::save_png`]. Small things are enlarged by whole factors, so a pixel stays a square.

mod canvas;
mod chart;
mod colour;
mod font;
mod grid;
mod map;
mod raster;
mod tiles;

pub use canvas::Picture;
pub use chart::{ChartLine, line_chart};
pub use colour::{Rgb, diverging, of_class, viridis};
pub use grid::{Grid, number_grid};
pub use map::distance_map;
pub use raster::code_raster;
pub use tiles::{FilterScale, filter_mosaic, strip_places, strips, tile_lines, vector_shape};

use canvas::Place;

/// Empty pixels around a picture.
const MARGIN: usize = 14;
/// Size of a dot of the font in labels.
const LABEL: usize = 2;

/// Puts pictures side by side, aligned at their top.
///
/// ```
/// use kwinners::report::pictures::{beside, distance_map};
/// let raw = distance_map(&[0.0, 2.0, 2.0, 0.0], &[0, 1], "raw")?;
/// let both = beside(&[raw.clone(), raw.clone()]);
/// assert_eq!((both.width, both.height), (2 * raw.width, raw.height));
/// # Ok::<(), kwinners::Error>(())
/// ```
pub fn beside(pictures: &[Picture]) -> Picture {
    let width = pictures.iter().map(|picture| picture.width).sum();
    let height = pictures.iter().map(|picture| picture.height).max().unwrap_or(0);
    let mut whole = Picture::blank(width, height);
    let mut left = 0;
    for picture in pictures {
        whole.paste(Place::new(left, 0), picture);
        left += picture.width;
    }
    whole
}

/// Places `0..labels.len()` sorted by label, equal labels in their old order, at most `limit` of them
/// taken evenly.
fn sorted_places(labels: &[u32], limit: usize) -> Vec<usize> {
    let mut places: Vec<usize> = (0..labels.len()).collect();
    places.sort_by_key(|&place| labels[place]);
    if places.len() <= limit {
        return places;
    }
    (0..limit).map(|taken| places[taken * labels.len() / limit]).collect()
}

/// Runs of equal labels along `places`: `(label, start, end)`.
fn runs(places: &[usize], labels: &[u32]) -> Vec<(u32, usize, usize)> {
    let mut runs: Vec<(u32, usize, usize)> = Vec::new();
    for (row, &place) in places.iter().enumerate() {
        match runs.last_mut() {
            Some((label, _, end)) if *label == labels[place] => *end = row + 1,
            _ => runs.push((labels[place], row, row + 1)),
        }
    }
    runs
}
