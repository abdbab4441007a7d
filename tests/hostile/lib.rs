//! A plugin that misbehaves: it panics, spins, sleeps, floods or leaks, in whatever callback it is
//! told to. `[plugins.hostile]` says `misdeed`, `place` and `ms` for one that does so every time;
//! `/hostile arm` for once, at the next visit to that place.
//!
//! Places: `create`, `check`, `start`, `settings`, `event`, `command`, `voice`, `track`, `step`, `then`,
//! `done`, `save`, `stop`, `destroy`, `pull`, `close-source`, `heard`, `close-sink`.

mod misdeed;
mod strange;
mod table;

use misdeed::{Order, arm, armed, settle, trap};
use mynah_plugin::audio::{Block, Pull};
use mynah_plugin::{
    About, Commands, Cx, Diagnostic, Error, Event, Heard, Host, Interaction, Listening, Need, Opt,
    PlayOptions, Plugin, Result, Saved, Sink, Slash, Source, Track, Want, Why, abi,
};
use std::time::Duration;
use strange::Strange;

/// The plugin's table: the SDK's, but for the callbacks that [`table`] stands before.
#[unsafe(export_name = concat!("mynah_entry_v1__", env!("CARGO_CRATE_NAME")))]
pub static ENTRY: abi::Entry = abi::Entry {
    create: Some(table::create),
    ..mynah_plugin::entry!(Hostile)
};

/// The plugin.
pub struct Hostile {
    sings: Option<Track>,
    listens: Option<Listening>,
    strange: Strange,
}

/// `[plugins.hostile]`.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct Config {
    /// `panic`, `sleep`, `spin`, `flood` or `leak`; empty is none.
    pub misdeed: String,
    /// Where.
    pub place: String,
    /// How long, in milliseconds; 0 is for ever.
    pub ms: u64,
}

impl Config {
    fn order(&self) -> Option<Order> {
        Order::new(&self.place, &self.misdeed, self.ms)
    }
}

impl Plugin for Hostile {
    const ABOUT: About = About::new("hostile", "Hostile", "1.0.0", "Misbehaves on request.")
        .events(&["VOICE_STATE_UPDATE"])
        .needs(&[
            Need::required("commands", "to be told what to do"),
            Need::required("discord.rest", "to ask Discord without end"),
            Need::required("voice.speak", "to be too slow with its sound"),
            Need::required("voice.listen", "to be too slow to listen"),
            Need::required("gateway.events:VOICE_STATE_UPDATE", "to be late for it"),
        ]);
    type Config = Config;

    fn check(config: &Config) -> Vec<Diagnostic> {
        let order = config.order().filter(|order| order.is_at("check"));
        if let Some(order) = order {
            order.commit(None);
        }
        Vec::new()
    }

    fn start(cx: &mut Cx<'_, Self>, config: Config, _: Option<Saved>) -> Result<Self> {
        settle(config.order());
        trap("start", Some(&cx.host()));
        let armed = Slash::new("arm", "Misbehaves at the next visit to a place")
            .option(Opt::text("place", "Where").required())
            .option(Opt::text("misdeed", "What").required())
            .option(Opt::integer("ms", "How long; 0 is for ever"));
        let mut slash = Slash::new("hostile", "Misbehaves").subcommand(armed);
        for sub in ["go", "later", "sing", "hush", "listen", "deafen", "state"] {
            slash = slash.subcommand(Slash::new(sub, "Comes to a place"));
        }
        cx.set_commands(&Commands::new().slash(slash))?;
        let strange = Strange::start();
        Ok(Self {
            sings: None,
            listens: None,
            strange: strange.map_err(|error| Error::invalid(error.to_string()))?,
        })
    }

    fn event(&mut self, cx: &mut Cx<'_, Self>, event: Event<'_>) -> Result<()> {
        let host = cx.host();
        match event {
            Event::Interaction(asked) => return self.obey(cx, asked),
            Event::Voice(_) => trap("voice", Some(&host)),
            Event::Track(_) => trap("track", Some(&host)),
            _ => trap("event", Some(&host)),
        }
        Ok(())
    }

    fn reconfigure(&mut self, cx: &mut Cx<'_, Self>, config: Config) -> Result<()> {
        trap("settings", Some(&cx.host()));
        settle(config.order());
        Ok(())
    }

    fn save(&mut self) -> Result<Saved> {
        trap("save", None);
        Ok(Saved::empty())
    }

    fn stop(self, cx: &mut Cx<'_, Self>, _: Why) {
        trap("stop", Some(&cx.host()));
    }
}

impl Hostile {
    fn obey(&mut self, cx: &mut Cx<'_, Self>, asked: Interaction) -> Result<()> {
        let guild = asked.guild_id();
        let guild = guild.ok_or_else(|| Error::invalid("only in a server"))?;
        let host = cx.host();
        let mut says = "done".to_owned();
        match asked.command() {
            "hostile arm" => arm(Order::new(
                asked.text("place").unwrap_or_default(),
                asked.text("misdeed").unwrap_or_default(),
                asked.integer("ms").unwrap_or(0).unsigned_abs(),
            )),
            "hostile later" => {
                let waits = host.clone();
                let step = async move {
                    let slept = waits.sleep(Duration::from_millis(1)).await;
                    trap("step", Some(&waits));
                    slept
                };
                cx.spawn(step, move |_, cx, _| {
                    trap("then", Some(&cx.host()));
                    cx.detach("/hostile later", asked.reply("done".to_owned()));
                });
                return Ok(());
            }
            "hostile sing" => {
                let source = Silence(host);
                self.sings = Some(cx.play_source(guild, source, PlayOptions::default())?);
            }
            "hostile hush" => {
                if let Some(track) = self.sings.take() {
                    cx.detach("hush", cx.voice().stop(track));
                }
            }
            "hostile listen" => {
                let want = Want {
                    pcm: true,
                    ..Want::default()
                };
                self.listens = Some(cx.listen(guild, want, Ear(host))?);
            }
            "hostile deafen" => {
                if let Some(listening) = self.listens.take() {
                    cx.unlisten(listening);
                }
            }
            "hostile state" => {
                says = format!("{} armed, {} ticks", armed(), self.strange.ticks());
            }
            _ => trap("command", Some(&host)),
        }
        cx.detach("/hostile", asked.reply(says));
        Ok(())
    }
}

/// A source that makes none.
struct Silence(Host);

impl Source for Silence {
    fn pull(&mut self, out: &mut Block<'_>) -> Result<Pull> {
        trap("pull", Some(&self.0));
        out.silence();
        Ok(Pull::More)
    }
}

impl Drop for Silence {
    fn drop(&mut self) {
        trap("close-source", Some(&self.0));
    }
}

/// A sink that keeps nothing.
struct Ear(Host);

impl Sink for Ear {
    fn heard(&mut self, _: &Heard<'_>) {
        trap("heard", Some(&self.0));
    }
}

impl Drop for Ear {
    fn drop(&mut self) {
        trap("close-sink", Some(&self.0));
    }
}
