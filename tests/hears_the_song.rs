//! What people hear: a song played through the real program, compared sample by sample.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use mynah_audio::measure;
use mynah_testkit::{Control, Heard, Scene};
use serde_json::json;

const MYNAH: &str = env!("CARGO_BIN_EXE_mynah");
/// The listener's recording may begin this long before the music.
const LAG: usize = 5 * 48_000;

fn samples(heard: &Heard) -> Vec<f32> {
    let bytes = heard.bytes.clone();
    let mut media =
        mynah_media::open_bytes("heard.wav", bytes, &mynah_media::OpenOptions::default()).unwrap();
    let mut samples = Vec::new();
    let mut block = [0.0; mynah_audio::SAMPLES];
    loop {
        match media.read(&mut block).unwrap() {
            mynah_media::Read::Full => samples.extend_from_slice(&block),
            mynah_media::Read::Last(frames) => {
                samples.extend_from_slice(&block[..frames * 2]);
                return samples;
            }
            mynah_media::Read::End => return samples,
        }
    }
}

async fn play(control: &Control, user: &str, query: &str) {
    let said = control.say(user, "play", json!({ "query": query })).await;
    assert!(said.contains("Now playing"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_hears_every_frame_once_and_in_order() {
    let scene = Scene::new();
    let (_, source) = scene.song("sweep.wav", 8.0);
    let (_program, control) = scene.run(MYNAH);
    let alice = control.user_in_voice("alice").await;
    let bob = control.user_in_voice("bob").await;
    let (heard, ()) = tokio::join!(
        control.hear(&bob, 11.0, "wav", None),
        play(&control, &alice, "sweep")
    );
    assert_eq!(heard.stat("lost"), 0.0, "{}", heard.stats);
    let heard = samples(&heard);
    let compared = measure::compare(&source, &heard, LAG).expect("the song is in the recording");
    assert!(compared.frames.is_clean(), "{:?}", compared.frames);
    assert!(compared.frames.compared >= 398, "{:?}", compared.frames);
    assert!(compared.snr_db > 20.0, "{compared:?}");
    assert!((compared.fitted_gain - 1.0).abs() < 0.01, "{compared:?}");
    assert_eq!(compared.drift_frames, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_album_in_two_files_is_heard_as_one_song() {
    let scene = Scene::new();
    let source = mynah_testkit::song(6.0);
    // No whole number of frames: the second part begins inside a packet.
    let (first, second) = source.split_at(2 * (3 * 48_000 + 137));
    scene.wav("part one.wav", first);
    scene.wav("part two.wav", second);
    let (_program, control) = scene.run(MYNAH);
    let alice = control.user_in_voice("alice").await;
    let bob = control.user_in_voice("bob").await;
    let script = async {
        play(&control, &alice, "part one").await;
        let next = json!({ "query": "part two" });
        let said = control.say(&alice, "play", next).await;
        assert!(said.contains("Added"), "{said}");
    };
    let (heard, ()) = tokio::join!(control.hear(&bob, 8.5, "wav", None), script);
    let heard = samples(&heard);
    let compared = measure::compare(&source, &heard, LAG).expect("the song is in the recording");
    assert!(compared.frames.is_clean(), "{:?}", compared.frames);
    assert!(compared.frames.compared >= 298, "{:?}", compared.frames);
    assert!(compared.snr_db > 20.0, "{compared:?}");
    assert_eq!(compared.drift_frames, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_song_survives_loss_and_closed_gateways_without_a_rejoin() {
    let scene = Scene::new();
    let (_, source) = scene.song("sweep.wav", 14.0);
    let (program, control) = scene.run(MYNAH);
    let bot = program.ready_text("/bots/0/user_id").to_owned();
    let alice = control.user_in_voice("alice").await;
    let bob = control.user_in_voice("bob").await;
    play(&control, &alice, "sweep").await;
    let before = control.get("/state").await;
    let trouble = async {
        let all = json!({ "user_id": bot });
        control
            .fault(json!({ "scope": all, "gateway": { "close": 4000 } }))
            .await;
        control
            .fault(json!({ "scope": all, "voice": { "close": 4015 } }))
            .await;
        control.hear(&bob, 9.0, "wav", Some(&bot)).await
    };
    let heard = trouble.await;
    let after = control.get("/state").await;
    assert_eq!(
        ssrc_of(&before, &bot),
        ssrc_of(&after, &bot),
        "a rejoin would take a new ssrc"
    );
    // Mid-song: the listener's decoder needs a few frames to settle.
    let heard = samples(&heard).split_off(10 * 1920);
    let compared = measure::compare(&source, &heard, 14 * 48_000).expect("the song goes on");
    // The faults are on websockets only: not one frame may be missing.
    assert!(compared.frames.lost.is_empty(), "{:?}", compared.frames);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_song_goes_on_after_the_main_session_was_lost_and_the_bot_taken_out_of_voice() {
    let scene = Scene::new();
    scene.song("sweep.wav", 30.0);
    let (program, control) = scene.run(MYNAH);
    let bot = program.ready_text("/bots/0/user_id").to_owned();
    let alice = control.user_in_voice("alice").await;
    let bob = control.user_in_voice("bob").await;
    play(&control, &alice, "sweep").await;
    let before = control.get("/state").await;
    control
        .fault(json!({ "scope": { "user_id": bot }, "gateway": { "invalid_session": false } }))
        .await;
    // One to five seconds until the new session, and the identify before it was just now.
    let heard = samples(&control.hear(&bob, 14.0, "wav", None).await);
    let after = control.get("/state").await;
    let (old, new) = (ssrc_of(&before, &bot), ssrc_of(&after, &bot));
    assert!(new.is_some() && new != old, "a new connection: {after}");
    let last_second = &heard[heard.len() - 96_000..];
    assert!(mynah_audio::level::peak(last_second) > 0.01);
}

fn ssrc_of(state: &serde_json::Value, user: &str) -> Option<u64> {
    let sessions = state["voice_sessions"].as_array()?;
    sessions.iter().find(|session| session["user_id"] == user)?["ssrc"].as_u64()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lossy_line_loses_packets_and_nothing_else() {
    let scene = Scene::new();
    scene.song("sweep.wav", 12.0);
    let (program, control) = scene.run(MYNAH);
    let bot = program.ready_text("/bots/0/user_id").to_owned();
    let alice = control.user_in_voice("alice").await;
    let bob = control.user_in_voice("bob").await;
    let udp = json!({ "loss": 0.2, "jitter_ms": 30, "direction": "up" });
    control
        .fault(json!({ "scope": { "user_id": bot }, "udp": udp, "seed": 1 }))
        .await;
    play(&control, &alice, "sweep").await;
    let heard = control.hear(&bob, 8.0, "wav", Some(&bot)).await;
    let (packets, lost) = (heard.stat("packets"), heard.stat("lost"));
    let share = lost / (packets + lost);
    assert!((0.08..0.35).contains(&share), "{}", heard.stats);
    assert!(packets > 250.0, "{}", heard.stats);
}

#[tokio::test(flavor = "multi_thread")]
async fn pause_and_resume_continue_the_song_without_losing_or_repeating_a_frame() {
    let scene = Scene::new();
    let (_, source) = scene.song("sweep.wav", 6.0);
    let (_program, control) = scene.run(MYNAH);
    let alice = control.user_in_voice("alice").await;
    let bob = control.user_in_voice("bob").await;
    let script = async {
        play(&control, &alice, "sweep").await;
        let played = control.hear(&alice, 1.5, "wav", None).await;
        assert!(played.stat("packets") > 20.0, "{}", played.stats);
        assert!(
            control
                .say(&alice, "pause", json!({}))
                .await
                .contains("Paused")
        );
        let pause = control.hear(&alice, 1.0, "wav", None).await;
        let tail = samples(&pause).split_off(24_000);
        assert!(measure::peak(&tail) < 1e-3, "paused music sounds");
        assert!(
            control
                .say(&alice, "resume", json!({}))
                .await
                .contains("Going on")
        );
    };
    let (heard, ()) = tokio::join!(control.hear(&bob, 11.0, "wav", None), script);
    let heard = samples(&heard);
    let (first, second) = around_the_pause(&heard);
    let first_at = measure::align(&source, first, LAG)
        .expect("the first part")
        .offset_frames;
    let paused_at = first.len() as i64 / 2 - first_at;
    let resumed_at = -measure::align(&source, second, 6 * 48_000)
        .expect("the rest")
        .offset_frames;
    // The block that faded out is played again, faded in: at most one block twice, nothing lost.
    let jump = resumed_at - paused_at;
    assert!(
        (-2 * 960..=480).contains(&jump),
        "{jump} frames between pause and resume"
    );
    let rest = measure::compare(&source, second, 6 * 48_000).expect("the rest");
    // The first frame holds the fade.
    assert!(
        rest.frames.lost.iter().all(|frame| *frame == 0),
        "{:?}",
        rest.frames
    );
    // No click: the song's own largest step bounds every step heard, with room for coding noise.
    let limit = measure::largest_step(&source) * 1.5 + 0.02;
    assert!(measure::largest_step(&heard) < limit);
}

/// What sounds before the pause and what sounds after it, silence cut away.
fn around_the_pause(heard: &[f32]) -> (&[f32], &[f32]) {
    let sounds = |frame: &[f32]| measure::rms(frame) > 1e-3;
    let frames: Vec<bool> = heard.chunks(1920).map(sounds).collect();
    let begin = frames
        .iter()
        .position(|sounds| *sounds)
        .expect("there is sound");
    let pause = frames[begin..]
        .windows(25)
        .position(|run| !run.contains(&true));
    let pause = begin + pause.expect("there is a pause");
    let again = frames[pause..]
        .iter()
        .position(|sounds| *sounds)
        .expect("it goes on");
    (&heard[..pause * 1920], &heard[(pause + again) * 1920..])
}

#[tokio::test(flavor = "multi_thread")]
async fn volume_and_skip_act_at_once() {
    let scene = Scene::new();
    scene.song("one.wav", 20.0);
    let (_, second) = scene.song("two.wav", 3.0);
    let (_program, control) = scene.run(MYNAH);
    let alice = control.user_in_voice("alice").await;
    play(&control, &alice, "one").await;
    let added = control.say(&alice, "play", json!({ "query": "two" })).await;
    assert!(added.contains("Added"), "{added}");
    let loud = measure::rms(&samples(&control.hear(&alice, 1.0, "wav", None).await)[24_000..]);
    control
        .say(&alice, "volume", json!({ "percent": 50 }))
        .await;
    let soft = measure::rms(&samples(&control.hear(&alice, 1.0, "wav", None).await)[24_000..]);
    assert!((soft / loud - 0.5).abs() < 0.08, "{loud} to {soft}");
    control
        .say(&alice, "volume", json!({ "percent": 100 }))
        .await;
    let skipping = control.say(&alice, "skip", json!({}));
    let (heard, said) = tokio::join!(control.hear(&alice, 4.5, "wav", None), skipping);
    assert!(said.contains("Skipped"), "{said}");
    let heard = samples(&heard);
    let compared = measure::compare(&second, &heard, 3 * 48_000).expect("the second song");
    assert!(compared.frames.lost.is_empty(), "{:?}", compared.frames);
}
