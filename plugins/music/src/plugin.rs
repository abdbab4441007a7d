//! The core on the plugin SDK: commands and events go in, actions become requests to the host.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use mynah_plugin::{
    About, Choice, Cx, Diagnostic, Event, GuildId, Interaction, Kind, MessageId, Need, Plugin,
    Reply as Text, Result, RoleId, Saved, Tier, Track, TrackKind, VoiceKind, VoiceState, intents,
};
use serde::{Deserialize, Serialize};

use self::cards::Shown;
pub use self::commands::commands;
use self::commands::{ask, pressed};
use crate::calls::{Action, Ask, Caller, Control, Input, TrackNews, VoiceNews};
use crate::config::Config;
use crate::core::{Core, Kept, Left};
use crate::effect::Preset;
use crate::ids::{ChannelId, Reply};
use crate::{requests, says};

mod audience;
mod cards;
mod commands;
mod inherit;
mod playlists;
#[cfg(test)]
mod tests;

/// The music plugin: the core, and the interactions it has yet to answer.
pub struct Music {
    core: Core,
    open: BTreeMap<Reply, Line>,
    last_reply: u64,
    /// The host's clock when something last happened, for the moment of saving.
    seen: Duration,
    dj_roles: Vec<RoleId>,
    cards: BTreeMap<GuildId, Shown>,
    /// Something wakes it every few seconds, for the place that is saved and the bars of the cards.
    ticking: bool,
    /// Tracks of the instance before that play still, to be taken up instead of playing anew.
    inherited: BTreeMap<GuildId, Track>,
    /// Answers to buttons of a card that is just being changed.
    held: Vec<(Reply, Words)>,
    /// Playlists that are being saved or thrown away.
    changing: BTreeSet<String>,
    /// Channels where somebody is being looked for, and whether to look once more.
    looking: BTreeMap<(GuildId, ChannelId), bool>,
}

/// How often the place is saved while something plays.
const TICK: Duration = Duration::from_secs(5);

/// What outlives the plugin: the core's part, and where the cards are.
#[derive(Serialize, Deserialize)]
struct Memory {
    #[serde(flatten)]
    kept: Kept,
    #[serde(default)]
    cards: Vec<(GuildId, ChannelId, MessageId)>,
    #[serde(default)]
    tracks: Vec<Left>,
}

/// The line to somebody who waits for an answer.
struct Line {
    asked: Interaction,
    kind: LineKind,
    state: LineState,
}

/// How somebody asked.
#[derive(Clone, Copy, PartialEq, Eq)]
enum LineKind {
    Command,
    /// `/nowplaying`: the answer is a card.
    Card,
    /// A button of a card: the answer is the card as it is now.
    Button,
    /// The button that shows the queue to the one who presses it.
    Look,
}

enum LineState {
    /// Discord has heard nothing yet.
    Fresh,
    /// "Thinking" is on its way; an answer that overtakes it would be lost, so it waits here.
    Deferring(Option<Words>),
    /// "Thinking" is shown.
    Deferred,
}

/// An answer.
struct Words {
    text: String,
    private: bool,
}

impl Plugin for Music {
    const ABOUT: About = About::new(
        "music",
        "Music",
        env!("CARGO_PKG_VERSION"),
        "Plays music from folders and uploads in voice channels.",
    )
    .needs(&[
        Need::required("voice.speak", "to play in voice channels"),
        Need::required("commands", "to offer /play and the other commands"),
        Need::optional(
            "chat.send",
            "to say when a track could not be played, and to keep the card up to date",
        ),
        Need::optional("store", "to keep playlists"),
        Need::optional(
            "gateway.events:VOICE_STATE_UPDATE",
            "to notice at once when the last listener goes and the first one comes",
        ),
        Need::optional(
            "fs.read:*",
            "to find and play the music in the `library` folders",
        ),
        Need::optional("net.http:*", "to fetch the files people upload with /play"),
    ])
    .intents(intents::GUILDS | intents::GUILD_VOICE_STATES)
    .events(&["VOICE_STATE_UPDATE"])
    .keeps_tracks();

    type Config = Config;

    fn check(config: &Config) -> Vec<Diagnostic> {
        let wrongs = config.wrongs().into_iter();
        wrongs
            .map(|wrong| Diagnostic::new(wrong.pointer, wrong.text))
            .collect()
    }

