//! Pictures made of tiles: filter mosaics, and strips of inputs, codes and reconstructions.

use super::canvas::{Picture, Place, text_height, text_width};
use super::colour::{ACTIVE, FAINT, INK, PAPER, Rgb, diverging, grey, to_byte};
use super::{LABEL, MARGIN};
use crate::data::{Dataset, ImageShape};
use crate::error::{Error, Result};
use crate::metrics::sample_of_each_class;
use crate::rows::Rows;
use crate::sdr::{SdrBatch, SdrRef};

/// Samples in strips where there are fewer classes, and at most.
const SHOWN: usize = 10;
const MOST_SHOWN: usize = 20;
/// Seed of the choice within classes.
const SHOWN_SEED: u64 = 0;

/// Widest mosaic that tiles are enlarged for, in pixels.
const MOSAIC_WIDTH: usize = 1280;
/// Empty pixels between the tiles of a mosaic.
const GAP: usize = 2;
/// Side that the tiles of a strip are enlarged to, in pixels.
const STRIP_TILE: usize = 128;
/// Samples side by side before a strip starts a new line.
const STRIP_SAMPLES: usize = 10;

/// How the weights of a filter become shades.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FilterScale {
    /// Smallest weight of each filter black, largest white: shows form, hides size and sign.
    MinMax,
    /// Zero white, below blue, above red, the largest absolute weight of each filter at full colour:
    /// shows sign. Filters of colour images are drawn around mid-grey instead.
    Symmetric,
    /// One scale for all: black to white is the range of all weights without the lowest and the
    /// highest hundredth, which are clamped. Shows images beside each other.
    Common,
}

/// A nearly square layout for vectors that are not images; the last row may stay short.
///
/// ```
/// use kwinners::report::pictures::vector_shape;
/// let shape = vector_shape(384);
/// assert_eq!((shape.width, shape.height, shape.channels), (20, 20, 1));
/// ```
pub fn vector_shape(width: usize) -> ImageShape {
    let side = (width as f64).sqrt().ceil().max(1.0) as usize;
    ImageShape { width: side, height: width.div_ceil(side).max(1), channels: 1 }
}

/// The weights of each unit as a tile, left to right and top to bottom: `(units, input_width)`.
///
/// # Errors
/// If `image` does not hold a row, or a weight is NaN or infinite.
pub fn filter_mosaic(filters: Rows<'_>, image: ImageShape, scale: FilterScale) -> Result<Picture> {
    check_image("filters", filters, image)?;
    filters.check_finite("filters")?;
    let columns = mosaic_columns(filters.len(), image);
    let enlarge =
        enlargement(MOSAIC_WIDTH.saturating_sub(columns * GAP) / columns, image.width, 12);
    let (step_x, step_y) = (image.width * enlarge + GAP, image.height * enlarge + GAP);
    let lines = filters.len().div_ceil(columns).max(1);
    let (width, height) = (columns * step_x - GAP, lines * step_y - GAP);
    let common = common_range(filters);
    let mut picture = Picture::blank(2 * MARGIN + width, 2 * MARGIN + height);
    for (unit, weights) in filters.iter().enumerate() {
        let (x, y) = (unit % columns * step_x, unit / columns * step_y);
        let place = Place::new(MARGIN + x, MARGIN + y);
        draw_tile(&mut picture, place, enlarge, image, shader(weights, image, scale, common));
    }
    Ok(picture)
}

/// Columns that make a mosaic about 1.6 times as wide as high.
fn mosaic_columns(filters: usize, image: ImageShape) -> usize {
    let columns = (1.6 * filters as f64 * image.height as f64 / image.width as f64).sqrt();
    (columns.round() as usize).clamp(1, filters.max(1))
}

/// From the lowest to the highest value, a hundredth of all at either end left out.
fn common_range(rows: Rows<'_>) -> (f32, f32) {
    let mut values = rows.values().to_vec();
    let Some(last) = values.len().checked_sub(1) else { return (0.0, 1.0) };
    let mut at = |place: usize| *values.select_nth_unstable_by(place, f32::total_cmp).1;
    (at(last / 100), at(last - last / 100))
}

/// The largest whole factor, at most `limit`, by which `side` fits into `room`; at least 1.
fn enlargement(room: usize, side: usize, limit: usize) -> usize {
    (room / side.max(1)).clamp(1, limit)
}

/// What colours the pixels of one filter; `common` is the range of all filters.
fn shader(
    weights: &[f32],
    image: ImageShape,
    scale: FilterScale,
    common: (f32, f32),
) -> impl Fn(usize) -> Rgb + '_ {
    let low = weights.iter().copied().fold(f32::INFINITY, f32::min);
    let high = weights.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let most = high.max(-low).max(f32::MIN_POSITIVE);
    move |cell| match scale {
        FilterScale::MinMax => pixel(weights, image, (low, high), cell),
        FilterScale::Common => pixel(weights, image, common, cell),
        FilterScale::Symmetric if image.channels == 3 => pixel(weights, image, (-most, most), cell),
        FilterScale::Symmetric => {
            weights.get(cell).map_or(PAPER, |weight| diverging(weight / most))
        }
    }
}

