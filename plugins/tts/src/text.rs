//! A message of Discord as words that can be spoken.
//!
//! What must not be heard (spoilers, code, addresses) is found first, in the text as it came, and
//! is replaced by a word before anything else is done: no later step can bring it back, because
//! none of them sees it. In doubt more is hidden than Discord would hide.

use serde::{Deserialize, Serialize};

use self::scan::{Found, Scanner};
pub use self::squash::squash;
pub use self::words::{Dictionary, WordError, check_word};

mod address;
mod clean;
mod emoji;
mod nested;
mod scan;
mod squash;
mod stamp;
#[cfg(test)]
mod tests;
mod words;

pub use clean::clean;

/// No message of Discord is longer (4000 characters with Nitro); the rest is not looked at.
pub const MAX_MESSAGE_CHARS: usize = 4_000;
/// The longest name that is spoken, in characters: Discord's nicknames are no longer than 32.
const MAX_NAME_CHARS: usize = 32;
/// More attachments than Discord allows in a message are not counted.
const MAX_ATTACHMENTS: usize = 10;

/// What is said at the end of a text that was cut.
pub const CUT: &str = "… and so on";

/// How addresses are read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Links {
    /// As "a link".
    #[default]
    Word,
    /// As "a link to example.org".
    Host,
    /// Not at all.
    Skip,
}

/// How emoji are read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Emoji {
    /// By their name.
    #[default]
    Name,
    /// Not at all.
    Skip,
}

/// How a text is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// How addresses are read.
    pub links: Links,
    /// How emoji are read.
    pub emoji: Emoji,
    /// The longest text, in characters, without the words that say that it was cut.
    pub max_chars: usize,
}

/// Who and what the numbers in a message mean. `None` for what nobody knows.
pub trait Names {
    /// What a person is called.
    fn user(&self, id: u64) -> Option<String>;
    /// What a role is called.
    fn role(&self, id: u64) -> Option<String>;
    /// What a channel is called.
    fn channel(&self, id: u64) -> Option<String>;
}

/// What kind of thing is attached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attached {
    /// A picture.
    Image,
    /// A film.
    Video,
    /// A sound.
    Audio,
    /// Something else.
    File,
    /// A sticker.
    Sticker,
}

impl Attached {
    /// By the type Discord says, such as `image/png`. The file's name is never read: people choose
    /// it.
    #[must_use]
    pub fn of(content_type: Option<&str>) -> Self {
        match content_type.unwrap_or_default().split('/').next() {
            Some("image") => Self::Image,
            Some("video") => Self::Video,
            Some("audio") => Self::Audio,
            _ => Self::File,
        }
    }

    fn words(self, count: usize) -> String {
        let (one, many) = match self {
            Self::Image => ("an image", "images"),
            Self::Video => ("a video", "videos"),
            Self::Audio => ("an audio file", "audio files"),
            Self::File => ("a file", "files"),
            Self::Sticker => ("a sticker", "stickers"),
        };
        if count == 1 {
            one.to_owned()
        } else {
            format!("{count} {many}")
        }
    }
}

/// Words to speak.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Spoken {
    /// The words; empty when nothing is left to say. Lines end in `\n`.
    pub text: String,
    /// Something was left out at the end, and [`CUT`] says so.
    pub is_cut: bool,
}

/// Makes a message speakable. `now_s` is seconds since 1970, for times like "in 5 minutes".
#[must_use]
pub fn speakable(
    content: &str,
    attached: &[Attached],
    style: &Style,
    names: &dyn Names,
    dictionary: &Dictionary,
    now_s: i64,
) -> Spoken {
    let (content, was_long) = head(content, MAX_MESSAGE_CHARS);
    let mut raw = String::with_capacity(content.len());
    let hidden = nested::hidden(content);
    let is_hidden = |at: usize| hidden.get(at).copied().unwrap_or(false);
    for (start, found) in Scanner::new(content, was_long) {
        match found {
            Found::Text(text) => {
                let hide = |(at, c)| if is_hidden(start + at) { ' ' } else { c };
                raw.extend(text.char_indices().map(hide));
            }
            // The words for what is hidden are said.
            Found::Spoiler | Found::Code | Found::Link(_) | Found::Line => {
                say(&mut raw, &found, style, names, now_s);
            }
            _ if is_hidden(start) => {}
            _ => say(&mut raw, &found, style, names, now_s),
        }
    }
    let text = clean(&raw);
    // Names and unescaped marks may look like an address only now.
    let text = address::scrub(&text, style.links);
    let text = emoji::read(&text, style.emoji);
    let text = squash(&text);
    let text = dictionary.apply(&text, style.max_chars.saturating_mul(2));
    let mut text = tidy(&text);
    let mut is_cut = was_long;
    if text.chars().count() > style.max_chars {
        text = shorten(&text, style.max_chars);
        is_cut = true;
    }
    if is_cut {
        text.push_str(CUT);
    }
    add_attachments(&mut text, attached);
    Spoken { text, is_cut }
}

