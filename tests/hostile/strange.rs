//! A runtime of its own: another copy of tokio than the bot's, with its own statics, on its own
//! threads. It is up while the plugin is.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread::{Builder, JoinHandle},
    time::Duration,
};
use tokio::sync::oneshot;

/// A thread that counts on a runtime of its own; stopped and joined when dropped.
pub struct Strange {
    ticks: Arc<AtomicU64>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Strange {
    pub fn start() -> io::Result<Self> {
        let ticks = Arc::new(AtomicU64::new(0));
        let (stop, stopped) = oneshot::channel();
        let counted = ticks.clone();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_time()
            .build()?;
        let thread = Builder::new().name("strange-tokio".into()).spawn(move || {
            let counting = runtime.spawn(async move {
                let mut every = tokio::time::interval(Duration::from_millis(2));
                loop {
                    every.tick().await;
                    counted.fetch_add(1, Ordering::Relaxed);
                }
            });
            let _ = runtime.block_on(stopped);
            counting.abort();
        })?;
        Ok(Self {
            ticks,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// How often its clock has ticked.
    pub fn ticks(&self) -> u64 {
        self.ticks.load(Ordering::Relaxed)
    }
}

impl Drop for Strange {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
