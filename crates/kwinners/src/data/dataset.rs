//! A data set in memory.

use std::ops::Range;

use crate::encoder::Inputs;
use crate::error::{Error, Result};
use crate::rows::{ImageShape, Rows};

/// A data set in memory: input vectors and, where known, labels, texts and the shape of an image.
///
/// ```
/// use kwinners::Dataset;
/// let classes = vec!["low".to_owned(), "high".to_owned()];
/// let set = Dataset::new("toy", vec![0.1, 0.2, 0.8, 0.9, 0.0, 0.1], 2)?;
/// let set = set.with_labels(vec![0, 1, 0], classes)?;
/// let (train, test) = set.split(2)?;
/// assert_eq!((train.len(), test.len()), (2, 1));
/// assert_eq!(test.rows().row(0), [0.0, 0.1]);
/// # Ok::<(), kwinners::Error>(())
/// ```
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
    /// One text a row, such as the word or the sentence that the row stands for.
    pub texts: Option<Vec<String>>,
}

impl Dataset {
    /// A data set of `inputs`, `(len, width)` row-major.
    ///
    /// # Errors
    /// If `inputs` is not a whole number of rows, or holds NaN or infinity.
    pub fn new(name: impl Into<String>, inputs: Vec<f32>, width: usize) -> Result<Self> {
        let name = name.into();
        Rows::new(&inputs, width)?.check_finite(&name)?;
        Ok(Self {
            name,
            inputs,
            width,
            image: None,
            labels: None,
            classes: Vec::new(),
            texts: None,
        })
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
        let plane = image.width.checked_mul(image.height);
        let values =
            plane.and_then(|plane| plane.checked_mul(image.channels)).unwrap_or(usize::MAX);
        if values != self.width {
            let expected = format!("an image of {} values", self.width);
            return Err(Error::shape(format!("images of {}", self.name), expected, values));
        }
        self.image = Some(image);
        Ok(self)
    }

    /// The same data set with one text a row.
    ///
    /// # Errors
    /// If there is not one text a row.
    pub fn with_texts(mut self, texts: Vec<String>) -> Result<Self> {
        if texts.len() != self.len() {
            let expected = format!("{} texts, one a row", self.len());
            return Err(Error::shape(format!("texts of {}", self.name), expected, texts.len()));
        }
        self.texts = Some(texts);
        Ok(self)
    }

    /// The same data set with its labels numbered as in `classes`, matched by name.
    ///
    /// Two folders or files with named classes number them on their own: where the test set lacks a
    /// class, its later labels would all be off by one. This puts them right.
    ///
    /// # Errors
    /// [`Error::UnknownName`] if a class that has a row is not among `classes`.
    pub fn with_classes_of(mut self, classes: &[String]) -> Result<Self> {
        let Some(labels) = &mut self.labels else {
            return Ok(self);
        };
        let known: Vec<&str> = classes.iter().map(String::as_str).collect();
        for label in labels.iter_mut() {
            let name = &self.classes[*label as usize];
            let place = known.iter().position(|class| class == name);
            let place = place.ok_or_else(|| Error::unknown_name("class", name, &known))?;
            *label = place as u32;
        }
        self.classes = classes.to_vec();
        Ok(self)
    }

    /// The rows at `places`, in that order, with their labels and texts.
    ///
    /// # Panics
    /// If a place is past the last row.
    pub fn select(&self, places: &[usize]) -> Self {
        let all = self.rows();
        let mut inputs = Vec::with_capacity(places.len() * self.width);
        for &place in places {
            inputs.extend_from_slice(all.row(place));
        }
        Self {
            name: self.name.clone(),
            inputs,
            width: self.width,
            image: self.image,
            labels: self.labels.as_deref().map(|labels| pick(labels, places)),
            classes: self.classes.clone(),
            texts: self.texts.as_deref().map(|texts| pick(texts, places)),
        }
    }

    /// The rows of `range`.
    ///
    /// # Errors
    /// If the range runs backwards or past the last row.
    pub fn slice(&self, range: Range<usize>) -> Result<Self> {
        if range.start > range.end || range.end > self.len() {
            let expected = format!("a range within 0..{}", self.len());
            return Err(Error::shape(
                format!("rows of {}", self.name),
                expected,
                format!("{range:?}"),
            ));
        }
        Ok(self.select(&range.collect::<Vec<_>>()))
    }

    /// The first `first` rows and the others.
    ///
    /// # Errors
    /// If there are not that many rows.
    pub fn split(&self, first: usize) -> Result<(Self, Self)> {
        Ok((self.slice(0..first)?, self.slice(first..self.len())?))
    }

    /// One label a row, where there are labels.
    pub fn labels(&self) -> Option<&[u32]> {
        self.labels.as_deref()
    }

    /// The labels, for work that can't be done without.
    ///
    /// # Errors
    /// [`Error::Unsupported`] that says how labels are given, if there are none.
    pub fn require_labels(&self) -> Result<&[u32]> {
        self.labels().ok_or_else(|| {
            let name = &self.name;
            Error::Unsupported(format!(
                "{name} has no labels; for a file, name them after a comma: `{name},LABELS`"
            ))
        })
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

    /// All inputs, and how they are laid out: what a new model looks at.
    pub fn inputs(&self) -> Inputs<'_> {
        Inputs { rows: self.rows(), image: self.image, classes: self.classes.len() }
    }

    /// All inputs.
    pub fn rows(&self) -> Rows<'_> {
        Rows::new(&self.inputs, self.width).expect("checked when the data set was made")
    }
}

fn pick<T: Clone>(items: &[T], places: &[usize]) -> Vec<T> {
    places.iter().map(|&place| items[place].clone()).collect()
}
