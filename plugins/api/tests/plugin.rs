//! A plugin through the C table: start, events, async work, cancellation, panics.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    missing_docs
)]

use mynah_plugin::{
    About, Commands, Cx, Error, Event, GuildId, Host, Kind, Need, Opt, PlayOptions, Playable,
    Plugin, Reply, Result, Saved, Slash, Track, Why, abi,
    testing::{Answer, Request, Stage},
};
use serde_json::{Value, json};
use std::{cell::Cell, time::Duration};

struct Probe {
    count: u32,
    heard: Vec<String>,
}

#[derive(serde::Deserialize)]
struct Config {
    #[serde(default)]
    first: u32,
}

impl Plugin for Probe {
    const ABOUT: About = About::new("probe", "Probe", "1.2.3", "Does what tests tell it.")
        .events(&["MESSAGE_CREATE", "VOICE_STATE_UPDATE"])
        .intents(mynah_plugin::intents::GUILD_MESSAGES)
        .needs(&[
            Need::required("commands", "to be told"),
            Need::optional("voice.speak", "to play"),
        ]);
    type Config = Config;

    fn check(config: &Config) -> Vec<mynah_plugin::Diagnostic> {
        if config.first > 100 {
            return vec![mynah_plugin::Diagnostic::new("/first", "must be 0 to 100")];
        }
        Vec::new()
    }

    fn start(cx: &mut Cx<'_, Self>, config: Config, saved: Option<Saved>) -> Result<Self> {
        if config.first == 13 {
            return Err(Error::failed("13 brings bad luck"));
        }
        cx.set_commands(&Commands::new().slash(Slash::new("do", "Does it")))?;
        let count = match saved {
            Some(saved) => saved.read()?,
            None => config.first,
        };
        Ok(Self {
            count,
            heard: Vec::new(),
        })
    }

    fn event(&mut self, cx: &mut Cx<'_, Self>, event: Event<'_>) -> Result<()> {
        match event {
            Event::Interaction(asked) if asked.kind() == Kind::Autocomplete => {
                let (name, typed) = asked.focused().unwrap();
                let choice = mynah_plugin::Choice::new(format!("{name}={typed}"), typed);
                cx.detach("choices", asked.choices([choice]));
            }
            Event::Interaction(asked) => match asked.command() {
                "count" => {
                    self.count += 1;
                    cx.detach("reply", asked.reply(format!("{}", self.count)));
                }
                "play" => {
                    let voice = cx.voice();
                    let play = async move {
                        let state = voice.state(GuildId::new(1), asked.user_id()).await?;
                        let channel = state.channel_id.ok_or_else(|| Error::invalid("nowhere"))?;
                        voice.join(GuildId::new(1), channel).await?;
                        let what = Playable::Path("a.mp3".into());
                        let track = voice
                            .play(GuildId::new(1), what, PlayOptions::default())
                            .await;
                        asked.reply(Reply::text("playing").ephemeral()).await?;
                        track
                    };
                    cx.spawn(play, |me, _, track| me.heard.push(format!("{track:?}")));
                }
                "wait" => {
                    let host = cx.host();
                    let hurry = async move {
                        let mut slow = Box::pin(host.sleep(Duration::from_secs(60)));
                        // Polled once, then dropped: cancelled.
                        let polled = std::future::poll_fn(|cx| {
                            std::task::Poll::Ready(slow.as_mut().poll(cx).is_ready())
                        });
                        polled.await
                    };
                    cx.spawn(hurry, |me, _, ready| {
                        me.heard.push(format!("ready: {ready}"))
                    });
                }
                "leak" => {
                    LEAKED.set(Some(cx.host()));
                }
                "sing" => {
                    let song = cx.play_source(GuildId::new(1), Silence, PlayOptions::default());
                    self.heard.push(format!("{:?}", song.is_err()));
                    cx.detach(
                        "sing",
                        asked.reply(song.err().map_or_else(String::new, |e| e.to_string())),
                    );
                }
                "panic" => panic!("it was asked to"),
                "panic later" => {
                    let host = cx.host();
                    cx.spawn(
                        async move { host.sleep(Duration::ZERO).await },
                        |_, _, _| panic!("later"),
                    );
                }
                "heard" => {
                    cx.detach("reply", asked.reply(self.heard.join(", ")));
                }
                _ => return Err(Error::invalid("what?")),
            },
            Event::Discord(event) => {
                let data: Value = event.json()?;
                self.heard
                    .push(format!("{} {}", event.name(), data["content"]));
            }
            Event::Track(event) => self
                .heard
                .push(format!("{:?} {:?}", event.track, event.kind)),
            Event::Lost(n) => self.heard.push(format!("lost {n}")),
            other => self.heard.push(format!("{other:?}")),
        }
        Ok(())
    }

