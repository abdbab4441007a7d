//! Every way to lose a connection, and the way back.

use mynah_wire::rng::Rng;
use serde_json::json;

use super::super::*;
use super::rig::{Rig, SSRC, closed, ended, events, joins, keys, opened, sent};

fn media_dropped(out: &[Output]) -> bool {
    out.contains(&Output::CloseUdp)
}

#[test]
fn resume_keeps_keys_and_udp_after_close_4015() {
    for code in [
        Some(4015),
        Some(4013),
        Some(4009),
        Some(1006),
        Some(1000),
        None,
    ] {
        let mut rig = Rig::stable(1);
        rig.text(json!({"op": 11, "d": {"user_ids": []}, "seq": 10}));
        let out = rig.give(Input::WsClosed { code });
        assert!(matches!(&events(&out)[..], [Event::Lost { .. }]));
        assert_eq!(opened(&out), Some("wss://v.example:2048/?v=8"), "at once");
        assert!(joins(&out).is_empty() && !media_dropped(&out), "{code:?}");
        rig.give(Input::WsOpened);
        let out = rig.hello();
        assert_eq!(
            sent(&out, 7),
            [
                json!({"server_id": "8", "session_id": "main-session", "token": "token", "seq_ack": 10})
            ]
        );
        let replay = rig.text(json!({"op": 13, "d": {"user_id": "50"}, "seq": 11}));
        assert_eq!(events(&replay), [Event::Left(UserId::new(50))]);
        let out = rig.text(json!({"op": 9, "d": null}));
        assert_eq!(events(&out), [Event::Resumed]);
        assert!(keys(&out).is_none());
    }
}

#[test]
fn op_5_is_said_again_after_a_resume_for_the_first_may_be_lost() {
    let mut rig = Rig::live(1);
    rig.give(Input::WsClosed { code: None });
    rig.give(Input::WsOpened);
    rig.hello();
    let out = rig.text(json!({"op": 9, "d": null}));
    assert_eq!(
        sent(&out, 5),
        [json!({"speaking": 1, "delay": 0, "ssrc": SSRC})]
    );
}

#[test]
fn a_resume_that_fails_three_times_becomes_a_rejoin() {
    let mut rig = Rig::stable(1);
    let mut out = rig.close(4015);
    for _ in 0..3 {
        while opened(&out).is_none() {
            out = rig.sleep();
        }
        rig.give(Input::WsOpened);
        assert_eq!(sent(&rig.hello(), 7).len(), 1);
        out = rig.close(1006);
    }
    assert!(media_dropped(&out));
    let out = rig.sleep();
    assert_eq!(joins(&out), [None, Some(ChannelId::new(70))]);
}

#[test]
fn an_invalid_session_rejoins_and_never_resumes() {
    for code in [4006, 4011, 4004] {
        let mut rig = Rig::stable(1);
        let out = rig.close(code);
        assert!(media_dropped(&out), "{code}");
        let out = rig.sleep();
        assert_eq!(joins(&out), [None, Some(ChannelId::new(70))]);
        assert_eq!(rig.state(None), [], "the echo of our own leave");
        let all = rig.settle(vec![Output::JoinMain {
            channel_id: Some(ChannelId::new(70)),
        }]);
        assert!(sent(&all, 7).is_empty());
        assert_eq!(sent(&all, 0).len(), 1);
        assert!(keys(&all).is_some());
    }
}

#[test]
fn a_timeout_while_resuming_rejoins() {
    let mut rig = Rig::stable(1);
    rig.close(4009);
    rig.give(Input::WsOpened);
    rig.hello();
    rig.close(4009);
    assert_eq!(joins(&rig.sleep()), [None, Some(ChannelId::new(70))]);
}

#[test]
fn not_authenticated_identifies_anew_with_the_same_credentials() {
    for code in [4003, 4005, 4001] {
        let mut rig = Rig::stable(1);
        let out = rig.close(code);
        assert!(media_dropped(&out) && joins(&out).is_empty());
        let out = rig.sleep();
        assert!(opened(&out).is_some(), "{code}");
        rig.give(Input::WsOpened);
        assert_eq!(sent(&rig.hello(), 0)[0]["token"], "token");
    }
}

