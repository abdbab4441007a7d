//! What is called *Tick-safe* does not allocate (design/architecture.md B7).
//!
//! libopus allocates from C; that it does not either was measured with malloc hooks
//! (design/architecture.md B7).
#![allow(missing_docs, clippy::unwrap_used, reason = "a test may panic")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::time::Duration;

use mynah_audio::filters::{Chain, FilterSpec, Rotation, Timescale};
use mynah_audio::{
    Curve, DuckMatrix, Ducker, Encoder, EncoderConfig, EncoderPolicy, Fade, Lane, Limiter, Ramp,
    SAMPLES, Triggers, level,
};

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
            limiter.process(&mut bus, true);
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

#[test]
fn fading_ducking_and_changing_the_encoder_allocate_nothing() {
    let mut encoder = Encoder::new(EncoderConfig::default()).unwrap();
    let mut policy = EncoderPolicy::new(64_000);
    let mut ducker = Ducker::default();
    let mut limiter = Limiter::with_ceiling_dbtp(-3.0);
    let mut ramp = Ramp::new(1.0);
    let curves = [Curve::Linear, Curve::EqualPower, Curve::Decibel];
    let from = [0.9f32; SAMPLES];
    let mut packet = [0u8; 1275];
    let counted = allocations(|| {
        for round in 0u16..200 {
            let curve = curves[usize::from(round % 3)];
            let time = Duration::from_millis(u64::from(round));
            ramp.fade(f32::from(round % 4), Fade::over(time, curve));
            let mut bed = [0.0f32; SAMPLES];
            ramp.add(&from, &mut bed);
            if round == 100 {
                ducker.set_matrix(DuckMatrix::default().with_human(-9.0));
            }
            ducker.step(Triggers::NONE.with(Lane::Speech).with_human(round & 8 == 0));
            for lane in Lane::ALL {
                ducker.apply(lane, &mut bed);
            }
            limiter.process(&mut bed, round & 16 == 0);
            std::hint::black_box(limiter.holds_sound() || limiter.is_working());
            policy.loss = f32::from(round % 40) / 100.0;
            policy.cpu_complexity_cap = (round % 11) as u8;
            encoder.apply(&policy.decide()).unwrap();
            encoder.encode(&bed, &mut packet).unwrap();
        }
    });
    assert_eq!(counted, 0);
}

/// Not for the tick, but called for every block of every track that has effects.
#[test]
fn effects_allocate_nothing_once_they_are_warm() {
    let mut spec = FilterSpec {
        volume: 0.5,
        equalizer: [0.1; 15],
        karaoke: Some(Default::default()),
        timescale: Some(Timescale {
            speed: 1.3,
            pitch: 1.1,
            rate: 1.0,
        }),
        tremolo: Some(Default::default()),
        rotation: Some(Rotation { rotation_hz: 0.2 }),
        low_pass: Some(Default::default()),
        ..Default::default()
    };
    for _ in 0..2 {
        let mut chain = Chain::new(&spec);
        let mut out = Vec::with_capacity(4 * SAMPLES);
        let mut block = [0.0f32; SAMPLES];
        let mut play = |blocks: u16| {
            for round in 0..blocks {
                for (n, s) in (0u16..).zip(&mut block) {
                    *s = (f32::from(n) * 0.01 + f32::from(round)).sin();
                }
                out.clear();
                chain.process(&block, &mut out);
            }
        };
        play(50);
        assert_eq!(allocations(|| play(200)), 0);
        spec.timescale = None;
    }
}
