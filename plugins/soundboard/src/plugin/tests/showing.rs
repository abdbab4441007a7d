//! Boards, lists, offers.

use super::*;
use crate::plugin::words;

/// A board with 45 sounds, every third with a tag.
fn board(folder: &Path) -> Board {
    let config = json!({ "upload": "everyone", "max_per_user": 60, "max_per_minute": 1000, "cooldown": "0" });
    let mut board = Board::with(folder, config);
    for n in 1..=45 {
        let tags = if n % 3 == 0 { "third" } else { "" };
        assert!(
            board
                .adds(ANN, &format!("sound {n:02}"), json!({ "tags": tags }))
                .contains("is here")
        );
    }
    board
}

fn rows(requests: &[Request]) -> Vec<Vec<Value>> {
    let body = &requests.last().unwrap().args["body"]["data"];
    let rows = body["components"].as_array().unwrap().iter();
    rows.map(|row| row["components"].as_array().unwrap().clone())
        .collect()
}

#[test]
fn a_board_is_a_grid_of_buttons_with_a_pager_that_works_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let mut before = board(folder.path());
    before.says(ANN, "edit", json!({ "name": "sound 01", "emoji": "📯" }));
    before.says(
        ANN,
        "edit",
        json!({ "name": "sound 02", "emoji": "<:horn:123>" }),
    );
    let shown = before.asks(BOB, "board", json!({}));
    assert_eq!(last_words(&shown), "**Sounds**, page 1 of 3");
    let grid = rows(&shown);
    assert_eq!(
        grid.iter().map(Vec::len).collect::<Vec<_>>(),
        [5, 5, 5, 5, 4]
    );
    assert_eq!(grid[0][0]["custom_id"], "soundboard:play:1");
    assert_eq!(grid[0][0]["emoji"]["name"], "📯");
    assert_eq!(
        grid[0][1]["emoji"],
        json!({ "name": "horn", "id": "123", "animated": false })
    );
    assert_eq!(
        (&grid[4][0]["disabled"], &grid[4][1]["disabled"]),
        (&json!(true), &json!(false))
    );
    before.end();

    let mut after = Board::with(folder.path(), json!({}));
    let turned = after.presses(BOB, "page:2");
    assert_eq!(answers(&turned), [7], "the message changes");
    assert_eq!(last_words(&turned), "**Sounds**, page 3 of 3");
    let grid = rows(&turned);
    assert_eq!(grid.len(), 2, "five sounds, and the pager");
    assert_eq!(kinds(&after.presses(BOB, "play:45"))[1], "voice.play");
    assert_eq!(
        last_words(&after.presses(BOB, "page:999")),
        "**Sounds**, page 3 of 3"
    );
    let ids: std::collections::BTreeSet<String> = grid
        .iter()
        .flatten()
        .map(|button| button["custom_id"].to_string())
        .collect();
    assert_eq!(ids.len(), 9, "Discord refuses two buttons with one id");
    after.end();
}

#[test]
fn a_board_of_a_tag_keeps_to_it_and_hides_what_is_hidden() {
    let folder = tempfile::tempdir().unwrap();
    let mut board = board(folder.path());
    board.says(ANN, "edit", json!({ "name": "sound 03", "hidden": true }));
    let shown = board.asks(ANN, "board", json!({ "tag": "#Third" }));
    assert_eq!(last_words(&shown), "**Sounds with `#Third`**");
    let grid = rows(&shown);
    assert_eq!(
        grid.iter().map(Vec::len).collect::<Vec<_>>(),
        [5, 5, 4, 2],
        "14 sounds on one page"
    );
    assert_eq!(grid[3][0]["custom_id"], "soundboard:random:Third");
    assert_eq!(
        board.says(ANN, "board", json!({ "tag": "none" })),
        words::NONE_WITH_TAG
    );
    board.end();
    let folder = tempfile::tempdir().unwrap();
    let mut board = Board::new(folder.path());
    assert_eq!(board.says(ANN, "board", json!({})), words::EMPTY);
    assert_eq!(board.says(ANN, "list", json!({})), words::EMPTY);
    board.end();
}

