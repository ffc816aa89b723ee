//! Many codes as one raster.

use super::canvas::{Picture, Place, text_height, text_width};
use super::colour::{FAINT, INK, PAPER, of_class};
use super::{LABEL, MARGIN, runs, sorted_places};
use crate::error::{Error, Result};
use crate::sdr::SdrBatch;

/// Most codes that are drawn; of more, evenly chosen ones.
const MOST_CODES: usize = 600;
/// Most pixels for the units; beyond, neighbouring units share one.
const MOST_COLUMNS: usize = 1600;

/// Codes as lines of dots, one column a unit, sorted by class: a class that has units of its own
/// shows as stripes.
///
/// Without labels the codes keep their order. Of more than 600 codes, 600 are drawn, evenly chosen
/// from the sorted ones; of more than 1,600 units, neighbours share a pixel that is dark if any is on.
///
/// # Errors
/// If there is not one label a code.
pub fn code_raster(codes: &SdrBatch, labels: Option<&[u32]>) -> Result<Picture> {
    let unlabelled = vec![0; codes.len()];
    let classes = labels.unwrap_or(&unlabelled);
    if classes.len() != codes.len() {
        let expected = format!("{} labels, one a code", codes.len());
        return Err(Error::shape("labels of codes", expected, classes.len()));
    }
    let places = sorted_places(classes, MOST_CODES);
    let runs = runs(&places, classes);
    let share = codes.units().div_ceil(MOST_COLUMNS);
    let (wide, high) = ((900 / codes.units()).clamp(1, 8), (480 / places.len().max(1)).clamp(1, 8));
    let left = MARGIN + if labels.is_some() { widest_label(&runs) + 8 } else { 0 };
    let breadth = codes.units().div_ceil(share) * wide;
    let gap = if labels.is_some() { 2 } else { 0 };
    let height = 2 * MARGIN + places.len() * high + runs.len() * gap;
    let mut picture = Picture::blank(left + breadth + MARGIN, height);
    for (run, &(label, start, end)) in runs.iter().enumerate() {
        let top = MARGIN + start * high + run * gap;
        let tall = (end - start) * high;
        picture.fill(Place::new(left, top), breadth, tall, PAPER);
        for (row, &place) in places[start..end].iter().enumerate() {
            for &unit in codes.get(place).indices() {
                let dot = Place::new(left + unit as usize / share * wide, top + row * high);
                picture.fill(dot, wide, high, of_class(label as usize));
            }
        }
        if labels.is_some() {
            picture.fill(Place::new(left, top + tall), breadth, 1, FAINT);
            name_run(&mut picture, top, tall, label);
        }
    }
    Ok(picture)
}

fn widest_label(runs: &[(u32, usize, usize)]) -> usize {
    runs.iter().map(|(label, ..)| text_width(&label.to_string(), LABEL)).max().unwrap_or(0)
}

/// Writes the class beside its codes, if there is room.
fn name_run(picture: &mut Picture, top: usize, tall: usize, label: u32) {
    if tall >= text_height(LABEL) {
        let middle = top + (tall - text_height(LABEL)) / 2;
        picture.write(Place::new(MARGIN, middle), &label.to_string(), LABEL, INK);
    }
}
