//! The world a fresh server starts with.

use mynah_wire::rng::Rng;
use mynah_wire::{ChannelId, GuildId, RoleId, Secret, UserId, ids};

use super::permissions::BOT_DEFAULT;
use super::{Bot, Channel, ChannelKind, Guild, Member, Randomness, Role, Store, User};
use crate::config::BotSpec;

/// 2026-01-01T00:00:00Z. The default ids are counted from here, not from the clock, so that one
/// seed always gives the same ids.
const FOUNDED_UNIX_MS: u64 = 1_767_225_600_000;

/// Ids of the default world.
#[derive(Clone, Debug)]
pub struct DefaultWorld {
    /// The guild.
    pub guild_id: GuildId,
    /// Its owner, a person.
    pub owner_id: UserId,
    /// `general`.
    pub text_channel_id: ChannelId,
    /// `Voice` and `Voice 2`.
    pub voice_channel_ids: Vec<ChannelId>,
    /// `Stage`.
    pub stage_channel_id: ChannelId,
    /// The bot.
    pub bot_id: UserId,
}

impl DefaultWorld {
    /// Fills an empty store: one guild, a text channel, two voice channels, a stage, a bot.
    pub fn found(store: &mut Store, seed: u64, spec: &BotSpec, random: &mut Randomness) -> Self {
        // The seed moves the founding moment within the 388 days before, and colours the low bits,
        // so that two seeds share no id.
        let mut rng = Rng::new(seed);
        let founded = FOUNDED_UNIX_MS - rng.below(1 << 25) * 1000;
        let low_bits = rng.below(1 << 22);
        let mut minutes = 0;
        let mut next = || {
            minutes += 1;
            ids::snowflake(founded + minutes * 60_000, low_bits)
        };

        let owner_id = UserId::new(next());
        let guild_id = GuildId::new(next());
        store.add_user(owner_id, "owner", Some("Owner"), false);
        let mut guild = Guild::new(guild_id, "Mynah's Nest", owner_id, founded);
        let mut channel = |kind, name: &str, position| {
            let id = ChannelId::new(next());
            let mut channel = Channel::new(id, Some(guild_id), kind, name);
            channel.position = position;
            store.channels.insert(id, channel);
            id
        };
        let text_channel_id = channel(ChannelKind::Text, "general", 0);
        let voice_channel_ids = vec![
            channel(ChannelKind::Voice, "Voice", 1),
            channel(ChannelKind::Voice, "Voice 2", 2),
        ];
        let stage_channel_id = channel(ChannelKind::Stage, "Stage", 3);

        let bot_id = UserId::new(next());
        let token = spec
            .token
            .clone()
            .unwrap_or_else(|| random.bot_token(bot_id.get()));
        store.add_bot(bot_id, &spec.name, token, spec.permissions);
        if let Some(bot) = store.bots.get(&bot_id) {
            admit_bot(&mut guild, bot, RoleId::new(next()), founded);
        }
        store.guilds.insert(guild_id, guild);
        Self {
            guild_id,
            owner_id,
            text_channel_id,
            voice_channel_ids,
            stage_channel_id,
            bot_id,
        }
    }
}

/// Makes a bot a member, with a role of its own that carries its permissions.
pub(crate) fn admit_bot(guild: &mut Guild, bot: &Bot, role_id: RoleId, joined_ms: u64) {
    let position = u32::try_from(guild.roles.len()).unwrap_or(u32::MAX);
    let role = Role {
        id: role_id,
        name: bot.name.clone(),
        permissions: bot.permissions,
        position,
        bot: Some(bot.user_id),
    };
    let mut member = Member::new(joined_ms);
    member.roles.push(role_id);
    guild.roles.insert(role_id, role);
    guild.members.insert(bot.user_id, member);
}

impl Store {
    /// Adds an account.
    pub(crate) fn add_user(&mut self, id: UserId, name: &str, shown: Option<&str>, bot: bool) {
        let user = User {
            id,
            username: name.to_owned(),
            global_name: shown.map(str::to_owned),
            bot,
        };
        self.users.insert(id, user);
    }

    /// Adds a bot with its account.
    pub(crate) fn add_bot(
        &mut self,
        id: UserId,
        name: &str,
        token: Secret,
        permissions: Option<u64>,
    ) {
        self.add_user(id, name, None, true);
        let bot = Bot {
            user_id: id,
            token,
            name: name.to_owned(),
            permissions: permissions.unwrap_or(BOT_DEFAULT),
            privileged_intents: true,
            identifies_left: 1000,
        };
        self.bots.insert(id, bot);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(seed: u64) -> (Store, DefaultWorld) {
        let mut store = Store::default();
        let mut random = Randomness::Seeded(Rng::new(seed));
        let world = DefaultWorld::found(&mut store, seed, &BotSpec::default(), &mut random);
        (store, world)
    }

    #[test]
    fn one_seed_always_gives_the_same_ids_and_token() {
        let ((store_a, a), (store_b, b)) = (found(7), found(7));
        assert_eq!(format!("{a:?}"), format!("{b:?}"));
        assert_eq!(store_a.bot_token(a.bot_id), store_b.bot_token(b.bot_id));
        assert_ne!(a.guild_id, found(8).1.guild_id);
    }

    #[test]
    fn the_bot_is_a_member_with_a_role_and_may_join_voice() {
        let (store, world) = found(1);
        let voice = world.voice_channel_ids[0];
        assert!(store.may(world.bot_id, voice, super::super::permissions::CONNECT));
        assert!(!store.may(UserId::new(1), voice, super::super::permissions::CONNECT));
        assert_eq!(store.guild_channels(world.guild_id).count(), 4);
    }
}
