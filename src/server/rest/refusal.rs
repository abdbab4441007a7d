//! Discord's error bodies (rest.md section 1).

use serde_json::{Value, json};

/// A request that is refused.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Refusal {
    pub status: u16,
    pub code: u32,
    pub message: &'static str,
    pub errors: Option<Value>,
}

impl Refusal {
    /// Any error without a form tree.
    pub const fn new(status: u16, code: u32, message: &'static str) -> Self {
        Self {
            status,
            code,
            message,
            errors: None,
        }
    }

    /// The JSON body.
    pub fn body(&self) -> Value {
        match &self.errors {
            None => json!({"message": self.message, "code": self.code}),
            Some(errors) => json!({"message": self.message, "code": self.code, "errors": errors}),
        }
    }

    /// No or a wrong token.
    pub const fn unauthorized() -> Self {
        Self::new(401, 0, "401: Unauthorized")
    }

    /// A permission is missing.
    pub const fn missing_permissions() -> Self {
        Self::new(403, 50013, "Missing Permissions")
    }

    /// The thing may not even be seen.
    pub const fn missing_access() -> Self {
        Self::new(403, 50001, "Missing Access")
    }

    /// No such channel.
    pub const fn unknown_channel() -> Self {
        Self::new(404, 10003, "Unknown Channel")
    }

    /// No such guild, or the bot is not in it.
    pub const fn unknown_guild() -> Self {
        Self::new(404, 10004, "Unknown Guild")
    }

    /// No such member.
    pub const fn unknown_member() -> Self {
        Self::new(404, 10007, "Unknown Member")
    }

    /// No such message.
    pub const fn unknown_message() -> Self {
        Self::new(404, 10008, "Unknown Message")
    }

    /// No such account.
    pub const fn unknown_user() -> Self {
        Self::new(404, 10013, "Unknown User")
    }

    /// The person is not in voice (lookups).
    pub const fn unknown_voice_state() -> Self {
        Self::new(404, 10065, "Unknown Voice State")
    }

    /// The person is not in voice (changes).
    pub const fn not_in_voice() -> Self {
        Self::new(400, 40032, "Target user is not connected to voice.")
    }
}
