//! `kwinners search`: the stored codes most like a query.

use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::{Args, ValueEnum};
use kwinners::index::{Hit, LinearDecoder, Score, SdrIndex, Search};
use kwinners::{SdrBatch, file};
use roaring::RoaringBitmap;
use serde::Serialize;

use crate::args::Shared;
use crate::output::Output;
use crate::status::BadInput;

/// Queries that the recall is measured on.
const MEASURED: usize = 100;

/// What `kwinners search` is asked for.
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// The index
    #[arg(value_name = "INDEX.kw")]
    index: PathBuf,
    /// The queries: codes (.kw, .npz, .npy or .parquet), or with --model data that it encodes
    #[arg(long, value_name = "CODES|SPEC")]
    query: String,
    /// Encode the queries by this model
    #[arg(long, value_name = "MODEL.kw")]
    model: Option<PathBuf>,
    /// How many codes to find for each query
    #[arg(long, value_name = "N", default_value_t = 10)]
    top: usize,
    /// Find all codes with this score or a better one instead
    #[arg(long, value_name = "SCORE", conflicts_with = "top")]
    within: Option<f64>,
    /// How codes are compared
    #[arg(long, value_enum, default_value_t)]
    score: ScoreName,
    /// Score by the decoder only this many codes for each query, those of largest overlap [default: all]
    #[arg(long, value_name = "N")]
    candidates: Option<usize>,
    /// The share of the answers that is enough, up to 1; measured on some of the queries
    #[arg(long, value_name = "SHARE")]
    recall: Option<f64>,
    /// Search only the codes whose ids are in this file, one a line
    #[arg(long, value_name = "IDS")]
    ids: Option<PathBuf>,
}

/// The scores by name.
#[derive(Clone, Copy, Debug, Default, PartialEq, ValueEnum)]
enum ScoreName {
    /// Units that both have on
    #[default]
    Overlap,
    /// Units that both have on, of those that either has
    Jaccard,
    /// Units that both have on, of those of the query
    Containment,
    /// Cosine of the query, which stays a vector, with what --model decodes a code to
    Decoder,
}

impl ScoreName {
    fn score(self) -> Score {
        match self {
            // By the decoder: what candidates are found by.
            Self::Overlap | Self::Decoder => Score::Overlap,
            Self::Jaccard => Score::Jaccard,
            Self::Containment => Score::Containment,
        }
    }
}

/// The answer of `search`: the hits of each query, in the order of the queries.
#[derive(Serialize)]
struct Answer {
    results: Vec<Vec<Found>>,
    /// By the clock, with reading the index where it was not read before.
    queries_per_s: f64,
}

#[derive(Serialize)]
struct Found {
    id: u32,
    score: Number,
}

/// Overlaps are whole numbers and look like it.
#[derive(Serialize)]
#[serde(untagged)]
enum Number {
    Whole(u64),
    Share(f64),
}

impl Found {
    fn new(hit: &Hit, name: ScoreName) -> Self {
        let score = match name {
            ScoreName::Overlap => Number::Whole(hit.score as u64),
            _ => Number::Share(hit.score),
        };
        Self { id: hit.id, score }
    }
}

pub(crate) fn run(
    arguments: &Arguments,
    shared: &Shared,
    output: &mut Output,
) -> anyhow::Result<()> {
    let index = file::open_index(&arguments.index)?;
    let ids = arguments.ids.as_deref().map(super::index::read_ids).transpose()?;
    let search = search(arguments, ids.as_ref());
    let mut begin = Instant::now();
    let mut recall = None;
    let waiting = output.spinner("searching");
    let hits = if arguments.score == ScoreName::Decoder {
        find_decoded(&index, arguments, &search, shared)?
    } else if arguments.candidates.is_some() {
        return Err(BadInput("--candidates goes with --score decoder".to_owned()).into());
    } else {
        let queries = queries(arguments, index.units(), shared)?;
        if search.recall.is_some_and(|recall| recall < 1.0) {
            recall = Some(recall_of(&index, &queries, arguments, &search)?);
        }
        begin = Instant::now();
        find(&index, &queries, arguments, &search)?
    };
    let seconds = begin.elapsed().as_secs_f64();
    waiting.finish_and_clear();
    if let Some(recall) = recall {
        output.note(recall);
    }
    let queries_per_s = hits.len() as f64 / seconds.max(1e-9);
    output.note(format_args!(
        "{} queries among {} codes in {seconds:.3} s, {queries_per_s:.0} a second",
        hits.len(),
        index.len()
    ));
    let found = |hit: &Hit| Found::new(hit, arguments.score);
    let rows: Vec<Vec<String>> = hits
        .iter()
        .enumerate()
        .flat_map(|(query, hits)| hits.iter().map(move |hit| (query, hit)))
        .map(|(query, hit)| {
            let score = match arguments.score {
                ScoreName::Overlap => hit.score.to_string(),
                _ => format!("{:.4}", hit.score),
            };
            vec![query.to_string(), hit.id.to_string(), score]
        })
        .collect();
    output.table(&["query", "id", "score"], &rows)?;
    let results = hits.iter().map(|hits| hits.iter().map(found).collect()).collect();
    output.object(&Answer { results, queries_per_s })
}

