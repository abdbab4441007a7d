//! MLS steps, off the user's task: each takes milliseconds, and fifty users may join at once.

use std::sync::Arc;

use mynah_session::voice::dave::{Done, Job};
use tokio::sync::{Semaphore, mpsc};

/// Steps that are computed at once, over all users: the rest of the machine has the bot and the
/// server to run. A step behind others waits its turn.
pub const AT_ONCE: usize = 2;
/// Results waiting for one user. The machine has one step out at a time; one more may be on its way
/// from an earlier connection.
const RESULTS: usize = 4;

/// One user's way to the blocking threads and back.
#[derive(Debug)]
pub struct Crypto {
    places: Arc<Semaphore>,
    sender: mpsc::Sender<Done>,
    done: mpsc::Receiver<Done>,
}

impl Crypto {
    /// `places` are shared by all users; see [`AT_ONCE`].
    pub fn new(places: Arc<Semaphore>) -> Self {
        let (sender, done) = mpsc::channel(RESULTS);
        Self {
            places,
            sender,
            done,
        }
    }

    /// Begins a step.
    pub fn run(&self, job: Job) {
        let (places, sender) = (Arc::clone(&self.places), self.sender.clone());
        tokio::spawn(async move {
            // Never closed. Should the thread die all the same, the machine waits for the server to
            // begin anew.
            let Ok(_place) = places.acquire().await else {
                return;
            };
            if let Ok(done) = tokio::task::spawn_blocking(move || job.run()).await {
                // Gone when the user has left meanwhile.
                let _ = sender.send(done).await;
            }
        });
    }

    /// The next finished step. Safe to cancel.
    pub async fn next(&mut self) -> Done {
        match self.done.recv().await {
            Some(done) => done,
            // Not reached: a sender lives here.
            None => std::future::pending().await,
        }
    }
}
