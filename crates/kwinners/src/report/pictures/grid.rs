//! Numbers over two lists: a confusion matrix, a surface.

use super::canvas::{Picture, Place, text_height, text_width};
use super::colour::{INK, PAPER, viridis};
use super::map::short_number;
use super::{LABEL, MARGIN};
use crate::error::{Error, Result};

/// Side that a grid is enlarged to, in pixels, and the largest and smallest side of a cell.
const SIDE: usize = 560;
const LARGEST: usize = 64;

/// Numbers over two lists.
#[derive(Clone, Copy, Debug)]
pub struct Grid<'a> {
    /// What it is about.
    pub title: &'a str,
    /// A name a row, from the top.
    pub rows: &'a [String],
    /// A name a column, from the left.
    pub columns: &'a [String],
    /// `(rows, columns)`, row after row.
    pub values: &'a [f64],
}

/// A cell for each number, from dark for the least to light for the largest, its number in it where there
/// is room.
///
/// ```
/// use kwinners::report::pictures::{Grid, number_grid};
/// let names = ["3", "9"].map(str::to_owned);
/// let grid = Grid { title: "taken for", rows: &names, columns: &names, values: &[9.0, 1.0, 0.0, 5.0] };
/// assert!(number_grid(&grid)?.width > 100);
/// # Ok::<(), kwinners::Error>(())
/// ```
///
/// # Errors
/// If there is no row or column, or not a number for each row and column.
pub fn number_grid(grid: &Grid<'_>) -> Result<Picture> {
    let (rows, columns) = (grid.rows.len(), grid.columns.len());
    if rows * columns == 0 || grid.values.len() != rows * columns {
        let expected = format!("{rows} x {columns} numbers, at least 1");
        return Err(Error::shape(grid.title, expected, grid.values.len()));
    }
    let width = |names: &[String]| names.iter().map(|name| text_width(name, LABEL)).max();
    let cell = (SIDE / rows.max(columns)).clamp(1, LARGEST);
    let left = MARGIN + width(grid.rows).unwrap_or(0) + 8;
    let top = MARGIN + 2 * (text_height(LABEL) + 8);
    let right = (left + columns * cell).max(left + text_width(grid.title, LABEL));
    let mut picture = Picture::blank(right + MARGIN, top + rows * cell + MARGIN);
    picture.write(Place::new(left, MARGIN), grid.title, LABEL, INK);
    let finite = || grid.values.iter().copied().filter(|value| value.is_finite());
    let low = finite().fold(f64::INFINITY, f64::min);
    let span = finite().fold(f64::NEG_INFINITY, f64::max) - low;
    for (place, &value) in grid.values.iter().enumerate() {
        let at = Place::new(left + place % columns * cell, top + place / columns * cell);
        let share = if span > 0.0 { ((value - low) / span) as f32 } else { 0.0 };
        picture.fill(at, cell, cell, viridis(share));
        let text = short_number(value as f32);
        let (wide, high) = (text_width(&text, 1), text_height(1));
        if value != 0.0 && wide < cell && high < cell {
            let at = Place::new(at.x + (cell - wide) / 2, at.y + (cell - high) / 2);
            picture.write(at, &text, 1, if share > 0.6 { INK } else { PAPER });
        }
    }
    let high = text_height(LABEL);
    for (row, name) in grid.rows.iter().enumerate().filter(|_| cell >= high) {
        let x = left - 6 - text_width(name, LABEL);
        picture.write(Place::new(x, top + row * cell + (cell - high) / 2), name, LABEL, INK);
    }
    for (column, name) in grid.columns.iter().enumerate() {
        let wide = text_width(name, LABEL);
        if wide <= cell {
            let x = left + column * cell + (cell - wide) / 2;
            picture.write(Place::new(x, top - high - 6), name, LABEL, INK);
        }
    }
    Ok(picture)
}
