//! The known sets of sounds.

use std::path::PathBuf;

use super::dataset::Dataset;
use super::input;
use super::known::{find, packed_or_not};
use super::load::DataDirs;
use super::sounds::Collection;
use super::spec::RowRange;
use crate::error::{Error, Result};

/// Speakers whose digits `free-spoken-digits-speakers` keeps for testing: the last two by name. One
/// is from the USA and one from Germany, as are two of the other four.
const TEST_SPEAKERS: [&str; 2] = ["theo", "yweweler"];

/// Recordings of a digit by a speaker that the usual split tests on: the first five.
const TEST_INDICES: u32 = 5;

/// The rows of a known set of sounds that `range` chooses, called `name`; `None` for other sets.
pub(crate) fn read(
    set: &str,
    split: &str,
    dirs: &DataDirs,
    name: &str,
    range: RowRange,
) -> Option<Result<Dataset>> {
    match set {
        "speech-commands-wav" => Some(read_commands(split, dirs, name, range)),
        "free-spoken-digits" | "free-spoken-digits-speakers" => {
            Some(read_digits(set, split, dirs).and_then(|digits| {
                let classes = (0..10).map(|digit| digit.to_string()).collect();
                digits.dataset(name, range, classes)
            }))
        }
        _ => None,
    }
}

fn read_commands(split: &str, dirs: &DataDirs, name: &str, range: RowRange) -> Result<Dataset> {
    let path = place("speech-commands-wav", dirs, "speech-commands/speech_commands_12")?;
    let words = path.with_file_name("words.txt");
    let mut classes = input::lines(&words)?;
    let mut commands = Collection::of_path(&path)?;
    match split {
        "train-with-silence" => {
            commands.keep_split("train")?;
            commands.add_silence();
            classes.push("silence".to_owned());
        }
        _ => commands.keep_split(split)?,
    }
    commands.dataset(name, range, classes)
}

/// The digits of a split, before they are put in order.
fn read_digits(set: &str, split: &str, dirs: &DataDirs) -> Result<Collection> {
    let path = place(set, dirs, "free-spoken-digits/fsdd-recordings").or_else(|missing| {
        place(set, dirs, "free-spoken-digits/recordings").map_err(|_| missing)
    })?;
    let mut digits = Collection::of_path(&path)?;
    let mut kept = Vec::new();
    for mut clip in std::mem::take(&mut digits.clips) {
        let Some((digit, speaker, index)) = parts_of(&clip.name) else {
            let expected = "recordings named DIGIT_SPEAKER_INDEX.wav";
            return Err(Error::format(&path, "sounds", expected, format!("`{}`", clip.name)));
        };
        let test = match set {
            "free-spoken-digits" => index < TEST_INDICES,
            _ => TEST_SPEAKERS.contains(&speaker),
        };
        if test == (split == "test") {
            (clip.class, clip.speaker) = (digit.to_owned(), speaker.to_owned());
            kept.push(clip);
        }
    }
    Ok(Collection { clips: kept, ..digits })
}

/// Digit, speaker and index of a recording.
fn parts_of(name: &str) -> Option<(&str, &str, u32)> {
    let mut parts = name.strip_suffix(".wav")?.split('_');
    let (digit, speaker, index) = (parts.next()?, parts.next()?, parts.next()?);
    Some((digit, speaker, index.parse().ok()?)).filter(|_| parts.next().is_none())
}

/// The archive `stem.tar`, packed or not, or the folder `stem`, in the first data folder that has it.
fn place(set: &str, dirs: &DataDirs, stem: &str) -> Result<PathBuf> {
    let archive = format!("{stem}.tar");
    let folder = find(set, &archive, dirs).map(|folder| packed_or_not(&folder, &archive));
    folder.or_else(|missing| match find(set, stem, dirs) {
        Ok(folder) => Ok(folder.join(stem)),
        Err(_) => Err(missing),
    })
}
