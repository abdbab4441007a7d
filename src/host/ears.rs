//! `p:<id>/aud`: the one thread on which a plugin hears (architecture C6, `[audio]`).
//!
//! Each plugin has its own, begun with the first listening: a slow or stuck one keeps only itself
//! waiting. It looks at the taps every 5 ms; what a plugin is too slow for is dropped by the tap, which
//! says how much (`lost_before`). It is joined before the instance is destroyed. A host that is run by
//! hand has no such thread: a task of the runtime looks every 5 ms of its clock.

mod block;

use crate::{Listens, OpError, busy::On, link::Link};
use block::Blocks;
use mynah_engine::Want;
use mynah_plugin::abi;
use mynah_wire::GuildId;
use std::{
    collections::BTreeSet,
    io,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread::{Builder, JoinHandle},
    time::Duration,
};

/// Listenings of one plugin at once; the largest bots are in fewer voice channels.
const MAX_LISTENINGS: usize = 4096;
/// How often taps are looked at (architecture B5).
const LOOK: Duration = Duration::from_millis(5);
/// Ticks of one guild in a row, before the other guilds get their turn.
const TURN: usize = 64;
/// Ticks handed over at most when a listening ends: all that a tap holds.
const LAST: usize = 512;
/// A thread that has not ended by then is worth a line in the log.
const STUCK: Duration = Duration::from_secs(5);

/// A plugin's sink.
struct Theirs(abi::Sink);

// SAFETY: header, mynah_sink: made on [control], then used on one thread, the audio thread.
unsafe impl Send for Theirs {}

impl Theirs {
    /// # Safety
    /// `sink` is as the header describes it, and the plugin will not use it any more.
    unsafe fn new(sink: abi::Sink) -> Self {
        Self(sink)
    }
}

struct Open {
    id: u64,
    guild: u64,
    want: Want,
    sink: Theirs,
    tap: Box<dyn Listens>,
    /// It was told that it is too slow.
    warned: bool,
}

#[derive(Default)]
struct Orders {
    last: u64,
    /// Those that are open, or are to be.
    known: BTreeSet<u64>,
    open: Vec<Open>,
    close: Vec<u64>,
    stop: bool,
}

impl Orders {
    /// Those to open go where they belong; what to close, and whether that is all there is.
    fn take(&mut self, open: &mut Vec<Open>) -> (Vec<u64>, bool) {
        open.append(&mut self.open);
        (core::mem::take(&mut self.close), self.stop)
    }
}

#[derive(Default)]
struct Desk {
    orders: Mutex<Orders>,
    changed: Condvar,
}

