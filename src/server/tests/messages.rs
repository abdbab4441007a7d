//! Messages over REST in virtual time.

use bytes::Bytes;
use mynah_wire::{MessageId, UserId};
use serde_json::{Value, json};

use super::rig::{NOON_UNIX_MS, Rig, USUAL, body};
use crate::realm::{AllowedMentions, Draft, MentionRule};
use crate::rest::Upload;
use crate::store::MessageOrigin;

/// A person writes into the text channel.
pub fn write(rig: &mut Rig, user: UserId, content: &str) -> MessageId {
    let (now, channel) = (rig.now, rig.text());
    rig.realm.advance(now);
    let draft = Draft {
        content: content.to_owned(),
        allowed: AllowedMentions {
            users: MentionRule::All,
            ..AllowedMentions::default()
        },
        ..Draft::default()
    };
    rig.realm.post(user, channel, draft, MessageOrigin::Plain)
}

fn channel(rig: &Rig) -> String {
    format!("/channels/{}/messages", rig.text())
}

#[test]
fn a_message_is_created_shown_edited_and_deleted_with_its_events() {
    let mut rig = Rig::new();
    let mut client = rig.login(USUAL);
    let path = channel(&rig);
    let created = body(
        rig.rest("POST", &path, json!({"content": "  hello  ", "nonce": "1"})),
        200,
    );
    assert_eq!(
        (&created["content"], &created["nonce"]),
        (&json!("hello"), &json!("1"))
    );
    assert_eq!(created["timestamp"], "2026-02-01T12:00:00.000000+00:00");
    let id: MessageId = created["id"].as_str().unwrap().parse().unwrap();
    assert_eq!(mynah_wire::ids::snowflake_unix_ms(id.get()), NOON_UNIX_MS);
    let event = client.one(&mut rig, "MESSAGE_CREATE");
    assert_eq!(event["guild_id"], rig.guild().to_string());
    assert!(event["member"].get("user").is_none());
    let one = format!("{path}/{id}");
    assert_eq!(
        body(rig.rest("GET", &one, Value::Null), 200)["id"],
        created["id"]
    );
    rig.pass(1.0);
    let edited = body(rig.rest("PATCH", &one, json!({"content": "bye"})), 200);
    assert_eq!(
        edited["edited_timestamp"],
        "2026-02-01T12:00:01.000000+00:00"
    );
    assert_eq!(client.one(&mut rig, "MESSAGE_UPDATE")["content"], "bye");
    assert_eq!(rig.rest("DELETE", &one, Value::Null).status, 204);
    assert_eq!(client.one(&mut rig, "MESSAGE_DELETE")["id"], created["id"]);
    assert_eq!(body(rig.rest("GET", &one, Value::Null), 404)["code"], 10008);
}

#[test]
fn wrong_messages_are_refused_with_discords_codes() {
    let mut rig = Rig::new();
    let path = channel(&rig);
    assert_eq!(
        body(rig.rest("POST", &path, json!({"content": " "})), 400)["code"],
        50006
    );
    let long = body(
        rig.rest("POST", &path, json!({"content": "x".repeat(2001)})),
        400,
    );
    assert_eq!(long["code"], 50035);
    assert_eq!(
        long["errors"]["content"]["_errors"][0]["code"],
        "BASE_TYPE_MAX_LENGTH"
    );
    assert_eq!(
        body(rig.rest_as("nonsense", "POST", &path, json!({})), 401)["code"],
        0
    );
    assert_eq!(
        body(rig.rest("POST", "/channels/5/messages", json!({})), 404)["code"],
        10003
    );
    let odd = body(rig.rest("GET", "/channels/five", Value::Null), 400);
    assert_eq!(
        odd["errors"]["channel_id"]["_errors"][0]["message"],
        "Value \"five\" is not snowflake."
    );
    assert_eq!(
        body(rig.rest("GET", "/nowhere", Value::Null), 404)["message"],
        "404: Not Found"
    );
    assert_eq!(
        body(rig.rest("PUT", &path, Value::Null), 405)["message"],
        "405: Method Not Allowed"
    );
}

fn upload(index: Option<u64>, name: &str, kind: &str) -> Upload {
    Upload {
        index,
        filename: name.to_owned(),
        content_type: kind.to_owned(),
        bytes: Bytes::from_static(b"some bytes"),
    }
}

