//! The part of a stream that is in memory: a task of the network fills it, a media thread reads it.
//!
//! The lock is held for the copy of a few kilobytes and never across an await.

use std::collections::VecDeque;
use std::io;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mynah_media::Broken;
use tokio::sync::Notify;

use crate::clock;

/// All that is held (architecture.md B4), besides the beginning.
pub const RING_BYTES: usize = 256 << 10;
/// So much before the reader's place stays, for demuxers that look back.
const KEEP_BYTES: u64 = 64 << 10;
/// The beginning stays for good: what a file is gets asked again and again.
const HEAD_BYTES: usize = 16 << 10;
/// A place so little ahead is waited for; one further ahead is asked for.
const NEAR_BYTES: u64 = 64 << 10;

#[derive(Debug)]
struct State {
    head: Vec<u8>,
    ring: VecDeque<u8>,
    /// Place in the stream of the ring's first byte.
    start: u64,
    /// Where the reader goes on, but for looks at the beginning.
    place: u64,
    /// Where the reader wants to go on instead.
    jump: Option<u64>,
    /// Nothing comes after the ring.
    ended: bool,
    failed: Option<String>,
    taken: u64,
    /// How long the reader may still wait.
    patience: Duration,
}

impl State {
    fn end(&self) -> u64 {
        self.start + self.ring.len() as u64
    }

    /// Makes room behind the reader; how much there is now.
    fn room(&mut self) -> usize {
        let keep_from = self.place.saturating_sub(KEEP_BYTES);
        let old = keep_from.saturating_sub(self.start);
        let old = usize::try_from(old)
            .unwrap_or(usize::MAX)
            .min(self.ring.len());
        // Piece by piece would move nothing, but cost a step for each piece.
        if old as u64 >= KEEP_BYTES / 4 || self.ring.len() == RING_BYTES {
            self.ring.drain(..old);
            self.start += old as u64;
        }
        RING_BYTES - self.ring.len()
    }

    /// Copies what is there of place `at`.
    fn copy(&mut self, at: u64, buf: &mut [u8]) -> Option<usize> {
        let in_head = usize::try_from(at).ok().and_then(|at| self.head.get(at..));
        let count = if let Some(head) = in_head.filter(|head| !head.is_empty()) {
            put(buf, head)
        } else {
            let skip = usize::try_from(at.checked_sub(self.start)?).ok()?;
            let (front, back) = self.ring.as_slices();
            let count = match front.get(skip..).filter(|front| !front.is_empty()) {
                Some(front) => put(buf, front),
                None => put(buf, back.get(skip - front.len()..)?),
            };
            if count > 0 {
                self.place = at + count as u64;
            }
            count
        };
        self.taken += count as u64;
        (count > 0).then_some(count)
    }
}

fn put(buf: &mut [u8], from: &[u8]) -> usize {
    let count = buf.len().min(from.len());
    buf.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
    count
}

/// Shared by the task that fills and the thread that reads.
#[derive(Debug)]
pub struct Window {
    state: Mutex<State>,
    /// Wakes the reader: bytes, the end or a failure.
    arrived: Condvar,
    /// Wakes the task: room, or a jump.
    wanted: Notify,
    /// Wakes who waits for the first bytes.
    gained: Notify,
    patience: Duration,
}

