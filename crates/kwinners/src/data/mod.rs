//! Data sets and the formats that they come in.

use crate::error::{Error, Result};
use crate::rows::Rows;

/// A data set in memory: input vectors and, where known, labels and the shape of an image.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Dataset {
    /// What the user called it, such as `mnist:train[0..1000]`.
    pub name: String,
    /// `(len, width)`, row-major. Pixels lie in `0..=1`.
    inputs: Vec<f32>,
    width: usize,
    /// How a row is laid out as an image, where it is one.
    pub image: Option<ImageShape>,
    /// One label a row, each below the number of classes.
    pub labels: Option<Vec<u32>>,
    /// Names of the classes, in label order; empty where there are no labels.
    pub classes: Vec<String>,
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

impl Dataset {
    /// A data set of `inputs`, `(len, width)` row-major.
    ///
    /// # Errors
    /// If `inputs` is not a whole number of rows, or holds NaN or infinity.
    pub fn new(name: impl Into<String>, inputs: Vec<f32>, width: usize) -> Result<Self> {
        let name = name.into();
        Rows::new(&inputs, width)?.check_finite(&name)?;
        Ok(Self { name, inputs, width, image: None, labels: None, classes: Vec::new() })
    }

    /// The same data set with one label a row.
    ///
    /// # Errors
    /// If there is not one label a row, or a label is not below `classes.len()`.
    pub fn with_labels(mut self, labels: Vec<u32>, classes: Vec<String>) -> Result<Self> {
        if labels.len() != self.len() {
            let expected = format!("{} labels, one a row", self.len());
            return Err(Error::shape(format!("labels of {}", self.name), expected, labels.len()));
        }
        if let Some(label) = labels.iter().find(|&&label| label as usize >= classes.len()) {
            let expected = format!("labels below {}, the number of classes", classes.len());
            return Err(Error::shape(format!("labels of {}", self.name), expected, label));
        }
        (self.labels, self.classes) = (Some(labels), classes);
        Ok(self)
    }

    /// The same data set, each row an image.
    ///
    /// # Errors
    /// If the image does not have as many values as a row.
    pub fn with_image(mut self, image: ImageShape) -> Result<Self> {
        let values = image.width * image.height * image.channels;
        if values != self.width {
            let expected = format!("an image of {} values", self.width);
            return Err(Error::shape(format!("images of {}", self.name), expected, values));
        }
        self.image = Some(image);
        Ok(self)
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.inputs.len() / self.width
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.inputs.is_empty()
    }

    /// Values a row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// All inputs.
    pub fn rows(&self) -> Rows<'_> {
        Rows::new(&self.inputs, self.width).expect("checked when the data set was made")
    }
}