    fn start(cx: &mut Cx<'_, Self>, config: Config, saved: Option<Saved>) -> Result<Self> {
        cx.set_commands(&commands())?;
        let (mut core, actions) = Core::new(now(cx), config.rules(), config.library);
        let mut cards = BTreeMap::new();
        let mut left = Vec::new();
        let saved = saved.filter(|saved| !saved.as_bytes().is_empty());
        match saved.map(|saved| saved.read::<Memory>()) {
            Some(Ok(memory)) => {
                core.restore(memory.kept);
                left = memory.tracks;
                let known = memory.cards.into_iter();
                cards.extend(
                    known.map(|(guild, channel, message)| {
                        (guild, Shown::new(channel, message, None))
                    }),
                );
            }
            Some(Err(error)) => {
                cx.warn(&format!("the queues of last time cannot be read: {error}"))
            }
            None => {}
        }
        let mut music = Self {
            core,
            open: BTreeMap::new(),
            last_reply: 0,
            seen: now(cx),
            dj_roles: config.dj_roles,
            cards,
            ticking: false,
            inherited: BTreeMap::new(),
            held: Vec::new(),
            changing: BTreeSet::new(),
            looking: BTreeMap::new(),
        };
        // Before anything is played: a number of an earlier run cannot be one of ours yet.
        music.inherit(cx, left);
        music.perform(cx, actions);
        music.come_back(cx);
        Ok(music)
    }

    fn event(&mut self, cx: &mut Cx<'_, Self>, event: Event<'_>) -> Result<()> {
        match event {
            Event::Interaction(asked) => match asked.kind() {
                Kind::Command => self.command(cx, asked),
                Kind::Autocomplete => self.autocomplete(cx, asked),
                Kind::Component => self.pressed(cx, asked),
                _ => cx.detach("an unknown button", asked.refuse(says::UNKNOWN_COMMAND)),
            },
            Event::Track(event) => {
                self.forget(event.track, &event.kind);
                if let Some(news) = track_news(event.kind) {
                    self.input(cx, Input::Track(event.guild_id, event.track, news));
                }
            }
            Event::Voice(event) => {
                if let Some(news) = voice_news(event.kind) {
                    self.input(cx, Input::Voice(event.guild_id, news));
                }
            }
            Event::Discord(told) if told.name() == "VOICE_STATE_UPDATE" => {
                self.look_around(cx, told.guild_id());
            }
            Event::Lost(count) => {
                cx.warn(&format!("missed {count} events; a track may need a /skip"))
            }
            _ => {}
        }
        Ok(())
    }

    fn save(&mut self) -> Result<Saved> {
        let cards = self.cards.iter();
        Saved::json(&Memory {
            kept: self.core.keep(self.seen),
            cards: cards
                .map(|(guild, shown)| (*guild, shown.channel, shown.message))
                .collect(),
            tracks: self.core.tracks(),
        })
    }
}

impl Music {
    /// Asks who is still where something played before a restart, and goes on there.
    fn come_back(&mut self, cx: &mut Cx<'_, Self>) {
        for (guild, channel) in self.core.comebacks() {
            let others = cx.voice().others(guild, channel);
            cx.spawn(others, move |music: &mut Self, cx, others| {
                let somebody = others.is_ok_and(|others| !others.is_empty());
                let actions = music.core.come_back(guild, somebody);
                if !music.core.plays_in(guild) {
                    music.let_go(cx, guild);
                }
                music.perform(cx, actions);
                music.settle(cx);
            });
        }
    }

    fn command(&mut self, cx: &mut Cx<'_, Self>, asked: Interaction) {
        if asked.command().starts_with("playlist ") {
            return self.playlist(cx, asked);
        }
        // The clock to the microsecond is dice enough for an order nobody should foresee.
        let Some(ask) = ask(&asked, cx.now_us()) else {
            return cx.detach("an unknown command", asked.refuse(says::UNKNOWN_COMMAND));
        };
        self.meet(cx, asked, ask);
    }

    fn pressed(&mut self, cx: &mut Cx<'_, Self>, asked: Interaction) {
        match pressed(asked.action(), cx.now_us()) {
            Some(ask) => self.meet(cx, asked, ask),
            None => cx.detach("an unknown button", asked.refuse(says::UNKNOWN_COMMAND)),
        }
    }

