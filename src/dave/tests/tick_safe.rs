//! What is called *Tick-safe* allocates and frees nothing (design/architecture.md B7).
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::time::Instant;

use mynah_dave::BaseSecret;
use mynah_dave::frame::{FrameOpener, FrameSealer, OpenError, RATCHET_EXPIRY};

thread_local! {
    static CALLS: Cell<u64> = const { Cell::new(0) };
}

struct Counting;

fn count() {
    // A thread that is ending has no counter any more, and nothing to count.
    let _ = CALLS.try_with(|calls| calls.set(calls.get() + 1));
}

// SAFETY: every call goes to the system allocator unchanged; only a number is kept.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller keeps the contract of `GlobalAlloc::alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count();
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Allocations and frees of this thread during `work`.
fn allocations(work: impl FnOnce()) -> u64 {
    let before = CALLS.get();
    work();
    CALLS.get() - before
}

#[test]
fn the_counter_counts() {
    assert!(allocations(|| drop(std::hint::black_box(vec![1u8; 100]))) >= 2);
}

#[test]
fn sealing_and_opening_allocate_nothing() {
    let now = Instant::now();
    let bases = [1, 2].map(|byte| BaseSecret::new([byte; 16]));
    let mut opener = FrameOpener::new();
    for (epoch, base) in bases.iter().enumerate() {
        opener.install(base, epoch as u64, now);
    }
    let mut buf = [7; 1400];
    let counted = allocations(|| {
        let mut sealers = bases.each_ref().map(|base| FrameSealer::new(base, 1));
        for n in 0..2000 {
            let len = n % 1300;
            let sealed = sealers[n % 2].seal(&mut buf, len).unwrap();
            let frame = &mut buf[..sealed];
            frame[sealed - 5] ^= 1;
            assert!(opener.open(frame, now).is_err(), "forged");
            frame[sealed - 5] ^= 1;
            let mut twice = [0; 1400];
            twice[..sealed].copy_from_slice(frame);
            assert_eq!(opener.open(frame, now), Ok(len));
            let again = opener.open(&mut twice[..sealed], now);
            assert_eq!(again, Err(OpenError::Replayed));
        }
        // Keys that expire are forgotten without being freed.
        let len = sealers[0].seal(&mut buf, 100).unwrap();
        let later = now + RATCHET_EXPIRY + RATCHET_EXPIRY;
        assert_eq!(
            opener.open(&mut buf[..len], later),
            Err(OpenError::Unauthentic)
        );
    });
    assert_eq!(counted, 0);
}
