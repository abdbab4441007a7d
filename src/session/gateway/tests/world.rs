//! Long runs in virtual time: days of failures, hours of losses, random inputs.

use mynah_wire::rng::Rng;
use serde_json::json;

use super::super::*;
use super::rig::{Rig, closed, config, join, opened, sent};

#[test]
fn a_day_of_failing_identifies_stays_far_below_a_thousand() {
    for seed in 0..3 {
        let (mut rig, mut out) = Rig::new(config(seed));
        let mut identifies = 0;
        while rig.seconds() < 86_400.0 {
            if opened(&out).is_some() {
                rig.hello();
                identifies += sent(&rig.give(Input::IdentifyPermit), 2).len();
                rig.close(4003);
            }
            out = rig.sleep();
        }
        assert!(
            (300..900).contains(&identifies),
            "seed {seed}: {identifies}"
        );
    }
}

/// A gateway that numbers events, keeps them all, and loses connections at random.
#[test]
fn an_hour_of_random_losses_loses_no_event() {
    for seed in 0..20 {
        let mut rng = Rng::new(seed);
        let (mut rig, mut out) = Rig::new(config(seed));
        let (mut sent_seq, mut received, mut up, mut losses) = (0u64, Vec::new(), false, 0);
        while rig.seconds() < 3600.0 {
            for output in std::mem::take(&mut out) {
                match output {
                    Output::OpenWs { .. } if rng.chance(0.2) => {
                        out.extend(rig.give(Input::WsClosed { code: None }));
                    }
                    Output::OpenWs { .. } => out.extend(rig.hello()),
                    Output::WantIdentify => out.extend(rig.give(Input::IdentifyPermit)),
                    Output::SendText(text) => {
                        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
                        match value["op"].as_u64() {
                            Some(1) if rng.chance(0.98) => out.extend(rig.text(json!({"op": 11}))),
                            Some(2) => {
                                assert_eq!(sent_seq, 0, "seed {seed}: only one identify");
                                sent_seq = 1;
                                up = true;
                                out.extend(rig.ready());
                            }
                            Some(6) => {
                                let from = value["d"]["seq"].as_u64().unwrap();
                                for seq in from + 1..=sent_seq {
                                    out.extend(
                                        rig.text(json!({"op": 0, "s": seq, "t": "E", "d": {}})),
                                    );
                                }
                                sent_seq += 1;
                                up = true;
                                out.extend(rig.text(
                                    json!({"op": 0, "s": sent_seq, "t": "RESUMED", "d": {}}),
                                ));
                            }
                            _ => {}
                        }
                    }
                    Output::CloseWs { code } => {
                        assert_eq!(code, 4900, "seed {seed}");
                        up = false;
                    }
                    Output::Dispatch { seq, .. } => received.push(seq),
                    Output::State(_) | Output::Stopped(_) | Output::Wait(_) => {}
                }
            }
            if !out.is_empty() {
                continue;
            }
            if !up {
                out = rig.sleep();
                continue;
            }
            out = rig.pass(Duration::from_secs(1 + rng.below(5)));
            if !up || closed(&out).is_some() {
                continue;
            }
            sent_seq += 1;
            if rng.chance(0.8) {
                out.extend(rig.text(json!({"op": 0, "s": sent_seq, "t": "E", "d": {}})));
            } else {
                // Lost with the connection; the replay must bring it.
                up = false;
                losses += 1;
                out.extend(rig.close([1006, 4000, 4001, 4009][rng.below(4) as usize]));
            }
        }
        assert!(losses > 20, "seed {seed}: {losses}");
        assert!(
            received.windows(2).all(|pair| pair[1] == pair[0] + 1),
            "seed {seed}: {received:?}"
        );
    }
}

#[test]
fn random_inputs_never_panic_and_always_reach_wait() {
    let texts: Vec<String> = [
        r#"{"op":10,"d":{"heartbeat_interval":0}}"#,
        r#"{"op":10,"d":{"heartbeat_interval":41250}}"#,
        r#"{"op":10,"d":{"heartbeat_interval":18446744073709551615}}"#,
        r#"{"op":0,"s":18446744073709551615,"t":"READY","d":{"session_id":"s"}}"#,
        r#"{"op":0,"s":1,"t":"READY","d":[]}"#,
        r#"{"op":0,"s":2,"t":"RESUMED","d":{}}"#,
        r#"{"op":0,"s":-3,"t":"X"}"#,
        r#"{"op":0,"t":5}"#,
        r#"{"op":1}"#,
        r#"{"op":7}"#,
        r#"{"op":9,"d":true}"#,
        r#"{"op":9,"d":false}"#,
        r#"{"op":9,"d":"?"}"#,
        r#"{"op":11}"#,
        r#"{"op":300}"#,
        "[]",
        "",
        "\u{0}",
    ]
    .map(str::to_owned)
    .into();
    for seed in 0..3000 {
        let mut rng = Rng::new(seed);
        let (mut rig, _) = Rig::new(config(seed));
        for _ in 0..60 {
            let text = &texts[rng.below(texts.len() as u64) as usize];
            let code = (rng.chance(0.8))
                .then(|| 995 + rng.below(10) as u16 + 3000 * u16::from(rng.chance(0.7)));
            let input = match rng.below(12) {
                0 => Input::WsOpened,
                1 => Input::WsClosed { code },
                2 => Input::IdentifyPermit,
                3 => Input::Command(join(rng.chance(0.5).then_some(1))),
                4 if rng.chance(0.02) => Input::Command(Command::Stop),
                4 => Input::Command(Command::Presence(json!({}))),
                5..=6 => Input::Tick,
                _ => Input::WsText(text),
            };
            rig.now += Duration::from_millis(rng.below(30_000));
            let out = rig.give(input);
            assert!(out.len() < 200, "seed {seed}");
            // Ticking at one instant settles: no wake-up stays in the past.
            for _ in 0..3 {
                rig.give(Input::Tick);
            }
            assert!(rig.wake.is_none_or(|wake| wake > rig.now), "seed {seed}");
        }
    }
}
