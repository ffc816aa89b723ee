//! The live page: a folder of runs served to browsers on this machine.
//!
//! A fit and the page share nothing but files: the fit appends to its log, the page reads it. So no
//! browser, slow, stalled or gone, can slow or stop a fit; a reader that comes back says how far it had
//! read (`Last-Event-ID`, an offset in the log) and goes on from there. Pictures of a fit that is running
//! in the same process go through a [`Showcase`], which the fit fills only while somebody looks, and for
//! at most a hundredth of its time.
//!
//! Nothing is served but what the scan of the folder found (symbolic links that lead out are not
//! followed), requests are small and of the expected host, and any address but loopback wants a token.
//!
//! # Questions as JSON
//!
//! | request | body | answer |
//! |---|---|---|
//! | `GET /runs` | | `runs`: `id`, `name`, what there is of each |
//! | `GET /runs/ID/events` | | server-sent events: `points`, `reset`, `pictures`, `learning` |
//! | `GET /runs/ID/explorer` | | what can be asked of the model |
//! | `POST /encode` | `run`, CODE | `units`, `indices`, `input` |
//! | `POST /decode` | `run`, CODE | `values`, `picture` |
//! | `POST /search` | `run`, CODE, `top` | `hits`: `row`, `overlap`, `shared`, `class`, `text` |
//! | `POST /search` | `run`, `text`, `top` | `texts`: stored rows whose text has it |
//! | `POST /recall` | `run`, CODE | `answer`, `scores` by class |
//! | `GET /stores` | | `stores`: `name`, what each index and memory says of itself |
//! | `POST /search` | `index`, CODES, `top`, `score`, `within`, `ids` | `results`: for each code `id`, `score` |
//! | `POST /recall` | `memory`, CODES, `rule`, `steps` | `results`: for each code the units that came |
//!
//! `run` is an id or a name, `index` and `memory` are names. CODE is one of `indices` (units that are on),
//! `values` (an input), `row` (of what may be picked) and `stored` (a stored row). CODES are `queries`,
//! lists of units, or `inputs`, which the model of `run` encodes. `score` is `overlap`, `jaccard`,
//! `containment` or, for inputs, `decoder`; `within` leaves out lower ones; `ids` are those to search. `steps`
//! above 1 completes codes that were stored with themselves. What can't be answered is `{"error": ...}` with
//! a status of 4xx.
//!
//! An index may grow while it is served: each question sees a state that was complete.

mod assets;
mod cache;
mod events;
mod explorer;
mod guard;
mod runs;
mod showcase;
mod stored;

pub use showcase::{Showcase, Snapshot};

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::rejection::JsonRejection;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, middleware};
use kwinners::{Dataset, Error, Result};
use serde_json::json;

use explorer::Explorer;
use runs::Catalogue;

/// Largest request that is read: an image of 100,000 values fits.
const LARGEST_REQUEST: usize = 1 << 20;

/// Loads the data set that a SPEC names.
pub type Loader = Arc<dyn Fn(&str) -> Result<Dataset> + Send + Sync>;

/// What to serve, where.
#[derive(Clone)]
#[allow(missing_debug_implementations, reason = "the loader is a function")]
pub struct Config {
    /// The folder whose runs are shown.
    pub folder: PathBuf,
    /// Where to listen; port 0 takes any free one.
    pub address: SocketAddr,
    /// What a browser must know; needed anywhere but on loopback.
    pub token: Option<String>,
    /// Finds the data that models were fitted to.
    pub load: Loader,
    /// Pictures of the fit that is running in this process, and the model file that it will write.
    pub running: Option<(PathBuf, Arc<Showcase>)>,
}

/// The page while it is served: until this is dropped.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    token: Option<String>,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

/// A token that nobody guesses: 32 hexadecimal digits from the operating system.
///
/// # Errors
/// If the operating system has no random numbers.
pub fn new_token() -> Result<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| Error::Unsupported(error.to_string()))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// What every request may need.
struct Shared {
    catalogue: Mutex<Catalogue>,
    explorer: Explorer,
    opened: stored::Opened,
    guard: guard::Guard,
    running: Option<(String, Arc<Showcase>)>,
    /// Streams of events that are open.
    streams: Arc<tokio::sync::Semaphore>,
}

