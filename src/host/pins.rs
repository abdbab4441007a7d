//! Who must not be moved: while a plugin needs the bot in a channel, others play there and leave it there
//! (product.md section 1).

use crate::OpError;
use mynah_wire::{ChannelId, GuildId};
use std::collections::HashMap;

/// The longest reason.
const MAX_WHY: usize = 300;

struct Pin {
    plugin: usize,
    channel: ChannelId,
    why: String,
}

/// One pin for each server at most.
#[derive(Default)]
pub(crate) struct Pins(HashMap<GuildId, Pin>);

impl Pins {
    /// Keeps the bot there for a plugin; its own pin is replaced.
    pub(crate) fn pin(
        &mut self,
        plugin: usize,
        guild: GuildId,
        channel: ChannelId,
        why: &str,
    ) -> Result<(), OpError> {
        if let Some(pin) = self.0.get(&guild).filter(|pin| pin.plugin != plugin) {
            return Err(refusal(pin));
        }
        let why = why.chars().take(MAX_WHY).collect();
        let pin = Pin {
            plugin,
            channel,
            why,
        };
        self.0.insert(guild, pin);
        Ok(())
    }

    /// The plugin needs it there no longer.
    pub(crate) fn unpin(&mut self, plugin: usize, guild: GuildId) {
        if self.0.get(&guild).is_some_and(|pin| pin.plugin == plugin) {
            self.0.remove(&guild);
        }
    }

    /// A plugin is gone, and all it wanted with it.
    pub(crate) fn release(&mut self, plugin: usize) {
        self.0.retain(|_, pin| pin.plugin != plugin);
    }

    /// May `plugin` (`None`: the host itself, for a person) take the bot to a channel, or out of voice?
    pub(crate) fn may_go(
        &self,
        plugin: Option<usize>,
        guild: GuildId,
        to: Option<ChannelId>,
    ) -> Result<(), OpError> {
        match self.0.get(&guild) {
            Some(pin) if plugin != Some(pin.plugin) && to != Some(pin.channel) => Err(refusal(pin)),
            _ => Ok(()),
        }
    }
}

fn refusal(pin: &Pin) -> OpError {
    OpError::Busy(format!("I stay in <#{}> for now: {}", pin.channel, pin.why))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const GUILD: GuildId = GuildId::new(1);
    const HERE: ChannelId = ChannelId::new(2);
    const THERE: ChannelId = ChannelId::new(3);

    #[test]
    fn a_pinned_bot_is_moved_by_who_pinned_it_and_the_refusal_says_why() {
        let mut pins = Pins::default();
        assert!(pins.may_go(Some(1), GUILD, Some(THERE)).is_ok());
        pins.pin(0, GUILD, HERE, "a recording runs.").unwrap();
        assert!(
            pins.may_go(Some(1), GUILD, Some(HERE)).is_ok(),
            "others come along"
        );
        for to in [Some(THERE), None] {
            for plugin in [Some(1), None] {
                let refused = pins.may_go(plugin, GUILD, to).unwrap_err().to_string();
                assert_eq!(refused, "I stay in <#2> for now: a recording runs.");
            }
            assert!(pins.may_go(Some(0), GUILD, to).is_ok());
        }
        assert!(pins.pin(1, GUILD, THERE, "music").is_err());
        pins.pin(0, GUILD, THERE, "it was moved").unwrap();
        pins.unpin(1, GUILD);
        assert!(
            pins.may_go(Some(1), GUILD, None).is_err(),
            "not theirs to take back"
        );
        pins.release(0);
        assert!(pins.may_go(Some(1), GUILD, None).is_ok());
    }
}
