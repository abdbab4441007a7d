//! What a tick costs, stage by stage, and what a session weighs.
//!
//! `cargo bench -p mynah-pulse --bench tick`: mix, encode (by complexity), seal (both current modes,
//! and end to end), send, one whole session tick, an idle wheel of 1,000 sessions. The memory of a session is printed first.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    clippy::print_stdout
)]

use std::hint::black_box;
use std::net::UdpSocket;

use criterion::{BenchmarkId, Criterion, criterion_group};
use mynah_audio::{Block, Encoder, EncoderConfig, Limiter, Ramp, SILENT_BLOCK};
use mynah_dave::BaseSecret;
use mynah_dave::frame::FrameSealer;
use mynah_pulse::{
    MixConfig, PulseHandle, RingWriter, Sender, Sent, SessionKey, TrackId, TrackOptions, Transmit,
    Transport, WAKE_NS, by_hand, packet_ring, ring,
};
use mynah_session::transport::RtpSealer;
use mynah_testkit::alloc::live_bytes;
use mynah_wire::{EncryptionMode, Ssrc};

#[global_allocator]
static GUARD: mynah_testkit::alloc::Guard = mynah_testkit::alloc::Guard;

/// Music-like: a chord with vibrato over a little noise, so that the encoder has to work.
fn music(from: usize) -> Block {
    let mut noise = 12_345u32;
    let mut block = SILENT_BLOCK;
    for (i, frame) in block.chunks_exact_mut(2).enumerate() {
        let t = (from + i) as f32 / 48_000.0;
        let vibrato = 1.0 + 0.003 * (t * 34.0).sin();
        let chord: f32 = [220.0, 277.2, 329.6, 440.0, 880.0, 1760.0, 3520.0]
            .iter()
            .map(|hz| (t * hz * vibrato * std::f32::consts::TAU).sin())
            .sum();
        noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let hiss = (noise >> 8) as f32 / (1 << 24) as f32 - 0.5;
        frame.copy_from_slice(&[chord * 0.1 + hiss * 0.02, chord * 0.08 - hiss * 0.02]);
    }
    block
}

/// Time that passes only when told to, and a network that takes everything.
struct Virtual(u64);

impl Transmit for Virtual {
    type Link = ();

    fn now_ns(&mut self) -> u64 {
        self.0
    }

    fn send(&mut self, (): &(), datagram: &[u8]) -> Sent {
        black_box(datagram);
        Sent::Done
    }
}

fn sealer(epoch: u64) -> Box<FrameSealer> {
    let base = BaseSecret::new([epoch as u8; BaseSecret::BYTES]);
    Box::new(FrameSealer::new(&base, epoch))
}

fn transport() -> Transport<()> {
    Transport {
        socket: (),
        sender: Sender::Sealed(sealer(1)),
        sealer: RtpSealer::new(EncryptionMode::Aes256GcmRtpSize, &[7; 32], 0),
        ssrc: Ssrc(1),
        first_sequence: 0,
        first_timestamp: 0,
    }
}

fn open(handle: &PulseHandle<()>, complexity: u8, blocks: usize) -> (SessionKey, RingWriter) {
    let bitrate_bps = 96_000;
    let session = handle
        .open(MixConfig {
            bitrate_bps,
            complexity,
        })
        .unwrap();
    let (writer, reader) = ring(blocks);
    handle.attach(session, transport());
    handle.play(session, TrackId(1), reader, TrackOptions::default());
    (session, writer)
}

fn stages(c: &mut Criterion) {
    let song: Vec<Block> = (0..50).map(|b| music(b * 960)).collect();
    let mut group = c.benchmark_group("stage");
    let (mut n, mut bus) = (0, SILENT_BLOCK);
    let mut next = || {
        n = (n + 1) % song.len();
        &song[n]
    };

    let mut ramp = Ramp::new(0.7);
    group.bench_function("mix one track, fixed gain", |b| {
        b.iter(|| ramp.add(black_box(next()), &mut bus));
    });
    group.bench_function("mix one track, moving gain", |b| {
        b.iter(|| {
            ramp.set(if ramp.gain() > 0.5 { 0.2 } else { 0.9 }, 240);
            ramp.add(black_box(next()), &mut bus);
        });
    });
    let mut limiter = Limiter::new();
    bus = song[0];
    group.bench_function("limiter, at rest", |b| {
        b.iter(|| limiter.process(&mut bus, true))
    });

    let mut out = [0; 1275];
    for complexity in [1, 5, 10] {
        let mut encoder = Encoder::new(EncoderConfig {
            bitrate_bps: 96_000,
            complexity,
            ..EncoderConfig::default()
        })
        .unwrap();
        group.bench_function(BenchmarkId::new("encode, complexity", complexity), |b| {
            b.iter(|| encoder.encode(next(), &mut out).unwrap());
        });
    }

    let mut packet = [0xAB; 1460];
    for mode in EncryptionMode::CURRENT {
        let mut sealer = RtpSealer::new(mode, &[7; 32], 0);
        group.bench_function(BenchmarkId::new("seal 240 bytes", mode), |b| {
            b.iter(|| sealer.seal(&mut packet, 12, 252).unwrap());
        });
    }

    let mut frames = sealer(1);
    group.bench_function("seal 240 bytes end to end", |b| {
        b.iter(|| frames.seal(&mut packet, 240).unwrap());
    });

    let sink = UdpSocket::bind("127.0.0.1:0").unwrap();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(sink.local_addr().unwrap()).unwrap();
    socket.set_nonblocking(true).unwrap();
    group.bench_function("send 272 bytes, loopback, nobody reads", |b| {
        b.iter(|| socket.send(black_box(&packet[..272])));
    });
    group.finish();
}

