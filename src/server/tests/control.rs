//! The control API over real sockets, with a bot that is a few lines long.

use serde_json::{Value, json};

use super::sockets::{Socket, Up, bot, control, event, http, login, say, up};

pub async fn person(up: &Up, name: &str) -> String {
    let made = control(up, "POST", "/users", &json!({"name": name}))
        .await
        .json();
    made["user_id"].as_str().unwrap().to_owned()
}

async fn register(up: &Up) {
    let app = up.ready.bots[0].application_id;
    let commands = json!([
        {"name": "play", "description": "plays", "options": [
            {"type": 3, "name": "query", "description": "what", "required": true, "autocomplete": true},
            {"type": 4, "name": "volume", "description": "percent", "min_value": 0, "max_value": 200},
            {"type": 6, "name": "for", "description": "for whom"},
            {"type": 11, "name": "file", "description": "a song"}]},
        {"name": "record", "description": "records", "options": [
            {"type": 1, "name": "start", "description": "starts", "options": [
                {"type": 3, "name": "mode", "description": "how", "choices": [
                    {"name": "Everybody", "value": "all"}, {"name": "Me", "value": "me"}]}]}]},
    ]);
    let put = bot(
        up,
        "PUT",
        &format!("/applications/{app}/commands"),
        &commands,
    )
    .await;
    assert_eq!(put.status, 200, "{}", put.json());
}

async fn answer(up: &Up, interaction: &Value, body: Value) {
    let part = |key: &str| interaction[key].as_str().unwrap().to_owned();
    let path = format!("/interactions/{}/{}/callback", part("id"), part("token"));
    let answer = bot(up, "POST", &path, &body).await;
    assert_eq!(answer.status, 204, "{}", answer.json());
}

/// A bot that answers the next interaction with what `reply` makes of it.
async fn serve_one(up: &Up, socket: &mut Socket, reply: impl FnOnce(&Value) -> Value) -> Value {
    let interaction = event(socket, "INTERACTION_CREATE").await;
    let reply = reply(&interaction);
    answer(up, &interaction, reply).await;
    interaction
}

#[tokio::test]
async fn a_command_comes_back_with_its_answer_and_typed_options() {
    let up = up().await;
    let mut socket = login(&up).await;
    register(&up).await;
    let alice = person(&up, "alice").await;
    let body = json!({"user_id": alice, "channel_id": up.ready.text_channel_id, "command": "play",
        "options": {"query": 5, "volume": "70", "for": alice}});
    let (ran, interaction) = tokio::join!(
        control(&up, "POST", "/commands", &body),
        serve_one(
            &up,
            &mut socket,
            |_| json!({"type": 4, "data": {"content": "ok", "flags": 64}})
        ),
    );
    let ran = ran.json();
    assert_eq!(
        (&ran["response"]["content"], &ran["ephemeral"]),
        (&json!("ok"), &json!(true))
    );
    assert_eq!(ran["messages"].as_array().unwrap().len(), 1);
    assert!(ran["took_ms"].is_u64());
    let options = &interaction["data"]["options"];
    assert_eq!(
        options[0],
        json!({"name": "query", "type": 3, "value": "5"})
    );
    assert_eq!(
        options[1],
        json!({"name": "volume", "type": 4, "value": 70})
    );
    let resolved = &interaction["data"]["resolved"];
    assert_eq!(resolved["users"][&alice]["username"], "alice");
    assert!(resolved["members"][&alice].get("deaf").is_none());
    up.server.stop().await;
}

