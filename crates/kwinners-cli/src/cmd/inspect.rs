//! `kwinners inspect`: what is in a `.kw` file.

use std::path::PathBuf;

use clap::Args;
use kwinners::file;

use crate::output::Output;

/// Say what is in a .kw file, after verifying every byte.
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// The file
    #[arg(value_name = "FILE.kw")]
    file: PathBuf,
}

pub(crate) fn run(arguments: &Arguments, output: &mut Output) -> anyhow::Result<()> {
    let found = file::inspect(&arguments.file)?;
    let (path, bytes) = (arguments.file.display(), found.bytes);
    output.line(format_args!("{path}: {bytes} bytes, format version {}\n", found.version))?;
    let text: Vec<Vec<String>> =
        found.text.iter().map(|(key, value)| vec![key.clone(), value.clone()]).collect();
    output.table(&["key", "value"], &text)?;
    output.line("")?;
    let sections = found.sections.iter().map(|section| {
        let crc = format!("{:08x} ok", section.crc32);
        vec![section.name.clone(), section.offset.to_string(), section.bytes.to_string(), crc]
    });
    let sections: Vec<Vec<String>> = sections.collect();
    output.table(&["section", "offset", "bytes", "crc32"], &sections)?;
    output.object(&found)
}
