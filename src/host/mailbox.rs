//! What waits for a plugin's control thread (architecture B6 row 2).
//!
//! Three queues, because only one of them may lose anything. Events: bounded; the oldest goes and
//! one `Lost(n)` takes its place. Finished ops: bounded by whoever lets ops in, who counts these.
//! Woken tasks: each counted once, and bounded. They are taken in that order of urgency, with a turn for events
//! every now and then, so that a plugin that wakes itself without end still hears the world.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use crate::{
    clock,
    control::{Fresh, NewSettings},
};
use mynah_plugin::abi;
use tokio::sync::Notify;

/// Events kept for a plugin that is busy.
pub(crate) const MAX_EVENTS: usize = 256;
/// Woken tasks that wait. A plugin has a few; one that wakes tasks it does not have is not heard.
const MAX_WAKES: usize = 16_384;
/// Completions and wakes in a row before an event gets its turn.
const TURN: u32 = 64;

/// Something for the control thread to do.
#[derive(Debug)]
pub(crate) enum Mail {
    /// Stop for good, for this `abi::WHY_…`.
    Stop(u32),
    /// Another table takes over.
    Reload(Box<Fresh>),
    /// Other settings.
    Settings(Box<NewSettings>),
    /// The instance died outside this thread.
    Fault,
    /// An op finished.
    Done {
        op: u64,
        status: abi::Status,
        body: String,
    },
    /// A task was woken.
    Run(u64),
    /// Something happened.
    Event(Event),
}

/// An event on its way to a plugin.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    /// `abi::EVENT_…`.
    pub(crate) kind: u32,
    pub(crate) name: Arc<str>,
    pub(crate) json: Arc<str>,
    /// Guild, or 0.
    pub(crate) session: u64,
    pub(crate) at_us: u64,
    /// Set for interactions: a person waits for this one.
    pub(crate) interaction: Option<u64>,
    /// Of an interaction: what its person may do, `abi::TIER_…`.
    pub(crate) tier: u32,
}

/// What became of a posted event.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Posted {
    /// It waits.
    Waiting,
    /// It waits, but an older one had to go; its interaction, if it was one.
    Displaced(Option<u64>),
    /// The plugin does not run.
    Closed,
}

#[derive(Default)]
struct Queues {
    open: bool,
    stop: Option<u32>,
    reload: Option<Box<Fresh>>,
    settings: Option<Box<NewSettings>>,
    fault: bool,
    done: VecDeque<(u64, abi::Status, String)>,
    wakes: VecDeque<u64>,
    woken: BTreeSet<u64>,
    events: VecDeque<Event>,
    lost: u64,
    lost_ever: u64,
    in_a_row: u32,
}

/// See the module.
#[derive(Default)]
pub(crate) struct Mailbox {
    queues: Mutex<Queues>,
    ready: Condvar,
    /// The same, for a host that is run by hand.
    came: Notify,
}

