//! One file a verb.

pub(crate) mod data;

use anyhow::Context;

use crate::args::{Arguments, Command};
use crate::output::Output;

/// Does what the command line asks.
pub(crate) fn run(arguments: &Arguments, output: &mut Output) -> anyhow::Result<()> {
    if let Some(threads) = arguments.shared.threads {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads.get());
        pool.build_global().context("can't start the worker threads")?;
    }
    match &arguments.command {
        Command::Data(verb) => data::run(verb, &arguments.shared, output),
    }
}
