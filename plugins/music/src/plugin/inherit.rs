//! A reload is not heard: the tracks of the instance before play on, and are taken up where they are.

use mynah_plugin::{Cx, GuildId, Track, TrackKind};

use super::Music;
use crate::calls::{Call, Input, Outcome, TrackNews};
use crate::core::Left;
use crate::ids::Ticket;
use crate::requests;

impl Music {
    /// Asks for the tracks of the instance before. After anything but a reload there are none: the host
    /// says of each that it is not this plugin's.
    pub(super) fn inherit(&mut self, cx: &mut Cx<'_, Self>, left: Vec<Left>) {
        for Left { guild, track, next } in left {
            if let Some(next) = next.map(Track::new) {
                // It is made ready again, when the queue says so.
                let voice = cx.voice();
                cx.spawn(voice.cancel_next(next), |_, _, _| {});
            }
            let Some(track) = track.map(Track::new) else {
                continue;
            };
            let position = cx.voice().position(track);
            cx.spawn(position, move |music: &mut Self, _, position| {
                if let Ok(Some(_)) = position {
                    music.inherited.insert(guild, track);
                }
            });
        }
    }

    /// A request to play where a track plays still is answered with that one. Any other is given back.
    pub(super) fn take_up(
        &mut self,
        cx: &mut Cx<'_, Self>,
        ticket: Ticket,
        call: Call,
    ) -> Option<Call> {
        let Call::Play { guild, paused, .. } = &call else {
            return Some(call);
        };
        let (guild, paused) = (*guild, *paused);
        let Some(track) = self.inherited.remove(&guild) else {
            return Some(call);
        };
        let position = cx.voice().position(track);
        let host = cx.host();
        let taken = async move {
            match position.await {
                Ok(Some(_)) => (Outcome::Playing(track), true),
                // It ended just now.
                _ => (requests::carry_out(host, call).await, false),
            }
        };
        cx.spawn(taken, move |music: &mut Self, cx, (outcome, is_old)| {
            music.input(cx, Input::Outcome(ticket, outcome));
            if is_old && !paused {
                music.input(cx, Input::Track(guild, track, TrackNews::Started));
            }
        });
        None
    }

    /// Nobody is there any more to hear it.
    pub(super) fn let_go(&mut self, cx: &mut Cx<'_, Self>, guild: GuildId) {
        if let Some(track) = self.inherited.remove(&guild) {
            let stop = cx.voice().stop(track);
            cx.spawn(stop, |_, _, _| {});
        }
    }

    /// A track that is over is not taken up.
    pub(super) fn forget(&mut self, track: Track, kind: &TrackKind) {
        let over = [TrackKind::Ended, TrackKind::Stopped];
        if over.contains(kind) || matches!(kind, TrackKind::Failed(_)) {
            self.inherited.retain(|_, inherited| *inherited != track);
        }
    }
}
