//! The figures of a report that are pictures.

use std::fmt::Write as _;

use kwinners::data::ImageShape;
use kwinners::index::{SdrIndex, Search};
use kwinners::metrics::{self, Features, sample_of_each_class};
use kwinners::report::pictures::strip_places;
use kwinners::{Dataset, Result, SdrBatch};

use super::{Figure, Page};
use crate::charts::{escape, grouped, number};
use crate::raster::{Raster, code_tile, shape, tile, value_range};

/// Samples whose neighbours are shown, and how many of these.
const QUERIES: usize = 4;
const NEIGHBOURS: usize = 5;
/// Most filters.
const MOST_FILTERS: usize = 196;
/// Most codes and columns of the raster.
const MOST_CODES: usize = 400;
const MOST_COLUMNS: usize = 1200;
/// Most samples on a map of distances, and most of a class.
const MAP_SAMPLES: usize = 300;
const MAP_SAMPLES_A_CLASS: usize = 30;
const SEED: u64 = 0;

/// How samples are shown: as images where they are, as texts where they have them.
struct Look<'a> {
    image: ImageShape,
    range: (f32, f32),
    test: &'a Dataset,
}

impl<'a> Look<'a> {
    fn of(test: &'a Dataset) -> Self {
        let image = shape(test.image, test.width());
        Self { image, range: value_range(test.rows().values()), test }
    }

    fn tile(&self, values: &[f32], alt: &str) -> Result<String> {
        let uri = tile(values, self.image, self.range)?;
        Ok(format!("<img class=px src=\"{uri}\" alt=\"{}\">", escape(alt)))
    }

    /// The sample at `row` of `set`, which looks like the test set.
    fn sample(&self, set: &Dataset, row: usize) -> Result<String> {
        match &set.texts {
            Some(texts) => Ok(format!("<q>{}</q>", escape(&texts[row]))),
            None => self.tile(set.rows().row(row), &format!("a sample of {}", name_of(set, row))),
        }
    }

    fn has_texts(&self) -> bool {
        self.test.texts.is_some()
    }
}

/// The class of a row, in words.
fn name_of(set: &Dataset, row: usize) -> String {
    let label = set.labels().map(|labels| labels[row] as usize);
    label.and_then(|label| set.classes.get(label)).cloned().unwrap_or_else(|| format!("row {row}"))
}

/// Samples, their codes, and what the codes decode to.
pub(super) fn strips(page: &Page<'_>) -> Result<Option<Figure>> {
    let look = Look::of(page.test);
    let mut body = "<ul class=strips>".to_owned();
    for place in strip_places(page.test) {
        let name = name_of(page.test, place);
        let _ =
            write!(body, "<li><span>{}</span>{}", escape(&name), look.sample(page.test, place)?);
        body.push_str(&code_tile(page.test_codes.get(place), None));
        if let Some(decoded) = page.decoded.filter(|_| !look.has_texts()) {
            body.push_str(
                &look.tile(decoded.row(place), &format!("{name}, decoded from its code"))?,
            );
        }
        body.push_str("</li>");
    }
    body.push_str("</ul>");
    let decoded = match page.decoded {
        Some(_) if !look.has_texts() => {
            " Below is the picture that the code alone decodes to: what is missing there the code has not kept."
        }
        _ => "",
    };
    let how = format!(
        "Above is the sample, under it its code: one dot for each of the {} units that are on, of {} laid out line by \
         line.{decoded}",
        page.report.model.winners, page.report.model.units
    );
    let title = match page.decoded {
        Some(_) => "Samples, codes, and codes decoded",
        None => "Samples and codes",
    };
    Ok(Some(Figure { id: "strips", title: title.to_owned(), body, how, wide: true }))
}

