//! What a model is besides its settings, as a file keeps it.

use std::fmt::Display;
use std::str::FromStr;

use crate::error::{Error, Result};
use crate::rows::ImageShape;

/// Numbers and arrays by name: put in one by one to be saved, taken out once each when loaded.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct State {
    pub(crate) numbers: Vec<(String, String)>,
    /// Little-endian.
    pub(crate) arrays: Vec<(String, Vec<u8>)>,
}

impl State {
    /// Puts a number in; the text of an `f32` is its shortest exact form.
    pub(crate) fn push(&mut self, name: &str, number: impl Display) {
        self.numbers.push((name.to_owned(), number.to_string()));
    }

    /// Puts an array in; `name` is of lower-case letters, at most 16.
    pub(crate) fn push_array<T: Number>(&mut self, name: &str, values: &[T]) {
        let bytes = values.iter().flat_map(Number::to_bytes).collect();
        self.arrays.push((name.to_owned(), bytes));
    }

    /// Takes a number out, which must be there and of the right kind.
    pub(crate) fn take<T: FromStr>(&mut self, name: &str) -> Result<T> {
        let place = self.numbers.iter().position(|(other, _)| other == name);
        let Some(place) = place else { return Err(Error::shape(name, "a number", "nothing")) };
        let (_, text) = self.numbers.remove(place);
        text.parse().map_err(|_| Error::shape(name, "another number", text))
    }

    /// Takes an array out, which must be there and of whole numbers.
    pub(crate) fn take_array<T: Number>(&mut self, name: &str) -> Result<Vec<T>> {
        let place = self.arrays.iter().position(|(other, _)| other == name);
        let Some(place) = place else { return Err(Error::shape(name, "an array", "nothing")) };
        let (_, bytes) = self.arrays.remove(place);
        T::from_all(&bytes).ok_or_else(|| {
            let expected = format!("whole numbers of {} bytes", size_of::<T>());
            Error::shape(name, expected, format!("{} bytes", bytes.len()))
        })
    }

    /// Puts in how inputs lie as images, where they do.
    pub(crate) fn push_image(&mut self, image: Option<ImageShape>) {
        if let Some(ImageShape { width, height, channels }) = image {
            self.push("image_channels", channels);
            self.push("image_height", height);
            self.push("image_width", width);
        }
    }

    /// Takes out how inputs of `width` lie as images, if they do.
    pub(crate) fn take_image(&mut self, width: usize) -> Result<Option<ImageShape>> {
        if !self.numbers.iter().any(|(name, _)| name == "image_channels") {
            return Ok(None);
        }
        let image = ImageShape {
            channels: self.take("image_channels")?,
            height: self.take("image_height")?,
            width: self.take("image_width")?,
        };
        image.check(width).map(|()| Some(image))
    }

    /// As [`State::take_image`], for kinds that know images only.
    pub(crate) fn require_image(&mut self, width: usize) -> Result<ImageShape> {
        let image = self.take_image(width)?;
        image.ok_or_else(|| Error::shape("image", "a shape", "nothing"))
    }

    /// Nothing may be left over.
    pub(crate) fn finish(&self) -> Result<()> {
        let left = self.numbers.iter().map(|(name, _)| name);
        match left.chain(self.arrays.iter().map(|(name, _)| name)).next() {
            None => Ok(()),
            Some(name) => Err(Error::shape(name, "nothing of this name", "something")),
        }
    }
}

/// A number that arrays are made of.
pub(crate) trait Number: Sized {
    fn to_bytes(&self) -> impl Iterator<Item = u8>;
    fn from_all(bytes: &[u8]) -> Option<Vec<Self>>;
}

macro_rules! number {
    ($($kind:ty),*) => {
        $(impl Number for $kind {
            fn to_bytes(&self) -> impl Iterator<Item = u8> {
                self.to_le_bytes().into_iter()
            }

            fn from_all(bytes: &[u8]) -> Option<Vec<Self>> {
                let (values, rest) = bytes.as_chunks();
                rest.is_empty().then(|| values.iter().map(|b| Self::from_le_bytes(*b)).collect())
            }
        })*
    };
}
number!(f32, u8, u16, u32, u64);
