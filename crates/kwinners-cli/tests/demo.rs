//! The demo and the tables, as a newcomer runs them: without data sets, without a home.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

fn run(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kwinners"));
    command.args(arguments).stdin(Stdio::null());
    for name in ["KWINNERS_DATA", "XDG_DATA_HOME"] {
        command.env_remove(name);
    }
    command.env("HOME", "/nonexistent").output().expect("the binary runs")
}

fn text_of(arguments: &[&str]) -> String {
    let output = run(arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

fn json(arguments: &[&str]) -> Value {
    let text = text_of(&[arguments, &["--json"]].concat());
    serde_json::from_str(&text).expect("one JSON object and nothing else")
}

/// Runs the demo into `folder` and gives the model's bytes.
fn model_bytes(folder: &Path, more: &[&str]) -> Vec<u8> {
    text_of(&[&["demo", "--out", folder.to_str().unwrap()], more].concat());
    std::fs::read(folder.join("model.kw")).expect("the demo saves its model")
}

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().expect("an object").keys().map(String::as_str).collect()
}

#[test]
fn the_demo_reports_by_the_names_that_scripts_know() {
    let folder = tempfile::tempdir().unwrap();
    let answer = json(&["demo", "--out", folder.path().to_str().unwrap()]);
    let sections: [(&str, &[&str]); 7] = [
        ("model", &["input_width", "kind", "seed", "units", "winners"]),
        ("data", &["test", "test_len", "train", "train_len"]),
        (
            "code",
            &[
                "bits_bound",
                "dead_units",
                "duty_entropy",
                "exact_k",
                "false_match_measured",
                "false_match_theory",
                "renyi_entropy",
                "unit_mutual_information",
            ],
        ),
        (
            "readout",
            &[
                "centroid",
                "knn1_overlap",
                "knn5_overlap",
                "linear_probe",
                "raw_knn1",
                "raw_linear_probe",
            ],
        ),
        ("separation", &["goodness", "goodness_script", "raw_goodness", "raw_goodness_script"]),
        ("reconstruction", &["fvu", "mse", "psnr"]),
        ("time", &["encode_per_s", "fit_s"]),
    ];
    for (section, names) in sections {
        let mut found = keys(&answer[section]);
        found.sort_unstable();
        assert_eq!(found, names, "{section}");
    }
    assert_eq!(answer["model"]["kind"], "tied");
    assert_eq!(answer["code"]["exact_k"], true);
    assert_eq!(answer["code"]["dead_units"], 0);
    let saved = std::fs::read(folder.path().join("report.json")).unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&saved).unwrap(), answer);
}

/// Learning must pay: better than the same shape unlearned, and what is decoded is mostly the input.
#[test]
fn the_demo_learns_searches_and_draws() {
    let folder = tempfile::tempdir().unwrap();
    let answer = json(&["demo", "--out", folder.path().to_str().unwrap()]);
    let figure = |report: &Value, name: &str| report["readout"][name].as_f64().unwrap();
    for name in ["knn1_overlap", "knn5_overlap", "linear_probe", "centroid"] {
        let (tied, random) = (figure(&answer, name), figure(&answer["baseline"], name));
        assert!(tied > random + 0.01, "{name}: {tied} learned, {random} unlearned");
    }
    assert!(figure(&answer, "linear_probe") > figure(&answer, "raw_linear_probe"));
    assert!(answer["reconstruction"]["fvu"].as_f64().unwrap() < 0.2);

    let found = answer["search"]["neighbours"].as_array().unwrap();
    let overlaps: Vec<u64> = found.iter().map(|found| found["overlap"].as_u64().unwrap()).collect();
    assert_eq!(overlaps.len(), 5);
    assert!(overlaps.is_sorted_by(|a, b| a >= b), "{overlaps:?}");
    assert!(overlaps[0] <= answer["model"]["winners"].as_u64().unwrap());

    let pictures = answer["pictures"].as_array().unwrap();
    let names: Vec<&str> = pictures
        .iter()
        .map(|path| Path::new(path.as_str().unwrap()).file_name().unwrap().to_str().unwrap())
        .collect();
    assert_eq!(names, ["strips.png", "filters.png", "encodings.png", "confusion.png"]);
    for path in pictures {
        let picture = image::open(path.as_str().unwrap()).expect("a whole PNG").into_rgb8();
        assert!(picture.width() > 300 && picture.height() > 200, "{path}");
        let first = picture.get_pixel(0, 0);
        assert!(picture.pixels().any(|pixel| pixel != first), "{path} is empty");
    }
}

#[test]
fn the_saved_model_is_the_one_that_was_judged() {
    let folder = tempfile::tempdir().unwrap();
    let demo = json(&["demo", "--out", folder.path().to_str().unwrap()]);
    let model = folder.path().join("model.kw");
    let path = model.to_str().unwrap();
    let eval = json(&["eval", path, "--data", "digits:train", "--test", "digits:test"]);
    for section in ["model", "data", "code", "readout", "separation", "reconstruction"] {
        assert_eq!(eval[section], demo[section], "{section}");
    }
}

