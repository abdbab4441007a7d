//! Main gateway, version 10: envelope, opcodes, payloads, close codes (gateway.md sections 2 to 6).

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{ChannelId, GuildId};

/// The only version spoken here.
pub const VERSION: u8 = 10;
/// A client payload longer than this is answered with close 4002.
pub const MAX_CLIENT_PAYLOAD_BYTES: usize = 4096;
/// Client payloads allowed per [`SEND_WINDOW_S`]; more is answered with close 4008.
pub const SEND_LIMIT: u32 = 120;
/// Seconds of the send window.
pub const SEND_WINDOW_S: u64 = 60;
/// Seconds between two Identifies of one rate-limit key (`shard_id % max_concurrency`).
pub const IDENTIFY_WINDOW_S: u64 = 5;

/// Opcodes of the main gateway.
pub mod op {
    /// Server: an event, with `s` and `t`.
    pub const DISPATCH: u8 = 0;
    /// Both: keep the connection alive; `d` is the last sequence or null.
    pub const HEARTBEAT: u8 = 1;
    /// Client: start a session.
    pub const IDENTIFY: u8 = 2;
    /// Client: presence.
    pub const PRESENCE_UPDATE: u8 = 3;
    /// Client: join, move or leave voice.
    pub const VOICE_STATE_UPDATE: u8 = 4;
    /// Client: continue a session.
    pub const RESUME: u8 = 6;
    /// Server: close and resume.
    pub const RECONNECT: u8 = 7;
    /// Client: ask for members.
    pub const REQUEST_GUILD_MEMBERS: u8 = 8;
    /// Server: session gone; `d` tells whether it may be resumed.
    pub const INVALID_SESSION: u8 = 9;
    /// Server: first payload, with the heartbeat interval.
    pub const HELLO: u8 = 10;
    /// Server: answer to a heartbeat.
    pub const HEARTBEAT_ACK: u8 = 11;
    /// Client: ask for soundboard sounds.
    pub const REQUEST_SOUNDBOARD_SOUNDS: u8 = 31;
    /// Client: ask for channel status and start time.
    pub const REQUEST_CHANNEL_INFO: u8 = 43;
}

/// One gateway payload with its body left as raw JSON: events pass through untouched.
#[derive(Debug, Deserialize)]
pub struct Envelope<'a> {
    /// Opcode, see [`op`].
    pub op: u8,
    /// Body; `None` when absent or null.
    #[serde(borrow, default)]
    pub d: Option<&'a RawValue>,
    /// Dispatch sequence.
    #[serde(default)]
    pub s: Option<u64>,
    /// Dispatch name. A `Cow` because JSON may escape it.
    #[serde(borrow, default)]
    pub t: Option<std::borrow::Cow<'a, str>>,
}

impl<'a> Envelope<'a> {
    /// Parses one text payload.
    ///
    /// # Errors
    /// Not JSON, or no integer `op`.
    pub fn parse(text: &'a str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }

    /// The body as a type; an absent body is read as JSON null.
    ///
    /// # Errors
    /// The body does not have that shape.
    pub fn body<T: Deserialize<'a>>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_str(self.d.map_or("null", RawValue::get))
    }
}

/// Writes `{"op":…,"d":…}`, the form of every payload that is not a dispatch.
///
/// # Panics
/// Never for the payload types of this crate (they contain only JSON-representable values).
pub fn write<T: Serialize>(op: u8, body: &T) -> String {
    #[derive(Serialize)]
    struct Out<'a, T> {
        op: u8,
        d: &'a T,
    }
    serde_json::to_string(&Out { op, d: body })
        .unwrap_or_else(|_| unreachable!("payloads of this crate are always JSON"))
}

/// Body of [`op::HELLO`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Hello {
    /// Milliseconds between heartbeats.
    pub heartbeat_interval: u64,
}

/// Body of [`op::IDENTIFY`], as a client writes it. Servers read it leniently.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Identify {
    /// Bot token without the `Bot ` prefix.
    pub token: String,
    /// Intent bits, see [`crate::intents`].
    pub intents: u64,
    /// `os`, `browser`, `device`.
    #[serde(default)]
    pub properties: serde_json::Value,
    /// Payload compression; never asked for by us.
    #[serde(default)]
    pub compress: bool,
    /// Members above this count make a guild `large`, 50 to 250.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub large_threshold: Option<u16>,
    /// `[shard_id, shard_count]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shard: Option<[u32; 2]>,
    /// First presence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub presence: Option<serde_json::Value>,
}

/// Body of [`op::RESUME`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Resume {
    /// Bot token without the `Bot ` prefix.
    pub token: String,
    /// From READY.
    pub session_id: String,
    /// Last dispatch sequence received.
    pub seq: u64,
}

/// Body of [`op::VOICE_STATE_UPDATE`], client to server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VoiceStateRequest {
    /// In which guild.
    pub guild_id: GuildId,
    /// Where to be; `None` leaves.
    pub channel_id: Option<ChannelId>,
    /// Do not send.
    #[serde(default)]
    pub self_mute: bool,
    /// Do not receive.
    #[serde(default)]
    pub self_deaf: bool,
}

/// What a client does after its gateway socket was closed (gateway.md section 6, close codes).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseAction {
    /// Reconnect and resume; the server says if the session is gone.
    Resume,
    /// Reconnect and identify anew.
    Identify,
    /// Never reconnect: the same thing would happen again.
    Stop,
}

/// One row of the close-code table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CloseCode {
    /// The number.
    pub code: u16,
    /// What it means, in a few words.
    pub meaning: &'static str,
    /// What to do.
    pub action: CloseAction,
    /// For [`CloseAction::Stop`]: what the operator can do about it. Empty otherwise.
    pub remedy: &'static str,
}

