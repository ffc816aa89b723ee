//! What the kinds that are networks share: settings, layout and noise of inputs, how far a fit has come, and
//! layers in files.

mod inputs;
mod progress;
mod saved;
mod settings;

pub(super) use inputs::{Moves, Range, in_planes, lay_out, shape_of};
pub(super) use progress::{Pace, Progress, Workspace};
pub(super) use saved::{restore, save};
pub use settings::{InputNoise, NetworkOptimiser, NetworkSchedule};
