//! Between one plugin's control thread and the rest of the bot: mailbox, ops under way, status.

use crate::{
    Call, OpError, Outcome,
    busy::{Busy, On},
    clock,
    ears::Ears,
    files,
    grants::Grants,
    hub::Hub,
    lines::Lines,
    mailbox::{Event, Mailbox, Posted},
    meters::Meters,
    mouths::Mouths,
    store::Store,
};
use mynah_plugin::abi;
use serde_json::Value;
use std::{
    collections::{BTreeSet, HashMap},
    future::Future,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, Waker},
    thread::ThreadId,
    time::{Duration, Instant},
};
use tokio::task::AbortHandle;

/// Ops under way for one plugin (architecture B6 row 3).
pub(crate) const MAX_OPS: usize = 256;
/// A callback this long is worth a line in the log (architecture C5.3).
const SLOW: Duration = Duration::from_millis(50);
/// On an audio thread, where a plugin may take its time.
const SLOW_SOUND: Duration = Duration::from_secs(1);

/// What a plugin is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PluginState {
    /// Its `start` has not returned.
    Starting,
    /// All is well.
    Running,
    /// It failed and will be started again.
    Restarting,
    /// It failed too often, or must not start.
    Disabled,
    /// It was stopped.
    Stopped,
}

#[derive(Clone, Debug)]
pub(crate) struct Status {
    pub(crate) state: PluginState,
    pub(crate) restarts: u32,
    pub(crate) last_fault: Option<String>,
}

#[derive(Default)]
struct Ops {
    last: u64,
    /// Those that may be dropped half-way have a handle.
    under_way: HashMap<u64, Option<AbortHandle>>,
}

pub(crate) struct Link {
    /// Its place in the list of plugins.
    pub(crate) index: usize,
    pub(crate) id: String,
    pub(crate) grants: Grants,
    pub(crate) hub: Arc<Hub>,
    pub(crate) mailbox: Mailbox,
    /// Its audio thread.
    pub(crate) ears: Ears,
    /// Its source thread.
    pub(crate) mouths: Mouths,
    /// What it keeps.
    pub(crate) store: Store,
    /// What it counts.
    pub(crate) meters: Meters,
    /// Gateway events it asked for and is granted; another table may ask for others.
    events: Mutex<BTreeSet<String>>,
    ops: Mutex<Ops>,
    commands: Mutex<Vec<Value>>,
    fault: Mutex<Option<String>>,
    status: Mutex<Status>,
    control: OnceLock<ThreadId>,
    busy: Busy,
    saves: AtomicU64,
    lines: Mutex<Lines>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Link {
    pub(crate) fn new(
        index: usize,
        id: &str,
        grants: Grants,
        events: BTreeSet<String>,
        store: Store,
        hub: Arc<Hub>,
    ) -> Self {
        let status = Status {
            state: PluginState::Starting,
            restarts: 0,
            last_fault: None,
        };
        Self {
            index,
            id: id.to_owned(),
            grants,
            hub,
            // What comes before it has started waits for it: servers are told of once only.
            mailbox: Mailbox::open_already(),
            ears: Ears::default(),
            mouths: Mouths::default(),
            store,
            meters: Meters::default(),
            events: Mutex::new(events),
            ops: Mutex::default(),
            commands: Mutex::default(),
            fault: Mutex::default(),
            status: Mutex::new(status),
            control: OnceLock::new(),
            busy: Busy::default(),
            saves: AtomicU64::new(0),
            lines: Mutex::new(Lines::new()),
        }
    }

    // ---- events ----

    /// Whether it is told of a gateway event.
    pub(crate) fn hears(&self, name: &str) -> bool {
        lock(&self.events).contains(name)
    }

    /// Another table asks for other events.
    pub(crate) fn set_events(&self, events: BTreeSet<String>) {
        *lock(&self.events) = events;
    }

    /// Puts an event into the mailbox. A person who waits for it and will not be heard is told.
    pub(crate) fn deliver(&self, event: Event) {
        let interaction = event.interaction;
        let (unheard, words) = match self.mailbox.post(event) {
            Posted::Waiting => return,
            Posted::Displaced(oldest) => {
                if self.may_log() {
                    tracing::warn!(plugin = %self.id, "it is too slow: an event was dropped");
                }
                (oldest, "is too busy right now. Try again in a moment.")
            }
            Posted::Closed => (interaction, self.absence()),
        };
        let open = unheard.and_then(|id| self.hub.interactions().take(id));
        if let Some(open) = open {
            self.hub
                .answer(&open, &format!("The `{}` plugin {words}", self.id));
        }
    }

    /// Why it does not answer, after "The `x` plugin".
    pub(crate) fn absence(&self) -> &'static str {
        match self.status().state {
            PluginState::Starting => "is still starting. Try again in a moment.",
            PluginState::Restarting => {
                "had a fault and is starting again. Try again in a few seconds."
            }
            PluginState::Disabled => {
                "is switched off after a fault. Whoever runs this bot finds the reason in its log."
            }
            PluginState::Stopped => "is stopped. Try again later.",
            PluginState::Running => "did not answer in time. Try again in a moment.",
        }
    }

