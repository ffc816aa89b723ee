//! Ctrl-C: the first asks the work to stop where it can be taken up again, the second stops at once.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

/// Exit status after a second Ctrl-C, as shells count it: 128 + SIGINT.
const STOPPED_AT_ONCE: i32 = 130;

static ASKED: AtomicBool = AtomicBool::new(false);
/// Whether anybody polls the flag.
static POLLED: AtomicBool = AtomicBool::new(false);

/// The flag that Ctrl-C (or a polite kill) sets; long work polls it. The first call installs the handler.
pub(crate) fn flag() -> &'static AtomicBool {
    static INSTALLED: OnceLock<()> = OnceLock::new();
    POLLED.store(true, Ordering::Relaxed);
    INSTALLED.get_or_init(|| {
        let handler = || {
            if ASKED.swap(true, Ordering::Relaxed) || !POLLED.load(Ordering::Relaxed) {
                std::process::exit(STOPPED_AT_ONCE);
            }
        };
        // Without a handler Ctrl-C just ends the program: a loss of comfort, not of correctness.
        let _ = ctrlc::set_handler(handler);
    });
    &ASKED
}

/// The work that polled the flag is over: from now on Ctrl-C stops at once.
pub(crate) fn release() {
    POLLED.store(false, Ordering::Relaxed);
}
