//! kwinners learns, judges, stores and searches exactly-k binary codes.

pub mod data;
pub mod encoder;
mod error;
pub mod file;
#[allow(unsafe_code, reason = "the hot loops live here, each block with its reason")]
mod kernel;
mod kwta;
pub mod metrics;
pub mod report;
mod rng;
mod rows;
pub mod sdr;
pub mod train;

pub use data::Dataset;
pub use encoder::{Decoder, Encoder, Learner, Model, Step};
pub use error::{Error, Result};
pub use kernel::instruction_set;
pub use kwta::{Balance, Boost, DutyCycle, KWinners};
pub use rng::Rng;
pub use rows::Rows;
pub use sdr::{BitRows, Sdr, SdrBatch, SdrRef};
