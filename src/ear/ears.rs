//! The receive threads, and what the rest of the program has of them.
//!
//! A thread waits in `epoll` for the sockets of sessions that somebody listens to, reads them, and every
//! 20 ms hands out what was heard. Deadlines are absolute. One wake reads at most
//! [`READ_AT_ONCE`] datagrams of a socket before the next socket has its turn: a flood in one session
//! is read as fast as the others are, and the kernel drops the rest of it.

mod thread;

use std::collections::{BTreeSet, VecDeque};
use std::net::UdpSocket;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use mynah_session::transport::RtpOpener;
use mynah_session::voice::MediaKeys;
use mynah_wire::{Ssrc, UserId};
use rustix::event::{EventfdFlags, eventfd};

use crate::tap::{Spout, tap};
use crate::{HearStats, Packet, Tap, Want};

/// Datagrams read from one socket before the next has its turn.
const READ_AT_ONCE: usize = 64;
/// Control datagrams that wait for a session that does not fetch them; further ones are dropped.
const MAX_CONTROL: usize = 64;
/// Users whose frames do not open that wait likewise, each once: more than a call holds.
const MAX_UNDECRYPTABLE: usize = 4096;
/// Lane packets on the way to one thread: 20 s of the four lanes of one session. Further ones are dropped,
/// which their numbers tell.
const MAX_LANES: usize = 4096;

/// The receive threads. Dropping them ends every ear.
#[derive(Debug)]
pub struct Ears {
    handle: EarHandle,
    threads: Vec<JoinHandle<()>>,
}

/// Opens ears. Cheap to clone.
#[derive(Clone, Debug)]
pub struct EarHandle {
    doors: Arc<[Arc<Door>]>,
    next_id: Arc<AtomicU64>,
}

/// The way to one thread.
#[derive(Debug)]
struct Door {
    /// Without a limit of its own. Lane packets have one; all other orders come of what the voice server
    /// says over its websocket, one or none each, ring the bell, and are carried out 256 at a time.
    orders: Mutex<Sender<(u64, Order)>>,
    /// Lane packets among the orders.
    lanes: AtomicUsize,
    bell: OwnedFd,
    open: AtomicUsize,
}

/// What a session wants of its thread.
enum Order {
    Open(Arc<Shared>),
    Close,
    Plug(Box<Plug>),
    Unplug,
    Keys(MediaKeys),
    Learn(Ssrc, UserId),
    Forget(UserId),
    Listen(Box<Spout>),
    Lane(Packet),
    Stop,
}

struct Plug {
    socket: UdpSocket,
    media: RtpOpener,
    reports: RtpOpener,
    own: Ssrc,
}

/// What the session has to hear of.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EarNews {
    /// A datagram that is no media: the answer to a ping, a keepalive.
    Control(Vec<u8>),
    /// Frames of this user do not open, again and again.
    Undecryptable(UserId),
    /// Hearing this session went wrong beyond repair (a panic, which the log has). It hears nothing any
    /// more, its taps are closed; other sessions are not concerned.
    Failed,
}

/// What both sides of an ear see.
struct Shared {
    news: Mutex<News>,
    stats: Mutex<HearStats>,
    /// Somebody listens, so that the thread reads the socket.
    listens: AtomicBool,
    /// The thread has given this session up; nothing brings it back.
    failed: AtomicBool,
    wake: Box<dyn Fn() + Send + Sync>,
}

