//! Ear threads with real sockets on loopback.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::net::UdpSocket;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use mynah_ear::{Ear, EarNews, Ears, Heard, Tap, Want};
use mynah_session::transport::{RtpOpener, RtpSealer};
use mynah_session::voice::{MediaKeys, Passthrough};
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

/// A server that sends to one ear.
struct Server {
    socket: UdpSocket,
    sealer: RtpSealer,
    sequence: u16,
}

fn connect() -> (UdpSocket, Server) {
    let server = UdpSocket::bind("127.0.0.1:0").unwrap();
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    client.connect(server.local_addr().unwrap()).unwrap();
    server.connect(client.local_addr().unwrap()).unwrap();
    let server = Server {
        socket: server,
        sealer: RtpSealer::new(MODE, &KEY, 0),
        sequence: 0,
    };
    (client, server)
}

impl Server {
    fn say(&mut self, ssrc: u32) {
        self.sequence += 1;
        let header = Header::opus(self.sequence, 960 * u32::from(self.sequence), Ssrc(ssrc));
        let mut packet = header.write().to_vec();
        packet.extend([0xF8, 0xFF, 0xFE]);
        let end = packet.len();
        packet.resize(end + self.sealer.overhead(), 0);
        self.sealer
            .seal(&mut packet, FIXED_HEADER_LEN, end)
            .unwrap();
        self.socket.send(&packet).unwrap();
    }
}

fn plug(ear: &Ear, socket: UdpSocket) {
    ear.keys(MediaKeys::Passthrough(Passthrough::Always));
    let opener = || RtpOpener::new(MODE, &KEY);
    ear.plug(socket, opener(), opener(), Ssrc(1));
}

/// Reads until `done`, at most ten seconds.
fn until(tap: &mut Tap, mut done: impl FnMut(&Heard) -> bool) {
    let limit = Instant::now() + Duration::from_secs(10);
    while Instant::now() < limit {
        match tap.next() {
            Some(heard) if done(&heard) => return,
            Some(_) => {}
            None => std::thread::yield_now(),
        }
    }
    panic!("it never came");
}

#[test]
fn packets_reach_everybody_who_listens_and_the_socket_rests_when_nobody_does() {
    let ears = Ears::start(2).unwrap();
    let (socket, mut server) = connect();
    let other_handle = socket.try_clone().unwrap();
    let ear = ears.handle().open(Box::new(|| {})).unwrap();
    plug(&ear, socket);
    assert!(!ear.is_listening());
    let (mut one, mut two) = (ear.listen(PACKETS), ear.listen(PACKETS));
    assert!(ear.is_listening());
    ear.learn(Ssrc(5), UserId::new(50));
    for _ in 0..10 {
        server.say(5);
    }
    for tap in [&mut one, &mut two] {
        let (mut packets, mut ticks) = (Vec::new(), Vec::new());
        until(tap, |heard| {
            ticks.push(heard.tick);
            packets.extend(heard.packets.clone());
            packets.len() == 10
        });
        assert!(
            packets
                .iter()
                .all(|packet| packet.user == Some(UserId::new(50)))
        );
        let numbers: Vec<u16> = packets.iter().map(|packet| packet.sequence).collect();
        assert_eq!(numbers, (1..=10).collect::<Vec<_>>());
        assert!(
            ticks.windows(2).all(|pair| pair[1] == pair[0] + 1),
            "{ticks:?}"
        );
    }
    drop((one, two));
    // The thread notices within a tick; from then on the session reads for itself.
    while ear.is_listening() {
        std::thread::yield_now();
    }
    other_handle.set_nonblocking(false).unwrap();
    server.say(5);
    assert!(other_handle.recv(&mut [0; 100]).unwrap() > 0);
}

#[test]
fn a_session_gets_its_control_packets_while_somebody_listens() {
    let ears = Ears::start(1).unwrap();
    let (socket, server) = connect();
    let (rings, rung) = mpsc::channel();
    let ear = ears
        .handle()
        .open(Box::new(move || {
            let _ = rings.send(());
        }))
        .unwrap();
    plug(&ear, socket);
    let _tap = ear.listen(PACKETS);
    server.socket.send(&[9; 8]).unwrap();
    rung.recv_timeout(Duration::from_secs(10)).unwrap();
    assert_eq!(ear.news(), Some(EarNews::Control(vec![9; 8])));
    assert_eq!(ear.news(), None);
}

#[test]
fn a_tap_outlives_connections_and_ends_with_its_session() {
    let ears = Ears::start(1).unwrap();
    let ear = ears.handle().open(Box::new(|| {})).unwrap();
    let mut tap = ear.listen(PACKETS);
    for stream in [5, 6, 7] {
        let (socket, mut server) = connect();
        plug(&ear, socket);
        server.say(stream);
        until(&mut tap, |heard| {
            heard
                .packets
                .iter()
                .any(|packet| packet.ssrc == Ssrc(stream))
        });
        ear.unplug();
    }
    drop(ear);
    let limit = Instant::now() + Duration::from_secs(10);
    while !tap.is_closed() && Instant::now() < limit {
        std::thread::yield_now();
    }
    assert!(tap.is_closed());
}

#[test]
fn a_session_that_panics_ends_alone_and_is_told() {
    let ears = Ears::start(1).unwrap();
    let broken = ears
        .handle()
        .open(Box::new(|| panic!("as the test wants it")));
    let broken = broken.unwrap();
    let whole = ears.handle().open(Box::new(|| {})).unwrap();
    let (broken_socket, broken_server) = connect();
    let (socket, mut server) = connect();
    plug(&broken, broken_socket);
    plug(&whole, socket);
    let (lost, mut tap) = (broken.listen(PACKETS), whole.listen(PACKETS));
    broken_server.socket.send(&[9; 8]).unwrap();
    let limit = Instant::now() + Duration::from_secs(10);
    while !lost.is_closed() && Instant::now() < limit {
        std::thread::yield_now();
    }
    assert!(lost.is_closed() && !broken.is_listening());
    // The tap closes a moment before the news is there.
    while broken.news() != Some(EarNews::Failed) {
        assert!(Instant::now() < limit, "it is never told");
    }
    server.say(6);
    until(&mut tap, |heard| !heard.packets.is_empty());
    // Who listens to it again hears that it is over.
    assert!(!broken.is_listening());
    let again = broken.listen(PACKETS);
    while !again.is_closed() {
        assert!(Instant::now() < limit, "it never closes");
    }
    assert!(!broken.is_listening());
}

#[test]
fn the_threads_end_while_ears_are_open() {
    let ears = Ears::start(3).unwrap();
    let handle = ears.handle();
    let open: Vec<Ear> = (0..9)
        .filter_map(|_| handle.open(Box::new(|| {})))
        .collect();
    let taps: Vec<Tap> = open.iter().map(|ear| ear.listen(PACKETS)).collect();
    drop(ears);
    // Orders to threads that are gone are no error.
    open[0].unplug();
    assert!(taps.iter().all(Tap::is_closed));
}
