//! Where inputs and columns lie: axes, neighbourhoods, wrapped or cut off at the borders.

use std::ops::Range;

use super::super::Inputs;
use super::super::settings::Value;
use super::SpatialPoolerSettings;
use crate::error::{Error, Result};
use crate::kernel::pools::Neighbourhoods;

/// Lengths of the axes of a grid, the last one running fastest; as a text, `28x28`.
///
/// Empty, `0` as a text, where they are to be taken from the data.
///
/// ```
/// use kwinners::encoder::Dimensions;
/// let grid = Dimensions::new(&[28, 28, 16]);
/// assert_eq!((grid.cells(), grid.axes().len()), (12544, 3));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dimensions {
    axes: Vec<usize>,
}

impl Dimensions {
    /// A grid of these axes.
    pub fn new(axes: &[usize]) -> Self {
        Self { axes: axes.to_vec() }
    }

    /// The lengths of the axes.
    pub fn axes(&self) -> &[usize] {
        &self.axes
    }

    /// Places in the grid; `usize::MAX` if they can't be counted.
    pub fn cells(&self) -> usize {
        self.axes.iter().fold(1, |cells: usize, axis| cells.saturating_mul(*axis))
    }
}

impl Value for Dimensions {
    const EXPECTED: &'static str = "lengths such as 64x64, each at least 1, or 0 alone";

    fn parse(text: &str) -> Option<Self> {
        if text.trim() == "0" {
            return Some(Self::default());
        }
        let axes: Option<Vec<usize>> =
            text.split('x').map(|axis| axis.trim().parse().ok().filter(|axis| *axis > 0)).collect();
        axes.map(|axes| Self { axes })
    }

    fn print(&self) -> String {
        let axes: Vec<String> = self.axes.iter().map(usize::to_string).collect();
        if axes.is_empty() { "0".to_owned() } else { axes.join("x") }
    }
}

/// Most axes that a grid may have.
const MOST_AXES: usize = 4;
/// Most inputs, so that an overlap fits 16 bits.
const MOST_INPUTS: usize = u16::MAX as usize;
/// Most columns.
const MOST_COLUMNS: usize = 1 << 20;

/// The grid of the inputs and the grid of the columns, of as many axes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Geometry {
    pub(super) inputs: Vec<usize>,
    pub(super) columns: Vec<usize>,
    pub(super) wrap: bool,
}

impl Geometry {
    /// The grids as they were asked for, over inputs like `inputs`.
    ///
    /// Input axes that were left open are the image's (height, width; before them the channels if
    /// there are several), or one axis of all inputs. They are then brought to as many axes as the
    /// columns have: axes of length 1 are appended, or all become one.
    pub(super) fn new(settings: &SpatialPoolerSettings, inputs: Inputs<'_>) -> Result<Self> {
        let (asked, columns) = (&settings.input_dimensions, &settings.column_dimensions.axes);
        let width = inputs.rows.width();
        let mut axes = asked.axes.clone();
        if axes.is_empty() {
            axes = match inputs.image {
                _ if columns.len() == 1 => vec![width],
                Some(image) if image.channels == 1 => vec![image.height, image.width],
                Some(image) => vec![image.channels, image.height, image.width],
                None => vec![width],
            };
            axes.resize(axes.len().max(columns.len()), 1);
        }
        if Dimensions::new(&axes).cells() != width {
            let expected = format!("lengths whose product is {width}, the width of the inputs");
            return Err(Error::setting("input_dimensions", expected, asked.print()));
        }
        Self::of_axes(axes, settings)
    }

    /// The grids over inputs of known axes.
    pub(super) fn of_axes(inputs: Vec<usize>, settings: &SpatialPoolerSettings) -> Result<Self> {
        let columns = &settings.column_dimensions;
        let axes = inputs.len();
        if axes == 0 || axes > MOST_AXES || axes != columns.axes.len() {
            let expected =
                format!("as many axes as the inputs have, {axes}, and at most {MOST_AXES}");
            return Err(Error::setting("column_dimensions", expected, columns.print()));
        }
        let width = Dimensions::new(&inputs).cells();
        if width == 0 || width > MOST_INPUTS {
            let expected = format!("1 to {MOST_INPUTS} inputs");
            return Err(Error::setting("input_dimensions", expected, width));
        }
        if columns.cells() == 0 || columns.cells() > MOST_COLUMNS {
            let expected = format!("1 to {MOST_COLUMNS} columns");
            return Err(Error::setting("column_dimensions", expected, columns.print()));
        }
        Ok(Self { inputs, columns: columns.axes.clone(), wrap: settings.wrap_around })
    }

    pub(super) fn width(&self) -> usize {
        self.inputs.iter().product()
    }

    pub(super) fn units(&self) -> usize {
        self.columns.iter().product()
    }

    /// Which stretches of each input axis lie within `radius` of the centre of `column`: along an
    /// axis the centre is `⌊(place + 0.5) · inputs / columns⌋`.
    pub(super) fn pool_spans(&self, column: usize, radius: usize) -> Vec<Span> {
        let places = places(column, &self.columns);
        let axes = places.iter().zip(&self.inputs).zip(&self.columns);
        axes.map(|((place, inputs), columns)| {
            let centre = (2 * place + 1) * inputs / (2 * columns);
            Span::around(centre, radius, *inputs, self.wrap)
        })
        .collect()
    }