#[test]
fn codes_that_retrying_cannot_change_end_at_once() {
    for code in [4012, 4017] {
        let mut rig = Rig::stable(1);
        let out = rig.close(code);
        let Some(reason @ EndReason::Refused { code: said, .. }) = ended(&out) else {
            panic!("{code} must end: {out:?}");
        };
        assert_eq!(said, code);
        assert!(!reason.remedy().is_empty());
        assert_eq!(joins(&out), [None]);
        assert_eq!(closed(&out), None, "the socket is gone already");
    }
}

#[test]
fn our_own_bugs_are_not_repeated_for_ever() {
    for (code, tries) in [(4002, 1), (4020, 1), (4001, 2), (4004, 3)] {
        let mut rig = Rig::stable(1);
        let mut out = rig.close(code);
        let mut tried = 0;
        let reason = loop {
            if let Some(reason) = ended(&out) {
                break reason;
            }
            let identified = !sent(&out, 0).is_empty();
            out = if identified {
                tried += 1;
                rig.close(code)
            } else if out.is_empty() || opened(&out).is_none() && joins(&out).is_empty() {
                rig.sleep()
            } else {
                rig.serve(&out)
            };
        };
        assert!(matches!(reason, EndReason::Refused { .. }), "{code}");
        assert_eq!(tried, tries, "{code}");
    }
}

#[test]
fn an_unknown_mode_tries_the_next_one_and_ends_after_the_last() {
    let (mut rig, _) = Rig::new(1);
    rig.connect_to_ready();
    let offered = ["aead_aes256_gcm_rtpsize", "aead_xchacha20_poly1305_rtpsize"];
    rig.ready(&offered);
    rig.discovered();
    rig.close(4016);
    rig.sleep();
    rig.give(Input::WsOpened);
    rig.hello();
    rig.ready(&offered);
    let out = rig.discovered();
    assert_eq!(sent(&out, 1)[0]["data"]["mode"], offered[1]);
    assert!(matches!(
        ended(&rig.close(4016)),
        Some(EndReason::Refused { code: 4016, .. })
    ));
}

#[test]
fn after_4014_the_main_gateway_decides() {
    for code in [4014, 4022] {
        // It says: kicked.
        let mut rig = Rig::stable(1);
        let out = rig.close(code);
        assert!(media_dropped(&out) && joins(&out).is_empty());
        assert_eq!(ended(&rig.state(None)), Some(EndReason::Disconnected));

        // It says: moved.
        let mut rig = Rig::stable(1);
        rig.close(code);
        assert_eq!(rig.state(Some(71)), []);
        let out = rig.server("new", "w.example:443");
        let all = rig.settle(out);
        assert_eq!(sent(&all, 0)[0]["token"], "new");
        assert!(keys(&all).is_some());

        // It says nothing for five seconds.
        let mut rig = Rig::stable(1);
        rig.close(code);
        assert_eq!(rig.seconds_to_wake(), 5.0);
        assert_eq!(ended(&rig.sleep()), Some(EndReason::Disconnected));
    }
}

#[test]
fn a_move_told_before_the_close_migrates_at_once() {
    let mut rig = Rig::stable(1);
    assert_eq!(rig.state(Some(71)), []);
    let out = rig.server("new", "v.example:2048");
    assert_eq!(closed(&out), Some(1000));
    assert!(media_dropped(&out) && opened(&out).is_some());
    let all = rig.settle(out);
    assert_eq!(sent(&all, 0)[0]["token"], "new");
    // From now on the new channel is home.
    rig.pass(Duration::from_secs(20));
    rig.close(4006);
    assert_eq!(joins(&rig.sleep()), [None, Some(ChannelId::new(71))]);
}

#[test]
fn a_server_migration_identifies_at_the_new_endpoint() {
    let mut rig = Rig::stable(1);
    let out = rig.server("token", "other.example:443");
    assert_eq!(opened(&out), Some("wss://other.example:443/?v=8"));
    let all = rig.settle(out);
    assert!(sent(&all, 7).is_empty() && keys(&all).is_some());
}

#[test]
fn a_server_update_delivered_twice_changes_nothing() {
    let mut rig = Rig::stable(1);
    assert_eq!(rig.server("token", "v.example:2048"), []);
}

