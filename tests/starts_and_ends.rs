//! The life of a running program: up with everything in its ready file, the lines it prints work, and
//! every end is a clean one. And what keeps it from starting, each with its exit code.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use mynah_testkit::{Control, Finished, Program, Scene, run};
use serde_json::{Value, json};

const MYNAH: &str = env!("CARGO_BIN_EXE_mynah");

/// A folder with a `bot.toml`.
struct House {
    folder: tempfile::TempDir,
}

impl House {
    fn new(settings: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("bot.toml"), settings).unwrap();
        Self { folder }
    }

    fn shipped() -> Self {
        Self::new(include_str!("../bot.toml"))
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn start(&self, args: &[&str], variables: &[(&str, &str)]) -> Program {
        Program::start(MYNAH, self.path(), args, variables)
    }

    fn mynah(&self, args: &[&str], variables: &[(&str, &str)]) -> Finished {
        run(MYNAH, self.path(), args, variables)
    }
}

#[track_caller]
fn fails(finished: &Finished, code: i32, parts: &[&str]) {
    let Finished { stdout, stderr, .. } = finished;
    assert_eq!(finished.code(), code, "{stdout}{stderr}");
    for part in parts {
        assert!(stderr.contains(part), "missing: {part}\nin: {stderr}");
    }
    assert!(!stderr.contains("panicked"), "{stderr}");
}

#[track_caller]
fn ends_well(finished: &Finished) {
    assert_eq!(finished.code(), 0, "{}", finished.stderr);
    assert!(!finished.stderr.contains("panicked"), "{}", finished.stderr);
}

#[test]
fn run_writes_the_ready_file_of_the_interface_and_ends_cleanly() {
    let house = House::shipped();
    let program = house.start(&["run"], &[]);
    let ready = program.ready();
    assert_eq!(ready["pid"], program.pid());
    let base = program
        .ready_text("/control")
        .strip_suffix("/control")
        .unwrap()
        .to_owned();
    assert_eq!(ready["api"], format!("{base}/api"));
    assert_eq!(
        ready["gateway"],
        format!("{}/gateway", base.replace("http", "ws"))
    );
    assert!(
        program
            .ready_text("/voice_endpoint")
            .starts_with("localhost:")
    );
    let ca_file = Path::new(program.ready_text("/ca_file"));
    assert!(ca_file.is_absolute() && ca_file.exists());
    for id in [
        "/guild_id",
        "/text_channel_id",
        "/stage_channel_id",
        "/voice_channel_ids/1",
    ] {
        assert!(program.ready_text(id).parse::<u64>().is_ok(), "{id}");
    }
    for text in [
        "/bots/0/token",
        "/bots/0/name",
        "/bots/0/application_id",
        "/bots/0/user_id",
    ] {
        assert!(!program.ready_text(text).is_empty(), "{text}");
    }
    program.signal("TERM");
    ends_well(&program.wait());
}

