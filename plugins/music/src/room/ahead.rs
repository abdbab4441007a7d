//! What comes next is made ready before it is needed: joined on without a gap, or faded over to.

use std::time::Duration;

use super::Room;
use super::playing::{Current, Pending, Phase};
use crate::calls::{Call, Outcome, Repeat};
use crate::desk::Desk;
use crate::ids::{Ticket, Track};
use crate::queue::Item;

/// How long before the end of a track the next one is opened: time enough for a slow disk or a
/// download, and little enough that the queue rarely changes once it is done.
const PRELOAD: Duration = Duration::from_secs(15);
/// A crossfade shorter than this is none.
const LEAST_FADE: Duration = Duration::from_millis(100);

/// The item that follows, and how far that has come. Until its turn it also stays in the queue.
#[derive(Debug)]
pub(super) struct Ahead {
    item: Item,
    stage: Stage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The engine is opening it, to join it on.
    Asked(Ticket),
    /// It will follow.
    Ready(Track),
    /// The engine is opening it, to fade over to it in this time.
    Crossing(Ticket, Duration),
    /// It is being taken back.
    Dropping(Ticket, Track),
    /// It was to be taken back, too late: it will begin, and is stopped then.
    Doomed(Track),
    /// It could not be opened; its turn will tell why.
    Refused,
}

/// When something has to be done about what comes next.
enum Due {
    Later(Option<Duration>),
    Join(Track),
    Cross(Duration),
}

impl Room {
    /// The tracks of the engine: what plays or is held, and what follows it.
    pub(crate) fn tracks(&self) -> (Option<Track>, Option<Track>) {
        let next = self.ahead.as_ref().and_then(|ahead| match ahead.stage {
            Stage::Ready(track) | Stage::Dropping(_, track) | Stage::Doomed(track) => Some(track),
            Stage::Asked(_) | Stage::Crossing(..) | Stage::Refused => None,
        });
        (self.current.as_ref().and_then(Current::track), next)
    }

    /// Whether the outcome with this ticket is about what comes next.
    pub(super) fn awaits_ahead(&self, ticket: Ticket) -> bool {
        let ahead = self.ahead.as_ref().map(|ahead| ahead.stage);
        self.strays.contains(&ticket)
            || matches!(ahead, Some(Stage::Asked(t) | Stage::Crossing(t, _) | Stage::Dropping(t, _))
                if t == ticket)
    }

    /// Whether the number of a track is still to come that may already be making news.
    pub(super) fn expects_a_track(&self) -> bool {
        let ahead = self.ahead.as_ref().map(|ahead| ahead.stage);
        matches!(ahead, Some(Stage::Asked(_) | Stage::Crossing(..)))
    }

    /// Sees to it that what comes next is what the queue says, and that it is ready in time.
    pub(crate) fn look_ahead(&mut self, desk: &mut Desk, now: Duration) {
        let opening = matches!(
            self.current.as_ref().map(|c| c.phase),
            Some(Phase::Opening(_))
        );
        if !opening && !self.expects_a_track() && !self.is_seeking() {
            self.early.clear(); // somebody else's
        }
        if self.is_seeking() {
            return; // the track it would follow is about to be another one
        }
        let next = self.successor();
        let mut replaces = false;
        match (&self.ahead, &next) {
            (None, _) => {}
            // One thing at a time: the outcome brings us back here.
            (Some(ahead), _) if !matches!(ahead.stage, Stage::Ready(_) | Stage::Refused) => return,
            (Some(ahead), Some(next)) if ahead.item == *next => return,
            (
                Some(Ahead {
                    item,
                    stage: Stage::Ready(track),
                }),
                None,
            ) => {
                let (item, track) = (item.clone(), *track);
                let stage = Stage::Dropping(desk.call(Call::Cancel(track)), track);
                self.ahead = Some(Ahead { item, stage });
                return;
            }
            // The engine puts the one in the place of the other.
            (
                Some(Ahead {
                    stage: Stage::Ready(_),
                    ..
                }),
                Some(_),
            ) => replaces = true,
            _ => self.ahead = None,
        }
        let Some(next) = next else { return };
        let stage = match self.due(now, &next) {
            Due::Cross(fade) if !replaces => {
                let call = self.play_call(&next, false, Some(fade));
                Stage::Crossing(desk.call(call), fade)
            }
            Due::Join(after) => Stage::Asked(self.ask_next(desk, after, &next)),
            _ => match self.playing_track().filter(|_| replaces) {
                Some(after) => Stage::Asked(self.ask_next(desk, after, &next)),
                None => return,
            },
        };
        self.ahead = Some(Ahead { item: next, stage });
    }

    fn ask_next(&self, desk: &mut Desk, after: Track, item: &Item) -> Ticket {
        desk.call(Call::Next {
            after,
            origin: item.origin.clone(),
            start: item.start,
        })
    }

    /// When [`Room::look_ahead`] has something to do although nothing happens.
    pub(super) fn wake_ahead(&self, now: Duration) -> Option<Duration> {
        if self.ahead.is_some() {
            return None;
        }
        match self.due(now, &self.successor()?) {
            Due::Later(at) => at,
            Due::Join(_) | Due::Cross(..) => None,
        }
    }

