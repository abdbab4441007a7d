//! What people read, except the panel.

pub(super) const NO_SERVER: &str = "Recordings are made in servers only.";
pub(super) const UNKNOWN: &str = "I do not know this command. Was it just removed?";
pub(super) const NOT_ALLOWED: &str = "You may not do this: it takes the permission to manage the server, or a role that the operator \
     has named (`[plugins.recorder] roles`).";
pub(super) const NO_CHANNEL: &str =
    "Join a voice channel first, or name one: `/record start channel:…`.";
pub(super) const NOTHING_RUNS: &str = "Nothing is being recorded here. `/record start` begins.";
pub(super) const RUNS_ALREADY: &str =
    "A recording runs here already. `/record stop` ends it, `/record status` shows it.";
pub(super) const STARTS_ALREADY: &str = "A recording is just being started.";
pub(super) const ENDS: &str = "The recording is just being ended.";
pub(super) const NOT_IN_CHANNEL: &str = "Only people in the recorded channel may do this.";
pub(super) const PAUSED_ALREADY: &str = "The recording is paused already.";
pub(super) const NOT_PAUSED: &str = "The recording runs; there is nothing to resume.";
pub(super) const PAUSE_BY_STAFF: &str = "Only those who may record may pause here.";
pub(super) const OPTED_OUT: &str = "You will not be recorded on this server: nothing of you is written from now on, and your name \
     appears nowhere. What was recorded before stays; ask those who may record to `/record delete` it. \
     `/record optin` takes this back.";
pub(super) const OPTED_IN: &str = "You may be recorded again on this server.";
pub(super) const CONFIRM: &str = "Nothing was deleted. Set `confirm` to true to do it.";
pub(super) const NO_SUCH: &str =
    "There is no such recording on this server. `/record list` shows all of them.";
pub(super) const NO_INDICATOR: &str = "I did not begin: nobody would have known. I could neither change my nickname (permission \
     \"Change Nickname\") nor play the opening notes.";
pub(super) const NOT_YOURS: &str = "That recording is somebody else's: it takes the permission to manage the server, or a role that the \
     operator has named (`[plugins.recorder] roles`).";
pub(super) const NOTHING_OF_YOURS: &str = "You have not recorded anything here.";
pub(super) const EXPORTS_WAIT: &str =
    "Enough exports are waiting already; one is made at a time. Ask again in a while.";
