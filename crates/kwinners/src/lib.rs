//! kwinners learns, judges, stores and searches exactly-k binary codes.

pub mod data;
pub mod encoder;
mod error;
mod kernel;
mod rng;
mod rows;
pub mod sdr;

pub use data::Dataset;
pub use encoder::{Encoder, Learner, Step};
pub use error::{Error, Result};
pub use rng::Rng;
pub use rows::Rows;
pub use sdr::{BitRows, Sdr, SdrBatch, SdrRef};
