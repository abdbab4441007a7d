//! People in a town strike the fork, change it, and hear it.
#![allow(clippy::unwrap_used)]

use super::*;
use mynah_testkit::Town;
use serde_json::json;
use std::time::Duration;

static ENTRY: mynah_plugin::abi::Entry = mynah_plugin::entry!(Tuner);

fn town() -> Town {
    let mut town = Town::new();
    town.bot(&ENTRY, json!({}));
    town
}

#[test]
fn no_language_lacks_a_text() {
    assert_eq!(WORDS.gaps(), Vec::<String>::new());
}

#[test]
fn people_from_austria_read_german() {
    let tongue = WORDS.for_locale(Some("de-AT"));
    let json = card(&tongue, 440.0).to_json().to_string();
    assert!(json.contains("Andere Frequenz"), "{json}");
}

#[test]
fn the_note_that_is_chosen_is_the_note_that_is_heard() {
    let mut town = town();
    let ann = town.user("ann");
    town.joins(ann, 0);
    let card = town.command(ann, "tune", json!({}));
    assert!(card.text().contains("440 Hz"), "{}", card.text());
    town.run(Duration::from_secs(1));
    let heard = town.hear(ann, Duration::from_secs(1));
    let (right, wrong) = (heard.tone(440.0), heard.tone(110.0));
    assert!(
        right > 0.15 && wrong < 0.02,
        "440 Hz {right}, 110 Hz {wrong}"
    );

    town.choose(ann, "note", &["A2"]);
    town.run(Duration::from_secs(1));
    let heard = town.hear(ann, Duration::from_secs(1));
    let (right, wrong) = (heard.tone(110.0), heard.tone(440.0));
    assert!(
        right > 0.15 && wrong < 0.02,
        "110 Hz {right}, 440 Hz {wrong}"
    );
    assert_eq!(heard.gaps(), 0);

    town.press(ann, "stop");
    town.run(Duration::from_secs(2));
    assert!(town.hear(ann, Duration::from_secs(1)).is_silent());
    let report = town.report();
    let struck = report.first().unwrap().metrics.get("forks_struck").copied();
    assert_eq!(
        struck.map(|metric| metric.to_string()).as_deref(),
        Some("1")
    );
}

#[test]
fn a_frequency_is_entered_in_a_form_and_a_senseless_one_changes_nothing() {
    let mut town = town();
    let ann = town.user("ann");
    town.joins(ann, 0);
    town.command(ann, "tune", json!({}));
    for senseless in ["0", "1e9", "NaN", "loud", "-440"] {
        let form = town.press(ann, "other");
        let said = town.submit(ann, &form, json!({ "hz": senseless })).text();
        assert!(said.contains("20 to 10,000"), "{senseless}: {said}");
    }
    let form = town.press(ann, "other");
    town.submit(ann, &form, json!({ "hz": "432,5" }));
    town.run(Duration::from_secs(1));
    let heard = town.hear(ann, Duration::from_secs(1));
    assert!(heard.tone(432.5) > 0.15 && heard.tone(600.0) < 0.02);
}

#[test]
fn who_is_in_no_voice_channel_is_told_so_and_an_old_card_says_that_it_is_silent() {
    let mut town = town();
    let (ann, bob) = (town.user("ann"), town.user("bob"));
    let said = town.command(bob, "tune", json!({})).text();
    assert!(said.contains("Join a voice channel first"), "{said}");
    town.joins(ann, 0);
    town.command(ann, "tune", json!({}));
    town.restart();
    let said = town.press(ann, "stop").text();
    assert!(said.contains("strikes it again"), "{said}");
}
