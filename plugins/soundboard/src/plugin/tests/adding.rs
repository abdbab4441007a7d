//! Adding, changing, deleting.

use super::*;
use crate::plugin::words;

#[test]
fn who_may_add_is_what_the_operator_says() {
    let folder = tempfile::tempdir().unwrap();
    let mut board = Board::new(folder.path());
    assert_eq!(board.adds(BOB, "horn", json!({})), words::MAY_NOT_ADD_ROLE);
    assert_eq!(
        board.adds(ANN, "horn", json!({})),
        "🔊 `horn` is here, 1.0 s."
    );
    assert_eq!(
        board.adds(BOSS, "drum", json!({})),
        "🔊 `drum` is here, 1.0 s."
    );
    board.end();
    let folder = tempfile::tempdir().unwrap();
    let mut board = Board::with(folder.path(), json!({ "upload": "manager" }));
    assert_eq!(
        board.adds(ANN, "horn", json!({})),
        words::MAY_NOT_ADD_MANAGER
    );
    board.end();
    let folder = tempfile::tempdir().unwrap();
    let mut board = Board::with(
        folder.path(),
        json!({ "upload": "everyone", "manager_roles": [ROLE] }),
    );
    assert!(board.adds(BOB, "horn", json!({})).contains("is here"));
    // Ann manages by her role.
    assert!(
        board
            .says(ANN, "edit", json!({ "name": "horn", "volume": 50 }))
            .contains("was changed")
    );
    board.end();
}

#[test]
fn a_sound_is_made_ready_in_its_servers_folder_and_told_about() {
    let folder = tempfile::tempdir().unwrap();
    let mut board = Board::new(folder.path());
    board.host.borrow_mut().cut = true;
    let options = json!({
        "name": "Air  Horn", "file": "../../x.mp3", "tags": "Loud, #meme", "emoji": "📯",
        "start": 1.5, "end": 3,
    });
    let asked = board.asks(ANN, "add", options);
    assert_eq!(kinds(&asked), ["rest", "media.ingest", "rest"]);
    let ingest = &asked[1].args;
    assert_eq!(ingest["url"], "https://cdn/../../x.mp3");
    assert_eq!(ingest["dir"], folder.path().join("1").display().to_string());
    assert_eq!(
        (ingest["start_ms"].as_u64(), ingest["end_ms"].as_u64()),
        (Some(1_500), Some(3_000))
    );
    assert_eq!(
        (ingest["max_ms"].as_u64(), ingest["max_bytes"].as_u64()),
        (Some(30_000), Some(10 << 20))
    );
    let words = last_words(&asked);
    assert!(
        words.starts_with("📯 `Air Horn` is here") && words.contains("30 s at most"),
        "{words}"
    );
    let about = board.says(BOB, "info", json!({ "name": "air horn" }));
    for part in [
        "tags: loud, meme",
        "length: 1.0 s (9 KiB)",
        "by <@5>",
        "never played",
    ] {
        assert!(about.contains(part), "{part}: {about}");
    }
    board.end();
}

#[test]
fn names_files_and_numbers_that_make_no_sense_are_refused_before_any_work() {
    let folder = tempfile::tempdir().unwrap();
    let mut board = Board::new(folder.path());
    assert!(board.adds(ANN, "horn", json!({})).contains("is here"));
    for (options, words) in [
        (
            json!({ "name": "../../x", "file": "x.mp3" }),
            "`.` is not possible in a name",
        ),
        (
            json!({ "name": "???", "file": "x.mp3" }),
            "needs at least one letter",
        ),
        (json!({ "name": "HORN", "file": "x.mp3" }), "taken already"),
        (json!({ "name": "new" }), "Attach a file"),
        (
            json!({ "name": "new", "file": "x.mp3", "message": "https://x" }),
            "not both",
        ),
        (
            json!({ "name": "new", "file": "x.mp3", "emoji": "nothing" }),
            "no emoji",
        ),
        (
            json!({ "name": "new", "file": "x.mp3", "tags": "a/b" }),
            "not possible in a name",
        ),
        (
            json!({ "name": "new", "message": "https://discord.com/channels/1/4/91" }),
            "not lead to",
        ),
        (
            json!({ "name": "new", "message": "https://discord.com/channels/2/3/91" }),
            "not lead to",
        ),
    ] {
        let asked = board.asks(ANN, "add", options.clone());
        assert_eq!(kinds(&asked), ["rest"], "{options}");
        assert!(last_words(&asked).contains(words), "{options}: {asked:?}");
    }
    let large = json!({ "resolved": { "attachments": { "50": {
        "id": "50", "filename": "x.wav", "url": "https://cdn/x.wav", "size": 99 << 20 } } },
        "name": "sound", "type": 1, "options": [{ "name": "add", "type": 1, "options": [
            { "name": "name", "type": 3, "value": "big" }, { "name": "file", "type": 11, "value": "50" }] }] });
    let words = last_words(&board.interact(2, ANN, large));
    assert!(
        words.contains("101376 KiB, and may have 10240 KiB"),
        "{words}"
    );
    board.end();
}

