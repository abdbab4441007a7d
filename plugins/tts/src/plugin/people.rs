//! What people, roles and channels are called, and who is in which voice channel, as the gateway
//! tells it. In memory only.

use std::collections::BTreeMap;

use mynah_plugin::{ChannelId, GuildId, RoleId, UserId};
use serde::Deserialize;

use crate::text::Names;

/// People of one server whose names are remembered; more, and nobody new is.
const MAX_PEOPLE: usize = 20_000;

/// Everybody the bot has heard of.
#[derive(Debug, Default)]
pub(super) struct People {
    guilds: BTreeMap<GuildId, Known>,
}

#[derive(Debug, Default)]
struct Known {
    people: BTreeMap<UserId, String>,
    roles: BTreeMap<RoleId, String>,
    channels: BTreeMap<ChannelId, String>,
    voice: BTreeMap<UserId, ChannelId>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Guild {
    id: GuildId,
    #[serde(default)]
    voice_states: Vec<State>,
    #[serde(default)]
    members: Vec<Member>,
    #[serde(default)]
    roles: Vec<Named<RoleId>>,
    #[serde(default)]
    channels: Vec<Named<ChannelId>>,
    #[serde(default)]
    threads: Vec<Named<ChannelId>>,
}

#[derive(Debug, Deserialize)]
struct Named<T> {
    id: T,
    #[serde(default)]
    name: String,
}

/// CHANNEL_CREATE and CHANNEL_UPDATE.
#[derive(Debug, Deserialize)]
pub(super) struct Channel {
    guild_id: Option<GuildId>,
    #[serde(flatten)]
    named: Named<ChannelId>,
}

/// GUILD_ROLE_CREATE and GUILD_ROLE_UPDATE.
#[derive(Debug, Deserialize)]
pub(super) struct Role {
    guild_id: GuildId,
    role: Named<RoleId>,
}

#[derive(Debug, Deserialize)]
pub(super) struct State {
    guild_id: Option<GuildId>,
    channel_id: Option<ChannelId>,
    user_id: UserId,
    member: Option<Member>,
}

/// A person of a server; in messages the user stands beside it.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Member {
    pub user: Option<User>,
    pub nick: Option<String>,
    #[serde(default)]
    pub roles: Vec<RoleId>,
}

/// A person.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct User {
    pub id: UserId,
    #[serde(default)]
    pub username: String,
    pub global_name: Option<String>,
    #[serde(default)]
    pub bot: bool,
    /// In the people a message mentions.
    pub member: Option<Box<Member>>,
}

/// What a person is called.
pub(super) fn called(user: &User, member: Option<&Member>) -> String {
    let nick = member.and_then(|member| member.nick.as_ref());
    let names = [nick, user.global_name.as_ref()];
    names
        .into_iter()
        .flatten()
        .next()
        .unwrap_or(&user.username)
        .clone()
}

impl People {
    /// A server became known.
    pub fn guild(&mut self, guild: Guild) {
        let known = self.guilds.entry(guild.id).or_default();
        known.roles = guild
            .roles
            .into_iter()
            .map(|one| (one.id, one.name))
            .collect();
        let channels = guild.channels.into_iter().chain(guild.threads);
        known.channels = channels.map(|one| (one.id, one.name)).collect();
        known.voice.clear();
        for member in &guild.members {
            known.meet(member.user.as_ref(), Some(member));
        }
        for state in &guild.voice_states {
            known.state(state);
        }
    }

    /// A channel was made or renamed.
    pub fn channel(&mut self, channel: Channel) {
        if let Some(guild) = channel.guild_id {
            let known = self.guilds.entry(guild).or_default();
            known.channels.insert(channel.named.id, channel.named.name);
        }
    }

    /// A role was made or renamed.
    pub fn role(&mut self, role: Role) {
        let known = self.guilds.entry(role.guild_id).or_default();
        known.roles.insert(role.role.id, role.role.name);
    }

    /// Somebody came to a voice channel, or left.
    pub fn state(&mut self, state: &State) {
        if let Some(guild) = state.guild_id {
            self.guilds.entry(guild).or_default().state(state);
        }
    }

