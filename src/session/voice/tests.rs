//! The voice session in virtual time, against a small scripted server.

mod dave;
mod fuzz;
mod losses;
mod rig;

use serde_json::json;

use super::*;
use rig::{KEY, Rig, SSRC, closed, ended, events, joins, keys, opened, sent};

#[test]
fn the_first_thing_is_to_ask_the_main_gateway() {
    let (rig, out) = Rig::new(1);
    assert_eq!(
        out,
        [Output::JoinMain {
            channel_id: Some(ChannelId::new(70))
        }]
    );
    assert_eq!(rig.seconds_to_wake(), 15.0);
}

#[test]
fn state_and_server_may_come_in_any_order() {
    for server_first in [false, true] {
        let (mut rig, _) = Rig::new(1);
        let out = if server_first {
            assert_eq!(rig.server("t", "v.example:2048"), []);
            rig.state(Some(70))
        } else {
            assert_eq!(rig.state(Some(70)), []);
            rig.server("t", "v.example:2048")
        };
        assert_eq!(opened(&out), Some("wss://v.example:2048/?v=8"));
    }
}

#[test]
fn the_whole_handshake_leads_to_speaking_then_keys() {
    let (mut rig, _) = Rig::new(1);
    rig.state(Some(70));
    rig.server("token", "wss://v.example:2048/");
    rig.give(Input::WsOpened);
    let out = rig.hello();
    assert_eq!(
        sent(&out, 0),
        [
            json!({"server_id": "8", "user_id": "90", "session_id": "main-session",
            "token": "token", "max_dave_protocol_version": 0})
        ]
    );
    let out = rig.ready(&["aead_xchacha20_poly1305_rtpsize", "aead_aes256_gcm_rtpsize"]);
    assert_eq!(
        out[0],
        Output::OpenUdp {
            peer: "127.0.0.1:50004".parse().unwrap()
        }
    );
    assert!(matches!(&out[1], Output::SendDatagram(bytes) if bytes.len() == 74));
    let out = rig.discovered();
    assert_eq!(
        sent(&out, 1),
        [
            json!({"protocol": "udp", "data": {"address": "198.51.100.4", "port": 51000,
            "mode": "aead_aes256_gcm_rtpsize"}})
        ]
    );
    let out = rig.describe("aead_aes256_gcm_rtpsize");
    assert_eq!(
        sent(&out, 5),
        [json!({"speaking": 1, "delay": 0, "ssrc": SSRC})]
    );
    let order: Vec<&str> = out
        .iter()
        .map(|output| match output {
            Output::SendText(_) => "speaking",
            Output::Event(Event::Connected { .. }) => "connected",
            Output::Keys(_) => "keys",
            Output::Media(MediaKeys::Sender(SenderKeys::Plain)) => "plain",
            Output::Media(MediaKeys::Passthrough(Passthrough::Always)) => "passthrough",
            Output::SendDatagram(_) => "ping",
            _ => "?",
        })
        .collect();
    let wanted = [
        "speaking",
        "connected",
        "keys",
        "plain",
        "passthrough",
        "ping",
    ];
    assert_eq!(order, wanted);
    assert_eq!(keys(&out).unwrap().secret_key, KEY);
}

#[test]
fn the_best_current_mode_is_chosen_and_legacy_only_when_allowed_and_alone() {
    let choose = |allow: bool, offered: &[&str]| {
        let (mut rig, _) = Rig::with(1, |config| config.allow_legacy_modes = allow);
        rig.connect_to_ready();
        rig.ready(offered);
        let out = rig.discovered();
        sent(&out, 1)
            .first()
            .map(|select| select["data"]["mode"].as_str().unwrap().to_owned())
    };
    let (gcm, xchacha) = ("aead_aes256_gcm_rtpsize", "aead_xchacha20_poly1305_rtpsize");
    let (old, older) = ("xsalsa20_poly1305_lite_rtpsize", "xsalsa20_poly1305");
    assert_eq!(choose(true, &[older, xchacha, gcm]).as_deref(), Some(gcm));
    assert_eq!(
        choose(true, &[older, xchacha, old]).as_deref(),
        Some(xchacha)
    );
    assert_eq!(choose(true, &[older, old]).as_deref(), Some(old));
    assert_eq!(choose(false, &[older, old]), None);
    assert_eq!(choose(true, &["rot13"]), None);
}

