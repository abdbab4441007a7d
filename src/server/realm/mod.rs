//! The rules: what follows from what on this server.
//!
//! One [`Realm`] holds everything behind one short lock. Every entry point first calls
//! [`Realm::advance`] with the time; nothing in here reads a clock, opens a socket or waits.

mod events;
mod files;
mod interactions;
mod invoke;
mod members;
mod messages;
mod pins;
mod reactions;
mod voice;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use mynah_wire::gateway::IDENTIFY_WINDOW_S;
use mynah_wire::{GuildId, UserId};
use tokio::sync::Notify;

use crate::clock::Clock;
use crate::config::{BotSpec, Limits};
use crate::control::Faults;
use crate::crowd::VoiceTicket;
use crate::gateway::{Link, LinkId, Order, Session};
use crate::rest::Buckets;
use crate::store::{DefaultWorld, Randomness, Snowflakes, Store};
use crate::voice::DavePolicy;
use crate::voice_link::VoiceLink;

pub(crate) use events::{Audience, Event};
pub(crate) use files::NewFile;
pub(crate) use interactions::{ANSWER_WITHIN, Callback, CallbackError};
pub(crate) use invoke::{ATTACHMENT_LIMIT_BYTES, Invocation};
pub(crate) use members::NewChannel;
pub(crate) use messages::{AllowedMentions, Draft, MentionRule, Patch};
pub(crate) use voice::VoiceRefusal;

/// What the realm wants done that needs waiting: the shell does it.
#[derive(Debug)]
pub(crate) enum Errand {
    /// A simulated user has to (re)join voice.
    Join(VoiceTicket),
    /// A simulated user has to leave voice.
    Leave(UserId),
}

/// What a realm starts with.
#[derive(Debug)]
pub(crate) struct Start {
    pub clock: Clock,
    pub now: Instant,
    pub seed: u64,
    pub random: Randomness,
    pub bot: BotSpec,
    pub limits: Limits,
    /// `http://host:port` of the server.
    pub base_url: String,
    /// Of voice channels that do not say anything.
    pub dave: DavePolicy,
}

/// Everything the embedded server knows, and the rules.
pub struct Realm {
    /// What exists.
    pub store: Store,
    /// The ids it started with.
    pub defaults: DefaultWorld,
    /// Limits in force.
    pub limits: Limits,
    pub(crate) now: Instant,
    pub(crate) random: Randomness,
    pub(crate) sessions: BTreeMap<String, Session>,
    pub(crate) links: BTreeMap<LinkId, Link>,
    pub(crate) voice: Box<dyn VoiceLink>,
    pub(crate) buckets: Buckets,
    pub(crate) faults: Faults,
    pub(crate) errands: VecDeque<Errand>,
    /// Wakes the shell that runs errands.
    pub(crate) errand_waiting: Arc<Notify>,
    /// Wakes everybody who waits for a bot's answer.
    pub(crate) progress: Arc<Notify>,
    /// End-to-end encryption of voice channels that do not say anything.
    dave: DavePolicy,
    clock: Clock,
    ids: Snowflakes,
    base_url: String,
    identified: BTreeMap<(UserId, u32), Instant>,
    pauses: BTreeMap<(UserId, GuildId), Instant>,
    links_opened: LinkId,
}

impl Realm {
    /// A fresh realm with the default world.
    pub(crate) fn new(start: Start, voice: Box<dyn VoiceLink>) -> Self {
        let Start {
            clock,
            now,
            seed,
            mut random,
            bot,
            limits,
            base_url,
            dave,
        } = start;
        let mut store = Store::default();
        let defaults = DefaultWorld::found(&mut store, seed, &bot, &mut random);
        Self {
            store,
            defaults,
            limits,
            now,
            random,
            sessions: BTreeMap::new(),
            links: BTreeMap::new(),
            voice,
            buckets: Buckets::default(),
            faults: Faults::default(),
            errands: VecDeque::new(),
            errand_waiting: Arc::new(Notify::new()),
            progress: Arc::new(Notify::new()),
            dave,
            clock,
            ids: Snowflakes::new(seed),
            base_url,
            identified: BTreeMap::new(),
            pauses: BTreeMap::new(),
            links_opened: 0,
        }
    }

    /// Moves time on: sessions and interactions that are over disappear.
    pub fn advance(&mut self, now: Instant) {
        self.now = self.now.max(now);
        let now = self.now;
        let over: Vec<String> = self
            .sessions
            .values()
            .filter(|s| {
                s.detached
                    .is_some_and(|at| now >= at + crate::gateway::KEPT_AFTER_DISCONNECT)
            })
            .map(|s| s.id.clone())
            .collect();
        for id in over {
            self.end_session(&id);
        }
        self.forget_old_interactions();
    }

