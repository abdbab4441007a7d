//! Conversations with the core: a stage with a host that does what it is asked, or what a test wants.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod ahead;
mod alone;
mod controls;
mod play;
mod rights;
mod storm;
mod trouble;
mod tune;

use std::collections::VecDeque;
use std::time::Duration;

use super::Core;
use crate::calls::{
    Action, Ask, Call, Caller, Control, Input, Outcome, TrackNews, Upload, VoiceNews,
};
use crate::ids::{ChannelId, GuildId, Reply, Ticket, Track, UserId};
use crate::library::Tags;
use crate::library::scan::{File, Listing};
use crate::queue::Origin;
use crate::room::Rules;

pub(super) const GUILD: GuildId = GuildId::new(1);
pub(super) const TEXT: ChannelId = ChannelId::new(10);
pub(super) const LOUNGE: ChannelId = ChannelId::new(20);
pub(super) const STAGE: ChannelId = ChannelId::new(21);
pub(super) const ANN: UserId = UserId::new(100);

pub(super) struct Stage {
    pub(super) core: Core,
    pub(super) now: Duration,
    pub(super) files: Vec<String>,
    /// Requests the host has not answered.
    pub(super) calls: VecDeque<(Ticket, Call)>,
    /// All requests ever made, without scanning and tags.
    pub(super) asked: Vec<Call>,
    /// What people saw: `say …`, `whisper …`, `defer`, `post …`, in order.
    pub(super) seen: Vec<String>,
    pub(super) warned: Vec<String>,
    pub(super) wakes: Vec<Duration>,
    pub(super) bot: Option<ChannelId>,
    pub(super) last_track: u64,
    last_reply: u64,
    /// Whether the host answers by itself.
    pub(super) willing: bool,
}

/// A stage whose library holds these files, with tags read. `bad…` is no sound; `broken…` has tags but
/// cannot be opened.
pub(super) fn stage(files: &[&str]) -> Stage {
    stage_with(files, |_| {})
}

pub(super) fn stage_with(files: &[&str], change: impl FnOnce(&mut Rules)) -> Stage {
    let mut rules = Rules {
        default_volume: 100,
        max_volume: 150,
        max_queue: 500,
        max_track: Duration::from_secs(3600),
        history: 50,
        crossfade: Duration::ZERO,
        vote_skip: 0.5,
        empty_pause: Duration::from_secs(30),
    };
    change(&mut rules);
    let now = Duration::from_secs(1000);
    let (core, actions) = Core::new(now, rules, vec!["/m".into()]);
    let mut stage = Stage {
        core,
        now,
        files: files.iter().map(|f| (*f).to_owned()).collect(),
        calls: VecDeque::new(),
        asked: Vec::new(),
        seen: Vec::new(),
        warned: Vec::new(),
        wakes: Vec::new(),
        bot: None,
        last_track: 0,
        last_reply: 0,
        willing: true,
    };
    stage.perform(actions);
    stage
}

