//! The allocation guard: catches a tick that allocates or frees.
//!
//! ```ignore
//! #[global_allocator]
//! static GUARD: mynah_testkit::alloc::Guard = mynah_testkit::alloc::Guard;
//!
//! mynah_testkit::alloc::in_tick(|| wheel.step(&mut io));   // aborts, with a backtrace, on malloc or free
//! ```
//! Aborting instead of panicking is the only sound choice: an allocator must not unwind. Under
//! nextest each test has its own process, so an abort fails exactly the guilty test.

use std::alloc::{GlobalAlloc, Layout, System};
use std::backtrace::Backtrace;
use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

thread_local! {
    static IN_TICK: Cell<bool> = const { Cell::new(false) };
    static COUNTS: Cell<Counts> = const { Cell::new(Counts { allocations: 0, frees: 0, bytes: 0 }) };
}

static LIVE_BYTES: AtomicU64 = AtomicU64::new(0);

/// What one thread did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Calls of malloc, calloc and realloc.
    pub allocations: u64,
    /// Calls of free.
    pub frees: u64,
    /// Bytes asked for.
    pub bytes: u64,
}

/// The system allocator with a guard in front. Make it the `#[global_allocator]` of the test.
#[derive(Debug)]
pub struct Guard;

/// Runs `work` as tick code: the process aborts, with a message and a backtrace, if it allocates
/// or frees on this thread. Does not nest.
pub fn in_tick<T>(work: impl FnOnce() -> T) -> T {
    /// Also lowers the flag when `work` unwinds, so that a failed assertion can be printed.
    struct Lower;
    impl Drop for Lower {
        fn drop(&mut self) {
            IN_TICK.set(false);
        }
    }
    let _lower = Lower;
    IN_TICK.set(true);
    work()
}

/// Runs `work` and counts what this thread allocated and freed meanwhile.
pub fn count<T>(work: impl FnOnce() -> T) -> (T, Counts) {
    let before = COUNTS.get();
    let result = work();
    let after = COUNTS.get();
    let counts = Counts {
        allocations: after.allocations - before.allocations,
        frees: after.frees - before.frees,
        bytes: after.bytes - before.bytes,
    };
    (result, counts)
}

/// Bytes allocated and not yet freed by the Rust side of the whole process. C libraries keep their
/// own books.
#[must_use]
pub fn live_bytes() -> u64 {
    LIVE_BYTES.load(Relaxed)
}

/// Panic machinery allocates, so that a panic on the tick is caught as well: let it through once
/// the thread is unwinding, or the message would be lost behind ours.
fn check(what: &str, bytes: usize) {
    if !IN_TICK.try_with(Cell::get).unwrap_or(false) || std::thread::panicking() {
        return;
    }
    IN_TICK.set(false);
    let trace = Backtrace::force_capture();
    #[allow(clippy::print_stderr, reason = "the process is about to abort")]
    {
        eprintln!(
            "{what} of {bytes} bytes on the tick thread (real-time rule, architecture B7)\n{trace}"
        );
    }
    std::process::abort();
}

fn note(change: impl FnOnce(&mut Counts)) {
    // While a thread ends, its counters are gone; nobody asks for them any more.
    let _gone = COUNTS.try_with(|counts| {
        let mut now = counts.get();
        change(&mut now);
        counts.set(now);
    });
}

fn allocated(bytes: usize) {
    check("allocation", bytes);
    LIVE_BYTES.fetch_add(bytes as u64, Relaxed);
    note(|counts| {
        counts.allocations += 1;
        counts.bytes += bytes as u64;
    });
}

fn freed(bytes: usize) {
    check("free", bytes);
    LIVE_BYTES.fetch_sub(bytes as u64, Relaxed);
    note(|counts| counts.frees += 1);
}

// SAFETY: every call goes to the system allocator with the caller's own arguments; the guard only
// counts, and never unwinds (it aborts).
unsafe impl GlobalAlloc for Guard {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        allocated(layout.size());
        // SAFETY: the caller's contract is ours.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        allocated(layout.size());
        // SAFETY: the caller's contract is ours.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, old: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        allocated(new_size);
        LIVE_BYTES.fetch_sub(layout.size() as u64, Relaxed);
        // SAFETY: the caller's contract is ours.
        unsafe { System.realloc(old, layout, new_size) }
    }

    unsafe fn dealloc(&self, old: *mut u8, layout: Layout) {
        freed(layout.size());
        // SAFETY: the caller's contract is ours.
        unsafe { System.dealloc(old, layout) }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::process::Command;

    #[global_allocator]
    static GUARD: Guard = Guard;

    const CHILD: &str = "MYNAH_GUARD_CHILD";

    #[test]
    fn what_a_thread_allocates_and_frees_is_counted() {
        let (boxed, made) = count(|| Box::new([7u8; 100]));
        assert_eq!((made.allocations, made.frees, made.bytes), (1, 0, 100));
        let ((), freed) = count(|| drop(boxed));
        assert_eq!((freed.allocations, freed.frees), (0, 1));
    }

    #[test]
    fn quiet_tick_code_passes_and_the_flag_is_lowered_after_it() {
        let mut samples = [0.0f32; 64];
        in_tick(|| samples.fill(1.0));
        assert_eq!(*Box::new(samples[0]), 1.0);
    }

    #[test]
    fn other_threads_may_allocate_while_one_ticks() {
        let gate = std::sync::Barrier::new(2);
        std::thread::scope(|scope| {
            let other = scope.spawn(|| {
                gate.wait();
                let made = Box::new(1);
                gate.wait();
                *made
            });
            in_tick(|| {
                gate.wait();
                gate.wait();
            });
            assert_eq!(other.join().unwrap(), 1);
        });
    }

    #[test]
    fn allocating_or_freeing_on_the_tick_aborts_and_says_where() {
        match std::env::var(CHILD).as_deref() {
            Ok("allocate") => drop(in_tick(|| Box::new(1u64))),
            Ok("free") => {
                let boxed = Box::new(1u64);
                in_tick(|| drop(boxed));
            }
            _ => {
                for (deed, word) in [
                    ("allocate", "allocation of 8 bytes"),
                    ("free", "free of 8 bytes"),
                ] {
                    let output = Command::new(std::env::current_exe().unwrap())
                        .args(["--exact", "--nocapture"])
                        .arg(
                            "alloc::tests::allocating_or_freeing_on_the_tick_aborts_and_says_where",
                        )
                        .env(CHILD, deed)
                        .output()
                        .unwrap();
                    assert!(!output.status.success(), "{deed} must not pass");
                    let said = String::from_utf8_lossy(&output.stderr);
                    assert!(said.contains(word), "{deed}: {said}");
                    assert!(
                        said.contains("allocating_or_freeing_on_the_tick"),
                        "a backtrace: {said}"
                    );
                }
                return;
            }
        }
        panic!("the guard let it pass");
    }
}
