#![allow(clippy::unwrap_used, clippy::indexing_slicing)]
use super::*;
use crate::voice::outbox::Body;
use mynah_wire::{EncryptionMode, GuildId, UserId};
use serde_json::{Value, json};

fn now() -> Instant {
    crate::clock::now()
}

/// Everything the peer wants done before it waits.
fn drain(peer: &mut Peer) -> Vec<Output> {
    let mut outputs = Vec::new();
    loop {
        match peer.poll() {
            Output::Wait(_) => return outputs,
            output => outputs.push(output),
        }
    }
}

fn deadline(peer: &mut Peer) -> Option<Instant> {
    loop {
        if let Output::Wait(deadline) = peer.poll() {
            return deadline;
        }
    }
}

/// The JSON sent, the close code, in order.
fn said(outputs: &[Output]) -> (Vec<Value>, Option<u16>) {
    let mut sent = Vec::new();
    let mut code = None;
    for output in outputs {
        match output {
            Output::Send(Frame::Text(text)) => sent.push(serde_json::from_str(text).unwrap()),
            Output::Close(number) => code = Some(*number),
            _ => {}
        }
    }
    (sent, code)
}

fn fresh(version: u8) -> (Peer, Instant) {
    let now = now();
    let mut peer = Peer::new(now, Some(version));
    drain(&mut peer);
    (peer, now)
}

const IDENTIFY: &str = r#"{"op":0,"d":{"server_id":"1","user_id":2,"session_id":"s","token":"t",
    "max_dave_protocol_version":1,"video":true,"streams":[{"type":"video"}],"channel_id":"3"}}"#;

fn live(version: u8) -> (Peer, Instant) {
    let (mut peer, now) = fresh(version);
    peer.handle(now, Input::Text(IDENTIFY));
    peer.handle(now, Input::Verdict(Verdict::Accepted));
    drain(&mut peer);
    (peer, now)
}

/// The close code one text frame leads to.
fn code_after(peer: &mut Peer, now: Instant, text: &str) -> Option<u16> {
    peer.handle(now, Input::Text(text));
    said(&drain(peer)).1
}

#[test]
fn hello_comes_first_and_unasked() {
    let mut peer = Peer::new(now(), Some(8));
    let (sent, code) = said(&drain(&mut peer));
    assert_eq!(sent[0]["op"], 8);
    assert_eq!(sent[0]["d"]["v"], 8);
    assert_eq!(sent[0]["d"]["heartbeat_interval"].as_f64(), Some(13_750.0));
    assert_eq!((sent.len(), code), (1, None));
}

#[test]
fn retired_and_missing_versions_are_closed_at_once() {
    for version in [None, Some(0), Some(3), Some(10)] {
        let mut peer = Peer::new(now(), version);
        let (sent, code) = said(&drain(&mut peer));
        assert_eq!((sent.len(), code), (0, Some(4012)), "{version:?}");
    }
}

#[test]
fn identify_reads_ids_as_text_or_number_and_ignores_unknown_keys() {
    let (mut peer, now) = fresh(8);
    peer.handle(now, Input::Text(IDENTIFY));
    let outputs = drain(&mut peer);
    let [Output::Ask(Ask::Identify(claim))] = outputs.as_slice() else {
        panic!("{outputs:?}");
    };
    assert_eq!(claim.guild_id, GuildId::new(1));
    assert_eq!(claim.user_id, Some(UserId::new(2)));
    assert_eq!(claim.max_dave_version, 1);
    assert!(
        !format!("{claim:?}").contains("\"t\""),
        "the token is secret"
    );
}

#[test]
fn a_refused_identify_closes_with_the_hubs_code() {
    for code in [4004, 4006, 4011, 4017] {
        let (mut peer, now) = fresh(8);
        peer.handle(now, Input::Text(IDENTIFY));
        drain(&mut peer);
        peer.handle(now, Input::Verdict(Verdict::Refused(code)));
        assert_eq!(said(&drain(&mut peer)).1, Some(code));
        assert_eq!(deadline(&mut peer), None);
    }
}