#[tokio::test]
async fn a_deferred_answer_counts_when_the_edit_arrives() {
    let up = up().await;
    let mut socket = login(&up).await;
    register(&up).await;
    let alice = person(&up, "alice").await;
    let body = json!({"user_id": alice, "channel_id": up.ready.text_channel_id,
        "command": "record start", "options": {"mode": "Everybody"}});
    let serve = async {
        let interaction = serve_one(&up, &mut socket, |_| json!({"type": 5})).await;
        assert_eq!(
            interaction["data"]["options"],
            json!([{"name": "start", "type": 1, "options": [
                {"name": "mode", "type": 3, "value": "all"}]}])
        );
        let token = interaction["token"].as_str().unwrap();
        let app = up.ready.bots[0].application_id;
        let path = format!("/webhooks/{app}/{token}/messages/@original");
        bot(&up, "PATCH", &path, &json!({"content": "recording"})).await
    };
    let (ran, edited) = tokio::join!(control(&up, "POST", "/commands", &body), serve);
    assert_eq!(edited.status, 200);
    assert_eq!(ran.json()["response"]["content"], "recording");
    up.server.stop().await;
}

#[tokio::test]
async fn wrong_uses_of_a_command_say_what_would_be_right() {
    let up = up().await;
    let socket = login(&up).await;
    register(&up).await;
    let alice = person(&up, "alice").await;
    let ask = |command: &str, options: Value| {
        let body = json!({"user_id": alice, "channel_id": up.ready.text_channel_id,
            "command": command, "options": options});
        let up = &up;
        async move { control(up, "POST", "/commands", &body).await }
    };
    let unknown = ask("dance", json!({})).await;
    assert_eq!(unknown.status, 404);
    assert_eq!(unknown.json()["commands"], json!(["play", "record"]));
    assert!(unknown.json()["hint"].as_str().unwrap().contains("play"));
    for (command, options, part) in [
        ("play", json!({}), "`query` is required"),
        (
            "play",
            json!({"query": "x", "sound": 1}),
            "no option `sound`",
        ),
        ("play", json!({"query": "x", "volume": 201}), "at most 200"),
        (
            "play",
            json!({"query": "x", "volume": "loud"}),
            "a whole number",
        ),
        ("record", json!({}), "needs a subcommand"),
        (
            "record start",
            json!({"mode": "nobody"}),
            "one of Everybody, Me",
        ),
    ] {
        let wrong = ask(command, options).await;
        assert_eq!(wrong.status, 400);
        let error = wrong.json()["error"].as_str().unwrap().to_owned();
        assert!(error.contains(part), "{error}");
    }
    drop(socket);
    up.server.stop().await;
}

#[tokio::test]
async fn a_command_of_a_bot_that_is_not_there_is_a_503() {
    let up = up().await;
    register(&up).await;
    let alice = person(&up, "alice").await;
    let body = json!({"user_id": alice, "channel_id": up.ready.text_channel_id, "command": "play",
        "options": {"query": "x"}});
    assert_eq!(control(&up, "POST", "/commands", &body).await.status, 503);
    up.server.stop().await;
}

#[tokio::test]
async fn autocomplete_sends_what_is_typed_and_returns_choices() {
    let up = up().await;
    let mut socket = login(&up).await;
    register(&up).await;
    let alice = person(&up, "alice").await;
    let body = json!({"user_id": alice, "channel_id": up.ready.text_channel_id, "command": "play",
        "options": {"query": "so"}, "focused": "query"});
    let reply = json!({"type": 8, "data": {"choices": [{"name": "Song", "value": "song"}]}});
    let (completed, interaction) = tokio::join!(
        control(&up, "POST", "/autocomplete", &body),
        serve_one(&up, &mut socket, |_| reply),
    );
    assert_eq!(completed.json()["choices"][0]["value"], "song");
    let typed = &interaction["data"]["options"][0];
    assert_eq!(
        (&typed["value"], &typed["focused"]),
        (&json!("so"), &json!(true))
    );
    up.server.stop().await;
}

