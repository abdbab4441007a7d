//! The commands: judged first, then carried out.

use std::time::Duration;

use super::playing::{Pending, Phase};
use super::rights::{Right, only_looks};
use super::{MAX_PARKED, Room, Step, Wish};
use crate::calls::{Call, Caller, Control};
use crate::desk::Desk;
use crate::ids::{Reply, Track};
use crate::queue::Item;
use crate::{says, tells};

impl Room {
    /// Takes in a wish: reads its tags first where they are not known yet.
    pub(crate) fn play(&mut self, desk: &mut Desk, now: Duration, wish: Wish) {
        self.believe(&wish.caller);
        self.text = Some(wish.caller.text);
        if wish.known {
            return self.admit(desk, now, wish);
        }
        let ticket = desk.call(Call::Probe(wish.item.origin.clone()));
        self.probing.push((ticket, wish));
    }

    /// The wish is something that can be played: now, or in its turn.
    pub(super) fn admit(&mut self, desk: &mut Desk, now: Duration, wish: Wish) {
        let Wish {
            mut caller, item, ..
        } = wish;
        caller.bot_voice = self.voice; // reading tags may have taken a while
        if let Some(refusal) = self.refuses_play(&caller) {
            return desk.whisper(caller.reply, refusal);
        }
        let limit = self.rules.max_track;
        if let Some(length) = item.length.filter(|length| *length > limit) {
            return desk.whisper(caller.reply, says::too_long(&item.label, length, limit));
        }
        if self.current.is_none() {
            let to = caller
                .user_voice
                .filter(|theirs| self.voice != Some(*theirs));
            return self.begin(desk, item, Pending::Play(caller.reply), to);
        }
        let wait = self.wait(now);
        match self.queue.push(item.clone()) {
            Ok(place) => desk.say(caller.reply, says::added(&item, place, wait)),
            Err(full) => desk.whisper(caller.reply, says::queue_full(full.limit)),
        }
    }

    /// Carries out a control, at once or when what is under way has settled.
    pub(crate) fn control(
        &mut self,
        desk: &mut Desk,
        now: Duration,
        caller: Caller,
        control: Control,
    ) {
        self.believe(&caller);
        if self.was_moved_by_another(&caller, &control) {
            return desk.whisper(caller.reply, tells::JUST_MOVED);
        }
        if !only_looks(&control) && self.is_busy(now) {
            if self.parked.len() >= MAX_PARKED {
                return desk.whisper(caller.reply, says::TOO_MANY_WAITING);
            }
            return self.parked.push_back((caller, control));
        }
        match self.right(&caller, &control) {
            Right::Yes => {}
            Right::Vote if self.vote(desk, &caller) => {}
            Right::Vote => return,
            Right::No => return desk.whisper(caller.reply, tells::FOR_DJS),
        }
        match control {
            Control::Pause => self.pause(desk, &caller),
            Control::Resume => self.resume(desk, &caller),
            Control::Skip => self.skip(desk, &caller),
            Control::Stop { clear } => self.stop(desk, &caller, clear),
            Control::Queue => self.show_queue(desk, now, caller.reply),
            Control::NowPlaying => self.show_position(desk, caller.reply),
            Control::Volume(None) => {
                desk.whisper(
                    caller.reply,
                    says::volume_is(self.volume, self.rules.max_volume),
                );
            }
            Control::Volume(Some(percent)) => self.set_volume(desk, &caller, percent),
            Control::Leave => self.leave(desk, &caller),
            Control::Seek(moment) => self.seek(desk, now, &caller, moment),
            Control::Repeat(None) => desk.whisper(caller.reply, tells::repeat_is(self.repeat)),
            Control::Repeat(Some(repeat)) => self.set_repeat(desk, &caller, repeat),
            Control::Filter(tweak) => self.filter(desk, &caller, tweak),
            Control::Previous => self.previous(desk, &caller),
            Control::Replay => self.replay(desk, now, &caller),
            Control::Move { from, to } => self.shift(desk, &caller, from, to),
            Control::Remove { first, last } => self.remove(desk, &caller, first, last),
            Control::Clear => self.clear(desk, &caller),
            Control::Shuffle(dice) => self.shuffle(desk, &caller, dice),
            Control::History => {
                desk.whisper(caller.reply, tells::history(self.queue.played()));
            }
            Control::Toggle if self.is_heard() => self.pause(desk, &caller),
            Control::Toggle => self.resume(desk, &caller),
            Control::NextRepeat => self.set_repeat(desk, &caller, self.repeat.next()),
            Control::Louder(by) => {
                let most = i64::from(self.rules.max_volume);
                let percent = (i64::from(self.volume) + by).clamp(0, most);
                self.set_volume(desk, &caller, percent);
            }
        }
    }

