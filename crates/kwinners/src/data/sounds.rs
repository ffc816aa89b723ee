//! Sets of sounds: folders and archives of WAV files, a folder a class.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::dataset::Dataset;
use super::folder::{entries, folders_in};
use super::input::{self, extension};
use super::spec::RowRange;
use super::{archive, wav};
use crate::error::{Error, Result};
use crate::speech::CLIP_SAMPLES;

/// The splits that a folder or archive may have by its lists.
pub(crate) const SPLITS: [&str; 3] = ["train", "test", "val"];

/// Files that name the clips of a split, as Speech Commands has them: a `CLASS/NAME.wav` a line.
pub(crate) const LISTS: [(&str, &str); 2] =
    [("test", "testing_list.txt"), ("val", "validation_list.txt")];

/// Where the samples of a clip are.
#[derive(Clone, Debug)]
pub(crate) enum Sound {
    /// A file to read.
    File(PathBuf),
    /// A WAV file in memory.
    Wav(Vec<u8>),
    /// Zeros.
    Silence,
}

/// One clip of a set.
#[derive(Clone, Debug)]
pub(crate) struct Clip {
    /// `CLASS/NAME.wav`, or `NAME.wav` where there are no classes.
    pub(crate) name: String,
    /// Empty where there are no classes.
    pub(crate) class: String,
    /// Who speaks; empty where the name does not say.
    pub(crate) speaker: String,
    pub(crate) sound: Sound,
}

impl Clip {
    /// The clip `file` of `class`; its speaker by the name, as Speech Commands has it.
    pub(crate) fn new(class: &str, file: &str, sound: Sound) -> Self {
        let slash = if class.is_empty() { "" } else { "/" };
        let name = format!("{class}{slash}{file}");
        let speaker = speaker_of(&name).to_owned();
        Self { name, class: class.to_owned(), speaker, sound }
    }
}

/// The speaker of a clip named `[CLASS/]SPEAKER_nohash_N.wav`; nobody for other names.
pub(crate) fn speaker_of(name: &str) -> &str {
    let file = name.rsplit_once('/').map_or(name, |(_, file)| file);
    file.split_once("_nohash_").map_or("", |(speaker, _)| speaker)
}

/// The clips of a folder or an archive, and the names on the lists that lie beside them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Collection {
    /// The folder or archive.
    pub(crate) path: PathBuf,
    pub(crate) clips: Vec<Clip>,
    /// For each of [`LISTS`] the names on it, if it is there.
    pub(crate) lists: [Option<BTreeSet<String>>; 2],
}

impl Collection {
    /// The WAV files of a folder with a folder a class, or of a folder alone.
    ///
    /// Names that begin with a dot are left out, and folders whose names begin with `_`, such as the
    /// background noise of Speech Commands.
    pub(crate) fn of_folder(folder: &Path) -> Result<Self> {
        let mut clips = Vec::new();
        for path in entries(folder)?.into_iter().filter(|path| is_wav(path)) {
            clips.push(Clip::new("", &name_of(&path)?, Sound::File(path)));
        }
        let alone = clips.len();
        for class in folders_in(folder)? {
            let class_name = name_of(&class)?;
            if class_name.starts_with('_') {
                continue;
            }
            for path in entries(&class)?.into_iter().filter(|path| is_wav(path)) {
                clips.push(Clip::new(&class_name, &name_of(&path)?, Sound::File(path)));
            }
        }
        if alone > 0 && alone < clips.len() {
            return Err(Error::format(
                folder,
                "sound folder",
                "sounds, or a folder a class",
                "both",
            ));
        }
        let mut lists = [None, None];
        for (list, (_, name)) in lists.iter_mut().zip(LISTS) {
            let path = folder.join(name);
            if path.is_file() {
                *list = Some(input::lines(&path)?.into_iter().collect());
            }
        }
        Ok(Self { path: folder.to_owned(), clips, lists })
    }

    /// The sounds of `path`, which is an archive if it is no folder.
    pub(crate) fn of_path(path: &Path) -> Result<Self> {
        if path.is_dir() { Self::of_folder(path) } else { archive::read(path) }
    }

    /// Leaves the clips of `split` only: those of its list, for `train` those of no list.
    ///
    /// # Errors
    /// If there is no such list, or a name on one is no clip.
    pub(crate) fn keep_split(&mut self, split: &str) -> Result<()> {
        let wanted = LISTS.iter().position(|(of, _)| *of == split);
        let list = |place: usize| self.lists[place].as_ref();
        if list(wanted.unwrap_or(0)).is_none() {
            let (_, name) = LISTS[wanted.unwrap_or(0)];
            let expected = format!("a {name} beside the classes, for the split `{split}`");
            return Err(Error::format(&self.path, "sounds", expected, "none"));
        }
        self.check_lists()?;
        let on = |name: &str, place: usize| list(place).is_some_and(|list| list.contains(name));
        let kept = |clip: &Clip| match wanted {
            Some(place) => on(&clip.name, place),
            None => (0..LISTS.len()).all(|place| !on(&clip.name, place)),
        };
        let kept: Vec<bool> = self.clips.iter().map(kept).collect();
        let mut kept = kept.into_iter();
        self.clips.retain(|_| kept.next().unwrap_or(false));
        Ok(())
    }

