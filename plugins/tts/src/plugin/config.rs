//! `[plugins.tts]` of bot.toml.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use mynah_plugin::{Diagnostic, RoleId};
use serde::{Deserialize, Serialize};

use crate::engines::Engine;
use crate::engines::chain::Chain;
use crate::engines::espeak::Espeak;
use crate::engines::http::{Http, Post};
use crate::engines::piper::Piper;
use crate::queue::SayName;
use crate::rules::{Effective, MAX_CHARS};
use crate::studio::{Limits, MAX_SECONDS};
use crate::text::{Emoji, Links, Style};

mod keys;
#[cfg(test)]
mod tests;

pub use keys::{KEYS, Key};

/// The names of the engines.
pub const ENGINES: [&str; 3] = ["piper", "espeak", "http"];
/// Engines that may run at once.
const MAX_AT_ONCE: usize = 16;
/// A sentence, or a message for Piper, is made within this time.
const ENGINE_TIMEOUT: Duration = Duration::from_secs(30);
/// A key is no longer.
const MAX_KEY_BYTES: u64 = 4_096;

/// The plugin's own keys; the host adds `enabled`, `path`, `sha256`, `grant` and `aliases`.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(default)]
pub struct Config {
    /// Where voices, words and rules are kept; needs `fs.write` for it.
    pub folder: PathBuf,
    /// The engine that is asked first.
    pub engine: String,
    /// The engines that are asked when it cannot speak, in order.
    pub fallback: Vec<String>,
    /// Read messages of the channels of `/tts auto`; needs the Message Content intent.
    pub auto_read: bool,
    /// Read the chat of the voice channel the bot is in.
    pub read_voice_chat: bool,
    /// When "Ann said" is said.
    pub say_name: SayName,
    /// The longest text, in characters; a server may only shorten it.
    pub max_chars: usize,
    /// The longest a message is spoken, in seconds.
    pub max_seconds: u32,
    /// Messages of one person that may wait.
    pub max_queue_per_user: usize,
    /// How addresses are read.
    pub links: Links,
    /// How emoji are read.
    pub emoji: Emoji,
    /// Messages of bots are not read.
    pub ignore_bots: bool,
    /// Only people in the bot's voice channel are read.
    pub same_channel: bool,
    /// Only people with this role are read: its id, or "".
    pub required_role: String,
    /// Roles that may manage reading, beside those who may manage the server.
    pub roles: Vec<RoleId>,
    /// Where speech is kept that was made before: in `memory`, or `off`.
    pub cache: Keep,
    /// How much of it: "32MiB".
    pub cache_size: String,
    /// Engines that run at once.
    pub at_once: usize,
    /// eSpeak NG: the program.
    pub espeak_path: PathBuf,
    /// Its voice.
    pub espeak_voice: String,
    /// Piper: the program.
    pub piper_path: PathBuf,
    /// The folder of its voices; "" is `voices` in the plugin's own.
    pub piper_voices: PathBuf,
    /// Its voice.
    pub piper_voice: String,
    /// A service like OpenAI's: its address up to `/v1`, or "".
    pub http_url: String,
    /// The file with its key, or "".
    pub http_api_key_file: PathBuf,
    /// Its model.
    pub http_model: String,
    /// Its voice.
    pub http_voice: String,
}

/// Where speech is kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Keep {
    /// In memory.
    #[default]
    Memory,
    /// Nowhere.
    Off,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            folder: PathBuf::from("tts"),
            engine: "piper".into(),
            fallback: vec!["espeak".into()],
            auto_read: true,
            read_voice_chat: true,
            say_name: SayName::OnChange,
            max_chars: 400,
            max_seconds: 30,
            max_queue_per_user: 5,
            links: Links::Word,
            emoji: Emoji::Name,
            ignore_bots: true,
            same_channel: true,
            required_role: String::new(),
            roles: Vec::new(),
            cache: Keep::Memory,
            cache_size: "32MiB".into(),
            at_once: 2,
            espeak_path: "espeak-ng".into(),
            espeak_voice: "en-us".into(),
            piper_path: "piper".into(),
            piper_voices: PathBuf::new(),
            piper_voice: "en_US-lessac-medium".into(),
            http_url: String::new(),
            http_api_key_file: PathBuf::new(),
            http_model: "tts-1".into(),
            http_voice: "alloy".into(),
        }
    }
}

impl Config {
    /// What is wrong with it; all at once.
    #[must_use]
    pub fn wrongs(&self) -> Vec<Diagnostic> {
        let mut wrongs = Vec::new();
        let mut wrong = |pointer: String, text: String| wrongs.push(Diagnostic::new(pointer, text));
        let fallback = self.fallback.iter().enumerate();
        let fallback = fallback.map(|(at, engine)| (format!("/fallback/{at}"), engine));
        for (pointer, engine) in fallback.chain([("/engine".to_owned(), &self.engine)]) {
            if !ENGINES.contains(&engine.as_str()) {
                wrong(
                    pointer,
                    format!("`{engine}` is no engine: write \"piper\", \"espeak\" or \"http\""),
                );
            }
        }
        for (pointer, text) in self.wrong_numbers().into_iter().chain(self.wrong_words()) {
            wrong(pointer.into(), text);
        }
        wrongs
    }

