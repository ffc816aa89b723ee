//! The `.kw` file: models, checkpoints, codes and memories, each section named and checksummed.
//!
//! # The bytes
//!
//! All numbers are little-endian. A file is a header, a table and sections:
//!
//! | offset | size | what |
//! |---|---|---|
//! | 0 | 8 | magic: `89 4B 57 49 4E 0D 0A 1A` (`KWIN` between bytes that text transfers damage) |
//! | 8 | 4 | version, `1` |
//! | 12 | 4 | number of sections, `S`, 1 to 64 |
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
//! | `ends` | codes | `u64`, `(len,)`: where each code ends in `indices` |
//! | `indices` | codes | `u32`, active units, code after code |
//! | `rows`, `columns` | memories | `u32`, `(cue_units,)` and `(target_units,)`: synapses on of each unit |
//! | `lists` | memories | `u32`: the target units of every row of at most 2 · `w` synapses, increasing |
//! | `bits` | memories | `u64`: `w` words a row, for the other rows; `w` = `target_units` / 64, rounded up to a multiple of 8 |
//!
//! A checkpoint is a model whose `about` also has the position of the fit. Saving writes a new
//! file beside the old one, waits for the disk and renames: a crash leaves the old or the new file, and
//! perhaps one `.NAME.PROCESS.NUMBER.tmp` beside it, which nobody reads and which may be deleted.

mod codes;
mod container;
mod fields;
mod memory;
mod model;
mod sae;

pub use codes::{load_codes, save_codes};
pub use container::{Inspection, SectionInfo, inspect};
pub use memory::{load_memory, save_memory};
pub use model::{About, Checkpoint, SavedModel, load_model, save_model};
pub use sae::{SaeLayout, load_sae, save_sae};
