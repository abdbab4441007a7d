//! Whatever people do in whatever order: nothing has two owners, and no limit is passed.

use super::library::tests::sound;
use super::name::fold;
use super::pace::{Pace, WINDOW_MS};
use super::search::{Order, offer, page, random};
use super::voices::{Playing, Voices};
use super::{Edit, Library, Limits, Sound, Viewer};

/// SplitMix64.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % most
    }

    fn name(&mut self) -> String {
        let of = [
            "horn",
            "HORN",
            "e\u{301}h",
            "\u{e9}h",
            "drum",
            "Drum 2",
            "gong",
            "b\u{e4}r",
        ];
        of[self.below(of.len() as u64) as usize].to_owned()
    }
}

#[test]
fn names_stay_unique_and_quotas_hold_in_ten_thousand_steps() {
    let limits = Limits {
        sounds: 6,
        per_user: 3,
    };
    let mut dice = Dice(11);
    let mut library = Library::new(limits, []);
    for step in 0..10_000 {
        let user = dice.below(4);
        match dice.below(4) {
            0 | 1 => {
                let plain = sound(step, &dice.name(), &["t"], dice.below(9));
                let new = Sound {
                    uploader: user,
                    sha256: format!("{:064x}", dice.below(9)),
                    aliases: vec![dice.name()],
                    ..plain
                };
                if library.check(&new).is_ok() {
                    // Its own alias may be its name: then it is called so twice.
                    library.replace(new);
                }
            }
            2 => {
                let id = library
                    .seen(Viewer {
                        user,
                        manages: true,
                    })
                    .next()
                    .map(|one| one.id);
                let edit = Edit {
                    name: Some(dice.name()),
                    aliases: Some(vec![dice.name(), dice.name()]),
                    hidden: Some(dice.below(2) == 0),
                    ..Edit::default()
                };
                if let Some(edited) = id.and_then(|id| library.edited(id, edit).ok()) {
                    library.replace(edited);
                }
            }
            _ => {
                let some = random(
                    &library,
                    None,
                    Viewer {
                        user,
                        manages: true,
                    },
                    dice.below(99),
                );
                if let Some(id) = some.map(|one| one.id).filter(|_| dice.below(3) == 0) {
                    library.remove(id);
                }
            }
        }
        check(&library, limits, user);
    }
}

fn check(library: &Library, limits: Limits, user: u64) {
    let all = Viewer {
        user: 99,
        manages: true,
    };
    let sounds: Vec<&Sound> = library.seen(all).collect();
    assert!(sounds.len() <= limits.sounds);
    assert!(sounds.iter().filter(|one| one.uploader == user).count() <= limits.per_user);
    for one in &sounds {
        for name in std::iter::once(&one.name).chain(&one.aliases) {
            let called = sounds.iter().filter(|other| other.is_called(&fold(name)));
            assert_eq!(called.count(), 1, "{name} of {one:?}");
            assert_eq!(library.find(name, all).map(|found| found.id), Some(one.id));
        }
        let twins = sounds.iter().filter(|other| other.sha256 == one.sha256);
        assert_eq!(twins.count(), 1);
    }
    // What is hidden is in no list of somebody else.
    let stranger = Viewer {
        user: 99,
        manages: false,
    };
    for number in 0..3 {
        let page = page(library, None, Order::Plays, stranger, number, 2);
        assert!(page.sounds.iter().all(|one| !one.hidden) && page.page < page.pages);
    }
    assert!(
        offer(library, "h", stranger, 25)
            .iter()
            .all(|one| !one.hidden)
    );
}

#[test]
fn no_pace_and_no_number_of_voices_is_passed_in_ten_thousand_steps() {
    let mut dice = Dice(5);
    let (mut pace, mut voices) = (Pace::new(5_000, 10), Voices::default());
    let mut now = 0;
    let mut heard: Vec<(u64, u64)> = Vec::new();
    for track in 0..10_000 {
        now += dice.below(4_000);
        let (user, sound) = (dice.below(6), dice.below(4) as i64);
        if pace.ask(now, user, sound, dice.below(3_000)).is_ok() {
            let before = heard.iter().rev().find(|(_, by)| *by == user);
            assert!(before.is_none_or(|(at, _)| now - at >= 5_000));
            heard.push((now, user));
            let minute = heard.iter().filter(|(at, _)| now - at < WINDOW_MS);
            assert!(minute.count() <= 10);
            let playing = Playing {
                track,
                sound,
                user,
                again: 0,
                volume: 100,
            };
            assert!(voices.begin(playing, 3).len() <= 1 && voices.len() <= 3);
        }
        match dice.below(5) {
            0 => drop(voices.ended(track.saturating_sub(dice.below(5)))),
            1 => assert!(voices.take(Some(user)).iter().all(|one| one.user == user)),
            _ => {}
        }
    }
    assert!(heard.len() > 500);
}
