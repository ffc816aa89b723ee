//! A save that dies half-way: the old file or the new one is there, never a part of one.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use kwinners::encoder::Model;
use kwinners::file::{About, SavedModel, load_model, save_model};
use kwinners::{Dataset, Rng};

/// How often the saving process is killed.
const KILLS: usize = 50;
/// Names the file to the process that saves.
const FILE: &str = "KWINNERS_CRASH_FILE";
/// The test in which both processes are.
const TEST: &str = "a_killed_save_leaves_the_old_file_or_the_new_one";

/// Two models of the same size, about a megabyte each, that differ in every weight.
fn models() -> [SavedModel; 2] {
    let data = Dataset::new("ramp", (0..640).map(|value| value as f32).collect(), 64).unwrap();
    let model = |seed: &str| {
        let settings = [("units", "4000"), ("winners", "10"), ("seed", seed)];
        let settings = settings.map(|(key, value)| (key.to_owned(), value.to_owned()));
        Model::new("tied", &settings, data.rows()).unwrap()
    };
    let saved = |seed| SavedModel { model: model(seed), about: About::of(&data), checkpoint: None };
    [saved("1"), saved("2")]
}

/// Saves one model and the other over it, on and on, and says so after each.
#[expect(clippy::print_stdout, reason = "this is how one process tells the other")]
fn save_without_end(file: &Path) {
    for saved in models().iter().cycle() {
        save_model(file, saved).unwrap();
        println!("saved");
    }
}

/// This program again, as the process that saves.
fn start(file: &Path) -> (Child, BufReader<ChildStdout>) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", TEST, "--nocapture"]).env(FILE, file);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap());
    (child, lines)
}

#[test]
fn a_killed_save_leaves_the_old_file_or_the_new_one() {
    if let Some(file) = std::env::var_os(FILE) {
        return save_without_end(Path::new(&file));
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("model.kw");
    let whole: Vec<Vec<u8>> = models()
        .iter()
        .map(|saved| {
            save_model(&file, saved).unwrap();
            std::fs::read(&file).unwrap()
        })
        .collect();
    assert_ne!(whole[0], whole[1]);
    let clock = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let seed = u64::from(clock.subsec_nanos());
    let mut rng = Rng::new(seed);
    let mut found = [0, 0];
    for kill in 0..KILLS {
        // The pipe stays open to the end: a process that can't speak would end by itself.
        let (mut child, lines) = start(&file);
        let mut lines = lines.lines().map_while(Result::ok);
        let saved = lines.find(|line| line.ends_with("saved"));
        assert!(saved.is_some(), "the process ended by itself");
        std::thread::sleep(Duration::from_micros(rng.below(6000) as u64));
        child.kill().unwrap();
        let status = child.wait().unwrap();
        assert_ne!(status.code(), Some(101), "the process failed by itself");
        load_model(&file).unwrap_or_else(|error| panic!("kill {kill} of seed {seed}: {error}"));
        let bytes = std::fs::read(&file).unwrap();
        let which = whole.iter().position(|whole| *whole == bytes);
        found[which.unwrap_or_else(|| panic!("kill {kill} of seed {seed}: other bytes"))] += 1;
    }
    // Each killed process may leave the new file that it was at. If none did, none was killed in a
    // save, and nothing was tested.
    let left = std::fs::read_dir(&folder).unwrap().count() - 1;
    assert!((1..=KILLS).contains(&left), "{left} files left over");
    assert!(found[0] > 0 && found[1] > 0, "{found:?}: both models should have been found");
}
