//! REST rate limits as a machine (rest.md section 2).
//!
//! Ask [`Buckets::request`] before every call, report the answer's headers with
//! [`Buckets::answered`] (or [`Buckets::failed`] when none came, [`Buckets::given_up`] when nobody
//! waits for it any more). Requests are spread by what Discord
//! says about each bucket, and by the global limit of 50 a second.

mod route;

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

pub use route::Route;

/// Requests per second over all routes of one bot (rest.md section 2).
pub const GLOBAL_PER_SECOND: usize = 50;
/// An answer that does not come within this time no longer holds its slot.
const IN_FLIGHT_LIMIT: Duration = Duration::from_secs(60);
/// While another request of the same bucket is on its way: ask again this soon.
const RECHECK: Duration = Duration::from_millis(50);
/// Buckets and routes kept at most; beyond it idle ones are forgotten.
const KEPT: usize = 4096;
/// No wait is believed beyond this (a Cloudflare ban is an hour).
const LONGEST_WAIT: Duration = Duration::from_secs(3600);

/// What to do with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "sending in spite of a delay costs the bot its access"]
pub enum Decision {
    /// Send it now; a slot is taken until the answer is reported.
    Send,
    /// Ask again at that time.
    Delay(Instant),
}

/// The rate-limit headers of an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// `X-RateLimit-Bucket`.
    pub bucket: Option<String>,
    /// `X-RateLimit-Limit`.
    pub limit: Option<u32>,
    /// `X-RateLimit-Remaining`.
    pub remaining: Option<u32>,
    /// `X-RateLimit-Reset-After`.
    pub reset_after: Option<Duration>,
    /// Set for a 429: how long to wait, from its body or `Retry-After`.
    pub retry_after: Option<Duration>,
    /// `X-RateLimit-Global`, or `global` in the body of a 429.
    pub global: bool,
}

#[derive(Clone, Debug)]
struct Bucket {
    /// An answer has told the limit.
    known: bool,
    remaining: u32,
    limit: u32,
    resets_at: Option<Instant>,
    blocked_until: Option<Instant>,
    in_flight: u32,
    last_sent: Instant,
}

/// All rate limits of one bot.
#[derive(Clone, Debug)]
pub struct Buckets {
    /// Learnt names: which bucket a route template belongs to.
    names: HashMap<String, String>,
    buckets: HashMap<(String, String), Bucket>,
    recent: VecDeque<Instant>,
    global_until: Option<Instant>,
    now: Instant,
}

impl Buckets {
    /// Nothing is known yet.
    pub fn new(now: Instant) -> Self {
        Self {
            names: HashMap::new(),
            buckets: HashMap::new(),
            recent: VecDeque::new(),
            global_until: None,
            now,
        }
    }

    /// May this be sent now? If so, the slot is taken.
    pub fn request(&mut self, now: Instant, route: &Route) -> Decision {
        self.now = self.now.max(now);
        let now = self.now;
        if !route.is_interaction()
            && let Some(until) = self.global_wait()
        {
            return Decision::Delay(until);
        }
        self.forget_idle();
        let bucket = self.bucket(route);
        if let Some(until) = bucket.wait(now) {
            return Decision::Delay(until);
        }
        bucket.remaining = bucket.remaining.saturating_sub(1);
        bucket.in_flight = bucket.in_flight.saturating_add(1);
        bucket.last_sent = now;
        if !route.is_interaction() {
            self.recent.push_back(now);
        }
        Decision::Send
    }

    /// An answer came, with these headers.
    pub fn answered(&mut self, now: Instant, route: &Route, limits: &Limits) {
        self.now = self.now.max(now);
        let now = self.now;
        if let Some(name) = &limits.bucket {
            self.learn(route, name);
        }
        if let (true, Some(wait)) = (limits.global, limits.retry_after) {
            self.global_until = Some(now + wait.min(LONGEST_WAIT));
        }
        let bucket = self.bucket(route);
        bucket.in_flight = bucket.in_flight.saturating_sub(1);
        if let Some(limit) = limits.limit {
            bucket.limit = limit.max(1);
        }
        if let Some(remaining) = limits.remaining {
            // Answers may come out of order, so within one window the count only goes down.
            bucket.remaining = if bucket.known {
                bucket.remaining.min(remaining)
            } else {
                remaining.saturating_sub(bucket.in_flight)
            };
            bucket.known = true;
        }
        if let Some(after) = limits.reset_after {
            bucket.resets_at = bucket.resets_at.max(Some(now + after.min(LONGEST_WAIT)));
        }
        // The global limit does not hold interactions back, so a 429 there must wait by itself.
        let own = !limits.global || route.is_interaction();
        if let (true, Some(wait)) = (own, limits.retry_after) {
            bucket.blocked_until = Some(now + wait.min(LONGEST_WAIT));
        }
    }

