//! IDX, the format of MNIST: two zero bytes, a type, the number of axes, the axes, the numbers, all
//! big-endian. Source: Y. LeCun, "The MNIST database of handwritten digits", file formats.

use std::path::Path;

use super::array::{Array, Kind, Layout};
use super::input::Input;
use crate::error::Result;

/// Reads an IDX file of 1 to 4 axes.
///
/// 0x00000803 begins `u8` images, 0x00000801 `u8` labels; the other types of the format are read too.
pub(crate) fn read(path: &Path) -> Result<Array> {
    let mut input = Input::open(path, "IDX")?;
    let magic: [u8; 4] = input.bytes("magic")?;
    let kind = match magic {
        [0, 0, 0x08, 1..=4] => Kind::U8,
        [0, 0, 0x09, 1..=4] => Kind::I8,
        [0, 0, 0x0B, 1..=4] => Kind::I16,
        [0, 0, 0x0C, 1..=4] => Kind::I32,
        [0, 0, 0x0D, 1..=4] => Kind::F32,
        [0, 0, 0x0E, 1..=4] => Kind::F64,
        _ => return Err(wrong_magic(&input, magic)),
    };
    let mut shape = Vec::new();
    for _ in 0..magic[3] {
        shape.push(u32::from_be_bytes(input.bytes("axis length")?) as usize);
    }
    let layout = Layout { kind, shape, big_endian: true, fortran: false };
    let promised = layout
        .bytes()
        .ok_or_else(|| input.refuse("axes that a file can hold", format!("{:?}", layout.shape)))?;
    let bytes = input.rest_of(promised)?;
    Ok(Array::new(input.path, input.format, layout, bytes))
}

fn wrong_magic(input: &Input<'_>, magic: [u8; 4]) -> crate::error::Error {
    let expected = "the magic 0x00000803 (images) or 0x00000801 (labels), or another type of IDX; \
                    names that end in .npy, .npz, .csv, .bin or .bvecs are read as those";
    input.refuse(expected, format!("{:#010x}", u32::from_be_bytes(magic)))
}
