//! One server's recording while it runs: what is known of it, and what people read.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::Ordering;

use mynah_plugin::{ChannelId, GuildId, Interaction, Listening, MessageId, Reply, UserId};
use serde_json::{Value, json};

use super::people::People;
use super::scribe::{Job, Scribe, lock};

/// Heard so lately, somebody speaks.
const SPEAKS_US: u64 = 400_000;
/// Said so long ago that they send sound, and nothing came: something is wrong.
const UNHEARD_US: u64 = 3_000_000;
/// People named on the panel; more would not fit a message.
const MAX_NAMED: usize = 20;

/// A recording that runs, or ends.
#[derive(Debug)]
pub(super) struct Room {
    pub guild: GuildId,
    pub id: String,
    pub channel: ChannelId,
    /// Where the panel and everything else is said.
    pub text: ChannelId,
    pub title: String,
    /// Who may end it beside those who may record.
    pub starter: UserId,
    /// When people said last that they begin to send sound, and have not ceased since.
    pub said_us: BTreeMap<UserId, u64>,
    pub scribe: Scribe,
    pub listening: Listening,
    /// The host's clock when it began.
    pub started_us: u64,
    pub paused: bool,
    /// Since when nobody is there, on the recording clock.
    pub empty_us: Option<u64>,
    /// The connection was lost at this moment of the recording.
    pub lost_us: Option<u64>,
    /// The bot's name before, if it was changed; `None` inside: it had none.
    pub nick_before: Option<Option<String>>,
    /// The bot itself, once that is known.
    pub me: Option<UserId>,
    /// The bot came for this recording, and goes with it.
    pub came: bool,
    pub panel: Option<MessageId>,
    /// An edit of the panel is under way, and another one is due after it.
    pub editing: bool,
    pub stale: bool,
    /// What the panel shows now.
    pub shown: String,
    /// It is being ended; who waits to hear of that.
    pub ending: bool,
    pub waiting: Vec<Interaction>,
    /// It is kept whatever its age.
    pub kept: bool,
    /// The disk was told of these losses already.
    pub told_overrun: u64,
}

impl Room {
    /// Where the recording is at `now_us` of the host's clock.
    pub fn at(&self, now_us: u64) -> u64 {
        now_us.saturating_sub(self.started_us)
    }

    /// Begins the end: the last packets are still heard.
    pub fn begin_end(&mut self, reason: &str) {
        self.ending = true;
        reason.clone_into(&mut lock(&self.scribe.shared.reason));
    }

    /// Leaves somebody out from now on, or no longer.
    pub fn set_excluded(&self, user: u64, out: bool) {
        let mut excluded = lock(&self.scribe.shared.excluded);
        if out {
            excluded.set(user, true);
            lock(&self.scribe.shared.heard).remove(&user);
        } else {
            excluded.set(user, false);
        }
        drop(excluded);
        self.scribe.order(if out {
            Job::Exclude(user)
        } else {
            Job::Include(user)
        });
    }

    pub fn is_excluded(&self, user: u64) -> bool {
        lock(&self.scribe.shared.excluded).contains(user)
    }

    /// Somebody as events name them: those who opted out are named nowhere.
    pub fn written(&self, user: UserId) -> String {
        match self.is_excluded(user.get()) {
            true => "somebody".to_owned(),
            false => user.to_string(),
        }
    }

