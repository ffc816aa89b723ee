//! What learners by gradient are made of.

#[cfg_attr(not(test), expect(dead_code, reason = "learners by gradient come next"))]
mod optimiser;

pub use optimiser::Optimiser;
#[expect(unused_imports, reason = "learners by gradient come next")]
pub(crate) use optimiser::Parameter;
