//! Plugins in files of their own, in the real program: one in C, one in Rust, and built-in ones whose
//! files take the place of what is linked in.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::path::{Path, PathBuf};
use std::process::Command;

use mynah_audio::measure::tone_db;
use mynah_testkit::{BUILTINS, Heard, Scene, built_plugin, run};
use serde_json::{Value, json};

const MYNAH: &str = env!("CARGO_BIN_EXE_mynah");
const ROOT: &str = env!("CARGO_MANIFEST_DIR");

fn c_plugin(folder: &Path) -> PathBuf {
    let file = folder.join("libhello_c.so");
    let compiled = Command::new("gcc")
        .args([
            "-std=c11",
            "-pedantic",
            "-Wall",
            "-Wextra",
            "-Werror",
            "-O2",
        ])
        .args(["-fPIC", "-shared", "-fvisibility=hidden", "-I"])
        .arg(Path::new(ROOT).join("plugins/api/include"))
        .arg(Path::new(ROOT).join("examples/c_plugin/hello_c.c"))
        .arg("-o")
        .arg(&file)
        .status();
    assert!(compiled.expect("gcc runs").success());
    file
}

/// `mynah plugin …` in a folder; its one document.
fn plugin(scene: &Scene, args: &[&str]) -> Value {
    let args = [&["plugin"], args, &["--json"]].concat();
    let finished = run(MYNAH, scene.path(), &args, &[]);
    assert_eq!(finished.code(), 0, "{args:?}: {}", finished.stderr);
    serde_json::from_str(&finished.stdout).unwrap()
}

/// The level of a tone, or of everything, in every 100 ms, dB.
fn levels(heard: &Heard, hz: Option<f64>) -> Vec<f64> {
    let options = mynah_media::OpenOptions::default();
    let mut media = mynah_media::open_bytes("heard.wav", heard.bytes.clone(), &options).unwrap();
    let mut left: Vec<f32> = Vec::new();
    let mut block = [0.0; mynah_audio::SAMPLES];
    while let mynah_media::Read::Full = media.read(&mut block).unwrap() {
        left.extend(block.iter().step_by(2));
    }
    let level = |part: &[f32]| match hz {
        Some(hz) => tone_db(part, hz),
        None => {
            let power: f32 = part.iter().map(|sample| sample * sample).sum();
            10.0 * f64::from(power / part.len() as f32 + 1e-12).log10()
        }
    };
    left.chunks_exact(4_800).map(level).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn plugins_in_c_and_rust_answer_are_heard_and_go_on_after_a_reload() {
    let scene = Scene::new();
    let dice = built_plugin(MYNAH, "examples/dice");
    let c = c_plugin(scene.path());
    let c_hash = plugin(&scene, &["verify", c.to_str().unwrap()]);
    assert_eq!(
        (c_hash["id"].as_str(), c_hash["ok"].as_bool()),
        (Some("hello-c"), Some(true))
    );
    scene.config(&format!(
        "{}\n[plugins.hello-c]\npath = \"libhello_c.so\"\nsha256 = {}\n\
         grant = [\"commands\", \"voice.speak\"]\n",
        dice["bot_toml"].as_str().unwrap(),
        c_hash["sha256"],
    ));
    scene.wav("silence.wav", &vec![0.0; 48_000 * 60]);
    let list = plugin(&scene, &["list"]);
    let ids: Vec<&str> = list
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["id"].as_str().unwrap())
        .collect();
    assert_eq!(
        ids,
        ["music", "recorder", "soundboard", "tts", "dice", "hello-c"]
    );

    let (program, control) = scene.run(MYNAH);
    let alice = control.user_in_voice("alice").await;
    let thrown = control.say(&alice, "dice", json!({ "dice": 3 })).await;
    assert!(
        thrown.contains(" + ") && thrown.ends_with("(throw 1)"),
        "{thrown}"
    );
    let said = control.say(&alice, "hello-c", json!({})).await;
    assert_eq!(
        said,
        "Hello from C, number 1 (no tone: is the bot in a voice channel?)"
    );
    // Music brings the bot in; the tone in C goes over it.
    control
        .say(&alice, "play", json!({ "query": "silence" }))
        .await;
    let (heard, said) = tokio::join!(
        control.hear(&alice, 3.0, "wav", None),
        control.say(&alice, "hello-c", json!({})),
    );
    assert_eq!(said, "Hello from C, number 2 (a tone plays)");
    let level = levels(&heard, Some(440.0))
        .into_iter()
        .fold(-200.0, f64::max);
    assert!((-20.0..-10.0).contains(&level), "{level} dB");

    let again = plugin(&scene, &["reload", "dice"]);
    assert_eq!(again["sha256"], dice["sha256"]);
    let thrown = control.say(&alice, "dice", json!({})).await;
    assert!(
        thrown.ends_with("(throw 2)"),
        "it goes on counting: {thrown}"
    );
    let refused = run(MYNAH, scene.path(), &["plugin", "reload", "dise"], &[]);
    assert_eq!(refused.code(), 1);
    assert!(
        refused.stderr.contains("there is no plugin `dise`"),
        "{}",
        refused.stderr
    );
    // Another file than the pinned one: the old one goes on.
    std::fs::write(&c, "not what it was").unwrap();
    let refused = run(MYNAH, scene.path(), &["plugin", "reload", "hello-c"], &[]);
    assert_ne!(refused.code(), 0);
    assert!(
        refused.stderr.contains("is not the file that is pinned"),
        "{}",
        refused.stderr
    );
    let said = control.say(&alice, "hello-c", json!({})).await;
    assert!(said.starts_with("Hello from C, number 3"), "{said}");
    assert_eq!(program.interrupt().code(), 0);
}

