//! `/tts voice auto dictionary optout rules`.

use super::*;

#[test]
fn a_voice_is_chosen_heard_and_given_back() {
    let mut case = Case::new();
    case.knows_voices();
    let said = case.asks(
        ANN,
        0,
        "tts voice",
        json!({ "voice": "espeak:de", "speed": 150, "pitch": 80, "volume": 50 }),
    );
    assert_eq!(
        said,
        ["You sound like this: de of espeak, speed 150 %, pitch 80 %, volume 50 %."]
    );
    case.asks_at(ANN, 0, "say", json!({ "text": "Hallo" }));
    let (_, options) = case.plays();
    assert_eq!(options["gain"], 0.5);
    case.hears();
    assert_eq!(
        case.log()[0],
        "args --stdout --stdin -b 1 -v de -s 262 -p 40"
    );
    case.asks_at(
        ANN,
        0,
        "say",
        json!({ "text": "Hello", "voice": "espeak:en-us" }),
    );
    case.hears();
    assert!(
        case.log().iter().any(|line| line.contains("-v en-us ")),
        "{:?}",
        case.log()
    );
    let said = case.asks(ANN, 0, "tts voice", json!({}));
    assert!(
        said[0].contains("de of espeak"),
        "looking changes nothing: {said:?}"
    );
    assert_eq!(
        case.asks(ANN, 0, "tts voice", json!({ "reset": true })),
        [words::VOICE_RESET]
    );
    let said = case.asks(ANN, 0, "tts voice", json!({ "speed": 9_999 }));
    assert!(said[0].contains("speed 200 %"), "{said:?}");
}

#[test]
fn a_wrong_voice_or_engine_is_refused_in_words() {
    let mut case = Case::new();
    case.knows_voices();
    for wrong in ["klingon", "espeak:../../etc/passwd", "piper:de", "--help"] {
        assert_eq!(
            case.asks(ANN, 0, "tts voice", json!({ "voice": wrong })),
            [words::NO_SUCH_VOICE]
        );
    }
    assert_eq!(
        case.asks(ANN, 0, "tts voice", json!({ "engine": "piper" })),
        [words::NO_SUCH_ENGINE]
    );
}

#[test]
fn the_servers_voice_is_for_managers_and_for_those_who_chose_nothing() {
    let mut case = Case::new();
    case.knows_voices();
    let german = json!({ "voice": "espeak:de" });
    assert_eq!(
        case.asks(ANN, 0, "tts server-voice", german.clone()),
        [words::NOT_MANAGER]
    );
    let said = case.asks(BOB, STAFF, "tts server-voice", german);
    assert!(
        said[0].starts_with("Whoever chose nothing sounds like this: de"),
        "{said:?}"
    );
    let said = case.asks(ANN, 0, "tts voice", json!({ "pitch": 120 }));
    assert!(
        said[0].contains("de of espeak, speed 100 %, pitch 120 %"),
        "{said:?}"
    );
    let said = case.asks(BOB, STAFF, "tts server-voice", json!({ "reset": true }));
    assert_eq!(said, [words::SERVER_VOICE_RESET]);
}

#[test]
fn voices_are_offered_while_somebody_types() {
    let mut case = Case::new();
    case.knows_voices();
    case.stage.requests();
    case.stage
        .autocomplete("tts voice", json!({ "voice": "ger" }), "voice");
    let asked = case.stage.requests();
    let body = &asked.last().unwrap().args["body"];
    assert_eq!(body["type"], 8);
    let choices = &body["data"]["choices"];
    assert_eq!(
        *choices,
        json!([{ "name": "German (espeak, de)", "value": "espeak:de" }])
    );
    case.stage.autocomplete(
        "tts voice",
        json!({ "engine": "http", "voice": "ger" }),
        "voice",
    );
    let asked = case.stage.requests();
    assert_eq!(
        asked.last().unwrap().args["body"]["data"]["choices"],
        json!([])
    );
}

