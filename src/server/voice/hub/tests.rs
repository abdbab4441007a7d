#![allow(clippy::unwrap_used, clippy::indexing_slicing)]
//! Peers and hub together, in virtual time: the whole voice gateway but for its sockets.
mod dave;
mod hang;
mod resume;

use super::*;
use crate::voice::dave::DavePolicy;
use crate::voice::outbox::Frame;
use crate::voice::peer::{self, HEARTBEAT_TIMEOUT, IDENTIFY_TIMEOUT, Input, Peer};
use mynah_wire::ChannelId;
use mynah_wire::voice::parse_server_binary;
use serde_json::{Value, json};

const GUILD: u64 = 1;
const ROOM: u64 = 10;

/// What one client saw.
#[derive(Default)]
struct Seen {
    texts: Vec<Value>,
    /// Opcode and payload of binary frames; the sequence is in `frames`.
    binary: Vec<(u8, Vec<u8>)>,
    /// Everything as it was sent.
    frames: Vec<Frame>,
    code: Option<u16>,
}

fn signer() -> Arc<GatewaySigner> {
    Arc::new(GatewaySigner::new(&[3; 32]).unwrap())
}

struct World {
    policy: DavePolicy,
    now: Instant,
    hub: Hub,
    peers: BTreeMap<ConnectionId, (Peer, Link)>,
    seen: HashMap<ConnectionId, Seen>,
    table: Arc<Table>,
    next: u64,
}

impl World {
    fn new() -> Self {
        Self {
            policy: DavePolicy::Off,
            now: crate::clock::now(),
            hub: Hub::new(EncryptionMode::CURRENT.to_vec(), 50_004, 5, signer()),
            peers: BTreeMap::new(),
            seen: HashMap::new(),
            table: Arc::default(),
            next: 1,
        }
    }

    fn grant_in(&mut self, user: u64, room: u64) {
        let now = self.now;
        self.hub.grant(
            now,
            Grant {
                guild_id: GuildId::new(GUILD),
                channel_id: ChannelId::new(room),
                user_id: UserId::new(user),
                session_id: format!("session-{user}"),
                token: format!("token-{user}").into(),
                dave: self.policy,
            },
        );
        self.settle();
    }

    fn connect(&mut self, version: u8) -> ConnectionId {
        let id = ConnectionId(self.next);
        self.next += 1;
        let link = Link {
            id,
            version,
            media_ip: Ipv4Addr::LOCALHOST,
        };
        self.peers
            .insert(id, (Peer::new(self.now, Some(version)), link));
        self.seen.insert(id, Seen::default());
        self.settle();
        id
    }

    fn say(&mut self, id: ConnectionId, payload: &Value) {
        self.input(id, Input::Text(&payload.to_string()));
    }

    fn input(&mut self, id: ConnectionId, input: Input<'_>) {
        if let Some((peer, _)) = self.peers.get_mut(&id) {
            peer.handle(self.now, input);
        }
        self.settle();
    }

    /// Carries messages until everybody waits.
    fn settle(&mut self) {
        loop {
            match self.hub.poll() {
                Output::Table(table) => self.table = table,
                Output::Tell(to, message) => self.pass(to, Input::Tell(message)),
                Output::Close(to, code) => self.pass(to, Input::Close(code)),
                Output::Hang(to, hangs) => self.pass(to, Input::Hang(hangs)),
                Output::Wait(_) if !self.poll_peers() => return,
                Output::Wait(_) => {}
            }
        }
    }

    fn pass(&mut self, to: ConnectionId, input: Input<'_>) {
        if let Some((peer, _)) = self.peers.get_mut(&to) {
            peer.handle(self.now, input);
        }
    }

    /// True if some peer had something to do.
    fn poll_peers(&mut self) -> bool {
        let mut is_busy = false;
        for (id, (peer, link)) in &mut self.peers {
            let seen = self.seen.get_mut(id).unwrap();
            loop {
                match peer.poll() {
                    peer::Output::Send(frame) => {
                        match &frame {
                            Frame::Text(text) => {
                                seen.texts.push(serde_json::from_str(text).unwrap());
                            }
                            Frame::Binary(bytes) => {
                                let parsed = parse_server_binary(bytes, link.version).unwrap();
                                seen.binary.push((parsed.1, parsed.2.to_vec()));
                            }
                        }
                        seen.frames.push(frame);
                    }
                    peer::Output::Close(code) => seen.code = Some(code),
                    peer::Output::Ask(ask) => {
                        is_busy = true;
                        if let Some(verdict) = self.hub.answer(self.now, *link, ask, [7; 32]) {
                            peer.handle(self.now, Input::Verdict(verdict));
                        }
                    }
                    peer::Output::Wait(_) => break,
                }
            }
        }
        is_busy
    }

