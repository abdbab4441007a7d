//! Panics that are caught on purpose, told from those that are findings.
//!
//! The fuzzer ends the process from its panic hook, before anything can catch the panic. The server
//! catches those of the MLS library on purpose, so for targets that run it only a panic that comes out
//! of the target counts.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind, resume_unwind, set_hook};

thread_local! {
    static LAST: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Replaces the fuzzer's panic hook by one that only takes note; for the `init` of a target.
pub fn expect_fences() {
    set_hook(Box::new(note));
}

fn note(panic: &PanicHookInfo<'_>) {
    LAST.with(|last| {
        if let Ok(mut last) = last.try_borrow_mut() {
            *last = panic.to_string();
        }
    });
}

/// Runs a target's work. A panic that comes out of it is told, and goes on to the fuzzer, which ends
/// the process and keeps the input.
pub fn escaping(work: impl FnOnce()) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(work)) {
        LAST.with_borrow(|last| eprintln!("{last}"));
        resume_unwind(panic);
    }
}
