//! Interactions in virtual time: deadlines, answers, follow-ups.

use serde_json::{Value, json};

use super::rig::{Client, Rig, USUAL, body};
use crate::realm::Invocation;
use crate::store::InteractionKind;

/// Somebody uses `/play`; what the bot gets.
fn invoke(rig: &mut Rig, client: &mut Client, kind: InteractionKind) -> Value {
    let (now, user) = (rig.now, rig.realm.defaults.owner_id);
    rig.realm.advance(now);
    let (bot_id, channel_id) = (rig.bot(), rig.text());
    rig.realm.invoke(Invocation {
        kind,
        bot_id,
        user_id: user,
        channel_id,
        data: json!({"id": "5", "name": "play", "type": 1}),
        command_name: Some("play".to_owned()),
        source: None,
    });
    client.one(rig, "INTERACTION_CREATE")
}

fn callback(interaction: &Value) -> String {
    let part = |key: &str| interaction[key].as_str().unwrap().to_owned();
    format!("/interactions/{}/{}/callback", part("id"), part("token"))
}

fn webhook(interaction: &Value) -> String {
    let part = |key: &str| interaction[key].as_str().unwrap().to_owned();
    format!("/webhooks/{}/{}", part("application_id"), part("token"))
}

fn setup() -> (Rig, Client, Value) {
    let mut rig = Rig::new();
    let mut client = rig.login(USUAL);
    let interaction = invoke(&mut rig, &mut client, InteractionKind::Command);
    (rig, client, interaction)
}

#[test]
fn the_interaction_has_everything_a_library_reads() {
    let (rig, _, interaction) = setup();
    for key in [
        "id",
        "application_id",
        "type",
        "token",
        "version",
        "guild_id",
        "channel_id",
        "guild",
        "channel",
        "member",
        "app_permissions",
        "locale",
        "entitlements",
        "context",
        "data",
    ] {
        assert!(interaction.get(key).is_some(), "{key}");
    }
    assert_eq!(
        interaction["member"]["user"]["id"],
        rig.realm.defaults.owner_id.to_string()
    );
    assert!(interaction["member"]["permissions"].is_string());
}

#[test]
fn a_message_answer_appears_once_and_only_once() {
    let (mut rig, mut client, interaction) = setup();
    let path = callback(&interaction);
    let answer = json!({"type": 4, "data": {"content": "Queued"}});
    let reply = rig.rest(
        "POST",
        &format!("{path}?with_response=true"),
        answer.clone(),
    );
    let result = body(reply, 200);
    assert_eq!(result["resource"]["message"]["content"], "Queued");
    assert_eq!(result["interaction"]["response_message_ephemeral"], false);
    let event = client.one(&mut rig, "MESSAGE_CREATE");
    assert_eq!(
        (&event["type"], &event["interaction_metadata"]["name"]),
        (&json!(20), &json!("play"))
    );
    assert_eq!(body(rig.rest("POST", &path, answer), 400)["code"], 40060);
}

#[test]
fn after_three_seconds_nobody_listens() {
    let (mut rig, _, interaction) = setup();
    rig.pass(3.1);
    let reply = rig.rest("POST", &callback(&interaction), json!({"type": 5}));
    assert_eq!(body(reply, 404)["code"], 10062);
}

#[test]
fn a_wrong_token_is_an_unknown_interaction() {
    let (mut rig, _, interaction) = setup();
    let path = format!(
        "/interactions/{}/guess/callback",
        interaction["id"].as_str().unwrap()
    );
    assert_eq!(
        body(rig.rest("POST", &path, json!({"type": 5})), 404)["code"],
        10062
    );
}

#[test]
fn a_deferred_answer_is_completed_by_an_edit_within_fifteen_minutes() {
    let (mut rig, mut client, interaction) = setup();
    let defer = json!({"type": 5, "data": {"flags": 64}});
    assert_eq!(rig.rest("POST", &callback(&interaction), defer).status, 204);
    let placeholder = client.one(&mut rig, "MESSAGE_CREATE");
    assert_eq!(placeholder["flags"], 64 | 128);
    rig.pass(800.0);
    let original = format!("{}/messages/@original", webhook(&interaction));
    let edited = body(
        rig.rest("PATCH", &original, json!({"content": "done"})),
        200,
    );
    assert_eq!(
        (&edited["flags"], &edited["edited_timestamp"]),
        (&json!(64), &Value::Null)
    );
    rig.pass(101.0);
    let late = rig.rest("PATCH", &original, json!({"content": "again"}));
    assert_eq!(body(late, 404)["code"], 10015);
}

