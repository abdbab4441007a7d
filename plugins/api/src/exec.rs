//! The executor: tasks in a slab, wakers that are a host and a number (architecture C5.4).
//!
//! The host stores only the number, so no waker vtable of this image can dangle in it. There is no
//! queue here: `wake` goes to the host, which comes back with `run(number)` on the control thread.

use crate::{Cx, Host, Plugin};
use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
};

/// What a finished task still wants to do with the plugin.
type Then<P> = Box<dyn FnOnce(&mut P, &mut Cx<'_, P>)>;
type Work<P> = Pin<Box<dyn Future<Output = Then<P>> + Send>>;

struct Task<P: Plugin> {
    work: Work<P>,
    waker: Waker,
}

struct Slot<P: Plugin> {
    /// Counts the tasks that lived here, so that a late wake of an old one is told apart.
    generation: u32,
    task: Option<Task<P>>,
}

/// The plugin's async tasks.
pub(crate) struct Executor<P: Plugin> {
    slots: Vec<Slot<P>>,
    free: Vec<u32>,
}

impl<P: Plugin> Executor<P> {
    pub(crate) const fn new() -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
        }
    }

    /// Stores a task and asks the host to run it for the first time.
    pub(crate) fn spawn<T: 'static>(
        &mut self,
        host: &Host,
        work: impl Future<Output = T> + Send + 'static,
        then: impl FnOnce(&mut P, &mut Cx<'_, P>, T) + Send + 'static,
    ) {
        let work: Work<P> = Box::pin(async move {
            let output = work.await;
            let then: Then<P> = Box::new(move |plugin, cx| then(plugin, cx, output));
            then
        });
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot {
                generation: 0,
                task: None,
            });
            u32::try_from(self.slots.len() - 1).unwrap_or(u32::MAX)
        });
        let Some(slot) = self.slots.get_mut(index as usize) else {
            return;
        };
        let token = u64::from(slot.generation) << 32 | u64::from(index);
        let waker = Waker::from(Arc::new(Token {
            host: host.clone(),
            token,
        }));
        slot.task = Some(Task { work, waker });
        host.wake(token);
    }

    /// Polls a task; its last words, if it is finished.
    pub(crate) fn run(&mut self, token: u64) -> Option<Then<P>> {
        let (generation, index) = ((token >> 32) as u32, token as u32);
        let slot = self.slots.get_mut(index as usize)?;
        if slot.generation != generation {
            return None;
        }
        let task = slot.task.as_mut()?;
        let waker = task.waker.clone();
        match task.work.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Pending => None,
            Poll::Ready(then) => {
                slot.task = None;
                slot.generation = slot.generation.wrapping_add(1);
                self.free.push(index);
                Some(then)
            }
        }
    }

    /// Drops every task, which cancels their ops.
    pub(crate) fn clear(&mut self) {
        self.slots.clear();
        self.free.clear();
    }
}

struct Token {
    host: Host,
    token: u64,
}

impl Wake for Token {
    fn wake(self: Arc<Self>) {
        self.host.wake(self.token);
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.host.wake(self.token);
    }
}
