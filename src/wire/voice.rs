//! Voice gateway: opcodes, payloads, close codes (voice.md sections 1 to 6).

use std::net::IpAddr;

use serde::{Deserialize, Deserializer, Serialize};

use crate::{ChannelId, GuildId, Ssrc, UserId};

pub use crate::gateway::write;

/// The version our client speaks: buffered resume, sequence-acked heartbeats.
pub const VERSION: u8 = 8;
/// Flag of [`Speaking`]: normal voice.
pub const SPEAKING_VOICE: u32 = 1;
/// Flag of [`Speaking`]: shared context audio, no indicator.
pub const SPEAKING_SOUNDSHARE: u32 = 2;
/// Flag of [`Speaking`]: priority speaker.
pub const SPEAKING_PRIORITY: u32 = 4;

/// Opcodes of the voice gateway (voice.md section 3).
pub mod op {
    /// Client: start a voice session.
    pub const IDENTIFY: u8 = 0;
    /// Client: media address and encryption mode.
    pub const SELECT_PROTOCOL: u8 = 1;
    /// Server: ssrc, media address, modes.
    pub const READY: u8 = 2;
    /// Client (rarely server): keep alive.
    pub const HEARTBEAT: u8 = 3;
    /// Server: key and codecs.
    pub const SESSION_DESCRIPTION: u8 = 4;
    /// Both: ssrc to user map.
    pub const SPEAKING: u8 = 5;
    /// Server: answer to a heartbeat.
    pub const HEARTBEAT_ACK: u8 = 6;
    /// Client: continue a voice session.
    pub const RESUME: u8 = 7;
    /// Server: first payload, with the heartbeat interval.
    pub const HELLO: u8 = 8;
    /// Server: resume accepted.
    pub const RESUMED: u8 = 9;
    /// Server: users present or joining.
    pub const CLIENTS_CONNECT: u8 = 11;
    /// Both: video ssrcs.
    pub const VIDEO: u8 = 12;
    /// Server: a user left.
    pub const CLIENT_DISCONNECT: u8 = 13;
    /// Both: codec change.
    pub const SESSION_UPDATE: u8 = 14;
    /// Both: wanted media.
    pub const MEDIA_SINK_WANTS: u8 = 15;
    /// Both: backend version.
    pub const VOICE_BACKEND_VERSION: u8 = 16;
    /// Server: retired.
    pub const CHANNEL_OPTIONS_UPDATE: u8 = 17;
    /// Server: per-user flags.
    pub const CLIENT_FLAGS: u8 = 18;
    /// Server: speed test.
    pub const SPEED_TEST: u8 = 19;
    /// Server: per-user platform.
    pub const CLIENT_PLATFORM: u8 = 20;
    /// First of the DAVE opcodes, 21 to 31 (dave.md section 3).
    pub const DAVE_FIRST: u8 = 21;
    /// Last of the DAVE opcodes.
    pub const DAVE_LAST: u8 = 31;
    /// Server: another version comes.
    pub const DAVE_PREPARE_TRANSITION: u8 = 21;
    /// Server: send with the keys, or in the version, that were prepared.
    pub const DAVE_EXECUTE_TRANSITION: u8 = 22;
    /// Client: ready for a transition.
    pub const DAVE_TRANSITION_READY: u8 = 23;
    /// Server: another epoch comes; epoch 1 is a new group.
    pub const DAVE_PREPARE_EPOCH: u8 = 24;
    /// Server, binary: whose proposals are to be believed.
    pub const MLS_EXTERNAL_SENDER: u8 = 25;
    /// Client, binary: what others need to add us.
    pub const MLS_KEY_PACKAGE: u8 = 26;
    /// Server, binary: proposals to commit or to forget.
    pub const MLS_PROPOSALS: u8 = 27;
    /// Client, binary: our commit, and the welcome for those it adds.
    pub const MLS_COMMIT_WELCOME: u8 = 28;
    /// Server, binary: the commit that counts.
    pub const MLS_ANNOUNCE_COMMIT: u8 = 29;
    /// Server, binary: the way into a group.
    pub const MLS_WELCOME: u8 = 30;
    /// Client: that commit or welcome was of no use to us; let us in anew.
    pub const MLS_INVALID_COMMIT_WELCOME: u8 = 31;
    /// Client: RTC setup failed.
    pub const NO_ROUTE: u8 = 32;
}

