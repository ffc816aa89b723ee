//! The house rules as a test: what a reviewer should never have to say.
//!
//! Each rule is a function from one source file to complaints of the form `path:line: what`; each has
//! a test that it holds in this tree and a test that it would speak up.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The floors of the library, bottom to top. A module uses only modules of lower floors, and
/// neighbours on its own floor as long as they don't use it back.
const FLOORS: &[&[&str]] = &[
    &["error", "rng", "rows"],
    &["kernel"],
    &["sdr"],
    &["kwta"],
    &["net", "speech"],
    &["encoder", "memory", "index"],
    &["metrics", "data"],
    &["train", "report", "file"],
];

const LONGEST_FILE_LINES: usize = 800;

/// One source file, with the names that matter to the rules.
struct Source {
    /// Relative to the root of the workspace, with `/`.
    path: String,
    text: String,
}

impl Source {
    /// Lines with their numbers from 1, without comments and the insides of strings.
    fn code(&self) -> impl Iterator<Item = (usize, String)> {
        self.text.lines().enumerate().map(|(index, line)| (index + 1, bare_code(line)))
    }

    /// As [`Source::code`], up to the unit tests.
    fn product_code(&self) -> impl Iterator<Item = (usize, String)> {
        self.code().take_while(|(_, line)| !line.contains("#[cfg(test)]"))
    }

    /// The top-level module of the library that the file belongs to; `None` for `lib.rs` and for
    /// files that are not the library's.
    fn module(&self) -> Option<&str> {
        let inside = self.path.strip_prefix("crates/kwinners/src/")?;
        let module = inside.split('/').next()?.trim_end_matches(".rs");
        (module != "lib").then_some(module)
    }

    fn complain(&self, line: usize, what: impl std::fmt::Display) -> String {
        format!("{}:{line}: {what}", self.path)
    }
}

/// Drops a line comment and empties string literals, well enough for the rules here.
fn bare_code(line: &str) -> String {
    let (mut bare, mut in_string, mut escaped) = (String::new(), false, false);
    let mut characters = line.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            _ if escaped => escaped = false,
            '\\' if in_string => escaped = true,
            '"' => {
                in_string = !in_string;
                bare.push('"');
            }
            '/' if !in_string && characters.peek() == Some(&'/') => break,
            _ if !in_string => bare.push(character),
            _ => {}
        }
    }
    bare
}

/// The identifiers of a line of code.
fn words(code: &str) -> impl Iterator<Item = &str> {
    code.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty())
}

fn floor_of(module: &str) -> Option<usize> {
    FLOORS.iter().position(|floor| floor.contains(&module))
}

/// The modules named after `crate::` in a text, also in `crate::{a, b::c}`; re-exported names such as
/// `crate::Rows` count as the module in lower case that holds them.
fn modules_used(source: &Source) -> Vec<(usize, String)> {
    let mut used = Vec::new();
    let mut text = String::new();
    let mut starts = Vec::new();
    for (number, line) in source.product_code() {
        starts.push((text.len(), number));
        text.push_str(&line);
        text.push('\n');
    }
    for (place, _) in text.match_indices("crate::") {
        let number = starts.iter().rev().find(|(start, _)| *start <= place).expect("a line").1;
        let after = &text[place + "crate::".len()..];
        used.extend(heads(after).into_iter().map(|head| (number, head)));
    }
    used
}

/// First path segments of what follows `crate::`: one name, or those of a brace group.
fn heads(after: &str) -> Vec<String> {
    let first = |path: &str| words(path).next().map(str::to_owned);
    let Some(group) = after.strip_prefix('{') else { return first(after).into_iter().collect() };
    let (mut depth, mut part, mut parts) = (0, String::new(), Vec::new());
    for character in group.chars() {
        match character {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => parts.push(std::mem::take(&mut part)),
            _ => part.push(character),
        }
    }
    parts.push(part);
    parts.iter().filter_map(|part| first(part)).collect()
}

