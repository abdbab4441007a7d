//! The commands that change how something plays, or in which order: judged, carried out, answered.

use std::time::Duration;

use super::playing::{Pending, Phase, SOFTLY};
use super::{Room, Step};
use crate::calls::{Call, Caller, Outcome, Repeat, Tweak};
use crate::desk::Desk;
use crate::effect::{Effect, Preset, SCALE};
use crate::ids::{Reply, Track};
use crate::moment::Moment;
use crate::queue::Item;
use crate::{says, tells};

impl Room {
    pub(super) fn seek(&mut self, desk: &mut Desk, now: Duration, caller: &Caller, moment: Moment) {
        let reply = caller.reply;
        let (track, phase) = match self.controlled(caller) {
            Ok(found) => found,
            Err(refusal) => return desk.whisper(reply, refusal),
        };
        let Some(current) = &self.current else { return };
        let item = &current.item;
        match moment.from(current.heard.at(now), item.length) {
            Ok(to) => self.go_to(desk, reply, track, phase, to),
            Err(nowhere) => desk.whisper(reply, tells::nowhere(item, nowhere)),
        }
    }

    /// Opens the current item elsewhere; the old one plays until that is done.
    fn go_to(&mut self, desk: &mut Desk, reply: Reply, old: Track, phase: Phase, to: Duration) {
        let Some(current) = &self.current else { return };
        let paused = matches!(phase, Phase::Paused(_));
        let there = Item {
            start: to,
            ..current.item.clone()
        };
        let ticket = desk.call(self.play_call(&there, paused, Some(SOFTLY)));
        let step = Step::Seek {
            reply,
            old,
            to,
            paused,
        };
        self.step = Some((ticket, step));
    }

    /// The outcome of a step of this file; any other is handed back.
    pub(super) fn tuned(
        &mut self,
        desk: &mut Desk,
        now: Duration,
        step: Step,
        outcome: Outcome,
    ) -> Option<(Step, Outcome)> {
        match (step, outcome) {
            (
                Step::Seek {
                    reply,
                    old,
                    to,
                    paused,
                },
                outcome,
            ) => self.sought(desk, now, (reply, old, to, paused), outcome),
            (
                Step::Repeat {
                    reply,
                    track,
                    before,
                },
                Outcome::Failed(reason),
            ) if self.plays(track) => {
                self.repeat = before;
                desk.whisper(reply, says::refused(&reason));
            }
            (Step::Repeat { reply, .. }, _) => {
                self.retime(now);
                desk.say(reply, tells::repeat_set(self.repeat));
            }
            (
                Step::Effect {
                    reply,
                    track,
                    before,
                },
                Outcome::Failed(reason),
            ) if self.plays(track) => {
                self.effect = before;
                desk.whisper(reply, says::refused(&reason));
            }
            (Step::Effect { reply, .. }, _) => {
                self.retime(now);
                desk.say(reply, tells::effect_set(self.effect));
            }
            other => return Some(other),
        }
        None
    }

    /// The clock of the current item goes on by what is true now.
    fn retime(&mut self, now: Duration) {
        let tempo = self.effect.filters().tempo();
        let repeats = self.repeat == Repeat::Track;
        if let Some(current) = &mut self.current {
            let lap = current.item.length.filter(|_| repeats);
            current.heard.change(now, tempo, lap);
        }
    }

    fn sought(
        &mut self,
        desk: &mut Desk,
        now: Duration,
        (reply, old, to, paused): (Reply, Track, Duration, bool),
        outcome: Outcome,
    ) {
        let new = match outcome {
            Outcome::Playing(track) => track,
            Outcome::Failed(reason) => return desk.whisper(reply, says::refused(&reason)),
            _ => return desk.whisper(reply, says::refused("the host gave no track")),
        };
        if !self.plays(old) {
            desk.call(Call::Stop(new));
            return desk.whisper(reply, says::JUST_ENDED);
        }
        desk.call(Call::Stop(old));
        self.release_ahead(desk);
        let Some(mut current) = self.current.take() else {
            return;
        };
        current.heard = self.heard_from(&current.item, to);
        // Whoever waits for the first sound, because nothing could be heard yet, still does.
        let waits = current.pending != Pending::Nobody;
        if paused || waits {
            desk.say(reply, tells::sought(&current.item, to, paused));
        } else {
            current.pending = Pending::Seek(reply, to);
        }
        if paused {
            current.phase = Phase::Paused(new);
        } else {
            current.taken(now, new);
        }
        self.current = Some(current);
        self.news_of_old(desk, now, new);
    }

    pub(super) fn set_repeat(&mut self, desk: &mut Desk, caller: &Caller, repeat: Repeat) {
        let reply = caller.reply;
        if let Some(refusal) = self.refuses_change(caller) {
            return desk.whisper(reply, refusal);
        }
        if repeat == self.repeat {
            return desk.whisper(reply, tells::repeat_is(repeat));
        }
        let before = std::mem::replace(&mut self.repeat, repeat);
        let engine_minds = Repeat::Track == before || Repeat::Track == repeat;
        let track = self.current.as_ref().and_then(super::Current::track);
        match track.filter(|_| engine_minds) {
            Some(track) => {
                let ticket = desk.call(Call::Repeat(track, repeat == Repeat::Track));
                let step = Step::Repeat {
                    reply,
                    track,
                    before,
                };
                self.step = Some((ticket, step));
            }
            None => desk.say(reply, tells::repeat_set(repeat)),
        }
    }

