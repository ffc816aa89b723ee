//! `memory store|recall|plan|inspect`, as a user or a script meets them, on the embedded digits.

use std::path::Path;
use std::process::{Command, Output};

use kwinners::{Rng, SdrBatch, file};
use serde_json::Value;

fn run(folder: &Path, line: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kwinners"));
    command.args(line.split_whitespace()).current_dir(folder).env_remove("KWINNERS_DATA");
    command.output().expect("the binary runs")
}

fn text(folder: &Path, line: &str) -> String {
    let output = run(folder, line);
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

fn json(folder: &Path, line: &str) -> Value {
    let text = text(folder, &format!("{line} --json"));
    serde_json::from_str(&text).expect("one JSON object and nothing else")
}

fn refuse(folder: &Path, line: &str, part: &str) {
    let output = run(folder, line);
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{line}: {message}");
    assert!(message.contains(part) && !message.contains("panicked"), "{line}: {message}");
    assert!(output.stdout.is_empty(), "{line}");
}

fn random_codes(len: usize, units: usize, winners: usize, seed: u64) -> SdrBatch {
    let mut rng = Rng::new(seed);
    let mut codes = SdrBatch::new(units).unwrap();
    (0..len).for_each(|_| codes.push(&rng.distinct(winners, units)).unwrap());
    codes
}

#[test]
fn pairs_are_stored_added_to_and_recalled() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for (name, units, seed) in [("a", 500, 1), ("b", 700, 2), ("c", 500, 3), ("d", 700, 4)] {
        let codes = random_codes(300, units, 10, seed);
        file::save_codes(&folder.join(format!("{name}.kw")), &codes).unwrap();
    }
    let stored = json(folder, "memory store m.kw --cues a.kw --targets b.kw");
    assert_eq!((&stored["stored"], &stored["pairs"]), (&300.into(), &300.into()));
    assert_eq!((&stored["new"], &stored["target_units"]), (&true.into(), &700.into()));
    let added = json(folder, "memory store m.kw --cues c.kw --targets d.kw");
    assert_eq!((&added["pairs"], &added["new"]), (&600.into(), &false.into()));
    assert!(added["load"].as_f64() > stored["load"].as_f64());
    for (cues, targets) in [("a", "b"), ("c", "d")] {
        let line = format!("memory recall m.kw --cues {cues}.kw --targets {targets}.kw");
        let recalled = json(folder, &format!("{line} --out back.kw"));
        assert_eq!((&recalled["rule"], &recalled["recalls"]), (&"winners=10".into(), &300.into()));
        assert_eq!(recalled["quality"]["exact"], 1.0, "{recalled}");
        let back = file::load_codes(&folder.join("back.kw")).unwrap();
        assert_eq!(back, file::load_codes(&folder.join(format!("{targets}.kw"))).unwrap());
        let noisy = format!("{line} --noise 2");
        assert!(json(folder, &noisy)["quality"]["exact"].as_f64() > Some(0.9));
        assert!(json(folder, &format!("{noisy} --both-ways"))["mean_steps"].as_f64() > Some(1.0));
        let part = json(folder, &format!("{line} --part 6 --rule all"));
        assert_eq!(part["quality"]["missing_bits"], 0.0);
    }
    let found = json(folder, "memory inspect m.kw");
    assert_eq!((&found["pairs"], &found["cue_winners"]), (&600.into(), &10.into()));
    assert_eq!(found["load"], added["load"]);
    let expected = found["expected"]["load"].as_f64().unwrap();
    assert!((expected / found["load"].as_f64().unwrap() - 1.0).abs() < 0.02, "{found}");
    assert!(text(folder, "memory inspect m.kw").contains("10 of 500 units"));
    assert!(text(folder, "inspect m.kw").contains("pairs"), "the general command knows it too");
}

#[test]
fn learned_codes_are_completed_and_drawn() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let settings = "--set units=1024 --set winners=16 --set epochs=60";
    text(folder, &format!("fit tied --data digits:train --out t.kw {settings}"));
    text(folder, "memory store m.kw --cues digits:train[0..100] --model t.kw");
    let line = "memory recall m.kw --cues digits:train[0..100] --model t.kw --complete --part 8";
    let recalled = json(folder, &format!("{line} --picture p.png"));
    assert_eq!(recalled["shown"]["missing_bits"], 8.0);
    let missing = recalled["quality"]["missing_bits"].as_f64().unwrap();
    assert!(missing < 1.0, "most of what was missing is back: {recalled}");
    assert!(std::fs::read(folder.join("p.png")).unwrap().starts_with(b"\x89PNG"));
}