#[test]
fn a_file_that_is_no_sound_is_refused_with_the_hosts_words_and_nothing_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let mut board = Board::new(folder.path());
    let words = "\"x.mp3\" is not audio Mynah can play: a ZIP archive; use mp3";
    board.host.borrow_mut().ingest = Some(Error::failed(words));
    assert_eq!(
        board.adds(ANN, "horn", json!({})),
        format!("I could not add it: {words}")
    );
    board.host.borrow_mut().ingest = None;
    assert!(
        board.adds(ANN, "horn", json!({})).contains("is here"),
        "the name is free"
    );
    board.end();
}

#[test]
fn the_same_sound_is_kept_once_and_quotas_hold() {
    let folder = tempfile::tempdir().unwrap();
    let config = json!({ "upload": "everyone", "max_sounds": 3, "max_per_user": 2 });
    let mut board = Board::with(folder.path(), config);
    assert!(board.adds(ANN, "horn", json!({})).contains("is here"));
    let words = board.adds(BOB, "other", json!({ "file": "horn.mp3" }));
    assert_eq!(
        words,
        "This very sound is here already: it is called `horn`."
    );
    assert!(board.adds(ANN, "two", json!({})).contains("is here"));
    assert!(
        board
            .adds(ANN, "three", json!({}))
            .starts_with("You have added 2 sounds")
    );
    assert!(board.adds(BOB, "three", json!({})).contains("is here"));
    assert!(
        board
            .adds(BOB, "four", json!({}))
            .starts_with("This server has 3 sounds")
    );
    board.end();
}

#[test]
fn two_who_add_at_once_do_not_get_one_name_and_nobody_adds_two() {
    let folder = tempfile::tempdir().unwrap();
    let mut board = Board::with(folder.path(), json!({ "upload": "everyone" }));
    board.host.borrow_mut().hold = true;
    let first = board.asks(ANN, "add", json!({ "name": "horn", "file": "a.mp3" }));
    let second = board.asks(BOB, "add", json!({ "name": "horn", "file": "b.mp3" }));
    assert_eq!(board.adds(ANN, "more", json!({})), words::ADDING_ALREADY);
    let op = |asked: &[Request]| {
        let ingest = asked
            .iter()
            .find(|request| request.kind == "media.ingest")
            .unwrap();
        (ingest.op, kept(&ingest.args, false))
    };
    let ((first, its), (second, other)) = (op(&first), op(&second));
    board.stage.requests();
    board.stage.answer(second, Ok(other));
    board.stage.answer(first, Ok(its));
    let said = board.stage.said();
    assert!(said[0].contains("`horn` is here"), "{said:?}");
    assert!(said[1].contains("`horn` is taken already"), "{said:?}");
    board.end();
}

#[test]
fn a_message_gives_its_sound_by_link_and_by_menu() {
    let folder = tempfile::tempdir().unwrap();
    let mut board = Board::new(folder.path());
    let link = json!({ "name": "linked", "message": "https://discord.com/channels/1/3/91" });
    let asked = board.asks(ANN, "add", link);
    assert_eq!(asked[1].args["path"], "/channels/3/messages/91");
    assert_eq!(asked[2].args["url"], "https://cdn/linked.ogg");
    assert!(last_words(&asked).contains("`linked` is here"));
    let menu = |files: Value| {
        json!({ "name": "Save as sound", "type": 3, "target_id": "91",
                "resolved": { "messages": { "91": { "id": "91", "attachments": files } } } })
    };
    let words = last_words(&board.interact(2, BOB, menu(json!([file("a.mp3")]))));
    assert_eq!(words, words::MAY_NOT_ADD_ROLE);
    let words = last_words(&board.interact(2, ANN, menu(json!([file("a.zip")]))));
    assert_eq!(words, words::NO_SOUND_IN_MESSAGE);
    let words =
        last_words(&board.interact(2, ANN, menu(json!([file("a.zip"), file("Linked.wav")]))));
    assert!(
        words.contains("`Linked 2` is here") && words.contains("/sound edit"),
        "{words}"
    );
    board.end();
}

