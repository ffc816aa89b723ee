//! Search over stored codes.

mod decoder;

pub use decoder::{DecoderScore, LinearDecoder, UnitProducts};