    /// What plays when the current item ends.
    fn successor(&self) -> Option<Item> {
        let current = self.current.as_ref()?;
        if self.repeat == Repeat::Track || self.playing_track().is_none() {
            return None;
        }
        let again = || {
            (self.repeat == Repeat::Queue).then(|| Item {
                start: Duration::ZERO,
                ..current.item.clone()
            })
        };
        self.queue.waiting().next().cloned().or_else(again)
    }

    /// The track that is heard or held.
    fn playing_track(&self) -> Option<Track> {
        match self.current.as_ref()?.phase {
            Phase::Sounding(track) | Phase::Paused(track) => Some(track),
            _ => None,
        }
    }

    fn due(&self, now: Duration, next: &Item) -> Due {
        let (Some(current), Some(track)) = (&self.current, self.playing_track()) else {
            return Due::Later(None);
        };
        // Without a length its end cannot be foreseen: the next one waits from the start.
        let Some(length) = current.item.length else {
            return Due::Join(track);
        };
        let left = current.heard.until(now, length);
        let fade = self.fade_between(&current.item, next);
        let ahead_of_end = if fade.is_zero() { PRELOAD } else { fade };
        if left > ahead_of_end {
            let at = now + (left - ahead_of_end);
            return Due::Later(current.heard.runs().then_some(at));
        }
        let fade = fade.min(left);
        if fade < LEAST_FADE {
            Due::Join(track)
        } else if current.heard.runs() {
            Due::Cross(fade)
        } else {
            Due::Later(None)
        }
    }

    /// The operator's crossfade, but at most half of either track.
    fn fade_between(&self, current: &Item, next: &Item) -> Duration {
        let lengths = [current.length, next.length].into_iter().flatten();
        lengths.fold(self.rules.crossfade, |fade, length| fade.min(length / 2))
    }

    /// The outcome of a request that [`Room::awaits_ahead`] knows.
    pub(super) fn ahead_outcome(
        &mut self,
        desk: &mut Desk,
        now: Duration,
        ticket: Ticket,
        outcome: Outcome,
    ) {
        if let Some(place) = self.strays.iter().position(|t| *t == ticket) {
            self.strays.swap_remove(place);
            if let Outcome::Playing(track) = outcome {
                desk.call(Call::Stop(track)); // nobody wants it any more
            }
            return;
        }
        let Some(Ahead { item, stage }) = self.ahead.take() else {
            return;
        };
        let stage = match (stage, outcome) {
            (Stage::Crossing(_, fade), Outcome::Playing(track)) => {
                return self.cross(desk, now, item, track, fade);
            }
            (_, Outcome::Playing(track)) => Stage::Ready(track),
            (Stage::Dropping(_, track), Outcome::Failed(_)) => Stage::Doomed(track),
            (Stage::Dropping(..), _) => return,
            _ => Stage::Refused,
        };
        self.ahead = Some(Ahead { item, stage });
    }

    /// The next item sounds, rising: the current one fades away.
    fn cross(&mut self, desk: &mut Desk, now: Duration, item: Item, track: Track, fade: Duration) {
        let old = match self.playing_track() {
            Some(old) if self.successor().as_ref() == Some(&item) => old,
            _ => {
                desk.call(Call::Stop(track));
                return;
            }
        };
        desk.call(Call::FadeOut(old, fade));
        if let Some(item) = self.dismiss(desk) {
            self.put_away(item);
        }
        self.queue.take();
        let mut current = self.current_of(item, Phase::Opening(Ticket(0)), Pending::Nobody);
        current.taken(now, track);
        self.current = Some(current);
        self.news_of_old(desk, now, track);
    }

    /// The current item is over: on with what was made ready, if it is still wanted.
    pub(super) fn go_on(&mut self, desk: &mut Desk, now: Duration) {
        let Some(Ahead { item, stage }) = self.ahead.take() else {
            return self.advance(desk, Pending::Nobody);
        };
        let wanted = self.queue.waiting().next() == Some(&item);
        let take = |room: &mut Self, phase| {
            room.queue.take();
            let current = room.current_of(item, phase, Pending::Nobody);
            room.current = Some(Current {
                joined: true,
                ..current
            });
        };
        match stage {
            Stage::Ready(track) if wanted => {
                take(self, Phase::Opening(Ticket(0)));
                if let Some(current) = &mut self.current {
                    current.taken(now, track);
                }
                return;
            }
            Stage::Asked(ticket) | Stage::Crossing(ticket, _) if wanted => {
                return take(self, Phase::Opening(ticket));
            }
            Stage::Asked(ticket) | Stage::Crossing(ticket, _) => self.strays.push(ticket),
            Stage::Ready(track) | Stage::Doomed(track) | Stage::Dropping(_, track) => {
                desk.call(Call::Stop(track));
            }
            Stage::Refused => {}
        }
        self.advance(desk, Pending::Nobody);
    }

    /// The track that it would have followed is stopped: it is not to be heard either, even if its
    /// turn has just come.
    pub(super) fn release_ahead(&mut self, desk: &mut Desk) {
        match self.ahead.take().map(|ahead| ahead.stage) {
            Some(Stage::Asked(ticket) | Stage::Crossing(ticket, _)) => self.strays.push(ticket),
            Some(Stage::Ready(track) | Stage::Doomed(track) | Stage::Dropping(_, track)) => {
                desk.call(Call::Stop(track));
            }
            Some(Stage::Refused) | None => {}
        }
    }
}
