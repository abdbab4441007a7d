//! One receive thread.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::net::UdpSocket;
use std::os::fd::OwnedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};

use super::{Door, EarNews, Order, Plug, READ_AT_ONCE, Shared, lock};
use crate::tap::Spout;
use crate::{Hearing, TICK, Taken, Want};

/// Orders carried out in one wake.
const ORDERS_AT_ONCE: usize = 256;
/// Sockets that one wait tells of.
const EVENTS: usize = 64;
/// The bell's number among the sockets; sessions count from 1.
const BELL: u64 = 0;
/// Ticks between two looks at the counters: a second.
const TICKS_PER_STATS: u64 = 50;
/// A thread that is so far behind does not catch up but goes on from now.
const HOPELESS: Duration = Duration::from_millis(200);
/// Above every datagram that a voice server sends.
const DATAGRAM: usize = 2048;
/// Room for a burst of many speakers, before the thread has its turn.
const RECEIVE_BUFFER: usize = 1 << 20;

/// One session.
struct Seat {
    hearing: Hearing,
    shared: Arc<Shared>,
    socket: Option<UdpSocket>,
    /// The socket is being waited for.
    polled: bool,
    spouts: Vec<Spout>,
}

/// One thread's sessions.
pub(super) struct EarThread {
    door: Arc<Door>,
    inbox: Receiver<(u64, Order)>,
    epoll: OwnedFd,
    seats: BTreeMap<u64, Seat>,
    next_tick: Option<Instant>,
    ticks: u64,
    stops: bool,
}

