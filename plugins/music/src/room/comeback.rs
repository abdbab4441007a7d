//! A restart: what is left behind, and how it goes on.

use serde::{Deserialize, Serialize};

use super::Room;
use super::playing::{Pending, Phase};
use crate::calls::Repeat;
use crate::desk::Desk;
use crate::effect::Effect;
use crate::ids::ChannelId;
use crate::queue::Item;

/// What played where when the bot ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Comeback {
    /// The voice channel.
    pub(crate) channel: ChannelId,
    /// It was paused.
    pub(crate) paused: bool,
    /// It was paused because nobody listened.
    #[serde(default)]
    pub(crate) dozes: bool,
}

impl Room {
    /// Where it plays, to go on there after a restart.
    pub(crate) fn place(&self) -> (Option<Comeback>, Option<ChannelId>) {
        let current = self.current.as_ref();
        let plays = current.and_then(|current| {
            Some(Comeback {
                channel: self.voice?,
                paused: matches!(current.phase, Phase::Paused(_)) || self.holds,
                dozes: self.dozes,
            })
        });
        (plays.or(self.comeback), self.text)
    }

    /// Where it would go on.
    pub(crate) fn comeback(&self) -> Option<ChannelId> {
        self.comeback.map(|back| back.channel)
    }

    /// Goes on with what a restart interrupted, if there is still somebody to hear it. What waited for
    /// somebody to come waits there again.
    pub(crate) fn come_back(&mut self, desk: &mut Desk, somebody: bool) {
        let Some(back) = self.comeback.take() else {
            return;
        };
        if !(somebody || back.dozes) || self.current.is_some() {
            return;
        }
        if let Some(item) = self.queue.take() {
            self.holds = if back.dozes { !somebody } else { back.paused };
            self.begin(desk, item, Pending::Nobody, Some(back.channel));
            self.dozes = back.dozes && !somebody;
        }
    }

    /// Takes up what an earlier run left unfinished.
    pub(crate) fn restore(
        &mut self,
        volume: u16,
        (repeat, effect): (Repeat, Effect),
        (waiting, played): (Vec<Item>, Vec<Item>),
        (comeback, text): (Option<Comeback>, Option<ChannelId>),
    ) {
        self.comeback = comeback.filter(|_| !waiting.is_empty());
        self.text = text;
        for item in played.into_iter().rev() {
            self.queue.remember(item);
        }
        self.repeat = repeat;
        self.effect = effect.bounded();
        self.volume = volume.min(self.rules.max_volume);
        for item in waiting {
            if self.queue.push(item).is_err() {
                return; // the limit has become tighter since
            }
        }
    }
}
