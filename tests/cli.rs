//! The program as people and scripts start it, right and wrong: the command line and the settings.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::path::PathBuf;

use mynah_testkit::{Finished, run};
use serde_json::{Value, json};

/// A folder with a `bot.toml`, and the program run in it.
struct House {
    folder: tempfile::TempDir,
}

impl House {
    /// With the shipped settings.
    fn shipped() -> Self {
        Self::new(include_str!("../bot.toml"))
    }

    fn new(settings: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("bot.toml"), settings).unwrap();
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn mynah(&self, args: &[&str]) -> Finished {
        self.mynah_with(args, &[])
    }

    fn mynah_with(&self, args: &[&str], variables: &[(&str, &str)]) -> Finished {
        run(
            env!("CARGO_BIN_EXE_mynah"),
            self.folder.path(),
            args,
            variables,
        )
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

// --- words -----------------------------------------------------------------------------------------

#[test]
fn help_and_version_are_answers() {
    let house = House::shipped();
    for command in ["run", "serve", "check", "demo", "bench"] {
        let help = house.mynah(&[command, "--help"]);
        assert_eq!((help.code(), help.stderr.as_str()), (0, ""), "{command}");
        assert!(help.stdout.contains("Usage: mynah"), "{}", help.stdout);
    }
    assert!(house.mynah(&["--version"]).stdout.starts_with("mynah "));
}

#[test]
fn what_cannot_be_understood_is_wrong_usage() {
    let house = House::shipped();
    fails(&house.mynah(&["chek"]), 2, &["check"]);
    fails(
        &house.mynah(&["run", "--redy-file", "x"]),
        2,
        &["--ready-file"],
    );
    fails(
        &house.mynah(&["serve", "--http-port", "eighty"]),
        2,
        &["eighty"],
    );
    fails(
        &house.mynah(&["serve", "--bind", "everywhere"]),
        2,
        &["everywhere"],
    );
    fails(
        &house.mynah(&["serve", "--dave", "sometimes"]),
        2,
        &["sometimes", "required"],
    );
    fails(&house.mynah(&["check", "extra"]), 2, &["extra"]);
    fails(&house.mynah(&["bench", "--complexity", "11"]), 2, &["11"]);
    fails(
        &house.mynah(&["bench", "--seconds", "0"]),
        2,
        &["between 0.5 and 600"],
    );
}

#[test]
fn a_bench_of_two_sessions_says_what_they_cost_in_one_document() {
    let house = House::shipped();
    let args = ["bench", "--sessions", "2", "--seconds", "0.5", "--json"];
    let said = house.mynah(&args);
    assert_eq!(said.code(), 0, "{}", said.stderr);
    let json: Value = serde_json::from_str(&said.stdout).unwrap();
    assert!(json["capacity"].is_null(), "{json}");
    assert_eq!(json["setup"]["complexity"], 10);
    assert!(json["stages_us"]["encode"].as_f64().unwrap() > 0.0);
    let load = &json["loads"][0];
    assert_eq!(load["sessions"], 2);
    assert!(load["frames_sent"].as_u64().unwrap() > 0, "{json}");
    assert!(load["cpu_us_per_frame"].as_f64().unwrap() > 0.0);
}

#[test]
fn a_ready_file_that_cannot_be_written_is_found_before_the_work() {
    let house = House::shipped();
    fails(
        &house.mynah(&["run", "--ready-file", "no/such/ready.json"]),
        2,
        &["there is no folder no/such"],
    );
    assert!(!house.path("data").exists());
}

// --- settings --------------------------------------------------------------------------------------

#[test]
fn the_shipped_settings_pass_the_check() {
    let house = House::shipped();
    let said = house.mynah(&["check"]);
    assert_eq!(
        (said.code(), said.stderr.as_str()),
        (0, ""),
        "{}",
        said.stdout
    );
    assert!(
        said.stdout.contains("bot.toml can be used"),
        "{}",
        said.stdout
    );
    let json: Value = serde_json::from_str(&house.mynah(&["check", "--json"]).stdout).unwrap();
    assert_eq!(
        json,
        json!({ "ok": true, "errors": 0, "warnings": 0, "diagnostics": [] })
    );
    assert!(
        !house.path("data").exists(),
        "a check leaves nothing behind"
    );
}

#[test]
fn a_check_shows_every_mistake_and_ends_with_78() {
    let house = House::new(
        "[discord]\napi = \"discrod\"\n[voice]\ncomplexity = 11\n[plugins.music]\ndefault_volum = 80\n",
    );
    let said = house.mynah(&["check"]);
    assert_eq!(said.code(), 78);
    for part in [
        "bot.toml:2:7 [discord]\n  2 | api = \"discrod\"\n    |       ^^^^^^^^^ did you mean `discord`?",
        "bot.toml:4:14 [voice]",
        "bot.toml:6:1 [plugins.music]\n  6 | default_volum = 80\n    | ^^^^^^^^^^^^^ did you mean `default_volume`?",
        "3 errors in bot.toml",
    ] {
        assert!(
            said.stdout.contains(part),
            "missing: {part}\nin: {}",
            said.stdout
        );
    }
    let said = house.mynah(&["check", "--json"]);
    assert_eq!(said.code(), 78);
    let json: Value = serde_json::from_str(&said.stdout).unwrap();
    assert_eq!(json["errors"], 3);
    assert_eq!(json["diagnostics"][0]["line"], 2);
    assert_eq!(json["diagnostics"][0]["column"], 7);
}

#[test]
fn run_refuses_wrong_settings_with_78_and_starts_nothing() {
    let house = House::new("[server]\nhttp_port = 99999\n");
    fails(
        &house.mynah(&["run"]),
        78,
        &["bot.toml:2:13 [server]", "from 0 to 65535"],
    );
    fails(&house.mynah(&[]), 78, &["bot.toml:2:13 [server]"]);
    assert!(!house.path("data").exists());
}

#[test]
fn settings_that_are_not_there_are_told_how_to_be_found() {
    let house = House::shipped();
    fails(
        &house.mynah(&["run", "--config", "other.toml"]),
        78,
        &["other.toml", "--config PATH"],
    );
    fails(&house.mynah(&["--config", "."]), 78, &["it is a folder"]);
}

#[test]
fn a_wrong_variable_is_named() {
    let house = House::shipped();
    let loud = [("MYNAH__VOICE__COMPLEXITY", "loud")];
    let parts = [
        "environment variable MYNAH__VOICE__COMPLEXITY [voice]",
        "loud",
    ];
    fails(&house.mynah_with(&["run"], &loud), 78, &parts);
}

#[test]
fn a_token_is_never_printed() {
    // Made up, in the documented shape.
    let token = "MTAwMDAwMDAwMDAwMDAwMDAx.Gabcde.abcdefghijklmnopqrstuvwxyz0123456789AB";
    let house = House::new(&format!(
        "[discord]\napi = \"discord\"\ntoken = \"{token}\"\nbad = 1\n"
    ));
    for args in [&["check"][..], &["check", "--json"], &["run"]] {
        let said = house.mynah(args);
        assert_eq!(said.code(), 78);
        assert!(
            !format!("{}{}", said.stdout, said.stderr).contains("Gabcde"),
            "{}{}",
            said.stdout,
            said.stderr
        );
    }
}

#[test]
fn discord_without_a_token_ends_with_78_and_says_where_to_get_one() {
    let house = House::new("[discord]\napi = \"discord\"\n");
    fails(
        &house.mynah(&["run"]),
        78,
        &["https://discord.com/developers/applications", "token_file"],
    );
}