/// What waits to be fetched. Each kind has room of its own: no flood of one hides another.
#[derive(Default)]
struct News {
    failed: bool,
    undecryptable: BTreeSet<UserId>,
    control: VecDeque<Vec<u8>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Ears {
    /// Starts threads, at least one.
    ///
    /// # Errors
    /// When the system gives no thread, `epoll` or `eventfd`.
    pub fn start(threads: usize) -> std::io::Result<Self> {
        let (mut doors, mut started) = (Vec::new(), Vec::new());
        for number in 0..threads.max(1) {
            let bell = eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?;
            let (orders, inbox) = channel();
            let door = Arc::new(Door {
                orders: Mutex::new(orders),
                lanes: AtomicUsize::new(0),
                bell,
                open: AtomicUsize::new(0),
            });
            started.push(start(number, Arc::clone(&door), inbox)?);
            doors.push(door);
        }
        Ok(Self {
            handle: EarHandle {
                doors: doors.into(),
                next_id: Arc::default(),
            },
            threads: started,
        })
    }

    /// What opens ears.
    #[must_use]
    pub fn handle(&self) -> EarHandle {
        self.handle.clone()
    }
}

fn start(
    number: usize,
    door: Arc<Door>,
    inbox: Receiver<(u64, Order)>,
) -> std::io::Result<JoinHandle<()>> {
    let mut thread = thread::EarThread::new(door, inbox)?;
    std::thread::Builder::new()
        .name(format!("ear-{number}"))
        .spawn(move || thread.run())
}

impl Drop for Ears {
    fn drop(&mut self) {
        for door in self.handle.doors.iter() {
            door.order(0, Order::Stop);
        }
        for thread in self.threads.drain(..) {
            // A panic was told by the hook already.
            let _ = thread.join();
        }
    }
}

impl Door {
    fn order(&self, id: u64, order: Order) {
        let rings = !matches!(order, Order::Lane(_));
        if !rings && self.lanes.fetch_add(1, Ordering::Relaxed) >= MAX_LANES {
            self.lanes.fetch_sub(1, Ordering::Relaxed);
            return;
        }
        // Refused when the thread is gone: then nothing is heard any more anyway.
        let _ = lock(&self.orders).send((id, order));
        if rings {
            // Full is as good as rung.
            let _ = rustix::io::write(&self.bell, &1_u64.to_ne_bytes());
        }
    }
}

impl EarHandle {
    /// An ear for one voice session. `wake` is called on the ear's thread when there are
    /// [`news`](Ear::news); it must not block.
    #[must_use]
    pub fn open(&self, wake: Box<dyn Fn() + Send + Sync>) -> Option<Ear> {
        let door = self
            .doors
            .iter()
            .min_by_key(|door| door.open.load(Ordering::Relaxed))?;
        door.open.fetch_add(1, Ordering::Relaxed);
        let id = self.next_id.fetch_add(1, Ordering::Relaxed) + 1;
        let shared = Arc::new(Shared {
            news: Mutex::default(),
            stats: Mutex::default(),
            listens: AtomicBool::new(false),
            failed: AtomicBool::new(false),
            wake,
        });
        door.order(id, Order::Open(Arc::clone(&shared)));
        Some(Ear {
            id,
            door: Arc::clone(door),
            shared,
        })
    }
}

/// One voice session's ear, held by its session. Orders never block and keep their order; dropping it
/// closes every [`Tap`].
pub struct Ear {
    id: u64,
    door: Arc<Door>,
    shared: Arc<Shared>,
}

impl Ear {
    fn order(&self, order: Order) {
        self.door.order(self.id, order);
    }

    /// The connection is complete: a handle of its socket, two openers of its key (media, and the
    /// reports about it), and the bot's own stream. The socket is read while somebody listens.
    pub fn plug(&self, socket: UdpSocket, media: RtpOpener, reports: RtpOpener, own: Ssrc) {
        self.order(Order::Plug(Box::new(Plug {
            socket,
            media,
            reports,
            own,
        })));
    }

    /// The connection is gone, and with it all keys. Taps stay.
    pub fn unplug(&self) {
        self.order(Order::Unplug);
    }

    /// News of the end-to-end encryption, whether anybody listens or not.
    pub fn keys(&self, keys: MediaKeys) {
        self.order(Order::Keys(keys));
    }

    /// Op 5: whose stream this is.
    pub fn learn(&self, ssrc: Ssrc, user: UserId) {
        self.order(Order::Learn(ssrc, user));
    }

    /// Op 13: the user left.
    pub fn forget(&self, user: UserId) {
        self.order(Order::Forget(user));
    }

    /// Listens, until the tap is dropped.
    #[must_use]
    pub fn listen(&self, want: Want) -> Tap {
        let (spout, tap) = tap(want);
        self.shared.listens.store(true, Ordering::Release);
        self.order(Order::Listen(Box::new(spout)));
        tap
    }

    /// True while the ear reads the socket, or is about to; else the session reads it itself.
    #[must_use]
    pub fn is_listening(&self) -> bool {
        self.shared.listens.load(Ordering::Acquire) && !self.shared.failed.load(Ordering::Acquire)
    }

    /// A packet of one of the bot's own lanes; dropped where nobody listens, and where thousands wait
    /// already, because the thread stands still.
    pub fn lane(&self, packet: Packet) {
        if self.is_listening() {
            self.order(Order::Lane(packet));
        }
    }

    /// The next of what the session has to hear of.
    pub fn news(&self) -> Option<EarNews> {
        let mut news = lock(&self.shared.news);
        if std::mem::take(&mut news.failed) {
            return Some(EarNews::Failed);
        }
        let user = news.undecryptable.pop_first();
        user.map(EarNews::Undecryptable)
            .or_else(|| news.control.pop_front().map(EarNews::Control))
    }

    /// How well it hears, as it was less than a second ago.
    #[must_use]
    pub fn stats(&self) -> HearStats {
        lock(&self.shared.stats).clone()
    }
}

impl Drop for Ear {
    fn drop(&mut self) {
        self.door.open.fetch_sub(1, Ordering::Relaxed);
        self.order(Order::Close);
    }
}

impl std::fmt::Debug for Ear {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Ear({})", self.id)
    }
}

impl Shared {
    fn tell(&self, news: EarNews) {
        let mut waiting = lock(&self.news);
        match news {
            EarNews::Control(bytes) if waiting.control.len() < MAX_CONTROL => {
                waiting.control.push_back(bytes);
            }
            EarNews::Undecryptable(user) if waiting.undecryptable.len() < MAX_UNDECRYPTABLE => {
                waiting.undecryptable.insert(user);
            }
            EarNews::Failed => waiting.failed = true,
            EarNews::Control(_) | EarNews::Undecryptable(_) => return,
        }
        drop(waiting);
        (self.wake)();
    }
}
