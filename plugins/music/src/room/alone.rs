//! Nobody listens: the music waits, and goes on when somebody comes (product.md section 1). Only what
//! waits for that reason goes on by itself; what a person paused is left alone.

use std::time::Duration;

use super::playing::Phase;
use super::{Room, Step};
use crate::calls::Call;
use crate::desk::Desk;
use crate::ids::{ChannelId, Track};

impl Room {
    /// Where it plays or waits; there people are looked for.
    pub(crate) fn stage(&self) -> Option<ChannelId> {
        self.current.as_ref().and(self.voice)
    }

    /// So many others are in that channel.
    pub(crate) fn audience(
        &mut self,
        desk: &mut Desk,
        now: Duration,
        channel: ChannelId,
        listeners: usize,
    ) {
        if self.stage() != Some(channel) {
            return; // it was asked before the bot went elsewhere
        }
        if listeners > 0 {
            self.alone = None;
        } else {
            self.alone.get_or_insert(now);
        }
        self.mind_the_audience(desk, now);
    }

    /// Holds what plays to nobody; lets go on what was held so and has a listener again.
    fn mind_the_audience(&mut self, desk: &mut Desk, now: Duration) {
        let Some(phase) = self.current.as_ref().map(|current| current.phase) else {
            return;
        };
        if self.step.is_some() {
            return; // looked at again at the next look
        }
        match phase {
            Phase::Sounding(track) if self.is_time_to_wait(now) => {
                self.step = Some((desk.call(Call::Pause(track)), Step::Doze { track }));
            }
            Phase::Paused(track) if self.dozes && self.alone.is_none() => {
                self.step = Some((desk.call(Call::Resume(track)), Step::Wake { track }));
            }
            _ => {}
        }
    }

    fn is_time_to_wait(&self, now: Duration) -> bool {
        self.waits_at().is_some_and(|at| now >= at)
    }

    /// When it stops to play for nobody.
    fn waits_at(&self) -> Option<Duration> {
        let pause = self.rules.empty_pause;
        let since = self.alone.filter(|_| !pause.is_zero())?;
        Some(since.saturating_add(pause))
    }

    /// When to look for people even if nothing happens.
    pub(super) fn wake_alone(&self) -> Option<Duration> {
        let current = self.current.as_ref()?;
        let sounds = matches!(current.phase, Phase::Sounding(_));
        self.waits_at().filter(|_| sounds)
    }

    /// The engine holds what nobody hears.
    pub(super) fn dozed(&mut self, desk: &mut Desk, now: Duration, track: Track, failed: bool) {
        let Some(current) = self.current.as_mut().filter(|c| c.track() == Some(track)) else {
            return;
        };
        if failed {
            return; // it was over, which is told by itself
        }
        current.phase = Phase::Paused(track);
        current.heard.hold(now);
        self.dozes = true;
        self.mind_the_audience(desk, now); // somebody may have come meanwhile
    }

    /// It goes on, because somebody came.
    pub(super) fn woke(&mut self, now: Duration, track: Track, failed: bool) {
        self.dozes = false;
        let Some(current) = self.current.as_mut().filter(|c| c.track() == Some(track)) else {
            return;
        };
        if !failed {
            current.phase = Phase::Sounding(track);
            current.heard.go_on(now);
        }
    }
}
