//! What the gateway told us about guilds, channels and who is in voice.
//!
//! Seeded by GUILD_CREATE, kept by CHANNEL_*, GUILD_ROLE_* and VOICE_STATE_UPDATE (gateway.md section
//! 9), and by GUILD_MEMBER_UPDATE, which comes for the bot itself whatever its intents (docs "Gateway
//! Events"). Only what voice needs is kept: channels, roles, what the bot may do, and user to channel.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use mynah_wire::{ChannelId, GuildId, RoleId, UserId};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::standing::{Denied, Overwrite, Place, Role, Standing};
use crate::when::unix_s;

/// A channel as far as voice cares.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Channel {
    /// Its id.
    pub id: ChannelId,
    /// 0 text, 2 voice, 13 stage …
    #[serde(rename = "type")]
    pub kind: u8,
    /// Its name.
    #[serde(default)]
    pub name: String,
    /// Voice bitrate in bits per second; absent for text channels.
    #[serde(default)]
    pub bitrate: Option<u32>,
    /// The most people at once; 0 for any number.
    #[serde(default)]
    pub user_limit: Option<u32>,
    /// Exceptions for roles and members.
    #[serde(default, deserialize_with = "readable")]
    pub permission_overwrites: Vec<Overwrite>,
    /// Set in CHANNEL_* events, absent inside GUILD_CREATE.
    #[serde(default)]
    pub guild_id: Option<GuildId>,
}

#[derive(Debug, Deserialize)]
struct VoiceState {
    #[serde(default)]
    guild_id: Option<GuildId>,
    channel_id: Option<ChannelId>,
    user_id: UserId,
    #[serde(default)]
    mute: bool,
    #[serde(default)]
    suppress: bool,
}

/// What of a guild decides where the bot may go; GUILD_UPDATE has it too.
#[derive(Debug, Deserialize)]
struct GuildRules {
    id: GuildId,
    #[serde(default)]
    owner_id: Option<UserId>,
    #[serde(default)]
    afk_channel_id: Option<ChannelId>,
    #[serde(default, deserialize_with = "readable")]
    roles: Vec<Role>,
}

