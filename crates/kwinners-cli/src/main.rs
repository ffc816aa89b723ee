//! The `kwinners` command.

mod args;
mod cmd;
mod download;
mod interrupt;
mod output;
#[cfg_attr(not(test), expect(dead_code, reason = "the verbs that make encoders come next"))]
mod settings;
mod status;

use clap::Parser;

fn main() -> std::process::ExitCode {
    let arguments = args::Arguments::parse();
    let mut output = output::Output::new(&arguments.shared);
    let result = cmd::run(&arguments, &mut output);
    status::of(result, &output)
}
