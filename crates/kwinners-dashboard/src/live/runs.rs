//! What lies in the served folder.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use kwinners::{Error, Result, file};
use serde::Serialize;

/// Folders within folders that are looked into.
const DEEPEST: usize = 3;
/// Most files that are looked at.
const MOST_FILES: usize = 5000;
/// How long a scan is good for.
const FRESH: Duration = Duration::from_millis(700);

/// Files of one name in one folder: a model, its log, its reports.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Run {
    /// Stays the same for the same files; safe in an address.
    pub(super) id: String,
    /// Path in the folder, without an ending.
    pub(super) name: String,
    #[serde(serialize_with = "is_there")]
    pub(super) model: Option<PathBuf>,
    #[serde(serialize_with = "is_there")]
    pub(super) log: Option<PathBuf>,
    /// The report as a page.
    #[serde(serialize_with = "is_there")]
    pub(super) page: Option<PathBuf>,
    /// The report as JSON.
    #[serde(serialize_with = "is_there")]
    pub(super) figures: Option<PathBuf>,
    /// What the model file says of itself: kind, data and the like.
    pub(super) about: HashMap<String, String>,
    /// When one of the files changed last, in seconds since 1970.
    pub(super) changed_s: u64,
}

fn is_there<S: serde::Serializer>(
    path: &Option<PathBuf>,
    to: S,
) -> std::result::Result<S::Ok, S::Error> {
    to.serialize_bool(path.is_some())
}

/// An index or a memory.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Store {
    /// Path in the folder, without the ending.
    pub(super) name: String,
    #[serde(skip)]
    pub(super) path: PathBuf,
    /// What the file says of itself: content, units and the like.
    pub(super) about: HashMap<String, String>,
}

impl Store {
    /// `index` or `memory`.
    pub(super) fn content(&self) -> &str {
        self.about.get("content").map_or("", String::as_str)
    }
}

/// The runs and stores of a folder, as of a moment ago.
#[derive(Debug)]
pub(super) struct Catalogue {
    root: PathBuf,
    runs: Vec<Run>,
    stores: Vec<Store>,
    scanned: Option<Instant>,
    /// What .kw files say, by path, length and time.
    known: HashMap<(PathBuf, u64, SystemTime), HashMap<String, String>>,
}

impl Catalogue {
    pub(super) fn new(folder: &Path) -> Result<Self> {
        let root = folder.canonicalize().map_err(Error::io(folder))?;
        std::fs::read_dir(&root).map_err(Error::io(folder))?;
        Ok(Self {
            root,
            runs: Vec::new(),
            stores: Vec::new(),
            scanned: None,
            known: HashMap::new(),
        })
    }

    pub(super) fn runs(&self) -> &[Run] {
        &self.runs
    }

    pub(super) fn stores(&self) -> &[Store] {
        &self.stores
    }

    /// The id of the run whose model lies, or will lie, at `model`.
    pub(super) fn id_of(&self, model: &Path) -> String {
        let folder =
            model.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."));
        let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
        id_of(&self.name_of(&folder.join(model.file_name().unwrap_or_default())))
    }

    /// Path in the folder, without the ending.
    fn name_of(&self, path: &Path) -> String {
        let inside = path.strip_prefix(&self.root).unwrap_or(path).with_extension("");
        inside.to_string_lossy().replace('\\', "/")
    }

    /// Looks again, if the last look was a while ago.
    pub(super) fn refresh(&mut self) -> Result<()> {
        if self.scanned.is_some_and(|scanned| scanned.elapsed() < FRESH) {
            return Ok(());
        }
        let mut files = Vec::new();
        walk(&self.root, &self.root, DEEPEST, &mut files);
        let mut runs: Vec<Run> = Vec::new();
        for (path, seconds) in files {
            let name = self.name_of(&path);
            let place = runs.iter().position(|run| run.name == name).unwrap_or_else(|| {
                runs.push(Run { id: id_of(&name), name, ..Run::default() });
                runs.len() - 1
            });
            let run = &mut runs[place];
            run.changed_s = run.changed_s.max(seconds);
            match path.extension().and_then(|end| end.to_str()) {
                Some("kw") => run.model = Some(path),
                Some("jsonl") => run.log = Some(path),
                Some("html") => run.page = Some(path),
                Some("json") => run.figures = Some(path),
                _ => {}
            }
        }
        self.stores.clear();
        for run in &mut runs {
            let Some(path) = run.model.take() else { continue };
            let Some(about) = self.about(&path) else { continue };
            match about.get("content").map(String::as_str) {
                Some("model") => (run.model, run.about) = (Some(path), about),
                Some("index" | "memory") => {
                    self.stores.push(Store { name: run.name.clone(), path, about });
                }
                _ => {}
            }
        }
        self.stores.sort_by(|a, b| a.name.cmp(&b.name));
        share_reports(&mut runs);
        runs.retain(|run| run.model.is_some() || run.log.is_some() || run.page.is_some());
        runs.sort_by(|a, b| b.changed_s.cmp(&a.changed_s).then_with(|| a.name.cmp(&b.name)));
        (self.runs, self.scanned) = (runs, Some(Instant::now()));
        Ok(())
    }

