//! The ear of a client: its receiver, and what the world knows about what should be heard.

mod judge;

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::rc::Rc;
use std::time::{Duration, Instant};

use mynah_dave::BaseSecret;
use mynah_session::receive::{Head, Receiver};
use mynah_session::voice::{MediaKeys, Passthrough};
use mynah_wire::{Ssrc, UserId};

use super::ledger::Ledger;
use super::media::{Frame, Said};

/// Frames that came out of order may wait for so long even when all is well.
const GAP: Duration = Duration::from_millis(300);
/// After so long a frame is heard or lost; longer than [`HOLD`].
const DECIDED: Duration = Duration::from_millis(2500);

/// Why a client has no group, or another one than before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fresh {
    /// It just came.
    Joined,
    /// Op 31.
    Recovering,
    /// Op 24, or a change between plain and encrypted.
    Regrouping,
}

/// What became of a frame that arrived.
struct Fate {
    is_sealed: bool,
    is_heard: bool,
}

struct Key {
    user_id: UserId,
    base: BaseSecret,
    since: Instant,
}

/// One connection's ear. A new connection gets a new one.
pub(super) struct Ear {
    receiver: Receiver,
    /// Keys the receiver was ever given.
    keys: Vec<Key>,
    /// When plain frames became believable.
    passthrough_since: Vec<Instant>,
    /// Streams whose user the receiver was told, and since when.
    known: HashMap<Ssrc, Instant>,
    left: HashMap<UserId, Instant>,
    /// Who else is here, and since when somebody is.
    company: BTreeSet<UserId>,
    company_since: Option<Instant>,
    /// Since when it has had no group, or the group it has now, and why.
    fresh: (Instant, Fresh),
    /// When it entered its first epoch since, and the code of that.
    entered: Option<(Instant, String)>,
    user_id: UserId,
    /// Until when its websocket was broken or had a slow message.
    trouble: Option<Instant>,
    /// Its websocket is gone, and not resumed yet: attempts are spaced, up to a minute.
    is_cut: bool,
    /// When it was resumed last.
    mended: Option<Instant>,
    arrived: VecDeque<(Instant, Rc<Frame>)>,
    /// Every frame that arrived.
    frames: HashMap<Said, Fate>,
    /// What was heard of each client since [`listen`](Self::listen).
    recent: HashMap<usize, u64>,
    listening_since: Option<Instant>,
    /// Stream and time of every frame that was heard, for whoever takes them.
    pub log: Vec<(Ssrc, u32)>,
}

impl Ear {
    pub fn new(now: Instant, user_id: UserId) -> Self {
        Self {
            receiver: Receiver::new(),
            keys: Vec::new(),
            passthrough_since: Vec::new(),
            known: HashMap::new(),
            left: HashMap::new(),
            company: BTreeSet::new(),
            company_since: None,
            fresh: (now, Fresh::Joined),
            entered: None,
            user_id,
            trouble: None,
            is_cut: false,
            mended: None,
            arrived: VecDeque::new(),
            frames: HashMap::new(),
            recent: HashMap::new(),
            listening_since: None,
            log: Vec::new(),
        }
    }

    pub fn wake(&self) -> Option<Instant> {
        self.receiver.wake()
    }

    // --- what the session says -----------------------------------------------------------------

    pub fn keys(&mut self, now: Instant, keys: &MediaKeys) {
        if let MediaKeys::Receiver { user_id, base, .. } = keys {
            let is_new = !self.keys.iter().any(|key| key.base == *base);
            if is_new {
                self.keys.push(Key {
                    user_id: *user_id,
                    base: base.clone(),
                    since: now,
                });
            }
        }
        if let MediaKeys::Passthrough(Passthrough::Always | Passthrough::Until(_)) = keys {
            self.passthrough_since.push(now);
        }
        self.receiver.keys(now, keys);
    }

    pub fn learn(&mut self, now: Instant, ssrc: Ssrc, user_id: UserId) {
        self.known.entry(ssrc).or_insert(now);
        self.receiver.learn(ssrc, user_id);
    }

    /// Op 11.
    pub fn joined(&mut self, now: Instant, users: &[UserId]) {
        for user in users {
            self.left.remove(user);
        }
        self.company.extend(users);
        self.company_since.get_or_insert(now);
    }

    /// Op 13.
    pub fn left(&mut self, now: Instant, user_id: UserId) {
        self.left.insert(user_id, now);
        self.receiver.forget(user_id);
        self.company.remove(&user_id);
        if self.company.is_empty() {
            self.company_since = None;
        }
    }

    /// The websocket is gone.
    pub fn cut(&mut self) {
        self.is_cut = true;
    }

    /// The websocket was resumed.
    pub fn mend(&mut self, now: Instant) {
        self.is_cut = false;
        self.mended = Some(now);
    }

