//! Voice signalling in virtual time.

use mynah_wire::ChannelId;
use serde_json::{Value, json};

use super::rig::{Client, Rig, USUAL, body};
use crate::realm::Errand;
use crate::store::permissions::{BOT_DEFAULT, MOVE_MEMBERS};

fn ask(rig: &mut Rig, client: &mut Client, channel: Option<ChannelId>, self_deaf: bool) {
    let payload = json!({"op": 4, "d": {"guild_id": rig.guild(), "channel_id": channel,
        "self_mute": false, "self_deaf": self_deaf}});
    client.send(rig, &payload);
}

#[test]
fn joining_sends_the_state_and_then_the_server_with_a_port() {
    let mut rig = Rig::new();
    let mut client = rig.login(USUAL);
    let channel = rig.voice_channel(0);
    ask(&mut rig, &mut client, Some(channel), true);
    let said = client.take(&mut rig);
    let names: Vec<&Value> = said.iter().map(|p| &p["t"]).collect();
    let order = [
        "VOICE_STATE_UPDATE",
        "VOICE_CHANNEL_START_TIME_UPDATE",
        "VOICE_SERVER_UPDATE",
    ];
    assert_eq!(names, [order[0], order[2], order[1]]);
    let state = &said[0]["d"];
    assert_eq!(state["channel_id"], channel.to_string());
    assert_eq!(
        (&state["self_deaf"], &state["suppress"]),
        (&json!(true), &json!(false))
    );
    assert_eq!(state["member"]["user"]["id"], rig.bot().to_string());
    let server = &said[1]["d"];
    assert_eq!(server["endpoint"], "localhost:4433");
    assert_eq!(server["guild_id"], rig.guild().to_string());
    let bot = rig.bot();
    let calls = [
        format!("grant {bot} {channel}"),
        format!("flags {bot} mute=false deaf=true"),
    ];
    assert_eq!(rig.voice.take(), calls);
}

#[test]
fn a_bare_flag_change_brings_no_new_server() {
    let mut rig = Rig::new();
    let mut client = rig.login(USUAL);
    let channel = rig.voice_channel(0);
    ask(&mut rig, &mut client, Some(channel), true);
    client.take(&mut rig);
    rig.voice.take();
    ask(&mut rig, &mut client, Some(channel), false);
    assert_eq!(client.names(&mut rig), ["VOICE_STATE_UPDATE"]);
    assert_eq!(
        rig.voice.take(),
        [format!("flags {} mute=false deaf=false", rig.bot())]
    );
}

#[test]
fn the_same_request_again_brings_the_same_credentials_again() {
    let mut rig = Rig::new();
    let mut client = rig.login(USUAL);
    let channel = rig.voice_channel(0);
    ask(&mut rig, &mut client, Some(channel), true);
    let first = client.one(&mut rig, "VOICE_SERVER_UPDATE");
    ask(&mut rig, &mut client, Some(channel), true);
    let second = client.one(&mut rig, "VOICE_SERVER_UPDATE");
    assert_eq!(first, second);
}

#[test]
fn moving_keeps_the_session_id_and_changes_the_token() {
    let mut rig = Rig::new();
    let mut client = rig.login(USUAL);
    let mut credentials = Vec::new();
    for index in [0, 1] {
        let channel = rig.voice_channel(index);
        ask(&mut rig, &mut client, Some(channel), false);
        let said = client.take(&mut rig);
        let find = |name: &str| said.iter().find(|p| p["t"] == name).unwrap()["d"].clone();
        let state = find("VOICE_STATE_UPDATE");
        assert_eq!(state["channel_id"], channel.to_string());
        credentials.push((
            state["session_id"].clone(),
            find("VOICE_SERVER_UPDATE")["token"].clone(),
        ));
    }
    assert_eq!(credentials[0].0, credentials[1].0);
    assert_ne!(credentials[0].1, credentials[1].1);
}

#[test]
fn leaving_sends_a_null_channel_and_closes_the_voice_socket_4014() {
    let mut rig = Rig::new();
    let mut client = rig.login(USUAL);
    let channel = rig.voice_channel(0);
    ask(&mut rig, &mut client, Some(channel), false);
    client.take(&mut rig);
    rig.voice.take();
    ask(&mut rig, &mut client, None, false);
    let said = client.take(&mut rig);
    assert_eq!(said[0]["d"]["channel_id"], Value::Null);
    assert!(said.iter().all(|p| p["t"] != "VOICE_SERVER_UPDATE"));
    assert_eq!(rig.voice.take(), [format!("revoke {} 4014", rig.bot())]);
}

#[test]
fn what_is_not_allowed_has_no_answer_at_all() {
    let mut rig = Rig::new();
    let mut client = rig.login(USUAL);
    let (alice, full) = (rig.person("alice"), rig.voice_channel(0));
    rig.realm.store.channels.get_mut(&full).unwrap().user_limit = 1;
    rig.realm.join_as_person(alice, full).unwrap();
    client.take(&mut rig);
    let text = rig.text();
    for channel in [full, text, ChannelId::new(1)] {
        ask(&mut rig, &mut client, Some(channel), false);
        assert!(client.take(&mut rig).is_empty(), "{channel}");
    }
}

