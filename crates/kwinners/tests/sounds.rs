//! Sounds: WAV files and archives as data sets, log-mel images against librosa's, augmentation.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{Cursor, Write};

use flate2::Compression;
use flate2::write::GzEncoder;
use hound::{SampleFormat, WavSpec, WavWriter};
use kwinners::data::{self, DataDirs, Spec};
use kwinners::speech::{BANDS, CLIP_SAMPLES, FRAMES, LogMel};
use kwinners::{Dataset, Result, Rng, Rows};
use proptest::prelude::*;
use tempfile::TempDir;

fn load(text: &str) -> Result<Dataset> {
    data::load(&Spec::parse(text)?, &DataDirs::default())
}

/// Writes a file, and the folders that it lies in, and gives its path as text.
fn put(folder: &TempDir, name: &str, bytes: &[u8]) -> String {
    let path = folder.path().join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, bytes).unwrap();
    path.to_str().unwrap().to_owned()
}

/// The error's text must hold all of `parts`.
#[track_caller]
fn refused<T: std::fmt::Debug>(result: Result<T>, parts: &[&str]) {
    let text = result.expect_err("must be refused").to_string();
    for part in parts {
        assert!(text.contains(part), "`{text}` does not say `{part}`");
    }
}

fn spec(sample_rate: u32, channels: u16, bits_per_sample: u16) -> WavSpec {
    let sample_format = if bits_per_sample == 0 { SampleFormat::Float } else { SampleFormat::Int };
    let bits_per_sample = if bits_per_sample == 0 { 32 } else { bits_per_sample };
    WavSpec { channels, sample_rate, bits_per_sample, sample_format }
}

/// A WAV file of `samples` in `-1..=1`, channels interleaved; 0 bits are floats.
fn wav(spec: WavSpec, samples: &[f32]) -> Vec<u8> {
    let mut file = Cursor::new(Vec::new());
    let mut writer = WavWriter::new(&mut file, spec).unwrap();
    for &sample in samples {
        match spec.sample_format {
            SampleFormat::Float => writer.write_sample(sample).unwrap(),
            SampleFormat::Int => {
                let scale = (1i64 << (spec.bits_per_sample - 1)) as f32;
                let limit = (1i64 << (spec.bits_per_sample - 1)) - 1;
                let integer = ((sample * scale).round() as i64).min(limit);
                writer.write_sample(integer as i32).unwrap();
            }
        }
    }
    writer.finalize().unwrap();
    file.into_inner()
}

fn short_wav(value: f32) -> Vec<u8> {
    wav(spec(16_000, 1, 16), &[value; 50])
}

