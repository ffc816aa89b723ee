//! From a name to a data set in memory.

use std::env;
use std::path::{Path, PathBuf};

use super::array::Array;
use super::dataset::Dataset;
use super::input::extension;
use super::labels::Labels;
use super::npz::Npz;
use super::records::{self, CIFAR_IMAGE};
use super::sounds::{Collection, is_sound_folder};
use super::spec::{RowRange, Source, Spec};
use super::{folder, idx, known, npy, speech_sets, table};
use crate::error::{Error, Result};
use crate::rows::ImageShape;

/// The folders in which known data sets are looked for, in this order.
///
/// The default is none: then only `digits`, which the library carries, and paths are found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DataDirs {
    /// First come, first served.
    pub folders: Vec<PathBuf>,
}

impl DataDirs {
    /// `first` if given, then the folder in the environment variable `KWINNERS_DATA`, then
    /// [`DataDirs::user_folder`].
    pub fn standard(first: Option<&Path>) -> Self {
        let named = env::var_os("KWINNERS_DATA").filter(|value| !value.is_empty());
        let folders = first.map(Path::to_owned).into_iter();
        let folders = folders.chain(named.map(PathBuf::from)).chain(Self::user_folder());
        Self { folders: folders.collect() }
    }

    /// Where a user's data sets are kept and `kwinners data get` puts them: `kwinners` below
    /// `$XDG_DATA_HOME`, or below the platform's own place (`~/.local/share`, on macOS
    /// `~/Library/Application Support`, on Windows `%LOCALAPPDATA%`). `None` without a home.
    pub fn user_folder() -> Option<PathBuf> {
        let absolute =
            |name| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let native = if cfg!(windows) {
            absolute("LOCALAPPDATA")
        } else if cfg!(target_os = "macos") {
            env::home_dir().map(|home| home.join("Library/Application Support"))
        } else {
            env::home_dir().map(|home| home.join(".local/share"))
        };
        absolute("XDG_DATA_HOME").or(native).map(|folder| folder.join("kwinners"))
    }
}

/// Reads the data set that `spec` names; known sets are looked for in `dirs`.
///
/// # Errors
/// [`Error::MissingData`] if a known set is in none of the folders; [`Error::Format`] if a file is not
/// what its name or header promises; [`Error::NotFinite`] for NaN and infinity, with row and column
/// of the file; [`Error::Shape`] if labels, texts or the range do not fit the rows.
pub fn load(spec: &Spec, dirs: &DataDirs) -> Result<Dataset> {
    let name = spec.to_string();
    match spec.source() {
        Source::Known { name: set, split } => {
            let sounds = speech_sets::read(set, split, dirs, &name, spec.range());
            sounds.unwrap_or_else(|| known::read(set, split, dirs)?.cut(&name, spec.range()))
        }
        Source::Path { path, labels, split } => {
            load_path(path, labels.as_deref(), *split, &name, spec.range())
        }
    }
}

fn load_path(
    path: &Path,
    labels: Option<&str>,
    split: Option<&str>,
    name: &str,
    range: RowRange,
) -> Result<Dataset> {
    let folder = path.is_dir();
    let sounds = match folder {
        true => is_sound_folder(path)?,
        false => matches!(extension(path).as_str(), "tar" | "tgz"),
    };
    if let Some(labels) = labels.filter(|_| folder || sounds) {
        let expected = "no labels after a folder or archive, whose folders are the classes";
        return Err(Error::setting("data", expected, format!("`{labels}`")));
    }
    match split {
        _ if sounds => read_sounds(path, split, name, range),
        Some(split) => {
            let expected = "a split of a known set, or of sounds with a testing_list.txt";
            Err(Error::setting("data", expected, format!("`:{split}` of {}", path.display())))
        }
        None if folder => folder::read(path, name, range),
        None => read_file(path, labels)?.cut(name, range),
    }
}

