#![allow(clippy::unwrap_used, clippy::indexing_slicing)]
use super::*;
use crate::voice::fault::{Direction, Scope, UdpFault};
use crate::voice::seal::Transport;
use crate::voice::sfu::{ActiveFault, Counters, Keys, Member};
use mynah_wire::{ChannelId, EncryptionMode, OPUS_SILENCE, UserId};
use std::time::Duration;
use zeroize::Zeroizing;

#[derive(Default)]
struct Sent(Vec<(SocketAddr, Vec<u8>)>);

impl Outlet for Sent {
    fn send(&mut self, to: SocketAddr, datagram: &[u8]) {
        self.0.push((to, datagram.to_vec()));
    }
}

fn address(user: u64) -> SocketAddr {
    ([127, 0, 0, 1], 1000 + user as u16).into()
}

fn ssrc(user: u64) -> Ssrc {
    Ssrc(100 + user as u32)
}

fn key(user: u64) -> [u8; 32] {
    [user as u8; 32]
}

const MODE: EncryptionMode = EncryptionMode::Aes256GcmRtpSize;

fn member(user: u64, mode: EncryptionMode) -> Member {
    Member {
        session: user,
        user_id: UserId::new(user),
        channel_id: ChannelId::new(1),
        ssrc: ssrc(user),
        address: Some(address(user)),
        keys: Some(Keys {
            mode,
            key: Zeroizing::new(key(user)),
            serial: user,
        }),
        speaking: 1,
        has_spoken: true,
        may_speak: true,
        may_hear: true,
        is_deaf_to_sealed: false,
        counters: Arc::new(Counters::default()),
    }
}

/// A forwarder, its table's rows, and a client of each row.
struct Room {
    now: Instant,
    forwarder: Forwarder,
    members: Vec<Member>,
    faults: Vec<ActiveFault>,
    generation: u64,
    sent: Sent,
    reports: Packets,
}

type Packets = Vec<(SocketAddr, Vec<u8>)>;

impl Room {
    fn new(members: Vec<Member>) -> Self {
        let mut room = Self {
            now: crate::clock::now(),
            forwarder: Forwarder::new(9),
            members,
            faults: Vec::new(),
            generation: 0,
            sent: Sent::default(),
            reports: Packets::new(),
        };
        room.publish();
        room
    }

    fn publish(&mut self) {
        self.generation += 1;
        let table = Table {
            generation: self.generation,
            members: self.members.clone(),
            faults: self.faults.clone(),
        };
        self.forwarder
            .adopt(self.now, Arc::new(table), &mut self.sent);
    }

    fn fault(&mut self, scope: Scope, fault: UdpFault) {
        self.faults = vec![ActiveFault {
            id: 1,
            scope,
            fault,
        }];
        self.publish();
    }

    /// A datagram arrives; gives what goes out.
    fn arrives(&mut self, from: SocketAddr, datagram: &[u8]) -> Vec<(SocketAddr, Vec<u8>)> {
        let mut datagram = datagram.to_vec();
        self.forwarder
            .receive(self.now, from, &mut datagram, &mut self.sent);
        self.taken()
    }

    /// What went out but for reports.
    fn taken(&mut self) -> Vec<(SocketAddr, Vec<u8>)> {
        let (reports, rest) = self.split();
        self.reports.extend(reports);
        rest
    }

    fn split(&mut self) -> (Packets, Packets) {
        std::mem::take(&mut self.sent.0)
            .into_iter()
            .partition(|(_, bytes)| udp::classify(bytes) == Datagram::Rtcp)
    }

    /// The reports since the last look.
    fn reports(&mut self) -> Packets {
        let rest = self.taken();
        self.sent.0.extend(rest);
        std::mem::take(&mut self.reports)
    }

    fn advance(&mut self, by: Duration) -> Vec<(SocketAddr, Vec<u8>)> {
        self.now += by;
        self.forwarder.tick(self.now, &mut self.sent);
        self.taken()
    }
}

