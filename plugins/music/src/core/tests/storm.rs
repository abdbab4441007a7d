//! Whatever happens in whatever order: no panic, and every command gets exactly one answer.

use std::collections::BTreeMap;

use super::*;
use crate::calls::{Repeat, Tweak};
use crate::effect::Preset;
use crate::moment::Moment;

/// splitmix64 (Steele, Lea, Flood 2014).
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % n
    }
}

fn some_ask(dice: &mut Dice) -> Ask {
    let file = Some(Upload {
        url: "u".to_owned(),
        name: "up.mp3".to_owned(),
    });
    match dice.below(24) {
        0..=3 => query_of(["a", "b", "broken", "bad", "zzz"][dice.below(5) as usize]),
        4 => Ask::Play { query: None, file },
        5 => Ask::Control(Control::Pause),
        6 => Ask::Control(Control::Resume),
        7 | 8 => Ask::Control(Control::Skip),
        9 => Ask::Control(Control::Stop {
            clear: dice.below(2) == 0,
        }),
        10 => Ask::Control(Control::Volume(
            (dice.below(3) > 0).then(|| dice.below(200) as i64),
        )),
        11 => Ask::Control(Control::NowPlaying),
        12 => Ask::Control(Control::Queue),
        13 => Ask::Control(Control::Leave),
        14 | 15 => Ask::Control(Control::Seek(Moment::At(Duration::from_secs(
            dice.below(130),
        )))),
        16 | 17 => Ask::Control(Control::Repeat(Some(
            [Repeat::Off, Repeat::Track, Repeat::Queue][dice.below(3) as usize],
        ))),
        18 => Ask::Control(Control::Filter(Tweak {
            preset: Some(Preset::ALL[dice.below(9) as usize]),
            ..Tweak::default()
        })),
        19 => Ask::Control(Control::Previous),
        20 => Ask::Control(Control::Replay),
        21 => Ask::Control(Control::Shuffle(dice.below(9))),
        22 => Ask::Control(Control::Remove {
            first: 1,
            last: 1 + dice.below(3) as i64,
        }),
        _ => Ask::Control(Control::Move { from: 2, to: 1 }),
    }
}

fn some_outcome(dice: &mut Dice, call: &Call, last_track: &mut u64) -> Outcome {
    if dice.below(5) == 0 {
        return Outcome::Failed("as it happens".to_owned());
    }
    match call {
        Call::List(_) => Outcome::Listing(listing(&["a.mp3", "b.mp3", "broken.mp3"])),
        Call::Probe(_) => Outcome::Tags(Tags {
            length: (dice.below(2) == 0).then(|| Duration::from_secs(dice.below(60))),
            ..Tags::default()
        }),
        Call::Play { .. } | Call::Next { .. } => {
            *last_track += 1;
            Outcome::Playing(Track::new(*last_track))
        }
        Call::Position(_) => Outcome::Position(Duration::from_secs(1)),
        _ => Outcome::Done,
    }
}

#[test]
fn every_command_is_answered_exactly_once_in_any_storm() {
    for seed in 0..400 {
        let mut dice = Dice(seed);
        let crossfade = Duration::from_secs(seed % 3 * 4);
        let files = ["a.mp3", "b.mp3", "broken.mp3"];
        let mut stage = stage_with(&files, |rules| rules.crossfade = crossfade);
        stage.willing = false;
        let mut answers: BTreeMap<Reply, u32> = BTreeMap::new();
        let mut open: Vec<(Ticket, Call)> = Vec::new();
        let mut last_track = 0;
        for step in 0..300 {
            stage.now += Duration::from_millis(dice.below(700));
            // The last steps only let what is under way come to its end.
            let input = match if step < 200 {
                dice.below(11)
            } else {
                4 + dice.below(3)
            } {
                0..=3 => {
                    stage.bot = [None, Some(LOUNGE), Some(STAGE)][dice.below(3) as usize];
                    let voice =
                        [None, Some(LOUNGE), Some(LOUNGE), Some(STAGE)][dice.below(4) as usize];
                    let mut caller = stage.caller(voice);
                    caller.user = UserId::new(100 + dice.below(3));
                    answers.insert(caller.reply, 0);
                    Input::Command(caller, some_ask(&mut dice))
                }
                4 | 5 if !open.is_empty() => {
                    let place = dice.below(open.len() as u64) as usize;
                    let (ticket, call) = open.remove(place);
                    let outcome = some_outcome(&mut dice, &call, &mut last_track);
                    Input::Outcome(ticket, outcome)
                }
                4..=7 => {
                    let news = match dice.below(if step < 200 { 5 } else { 2 }) {
                        0 | 1 => TrackNews::Started,
                        2 => TrackNews::Ended,
                        3 => TrackNews::Stopped,
                        _ => TrackNews::Failed("as it happens".to_owned()),
                    };
                    Input::Track(
                        GUILD,
                        Track::new(last_track.saturating_sub(dice.below(2))),
                        news,
                    )
                }
                8 => {
                    let news = match dice.below(5) {
                        0 => VoiceNews::Ended("as it happens".to_owned()),
                        1 => VoiceNews::Lost,
                        2 => VoiceNews::Resumed,
                        3 => VoiceNews::Connected(LOUNGE),
                        _ => VoiceNews::Moved(STAGE),
                    };
                    Input::Voice(GUILD, news)
                }
                9 => {
                    let there = [LOUNGE, STAGE][dice.below(2) as usize];
                    Input::Audience(GUILD, there, dice.below(2) as usize)
                }
                _ => Input::Tick,
            };
            for action in stage.core.handle(stage.now, input) {
                match action {
                    Action::Call(ticket, call) => open.push((ticket, call)),
                    Action::Answer { reply, .. } => {
                        *answers.get_mut(&reply).expect("a known command") += 1
                    }
                    _ => {}
                }
            }
        }
        // What still waits then is told of its end.
        for round in 0.. {
            assert!(round < 1000, "seed {seed}: the core never comes to rest");
            let input = match open.pop() {
                Some((ticket, call)) => {
                    let outcome = match call {
                        Call::Play { .. } | Call::Next { .. } => {
                            Outcome::Failed("closing".to_owned())
                        }
                        call => some_outcome(&mut dice, &call, &mut last_track),
                    };
                    Input::Outcome(ticket, outcome)
                }
                None if round % 2 == 0 => {
                    Input::Voice(GUILD, VoiceNews::Ended("closing".to_owned()))
                }
                None => break,
            };
            for action in stage.core.handle(stage.now, input) {
                match action {
                    Action::Call(ticket, call) => open.push((ticket, call)),
                    Action::Answer { reply, .. } => {
                        *answers.get_mut(&reply).expect("a known command") += 1
                    }
                    _ => {}
                }
            }
        }
        let wrong: Vec<_> = answers.iter().filter(|(_, count)| **count != 1).collect();
        assert!(wrong.is_empty(), "seed {seed}: {wrong:?}");
    }
}
