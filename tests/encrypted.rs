//! End-to-end encryption as people meet it: rooms that demand it, codes that agree, a bot without it.
//!
//! The long form of the first test: `MYNAH_CHURN_S=60 cargo test --release --test encrypted misses`
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use mynah_audio::measure;
use mynah_testkit::{Control, Heard, Scene};
use mynah_wire::rng::Rng;
use serde_json::{Value, json};

const MYNAH: &str = env!("CARGO_BIN_EXE_mynah");
/// People who come and go.
const GUESTS: usize = 20;

fn samples(heard: &Heard) -> Vec<f32> {
    mynah_media::wav::read(&heard.bytes).unwrap().samples
}

fn sessions(state: &Value) -> &[Value] {
    state["voice_sessions"].as_array().unwrap()
}

fn session<'a>(state: &'a Value, user: &str) -> &'a Value {
    sessions(state)
        .iter()
        .find(|session| session["user_id"] == user)
        .unwrap_or(&Value::Null)
}

/// A room of that policy.
async fn room(control: &Control, kind: &str, dave: Option<&str>) -> String {
    let mut body = json!({ "guild_id": control.guild_id(), "name": "room", "kind": kind });
    if let Some(dave) = dave {
        body["dave"] = dave.into();
    }
    control.post("/channels", body).await["channel_id"]
        .as_str()
        .unwrap()
        .to_owned()
}

async fn user_in(control: &Control, channel: &str, name: &str) -> String {
    let user = control.user(name).await;
    control.join(&user, channel).await;
    user
}

async fn play(control: &Control, user: &str) {
    let said = control.say(user, "play", json!({ "query": "sweep" })).await;
    assert!(said.contains("Now playing"), "{said}");
}

