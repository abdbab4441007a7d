//! Gateway intents (gateway.md section 5).

/// Guild, channel, role and thread events.
pub const GUILDS: u64 = 1 << 0;
/// Member add, update, remove (privileged).
pub const GUILD_MEMBERS: u64 = 1 << 1;
/// Bans and audit log.
pub const GUILD_MODERATION: u64 = 1 << 2;
/// Emoji, sticker and soundboard changes.
pub const GUILD_EXPRESSIONS: u64 = 1 << 3;
/// `VOICE_STATE_UPDATE` and `VOICE_CHANNEL_EFFECT_SEND`. Without it a bot never sees its own voice
/// state and voice cannot start.
pub const GUILD_VOICE_STATES: u64 = 1 << 7;
/// Presences (privileged).
pub const GUILD_PRESENCES: u64 = 1 << 8;
/// Messages in guilds.
pub const GUILD_MESSAGES: u64 = 1 << 9;
/// Reactions in guilds.
pub const GUILD_MESSAGE_REACTIONS: u64 = 1 << 10;
/// Typing in guilds.
pub const GUILD_MESSAGE_TYPING: u64 = 1 << 11;
/// Messages in direct messages, and ephemeral messages.
pub const DIRECT_MESSAGES: u64 = 1 << 12;
/// Fills content, embeds, attachments and components of others' messages (privileged).
pub const MESSAGE_CONTENT: u64 = 1 << 15;

/// Every bit that means something today: 0 to 16, 20, 21, 24, 25.
pub const KNOWN: u64 = 0x1_FFFF | (1 << 20) | (1 << 21) | (1 << 24) | (1 << 25);
/// Bits that must be switched on in the developer portal first.
pub const PRIVILEGED: u64 = GUILD_MEMBERS | GUILD_PRESENCES | MESSAGE_CONTENT;

/// True when `intents` has a bit that Discord does not know (close 4013).
pub const fn has_unknown(intents: u64) -> bool {
    intents & !KNOWN != 0
}
