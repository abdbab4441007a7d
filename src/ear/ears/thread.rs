//! One receive thread.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::net::UdpSocket;
use std::os::fd::OwnedFd;
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
        let Some(seat) = self.seats.get_mut(&id) else {
            return;
        };
        let Some(socket) = &seat.socket else {
            return;
        };
        let mut datagram = [0_u8; DATAGRAM];
        for _ in 0..READ_AT_ONCE {
            match socket.recv(&mut datagram) {
                Ok(length) => {
                    let bytes = datagram.get_mut(..length).unwrap_or_default();
                    if seat.hearing.take(now, bytes) == Taken::Control {
                        seat.shared.tell(EarNews::Control(bytes.to_vec()));
                    }
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // Nothing more; or the answer of a dead server, which the session finds out by its
                // own timeouts.
                Err(_) => break,
            }
        }
        seat.alarm();
    }

    // --- orders --------------------------------------------------------------------------------

    fn obey(&mut self, now: Instant) {
        for _ in 0..ORDERS_AT_ONCE {
            match self.inbox.try_recv() {
                Ok((id, order)) => self.carry_out(id, order, now),
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
            order => {
                let Some(seat) = self.seats.get_mut(&id) else {
                    return;
                };
                seat.obey(order, now, &self.epoll);
                seat.poll(id, &self.epoll);
                seat.alarm();
            }
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
        if now.saturating_duration_since(due) > HOPELESS {
            due = now;
        }
        while due <= now {
            self.ticks += 1;
            let tells = self.ticks.is_multiple_of(TICKS_PER_STATS);
            for (id, seat) in &mut self.seats {
                if seat.listens() {
                    seat.tick(*id, due, tells, &self.epoll);
                }
            }
            due += TICK;
        }
        let listens = self.seats.values().any(Seat::listens);
        self.next_tick = listens.then_some(due);
    }
}

impl Seat {
    fn listens(&self) -> bool {
        !self.spouts.is_empty()
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
