//! Pages: what they hold, who may ask, and that a fit does not notice them.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::{Value, json};

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kwinners"));
    command.args(arguments).stdin(Stdio::null()).env("HOME", "/nonexistent");
    for name in ["KWINNERS_DATA", "XDG_DATA_HOME"] {
        command.env_remove(name);
    }
    command
}

fn run(arguments: &[&str]) -> Output {
    command(arguments).output().expect("the binary runs")
}

fn text_of(arguments: &[&str]) -> String {
    let output = run(arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

fn path(folder: &Path, name: &str) -> String {
    folder.join(name).to_str().expect("UTF-8").to_owned()
}

/// The page of a folder, until this is dropped.
struct Served {
    child: Child,
    address: SocketAddr,
    url: String,
}

impl Served {
    fn new(folder: &Path, more: &[&str]) -> Self {
        let folder = folder.to_str().expect("UTF-8");
        let arguments = [&["serve", folder, "--addr", "127.0.0.1:0"], more].concat();
        let mut child =
            command(&arguments).stdout(Stdio::piped()).spawn().expect("the binary runs");
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().expect("piped")).read_line(&mut line).unwrap();
        let url = line.split_whitespace().next().expect("an address").to_owned();
        let host = url.trim_start_matches("http://").split('/').next().unwrap();
        Self { address: host.parse().expect("an address"), url, child }
    }

    /// Status and body of a request as it stands.
    fn raw(&self, request: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
        let body = answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned());
        (status.expect("a status"), body.unwrap_or_default())
    }

    fn get(&self, path: &str) -> (u16, String) {
        self.raw(&format!(
            "GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n",
            self.address
        ))
    }

    fn post(&self, path: &str, question: &Value) -> (u16, Value) {
        self.post_text(path, &question.to_string(), "")
    }

    fn post_text(&self, path: &str, body: &str, headers: &str) -> (u16, Value) {
        let (status, text) = self.raw(&format!(
            "POST {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n{headers}\r\n{body}",
            self.address,
            body.len()
        ));
        (status, serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    fn runs(&self) -> Vec<Value> {
        let (status, text) = self.get("/runs");
        assert_eq!(status, 200, "{text}");
        let answer: Value = serde_json::from_str(&text).unwrap();
        answer["runs"].as_array().unwrap().clone()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A folder as the demo leaves it.
fn demo() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("demo");
    text_of(&["demo", "--out", out.to_str().unwrap()]);
    (folder, out)
}

#[test]
fn the_demo_leaves_a_page_that_needs_nothing() {
    let (_folder, out) = demo();
    let page = std::fs::read_to_string(out.join("report.html")).unwrap();
    assert!(page.len() < 3_000_000, "{} bytes", page.len());
    for id in
        ["curve", "strips", "neighbours", "map", "maps", "overlaps", "filters", "raster", "duty"]
    {
        assert!(page.contains(&format!("<figure id={id} ")), "no {id}");
    }
    let sources = page.matches("src=\"").count() + page.matches("href=\"").count();
    let inside = page.matches("src=\"data:").count() + page.matches("href=\"data:").count();
    assert_eq!(sources, inside, "the page asks for something");
    // Three letters alone may stand in the base64 of a picture.
    for wrong in ["<script", " NaN", "NaN<", "NaN "] {
        assert!(!page.contains(wrong), "{wrong}");
    }
    assert!(page.contains("kwinners demo --out"));
}

#[test]
fn eval_and_compare_leave_pages() {
    let (_folder, out) = demo();
    let (model, page) = (path(&out, "model.kw"), path(&out, "eval.html"));
    let judge = ["eval", &model, "--data", "digits:train", "--test", "digits:test"];
    let more = ["--metrics", "code,readout,raw,noise", "--report", &page, "--json"];
    let report = text_of(&[&judge[..], &more].concat());
    let text = std::fs::read_to_string(&page).unwrap();
    assert!(text.contains("<figure id=noise ") && text.contains("<figure id=curve "));
    let first = path(&out, "eval.json");
    std::fs::write(&first, report).unwrap();
    let (both, other) = (path(&out, "both.html"), path(&out, "other"));
    text_of(&["demo", "--out", &other, "--seed", "1"]);
    let table = text_of(&["compare", &first, &other, "--report", &both]);
    let probe = table.lines().find(|line| line.starts_with("linear probe")).expect("a line");
    assert_eq!(probe.matches('*').count(), 1, "{table}");
    let text = std::fs::read_to_string(&both).unwrap();
    assert!(text.contains("<figure id=curve ") && text.contains("raw inputs: linear probe"));
    let refused = run(&["compare", &model, &first]);
    assert_eq!(refused.status.code(), Some(2));
    let refused = run(&[&judge[..], &["--report", "page.txt"]].concat());
    assert_eq!(refused.status.code(), Some(2));
}

#[test]
fn the_page_answers_questions_about_codes() {
    let (_folder, out) = demo();
    let served = Served::new(&out, &[]);
    let runs = served.runs();
    assert_eq!(runs.len(), 1, "{runs:?}");
    let id = runs[0]["id"].as_str().unwrap();
    for (key, there) in [("model", true), ("log", true), ("page", true), ("figures", true)] {
        assert_eq!(runs[0][key], there, "{key}");
    }
    let (status, code) = served.post("/encode", &json!({ "run": id, "row": 4 }));
    assert_eq!((status, code["indices"].as_array().unwrap().len()), (200, 24), "{code}");
    let asked = json!({ "run": id, "indices": code["indices"], "top": 3 });
    let (_, found) = served.post("/search", &asked);
    let hits = found["hits"].as_array().unwrap();
    assert_eq!((hits.len(), found["of"].as_u64()), (3, Some(24)));
    assert_eq!(
        hits[0]["shared"].as_array().unwrap().len() as u64,
        hits[0]["overlap"].as_u64().unwrap()
    );
    let recalled = json!({ "run": id, "indices": code["indices"] });
    let (_, told) = served.post("/recall", &recalled);
    assert_eq!(told["answer"], "4", "{told}");
    let (_, decoded) = served.post("/decode", &recalled);
    assert_eq!(decoded["values"].as_array().unwrap().len(), 64);
    let (status, _) = served.get(&format!("/runs/{id}/pictures"));
    assert_eq!(status, 200);
}

#[test]
fn bad_questions_are_answered_with_reasons() {
    let (_folder, out) = demo();
    let served = Served::new(&out, &[]);
    let id = served.runs()[0]["id"].as_str().unwrap().to_owned();
    let cases = [
        (json!({ "run": "0123" }), 404, "there is no run"),
        (json!({ "run": id }), 400, "exactly one of"),
        (json!({ "run": id, "row": 100_000 }), 400, "below 382"),
        (json!({ "run": id, "values": [1.0] }), 400, "64 values"),
        (json!({ "run": id, "indices": [5, 4] }), 400, "not increasing"),
        (json!({ "run": id, "indices": [400] }), 400, "unit 400"),
        (json!({ "run": id, "text": "four" }), 422, "no texts"),
        (json!({ "run": id, "rows": 4 }), 422, "unknown field"),
    ];
    for (question, status, reason) in cases {
        let (got, answer) = served.post("/search", &question);
        let told = answer["error"].as_str().unwrap_or_default();
        assert!(got == status && told.contains(reason), "{question}: {got} {answer}");
    }
    let (status, _) = served.post_text("/search", "{", "");
    assert_eq!(status, 400);
    let huge = format!("{{\"run\":\"{}\"}}", "x".repeat(2 << 20));
    assert_eq!(served.post_text("/search", &huge, "").0, 413);
}

/// What `kwinners` prints with `--json` about the first ten digits in `out`, run there.
fn json_of(out: &Path, line: &str) -> Value {
    let arguments: Vec<&str> = line.split(' ').chain(["--json"]).collect();
    let output = command(&arguments).current_dir(out).output().expect("the binary runs");
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("one object")
}

#[test]
fn indexes_and_memories_answer_as_the_commands_do() {
    let (_folder, out) = demo();
    let served = Served::new(&out, &[]);
    let model = served.runs()[0]["name"].as_str().unwrap().to_owned();
    let encode = |rows: &str, to: &str| {
        json_of(&out, &format!("encode {model}.kw --data digits:test[{rows}] --out {to}.kw"))
    };
    encode("0..100", "stored");
    encode("100..103", "asked");
    json_of(&out, "index stored.kw --out i.kw");
    json_of(&out, "memory store m.kw --cues asked.kw");
    std::thread::sleep(std::time::Duration::from_secs(1));
    let (_, stores) = served.get("/stores");
    assert!(stores.contains("\"i\"") && stores.contains("\"m\""), "{stores}");

    let inputs: Value = json!(
        [100, 101, 102].map(|row| served.post("/encode", &json!({ "run": model, "row": row })).1)
    );
    let queries: Vec<Value> =
        inputs.as_array().unwrap().iter().map(|code| code["indices"].clone()).collect();
    let told = json_of(&out, "search i.kw --query asked.kw --top 4");
    let (status, found) =
        served.post("/search", &json!({ "index": "i", "queries": queries, "top": 4 }));
    assert_eq!((status, &found["results"]), (200, &told["results"]));
    let told = json_of(&out, "search i.kw --query asked.kw --within 0.3 --score jaccard");
    let ask =
        json!({ "index": "i", "queries": queries, "top": 100, "score": "jaccard", "within": 0.3 });
    assert_eq!(served.post("/search", &ask).1["results"], told["results"]);
    let few = json!({ "index": "i", "queries": queries, "ids": [7, 9] });
    assert_eq!(served.post("/search", &few).1["results"][2].as_array().unwrap().len(), 2);

    json_of(&out, "index asked.kw --out i.kw --append");
    let (_, grown) = served.post("/search", &json!({ "index": "i", "queries": queries, "top": 1 }));
    assert_eq!((&grown["among"], &grown["results"][0][0]["id"]), (&json!(103), &json!(100)));

    let code = queries[0].as_array().unwrap().clone();
    let part = json!({ "memory": "m", "queries": [code[..20]], "steps": 8 });
    assert_eq!(served.post("/recall", &part).1["results"], json!([code]));
    let bad = [
        ("/search", json!({ "index": "m", "queries": [] }), 404, "no index m"),
        ("/search", json!({ "index": "../i", "queries": [] }), 404, "no index"),
        ("/search", json!({ "index": "i" }), 400, "either `queries`"),
        ("/search", json!({ "index": "i", "inputs": [[1.0]] }), 400, "with the `run`"),
        ("/search", json!({ "index": "i", "run": model, "inputs": [[1.0]] }), 400, "64 values"),
        ("/search", json!({ "index": "i", "queries": [[3, 1]] }), 400, "not increasing"),
        ("/search", json!({ "index": "i", "queries": [[1]], "top": 1_000_000 }), 400, "at most"),
        ("/search", json!({ "index": "i", "queries": [], "sort": 1 }), 422, "unknown field"),
        ("/recall", json!({ "memory": "m", "queries": [[1]], "steps": 0 }), 400, "1 to 100"),
        ("/recall", json!({ "memory": "m", "queries": [[1]], "rule": "most" }), 400, "most"),
    ];
    for (path, question, status, reason) in bad {
        let (got, answer) = served.post(path, &question);
        let told = answer["error"].as_str().unwrap_or_default();
        assert!(got == status && told.contains(reason), "{question}: {got} {answer}");
    }
}

#[test]
fn nothing_leaves_the_folder_and_no_other_site_may_ask() {
    let (folder, out) = demo();
    std::fs::write(folder.path().join("secret.json"), "{}").unwrap();
    let served = Served::new(&out, &[]);
    for path in [
        "/../secret.json",
        "/assets/../../secret.json",
        "/assets/%2e%2e%2fsecret.json",
        "/runs/..%2fsecret/figures",
    ] {
        assert_eq!(served.get(path).0, 404, "{path}");
    }
    let host = |host: &str| {
        served.raw(&format!("GET /runs HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"))
    };
    let port = served.address.port();
    assert_eq!(host(&format!("localhost:{port}")).0, 200);
    for other in ["evil.example", &format!("evil.example:{port}"), "127.0.0.1"] {
        assert_eq!(host(other).0, 421, "{other}");
    }
    let ask = |headers: &str| served.post_text("/search", "{\"run\":\"x\"}", headers).0;
    assert_eq!(ask(&format!("Origin: http://{}\r\n", served.address)), 404);
    assert_eq!(ask("Origin: http://evil.example\r\n"), 403);
    assert_eq!(ask("Sec-Fetch-Site: cross-site\r\n"), 403);
    let answer = format!("GET / HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", served.address);
    let mut stream = TcpStream::connect(served.address).unwrap();
    stream.write_all(answer.as_bytes()).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    assert!(
        text.contains("script-src 'self'") && text.contains("x-content-type-options: nosniff"),
        "{text}"
    );
}

#[test]
fn other_machines_need_a_flag_and_a_token() {
    let folder = tempfile::tempdir().unwrap();
    let refused = run(&["serve", folder.path().to_str().unwrap(), "--addr", "0.0.0.0:0"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("--remote"));
    let served = Served::new(folder.path(), &["--remote"]);
    let token = served.url.split_once("?token=").expect("a token").1;
    assert_eq!(served.get("/runs").0, 401);
    assert_eq!(served.get(&format!("/?token={}", "0".repeat(32))).0, 401);
    assert_eq!(served.get(&format!("/?token={token}")).0, 303);
    let with = |header: &str| {
        let request = format!(
            "GET /runs HTTP/1.1\r\nHost: {}\r\n{header}\r\nConnection: close\r\n\r\n",
            served.address
        );
        served.raw(&request).0
    };
    assert_eq!(with(&format!("Authorization: Bearer {token}")), 200);
    assert_eq!(with(&format!("Cookie: a=b; kwinners-token={token}")), 200);
    assert_eq!(with("Cookie: kwinners-token="), 401);
}

/// Reads events until `text` comes.
fn read_until(stream: &mut TcpStream, text: &str) -> String {
    let (mut all, mut piece) = (String::new(), [0; 4096]);
    while !all.contains(text) {
        let len = stream.read(&mut piece).unwrap();
        assert!(len > 0, "the stream ended: {all}");
        all.push_str(&String::from_utf8_lossy(&piece[..len]));
    }
    all
}

#[test]
fn a_reader_that_comes_back_goes_on_where_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("a.jsonl");
    std::fs::write(&log, "{\"samples\":1,\"loss\":3}\n{\"samples\":2,\"loss\":2}\n{\"sam").unwrap();
    let served = Served::new(folder.path(), &[]);
    let id = served.runs()[0]["id"].as_str().unwrap().to_owned();
    let listen = |told: &str| {
        let mut stream = TcpStream::connect(served.address).unwrap();
        let request =
            format!("GET /runs/{id}/events HTTP/1.1\r\nHost: {}\r\n{told}\r\n", served.address);
        stream.write_all(request.as_bytes()).unwrap();
        stream
    };
    let first = read_until(&mut listen(""), "[2,2.0,null,null,0]]");
    assert!(first.contains("id: 46") && first.contains("[[1,3.0,"), "{first}");
    std::fs::write(
        &log,
        "{\"samples\":1,\"loss\":3}\n{\"samples\":2,\"loss\":2}\n{\"samples\":3,\"loss\":1}\n",
    )
    .unwrap();
    let second = read_until(&mut listen("Last-Event-ID: 46\r\n"), "[[3,1.0,null,null,0]]");
    assert!(!second.contains("[1,3.0,"), "{second}");
    std::fs::write(&log, "{\"samples\":1,\"loss\":9}\n").unwrap();
    let third = read_until(&mut listen("Last-Event-ID: 69\r\n"), "[[1,9.0,null,null,0]]");
    assert!(third.contains("event: reset"), "{third}");
}

/// Fits while `clients` listen and read nothing, and gives the model's bytes.
fn fitted(folder: &Path, name: &str, clients: Option<usize>) -> Vec<u8> {
    let out = path(folder, name);
    let settings = ["--set", "epochs=300", "--set", "units=256", "--set", "winners=16"];
    let fit = ["fit", "tied", "--data", "digits:train", "--out", &out];
    let arguments = [&fit[..], &settings].concat();
    let Some(clients) = clients else {
        text_of(&arguments);
        return std::fs::read(&out).unwrap();
    };
    let mut child = command(&[&arguments[..], &["--serve", "127.0.0.1:0"]].concat());
    let mut child = child.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let mut told = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    told.read_line(&mut line).unwrap();
    let host =
        line.split("http://").nth(1).and_then(|rest| rest.split('/').next()).expect("an address");
    let mut listening = Vec::new();
    for _ in 0..clients {
        let mut stream = TcpStream::connect(host).unwrap();
        let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n");
        stream.write_all(get("/runs").as_bytes()).unwrap();
        let own = format!("\"name\":\"{}\"", name.trim_end_matches(".kw"));
        let text = read_until(&mut stream, &own);
        let before = text.split(&own).next().expect("what stands before");
        let id = before.rsplit("\"id\":\"").next().and_then(|rest| rest.split('"').next()).unwrap();
        stream.write_all(get(&format!("/runs/{id}/events")).as_bytes()).unwrap();
        listening.push(stream);
    }
    assert!(child.wait().unwrap().success());
    std::fs::read(&out).unwrap()
}

#[test]
fn a_fit_that_is_watched_ends_in_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let alone = fitted(folder.path(), "alone.kw", None);
    assert!(alone == fitted(folder.path(), "served.kw", Some(0)), "served");
    assert!(alone == fitted(folder.path(), "watched.kw", Some(3)), "watched by readers that stall");
    let log = std::fs::read_to_string(folder.path().join("served.jsonl")).unwrap();
    assert!(log.lines().count() > 300);
}
