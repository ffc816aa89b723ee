//! Codes as a Parquet column `list<uint32>`: what DuckDB, Spark, Polars and PyArrow read.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use parquet::basic::{Compression, LogicalType, Repetition, Type, ZstdLevel};
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::{DataType, Int32Type};
use parquet::errors::ParquetError;
use parquet::file::metadata::{ColumnChunkMetaData, KeyValue};
use parquet::file::properties::WriterProperties;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use parquet::schema::types::ColumnDescriptor;

use super::codes::collect;
use super::output;
use crate::error::{Error, Result};
use crate::sdr::SdrBatch;

const FORMAT: &str = "Parquet";
/// The name of the column that is written.
const COLUMN: &str = "indices";
/// Where the file says how many units its codes have.
const UNITS: &str = "kwinners.units";
/// Codes of a row group: a reader takes these at once.
const GROUP: usize = 1 << 17;
/// Records that are read at once.
const RECORDS: usize = 1 << 14;

/// Writes `codes` as one column, `(len,)` lists of active units.
pub(super) fn write(path: &Path, codes: &SdrBatch) -> Result<()> {
    output::replace_seekable(path, |file| {
        write_all(file, codes).map_err(|error| match error {
            ParquetError::External(inner) => std::io::Error::other(inner),
            other => std::io::Error::other(other),
        })
    })
}

fn write_all(file: impl std::io::Write + Send, codes: &SdrBatch) -> parquet::errors::Result<()> {
    let schema = parse_message_type(&format!(
        "message codes {{ required group {COLUMN} (LIST) {{ repeated group list {{ \
         required int32 element (INTEGER(32, false)); }} }} }}"
    ))?;
    let units = KeyValue::new(UNITS.to_owned(), codes.units().to_string());
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_key_value_metadata(Some(vec![units]))
        .build();
    let mut writer = SerializedFileWriter::new(file, Arc::new(schema), Arc::new(properties))?;
    for start in (0..codes.len()).step_by(GROUP) {
        let mut group = writer.next_row_group()?;
        if let Some(mut column) = group.next_column()? {
            let (values, here, within) = levels(codes, start..codes.len().min(start + GROUP));
            column.typed::<Int32Type>().write_batch(&values, Some(&here), Some(&within))?;
            column.close()?;
        }
        group.close()?;
    }
    writer.close()?;
    Ok(())
}

/// The units of some codes; and for each unit, and each code without one, whether there is a value and
/// whether it goes on with the code of the value before it.
fn levels(codes: &SdrBatch, some: std::ops::Range<usize>) -> (Vec<i32>, Vec<i16>, Vec<i16>) {
    let (mut values, mut here, mut within) = (Vec::new(), Vec::new(), Vec::new());
    for code in some.map(|row| codes.get(row)) {
        // Unsigned numbers lie in the bits of signed ones.
        values.extend(code.indices().iter().map(|&unit| unit.cast_signed()));
        here.extend(std::iter::repeat_n(i16::from(code.count() > 0), code.count().max(1)));
        within.push(0);
        within.extend(std::iter::repeat_n(1, code.count().saturating_sub(1)));
    }
    (values, here, within)
}

