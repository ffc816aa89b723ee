//! The data sets that are known by name.

use std::path::{Path, PathBuf};

use super::array::Array;
use super::labels::Labels;
use super::load::{DataDirs, Loaded};
use super::records::{self, CIFAR_IMAGE};
use super::sounds::speaker_of;
use super::{digits, idx, input, npy, table};
use crate::error::{Error, Result};

/// A data set that is known by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KnownSet {
    /// What it is called in a [`Spec`](super::Spec).
    pub name: &'static str,
    /// What it holds, in one line.
    pub what: &'static str,
    /// Its splits; the first is meant where none is named.
    pub splits: &'static [&'static str],
    /// The licence, as its authors or those who pass it on state it.
    pub licence: &'static str,
    /// Its files, below a data folder; empty if the library carries it.
    pub files: &'static str,
    /// Whether `kwinners data get` can fetch it.
    pub downloadable: bool,
}

/// All data sets that are known by name.
///
/// ```
/// use kwinners::data::known;
/// assert!(known().iter().any(|set| set.name == "mnist" && set.splits == ["train", "test"]));
/// ```
pub fn known() -> &'static [KnownSet] {
    &KNOWN
}

static KNOWN: [KnownSet; 11] = [
    KnownSet {
        name: "digits",
        what: "1,797 handwritten digits, 8 x 8 grey; train 1,415, test 382 by other people",
        splits: &["all", "train", "test"],
        licence: "CC BY 4.0 (E. Alpaydin, C. Kaynak, UCI 1998, doi 10.24432/C50P49)",
        files: "",
        downloadable: false,
    },
    KnownSet {
        name: "mnist",
        what: "handwritten digits, 28 x 28 grey; train 60,000, test 10,000",
        splits: &["train", "test"],
        licence: "CC BY-SA 3.0 (Y. LeCun, C. Cortes)",
        files: "mnist/{train,t10k}-{images-idx3,labels-idx1}-ubyte[.gz]",
        downloadable: true,
    },
    KnownSet {
        name: "fashion-mnist",
        what: "clothing in ten classes, 28 x 28 grey; train 60,000, test 10,000",
        splits: &["train", "test"],
        licence: "MIT (Zalando SE)",
        files: "fashion-mnist/{train,t10k}-{images-idx3,labels-idx1}-ubyte[.gz]",
        downloadable: true,
    },
    KnownSet {
        name: "cifar-10",
        what: "photos in ten classes, 32 x 32 colour; the training batches that are there, from 1 on",
        splits: &["train", "test"],
        licence: "none stated (A. Krizhevsky 2009)",
        files: "cifar-10/data_batch_{1..5}.bin[.gz], cifar-10/test_batch[_first2000].bin[.gz]",
        downloadable: false,
    },
    KnownSet {
        name: "speech-commands",
        what: "12 spoken words as log-mel spectrograms, 32 bands x 32 frames; train 6,000, test 600",
        splits: &["train", "test", "train-by-speaker"],
        licence: "CC BY 4.0 (Google)",
        files: "speech-commands/{train,test}-{mel32-idx3,labels-idx1}-ubyte[.gz], words.txt, \
                train-clips.txt[.gz]",
        downloadable: false,
    },
    KnownSet {
        name: "speech-commands-wav",
        what: "12 spoken words as sound, 16,000 samples; train 1,080, speaker by speaker, test 360 \
               by other people",
        splits: &["train", "test", "train-with-silence"],
        licence: "CC BY 4.0 (Google)",
        files: "speech-commands/speech_commands_12[.tar][.gz], words.txt",
        downloadable: false,
    },
    KnownSet {
        name: "free-spoken-digits",
        what: "spoken digits by 6 people as sound, 16,000 samples; train 2,700, speaker by speaker, \
               test 300 by the same people",
        splits: &["train", "test"],
        licence: "CC BY-SA 4.0 (Z. Jackson and others)",
        files: "free-spoken-digits/{fsdd-recordings.tar[.gz],recordings}",
        downloadable: false,
    },
    KnownSet {
        name: "free-spoken-digits-speakers",
        what: "the same sounds; train 2,000 by four people, speaker by speaker, test 1,000 by the \
               other two, theo and yweweler",
        splits: &["train", "test"],
        licence: "CC BY-SA 4.0 (Z. Jackson and others)",
        files: "free-spoken-digits/{fsdd-recordings.tar[.gz],recordings}",
        downloadable: false,
    },
    KnownSet {
        name: "clinc150",
        what: "sentence embeddings of questions with 150 intents, 384 wide, in-scope rows only; \
               train 15,000, val 3,000, test 4,500",
        splits: &["train", "val", "test"],
        licence: "CC BY 3.0 (Larson et al. 2019)",
        files: "embeddings/clinc150-minilm-384-f16{.npy,-labels.npy,-classes.txt,-texts.csv}",
        downloadable: false,
    },
    KnownSet {
        name: "banking77",
        what: "sentence embeddings of bank questions with 77 intents, 384 wide; train 10,003, test 3,080",
        splits: &["train", "test"],
        licence: "CC BY 4.0 (Casanueva et al. 2020)",
        files: "embeddings/banking77-minilm-384-f32{.npy,-labels.npy,-classes.txt,-texts.csv}",
        downloadable: false,
    },
    KnownSet {
        name: "glove",
        what: "word vectors of the 30,000 most frequent words, 100 wide, no labels",
        splits: &["all"],
        licence: "PDDL 1.0 (Pennington et al. 2014)",
        files: "embeddings/glove-6b-100-top30k{-f16.npy,-words.txt}",
        downloadable: false,
    },
];

