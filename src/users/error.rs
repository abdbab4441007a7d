//! What can go wrong with a simulated user.

use std::io;

use mynah_dave::group::GroupError;
use mynah_wire::UserId;

use crate::types::{MAX_OGG_SECONDS, MAX_SAY_SECONDS, MAX_SKEW_PPM, MAX_WAV_SECONDS};

/// Why a simulated user could not do what was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The CA certificate is unusable.
    #[error("the voice server's CA certificate cannot be used: {0}")]
    Certificate(String),
    /// The user is in no voice channel.
    #[error("user {0} is not in a voice channel")]
    NotInVoice(UserId),
    /// No key pair for the end-to-end encryption could be made.
    #[error("the user's key pair could not be made: {0}")]
    Identity(#[from] GroupError),
    /// The voice connection could not be made.
    #[error("user {user_id} could not join: {reason}")]
    Join {
        /// Who.
        user_id: UserId,
        /// What happened.
        reason: String,
    },
    /// The voice connection ended before the work was done.
    #[error("user {user_id} left the voice channel meanwhile: {reason}")]
    Ended {
        /// Who.
        user_id: UserId,
        /// What happened.
        reason: String,
    },
    /// The sound cannot be played.
    #[error(transparent)]
    Media(#[from] mynah_media::MediaError),
    /// No clock is that wrong.
    #[error("a clock cannot be {0} millionths too fast")]
    BadSkew(f64),
    /// The tone makes no sense.
    #[error("a tone of {hz} Hz, {seconds} s and {dbfs} dBFS cannot be made")]
    BadTone {
        /// Frequency asked for.
        hz: f64,
        /// Length asked for.
        seconds: f64,
        /// Level asked for.
        dbfs: f64,
    },
    /// Waiting for the end of a looped sound.
    #[error("a looped sound has no end to wait for")]
    EndlessWait,
    /// The first packet did not leave in time: the connection is down.
    #[error("user {0} has no voice connection to speak on")]
    Mute(UserId),
    /// A length that is not a number, not positive or too long.
    #[error("{seconds} s cannot be recorded")]
    BadLength {
        /// What was asked for.
        seconds: f64,
    },
    /// Too many recordings of one user at once.
    #[error("user {0} has too many recordings running")]
    TooManyRecordings(UserId),
    /// The recording outgrew its memory.
    #[error("more arrived than a recording may hold ({limit_mib} MiB)")]
    TooMuch {
        /// The limit.
        limit_mib: usize,
    },
    /// Ogg holds one sender, and several spoke.
    #[error("{} people spoke, and an Ogg recording holds one of them ({})", .0.len(), list(.0))]
    SeveralSpeakers(Vec<UserId>),
    /// The codec refused.
    #[error("the Opus codec failed: {0}")]
    Opus(#[from] mynah_audio::OpusError),
    /// The operating system refused.
    #[error("{0}")]
    Io(#[from] io::Error),
}

impl Error {
    /// What to do about it.
    pub fn remedy(&self) -> String {
        match self {
            Self::Certificate(_) => "pass the ca.pem of the embedded server's data folder".into(),
            Self::NotInVoice(_) => "let the user join first (POST /control/voice/join)".into(),
            Self::Join { .. } | Self::Ended { .. } | Self::Mute(_) => {
                "look at GET /control/state and at active faults".into()
            }
            Self::Media(error) => error.remedy().to_string(),
            Self::BadTone { .. } => format!(
                "hz between 1 and 20000, seconds up to {MAX_SAY_SECONDS}, dbfs between -120 and 0"
            ),
            Self::BadSkew(_) => format!("skew_ppm between -{MAX_SKEW_PPM} and {MAX_SKEW_PPM}"),
            Self::EndlessWait => "leave out `wait` or `loop`".into(),
            Self::BadLength { .. } => format!(
                "seconds above 0, up to {MAX_WAV_SECONDS} for wav and {MAX_OGG_SECONDS} for ogg"
            ),
            Self::TooManyRecordings(_) => "wait for one of them to end".into(),
            Self::TooMuch { .. } => "record fewer seconds, or one sender (`from`)".into(),
            Self::SeveralSpeakers(_) => "choose one with `from`, or take format wav".into(),
            Self::Identity(_) | Self::Opus(_) | Self::Io(_) => "see the log".into(),
        }
    }
}

fn list(users: &[UserId]) -> String {
    users
        .iter()
        .map(UserId::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}
