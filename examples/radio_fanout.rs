//! One sound for many guilds: mixed once, encoded once, sealed and sent for each of them.
//!
//! ```text
//! cargo run --release --example radio_fanout -- --guilds 20 --seconds 5 [--file song.mp3]
//! ```
//!
//! What it is about stands in `main`, from `bot.broadcast` on; the rest builds a small Discord on this
//! machine, with one listener in each guild. The CPU time that is printed includes that Discord and
//! its listeners; "tick" is what the sound threads alone work in each 20 ms.
#![allow(clippy::print_stdout, reason = "its output is what it is for")]

use std::error::Error;
use std::f32::consts::TAU;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use mynah::CrowdOfUsers;
use mynah::engine::bench::process_cpu;
use mynah::engine::{Bot, BotConfig, PlayOptions, PlayWhat, Repeat, TickStats, tls_config};
use mynah::media::wav::{Format, WavWriter};
use mynah::server::{Server, ServerConfig};
use mynah::wire::{ChannelId, GuildId};
use serde_json::{Value, json};
use tokio::task::JoinSet;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

#[derive(Parser)]
struct Args {
    /// In how many guilds it is heard.
    #[arg(long, default_value_t = 20)]
    guilds: usize,
    /// How long.
    #[arg(long, default_value_t = 10)]
    seconds: u32,
    /// What is heard; a chord if nothing is said.
    #[arg(long)]
    file: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> Outcome<()> {
    let args = Args::parse();
    let dir = tempfile::tempdir()?;
    let file = match args.file {
        Some(file) => file,
        None => chord(dir.path())?,
    };
    let town = Town::start(dir.path(), args.guilds).await?;
    let (bot, mut events) = Bot::start(town.bot_config(dir.path())?).await?;
    // Somebody has to read them; a real bot would do something about a track that failed.
    tokio::spawn(async move { while events.next().await.is_some() {} });

    let mut joins = JoinSet::new();
    for (guild, channel) in town.places.clone() {
        let bot = bot.clone();
        joins.spawn(async move { bot.join(guild, channel).await });
    }
    while let Some(joined) = joins.join_next().await {
        joined??;
    }

    let again = PlayOptions {
        repeat: Repeat::Forever,
        ..PlayOptions::default()
    };
    let radio = bot.broadcast(PlayWhat::Path(file), again).await?;
    for (guild, _) in &town.places {
        bot.tune(*guild, Some(radio))?;
    }
    // More can be laid over it for all (`bot.play_on(radio, …)` on the lane `Speech` turns the music
    // down), or for one guild (`bot.play(guild, …)`, which goes on encoding for itself meanwhile).

    let mut before = Meters::read(&bot);
    for second in 1..=args.seconds {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let now = Meters::read(&bot);
        println!("{second:>3} s  {}", now.since(&before));
        before = now;
    }

    bot.end_broadcast(radio)?;
    bot.shutdown().await;
    town.server.stop().await;
    Ok(())
}

/// What is counted since the start of the program.
struct Meters {
    ticks: TickStats,
    cpu: Duration,
}

impl Meters {
    fn read(bot: &Bot) -> Self {
        Self {
            ticks: bot.tick_stats(),
            cpu: process_cpu(),
        }
    }

    fn since(&self, before: &Self) -> String {
        let (now, then) = (&self.ticks, &before.ticks);
        // Every tick thread wakes four times in a tick of 20 ms.
        let wakes = (now.wakes - then.wakes) as f64 / now.threads.len().max(1) as f64;
        let each_tick = |now: u64, then: u64| (now - then) as f64 / (wakes / 4.0).max(1.0);
        let listening = now.sessions.iter().filter(|mix| mix.attached).count();
        let work_ns: u64 = now.threads.iter().map(|thread| thread.busy_ns).sum();
        let seconds = wakes * 0.005;
        let cpu = (self.cpu - before.cpu).as_secs_f64() / seconds.max(0.001);
        format!(
            "{listening} sessions  {:.2} encodes and {:.2} packets per tick  \
             tick {} us  CPU {:.1} %",
            each_tick(now.frames_encoded, then.frames_encoded),
            each_tick(now.packets_sent, then.packets_sent),
            work_ns / 1000,
            100.0 * cpu,
        )
    }
}

/// A Discord on this machine: one listener in the voice channel of each guild.
struct Town {
    server: Server,
    places: Vec<(GuildId, ChannelId)>,
}

impl Town {
    async fn start(dir: &Path, guilds: usize) -> Outcome<Self> {
        let mut config = ServerConfig::new(dir);
        // Guilds are joined as fast as it goes, which Discord would not let one shard do.
        config.limits.gateway_sends = false;
        let server = Server::start(config).await?;
        server.set_crowd(Arc::new(CrowdOfUsers::of(&server)?));
        let control = Control::of(&server)?;
        let mut places = Vec::new();
        for n in 1..=guilds {
            let guild = control.make("guilds", json!({ "name": format!("Guild {n}") }));
            let guild: GuildId = guild.await?.parse()?;
            let radio = json!({ "guild_id": guild, "name": "Radio", "kind": "voice" });
            let channel: ChannelId = control.make("channels", radio).await?.parse()?;
            let name = format!("Listener {n}");
            let user = control.make("users", json!({ "name": name })).await?;
            let place = json!({ "user_id": user, "channel_id": channel });
            control.post("voice/join", place).await?;
            places.push((guild, channel));
        }
        Ok(Self { server, places })
    }

    fn bot_config(&self, dir: &Path) -> Outcome<BotConfig> {
        let ready = self.server.ready();
        let bot = ready.bots.first().ok_or("the server has no bot")?;
        let mut config = BotConfig::new(bot.token.clone(), ready.api.clone());
        config.ca_pem = Some(self.server.voice().ca_pem().to_vec());
        config.cache_dir = dir.join("cache");
        Ok(config)
    }
}

/// The embedded server's control API: makes guilds, channels and people.
struct Control {
    http: reqwest::Client,
    base: String,
}

impl Control {
    fn of(server: &Server) -> Outcome<Self> {
        let tls = Arc::unwrap_or_clone(tls_config(None)?);
        let http = reqwest::Client::builder().tls_backend_preconfigured(tls);
        Ok(Self {
            http: http.no_proxy().build()?,
            base: server.ready().control,
        })
    }

    async fn post(&self, path: &str, body: Value) -> Outcome<Value> {
        let url = format!("{}/{path}", self.base);
        let answer = self.http.post(url).json(&body).send().await?;
        Ok(answer.error_for_status()?.json().await?)
    }

    /// Makes one of `kind` (a plural) and returns its id.
    async fn make(&self, kind: &str, body: Value) -> Outcome<String> {
        let made = self.post(kind, body).await?;
        let id = made.get(format!("{}_id", kind.trim_end_matches('s')));
        let id = id
            .and_then(Value::as_str)
            .ok_or("made, but without an id")?;
        Ok(id.to_owned())
    }
}

/// Writes two seconds of a chord that can be repeated without a seam.
fn chord(dir: &Path) -> Outcome<PathBuf> {
    let path = dir.join("chord.wav");
    let mut wav = WavWriter::new(File::create(&path)?, Format::F32)?;
    for n in 0..96_000 {
        let t = n as f32 / 48_000.0;
        let notes = [220.0, 277.5, 330.0].map(|hz| (TAU * hz * t).sin());
        let sample = 0.15 * notes.iter().sum::<f32>();
        wav.write(&[sample, sample])?;
    }
    wav.finish()?;
    Ok(path)
}
