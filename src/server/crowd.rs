//! The line to the simulated users.
//!
//! Simulated users are real voice clients and live outside this room (crate `mynah-users`), so that
//! the server never links the client's protocol machines. The binary joins the two through
//! [`Crowd`]; the control API calls it (interfaces.md section 2).

use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;

use mynah_wire::{ChannelId, GuildId, Secret, UserId};
use serde::Serialize;

/// A future on the heap: the price of a trait object with async verbs.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What a gateway session would have learned from VOICE_STATE_UPDATE and VOICE_SERVER_UPDATE.
#[derive(Clone, Debug)]
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
    /// A sound file.
    Path(PathBuf),
    /// A sine tone.
    Tone {
        /// Frequency.
        hz: f64,
        /// Length.
        seconds: f64,
        /// Level relative to full scale.
        dbfs: f64,
    },
}

/// Let a user speak.
#[derive(Clone, Debug, PartialEq)]
pub struct SayRequest {
    /// The sound.
    pub what: SayWhat,
    /// Start again at its end, until told otherwise.
    pub looped: bool,
    /// Answer only when the sound has been sent.
    pub wait: bool,
    /// How much too fast this person's clock runs, in millionths.
    pub skew_ppm: f64,
}

/// The user speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct SayReport {
    /// When the first packet left, in microseconds since the Unix epoch.
    pub started_at_us: u64,
    /// Packets sent; known only when the caller waited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub packets: Option<u64>,
    /// How much later than its clock says the last packet left, in microseconds; known only when the
    /// caller waited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skipped_us: Option<u64>,
}

/// Container of what was heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HearFormat {
    /// Decoded and mixed, 48 kHz stereo.
    Wav,
    /// The untouched Opus packets.
    Ogg,
    /// The same with the time each came at: JSON, for measuring.
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

/// What arrived while listening.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct HearStats {
    /// RTP packets received.
    pub packets: u64,
    /// Sequence numbers that never came.
    pub lost: u64,
    /// Packets that came after their turn.
    pub late: u64,
    /// Interarrival jitter (RFC 3550 section 6.4.1).
    pub jitter_ms: f64,
    /// Arrival of the first packet, in microseconds since the call.
    pub first_packet_us: Option<u64>,
    /// Longest pause between two packets.
    pub max_gap_ms: f64,
    /// Packets of any sender that arrived and could not be opened.
    pub lost_to_keys: KeyLosses,
}

/// Packets that arrived and were not heard, by reason; all 0 in a call that works.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct KeyLosses {
    /// No key opened it in time.
    pub no_key: u64,
    /// Nobody said in time whose stream it was.
    pub unknown_ssrc: u64,
    /// More packets waited for keys than may.
    pub overflow: u64,
    /// Not end-to-end encrypted in an encrypted call.
    pub plain: u64,
    /// Came a second time; also where the network duplicates.
    pub replayed: u64,
}

/// A finished recording.
#[derive(Clone, Debug)]
pub struct Heard {
    /// The file.
    pub bytes: Vec<u8>,
    /// What arrived.
    pub stats: HearStats,
}

/// What a simulated user knows about the end-to-end encryption of its call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserDave {
    /// Epoch of its group.
    pub epoch: u64,
    /// Voice privacy code: 30 digits that are the same for everybody in the group.
    pub privacy_code: String,
    /// Who is in the group, itself included.
    pub members: Vec<UserId>,
}

/// The simulated users as voice clients.
pub trait Crowd: Send + Sync {
    /// Joins voice; ready when the voice session is live. A ticket for the same user replaces the
    /// old session.
    fn join(&self, ticket: VoiceTicket) -> BoxFuture<'_, Result<(), String>>;
    /// Leaves voice.
    fn leave(&self, user_id: UserId) -> BoxFuture<'_, ()>;
    /// Speaks.
    fn say(&self, user_id: UserId, request: SayRequest)
    -> BoxFuture<'_, Result<SayReport, String>>;
    /// Listens.
    fn hear(&self, user_id: UserId, request: HearRequest) -> BoxFuture<'_, Result<Heard, String>>;
    /// The user's own mute and deaf switches.
    fn set_flags(&self, user_id: UserId, self_mute: bool, self_deaf: bool);
    /// The group the user is in, as its own client sees it; `None` without one. Returns at once.
    fn dave(&self, user_id: UserId) -> Option<UserDave> {
        let _ = user_id;
        None
    }
}
