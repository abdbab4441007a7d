//! Being heard: what keeps the bot from it, and what it can do about that.

use mynah_wire::{ChannelId, GuildId};
use serde_json::json;

use crate::standing::STAGE;
use crate::{Bot, clock, when};

/// A hand is raised at a moment that is not over when Discord reads it.
const AHEAD_S: i64 = 2;

impl Bot {
    /// Makes itself heard where one has to ask for it: on a stage everybody begins in the audience
    /// (gateway.md section 9). Steps up, or raises its hand where it may not. Then why nobody hears the
    /// bot in a guild, in words for people; `None` when all do, as far as is known.
    pub async fn speak_up(&self, guild: GuildId) -> Option<String> {
        let channel = self.connected_channel(guild)?;
        let cache = &self.inner.cache;
        if let Some(words) = self.silenced(guild, channel) {
            return Some(words);
        }
        let kind = cache.channel(guild, channel).map(|channel| channel.kind);
        if kind != Some(STAGE) {
            return None;
        }
        let path = format!("/guilds/{guild}/voice-states/@me");
        let speak = json!({ "channel_id": channel, "suppress": false });
        if self
            .rest("PATCH", &path, Some(speak), Vec::new())
            .await
            .is_ok()
        {
            return None;
        }
        // rest.md section 9: any moment not in the past raises the hand.
        let hand = json!({
            "channel_id": channel, "request_to_speak_timestamp": when::timestamp(clock::unix_s() + AHEAD_S),
        });
        let raised = self.rest("PATCH", &path, Some(hand), Vec::new()).await;
        Some(match raised {
            Ok(_) => {
                "I am in the audience of this stage and have raised my hand: a moderator has to \
                      invite me to speak, or give me the permission Mute Members."
                    .to_owned()
            }
            Err(_) => "I am in the audience of this stage and may not ask to speak: give me the \
                       permission Mute Members or Request to Speak."
                .to_owned(),
        })
    }

    /// Why nobody hears the bot in a guild, as [`Bot::speak_up`] says it, but asking for nothing.
    pub(crate) fn unheard(&self, guild: GuildId) -> Option<String> {
        let channel = self.connected_channel(guild)?;
        let in_audience = || {
            let words =
                "I am in the audience of this stage: a moderator has to invite me to speak.";
            let suppressed = self.inner.cache.hushed(guild).1;
            suppressed.then(|| words.to_owned())
        };
        self.silenced(guild, channel).or_else(in_audience)
    }

    /// By a missing permission, or by a moderator.
    fn silenced(&self, guild: GuildId, channel: ChannelId) -> Option<String> {
        let cache = &self.inner.cache;
        if let Some(denied) = cache.silences(guild, channel) {
            return Some(format!("Nobody hears me in <#{channel}>: {denied}."));
        }
        let words = "Nobody hears me: a moderator has muted me on this server.";
        cache.hushed(guild).0.then(|| words.to_owned())
    }
}
