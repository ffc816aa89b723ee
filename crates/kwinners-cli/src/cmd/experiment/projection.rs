//! Codes by a random normal projection and k-winners, over the number of units and their density.
//!
//! Source: the experiments of EmbedderSDR.

use std::path::PathBuf;

use kwinners::report::pictures::{Grid, number_grid};
use kwinners::{Dataset, Error, KWinners, Rng, Sdr, SdrRef};
use serde::Serialize;

use super::Arguments;
use crate::args::Shared;
use crate::cmd;
use crate::output::Output;
use crate::status::BadInput;

const UNITS: [usize; 6] = [256, 512, 1024, 2048, 4096, 8192];
const DENSITIES: [f64; 7] = [0.001, 0.01, 0.05, 0.1, 0.3, 0.5, 0.75];

const SEED: u64 = 0;

/// A figure for each number of units and density.
pub(super) struct Surface {
    name: &'static str,
    title: &'static str,
    note: &'static str,
    of_image: fn(&Projection, &Image) -> kwinners::Result<f64>,
}

pub(super) const INVERSE: Surface = Surface {
    name: "inverse",
    title: "share of the pixels that come back: winners, transpose, as many winners as there were pixels",
    note: "Pixels are on above the mean of all; the share is |a ∧ b| / mean(|a|, |b|).",
    of_image: |projection, image| {
        let code = projection.encode(&image.pixels)?;
        share(image.pixels.view(), projection.restore(&code, image.pixels.view().count())?.view())
    },
};

pub(super) const TRANSLATION: Surface = Surface {
    name: "translation",
    title: "share of the units that an image and the same moved by one pixel right and down have in common",
    note: "Beside it the share of the pixels: codes that follow pixels share as much.",
    of_image: |projection, image| {
        let (code, moved) = (projection.encode(&image.pixels)?, projection.encode(&image.moved)?);
        share(code.view(), moved.view())
    },
};

/// An image of pixels that are on or off, and the same moved.
struct Image {
    pixels: Sdr,
    moved: Sdr,
}

/// The answer under `--json`.
#[derive(Serialize)]
struct Answer<'a> {
    name: &'a str,
    data: &'a str,
    samples: usize,
    units: [usize; UNITS.len()],
    densities: [f64; DENSITIES.len()],
    /// A list for each number of units.
    overlap: Vec<Vec<f64>>,
    /// Of the pixels of an image and the same moved.
    pixel_overlap: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    picture: Option<PathBuf>,
}

impl Surface {
    pub(super) fn run(
        &self,
        arguments: &Arguments,
        shared: &Shared,
        output: &mut Output,
    ) -> anyhow::Result<()> {
        let data = cmd::load(&arguments.test, shared)?;
        let images = images(&data, arguments.samples.get())?;
        let mut overlap = Vec::new();
        for units in UNITS {
            let mut row = Vec::new();
            for density in DENSITIES {
                let winners = ((units as f64 * density).round() as usize).max(1);
                let projection = Projection::new(units, winners, data.width())?;
                let figures = images.iter().map(|image| (self.of_image)(&projection, image));
                let figures: Vec<f64> = figures.collect::<kwinners::Result<_>>()?;
                row.push(mean(&figures));
            }
            overlap.push(row);
        }
        let moved = images.iter().map(|image| share(image.pixels.view(), image.moved.view()));
        let moved: Vec<f64> = moved.collect::<kwinners::Result<_>>()?;
        let picture = self.draw(arguments, &overlap)?;
        let answer = Answer {
            name: self.name,
            data: &data.name,
            samples: images.len(),
            units: UNITS,
            densities: DENSITIES,
            overlap,
            pixel_overlap: mean(&moved),
            picture,
        };
        self.tell(&answer, output)?;
        output.object(&answer)
    }

    fn draw(&self, arguments: &Arguments, overlap: &[Vec<f64>]) -> anyhow::Result<Option<PathBuf>> {
        let Some(folder) = &arguments.out else { return Ok(None) };
        std::fs::create_dir_all(folder).map_err(Error::io(folder))?;
        let rows = UNITS.map(|units| units.to_string());
        let columns = DENSITIES.map(|density| density.to_string());
        let values = overlap.concat();
        let title = self.name;
        let picture =
            number_grid(&Grid { title, rows: &rows, columns: &columns, values: &values })?;
        let path = folder.join(format!("{}.png", self.name));
        picture.save_png(&path)?;
        Ok(Some(path))
    }

