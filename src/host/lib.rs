//! The plugin host: loads, grants, supervises.
//!
//! Every plugin, linked in or loaded, is an entry table ([`Backend`]) and one OS thread
//! (`p:<id>/ctl`) that makes all calls into it. Events reach it through a bounded mailbox; what it
//! asks for (`mynah.ops/1`) is checked against its grants, carried out by tokio tasks on the
//! engine's handle ([`Runner`]), and comes back through the same mailbox. A plugin that panics is
//! started again from its saved state; one that is slow or dead harms nobody but itself.
//!
//! Architecture: "Plugin API" C1 to C7, B5, B6.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

#[cfg(test)]
mod behaviour;
mod bot;
mod busy;
mod call;
mod clock;
mod commands;
mod control;
mod directory;
mod ears;
mod entry;
mod error;
mod files;
mod grants;
mod hub;
mod idle;
mod instance;
mod interactions;
mod library;
mod lines;
mod link;
mod mailbox;
mod meters;
mod mouths;
mod orders;
mod pins;
mod registrar;
mod reload;
mod report;
mod router;
mod runner;
mod sound;
mod stays;
mod store;
mod supervisor;
mod table;
mod tiers;

pub use call::{Attached, Call, Ingest, Play, What};
pub use entry::{About, Backend, Need, check, check_grants, describe, intents};
pub use error::{HostError, OpError};
pub use library::{Library, load, sha256_of};
pub use link::PluginState;
pub use meters::{Measured, Metric};
pub use mynah_plugin::Diagnostic;
pub use orders::{MAX_ORDERS, Order};
pub use registrar::Scope;
pub use reload::Change;
pub use report::PluginReport;
pub use runner::{BoxFuture, Listens, Outcome, Runner};
pub use tiers::Permissions;

use control::{Control, Running};
use entry::Loaded;
use grants::Grants;
use hub::Hub;
use link::Link;
use mynah_engine::{Bot, Event, EventStream, StopReason};
use mynah_plugin::abi;
use registrar::Registrar;
use router::Router;
use serde_json::Value;
use stays::Stays;
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use store::Store;
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
    time::timeout,
};

/// Between the engine's stream and the router; a full one stops the engine, which knows what to do
/// (architecture B6 row 1).
const MAX_EVENTS: usize = 64;
/// Where the host keeps things of its own; no plugin's id begins like that.
const OWN_STORE: &str = "_bot";
/// A plugin that has not started by then is not waited for.
const START: Duration = Duration::from_secs(10);
/// A plugin that has not stopped by then is left behind.
const STOP: Duration = Duration::from_secs(5);

/// One plugin to run.
#[derive(Clone, Debug)]
pub struct PluginSpec {
    /// Its table.
    pub entry: Backend,
    /// Its own part of `[plugins.<id>]`, without the host's keys.
    pub config: Value,
    /// `grant` of the same table.
    pub grants: Vec<String>,
}

impl PluginSpec {
    /// A plugin, its configuration and what it may do.
    #[must_use]
    pub fn new(entry: impl Into<Backend>, config: Value, grants: Vec<String>) -> Self {
        Self {
            entry: entry.into(),
            config,
            grants,
        }
    }
}

/// What the operator decides about all plugins.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Relative folders in grants and paths are meant from here: the folder of bot.toml. Empty is
    /// the current folder.
    pub base_dir: PathBuf,
    /// Where commands are registered.
    pub commands: Scope,
    /// How long the bot stays in a voice channel where nobody else is; `None` is for ever.
    pub idle_leave: Option<Duration>,
    /// Where plugins keep things, one file each; `None` keeps them in memory only.
    pub stores: Option<PathBuf>,
    /// Who may do what.
    pub permissions: Permissions,
    /// Who carries out what owners order by `/bot reload`; `None` is nobody.
    pub orders: Option<mpsc::Sender<Order>>,
    /// Plugins have no threads of their own: tasks on the thread that starts the host make all calls
    /// into them, by the clock of its runtime. Then a runtime of one thread whose clock is paused runs
    /// plugins in virtual time. For tests; [`Host::start_on`] is called within a
    /// [`LocalSet`](tokio::task::LocalSet) then.
    pub by_hand: bool,
}

