//! Downloads against servers of our own that behave and misbehave.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use super::*;

/// `(the range that is asked for) -> answer`.
type Answer = dyn Fn(Option<u64>) -> Reply + Send + Sync;

/// What a server says, byte for byte; a promised body may be cut short.
struct Reply {
    head: String,
    body: Vec<u8>,
}

/// The file that all tests fetch: 300,000 bytes that no shift maps onto themselves.
fn content() -> Vec<u8> {
    (0..300_000u32).map(|place| (place.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

fn file() -> RemoteFile {
    let sha256 = sha256(&mut content().as_slice()).unwrap();
    RemoteFile { name: "digits.bin", bytes: 300_000, sha256: sha256.leak() }
}

fn whole(body: Vec<u8>) -> Reply {
    Reply { head: format!("200 OK\r\nContent-Length: {}", body.len()), body }
}

fn part_from(start: u64) -> Reply {
    let body = content()[start as usize..].to_vec();
    let range = format!("Content-Range: bytes {start}-299999/300000");
    Reply {
        head: format!("206 Partial Content\r\n{range}\r\nContent-Length: {}", body.len()),
        body,
    }
}

fn status(line: &str) -> Reply {
    Reply { head: format!("{line}\r\nContent-Length: 0"), body: Vec::new() }
}

/// Serves on a free port and notes every range that is asked for.
fn serve(answer: impl Fn(Option<u64>) -> Reply + Send + Sync + 'static) -> (String, Ranges) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/sets", listener.local_addr().unwrap());
    let ranges = Ranges::default();
    let noted = Arc::clone(&ranges);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            answer_one(stream.unwrap(), &answer, &noted);
        }
    });
    (address, ranges)
}

type Ranges = Arc<Mutex<Vec<Option<u64>>>>;

fn answer_one(mut stream: TcpStream, answer: &Answer, ranges: &Ranges) {
    let mut range = None;
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "GET /sets/digits.bin HTTP/1.1");
    for line in lines.map_while(Result::ok).take_while(|line| !line.is_empty()) {
        let line = line.to_ascii_lowercase();
        if let Some(start) = line.strip_prefix("range: bytes=") {
            range = Some(start.trim_end_matches('-').parse().unwrap());
        }
    }
    ranges.lock().unwrap().push(range);
    let reply = answer(range);
    let head = format!("HTTP/1.1 {}\r\nConnection: close\r\n\r\n", reply.head);
    // The client may hang up in the middle: that is its right.
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&reply.body));
}

/// An address where nobody listens.
fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

struct Fixture {
    folder: tempfile::TempDir,
    stop: AtomicBool,
}

impl Fixture {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), stop: AtomicBool::new(false) }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn with_part(self, bytes: &[u8]) -> Self {
        fs::write(self.path("digits.bin.part"), bytes).unwrap();
        self
    }

    fn fetch(&self, mirrors: &[&str]) -> anyhow::Result<Fetched> {
        let mirrors = mirrors.iter().map(|&mirror| mirror.to_owned()).collect();
        let mut downloader = Downloader::new(mirrors, &self.stop);
        downloader.pause = Duration::from_millis(1);
        let mut last = 0;
        let result = downloader.fetch(&file(), self.folder.path(), &mut |bytes| last = bytes);
        assert!(result.is_err() || last == 300_000 || matches!(result, Ok(Fetched::Resumed)));
        result
    }

    /// The file has come, and nothing else is left.
    fn assert_done(&self) {
        assert_eq!(fs::read(self.path("digits.bin")).unwrap(), content());
        assert_eq!(fs::read_dir(self.folder.path()).unwrap().count(), 1);
    }

    fn assert_nothing_left(&self) {
        assert_eq!(fs::read_dir(self.folder.path()).unwrap().count(), 0);
    }
}

#[test]
fn a_whole_file_comes_and_comes_only_once() {
    let (mirror, ranges) = serve(|_| whole(content()));
    let fixture = Fixture::new();
    assert_eq!(fixture.fetch(&[&mirror]).unwrap(), Fetched::Downloaded);
    fixture.assert_done();
    assert_eq!(fixture.fetch(&[&mirror]).unwrap(), Fetched::Present);
    assert_eq!(*ranges.lock().unwrap(), [None]);
}

#[test]
fn half_a_file_is_completed() {
    let (mirror, ranges) = serve(|range| part_from(range.unwrap()));
    let fixture = Fixture::new().with_part(&content()[..150_000]);
    assert_eq!(fixture.fetch(&[&mirror]).unwrap(), Fetched::Resumed);
    fixture.assert_done();
    assert_eq!(*ranges.lock().unwrap(), [Some(150_000)]);
}

#[test]
fn a_server_without_ranges_sends_all_again() {
    let (mirror, _) = serve(|_| whole(content()));
    let fixture = Fixture::new().with_part(&content()[..150_000]);
    fixture.fetch(&[&mirror]).unwrap();
    fixture.assert_done();
}

#[test]
fn a_part_that_the_server_refuses_or_shifts_is_dropped() {
    let refuse = |range: Option<u64>| match range {
        Some(_) => status("416 Range Not Satisfiable"),
        None => whole(content()),
    };
    let shift = |range: Option<u64>| match range {
        Some(start) => part_from(start + 1),
        None => whole(content()),
    };
    for (mirror, ranges) in [serve(refuse), serve(shift)] {
        let fixture = Fixture::new().with_part(&content()[..150_000]);
        fixture.fetch(&[&mirror]).unwrap();
        fixture.assert_done();
        assert_eq!(*ranges.lock().unwrap(), [Some(150_000), None]);
    }
}

