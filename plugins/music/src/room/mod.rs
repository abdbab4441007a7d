//! One server: its queue, what is playing there, and every command judged against both.

mod ahead;
mod alone;
mod asks;
mod comeback;
mod heard;
mod news;
mod playing;
mod rights;
mod tune;

use std::collections::VecDeque;
use std::time::Duration;

use self::ahead::Ahead;
pub(crate) use self::comeback::Comeback;
use self::playing::{Current, Phase};
use crate::calls::{Caller, Control, Repeat, TrackNews};
use crate::card::Card;
use crate::desk::Desk;
use crate::effect::Effect;
use crate::ids::{ChannelId, GuildId, Reply, Ticket, Track, UserId};
use crate::queue::{Item, Queue};
use crate::{says, tells};

/// How many commands may wait for a track to start or a request to be accepted.
const MAX_PARKED: usize = 32;
/// The most news kept of tracks whose number is not known yet: one starts and ends, others are strangers.
const MAX_EARLY: usize = 16;
/// How long a control waits for the first sound of a track the engine has taken. Normally that is 20 ms.
const PATIENCE: Duration = Duration::from_secs(5);
/// After this many tracks in a row that could not be played, something is wrong with all of them.
const MAX_FAILURES: u8 = 5;

/// The limits of the operator.
#[derive(Debug, Clone, PartialEq)]
pub struct Rules {
    /// The volume of a server that never set one, in percent.
    pub default_volume: u16,
    /// The loudest volume, in percent.
    pub max_volume: u16,
    /// The most waiting items.
    pub max_queue: usize,
    /// The longest track.
    pub max_track: Duration,
    /// How many played items are remembered.
    pub history: usize,
    /// How long one track fades over into the next; zero joins them without a gap.
    pub crossfade: Duration,
    /// The share of the listeners that has to agree before a track is skipped that is somebody else's.
    pub vote_skip: f64,
    /// How long it plays on when nobody listens; zero is for ever.
    pub empty_pause: Duration,
}

/// A server's music.
#[derive(Debug)]
pub(crate) struct Room {
    guild: GuildId,
    rules: Rules,
    queue: Queue,
    volume: u16,
    /// The voice channel the bot is in.
    voice: Option<ChannelId>,
    /// Where `/play` was used last: there the room tells what nobody asked.
    text: Option<ChannelId>,
    /// Where to go on playing after a restart, and whether it was paused.
    comeback: Option<Comeback>,
    /// The next item is opened paused, as it was before a restart.
    holds: bool,
    /// Since when nobody listens.
    alone: Option<Duration>,
    /// It is paused because nobody listens, and goes on when somebody comes.
    dozes: bool,
    /// Who went on to the current item, or back to it, if somebody did.
    mover: Option<UserId>,
    /// What is played again.
    repeat: Repeat,
    /// What is done to the sound.
    effect: Effect,
    current: Option<Current>,
    /// What follows the current item.
    ahead: Option<Ahead>,
    /// Requests for tracks that nobody wants any more.
    strays: Vec<Ticket>,
    /// News of tracks that came before the engine told which tracks these are.
    early: Vec<(Track, TrackNews)>,
    /// A control the host has not answered yet.
    step: Option<(Ticket, Step)>,
    /// Uploads and files whose tags are being read.
    probing: Vec<(Ticket, Wish)>,
    /// Questions for a position.
    asking: Vec<(Ticket, Reply)>,
    /// Controls given while a track starts or another control is under way.
    parked: VecDeque<(Caller, Control)>,
    failures: u8,
}

/// A control on its way to the engine.
#[derive(Debug)]
enum Step {
    Pause {
        reply: Reply,
        track: Track,
    },
    Resume {
        reply: Reply,
        track: Track,
    },
    Stop {
        reply: Reply,
        text: String,
    },
    Gain {
        reply: Reply,
        track: Track,
        before: u16,
    },
    Leave {
        reply: Reply,
        channel: ChannelId,
        cleared: usize,
    },
    /// The same item is being opened elsewhere in it.
    Seek {
        reply: Reply,
        old: Track,
        to: Duration,
        paused: bool,
    },
    Repeat {
        reply: Reply,
        track: Track,
        before: Repeat,
    },
    Effect {
        reply: Reply,
        track: Track,
        before: Effect,
    },
    /// Nobody listens.
    Doze {
        track: Track,
    },
    /// Somebody listens again.
    Wake {
        track: Track,
    },
}

/// Something somebody wants to hear.
#[derive(Debug, Clone)]
pub(crate) struct Wish {
    pub(crate) caller: Caller,
    /// The item; label and length may still come from a probe.
    pub(crate) item: Item,
    /// The file's name, for a label when there are no tags.
    pub(crate) file_name: String,
    /// Whether the tags are known, so that no probe is needed.
    pub(crate) known: bool,
}

impl Room {
    pub(crate) fn new(guild: GuildId, rules: Rules) -> Self {
        Self {
            guild,
            queue: Queue::new(rules.max_queue, rules.history),
            volume: rules.default_volume,
            rules,
            voice: None,
            text: None,
            comeback: None,
            holds: false,
            alone: None,
            dozes: false,
            mover: None,
            repeat: Repeat::Off,
            effect: Effect::default(),
            current: None,
            ahead: None,
            strays: Vec::new(),
            early: Vec::new(),
            step: None,
            probing: Vec::new(),
            asking: Vec::new(),
            parked: VecDeque::new(),
            failures: 0,
        }
    }