#[test]
fn anything_before_identify_is_not_authenticated() {
    for text in [
        r#"{"op":1,"d":{"protocol":"udp","data":{"address":"1.2.3.4","port":1,"mode":"x"}}}"#,
        r#"{"op":5,"d":{"speaking":1}}"#,
        r#"{"op":12,"d":{}}"#,
        r#"{"op":23,"d":{"transition_id":1}}"#,
    ] {
        let (mut peer, now) = fresh(8);
        assert_eq!(code_after(&mut peer, now, text), Some(4003), "{text}");
    }
    let (mut peer, now) = fresh(8);
    peer.handle(now, Input::Binary(&[26, 0, 1]));
    assert_eq!(said(&drain(&mut peer)).1, Some(4003));
}

#[test]
fn a_second_identify_or_resume_is_already_authenticated() {
    let (mut peer, now) = live(8);
    assert_eq!(code_after(&mut peer, now, IDENTIFY), Some(4005));
    let (mut peer, now) = live(8);
    let resume = r#"{"op":7,"d":{"server_id":"1","session_id":"s","token":"t"}}"#;
    assert_eq!(code_after(&mut peer, now, resume), Some(4005));
}

#[test]
fn unknown_opcodes_and_bad_payloads_have_their_own_codes() {
    for (text, expected) in [
        (r#"{"op":99,"d":{}}"#, 4001),
        (r#"{"op":2,"d":{}}"#, 4001),
        (r#"{"op":1234567,"d":{}}"#, 4001),
        (r#"{"op":-1}"#, 4001),
        ("hello", 4002),
        ("", 4002),
        (r#"{"d":1}"#, 4002),
        (r#"{"op":"5"}"#, 4002),
        (r#"{"op":5,"d":"loud"}"#, 4002),
        (r#"{"op":5,"seq":-9}"#, 4002),
        (r#"{"op":3,"d":"soon"}"#, 4002),
        (r#"{"op":1,"d":{"protocol":"udp"}}"#, 4002),
    ] {
        let (mut peer, now) = live(8);
        assert_eq!(code_after(&mut peer, now, text), Some(expected), "{text}");
    }
    let (mut peer, now) = fresh(8);
    assert_eq!(code_after(&mut peer, now, r#"{"op":0,"d":{}}"#), Some(4002));
    for (bytes, expected) in [(&[][..], 4002), (&[99, 1][..], 4001)] {
        let (mut peer, now) = live(8);
        peer.handle(now, Input::Binary(bytes));
        assert_eq!(said(&drain(&mut peer)).1, Some(expected));
    }
}

#[test]
fn select_protocol_wants_udp_and_an_ipv4_address() {
    let select = |protocol: &str, address: &str, mode: &str| {
        json!({"op": 1, "d": {"protocol": protocol,
            "data": {"address": address, "port": 51000, "mode": mode},
            "codecs": [{"name": "opus"}]}})
        .to_string()
    };
    let (mut peer, now) = live(8);
    let webrtc = select("webrtc", "1.2.3.4", "x");
    assert_eq!(code_after(&mut peer, now, &webrtc), Some(4012));
    let (mut peer, now) = live(8);
    let nowhere = select("udp", "nowhere", "x");
    assert_eq!(code_after(&mut peer, now, &nowhere), Some(4020));
    for (name, expected) in [
        ("rot13", None),
        (
            "aead_aes256_gcm_rtpsize",
            Some(EncryptionMode::Aes256GcmRtpSize),
        ),
    ] {
        let (mut peer, now) = live(8);
        peer.handle(now, Input::Text(&select("udp", "1.2.3.4", name)));
        let outputs = drain(&mut peer);
        let [Output::Ask(Ask::Select { address, mode })] = outputs.as_slice() else {
            panic!("{outputs:?}");
        };
        assert_eq!(*address, "1.2.3.4:51000".parse().unwrap());
        assert_eq!(*mode, expected);
    }
}

#[test]
fn heartbeats_are_echoed_in_the_form_of_the_version() {
    let (mut peer, now) = live(8);
    peer.handle(now, Input::Text(r#"{"op":3,"d":{"t":7,"seq_ack":3}}"#));
    assert_eq!(said(&drain(&mut peer)).0, [json!({"op": 6, "d": {"t": 7}})]);
    let (mut peer, now) = live(4);
    peer.handle(now, Input::Text(r#"{"op":3,"d":1501184119561}"#));
    assert_eq!(
        said(&drain(&mut peer)).0,
        [json!({"op": 6, "d": 1_501_184_119_561_u64})]
    );
    let (mut early, now) = fresh(8);
    early.handle(now, Input::Text(r#"{"op":3,"d":{"t":1}}"#));
    assert_eq!(said(&drain(&mut early)).0.len(), 1);
}

#[test]
fn a_client_that_never_identifies_is_closed_after_ten_seconds() {
    let (mut peer, start) = fresh(8);
    assert_eq!(deadline(&mut peer), Some(start + IDENTIFY_TIMEOUT));
    let almost = start + IDENTIFY_TIMEOUT - Duration::from_millis(1);
    peer.handle(almost, Input::Text(r#"{"op":3,"d":{"t":1}}"#));
    peer.handle(almost, Input::Tick);
    assert_eq!(said(&drain(&mut peer)).1, None);
    peer.handle(start + IDENTIFY_TIMEOUT, Input::Tick);
    assert_eq!(said(&drain(&mut peer)).1, Some(4003));
}

#[test]
fn a_silent_client_times_out_and_may_resume() {
    let (mut peer, start) = live(8);
    let beat = start + HEARTBEAT_INTERVAL;
    peer.handle(beat, Input::Text(r#"{"op":3,"d":{"t":1}}"#));
    drain(&mut peer);
    assert_eq!(deadline(&mut peer), Some(beat + HEARTBEAT_TIMEOUT));
    peer.handle(beat + HEARTBEAT_TIMEOUT, Input::Tick);
    let outputs = drain(&mut peer);
    assert_eq!(said(&outputs).1, Some(4009));
    assert!(matches!(
        outputs.last(),
        Some(Output::Ask(Ask::Gone(Gone::Resumable)))
    ));
}

#[test]
fn which_ends_allow_a_resume() {
    let gone = |input: Input<'_>| {
        let (mut peer, now) = live(8);
        peer.handle(now, input);
        match drain(&mut peer).pop() {
            Some(Output::Ask(Ask::Gone(gone))) => gone,
            other => panic!("{other:?}"),
        }
    };
    for code in [1001, ABRUPT, 4009, 4013, 4015] {
        assert_eq!(gone(Input::Close(code)), Gone::Resumable, "{code}");
    }
    for code in [
        4001, 4002, 4003, 4004, 4005, 4006, 4011, 4012, 4014, 4016, 4017, 4020, 4021, 4022,
    ] {
        assert_eq!(gone(Input::Close(code)), Gone::Finished, "{code}");
    }
    for code in [None, Some(1001), Some(1006), Some(4900)] {
        assert_eq!(gone(Input::Closed(code)), Gone::Resumable, "{code:?}");
    }
    for code in [Some(1000), Some(4014)] {
        assert_eq!(gone(Input::Closed(code)), Gone::Finished, "{code:?}");
    }
}

#[test]
fn resume_says_what_it_has_and_gets_the_rest_after_op_9() {
    let message = |seq| Message {
        seq,
        body: Body::json(13, &json!({"user_id": "5"})),
    };
    for (keys, version, expected) in [
        (r#","seq_ack":10"#, 8, Replay::After(10)),
        (r#","seq":11"#, 8, Replay::After(11)),
        (r#","seq_ack":-1"#, 8, Replay::All),
        ("", 8, Replay::Nothing),
        (r#","seq_ack":10"#, 4, Replay::Nothing),
    ] {
        let (mut peer, now) = fresh(version);
        let text =
            format!(r#"{{"op":7,"d":{{"server_id":1,"session_id":"s","token":"t"{keys}}}}}"#);
        peer.handle(now, Input::Text(&text));
        let outputs = drain(&mut peer);
        let [Output::Ask(Ask::Resume { replay, .. })] = outputs.as_slice() else {
            panic!("{outputs:?}");
        };
        assert_eq!(*replay, expected, "{keys} v{version}");
        peer.handle(
            now,
            Input::Verdict(Verdict::Resumed(vec![message(65_535), message(0)])),
        );
        let (sent, _) = said(&drain(&mut peer));
        assert_eq!(sent[0], json!({"op": 9, "d": null}));
        assert_eq!(sent[1].get("seq").is_some(), version >= 8);
        assert_eq!(sent.len(), 3);
        assert_eq!(deadline(&mut peer), Some(now + HEARTBEAT_TIMEOUT));
    }
}

#[test]
fn version_9_must_name_the_channel() {
    let (mut peer, now) = fresh(9);
    let without = r#"{"op":0,"d":{"server_id":"1","user_id":"2","session_id":"s","token":"t"}}"#;
    assert_eq!(code_after(&mut peer, now, without), Some(4020));
    let (mut peer, now) = fresh(9);
    assert_eq!(code_after(&mut peer, now, IDENTIFY), None);
}

#[test]
fn a_flood_of_payloads_is_rate_limited_and_a_steady_stream_is_not() {
    let (mut peer, now) = live(8);
    let beat = r#"{"op":3,"d":{"t":1}}"#;
    let codes: Vec<_> = (0..PAYLOAD_BURST + 1)
        .map(|_| code_after(&mut peer, now, beat))
        .collect();
    assert_eq!(codes.iter().flatten().collect::<Vec<_>>(), [&4021]);
    let (mut peer, start) = live(8);
    for beat_number in 0..2_000 {
        let now = start + PAYLOAD_REFILL * beat_number;
        assert_eq!(code_after(&mut peer, now, beat), None);
    }
}

#[test]
fn speaking_is_read_with_and_without_a_source() {
    for text in [
        r#"{"op":5,"d":{"speaking":1,"delay":0,"ssrc":12871}}"#,
        r#"{"op":5,"d":{"speaking":1,"delay":0}}"#,
    ] {
        let (mut peer, now) = live(8);
        peer.handle(now, Input::Text(text));
        let outputs = drain(&mut peer);
        assert!(
            matches!(outputs.as_slice(), [Output::Ask(Ask::Speaking(1))]),
            "{outputs:?}"
        );
    }
}

#[test]
fn dave_messages_pass_to_the_hub_in_both_forms() {
    let (mut peer, now) = live(8);
    peer.handle(now, Input::Binary(&[26, 0, 1]));
    peer.handle(now, Input::Text(r#"{"op":23,"d":{"transition_id":4}}"#));
    let outputs = drain(&mut peer);
    let [
        Output::Ask(Ask::Dave { op: 26, payload }),
        Output::Ask(Ask::Dave {
            op: 23,
            payload: json,
        }),
    ] = outputs.as_slice()
    else {
        panic!("{outputs:?}");
    };
    assert_eq!(payload, &[0, 1]);
    assert_eq!(json, br#"{"transition_id":4}"#);
}

#[test]
fn random_input_never_panics_and_always_ends_in_wait() {
    let mut rng = mynah_wire::rng::Rng::new(11);
    let words = [
        "{",
        "}",
        "\"op\"",
        ":",
        "0",
        "7",
        "1",
        "3",
        "5",
        ",",
        "\"d\"",
        "null",
        "-1",
        "\"t\"",
        "99999999999999999999",
        "[",
        "]",
        "é",
    ];
    for _ in 0..2_000 {
        let (mut peer, now) = fresh(8);
        for _ in 0..rng.below(6) {
            let text: String = (0..rng.below(12))
                .map(|_| words[rng.below(words.len() as u64) as usize])
                .collect();
            peer.handle(now, Input::Text(&text));
            peer.handle(now, Input::Binary(text.as_bytes()));
            drain(&mut peer);
        }
    }
}