impl Server {
    /// Listens, and serves on a thread of its own.
    ///
    /// # Errors
    /// If the folder can't be read, the address is taken, or lies beyond loopback and there is no token.
    pub fn start(config: Config) -> Result<Self> {
        let Config { folder, address, token, load, running } = config;
        if !address.ip().is_loopback() && token.is_none() {
            let reason =
                format!("{address} is not loopback: others can reach it, so it needs a token");
            return Err(Error::Unsupported(reason));
        }
        let refuse = |source| Error::Io { path: PathBuf::from(address.to_string()), source };
        let listener = std::net::TcpListener::bind(address).map_err(refuse)?;
        listener.set_nonblocking(true).map_err(refuse)?;
        let address = listener.local_addr().map_err(refuse)?;
        let catalogue = Catalogue::new(&folder)?;
        let running = running.map(|(model, showcase)| (catalogue.id_of(&model), showcase));
        let shared = Arc::new(Shared {
            catalogue: Mutex::new(catalogue),
            explorer: Explorer::new(load),
            opened: stored::Opened::new(),
            guard: guard::Guard::new(address, token.clone()),
            running,
            streams: Arc::new(tokio::sync::Semaphore::new(events::MOST_STREAMS)),
        });
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .max_blocking_threads(2)
            .build()
            .map_err(refuse)?;
        let serve = async move {
            let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
            let serving = std::pin::pin!(async move {
                // An error here is one of the listening socket itself: there is nobody to tell.
                let _ = axum::serve(listener, router(shared)).await;
            });
            futures_util::future::select(stopped, serving).await;
        };
        let thread = std::thread::Builder::new().name("page".to_owned());
        let thread = thread.spawn(move || {
            runtime.block_on(serve);
            runtime.shutdown_background();
        });
        let thread = thread.map_err(refuse)?;
        Ok(Self { address, token, stop: Some(stop), thread: Some(thread) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What to open in a browser.
    pub fn url(&self) -> String {
        match &self.token {
            Some(token) => format!("http://{}/?token={token}", self.address),
            None => format!("http://{}/", self.address),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has been reported by then.
            let _ = thread.join();
        }
    }
}

fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/", get(|| assets::serve("index.html")))
        .route(
            "/assets/{name}",
            get(|Path(name): Path<String>| async move { assets::serve(&name).await }),
        )
        .route("/runs", get(list))
        .route("/runs/{id}/events", get(events::stream))
        .route("/runs/{id}/page", get(page))
        .route("/runs/{id}/figures", get(figures))
        .route("/runs/{id}/pictures", get(pictures))
        .route("/runs/{id}/explorer", get(explorer::about))
        .route("/encode", post(explorer::encode))
        .route("/decode", post(explorer::decode))
        .route("/stores", get(stored::list))
        .route("/search", post(stored::search))
        .route("/recall", post(stored::recall))
        .fallback(|| async { Refusal::new(StatusCode::NOT_FOUND, "there is nothing here") })
        .layer(DefaultBodyLimit::max(LARGEST_REQUEST))
        .layer(middleware::from_fn_with_state(shared.clone(), guard::check))
        .with_state(shared)
}

/// Why a request was not answered, as JSON.
#[derive(Debug)]
struct Refusal {
    status: StatusCode,
    reason: String,
}

impl Refusal {
    fn new(status: StatusCode, reason: impl Into<String>) -> Self {
        Self { status, reason: reason.into() }
    }
}

/// Of a request whose body is no JSON of the expected form.
impl From<JsonRejection> for Refusal {
    fn from(wrong: JsonRejection) -> Self {
        Self::new(wrong.status(), wrong.body_text())
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        let status = match &error {
            Error::Io { .. } | Error::Damaged { .. } => StatusCode::INTERNAL_SERVER_ERROR,
            Error::MissingData { .. } => StatusCode::NOT_FOUND,
            _ => StatusCode::BAD_REQUEST,
        };
        Self::new(status, error.to_string())
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.status, Json(json!({ "error": self.reason }))).into_response()
    }
}

type Answer<T = Json<serde_json::Value>> = std::result::Result<T, Refusal>;

/// Does `work` on a thread of its own, so that it keeps no other request waiting.
async fn away(work: impl FnOnce() -> Answer<serde_json::Value> + Send + 'static) -> Answer {
    let broken = |_| Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "this request broke");
    tokio::task::spawn_blocking(work).await.map_err(broken)?.map(Json)
}

