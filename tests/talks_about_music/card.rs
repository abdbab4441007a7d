//! The card and its buttons.

use serde_json::json;

use crate::at_once::{DECIDE, judge};
use crate::talk::{Talk, count};

/// What sits on a card while something plays and something waits.
const PLAYING: [&str; 8] = [
    "previous",
    "pause",
    "skip",
    "stop",
    "quieter",
    "louder",
    "repeat_track",
    "shuffle",
];

/// One person at a time.
pub async fn alone(talk: &Talk) {
    let lines = r#"
        Right ann play {"query": "alpha"} | Now playing **alpha**
        Right bob play {"query": "bravo"} | 1st in the queue
        Right ann play {"query": "charlie"} | 2nd in the queue
    "#;
    talk.script("", lines).await;
    let card = talk.card().await;
    for button in PLAYING {
        let lines = format!(
            "Refused rude [{button}] | do not let you use it
             Elsewhere eve [{button}] | you are in another voice channel"
        );
        talk.script(&card, &lines).await;
        if button != "skip" {
            let line = format!("Refused ann [{button}] | That is for DJs");
            // Her own track she may skip, and the rest is for DJs.
            talk.script(&card, &line).await;
        }
    }
    let lines = r#"
        Refused rude [queue] | do not let you use it
        Elsewhere dan [queue] | 1. **bravo**
        Right bob [queue] | 2. **charlie**
        Right bob [skip] | 1 of 2 votes
        Wrong bob [skip] | 1 of 2 votes
        Right dj [pause] | Paused: **alpha**
        Wrong dj [pause] | 404 {
        Refused ann [resume] | That is for DJs
        Refused rude [resume] | do not let you use it
        Elsewhere eve [resume] | you are in another voice channel
        Right dj [resume] | Playing **alpha**
        Wrong dj [resume] | 404 {
        Right dj [quieter] | volume 50 %
        Right dj [louder] | Playing **alpha**
        Right dj [repeat_track] | looped
        Wrong dj [repeat_track] | 404 {
        Refused ann [repeat_queue] | That is for DJs
        Elsewhere eve [repeat_queue] | you are in another voice channel
        Right dj [repeat_queue] | queue looped
        Wrong dj [repeat_queue] | 404 {
        Refused ann [repeat_off] | That is for DJs
        Elsewhere eve [repeat_off] | you are in another voice channel
        Right dj [repeat_off] | Playing **alpha**
        Wrong dj [repeat_off] | 404 {
        Right dj [shuffle] | Next: **
        Right dj [skip] | Playing **
        Right dj [previous] | Playing **alpha**
        Right dj queue clear | Took 2 tracks
    "#;
    talk.script(&card, lines).await;
    talk.shows(&card, "no shuffling", |card| {
        card["components"][1]["components"][3]["disabled"] == true
    })
    .await;
    let lines = r#"
        Wrong dj [shuffle] | disabled
        Right dj [stop] | Nothing is playing
        Wrong dj [stop] | 404 {
        Wrong dj [previous] | 404 {
        Wrong dj [skip] | 404 {
        Wrong dj [queue] | 404 {
        Wrong dj [quieter] | 404 {
        Wrong dj [louder] | 404 {
    "#;
    talk.script(&card, lines).await;
}

/// Two people press at the same moment: what they meant happens once.
pub async fn at_once(talk: &Talk) {
    let lines = r#"
        Right ann play {"query": "alpha"} | Now playing **alpha**
        Right bob play {"query": "bravo"} | 1st in the queue
        Right ann play {"query": "charlie"} | 2nd in the queue
        Right ann play {"query": "delta"} | 3rd in the queue
    "#;
    talk.script("", lines).await;
    let card = talk.card().await;
    for (button, words) in [
        ("pause", ["Paused: **", "is already paused", "404 {"]),
        ("resume", ["Playing **", "is playing already", "404 {"]),
        (
            "repeat_track",
            ["· looped", "The track is looped.", "404 {"],
        ),
        (
            "repeat_queue",
            ["· queue looped", "The queue is looped.", "404 {"],
        ),
        ("repeat_off", ["Playing **", "Nothing is looped.", "404 {"]),
    ] {
        let said = talk.both_press(DECIDE, &card, button).await;
        judge(button, &said, &words);
    }
    for (button, each) in [
        ("quieter", "volume "),
        ("louder", "Playing **"),
        ("shuffle", "Next: **"),
        ("queue", "3 tracks"),
    ] {
        let said = talk.both_press(DECIDE, &card, button).await;
        assert_eq!(count(&said, each), 2, "{button}: {said:?}");
    }
    for button in ["skip", "previous"] {
        let said = talk.both_press(DECIDE, &card, button).await;
        let done = count(&said, "laying **");
        let late = count(&said, "has just been changed");
        assert!(done >= 1 && done + late == 2, "{button}: {said:?}");
    }
    let said = talk.both_press(DECIDE, &card, "stop").await;
    let done = count(&said, "Nothing is playing");
    let late = count(&said, "disabled");
    assert!(done >= 1 && done + late == 2, "{said:?}");
    let none = json!({});
    talk.control
        .command(talk.id("dj"), "queue clear", none)
        .await;
}
