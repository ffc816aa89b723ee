//! Codes in and out of NumPy, SciPy and Parquet.

use std::path::Path;

use super::array::{Array, Kind};
use super::input::extension;
use super::npz::{self, Npz};
use super::{npy, output, parquet};
use crate::error::{Error, Result};
use crate::sdr::SdrBatch;

/// How codes are written for others to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CodeFormat {
    /// A sparse matrix `(len, n)` of `f32` ones, CSR, as `scipy.sparse.load_npz` reads it. `f32`, so
    /// that the product of two such matrices gives overlaps and does not wrap at 256.
    CsrNpz,
    /// Packed bits, `u8` `(len, ceil(n / 8))`, as `numpy.packbits` makes them: unit 0 is the highest
    /// bit of the first byte.
    PackedNpy,
    /// The active units of each code, `u32` `(len, k)`; needs the same k in all codes.
    IndexNpy,
    /// A Parquet column `indices` of lists of `uint32`, the active units of each code, as DuckDB, Spark,
    /// Polars and PyArrow read it. The file also says `n`, as `kwinners.units`.
    Parquet,
}

impl CodeFormat {
    /// All formats, in the order of this list.
    pub const ALL: [Self; 4] = [Self::CsrNpz, Self::PackedNpy, Self::IndexNpy, Self::Parquet];

    /// What the extension of `path` means: `.npz` is CSR, `.npy` is packed bits, `.parquet` is Parquet.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for any other extension.
    pub fn of_path(path: &Path) -> Result<Self> {
        match extension(path).as_str() {
            "npz" => Ok(Self::CsrNpz),
            "npy" => Ok(Self::PackedNpy),
            "parquet" => Ok(Self::Parquet),
            _ => Err(Error::Unsupported(format!(
                "{}: codes are written to .npz (SciPy CSR), .npy (packed bits or indices) or .parquet",
                path.display()
            ))),
        }
    }
}

/// Writes codes for NumPy, SciPy or Parquet's readers. `path` holds the old file or the new one, never a part.
///
/// # Errors
/// If the file can't be written; for [`CodeFormat::IndexNpy`] if the codes differ in winners; for
/// [`CodeFormat::CsrNpz`] if there are more units than SciPy's `i32` indices can say.
pub fn write_codes(path: &Path, codes: &SdrBatch, format: CodeFormat) -> Result<()> {
    match format {
        CodeFormat::CsrNpz => write_csr(path, codes),
        CodeFormat::PackedNpy => write_packed(path, codes),
        CodeFormat::IndexNpy => write_indices(path, codes),
        CodeFormat::Parquet => parquet::write(path, codes),
    }
}

/// Reads codes from a CSR `.npz`, from a `.npy` of packed bits (`u8`) or of indices (any other integer
/// type), or from the column of a `.parquet` that holds lists of integers.
///
/// `units` is the `n` of the codes. A `.npz` knows it, and so does a `.parquet` of ours; then a different
/// one is refused. Packed bits are taken to fill their bytes if it is not given; an index matrix and the
/// `.parquet` of others can't be read without. Indices need not be sorted.
///
/// ```
/// use kwinners::{SdrBatch, data};
/// # let folder = std::env::temp_dir().join(format!("kwinners-doc-{}", std::process::id()));
/// # std::fs::create_dir_all(&folder).unwrap();
/// let mut codes = SdrBatch::new(1000)?;
/// codes.push(&[1, 500, 999])?;
/// let path = folder.join("codes.npz");
/// data::write_codes(&path, &codes, data::CodeFormat::of_path(&path)?)?;
/// assert_eq!(data::read_codes(&path, None)?, codes);
/// # std::fs::remove_dir_all(&folder).unwrap();
/// # Ok::<(), kwinners::Error>(())
/// ```
///
/// # Errors
/// [`Error::Format`] if the file is not one of these, a matrix is not binary, an index is not below
/// `units` or is there twice in a row, a bit past the last unit is on, or a list of a `.parquet` is missing
/// or has a null.
pub fn read_codes(path: &Path, units: Option<usize>) -> Result<SdrBatch> {
    match extension(path).as_str() {
        "npz" => read_csr(path, units),
        "npy" => {
            let array = npy::read(path)?;
            match array.kind {
                Kind::U8 => read_packed(path, &array, units),
                _ => read_indices(path, &array, units),
            }
        }
        "parquet" => parquet::read(path, units),
        _ => Err(Error::Unsupported(format!(
            "{}: codes are read from .npz (SciPy CSR), .npy (packed bits or indices) or .parquet",
            path.display()
        ))),
    }
}

fn write_csr(path: &Path, codes: &SdrBatch) -> Result<()> {
    if codes.units() > i32::MAX as usize {
        let text = format!("{} units: SciPy's indices end at {}", codes.units(), i32::MAX);
        return Err(Error::Unsupported(text));
    }
    let long = |number: usize| (number as i64).to_le_bytes();
    let ends = std::iter::once(0).chain(codes.ends().iter().copied());
    let indices = bytes_of(codes.indices());
    let ones = 1f32.to_le_bytes().repeat(codes.indices().len());
    let (count, offsets) = (codes.indices().len(), codes.len() + 1);
    let shape = [long(codes.len()), long(codes.units())].concat();
    npz::write(
        path,
        &[
            ("indices", "<i4", &[count], indices),
            ("indptr", "<i8", &[offsets], ends.flat_map(long).collect()),
            ("format", "|S3", &[], b"csr".to_vec()),
            ("shape", "<i8", &[2], shape),
            ("data", "<f4", &[count], ones),
        ],
    )
}

