//! The tables of networks, on images of a few bytes each.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

/// Images of 28 by 28 pixels, a bright square for each of ten classes, and their labels, as IDX.
fn data(folder: &Path) -> String {
    let path = |name: &str| -> PathBuf { folder.join(name) };
    let (mut images, mut labels) = (vec![0, 0, 8, 3, 0, 0, 0, 40], vec![0, 0, 8, 1, 0, 0, 0, 40]);
    images.extend([0, 0, 0, 28, 0, 0, 0, 28]);
    for image in 0..40u8 {
        let class = usize::from(image % 10);
        labels.push(image % 10);
        let (top, left) = (class / 4 * 8, class % 4 * 7);
        let inside = |place: usize| {
            (top..top + 6).contains(&(place / 28)) && (left..left + 6).contains(&(place % 28))
        };
        images.extend((0..784).map(|place| if inside(place) { 200 + image } else { 0 }));
    }
    std::fs::write(path("images"), images).unwrap();
    std::fs::write(path("labels"), labels).unwrap();
    format!("{},{}", path("images").display(), path("labels").display())
}

fn reproduce(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kwinners"));
    command.arg("reproduce").args(arguments).output().expect("the binary runs")
}

fn json(output: &Output) -> Value {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("one JSON object")
}

#[test]
fn the_forums_tables_run_and_keep_their_networks() {
    let folder = tempfile::tempdir().unwrap();
    let (spec, models) = (data(folder.path()), folder.path().join("models"));
    let models = models.to_str().unwrap();
    let on = |seeds: &str| {
        let data = ["--data", &spec, "--test", &spec, "--models", models, "--json"];
        reproduce(&[&["forum-noise", "--seeds", seeds][..], &data].concat())
    };
    let first = on("2");
    let notes = String::from_utf8_lossy(&first.stderr).into_owned();
    assert!(notes.contains("k-winners 7, boosted, seed 1"), "{notes}");
    let answer = json(&first);
    let tables = answer["tables"].as_array().unwrap();
    assert_eq!(tables.iter().map(|t| &t["noise"]).collect::<Vec<_>>(), ["forum-a", "gaussian"]);
    for table in tables {
        let rows = table["rows"].as_array().unwrap();
        assert_eq!((rows.len(), table["levels"].as_array().unwrap().len()), (5, 10));
        for row in rows {
            assert!(row.get("published").is_none(), "known figures are of other data");
            assert_eq!(row["accuracy"][9]["n"], 2);
        }
        assert_eq!(rows[0]["over_raw"]["mean"], 0.0);
        assert!(table["verdict"].as_str().unwrap().contains("beat raw"));
    }
    let again = on("2");
    assert!(again.stderr.is_empty(), "nothing is fitted twice");
    assert_eq!(again.stdout, first.stdout);
    // A network of another name is not taken for one of the table.
    let path = |name: &str| Path::new(models).join(name);
    std::fs::copy(path("forum-raw-0.kw"), path("forum-dropout-0.kw")).unwrap();
    let refused = on("1");
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("other settings"));
}

#[test]
fn attacks_are_told_with_their_warning() {
    let folder = tempfile::tempdir().unwrap();
    let spec = data(folder.path());
    let data = ["--data", &spec, "--test", &spec, "--samples", "4", "--seeds", "1", "--quiet"];
    let rows = ["--rows", "sparse-cnn2"];
    let answer = json(&reproduce(&[&["attacks", "--json"], &data[..], &rows].concat()));
    assert!(answer["warning"].as_str().unwrap().contains("gradient masking"));
    assert_eq!(answer["samples"], 4);
    let rows = answer["rows"].as_array().unwrap();
    let names = |row: &Value| -> Vec<String> {
        let curves = row["curves"].as_array().unwrap().iter();
        curves.map(|curve| curve["attack"].as_str().unwrap().to_owned()).collect()
    };
    let own = ["fgsm", "iterated-fgsm", "pgd", "decision"];
    assert_eq!(names(&rows[0]), own);
    assert_eq!(rows.len(), 2, "what was asked for, and what changes are transferred from");
    assert_eq!(names(&rows[1]), [&own[..], &["transfer"]].concat());
    for curve in rows.iter().flat_map(|row| row["curves"].as_array().unwrap()) {
        let shares = curve["accuracy"].as_array().unwrap();
        assert_eq!(shares.len(), answer["epsilons"].as_array().unwrap().len());
        let clean = shares[0]["mean"].as_f64().unwrap();
        assert!(shares.iter().all(|share| share["mean"].as_f64().unwrap() <= clean));
    }
    let unknown = reproduce(&[&["attacks", "--rows", "sparse-cn2"], &data[..]].concat());
    assert_eq!(unknown.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("did you mean `sparse-cnn2`"));
}