/// A folder or archive of sounds, all of it or the split of its lists.
///
/// The classes are those of all its splits, so that a split which lacks one has the same labels.
fn read_sounds(path: &Path, split: Option<&str>, name: &str, range: RowRange) -> Result<Dataset> {
    let mut sounds = Collection::of_path(path)?;
    let classes = sounds.classes();
    if let Some(split) = split {
        sounds.keep_split(split)?;
    }
    sounds.dataset(name, range, classes)
}

/// What was read for a data set, before the rows are chosen.
pub(crate) struct Loaded {
    inputs: Array,
    /// Where the array's own shape does not say it.
    pub(crate) image: Option<ImageShape>,
    pub(crate) labels: Option<Labels>,
    pub(crate) texts: Option<Vec<String>>,
    /// The rows of the split; `None` is all.
    pub(crate) rows: Option<Vec<usize>>,
}

impl Loaded {
    pub(crate) fn new(inputs: Array) -> Self {
        Self { inputs, image: None, labels: None, texts: None, rows: None }
    }

    /// The rows of the split that lie in `range`.
    fn cut(self, name: &str, range: RowRange) -> Result<Dataset> {
        // A file of a few bytes may promise any number of empty rows.
        self.inputs.check_rows()?;
        let len = self.inputs.len();
        let places: Vec<usize> = match &self.rows {
            Some(rows) => rows[range.of(rows.len(), name)?].to_vec(),
            None => range.of(len, name)?.collect(),
        };
        let mut dataset = self.inputs.dataset(name, &places)?;
        if let Some(image) = self.image {
            dataset = dataset.with_image(image)?;
        }
        if let Some(labels) = self.labels {
            check_one_a_row("labels", name, len, labels.values.len())?;
            let chosen = places.iter().map(|&place| labels.values[place]).collect();
            dataset = dataset.with_labels(chosen, labels.classes)?;
        }
        if let Some(texts) = self.texts {
            check_one_a_row("texts", name, len, texts.len())?;
            dataset =
                dataset.with_texts(places.iter().map(|&place| texts[place].clone()).collect())?;
        }
        Ok(dataset)
    }
}

fn check_one_a_row(what: &str, name: &str, rows: usize, got: usize) -> Result<()> {
    if rows == got {
        return Ok(());
    }
    Err(Error::shape(format!("{what} of {name}"), format!("{rows}, one a row of the file"), got))
}

fn read_file(path: &Path, labels: Option<&str>) -> Result<Loaded> {
    let column = labels.and_then(|labels| labels.strip_prefix('@'));
    let extension = extension(path);
    if column.is_some() && extension != "csv" {
        let expected = "a label file: only a .csv has columns";
        return Err(Error::setting("data", expected, format!("`{}`", labels.unwrap_or_default())));
    }
    let mut loaded = match extension.as_str() {
        "npy" => Loaded::new(npy::read(path)?),
        "npz" => read_npz(path)?,
        "csv" => {
            let table = table::read(path, column)?;
            Loaded { labels: table.labels, ..Loaded::new(table.inputs) }
        }
        "bin" => {
            let (pixels, labels) = records::read_cifar(&[path])?;
            Loaded { image: Some(CIFAR_IMAGE), labels: Some(labels), ..Loaded::new(pixels) }
        }
        "bvecs" => Loaded::new(records::read_bvecs(path)?),
        _ => Loaded::new(idx::read(path)?),
    };
    if let (Some(labels), None) = (labels, column) {
        loaded.labels = Some(Labels::read(Path::new(labels))?);
    }
    Ok(loaded)
}

/// Inputs are the array `x` or `data`, or the only one; labels are `y` or `labels`.
fn read_npz(path: &Path) -> Result<Loaded> {
    let mut npz = Npz::open(path)?;
    let only = npz.names().first().filter(|_| npz.names().len() == 1).cloned();
    let inputs = npz.first_of(&["x", "data"]).or(only);
    let inputs = inputs.ok_or_else(|| npz.refuse("an array `x` or `data`, or only one array"))?;
    let mut loaded = Loaded::new(npz.array(&inputs)?);
    if let Some(labels) = npz.first_of(&["y", "labels"]) {
        loaded.labels = Some(Labels::from_array(&npz.array(&labels)?)?);
    }
    Ok(loaded)
}
