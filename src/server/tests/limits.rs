//! Rate limits in virtual time.

use serde_json::{Value, json};

use super::rig::{Rig, body, header};
use crate::config::Limits;

#[test]
fn every_answer_has_the_five_headers_and_remaining_counts_down() {
    let mut rig = Rig::new();
    let path = format!("/channels/{}/messages", rig.text());
    for left in ["4", "3"] {
        let reply = rig.rest("POST", &path, json!({"content": "x"}));
        assert_eq!(header(&reply, "x-ratelimit-limit").unwrap(), "5");
        assert_eq!(header(&reply, "x-ratelimit-remaining").unwrap(), left);
        assert_eq!(header(&reply, "x-ratelimit-reset-after").unwrap(), "5.000");
        assert_eq!(header(&reply, "x-ratelimit-bucket").unwrap().len(), 32);
        let reset: f64 = header(&reply, "x-ratelimit-reset")
            .unwrap()
            .parse()
            .unwrap();
        assert!((reset - 1_769_947_205.0).abs() < 0.01, "{reset}");
    }
}

#[test]
fn the_sixth_message_waits_as_long_as_it_was_told() {
    let mut rig = Rig::new();
    let path = format!("/channels/{}/messages", rig.text());
    for _ in 0..5 {
        body(rig.rest("POST", &path, json!({"content": "x"})), 200);
    }
    rig.pass(1.0);
    let reply = rig.rest("POST", &path, json!({"content": "x"}));
    assert_eq!(header(&reply, "x-ratelimit-scope").unwrap(), "user");
    assert_eq!(header(&reply, "retry-after").unwrap(), "5");
    assert_eq!(header(&reply, "x-ratelimit-remaining").unwrap(), "0");
    assert!(header(&reply, "x-ratelimit-global").is_none());
    let limited = body(reply, 429);
    assert_eq!(limited["global"], false);
    rig.pass(limited["retry_after"].as_f64().unwrap());
    body(rig.rest("POST", &path, json!({"content": "x"})), 200);
}

#[test]
fn another_channel_has_its_own_bucket() {
    let mut rig = Rig::new();
    let paths = [rig.text(), rig.voice_channel(0)].map(|c| format!("/channels/{c}/messages"));
    for path in &paths {
        for _ in 0..5 {
            body(rig.rest("POST", path, json!({"content": "x"})), 200);
        }
        body(rig.rest("POST", path, json!({"content": "x"})), 429);
    }
}

#[test]
fn fifty_requests_a_second_are_the_global_limit() {
    let mut rig = Rig::new();
    let routes = ["/users/@me", "/voice/regions", "/applications/@me"];
    for n in 0..50 {
        body(rig.rest("GET", routes[n % 3], Value::Null), 200);
    }
    let reply = rig.rest("GET", routes[0], Value::Null);
    assert_eq!(header(&reply, "x-ratelimit-global").unwrap(), "true");
    assert_eq!(header(&reply, "x-ratelimit-scope").unwrap(), "global");
    assert_eq!(body(reply, 429)["global"], true);
    let unlimited = rig.rest("POST", "/interactions/5/x/callback", json!({}));
    assert_eq!(
        unlimited.status, 404,
        "interactions are not under the global limit"
    );
    rig.pass(1.0);
    body(rig.rest("GET", routes[0], Value::Null), 200);
}

#[test]
fn switched_off_limits_still_show_headers() {
    let limits = Limits {
        rest: false,
        ..Limits::default()
    };
    let mut rig = Rig::with(limits);
    let path = format!("/channels/{}/messages", rig.text());
    for _ in 0..100 {
        let reply = rig.rest("POST", &path, json!({"content": "x"}));
        assert!(header(&reply, "x-ratelimit-limit").is_some());
        body(reply, 200);
    }
}
