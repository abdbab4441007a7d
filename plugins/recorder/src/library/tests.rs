//! What the index knows, and that the files alone are enough for it.

use std::fs;
use std::path::Path;

use super::*;
use crate::core::recording::{Plan, Recording};

const MARK: &str = "0123456789abcdef0123456789abcdef";

fn record(root: &Path, id: &str, guild: u64, title: &str, started_ms: u64) -> Manifest {
    let plan = Plan {
        id: id.into(),
        guild,
        channel: 3,
        starter: 5,
        title: title.into(),
        consent: "notice".into(),
        previous: None,
        started_ms,
        limits: crate::core::recording::Limits::default(),
    };
    let mut recording = Recording::begin(root, plan).unwrap();
    recording
        .finish(2_000_000, started_ms + 2_000, "done")
        .unwrap();
    recording.manifest().clone()
}

#[test]
fn the_files_alone_are_enough_to_make_the_index_again() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    record(root, "one", 1, "Standup", 1_000);
    record(root, "two", 1, "Retro", 2_000);
    record(root, "other", 2, "Standup", 3_000);
    fs::write(
        root.join("1").join(crate::OPT_OUTS),
        format!("[\"{MARK}\"]"),
    )
    .unwrap();
    let library = Library::open(root).unwrap();
    let ids = |library: &Library, typed: &str| -> Vec<String> {
        let found = library.list("1", typed, None, 25).unwrap();
        found.into_iter().map(|entry| entry.id).collect()
    };
    assert_eq!(ids(&library, ""), ["two", "one"], "newest first");
    assert_eq!(ids(&library, "STAND"), ["one"]);
    assert_eq!(library.list("1", "", Some("5"), 1).unwrap().len(), 1);
    assert!(library.list("1", "", Some("6"), 25).unwrap().is_empty());
    assert_eq!(library.sums("1").unwrap().0, 2);
    assert!(library.sums("1").unwrap().1 > 0);
    assert!(library.opted_out("1").unwrap().contains(MARK));
    let entry = library.find("2", "other").unwrap().unwrap();
    assert_eq!((entry.length_us, entry.is_open), (2_000_000, false));
    assert_eq!(library.find("1", "other").unwrap(), None);
    drop(library);

    for damage in [&b"no database"[..], b""] {
        fs::write(root.join(FILE), damage).unwrap();
        let library = Library::open(root).unwrap();
        assert_eq!(ids(&library, ""), ["two", "one"]);
    }
    assert_eq!(
        fs::read(root.join("library.sqlite.damaged")).unwrap(),
        b"no database"
    );
    // What another program removed is gone here, too.
    fs::remove_dir_all(root.join("1/two")).unwrap();
    assert_eq!(ids(&Library::open(root).unwrap(), ""), ["one"]);
}

#[test]
fn what_is_removed_cannot_be_read_out_of_the_file_any_more() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    let manifest = record(root, "one", 1, "the secret merger", 1_000);
    let library = Library::open(root).unwrap();
    library.opt("1", MARK, true).unwrap();
    let holds = |what: &[u8]| {
        let bytes = fs::read(root.join(FILE)).unwrap();
        bytes.windows(what.len()).any(|part| part == what)
    };
    assert!(holds(b"secret merger"));
    assert!(library.remove("1", "one").unwrap());
    assert!(!library.remove("1", "one").unwrap());
    library.opt("1", MARK, false).unwrap();
    assert!(!holds(b"secret merger"));
    assert!(!holds(MARK.as_bytes()));
    assert!(
        fs::metadata(root.join("library.sqlite-journal")).map_or(true, |about| about.len() == 0)
    );
    library.note(&root.join("1/one")).unwrap();
    assert_eq!(
        library.find("1", "one").unwrap().unwrap().title,
        manifest.title
    );
}

#[test]
fn servers_settle_things_each_for_itself() {
    let root = tempfile::tempdir().unwrap();
    let library = Library::open(root.path()).unwrap();
    library.set("1", "post", Some("20")).unwrap();
    assert_eq!(library.setting("1", "post").unwrap().as_deref(), Some("20"));
    assert_eq!(library.setting("2", "post").unwrap(), None);
    library.set("1", "post", None).unwrap();
    assert_eq!(library.setting("1", "post").unwrap(), None);
}
