//! Questions about codes: what is this in code, what does that decode to, what is near, which class is it?

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use kwinners::data::{ImageShape, Spec, known};
use kwinners::encoder::Model;
use kwinners::file::load_model;
use kwinners::index::{SdrIndex, Search};
use kwinners::{Dataset, Result, Rows, Sdr, SdrBatch, SdrRef};
use serde::Deserialize;
use serde_json::{Value, json};

use super::cache::Cache;
use super::runs::Run;
use super::showcase::Snapshot;
use super::{Answer, Loader, Refusal, Shared};
use crate::raster::{shape, tile, value_range};

/// Most rows whose codes are kept to search among.
const MOST_STORED: usize = 20_000;
/// Models that stay loaded.
const MOST_LOADED: usize = 2;
/// Most answers to one search.
const MOST_HITS: usize = 100;

/// Models that were asked about lately.
pub(super) struct Explorer {
    load: Loader,
    loaded: Cache<Loaded>,
}

/// A model with what can be asked of it.
pub(super) struct Loaded {
    pub(super) model: Model,
    image: ImageShape,
    range: (f32, f32),
    /// What may be picked: test rows where the set has them, else rows that the model learned from.
    shown: Option<Dataset>,
    stored: Option<Stored>,
    /// Why nothing is stored.
    lacks: Option<String>,
}

/// Rows that the model learned from, and their codes.
struct Stored {
    data: Dataset,
    codes: SdrBatch,
    index: SdrIndex,
    /// The mean code of each class, scaled to length 1: `(classes, n)`.
    classes: Vec<f64>,
}

impl Explorer {
    pub(super) fn new(load: Loader) -> Self {
        Self { load, loaded: Cache::new(MOST_LOADED) }
    }

    /// The model at `path`, as the file is now.
    fn loaded(&self, path: &std::path::Path) -> Result<Arc<Loaded>> {
        self.loaded.get(path, |path| Loaded::new(path, &self.load))
    }
}

/// The rows of the set of `spec` that a model of it has not seen, where the set is known to have such.
fn test_of(spec: &str) -> Option<String> {
    let name = spec.split([':', '[']).next()?;
    let set = known().iter().find(|set| set.name == name)?;
    set.splits.contains(&"test").then(|| format!("{name}:test"))
}

impl Loaded {
    fn new(path: &std::path::Path, load: &Loader) -> Result<Self> {
        let saved = load_model(path)?;
        let (model, spec) = (saved.model, saved.about.data);
        let width = model.encoder().input_width();
        let fits = |data: Dataset| {
            data.rows().check_width(&data.name, width)?;
            data.slice(0..data.len().min(MOST_STORED))
        };
        let data = Spec::parse(&spec).and_then(|_| load(&spec)).and_then(fits);
        let test = test_of(&spec).and_then(|spec| load(&spec).and_then(fits).ok());
        let (stored, lacks) = match data.and_then(|data| Stored::new(&model, data)) {
            Ok(stored) => (Some(stored), None),
            Err(error) => (None, Some(error.to_string())),
        };
        let shown = test.or_else(|| stored.as_ref().map(|stored| stored.data.clone()));
        let range = shown.as_ref().map_or((0.0, 1.0), |data| value_range(data.rows().values()));
        Ok(Self { image: shape(saved.about.image, width), model, range, shown, stored, lacks })
    }

    /// What it looks like, by what can be picked.
    pub(super) fn snapshot(&self) -> Answer<Snapshot> {
        let Some(data) = &self.shown else {
            let reason = self.lacks.clone().unwrap_or_default();
            return Err(Refusal::new(StatusCode::NOT_FOUND, reason));
        };
        Ok(Snapshot::of(&self.model, data, None)?)
    }

    fn shown(&self) -> Answer<&Dataset> {
        self.shown.as_ref().ok_or_else(|| self.nothing_stored())
    }

    fn stored(&self) -> Answer<&Stored> {
        self.stored.as_ref().ok_or_else(|| self.nothing_stored())
    }

    fn nothing_stored(&self) -> Refusal {
        let reason = self.lacks.as_deref().unwrap_or("there are no rows");
        Refusal::new(
            StatusCode::NOT_FOUND,
            format!("the data of this model can't be had: {reason}"),
        )
    }

