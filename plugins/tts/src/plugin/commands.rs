//! `/say` and `/tts` as Discord shows them, and who may use what.

use mynah_plugin::{Commands, Interaction, Opt, RoleId, Slash};

use crate::rules::MAX_CHARS;
use crate::text::MAX_MESSAGE_CHARS;
use crate::voices::{PERCENT, VOLUME_PERCENT};

/// In the menu of every message.
pub(super) const SPEAK: &str = "Speak";

/// The commands as Discord shows them.
#[must_use]
pub fn commands() -> Commands {
    Commands::new().slash(say()).slash(tts()).on_message(SPEAK)
}

fn voice() -> Opt {
    Opt::text("voice", "The voice; begin to type").autocomplete()
}

fn say() -> Slash {
    Slash::new("say", "Say something in your voice channel")
        .option(
            Opt::text("text", "What I say")
                .required()
                .length(1, MAX_MESSAGE_CHARS as u16),
        )
        .option(voice())
}

fn tts() -> Slash {
    Slash::new("tts", "Messages that are read aloud")
        .subcommand(Slash::new("join", "Come to your voice channel and read"))
        .subcommand(Slash::new("leave", "Stop reading and leave"))
        .subcommand(
            Slash::new("skip", "Go on to the next message").option(
                Opt::text("what", "What is being read, if nothing is said")
                    .choice("what is being read", "current")
                    .choice("everything of mine", "mine"),
            ),
        )
        .subcommand(Slash::new("clear", "Read none of the messages that wait"))
        .subcommand(voice_command("voice", "How you sound"))
        .subcommand(voice_command(
            "server-voice",
            "How people sound who chose nothing",
        ))
        .subcommand(auto())
        .subcommand(dictionary())
        .subcommand(Slash::new("optout", "Never read my messages aloud"))
        .subcommand(Slash::new("optin", "Take /tts optout back"))
        .subcommand(rules())
}

fn voice_command(name: &str, about: &str) -> Slash {
    let percent = |name: &str, about: &str, range: &core::ops::RangeInclusive<u16>| {
        Opt::integer(name, about).range(*range.start(), *range.end())
    };
    Slash::new(name, about)
        .option(voice())
        .option(
            Opt::text("engine", "What makes the sound")
                .choice("Piper", "piper")
                .choice("eSpeak NG", "espeak")
                .choice("HTTP service", "http"),
        )
        .option(percent("speed", "In percent", &PERCENT))
        .option(percent("pitch", "In percent", &PERCENT))
        .option(percent("volume", "In percent", &VOLUME_PERCENT))
        .option(Opt::boolean("reset", "Back to what it was before all this"))
}

fn auto() -> Slash {
    let channel = || Opt::channel("channel", "A text channel; this one, if nothing is said");
    Slash::new("auto", "Channels that are read by themselves")
        .subcommand(Slash::new("add", "Read a channel").option(channel()))
        .subcommand(Slash::new("remove", "No longer read a channel").option(channel()))
        .subcommand(Slash::new("list", "The channels that are read"))
        .subcommand(
            Slash::new("voice-chat", "Read the chat of the voice channel I am in")
                .option(Opt::boolean("on", "Read it?").required()),
        )
}

fn dictionary() -> Slash {
    let word = || Opt::text("word", "One word").required().length(1, 32);
    let scope = || {
        Opt::text("scope", "Whose word it is; yours, if nothing is said")
            .choice("mine", "me")
            .choice("the server's", "server")
    };
    Slash::new("dictionary", "How words are spoken")
        .subcommand(
            Slash::new("add", "Speak a word another way")
                .option(word())
                .option(
                    Opt::text("reading", "How it is spoken")
                        .required()
                        .length(1, 100),
                )
                .option(scope()),
        )
        .subcommand(
            Slash::new("remove", "Speak a word as it is written")
                .option(word())
                .option(scope()),
        )
        .subcommand(Slash::new("list", "The words").option(scope()))
}

fn rules() -> Slash {
    Slash::new("rules", "What is read here, and how")
        .option(
            Opt::text("links", "How addresses are read")
                .choice("\"a link\"", "word")
                .choice("\"a link to example.org\"", "host")
                .choice("not at all", "skip"),
        )
        .option(
            Opt::text("emoji", "How emoji are read")
                .choice("by name", "name")
                .choice("not at all", "skip"),
        )
        .option(
            Opt::text("say-name", "When \"Ann said\" is said")
                .choice("never", "never")
                .choice("when the speaker changes", "on_change")
                .choice("always", "always"),
        )
        .option(
            Opt::integer("max-length", "In characters")
                .range(*MAX_CHARS.start() as u64, *MAX_CHARS.end() as u64),
        )
        .option(Opt::boolean("ignore-bots", "Do not read bots"))
        .option(Opt::boolean(
            "same-channel",
            "Read only people who are in my voice channel",
        ))
        .option(Opt::role(
            "role",
            "Read only people with this role; @everyone for all",
        ))
}

/// May this person manage what is read?
pub(super) fn may_manage(asked: &Interaction, roles: &[RoleId]) -> bool {
    asked.manages() || asked.roles().iter().any(|role| roles.contains(role))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn discord_takes_the_commands() {
        assert_eq!(commands().check(), Vec::<String>::new());
    }
}