#[test]
fn a_follow_up_after_a_defer_fills_the_placeholder_and_the_next_is_new() {
    let (mut rig, _, interaction) = setup();
    rig.rest("POST", &callback(&interaction), json!({"type": 5}));
    let path = webhook(&interaction);
    let first = body(rig.rest("POST", &path, json!({"content": "one"})), 200);
    let second = body(
        rig.rest("POST", &path, json!({"content": "two", "flags": 64})),
        200,
    );
    let original = body(
        rig.rest("GET", &format!("{path}/messages/@original"), Value::Null),
        200,
    );
    assert_eq!(original["id"], first["id"]);
    assert_ne!(second["id"], first["id"]);
    assert_eq!(second["flags"], 64);
    let one = format!("{path}/messages/{}", second["id"].as_str().unwrap());
    assert_eq!(rig.rest("DELETE", &one, Value::Null).status, 204);
    rig.pass(2.0);
    assert_eq!(body(rig.rest("GET", &one, Value::Null), 404)["code"], 10008);
}

#[test]
fn a_token_is_worth_nothing_before_the_first_answer() {
    let (mut rig, _, interaction) = setup();
    let reply = rig.rest("POST", &webhook(&interaction), json!({"content": "x"}));
    assert_eq!(body(reply, 404)["code"], 10015);
}

#[test]
fn ephemeral_answers_reach_only_the_bot_with_direct_messages_and_no_history() {
    let (mut rig, mut client, interaction) = setup();
    rig.rest(
        "POST",
        &callback(&interaction),
        json!({"type": 4, "data": {"content": "x", "flags": 64}}),
    );
    let event = client.one(&mut rig, "MESSAGE_CREATE");
    assert!(event.get("guild_id").is_none() && event.get("member").is_none());
    let page = rig.rest(
        "GET",
        &format!("/channels/{}/messages", rig.text()),
        Value::Null,
    );
    assert_eq!(body(page, 200), json!([]));
}

#[test]
fn answer_types_have_to_fit_the_interaction() {
    let mut rig = Rig::new();
    let mut client = rig.login(USUAL);
    let typing = invoke(&mut rig, &mut client, InteractionKind::Autocomplete);
    let message = json!({"type": 4, "data": {"content": "x"}});
    assert_eq!(
        body(rig.rest("POST", &callback(&typing), message), 400)["code"],
        50035
    );
    let choices = json!({"type": 8, "data": {"choices": [{"name": "a", "value": "a"}]}});
    assert_eq!(rig.rest("POST", &callback(&typing), choices).status, 204);
    let command = invoke(&mut rig, &mut client, InteractionKind::Command);
    assert_eq!(
        body(
            rig.rest("POST", &callback(&command), json!({"type": 7})),
            400
        )["code"],
        50035
    );
    let modal = json!({"type": 9, "data": {"custom_id": "m", "title": "T", "components": [
        {"type": 18, "label": "Percent", "component": {"type": 4, "custom_id": "v", "style": 1}}]}});
    assert_eq!(rig.rest("POST", &callback(&command), modal).status, 204);
}

#[test]
fn an_invalid_answer_can_be_corrected() {
    let (mut rig, _, interaction) = setup();
    let path = callback(&interaction);
    let long = json!({"type": 4, "data": {"content": "x".repeat(2001)}});
    let errors = body(rig.rest("POST", &path, long), 400);
    assert_eq!(
        errors["errors"]["data"]["content"]["_errors"][0]["code"],
        "BASE_TYPE_MAX_LENGTH"
    );
    let empty = json!({"type": 4, "data": {}});
    assert_eq!(body(rig.rest("POST", &path, empty), 400)["code"], 50006);
    assert_eq!(
        rig.rest("POST", &path, json!({"type": 4, "data": {"content": "x"}}))
            .status,
        204
    );
}
