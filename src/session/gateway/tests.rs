//! The shard in virtual time: every road away from and back to a live session.

mod rig;
mod world;

use mynah_wire::gateway::Envelope;
use serde_json::json;

use super::*;
use rig::{RESUME_URL, Rig, URL, closed, config, join, opened, sent, stopped};

#[test]
fn a_new_session_waits_for_hello_and_permit_before_it_identifies() {
    let (mut rig, out) = Rig::new(config(1));
    assert_eq!(
        opened(&out),
        Some("wss://gateway.example/?v=10&encoding=json")
    );
    let out = rig.hello();
    assert_eq!(out, [Output::WantIdentify]);
    let out = rig.give(Input::IdentifyPermit);
    let identify = &sent(&out, 2)[0];
    assert_eq!(identify["token"], "the-token");
    assert_eq!(identify["intents"], 641);
    assert_eq!(identify["shard"], json!([0, 1]));
    let out = rig.ready();
    assert!(out.contains(&Output::State(State::Live { resumed: false })));
    assert_eq!(
        rig.shard.resumable(),
        Some(Resumable {
            session_id: "abc".into(),
            seq: 1,
            resume_url: RESUME_URL.into()
        })
    );
}

#[test]
fn a_query_of_the_configured_address_is_kept_also_when_resuming() {
    let mut with_query = config(1);
    with_query.gateway_url = format!("{URL}/?compress=zlib-stream&v=9");
    let (mut rig, out) = Rig::new(with_query);
    let tail = "/?v=10&encoding=json&compress=zlib-stream";
    assert_eq!(opened(&out), Some(format!("{URL}{tail}").as_str()));
    rig.go_live();
    rig.close(4000);
    let out = rig.sleep();
    assert_eq!(opened(&out), Some(format!("{RESUME_URL}{tail}").as_str()));
}

#[test]
fn events_pass_with_their_raw_body_and_move_the_sequence() {
    let mut rig = Rig::live(config(1));
    let out = rig.give(Input::WsText(
        r#"{"op":0,"s":7,"t":"MESSAGE_CREATE","d":{"id":"1",  "x":[1]}}"#,
    ));
    assert_eq!(
        out,
        [Output::Dispatch {
            name: "MESSAGE_CREATE".into(),
            seq: 7,
            data: r#"{"id":"1",  "x":[1]}"#.into()
        }]
    );
    assert_eq!(rig.shard.resumable().unwrap().seq, 7);
}

#[test]
fn a_lost_connection_resumes_from_the_last_sequence() {
    for code in [
        None,
        Some(1000),
        Some(1006),
        Some(4000),
        Some(4008),
        Some(4009),
    ] {
        let mut rig = Rig::live(config(3));
        rig.text(json!({"op": 0, "s": 9, "t": "X", "d": {}}));
        let out = rig.give(Input::WsClosed { code });
        assert!(matches!(out[0], Output::State(State::Lost { .. })));
        let out = rig.sleep();
        assert!(opened(&out).unwrap().starts_with(RESUME_URL), "{code:?}");
        let out = rig.hello();
        assert_eq!(
            sent(&out, 6),
            [json!({"token": "the-token", "session_id": "abc", "seq": 9})]
        );
        rig.text(json!({"op": 0, "s": 10, "t": "Y", "d": {}}));
        let out = rig.text(json!({"op": 0, "s": 11, "t": "RESUMED", "d": {}}));
        assert!(out.contains(&Output::State(State::Live { resumed: true })));
        assert_eq!(rig.shard.resumable().unwrap().seq, 11);
    }
}

#[test]
fn a_session_of_an_earlier_run_is_resumed_without_an_identify() {
    let mut earlier = config(1);
    earlier.resume = Some(Resumable {
        session_id: "old".into(),
        seq: 5,
        resume_url: RESUME_URL.into(),
    });
    let (mut rig, out) = Rig::new(earlier);
    assert!(opened(&out).unwrap().starts_with(RESUME_URL));
    let out = rig.hello();
    assert_eq!(sent(&out, 6)[0]["session_id"], "old");
    assert!(!out.contains(&Output::WantIdentify));
}

#[test]
fn heartbeats_keep_their_interval_and_carry_the_sequence() {
    let mut rig = Rig::live(config(5));
    let mut beats = Vec::new();
    for _ in 0..5 {
        let out = rig.sleep();
        assert_eq!(sent(&out, 1), [json!(1)]);
        beats.push(rig.seconds());
        rig.text(json!({"op": 11}));
    }
    assert!(beats[0] < 41.25);
    for pair in beats.windows(2) {
        assert!((pair[1] - pair[0] - 41.25).abs() < 1e-6);
    }
}