    fn save(&mut self) -> Result<Saved> {
        Saved::json(&self.count)
    }

    fn stop(self, cx: &mut Cx<'_, Self>, why: Why) {
        cx.info(&format!("stopped: {why:?}"));
    }
}

struct Silence;

impl mynah_plugin::Source for Silence {
    fn pull(
        &mut self,
        out: &mut mynah_plugin::audio::Block<'_>,
    ) -> Result<mynah_plugin::audio::Pull> {
        out.silence();
        Ok(mynah_plugin::audio::Pull::More)
    }
}

thread_local! {
    /// A handle that outlives its plugin, as one in a thread of the plugin's own might.
    static LEAKED: Cell<Option<Host>> = const { Cell::new(None) };
}

static ENTRY: abi::Entry = mynah_plugin::entry!(Probe);

fn yes(request: &Request) -> Answer {
    match request.kind.as_str() {
        "rest" => Answer::Done(Value::Null),
        _ => Answer::Later,
    }
}

fn stage() -> Stage {
    mynah_plugin::install_hook();
    let mut stage = Stage::start(&ENTRY, &json!({})).unwrap();
    stage.script(yes);
    stage
}

#[test]
fn a_command_changes_the_plugin_and_is_answered() {
    let mut stage = stage();
    assert_eq!(stage.commands()[0]["name"], "do");
    stage.command("count", json!({}));
    stage.command("count", json!({}));
    assert_eq!(stage.said(), ["1", "2"]);
}

#[test]
fn a_reply_is_posted_to_the_interactions_callback_and_pings_nobody() {
    let mut stage = stage();
    stage.command("count", json!({}));
    let requests = stage.requests();
    assert_eq!(requests[0].args["method"], "POST");
    assert_eq!(requests[0].args["path"], "/interactions/1/token1/callback");
    let body =
        json!({ "type": 4, "data": { "content": "1", "allowed_mentions": { "parse": [] } } });
    assert_eq!(requests[0].args["body"], body);
}

#[test]
fn autocomplete_sees_what_is_typed_and_offers_choices() {
    let mut stage = stage();
    stage.autocomplete("play", json!({ "query": "so" }), "query");
    let body = json!({ "type": 8, "data": { "choices": [{ "name": "query=so", "value": "so" }] } });
    assert_eq!(stage.requests()[0].args["body"], body);
}

#[test]
fn async_work_goes_step_by_step_and_comes_home() {
    let mut stage = stage();
    stage.command("play", json!({}));
    let state = stage.requests();
    assert_eq!((state.len(), state[0].kind.as_str()), (1, "voice.state"));
    stage.answer(
        state[0].op,
        Ok(json!({ "channel_id": "42", "bot_channel_id": null })),
    );
    let join = stage.requests();
    assert_eq!(join[0].args, json!({ "guild_id": "1", "channel_id": "42" }));
    stage.answer(join[0].op, Ok(Value::Null));
    let play = stage.requests();
    assert_eq!(play[0].args["path"], "a.mp3");
    stage.answer(play[0].op, Ok(json!({ "track": 7 })));
    let reply = stage.requests();
    assert_eq!(reply[0].args["body"]["data"]["flags"], 64);
    stage.event(
        "mynah.track",
        &json!({ "guild_id": "1", "track": 7, "kind": "ended" }),
    );
    stage.command("heard", json!({}));
    let track = Track::new(7);
    assert_eq!(stage.said(), [format!("Ok({track:?}), {track:?} Ended")]);
}