const FASHION_CLASSES: [&str; 10] = [
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
];

/// Reads the split of a known set that is no set of sounds.
pub(crate) fn read(name: &'static str, split: &str, dirs: &DataDirs) -> Result<Loaded> {
    match name {
        "digits" => digits::load(split),
        "mnist" => {
            let classes = (0..10).map(|digit| digit.to_string()).collect();
            read_mnist("mnist", split, dirs, classes)
        }
        "fashion-mnist" => {
            let classes = FASHION_CLASSES.map(str::to_owned).to_vec();
            read_mnist("fashion-mnist", split, dirs, classes)
        }
        "cifar-10" => read_cifar(split, dirs),
        "speech-commands" => read_speech(split, dirs),
        "clinc150" => read_sentences("clinc150", "clinc150-minilm-384-f16", split, dirs),
        "banking77" => read_sentences("banking77", "banking77-minilm-384-f32", split, dirs),
        _ => read_glove(dirs),
    }
}

fn read_mnist(name: &str, split: &str, dirs: &DataDirs, classes: Vec<String>) -> Result<Loaded> {
    let part = if split == "test" { "t10k" } else { "train" };
    let images = format!("{name}/{part}-images-idx3-ubyte");
    let folder = find(name, &images, dirs)?;
    let mut loaded = Loaded::new(idx::read(&packed_or_not(&folder, &images))?);
    let labels = packed_or_not(&folder, &format!("{name}/{part}-labels-idx1-ubyte"));
    loaded.labels = Some(Labels::from_array(&idx::read(&labels)?)?.named(classes));
    Ok(loaded)
}

fn read_speech(split: &str, dirs: &DataDirs) -> Result<Loaded> {
    let part = if split == "test" { "test" } else { "train" };
    let images = format!("speech-commands/{part}-mel32-idx3-ubyte");
    let folder = find("speech-commands", &images, dirs)?;
    let inputs = idx::read(&packed_or_not(&folder, &images))?;
    let len = inputs.len();
    let mut loaded = Loaded::new(inputs);
    let labels = packed_or_not(&folder, &format!("speech-commands/{part}-labels-idx1-ubyte"));
    let classes = input::lines(&folder.join("speech-commands/words.txt"))?;
    loaded.labels = Some(Labels::from_array(&idx::read(&labels)?)?.named(classes));
    if split == "train-by-speaker" {
        let clips = packed_or_not(&folder, "speech-commands/train-clips.txt");
        let texts = input::lines(&clips)?;
        // Where there are more or fewer names than images, `cut` says so.
        let mut rows: Vec<usize> = (0..len.min(texts.len())).collect();
        rows.sort_by_key(|&row| (speaker_of(&texts[row]), row));
        loaded.rows = Some(rows);
        loaded.texts = Some(texts);
    }
    Ok(loaded)
}

