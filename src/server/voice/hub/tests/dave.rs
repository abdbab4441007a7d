//! The delivery service behind the hub: real davey sessions at the other end of the peers.
use super::*;
use crate::voice::dave::BATCH_DELAY;
use crate::voice::dave::tests::client::{Client, Reply};
use mynah_wire::voice::op as voice_op;

const PROPOSALS: u8 = 27;
const COMMIT: u8 = 29;
const WELCOME: u8 = 30;

/// A world whose clients answer DAVE messages by themselves.
struct Call {
    world: World,
    clients: BTreeMap<ConnectionId, (Client, usize)>,
}

impl Call {
    fn new(policy: DavePolicy) -> Self {
        let mut world = World::new();
        world.policy = policy;
        Self {
            world,
            clients: BTreeMap::new(),
        }
    }

    fn identify(&mut self, user: u64, version: u8, max_dave: u16) -> ConnectionId {
        self.world.grant_in(user, ROOM);
        let id = self.world.connect(version);
        let mut payload = identify_payload(user);
        payload["d"]["max_dave_protocol_version"] = json!(max_dave);
        self.world.say(id, &payload);
        id
    }

    fn join(&mut self, user: u64, version: u8) -> ConnectionId {
        self.join_with(user, version, 1)
    }

    fn join_with(&mut self, user: u64, version: u8, max_dave: u16) -> ConnectionId {
        let id = self.identify(user, version, max_dave);
        self.clients.insert(id, (Client::new(user, ROOM), 0));
        self.world
            .say(id, &select_payload("aead_aes256_gcm_rtpsize"));
        self.talk();
        id
    }

    /// The connection breaks and comes back; the client keeps its DAVE state.
    fn resume(&mut self, old: ConnectionId, user: u64, version: u8) -> ConnectionId {
        let (client, _) = self.clients.remove(&old).unwrap();
        let seq_ack = self.world.seen[&old]
            .frames
            .iter()
            .filter_map(seq)
            .next_back();
        let id = self
            .world
            .resume(user, version, seq_ack.map_or(-1, i64::from));
        self.clients.insert(id, (client, 0));
        self.talk();
        id
    }

    /// Lets clients read and answer until all is said.
    fn talk(&mut self) {
        loop {
            let mut answers: Vec<(ConnectionId, Reply)> = Vec::new();
            for (id, (client, read)) in &mut self.clients {
                let frames = &self.world.seen[id].frames;
                let version = self.world.peers[id].1.version;
                for frame in &frames[*read..] {
                    let replies = hear(client, frame, version);
                    answers.extend(replies.into_iter().map(|reply| (*id, reply)));
                }
                *read = frames.len();
            }
            if answers.is_empty() {
                return;
            }
            for (id, (op, payload)) in answers {
                if matches!(op, 26 | 28) {
                    let frame = [&[op][..], &payload].concat();
                    self.world.input(id, Input::Binary(&frame));
                } else {
                    let d: Value = serde_json::from_slice(&payload).unwrap();
                    self.world.say(id, &json!({"op": op, "d": d}));
                }
            }
        }
    }

    /// Time passes; clients beat.
    fn pass(&mut self, by: Duration) {
        let end = self.world.now + by;
        let mut beat_at = self.world.now + Duration::from_secs(5);
        while self.world.now < end {
            let step = (end - self.world.now).min(BATCH_DELAY);
            self.world.advance(step);
            self.talk();
            if self.world.now >= beat_at {
                beat_at += Duration::from_secs(5);
                let ids: Vec<_> = self.clients.keys().copied().collect();
                for id in ids {
                    self.world.say(id, &json!({"op": 3, "d": 1}));
                }
            }
        }
    }

    /// These are one group, and each hears the others.
    #[track_caller]
    fn assert_one_group(&mut self, members: &[ConnectionId]) {
        let mut codes = HashSet::new();
        for from in members {
            let client = &mut self.clients.get_mut(from).unwrap().0;
            assert_eq!(client.errors, Vec::<String>::new());
            let code = client.session.as_ref().unwrap().voice_privacy_code();
            codes.insert(code.unwrap().to_owned());
            let user = client.session.as_ref().unwrap().user_id();
            let sealed = client.seal(b"frame").expect("keys");
            for to in members.iter().filter(|to| *to != from) {
                let opened = self.clients.get_mut(to).unwrap().0.open(user, &sealed);
                assert_eq!(opened.as_deref(), Some(&b"frame"[..]));
            }
        }
        assert_eq!(codes.len(), 1);
    }

