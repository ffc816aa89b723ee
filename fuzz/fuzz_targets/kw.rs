//! `.kw` files, whatever they say they hold, as they are and with right checksums.
#![no_main]

use std::path::Path;

use kwinners::file::{self, CodeFile};
use kwinners::index::Search;
use kwinners::SdrBatch;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    kwinners_fuzz::with_file("any.kw", bytes, read);
    kwinners_fuzz::with_file("any.kw", &kwinners_fuzz::with_right_checksums(bytes), read);
});

fn read(path: &Path) {
    let _ = file::inspect(path);
    let _ = file::load_model(path);
    let _ = file::load_codes(path);
    let _ = file::load_memory(path);
    let _ = CodeFile::open(path).map(|codes| codes.iter().count());
    let Ok(index) = file::open_index(path) else { return };
    let query = SdrBatch::from_exact(index.units(), 1, vec![0]);
    let _ = query.and_then(|query| index.top_batch(&query, 3, &Search::default()));
}
