//! What plugins hear.

use super::{
    bench::{bench, neighbour, one, puppet},
    puppet::GATES,
};
use crate::Options;
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn gateway_events_reach_only_who_asked_for_them_and_is_granted_them() {
    let mut bench = one(&["commands", "gateway.events:MESSAGE_CREATE"]).await;
    bench.send("TYPING_START", json!({})).await; // asked for, not granted
    bench.send("GUILD_BAN_ADD", json!({})).await; // not asked for
    bench.send("MESSAGE_CREATE", json!({})).await;
    bench.tell("heard").await;
    assert_eq!(bench.said().await, "MESSAGE_CREATE");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_that_hangs_loses_old_events_is_told_how_many_and_harms_nobody() {
    let grants = ["commands", "gateway.events:*"];
    let mut bench = bench(
        vec![puppet(&grants), neighbour()],
        Options::default(),
        false,
    )
    .await;
    bench.registration().await;
    let keeper = GATES.new_gate("loses");
    bench
        .tell_with(
            "hang",
            json!([{ "name": "gate", "type": 3, "value": "loses" }]),
        )
        .await;
    tokio::task::block_in_place(|| keeper.arrived.recv()).unwrap();
    for _ in 0..crate::mailbox::MAX_EVENTS + 10 {
        bench.send("MESSAGE_CREATE", json!({})).await;
    }
    bench
        .interaction(2, json!({ "name": "hello", "type": 1 }))
        .await;
    assert_eq!(
        bench.said().await,
        "neighbour ",
        "a neighbour answers meanwhile"
    );
    keeper.open.send(()).unwrap();
    assert_eq!(bench.said().await, "let go");
    bench.tell("heard").await;
    let said = bench.said().await;
    assert!(said.starts_with("lost 1"), "{said}");
    assert!(bench.host.report()[0].lost_events >= 10);
}
