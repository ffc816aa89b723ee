//! Associative memories in `.kw` files.

use std::path::Path;

use super::container::{self, Reader};
use super::fields::{self, Fields};
use crate::error::Result;
use crate::memory::{AssociativeMemory, Row, Sizes, Tally, longest_list, words_a_row};

/// Saves `memory` to `path`, in place of what is there. The same memory gives the same bytes, whatever
/// order its pairs came in.
///
/// # Errors
/// If the file can't be written; what was at `path` is then still there.
pub fn save_memory(path: &Path, memory: &AssociativeMemory) -> Result<()> {
    let (synapses, tally) = memory.parts();
    let mut about = Fields::default();
    about.push("content", "memory");
    about.push("cue_units", memory.cue_units());
    about.push("target_units", memory.target_units());
    about.push("pairs", tally.pairs);
    for (side, sizes) in [("cue", tally.cue_sizes), ("target", tally.target_sizes)] {
        about.push(&format!("{side}_least"), sizes.least);
        about.push(&format!("{side}_most"), sizes.most);
    }
    let (mut lists, mut bits) = (Vec::new(), Vec::new());
    for row in synapses.rows() {
        match row {
            Row::List(list) => lists.extend(u32_bytes(list)),
            Row::Bits(words) => bits.extend(u64_bytes(words)),
        }
    }
    let sections = [
        ("about", about.to_bytes()),
        ("rows", u32_bytes(synapses.row_loads())),
        ("columns", u32_bytes(synapses.column_loads())),
        ("lists", lists),
        ("bits", bits),
    ];
    container::write(path, &sections)
}

/// Loads a memory that [`save_memory`] saved.
///
/// # Errors
/// [`crate::Error::Damaged`] if the file is not just as it was saved, or holds something else.
pub fn load_memory(path: &Path) -> Result<AssociativeMemory> {
    let (mut reader, mut about) = fields::open(path, "memory")?;
    let mut number = |key: &str| about.require::<u64>(&reader, "about", key);
    let (cue_units, target_units) = (number("cue_units")?, number("target_units")?);
    let pairs = number("pairs")?;
    let (cue_sizes, target_sizes) =
        (sizes(&reader, &mut about, "cue")?, sizes(&reader, &mut about, "target")?);
    about.finish(&reader, "about")?;
    let row_loads = read_u32(&mut reader, "rows")?;
    let column_loads = read_u32(&mut reader, "columns")?;
    let lists = read_u32(&mut reader, "lists")?;
    let bits = read_u64(&mut reader, "bits")?;
    reader.finish()?;
    for (section, found, expected) in
        [("rows", row_loads.len(), cue_units), ("columns", column_loads.len(), target_units)]
    {
        if found as u64 != expected {
            return Err(reader.nonsense(section, format!("{found} units; expected {expected}")));
        }
    }
    let rows = rows(&row_loads, column_loads.len(), (&lists, &bits));
    let rows = rows.map_err(|(section, wrong)| reader.nonsense(section, wrong))?;
    let tally = Tally { pairs, cue_sizes, target_sizes };
    AssociativeMemory::from_parts(rows, &column_loads, tally)
        .map_err(|wrong| reader.nonsense("rows", wrong))
}

fn sizes(reader: &Reader, about: &mut Fields, side: &str) -> Result<Sizes> {
    let least = about.require(reader, "about", &format!("{side}_least"))?;
    let most = about.require(reader, "about", &format!("{side}_most"))?;
    Ok(Sizes { least, most })
}

/// Cuts `lists` and `bits` into rows with these loads; the error names the section.
fn rows<'a>(
    loads: &[u32],
    columns: usize,
    (mut lists, mut bits): (&[u32], &[u64]),
) -> std::result::Result<Vec<Row>, (&'a str, &'a str)> {
    let (longest, words) = (longest_list(columns), words_a_row(columns));
    let mut rows = Vec::with_capacity(loads.len());
    for &load in loads {
        let load = load as usize;
        rows.push(if load <= longest {
            let cut = lists.split_at_checked(load).ok_or(("lists", "too short for its rows"))?;
            lists = cut.1;
            Row::List(cut.0.to_vec())
        } else {
            let cut = bits.split_at_checked(words).ok_or(("bits", "too short for its rows"))?;
            bits = cut.1;
            if cut.0.iter().map(|word| word.count_ones() as usize).sum::<usize>() != load {
                return Err(("bits", "a row does not have as many bits on as it says"));
            }
            Row::Bits(cut.0.to_vec())
        });
    }
    match (lists, bits) {
        ([], []) => Ok(rows),
        ([], _) => Err(("bits", "longer than its rows")),
        _ => Err(("lists", "longer than its rows")),
    }
}

macro_rules! array_section {
    ($write:ident, $read:ident, $kind:ty) => {
        fn $write(values: &[$kind]) -> Vec<u8> {
            values.iter().flat_map(|value| value.to_le_bytes()).collect()
        }

        fn $read(reader: &mut Reader, section: &str) -> Result<Vec<$kind>> {
            const SIZE: usize = size_of::<$kind>();
            let bytes = reader.section(section)?;
            let (values, rest) = bytes.as_chunks::<SIZE>();
            if !rest.is_empty() {
                let reason = format!("{} bytes are not whole numbers of {SIZE}", bytes.len());
                return Err(reader.nonsense(section, reason));
            }
            Ok(values.iter().map(|value| <$kind>::from_le_bytes(*value)).collect())
        }
    };
}
array_section!(u32_bytes, read_u32, u32);
array_section!(u64_bytes, read_u64, u64);
