//! The way to real Discord, as far as it can be walked on one machine: REST, gateway and voice over
//! TLS, with a token that somebody else made.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use mynah_testkit::{Control, Program, Scene, run};
use serde_json::json;

const MYNAH: &str = env!("CARGO_BIN_EXE_mynah");

fn serve(scene: &Scene) -> Program {
    let args = ["serve", "--tls", "--data", "server"];
    Program::start(MYNAH, scene.path(), &args, &[])
}

/// A second folder whose bot.toml leads to the server, with `token`.
fn bot(server: &Program, token: &str) -> Scene {
    let scene = Scene::new();
    scene.write("token", token.as_bytes());
    let discord = format!(
        "[discord]\napi = \"{}\"\ntoken_file = \"token\"\nca_file = \"{}\"\n",
        server.ready_text("/api"),
        server.ready_text("/ca_file"),
    );
    scene.config(&discord);
    scene
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bot_with_a_token_plays_on_a_server_that_speaks_only_tls() {
    let home = Scene::new();
    let server = serve(&home);
    assert!(server.ready_text("/api").starts_with("https://"));
    assert!(server.ready_text("/gateway").starts_with("wss://"));
    let control = Control::of(&server);
    let scene = bot(&server, server.ready_text("/bots/0/token"));
    scene.song("song.wav", 10.0);
    let program = Program::start(MYNAH, scene.path(), &["run"], &[]);
    let alice = control.user_in_voice("alice").await;
    let said = control
        .say(&alice, "play", json!({ "query": "song" }))
        .await;
    assert!(said.contains("Now playing"), "{said}");
    let heard = control.hear(&alice, 2.0, "wav", None).await;
    assert!(heard.stat("packets") > 80.0, "{}", heard.stats);
    let ended = program.interrupt();
    assert_eq!(ended.code(), 0, "{}", ended.stderr);
    let token = server.ready_text("/bots/0/token");
    assert!(!ended.stderr.contains(token) && !ended.stdout.contains(token));
}

#[test]
fn a_wrong_token_ends_with_78_and_is_not_tried_again() {
    let home = Scene::new();
    let server = serve(&home);
    let wrong = server.ready_text("/bots/0/token").replace('.', "x.y");
    let scene = bot(&server, &wrong);
    let ended = run(MYNAH, scene.path(), &["run"], &[]);
    assert_eq!(ended.code(), 78, "{}", ended.stderr);
    assert!(ended.stderr.contains("token"), "{}", ended.stderr);
    assert!(!ended.stderr.contains(&wrong), "{}", ended.stderr);
}

#[test]
fn an_unknown_certificate_is_refused() {
    let home = Scene::new();
    let server = serve(&home);
    let scene = bot(&server, server.ready_text("/bots/0/token"));
    let text = std::fs::read_to_string(scene.path().join("bot.toml")).unwrap();
    let without: String = text
        .lines()
        .filter(|line| !line.starts_with("ca_file"))
        .fold(String::new(), |all, line| all + line + "\n");
    scene.write("bot.toml", without.as_bytes());
    let ended = run(MYNAH, scene.path(), &["run"], &[]);
    assert_eq!(ended.code(), 1, "{}", ended.stderr);
    assert!(ended.stderr.contains("certificate"), "{}", ended.stderr);
}