#[test]
fn a_list_has_pages_an_order_and_fits_into_a_message() {
    let folder = tempfile::tempdir().unwrap();
    let mut board = board(folder.path());
    board.presses(BOB, "play:45");
    let shown = board.asks(BOB, "list", json!({ "sort": "plays" }));
    let words = last_words(&shown);
    assert!(
        words.starts_with("**45 sounds**, page 1 of 5\n`sound 45` 1.0 s, played once #third\n"),
        "{words}"
    );
    assert!(words.chars().count() < 2_000);
    assert_eq!(
        shown.last().unwrap().args["body"]["data"]["flags"],
        64,
        "only Bob sees it"
    );
    assert_eq!(rows(&shown)[0][1]["custom_id"], "soundboard:list:1:plays");
    let turned = board.presses(BOB, "list:0:newest:third");
    assert!(
        last_words(&turned).starts_with("**15 sounds**, page 1 of 2\n`sound 45`"),
        "the newest of that tag first"
    );
    assert_eq!(answers(&turned), [7]);
    // The longest that can be: two thousand characters are all that Discord takes.
    let tags = ["y", "z", "w"].map(|tag| tag.repeat(20)).join(",");
    for n in 1..=10 {
        let edit = json!({
            "name": format!("sound {n:02}"), "rename": format!("{n:02}{}", "x".repeat(30)),
            "emoji": format!("<a:{}:12345678901234567890>", "e".repeat(32)),
            "tags": tags, "hidden": true,
        });
        assert!(board.says(ANN, "edit", edit).contains("was changed"));
    }
    let words = board.says(ANN, "list", json!({}));
    assert!(
        words.matches("12345678901234567890").count() == 10 && !words.ends_with('…'),
        "{words}"
    );
    assert!(
        board
            .says(BOB, "list", json!({ "tag": "third", "page": 9 }))
            .contains("**12 sounds**, page 2 of 2")
    );
    board.end();
}

#[test]
fn offers_know_names_tags_and_what_is_played_most() {
    let folder = tempfile::tempdir().unwrap();
    let mut board = board(folder.path());
    board.presses(BOB, "play:7");
    assert_eq!(board.offers(BOB, "play", "name", "").len(), 25);
    assert_eq!(board.offers(BOB, "play", "name", "")[0], "sound 07");
    assert_eq!(board.offers(BOB, "play", "name", "THI").len(), 15);
    assert_eq!(board.offers(BOB, "random", "tag", "t"), ["third"]);
    assert_eq!(
        board.offers(BOB, "delete", "name", ""),
        Vec::<String>::new(),
        "nothing of Bob's"
    );
    assert_eq!(board.offers(BOSS, "delete", "name", "45"), ["sound 45"]);
    board.end();
}

#[test]
fn a_folder_that_cannot_be_used_and_a_damaged_index_are_told_to_the_operator() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "x").unwrap();
    let refused = Stage::start(&ENTRY, &json!({ "folder": file }))
        .err()
        .unwrap();
    assert!(
        refused.to_string().contains("look at the disk"),
        "{refused}"
    );
    std::fs::write(
        folder.path().join("sounds.sqlite"),
        "no database".repeat(500),
    )
    .unwrap();
    let mut board = Board::new(folder.path());
    assert!(
        board
            .stage
            .log()
            .iter()
            .any(|line| line.contains("was damaged"))
    );
    assert_eq!(board.says(ANN, "list", json!({})), words::EMPTY);
    board.end();
}

#[test]
fn direct_messages_and_unknown_commands_are_answered() {
    let folder = tempfile::tempdir().unwrap();
    let mut board = Board::new(folder.path());
    board.stage.event(
        "INTERACTION_CREATE",
        &json!({ "id": "1", "token": "t", "application_id": "9", "type": 2,
                 "user": { "id": "5", "username": "x" }, "data": { "name": "sound" } }),
    );
    assert_eq!(board.stage.said(), [words::NO_SERVER]);
    assert_eq!(board.says(ANN, "explode", json!({})), words::UNKNOWN);
    let commands = board.stage.commands();
    assert_eq!(
        commands[1],
        json!({ "type": 3, "name": "Save as sound", "contexts": [0] })
    );
    board.end();
}

#[test]
fn new_settings_are_taken_while_sounds_play_and_another_folder_needs_a_new_start() {
    let folder = tempfile::tempdir().unwrap();
    let mut board = Board::with(folder.path(), json!({ "cooldown": "1h" }));
    board.adds(BOSS, "bell", json!({}));
    board.says(ANN, "play", json!({ "name": "bell" }));
    let said = board.says(ANN, "play", json!({ "name": "bell" }));
    assert!(said.contains("Wait") || said.contains("again"), "{said}");
    let mut config = json!({ "folder": folder.path(), "cooldown": "0s" });
    board.stage.reconfigure(&config).unwrap();
    let again = board.says(ANN, "play", json!({ "name": "bell" }));
    assert_ne!(again, said, "nobody has to wait any more");
    config["folder"] = json!(folder.path().join("other"));
    let refused = board.stage.reconfigure(&config);
    assert!(matches!(refused, Err(Error::Unsupported(_))), "{refused:?}");
    board.end();
}