/// One voice payload with its raw body. Unlike the main gateway the sequence is called `seq`.
#[derive(Debug, Deserialize)]
pub struct Envelope<'a> {
    /// Opcode, see [`op`].
    pub op: u8,
    /// Body; `None` when absent or null.
    #[serde(borrow, default)]
    pub d: Option<&'a serde_json::value::RawValue>,
    /// Version 8: 16-bit sequence of bufferable messages.
    #[serde(default)]
    pub seq: Option<u16>,
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
        serde_json::from_str(self.d.map_or("null", serde_json::value::RawValue::get))
    }
}

/// Body of [`op::IDENTIFY`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Identify {
    /// Guild id (or private channel id for calls).
    pub server_id: GuildId,
    /// Who connects.
    pub user_id: UserId,
    /// From the own VOICE_STATE_UPDATE.
    pub session_id: String,
    /// From VOICE_SERVER_UPDATE.
    pub token: String,
    /// 0 when the client has no end-to-end encryption; an absent key means 0.
    #[serde(default)]
    pub max_dave_protocol_version: u16,
    /// Version 9 only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel_id: Option<ChannelId>,
}

/// Body of [`op::HELLO`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Hello {
    /// Version the server speaks.
    #[serde(default)]
    pub v: u8,
    /// Milliseconds; may be a float in JSON.
    pub heartbeat_interval: f64,
}

/// Body of [`op::READY`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Ready {
    /// The client's own stream.
    pub ssrc: Ssrc,
    /// Media address, always literal IPv4 today.
    pub ip: IpAddr,
    /// Media port.
    pub port: u16,
    /// Offered encryption modes by name, in order of preference.
    pub modes: Vec<String>,
    /// Ignored by clients, whatever it holds.
    #[serde(skip_deserializing)]
    pub experiments: Vec<String>,
    /// Ignored by clients, whatever it holds.
    #[serde(skip_deserializing)]
    pub streams: Vec<serde_json::Value>,
}

/// Body of [`op::SELECT_PROTOCOL`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SelectProtocol {
    /// `udp`; anything else is answered with close 4012.
    pub protocol: String,
    /// Where media goes and how it is sealed.
    pub data: SelectProtocolData,
}

/// Inner body of [`SelectProtocol`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SelectProtocolData {
    /// The client's address as discovered.
    pub address: String,
    /// The client's port as discovered.
    pub port: u16,
    /// Mode name; an unknown one is answered with close 4016.
    pub mode: String,
}

/// Body of [`op::SESSION_DESCRIPTION`].
#[derive(Clone, Serialize, Deserialize)]
pub struct SessionDescription {
    /// Mode name, equal to the selected one.
    pub mode: String,
    /// 32 bytes as a JSON array of numbers.
    pub secret_key: [u8; 32],
    /// `opus`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audio_codec: Option<String>,
    /// Any; audio clients ignore it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub video_codec: Option<String>,
    /// Opaque.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_session_id: Option<String>,
    /// 0: no end-to-end encryption. Servers always send it.
    #[serde(default)]
    pub dave_protocol_version: u16,
}

impl std::fmt::Debug for SessionDescription {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SessionDescription")
            .field("mode", &self.mode)
            .field("secret_key", &"***")
            .field("dave_protocol_version", &self.dave_protocol_version)
            .finish_non_exhaustive()
    }
}

/// Body of [`op::HEARTBEAT`]: an object since version 8, a bare integer before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Heartbeat {
    /// Version 8 and later.
    Acked {
        /// Any integer below 2^53; echoed.
        t: u64,
        /// Last sequence received; -1 when none.
        seq_ack: i32,
    },
    /// Versions 4 to 7.
    Bare(u64),
}

impl<'de> Deserialize<'de> for Heartbeat {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Raw {
            Object {
                t: u64,
                #[serde(default)]
                seq_ack: Option<i32>,
            },
            Bare(u64),
        }
        Ok(match Raw::deserialize(deserializer)? {
            Raw::Object { t, seq_ack } => Self::Acked {
                t,
                seq_ack: seq_ack.unwrap_or(-1),
            },
            Raw::Bare(t) => Self::Bare(t),
        })
    }
}