/// What a client sends.
fn packet(user: u64, mode: EncryptionMode, sequence: u16, frame: &[u8]) -> Vec<u8> {
    let header = Header::opus(sequence, u32::from(sequence) * 960, ssrc(user));
    let mut bytes = header.write().to_vec();
    bytes.extend(frame);
    let end = bytes.len();
    bytes.resize(end + mode.overhead_bytes(), 0);
    let counter = u32::from(sequence);
    Transport::new(mode, &key(user), counter, 0)
        .seal(&mut bytes, end)
        .unwrap();
    bytes
}

/// What a client hears: header, extension, frame.
fn opened(user: u64, mode: EncryptionMode, datagram: &[u8]) -> (Header, Vec<u8>, Vec<u8>) {
    let mut bytes = datagram.to_vec();
    let opened = Transport::new(mode, &key(user), 0, 0)
        .open(&mut bytes)
        .unwrap();
    (
        opened.header,
        bytes[opened.extension].to_vec(),
        bytes[opened.payload].to_vec(),
    )
}

#[test]
fn every_mode_hears_every_other_mode_with_the_same_stream_sequence_and_time() {
    let everyone = EncryptionMode::ALL;
    let users = || (1_u64..).zip(everyone);
    let mut room = Room::new(users().map(|(user, mode)| member(user, mode)).collect());
    for (speaker, mode) in users() {
        let out = room.arrives(address(speaker), &packet(speaker, mode, 7, b"frame"));
        assert_eq!(out.len(), everyone.len() - 1);
        for ((listener, mode), (to, bytes)) in users().filter(|(user, _)| *user != speaker).zip(out)
        {
            assert_eq!(to, address(listener));
            let (header, extension, frame) = opened(listener, mode, &bytes);
            assert_eq!(bytes[1], 0x78, "no marker");
            assert_eq!(bytes[0], 0x90);
            assert_eq!(header.ssrc, ssrc(speaker));
            assert_eq!((header.sequence, header.timestamp), (7, 7 * 960));
            assert_eq!(extension, [0x10, 0x80 | 30, 0x90, 0x02, 0, 0, 0, 0]);
            assert_eq!(frame, b"frame");
        }
    }
}

#[test]
fn the_senders_own_audio_level_is_passed_on() {
    let mut room = Room::new(vec![member(1, MODE), member(2, MODE)]);
    let header = Header {
        extension: true,
        ..Header::opus(3, 4, ssrc(1))
    };
    let mut bytes = header.write().to_vec();
    bytes.extend([0xBE, 0xDE, 0, 1, 0x10, 0x85, 0, 0]);
    bytes.extend(b"frame");
    let end = bytes.len();
    bytes.resize(end + 20, 0);
    Transport::new(MODE, &key(1), 0, 0)
        .seal(&mut bytes, end)
        .unwrap();
    let out = room.arrives(address(1), &bytes);
    let (_, extension, frame) = opened(2, MODE, &out[0].1);
    assert_eq!(extension[..4], [0x10, 0x85, 0x90, 0x02]);
    assert_eq!(frame, b"frame");
}

#[test]
fn our_own_nonces_count_up_in_the_half_clients_do_not_use() {
    let mut room = Room::new(vec![member(1, MODE), member(2, MODE)]);
    let mut nonces = Vec::new();
    for sequence in 0..3 {
        let out = room.arrives(address(1), &packet(1, MODE, sequence, b"f"));
        nonces.push(out[0].1[out[0].1.len() - 4..].to_vec());
        // A new table does not restart them.
        room.publish();
    }
    // The first of all was the first report's.
    let expected: Vec<_> = (1_u8..4).map(|n| vec![0x80, 0, 0, n]).collect();
    assert_eq!(nonces, expected);
}