/// The formula beside what random pairs do.
#[test]
fn a_plan_is_measured() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let line = "memory plan --units 1024 --winners 8 --false-bits 0.2";
    let plan = json(folder, line);
    assert!(plan["measured"].is_null());
    let pairs = plan["expected"]["pairs"].as_u64().unwrap();
    let measured = json(folder, &format!("{line} --measure --recalls 4000"));
    let [all, winners] = [0, 1].map(|rule| &measured["measured"]["rules"][rule]);
    assert_eq!((&all["rule"], &winners["rule"]), (&"all".into(), &"winners=8".into()));
    let ratio = all["false_bits"].as_f64().unwrap() / 0.2;
    assert!((0.8..1.25).contains(&ratio), "{measured}");
    assert!(winners["false_bits"].as_f64() < all["false_bits"].as_f64());
    assert_eq!(winners["bits_per_synapse"], plan["expected"]["bits_a_synapse"]);
    let few = json(folder, &format!("memory plan --units 1024 --winners 8 --pairs {}", pairs / 2));
    assert!(few["expected"]["false_bits"].as_f64() < Some(0.02));
    assert!(text(folder, &format!("{line} --measure")).contains("by formula"));
}

#[test]
fn mistakes_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for (name, len, units) in [("a", 5, 50), ("b", 4, 50), ("c", 5, 60)] {
        let codes = random_codes(len, units, 3, 1);
        file::save_codes(&folder.join(format!("{name}.kw")), &codes).unwrap();
    }
    text(folder, "memory store m.kw --cues a.kw");
    for (line, part) in [
        ("store n.kw --cues a.kw --targets b.kw", "5, one a cue"),
        ("store m.kw --cues c.kw", "50 units"),
        ("store a.kw --cues a.kw", "holds codes, not memory"),
        ("store m.txt --cues a.kw", ".kw"),
        ("recall m.kw --cues none.kw", "none.kw"),
        ("recall m.kw --cues c.kw", "50 units"),
        ("recall m.kw --cues a.kw --rule winers=3", "did you mean"),
        ("recall m.kw --cues a.kw --rule winners=99", "1 to 50"),
        ("recall m.kw --cues a.kw --part 9", "at most 3"),
        ("recall m.kw --cues a.kw --targets b.kw", "5, one a recall"),
        ("recall m.kw --cues a.kw --picture p.png", "--model"),
        ("recall m.kw --cues a.kw --complete --targets a.kw", "cannot be used with"),
        ("plan --units 10 --winners 11", "1 to 10"),
        ("plan --units 10 --winners 2 --false-bits nan", "above 0"),
        ("plan --units 10 --winners 2 --seed 3", "--measure"),
        ("inspect a.kw", "holds codes, not memory"),
    ] {
        refuse(folder, &format!("memory {line}"), part);
    }
}

/// A hit is explained by the units that agree, and each unit by the rows that it answers.
#[test]
fn a_hit_is_explained() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let settings = "--set units=256 --set winners=16 --set epochs=20";
    text(folder, &format!("fit tied --data digits:train --out t.kw {settings}"));
    let line = "explain t.kw --data digits:train --query digits:test[4..5]";
    let found = json(folder, &format!("{line} --out why"));
    let shared = found["shared"].as_array().unwrap();
    assert_eq!(
        (found["overlap"].as_u64().unwrap() as usize, &found["winners"]),
        (shared.len(), &16.into())
    );
    assert_eq!(found["query_label"], found["hit_label"]);
    assert_eq!(found["query_only"].as_array().unwrap().len(), 16 - shared.len());
    for unit in shared {
        let examples = unit["examples"].as_array().unwrap();
        assert!((1..=6).contains(&examples.len()) && unit["stored"].as_u64() >= Some(1), "{unit}");
    }
    for name in ["hit", "units", "examples"] {
        let picture = std::fs::read(folder.join(format!("why/{name}.png"))).unwrap();
        assert!(picture.starts_with(b"\x89PNG"), "{name}");
    }
    assert_eq!(json(folder, &format!("{line} --hit 9"))["hit"], 9);
    refuse(folder, &format!("{line} --hit 1415"), "1415 rows");
}
