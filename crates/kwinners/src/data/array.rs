//! A numeric array as a file holds it, turned into inputs or labels on demand.

use std::path::PathBuf;

use half::f16;

use super::dataset::Dataset;
use crate::error::{Error, Result};
use crate::rows::ImageShape;

/// The type of the numbers of an [`Array`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Bool,
    U8,
    I8,
    U16,
    I16,
    U32,
    I32,
    U64,
    I64,
    F16,
    F32,
    F64,
}

impl Kind {
    /// Bytes a number.
    pub(crate) fn bytes(self) -> usize {
        match self {
            Self::Bool | Self::U8 | Self::I8 => 1,
            Self::U16 | Self::I16 | Self::F16 => 2,
            Self::U32 | Self::I32 | Self::F32 => 4,
            Self::U64 | Self::I64 | Self::F64 => 8,
        }
    }

    fn is_integer(self) -> bool {
        !matches!(self, Self::F16 | Self::F32 | Self::F64)
    }
}

/// How the bytes of a file lie.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    pub(crate) kind: Kind,
    pub(crate) shape: Vec<usize>,
    pub(crate) big_endian: bool,
    /// First axis fastest.
    pub(crate) fortran: bool,
}

impl Layout {
    /// Bytes of the whole array; `None` if that is no number of bytes that a computer has.
    pub(crate) fn bytes(&self) -> Option<u64> {
        let axes = self.shape.iter().map(|&axis| axis as u64);
        let items = axes.into_iter().try_fold(1u64, u64::checked_mul)?;
        items.checked_mul(self.kind.bytes() as u64)
    }
}