impl Desk {
    fn orders(&self) -> MutexGuard<'_, Orders> {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The sinks that are open, and whether there is more to hear at once.
#[derive(Default)]
struct Room {
    open: Vec<Open>,
    busy: bool,
}

/// A plugin's audio thread, seen from its control thread.
#[derive(Default)]
pub(crate) struct Ears {
    desk: Arc<Desk>,
    thread: Mutex<Option<JoinHandle<()>>>,
    /// Instead of the thread, where a host is run by hand.
    room: Mutex<Option<Room>>,
    /// Ticks it was too slow for.
    lost: AtomicU64,
}

impl Ears {
    /// Ticks it was too slow for, since the beginning.
    pub(crate) fn lost_ever(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    fn tell_lost(&self, plugin: &str, one: &mut Open, lost: u32) {
        self.lost.fetch_add(lost.into(), Ordering::Relaxed);
        let guild = one.guild;
        if std::mem::replace(&mut one.warned, true) {
            tracing::debug!(
                plugin,
                guild,
                "it is still too slow: {lost} ticks were not heard"
            );
        } else {
            tracing::warn!(
                plugin,
                guild,
                "it is too slow: {lost} ticks of 20 ms were not heard. Work belongs on a thread of \
                 its own"
            );
        }
    }

    /// Room for one more?
    fn has_room(&self) -> bool {
        self.desk.orders().known.len() < MAX_LISTENINGS
    }

    /// Begins the thread unless it runs.
    fn begin(&self, link: &Arc<Link>) -> io::Result<()> {
        if link.hub.by_hand {
            self.begin_by_hand(link);
            return Ok(());
        }
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if thread.is_none() {
            let (desk, link) = (self.desk.clone(), link.clone());
            let name = format!("p:{}/aud", link.id);
            *thread = Some(Builder::new().name(name).spawn(move || run(&desk, &link))?);
        }
        Ok(())
    }

    fn room(&self) -> MutexGuard<'_, Option<Room>> {
        self.room.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A task instead of the thread, unless there is one.
    fn begin_by_hand(&self, link: &Arc<Link>) {
        match self.room.try_lock() {
            Ok(mut room) if room.is_none() => *room = Some(Room::default()),
            // Also when it is in use right now: by the very sink that asks.
            _ => return,
        }
        let link = Arc::clone(link);
        tokio::task::spawn_local(async move {
            loop {
                tokio::time::sleep(LOOK).await;
                let mut room = link.ears.room();
                let Some(room) = room.as_mut() else { return };
                let (close, stop) = link.ears.desk.orders().take(&mut room.open);
                turn(&link, &mut Blocks::new(link.hub.origin), room, &close, stop);
            }
        });
    }

    /// As [`Ears::stop`], on the one thread that there is.
    fn stop_by_hand(&self, link: &Link) {
        let Some(mut room) = self.room().take() else {
            return;
        };
        let (close, _) = self.desk.orders().take(&mut room.open);
        turn(
            link,
            &mut Blocks::new(link.hub.origin),
            &mut room,
            &close,
            true,
        );
        self.forget_orders();
    }

    /// Everything was closed; numbers are not used again.
    fn forget_orders(&self) {
        let last = self.desk.orders().last;
        *self.desk.orders() = Orders {
            last,
            ..Orders::default()
        };
    }

    /// Hands a sink over; its id.
    fn open(&self, guild: u64, want: Want, sink: Theirs, tap: Box<dyn Listens>) -> u64 {
        let mut orders = self.desk.orders();
        orders.last += 1;
        let id = orders.last;
        orders.known.insert(id);
        orders.open.push(Open {
            id,
            guild,
            want,
            sink,
            tap,
            warned: false,
        });
        drop(orders);
        self.desk.changed.notify_one();
        id
    }

    /// Ends one, soon. `false` if there is none of that id.
    pub(crate) fn close(&self, id: u64) -> bool {
        let mut orders = self.desk.orders();
        let was_known = orders.known.remove(&id);
        if was_known {
            orders.close.push(id);
            drop(orders);
            self.desk.changed.notify_one();
        }
        was_known
    }

    /// Closes every sink and waits for the thread: afterwards no plugin code runs on it.
    pub(crate) fn stop(&self, link: &Link) {
        let thread = {
            let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
            thread.take()
        };
        self.stop_by_hand(link);
        let Some(thread) = thread else {
            return;
        };
        self.desk.orders().stop = true;
        self.desk.changed.notify_one();
        wait_for(thread, &link.id);
        self.forget_orders();
    }
}

impl Link {
    /// A sink is to hear a guild. Refused, it is still the plugin's.
    pub(crate) fn listen(
        self: &Arc<Self>,
        guild: u64,
        options: &[u8],
        sink: abi::Sink,
    ) -> Result<u64, OpError> {
        if sink.heard.is_none() {
            return Err(OpError::Invalid("its sink has no `heard`".into()));
        }
        let want: mynah_plugin::Want = serde_json::from_slice(options)
            .map_err(|error| OpError::Invalid(format!("what it wants is unclear: {error}")))?;
        if want == mynah_plugin::Want::default() {
            return Err(OpError::Invalid("it wants to hear nothing".into()));
        }
        if want.packets || want.lanes {
            self.grants.require("voice.opus")?;
        }
        if want.pcm || want.mix {
            self.grants.require("voice.listen")?;
        }
        if !self.ears.has_room() {
            return Err(OpError::Busy("it listens in too many places".into()));
        }
        let want = Want {
            packets: want.packets,
            pcm: want.pcm,
            mix: want.mix,
            lanes: want.lanes,
        };
        let tap = {
            let _runtime = self.hub.runtime.enter();
            self.hub.runner.listen(GuildId::new(guild), want)?
        };
        self.ears
            .begin(self)
            .map_err(|error| OpError::Failed(format!("no thread to listen on: {error}")))?;
        // SAFETY: from the plugin, as the header says; accepted, so it is ours.
        let sink = unsafe { Theirs::new(sink) };
        Ok(self.ears.open(guild, want, sink, tap))
    }
}

/// Waits for a thread of a plugin that was told to end, however long that takes: nothing of the plugin
/// may go while it runs.
pub(crate) fn wait_for(thread: JoinHandle<()>, plugin: &str) {
    let mut waited = Duration::ZERO;
    while !thread.is_finished() {
        std::thread::sleep(LOOK);
        waited += LOOK;
        if waited == STUCK {
            tracing::error!(
                plugin,
                "one of its audio threads does not come back from a call; the plugin waits for it, and \
                 nobody else does"
            );
        }
    }
    if thread.join().is_err() {
        tracing::error!(plugin, "the host had a fault on one of its audio threads");
    }
}

/// The thread.
fn run(desk: &Desk, link: &Link) {
    let mut blocks = Blocks::new(link.hub.origin);
    let mut room = Room::default();
    loop {
        let (close, stop) = orders(desk, &mut room.open, room.busy);
        turn(link, &mut blocks, &mut room, &close, stop);
        if stop {
            return;
        }
    }
}

/// One look at every tap. With `stop`, the end of them all.
fn turn(link: &Link, blocks: &mut Blocks, room: &mut Room, close: &[u64], stop: bool) {
    let leaving = room
        .open
        .extract_if(.., |one| close.contains(&one.id) || stop);
    for one in leaving.collect::<Vec<_>>() {
        end(link, blocks, one);
    }
    room.busy = false;
    let mut over = Vec::new();
    for one in &mut room.open {
        // Asked first: what came before the end is heard.
        let is_last = one.tap.is_over();
        match hear(link, blocks, one, TURN) {
            Turn::More => room.busy = true,
            Turn::Nothing if is_last => over.push(one.id),
            Turn::Nothing => {}
            Turn::Failed => over.push(one.id),
        }
    }
    for one in room.open.extract_if(.., |one| over.contains(&one.id)) {
        link.ears.desk.orders().known.remove(&one.id);
        link.timed_sound(On::Ears, "a sink's end", || close_sink(&one));
    }
}

/// Waits for orders: for ever without sinks, not at all while there is more to hear. What to close,
/// and whether that is all there is.
fn orders(desk: &Desk, open: &mut Vec<Open>, busy: bool) -> (Vec<u64>, bool) {
    let mut orders = desk.orders();
    let is_news =
        |orders: &Orders| orders.stop || !orders.open.is_empty() || !orders.close.is_empty();
    if open.is_empty() {
        while !is_news(&orders) {
            let waited = desk.changed.wait(orders);
            orders = waited.unwrap_or_else(PoisonError::into_inner);
        }
    } else if !busy && !is_news(&orders) {
        let waited = desk.changed.wait_timeout(orders, LOOK);
        orders = waited.unwrap_or_else(PoisonError::into_inner).0;
    }
    orders.take(open)
}

enum Turn {
    /// There may be more.
    More,
    Nothing,
    /// The sink wants no more, or is broken.
    Failed,
}

fn hear(link: &Link, blocks: &mut Blocks, one: &mut Open, ticks: usize) -> Turn {
    for _ in 0..ticks {
        let Some(heard) = one.tap.next() else {
            return Turn::Nothing;
        };
        if heard.lost_before > 0 {
            link.ears.tell_lost(&link.id, one, heard.lost_before);
        }
        let Some(call) = one.sink.0.heard else {
            return Turn::Failed;
        };
        let this = one.sink.0.self_;
        let status = link.timed_sound(On::Ears, "a sink's listening", || {
            blocks.lend(one.guild, one.want, &heard, |block| {
                // SAFETY: header, mynah_sink.heard: this thread only; the block lives for the call.
                unsafe { call(this, block) }
            })
        });
        if status == abi::E_PANIC {
            link.set_fault("it panicked while it listened".to_owned());
            link.mailbox.fault();
        }
        if status < 0 {
            return Turn::Failed;
        }
    }
    Turn::More
}

/// What has been said until now is heard, then the sink is closed.
fn end(link: &Link, blocks: &mut Blocks, mut one: Open) {
    hear(link, blocks, &mut one, LAST);
    link.timed_sound(On::Ears, "a sink's end", || close_sink(&one));
}

fn close_sink(one: &Open) {
    if let Some(close) = one.sink.0.close {
        // SAFETY: header, mynah_sink.close: the last call, on the one thread that made the others.
        unsafe { close(one.sink.0.self_) };
    }
}