fn write_packed(path: &Path, codes: &SdrBatch) -> Result<()> {
    let width = codes.units().div_ceil(8);
    let mut bytes = vec![0u8; codes.len() * width];
    for (row, code) in bytes.chunks_exact_mut(width).zip(codes.iter()) {
        for &index in code.indices() {
            row[index as usize / 8] |= 0x80 >> (index % 8);
        }
    }
    let shape = [codes.len(), width];
    output::replace(path, |file| npy::write_array(file, "|u1", &shape, &bytes))
}

fn write_indices(path: &Path, codes: &SdrBatch) -> Result<()> {
    if codes.winners().is_none() && !codes.is_empty() {
        let text = "an index matrix needs the same number of winners in all codes; write .npz";
        return Err(Error::Unsupported(text.to_owned()));
    }
    let shape = [codes.len(), codes.winners().unwrap_or(0)];
    let bytes = bytes_of(codes.indices());
    output::replace(path, |file| npy::write_array(file, "<u4", &shape, &bytes))
}

fn bytes_of(indices: &[u32]) -> Vec<u8> {
    indices.iter().flat_map(|index| index.to_le_bytes()).collect()
}

fn read_csr(path: &Path, units: Option<usize>) -> Result<SdrBatch> {
    let mut npz = Npz::open(path)?;
    let kind = npz.text("format")?;
    if kind != "csr" {
        return Err(Error::format(path, "CSR", "the format `csr`", format!("`{kind}`")));
    }
    let shape = npz.array("shape")?.integers()?;
    let &[len, columns] = &shape[..] else {
        return Err(Error::format(path, "CSR", "a matrix", format!("the shape {shape:?}")));
    };
    if units.is_some_and(|units| columns != units as i64) {
        let expected = format!("{} units", units.unwrap_or_default());
        return Err(Error::format(path, "CSR", expected, format!("{columns} columns")));
    }
    let ones = npz.array("data")?.numbers();
    let indices = npz.array("indices")?.integers()?;
    let offsets = npz.array("indptr")?.integers()?;
    if let Some(value) = ones.iter().find(|&&value| value != 1.0) {
        return Err(Error::format(path, "CSR", "a binary matrix: only ones", value));
    }
    let whole = offsets.first() == Some(&0)
        && offsets.len() as i64 - 1 == len
        && offsets.last() == Some(&(indices.len() as i64))
        && offsets.is_sorted()
        && ones.len() == indices.len();
    if !whole {
        let expected = format!("{len} rows whose offsets rise from 0 to the number of ones");
        return Err(Error::format(path, "CSR", expected, "offsets that do not"));
    }
    let rows = offsets.windows(2).map(|ends| &indices[ends[0] as usize..ends[1] as usize]);
    collect(path, "CSR", usize::try_from(columns).unwrap_or(0), rows)
}

fn read_indices(path: &Path, array: &Array, units: Option<usize>) -> Result<SdrBatch> {
    let indices = array.integers()?;
    let &[_, winners] = &array.shape[..] else {
        return Err(
            array.refuse("an index matrix (len, k)", format!("the shape {:?}", array.shape))
        );
    };
    let Some(units) = units else {
        let text = "an index matrix does not say how many units its codes have: name the number";
        return Err(Error::Unsupported(format!("{}: {text}", path.display())));
    };
    if winners == 0 && array.len() > 0 {
        return Err(array.refuse("at least one index a row", "none"));
    }
    collect(path, "index matrix", units, indices.chunks_exact(winners.max(1)))
}

/// Sorts each row and takes it as a code; says the row of the first that is none.
pub(super) fn collect<'a>(
    path: &Path,
    format: &'static str,
    units: usize,
    rows: impl Iterator<Item = &'a [i64]>,
) -> Result<SdrBatch> {
    let mut codes = SdrBatch::new(units)?;
    let mut sorted = Vec::new();
    for (row, indices) in rows.enumerate() {
        let fits = indices.iter().all(|&index| u32::try_from(index).is_ok());
        sorted.clear();
        sorted.extend(indices.iter().map(|&index| index as u32));
        sorted.sort_unstable();
        let pushed = if fits { codes.push(&sorted) } else { Err(too_large(units)) };
        pushed.map_err(|error| {
            let expected = format!("different indices below {units} in every row");
            Error::format(path, format, expected, format!("row {row}: {error}"))
        })?;
    }
    Ok(codes)
}

fn too_large(units: usize) -> Error {
    Error::NotACode { units, reason: "an index is negative or past the largest there is".into() }
}

fn read_packed(path: &Path, array: &Array, units: Option<usize>) -> Result<SdrBatch> {
    let &[len, width] = &array.shape[..] else {
        return Err(
            array.refuse("packed bits (len, bytes)", format!("the shape {:?}", array.shape))
        );
    };
    let units = units.unwrap_or_else(|| width.saturating_mul(8));
    if units.div_ceil(8) != width {
        let expected = format!("rows of {} bytes for {units} units", units.div_ceil(8));
        return Err(array.refuse(expected, format!("{width} bytes")));
    }
    let mut codes = SdrBatch::new(units)?;
    let mut indices = Vec::new();
    for row in 0..len {
        indices.clear();
        for (place, &byte) in array.row_bytes(row).iter().enumerate() {
            let bits = (0..8).filter(|bit| byte & (0x80 >> bit) != 0);
            indices.extend(bits.map(|bit| place as u32 * 8 + bit));
        }
        codes.push(&indices).map_err(|error| {
            let got = format!("row {row}: {error}");
            Error::format(path, "packed bits", format!("no bit past the {units} units"), got)
        })?;
    }
    Ok(codes)
}
