//! The connection machine in virtual time.

use serde_json::{Value, json};

use super::rig::{Rig, USUAL};
use crate::gateway::Order;

#[test]
fn hello_comes_first_and_before_anything_was_said() {
    let mut rig = Rig::new();
    let mut client = rig.connect();
    let said = client.take(&mut rig);
    assert_eq!(said.len(), 1);
    assert_eq!(
        (&said[0]["op"], &said[0]["d"]["heartbeat_interval"]),
        (&json!(10), &json!(41_250))
    );
}

#[test]
fn identify_is_answered_with_ready_and_then_the_guilds() {
    let mut rig = Rig::new();
    let mut client = rig.connect();
    let identify = rig.identify(USUAL);
    client.send(&mut rig, &identify);
    let said = client.take(&mut rig);
    let names: Vec<&Value> = said.iter().map(|p| &p["t"]).collect();
    assert_eq!(
        names,
        [&Value::Null, &json!("READY"), &json!("GUILD_CREATE")]
    );
    let ready = &said[1]["d"];
    assert_eq!(said[1]["s"], 1);
    assert_eq!(
        ready["guilds"][0],
        json!({"id": rig.guild().to_string(), "unavailable": true})
    );
    assert_eq!(ready["resume_gateway_url"], "ws://127.0.0.1:8080/gateway");
    assert_eq!(ready["shard"], json!([0, 1]));
    assert_eq!(ready["user"]["id"], ready["application"]["id"]);
    assert_eq!(ready["session_id"].as_str().unwrap().len(), 32);
    let guild = &said[2]["d"];
    assert_eq!(guild["channels"].as_array().unwrap().len(), 4);
    assert_eq!(guild["members"][0]["user"]["id"], ready["user"]["id"]);
    assert_eq!(guild["roles"][0]["id"], guild["id"]);
}

#[test]
fn a_bot_prefix_on_the_token_is_tolerated() {
    let mut rig = Rig::new();
    let mut client = rig.connect();
    let token = format!("Bot {}", rig.token());
    client.send(
        &mut rig,
        &json!({"op": 2, "d": {"token": token, "intents": "1"}}),
    );
    assert!(client.names(&mut rig).contains(&"READY".to_owned()));
}

/// Close code after one payload on a fresh connection.
fn code_for(payload: Value) -> Option<u16> {
    let mut rig = Rig::new();
    let mut client = rig.connect();
    let mut payload = payload;
    if payload["d"]["token"] == "good" {
        payload["d"]["token"] = json!(rig.token());
    }
    client.send(&mut rig, &payload);
    client.take(&mut rig);
    client.closed
}

#[test]
fn every_wrong_identify_has_its_close_code() {
    let identify = |extra: Value| {
        let mut d = json!({"token": "good", "intents": 1, "properties": {}});
        d.as_object_mut()
            .unwrap()
            .extend(extra.as_object().unwrap().clone());
        json!({"op": 2, "d": d})
    };
    assert_eq!(code_for(identify(json!({}))), None);
    assert_eq!(code_for(identify(json!({"token": "bad"}))), Some(4004));
    assert_eq!(
        code_for(identify(json!({"intents": 1u64 << 40}))),
        Some(4013)
    );
    assert_eq!(code_for(identify(json!({"shard": [1, 1]}))), Some(4010));
    assert_eq!(code_for(identify(json!({"shard": [0]}))), Some(4010));
    assert_eq!(code_for(json!({"op": 4, "d": {}})), Some(4003));
    assert_eq!(code_for(json!({"op": 2, "d": {"token": 5}})), Some(4002));
}

#[test]
fn an_old_version_and_another_encoding_are_refused() {
    let mut rig = Rig::new();
    for (query, code) in [("v=5", 4012), ("v=x", 4012), ("encoding=etf", 4002)] {
        let mut client = rig.connect_with(query);
        client.take(&mut rig);
        assert_eq!(client.closed, Some(code), "{query}");
    }
}

#[test]
fn privileged_intents_need_a_bot_that_has_them() {
    let mut rig = Rig::new();
    let bot = rig.realm.make_bot("plain", None, false);
    let token = rig.realm.store.bot_token(bot).unwrap().expose().to_owned();
    let mut client = rig.connect();
    client.send(
        &mut rig,
        &json!({"op": 2, "d": {"token": token, "intents": 1 << 15}}),
    );
    client.take(&mut rig);
    assert_eq!(client.closed, Some(4014));
}

#[test]
fn a_second_identify_closes_4005_and_an_unknown_opcode_4001() {
    for (again, code) in [(2, 4005), (99, 4001)] {
        let mut rig = Rig::new();
        let mut client = rig.login(USUAL);
        let d = rig.identify(USUAL)["d"].clone();
        client.send(&mut rig, &json!({"op": again, "d": d}));
        client.take(&mut rig);
        assert_eq!(client.closed, Some(code));
    }
}