    fn order(&self, id: ConnectionId) -> Vec<u8> {
        let version = self.world.peers[&id].1.version;
        let frames = self.world.seen[&id].frames.iter();
        frames.filter_map(|frame| opcode(frame, version)).collect()
    }
}

fn opcode(frame: &Frame, version: u8) -> Option<u8> {
    match frame {
        Frame::Text(text) => {
            let envelope: Value = serde_json::from_str(text).unwrap();
            envelope["op"].as_u64().map(|op| op as u8)
        }
        Frame::Binary(bytes) => parse_server_binary(bytes, version).map(|(_, op, _)| op),
    }
}

/// Number of a frame for a version 8 client.
fn seq(frame: &Frame) -> Option<u16> {
    match frame {
        Frame::Text(text) => {
            let envelope: Value = serde_json::from_str(text).unwrap();
            envelope["seq"].as_u64().map(|seq| seq as u16)
        }
        Frame::Binary(bytes) => parse_server_binary(bytes, 8)?.0,
    }
}

fn hear(client: &mut Client, frame: &Frame, version: u8) -> Vec<Reply> {
    let text = match frame {
        Frame::Binary(bytes) => {
            let (_, op, payload) = parse_server_binary(bytes, version).unwrap();
            return client.take(op, payload);
        }
        Frame::Text(text) => serde_json::from_str::<Value>(text).unwrap(),
    };
    let d = &text["d"];
    let id = |value: &Value| value.as_str().unwrap().parse::<u64>().unwrap();
    match text["op"].as_u64().unwrap() as u8 {
        voice_op::SESSION_DESCRIPTION => {
            client.describe(d["dave_protocol_version"].as_u64().unwrap() as u16)
        }
        voice_op::CLIENTS_CONNECT => {
            client
                .recognized
                .extend(d["user_ids"].as_array().unwrap().iter().map(id));
            Vec::new()
        }
        voice_op::CLIENT_DISCONNECT => {
            client.recognized.remove(&id(&d["user_id"]));
            Vec::new()
        }
        op @ 21..=24 => client.take(op, d.to_string().as_bytes()),
        _ => Vec::new(),
    }
}

#[test]
fn a_version_4_client_and_version_8_clients_become_one_group() {
    let mut call = Call::new(DavePolicy::Required);
    let (a, b, c) = (call.join(5, 8), call.join(6, 4), call.join(7, 8));
    call.pass(Duration::from_millis(100));
    call.assert_one_group(&[a, b, c]);
    let reports = call.world.hub.reports();
    for report in &reports {
        assert_eq!((report.dave_version, report.epoch), (1, Some(1)));
        let fingerprint = report.key_fingerprint.as_ref().unwrap();
        assert_eq!(fingerprint.len(), 2 * (2 + 65 + 8));
        assert!(fingerprint.starts_with("000004"));
        let user = format!("{:016x}", report.user_id.get());
        assert!(fingerprint.ends_with(&user));
    }
}

#[test]
fn the_order_of_messages_is_the_one_that_clients_need() {
    let mut call = Call::new(DavePolicy::Required);
    let first = call.join(5, 8);
    let second = call.join(6, 8);
    call.pass(BATCH_DELAY);
    let third = call.join(7, 8);
    call.pass(BATCH_DELAY);
    for id in [first, second, third] {
        let order = call.order(id);
        let at = |wanted: u8| order.iter().position(|op| *op == wanted);
        assert!(at(25) > at(4), "25 after 4: {order:?}");
        assert_eq!(order.iter().filter(|op| **op == 25).count(), 1);
        assert!(
            id == third || at(PROPOSALS) > at(11),
            "27 after 11: {order:?}"
        );
        // Text and binary share one numbering without gaps.
        let numbers: Vec<u16> = call.world.seen[&id].frames.iter().filter_map(seq).collect();
        assert!(
            numbers.iter().copied().eq(1..=numbers.len() as u16),
            "{numbers:?}"
        );
    }
    assert_eq!(
        call.order(first),
        [8, 2, 4, 25, 11, 18, 20, 27, 29, 11, 18, 20, 27, 29, 22]
    );
    assert_eq!(call.order(third), [8, 2, 4, 11, 18, 20, 18, 20, 25, 30, 22]);
}