    /// What a .kw file says of itself; nothing if it is damaged or half written.
    fn about(&mut self, path: &Path) -> Option<HashMap<String, String>> {
        let facts = std::fs::metadata(path).ok()?;
        let key = (path.to_owned(), facts.len(), facts.modified().ok()?);
        if let Some(known) = self.known.get(&key) {
            return Some(known.clone());
        }
        let text: HashMap<String, String> = file::describe(path).ok()?.into_iter().collect();
        self.known.retain(|(other, ..), _| other != path);
        self.known.insert(key, text.clone());
        Some(text)
    }
}

/// `demo` leaves `report.html` and `report.json` beside one model: they are that run's.
fn share_reports(runs: &mut Vec<Run>) {
    let folder =
        |name: &str| name.rsplit_once('/').map_or(String::new(), |(folder, _)| folder.to_owned());
    let reports: Vec<Run> =
        runs.iter().filter(|run| run.name.rsplit('/').next() == Some("report")).cloned().collect();
    for report in reports {
        let home = folder(&report.name);
        let mut models: Vec<&mut Run> = runs
            .iter_mut()
            .filter(|run| run.model.is_some() && folder(&run.name) == home)
            .collect();
        if let [model] = &mut models[..] {
            model.page = model.page.take().or(report.page);
            model.figures = model.figures.take().or(report.figures);
            runs.retain(|run| run.id != report.id);
        }
    }
}

/// Files with endings of ours below `folder`, with the time of their last change; what can't be read is left out, and
/// so is every link that leads out of `root`.
fn walk(root: &Path, folder: &Path, deeper: usize, files: &mut Vec<(PathBuf, u64)>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        if files.len() >= MOST_FILES || entry.file_name().to_string_lossy().starts_with('.') {
            continue;
        }
        let Ok(path) = entry.path().canonicalize() else { continue };
        let Ok(facts) = std::fs::metadata(&path) else { continue };
        if !path.starts_with(root) {
            continue;
        }
        if facts.is_dir() && deeper > 0 && path.parent() == Some(folder) {
            walk(root, &path, deeper - 1, files);
        }
        let ours = path.extension().and_then(|end| end.to_str());
        if facts.is_file() && matches!(ours, Some("kw" | "jsonl" | "html" | "json")) {
            let changed =
                facts.modified().ok().and_then(|at| at.duration_since(SystemTime::UNIX_EPOCH).ok());
            files.push((path, changed.map_or(0, |since| since.as_secs())));
        }
    }
}

/// 16 hexadecimal digits of a name: FNV-1a.
fn id_of(name: &str) -> String {
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{hash:016x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_lies_within_is_found() {
        let outside = tempfile::tempdir().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let write = |path: PathBuf| std::fs::write(path, "{}\n").unwrap();
        std::fs::create_dir(folder.path().join("deep")).unwrap();
        write(outside.path().join("secret.jsonl"));
        write(folder.path().join("deep/a.jsonl"));
        write(folder.path().join(".hidden.jsonl"));
        write(folder.path().join("notes.txt"));
        #[cfg(unix)]
        {
            use std::os::unix::fs::symlink;
            symlink(outside.path().join("secret.jsonl"), folder.path().join("link.jsonl")).unwrap();
            symlink(outside.path(), folder.path().join("door")).unwrap();
            symlink(folder.path(), folder.path().join("round")).unwrap();
        }
        let mut catalogue = Catalogue::new(folder.path()).unwrap();
        catalogue.refresh().unwrap();
        let names: Vec<&str> = catalogue.runs().iter().map(|run| run.name.as_str()).collect();
        assert_eq!(names, ["deep/a"]);
        assert_eq!(catalogue.runs()[0].id, catalogue.id_of(&folder.path().join("deep/a.kw")));
    }
}
