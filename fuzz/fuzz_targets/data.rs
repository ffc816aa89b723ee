//! Data sets from files; the first byte says which format.
#![no_main]

use kwinners::data::{self, DataDirs, Spec};
use libfuzzer_sys::fuzz_target;

const NAMES: [&str; 8] = [
    "rows.npy",
    "rows.npz",
    "rows.csv",
    "rows-idx3-ubyte",
    "rows.bvecs",
    "rows.bin",
    "sounds.tar",
    "sounds.tar.gz",
];

fuzz_target!(|bytes: &[u8]| {
    let Some((kind, bytes)) = bytes.split_first() else { return };
    let name = NAMES[usize::from(*kind) % NAMES.len()];
    kwinners_fuzz::with_file(name, bytes, |path| {
        let Some(path) = path.to_str() else { return };
        if let Ok(spec) = Spec::parse(path) {
            let _ = data::load(&spec, &DataDirs::default());
        }
    });
});
