//! Borrowed batches of input vectors, and how a vector can be laid out as an image.

use crate::error::{Error, Result};

/// A borrowed batch of vectors: `(len, width)`, row-major, `f32`.
///
/// ```
/// use kwinners::Rows;
/// let rows = Rows::new(&[1.0, 2.0, 3.0, 4.0], 2)?;
/// assert_eq!(rows.len(), 2);
/// assert_eq!(rows.row(1), [3.0, 4.0]);
/// # Ok::<(), kwinners::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rows<'a> {
    values: &'a [f32],
    width: usize,
}

impl<'a> Rows<'a> {
    /// Views `values` as rows of `width`.
    ///
    /// # Errors
    /// If `width` is 0 or does not divide the number of values.
    pub fn new(values: &'a [f32], width: usize) -> Result<Self> {
        if width == 0 || !values.len().is_multiple_of(width) {
            let got = format!("{} values in rows of {width}", values.len());
            return Err(Error::shape("rows", "a whole number of rows of at least 1 value", got));
        }
        Ok(Self { values, width })
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.values.len() / self.width
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Values a row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// All values, row after row.
    pub fn values(&self) -> &'a [f32] {
        self.values
    }

    /// Row `index`, `(width,)`.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn row(&self, index: usize) -> &'a [f32] {
        &self.values[index * self.width..][..self.width]
    }

    /// The rows of `range`.
    ///
    /// # Panics
    /// If the range reaches past the last row.
    pub fn slice(&self, range: std::ops::Range<usize>) -> Rows<'a> {
        let values = &self.values[range.start * self.width..range.end * self.width];
        Rows { values, width: self.width }
    }

    /// Row after row.
    pub fn iter(&self) -> std::slice::ChunksExact<'a, f32> {
        self.values.chunks_exact(self.width)
    }

    /// Cuts the batch into blocks of `len` rows, the last one perhaps shorter.
    ///
    /// Work is always cut this way, never by the number of threads: results can't depend on it.
    ///
    /// # Panics
    /// If `len` is 0.
    pub fn blocks(&self, len: usize) -> impl Iterator<Item = Rows<'a>> + use<'a> {
        let width = self.width;
        self.values.chunks(len * width).map(move |values| Rows { values, width })
    }

    /// Refuses NaN and infinity.
    ///
    /// # Errors
    /// [`Error::NotFinite`] with the first bad number's place; `what` names the batch.
    pub fn check_finite(&self, what: &str) -> Result<()> {
        // Whole chunks without a branch first: this check stands before every encoding.
        let all_finite =
            |chunk: &[f32]| chunk.iter().fold(true, |all, value| all & value.is_finite());
        let Some(chunk) = self.values.chunks(256).position(|chunk| !all_finite(chunk)) else {
            return Ok(());
        };
        let within = self.values[chunk * 256..].iter().position(|value| !value.is_finite());
        let place = chunk * 256 + within.unwrap_or(0);
        let (row, column) = (place / self.width, place % self.width);
        Err(Error::NotFinite { what: what.to_owned(), row, column, value: self.values[place] })
    }

    /// Refuses rows of another width.
    ///
    /// # Errors
    /// [`Error::Shape`] that names `what`.
    pub fn check_width(&self, what: &str, expected: usize) -> Result<()> {
        if self.width == expected {
            return Ok(());
        }
        let expected = format!("rows of {expected} values");
        Err(Error::shape(what, expected, format!("rows of {} values", self.width)))
    }
}

/// Layout of a row as an image: `channels` planes of `height` rows of `width` pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImageShape {
    /// Pixels from left to right.
    pub width: usize,
    /// Pixels from top to bottom.
    pub height: usize,
    /// Planes: 1 for grey, 3 for red, green, blue.
    pub channels: usize,
}

/// Longest side of an image that encoders take.
const LONGEST_SIDE: usize = 1 << 16;
/// Largest image that encoders take, in values: what is above is a forged file.
const MOST_VALUES: usize = 1 << 28;

impl ImageShape {
    /// Refuses shapes that rows of `width` can't have, and sides that no image has.
    pub(crate) fn check(&self, width: usize) -> Result<()> {
        let sides = [self.channels, self.height, self.width];
        let values = sides.into_iter().try_fold(1, usize::checked_mul);
        let usual = sides.iter().all(|side| (1..=LONGEST_SIDE).contains(side));
        if values == Some(width) && usual && width <= MOST_VALUES {
            return Ok(());
        }
        let expected = format!("{width} values, sides of 1 to {LONGEST_SIDE}");
        let [channels, height, width] = sides;
        Err(Error::shape("image", expected, format!("{width}x{height}, {channels} channels")))
    }
}

impl<'a> IntoIterator for &Rows<'a> {
    type Item = &'a [f32];
    type IntoIter = std::slice::ChunksExact<'a, f32>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