impl Window {
    /// An empty one at the beginning, whose reader waits for so long in all, until it is
    /// [renewed](Self::renew_patience).
    pub fn new(patience: Duration) -> Self {
        Self {
            state: Mutex::new(State {
                head: Vec::new(),
                ring: VecDeque::with_capacity(RING_BYTES),
                start: 0,
                place: 0,
                jump: None,
                ended: false,
                failed: None,
                taken: 0,
                patience,
            }),
            arrived: Condvar::new(),
            wanted: Notify::new(),
            gained: Notify::new(),
            patience,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    // --- the task that fills ---------------------------------------------------------------------

    /// Takes as many bytes as there is room for; the count.
    pub fn push(&self, bytes: &[u8]) -> usize {
        let mut state = self.lock();
        let count = state.room().min(bytes.len());
        let bytes = bytes.get(..count).unwrap_or_default();
        if state.end() == state.head.len() as u64 && state.head.len() < HEAD_BYTES {
            let beginning = bytes.len().min(HEAD_BYTES - state.head.len());
            let beginning = bytes.get(..beginning).unwrap_or_default();
            state.head.extend_from_slice(beginning);
        }
        state.ring.extend(bytes);
        drop(state);
        self.tell();
        count
    }

    fn tell(&self) {
        self.arrived.notify_all();
        self.gained.notify_one();
    }

    /// Waits until there are so many bytes, or all there will be.
    pub async fn has(&self, bytes: usize) {
        loop {
            let (there, more) = self.level();
            if there >= bytes || !more {
                return;
            }
            self.gained.notified().await;
        }
    }

    /// Waits until the reader has done something: made room, or jumped.
    pub async fn changed(&self) {
        self.wanted.notified().await;
    }

    /// Where the reader wants to go, once; the window is empty and begins there then.
    pub fn take_jump(&self) -> Option<u64> {
        let mut state = self.lock();
        let to = state.jump.take()?;
        state.ring.clear();
        state.start = to;
        state.place = to;
        state.ended = false;
        Some(to)
    }

    /// Nothing comes after what is there.
    pub fn end(&self) {
        self.lock().ended = true;
        self.tell();
    }

    /// Nothing more will come, now or later; the first reason stays.
    pub fn fail(&self, reason: &str) {
        self.lock().failed.get_or_insert_with(|| reason.to_owned());
        self.tell();
    }

    /// How many bytes there are, and whether more may come.
    pub fn level(&self) -> (usize, bool) {
        let state = self.lock();
        (state.ring.len(), !state.ended && state.failed.is_none())
    }

    // --- the thread that reads -------------------------------------------------------------------

    /// See [`mynah_media::ByteStream::read_at`].
    pub fn read_at(&self, at: u64, buf: &mut [u8], can_seek: bool) -> io::Result<usize> {
        let mut state = self.lock();
        loop {
            if let Some(count) = state.copy(at, buf) {
                drop(state);
                self.wanted.notify_one();
                return Ok(count);
            }
            if state.ended && state.jump.is_none() && at >= state.end() {
                return Ok(0);
            }
            if let Some(reason) = &state.failed {
                return Err(Broken(reason.clone()).into());
            }
            let end = state.end();
            if state.jump.is_none() && (end..=end + NEAR_BYTES).contains(&at) {
                // It flows by: nothing before it is wanted any more.
                state.place = at;
            } else if can_seek {
                state.jump = Some(at);
            } else {
                return Err(io::Error::from(io::ErrorKind::NotSeekable));
            }
            self.wanted.notify_one();
            if state.patience.is_zero() {
                let limit = self.patience.as_secs();
                let why = format!("its server has kept the player waiting for {limit} s");
                return Err(Broken(why).into());
            }
            let (began, most) = (clock::now(), state.patience);
            let waited = self.arrived.wait_timeout(state, most);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
            state.patience = most.saturating_sub(clock::now() - began);
        }
    }

    /// See [`mynah_media::ByteStream::renew_patience`].
    pub fn renew_patience(&self) {
        self.lock().patience = self.patience;
    }

    /// See [`mynah_media::ByteStream::ready_bytes`].
    pub fn ready_bytes(&self) -> u64 {
        let state = self.lock();
        if state.failed.is_some() || (state.ended && state.jump.is_none()) {
            return u64::MAX;
        }
        state.end().saturating_sub(state.place.max(state.start))
    }

    /// See [`mynah_media::ByteStream::taken_bytes`].
    pub fn taken_bytes(&self) -> u64 {
        self.lock().taken
    }
}
