//! What the user writes to name a data set.

use std::fmt;
use std::ops::Range;
use std::path::PathBuf;
use std::str::FromStr;

use super::known::{KnownSet, known};
use super::sounds::SPLITS;
use crate::error::{Error, Result};

/// A data set as the user names it: a known name or a path, and which rows of it.
///
/// - `NAME`, `NAME:SPLIT`: a known set (see [`known`]); without a split its first one, which is the
///   training part where there is one, and all rows of `digits` and `glove`.
/// - `PATH`: a file or folder; it holds a `/`, a `\` or a `.` (`./photos`), or else it is a name.
///   `:train`, `:test` or `:val` after a folder or archive of sounds is the split by its
///   `testing_list.txt` and `validation_list.txt`.
/// - `[A..B]` after either: rows `A` to `B`, `B` not included; either may be left out.
/// - `,LABELS` after a path: a label file, or `@COLUMN` of a `.csv` (its header, its number from 0, or
///   `last`). Labels are for all rows of the file; the range chooses among both.
///
/// [`Display`](fmt::Display) writes what [`Spec::parse`] reads, with the split that was meant.
///
/// ```
/// use kwinners::data::Spec;
/// assert_eq!(Spec::parse("mnist[..1000]")?.to_string(), "mnist:train[0..1000]");
/// assert_eq!(Spec::parse("x.npy[5..],y.npy")?.to_string(), "x.npy[5..],y.npy");
/// let mistake = Spec::parse("mnits:train").unwrap_err();
/// assert!(mistake.to_string().contains("did you mean `mnist`?"));
/// # Ok::<(), kwinners::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spec {
    source: Source,
    range: RowRange,
}

/// Where the rows come from.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Source {
    /// A known data set.
    #[non_exhaustive]
    Known {
        /// Its name.
        name: &'static str,
        /// One of its splits.
        split: &'static str,
    },
    /// A file or folder, and where its labels are.
    #[non_exhaustive]
    Path {
        /// The file or folder.
        path: PathBuf,
        /// What stood after the comma: a file, or `@COLUMN`.
        labels: Option<String>,
        /// `train`, `test` or `val`, where that was asked for.
        split: Option<&'static str>,
    },
}

/// Rows from `start` to `end`, `end` not included; `None` is the last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RowRange {
    /// First row.
    pub start: usize,
    /// The row after the last one.
    pub end: Option<usize>,
}

impl RowRange {
    /// The range among `len` rows of `what`.
    ///
    /// # Errors
    /// [`Error::Shape`] if it runs past the last row.
    pub fn of(self, len: usize, what: &str) -> Result<Range<usize>> {
        let end = self.end.unwrap_or(len);
        if self.start > end || end > len {
            let expected = format!("a range within 0..{len}");
            return Err(Error::shape(format!("rows of {what}"), expected, format!("{self}")));
        }
        Ok(self.start..end)
    }
}

impl fmt::Display for RowRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.start, self.end) {
            (0, None) => Ok(()),
            (start, None) => write!(f, "[{start}..]"),
            (start, Some(end)) => write!(f, "[{start}..{end}]"),
        }
    }
}

impl Spec {
    /// Reads a data set's name; looks at no file.
    ///
    /// # Errors
    /// [`Error::UnknownName`] for an unknown set or split, with the nearest; [`Error::Setting`] for a
    /// range that is none, and for labels where they can't be.
    pub fn parse(text: &str) -> Result<Self> {
        let (front, labels) = match text.split_once(',') {
            Some((front, labels)) => (front, Some(labels)),
            None => (text, None),
        };
        let (place, range) = cut_range(front)?;
        let source = match place.contains(['/', '\\', '.']) {
            true => path_source(place, labels)?,
            false => known_source(place, labels)?,
        };
        Ok(Self { source, range })
    }

    /// Where the rows come from.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// Which rows are meant.
    pub fn range(&self) -> RowRange {
        self.range
    }
}

impl FromStr for Spec {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::parse(text)
    }
}

impl fmt::Display for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let range = self.range;
        match &self.source {
            Source::Known { name, split: "all" } => write!(f, "{name}{range}"),
            Source::Known { name, split } => write!(f, "{name}:{split}{range}"),
            Source::Path { path, labels, split } => {
                write!(f, "{}", path.display())?;
                split.map_or(Ok(()), |split| write!(f, ":{split}"))?;
                write!(f, "{range}")?;
                labels.as_ref().map_or(Ok(()), |labels| write!(f, ",{labels}"))
            }
        }
    }
}

/// Takes `[A..B]` off the end. Brackets without `..` are part of a file's name.
fn cut_range(text: &str) -> Result<(&str, RowRange)> {
    let Some((place, range)) = text.strip_suffix(']').and_then(|text| text.rsplit_once('[')) else {
        return Ok((text, RowRange::default()));
    };
    let Some((start, end)) = range.split_once("..") else {
        return Ok((text, RowRange::default()));
    };
    let wrong = || Error::setting("data", "a range such as [0..1000]", format!("`{text}`"));
    let number = |digits: &str| digits.parse::<usize>().map_err(|_| wrong());
    let start = if start.is_empty() { 0 } else { number(start)? };
    let end = if end.is_empty() { None } else { Some(number(end)?) };
    let nested = cut_range(place).map_or(true, |(front, _)| front != place);
    if nested || end.is_some_and(|end| end <= start) {
        return Err(wrong());
    }
    Ok((place, RowRange { start, end }))
}

fn path_source(place: &str, labels: Option<&str>) -> Result<Source> {
    let name = labels.map(|labels| labels.strip_prefix('@').unwrap_or(labels));
    if name.is_some_and(|name| name.is_empty() || name.contains(',')) {
        let expected = "one label file or @COLUMN after the comma";
        return Err(Error::setting("data", expected, format!("`{}`", labels.unwrap_or_default())));
    }
    let split = SPLITS.into_iter().find(|split| {
        place.strip_suffix(split).is_some_and(|front| front.len() > 1 && front.ends_with(':'))
    });
    let place = split.map_or(place, |split| &place[..place.len() - split.len() - 1]);
    Ok(Source::Path { path: PathBuf::from(place), labels: labels.map(str::to_owned), split })
}

fn known_source(place: &str, labels: Option<&str>) -> Result<Source> {
    let (name, split) = match place.split_once(':') {
        Some((name, split)) => (name, Some(split)),
        None => (place, None),
    };
    let set = find(name)?;
    if labels.is_some() {
        let expected = format!("no labels after `{name}`, which has its own or none");
        return Err(Error::setting("data", expected, format!("`{}`", labels.unwrap_or_default())));
    }
    let split = match split {
        None => set.splits[0],
        Some(wanted) => {
            *set.splits.iter().find(|split| **split == wanted).ok_or_else(|| {
                Error::unknown_name(&format!("split of {name}"), wanted, set.splits)
            })?
        }
    };
    Ok(Source::Known { name: set.name, split })
}

fn find(name: &str) -> Result<&'static KnownSet> {
    known().iter().find(|set| set.name == name).ok_or_else(|| {
        let names: Vec<&str> = known().iter().map(|set| set.name).collect();
        match Error::unknown_name("data set", name, &names) {
            Error::UnknownName { what, name, nearest, known } => {
                let known = format!("{known}, or a path, which holds a `/` or a `.`");
                Error::UnknownName { what, name, nearest, known }
            }
            other => other,
        }
    })
}