/// `Name -> module` for every `pub use module::{Name, ...}` of `lib.rs`.
fn re_exports(lib: &Source) -> Vec<(String, String)> {
    let text: String = lib.code().map(|(_, line)| line + " ").collect();
    let uses = text.split("pub use ").skip(1).filter_map(|rest| rest.split(';').next());
    uses.flat_map(|path| {
        let mut names = words(path).map(str::to_owned);
        let module = names.next().unwrap_or_default();
        names.map(move |name| (name, module.clone())).collect::<Vec<_>>()
    })
    .collect()
}

/// Every use of one module by another, and what is wrong with it.
fn check_floors(sources: &[Source]) -> Vec<String> {
    let lib = sources.iter().find(|source| source.path.ends_with("kwinners/src/lib.rs"));
    let exported = lib.map(re_exports).unwrap_or_default();
    let mut complaints = Vec::new();
    let mut arrows = BTreeSet::new();
    for source in sources {
        let Some(module) = source.module() else { continue };
        if floor_of(module).is_none() {
            complaints.push(source.complain(1, format!("module `{module}` has no floor")));
            continue;
        }
        for (line, name) in modules_used(source) {
            let named = exported.iter().find(|(export, _)| *export == name);
            let used = named.map_or(name.as_str(), |(_, module)| module);
            arrows.insert((module.to_owned(), used.to_owned()));
            let back = (used.to_owned(), module.to_owned());
            let mutual = used != module && arrows.contains(&back);
            if let Some(what) = wrong_arrow(module, used, mutual) {
                complaints.push(source.complain(line, what));
            }
        }
    }
    complaints
}

/// What is wrong with `module` using `used`, if anything.
fn wrong_arrow(module: &str, used: &str, mutual: bool) -> Option<String> {
    match floor_of(used) {
        _ if used == module => None,
        None => Some(format!("`{module}` uses `{used}`, which has no floor")),
        other if other > floor_of(module) => {
            Some(format!("`{module}` uses `{used}`, which is on a higher floor"))
        }
        other if other == floor_of(module) && mutual => {
            Some(format!("`{module}` and `{used}` use each other"))
        }
        _ => None,
    }
}

/// No way around [`check_floors`]: `super::` stays inside the top-level module.
fn check_supers(source: &Source) -> Vec<String> {
    if source.module().is_none() {
        return Vec::new();
    }
    let inside = source.path.trim_start_matches("crates/kwinners/src/");
    let depth = inside.trim_end_matches("/mod.rs").split('/').count();
    let leaves = "super::".repeat(depth);
    complain_where(source, source.product_code(), "leaves its module by `super::`", |code| {
        code.contains(&leaves)
    })
}

fn check_length(source: &Source) -> Vec<String> {
    let lines = source.text.lines().count();
    let complaint = source.complain(lines, format!("longer than {LONGEST_FILE_LINES} lines"));
    if lines > LONGEST_FILE_LINES { vec![complaint] } else { Vec::new() }
}

/// `unsafe` stands only under `kernel/`; that each block says why it is sound is clippy's to check.
fn check_unsafe(source: &Source) -> Vec<String> {
    if source.path.starts_with("crates/kwinners/src/kernel/") {
        return Vec::new();
    }
    complain_where(source, source.code(), "`unsafe` outside kernel/", |code| {
        words(code).any(|word| word == "unsafe")
    })
}

/// Nothing unfinished, switched off or left over from debugging, tests included.
fn check_unfinished(source: &Source) -> Vec<String> {
    let banned = ["todo!", "unimplemented!", "dbg!", "#[ignore"];
    complain_where(source, source.code(), "unfinished or switched off", |code| {
        banned.iter().any(|text| code.contains(text))
    })
}

/// The library and the dashboard print nothing; of the command line only `output.rs` prints.
fn check_printing(source: &Source) -> Vec<String> {
    let product = source.path.contains("/src/");
    if !product || source.path == "crates/kwinners-cli/src/output.rs" {
        return Vec::new();
    }
    let banned = ["println!", "print!", "eprintln!", "eprint!", "stdout(", "stderr("];
    complain_where(source, source.product_code(), "prints", |code| {
        banned.iter().any(|text| code.contains(text))
    })
}

