//! What the SFU costs. `cargo bench -p mynah-server --bench forward`.
//!
//! The promise: forwarding one 200-byte packet to one receiver costs at most 3 us, so that 50
//! people talking at once in one room fit into half a core. `room/50_talkers` is one 20 ms tick of
//! exactly that room over real loopback sockets: below 10 ms it fits. Rooms are measured in CPU time
//! of this thread, which is what the promise is about, and what other programs disturb least.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a benchmark that fails should stop"
)]

use std::hint::black_box;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use mynah_server::voice::seal::Transport;
use mynah_server::voice::sfu::{Counters, Forwarder, Keys, MAX_DATAGRAM, Member, Outlet, Table};
use mynah_wire::rtp::Header;
use mynah_wire::{ChannelId, EncryptionMode, Ssrc, UserId};
use zeroize::Zeroizing;

const FRAME_BYTES: usize = 200;
const MODES: [(&str, EncryptionMode); 3] = [
    ("aes256_gcm", EncryptionMode::Aes256GcmRtpSize),
    ("xchacha20", EncryptionMode::XChaCha20Poly1305RtpSize),
    ("xsalsa20_lite", EncryptionMode::XSalsa20Lite),
];

struct Nowhere;

impl Outlet for Nowhere {
    fn send(&mut self, _: SocketAddr, datagram: &[u8]) {
        black_box(datagram);
    }
}

fn key(user: usize) -> [u8; 32] {
    [user as u8; 32]
}

fn packet(user: usize, mode: EncryptionMode) -> Vec<u8> {
    let mut bytes = Header::opus(1, 960, Ssrc(user as u32)).write().to_vec();
    bytes.resize(12 + FRAME_BYTES, 0x55);
    let end = bytes.len();
    bytes.resize(end + mode.overhead_bytes(), 0);
    Transport::new(mode, &key(user), 1, 0)
        .seal(&mut bytes, end)
        .unwrap();
    bytes
}

/// Users 1 to `addresses.len()` in one room, all talking.
fn room(mode: EncryptionMode, addresses: &[SocketAddr]) -> Forwarder {
    let members = addresses.iter().enumerate().map(|(index, address)| {
        let user = index + 1;
        Member {
            session: user as u64,
            user_id: UserId::new(user as u64),
            channel_id: ChannelId::new(1),
            ssrc: Ssrc(user as u32),
            address: Some(*address),
            keys: Some(Keys {
                mode,
                key: Zeroizing::new(key(user)),
                serial: user as u64,
            }),
            speaking: 1,
            has_spoken: true,
            may_speak: true,
            may_hear: true,
            is_deaf_to_sealed: false,
            counters: Arc::new(Counters::default()),
        }
    });
    let table = Table {
        generation: 1,
        members: members.collect(),
        faults: Vec::new(),
    };
    let mut forwarder = Forwarder::new(0);
    forwarder.adopt(Instant::now(), Arc::new(table), &mut Nowhere);
    forwarder
}

fn ciphers(c: &mut Criterion) {
    let mut group = c.benchmark_group("cipher_200B");
    for (name, mode) in MODES {
        let sealed = packet(1, mode);
        let mut transport = Transport::new(mode, &key(1), 1, 0);
        let mut buffer = sealed.clone();
        group.bench_function(format!("seal/{name}"), |b| {
            b.iter(|| {
                // The header is clear and stays; what the body holds does not matter.
                transport.seal(black_box(&mut buffer), 12 + FRAME_BYTES)
            });
        });
        group.bench_function(format!("open/{name}"), |b| {
            b.iter(|| {
                buffer.copy_from_slice(&sealed);
                transport.open(black_box(&mut buffer)).unwrap()
            });
        });
    }
    group.finish();
}

/// Everything but the kernel: open once, rebuild, seal per receiver.
fn without_sockets(c: &mut Criterion) {
    let mut group = c.benchmark_group("forward_without_socket");
    for receivers in [1_usize, 49] {
        group.throughput(Throughput::Elements(receivers as u64));
        for (name, mode) in MODES {
            let addresses: Vec<_> = (0..=receivers)
                .map(|_| "127.0.0.1:9".parse().unwrap())
                .collect();
            let mut forwarder = room(mode, &addresses);
            let sealed = packet(1, mode);
            let mut buffer = sealed.clone();
            group.bench_function(format!("{name}/{receivers}_receivers"), |b| {
                b.iter(|| {
                    buffer.copy_from_slice(&sealed);
                    forwarder.receive(Instant::now(), addresses[0], &mut buffer, &mut Nowhere);
                });
            });
        }
    }
    group.finish();
}

/// CPU time of this thread.
fn cpu() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(now).unwrap()
}

/// One 20 ms tick of `talkers` people in one room, with receiving and sending on loopback. Sending
/// towards the server and emptying the receivers' sockets is not timed.
fn tick(talkers: usize, mode: EncryptionMode, ticks: u64) -> Duration {
    let server = UdpSocket::bind("127.0.0.1:0").unwrap();
    let to = server.local_addr().unwrap();
    let clients: Vec<_> = (0..talkers)
        .map(|_| {
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            socket.set_nonblocking(true).unwrap();
            socket
        })
        .collect();
    let addresses: Vec<_> = clients.iter().map(|c| c.local_addr().unwrap()).collect();
    let packets: Vec<_> = (1..=talkers).map(|user| packet(user, mode)).collect();
    let mut forwarder = room(mode, &addresses);
    let mut outlet = &server;
    let mut buffer = [0; MAX_DATAGRAM];
    let mut spent = Duration::ZERO;
    for _ in 0..ticks {
        for (client, packet) in clients.iter().zip(&packets) {
            client.send_to(packet, to).unwrap();
        }
        let start = cpu();
        for _ in 0..talkers {
            let (length, from) = server.recv_from(&mut buffer).unwrap();
            forwarder.receive(Instant::now(), from, &mut buffer[..length], &mut outlet);
        }
        spent += cpu() - start;
        for client in &clients {
            let heard = std::iter::from_fn(|| client.recv_from(&mut buffer).ok()).count();
            assert_eq!(heard, talkers - 1, "the kernel lost packets");
        }
    }
    spent
}

fn with_sockets(c: &mut Criterion) {
    let mut group = c.benchmark_group("room");
    group.sample_size(20);
    for talkers in [2_usize, 50] {
        group.throughput(Throughput::Elements((talkers * (talkers - 1)) as u64));
        for (name, mode) in MODES {
            group.bench_function(format!("{name}/{talkers}_talkers"), |b| {
                b.iter_custom(|ticks| tick(talkers, mode, ticks));
            });
        }
    }
    group.finish();
}

criterion_group!(benches, ciphers, without_sockets, with_sockets);
criterion_main!(benches);