#[test]
fn channels_are_managed_by_managers_and_listed_for_all() {
    let mut case = Case::new();
    assert_eq!(
        case.asks(ANN, 0, "tts auto add", json!({})),
        [words::NOT_MANAGER]
    );
    let said = case.asks(ANN, STAFF, "tts auto add", json!({ "channel": "4" }));
    assert_eq!(
        said,
        ["<#4> is read from now on, wherever `/tts join` brought me."]
    );
    assert_eq!(
        case.asks(ANN, STAFF, "tts auto add", json!({ "channel": "4" })),
        ["<#4> is read already."]
    );
    let said = case.asks(ANN, 0, "tts auto list", json!({}));
    assert_eq!(said, ["I read the chat of my voice channel, <#4>."]);
    let said = case.asks(ANN, STAFF, "tts auto voice-chat", json!({ "on": false }));
    assert!(
        said[0].contains("The chat of my voice channel: no"),
        "{said:?}"
    );
    case.asks(ANN, STAFF, "tts auto remove", json!({ "channel": "4" }));
    let said = case.asks(ANN, 0, "tts auto list", json!({}));
    assert!(said[0].starts_with("No channel is read"), "{said:?}");
    assert_eq!(
        case.asks(ANN, STAFF, "tts auto remove", json!({})),
        ["<#3> is not read anyway."]
    );
}

#[test]
fn without_the_intent_people_are_told_and_say_still_works() {
    let mut case = Case::with(json!({}), false);
    let said = case.asks(ANN, STAFF, "tts auto add", json!({}));
    assert!(said[0].contains("Message Content intent"), "{said:?}");
    assert_eq!(
        case.asks(ANN, 0, "tts auto list", json!({})),
        [words::CANNOT_READ]
    );
    case.comes(ME, Some(ROOM));
    case.writes(ANN, CHAT, "hello");
    case.asks_at(ANN, 0, "say", json!({ "text": "works" }));
    case.hears();
    assert_eq!(case.told(), ["n5 said: works"]);
    let mut off = Case::with(json!({ "auto_read": false }), true);
    assert_eq!(
        off.asks(ANN, 0, "tts auto list", json!({})),
        [words::CANNOT_READ]
    );
}

#[test]
fn a_persons_words_are_theirs_and_the_servers_are_the_managers() {
    let mut case = Case::new();
    let gg = json!({ "word": "GG", "reading": "good game" });
    assert_eq!(
        case.asks(ANN, 0, "tts dictionary add", gg.clone()),
        ["\"gg\" is spoken as \"good game\"."]
    );
    let server = json!({ "word": "gg", "reading": "gigi", "scope": "server" });
    assert_eq!(
        case.asks(ANN, 0, "tts dictionary add", server.clone()),
        [words::NOT_MANAGER]
    );
    case.asks(BOB, STAFF, "tts dictionary add", server);
    let said = case.asks(
        ANN,
        0,
        "tts dictionary add",
        json!({ "word": "a b", "reading": "x" }),
    );
    assert!(said[0].contains("not one word"), "{said:?}");
    case.asks_at(ANN, 0, "say", json!({ "text": "gg" }));
    case.hears();
    assert_eq!(case.told(), ["n5 said: good game"]);
    let said = case.asks(ANN, 0, "tts dictionary list", json!({ "scope": "server" }));
    assert_eq!(said, ["gg: gigi"]);
    assert_eq!(
        case.asks(ANN, 0, "tts dictionary remove", json!({ "word": "gg" })),
        ["\"gg\" is spoken as it is written."]
    );
    assert_eq!(
        case.asks(ANN, 0, "tts dictionary remove", json!({ "word": "gg" })),
        [words::NO_WORD]
    );
    assert_eq!(
        case.asks(ANN, 0, "tts dictionary list", json!({})),
        ["The dictionary is empty."]
    );
}

#[test]
fn rules_are_shown_to_all_and_changed_by_managers() {
    let mut case = Case::new();
    let said = case.asks(ANN, 0, "tts rules", json!({}));
    assert!(
        said[0].starts_with("Links: word\nEmoji: name\n\"Ann said\": on change"),
        "{said:?}"
    );
    let change = json!({ "links": "skip", "say-name": "never", "max-length": 20, "role": "7" });
    assert_eq!(
        case.asks(ANN, 0, "tts rules", change.clone()),
        [words::NOT_MANAGER]
    );
    let said = case.asks(ANN, STAFF, "tts rules", change);
    assert!(
        said[0].contains("20 characters") && said[0].contains("<@&7>"),
        "{said:?}"
    );
    case.asks_at(
        ANN,
        0,
        "say",
        json!({ "text": "one two three four five six https://x.org" }),
    );
    case.hears();
    assert_eq!(case.told(), ["one two three four…", "and so on"]);
    let said = case.asks(ANN, STAFF, "tts rules", json!({ "role": "1" }));
    assert!(said[0].contains("Who is read: everybody"), "{said:?}");
}