    /// The inputs within `radius` of the centre of `column`, increasing.
    pub(super) fn pool(&self, column: usize, radius: usize) -> Vec<u32> {
        cells(&self.pool_spans(column, radius), &self.inputs)
    }

    /// Columns within `radius` of one that is far from every border, itself included.
    pub(super) fn area(&self, radius: usize) -> usize {
        let width = radius.saturating_mul(2).saturating_add(1);
        self.columns.iter().map(|columns| width.min(*columns)).product()
    }

    /// What the neighbourhood of each place of column axis `axis` takes of that axis.
    pub(super) fn axis_spans(&self, axis: usize, radius: usize) -> Vec<Span> {
        let length = self.columns[axis];
        (0..length).map(|place| Span::around(place, radius, length, self.wrap)).collect()
    }

    /// Whether every neighbourhood is the whole grid.
    pub(super) fn is_one_neighbourhood(&self, radius: usize) -> bool {
        let reach = |axis: usize| match self.wrap {
            true => radius.saturating_mul(2).saturating_add(1) >= axis,
            false => radius.saturating_add(1) >= axis,
        };
        self.columns.iter().all(|axis| reach(*axis))
    }

    /// The neighbourhoods of all columns.
    pub(super) fn neighbourhoods(&self, radius: usize) -> Neighbourhoods {
        let (line, outer) = self.columns.split_last().expect("at least one axis");
        let span = |place: usize, axis: usize| Span::around(place, radius, axis, self.wrap);
        let reached = (0..outer.iter().product()).map(|number| {
            let near = places(number, outer).into_iter().zip(outer);
            let spans: Vec<Span> = near.map(|(place, axis)| span(place, *axis)).collect();
            cells(&spans, outer)
        });
        let taken = (0..*line).map(|place| span(place, *line).ranges.into_iter().flatten());
        Neighbourhoods::new(*line, reached, taken.map(Iterator::collect))
    }
}

/// Where cell number `cell` lies on each of `axes`.
fn places(mut cell: usize, axes: &[usize]) -> Vec<usize> {
    let mut places = vec![0; axes.len()];
    for (place, axis) in places.iter_mut().zip(axes).rev() {
        *place = cell % axis;
        cell /= axis;
    }
    places
}

/// What of an axis lies near a place: one stretch, or two where it is wrapped; increasing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) ranges: [Range<usize>; 2],
}

impl Span {
    fn around(centre: usize, radius: usize, axis: usize, wrap: bool) -> Self {
        let radius = radius.min(axis);
        let ranges = if 2 * radius + 1 >= axis && wrap {
            [0..axis, axis..axis]
        } else if wrap && centre < radius {
            [0..centre + radius + 1, axis + centre - radius..axis]
        } else if wrap && centre + radius >= axis {
            [0..centre + radius + 1 - axis, centre - radius..axis]
        } else {
            let end = (centre + radius + 1).min(axis);
            [centre.saturating_sub(radius)..end, end..end]
        };
        Self { ranges }
    }

    /// First place, and one past the last.
    pub(super) fn bounds(&self) -> (usize, usize) {
        let [first, second] = &self.ranges;
        (first.start, if second.is_empty() { first.end } else { second.end })
    }

    pub(super) fn len(&self) -> usize {
        self.ranges.iter().map(Range::len).sum()
    }
}

/// The cells that lie within all `spans`, increasing.
fn cells(spans: &[Span], axes: &[usize]) -> Vec<u32> {
    let mut cells = vec![0u32];
    for (span, axis) in spans.iter().zip(axes) {
        let mut longer = Vec::with_capacity(cells.len() * span.len());
        for cell in cells {
            let places = span.ranges.iter().cloned().flatten();
            longer.extend(places.map(|place| cell * *axis as u32 + place as u32));
        }
        cells = longer;
    }
    cells
}

#[cfg(test)]
mod tests {
    use super::*;

    fn around(centre: usize, radius: usize, wrap: bool) -> Vec<usize> {
        Span::around(centre, radius, 6, wrap).ranges.into_iter().flatten().collect()
    }

    #[test]
    fn spans_are_wrapped_or_cut() {
        assert_eq!(around(0, 2, true), [0, 1, 2, 4, 5]);
        assert_eq!(around(0, 2, false), [0, 1, 2]);
        assert_eq!(around(5, 1, true), [0, 4, 5]);
        assert_eq!(around(3, 1, true), [2, 3, 4]);
        assert_eq!(around(5, 1, false), [4, 5]);
        assert_eq!(around(1, 3, true), [0, 1, 2, 3, 4, 5]);
        assert_eq!(around(1, 3, false), [0, 1, 2, 3, 4]);
        assert_eq!(around(1, usize::MAX, false), [0, 1, 2, 3, 4, 5]);
    }

    #[test]
    fn dimensions_are_texts() {
        for text in ["28x28", "7", "0", "2x3x4"] {
            assert_eq!(Dimensions::parse(text).map(|grid| grid.print()).as_deref(), Some(text));
        }
        for text in ["", "x", "3x", "0x4", "-1", "3 by 4"] {
            assert_eq!(Dimensions::parse(text), None, "{text}");
        }
    }
}
