//! Lines over two axes.

use super::canvas::{Picture, Place, text_height, text_width};
use super::colour::{FAINT, INK, PAPER, Rgb, of_class};
use super::map::short_number;
use super::{LABEL, MARGIN};
use crate::error::{Error, Result};

/// Pixels of the field that lines are drawn on.
const WIDE: usize = 520;
const HIGH: usize = 360;

/// Lines of the grid from side to side.
const GRID: usize = 5;

/// A line of a chart.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ChartLine {
    /// What it is called in the legend; not listed if empty.
    pub name: String,
    /// Its points, in the order that they are joined in; those that are not finite are left out.
    pub points: Vec<(f64, f64)>,
}

/// Lines over two axes, each point marked: a training run, precision over recall, the information plane.
///
/// The axes run from the least to the largest number of all lines.
///
/// ```
/// use kwinners::report::pictures::{ChartLine, line_chart};
/// let line = ChartLine { name: "loss".into(), points: vec![(0.0, 1.0), (1.0, 0.5), (2.0, 0.4)] };
/// let picture = line_chart(&[line], "fit", ("epoch", "loss"))?;
/// assert!(picture.width > 520 && picture.height > 360);
/// # Ok::<(), kwinners::Error>(())
/// ```
///
/// # Errors
/// If no line has a point.
pub fn line_chart(lines: &[ChartLine], title: &str, axes: (&str, &str)) -> Result<Picture> {
    let points = || lines.iter().flat_map(|line| &line.points).filter(|point| is_finite(point));
    let range = |of: &dyn Fn(&(f64, f64)) -> f64| {
        points().map(of).fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
            (value.min(low), value.max(high))
        })
    };
    let (x, y) = (range(&|point| point.0), range(&|point| point.1));
    if x.0 > x.1 {
        return Err(Error::shape(title, "at least 1 point to draw", 0));
    }
    let mut field = Field::new(x, y, title, lines);
    field.draw_axes(axes);
    for (number, line) in lines.iter().enumerate() {
        field.draw(line, of_class(number));
    }
    field.draw_legend(lines);
    Ok(field.picture)
}

fn is_finite(point: &(f64, f64)) -> bool {
    point.0.is_finite() && point.1.is_finite()
}

struct Field {
    picture: Picture,
    left: usize,
    top: usize,
    x: (f64, f64),
    y: (f64, f64),
}

impl Field {
    fn new(x: (f64, f64), y: (f64, f64), title: &str, lines: &[ChartLine]) -> Self {
        let left = MARGIN + text_width("0000000", LABEL) + 8;
        let top = MARGIN + 2 * (text_height(LABEL) + 8);
        let names = lines.iter().map(|line| text_width(&line.name, LABEL)).max().unwrap_or(0);
        let legend = if names > 0 { names + 34 } else { 0 };
        let width = (left + WIDE + legend).max(left + text_width(title, LABEL)) + 2 * MARGIN;
        let height = top + HIGH + 2 * (text_height(LABEL) + 8) + MARGIN;
        let mut picture = Picture::blank(width, height);
        picture.write(Place::new(left, MARGIN), title, LABEL, INK);
        picture.fill(Place::new(left, top), WIDE, HIGH, PAPER);
        Self { picture, left, top, x: widened(x), y: widened(y) }
    }

    fn draw_axes(&mut self, (x_name, y_name): (&str, &str)) {
        let (left, top, line) = (self.left, self.top, text_height(LABEL));
        for step in 0..=GRID {
            let (across, down) = (step * (WIDE - 1) / GRID, step * (HIGH - 1) / GRID);
            self.picture.fill(Place::new(left + across, top), 1, HIGH, FAINT);
            self.picture.fill(Place::new(left, top + down), WIDE, 1, FAINT);
        }
        let bottom = top + HIGH + 8;
        let (low, high) = (short_number(self.x.0 as f32), short_number(self.x.1 as f32));
        self.picture.write(Place::new(left, bottom), &low, LABEL, INK);
        let end = left + WIDE - text_width(&high, LABEL);
        self.picture.write(Place::new(end, bottom), &high, LABEL, INK);
        let middle = left + (WIDE - text_width(x_name, LABEL).min(WIDE)) / 2;
        self.picture.write(Place::new(middle, bottom), x_name, LABEL, INK);
        for (text, y) in [(self.y.1, top), (self.y.0, top + HIGH - line)] {
            let text = short_number(text as f32);
            let start = (left - 8).saturating_sub(text_width(&text, LABEL));
            self.picture.write(Place::new(start, y), &text, LABEL, INK);
        }
        self.picture.write(Place::new(left, top - line - 6), y_name, LABEL, INK);
    }

    fn draw(&mut self, line: &ChartLine, colour: Rgb) {
        let places: Vec<Place> =
            line.points.iter().filter(|point| is_finite(point)).map(|p| self.place(*p)).collect();
        for pair in places.windows(2) {
            self.join(pair[0], pair[1], colour);
        }
        for place in places {
            self.picture.fill(Place::new(place.x - 2, place.y - 2), 5, 5, colour);
        }
    }

    /// Where a point lies, the middle of its mark.
    fn place(&self, (x, y): (f64, f64)) -> Place {
        let share = |value: f64, (low, high): (f64, f64)| (value - low) / (high - low);
        let across = share(x, self.x) * (WIDE - 1) as f64;
        let down = (1.0 - share(y, self.y)) * (HIGH - 1) as f64;
        Place::new(self.left + across.round() as usize, self.top + down.round() as usize)
    }

    fn join(&mut self, from: Place, to: Place, colour: Rgb) {
        let steps = from.x.abs_diff(to.x).max(from.y.abs_diff(to.y)).max(1);
        for step in 0..=steps {
            let between = |a: usize, b: usize| (a * (steps - step) + b * step) / steps;
            let place = Place::new(between(from.x, to.x), between(from.y, to.y));
            self.picture.fill(place, 2, 2, colour);
        }
    }

    fn draw_legend(&mut self, lines: &[ChartLine]) {
        let (left, high) = (self.left + WIDE + 12, text_height(LABEL));
        let named = lines.iter().enumerate().filter(|(_, line)| !line.name.is_empty());
        for (row, (number, line)) in named.enumerate() {
            let y = self.top + row * (high + 8);
            self.picture.fill(Place::new(left, y + high / 2 - 1), 16, 3, of_class(number));
            self.picture.write(Place::new(left + 22, y), &line.name, LABEL, INK);
        }
    }
}

/// A range that is not empty.
fn widened((low, high): (f64, f64)) -> (f64, f64) {
    if high > low { (low, high) } else { (low - 0.5, low + 0.5) }
}
