//! What all plugins share: the runner, who waits for an answer, whose track it is.

use crate::{
    Call, Order, Outcome, Permissions, Runner,
    directory::Directory,
    interactions::{Interactions, Open},
    link::Link,
    mailbox::Event,
    pins::Pins,
    stays::Stays,
    store::Store,
};
use serde_json::json;
use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};
use tokio::{
    runtime::Handle,
    sync::{Notify, mpsc},
};

/// Events of tracks nobody owns yet: `play` has not come back to the plugin. More are not real.
const MAX_ORPHANS: usize = 256;

pub(crate) struct Hub {
    pub(crate) runner: Arc<dyn Runner>,
    pub(crate) runtime: Handle,
    /// Zero of the plugins' clock.
    pub(crate) origin: Instant,
    /// Plugins have no threads: tasks of the runtime's one thread run them.
    pub(crate) by_hand: bool,
    interactions: Mutex<Interactions>,
    /// A deadline may have changed.
    pub(crate) interactions_changed: Notify,
    tracks: Mutex<Tracks>,
    directory: Mutex<Directory>,
    pins: Mutex<Pins>,
    permissions: Mutex<Arc<Permissions>>,
    /// Where the bot stays for good.
    pub(crate) stays: Stays,
    /// Who carries out owners' orders.
    pub(crate) orders: Option<mpsc::Sender<Order>>,
    /// Some plugin has new commands.
    pub(crate) commands_changed: Notify,
}

#[derive(Default)]
struct Tracks {
    owners: HashMap<u64, usize>,
    orphans: VecDeque<(u64, Event, bool)>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Hub {
    pub(crate) fn new(runner: Arc<dyn Runner>, runtime: Handle, origin: Instant) -> Self {
        Self {
            runner,
            runtime,
            origin,
            by_hand: false,
            interactions: Mutex::default(),
            interactions_changed: Notify::new(),
            tracks: Mutex::default(),
            directory: Mutex::default(),
            pins: Mutex::default(),
            permissions: Mutex::default(),
            stays: Stays::new(Store::in_memory()),
            orders: None,
            commands_changed: Notify::new(),
        }
    }

    pub(crate) fn interactions(&self) -> MutexGuard<'_, Interactions> {
        lock(&self.interactions)
    }

    pub(crate) fn pins(&self) -> MutexGuard<'_, Pins> {
        lock(&self.pins)
    }

    /// Who may do what now.
    pub(crate) fn permissions(&self) -> Arc<Permissions> {
        lock(&self.permissions).clone()
    }

    pub(crate) fn set_permissions(&self, permissions: Permissions) {
        *lock(&self.permissions) = Arc::new(permissions);
    }

    pub(crate) fn directory(&self) -> MutexGuard<'_, Directory> {
        lock(&self.directory)
    }

    /// Begins an op whose outcome only matters to the log.
    pub(crate) fn begin(&self, what: &'static str, call: Call) {
        let work = self.runner.run(call);
        self.runtime.spawn(async move {
            if let Err(error) = work.await {
                tracing::debug!(%error, "{what}");
            }
        });
    }

    /// Answers a person, for the host itself or in a plugin's place. Mentions name people without
    /// calling them.
    pub(crate) fn answer(&self, open: &Open, text: &str) {
        let Open {
            id,
            token,
            kind,
            deferred,
            ..
        } = open;
        let rest = |method: &str, path: String, body| Call::Rest {
            method: method.into(),
            path,
            body: Some(body),
            files: Vec::new(),
        };
        let call = if *deferred {
            let application = self.runner.application_id();
            let path = format!("/webhooks/{application}/{token}/messages/@original");
            let body = json!({ "content": text, "allowed_mentions": { "parse": [] } });
            rest("PATCH", path, body)
        } else {
            // rest.md section 5: 8 is the only answer to an autocompletion (type 4); 64 shows a
            // message to the one person only.
            let body = match kind {
                4 => json!({ "type": 8, "data": { "choices": [] } }),
                _ => json!({ "type": 4, "data": {
                    "content": text, "flags": 64, "allowed_mentions": { "parse": [] },
                } }),
            };
            rest("POST", format!("/interactions/{id}/{token}/callback"), body)
        };
        self.begin(
            "an interaction could not be answered in a plugin's place",
            call,
        );
    }

    /// Stops what a dead plugin was playing: its next instance would not know these tracks.
    pub(crate) fn stop_tracks_of(&self, plugin: usize) {
        let mut gone = Vec::new();
        lock(&self.tracks).owners.retain(|track, owner| {
            let keep = *owner != plugin;
            if !keep {
                gone.push(*track);
            }
            keep
        });
        for track in gone {
            self.begin(
                "a dead plugin's track could not be stopped",
                Call::Stop(track),
            );
        }
    }

    pub(crate) fn owns(&self, plugin: usize, track: u64) -> bool {
        lock(&self.tracks).owners.get(&track) == Some(&plugin)
    }

    /// `play` came back: the plugin learns of its track first and of the track's events after that.
    pub(crate) fn adopt(&self, link: &Link, track: u64, op: u64, outcome: Outcome) {
        let mut tracks = lock(&self.tracks);
        tracks.owners.insert(track, link.index);
        if !link.finish(op, outcome) {
            // Nobody waits any more, so nobody will ever stop it.
            tracks.owners.remove(&track);
            drop(tracks);
            self.begin(
                "a track nobody waits for could not be stopped",
                Call::Stop(track),
            );
            return;
        }
        tracks.hand_on(link, track);
    }

    /// A track whose plugin knows it already.
    pub(crate) fn own(&self, link: &Link, track: u64) {
        let mut tracks = lock(&self.tracks);
        tracks.owners.insert(track, link.index);
        tracks.hand_on(link, track);
    }

    /// An event of a track goes to its owner; `last` if none can follow.
    pub(crate) fn track_event(&self, links: &[Arc<Link>], track: u64, event: Event, last: bool) {
        let mut tracks = lock(&self.tracks);
        match tracks
            .owners
            .get(&track)
            .and_then(|owner| links.get(*owner))
        {
            Some(link) => {
                tracks.forget_if(last, track);
                link.deliver(event);
            }
            None => {
                tracks.orphans.push_back((track, event, last));
                if tracks.orphans.len() > MAX_ORPHANS {
                    tracks.orphans.pop_front();
                }
            }
        }
    }
}

impl Tracks {
    /// The events that came before the owner was known.
    fn hand_on(&mut self, link: &Link, track: u64) {
        let (mine, others) = core::mem::take(&mut self.orphans)
            .into_iter()
            .partition(|orphan| orphan.0 == track);
        self.orphans = others;
        let mine: VecDeque<(u64, Event, bool)> = mine;
        for (_, event, last) in mine {
            self.forget_if(last, track);
            link.deliver(event);
        }
    }

    fn forget_if(&mut self, last: bool, track: u64) {
        if last {
            self.owners.remove(&track);
        }
    }
}
