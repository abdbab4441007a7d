//! The town, as plugins use it.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use mynah_plugin::audio::{Block, Pull};
use mynah_plugin::{
    About, ChannelId, Choice, Commands, Cx, Event, GuildId, Heard, Interaction, Kind, Need, Opt,
    PlayOptions, Plugin, Reply, Result, Saved, Sink, Slash, Source, UserId, Want, abi,
};
use serde_json::{Value, json};

use super::{Said, Town};

/// What the parrot's ears counted, by the half of the tests that listens: one test has ears.
static WORDS: AtomicU64 = AtomicU64::new(0);

/// Does a little of everything.
struct Parrot {
    voice: Vec<&'static str>,
}

/// 440 Hz until it is stopped.
struct Tone;

impl Source for Tone {
    fn pull(&mut self, out: &mut Block<'_>) -> Result<Pull> {
        let first = out.frame();
        for (at, frame) in out.samples().chunks_exact_mut(2).enumerate() {
            let time_s = (first + at as u64) as f64 / 48_000.0;
            frame.fill(0.25 * (time_s * 440.0 * core::f64::consts::TAU).sin() as f32);
        }
        Ok(Pull::More)
    }
}

struct Ears(u64);

impl Sink for Ears {
    fn heard(&mut self, heard: &Heard<'_>) {
        let loud = heard.voices().filter(|voice| {
            voice.user == UserId::new(self.0) && voice.level_dbfs > -30.0 && voice.pcm.is_some()
        });
        WORDS.fetch_add(loud.count() as u64, Ordering::Relaxed);
    }
}

impl Parrot {
    fn command(&mut self, cx: &mut Cx<'_, Self>, asked: &Interaction) -> Result<()> {
        let guild = asked.guild_id().unwrap_or(GuildId::new(0));
        match asked.command() {
            "parrot show" => {
                let row = json!({ "type": 1, "components": [
                    { "type": 2, "style": 1, "label": "More", "custom_id": "parrot:more" },
                    { "type": 2, "style": 1, "label": "Form", "custom_id": "parrot:form" },
                ]});
                let menu = json!({ "type": 1, "components": [{
                    "type": 3, "custom_id": "parrot:pick",
                    "options": [{ "label": "Red", "value": "red" }, { "label": "Blue", "value": "blue" }],
                }]});
                let reply = Reply::text("Here.").components(vec![row, menu]);
                cx.detach("show", asked.reply(reply));
            }
            "parrot sing" => {
                let channel = asked.channel("channel").unwrap_or(ChannelId::new(0));
                let join = cx.voice().join(guild, channel);
                let asked = asked.clone();
                cx.detach("defer", asked.defer(false));
                cx.spawn(join, move |_, cx, joined| {
                    let sung =
                        joined.and_then(|()| cx.play_source(guild, Tone, PlayOptions::default()));
                    let words = sung.map_or_else(|error| error.to_string(), |_| "la".to_owned());
                    cx.detach("sing", asked.edit(words));
                });
            }
            "parrot hear" => {
                let want = Want {
                    pcm: true,
                    ..Want::default()
                };
                let ears = Ears(asked.user_id().get());
                let heard = cx.listen(guild, want, ears);
                let words = heard.map_or_else(|error| error.to_string(), |_| "all ears".to_owned());
                cx.detach("hear", asked.reply(words));
            }
            "parrot later" => {
                let host = cx.host();
                cx.detach("defer", asked.defer(true));
                let asked = asked.clone();
                let wait = async move { host.sleep(Duration::from_secs(20)).await };
                cx.spawn(wait, move |_, cx, _| cx.detach("later", asked.edit("Now.")));
            }
            "parrot voice" => cx.detach("voice", asked.reply(self.voice.join(" "))),
            _ => {}
        }
        Ok(())
    }
}

impl Plugin for Parrot {
    const ABOUT: About = About::new("parrot", "Parrot", "1.0.0", "Does a little of everything.")
        .needs(&[
            Need::required("commands", "to be asked"),
            Need::optional("voice.speak", "to sing"),
            Need::optional("voice.listen", "to hear"),
        ]);
    type Config = Value;

    fn start(cx: &mut Cx<'_, Self>, _: Value, _: Option<Saved>) -> Result<Self> {
        let channel = Opt::channel("channel", "Where").required();
        let word = Opt::text("word", "Which").autocomplete();
        let parrot = Slash::new("parrot", "Parrot")
            .subcommand(Slash::new("show", "Shows buttons"))
            .subcommand(Slash::new("sing", "Sings").option(channel))
            .subcommand(Slash::new("hear", "Hears"))
            .subcommand(Slash::new("later", "Takes its time"))
            .subcommand(Slash::new("voice", "What happened").option(word))
            .subcommand(Slash::new("silent", "Says nothing"));
        cx.set_commands(&Commands::new().slash(parrot))?;
        Ok(Self { voice: Vec::new() })
    }

