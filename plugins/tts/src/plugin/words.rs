//! What the plugin says to people.

pub(super) const NO_SERVER: &str = "That works in a server only.";
pub(super) const NOT_IN_VOICE: &str = "Join a voice channel first, then ask me again.";
pub(super) const NOT_MANAGER: &str =
    "Only people who may manage this server, or have a role for it, can do that.";
pub(super) const NOT_YOURS: &str = "Somebody else is being read. Only they, or people who may manage this server, can skip that; \
     `/tts optout` keeps your own messages from being read.";
pub(super) const NOT_THERE: &str = "I am in no voice channel here. `/tts join` brings me to yours.";
pub(super) const NOTHING: &str = "Nothing is being read.";
pub(super) const NOTHING_TO_SAY: &str = "There is nothing in it that can be spoken.";
pub(super) const SKIPPED: &str = "Skipped.";
pub(super) const OPTED_OUT: &str = "I will not read your messages any more. `/tts optin` takes that back; `/say` still works for you.";
pub(super) const OPTED_IN: &str = "I will read your messages again, where messages are read.";
pub(super) const THEY_OPTED_OUT: &str = "Whoever wrote that does not want it read aloud.";
pub(super) const UNKNOWN: &str = "I do not know that command. It may be from an older version.";
pub(super) const NO_SUCH_VOICE: &str =
    "I know no such voice. Begin to type and choose one of those that are offered.";
pub(super) const NO_SUCH_ENGINE: &str = "That engine is not set up here.";
pub(super) const VOICE_RESET: &str = "You sound like everybody else again.";
pub(super) const SERVER_VOICE_RESET: &str = "The voice is as shipped again.";
pub(super) const CANNOT_READ: &str = "I cannot see what people write: `auto_read` is off in bot.toml, or Discord does not give me the \
     Message Content intent (Developer Portal, your application, Bot). `/say` works without it.";
pub(super) const STORED_BADLY: &str = "That could not be written down.";
pub(super) const NO_WORD: &str = "That word is not in the dictionary.";