#[test]
fn a_complete_or_overlong_part_is_judged_by_its_checksum() {
    let fixture = Fixture::new().with_part(&content());
    assert_eq!(fixture.fetch(&[&nobody()]).unwrap(), Fetched::Resumed);
    fixture.assert_done();
    let (mirror, ranges) = serve(|_| whole(content()));
    let fixture = Fixture::new().with_part(&[7; 400_000]);
    fixture.fetch(&[&mirror]).unwrap();
    fixture.assert_done();
    assert_eq!(*ranges.lock().unwrap(), [None]);
}

#[test]
fn a_part_of_another_file_costs_one_more_download() {
    let (mirror, ranges) = serve(|range| range.map_or_else(|| whole(content()), part_from));
    let fixture = Fixture::new().with_part(&[7; 1_000]);
    fixture.fetch(&[&mirror]).unwrap();
    fixture.assert_done();
    assert_eq!(*ranges.lock().unwrap(), [Some(1_000), None]);
}

#[test]
fn a_wrong_file_is_refused_and_removed() {
    let mut wrong = content();
    wrong[200_000] ^= 1;
    let (mirror, _) = serve(move |_| whole(wrong.clone()));
    let fixture = Fixture::new();
    let error = fixture.fetch(&[&mirror]).unwrap_err().to_string();
    assert!(error.contains("wrong checksum") && error.contains(file().sha256), "{error}");
    fixture.assert_nothing_left();
}

#[test]
fn a_file_that_never_ends_is_refused() {
    let (mirror, _) = serve(|_| whole(vec![0; 1_000_000]));
    let fixture = Fixture::new();
    let error = fixture.fetch(&[&mirror]).unwrap_err().to_string();
    assert!(error.contains("more than the expected 300000 bytes"), "{error}");
    fixture.assert_nothing_left();
}

#[test]
fn the_next_mirror_helps_out() {
    let (missing, asked) = serve(|_| status("404 Not Found"));
    let (broken, tries) = serve(|_| status("503 Service Unavailable"));
    let (good, _) = serve(|_| whole(content()));
    let fixture = Fixture::new();
    fixture.fetch(&[&missing, &broken, &nobody(), &good]).unwrap();
    fixture.assert_done();
    assert_eq!(asked.lock().unwrap().len(), 1);
    assert_eq!(tries.lock().unwrap().len(), FRUITLESS_TRIES as usize);
    let error = Fixture::new().fetch(&[&missing, &broken]).unwrap_err().to_string();
    assert!(error.contains("404") && error.contains("503"), "{error}");
}

#[test]
fn a_cut_line_is_taken_up_again() {
    let cut = |range: Option<u64>| {
        let mut reply = range.map_or_else(|| whole(content()), part_from);
        reply.body.truncate(70_000);
        reply
    };
    let (mirror, ranges) = serve(cut);
    let fixture = Fixture::new();
    fixture.fetch(&[&mirror]).unwrap();
    fixture.assert_done();
    let expected = [None, Some(70_000), Some(140_000), Some(210_000), Some(280_000)];
    assert_eq!(*ranges.lock().unwrap(), expected);
}

#[test]
fn what_came_is_kept_for_the_next_run() {
    let (mirror, _) = serve(|range| match range {
        None => Reply { body: content()[..100_000].to_vec(), ..whole(content()) },
        Some(_) => status("503 Service Unavailable"),
    });
    let fixture = Fixture::new();
    assert!(fixture.fetch(&[&mirror]).is_err());
    assert_eq!(fs::read(fixture.path("digits.bin.part")).unwrap(), content()[..100_000]);
    let (healed, ranges) = serve(|range| part_from(range.unwrap()));
    assert_eq!(fixture.fetch(&[&healed]).unwrap(), Fetched::Resumed);
    fixture.assert_done();
    assert_eq!(*ranges.lock().unwrap(), [Some(100_000)]);
}

#[test]
fn asked_to_stop_it_stops() {
    let (mirror, ranges) = serve(|_| whole(content()));
    let fixture = Fixture::new();
    fixture.stop.store(true, Ordering::Relaxed);
    let error = fixture.fetch(&[&mirror, &mirror]).unwrap_err().to_string();
    assert!(error.contains("stopped"), "{error}");
    assert_eq!(ranges.lock().unwrap().len(), 1);
}

#[test]
fn two_downloads_of_one_file_do_not_mix() {
    let fixture = Fixture::new();
    let _first = Part::open(&fixture.path("digits.bin")).unwrap();
    let error = fixture.fetch(&[&nobody()]).unwrap_err().to_string();
    assert!(error.contains("another download"), "{error}");
}

#[test]
fn a_spoilt_file_is_fetched_anew() {
    let (mirror, _) = serve(|_| whole(content()));
    let fixture = Fixture::new();
    fs::write(fixture.path("digits.bin"), vec![0; 300_000]).unwrap();
    assert_eq!(fixture.fetch(&[&mirror]).unwrap(), Fetched::Downloaded);
    fixture.assert_done();
}
