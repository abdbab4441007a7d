//! `p:<id>/src`: the one thread on which a plugin makes sound of its own (architecture C6, `[audio]`).
//!
//! Begun with the first source, apart from the thread that hears: who makes sound may think about it,
//! and nothing is missed meanwhile. Sources are pulled ahead of time, as much as the pipe to their
//! track takes. A source that is late is heard as a stall of its own track, by nobody else's plugin.

use crate::{OpError, busy::On, call::source_options, ears::wait_for, link::Link, sound};
use mynah_engine::LiveWriter;
use mynah_plugin::{abi, audio::BLOCK_FLOATS};
use mynah_wire::GuildId;
use std::{
    collections::HashMap,
    io,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::{Builder, JoinHandle},
    time::Duration,
};

/// Sources of one plugin at once.
const MAX_SOURCES: usize = 1024;
/// How often it is looked whether there is room (architecture B5).
const LOOK: Duration = Duration::from_millis(5);
/// Position of a block and the next one.
const FRAMES: u64 = abi::FRAMES as u64;

/// A plugin's source.
struct Theirs(abi::Source);

// SAFETY: header, mynah_source: made on [control], then used on one thread, the source thread.
unsafe impl Send for Theirs {}

/// What the header promises of `mynah_block.pcm`.
#[repr(align(64))]
struct Aligned([f32; BLOCK_FLOATS]);

struct Mouth {
    track: u64,
    source: Theirs,
    /// `None` once the sound is over.
    to: Option<LiveWriter>,
    frame: u64,
}

#[derive(Default)]
struct Orders {
    new: Vec<Mouth>,
    open: usize,
    stop: bool,
    /// With `stop`: the pipes stay open, for the sources of the next instance.
    keep: bool,
}

/// A pipe whose source is gone, and where in the sound it was.
struct Kept {
    to: LiveWriter,
    frame: u64,
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

/// A plugin's source thread, seen from its control thread.
#[derive(Default)]
pub(crate) struct Mouths {
    desk: Arc<Desk>,
    thread: Mutex<Option<JoinHandle<()>>>,
    /// Instead of the thread, where a host is run by hand.
    by_hand: Mutex<Option<Vec<Mouth>>>,
    /// By their tracks, while one instance follows another.
    kept: Mutex<HashMap<u64, Kept>>,
}

impl Mouths {
    fn begin(&self, link: &Arc<Link>) -> io::Result<()> {
        if link.hub.by_hand {
            self.begin_by_hand(link);
            return Ok(());
        }
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if thread.is_none() {
            let (desk, link) = (self.desk.clone(), link.clone());
            let name = format!("p:{}/src", link.id);
            *thread = Some(Builder::new().name(name).spawn(move || run(&desk, &link))?);
        }
        Ok(())
    }

    fn mouths(&self) -> MutexGuard<'_, Option<Vec<Mouth>>> {
        self.by_hand.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A task instead of the thread, unless there is one.
    fn begin_by_hand(&self, link: &Arc<Link>) {
        match self.by_hand.try_lock() {
            Ok(mut mouths) if mouths.is_none() => *mouths = Some(Vec::new()),
            // Also when it is in use right now: by the very source that asks.
            _ => return,
        }
        let link = Arc::clone(link);
        tokio::task::spawn_local(async move {
            let mut room = Box::new(Aligned([0.0; BLOCK_FLOATS]));
            loop {
                if let Some(mouths) = link.mouths.mouths().as_mut() {
                    mouths.append(&mut link.mouths.desk.orders().new);
                    turn(&link, mouths, &mut room, None);
                } else {
                    return;
                }
                tokio::time::sleep(LOOK).await;
            }
        });
    }

    /// As [`Mouths::stop`], on the one thread that there is.
    fn stop_by_hand(&self, link: &Link, keep: bool) {
        let Some(mut mouths) = self.mouths().take() else {
            return;
        };
        mouths.append(&mut self.desk.orders().new);
        let mut room = Box::new(Aligned([0.0; BLOCK_FLOATS]));
        turn(link, &mut mouths, &mut room, Some(keep));
    }

