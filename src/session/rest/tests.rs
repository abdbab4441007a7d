//! Rate limits in virtual time.

use mynah_wire::rng::Rng;

use super::*;

fn message(channel: u64) -> Route {
    Route::of("POST", &format!("/channels/{channel}/messages"))
}

fn limits(bucket: &str, limit: u32, remaining: u32, reset_ms: u64) -> Limits {
    Limits {
        bucket: Some(bucket.to_owned()),
        limit: Some(limit),
        remaining: Some(remaining),
        reset_after: Some(Duration::from_millis(reset_ms)),
        ..Limits::default()
    }
}

fn delay(decision: Decision, now: Instant) -> Option<Duration> {
    match decision {
        Decision::Send => None,
        Decision::Delay(until) => Some(until.duration_since(now)),
    }
}

#[test]
fn an_unknown_route_sends_one_request_and_waits_for_its_headers() {
    let now = Instant::now();
    let mut buckets = Buckets::new(now);
    assert_eq!(buckets.request(now, &message(1)), Decision::Send);
    assert_eq!(delay(buckets.request(now, &message(1)), now), Some(RECHECK));
    assert_eq!(
        buckets.request(now, &message(2)),
        Decision::Send,
        "another channel"
    );
    buckets.answered(now, &message(1), &limits("b", 5, 4, 1000));
    for _ in 0..4 {
        assert_eq!(buckets.request(now, &message(1)), Decision::Send);
    }
    assert_eq!(
        delay(buckets.request(now, &message(1)), now),
        Some(Duration::from_secs(1))
    );
    let later = now + Duration::from_secs(1);
    for _ in 0..4 {
        buckets.answered(now, &message(1), &Limits::default());
    }
    assert_eq!(buckets.request(later, &message(1)), Decision::Send);
}

#[test]
fn routes_of_one_bucket_share_it_per_major_parameter() {
    let now = Instant::now();
    let mut buckets = Buckets::new(now);
    let edit = |channel: u64| {
        Route::of(
            "PATCH",
            &format!("/channels/{channel}/messages/93000000000000001"),
        )
    };
    for route in [message(1), edit(1)] {
        assert_eq!(buckets.request(now, &route), Decision::Send);
        buckets.answered(now, &route, &limits("shared", 5, 0, 2000));
    }
    assert!(delay(buckets.request(now, &message(1)), now).is_some());
    assert!(delay(buckets.request(now, &edit(1)), now).is_some());
    assert_eq!(buckets.request(now, &edit(2)), Decision::Send);
}

#[test]
fn a_429_blocks_its_bucket_and_a_global_one_blocks_all_but_interactions() {
    let now = Instant::now();
    let mut buckets = Buckets::new(now);
    let wait = Duration::from_millis(1337);
    assert_eq!(buckets.request(now, &message(1)), Decision::Send);
    let limited = Limits {
        retry_after: Some(wait),
        ..limits("b", 5, 3, 100)
    };
    buckets.answered(now, &message(1), &limited);
    assert_eq!(delay(buckets.request(now, &message(1)), now), Some(wait));
    assert_eq!(buckets.request(now + wait, &message(1)), Decision::Send);

    let global = Limits {
        global: true,
        retry_after: Some(wait),
        ..Limits::default()
    };
    assert_eq!(buckets.request(now, &message(2)), Decision::Send);
    buckets.answered(now, &message(2), &global);
    let later = now + wait;
    assert_eq!(
        delay(buckets.request(later, &message(3)), later),
        Some(wait)
    );
    let callback = Route::of("POST", "/interactions/91000000000000001/token/callback");
    assert_eq!(buckets.request(later, &callback), Decision::Send);
}

#[test]
fn answers_to_different_interactions_never_wait_for_each_other() {
    let now = Instant::now();
    let mut buckets = Buckets::new(now);
    for id in 0..200u64 {
        let path = format!(
            "/interactions/{}/token{id}/callback",
            91_000_000_000_000_000 + id
        );
        let callback = Route::of("POST", &path);
        assert_eq!(buckets.request(now, &callback), Decision::Send, "{id}");
    }
}

