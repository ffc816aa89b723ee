//! The one error type of the library.

use std::path::{Path, PathBuf};

/// What a call of this library returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything that can go wrong, said so that the user knows what was expected, what was found and where.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A length, width or number of units differs from what the call needs.
    #[error("{what}: expected {expected}, got {got}")]
    Shape {
        /// The thing that has the wrong shape.
        what: String,
        /// What would have been right.
        expected: String,
        /// What came.
        got: String,
    },
    /// A number is NaN or infinite.
    #[error("{what}: row {row}, column {column} is {value}; only finite numbers can be encoded")]
    NotFinite {
        /// Where the number was found, such as a file or "scores".
        what: String,
        /// Row of the number, from 0.
        row: usize,
        /// Column of the number, from 0.
        column: usize,
        /// The number itself.
        value: f32,
    },
    /// `winners` must lie between 1 and `units`.
    #[error("winners must lie between 1 and units: got {winners} winners of {units} units")]
    Winners {
        /// The `k` asked for.
        winners: usize,
        /// The `n` it was asked of.
        units: usize,
    },
    /// The indices of a code are not strictly increasing or not below `units`.
    #[error("not a code of {units} units: {reason}")]
    NotACode {
        /// The `n` of the code.
        units: usize,
        /// What is wrong with the indices.
        reason: String,
    },
    /// A setting has a value that it can't have.
    #[error("setting `{key}`: expected {expected}, got {got}")]
    Setting {
        /// The name of the setting.
        key: String,
        /// What would have been right.
        expected: String,
        /// What came.
        got: String,
    },
    /// A name is not known; the nearest known one is offered.
    #[error("unknown {what} `{name}`{}; known: {known}", nearest_phrase(.nearest))]
    UnknownName {
        /// What kind of name it is: "setting", "data set", "encoder kind".
        what: String,
        /// The name that came.
        name: String,
        /// The nearest known name, if one is near.
        nearest: Option<String>,
        /// All known names, joined by commas.
        known: String,
    },
    /// The operating system refused a file.
    #[error("{}: {source}", .path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// A data file does not have the form that its name or header promises.
    #[error("{}: {format}: expected {expected}, got {got}", .path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// The format it was read as, such as "IDX".
        format: &'static str,
        /// What would have been right.
        expected: String,
        /// What came.
        got: String,
    },
    /// A known data set lies in none of the folders that were searched.
    #[error("data set `{name}` is in none of: {}; {advice}", folders_phrase(.searched))]
    MissingData {
        /// The name of the data set.
        name: String,
        /// The folders, in the order in which they were searched.
        searched: Vec<PathBuf>,
        /// How to get it.
        advice: String,
    },
    /// A `.kw` file is damaged, cut short or not ours. Nothing of it is used.
    #[error("{}: refused: section `{section}`, byte {offset}: {reason}", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The section in which the damage was seen; `header` before the first section.
        section: String,
        /// Offset in the file, in bytes.
        offset: u64,
        /// What was expected and what was found.
        reason: String,
    },
    /// The request makes no sense for this model, data set or file.
    #[error("{0}")]
    Unsupported(String),
}

impl Error {
    /// A [`Error::Shape`] from anything that prints.
    pub fn shape(
        what: impl Into<String>,
        expected: impl std::fmt::Display,
        got: impl std::fmt::Display,
    ) -> Self {
        Self::Shape { what: what.into(), expected: expected.to_string(), got: got.to_string() }
    }

    /// A [`Error::Setting`] from anything that prints.
    pub fn setting(
        key: impl Into<String>,
        expected: impl std::fmt::Display,
        got: impl std::fmt::Display,
    ) -> Self {
        Self::Setting { key: key.into(), expected: expected.to_string(), got: got.to_string() }
    }

    /// A [`Error::Format`] from anything that prints.
    pub fn format(
        path: &Path,
        format: &'static str,
        expected: impl std::fmt::Display,
        got: impl std::fmt::Display,
    ) -> Self {
        let (expected, got) = (expected.to_string(), got.to_string());
        Self::Format { path: path.to_owned(), format, expected, got }
    }

    /// Wraps what the operating system said about `path`.
    pub fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Self + '_ {
        move |source| Self::Io { path: path.to_owned(), source }
    }

    /// A [`Error::UnknownName`] that offers the nearest of the known names.
    pub fn unknown_name(what: &str, name: &str, known: &[&str]) -> Self {
        let nearest = known
            .iter()
            .map(|candidate| (edit_distance(name, candidate), *candidate))
            .filter(|(distance, candidate)| *distance <= candidate.len().max(name.len()) / 2)
            .min()
            .map(|(_, candidate)| candidate.to_owned());
        Self::UnknownName {
            what: what.to_owned(),
            name: name.to_owned(),
            nearest,
            known: known.join(", "),
        }
    }
}

fn nearest_phrase(nearest: &Option<String>) -> String {
    nearest.as_ref().map(|name| format!(", did you mean `{name}`?")).unwrap_or_default()
}

fn folders_phrase(folders: &[PathBuf]) -> String {
    let folders: Vec<_> = folders.iter().map(|folder| folder.display().to_string()).collect();
    if folders.is_empty() { "(no folder given)".to_owned() } else { folders.join(", ") }
}

/// Levenshtein distance in characters. Cost: `O(a * b)` time, `O(b)` memory.
fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let substitute = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = substitute.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}