/// A numeric array, `shape`, in C order and little-endian, and where it came from.
#[derive(Clone, Debug)]
pub(crate) struct Array {
    path: PathBuf,
    format: &'static str,
    pub(crate) kind: Kind,
    pub(crate) shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl Array {
    /// Takes over `bytes`, which must be as many as `layout` says, and puts them in order.
    pub(crate) fn new(path: PathBuf, format: &'static str, layout: Layout, bytes: Vec<u8>) -> Self {
        debug_assert_eq!(layout.bytes(), Some(bytes.len() as u64), "the reader checks the length");
        let (size, several) = (layout.kind.bytes(), layout.shape.len() > 1);
        let mut bytes = match layout.fortran && several && !bytes.is_empty() {
            true => from_fortran(&bytes, size, &layout.shape),
            false => bytes,
        };
        if layout.big_endian && size > 1 {
            bytes.chunks_exact_mut(size).for_each(<[u8]>::reverse);
        }
        Self { path, format, kind: layout.kind, shape: layout.shape, bytes }
    }

    /// An array of `f32` that a reader of texts has made, `(len, width)`.
    pub(crate) fn of_numbers(
        path: PathBuf,
        format: &'static str,
        numbers: &[f32],
        width: usize,
    ) -> Self {
        let shape = vec![numbers.len().checked_div(width).unwrap_or(0), width];
        let bytes = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        Self { path, format, kind: Kind::F32, shape, bytes }
    }

    /// An array of bytes that a reader of records has made, `(len, width)`.
    pub(crate) fn of_bytes(
        path: PathBuf,
        format: &'static str,
        bytes: Vec<u8>,
        width: usize,
    ) -> Self {
        let shape = vec![bytes.len().checked_div(width).unwrap_or(0), width];
        Self { path, format, kind: Kind::U8, shape, bytes }
    }

    /// The [`Error::Format`] of the file that the array came from.
    pub(crate) fn refuse(
        &self,
        expected: impl std::fmt::Display,
        got: impl std::fmt::Display,
    ) -> Error {
        Error::format(&self.path, self.format, expected, got)
    }

    /// Length of the first axis.
    pub(crate) fn len(&self) -> usize {
        self.shape.first().copied().unwrap_or(0)
    }

    /// The bytes of row `row`, `(width * kind.bytes(),)`.
    pub(crate) fn row_bytes(&self, row: usize) -> &[u8] {
        let width: usize = self.shape[1..].iter().product::<usize>() * self.kind.bytes();
        &self.bytes[row * width..][..width]
    }

    /// The rows at `places` as a data set: `(places.len(), width)`.
    ///
    /// Images with the channels last are turned into planes.
    pub(crate) fn dataset(&self, name: &str, places: &[usize]) -> Result<Dataset> {
        let (width, image) = self.row_layout()?;
        let mut inputs = Vec::new();
        for &place in places {
            self.push_row(place, &mut inputs);
        }
        if self.shape.len() == 4 {
            inputs.chunks_exact_mut(width).for_each(|row| to_planes(row, self.shape[3]));
        }
        let dataset = Dataset::new(name, inputs, width);
        let dataset = dataset.map_err(|error| at_file_row(error, places))?;
        match image {
            Some(image) => dataset.with_image(image),
            None => Ok(dataset),
        }
    }

    /// Refuses what has no rows, or rows without values.
    pub(crate) fn check_rows(&self) -> Result<()> {
        self.row_layout().map(drop)
    }

    /// Values a row, and what they look like.
    fn row_layout(&self) -> Result<(usize, Option<ImageShape>)> {
        let image = |height, width, channels| Some(ImageShape { width, height, channels });
        match self.shape[..] {
            _ if self.shape.contains(&0) => {}
            [_, width] => return Ok((width, None)),
            [_, height, width] => return Ok((height * width, image(height, width, 1))),
            [_, height, width, channels @ 1..=4] => {
                return Ok((height * width * channels, image(height, width, channels)));
            }
            _ => {}
        }
        let expected = "at least one row, as (len, width), (len, height, width) or \
                        (len, height, width, channels) with at most 4 channels";
        Err(self.refuse(expected, format!("the shape {:?}", self.shape)))
    }

    /// Appends row `row` as `f32`; `u8` is scaled by 1 / 255, all others are taken as they are.
    fn push_row(&self, row: usize, out: &mut Vec<f32>) {
        let bytes = self.row_bytes(row);
        match self.kind {
            Kind::U8 => out.extend(bytes.iter().map(|&byte| f32::from(byte) / 255.0)),
            kind => push_numbers(kind, bytes, out),
        }
    }

    /// The array as integers, flat, in C order. Of `u64`, what is past `i64::MAX` is refused.
    pub(crate) fn integers(&self) -> Result<Vec<i64>> {
        if !self.kind.is_integer() {
            return Err(self.refuse("integers", format!("numbers of type {:?}", self.kind)));
        }
        let integers =
            self.bytes.chunks_exact(self.kind.bytes()).map(|item| integer(self.kind, item));
        let integers: Vec<i64> = integers.collect();
        if self.kind == Kind::U64 && integers.iter().any(|&value| value < 0) {
            return Err(self.refuse("integers below 2^63", "a larger one"));
        }
        Ok(integers)
    }

    /// The array as `f32`, flat, in C order and not scaled.
    pub(crate) fn numbers(&self) -> Vec<f32> {
        let mut numbers = Vec::new();
        push_numbers(self.kind, &self.bytes, &mut numbers);
        numbers
    }
}

/// Says the row of the file and not the row of the chosen ones.
pub(crate) fn at_file_row(error: Error, places: &[usize]) -> Error {
    match error {
        Error::NotFinite { what, row, column, value } => {
            Error::NotFinite { what, row: places[row], column, value }
        }
        other => other,
    }
}

/// Appends little-endian numbers of `kind` as `f32`.
fn push_numbers(kind: Kind, bytes: &[u8], out: &mut Vec<f32>) {
    match kind {
        Kind::F16 => convert(bytes, out, |item| f16::from_le_bytes(item).to_f32()),
        Kind::F32 => convert(bytes, out, f32::from_le_bytes),
        Kind::F64 => convert(bytes, out, |item| f64::from_le_bytes(item) as f32),
        Kind::U64 => convert(bytes, out, |item| u64::from_le_bytes(item) as f32),
        _ => out.extend(bytes.chunks_exact(kind.bytes()).map(|item| integer(kind, item) as f32)),
    }
}

fn convert<const N: usize>(bytes: &[u8], out: &mut Vec<f32>, read: impl Fn([u8; N]) -> f32) {
    out.extend(bytes.as_chunks::<N>().0.iter().map(|item| read(*item)));
}

/// A little-endian integer of `kind`; a `u64` past `i64::MAX` comes out negative.
fn integer(kind: Kind, item: &[u8]) -> i64 {
    let mut wide = [0; 8];
    wide[..item.len()].copy_from_slice(item);
    let unsigned = i64::from_le_bytes(wide);
    let unused_bits = 64 - 8 * item.len() as u32;
    match kind {
        Kind::I8 | Kind::I16 | Kind::I32 => (unsigned << unused_bits) >> unused_bits,
        _ => unsigned,
    }
}

/// Pixels of `channels` values each, turned into `channels` planes, in place.
pub(crate) fn to_planes(row: &mut [f32], channels: usize) {
    if channels == 1 {
        return;
    }
    let interleaved = row.to_vec();
    let plane = row.len() / channels;
    for (place, value) in row.iter_mut().enumerate() {
        *value = interleaved[place % plane * channels + place / plane];
    }
}

/// The same array, last axis fastest. Cost: one pass, `O(len * axes)`.
fn from_fortran(bytes: &[u8], size: usize, shape: &[usize]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut place = vec![0; shape.len()];
    for _ in 0..bytes.len() / size {
        let from = shape.iter().zip(&place).rev().fold(0, |from, (axis, at)| from * axis + at);
        out.extend_from_slice(&bytes[from * size..][..size]);
        for (at, axis) in place.iter_mut().zip(shape).rev() {
            *at += 1;
            if *at < *axis {
                break;
            }
            *at = 0;
        }
    }
    out
}
