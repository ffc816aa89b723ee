//! One search: a test digit beside the training digits whose codes share most units with its code.

use kwinners::Dataset;
use kwinners::index::{self, Hit, SdrIndex};
use serde::Serialize;

use crate::fitting::Encoded;
use crate::output::Output;

/// The test digit that is searched for: any would do; this is the first 4.
const QUERY: usize = 4;

/// Neighbours shown.
const TOP: usize = 5;

/// Digits side by side on a line of text.
const TILES_A_LINE: usize = 3;

/// Shades from paper to ink, for text without colour.
const SHADES: [char; 10] = [' ', '.', ':', '-', '=', '+', '*', '#', '%', '@'];

/// A search and what it found.
#[derive(Debug, Serialize)]
pub(super) struct Search {
    /// Row of the test set that was searched for.
    query: usize,
    label: u32,
    /// Units that are on in every code.
    winners: usize,
    /// Rows of the training set, nearest first.
    neighbours: Vec<Found>,
}

#[derive(Debug, Serialize)]
struct Found {
    id: usize,
    label: u32,
    overlap: u32,
}

pub(super) fn search(
    encoded: &Encoded,
    train: &Dataset,
    test: &Dataset,
) -> kwinners::Result<Search> {
    let (train_labels, test_labels) = (train.require_labels()?, test.require_labels()?);
    let stored = SdrIndex::build(&encoded.train)?;
    let found = stored.top(encoded.test.get(QUERY), TOP, &index::Search::default())?;
    let neighbour = |hit: Hit| {
        let id = hit.id as usize;
        Found { id, label: train_labels[id], overlap: hit.score as u32 }
    };
    Ok(Search {
        query: QUERY,
        label: test_labels[QUERY],
        winners: encoded.test.get(QUERY).count(),
        neighbours: found.into_iter().map(neighbour).collect(),
    })
}

pub(super) fn print(
    search: &Search,
    train: &Dataset,
    test: &Dataset,
    output: &mut Output,
) -> anyhow::Result<()> {
    output.line(format!(
        "\nsearch: test digit {} and its nearest of {} stored codes, by units shared",
        search.query,
        train.len()
    ))?;
    let (styled, winners) = (output.styled(), search.winners);
    let tile = |caption: String, set: &Dataset, row: usize| Tile::new(caption, set, row, styled);
    let mut tiles = vec![tile(format!("a {}, the query", search.label), test, search.query)];
    tiles.extend(search.neighbours.iter().map(|found| {
        tile(format!("a {}, {} of {winners}", found.label, found.overlap), train, found.id)
    }));
    for tiles in tiles.chunks(TILES_A_LINE) {
        for line in 0..=tiles.iter().map(|tile| tile.lines.len()).max().unwrap_or(0) {
            let cells: Vec<String> = tiles.iter().map(|tile| tile.line(line)).collect();
            output.line(format!("  {}", cells.join("    ")).trim_end())?;
        }
    }
    Ok(())
}

/// A digit as lines of text with its caption above.
struct Tile {
    caption: String,
    lines: Vec<String>,
    /// Characters a line.
    width: usize,
}

impl Tile {
    /// Two characters a pixel, which makes it about square.
    fn new(caption: String, set: &Dataset, row: usize, styled: bool) -> Self {
        let width = set.image.map_or(set.width(), |image| image.width);
        let pixel = if styled { coloured_pixel } else { plain_pixel };
        let lines = set.rows().row(row).chunks(width);
        let lines = lines.map(|line| line.iter().map(|&value| pixel(value)).collect());
        Self { caption, lines: lines.collect(), width: 2 * width }
    }

    /// The caption, then line after line of the picture.
    fn line(&self, line: usize) -> String {
        match line.checked_sub(1) {
            None => format!("{:<1$}", self.caption, self.width),
            Some(line) => self.lines.get(line).cloned().unwrap_or_default(),
        }
    }
}

fn plain_pixel(value: f32) -> String {
    let shade = (value.clamp(0.0, 1.0) * (SHADES.len() - 1) as f32).round() as usize;
    SHADES[shade].to_string().repeat(2)
}

/// Two spaces on one of the 24 greys of the 256-colour palette.
fn coloured_pixel(value: f32) -> String {
    let grey = 232 + (value.clamp(0.0, 1.0) * 23.0).round() as u8;
    format!("\x1b[48;5;{grey}m  \x1b[0m")
}
