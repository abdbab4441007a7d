//! Who is in which voice channel and what they are called, as the gateway tells it.

use std::collections::BTreeMap;

use mynah_plugin::{ChannelId, GuildId, UserId};
use serde::Deserialize;

/// One person of a server who is in a voice channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Person {
    pub channel: ChannelId,
    pub name: String,
    pub is_bot: bool,
    pub is_muted: bool,
}

/// A change that a recording notes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Change {
    Came(ChannelId),
    Left(ChannelId),
    Muted(ChannelId, bool),
}

/// Everybody in voice.
#[derive(Debug, Default)]
pub(super) struct People {
    rooms: BTreeMap<GuildId, BTreeMap<UserId, Person>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct State {
    guild_id: Option<GuildId>,
    channel_id: Option<ChannelId>,
    user_id: UserId,
    member: Option<Member>,
    #[serde(default)]
    mute: bool,
    #[serde(default)]
    self_mute: bool,
    #[serde(default)]
    suppress: bool,
}

#[derive(Debug, Deserialize)]
pub(super) struct Member {
    user: User,
    nick: Option<String>,
}

#[derive(Debug, Deserialize)]
struct User {
    id: UserId,
    #[serde(default)]
    username: String,
    global_name: Option<String>,
    #[serde(default)]
    bot: bool,
}

#[derive(Debug, Deserialize)]
pub(super) struct Guild {
    pub id: GuildId,
    #[serde(default)]
    voice_states: Vec<State>,
    #[serde(default)]
    members: Vec<Member>,
}

impl Member {
    fn name(&self) -> String {
        let names = [self.nick.as_ref(), self.user.global_name.as_ref()];
        let name = names.into_iter().flatten().next();
        name.unwrap_or(&self.user.username).clone()
    }
}

impl People {
    /// A server became known: everybody who is in voice there.
    pub fn guild(&mut self, guild: Guild) {
        let mut room = BTreeMap::new();
        for state in &guild.voice_states {
            let members = guild.members.iter();
            let member = state.member.as_ref().or_else(|| {
                let mut members = members;
                members.find(|member| member.user.id == state.user_id)
            });
            if let Some(channel) = state.channel_id {
                room.insert(state.user_id, state.person(channel, member, None));
            }
        }
        self.rooms.insert(guild.id, room);
    }

    /// Somebody's voice state changed: what that means for a recording.
    pub fn state(&mut self, state: &State) -> Vec<Change> {
        let Some(guild) = state.guild_id else {
            return Vec::new();
        };
        let room = self.rooms.entry(guild).or_default();
        let before = room.get(&state.user_id).cloned();
        let after = state
            .channel_id
            .map(|channel| state.person(channel, state.member.as_ref(), before.as_ref()));
        match &after {
            Some(person) => room.insert(state.user_id, person.clone()),
            None => room.remove(&state.user_id),
        };
        let was = before.as_ref().map(|person| person.channel);
        let is = after.as_ref().map(|person| person.channel);
        if was != is {
            let left = was.map(Change::Left);
            return left.into_iter().chain(is.map(Change::Came)).collect();
        }
        let muted = |person: &Option<Person>| person.as_ref().is_some_and(|p| p.is_muted);
        let changed = (muted(&before) != muted(&after)).then_some(is).flatten();
        changed
            .map(|channel| Change::Muted(channel, muted(&after)))
            .into_iter()
            .collect()
    }

    /// Everybody in a channel, bots too.
    pub fn of(
        &self,
        guild: GuildId,
        channel: ChannelId,
    ) -> impl Iterator<Item = (UserId, &Person)> {
        let room = self.rooms.get(&guild).into_iter().flatten();
        room.filter(move |(_, person)| person.channel == channel)
            .map(|(user, person)| (*user, person))
    }

    /// Somebody is known to be in a channel, and may be known better already.
    pub fn there(&mut self, guild: GuildId, channel: ChannelId, user: UserId) {
        let room = self.rooms.entry(guild).or_default();
        room.entry(user).or_insert_with(|| Person {
            channel,
            name: user.to_string(),
            is_bot: false,
            is_muted: false,
        });
    }

    /// What is known of somebody by other ways than the gateway.
    pub fn member(&mut self, guild: GuildId, member: &Member) {
        let room = self.rooms.entry(guild).or_default();
        if let Some(person) = room.get_mut(&member.user.id) {
            person.name = member.name();
            person.is_bot = member.user.bot;
        }
    }

    /// What somebody is called.
    pub fn name(&self, guild: GuildId, user: UserId) -> Option<&str> {
        Some(self.rooms.get(&guild)?.get(&user)?.name.as_str())
    }
}

impl State {
    pub fn user(&self) -> UserId {
        self.user_id
    }

    pub fn guild(&self) -> Option<GuildId> {
        self.guild_id
    }

    fn person(
        &self,
        channel: ChannelId,
        member: Option<&Member>,
        before: Option<&Person>,
    ) -> Person {
        let known = before.map(|person| (person.name.clone(), person.is_bot));
        let told = member.map(|member| (member.name(), member.user.bot));
        let (name, is_bot) = told
            .or(known)
            .unwrap_or_else(|| (self.user_id.to_string(), false));
        Person {
            channel,
            name,
            is_bot,
            is_muted: self.mute || self.self_mute || self.suppress,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn state(channel: Option<&str>, muted: bool) -> State {
        serde_json::from_value(json!({
            "guild_id": "1", "channel_id": channel, "user_id": "5", "self_mute": muted,
            "member": { "user": { "id": "5", "username": "ann" }, "nick": "Ann" },
        }))
        .unwrap()
    }

    #[test]
    fn coming_moving_muting_and_leaving_are_told_apart() {
        let (mut people, ten, twenty) = (People::default(), ChannelId::new(10), ChannelId::new(20));
        assert_eq!(people.state(&state(Some("10"), false)), [Change::Came(ten)]);
        assert_eq!(people.state(&state(Some("10"), false)), []);
        assert_eq!(
            people.state(&state(Some("10"), true)),
            [Change::Muted(ten, true)]
        );
        assert_eq!(
            people.state(&state(Some("20"), true)),
            [Change::Left(ten), Change::Came(twenty)]
        );
        assert_eq!(people.name(GuildId::new(1), UserId::new(5)), Some("Ann"));
        assert_eq!(people.state(&state(None, false)), [Change::Left(twenty)]);
        assert_eq!(people.of(GuildId::new(1), twenty).count(), 0);
    }

    #[test]
    fn a_server_tells_who_is_there_already() {
        let mut people = People::default();
        let guild = json!({
            "id": "1",
            "voice_states": [{ "channel_id": "10", "user_id": "5" }, { "channel_id": "10", "user_id": "6" }],
            "members": [{ "user": { "id": "5", "username": "ann", "global_name": "Ann" } }],
        });
        people.guild(serde_json::from_value(guild).unwrap());
        let names: Vec<_> = people
            .of(GuildId::new(1), ChannelId::new(10))
            .map(|(_, person)| person.name.clone())
            .collect();
        assert_eq!(names, ["Ann", "6"]);
    }
}