/// The colour of pixel `cell` of an image whose values lie in `low..=high`.
fn pixel(values: &[f32], image: ImageShape, (low, high): (f32, f32), cell: usize) -> Rgb {
    let share = |value: f32| if high > low { (value - low) / (high - low) } else { 0.5 };
    if image.channels == 3 {
        let plane = image.width * image.height;
        return std::array::from_fn(|channel| to_byte(share(values[channel * plane + cell])));
    }
    values.get(cell).map_or(PAPER, |&value| grey(share(value)))
}

/// The rows of a set that are shown in strips: one or more of each class where there are labels, else
/// evenly chosen ones; about ten, 20 at most.
pub fn strip_places(set: &Dataset) -> Vec<usize> {
    let mut places = match set.labels() {
        Some(labels) => {
            let per_class = SHOWN.div_ceil(set.classes.len().max(1));
            sample_of_each_class(labels, per_class, SHOWN_SEED)
        }
        None => {
            let count = set.len().min(SHOWN);
            (0..count).map(|place| place * set.len() / count).collect()
        }
    };
    places.truncate(MOST_SHOWN);
    places
}

/// Inputs above their codes above what the codes decode to, one column a sample.
///
/// A code is drawn as a nearly square raster of its `n` units, row after row. Values are drawn from 0
/// (black) to 1 (white) if all inputs lie there, else from the smallest to the largest input;
/// reconstructions on the same scale, clamped.
///
/// # Errors
/// If the counts differ, `image` does not hold a row, or a value is NaN or infinite.
pub fn strips(
    inputs: Rows<'_>,
    codes: &SdrBatch,
    reconstructions: Option<Rows<'_>>,
    image: ImageShape,
) -> Result<Picture> {
    check_strips(inputs, codes, reconstructions, image)?;
    let range = value_range(inputs);
    let grid = vector_shape(codes.units());
    let lines: Vec<(&str, ImageShape)> = [("input", image), ("code", grid), ("decoded", image)]
        [..if reconstructions.is_some() { 3 } else { 2 }]
        .to_vec();
    let layout = Strip::new(&lines);
    let mut picture = layout.canvas(&lines, inputs.len());
    for sample in 0..inputs.len() {
        let place = |line| layout.place(sample, line, lines[line].1);
        let (at, enlarge) = place(0);
        draw_tile(&mut picture, at, enlarge, image, |cell| {
            pixel(inputs.row(sample), image, range, cell)
        });
        let (at, enlarge) = place(1);
        draw_code(&mut picture, at, enlarge, grid, codes.get(sample));
        if let Some(reconstructions) = reconstructions {
            let (at, enlarge) = place(2);
            draw_tile(&mut picture, at, enlarge, image, |cell| {
                pixel(reconstructions.row(sample), image, range, cell)
            });
        }
    }
    Ok(picture)
}

