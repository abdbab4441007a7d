//! What the host reports: outcomes of requests, tracks, the voice connection.

use std::time::Duration;

use super::playing::{Pending, Phase};
use super::{MAX_EARLY, Room, Step};
use crate::calls::{Outcome, TrackNews, VoiceNews};
use crate::desk::Desk;
use crate::ids::{ChannelId, Reply, Ticket, Track};
use crate::says;

impl Room {
    /// Takes the outcome of a request this room [awaits](Room::awaits).
    pub(crate) fn outcome(
        &mut self,
        desk: &mut Desk,
        now: Duration,
        ticket: Ticket,
        outcome: Outcome,
    ) {
        match self
            .current
            .as_ref()
            .filter(|current| current.awaits(ticket))
            .map(|c| c.phase)
        {
            Some(Phase::Joining(_, channel)) => return self.joined(desk, channel, outcome),
            Some(_) => return self.opened(desk, now, outcome),
            None => {}
        }
        if self.awaits_ahead(ticket) {
            return self.ahead_outcome(desk, now, ticket, outcome);
        }
        if let Some((_, step)) = self.step.take_if(|(t, _)| *t == ticket) {
            return self.stepped(desk, now, step, outcome);
        }
        if let Some(place) = self.probing.iter().position(|(t, _)| *t == ticket) {
            let (_, wish) = self.probing.swap_remove(place);
            return self.probed(desk, now, wish, outcome);
        }
        if let Some(place) = self.asking.iter().position(|(t, _)| *t == ticket) {
            let (_, reply) = self.asking.swap_remove(place);
            self.positioned(desk, now, reply, &outcome);
        }
    }

    /// News of a track of this server; tracks that are not the current one's are somebody else's.
    pub(crate) fn track(&mut self, desk: &mut Desk, now: Duration, track: Track, news: TrackNews) {
        let Some(current) = &self.current else {
            return;
        };
        if current.track() != Some(track) {
            let opening = matches!(current.phase, Phase::Opening(_));
            if (opening || self.expects_a_track() || self.is_seeking())
                && self.early.len() < MAX_EARLY
            {
                self.early.push((track, news)); // its number is not known yet
            }
            return;
        }
        match news {
            TrackNews::Started => self.sounded(desk, now, track),
            TrackNews::Ended => self.ended(desk, now),
            TrackNews::Failed(reason) => self.failed(desk, now, &reason),
            // It went down with the one before it, and may be fine by itself.
            TrackNews::Stopped if current.joined && matches!(current.phase, Phase::Starting(_)) => {
                self.play_alone(desk);
            }
            // Not by this room, which lets go of a track before it stops it.
            TrackNews::Stopped => self.cut_off(desk, now),
        }
    }

    /// The news that were kept of a track whose number is known now.
    pub(super) fn news_of_old(&mut self, desk: &mut Desk, now: Duration, track: Track) {
        let early = std::mem::take(&mut self.early);
        let (mine, others) = early.into_iter().partition(|(of, _)| *of == track);
        self.early = others;
        let mine: Vec<(Track, TrackNews)> = mine;
        for (track, news) in mine {
            self.track(desk, now, track, news);
        }
    }

    /// Joining the current item on did not work: it is opened by itself.
    fn play_alone(&mut self, desk: &mut Desk) {
        let Some(mut current) = self.current.take() else {
            return;
        };
        current.joined = false;
        current.phase = Phase::Opening(self.open(desk, &current.item));
        self.current = Some(current);
    }

    /// News of the voice connection.
    pub(crate) fn voice(&mut self, desk: &mut Desk, now: Duration, news: VoiceNews) {
        match news {
            VoiceNews::Moved(channel) => {
                self.voice = Some(channel);
                self.alone = None;
            }
            VoiceNews::Connected(channel) => {
                self.voice = Some(channel);
                self.sound_flows(now);
            }
            VoiceNews::Resumed => self.sound_flows(now),
            VoiceNews::Lost => {
                if let Some(current) = &mut self.current {
                    current.heard.hold(now);
                }
            }
            VoiceNews::Ended(reason) => self.disconnected(desk, now, &reason),
        }
    }

    fn sound_flows(&mut self, now: Duration) {
        if let Some(current) = &mut self.current
            && matches!(current.phase, Phase::Sounding(_))
        {
            current.heard.go_on(now);
        }
    }

    fn disconnected(&mut self, desk: &mut Desk, now: Duration, reason: &str) {
        if self
            .current
            .as_ref()
            .is_some_and(|current| matches!(current.phase, Phase::Joining(..)))
        {
            return; // the outcome of the join says more
        }
        self.voice = None;
        self.cut_off(desk, now);
        let leaving = matches!(self.step, Some((_, Step::Leave { .. })));
        if !leaving && !self.queue.is_empty() {
            self.tell(desk, says::disconnected(reason, self.queue.len()));
        }
    }

