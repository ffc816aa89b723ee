//! Batches of codes in `.kw` files.

use std::path::Path;

use super::container;
use super::fields::{self, Fields, read_u32, read_u64, u32_bytes, u64_bytes};
use crate::error::Result;
use crate::sdr::SdrBatch;

/// Saves `codes` to `path`, in place of what is there.
///
/// # Errors
/// If the file can't be written; what was at `path` is then still there.
pub fn save_codes(path: &Path, codes: &SdrBatch) -> Result<()> {
    let mut about = Fields::default();
    about.push("content", "codes");
    about.push("units", codes.units());
    about.push("len", codes.len());
    let ends: Vec<u64> = codes.ends().iter().map(|&end| end as u64).collect();
    let sections = [
        ("about", about.to_bytes()),
        ("ends", u64_bytes(&ends)),
        ("indices", u32_bytes(codes.indices())),
    ];
    container::write(path, &sections)
}

/// Loads codes that [`save_codes`] saved.
///
/// # Errors
/// [`crate::Error::Damaged`] if the file is not just as it was saved, or holds something else.
pub fn load_codes(path: &Path) -> Result<SdrBatch> {
    let (mut reader, mut about) = fields::open(path, "codes")?;
    let units: usize = about.require(&reader, "about", "units")?;
    let len: usize = about.require(&reader, "about", "len")?;
    about.finish(&reader, "about")?;
    let ends = read_u64(&mut reader, "ends")?;
    let indices = read_u32(&mut reader, "indices")?;
    reader.finish()?;
    if ends.len() != len {
        return Err(reader.nonsense("ends", format!("{} codes; expected {len}", ends.len())));
    }
    let ends = ends.into_iter().map(|end| end as usize).collect();
    SdrBatch::from_parts(units, ends, indices).map_err(|wrong| reader.nonsense("indices", wrong))
}
