//! How a session is doing.

use super::Shell;
use crate::VoiceStatus;

impl Shell {
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
        })
    }
}
