//! What people read, except boards and lists.

pub(super) const NO_SERVER: &str = "Sounds belong to servers: use this in one.";
pub(super) const UNKNOWN: &str = "I do not know this command. Was it just removed?";
pub(super) const GONE: &str = "This sound is gone. `/sound board` shows those that are there.";
pub(super) const NO_CHANNEL: &str = "Join a voice channel first: sounds are played where you are.";
pub(super) const NOTHING_PLAYS: &str = "No sound of yours is playing.";
pub(super) const NOTHING_AT_ALL: &str = "No sound is playing.";
pub(super) const NOT_ALL: &str = "You may stop your own sounds. Those of others: managers of the soundboard, or whoever listens \
     alone.";
pub(super) const NOT_YOURS: &str =
    "This sound is somebody else's: only they and managers of the soundboard may change it.";
pub(super) const NO_FILE: &str =
    "Attach a file, or give the link to a message of this channel that has one.";
pub(super) const TWO_FILES: &str = "Give either a file or the link to a message, not both.";
pub(super) const NOT_HERE: &str = "This link does not lead to a message of this channel. Open the menu of the message and choose \
     \"Copy Message Link\".";
pub(super) const NO_SOUND_IN_MESSAGE: &str = "No sound file is attached to this message.";
pub(super) const ADDING_ALREADY: &str =
    "A sound of yours is being added already. Wait until it is there.";
pub(super) const ADDING_MANY: &str =
    "Enough sounds are being added right now. Ask again in a moment.";
pub(super) const NOTHING_CHANGED: &str =
    "Nothing to change: give at least one option beside the name.";
pub(super) const NO_EMOJI: &str =
    "This is no emoji that a button can show: use one of your keyboard, or one of this server.";
pub(super) const EMPTY: &str = "There are no sounds here yet. `/sound add` brings the first one.";
pub(super) const NONE_WITH_TAG: &str =
    "There are no sounds with this tag. `/sound list` shows all of them.";

pub(super) const MAY_NOT_ADD_MANAGER: &str =
    "Only managers of the soundboard may add sounds here (`[plugins.soundboard] upload`).";
pub(super) const MAY_NOT_ADD_ROLE: &str = "You may not add sounds here: it takes one of the roles that the operator has named \
     (`[plugins.soundboard] upload_roles`), or the permission to manage the server.";

/// A sound that was not found.
pub(super) fn no_such(name: &str) -> String {
    let name: String = name.chars().filter(|c| *c != '`').take(40).collect();
    format!("There is no sound called `{name}` here. `/sound list` shows all of them.")
}
