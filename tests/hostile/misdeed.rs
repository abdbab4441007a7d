//! What it does, where, and how often.

use mynah_plugin::{Host, abi};
use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

/// Log lines and ops of one flood.
const FLOOD: usize = 20_000;
/// Bytes of one leak that are written to.
const LEAK_BYTES: usize = 16 << 20;
/// And those that are only asked for.
const RESERVE_BYTES: usize = 1 << 30;

/// A misdeed and its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    place: String,
    what: String,
    /// How long, for those that take time; 0 is for ever.
    ms: u64,
}

/// Done once each. They outlive the instance: the same file is the same library, and stays loaded.
static ARMED: Mutex<Vec<Order>> = Mutex::new(Vec::new());
/// Done every time, as the settings have it.
static SETTLED: Mutex<Option<Order>> = Mutex::new(None);

fn lock<T>(slot: &Mutex<T>) -> MutexGuard<'_, T> {
    slot.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Order {
    /// `None` when there is no misdeed in it.
    pub fn new(place: &str, what: &str, ms: u64) -> Option<Self> {
        (!what.is_empty()).then(|| Self {
            place: place.to_owned(),
            what: what.to_owned(),
            ms,
        })
    }

    /// Is this the place?
    pub fn is_at(&self, place: &str) -> bool {
        self.place == place
    }

    /// Does it. What takes a host is left out without one.
    pub fn commit(self, host: Option<&Host>) {
        match self.what.as_str() {
            "panic" => panic!("on request, in {}", self.place),
            "sleep" => self.until_over(|| std::thread::sleep(Duration::from_millis(5))),
            "spin" => self.until_over(core::hint::spin_loop),
            "flood" => host.into_iter().for_each(flood),
            "leak" => leak(),
            _ => {}
        }
    }

    fn until_over(&self, step: impl Fn()) {
        let begun = Instant::now();
        while self.ms == 0 || begun.elapsed() < Duration::from_millis(self.ms) {
            step();
        }
    }
}

/// At the next visit to its place.
pub fn arm(order: Option<Order>) {
    lock(&ARMED).extend(order);
}

/// How many have not come to their place yet.
pub fn armed() -> usize {
    lock(&ARMED).len()
}

/// At every visit to its place.
pub fn settle(order: Option<Order>) {
    *lock(&SETTLED) = order;
}

/// A place was reached.
pub fn trap(place: &str, host: Option<&Host>) {
    let once = {
        let mut armed = lock(&ARMED);
        let at = armed.iter().position(|order| order.is_at(place));
        at.map(|at| armed.remove(at))
    };
    let always = lock(&SETTLED).clone();
    let always = always.filter(|order| order.is_at(place));
    if let Some(order) = once.or(always) {
        order.commit(host);
    }
}

/// Lines of log; ops that are answered at once, that take long, and that wait for Discord. Nobody waits
/// for any of them.
fn flood(host: &Host) {
    for n in 0..FLOOD {
        host.log(abi::LOG_WARN, &format!("line {n} of a flood"));
    }
    for n in 0..FLOOD {
        match n % 3 {
            0 => begin(host.sleep(Duration::ZERO)),
            1 => begin(host.sleep(Duration::from_secs(3600))),
            _ => begin(host.rest("GET", "/users/@me", ().into())),
        }
    }
}

/// An op that was begun and is never looked at again.
fn begin<T>(op: impl Future<Output = mynah_plugin::Result<T>>) {
    let mut op = Box::pin(op);
    let mut context = Context::from_waker(Waker::noop());
    let refused = matches!(op.as_mut().poll(&mut context), Poll::Ready(Err(_)));
    if !refused {
        core::mem::forget(op);
    }
}

fn leak() {
    core::mem::forget(vec![1_u8; LEAK_BYTES]);
    let mut large: Vec<u8> = Vec::new();
    if large.try_reserve_exact(RESERVE_BYTES).is_ok() {
        core::mem::forget(large);
    }
}