#[test]
fn a_beat_asked_for_by_the_server_comes_at_once_and_leaves_the_schedule_alone() {
    let mut rig = Rig::live(config(5));
    let due = rig.wake;
    let out = rig.text(json!({"op": 1, "d": null}));
    assert_eq!(sent(&out, 1).len(), 1);
    assert_eq!(rig.wake, due);
    for _ in 0..500 {
        rig.text(json!({"op": 1, "d": null}));
    }
    let out = rig.text(json!({"op": 1, "d": null}));
    assert!(sent(&out, 1).is_empty(), "the send limit holds even then");
}

#[test]
fn an_unanswered_heartbeat_closes_with_a_resumable_code_and_resumes() {
    let mut rig = Rig::live(config(5));
    rig.sleep();
    let out = rig.sleep();
    assert_eq!(closed(&out), Some(4900));
    let out = rig.sleep();
    assert!(opened(&out).unwrap().starts_with(RESUME_URL));
}

#[test]
fn a_reconnect_request_resumes_at_once_the_first_time() {
    let mut rig = Rig::live(config(1));
    rig.pass(Duration::from_secs(11));
    let out = rig.text(json!({"op": 7, "d": null}));
    assert_eq!(closed(&out), Some(4900));
    assert!(opened(&out).unwrap().starts_with(RESUME_URL));
    // Again before anything settled: with a pause.
    let out = rig.text(json!({"op": 7, "d": null}));
    assert!(opened(&out).is_none());
    assert!(rig.wake.unwrap() > rig.now);
}

#[test]
fn an_invalid_session_waits_one_to_five_seconds_and_identifies_anew() {
    for seed in 0..30 {
        let mut rig = Rig::live(config(seed));
        let lost_at = rig.seconds();
        let out = rig.text(json!({"op": 9, "d": false}));
        assert_eq!(closed(&out), Some(1000));
        assert_eq!(rig.shard.resumable(), None);
        let out = rig.sleep();
        assert!(opened(&out).unwrap().starts_with(URL));
        let waited = rig.seconds() - lost_at;
        assert!((1.0..=5.0).contains(&waited), "seed {seed}: {waited}");
        assert_eq!(rig.hello(), [Output::WantIdentify]);
    }
}

#[test]
fn a_resumable_invalid_session_is_resumed() {
    let mut rig = Rig::live(config(1));
    let out = rig.text(json!({"op": 9, "d": true}));
    assert_eq!(closed(&out), Some(4900));
    rig.sleep();
    assert_eq!(sent(&rig.hello(), 6).len(), 1);
}

#[test]
fn fatal_codes_stop_with_meaning_and_remedy_and_only_4004_blames_the_token() {
    for code in [4004, 4010, 4011, 4012, 4013, 4014] {
        let mut rig = Rig::live(config(1));
        let Some(StopReason::Fatal {
            code: said,
            meaning,
            remedy,
            credentials,
        }) = stopped(&rig.close(code))
        else {
            panic!("{code} must stop");
        };
        assert_eq!((said, credentials), (code, code == 4004));
        assert!(!meaning.is_empty() && !remedy.is_empty());
        assert_eq!(rig.wake, None, "no reconnect loop");
        assert_eq!(rig.give(Input::Tick), []);
    }
}

#[test]
fn codes_that_end_the_session_lead_to_an_identify() {
    for code in [4003, 4005, 4007] {
        let mut rig = Rig::live(config(1));
        rig.close(code);
        let out = rig.sleep();
        assert!(opened(&out).unwrap().starts_with(URL), "{code}");
        assert_eq!(rig.hello(), [Output::WantIdentify]);
    }
}

#[test]
fn a_polite_close_while_resuming_means_the_session_is_gone() {
    let mut rig = Rig::live(config(1));
    rig.close(1001);
    rig.sleep();
    rig.hello();
    rig.close(1000);
    rig.sleep();
    assert_eq!(rig.hello(), [Output::WantIdentify]);
}

#[test]
fn a_resume_that_keeps_failing_is_given_up_after_three_tries() {
    let mut rig = Rig::live(config(1));
    rig.close(4000);
    for _ in 0..3 {
        rig.sleep();
        assert_eq!(sent(&rig.hello(), 6).len(), 1);
        rig.close(4000);
    }
    rig.sleep();
    assert_eq!(rig.hello(), [Output::WantIdentify]);
}

