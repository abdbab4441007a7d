//! One table for another while the bot runs.

use super::bench::{ALL, bench, neighbour, one, player, playing, puppet, until};
use super::from_files;
use super::puppet::{NEIGHBOUR, PUPPET};
use crate::{Call, Change, Options, PluginState, load};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn the_new_one_starts_from_the_state_of_the_old_one() {
    let mut bench = one(&ALL).await;
    bench.tell("count").await;
    assert_eq!(bench.said().await, "1");
    let config = json!({ "count": 100 });
    bench
        .host
        .reload("puppet", (&PUPPET).into(), config)
        .await
        .unwrap();
    bench.tell("count").await;
    assert_eq!(bench.said().await, "2");
    assert_eq!(bench.host.report()[0].restarts, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_wrong_is_refused_in_words_and_the_old_one_goes_on() {
    let mut bench = bench(vec![puppet(&ALL), neighbour()], Options::default(), false).await;
    bench.registration().await;
    bench.tell("count").await;
    assert_eq!(bench.said().await, "1");
    let wrong = bench
        .host
        .reload("puppet", (&PUPPET).into(), json!({ "cuont": 1 }));
    let words = wrong.await.unwrap_err().to_string();
    assert!(words.contains("did you mean `count`?"), "{words}");
    let other = bench.host.reload("puppet", (&NEIGHBOUR).into(), json!({}));
    let words = other.await.unwrap_err().to_string();
    assert!(
        words.contains("the new one is the plugin `neighbour`"),
        "{words}"
    );
    let none = bench.host.reload("nobody", (&PUPPET).into(), json!({}));
    assert!(none.await.unwrap_err().to_string().contains("`nobody`"));
    bench.tell("count").await;
    assert_eq!(bench.said().await, "2");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_cannot_start_makes_room_for_the_old_one_with_its_state() {
    let folder = tempfile::tempdir().unwrap();
    let good = load(&from_files::hello_c(folder.path()), None, None).unwrap();
    let start = "if (saved.len == sizeof me->greeted)";
    let fails =
        "(void)err; (void)sink; if (saved.len == 8) return MYNAH_E_FAILED;\n  if (saved.len)";
    let file = from_files::altered(folder.path(), "fails", start, fails);
    let bad = load(&file, Some("hello-c"), None).unwrap();
    let mut bench = bench(vec![from_files::spec(good)], Options::default(), false).await;
    bench.registration().await;
    assert!(from_files::asked(&mut bench).await.contains("number 1"));
    assert!(bench.host.reload("hello-c", bad, json!({})).await.is_err());
    assert_eq!(bench.call().await.0, Call::Stop(1));
    until(&bench, PluginState::Running).await;
    assert!(from_files::asked(&mut bench).await.contains("number 2"));
}

#[tokio::test(flavor = "multi_thread")]
async fn tracks_of_a_plugin_that_does_not_know_them_afterwards_are_stopped() {
    let dir = tempfile::tempdir().unwrap();
    let mut bench = player(&dir).await;
    playing(&mut bench, 7).await;
    let reload = bench.host.reload("puppet", (&PUPPET).into(), json!({}));
    reload.await.unwrap();
    assert_eq!(bench.call().await.0, Call::Stop(7));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_that_was_switched_off_runs_again_after_a_reload() {
    let mut bench = bench(vec![puppet(&ALL)], Options::default(), false).await;
    bench.registration().await;
    bench.tell("panic").await;
    assert!(bench.said().await.contains("starting again"));
    bench
        .host
        .reload("puppet", (&PUPPET).into(), json!({}))
        .await
        .unwrap();
    assert_eq!(bench.host.report()[0].state, PluginState::Running);
    bench.tell("count").await;
    assert_eq!(bench.said().await, "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_reloads_lose_no_state_and_no_answer_of_a_neighbour() {
    let folder = tempfile::tempdir().unwrap();
    let entry = load(&from_files::hello_c(folder.path()), None, None).unwrap();
    let plugins = vec![from_files::spec(entry), neighbour()];
    let mut bench = bench(plugins, Options::default(), true).await;
    bench.registration().await;
    for round in 0..1000 {
        bench
            .host
            .reload("hello-c", entry, json!({}))
            .await
            .unwrap();
        if round % 100 == 0 {
            bench
                .interaction(2, json!({ "name": "hello", "type": 1 }))
                .await;
            while !matches!(bench.call().await.0, Call::Rest { path, .. } if path.starts_with("/interactions/"))
            {
            }
        }
    }
    let report = bench.host.report();
    assert!(
        report
            .iter()
            .all(|plugin| plugin.state == PluginState::Running)
    );
    assert_eq!((report[0].restarts, report[1].restarts), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn new_settings_are_taken_while_it_runs_and_tracks_play_on() {
    let dir = tempfile::tempdir().unwrap();
    let mut bench = player(&dir).await;
    playing(&mut bench, 7).await;
    let entry = || (&PUPPET).into();
    let change = bench.host.configure("puppet", entry(), json!({}));
    assert_eq!(change.await.unwrap(), Change::None);
    let change = bench
        .host
        .configure("puppet", entry(), json!({ "count": 40 }));
    assert_eq!(change.await.unwrap(), Change::Settings);
    bench.tell("count").await;
    assert_eq!(bench.said().await, "41");
    // The track was not stopped, or that would have come before the answer.
    let again = bench
        .host
        .configure("puppet", entry(), json!({ "count": 40 }));
    assert_eq!(again.await.unwrap(), Change::None);
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_that_need_a_new_start_get_one_and_refused_ones_leave_it_as_it_was() {
    let mut bench = one(&ALL).await;
    let entry = || (&PUPPET).into();
    for (count, words) in [(json!(13), "not that number"), (json!("x"), "count")] {
        let config = json!({ "count": count });
        let refused = bench.host.configure("puppet", entry(), config).await;
        let said = refused.unwrap_err().to_string();
        assert!(said.contains("does not take its new settings"), "{said}");
        assert!(said.contains(words), "{said}");
    }
    let nobody = bench.host.configure("nobody", entry(), json!({})).await;
    assert!(nobody.unwrap_err().to_string().contains("`nobody`"));
    bench.tell("count").await;
    assert_eq!(bench.said().await, "1");
    let anew = bench
        .host
        .configure("puppet", entry(), json!({ "count": 5 }));
    assert_eq!(anew.await.unwrap(), Change::Reloaded);
    bench.tell("count").await;
    assert_eq!(bench.said().await, "2", "it went on from its state");
    let entry = (&NEIGHBOUR).into();
    let other = bench.host.configure("puppet", entry, json!({})).await;
    let said = other.unwrap_err().to_string();
    assert!(said.contains("the new one is the plugin"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_over_new_settings_costs_that_plugin_a_start_and_nobody_else_anything() {
    let mut bench = bench(vec![puppet(&ALL), neighbour()], Options::default(), false).await;
    bench.registration().await;
    let config = json!({ "count": 14 });
    let entry = (&PUPPET).into();
    let refused = bench.host.configure("puppet", entry, config).await;
    assert!(refused.unwrap_err().to_string().contains("panicked"));
    until(&bench, PluginState::Restarting).await;
    let hello = json!({ "name": "hello", "type": 1 });
    bench.interaction(2, hello).await;
    assert_eq!(bench.said().await, "neighbour ");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_of_an_older_table_is_started_anew_for_its_settings() {
    let folder = tempfile::tempdir().unwrap();
    let only_none = "if (config.len == 2 && memcmp(config.ptr, \"{}\", 2) == 0)";
    let any = "(void)config; if (config.len)";
    let file = from_files::altered(folder.path(), "any", only_none, any);
    let entry = load(&file, None, None).unwrap();
    let mut bench = bench(vec![from_files::spec(entry)], Options::default(), false).await;
    bench.registration().await;
    assert!(from_files::asked(&mut bench).await.contains("number 1"));
    let change = bench
        .host
        .configure("hello-c", entry, json!({ "loud": true }));
    assert_eq!(change.await.unwrap(), Change::Reloaded);
    assert_eq!(bench.call().await.0, Call::Stop(1));
    assert!(from_files::asked(&mut bench).await.contains("number 2"));
}