    /// The volume in percent.
    pub(crate) fn volume(&self) -> u16 {
        self.volume
    }

    /// What is played again, and what is done to the sound.
    pub(crate) fn manner(&self) -> (Repeat, Effect) {
        (self.repeat, self.effect)
    }

    /// What has not been played to its end: the current item from where it is, then what waits.
    pub(crate) fn unfinished(&self, now: Duration) -> Vec<Item> {
        let current = self.current.iter().map(|c| Item {
            start: c.heard.at(now),
            ..c.item.clone()
        });
        current.chain(self.queue.waiting().cloned()).collect()
    }

    /// Everything that would be played from here on, each from its beginning.
    pub(crate) fn list(&self) -> Vec<Item> {
        let current = self.current.iter().map(|current| &current.item);
        let all = current.chain(self.queue.waiting());
        all.map(|item| Item {
            start: Duration::ZERO,
            ..item.clone()
        })
        .collect()
    }

    /// What has been played here, latest first.
    pub(crate) fn played(&self) -> impl Iterator<Item = &Item> {
        self.queue.played()
    }

    /// Whether an outcome with this ticket is awaited here.
    pub(crate) fn awaits(&self, ticket: Ticket) -> bool {
        self.current
            .as_ref()
            .is_some_and(|current| current.awaits(ticket))
            || self.awaits_ahead(ticket)
            || self.step.as_ref().is_some_and(|(t, _)| *t == ticket)
            || self.probing.iter().any(|(t, _)| *t == ticket)
            || self.asking.iter().any(|(t, _)| *t == ticket)
    }

    /// Whether this person may start something here; otherwise the answer that says why not.
    pub(crate) fn refuses_play(&self, caller: &Caller) -> Option<String> {
        let here = self.here(caller);
        let busy = self.current.is_some();
        match (caller.user_voice, here) {
            (None, here) => Some(says::join_first(here.filter(|_| busy))),
            // An idle bot follows whoever calls it; a playing one is not taken away from its listeners.
            (Some(theirs), Some(ours)) if theirs != ours && busy => Some(says::elsewhere(ours)),
            _ => None,
        }
    }

    /// Whether this person may control what plays here; otherwise the answer that says why not.
    pub(super) fn refuses_control(&self, caller: &Caller) -> Option<String> {
        match (caller.user_voice, self.here(caller)) {
            (None, here) => Some(says::join_first(here)),
            (Some(theirs), Some(ours)) if theirs != ours => Some(says::elsewhere(ours)),
            _ => None,
        }
    }

    /// The channel the bot is in or on its way to.
    fn here(&self, caller: &Caller) -> Option<ChannelId> {
        match &self.current {
            Some(Current {
                phase: Phase::Joining(_, channel),
                ..
            }) => Some(*channel),
            Some(_) => self.voice.or(caller.bot_voice),
            None => caller.bot_voice,
        }
    }

    fn is_busy(&self, now: Duration) -> bool {
        self.step.is_some()
            || self
                .current
                .as_ref()
                .is_some_and(|current| !current.is_settled(now))
    }

    /// Gives parked commands their turn, as far as they can have it now.
    pub(crate) fn unpark(&mut self, desk: &mut Desk, now: Duration) {
        while !self.is_busy(now) {
            let Some((mut caller, control)) = self.parked.pop_front() else {
                return;
            };
            caller.bot_voice = self.voice; // what it was when the command came is long outdated
            self.control(desk, now, caller, control);
        }
    }

    /// When parked commands get their turn, or the next item has to be made ready, even if nothing
    /// happens.
    pub(crate) fn wake(&self, now: Duration) -> Option<Duration> {
        let current = self.current.as_ref()?;
        if matches!(current.phase, Phase::Starting(_)) {
            return (!self.parked.is_empty()).then_some(current.patience);
        }
        let wakes = [self.wake_ahead(now), self.wake_alone()];
        wakes.into_iter().flatten().filter(|at| *at > now).min()
    }

    /// Whether something has the room's voice.
    pub(crate) fn is_playing(&self) -> bool {
        self.current.is_some()
    }

    /// What the card shows.
    pub(crate) fn card(&self, now: Duration) -> Card {
        let next = self.queue.waiting().next();
        let mut card = Card {
            plays: self.current.is_some(),
            waits: next.is_some(),
            repeat: self.repeat,
            ..Card::default()
        };
        let Some(current) = &self.current else {
            card.gist = says::nothing_playing(self.queue.len());
            card.text = card.gist.clone();
            return card;
        };
        let sound = current.sound();
        card.paused = matches!(sound, says::Sound::Paused);
        let votes = tells::votes(current.votes.len(), current.votes_needed);
        card.tail = votes + &tells::next_up(next, self.queue.len());
        let at = |at| says::position(&current.item, at, &sound, &self.notes());
        card.gist = at(Duration::ZERO) + &card.tail;
        card.text = at(current.heard.at(now)) + &card.tail;
        card
    }

    fn is_seeking(&self) -> bool {
        matches!(self.step, Some((_, Step::Seek { .. })))
    }

    fn gain(&self) -> f32 {
        f32::from(self.volume) / 100.0
    }

    fn tell(&self, desk: &mut Desk, text: String) {
        if let Some(channel) = self.text {
            desk.post(channel, text);
        }
    }
}
