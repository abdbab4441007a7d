//! The index and its files.

use super::*;
use crate::core::library::tests::sound as plain;

#[test]
fn what_was_added_changed_and_played_is_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let (mut shelf, _) = Shelf::open(folder.path()).unwrap();
    let mut horn = Sound {
        emoji: Some("📯".into()),
        aliases: vec!["träöt, \"x\"".into()],
        hidden: true,
        ..plain(0, "horn", &["loud", "long"], 0)
    };
    horn.id = shelf.add(1, &horn).unwrap();
    assert_eq!(shelf.add(2, &horn).unwrap(), horn.id + 1);
    shelf.played(horn.id).unwrap();
    horn = Sound {
        name: "Horn!".into(),
        volume: 50,
        rest_s: 9,
        ..horn
    };
    shelf.change(&horn).unwrap();
    drop(shelf);
    let (shelf, aside) = Shelf::open(folder.path()).unwrap();
    horn.plays = 1;
    assert_eq!((shelf.sounds(1).unwrap(), aside), (vec![horn], false));
    assert_eq!(shelf.sounds(3).unwrap(), []);
}

#[test]
fn a_deleted_sound_lies_in_the_bin_and_its_number_is_never_used_again() {
    let folder = tempfile::tempdir().unwrap();
    let (mut shelf, _) = Shelf::open(folder.path()).unwrap();
    let id = shelf.add(1, &plain(0, "a", &[], 0)).unwrap();
    shelf.set_deleted(id, Some(1_000)).unwrap();
    assert!(shelf.sounds(1).unwrap().is_empty());
    assert_eq!(shelf.bin(1).unwrap()[0].id, id);
    shelf.tidy(1_000).unwrap();
    shelf.set_deleted(id, None).unwrap();
    assert_eq!(shelf.sounds(1).unwrap().len(), 1);
    shelf.set_deleted(id, Some(1_000)).unwrap();
    shelf.tidy(1_001).unwrap();
    assert!(shelf.bin(1).unwrap().is_empty());
    assert!(shelf.add(1, &plain(0, "b", &[], 0)).unwrap() > id);
}

#[test]
fn only_files_that_nobody_names_and_nobody_writes_are_removed() {
    let folder = tempfile::tempdir().unwrap();
    let (mut shelf, _) = Shelf::open(folder.path()).unwrap();
    let kept = plain(0, "a", &[], 0);
    shelf.add(1, &kept).unwrap();
    std::fs::create_dir(shelf.folder(1)).unwrap();
    let old = std::time::SystemTime::now() - 2 * FRESH;
    let put = |path: &Path, old_enough: bool| {
        let file = std::fs::File::create(path).unwrap();
        if old_enough {
            file.set_modified(old).unwrap();
        }
    };
    let orphan = plain(7, "b", &[], 0);
    let fresh = plain(8, "c", &[], 0);
    put(&shelf.file(1, &kept), true);
    put(&shelf.file(1, &kept).with_extension("part"), true);
    put(&shelf.file(1, &orphan), true);
    put(&shelf.file(1, &fresh), false);
    put(&shelf.folder(1).join("notes.txt"), true);
    assert_eq!(shelf.tidy(0).unwrap(), 2);
    assert!(shelf.file(1, &kept).exists() && shelf.file(1, &fresh).exists());
    assert!(shelf.folder(1).join("notes.txt").exists());
}

#[test]
fn a_damaged_index_is_put_aside_and_a_later_one_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(FILE);
    std::fs::write(
        &path,
        "this is no database, but long enough to look at".repeat(99),
    )
    .unwrap();
    let (shelf, aside) = Shelf::open(folder.path()).unwrap();
    assert!(aside && folder.path().join("sounds.sqlite.damaged").exists());
    shelf.db.pragma_update(None, "user_version", 99).unwrap();
    drop(shelf);
    let refused = Shelf::open(folder.path()).unwrap_err().to_string();
    assert!(refused.contains("later version"), "{refused}");
}
