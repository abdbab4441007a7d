//! Requests to simulated users and their reports; the shapes of interfaces.md section 2.

use std::path::PathBuf;

use mynah_wire::{ChannelId, GuildId, Secret, UserId};
use serde::Serialize;

/// Longest tone.
pub(crate) const MAX_SAY_SECONDS: f64 = 3600.0;
/// Longest decoded recording: it is mixed in memory, 384 kB a second.
pub(crate) const MAX_WAV_SECONDS: f64 = 600.0;
/// Longest recording of packets.
pub(crate) const MAX_OGG_SECONDS: f64 = 3600.0;

/// What a gateway session would have learned from VOICE_STATE_UPDATE and VOICE_SERVER_UPDATE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VoiceTicket {
    /// In which guild.
    pub guild_id: GuildId,
    /// Which channel.
    pub channel_id: ChannelId,
    /// Who joins.
    pub user_id: UserId,
    /// Goes into the voice Identify.
    pub session_id: String,
    /// Goes into the voice Identify.
    pub token: Secret,
    /// `host:port` of the voice websocket.
    pub endpoint: String,
}

/// What a user says.
#[derive(Clone, Debug, PartialEq)]
pub enum SayWhat {
    /// A sound file, of any format `mynah-media` opens.
    Path(PathBuf),
    /// A sine tone on both channels.
    Tone {
        /// Frequency, 1 to 20,000.
        hz: f64,
        /// Length, up to an hour.
        seconds: f64,
        /// Peak level relative to full scale, -120 to 0.
        dbfs: f64,
    },
}

/// Let a user speak. A user speaks one thing at a time: a new one replaces the old.
#[derive(Clone, Debug, PartialEq)]
pub struct SayRequest {
    /// The sound.
    pub what: SayWhat,
    /// Start again at its end, until something else is said or the user leaves.
    pub looped: bool,
    /// Answer only when the sound has been sent.
    pub wait: bool,
}

/// The user speaks, or has spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct SayReport {
    /// When the first packet left, in microseconds since the Unix epoch.
    pub started_at_us: u64,
    /// Packets sent, the five of silence at the end included; known only when the caller waited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub packets: Option<u64>,
}

/// Container of what was heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HearFormat {
    /// Decoded and mixed, 48 kHz stereo, 16 bit.
    Wav,
    /// Decoded and mixed, 48 kHz stereo, 32-bit float: nothing clipped, for measuring.
    WavFloat,
    /// The untouched Opus packets of one sender.
    Ogg,
}

/// Record what a user hears from now on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HearRequest {
    /// Exact length of the recording.
    pub seconds: f64,
    /// Only this sender; `None` is everybody.
    pub from: Option<UserId>,
    /// Container.
    pub format: HearFormat,
}

/// What arrived while listening. With several senders the numbers are sums (`packets`, `lost`,
/// `late`) or the worst of them (`jitter_ms`, `max_gap_ms`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct HearStats {
    /// RTP packets received.
    pub packets: u64,
    /// Sequence numbers between the first and the last that never came.
    pub lost: u64,
    /// Packets that came after a later one.
    pub late: u64,
    /// Interarrival jitter at the end (RFC 3550 section 6.4.1).
    pub jitter_ms: f64,
    /// Arrival of the first packet, in microseconds since the call.
    pub first_packet_us: Option<u64>,
    /// Longest time between two packets of one sender.
    pub max_gap_ms: f64,
}

/// A finished recording.
#[derive(Clone, Debug, PartialEq)]
pub struct Heard {
    /// The file.
    pub bytes: Vec<u8>,
    /// What arrived.
    pub stats: HearStats,
}
