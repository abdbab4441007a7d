//! What goes into the core and what comes out of it: plain values, no host in sight.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::effect::{Effect, Preset};
use crate::ids::{ChannelId, GuildId, Reply, Ticket, Track, UserId};
use crate::library::Tags;
use crate::library::scan::Listing;
use crate::moment::Moment;
use crate::queue::{Item, Origin};

/// Who gave a command, and where everybody was at that moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Where the answer goes.
    pub reply: Reply,
    /// The server, or `None` in a direct message.
    pub guild: Option<GuildId>,
    /// The text channel the command was typed in.
    pub text: ChannelId,
    /// The person.
    pub user: UserId,
    /// The voice channel this person is in.
    pub user_voice: Option<ChannelId>,
    /// The voice channel the bot is in, in the same server.
    pub bot_voice: Option<ChannelId>,
    /// May this person decide for everybody: a DJ, or every listener where no role is one?
    pub is_dj: bool,
    /// How many people listen beside the bot.
    pub listeners: usize,
    /// When the command arrived, on the clock of [`Input`].
    pub at: Duration,
}

/// A command, read but not yet judged.
#[derive(Debug, Clone, PartialEq)]
pub enum Ask {
    /// `/play`.
    Play {
        /// The words, id or path typed.
        query: Option<String>,
        /// The uploaded file.
        file: Option<Upload>,
    },
    /// `/playlist play`.
    Enqueue {
        /// What the list is called.
        name: String,
        /// What is on it.
        items: Vec<Item>,
    },
    /// Everything else.
    Control(Control),
    /// A command whose options make no sense, with the answer.
    Mistake(String),
}

/// What is played again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Repeat {
    /// Nothing.
    #[default]
    Off,
    /// The track that plays.
    Track,
    /// Everything: what has played goes to the end of the queue.
    Queue,
}

impl Repeat {
    /// Off, the track, the queue, and off again.
    #[must_use]
    pub fn next(self) -> Self {
        match self {
            Self::Off => Self::Track,
            Self::Track => Self::Queue,
            Self::Queue => Self::Off,
        }
    }
}

/// A change to the effects; what is not given stays.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Tweak {
    /// The preset. `off` also undoes speed and pitch, unless they are given.
    pub preset: Option<Preset>,
    /// Times as fast.
    pub speed: Option<f64>,
    /// Times as high.
    pub pitch: Option<f64>,
}

/// A command about what plays or waits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Control {
    /// `/pause`.
    Pause,
    /// `/resume`.
    Resume,
    /// `/skip`.
    Skip,
    /// `/stop`.
    Stop {
        /// Whether the waiting items go too.
        clear: bool,
    },
    /// `/queue`.
    Queue,
    /// `/nowplaying`.
    NowPlaying,
    /// `/volume`, to set it or, without a number, to read it.
    Volume(Option<i64>),
    /// `/leave`.
    Leave,
    /// `/seek`.
    Seek(Moment),
    /// `/loop`, to set it or, without a word, to read it.
    Repeat(Option<Repeat>),
    /// `/filter`, to change it or, without options, to read it.
    Filter(Tweak),
    /// `/previous`.
    Previous,
    /// `/replay`.
    Replay,
    /// `/queue move`, by places from 1.
    Move {
        /// What is there now …
        from: i64,
        /// … and where it is to be.
        to: i64,
    },
    /// `/queue remove`, the places from the first to the last.
    Remove {
        /// The first place, from 1.
        first: i64,
        /// The last place.
        last: i64,
    },
    /// `/queue clear`.
    Clear,
    /// `/queue shuffle`, by these dice.
    Shuffle(u64),
    /// `/history`.
    History,
    /// The button that pauses what plays and goes on with what is paused.
    Toggle,
    /// The button that goes from one kind of loop to the next.
    NextRepeat,
    /// The buttons that change the volume by so many percent.
    Louder(i64),
}

/// An uploaded file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    /// Where it can be fetched.
    pub url: String,
    /// What it is called.
    pub name: String,
}

