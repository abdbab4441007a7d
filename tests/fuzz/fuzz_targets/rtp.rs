//! Datagrams on a voice socket: forged ones, and authentic ones of a server that means no good. The
//! latter are sealed here, so that what lies behind the cipher (extensions, padding, Opus) is reached.
//!
//! Beyond not panicking: ticks count on, what a tick hands out is bounded, sound is finite, and only what
//! never opened is empty.
#![no_main]

use std::time::{Duration, Instant};

use libfuzzer_sys::fuzz_target;
use mynah_dave::BaseSecret;
use mynah_dave::frame::{FrameSealer, MAX_OVERHEAD_BYTES};
use mynah_ear::{Hearing, Want};
use mynah_fuzz::Plan;
use mynah_session::transport::{RtpOpener, RtpSealer};
use mynah_session::voice::{MediaKeys, Passthrough};
use mynah_wire::rtp::{FIXED_HEADER_LEN, Header};
use mynah_wire::{EncryptionMode, Ssrc, UserId};

const MODE: EncryptionMode = EncryptionMode::Aes256GcmRtpSize;
const KEY: [u8; 32] = [7; 32];

/// Packets as they are before they are sealed.
fn real() -> Vec<Vec<u8>> {
    let plain = Header::opus(1, 960, Ssrc(1));
    let decorated = Header {
        padding: true,
        extension: true,
        csrc_count: 1,
        ..plain
    };
    let mut first = plain.write().to_vec();
    first.extend([0xFC; 80]);
    let mut second = decorated.write().to_vec();
    second.extend([
        0, 0, 0, 9, 0xBE, 0xDE, 0, 1, 0x10, 0x85, 0, 0, 0xF8, 0xFF, 0xFE, 0, 2,
    ]);
    // A frame of which nobody ever gets the key.
    let mut third = Header::opus(7, 6_720, Ssrc(2)).write().to_vec();
    let mut frame = vec![0xFC; 40 + MAX_OVERHEAD_BYTES];
    let sealed = FrameSealer::new(&BaseSecret::new([3; 16]), 1).seal(&mut frame, 40);
    third.extend(&frame[..sealed.unwrap_or(0)]);
    vec![first, second, third]
}

/// Sealed as the server would, if it has a header at all.
fn sealed(rtp: &mut RtpSealer, packet: &[u8]) -> Vec<u8> {
    let clear = Header::parse(packet).map_or(FIXED_HEADER_LEN, |header| header.clear_len());
    let end = packet.len();
    let mut datagram = packet.to_vec();
    datagram.resize(end + rtp.overhead(), 0);
    // What is too short for its header goes out as it is.
    let _ = rtp.seal(&mut datagram, clear, end);
    datagram
}

fuzz_target!(|input: &[u8]| {
    let mut plan = Plan::new(input);
    let real = real();
    let mut now = Instant::now();
    let mut rtp = RtpSealer::new(MODE, &KEY, 0);
    let mut ear = Hearing::new();
    let opener = || RtpOpener::new(MODE, &KEY);
    ear.plug(opener(), opener(), Ssrc(9));
    ear.keys(now, &MediaKeys::Passthrough(Passthrough::Always));
    let mut ticks = 0;
    while !plan.is_over() && ticks < 2_000 {
        let what = plan.byte();
        let ssrc = Ssrc(u32::from(what >> 4 & 3));
        match what & 0x0F {
            0 => ear.want(Want {
                packets: what & 16 != 0,
                pcm: what & 32 != 0,
                mix: what & 64 != 0,
                lanes: false,
            }),
            1 => ear.learn(now, ssrc, UserId::new(1 + u64::from(what >> 6))),
            2 => ear.forget(UserId::new(1 + u64::from(what >> 6))),
            3 => {
                ear.unplug();
                ear.plug(opener(), opener(), Ssrc(9));
                let passthrough = match what >> 6 {
                    0 => Passthrough::Always,
                    1 => Passthrough::Meanwhile,
                    2 => Passthrough::Until(now + Duration::from_secs(1)),
                    _ => Passthrough::Never,
                };
                ear.keys(now, &MediaKeys::Passthrough(passthrough));
                let (user_id, base) = (UserId::new(1), BaseSecret::new([4; 16]));
                let key = MediaKeys::Receiver {
                    user_id,
                    epoch: 1,
                    base,
                };
                ear.keys(now, &key);
            }
            4..=6 => {
                // A thread that stood still leaves ticks out.
                let skipped = if what >= 0xE0 { 110 } else { 0 };
                ear.skip(skipped);
                ticks += u64::from(skipped);
                now += Duration::from_millis(20) * (skipped + 1);
                let heard = ear.tick(now);
                assert_eq!(heard.tick, ticks);
                ticks += 1;
                // One input spells out far fewer packets than a tick may carry.
                assert!(heard.packets.len() <= input.len());
                for packet in &heard.packets {
                    assert_eq!(packet.unopened, packet.payload.is_empty());
                }
                let voices = heard.voices.iter().filter_map(|voice| voice.pcm.as_ref());
                for block in voices.chain(&heard.mix) {
                    assert!(block.iter().all(|sample| sample.is_finite()));
                }
            }
            _ => {
                let Some(packet) = plan.message(&real) else {
                    break;
                };
                let mut datagram = match what & 128 {
                    0 => sealed(&mut rtp, &packet),
                    _ => packet,
                };
                let _ = ear.take(now, &mut datagram);
            }
        }
    }
    let _ = ear.stats();
});