    /// The panel's text.
    pub fn panel_text(&self, now_us: u64, people: &People) -> String {
        let seen = self.scribe.seen();
        let at = self.at(now_us);
        let mut text = String::new();
        let _ = match (self.ending, self.paused) {
            (true, _) => write!(text, "⏹️ **The recording is over**"),
            (_, true) => write!(text, "⏸️ **The recording is paused**"),
            _ => write!(text, "🔴 **This channel is being recorded**"),
        };
        // Steps of five seconds: the message is edited no more often.
        let _ = writeln!(
            text,
            " · {} · <#{}>",
            clock(at / 5_000_000 * 5_000_000),
            self.channel
        );
        if !self.title.is_empty() {
            let _ = writeln!(text, "{}", plain(&self.title));
        }
        let heard = lock(&self.scribe.shared.heard).clone();
        let mut left_out = 0;
        let others = people.of(self.guild, self.channel);
        let others = others.filter(|(user, _)| Some(*user) != self.me);
        for (count, (user, person)) in others.enumerate() {
            if self.is_excluded(user.get()) {
                left_out += 1;
                continue;
            }
            if count >= MAX_NAMED {
                let _ = writeln!(text, "…");
                break;
            }
            let counts = seen.people.get(&user.get());
            let last = heard.get(&user.get()).copied();
            let _ = write!(
                text,
                "{} {}",
                state(at, last, person.is_muted),
                plain(&person.name)
            );
            if let Some(counts) = counts {
                let all = counts.placed + counts.lost;
                if counts.lost > 0 && all > 0 {
                    let percent = counts.lost as f64 * 100.0 / all as f64;
                    let _ = write!(text, " · {percent:.1} % lost");
                }
                if counts.unusable > 0 {
                    let _ = write!(text, " · {} packets could not be read", counts.unusable);
                }
            }
            if self.is_unheard(user, at, last) && !person.is_muted {
                text.push_str(" · ⚠️ I receive nothing of them");
            }
            text.push('\n');
        }
        if left_out > 0 {
            let _ = writeln!(text, "🙈 not recorded by their own wish: {left_out}");
        }
        let overrun = self.scribe.shared.overrun.load(Ordering::Relaxed);
        if overrun > 0 {
            let _ = writeln!(
                text,
                "⚠️ the disk is too slow: {overrun} packets are silence"
            );
        }
        if self.lost_us.is_some() && !self.ending {
            let _ = writeln!(
                text,
                "⚠️ the voice connection is being mended; what is said now is lost"
            );
        }
        let _ = write!(text, "-# {} · `{}`", size(seen.bytes), self.id);
        text
    }

    /// Somebody says for a while that they send sound, and none comes.
    fn is_unheard(&self, user: UserId, at: u64, heard: Option<u64>) -> bool {
        self.said_us.get(&user).is_some_and(|said| {
            // Packets and websocket race: one shortly before counts.
            at.saturating_sub(*said) >= UNHEARD_US
                && heard.is_none_or(|heard| heard + SPEAKS_US < *said)
        })
    }

    /// Path and body of the edit that brings the panel up to date, if there is one and it is not.
    pub fn panel_edit(&mut self, now_us: u64, people: &People) -> Option<(String, Value)> {
        let panel = self.panel?;
        let text = self.panel_text(now_us, people);
        if text == self.shown {
            return None;
        }
        self.shown = text;
        let path = format!("/channels/{}/messages/{panel}", self.text);
        Some((path, self.panel(now_us, people).to_json()))
    }

    /// The panel: text, and buttons while it runs.
    pub fn panel(&self, now_us: u64, people: &People) -> Reply {
        let text = Reply::text(self.panel_text(now_us, people));
        if self.ending {
            return text.components(Vec::new());
        }
        let button = |style: u8, label: &str, action: &str| {
            json!({ "type": 2, "style": style, "label": label,
                    "custom_id": format!("recorder:{action}") })
        };
        let pause = match self.paused {
            true => button(3, "Resume", "resume"),
            false => button(2, "Pause", "pause"),
        };
        text.components(vec![json!({ "type": 1, "components": [
            pause,
            button(2, "Note", "note"),
            button(4, "Stop", "stop"),
            button(2, "Do not record me", "optout"),
        ] })])
    }
}

/// The dialog behind the Note button.
pub(super) fn note_dialog() -> Value {
    json!({ "custom_id": "recorder:note", "title": "Mark this moment", "components": [
        { "type": 1, "components": [{
            "type": 4, "custom_id": "text", "style": 1, "label": "What to remember",
            "min_length": 1, "max_length": 200, "required": true,
        }] },
    ] })
}

fn state(at: u64, heard: Option<u64>, is_muted: bool) -> &'static str {
    match heard {
        Some(last) if at.saturating_sub(last) < SPEAKS_US => "🗣️",
        _ if is_muted => "🔇",
        Some(_) => "👂",
        None => "▫️",
    }
}

/// Microseconds as `1:02:03` or `2:03`.
pub(super) fn clock(us: u64) -> String {
    let seconds = us / 1_000_000;
    let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    match hours {
        0 => format!("{minutes}:{seconds:02}"),
        _ => format!("{hours}:{minutes:02}:{seconds:02}"),
    }
}

/// Bytes for people.
pub(super) fn size(bytes: u64) -> String {
    match bytes {
        0..1_048_576 => format!("{} KiB", bytes.div_ceil(1024)),
        1_048_576..1_073_741_824 => format!("{:.1} MiB", bytes as f64 / 1_048_576.0),
        _ => format!("{:.2} GiB", bytes as f64 / 1_073_741_824.0),
    }
}

/// A name or title without what Discord would take for formatting.
pub(super) fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for letter in text.chars().filter(|letter| !letter.is_control()) {
        if "*_~`|>\\[]()<".contains(letter) {
            plain.push('\\');
        }
        plain.push(letter);
    }
    plain
}
