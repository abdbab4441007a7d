//! What the main gateway and the voice server tell each other about a member.

use mynah_wire::{ChannelId, EncryptionMode, GuildId, Secret, Ssrc, UserId};
use serde::{Serialize, Serializer};

use super::dave::DavePolicy;

/// Permission to open a voice session: what a gateway session learned from VOICE_STATE_UPDATE and
/// VOICE_SERVER_UPDATE after its op 4.
#[derive(Clone, Debug)]
pub struct Grant {
    /// The guild, `server_id` of the voice Identify.
    pub guild_id: GuildId,
    /// The voice or stage channel.
    pub channel_id: ChannelId,
    /// Who may connect.
    pub user_id: UserId,
    /// From VOICE_STATE_UPDATE.
    pub session_id: String,
    /// From VOICE_SERVER_UPDATE.
    pub token: Secret,
    /// The channel's policy for end-to-end encryption.
    pub dave: DavePolicy,
}

/// Mute and deaf flags of a member, as in its voice state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    /// The member muted itself. Its client stops by itself, so packets still pass.
    pub self_mute: bool,
    /// The member deafened itself: nothing is forwarded to it.
    pub self_deaf: bool,
    /// Muted by a moderator: its packets are dropped.
    pub mute: bool,
    /// Deafened by a moderator: nothing is forwarded to it.
    pub deaf: bool,
    /// In the audience of a stage: its packets are dropped.
    pub suppress: bool,
}

impl Flags {
    /// May this member be heard?
    pub fn may_speak(self) -> bool {
        !self.mute && !self.suppress
    }

    /// Does this member hear the others?
    pub fn may_hear(self) -> bool {
        !self.deaf && !self.self_deaf
    }
}

/// One voice session, for `GET /control/state` (interfaces.md section 2).
#[derive(Clone, Debug, Serialize)]
pub struct SessionReport {
    /// The guild.
    pub guild_id: GuildId,
    /// The channel.
    pub channel_id: ChannelId,
    /// The member.
    pub user_id: UserId,
    /// Its stream.
    pub ssrc: Ssrc,
    /// Chosen encryption; null before Select Protocol.
    #[serde(serialize_with = "mode_name")]
    pub mode: Option<EncryptionMode>,
    /// Version of the voice gateway the client speaks.
    pub gateway_version: u8,
    /// Version of end-to-end encryption the client was told; 0: none.
    pub dave_version: u16,
    /// Epoch of the room's group, if the client is in it; else null.
    pub epoch: Option<u64>,
    /// Hexadecimal key fingerprint, version 0, of the client's last key package (dave.md section
    /// 8); null before the first.
    pub key_fingerprint: Option<String>,
    /// Voice packets that arrived from the member and were authentic.
    pub packets_in: u64,
    /// Voice packets forwarded to the member.
    pub packets_out: u64,
    /// Datagram bytes of `packets_in`.
    pub bytes_in: u64,
    /// Gaps in the member's sequence numbers that no late packet filled.
    pub lost: u64,
    /// See [`Flags`].
    pub self_mute: bool,
    /// See [`Flags`].
    pub self_deaf: bool,
    /// See [`Flags`].
    pub mute: bool,
    /// See [`Flags`].
    pub deaf: bool,
    /// See [`Flags`].
    pub suppress: bool,
    /// False while the websocket is gone and the session waits to be resumed.
    pub connected: bool,
    /// Speaking flags last announced with op 5; null before the first.
    pub speaking: Option<u32>,
}

fn mode_name<S: Serializer>(
    mode: &Option<EncryptionMode>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    mode.map(EncryptionMode::name).serialize(serializer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moderators_silence_a_speaker_and_listeners_deafen_themselves() {
        let mute = |mute, suppress| Flags {
            mute,
            suppress,
            ..Flags::default()
        };
        assert!(mute(false, false).may_speak());
        assert!(!mute(true, false).may_speak() && !mute(false, true).may_speak());
        let deaf = |deaf, self_deaf| Flags {
            deaf,
            self_deaf,
            ..Flags::default()
        };
        assert!(deaf(false, false).may_hear());
        assert!(!deaf(true, false).may_hear() && !deaf(false, true).may_hear());
    }
}