    fn event(&mut self, cx: &mut Cx<'_, Self>, event: Event<'_>) -> Result<()> {
        let asked = match event {
            Event::Interaction(asked) => asked,
            Event::Voice(event) => {
                self.voice.push(match event.kind {
                    mynah_plugin::VoiceKind::Connected(_) => "in",
                    mynah_plugin::VoiceKind::Lost => "lost",
                    mynah_plugin::VoiceKind::Resumed => "back",
                    mynah_plugin::VoiceKind::Ended(_) => "out",
                    _ => return Ok(()),
                });
                return Ok(());
            }
            _ => return Ok(()),
        };
        match (asked.kind(), asked.action()) {
            (Kind::Command, _) => self.command(cx, &asked)?,
            (Kind::Autocomplete, _) => {
                cx.detach("words", asked.choices([Choice::new("Polly", "polly")]));
            }
            (_, "more") => cx.detach("more", asked.update("More.")),
            (_, "pick") => cx.detach("pick", asked.reply(asked.values().join(","))),
            (Kind::Modal, _) => {
                let word = asked.field("word").unwrap_or("nothing").to_owned();
                cx.detach("form", asked.reply(format!("You said {word}.")));
            }
            (_, "form") => cx.detach("form", asked.modal(json!({
                "custom_id": "parrot:said", "title": "Say", "components": [{ "type": 1,
                    "components": [{ "type": 4, "custom_id": "word", "label": "Word", "style": 1 }],
                }],
            }))),
            _ => {}
        }
        Ok(())
    }
}

static PARROT: abi::Entry = mynah_plugin::entry!(Parrot);

fn town() -> Town {
    let mut town = Town::new();
    town.bot(&PARROT, json!({}));
    town
}

#[test]
fn buttons_menus_forms_and_autocompletion_are_pressed_by_people() {
    let mut town = town();
    let (ann, bob) = (town.user("ann"), town.user("bob"));
    assert_eq!(town.command(ann, "parrot show", json!({})).text(), "Here.");
    assert_eq!(town.choose(bob, "pick", &["blue"]).text(), "blue");
    let form = town.press(bob, "form");
    let said = town.submit(bob, &form, json!({ "word": "hello" }));
    assert_eq!(said.text(), "You said hello.");
    town.press(ann, "parrot:more");
    let contents = town.messages();
    let texts: Vec<&str> = contents
        .iter()
        .filter_map(|m| m["content"].as_str())
        .collect();
    assert_eq!(texts, ["More.", "blue", "You said hello."]);
    let choices = town.autocomplete(ann, "parrot voice", json!({ "word": "p" }), "word");
    assert_eq!(choices.choices(), ["Polly"]);
}

#[test]
fn what_a_bot_promises_comes_after_twenty_seconds_and_what_it_forgets_is_said() {
    let mut town = town();
    let ann = town.user("ann");
    let later = town.command(ann, "parrot later", json!({}));
    assert!(later.is_private() && later.text() == "Now.", "{later:?}");
    // The host answers in the place of a plugin that does not.
    let silent = town.command(ann, "parrot silent", json!({}));
    assert!(silent.text().contains("parrot"), "{silent:?}");
    assert!(
        town.command(ann, "parroting", json!({}))
            .refused()
            .is_some()
    );
}

#[test]
fn a_person_hears_the_bot_without_a_gap_and_another_channel_hears_nothing() {
    let mut town = town();
    let (ann, bob) = (town.user("ann"), town.user("bob"));
    town.joins(ann, 0);
    town.joins(bob, 1);
    let channel = town.voice_channel(0);
    let sings = town.command(
        ann,
        "parrot sing",
        json!({ "channel": channel.to_string() }),
    );
    assert_eq!(sings.text(), "la");
    assert_eq!(town.bot_is_in(), Some(channel));
    town.run(Duration::from_millis(200));
    let heard = town.hear(ann, Duration::from_secs(2));
    assert!((heard.seconds() - 2.0).abs() < 0.021, "{}", heard.seconds());
    assert_eq!(
        (heard.gaps(), heard.seconds_of_sound()),
        (0, heard.seconds())
    );
    assert!(
        (0.2..0.3).contains(&heard.tone(440.0)),
        "{}",
        heard.tone(440.0)
    );
    assert!(town.hear(bob, Duration::from_secs(1)).is_silent());
    town.breaks_voice();
    assert!(town.hear(ann, Duration::from_secs(1)).is_silent());
    town.mends_voice();
    assert!(town.hear(ann, Duration::from_secs(1)).seconds_of_sound() > 0.9);
    town.kicks_the_bot();
    assert!(town.hear(ann, Duration::from_secs(1)).is_silent());
    let voice = town.command(ann, "parrot voice", json!({})).text();
    assert_eq!(voice, "in lost back out");
}

#[test]
fn the_bot_hears_who_speaks_beside_it_and_nobody_else() {
    let mut town = town();
    let (ann, bob) = (town.user("ann"), town.user("bob"));
    town.joins(ann, 0);
    town.joins(bob, 1);
    let channel = town.voice_channel(0);
    town.command(
        ann,
        "parrot sing",
        json!({ "channel": channel.to_string() }),
    );
    assert_eq!(
        town.command(ann, "parrot hear", json!({})).text(),
        "all ears"
    );
    town.talks(ann, Said::tone(300.0), Duration::from_secs(1));
    town.talks(bob, Said::tone(500.0), Duration::from_secs(1));
    town.run(Duration::from_secs(3));
    assert_eq!(WORDS.load(Ordering::Relaxed), 50);
}

