//! Conversations with the recorder, through the real program and the control API: every command and
//! button, used right, used wrong, by somebody who may not, from the wrong channel, by two people at
//! once, and after the bot was killed. What is registered or shown and was not tried fails the test.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use mynah_testkit::Used::{Refused, Wrong};
use mynah_testkit::{Excuse, Scene};

use evening::Evening;

mod afterwards;
mod evening;
mod meanwhile;

/// Uses that there cannot be, and why.
const EXCUSES: &[Excuse<'_>] = &[
    (
        &[
            "record status",
            "record optout",
            "record optin",
            "recorder:optout",
        ],
        &[Refused],
        "everybody may",
    ),
    (
        &["record list"],
        &[Wrong],
        "it takes nothing that could be wrong",
    ),
];

/// Commands that are no plugin's.
const HOSTS_OWN: &[&str] = &["help", "voice", "bot"];

#[tokio::test(flavor = "multi_thread")]
async fn every_command_and_button_of_the_recorder_is_answered_sensibly() {
    let home = Scene::new();
    let mut talk = Evening::new(&home).await;
    meanwhile::nothing_runs(&talk).await;
    let id = meanwhile::it_begins(&talk).await;
    meanwhile::the_panel(&talk).await;
    meanwhile::it_runs(&talk, &id).await;
    meanwhile::it_ends(&talk, &id).await;
    afterwards::what_was_recorded(&talk, &id).await;
    afterwards::an_export_is_called_off(&talk).await;
    afterwards::after_a_kill(&mut talk).await;
    let boss = talk.id("boss");
    let registered = talk.control.registered(boss, HOSTS_OWN).await;
    assert!(registered.len() >= 13, "{registered:?}");
    let gaps = talk.book.gaps(&registered, EXCUSES);
    assert!(gaps.is_empty(), "{}", gaps.join("\n"));
    talk.bot.end();
}