#[test]
fn a_joiner_has_its_keys_within_the_batch_delay() {
    let mut call = Call::new(DavePolicy::Required);
    let (a, b) = (call.join(5, 8), call.join(6, 8));
    call.pass(BATCH_DELAY);
    call.assert_one_group(&[a, b]);
    let c = call.join(7, 8);
    call.pass(BATCH_DELAY);
    call.assert_one_group(&[a, b, c]);
}

#[test]
fn clients_without_dave_are_closed_4017_before_ready_where_it_is_required() {
    let mut call = Call::new(DavePolicy::Required);
    let refused = call.identify(5, 8, 0);
    assert_eq!(call.world.ops(refused), [8]);
    assert_eq!(call.world.code(refused), Some(4017));
    assert!(call.world.hub.reports().is_empty());
    for policy in [DavePolicy::Optional, DavePolicy::Off] {
        let mut call = Call::new(policy);
        let id = call.join_with(5, 8, 0);
        assert_eq!(call.world.last(id)["d"]["dave_protocol_version"], 0);
        assert_eq!(call.world.code(id), None);
    }
}

#[test]
fn where_it_is_off_nothing_of_dave_is_said() {
    let mut call = Call::new(DavePolicy::Off);
    let (a, b) = (call.join(5, 8), call.join(6, 8));
    call.pass(Duration::from_secs(1));
    for id in [a, b] {
        assert!(call.world.seen[&id].binary.is_empty());
        assert_eq!(call.world.code(id), None);
    }
    assert_eq!(call.world.hub.reports()[0].dave_version, 0);
    for _ in 0..2000 {
        call.world.input(a, Input::Binary(&[28, 0]));
    }
    assert_eq!(call.world.code(a), Some(4021), "but a flood is a flood");
}

#[test]
fn a_resume_in_mid_transition_replays_what_was_missed() {
    let mut call = Call::new(DavePolicy::Required);
    let (a, b) = (call.join(5, 8), call.join(6, 8));
    call.pass(BATCH_DELAY);
    call.world.input(b, Input::Closed(None));
    let c = call.join(7, 8);
    call.pass(BATCH_DELAY);
    assert!(
        call.order(c).ends_with(&[30, 22]),
        "nobody waits for who is away"
    );
    call.pass(Duration::from_secs(5));
    let back = call.resume(b, 6, 8);
    let replayed = call.order(back);
    assert_eq!(replayed, [8, 9, 11, 18, 20, 27, 29, 22]);
    call.assert_one_group(&[a, back, c]);
    assert_eq!(call.world.hub.reports()[1].epoch, Some(2));
}

#[test]
fn a_version_4_resume_has_no_replay_so_the_client_is_started_anew() {
    let mut call = Call::new(DavePolicy::Required);
    let (a, b) = (call.join(5, 8), call.join(6, 4));
    call.pass(BATCH_DELAY);
    call.world.input(b, Input::Closed(None));
    let c = call.join(7, 8);
    call.pass(Duration::from_secs(5));
    let back = call.resume(b, 6, 4);
    // What op 11 it missed, songbird learns from the group; this client is stricter.
    let recognized = [5, 6, 7];
    call.clients
        .get_mut(&back)
        .unwrap()
        .0
        .recognized
        .extend(recognized);
    call.pass(Duration::from_millis(100));
    assert_eq!(call.order(back)[..3], [8, 9, 24]);
    assert!(call.order(back).contains(&WELCOME) && !call.order(back).contains(&25));
    call.assert_one_group(&[a, back, c]);
}

