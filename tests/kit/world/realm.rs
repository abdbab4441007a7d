//! The main gateway, as far as voice needs one.

use mynah_wire::ChannelId;

use super::World;
use super::schedule::{Event, Who};

impl World {
    pub(super) fn asked(&mut self, who: Who, channel_id: Option<ChannelId>) {
        // Who says goodbye need not wait for the answer; but an earlier life has no say.
        let is_dead = self.alive(who).is_none();
        if self.clients[who.client].life != who.life || is_dead && channel_id.is_some() {
            return;
        }
        let token = format!("token-{}", self.next_token);
        self.next_token += 1;
        match channel_id {
            Some(_) => self
                .server
                .grant(self.now, who, session_id(who), token.clone()),
            None => self.server.revoke(self.now, who.client),
        }
        self.carry_down();
        let (first, second) = (self.websocket_delay(), self.websocket_delay());
        let Some(alive) = self.alive(who) else {
            return;
        };
        let first = first.max(alive.last_told);
        let second = second.max(first);
        alive.last_told = second;
        self.schedule.at(first, Event::State { who, channel_id });
        if channel_id.is_some() {
            self.schedule.at(second, Event::Server { who, token });
        }
    }

    /// A client is dead, and the main gateway takes it out of the channel.
    pub(super) fn noticed(&mut self, who: Who) {
        let client = &self.clients[who.client];
        if client.alive.is_none() && client.life == who.life {
            self.server.revoke(self.now, who.client);
            self.carry_down();
        }
    }
}

/// Main-gateway session of one life.
pub(super) fn session_id(who: Who) -> String {
    format!("main-{}-{}", who.client, who.life)
}