/// Reads the codes of the only column of lists of integers in the file. `units` where it does not say.
pub(super) fn read(path: &Path, units: Option<usize>) -> Result<SdrBatch> {
    let wrong = |error: ParquetError| Error::format(path, FORMAT, "a whole Parquet file", error);
    let file = File::open(path).map_err(Error::io(path))?;
    let reader = SerializedFileReader::new(file).map_err(wrong)?;
    let facts = reader.metadata().file_metadata();
    let said = facts.key_value_metadata().into_iter().flatten().find(|pair| pair.key == UNITS);
    let said = said.and_then(|pair| pair.value.as_ref()).and_then(|units| units.parse().ok());
    let units = match (units, said) {
        (Some(asked), Some(said)) if asked != said => {
            let (expected, found) = (format!("{asked} units"), format!("{said} units"));
            return Err(Error::format(path, FORMAT, expected, found));
        }
        (Some(units), _) | (None, Some(units)) => units,
        (None, None) => {
            let text = "the file does not say how many units its codes have: name the number";
            return Err(Error::Unsupported(format!("{}: {text}", path.display())));
        }
    };
    let columns = facts.schema_descr().columns();
    let lists: Vec<usize> = (0..columns.len()).filter(|&place| is_list(&columns[place])).collect();
    let &[column] = &lists[..] else {
        let names: Vec<String> = columns.iter().map(|column| column.path().string()).collect();
        let found = format!("{} of them among {}", lists.len(), names.join(", "));
        return Err(Error::format(path, FORMAT, "one column of lists of integers", found));
    };
    let mut lists = Lists::default();
    for group in 0..reader.num_row_groups() {
        let group = reader.get_row_group(group).map_err(wrong)?;
        check_place(group.metadata().column(column)).map_err(wrong)?;
        let took = match group.get_column_reader(column).map_err(wrong)? {
            ColumnReader::Int32ColumnReader(reader) => {
                let signed = is_signed(&columns[column]);
                let number = |value: i32| {
                    if signed { i64::from(value) } else { i64::from(value.cast_unsigned()) }
                };
                lists.take(reader, &columns[column], number)
            }
            ColumnReader::Int64ColumnReader(reader) => {
                lists.take(reader, &columns[column], |value| value)
            }
            _ => Ok(None),
        };
        if let Some(row) = took.map_err(wrong)? {
            let found = format!("no value in row {row}");
            return Err(Error::format(path, FORMAT, "a list of integers in every row", found));
        }
    }
    collect(path, FORMAT, units, lists.rows())
}

/// Refuses numbers that the crate would panic at.
fn check_place(column: &ColumnChunkMetaData) -> parquet::errors::Result<()> {
    let start = column.dictionary_page_offset().unwrap_or(column.data_page_offset());
    if start >= 0 && column.compressed_size() >= 0 && column.num_values() >= 0 {
        return Ok(());
    }
    Err(ParquetError::General("a column that begins or ends before the file".to_owned()))
}

/// Whether values of the column are lists of integers, not lists of lists.
fn is_list(column: &ColumnDescriptor) -> bool {
    let integers = matches!(column.physical_type(), Type::INT32 | Type::INT64);
    let plain = matches!(column.logical_type_ref(), None | Some(LogicalType::Integer(_)));
    integers && plain && column.max_rep_level() == 1
}

fn is_signed(column: &ColumnDescriptor) -> bool {
    match column.logical_type_ref() {
        Some(LogicalType::Integer(kind)) => kind.is_signed,
        _ => true,
    }
}

/// Lists, one after the other, and where each ends.
#[derive(Default)]
struct Lists {
    numbers: Vec<i64>,
    starts: Vec<usize>,
}

impl Lists {
    /// Adds the lists of a row group; or says the row that has none, or a list with a hole.
    fn take<T: DataType>(
        &mut self,
        mut reader: ColumnReaderImpl<T>,
        column: &ColumnDescriptor,
        number: impl Fn(T::T) -> i64,
    ) -> parquet::errors::Result<Option<usize>>
    where
        T::T: Copy,
    {
        let full = column.max_def_level();
        // The level of an empty list. Below it there is no list; between it and a value, a null.
        let may_be_null = column.self_type().get_basic_info().repetition() == Repetition::OPTIONAL;
        let empty = full - 1 - i16::from(may_be_null);
        let (mut values, mut here, mut within) = (Vec::new(), Vec::new(), Vec::new());
        loop {
            values.clear();
            here.clear();
            within.clear();
            let (records, ..) =
                reader.read_records(RECORDS, Some(&mut here), Some(&mut within), &mut values)?;
            if records == 0 {
                return Ok(None);
            }
            let mut next = values.iter();
            for (&level, &inner) in here.iter().zip(&within) {
                if inner == 0 {
                    self.starts.push(self.numbers.len());
                }
                if level == full {
                    self.numbers.extend(next.next().map(|&value| number(value)));
                } else if level != empty {
                    return Ok(Some(self.starts.len().saturating_sub(1)));
                }
            }
        }
    }

    fn rows(&self) -> impl Iterator<Item = &[i64]> {
        let ends = self.starts.iter().skip(1).copied().chain([self.numbers.len()]);
        self.starts.iter().zip(ends).map(|(&start, end)| &self.numbers[start..end])
    }
}

#[cfg(test)]
mod tests {
    use parquet::basic::GzipLevel;
    use parquet::data_type::Int64Type;

    use super::*;