    /// A key package is sent: whatever was entered belongs to the group before. Op 24 itself may wait
    /// behind commits of that.
    pub fn asks(&mut self, now: Instant) {
        if self.entered.is_some() {
            self.fresh(now, Fresh::Regrouping);
        }
    }

    /// The group is given up.
    pub fn fresh(&mut self, now: Instant, why: Fresh) {
        self.fresh = (now, why);
        self.entered = None;
    }

    /// An epoch is entered; tells how long that took when it is the first one.
    pub fn enter(&mut self, now: Instant, code: &str) -> Option<Duration> {
        if self.entered.is_some() {
            return None;
        }
        self.entered = Some((now, code.to_owned()));
        // Alone, one can wait for ever.
        let since = self.company_since.unwrap_or(now).max(self.fresh.0);
        Some(now.saturating_duration_since(since))
    }

    /// The websocket is not as it should be until then.
    pub fn trouble(&mut self, until: Instant) {
        self.trouble = Some(self.trouble.map_or(until, |known| known.max(until)));
    }

    // --- frames --------------------------------------------------------------------------------

    /// A frame arrives.
    pub fn take(&mut self, now: Instant, frame: &Rc<Frame>, ledger: &mut Ledger) {
        let said = Said {
            by: frame.from,
            number: frame.number,
        };
        // A datagram that came twice counts once.
        self.frames.entry(said).or_insert_with(|| {
            self.arrived.push_back((now, Rc::clone(frame)));
            ledger.counts.reached += 1;
            Fate {
                is_sealed: frame.seal.is_some(),
                is_heard: false,
            }
        });
        let mut bytes = frame.bytes.clone();
        let head = Head {
            ssrc: frame.ssrc,
            sequence: frame.sequence,
            timestamp: frame.timestamp,
            arrival: now,
        };
        self.receiver.take_frame(now, head, &mut bytes);
        self.hear(now, ledger);
    }

    /// Takes out what can be heard, and judges what should have been.
    pub fn hear(&mut self, now: Instant, ledger: &mut Ledger) {
        while let Some(received) = self.receiver.poll(now) {
            let Some(said) = Said::read(&received.payload) else {
                ledger.problem(format!(
                    "{} heard noise: ssrc {}, {} bytes",
                    self.user_id,
                    received.ssrc,
                    received.payload.len()
                ));
                continue;
            };
            match self.frames.get_mut(&said) {
                None => {
                    ledger.problem(format!("{} heard {said:?}, which never came", self.user_id))
                }
                // Plain ones carry nothing to tell a repetition by but RTP's sequence, which is the
                // jitter buffer's business.
                Some(fate) if fate.is_heard && !fate.is_sealed => {}
                Some(fate) if fate.is_heard => {
                    let who = self.user_id;
                    ledger.problem(format!("{who} heard {said:?} twice"));
                }
                Some(fate) => {
                    fate.is_heard = true;
                    self.log.push((received.ssrc, received.timestamp));
                    ledger.counts.heard += 1;
                    if self.listening_since.is_some() {
                        *self.recent.entry(said.by.client).or_default() += 1;
                    }
                }
            }
        }
        while let Some((at, frame)) = self.arrived.front() {
            if now < *at + DECIDED {
                break;
            }
            let (at, frame) = (*at, Rc::clone(frame));
            self.arrived.pop_front();
            self.judge(at, &frame, ledger);
        }
    }

    /// Users whose frames fail to open again and again.
    pub fn undecryptable(&mut self) -> Option<UserId> {
        self.receiver.undecryptable()
    }

    /// From now on counts who is heard.
    pub fn listen(&mut self, now: Instant) {
        self.listening_since = Some(now);
        self.recent.clear();
    }

    /// How many frames of a client were heard since [`listen`](Self::listen).
    pub fn heard_of(&self, client: usize) -> u64 {
        self.recent.get(&client).copied().unwrap_or(0)
    }

    /// The end of a quiet time: whatever waits now waits for ever.
    pub fn finish(&mut self, now: Instant, ledger: &mut Ledger) {
        self.hear(now, ledger);
        for (at, frame) in std::mem::take(&mut self.arrived) {
            let said = Said {
                by: frame.from,
                number: frame.number,
            };
            if at + GAP < now && !self.is_heard(said) {
                ledger.problem(format!(
                    "{said:?} waits at {} although all is quiet",
                    self.user_id
                ));
            }
        }
    }

    /// The connection ends: whatever is not heard yet will not be.
    pub fn close(&mut self, ledger: &mut Ledger) {
        for (_, frame) in std::mem::take(&mut self.arrived) {
            let said = Said {
                by: frame.from,
                number: frame.number,
            };
            if !self.is_heard(said) {
                ledger.counts.receiver_gone += 1;
            }
        }
    }

    fn is_heard(&self, said: Said) -> bool {
        self.frames.get(&said).is_some_and(|fate| fate.is_heard)
    }
}
