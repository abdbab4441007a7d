//! Panics are caught on this side of the table, and named (architecture C5.3).

use std::{
    cell::{Cell, RefCell},
    panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook},
    sync::Once,
};

/// One per image. The host hands out the address of its own copy (`mynah.image/1`): if it equals
/// ours, we are linked into the bot and the bot's hook is ours.
pub static IMAGE: u8 = 1;

thread_local! {
    /// How many guarded calls are on this thread's stack.
    static DEPTH: Cell<u32> = const { Cell::new(0) };
    /// `message at file:line`, left by the hook for the guard.
    static LAST: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Chains a panic hook that keeps the words and the place of a panic inside a plugin for the log,
/// instead of printing them. Done once for each image: by the host for itself and everything
/// linked into it, by the SDK in a plugin loaded at run time.
pub fn install_hook() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = take_hook();
        set_hook(Box::new(move |panic| {
            if DEPTH.get() == 0 {
                return before(panic);
            }
            let words = panic.payload_as_str().unwrap_or("(no message)");
            let place = panic.location().map(ToString::to_string);
            let place = place.unwrap_or_else(|| "an unknown place".into());
            LAST.set(Some(format!("`{words}` at {place}")));
        }));
    });
}

/// Runs plugin code; on a panic, its words.
pub(crate) fn guard<T>(call: impl FnOnce() -> T) -> Result<T, String> {
    DEPTH.set(DEPTH.get() + 1);
    let result = catch_unwind(AssertUnwindSafe(call));
    DEPTH.set(DEPTH.get() - 1);
    result.map_err(|payload| {
        let words = LAST.take().unwrap_or_else(|| {
            let text = payload.downcast_ref::<&str>().map(ToString::to_string);
            let text = text.or_else(|| payload.downcast_ref::<String>().cloned());
            format!("`{}`", text.unwrap_or_else(|| "(no message)".into()))
        });
        // A payload may panic when dropped; that one has said enough.
        core::mem::forget(payload);
        words
    })
}
