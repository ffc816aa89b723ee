//! Distances between samples as a heat map.

use super::canvas::{Picture, Place, text_height, text_width};
use super::colour::{INK, viridis};
use super::{LABEL, MARGIN, runs, sorted_places};
use crate::error::{Error, Result};
use crate::rows::Rows;

/// Side that a map is enlarged to, in pixels.
const MAP_SIDE: usize = 500;
/// Pixels between classes.
const GAP: usize = 2;
/// Pixels that the legend's bar is wide.
const BAR: usize = 14;

/// A square matrix of distances, `(m, m)` row-major with one label a row, as a heat map sorted by
/// class: dark is near, light is far. Good codes show dark squares along the diagonal.
///
/// Colours run from the smallest to the largest distance off the diagonal, which the legend names.
/// Cost: `O(m^2)` time and memory.
///
/// # Errors
/// If `distances` is not the square of the number of labels, or holds NaN or infinity.
pub fn distance_map(distances: &[f32], labels: &[u32], title: &str) -> Result<Picture> {
    let side = labels.len();
    if side == 0 || distances.len() != side * side {
        let expected = format!("{side} x {side} distances and at least one label");
        return Err(Error::shape(title, expected, distances.len()));
    }
    Rows::new(distances, side)?.check_finite(title)?;
    let places = sorted_places(labels, side);
    let layout = Layout::new(&places, labels);
    let range = off_diagonal_range(distances, side);
    let mut picture = layout.canvas(title);
    for (row, &from) in places.iter().enumerate() {
        for (column, &to) in places.iter().enumerate() {
            let colour = viridis(share(distances[from * side + to], range));
            let at =
                Place::new(layout.left + layout.offset(column), layout.top + layout.offset(row));
            picture.fill(at, layout.enlarge, layout.enlarge, colour);
        }
    }
    layout.draw_labels(&mut picture);
    layout.draw_legend(&mut picture, range);
    Ok(picture)
}

fn off_diagonal_range(distances: &[f32], side: usize) -> (f32, f32) {
    let off = distances.iter().enumerate().filter(|(place, _)| place / side != place % side);
    let (low, high) = off
        .fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), (_, &distance)| {
            (distance.min(low), distance.max(high))
        });
    if low <= high { (low, high) } else { (0.0, 0.0) }
}

fn share(distance: f32, (low, high): (f32, f32)) -> f32 {
    if high > low { (distance - low) / (high - low) } else { 0.0 }
}

/// Where the parts of a map stand.
struct Layout {
    enlarge: usize,
    left: usize,
    top: usize,
    /// Which run of equal labels each line belongs to.
    run_of: Vec<usize>,
    runs: Vec<(u32, usize, usize)>,
}

impl Layout {
    fn new(places: &[usize], labels: &[u32]) -> Self {
        let runs = runs(places, labels);
        let lengths = runs.iter().enumerate();
        let run_of = lengths
            .flat_map(|(run, (_, start, end))| std::iter::repeat_n(run, end - start))
            .collect();
        let names = runs.iter().map(|(label, ..)| text_width(&label.to_string(), LABEL)).max();
        let enlarge = (MAP_SIDE / places.len()).max(1);
        let left = MARGIN + names.unwrap_or(0) + 8;
        let top = MARGIN + 2 * (text_height(LABEL) + 8);
        Self { enlarge, left, top, run_of, runs }
    }

    /// Pixels from the start of the map to line `line`.
    fn offset(&self, line: usize) -> usize {
        line * self.enlarge + self.run_of[line] * GAP
    }

    fn side(&self) -> usize {
        self.offset(self.run_of.len() - 1) + self.enlarge
    }

    fn canvas(&self, title: &str) -> Picture {
        let legend = 12 + BAR + 6 + text_width("0000.00", LABEL);
        let needed = self.left + self.side() + legend;
        let width = needed.max(self.left + text_width(title, LABEL)) + MARGIN;
        let mut picture = Picture::blank(width, self.top + self.side() + MARGIN);
        picture.write(Place::new(self.left, MARGIN), title, LABEL, INK);
        picture
    }

    /// The classes along the top and the left, where there is room for them.
    fn draw_labels(&self, picture: &mut Picture) {
        for &(label, start, end) in &self.runs {
            let (text, from) = (label.to_string(), self.offset(start));
            let length = self.offset(end - 1) + self.enlarge - from;
            let (wide, high) = (text_width(&text, LABEL), text_height(LABEL));
            if length >= wide {
                let x = self.left + from + (length - wide) / 2;
                picture.write(Place::new(x, self.top - high - 6), &text, LABEL, INK);
            }
            if length >= high {
                let at = Place::new(self.left - wide - 6, self.top + from + (length - high) / 2);
                picture.write(at, &text, LABEL, INK);
            }
        }
    }

    fn draw_legend(&self, picture: &mut Picture, (low, high): (f32, f32)) {
        let (left, side) = (self.left + self.side() + 12, self.side());
        for y in 0..side {
            let colour = viridis(1.0 - y as f32 / side as f32);
            picture.fill(Place::new(left, self.top + y), BAR, 1, colour);
        }
        let x = left + BAR + 6;
        picture.write(Place::new(x, self.top), &short_number(high), LABEL, INK);
        let bottom = (self.top + side).saturating_sub(text_height(LABEL));
        picture.write(Place::new(x, bottom), &short_number(low), LABEL, INK);
    }
}

/// A number in at most seven characters.
pub(super) fn short_number(value: f32) -> String {
    let size = value.abs();
    match size {
        _ if value == value.trunc() && size < 100_000.0 => format!("{value:.0}"),
        _ if (0.01..10.0).contains(&size) => format!("{value:.3}"),
        _ if (10.0..100_000.0).contains(&size) => format!("{value:.1}"),
        _ => format!("{value:.0e}"),
    }
}