/// Joins and leaves at random moments, with pauses of up to 400 ms, until the listener has heard
/// enough. Pauses are counted in what is heard: in the room by the guest, outside by a host.
async fn come_and_go(control: Control, at: [String; 2], name: usize, over: Arc<AtomicBool>) -> u32 {
    let [channel, host] = at;
    let mut rng = Rng::new(name as u64);
    let mut pause = || 0.02 + 0.38 * rng.unit_f64();
    let guest = control.user(&format!("guest {name}")).await;
    let mut rounds = 0;
    loop {
        control.hear(&host, pause(), "packets", None).await;
        if over.load(Ordering::Relaxed) {
            return rounds;
        }
        control.join(&guest, &channel).await;
        control.hear(&guest, pause(), "packets", None).await;
        control
            .post("/voice/leave", json!({ "user_id": guest }))
            .await;
        rounds += 1;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_misses_nothing_while_twenty_people_come_and_go() {
    let seconds: f32 = std::env::var("MYNAH_CHURN_S").map_or(4.0, |text| text.parse().unwrap());
    let scene = Scene::new();
    let (_, source) = scene.song("sweep.wav", seconds + 10.0);
    let (program, control) = scene.run(MYNAH);
    let bot = program.ready_text("/bots/0/user_id").to_owned();
    let channel = room(&control, "voice", Some("required")).await;
    let alice = user_in(&control, &channel, "alice").await;
    let bob = user_in(&control, &channel, "bob").await;
    play(&control, &alice).await;
    let over = Arc::new(AtomicBool::new(false));
    // One user runs 16 recordings at most.
    let carol = user_in(&control, &channel, "carol").await;
    let visit = |name| {
        let host = if name % 2 == 0 { &alice } else { &carol };
        let at = [channel.clone(), host.clone()];
        tokio::spawn(come_and_go(control.clone(), at, name, over.clone()))
    };
    let guests: Vec<_> = (0..GUESTS).map(visit).collect();
    let heard = control
        .hear(&bob, f64::from(seconds) + 2.0, "wav", Some(&bot))
        .await;
    over.store(true, Ordering::Relaxed);
    let mut rounds = 0;
    for guest in guests {
        rounds += guest.await.unwrap();
    }
    assert!(rounds > 20, "{rounds} visits");
    assert_eq!(heard.stat("lost"), 0.0, "{}", heard.stats);
    // Mid-song: the listener's decoder needs a few frames to settle.
    let heard = samples(&heard).split_off(10 * 1920);
    let compared = measure::compare(&source, &heard, source.len() / 2).expect("the song goes on");
    assert!(compared.frames.is_clean(), "{:?}", compared.frames);
    let expected = (seconds * 50.0) as usize;
    assert!(
        compared.frames.compared >= expected,
        "{:?}",
        compared.frames
    );
    let state = control.get("/state").await;
    let epoch = session(&state, &bot)["epoch"].as_u64().unwrap();
    assert!(epoch > 10, "{rounds} visits and only {epoch} epochs");
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_in_the_call_sees_the_same_privacy_code() {
    let scene = Scene::new();
    scene.song("sweep.wav", 20.0);
    let (program, control) = scene.run(MYNAH);
    let bot = program.ready_text("/bots/0/user_id").to_owned();
    let channel = room(&control, "voice", Some("required")).await;
    let alice = user_in(&control, &channel, "alice").await;
    let bob = user_in(&control, &channel, "bob").await;
    play(&control, &alice).await;
    let state = control.get("/state").await;
    let code = session(&state, &alice)["privacy_code"].as_str().unwrap();
    assert_eq!(code.len(), 30, "{state}");
    assert_eq!(session(&state, &bob)["privacy_code"], code);
    assert_eq!(session(&state, &bot)["dave_version"], 1);
    let said = control.say(&alice, "voice status", json!({})).await;
    let digits: String = said.chars().filter(char::is_ascii_digit).collect();
    assert!(digits.contains(code), "{code} in {said}");
    let pair = json!({ "member": bob });
    let said = control.say(&alice, "voice status", pair).await;
    let digits: String = said.chars().filter(char::is_ascii_digit).collect();
    assert!(digits.len() >= 45, "a pairwise code of 45 digits: {said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stage_and_a_room_without_encryption_are_heard_as_well() {
    for (kind, dave) in [
        ("stage", None),
        ("voice", Some("off")),
        ("voice", Some("optional")),
    ] {
        let scene = Scene::new();
        scene.song("sweep.wav", 20.0);
        let (program, control) = scene.run(MYNAH);
        let bot = program.ready_text("/bots/0/user_id").to_owned();
        let channel = room(&control, kind, dave).await;
        let alice = user_in(&control, &channel, "alice").await;
        play(&control, &alice).await;
        if kind == "stage" {
            control
                .post("/voice/state", json!({ "user_id": bot, "suppress": false }))
                .await;
        }
        let heard = control.hear(&alice, 2.0, "wav", Some(&bot)).await;
        assert!(
            heard.stat("packets") > 50.0,
            "{kind} {dave:?}: {}",
            heard.stats
        );
        let state = control.get("/state").await;
        let version = u64::from(dave == Some("optional"));
        assert_eq!(
            session(&state, &bot)["dave_version"],
            version,
            "{kind} {dave:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bot_without_encryption_is_refused_says_so_and_ends_with_78() {
    let scene = Scene::new();
    scene.song("sweep.wav", 20.0);
    scene.config("[voice]\ndave = false\n");
    let (program, control) = scene.run(MYNAH);
    let channel = room(&control, "voice", Some("required")).await;
    let alice = user_in(&control, &channel, "alice").await;
    let body = json!({
        "user_id": alice, "channel_id": control.text_channel(), "command": "play",
        "options": { "query": "sweep" },
    });
    let _ = control.try_post("/commands", body).await;
    let finished = program.wait();
    assert_eq!(finished.code(), 78, "{}", finished.stderr);
    for part in ["4017", "dave"] {
        assert!(
            finished.stderr.contains(part),
            "{part}: {}",
            finished.stderr
        );
    }
}
