//! `fit encode decode eval inspect`, as a user or a script meets them, on the embedded digits.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use kwinners::Model;
use serde_json::Value;
use tempfile::TempDir;

/// A folder to work in, and the binary at work there: without data sets, without a home.
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

    fn bytes(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    fn write(&self, name: &str, contents: impl AsRef<[u8]>) {
        std::fs::write(self.path(name), contents).unwrap();
    }

    fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kwinners"));
        command.args(line.split_whitespace()).current_dir(&self.folder).stdin(Stdio::null());
        for name in ["KWINNERS_DATA", "XDG_DATA_HOME"] {
            command.env_remove(name);
        }
        command.env("HOME", "/nonexistent");
        command
    }

    fn run(&self, line: &str) -> Output {
        self.command(line).output().expect("the binary runs")
    }

    /// Runs what must go well; gives what it prints.
    fn text(&self, line: &str) -> String {
        let output = self.run(line);
        assert!(output.status.success(), "{line}: {}", stderr(&output));
        String::from_utf8(output.stdout).expect("UTF-8")
    }

    /// Runs what must go well, with `--json`.
    fn json(&self, line: &str) -> Value {
        let text = self.text(&format!("{line} --json"));
        serde_json::from_str(&text).expect("one JSON object and nothing else")
    }

    /// Runs what must be refused with exit status `status` and a message that holds `part`.
    fn refuse(&self, status: i32, line: &str, part: &str) {
        let output = self.run(line);
        let message = stderr(&output);
        assert_eq!(output.status.code(), Some(status), "{line}: {message}");
        assert!(message.contains(part), "{line}: {message}");
        assert!(!message.contains("panicked"), "{line}: {message}");
        assert!(output.stdout.is_empty(), "{line}");
    }
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().expect("an object").keys().map(String::as_str).collect()
}

/// A small model of the digits, quickly made.
const FIT: &str = "fit tied --data digits:train --set units=256 --set winners=12 --set epochs=8";
const SETS: &str = "--data digits:train --test digits:test";

#[test]
fn from_data_to_codes_to_figures_and_back() {
    let bench = Bench::new();
    let fitted = bench.json(&format!("{FIT} --set epochs=100 --out m.kw"));
    assert_eq!(fitted["model"]["units"], 256);
    assert_eq!((&fitted["samples"], &fitted["epochs"]), (&(100 * 1415).into(), &100.into()));
    assert_eq!(fitted["bytes"], bench.bytes("m.kw").len());
    for (line, name) in [("", "kw"), ("", "npz"), ("", "npy"), ("--format index", "index.npy")] {
        let line = format!("encode m.kw --data digits:test --out c.{name} {line}");
        let codes = bench.json(&line);
        assert_eq!((&codes["len"], &codes["winners"]), (&382.into(), &12.into()), "{line}");
        bench.json(&format!("decode m.kw --codes c.{name} --out {name}.npy"));
    }
    for name in ["npz", "npy", "index.npy"] {
        let decoded = bench.bytes(&format!("{name}.npy"));
        assert_eq!(decoded, bench.bytes("kw.npy"), "{name}");
        assert_eq!(decoded.len(), 128 + 382 * 64 * 4);
    }
    bench.json("decode m.kw --codes c.kw --out decoded.png");
    assert!(bench.bytes("decoded.png").starts_with(b"\x89PNG"));
    let report = bench.json(&format!("eval m.kw {SETS} --out pictures"));
    assert_eq!(keys(&report["reconstruction"]), ["fvu", "mse", "psnr"]);
    assert!(report["readout"]["knn1_overlap"].as_f64() > Some(0.9), "{report}");
    assert!(report["reconstruction"]["fvu"].as_f64() < Some(0.25), "{report}");
    assert_eq!(report["pictures"].as_array().map(Vec::len), Some(4));
    for name in ["strips", "filters", "encodings", "confusion"] {
        let picture = bench.bytes(&format!("pictures/{name}.png"));
        assert!(picture.starts_with(b"\x89PNG"), "{name}");
    }
}