    fn open(&self, mouth: Mouth) {
        let mut orders = self.desk.orders();
        orders.open += 1;
        orders.new.push(mouth);
        drop(orders);
        self.desk.changed.notify_one();
    }

    fn kept(&self) -> MutexGuard<'_, HashMap<u64, Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What nobody has taken over ends, when what it still holds has been heard.
    pub(crate) fn let_go(&self) {
        self.kept().clear();
    }

    /// Closes every source and waits for the thread: afterwards no plugin code runs on it. With `keep`
    /// their tracks go on with what is in the pipe, until the next instance takes them over or
    /// [`Mouths::let_go`].
    pub(crate) fn stop(&self, link: &Link, keep: bool) {
        let thread = {
            let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
            thread.take()
        };
        self.stop_by_hand(link, keep);
        let Some(thread) = thread else {
            return;
        };
        {
            let mut orders = self.desk.orders();
            (orders.stop, orders.keep) = (true, keep);
        }
        self.desk.changed.notify_one();
        wait_for(thread, &link.id);
        *self.desk.orders() = Orders::default();
    }
}

impl Link {
    /// A source is to be heard in a guild; its track. Refused, it is still the plugin's.
    pub(crate) fn play_source(
        self: &Arc<Self>,
        guild: u64,
        source: abi::Source,
        options: &[u8],
    ) -> Result<u64, OpError> {
        if source.pull.is_none() {
            return Err(OpError::Invalid("its source has no `pull`".into()));
        }
        let (options, taken) = source_options(guild, options)?;
        self.grants.require(sound::lane_capability(options.lane))?;
        if self.mouths.desk.orders().open >= MAX_SOURCES {
            return Err(OpError::Busy("it plays too many sources".into()));
        }
        self.mouths
            .begin(self)
            .map_err(|error| OpError::Failed(format!("no thread to make sound on: {error}")))?;
        if let Some(track) = taken {
            return self.take_over(track, source);
        }
        let (to, live) = mynah_engine::live();
        let track = {
            let _runtime = self.hub.runtime.enter();
            let runner = &self.hub.runner;
            runner.play_live(GuildId::new(guild), live, options)?
        };
        self.hub.own(self, track);
        self.mouths.open(Mouth {
            track,
            source: Theirs(source),
            to: Some(to),
            frame: 0,
        });
        Ok(track)
    }