#[test]
fn no_common_mode_ends_with_a_remedy_and_leaves_the_channel() {
    let (mut rig, _) = Rig::new(1);
    rig.connect_to_ready();
    let out = rig.ready(&["xsalsa20_poly1305"]);
    let Some(reason) = ended(&out) else {
        panic!("must end");
    };
    assert_eq!(
        reason,
        EndReason::NoCommonMode {
            offered: vec!["xsalsa20_poly1305".into()]
        }
    );
    assert!(reason.to_string().contains("xsalsa20_poly1305"));
    assert!(reason.remedy().contains("allow_legacy_modes"));
    assert_eq!((closed(&out), joins(&out)), (Some(1000), vec![None]));
}

#[test]
fn discovery_is_resent_every_half_second_and_survives_heavy_loss() {
    for seed in 0..200 {
        let mut rng = mynah_wire::rng::Rng::new(seed);
        let (mut rig, _) = Rig::new(seed);
        rig.connect_to_ready();
        let mut requests = 0;
        let mut out = rig.ready(&["aead_aes256_gcm_rtpsize"]);
        while sent(&out, 1).is_empty() {
            if out
                .iter()
                .any(|output| matches!(output, Output::SendDatagram(_)))
            {
                requests += 1;
                // 20 % loss each way.
                if rng.chance(0.64) {
                    out = rig.discovered();
                    continue;
                }
            }
            assert!(requests <= 10, "seed {seed}");
            let before = rig.now;
            out = rig.sleep();
            assert_eq!(rig.now - before, Duration::from_millis(500), "seed {seed}");
        }
    }
}

#[test]
fn a_foreign_discovery_answer_is_ignored() {
    let (mut rig, _) = Rig::new(1);
    rig.connect_to_ready();
    rig.ready(&["aead_aes256_gcm_rtpsize"]);
    let foreign = mynah_wire::udp::Discovery::Response {
        ssrc: Ssrc(SSRC + 1),
        address: "198.51.100.4".parse().unwrap(),
        port: 1,
    };
    assert_eq!(rig.give(Input::Datagram(&foreign.write())), []);
    assert_eq!(rig.give(Input::Datagram(&[0, 2, 0])), []);
}

#[test]
fn blocked_udp_gives_up_with_that_reason() {
    let (mut rig, _) = Rig::with(1, |config| config.give_up_after = Duration::from_secs(60));
    rig.refuse_udp = true;
    let reason = rig.serve_until_ended(Duration::from_secs(120));
    let Some(EndReason::GaveUp { reason }) = reason else {
        panic!("must give up: {reason:?}");
    };
    assert!(reason.contains("UDP"), "{reason}");
}

#[test]
fn an_unanswered_join_is_denied() {
    let (mut rig, _) = Rig::new(1);
    let out = rig.sleep();
    assert_eq!(ended(&out), Some(EndReason::Denied));
    assert_eq!(joins(&out), [None]);
}

#[test]
fn a_state_without_a_server_means_we_were_there_already_so_leave_and_join() {
    let (mut rig, _) = Rig::new(1);
    rig.state(Some(70));
    let out = rig.sleep();
    assert_eq!(joins(&out), [None, Some(ChannelId::new(70))]);
    assert_eq!(rig.state(None), [], "the echo of our own leave");
    rig.state(Some(70));
    assert!(opened(&rig.server("t", "e:1")).is_some());
}

#[test]
fn heartbeats_carry_the_last_sequence_of_text_and_binary() {
    let mut rig = Rig::live(1);
    let beat = |rig: &mut Rig| {
        loop {
            let out = rig.sleep();
            if let Some(beat) = sent(&out, 3).first() {
                return beat["seq_ack"].as_i64().unwrap();
            }
        }
    };
    assert_eq!(beat(&mut rig), 2);
    rig.ack();
    rig.text(json!({"op": 99, "d": {}, "seq": 41}));
    assert_eq!(beat(&mut rig), 41);
    rig.ack();
    rig.give(Input::WsBinary(&[1, 0, 25, 9, 9]));
    assert_eq!(beat(&mut rig), 256);
}

