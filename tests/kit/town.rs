//! A small town for a plugin's tests: the bot's host, the embedded server and people, all on one
//! thread and in virtual time.
//!
//! ```no_run
//! use mynah_testkit::Town;
//! use serde_json::json;
//! use std::time::Duration;
//! # fn of(entry: &'static mynah_plugin::abi::Entry) {
//! let mut town = Town::new();
//! town.bot(entry, json!({}));
//! let ann = town.user("ann");
//! let reply = town.command(ann, "dice", json!({ "dice": 2 }));
//! assert!(reply.text().contains('='));
//! town.run(Duration::from_secs(3600)); // an hour, at once
//! # }
//! ```
//!
//! # What is real
//! * The plugin runs behind the C table, in the real host: grants, mailboxes, tiers, deadlines of
//!   interactions, supervision, stores on disk, its state saved and given back.
//! * Commands, buttons, menus and forms go through the embedded server: what the bot registered, who
//!   may use it, what a message may look like, the three seconds, rate limits, and every fault that
//!   [`Town::fault`] scripts.
//! * Sound is decoded by the bot's decoders, mixed, turned down and limited by its real-time code, made
//!   to Opus packets, and decoded again by who hears it.
//!
//! # What is not
//! * No sockets: REST calls and gateway payloads are handed over. The bot's own client is a plain one
//!   here: it waits for 429 and tries a 5xx again, as the real one does. The voice connection (websocket,
//!   UDP, end-to-end encryption) is left out; [`Town::breaks_voice`] plays what a plugin sees of its
//!   faults.
//! * Nothing is fetched from the web: `Playable::Url` and probing one are refused. Sounds are not brought to one
//!   loudness, and are not made ready for keeping (`media.ingest`).
//! * Threads that a plugin begins itself know only the machine's own time, and the town does not wait for
//!   them.
//!
//! The same seed and the same calls give the same town, to the sample.

mod bot;
#[cfg(test)]
mod builders;
mod line;
mod people;
mod reply;
mod sound;
mod speech;
#[cfg(test)]
mod tests;
mod voice;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use mynah_host::{Backend, Host, Options, PluginReport, PluginSpec};
use mynah_server::indoors::Indoors;
use mynah_wire::{ChannelId, GuildId};
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tokio::task::LocalSet;

use bot::TownBot;
pub use people::User;
pub use reply::Reply;
pub use sound::Heard;
pub use speech::Said;

/// 2026-02-01T12:00:00Z: when every town begins.
const NOON_UNIX_MS: u64 = 1_769_947_200_000;
/// The seed of [`Town::new`].
const SEED: u64 = 7;
/// Events on their way to the host.
const MAX_EVENTS: usize = 64;

/// A town. Drop it and everything in it ends; [`Town::restart`] ends only the bot.
pub struct Town {
    // Dropped in this order: the host's tasks live in the set, the set on the runtime.
    host: Option<Host>,
    line: Option<tokio::task::JoinHandle<()>>,
    local: LocalSet,
    runtime: Runtime,
    server: Indoors,
    voice: voice::Shared,
    plugins: Vec<PluginSpec>,
    folder: tempfile::TempDir,
}

impl Default for Town {
    fn default() -> Self {
        Self::new()
    }
}

impl Town {
    /// One guild with a text channel and voice channels, nobody there.
    ///
    /// # Panics
    /// The machine gives no folder for temporary files.
    #[must_use]
    pub fn new() -> Self {
        Self::with_seed(SEED)
    }

