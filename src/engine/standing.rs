//! May the bot go there, and will it be heard? What the gateway told us about roles and overwrites,
//! judged before Discord is asked: to a join that it does not allow Discord gives no answer at all
//! (gateway.md section 9), and a person who waits 20 s for "it may be full" has learned nothing.
//!
//! Sans-IO: the cache feeds it, time is an argument. What is not known forbids nothing.
//!
//! The order of overwrites is Discord's: everyone, then all roles together (allow wins), then the
//! member (docs "Permissions", "Permission Overwrites").

use std::collections::HashMap;
use std::fmt;

use mynah_wire::{ChannelId, GuildId, RoleId, UserId};
use serde::Deserialize;

const ADMINISTRATOR: u64 = 1 << 3;
const VIEW_CHANNEL: u64 = 1 << 10;
const CONNECT: u64 = 1 << 20;
const SPEAK: u64 = 1 << 21;
const MOVE_MEMBERS: u64 = 1 << 24;
/// Channel types with voice.
const VOICE: u8 = 2;
/// See [`VOICE`].
pub(crate) const STAGE: u8 = 13;

/// A role as far as this room cares.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Role {
    /// Its id; that of the guild is `@everyone`.
    pub id: RoleId,
    /// For people.
    #[serde(default)]
    pub name: String,
    #[serde(default)]
    permissions: String,
}

/// An exception of one channel for a role (type 0) or a member (1).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Overwrite {
    id: RoleId,
    #[serde(rename = "type")]
    kind: u8,
    #[serde(default)]
    allow: String,
    #[serde(default)]
    deny: String,
}

/// What is known about the bot in one guild.
#[derive(Clone, Debug, Default)]
pub struct Standing {
    /// The guild's owner may everything.
    pub owner: Option<UserId>,
    /// Where the idle are sent; nobody is heard there.
    pub afk: Option<ChannelId>,
    /// All roles; empty when not known.
    pub roles: HashMap<RoleId, Role>,
    /// The bot's own; `None` when not known.
    pub mine: Option<Vec<RoleId>>,
    /// Seconds since the Unix epoch until which the bot is timed out.
    pub timed_out_until: Option<i64>,
}

/// A channel that somebody wants the bot in.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The guild.
    pub guild: GuildId,
    /// The channel.
    pub id: ChannelId,
    /// Its type.
    pub kind: u8,
    /// The most people, 0 for any number.
    pub user_limit: u32,
    /// How many are in it.
    pub people: usize,
    /// Its exceptions.
    pub overwrites: &'a [Overwrite],
}

/// Why a permission is missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Because {
    /// No role of the bot has it.
    NoRole,
    /// The channel denies it to everyone.
    Everyone,
    /// The channel denies it to this role of the bot.
    Role(String),
    /// The channel denies it to the bot itself.
    Itself,
}

/// Why the bot cannot go there, or is not heard there.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Denied {
    /// It has no voice.
    NotVoice,
    /// Nobody is heard in it.
    Afk,
    /// A moderator has timed the bot out, until then (seconds since the Unix epoch).
    TimedOut(i64),
    /// So many are in it, and no more are let in.
    Full(u32),
    /// A permission is missing.
    Missing(&'static str, Because),
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotVoice => f.write_str("it is not a voice channel"),
            Self::Afk => f.write_str("it is the server's AFK channel, where nobody is heard"),
            Self::TimedOut(until) => {
                write!(f, "a moderator has timed me out until <t:{until}:f>")
            }
            Self::Full(limit) => write!(
                f,
                "it is full ({limit} of {limit}); raise its limit, or give me the permission Move Members"
            ),
            Self::Missing(name, because) => match because {
                Because::NoRole => write!(f, "none of my roles has the permission {name}"),
                Because::Everyone => write!(
                    f,
                    "it denies the permission {name} to @everyone; allow it for my role there"
                ),
                Because::Role(role) => write!(
                    f,
                    "it denies the permission {name} to my role {role}; allow it there"
                ),
                Because::Itself => {
                    write!(f, "it denies the permission {name} to me; allow it there")
                }
            },
        }
    }
}