    /// Whether somebody else is just going on or back: whoever asks for the same then means the track that
    /// is gone already.
    fn was_moved_by_another(&self, caller: &Caller, control: &Control) -> bool {
        let current = self.current.as_ref();
        let moves = |pending: &Pending| matches!(pending, Pending::Skip(..) | Pending::Resume(_));
        matches!(control, Control::Skip | Control::Previous)
            && current.is_some_and(|current| moves(&current.pending))
            && self.mover.is_some_and(|mover| mover != caller.user)
    }

    fn is_heard(&self) -> bool {
        let current = self.current.as_ref();
        current.is_some_and(|current| matches!(current.phase, Phase::Sounding(_)))
    }

    /// Puts a whole list into the queue; the first of it plays if nothing does.
    pub(crate) fn enqueue(
        &mut self,
        desk: &mut Desk,
        caller: Caller,
        name: &str,
        items: Vec<Item>,
    ) {
        self.believe(&caller);
        if let Some(refusal) = self.refuses_play(&caller) {
            return desk.whisper(caller.reply, refusal);
        }
        self.text = Some(caller.text);
        let all = items.len();
        let mut items = items.into_iter().map(|item| Item {
            requester: caller.user,
            start: Duration::ZERO,
            ..item
        });
        let first = match self.current {
            None => items.next(),
            Some(_) => None,
        };
        let mut taken = usize::from(first.is_some());
        for item in items {
            if self.queue.push(item).is_err() {
                break;
            }
            taken += 1;
        }
        let Some(first) = first else {
            return match taken {
                0 => desk.whisper(caller.reply, says::queue_full(self.queue.limit())),
                _ => desk.say(caller.reply, tells::enqueued(name, taken, all)),
            };
        };
        let to = caller
            .user_voice
            .filter(|theirs| self.voice != Some(*theirs));
        self.begin(desk, first, Pending::Play(caller.reply), to);
    }

    /// With nothing under way the host knows best where the bot is.
    fn believe(&mut self, caller: &Caller) {
        if self.current.is_none() && self.step.is_none() {
            self.voice = caller.bot_voice;
        }
    }

    /// The track this person may control, or the answer that says why there is none.
    pub(super) fn controlled(&self, caller: &Caller) -> Result<(Track, Phase), String> {
        let current = self
            .current
            .as_ref()
            .and_then(|current| Some((current.track()?, current.phase)));
        let found = current.ok_or_else(|| says::nothing_playing(self.queue.len()))?;
        self.refuses_control(caller).map_or(Ok(found), Err)
    }

    fn pause(&mut self, desk: &mut Desk, caller: &Caller) {
        let reply = caller.reply;
        match (self.controlled(caller), &self.current) {
            (Ok((_, Phase::Paused(_))), Some(current)) => {
                desk.whisper(reply, says::already_paused(&current.item));
                self.dozes = false; // from now on it waits for a person to say so
            }
            (Ok((track, _)), _) => {
                self.step = Some((desk.call(Call::Pause(track)), Step::Pause { reply, track }));
            }
            (Err(refusal), _) => desk.whisper(reply, refusal),
        }
    }

    fn resume(&mut self, desk: &mut Desk, caller: &Caller) {
        let reply = caller.reply;
        if self.current.is_none() {
            return self.resume_from_silence(desk, caller);
        }
        match (self.controlled(caller), &self.current) {
            (Ok((track, Phase::Paused(_))), _) => {
                self.step = Some((
                    desk.call(Call::Resume(track)),
                    Step::Resume { reply, track },
                ));
            }
            (Ok(_), Some(current)) => desk.whisper(reply, says::not_paused(&current.item)),
            (Ok(_), None) => desk.whisper(reply, says::nothing_playing(self.queue.len())),
            (Err(refusal), _) => desk.whisper(reply, refusal),
        }
    }

    fn resume_from_silence(&mut self, desk: &mut Desk, caller: &Caller) {
        let refusal = (!self.queue.is_empty())
            .then(|| self.refuses_play(caller))
            .flatten();
        if let Some(refusal) = refusal {
            return desk.whisper(caller.reply, refusal);
        }
        let Some(item) = self.queue.take() else {
            return desk.whisper(caller.reply, says::nothing_playing(0));
        };
        self.text = Some(caller.text);
        let to = caller
            .user_voice
            .filter(|theirs| self.voice != Some(*theirs));
        self.begin(desk, item, Pending::Resume(caller.reply), to);
    }

