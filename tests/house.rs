//! The plan of the house (src/README.md), kept by a test: which room may know which, where `unsafe`
//! and tokio may be, and that no room stands empty.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Every room and the rooms it may know. Whatever is not here is an arrow that needs a discussion.
const ARROWS: &[(&str, &str)] = &[
    ("mynah-wire", ""),
    ("mynah-dave", ""),
    ("mynah-audio", ""),
    ("mynah-plugin", ""),
    ("mynah-session", "mynah-wire mynah-dave"),
    ("mynah-media", "mynah-audio"),
    (
        "mynah-pulse",
        "mynah-session mynah-audio mynah-wire mynah-dave",
    ),
    (
        "mynah-ear",
        "mynah-session mynah-audio mynah-wire mynah-dave",
    ),
    (
        "mynah-engine",
        "mynah-pulse mynah-ear mynah-media mynah-session mynah-audio mynah-wire mynah-dave",
    ),
    (
        "mynah-host",
        "mynah-plugin mynah-engine mynah-wire mynah-dave",
    ),
    ("mynah-server", "mynah-wire"),
    (
        "mynah-users",
        "mynah-session mynah-audio mynah-media mynah-wire mynah-dave",
    ),
    ("mynah-music", "mynah-plugin"),
    ("mynah-recorder", "mynah-plugin"),
    ("mynah-soundboard", "mynah-plugin"),
    ("mynah-tts", "mynah-plugin"),
    ("mynah-dice", "mynah-plugin"),
    ("mynah-hello", "mynah-plugin"),
    ("mynah-own-source", "mynah-plugin"),
    ("mynah-meeting-recorder", "mynah-plugin"),
    ("mynah-hostile", "mynah-plugin"),
    (
        "mynah",
        "mynah-host mynah-engine mynah-server mynah-users mynah-music mynah-recorder mynah-soundboard mynah-tts mynah-plugin mynah-wire mynah-audio mynah-media",
    ),
];

/// May use anything, and may be used by the tests of any room.
const TESTKIT: &str = "mynah-testkit";

/// Rooms that may contain `unsafe`; all others forbid it. The reasons are in src/README.md.
const UNSAFE: &[&str] = &[
    "mynah-pulse",
    "mynah-host",
    "mynah-plugin",
    "mynah-hostile",
    TESTKIT,
];

/// Rooms without tokio: the machines, the signal path and the real-time threads do no I/O of theirs.
const NO_TOKIO: &[&str] = &[
    "mynah-wire",
    "mynah-dave",
    "mynah-session",
    "mynah-audio",
    "mynah-media",
    "mynah-pulse",
    "mynah-ear",
    "mynah-plugin",
    "mynah-music",
    "mynah-recorder",
    "mynah-soundboard",
    "mynah-tts",
    "mynah-dice",
    "mynah-hello",
    "mynah-own-source",
    "mynah-meeting-recorder",
];

/// No file is longer; most are far shorter (conventions, rule 5).
const LONGEST_FILE_LINES: usize = 600;

struct Room {
    name: String,
    folder: PathBuf,
    /// Name and kind: `None` for a normal dependency, else `dev` or `build`.
    needs: Vec<(String, Option<String>)>,
    crate_roots: Vec<PathBuf>,
}

fn rooms() -> Vec<Room> {
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--format-version",
            "1",
            "--no-deps",
            "--offline",
        ])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    metadata["packages"]
        .as_array()
        .unwrap()
        .iter()
        .map(room)
        .collect()
}

fn room(package: &Value) -> Room {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let manifest = PathBuf::from(package["manifest_path"].as_str().unwrap());
    Room {
        name: text(&package["name"]).unwrap(),
        folder: manifest.parent().unwrap().to_owned(),
        needs: package["dependencies"]
            .as_array()
            .unwrap()
            .iter()
            .map(|need| (text(&need["name"]).unwrap(), text(&need["kind"])))
            .collect(),
        crate_roots: package["targets"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|target| {
                target["kind"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .any(|kind| kind == "lib" || kind == "bin")
            })
            .map(|target| PathBuf::from(target["src_path"].as_str().unwrap()))
            .collect(),
    }
}

/// The Rust files of a room, without those of rooms below its folder (the root package has some).
fn files(room: &Room, all: &[Room]) -> Vec<PathBuf> {
    let inner: Vec<&Path> = all
        .iter()
        .map(|other| other.folder.as_path())
        .filter(|folder| *folder != room.folder)
        .collect();
    let mut found = Vec::new();
    let mut folders = vec![room.folder.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                let skipped = name.starts_with('.') || name == "target" || name == "node_modules";
                if !skipped && !inner.contains(&path.as_path()) {
                    folders.push(path);
                }
            } else if name.ends_with(".rs") {
                found.push(path);
            }
        }
    }
    found
}