/// Named close codes.
pub mod close {
    /// Unknown error: reconnect.
    pub const UNKNOWN_ERROR: u16 = 4000;
    /// Unknown opcode.
    pub const UNKNOWN_OPCODE: u16 = 4001;
    /// Undecodable or too long payload.
    pub const DECODE_ERROR: u16 = 4002;
    /// Payload before Identify.
    pub const NOT_AUTHENTICATED: u16 = 4003;
    /// Wrong token.
    pub const AUTHENTICATION_FAILED: u16 = 4004;
    /// Second Identify.
    pub const ALREADY_AUTHENTICATED: u16 = 4005;
    /// Resume with a sequence never sent.
    pub const INVALID_SEQ: u16 = 4007;
    /// Too many payloads.
    pub const RATE_LIMITED: u16 = 4008;
    /// No heartbeat.
    pub const SESSION_TIMED_OUT: u16 = 4009;
    /// Impossible shard array.
    pub const INVALID_SHARD: u16 = 4010;
    /// Too many guilds for one connection.
    pub const SHARDING_REQUIRED: u16 = 4011;
    /// `v` is not spoken.
    pub const INVALID_API_VERSION: u16 = 4012;
    /// Unknown intent bit.
    pub const INVALID_INTENTS: u16 = 4013;
    /// Privileged intent not enabled.
    pub const DISALLOWED_INTENTS: u16 = 4014;
}

const fn row(
    code: u16,
    meaning: &'static str,
    action: CloseAction,
    remedy: &'static str,
) -> CloseCode {
    CloseCode {
        code,
        meaning,
        action,
        remedy,
    }
}

/// Every documented close code of the main gateway.
pub const CLOSE_CODES: [CloseCode; 14] = [
    row(4000, "unknown error", CloseAction::Resume, ""),
    row(4001, "unknown opcode", CloseAction::Resume, ""),
    row(4002, "undecodable payload", CloseAction::Resume, ""),
    row(4003, "not authenticated", CloseAction::Identify, ""),
    row(
        4004,
        "authentication failed",
        CloseAction::Stop,
        "check the bot token: reset it in the Discord developer portal under Bot if in doubt",
    ),
    row(4005, "already authenticated", CloseAction::Identify, ""),
    row(4007, "invalid sequence", CloseAction::Identify, ""),
    row(4008, "rate limited", CloseAction::Resume, ""),
    row(4009, "session timed out", CloseAction::Resume, ""),
    row(
        4010,
        "invalid shard",
        CloseAction::Stop,
        "check the shard settings",
    ),
    row(
        4011,
        "sharding required",
        CloseAction::Stop,
        "this bot is in too many guilds for one shard: use more shards",
    ),
    row(
        4012,
        "invalid API version",
        CloseAction::Stop,
        "update Mynah: Discord no longer speaks this gateway version",
    ),
    row(
        4013,
        "invalid intents",
        CloseAction::Stop,
        "a plugin asks for an intent Discord does not know",
    ),
    row(
        4014,
        "disallowed intents",
        CloseAction::Stop,
        "a plugin needs a privileged intent: enable it in the Discord developer portal under Bot, or disable the plugin",
    ),
];

/// The table row of a close code.
pub fn close_code(code: u16) -> Option<&'static CloseCode> {
    CLOSE_CODES.iter().find(|row| row.code == code)
}

/// What to do after a close with `code` (`None`: the connection just broke).
///
/// 1000 and 1001 from the server usually mean the session is gone, but one resume attempt costs no
/// identify and the server answers with Invalid Session if so (gateway.md section 6).
pub fn close_action(code: Option<u16>) -> CloseAction {
    code.and_then(close_code)
        .map_or(CloseAction::Resume, |row| row.action)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_envelope_keeps_its_body_as_the_original_text() {
        let text = r#"{"op":0,"s":3,"t":"MESSAGE_CREATE","d":{"id":"1",  "x":[1]}}"#;
        let envelope = Envelope::parse(text).unwrap();
        assert_eq!(
            (envelope.op, envelope.s, envelope.t.as_deref()),
            (0, Some(3), Some("MESSAGE_CREATE"))
        );
        assert_eq!(envelope.d.unwrap().get(), r#"{"id":"1",  "x":[1]}"#);
    }

    #[test]
    fn absent_and_null_bodies_are_the_same() {
        for text in [r#"{"op":11}"#, r#"{"op":11,"d":null}"#] {
            assert_eq!(
                Envelope::parse(text).unwrap().body::<Option<u8>>().unwrap(),
                None
            );
        }
        assert!(
            Envelope::parse(r#"{"op":9,"d":true}"#)
                .unwrap()
                .body::<bool>()
                .unwrap()
        );
    }

    #[test]
    fn payloads_are_written_with_op_and_body() {
        let request = VoiceStateRequest {
            guild_id: GuildId::new(8),
            channel_id: None,
            self_mute: false,
            self_deaf: true,
        };
        assert_eq!(
            write(op::VOICE_STATE_UPDATE, &request),
            r#"{"op":4,"d":{"guild_id":"8","channel_id":null,"self_mute":false,"self_deaf":true}}"#
        );
    }

    #[test]
    fn fatal_codes_stop_and_say_what_to_do() {
        for code in [4004, 4010, 4011, 4012, 4013, 4014] {
            assert_eq!(close_action(Some(code)), CloseAction::Stop);
            assert!(!close_code(code).unwrap().remedy.is_empty());
        }
        assert_eq!(close_action(None), CloseAction::Resume);
        assert_eq!(close_action(Some(4009)), CloseAction::Resume);
        assert_eq!(close_action(Some(4007)), CloseAction::Identify);
    }
}
