//! Plugins that listen, each on its own thread, to a scripted ear.

use super::bench::{Bench, bench, until};
use super::puppet::GATES;
use crate::{Listens, Options, PluginSpec, PluginState};
use mynah_engine::ear::{Heard as Tick, Packet};
use mynah_plugin::{
    About, Cx, Event, GuildId, Heard, Listening, Plugin, Result, Saved, Sink, Want, abi,
};
use mynah_wire::{Ssrc, UserId};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, Ordering},
    mpsc::{Receiver, Sender, channel},
};
use std::time::{Duration, Instant};

/// The taps that plugins were given, by guild.
#[derive(Clone, Default)]
pub(super) struct Taps(Arc<Mutex<BTreeMap<u64, Spout>>>);

#[derive(Clone)]
struct Spout {
    ticks: Sender<Tick>,
    over: Arc<AtomicBool>,
    gone: Arc<AtomicBool>,
}

struct Tap {
    ticks: Receiver<Tick>,
    over: Arc<AtomicBool>,
    gone: Arc<AtomicBool>,
}

impl Taps {
    pub(super) fn open(&self, guild: u64) -> Box<dyn Listens> {
        let (sender, ticks) = channel();
        let (over, gone) = (Arc::<AtomicBool>::default(), Arc::<AtomicBool>::default());
        let spout = Spout {
            ticks: sender,
            over: over.clone(),
            gone: gone.clone(),
        };
        self.0.lock().unwrap().insert(guild, spout);
        Box::new(Tap { ticks, over, gone })
    }

    fn of(&self, guild: u64) -> Spout {
        self.0.lock().unwrap()[&guild].clone()
    }

    /// Somebody says something.
    fn say(&self, guild: u64, tick: u64, words: &str, at: Instant) {
        let packet = Packet {
            user: Some(UserId::new(5)),
            lane: None,
            ssrc: Ssrc(7),
            sequence: 1,
            timestamp: 960,
            arrival: at,
            payload: words.as_bytes().into(),
            unopened: false,
        };
        let _ = self.of(guild).ticks.send(Tick {
            tick,
            at,
            lost_before: 0,
            voices: Vec::new(),
            packets: vec![packet],
            mix: None,
        });
    }
}

impl Listens for Tap {
    fn next(&mut self) -> Option<Tick> {
        self.ticks.try_recv().ok()
    }

    fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.gone.store(true, Ordering::SeqCst);
    }
}

/// Listens from its start on, and writes down what it hears.
struct Ears<const N: usize> {
    listening: Listening,
    log: Log,
}

#[derive(serde::Deserialize)]
struct Config {
    want: Want,
    #[serde(default = "one")]
    guild: u64,
    log: String,
}

const fn one() -> u64 {
    1
}

/// Where a test reads it, by name.
static LOGS: Mutex<Vec<(String, Sender<String>)>> = Mutex::new(Vec::new());

#[derive(Clone)]
struct Log(Sender<String>);

impl Log {
    fn of(name: &str) -> Self {
        let logs = LOGS.lock().unwrap();
        let named = logs.iter().find(|log| log.0 == name);
        Self(named.expect("the test made it").1.clone())
    }

    fn write(&self, line: String) {
        let thread = std::thread::current();
        let _ = self
            .0
            .send(format!("{}: {line}", thread.name().unwrap_or("?")));
    }
}

struct Ear(Log);

impl Sink for Ear {
    fn heard(&mut self, heard: &Heard<'_>) {
        for packet in heard.packets() {
            let words = str::from_utf8(packet.opus).unwrap();
            if let Some(gate) = words.strip_prefix("gate ") {
                GATES.pass(gate);
            }
            assert_ne!(words, "panic");
            let (tick, arrival) = (heard.tick(), packet.arrival_us);
            self.0.write(format!("{tick} {words} at {arrival}"));
        }
    }
}

impl Drop for Ear {
    fn drop(&mut self) {
        self.0.write("closed".into());
    }
}

impl<const N: usize> Plugin for Ears<N> {
    const ABOUT: About = About::new(["ears", "other"][N], "Ears", "0.1.0", "Listens.");
    type Config = Config;

    fn start(cx: &mut Cx<'_, Self>, config: Config, _: Option<Saved>) -> Result<Self> {
        let log = Log::of(&config.log);
        let sink = Ear(log.clone());
        let listening = cx.listen(GuildId::new(config.guild), config.want, sink)?;
        Ok(Self { listening, log })
    }

    fn event(&mut self, cx: &mut Cx<'_, Self>, event: Event<'_>) -> Result<()> {
        if let Event::Interaction(_) = event {
            cx.unlisten(self.listening);
        }
        Ok(())
    }
}

impl<const N: usize> Drop for Ears<N> {
    fn drop(&mut self) {
        self.log.write("destroyed".into());
    }
}

static EARS: abi::Entry = mynah_plugin::entry!(Ears<0>);
static OTHER: abi::Entry = mynah_plugin::entry!(Ears<1>);

fn log(name: &str) -> Receiver<String> {
    let (sender, lines) = channel();
    LOGS.lock().unwrap().push((name.to_owned(), sender));
    lines
}

fn next(lines: &Receiver<String>) -> String {
    lines.recv_timeout(Duration::from_secs(20)).unwrap()
}

