//! How a session is doing.

use mynah_session::voice::DaveEvent;

use super::Shell;
use crate::{Event, VoiceEvent, VoiceStatus};

impl Shell {
    /// What those who listen learn of the encryption.
    pub(super) fn epoch(&self, event: &DaveEvent) -> Option<VoiceEvent> {
        let DaveEvent::Epoch { epoch, .. } = event else {
            return None;
        };
        let version = self.machine.dave().map_or(0, |dave| dave.version);
        Some(VoiceEvent::Epoch {
            version,
            epoch: *epoch,
        })
    }

    /// Tells what is good to know while somebody listens. Never waits: who is behind does without.
    pub(super) fn hint(&self, kind: Option<VoiceEvent>) {
        let (Some(kind), true) = (kind, self.hearing.is_open()) else {
            return;
        };
        let guild_id = self.guild_id;
        let _ = self.events.try_send(Event::Voice { guild_id, kind });
    }

    /// Everything there is to say about it; `None` while it is not connected.
    pub(super) fn status(&self) -> Option<VoiceStatus> {
        let (ssrc, mode) = self.line.attached()?;
        let (packets_sent, sealed_stale) = self.line.sent();
        let heard = self.hearing.stats();
        let dave = self.machine.dave();
        let (dave_version, epoch) = dave.as_ref().map_or((0, None), |d| (d.version, d.epoch));
        let (privacy_code, members, own_key) = dave.map_or_else(Default::default, |dave| {
            (dave.privacy_code, dave.members, dave.own_key)
        });
        Some(VoiceStatus {
            channel_id: self.channel_id,
            user_id: self.user_id,
            ssrc,
            mode: mode.to_string(),
            latency: self.latency,
            rtt: self.machine.udp_round_trip(),
            received: heard.as_ref().map_or(0, |heard| heard.packets.released),
            lost: heard
                .as_ref()
                .map_or(0, |heard| heard.speakers.iter().map(|one| one.lost).sum()),
            jitter: heard.and_then(|heard| heard.speakers.iter().map(|one| one.jitter).max()),
            dave_version,
            epoch,
            privacy_code,
            members,
            own_key,
            packets_sent,
            sealed_stale,
            unheard: None, // the cache knows
        })
    }
}