fn read_cifar(split: &str, dirs: &DataDirs) -> Result<Loaded> {
    let names: &[&str] = match split {
        "test" => &["test_batch.bin", "test_batch_first2000.bin"],
        _ => &[
            "data_batch_1.bin",
            "data_batch_2.bin",
            "data_batch_3.bin",
            "data_batch_4.bin",
            "data_batch_5.bin",
        ],
    };
    let names = names.iter().map(|name| format!("cifar-10/{name}")).collect::<Vec<_>>();
    let folder = names.iter().find_map(|name| find("cifar-10", name, dirs).ok());
    let folder = folder.map_or_else(|| find("cifar-10", &names[0], dirs), Ok)?;
    let mut files = names.iter().map(|name| packed_or_not(&folder, name));
    let files: Vec<PathBuf> = match split {
        "test" => files.find(|path| path.exists()).into_iter().collect(),
        _ => files.take_while(|path| path.exists()).collect(),
    };
    let (pixels, labels) = records::read_cifar(&files)?;
    let mut loaded = Loaded::new(pixels);
    loaded.image = Some(CIFAR_IMAGE);
    loaded.labels = Some(labels);
    Ok(loaded)
}

/// Embeddings with a table of their texts, which says the split of each row.
///
/// Rows that are labelled `oos`, out of scope, belong to no class and are left out.
fn read_sentences(name: &str, stem: &str, split: &str, dirs: &DataDirs) -> Result<Loaded> {
    let stem = format!("embeddings/{stem}");
    let folder = find(name, &format!("{stem}.npy"), dirs)?;
    let file = |end: &str| packed_or_not(&folder, &format!("{stem}{end}"));
    let inputs = npy::read(&file(".npy"))?;
    let columns = table::texts(&file("-texts.csv"), &["split", "label", "text"])?;
    let [splits, names, texts] =
        <[Vec<String>; 3]>::try_from(columns).expect("three were asked for");
    let rows = (0..splits.len()).filter(|&row| splits[row] == split && names[row] != "oos");
    let mut classes = input::lines(&file("-classes.txt"))?;
    let mut labels = Labels::from_array(&npy::read(&file("-labels.npy"))?)?;
    let rows: Vec<usize> = rows.collect();
    check_lengths(&inputs, &[("labels", labels.values.len()), ("texts", texts.len())])?;
    if classes.last().is_some_and(|class| class == "oos") {
        let outside = classes.len() as u32 - 1;
        classes.pop();
        // Their rows are left out; any class will do for a label that nobody sees.
        labels.values.iter_mut().filter(|label| **label == outside).for_each(|label| *label = 0);
    }
    let mut loaded = Loaded::new(inputs);
    loaded.labels = Some(labels.named(classes));
    loaded.texts = Some(texts);
    loaded.rows = Some(rows);
    Ok(loaded)
}

fn read_glove(dirs: &DataDirs) -> Result<Loaded> {
    let vectors = "embeddings/glove-6b-100-top30k-f16.npy";
    let folder = find("glove", vectors, dirs)?;
    let mut loaded = Loaded::new(npy::read(&packed_or_not(&folder, vectors))?);
    let words = folder.join("embeddings/glove-6b-100-top30k-words.txt");
    loaded.texts = Some(input::lines(&words)?);
    Ok(loaded)
}

fn check_lengths(inputs: &Array, others: &[(&str, usize)]) -> Result<()> {
    match others.iter().find(|(_, len)| *len != inputs.len()) {
        Some((what, len)) => {
            Err(inputs.refuse(format!("{len} rows, one for each of the {what}"), inputs.len()))
        }
        None => Ok(()),
    }
}

/// The first data folder that has `file`, packed or not.
pub(super) fn find(name: &str, file: &str, dirs: &DataDirs) -> Result<PathBuf> {
    let found = dirs.folders.iter().find(|folder| packed_or_not(folder, file).exists());
    found.cloned().ok_or_else(|| missing(name, dirs))
}

fn missing(name: &str, dirs: &DataDirs) -> Error {
    let set = KNOWN.iter().find(|set| set.name == name);
    let (files, get) = set.map_or(("", false), |set| (set.files, set.downloadable));
    let get = if get {
        format!("get it with `kwinners data get {name}`")
    } else {
        format!("put there {files}")
    };
    let advice = format!("{get}, or name its folder with --data-dir or KWINNERS_DATA");
    Error::MissingData { name: name.to_owned(), searched: dirs.folders.clone(), advice }
}

/// `folder/file`, or `folder/file.gz` if only that is there.
pub(super) fn packed_or_not(folder: &Path, file: &str) -> PathBuf {
    let plain = folder.join(file);
    let packed = folder.join(format!("{file}.gz"));
    if packed.exists() && !plain.exists() { packed } else { plain }
}