#[test]
fn undecodable_and_oversized_payloads_close_4002() {
    use crate::gateway::Input;
    for text in [
        "{".to_owned(),
        format!("{{\"op\":1,\"d\":\"{}\"}}", "x".repeat(4096)),
    ] {
        let mut rig = Rig::new();
        let mut client = rig.login(USUAL);
        client
            .peer
            .handle(rig.now, Input::Text(&text), &mut rig.realm);
        client.take(&mut rig);
        assert_eq!(client.closed, Some(4002));
    }
}

#[test]
fn the_hundred_and_twenty_first_payload_in_a_minute_closes_4008() {
    let mut rig = Rig::new();
    let mut client = rig.login(USUAL);
    for _ in 0..119 {
        client.send(&mut rig, &json!({"op": 1, "d": null}));
    }
    client.take(&mut rig);
    assert_eq!(client.closed, None);
    client.send(&mut rig, &json!({"op": 1, "d": null}));
    client.take(&mut rig);
    assert_eq!(client.closed, Some(4008));
}

#[test]
fn the_send_window_starts_anew_after_a_minute() {
    let mut rig = Rig::new();
    let mut client = rig.login(USUAL);
    for _ in 0..6 {
        for _ in 0..100 {
            client.send(&mut rig, &json!({"op": 1, "d": null}));
        }
        client.take(&mut rig);
        rig.pass(61.0);
    }
    assert_eq!(client.closed, None);
}

#[test]
fn a_silent_client_is_closed_and_a_beating_one_is_not() {
    let mut rig = Rig::new();
    let mut silent = rig.login(USUAL);
    rig.pass(6.0);
    let mut beating = rig.login(USUAL);
    for _ in 0..3 {
        rig.pass(41.0);
        beating.send(&mut rig, &json!({"op": 1, "d": 2}));
        assert_eq!(beating.take(&mut rig)[0]["op"], 11);
    }
    silent.take(&mut rig);
    assert_eq!((silent.closed, beating.closed), (Some(4009), None));
}

#[test]
fn the_peer_asks_to_be_woken_when_the_heartbeat_is_overdue() {
    let mut rig = Rig::new();
    let mut client = rig.login(USUAL);
    client.take(&mut rig);
    let wait = client.wait.unwrap() - rig.now;
    assert!((60.0..83.0).contains(&wait.as_secs_f64()), "{wait:?}");
}

#[test]
fn a_resume_replays_what_was_missed_in_order_and_ends_with_resumed() {
    let mut rig = Rig::new();
    let mut client = rig.connect();
    let identify = rig.identify(USUAL | 1 << 15);
    client.send(&mut rig, &identify);
    let session = client.take(&mut rig)[1]["d"]["session_id"].clone();
    client.close(&mut rig, None);
    let alice = rig.person("alice");
    for text in ["one", "two"] {
        super::messages::write(&mut rig, alice, text);
    }
    rig.pass(100.0);
    let mut again = rig.connect();
    again.seq = client.seq;
    let resume =
        json!({"op": 6, "d": {"token": rig.token(), "session_id": session, "seq": client.seq}});
    again.send(&mut rig, &resume);
    let said = again.take(&mut rig);
    let names: Vec<&str> = said.iter().filter_map(|p| p["t"].as_str()).collect();
    assert_eq!(names, ["MESSAGE_CREATE", "MESSAGE_CREATE", "RESUMED"]);
    assert_eq!(said[1]["d"]["content"], "one");
    assert!(said[3]["d"].is_object());
}

/// What a resume of a fresh session gets, after something was done to it.
fn resume_after(
    change: impl FnOnce(&mut Rig, &mut super::rig::Client),
) -> (Vec<Value>, Option<u16>) {
    let mut rig = Rig::new();
    let mut client = rig.connect();
    let identify = rig.identify(USUAL);
    client.send(&mut rig, &identify);
    let session = client.take(&mut rig)[1]["d"]["session_id"].clone();
    change(&mut rig, &mut client);
    let mut again = rig.connect();
    again.seq = client.seq;
    let resume =
        json!({"op": 6, "d": {"token": rig.token(), "session_id": session, "seq": client.seq}});
    again.send(&mut rig, &resume);
    (again.take(&mut rig), again.closed)
}

#[test]
fn a_session_ends_with_a_clean_close_of_the_client_or_after_minutes() {
    let last = |said: Vec<Value>| said.last().cloned().unwrap();
    let (said, _) = resume_after(|rig, client| client.close(rig, Some(1000)));
    assert_eq!(
        (&last(said.clone())["op"], &last(said)["d"]),
        (&json!(9), &json!(false))
    );
    let (said, _) = resume_after(|rig, client| {
        client.close(rig, Some(4900));
        rig.pass(179.0);
    });
    assert_eq!(last(said)["t"], "RESUMED");
    let (said, _) = resume_after(|rig, client| {
        client.close(rig, Some(4900));
        rig.pass(181.0);
    });
    assert_eq!(last(said)["op"], 9);
}

