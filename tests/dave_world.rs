//! End-to-end encryption in a world of virtual time: scripted and random joins, leaves, crashes,
//! broken websockets, damaged messages and races, with real clients and the real delivery service.
//! What is judged is written in `mynah_testkit::world`.
//!
//! `cargo nextest run --test dave_world` plays every written script and a small number of random
//! ones. All of them:
//!
//! ```sh
//! MYNAH_SCRIPTS=10000 MYNAH_SEED=1 cargo test --release --test dave_world random -- --nocapture
//! ```
//!
//! A script that fails prints its seed, what it did and how to replay it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

use mynah_testkit::world::{
    Act, Counts, Delays, Network, Policy, Script, ServerFault, Window, play, play_aloud,
};

/// Random scripts of a usual run, each in a fraction of a second.
const USUAL_SCRIPTS: u64 = 120;
const USUAL_SEED: u64 = 20_260_301;
/// A bot must be in the group this soon after the others are known to it, on a good network.
const ENTRY: Duration = Duration::from_millis(250);

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Plays a script on ten seeds, so that a race goes both ways.
fn good(script: impl Fn(u64) -> Script) -> Counts {
    let mut counts = Counts::default();
    for seed in 1..=10 {
        match play(&script(seed)) {
            Ok(more) => counts.add(&more),
            Err(_) => panic!("{}", replayed(&script(seed))),
        }
    }
    counts
}

/// The same script once more, aloud. Keys are random, so in rare cases it goes well this time.
fn replayed(script: &Script) -> String {
    match play_aloud(script) {
        Ok(_) => format!("failed once, but not when replayed:\n{script}"),
        Err(failure) => failure.to_string(),
    }
}

/// The windows into which frames fell, but for the first milliseconds of a connection.
fn lost(counts: &Counts) -> Vec<Window> {
    let windows = counts.windows.keys().copied();
    windows
        .filter(|window| *window != Window::BeforeTransport)
        .collect()
}

#[test]
fn two_who_join_together_hear_each_other_from_the_first_frame() {
    let counts = good(|seed| Script::new(seed).join_all(0..2, 0));
    assert!(counts.heard > 10 * 2 * 400);
    assert_eq!(lost(&counts), []);
    assert!(counts.longest_entry < ENTRY, "{counts}");
}

#[test]
fn a_room_that_fills_one_by_one_loses_nothing_but_the_past() {
    let counts = good(|seed| Script::new(seed).join_all(0..6, 700));
    assert!(matches!(lost(&counts)[..], [] | [Window::JoinedLater]));
    assert_eq!(counts.recoveries, 0);
    assert_eq!(counts.longest_hold, Duration::ZERO, "{counts}");
}

#[test]
fn eight_who_join_at_once_make_one_group() {
    let counts = good(|seed| Script::new(seed).join_all(0..8, 0));
    assert_eq!(counts.recoveries, 0);
    assert!(counts.longest_entry < 2 * ENTRY, "{counts}");
}

#[test]
fn somebody_joins_while_a_transition_is_open() {
    let counts = good(|seed| {
        let script = Script::new(seed).join_all(0..3, 0).wait_ms(1000);
        // Between op 29 and op 22 of the one before, and a little off that.
        (3..7).fold(script, |script, client| {
            script.then(Act::Join(client)).wait_ms(40 + 13 * seed)
        })
    });
    assert_eq!(counts.recoveries, 0);
}

#[test]
fn leaving_and_coming_back_costs_the_others_nothing() {
    let counts = good(|seed| {
        let script = Script::new(seed).join_all(0..4, 0).wait_ms(500);
        // Leaf 0 leaves as well, and who comes back takes the hole.
        [0, 2, 1].into_iter().fold(script, |script, client| {
            script
                .then(Act::Leave(client))
                .wait_ms(300 * (seed % 4))
                .then(Act::Join(client))
                .wait_ms(400)
        })
    });
    assert_eq!(counts.recoveries, 0);
    assert!(matches!(lost(&counts)[..], [] | [Window::JoinedLater]));
}