/// The stored codes nearest to some test codes, and what they have in common.
pub(super) fn neighbours(page: &Page<'_>) -> Result<Option<Figure>> {
    if page.train_codes.is_empty() || page.test_codes.is_empty() {
        return Ok(None);
    }
    let look = Look::of(page.test);
    let stored = SdrIndex::build(page.train_codes)?;
    let decoder = page.model.and_then(|model| model.decoder()).filter(|_| !look.has_texts());
    let all = strip_places(page.test);
    let mut body = "<div class=searches>".to_owned();
    for number in 0..QUERIES.min(all.len()) {
        let place = all[number * all.len() / QUERIES.min(all.len())];
        let query = page.test_codes.get(place);
        let _ = write!(
            body,
            "<div class=found><div class=query><span>{}, searched for</span>{}{}</div><ol>",
            escape(&name_of(page.test, place)),
            look.sample(page.test, place)?,
            code_tile(query, None)
        );
        for hit in stored.top(query, NEIGHBOURS, &Search::default())? {
            let (id, overlap) = (hit.id as usize, hit.score);
            let code = page.train_codes.get(id);
            let common = query.intersection(code)?;
            let _ = write!(
                body,
                "<li><span>{}<br><b>{overlap}</b> of {} shared</span>{}{}",
                escape(&name_of(page.train, id)),
                query.count(),
                look.sample(page.train, id)?,
                code_tile(code, Some(common.view()))
            );
            if let Some(decoder) = decoder {
                let mut one = SdrBatch::new(common.units())?;
                one.push(common.indices())?;
                body.push_str(
                    &look.tile(&decoder.decode(&one)?, "what the shared units decode to")?,
                );
            }
            body.push_str("</li>");
        }
        body.push_str("</ol></div>");
    }
    body.push_str("</div>");
    let said = match decoder {
        Some(_) => {
            " The last picture is what the shared units alone decode to: why the two are near."
        }
        None => "",
    };
    let how = format!(
        "Each line is a test sample and the {NEIGHBOURS} of {} stored codes that share most units with its code. Full dots \
         are shared, hollow ones are the neighbour's own.{said}",
        grouped(page.train_codes.len() as f64)
    );
    let title = "Nearest neighbours by shared units".to_owned();
    Ok(Some(Figure { id: "neighbours", title, body, how, wide: true }))
}

/// The weights of units.
pub(super) fn filters(page: &Page<'_>) -> Result<Option<Figure>> {
    let Some(model) = page.model else { return Ok(None) };
    let encoder = model.encoder();
    let image = shape(page.test.image, encoder.input_width());
    if image.channels != 1 {
        return Ok(None);
    }
    let shown = encoder.units().min(MOST_FILTERS);
    // Spread over all units: neighbours may share a region or a map.
    let filters: Vec<Vec<f32>> =
        (0..shown).map(|number| model.filter(number * encoder.units() / shown)).collect();
    let columns = (shown as f64).sqrt().ceil() as usize;
    let uri = Raster::filters(&filters, image, columns.max(1)).data_uri()?;
    let body = format!(
        "<img class=\"px picture\" src=\"{uri}\" alt=\"weights of {shown} units as small images\">"
    );
    let how = format!(
        "Each tile is one unit of {}{}: an input with light where the tile is red and none where it is blue makes it win. \
         Every tile has its own scale. Parts of samples are good; tiles of noise are units that learned nothing.",
        encoder.units(),
        if shown < encoder.units() { format!(" ({shown} are shown)") } else { String::new() }
    );
    Ok(Some(Figure {
        id: "filters",
        title: "What units look for".to_owned(),
        body,
        how,
        wide: false,
    }))
}

/// Places `0..labels.len()` sorted by label, at most `limit` of them taken evenly.
fn sorted_places(labels: &[u32], limit: usize) -> Vec<usize> {
    let mut places: Vec<usize> = (0..labels.len()).collect();
    places.sort_by_key(|&place| labels[place]);
    let shown = places.len().min(limit);
    (0..shown).map(|taken| places[taken * places.len() / shown]).collect()
}

/// Codes as lines of dots, sorted by class.
pub(super) fn raster(page: &Page<'_>) -> Result<Option<Figure>> {
    let codes = page.test_codes;
    let unlabelled = vec![0; codes.len()];
    let labels = page.test.labels().unwrap_or(&unlabelled);
    let places = sorted_places(labels, MOST_CODES);
    if places.is_empty() {
        return Ok(None);
    }
    let share = codes.units().div_ceil(MOST_COLUMNS);
    let mut raster = Raster::of_classes(codes.units().div_ceil(share), places.len());
    for (line, &place) in places.iter().enumerate() {
        for &unit in codes.get(place).indices() {
            raster.set_class(unit as usize / share, line, labels[place] as usize);
        }
    }
    let runs = page.test.labels().map(|labels| runs(&places, labels, &page.test.classes));
    let frame = Frame { runs: &runs.unwrap_or_default(), both: false, stretch: true };
    let body = frame.html(&raster, "test codes as lines of dots, sorted by class")?;
    let how = format!(
        "Each line is a test code, each column {}; a dot is a unit that is on. Lines are sorted by class: upright stripes \
         within a class are units that the class has to itself.",
        if share > 1 { format!("{share} units") } else { "a unit".to_owned() }
    );
    Ok(Some(Figure {
        id: "raster",
        title: "All codes at a glance".to_owned(),
        body,
        how,
        wide: true,
    }))
}

/// Runs of one class along `places`: name, first line, line after the last.
fn runs(places: &[usize], labels: &[u32], names: &[String]) -> Vec<(String, usize, usize)> {
    let mut runs: Vec<(u32, usize, usize)> = Vec::new();
    for (line, &place) in places.iter().enumerate() {
        match runs.last_mut() {
            Some((label, _, end)) if *label == labels[place] => *end = line + 1,
            _ => runs.push((labels[place], line, line + 1)),
        }
    }
    let name = |label: u32| names.get(label as usize).cloned().unwrap_or_else(|| label.to_string());
    runs.into_iter().map(|(label, start, end)| (name(label), start, end)).collect()
}