#[test]
fn forged_foreign_and_unknown_packets_are_dropped() {
    let mut room = Room::new(vec![member(1, MODE), member(2, MODE)]);
    let good = packet(1, MODE, 1, b"frame");
    let mut forged = good.clone();
    forged[13] ^= 1;
    assert!(room.arrives(address(1), &forged).is_empty());
    // User 2's key with user 1's stream.
    let mut stolen = Header::opus(1, 960, ssrc(1)).write().to_vec();
    stolen.extend([0; 25]);
    Transport::new(MODE, &key(2), 0, 0)
        .seal(&mut stolen, 17)
        .unwrap();
    assert!(room.arrives(address(2), &stolen).is_empty());
    let unknown = packet(77, MODE, 1, b"frame");
    assert!(room.arrives(address(77), &unknown).is_empty());
    assert_eq!(room.members[0].counters.read(), Default::default());
    assert_eq!(room.arrives(address(1), &good).len(), 1);
}

#[test]
fn muted_suppressed_and_deaf_members_are_kept_apart() {
    let mut muted = member(1, MODE);
    muted.may_speak = false;
    let mut deaf = member(3, MODE);
    deaf.may_hear = false;
    let mut elsewhere = member(4, MODE);
    elsewhere.channel_id = ChannelId::new(2);
    let mut room = Room::new(vec![muted, member(2, MODE), deaf, elsewhere]);
    assert!(
        room.arrives(address(1), &packet(1, MODE, 1, b"f"))
            .is_empty()
    );
    assert_eq!(room.members[0].counters.read().packets_in, 1);
    let out = room.arrives(address(2), &packet(2, MODE, 1, b"f"));
    assert_eq!(out.len(), 1, "only the muted one hears: {out:?}");
    assert_eq!(out[0].0, address(1));
    assert_eq!(room.arrives(address(3), &packet(3, MODE, 1, b"f")).len(), 2);
    assert!(
        room.arrives(address(4), &packet(4, MODE, 1, b"f"))
            .is_empty()
    );
}

#[test]
fn audio_that_overtakes_its_op_5_is_kept_for_a_moment_and_other_audio_is_not() {
    let mut early = member(1, MODE);
    early.has_spoken = false;
    let mut room = Room::new(vec![early, member(2, MODE)]);
    for sequence in 1..=3 {
        let bytes = packet(1, MODE, sequence, &[sequence as u8; 4]);
        assert!(room.arrives(address(1), &bytes).is_empty());
        room.now += Duration::from_millis(150);
    }
    room.members[0].has_spoken = true;
    room.publish();
    let late: Vec<_> = room
        .taken()
        .iter()
        .map(|(_, bytes)| opened(2, MODE, bytes))
        .collect();
    assert_eq!(late.len(), 1, "the first two are too old");
    assert_eq!((late[0].0.sequence, late[0].2.as_slice()), (3, &[3; 4][..]));
    assert_eq!(room.arrives(address(1), &packet(1, MODE, 4, b"f")).len(), 1);
    // They are not sent twice.
    room.publish();
    assert!(room.taken().is_empty());
}

#[test]
fn media_goes_to_op_1s_address_until_an_authentic_packet_shows_a_better_one() {
    let mut room = Room::new(vec![member(1, MODE), member(2, MODE)]);
    let speak =
        |room: &mut Room, sequence| room.arrives(address(1), &packet(1, MODE, sequence, b"f"))[0].0;
    assert_eq!(speak(&mut room, 1), address(2));
    let elsewhere: SocketAddr = ([127, 0, 0, 1], 9).into();
    let mut forged = packet(2, MODE, 1, b"f");
    forged[20] ^= 1;
    room.arrives(elsewhere, &forged);
    assert_eq!(speak(&mut room, 2), address(2), "a forgery moves nobody");
    room.arrives(elsewhere, &packet(2, MODE, 1, b"f"));
    assert_eq!(speak(&mut room, 3), elsewhere);
    room.publish();
    assert_eq!(speak(&mut room, 4), elsewhere, "a new table keeps it");
    room.members[1].address = Some(([127, 0, 0, 1], 10).into());
    room.publish();
    assert_eq!(speak(&mut room, 5).port(), 10, "a new op 1 counts again");
}

