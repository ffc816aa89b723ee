//! `kwinners reproduce`: known tables run again, the known figures beside ours.

mod experiment;
mod spatial_pooler;
mod speech;
mod tables;
mod tied;

use std::num::NonZeroU64;

use clap::Args;
use kwinners::Error;
use serde::Serialize;

use crate::args::Shared;
use crate::output::Output;

/// A table that can be run again.
#[derive(Clone, Copy, Serialize)]
struct Table {
    name: &'static str,
    what: &'static str,
    data: &'static str,
    /// For the default seeds on two cores.
    takes: &'static str,
    #[serde(skip)]
    run: fn(&Arguments, &Shared, &mut Output) -> anyhow::Result<()>,
}

const TABLES: [Table; 7] = [
    Table {
        name: "autoencoders",
        what: "k-sparse, winner-take-all, binary and TopK autoencoders: codes and latents",
        data: "mnist, clinc150",
        takes: "about 10 minutes",
        run: |arguments, shared, output| tables::AUTOENCODERS.run(arguments, shared, output),
    },
    Table {
        name: "boosting",
        what: "boosting against lifetime sparsity: the same net, the same budget",
        data: "mnist, fashion-mnist",
        takes: "about 10 minutes",
        run: |arguments, shared, output| tables::BOOSTING.run(arguments, shared, output),
    },
    Table {
        name: "patches",
        what: "image codes with topology, our defaults",
        data: "mnist, fashion-mnist",
        takes: "about 5 minutes",
        run: |arguments, shared, output| tables::PATCHES.run(arguments, shared, output),
    },
    Table {
        name: "spatial-pooler",
        what: "the forum's pooler without learning beside bare pixels, and our default, learned",
        data: "mnist, fashion-mnist",
        takes: "about 15 minutes",
        run: spatial_pooler::run,
    },
    Table {
        name: "speech",
        what: "spoken words under noise: sparse networks beside their dense twins",
        data: "speech-commands-wav, speech-commands, free-spoken-digits",
        takes: "about an hour",
        run: speech::run,
    },
    Table {
        name: "tied",
        what: "the local rule of the \"Lossy MNIST encoder\" thread under every boosting, and our default",
        data: "mnist",
        takes: "about 2 minutes",
        run: tied::run,
    },
    Table {
        name: "universal",
        what: "the universal sparse encoder, with and without its sparsity losses",
        data: "mnist",
        takes: "about 5 minutes",
        run: |arguments, shared, output| tables::UNIVERSAL.run(arguments, shared, output),
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
    let Some(name) = arguments.name.as_deref().filter(|_| !arguments.list) else {
        return list(output);
    };
    let table = TABLES.iter().find(|table| table.name == name);
    let unknown = || Error::unknown_name("table", name, &TABLES.map(|table| table.name));
    (table.ok_or_else(unknown)?.run)(arguments, shared, output)
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
