//! The real handwritten digits that the library carries.
//!
//! The file is gzip of 65 planes of 1,797 bytes: the 64 pixels (0 to 16) from left to right and from
//! top to bottom, each of all rows, and then the labels. Planes pack better than rows. Where the data
//! comes from and its licence are in `digits.txt`.

use std::path::PathBuf;

use super::array::Array;
use super::input::Input;
use super::labels::Labels;
use super::load::Loaded;
use crate::error::Result;
use crate::rows::ImageShape;

static PACKED: &[u8] = include_bytes!("digits.bin.gz");

const LEN: usize = 1797;
const PIXELS: usize = 64;

/// Rows of the training part; the other 382 are for testing.
///
/// Every person filled in a sheet that begins with the digits 0 to 9 three times, and the rows come
/// sheet by sheet. A sheet begins at this row, so nobody who wrote a test digit wrote a training digit.
/// This is the honest split and the harder one: exact 1-NN on the pixels is right on 95.8 % of the test
/// part, on 98.7 % (mean of 20) where as many rows are drawn at random.
const TRAIN_LEN: usize = 1415;

/// The digits of `split`: `train`, `test` or `all`. Pixels are divided by 16.
pub(crate) fn load(split: &str) -> Result<Loaded> {
    let mut input =
        Input::part(&PathBuf::from("digits"), "digits", flate2::read::GzDecoder::new(PACKED));
    let planes = input.rest_of((LEN * (PIXELS + 1)) as u64)?;
    let (pixels, labels) = planes.split_at(LEN * PIXELS);
    let number = |place| f32::from(pixels[place % PIXELS * LEN + place / PIXELS]) / 16.0;
    let numbers: Vec<f32> = (0..LEN * PIXELS).map(number).collect();
    let rows = match split {
        "train" => 0..TRAIN_LEN,
        "test" => TRAIN_LEN..LEN,
        _ => 0..LEN,
    };
    let labels = Labels {
        values: labels.iter().map(|&label| u32::from(label)).collect(),
        classes: (0..10).map(|digit| digit.to_string()).collect(),
    };
    let mut loaded = Loaded::new(Array::of_numbers(input.path, "digits", &numbers, PIXELS));
    loaded.image = Some(ImageShape { width: 8, height: 8, channels: 1 });
    loaded.labels = Some(labels);
    loaded.rows = Some(rows.collect());
    Ok(loaded)
}
