//! `kwinners experiment`: small questions about codes, asked of data or of a model.

mod algebra;
mod projection;

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::args::Shared;
use crate::output::Output;

/// What `kwinners experiment` is asked for.
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// inverse: how much of an image comes back from the winners of a random projection, over units and
    /// density. translation: how much codes share of an image and the same moved by a pixel. algebra:
    /// whether the union of two codes answers for both classes, and their difference for one
    #[arg(value_enum)]
    name: Experiment,
    /// The model that `algebra` asks
    #[arg(long, value_name = "MODEL.kw", required_if_eq("name", "algebra"))]
    model: Option<PathBuf>,
    /// What classes are known from, in `algebra`
    #[arg(long, value_name = "SPEC", default_value = "digits:train")]
    data: String,
    /// What is asked about
    #[arg(long, value_name = "SPEC", default_value = "digits:test")]
    test: String,
    /// Images, or pairs of codes, that a figure is the mean of
    #[arg(long, value_name = "N", default_value = "100")]
    samples: NonZeroUsize,
    /// Folder for a picture of the surface
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// The experiments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Experiment {
    Inverse,
    Translation,
    Algebra,
}

pub(crate) fn run(
    arguments: &Arguments,
    shared: &Shared,
    output: &mut Output,
) -> anyhow::Result<()> {
    match arguments.name {
        Experiment::Inverse => projection::INVERSE.run(arguments, shared, output),
        Experiment::Translation => projection::TRANSLATION.run(arguments, shared, output),
        Experiment::Algebra => algebra::run(arguments, shared, output),
    }
}
