//! Who may do what (product.md section 1): one answer for every command and button, given at the moment
//! it is used.

use mynah_plugin::Tier;
use mynah_wire::{RoleId, UserId};
use std::collections::{HashMap, HashSet};

/// Discord's permission bits of those who may manage the server (protocol/rest.md section 6).
pub(crate) const MANAGES: u64 = 1 << 3 | 1 << 5;

/// `[permissions]` of bot.toml, and who owns the bot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Permissions {
    /// They may do everything, everywhere.
    pub owners: HashSet<UserId>,
    /// Roles that decide for all who listen. Without any, everybody does.
    pub dj_roles: HashSet<RoleId>,
    /// Roles that manage a plugin, by its id.
    pub manager_roles: HashMap<String, HashSet<RoleId>>,
    /// They are told so, whatever they use.
    pub blocked_users: HashSet<UserId>,
}

/// Somebody who used a command or a button in a server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Person<'a> {
    pub(crate) user: UserId,
    pub(crate) roles: &'a [RoleId],
    /// In the channel, as Discord computed them.
    pub(crate) permissions: u64,
}

impl Permissions {
    /// What somebody may do with a plugin; `None` when they are blocked. Who runs the bot or the server is
    /// not kept out by a list that they could change themselves.
    pub(crate) fn tier(&self, plugin: &str, person: Person<'_>) -> Option<Tier> {
        let has = |roles: &HashSet<RoleId>| person.roles.iter().any(|role| roles.contains(role));
        if self.owners.contains(&person.user) {
            return Some(Tier::Owner);
        }
        if person.permissions & MANAGES != 0 {
            return Some(Tier::Admin);
        }
        if self.blocked_users.contains(&person.user) {
            return None;
        }
        if self.manager_roles.get(plugin).is_some_and(has) {
            return Some(Tier::Manager);
        }
        if self.dj_roles.is_empty() {
            return Some(Tier::Open);
        }
        Some(if has(&self.dj_roles) {
            Tier::Dj
        } else {
            Tier::Member
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DJS: RoleId = RoleId::new(11);
    const RECORDERS: RoleId = RoleId::new(12);

    fn permissions() -> Permissions {
        Permissions {
            owners: [UserId::new(1)].into(),
            dj_roles: [DJS].into(),
            manager_roles: [("recorder".to_owned(), [RECORDERS].into())].into(),
            blocked_users: [UserId::new(1), UserId::new(8), UserId::new(9)].into(),
        }
    }

    fn tier(plugin: &str, user: u64, roles: &[RoleId], permissions_of: u64) -> Option<Tier> {
        let person = Person {
            user: UserId::new(user),
            roles,
            permissions: permissions_of,
        };
        permissions().tier(plugin, person)
    }

    #[test]
    fn the_highest_tier_of_a_person_counts() {
        assert_eq!(tier("music", 2, &[], 0), Some(Tier::Member));
        assert_eq!(tier("music", 2, &[DJS], 0), Some(Tier::Dj));
        assert_eq!(tier("music", 2, &[RECORDERS, DJS], 0), Some(Tier::Dj));
        assert_eq!(tier("recorder", 2, &[RECORDERS], 0), Some(Tier::Manager));
        assert_eq!(tier("music", 2, &[], 1 << 5), Some(Tier::Admin));
        assert_eq!(tier("music", 2, &[DJS], 1 << 3), Some(Tier::Admin));
        assert_eq!(tier("music", 1, &[], 0), Some(Tier::Owner));
    }

    #[test]
    fn blocked_people_are_kept_out_but_not_those_who_run_the_place() {
        assert_eq!(tier("music", 9, &[DJS], 0), None);
        assert_eq!(tier("music", 8, &[], 1 << 5), Some(Tier::Admin));
        assert_eq!(tier("music", 1, &[], 0), Some(Tier::Owner));
    }

    #[test]
    fn without_djs_everybody_decides() {
        let person = Person {
            user: UserId::new(2),
            roles: &[],
            permissions: 0,
        };
        let tier = Permissions::default().tier("music", person);
        assert_eq!(tier, Some(Tier::Open));
    }
}
