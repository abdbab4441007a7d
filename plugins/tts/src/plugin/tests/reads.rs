//! Messages that are read by themselves.

use super::*;

/// The bot is with Ann, and reads a channel.
fn reading() -> Case {
    let mut case = Case::new();
    case.comes(ME, Some(ROOM));
    case.asks(ANN, 0, "tts join", json!({}));
    case.asks(ANN, STAFF, "tts auto add", json!({}));
    case
}

#[test]
fn a_channel_is_read_and_the_name_is_said_when_the_speaker_changes() {
    let mut case = reading();
    case.comes(BOB, Some(ROOM));
    case.writes(ANN, CHAT, "hello <@6>");
    case.hears();
    case.writes(ANN, CHAT, "are you there?");
    case.hears();
    case.writes(BOB, CHAT, "yes");
    case.hears();
    case.writes(ANN, ROOM, "in the voice chat");
    case.hears();
    assert_eq!(
        case.told(),
        [
            "n5 said: hello n6",
            "are you there?",
            "n6 said: yes",
            "n5 said: in the voice chat"
        ]
    );
}

#[test]
fn what_is_not_wanted_is_not_read() {
    let mut case = reading();
    case.writes(ANN, 4, "another channel");
    case.writes(BOB, CHAT, "not in the voice channel");
    case.writes(ME, CHAT, "the bot itself");
    case.stage.event(
        "MESSAGE_CREATE",
        &json!({
            "id": "1", "channel_id": "3", "guild_id": "1", "type": 0, "content": "a bot",
            "author": { "id": "5", "username": "x", "bot": true },
        }),
    );
    case.stage.event(
        "MESSAGE_CREATE",
        &json!({
            "id": "2", "channel_id": "3", "guild_id": "1", "type": 7, "content": "a join",
            "author": { "id": "5", "username": "x" },
        }),
    );
    case.writes(ANN, CHAT, "\u{200b}");
    assert_eq!(
        case.asks(ANN, 0, "tts optout", json!({})),
        [words::OPTED_OUT]
    );
    case.writes(ANN, CHAT, "opted out");
    assert_eq!(case.asks(ANN, 0, "tts optin", json!({})), [words::OPTED_IN]);
    case.comes(ME, None);
    case.writes(ANN, CHAT, "nobody is there");
    case.comes(ME, Some(ROOM));
    case.stage
        .event("mynah.voice", &json!({ "guild_id": "1", "kind": "ended" }));
    case.writes(ANN, CHAT, "here for music");
    case.asks(ANN, 0, "tts join", json!({}));
    case.writes(ANN, CHAT, "wanted");
    case.hears();
    assert_eq!(case.told(), ["n5 said: wanted"]);
}

#[test]
fn only_people_with_the_role_are_read_if_there_is_one() {
    let mut case = reading();
    case.asks(ANN, STAFF, "tts rules", json!({ "role": "7" }));
    case.writes(ANN, CHAT, "without");
    case.stage.event(
        "MESSAGE_CREATE",
        &json!({
            "id": "1", "channel_id": "3", "guild_id": "1", "type": 0, "content": "with",
            "author": { "id": "5", "username": "x" }, "member": { "nick": "Annie", "roles": ["7"] },
        }),
    );
    case.hears();
    assert_eq!(case.told(), ["Annie said: with"]);
}

#[test]
fn edited_and_deleted_messages_are_not_read() {
    let mut case = reading();
    let first = case.writes(ANN, CHAT, "first");
    let (track, _) = case.plays();
    let second = case.writes(ANN, CHAT, "second");
    let third = case.writes(ANN, CHAT, "third");
    let fourth = case.writes(ANN, CHAT, "fourth");
    let preview = json!({ "id": fourth.to_string(), "guild_id": "1", "channel_id": "3", "edited_timestamp": null });
    case.stage.event("MESSAGE_UPDATE", &preview);
    let edit = json!({ "id": second.to_string(), "guild_id": "1", "channel_id": "3", "edited_timestamp": "2026-01-01T00:00:00Z" });
    case.stage.event("MESSAGE_UPDATE", &edit);
    let bulk = json!({ "ids": [third.to_string()], "guild_id": "1", "channel_id": "3" });
    case.stage.event("MESSAGE_DELETE_BULK", &bulk);
    case.stage.requests();
    case.stage.event(
        "MESSAGE_DELETE",
        &json!({ "id": first.to_string(), "guild_id": "1", "channel_id": "3" }),
    );
    let asked = case.stage.requests();
    assert!(
        asked.iter().any(|request| request.kind == "track.stop"),
        "what is heard ends, too"
    );
    case.over(track, "stopped");
    case.hears();
    assert_eq!(case.told(), ["n5 said: first", "fourth"]);
}

