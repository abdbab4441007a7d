//! What is kept, and what is refused.

use super::*;
use crate::text::Links;

#[test]
fn what_was_chosen_is_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let choice = Choice {
        voice: Some("en-us".into()),
        speed: Some(120),
        ..Choice::default()
    };
    let rules = Rules {
        links: Some(Links::Skip),
        ..Rules::default()
    };
    {
        let store = Store::open(folder.path()).unwrap();
        store.set_voice(1, u64::MAX, &choice).unwrap();
        store.set_rules(1, &rules).unwrap();
        store.set_out(1, 5, true).unwrap();
        assert!(store.set_auto(1, 3, true).unwrap() && !store.set_auto(1, 3, true).unwrap());
        store.add_word(1, None, "gg", "good game").unwrap();
    }
    let store = Store::open(folder.path()).unwrap();
    assert_eq!(store.voice(1, u64::MAX).unwrap(), choice);
    assert!(
        store.voice(2, u64::MAX).unwrap().is_empty(),
        "another server"
    );
    assert_eq!(store.rules(1).unwrap(), rules);
    assert!(store.is_out(1, 5).unwrap() && !store.is_out(2, 5).unwrap());
    assert_eq!(store.autos(1).unwrap(), [3]);
    assert_eq!(
        store.words(1, None).unwrap(),
        [("gg".into(), "good game".into())]
    );
    store.set_voice(1, u64::MAX, &Choice::default()).unwrap();
    assert!(store.voice(1, u64::MAX).unwrap().is_empty());
    store.set_out(1, 5, false).unwrap();
    assert!(!store.is_out(1, 5).unwrap());
    assert!(
        store.remove_word(1, None, "gg").unwrap() && !store.remove_word(1, None, "gg").unwrap()
    );
}

#[test]
fn the_servers_voice_is_nobodys() {
    let store = Store::in_memory().unwrap();
    let choice = Choice {
        engine: Some("piper".into()),
        ..Choice::default()
    };
    store.set_server_voice(1, &choice).unwrap();
    assert_eq!(store.server_voice(1).unwrap(), choice);
    assert!(store.voice(1, 7).unwrap().is_empty());
}

#[test]
fn everything_has_a_limit_and_changing_is_allowed_at_it() {
    let store = Store::in_memory().unwrap();
    for n in 0..MAX_WORDS_PERSON {
        store.add_word(1, Some(7), &format!("w{n}"), "x").unwrap();
    }
    let full = store.add_word(1, Some(7), "more", "x");
    assert!(matches!(full, Err(StoreError::Full(MAX_WORDS_PERSON))));
    store.add_word(1, Some(7), "w0", "y").unwrap();
    for channel in 0..MAX_AUTO as u64 {
        store.set_auto(1, channel, true).unwrap();
    }
    assert!(matches!(
        store.set_auto(1, 999, true),
        Err(StoreError::Full(MAX_AUTO))
    ));
    assert!(!store.set_auto(1, 0, true).unwrap());
}

#[test]
fn a_file_of_a_newer_version_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tts.sqlite");
    let newer = Connection::open(&file).unwrap();
    newer.pragma_update(None, "user_version", 99).unwrap();
    drop(newer);
    assert!(matches!(
        Store::open(folder.path()),
        Err(StoreError::Newer(99))
    ));
    std::fs::write(
        &file,
        b"not a database at all, but long enough to be looked at",
    )
    .unwrap();
    assert!(matches!(
        Store::open(folder.path()),
        Err(StoreError::Sqlite(_))
    ));
}
