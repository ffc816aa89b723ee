//! `kwinners inspect`: what is in a `.kw` file.

use std::path::PathBuf;

use clap::Args;
use kwinners::file;

use crate::output::Output;

/// What `kwinners inspect` is asked for.
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
    let text = found.text.iter().map(|(key, value)| (key.as_str(), value.clone()));
    output.facts(&text.collect::<Vec<_>>())?;
    output.line("")?;
    let sections = found.sections.iter().map(|section| {
        let crc32 = format!("{:08x}", section.crc32);
        vec![section.name.clone(), section.offset.to_string(), section.bytes.to_string(), crc32]
    });
    output.table(&["section", "offset", "bytes", "CRC-32"], &sections.collect::<Vec<_>>())?;
    output.line("\nall checksums are right")?;
    output.object(&found)
}
