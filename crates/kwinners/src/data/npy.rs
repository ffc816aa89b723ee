//! NumPy's `.npy`: a magic, a header in Python's syntax, the numbers.
//! Source: NumPy Enhancement Proposal 1, and `numpy/lib/format.py` for versions 2 and 3.
//!
//! Own code because the crate for it, npyz 0.9, allocates and multiplies by what the header says
//! before it knows that it is true, and brings C code for compression that no array uses.

use std::io::Write;
use std::path::Path;

use super::array::{Array, Kind, Layout};
use super::input::Input;
use super::output;
use crate::error::{Error, Result};

/// Longest header that is read, in bytes. NumPy itself refuses past 10,000.
const HEADER_LIMIT: usize = 1 << 16;

/// Reads a `.npy` file of numbers.
pub(crate) fn read(path: &Path) -> Result<Array> {
    read_array(Input::open(path, "npy")?)
}

/// Reads the array that `input` holds from here to its end.
pub(crate) fn read_array(mut input: Input<'_>) -> Result<Array> {
    let header = read_header(&mut input)?;
    let Some((big_endian, kind)) = parse_kind(&header.descr) else {
        let expected = "a type of bool, integers or f2, f4, f8";
        return Err(input.refuse(expected, format!("`{}`", header.descr)));
    };
    let layout = Layout { kind, shape: header.shape, big_endian, fortran: header.fortran };
    let promised = layout.bytes().ok_or_else(|| {
        input.refuse("a shape that a file can hold", format!("{:?}", layout.shape))
    })?;
    let bytes = input.rest_of(promised)?;
    Ok(Array::new(input.path, input.format, layout, bytes))
}

/// Reads an array of one short ASCII text, as SciPy stores the name of a sparse format.
pub(crate) fn read_text(mut input: Input<'_>) -> Result<String> {
    let header = read_header(&mut input)?;
    let size = match header.descr.split_at_checked(2) {
        Some(("|S", size)) => size.parse().unwrap_or(0),
        Some(("<U", size)) => size.parse::<u64>().unwrap_or(0).saturating_mul(4),
        _ => 0,
    };
    if !header.shape.is_empty() || size == 0 || size > 64 {
        return Err(input.refuse("one short text", format!("type `{}`", header.descr)));
    }
    let bytes = input.rest_of(size)?;
    Ok(bytes.iter().filter(|&&byte| byte != 0).map(|&byte| char::from(byte)).collect())
}

/// What the header of an array says.
#[derive(Debug, PartialEq)]
struct Header {
    descr: String,
    fortran: bool,
    shape: Vec<usize>,
}

fn read_header(input: &mut Input<'_>) -> Result<Header> {
    let magic: [u8; 6] = input.bytes("magic")?;
    if magic != *b"\x93NUMPY" {
        return Err(input.refuse("the magic \\x93NUMPY", format!("{}", magic.escape_ascii())));
    }
    let [major, minor] = input.bytes("version")?;
    let length = match major {
        1 => u32::from(u16::from_le_bytes(input.bytes("header length")?)),
        2 | 3 => u32::from_le_bytes(input.bytes("header length")?),
        _ => return Err(input.refuse("version 1, 2 or 3", format!("{major}.{minor}"))),
    };
    if length as usize > HEADER_LIMIT {
        let expected = format!("a header of at most {HEADER_LIMIT} bytes");
        return Err(input.refuse(expected, length));
    }
    let mut text = vec![0; length as usize];
    let got = input.fill(&mut text)?;
    if got < text.len() {
        return Err(input.refuse(format!("a header of {length} bytes"), format!("{got} bytes")));
    }
    parse_header(&text).ok_or_else(|| {
        let start = String::from_utf8_lossy(&text[..text.len().min(120)]).into_owned();
        let expected = "a header {'descr': 'TYPE', 'fortran_order': BOOL, 'shape': (AXES)}";
        input.refuse(expected, format!("`{}`", start.trim_end()))
    })
}

/// Reads `{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }`: these three keys in any
/// order, each once.
fn parse_header(text: &[u8]) -> Option<Header> {
    let mut rest = std::str::from_utf8(text).ok()?;
    let (mut descr, mut fortran, mut shape) = (None, None, None);
    rest = after(rest, "{")?;
    while after(rest, "}").is_none() {
        let key;
        (key, rest) = quoted(rest)?;
        rest = after(rest, ":")?;
        match key {
            "descr" if descr.is_none() => {
                let value;
                (value, rest) = quoted(rest)?;
                descr = Some(value.to_owned());
            }
            "fortran_order" if fortran.is_none() => {
                let truth = after(rest, "True");
                fortran = Some(truth.is_some());
                rest = truth.or_else(|| after(rest, "False"))?;
            }
            "shape" if shape.is_none() => {
                let axes;
                (axes, rest) = after(rest, "(")?.split_once(')')?;
                shape = Some(parse_axes(axes)?);
            }
            _ => return None,
        }
        rest = match after(rest, ",") {
            Some(rest) => rest,
            None if after(rest, "}").is_some() => rest,
            None => return None,
        };
    }
    let at_end = after(rest, "}")?.trim_ascii().is_empty();
    at_end.then_some(Header { descr: descr?, fortran: fortran?, shape: shape? })
}