#[test]
fn an_echo_of_the_servers_own_close_keeps_the_session() {
    let (said, _) = resume_after(|rig, client| {
        let link = rig.realm.links.values_mut().next().unwrap();
        link.order(Order::Close(4000));
        client.take(rig);
        assert_eq!(client.closed, Some(4000));
        client.close(rig, Some(1000));
    });
    assert_eq!(said.last().unwrap()["t"], "RESUMED");
}

#[test]
fn a_sequence_from_the_future_closes_4007() {
    let (_, code) = resume_after(|_, client| client.seq = 99);
    assert_eq!(code, Some(4007));
}

#[test]
fn a_resume_takes_the_session_from_a_connection_that_is_still_open() {
    let mut rig = Rig::new();
    let mut old = rig.connect();
    let identify = rig.identify(USUAL);
    old.send(&mut rig, &identify);
    let session = old.take(&mut rig)[1]["d"]["session_id"].clone();
    let mut new = rig.connect();
    new.seq = old.seq;
    let resume =
        json!({"op": 6, "d": {"token": rig.token(), "session_id": session, "seq": old.seq}});
    new.send(&mut rig, &resume);
    assert_eq!(new.names(&mut rig), ["RESUMED"]);
    old.take(&mut rig);
    assert_eq!(old.closed, Some(4000));
    old.close(&mut rig, None);
    assert!(
        rig.realm.is_connected(rig.bot(), None),
        "the new connection has the session"
    );
}

#[test]
fn two_identifies_within_five_seconds_get_invalid_session() {
    let mut rig = Rig::new();
    rig.login(USUAL);
    rig.pass(4.9);
    let mut client = rig.connect();
    let identify = rig.identify(USUAL);
    client.send(&mut rig, &identify);
    assert_eq!(
        client.take(&mut rig)[1],
        json!({"op": 9, "d": false, "s": null, "t": null})
    );
    rig.pass(0.2);
    client.send(&mut rig, &identify);
    assert!(client.names(&mut rig).contains(&"READY".to_owned()));
}

#[test]
fn a_shard_only_has_its_own_guilds() {
    let mut rig = Rig::new();
    let mine = (rig.guild().get() >> 22) % 2;
    for shard in 0..2u64 {
        rig.pass(6.0);
        let mut client = rig.connect();
        let mut identify = rig.identify(USUAL);
        identify["d"]["shard"] = json!([shard, 2]);
        client.send(&mut rig, &identify);
        let has = client.names(&mut rig).contains(&"GUILD_CREATE".to_owned());
        assert_eq!(has, shard == mine);
    }
}

#[test]
fn events_go_only_to_those_who_asked_for_them() {
    let mut rig = Rig::new();
    let mut deaf = rig.login(1);
    rig.pass(6.0);
    let mut blank = rig.login(USUAL);
    rig.pass(6.0);
    let mut full = rig.login(USUAL | 1 << 15);
    let alice = rig.person("alice");
    super::messages::write(&mut rig, alice, "hello");
    assert!(deaf.names(&mut rig).is_empty());
    assert_eq!(blank.one(&mut rig, "MESSAGE_CREATE")["content"], "");
    assert_eq!(full.one(&mut rig, "MESSAGE_CREATE")["content"], "hello");
    let text = format!("hi <@{}>", rig.bot());
    super::messages::write(&mut rig, alice, &text);
    assert_eq!(
        blank.one(&mut rig, "MESSAGE_CREATE")["content"],
        text,
        "it is mentioned"
    );
}

#[test]
fn faults_make_a_zombie_a_frozen_peer_and_reconnects() {
    let mut rig = Rig::new();
    let mut client = rig.login(USUAL);
    let link = rig.realm.links.values_mut().next().unwrap();
    link.drop_acks = true;
    client.send(&mut rig, &json!({"op": 1, "d": null}));
    assert!(client.take(&mut rig).is_empty(), "no ack");
    let link = rig.realm.links.values_mut().next().unwrap();
    link.drop_acks = false;
    link.order(Order::Freeze(std::time::Duration::from_secs(2)));
    client.take(&mut rig);
    client.send(&mut rig, &json!({"op": 1, "d": null}));
    assert!(client.take(&mut rig).is_empty(), "frozen");
    rig.pass(2.0);
    assert_eq!(client.take(&mut rig)[0]["op"], 11, "thawed");
    let link = rig.realm.links.values_mut().next().unwrap();
    link.order(Order::Reconnect);
    assert_eq!(client.take(&mut rig)[0]["op"], 7);
    rig.pass(5.0);
    client.take(&mut rig);
    assert_eq!(client.closed, Some(4000));
}