/// Codes without their model are judged as the model's own are, whatever file they lie in.
#[test]
fn codes_are_judged_as_their_model_is() {
    let bench = Bench::new();
    bench.text(&format!("{FIT} --out m.kw"));
    let by_model = bench.json(&format!("eval m.kw {SETS} --metrics code,readout,separation"));
    for (format, name, units) in
        [("", "kw", ""), ("", "npz", ""), ("--format index", "npy", "--units 256")]
    {
        for set in ["train", "test"] {
            bench.text(&format!("encode m.kw --data digits:{set} --out {set}.{name} {format}"));
        }
        let line = format!("eval train.{name} --test-codes test.{name} {units} {SETS}");
        let by_codes = bench.json(&line);
        assert_eq!(by_codes["model"]["kind"], "codes");
        for section in ["code", "readout", "separation"] {
            let (model, codes) = (&by_model[section], &by_codes[section]);
            for name in keys(model) {
                assert_eq!(codes[name], model[name], "{line}: {section}.{name}");
            }
        }
        assert!(by_codes.get("reconstruction").is_none());
    }
}

#[test]
fn seeds_give_every_figure_as_mean_and_spread() {
    let bench = Bench::new();
    bench.text(&format!("{FIT} --out m.kw --seed 1"));
    let metrics = "--metrics code,reconstruction";
    let one = bench.json(&format!("eval m.kw {SETS} {metrics}"));
    let all = bench.json(&format!("eval m.kw {SETS} {metrics} --seeds 3"));
    assert_eq!(all["model"]["seed"], serde_json::json!([0, 1, 2]));
    let mse = &all["reconstruction"]["mse"];
    assert_eq!((&mse["n"], mse["values"].as_array().map(Vec::len)), (&3.into(), Some(3)));
    assert_eq!(mse["values"][1], one["reconstruction"]["mse"], "seed 1 is seed 1");
    assert_ne!(mse["values"][0], mse["values"][1]);
    assert!(mse["sd"].as_f64() > Some(0.0));
    assert_eq!(all["code"]["exact_k"], true);
}

/// What costs most is measured only where it is asked for, and needs the model.
#[test]
fn support_vector_machines_and_noise_are_there_for_the_asking() {
    let bench = Bench::new();
    bench.text(&format!("{FIT} --out m.kw"));
    let report = bench.json(&format!("eval m.kw {SETS} --metrics noise,svm,raw"));
    assert_eq!(keys(&report), ["data", "model", "noise", "readout", "separation", "time"]);
    for name in ["linear_svm", "raw_linear_svm", "raw_linear_probe"] {
        assert!(report["readout"][name].as_f64() > Some(0.7), "{name}: {report}");
    }
    let noise = &report["noise"];
    assert_eq!((&noise["protocol"], &noise["readout"]), (&"s2".into(), &"linear_probe".into()));
    assert_eq!((&noise["levels"][0], &noise["levels"][10]), (&0.0.into(), &0.5.into()));
    for (accuracy, score) in [("accuracy", "score"), ("raw_accuracy", "raw_score")] {
        let shares: Vec<f64> =
            noise[accuracy].as_array().unwrap().iter().filter_map(Value::as_f64).collect();
        assert_eq!(shares.len(), 11);
        assert!(shares[0] > shares[10], "{accuracy}: half of the pixels must matter: {shares:?}");
        let right = shares.iter().map(|share| share * 382.0).sum::<f64>().round();
        assert_eq!(noise[score].as_f64(), Some(right), "{score}");
    }
    assert_eq!(noise["raw_accuracy"][0], report["readout"]["raw_linear_probe"]);

    let seeds = bench.json(&format!("eval m.kw {SETS} --metrics noise --noise gaussian --seeds 2"));
    assert_eq!(seeds["noise"]["protocol"], "gaussian");
    assert_eq!(seeds["noise"]["score"]["n"], 2);
    assert_eq!(seeds["noise"]["accuracy"][10]["n"], 2);
    assert_eq!(seeds["noise"]["raw_accuracy"][3]["sd"], 0.0, "the same raw inputs");

    bench.text("encode m.kw --data digits:train --out a.kw");
    bench.text("encode m.kw --data digits:test --out b.kw");
    let codes = format!("eval a.kw --test-codes b.kw {SETS}");
    bench.refuse(2, &format!("{codes} --metrics noise"), "needs the model");
    bench.refuse(2, &format!("eval m.kw {SETS} --metrics code --noise s2"), "--metrics");
    bench.refuse(2, &format!("eval m.kw {SETS} --noise s2"), "--metrics");
    let misspelt = format!("eval m.kw {SETS} --metrics noise --noise gausian");
    bench.refuse(2, &misspelt, "did you mean `gaussian`");
}

