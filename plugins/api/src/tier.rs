//! What the person of an interaction may do, as the bot's operator decides for all plugins
//! (`[permissions]` of bot.toml, product.md section 1).

use crate::{Interaction, abi};

/// What somebody may do with a plugin, here and now. Each includes those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Tier {
    /// Somebody, where others decide.
    Member,
    /// Somebody, where nobody is named DJ, so that everybody decides for all.
    Open,
    /// One of the DJs.
    Dj,
    /// Has a role that manages this plugin.
    Manager,
    /// May manage the server, or is its administrator.
    Admin,
    /// Owns the bot.
    Owner,
}

impl Tier {
    /// From its number in the C table.
    #[must_use]
    pub fn from_abi(tier: u32) -> Option<Self> {
        match tier {
            abi::TIER_MEMBER => Some(Self::Member),
            abi::TIER_OPEN => Some(Self::Open),
            abi::TIER_DJ => Some(Self::Dj),
            abi::TIER_MANAGER => Some(Self::Manager),
            abi::TIER_ADMIN => Some(Self::Admin),
            abi::TIER_OWNER => Some(Self::Owner),
            _ => None,
        }
    }

    /// Its number in the C table.
    #[must_use]
    pub const fn to_abi(self) -> u32 {
        match self {
            Self::Member => abi::TIER_MEMBER,
            Self::Open => abi::TIER_OPEN,
            Self::Dj => abi::TIER_DJ,
            Self::Manager => abi::TIER_MANAGER,
            Self::Admin => abi::TIER_ADMIN,
            Self::Owner => abi::TIER_OWNER,
        }
    }
}

impl Interaction {
    /// What the person may do with this plugin; `None` where the host does not say (one older than minor
    /// 3, and direct messages).
    #[must_use]
    pub fn tier(&self) -> Option<Tier> {
        self.inner.tier
    }

    /// True for those who decide for all who listen: DJs and above, and everybody where no DJs are
    /// named or the host does not say.
    #[must_use]
    pub fn decides(&self) -> bool {
        self.tier().is_none_or(|tier| tier >= Tier::Open)
    }

    /// True for those who may manage this plugin: Administrator or Manage Server, the owners of the bot,
    /// and the roles that bot.toml names for it.
    #[must_use]
    pub fn manages(&self) -> bool {
        const ADMINISTRATOR: u64 = 1 << 3;
        const MANAGE_GUILD: u64 = 1 << 5;
        match self.tier() {
            Some(tier) => tier >= Tier::Manager,
            None => self.permissions() & (ADMINISTRATOR | MANAGE_GUILD) != 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiers_cross_the_table_and_come_back_in_their_order() {
        let all = [
            Tier::Member,
            Tier::Open,
            Tier::Dj,
            Tier::Manager,
            Tier::Admin,
            Tier::Owner,
        ];
        assert!(all.is_sorted());
        for tier in all {
            assert_eq!(Tier::from_abi(tier.to_abi()), Some(tier));
        }
        for unknown in [abi::TIER_UNKNOWN, 7, u32::MAX] {
            assert_eq!(Tier::from_abi(unknown), None);
        }
    }
}
