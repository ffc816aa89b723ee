//! The `.kw` file: models, checkpoints, codes, indexes and memories, every part named and checksummed.
//!
//! # The bytes
//!
//! All numbers are little-endian. A file is a header, a table and sections:
//!
//! | offset | size | what |
//! |---|---|---|
//! | 0 | 8 | magic: `89 4B 57 49 4E 0D 0A 1A` (`KWIN` between bytes that text transfers damage) |
//! | 8 | 4 | version, `1` |
//! | 12 | 4 | number of sections, `S`, 1 to 65,536 |
//! | 16 | 8 | length of the whole file in bytes |
//! | 24 | 40 · S | the table, one entry a section |
//! | 24 + 40 · S | 4 | CRC-32 (ISO-HDLC, as in gzip) of all bytes before it |
//!
//! An entry of the table:
//!
//! | offset | size | what |
//! |---|---|---|
//! | 0 | 16 | name, ASCII, filled up with zeros |
//! | 16 | 8 | offset of the section in the file |
//! | 24 | 8 | its length in bytes |
//! | 32 | 4 | CRC-32 of its bytes |
//! | 36 | 4 | zero |
//!
//! Sections come in the order of the table, each at the next multiple of 64, with zeros between; the
//! file ends with the last one. Whatever does not agree with this to the byte is refused: names and
//! offsets are covered by the first checksum, contents by their own, and the gaps must be zeros, so
//! every flipped bit and every missing byte is seen.
//!
//! # The sections
//!
//! | name | in | what |
//! |---|---|---|
//! | `about` | all | text, `key = value` a line: what is inside (`content`), and its numbers |
//! | `settings` | models | text, `key = value` a line: the settings of the kind |
//! | `weights` | `tied`, `random-projection`, `pursuit` | `f32`, `(n, width)` row-major |
//! | `mean`, `factor` | models | `f32`, `(width,)` each, or empty for raw inputs |
//! | `duty` | `tied` | `f32`, `(n,)`: the duty cycle |
//! | `bias` | `tied` | `f32`, `(n,)`: the balance |
//! | `wenc`, `benc`, `wdec`, `bdec` | `autoencoder` | `f32`: weights `(n, width)` and biases of both layers; no `wdec` if tied |
//! | `wencfirst`, `wencsecond`, ... | `autoencoder` | `f32`: what the optimiser remembers of each of them |
//! | `duty`, `bias`, `magnitudes`, `idle` | `autoencoder` | `f32`, the last `u64`, `(n,)`: duty cycle, balance, mean activations, samples since the last win |
//! | `inputmean` | `autoencoder` | `f32`, `(width,)`: the mean training input |
//! | `rows`, `columns` | memories | `u32`, `(cue_units,)` and `(target_units,)`: synapses on of each unit |
//! | `lists` | memories | `u32`: the target units of every row of at most 2 · `w` synapses, increasing |
//! | `bits` | memories | `u64`: `w` words a row, for the other rows; `w` = `target_units` / 64, rounded up to a multiple of 8 |
//!
//! A checkpoint is a model whose `about` also has the position of the fit. Saving writes a new
//! file beside the old one, waits for the disk and renames: a crash leaves the old or the new file, and
//! perhaps one `.NAME.PROCESS.NUMBER.tmp` beside it, which nobody reads and which may be deleted.
//!
//! # Files that grow
//!
//! Codes and indexes can be added to, and are read where they lie. Their version is 2:
//!
//! | offset | size | what |
//! |---|---|---|
//! | 0 | 8 | magic, as above |
//! | 8 | 4 | version, `2`; then zeros up to 64 |
//! | 64 | 64 | a slot of an even generation, or zeros |
//! | 128 | 64 | a slot of an odd generation; then zeros up to 256 |
//! | 256 | | chunks and directories, each at the next multiple of 64, with zeros between |
//!
//! A slot: generation (8), length of the file (8), offset (8), length (8) and CRC-32 (4) of the last
//! directory, 1 while a writer is at work (4), zeros (20), CRC-32 of all that (4). The slot of the higher
//! generation counts; the generations differ by 1.
//!
//! A directory: offset (8), length (8) and CRC-32 (4) of the one before it, or zeros; number of its
//! entries (4); for each of its chunks name (16), offset (8), length (8), CRC-32 (4), number of codes (4).
//!
//! A change marks the other slot as being written, adds chunks and a directory at the end, waits for the
//! disk, and names them in the first slot. Bytes past the end mean nothing while a writer is at work or
//! if one was killed, and are refused otherwise. Nothing below the end is ever changed.
//!
//! | chunk | in | what |
//! |---|---|---|
//! | `about` | all | text, as above |
//! | `coding` | codes | number of ranked units, 0 or `n` (4); if 0, bits of remainder (4); else 4 zeros, the unit of each rank (4 each), bits of remainder at each rank (1 each) |
//! | `codes` | codes | number of winners of all codes, or 2^32 - 1 (4); the bit at which every 16th code begins (4 each); the codes as bits: their size if they differ (Elias gamma of one more), then Rice numbers of the gaps between ranks, a quotient of 40 ones meaning 32 bits to come |
//! | `block` | index | layout (0 columns, 1 lists), codes, units, lines a unit, winners of all codes or 2^32 - 1, first id or 2^32 - 1, listed units, listed places (4 each); then, each at a multiple of 64: winners, ids (4 each, if not the same and in a row); lines of 512 bits, unit by unit, or units (4), ends (4) and places (2) of lists |
//! | `loose` | index | ids, winners (4 each), active units (4 each), of codes that are too few for a block |
//! | `absorbed` | index | nothing; all `loose` before it are in blocks |
//! | `deleted` | index | ids (4 each) |

mod codes;
mod coding;
mod container;
mod fields;
mod index;
mod journal;
mod memory;
mod model;
mod sae;

pub use codes::{CodeFile, append_codes, load_codes, save_codes};
pub use container::{Inspection, SectionInfo, describe, inspect};
pub use index::{
    append_to_index, compact_index, delete_from_index, group_index, open_index, save_index,
};
pub use memory::{load_memory, save_memory};
pub use model::{About, Checkpoint, SavedModel, load_model, save_model};
pub use sae::{SaeLayout, load_sae, save_sae};
