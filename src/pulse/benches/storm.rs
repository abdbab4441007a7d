//! What a storm of epoch changes does to punctuality: 100 sessions on one tick thread, first in
//! peace, then with new keys for each of them some ten times a second, posted from another thread at
//! random times.
//!
//! `cargo bench -p mynah-pulse --bench storm`, on a quiet machine. Takes a minute.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    clippy::print_stdout
)]

use std::net::UdpSocket;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use mynah_dave::BaseSecret;
use mynah_dave::frame::FrameSealer;
use mynah_pulse::{
    MixConfig, Pulse, PulseConfig, PulseHandle, RingWriter, Sender, SessionKey, Stats, TrackId,
    TrackOptions, Transport, ring,
};
use mynah_session::transport::RtpSealer;
use mynah_wire::rng::Rng;
use mynah_wire::{EncryptionMode, Ssrc};

const SESSIONS: u32 = 100;
const LASTS: Duration = Duration::from_secs(25);
/// Mean pause between two orders: a thousand a second, ten for each session.
const PAUSE_US: u64 = 1000;

fn sealed(epoch: u64) -> Sender {
    let mut bytes = [3; BaseSecret::BYTES];
    bytes[..8].copy_from_slice(&epoch.to_le_bytes());
    let base = BaseSecret::new(bytes);
    Sender::Sealed(Box::new(FrameSealer::new(&base, epoch)))
}

/// A session that plays whatever is in its ring, to a socket nobody reads.
fn open(handle: &PulseHandle, sink: &UdpSocket, ssrc: u32) -> (SessionKey, RingWriter) {
    let mix = MixConfig {
        bitrate_bps: 96_000,
        complexity: 1,
    };
    let session = handle.open(mix).unwrap();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(sink.local_addr().unwrap()).unwrap();
    let transport = Transport {
        socket,
        sealer: RtpSealer::new(EncryptionMode::Aes256GcmRtpSize, &[1; 32], 0),
        sender: sealed(1),
        ssrc: Ssrc(ssrc),
        first_sequence: 0,
        first_timestamp: 0,
    };
    handle.attach(session, transport);
    let (writer, reader) = ring(16);
    handle.play(session, TrackId(1), reader, TrackOptions::default());
    (session, writer)
}

/// New keys for one session after the other, in random order at random times.
fn rage(handle: &PulseHandle, sessions: &[SessionKey], over: &AtomicBool) -> u64 {
    let (mut rng, mut orders) = (Rng::new(7), 0);
    while !over.load(Ordering::Relaxed) {
        let at = rng.next_u64() as usize % sessions.len();
        handle.sender(sessions[at], sealed(2 + orders));
        orders += 1;
        thread::sleep(Duration::from_micros(rng.next_u64() % (2 * PAUSE_US)));
    }
    orders
}

fn run(storm: bool) -> (Stats, u64) {
    let config = PulseConfig {
        threads: 1,
        fifo: true,
    };
    let pulse = Pulse::start(config).unwrap();
    let (handle, sink) = (pulse.handle(), UdpSocket::bind("127.0.0.1:0").unwrap());
    let (sessions, mut writers): (Vec<_>, Vec<_>) =
        (0..SESSIONS).map(|ssrc| open(&handle, &sink, ssrc)).unzip();
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let raging = storm.then(|| scope.spawn(|| rage(&handle, &sessions, &over)));
        let (end, mut n) = (Instant::now() + LASTS, 0u32);
        while Instant::now() < end {
            for writer in &mut writers {
                while writer.put(|block| {
                    for frame in block.chunks_exact_mut(2) {
                        n = n.wrapping_add(1);
                        frame.fill(0.3 * (n as f32 * 0.0576).sin());
                    }
                }) {}
            }
            thread::sleep(Duration::from_millis(40));
        }
        over.store(true, Ordering::Relaxed);
        let orders = raging.map_or(0, |raging| raging.join().unwrap());
        (handle.stats(), orders)
    })
}

fn main() {
    for (name, storm) in [("quiet", false), ("storm", true)] {
        let (stats, orders) = run(storm);
        println!(
            "{name}: {SESSIONS} sessions, {orders} changes of epoch, real-time class: {}",
            stats.is_real_time()
        );
        println!("  lateness   {}", stats.lateness);
        println!("  wake cost  {}", stats.wake_cost);
        println!(
            "  sent {}, late {}, stale {}, orders lost {}",
            stats.packets_sent, stats.late_packets, stats.sealed_stale, stats.orders_lost
        );
    }
}
