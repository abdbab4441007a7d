//! What can go wrong with a group.

use std::error::Error;
use std::fmt;

/// What was being done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Making a view of the group, or beginning anew.
    Begin,
    /// Reading the external sender, op 25.
    ExternalSender,
    /// Making a key package, op 26.
    KeyPackage,
    /// Reading proposals and committing to them, op 27.
    Proposals,
    /// Applying a commit, op 29.
    Commit,
    /// Joining by a welcome, op 30.
    Welcome,
    /// Exporting a base secret.
    Export,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Begin => "beginning",
            Self::ExternalSender => "reading the external sender",
            Self::KeyPackage => "making a key package",
            Self::Proposals => "reading proposals",
            Self::Commit => "applying a commit",
            Self::Welcome => "joining by a welcome",
            Self::Export => "exporting a secret",
        })
    }
}

/// What to do about an error (dave.md sections 4 and 10).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// Log it; answer nothing.
    Ignore,
    /// Op 31, then `reinit`, then a new key package.
    Recover,
    /// This client cannot take part in the call: leave.
    GiveUp,
}

/// Why a step failed. Except for [`Panicked`](Self::Panicked) the group is as it was.
#[derive(Debug, thiserror::Error)]
pub enum GroupError {
    /// Only version 1 exists.
    #[error("protocol version {0} is unknown")]
    Version(u16),
    /// Longer than [`MAX_MESSAGE_BYTES`](super::MAX_MESSAGE_BYTES).
    #[error("a message of {bytes} bytes is too long")]
    TooLong {
        /// How long it is.
        bytes: usize,
    },
    /// What was read is malformed, not authentic, or not allowed now.
    #[error("refused while {step}")]
    Refused {
        /// What was being done.
        step: Step,
        /// What exactly is wrong.
        source: Box<dyn Error + Send + Sync>,
    },
    /// There is no established group.
    #[error("there is no established group")]
    NoGroup,
    /// Not a member.
    #[error("user {user_id} is not a member of the group")]
    Stranger {
        /// Who was asked for.
        user_id: u64,
    },
    /// The MLS library panicked. The group is lost, as after `reinit`.
    #[error("the MLS library failed while {step}")]
    Panicked {
        /// What was being done.
        step: Step,
    },
}

impl GroupError {
    pub(super) fn refused(step: Step, source: impl Error + Send + Sync + 'static) -> Self {
        Self::Refused {
            step,
            source: Box::new(source),
        }
    }

    /// What to do about it.
    pub const fn remedy(&self) -> Remedy {
        match self {
            Self::Version(_) => Remedy::GiveUp,
            Self::TooLong { .. } | Self::NoGroup | Self::Stranger { .. } => Remedy::Ignore,
            Self::Panicked { .. } => Remedy::Recover,
            Self::Refused { step, .. } => match step {
                Step::Commit | Step::Welcome | Step::Export => Remedy::Recover,
                Step::ExternalSender | Step::Proposals => Remedy::Ignore,
                Step::Begin | Step::KeyPackage => Remedy::GiveUp,
            },
        }
    }
}