#[test]
fn a_file_is_laid_open() {
    let bench = Bench::new();
    bench.text(&format!("{FIT} --out m.kw"));
    let found = bench.json("inspect m.kw");
    assert_eq!(found["bytes"], bench.bytes("m.kw").len());
    let sections = found["sections"].as_array().unwrap();
    let weights = sections.iter().find(|section| section["name"] == "weights").unwrap();
    assert_eq!(weights["bytes"], 256 * 64 * 4);
    let text = bench.text("inspect m.kw");
    for part in ["content", "tied", "digits:train", "winners", "weights", "CRC-32"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let mut bytes = bench.bytes("m.kw");
    bytes[weights["offset"].as_u64().unwrap() as usize] ^= 1;
    bench.write("flipped.kw", bytes);
    bench.refuse(2, "inspect flipped.kw", "section `weights`");
    bench.refuse(2, "inspect nothing.kw", "nothing.kw");
}

#[test]
fn kinds_and_settings_are_listed() {
    let bench = Bench::new();
    let all = bench.json("fit --list");
    let mut kinds = Model::KINDS.to_vec();
    kinds.sort_unstable();
    assert_eq!(keys(&all["kinds"]), kinds);
    assert_eq!(all["kinds"]["tied"]["winners"]["default"], "30");
    let tied = bench.text("fit tied --list");
    assert!(tied.contains("learning_rate") && !tied.contains("inputs_a_unit"), "{tied}");
    bench.refuse(2, "fit tide --list", "did you mean `tied`?");
}

/// A line about every 1,000 samples and one at the end of every epoch, appended.
#[test]
fn the_log_follows_the_fit() {
    let bench = Bench::new();
    bench.text(&format!("{FIT} --set batch=1 --out m.kw --log l.jsonl"));
    let log = String::from_utf8(bench.bytes("l.jsonl")).unwrap();
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let samples: Vec<u64> = lines.iter().map(|line| line["samples"].as_u64().unwrap()).collect();
    assert_eq!(samples[..4], [1000, 1415, 2415, 2830]);
    assert_eq!((samples.len(), samples[15]), (16, 8 * 1415));
    assert_eq!((&lines[0]["epoch"], &lines[15]["epoch"]), (&0.into(), &7.into()));
    assert!(lines[15]["loss"].as_f64() < lines[0]["loss"].as_f64());
    bench.text(&format!("{FIT} --out m.kw --log l.jsonl"));
    assert!(bench.bytes("l.jsonl").starts_with(log.as_bytes()));
}

#[test]
fn settings_come_from_the_file_then_the_line() {
    let bench = Bench::new();
    bench.write("s.toml", "units = 128\nwinners = 4\nepochs = 1\nseed = 3\n");
    let line = "fit tied --data digits --config s.toml --set winners=6 --seed 5 --out m.kw";
    let fitted = bench.json(line);
    let model = &fitted["model"];
    assert_eq!((&model["units"], &model["winners"]), (&128.into(), &6.into()));
    assert_eq!(model["seed"], 5);
}

/// The number of threads changes how fast, never what.
#[test]
fn threads_change_no_byte() {
    let bench = Bench::new();
    for batch in [1, 64] {
        let fit = format!("{FIT} --set batch={batch}");
        bench.text(&format!("{fit} --threads 1 --out one.kw"));
        bench.text(&format!("{fit} --threads 2 --out two.kw"));
        assert_eq!(bench.bytes("one.kw"), bench.bytes("two.kw"), "batch {batch}");
        let report = |threads| {
            let mut report = bench.json(&format!("eval one.kw {SETS} --threads {threads}"));
            assert!(report.as_object_mut().unwrap().remove("time").is_some());
            report
        };
        assert_eq!(report(1), report(2), "batch {batch}");
    }
}

#[test]
fn mistakes_are_named() {
    let bench = Bench::new();
    bench.text(&format!("{FIT} --out m.kw"));
    bench.text("fit random-projection --data digits --out r.kw --set units=64 --set winners=4");
    bench.text("encode r.kw --data digits:test --out r.npz");
    let fit = "fit tied --data digits --out x.kw";
    bench.refuse(2, "fit tide --data digits --out x.kw", "did you mean `tied`?");
    bench.refuse(2, &format!("{fit} --set winer=3"), "did you mean `winners`?");
    bench.refuse(2, &format!("{fit} --set winners=2000"), "2000 winners of 1000 units");
    bench.refuse(2, &format!("{fit} --set learning_rate=fast"), "expected a finite number");
    bench.refuse(2, "fit tied --data mnits --out x.kw", "did you mean `mnist`?");
    bench.refuse(2, "fit tied --data digits", "--out");
    bench.refuse(2, "fit tied --data digits --out x.npy", ".kw");
    bench.refuse(2, "fit tied --data digits --out -", "standard output");
    bench.refuse(2, &format!("{fit} --resume"), "x.kw.checkpoint: there is no checkpoint");
    bench.refuse(2, "encode m.kw --data digits --out x.txt", ".kw or .npz or .npy");
    bench.refuse(2, "encode m.kw --data digits --out x.kw --format index", "--format");
    bench.refuse(2, "decode r.kw --codes r.npz --out x.npy", "has no decoder");
    bench.refuse(2, "decode m.kw --codes r.npz --out x.npy", "expected 256 units");
    bench.refuse(2, "decode m.kw --codes m.kw --out x.npy", "not codes");
    bench.refuse(2, "encode r.npz --data digits --out x.kw", "not a .kw file");
    let eval = |line: &str| format!("eval {line} {SETS}");
    bench.refuse(2, &eval("m.kw --metrics readuot"), "did you mean `readout`?");
    bench.refuse(2, &eval("r.kw --metrics reconstruction"), "no decoder");
    bench.refuse(2, &eval("r.npz"), "--test-codes");
    bench.refuse(2, &eval("r.npz --test-codes r.npz"), "codes of digits:train");
    bench.refuse(2, &eval("r.npz --test-codes r.npz --seeds 2"), "--seeds");
    bench.refuse(2, &eval("m.kw --seeds 0"), "--seeds");
    bench.refuse(2, &eval("m.kw --test-codes r.npz"), "--test-codes");
}

#[test]
fn bad_files_are_bad_input() {
    let bench = Bench::new();
    bench.text(&format!("{FIT} --out m.kw"));
    let whole = bench.bytes("m.kw");
    bench.write("short.kw", &whole[..whole.len() / 2]);
    bench.write("empty.kw", "");
    for name in ["short.kw", "empty.kw"] {
        bench.refuse(2, &format!("encode {name} --data digits --out x.kw"), name);
        bench.refuse(2, &format!("eval {name} {SETS}"), "refused");
    }
    bench.write("narrow.csv", "1,2,3\n4,5,6\n");
    bench.write("nan.csv", "1,2\n3,nan\n");
    let narrow = "./narrow.csv for m.kw: expected rows of 64 values, got rows of 3";
    bench.refuse(2, "encode m.kw --data ./narrow.csv --out x.kw", narrow);
    bench.refuse(2, "eval m.kw --data digits --test ./narrow.csv", narrow);
    bench.refuse(2, "fit tied --data ./nan.csv --out x.kw", "row 1, column 1 is NaN");
    let labelless = "eval m.kw --data ./wide.csv --test ./wide.csv --metrics";
    bench.write("wide.csv", format!("{}\n", ["1"; 64].join(",")).repeat(3));
    bench.refuse(2, &format!("{labelless} readout"), "no labels");
    bench.refuse(2, &format!("{labelless} separation"), "no labels");
    for under_a_file in ["m.kw/x.kw", "nowhere/x.kw"] {
        bench.refuse(2, &format!("fit tied --data digits --out {under_a_file}"), "no folder");
    }
    let fit = "fit tied --data digits --out x.kw";
    for option in ["--log m.kw/l.jsonl", "--checkpoint m.kw/c"] {
        bench.refuse(2, &format!("{fit} {option}"), "m.kw/");
    }
    bench.refuse(2, &format!("eval m.kw {SETS} --out m.kw/p"), "m.kw/p");
    assert!(!bench.path("x.kw").exists());
}

/// A fit that takes seconds: online, with a log that shows where it is.
const LONG_EPOCHS: u64 = 300;
const LONG: &str = "fit tied --data digits:train --set batch=1 --set epochs=300 --log l.jsonl";

/// The samples in the last whole line of a log; 0 before there is one.
fn logged(path: &Path) -> u64 {
    let log = std::fs::read_to_string(path).unwrap_or_default();
    let whole = log.rfind('\n').map_or("", |end| &log[..end]);
    let line = whole.lines().last().unwrap_or("{}");
    serde_json::from_str::<Value>(line).unwrap()["samples"].as_u64().unwrap_or(0)
}

/// Waits until `ready`; `child` must still be running then.
fn wait(child: &mut Child, what: &str, ready: impl Fn() -> bool) {
    while !ready() {
        if let Some(status) = child.try_wait().unwrap() {
            panic!("ended with {status} before {what}");
        }
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
}

/// Sends a signal as a terminal or `timeout` does.
#[cfg(unix)]
fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill").args([format!("-{name}"), child.id().to_string()]).status();
    assert!(sent.expect("kill runs").success());
}

/// One fit, stopped three times at moments that differ from run to run.
#[cfg(unix)]
#[test]
fn a_fit_that_was_stopped_goes_on_to_the_same_bytes() {
    let bench = Bench::new();
    bench.text(&format!("{LONG} --out whole.kw"));
    std::fs::remove_file(bench.path("l.jsonl")).unwrap();
    let clock = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let all = LONG_EPOCHS * 1415;
    let moments = [(5, "INT"), (30, "TERM"), (55, "INT")];
    for (place, (percent, name)) in moments.into_iter().enumerate() {
        let chance = u64::from(clock.subsec_nanos()) >> (8 * place) & 0xff;
        let moment = all * percent / 100 + all * chance / 256 / 10;
        let resume = if place > 0 { "--resume" } else { "" };
        let mut command = bench.command(&format!("{LONG} --out m.kw {resume}"));
        let mut child = command.stderr(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let log = bench.path("l.jsonl");
        wait(&mut child, &format!("sample {moment}"), || logged(&log) >= moment);
        signal(&child, name);
        let output = child.wait_with_output().unwrap();
        let message = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "after sample {moment}: {message}");
        assert!(message.contains("m.kw.checkpoint") && message.contains("--resume"), "{message}");
        assert!(!bench.path("m.kw").exists());
    }
    let rest = bench.json(&format!("{LONG} --out m.kw --resume"));
    assert!(rest["samples"].as_u64() < Some(all / 2), "{rest}");
    assert!(bench.bytes("m.kw") == bench.bytes("whole.kw"), "the bytes differ");
    assert!(!bench.path("m.kw.checkpoint").exists(), "nobody asked for it");
    let log = String::from_utf8(bench.bytes("l.jsonl")).unwrap();
    let samples = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let samples: Vec<u64> = samples.map(|line| line["samples"].as_u64().unwrap()).collect();
    assert!(samples.is_sorted(), "the log goes on where it stopped");
    assert_eq!(samples.last(), Some(&all));
}

/// A fit that dies without a word goes on from its last checkpoint; only the same fit does.
#[test]
fn a_fit_that_was_killed_goes_on_from_its_checkpoint() {
    let bench = Bench::new();
    bench.text(&format!("{LONG} --out whole.kw"));
    let fit = format!("{LONG} --out m.kw --checkpoint c");
    let mut child = bench.command(&fit).stderr(Stdio::piped()).spawn().unwrap();
    wait(&mut child, "a checkpoint", || bench.path("c/checkpoint.kw").exists());
    child.kill().unwrap();
    child.wait().unwrap();
    let checkpoint = bench.json("inspect c/checkpoint.kw");
    let text = checkpoint["text"].as_array().unwrap();
    assert!(text.iter().any(|pair| pair[0] == "epoch"), "{checkpoint}");
    let other = "saved with other settings";
    bench.refuse(2, &format!("{fit} --resume --set units=999"), "units is 1000 there, 999 here");
    bench.refuse(2, &format!("{fit} --resume --seed 1"), other);
    let projection = "fit random-projection --data digits:train --out m.kw --checkpoint c --resume";
    bench.refuse(2, projection, "the kind is tied there");
    let data = fit.replace("digits:train", "digits:test");
    bench.refuse(2, &format!("{data} --resume"), "digits:train there, digits:test here");
    std::fs::copy(bench.path("whole.kw"), bench.path("x.kw.checkpoint")).unwrap();
    let finished = format!("{LONG} --out x.kw --resume");
    bench.refuse(2, &finished, "not a checkpoint");
    bench.text(&format!("{fit} --resume"));
    assert!(bench.bytes("m.kw") == bench.bytes("whole.kw"), "the bytes differ");
    assert!(bench.path("c/checkpoint.kw").exists(), "it was asked for");
    bench.text(&format!("{fit} --resume"));
    assert!(bench.bytes("m.kw") == bench.bytes("whole.kw"), "nothing was left to do");
}
