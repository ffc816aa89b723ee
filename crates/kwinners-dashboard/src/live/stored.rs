//! Questions to the indexes and associative memories of the folder, as `kwinners search` and `kwinners
//! memory recall` answer them.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::StatusCode;
use kwinners::file::{load_memory, open_index};
use kwinners::index::{Hit, LinearDecoder, Score, SdrIndex, Search};
use kwinners::memory::RecallRule;
use kwinners::{AssociativeMemory, Result, Rows, SdrBatch};
use roaring::RoaringBitmap;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::cache::Cache;
use super::explorer::Loaded;
use super::{Answer, Refusal, Shared, explorer};

/// Files of each kind that stay open.
const MOST_OPEN: usize = 4;
/// Most hits in one answer, over all its queries.
const MOST_HITS: usize = 100_000;
/// Most steps of a completion.
const MOST_STEPS: usize = 100;

/// Indexes and memories that were asked lately.
pub(super) struct Opened {
    indexes: Cache<SdrIndex>,
    memories: Cache<AssociativeMemory>,
}

impl Opened {
    pub(super) fn new() -> Self {
        Self { indexes: Cache::new(MOST_OPEN), memories: Cache::new(MOST_OPEN) }
    }
}

fn bad(reason: impl Into<String>) -> Refusal {
    Refusal::new(StatusCode::BAD_REQUEST, reason)
}

/// The codes that are meant.
enum Codes {
    /// Units that are on, strictly increasing, code by code.
    Units(Vec<Vec<u32>>),
    /// Inputs, each `(width,)`, that the model of `run` encodes.
    Inputs(Vec<Vec<f32>>),
}

impl Codes {
    fn of(queries: Option<Vec<Vec<u32>>>, inputs: Option<Vec<Vec<f32>>>) -> Answer<Self> {
        match (queries, inputs) {
            (Some(queries), None) => Ok(Self::Units(queries)),
            (None, Some(inputs)) => Ok(Self::Inputs(inputs)),
            _ => Err(bad("expected either `queries`, codes as lists of units, or `inputs`")),
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Units(codes) => codes.len(),
            Self::Inputs(inputs) => inputs.len(),
        }
    }

    /// The inputs, one after the other, with the model that they are for.
    fn values<'a>(&self, model: Option<&'a Loaded>) -> Answer<(Vec<f32>, &'a Loaded)> {
        let (Self::Inputs(inputs), Some(model)) = (self, model) else {
            return Err(bad("expected `inputs` with the `run` whose model encodes them"));
        };
        let width = model.model.encoder().input_width();
        if let Some(wrong) = inputs.iter().position(|input| input.len() != width) {
            let found = inputs[wrong].len();
            return Err(bad(format!("input {wrong}: expected {width} values, got {found}")));
        }
        Ok((inputs.concat(), model))
    }

    /// These as codes of `units` units.
    fn codes(&self, units: usize, model: Option<&Loaded>) -> Answer<SdrBatch> {
        let Self::Units(queries) = self else {
            let (values, model) = self.values(model)?;
            let encoder = model.model.encoder();
            return Ok(encoder.encode(Rows::new(&values, encoder.input_width())?)?);
        };
        let mut codes = SdrBatch::new(units)?;
        queries.iter().try_for_each(|query| codes.push(query))?;
        Ok(codes)
    }
}

/// How codes are compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum ScoreName {
    #[default]
    Overlap,
    Jaccard,
    Containment,
    /// Cosine of the input with what a code decodes to.
    Decoder,
}

/// What may be asked of an index.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SearchAsk {
    /// The index, by its name.
    index: String,
    /// The model that encodes inputs, by its id or name.
    run: Option<String>,
    queries: Option<Vec<Vec<u32>>>,
    inputs: Option<Vec<Vec<f32>>>,
    /// Hits of each query.
    #[serde(default = "ten")]
    top: usize,
    #[serde(default)]
    score: ScoreName,
    /// Leave out hits of a lower score.
    within: Option<f64>,
    /// Search only these.
    ids: Option<Vec<u32>>,
}

fn ten() -> usize {
    10
}

/// What may be asked of a memory.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RecallAsk {
    /// The memory, by its name.
    memory: String,
    /// The model that encodes inputs, by its id or name.
    run: Option<String>,
    queries: Option<Vec<Vec<u32>>>,
    inputs: Option<Vec<Vec<f32>>>,
    /// Which units answer; as many as the stored targets have, if it is left out.
    rule: Option<String>,
    /// Most steps of completing codes that were stored with themselves; 1 for one recall.
    #[serde(default = "one")]
    steps: usize,
}

fn one() -> usize {
    1
}

type Asked = std::result::Result<Json<Value>, JsonRejection>;

/// Reads a question and says what it asks: of a stored file if `key` is in it, else of a model.
fn read(asked: Asked, key: &str) -> Answer<(Value, bool)> {
    let Json(ask) = asked?;
    let stored = ask.get(key).is_some();
    Ok((ask, stored))
}

/// A question in its own form.
fn parse<T: DeserializeOwned>(ask: Value) -> Answer<T> {
    let wrong = |error: serde_json::Error| {
        Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, error.to_string())
    };
    serde_json::from_value(ask).map_err(wrong)
}

/// `GET /stores`: the indexes and memories of the folder.
pub(super) async fn list(State(shared): State<Arc<Shared>>) -> Answer {
    Ok(Json(json!({ "stores": shared.find(|folder| folder.stores().to_vec())? })))
}