#[test]
fn the_last_one_left_starts_anew_and_is_joined_again() {
    good(|seed| {
        Script::new(seed)
            .join_all(0..2, 0)
            .wait_ms(1000)
            .then(Act::Leave(1))
            .wait_ms(20 * seed)
            .then(Act::Join(1))
            .wait_ms(1500)
            .then(Act::Leave(0))
            .wait_ms(2000)
            .then(Act::Join(2))
    });
}

#[test]
fn one_alone_says_nothing() {
    let counts = good(|seed| Script::new(seed).then(Act::Join(0)));
    assert_eq!(counts.sent, 0);
}

#[test]
fn a_dead_client_is_removed_and_its_next_life_is_another_member() {
    good(|seed| {
        Script::new(seed)
            .join_all(0..4, 0)
            .wait_ms(800)
            .then(Act::Crash(1))
            .wait_ms(300 * seed)
            .then(Act::Join(1))
            .wait_ms(200)
            .then(Act::Crash(0))
            .wait_ms(3000)
    });
}

#[test]
fn a_client_that_vanishes_without_a_word_times_out() {
    good(|seed| {
        Script::new(seed)
            .join_all(0..3, 0)
            .wait_ms(500)
            .then(Act::Vanish(2))
            .wait_ms(40)
            .then(Act::Join(3))
    });
}

#[test]
fn a_broken_websocket_in_the_middle_of_a_transition_is_resumed() {
    let counts = good(|seed| {
        let script = Script::new(seed).join_all(0..3, 0).wait_ms(1000);
        // At ten moments of the join: before the proposals, the commit, the welcome, op 23, op 22.
        script
            .then(Act::Join(3))
            .wait_ms(90 + 15 * seed)
            .then(Act::Break(seed as usize % 4, ms(30 * seed)))
            .wait_ms(2500)
            .then(Act::Leave(1))
            .wait_ms(15 * seed)
            .then(Act::Break(0, ms(700)))
    });
    assert!(counts.resumes >= 15, "{counts}");
}

#[test]
fn everybody_loses_the_websocket_at_once() {
    let counts = good(|seed| {
        let script = Script::new(seed)
            .join_all(0..4, 0)
            .wait_ms(20 * seed)
            .then(Act::Join(4))
            .wait_ms(10 * seed);
        (0..5).fold(script, |script, client| {
            script.then(Act::Break(client, ms(200 * client as u64)))
        })
    });
    assert!(counts.resumes >= 20, "{counts}");
}

#[test]
fn a_session_the_server_forgot_comes_back_as_a_new_member() {
    good(|seed| {
        Script::new(seed)
            .join_all(0..3, 0)
            .wait_ms(1000)
            .then(Act::Forget(1))
            .wait_ms(30 * seed)
            .then(Act::Forget(0))
            .wait_ms(2000)
            .then(Act::Join(3))
    });
}

#[test]
fn a_member_that_cannot_use_a_commit_is_let_in_anew() {
    let counts = good(|seed| {
        Script::new(seed)
            .join_all(0..4, 0)
            .wait_ms(1000)
            .then(Act::SpoilCommit(seed as usize % 4))
            .then(Act::Join(4))
            .wait_ms(1500)
            .then(Act::SpoilCommit((seed as usize + 1) % 4))
            .then(Act::Leave(4))
    });
    assert!(counts.recoveries >= 10, "{counts}");
}

#[test]
fn a_newcomer_that_cannot_use_its_welcome_gets_another() {
    let counts = good(|seed| {
        Script::new(seed)
            .then(Act::SpoilWelcome(0))
            .then(Act::SpoilWelcome(1))
            .join_all(0..2, 0)
            .wait_ms(1500)
            .then(Act::SpoilWelcome(2))
            .then(Act::Join(2))
            .wait_ms(100 * seed)
            .then(Act::Join(3))
    });
    assert!(counts.recoveries >= 10, "{counts}");
}