/// The library opens no socket: not even by accident through the standard library.
fn check_sockets(source: &Source) -> Vec<String> {
    if source.module().is_none() {
        return Vec::new();
    }
    complain_where(source, source.product_code(), "opens a socket", |code| {
        code.contains("std::net") || words(code).any(|word| word == "TcpStream")
    })
}

fn complain_where(
    source: &Source,
    code: impl Iterator<Item = (usize, String)>,
    what: &str,
    bad: impl Fn(&str) -> bool,
) -> Vec<String> {
    code.filter(|(_, line)| bad(line)).map(|(number, _)| source.complain(number, what)).collect()
}

/// Which of our crates a manifest may depend on: `cli -> dashboard -> kwinners`, nothing back.
fn check_manifest(source: &Source) -> Vec<String> {
    let crates = ["kwinners", "kwinners-dashboard", "kwinners-cli"];
    let Some(own) =
        crates.iter().position(|name| source.path == format!("crates/{name}/Cargo.toml"))
    else {
        return Vec::new();
    };
    let depends = |line: &str, name: &str| {
        line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['.', ' ', '=']))
    };
    let lines = source.text.lines().enumerate();
    lines
        .filter(|(_, line)| crates[own..].iter().any(|name| depends(line, name)))
        .map(|(index, line)| source.complain(index + 1, format!("points back: {line}")))
        .collect()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the workspace")
}

/// Every Rust file and manifest under `crates/`.
fn sources() -> Vec<Source> {
    let root = root();
    let mut folders = vec![root.join("crates")];
    let mut sources = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a readable folder") {
            let path = entry.expect("a readable entry").path();
            if path.is_dir() && !path.ends_with("target") {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "rs" || end == "toml") {
                let text = std::fs::read_to_string(&path).expect("UTF-8");
                let inside = path.strip_prefix(&root).expect("under the root");
                sources.push(Source { path: inside.to_string_lossy().replace('\\', "/"), text });
            }
        }
    }
    sources.sort_by(|a, b| a.path.cmp(&b.path));
    sources
}