    /// Named as one of those who decide for all: here, or for the whole bot.
    fn is_named_dj(&self, asked: &Interaction) -> bool {
        let mut roles = asked.roles().iter();
        asked.manages()
            || asked.tier() == Some(Tier::Dj)
            || roles.any(|role| self.dj_roles.contains(role))
    }

    /// Decides for all, if only because nobody is named.
    fn is_dj(&self, asked: &Interaction) -> bool {
        (self.dj_roles.is_empty() && asked.decides()) || self.is_named_dj(asked)
    }

    /// Finds out where everybody is, then hands over what was asked for.
    fn meet(&mut self, cx: &mut Cx<'_, Self>, asked: Interaction, ask: Ask) {
        self.last_reply += 1;
        let caller = Caller {
            reply: Reply(self.last_reply),
            guild: asked.guild_id(),
            text: asked.channel_id().unwrap_or(ChannelId::new(0)), // Discord always names it
            user: asked.user_id(),
            user_voice: None,
            bot_voice: None,
            is_dj: self.is_dj(&asked),
            listeners: 1,
            at: now(cx),
        };
        let Some(guild) = caller.guild else {
            return self.give(cx, caller, ask, asked);
        };
        let (voice, user, counts) = (cx.voice(), caller.user, !caller.is_dj);
        let about = async move {
            let state = voice.state(guild, user).await?;
            let listeners = match state.bot_channel_id.filter(|_| counts) {
                Some(channel) => voice.others(guild, channel).await?.len(),
                None => 1,
            };
            Ok((state, listeners))
        };
        cx.spawn(
            about,
            move |music, cx, about: Result<(VoiceState, usize)>| match about {
                Ok((state, listeners)) => {
                    let caller = Caller {
                        user_voice: state.channel_id,
                        bot_voice: state.bot_channel_id,
                        listeners,
                        ..caller
                    };
                    music.give(cx, caller, ask, asked);
                }
                Err(error) => {
                    cx.warn(&format!(
                        "cannot tell who is in which voice channel: {error}"
                    ));
                    cx.detach("an answer", asked.refuse(says::refused(&error.to_string())));
                }
            },
        );
    }

    fn give(&mut self, cx: &mut Cx<'_, Self>, caller: Caller, ask: Ask, asked: Interaction) {
        let kind = match (asked.kind(), &ask) {
            (Kind::Component, Ask::Control(Control::Queue)) => LineKind::Look,
            (Kind::Component, _) => LineKind::Button,
            (_, Ask::Control(Control::NowPlaying)) => LineKind::Card,
            _ => LineKind::Command,
        };
        self.open.insert(
            caller.reply,
            Line {
                asked,
                kind,
                state: LineState::Fresh,
            },
        );
        self.input(cx, Input::Command(caller, ask));
    }

    fn autocomplete(&mut self, cx: &mut Cx<'_, Self>, asked: Interaction) {
        if asked.command().starts_with("playlist ") {
            return self.offer_lists(cx, asked);
        }
        let typed = asked.focused().map_or("", |(_, typed)| typed);
        if asked.command() == "filter" {
            let choices = Preset::offers(typed).map(|preset| {
                let label = format!("{}: {}", preset.name(), preset.about());
                Choice::new(label, preset.name())
            });
            return cx.detach("offering filters", asked.choices(choices));
        }
        let offers = self.core.offers(asked.guild_id(), typed);
        let choices = offers
            .into_iter()
            .map(|offer| Choice::new(offer.label, offer.id));
        cx.detach("offering titles", asked.choices(choices));
        let actions = self.core.freshen(now(cx));
        self.perform(cx, actions);
    }

    fn input(&mut self, cx: &mut Cx<'_, Self>, input: Input) {
        self.seen = now(cx);
        let actions = self.core.handle(self.seen, input);
        self.perform(cx, actions);
        self.settle(cx);
    }

    /// After every change: cards are made true, and while something plays the clock is looked at.
    fn settle(&mut self, cx: &mut Cx<'_, Self>) {
        self.refresh_cards(cx);
        if self.ticking || !self.core.plays() {
            return;
        }
        self.ticking = true;
        let sleep = cx.host().sleep(TICK);
        cx.spawn(sleep, |music: &mut Self, cx, _| {
            music.ticking = false;
            music.input(cx, Input::Tick);
            music.look_around(cx, None);
        });
    }