#[test]
fn an_ear_that_cannot_open_a_voice_has_its_client_let_in_anew() {
    let counts = good(|seed| {
        Script::new(seed)
            .join_all(0..3, 400)
            .wait_ms(2000)
            .then(Act::Undecryptable(0, 1))
            .wait_ms(50 * seed)
            .then(Act::Join(3))
    });
    assert!(counts.recoveries >= 10, "{counts}");
}

#[test]
fn a_member_that_is_not_ready_holds_up_the_others_for_two_seconds_only() {
    let counts = good(|seed| {
        Script::new(seed)
            .join_all(0..3, 0)
            .wait_ms(1000)
            .then(Act::LoseReady(seed as usize % 3))
            .then(Act::Join(3))
            .wait_ms(500)
            .then(Act::Join(4))
    });
    assert_eq!(counts.recoveries, 0);
}

#[test]
fn a_commit_damaged_by_the_server_is_survived() {
    good(|seed| {
        Script::new(seed)
            .join_all(0..3, 0)
            .wait_ms(1000)
            .then(Act::Fault(ServerFault::InvalidCommit, ms(1500)))
            .then(Act::Join(3))
            .wait_ms(200 * seed)
            .then(Act::Leave(1))
    });
}

#[test]
fn a_welcome_withheld_by_the_server_is_survived() {
    good(|seed| {
        Script::new(seed)
            .join_all(0..3, 0)
            .wait_ms(1000)
            .then(Act::Fault(ServerFault::WithheldWelcome, ms(1500)))
            .then(Act::Join(3))
            .wait_ms(200 * seed)
            .then(Act::Leave(1))
    });
}

#[test]
fn a_late_execute_and_a_repeated_external_sender_cost_nobody_a_frame() {
    for fault in [
        ServerFault::DelayedExecute,
        ServerFault::DuplicateExternalSender,
    ] {
        let counts = good(|seed| {
            Script::new(seed)
                .join_all(0..2, 0)
                .then(Act::Fault(fault, ms(3000)))
                .wait_ms(700)
                .then(Act::Join(2))
                .wait_ms(100 * seed)
                .then(Act::Join(3))
        });
        assert_eq!(counts.recoveries, 0, "{fault:?}");
    }
}

#[test]
fn an_optional_room_goes_down_for_a_plain_client_and_up_again() {
    good(|seed| {
        Script::new(seed)
            .policy(Policy::Optional)
            .join_all(0..3, 0)
            .wait_ms(1500)
            .then(Act::JoinPlain(3))
            .wait_ms(150 * seed)
            .then(Act::Leave(3))
            .wait_ms(3000)
            .then(Act::Join(4))
    });
}

#[test]
fn who_is_left_alone_in_an_upgrade_is_upgraded_and_joined_again() {
    good(|seed| {
        let alone = Script::new(seed)
            .policy(Policy::Optional)
            .join_all(0..2, 0)
            .wait_ms(1500)
            .then(Act::JoinPlain(2))
            .wait_ms(1000)
            .then(Act::Leave(2))
            // Before the new group's first epoch, and a little off that.
            .wait_ms(20 * (seed / 2))
            .then(Act::Leave(1));
        if seed.is_multiple_of(2) {
            return alone;
        }
        alone.wait_ms(500 * seed).then(Act::Join(3))
    });
}

#[test]
fn a_downgrade_by_the_server_ends_when_it_ends() {
    good(|seed| {
        Script::new(seed)
            .policy(Policy::Optional)
            .join_all(0..3, 0)
            .wait_ms(1500)
            .then(Act::Fault(ServerFault::Downgrade, ms(400 * seed)))
            .wait_ms(100 * seed)
            .then(Act::Join(3))
            .wait_ms(1000)
            .then(Act::Leave(0))
    });
}

