//! Permission bits and who has which (rest.md section 9, Discord docs "Permissions").

use mynah_wire::{ChannelId, GuildId, RoleId, UserId};

use super::{Channel, Guild, Store};

/// Everything, everywhere.
pub const ADMINISTRATOR: u64 = 1 << 3;
/// Change channels.
pub const MANAGE_CHANNELS: u64 = 1 << 4;
/// Change the guild.
pub const MANAGE_GUILD: u64 = 1 << 5;
/// Add a reaction nobody has used on the message yet.
pub const ADD_REACTIONS: u64 = 1 << 6;
/// See a channel.
pub const VIEW_CHANNEL: u64 = 1 << 10;
/// Write messages.
pub const SEND_MESSAGES: u64 = 1 << 11;
/// Delete messages of others.
pub const MANAGE_MESSAGES: u64 = 1 << 13;
/// Send embeds.
pub const EMBED_LINKS: u64 = 1 << 14;
/// Send files.
pub const ATTACH_FILES: u64 = 1 << 15;
/// Read messages of the past.
pub const READ_MESSAGE_HISTORY: u64 = 1 << 16;
/// Mention everyone at once.
pub const MENTION_EVERYONE: u64 = 1 << 17;
/// Join voice.
pub const CONNECT: u64 = 1 << 20;
/// Speak in voice.
pub const SPEAK: u64 = 1 << 21;
/// Server-mute others.
pub const MUTE_MEMBERS: u64 = 1 << 22;
/// Server-deafen others.
pub const DEAFEN_MEMBERS: u64 = 1 << 23;
/// Move others, and join full channels.
pub const MOVE_MEMBERS: u64 = 1 << 24;
/// Voice activity.
pub const USE_VAD: u64 = 1 << 25;
/// Change the own nickname.
pub const CHANGE_NICKNAME: u64 = 1 << 26;
/// Change nicknames of others.
pub const MANAGE_NICKNAMES: u64 = 1 << 27;
/// Use slash commands.
pub const USE_APPLICATION_COMMANDS: u64 = 1 << 31;
/// Ask to speak on a stage.
pub const REQUEST_TO_SPEAK: u64 = 1 << 32;
/// Play soundboard sounds.
pub const USE_SOUNDBOARD: u64 = 1 << 42;
/// Play sounds of other guilds.
pub const USE_EXTERNAL_SOUNDS: u64 = 1 << 45;
/// Send voice messages.
pub const SEND_VOICE_MESSAGES: u64 = 1 << 46;
/// Set a voice channel's status.
pub const SET_VOICE_CHANNEL_STATUS: u64 = 1 << 48;
/// Pin messages; its own bit since 2026, before it was part of [`MANAGE_MESSAGES`].
pub const PIN_MESSAGES: u64 = 1 << 51;

/// Every documented bit.
pub const ALL: u64 = (1 << 53) - 1;

/// What `@everyone` may do in a new guild.
pub const EVERYONE_DEFAULT: u64 = VIEW_CHANNEL
    | SEND_MESSAGES
    | ADD_REACTIONS
    | EMBED_LINKS
    | ATTACH_FILES
    | READ_MESSAGE_HISTORY
    | CONNECT
    | SPEAK
    | USE_VAD
    | CHANGE_NICKNAME
    | USE_APPLICATION_COMMANDS
    | REQUEST_TO_SPEAK
    | USE_SOUNDBOARD
    | USE_EXTERNAL_SOUNDS
    | SEND_VOICE_MESSAGES;

/// What a bot's own role grants when it is added. Not [`MOVE_MEMBERS`]: with it a bot walks into
/// full channels and never meets the limit that its users will meet.
pub const BOT_DEFAULT: u64 = EVERYONE_DEFAULT
    | MANAGE_CHANNELS
    | MANAGE_MESSAGES
    | MUTE_MEMBERS
    | DEAFEN_MEMBERS
    | SET_VOICE_CHANNEL_STATUS
    | PIN_MESSAGES;

/// Permissions a channel grants or takes from a role or member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overwrite {
    /// A role or a user.
    pub id: u64,
    /// True: a user.
    pub member: bool,
    /// Bits granted.
    pub allow: u64,
    /// Bits taken.
    pub deny: u64,
}

impl Store {
    /// What `user` may do in the guild, before channel overwrites. 0 for strangers.
    pub fn guild_permissions(&self, guild_id: GuildId, user_id: UserId) -> u64 {
        let Some(guild) = self.guilds.get(&guild_id) else {
            return 0;
        };
        if guild.owner_id == user_id {
            return ALL;
        }
        let Some(member) = guild.members.get(&user_id) else {
            return 0;
        };
        let everyone = RoleId::new(guild_id.get());
        let granted = member
            .roles
            .iter()
            .chain([&everyone])
            .filter_map(|role| guild.roles.get(role))
            .fold(0, |bits, role| bits | role.permissions);
        if granted & ADMINISTRATOR != 0 {
            ALL
        } else {
            granted
        }
    }

    /// What `user` may do in a channel. In a direct message its recipients may do everything.
    pub fn channel_permissions(&self, channel_id: ChannelId, user_id: UserId) -> u64 {
        let Some(channel) = self.channels.get(&channel_id) else {
            return 0;
        };
        let Some(guild) = channel.guild_id.and_then(|id| self.guilds.get(&id)) else {
            return if channel.recipients.contains(&user_id) {
                ALL
            } else {
                0
            };
        };
        let base = self.guild_permissions(guild.id, user_id);
        if base & ADMINISTRATOR != 0 {
            return ALL;
        }
        apply_overwrites(base, guild, channel, user_id)
    }

    /// True when `user` has every bit of `needed` in the channel.
    pub fn may(&self, user_id: UserId, channel_id: ChannelId, needed: u64) -> bool {
        self.channel_permissions(channel_id, user_id) & needed == needed
    }
}

/// Order of Discord's docs: `@everyone`, then all roles together, then the member.
fn apply_overwrites(base: u64, guild: &Guild, channel: &Channel, user_id: UserId) -> u64 {
    let apply = |bits: u64, allow: u64, deny: u64| (bits & !deny) | allow;
    let sum = |pick: &dyn Fn(&Overwrite) -> bool| {
        channel
            .overwrites
            .iter()
            .filter(|o| pick(o))
            .fold((0, 0), |(allow, deny), o| (allow | o.allow, deny | o.deny))
    };
    let roles = guild.members.get(&user_id).map_or(&[][..], |m| &m.roles);
    let (allow, deny) = sum(&|o| !o.member && o.id == guild.id.get());
    let bits = apply(base, allow, deny);
    let (allow, deny) = sum(&|o| !o.member && roles.contains(&RoleId::new(o.id)));
    let bits = apply(bits, allow, deny);
    let (allow, deny) = sum(&|o| o.member && o.id == user_id.get());
    let bits = apply(bits, allow, deny);
    // Without VIEW_CHANNEL nothing in a channel is possible (Discord docs "Implicit Permissions").
    if bits & VIEW_CHANNEL == 0 { 0 } else { bits }
}