#[test]
fn a_dead_resume_address_is_replaced_by_the_main_one() {
    let mut rig = Rig::live(config(1));
    rig.close(4000);
    for _ in 0..3 {
        let out = rig.sleep();
        assert!(opened(&out).unwrap().starts_with(RESUME_URL));
        rig.give(Input::WsClosed { code: None });
    }
    let out = rig.sleep();
    assert!(opened(&out).unwrap().starts_with(URL));
    assert_eq!(sent(&rig.hello(), 6).len(), 1, "still a resume");
}

#[test]
fn silence_at_any_step_ends_in_a_new_attempt() {
    // 0: socket never opens; 1: no Hello; 2: no READY.
    for step in 0..3 {
        let (mut rig, _) = Rig::new(config(1));
        if step >= 1 {
            rig.give(Input::WsOpened);
        }
        if step >= 2 {
            rig.text(json!({"op": 10, "d": {"heartbeat_interval": 600_000}}));
            rig.give(Input::IdentifyPermit);
        }
        let out = rig.pass(Duration::from_secs(70));
        assert!(closed(&out).is_some() && opened(&out).is_some(), "{step}");
    }
}

#[test]
fn a_permit_for_a_connection_that_is_gone_is_not_used_later() {
    let (mut rig, _) = Rig::new(config(1));
    rig.hello();
    rig.close(4000);
    assert_eq!(rig.give(Input::IdentifyPermit), []);
    rig.sleep();
    assert_eq!(rig.hello(), [Output::WantIdentify]);
}

#[test]
fn voice_states_wait_for_a_live_connection_and_keep_a_leave_before_a_join() {
    let (mut rig, _) = Rig::new(config(1));
    for channel in [Some(1), Some(2), None, Some(3), None, Some(4), Some(5)] {
        assert_eq!(rig.give(Input::Command(join(channel))), []);
    }
    rig.hello();
    rig.give(Input::IdentifyPermit);
    let channels: Vec<_> = sent(&rig.ready(), 4)
        .iter()
        .map(|d| d["channel_id"].clone())
        .collect();
    assert_eq!(channels, [json!(null), json!("5")]);
    let out = rig.give(Input::Command(join(None)));
    assert_eq!(sent(&out, 4)[0]["channel_id"], json!(null));
}

#[test]
fn the_send_limit_delays_and_voice_goes_before_presence() {
    let mut rig = Rig::live(config(9));
    rig.text(json!({"op": 11}));
    let mut first = 0;
    for channel in 0..200 {
        first += sent(&rig.give(Input::Command(join(Some(channel)))), 4).len();
    }
    assert!((100..=115).contains(&first), "{first}");
    let presence = json!({"status": "online", "since": null, "activities": [], "afk": false});
    assert_eq!(rig.give(Input::Command(Command::Presence(presence))), []);
    let mut late = Vec::new();
    while sent(&late, 3).is_empty() {
        late.extend(rig.sleep());
        rig.text(json!({"op": 11}));
    }
    let ops: Vec<_> = late
        .iter()
        .filter_map(|output| match output {
            Output::SendText(text) => Envelope::parse(text).ok().map(|envelope| envelope.op),
            _ => None,
        })
        .filter(|op| *op != 1)
        .collect();
    assert_eq!(ops, [4, 3]);
    assert!(rig.seconds() >= 59.0);
}

#[test]
fn the_latest_presence_is_part_of_the_next_identify() {
    let mut rig = Rig::live(config(1));
    let presence = json!({"status": "idle", "since": null, "activities": [], "afk": false});
    let out = rig.give(Input::Command(Command::Presence(presence.clone())));
    assert_eq!(sent(&out, 3), std::slice::from_ref(&presence));
    rig.close(4007);
    rig.sleep();
    rig.hello();
    let out = rig.give(Input::IdentifyPermit);
    assert_eq!(sent(&out, 2)[0]["presence"], presence);
}

#[test]
fn a_presence_too_large_for_the_gateway_is_not_sent() {
    let mut rig = Rig::live(config(1));
    let huge = json!({"status": "x".repeat(5000)});
    assert_eq!(rig.give(Input::Command(Command::Presence(huge))), []);
    rig.close(4007);
    rig.sleep();
    rig.hello();
    let out = rig.give(Input::IdentifyPermit);
    assert_eq!(sent(&out, 2).len(), 1);
    assert!(sent(&out, 2)[0].get("presence").is_none());
}

#[test]
fn stop_closes_normally_and_is_the_end() {
    let mut rig = Rig::live(config(1));
    let out = rig.give(Input::Command(Command::Stop));
    assert_eq!(
        out,
        [
            Output::CloseWs { code: 1000 },
            Output::Stopped(StopReason::Asked)
        ]
    );
    assert_eq!(rig.shard.resumable(), None);
    assert_eq!((rig.give(Input::WsOpened), rig.wake), (vec![], None));
}
