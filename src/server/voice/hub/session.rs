//! One member's voice session. It outlives its connection for a while.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use mynah_wire::{ChannelId, GuildId, Secret, Ssrc, UserId};

use super::{ConnectionId, RESUME_WINDOW};
use crate::voice::dave::{self, DavePolicy, Standing};
use crate::voice::grant::{Flags, SessionReport};
use crate::voice::outbox::{Body, Outbox};
use crate::voice::sfu::{Counters, Keys, Member};

/// Names a session; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct SessionKey(pub u64);

#[derive(Debug)]
pub(super) struct Session {
    pub key: SessionKey,
    pub guild_id: GuildId,
    pub channel_id: ChannelId,
    pub user_id: UserId,
    pub session_id: String,
    pub token: Secret,
    pub ssrc: Ssrc,
    /// Gateway version of the last connection.
    pub version: u8,
    pub connection: Option<ConnectionId>,
    pub lost_at: Option<Instant>,
    pub outbox: Outbox,
    /// Set by Select Protocol; from then on the others know this member.
    pub media: Option<(SocketAddr, Keys)>,
    /// Flags of the last op 5.
    pub speaking: Option<u32>,
    /// Flags the others were told last.
    pub announced: Option<u32>,
    /// Some op 5 came: without one, audio is not forwarded (voice.md section 4).
    pub has_spoken: bool,
    /// Of its channel.
    pub policy: DavePolicy,
    /// Highest DAVE version of the client.
    pub max_dave_version: u16,
    /// Op 25 was said while there was no connection.
    pub lost_sender: bool,
    /// See [`Member::is_deaf_to_sealed`].
    pub is_deaf_to_sealed: bool,
    pub counters: Arc<Counters>,
}

impl Session {
    pub fn member(&self) -> (GuildId, UserId) {
        (self.guild_id, self.user_id)
    }

    /// Others know about this session.
    pub fn is_present(&self) -> bool {
        self.media.is_some()
    }

    /// When the session is forgotten if nobody resumes it.
    pub fn expires(&self) -> Option<Instant> {
        self.lost_at.map(|at| at + RESUME_WINDOW)
    }

    /// Remembers what a resume without replay would have to repeat.
    pub fn note_lost(&mut self, body: &Body) {
        let is_sender = matches!(body, Body::Binary(dave::EXTERNAL_SENDER, _));
        self.lost_sender |= is_sender && self.connection.is_none();
    }

    /// What the media path must know.
    pub fn media(&self, flags: Flags) -> Member {
        let (address, keys) = self
            .media
            .as_ref()
            .map(|(address, keys)| (*address, keys.clone()))
            .unzip();
        Member {
            session: self.key.0,
            user_id: self.user_id,
            channel_id: self.channel_id,
            ssrc: self.ssrc,
            address,
            keys,
            speaking: self.announced.unwrap_or(0),
            has_spoken: self.has_spoken,
            may_speak: flags.may_speak(),
            may_hear: flags.may_hear(),
            is_deaf_to_sealed: self.is_deaf_to_sealed,
            counters: Arc::clone(&self.counters),
        }
    }

    pub fn report(&self, flags: Flags, standing: Standing) -> SessionReport {
        let counted = self.counters.read();
        SessionReport {
            guild_id: self.guild_id,
            channel_id: self.channel_id,
            user_id: self.user_id,
            ssrc: self.ssrc,
            mode: self.media.as_ref().map(|(_, keys)| keys.mode),
            gateway_version: self.version,
            dave_version: standing.version,
            epoch: standing.epoch,
            key_fingerprint: standing.fingerprint.as_deref().map(hex),
            packets_in: counted.packets_in,
            packets_out: counted.packets_out,
            bytes_in: counted.bytes_in,
            lost: counted.lost,
            self_mute: flags.self_mute,
            self_deaf: flags.self_deaf,
            mute: flags.mute,
            deaf: flags.deaf,
            suppress: flags.suppress,
            connected: self.connection.is_some(),
            speaking: self.speaking,
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
