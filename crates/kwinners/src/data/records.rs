//! Formats of records without a header: CIFAR-10 and TEXMEX `bvecs`.

use std::path::Path;

use super::array::Array;
use super::input::Input;
use super::labels::Labels;
use crate::error::{Error, Result};
use crate::rows::ImageShape;

/// How a CIFAR-10 row lies: a red, a green and a blue plane of 32 rows of 32 pixels.
pub(crate) const CIFAR_IMAGE: ImageShape = ImageShape { width: 32, height: 32, channels: 3 };

/// Names of the classes of CIFAR-10, in label order.
pub(crate) const CIFAR_CLASSES: [&str; 10] =
    ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];

const CIFAR_PIXELS: usize = 3072;

/// Longest row of a `bvecs` file, in bytes.
const BVECS_LIMIT: i32 = 1 << 20;

/// Reads files of CIFAR-10 records one after the other: a label, then 3,072 bytes of pixels.
/// Source: A. Krizhevsky, "The CIFAR-10 dataset", binary version.
pub(crate) fn read_cifar(paths: &[impl AsRef<Path>]) -> Result<(Array, Labels)> {
    let (mut pixels, mut labels) = (Vec::new(), Vec::new());
    for path in paths {
        read_cifar_file(path.as_ref(), &mut pixels, &mut labels)?;
    }
    let path = paths.first().map_or(Path::new(""), AsRef::as_ref);
    let array = Array::of_bytes(path.to_owned(), "CIFAR-10", pixels, CIFAR_PIXELS);
    let classes = CIFAR_CLASSES.map(str::to_owned).to_vec();
    Ok((array, Labels { values: labels, classes }))
}

fn read_cifar_file(path: &Path, pixels: &mut Vec<u8>, labels: &mut Vec<u32>) -> Result<()> {
    let mut input = Input::open(path, "CIFAR-10")?;
    let mut record = [0; 1 + CIFAR_PIXELS];
    for row in 0.. {
        match input.fill(&mut record)? {
            0 if row > 0 => break,
            got if got < record.len() => {
                let expected = format!("whole records of {} bytes", record.len());
                return Err(input.refuse(expected, format!("{got} bytes in record {row}")));
            }
            _ if usize::from(record[0]) >= CIFAR_CLASSES.len() => {
                let got = format!("{} in record {row}", record[0]);
                return Err(input.refuse("labels from 0 to 9", got));
            }
            _ => {
                labels.push(u32::from(record[0]));
                pixels.extend_from_slice(&record[1..]);
            }
        }
    }
    Ok(())
}

/// Reads `bvecs`: for each row its length as a little-endian `i32`, then as many bytes.
/// Source: "Datasets for approximate nearest neighbor search", <http://corpus-texmex.irisa.fr>.
pub(crate) fn read_bvecs(path: &Path) -> Result<Array> {
    let mut input = Input::open(path, "bvecs")?;
    let (mut bytes, mut row) = (Vec::new(), Vec::new());
    let mut length = [0; 4];
    for number in 0.. {
        match input.fill(&mut length)? {
            0 if number > 0 => break,
            4 => {}
            got => return Err(short_row(&input, number, got)),
        }
        let width = i32::from_le_bytes(length);
        let same = number == 0 || width as usize == row.len();
        if !(1..=BVECS_LIMIT).contains(&width) || !same {
            let expected = format!("rows of the same length, 1 to {BVECS_LIMIT} bytes");
            return Err(input.refuse(expected, format!("{width} in row {number}")));
        }
        row.resize(width as usize, 0);
        let got = input.fill(&mut row)?;
        if got < row.len() {
            return Err(short_row(&input, number, got));
        }
        bytes.extend_from_slice(&row);
    }
    Ok(Array::of_bytes(path.to_owned(), "bvecs", bytes, row.len()))
}

fn short_row(input: &Input<'_>, row: usize, got: usize) -> Error {
    input.refuse("a length and as many bytes", format!("{got} bytes in row {row}"))
}