    // ---- ops ----

    /// A request of the plugin. 0: too many are under way.
    pub(crate) fn submit(self: &Arc<Self>, kind: &str, args: &[u8]) -> u64 {
        let op = {
            let mut ops = lock(&self.ops);
            // Those that are over and not told count as well: a plugin that does not come back from a
            // callback would heap them up.
            if ops.under_way.len() + self.mailbox.finished() >= MAX_OPS {
                return 0;
            }
            ops.last += 1;
            let op = ops.last;
            ops.under_way.insert(op, None);
            op
        };
        match self.checked(kind, args) {
            Ok(call) => self.carry_out(op, call),
            Err(error) => {
                tracing::debug!(plugin = %self.id, %error, "{kind} refused");
                self.finish(op, Err(error));
            }
        }
        op
    }

    fn checked(&self, kind: &str, args: &[u8]) -> Result<Call, OpError> {
        let call = Call::parse(kind, args)?;
        call.check(&self.grants)?;
        match &call {
            Call::Join(guild, to) => self
                .hub
                .pins()
                .may_go(Some(self.index), *guild, Some(*to))?,
            Call::Leave(guild) => self.hub.pins().may_go(Some(self.index), *guild, None)?,
            _ => {}
        }
        if let Some(track) = call.track()
            && !self.hub.owns(self.index, track)
        {
            return Err(OpError::Closed(format!(
                "track {track} is over, or not this plugin's"
            )));
        }
        Ok(call)
    }

    fn carry_out(self: &Arc<Self>, op: u64, call: Call) {
        self.hub.interactions().observe(clock::now(), &call);
        self.hub.interactions_changed.notify_one();
        let (instant, droppable) = (call.is_instant(), call.can_be_dropped());
        let plays = call.plays();
        let mut work = Box::pin(run(self.clone(), call));
        if instant {
            let _runtime = self.hub.runtime.enter();
            let polled = work.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            if let Poll::Ready(outcome) = polled {
                self.finish(op, outcome);
                return;
            }
        }
        let this = self.clone();
        let task = self.hub.runtime.spawn(async move {
            let outcome = work.await;
            let track = outcome
                .as_ref()
                .ok()
                .and_then(|body| body.get("track")?.as_u64());
            match track {
                Some(track) if plays => this.hub.adopt(&this, track, op, outcome),
                _ => drop(this.finish(op, outcome)),
            }
        });
        if droppable && let Some(handle) = lock(&self.ops).under_way.get_mut(&op) {
            *handle = Some(task.abort_handle());
        }
    }