#[test]
fn five_hundred_messages_in_ten_seconds_stay_fair_and_bounded() {
    let mut case = reading();
    case.comes(BOB, Some(ROOM));
    case.writes(ANN, CHAT, "begin");
    let (track, _) = case.plays();
    for n in 0..499 {
        case.stage.set_now_us(n * 20_000);
        let user = if n % 250 == 249 { BOB } else { ANN };
        case.writes(user, CHAT, &format!("message {n} of {user}"));
    }
    let marks = case.stage.requests();
    let hourglasses = marks.iter().filter(|request| {
        request.args["path"]
            .as_str()
            .is_some_and(|path| path.contains("/reactions/%E2%8F%B3/"))
    });
    assert_eq!(hourglasses.count(), 1, "who floods is told once");
    case.over(track, "ended");
    for _ in 0..6 {
        case.hears();
    }
    case.stage.run();
    assert!(
        case.stage.sources().is_empty(),
        "five of Ann's and one of Bob's"
    );
    let told = case.told();
    assert_eq!(told.len(), 7);
    assert!(
        told[2].contains("message 249 of 6"),
        "Bob's came second: {told:?}"
    );
    assert_eq!(case.stage.failed(), None);
}

#[test]
fn long_messages_are_marked_and_no_words_reach_the_disk_or_the_log() {
    let mut case = reading();
    let secret = "xylophone";
    case.writes(ANN, CHAT, &format!("{secret} ").repeat(2).repeat(200));
    case.writes(ANN, CHAT, &"another long text of words ".repeat(40));
    case.hears();
    let marks = case.stage.requests();
    let scissors = marks.iter().filter(|request| {
        request.args["path"]
            .as_str()
            .is_some_and(|path| path.contains("/reactions/%E2%9C%82"))
    });
    assert_eq!(scissors.count(), 1);
    let mut all = case.stage.log().join("\n").into_bytes();
    for entry in std::fs::read_dir(case.folder.path().join("tts")).unwrap() {
        all.extend(std::fs::read(entry.unwrap().path()).unwrap());
    }
    assert!(
        !all.windows(secret.len())
            .any(|window| window == secret.as_bytes())
    );
}

#[test]
fn after_a_reload_it_goes_on_reading_if_it_is_still_there() {
    let mut case = reading();
    let saved = case.stage.save().unwrap();
    for (bot, told) in [
        (Some(ROOM), vec!["n5 said: again".to_owned()]),
        (None, vec![]),
    ] {
        let mut next = Case::from_saved(&saved, bot);
        next.asks(ANN, STAFF, "tts auto add", json!({}));
        next.writes(ANN, CHAT, "again");
        if bot.is_some() {
            next.hears();
        }
        assert_eq!(next.told(), told);
    }
}

#[test]
fn strange_events_harm_nobody() {
    let mut case = reading();
    for event in [
        "MESSAGE_CREATE",
        "MESSAGE_UPDATE",
        "MESSAGE_DELETE",
        "VOICE_STATE_UPDATE",
        "GUILD_CREATE",
    ] {
        for data in [
            json!({}),
            json!({ "guild_id": "1" }),
            json!({ "id": [], "author": 5 }),
        ] {
            case.stage.event(event, &data);
        }
    }
    case.stage.event("MESSAGE_CREATE", &json!({
        "id": "9", "channel_id": "3", "guild_id": "1", "author": { "id": "5" }, "content": "fine",
        "attachments": [{ "content_type": null }], "sticker_items": [{}],
    }));
    case.hears();
    assert_eq!(case.told(), ["fine, a file", "a sticker"]);
    assert_eq!(case.stage.failed(), None);
}
