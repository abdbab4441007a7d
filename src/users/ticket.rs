//! Where users get credentials from.

use std::fmt;
use std::sync::Arc;

use mynah_wire::{GuildId, UserId};

use crate::VoiceTicket;

/// What the main gateway does for a client that asks to join where it is already (gateway.md section
/// 9): it gives out new credentials. Must not block.
///
/// `None`: the person is in no voice channel of that guild any more.
#[derive(Clone)]
pub struct TicketOffice {
    renew: Arc<dyn Fn(GuildId, UserId) -> Option<VoiceTicket> + Send + Sync>,
}

impl TicketOffice {
    /// An office that asks `renew` each time.
    pub fn new(
        renew: impl Fn(GuildId, UserId) -> Option<VoiceTicket> + Send + Sync + 'static,
    ) -> Self {
        Self {
            renew: Arc::new(renew),
        }
    }

    pub(crate) fn renew(&self, guild_id: GuildId, user_id: UserId) -> Option<VoiceTicket> {
        (self.renew)(guild_id, user_id)
    }
}

impl fmt::Debug for TicketOffice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TicketOffice")
    }
}