#[test]
fn an_invalid_session_that_is_resumable_can_be_resumed_on_the_same_socket() {
    let mut rig = Rig::new();
    let mut client = rig.connect();
    let identify = rig.identify(USUAL);
    client.send(&mut rig, &identify);
    let session = client.take(&mut rig)[1]["d"]["session_id"].clone();
    let link = rig.realm.links.values_mut().next().unwrap();
    link.order(Order::InvalidSession { resumable: true });
    assert_eq!(client.take(&mut rig)[0]["d"], true);
    let resume =
        json!({"op": 6, "d": {"token": rig.token(), "session_id": session, "seq": client.seq}});
    client.send(&mut rig, &resume);
    assert_eq!(client.names(&mut rig), ["RESUMED"]);
}

#[test]
fn members_sounds_and_channel_info_are_answered() {
    let mut rig = Rig::new();
    let mut client = rig.login(USUAL);
    let alice = rig.person("alice");
    let guild = rig.guild().to_string();
    let ask = json!({"op": 8, "d": {"guild_id": guild, "query": "ali", "limit": 5, "nonce": "n"}});
    client.send(&mut rig, &ask);
    let chunk = client.one(&mut rig, "GUILD_MEMBERS_CHUNK");
    assert_eq!(chunk["members"][0]["user"]["id"], alice.to_string());
    assert_eq!(
        (&chunk["chunk_count"], &chunk["nonce"]),
        (&json!(1), &json!("n"))
    );
    client.send(&mut rig, &json!({"op": 31, "d": {"guild_ids": [guild]}}));
    assert_eq!(
        client.one(&mut rig, "SOUNDBOARD_SOUNDS")["guild_id"],
        guild.as_str()
    );
    client.send(
        &mut rig,
        &json!({"op": 43, "d": {"guild_id": guild, "fields": ["status"]}}),
    );
    let info = client.one(&mut rig, "CHANNEL_INFO");
    assert_eq!(info["channels"][0]["status"], Value::Null);
    assert!(info["channels"][0].get("voice_start_time").is_none());
}

#[test]
fn a_full_member_list_is_limited_to_one_in_thirty_seconds() {
    let mut rig = Rig::new();
    let mut client = rig.login(USUAL);
    let ask = json!({"op": 8, "d": {"guild_id": rig.guild(), "query": "", "limit": 0}});
    client.send(&mut rig, &ask);
    assert_eq!(client.names(&mut rig), ["GUILD_MEMBERS_CHUNK"]);
    client.send(&mut rig, &ask);
    let limited = client.one(&mut rig, "RATE_LIMITED");
    assert_eq!(
        (&limited["opcode"], &limited["retry_after"]),
        (&json!(8), &json!(30.0))
    );
}

/// Random inputs never panic and always end in a wait (conventions, rule 17).
#[test]
fn random_payloads_never_panic_and_always_reach_a_wait() {
    use mynah_wire::rng::Rng;
    let seed = 42;
    let mut rng = Rng::new(seed);
    let mut rig = Rig::new();
    let values = [
        json!(null),
        json!(-1),
        json!("x"),
        json!([]),
        json!({}),
        json!(true),
        json!(u64::MAX),
    ];
    let keys = [
        "token",
        "guild_id",
        "channel_id",
        "shard",
        "intents",
        "seq",
        "user_ids",
        "fields",
    ];
    for round in 0..300 {
        let mut client = if round % 3 == 0 {
            rig.connect()
        } else {
            rig.pass(6.0);
            rig.login(USUAL)
        };
        for _ in 0..40 {
            let op = rng.below(45);
            let mut d = serde_json::Map::new();
            for key in keys {
                d.insert(key.into(), values[rng.below(7) as usize].clone());
            }
            client.send(&mut rig, &json!({"op": op, "d": d}));
            client.take(&mut rig);
            rig.pass(rng.unit_f64());
        }
        client.close(&mut rig, None);
    }
}

#[test]
fn a_bot_that_cannot_see_a_channel_hears_nothing_of_it() {
    let mut rig = Rig::new();
    let mut client = rig.login(USUAL);
    let (alice, channel, everyone) = (rig.person("alice"), rig.text(), rig.guild().get());
    let hidden = crate::store::Overwrite {
        id: everyone,
        member: false,
        allow: 0,
        deny: crate::store::permissions::VIEW_CHANNEL,
    };
    rig.realm
        .store
        .channels
        .get_mut(&channel)
        .unwrap()
        .overwrites
        .push(hidden);
    super::messages::write(&mut rig, alice, "psst");
    assert!(client.names(&mut rig).is_empty());
}
