//! What a server wants to be read, and how.

use serde::{Deserialize, Serialize};

use crate::queue::SayName;
use crate::text::{Emoji, Links, Style};

/// The shortest and longest limit of a message, in characters.
pub const MAX_CHARS: core::ops::RangeInclusive<usize> = 20..=2_000;

/// The rules of one server; what is `None` is as bot.toml says. A server may only tighten the
/// length.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Rules {
    /// How addresses are read.
    pub links: Option<Links>,
    /// How emoji are read.
    pub emoji: Option<Emoji>,
    /// When "Ann said" is said.
    pub say_name: Option<SayName>,
    /// The longest text, in characters.
    pub max_chars: Option<usize>,
    /// Messages of bots are not read.
    pub ignore_bots: Option<bool>,
    /// Only people in the bot's voice channel are read.
    pub same_channel: Option<bool>,
    /// Only people with this role are read.
    pub role: Option<u64>,
    /// The chat of the voice channel the bot is in is read.
    pub voice_chat: Option<bool>,
}

/// The rules that hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Effective {
    /// How texts are made.
    pub style: Style,
    /// When "Ann said" is said.
    pub say_name: SayName,
    /// Messages of bots are not read.
    pub ignore_bots: bool,
    /// Only people in the bot's voice channel are read.
    pub same_channel: bool,
    /// Only people with this role are read.
    pub role: Option<u64>,
    /// The chat of the voice channel the bot is in is read.
    pub voice_chat: bool,
}

impl Rules {
    /// Takes over what `other` says; a role of 0 is nobody's and takes the rule away.
    pub fn change(&mut self, other: &Self) {
        self.links = other.links.or(self.links);
        self.emoji = other.emoji.or(self.emoji);
        self.say_name = other.say_name.or(self.say_name);
        self.max_chars = other.max_chars.or(self.max_chars);
        self.ignore_bots = other.ignore_bots.or(self.ignore_bots);
        self.same_channel = other.same_channel.or(self.same_channel);
        self.role = other.role.or(self.role).filter(|role| *role != 0);
        self.voice_chat = other.voice_chat.or(self.voice_chat);
    }

    /// The server's rules over those of bot.toml.
    #[must_use]
    pub fn over(&self, shipped: &Effective) -> Effective {
        let longest = shipped.style.max_chars;
        Effective {
            style: Style {
                links: self.links.unwrap_or(shipped.style.links),
                emoji: self.emoji.unwrap_or(shipped.style.emoji),
                max_chars: self.max_chars.unwrap_or(longest).min(longest),
            },
            say_name: self.say_name.unwrap_or(shipped.say_name),
            ignore_bots: self.ignore_bots.unwrap_or(shipped.ignore_bots),
            same_channel: self.same_channel.unwrap_or(shipped.same_channel),
            role: self.role.or(shipped.role),
            voice_chat: self.voice_chat.unwrap_or(shipped.voice_chat),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHIPPED: Effective = Effective {
        style: Style {
            links: Links::Word,
            emoji: Emoji::Name,
            max_chars: 400,
        },
        say_name: SayName::OnChange,
        ignore_bots: true,
        same_channel: true,
        role: None,
        voice_chat: true,
    };

    #[test]
    fn a_server_may_tighten_the_length_but_not_lift_it() {
        let rules = |max_chars| Rules {
            max_chars: Some(max_chars),
            ..Rules::default()
        };
        assert_eq!(rules(100).over(&SHIPPED).style.max_chars, 100);
        assert_eq!(rules(4_000).over(&SHIPPED).style.max_chars, 400);
        assert_eq!(Rules::default().over(&SHIPPED), SHIPPED);
    }

    #[test]
    fn a_change_leaves_alone_what_it_does_not_name() {
        let mut rules = Rules {
            links: Some(Links::Skip),
            role: Some(7),
            ..Rules::default()
        };
        rules.change(&Rules {
            say_name: Some(SayName::Never),
            ..Rules::default()
        });
        assert_eq!(
            (rules.links, rules.say_name, rules.role),
            (Some(Links::Skip), Some(SayName::Never), Some(7))
        );
        rules.change(&Rules {
            role: Some(0),
            ..Rules::default()
        });
        assert_eq!(rules.role, None);
    }
}