impl Standing {
    /// Why the bot cannot join; `now_s` is seconds since the Unix epoch.
    pub fn denies(&self, place: Place<'_>, me: UserId, now_s: i64) -> Option<Denied> {
        if place.kind != VOICE && place.kind != STAGE {
            return Some(Denied::NotVoice);
        }
        if self.afk == Some(place.id) {
            return Some(Denied::Afk);
        }
        if let Some(until) = self.timed_out_until.filter(|until| *until > now_s) {
            return Some(Denied::TimedOut(until));
        }
        let missing = self
            .lacks(place, me, VIEW_CHANNEL, "View Channel")
            .or_else(|| self.lacks(place, me, CONNECT, "Connect"));
        if missing.is_some() {
            return missing;
        }
        let is_full = place.user_limit > 0 && place.people >= place.user_limit as usize;
        let walks_in = || {
            self.lacks(place, me, MOVE_MEMBERS, "Move Members")
                .is_none()
        };
        (is_full && !walks_in()).then_some(Denied::Full(place.user_limit))
    }

    /// Why nobody would hear the bot there, although it may join. On a stage that is another matter.
    pub fn silences(&self, place: Place<'_>, me: UserId) -> Option<Denied> {
        match place.kind {
            STAGE => None,
            _ => self.lacks(place, me, SPEAK, "Speak"),
        }
    }

    /// Whether a permission is missing, and why.
    fn lacks(&self, place: Place<'_>, me: UserId, bit: u64, name: &'static str) -> Option<Denied> {
        let mine = self.mine.as_ref()?;
        let everyone = RoleId::new(place.guild.get());
        if self.owner == Some(me) || self.roles.is_empty() {
            return None;
        }
        let held = mine.iter().chain([&everyone]);
        let held = held.filter_map(|id| self.roles.get(id));
        let base = held.fold(0, |all, role| all | bits(&role.permissions));
        if base & ADMINISTRATOR != 0 {
            return None;
        }
        let mut state = (base & bit == 0).then_some(Because::NoRole);
        let by_everyone = |over: &&Overwrite| over.kind == 0 && over.id == everyone;
        for over in place.overwrites.iter().filter(by_everyone) {
            apply(&mut state, over, bit, || Because::Everyone);
        }
        let of_mine = |over: &&Overwrite| over.kind == 0 && mine.contains(&over.id);
        let denying = place.overwrites.iter().filter(of_mine);
        if let Some(over) = denying.clone().find(|over| bits(&over.deny) & bit != 0) {
            let role = self.roles.get(&over.id);
            let role = role.map_or_else(|| over.id.to_string(), |role| role.name.clone());
            state = Some(Because::Role(role));
        }
        if denying.clone().any(|over| bits(&over.allow) & bit != 0) {
            state = None;
        }
        let mine = |over: &&Overwrite| over.kind == 1 && over.id.get() == me.get();
        for over in place.overwrites.iter().filter(mine) {
            apply(&mut state, over, bit, || Because::Itself);
        }
        state.map(|because| Denied::Missing(name, because))
    }
}

/// What one overwrite makes of a permission: allowing wins where it does both.
fn apply(state: &mut Option<Because>, over: &Overwrite, bit: u64, because: impl Fn() -> Because) {
    if bits(&over.allow) & bit != 0 {
        *state = None;
    } else if bits(&over.deny) & bit != 0 {
        *state = Some(because());
    }
}

