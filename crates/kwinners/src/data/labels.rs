//! Labels: numbers as they are, names numbered in sorted order.

use std::path::Path;

use super::array::Array;
use super::input::{self, extension};
use super::{idx, npy};
use crate::error::{Error, Result};

/// Labels lie below this. A damaged file must not make us name four billion classes.
const LABEL_LIMIT: i64 = 1 << 16;

/// One label a row of a file, and the names of the classes.
#[derive(Clone, Debug)]
pub(crate) struct Labels {
    pub(crate) values: Vec<u32>,
    pub(crate) classes: Vec<String>,
}

impl Labels {
    /// Reads a label file: `.npy`, text with one label a line (`.txt`, `.csv`), else IDX.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        match extension(path).as_str() {
            "npy" => Self::from_array(&npy::read(path)?),
            "txt" | "csv" => Self::from_texts(path, "labels", &input::lines(path)?),
            _ => Self::from_array(&idx::read(path)?),
        }
    }

    /// Integers of any width, `(len,)` or `(len, 1)`.
    pub(crate) fn from_array(array: &Array) -> Result<Self> {
        if !matches!(array.shape[..], [_] | [_, 1]) {
            return Err(array.refuse("one label a row", format!("the shape {:?}", array.shape)));
        }
        Self::from_integers(&array.integers()?).map_err(|bad| array.refuse(range_of_labels(), bad))
    }

    /// Numbers if all texts are numbers, else names.
    pub(crate) fn from_texts(path: &Path, format: &'static str, texts: &[String]) -> Result<Self> {
        if let Some(row) = texts.iter().position(String::is_empty) {
            return Err(Error::format(path, format, "a label", format!("nothing in row {row}")));
        }
        let integers: Option<Vec<i64>> = texts.iter().map(|text| text.parse().ok()).collect();
        let Some(integers) = integers else {
            return Ok(Self::from_names(texts));
        };
        Self::from_integers(&integers)
            .map_err(|bad| Error::format(path, format, range_of_labels(), bad))
    }

    /// The labels, or the first integer that is none.
    fn from_integers(integers: &[i64]) -> std::result::Result<Self, i64> {
        if let Some(&bad) = integers.iter().find(|value| !(0..LABEL_LIMIT).contains(*value)) {
            return Err(bad);
        }
        let values: Vec<u32> = integers.iter().map(|&value| value as u32).collect();
        let count = values.iter().max().map_or(0, |&last| last + 1);
        Ok(Self { values, classes: (0..count).map(|class| class.to_string()).collect() })
    }

    fn from_names(names: &[String]) -> Self {
        let mut classes = names.to_vec();
        classes.sort_unstable();
        classes.dedup();
        let number = |name| classes.binary_search(name).expect("every name is a class") as u32;
        Self { values: names.iter().map(number).collect(), classes }
    }

    /// The same labels with other names for the classes.
    pub(crate) fn named(self, classes: Vec<String>) -> Self {
        Self { classes, ..self }
    }
}

fn range_of_labels() -> String {
    format!("labels from 0 to {}", LABEL_LIMIT - 1)
}
