//! The `kwinners` command.

mod args;
#[cfg(feature = "onnx")]
mod backbone;
mod cmd;
mod download;
mod fitting;
mod interrupt;
mod output;
mod page;
mod pictures;
mod selection;
mod settings;
mod status;

use clap::Parser;

fn main() -> std::process::ExitCode {
    let arguments = args::Arguments::parse();
    let mut output = output::Output::new(&arguments.shared);
    let result = cmd::run(&arguments, &mut output);
    status::of(result, &output)
}