#[test]
fn files_are_kept_described_and_linked_into_embeds() {
    let mut rig = Rig::new();
    let (path, token) = (channel(&rig), rig.token());
    let json = json!({"embeds": [{"image": {"url": "attachment://pic ture.png"}}],
        "attachments": [{"id": "1", "description": "a picture"}]});
    let files = vec![
        upload(Some(0), "a.ogg", "audio/ogg"),
        upload(Some(1), "pic ture.png", "image/png"),
    ];
    let message = body(rig.rest_with(&token, "POST", &path, json, files), 200);
    let picture = &message["attachments"][1];
    assert_eq!(
        (&picture["filename"], &picture["description"]),
        (&json!("pic_ture.png"), &json!("a picture"))
    );
    assert_eq!(
        (&picture["size"], &picture["content_type"]),
        (&json!(10), &json!("image/png"))
    );
    assert_eq!(message["embeds"][0]["image"]["url"], picture["url"]);
    let id = picture["id"].as_str().unwrap().parse().unwrap();
    assert_eq!(
        rig.realm.store.file(id).unwrap().bytes.as_ref(),
        b"some bytes"
    );
}

#[test]
fn an_edit_keeps_only_the_attachments_it_names() {
    let mut rig = Rig::new();
    let (path, token) = (channel(&rig), rig.token());
    let files = vec![
        upload(Some(0), "a.txt", "text/plain"),
        upload(Some(1), "b.txt", "text/plain"),
    ];
    let message = body(rig.rest_with(&token, "POST", &path, json!({}), files), 200);
    let keep = message["attachments"][1]["id"].clone();
    let dropped = message["attachments"][0]["id"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    let one = format!("{path}/{}", message["id"].as_str().unwrap());
    let change = json!({"attachments": [{"id": keep}, {"id": 0, "filename": "c.txt"}]});
    let new = vec![upload(Some(0), "x", "text/plain")];
    let edited = body(rig.rest_with(&token, "PATCH", &one, change, new), 200);
    let names: Vec<&Value> = edited["attachments"]
        .as_array()
        .unwrap()
        .iter()
        .map(|a| &a["filename"])
        .collect();
    assert_eq!(names, ["b.txt", "c.txt"]);
    assert!(
        rig.realm.store.file(dropped).is_none(),
        "its bytes are gone too"
    );
    assert_eq!(
        body(rig.rest("PATCH", &one, json!({"attachments": []})), 400)["code"],
        50006
    );
}

#[test]
fn a_voice_message_needs_one_sound_with_metadata() {
    let mut rig = Rig::new();
    let (path, token) = (channel(&rig), rig.token());
    let mut send =
        |json: Value, files| body_code(rig.rest_with(&token, "POST", &path, json, files));
    let sound = || vec![upload(Some(0), "v.ogg", "audio/ogg")];
    let metadata = json!([{"id": 0, "duration_secs": 1.5, "waveform": "AAA="}]);
    assert_eq!(send(json!({"flags": 8192}), vec![]), 50160);
    assert_eq!(send(json!({"flags": 8192}), sound()), 50161);
    assert_eq!(
        send(
            json!({"flags": 8192, "content": "x", "attachments": metadata}),
            sound()
        ),
        50159
    );
    assert_eq!(
        send(json!({"flags": 8192, "attachments": metadata}), sound()),
        200
    );
}

fn body_code(reply: crate::rest::Reply) -> u64 {
    if reply.status == 200 {
        return 200;
    }
    reply.body.unwrap()["code"].as_u64().unwrap()
}

#[test]
fn pages_of_messages_come_newest_first() {
    let mut rig = Rig::new();
    let alice = rig.person("alice");
    let ids: Vec<String> = (0..5)
        .map(|n| write(&mut rig, alice, &n.to_string()).to_string())
        .collect();
    let path = channel(&rig);
    let mut contents = |query: &str| -> String {
        let page = body(
            rig.rest("GET", &format!("{path}?{query}"), Value::Null),
            200,
        );
        page.as_array()
            .unwrap()
            .iter()
            .map(|m| m["content"].as_str().unwrap())
            .collect()
    };
    assert_eq!(contents("limit=2"), "43");
    assert_eq!(contents(&format!("limit=2&before={}", ids[3])), "21");
    assert_eq!(contents(&format!("limit=2&after={}", ids[1])), "32");
    assert_eq!(contents(&format!("limit=3&around={}", ids[2])), "321");
}

#[test]
fn a_reply_mentions_its_target_and_an_unknown_target_is_refused() {
    let mut rig = Rig::new();
    let alice = rig.person("alice");
    let target = write(&mut rig, alice, "?");
    let path = channel(&rig);
    let reply = json!({"content": "!", "message_reference": {"message_id": target}});
    let message = body(rig.rest("POST", &path, reply), 200);
    assert_eq!(
        (&message["type"], &message["referenced_message"]["content"]),
        (&json!(19), &json!("?"))
    );
    assert_eq!(message["mentions"][0]["id"], alice.to_string());
    let lost = json!({"content": "!", "message_reference": {"message_id": "5"}});
    assert_eq!(body(rig.rest("POST", &path, lost), 400)["code"], 50035);
}

#[test]
fn allowed_mentions_decide_who_is_mentioned() {
    let mut rig = Rig::new();
    let alice = rig.person("alice");
    let path = channel(&rig);
    let content = format!("<@{alice}> @everyone");
    let all = body(rig.rest("POST", &path, json!({"content": content})), 200);
    assert_eq!(all["mentions"][0]["id"], alice.to_string());
    assert_eq!(all["mention_everyone"], false, "the bot may not");
    let none = json!({"content": content, "allowed_mentions": {"parse": []}});
    assert_eq!(
        body(rig.rest("POST", &path, none), 200)["mentions"],
        json!([])
    );
}

#[test]
fn reactions_count_and_fire() {
    let mut rig = Rig::new();
    let mut client = rig.login(USUAL | 1 << 10);
    let alice = rig.person("alice");
    let message = write(&mut rig, alice, "x");
    client.take(&mut rig);
    let path = format!("{}/{message}/reactions/%F0%9F%A6%86/@me", channel(&rig));
    assert_eq!(rig.rest("PUT", &path, Value::Null).status, 204);
    assert_eq!(
        client.one(&mut rig, "MESSAGE_REACTION_ADD")["emoji"]["name"],
        "🦆"
    );
    let shown = body(
        rig.rest("GET", &format!("{}/{message}", channel(&rig)), Value::Null),
        200,
    );
    assert_eq!(
        (
            &shown["reactions"][0]["count"],
            &shown["reactions"][0]["me"]
        ),
        (&json!(1), &json!(true))
    );
    rig.pass(1.0);
    assert_eq!(rig.rest("DELETE", &path, Value::Null).status, 204);
    assert_eq!(
        client.one(&mut rig, "MESSAGE_REACTION_REMOVE")["message_id"],
        message.to_string()
    );
}

#[test]
fn a_direct_channel_is_opened_once_and_its_messages_reach_the_bot() {
    let mut rig = Rig::new();
    let mut client = rig.login(USUAL);
    let alice = rig.person("alice");
    let open = json!({"recipient_id": alice});
    let first = body(rig.rest("POST", "/users/@me/channels", open.clone()), 200);
    let second = body(rig.rest("POST", "/users/@me/channels", open), 200);
    assert_eq!((&first["id"], &first["type"]), (&second["id"], &json!(1)));
    assert_eq!(first["recipients"][0]["id"], alice.to_string());
    client.take(&mut rig);
    let channel = first["id"].as_str().unwrap().parse().unwrap();
    let draft = Draft {
        content: "psst".to_owned(),
        ..Draft::default()
    };
    rig.realm.post(alice, channel, draft, MessageOrigin::Plain);
    let event = client.one(&mut rig, "MESSAGE_CREATE");
    assert_eq!(
        event["content"], "psst",
        "direct messages are never blanked"
    );
    assert!(event.get("guild_id").is_none());
}

#[test]
fn lookups_answer_in_discords_shapes() {
    let mut rig = Rig::new();
    let me = body(rig.rest("GET", "/users/@me", Value::Null), 200);
    assert_eq!((&me["bot"], &me["avatar"]), (&json!(true), &Value::Null));
    let app = body(
        rig.rest("GET", "/oauth2/applications/@me", Value::Null),
        200,
    );
    for key in [
        "id",
        "name",
        "icon",
        "description",
        "bot_public",
        "verify_key",
        "owner",
        "flags",
    ] {
        assert!(app.get(key).is_some(), "{key}");
    }
    let gateway = body(rig.rest("GET", "/gateway/bot", Value::Null), 200);
    assert_eq!(gateway["session_start_limit"]["max_concurrency"], 1);
    let sounds = body(
        rig.rest("GET", "/soundboard-default-sounds", Value::Null),
        200,
    );
    assert!(sounds.is_array());
    let guild = format!("/guilds/{}", rig.guild());
    let shown = body(
        rig.rest("GET", &format!("{guild}?with_counts=true"), Value::Null),
        200,
    );
    assert_eq!(shown["approximate_member_count"], 2);
    let channels = body(
        rig.rest("GET", &format!("{guild}/channels"), Value::Null),
        200,
    );
    assert_eq!(channels.as_array().unwrap().len(), 4);
    assert_eq!(
        body(rig.rest("GET", "/users/5", Value::Null), 404)["code"],
        10013
    );
    assert_eq!(
        body(
            rig.rest("GET", &format!("{guild}/members/5"), Value::Null),
            404
        )["code"],
        10007
    );
    assert_eq!(
        body(rig.rest("GET", "/guilds/5", Value::Null), 404)["code"],
        10004
    );
}
