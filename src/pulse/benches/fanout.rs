//! One live mix to 1,000 sessions: what a subscriber costs beyond the one encode.
//!
//! `cargo bench -p mynah-pulse --bench fanout`: a bus with speech over music, DAVE and AES-256-GCM
//! for each subscriber, once without and once with the kernel's send (loopback, nobody reads).
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    clippy::print_stdout
)]

use std::hint::black_box;
use std::net::UdpSocket;
use std::time::Instant;

use mynah_audio::{Lane, SILENT_BLOCK};
use mynah_dave::BaseSecret;
use mynah_dave::frame::FrameSealer;
use mynah_pulse::{
    MixConfig, RingWriter, Sender, Sent, TrackId, TrackOptions, Transmit, Transport, WAKE_NS,
    by_hand, ring,
};
use mynah_session::transport::RtpSealer;
use mynah_wire::{EncryptionMode, Ssrc};

/// Sessions of one thread, the bus not counted.
const SESSIONS: u32 = 1000;
/// Ticks of 20 ms that are measured.
const TICKS: u32 = 500;

/// Time that passes only when told to; sends through a socket if there is one.
struct World(u64, Option<UdpSocket>);

impl Transmit for World {
    type Link = ();

    fn now_ns(&mut self) -> u64 {
        self.0
    }

    fn send(&mut self, (): &(), datagram: &[u8]) -> Sent {
        if let Some(socket) = &self.1 {
            let _full = socket.send(black_box(datagram));
        }
        black_box(datagram);
        Sent::Done
    }
}

/// A chord (music) or a low tone that comes and goes (speech).
fn refill(writer: &mut RingWriter, from: &mut usize, hz: &[f32]) {
    let mut block = SILENT_BLOCK;
    while writer.free() > 0 {
        for (i, frame) in block.chunks_exact_mut(2).enumerate() {
            let t = (*from + i) as f32 / 48_000.0;
            let sum: f32 = hz
                .iter()
                .map(|hz| (t * hz * std::f32::consts::TAU).sin())
                .sum();
            frame.fill(0.1 * sum);
        }
        *from += 960;
        assert!(writer.put(|to| *to = block));
    }
}

/// Microseconds for 20 ms of a bus with so many subscribers.
fn measure(sessions: u32, socket: Option<UdpSocket>) -> f64 {
    let (mut wheel, handle, mut janitor) = by_hand(0);
    let mut io = World(0, socket);
    let mix = MixConfig {
        bitrate_bps: 96_000,
        complexity: 5,
    };
    let bus = handle.open_bus(mix).unwrap();
    let lanes = [Lane::Bed, Lane::Speech];
    let mut tracks: Vec<_> = (1..)
        .zip(lanes)
        .map(|(id, lane)| {
            let (writer, reader) = ring(16);
            let options = TrackOptions {
                lane,
                ..TrackOptions::default()
            };
            handle.play(bus.key(), TrackId(id), reader, options);
            (writer, 0)
        })
        .collect();
    for n in 0..sessions {
        let session = handle.open(mix).unwrap();
        let base = BaseSecret::new([1; BaseSecret::BYTES]);
        handle.attach(
            session,
            Transport {
                socket: (),
                sender: Sender::Sealed(Box::new(FrameSealer::new(&base, 1))),
                sealer: RtpSealer::new(EncryptionMode::Aes256GcmRtpSize, &[7; 32], 0),
                ssrc: Ssrc(n),
                first_sequence: 0,
                first_timestamp: 0,
            },
        );
        handle.subscribe(session, Some(&bus));
        io.0 = wheel.step(&mut io).max(io.0 + WAKE_NS);
        janitor.sweep();
    }
    let mut spent = std::time::Duration::ZERO;
    for tick in 0..TICKS + 50 {
        for ((writer, from), hz) in tracks
            .iter_mut()
            .zip([&[220.0, 277.2, 880.0, 3520.0][..], &[140.0]])
        {
            refill(writer, from, hz);
        }
        let begin = Instant::now();
        for _ in 0..4 {
            io.0 = wheel.step(&mut io).max(io.0 + WAKE_NS);
        }
        // The first second is for everybody to come in.
        if tick >= 50 {
            spent += begin.elapsed();
        }
    }
    let stats = handle.stats();
    let forwarded = stats
        .sessions
        .iter()
        .map(|s| s.frames_forwarded)
        .sum::<u64>();
    assert!(forwarded >= u64::from(sessions * TICKS), "{forwarded}");
    spent.as_secs_f64() * 1e6 / f64::from(TICKS)
}

fn main() {
    let socket = || {
        let sink = UdpSocket::bind("127.0.0.1:0").unwrap();
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.connect(sink.local_addr().unwrap()).unwrap();
        socket.set_nonblocking(true).unwrap();
        (socket, sink)
    };
    let one = measure(1, None);
    let many = measure(SESSIONS, None);
    let (sending, _sink) = socket();
    let sent = measure(SESSIONS, Some(sending));
    let each = |all: f64| (all - one) / f64::from(SESSIONS - 1);
    println!("the bus and one subscriber: {one:.1} us for each 20 ms (one encode, complexity 5)");
    println!(
        "each further subscriber: {:.2} us, with the kernel's send {:.2} us",
        each(many),
        each(sent)
    );
}
