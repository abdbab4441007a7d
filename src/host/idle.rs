//! When the bot goes from a channel where nobody else is (product.md section 1). Sans-IO: time is an
//! argument.

use mynah_engine::VoiceEvent;
use mynah_wire::{ChannelId, GuildId};
use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

struct Stay {
    channel: ChannelId,
    /// Since when nobody else is there.
    alone: Option<Instant>,
}

/// Where the bot is, and since when it is alone.
pub(crate) struct Idle {
    after: Option<Duration>,
    stays: HashMap<GuildId, Stay>,
}

impl Idle {
    /// It goes after so long; `None` is never.
    pub(crate) fn new(after: Option<Duration>) -> Self {
        Self {
            after,
            stays: HashMap::new(),
        }
    }

    /// News of a voice session.
    pub(crate) fn voice(&mut self, guild: GuildId, event: &VoiceEvent) {
        match *event {
            VoiceEvent::Connected { channel_id } | VoiceEvent::Moved { channel_id } => {
                let alone = None;
                let stay = Stay {
                    channel: channel_id,
                    alone,
                };
                self.stays.insert(guild, stay);
            }
            VoiceEvent::Ended { .. } => drop(self.stays.remove(&guild)),
            _ => {}
        }
    }

    /// The channels to look into.
    pub(crate) fn places(&self) -> Vec<(GuildId, ChannelId)> {
        let stays = self.stays.iter().filter(|_| self.after.is_some());
        stays.map(|(guild, stay)| (*guild, stay.channel)).collect()
    }

    /// So many others are there; true when it is time to go.
    pub(crate) fn saw(&mut self, now: Instant, guild: GuildId, others: usize) -> bool {
        let (Some(after), Some(stay)) = (self.after, self.stays.get_mut(&guild)) else {
            return false;
        };
        if others > 0 {
            stay.alone = None;
            return false;
        }
        let since = *stay.alone.get_or_insert(now);
        now.saturating_duration_since(since) >= after
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GUILD: GuildId = GuildId::new(1);

    fn connected(channel: u64) -> VoiceEvent {
        VoiceEvent::Connected {
            channel_id: ChannelId::new(channel),
        }
    }

    #[test]
    fn it_goes_when_it_was_alone_long_enough_and_not_before() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut idle = Idle::new(Some(Duration::from_secs(300)));
        assert!(!idle.saw(at(0), GUILD, 0), "it is nowhere");
        idle.voice(GUILD, &connected(2));
        assert_eq!(idle.places(), [(GUILD, ChannelId::new(2))]);
        assert!(!idle.saw(at(0), GUILD, 0));
        assert!(!idle.saw(at(299), GUILD, 0));
        assert!(!idle.saw(at(299), GUILD, 1), "somebody came");
        assert!(!idle.saw(at(301), GUILD, 0));
        assert!(idle.saw(at(601), GUILD, 0));
        // Somewhere else it waits anew.
        idle.voice(GUILD, &connected(3));
        assert!(!idle.saw(at(602), GUILD, 0));
        let reason = String::new();
        idle.voice(GUILD, &VoiceEvent::Ended { reason });
        assert!(idle.places().is_empty());
    }

    #[test]
    fn it_stays_for_ever_where_that_is_wanted() {
        let mut idle = Idle::new(None);
        idle.voice(GUILD, &connected(2));
        assert!(idle.places().is_empty());
        assert!(!idle.saw(Instant::now(), GUILD, 0));
    }
}
