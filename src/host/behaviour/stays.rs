//! `/voice stay` and `/voice move`: who may, what is remembered, and that the bot comes back.

use super::bench::{Bench, bench};
use crate::{Call, Options, Permissions};
use mynah_wire::{ChannelId, GuildId, RoleId};
use serde_json::{Value, json};
use std::path::Path;

fn member(roles: &[&str], permissions: u64) -> Value {
    json!({
        "user": { "id": "5", "username": "ann" }, "roles": roles,
        "permissions": permissions.to_string(),
    })
}

async fn with(folder: &Path) -> Bench {
    let options = Options {
        stores: Some(folder.to_owned()),
        permissions: Permissions {
            dj_roles: [RoleId::new(11)].into(),
            ..Permissions::default()
        },
        ..Options::default()
    };
    let mut bench = bench(Vec::new(), options, false).await;
    bench.registration().await;
    bench
}

async fn ask(bench: &mut Bench, member: Value, part: Value) {
    let data = json!({ "type": 1, "name": "voice", "options": [part] });
    bench.interaction_of(member, 2, data).await;
}

/// The bot says where it and the person are.
async fn is_in(bench: &mut Bench, channel: Option<&str>) {
    let (call, _) = bench.call().await;
    assert!(matches!(call, Call::State(..)), "{call:?}");
    assert_eq!(
        bench.places.lock().unwrap()["bot_channel_id"],
        json!(channel)
    );
}

/// Ann is in 7; where the bot is.
fn put(bench: &Bench, channel: Option<&str>) {
    let state = json!({ "channel_id": "7", "bot_channel_id": channel });
    *bench.places.lock().unwrap() = state;
}

fn stay(on: bool) -> Value {
    let on = json!([{ "type": 5, "name": "on", "value": on }]);
    json!({ "type": 1, "name": "stay", "options": on })
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_bot_stays_is_remembered_until_somebody_sends_it_away() {
    let folder = tempfile::tempdir().unwrap();
    let mut bench = with(folder.path()).await;
    ask(&mut bench, member(&["11"], 0), stay(true)).await;
    assert!(bench.said().await.contains("manage the server"));
    put(&bench, None);
    ask(&mut bench, member(&[], 1 << 5), stay(true)).await;
    is_in(&mut bench, None).await;
    assert!(bench.said().await.contains("in no voice channel"));
    put(&bench, Some("7"));
    ask(&mut bench, member(&[], 1 << 5), stay(true)).await;
    is_in(&mut bench, Some("7")).await;
    assert!(bench.said().await.contains("I stay in <#7>"));
    bench.host.stop().await;

    // After a restart it is back; sent away, it does not come again.
    let mut bench = with(folder.path()).await;
    let (call, answer) = bench.call().await;
    assert_eq!(call, Call::Join(GuildId::new(1), ChannelId::new(7)));
    answer.unwrap().send(Ok(Value::Null)).unwrap();
    let leave = json!({ "type": 1, "name": "leave" });
    put(&bench, Some("7"));
    ask(&mut bench, member(&[], 0), leave).await;
    is_in(&mut bench, Some("7")).await;
    let (call, answer) = bench.call().await;
    assert_eq!(call, Call::Leave(GuildId::new(1)));
    if let Some(answer) = answer {
        answer.send(Ok(Value::Null)).unwrap();
    }
    assert!(bench.said().await.contains("Left"));
    bench.host.stop().await;
    let mut bench = with(folder.path()).await;
    ask(&mut bench, member(&[], 1 << 5), stay(false)).await;
    assert!(bench.said().await.contains("I go when nobody"));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_djs_and_those_who_move_people_send_the_bot_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    let mut bench = with(folder.path()).await;
    put(&bench, Some("7"));
    let to = json!([{ "type": 7, "name": "channel", "value": "8" }]);
    let part = json!({ "type": 1, "name": "move", "options": to });
    for (member, may) in [
        (member(&[], 0), false),
        (member(&["11"], 0), true),
        (member(&[], 1 << 24), true),
    ] {
        ask(&mut bench, member, part.clone()).await;
        is_in(&mut bench, Some("7")).await;
        if may {
            let (call, answer) = bench.call().await;
            assert_eq!(call, Call::Join(GuildId::new(1), ChannelId::new(8)));
            let heard = json!({ "unheard": "Nobody hears me." });
            answer.unwrap().send(Ok(heard)).unwrap();
        }
        let said = bench.said().await;
        let expected = match may {
            true => "Moved to <#8>. Nobody hears me.",
            false => "takes the permission to move",
        };
        assert!(said.contains(expected), "{said}");
    }
}
