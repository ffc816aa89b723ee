//! `kwinners explain`: why a stored row was found, unit by unit.

use std::path::{Path, PathBuf};

use clap::Args;
use kwinners::encoder::Model;
use kwinners::index::LinearDecoder;
use kwinners::metrics::neighbours_by_overlap;
use kwinners::report::pictures::{FilterScale, filter_mosaic, tile_lines};
use kwinners::{Dataset, Error, Rows, SdrBatch, file};
use serde::Serialize;

use crate::args::Shared;
use crate::fitting;
use crate::output::Output;
use crate::pictures;
use crate::status::BadInput;

/// What `kwinners explain` is asked for.
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// The model that encodes
    #[arg(value_name = "MODEL.kw")]
    model: PathBuf,
    /// What is searched: a known name or a path
    #[arg(long, value_name = "SPEC")]
    data: String,
    /// What is searched for: its first row, such as `mnist:test[7..8]`
    #[arg(long, value_name = "SPEC")]
    query: String,
    /// The row of --data to explain [default: the one that shares most units with the query]
    #[arg(long, value_name = "ROW")]
    hit: Option<usize>,
    /// Rows of --data to show for each unit: those that it answers most
    #[arg(long, value_name = "N", default_value_t = 6)]
    examples: usize,
    /// Folder for pictures: hit.png, units.png, examples.png
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// The answer of `explain`.
#[derive(Serialize)]
struct Answer {
    hit: usize,
    hit_label: Option<String>,
    query_label: Option<String>,
    overlap: usize,
    winners: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    hit_text: Option<String>,
    /// Units on in both codes, those that say most first.
    shared: Vec<Unit>,
    query_only: Vec<u32>,
    hit_only: Vec<u32>,
    pictures: Vec<PathBuf>,
}

/// What one shared unit stands for.
#[derive(Serialize)]
struct Unit {
    unit: u32,
    /// Stored codes that have it on: the fewer, the more it says.
    stored: usize,
    /// What it adds to the product of the query with what the hit decodes to, where the model decodes
    /// linearly.
    #[serde(skip_serializing_if = "Option::is_none")]
    adds: Option<f32>,
    /// Stored rows that have it on and that its weights answer most.
    examples: Vec<usize>,
    /// The share of the stored codes with this unit that are of the hit's class, where there are labels.
    #[serde(skip_serializing_if = "Option::is_none")]
    of_its_class: Option<f64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    texts: Vec<String>,
}

/// All that a search had in hand.
struct Case<'a> {
    model: &'a Model,
    data: &'a Dataset,
    query: &'a Dataset,
    codes: SdrBatch,
    asked: SdrBatch,
    hit: usize,
}

pub(crate) fn run(
    arguments: &Arguments,
    shared: &Shared,
    output: &mut Output,
) -> anyhow::Result<()> {
    let saved = file::load_model(&arguments.model)?;
    let data = super::load(&arguments.data, shared)?;
    let query = super::load(&arguments.query, shared)?;
    super::check_fits(&data, &arguments.model, &saved.model)?;
    super::check_fits(&query, &arguments.model, &saved.model)?;
    if query.is_empty() || data.is_empty() {
        return Err(BadInput("explain needs a query and a stored row".to_owned()).into());
    }
    let encoder = saved.model.encoder();
    let codes = fitting::encode(output, "encoding", encoder, data.rows())?;
    let query = query.slice(0..1)?;
    let asked = encoder.encode(query.rows())?;
    let hit = match arguments.hit {
        Some(hit) if hit >= data.len() => {
            let reason = format!("--hit {hit}: {} has {} rows", data.name, data.len());
            return Err(BadInput(reason).into());
        }
        Some(hit) => hit,
        None => neighbours_by_overlap(&codes, &asked, 1)?.of(0)[0].id as usize,
    };
    let case = Case { model: &saved.model, data: &data, query: &query, codes, asked, hit };
    let mut answer = case.explain(arguments.examples)?;
    if let Some(folder) = &arguments.out {
        answer.pictures = case.draw(folder, &answer)?;
    }
    print(&answer, output)?;
    output.object(&answer)
}