#[test]
fn a_stage_is_plain_and_loses_nothing() {
    let counts = good(|seed| {
        Script::new(seed)
            .policy(Policy::Off)
            .join_all(0..3, 100)
            .then(Act::JoinPlain(3))
            .wait_ms(300)
            .then(Act::Leave(1))
    });
    assert_eq!(lost(&counts), []);
    assert_eq!(counts.epochs, 0);
}

#[test]
fn a_client_without_encryption_is_refused_where_it_is_required() {
    good(|seed| {
        Script::new(seed)
            .join_all(0..2, 0)
            .wait_ms(500)
            .then(Act::JoinPlain(2))
    });
}

#[test]
fn datagrams_that_overtake_the_commit_wait_for_their_keys() {
    let slow = Network {
        websocket: Delays {
            base: ms(300),
            jitter: ms(200),
            spike: ms(600),
            spikes_permille: 20,
        },
        udp: Delays {
            base: ms(1),
            jitter: ms(60),
            spike: ms(0),
            spikes_permille: 0,
        },
        twice_permille: 20,
        crypto: Delays::constant(ms(100)),
        ..Network::default()
    };
    let counts = good(|seed| {
        Script::new(seed)
            .network(slow)
            .join_all(0..4, 0)
            .wait_ms(2500)
            .then(Act::Leave(1))
            .wait_ms(700)
            .then(Act::Join(1))
            .wait_ms(100 * seed)
            .then(Act::Leave(2))
    });
    assert!(matches!(lost(&counts)[..], [] | [Window::JoinedLater]));
}

#[test]
fn fifty_fill_a_room_and_half_of_them_leave_again() {
    let fill = |seed| {
        let mut script = Script::new(seed).join_all(0..50, 3).wait_ms(2000);
        script.cadence = ms(100);
        (0..25).fold(script, |script, client| {
            script.then(Act::Leave(2 * client)).wait_ms(7)
        })
    };
    if play(&fill(1)).is_err() {
        panic!("{}", replayed(&fill(1)));
    }
}

fn from_environment(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text}")))
}

#[test]
fn random_scripts_end_with_everybody_hearing_everybody() {
    let first = from_environment("MYNAH_SEED").unwrap_or(USUAL_SEED);
    let scripts = from_environment("MYNAH_SCRIPTS").unwrap_or(USUAL_SCRIPTS);
    let began = Instant::now();
    let next = AtomicU64::new(0);
    let has_failed = AtomicBool::new(false);
    let totals = Mutex::new((Counts::default(), Vec::new()));
    let work = || {
        while !has_failed.load(Ordering::Relaxed) {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= scripts {
                return;
            }
            let seed = first + number;
            let result = play(&Script::random(seed));
            let mut totals = totals.lock().unwrap();
            match result {
                Ok(counts) => totals.0.add(&counts),
                Err(failure) => {
                    // In a long run all failures are wanted, in a usual one the first.
                    has_failed.store(scripts <= USUAL_SCRIPTS, Ordering::Relaxed);
                    eprintln!("seed {seed}: {}", failure.problems.join("; "));
                    totals.1.push(seed);
                }
            }
            if (number + 1).is_multiple_of(500) {
                eprintln!(
                    "{} scripts in {:?}\n{}",
                    number + 1,
                    began.elapsed(),
                    totals.0
                );
            }
        }
    };
    let threads = available_parallelism().map_or(1, usize::from).min(2);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(work);
        }
    });
    let (counts, failed) = totals.into_inner().unwrap();
    eprintln!("{scripts} scripts in {:?}\n{counts}", began.elapsed());
    if let Some(seed) = failed.first() {
        panic!(
            "{}\n{} of {scripts} scripts failed: seeds {failed:?}\nreplay: MYNAH_SEED={seed} \
             MYNAH_SCRIPTS=1 cargo nextest run --test dave_world random",
            replayed(&Script::random(*seed)),
            failed.len()
        );
    }
}