#[test]
fn a_refused_op_arrives_as_the_error_it_was() {
    let mut stage = stage();
    stage.command("play", json!({}));
    let op = stage.requests()[0].op;
    stage.answer(op, Err(Error::Denied("no voice.speak".into())));
    stage.command("heard", json!({}));
    assert!(
        stage.said()[0].contains("Denied"),
        "the spawned work saw the refusal"
    );
}

#[test]
fn dropping_a_call_cancels_its_op() {
    let mut stage = stage();
    stage.command("wait", json!({}));
    let timer = stage.requests()[0].clone();
    assert_eq!(
        (timer.kind.as_str(), &timer.args),
        ("timer", &json!({ "ms": 60_000 }))
    );
    assert_eq!(stage.cancelled(), [timer.op]);
    stage.command("heard", json!({}));
    assert_eq!(stage.said(), ["ready: false"]);
}

#[test]
fn destroying_a_plugin_cancels_what_it_waits_for() {
    let mut stage = stage();
    stage.command("play", json!({}));
    let op = stage.requests()[0].op;
    assert_eq!(stage.cancelled(), [0; 0]);
    // Only the instance goes; what it told the host remains to be looked at.
    let cancelled = stage.destroy();
    assert_eq!(cancelled, [op]);
}

#[test]
fn a_panic_is_caught_named_with_its_place_and_ends_the_instance_only() {
    let mut stage = stage();
    stage.command("panic", json!({}));
    let failed = stage.failed().expect("the host was told");
    assert!(
        failed.starts_with("plugin probe panicked with `it was asked to` at "),
        "{failed}"
    );
    assert!(failed.contains("plugin.rs:"), "{failed}");
    stage.command("count", json!({}));
    assert_eq!(stage.requests(), [], "a dead instance is not called again");
    assert_eq!(stage.save(), Err(Error::Panicked("no reason given".into())));
}

#[test]
fn a_panic_in_async_work_is_caught_too() {
    let mut stage = stage();
    stage.command("panic later", json!({}));
    assert_eq!(stage.failed(), None);
    let op = stage.requests()[0].op;
    stage.answer(op, Ok(Value::Null));
    assert!(stage.failed().unwrap().contains("`later`"));
}

#[test]
fn events_reach_the_plugin_with_their_json_untouched() {
    let mut stage = stage();
    stage.event(
        "MESSAGE_CREATE",
        &json!({ "guild_id": "1", "content": "hi" }),
    );
    stage.event("mynah.lost", &json!({ "n": 3 }));
    stage.event(
        "mynah.voice",
        &json!({ "guild_id": "1", "kind": "moved", "channel_id": "8" }),
    );
    stage.command("heard", json!({}));
    let said = stage.said();
    assert!(
        said[0].starts_with("MESSAGE_CREATE \"hi\", lost 3, Voice("),
        "{said:?}"
    );
    assert!(said[0].contains("Moved(ChannelId(8))"), "{said:?}");
}

#[test]
fn state_survives_into_the_next_instance() {
    let mut stage = stage();
    stage.command("count", json!({}));
    let saved = stage.save().unwrap();
    let mut next = Stage::start_from(&ENTRY, &json!({}), &saved).unwrap();
    next.script(yes);
    next.command("count", json!({}));
    assert_eq!(next.said(), ["2"]);
}

#[test]
fn an_event_that_fails_is_logged_and_the_plugin_goes_on() {
    let mut stage = stage();
    stage.command("nonsense", json!({}));
    assert_eq!(
        stage.log(),
        ["INTERACTION_CREATE could not be handled: what?"]
    );
    stage.command("count", json!({}));
    assert_eq!(stage.said(), ["1"]);
}