    /// Reports an op's outcome. `false` if nobody waits for it any more.
    pub(crate) fn finish(&self, op: u64, outcome: Outcome) -> bool {
        if lock(&self.ops).under_way.remove(&op).is_none() {
            return false;
        }
        let (status, body) = match outcome {
            Ok(body) => (abi::OK, body.to_string()),
            Err(error) => (error.status(), error.body().to_string()),
        };
        self.mailbox.post_done(op, status, body);
        true
    }

    pub(crate) fn cancel(&self, op: u64) {
        if let Some(Some(handle)) = lock(&self.ops).under_way.remove(&op) {
            handle.abort();
        }
    }

    // ---- commands and faults ----

    pub(crate) fn set_commands(&self, json: &[u8]) -> Result<(), OpError> {
        let list: Vec<Value> = serde_json::from_slice(json)
            .map_err(|error| OpError::Invalid(format!("not a list of commands: {error}")))?;
        let named = |command: &Value| command.get("name").is_some_and(Value::is_string);
        if !list.iter().all(named) {
            return Err(OpError::Invalid("a command has no name".into()));
        }
        *lock(&self.commands) = list;
        self.hub.commands_changed.notify_one();
        Ok(())
    }

    pub(crate) fn commands(&self) -> Vec<Value> {
        lock(&self.commands).clone()
    }

    pub(crate) fn set_fault(&self, why: String) {
        *lock(&self.fault) = Some(why);
    }

    pub(crate) fn take_fault(&self) -> Option<String> {
        lock(&self.fault).take()
    }

    /// Its instance is gone: nothing of it may linger, and nobody may wait for it.
    pub(crate) fn bury(&self) {
        self.mailbox.close();
        let ops = core::mem::take(&mut lock(&self.ops).under_way);
        for handle in ops.into_values().flatten() {
            handle.abort();
        }
        self.hub.pins().release(self.index);
        self.hub.stop_tracks_of(self.index);
        let owed = self.hub.interactions().abandon(self.index);
        let absence = self.absence();
        for open in owed {
            self.hub
                .answer(&open, &format!("The `{}` plugin {absence}", self.id));
        }
    }

    /// Its instance is gone and another one follows at once: as [`Link::bury`], but events wait for
    /// it, and so do people whose question is still among them. `tracks`: they play on.
    pub(crate) fn renew(&self, tracks: bool) {
        let ops = core::mem::take(&mut lock(&self.ops).under_way);
        for handle in ops.into_values().flatten() {
            handle.abort();
        }
        let waiting = self.mailbox.renew();
        if !tracks {
            self.hub.stop_tracks_of(self.index);
        }
        let owed = self.hub.interactions().abandon_but(self.index, &waiting);
        for open in owed {
            let words = format!("The `{}` plugin was just renewed. Try again.", self.id);
            self.hub.answer(&open, &words);
        }
    }

    // ---- status ----

    pub(crate) fn status(&self) -> Status {
        lock(&self.status).clone()
    }

    pub(crate) fn set_status(&self, change: impl FnOnce(&mut Status)) {
        change(&mut lock(&self.status));
    }

    /// May it write one more line to the log? Any thread.
    pub(crate) fn may_log(&self) -> bool {
        let passed = lock(&self.lines).pass(clock::now());
        if let Some(held_back @ 1..) = passed {
            tracing::warn!(
                plugin = %self.id,
                "it says too much: {held_back} lines of it were left out"
            );
        }
        passed.is_some()
    }

    /// This thread is the control thread from now on.
    pub(crate) fn bind(&self) {
        let _ = self.control.set(std::thread::current().id());
    }

    /// Checks a thread tag and says who broke it (architecture C6).
    pub(crate) fn on_control(&self, function: &str) -> bool {
        let right = self.control.get() == Some(&std::thread::current().id());
        if !right && self.may_log() {
            tracing::error!(
                plugin = %self.id,
                "it called {function} outside its control thread; the call is refused"
            );
        }
        right
    }

