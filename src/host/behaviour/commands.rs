//! Whose command it is, and who answers.

use super::bench::{ALL, bench, neighbour, one, puppet};
use crate::{Options, Scope};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn the_union_of_all_commands_is_registered_once_and_the_first_owner_keeps_a_name() {
    let mut bench = bench(vec![puppet(&ALL), neighbour()], Options::default(), false).await;
    let (path, names) = bench.registration().await;
    assert_eq!(path, "/applications/9/commands");
    assert_eq!(names, ["voice", "help", "bot", "count", "panic", "hello"]);
    bench
        .interaction(2, json!({ "name": "count", "type": 1 }))
        .await;
    assert_eq!(bench.said().await, "1");
    bench
        .interaction(2, json!({ "name": "hello", "type": 1 }))
        .await;
    assert_eq!(bench.said().await, "neighbour ");
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_can_be_registered_in_chosen_guilds() {
    let commands = Scope::Guilds(vec![
        mynah_wire::GuildId::new(4),
        mynah_wire::GuildId::new(5),
    ]);
    let options = Options {
        commands,
        ..Options::default()
    };
    let mut bench = bench(vec![puppet(&ALL)], options, false).await;
    assert_eq!(
        bench.registration().await.0,
        "/applications/9/guilds/4/commands"
    );
    assert_eq!(
        bench.registration().await.0,
        "/applications/9/guilds/5/commands"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_button_goes_to_the_plugin_its_id_begins_with() {
    let mut bench = bench(vec![puppet(&ALL), neighbour()], Options::default(), false).await;
    bench.registration().await;
    bench
        .interaction(
            3,
            json!({ "custom_id": "neighbour:door", "component_type": 2 }),
        )
        .await;
    assert_eq!(bench.said().await, "neighbour door");
    bench
        .interaction(5, json!({ "custom_id": "puppet:form" }))
        .await;
    assert_eq!(bench.said().await, "form ");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_of_nobody_is_answered_by_the_host() {
    let mut bench = one(&ALL).await;
    bench
        .interaction(2, json!({ "name": "dance", "type": 1 }))
        .await;
    let (_, path, body) = bench.rest().await;
    assert_eq!(path, "/interactions/101/t101/callback");
    assert_eq!(body["data"]["flags"], 64);
    bench
        .interaction(4, json!({ "name": "dance", "type": 1 }))
        .await;
    assert_eq!(
        bench.rest().await.2,
        json!({ "type": 8, "data": { "choices": [] } })
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_that_does_not_answer_is_answered_for() {
    let mut bench = one(&ALL).await;
    bench.tell("silence").await;
    let said = bench.said().await;
    assert!(
        said.contains("`puppet` plugin did not answer in time"),
        "{said}"
    );
}