fn whole_tick(c: &mut Criterion) {
    let song: Vec<Block> = (0..50).map(|b| music(b * 960)).collect();
    let mut group = c.benchmark_group("session tick (ring, mix, encode, seal twice)");
    for complexity in [1, 5, 10] {
        let (mut wheel, handle, _janitor) = by_hand(0);
        let (_, mut writer) = open(&handle, complexity, 16);
        let (mut io, mut n) = (Virtual(0), 0);
        group.bench_function(BenchmarkId::new("complexity", complexity), |b| {
            b.iter(|| {
                while writer.put(|block| *block = song[n % song.len()]) {
                    n += 1;
                }
                // Once around the wheel is one packet.
                for _ in 0..4 {
                    io.0 = wheel.step(&mut io).max(io.0 + WAKE_NS);
                }
            });
        });
    }
    group.finish();

    let (mut wheel, handle, mut janitor) = by_hand(0);
    let (session, _writer) = open(&handle, 5, 1);
    let (mut io, mut epoch) = (Virtual(0), 1);
    c.bench_function("one wake that changes an epoch", |b| {
        b.iter(|| {
            epoch += 1;
            handle.sender(session, Sender::Sealed(sealer(epoch)));
            io.0 = wheel.step(&mut io).max(io.0 + WAKE_NS);
            janitor.sweep()
        });
    });

    let (mut wheel, handle, mut janitor) = by_hand(0);
    let mut io = Virtual(0);
    let idle: Vec<_> = (0..1000)
        .map(|_| {
            let opened = open(&handle, 5, 1);
            handle.pause(opened.0, TrackId(1));
            io.0 = wheel.step(&mut io).max(io.0 + WAKE_NS);
            janitor.sweep();
            opened
        })
        .collect();
    c.bench_function("one wake with 1000 sleeping sessions", |b| {
        b.iter(|| io.0 = wheel.step(&mut io).max(io.0 + WAKE_NS));
    });
    drop(idle);
}

fn passthrough(c: &mut Criterion) {
    pass_on(c, "one tick of 100 sessions that pass packets on", false);
    let recorded = "one tick of 100 sessions that pass packets on, their lanes recorded";
    pass_on(c, recorded, true);
}

/// Opus packets that go out as they are: 100 sessions, so that the wheel's own wakes do not count.
fn pass_on(c: &mut Criterion, name: &str, recorded: bool) {
    const SESSIONS: u32 = 100;
    let mut encoder = Encoder::new(EncoderConfig {
        bitrate_bps: 96_000,
        ..EncoderConfig::default()
    })
    .unwrap();
    let song: Vec<Vec<u8>> = (0..50)
        .map(|b| {
            let mut packet = [0; 1275];
            let len = encoder.encode(&music(b * 960), &mut packet).unwrap();
            packet[..len].to_vec()
        })
        .collect();
    let (mut wheel, handle, _janitor) = by_hand(0);
    let mut io = Virtual(0);
    let mut lanes = vec![];
    let mut writers: Vec<RingWriter> = (0..SESSIONS)
        .map(|_| {
            let (session, _) = open(&handle, 10, 1);
            if recorded {
                lanes.push(handle.listen_lanes(session));
            }
            handle.stop(session, TrackId(1));
            let (writer, reader) = packet_ring(16);
            handle.play(session, TrackId(2), reader, TrackOptions::default());
            for _ in 0..8 {
                io.0 = wheel.step(&mut io).max(io.0 + WAKE_NS);
            }
            writer
        })
        .collect();
    let mut n = 0;
    let mut spent = std::time::Duration::ZERO;
    c.bench_function(name, |b| {
        b.iter_custom(|rounds| {
            spent = std::time::Duration::ZERO;
            for _ in 0..rounds {
                for writer in &mut writers {
                    while writer.commit_packet(&song[n % song.len()]) {
                        n += 1;
                    }
                }
                for lanes in &mut lanes {
                    while lanes.next(|_, _| {}).is_some() {}
                }
                let begin = std::time::Instant::now();
                for _ in 0..4 {
                    io.0 = wheel.step(&mut io).max(io.0 + WAKE_NS);
                }
                spent += begin.elapsed();
            }
            spent
        });
    });
    let stats = handle.stats();
    assert!(stats.frames_passed > 1000 && stats.frames_encoded < 1000);
    let lost: u64 = lanes.iter().map(mynah_pulse::LaneReader::lost).sum();
    assert_eq!(lost, 0, "everything was read");
}

/// Rust's allocations of one session; libopus adds 48.5 kB for its encoder (design/crates.md 1.2).
fn weigh() {
    const SESSIONS: u64 = 100;
    let (mut wheel, handle, mut janitor) = by_hand(0);
    let mut io = Virtual(0);
    let mut run = |wheel: &mut mynah_pulse::Wheel<()>| {
        for _ in 0..20 {
            io.0 = wheel.step(&mut io).max(io.0 + WAKE_NS);
        }
        janitor.sweep();
    };
    run(&mut wheel);
    let before = live_bytes();
    let writers: Vec<_> = (0..SESSIONS).map(|_| open(&handle, 5, 16)).collect();
    run(&mut wheel);
    let with_rings = (live_bytes() - before) / SESSIONS;
    let rings: Vec<_> = {
        let before = live_bytes();
        let ring = ring(16);
        let bytes = live_bytes() - before;
        drop(ring);
        vec![bytes]
    };
    println!(
        "memory per session: {:.1} kB, of which the track's ring of 16 blocks {:.1} kB; libopus adds 48.5 kB",
        with_rings as f64 / 1e3,
        rings[0] as f64 / 1e3,
    );
    drop(writers);
}

criterion_group!(benches, stages, whole_tick, passthrough);

fn main() {
    weigh();
    benches();
    Criterion::default().configure_from_args().final_summary();
}
