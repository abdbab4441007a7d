//! A meeting in a town, listened to; what stands in the files afterwards.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use super::*;
use mynah_testkit::{Said, Town};
use serde_json::json;
use std::time::Duration;

static ENTRY: mynah_plugin::abi::Entry = mynah_plugin::entry!(Meetings);
/// Manage server.
const MANAGER: u64 = MANAGE_GUILD | 1 << 10 | 1 << 11 | 1 << 20 | 1 << 21;

fn town() -> (Town, PathBuf) {
    let mut town = Town::new();
    let folder = town.folder().join("minutes");
    town.bot(&ENTRY, json!({ "folder": folder }));
    (town, folder)
}

#[test]
fn a_meeting_becomes_sound_and_minutes() {
    let (mut town, folder) = town();
    let (ann, bob) = (town.user_with("ann", MANAGER), town.user("bob"));
    town.joins(ann, 0);
    town.joins(bob, 0);
    let said = town.command(ann, "minutes start", json!({})).text();
    assert!(said.contains("is recorded"), "{said}");
    let twice = town.command(ann, "minutes start", json!({}));
    assert!(twice.is_private() && twice.text().contains("already"));

    town.talks(bob, Said::tone(300.0), Duration::from_secs(4));
    town.run(Duration::from_secs(6));
    town.talks(ann, Said::tone(500.0), Duration::from_secs(1));
    town.run(Duration::from_secs(2));
    let said = town.command(ann, "minutes stop", json!({})).text();
    let (bobs, anns) = (
        said.find(&bob.id().to_string()),
        said.find(&ann.id().to_string()),
    );
    assert!(
        bobs.is_some() && bobs < anns,
        "whoever spoke most comes first: {said}"
    );
    assert!(said.contains("spoke 0:04, 1 times"), "{said}");
    assert!(!said.contains("not whole"), "{said}");

    let wav = std::fs::read(folder.join("meeting-0001.wav")).unwrap();
    let seconds = (wav.len() - 44) as f64 / 96_000.0;
    assert!((7.9..9.0).contains(&seconds), "{seconds} s");
    assert_eq!(wav[40..44], (wav.len() as u32 - 44).to_le_bytes());
    let loudest = wav[44..]
        .chunks_exact(2)
        .map(|two| i16::from_le_bytes([two[0], two[1]]));
    assert!(loudest.max().unwrap() > 3_000, "somebody is heard in it");
    let text = std::fs::read_to_string(folder.join("meeting-0001.txt")).unwrap();
    assert_eq!(text.trim(), said.trim());
}

#[test]
fn only_managers_may_and_only_from_a_voice_channel() {
    let (mut town, _) = town();
    let (ann, bob) = (town.user_with("ann", MANAGER), town.user("bob"));
    let refused = town.command(bob, "minutes start", json!({}));
    assert!(refused.refused().is_some(), "{:?}", refused.json());
    let said = town.command(ann, "minutes start", json!({})).text();
    assert!(said.contains("Join a voice channel first"), "{said}");
    let said = town.command(ann, "minutes stop", json!({})).text();
    assert!(said.contains("no meeting"), "{said}");
}

#[test]
fn when_the_bot_is_thrown_out_or_ends_the_files_are_whole_and_none_is_written_over() {
    let (mut town, folder) = town();
    let ann = town.user_with("ann", MANAGER);
    town.joins(ann, 0);
    town.command(ann, "minutes start", json!({}));
    town.run(Duration::from_secs(2));
    town.kicks_the_bot();
    town.run(Duration::from_secs(1));
    let said = town.command(ann, "minutes start", json!({})).text();
    assert!(said.contains("is recorded"), "a second one begins: {said}");
    town.run(Duration::from_secs(1));
    town.stop();
    for name in ["meeting-0001", "meeting-0002"] {
        let wav = std::fs::read(folder.join(format!("{name}.wav"))).unwrap();
        assert!(wav.len() > 44 + 90_000, "{name}: {} bytes", wav.len());
        assert_eq!(wav[40..44], (wav.len() as u32 - 44).to_le_bytes());
        assert!(folder.join(format!("{name}.txt")).exists());
    }
}