/// Body of [`op::SPEAKING`], either direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Speaking {
    /// Flags; see [`SPEAKING_VOICE`].
    pub speaking: u32,
    /// Unused, 0. Clients send it, servers do not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay: Option<u32>,
    /// Whose stream. py-cord leaves it out: the server then uses the session's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ssrc: Option<Ssrc>,
    /// Set by the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<UserId>,
}

/// Body of [`op::RESUME`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Resume {
    /// Guild id.
    pub server_id: GuildId,
    /// As in Identify.
    pub session_id: String,
    /// As in Identify.
    pub token: String,
    /// Last sequence received; absent for old versions (and some libraries).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seq_ack: Option<i32>,
}

/// Body of [`op::CLIENTS_CONNECT`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ClientsConnect {
    /// Users present (first time) or newly joined.
    pub user_ids: Vec<UserId>,
}

/// Body of [`op::CLIENT_DISCONNECT`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ClientDisconnect {
    /// Who left.
    pub user_id: UserId,
}

/// Named close codes of the voice gateway (voice.md section 6).
pub mod close {
    /// Unknown opcode.
    pub const UNKNOWN_OPCODE: u16 = 4001;
    /// Undecodable payload.
    pub const DECODE_ERROR: u16 = 4002;
    /// Payload before Identify.
    pub const NOT_AUTHENTICATED: u16 = 4003;
    /// Wrong token.
    pub const AUTHENTICATION_FAILED: u16 = 4004;
    /// Second Identify.
    pub const ALREADY_AUTHENTICATED: u16 = 4005;
    /// The voice session is gone.
    pub const SESSION_INVALID: u16 = 4006;
    /// No heartbeat.
    pub const SESSION_TIMEOUT: u16 = 4009;
    /// No such guild here.
    pub const SERVER_NOT_FOUND: u16 = 4011;
    /// Select Protocol with something else than `udp`.
    pub const UNKNOWN_PROTOCOL: u16 = 4012;
    /// Kicked, moved, or the main gateway session ended.
    pub const DISCONNECTED: u16 = 4014;
    /// The voice server crashed: resume.
    pub const SERVER_CRASHED: u16 = 4015;
    /// Select Protocol with an unknown mode.
    pub const UNKNOWN_MODE: u16 = 4016;
    /// The room demands end-to-end encryption and the client has none.
    pub const DAVE_REQUIRED: u16 = 4017;
    /// Bad request.
    pub const BAD_REQUEST: u16 = 4020;
    /// Too many payloads.
    pub const RATE_LIMITED: u16 = 4021;
    /// Call ended: channel deleted or everybody disconnected.
    pub const CALL_TERMINATED: u16 = 4022;
}

/// What a client does after its voice socket was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseAction {
    /// New socket to the same endpoint, op 7; keys and ssrc survive.
    Resume,
    /// New socket, same credentials, op 0.
    Identify,
    /// Fresh credentials through op 4 on the main gateway.
    Rejoin,
    /// Wait for the main gateway to say what happened (null channel, new server).
    WaitMain,
    /// Rejoin, but not before half a minute.
    RejoinLater,
    /// Never again by itself.
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
}

const fn row(code: u16, meaning: &'static str, action: CloseAction) -> CloseCode {
    CloseCode {
        code,
        meaning,
        action,
    }
}

/// Every known close code of the voice gateway.
pub const CLOSE_CODES: [CloseCode; 17] = [
    row(4001, "unknown opcode", CloseAction::Identify),
    row(4002, "undecodable payload", CloseAction::Rejoin),
    row(4003, "not authenticated", CloseAction::Identify),
    row(4004, "authentication failed", CloseAction::Rejoin),
    row(4005, "already authenticated", CloseAction::Identify),
    row(4006, "session no longer valid", CloseAction::Rejoin),
    row(4009, "session timeout", CloseAction::Resume),
    row(4011, "server not found", CloseAction::Rejoin),
    row(4012, "unknown protocol", CloseAction::Stop),
    row(4013, "media worker crashed", CloseAction::Resume),
    row(4014, "disconnected", CloseAction::WaitMain),
    row(4015, "voice server crashed", CloseAction::Resume),
    row(4016, "unknown encryption mode", CloseAction::Stop),
    row(4017, "end-to-end encryption required", CloseAction::Stop),
    row(4020, "bad request", CloseAction::Rejoin),
    row(4021, "rate limited", CloseAction::RejoinLater),
    row(4022, "call terminated", CloseAction::WaitMain),
];

