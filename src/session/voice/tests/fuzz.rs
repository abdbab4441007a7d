//! Random inputs: no panic, always `Wait`, bounded output.

use mynah_wire::rng::Rng;

use super::super::*;
use super::rig::{Rig, ended};

const TEXTS: &[&str] = &[
    r#"{"op":8,"d":{"v":8,"heartbeat_interval":13750.0}}"#,
    r#"{"op":8,"d":{"v":8,"heartbeat_interval":0}}"#,
    r#"{"op":8,"d":{"heartbeat_interval":-1e300}}"#,
    r#"{"op":8}"#,
    r#"{"op":2,"d":{"ssrc":1,"ip":"127.0.0.1","port":1,"modes":["aead_aes256_gcm_rtpsize"]},"seq":1}"#,
    r#"{"op":2,"d":{"ssrc":1,"ip":"::1","port":0,"modes":["aead_xchacha20_poly1305_rtpsize"]},"seq":65535}"#,
    r#"{"op":2,"d":{"ssrc":1,"ip":"localhost","port":1,"modes":[]}}"#,
    r#"{"op":4,"d":{"mode":"aead_aes256_gcm_rtpsize","secret_key":[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1],"dave_protocol_version":0}}"#,
    r#"{"op":4,"d":{"mode":"aead_aes256_gcm_rtpsize","secret_key":[1],"dave_protocol_version":0}}"#,
    r#"{"op":4,"d":{"mode":"rot13","secret_key":[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1],"dave_protocol_version":1}}"#,
    r#"{"op":3}"#,
    r#"{"op":5,"d":{"speaking":1,"ssrc":1,"user_id":"5"}}"#,
    r#"{"op":5,"d":{"speaking":-1}}"#,
    r#"{"op":6,"d":5}"#,
    r#"{"op":6,"d":{"t":"x"}}"#,
    r#"{"op":9,"d":null}"#,
    r#"{"op":11,"d":{"user_ids":["1"]}}"#,
    r#"{"op":11,"d":{"user_ids":["x"]}}"#,
    r#"{"op":13,"d":{"user_id":1}}"#,
    r#"{"op":255,"seq":70000}"#,
    r#"{"op":21,"d":{"transition_id":0,"protocol_version":0}}"#,
    r#"{"op":21,"d":{"transition_id":5,"protocol_version":1}}"#,
    r#"{"op":22,"d":{"transition_id":5}}"#,
    r#"{"op":24,"d":{"protocol_version":1,"epoch":1}}"#,
    r#"{"op":31,"d":["transition_id",5]}"#,
    r#"{"op":25"#,
    "null",
    "",
];

fn random_input<'a>(rng: &mut Rng, datagram: &'a mut [u8; 74]) -> Input<'a> {
    let code = match rng.below(4) {
        0 => None,
        1 => Some(1000 + rng.below(8) as u16),
        _ => Some(4000 + rng.below(24) as u16),
    };
    let channel_id = ChannelId::new(70 + rng.below(2));
    match rng.below(40) {
        0 => Input::StateUpdate {
            channel_id: None,
            session_id: "s",
        },
        1..=4 => Input::StateUpdate {
            channel_id: Some(channel_id),
            session_id: "s",
        },
        5 => Input::ServerUpdate {
            token: "t",
            endpoint: None,
        },
        6 => Input::ServerUpdate {
            token: "t",
            endpoint: Some(""),
        },
        7..=10 => Input::ServerUpdate {
            token: ["a", "b"][rng.below(2) as usize],
            endpoint: Some("wss://e:1/"),
        },
        11..=15 => Input::WsOpened,
        16..=17 => Input::WsClosed { code },
        18 => Input::WsBinary(&datagram[..3]),
        19 => Input::Move { channel_id },
        20 if rng.chance(0.05) => Input::Leave,
        21 => Input::Main([Main::Lost, Main::Resumed, Main::New][rng.below(3) as usize]),
        22..=23 => Input::Tick,
        24..=27 => {
            for byte in datagram.iter_mut() {
                *byte = rng.next_u64() as u8;
            }
            if rng.chance(0.9) {
                *datagram = mynah_wire::udp::Discovery::Response {
                    ssrc: Ssrc(1),
                    address: "1.2.3.4".parse().unwrap(),
                    port: 5,
                }
                .write();
            }
            Input::Datagram(&datagram[..])
        }
        _ => Input::WsText(TEXTS[rng.below(TEXTS.len() as u64) as usize]),
    }
}

#[test]
fn random_inputs_never_panic_and_always_reach_wait() {
    let mut connected = 0;
    for seed in 0..6000 {
        let mut rng = Rng::new(seed);
        let (mut rig, mut last) = Rig::with(seed, |config| {
            config.allow_legacy_modes = seed % 2 == 0;
            config.give_up_after = Duration::from_secs(rng.below(900));
        });
        let mut datagram = [0u8; 74];
        let mut over = false;
        for _ in 0..80 {
            rig.now += Duration::from_millis(rng.below(3000));
            // Mostly a friendly server, so that the noise reaches every state.
            let out = if rng.chance(0.7) {
                rig.serve(&last)
            } else {
                rig.give(random_input(&mut rng, &mut datagram))
            };
            assert!(out.len() < 50, "seed {seed}");
            assert!(
                !over || out.is_empty(),
                "seed {seed}: nothing after the end"
            );
            connected += usize::from(
                out.iter()
                    .any(|output| matches!(output, Output::Event(Event::Connected { .. }))),
            );
            over |= ended(&out).is_some();
            last = out;
            for _ in 0..3 {
                let more = rig.give(Input::Tick);
                over |= ended(&more).is_some();
                last.extend(more);
            }
            // Ticking at one instant settles: no wake-up stays in the past.
            assert!(rig.wake.is_none_or(|wake| wake > rig.now), "seed {seed}");
            assert_eq!(
                over,
                rig.wake.is_none() && over,
                "seed {seed}: the end is the end"
            );
        }
    }
    assert!(connected > 50, "the fuzzer must get deep: {connected}");
}

#[test]
fn time_going_backwards_or_leaping_is_survived() {
    let mut rig = Rig::stable(1);
    let now = rig.now;
    rig.now = now - Duration::from_secs(5);
    rig.give(Input::Tick);
    rig.now = now + Duration::from_secs(86_400);
    for _ in 0..20 {
        rig.give(Input::Tick);
    }
    assert!(rig.wake.is_some_and(|wake| wake > rig.now));
}