#[test]
fn move_members_opens_full_channels() {
    let mut rig = Rig::new();
    let (alice, full) = (rig.person("alice"), rig.voice_channel(0));
    rig.realm.store.channels.get_mut(&full).unwrap().user_limit = 1;
    rig.realm.join_as_person(alice, full).unwrap();
    let bot = rig
        .realm
        .make_bot("mover", Some(BOT_DEFAULT | MOVE_MEMBERS), true);
    let token = rig.realm.store.bot_token(bot).unwrap().expose().to_owned();
    let mut client = rig.connect();
    client.send(
        &mut rig,
        &json!({"op": 2, "d": {"token": token, "intents": USUAL}}),
    );
    ask(&mut rig, &mut client, Some(full), false);
    assert!(
        client
            .names(&mut rig)
            .contains(&"VOICE_SERVER_UPDATE".to_owned())
    );
}

#[test]
fn a_guild_create_lists_who_is_in_voice_without_the_guild() {
    let mut rig = Rig::new();
    let (alice, channel) = (rig.person("alice"), rig.voice_channel(0));
    rig.realm.join_as_person(alice, channel).unwrap();
    let mut client = rig.connect();
    let identify = rig.identify(USUAL);
    client.send(&mut rig, &identify);
    let guild = client.one(&mut rig, "GUILD_CREATE");
    let state = &guild["voice_states"][0];
    assert_eq!(state["user_id"], alice.to_string());
    assert!(state.get("guild_id").is_none() && state.get("member").is_none());
    let members = guild["members"].as_array().unwrap();
    assert!(members.iter().any(|m| m["user"]["id"] == alice.to_string()));
}

#[test]
fn on_a_stage_everybody_starts_in_the_audience_and_may_be_let_up() {
    let mut rig = Rig::new();
    let mut client = rig.login(USUAL);
    let stage = rig.realm.defaults.stage_channel_id;
    ask(&mut rig, &mut client, Some(stage), false);
    let said = client.take(&mut rig);
    assert_eq!(said[0]["d"]["suppress"], true);
    let path = format!("/guilds/{}/voice-states/@me", rig.guild());
    let reply = rig.rest(
        "PATCH",
        &path,
        json!({"channel_id": stage, "suppress": false}),
    );
    assert_eq!(reply.status, 204);
    assert_eq!(
        client.one(&mut rig, "VOICE_STATE_UPDATE")["suppress"],
        false
    );
}

#[test]
fn a_lost_gateway_session_takes_the_bot_out_of_voice_and_a_resumed_one_does_not() {
    let mut rig = Rig::new();
    let mut client = rig.login(USUAL);
    let channel = rig.voice_channel(0);
    ask(&mut rig, &mut client, Some(channel), false);
    client.take(&mut rig);
    rig.voice.take();
    client.close(&mut rig, None);
    rig.pass(100.0);
    let now = rig.now;
    rig.realm.advance(now);
    assert!(rig.voice.take().is_empty(), "it may still resume");
    rig.pass(100.0);
    let now = rig.now;
    rig.realm.advance(now);
    assert_eq!(rig.voice.take(), [format!("revoke {} 4014", rig.bot())]);
}

#[test]
fn a_moderator_moves_a_bot_and_it_gets_new_credentials() {
    let mut rig = Rig::new();
    let mut client = rig.login(USUAL);
    let (first, second) = (rig.voice_channel(0), rig.voice_channel(1));
    ask(&mut rig, &mut client, Some(first), false);
    client.take(&mut rig);
    let bot = rig.bot();
    rig.realm.move_member(bot, second).unwrap();
    let names = client.names(&mut rig);
    let position = |name: &str| names.iter().position(|n| n == name).unwrap();
    assert!(position("VOICE_STATE_UPDATE") < position("VOICE_SERVER_UPDATE"));
}

#[test]
fn a_moved_person_gets_an_errand_with_the_new_ticket() {
    let mut rig = Rig::new();
    let alice = rig.person("alice");
    let (first, second) = (rig.voice_channel(0), rig.voice_channel(1));
    let ticket = rig.realm.join_as_person(alice, first).unwrap();
    assert!(
        rig.realm.errands.is_empty(),
        "who joins by itself needs no errand"
    );
    rig.realm.move_member(alice, second).unwrap();
    match rig.realm.errands.pop_front() {
        Some(Errand::Join(moved)) => {
            assert_eq!((moved.channel_id, moved.user_id), (second, alice));
            assert_eq!(moved.session_id, ticket.session_id);
            assert_ne!(moved.token, ticket.token);
        }
        other => panic!("{other:?}"),
    }
    let guild = rig.guild();
    rig.realm.leave_voice(guild, alice);
    assert!(matches!(rig.realm.errands.pop_front(), Some(Errand::Leave(user)) if user == alice));
}