impl Mailbox {
    fn queues(&self) -> MutexGuard<'_, Queues> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn notify(&self) {
        self.ready.notify_one();
        self.came.notify_one();
    }

    /// Lets things in from the beginning.
    pub(crate) fn open_already() -> Self {
        let mailbox = Self::default();
        mailbox.open();
        mailbox
    }

    /// An instance is about to start: let things in.
    pub(crate) fn open(&self) {
        self.queues().open = true;
    }

    /// The instance is gone, and so is everything meant for it; the interactions among it.
    pub(crate) fn close(&self) -> Vec<u64> {
        let mut queues = self.queues();
        queues.open = false;
        queues.fault = false;
        queues.done.clear();
        queues.wakes.clear();
        queues.woken.clear();
        queues.lost = 0;
        queues
            .events
            .drain(..)
            .filter_map(|event| event.interaction)
            .collect()
    }

    pub(crate) fn post(&self, event: Event) -> Posted {
        let mut queues = self.queues();
        if !queues.open {
            return Posted::Closed;
        }
        queues.events.push_back(event);
        let displaced = (queues.events.len() > MAX_EVENTS).then(|| queues.events.pop_front());
        if displaced.is_some() {
            queues.lost += 1;
            queues.lost_ever += 1;
        }
        drop(queues);
        self.notify();
        match displaced.flatten() {
            Some(oldest) => Posted::Displaced(oldest.interaction),
            None => Posted::Waiting,
        }
    }

    pub(crate) fn post_done(&self, op: u64, status: abi::Status, body: String) {
        let mut queues = self.queues();
        if queues.open {
            queues.done.push_back((op, status, body));
            drop(queues);
            self.notify();
        }
    }

    /// Ops that are over and not told yet.
    pub(crate) fn finished(&self) -> usize {
        self.queues().done.len()
    }

    pub(crate) fn wake(&self, task: u64) {
        let mut queues = self.queues();
        let has_room = queues.wakes.len() < MAX_WAKES;
        if queues.open && has_room && queues.woken.insert(task) {
            queues.wakes.push_back(task);
            drop(queues);
            self.notify();
        }
    }

    /// Before everything else, even when nothing runs.
    pub(crate) fn stop(&self, why: u32) {
        self.queues().stop = Some(why);
        self.notify();
    }

    /// After a stop and before everything else, even when nothing runs. One that still waits is
    /// displaced, which its sender learns.
    pub(crate) fn reload(&self, fresh: Fresh) {
        self.queues().reload = Some(Box::new(fresh));
        self.notify();
    }

    /// After a reload and before everything else; one that still waits is displaced, which its sender
    /// learns.
    pub(crate) fn settings(&self, new: NewSettings) {
        self.queues().settings = Some(Box::new(new));
        self.notify();
    }

    /// Another instance takes over: what was meant for the old one alone goes, events stay. The
    /// interactions among them.
    pub(crate) fn renew(&self) -> Vec<u64> {
        let mut queues = self.queues();
        queues.fault = false;
        queues.done.clear();
        queues.wakes.clear();
        queues.woken.clear();
        let waiting = queues.events.iter();
        waiting.filter_map(|event| event.interaction).collect()
    }

    /// The instance died on its audio thread: before everything but a stop.
    pub(crate) fn fault(&self) {
        let mut queues = self.queues();
        if queues.open {
            queues.fault = true;
            drop(queues);
            self.notify();
        }
    }

    /// Events lost since the beginning.
    pub(crate) fn lost_ever(&self) -> u64 {
        self.queues().lost_ever
    }

    /// The next thing to do, or `None` at the deadline.
    pub(crate) fn take(&self, deadline: Option<Instant>) -> Option<Mail> {
        let mut queues = self.queues();
        loop {
            if let Some(mail) = queues.next() {
                return Some(mail);
            }
            queues = match deadline {
                None => self
                    .ready
                    .wait(queues)
                    .unwrap_or_else(PoisonError::into_inner),
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(clock::now());
                    if left.is_zero() {
                        return None;
                    }
                    let waited = self.ready.wait_timeout(queues, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }

    /// As [`Mailbox::take`], for a task.
    pub(crate) async fn wait(&self, deadline: Option<Instant>) -> Option<Mail> {
        loop {
            let next = self.queues().next();
            if next.is_some() {
                return next;
            }
            let over = async {
                match deadline {
                    Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = self.came.notified() => {}
                () = over => return self.queues().next(),
            }
        }
    }
}

impl Queues {
    fn next(&mut self) -> Option<Mail> {
        if let Some(why) = self.stop.take() {
            return Some(Mail::Stop(why));
        }
        if let Some(fresh) = self.reload.take() {
            return Some(Mail::Reload(fresh));
        }
        if let Some(new) = self.settings.take() {
            return Some(Mail::Settings(new));
        }
        if std::mem::take(&mut self.fault) {
            return Some(Mail::Fault);
        }
        let events_first = self.in_a_row >= TURN;
        if events_first && let Some(event) = self.next_event() {
            return Some(event);
        }
        self.in_a_row += 1;
        if let Some((op, status, body)) = self.done.pop_front() {
            return Some(Mail::Done { op, status, body });
        }
        if let Some(task) = self.wakes.pop_front() {
            self.woken.remove(&task);
            return Some(Mail::Run(task));
        }
        self.next_event()
    }

    fn next_event(&mut self) -> Option<Mail> {
        self.in_a_row = 0;
        if self.lost > 0 {
            let json = format!("{{\"n\":{}}}", core::mem::take(&mut self.lost));
            let at_us = self.events.front().map_or(0, |event| event.at_us);
            let event = Event {
                kind: abi::EVENT_MYNAH,
                name: "mynah.lost".into(),
                json: json.into(),
                session: 0,
                at_us,
                interaction: None,
                tier: abi::TIER_UNKNOWN,
            };
            return Some(Mail::Event(event));
        }
        self.events.pop_front().map(Mail::Event)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    fn event(n: u64) -> Event {
        Event {
            kind: abi::EVENT_DISCORD,
            name: "X".into(),
            json: n.to_string().into(),
            session: 0,
            at_us: n,
            interaction: Some(n),
            tier: abi::TIER_UNKNOWN,
        }
    }

    fn open() -> Mailbox {
        let mailbox = Mailbox::default();
        mailbox.open();
        mailbox
    }

    fn name(mail: Option<Mail>) -> String {
        match mail {
            Some(Mail::Event(event)) => format!("{} {}", event.name, event.json),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn a_full_mailbox_loses_the_oldest_and_says_how_many() {
        let mailbox = open();
        for n in 0..MAX_EVENTS as u64 {
            assert_eq!(mailbox.post(event(n)), Posted::Waiting);
        }
        assert_eq!(mailbox.post(event(900)), Posted::Displaced(Some(0)));
        assert_eq!(mailbox.post(event(901)), Posted::Displaced(Some(1)));
        assert_eq!(name(mailbox.take(None)), "mynah.lost {\"n\":2}");
        assert_eq!(name(mailbox.take(None)), "X 2");
        assert_eq!(mailbox.lost_ever(), 2);
    }

    #[test]
    fn finished_ops_and_woken_tasks_come_before_events() {
        let mailbox = open();
        mailbox.post(event(1));
        mailbox.wake(7);
        mailbox.post_done(3, 0, "{}".into());
        assert!(matches!(mailbox.take(None), Some(Mail::Done { op: 3, .. })));
        assert!(matches!(mailbox.take(None), Some(Mail::Run(7))));
        assert_eq!(name(mailbox.take(None)), "X 1");
    }

    #[test]
    fn a_task_woken_often_runs_once() {
        let mailbox = open();
        mailbox.wake(7);
        mailbox.wake(7);
        mailbox.post(event(1));
        assert!(matches!(mailbox.take(None), Some(Mail::Run(7))));
        assert_eq!(name(mailbox.take(None)), "X 1");
    }

    #[test]
    fn a_flood_of_wakes_is_bounded() {
        let mailbox = open();
        (0..100_000).for_each(|task| mailbox.wake(task));
        let woken = core::iter::from_fn(|| mailbox.take(Some(clock::now())));
        assert_eq!(woken.count(), MAX_WAKES);
    }

    #[test]
    fn a_plugin_that_wakes_itself_without_end_still_gets_its_events() {
        let mailbox = open();
        mailbox.post(event(1));
        let turns = (0..1000).take_while(|_| {
            mailbox.wake(7);
            matches!(mailbox.take(None), Some(Mail::Run(7)))
        });
        assert_eq!(turns.count(), TURN as usize);
    }

    #[test]
    fn another_instance_gets_the_events_and_nothing_that_was_the_old_ones() {
        let mailbox = open();
        mailbox.post(event(5));
        mailbox.wake(1);
        mailbox.post_done(1, 0, String::new());
        mailbox.fault();
        assert_eq!(mailbox.renew(), [5]);
        assert_eq!(name(mailbox.take(None)), "X 5");
        assert!(mailbox.take(Some(clock::now())).is_none());
    }

    #[test]
    fn a_closed_mailbox_takes_nothing_but_a_stop() {
        let mailbox = open();
        mailbox.post(event(5));
        mailbox.wake(1);
        assert_eq!(mailbox.close(), [5]);
        assert_eq!(mailbox.post(event(6)), Posted::Closed);
        mailbox.wake(2);
        mailbox.post_done(1, 0, String::new());
        mailbox.stop(abi::WHY_SHUTDOWN);
        assert!(matches!(mailbox.take(None), Some(Mail::Stop(0))));
        assert!(mailbox.take(Some(clock::now())).is_none());
    }
}
