//! Two plugins: one does what it is told, the other must not suffer from it.

use mynah_plugin::{
    About, Commands, Cx, Error, Event, GuildId, Need, PlayOptions, Playable, Plugin, Result, Saved,
    Slash, Track, TrackKind, Why, abi,
};
use serde_json::Value;
use std::sync::{
    Mutex,
    atomic::{AtomicU64, Ordering},
    mpsc::{Receiver, Sender, channel},
};

/// Does what it is told by its commands, answers with what came of it.
pub(super) struct Puppet {
    count: u64,
    heard: Vec<String>,
    /// Ops of a flood that have come back.
    back: u64,
}

/// Ops asked for at once: more than the host lets through.
pub(super) const FLOOD: u64 = 300;

/// How many of them were refused. Told without an op, since none is left.
pub(super) static REFUSED: AtomicU64 = AtomicU64::new(0);

#[derive(serde::Deserialize)]
pub(super) struct Config {
    #[serde(default)]
    count: u64,
}

impl Puppet {
    fn obey(&mut self, cx: &mut Cx<'_, Self>, asked: &mynah_plugin::Interaction) {
        let (voice, host) = (cx.voice(), cx.host());
        match asked.command() {
            "count" => {
                self.count += 1;
                cx.detach("count", asked.reply(self.count.to_string()));
            }
            "panic" => panic!("on request"),
            "defer and panic" => {
                let defer = asked.defer(false);
                cx.spawn(defer, |_, _, _| panic!("after the defer"));
            }
            "silence" => {}
            "tier" => {
                let said = format!("{:?} {}", asked.tier(), asked.manages());
                cx.detach("tier", asked.reply(said));
            }
            "hang" => {
                // Held by the test until it lets go.
                GATES.pass(asked.text("gate").unwrap());
                cx.detach("hang", asked.reply("let go"));
            }
            "heard" => cx.detach("heard", asked.reply(self.heard.join(","))),
            "play" => {
                let what = Playable::Path(asked.text("path").unwrap_or("song.mp3").into());
                let play = voice.play(GuildId::new(1), what, PlayOptions::default());
                let asked = asked.clone();
                cx.spawn(play, move |me, cx, track| {
                    me.heard.push(format!("play {}", short(&track)));
                    cx.detach("play", asked.reply(format!("play {}", short(&track))));
                });
            }
            "follow" => {
                let what = Playable::Path("song.mp3".into());
                let next = voice.play_next(Track::new(7), what, std::time::Duration::ZERO);
                let asked = asked.clone();
                cx.spawn(next, move |me, cx, track| {
                    me.heard.push(format!("follow {}", short(&track)));
                    cx.detach("follow", asked.reply(format!("follow {}", short(&track))));
                });
            }
            "fade" => {
                let fade = mynah_plugin::Fade::over(std::time::Duration::from_secs(2));
                let filters = mynah_plugin::Filters {
                    volume: 0.5,
                    ..Default::default()
                };
                let track = Track::new(7);
                let all = async move {
                    voice.filters(track, &filters).await?;
                    voice.repeat(track, true).await?;
                    voice.fade(track, 0.25, fade).await?;
                    voice.stop_with(track, fade).await
                };
                cx.spawn(all, |_, _, _| {});
            }
            "play and drop" => {
                let what = Playable::Url("http://a.org/b".into());
                let mut play = Box::pin(voice.play(GuildId::new(1), what, PlayOptions::default()));
                let once = std::future::poll_fn(move |cx| {
                    let _ = play.as_mut().poll(cx);
                    std::task::Poll::Ready(())
                });
                cx.spawn(once, |_, _, ()| {});
            }
            "twice" => {
                let track = Track::new(7);
                let both = async move { (voice.pause(track).await, voice.resume(track).await) };
                cx.spawn(both, |_, _, _| {});
            }
            "flood" => {
                for _ in 0..FLOOD {
                    let rest = host.rest("GET", "/channels/1/messages", Value::Null);
                    let asked = asked.clone();
                    cx.spawn(rest, move |me, cx, result| {
                        me.back += 1;
                        if let Err(Error::Busy(_)) = result {
                            me.count += 1;
                            REFUSED.fetch_add(1, Ordering::SeqCst);
                        }
                        // The answer is an op as well: only when all are back there is room for it.
                        if me.back == FLOOD {
                            cx.detach("flood", asked.reply(format!("{} refused", me.count)));
                        }
                    });
                }
            }
            "join" => {
                let join = voice.join(GuildId::new(1), mynah_plugin::ChannelId::new(2));
                let asked = asked.clone();
                cx.spawn(join, move |_, cx, joined| {
                    cx.detach(
                        "join",
                        asked.reply(joined.map_or_else(|e| e.to_string(), |()| "in".into())),
                    );
                });
            }
            other => cx.detach("other", asked.reply(format!("{} {other}", asked.action()))),
        }
    }
}