#[test]
fn what_is_not_granted_is_refused_and_a_plugin_without_what_it_needs_does_not_start() {
    let mut town = Town::new();
    town.bot_with(&PARROT, json!({}), &["commands"]);
    let ann = town.user("ann");
    let channel = town.voice_channel(0);
    let sings = town.command(
        ann,
        "parrot sing",
        json!({ "channel": channel.to_string() }),
    );
    assert!(sings.text().contains("voice.speak"), "{sings:?}");
    let mut town = Town::new();
    town.bot_with(&PARROT, json!({}), &["voice.speak"]);
    assert_eq!(town.report()[0].state, mynah_host::PluginState::Disabled);
}

#[test]
fn trouble_at_the_server_is_waited_for_as_the_bot_does() {
    let mut town = town();
    let ann = town.user("ann");
    let route = "POST /interactions/*/*/callback";
    town.fault(
        json!({ "rest": { "route": route, "status": 429, "retry_after": 0.5, "times": 2 } }),
    );
    assert_eq!(town.command(ann, "parrot show", json!({})).text(), "Here.");
    town.fault(json!({ "rest": { "route": route, "status": 500 } }));
    assert!(
        town.command(ann, "parrot show", json!({}))
            .refused()
            .is_some()
    );
    town.mend();
    town.fault(json!({ "gateway": { "close": 4000 } }));
    town.run(Duration::from_secs(10));
    assert_eq!(town.command(ann, "parrot show", json!({})).text(), "Here.");
}

#[test]
fn the_same_seed_is_the_same_town() {
    let life = |seed| {
        let mut town = Town::with_seed(seed);
        town.bot(&PARROT, json!({}));
        let ann = town.user("ann");
        town.joins(ann, 0);
        let channel = town.voice_channel(0);
        town.command(
            ann,
            "parrot sing",
            json!({ "channel": channel.to_string() }),
        );
        let heard = town.hear(ann, Duration::from_secs(2));
        (town.messages(), heard)
    };
    let (one, two) = (life(3), life(3));
    assert_eq!(one.0, two.0);
    assert!(one.1 == two.1, "the same sound, to the sample");
    assert_ne!(one.0, life(4).0);
}

#[test]
fn the_music_plugin_plays_pauses_and_goes_on_after_a_restart() {
    let mut town = Town::new();
    let tone = |hz: f64| -> Vec<f32> {
        let wave =
            (0..480_000).map(|at| (f64::from(at) * hz / 48_000.0 * core::f64::consts::TAU).sin());
        wave.flat_map(|sample| [sample as f32 * 0.25; 2]).collect()
    };
    town.wav("music/low.wav", &tone(300.0));
    town.wav("music/high.wav", &tone(900.0));
    let library = town.folder().join("music");
    town.bot(&mynah_music::ENTRY, json!({ "library": [library] }));
    let ann = town.user("ann");
    town.joins(ann, 0);
    let low = town.command(ann, "play", json!({ "query": "low" }));
    assert!(low.text().contains("low"), "{low:?}");
    town.command(ann, "play", json!({ "query": "high" }));
    let heard = town.hear(ann, Duration::from_secs(3));
    assert!(
        heard.tone(300.0) > 0.2 && heard.gaps() == 0,
        "{}",
        heard.tone(300.0)
    );
    town.command(ann, "pause", json!({}));
    town.run(Duration::from_secs(1));
    assert!(town.hear(ann, Duration::from_secs(5)).is_silent());
    town.command(ann, "resume", json!({}));
    assert!(town.hear(ann, Duration::from_secs(1)).tone(300.0) > 0.2);
    town.restart();
    let heard = town.hear(ann, Duration::from_secs(10));
    assert!(
        heard.tone(900.0) > 0.1,
        "{} of the next song",
        heard.tone(900.0)
    );
    let quiet = Duration::from_secs(15);
    town.run(quiet);
    assert!(
        town.hear(ann, Duration::from_secs(1)).is_silent(),
        "both are over"
    );
}

#[test]
#[ignore = "prints how fast time passes; cargo nextest run -p mynah-testkit --features town --run-ignored only --no-capture"]
fn a_minute_of_quiet_and_a_minute_of_song() {
    let mut town = town();
    let ann = town.user("ann");
    town.joins(ann, 0);
    let channel = town.voice_channel(0);
    for what in ["quiet", "song"] {
        let begun = std::time::Instant::now();
        town.run(Duration::from_secs(60));
        #[allow(clippy::print_stderr)] // it is for whoever asked
        {
            eprintln!("a minute of {what}: {:?}", begun.elapsed());
        }
        town.command(
            ann,
            "parrot sing",
            json!({ "channel": channel.to_string() }),
        );
    }
}
