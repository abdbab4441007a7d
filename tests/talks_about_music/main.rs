//! Conversations with the music plugin, through the real program and the control API: every command,
//! subcommand and button of the card, used right, used wrong, by somebody who may not, from the wrong
//! channel, by two people at once, and after the bot was started again. What is registered or shown and
//! was not tried fails the test.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use mynah_testkit::Used::Wrong;
use mynah_testkit::{Excuse, Scene};

use talk::Talk;

mod afterwards;
mod at_once;
mod card;
mod commands;
mod evening;
mod lonely;
mod talk;

const MYNAH: &str = env!("CARGO_BIN_EXE_mynah");

/// Uses that there cannot be, and why.
const EXCUSES: &[Excuse<'_>] = &[(
    &["playlist list", "history"],
    &[Wrong],
    "it takes nothing that could be wrong",
)];

/// Commands that are no plugin's.
const HOSTS_OWN: &[&str] = &["help", "voice", "bot"];

#[tokio::test(flavor = "multi_thread")]
async fn every_command_and_button_of_the_music_is_answered_sensibly() {
    let home = Scene::new();
    let mut talk = Talk::new(&home).await;
    commands::in_silence(&talk).await;
    commands::while_it_plays(&talk).await;
    commands::in_turn(&talk).await;
    at_once::commands(&talk).await;
    card::alone(&talk).await;
    card::at_once(&talk).await;
    afterwards::after_a_restart(&mut talk).await;
    let registered = talk.control.registered(talk.id("dj"), HOSTS_OWN).await;
    assert!(registered.len() >= 24, "{registered:?}");
    let gaps = talk.book.gaps(&registered, EXCUSES);
    assert!(gaps.is_empty(), "{}", gaps.join("\n"));
    let ended = talk.end();
    assert_eq!(ended.code(), 0, "{}", ended.stderr);
    assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
}