    pub(super) fn filter(&mut self, desk: &mut Desk, caller: &Caller, tweak: Tweak) {
        let reply = caller.reply;
        if tweak == Tweak::default() {
            return desk.whisper(reply, tells::effect_is(self.effect));
        }
        let (least, most) = SCALE;
        for number in [tweak.speed, tweak.pitch].into_iter().flatten() {
            if !(least..=most).contains(&number) {
                return desk.whisper(reply, tells::scale_out_of_range(number));
            }
        }
        if let Some(refusal) = self.refuses_change(caller) {
            return desk.whisper(reply, refusal);
        }
        let before = self.effect;
        let kept = match tweak.preset {
            Some(Preset::Off) => Effect::default(),
            _ => before,
        };
        self.effect = Effect {
            preset: tweak.preset.unwrap_or(kept.preset),
            speed: tweak.speed.unwrap_or(kept.speed),
            pitch: tweak.pitch.unwrap_or(kept.pitch),
        };
        match self.current.as_ref().and_then(super::Current::track) {
            Some(track) => {
                let ticket = desk.call(Call::Effect(track, self.effect));
                let step = Step::Effect {
                    reply,
                    track,
                    before,
                };
                self.step = Some((ticket, step));
            }
            None => desk.say(reply, tells::effect_set(self.effect)),
        }
    }

    /// While something plays, only those who listen change how; in silence anybody may.
    fn refuses_change(&self, caller: &Caller) -> Option<String> {
        self.current.as_ref()?;
        self.refuses_control(caller)
    }

    pub(super) fn previous(&mut self, desk: &mut Desk, caller: &Caller) {
        let reply = caller.reply;
        if let Some(refusal) = self.refuses_change(caller) {
            return desk.whisper(reply, refusal);
        }
        if self.queue.played().next().is_none() {
            return desk.whisper(reply, tells::NOTHING_BEFORE);
        }
        if self.current.is_none()
            && let Some(refusal) = self.refuses_play(caller)
        {
            return desk.whisper(reply, refusal);
        }
        let Some(item) = self.queue.recall() else {
            return;
        };
        self.queue.unrecycle(&item);
        if let Some(track) = self.current.as_ref().and_then(super::Current::track) {
            desk.call(Call::Stop(track));
        }
        if let Some(interrupted) = self.dismiss(desk) {
            self.queue.put_back(Item {
                start: Duration::ZERO,
                ..interrupted
            });
        }
        self.text = Some(caller.text);
        let to = caller
            .user_voice
            .filter(|theirs| self.voice != Some(*theirs));
        self.begin(desk, item, Pending::Resume(reply), to);
        self.mover = Some(caller.user);
    }

    pub(super) fn replay(&mut self, desk: &mut Desk, now: Duration, caller: &Caller) {
        if self.current.is_some() {
            self.seek(desk, now, caller, Moment::At(Duration::ZERO));
        } else {
            self.previous(desk, caller); // the last one, once more
        }
    }

    pub(super) fn shift(&mut self, desk: &mut Desk, caller: &Caller, from: i64, to: i64) {
        let reply = caller.reply;
        if let Some(refusal) = self.refuses_order(caller) {
            return desk.whisper(reply, refusal);
        }
        for place in [from, to] {
            if !self.is_place(place) {
                return desk.whisper(reply, tells::no_such_place(place, self.queue.len()));
            }
        }
        let (from, to) = (place(from), place(to));
        self.queue.shift(from, to);
        if let Some(item) = self.queue.waiting().nth(to.saturating_sub(1)) {
            desk.say(reply, tells::moved(item, to));
        }
    }

    pub(super) fn remove(&mut self, desk: &mut Desk, caller: &Caller, first: i64, last: i64) {
        let reply = caller.reply;
        if let Some(refusal) = self.refuses_order(caller) {
            return desk.whisper(reply, refusal);
        }
        let (first, last) = (first.min(last), first.max(last));
        for place in [first, last] {
            if !self.is_place(place) {
                return desk.whisper(reply, tells::no_such_place(place, self.queue.len()));
            }
        }
        let gone = self.queue.remove_all(place(first), place(last));
        desk.say(reply, tells::removed(&gone, self.queue.len()));
    }

    pub(super) fn clear(&mut self, desk: &mut Desk, caller: &Caller) {
        if let Some(refusal) = self.refuses_order(caller) {
            return desk.whisper(caller.reply, refusal);
        }
        let plays = self.current.is_some();
        let cleared = self.queue.clear();
        desk.say(caller.reply, tells::cleared(cleared, plays));
    }

    pub(super) fn shuffle(&mut self, desk: &mut Desk, caller: &Caller, dice: u64) {
        if let Some(refusal) = self.refuses_order(caller) {
            return desk.whisper(caller.reply, refusal);
        }
        self.queue.shuffle(dice);
        let next = self.queue.waiting().next();
        desk.say(caller.reply, tells::shuffled(self.queue.len(), next));
    }

    fn refuses_order(&self, caller: &Caller) -> Option<String> {
        let empty = || {
            self.queue
                .is_empty()
                .then(|| tells::NOTHING_WAITS.to_owned())
        };
        self.refuses_change(caller).or_else(empty)
    }

    fn is_place(&self, place: i64) -> bool {
        usize::try_from(place).is_ok_and(|place| (1..=self.queue.len()).contains(&place))
    }

    /// What `/nowplaying` adds: whatever is not as usual.
    pub(super) fn notes(&self) -> String {
        tells::notes(self.volume, self.repeat, self.effect) + tells::until_somebody(self.dozes)
    }
}

/// A place that is known to be one.
fn place(number: i64) -> usize {
    usize::try_from(number).unwrap_or(0)
}
