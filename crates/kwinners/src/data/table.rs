//! CSV: a row a line, fields between commas, with or without a header.

use std::path::Path;

use super::array::Array;
use super::input::Input;
use super::labels::Labels;
use crate::error::{Error, Result};

/// The columns of a CSV file.
pub(crate) struct Table {
    pub(crate) inputs: Array,
    pub(crate) labels: Option<Labels>,
}

/// Reads the numbers of a CSV file, and the labels that stand in one of its columns.
///
/// The first line is a header if none of its fields is a number, or one of them is `label`. The
/// labels are the column that `wanted` names (by its header, by its number from 0, or `last`), else
/// the column `label` if there is one; all others are inputs.
pub(crate) fn read(path: &Path, wanted: Option<&str>) -> Result<Table> {
    let mut lines = records(path)?;
    let mut record = csv::StringRecord::new();
    let mut more = next(path, &mut lines, &mut record)?;
    if !more {
        return Err(Error::format(path, "CSV", "at least one row", "an empty file"));
    }
    let header = is_header(&record).then(|| record.clone());
    let column = label_column(&record, header.is_some(), wanted)?;
    // Before the next line is read: at the end of the file the record is empty.
    let width = record.len() - usize::from(column.is_some());
    if header.is_some() {
        more = next(path, &mut lines, &mut record)?;
    }
    let (mut numbers, mut texts) = (Vec::new(), Vec::new());
    while more {
        for (place, field) in record.iter().enumerate() {
            match column == Some(place) {
                true => texts.push(field.to_owned()),
                false => numbers.push(number(path, &record, place, field)?),
            }
        }
        more = next(path, &mut lines, &mut record)?;
    }
    let labels = column.map(|_| Labels::from_texts(path, "CSV", &texts)).transpose()?;
    Ok(Table { inputs: Array::of_numbers(path.to_owned(), "CSV", &numbers, width), labels })
}

/// The texts of one named column.
pub(crate) fn texts(path: &Path, names: &[&str]) -> Result<Vec<Vec<String>>> {
    let mut lines = records(path)?;
    let mut record = csv::StringRecord::new();
    next(path, &mut lines, &mut record)?;
    let place = |name: &&str| {
        let found = record.iter().position(|field| field == *name);
        found.ok_or_else(|| Error::format(path, "CSV", format!("a column `{name}`"), "none"))
    };
    let places = names.iter().map(place).collect::<Result<Vec<_>>>()?;
    let mut columns = vec![Vec::new(); names.len()];
    while next(path, &mut lines, &mut record)? {
        for (column, &place) in columns.iter_mut().zip(&places) {
            column.push(record[place].to_owned());
        }
    }
    Ok(columns)
}

type Lines = csv::Reader<Box<dyn std::io::Read>>;

fn records(path: &Path) -> Result<Lines> {
    let mut builder = csv::ReaderBuilder::new();
    builder.has_headers(false).trim(csv::Trim::All);
    Ok(builder.from_reader(Input::open(path, "CSV")?.into_reader()))
}

fn next(path: &Path, lines: &mut Lines, record: &mut csv::StringRecord) -> Result<bool> {
    lines.read_record(record).map_err(|error| match error.into_kind() {
        csv::ErrorKind::Io(source) => Error::io(path)(source),
        csv::ErrorKind::UnequalLengths { pos, expected_len, len } => {
            let line = pos.map_or(0, |pos| pos.line());
            let got = format!("{len} in line {line}");
            Error::format(path, "CSV", format!("{expected_len} fields in every line"), got)
        }
        csv::ErrorKind::Utf8 { pos, .. } => {
            let line = pos.map_or(0, |pos| pos.line());
            Error::format(path, "CSV", "UTF-8", format!("other bytes in line {line}"))
        }
        other => Error::format(path, "CSV", "fields between commas", format!("{other:?}")),
    })
}

fn is_header(record: &csv::StringRecord) -> bool {
    let names_label = record.iter().any(|field| field.eq_ignore_ascii_case("label"));
    names_label || record.iter().all(|field| field.parse::<f32>().is_err())
}

fn label_column(
    first: &csv::StringRecord,
    is_header: bool,
    wanted: Option<&str>,
) -> Result<Option<usize>> {
    let by_name = |name: &str| first.iter().position(|field| field.eq_ignore_ascii_case(name));
    let Some(wanted) = wanted else {
        return Ok(if is_header { by_name("label") } else { None });
    };
    let named = if is_header { by_name(wanted) } else { None };
    let numbered = || wanted.parse().ok().filter(|&place: &usize| place < first.len());
    let last = || (wanted == "last").then(|| first.len() - 1);
    named.or_else(numbered).or_else(last).map(Some).ok_or_else(|| {
        let mut known: Vec<&str> = if is_header { first.iter().collect() } else { Vec::new() };
        let numbers = format!("0 to {}", first.len() - 1);
        known.extend([numbers.as_str(), "last"]);
        Error::unknown_name("column", wanted, &known)
    })
}

fn number(path: &Path, record: &csv::StringRecord, column: usize, field: &str) -> Result<f32> {
    field.parse().map_err(|_| {
        let line = record.position().map_or(0, csv::Position::line);
        let got = format!("`{field}` in line {line}, column {column}");
        let expected = "a number (a column of labels is named after a comma: `FILE.csv,@COLUMN`)";
        Error::format(path, "CSV", expected, got)
    })
}
