//! All four plugins in one voice session: music steps back for speech and for a sound, a sound lies over
//! both, people hear all of it, and the recorder has each on a track of its own.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::path::Path;

use mynah_audio::measure::tone_db;
use mynah_recorder::core::{checker, export, shelf};
use mynah_testkit::{Scene, spoken};
use serde_json::json;

const MYNAH: &str = env!("CARGO_BIN_EXE_mynah");
/// What the music is, and what the sound: between the partials of a voice as well as can be.
const MUSIC_HZ: f64 = 5_000.0;
const HORN_HZ: f64 = 9_000.0;
/// Half a minute is more than the test takes.
const MUSIC_S: f64 = 40.0;

fn tone(hz: f64, height: f32, seconds: f64) -> Vec<f32> {
    let step = std::f64::consts::TAU * hz / 48_000.0;
    (0..(seconds * 48_000.0) as usize)
        .flat_map(|n| [(n as f64 * step).sin() as f32 * height; 2])
        .collect()
}

/// What is heard in 100 ms, in dB: the music, the sound, and what is below 3 kHz.
#[derive(Clone, Copy, Debug)]
struct Moment {
    music: f64,
    horn: f64,
    voice: f64,
}

fn moments(stereo: &[f32]) -> Vec<Moment> {
    let left: Vec<f32> = stereo.iter().copied().step_by(2).collect();
    let voice = |part: &[f32]| {
        let bands = (0..20).map(|band| 100.0 * 2.0_f64.powf(f64::from(band) / 4.0));
        bands.map(|hz| tone_db(part, hz)).fold(-200.0, f64::max)
    };
    left.chunks_exact(4_800)
        .map(|part| Moment {
            music: tone_db(part, MUSIC_HZ),
            horn: tone_db(part, HORN_HZ),
            voice: voice(part),
        })
        .collect()
}

fn median(mut all: Vec<f64>) -> f64 {
    assert!(!all.is_empty(), "there is no such moment");
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}

/// The samples of a finished track.
fn decoded(track: &Path) -> Vec<f32> {
    assert!(checker::check(track).unwrap().is_legal(), "{track:?}");
    let mut samples = Vec::new();
    export::decode(track, 0..u64::MAX / 2, |block| {
        samples.extend_from_slice(block);
        Ok(())
    })
    .unwrap();
    samples
}

#[tokio::test(flavor = "multi_thread")]
async fn music_speech_and_a_sound_share_the_session_and_the_recorder_has_them_all() {
    let scene = Scene::new();
    scene.config(
        "[plugins.soundboard]\ncooldown = \"0\"\n[plugins.recorder]\nindicators = [\"nickname\"]\n",
    );
    scene.wav("steady tone.wav", &tone(MUSIC_HZ, 0.05, MUSIC_S));
    let horn = scene.wav("horn.wav", &tone(HORN_HZ, 0.2, 1.5));
    let upload = scene.write("upload.wav", &std::fs::read(&horn).unwrap());
    std::fs::remove_file(horn).unwrap();
    let (program, control) = scene.run(MYNAH);
    let state = control.get("/state").await;
    let boss = state["guilds"][0]["owner_id"].as_str().unwrap().to_owned();
    control.join(&boss, control.voice_channel()).await;
    let ann = control.user_in_voice("ann").await;
    let add = json!({
        "user_id": boss, "channel_id": control.text_channel(), "command": "sound add",
        "options": { "name": "horn" }, "attachments": { "file": upload },
    });
    let said = spoken(&control.post("/commands", add).await);
    assert!(said.contains("`horn` is here"), "{said}");
    let say = async |command: &str, options| control.say(&boss, command, options).await;
    let said = say("record start", json!({})).await;
    assert!(said.contains("Recording"), "{said}");
    let said = say("play", json!({ "query": "steady" })).await;
    assert!(said.contains("Now playing"), "{said}");

    let text = "Seven sleepy swans sailed slowly southward, singing several silly songs until sunset came.";
    let (heard, ()) = tokio::join!(control.hear(&ann, 8.0, "wav", None), async {
        // Music alone, music and the sound, music and speech, and then all three.
        control.hear(&boss, 0.6, "ogg", None).await;
        say("sound play", json!({ "name": "horn" })).await;
        control.hear(&boss, 2.0, "ogg", None).await;
        let said = say("say", json!({ "text": text })).await;
        assert!(said.contains("Said"), "{said}");
        control.hear(&boss, 1.2, "ogg", None).await;
        say("sound play", json!({ "name": "horn" })).await;
    });
    let said = say("record stop", json!({})).await;
    assert!(
        said.contains("stopped") || said.contains("Stopped") || said.contains("people"),
        "{said}"
    );

    assert_eq!(heard.stat("lost"), 0.0, "{}", heard.stats);
    let all = moments(&heard.samples());
    let horns = |one: &Moment| one.horn > -25.0;
    let speaks = |one: &Moment| one.voice > -45.0;
    let music = |which: &dyn Fn(&Moment) -> bool| {
        median(
            all.iter()
                .filter(|one| which(one))
                .map(|one| one.music)
                .collect(),
        )
    };
    // Between the words of a sentence it stays low.
    let alone = all.iter().map(|one| one.music).fold(-200.0, f64::max);
    let under_horn = music(&|one| horns(one) && !speaks(one));
    let under_speech = music(&|one| speaks(one) && !horns(one));
    let under_both = all.iter().filter(|one| horns(one) && speaks(one)).count();
    // product.md section 1: 6 dB for a sound, 12 dB for speech.
    let down = |level: f64| alone - level;
    assert!(
        (4.0..8.0).contains(&down(under_horn)),
        "{alone} {under_horn}"
    );
    assert!(
        (9.0..15.0).contains(&down(under_speech)),
        "{alone} {under_speech}"
    );
    assert!(under_both >= 5, "a sound lies over speech: {all:?}");

    let ended = program.interrupt();
    assert_eq!(ended.code(), 0, "{}", ended.stderr);
    let one = shelf::list(&scene.path().join("data/recordings"))
        .unwrap()
        .remove(0);
    let lane = |name: &str| moments(&decoded(&one.folder.join("lanes").join(name)));
    let most =
        |all: &[Moment], of: &dyn Fn(&Moment) -> f64| all.iter().map(of).fold(-200.0, f64::max);
    let (music, horn, speech) = (lane("music.opus"), lane("fx.opus"), lane("speech.opus"));
    assert!(most(&music, &|one| one.music) > -30.0 && most(&music, &|one| one.horn) < -50.0);
    assert!(most(&horn, &|one| one.horn) > -25.0 && most(&horn, &|one| one.music) < -50.0);
    assert!(most(&speech, &|one| one.voice) > -30.0 && most(&speech, &|one| one.horn) < -45.0);
    let twice = horn.iter().filter(|one| horns(one)).count();
    assert!(
        (26..36).contains(&twice),
        "the sound of 1.5 s, twice: {twice}"
    );
}