#[test]
fn the_udp_ping_goes_every_five_seconds_and_measures() {
    let mut rig = Rig::live(1);
    let mut pings = Vec::new();
    while pings.len() < 3 {
        let out = rig.sleep();
        for output in &out {
            if let Output::SendDatagram(bytes) = output {
                assert_eq!(bytes[..4], [0x13, 0x37, 0xCA, 0xFE]);
                pings.push(rig.now);
                rig.now += Duration::from_millis(30);
                let mut answer = bytes.clone();
                answer[2..4].copy_from_slice(&[0xF0, 0x0D]);
                rig.give(Input::Datagram(&answer));
            }
        }
        if !sent(&out, 3).is_empty() {
            rig.ack();
        }
    }
    assert_eq!(
        rig.session.udp_round_trip(),
        Some(Duration::from_millis(30))
    );
    assert_eq!(pings[1] - pings[0], Duration::from_secs(5));
}

#[test]
fn people_are_reported() {
    let mut rig = Rig::live(1);
    let out = rig.text(json!({"op": 11, "d": {"user_ids": ["50", "51"]}, "seq": 3}));
    assert_eq!(
        events(&out),
        [Event::Joined(vec![UserId::new(50), UserId::new(51)])]
    );
    let out = rig.text(json!({"op": 5, "d": {"speaking": 1, "ssrc": 14001, "user_id": "50"}}));
    let (user_id, ssrc) = (UserId::new(50), Ssrc(14001));
    assert_eq!(
        events(&out),
        [Event::Speaking {
            user_id,
            ssrc,
            flags: 1
        }]
    );
    let out = rig.text(json!({"op": 13, "d": {"user_id": "50"}}));
    assert_eq!(events(&out), [Event::Left(user_id)]);
}

#[test]
fn a_new_key_is_adopted_and_a_repeated_one_is_not() {
    let mut rig = Rig::live(1);
    let out = rig.describe("aead_aes256_gcm_rtpsize");
    assert_eq!(out, [], "the same key again would start the nonces over");
    let out = rig.text(json!({"op": 4, "d": {"mode": "aead_aes256_gcm_rtpsize",
        "secret_key": vec![9; 32], "dave_protocol_version": 0}}));
    assert_eq!(keys(&out).unwrap().secret_key, [9; 32]);
    assert!(events(&out).is_empty());
}

#[test]
fn leaving_closes_everything_and_ends() {
    let mut rig = Rig::live(1);
    let out = rig.give(Input::Leave);
    assert_eq!(
        out,
        [
            Output::CloseWs { code: 1000 },
            Output::CloseUdp,
            Output::JoinMain { channel_id: None },
            Output::Event(Event::Ended(EndReason::Left)),
        ]
    );
    assert_eq!((rig.give(Input::Tick), rig.wake), (vec![], None));
}

#[test]
fn a_kick_ends_without_asking_again() {
    let mut rig = Rig::live(1);
    let out = rig.state(None);
    assert_eq!(ended(&out), Some(EndReason::Disconnected));
    assert!(joins(&out).is_empty());
}

#[test]
fn a_state_without_a_server_is_an_earlier_stay_and_is_left_and_joined_again_soon() {
    let (mut rig, _) = Rig::new(1);
    rig.state(Some(70));
    assert_eq!(joins(&rig.pass(Duration::from_millis(1_900))), []);
    let out = rig.pass(Duration::from_millis(200));
    assert_eq!(joins(&out), [None, Some(ChannelId::new(70))]);
    // The echo of the leave, then what a real join brings.
    assert_eq!(ended(&rig.state(None)), None);
    rig.connect_to_ready();
    let out = rig.finish_handshake();
    assert!(keys(&out).is_some(), "{out:?}");
}

#[test]
fn keys_are_never_printed() {
    let keys = TransportKeys {
        mode: EncryptionMode::XSalsa20,
        secret_key: [77; 32],
        ssrc: Ssrc(1),
    };
    assert!(!format!("{:?}", Output::Keys(keys)).contains("77"));
}
