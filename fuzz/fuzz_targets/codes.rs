//! Codes in the formats of NumPy, SciPy and Parquet; the first byte says which.
#![no_main]

use kwinners::data;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((kind, bytes)) = bytes.split_first() else { return };
    let name = ["codes.npy", "codes.npz", "codes.parquet"][usize::from(kind % 3)];
    kwinners_fuzz::with_file(name, bytes, |path| {
        let _ = data::read_codes(path, None);
        let _ = data::read_codes(path, Some(90));
    });
});
