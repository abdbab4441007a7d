//! `/say`, `/tts join leave skip clear`.

use super::*;

#[test]
fn say_brings_the_bot_and_is_heard_on_the_speech_lane() {
    let mut case = Case::new();
    case.asks_at(ANN, 0, "say", json!({ "text": "Hello **everybody**" }));
    let (_, options) = case.plays();
    assert_eq!(options["lane"], "speech");
    let kinds: Vec<String> = case
        .stage
        .requests()
        .into_iter()
        .map(|request| request.kind)
        .collect();
    assert!(kinds.iter().any(|kind| kind == "voice.join"), "{kinds:?}");
    let sound = case.hears();
    let seconds = sound.len() as f64 / 96_000.0;
    assert!((0.09..0.15).contains(&seconds), "{seconds}");
    assert!(sound.iter().any(|sample| sample.abs() > 0.2));
    assert_eq!(case.told(), ["n5 said: Hello everybody"]);
    assert_eq!(case.stage.failed(), None);
}

#[test]
fn whoever_asked_is_told_how_it_went() {
    let mut case = Case::new();
    case.asks_at(ANN, 0, "say", json!({ "text": "one" }));
    case.plays();
    assert_eq!(case.stage.said().last().unwrap(), "🔊 Said.");
    case.comes(ME, Some(ROOM));
    assert_eq!(
        case.asks(ANN, 0, "say", json!({ "text": "two" })),
        ["One message comes first."]
    );
    assert_eq!(
        case.asks(ANN, 0, "say", json!({ "text": "three" })),
        ["2 messages come first."]
    );
    for text in ["four", "five", "six"] {
        case.asks(ANN, 0, "say", json!({ "text": text }));
    }
    let said = case.asks(ANN, 0, "say", json!({ "text": "seven" }));
    assert_eq!(said, ["Not now: you have 5 messages waiting already."]);
}

#[test]
fn say_needs_a_channel_words_and_a_bot_that_is_free() {
    let mut case = Case::new();
    assert_eq!(
        case.asks(BOB, 0, "say", json!({ "text": "hi" })),
        [words::NOT_IN_VOICE]
    );
    assert_eq!(
        case.asks(ANN, 0, "say", json!({ "text": "\u{200b} ||" })),
        [words::NOTHING_TO_SAY]
    );
    assert_eq!(
        case.asks(ANN, 0, "say", json!({ "text": "hi", "voice": "nobody" })),
        [words::NO_SUCH_VOICE]
    );
    case.comes(BOB, Some(OTHER_ROOM));
    case.comes(ME, Some(OTHER_ROOM));
    let said = case.asks(ANN, 0, "say", json!({ "text": "hi" }));
    assert!(said[0].contains("with other people in <#21>"), "{said:?}");
    assert!(case.stage.sources().is_empty() && case.told().is_empty());
    // Alone it may be called away.
    case.comes(BOB, None);
    case.asks_at(ANN, 0, "say", json!({ "text": "hi" }));
    case.plays();
}

#[test]
fn what_is_hidden_never_reaches_an_engine() {
    let mut case = Case::new();
    let text = "see ||zebra|| and `okapi` at https://quagga.org/tapir ok";
    case.asks_at(ANN, 0, "say", json!({ "text": text }));
    case.hears();
    assert_eq!(case.told(), ["n5 said: see spoiler and code at a link ok"]);
    let log = case.log().join("\n") + &case.stage.log().join("\n");
    for secret in ["zebra", "okapi", "quagga", "tapir"] {
        assert!(!log.contains(secret));
    }
}

#[test]
fn the_menu_of_a_message_speaks_it_unless_its_author_opted_out() {
    let mut case = Case::new();
    case.speaks("look at ||this||");
    case.hears();
    assert_eq!(case.told(), ["n6 said: look at spoiler"]);
    assert_eq!(case.speaks(" "), [words::NOTHING_TO_SAY]);
    case.asks(BOB, 0, "tts optout", json!({}));
    assert_eq!(case.speaks("hello"), [words::THEY_OPTED_OUT]);
    case.comes(ANN, None);
    case.asks(BOB, 0, "tts optin", json!({}));
    assert_eq!(case.speaks("hello").last().unwrap(), words::NOT_IN_VOICE);
}

#[test]
fn join_says_what_is_read_and_leave_is_for_those_who_listen() {
    let mut case = Case::new();
    assert_eq!(
        case.asks(BOB, 0, "tts join", json!({})),
        [words::NOT_IN_VOICE]
    );
    let said = case.asks(ANN, 0, "tts join", json!({}));
    assert_eq!(
        said,
        ["I am in <#20>. I read the chat of my voice channel."]
    );
    assert_eq!(
        case.asks(ANN, 0, "tts leave", json!({})),
        [words::NOT_THERE]
    );
    case.comes(ME, Some(ROOM));
    let said = case.asks(ANN, 0, "tts join", json!({}));
    assert!(said[0].starts_with("I am already in <#20>"), "{said:?}");
    let said = case.asks(BOB, 0, "tts leave", json!({}));
    assert!(said[0].contains("they decide"), "{said:?}");
    assert_eq!(
        case.asks(BOB, STAFF, "tts leave", json!({})),
        ["I have left."]
    );
    case.comes(ME, Some(ROOM));
    assert_eq!(case.asks(ANN, 0, "tts leave", json!({})), ["I have left."]);
}

