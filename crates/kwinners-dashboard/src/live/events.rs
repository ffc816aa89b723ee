//! Server-sent events: a log as it grows.

use std::convert::Infallible;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use axum::response::sse::{Event, KeepAlive, Sse};
use serde_json::json;

use super::{Answer, Refusal, Shared, Showcase};
use crate::curve::{self, CurvePoint};

/// Browsers that may listen at a time.
pub(super) const MOST_STREAMS: usize = 64;
/// Time between two looks at a log.
const LOOK: Duration = Duration::from_millis(250);
/// Bytes of a log that are read at a time.
const PIECE: u64 = 1 << 20;
/// Points that one event may carry: what is behind is thinned, never queued.
const MOST_POINTS: usize = 600;

/// One reader of one log: it has its own place in the file, so that no other reader, and no writer, waits for it.
struct Reader {
    log: Option<PathBuf>,
    id: String,
    shared: Arc<Shared>,
    /// Bytes of the log that have been told.
    offset: u64,
    /// Number of the pictures that were told of last.
    pictures: u64,
    /// Whether the fit was running at the last look; `None` before the first.
    learning: Option<bool>,
    first: bool,
    _watching: Option<Watching>,
    _seat: tokio::sync::OwnedSemaphorePermit,
}

/// Somebody looks at the pictures of a fit, until this is dropped.
struct Watching(Arc<Showcase>);

impl Drop for Watching {
    fn drop(&mut self) {
        self.0.leave();
    }
}

/// `GET /runs/{id}/events`: `points`, `[[samples, loss, accuracy, dead units, epoch], ...]`; `reset` before the first
/// ones of a log that was begun anew; `pictures` when there are new ones; `learning`, true or false.
pub(super) async fn stream(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Answer<impl IntoResponse> {
    let Ok(seat) = shared.streams.clone().try_acquire_owned() else {
        let reason = format!("{MOST_STREAMS} pages are listening already");
        return Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, reason));
    };
    let log = match shared.run(&id) {
        Ok(run) => run.log,
        // The fit in this process may not have written yet.
        Err(_) if shared.showcase(&id).is_some() => None,
        Err(refusal) => return Err(refusal),
    };
    let told = headers.get("last-event-id").and_then(|id| id.to_str().ok());
    let offset = told.and_then(|id| id.parse().ok()).unwrap_or(0);
    let watching = shared.showcase(&id).map(|showcase| {
        showcase.enter();
        Watching(showcase.clone())
    });
    let reader = Reader {
        log,
        id,
        shared,
        offset,
        pictures: 0,
        learning: None,
        first: true,
        _watching: watching,
        _seat: seat,
    };
    let events = futures_util::stream::unfold(reader, |mut reader| async move {
        loop {
            if !std::mem::take(&mut reader.first) {
                tokio::time::sleep(LOOK).await;
            }
            if let Some(event) = reader.next() {
                // What else is there comes at once.
                reader.first = true;
                return Some((Ok::<_, Infallible>(event), reader));
            }
        }
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(Duration::from_secs(15))))
}

impl Reader {
    fn next(&mut self) -> Option<Event> {
        let learning = self.shared.showcase(&self.id).is_some();
        if self.learning != Some(learning) {
            self.learning = Some(learning);
            return Some(Event::default().event("learning").data(learning.to_string()));
        }
        if self.log.is_none() {
            self.log = self.shared.run(&self.id).ok()?.log;
        }
        if let Some(event) = self.points() {
            return Some(event);
        }
        let latest = self.shared.showcase(&self.id)?.number();
        if latest <= self.pictures {
            return None;
        }
        self.pictures = latest;
        Some(Event::default().event("pictures").data(latest.to_string()))
    }

    fn points(&mut self) -> Option<Event> {
        let mut file = File::open(self.log.as_ref()?).ok()?;
        let len = file.metadata().ok()?.len();
        if len < self.offset {
            self.offset = 0;
            return Some(Event::default().event("reset").id("0").data(""));
        }
        file.seek(SeekFrom::Start(self.offset)).ok()?;
        let mut bytes = Vec::new();
        file.take(PIECE.min(len - self.offset)).read_to_end(&mut bytes).ok()?;
        let whole = bytes.iter().rposition(|&byte| byte == b'\n')? + 1;
        self.offset += whole as u64;
        let text = String::from_utf8_lossy(&bytes[..whole]);
        let points: Vec<CurvePoint> = text.lines().filter_map(curve::parse).collect();
        let points = curve::thinned(&points, MOST_POINTS);
        let row = |point: &CurvePoint| {
            json!([point.samples, point.loss, point.accuracy, point.dead_units, point.epoch])
        };
        let data = json!(points.iter().map(row).collect::<Vec<_>>());
        Some(Event::default().event("points").id(self.offset.to_string()).data(data.to_string()))
    }
}