    /// A list may name clips of classes that are not here, but no clip that a class here lacks.
    fn check_lists(&self) -> Result<()> {
        let names: BTreeSet<&str> = self.clips.iter().map(|clip| clip.name.as_str()).collect();
        let classes: BTreeSet<&str> = self.clips.iter().map(|clip| clip.class.as_str()).collect();
        let class_of = |name: &'_ str| name.rsplit_once('/').map_or(0, |(class, _)| class.len());
        for (list, (_, file)) in self.lists.iter().zip(LISTS) {
            let here = |name: &&String| classes.contains(&name[..class_of(name)]);
            let lost = |name: &&String| !names.contains(name.as_str());
            if let Some(name) = list.iter().flatten().filter(here).find(lost) {
                let expected = format!("a clip for each line of {file}");
                return Err(Error::format(&self.path, "sounds", expected, format!("no `{name}`")));
            }
        }
        Ok(())
    }

    /// Adds `⌊len / 10⌋` clips of zeros as the class `silence`.
    pub(crate) fn add_silence(&mut self) {
        for number in 0..self.clips.len() / 10 {
            let clip = Clip::new("silence", &format!("{number:06}.wav"), Sound::Silence);
            self.clips.push(clip);
        }
    }

    /// All classes, sorted.
    pub(crate) fn classes(&self) -> Vec<String> {
        let classes = self.clips.iter().map(|clip| clip.class.as_str());
        let classes: BTreeSet<&str> = classes.filter(|class| !class.is_empty()).collect();
        classes.into_iter().map(str::to_owned).collect()
    }

    /// The clips that lie in `range`, speaker by speaker, within one by class and name; silence and
    /// what has no speaker comes last. Labels are numbered as in `classes`; texts are the names.
    pub(crate) fn dataset(
        mut self,
        name: &str,
        range: RowRange,
        classes: Vec<String>,
    ) -> Result<Dataset> {
        if self.clips.is_empty() {
            return Err(Error::format(&self.path, "sounds", "WAV files", "none"));
        }
        self.clips.sort_unstable_by(|a, b| key(a).cmp(&key(b)));
        let clips = &self.clips[range.of(self.clips.len(), name)?];
        let mut inputs = vec![0.0; clips.len() * CLIP_SAMPLES];
        let rows = inputs.par_chunks_exact_mut(CLIP_SAMPLES).zip(clips);
        let read: Vec<Result<()>> = rows.map(|(row, clip)| self.read_clip(clip, row)).collect();
        // The first in the order of the rows, not of the threads.
        read.into_iter().collect::<Result<()>>()?;
        let texts = clips.iter().map(|clip| clip.name.clone()).collect();
        let dataset = Dataset::new(name, inputs, CLIP_SAMPLES)?.with_texts(texts)?;
        if classes.is_empty() {
            return Ok(dataset);
        }
        let known: Vec<&str> = classes.iter().map(String::as_str).collect();
        let label = |clip: &Clip| match known.iter().position(|class| *class == clip.class) {
            Some(place) => Ok(place as u32),
            None => Err(Error::unknown_name("class", &clip.class, &known)),
        };
        let labels: Vec<u32> = clips.iter().map(label).collect::<Result<_>>()?;
        dataset.with_labels(labels, classes)
    }

    fn read_clip(&self, clip: &Clip, row: &mut [f32]) -> Result<()> {
        match &clip.sound {
            Sound::File(path) => wav::read(path, &wav::bytes_of(path)?, row),
            Sound::Wav(bytes) => wav::read(&self.path.join(&clip.name), bytes, row),
            Sound::Silence => Ok(()),
        }
    }
}

/// The order of the rows of a set.
fn key(clip: &Clip) -> (bool, &str, &str, &str) {
    (clip.speaker.is_empty(), &clip.speaker, &clip.class, &clip.name)
}

/// Whether a folder has a WAV file, in itself or in a folder in it.
pub(crate) fn is_sound_folder(folder: &Path) -> Result<bool> {
    let has = |folder: &Path| Ok(entries(folder)?.iter().any(|path| is_wav(path)));
    let inner = folders_in(folder)?;
    Ok(has(folder)?
        || inner.iter().map(|inner| has(inner)).collect::<Result<Vec<_>>>()?.contains(&true))
}

fn is_wav(path: &Path) -> bool {
    extension(path) == "wav" && path.is_file()
}

fn name_of(path: &Path) -> Result<String> {
    let name = path.file_name().unwrap_or_default();
    name.to_str().map(str::to_owned).ok_or_else(|| {
        Error::format(path, "sound folder", "names in UTF-8", name.to_string_lossy())
    })
}