/// A raster with the names of classes beside it.
struct Frame<'a> {
    runs: &'a [(String, usize, usize)],
    /// Whether columns are samples too.
    both: bool,
    /// Whether the raster is stretched to the frame, or keeps its pixels square.
    stretch: bool,
}

impl Frame<'_> {
    fn html(&self, raster: &Raster, describes: &str) -> Result<String> {
        let longest = self.runs.iter().map(|run| run.0.chars().count()).max().unwrap_or(0).min(14);
        let (wide, left) = (520.0, 10.0 + 7.5 * longest as f64);
        let top = if self.both { 22.0 } else { 4.0 };
        let breadth = wide - left - 4.0;
        let (wide, breadth) =
            if self.stretch { (1040.0, 1040.0 - left - 4.0) } else { (wide, breadth) };
        let tall = if self.stretch {
            420.0
        } else {
            breadth * raster.height as f64 / raster.width.max(1) as f64
        };
        let mut svg = format!(
            "<svg class=chart viewBox=\"0 0 {wide} {:.0}\" role=img aria-label=\"{}\"><image class=px x={left} y={top} \
             width={breadth:.1} height={tall:.1} preserveAspectRatio=none href=\"{}\"/>",
            top + tall + 4.0,
            escape(describes),
            raster.data_uri()?
        );
        for (name, start, end) in self.runs {
            let middle = (start + end) as f64 / 2.0 / raster.height as f64;
            let name: String = name.chars().take(14).collect();
            let length = (end - start) as f64 / raster.height as f64 * tall;
            if length < 10.0 {
                continue;
            }
            let _ = write!(
                svg,
                "<text x={:.1} y={:.1} text-anchor=end>{}</text>",
                left - 5.0,
                top + middle * tall + 4.5,
                escape(&name)
            );
            if self.both && name.chars().count() <= 3 {
                let x = left + middle * breadth;
                let _ =
                    write!(svg, "<text x={x:.1} y=15 text-anchor=middle>{}</text>", escape(&name));
            }
            if *end < raster.height && !self.both {
                let y = top + *end as f64 / raster.height as f64 * tall;
                let _ = write!(
                    svg,
                    "<line class=grid x1={left} x2={:.1} y1={y:.1} y2={y:.1} />",
                    left + breadth
                );
            }
        }
        Ok(svg + "</svg>")
    }
}

/// Distances between samples, of the inputs and of the codes.
pub(super) fn maps(page: &Page<'_>) -> Result<Option<Figure>> {
    let Some(labels) = page.test.labels() else { return Ok(None) };
    let classes = page.test.classes.len().max(1);
    let per_class = (MAP_SAMPLES / classes).clamp(1, MAP_SAMPLES_A_CLASS);
    let mut places = sample_of_each_class(labels, per_class, SEED);
    places.truncate(MAP_SAMPLES);
    if places.len() < 2 {
        return Ok(None);
    }
    let own: Vec<u32> = places.iter().map(|&place| labels[place]).collect();
    let all: Vec<usize> = (0..places.len()).collect();
    let runs = runs(&all, &own, &page.test.classes);
    let (inputs, codes) = (page.test.select(&places), page.test_codes.select(&places));
    let mut body = "<div class=pair>".to_owned();
    for (features, title, unit) in [
        (Features::Rows(inputs.rows()), "raw inputs", "sum of absolute differences"),
        (Features::Codes(&codes), "codes", "units that differ"),
    ] {
        let map = metrics::distance_map(features);
        let (low, high) = off_diagonal(&map.distances, map.len);
        let raster = Raster::heat(&map.distances, map.len, (low, high));
        let picture = Frame { runs: &runs, both: true, stretch: false }
            .html(&raster, &format!("distances between {title}, sorted by class"))?;
        let _ = write!(
            body,
            "<div><h4>{title}</h4>{picture}<p class=ramp><span>{}</span><i></i><span>{}</span> {unit}</p></div>",
            number(f64::from(low)),
            number(f64::from(high))
        );
    }
    body.push_str("</div>");
    let how = format!(
        "Each point is the distance of two of {} test samples, sorted by class: dark is near, yellow is far. Dark squares \
         along the diagonal and light around them mean that classes lie apart.",
        places.len()
    );
    let title = "Distances within and between classes".to_owned();
    Ok(Some(Figure { id: "maps", title, body, how, wide: true }))
}

fn off_diagonal(distances: &[f32], side: usize) -> (f32, f32) {
    let off = distances.iter().enumerate().filter(|(place, _)| place / side != place % side);
    off.fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), (_, &distance)| {
        (distance.min(low), distance.max(high))
    })
}