    /// A file of one column of `schema`, as others might write it.
    fn file<T: DataType>(
        schema: &str,
        values: &[T::T],
        here: &[i16],
        within: &[i16],
    ) -> tempfile::NamedTempFile {
        packed_file::<T>(schema, values, (here, within), Compression::SNAPPY)
    }

    fn packed_file<T: DataType>(
        schema: &str,
        values: &[T::T],
        (here, within): (&[i16], &[i16]),
        compression: Compression,
    ) -> tempfile::NamedTempFile {
        let file = tempfile::Builder::new().suffix(".parquet").tempfile().unwrap();
        let schema = Arc::new(parse_message_type(&format!("message m {{ {schema} }}")).unwrap());
        let properties = WriterProperties::builder().set_compression(compression).build();
        let mut writer =
            SerializedFileWriter::new(file.reopen().unwrap(), schema, Arc::new(properties))
                .unwrap();
        let mut group = writer.next_row_group().unwrap();
        let mut column = group.next_column().unwrap().unwrap();
        column.typed::<T>().write_batch(values, Some(here), Some(within)).unwrap();
        column.close().unwrap();
        group.close().unwrap();
        writer.close().unwrap();
        file
    }

    /// As PyArrow and Spark write lists: both the list and its elements may be null.
    const NULLABLE: &str =
        "optional group a (LIST) { repeated group list { optional int64 element; } }";

    #[test]
    fn lists_of_others_are_read() {
        let lists = file::<Int64Type>(NULLABLE, &[5, 2, 9], &[3, 3, 1, 3], &[0, 1, 0, 0]);
        let codes = read(lists.path(), Some(10)).unwrap();
        let rows: Vec<&[u32]> = codes.iter().map(|code| code.indices()).collect();
        assert_eq!(rows, [&[2, 5][..], &[], &[9]]);
        assert!(read(lists.path(), None).unwrap_err().to_string().contains("how many units"));
        assert!(read(lists.path(), Some(9)).unwrap_err().to_string().contains("row 2"));
        let old = "optional group a (LIST) { repeated int32 element; }";
        let lists = file::<Int32Type>(old, &[1, 0], &[2, 2, 1], &[0, 1, 0]);
        assert_eq!(read(lists.path(), Some(2)).unwrap().ends(), [2, 2]);
    }

    #[test]
    fn usual_compressions_are_read() {
        let usual = [
            Compression::UNCOMPRESSED,
            Compression::SNAPPY,
            Compression::GZIP(GzipLevel::default()),
            Compression::ZSTD(ZstdLevel::default()),
        ];
        for compression in usual {
            let levels = (&[3, 3, 1, 3][..], &[0, 1, 0, 0][..]);
            let lists = packed_file::<Int64Type>(NULLABLE, &[5, 2, 9], levels, compression);
            assert_eq!(read(lists.path(), Some(10)).unwrap().ends(), [2, 2, 3], "{compression}");
        }
    }

    /// The crate panics at these.
    #[test]
    fn columns_out_of_the_file_are_refused() {
        let lists = file::<Int64Type>(NULLABLE, &[5], &[3], &[0]);
        let reader = SerializedFileReader::new(lists.reopen().unwrap()).unwrap();
        let right = reader.metadata().row_group(0).column(0).clone();
        assert!(check_place(&right).is_ok());
        let wrong = [
            right.clone().into_builder().set_total_compressed_size(-1).build(),
            right.into_builder().set_dictionary_page_offset(Some(-7)).build(),
        ];
        assert!(wrong.into_iter().all(|column| check_place(&column.unwrap()).is_err()));
    }

    #[test]
    fn nulls_and_other_columns_are_refused() {
        let refused = |file: tempfile::NamedTempFile, told: &str| {
            let error = read(file.path(), Some(10)).unwrap_err().to_string();
            assert!(error.contains(told), "{error}");
        };
        refused(file::<Int64Type>(NULLABLE, &[5], &[3, 0], &[0, 0]), "no value in row 1");
        refused(file::<Int64Type>(NULLABLE, &[5], &[3, 2], &[0, 1]), "no value in row 0");
        refused(file::<Int64Type>(NULLABLE, &[-1], &[3], &[0]), "row 0");
        refused(file::<Int32Type>("required int32 a;", &[5], &[0], &[0]), "0 of them among a");
        let dates = "optional group a (LIST) { repeated group l { required int32 e (DATE); } }";
        refused(file::<Int32Type>(dates, &[5], &[2], &[0]), "0 of them");
    }
}
