//! The pictures of a model, as PNG files in a folder.

use std::path::{Path, PathBuf};

use kwinners::encoder::Model;
use kwinners::metrics::{self, Features, sample_of_each_class};
use kwinners::report::pictures::{self, FilterScale, Picture};
use kwinners::{Dataset, Rows};

use crate::fitting::Encoded;

/// Most filters that a mosaic shows.
const MOST_FILTERS: usize = 400;
/// Samples that the strips show.
const STRIPS: usize = 20;
/// Samples a class in the confusion maps, as in the Universal Sparse Encoder's.
const SAMPLES_A_CLASS: usize = 50;

/// Draws `strips.png`, `filters.png`, `encodings.png` and, with labels, `confusion.png` into `folder`.
pub(crate) fn write_all(
    folder: &Path,
    model: &Model,
    test: &Dataset,
    encoded: &Encoded,
) -> anyhow::Result<Vec<PathBuf>> {
    std::fs::create_dir_all(folder).map_err(kwinners::Error::io(folder))?;
    let mut written = Vec::new();
    let mut save = |name: &str, picture: &Picture| -> anyhow::Result<()> {
        let path = folder.join(name);
        picture.save_png(&path)?;
        written.push(path);
        Ok(())
    };
    let labels = test.labels();
    save("strips.png", &strips(test, encoded)?)?;
    save("filters.png", &filters(model, test)?)?;
    save("encodings.png", &pictures::code_raster(&encoded.test, labels)?)?;
    if let Some(labels) = labels {
        save("confusion.png", &confusion(test, labels, encoded)?)?;
    }
    Ok(written)
}

/// The first samples of each class, or just the first ones.
fn strips(test: &Dataset, encoded: &Encoded) -> anyhow::Result<Picture> {
    let places = match test.labels() {
        Some(labels) => {
            let classes = test.classes.len().max(1);
            let mut places = sample_of_each_class(labels, STRIPS.div_ceil(classes), 0);
            places.truncate(STRIPS);
            places
        }
        None => (0..test.len().min(STRIPS)).collect(),
    };
    let width = test.width();
    let chosen = test.select(&places);
    let decoded: Option<Vec<f32>> = encoded.decoded.as_ref().map(|rows| {
        places.iter().flat_map(|&place| &rows[place * width..][..width]).copied().collect()
    });
    let decoded = decoded.as_deref().map(|rows| Rows::new(rows, width)).transpose()?;
    let image = test.image.unwrap_or_else(|| pictures::vector_shape(width));
    Ok(pictures::strips(chosen.rows(), &encoded.test.select(&places), decoded, image)?)
}

fn filters(model: &Model, test: &Dataset) -> anyhow::Result<Picture> {
    let units = model.encoder().units().min(MOST_FILTERS);
    let filters: Vec<f32> = (0..units).flat_map(|unit| model.filter(unit)).collect();
    let image = test.image.unwrap_or_else(|| pictures::vector_shape(test.width()));
    let rows = Rows::new(&filters, model.encoder().input_width())?;
    Ok(pictures::filter_mosaic(rows, image, FilterScale::Symmetric)?)
}

/// Distances between samples, by raw values and by codes, beside each other.
fn confusion(test: &Dataset, labels: &[u32], encoded: &Encoded) -> anyhow::Result<Picture> {
    let places = sample_of_each_class(labels, SAMPLES_A_CLASS, 0);
    let labels: Vec<u32> = places.iter().map(|&place| labels[place]).collect();
    let chosen = test.select(&places);
    let codes = encoded.test.select(&places);
    let raw = metrics::distance_map(Features::Rows(chosen.rows()));
    let coded = metrics::distance_map(Features::Codes(&codes));
    Ok(pictures::beside(&[
        pictures::distance_map(&raw.distances, &labels, "raw inputs")?,
        pictures::distance_map(&coded.distances, &labels, "codes")?,
    ]))
}
