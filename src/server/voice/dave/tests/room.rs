//! One room: the delivery service, its clients, and the wires between them.

use std::collections::VecDeque;

use super::client::Reply;
use super::*;

pub(super) const CHANNEL: u64 = 10;

pub(super) fn user(id: u64) -> UserId {
    UserId::new(id)
}

pub(super) struct Room {
    pub now: Instant,
    pub delivery: Delivery,
    pub clients: BTreeMap<u64, Client>,
    /// Clients whose messages to them wait.
    pub deaf: BTreeMap<u64, VecDeque<(u8, Vec<u8>)>>,
    /// Clients whose messages from them wait.
    pub mute: BTreeMap<u64, VecDeque<Reply>>,
    /// Every DAVE message of the server in order.
    pub told: Vec<(u64, u8, Vec<u8>)>,
    pub closed: Vec<(u64, u16)>,
}

impl Room {
    pub fn new(policy: DavePolicy) -> Self {
        let signer = Arc::new(GatewaySigner::new(&[3; 32]).unwrap());
        Self {
            now: crate::clock::now(),
            delivery: Delivery::new(ChannelId::new(CHANNEL), policy, signer, Vec::new()),
            clients: BTreeMap::new(),
            deaf: BTreeMap::new(),
            mute: BTreeMap::new(),
            told: Vec::new(),
            closed: Vec::new(),
        }
    }

    /// A room that demands DAVE, with these members in one group.
    pub fn with(users: &[u64]) -> Self {
        let mut room = Self::new(DavePolicy::Required);
        for user in users {
            room.enter(*user);
        }
        room.advance(BATCH_DELAY);
        room.assert_one_group(users);
        room
    }

    pub fn enter(&mut self, id: u64) {
        self.enter_with(id, VERSION);
    }

    /// What the hub does around a join: op 4, op 11, then the delivery service.
    pub fn enter_with(&mut self, id: u64, max_version: u16) {
        let version = self.delivery.version_for(user(id), max_version);
        let mut client = Client::new(id, CHANNEL);
        client.recognized.extend(self.clients.keys());
        for other in self.clients.values_mut() {
            other.recognized.insert(id);
        }
        let replies = client.describe(version);
        self.clients.insert(id, client);
        self.delivery.join(self.now, user(id), max_version);
        self.answer(id, replies);
        self.settle();
    }

    /// Op 13, then the delivery service.
    pub fn exit(&mut self, id: u64) {
        self.clients.remove(&id);
        self.deaf.remove(&id);
        self.mute.remove(&id);
        for other in self.clients.values_mut() {
            other.recognized.remove(&id);
        }
        self.delivery.leave(self.now, user(id));
        self.settle();
    }

    /// A client says something.
    pub fn say(&mut self, id: u64, op: u8, payload: &[u8]) {
        self.delivery.receive(self.now, user(id), op, payload);
        self.settle();
    }

    fn answer(&mut self, id: u64, replies: Vec<Reply>) {
        for (op, payload) in replies {
            match self.mute.get_mut(&id) {
                Some(waiting) => waiting.push_back((op, payload)),
                None => self.delivery.receive(self.now, user(id), op, &payload),
            }
        }
    }

    /// Carries messages until everybody waits.
    pub fn settle(&mut self) {
        loop {
            match self.delivery.poll() {
                Output::Tell(to, body) => {
                    let (op, payload) = match body {
                        Body::Json(op, d) => (op, d.as_bytes().to_vec()),
                        Body::Binary(op, payload) => (op, payload.to_vec()),
                    };
                    self.told.push((to.get(), op, payload.clone()));
                    match self.deaf.get_mut(&to.get()) {
                        Some(waiting) => waiting.push_back((op, payload)),
                        None => self.hear(to.get(), op, &payload),
                    }
                }
                Output::Close(to, code) => self.closed.push((to.get(), code)),
                Output::Wait(_) => return,
            }
        }
    }

    fn hear(&mut self, id: u64, op: u8, payload: &[u8]) {
        if let Some(client) = self.clients.get_mut(&id) {
            let replies = client.take(op, payload);
            self.answer(id, replies);
        }
    }

    /// Lets a deaf client hear again, and catch up.
    pub fn undeafen(&mut self, id: u64) {
        for (op, payload) in self.deaf.remove(&id).unwrap_or_default() {
            self.hear(id, op, &payload);
            self.settle();
        }
    }

    /// Lets a muted client's messages through.
    pub fn unmute(&mut self, id: u64) {
        for (op, payload) in self.mute.remove(&id).unwrap_or_default() {
            self.say(id, op, &payload);
        }
    }

    /// Moves time in the steps that the delivery service asks for.
    pub fn advance(&mut self, by: Duration) {
        let end = self.now + by;
        loop {
            self.settle();
            let Output::Wait(due) = self.delivery.poll() else {
                unreachable!("settled");
            };
            let Some(due) = due.filter(|due| *due <= end) else {
                break;
            };
            assert!(due >= self.now || due <= end, "deadlines do not run away");
            self.now = self.now.max(due);
            self.delivery.tick(self.now);
        }
        self.now = end;
        self.settle();
    }

    pub fn client(&mut self, id: u64) -> &mut Client {
        self.clients.get_mut(&id).unwrap()
    }

    /// Messages of this opcode, with their receivers.
    pub fn said(&self, op: u8) -> Vec<u64> {
        let of_op = self.told.iter().filter(|(_, told, _)| *told == op);
        of_op.map(|(to, ..)| *to).collect()
    }

    /// Exactly these are in one group, can be heard by each other, and no client met a message that
    /// it could not process.
    #[track_caller]
    pub fn assert_one_group(&mut self, users: &[u64]) {
        let epoch = self.delivery.epoch;
        assert!(epoch > 0, "no group");
        let code = |client: &Client| {
            let session = client.session.as_ref().unwrap();
            session.voice_privacy_code().map(str::to_owned)
        };
        let first = code(&self.clients[&users[0]]).expect("a privacy code");
        for id in users {
            let client = &self.clients[id];
            assert_eq!(client.errors, Vec::<String>::new(), "user {id}");
            assert_eq!(client.epoch(), Some(epoch), "user {id}");
            assert_eq!(code(client).as_ref(), Some(&first), "user {id}");
            let standing = self.delivery.standing(user(*id));
            assert_eq!(standing.epoch, Some(epoch), "user {id}");
            let leaf = self.delivery.tree.leaf(client.leaf()).unwrap();
            assert_eq!(leaf.user, user(*id), "leaf of user {id}");
            let mut members = client.session.as_ref().unwrap().get_user_ids().unwrap();
            members.sort_unstable();
            let mut wanted = users.to_vec();
            wanted.sort_unstable();
            assert_eq!(members, wanted, "as user {id} sees it");
        }
        assert_eq!(self.delivery.tree.iter().count(), users.len());
        self.assert_all_hear(users);
    }

    #[track_caller]
    pub fn assert_all_hear(&mut self, users: &[u64]) {
        for from in users {
            let frame = format!("frame of user {from}").into_bytes();
            let sealed = self.client(*from).seal(&frame).expect("keys to send with");
            for to in users.iter().filter(|to| *to != from) {
                let opened = self.client(*to).open(*from, &sealed);
                assert_eq!(opened.as_ref(), Some(&frame), "{from} to {to}");
            }
        }
    }
}
