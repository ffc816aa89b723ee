//! `kwinners reproduce`: known tables run again, the known figures beside ours.

mod spatial_pooler;
mod tied;

use std::num::NonZeroU64;

use clap::Args;
use kwinners::Error;
use serde::Serialize;

use crate::args::Shared;
use crate::output::Output;

/// A table that can be run again.
#[derive(Clone, Copy, Debug, Serialize)]
struct Table {
    name: &'static str,
    what: &'static str,
    data: &'static str,
    /// For the default seeds on two cores.
    takes: &'static str,
}

const TABLES: [Table; 2] = [
    Table {
        name: "spatial-pooler",
        what: "the forum's pooler without learning beside bare pixels, and our default, learned",
        data: "mnist, fashion-mnist",
        takes: "about 15 minutes",
    },
    Table {
        name: "tied",
        what: "the local rule of the \"Lossy MNIST encoder\" thread under every boosting, and our default",
        data: "mnist",
        takes: "about 2 minutes",
    },
];

/// What `kwinners reproduce` is asked for.
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// The table to run; without it the tables are listed
    name: Option<String>,
    /// List the tables: what they are, the data they need, how long they take
    #[arg(long)]
    list: bool,
    /// Seeds of every row: 0, 1, 2 ...
    #[arg(long, value_name = "N", default_value = "3")]
    seeds: NonZeroU64,
    /// Fit a linear probe to the codes of every row too, which takes several times as long
    #[arg(long)]
    probe: bool,
    /// Run the rows on this data instead, where the known figures mean nothing and are left out
    #[arg(long, value_name = "SPEC", requires = "test")]
    data: Option<String>,
    /// Test on this data instead
    #[arg(long, value_name = "SPEC", requires = "data")]
    test: Option<String>,
}

pub(crate) fn run(
    arguments: &Arguments,
    shared: &Shared,
    output: &mut Output,
) -> anyhow::Result<()> {
    match arguments.name.as_deref() {
        None => list(output),
        Some(_) if arguments.list => list(output),
        Some("spatial-pooler") => spatial_pooler::run(arguments, shared, output),
        Some("tied") => tied::run(arguments, shared, output),
        Some(name) => {
            Err(Error::unknown_name("table", name, &TABLES.map(|table| table.name)).into())
        }
    }
}

fn list(output: &mut Output) -> anyhow::Result<()> {
    let row = |table: &Table| {
        [table.name, table.data, table.takes, table.what].map(str::to_owned).to_vec()
    };
    let rows: Vec<Vec<String>> = TABLES.iter().map(row).collect();
    output.table(&["name", "data", "takes", "what"], &rows)?;
    output.line("\nrun one with `kwinners reproduce NAME`")?;
    output.object(&serde_json::json!({ "tables": TABLES }))
}