#[test]
fn one_seed_gives_one_model_whatever_the_threads() {
    let folder = tempfile::tempdir().unwrap();
    let model = |more: &[&str]| model_bytes(folder.path(), more);
    let first = model(&["--seed", "7", "--threads", "1"]);
    assert_eq!(first, model(&["--seed", "7", "--threads", "2"]));
    assert_ne!(first, model(&["--seed", "8"]));
}

#[test]
fn the_demo_shows_a_table_and_a_search_without_colour() {
    let folder = tempfile::tempdir().unwrap();
    let text = text_of(&["demo", "--out", folder.path().to_str().unwrap()]);
    assert!(!text.contains('\x1b'), "{text}");
    let lines: Vec<&str> = text.lines().collect();
    let head = lines.iter().position(|line| line.ends_with("raw pixels")).expect("a table");
    let table = &lines[head..head + 12];
    assert!(table[0].contains("tied") && table[0].contains("random projection"), "{text}");
    for line in &table[1..] {
        let cells: Vec<&str> = line.split("  ").filter(|cell| !cell.trim().is_empty()).collect();
        assert_eq!((cells.len(), line.chars().count()), (4, table[0].chars().count()), "{line}");
    }
    for part in ["exactly k", "dead units", "linear probe", "strips.png", "model.kw"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(text.contains("\n  a 4, the query"), "{text}");
    assert!(text.contains("@@") && lines.iter().all(|line| line.chars().count() <= 100), "{text}");
}

#[test]
fn tables_are_listed_and_unknown_ones_refused() {
    for arguments in [&["reproduce"][..], &["reproduce", "--list"]] {
        assert!(text_of(arguments).contains("mnist"), "{arguments:?}");
    }
    let tables = json(&["reproduce"])["tables"].clone();
    let names: Vec<&str> =
        tables.as_array().unwrap().iter().map(|table| table["name"].as_str().unwrap()).collect();
    let expected = [
        "attacks",
        "autoencoders",
        "boosting",
        "classes",
        "dense",
        "embedder",
        "forum-noise",
        "neighbours",
        "noise-aware",
        "patches",
        "sparse-weights",
        "spatial-pooler",
        "speech",
        "tied",
        "universal",
    ];
    assert_eq!(names, expected);
    for (arguments, part) in [
        (&["reproduce", "tide"][..], "did you mean `tied`?"),
        (&["reproduce", "tied", "--seeds", "0"], "--seeds"),
        (&["reproduce", "tied", "--data", "digits:train"], "--test"),
        (&["reproduce", "tied"], "kwinners data get mnist"),
    ] {
        let output = run(arguments);
        let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {complaint}");
        assert!(complaint.contains(part) && output.stdout.is_empty(), "{arguments:?}: {complaint}");
    }
}

/// The whole table on small data: every row is run, and the way of boosting shows.
#[test]
fn the_tied_table_runs_on_other_data() {
    let small = ["--data", "digits:train[0..400]", "--test", "digits:test", "--seeds", "2"];
    let answer = json(&[&["reproduce", "tied"], &small[..]].concat());
    assert_eq!(answer["seeds"], serde_json::json!([0, 1]));
    let rows = answer["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 11);
    for row in rows {
        assert!(row.get("reference").is_none() && row.get("within_one_point").is_none());
        for name in ["mse", "knn1_overlap", "dead_units_train"] {
            assert_eq!(row[name]["values"].as_array().map(Vec::len), Some(2), "{name}");
        }
    }
    let dead = |boosting: &str, strength: f64| {
        let row = rows.iter().find(|row| {
            row["boosting"] == boosting && row["boost_strength"].as_f64() == Some(strength)
        });
        row.unwrap()["dead_units_train"]["mean"].as_f64().unwrap()
    };
    assert!(dead("none", 0.0) >= 900.0, "without boosting nearly all units die");
    assert!(dead("additive", 100.0) < dead("none", 0.0) / 2.0);
    assert_eq!(answer["defaults"]["code"]["exact_k"], true);
    assert_eq!(answer["defaults"]["readout"]["linear_probe"]["n"], 2);
}

/// A table of fits on other data: each encoder once, every figure over the seeds, no known figures.
#[test]
fn a_table_of_fits_runs_on_other_data() {
    let small = ["--seeds", "2", "--data", "digits:train[0..400]", "--test", "digits:test[0..100]"];
    let line = [&["reproduce", "boosting"], &small[..]].concat();
    let output = run(&[&line[..], &["--json"]].concat());
    let notes = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && notes.contains("balance, digits:train[0..400], seed 1"));
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    let rows = answer["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 5, "nothing, two boosts, balance, lifetime sparsity");
    for row in rows {
        assert!(row["known"].as_array().unwrap().is_empty());
        let report = &row["report"];
        assert_eq!(report["model"]["units"], 1000);
        assert_eq!(report["code"]["exact_k"], true);
        assert_eq!(report["readout"]["linear_probe"]["n"], 2);
        assert_eq!(report["noise"]["protocol"], "s2");
    }
    let table = String::from_utf8(run(&line).stdout).unwrap();
    assert!(table.contains("lifetime sparsity 5 %") && table.contains(" ± "), "{table}");
    assert!(!table.contains("known"), "{table}");
}