/// What a plugin runs with now.
struct Seat {
    about: About,
    entry: Backend,
    config: Value,
}

/// The running plugins.
pub struct Host {
    links: Arc<[Arc<Link>]>,
    hub: Arc<Hub>,
    seats: Vec<Mutex<Seat>>,
    /// As bot.toml had them when each was started.
    granted: Vec<Vec<String>>,
    running: Vec<Running>,
    tasks: Vec<JoinHandle<()>>,
    ended: watch::Receiver<Option<StopReason>>,
}

impl Host {
    /// Starts every plugin, registers their commands and the host's own, returns when both are done. A plugin that can
    /// not start is logged and reported; the others run.
    ///
    /// # Errors
    /// See [`HostError`]: only what no plugin can be blamed for at run time.
    pub async fn start(
        bot: Bot,
        mut events: EventStream,
        plugins: Vec<PluginSpec>,
        options: Options,
    ) -> Result<Self, HostError> {
        let (sender, receiver) = mpsc::channel(MAX_EVENTS);
        let pump = tokio::spawn(async move {
            while let Some(event) = events.next().await {
                if sender.send(event).await.is_err() {
                    return;
                }
            }
        });
        let host = Self::start_on(Arc::new(bot), receiver, plugins, options).await;
        host.map(|mut host| {
            host.tasks.push(pump);
            host
        })
    }

    /// As [`Host::start`], on something else than a bot: tests.
    ///
    /// # Errors
    /// As [`Host::start`].
    pub async fn start_on(
        runner: Arc<dyn Runner>,
        events: mpsc::Receiver<Event>,
        plugins: Vec<PluginSpec>,
        options: Options,
    ) -> Result<Self, HostError> {
        // For ourselves and every plugin linked into us (architecture C5.3).
        mynah_plugin::install_hook();
        let runtime = tokio::runtime::Handle::current();
        let mut hub = Hub::new(runner, runtime, clock::now());
        hub.set_permissions(options.permissions);
        hub.orders = options.orders;
        hub.by_hand = options.by_hand;
        hub.stays = Stays::new(store(options.stores.as_deref(), OWN_STORE));
        let hub = Arc::new(hub);
        let mut links: Vec<Arc<Link>> = Vec::new();
        let mut seats: Vec<Seat> = Vec::new();
        let mut granted = Vec::new();
        let mut threads = Vec::new();
        for spec in plugins {
            let loaded = Loaded::new(spec.entry)?;
            let about = loaded.about.clone();
            if seats.iter().any(|other| other.about.id == about.id) {
                return Err(HostError::SameId(about.id));
            }
            let grants = Grants::new(&about.id, &spec.grants, &options.base_dir);
            let wanted = wanted(&about, &grants);
            // Misspelt grants grant nothing: `check_grants` tells the operator, nobody stops here.
            let missing = loaded.missing_grants(&spec.grants);
            let missing: Vec<String> = missing
                .map(|need| format!("it needs `{}` {}, which is not granted", need.cap, need.why))
                .collect();
            let refused = (!missing.is_empty()).then(|| missing.join("; "));
            let link = Arc::new(Link::new(
                links.len(),
                &about.id,
                grants,
                wanted,
                store(options.stores.as_deref(), &about.id),
                hub.clone(),
            ));
            threads.push((loaded, link.clone(), spec.config.to_string(), refused));
            links.push(link);
            seats.push(Seat {
                about,
                entry: spec.entry,
                config: spec.config,
            });
            granted.push(spec.grants);
        }
        let links: Arc<[Arc<Link>]> = links.into();
        let (ended_tx, ended) = watch::channel(None);
        let router = Router {
            hub: hub.clone(),
            links: links.clone(),
            ended: ended_tx,
            idle_leave: options.idle_leave,
        };
        let mut host = Self {
            links,
            hub: hub.clone(),
            seats: seats.into_iter().map(Mutex::new).collect(),
            granted,
            running: Vec::new(),
            tasks: Vec::new(),
            ended,
        };
        host.tasks.push(tokio::spawn(router.run(events)));
        for (loaded, link, config, refused) in threads {
            let plugin = link.id.clone();
            match Control::spawn(loaded, link, config, refused) {
                Ok(running) => host.running.push(running),
                Err(source) => {
                    host.stop().await;
                    return Err(HostError::Thread { plugin, source });
                }
            }
        }
        host.wait_until_started().await;
        let (links, scope) = (host.links.clone(), options.commands);
        let mut registrar = Registrar {
            hub,
            links,
            scope,
            registered: None,
        };
        registrar.register().await;
        host.tasks.push(tokio::spawn(registrar.run()));
        host.tasks.push(tokio::spawn(come_back(host.hub.clone())));
        Ok(host)
    }

