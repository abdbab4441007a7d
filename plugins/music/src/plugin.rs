//! The core on the plugin SDK: commands and events go in, actions become requests to the host.

use std::collections::BTreeMap;
use std::time::Duration;

use mynah_plugin::{
    About, Choice, Cx, Diagnostic, Event, Interaction, Kind, Need, Plugin, Reply as Text, Result,
    Saved, TrackKind, VoiceKind, VoiceState,
};

use self::commands::ask;
pub use self::commands::commands;
use crate::calls::{Action, Ask, Caller, Input, TrackNews, VoiceNews};
use crate::config::Config;
use crate::core::{Core, Kept};
use crate::effect::Preset;
use crate::ids::{ChannelId, Reply};
use crate::{requests, says};

mod commands;
#[cfg(test)]
mod tests;

/// The music plugin: the core, and the interactions it has yet to answer.
pub struct Music {
    core: Core,
    open: BTreeMap<Reply, Line>,
    last_reply: u64,
    /// The host's clock when something last happened, for the moment of saving.
    seen: Duration,
}

/// The line to somebody who waits for an answer.
struct Line {
    asked: Interaction,
    state: LineState,
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
        Need::optional("chat.send", "to say when a track could not be played"),
        Need::optional(
            "fs.read:*",
            "to find and play the music in the `library` folders",
        ),
        Need::optional("net.http:*", "to fetch the files people upload with /play"),
    ]);

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
        match saved.map(|saved| saved.read::<Kept>()) {
            Some(Ok(kept)) => core.restore(kept),
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
        };
        music.perform(cx, actions);
        Ok(music)
    }

    fn event(&mut self, cx: &mut Cx<'_, Self>, event: Event<'_>) -> Result<()> {
        match event {
            Event::Interaction(asked) => match asked.kind() {
                Kind::Command => self.command(cx, asked),
                Kind::Autocomplete => self.autocomplete(cx, &asked),
                _ => cx.detach("an unknown button", asked.refuse(says::UNKNOWN_COMMAND)),
            },
            Event::Track(event) => {
                if let Some(news) = track_news(event.kind) {
                    self.input(cx, Input::Track(event.guild_id, event.track, news));
                }
            }
            Event::Voice(event) => {
                if let Some(news) = voice_news(event.kind) {
                    self.input(cx, Input::Voice(event.guild_id, news));
                }
            }
            Event::Lost(count) => {
                cx.warn(&format!("missed {count} events; a track may need a /skip"))
            }
            _ => {}
        }
        Ok(())
    }

    fn save(&mut self) -> Result<Saved> {
        Saved::json(&self.core.keep(self.seen))
    }
}

impl Music {
    fn command(&mut self, cx: &mut Cx<'_, Self>, asked: Interaction) {
        // The clock to the microsecond is dice enough for an order nobody should foresee.
        let Some(ask) = ask(&asked, cx.now_us()) else {
            return cx.detach("an unknown command", asked.refuse(says::UNKNOWN_COMMAND));
        };
        self.last_reply += 1;
        let caller = Caller {
            reply: Reply(self.last_reply),
            guild: asked.guild_id(),
            text: asked.channel_id().unwrap_or(ChannelId::new(0)), // Discord always names it
            user: asked.user_id(),
            user_voice: None,
            bot_voice: None,
            at: now(cx),
        };
        let Some(guild) = caller.guild else {
            return self.give(cx, caller, ask, asked);
        };
        let state = cx.voice().state(guild, caller.user);
        cx.spawn(
            state,
            move |music, cx, state: Result<VoiceState>| match state {
                Ok(VoiceState {
                    channel_id,
                    bot_channel_id,
                }) => {
                    let caller = Caller {
                        user_voice: channel_id,
                        bot_voice: bot_channel_id,
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
        self.open.insert(
            caller.reply,
            Line {
                asked,
                state: LineState::Fresh,
            },
        );
        self.input(cx, Input::Command(caller, ask));
    }

    fn autocomplete(&mut self, cx: &mut Cx<'_, Self>, asked: &Interaction) {
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
                    let outcome = requests::carry_out(cx.host(), call);
                    cx.spawn(outcome, move |music, cx, outcome| {
                        music.input(cx, Input::Outcome(ticket, outcome));
                    });
                }
                Action::Wake(at) => {
                    let sleep = cx.host().sleep(at.saturating_sub(now(cx)));
                    cx.spawn(sleep, |music, cx, _| music.input(cx, Input::Tick));
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
        cx.spawn(line.asked.defer(false), move |music, cx, result| {
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
        match line.state {
            LineState::Fresh if words.private => {
                cx.detach("an answer", line.asked.reply(text.ephemeral()));
            }
            LineState::Fresh => cx.detach("an answer", line.asked.reply(text)),
            // Who sees it was decided by the deferral (rest.md section 5).
            LineState::Deferred => cx.detach("a deferred answer", line.asked.edit(text)),
            LineState::Deferring(_) => {
                line.state = LineState::Deferring(Some(words));
                self.open.insert(reply, line);
            }
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