    /// The same; ids, tokens and everything else that is random follow from `seed`.
    ///
    /// # Panics
    /// As [`Town::new`].
    #[must_use]
    pub fn with_seed(seed: u64) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build();
        let runtime = runtime.unwrap_or_else(|error| panic!("no runtime: {error}"));
        let folder = tempfile::tempdir().unwrap_or_else(|error| panic!("no folder: {error}"));
        let local = LocalSet::new();
        let server = local.block_on(&runtime, async { Indoors::open(seed, NOON_UNIX_MS) });
        let voice = voice::Shared::default();
        server.set_crowd(Arc::new(voice::Crowd));
        Self {
            host: None,
            line: None,
            local,
            runtime,
            server,
            voice,
            plugins: Vec::new(),
            folder,
        }
    }

    /// Where relative paths of grants and of the plugin are meant from; empty at first.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Writes samples (48 kHz, left and right in turns) as a WAV file into [`Town::folder`].
    ///
    /// # Panics
    /// The file cannot be written.
    pub fn wav(&self, name: &str, samples: &[f32]) {
        let path = self.folder.path().join(name);
        let folder = path.parent().map_or(Ok(()), std::fs::create_dir_all);
        let written = folder.and_then(|()| crate::scene::write_wav(&path, samples));
        written.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }

    /// Starts the bot with this plugin, granted everything that it says it needs. A second call adds a
    /// second plugin, and starts the bot anew.
    ///
    /// # Panics
    /// The plugin cannot be used, or does not start; the words say why.
    pub fn bot(&mut self, entry: impl Into<Backend>, config: Value) {
        let entry = entry.into();
        let about = mynah_host::describe(entry)
            .unwrap_or_else(|error| panic!("the plugin cannot be used: {error}"));
        let grants = about.needs.into_iter().map(|need| need.cap);
        let grants: Vec<String> = grants.collect();
        self.bot_with(entry, config, &grants);
        let state = self.report();
        let state = state.last().unwrap_or_else(|| panic!("no plugin runs"));
        assert!(
            state.state == mynah_host::PluginState::Running,
            "{} does not start: {}",
            state.id,
            state.last_fault.as_deref().unwrap_or("it does not say why")
        );
    }

    /// As [`Town::bot`], granted exactly this, and free not to start: see [`Town::report`].
    ///
    /// # Panics
    /// The plugin cannot be used, or its settings are wrong.
    pub fn bot_with(
        &mut self,
        entry: impl Into<Backend>,
        config: Value,
        grants: &[impl AsRef<str>],
    ) {
        let entry = entry.into();
        let wrong = mynah_host::check(entry, &config);
        assert!(wrong.is_empty(), "its settings are wrong: {wrong:?}");
        let grants = grants.iter().map(|grant| grant.as_ref().to_owned());
        let spec = PluginSpec::new(entry, config, grants.collect());
        self.plugins.push(spec);
        self.restart();
    }

    /// Stops the bot, as `mynah` does when it is told to, and starts it again from what it saved. Messages
    /// and people stay.
    ///
    /// # Panics
    /// The host cannot begin.
    pub fn restart(&mut self) {
        self.stop();
        let (events, receiver) = tokio::sync::mpsc::channel(MAX_EVENTS);
        let (orders, line) = (line::Orders::default(), self.server.clone());
        let bot = TownBot::new(self.server.clone(), orders.clone(), self.voice.clone());
        let intents = mynah_host::intents(&self.plugins);
        let options = Options {
            base_dir: self.folder.path().to_owned(),
            stores: Some(self.folder.path().join(".data/plugins")),
            by_hand: true,
            ..Options::default()
        };
        let (plugins, server) = (self.plugins.clone(), self.server.clone());
        let voice = self.voice.clone();
        let (host, task) = self.local.block_on(&self.runtime, async move {
            // One Identify in five seconds: a bot that was stopped and started again waits as well.
            let task = tokio::task::spawn_local(async move {
                let line = line::run(&line, intents, orders, events.clone());
                tokio::select! {
                    () = line => {}
                    () = voice::run(&server, &voice, &events) => {}
                }
            });
            let host = Host::start_on(Arc::new(bot), receiver, plugins, options).await;
            (host, task)
        });
        let host = host.unwrap_or_else(|error| panic!("the bot cannot start: {error}"));
        self.line = Some(task);
        self.host = Some(host);
        // Until it is at the gateway; people would not find it before.
        self.run(Duration::from_secs(6));
    }

    /// Stops the bot; people see it go.
    pub fn stop(&mut self) {
        let (host, line) = (self.host.take(), self.line.take());
        if host.is_none() && line.is_none() {
            return;
        }
        let (server, bot) = (self.server.clone(), self.server.bot());
        self.local.block_on(&self.runtime, async move {
            if let Some(host) = host {
                host.stop().await;
            }
            // As the program does at its end.
            let out = server.control("POST", "/voice/leave", json!({"user_id": bot}));
            let _ = out.await;
            if let Some(line) = line {
                line.abort();
                let _ = line.await;
            }
        });
        self.voice.clear();
    }

    /// How the plugins are doing.
    #[must_use]
    pub fn report(&self) -> Vec<PluginReport> {
        self.host.as_ref().map(Host::report).unwrap_or_default()
    }

    /// Lets time pass: timers fire, sound plays, nobody waits in earnest.
    pub fn run(&mut self, time: Duration) {
        self.local
            .block_on(&self.runtime, async move { tokio::time::sleep(time).await });
    }

    /// Scripts trouble, as `POST /control/faults` does: REST that answers 429 or 500, a gateway that
    /// hangs up. It goes on until [`Town::mend`].
    ///
    /// # Panics
    /// There is no such fault; the words say what there is.
    pub fn fault(&mut self, fault: Value) {
        let mut fault = fault;
        if let Some(fields) = fault.as_object_mut() {
            fields
                .entry("scope")
                .or_insert_with(|| json!({"all": true}));
        }
        self.control("POST", "/faults", fault)
            .unwrap_or_else(|problem| panic!("no such fault: {problem}"));
    }

    /// Ends all trouble that [`Town::fault`] made.
    pub fn mend(&mut self) {
        let _ = self.control("DELETE", "/faults", Value::Null);
    }

    /// Any call of the control API (see interfaces.md); `path` begins after `/control`.
    ///
    /// # Errors
    /// What the server says: `status`, `error` and `hint`.
    pub fn control(&mut self, method: &str, path: &str, body: Value) -> Result<Value, Value> {
        let server = self.server.clone();
        self.local
            .block_on(&self.runtime, server.control(method, path, body))
    }

    /// The messages of the text channel that everybody sees, oldest first.
    ///
    /// # Panics
    /// The server has lost it.
    pub fn messages(&mut self) -> Vec<Value> {
        let (_, channel, _) = self.places();
        self.listed(&format!("/messages?channel_id={channel}"))
    }

    fn listed(&mut self, path: &str) -> Vec<Value> {
        let answer = self.control("GET", path, Value::Null);
        let list = answer.unwrap_or_else(|problem| panic!("no messages: {problem}"));
        list.as_array().cloned().unwrap_or_default()
    }

    /// The guild, its text channel, its voice channels.
    fn places(&self) -> (GuildId, ChannelId, Vec<ChannelId>) {
        self.server.places()
    }
}

impl Drop for Town {
    fn drop(&mut self) {
        // A panic is under way: its words matter more than an orderly end.
        if !std::thread::panicking() {
            self.stop();
        }
    }
}