/// The table row of a close code.
pub fn close_code(code: u16) -> Option<&'static CloseCode> {
    CLOSE_CODES.iter().find(|row| row.code == code)
}

/// What to do after a close with `code` (`None`: the connection just broke).
pub fn close_action(code: Option<u16>) -> CloseAction {
    code.and_then(close_code)
        .map_or(CloseAction::Resume, |row| row.action)
}

/// A binary frame from the server: `seq(2 BE) opcode payload` since version 8, `opcode payload`
/// before (voice.md section 1). `None` when too short.
pub fn parse_server_binary(frame: &[u8], version: u8) -> Option<(Option<u16>, u8, &[u8])> {
    match (version >= 8, frame) {
        (true, [high, low, opcode, payload @ ..]) => {
            Some((Some(u16::from_be_bytes([*high, *low])), *opcode, payload))
        }
        (false, [opcode, payload @ ..]) => Some((None, *opcode, payload)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heartbeats_are_read_in_both_forms() {
        let acked = serde_json::from_str::<Heartbeat>(r#"{"t":5,"seq_ack":10}"#).unwrap();
        assert_eq!(acked, Heartbeat::Acked { t: 5, seq_ack: 10 });
        assert_eq!(
            serde_json::from_str::<Heartbeat>("5").unwrap(),
            Heartbeat::Bare(5)
        );
        let without = serde_json::from_str::<Heartbeat>(r#"{"t":5}"#).unwrap();
        assert_eq!(without, Heartbeat::Acked { t: 5, seq_ack: -1 });
        assert_eq!(
            serde_json::to_string(&acked).unwrap(),
            r#"{"t":5,"seq_ack":10}"#
        );
        assert_eq!(serde_json::to_string(&Heartbeat::Bare(5)).unwrap(), "5");
    }

    #[test]
    fn what_clients_ignore_in_ready_cannot_make_it_unreadable() {
        let text = r#"{"ssrc":1,"ip":"203.0.113.7","port":50004,"modes":[],
            "experiments":null,"streams":{"new":1},"heartbeat_interval":3.5}"#;
        assert_eq!(serde_json::from_str::<Ready>(text).unwrap().ssrc, Ssrc(1));
    }

    #[test]
    fn identify_accepts_numbers_and_a_missing_dave_version() {
        let text = r#"{"server_id":8,"user_id":"9","session_id":"s","token":"t","video":true}"#;
        let identify: Identify = serde_json::from_str(text).unwrap();
        assert_eq!(identify.server_id, GuildId::new(8));
        assert_eq!(identify.max_dave_protocol_version, 0);
    }

    #[test]
    fn a_session_description_never_prints_its_key() {
        let description = SessionDescription {
            mode: "m".into(),
            secret_key: [77; 32],
            audio_codec: None,
            video_codec: None,
            media_session_id: None,
            dave_protocol_version: 0,
        };
        assert!(!format!("{description:?}").contains("77"));
        assert!(
            serde_json::to_string(&description)
                .unwrap()
                .contains("\"secret_key\":[77,77,")
        );
    }

    #[test]
    fn binary_frames_carry_a_sequence_only_since_version_8() {
        assert_eq!(
            parse_server_binary(&[1, 2, 25, 9], 8),
            Some((Some(258), 25, &[9][..]))
        );
        assert_eq!(parse_server_binary(&[25, 9], 4), Some((None, 25, &[9][..])));
        assert_eq!(parse_server_binary(&[1, 2], 8), None);
        assert_eq!(parse_server_binary(&[], 4), None);
    }

    #[test]
    fn close_codes_lead_to_the_documented_action() {
        assert_eq!(close_action(Some(4015)), CloseAction::Resume);
        assert_eq!(close_action(Some(4006)), CloseAction::Rejoin);
        assert_eq!(close_action(Some(4014)), CloseAction::WaitMain);
        assert_eq!(close_action(Some(4017)), CloseAction::Stop);
        assert_eq!(close_action(Some(1006)), CloseAction::Resume);
        assert_eq!(close_action(None), CloseAction::Resume);
    }
}