/// Permission bits as Discord writes them; nonsense is none.
fn bits(text: &str) -> u64 {
    text.parse().unwrap_or(0)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const GUILD: GuildId = GuildId::new(8);
    const ME: UserId = UserId::new(5);

    fn role(id: u64, name: &str, permissions: u64) -> (RoleId, Role) {
        let id = RoleId::new(id);
        let role = Role {
            id,
            name: name.to_owned(),
            permissions: permissions.to_string(),
        };
        (id, role)
    }

    fn standing(permissions: u64) -> Standing {
        Standing {
            owner: Some(UserId::new(1)),
            roles: [
                role(8, "@everyone", VIEW_CHANNEL),
                role(9, "Bots", permissions),
            ]
            .into(),
            mine: Some(vec![RoleId::new(9)]),
            ..Standing::default()
        }
    }

    fn over(id: u64, kind: u8, allow: u64, deny: u64) -> Overwrite {
        Overwrite {
            id: RoleId::new(id),
            kind,
            allow: allow.to_string(),
            deny: deny.to_string(),
        }
    }

    fn place(overwrites: &[Overwrite]) -> Place<'_> {
        Place {
            guild: GUILD,
            id: ChannelId::new(70),
            kind: VOICE,
            user_limit: 0,
            people: 0,
            overwrites,
        }
    }

    fn denied(standing: &Standing, overwrites: &[Overwrite]) -> Option<Denied> {
        standing.denies(place(overwrites), ME, 0)
    }

    #[test]
    fn overwrites_count_in_discords_order_and_the_one_that_denies_is_named() {
        let may = standing(CONNECT);
        let connect = |because| Some(Denied::Missing("Connect", because));
        assert_eq!(denied(&may, &[]), None);
        assert_eq!(denied(&standing(0), &[]), connect(Because::NoRole));
        assert_eq!(denied(&standing(ADMINISTRATOR), &[]), None);
        let everyone = over(8, 0, 0, CONNECT);
        assert_eq!(
            denied(&may, std::slice::from_ref(&everyone)),
            connect(Because::Everyone)
        );
        let bots = over(9, 0, CONNECT, 0);
        assert_eq!(denied(&may, &[bots, everyone.clone()]), None);
        let bots = over(9, 0, 0, CONNECT);
        let by_role = connect(Because::Role("Bots".to_owned()));
        assert_eq!(denied(&may, std::slice::from_ref(&bots)), by_role);
        let me = over(5, 1, CONNECT, 0);
        assert_eq!(denied(&may, &[bots, me]), None);
        let me = over(5, 1, 0, CONNECT);
        assert_eq!(denied(&may, &[me]), connect(Because::Itself));
        let another = over(6, 1, 0, CONNECT);
        assert_eq!(denied(&may, &[another, over(7, 0, 0, CONNECT)]), None);
        let hidden = over(8, 0, 0, VIEW_CHANNEL);
        let said = denied(&may, &[hidden]).unwrap().to_string();
        assert!(said.contains("View Channel to @everyone"), "{said}");
    }

    #[test]
    fn full_channels_let_in_those_who_may_move_people() {
        let full = |people| Place {
            user_limit: 5,
            people,
            ..place(&[])
        };
        let may = standing(CONNECT);
        assert_eq!(may.denies(full(4), ME, 0), None);
        assert_eq!(may.denies(full(5), ME, 0), Some(Denied::Full(5)));
        let moves = standing(CONNECT | MOVE_MEMBERS);
        assert_eq!(moves.denies(full(6), ME, 0), None);
    }

    #[test]
    fn other_kinds_the_afk_channel_and_a_timeout_are_refused_by_name() {
        let mut may = standing(CONNECT);
        let text = Place {
            kind: 0,
            ..place(&[])
        };
        assert_eq!(may.denies(text, ME, 0), Some(Denied::NotVoice));
        may.timed_out_until = Some(100);
        assert_eq!(may.denies(place(&[]), ME, 99), Some(Denied::TimedOut(100)));
        assert_eq!(may.denies(place(&[]), ME, 100), None);
        may.afk = Some(ChannelId::new(70));
        assert_eq!(may.denies(place(&[]), ME, 100), Some(Denied::Afk));
    }

    #[test]
    fn a_bot_that_may_join_but_not_speak_is_told() {
        let may = standing(CONNECT);
        let speak = Denied::Missing("Speak", Because::NoRole);
        assert_eq!(may.silences(place(&[]), ME), Some(speak));
        let stage = Place {
            kind: STAGE,
            ..place(&[])
        };
        assert_eq!(may.silences(stage, ME), None);
        assert_eq!(standing(CONNECT | SPEAK).silences(place(&[]), ME), None);
    }

    #[test]
    fn what_is_not_known_forbids_nothing_and_neither_does_owning_the_place() {
        let mut unknown = standing(0);
        unknown.mine = None;
        assert_eq!(denied(&unknown, &[over(8, 0, 0, CONNECT)]), None);
        assert_eq!(denied(&Standing::default(), &[]), None);
        let mut mine = standing(0);
        mine.owner = Some(ME);
        assert_eq!(denied(&mine, &[over(8, 0, 0, CONNECT)]), None);
    }
}
