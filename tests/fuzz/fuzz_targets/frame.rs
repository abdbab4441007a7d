//! Media frames from anybody: the frame parser, the opener with keys, and the receiver that holds
//! and tries again.
//!
//! Beyond not panicking: whatever opens was sealed by us and says the same, and what does not open
//! is left as it was.
#![no_main]

use std::time::{Duration, Instant};

use libfuzzer_sys::fuzz_target;
use mynah_dave::BaseSecret;
use mynah_dave::frame::{FrameOpener, FrameSealer, MAX_OVERHEAD_BYTES, is_sealed};
use mynah_fuzz::Plan;
use mynah_session::receive::{Head, Receiver};
use mynah_session::voice::{MediaKeys, Passthrough};
use mynah_wire::{Ssrc, UserId};

const USER: UserId = UserId::new(5);
/// Plaintexts of the real frames.
const SAID: [&[u8]; 3] = [&[0x78, 1, 2, 3, 4, 5, 6, 7, 8], &[0x78], &[0x55; 160]];

fn base(epoch: u64) -> BaseSecret {
    BaseSecret::new([epoch as u8; 16])
}

/// Sealed frames of two epochs.
fn real() -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    for epoch in 1..=2 {
        let mut sealer = FrameSealer::new(&base(epoch), epoch);
        for said in SAID {
            let mut frame = said.to_vec();
            frame.resize(said.len() + MAX_OVERHEAD_BYTES, 0);
            let sealed = sealer.seal(&mut frame, said.len()).expect("room enough");
            frame.truncate(sealed);
            frames.push(frame);
        }
    }
    frames
}

fuzz_target!(|input: &[u8]| {
    let mut plan = Plan::new(input);
    let real = real();
    let start = Instant::now();
    let mut now = start;
    let mut opener = FrameOpener::new();
    let mut receiver = Receiver::new();
    receiver.learn(Ssrc(1), USER);
    while !plan.is_over() {
        let (what, pause) = (plan.byte(), plan.byte());
        now += Duration::from_millis(u64::from(pause) * 20);
        let epoch = u64::from(what >> 6);
        match what & 0x0F {
            0 => {
                opener.install(&base(epoch), epoch, now);
                let base = base(epoch);
                let user_id = USER;
                let keys = MediaKeys::Receiver {
                    user_id,
                    epoch,
                    base,
                };
                receiver.keys(now, &keys);
            }
            1 => receiver.keys(now, &MediaKeys::Forget { user_id: USER }),
            2 => {
                let passthrough = match epoch {
                    0 => Passthrough::Always,
                    1 => Passthrough::Until(now + Duration::from_secs(1)),
                    _ => Passthrough::Never,
                };
                receiver.keys(now, &MediaKeys::Passthrough(passthrough));
            }
            3 => receiver.learn(Ssrc(u32::from(pause & 3)), USER),
            4 => receiver.forget(USER),
            _ => {
                let Some(frame) = plan.message(&real) else {
                    break;
                };
                open(&mut opener, &real, &frame, now);
                let head = Head {
                    ssrc: Ssrc(u32::from(what >> 4 & 3)),
                    sequence: u16::from(pause),
                    timestamp: u32::from(pause) * 960,
                    arrival: now,
                };
                receiver.take_frame(now, head, &mut frame.clone());
            }
        }
        while receiver.poll(now).is_some() {}
        while receiver.undecryptable().is_some() {}
        assert!(receiver.wake().is_none_or(|wake| wake >= start));
    }
});

fn open(opener: &mut FrameOpener, real: &[Vec<u8>], frame: &[u8], now: Instant) {
    let mut bytes = frame.to_vec();
    match opener.open(&mut bytes, now) {
        Ok(length) => {
            if !is_sealed(frame) {
                // Silence is never sealed (dave.md section 7).
                assert_eq!(frame, [0xF8, 0xFF, 0xFE], "opened what is not sealed");
                return;
            }
            // The trailer's numbers have one shortest form, but readers take longer ones, too.
            let plain = &bytes[..length];
            assert!(SAID.contains(&plain), "opened what nobody sealed");
            let _ = real;
        }
        Err(_) => assert_eq!(bytes, frame, "a frame that does not open was changed"),
    }
}