    /// Moves time and lets whatever is due happen.
    fn advance(&mut self, by: Duration) {
        self.now += by;
        for (peer, _) in self.peers.values_mut() {
            peer.handle(self.now, Input::Tick);
        }
        self.settle();
        self.hub.tick(self.now);
        self.settle();
    }

    fn identify(&mut self, user: u64, version: u8) -> ConnectionId {
        let id = self.connect(version);
        self.say(id, &identify_payload(user));
        id
    }

    /// All the way to op 4 in the usual room.
    fn join(&mut self, user: u64) -> ConnectionId {
        self.join_in(user, ROOM)
    }

    fn join_in(&mut self, user: u64, room: u64) -> ConnectionId {
        self.grant_in(user, room);
        let id = self.identify(user, 8);
        self.say(id, &select_payload("aead_aes256_gcm_rtpsize"));
        id
    }

    fn resume(&mut self, user: u64, version: u8, seq_ack: i64) -> ConnectionId {
        let id = self.connect(version);
        self.say(
            id,
            &json!({"op": 7, "d": {"server_id": GUILD.to_string(), "seq_ack": seq_ack,
                "session_id": format!("session-{user}"), "token": format!("token-{user}")}}),
        );
        id
    }

    fn ops(&self, id: ConnectionId) -> Vec<u64> {
        let texts = &self.seen[&id].texts;
        texts
            .iter()
            .map(|text| text["op"].as_u64().unwrap())
            .collect()
    }

    fn last(&self, id: ConnectionId) -> &Value {
        self.seen[&id].texts.last().unwrap()
    }

    fn code(&self, id: ConnectionId) -> Option<u16> {
        self.seen[&id].code
    }

    /// Forgets what a client saw so far.
    fn clear(&mut self, id: ConnectionId) {
        self.seen.insert(id, Seen::default());
    }
}

fn identify_payload(user: u64) -> Value {
    json!({"op": 0, "d": {"server_id": GUILD.to_string(), "user_id": user,
        "session_id": format!("session-{user}"), "token": format!("token-{user}")}})
}

fn select_payload(mode: &str) -> Value {
    json!({"op": 1, "d": {"protocol": "udp",
        "data": {"address": "127.0.0.1", "port": 4000, "mode": mode}}})
}

#[test]
fn a_join_goes_hello_ready_description_and_ready_offers_what_is_needed() {
    let mut world = World::new();
    let id = world.join(5);
    assert_eq!(world.ops(id), [8, 2, 4]);
    let ready = &world.seen[&id].texts[1];
    assert_eq!(ready["seq"], 1);
    assert_eq!(ready["d"]["ip"], "127.0.0.1");
    assert_eq!(ready["d"]["port"], 50_004);
    assert_eq!(
        ready["d"]["modes"],
        json!(["aead_aes256_gcm_rtpsize", "aead_xchacha20_poly1305_rtpsize"])
    );
    assert_ne!(ready["d"]["ssrc"], 0);
    let description = world.last(id);
    assert_eq!(description["seq"], 2);
    assert_eq!(description["d"]["dave_protocol_version"], 0);
    assert_eq!(description["d"]["mode"], "aead_aes256_gcm_rtpsize");
    assert_eq!(description["d"]["secret_key"], json!(vec![7; 32]));
}

#[test]
fn the_media_path_knows_a_session_before_its_client_does() {
    let mut hub = World::new().hub;
    hub.grant(
        crate::clock::now(),
        Grant {
            guild_id: GuildId::new(GUILD),
            channel_id: ChannelId::new(ROOM),
            user_id: UserId::new(5),
            session_id: "s".to_owned(),
            token: "t".into(),
            dave: DavePolicy::Off,
        },
    );
    let link = Link {
        id: ConnectionId(1),
        version: 8,
        media_ip: Ipv4Addr::LOCALHOST,
    };
    let claim = peer::Claim {
        guild_id: GuildId::new(GUILD),
        user_id: Some(UserId::new(5)),
        channel_id: None,
        session_id: "s".to_owned(),
        token: "t".into(),
        max_dave_version: 0,
    };
    hub.answer(crate::clock::now(), link, Ask::Identify(claim), [0; 32]);
    assert!(matches!(hub.poll(), Output::Table(_)));
    assert!(matches!(hub.poll(), Output::Tell(ConnectionId(1), _)));
}