#[test]
fn without_a_server_the_session_waits_for_the_next_one_without_asking() {
    let mut rig = Rig::stable(1);
    let out = rig.give(Input::ServerUpdate {
        token: "token",
        endpoint: None,
    });
    assert_eq!(closed(&out), Some(1000));
    assert!(media_dropped(&out) && joins(&out).is_empty());
    assert_eq!(rig.seconds_to_wake(), 600.0);
    rig.now += Duration::from_secs(300);
    let out = rig.server("token", "v.example:2048");
    assert!(
        opened(&out).is_some(),
        "even with the credentials of before"
    );
}

#[test]
fn a_server_that_never_comes_back_ends_the_session() {
    let mut rig = Rig::stable(1);
    rig.give(Input::ServerUpdate {
        token: "token",
        endpoint: None,
    });
    assert!(matches!(
        ended(&rig.sleep()),
        Some(EndReason::GaveUp { .. })
    ));
}

#[test]
fn rate_limited_waits_at_least_half_a_minute() {
    for seed in 0..30 {
        let mut rig = Rig::stable(seed);
        rig.close(4021);
        assert!(
            (30.0..=60.0).contains(&rig.seconds_to_wake()),
            "seed {seed}"
        );
        assert_eq!(joins(&rig.sleep()).len(), 2);
    }
}

#[test]
fn two_missed_heartbeats_close_resumably_and_resume() {
    let mut rig = Rig::stable(1);
    let mut all = Vec::new();
    while closed(&all).is_none() {
        all.extend(rig.sleep());
    }
    assert_eq!(closed(&all), Some(4900));
    assert!(!media_dropped(&all));
    let out = rig.sleep();
    assert!(opened(&out).is_some());
}

#[test]
fn a_handshake_step_without_answer_starts_over() {
    for step in 0..4 {
        let (mut rig, _) = Rig::new(1);
        rig.state(Some(70));
        rig.server("token", "v.example:2048");
        if step >= 1 {
            rig.give(Input::WsOpened);
        }
        if step >= 2 {
            rig.hello();
        }
        if step >= 3 {
            rig.ready(&["aead_aes256_gcm_rtpsize"]);
            rig.discovered();
        }
        let out = rig.pass(Duration::from_secs(12));
        assert_eq!(closed(&out), Some(1000), "step {step}");
        assert!(opened(&out).is_some(), "step {step}");
    }
}

#[test]
fn the_server_gone_for_good_gives_up_after_the_configured_time() {
    let mut rig = Rig::stable(1);
    let lost_at = rig.seconds();
    let mut out = rig.close(1006);
    let reason = loop {
        if let Some(reason) = ended(&out) {
            break reason;
        }
        out = if opened(&out).is_some() {
            rig.give(Input::WsClosed { code: None })
        } else if joins(&out).contains(&Some(ChannelId::new(70))) {
            rig.state(Some(70));
            rig.server("t", "v.example:2048")
        } else {
            rig.sleep()
        };
    };
    assert!(matches!(reason, EndReason::GaveUp { .. }), "{reason:?}");
    let took = rig.seconds() - lost_at;
    assert!((530.0..=605.0).contains(&took), "{took}");
}

#[test]
fn moving_asks_and_a_denied_move_stays() {
    let mut rig = Rig::stable(1);
    let out = rig.give(Input::Move {
        channel_id: ChannelId::new(71),
    });
    assert_eq!(joins(&out), [Some(ChannelId::new(71))]);
    // No answer: the connection goes on, and a later rejoin goes to the old channel.
    rig.pass(Duration::from_secs(60));
    rig.close(4006);
    assert_eq!(joins(&rig.sleep()), [None, Some(ChannelId::new(70))]);
}

#[test]
fn a_move_while_joining_asks_again() {
    let (mut rig, _) = Rig::new(1);
    rig.now += Duration::from_secs(10);
    let out = rig.give(Input::Move {
        channel_id: ChannelId::new(71),
    });
    assert_eq!(joins(&out), [Some(ChannelId::new(71))]);
    assert_eq!(rig.seconds_to_wake(), 15.0);
}

