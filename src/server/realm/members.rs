//! Guilds, members, channels, direct messages: things that come and go.

use mynah_wire::{ChannelId, GuildId, RoleId, UserId, intents};
use serde_json::json;

use super::{Audience, Event, Realm};
use crate::store::{Channel, ChannelKind, Guild, Member, Overwrite, Role, admit_bot};
use crate::voice::DavePolicy;

/// A channel to be made.
#[derive(Clone, Debug)]
pub(crate) struct NewChannel {
    pub guild_id: GuildId,
    pub kind: ChannelKind,
    pub name: String,
    pub bitrate_bps: Option<u32>,
    pub user_limit: u32,
    pub topic: Option<String>,
    pub parent_id: Option<ChannelId>,
    pub overwrites: Vec<Overwrite>,
    /// `None` takes the server's default.
    pub dave: Option<DavePolicy>,
}

impl Realm {
    /// A new guild, owned by the default owner. Everybody who exists is a member at once, so that
    /// tests need no invitations.
    pub(crate) fn make_guild(&mut self, name: &str) -> GuildId {
        let id = GuildId::new(self.next_id());
        let joined_ms = self.unix_ms();
        let mut guild = Guild::new(id, name, self.defaults.owner_id, joined_ms);
        let users: Vec<UserId> = self.store.users.keys().copied().collect();
        for user in &users {
            let role = RoleId::new(self.next_id());
            match self.store.bots.get(user) {
                Some(bot) => admit_bot(&mut guild, bot, role, joined_ms),
                None => {
                    guild
                        .members
                        .entry(*user)
                        .or_insert_with(|| Member::new(joined_ms));
                }
            }
        }
        self.store.guilds.insert(id, guild);
        for user in users {
            self.emit_guild_create(id, user);
        }
        id
    }

    /// A new bot, member of every guild.
    pub(crate) fn make_bot(
        &mut self,
        name: &str,
        permissions: Option<u64>,
        privileged_intents: bool,
    ) -> UserId {
        let id = UserId::new(self.next_id());
        let token = self.random.bot_token(id.get());
        self.store.add_bot(id, name, token, permissions);
        if let Some(bot) = self.store.bots.get_mut(&id) {
            bot.privileged_intents = privileged_intents;
        }
        let joined_ms = self.unix_ms();
        let guilds: Vec<GuildId> = self.store.guilds.keys().copied().collect();
        for guild_id in guilds {
            let role = RoleId::new(self.next_id());
            if let (Some(bot), Some(guild)) = (
                self.store.bots.get(&id),
                self.store.guilds.get_mut(&guild_id),
            ) {
                admit_bot(guild, bot, role, joined_ms);
            }
            self.emit_member_add(guild_id, id);
        }
        id
    }

    /// A new person, member of every guild.
    pub(crate) fn make_person(&mut self, name: &str, roles: &[(String, u64)]) -> UserId {
        let id = UserId::new(self.next_id());
        self.store.add_user(id, name, Some(name), false);
        let joined_ms = self.unix_ms();
        let guilds: Vec<GuildId> = self.store.guilds.keys().copied().collect();
        for guild_id in guilds {
            let mut member = Member::new(joined_ms);
            for (name, permissions) in roles {
                member
                    .roles
                    .push(self.role_named(guild_id, name, *permissions));
            }
            if let Some(guild) = self.store.guilds.get_mut(&guild_id) {
                guild.members.insert(id, member);
            }
            self.emit_member_add(guild_id, id);
        }
        id
    }

    /// The role with that name, made when there is none.
    fn role_named(&mut self, guild_id: GuildId, name: &str, permissions: u64) -> RoleId {
        let known = self
            .store
            .guilds
            .get(&guild_id)
            .and_then(|guild| guild.roles.values().find(|role| role.name == name));
        if let Some(role) = known {
            return role.id;
        }
        let id = RoleId::new(self.next_id());
        let Some(guild) = self.store.guilds.get_mut(&guild_id) else {
            return id;
        };
        let role = Role {
            id,
            name: name.to_owned(),
            permissions,
            position: u32::try_from(guild.roles.len()).unwrap_or(u32::MAX),
            bot: None,
        };
        let data = json!({"guild_id": guild_id, "role": crate::objects::role_json(&role)});
        guild.roles.insert(id, role);
        self.emit(Event::guild("GUILD_ROLE_CREATE", guild_id, data));
        id
    }

