//! `.kw` files, whatever they say they hold.
#![no_main]

use kwinners::file;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    kwinners_fuzz::with_file("any.kw", bytes, |path| {
        let _ = file::inspect(path);
        let _ = file::load_model(path);
        let _ = file::load_codes(path);
        let _ = file::load_memory(path);
    });
});