#[test]
fn wrong_credentials_have_their_own_codes() {
    let mut world = World::new();
    world.grant_in(5, ROOM);
    for (key, value, code) in [
        ("server_id", json!("99"), 4011),
        ("token", json!("guess"), 4004),
        ("session_id", json!("stale"), 4006),
        ("user_id", json!("6"), 4006),
    ] {
        let id = world.connect(8);
        let mut payload = identify_payload(5);
        payload["d"][key] = value;
        world.say(id, &payload);
        assert_eq!(world.code(id), Some(code), "{key}");
    }
    let id = world.identify(5, 8);
    assert_eq!((world.code(id), world.ops(id)), (None, vec![8, 2]));
}

#[test]
fn modes_that_were_not_offered_are_unknown() {
    for mode in ["xsalsa20_poly1305", "rot13"] {
        let mut world = World::new();
        world.grant_in(5, ROOM);
        let id = world.identify(5, 8);
        world.say(id, &select_payload(mode));
        assert_eq!(world.code(id), Some(4016), "{mode}");
    }
}

#[test]
fn a_newcomer_meets_the_room_and_the_room_meets_the_newcomer() {
    let mut world = World::new();
    let first = world.join(5);
    world.say(first, &json!({"op": 5, "d": {"speaking": 1, "delay": 0}}));
    let stranger = world.join_in(9, ROOM + 1);
    world.clear(first);
    let second = world.join(6);
    assert_eq!(world.ops(second), [8, 2, 4, 11, 18, 20, 5]);
    let texts = &world.seen[&second].texts;
    assert_eq!(texts[3]["d"], json!({"user_ids": ["5"]}));
    assert_eq!(texts[4]["d"], json!({"user_id": "5", "flags": null}));
    assert_eq!(texts[5]["d"], json!({"user_id": "5", "platform": null}));
    assert_eq!(texts[6]["d"]["user_id"], "5");
    assert_eq!(texts[6]["d"]["speaking"], 1);
    assert_eq!(world.ops(first), [11, 18, 20]);
    assert_eq!(world.seen[&first].texts[0]["d"], json!({"user_ids": ["6"]}));
    assert_eq!(world.ops(stranger), [8, 2, 4]);
}

#[test]
fn speaking_reaches_the_others_once_per_kind_and_stay() {
    let mut world = World::new();
    let (speaker, listener) = (world.join(5), world.join(6));
    let ssrc = world.seen[&speaker].texts[1]["d"]["ssrc"].clone();
    world.clear(listener);
    world.clear(speaker);
    for flags in [0, 1, 0, 1, 1, 5, 0] {
        world.say(speaker, &json!({"op": 5, "d": {"speaking": flags}}));
    }
    let told: Vec<_> = world.seen[&listener]
        .texts
        .iter()
        .map(|text| {
            assert_eq!(text["d"]["ssrc"], ssrc);
            assert_eq!(text["d"]["user_id"], "5");
            text["d"]["speaking"].as_u64().unwrap()
        })
        .collect();
    assert_eq!(told, [0, 1, 5]);
    assert_eq!(world.ops(speaker), Vec::<u64>::new());
    assert!(world.table.members[0].has_spoken);
}

#[test]
fn an_op_5_that_only_announces_the_stream_lets_audio_pass() {
    let mut world = World::new();
    let speaker = world.join(5);
    assert!(!world.table.members[0].has_spoken);
    world.say(speaker, &json!({"op": 5, "d": {"speaking": 0, "delay": 0}}));
    assert!(world.table.members[0].has_spoken);
}

#[test]
fn a_second_identify_of_a_member_replaces_its_first_session() {
    let mut world = World::new();
    let (first, other) = (world.join(5), world.join(6));
    let ssrc = world.table.members[0].ssrc;
    world.clear(other);
    let second = world.identify(5, 8);
    world.say(second, &select_payload("aead_aes256_gcm_rtpsize"));
    assert_eq!(world.code(first), Some(4006));
    assert_eq!(world.ops(other), [13, 11, 18, 20]);
    assert_ne!(world.table.members[1].ssrc, ssrc);
    assert_eq!(world.hub.reports().len(), 2);
}