    fn skip(&mut self, desk: &mut Desk, caller: &Caller) {
        let reply = caller.reply;
        let track = match self.controlled(caller) {
            Ok((track, _)) => track,
            Err(refusal) => return desk.whisper(reply, refusal),
        };
        let stopping = desk.call(Call::Stop(track));
        let Some(label) = self.retire(desk) else {
            return;
        };
        if self.queue.is_empty() {
            let text = says::skipped_last(&label);
            self.step = Some((stopping, Step::Stop { reply, text }));
        } else {
            // Requests keep their order, so the old track is silent before the new one sounds.
            self.advance(desk, Pending::Skip(reply, label));
            self.mover = Some(caller.user);
        }
    }

    fn stop(&mut self, desk: &mut Desk, caller: &Caller, clear: bool) {
        let reply = caller.reply;
        let idle = self.current.is_none();
        if idle && (!clear || self.queue.is_empty()) {
            return desk.whisper(reply, says::nothing_playing(self.queue.len()));
        }
        let track = match self.controlled(caller) {
            Ok((track, _)) => Some(track),
            Err(_) if idle => None, // only the queue is emptied
            Err(refusal) => return desk.whisper(reply, refusal),
        };
        let stopping = track.map(|track| desk.call(Call::Stop(track)));
        let label = self.retire(desk);
        let cleared = if clear { self.queue.clear() } else { 0 };
        let text = says::stopped(label.as_deref(), self.queue.len(), cleared);
        match stopping {
            Some(ticket) => self.step = Some((ticket, Step::Stop { reply, text })),
            None => desk.say(reply, text),
        }
    }

    fn set_volume(&mut self, desk: &mut Desk, caller: &Caller, percent: i64) {
        let (reply, limit) = (caller.reply, self.rules.max_volume);
        let Some(volume) = u16::try_from(percent)
            .ok()
            .filter(|volume| *volume <= limit)
        else {
            return desk.whisper(reply, says::volume_out_of_range(percent, limit));
        };
        if self.current.is_some()
            && let Some(refusal) = self.refuses_control(caller)
        {
            return desk.whisper(reply, refusal);
        }
        let before = std::mem::replace(&mut self.volume, volume);
        match self
            .current
            .as_ref()
            .and_then(super::playing::Current::track)
        {
            Some(track) => {
                let ticket = desk.call(Call::Gain(track, self.gain()));
                self.step = Some((
                    ticket,
                    Step::Gain {
                        reply,
                        track,
                        before,
                    },
                ));
            }
            None => desk.say(reply, says::volume_set(volume)),
        }
    }

    fn leave(&mut self, desk: &mut Desk, caller: &Caller) {
        let reply = caller.reply;
        let Some(channel) = self.here(caller) else {
            return desk.whisper(reply, says::NOT_IN_VOICE);
        };
        // An idle bot may be sent away by anyone; a playing one only by those who listen.
        if self.current.is_some()
            && let Some(refusal) = self.refuses_control(caller)
        {
            return desk.whisper(reply, refusal);
        }
        self.retire(desk);
        let cleared = self.queue.clear();
        let ticket = desk.call(Call::Leave(self.guild));
        self.step = Some((
            ticket,
            Step::Leave {
                reply,
                channel,
                cleared,
            },
        ));
    }

    fn show_queue(&self, desk: &mut Desk, now: Duration, reply: Reply) {
        let current = self.current.as_ref();
        if current.is_none() && self.queue.is_empty() {
            return desk.whisper(reply, says::QUEUE_EMPTY);
        }
        let sound = current.map(super::playing::Current::sound);
        let head = current
            .zip(sound.as_ref())
            .map(|(c, sound)| (&c.item, c.heard.at(now), sound));
        desk.say(reply, says::queue(head, &self.queue));
    }

    fn show_position(&mut self, desk: &mut Desk, reply: Reply) {
        let Some(current) = &self.current else {
            return desk.whisper(reply, says::nothing_playing(self.queue.len()));
        };
        match current
            .track()
            .filter(|_| !matches!(current.phase, Phase::Starting(_)))
        {
            Some(track) => self.asking.push((desk.call(Call::Position(track)), reply)),
            None => {
                let at = current.item.start;
                desk.say(
                    reply,
                    says::position(&current.item, at, &current.sound(), &self.notes()),
                );
            }
        }
    }
}