impl EarThread {
    pub(super) fn new(door: Arc<Door>, inbox: Receiver<(u64, Order)>) -> std::io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let bell = epoll::EventData::new_u64(BELL);
        epoll::add(&epoll, &door.bell, bell, epoll::EventFlags::IN)?;
        Ok(Self {
            door,
            inbox,
            epoll,
            seats: BTreeMap::new(),
            next_tick: None,
            ticks: 0,
            stops: false,
        })
    }

    #[allow(clippy::disallowed_methods, reason = "the thread's own clock")]
    pub(super) fn run(&mut self) {
        let mut events = Vec::with_capacity(EVENTS);
        while !self.stops {
            self.wait(&mut events, Instant::now());
            let now = Instant::now();
            for event in events.drain(..) {
                match event.data.u64() {
                    BELL => self.hush_bell(),
                    id => self.read(id, now),
                }
            }
            self.obey(now);
            self.tick(Instant::now());
        }
    }

    fn wait(&self, events: &mut Vec<epoll::Event>, now: Instant) {
        let left = self.next_tick.map(|at| at.saturating_duration_since(now));
        let timeout = left.map(|left| Timespec {
            tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(left.subsec_nanos()),
        });
        // Interrupted is as good as woken; anything else would come again at once, so the thread
        // would spin: it has no socket left to lose by sleeping.
        if let Err(error) = epoll::wait(&self.epoll, spare_capacity(events), timeout.as_ref())
            && error != rustix::io::Errno::INTR
        {
            tracing::error!(%error, "an ear thread cannot wait");
            std::thread::sleep(TICK);
        }
    }

    fn hush_bell(&self) {
        let mut count = [0; 8];
        let _ = rustix::io::read(&self.door.bell, &mut count);
    }

    // --- packets -------------------------------------------------------------------------------

    fn read(&mut self, id: u64, now: Instant) {
        self.at(id, |seat, epoll| {
            if seat.read(now) == Rest::UntilTick {
                seat.stop_polling(epoll);
            }
            seat.alarm();
        });
    }

    /// Does something for one session. Should that panic, this session is over and no other.
    fn at(&mut self, id: u64, does: impl FnOnce(&mut Seat, &OwnedFd)) {
        let Some(seat) = self.seats.get_mut(&id) else {
            return;
        };
        let epoll = &self.epoll;
        if catch_unwind(AssertUnwindSafe(|| does(seat, epoll))).is_ok() {
            return;
        }
        tracing::error!(id, "a session's ear has failed");
        let Some(mut seat) = self.seats.remove(&id) else {
            return;
        };
        // What is broken may break again when it is put away.
        let _ = catch_unwind(AssertUnwindSafe(|| {
            seat.stop_polling(&self.epoll);
            seat.shared.failed.store(true, Ordering::Release);
            let shared = Arc::clone(&seat.shared);
            drop(seat);
            shared.tell(EarNews::Failed);
        }));
    }

    // --- orders --------------------------------------------------------------------------------

    fn obey(&mut self, now: Instant) {
        for _ in 0..ORDERS_AT_ONCE {
            match self.inbox.try_recv() {
                Ok((id, order)) => {
                    if matches!(order, Order::Lane(_)) {
                        self.door.lanes.fetch_sub(1, Ordering::Relaxed);
                    }
                    self.carry_out(id, order, now);
                }
                Err(_) => return,
            }
        }
        // More lies there: look again at once.
        let _ = rustix::io::write(&self.door.bell, &1_u64.to_ne_bytes());
    }

    fn carry_out(&mut self, id: u64, order: Order, now: Instant) {
        match order {
            Order::Stop => self.stops = true,
            Order::Open(shared) => {
                let seat = Seat {
                    hearing: Hearing::new(),
                    shared,
                    socket: None,
                    polled: false,
                    spouts: Vec::new(),
                };
                self.seats.insert(id, seat);
            }
            Order::Close => {
                if let Some(mut seat) = self.seats.remove(&id) {
                    seat.stop_polling(&self.epoll);
                }
            }
            order => self.at(id, |seat, epoll| {
                seat.obey(order, now, epoll);
                seat.poll(id, epoll);
                seat.alarm();
            }),
        }
        let listens = self.seats.values().any(Seat::listens);
        match self.next_tick {
            None if listens => self.next_tick = Some(now + TICK),
            Some(_) if !listens => self.next_tick = None,
            _ => {}
        }
    }

    // --- hearing -------------------------------------------------------------------------------

    fn tick(&mut self, now: Instant) {
        let Some(mut due) = self.next_tick else {
            return;
        };
        let mut skipped = hopeless(now.saturating_duration_since(due));
        due += TICK * skipped;
        while due <= now {
            self.ticks += 1;
            let tells = self.ticks.is_multiple_of(TICKS_PER_STATS);
            let listens = |(id, seat): (&u64, &Seat)| seat.listens().then_some(*id);
            let ids: Vec<u64> = self.seats.iter().filter_map(listens).collect();
            for id in ids {
                self.at(id, |seat, epoll| {
                    seat.skip(skipped);
                    seat.tick(id, due, tells, epoll);
                    // Its socket may have rested.
                    seat.poll(id, epoll);
                });
            }
            due += TICK;
            skipped = 0;
        }
        let listens = self.seats.values().any(Seat::listens);
        self.next_tick = listens.then_some(due);
    }
}

/// Ticks that a thread does not make up for, so late as it is.
fn hopeless(late: Duration) -> u32 {
    if late <= HOPELESS {
        return 0;
    }
    // The last of them is given: it stands for now.
    u32::try_from(late.as_millis() / TICK.as_millis()).unwrap_or(u32::MAX)
}

/// What a socket needs after it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rest {
    No,
    /// There is no end of what it has to say, and it says nothing: left alone until the next tick, so that
    /// the thread does not spin.
    UntilTick,
}

impl Seat {
    fn listens(&self) -> bool {
        !self.spouts.is_empty()
    }

    fn skip(&mut self, ticks: u32) {
        if ticks > 0 {
            self.hearing.skip(ticks);
            self.spouts.iter_mut().for_each(|spout| spout.skip(ticks));
        }
    }

