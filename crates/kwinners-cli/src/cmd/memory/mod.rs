//! `kwinners memory`: pairs of codes stored on top of each other, and recalled from parts.

mod inspect;
mod plan;
mod recall;
mod side;
mod store;

use clap::Subcommand;

use crate::args::Shared;
use crate::output::Output;

/// What to do with associative memories.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Store pairs of codes, or codes with themselves; in a new memory, or in one that is there
    Store(store::Arguments),
    /// Recall what was stored with codes, also from parts of them and with noise
    Recall(recall::Arguments),
    /// How many pairs a memory takes, by formula, and measured with random pairs
    Plan(plan::Arguments),
    /// Say what is in a memory, after verifying every byte
    Inspect(inspect::Arguments),
}

pub(crate) fn run(verb: &Verb, shared: &Shared, output: &mut Output) -> anyhow::Result<()> {
    match verb {
        Verb::Store(arguments) => store::run(arguments, shared, output),
        Verb::Recall(arguments) => recall::run(arguments, shared, output),
        Verb::Plan(arguments) => plan::run(arguments, output),
        Verb::Inspect(arguments) => inspect::run(arguments, output),
    }
}

/// A share as percent, with what its size needs after the point.
fn percent(share: f64) -> String {
    format!("{:.2} %", 100.0 * share)
}

/// `10 of 1000 units`, or `1000 units` where codes differ in size.
fn code_size(units: usize, winners: Option<usize>) -> String {
    match winners {
        Some(winners) => format!("{winners} of {units} units"),
        None => format!("{units} units"),
    }
}