/// `POST /search`: codes of an index; without one, of the rows that a model learned from.
pub(super) async fn search(State(shared): State<Arc<Shared>>, asked: Asked) -> Answer {
    let (ask, stored) = read(asked, "index")?;
    if !stored {
        return explorer::search(&shared, parse(ask)?).await;
    }
    let mut ask: SearchAsk = parse(ask)?;
    let codes = Codes::of(ask.queries.take(), ask.inputs.take())?;
    if codes.len().saturating_mul(ask.top) > MOST_HITS {
        return Err(bad(format!("at most {MOST_HITS} hits in one answer: ask for fewer `top`")));
    }
    let path = shared.store(&ask.index, "index")?;
    in_background(&shared, ask.run.take(), move |shared, model| {
        let index = shared.opened.indexes.get(&path, open_index)?;
        let found = ask.hits(&codes, &index, model)?;
        let results: Vec<Vec<Value>> = found.iter().map(|hits| ask.shown(hits)).collect();
        Ok(json!({ "among": index.len(), "results": results }))
    })
    .await
}

impl SearchAsk {
    fn hits(
        &self,
        codes: &Codes,
        index: &SdrIndex,
        model: Option<&Loaded>,
    ) -> Answer<Vec<Vec<Hit>>> {
        let allowed = self.ids.as_ref().map(|ids| ids.iter().copied().collect::<RoaringBitmap>());
        let score = match self.score {
            ScoreName::Overlap | ScoreName::Decoder => Score::Overlap,
            ScoreName::Jaccard => Score::Jaccard,
            ScoreName::Containment => Score::Containment,
        };
        let search = Search { score, allowed: allowed.as_ref(), recall: None };
        if self.score != ScoreName::Decoder {
            let queries = codes.codes(index.units(), model)?;
            return Ok(index.top_batch(&queries, self.top, &search)?);
        }
        let (values, model) = codes.values(model)?;
        let rows = Rows::new(&values, model.model.encoder().input_width())?;
        Ok(index.top_decoded(&linear(model)?, rows, self.top, &search)?)
    }

    /// Hits as the answer has them; overlaps are whole numbers and look like it.
    fn shown(&self, hits: &[Hit]) -> Vec<Value> {
        let enough = |hit: &&Hit| self.within.is_none_or(|least| hit.score >= least);
        let score = |hit: &Hit| match self.score {
            ScoreName::Overlap => json!(hit.score as u64),
            _ => json!(hit.score),
        };
        let hit = |hit: &Hit| json!({ "id": hit.id, "score": score(hit) });
        hits.iter().filter(enough).map(hit).collect()
    }
}

fn linear(model: &Loaded) -> Answer<LinearDecoder> {
    let Some(decoder) = model.model.decoder() else {
        let reason = format!("a model of kind {} has no decoder", model.model.kind());
        return Err(Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, reason));
    };
    Ok(LinearDecoder::of(decoder, model.model.encoder().units())?)
}

/// `POST /recall`: what a memory stored with codes; without one, the class that a code is most like.
pub(super) async fn recall(State(shared): State<Arc<Shared>>, asked: Asked) -> Answer {
    let (ask, stored) = read(asked, "memory")?;
    if !stored {
        return explorer::recall(&shared, parse(ask)?).await;
    }
    let RecallAsk { memory, run, queries, inputs, rule, steps } = parse(ask)?;
    let codes = Codes::of(queries, inputs)?;
    if !(1..=MOST_STEPS).contains(&steps) {
        return Err(bad(format!("steps: expected 1 to {MOST_STEPS}, got {steps}")));
    }
    let rule: Option<RecallRule> = rule.map(|rule| rule.parse()).transpose()?;
    let path = shared.store(&memory, "memory")?;
    in_background(&shared, run, move |shared, model| {
        let memory = shared.opened.memories.get(&path, load_memory)?;
        let cues = codes.codes(memory.cue_units(), model)?;
        let rule = rule.or(memory.target_winners().map(RecallRule::Winners));
        let rule = rule.unwrap_or(RecallRule::Maximum);
        let found = recalled(&memory, &cues, rule, steps)?;
        let results: Vec<&[u32]> = found.iter().map(|code| code.indices()).collect();
        Ok(json!({ "rule": rule.to_string(), "results": results }))
    })
    .await
}

fn recalled(
    memory: &AssociativeMemory,
    cues: &SdrBatch,
    rule: RecallRule,
    steps: usize,
) -> Result<SdrBatch> {
    if steps == 1 {
        return memory.recall_all(cues, rule);
    }
    let mut found = SdrBatch::new(memory.target_units())?;
    for cue in cues.iter() {
        found.push(memory.complete(cue, rule, steps)?.code.indices())?;
    }
    Ok(found)
}

/// Runs `work` where it keeps no other request waiting, on the model of `run` if one is named.
async fn in_background(
    shared: &Arc<Shared>,
    run: Option<String>,
    work: impl FnOnce(&Shared, Option<&Loaded>) -> Answer<Value> + Send + 'static,
) -> Answer {
    let own = shared.clone();
    match run {
        Some(run) => {
            let run = shared.run(&run)?;
            explorer::in_background(shared, run, move |loaded| work(&own, Some(loaded))).await
        }
        None => super::away(move || work(&own, None)).await,
    }
}