    /// Runs a callback, noting how long it takes.
    pub(crate) fn timed<T>(&self, what: &str, call: impl FnOnce() -> T) -> T {
        let (result, took) = self.busy.during(On::Control, what.to_owned(), call);
        if took > SLOW {
            let ms = took.as_millis();
            tracing::warn!(plugin = %self.id, "{what} took {ms} ms; work belongs into Cx::spawn");
        }
        result
    }

    /// As [`Link::timed`], on an audio thread.
    pub(crate) fn timed_sound<T>(&self, on: On, what: &'static str, call: impl FnOnce() -> T) -> T {
        let (result, took) = self.busy.during(on, what, call);
        if took > SLOW_SOUND && self.may_log() {
            let ms = took.as_millis();
            tracing::warn!(
                plugin = %self.id,
                "{what} took {ms} ms, and its own sound waited; work belongs on a thread of its own"
            );
        }
        result
    }

    /// Its state was saved.
    pub(crate) fn count_save(&self) {
        self.saves.fetch_add(1, Ordering::Relaxed);
    }

    /// How often its state was saved.
    pub(crate) fn saves(&self) -> u64 {
        self.saves.load(Ordering::Relaxed)
    }

    /// What it is inside of, since when; of its threads the one that is so for the longest time.
    pub(crate) fn busy(&self) -> Option<(Instant, String)> {
        self.busy.longest()
    }
}

/// Files, lists and timers are the host's business, the rest is the runner's.
async fn run(link: Arc<Link>, call: Call) -> Outcome {
    match call {
        Call::Pin(guild, channel, why) => {
            let pinned = link.hub.pins().pin(link.index, guild, channel, &why);
            pinned.map(|()| Value::Null)
        }
        Call::Unpin(guild) => {
            link.hub.pins().unpin(link.index, guild);
            Ok(Value::Null)
        }
        Call::Measure(measured) => link.meters.take(measured),
        Call::StoreGet(key) => link.store.get(&key),
        Call::StoreSet(key, value) => link.store.set(&key, &value),
        Call::StoreList(prefix, after) => link.store.list(&prefix, &after),
        Call::Timer(time) => {
            tokio::time::sleep(time).await;
            Ok(Value::Null)
        }
        Call::List(dir) => {
            let (grants, named) = (link.grants.clone(), dir.clone());
            on_disk(move || files::list(&grants.read_path(&dir)?, &named)).await
        }
        Call::Probe(what) => {
            let what = real(&link, what).await?;
            link.hub.runner.run(Call::Probe(what)).await
        }
        Call::Ingest(mut ingest) => {
            ingest.what = real(&link, ingest.what).await?;
            let (grants, dir) = (link.grants.clone(), ingest.dir);
            ingest.dir = on_disk(move || grants.write_dir(&dir)).await?;
            link.hub.runner.run(Call::Ingest(ingest)).await
        }
        Call::Play(mut play) => {
            play.what = real(&link, play.what).await?;
            link.hub.runner.run(Call::Play(play)).await
        }
        Call::Next(after, what, start) => {
            let what = real(&link, what).await?;
            link.hub.runner.run(Call::Next(after, what, start)).await
        }
        other => link.hub.runner.run(other).await,
    }
}

/// The real path of a file, if it is granted.
async fn real(link: &Link, what: crate::What) -> Result<crate::What, OpError> {
    let crate::What::Path(path) = what else {
        return Ok(what);
    };
    let grants = link.grants.clone();
    on_disk(move || {
        let real = grants.read_path(&path)?;
        let real = real.into_os_string().into_string();
        let real =
            real.map_err(|_| OpError::Invalid(format!("`{path}` leads to no UTF-8 path")))?;
        Ok(crate::What::Path(real))
    })
    .await
}

async fn on_disk<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, OpError> + Send + 'static,
) -> Result<T, OpError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(_) => Err(OpError::Closed("the bot is stopping".into())),
    }
}
