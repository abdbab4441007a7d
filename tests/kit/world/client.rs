//! One client: a real session, a mouth and an ear.

use std::sync::Arc;
use std::time::{Duration, Instant};

use mynah_dave::group::Identity;
use mynah_session::voice::{Config, EndReason, Session};
use mynah_wire::{ChannelId, GuildId, Ssrc, UserId};

use super::ear::Ear;
use super::media::Mouth;
use super::schedule::Who;

pub(super) const GUILD: GuildId = GuildId::new(8);
pub(super) const CHANNEL: ChannelId = ChannelId::new(70);
/// User ids start here.
const FIRST_USER: u64 = 1000;

pub(super) const fn user_id(client: usize) -> UserId {
    UserId::new(FIRST_USER + client as u64)
}

pub(super) fn client_of(user_id: UserId) -> Option<usize> {
    usize::try_from(user_id.get().checked_sub(FIRST_USER)?).ok()
}

/// A client, alive or not.
#[derive(Default)]
pub(super) struct Client {
    /// Counts its processes.
    pub life: u32,
    pub alive: Option<Alive>,
    /// The next of these to it arrives damaged: op 29, op 30.
    pub spoil: [bool; 2],
    /// Its next op 23 is lost.
    pub loses_ready: bool,
}

/// A process of a client.
pub(super) struct Alive {
    pub who: Who,
    pub session: Session,
    pub wake: Option<Instant>,
    pub identity: Arc<Identity>,
    /// Announces DAVE.
    pub has_dave: bool,
    /// When the last word so far arrives at the main gateway, and from there.
    pub last_asked: Instant,
    pub last_told: Instant,
    pub socket: Option<u64>,
    /// No websocket opens before.
    pub cut_until: Instant,
    /// Broken since, or slow until: it may have missed news.
    pub behind_until: Option<Instant>,
    /// Its websocket is gone, and not back yet.
    pub is_cut: bool,
    /// It asked to be let in anew, and speaks with the keys it has until it may use new ones.
    pub is_recovering: bool,
    pub mouth: Mouth,
    /// Number of its UDP socket, and its ear.
    pub udp: Option<(u32, Ear)>,
    pub next_udp: u32,
    /// Its stream, while it has transport keys.
    pub ssrc: Option<Ssrc>,
    pub ended: Option<EndReason>,
    /// Every epoch of this connection.
    pub epochs: Vec<Entered>,
}

/// An epoch that was entered.
pub(super) struct Entered {
    pub epoch: u64,
    pub code: String,
    pub members: Vec<UserId>,
}

impl Alive {
    /// A process that joins at once.
    ///
    /// # Panics
    /// The system has no random numbers.
    pub fn new(now: Instant, who: Who, has_dave: bool, seed: u64) -> Self {
        let identity = Identity::generate().unwrap_or_else(|error| panic!("no identity: {error}"));
        let identity = Arc::new(identity);
        let config = Config {
            guild_id: GUILD,
            user_id: user_id(who.client),
            channel_id: CHANNEL,
            allow_legacy_modes: false,
            max_dave_version: u16::from(has_dave),
            identity: Some(Arc::clone(&identity)),
            give_up_after: Duration::from_secs(600),
            seed,
        };
        Self {
            who,
            session: Session::new(config, now),
            wake: None,
            identity,
            has_dave,
            last_asked: now,
            last_told: now,
            socket: None,
            cut_until: now,
            behind_until: None,
            is_cut: false,
            is_recovering: false,
            mouth: Mouth::new(seed as u16),
            udp: None,
            next_udp: 0,
            ssrc: None,
            ended: None,
            epochs: Vec::new(),
        }
    }

    /// It may speak in an epoch that others have left: its websocket is broken or was a moment ago,
    /// or it is being let in anew.
    pub fn is_behind(&self, now: Instant) -> bool {
        self.is_recovering || self.is_late(now)
    }

    /// Its websocket is broken or was a moment ago.
    pub fn is_late(&self, now: Instant) -> bool {
        self.is_cut || self.behind_until.is_some_and(|until| now < until)
    }

    /// It has noticed that its websocket is gone.
    pub fn cut(&mut self) {
        self.is_cut = true;
        if let Some((_, ear)) = &mut self.udp {
            ear.cut();
        }
    }

    /// The websocket is back.
    pub fn mend(&mut self, now: Instant) {
        self.is_cut = false;
        if let Some((_, ear)) = &mut self.udp {
            ear.mend(now);
        }
    }

    /// Connected, or ended for good.
    pub fn is_settled(&self) -> bool {
        self.ended.is_some() || self.ssrc.is_some() && !self.is_cut
    }

    /// Its websocket is not as it should be until then.
    pub fn trouble(&mut self, until: Instant) {
        self.behind_until = Some(self.behind_until.map_or(until, |known| known.max(until)));
        if let Some((_, ear)) = &mut self.udp {
            ear.trouble(until);
        }
    }

    pub fn ear(&mut self) -> Option<&mut Ear> {
        self.udp.as_mut().map(|(_, ear)| ear)
    }
}
