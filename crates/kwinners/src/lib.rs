//! kwinners learns, judges, stores and searches **exactly-k binary codes**: sparse distributed
//! representations (SDRs) of `n` units of which exactly `k` are on.
//!
//! The nouns, in reading order:
//!
//! - [`Rows`]: a borrowed batch of input vectors, `(len, width)`.
//! - [`Sdr`], [`SdrRef`], [`SdrBatch`]: one code, a view of one, many back to back; [`BitRows`] are
//!   the same as packed bits. Sets, noise and the mathematics of matches are in [`sdr`].
//! - [`KWinners`]: picks exactly `k` of `n` scores; [`DutyCycle`], [`Boost`] and [`Balance`] keep
//!   every unit in use.
//! - [`Encoder`], [`Learner`], [`Decoder`]: what turns vectors into codes, learns, and turns codes
//!   back. [`Model`] is any of the kinds in [`encoder`].
//! - [`AssociativeMemory`]: pairs of codes stored on top of each other, recalled from parts.
//! - [`Dataset`] and [`data`]: where vectors come from. [`train::fit`] goes through them.
//! - [`SdrIndex`] and [`index`]: codes searched by overlap, exactly.
//! - [`speech`]: clips of sound as log-mel images, and their augmentation.
//! - [`metrics`] and [`report`]: how good the codes are, beside the raw data. [`mod@file`] keeps things.
//!
//! Whatever is random comes from a seed; the same seed gives the same bytes with any number of
//! threads, and after any stop and resume.
//!
//! ```
#![doc = include_str!("../examples/01_first_sdr.rs")]
//! ```

pub mod data;
pub mod encoder;
mod error;
pub mod file;
pub mod index;
#[allow(unsafe_code, reason = "the hot loops live here, each block with its reason")]
mod kernel;
mod kwta;
pub mod memory;
pub mod metrics;
pub mod net;
pub mod report;
mod rng;
mod rows;
pub mod sdr;
pub mod speech;
pub mod train;

pub use data::Dataset;
pub use encoder::{Decoder, Encoder, Learner, Model, Step};
pub use error::{Error, Result};
pub use index::SdrIndex;
pub use kernel::instruction_set;
pub use kwta::{Balance, Boost, DutyCycle, KWinners};
pub use memory::AssociativeMemory;
pub use rng::Rng;
pub use rows::Rows;
pub use sdr::{BitRows, Sdr, SdrBatch, SdrRef};