    async fn wait_until_started(&mut self) {
        let deadline = tokio::time::Instant::now() + START;
        for (running, link) in self.running.iter_mut().zip(self.links.iter()) {
            if tokio::time::timeout_at(deadline, &mut running.started)
                .await
                .is_err()
            {
                let s = START.as_secs();
                tracing::error!(plugin = %link.id, "it has not started within {s} s; going on");
            }
        }
    }

    /// How every plugin is doing, in the order given to [`Host::start`].
    #[must_use]
    pub fn report(&self) -> Vec<PluginReport> {
        let both = self.links.iter().zip(&self.seats);
        both.map(|(link, seat)| PluginReport::of(link, &lock(seat).about))
            .collect()
    }

    /// Waits until the gateway is done for good; `None` if the bot went away without saying why.
    pub async fn ended(&self) -> Option<StopReason> {
        let mut ended = self.ended.clone();
        let reason = ended.wait_for(Option::is_some).await;
        reason.ok().and_then(|reason| *reason)
    }

    /// Stops every plugin, all at once, and waits up to five seconds for each. The bot itself goes
    /// on: shut it down afterwards.
    pub async fn stop(mut self) {
        for link in self.links.iter() {
            link.mailbox.stop(abi::WHY_SHUTDOWN);
        }
        let deadline = tokio::time::Instant::now() + STOP;
        for (running, link) in self.running.drain(..).zip(self.links.iter()) {
            let Running { thread, ended, .. } = running;
            match tokio::time::timeout_at(deadline, ended).await {
                // The sender is dropped as the thread's last act: joining does not wait.
                Ok(_) => drop(thread.map(std::thread::JoinHandle::join)),
                Err(_) => {
                    tracing::error!(plugin = %link.id, "it did not stop in time and is left behind");
                }
            }
        }
        for task in self.tasks.drain(..) {
            task.abort();
            let _ = timeout(STOP, task).await;
        }
    }
}

/// Gateway events that a plugin asks for and is granted.
fn wanted(about: &About, grants: &Grants) -> BTreeSet<String> {
    let granted = |event: &&String| grants.has(&format!("gateway.events:{event}"));
    about.events.iter().filter(granted).cloned().collect()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Goes to where the bot stays, unless a plugin was faster.
async fn come_back(hub: Arc<Hub>) {
    for (guild, channel) in hub.stays.all() {
        if hub.runner.voice_status(guild).await.is_some() {
            continue;
        }
        if let Err(error) = hub.runner.run(Call::Join(guild, channel)).await {
            tracing::warn!(%guild, %channel, "the bot stays there, but cannot join: {error}");
        }
    }
}

/// What a plugin keeps; in memory, and said so, when its file cannot be used.
fn store(folder: Option<&Path>, id: &str) -> Store {
    Store::open(folder, id).unwrap_or_else(|error| {
        tracing::error!(
            plugin = id,
            "what it keeps cannot be opened, so nothing of it outlives this run: {error}; \
             see to the disk and its permissions, or remove the file"
        );
        Store::in_memory()
    })
}

impl Drop for Host {
    /// Without [`Host::stop`], threads are told to stop but not waited for.
    fn drop(&mut self) {
        for link in self.links.iter() {
            link.mailbox.stop(abi::WHY_SHUTDOWN);
        }
        for task in &self.tasks {
            task.abort();
        }
    }
}