fn spec(entry: &'static abi::Entry, config: Value, grants: &[&str]) -> PluginSpec {
    let grants = grants.iter().map(ToString::to_string).collect();
    PluginSpec::new(entry, config, grants)
}

async fn ears(name: &str) -> (Bench, Receiver<String>) {
    let lines = log(name);
    let config = json!({ "want": { "packets": true }, "log": name });
    let plugin = spec(&EARS, config, &["voice.opus"]);
    let mut bench = bench(vec![plugin], Options::default(), false).await;
    bench.registration().await;
    (bench, lines)
}

/// What the plugin said when it was refused.
async fn refusal(want: Value, guild: u64, grants: &[&str]) -> String {
    let name = format!("refused {want} {guild}");
    let lines = log(&name);
    let config = json!({ "want": want, "guild": guild, "log": name });
    let bench = bench(vec![spec(&EARS, config, grants)], Options::default(), false).await;
    assert!(next(&lines).ends_with("closed"), "the sink comes back");
    let fault = bench.host.report()[0].last_fault.clone();
    bench.host.stop().await;
    fault.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn listening_is_refused_in_words_that_name_what_is_missing() {
    let packets = || json!({ "packets": true });
    for (want, cap) in [
        (packets(), "voice.opus"),
        (json!({ "lanes": true }), "voice.opus"),
        (json!({ "mix": true, "packets": true }), "voice.listen"),
        (json!({ "pcm": true }), "voice.listen"),
    ] {
        let other = ["voice.opus", "voice.listen"]
            .into_iter()
            .filter(|c| *c != cap);
        let words = refusal(want, 1, &other.collect::<Vec<_>>()).await;
        assert!(words.contains(&format!("`{cap}`")), "{words}");
        assert!(words.contains("[plugins.ears]"), "{words}");
    }
    let words = refusal(json!({}), 1, &["voice.opus"]).await;
    assert!(words.contains("nothing"), "{words}");
    let words = refusal(packets(), 2, &["voice.opus"]).await;
    assert!(words.contains("no voice channel"), "{words}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_said_reaches_the_sink_on_its_own_thread_in_the_hosts_time() {
    let (mut bench, lines) = ears("hears").await;
    let origin = bench.host.links[0].hub.origin;
    for tick in 3..6 {
        let at = origin + Duration::from_millis(20 * tick);
        bench.taps.say(1, tick, "hello", at);
    }
    for tick in 3..6 {
        let at_us = 20_000 * tick;
        assert_eq!(next(&lines), format!("p:ears/aud: {tick} hello at {at_us}"));
    }
    let data = json!({ "custom_id": "ears:unlisten", "name": "unlisten", "options": [] });
    bench.interaction(3, data).await;
    assert_eq!(next(&lines), "p:ears/aud: closed");
    bench.host.stop().await;
    assert_eq!(next(&lines), "p:ears/ctl: destroyed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sink_is_closed_when_the_bot_has_left_and_everything_said_before_is_heard() {
    let (bench, lines) = ears("leaves").await;
    for tick in 0..200 {
        bench.taps.say(1, tick, "bye", Instant::now());
    }
    bench.taps.of(1).over.store(true, Ordering::SeqCst);
    let heard = std::iter::from_fn(|| Some(next(&lines)).filter(|line| line.contains("bye")));
    assert_eq!(heard.count(), 200);
    bench.host.stop().await;
    assert!(bench.taps.of(1).gone.load(Ordering::SeqCst));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sink_is_closed_before_its_instance_is_destroyed() {
    let (bench, lines) = ears("stops").await;
    bench.taps.say(1, 1, "last words", Instant::now());
    bench.host.stop().await;
    let all: Vec<String> = std::iter::from_fn(|| lines.try_recv().ok()).collect();
    assert!(all[0].contains("last words"), "{all:?}");
    assert_eq!(all[1..], ["p:ears/aud: closed", "p:ears/ctl: destroyed"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_while_listening_starts_the_plugin_again_and_harms_nobody_else() {
    let (lines, others) = (log("panics"), log("other"));
    let config = |name: &str, guild: u64| json!({ "want": { "packets": true }, "log": name, "guild": guild });
    let plugins = vec![
        spec(&EARS, config("panics", 1), &["voice.opus"]),
        spec(&OTHER, config("other", 3), &["voice.opus"]),
    ];
    let bench = bench(plugins, Options::default(), false).await;
    let keeper = GATES.new_gate("held ear");
    // One sink does not come back: the other hears.
    bench.taps.say(1, 2, "gate held ear", Instant::now());
    keeper.arrived.recv().unwrap();
    bench.taps.say(3, 3, "still there", Instant::now());
    while !next(&others).contains("still there") {}
    keeper.open.send(()).unwrap();
    bench.taps.say(1, 4, "panic", Instant::now());
    until(&bench, PluginState::Restarting).await;
    let fault = bench.host.report()[0].last_fault.clone().unwrap();
    assert!(fault.contains("listened"), "{fault}");
    while !next(&lines).contains("destroyed") {}
    bench.taps.say(3, 5, "and now", Instant::now());
    while !next(&others).contains("and now") {}
    bench.host.stop().await;
}