/// An archive of members with these names and bytes.
fn tar(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (name, bytes) in members {
        let mut header = tar::Header::new_ustar();
        // As it is: `set_path` would refuse the odd names that are to be tried.
        header.as_ustar_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        archive.append(&header, *bytes).unwrap();
    }
    archive.into_inner().unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn tone(hertz: f32, rate: u32, len: usize) -> Vec<f32> {
    (0..len).map(|i| 0.5 * (i as f32 / rate as f32 * hertz * std::f32::consts::TAU).sin()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn samples_come_back(
        samples in prop::collection::vec(-1.0f32..1.0, 1..400),
        bits in prop::sample::select(vec![0u16, 8, 16, 24, 32]),
    ) {
        let folder = TempDir::new().unwrap();
        put(&folder, "a/x.wav", &wav(spec(16_000, 1, bits), &samples));
        let set = load(folder.path().to_str().unwrap()).unwrap();
        prop_assert_eq!((set.len(), set.width()), (1, CLIP_SAMPLES));
        let step = if bits == 0 { 0.0 } else { 0.5f32.powi(i32::from(bits) - 1) };
        let row = set.rows().row(0);
        for (read, written) in row.iter().zip(&samples) {
            // Half a step of rounding, a whole one where the largest integer is not as large as 1.
            prop_assert!((read - written).abs() <= step + 1e-7, "{} for {}", read, written);
        }
        prop_assert!(row[samples.len()..].iter().all(|&sample| sample == 0.0));
    }
}

#[test]
fn stereo_is_averaged_and_loud_floats_are_cut() {
    let folder = TempDir::new().unwrap();
    put(&folder, "x.wav", &wav(spec(16_000, 2, 0), &[0.5, 0.25, -3.0, -1.5, 1.0, -1.0]));
    let set = load(folder.path().to_str().unwrap()).unwrap();
    assert_eq!(set.rows().row(0)[..4], [0.375, -1.0, 0.0, 0.0]);
    assert!(set.labels().is_none(), "a folder alone has no classes");
}

#[test]
fn other_rates_and_longer_sounds_become_one_second() {
    let folder = TempDir::new().unwrap();
    for rate in [8000, 22_050, 44_100, 48_000] {
        let sound = tone(500.0, rate, 2 * rate as usize);
        put(&folder, &format!("{rate:05}.wav"), &wav(spec(rate, 1, 16), &sound));
    }
    let set = load(folder.path().to_str().unwrap()).unwrap();
    let expected = tone(500.0, 16_000, CLIP_SAMPLES);
    for (row, name) in set.rows().iter().zip(set.texts.as_ref().unwrap()) {
        let pairs = row.iter().zip(&expected).skip(500);
        let off = pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(off < 1e-3, "{name} is off by {off}, its end included");
    }
}

#[test]
fn folders_are_classes_and_rows_come_speaker_by_speaker() {
    let folder = TempDir::new().unwrap();
    for (name, value) in [
        ("yes/bb_nohash_0.wav", 0.25),
        ("yes/aa_nohash_1.wav", 0.5),
        ("no/aa_nohash_0.WAV", -0.5),
        ("no/nobody.wav", -0.25),
        ("no/.hidden.wav", 1.0),
        ("_background_noise_/rain.wav", 1.0),
    ] {
        put(&folder, name, &short_wav(value));
    }
    put(&folder, "no/readme.txt", b"not a sound");
    let path = folder.path().to_str().unwrap();
    let set = load(path).unwrap();
    let names =
        ["no/aa_nohash_0.WAV", "yes/aa_nohash_1.wav", "yes/bb_nohash_0.wav", "no/nobody.wav"];
    assert_eq!(set.texts.as_ref().unwrap(), &names);
    assert_eq!((set.labels(), set.classes.len()), (Some(&[0, 1, 1, 0][..]), 2));
    assert_eq!(load(&format!("{path}[1..2]")).unwrap().rows().row(0)[..1], [0.5]);
    refused(load(&format!("{path}:test")), &["testing_list.txt"]);
    refused(load(&format!("{path},labels.txt")), &["no labels after a folder"]);
    put(&folder, "testing_list.txt", b"yes/aa_nohash_1.wav\nleft/not_here.wav\n");
    let split = |split: &str| load(&format!("{path}:{split}")).map(|set| set.texts.unwrap());
    assert_eq!(split("test").unwrap(), [names[1]]);
    assert_eq!(split("train").unwrap(), [names[0], names[2], names[3]]);
    refused(split("val"), &["validation_list.txt"]);
    put(&folder, "validation_list.txt", b"no/nobody.wav");
    assert_eq!((split("train").unwrap().len(), split("val").unwrap().len()), (2, 1));
    assert_eq!(load(&format!("{path}:test")).unwrap().classes, ["no", "yes"]);
    put(&folder, "testing_list.txt", b"yes/aa_nohash_2.wav\n");
    refused(split("test"), &["testing_list.txt", "no `yes/aa_nohash_2.wav`"]);
    put(&folder, "alone.wav", &short_wav(0.1));
    refused(load(path), &["both"]);
}

#[test]
fn archives_hold_what_folders_hold() {
    let folder = TempDir::new().unwrap();
    let (one, two, three) = (short_wav(0.5), short_wav(0.25), short_wav(-0.5));
    let members: [(&str, &[u8]); 6] = [
        ("./set/yes/b_nohash_0.wav", &one),
        ("./set/no/a_nohash_0.wav", &two),
        ("./set/yes/a_nohash_0.wav", &three),
        ("./set/testing_list.txt", b"yes/b_nohash_0.wav"),
        ("./set/_background_noise_/rain.wav", b"not read"),
        ("./set/LICENSE", b"not read"),
    ];
    for (name, bytes) in &members {
        put(&folder, &name[2..], bytes);
    }
    let of_folder = |split: &str| load(&format!("{}/set{split}", folder.path().display())).unwrap();
    for (name, bytes) in [("x.tar", tar(&members)), ("x.tar.gz", gzip(&tar(&members)))] {
        let path = put(&folder, name, &bytes);
        for split in ["", ":train", ":test", ":train[1..2]"] {
            let set = load(&format!("{path}{split}")).unwrap();
            let expected = of_folder(split);
            assert_eq!((set.rows(), &set.texts), (expected.rows(), &expected.texts), "{split}");
            assert_eq!((set.labels(), &set.classes), (expected.labels(), &expected.classes));
        }
    }
    let flat = put(&folder, "flat.tar", &tar(&[("all/x.wav", &one), ("all/y.wav", &two)]));
    let flat = load(&flat).unwrap();
    assert!(flat.labels().is_none());
    assert_eq!(flat.texts.unwrap(), ["x.wav", "y.wav"]);
}

#[test]
fn archives_that_are_wrong() {
    let folder = TempDir::new().unwrap();
    let sound = short_wav(0.5);
    let load_tar = |members: &[(&str, &[u8])]| load(&put(&folder, "x.tar", &tar(members)));
    refused(load_tar(&[]), &["x.tar", "WAV files", "none"]);
    refused(load_tar(&[("readme.txt", b"no sound")]), &["none"]);
    refused(load_tar(&[("../a/x.wav", &sound)]), &["names inside the archive", "`../a/x.wav`"]);
    refused(load_tar(&[("/a/x.wav", &sound)]), &["names inside the archive"]);
    refused(
        load_tar(&[("a/x.wav", &sound), ("a//x.wav", &sound)]),
        &["every name once", "`a/x.wav`"],
    );
    refused(
        load_tar(&[("s/a/x.wav", &sound), ("t/b/x.wav", &sound)]),
        &["all classes in one folder"],
    );
    refused(load_tar(&[("a/x.wav", b"RIFF")]), &["x.tar/x.wav", "WAV"]);
    let good = tar(&[("a/x.wav", &sound), ("b/x.wav", &sound)]);
    refused(load(&put(&folder, "x.tar", &good[..600])), &["x.tar", "of `a/x.wav`"]);
    let mut name = good.clone();
    name[0] = 0xff;
    refused(load(&put(&folder, "x.tar", &name)), &["cksum"]);
    let mut huge = tar::Header::new_gnu();
    huge.set_path("a/x.wav").unwrap();
    huge.set_size(1 << 40);
    huge.set_cksum();
    refused(load(&put(&folder, "x.tar", huge.as_bytes())), &["at most 67108864 bytes", "a/x.wav"]);
    refused(load(&put(&folder, "x.npy:test", b"")), &["a split of a known set"]);
}

#[test]
fn wav_files_that_are_wrong() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().to_str().unwrap().to_owned();
    let try_one = |bytes: &[u8]| {
        put(&folder, "a/x.wav", bytes);
        load(&path)
    };
    let good = short_wav(0.5);
    assert!(try_one(&good).is_ok() && try_one(&gzip(&good)).is_ok());
    refused(try_one(b""), &["a/x.wav", "WAV"]);
    refused(try_one(b"RIFFnonsense"), &["WAVE"]);
    refused(try_one(&wav(spec(16_000, 1, 16), &[])), &["at least one sample"]);
    let mut still = good.clone();
    still[24..32].fill(0);
    refused(try_one(&still), &["1,000 to 384,000", "0 a second"]);
    refused(try_one(&wav(spec(16_000, 1, 0), &[0.5, f32::NAN])), &["finite", "NaN"]);
    refused(try_one(&good[..good.len() - 1]), &["50 samples, as its header says"]);
    let long = wav(spec(16_000, 1, 16), &[0.5; 40_000]);
    refused(try_one(&long[..60_000]), &["40000 samples", "ends 20044 bytes too soon"]);
    let mut lies = good;
    lies[40..44].copy_from_slice(&0xFFFF_FFFEu32.to_le_bytes());
    refused(try_one(&lies), &["2147483647 samples, as its header says"]);
    refused(load(put(&folder, "b/x.png", b"").strip_suffix("/x.png").unwrap()), &["image"]);
}

#[test]
fn damaged_sounds_are_refused_or_read_but_never_crash() {
    let folder = TempDir::new().unwrap();
    let (one, two) = (wav(spec(8000, 2, 16), &[0.3; 80]), wav(spec(44_100, 1, 0), &[0.5; 80]));
    let archive =
        tar(&[("s/a/x.wav", &one), ("s/b/y.wav", &two), ("s/testing_list.txt", b"a/x.wav")]);
    let mut rng = Rng::new(1);
    for (name, good) in [
        ("f/a/x.wav", one),
        ("g/b/y.wav", two),
        ("x.tar", archive.clone()),
        ("x.tar.gz", gzip(&archive)),
    ] {
        for round in 0..300 {
            let mut bytes = good.clone();
            match round % 4 {
                0 if round > 0 => bytes.truncate(rng.below(good.len())),
                1 => bytes.insert(rng.below(good.len()), rng.next_u64() as u8),
                2 | 3 => {
                    for _ in 0..1 + rng.below(3) {
                        let (place, bit) = (rng.below(bytes.len().min(700)), rng.below(8));
                        bytes[place] ^= 1 << bit;
                    }
                }
                _ => {}
            }
            let path = put(&folder, name, &bytes);
            let path = path.strip_suffix("/a/x.wav").unwrap_or(&path);
            let read = load(path.strip_suffix("/b/y.wav").unwrap_or(path));
            assert!(round > 0 || read.is_ok(), "{name} is good");
            if let Ok(set) = read {
                assert!(set.rows().values().iter().all(|value| value.abs() <= 1.0));
            }
        }
    }
}

/// The folder of real data sets, if the caller has one.
#[expect(clippy::print_stdout, reason = "whoever reads the log should see what was not tested")]
fn real(text: &str) -> Option<Dataset> {
    let Some(folder) = std::env::var_os("KWINNERS_DATA") else {
        println!("skipped: KWINNERS_DATA is not set");
        return None;
    };
    let dirs = DataDirs { folders: vec![folder.into()] };
    Some(data::load(&Spec::parse(text).unwrap(), &dirs).unwrap())
}

/// Who speaks in each row: the first or, of a spoken digit, the second part of the name.
fn speakers(set: &Dataset) -> Vec<&str> {
    let names = set.texts.as_ref().unwrap().iter().map(|name| name.rsplit('/').next().unwrap());
    let part = if set.name.starts_with("free") { 1 } else { 0 };
    names.map(|name| name.split('_').nth(part).unwrap()).collect()
}

#[test]
fn documented_ranges_part_the_speakers() {
    for (text, people, ends) in [
        ("speech-commands-wav:train", 427, vec![899]),
        ("speech-commands:train-by-speaker", 556, vec![5012]),
        ("free-spoken-digits:train", 6, vec![450, 2250]),
        ("free-spoken-digits-speakers:train", 4, vec![1500]),
    ] {
        let Some(set) = real(text) else { return };
        let speakers = speakers(&set);
        let set_of =
            |part: &[&'_ str]| part.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
        assert_eq!(set_of(&speakers).len(), people, "{text}");
        for end in ends {
            let (front, back) = speakers.split_at(end);
            assert!(set_of(front).is_disjoint(&set_of(back)), "{text}[..{end}]");
        }
    }
}

#[test]
fn real_sounds_have_their_rows_and_classes() {
    for (text, len, a_class) in [
        ("speech-commands-wav:train", 1080, 90),
        ("speech-commands-wav:test", 360, 30),
        ("free-spoken-digits:train", 2700, 270),
        ("free-spoken-digits:test", 300, 30),
        ("free-spoken-digits-speakers:train", 2000, 200),
        ("free-spoken-digits-speakers:test", 1000, 100),
    ] {
        let Some(set) = real(text) else { return };
        assert_eq!((set.len(), set.width()), (len, CLIP_SAMPLES), "{text}");
        for class in 0..set.classes.len() as u32 {
            let rows = set.labels().unwrap().iter().filter(|&&label| label == class).count();
            assert_eq!(rows, a_class, "{text}, {class}");
        }
    }
    let Some(silence) = real("speech-commands-wav:train-with-silence[1000..]") else { return };
    assert_eq!(
        (silence.len(), silence.classes.len(), silence.classes[12].as_str()),
        (188, 13, "silence")
    );
    let zeros = silence.rows().iter().skip(80).all(|row| row.iter().all(|&sample| sample == 0.0));
    assert!(zeros && silence.labels().unwrap()[80..] == [12; 108]);
    let words = real("speech-commands:train").unwrap().classes;
    assert_eq!(silence.classes[..12], words, "labels are those of the images");
}

#[test]
fn speakers_of_the_test_part_are_not_in_training() {
    for name in ["speech-commands-wav", "free-spoken-digits-speakers"] {
        let Some(train) = real(&format!("{name}:train")) else { return };
        let test = real(&format!("{name}:test")).unwrap();
        let known: BTreeSet<&str> = speakers(&train).into_iter().collect();
        assert!(speakers(&test).iter().all(|speaker| !known.contains(speaker)), "{name}");
    }
}

/// The images of the set were made by librosa of the same clips.
#[test]
fn images_are_those_of_librosa() {
    let Some(clips) = real("speech-commands-wav:train") else { return };
    let given = real("speech-commands:train-by-speaker").unwrap();
    let names = given.texts.as_ref().unwrap().iter().enumerate();
    let places: BTreeMap<&str, usize> = names.map(|(row, name)| (name.as_str(), row)).collect();
    let images = LogMel::new().images(clips.rows()).unwrap();
    let images = Rows::new(&images, BANDS * FRAMES).unwrap();
    let mut off = [0; 3];
    for (row, image) in images.iter().enumerate() {
        let place = places[clips.texts.as_ref().unwrap()[row].as_str()];
        assert_eq!(clips.labels().unwrap()[row], given.labels().unwrap()[place]);
        for (ours, theirs) in image.iter().zip(given.rows().row(place)) {
            let levels = (ours * 255.0).round() - (theirs * 255.0).round();
            off[(levels.abs() as usize).min(2)] += 1;
        }
    }
    assert_eq!(off.iter().sum::<usize>(), 1080 * 1024);
    assert!(off[2] == 0 && off[1] < 110, "levels off by 0, 1, more: {off:?}");
}

#[test]
fn louder_clips_have_the_same_image_and_silence_is_all_ones() {
    let mel = LogMel::new();
    let clip = tone(1000.0, 16_000, CLIP_SAMPLES);
    let half: Vec<f32> = clip.iter().map(|sample| sample / 2.0).collect();
    let off =
        |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(off(&mel.image(&clip), &mel.image(&half)) < 1e-5);
    assert_eq!(mel.image(&vec![0.0; CLIP_SAMPLES]), [1.0; BANDS * FRAMES]);
}

#[test]
fn images_hang_on_the_clip_alone_and_bad_rows_are_refused() {
    let mel = LogMel::new();
    let mut rng = Rng::new(3);
    let clips: Vec<f32> = (0..5 * CLIP_SAMPLES).map(|_| rng.between(-1.0, 1.0)).collect();
    let rows = Rows::new(&clips, CLIP_SAMPLES).unwrap();
    let images = mel.images(rows).unwrap();
    for (clip, image) in rows.iter().zip(images.chunks(BANDS * FRAMES)) {
        assert_eq!(LogMel::new().image(clip), image);
        assert!(image.contains(&1.0) && image.iter().all(|pixel| (0.0..=1.0).contains(pixel)));
    }
    refused(mel.images(Rows::new(&clips, 1000).unwrap()), &["clips", "16000", "1000"]);
    let mut bad = clips[..CLIP_SAMPLES].to_vec();
    bad[5] = f32::INFINITY;
    refused(mel.images(Rows::new(&bad, CLIP_SAMPLES).unwrap()), &["clips", "column 5"]);
}

#[test]
fn augmentation_hangs_on_its_stream_alone() {
    let mel = LogMel::new();
    let clip = tone(700.0, 16_000, CLIP_SAMPLES);
    let of_stream = |stream| mel.augmented(&clip, &mut Rng::of_stream(7, stream));
    let images: Vec<Vec<f32>> = (0..64).map(of_stream).collect();
    assert!((0..64).all(|stream| of_stream(stream) == images[stream as usize]));
    let plain = mel.image(&clip);
    let off =
        |image: &[f32]| image.iter().zip(&plain).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    // Three of the four changes show in an image; with probability 1/8 none of them is made.
    let same = images.iter().filter(|image| off(image) < 1e-4).count();
    assert!((1..=18).contains(&same), "{same} of 64 are as they were");
    assert!(images.iter().flatten().all(|pixel| (0.0..=1.0).contains(pixel)));
}

#[test]
fn a_data_folder_may_hold_the_sounds_unpacked() {
    let folder = TempDir::new().unwrap();
    put(&folder, "free-spoken-digits/recordings/3_theo_0.wav", &short_wav(0.5));
    put(&folder, "free-spoken-digits/recordings/4_jackson_5.wav", &short_wav(0.5));
    let dirs = DataDirs { folders: vec![folder.path().into()] };
    let load = |text: &str| data::load(&Spec::parse(text).unwrap(), &dirs);
    assert_eq!(load("free-spoken-digits:test").unwrap().labels(), Some(&[3][..]));
    assert_eq!(load("free-spoken-digits-speakers:train").unwrap().labels(), Some(&[4][..]));
    put(&folder, "free-spoken-digits/recordings/five.wav", &short_wav(0.5));
    refused(load("free-spoken-digits"), &["DIGIT_SPEAKER_INDEX.wav", "`five.wav`"]);
}
