//! Fetches files over HTTP so that a bad line costs patience, not data.
//!
//! A file arrives as `NAME.part`, each try goes on where the last one stopped, and only a file of the
//! right size and SHA-256 gets its name. What a mirror can do wrong leads to the next mirror.

mod sources;
#[cfg(test)]
mod tests;

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use sha2::{Digest, Sha256};

pub(crate) use sources::{SOURCES, SourceSet};

/// A file as its mirrors should have it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RemoteFile {
    pub(crate) name: &'static str,
    pub(crate) bytes: u64,
    /// Lower-case hexadecimal.
    pub(crate) sha256: &'static str,
}

/// How [`Downloader::fetch`] came to the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Fetched {
    /// It was there, with the right checksum.
    Present,
    /// From the first byte.
    Downloaded,
    /// From where an earlier try had stopped.
    Resumed,
}

/// Tries at one mirror that bring nothing new before the next mirror has its turn.
const FRUITLESS_TRIES: u32 = 3;

/// Fetches files from mirrors.
pub(crate) struct Downloader<'a> {
    agent: ureq::Agent,
    /// Base addresses, in the order in which they are asked.
    mirrors: Vec<String>,
    /// Pause before a second try at the same mirror; doubled before each further one.
    pause: Duration,
    /// Set from outside to stop.
    stop: &'a AtomicBool,
}

impl<'a> Downloader<'a> {
    pub(crate) fn new(mirrors: Vec<String>, stop: &'a AtomicBool) -> Self {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_connect(Some(Duration::from_secs(15)))
            .timeout_recv_response(Some(Duration::from_secs(30)))
            .timeout_per_read(Some(Duration::from_secs(30)))
            .user_agent(concat!("kwinners/", env!("CARGO_PKG_VERSION")))
            .build();
        Self { agent: config.into(), mirrors, pause: Duration::from_millis(500), stop }
    }

    /// Brings `file` into `folder`; `watch` hears how many bytes are there.
    ///
    /// Fails if no mirror gives the file that is expected; what has arrived is kept for the next time,
    /// unless its checksum shows that it is something else.
    pub(crate) fn fetch(
        &self,
        file: &RemoteFile,
        folder: &Path,
        watch: &mut dyn FnMut(u64),
    ) -> anyhow::Result<Fetched> {
        let target = folder.join(file.name);
        if is_right(&target, file)? {
            watch(file.bytes);
            return Ok(Fetched::Present);
        }
        fs::create_dir_all(folder).with_context(|| format!("can't make {}", folder.display()))?;
        let mut part = Part::open(&target)?;
        // An earlier run may have been stopped between the last byte and the new name.
        if part.len()? >= file.bytes && part.check(file).is_ok() {
            part.finish(&target)?;
            return Ok(Fetched::Resumed);
        }
        let resumed = part.len()? > 0;
        let mut complaints = Vec::new();
        for mirror in &self.mirrors {
            let url = format!("{}/{}", mirror.trim_end_matches('/'), file.name);
            match self.fetch_from(&url, file, &mut part, watch) {
                Ok(()) => {
                    part.finish(&target)?;
                    return Ok(if resumed { Fetched::Resumed } else { Fetched::Downloaded });
                }
                Err(error) if self.stopped() => return Err(error),
                Err(error) => complaints.push(format!("{url}: {error:#}")),
            }
        }
        bail!("no mirror has a good {}:\n  {}", file.name, complaints.join("\n  "))
    }

    /// Asks one mirror until the whole file is there or [`FRUITLESS_TRIES`] in a row brought nothing.
    fn fetch_from(
        &self,
        url: &str,
        file: &RemoteFile,
        part: &mut Part,
        watch: &mut dyn FnMut(u64),
    ) -> anyhow::Result<()> {
        let (mut fruitless, mut from_elsewhere) = (0, part.len()? > 0);
        loop {
            let before = part.len()?;
            let failure = self.request(url, file, part, watch).err();
            let len = part.len()?;
            if self.stopped() {
                bail!("stopped; the same command goes on from here");
            }
            if len == file.bytes {
                match part.check(file) {
                    // What was here before may be what is wrong: once from the first byte.
                    Err(_) if from_elsewhere => from_elsewhere = false,
                    other => return other,
                }
                continue;
            }
            let failure = failure.unwrap_or_else(|| Failure::Passing(anyhow!("the line was cut")));
            fruitless = if len > before { 0 } else { fruitless + 1 };
            match failure {
                Failure::Passing(_) if fruitless < FRUITLESS_TRIES => {
                    std::thread::sleep(self.pause * 2u32.pow(fruitless));
                }
                Failure::Passing(error) | Failure::Final(error) => return Err(error),
            }
        }
    }

