//! Panics, refusals, the end.

use super::{
    bench::{ALL, bench, neighbour, player, playing, puppet, saved, until},
    puppet::{PUPPET, STOPPED},
};
use crate::{Call, Options, PluginSpec, PluginState};
use serde_json::json;
use std::sync::atomic::Ordering;

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_answers_the_person_and_starts_the_plugin_again_from_its_saved_state() {
    let mut bench = bench(vec![puppet(&ALL), neighbour()], Options::default(), false).await;
    bench.registration().await;
    bench.tell("count").await;
    assert_eq!(bench.said().await, "1");
    // Saved soon after it changed: wait for the next answer that comes after the save.
    saved(&bench).await;
    bench.tell("panic").await;
    let said = bench.said().await;
    assert!(said.contains("had a fault and is starting again"), "{said}");
    let report = &bench.host.report()[0];
    assert_eq!(
        (report.state, report.restarts),
        (PluginState::Restarting, 1)
    );
    let fault = report.last_fault.clone().unwrap();
    assert!(
        fault.contains("`on request`") && fault.contains("puppet.rs"),
        "{fault}"
    );
    bench.tell("count").await;
    assert!(
        bench.said().await.contains("starting again"),
        "commands are answered meanwhile"
    );
    bench
        .interaction(2, json!({ "name": "hello", "type": 1 }))
        .await;
    assert_eq!(bench.said().await, "neighbour ");
    until(&bench, PluginState::Running).await;
    bench.tell("count").await;
    assert_eq!(bench.said().await, "2", "the count survived");
}

#[tokio::test(flavor = "multi_thread")]
async fn thinking_is_replaced_when_the_plugin_dies_and_its_tracks_are_stopped() {
    let dir = tempfile::tempdir().unwrap();
    let mut bench = player(&dir).await;
    playing(&mut bench, 7).await;
    bench.tell("defer and panic").await;
    assert_eq!(bench.rest().await.2, json!({ "type": 5 }));
    assert_eq!(bench.call().await.0, Call::Stop(7));
    let (method, path, body) = bench.rest().await;
    assert_eq!(
        (method.as_str(), path.starts_with("/webhooks/9/t")),
        ("PATCH", true)
    );
    assert!(
        body["content"].as_str().unwrap().contains("had a fault"),
        "{body}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_without_a_required_grant_is_switched_off_and_the_others_run() {
    let mut bench = bench(
        vec![puppet(&["chat.send"]), neighbour()],
        Options::default(),
        false,
    )
    .await;
    assert_eq!(
        bench.registration().await.1,
        ["voice", "help", "bot", "hello", "count"]
    );
    let report = bench.host.report();
    assert_eq!(report[0].state, PluginState::Disabled);
    let fault = report[0].last_fault.clone().unwrap();
    assert!(fault.contains("needs `commands` to be told"), "{fault}");
    assert_eq!(report[1].state, PluginState::Running);
    bench.tell("count").await;
    assert!(bench.said().await.contains("is switched off"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_configuration_switches_the_plugin_off_without_retrying() {
    let wrong = PluginSpec::new(&PUPPET, json!({ "cuont": 1 }), vec!["commands".into()]);
    let bench = bench(vec![wrong], Options::default(), false).await;
    let report = &bench.host.report()[0];
    assert_eq!((report.state, report.restarts), (PluginState::Disabled, 0));
    assert!(
        report
            .last_fault
            .as_ref()
            .unwrap()
            .contains("did you mean `count`")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_lets_the_plugin_say_goodbye_first() {
    let spec = PluginSpec::new(
        &PUPPET,
        json!({ "count": 1_000_000 }),
        ALL.map(String::from).into(),
    );
    let bench = bench(vec![spec], Options::default(), false).await;
    let before = STOPPED.load(Ordering::SeqCst);
    bench.host.stop().await;
    assert!(STOPPED.load(Ordering::SeqCst) >= before + 1_000_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_plugin_saved_last_is_what_it_starts_from_in_the_next_run() {
    let folder = tempfile::tempdir().unwrap();
    let options = || Options {
        stores: Some(folder.path().join("plugins")),
        ..Options::default()
    };
    for before in ["1", "2"] {
        let mut bench = bench(vec![puppet(&ALL)], options(), false).await;
        bench.registration().await;
        bench.tell("count").await;
        assert_eq!(bench.said().await, before);
        // At once: what changed last is saved on the way out.
        bench.host.stop().await;
    }
}