#[test]
fn the_uploader_and_managers_change_a_sound_and_nobody_else() {
    let folder = tempfile::tempdir().unwrap();
    let mut board = Board::new(folder.path());
    board.adds(ANN, "horn", json!({}));
    board.adds(BOSS, "drum", json!({}));
    let edit = json!({
        "name": "horn", "rename": "Trompete", "tags": "brass", "aliases": "tröt, tuba", "emoji": "🎺",
        "volume": 80, "cooldown": 90, "hidden": false,
    });
    assert_eq!(board.says(BOB, "edit", edit.clone()), words::NOT_YOURS);
    assert!(
        board
            .says(ANN, "edit", edit)
            .contains("`Trompete` was changed")
    );
    let about = board.says(BOB, "info", json!({ "name": "TRÖT" }));
    for part in [
        "🎺 **Trompete**",
        "also called: tröt, tuba",
        "volume: 80 %",
        "rests: 90 s",
    ] {
        assert!(about.contains(part), "{part}: {about}");
    }
    assert!(
        board
            .says(
                BOSS,
                "edit",
                json!({ "name": "tuba", "emoji": "-", "tags": "-" })
            )
            .contains("changed")
    );
    assert!(
        board
            .says(BOB, "info", json!({ "name": "tuba" }))
            .starts_with("**Trompete**")
    );
    for (edit, words) in [
        (json!({ "name": "tuba" }), words::NOTHING_CHANGED),
        (
            json!({ "name": "tuba", "rename": "Drum" }),
            "`Drum` is taken already, by the sound `drum`.",
        ),
        (json!({ "name": "tuba", "emoji": "x" }), words::NO_EMOJI),
        (
            json!({ "name": "nobody`s", "volume": 5 }),
            "There is no sound called `nobodys` here. `/sound list` shows all of them.",
        ),
    ] {
        assert_eq!(board.says(ANN, "edit", edit), words);
    }
    // Hidden from others, not from its uploader.
    board.says(ANN, "edit", json!({ "name": "tuba", "hidden": true }));
    assert!(
        board
            .says(BOB, "info", json!({ "name": "tuba" }))
            .contains("no sound called")
    );
    assert_eq!(board.offers(BOB, "play", "name", ""), ["drum"]);
    assert_eq!(
        board.offers(ANN, "edit", "name", ""),
        ["Trompete"],
        "what Ann may change"
    );
    board.end();
}

#[test]
fn a_deleted_sound_can_be_brought_back_also_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let mut board = Board::new(folder.path());
    board.adds(ANN, "horn", json!({ "tags": "loud" }));
    assert_eq!(
        board.says(BOB, "delete", json!({ "name": "horn" })),
        words::NOT_YOURS
    );
    let words = board.says(ANN, "delete", json!({ "name": "horn" }));
    assert_eq!(
        words,
        "`horn` was deleted. For 7 days `/sound restore` brings it back."
    );
    assert_eq!(
        last_words(&board.presses(BOB, "play:1")),
        words::GONE,
        "its buttons say so"
    );
    board.end();
    let mut board = Board::new(folder.path());
    assert_eq!(
        board.says(BOB, "restore", json!({ "name": "horn" })),
        words::NOT_YOURS
    );
    assert_eq!(
        board.offers(BOB, "restore", "name", ""),
        Vec::<String>::new()
    );
    assert_eq!(board.offers(ANN, "restore", "name", "HO"), ["#1"]);
    assert_eq!(
        board.says(ANN, "restore", json!({ "name": "#1" })),
        "`horn` is back."
    );
    assert!(
        board
            .says(ANN, "restore", json!({ "name": "#1" }))
            .contains("no such sound")
    );
    assert!(
        board
            .says(BOB, "info", json!({ "name": "horn" }))
            .contains("tags: loud")
    );
    // Its place is taken meanwhile.
    board.says(ANN, "delete", json!({ "name": "horn" }));
    board.adds(ANN, "horn", json!({ "file": "another.mp3" }));
    assert!(
        board
            .says(ANN, "restore", json!({ "name": "#1" }))
            .contains("taken already")
    );
    board.end();
}
