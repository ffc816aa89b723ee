//! Autoencoders of other programs: the configuration up to the first zero byte, then the tensors.
#![no_main]

use kwinners::file;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
    let (config, tensors) = (&bytes[..end], bytes.get(end + 1..).unwrap_or_default());
    kwinners_fuzz::with_file("cfg.json", config, |_| {});
    kwinners_fuzz::with_file("sae.safetensors", tensors, |path| {
        if let Some(folder) = path.parent() {
            let _ = file::load_sae(folder);
        }
    });
});
