//! Media threads: blocking decode, ahead of time (architecture.md B5).
//!
//! A job is a decoder with its ring. It is stepped on whichever thread is free, fills the ring, and
//! says when it wants to be looked at again. Normally as many jobs run at once as there are cores; a
//! step that takes longer than [`BLOCKED_AFTER`] is blocked on a disk, not busy, and stops counting,
//! so one dead disk never starves the others. At most [`MAX_THREADS`] threads exist.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::clock;

const MAX_THREADS: usize = 64;
const BLOCKED_AFTER: Duration = Duration::from_millis(20);
/// While as many steps run as there are cores, it is looked this often whether one of them is blocked.
const LOOK_AGAIN: Duration = Duration::from_millis(5);
/// Steps that are wanted later are done together at whole multiples of this: one wake for many of
/// them. With a wake for each, they cost more than the demuxing of what goes out as packets.
const TOGETHER: Duration = Duration::from_millis(10);

/// A step that is due waits so long for a thread that is at work already before another is woken:
/// most steps are shorter than waking somebody takes.
const RECRUIT: Duration = Duration::from_micros(500);

/// What a job wants next.
pub enum Next {
    /// Step me again after this time.
    Again(Duration),
    /// I am finished; drop me.
    Done,
}

/// Work that is done in steps. A panicking job is dropped, which its ring reports as the end.
pub trait Job: Send {
    /// One step; may block on I/O.
    fn step(&mut self) -> Next;
}

struct Entry {
    due: Instant,
    /// Keeps equal deadlines in order of submission.
    number: u64,
    job: Box<dyn Job>,
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}
impl Eq for Entry {}
impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Entry {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.due, self.number).cmp(&(other.due, other.number))
    }
}

struct State {
    queue: BinaryHeap<Reverse<Entry>>,
    /// An idle thread will look at the queue then, without being told to.
    watched: Option<Instant>,
    /// What multiples of [`TOGETHER`] count from.
    began: Instant,
    /// Start of every step that runs right now, by worker slot.
    running: Vec<Option<Instant>>,
    idle: usize,
    next_number: u64,
    closing: bool,
}

impl State {
    fn new() -> Self {
        Self {
            queue: BinaryHeap::new(),
            watched: None,
            began: clock::now(),
            running: Vec::new(),
            idle: 0,
            next_number: 0,
            closing: false,
        }
    }

    /// When a step is due that was wanted `after` some time.
    fn due(&self, now: Instant, after: Duration) -> Instant {
        if after < TOGETHER {
            return now + after;
        }
        let at = (now + after).saturating_duration_since(self.began);
        let whole = at.as_nanos().div_ceil(TOGETHER.as_nanos());
        self.began + TOGETHER.saturating_mul(u32::try_from(whole).unwrap_or(u32::MAX))
    }

    /// When the queue has to be looked at next: at once when a step is due and nobody works, a
    /// little later when somebody does and a core is free.
    fn look_at(&self, now: Instant, cores: usize) -> Option<Instant> {
        let Reverse(first) = self.queue.peek()?;
        Some(match self.busy(now) {
            _ if first.due > now => first.due,
            0 => now,
            busy if busy >= cores => now + LOOK_AGAIN,
            _ => now.max(first.due + RECRUIT),
        })
    }

    fn push(&mut self, due: Instant, job: Box<dyn Job>) {
        let number = self.next_number;
        self.next_number += 1;
        self.queue.push(Reverse(Entry { due, number, job }));
    }

    /// Steps that run and have not been declared blocked.
    fn busy(&self, now: Instant) -> usize {
        let young = |start: &&Instant| now.duration_since(**start) < BLOCKED_AFTER;
        self.running.iter().flatten().filter(young).count()
    }
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    cores: usize,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The pool; dropping it lets running steps finish and drops the rest.
pub struct Pool {
    shared: Arc<Shared>,
}

impl Pool {
    /// A pool for `cores` jobs at a time; threads start with the first job.
    pub fn new(cores: usize) -> Self {
        Self {
            shared: Arc::new(Shared {
                state: Mutex::new(State::new()),
                changed: Condvar::new(),
                cores: cores.max(1),
            }),
        }
    }