/// Named lines of images below each other, one column a sample: as many in each line, `(len, width)`.
///
/// Values are drawn from 0 (black) to 1 (white) if all of the first line lie there, else from its
/// smallest to its largest; the other lines on the same scale, clamped.
///
/// # Errors
/// If there is no line, the lines differ in length, `image` does not hold a row, or a value is NaN or
/// infinite.
pub fn tile_lines(lines: &[(&str, Rows<'_>)], image: ImageShape) -> Result<Picture> {
    let Some((_, first)) = lines.first() else {
        return Err(Error::shape("lines of a picture", "at least 1", 0));
    };
    for (name, rows) in lines {
        check_image(name, *rows, image)?;
        rows.check_finite(name)?;
        if rows.len() != first.len() {
            return Err(Error::shape(*name, format!("{} rows", first.len()), rows.len()));
        }
    }
    let range = value_range(*first);
    let named: Vec<(&str, ImageShape)> = lines.iter().map(|(name, _)| (*name, image)).collect();
    let layout = Strip::new(&named);
    let mut picture = layout.canvas(&named, first.len());
    for (line, (_, rows)) in lines.iter().enumerate() {
        for (sample, values) in rows.iter().enumerate() {
            let (at, enlarge) = layout.place(sample, line, image);
            draw_tile(&mut picture, at, enlarge, image, |cell| pixel(values, image, range, cell));
        }
    }
    Ok(picture)
}

/// Where the tiles of [`strips`] and [`tile_lines`] stand.
struct Strip {
    /// Side of the square that each tile is centred in, in pixels.
    cell: usize,
    /// Pixels for the names of the lines.
    left: usize,
    lines: usize,
}

impl Strip {
    const GAP: usize = 8;

    fn new(lines: &[(&str, ImageShape)]) -> Self {
        let side = |shape: &ImageShape| shape.width.max(shape.height);
        let fitted = |shape: &ImageShape| side(shape) * enlargement(STRIP_TILE, side(shape), 16);
        let cell = lines.iter().map(|(_, shape)| fitted(shape)).max().unwrap_or(0);
        let names = lines.iter().map(|(name, _)| text_width(name, LABEL)).max().unwrap_or(0);
        Self { cell, left: MARGIN + names + MARGIN, lines: lines.len() }
    }

    /// Height of one band: all lines of up to [`STRIP_SAMPLES`] samples, and the space below it.
    fn band(&self) -> usize {
        self.lines * (self.cell + Self::GAP) + 2 * Self::GAP
    }

    fn canvas(&self, lines: &[(&str, ImageShape)], samples: usize) -> Picture {
        let bands = samples.div_ceil(STRIP_SAMPLES).max(1);
        let columns = samples.clamp(1, STRIP_SAMPLES);
        let width = self.left + columns * (self.cell + Self::GAP) - Self::GAP + MARGIN;
        let height = 2 * MARGIN + bands * self.band() - 3 * Self::GAP;
        let mut picture = Picture::blank(width, height);
        for band in 0..bands {
            for (line, (name, _)) in lines.iter().enumerate() {
                let middle = self.top(band, line) + self.cell / 2 - text_height(LABEL) / 2;
                picture.write(Place::new(MARGIN, middle), name, LABEL, INK);
            }
        }
        picture
    }

    fn top(&self, band: usize, line: usize) -> usize {
        MARGIN + band * self.band() + line * (self.cell + Self::GAP)
    }

    /// The top left corner of a tile and the factor that it is enlarged by.
    fn place(&self, sample: usize, line: usize, shape: ImageShape) -> (Place, usize) {
        let enlarge = enlargement(self.cell, shape.width.max(shape.height), 16);
        let centred = |side: usize| (self.cell - side * enlarge) / 2;
        let x = self.left + sample % STRIP_SAMPLES * (self.cell + Self::GAP);
        let y = self.top(sample / STRIP_SAMPLES, line);
        (Place::new(x + centred(shape.width), y + centred(shape.height)), enlarge)
    }
}

/// `0..=1` if all values lie there, else from the smallest to the largest.
fn value_range(inputs: Rows<'_>) -> (f32, f32) {
    inputs.values().iter().fold((0.0, 1.0), |(low, high), &value| (value.min(low), value.max(high)))
}

fn draw_tile(
    picture: &mut Picture,
    place: Place,
    enlarge: usize,
    image: ImageShape,
    colour: impl Fn(usize) -> Rgb,
) {
    for cell in 0..image.width * image.height {
        let x = place.x + cell % image.width * enlarge;
        let y = place.y + cell / image.width * enlarge;
        picture.fill(Place::new(x, y), enlarge, enlarge, colour(cell));
    }
}

/// Units that are on as dark squares; the others faint, with a thin line between them if there is room.
fn draw_code(
    picture: &mut Picture,
    place: Place,
    enlarge: usize,
    grid: ImageShape,
    code: SdrRef<'_>,
) {
    let dot = if enlarge >= 4 { enlarge - 1 } else { enlarge };
    let at = |unit: usize| {
        Place::new(place.x + unit % grid.width * enlarge, place.y + unit / grid.width * enlarge)
    };
    for unit in 0..code.units() {
        picture.fill(at(unit), dot, dot, FAINT);
    }
    for &unit in code.indices() {
        picture.fill(at(unit as usize), dot, dot, ACTIVE);
    }
}

fn check_strips(
    inputs: Rows<'_>,
    codes: &SdrBatch,
    reconstructions: Option<Rows<'_>>,
    image: ImageShape,
) -> Result<()> {
    let count = |what: &str, got: usize| {
        let expected = format!("{} of them, one an input", inputs.len());
        if got == inputs.len() { Ok(()) } else { Err(Error::shape(what, expected, got)) }
    };
    check_image("inputs", inputs, image)?;
    inputs.check_finite("inputs")?;
    count("codes", codes.len())?;
    if let Some(rows) = reconstructions {
        count("reconstructions", rows.len())?;
        rows.check_width("reconstructions", inputs.width())?;
        rows.check_finite("reconstructions")?;
    }
    Ok(())
}

/// A row must fill the image exactly, or, where it is grey, up to some place in its last line.
fn check_image(what: &str, rows: Rows<'_>, image: ImageShape) -> Result<()> {
    let values = image.width * image.height * image.channels;
    let exact = rows.width() == values;
    let short = image.channels == 1 && values > rows.width() && values - rows.width() < image.width;
    if matches!(image.channels, 1 | 3) && (exact || short) {
        return Ok(());
    }
    let ImageShape { width, height, channels } = image;
    let got = format!("rows of {} values", rows.width());
    Err(Error::shape(
        what,
        format!("images of {width} x {height}, 1 or 3 channels (here {channels})"),
        got,
    ))
}