#[test]
fn a_global_429_holds_back_the_interaction_that_met_it() {
    let now = Instant::now();
    let mut buckets = Buckets::new(now);
    let wait = Duration::from_millis(700);
    let callback = Route::of("POST", "/interactions/91000000000000001/token/callback");
    assert_eq!(buckets.request(now, &callback), Decision::Send);
    let limited = Limits {
        global: true,
        retry_after: Some(wait),
        ..Limits::default()
    };
    buckets.answered(now, &callback, &limited);
    assert_eq!(delay(buckets.request(now, &callback), now), Some(wait));
    assert_eq!(buckets.request(now + wait, &callback), Decision::Send);
}

#[test]
fn the_global_limit_is_fifty_a_second() {
    let now = Instant::now();
    let mut buckets = Buckets::new(now);
    for channel in 0..50 {
        assert_eq!(buckets.request(now, &message(channel)), Decision::Send);
    }
    assert_eq!(
        delay(buckets.request(now, &message(50)), now),
        Some(Duration::from_secs(1))
    );
    let later = now + Duration::from_secs(1);
    assert_eq!(buckets.request(later, &message(50)), Decision::Send);
}

#[test]
fn a_lost_answer_gives_its_slot_back() {
    let now = Instant::now();
    let mut buckets = Buckets::new(now);
    assert_eq!(buckets.request(now, &message(1)), Decision::Send);
    buckets.failed(now, &message(1));
    assert_eq!(buckets.request(now, &message(1)), Decision::Send);
    // Never reported at all: after a minute the slot is free by itself.
    let later = now + IN_FLIGHT_LIMIT;
    assert_eq!(buckets.request(later, &message(1)), Decision::Send);
}

/// A server with a limit of 5 per 2 s; the client must never see a 429 and must get through.
#[test]
fn many_impatient_callers_never_meet_the_limit() {
    for seed in 0..20 {
        let mut rng = Rng::new(seed);
        let start = Instant::now();
        let mut buckets = Buckets::new(start);
        let (mut window_end, mut used, mut done) = (start, 0, 0);
        let mut under_way: Vec<(Instant, Limits)> = Vec::new();
        for ms in 0..60_000u64 {
            let now = start + Duration::from_millis(ms);
            while let Some(at) = under_way.iter().position(|(at, _)| *at <= now) {
                let (_, limits) = under_way.remove(at);
                buckets.answered(now, &message(1), &limits);
            }
            if buckets.request(now, &message(1)) == Decision::Send {
                if window_end <= now {
                    (window_end, used) = (now + Duration::from_secs(2), 0);
                }
                used += 1;
                assert!(used <= 5, "seed {seed} at {ms} ms: a 429");
                done += 1;
                let left = window_end.duration_since(now).as_millis() as u64;
                let trip = 5 + rng.below(100);
                under_way.push((
                    now + Duration::from_millis(trip),
                    // The reset is told relative to sending; the trip makes it a little late.
                    limits("b", 5, 5 - used, left),
                ));
            }
        }
        assert!(done > 110, "seed {seed}: only {done}");
    }
}

#[test]
fn memory_stays_bounded_whatever_is_called() {
    let start = Instant::now();
    let mut buckets = Buckets::new(start);
    for call in 0..30_000u64 {
        let now = start + Duration::from_millis(call * 30);
        if buckets.request(now, &message(call)) == Decision::Send {
            buckets.answered(now, &message(call), &limits("b", 5, 4, 1000));
        }
    }
    assert!(buckets.buckets.len() <= KEPT + 1);
    assert!(buckets.recent.len() <= GLOBAL_PER_SECOND);
}

#[test]
fn a_call_that_was_given_up_holds_no_slot_but_has_used_up_what_it_used() {
    let start = Instant::now();
    let mut buckets = Buckets::new(start);
    assert_eq!(buckets.request(start, &message(1)), Decision::Send);
    assert_ne!(buckets.request(start, &message(1)), Decision::Send);
    buckets.given_up(start, &message(1));
    assert_eq!(buckets.request(start, &message(1)), Decision::Send);
    buckets.answered(start, &message(1), &limits("b", 2, 1, 1000));
    assert_eq!(buckets.request(start, &message(1)), Decision::Send);
    buckets.given_up(start, &message(1));
    let reset = start + Duration::from_secs(1);
    assert_eq!(
        buckets.request(start, &message(1)),
        Decision::Delay(reset),
        "it may have arrived"
    );
}