#[test]
fn discovery_tells_the_address_it_came_from_even_another_than_the_media_socket() {
    let mut before_select = member(1, MODE);
    before_select.keys = None;
    before_select.address = None;
    let mut room = Room::new(vec![before_select]);
    let from: SocketAddr = ([127, 0, 0, 1], 40_000).into();
    let request = Discovery::Request { ssrc: ssrc(1) }.write();
    assert!(room.arrives(from, &request).is_empty(), "not at once");
    let out = room.advance(DISCOVERY_DELAY);
    assert_eq!(out[0].0, from);
    assert_eq!(out[0].1.len(), 74);
    assert_eq!(
        Discovery::parse(&out[0].1),
        Some(Discovery::Response {
            ssrc: ssrc(1),
            address: from.ip(),
            port: 40_000
        })
    );
    let stranger = Discovery::Request { ssrc: Ssrc(5) }.write();
    assert!(room.arrives(from, &stranger).is_empty());
    assert!(room.advance(DISCOVERY_DELAY).is_empty());
}

#[test]
fn pings_are_answered_and_keepalives_reports_and_noise_are_swallowed() {
    let mut room = Room::new(vec![member(1, MODE), member(2, MODE)]);
    let ping = [0x13, 0x37, 0xCA, 0xFE, 0, 0, 0, 9];
    assert_eq!(
        room.arrives(address(1), &ping),
        [(address(1), vec![0x13, 0x37, 0xF0, 0x0D, 0, 0, 0, 9])]
    );
    for datagram in [
        &[0x13, 0x37, 0xF0, 0x0D, 0, 0, 0, 9][..],
        &[1, 0, 0, 0, 0, 0, 0, 0],
        &[0, 0, 0, 101],
        &[0x81, 201, 0, 7, 0, 0, 0, 101, 1, 2, 3, 4],
        &[],
        &[0x80; 12],
        &[0x80; 1400],
    ] {
        assert!(
            room.arrives(address(1), datagram).is_empty(),
            "{datagram:?}"
        );
    }
    let mut rng = mynah_wire::rng::Rng::new(4);
    for _ in 0..20_000 {
        let mut noise: Vec<u8> = (0..rng.below(120)).map(|_| rng.next_u64() as u8).collect();
        if let Some(stream) = noise.get_mut(8..12) {
            stream.copy_from_slice(&101_u32.to_be_bytes());
        }
        room.arrives(address(1), &noise);
    }
}

#[test]
fn members_are_told_at_once_and_then_regularly_how_their_stream_arrives() {
    let mut room = Room::new(vec![member(1, MODE), member(2, MODE)]);
    let to = |packets: &Packets| packets.iter().map(|(to, _)| *to).collect::<Vec<_>>();
    assert_eq!(to(&room.reports()), [address(1), address(2)]);
    room.publish();
    assert!(room.reports().is_empty(), "not with every table");
    room.arrives(address(1), &packet(1, MODE, 1, b"f"));
    room.advance(report::EVERY - Duration::from_millis(1));
    assert!(room.reports().is_empty());
    room.advance(Duration::from_millis(1));
    let reports = room.reports();
    assert_eq!(to(&reports), [address(1), address(2)]);
    let heads: Vec<_> = reports.iter().map(|(_, bytes)| &bytes[..8]).collect();
    assert_eq!(heads[0], [0x81, 201, 0, 7, 0, 0, 0, 101]);
    assert_eq!(heads[1], [0x80, 201, 0, 1, 0, 0, 0, 102], "it sent nothing");
    assert_eq!(reports[0].1.len(), 32 + MODE.overhead_bytes());
    room.fault(
        Scope::default(),
        UdpFault {
            jitter_ms: 1.0,
            ..UdpFault::default()
        },
    );
    room.advance(report::EVERY);
    assert!(room.reports().is_empty(), "faults concern voice alone");
}