#[test]
fn every_mistake_with_a_file_is_shown_at_its_line() {
    let scene = Scene::new();
    let file = c_plugin(scene.path());
    let printed = |tables: &str| {
        scene.config(tables);
        let checked = run(MYNAH, scene.path(), &["check"], &[]);
        assert_eq!(checked.code(), 78, "{}", checked.stdout);
        checked.stdout
    };
    let shows = |tables: &str, words: &[&str]| {
        let printed = printed(tables);
        for word in words {
            assert!(printed.contains(word), "missing: {word}\nin: {printed}");
        }
    };
    shows(
        "[plugins.hello-c]\n",
        &["unknown plugin `hello-c`", "needs `path`"],
    );
    let gone = "[plugins.hello-c]\npath = \"gone.so\"\n";
    shows(gone, &["there is no file", "path = \"gone.so\"", "1 error"]);
    let other = "[plugins.other]\npath = \"libhello_c.so\"\ngrant = [\"commands\"]\n";
    shows(other, &["is the plugin `hello-c`", "[plugins.hello-c]"]);
    let bare = "[plugins.hello-c]\npath = \"libhello_c.so\"\n";
    shows(bare, &["`hello-c` needs `commands` to offer /hello-c"]);
    let grant = "grant = [\"comands\"]\nkey = 1\nsha256 = \"00\"\n";
    shows(&format!("{bare}{grant}"), &["64 hexadecimal digits"]);
    let grant = "grant = [\"comands\"]\nkey = 1\n";
    shows(
        &format!("{bare}{grant}"),
        &["did you mean `commands`?", "no keys of its own"],
    );
    shows(
        "[plugins.music]\nsha256 = \"00\"\n",
        &["there is no `path` to pin"],
    );
    drop(file);
}

/// The crate that `mynah plugin new` writes, tested and built as its words say.
#[test]
#[ignore = "builds a crate of its own, which takes a minute"]
fn a_new_plugin_builds_and_its_test_passes() {
    let scene = Scene::new();
    let sdk = Path::new(ROOT).join("plugins/api");
    plugin(
        &scene,
        &["new", "coin-flip", "--sdk", sdk.to_str().unwrap()],
    );
    let folder = scene.path().join("coin-flip");
    // The versions that are here already.
    std::fs::copy(
        Path::new(ROOT).join("Cargo.lock"),
        folder.join("Cargo.lock"),
    )
    .unwrap();
    let target = Path::new(MYNAH).parent().unwrap().parent().unwrap();
    let tested = Command::new(env!("CARGO"))
        .args(["test", "--manifest-path"])
        .arg(folder.join("Cargo.toml"))
        .env("CARGO_TARGET_DIR", target)
        .status();
    assert!(tested.unwrap().success());
    let target = target.to_str().unwrap();
    let args = ["plugin", "build", "--debug", "coin-flip", "--json"];
    let built = run(MYNAH, scene.path(), &args, &[("CARGO_TARGET_DIR", target)]);
    assert_eq!(built.code(), 0, "{}", built.stderr);
    let built: Value = serde_json::from_str(&built.stdout).unwrap();
    assert!(
        built["bot_toml"]
            .as_str()
            .unwrap()
            .starts_with("[plugins.coin-flip]\npath = ")
    );
}

/// Each with its own copy of what it is built on, and a word with each. That they are reloaded while they
/// play is tests/reloads.rs; all conversations with them, as files: `MYNAH_BUILTINS=so` (tests/kit).
#[tokio::test(flavor = "multi_thread")]
async fn the_four_built_in_plugins_run_from_files_as_well() {
    let scene = Scene::new();
    let mut tables = String::new();
    for id in BUILTINS {
        let made = built_plugin(MYNAH, &format!("plugins/{id}"));
        assert_eq!(made["id"], id);
        tables += &format!(
            "[plugins.{id}]\npath = {}\nsha256 = {}\n",
            made["file"], made["sha256"]
        );
    }
    scene.config(&tables);
    scene.song("A Song.wav", 60.0);
    let (program, control) = scene.run(MYNAH);
    let alice = control.user_in_voice("alice").await;
    let said = control
        .say(&alice, "play", json!({ "query": "a song" }))
        .await;
    assert!(said.contains("Now playing"), "{said}");
    let heard = control.hear(&alice, 1.0, "wav", None).await;
    let loudest = levels(&heard, None).into_iter().fold(-200.0, f64::max);
    assert!(loudest > -30.0, "it is heard: {loudest} dB");
    let state = control.get("/state").await;
    let owner = state["guilds"][0]["owner_id"].as_str().unwrap().to_owned();
    for (user, command, words) in [
        (&alice, "queue show", "A Song"),
        (&alice, "sound list", "no sounds"),
        (&alice, "tts join", "I read"),
        (&owner, "record list", "Nothing has been recorded"),
        (&owner, "bot plugins", "**tts** 🟢 runs"),
        (&owner, "bot status", "4 of 4 plugins run"),
    ] {
        let said = control.say(user, command, json!({})).await;
        assert!(
            said.to_lowercase().contains(&words.to_lowercase()),
            "{command}: {said}"
        );
    }
    let ended = program.interrupt();
    assert_eq!(ended.code(), 0, "{}", ended.stderr);
}
