//! What plugins ask for.

use super::bench::{ALL, bench, one, player, playing, puppet};
use super::puppet::{FLOOD, REFUSED};
use crate::{Call, OpError, Options, What};
use mynah_engine::{Curve, Fade, TrackEvent};
use serde_json::{Value, json};
use std::{sync::atomic::Ordering, time::Duration};

#[tokio::test(flavor = "multi_thread")]
async fn an_op_that_is_not_granted_is_refused_with_the_reason() {
    let mut bench = one(&["commands"]).await;
    bench.tell("join").await;
    let said = bench.said().await;
    assert!(
        said.contains("`voice.speak`") && said.contains("[plugins.puppet]"),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_op_goes_to_the_bot_and_its_result_comes_home() {
    let mut bench = one(&ALL).await;
    bench.tell("join").await;
    let (call, answer) = bench.call().await;
    assert_eq!(
        call,
        Call::Join(mynah_wire::GuildId::new(1), mynah_wire::ChannelId::new(2))
    );
    answer
        .unwrap()
        .send(Err(OpError::Failed("the channel is full".into())))
        .unwrap();
    assert_eq!(bench.said().await, "the channel is full");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_played_by_its_real_path_if_its_folder_is_granted() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("song.mp3"), "x").unwrap();
    let folder = dir.path().to_str().unwrap();
    let mut bench = one(&["commands", "voice.speak", &format!("fs.read:{folder}")]).await;
    let path = json!([{ "name": "path", "type": 3, "value": format!("{folder}/../{}/song.mp3",
        dir.path().file_name().unwrap().to_str().unwrap()) }]);
    bench.tell_with("play", path).await;
    let (call, answer) = bench.call().await;
    let Call::Play(play) = call else {
        panic!("{call:?}")
    };
    let What::Path(path) = &play.what else {
        panic!("{play:?}")
    };
    assert_eq!(
        path,
        dir.path()
            .canonicalize()
            .unwrap()
            .join("song.mp3")
            .to_str()
            .unwrap()
    );
    answer.unwrap().send(Ok(json!({ "track": 7 }))).unwrap();
    assert_eq!(bench.said().await, "play track 7");
    bench
        .tell_with(
            "play",
            json!([{ "name": "path", "type": 3, "value": "/etc/hostname" }]),
        )
        .await;
    let said = bench.said().await;
    assert!(
        said.contains("not granted `fs.read:/etc/hostname`"),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_learns_of_its_track_before_the_tracks_events() {
    let dir = tempfile::tempdir().unwrap();
    let mut bench = player(&dir).await;
    bench.tell_with("play", json!([])).await;
    let (_, answer) = bench.call().await;
    // The engine's events are faster than its answer.
    bench.track(7, TrackEvent::Started).await;
    bench.track(7, TrackEvent::Ended).await;
    bench.track(8, TrackEvent::Started).await;
    // Routed one after the other: once this is answered, those before are routed too.
    bench
        .interaction(2, json!({ "name": "dance", "type": 1 }))
        .await;
    bench.said().await;
    answer.unwrap().send(Ok(json!({ "track": 7 }))).unwrap();
    assert_eq!(bench.said().await, "play track 7");
    // Waits for its turn behind the events above.
    bench.track(9, TrackEvent::Started).await;
    bench.tell("heard").await;
    assert_eq!(
        bench.said().await,
        "play track 7,track 7 started,track 7 ended"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_track_whose_play_was_given_up_is_stopped() {
    let dir = tempfile::tempdir().unwrap();
    let mut bench = player(&dir).await;
    bench.tell("play and drop").await;
    let (call, answer) = bench.call().await;
    assert!(call.plays(), "{call:?}");
    // By the time this is answered, the future is dropped.
    bench.tell("heard").await;
    bench.said().await;
    answer.unwrap().send(Ok(json!({ "track": 7 }))).unwrap();
    assert_eq!(bench.call().await.0, Call::Stop(7));
}

#[tokio::test(flavor = "multi_thread")]
async fn track_ops_reach_the_bot_in_the_order_they_were_asked() {
    let dir = tempfile::tempdir().unwrap();
    let mut bench = player(&dir).await;
    playing(&mut bench, 7).await;
    for _ in 0..50 {
        bench.tell("twice").await;
        assert_eq!(bench.call().await.0, Call::Pause(7));
        assert_eq!(bench.call().await.0, Call::Resume(7));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_belongs_to_who_asked_for_it_and_follows_only_what_is_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let mut bench = player(&dir).await;
    bench.tell("follow").await;
    assert!(bench.said().await.contains("not this plugin's"));
    playing(&mut bench, 7).await;
    bench.tell("follow").await;
    let (call, answer) = bench.call().await;
    let Call::Next(7, What::Path(path), start) = &call else {
        panic!("{call:?}")
    };
    assert!(path.ends_with("/song.mp3") && start.is_zero(), "{path}");
    // One goes over into the other before the engine's answer is back.
    bench.track(7, TrackEvent::Ended).await;
    bench.track(8, TrackEvent::Started).await;
    answer.unwrap().send(Ok(json!({ "track": 8 }))).unwrap();
    assert_eq!(bench.said().await, "follow track 8");
    bench.track(9, TrackEvent::Started).await;
    bench.tell("heard").await;
    let heard = bench.said().await;
    for part in ["track 7 ended", "follow track 8", "track 8 started"] {
        assert!(heard.contains(part), "{heard}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn effects_loops_and_fades_reach_the_bot_as_they_were_asked() {
    let dir = tempfile::tempdir().unwrap();
    let mut bench = player(&dir).await;
    playing(&mut bench, 7).await;
    bench.tell("fade").await;
    let Call::Filters(7, filters) = bench.call().await.0 else {
        panic!("effects come first")
    };
    assert_eq!(filters.volume, 0.5);
    assert_eq!(bench.call().await.0, Call::Repeat(7, true));
    let fade = Fade::over(Duration::from_secs(2), Curve::EqualPower);
    assert_eq!(bench.call().await.0, Call::Fade(7, 0.25, fade));
    assert_eq!(bench.call().await.0, Call::StopWith(7, fade));
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_256_ops_at_once_are_refused_as_busy() {
    let mut bench = bench(vec![puppet(&ALL)], Options::default(), true).await;
    bench.registration().await;
    bench.tell("flood").await;
    let mut open = Vec::new();
    for _ in 0..crate::link::MAX_OPS {
        open.push(bench.call().await.1.unwrap());
    }
    // None may come back before the last was asked for, or that one would find room.
    while REFUSED.load(Ordering::SeqCst) < FLOOD - crate::link::MAX_OPS as u64 {
        tokio::task::yield_now().await;
    }
    for answer in open {
        answer.send(Ok(Value::Null)).unwrap();
    }
    let mut said = String::new();
    while !said.contains("refused") {
        let (call, _answer) = bench.call().await;
        if let Call::Rest {
            body: Some(body), ..
        } = call
        {
            said = body["data"]["content"]
                .as_str()
                .unwrap_or_default()
                .to_owned();
        }
    }
    assert_eq!(said, "44 refused", "300 asked for, 256 let through");
}
