//! What plays now: from the wish through joining and opening to the last sound.

use std::collections::BTreeSet;
use std::time::Duration;

use super::heard::Heard;
use super::{MAX_FAILURES, PATIENCE, Room};
use crate::calls::{Call, Repeat};
use crate::desk::Desk;
use crate::ids::{ChannelId, Reply, Ticket, Track, UserId};
use crate::queue::Item;
use crate::says::{self, Sound};
use crate::tells;

/// What begins anywhere but at its beginning rises this long, so that it does not click.
pub(super) const SOFTLY: Duration = Duration::from_millis(10);

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
    /// It was joined on to the one before; if that goes wrong it is played by itself.
    pub(super) joined: bool,
    /// Who wants to skip it.
    pub(super) votes: BTreeSet<UserId>,
    /// How many of them it takes, as of the last vote.
    pub(super) votes_needed: usize,
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
    /// A `/seek` to this place.
    Seek(Reply, Duration),
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
        if to.is_some() {
            self.alone = None;
        }
        (self.dozes, self.mover) = (false, None);
        self.current = Some(self.current_of(item, phase, pending));
    }

    /// An item that has the room's voice.
    pub(super) fn current_of(&self, item: Item, phase: Phase, pending: Pending) -> Current {
        Current {
            heard: self.heard_from(&item, item.start),
            item,
            phase,
            pending,
            patience: Duration::MAX,
            joined: false,
            votes: BTreeSet::new(),
            votes_needed: 0,
        }
    }

    /// The clock of an item that begins at a place.
    pub(super) fn heard_from(&self, item: &Item, start: Duration) -> Heard {
        Heard::from(start, self.effect.filters().tempo(), self.lap(item))
    }

    /// The length of an item that begins again at its end.
    pub(super) fn lap(&self, item: &Item) -> Option<Duration> {
        item.length.filter(|_| self.repeat == Repeat::Track)
    }

    /// Asks the engine to play an item.
    pub(super) fn open(&self, desk: &mut Desk, item: &Item) -> Ticket {
        let soft = (!item.start.is_zero()).then_some(SOFTLY);
        desk.call(self.play_call(item, self.holds, soft))
    }

    /// The request for an item, as loud and as changed as everything here.
    pub(super) fn play_call(&self, item: &Item, paused: bool, fade_in: Option<Duration>) -> Call {
        Call::Play {
            guild: self.guild,
            origin: item.origin.clone(),
            gain: self.gain(),
            start: item.start,
            paused,
            fade_in,
            repeat: self.repeat == Repeat::Track,
            effect: self.effect,
        }
    }

    /// An item that has been played: remembered, and where it comes round again, in the queue.
    pub(super) fn put_away(&mut self, item: Item) {
        if self.repeat == Repeat::Queue {
            self.queue.recycle(item.clone());
        }
        self.queue.remember(item);
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
            Pending::Resume(reply) | Pending::Seek(reply, _) => {
                desk.whisper(reply, says::resume_failed(self.queue.len()));
            }
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
            Pending::Seek(reply, to) => desk.say(reply, tells::sought(&current.item, to, false)),
        }
    }

    /// The current item played to its end.
    pub(super) fn ended(&mut self, desk: &mut Desk, now: Duration) {
        let Some(current) = self.current.take() else {
            return;
        };
        match (current.phase, &current.pending) {
            (_, Pending::Seek(reply, _)) => {
                desk.say(*reply, tells::sought_past_the_end(&current.item));
            }
            (Phase::Starting(_), _) => {
                self.current = Some(current);
                return self.failed(desk, now, "there is no sound in it");
            }
            (_, Pending::Play(reply) | Pending::Skip(reply, _) | Pending::Resume(reply)) => {
                desk.say(*reply, says::ended_early(&current.item.label));
            }
            (_, Pending::Nobody) => {}
        }
        if self.repeat == Repeat::Track {
            // It was to begin again, but that came too late for the engine.
            self.queue.put_back(Item {
                start: Duration::ZERO,
                ..current.item
            });
        } else {
            self.put_away(current.item);
        }
        self.go_on(desk, now);
    }

    /// The current item cannot be played, or not to its end.
    pub(super) fn failed(&mut self, desk: &mut Desk, now: Duration, reason: &str) {
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
            self.release_ahead(desk);
            return self.fall_silent(desk, pending);
        }
        self.tell(
            desk,
            says::failed(&item, reason, self.queue.waiting().next()),
        );
        match pending {
            Pending::Nobody => self.go_on(desk, now),
            Pending::Seek(reply, _) => {
                desk.whisper(reply, says::unplayable(&item.label, reason));
                self.go_on(desk, now);
            }
            pending => self.advance(desk, pending),
        }
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
        self.release_ahead(desk);
        item.start = heard.at(now);
        match pending {
            Pending::Nobody => {}
            Pending::Play(reply)
            | Pending::Skip(reply, _)
            | Pending::Resume(reply)
            | Pending::Seek(reply, _) => {
                desk.whisper(reply, says::interrupted(&item));
            }
        }
        self.queue.put_back(item);
    }

    /// Takes the current item out of its place into the history and returns its label.
    pub(super) fn retire(&mut self, desk: &mut Desk) -> Option<String> {
        let item = self.dismiss(desk)?;
        let label = item.label.clone();
        self.put_away(item);
        Some(label)
    }

    /// Takes the current item out of its place and returns it.
    pub(super) fn dismiss(&mut self, desk: &mut Desk) -> Option<Item> {
        let Current { item, pending, .. } = self.current.take()?;
        self.release_ahead(desk);
        match pending {
            Pending::Nobody => {}
            Pending::Play(reply)
            | Pending::Skip(reply, _)
            | Pending::Resume(reply)
            | Pending::Seek(reply, _) => {
                desk.say(reply, says::ended_early(&item.label));
            }
        }
        Some(item)
    }

    /// How long until a new item at the end would play; `None` when some length is not known.
    pub(super) fn wait(&self, now: Duration) -> Option<Duration> {
        let current = self.current.as_ref()?;
        Some(current.item.length?.saturating_sub(current.heard.at(now)) + self.queue.length()?)
    }
}
