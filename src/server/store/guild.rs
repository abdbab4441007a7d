//! Guilds, roles, members, users, bots.

use std::collections::BTreeMap;

use mynah_wire::{ApplicationId, GuildId, RoleId, Secret, UserId};
use serde_json::Value;

use super::permissions::EVERYONE_DEFAULT;

/// An account, of a person or a bot.
#[derive(Clone, Debug)]
pub struct User {
    /// Id.
    pub id: UserId,
    /// Login name.
    pub username: String,
    /// Display name.
    pub global_name: Option<String>,
    /// True for bots.
    pub bot: bool,
}

/// An application with its bot account.
#[derive(Clone, Debug)]
pub struct Bot {
    /// The account, and the application: one number for both, as for real bots made since 2016.
    pub user_id: UserId,
    /// Login token.
    pub token: Secret,
    /// Application name.
    pub name: String,
    /// Permission bits its role gets in every guild it joins.
    pub permissions: u64,
    /// The privileged intents are switched on in its settings (else close 4014).
    pub privileged_intents: bool,
    /// Identifies left today (gateway.md section 5: 1000 in 24 h).
    pub identifies_left: u32,
}

impl Bot {
    /// The application's id.
    pub fn application_id(&self) -> ApplicationId {
        ApplicationId::new(self.user_id.get())
    }
}

/// A guild.
#[derive(Clone, Debug)]
pub struct Guild {
    /// Id; the `@everyone` role has the same number.
    pub id: GuildId,
    /// Name.
    pub name: String,
    /// Who owns it.
    pub owner_id: UserId,
    /// Roles, `@everyone` included.
    pub roles: BTreeMap<RoleId, Role>,
    /// Members.
    pub members: BTreeMap<UserId, Member>,
    /// Boost level 0 to 3: decides the bitrate cap (rest.md section 9).
    pub premium_tier: u8,
    /// Soundboard sounds as Discord objects.
    pub sounds: BTreeMap<u64, Value>,
}

impl Guild {
    /// A guild with its `@everyone` role and its owner as only member.
    pub fn new(id: GuildId, name: impl Into<String>, owner_id: UserId, joined_ms: u64) -> Self {
        let everyone = Role {
            id: RoleId::new(id.get()),
            name: "@everyone".to_owned(),
            permissions: EVERYONE_DEFAULT,
            position: 0,
            bot: None,
        };
        Self {
            id,
            name: name.into(),
            owner_id,
            roles: [(everyone.id, everyone)].into(),
            members: [(owner_id, Member::new(joined_ms))].into(),
            premium_tier: 0,
            sounds: BTreeMap::new(),
        }
    }

    /// Highest bitrate of a voice channel in bits per second (rest.md section 9).
    pub fn max_bitrate_bps(&self) -> u32 {
        match self.premium_tier {
            0 => 96_000,
            1 => 128_000,
            2 => 256_000,
            _ => 384_000,
        }
    }
}

/// A role.
#[derive(Clone, Debug)]
pub struct Role {
    /// Id.
    pub id: RoleId,
    /// Name.
    pub name: String,
    /// Permission bits.
    pub permissions: u64,
    /// Display order.
    pub position: u32,
    /// The bot this role belongs to (a managed role).
    pub bot: Option<UserId>,
}

/// A user's membership in one guild.
#[derive(Clone, Debug)]
pub struct Member {
    /// Nickname.
    pub nick: Option<String>,
    /// Roles beside `@everyone`.
    pub roles: Vec<RoleId>,
    /// Unix milliseconds.
    pub joined_ms: u64,
    /// Server-muted.
    pub mute: bool,
    /// Server-deafened.
    pub deaf: bool,
}

impl Member {
    /// A member without roles.
    pub fn new(joined_ms: u64) -> Self {
        Self {
            nick: None,
            roles: Vec::new(),
            joined_ms,
            mute: false,
            deaf: false,
        }
    }
}
