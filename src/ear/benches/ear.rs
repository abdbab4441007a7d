//! What it costs to hear: `cargo bench -p mynah-ear`.
//!
//! One session in which everybody speaks all the time; every packet is opened twice (AES-256-GCM, DAVE).
//! The kernel's share of receiving is not in it.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    missing_docs
)]

use std::time::Instant;

use criterion::{Criterion, criterion_group, criterion_main};
use mynah_audio::{Encoder, EncoderConfig, SILENT_BLOCK};
use mynah_dave::BaseSecret;
use mynah_dave::frame::{FrameSealer, MAX_OVERHEAD_BYTES};
use mynah_ear::{Hearing, TICK, Want};
use mynah_session::transport::{RtpOpener, RtpSealer};
use mynah_session::voice::MediaKeys;
use mynah_wire::rtp::{FIXED_HEADER_LEN, Header};
use mynah_wire::{EncryptionMode, Ssrc, UserId};

const MODE: EncryptionMode = EncryptionMode::Aes256GcmRtpSize;
const KEY: [u8; 32] = [7; 32];
const PACKETS: Want = Want {
    packets: true,
    pcm: false,
    mix: false,
    lanes: false,
};
const SOUND: Want = Want {
    packets: false,
    pcm: true,
    mix: true,
    lanes: false,
};

fn base(user: u32) -> BaseSecret {
    let mut bytes = [0; 16];
    bytes[..4].copy_from_slice(&user.to_le_bytes());
    BaseSecret::new(bytes)
}

/// A call and the clock.
struct Room {
    ear: Hearing,
    now: Instant,
    sealers: Vec<FrameSealer>,
    rtp: RtpSealer,
    /// A second of somebody's packets, the same for all.
    sound: Vec<Vec<u8>>,
    tick: u32,
}

impl Room {
    fn new(speakers: u32, want: Want) -> Self {
        let (mut ear, now) = (Hearing::new(), Instant::now());
        let opener = || RtpOpener::new(MODE, &KEY);
        ear.plug(opener(), opener(), Ssrc(u32::MAX));
        ear.want(want);
        for user in 0..speakers {
            let user_id = UserId::new(u64::from(user) + 1);
            let keys = MediaKeys::Receiver {
                user_id,
                epoch: 1,
                base: base(user),
            };
            ear.keys(now, &keys);
            ear.learn(now, Ssrc(user), user_id);
        }
        let mut encoder = Encoder::new(EncoderConfig {
            bitrate_bps: 64_000,
            ..EncoderConfig::default()
        })
        .unwrap();
        let mut turn = 0.0_f32;
        let sound = (0..50).map(|_| {
            let mut block = SILENT_BLOCK;
            for pair in block.chunks_exact_mut(2) {
                pair.fill(0.2 * turn.sin());
                turn += 0.05;
            }
            let mut frame = [0; 1_400];
            let length = encoder.encode(&block, &mut frame).unwrap();
            frame[..length].to_vec()
        });
        Self {
            ear,
            now,
            sound: sound.collect(),
            sealers: (0..speakers)
                .map(|user| FrameSealer::new(&base(user), 1))
                .collect(),
            rtp: RtpSealer::new(MODE, &KEY, 0),
            tick: 0,
        }
    }

    /// What the server sends in 20 ms.
    fn datagrams(&mut self) -> Vec<Vec<u8>> {
        self.tick += 1;
        let tick = self.tick;
        let frame = &self.sound[tick as usize % self.sound.len()];
        let rtp = &mut self.rtp;
        let sealed = self.sealers.iter_mut().enumerate().map(|(user, sealer)| {
            let mut body = frame.clone();
            body.resize(frame.len() + MAX_OVERHEAD_BYTES, 0);
            let length = sealer.seal(&mut body, frame.len()).unwrap();
            let header = Header::opus(tick as u16, tick * 960, Ssrc(user as u32));
            let mut packet = header.write().to_vec();
            packet.extend(&body[..length]);
            let end = packet.len();
            packet.resize(end + rtp.overhead(), 0);
            rtp.seal(&mut packet, FIXED_HEADER_LEN, end).unwrap();
            packet
        });
        sealed.collect()
    }

    fn hear(&mut self, mut datagrams: Vec<Vec<u8>>) -> usize {
        for datagram in &mut datagrams {
            let _ = self.ear.take(self.now, datagram);
        }
        self.now += TICK;
        let heard = self.ear.tick(self.now);
        heard.packets.len() + heard.voices.len()
    }
}

fn hear(c: &mut Criterion) {
    for (name, speakers, want) in [
        ("200 speakers, packets only, 20 ms", 200, PACKETS),
        ("25 speakers, decoded and mixed, 20 ms", 25, SOUND),
    ] {
        let mut room = Room::new(speakers, want);
        // Past the first talkspurt's delay.
        for _ in 0..50 {
            let datagrams = room.datagrams();
            room.hear(datagrams);
        }
        c.bench_function(name, |b| {
            b.iter_custom(|rounds| {
                let mut spent = std::time::Duration::ZERO;
                for _ in 0..rounds {
                    let datagrams = room.datagrams();
                    let begin = Instant::now();
                    let heard = room.hear(datagrams);
                    spent += begin.elapsed();
                    assert_eq!(heard, speakers as usize);
                }
                spent
            });
        });
    }
}

/// Resident memory in kB.
fn resident() -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = text.lines().find(|line| line.starts_with("VmRSS")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn memory(_: &mut Criterion) {
    for (name, speakers, want) in [("packets only", 200_u32, PACKETS), ("decoded", 100, SOUND)] {
        let before = resident();
        let mut room = Room::new(speakers, want);
        for _ in 0..500 {
            let datagrams = room.datagrams();
            room.hear(datagrams);
        }
        let each = (resident() - before) / u64::from(speakers);
        println!("memory of a speaker, {name}: {each} kB");
    }
}

criterion_group!(benches, memory, hear);
criterion_main!(benches);