    fn wrong_numbers(&self) -> Vec<(&'static str, String)> {
        let numbers = [
            (
                "/max_chars",
                self.max_chars,
                *MAX_CHARS.start(),
                *MAX_CHARS.end(),
            ),
            (
                "/max_seconds",
                self.max_seconds as usize,
                1,
                MAX_SECONDS as usize,
            ),
            ("/max_queue_per_user", self.max_queue_per_user, 1, 50),
            ("/at_once", self.at_once, 1, MAX_AT_ONCE),
        ];
        let wrong = numbers
            .into_iter()
            .filter(|(_, number, least, most)| !(least..=most).contains(&number));
        let words = wrong.map(|(pointer, number, least, most)| {
            (
                pointer,
                format!("{number} is out of range: give a number from {least} to {most}"),
            )
        });
        words.collect()
    }

    fn wrong_words(&self) -> Vec<(&'static str, String)> {
        let mut wrong = Vec::new();
        if !self.required_role.is_empty() && self.role().is_none() {
            let role = &self.required_role;
            let words = format!("`{role}` is no id of a role: write its digits in quotes, or \"\"");
            wrong.push(("/required_role", words));
        }
        if bytes(&self.cache_size).is_none() {
            let words = format!("`{}` is no size: write \"32MiB\"", self.cache_size);
            wrong.push(("/cache_size", words));
        }
        let url = self.http_url.trim();
        let is_url = url.starts_with("https://") || url.starts_with("http://");
        if !url.is_empty() && !is_url {
            let words = format!("`{url}` is no address: it begins with https:// or http://");
            wrong.push(("/http_url", words));
        }
        if url.is_empty() && self.order().contains(&"http") {
            wrong.push(("/http_url", "the engine http needs an address".to_owned()));
        }
        wrong
    }

    /// The engines in the order they are asked, each once.
    fn order(&self) -> Vec<&'static str> {
        let mut order: Vec<&'static str> = Vec::new();
        for wanted in std::iter::once(&self.engine).chain(&self.fallback) {
            let known = ENGINES.into_iter().find(|known| *known == wanted.as_str());
            if let Some(known) = known.filter(|known| !order.contains(known)) {
                order.push(known);
            }
        }
        order
    }

    /// The engines, ready to speak; `post` carries what a service is asked.
    ///
    /// # Errors
    /// When the key file cannot be read.
    pub fn chain(&self, post: Option<Arc<dyn Post>>) -> std::io::Result<Chain> {
        let voices = if self.piper_voices.as_os_str().is_empty() {
            self.folder.join("voices")
        } else {
            self.piper_voices.clone()
        };
        let mut engines: Vec<Arc<dyn Engine>> = Vec::new();
        for engine in self.order() {
            engines.push(match engine {
                "piper" => Arc::new(Piper::new(
                    &self.piper_path,
                    &voices,
                    &self.piper_voice,
                    ENGINE_TIMEOUT,
                )),
                "espeak" => Arc::new(Espeak::new(
                    &self.espeak_path,
                    &self.espeak_voice,
                    ENGINE_TIMEOUT,
                )),
                _ => {
                    let key = read_key(&self.http_api_key_file)?;
                    Arc::new(Http::new(
                        &self.http_url,
                        key.as_deref(),
                        &self.http_model,
                        &self.http_voice,
                        post.clone(),
                    ))
                }
            });
        }
        Ok(Chain::new(engines))
    }

    /// What bounds the engines.
    #[must_use]
    pub fn limits(&self) -> Limits {
        Limits {
            threads: self.at_once.clamp(1, MAX_AT_ONCE),
            max_seconds: self.max_seconds,
            cache_bytes: match self.cache {
                Keep::Memory => bytes(&self.cache_size).unwrap_or(0),
                Keep::Off => 0,
            },
        }
    }

    fn role(&self) -> Option<u64> {
        self.required_role.parse().ok().filter(|role| *role != 0)
    }

    /// The rules of a server that has none of its own.
    #[must_use]
    pub fn rules(&self) -> Effective {
        Effective {
            style: Style {
                links: self.links,
                emoji: self.emoji,
                max_chars: self.max_chars,
            },
            say_name: self.say_name,
            ignore_bots: self.ignore_bots,
            same_channel: self.same_channel,
            role: self.role(),
            voice_chat: self.read_voice_chat,
        }
    }
}

fn read_key(path: &Path) -> std::io::Result<Option<String>> {
    if path.as_os_str().is_empty() {
        return Ok(None);
    }
    let mut key = String::new();
    std::fs::File::open(path)?
        .take(MAX_KEY_BYTES)
        .read_to_string(&mut key)?;
    Ok(Some(key))
}

/// "500KiB", "32MiB", "0".
fn bytes(text: &str) -> Option<usize> {
    let text = text.trim();
    if text == "0" {
        return Some(0);
    }
    let sizes = [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)];
    sizes.into_iter().find_map(|(unit, size)| {
        let number: usize = text.strip_suffix(unit)?.trim_end().parse().ok()?;
        number.checked_mul(size)
    })
}