fn search<'a>(arguments: &Arguments, allowed: Option<&'a RoaringBitmap>) -> Search<'a> {
    Search { score: arguments.score.score(), allowed, recall: arguments.recall }
}

fn find(
    index: &SdrIndex,
    queries: &SdrBatch,
    arguments: &Arguments,
    search: &Search<'_>,
) -> kwinners::Result<Vec<Vec<Hit>>> {
    match arguments.within {
        Some(least) => index.within_batch(queries, least, search),
        None => index.top_batch(queries, arguments.top, search),
    }
}

/// By what codes are decoded to: all of them, or those of largest overlap.
fn find_decoded(
    index: &SdrIndex,
    arguments: &Arguments,
    search: &Search<'_>,
    shared: &Shared,
) -> anyhow::Result<Vec<Vec<Hit>>> {
    let refuse = |reason: &str| Err(BadInput(reason.to_owned()).into());
    let Some(path) = &arguments.model else {
        return refuse("--score decoder needs the --model that made the codes");
    };
    if arguments.within.is_some() || arguments.recall.is_some() {
        return refuse(
            "--score decoder finds the --top codes; it takes no --within and no --recall",
        );
    }
    let model = file::load_model(path)?.model;
    let Some(decoder) = model.decoder() else {
        return refuse(&format!("models of kind {} have no decoder", model.kind()));
    };
    let decoder = LinearDecoder::of(decoder, model.encoder().units())?;
    let data = super::load(&arguments.query, shared)?;
    super::check_fits(&data, path, &model)?;
    let rows = data.rows();
    let Some(candidates) = arguments.candidates else {
        return Ok(index.top_decoded(&decoder, rows, arguments.top, search)?);
    };
    let near = index.top_batch(&model.encoder().encode(rows)?, candidates, search)?;
    let reranked = near.iter().zip(rows.iter()).map(|(hits, query)| {
        let mut hits = index.rerank(&decoder, query, hits)?;
        hits.truncate(arguments.top);
        Ok(hits)
    });
    reranked.collect()
}

/// The queries as codes of `units` units.
fn queries(arguments: &Arguments, units: usize, shared: &Shared) -> anyhow::Result<SdrBatch> {
    let Some(path) = &arguments.model else {
        let path = Path::new(&arguments.query);
        if !path.exists() {
            let reason = format!(
                "{}: no such file of codes; queries that are data need --model",
                path.display()
            );
            return Err(BadInput(reason).into());
        }
        return super::load_codes(path, Some(units));
    };
    let model = file::load_model(path)?.model;
    let data = super::load(&arguments.query, shared)?;
    super::check_fits(&data, path, &model)?;
    Ok(model.encoder().encode(data.rows())?)
}

/// Says what share of the true answers was found, on some of the queries.
fn recall_of(
    index: &SdrIndex,
    queries: &SdrBatch,
    arguments: &Arguments,
    search: &Search<'_>,
) -> kwinners::Result<String> {
    let step = queries.len().div_ceil(MEASURED).max(1);
    let some: Vec<usize> = (0..queries.len()).step_by(step).collect();
    let some = queries.select(&some);
    let exact = find(index, &some, arguments, &Search { recall: None, ..*search })?;
    let found = find(index, &some, arguments, search)?;
    let (mut true_answers, mut reached) = (0, 0);
    for (exact, found) in exact.iter().zip(&found) {
        // An answer counts that is as good as the last true one, whichever of equals it is.
        let Some(least) = exact.last().map(|hit| hit.score) else { continue };
        true_answers += exact.len();
        reached += found.iter().filter(|hit| hit.score >= least).count();
    }
    let recall = reached as f64 / true_answers.max(1) as f64;
    let (asked, count) = (search.recall.unwrap_or(1.0), some.len());
    Ok(format!("recall {recall:.4} on {count} of the queries; asked for {asked}"))
}
