//! What plays now: from the wish through joining and opening to the last sound.

use std::time::Duration;

use super::{MAX_FAILURES, PATIENCE, Room};
use crate::calls::{Call, TrackNews};
use crate::desk::Desk;
use crate::ids::{ChannelId, Reply, Ticket, Track};
use crate::queue::Item;
use crate::says::{self, Sound};

/// The item that has the room's voice.
#[derive(Debug)]
pub(super) struct Current {
    pub(super) item: Item,
    pub(super) phase: Phase,
    pub(super) heard: Heard,
    /// Whose answer waits for the first sound.
    pub(super) pending: Pending,
    /// When controls stop waiting for the first sound.
    pub(super) patience: Duration,
    /// News of tracks that came before the engine told which track this is.
    pub(super) early: Vec<(Track, TrackNews)>,
}

/// How far the current item has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// The bot is on its way into the channel.
    Joining(Ticket, ChannelId),
    /// The engine is opening the file.
    Opening(Ticket),
    /// The engine took it; nothing has been sent yet.
    Starting(Track),
    /// It can be heard.
    Sounding(Track),
    /// It is held.
    Paused(Track),
}

/// Whose command ends in this item.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Pending {
    /// Nobody's: it was simply next.
    Nobody,
    /// A `/play` with nothing before it.
    Play(Reply),
    /// A `/skip` of the named item.
    Skip(Reply, String),
    /// A `/resume` out of silence.
    Resume(Reply),
}

/// How much has been heard, by the clock; the engine's own count is asked for where it matters.
#[derive(Debug, Clone, Copy)]
pub(super) struct Heard {
    before: Duration,
    since: Option<Duration>,
}

impl Heard {
    pub(super) fn at(self, now: Duration) -> Duration {
        self.before
            + self
                .since
                .map_or(Duration::ZERO, |since| now.saturating_sub(since))
    }

    pub(super) fn hold(&mut self, now: Duration) {
        *self = Self {
            before: self.at(now),
            since: None,
        };
    }

    pub(super) fn go_on(&mut self, now: Duration) {
        *self = Self {
            before: self.at(now),
            since: Some(now),
        };
    }
}

impl Current {
    pub(super) fn awaits(&self, ticket: Ticket) -> bool {
        matches!(self.phase, Phase::Joining(t, _) | Phase::Opening(t) if t == ticket)
    }

    /// Whether it can be controlled: it is heard, held, or has been about to start for too long
    /// (while the voice connection is interrupted).
    pub(super) fn is_settled(&self, now: Duration) -> bool {
        match self.phase {
            Phase::Sounding(_) | Phase::Paused(_) => true,
            Phase::Starting(_) => now >= self.patience,
            Phase::Joining(..) | Phase::Opening(_) => false,
        }
    }

    /// The engine took it under this number.
    pub(super) fn taken(&mut self, now: Duration, track: Track) {
        self.phase = Phase::Starting(track);
        self.patience = now + PATIENCE;
    }

    pub(super) fn track(&self) -> Option<Track> {
        match self.phase {
            Phase::Starting(track) | Phase::Sounding(track) | Phase::Paused(track) => Some(track),
            Phase::Joining(..) | Phase::Opening(_) => None,
        }
    }

    pub(super) fn sound(&self) -> Sound {
        match self.phase {
            Phase::Sounding(_) => Sound::Playing,
            Phase::Paused(_) => Sound::Paused,
            Phase::Joining(..) | Phase::Opening(_) | Phase::Starting(_) => Sound::Starting,
        }
    }
}

impl Room {
    /// Gives an item the room's voice, joining `to` first if it is given.
    pub(super) fn begin(
        &mut self,
        desk: &mut Desk,
        item: Item,
        pending: Pending,
        to: Option<ChannelId>,
    ) {
        let phase = match to {
            Some(channel) => {
                if let Pending::Play(reply) | Pending::Resume(reply) = pending {
                    desk.defer(reply); // joining takes as long as it takes
                }
                Phase::Joining(desk.call(Call::Join(self.guild, channel)), channel)
            }
            None => Phase::Opening(self.open(desk, &item)),
        };
        let heard = Heard {
            before: item.start,
            since: None,
        };
        self.current = Some(Current {
            item,
            phase,
            heard,
            pending,
            patience: Duration::MAX,
            early: Vec::new(),
        });
    }

    /// Asks the engine to play an item.
    pub(super) fn open(&self, desk: &mut Desk, item: &Item) -> Ticket {
        desk.call(Call::Play {
            guild: self.guild,
            origin: item.origin.clone(),
            gain: self.gain(),
            start: item.start,
        })
    }