#[test]
fn kicks_moves_and_deleted_channels_close_with_their_codes() {
    for code in [4014, 4022] {
        let mut world = World::new();
        let (gone, other) = (world.join(5), world.join(6));
        world
            .hub
            .revoke(world.now, GuildId::new(GUILD), UserId::new(5), code);
        world.settle();
        assert_eq!(world.code(gone), Some(code));
        assert_eq!(world.last(other)["op"], 13);
        let again = world.identify(5, 8);
        assert_eq!(world.code(again), Some(4006), "the grant is gone");
    }
    let mut world = World::new();
    let moved = world.join(5);
    world.grant_in(5, ROOM);
    assert_eq!(world.code(moved), None, "the same channel is no move");
    world.grant_in(5, ROOM + 1);
    let there = world.identify(5, 8);
    assert_eq!(world.ops(there), [8, 2]);
    assert_eq!(world.code(moved), None, "not in the same instant");
    world.advance(MOVE_GRACE);
    assert_eq!(world.code(moved), Some(4014));
    assert_eq!(world.code(there), None);
}

#[test]
fn who_is_moved_leaves_the_room_at_once_and_does_not_finish_there() {
    let mut world = World::new();
    let other = world.join(6);
    world.clear(other);
    let moved = world.join(5);
    world.grant_in(5, ROOM + 1);
    assert_eq!(world.last(other)["op"], 13);
    assert_eq!(world.table.members.len(), 1);
    world.say(moved, &json!({"op": 5, "d": {"speaking": 1}}));
    assert_eq!(world.last(other)["op"], 13, "its old socket says nothing");
    world.grant_in(7, ROOM);
    let halfway = world.identify(7, 8);
    world.grant_in(7, ROOM + 1);
    world.say(halfway, &select_payload("aead_aes256_gcm_rtpsize"));
    assert_eq!(world.code(halfway), Some(4014), "and not 4006");
}

#[test]
fn flags_reach_the_media_path_and_the_report() {
    let mut world = World::new();
    world.join(5);
    assert!(world.table.members[0].may_speak && world.table.members[0].may_hear);
    let flags = Flags {
        suppress: true,
        self_deaf: true,
        ..Flags::default()
    };
    world
        .hub
        .set_flags(GuildId::new(GUILD), UserId::new(5), flags);
    world.settle();
    assert!(!world.table.members[0].may_speak && !world.table.members[0].may_hear);
    let report = serde_json::to_value(&world.hub.reports()[0]).unwrap();
    assert_eq!(report["self_deaf"], true);
    assert_eq!(report["suppress"], true);
    assert_eq!(report["mode"], "aead_aes256_gcm_rtpsize");
    assert_eq!(report["gateway_version"], 8);
    assert_eq!(report["epoch"], Value::Null);
}

#[test]
fn selecting_again_makes_a_new_key_without_a_second_introduction() {
    let mut world = World::new();
    let (first, other) = (world.join(5), world.join(6));
    world.clear(other);
    let serial = world.table.members[0].keys.as_ref().unwrap().serial;
    world.say(first, &select_payload("aead_xchacha20_poly1305_rtpsize"));
    let keys = world.table.members[0].keys.clone().unwrap();
    assert_ne!(keys.serial, serial);
    assert_eq!(keys.mode, EncryptionMode::XChaCha20Poly1305RtpSize);
    assert_eq!(world.ops(other), Vec::<u64>::new());
}

#[test]
fn timeouts_run_in_virtual_time() {
    let mut world = World::new();
    let idle = world.connect(8);
    let silent = world.join(5);
    world.advance(IDENTIFY_TIMEOUT);
    assert_eq!((world.code(idle), world.code(silent)), (Some(4003), None));
    world.advance(HEARTBEAT_TIMEOUT - IDENTIFY_TIMEOUT);
    assert_eq!(world.code(silent), Some(4009));
    let back = world.resume(5, 8, 2);
    assert_eq!(world.ops(back), [8, 9]);
}

#[test]
fn questions_about_the_backend_and_dave_messages_end_nothing() {
    let mut world = World::new();
    let id = world.join(5);
    world.say(id, &json!({"op": 16, "d": {}}));
    assert_eq!(world.last(id)["op"], 16);
    assert_eq!(world.last(id)["d"]["voice"], "0.9.1");
    world.input(id, Input::Binary(&[26, 0, 1, 0, 2]));
    world.say(id, &json!({"op": 23, "d": {"transition_id": 0}}));
    world.say(id, &json!({"op": 12, "d": {"audio_ssrc": 0}}));
    assert_eq!(world.code(id), None);
}

#[test]
fn streams_are_unique_and_follow_from_the_seed() {
    let ssrcs = || {
        let mut world = World::new();
        for user in 100..160 {
            world.join(user);
        }
        let all: Vec<_> = world.table.members.iter().map(|m| m.ssrc).collect();
        all
    };
    let first = ssrcs();
    assert_eq!(first, ssrcs());
    assert_eq!(first.iter().collect::<HashSet<_>>().len(), 60);
}