#[test]
fn counters_tell_what_came_what_went_and_what_is_missing() {
    let mut room = Room::new(vec![member(1, MODE), member(2, MODE), member(3, MODE)]);
    let mut bytes = 0;
    for sequence in [65_534, 65_535, 2, 3] {
        let datagram = packet(1, MODE, sequence, &OPUS_SILENCE);
        bytes += datagram.len() as u64;
        room.arrives(address(1), &datagram);
    }
    let speaker = room.members[0].counters.read();
    assert_eq!((speaker.packets_in, speaker.packets_out), (4, 0));
    assert_eq!((speaker.bytes_in, speaker.lost), (bytes, 2));
    assert_eq!(room.members[1].counters.read().packets_out, 4);
    assert_eq!(room.members[2].counters.read().packets_out, 4);
}

fn sequences(out: &[(SocketAddr, Vec<u8>)]) -> Vec<u16> {
    out.iter()
        .map(|(_, bytes)| Header::parse(bytes).unwrap().sequence)
        .collect()
}

/// 200 packets, 20 ms apart, through a faulty room; what user 2 gets, in order.
fn through(scope: Scope, fault: UdpFault) -> Vec<u16> {
    let mut room = Room::new(vec![member(1, MODE), member(2, MODE)]);
    room.fault(scope, fault);
    let mut got = Vec::new();
    for sequence in 0..200 {
        got.extend(room.arrives(address(1), &packet(1, MODE, sequence, b"frame")));
        for _ in 0..4 {
            got.extend(room.advance(Duration::from_millis(5)));
        }
    }
    got.extend(room.advance(Duration::from_secs(60)));
    assert_eq!(room.forwarder.held.next_due(), None);
    sequences(&got)
}

#[test]
fn faults_are_the_same_for_the_same_seed() {
    let fault = UdpFault {
        loss: 0.1,
        duplicate: 0.1,
        reorder: 0.1,
        jitter_ms: 15.0,
        ..UdpFault::default()
    };
    let first = through(Scope::default(), fault);
    assert_eq!(first, through(Scope::default(), fault));
    assert_ne!(first, (0..200).collect::<Vec<_>>());
    let reseeded = UdpFault {
        seed: Some(1),
        ..fault
    };
    assert_ne!(first, through(Scope::default(), reseeded));
}

#[test]
fn loss_works_up_and_down_and_only_in_its_scope() {
    let lossy = |direction| UdpFault {
        loss: 0.5,
        direction,
        ..UdpFault::default()
    };
    let user = |id| Scope {
        user_id: Some(UserId::new(id)),
        channel_id: None,
    };
    let is_lossy = |scope, direction| through(scope, lossy(direction)).len() < 150;
    assert!(is_lossy(user(1), Direction::Up));
    assert!(is_lossy(user(2), Direction::Down));
    assert!(!is_lossy(user(1), Direction::Down));
    assert!(!is_lossy(user(2), Direction::Up));
    assert!(is_lossy(user(1), Direction::Both));
    let channel = |id| Scope {
        user_id: None,
        channel_id: Some(ChannelId::new(id)),
    };
    assert!(is_lossy(channel(1), Direction::Up));
    assert!(!is_lossy(channel(2), Direction::Up));
}

#[test]
fn a_duplicate_arrives_twice_and_a_corrupt_packet_not_at_all() {
    let fault = |duplicate, corrupt, direction| UdpFault {
        duplicate,
        corrupt,
        direction,
        ..UdpFault::default()
    };
    for direction in [Direction::Up, Direction::Down] {
        let got = through(Scope::default(), fault(1.0, 0.0, direction));
        assert_eq!(got.len(), 400);
        assert_eq!(got[..4], [0, 0, 1, 1]);
    }
    assert!(through(Scope::default(), fault(0.0, 1.0, Direction::Up)).is_empty());
}

