//! No panic of a demuxer or decoder may leave this room, nor shout in the operator's log.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;

thread_local! {
    /// How many guarded calls are on this thread's stack.
    static DEPTH: Cell<u32> = const { Cell::new(0) };
}

/// A demuxer or decoder panicked on the file's bytes. Its state must not be used again.
#[derive(Debug)]
pub struct Panicked;

/// Keeps panics out of standard error that this room catches and reports as a damaged file; all
/// others go on to the hook that was there before. For the program to call: a hook belongs to the
/// whole process, so no library installs it by itself. A second call does nothing.
pub fn install_panic_hook() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = take_hook();
        set_hook(Box::new(move |panic| {
            // While a thread ends its counter is gone, and no guarded call runs.
            if DEPTH.try_with(Cell::get).unwrap_or(0) == 0 {
                before(panic);
            }
        }));
    });
}

/// Runs `work` and turns a panic inside into [`Panicked`].
///
/// `AssertUnwindSafe` is sound here because every caller throws the panicked object away.
pub fn guard<T>(work: impl FnOnce() -> T) -> Result<T, Panicked> {
    DEPTH.set(DEPTH.get() + 1);
    let result = catch_unwind(AssertUnwindSafe(work));
    DEPTH.set(DEPTH.get() - 1);
    result.map_err(|_| Panicked)
}

#[cfg(test)]
mod tests {
    use super::*;

    thread_local! {
        static SHOWN: Cell<u32> = const { Cell::new(0) };
    }

    #[test]
    fn a_caught_panic_is_not_shown_and_any_other_is() {
        // Other tests of this process panic on other threads: each counts its own.
        let usual = take_hook();
        set_hook(Box::new(move |panic| {
            SHOWN.set(SHOWN.get() + 1);
            usual(panic);
        }));
        install_panic_hook();
        install_panic_hook();
        assert!(guard(|| panic!("not to be seen")).is_err());
        assert!(guard(|| guard(|| panic!("nor this")).is_err()).unwrap());
        assert_eq!(SHOWN.get(), 0);
        assert!(catch_unwind(|| panic!("this one belongs to the test")).is_err());
        assert_eq!(SHOWN.get(), 1, "outside nothing is hidden");
    }
}