    fn joined(&mut self, desk: &mut Desk, channel: ChannelId, outcome: Outcome) {
        let Some(mut current) = self.current.take() else {
            return;
        };
        let Outcome::Failed(reason) = outcome else {
            self.voice = Some(channel);
            current.phase = Phase::Opening(self.open(desk, &current.item));
            self.current = Some(current);
            return;
        };
        match current.pending {
            Pending::Play(reply) => desk.whisper(reply, says::join_failed(channel, &reason)),
            Pending::Resume(reply) | Pending::Skip(reply, _) => {
                desk.whisper(reply, says::join_failed(channel, &reason));
                self.queue.put_back(current.item);
            }
            Pending::Nobody | Pending::Seek(..) => {
                (self.holds, self.dozes) = (false, false);
                self.queue.put_back(current.item);
            }
        }
    }

    fn opened(&mut self, desk: &mut Desk, now: Duration, outcome: Outcome) {
        let Some(current) = &mut self.current else {
            return;
        };
        match outcome {
            Outcome::Playing(track) if self.holds => {
                self.holds = false;
                current.phase = Phase::Paused(track);
            }
            Outcome::Playing(track) => {
                current.taken(now, track);
                self.news_of_old(desk, now, track);
            }
            Outcome::Failed(_) if current.joined => self.play_alone(desk),
            Outcome::Failed(reason) => self.failed(desk, now, &reason),
            other => self.failed(
                desk,
                now,
                &format!("the host answered {other:?} to a request to play"),
            ),
        }
    }

    fn stepped(&mut self, desk: &mut Desk, now: Duration, step: Step, outcome: Outcome) {
        let Some((step, outcome)) = self.tuned(desk, now, step, outcome) else {
            return;
        };
        let failure = match outcome {
            Outcome::Failed(reason) => Some(reason),
            _ => None,
        };
        match (step, failure) {
            (Step::Pause { reply, track }, failure) => {
                self.paused(desk, now, reply, track, failure)
            }
            (Step::Resume { reply, track }, failure) => {
                self.resumed(desk, now, reply, track, failure)
            }
            // A track that could not be stopped was over already: it is silent either way.
            (Step::Stop { reply, text }, _) => desk.say(reply, text),
            (
                Step::Gain {
                    reply,
                    track,
                    before,
                },
                Some(reason),
            ) if self.plays(track) => {
                self.volume = before;
                desk.whisper(reply, says::refused(&reason));
            }
            (Step::Gain { reply, .. }, _) => desk.say(reply, says::volume_set(self.volume)),
            (Step::Leave { reply, .. }, Some(reason)) => {
                desk.whisper(reply, says::refused(&reason))
            }
            (
                Step::Leave {
                    reply,
                    channel,
                    cleared,
                },
                None,
            ) => {
                self.voice = None;
                desk.say(reply, says::left(channel, cleared));
            }
            (Step::Doze { track }, failure) => self.dozed(desk, now, track, failure.is_some()),
            (Step::Wake { track }, failure) => self.woke(now, track, failure.is_some()),
            (Step::Seek { .. } | Step::Repeat { .. } | Step::Effect { .. }, _) => {}
        }
    }

    pub(super) fn plays(&self, track: Track) -> bool {
        self.current
            .as_ref()
            .is_some_and(|current| current.track() == Some(track))
    }

    fn paused(
        &mut self,
        desk: &mut Desk,
        now: Duration,
        reply: Reply,
        track: Track,
        failure: Option<String>,
    ) {
        let Some(current) = self.current.as_mut().filter(|c| c.track() == Some(track)) else {
            return desk.whisper(reply, says::JUST_ENDED);
        };
        if let Some(reason) = failure {
            return desk.whisper(reply, says::refused(&reason));
        }
        current.phase = Phase::Paused(track);
        current.heard.hold(now);
        desk.say(reply, says::paused(&current.item, current.heard.at(now)));
    }

    fn resumed(
        &mut self,
        desk: &mut Desk,
        now: Duration,
        reply: Reply,
        track: Track,
        failure: Option<String>,
    ) {
        let Some(current) = self.current.as_mut().filter(|c| c.track() == Some(track)) else {
            return desk.whisper(reply, says::JUST_ENDED);
        };
        if let Some(reason) = failure {
            return desk.whisper(reply, says::refused(&reason));
        }
        current.phase = Phase::Sounding(track);
        current.heard.go_on(now);
        self.dozes = false;
        desk.say(reply, says::resumed(&current.item, current.heard.at(now)));
    }

    fn probed(&mut self, desk: &mut Desk, now: Duration, mut wish: super::Wish, outcome: Outcome) {
        match outcome {
            Outcome::Tags(tags) => {
                wish.item.label = tags.label(&wish.file_name);
                wish.item.length = tags.length;
                self.admit(desk, now, wish);
            }
            Outcome::Failed(reason) => {
                desk.whisper(
                    wish.caller.reply,
                    says::unplayable(&wish.item.label, &reason),
                );
            }
            // Not readable as tags, so whether it can be played is for the engine to say.
            _ => self.admit(desk, now, wish),
        }
    }

    fn positioned(&mut self, desk: &mut Desk, now: Duration, reply: Reply, outcome: &Outcome) {
        let Some(current) = &self.current else {
            return desk.whisper(reply, says::nothing_playing(self.queue.len()));
        };
        let at = match outcome {
            Outcome::Position(at) if current.track().is_some() => *at,
            _ => current.heard.at(now),
        };
        desk.say(
            reply,
            says::position(&current.item, at, &current.sound(), &self.notes()),
        );
    }
}
