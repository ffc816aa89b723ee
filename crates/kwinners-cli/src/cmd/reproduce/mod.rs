//! `kwinners reproduce`: known tables run again, the known figures beside ours.

mod attacks;
mod classes;
mod embedder;
mod experiment;
mod forum_noise;
mod neighbours;
mod nets;
mod networks;
mod recall;
mod sparse_weights;
mod spatial_pooler;
mod speech;
mod tables;
mod tied;

use std::num::{NonZeroU64, NonZeroUsize};
use std::path::PathBuf;

use clap::Args;
use kwinners::{Dataset, Error};
use serde::Serialize;

use crate::args::Shared;
use crate::cmd;
use crate::output::Output;
use crate::status::BadInput;

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

const TABLES: &[Table] = &[
    Table {
        name: "attacks",
        what: "dense and sparse networks under attacks by gradient, transfer and decisions",
        data: "mnist",
        takes: "about an hour",
        run: attacks::run,
    },
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
        name: "classes",
        what: "decoders by class beside one for all, and classes as unions of codes",
        data: "mnist",
        takes: "about 10 minutes",
        run: classes::run,
    },
    Table {
        name: "dense",
        what: "\"How Can We Be So Dense?\": dense and sparse networks under noise",
        data: "mnist",
        takes: "about 4 hours",
        run: |arguments, shared, output| networks::DENSE.run(arguments, shared, output),
    },
    Table {
        name: "embedder",
        what: "codes learned for their neighbours: EmbedderSDR's network and ours, sentence embeddings",
        data: "mnist, fashion-mnist, clinc150, banking77",
        takes: "about 2 hours",
        run: embedder::run,
    },
    Table {
        name: "forum-noise",
        what: "the forum's k-winners, dropout and batch normalisation under noise, put right",
        data: "mnist",
        takes: "about 20 minutes",
        run: forum_noise::run,
    },
    Table {
        name: "neighbours",
        what: "nearest neighbours by codes of a few bytes, read through a decoder",
        data: "clinc150",
        takes: "about 10 minutes",
        run: neighbours::run,
    },
    Table {
        name: "noise-aware",
        what: "a sparse network that learns from noisy images, beside clean learning",
        data: "mnist",
        takes: "about 20 minutes",
        run: |arguments, shared, output| networks::NOISE_AWARE.run(arguments, shared, output),
    },
    Table {
        name: "patches",
        what: "image codes with topology, our defaults",
        data: "mnist, fashion-mnist",
        takes: "about 5 minutes",
        run: |arguments, shared, output| tables::PATCHES.run(arguments, shared, output),
    },
    Table {
        name: "sparse-weights",
        what: "LeNet-300-100 with 5 % and 2 % of its weights: sparse momentum, SET, RigL, and dense",
        data: "mnist",
        takes: "about 30 minutes",
        run: sparse_weights::run,
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
    /// Only these rows of `dense`, `embedder`, `attacks` or `forum-noise`, by their presets, between commas; the first
    /// row of the last two is always there
    #[arg(long, value_name = "PRESETS")]
    rows: Option<String>,
    /// Keep the networks of `attacks` and `forum-noise` in this folder, and take those that are there already
    #[arg(long, value_name = "DIR")]
    models: Option<PathBuf>,
    /// Test images that the networks of `attacks` are attacked on
    #[arg(long, value_name = "N", default_value = "1000")]
    samples: NonZeroUsize,
    /// Run the rows on this data instead, where the known figures mean nothing and are left out
    #[arg(long, value_name = "SPEC", requires = "test")]
    data: Option<String>,
    /// Test on this data instead
    #[arg(long, value_name = "SPEC", requires = "data")]
    test: Option<String>,
}

impl Arguments {
    /// The seeds of every row.
    fn seeds(&self) -> Vec<u64> {
        (0..self.seeds.get()).collect()
    }
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
    let names: Vec<&str> = TABLES.iter().map(|table| table.name).collect();
    let unknown = || Error::unknown_name("table", name, &names);
    let table = table.ok_or_else(unknown)?;
    if arguments.rows.is_some()
        && !["attacks", "dense", "embedder", "forum-noise"].contains(&table.name)
    {
        let message = format!(
            "--rows is for `attacks`, `dense`, `embedder` and `forum-noise`, not for `{name}`"
        );
        return Err(BadInput(message).into());
    }
    (table.run)(arguments, shared, output)
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

/// Training and test set: those asked for, or the usual ones; with the classes of the first.
fn sets(
    arguments: &Arguments,
    shared: &Shared,
    usual: (&str, &str),
) -> anyhow::Result<(Dataset, Dataset)> {
    let (train, test) = rows(arguments, shared, usual)?;
    train.require_labels()?;
    let test = test.with_classes_of(&train.classes)?;
    Ok((train, test))
}

/// The same, with labels or without.
fn rows(
    arguments: &Arguments,
    shared: &Shared,
    usual: (&str, &str),
) -> anyhow::Result<(Dataset, Dataset)> {
    let train = cmd::load(arguments.data.as_deref().unwrap_or(usual.0), shared)?;
    let test = cmd::load(arguments.test.as_deref().unwrap_or(usual.1), shared)?;
    Ok((train, test))
}