    /// The code that is meant: of a row, of values, or as it is.
    fn code(&self, ask: &Ask) -> Answer<Sdr> {
        let encode = |values: &[f32]| -> Result<Sdr> {
            let codes = self.model.encoder().encode(Rows::new(values, values.len().max(1))?)?;
            Ok(codes.get(0).to_sdr())
        };
        match (&ask.indices, &ask.values, ask.row, ask.stored) {
            (Some(indices), None, None, None) => {
                Ok(Sdr::new(self.model.encoder().units(), indices.clone())?)
            }
            (None, Some(values), None, None) if !values.is_empty() => Ok(encode(values)?),
            (None, None, Some(row), None) => Ok(encode(row_of(self.shown()?, row)?)?),
            (None, None, None, Some(row)) => {
                let stored = self.stored()?;
                row_of(&stored.data, row)?;
                Ok(stored.codes.get(row).to_sdr())
            }
            _ => {
                let reason = "expected exactly one of `row`, `stored`, `values` and `indices`";
                Err(Refusal::new(StatusCode::BAD_REQUEST, reason))
            }
        }
    }

    fn picture(&self, values: &[f32]) -> Result<String> {
        tile(values, self.image, self.range)
    }

    /// A row of a set, as it is shown.
    fn entry(&self, set: &Dataset, row: usize) -> Result<Value> {
        let class = set.labels().and_then(|labels| set.classes.get(labels[row] as usize));
        let text = set.texts.as_ref().map(|texts| &texts[row]);
        let picture = if text.is_none() { Some(self.picture(set.rows().row(row))?) } else { None };
        Ok(json!({ "row": row, "class": class, "text": text, "picture": picture }))
    }
}

fn row_of(set: &Dataset, row: usize) -> Answer<&[f32]> {
    if row < set.len() {
        return Ok(set.rows().row(row));
    }
    let reason = format!("{}: expected a row below {}, got {row}", set.name, set.len());
    Err(Refusal::new(StatusCode::BAD_REQUEST, reason))
}

impl Stored {
    fn new(model: &Model, data: Dataset) -> Result<Self> {
        let codes = model.encoder().encode(data.rows())?;
        let mut classes = vec![0.0; data.classes.len() * codes.units()];
        for (code, &label) in codes.iter().zip(data.labels().unwrap_or_default()) {
            for &unit in code.indices() {
                classes[label as usize * codes.units() + unit as usize] += 1.0;
            }
        }
        for class in classes.chunks_exact_mut(codes.units()) {
            let length = class.iter().map(|value: &f64| value * value).sum::<f64>().sqrt();
            class.iter_mut().for_each(|value| *value /= length.max(f64::MIN_POSITIVE));
        }
        Ok(Self { index: SdrIndex::build(&codes)?, data, codes, classes })
    }

    /// How much the code is like the mean code of each class: cosines, the largest first.
    fn recall(&self, code: SdrRef<'_>) -> Vec<(&str, f64)> {
        let length = (code.count() as f64).sqrt().max(1.0);
        let of = |class: &[f64]| -> f64 {
            code.indices().iter().map(|&unit| class[unit as usize]).sum::<f64>() / length
        };
        let classes = self.classes.chunks_exact(self.codes.units()).map(of);
        let mut scores: Vec<(&str, f64)> =
            self.data.classes.iter().map(String::as_str).zip(classes).collect();
        scores.sort_by(|a, b| b.1.total_cmp(&a.1));
        scores
    }
}

/// What may be asked.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Ask {
    /// The run, by its id.
    run: String,
    /// A row that may be picked.
    row: Option<usize>,
    /// A stored row.
    stored: Option<usize>,
    /// An input, `(width,)`.
    values: Option<Vec<f32>>,
    /// Units that are on, strictly increasing.
    indices: Option<Vec<u32>>,
    /// Part of a stored text.
    text: Option<String>,
    /// Answers wanted.
    top: Option<usize>,
}

type Asked = std::result::Result<Json<Ask>, JsonRejection>;

/// Runs `work` on the model of `run` where it keeps no other request waiting.
pub(super) async fn in_background(
    shared: &Arc<Shared>,
    run: Run,
    work: impl FnOnce(&Loaded) -> Answer<Value> + Send + 'static,
) -> Answer {
    let Some(path) = run.model else {
        let reason = format!("{} has no finished model file", run.name);
        return Err(Refusal::new(StatusCode::NOT_FOUND, reason));
    };
    let shared = shared.clone();
    super::away(move || work(&*shared.explorer.loaded(&path)?)).await
}

async fn answer(
    shared: &Arc<Shared>,
    ask: Ask,
    work: impl FnOnce(&Loaded, &Ask) -> Answer<Value> + Send + 'static,
) -> Answer {
    let run = shared.run(&ask.run)?;
    in_background(shared, run, move |loaded| work(loaded, &ask)).await
}