    /// Takes a job and steps it as soon as possible.
    pub fn submit(&self, job: Box<dyn Job>) {
        let mut state = self.shared.lock();
        let now = clock::now();
        state.push(now, job);
        keep_a_watcher(&self.shared, &mut state, now);
        drop(state);
        self.shared.changed.notify_one();
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.lock().closing = true;
        self.shared.changed.notify_all();
    }
}

/// As long as jobs wait, one idle thread watches the queue, so that a job is never stuck behind a
/// blocked one. The others sleep until they are told to take its place.
fn keep_a_watcher(shared: &Arc<Shared>, state: &mut State, now: Instant) {
    let Some(look_at) = state.look_at(now, shared.cores) else {
        return;
    };
    if state.watched.is_some_and(|watched| watched <= look_at) {
        return;
    }
    if state.idle > 0 {
        shared.changed.notify_one();
        return;
    }
    if state.running.len() >= MAX_THREADS {
        return;
    }
    let slot = state.running.len();
    state.running.push(None);
    state.idle += 1;
    let worker = Arc::clone(shared);
    let started = std::thread::Builder::new()
        .name(format!("media-{slot}"))
        .spawn(move || work(&worker, slot));
    if let Err(error) = started {
        tracing::error!(%error, "cannot start another media thread");
        state.running.pop();
        state.idle -= 1;
    }
}

/// Invariant: a thread counts as idle exactly while it holds no job.
fn work(shared: &Arc<Shared>, slot: usize) {
    let mut state = shared.lock();
    loop {
        if state.closing {
            return;
        }
        let now = clock::now();
        state = match state.look_at(now, shared.cores) {
            Some(at) if at <= now => run_one(shared, slot, state, now),
            // Somebody else looks in time.
            Some(at) if state.watched.is_some_and(|watched| watched <= at) => shared
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner),
            Some(at) => {
                state.watched = Some(at);
                let waited = shared.changed.wait_timeout(state, at - now);
                let mut state = waited.unwrap_or_else(PoisonError::into_inner).0;
                // Unless another has to look even earlier and watches instead.
                if state.watched == Some(at) {
                    state.watched = None;
                }
                state
            }
            None => shared
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner),
        };
    }
}

fn run_one<'a>(
    shared: &'a Arc<Shared>,
    slot: usize,
    mut state: MutexGuard<'a, State>,
    now: Instant,
) -> MutexGuard<'a, State> {
    let Some(Reverse(mut entry)) = state.queue.pop() else {
        return state;
    };
    if let Some(running) = state.running.get_mut(slot) {
        *running = Some(now);
    }
    state.idle -= 1;
    keep_a_watcher(shared, &mut state, now);
    drop(state);
    let next = catch_unwind(AssertUnwindSafe(|| entry.job.step()));
    // Dropping a job closes files: not under the lock.
    let again = match next {
        Ok(Next::Again(after)) => Some((after, entry.job)),
        Ok(Next::Done) => None,
        Err(_) => {
            tracing::error!("a decoder panicked; its track ends here");
            drop(entry.job);
            None
        }
    };
    let mut state = shared.lock();
    if let Some(running) = state.running.get_mut(slot) {
        *running = None;
    }
    state.idle += 1;
    if let Some((after, job)) = again {
        let due = state.due(clock::now(), after);
        state.push(due, job);
    }
    state
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    struct Count {
        left: u32,
        done: mpsc::Sender<&'static str>,
    }

    impl Job for Count {
        fn step(&mut self) -> Next {
            self.left -= 1;
            if self.left > 0 {
                return Next::Again(Duration::ZERO);
            }
            self.done.send("counted").unwrap();
            Next::Done
        }
    }

    struct Blocked(mpsc::Receiver<()>);

    impl Job for Blocked {
        fn step(&mut self) -> Next {
            let _ = self.0.recv();
            Next::Done
        }
    }

    struct Panics;

    impl Job for Panics {
        fn step(&mut self) -> Next {
            panic!("on purpose")
        }
    }

    #[test]
    fn a_job_is_stepped_until_it_is_done() {
        let pool = Pool::new(1);
        let (done, finished) = mpsc::channel();
        pool.submit(Box::new(Count { left: 50, done }));
        assert_eq!(finished.recv(), Ok("counted"));
    }

    #[test]
    fn blocked_jobs_do_not_hold_up_the_others() {
        let pool = Pool::new(1);
        let gates: Vec<_> = (0..8)
            .map(|_| {
                let (open, gate) = mpsc::channel();
                pool.submit(Box::new(Blocked(gate)));
                open
            })
            .collect();
        let (done, finished) = mpsc::channel();
        pool.submit(Box::new(Count { left: 3, done }));
        assert_eq!(finished.recv(), Ok("counted"));
        drop(gates);
    }

    #[test]
    fn steps_wanted_later_are_due_together_and_never_before() {
        let state = State::new();
        let ms = Duration::from_millis;
        let now = state.began + ms(3);
        assert_eq!(state.due(now, ms(60)), state.began + ms(70));
        assert_eq!(state.due(now + ms(7), ms(60)), state.began + ms(70));
        assert_eq!(state.due(now, Duration::ZERO), now, "at once stays at once");
    }

    #[test]
    fn the_queue_is_watched_while_all_cores_are_busy() {
        let mut state = State::new();
        let now = state.began;
        assert_eq!(state.look_at(now, 1), None);
        state.push(now, Box::new(Panics));
        assert_eq!(state.look_at(now, 1), Some(now));
        state.running.push(Some(now));
        assert_eq!(state.look_at(now, 1), Some(now + LOOK_AGAIN));
        let blocked = now + BLOCKED_AFTER;
        assert_eq!(
            state.look_at(blocked, 1),
            Some(blocked),
            "it does not count any more"
        );
    }

    #[test]
    fn a_panicking_job_leaves_the_pool_alive() {
        let pool = Pool::new(1);
        pool.submit(Box::new(Panics));
        let (done, finished) = mpsc::channel();
        pool.submit(Box::new(Count { left: 1, done }));
        assert_eq!(finished.recv(), Ok("counted"));
    }
}