    /// No answer will come: the slot is free again.
    pub fn failed(&mut self, now: Instant, route: &Route) {
        self.now = self.now.max(now);
        let bucket = self.bucket(route);
        bucket.in_flight = bucket.in_flight.saturating_sub(1);
        bucket.remaining = bucket.remaining.saturating_add(1).min(bucket.limit);
    }

    /// Nobody waits for the answer any more. The slot is free again, but the call may well have
    /// arrived: what it used up is not given back.
    pub fn given_up(&mut self, now: Instant, route: &Route) {
        self.now = self.now.max(now);
        let bucket = self.bucket(route);
        bucket.in_flight = bucket.in_flight.saturating_sub(1);
    }

    fn global_wait(&mut self) -> Option<Instant> {
        let (now, second) = (self.now, Duration::from_secs(1));
        while self.recent.front().is_some_and(|at| *at + second <= now) {
            self.recent.pop_front();
        }
        let full = (self.recent.len() >= GLOBAL_PER_SECOND)
            .then(|| self.recent.front().map(|at| *at + second))
            .flatten();
        let blocked = self.global_until.filter(|until| *until > now);
        full.max(blocked)
    }

    fn bucket(&mut self, route: &Route) -> &mut Bucket {
        let name = self
            .names
            .get(route.template())
            .map_or(route.template(), String::as_str);
        let key = (name.to_owned(), route.major().to_owned());
        let now = self.now;
        self.buckets
            .entry(key)
            .or_insert_with(|| Bucket::unknown(now))
    }

    /// The first answer names the bucket; what is known under the template moves there.
    fn learn(&mut self, route: &Route, name: &str) {
        let known = self
            .names
            .get(route.template())
            .map_or(route.template(), String::as_str);
        if known == name {
            return;
        }
        let old_key = (known.to_owned(), route.major().to_owned());
        let new_key = (name.to_owned(), route.major().to_owned());
        if let Some(old) = self.buckets.remove(&old_key) {
            self.buckets
                .entry(new_key)
                .and_modify(|bucket| {
                    bucket.in_flight = bucket.in_flight.saturating_add(old.in_flight)
                })
                .or_insert(old);
        }
        self.names
            .insert(route.template().to_owned(), name.to_owned());
    }

    fn forget_idle(&mut self) {
        if self.buckets.len() >= KEPT {
            let now = self.now;
            self.buckets.retain(|_, bucket| !bucket.is_idle(now));
        }
        if self.names.len() >= KEPT {
            self.names.clear();
        }
    }
}

impl Bucket {
    /// Before the first answer one request goes alone: its headers tell the limit.
    const fn unknown(now: Instant) -> Self {
        Self {
            known: false,
            remaining: 1,
            limit: 1,
            resets_at: None,
            blocked_until: None,
            in_flight: 0,
            last_sent: now,
        }
    }

    fn wait(&mut self, now: Instant) -> Option<Instant> {
        if self.in_flight > 0 && self.last_sent + IN_FLIGHT_LIMIT <= now {
            self.in_flight = 0;
        }
        if let Some(until) = self.blocked_until {
            if until > now {
                return Some(until);
            }
            self.blocked_until = None;
            self.remaining = self.remaining.max(1);
        }
        if self.resets_at.is_some_and(|at| at <= now) {
            self.resets_at = None;
            self.remaining = self.limit.saturating_sub(self.in_flight);
        }
        if self.remaining > 0 {
            return None;
        }
        match (self.resets_at, self.in_flight) {
            (Some(at), _) => Some(at),
            (None, 0) => {
                self.remaining = self.limit;
                None
            }
            (None, _) => Some(now + RECHECK),
        }
    }

    fn is_idle(&self, now: Instant) -> bool {
        (self.in_flight == 0 || self.last_sent + IN_FLIGHT_LIMIT <= now)
            && self.resets_at.is_none_or(|at| at <= now)
            && self.blocked_until.is_none_or(|at| at <= now)
    }
}

#[cfg(test)]
mod tests;
