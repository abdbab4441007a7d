//! The crypto pool: steps that compute for milliseconds (MLS: P-256, HPKE), on threads of their own
//! (architecture.md B3 and B5).
//!
//! A thousand sessions that rejoin at once make seconds of such work. It waits here, and the tokio
//! workers go on answering heartbeats. A session has one step out at a time, so its steps keep their
//! order.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use tokio::sync::{Semaphore, oneshot};

/// More threads would take cores from the sound; two keep one long step from holding up the rest.
const MAX_THREADS: usize = 2;
/// Steps that wait here; further ones wait with whoever asks, who does other things meanwhile.
const QUEUE: usize = 1024;

type Work = Box<dyn FnOnce() + Send>;

#[derive(Default)]
struct State {
    queue: VecDeque<Work>,
    closing: bool,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    room: Arc<Semaphore>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, work: Work) {
        self.lock().queue.push_back(work);
        self.changed.notify_one();
    }

    /// The next piece of work; `None` when the pool is closed.
    fn take(&self) -> Option<Work> {
        let mut state = self.lock();
        loop {
            if state.closing {
                return None;
            }
            if let Some(work) = state.queue.pop_front() {
                return Some(work);
            }
            let woken = self.changed.wait(state);
            state = woken.unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// The pool; dropping it lets running steps finish and drops the rest.
pub struct CryptoPool {
    shared: Arc<Shared>,
}

impl CryptoPool {
    /// Starts `crypto-0` and, with more than one core, `crypto-1`.
    ///
    /// # Errors
    /// When the system refuses to make a thread.
    pub fn start() -> io::Result<Self> {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let pool = Self {
            shared: Arc::new(Shared {
                state: Mutex::default(),
                changed: Condvar::new(),
                room: Arc::new(Semaphore::new(QUEUE)),
            }),
        };
        for i in 0..cores.min(MAX_THREADS) {
            let shared = Arc::clone(&pool.shared);
            thread::Builder::new()
                .name(format!("crypto-{i}"))
                .spawn(move || {
                    while let Some(work) = shared.take() {
                        work();
                    }
                })?;
        }
        Ok(pool)
    }

    /// Computes on one of the threads. `work` must not panic. Nothing happens before the future is
    /// polled; dropping it takes back a step that has not begun. `None` when the pool is closed.
    pub fn run<T, F>(&self, work: F) -> impl Future<Output = Option<T>> + Send + use<T, F>
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        let shared = Arc::clone(&self.shared);
        async move {
            let room = Arc::clone(&shared.room).acquire_owned().await.ok()?;
            let (done, result) = oneshot::channel();
            shared.put(Box::new(move || {
                drop(room);
                if !done.is_closed() {
                    let _ = done.send(work());
                }
            }));
            drop(shared);
            result.await.ok()
        }
    }
}

impl Drop for CryptoPool {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.closing = true;
        state.queue.clear();
        drop(state);
        self.shared.room.close();
        self.shared.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// A step that ends when the gate is opened.
    fn gated(pool: &CryptoPool) -> (mpsc::Sender<()>, impl Future<Output = Option<()>> + use<>) {
        let (open, gate) = mpsc::channel();
        let step = pool.run(move || {
            let _ = gate.recv();
        });
        (open, step)
    }

    #[tokio::test]
    async fn what_was_computed_comes_back() {
        let pool = CryptoPool::start().unwrap();
        assert_eq!(pool.run(|| 6 * 7).await, Some(42));
        let name = pool.run(|| thread::current().name().map(str::to_owned));
        let name = name.await.flatten().unwrap();
        assert!(name.starts_with("crypto-"), "{name}");
    }

    /// One tokio worker, and more steps than the queue holds, none of which ends.
    #[tokio::test(flavor = "current_thread")]
    async fn a_thousand_sessions_that_wait_for_their_steps_starve_no_heartbeat() {
        let pool = CryptoPool::start().unwrap();
        let (gates, sessions): (Vec<_>, Vec<_>) = (0..QUEUE + 500)
            .map(|_| {
                let (open, step) = gated(&pool);
                (open, tokio::spawn(step))
            })
            .unzip();
        let (beat, mut beats) = tokio::sync::mpsc::channel(1);
        let heart = tokio::spawn(async move {
            for n in 0..100 {
                beat.send(n).await.unwrap();
            }
        });
        for n in 0..100 {
            assert_eq!(beats.recv().await, Some(n));
        }
        heart.await.unwrap();
        assert!(sessions.iter().all(|session| !session.is_finished()));
        drop(gates);
        for session in sessions {
            assert_eq!(session.await.unwrap(), Some(()));
        }
    }

    #[tokio::test]
    async fn a_step_nobody_waits_for_any_more_is_not_taken() {
        let pool = CryptoPool::start().unwrap();
        let (gates, busy): (Vec<_>, Vec<_>) = (0..MAX_THREADS)
            .map(|_| {
                let (open, step) = gated(&pool);
                (open, tokio::spawn(step))
            })
            .unzip();
        // Once round: the others are in the queue now, and hold every thread there is.
        tokio::task::yield_now().await;
        let (done, was_done) = mpsc::channel();
        let mut unwanted = Box::pin(pool.run(move || done.send(()).unwrap()));
        // Polled once: it is in the queue behind the others.
        let polled = futures_util::poll!(unwanted.as_mut());
        assert!(polled.is_pending());
        drop(unwanted);
        drop(gates);
        for step in busy {
            step.await.unwrap();
        }
        assert_eq!(pool.run(|| ()).await, Some(()));
        assert!(was_done.recv().is_err(), "dropped, not done");
    }

    #[tokio::test]
    async fn a_closed_pool_says_so() {
        let pool = CryptoPool::start().unwrap();
        let late = pool.run(|| ());
        drop(pool);
        assert_eq!(late.await, None);
    }
}
