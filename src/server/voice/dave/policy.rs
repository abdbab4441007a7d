//! Whether the people of a channel must, may or cannot speak end-to-end encrypted.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The policy of a channel (dave.md section 1). Stages are always [`Off`](Self::Off).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DavePolicy {
    /// Clients without DAVE are closed with 4017, as Discord does since March 2026.
    Required,
    /// Encrypted as long as everybody in the channel can.
    Optional,
    /// Never: op 4 says version 0.
    Off,
}

impl DavePolicy {
    /// What channels get that do not say anything.
    pub const SHIPPED: Self = Self::Required;

    /// The word of the control API and the command line.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Required => "required",
            Self::Optional => "optional",
            Self::Off => "off",
        }
    }
}

impl Default for DavePolicy {
    fn default() -> Self {
        Self::SHIPPED
    }
}

impl fmt::Display for DavePolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// There is no policy of that name.
#[derive(Debug, thiserror::Error)]
#[error("a DAVE policy is required, optional or off")]
pub struct UnknownPolicy;

impl FromStr for DavePolicy {
    type Err = UnknownPolicy;

    fn from_str(word: &str) -> Result<Self, UnknownPolicy> {
        [Self::Required, Self::Optional, Self::Off]
            .into_iter()
            .find(|policy| policy.word() == word)
            .ok_or(UnknownPolicy)
    }
}