#[test]
fn a_person_the_voice_server_forgot_gets_its_credentials_granted_again() {
    let mut rig = Rig::new();
    let alice = rig.person("alice");
    let (guild, room) = (rig.guild(), rig.voice_channel(0));
    let ticket = rig.realm.join_as_person(alice, room).unwrap();
    rig.voice.take();
    let renewed = rig.realm.renew_ticket(guild, alice).unwrap();
    assert_eq!(renewed.session_id, ticket.session_id);
    assert_eq!((renewed.channel_id, renewed.user_id), (room, alice));
    assert_eq!(rig.voice.take()[0], format!("grant {alice} {room}"));
    // Nobody comes back by asking: not who has left, and a bot has its gateway.
    rig.realm.leave_voice(guild, alice);
    assert!(rig.realm.renew_ticket(guild, alice).is_none());
    let mut client = rig.login(USUAL);
    ask(&mut rig, &mut client, Some(room), false);
    assert!(rig.realm.renew_ticket(guild, rig.bot()).is_none());
}

#[test]
fn server_mute_by_rest_needs_voice_and_is_announced() {
    let mut rig = Rig::new();
    let mut client = rig.login(USUAL);
    let alice = rig.person("alice");
    let path = format!("/guilds/{}/members/{alice}", rig.guild());
    assert_eq!(
        body(rig.rest("PATCH", &path, json!({"mute": true})), 400)["code"],
        40032
    );
    let channel = rig.voice_channel(0);
    rig.realm.join_as_person(alice, channel).unwrap();
    client.take(&mut rig);
    assert_eq!(
        body(rig.rest("PATCH", &path, json!({"mute": true})), 200)["mute"],
        true
    );
    assert_eq!(client.one(&mut rig, "VOICE_STATE_UPDATE")["mute"], true);
    let moved = rig.rest("PATCH", &path, json!({"channel_id": null}));
    assert_eq!(
        body(moved, 403)["code"],
        50013,
        "MOVE_MEMBERS is not among a bot's defaults"
    );
}

#[test]
fn a_deleted_channel_empties_with_4022() {
    let mut rig = Rig::new();
    let mut client = rig.login(USUAL);
    let channel = rig.voice_channel(0);
    ask(&mut rig, &mut client, Some(channel), false);
    client.take(&mut rig);
    rig.voice.take();
    body(
        rig.rest("DELETE", &format!("/channels/{channel}"), Value::Null),
        200,
    );
    assert_eq!(rig.voice.take(), [format!("revoke {} 4022", rig.bot())]);
    assert!(
        client
            .names(&mut rig)
            .ends_with(&["CHANNEL_DELETE".to_owned()])
    );
}

#[test]
fn voice_states_are_looked_up_and_unknown_ones_are_10065() {
    let mut rig = Rig::new();
    let path = format!("/guilds/{}/voice-states/@me", rig.guild());
    assert_eq!(
        body(rig.rest("GET", &path, Value::Null), 404)["code"],
        10065
    );
    let mut client = rig.login(USUAL);
    let channel = rig.voice_channel(0);
    ask(&mut rig, &mut client, Some(channel), false);
    let state = body(rig.rest("GET", &path, Value::Null), 200);
    assert_eq!(state["channel_id"], channel.to_string());
}

#[test]
fn a_voice_channels_bitrate_is_capped_and_its_change_is_told() {
    let mut rig = Rig::new();
    let mut client = rig.login(USUAL);
    let path = format!("/channels/{}", rig.voice_channel(0));
    let bad = body(rig.rest("PATCH", &path, json!({"bitrate": 128_000})), 400);
    assert_eq!(
        bad["errors"]["bitrate"]["_errors"][0]["code"],
        "NUMBER_TYPE_MAX"
    );
    body(rig.rest("PATCH", &path, json!({"bitrate": 96_000})), 200);
    assert_eq!(client.one(&mut rig, "CHANNEL_UPDATE")["bitrate"], 96_000);
}

#[test]
fn voice_status_is_set_told_and_gone_with_the_last_person() {
    let mut rig = Rig::new();
    let mut client = rig.login(USUAL);
    let channel = rig.voice_channel(0);
    ask(&mut rig, &mut client, Some(channel), false);
    client.take(&mut rig);
    let path = format!("/channels/{channel}/voice-status");
    assert_eq!(
        rig.rest("PUT", &path, json!({"status": "jazz"})).status,
        204
    );
    assert_eq!(
        client.one(&mut rig, "VOICE_CHANNEL_STATUS_UPDATE")["status"],
        "jazz"
    );
    ask(&mut rig, &mut client, None, false);
    assert_eq!(
        client.one(&mut rig, "VOICE_CHANNEL_STATUS_UPDATE")["status"],
        Value::Null
    );
}