    /// One request: asks for what is missing and appends what comes.
    fn request(
        &self,
        url: &str,
        file: &RemoteFile,
        part: &mut Part,
        watch: &mut dyn FnMut(u64),
    ) -> Result<(), Failure> {
        let have = part.len().map_err(Failure::Final)?;
        let mut request = self.agent.get(url).header("Accept-Encoding", "identity");
        if have > 0 {
            request = request.header("Range", format!("bytes={have}-"));
        }
        let response = request.call().map_err(|error| Failure::Passing(error.into()))?;
        match response.status().as_u16() {
            206 if continues_at(&response, have) => {}
            // The server sends the whole file, or does not say which part of it this is.
            200 => part.truncate().map_err(Failure::Final)?,
            206 | 416 => {
                part.truncate().map_err(Failure::Final)?;
                return Err(Failure::Passing(anyhow!("the server can't go on from byte {have}")));
            }
            status @ (408 | 429 | 500..=599) => {
                return Err(Failure::Passing(anyhow!("the server answered {status}")));
            }
            status => return Err(Failure::Final(anyhow!("the server answered {status}"))),
        }
        self.append(response.into_body().into_reader(), file, part, watch)
    }

    fn append(
        &self,
        mut body: impl Read,
        file: &RemoteFile,
        part: &mut Part,
        watch: &mut dyn FnMut(u64),
    ) -> Result<(), Failure> {
        let mut len = part.len().map_err(Failure::Final)?;
        let mut buffer = vec![0; 64 * 1024];
        while !self.stopped() {
            let got = body.read(&mut buffer).map_err(|error| Failure::Passing(error.into()))?;
            if got == 0 {
                break;
            }
            len += got as u64;
            if len > file.bytes {
                part.truncate().map_err(Failure::Final)?;
                let expected = file.bytes;
                return Err(Failure::Final(anyhow!("more than the expected {expected} bytes")));
            }
            part.write(&buffer[..got]).map_err(Failure::Final)?;
            watch(len);
        }
        Ok(())
    }

    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

/// Why a request failed, and so whether asking the same mirror again makes sense.
enum Failure {
    Passing(anyhow::Error),
    Final(anyhow::Error),
}

/// Whether a partial answer starts at byte `have`: `Content-Range: bytes 100-199/200`.
fn continues_at(response: &ureq::http::Response<ureq::Body>, have: u64) -> bool {
    let range = response.headers().get("content-range").and_then(|value| value.to_str().ok());
    let start = range.and_then(|range| range.strip_prefix("bytes ")?.split('-').next());
    start.and_then(|start| start.trim().parse().ok()) == Some(have)
}

/// The file on its way: `NAME.part`, locked against a second download of the same file.
struct Part {
    file: File,
    path: PathBuf,
}

impl Part {
    fn open(target: &Path) -> anyhow::Result<Self> {
        let mut name = target.as_os_str().to_owned();
        name.push(".part");
        let path = PathBuf::from(name);
        let mut options = File::options();
        options.read(true).write(true).create(true).truncate(false);
        let mut file =
            options.open(&path).with_context(|| format!("can't write {}", path.display()))?;
        if let Err(fs::TryLockError::WouldBlock) = file.try_lock() {
            bail!("{}: another download is writing this file", path.display());
        }
        file.seek(SeekFrom::End(0))?;
        Ok(Self { file, path })
    }

    fn len(&self) -> anyhow::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn write(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        self.file.write_all(bytes).with_context(|| format!("can't write {}", self.path.display()))
    }

    fn truncate(&mut self) -> anyhow::Result<()> {
        self.file.set_len(0)?;
        self.file.seek(SeekFrom::Start(0))?;
        Ok(())
    }

    /// Empties the part if it is not the file that is expected: there is nothing to go on from.
    fn check(&mut self, file: &RemoteFile) -> anyhow::Result<()> {
        self.file.seek(SeekFrom::Start(0))?;
        let got = sha256(&mut self.file)?;
        if got == file.sha256 {
            return Ok(());
        }
        self.truncate()?;
        bail!("wrong checksum: expected sha256 {}, got {got}", file.sha256)
    }

    fn finish(self, target: &Path) -> anyhow::Result<()> {
        self.file.sync_all()?;
        let context = || format!("can't rename {}", self.path.display());
        fs::rename(&self.path, target).with_context(context)
    }
}

impl Drop for Part {
    /// Leaves no empty file behind; after [`Part::finish`] the name is gone.
    fn drop(&mut self) {
        if self.file.metadata().is_ok_and(|data| data.len() == 0) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Whether `path` is there and is the file that is expected.
pub(crate) fn is_right(path: &Path, file: &RemoteFile) -> anyhow::Result<bool> {
    match File::open(path) {
        Ok(mut opened) => {
            let same_size = opened.metadata()?.len() == file.bytes;
            Ok(same_size && sha256(&mut opened)? == file.sha256)
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error).with_context(|| format!("can't read {}", path.display())),
    }
}

/// The SHA-256 of what is left to read, in lower-case hexadecimal.
fn sha256(reader: &mut impl Read) -> anyhow::Result<String> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let got = reader.read(&mut buffer)?;
        if got == 0 {
            break;
        }
        hasher.update(&buffer[..got]);
    }
    Ok(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}