    /// Unix milliseconds now.
    pub(crate) fn unix_ms(&self) -> u64 {
        self.clock.unix_ms(self.now)
    }

    /// A new snowflake.
    pub(crate) fn next_id(&mut self) -> u64 {
        let unix_ms = self.unix_ms();
        self.ids.next(unix_ms)
    }

    /// `http://host:port`.
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// Where gateway clients connect.
    pub fn gateway_url(&self) -> String {
        format!("{}/gateway", self.base_url.replacen("http", "ws", 1))
    }

    /// Registers a connection.
    pub(crate) fn open_link(&mut self, wake: Arc<Notify>) -> LinkId {
        self.links_opened += 1;
        let link = Link {
            wake,
            orders: VecDeque::new(),
            drop_acks: false,
            user_id: None,
        };
        self.links.insert(self.links_opened, link);
        self.links_opened
    }

    /// One Identify per key per 5 s (gateway.md sections 5 and 8), counted against the daily limit.
    pub(crate) fn admit_identify(&mut self, now: Instant, bot: UserId, shard: u32) -> bool {
        let key = (bot, shard % self.limits.max_concurrency.max(1));
        let window = Duration::from_secs(IDENTIFY_WINDOW_S);
        let early = self
            .identified
            .get(&key)
            .is_some_and(|last| now.saturating_duration_since(*last) < window);
        if early && self.limits.identify {
            return false;
        }
        self.identified.insert(key, now);
        if let Some(bot) = self.store.bots.get_mut(&bot) {
            bot.identifies_left = bot.identifies_left.saturating_sub(1);
        }
        true
    }

    /// Starts a pause for `key`, or says how much of the running one is left.
    pub(crate) fn pause_left(
        &mut self,
        key: (UserId, GuildId),
        length: Duration,
    ) -> Option<Duration> {
        let left = self
            .pauses
            .get(&key)
            .map(|since| (*since + length).saturating_duration_since(self.now));
        match left {
            Some(left) if !left.is_zero() => Some(left),
            _ => {
                self.pauses.insert(key, self.now);
                None
            }
        }
    }

    /// A new session, on the connection it names.
    pub(crate) fn attach(&mut self, session: Session) {
        if let Some(link) = session.link.and_then(|id| self.links.get_mut(&id)) {
            link.user_id = Some(session.user_id);
        }
        self.sessions.insert(session.id.clone(), session);
    }

    /// A session continues on another connection; the old one, if still there, is closed.
    pub(crate) fn reattach(&mut self, id: &str, link: LinkId) {
        let Some(session) = self.sessions.get_mut(id) else {
            return;
        };
        let old = session.link.replace(link).filter(|old| *old != link);
        session.detached = None;
        let user_id = session.user_id;
        // `d` must be an object: discord.py writes into it (gateway.md section 6).
        session.push("RESUMED", Arc::from(r#"{"_trace":["mynah"]}"#));
        if let Some(link) = self.links.get_mut(&link) {
            link.user_id = Some(user_id);
        }
        if let Some(old) = old.and_then(|old| self.links.get_mut(&old)) {
            old.order(Order::Close(mynah_wire::gateway::close::UNKNOWN_ERROR));
        }
    }

    /// The connection of a session is lost; the session waits for a resume.
    pub(crate) fn detach(&mut self, id: &str, link: LinkId) {
        let now = self.now;
        if let Some(session) = self.sessions.get_mut(id).filter(|s| s.link == Some(link)) {
            session.link = None;
            session.detached = Some(now);
        }
    }

    /// A session is over: the bot leaves the voice channels it was in through it
    /// (gateway.md section 12, duty 8).
    pub(crate) fn end_session(&mut self, id: &str) {
        if self.sessions.remove(id).is_some() {
            self.leave_all_voice(id);
        }
    }

    /// True when a bot has at least one session that could get an event of that guild.
    pub(crate) fn is_connected(&self, bot: UserId, guild_id: Option<GuildId>) -> bool {
        self.sessions
            .values()
            .any(|s| s.user_id == bot && s.link.is_some() && s.covers(guild_id))
    }

    /// Asks the shell to do something that takes time.
    pub(crate) fn ask(&mut self, errand: Errand) {
        self.errands.push_back(errand);
        self.errand_waiting.notify_one();
    }
}