    fn tell(&self, answer: &Answer<'_>, output: &mut Output) -> anyhow::Result<()> {
        output.line(self.title)?;
        output.line(format_args!("{}, {} images", answer.data, answer.samples))?;
        let densities = DENSITIES.map(|density| format!("k/n {density}"));
        let headings: Vec<&str> =
            ["units"].into_iter().chain(densities.iter().map(String::as_str)).collect();
        let rows = UNITS.iter().zip(&answer.overlap).map(|(units, row)| {
            let cells = row.iter().map(|share| format!("{share:.3}"));
            std::iter::once(units.to_string()).chain(cells).collect()
        });
        output.table(&headings, &rows.collect::<Vec<_>>())?;
        output.line(format_args!("pixels, moved by one: {:.3}", answer.pixel_overlap))?;
        output.line(self.note)?;
        match &answer.picture {
            Some(path) => output.line(path.display()),
            None => Ok(()),
        }
    }
}

/// Evenly chosen images with a pixel on.
fn images(data: &Dataset, count: usize) -> anyhow::Result<Vec<Image>> {
    let Some(shape) = data.image else {
        let reason = format!("{} holds no images: nothing can be moved", data.name);
        return Err(BadInput(reason).into());
    };
    let rows = data.rows();
    let threshold = rows.values().iter().map(|&value| f64::from(value)).sum::<f64>()
        / rows.values().len().max(1) as f64;
    let count = count.min(data.len());
    let mut images = Vec::new();
    for place in (0..count).map(|place| place * data.len() / count) {
        let row = rows.row(place);
        let on = |place: usize| f64::from(row[place]) > threshold;
        let pixels = (0..row.len()).filter(|&place| on(place)).map(|place| place as u32).collect();
        // Channels lie in planes; each is moved.
        let from = |place: usize| {
            let (x, y) = (place % shape.width, place / shape.width % shape.height);
            (x > 0 && y > 0).then(|| place - shape.width - 1)
        };
        let moved = (0..row.len()).filter(|&place| from(place).is_some_and(on));
        let moved = moved.map(|place| place as u32).collect();
        let image = Image {
            pixels: Sdr::new(data.width(), pixels)?,
            moved: Sdr::new(data.width(), moved)?,
        };
        if image.pixels.view().count() * image.moved.view().count() > 0 {
            images.push(image);
        }
    }
    if images.is_empty() {
        return Err(Error::shape(&data.name, "an image with a pixel above the mean", 0).into());
    }
    Ok(images)
}

/// Normal weights, `(inputs, units)`, and how many units win.
struct Projection {
    weights: Vec<f32>,
    inputs: usize,
    k_winners: KWinners,
}

impl Projection {
    fn new(units: usize, winners: usize, inputs: usize) -> kwinners::Result<Self> {
        let mut rng = Rng::new(SEED);
        let weights = (0..inputs * units).map(|_| rng.normal()).collect();
        Ok(Self { weights, inputs, k_winners: KWinners::new(units, winners)? })
    }

    fn row(&self, input: usize) -> &[f32] {
        &self.weights[input * self.k_winners.units()..][..self.k_winners.units()]
    }

    fn encode(&self, pixels: &Sdr) -> kwinners::Result<Sdr> {
        let mut scores = vec![0.0; self.k_winners.units()];
        for &pixel in pixels.indices() {
            let weights = self.row(pixel as usize);
            scores.iter_mut().zip(weights).for_each(|(score, weight)| *score += weight);
        }
        self.k_winners.winners_of(&scores)
    }

    /// The `count` pixels that the units of `code` have the largest weights to.
    fn restore(&self, code: &Sdr, count: usize) -> kwinners::Result<Sdr> {
        let score = |input: usize| {
            let row = self.row(input);
            code.indices().iter().map(|&unit| row[unit as usize]).sum::<f32>()
        };
        let scores: Vec<f32> = (0..self.inputs).map(score).collect();
        KWinners::new(self.inputs, count)?.winners_of(&scores)
    }
}

/// `|a ∧ b| / mean(|a|, |b|)`.
fn share(a: SdrRef<'_>, b: SdrRef<'_>) -> kwinners::Result<f64> {
    Ok(2.0 * a.overlap(b)? as f64 / (a.count() + b.count()) as f64)
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}