fn short(track: &Result<Track>) -> String {
    match track {
        Ok(track) => track.to_string(),
        Err(error) => error.to_string(),
    }
}

impl Plugin for Puppet {
    const ABOUT: About = About::new("puppet", "Puppet", "0.1.0", "Does what it is told.")
        .events(&["MESSAGE_CREATE", "TYPING_START"])
        .intents(mynah_plugin::intents::GUILD_MESSAGES)
        .needs(&[Need::required("commands", "to be told")]);
    type Config = Config;

    fn start(cx: &mut Cx<'_, Self>, config: Config, saved: Option<Saved>) -> Result<Self> {
        cx.set_commands(
            &Commands::new()
                .slash(Slash::new("count", "Counts"))
                .slash(Slash::new("panic", "Does")),
        )?;
        let count = saved.map_or(Ok(config.count), |saved| saved.read())?;
        Ok(Self {
            count,
            heard: Vec::new(),
            back: 0,
        })
    }

    fn event(&mut self, cx: &mut Cx<'_, Self>, event: Event<'_>) -> Result<()> {
        match event {
            Event::Interaction(asked) => self.obey(cx, &asked),
            Event::Track(event) => {
                let kind = match event.kind {
                    TrackKind::Started => "started",
                    TrackKind::Ended => "ended",
                    _ => "other",
                };
                self.heard.push(format!("{} {kind}", event.track));
            }
            Event::Lost(n) => self.heard.push(format!("lost {n}")),
            Event::Discord(event) => self.heard.push(event.name().to_owned()),
            _ => {}
        }
        Ok(())
    }

    /// Counts from there on; below ten it has to be started anew, and 13 it does not like.
    fn reconfigure(&mut self, _: &mut Cx<'_, Self>, config: Config) -> Result<()> {
        match config.count {
            13 => Err(Error::invalid("not that number")),
            14 => panic!("over 14"),
            0..10 => Err(Error::Unsupported("small numbers".into())),
            count => {
                self.count = count;
                Ok(())
            }
        }
    }

    fn save(&mut self) -> Result<Saved> {
        Saved::json(&self.count)
    }

    fn stop(self, cx: &mut Cx<'_, Self>, why: Why) {
        cx.info(&format!("{why:?}"));
        STOPPED.fetch_add(self.count, Ordering::SeqCst);
    }
}

pub(super) static STOPPED: AtomicU64 = AtomicU64::new(0);

/// Gates a test holds a plugin with, by name: commands carry only text.
pub(super) static GATES: Gates = Gates(Mutex::new(Vec::new()));

pub(super) struct Gates(Mutex<Vec<(String, Gate)>>);

/// The plugin's side: says that it has arrived, waits to be let go.
struct Gate {
    arrived: Sender<()>,
    open: Receiver<()>,
}

/// The test's side.
pub(super) struct Keeper {
    pub(super) arrived: Receiver<()>,
    pub(super) open: Sender<()>,
}

impl Gates {
    pub(super) fn new_gate(&self, name: &str) -> Keeper {
        let ((arrived_tx, arrived), (open_tx, open)) = (channel(), channel());
        let gate = Gate {
            arrived: arrived_tx,
            open,
        };
        self.0.lock().unwrap().push((name.into(), gate));
        Keeper {
            arrived,
            open: open_tx,
        }
    }

    pub(super) fn pass(&self, name: &str) {
        let gate = {
            let mut gates = self.0.lock().unwrap();
            let place = gates.iter().position(|gate| gate.0 == name);
            gates.remove(place.expect("the test made the gate")).1
        };
        gate.arrived.send(()).unwrap();
        gate.open.recv().unwrap();
    }
}

/// Another plugin, to see that it does not suffer.
pub(super) struct Neighbour;

impl Plugin for Neighbour {
    const ABOUT: About = About::new("neighbour", "Neighbour", "0.1.0", "Minds its own business.");
    type Config = Value;

    fn start(cx: &mut Cx<'_, Self>, _: Value, _: Option<Saved>) -> Result<Self> {
        let wants = Commands::new()
            .slash(Slash::new("hello", "Hello"))
            .slash(Slash::new("count", "Mine"));
        cx.set_commands(&wants)?;
        Ok(Self)
    }

    fn event(&mut self, cx: &mut Cx<'_, Self>, event: Event<'_>) -> Result<()> {
        if let Event::Interaction(asked) = event {
            cx.detach(
                "hello",
                asked.reply(format!("neighbour {}", asked.action())),
            );
        }
        Ok(())
    }
}

pub(super) static PUPPET: abi::Entry = mynah_plugin::entry!(Puppet);
pub(super) static NEIGHBOUR: abi::Entry = mynah_plugin::entry!(Neighbour);
