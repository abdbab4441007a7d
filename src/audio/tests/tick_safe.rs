//! What is called *Tick-safe* does not allocate (design/architecture.md B7).
//!
//! libopus allocates from C; that it does not either was measured with malloc hooks
//! (design/architecture.md B7).
#![allow(missing_docs, clippy::unwrap_used, reason = "a test may panic")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use mynah_audio::{Encoder, EncoderConfig, Limiter, Ramp, SAMPLES, level};

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

struct Counting;

fn count() {
    // A thread that is ending has no counter any more, and nothing to count.
    let _ = ALLOCATIONS.try_with(|n| n.set(n.get() + 1));
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
    let before = ALLOCATIONS.get();
    work();
    ALLOCATIONS.get() - before
}

#[test]
fn the_counter_counts() {
    assert!(allocations(|| drop(std::hint::black_box(vec![1u8; 100]))) >= 2);
}

#[test]
fn mixing_limiting_and_encoding_allocate_nothing() {
    let mut encoder = Encoder::new(EncoderConfig::default()).unwrap();
    let mut ramp = Ramp::new(0.0);
    let mut limiter = Limiter::new();
    let from = [0.9f32; SAMPLES];
    let mut packet = [0u8; 1275];
    let counted = allocations(|| {
        for round in 0u16..200 {
            ramp.set(f32::from(round % 3), 240);
            let mut bus = [0.4f32; SAMPLES];
            ramp.add(&from, &mut bus);
            ramp.apply(&mut bus);
            limiter.process(&mut bus);
            std::hint::black_box(level::is_silent(&bus));
            encoder
                .set_bitrate(64_000 + u32::from(round) * 100)
                .unwrap();
            encoder.set_complexity((round % 11) as u8).unwrap();
            encoder.encode(&bus, &mut packet).unwrap();
        }
        encoder.reset().unwrap();
    });
    assert_eq!(counted, 0);
}
