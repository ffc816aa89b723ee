//! What learners by gradient are made of, and networks of layers.

mod conv;
mod first_values;
mod layers;
mod loss;
mod metric_loss;
mod network;
mod normal;
mod optimiser;
mod rate;
mod regrow;
mod signal;
mod spec;
mod view;

#[cfg(test)]
mod tests;

pub(crate) use conv::Convolution;
pub use first_values::FirstValues;
pub(crate) use layers::{KStep, Layer, LayerState, Move};
pub use loss::Loss;
pub use metric_loss::{Metric, MetricLoss, MetricOutcome, MetricWork, Miner};
pub(crate) use network::{Build, MAPS_A_BLOCK, Network, Target, Trace, VECTORS_A_BLOCK, best, cut};
pub(crate) use normal::{normal_density, normal_quantile};
pub use optimiser::Optimiser;
pub(crate) use optimiser::{Parameter, Piece, Stride};
pub use rate::Rate;
pub(crate) use regrow::{Change, Densities, Growth};
pub(crate) use signal::{MapShape, Signal};
pub use spec::{KStepSpec, KWinnersSpec, LayerSpec, NetworkSpec, Step, Threshold};
pub use view::LayerView;
