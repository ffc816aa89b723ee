//! The binary as a user or a script meets it.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// `kwinners ARGUMENTS` in a world without data sets and without a home.
fn kwinners(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kwinners"));
    command.args(arguments).stdin(Stdio::null());
    for name in ["KWINNERS_DATA", "XDG_DATA_HOME", "HOME"] {
        command.env_remove(name);
    }
    command.env("HOME", "/nonexistent");
    command
}

fn run(arguments: &[&str]) -> Output {
    kwinners(arguments).output().expect("the binary runs")
}

fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).expect("UTF-8")
}

fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).expect("UTF-8")
}

fn json(arguments: &[&str]) -> serde_json::Value {
    let output = run(&[arguments, &["--json"]].concat());
    assert!(output.status.success(), "{}", stderr(&output));
    serde_json::from_slice(&output.stdout).expect("one JSON object and nothing else")
}

/// Runs and expects exit status `status` and a message that contains `part`.
fn refuse(arguments: &[&str], status: i32, part: &str) {
    let output = run(arguments);
    assert_eq!(output.status.code(), Some(status), "{arguments:?}: {}", stderr(&output));
    assert!(stderr(&output).contains(part), "{arguments:?}: {}", stderr(&output));
    assert!(stdout(&output).is_empty(), "{arguments:?}: {}", stdout(&output));
}

/// A server that answers every request with `body`.
fn serve(body: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 4096]);
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
            let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body));
        }
    });
    address
}

#[test]
fn known_sets_are_listed() {
    let text = run(&["data", "list"]);
    assert!(text.status.success());
    for part in ["digits", "built in", "mnist", "kwinners data get mnist", "not found"] {
        assert!(stdout(&text).contains(part), "{part}: {}", stdout(&text));
    }
    let sets = json(&["data", "list"]);
    let digits = &sets["sets"][0];
    assert_eq!((&digits["name"], &digits["here"]), (&"digits".into(), &true.into()));
}

#[test]
fn a_data_set_is_described() {
    let info = json(&["data", "info", "digits"]);
    assert_eq!((&info["len"], &info["width"]), (&1797.into(), &64.into()));
    assert_eq!(info["image"], serde_json::json!([8, 8, 1]));
    assert_eq!(info["classes"].as_array().map(Vec::len), Some(10));
    let counts = info["classes"].as_array().unwrap().iter().map(|class| class["count"].as_u64());
    assert_eq!(counts.map(Option::unwrap).sum::<u64>(), 1797);
    let text = run(&["data", "info", "digits:test"]);
    assert!(stdout(&text).contains("images of 8 x 8"), "{}", stdout(&text));
}

#[test]
fn the_exit_status_says_whose_fault_it_is() {
    refuse(&[], 2, "Usage");
    refuse(&["daat"], 2, "unrecognized subcommand");
    refuse(&["data", "info", "mnits"], 2, "did you mean `mnist`?");
    refuse(&["data", "info", "mnist"], 2, "mnist");
    refuse(&["data", "info", "no/such/file.npy"], 2, "no/such/file.npy");
    refuse(&["data", "get", "digits"], 2, "built in");
    refuse(&["data", "get", "glove"], 2, "embeddings/glove");
    refuse(&["data", "get", "mnits"], 2, "did you mean `mnist`?");
    refuse(&["data", "list", "--threads", "0"], 2, "--threads");
}

#[test]
fn a_download_that_is_something_else_is_refused_and_removed() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().to_str().unwrap();
    for (body, part) in
        [(&b"<html>log in first</html>"[..], "cut"), (&[0; 40_000_000], "more than")]
    {
        let mirror = serve(body);
        let get = ["data", "get", "mnist", "--mirror", &mirror, "--data-dir", place];
        refuse(&get, 1, "train-images-idx3-ubyte.gz");
        refuse(&get, 1, part);
    }
    assert!(!folder.path().join("mnist/train-images-idx3-ubyte.gz").exists());
}

/// With the real files at hand, fetches them from a server of our own.
#[test]
#[expect(clippy::print_stderr, reason = "whoever reads the log should see what was not tested")]
fn mnist_is_fetched_and_found() {
    let Some(data) = std::env::var_os("KWINNERS_DATA") else {
        eprintln!("skipped: KWINNERS_DATA is not set");
        return;
    };
    let mirror = serve_folder(&Path::new(&data).join("mnist"));
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().to_str().unwrap();
    let got = json(&["data", "get", "mnist", "--mirror", &mirror, "--data-dir", place]);
    assert_eq!(got["files"].as_array().map(Vec::len), Some(4));
    assert_eq!(got["files"][0]["fetched"], "downloaded");
    let again = json(&["data", "get", "mnist", "--mirror", &mirror, "--data-dir", place]);
    assert_eq!(again["files"][0]["fetched"], "present");
    let info = json(&["data", "info", "mnist:test", "--data-dir", place]);
    assert_eq!(info["len"], 10_000);
    assert!(stdout(&run(&["data", "list", "--data-dir", place])).contains(place));
}

fn serve_folder(folder: &Path) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let folder = folder.to_owned();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = [0; 4096];
            let len = stream.read(&mut request).unwrap();
            let request = String::from_utf8_lossy(&request[..len]).into_owned();
            let name = request.split(' ').nth(1).unwrap().trim_start_matches('/').to_owned();
            let body = std::fs::read(folder.join(name)).unwrap();
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
            let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body));
        }
    });
    address
}

/// `kwinners data list | head -0`: the reader goes away before the first byte.
#[test]
fn a_closed_pipe_is_no_failure() {
    for arguments in [&["data", "list"][..], &["data", "list", "--json"], &["--help"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut child = kwinners(arguments).stdout(writer).stderr(Stdio::piped()).spawn().unwrap();
        let mut complaint = String::new();
        child.stderr.take().unwrap().read_to_string(&mut complaint).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(0), "{arguments:?}: {complaint}");
        assert_eq!(complaint, "", "{arguments:?}");
    }
}

#[test]
fn nothing_is_coloured_off_a_terminal() {
    for arguments in [&["data", "list"][..], &["--help"], &["data", "info", "digits"]] {
        assert!(!stdout(&run(arguments)).contains('\x1b'), "{arguments:?}");
    }
}
