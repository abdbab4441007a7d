//! Who may do what: the host says it to plugins, and keeps out who is blocked.

use super::bench::{ALL, Bench, bench, neighbour, puppet};
use crate::{MAX_ORDERS, Options, Order, Permissions};
use mynah_wire::{RoleId, UserId};
use serde_json::{Value, json};
use tokio::sync::mpsc;

fn member(user: u64, roles: &[&str], permissions: u64) -> Value {
    json!({
        "user": { "id": user.to_string(), "username": "ann" }, "roles": roles,
        "permissions": permissions.to_string(),
    })
}

fn permissions() -> Permissions {
    Permissions {
        owners: [UserId::new(1)].into(),
        dj_roles: [RoleId::new(11)].into(),
        manager_roles: [("puppet".to_owned(), [RoleId::new(12)].into())].into(),
        blocked_users: [UserId::new(66)].into(),
    }
}

async fn with(options: Options) -> Bench {
    let mut bench = bench(vec![puppet(&ALL), neighbour()], options, false).await;
    bench.registration().await;
    bench
}

async fn asked(bench: &mut Bench, member: Value) -> String {
    let data = json!({ "custom_id": "puppet:tier", "name": "tier", "options": [] });
    bench.interaction_of(member, 3, data).await;
    bench.said().await
}

async fn bot(bench: &mut Bench, member: Value, part: Value) -> String {
    let data = json!({ "type": 1, "name": "bot", "options": [part] });
    bench.interaction_of(member, 2, data).await;
    bench.said().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_is_told_what_the_person_may_do_at_the_moment_of_the_click() {
    let options = Options {
        permissions: permissions(),
        ..Options::default()
    };
    let mut bench = with(options).await;
    let cases = [
        (member(5, &[], 0), "Some(Member) false"),
        (member(5, &["11"], 0), "Some(Dj) false"),
        (member(5, &["12", "11"], 0), "Some(Manager) true"),
        (member(5, &[], 1 << 5), "Some(Admin) true"),
        (member(1, &[], 0), "Some(Owner) true"),
    ];
    for (member, expected) in cases {
        assert_eq!(asked(&mut bench, member).await, expected);
    }
    bench.host.set_permissions(Permissions::default());
    let changed = asked(&mut bench, member(5, &["12"], 0)).await;
    assert_eq!(changed, "Some(Open) false");
}

#[tokio::test(flavor = "multi_thread")]
async fn blocked_people_are_told_so_whatever_they_use() {
    let options = Options {
        permissions: permissions(),
        ..Options::default()
    };
    let mut bench = with(options).await;
    let said = asked(&mut bench, member(66, &["11", "12"], 0)).await;
    assert!(said.contains("do not let you use it"), "{said}");
    // But they may say that they do not want to be recorded.
    let optout = json!({ "custom_id": "puppet:optout", "name": "tier", "options": [] });
    bench.interaction_of(member(66, &[], 0), 3, optout).await;
    assert_eq!(bench.said().await, "Some(Member) false");
    let help = json!({ "type": 1, "name": "help" });
    bench.interaction_of(member(66, &[], 0), 2, help).await;
    assert!(bench.said().await.contains("do not let you use it"));
    let typing = json!({ "type": 1, "name": "help" });
    bench.interaction_of(member(66, &[], 0), 4, typing).await;
    let (_, _, body) = bench.rest().await;
    assert_eq!(body, json!({ "type": 8, "data": { "choices": [] } }));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_owners_reload_and_their_order_is_answered_with_what_came_of_it() {
    let (orders, mut given) = mpsc::channel(MAX_ORDERS);
    let options = Options {
        permissions: permissions(),
        orders: Some(orders),
        ..Options::default()
    };
    let mut bench = with(options).await;
    let reload = json!({ "type": 1, "name": "reload" });
    let said = bot(&mut bench, member(5, &[], 0), reload.clone()).await;
    assert!(said.contains("manage the server"), "{said}");
    let said = bot(&mut bench, member(5, &[], 1 << 3), reload.clone()).await;
    assert!(said.contains("Only the owners"), "{said}");
    let one = json!([{ "type": 3, "name": "plugin", "value": "nobody" }]);
    let part = json!({ "type": 1, "name": "reload", "options": one });
    let said = bot(&mut bench, member(1, &[], 0), part).await;
    assert!(said.contains("No plugin `nobody`"), "{said}");
    let operator = tokio::spawn(async move {
        let Some(Order::Reload { plugin, answer }) = given.recv().await else {
            panic!("no order came");
        };
        answer.send(format!("reloaded {plugin:?}")).unwrap();
    });
    let one = json!([{ "type": 3, "name": "plugin", "value": "puppet" }]);
    let part = json!({ "type": 1, "name": "reload", "options": one });
    let said = bot(&mut bench, member(1, &[], 0), part).await;
    assert_eq!(said, "reloaded Some(\"puppet\")");
    operator.await.unwrap();
    let said = bot(&mut bench, member(1, &[], 0), reload).await;
    assert!(said.contains("Try again"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_plugins_to_reload_are_offered_while_one_types() {
    let mut bench = with(Options::default()).await;
    let one = json!([{ "type": 3, "name": "plugin", "value": "pup", "focused": true }]);
    let part = json!({ "type": 1, "name": "reload", "options": one });
    let data = json!({ "type": 1, "name": "bot", "options": [part] });
    bench.interaction(4, data).await;
    let choices = bench.rest().await.2["data"]["choices"].clone();
    assert_eq!(choices, json!([{ "name": "puppet", "value": "puppet" }]));
}