impl Stage {
    pub(super) fn perform(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Defer(_) => self.seen.push("defer".to_owned()),
                Action::Answer { text, private, .. } => {
                    let how = if private { "whisper" } else { "say" };
                    self.seen.push(format!("{how} {text}"));
                }
                Action::Post(_, text) => self.seen.push(format!("post {text}")),
                Action::Call(ticket, call) => {
                    if !matches!(call, Call::List(_) | Call::Probe(_)) {
                        self.asked.push(call.clone());
                    }
                    self.calls.push_back((ticket, call));
                }
                Action::Wake(at) => self.wakes.push(at),
                Action::Warn(text) => self.warned.push(text),
            }
        }
        while self.willing
            && let Some((ticket, call)) = self.calls.pop_front()
        {
            self.serve(ticket, &call);
        }
    }

    pub(super) fn input(&mut self, input: Input) {
        let actions = self.core.handle(self.now, input);
        self.perform(actions);
    }

    pub(super) fn outcome(&mut self, ticket: Ticket, outcome: Outcome) {
        self.input(Input::Outcome(ticket, outcome));
    }

    /// What a well-behaved host does with a request.
    pub(super) fn serve(&mut self, ticket: Ticket, call: &Call) {
        let named = |origin: &Origin| match origin {
            Origin::File(path) => path.file_stem().unwrap().to_str().unwrap().to_owned(),
            Origin::Link(url) => url.clone(),
        };
        match call {
            Call::List(_) => {
                let names: Vec<&str> = self.files.iter().map(String::as_str).collect();
                self.outcome(ticket, Outcome::Listing(listing(&names)));
            }
            Call::Probe(origin) if named(origin).contains("bad") => {
                self.outcome(ticket, Outcome::Failed("it looks like text".to_owned()));
            }
            Call::Probe(origin) => {
                let minutes = if named(origin).contains("epic") {
                    120
                } else {
                    2
                };
                let length = Some(Duration::from_secs(60 * minutes));
                self.outcome(
                    ticket,
                    Outcome::Tags(Tags {
                        length,
                        ..Tags::default()
                    }),
                );
            }
            Call::Play { origin, .. } if named(origin).contains("broken") => {
                self.outcome(ticket, Outcome::Failed("the file is cut short".to_owned()));
            }
            Call::Play { paused, .. } => {
                self.last_track += 1;
                let track = Track::new(self.last_track);
                self.outcome(ticket, Outcome::Playing(track));
                if *paused {
                    return;
                }
                self.input(Input::Track(GUILD, track, TrackNews::Started));
            }
            Call::Join(_, channel) => {
                self.bot = Some(*channel);
                self.input(Input::Voice(GUILD, VoiceNews::Connected(*channel)));
                self.outcome(ticket, Outcome::Done);
            }
            Call::Leave(_) => {
                self.bot = None;
                self.input(Input::Voice(GUILD, VoiceNews::Ended("left".to_owned())));
                self.outcome(ticket, Outcome::Done);
            }
            Call::Position(_) => self.outcome(ticket, Outcome::Position(Duration::from_secs(61))),
            Call::Next { origin, .. } if named(origin).contains("broken") => {
                self.outcome(ticket, Outcome::Failed("the file is cut short".to_owned()));
            }
            Call::Next { .. } => {
                self.last_track += 1;
                self.outcome(ticket, Outcome::Playing(Track::new(self.last_track)));
            }
            Call::Pause(_)
            | Call::Resume(_)
            | Call::Stop(_)
            | Call::FadeOut(..)
            | Call::Gain(..)
            | Call::Repeat(..)
            | Call::Effect(..)
            | Call::Cancel(_) => {
                self.outcome(ticket, Outcome::Done);
            }
        }
    }

    /// Answers the oldest open request as a well-behaved host does; what follows stays open.
    pub(super) fn serve_one(&mut self) -> Call {
        let (ticket, call) = self.calls.pop_front().expect("a request is open");
        self.serve(ticket, &call);
        call
    }

    pub(super) fn fail_one(&mut self, reason: &str) {
        let (ticket, _) = self.calls.pop_front().expect("a request is open");
        self.outcome(ticket, Outcome::Failed(reason.to_owned()));
    }

    pub(super) fn caller(&mut self, voice: Option<ChannelId>) -> Caller {
        self.last_reply += 1;
        Caller {
            reply: Reply(self.last_reply),
            guild: Some(GUILD),
            text: TEXT,
            user: ANN,
            user_voice: voice,
            bot_voice: self.bot,
            is_dj: true,
            listeners: 1,
            at: self.now,
        }
    }

    /// Gives a command from the lounge and returns what was seen for it.
    pub(super) fn ask(&mut self, ask: Ask) -> Vec<String> {
        self.ask_from(Some(LOUNGE), ask)
    }

    pub(super) fn ask_from(&mut self, voice: Option<ChannelId>, ask: Ask) -> Vec<String> {
        let caller = self.caller(voice);
        let before = self.seen.len();
        self.input(Input::Command(caller, ask));
        self.seen[before..].to_vec()
    }

    pub(super) fn play(&mut self, query: &str) -> Vec<String> {
        self.ask(query_of(query))
    }

    pub(super) fn upload(&mut self, name: &str) -> Vec<String> {
        let file = Upload {
            url: format!("https://cdn/{name}"),
            name: name.to_owned(),
        };
        self.ask(Ask::Play {
            query: None,
            file: Some(file),
        })
    }

    pub(super) fn control(&mut self, control: Control) -> Vec<String> {
        self.ask(Ask::Control(control))
    }

    pub(super) fn news(&mut self, news: TrackNews) -> Vec<String> {
        let before = self.seen.len();
        self.input(Input::Track(GUILD, Track::new(self.last_track), news));
        self.seen[before..].to_vec()
    }

    pub(super) fn voice(&mut self, news: VoiceNews) -> Vec<String> {
        if let VoiceNews::Ended(_) = news {
            self.bot = None;
        }
        let before = self.seen.len();
        self.input(Input::Voice(GUILD, news));
        self.seen[before..].to_vec()
    }

    pub(super) fn pass(&mut self, time: Duration) -> Vec<String> {
        self.now += time;
        let before = self.seen.len();
        self.input(Input::Tick);
        self.seen[before..].to_vec()
    }

    /// News of a certain track.
    pub(super) fn track(&mut self, track: u64, news: TrackNews) -> Vec<String> {
        let before = self.seen.len();
        self.input(Input::Track(GUILD, Track::new(track), news));
        self.seen[before..].to_vec()
    }

    /// One track goes over into the next, as the engine tells it.
    pub(super) fn turn(&mut self, ended: u64, began: u64) {
        self.track(ended, TrackNews::Ended);
        self.track(began, TrackNews::Started);
    }

    /// The requests since the last look, in short: `next 1 b`, `cancel 2`, `play c`, `stop 1`.
    pub(super) fn wants(&mut self) -> Vec<String> {
        let name = |origin: &Origin| match origin {
            Origin::File(path) => path.file_stem().unwrap().to_str().unwrap().to_owned(),
            Origin::Link(url) => url.clone(),
        };
        let short = |call: Call| match call {
            Call::Play { origin, start, .. } if start.is_zero() => {
                format!("play {}", name(&origin))
            }
            Call::Play { origin, start, .. } => {
                format!("play {} at {}", name(&origin), start.as_secs())
            }
            Call::Next { after, origin, .. } => format!("next {} {}", after.get(), name(&origin)),
            Call::Cancel(track) => format!("cancel {}", track.get()),
            Call::Stop(track) => format!("stop {}", track.get()),
            Call::FadeOut(track, time) => format!("fade {} {} s", track.get(), time.as_secs()),
            Call::Repeat(track, again) => format!("repeat {} {again}", track.get()),
            other => format!("{other:?}"),
        };
        std::mem::take(&mut self.asked)
            .into_iter()
            .map(short)
            .collect()
    }

    /// The files the engine was asked to play, in order.
    pub(super) fn played(&self) -> Vec<String> {
        let name = |call: &Call| match call {
            Call::Play {
                origin: Origin::File(path),
                ..
            } => Some(path.file_name()?.to_str()?.to_owned()),
            Call::Play {
                origin: Origin::Link(url),
                ..
            } => Some(url.clone()),
            _ => None,
        };
        self.asked.iter().filter_map(name).collect()
    }
}

pub(super) fn listing(names: &[&str]) -> Listing {
    let file = |name: &&str| File {
        path: format!("/m/{name}").into(),
        stamp: (1, 1),
    };
    Listing {
        files: names.iter().map(file).collect(),
        cut_short: false,
    }
}

pub(super) fn query_of(query: &str) -> Ask {
    Ask::Play {
        query: Some(query.to_owned()),
        file: None,
    }
}