#[test]
fn leaves_kicks_and_expired_sessions_are_removed_from_the_group() {
    let mut call = Call::new(DavePolicy::Required);
    let ids = [5, 6, 7, 8, 9].map(|user| call.join(user, 8));
    call.pass(Duration::from_millis(100));
    call.assert_one_group(&ids);
    call.world.input(ids[2], Input::Closed(Some(1000)));
    let now = call.world.now;
    call.world
        .hub
        .revoke(now, GuildId::new(GUILD), UserId::new(8), 4014);
    call.world.settle();
    call.pass(Duration::from_millis(100));
    call.assert_one_group(&[ids[0], ids[1], ids[4]]);
    let seen = &call.world.seen[&ids[0]];
    assert!(seen.binary.iter().any(|(op, _)| *op == COMMIT));
    call.world.input(ids[4], Input::Closed(None));
    call.pass(RESUME_WINDOW + Duration::from_secs(1));
    call.assert_one_group(&ids[..2]);
    assert_eq!(call.world.hub.reports().len(), 2);
    // 13 comes before the proposal that removes.
    let order = call.order(ids[0]);
    let last = |wanted: u8| order.iter().rposition(|op| *op == wanted);
    assert!(last(13) < last(PROPOSALS), "{order:?}");
}

#[test]
fn a_member_that_identifies_again_is_another_member() {
    let mut call = Call::new(DavePolicy::Required);
    let (a, b) = (call.join(5, 8), call.join(6, 8));
    call.pass(Duration::from_millis(100));
    call.clients.remove(&b);
    let again = call.join(6, 8);
    call.pass(Duration::from_millis(100));
    assert_eq!(call.world.code(b), Some(4006));
    call.assert_one_group(&[a, again]);
}

#[test]
fn while_a_room_goes_plain_its_sealed_frames_are_kept_from_who_cannot_open_them() {
    let mut call = Call::new(DavePolicy::Optional);
    let (a, b) = (call.join(5, 8), call.join(6, 8));
    call.pass(BATCH_DELAY);
    call.assert_one_group(&[a, b]);
    call.clients.get_mut(&a).unwrap().0.is_slow = true;
    let plain = call.join_with(7, 8, 0);
    assert_eq!(
        call.world.seen[&plain].texts[2]["d"]["dave_protocol_version"],
        0
    );
    let deaf = |call: &Call| -> Vec<bool> {
        let members = call.world.table.members.iter();
        members.map(|member| member.is_deaf_to_sealed).collect()
    };
    assert_eq!(deaf(&call), [false, false, true]);
    call.pass(Duration::from_secs(2));
    assert!(call.order(a).ends_with(&[21, 22]));
    // Somebody whose connection is lost may seal until it is resumed and has read op 22.
    assert_eq!(deaf(&call), [false, false, true]);
    call.pass(RESUME_WINDOW);
    assert_eq!(deaf(&call), [false, false, false]);
    assert!(
        call.world
            .hub
            .reports()
            .iter()
            .all(|report| report.dave_version == 0)
    );
}

#[test]
fn a_client_whose_key_package_is_refused_is_closed_4020_and_a_flood_4021() {
    let mut call = Call::new(DavePolicy::Required);
    let (bad, flood) = (call.join(5, 8), call.join(6, 8));
    call.world.input(bad, Input::Binary(&[26, 0, 1, 0, 2]));
    assert_eq!(call.world.code(bad), Some(4020));
    for _ in 0..2000 {
        call.world.input(flood, Input::Binary(&[28, 0]));
    }
    assert_eq!(call.world.code(flood), Some(4021));
    assert!(call.world.hub.reports().is_empty());
}

#[test]
fn faults_reach_rooms_that_exist_and_rooms_that_come() {
    let mut call = Call::new(DavePolicy::Required);
    let fault = DaveFault {
        downgrade: true,
        ..DaveFault::default()
    };
    let now = call.world.now;
    call.world
        .hub
        .set_dave_fault(now, 1, Scope::default(), fault);
    let (a, b) = (call.join(5, 8), call.join(6, 8));
    assert_eq!(
        call.world.seen[&a].texts[2]["d"]["dave_protocol_version"],
        0
    );
    let now = call.world.now;
    call.world.hub.clear_fault(now, 1);
    call.world.settle();
    call.talk();
    call.pass(Duration::from_millis(100));
    call.assert_one_group(&[a, b]);
    let now = call.world.now;
    call.world
        .hub
        .set_dave_fault(now, 2, Scope::default(), fault);
    call.world.settle();
    call.talk();
    assert!(call.order(a).ends_with(&[21, 22]));
}
