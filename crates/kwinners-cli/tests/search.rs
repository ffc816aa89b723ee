//! `kwinners index` and `kwinners search` as a script meets them.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use kwinners::data::{CodeFormat, write_codes};
use kwinners::{Rng, SdrBatch, file};
use serde_json::{Value, json};

fn run(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kwinners"));
    command.args(arguments).stdin(Stdio::null()).env_remove("KWINNERS_DATA");
    command.output().expect("the binary runs")
}

fn answer(arguments: &[&str]) -> Value {
    let output = run(&[arguments, &["--json"]].concat());
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {stderr}");
    serde_json::from_slice(&output.stdout).expect("one JSON object and nothing else")
}

fn refuse(arguments: &[&str], part: &str) {
    let output = run(arguments);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {stderr}");
    assert!(stderr.contains(part), "{arguments:?}: {stderr}");
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn random(len: usize, seed: u64) -> SdrBatch {
    let mut rng = Rng::new(seed);
    let indices = (0..len).flat_map(|_| rng.distinct(8, 200)).collect();
    SdrBatch::from_exact(200, 8, indices).unwrap()
}

#[test]
fn codes_of_any_form_are_indexed_and_found() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let codes = random(300, 1);
    file::save_codes(&at("codes.kw"), &codes).unwrap();
    write_codes(&at("codes.npz"), &codes, CodeFormat::CsrNpz).unwrap();
    write_codes(&at("codes.npy"), &codes, CodeFormat::PackedNpy).unwrap();
    write_codes(&at("codes.parquet"), &codes, CodeFormat::Parquet).unwrap();
    write_codes(&at("query.npy"), &codes.select(&[7, 250]), CodeFormat::PackedNpy).unwrap();
    let index = at("index.kw");
    for name in ["codes.kw", "codes.npz", "codes.npy", "codes.parquet"] {
        let built = answer(&["index", text(&at(name)), "--out", text(&index)]);
        assert_eq!((&built["codes"], &built["units"]), (&json!(300), &json!(200)));
        let query = at("query.npy");
        let query = text(&query);
        let found = answer(&["search", text(&index), "--query", query, "--top", "1"]);
        let expected = [[json!({"id": 7, "score": 8})], [json!({"id": 250, "score": 8})]];
        assert_eq!(found["results"], json!(expected));
        assert!(found["queries_per_s"].as_f64().is_some_and(|rate| rate > 0.0));
        let jaccard =
            ["search", text(&index), "--query", query, "--score", "jaccard", "--within", "1"];
        let expected = [[json!({"id": 7, "score": 1.0})], [json!({"id": 250, "score": 1.0})]];
        assert_eq!(answer(&jaccard)["results"], json!(expected));
    }
}

#[test]
fn an_index_grows_and_shrinks() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let (index, codes, ids) = (at("index.kw"), at("codes.kw"), at("ids.txt"));
    file::save_codes(&codes, &random(50, 2)).unwrap();
    let (index, codes, ids) = (text(&index), text(&codes), text(&ids));
    answer(&["index", codes, "--out", index]);
    let grown = answer(&["index", codes, "--out", index, "--append"]);
    assert_eq!((&grown["codes"], &grown["added"]), (&json!(100), &json!(50)));
    let best = |more: &[&str]| {
        let asked = [&["search", index, "--query", codes, "--top", "2"], more].concat();
        let found = answer(&asked);
        let ids: Vec<u64> = found["results"][3]
            .as_array()
            .unwrap()
            .iter()
            .map(|hit| hit["id"].as_u64().unwrap())
            .collect();
        ids
    };
    assert_eq!(best(&[]), [3, 53], "ties go to the lower id");
    assert_eq!(best(&["--recall", "0.9"]), [3, 53], "codes that are the same are always found");
    std::fs::write(ids, "3\n\n 4 \n").unwrap();
    assert_eq!(best(&["--ids", ids]).len(), 2);
    let shrunk = answer(&["index", "--delete", ids, "--out", index]);
    assert_eq!((&shrunk["codes"], &shrunk["deleted"]), (&json!(98), &json!(2)));
    assert_eq!(best(&[])[0], 53);
    let compact = answer(&["index", "--compact", "--out", index]);
    assert_eq!((&compact["codes"], &compact["next_id"]), (&json!(98), &json!(100)));
    assert_eq!(best(&[])[0], 53);
    let grouped = answer(&["index", "--group", "--out", index]);
    assert_eq!((&grouped["codes"], &grouped["grouped"]), (&json!(98), &json!(true)));
    assert_eq!((best(&[])[0], best(&["--recall", "0.9"])[0]), (53, 53));
    let fresh = answer(&["index", codes, "--out", index, "--group"]);
    assert_eq!((&fresh["codes"], &fresh["grouped"]), (&json!(50), &json!(true)));
    let inspected = answer(&["inspect", index]);
    assert_eq!(inspected["version"], json!(2));
}

