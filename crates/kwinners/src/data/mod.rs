//! Data sets and the formats that they come in.
//!
//! A data set is named by a [`Spec`], such as `digits:train`, `mnist:train[0..1000]` or
//! `pictures.npy,labels.npy`, and read by [`load`]:
//!
//! ```
//! use kwinners::data::{self, DataDirs, Spec};
//! let spec = Spec::parse("digits:train[0..100]")?;
//! let digits = data::load(&spec, &DataDirs::default())?;
//! assert_eq!((digits.len(), digits.width()), (100, 64));
//! assert_eq!(digits.labels().map(|labels| labels[..3].to_vec()), Some(vec![0, 1, 2]));
//! # Ok::<(), kwinners::Error>(())
//! ```
//!
//! | name ends in | read as | values |
//! |---|---|---|
//! | `.npy` | NumPy array `(len, width)`, `(len, h, w)` or `(len, h, w, c)` | `u8` / 255, others as they are |
//! | `.npz` | arrays `x` or `data`, with `y` or `labels` | the same |
//! | `.csv` | one row a line, with or without a header | as they are |
//! | `.bin` | CIFAR-10 records | `u8` / 255 |
//! | `.bvecs` | TEXMEX records | `u8` / 255 |
//! | a folder | PNG and JPEG images, a folder a class | `u8` / 255 |
//! | a folder, `.tar` | WAV files, a folder a class | 1 s at 16 kHz, `-1..=1` |
//! | anything else | IDX | `u8` / 255, others as they are |
//!
//! Sounds become clips of 16,000 samples at 16 kHz, in `-1..=1`: other rates are resampled, channels
//! averaged, longer sounds cut and shorter ones filled up with zeros. Their texts are the names of the
//! files, and rows come speaker by speaker where these say who speaks (`SPEAKER_nohash_N.wav`, as in
//! Speech Commands), so that ranges part the speakers, if they end where a speaker does. These do, and
//! make validation parts of about a sixth or more of the rows:
//!
//! | set | to learn from | to validate on |
//! |---|---|---|
//! | `speech-commands-wav:train` | `[0..899]` | `[899..1080]` |
//! | `speech-commands:train-by-speaker` | `[0..5012]` | `[5012..6000]` |
//! | `free-spoken-digits:train` | `[0..2250]` | `[2250..2700]` |
//! | `free-spoken-digits-speakers:train` | `[0..1500]` | `[1500..2000]` |
//!
//! Every file may be compressed with gzip, whatever its name. A file that holds less or more than
//! its header promises, NaN or infinity is refused, and nothing is allocated on the word of a
//! header that the file does not keep.

mod archive;
mod array;
mod codes;
mod dataset;
mod digits;
mod folder;
mod idx;
mod input;
mod known;
mod labels;
mod load;
mod npy;
mod npz;
mod output;
mod parquet;
pub(crate) use output::{replace, replace_seekable};
mod records;
mod resample;
mod sounds;
mod spec;
mod speech_sets;
mod table;
mod wav;

pub use crate::rows::ImageShape;
pub use codes::{CodeFormat, read_codes, write_codes};
pub use dataset::Dataset;
pub use known::{KnownSet, known};
pub use load::{DataDirs, load};
pub use npy::write_npy;
pub use spec::{RowRange, Source, Spec};