    /// The next item's turn, or silence.
    pub(super) fn advance(&mut self, desk: &mut Desk, pending: Pending) {
        if self.voice.is_none() {
            return self.fall_silent(desk, pending);
        }
        match self.queue.take() {
            Some(item) => self.begin(desk, item, pending, None),
            None => self.fall_silent(desk, pending),
        }
    }

    /// Nothing plays any more; whoever waited for a first sound is told.
    fn fall_silent(&mut self, desk: &mut Desk, pending: Pending) {
        self.current = None;
        match pending {
            Pending::Nobody | Pending::Play(_) => {}
            Pending::Skip(reply, label) => {
                desk.say(reply, says::skipped_but(&label, self.queue.len()))
            }
            Pending::Resume(reply) => desk.whisper(reply, says::resume_failed(self.queue.len())),
        }
    }

    /// The first sound of the current item went out: now the answer is true.
    pub(super) fn sounded(&mut self, desk: &mut Desk, now: Duration, track: Track) {
        let waiting = self.queue.len();
        let Some(current) = &mut self.current else {
            return;
        };
        self.failures = 0;
        if matches!(current.phase, Phase::Starting(_)) {
            current.phase = Phase::Sounding(track);
            current.heard.go_on(now);
        }
        match std::mem::replace(&mut current.pending, Pending::Nobody) {
            Pending::Nobody => {}
            Pending::Play(reply) => desk.say(reply, says::now_playing(&current.item, waiting)),
            Pending::Skip(reply, label) => desk.say(reply, says::skipped_to(&label, &current.item)),
            Pending::Resume(reply) if current.item.start.is_zero() => {
                desk.say(reply, says::now_playing(&current.item, waiting));
            }
            Pending::Resume(reply) => {
                desk.say(reply, says::resumed(&current.item, current.item.start));
            }
        }
    }

    /// The current item played to its end.
    pub(super) fn ended(&mut self, desk: &mut Desk) {
        let Some(current) = self.current.take() else {
            return;
        };
        if matches!(current.phase, Phase::Starting(_)) {
            self.current = Some(current);
            return self.failed(desk, "there is no sound in it");
        }
        self.queue.remember(current.item);
        self.advance(desk, Pending::Nobody);
    }

    /// The current item cannot be played, or not to its end.
    pub(super) fn failed(&mut self, desk: &mut Desk, reason: &str) {
        let Some(Current { item, pending, .. }) = self.current.take() else {
            return;
        };
        if let Pending::Play(reply) = pending {
            desk.whisper(reply, says::unplayable(&item.label, reason));
            return self.advance(desk, Pending::Nobody);
        }
        self.failures = self.failures.saturating_add(1);
        if self.failures >= MAX_FAILURES {
            self.tell(
                desk,
                says::gave_up(&item, reason, self.failures, self.queue.len()),
            );
            self.failures = 0;
            return self.fall_silent(desk, pending);
        }
        self.tell(
            desk,
            says::failed(&item, reason, self.queue.waiting().next()),
        );
        self.advance(desk, pending);
    }

    /// Something outside cut the current item off: it waits in front, from where it was.
    pub(super) fn cut_off(&mut self, desk: &mut Desk, now: Duration) {
        let Some(Current {
            mut item,
            heard,
            pending,
            ..
        }) = self.current.take()
        else {
            return;
        };
        item.start = heard.at(now);
        match pending {
            Pending::Nobody => {}
            Pending::Play(reply) | Pending::Skip(reply, _) | Pending::Resume(reply) => {
                desk.whisper(reply, says::interrupted(&item));
            }
        }
        self.queue.put_back(item);
    }

    /// Takes the current item out of its place into the history and returns its label.
    pub(super) fn retire(&mut self, desk: &mut Desk) -> Option<String> {
        let Current { item, pending, .. } = self.current.take()?;
        match pending {
            Pending::Nobody => {}
            Pending::Play(reply) | Pending::Skip(reply, _) | Pending::Resume(reply) => {
                desk.say(reply, says::ended_early(&item.label));
            }
        }
        let label = item.label.clone();
        self.queue.remember(item);
        Some(label)
    }

    /// How long until a new item at the end would play; `None` when some length is not known.
    pub(super) fn wait(&self, now: Duration) -> Option<Duration> {
        let current = self.current.as_ref()?;
        Some(current.item.length?.saturating_sub(current.heard.at(now)) + self.queue.length()?)
    }
}
