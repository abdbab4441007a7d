#![allow(clippy::unwrap_used, clippy::indexing_slicing)]
//! The thread with its real socket on loopback, and a hand-made client.
use super::*;
use crate::voice::fault::{Scope, UdpFault};
use crate::voice::seal::Transport;
use mynah_wire::rtp::Header;
use mynah_wire::udp::{self, Datagram, Discovery, Ping};
use mynah_wire::{ChannelId, EncryptionMode, Ssrc, UserId};
use zeroize::Zeroizing;

const MODE: EncryptionMode = EncryptionMode::XChaCha20Poly1305RtpSize;

struct Client {
    user: u64,
    socket: UdpSocket,
    transport: Transport,
}

impl Client {
    fn new(sfu: &Sfu, user: u64) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.connect(sfu.address()).unwrap();
        // A limit for a test that fails; nothing waits for it otherwise.
        socket
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        Self {
            user,
            socket,
            transport: Transport::new(MODE, &[user as u8; 32], 0, 0),
        }
    }

    fn member(&self) -> Member {
        Member {
            session: self.user,
            user_id: UserId::new(self.user),
            channel_id: ChannelId::new(1),
            ssrc: Ssrc(self.user as u32),
            address: Some(self.socket.local_addr().unwrap()),
            keys: Some(Keys {
                mode: MODE,
                key: Zeroizing::new([self.user as u8; 32]),
                serial: self.user,
            }),
            speaking: 1,
            has_spoken: true,
            may_speak: true,
            may_hear: true,
            is_deaf_to_sealed: false,
            counters: Arc::default(),
        }
    }

    fn speak(&mut self, sequence: u16) {
        let header = Header::opus(sequence, 0, Ssrc(self.user as u32));
        let mut packet = header.write().to_vec();
        packet.extend(b"frame");
        packet.resize(17 + MODE.overhead_bytes(), 0);
        self.transport.seal(&mut packet, 17).unwrap();
        self.socket.send(&packet).unwrap();
    }

    /// The next datagram that is no report.
    fn receive(&self) -> Vec<u8> {
        let mut buffer = [0; 2048];
        loop {
            let length = self.socket.recv(&mut buffer).unwrap();
            if udp::classify(&buffer[..length]) != Datagram::Rtcp {
                return buffer[..length].to_vec();
            }
        }
    }

    fn hear(&self) -> (Header, Vec<u8>) {
        let mut packet = self.receive();
        let opened = self.transport.open(&mut packet).unwrap();
        (opened.header, packet[opened.payload].to_vec())
    }
}

fn publish(sfu: &Sfu, generation: u64, members: &[Member], faults: Vec<ActiveFault>) {
    sfu.publish(Arc::new(Table {
        generation,
        members: members.to_vec(),
        faults,
    }));
}

fn started() -> Sfu {
    Sfu::start(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0), 0).unwrap()
}

#[test]
fn voice_travels_from_socket_to_socket_and_is_counted() {
    let sfu = started();
    let (mut alice, bob) = (Client::new(&sfu, 1), Client::new(&sfu, 2));
    let members = [alice.member(), bob.member()];
    publish(&sfu, 1, &members, Vec::new());
    for sequence in 0..50 {
        alice.speak(sequence);
        let (header, frame) = bob.hear();
        assert_eq!((header.sequence, header.ssrc), (sequence, Ssrc(1)));
        assert_eq!(frame, b"frame");
    }
    assert_eq!(members[0].counters.read().packets_in, 50);
    assert_eq!(members[1].counters.read().packets_out, 50);
}

#[test]
fn discovery_and_pings_are_answered_on_the_media_socket() {
    let sfu = started();
    let client = Client::new(&sfu, 7);
    publish(&sfu, 1, &[client.member()], Vec::new());
    let request = Discovery::Request { ssrc: Ssrc(7) };
    client.socket.send(&request.write()).unwrap();
    let local = client.socket.local_addr().unwrap();
    let expected = Discovery::Response {
        ssrc: Ssrc(7),
        address: local.ip(),
        port: local.port(),
    };
    assert_eq!(client.receive(), expected.write());
    let ping = |is_answer| Ping {
        is_answer,
        sequence: 3,
    };
    client.socket.send(&ping(false).write()).unwrap();
    assert_eq!(client.receive(), ping(true).write());
}

#[test]
fn a_table_takes_effect_without_waiting_for_a_packet() {
    let sfu = started();
    let (mut alice, bob) = (Client::new(&sfu, 1), Client::new(&sfu, 2));
    let mut members = [alice.member(), bob.member()];
    members[0].has_spoken = false;
    publish(&sfu, 1, &members, Vec::new());
    alice.speak(1);
    // The answer to a ping shows that the thread has seen the packet before it.
    let ping = Ping {
        is_answer: false,
        sequence: 1,
    };
    alice.socket.send(&ping.write()).unwrap();
    alice.receive();
    members[0].has_spoken = true;
    publish(&sfu, 2, &members, Vec::new());
    assert_eq!(bob.hear().0.sequence, 1);
}

#[test]
fn delayed_packets_leave_by_themselves_when_due() {
    let sfu = started();
    let (mut alice, bob) = (Client::new(&sfu, 1), Client::new(&sfu, 2));
    let members = [alice.member(), bob.member()];
    let slow = ActiveFault {
        id: 1,
        scope: Scope::default(),
        fault: UdpFault {
            delay_ms: 15.0,
            ..UdpFault::default()
        },
    };
    publish(&sfu, 1, &members, vec![slow]);
    let start = clock::now();
    alice.speak(1);
    assert_eq!(bob.hear().0.sequence, 1);
    // Fifteen on the way up and fifteen on the way down.
    assert!(clock::now() - start >= Duration::from_millis(30));
}

#[test]
fn stopping_ends_the_thread_and_frees_the_port() {
    let sfu = started();
    let address = sfu.address();
    assert!(Sfu::start(address, 0).is_err(), "the port is taken");
    sfu.stop();
    drop(sfu);
    assert!(Sfu::start(address, 0).is_ok());
}
