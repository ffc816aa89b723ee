//! What can be said on the command line.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::cmd;

/// Learn, judge, store and search exactly-k binary codes (sparse distributed representations).
#[derive(Debug, Parser)]
#[command(name = "kwinners", version, propagate_version = true, max_term_width = 100)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
    #[command(flatten)]
    pub(crate) shared: Shared,
}

/// Options of every command.
#[derive(Args, Debug)]
#[command(next_help_heading = "Options of every command")]
pub(crate) struct Shared {
    /// Print one JSON object on standard output instead of text
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Print no progress and no remarks on standard error
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,
    /// Worker threads; results are the same for any number [default: one a core]
    #[arg(long, global = true, value_name = "N")]
    pub(crate) threads: Option<NonZeroUsize>,
    /// Folder of known data sets, looked at before $KWINNERS_DATA and the user's data folder
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Pass all data through this network first, such as a pretrained one without its last layer: an ONNX model with one
    /// input of rows, or of images as channels, height, width; its first output is learned from and encoded
    #[cfg(feature = "onnx")]
    #[arg(long, global = true, value_name = "MODEL.onnx")]
    pub(crate) backbone: Option<PathBuf>,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Learn codes of real handwritten digits, judge them, look at them and search them, in seconds
    Demo(cmd::demo::Arguments),
    /// Fit an encoder to data and save it
    Fit(cmd::fit::Arguments),
    /// Turn data into codes
    Encode(cmd::encode::Arguments),
    /// Turn codes back into data or a picture
    Decode(cmd::decode::Arguments),
    /// Judge a model or codes beside the raw data
    Eval(cmd::eval::Arguments),
    /// Put the reports of several runs side by side
    Compare(cmd::compare::Arguments),
    /// Show a folder of runs in the browser: curves as they grow, codes to play with
    Serve(cmd::serve::Arguments),
    /// Write an autoencoder as cfg.json and sae.safetensors, for other programs
    Export(cmd::interchange::Export),
    /// Read an autoencoder of another program from cfg.json and sae.safetensors
    Import(cmd::interchange::Import),
    /// Make codes searchable, add to an index, delete from it
    Index(cmd::index::Arguments),
    /// Find the stored codes most like a query
    Search(cmd::search::Arguments),
    /// Say what is in a .kw file, after verifying every byte
    Inspect(cmd::inspect::Arguments),
    /// Say why a stored row was found: which units agree and what each stands for
    Explain(cmd::explain::Arguments),
    /// Store pairs of codes on top of each other and recall them from parts
    #[command(subcommand)]
    Memory(cmd::memory::Verb),
    /// List, fetch and describe data sets
    #[command(subcommand)]
    Data(cmd::data::Verb),
    /// Ask small questions about codes: what comes back, what moves, what unions answer for
    Experiment(cmd::experiment::Arguments),
    /// Run a known table again and print the known figures beside ours
    Reproduce(cmd::reproduce::Arguments),
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        super::Arguments::command().debug_assert();
    }
}