#[tokio::test]
async fn an_attachment_option_is_uploaded_from_its_path() {
    let up = up().await;
    let mut socket = login(&up).await;
    register(&up).await;
    let alice = person(&up, "alice").await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("song.flac");
    std::fs::write(&path, b"fLaC").unwrap();
    let body = json!({"user_id": alice, "channel_id": up.ready.text_channel_id, "command": "play",
        "options": {"query": "x"}, "attachments": {"file": path}});
    let (ran, interaction) = tokio::join!(
        control(&up, "POST", "/commands", &body),
        serve_one(
            &up,
            &mut socket,
            |_| json!({"type": 4, "data": {"content": "ok"}})
        ),
    );
    assert_eq!(ran.status, 200);
    let id = interaction["data"]["options"][1]["value"].as_str().unwrap();
    let file = &interaction["data"]["resolved"]["attachments"][id];
    assert_eq!(
        (&file["filename"], &file["content_type"]),
        (&json!("song.flac"), &json!("audio/flac"))
    );
    let url = file["url"].as_str().unwrap();
    let local = url
        .strip_prefix(&format!("http://{}", up.server.address()))
        .unwrap();
    assert_eq!(http(&up, "GET", local, &[], b"").await.body, b"fLaC");
    up.server.stop().await;
}

#[tokio::test]
async fn buttons_are_clicked_and_forms_submitted() {
    let up = up().await;
    let mut socket = login(&up).await;
    let alice = person(&up, "alice").await;
    let channel = up.ready.text_channel_id;
    let row = json!([{"type": 1, "components": [
        {"type": 2, "style": 1, "label": "Skip", "custom_id": "skip"}]}]);
    let message = json!({"content": "now playing", "components": row});
    let posted = bot(
        &up,
        "POST",
        &format!("/channels/{channel}/messages"),
        &message,
    )
    .await
    .json();
    let click = |custom_id: &str| json!({"user_id": alice, "message_id": posted["id"], "custom_id": custom_id});
    let wrong = control(&up, "POST", "/components", &click("stop")).await;
    assert!(wrong.status == 404 && wrong.json()["hint"].as_str().unwrap().contains("skip"));
    let body = click("skip");
    let update = json!({"type": 7, "data": {"content": "skipped"}});
    let (clicked, interaction) = tokio::join!(
        control(&up, "POST", "/components", &body),
        serve_one(&up, &mut socket, |_| update),
    );
    assert_eq!(clicked.json()["response"]["content"], "skipped");
    assert_eq!(interaction["data"]["custom_id"], "skip");
    assert_eq!(interaction["message"]["id"], posted["id"]);
    let form = json!({"type": 9, "data": {"custom_id": "m", "title": "Volume", "components": [
        {"type": 18, "label": "Percent", "component": {"type": 4, "custom_id": "v", "style": 1}}]}});
    let (opened, _) = tokio::join!(
        control(&up, "POST", "/components", &body),
        serve_one(&up, &mut socket, |_| form),
    );
    let opened = opened.json();
    assert_eq!(opened["response"]["title"], "Volume");
    let submit = json!({"user_id": alice, "interaction_id": opened["interaction_id"],
        "values": {"v": "70"}});
    let (_, submitted) = tokio::join!(
        control(&up, "POST", "/modals", &submit),
        serve_one(
            &up,
            &mut socket,
            |_| json!({"type": 4, "data": {"content": "70 %"}})
        ),
    );
    assert_eq!(submitted["type"], 5);
    let input = &submitted["data"]["components"][0]["component"];
    assert_eq!(
        (&input["custom_id"], &input["value"]),
        (&json!("v"), &json!("70"))
    );
    up.server.stop().await;
}

#[tokio::test]
async fn people_write_and_read_messages() {
    let up = up().await;
    let alice = person(&up, "alice").await;
    let channel = up.ready.text_channel_id;
    let body = json!({"user_id": alice, "channel_id": channel, "content": "hi"});
    let first = control(&up, "POST", "/messages", &body).await.json()["message_id"].clone();
    control(&up, "POST", "/messages", &body).await;
    let all = control(
        &up,
        "GET",
        &format!("/messages?channel_id={channel}"),
        &Value::Null,
    )
    .await;
    assert_eq!(all.json().as_array().unwrap().len(), 2);
    let after = format!(
        "/messages?channel_id={channel}&after={}",
        first.as_str().unwrap()
    );
    let later = control(&up, "GET", &after, &Value::Null).await.json();
    assert_eq!(
        (later.as_array().unwrap().len(), &later[0]["content"]),
        (1, &json!("hi"))
    );
    up.server.stop().await;
}