#[test]
fn data_is_encoded_by_a_model_first() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let (model, codes, index) = (at("m.kw"), at("c.kw"), at("i.kw"));
    let (model, codes, index) = (text(&model), text(&codes), text(&index));
    let digits = "digits:train[0..200]";
    answer(&[
        "fit",
        "random-projection",
        "--data",
        digits,
        "--out",
        model,
        "--set",
        "units=256",
        "--set",
        "winners=12",
    ]);
    answer(&["encode", model, "--data", digits, "--out", codes]);
    answer(&["index", codes, "--out", index]);
    let found = answer(&[
        "search",
        index,
        "--query",
        "digits:train[40..42]",
        "--model",
        model,
        "--top",
        "1",
    ]);
    assert_eq!(found["results"][1][0], json!({"id": 41, "score": 12}));
    refuse(&["search", index, "--query", "digits:train[0..2]"], "--model");
    let decoded = ["search", index, "--query", "digits:train[0..2]", "--score", "decoder"];
    refuse(&decoded, "--model");
    refuse(&[&decoded[..], &["--model", model]].concat(), "no decoder");
    refuse(&["search", index, "--query", codes, "--candidates", "5"], "--score decoder");
}

#[test]
fn a_decoder_finds_what_was_stored() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let (model, codes, index) = (at("model.kw"), at("codes.kw"), at("index.kw"));
    let (model, codes, index) = (text(&model), text(&codes), text(&index));
    let digits = "digits:train[0..300]";
    let sets = ["--set", "units=96", "--set", "winners=8", "--set", "epochs=2"];
    answer(&[&["fit", "pursuit", "--data", digits, "--out", model], &sets[..]].concat());
    answer(&["encode", model, "--data", digits, "--out", codes]);
    answer(&["index", codes, "--out", index]);
    let asked = ["search", index, "--query", digits, "--model", model, "--score", "decoder"];
    let found = answer(&[&asked[..], &["--top", "5"]].concat());
    let first = |found: &Value, row: usize| found["results"][row][0].clone();
    let own = (0..300).filter(|&row| first(&found, row)["id"] == json!(row)).count();
    assert!(own > 200, "{own} of 300 inputs find their own code first");
    let all = answer(&[&asked[..], &["--top", "5", "--candidates", "300"]].concat());
    assert_eq!(found["results"], all["results"]);
    let few = answer(&[&asked[..], &["--top", "5", "--candidates", "20"]].concat());
    let same = (0..300).filter(|&row| first(&found, row) == first(&few, row)).count();
    assert!(same > 200, "{same} of 300 are the same among 20 candidates");
}

#[test]
fn what_makes_no_sense_is_bad_input() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let (codes, index, ids) = (at("codes.kw"), at("index.kw"), at("ids.txt"));
    file::save_codes(&codes, &random(5, 2)).unwrap();
    std::fs::write(&ids, "1\ntwo\n").unwrap();
    let (codes, index, ids) = (text(&codes), text(&index), text(&ids));
    answer(&["index", codes, "--out", index]);
    refuse(&["index", "--out", index], "CODES");
    refuse(&["index", codes, "--out", "index.txt"], ".kw");
    refuse(&["index", "--delete", ids, "--out", index], "ids.txt:2");
    refuse(&["index", codes, "--append", "--out", codes], "holds codes, not index");
    refuse(&["search", codes, "--query", codes], "holds codes, not index");
    refuse(&["search", index, "--query", codes, "--recall", "2"], "recall");
    refuse(&["search", index, "--query", index], "holds index, not codes");
}
