//! What learners by gradient are made of.

mod conv;
mod loss;
mod optimiser;
mod rate;

pub(crate) use conv::Convolution;
pub use loss::Loss;
pub use optimiser::Optimiser;
pub(crate) use optimiser::{Parameter, Piece, Stride};
pub use rate::Rate;