#[test]
fn a_close_4014_is_not_judged_while_the_main_gateway_is_away() {
    let mut rig = Rig::stable(1);
    rig.close(4014);
    rig.give(Input::Main(Main::Lost));
    let out = rig.pass(Duration::from_secs(60));
    assert_eq!(ended(&out), None, "nobody could explain it yet");
    rig.give(Input::Main(Main::Resumed));
    // The explanation: a moderator moved us.
    rig.state(Some(71));
    let out = rig.server("token-2", "v.example:2048");
    assert!(opened(&out).is_some());
    // And without an explanation it ends, counted from the return of the gateway.
    let mut rig = Rig::stable(1);
    rig.give(Input::Main(Main::Lost));
    rig.close(4014);
    rig.pass(Duration::from_secs(60));
    rig.give(Input::Main(Main::Resumed));
    assert_eq!(ended(&rig.pass(Duration::from_secs(4))), None);
    let out = rig.pass(Duration::from_secs(2));
    assert_eq!(ended(&out), Some(EndReason::Disconnected));
}

#[test]
fn a_main_gateway_that_never_returns_is_given_up() {
    let mut rig = Rig::stable(1);
    rig.give(Input::Main(Main::Lost));
    rig.close(4014);
    let out = rig.pass(Duration::from_secs(601));
    assert!(matches!(ended(&out), Some(EndReason::GaveUp { .. })));
}

#[test]
fn a_new_main_session_joins_again_with_new_credentials_whatever_the_voice_connection_does() {
    for closed_first in [false, true] {
        let mut rig = Rig::stable(1);
        rig.give(Input::Main(Main::Lost));
        if closed_first {
            rig.close(4014);
            rig.pass(Duration::from_secs(30));
        }
        let out = rig.give(Input::Main(Main::New));
        assert_eq!(joins(&out), [Some(ChannelId::new(70))], "no leave first");
        assert!(closed_first || media_dropped(&out));
        // The server may come before the state: the old session's id must not be used.
        let out = rig.server("token-2", "v.example:2048");
        assert_eq!(opened(&out), None);
        let out = rig.give(Input::StateUpdate {
            channel_id: Some(ChannelId::new(70)),
            session_id: "main-session-2",
        });
        assert!(opened(&out).is_some());
        rig.give(Input::WsOpened);
        let identify = sent(&rig.hello(), 0);
        assert_eq!(identify[0]["session_id"], "main-session-2");
        assert_eq!(identify[0]["token"], "token-2");
    }
}

#[test]
fn a_join_is_not_denied_while_the_main_gateway_is_away() {
    let (mut rig, _) = Rig::new(1);
    rig.give(Input::Main(Main::Lost));
    assert_eq!(ended(&rig.pass(Duration::from_secs(60))), None);
    rig.give(Input::Main(Main::Resumed));
    assert_eq!(rig.seconds_to_wake(), 15.0);
}

/// An hour of random closes against a friendly server: always back, and quickly.
#[test]
fn an_hour_of_random_closes_always_comes_back() {
    for seed in 0..40 {
        let mut rng = Rng::new(seed);
        let mut rig = Rig::stable(seed);
        let mut losses = 0;
        while rig.seconds() < 3600.0 {
            let code = [1006, 4015, 4013, 4006, 4009, 4003, 4000, 1001][rng.below(8) as usize];
            let mut all = rig.close(code);
            let lost_at = rig.now;
            losses += 1;
            // Some losses hit the recovery too.
            if rng.chance(0.3) && opened(&all).is_some() {
                all = rig.close(1006);
            }
            loop {
                all = rig.settle(all);
                assert_eq!(ended(&all), None, "seed {seed} code {code}");
                let back = events(&all)
                    .iter()
                    .any(|event| matches!(event, Event::Resumed | Event::Connected { .. }));
                if back {
                    break;
                }
                all = rig.sleep();
            }
            let took = rig.now - lost_at;
            assert!(
                took < Duration::from_secs(5),
                "seed {seed} code {code}: {took:?}"
            );
            rig.pass(Duration::from_secs(15 + rng.below(60)));
        }
        assert!(losses > 30, "seed {seed}");
    }
}
