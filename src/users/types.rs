//! Requests to simulated users and their reports; the shapes of interfaces.md section 2.

use std::path::PathBuf;

use mynah_session::receive::Losses;
use mynah_session::voice::DaveReport;
use mynah_wire::{ChannelId, GuildId, Secret, UserId};
use serde::Serialize;

/// The fastest and slowest clock, in millionths; quartzes are within 100.
pub(crate) const MAX_SKEW_PPM: f64 = 1000.0;
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
    /// How much too fast this person's clock runs, in millionths, -1,000 to 1,000: every packet leaves by
    /// it, and RTP time counts by it.
    pub skew_ppm: f64,
}

/// The user speaks, or has spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct SayReport {
    /// When the first packet left, in microseconds since the Unix epoch.
    pub started_at_us: u64,
    /// Packets sent, the five of silence at the end included; known only when the caller waited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub packets: Option<u64>,
    /// How much later than its clock says the last packet left, because this machine stood still, in
    /// microseconds; known only when the caller waited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skipped_us: Option<u64>,
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
    /// The untouched packets as they came, each with its time: JSON, for measuring.
    Packets,
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
    /// Packets that arrived and could not be opened, of all senders, whoever was asked for: without
    /// its key a packet is nobody's.
    pub lost_to_keys: KeyLosses,
}

/// Packets that arrived and were not heard, by reason; see
/// [`mynah_session::receive::Losses`]. All are 0 in a call that works. Frames of the time before the
/// user was let into the group are meant for others and not counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct KeyLosses {
    /// No key opened it within two seconds.
    pub no_key: u64,
    /// Nobody said within two seconds whose stream it was.
    pub unknown_ssrc: u64,
    /// More packets waited for keys than may.
    pub overflow: u64,
    /// Not end-to-end encrypted in an encrypted call.
    pub plain: u64,
    /// Came a second time; also where the network duplicates.
    pub replayed: u64,
}

impl KeyLosses {
    /// What was lost from `before` to `after`.
    pub(crate) const fn between(before: &Losses, after: &Losses) -> Self {
        Self {
            no_key: after.no_key.saturating_sub(before.no_key),
            unknown_ssrc: after.unknown_ssrc.saturating_sub(before.unknown_ssrc),
            overflow: after.overflow.saturating_sub(before.overflow),
            plain: after.plain.saturating_sub(before.plain),
            replayed: after.replayed.saturating_sub(before.replayed),
        }
    }
}

/// A user's end-to-end encryption (DAVE) as the user's own client sees it. Everybody in the call sees
/// the same epoch, code and members, or somebody is being deceived.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Privacy {
    /// Version in use; 0 is none, or not connected.
    pub version: u16,
    /// Of the group; `None` outside of one.
    pub epoch: Option<u64>,
    /// The voice privacy code of the epoch: 30 digits.
    pub code: Option<String>,
    /// Who holds the keys, the user included, in ascending order.
    pub members: Vec<UserId>,
    /// Fingerprint of the user's own key (dave.md section 8); empty while not connected.
    pub fingerprint: Vec<u8>,
}

impl Privacy {
    pub(crate) fn of(user_id: UserId, report: DaveReport) -> Self {
        Self {
            version: report.version,
            epoch: report.epoch,
            code: report.privacy_code,
            members: report.members.into_iter().map(|(id, _)| id).collect(),
            fingerprint: mynah_dave::code::fingerprint(&report.own_key, user_id.get()),
        }
    }
}

/// A finished recording.
#[derive(Clone, Debug, PartialEq)]
pub struct Heard {
    /// The file.
    pub bytes: Vec<u8>,
    /// What arrived.
    pub stats: HearStats,
}