#[test]
fn every_arrow_is_in_the_plan() {
    let plan: BTreeMap<&str, BTreeSet<&str>> = ARROWS
        .iter()
        .map(|(room, known)| (*room, known.split_whitespace().collect()))
        .collect();
    let rooms = rooms();
    let names: BTreeSet<&str> = rooms.iter().map(|room| room.name.as_str()).collect();
    let mut wrong = Vec::new();
    for room in rooms.iter().filter(|room| room.name != TESTKIT) {
        let Some(known) = plan.get(room.name.as_str()) else {
            wrong.push(format!("{} is not in the plan", room.name));
            continue;
        };
        for (need, kind) in room
            .needs
            .iter()
            .filter(|(need, _)| names.contains(need.as_str()))
        {
            let dev = kind.as_deref() == Some("dev");
            let kit = dev && need == TESTKIT;
            if !kit && !known.contains(need.as_str()) {
                wrong.push(format!(
                    "{} must not know {need} (kind: {kind:?})",
                    room.name
                ));
            }
        }
    }
    for planned in plan.keys().filter(|planned| !names.contains(*planned)) {
        wrong.push(format!("{planned} is in the plan but not in the house"));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn client_and_server_share_nothing_but_wire() {
    // Two independent readings of the protocol: not even a test of the server may use the client's.
    let rooms = rooms();
    let server = rooms
        .iter()
        .find(|room| room.name == "mynah-server")
        .unwrap();
    for (need, kind) in &server.needs {
        for other in [
            "mynah-dave",
            "mynah-session",
            "mynah-users",
            "mynah-engine",
            "mynah-pulse",
            TESTKIT,
        ] {
            assert_ne!(need, other, "mynah-server must not use {other}");
        }
        // The client's group; real clients of others in its tests may be of it.
        let dev = kind.as_deref() == Some("dev");
        assert!(dev || need != "davey", "mynah-server must not use davey");
    }
    // ring does its TLS, but not its sealing of RTP: that is the client's.
    for file in files(server, &rooms) {
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(
            !text.contains("ring::aead"),
            "{} seals as the client does",
            file.display()
        );
    }
}

#[test]
fn tokio_stays_out_of_the_quiet_rooms() {
    for room in rooms()
        .iter()
        .filter(|room| NO_TOKIO.contains(&room.name.as_str()))
    {
        for (need, kind) in &room.needs {
            let dev = kind.as_deref() == Some("dev");
            assert!(
                dev || !need.starts_with("tokio"),
                "{} must not use {need}",
                room.name
            );
        }
    }
}

#[test]
fn unsafe_code_is_forbidden_where_it_is_not_needed() {
    for room in rooms() {
        for root in &room.crate_roots {
            let text = std::fs::read_to_string(root).unwrap();
            let forbids = text
                .lines()
                .any(|line| line.trim() == "#![forbid(unsafe_code)]");
            let may = UNSAFE.contains(&room.name.as_str());
            assert!(
                may || forbids,
                "{} lacks #![forbid(unsafe_code)]",
                root.display()
            );
            assert!(
                !(may && forbids),
                "{} forbids unsafe: take it out of UNSAFE",
                root.display()
            );
        }
    }
}

#[test]
fn no_room_is_empty_and_no_file_is_endless() {
    let rooms = rooms();
    for room in &rooms {
        let files = files(room, &rooms);
        let mut code = 0;
        for file in &files {
            let text = std::fs::read_to_string(file).unwrap();
            let lines = text.lines().count();
            assert!(
                lines <= LONGEST_FILE_LINES,
                "{} has {lines} lines",
                file.display()
            );
            code += text
                .lines()
                .filter(|line| !line.trim().is_empty() && !line.trim_start().starts_with("//"))
                .count();
        }
        assert!(
            code >= 20,
            "{} is an empty room ({code} lines of code)",
            room.name
        );
    }
}

#[test]
fn the_plan_on_paper_names_every_room() {
    let plan =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/src/README.md")).unwrap();
    for (room, _) in ARROWS {
        assert!(
            plan.contains(&format!("`{room}`")),
            "src/README.md does not name {room}"
        );
    }
}

#[test]
fn the_tests_named_in_the_readme_are_the_tests_that_ci_runs() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = std::fs::read_to_string(root.join("README.md")).unwrap();
    let ci = std::fs::read_to_string(root.join(".ci/run")).unwrap();
    let marked = readme
        .split("<!-- test -->")
        .nth(1)
        .expect("README.md marks its test command");
    // The line first installs what is missing; what it then runs stands after the last `&&`.
    let command = marked
        .lines()
        .filter_map(|line| line.rsplit("&& ").next())
        .find(|command| command.starts_with("cargo "))
        .expect("a cargo command");
    assert!(
        ci.lines().any(|line| line.trim() == command),
        "`{command}` is not in .ci/run"
    );
}
