//! What the bot asks for, waiting for a live connection and the send limit (gateway.md section 7).

use mynah_wire::gateway::{self as wire, MAX_CLIENT_PAYLOAD_BYTES, VoiceStateRequest, op};

use super::shard::{CLOSE_NORMAL, Shard};
use super::{Command, Output, StopReason};

/// Commands waiting for a live connection; the oldest falls out, the newest wish counts most.
const QUEUE_LIMIT: usize = 256;

impl Shard {
    pub(super) fn on_command(&mut self, command: Command) {
        match command {
            Command::VoiceState {
                guild_id,
                channel_id,
                self_mute,
                self_deaf,
            } => {
                let request = VoiceStateRequest {
                    guild_id,
                    channel_id,
                    self_mute,
                    self_deaf,
                };
                self.merge_queued(&request);
                self.voice.push_back(request);
            }
            Command::Presence(presence) => {
                self.config.presence = Some(presence);
                self.presence_waits = true;
            }
            Command::Stop => {
                if self.has_socket() {
                    self.out.push_back(Output::CloseWs { code: CLOSE_NORMAL });
                }
                self.session = None;
                self.stop(StopReason::Asked);
            }
        }
    }

    /// Of what still waits for one guild only the newest wish counts; but a leave before a join
    /// stays, because it is how a voice session asks for new credentials.
    pub(super) fn merge_queued(&mut self, request: &VoiceStateRequest) {
        let guild_id = request.guild_id;
        let leave = self
            .voice
            .iter()
            .find(|queued| queued.guild_id == guild_id && queued.channel_id.is_none())
            .cloned();
        self.voice.retain(|queued| queued.guild_id != guild_id);
        if self.voice.len() >= QUEUE_LIMIT {
            self.voice.pop_front();
        }
        if request.channel_id.is_some() {
            self.voice.extend(leave);
        }
    }

    pub(super) fn has_queue(&self) -> bool {
        !self.voice.is_empty() || self.presence_waits
    }

    /// Sends what waits, voice before presence (gateway.md section 7), as the limit allows.
    pub(super) fn flush(&mut self) {
        while self.is_live() && self.has_queue() && self.window.wait_ordinary(self.now).is_none() {
            if let Some(request) = self.voice.pop_front() {
                self.send(wire::write(op::VOICE_STATE_UPDATE, &request));
            } else {
                self.presence_waits = false;
                let text = wire::write(op::PRESENCE_UPDATE, &self.config.presence);
                if text.len() <= MAX_CLIENT_PAYLOAD_BYTES {
                    self.send(text);
                }
            }
        }
    }
}