#[derive(Debug, Deserialize)]
struct Member {
    #[serde(default)]
    guild_id: Option<GuildId>,
    user: Somebody,
    #[serde(default)]
    roles: Vec<RoleId>,
    #[serde(default)]
    communication_disabled_until: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Somebody {
    id: UserId,
}

#[derive(Debug, Deserialize)]
struct RoleEvent {
    guild_id: GuildId,
    role: Option<Role>,
    role_id: Option<RoleId>,
}

#[derive(Debug, Deserialize)]
struct GuildCreate {
    id: GuildId,
    #[serde(default, deserialize_with = "readable")]
    channels: Vec<Channel>,
    #[serde(default, deserialize_with = "readable")]
    voice_states: Vec<VoiceState>,
    #[serde(default, deserialize_with = "readable")]
    members: Vec<Member>,
}

/// Those elements of a list that have the expected form: one channel of a new kind must not cost us
/// the whole guild.
fn readable<'de, T: DeserializeOwned, D: Deserializer<'de>>(list: D) -> Result<Vec<T>, D::Error> {
    let list = Option::<Vec<Value>>::deserialize(list)?.unwrap_or_default();
    let read = |element| serde_json::from_value(element).ok();
    Ok(list.into_iter().filter_map(read).collect())
}

#[derive(Debug, Deserialize)]
struct IdOnly {
    id: GuildId,
    #[serde(default)]
    guild_id: Option<GuildId>,
    #[serde(default)]
    unavailable: bool,
}

/// READY of one shard: every guild it has, unavailable ones included (gateway.md section 6).
#[derive(Debug, Deserialize)]
struct Ready {
    guilds: Vec<ReadyGuild>,
    /// `[shard_id, shards]`, as in Identify.
    #[serde(default)]
    shard: Option<(u64, u64)>,
}

#[derive(Debug, Deserialize)]
struct ReadyGuild {
    id: GuildId,
}

#[derive(Debug, Default)]
struct Guild {
    channels: HashMap<ChannelId, Channel>,
    voice: HashMap<UserId, ChannelId>,
    standing: Standing,
    /// Muted by a moderator; in the audience of a stage.
    hushed: (bool, bool),
}

/// The cache; locks are short and never held across an await.
#[derive(Debug, Default)]
pub struct Cache {
    /// The bot; of others only their place is kept.
    me: Option<UserId>,
    guilds: Mutex<HashMap<GuildId, Guild>>,
}

impl Cache {
    /// Knows nothing yet but who the bot is.
    pub fn new(me: UserId) -> Self {
        Self {
            me: Some(me),
            guilds: Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<GuildId, Guild>> {
        // A poisoned cache is still a cache: every entry is replaced as a whole.
        self.guilds.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Learns from one dispatch. Bodies that do not parse are ignored: events may be of any age.
    pub fn learn(&self, name: &str, data: &str) {
        match name {
            "GUILD_CREATE" => {
                if let Ok(guild) = serde_json::from_str::<GuildCreate>(data) {
                    self.learn_guild(guild);
                    self.learn_rules(data);
                }
            }
            "GUILD_UPDATE" => self.learn_rules(data),
            "GUILD_MEMBER_UPDATE" => {
                if let Ok(member) = serde_json::from_str::<Member>(data)
                    && let Some(guild_id) = member.guild_id
                    && let Some(guild) = self.lock().get_mut(&guild_id)
                {
                    self.learn_member(guild, &member);
                }
            }
            "GUILD_ROLE_CREATE" | "GUILD_ROLE_UPDATE" | "GUILD_ROLE_DELETE" => {
                if let Ok(event) = serde_json::from_str::<RoleEvent>(data)
                    && let Some(guild) = self.lock().get_mut(&event.guild_id)
                {
                    let roles = &mut guild.standing.roles;
                    match (event.role, event.role_id) {
                        (Some(role), _) => drop(roles.insert(role.id, role)),
                        (None, Some(gone)) => drop(roles.remove(&gone)),
                        (None, None) => {}
                    }
                }
            }
            "GUILD_DELETE" => {
                // `unavailable` is an outage: keep what we know (gateway.md section 9).
                if let Ok(IdOnly {
                    id,
                    unavailable: false,
                    ..
                }) = serde_json::from_str(data)
                {
                    self.lock().remove(&id);
                }
            }
            "CHANNEL_CREATE" | "CHANNEL_UPDATE" => {
                if let Ok(channel) = serde_json::from_str::<Channel>(data)
                    && let Some(guild_id) = channel.guild_id
                    && let Some(guild) = self.lock().get_mut(&guild_id)
                {
                    guild.channels.insert(channel.id, channel);
                }
            }
            "CHANNEL_DELETE" => {
                if let Ok(IdOnly {
                    id,
                    guild_id: Some(guild_id),
                    ..
                }) = serde_json::from_str(data)
                    && let Some(guild) = self.lock().get_mut(&guild_id)
                {
                    guild.channels.remove(&ChannelId::new(id.get()));
                }
            }
            "VOICE_STATE_UPDATE" => {
                if let Ok(state) = serde_json::from_str::<VoiceState>(data)
                    && let Some(guild_id) = state.guild_id
                    && let Some(guild) = self.lock().get_mut(&guild_id)
                {
                    if self.me == Some(state.user_id) {
                        guild.hushed = (state.mute, state.suppress);
                    }
                    match state.channel_id {
                        Some(channel) => guild.voice.insert(state.user_id, channel),
                        None => guild.voice.remove(&state.user_id),
                    };
                }
            }
            _ => {}
        }
    }

    /// A READY after an outage of ours: forgets the shard's guilds that are not in it any more, and
    /// says which. Nobody sent a GUILD_DELETE for those. A READY that does not say whose it is proves
    /// nothing about the guilds of other shards, so nothing is forgotten.
    pub fn forget_left(&self, ready: &str) -> Vec<GuildId> {
        let Ok(ready) = serde_json::from_str::<Ready>(ready) else {
            return Vec::new();
        };
        let Some((shard, shards)) = ready.shard else {
            return Vec::new();
        };
        let here: HashSet<GuildId> = ready.guilds.into_iter().map(|guild| guild.id).collect();
        let mut guilds = self.lock();
        let ours = |guild: &GuildId| (guild.get() >> 22) % shards.max(1) == shard;
        let gone = guilds
            .keys()
            .filter(|guild| ours(guild) && !here.contains(guild));
        let gone: Vec<GuildId> = gone.copied().collect();
        for guild in &gone {
            guilds.remove(guild);
        }
        gone
    }

    fn learn_guild(&self, guild: GuildCreate) {
        let channels = guild
            .channels
            .into_iter()
            .map(|channel| (channel.id, channel))
            .collect();
        let voice = guild
            .voice_states
            .into_iter()
            .filter_map(|state| Some((state.user_id, state.channel_id?)))
            .collect();
        let mut known = Guild {
            channels,
            voice,
            ..Guild::default()
        };
        for member in &guild.members {
            self.learn_member(&mut known, member);
        }
        self.lock().insert(guild.id, known);
    }

    fn learn_member(&self, guild: &mut Guild, member: &Member) {
        if self.me != Some(member.user.id) {
            return;
        }
        guild.standing.mine = Some(member.roles.clone());
        let until = member.communication_disabled_until.as_deref();
        guild.standing.timed_out_until = until.and_then(unix_s);
    }

    fn learn_rules(&self, data: &str) {
        let Ok(rules) = serde_json::from_str::<GuildRules>(data) else {
            return;
        };
        if let Some(guild) = self.lock().get_mut(&rules.id) {
            guild.standing.owner = rules.owner_id;
            guild.standing.afk = rules.afk_channel_id;
            let roles = rules.roles.into_iter();
            guild.standing.roles = roles.map(|role| (role.id, role)).collect();
        }
    }

    /// Looks at a channel with what the bot may do there; `None` when the channel is not known.
    fn judge<T>(
        &self,
        guild: GuildId,
        channel: ChannelId,
        look: impl FnOnce(&Standing, Place<'_>, UserId) -> T,
    ) -> Option<T> {
        let guilds = self.lock();
        let known = guilds.get(&guild)?;
        let at = known.channels.get(&channel)?;
        let place = Place {
            guild,
            id: channel,
            kind: at.kind,
            user_limit: at.user_limit.unwrap_or(0),
            people: known.voice.values().filter(|at| **at == channel).count(),
            overwrites: &at.permission_overwrites,
        };
        Some(look(&known.standing, place, self.me?))
    }

    /// Why the bot cannot join a channel; `now_s` is seconds since the Unix epoch.
    pub fn denies(&self, guild: GuildId, channel: ChannelId, now_s: i64) -> Option<Denied> {
        let judge = |standing: &Standing, place: Place<'_>, me| standing.denies(place, me, now_s);
        self.judge(guild, channel, judge)?
    }

    /// Why nobody hears the bot in a channel that it may join.
    pub fn silences(&self, guild: GuildId, channel: ChannelId) -> Option<Denied> {
        self.judge(guild, channel, |standing, place, me| {
            standing.silences(place, me)
        })?
    }

    /// Whether a moderator has muted the bot, and whether it is in the audience of a stage.
    pub fn hushed(&self, guild: GuildId) -> (bool, bool) {
        self.lock()
            .get(&guild)
            .map_or((false, false), |guild| guild.hushed)
    }

    /// Every guild known.
    pub fn guilds(&self) -> Vec<GuildId> {
        let mut guilds: Vec<_> = self.lock().keys().copied().collect();
        guilds.sort_unstable();
        guilds
    }

    /// Whether the guild is known.
    pub fn has_guild(&self, guild: GuildId) -> bool {
        self.lock().contains_key(&guild)
    }

    /// Where a user is in voice.
    pub fn voice_channel_of(&self, guild: GuildId, user: UserId) -> Option<ChannelId> {
        self.lock().get(&guild)?.voice.get(&user).copied()
    }

    /// Who is in a voice channel.
    pub fn users_in(&self, guild: GuildId, channel: ChannelId) -> Vec<UserId> {
        let guilds = self.lock();
        let Some(guild) = guilds.get(&guild) else {
            return Vec::new();
        };
        let mut users: Vec<_> = guild
            .voice
            .iter()
            .filter_map(|(user, at)| (*at == channel).then_some(*user))
            .collect();
        users.sort_unstable();
        users
    }

    /// A channel.
    pub fn channel(&self, guild: GuildId, channel: ChannelId) -> Option<Channel> {
        self.lock().get(&guild)?.channels.get(&channel).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GUILD: GuildId = GuildId::new(8);

    fn seeded() -> Cache {
        let cache = Cache::default();
        cache.learn(
            "GUILD_CREATE",
            r#"{"id":"8","channels":[{"id":"70","type":2,"name":"Voice","bitrate":96000}],
                "voice_states":[{"user_id":"5","channel_id":"70"}]}"#,
        );
        cache
    }

    #[test]
    fn guild_create_seeds_channels_and_voice_states() {
        let cache = seeded();
        assert_eq!(cache.guilds(), [GUILD]);
        assert_eq!(
            cache.voice_channel_of(GUILD, UserId::new(5)),
            Some(ChannelId::new(70))
        );
        assert_eq!(
            cache.channel(GUILD, ChannelId::new(70)).unwrap().bitrate,
            Some(96_000)
        );
        assert_eq!(cache.users_in(GUILD, ChannelId::new(70)), [UserId::new(5)]);
    }

    #[test]
    fn voice_state_updates_move_and_remove_users() {
        let cache = seeded();
        cache.learn(
            "VOICE_STATE_UPDATE",
            r#"{"guild_id":"8","user_id":"5","channel_id":"71"}"#,
        );
        assert_eq!(
            cache.voice_channel_of(GUILD, UserId::new(5)),
            Some(ChannelId::new(71))
        );
        cache.learn(
            "VOICE_STATE_UPDATE",
            r#"{"guild_id":"8","user_id":"5","channel_id":null}"#,
        );
        assert_eq!(cache.voice_channel_of(GUILD, UserId::new(5)), None);
    }

    #[test]
    fn an_outage_keeps_the_guild_and_a_removal_forgets_it() {
        let cache = seeded();
        cache.learn("GUILD_DELETE", r#"{"id":"8","unavailable":true}"#);
        assert!(cache.has_guild(GUILD));
        cache.learn("GUILD_DELETE", r#"{"id":"8"}"#);
        assert!(!cache.has_guild(GUILD));
    }

    #[test]
    fn ready_after_an_outage_forgets_the_guilds_that_were_left_meanwhile() {
        let cache = Cache::default();
        // Shard of two: (id >> 22) % 2.
        let (even, odd) = (2 << 22, 1 << 22);
        for id in [even, even + 1, odd] {
            cache.learn("GUILD_CREATE", &format!(r#"{{"id":"{id}"}}"#));
        }
        let ready =
            |shard: &str| format!(r#"{{"guilds":[{{"id":"{even}","unavailable":true}}]{shard}}}"#);
        assert_eq!(cache.forget_left(&ready("")), [], "whose READY is this?");
        let gone = cache.forget_left(&ready(r#","shard":[0,2]"#));
        assert_eq!(gone, [GuildId::new(even + 1)]);
        let left = [GuildId::new(odd), GuildId::new(even)];
        assert_eq!(cache.guilds(), left, "the other shard's guild stays");
        assert_eq!(cache.forget_left(&ready(r#","shard":[0,0]"#)), [left[0]]);
        for nonsense in ["", "[]", r#"{"guilds":null,"shard":[0,1]}"#] {
            assert_eq!(cache.forget_left(nonsense), []);
        }
    }

    #[test]
    fn channel_events_change_bitrate_and_existence() {
        let cache = seeded();
        cache.learn(
            "CHANNEL_UPDATE",
            r#"{"id":"70","guild_id":"8","type":2,"name":"Voice","bitrate":64000}"#,
        );
        assert_eq!(
            cache.channel(GUILD, ChannelId::new(70)).unwrap().bitrate,
            Some(64_000)
        );
        cache.learn("CHANNEL_DELETE", r#"{"id":"70","guild_id":"8","type":2}"#);
        assert_eq!(cache.channel(GUILD, ChannelId::new(70)), None);
    }

    #[test]
    fn one_odd_channel_does_not_hide_its_guild() {
        let cache = Cache::default();
        cache.learn(
            "GUILD_CREATE",
            r#"{"id":"8","voice_states":null,"channels":[
                {"id":"69","type":"new","name":null}, {"id":"70","type":2,"name":"Voice"}]}"#,
        );
        assert!(cache.has_guild(GUILD));
        assert!(cache.channel(GUILD, ChannelId::new(70)).is_some());
    }

    #[test]
    fn what_the_bot_may_do_follows_its_roles_and_the_channels_exceptions() {
        let cache = Cache::new(UserId::new(5));
        cache.learn(
            "GUILD_CREATE",
            r#"{"id":"8","owner_id":"1","channels":[
                {"id":"70","type":2,"name":"Voice","user_limit":1},{"id":"71","type":2,"name":"Other"}],
                "roles":[{"id":"8","permissions":"1024"},{"id":"9","name":"Bots","permissions":"3145728"}],
                "members":[{"user":{"id":"4"},"roles":[]},{"user":{"id":"5"},"roles":["9"]}],
                "voice_states":[{"user_id":"4","channel_id":"70"}]}"#,
        );
        let denies = |channel| {
            let denied = cache.denies(GUILD, ChannelId::new(channel), 0);
            denied.map(|denied| denied.to_string()).unwrap_or_default()
        };
        assert!(denies(70).contains("full (1 of 1)"), "{}", denies(70));
        assert_eq!(denies(71), "");
        assert_eq!(denies(72), "", "nobody knows that channel");
        let channel = r#"{"id":"71","guild_id":"8","type":2,"name":"Other",
            "permission_overwrites":[{"id":"9","type":0,"allow":"0","deny":"1048576"},{"odd":1}]}"#;
        cache.learn("CHANNEL_UPDATE", channel);
        assert!(denies(71).contains("to my role Bots"), "{}", denies(71));
        cache.learn(
            "GUILD_MEMBER_UPDATE",
            r#"{"guild_id":"8","user":{"id":"5"},"roles":["10"]}"#,
        );
        assert!(denies(71).contains("none of my roles"), "{}", denies(71));
        let role =
            r#"{"guild_id":"8","role":{"id":"10","name":"Helpers","permissions":"1048576"}}"#;
        cache.learn("GUILD_ROLE_CREATE", role);
        assert_eq!(denies(71), "");
        let silenced = cache
            .silences(GUILD, ChannelId::new(71))
            .map(|s| s.to_string());
        assert!(silenced.unwrap_or_default().contains("Speak"));
        cache.learn("GUILD_ROLE_DELETE", r#"{"guild_id":"8","role_id":"10"}"#);
        assert!(denies(71).contains("none of my roles"), "{}", denies(71));
        let state =
            r#"{"guild_id":"8","user_id":"5","channel_id":"71","mute":true,"suppress":true}"#;
        cache.learn("VOICE_STATE_UPDATE", state);
        assert_eq!(cache.hushed(GUILD), (true, true));
    }

    #[test]
    fn nonsense_is_ignored() {
        let cache = seeded();
        for name in [
            "GUILD_CREATE",
            "CHANNEL_UPDATE",
            "VOICE_STATE_UPDATE",
            "GUILD_DELETE",
            "X",
        ] {
            cache.learn(name, "[]");
            cache.learn(name, "{");
        }
        assert_eq!(cache.guilds(), [GUILD]);
    }
}
