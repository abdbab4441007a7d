//! Rate limits: a window per route and major parameter, and a global one (rest.md section 2).

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::{Reply, Route};
use crate::realm::Realm;

/// Requests a bot may make in a second over all routes.
const GLOBAL_LIMIT: u32 = 50;
const GLOBAL_WINDOW: Duration = Duration::from_secs(1);
/// Old windows are swept when there are more than this.
const SWEEP_ABOVE: usize = 4096;

/// A window that starts with its first request.
#[derive(Clone, Copy, Debug)]
struct Window {
    ends: Instant,
    used: u32,
}

/// The running windows of everybody.
#[derive(Debug, Default)]
pub struct Buckets {
    routes: BTreeMap<(u64, &'static str, &'static str, String), Window>,
    global: BTreeMap<u64, Window>,
}

/// What a request finds.
#[derive(Clone, Debug)]
pub(super) struct Verdict {
    limit: u32,
    remaining: u32,
    reset_after: Duration,
    reset_unix_ms: u64,
    bucket: String,
    refused: Option<Refused>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refused {
    Route,
    Global,
}

/// Counts one request in a window; false when the window was already used up.
fn count(window: &mut Window, now: Instant, limit: u32, length: Duration) -> bool {
    if now >= window.ends {
        *window = Window {
            ends: now + length,
            used: 0,
        };
    }
    if window.used >= limit {
        return false;
    }
    window.used += 1;
    true
}

impl Realm {
    /// Counts a request of `caller` (a bot's id, 0 for nobody) on a route.
    pub(super) fn rate(&mut self, route: &'static Route, caller: u64, major: &str) -> Verdict {
        let (now, enforced) = (self.now, self.limits.rest);
        let unix_ms = self.unix_ms();
        let fresh = Window { ends: now, used: 0 };
        let buckets = &mut self.buckets;
        if buckets.routes.len() > SWEEP_ABOVE {
            buckets.routes.retain(|_, window| window.ends > now);
        }
        let global = buckets.global.entry(caller).or_insert(fresh);
        let within_global =
            !route.by_bot || count(global, now, GLOBAL_LIMIT, GLOBAL_WINDOW) || !enforced;
        let global_ends = global.ends;
        let key = (caller, route.method, route.path, major.to_owned());
        let window = buckets.routes.entry(key).or_insert(fresh);
        let length = Duration::from_millis(route.rate.per_ms);
        let within = !within_global || count(window, now, route.rate.limit, length) || !enforced;
        let refused = match (within_global, within) {
            (false, _) => Some(Refused::Global),
            (true, false) => Some(Refused::Route),
            (true, true) => None,
        };
        let ends = if refused == Some(Refused::Global) {
            global_ends
        } else {
            window.ends
        };
        let reset_after = ends.saturating_duration_since(now);
        Verdict {
            limit: route.rate.limit,
            remaining: route.rate.limit.saturating_sub(window.used),
            reset_after,
            reset_unix_ms: unix_ms + crate::clock::millis(reset_after),
            bucket: bucket_hash(route.method, route.path),
            refused,
        }
    }
}

impl Verdict {
    pub fn is_refusal(&self) -> bool {
        self.refused.is_some()
    }

    pub fn is_global(&self) -> bool {
        self.refused == Some(Refused::Global)
    }

    /// Seconds with milliseconds, never 0: a client that waits so long succeeds.
    pub fn retry_after_s(&self) -> f64 {
        let ms = crate::clock::millis(self.reset_after) + 1;
        ms as f64 / 1000.0
    }

    /// The five headers on every response, and what a 429 has in addition (rest.md section 2;
    /// twilight retries at once without them, interop.md section 8).
    pub fn write_headers(&self, reply: &mut Reply) {
        let limited = reply.status == 429;
        // A scripted 429 brings its own wait.
        let retry_after = reply
            .body
            .as_ref()
            .and_then(|body| body.get("retry_after"))
            .and_then(serde_json::Value::as_f64)
            .filter(|_| limited);
        let reset_after = retry_after.unwrap_or(self.reset_after.as_secs_f64());
        let shift_ms = (reset_after * 1000.0) as u64;
        let base_ms = self.reset_unix_ms - crate::clock::millis(self.reset_after);
        let reset = (base_ms + shift_ms) as f64 / 1000.0;
        let remaining = if limited { 0 } else { self.remaining };
        let mut add = |name, value: String| reply.headers.push((name, value));
        add("x-ratelimit-limit", self.limit.to_string());
        add("x-ratelimit-remaining", remaining.to_string());
        add("x-ratelimit-reset", format!("{reset:.3}"));
        add("x-ratelimit-reset-after", format!("{reset_after:.3}"));
        add("x-ratelimit-bucket", self.bucket.clone());
        if limited {
            add(
                "retry-after",
                (reset_after.ceil() as u64).max(1).to_string(),
            );
            let scope = if self.is_global() { "global" } else { "user" };
            add("x-ratelimit-scope", scope.to_owned());
            if self.is_global() {
                add("x-ratelimit-global", "true".to_owned());
            }
        }
    }
}

/// An opaque name for a route's bucket: FNV-1a, twice, as 32 hexadecimal digits.
fn bucket_hash(method: &str, path: &str) -> String {
    let fnv = |seed: u64| {
        method.bytes().chain(path.bytes()).fold(seed, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3)
        })
    };
    format!(
        "{:016x}{:016x}",
        fnv(0xCBF2_9CE4_8422_2325),
        fnv(0x8422_2325_CBF2_9CE4)
    )
}