#[tokio::test]
async fn a_person_writes_to_a_bot_directly() {
    let up = up().await;
    let mut socket = login(&up).await;
    let alice = person(&up, "alice").await;
    let opened = control(&up, "POST", "/dm", &json!({"user_id": alice}))
        .await
        .json();
    let body = json!({"user_id": alice, "channel_id": opened["channel_id"], "content": "psst"});
    assert_eq!(control(&up, "POST", "/messages", &body).await.status, 200);
    assert_eq!(
        event(&mut socket, "MESSAGE_CREATE").await["content"],
        "psst"
    );
    up.server.stop().await;
}

#[tokio::test]
async fn new_guilds_and_channels_reach_a_connected_bot() {
    let up = up().await;
    let mut socket = login(&up).await;
    let guild = control(&up, "POST", "/guilds", &json!({"name": "Second"}))
        .await
        .json();
    assert_eq!(
        event(&mut socket, "GUILD_CREATE").await["id"],
        guild["guild_id"]
    );
    let new =
        json!({"guild_id": guild["guild_id"], "name": "Jam", "kind": "voice", "user_limit": 2});
    let channel = control(&up, "POST", "/channels", &new).await.json();
    let created = event(&mut socket, "CHANNEL_CREATE").await;
    assert_eq!(
        (&created["id"], &created["user_limit"]),
        (&channel["channel_id"], &json!(2))
    );
    let made = control(&up, "POST", "/bots", &json!({"name": "other"}))
        .await
        .json();
    let auth = format!("Bot {}", made["token"].as_str().unwrap());
    let me = http(
        &up,
        "GET",
        "/api/users/@me",
        &[("Authorization", &auth)],
        b"",
    )
    .await
    .json();
    assert_eq!(me["id"], made["user_id"]);
    up.server.stop().await;
}

#[tokio::test]
async fn the_state_shows_bots_and_no_credentials() {
    let up = up().await;
    let mut socket = login(&up).await;
    say(
        &mut socket,
        json!({"op": 4, "d": {"guild_id": up.ready.guild_id,
        "channel_id": up.ready.voice_channel_ids[0]}}),
    )
    .await;
    event(&mut socket, "VOICE_SERVER_UPDATE").await;
    let state = control(&up, "GET", "/state", &Value::Null).await.json();
    assert_eq!(state["bots"][0]["gateway"], "connected");
    assert_eq!(
        state["voice_states"][0]["user_id"],
        up.ready.bots[0].user_id.to_string()
    );
    let text = state.to_string();
    assert!(!text.contains("session_id") && !text.contains(up.ready.bots[0].token.expose()));
    up.server.stop().await;
}

#[tokio::test]
async fn web_pages_of_others_cannot_use_the_control_api() {
    let up = up().await;
    let rebound = [("Host", "evil.example:80")];
    assert_eq!(
        http(&up, "GET", "/control/state", &rebound, b"")
            .await
            .status,
        403
    );
    let foreign = [("Origin", "http://evil.example")];
    assert_eq!(
        http(&up, "GET", "/control/state", &foreign, b"")
            .await
            .status,
        403
    );
    let unknown = control(&up, "GET", "/nothing", &Value::Null).await;
    assert!(unknown.status == 404 && unknown.json()["hint"].as_str().unwrap().contains("/state"));
    up.server.stop().await;
}

#[tokio::test]
async fn beyond_loopback_the_control_token_is_asked_for() {
    let data = tempfile::tempdir().unwrap();
    let mut config = crate::ServerConfig::new(data.path());
    config.bind = std::net::Ipv4Addr::UNSPECIFIED.into();
    config.control_token = Some("let me in".into());
    let server = crate::Server::start(config).await.unwrap();
    let up = Up::of(server, data);
    assert_eq!(
        http(&up, "GET", "/control/state", &[], b"").await.status,
        401
    );
    let good = [("Authorization", "Bearer let me in")];
    assert_eq!(
        http(&up, "GET", "/control/state", &good, b"").await.status,
        200
    );
    up.server.stop().await;
}