impl Case<'_> {
    fn explain(&self, examples: usize) -> anyhow::Result<Answer> {
        let texts = self.data.texts.as_deref();
        let (asked, found) = (self.asked.get(0), self.codes.get(self.hit));
        let linear = self.model.decoder().map(|decoder| LinearDecoder::of(decoder, asked.units()));
        // A decoder that is no sum has no parts to tell apart.
        let products = match linear.and_then(Result::ok) {
            Some(linear) => Some(linear.products(self.query.rows().row(0))?),
            None => None,
        };
        let units = asked.intersection(found)?;
        let mut shared: Vec<Unit> = Vec::new();
        for &unit in units.indices() {
            let on: Vec<usize> =
                (0..self.codes.len()).filter(|&row| self.codes.get(row).contains(unit)).collect();
            let examples = self.answered_most(unit, &on, examples);
            let texts = texts.map(|texts| examples.iter().map(|&row| texts[row].clone()).collect());
            let same = |labels: &[u32]| {
                let same = on.iter().filter(|&&row| labels[row] == labels[self.hit]).count();
                same as f64 / on.len() as f64
            };
            shared.push(Unit {
                unit,
                stored: on.len(),
                adds: products.as_ref().map(|products| products.of_unit(unit)),
                examples,
                of_its_class: self.data.labels().map(same),
                texts: texts.unwrap_or_default(),
            });
        }
        shared.sort_by(|a, b| {
            let adds = |unit: &Unit| unit.adds.unwrap_or(-(unit.stored as f32));
            adds(b).total_cmp(&adds(a)).then(a.unit.cmp(&b.unit))
        });
        Ok(Answer {
            hit: self.hit,
            hit_label: label(self.data, self.hit),
            query_label: label(self.query, 0),
            overlap: shared.len(),
            winners: asked.count(),
            hit_text: texts.map(|texts| texts[self.hit].clone()),
            shared,
            query_only: asked.difference(found)?.indices().to_vec(),
            hit_only: found.difference(asked)?.indices().to_vec(),
            pictures: Vec::new(),
        })
    }

    /// Of the rows `on`, those whose product with the unit's weights is largest.
    fn answered_most(&self, unit: u32, on: &[usize], most: usize) -> Vec<usize> {
        let weights = self.model.filter(unit as usize);
        let product = |row: usize| -> f32 {
            self.data
                .rows()
                .row(row)
                .iter()
                .zip(&weights)
                .map(|(value, weight)| value * weight)
                .sum()
        };
        let mut ranked: Vec<(f32, usize)> = on.iter().map(|&row| (product(row), row)).collect();
        ranked.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        ranked.into_iter().take(most).map(|(_, row)| row).collect()
    }

    /// The pictures of the explanation, in `folder`.
    fn draw(&self, folder: &Path, answer: &Answer) -> anyhow::Result<Vec<PathBuf>> {
        std::fs::create_dir_all(folder).map_err(Error::io(folder))?;
        let width = self.data.width();
        let shape = pictures::shape(self.data.image, width);
        let both = [self.query.rows().row(0), self.data.rows().row(self.hit)].concat();
        let mut lines = vec![("input".to_owned(), both)];
        if let Some(decoder) = self.model.decoder() {
            let mut codes = self.asked.clone();
            codes.push(self.codes.get(self.hit).indices())?;
            lines.push(("decoded".to_owned(), decoder.decode(&codes)?));
        }
        let mut drawn = vec![("hit.png", tiles(&lines, width, shape)?)];
        if !answer.shared.is_empty() {
            let filters: Vec<f32> = answer
                .shared
                .iter()
                .flat_map(|unit| self.model.filter(unit.unit as usize))
                .collect();
            let filters = Rows::new(&filters, width)?;
            drawn.push(("units.png", filter_mosaic(filters, shape, FilterScale::Symmetric)?));
            let most = answer.shared.iter().map(|unit| unit.examples.len()).max().unwrap_or(0);
            let line = |unit: &Unit| {
                let rows = unit.examples.iter().flat_map(|&row| self.data.rows().row(row));
                let mut values: Vec<f32> = rows.copied().collect();
                values.resize(most * width, 0.0);
                (format!("unit {}", unit.unit), values)
            };
            let lines: Vec<(String, Vec<f32>)> = answer.shared.iter().map(line).collect();
            if most > 0 {
                drawn.push(("examples.png", tiles(&lines, width, shape)?));
            }
        }
        let write = |(name, picture): (&str, kwinners::report::pictures::Picture)| {
            let path = folder.join(name);
            picture.save_png(&path)?;
            Ok(path)
        };
        drawn.into_iter().map(write).collect()
    }
}

/// Lines of images with their names.
fn tiles(
    lines: &[(String, Vec<f32>)],
    width: usize,
    shape: kwinners::data::ImageShape,
) -> kwinners::Result<kwinners::report::pictures::Picture> {
    let lines: Vec<(&str, Rows<'_>)> = lines
        .iter()
        .map(|(name, values)| Ok((name.as_str(), Rows::new(values, width)?)))
        .collect::<kwinners::Result<_>>()?;
    tile_lines(&lines, shape)
}

/// The name of a row's class.
fn label(data: &Dataset, row: usize) -> Option<String> {
    let label = data.labels()?[row];
    data.classes.get(label as usize).cloned()
}

fn print(answer: &Answer, output: &mut Output) -> anyhow::Result<()> {
    let of =
        |label: &Option<String>| label.as_ref().map_or(String::new(), |name| format!(", {name}"));
    output.facts(&[
        ("query", format!("its first row{}", of(&answer.query_label))),
        ("hit", format!("row {}{}", answer.hit, of(&answer.hit_label))),
        ("shared", format!("{} of {} units", answer.overlap, answer.winners)),
    ])?;
    if let Some(text) = &answer.hit_text {
        output.line(format_args!("\n{text}"))?;
    }
    output.line("")?;
    let none = || "-".to_owned();
    let row = |unit: &Unit| {
        let examples: Vec<String> = unit.examples.iter().map(ToString::to_string).collect();
        vec![
            unit.unit.to_string(),
            unit.adds.map_or_else(none, |adds| format!("{adds:.4}")),
            unit.stored.to_string(),
            unit.of_its_class.map_or_else(none, |share| format!("{:.1}", 100.0 * share)),
            unit.texts.first().cloned().unwrap_or_else(|| examples.join(" ")),
        ]
    };
    let rows: Vec<Vec<String>> = answer.shared.iter().map(row).collect();
    output
        .table(&["unit", "adds", "stored", "of its class %", "rows that it answers most"], &rows)?;
    if !answer.pictures.is_empty() {
        output.line("\nwritten")?;
    }
    for path in &answer.pictures {
        output.line(format_args!("  {}", path.display()))?;
    }
    Ok(())
}