    /// A source goes on where one of the instance before was.
    fn take_over(&self, track: u64, source: abi::Source) -> Result<u64, OpError> {
        let kept = self.mouths.kept().remove(&track);
        let Some(Kept { to, frame }) = kept.filter(|_| self.hub.owns(self.index, track)) else {
            return Err(OpError::Closed(format!("track {track} is over")));
        };
        self.mouths.open(Mouth {
            track,
            source: Theirs(source),
            to: Some(to),
            frame,
        });
        Ok(track)
    }
}

/// The thread.
fn run(desk: &Desk, link: &Link) {
    let mut room = Box::new(Aligned([0.0; BLOCK_FLOATS]));
    let mut mouths: Vec<Mouth> = Vec::new();
    loop {
        let end = orders(desk, &mut mouths);
        turn(link, &mut mouths, &mut room, end);
        if end.is_some() {
            return;
        }
    }
}

/// One look at every pipe. With an `end`, that of them all; true keeps their pipes open.
fn turn(link: &Link, mouths: &mut Vec<Mouth>, room: &mut Aligned, end: Option<bool>) {
    let stop = end.is_some();
    if !stop {
        for mouth in mouths.iter_mut() {
            speak(link, mouth, room);
        }
    }
    let over = mouths.extract_if(.., |mouth| stop || mouth.to.is_none());
    let over: Vec<Mouth> = over.collect();
    link.mouths.desk.orders().open -= over.len();
    for mut mouth in over {
        if let (Some(true), Some(to)) = (end, mouth.to.take()) {
            let frame = mouth.frame;
            link.mouths.kept().insert(mouth.track, Kept { to, frame });
        }
        link.timed_sound(On::Sound, "a source's end", || close(mouth));
    }
}

/// Waits for orders, or until a pipe may have room. At the end, whether pipes stay open.
fn orders(desk: &Desk, mouths: &mut Vec<Mouth>) -> Option<bool> {
    let mut orders = desk.orders();
    if mouths.is_empty() {
        while !orders.stop && orders.new.is_empty() {
            let waited = desk.changed.wait(orders);
            orders = waited.unwrap_or_else(PoisonError::into_inner);
        }
    } else if !orders.stop && orders.new.is_empty() {
        let waited = desk.changed.wait_timeout(orders, LOOK);
        orders = waited.unwrap_or_else(PoisonError::into_inner).0;
    }
    mouths.append(&mut orders.new);
    orders.stop.then_some(orders.keep)
}

/// Fills the pipe, as far as there is sound and room.
fn speak(link: &Link, mouth: &mut Mouth, room: &mut Aligned) {
    let Some(to) = &mut mouth.to else {
        return;
    };
    if to.is_abandoned() {
        mouth.to = None;
        return;
    }
    for _ in 0..to.room() {
        let pulled = link.timed_sound(On::Sound, "a source's pull", || {
            pull(&mouth.source, mouth.frame, room)
        });
        match pulled {
            Ok((flags, more)) => {
                if more {
                    if flags & abi::SILENT != 0 {
                        room.0.fill(0.0);
                    }
                    to.put(&room.0);
                    mouth.frame += FRAMES;
                }
                if !more || flags & abi::LAST != 0 {
                    mouth.to = None;
                    return;
                }
            }
            Err(status) => {
                let words = if status == abi::E_PANIC {
                    link.set_fault("it panicked while it made sound".to_owned());
                    link.mailbox.fault();
                    "its plugin panicked"
                } else {
                    "its plugin could not make it"
                };
                if let Some(to) = mouth.to.take() {
                    to.fail(format!("{words} ({status})"));
                }
                return;
            }
        }
    }
}

/// One block: its flags, and whether there is one; or the status below zero.
fn pull(source: &Theirs, frame: u64, room: &mut Aligned) -> Result<(u32, bool), abi::Status> {
    let Some(pull) = source.0.pull else {
        return Err(abi::E_UNSUPPORTED);
    };
    let mut block = abi::Block {
        size: size_of::<abi::Block>() as u32,
        layout: abi::STEREO_INTERLEAVED,
        pcm: room.0.as_mut_ptr(),
        opus: core::ptr::null_mut(),
        opus_cap: 0,
        opus_len: 0,
        frame,
        flags: 0,
    };
    // SAFETY: header, mynah_source.pull: this thread only; the block lives for the call.
    let status = unsafe { pull(source.0.self_, &raw mut block) };
    if status < 0 {
        return Err(status);
    }
    if block.layout == abi::STEREO_PLANAR {
        interleave(&mut room.0);
    } else if block.layout != abi::STEREO_INTERLEAVED {
        // There was no room for packets, so there can be none.
        return Err(abi::E_UNSUPPORTED);
    }
    Ok((block.flags, status > 0))
}

fn interleave(block: &mut [f32; BLOCK_FLOATS]) {
    let planar = *block;
    let (left, right) = planar.split_at(BLOCK_FLOATS / 2);
    let frames = block.chunks_exact_mut(2).zip(left.iter().zip(right));
    for (frame, (left, right)) in frames {
        frame.copy_from_slice(&[*left, *right]);
    }
}

fn close(mouth: Mouth) {
    if let Some(close) = mouth.source.0.close {
        // SAFETY: header, mynah_source.close: the last call, on the one thread that made the others.
        unsafe { close(mouth.source.0.self_) };
    }
}
