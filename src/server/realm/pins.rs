//! Pinned messages.

use mynah_wire::{ChannelId, MessageId, UserId};
use serde_json::json;

use super::{Draft, Event, Realm};
use crate::clock::iso8601;
use crate::store::{Message, MessageOrigin};

/// Message type of the line "… pinned a message to this channel".
const PINNED: u8 = 6;

impl Realm {
    /// Pins or unpins a message. A new pin is also a line in the channel, as Discord writes it.
    pub(crate) fn pin(&mut self, channel_id: ChannelId, id: MessageId, by: UserId, pinned: bool) {
        let now_ms = self.unix_ms();
        let Some(message) = self.store.message_mut(channel_id, id) else {
            return;
        };
        if message.pinned_ms.is_some() == pinned {
            return;
        }
        message.pinned_ms = pinned.then_some(now_ms);
        let message = message.clone();
        self.emit_message("MESSAGE_UPDATE", &message);
        if let Some(guild_id) = message.guild_id {
            let last = self.store.pins(channel_id).next();
            let last = last.and_then(|message| message.pinned_ms).map(iso8601);
            let data = json!({"guild_id": guild_id, "channel_id": channel_id,
                "last_pin_timestamp": last});
            self.emit(Event::guild("CHANNEL_PINS_UPDATE", guild_id, data));
        }
        if pinned {
            let line = Draft {
                kind: Some(PINNED),
                reply_to: Some(id),
                ..Draft::default()
            };
            self.post(by, channel_id, line, MessageOrigin::Plain);
        }
    }
}

impl crate::store::Store {
    /// Pinned messages of a channel, the newest pin first.
    pub(crate) fn pins(&self, channel_id: ChannelId) -> impl Iterator<Item = &Message> {
        let messages = self.messages.get(&channel_id);
        let mut pins: Vec<&Message> = messages
            .into_iter()
            .flat_map(|messages| messages.values())
            .filter(|message| message.pinned_ms.is_some())
            .collect();
        pins.sort_by_key(|message| std::cmp::Reverse((message.pinned_ms, message.id)));
        pins.into_iter()
    }
}
