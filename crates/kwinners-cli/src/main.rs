//! The `kwinners` command.

fn main() {}
