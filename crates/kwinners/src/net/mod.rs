//! What learners by gradient are made of.

mod conv;
mod optimiser;

pub(crate) use conv::Convolution;
pub use optimiser::Optimiser;
pub(crate) use optimiser::Parameter;