#[test]
fn a_reordered_packet_is_overtaken_by_exactly_one() {
    let mut room = Room::new(vec![member(1, MODE), member(2, MODE)]);
    let reorder = UdpFault {
        reorder: 1.0,
        direction: Direction::Down,
        ..UdpFault::default()
    };
    room.fault(Scope::default(), reorder);
    assert!(
        room.arrives(address(1), &packet(1, MODE, 1, b"f"))
            .is_empty()
    );
    room.faults.clear();
    room.publish();
    assert!(room.advance(Duration::from_millis(20)).is_empty());
    let second = room.arrives(address(1), &packet(1, MODE, 2, b"f"));
    assert_eq!(sequences(&second), [2]);
    assert_eq!(sequences(&room.advance(Duration::from_millis(10))), [1]);
}

#[test]
fn delay_holds_a_packet_for_exactly_its_time() {
    let mut room = Room::new(vec![member(1, MODE), member(2, MODE)]);
    let slow = UdpFault {
        delay_ms: 40.0,
        direction: Direction::Up,
        ..UdpFault::default()
    };
    room.fault(Scope::default(), slow);
    let start = room.now;
    assert!(
        room.arrives(address(1), &packet(1, MODE, 1, b"f"))
            .is_empty()
    );
    let due = room.forwarder.next_due().unwrap();
    assert_eq!(due, start + Duration::from_millis(40));
    assert!(room.advance(Duration::from_micros(39_999)).is_empty());
    assert_eq!(room.advance(Duration::from_micros(1)).len(), 1);
}

#[test]
fn a_black_hole_swallows_discovery_and_pings_too() {
    let mut room = Room::new(vec![member(1, MODE), member(2, MODE)]);
    let hole = UdpFault {
        blackhole: true,
        ..UdpFault::default()
    };
    room.fault(
        Scope {
            user_id: Some(UserId::new(1)),
            channel_id: None,
        },
        hole,
    );
    let request = |user| Discovery::Request { ssrc: ssrc(user) }.write();
    let ping = [0x13, 0x37, 0xCA, 0xFE, 0, 0, 0, 9];
    assert!(room.arrives(address(1), &request(1)).is_empty());
    assert!(room.advance(DISCOVERY_DELAY).is_empty());
    assert!(room.arrives(address(1), &ping).is_empty());
    assert!(room.arrives(address(2), &request(2)).is_empty());
    assert_eq!(room.advance(DISCOVERY_DELAY).len(), 1);
    assert_eq!(room.arrives(address(2), &ping).len(), 1);
    room.faults.clear();
    room.publish();
    assert!(room.arrives(address(1), &request(1)).is_empty());
    assert_eq!(room.advance(DISCOVERY_DELAY).len(), 1);
}

#[test]
fn a_frame_of_any_length_passes_untouched() {
    let mut room = Room::new(vec![member(1, MODE), member(2, MODE)]);
    for length in [1, 2, 3, 160, 1_275, 1_400] {
        let frame: Vec<u8> = (0..length).map(|i| i as u8).collect();
        let out = room.arrives(address(1), &packet(1, MODE, 1, &frame));
        assert_eq!(opened(2, MODE, &out[0].1).2, frame);
    }
    assert!(
        room.arrives(address(1), &packet(1, MODE, 1, b""))
            .is_empty()
    );
}

#[test]
fn sealed_frames_are_kept_from_a_listener_that_cannot_open_them() {
    let mut room = Room::new(vec![member(1, MODE), member(2, MODE), member(3, MODE)]);
    let sealed = [&b"ciphertext"[..], &[0xFA, 0xFA]].concat();
    let listeners = |room: &mut Room, sequence, frame: &[u8]| -> Vec<SocketAddr> {
        let out = room.arrives(address(1), &packet(1, MODE, sequence, frame));
        out.into_iter().map(|(to, _)| to).collect()
    };
    assert_eq!(listeners(&mut room, 1, &sealed), [address(2), address(3)]);
    room.members[2].is_deaf_to_sealed = true;
    room.publish();
    assert_eq!(listeners(&mut room, 2, &sealed), [address(2)]);
    assert_eq!(listeners(&mut room, 3, b"plain"), [address(2), address(3)]);
    assert_eq!(
        listeners(&mut room, 4, &[0xF8, 0xFF, 0xFE]),
        [address(2), address(3)]
    );
}