    /// Somebody is in a voice channel, or in none.
    pub fn place(&mut self, guild: GuildId, user: UserId, channel: Option<ChannelId>) {
        self.guilds.entry(guild).or_default().place(user, channel);
    }

    /// Somebody wrote, or was mentioned.
    pub fn meet(&mut self, guild: GuildId, user: &User, member: Option<&Member>) {
        self.guilds
            .entry(guild)
            .or_default()
            .meet(Some(user), member);
    }

    /// The voice channel somebody is in.
    pub fn voice(&self, guild: GuildId, user: UserId) -> Option<ChannelId> {
        self.guilds.get(&guild)?.voice.get(&user).copied()
    }

    /// Everybody in a voice channel.
    pub fn in_channel(&self, guild: GuildId, channel: ChannelId) -> impl Iterator<Item = UserId> {
        let known = self.guilds.get(&guild).into_iter();
        let voice = known.flat_map(|known| &known.voice);
        voice
            .filter(move |(_, at)| **at == channel)
            .map(|(user, _)| *user)
    }

    /// The names of a server, for the text.
    pub fn names(&self, guild: GuildId) -> impl Names {
        Here(self.guilds.get(&guild))
    }
}

impl Known {
    fn meet(&mut self, user: Option<&User>, member: Option<&Member>) {
        let Some(user) = user else { return };
        if self.people.len() < MAX_PEOPLE || self.people.contains_key(&user.id) {
            self.people.insert(user.id, called(user, member));
        }
    }

    fn state(&mut self, state: &State) {
        if let Some(member) = &state.member {
            self.meet(member.user.as_ref(), Some(member));
        }
        self.place(state.user_id, state.channel_id);
    }

    fn place(&mut self, user: UserId, channel: Option<ChannelId>) {
        match channel {
            Some(channel) => self.voice.insert(user, channel),
            None => self.voice.remove(&user),
        };
    }
}

struct Here<'a>(Option<&'a Known>);

impl Names for Here<'_> {
    fn user(&self, id: u64) -> Option<String> {
        self.0?.people.get(&UserId::new(id)).cloned()
    }

    fn role(&self, id: u64) -> Option<String> {
        self.0?.roles.get(&RoleId::new(id)).cloned()
    }

    fn channel(&self, id: u64) -> Option<String> {
        self.0?.channels.get(&ChannelId::new(id)).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn names_and_places_are_what_the_gateway_said_last() {
        let mut people = People::default();
        let guild = GuildId::new(1);
        people.guild(serde_json::from_value(json!({
            "id": "1",
            "members": [{ "user": { "id": "5", "username": "ann5", "global_name": "Ann" }, "nick": null }],
            "roles": [{ "id": "7", "name": "Crew" }],
            "channels": [{ "id": "3", "name": "general" }],
            "voice_states": [{ "user_id": "5", "channel_id": "20" }],
        })).unwrap());
        let names = people.names(guild);
        assert_eq!(names.user(5).as_deref(), Some("Ann"));
        assert_eq!(names.role(7).as_deref(), Some("Crew"));
        assert_eq!(names.channel(3).as_deref(), Some("general"));
        assert_eq!(names.user(99), None);
        drop(names);
        assert_eq!(
            people.voice(guild, UserId::new(5)),
            Some(ChannelId::new(20))
        );
        people.state(
            &serde_json::from_value(json!({
                "guild_id": "1", "user_id": "5", "channel_id": null,
                "member": { "user": { "id": "5", "username": "ann5" }, "nick": "Annie" },
            }))
            .unwrap(),
        );
        assert_eq!(people.voice(guild, UserId::new(5)), None);
        assert_eq!(people.names(guild).user(5).as_deref(), Some("Annie"));
        assert_eq!(people.in_channel(guild, ChannelId::new(20)).count(), 0);
        let channel = json!({ "guild_id": "1", "id": "4", "name": "new", "type": 0 });
        people.channel(serde_json::from_value(channel).unwrap());
        let role = json!({ "guild_id": "1", "role": { "id": "7", "name": "Staff" } });
        people.role(serde_json::from_value(role).unwrap());
        let names = people.names(guild);
        assert_eq!(names.channel(4).as_deref(), Some("new"));
        assert_eq!(names.role(7).as_deref(), Some("Staff"));
    }
}