#[test]
fn a_start_that_fails_says_why() {
    let failed = Stage::start(&ENTRY, &json!({ "first": 13 })).err();
    assert_eq!(failed, Some(Error::Failed("13 brings bad luck".into())));
    let failed = Stage::start(&ENTRY, &json!({ "frist": 1 })).err();
    let words = "/frist: unknown key `frist` (did you mean `first`?)";
    assert_eq!(failed, Some(Error::Invalid(words.into())));
}

#[test]
fn stop_is_told_why() {
    let mut stage = stage();
    stage.stop(Why::Reload);
    assert_eq!(stage.log(), ["stopped: Reload"]);
}

#[test]
fn commands_that_discord_would_refuse_are_refused_with_every_reason() {
    let slash = Slash::new("Play", "")
        .option(Opt::text("a", "x").autocomplete().choice("b", "b"))
        .option(Opt::user("a", "x").required());
    let wrong = Commands::new().slash(slash).check().join("\n");
    for part in [
        "small letters",
        "1 to 100 characters",
        "exclude each other",
        "after an optional",
        "two times the option `a`",
    ] {
        assert!(wrong.contains(part), "`{part}` is missing from:\n{wrong}");
    }
}

#[test]
fn commands_are_written_in_discords_json() {
    let slash = Slash::new("record", "Records")
        .default_member_permissions(0)
        .subcommand(
            Slash::new("start", "Begins").option(Opt::integer("minutes", "How long").range(1, 60)),
        );
    let json = Commands::new().slash(slash).to_json();
    let expected = json!([{
        "type": 1, "name": "record", "description": "Records", "contexts": [0],
        "default_member_permissions": "0",
        "options": [{
            "type": 1, "name": "start", "description": "Begins",
            "options": [{
                "type": 4, "name": "minutes", "description": "How long",
                "min_value": 1, "max_value": 60,
            }],
        }],
    }]);
    assert_eq!(json, expected);
}

#[test]
fn a_handle_that_outlives_its_plugin_does_nothing() {
    let mut stage = stage();
    stage.set_now_us(5);
    stage.command("leak", json!({}));
    let host = LEAKED.take().unwrap();
    assert_eq!(host.now_us(), 5);
    drop(stage);
    assert_eq!(host.now_us(), 0);
    host.log(abi::LOG_INFO, "nobody hears this");
}

/// Polls once, for futures that are ready or never will be.
fn once<T>(call: impl Future<Output = T>) -> Option<T> {
    let mut call = Box::pin(call);
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    match call.as_mut().poll(&mut cx) {
        std::task::Poll::Ready(value) => Some(value),
        std::task::Poll::Pending => None,
    }
}

#[test]
fn an_op_awaited_on_a_foreign_thread_is_refused_in_words() {
    let mut stage = stage();
    stage.command("leak", json!({}));
    let host = LEAKED.take().unwrap();
    let foreign = std::thread::spawn(move || once(host.sleep(Duration::ZERO)));
    let Some(Err(Error::Invalid(words))) = foreign.join().unwrap() else {
        unreachable!()
    };
    assert!(words.contains("Cx::spawn"), "{words}");
    assert_eq!(stage.requests(), []);
}

#[test]
fn own_sound_is_pulled_until_its_track_is_stopped() {
    let mut stage = stage();
    stage.command("sing", json!({}));
    let sources = stage.sources();
    let (track, guild, options) = &sources[0];
    assert_eq!((*guild, &options["gain"]), (GuildId::new(1), &json!(1.0)));
    for _ in 0..3 {
        assert_eq!(stage.pull(*track), Some(vec![0.0; 1920]));
    }
    stage.stop_source(*track);
    assert_eq!(stage.pull(*track), None);
    assert!(stage.sources().is_empty());
}
