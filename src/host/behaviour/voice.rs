//! `/voice status`, asked and answered as a person does and sees it.

use super::bench::{Bench, Voice, bench};
use crate::Options;
use mynah_engine::VoiceStatus;
use mynah_wire::{ChannelId, Ssrc, UserId};
use serde_json::{Value, json};
use std::time::Duration;

/// A call of the bot (8) and ann (5).
fn call() -> VoiceStatus {
    VoiceStatus {
        channel_id: ChannelId::new(77),
        user_id: UserId::new(8),
        ssrc: Ssrc(3),
        mode: "aead_aes256_gcm_rtpsize".to_owned(),
        latency: Some(Duration::from_millis(12)),
        rtt: Some(Duration::from_millis(9)),
        received: 900,
        lost: 3,
        jitter: Some(Duration::from_millis(4)),
        dave_version: 1,
        epoch: Some(2),
        privacy_code: Some("012340123401234012340123401234".to_owned()),
        members: vec![(UserId::new(8), vec![4; 65]), (UserId::new(5), vec![9; 65])],
        own_key: vec![4; 65],
        packets_sent: 150,
        unheard: None,
        sealed_stale: 0,
    }
}

async fn without_plugins() -> Bench {
    let mut bench = bench(Vec::new(), Options::default(), false).await;
    assert_eq!(bench.registration().await.1, ["voice", "help", "bot"]);
    bench
}

async fn ask(bench: &mut Bench, options: Value) -> (String, Value) {
    let status = json!([{ "type": 1, "name": "status", "options": options }]);
    let data = json!({ "type": 1, "name": "voice", "options": status });
    bench.interaction(2, data).await;
    let (method, path, body) = bench.rest().await;
    assert_eq!(method, "POST");
    (path, body)
}

fn words(body: &Value) -> &str {
    body["data"]["content"].as_str().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_host_answers_for_itself_to_one_person_and_calls_nobody() {
    let mut bench = without_plugins().await;
    *bench.voice.lock().unwrap() = Voice::In(Box::new(call()));
    let (path, body) = ask(&mut bench, json!([])).await;
    assert_eq!(path, "/interactions/101/t101/callback");
    assert_eq!(
        (&body["type"], &body["data"]["flags"]),
        (&json!(4), &json!(64))
    );
    assert_eq!(body["data"]["allowed_mentions"], json!({ "parse": [] }));
    let said = words(&body);
    assert!(said.contains("<#77>") && said.contains("epoch 2"), "{said}");
    assert!(
        said.contains("`01234 01234 01234 01234 01234 01234`"),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bot_in_no_channel_says_so() {
    let mut bench = without_plugins().await;
    let (_, body) = ask(&mut bench, json!([])).await;
    assert!(words(&body).contains("no voice channel"), "{body}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_is_shown_as_the_code_both_can_compare() {
    let mut bench = without_plugins().await;
    *bench.voice.lock().unwrap() = Voice::In(Box::new(call()));
    let member = |id: &str| json!([{ "type": 6, "name": "member", "value": id }]);
    let (_, body) = ask(&mut bench, member("5")).await;
    let digits = words(&body).chars().filter(char::is_ascii_digit);
    // 45 of the code, and the 5 of the mention.
    assert_eq!(digits.count(), 46, "{body}");
    let (_, body) = ask(&mut bench, member("6")).await;
    assert!(words(&body).contains("<@6> is not in this call"), "{body}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bot_that_does_not_say_how_it_is_leaves_nobody_waiting() {
    let mut bench = without_plugins().await;
    *bench.voice.lock().unwrap() = Voice::Hangs;
    let (_, body) = ask(&mut bench, json!([])).await;
    assert!(words(&body).contains("too long"), "{body}");
}