impl Shared {
    /// What `look` finds in the folder, as it is now.
    fn find<T>(&self, look: impl FnOnce(&Catalogue) -> T) -> Answer<T> {
        let mut catalogue =
            self.catalogue.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        catalogue.refresh()?;
        Ok(look(&catalogue))
    }

    /// The run of that id or name.
    fn run(&self, id: &str) -> Answer<runs::Run> {
        let is_it = |run: &&runs::Run| run.id == id || run.name == id;
        let found = self.find(|folder| folder.runs().iter().find(is_it).cloned())?;
        found.ok_or_else(|| Refusal::new(StatusCode::NOT_FOUND, format!("there is no run {id}")))
    }

    /// Where the store of that name is, if it holds `content`.
    fn store(&self, name: &str, content: &str) -> Answer<PathBuf> {
        let is_it = |store: &&runs::Store| store.name == name && store.content() == content;
        let found = self.find(|folder| folder.stores().iter().find(is_it).cloned())?;
        let missing = format!("there is no {content} {name} in the folder");
        found.map(|store| store.path).ok_or_else(|| Refusal::new(StatusCode::NOT_FOUND, missing))
    }

    /// The pictures of the fit that is running, if `id` is that run.
    fn showcase(&self, id: &str) -> Option<&Arc<Showcase>> {
        let running = self.running.as_ref().filter(|running| running.0 == id);
        running.map(|running| &running.1).filter(|showcase| !showcase.is_over())
    }
}

async fn list(State(shared): State<Arc<Shared>>) -> Answer {
    let run = |run: &runs::Run| {
        let mut answer = serde_json::to_value(run).unwrap_or_default();
        answer["learning"] = shared.showcase(&run.id).is_some().into();
        answer
    };
    let runs = shared.find(|folder| folder.runs().iter().map(run).collect::<Vec<_>>())?;
    Ok(Json(json!({ "runs": runs })))
}

/// The report that `eval` or `demo` left: a file that loads nothing, in a box of its own.
async fn page(State(shared): State<Arc<Shared>>, Path(id): Path<String>) -> Answer<Response> {
    let run = shared.run(&id)?;
    let Some(path) = &run.page else {
        return Err(Refusal::new(
            StatusCode::NOT_FOUND,
            format!("{} has no report page", run.name),
        ));
    };
    let text = std::fs::read(path).map_err(Error::io(path))?;
    let mut headers = HeaderMap::new();
    headers
        .insert(header::CONTENT_TYPE, header::HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(header::CONTENT_SECURITY_POLICY, header::HeaderValue::from_static(guard::BOXED));
    Ok((headers, text).into_response())
}

/// The report as JSON.
async fn figures(State(shared): State<Arc<Shared>>, Path(id): Path<String>) -> Answer {
    let run = shared.run(&id)?;
    let Some(path) = &run.figures else {
        return Err(Refusal::new(
            StatusCode::NOT_FOUND,
            format!("{} has no report.json", run.name),
        ));
    };
    let text = std::fs::read_to_string(path).map_err(Error::io(path))?;
    let report = serde_json::from_str(&text);
    report
        .map(Json)
        .map_err(|error| Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, error.to_string()))
}

/// Filters and samples: of the fit that is running, else of the model in the file.
async fn pictures(State(shared): State<Arc<Shared>>, Path(id): Path<String>) -> Answer {
    if let Some(snapshot) = shared.showcase(&id).and_then(|showcase| showcase.latest()) {
        return Ok(Json(snapshot.to_json()?));
    }
    let run = shared.run(&id)?;
    explorer::in_background(&shared, run, |loaded| Ok(loaded.snapshot()?.to_json()?)).await
}
