//! Scripted trouble on the media path (interfaces.md section 2, `POST /control/faults`).

use mynah_wire::{ChannelId, UserId};
use serde::{Deserialize, Serialize};

/// Whom a fault or a scripted close concerns. Both empty: everybody.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Scope {
    /// Only this user's sessions.
    pub user_id: Option<UserId>,
    /// Only sessions in this channel.
    pub channel_id: Option<ChannelId>,
}

impl Scope {
    /// Does this scope cover a session of `user_id` in `channel_id`?
    pub fn covers(&self, user_id: UserId, channel_id: ChannelId) -> bool {
        self.user_id.is_none_or(|wanted| wanted == user_id)
            && self.channel_id.is_none_or(|wanted| wanted == channel_id)
    }
}

/// Which way a fault works, seen from the client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// From the client to the server.
    Up,
    /// From the server to the client.
    Down,
    /// Both ways.
    #[default]
    Both,
}

impl Direction {
    /// Works on packets from the client.
    pub fn is_up(self) -> bool {
        matches!(self, Self::Up | Self::Both)
    }

    /// Works on packets to the client.
    pub fn is_down(self) -> bool {
        matches!(self, Self::Down | Self::Both)
    }
}

/// How a UDP path misbehaves. Probabilities are 0 to 1 and independent per packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct UdpFault {
    /// Probability that a packet disappears.
    pub loss: f64,
    /// Probability that a packet arrives twice.
    pub duplicate: f64,
    /// Probability that a packet is overtaken by the next one.
    pub reorder: f64,
    /// Probability that one byte of a packet is changed.
    pub corrupt: f64,
    /// Delay of every packet.
    pub delay_ms: f64,
    /// Further random delay, uniform between 0 and this. Packets may overtake each other.
    pub jitter_ms: f64,
    /// Nothing gets through.
    pub blackhole: bool,
    /// Which way.
    pub direction: Direction,
    /// Decides the random numbers of this fault; without it the server's own seed does.
    pub seed: Option<u64>,
}

/// How end-to-end encryption misbehaves. What strikes once strikes each member in scope once for
/// each fault.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DaveFault {
    /// The next op 29 is damaged (once).
    pub invalid_commit: bool,
    /// The next op 30 is not sent (once).
    pub withhold_welcome: bool,
    /// Every op 22 is sent this much later.
    pub delay_execute_ms: u64,
    /// Rooms with somebody in scope go down to version 0, and up again at its end.
    pub downgrade: bool,
    /// Op 25 is sent a second time (once; at once to those who are here).
    pub duplicate_external_sender: bool,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_scope_covers_whom_it_names_and_an_empty_one_everybody() {
        let (user, channel) = (UserId::new(1), ChannelId::new(2));
        assert!(Scope::default().covers(user, channel));
        let one_user = Scope {
            user_id: Some(user),
            channel_id: None,
        };
        assert!(one_user.covers(user, ChannelId::new(9)));
        assert!(!one_user.covers(UserId::new(9), channel));
        let both = Scope {
            channel_id: Some(channel),
            ..one_user
        };
        assert!(both.covers(user, channel));
        assert!(!both.covers(user, ChannelId::new(9)));
    }

    #[test]
    fn a_fault_is_written_with_only_the_keys_that_matter() {
        let fault: UdpFault =
            serde_json::from_str(r#"{"loss":0.2,"jitter_ms":30,"direction":"down"}"#).unwrap();
        assert!((fault.loss - 0.2).abs() < 1e-9 && fault.delay_ms == 0.0 && !fault.blackhole);
        assert!(fault.direction.is_down() && !fault.direction.is_up());
        assert!(UdpFault::default().direction.is_up());
    }
}