    /// A new guild channel at the end of the list.
    pub(crate) fn make_channel(&mut self, new: NewChannel) -> ChannelId {
        let id = ChannelId::new(self.next_id());
        let last = self
            .store
            .guild_channels(new.guild_id)
            .map(|c| c.position)
            .max();
        let mut channel = Channel::new(id, Some(new.guild_id), new.kind, &new.name);
        channel.position = last.map_or(0, |p| p + 1);
        channel.user_limit = new.user_limit;
        channel.topic = new.topic;
        channel.parent_id = new.parent_id;
        channel.overwrites = new.overwrites;
        channel.dave = new.dave;
        if let Some(bitrate_bps) = new.bitrate_bps {
            channel.bitrate_bps = bitrate_bps;
        }
        let data = self.store.channel_json(&channel);
        self.store.channels.insert(id, channel);
        self.emit(Event::guild("CHANNEL_CREATE", new.guild_id, data));
        id
    }

    /// Tells everybody about the new state of a channel.
    pub(crate) fn channel_changed(&mut self, id: ChannelId) {
        if let Some(channel) = self.store.channels.get(&id)
            && let Some(guild_id) = channel.guild_id
        {
            let data = self.store.channel_json(channel);
            self.emit(Event::guild("CHANNEL_UPDATE", guild_id, data));
        }
    }

    /// Removes a channel with everything in it.
    pub(crate) fn remove_channel(&mut self, id: ChannelId) -> Option<Channel> {
        self.empty_voice_channel(id);
        let channel = self.store.channels.remove(&id)?;
        for message in self.store.messages.remove(&id).unwrap_or_default().values() {
            self.store.files.forget(&message.attachments);
        }
        if let Some(guild_id) = channel.guild_id {
            let data = self.store.channel_json(&channel);
            self.emit(Event::guild("CHANNEL_DELETE", guild_id, data));
        }
        Some(channel)
    }

    /// The direct channel of two accounts, made when there is none.
    pub(crate) fn direct_channel(&mut self, bot: UserId, person: UserId) -> ChannelId {
        let known = self.store.channels.values().find(|channel| {
            channel.kind == ChannelKind::Direct
                && channel.recipients.contains(&bot)
                && channel.recipients.contains(&person)
        });
        if let Some(channel) = known {
            return channel.id;
        }
        let id = ChannelId::new(self.next_id());
        let mut channel = Channel::new(id, None, ChannelKind::Direct, "");
        channel.recipients = vec![bot, person];
        let data = self.store.channel_json(&channel);
        self.store.channels.insert(id, channel);
        self.emit(Event {
            name: "CHANNEL_CREATE",
            to: Audience::Bot(bot, None),
            intent: intents::DIRECT_MESSAGES,
            data,
        });
        id
    }

    /// GUILD_MEMBER_UPDATE; the own one is not gated by an intent (gateway.md section 5).
    pub(crate) fn member_changed(&mut self, guild_id: GuildId, user_id: UserId) {
        let Some(mut data) = self.store.member_json(guild_id, user_id) else {
            return;
        };
        if let Some(fields) = data.as_object_mut() {
            fields.insert("guild_id".into(), json!(guild_id));
        }
        let listening: Vec<String> = self
            .sessions
            .values()
            .filter(|s| s.covers(Some(guild_id)))
            .filter(|s| s.user_id == user_id || s.intents & intents::GUILD_MEMBERS != 0)
            .filter(|s| {
                let guild = self.store.guilds.get(&guild_id);
                guild.is_some_and(|g| g.members.contains_key(&s.user_id))
            })
            .map(|s| s.id.clone())
            .collect();
        for session in listening {
            self.emit(Event::to_session(
                "GUILD_MEMBER_UPDATE",
                &session,
                data.clone(),
            ));
        }
    }

    fn emit_member_add(&mut self, guild_id: GuildId, user_id: UserId) {
        if let Some(mut data) = self.store.member_json(guild_id, user_id) {
            if let Some(fields) = data.as_object_mut() {
                fields.insert("guild_id".into(), json!(guild_id));
            }
            self.emit(Event {
                name: "GUILD_MEMBER_ADD",
                to: Audience::Guild(guild_id),
                intent: intents::GUILD_MEMBERS,
                data,
            });
        }
    }

    /// GUILD_CREATE to a bot that has just become a member. Intent bits only change how many
    /// members are listed, so each session gets its own.
    fn emit_guild_create(&mut self, guild_id: GuildId, bot: UserId) {
        let sessions: Vec<(String, u64)> = self
            .sessions
            .values()
            .filter(|s| s.user_id == bot && s.covers(Some(guild_id)))
            .filter(|s| s.intents & intents::GUILDS != 0)
            .map(|s| (s.id.clone(), s.intents))
            .collect();
        for (session, bits) in sessions {
            let Some(mut data) = self.store.guild_create_json(guild_id, bot, bits) else {
                continue;
            };
            // `unavailable: false` tells of a guild that came back; one that is new has no such
            // key (discord.py and py-cord tell `guild_join` from `guild_available` by it).
            if let Some(fields) = data.as_object_mut() {
                fields.remove("unavailable");
            }
            self.emit(Event::to_session("GUILD_CREATE", &session, data));
        }
    }
}
