//! The media path: one UDP socket for all rooms and one thread that forwards.
//!
//! The thread shares no lock with anyone. Signalling hands it an immutable [`Table`] through an
//! atomic pointer; keys, counters of sent packets and latched addresses live on the thread alone.
//! One thread is enough: opening a packet once and sealing it for 49 listeners is measured in
//! `benches/forward.rs`.

mod forward;
mod held;
mod path;
mod report;
mod slot;
mod table;

use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use rustix::event::{PollFd, PollFlags, Timespec};

pub use forward::{Forwarder, MAX_DATAGRAM, Outlet};
pub use table::{ActiveFault, Counted, Counters, Keys, Member, Table};

use crate::clock;

/// Asked of the kernel for both directions; it gives what its limits allow. 50 speakers' packets
/// arrive within a millisecond of each other.
const SOCKET_BUFFER_BYTES: usize = 4 << 20;
/// The longest sleep, in case a wake-up datagram is lost.
const LONGEST_WAIT: Duration = Duration::from_millis(200);
/// A datagram no client sends: one byte is a keepalive, and only its arrival matters.
const WAKE_UP: [u8; 1] = [0];

/// Handle of the media thread.
#[derive(Debug)]
pub struct Sfu {
    shared: Arc<Shared>,
    waker: UdpSocket,
    address: SocketAddrV4,
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug)]
struct Shared {
    table: ArcSwap<Table>,
    is_stopping: AtomicBool,
}

impl Sfu {
    /// Binds the socket and starts the thread.
    ///
    /// # Errors
    /// The address is taken, or the system has no thread to give.
    pub fn start(bind: SocketAddrV4, seed: u64) -> io::Result<Self> {
        let socket = UdpSocket::bind(bind)?;
        let SocketAddr::V4(address) = socket.local_addr()? else {
            return Err(io::Error::from(ErrorKind::AddrNotAvailable));
        };
        let buffers = socket2::SockRef::from(&socket);
        buffers.set_recv_buffer_size(SOCKET_BUFFER_BYTES)?;
        buffers.set_send_buffer_size(SOCKET_BUFFER_BYTES)?;
        socket.set_nonblocking(true)?;
        let waker = socket.try_clone()?;
        let shared = Arc::new(Shared {
            table: ArcSwap::from_pointee(Table::default()),
            is_stopping: AtomicBool::new(false),
        });
        let for_thread = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("sfu".to_owned())
            .spawn(move || run(&socket, &for_thread, Forwarder::new(seed)))?;
        Ok(Self {
            shared,
            waker,
            address,
            thread: Mutex::new(Some(thread)),
        })
    }

    /// Where media goes.
    pub fn address(&self) -> SocketAddrV4 {
        self.address
    }

    /// Replaces the table. The thread takes it over before the next datagram, and is woken now.
    pub fn publish(&self, table: Arc<Table>) {
        self.shared.table.store(table);
        self.wake();
    }

    /// Ends the thread and waits for it.
    pub fn stop(&self) {
        self.shared.is_stopping.store(true, Ordering::Release);
        self.wake();
        let thread = self
            .thread
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .take();
        if let Some(thread) = thread
            && thread.join().is_err()
        {
            tracing::error!("the media thread panicked");
        }
    }

    fn wake(&self) {
        let ip = if self.address.ip().is_unspecified() {
            Ipv4Addr::LOCALHOST
        } else {
            *self.address.ip()
        };
        // Lost when the socket's buffer is full, and then the thread is awake anyway.
        let _ = self
            .waker
            .send_to(&WAKE_UP, SocketAddrV4::new(ip, self.address.port()));
    }
}

impl Drop for Sfu {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Outlet for &UdpSocket {
    fn send(&mut self, to: SocketAddr, datagram: &[u8]) {
        // A full buffer or an unreachable client loses the packet; late audio is never retried.
        let _ = self.send_to(datagram, to);
    }
}

/// The thread. One `send` per packet: `sendmmsg` saves 50 of 765 ns (design/crates.md section 6).
fn run(socket: &UdpSocket, shared: &Shared, mut forwarder: Forwarder) {
    let mut table = arc_swap::Cache::new(&shared.table);
    let mut outlet = socket;
    let mut buffer = [0; MAX_DATAGRAM];
    while !shared.is_stopping.load(Ordering::Acquire) {
        let received = socket.recv_from(&mut buffer);
        let now = clock::now();
        let current = table.load();
        if current.generation != forwarder.generation() {
            forwarder.adopt(now, Arc::clone(current), &mut outlet);
        }
        match received {
            Ok((length, from)) => {
                if let Some(datagram) = buffer.get_mut(..length) {
                    forwarder.receive(now, from, datagram, &mut outlet);
                }
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                wait(socket, now, forwarder.next_due());
            }
            // ICMP answers to earlier sends; they concern one client, not the socket.
            Err(error) => tracing::debug!(%error, "voice media socket"),
        }
        if forwarder.next_due().is_some_and(|due| due <= now) {
            forwarder.tick(now, &mut outlet);
        }
    }
}

/// Sleeps until a datagram arrives, or a held packet or report is due.
fn wait(socket: &UdpSocket, now: Instant, due: Option<Instant>) {
    let longest = due.map_or(LONGEST_WAIT, |due| {
        due.saturating_duration_since(now).min(LONGEST_WAIT)
    });
    let timeout = Timespec {
        tv_sec: 0,
        tv_nsec: longest.subsec_nanos().into(),
    };
    // An interrupted wait is only a short one.
    let _ = rustix::event::poll(&mut [PollFd::new(socket, PollFlags::IN)], Some(&timeout));
}

#[cfg(test)]
mod tests;
