//! Pins, clearing reactions and finding members over REST in virtual time.

use serde_json::{Value, json};

use super::messages::write;
use super::rig::{Rig, USUAL, body};

#[test]
fn a_pin_is_listed_under_both_paths_told_and_written_into_the_channel() {
    let mut rig = Rig::new();
    let mut client = rig.login(USUAL);
    let alice = rig.person("alice");
    let message = write(&mut rig, alice, "remember this");
    let channel = format!("/channels/{}", rig.text());
    client.take(&mut rig);
    rig.pass(60.0);
    let path = format!("{channel}/messages/pins/{message}");
    assert_eq!(rig.rest("PUT", &path, Value::Null).status, 204);
    let said = client.take(&mut rig);
    let names: Vec<&Value> = said.iter().map(|payload| &payload["t"]).collect();
    assert_eq!(
        names,
        ["MESSAGE_UPDATE", "CHANNEL_PINS_UPDATE", "MESSAGE_CREATE"]
    );
    assert_eq!(said[0]["d"]["pinned"], true);
    let at = "2026-02-01T12:01:00.000000+00:00";
    assert_eq!(said[1]["d"]["last_pin_timestamp"], at);
    assert_eq!(said[2]["d"]["type"], 6);
    assert_eq!(
        said[2]["d"]["message_reference"]["message_id"],
        message.to_string()
    );
    let page = body(
        rig.rest("GET", &format!("{channel}/messages/pins"), Value::Null),
        200,
    );
    assert_eq!(page["has_more"], false);
    assert_eq!(page["items"][0]["pinned_at"], at);
    assert_eq!(page["items"][0]["message"]["content"], "remember this");
    let old = format!("{channel}/pins");
    let all = body(rig.rest("GET", &old, Value::Null), 200);
    assert_eq!(all[0]["id"], message.to_string());
    // A second pin of the same message changes nothing.
    assert_eq!(rig.rest("PUT", &path, Value::Null).status, 204);
    assert!(client.take(&mut rig).is_empty());
    let unpin = rig.rest("DELETE", &format!("{old}/{message}"), Value::Null);
    assert_eq!(unpin.status, 204);
    let update = client.one(&mut rig, "CHANNEL_PINS_UPDATE");
    assert_eq!(update["last_pin_timestamp"], Value::Null);
    assert_eq!(body(rig.rest("GET", &old, Value::Null), 200), json!([]));
    let lost = rig.rest("PUT", &format!("{old}/5"), Value::Null);
    assert_eq!(body(lost, 404)["code"], 10008);
}

#[test]
fn pages_of_pins_go_back_in_time() {
    let mut rig = Rig::new();
    let alice = rig.person("alice");
    let path = format!("/channels/{}/messages/pins", rig.text());
    for text in ["one", "two", "three"] {
        let message = write(&mut rig, alice, text);
        rig.pass(1.0);
        let pin = rig.rest("PUT", &format!("{path}/{message}"), Value::Null);
        assert_eq!(pin.status, 204);
    }
    let first = body(
        rig.rest("GET", &format!("{path}?limit=2"), Value::Null),
        200,
    );
    assert_eq!(first["items"][0]["message"]["content"], "three");
    assert_eq!(first["has_more"], true);
    let before = first["items"][1]["pinned_at"].as_str().unwrap();
    let before: String = url::form_urlencoded::byte_serialize(before.as_bytes()).collect();
    let rest = rig.rest("GET", &format!("{path}?before={before}"), Value::Null);
    let rest = body(rest, 200);
    assert_eq!(rest["items"][0]["message"]["content"], "one");
    assert_eq!(
        (&rest["items"][1], &rest["has_more"]),
        (&Value::Null, &json!(false))
    );
}

#[test]
fn a_moderator_clears_one_emoji_or_all_reactions() {
    let mut rig = Rig::new();
    let mut client = rig.login(USUAL | 1 << 10);
    let alice = rig.person("alice");
    let message = write(&mut rig, alice, "x");
    let path = format!("/channels/{}/messages/{message}/reactions", rig.text());
    let (duck, star) = ("%F0%9F%A6%86", "%E2%AD%90");
    for emoji in [duck, star] {
        rig.pass(1.0);
        rig.rest("PUT", &format!("{path}/{emoji}/@me"), Value::Null);
    }
    client.take(&mut rig);
    rig.pass(1.0);
    let one = rig.rest("DELETE", &format!("{path}/{duck}"), Value::Null);
    assert_eq!(one.status, 204);
    let told = client.one(&mut rig, "MESSAGE_REACTION_REMOVE_EMOJI");
    assert_eq!(told["emoji"]["name"], "🦆");
    rig.pass(1.0);
    assert_eq!(rig.rest("DELETE", &path, Value::Null).status, 204);
    let told = client.one(&mut rig, "MESSAGE_REACTION_REMOVE_ALL");
    assert_eq!(told["message_id"], message.to_string());
    let left = rig.rest("GET", &format!("{path}/{star}"), Value::Null);
    assert_eq!(body(left, 200), json!([]));
}

#[test]
fn members_are_found_by_the_beginning_of_their_names() {
    let mut rig = Rig::new();
    let alice = rig.person("alice");
    let path = format!("/guilds/{}/members/search", rig.guild());
    let found = rig.rest("GET", &format!("{path}?query=ALI&limit=5"), Value::Null);
    let found = body(found, 200);
    assert_eq!(found[0]["user"]["id"], alice.to_string());
    assert_eq!(found[1], Value::Null);
    assert_eq!(
        body(rig.rest("GET", &path, Value::Null), 400)["code"],
        50035
    );
}

#[test]
fn what_a_guild_cannot_have_here_is_an_empty_list() {
    let mut rig = Rig::new();
    for list in ["emojis", "stickers", "scheduled-events"] {
        let path = format!("/guilds/{}/{list}", rig.guild());
        assert_eq!(body(rig.rest("GET", &path, Value::Null), 200), json!([]));
    }
    let threads = format!("/guilds/{}/threads/active", rig.guild());
    let threads = body(rig.rest("GET", &threads, Value::Null), 200);
    assert_eq!(threads["threads"], json!([]));
    let application = body(rig.rest("GET", "/applications/@me", Value::Null), 200);
    let path = format!(
        "/applications/{}/emojis",
        application["id"].as_str().unwrap()
    );
    let emojis = body(rig.rest("GET", &path, Value::Null), 200);
    assert_eq!(emojis, json!({"items": []}));
}
