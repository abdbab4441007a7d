//! The keys of the table, as the shipped bot.toml shows them.

/// One key of the table, for the shipped bot.toml.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    /// Its name.
    pub name: &'static str,
    /// Its value when it is left out, as TOML.
    pub default: &'static str,
    /// What it does, in one line.
    pub about: &'static str,
}

const fn key(name: &'static str, default: &'static str, about: &'static str) -> Key {
    Key {
        name,
        default,
        about,
    }
}

/// Every key of [`super::Config`] but `folder`, which the program sets, in the order they are
/// documented.
pub const KEYS: [Key; 26] = [
    key(
        "engine",
        "\"piper\"",
        "the engine that is asked first: piper, espeak or http",
    ),
    key(
        "fallback",
        "[\"espeak\"]",
        "the engines that are asked when it cannot speak, in order",
    ),
    key(
        "auto_read",
        "true",
        "read the channels of /tts auto; needs the Message Content intent, false does without",
    ),
    key(
        "read_voice_chat",
        "true",
        "read the chat of the voice channel the bot is in",
    ),
    key(
        "say_name",
        "\"on_change\"",
        "when \"Ann said\" is said: never, on_change, always",
    ),
    key(
        "max_chars",
        "400",
        "the longest text in characters; a server may only shorten it",
    ),
    key("max_seconds", "30", "the longest a message is spoken"),
    key(
        "max_queue_per_user",
        "5",
        "messages of one person that may wait",
    ),
    key(
        "links",
        "\"word\"",
        "how addresses are read: word (\"a link\"), host, skip",
    ),
    key("emoji", "\"name\"", "how emoji are read: name, skip"),
    key("ignore_bots", "true", "messages of bots are not read"),
    key(
        "same_channel",
        "true",
        "only people in the bot's voice channel are read",
    ),
    key(
        "required_role",
        "\"\"",
        "only people with this role are read: its id",
    ),
    key(
        "roles",
        "[]",
        "ids of roles that may manage reading, beside those who may manage the server",
    ),
    key(
        "cache",
        "\"memory\"",
        "where speech is kept that was made before: memory, off",
    ),
    key("cache_size", "\"32MiB\"", "how much of it is kept"),
    key(
        "at_once",
        "2",
        "engines that run at once, for all servers together",
    ),
    key("espeak_path", "\"espeak-ng\"", "eSpeak NG: the program"),
    key(
        "espeak_voice",
        "\"en-us\"",
        "its voice; /tts voice lists all",
    ),
    key("piper_path", "\"piper\"", "Piper: the program"),
    key(
        "piper_voices",
        "\"\"",
        "the folder of its voices; empty is tts/voices in the data folder",
    ),
    key(
        "piper_voice",
        "\"en_US-lessac-medium\"",
        "its voice: the name of an .onnx file there",
    ),
    key(
        "http_url",
        "\"\"",
        "a service like OpenAI's: its address up to /v1",
    ),
    key("http_api_key_file", "\"\"", "the file with its key"),
    key("http_model", "\"tts-1\"", "its model"),
    key("http_voice", "\"alloy\"", "its voice"),
];