    /// Reads the socket, but not for ever.
    fn read(&mut self, now: Instant) -> Rest {
        let Some(socket) = &self.socket else {
            return Rest::No;
        };
        let mut datagram = [0_u8; DATAGRAM];
        let mut empty = 0;
        for round in 0..READ_AT_ONCE {
            match socket.recv(&mut datagram) {
                Ok(0) => empty += 1,
                Ok(length) => {
                    let bytes = datagram.get_mut(..length).unwrap_or_default();
                    if self.hearing.take(now, bytes) == Taken::Control {
                        self.shared.tell(EarNews::Control(bytes.to_vec()));
                    }
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // Ready, but with nothing: a socket that was shut down says so for ever.
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    return if round == 0 {
                        Rest::UntilTick
                    } else {
                        Rest::No
                    };
                }
                // The answer of a dead server, which the session finds out by its own timeouts.
                Err(_) => return Rest::UntilTick,
            }
        }
        match empty {
            READ_AT_ONCE => Rest::UntilTick,
            _ => Rest::No,
        }
    }

    fn obey(&mut self, order: Order, now: Instant, epoll: &OwnedFd) {
        match order {
            Order::Plug(plug) => {
                self.stop_polling(epoll);
                self.plug(*plug);
            }
            Order::Unplug => {
                self.stop_polling(epoll);
                self.socket = None;
                self.hearing.unplug();
            }
            Order::Keys(keys) => self.hearing.keys(now, &keys),
            Order::Learn(ssrc, user) => self.hearing.learn(now, ssrc, user),
            Order::Forget(user) => self.hearing.forget(user),
            Order::Listen(spout) => {
                self.spouts.push(*spout);
                self.wish();
            }
            Order::Lane(packet) => self.hearing.lane(packet),
            Order::Open(_) | Order::Close | Order::Stop => {}
        }
    }

    fn plug(&mut self, plug: Plug) {
        let Plug {
            socket,
            media,
            reports,
            own,
        } = plug;
        if let Err(error) = socket.set_nonblocking(true) {
            // A socket that blocks would stop every session of this thread.
            tracing::error!(%error, "a voice socket cannot be read without blocking");
            return;
        }
        self.socket = Some(socket);
        self.hearing.plug(media, reports, own);
    }

    /// Waits for the socket while somebody listens.
    fn poll(&mut self, id: u64, epoll: &OwnedFd) {
        let (Some(socket), false, true) = (&self.socket, self.polled, self.listens()) else {
            return;
        };
        let _ = rustix::net::sockopt::set_socket_recv_buffer_size(socket, RECEIVE_BUFFER);
        let data = epoll::EventData::new_u64(id);
        match epoll::add(epoll, socket, data, epoll::EventFlags::IN) {
            Ok(()) => self.polled = true,
            Err(error) => tracing::error!(%error, "a voice socket cannot be listened to"),
        }
    }

    fn stop_polling(&mut self, epoll: &OwnedFd) {
        if let (Some(socket), true) = (&self.socket, self.polled) {
            let _ = epoll::delete(epoll, socket);
        }
        self.polled = false;
    }

    /// What all listeners together want.
    fn wish(&mut self) {
        let all = self.spouts.iter().map(|spout| spout.want);
        let want = all.fold(Want::default(), Want::and);
        self.hearing.want(want);
        self.shared.listens.store(self.listens(), Ordering::Release);
    }

    fn alarm(&mut self) {
        while let Some(user) = self.hearing.undecryptable() {
            self.shared.tell(EarNews::Undecryptable(user));
        }
    }

    fn tick(&mut self, id: u64, at: Instant, tells: bool, epoll: &OwnedFd) {
        let heard = self.hearing.tick(at);
        for spout in &mut self.spouts {
            spout.give(&heard);
        }
        let before = self.spouts.len();
        self.spouts.retain(|spout| !spout.is_abandoned());
        if self.spouts.len() != before {
            self.wish();
            if !self.listens() {
                self.stop_polling(epoll);
                tracing::debug!(id, "nobody listens any more");
            }
        }
        if tells {
            *lock(&self.shared.stats) = self.hearing.stats();
        }
        self.alarm();
    }
}

#[cfg(test)]
mod tests;
