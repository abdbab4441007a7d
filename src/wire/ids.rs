//! Snowflake ids as distinct types, and the RTP synchronisation source.

use std::fmt;
use std::num::ParseIntError;
use std::str::FromStr;

use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// First millisecond of Discord's epoch (2015-01-01T00:00:00Z) in Unix time (rest.md section 1).
pub const DISCORD_EPOCH_MS: u64 = 1_420_070_400_000;

/// Milliseconds since the Unix epoch at which a snowflake was made.
pub fn snowflake_unix_ms(id: u64) -> u64 {
    (id >> 22) + DISCORD_EPOCH_MS
}

/// Builds a snowflake from Unix milliseconds and the low 22 bits (worker, process, increment).
pub fn snowflake(unix_ms: u64, low_bits: u64) -> u64 {
    (unix_ms.saturating_sub(DISCORD_EPOCH_MS) << 22) | (low_bits & 0x3F_FFFF)
}

struct IdVisitor;

impl Visitor<'_> for IdVisitor {
    type Value = u64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a snowflake as a decimal string (or an unsigned integer)")
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<u64, E> {
        Ok(value)
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<u64, E> {
        u64::try_from(value).map_err(|_| E::custom("a snowflake cannot be negative"))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<u64, E> {
        value
            .parse()
            .map_err(|_| E::custom(format_args!("`{value}` is not a snowflake")))
    }
}

macro_rules! id {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        ///
        /// Serialised as a decimal string; integers are accepted too, because client libraries
        /// differ (gateway.md, notation).
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u64);

        impl $name {
            /// Wraps a raw snowflake.
            pub const fn new(raw: u64) -> Self {
                Self(raw)
            }

            /// The raw snowflake.
            pub const fn get(self) -> u64 {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}", self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }

        impl From<u64> for $name {
            fn from(raw: u64) -> Self {
                Self(raw)
            }
        }

        impl FromStr for $name {
            type Err = ParseIntError;

            fn from_str(text: &str) -> Result<Self, ParseIntError> {
                text.parse().map(Self)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_any(IdVisitor).map(Self)
            }
        }
    )*};
}

id! {
    /// A guild ("server").
    GuildId;
    /// A channel of any kind.
    ChannelId;
    /// A user or bot account.
    UserId;
    /// A message.
    MessageId;
    /// An application (for bots usually equal to the user id).
    ApplicationId;
    /// An application command.
    CommandId;
    /// One interaction.
    InteractionId;
    /// A role; the `@everyone` role has the guild's id.
    RoleId;
    /// An attachment of a message or interaction.
    AttachmentId;
}

/// RTP synchronisation source: names one sender's stream inside a voice connection (RFC 3550
/// section 3). A number, not a snowflake: JSON carries it as an integer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Ssrc(pub u32);

impl Ssrc {
    /// Wraps a raw synchronisation source.
    pub const fn new(raw: u32) -> Self {
        Self(raw)
    }

    /// The raw number.
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl fmt::Display for Ssrc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl fmt::Debug for Ssrc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ssrc({})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_written_as_strings_and_read_from_strings_or_integers() {
        assert_eq!(serde_json::to_string(&UserId::new(42)).unwrap(), "\"42\"");
        assert_eq!(
            serde_json::from_str::<UserId>("\"42\"").unwrap(),
            UserId::new(42)
        );
        assert_eq!(
            serde_json::from_str::<UserId>("42").unwrap(),
            UserId::new(42)
        );
        assert!(serde_json::from_str::<UserId>("\"4x\"").is_err());
        assert!(serde_json::from_str::<UserId>("-1").is_err());
    }

    #[test]
    fn ids_work_as_json_object_keys() {
        let map: std::collections::BTreeMap<UserId, u8> = [(UserId::new(7), 1)].into();
        let json = serde_json::to_string(&map).unwrap();
        assert_eq!(json, r#"{"7":1}"#);
        assert_eq!(
            serde_json::from_str::<std::collections::BTreeMap<UserId, u8>>(&json).unwrap(),
            map
        );
    }

    #[test]
    fn snowflakes_carry_their_time() {
        let id = snowflake(1_767_225_600_123, 5);
        assert_eq!(snowflake_unix_ms(id), 1_767_225_600_123);
        assert_eq!(id & 0x3F_FFFF, 5);
    }
}