/// Something happened. Every input comes with the time since the plugin's host started.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// Somebody gave a command.
    Command(Caller, Ask),
    /// A request to the host has an outcome.
    Outcome(Ticket, Outcome),
    /// A track of the engine.
    Track(GuildId, Track, TrackNews),
    /// The voice connection of a server.
    Voice(GuildId, VoiceNews),
    /// So many others are in the voice channel, as asked for by [`crate::Core::stages`].
    Audience(GuildId, ChannelId, usize),
    /// Time has passed; due at [`Action::Wake`].
    Tick,
}

/// What became of a request.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// Accepted, nothing more to say.
    Done,
    /// A track was accepted under this number.
    Playing(Track),
    /// What a file's tags say.
    Tags(Tags),
    /// How far a track has played.
    Position(Duration),
    /// What a folder holds, with everything below it.
    Listing(Listing),
    /// Refused or failed, with the reason in words for people.
    Failed(String),
}

/// What the engine says about a track.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TrackNews {
    /// Its first sound went out.
    Started,
    /// It played to its end.
    Ended,
    /// It was stopped.
    Stopped,
    /// It cannot go on, with the reason.
    Failed(String),
}

/// What the engine says about a voice connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VoiceNews {
    /// The bot is in a channel and can be heard.
    Connected(ChannelId),
    /// A moderator moved the bot.
    Moved(ChannelId),
    /// The connection is interrupted; the engine is bringing it back.
    Lost,
    /// The connection is back.
    Resumed,
    /// The connection is over (kicked, channel gone, given up), with the reason.
    Ended(String),
}

/// Something to be done.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Show "thinking": the answer comes later.
    Defer(Reply),
    /// The one answer to a command.
    Answer {
        /// Which command.
        reply: Reply,
        /// The text.
        text: String,
        /// Only for the person who asked.
        private: bool,
    },
    /// A message of its own into a text channel.
    Post(ChannelId, String),
    /// A request to the host; its outcome comes back under the ticket.
    Call(Ticket, Call),
    /// Send [`Input::Tick`] at this time, or a little later.
    Wake(Duration),
    /// A line for the operator's log.
    Warn(String),
}

/// A request to the host.
#[derive(Debug, Clone, PartialEq)]
pub enum Call {
    /// Join (or move to) a voice channel.
    Join(GuildId, ChannelId),
    /// Leave voice.
    Leave(GuildId),
    /// Play; the outcome is [`Outcome::Playing`].
    Play {
        /// Where.
        guild: GuildId,
        /// What.
        origin: Origin,
        /// How loud: 1.0 leaves every sample as it is.
        gain: f32,
        /// From where on.
        start: Duration,
        /// Held at its beginning.
        paused: bool,
        /// Rise from silence for so long.
        fade_in: Option<Duration>,
        /// Again and again.
        repeat: bool,
        /// The effects.
        effect: Effect,
    },
    /// Play after a track, without a gap and as that is played; the outcome is
    /// [`Outcome::Playing`].
    Next {
        /// The track that ends first.
        after: Track,
        /// What.
        origin: Origin,
        /// From where on.
        start: Duration,
    },
    /// Take a [`Call::Next`] back.
    Cancel(Track),
    /// Hold a track.
    Pause(Track),
    /// Let a track go on.
    Resume(Track),
    /// End a track.
    Stop(Track),
    /// Let a track fade away for so long, then end it.
    FadeOut(Track, Duration),
    /// Change how loud a track is.
    Gain(Track, f32),
    /// Play a track again and again, or not.
    Repeat(Track, bool),
    /// Change the effects of a track.
    Effect(Track, Effect),
    /// How far a track has played; the outcome is [`Outcome::Position`].
    Position(Track),
    /// Read tags, and thereby learn whether it is sound at all; the outcome is [`Outcome::Tags`].
    Probe(Origin),
    /// List a folder with everything below it; the outcome is [`Outcome::Listing`].
    List(PathBuf),
}
