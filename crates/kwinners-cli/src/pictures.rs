//! The pictures of a model and its codes, as PNG files in one folder.

use std::path::{Path, PathBuf};

use kwinners::data::ImageShape;
use kwinners::encoder::{Embedder, Encoder, Model};
use kwinners::metrics::{self, Features, sample_of_each_class};
use kwinners::report::ClassFigures;
use kwinners::report::pictures::{
    ChartLine, FilterScale, Grid, Picture, beside, code_raster, distance_map, filter_mosaic,
    line_chart, number_grid, strip_places, strips, tile_lines, vector_shape,
};
use kwinners::{Dataset, Error, Result, Rows, SdrBatch};

use crate::fitting::Encoded;

/// Samples of each class on a distance map, as its source has it.
const MAP_SAMPLES_A_CLASS: usize = 50;
/// Most samples on a distance map: with many classes there are fewer of each.
const MOST_MAP_SAMPLES: usize = 1000;
/// Most filters that are drawn.
const MOST_FILTERS: usize = 400;
/// Units of each image whose masks are drawn.
const MASKED_UNITS: usize = 5;
/// Seed of the samples that are shown.
const SEED: u64 = 0;

/// Writes all pictures of `model` and of what it made of `test` into `folder`: see [`write_those_of`].
pub(crate) fn write_all(
    folder: &Path,
    model: &Model,
    test: &Dataset,
    encoded: &Encoded,
) -> Result<Vec<PathBuf>> {
    write_those_of(folder, Some(model), test, &encoded.test, encoded.decoded.as_deref())
}

/// Writes what can be drawn into `folder`, which is made if need be, and says which files it wrote:
/// `strips.png`, `filters.png` (given the model), `encodings.png`, `confusion.png` (given labels).
///
/// `codes` are those of `test`, a code a row; `decoded`, `(len, width)`, is what they decode to.
pub(crate) fn write_those_of(
    folder: &Path,
    model: Option<&Model>,
    test: &Dataset,
    codes: &SdrBatch,
    decoded: Option<&[f32]>,
) -> Result<Vec<PathBuf>> {
    std::fs::create_dir_all(folder).map_err(Error::io(folder))?;
    let mut pictures = vec![("strips.png", strip(test, codes, decoded)?)];
    if let Some(model) = model {
        pictures.push(("filters.png", filters(model, test.image)?));
    }
    pictures.push(("encodings.png", code_raster(codes, test.labels())?));
    if let Some(labels) = test.labels() {
        pictures.push(("confusion.png", confusion(test, codes, labels)?));
    }
    let write = |(name, picture): (&str, Picture)| {
        let path = folder.join(name);
        picture.save_png(&path)?;
        Ok(path)
    };
    pictures.into_iter().map(write).collect()
}

/// Writes `saliency.png` into `folder`: images, the masks that take their class out of the model's answer,
/// and the images under them; of an embedder masks for the strongest units of each image. Nothing where a model has no
/// slopes by its inputs, or rows are no images.
pub(crate) fn write_saliency(
    folder: &Path,
    model: &Model,
    test: &Dataset,
) -> Result<Option<PathBuf>> {
    if let (Model::Embedder(embedder), Some(image)) = (model, test.image) {
        let path = folder.join("saliency.png");
        saliency_of_units(embedder, &test.select(&strip_places(test)), image)?.save_png(&path)?;
        return Ok(Some(path));
    }
    let (Some(classifier), Some(image)) = (model.classifier(), test.image) else { return Ok(None) };
    let places = strip_places(test);
    let shown = test.select(&places);
    let (mut masks, mut masked) = (Vec::new(), Vec::new());
    for (row, class) in shown.rows().iter().zip(classifier.classify(shown.rows())?) {
        let found = match metrics::saliency(classifier, row, image, class) {
            Err(Error::Unsupported(_)) => return Ok(None),
            found => found?,
        };
        masks.extend(found.mask);
        masked.extend(found.masked);
    }
    let grey = ImageShape { channels: 1, ..image };
    let mosaic = |values: &[f32], shape: ImageShape, scale| {
        let width = shape.width * shape.height * shape.channels;
        filter_mosaic(Rows::new(values, width)?, shape, scale)
    };
    let images = mosaic(shown.rows().values(), image, FilterScale::MinMax)?;
    let masks = mosaic(&masks, grey, FilterScale::Common)?;
    let masked = mosaic(&masked, image, FilterScale::MinMax)?;
    let path = folder.join("saliency.png");
    beside(&[images, masks, masked]).save_png(&path)?;
    Ok(Some(path))
}