/// `GET /runs/{id}/explorer`: what can be asked of the model.
pub(super) async fn about(State(shared): State<Arc<Shared>>, Path(id): Path<String>) -> Answer {
    let run = shared.run(&id)?;
    let name = run.name.clone();
    in_background(&shared, run, move |loaded| {
        let encoder = loaded.model.encoder();
        let ImageShape { width, height, channels } = loaded.image;
        let exact = width * height * channels == encoder.input_width();
        let len = |set: Option<&Dataset>| set.map_or(0, Dataset::len);
        let stored = loaded.stored.as_ref().map(|stored| &stored.data);
        Ok(json!({
            "name": name,
            "kind": loaded.model.kind(),
            "units": encoder.units(),
            "winners": encoder.winners(),
            "decodes": loaded.model.decoder().is_some(),
            "width": width,
            "height": height,
            "can_draw": exact && channels == 1 && loaded.range == (0.0, 1.0),
            "shown": loaded.shown.as_ref().map(|set| &set.name),
            "shown_len": len(loaded.shown.as_ref()),
            "stored": stored.map(|set| &set.name),
            "stored_len": len(stored),
            "has_texts": stored.is_some_and(|set| set.texts.is_some()),
            "has_classes": stored.is_some_and(|set| set.labels.is_some()),
            "lacks": loaded.lacks,
        }))
    })
    .await
}

/// `POST /encode`: the code of a row or of values.
pub(super) async fn encode(State(shared): State<Arc<Shared>>, asked: Asked) -> Answer {
    let Json(ask) = asked?;
    answer(&shared, ask, |loaded, ask| {
        let code = loaded.code(ask)?;
        let input = match (ask.row, ask.stored, &ask.values) {
            (Some(row), ..) => loaded.entry(loaded.shown()?, row)?,
            (_, Some(row), _) => loaded.entry(&loaded.stored()?.data, row)?,
            (_, _, Some(values)) => json!({ "picture": loaded.picture(values)? }),
            _ => Value::Null,
        };
        Ok(json!({ "units": code.units(), "indices": code.indices(), "input": input }))
    })
    .await
}

/// `POST /decode`: what a code decodes to.
pub(super) async fn decode(State(shared): State<Arc<Shared>>, asked: Asked) -> Answer {
    let Json(ask) = asked?;
    answer(&shared, ask, |loaded, ask| {
        let Some(decoder) = loaded.model.decoder() else {
            let reason = format!("a model of kind {} has no decoder", loaded.model.kind());
            return Err(Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, reason));
        };
        let code = loaded.code(ask)?;
        let mut one = SdrBatch::new(code.units())?;
        one.push(code.indices())?;
        let values = decoder.decode(&one)?;
        Ok(json!({ "picture": loaded.picture(&values)?, "values": values }))
    })
    .await
}

/// `POST /search`: stored rows whose codes share most units; for `text`, stored rows whose text has it.
pub(super) async fn search(shared: &Arc<Shared>, ask: Ask) -> Answer {
    answer(shared, ask, |loaded, ask| {
        let stored = loaded.stored()?;
        let top = ask.top.unwrap_or(10).min(MOST_HITS);
        if let Some(text) = &ask.text {
            return Ok(json!({ "texts": texts_with(loaded, stored, text, top)? }));
        }
        let code = loaded.code(ask)?;
        let mut hits = Vec::new();
        for found in stored.index.top(code.view(), top, &Search::default())? {
            let row = found.id as usize;
            let own = stored.codes.get(row);
            let mut hit = loaded.entry(&stored.data, row)?;
            hit["overlap"] = (found.score as u64).into();
            hit["shared"] = json!(code.view().intersection(own)?.indices());
            hit["indices"] = json!(own.indices());
            hits.push(hit);
        }
        Ok(json!({ "among": stored.codes.len(), "of": code.view().count(), "hits": hits }))
    })
    .await
}

fn texts_with(loaded: &Loaded, stored: &Stored, part: &str, top: usize) -> Answer<Vec<Value>> {
    let Some(texts) = &stored.data.texts else {
        let reason = format!("{} has no texts", stored.data.name);
        return Err(Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, reason));
    };
    let part = part.to_lowercase();
    let rows = texts.iter().enumerate().filter(|(_, text)| text.to_lowercase().contains(&part));
    let entries = rows.take(top).map(|(row, _)| loaded.entry(&stored.data, row));
    Ok(entries.collect::<Result<_>>()?)
}

/// `POST /recall`: which class a code is most like, by the mean codes of the classes.
pub(super) async fn recall(shared: &Arc<Shared>, ask: Ask) -> Answer {
    answer(shared, ask, |loaded, ask| {
        let stored = loaded.stored()?;
        if stored.data.classes.is_empty() {
            let reason = format!("{} has no classes", stored.data.name);
            return Err(Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, reason));
        }
        let code = loaded.code(ask)?;
        let scores = stored.recall(code.view());
        let scores: Vec<Value> =
            scores.iter().map(|(class, score)| json!({ "class": class, "score": score })).collect();
        Ok(json!({ "answer": scores[0]["class"], "scores": scores }))
    })
    .await
}