/// What follows `token`, if that is what comes next.
fn after<'a>(text: &'a str, token: &str) -> Option<&'a str> {
    text.trim_ascii_start().strip_prefix(token)
}

/// A text in quotes, and what follows it.
fn quoted(text: &str) -> Option<(&str, &str)> {
    let text = text.trim_ascii_start();
    let quote = text.chars().next().filter(|quote| matches!(quote, '\'' | '"'))?;
    text[1..].split_once(quote)
}

/// `3, 4` or `3,` or nothing.
fn parse_axes(text: &str) -> Option<Vec<usize>> {
    let text = text.trim_ascii();
    let text = text.strip_suffix(',').unwrap_or(text);
    if text.is_empty() {
        return Some(Vec::new());
    }
    // Python 2 wrote long integers with an L.
    let axis = |axis: &str| axis.trim_ascii().trim_end_matches('L').parse().ok();
    text.split(',').map(axis).collect()
}

/// Byte order and type of a `descr` such as `<f4`.
fn parse_kind(descr: &str) -> Option<(bool, Kind)> {
    let (order, kind) = descr.split_at_checked(1)?;
    let big_endian = match order {
        "<" | "|" => false,
        "=" => cfg!(target_endian = "big"),
        ">" => true,
        _ => return None,
    };
    let kind = match kind {
        "b1" => Kind::Bool,
        "u1" => Kind::U8,
        "i1" => Kind::I8,
        "u2" => Kind::U16,
        "i2" => Kind::I16,
        "u4" => Kind::U32,
        "i4" => Kind::I32,
        "u8" => Kind::U64,
        "i8" => Kind::I64,
        "f2" => Kind::F16,
        "f4" => Kind::F32,
        "f8" => Kind::F64,
        _ => return None,
    };
    Some((big_endian, kind))
}

/// Writes `values`, `shape` in C order, as a `.npy` of `<f4` that NumPy reads.
///
/// The file is written beside `path` under another name and then renamed, so `path` holds the old
/// file or the new one, never a part.
///
/// # Errors
/// If `shape` does not have as many places as there are values, or the file can't be written.
pub fn write_npy(path: &Path, values: &[f32], shape: &[usize]) -> Result<()> {
    let places = shape.iter().try_fold(1usize, |product, &axis| product.checked_mul(axis));
    if places != Some(values.len()) {
        let expected = format!("{} values for the shape {shape:?}", places.unwrap_or(usize::MAX));
        return Err(Error::shape("array to write", expected, values.len()));
    }
    let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    output::replace(path, |file| write_array(file, "<f4", shape, &bytes))
}

/// Writes `bytes` as an array of type `descr`, version 1 of the format.
pub(crate) fn write_array(
    out: &mut dyn Write,
    descr: &str,
    shape: &[usize],
    bytes: &[u8],
) -> std::io::Result<()> {
    let axes: String = shape.iter().map(|axis| format!("{axis}, ")).collect();
    let axes = if shape.len() > 1 { axes.trim_end_matches(", ") } else { axes.trim_end() };
    let dict = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({axes}), }}");
    // Magic, version and length take 10 bytes, the line feed 1; numbers begin at a multiple of 64.
    let length = (dict.len() + 11).next_multiple_of(64) - 10;
    out.write_all(b"\x93NUMPY\x01\x00")?;
    out.write_all(&(length as u16).to_le_bytes())?;
    writeln!(out, "{dict:<width$}", width = length - 1)?;
    out.write_all(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers() {
        let shape = |text: &str| {
            let text = format!("{{'shape': {text}, \"fortran_order\":True,'descr': '|u1'}}  \n");
            parse_header(text.as_bytes()).map(|header| header.shape)
        };
        assert_eq!(shape("()"), Some(vec![]));
        assert_eq!(shape("(3,)"), Some(vec![3]));
        assert_eq!(shape("(3L, 4L)"), Some(vec![3, 4]));
        for wrong in ["(3,,4)", "(-3,)", "3", "(3", "((3))", "(99999999999999999999999,)"] {
            assert_eq!(shape(wrong), None, "{wrong}");
        }
    }
}