/// The words of one piece.
fn say(out: &mut String, found: &Found<'_>, style: &Style, names: &dyn Names, now_s: i64) {
    let name = |name: Option<String>, otherwise: &str| {
        let name = name.map(|name| plain_name(&name)).unwrap_or_default();
        if name.is_empty() {
            otherwise.to_owned()
        } else {
            name
        }
    };
    match found {
        Found::Text(_) | Found::Mark => {}
        Found::Spoiler => word(out, "spoiler"),
        Found::Code => word(out, "code"),
        Found::Link(address) => word(out, &address::words(address, style.links)),
        Found::User(id) => word(out, &name(names.user(*id), "somebody")),
        Found::Role(id) => word(out, &name(names.role(*id), "a role")),
        Found::Channel(id) => word(out, &name(names.channel(*id), "a channel")),
        Found::Command(command) => word(out, command),
        Found::Guide => word(out, "a channel"),
        Found::Emoji(emoji) if style.emoji == Emoji::Name => word(out, &emoji::plain(emoji)),
        Found::Emoji(_) => word(out, ""),
        Found::Time(at_s, form) => word(out, &stamp::words(*at_s, *form, now_s)),
        Found::Line => out.push('\n'),
    }
}

/// A word of ours, apart from its neighbours.
fn word(out: &mut String, word: &str) {
    if !out.is_empty() && !out.ends_with(char::is_whitespace) {
        out.push(' ');
    }
    out.push_str(word);
    out.push(' ');
}

/// A name as it is spoken: cleaned, short, without marks that separate words.
#[must_use]
pub fn plain_name(name: &str) -> String {
    let (name, _) = head(name, MAX_NAME_CHARS);
    let name = clean(name);
    let name = address::scrub(&name, Links::Word);
    let name: String = name
        .chars()
        .map(|c| {
            if c.is_alphanumeric() || matches!(c, '\'' | '.') {
                c
            } else {
                ' '
            }
        })
        .collect();
    tidy(&squash(&name))
}

/// The first characters, and whether there were more.
fn head(text: &str, chars: usize) -> (&str, bool) {
    match text.char_indices().nth(chars) {
        Some((at, _)) => (text.get(..at).unwrap_or_default(), true),
        None => (text, false),
    }
}

/// One space between words, none before a full stop, no empty lines.
fn tidy(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for line in text.lines() {
        let start = out.len();
        for word in line.split_whitespace() {
            let joins = word
                .chars()
                .all(|c| matches!(c, '.' | ',' | '!' | '?' | ';' | ':' | '…'));
            if out.len() > start && !joins {
                out.push(' ');
            }
            out.push_str(word);
        }
        // A line without a single letter or digit says nothing.
        if out
            .get(start..)
            .is_some_and(|line| line.chars().any(char::is_alphanumeric))
        {
            out.push('\n');
        } else {
            out.truncate(start);
        }
    }
    if out.ends_with('\n') {
        out.pop();
    }
    out
}

/// At most `max_chars` characters, up to the end of a word unless a word is endless.
fn shorten(text: &str, max_chars: usize) -> String {
    let (kept, _) = head(text, max_chars);
    let whole = kept.rfind(char::is_whitespace);
    let whole = whole.filter(|at| at.saturating_mul(2) >= kept.len());
    let kept = whole.and_then(|at| kept.get(..at)).unwrap_or(kept);
    kept.trim_end()
        .trim_end_matches([',', ';', ':', '-'])
        .to_owned()
}

fn add_attachments(text: &mut String, attached: &[Attached]) {
    use Attached::{Audio, File, Image, Sticker, Video};
    for kind in [Image, Video, Audio, File, Sticker] {
        let found = attached
            .iter()
            .take(MAX_ATTACHMENTS)
            .filter(|one| **one == kind);
        let count = found.count();
        if count > 0 {
            if !text.is_empty() {
                text.push('\n');
            }
            text.push_str(&kind.words(count));
        }
    }
}