/// Starts the program and reads what it says to people, up to its last line.
fn greeting(house: &House) -> (Running, String) {
    let child = Command::new(MYNAH)
        .current_dir(house.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut running = Running(child);
    let mut lines = BufReader::new(running.0.stdout.take().unwrap()).lines();
    let mut text = String::new();
    while !text.contains("Ctrl-C ends it") {
        text.push_str(&lines.next().expect("it goes on").unwrap());
        text.push('\n');
    }
    (running, text)
}

struct Running(std::process::Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_lines_that_run_prints_can_be_pasted_and_are_heard() {
    let house = House::shipped();
    let (_running, greeting) = greeting(&house);
    let lines: Vec<String> = greeting
        .lines()
        .filter(|line| line.starts_with("curl "))
        .map(|line| line.replace("seconds=10", "seconds=2"))
        .collect();
    assert_eq!(lines.len(), 4, "{greeting}");
    let script = format!("set -e\n{}", lines.join("\n"));
    let output = Command::new("bash")
        .args(["-c", &script])
        .current_dir(house.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(said.contains("Now playing"), "{said}");
    let heard = std::fs::read(house.path().join("heard.wav")).expect("curl is installed");
    // A WAV of two seconds in which something sounds.
    assert_eq!(&heard[..4], b"RIFF");
    assert!(
        (2 * 192_000..2 * 192_000 + 1000).contains(&heard.len()),
        "{}",
        heard.len()
    );
    let loud = heard[1000..]
        .chunks_exact(2)
        .map(|s| i16::from_le_bytes([s[0], s[1]]));
    assert!(loud.map(i16::unsigned_abs).max() > Some(1000));
}

/// A bot of its own process on the server of another: as on Discord, but here.
fn bot_on(server: &Program) -> House {
    let ready = server.ready();
    House::new(&format!(
        "[discord]\napi = {}\nca_file = {}\n",
        ready["api"], ready["ca_file"]
    ))
}

fn voice_sessions_of(state: &Value, user: &str) -> usize {
    let sessions = state["voice_sessions"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    sessions
        .iter()
        .filter(|session| session["user_id"] == user)
        .count()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupt_in_mid_song_leaves_voice_and_the_gateway() {
    let server_house = House::shipped();
    let server = server_house.start(&["serve"], &[]);
    let control = Control::of(&server);
    let bot_id = server.ready_text("/bots/0/user_id");
    let house = bot_on(&server);
    let music: PathBuf = house.path().join("data/music");
    std::fs::create_dir_all(&music).unwrap();
    let scene = Scene::new();
    let (wav, _) = scene.song("minute.wav", 60.0);
    std::fs::copy(wav, music.join("minute.wav")).unwrap();
    let token = server.ready_text("/bots/0/token");
    let bot = house.start(&["run"], &[("MYNAH__DISCORD__TOKEN", token)]);
    assert!(
        bot.ready()["bots"][0].get("token").is_none(),
        "another's token is not written down"
    );

    let ana = control.user_in_voice("ana").await;
    let answer = control
        .say(&ana, "play", json!({ "query": "minute" }))
        .await;
    assert!(answer.contains("playing"), "{answer}");
    assert_eq!(voice_sessions_of(&control.get("/state").await, bot_id), 1);
    ends_well(&bot.interrupt());
    let state = control.get("/state").await;
    assert_eq!(
        voice_sessions_of(&state, bot_id),
        0,
        "the bot left voice before it ended"
    );
    assert_ne!(state["bots"][0]["gateway"], "connected");
    ends_well(&server.interrupt());
}

#[test]
fn a_refused_token_ends_with_78_and_is_not_tried_again() {
    let server_house = House::shipped();
    let server = server_house.start(&["serve"], &[]);
    let house = bot_on(&server);
    let wrong = [("MYNAH__DISCORD__TOKEN", "not.the.token")];
    fails(
        &house.mynah(&["run"], &wrong),
        78,
        &["token", "https://discord.com/developers"],
    );
    let check = house.mynah(&["check", "--online"], &wrong);
    assert_eq!(check.code(), 78, "{}", check.stderr);
    assert!(check.stdout.contains("token"), "{}", check.stdout);
}

#[test]
fn an_online_check_says_as_whom() {
    let check = House::shipped().mynah(&["check", "--online"], &[]);
    assert_eq!(check.code(), 0, "{}{}", check.stdout, check.stderr);
    assert!(
        check.stdout.contains("Logged in as mynah, in 1 server."),
        "{}",
        check.stdout
    );
}

#[test]
fn an_api_that_is_not_there_is_a_failure_that_may_pass() {
    // Bound and let go: a port where nothing listens.
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let house = House::new(&format!(
        "[discord]\napi = \"http://127.0.0.1:{port}/api\"\n"
    ));
    let finished = house.mynah(&["run"], &[("MYNAH__DISCORD__TOKEN", "any.old.token")]);
    fails(&finished, 1, &["cannot log in", &port.to_string()]);
}

#[test]
fn a_port_in_use_is_named_with_what_to_do() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let house = House::shipped();
    fails(
        &house.mynah(&["serve", "--http-port", &port], &[]),
        1,
        &[&port, "--http-port", "in use"],
    );
    fails(
        &house.mynah(&["serve", "--voice-port", &port], &[]),
        1,
        &[&port, "--voice-port", "in use"],
    );
    let run = house.mynah(&["run"], &[("MYNAH__SERVER__HTTP_PORT", &port)]);
    fails(&run, 1, &[&port, "http_port", "in use"]);
}

#[test]
fn a_second_start_on_the_same_data_is_refused() {
    let house = House::shipped();
    let first = house.start(&["run"], &[]);
    let process = format!("another mynah (process {})", first.pid());
    fails(
        &house.mynah(&["run"], &[]),
        1,
        &[&process, "MYNAH__PATHS__DATA"],
    );
    // The lock goes with the process, even when it is killed.
    first.signal("KILL");
    first.wait();
    house.start(&["run"], &[]).interrupt();
}

#[test]
fn a_server_for_the_whole_network_needs_a_control_token() {
    let serve = House::shipped().mynah(&["serve", "--bind", "0.0.0.0"], &[]);
    fails(&serve, 2, &["MYNAH_CONTROL_TOKEN"]);
}