    fn perform(&mut self, cx: &mut Cx<'_, Self>, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Defer(reply) => self.defer(cx, reply),
                Action::Answer {
                    reply,
                    text,
                    private,
                } => {
                    self.answer(cx, reply, Words { text, private });
                }
                Action::Post(channel, text) => {
                    let path = format!("/channels/{channel}/messages");
                    let post = cx.host().rest("POST", &path, Text::text(text).to_json());
                    cx.detach("a message about the music", post);
                }
                Action::Call(ticket, call) => {
                    let Some(call) = self.take_up(cx, ticket, call) else {
                        continue;
                    };
                    let outcome = requests::carry_out(cx.host(), call);
                    cx.spawn(outcome, move |music, cx, outcome| {
                        music.input(cx, Input::Outcome(ticket, outcome));
                    });
                }
                Action::Wake(at) => {
                    let sleep = cx.host().sleep(at.saturating_sub(now(cx)));
                    cx.spawn(sleep, |music, cx, _| {
                        music.input(cx, Input::Tick);
                        music.look_around(cx, None);
                    });
                }
                Action::Warn(text) => cx.warn(&text),
            }
        }
    }

    fn defer(&mut self, cx: &mut Cx<'_, Self>, reply: Reply) {
        let Some(line) = self.open.get_mut(&reply) else {
            return;
        };
        line.state = LineState::Deferring(None);
        // Not ephemeral: what takes long is what goes well, and that is for everybody.
        let deferred = match line.kind {
            LineKind::Button => line.asked.defer_update(),
            _ => line.asked.defer(false),
        };
        cx.spawn(deferred, move |music, cx, result| {
            if let Err(error) = result {
                error.log(cx, "saying that an answer takes a while");
            }
            let Some(line) = music.open.get_mut(&reply) else {
                return;
            };
            match std::mem::replace(&mut line.state, LineState::Deferred) {
                LineState::Deferring(Some(words)) => music.answer(cx, reply, words),
                LineState::Deferring(None) | LineState::Fresh | LineState::Deferred => {}
            }
        });
    }

    fn answer(&mut self, cx: &mut Cx<'_, Self>, reply: Reply, words: Words) {
        let Some(mut line) = self.open.remove(&reply) else {
            return;
        };
        let text = Text::text(words.text.as_str());
        match (line.state, line.kind) {
            (LineState::Deferring(_), _) => {
                line.state = LineState::Deferring(Some(words));
                self.open.insert(reply, line);
            }
            (state, LineKind::Button) if !words.private && self.is_changing(&line.asked) => {
                line.state = state;
                self.hold(cx, reply, line, words);
            }
            (state, LineKind::Button) if !words.private => {
                self.press_answered(cx, &line.asked, &state)
            }
            (LineState::Deferred, LineKind::Button) => {
                cx.detach("an answer", line.asked.followup(text.ephemeral()));
            }
            (LineState::Fresh, LineKind::Button | LineKind::Look) => {
                cx.detach("an answer", line.asked.reply(text.ephemeral()));
            }
            (LineState::Fresh, LineKind::Card) if !words.private => {
                self.show_card(cx, line.asked, words.text);
            }
            (LineState::Fresh, _) if words.private => {
                cx.detach("an answer", line.asked.reply(text.ephemeral()));
            }
            (LineState::Fresh, _) => cx.detach("an answer", line.asked.reply(text)),
            // Who sees it was decided by the deferral (rest.md section 5).
            (LineState::Deferred, _) => cx.detach("a deferred answer", line.asked.edit(text)),
        }
    }
}

/// The host's clock.
fn now(cx: &Cx<'_, Music>) -> Duration {
    Duration::from_micros(cx.now_us())
}

fn track_news(kind: TrackKind) -> Option<TrackNews> {
    Some(match kind {
        TrackKind::Started => TrackNews::Started,
        TrackKind::Ended => TrackNews::Ended,
        TrackKind::Stopped => TrackNews::Stopped,
        TrackKind::Failed(reason) => TrackNews::Failed(reason),
        _ => return None, // a stall mends itself
    })
}

fn voice_news(kind: VoiceKind) -> Option<VoiceNews> {
    Some(match kind {
        VoiceKind::Connected(channel) => VoiceNews::Connected(channel),
        VoiceKind::Moved(channel) => VoiceNews::Moved(channel),
        VoiceKind::Lost => VoiceNews::Lost,
        VoiceKind::Resumed => VoiceNews::Resumed,
        VoiceKind::Ended(reason) => VoiceNews::Ended(reason),
        _ => return None,
    })
}