#[test]
fn everybody_skips_their_own_and_managers_skip_any() {
    let mut case = Case::new();
    case.comes(BOB, Some(ROOM));
    case.comes(ME, Some(ROOM));
    assert_eq!(case.asks(ANN, 0, "tts skip", json!({})), [words::NOTHING]);
    case.asks_at(ANN, 0, "say", json!({ "text": "one" }));
    let (track, _) = case.plays();
    case.asks_at(ANN, 0, "say", json!({ "text": "two" }));
    assert_eq!(case.asks(BOB, 0, "tts skip", json!({})), [words::NOT_YOURS]);
    case.asks_at(ANN, 0, "tts skip", json!({}));
    let asked = case.stage.requests();
    assert!(
        asked.iter().any(|request| request.kind == "track.stop"),
        "{asked:?}"
    );
    case.over(track, "stopped");
    let (track, _) = case.plays();
    assert_eq!(case.told().last().unwrap(), "two");
    assert_eq!(
        case.asks(BOB, STAFF, "tts skip", json!({})),
        [words::SKIPPED]
    );
    case.over(track, "stopped");
    case.asks_at(BOB, 0, "say", json!({ "text": "three" }));
    case.plays();
    case.asks_at(BOB, 0, "say", json!({ "text": "four" }));
    let said = case.asks(BOB, 0, "tts skip", json!({ "what": "mine" }));
    assert_eq!(said, ["2 messages of yours will not be read."]);
}

#[test]
fn a_skip_ends_an_engine_that_hangs_and_the_next_is_heard() {
    let mut case = Case::new();
    case.comes(ME, Some(ROOM));
    case.asks_at(ANN, 0, "say", json!({ "text": "hang" }));
    case.asks_at(ANN, 0, "say", json!({ "text": "after it" }));
    assert!(case.stage.sources().is_empty());
    assert_eq!(case.asks(ANN, 0, "tts skip", json!({})), [words::SKIPPED]);
    case.hears();
    assert_eq!(case.told().last().unwrap(), "after it");
    case.asks_at(ANN, 0, "say", json!({ "text": "hang again" }));
    // Nor does a stop wait for it.
    case.stage.stop(mynah_plugin::Why::Shutdown);
    assert_eq!(case.stage.failed(), None);
}

#[test]
fn clear_is_for_managers_and_for_who_listens_alone() {
    let mut case = Case::new();
    case.comes(ME, Some(ROOM));
    case.comes(BOB, Some(ROOM));
    case.asks_at(ANN, 0, "say", json!({ "text": "one" }));
    case.plays();
    case.asks_at(ANN, 0, "say", json!({ "text": "two" }));
    assert_eq!(
        case.asks(ANN, 0, "tts clear", json!({})),
        [words::NOT_MANAGER]
    );
    assert_eq!(
        case.asks(BOB, STAFF, "tts clear", json!({})),
        ["2 messages will not be read."]
    );
    case.comes(BOB, None);
    let said = case.asks(ANN, 0, "tts clear", json!({}));
    assert_eq!(
        said,
        ["Nothing is being read."],
        "it is ending, and nothing waits"
    );
}

#[test]
fn when_the_bot_leaves_nothing_waits_any_longer() {
    let mut case = Case::new();
    case.comes(ME, Some(ROOM));
    case.asks_at(ANN, 0, "say", json!({ "text": "one" }));
    let (track, _) = case.plays();
    case.asks_at(ANN, 0, "say", json!({ "text": "two" }));
    case.stage.event(
        "mynah.voice",
        &json!({ "guild_id": "1", "kind": "ended", "reason": "kicked" }),
    );
    case.over(track, "stopped");
    assert!(case.stage.sources().is_empty());
    assert_eq!(case.asks(ANN, 0, "tts skip", json!({})), [words::NOTHING]);
}

#[test]
fn without_an_engine_people_are_told_the_package_and_the_rest_works() {
    let config =
        json!({ "espeak_path": "/no/such/espeak-ng", "engine": "piper", "fallback": ["espeak"] });
    let mut case = Case::with(config, true);
    // Who runs the bot reads it in the log, before anybody asks.
    case.until("a warning", |stage| {
        let log = stage.log();
        log.into_iter()
            .find(|line| line.contains("apt-get install espeak-ng"))
    });
    case.asks_at(ANN, 0, "say", json!({ "text": "hello" }));
    let said = case.until("an answer", |stage| {
        let said = stage.said();
        said.last()
            .filter(|last| last.contains("cannot speak"))
            .cloned()
    });
    assert!(said.contains("apt-get install espeak-ng"), "{said}");
    let said = case.asks(ANN, 0, "tts join", json!({}));
    assert!(said[0].contains("apt-get install espeak-ng"), "{said:?}");
    assert_eq!(
        case.asks(ANN, 0, "tts optout", json!({})),
        [words::OPTED_OUT]
    );
    assert_eq!(case.stage.failed(), None);
}