/// Images, and below each the masks that take its strongest units out of its code: white stays, black is blurred.
fn saliency_of_units(model: &Embedder, shown: &Dataset, image: ImageShape) -> Result<Picture> {
    let count = MASKED_UNITS.min(model.winners());
    let mut masks = vec![Vec::new(); count];
    for row in &shown.rows() {
        for (masks, unit) in masks.iter_mut().zip(model.strongest(row, count)?) {
            let mask = metrics::unit_saliency(model, row, image, unit)?.mask;
            (0..image.channels).for_each(|_| masks.extend_from_slice(&mask));
        }
    }
    let mut lines = vec![("input", shown.rows())];
    for masks in &masks {
        lines.push(("unit", Rows::new(masks, shown.width())?));
    }
    tile_lines(&lines, image)
}

/// Writes what a report says of classes into `folder`: `classes.png`, which are taken for which, and
/// `pairs.png`, precision over recall.
pub(crate) fn write_classes(
    folder: &Path,
    classes: &ClassFigures,
    test: &Dataset,
) -> Result<Vec<PathBuf>> {
    let name = |label: &u32| match test.classes.get(*label as usize) {
        Some(name) => name.clone(),
        None => label.to_string(),
    };
    let names: Vec<String> = classes.confusion.labels.iter().map(name).collect();
    let values: Vec<f64> =
        classes.confusion.counts.iter().flatten().map(|&count| count as f64).collect();
    let title = "rows: true class, columns: taken for";
    let grid = number_grid(&Grid { title, rows: &names, columns: &names, values: &values })?;
    let pairs = classes.pairs.recall.iter().copied().zip(classes.pairs.precision.iter().copied());
    let curve = ChartLine { name: String::new(), points: pairs.collect() };
    let chart = line_chart(&[curve], "pairs of one class, by overlap", ("recall", "precision"))?;
    let write = |(name, picture): (&str, Picture)| {
        let path = folder.join(name);
        picture.save_png(&path)?;
        Ok(path)
    };
    [("classes.png", grid), ("pairs.png", chart)].into_iter().map(write).collect()
}

/// How a row of `width` values is drawn: as the image that it is, or as a square.
pub(crate) fn shape(image: Option<ImageShape>, width: usize) -> ImageShape {
    image.filter(|image| matches!(image.channels, 1 | 3)).unwrap_or_else(|| vector_shape(width))
}

/// Samples as they are, as codes and decoded: one of each class, or evenly chosen ones.
fn strip(test: &Dataset, codes: &SdrBatch, decoded: Option<&[f32]>) -> Result<Picture> {
    let places = strip_places(test);
    let shown = test.select(&places);
    let decoded: Option<Vec<f32>> = decoded
        .map(|values| Rows::new(values, test.width()))
        .transpose()?
        .map(|rows| places.iter().flat_map(|&place| rows.row(place)).copied().collect());
    let decoded = decoded.as_deref().map(|values| Rows::new(values, test.width())).transpose()?;
    strips(shown.rows(), &codes.select(&places), decoded, shape(test.image, test.width()))
}

fn filters(model: &Model, image: Option<ImageShape>) -> Result<Picture> {
    let encoder = model.encoder();
    let shown = encoder.units().min(MOST_FILTERS);
    // Spread over all units: neighbours may share a region or a map.
    let units = (0..shown).map(|number| number * encoder.units() / shown);
    let weights: Vec<f32> = units.flat_map(|unit| model.filter(unit)).collect();
    let width = encoder.input_width();
    filter_mosaic(Rows::new(&weights, width)?, shape(image, width), FilterScale::Symmetric)
}

/// Distances between samples, sorted by class, of the inputs and of their codes.
fn confusion(test: &Dataset, codes: &SdrBatch, labels: &[u32]) -> Result<Picture> {
    let classes = test.classes.len().max(1);
    let per_class = (MOST_MAP_SAMPLES / classes).clamp(1, MAP_SAMPLES_A_CLASS);
    let places = sample_of_each_class(labels, per_class, SEED);
    let labels: Vec<u32> = places.iter().map(|&place| labels[place]).collect();
    let (inputs, codes) = (test.select(&places), codes.select(&places));
    let map = |features, title: &str| {
        distance_map(&metrics::distance_map(features).distances, &labels, title)
    };
    let raw = map(Features::Rows(inputs.rows()), "raw inputs, L1 distance")?;
    Ok(beside(&[raw, map(Features::Codes(&codes), "codes, units that differ")?]))
}