fn assert_tidy(complaints: &[String]) {
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

fn assert_all(rule: fn(&Source) -> Vec<String>) {
    let rust = sources().into_iter().filter(|source| source.path.ends_with(".rs"));
    assert_tidy(&rust.flat_map(|source| rule(&source)).collect::<Vec<_>>());
}

fn sample(path: &str, text: &str) -> Source {
    Source { path: path.to_owned(), text: text.to_owned() }
}

#[test]
fn the_tree_is_found() {
    let sources = sources();
    let has = |end: &str| sources.iter().any(|source| source.path.ends_with(end));
    assert!(has("crates/kwinners/src/lib.rs") && has("crates/kwinners-cli/src/main.rs"));
    assert!(has("crates/kwinners/Cargo.toml"));
}

#[test]
fn modules_use_only_lower_floors() {
    assert_tidy(&check_floors(&sources()));
}

#[test]
fn a_use_of_a_higher_floor_is_seen() {
    let lib = || sample("crates/kwinners/src/lib.rs", "pub use sdr::{Sdr, SdrBatch};");
    let seen = |path: &str, text: &str| check_floors(&[lib(), sample(path, text)]).len();
    assert_eq!(seen("crates/kwinners/src/rows.rs", "use crate::error::Error;"), 0);
    assert_eq!(seen("crates/kwinners/src/rows.rs", "use crate::sdr::Sdr;"), 1);
    assert_eq!(seen("crates/kwinners/src/rows.rs", "use crate::{Sdr, error::Error};"), 1);
    assert_eq!(seen("crates/kwinners/src/kernel/a.rs", "let x = crate::train::fit();"), 1);
    assert_eq!(seen("crates/kwinners/src/rows.rs", "// use crate::sdr::Sdr;"), 0);
    assert_eq!(seen("crates/kwinners/src/attic.rs", ""), 1);
}

#[test]
fn a_way_out_by_super_is_seen() {
    assert_all(check_supers);
    let seen = |path: &str, text: &str| check_supers(&sample(path, text)).len();
    assert_eq!(seen("crates/kwinners/src/rows.rs", "use super::sdr::Sdr;"), 1);
    assert_eq!(seen("crates/kwinners/src/sdr/ops.rs", "use super::Sdr;"), 0);
    assert_eq!(seen("crates/kwinners/src/sdr/mod.rs", "use super::train::fit;"), 1);
    assert_eq!(seen("crates/kwinners/src/sdr/ops.rs", "use super::super::train::fit;"), 1);
    assert_eq!(seen("crates/kwinners/src/sdr/a/b.rs", "use super::super::Sdr;"), 0);
}

#[test]
fn neighbours_that_use_each_other_are_seen() {
    let data = sample("crates/kwinners/src/data/mod.rs", "use crate::metrics::knn;");
    let metrics =
        sample("crates/kwinners/src/metrics/mod.rs", "use crate::{\n  data::Dataset,\n};");
    assert_eq!(check_floors(&[data, metrics]).len(), 1);
}

#[test]
fn files_are_short() {
    assert_all(check_length);
    let long = sample("a.rs", &"\n".repeat(LONGEST_FILE_LINES + 1));
    assert_eq!(check_length(&long).len(), 1);
}

#[test]
fn unsafe_stands_only_in_the_kernel() {
    assert_all(check_unsafe);
    let block = "let x = unsafe { y };";
    assert_eq!(check_unsafe(&sample("crates/kwinners/src/rows.rs", block)).len(), 1);
    assert!(check_unsafe(&sample("crates/kwinners/src/kernel/avx2.rs", block)).is_empty());
    assert!(check_unsafe(&sample("a.rs", "#![deny(unsafe_code)] // unsafe")).is_empty());
}

#[test]
fn nothing_is_unfinished() {
    assert_all(check_unfinished);
    for text in ["todo!()", "    #[ignore]", "dbg!(x)"] {
        assert_eq!(check_unfinished(&sample("a.rs", text)).len(), 1, "{text}");
    }
    assert!(check_unfinished(&sample("a.rs", "let x = \"todo!\";")).is_empty());
}

#[test]
fn only_the_output_module_prints() {
    assert_all(check_printing);
    assert_all(check_sockets);
    let print = "println!(\"hello\");";
    assert_eq!(check_printing(&sample("crates/kwinners/src/rows.rs", print)).len(), 1);
    assert_eq!(check_printing(&sample("crates/kwinners-cli/src/cmd/fit.rs", print)).len(), 1);
    assert!(check_printing(&sample("crates/kwinners-cli/src/output.rs", print)).is_empty());
    assert!(check_printing(&sample("crates/kwinners/src/rows.rs", "/// println!(1)")).is_empty());
    let socket = sample("crates/kwinners/src/rows.rs", "use std::net::TcpStream;");
    assert_eq!(check_sockets(&socket).len(), 1);
}

#[test]
fn no_crate_points_back() {
    let manifests = sources().into_iter().filter(|source| source.path.ends_with("Cargo.toml"));
    assert_tidy(&manifests.flat_map(|source| check_manifest(&source)).collect::<Vec<_>>());
    let seen = |own: &str, text: &str| {
        check_manifest(&sample(&format!("crates/{own}/Cargo.toml"), text)).len()
    };
    assert_eq!(seen("kwinners", "kwinners-dashboard.workspace = true"), 1);
    assert_eq!(seen("kwinners-dashboard", "kwinners-cli = { path = \"../kwinners-cli\" }"), 1);
    assert_eq!(seen("kwinners-dashboard", "kwinners.workspace = true"), 0);
    assert_eq!(seen("kwinners-cli", "kwinners.workspace = true\nkwinners-dashboard = \"1\""), 0);
}
