//! What is measured on request, monitors and experiments, as a user or a script meets them.

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// A folder to work in, and the binary at work there: without data sets.
struct Bench {
    folder: TempDir,
}

impl Bench {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn run(&self, line: &str) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kwinners"));
        command.args(line.split_whitespace()).current_dir(&self.folder).stdin(Stdio::null());
        command.env_remove("KWINNERS_DATA").env("HOME", "/nonexistent");
        command.output().expect("the binary runs")
    }

    fn json(&self, line: &str) -> Value {
        let output = self.run(&format!("{line} --json"));
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{line}: {error}");
        serde_json::from_slice(&output.stdout).expect("one JSON object and nothing else")
    }

    fn refuse(&self, line: &str, part: &str) {
        let output = self.run(line);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{line}: {error}");
        assert!(error.contains(part), "{line}: {error}");
    }

    fn is_png(&self, name: &str) -> bool {
        std::fs::read(self.path(name)).is_ok_and(|bytes| bytes.starts_with(b"\x89PNG"))
    }
}

const TIED: &str = "fit tied --data digits:train --set units=128 --set winners=8 --set epochs=3";
const SETS: &str = "--data digits:train --test digits:test";

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().expect("an object").keys().map(String::as_str).collect()
}

#[test]
fn what_is_asked_for_is_measured_under_stable_names() {
    let bench = Bench::new();
    bench.json(&format!("{TIED} --out m.kw"));
    let report =
        bench.json(&format!("eval m.kw {SETS} --metrics classes,pixels,information --out p"));
    let names = ["centroid_binarised", "centroid_cosine", "centroid_l1", "centroid_l2"];
    for name in names {
        assert!(report["classes"][name].as_f64() > Some(0.5), "{name}: {report}");
    }
    assert_eq!(report["classes"]["confusion"]["counts"].as_array().map(Vec::len), Some(10));
    let pairs = &report["classes"]["pairs"];
    assert_eq!(pairs["recall"].as_array().map(Vec::len), pairs["overlap"].as_array().map(Vec::len));
    assert!(report["classes"]["separability"].as_f64() > Some(0.0));
    assert_eq!(keys(&report["pixels"]), ["exact", "exact_train", "pixel_error", "threshold"]);
    let information = &report["information"];
    assert!(information["k_means_t_y"].as_f64() > Some(1.0), "{information}");
    assert!(information["mine_x_t"].as_f64() > Some(1.0), "{information}");
    assert!(bench.is_png("p/classes.png") && bench.is_png("p/pairs.png"));
    bench.refuse(&format!("eval m.kw {SETS} --metrics attacks"), "tells no classes");
}

#[test]
fn attacks_come_with_their_warning() {
    let bench = Bench::new();
    std::fs::write(bench.path("c.toml"), "layers = \"linear 40, k-winners 8\"\nepochs = 2\n")
        .unwrap();
    bench.json("fit classifier --data digits:train --out c.kw --config c.toml");
    let report = bench.json(&format!("eval c.kw {SETS} --metrics attacks"));
    let attacks = &report["attacks"];
    assert!(attacks["warning"].as_str().is_some_and(|text| text.contains("upper bound")));
    assert!(attacks["fgsm"][0].as_f64() >= attacks["fgsm"][6].as_f64(), "{attacks}");
    assert_eq!(attacks["levels"].as_array().map(Vec::len), Some(7));
}

#[test]
fn monitors_log_and_leave_the_model_alone() {
    let bench = Bench::new();
    bench.json(&format!("{TIED} --out plain.kw"));
    let full = "--monitor full --log l.jsonl --tensorboard t --plots p";
    bench.json(&format!("{TIED} --out seen.kw {full}"));
    let bytes = |name: &str| std::fs::read(bench.path(name)).unwrap();
    assert_eq!(bytes("plain.kw"), bytes("seen.kw"));
    let log = std::fs::read_to_string(bench.path("l.jsonl")).unwrap();
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let last = &lines.last().unwrap()["monitor"];
    assert_eq!(keys(last), ["information", "layers", "units"]);
    assert!(last["layers"]["weights"]["from_first"].as_f64() > Some(0.0));
    assert!(last["information"]["k_means"]["t_y"].as_f64() > Some(0.5));
    assert!(bench.is_png("p/information.png") && bench.is_png("p/weight_norm.png"));
    let events = std::fs::read_dir(bench.path("t")).unwrap().next().unwrap().unwrap();
    let bytes = std::fs::read(events.path()).unwrap();
    assert!(events.file_name().to_string_lossy().starts_with("events.out.tfevents."));
    let mut rest = bytes.as_slice();
    let mut records = 0;
    while let Some((length, _)) = rest.split_first_chunk::<8>() {
        rest = &rest[8 + 4 + u64::from_le_bytes(*length) as usize + 4..];
        records += 1;
    }
    assert_eq!(records, lines.len() + 1);
    bench.refuse(&format!("{TIED} --out x.kw --monitor light"), "--log, --tensorboard or --plots");
}

/// An embedder's schedule is in its log and drawn, and masks say what the strongest units of its codes hang on.
#[test]
fn embedders_show_their_schedule_and_what_units_hang_on() {
    let bench = Bench::new();
    let sizes = "--set units=60 --set winners=5 --set first_winners=20 --set epochs=3";
    let fit =
        format!("fit embedder --data digits:train {sizes} --out e.kw --log l.jsonl --plots p");
    bench.json(&format!("{fit} --set hardness_factor=2"));
    let log = std::fs::read_to_string(bench.path("l.jsonl")).unwrap();
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |line: &Value| (line["winners"].as_u64().unwrap(), line["hardness"].as_f64().unwrap());
    assert_eq!((of(&lines[0]), of(lines.last().unwrap())), ((20, 2.0), (10, 8.0)));
    assert!(bench.is_png("p/hardness.png") && bench.is_png("p/winners.png"));
    let eval = "eval e.kw --data digits:train --test digits:test[0..100] --metrics classes --out q";
    bench.json(eval);
    assert!(bench.is_png("q/saliency.png"));
}

#[test]
fn experiments_answer_in_numbers() {
    let bench = Bench::new();
    let inverse = bench.json("experiment inverse --samples 3 --out s");
    let surface = inverse["overlap"].as_array().unwrap();
    assert_eq!(surface.len(), 6);
    // The more units at one density, the more comes back.
    assert!(surface[5][2].as_f64() > surface[0][2].as_f64(), "{inverse}");
    assert!(bench.is_png("s/inverse.png"));
    let translation = bench.json("experiment translation --samples 3");
    assert!(translation["pixel_overlap"].as_f64() < Some(0.9));
    bench.json(&format!("{TIED} --out m.kw"));
    let algebra = bench.json("experiment algebra --model m.kw --samples 50");
    let names: Vec<&str> =
        algebra["lines"].as_array().unwrap().iter().filter_map(|l| l["name"].as_str()).collect();
    assert_eq!(names[..3], ["code", "union", "union_neighbours"]);
    assert!(algebra["lines"][0]["share"].as_f64() > Some(0.5));
    bench.refuse("experiment algebra", "--model");
}
