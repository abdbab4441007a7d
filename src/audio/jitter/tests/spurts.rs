//! Talkspurts: how they begin, what is between them, how they end.

use super::*;

const SILENCE_FRAME: [u8; 3] = [0xF8, 0xFF, 0xFE];

/// How a sender behaves between two talkspurts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pause {
    /// Five silence frames, and timestamps go on with the clock.
    Polite,
    /// Five silence frames, and timestamps stand still.
    Frozen,
    /// Nothing at all.
    Abrupt,
    /// One byte every 400 ms (DTX).
    Dtx,
}

/// Talks 25 times for 1 s, each time after a pause; returns what was said.
fn talk(world: &mut World, pause: Pause) -> Vec<u64> {
    let (mut at, mut sequence, mut timestamp) = (0, 65_500u16, 17u32);
    let mut said = Vec::new();
    let mut tick = 0u64;
    for spurt in 0..25u64 {
        for n in 0..50 {
            let id = spurt * 100 + n;
            world.send(id, at, sequence, timestamp, payload(960, id));
            said.push(id);
            (at, sequence, timestamp) = (at + 20 * MS, sequence.wrapping_add(1), timestamp + 960);
        }
        let pause_ticks = 20 + spurt * 7;
        for n in 0..pause_ticks {
            tick += 1;
            let mark = (1 << 42) + tick;
            match pause {
                Pause::Polite | Pause::Frozen if n < 5 => {
                    world.send(mark, at, sequence, timestamp, SILENCE_FRAME.into());
                    sequence = sequence.wrapping_add(1);
                }
                Pause::Dtx if n % 20 == 0 => {
                    world.send(mark, at, sequence, timestamp, [0xFC].into());
                    sequence = sequence.wrapping_add(1);
                }
                _ => {}
            }
            at += 20 * MS;
            timestamp += if pause == Pause::Frozen && n >= 5 {
                0
            } else {
                960
            };
        }
    }
    said
}

/// Numbers of the loud packets that were played, and how often a spurt began.
fn heard(world: &World) -> (Vec<u64>, usize) {
    let mut loud = Vec::new();
    let mut starts = 0;
    for pulled in &world.turns {
        let Pulled::Sound(turn) = pulled else {
            continue;
        };
        starts += usize::from(turn.starts);
        for piece in &turn.pieces {
            if let Piece::Packet(packet) = piece
                && packet.payload.len() > SILENT_BYTES
            {
                loud.push(number(packet));
            }
        }
    }
    (loud, starts)
}

impl World {
    /// Like [`World::run`], for packets without numbers.
    fn listen(&mut self, until_ns: u64) {
        for at in (0..until_ns).step_by(20 * MS as usize) {
            while let Some(entry) = self.on_the_way.first_entry()
                && entry.key().0 <= at
            {
                let _ = self.jitter.push(entry.remove());
            }
            let now = self.at(at);
            let pulled = self.jitter.pull(now);
            self.turns.push(pulled);
        }
    }
}

#[test]
fn every_word_is_heard_whatever_the_sender_does_in_its_pauses() {
    for pause in [Pause::Polite, Pause::Frozen, Pause::Abrupt, Pause::Dtx] {
        let mut world = World::new(20);
        let said = talk(&mut world, pause);
        world.listen(85_000 * MS);
        let (loud, starts) = heard(&world);
        assert!(loud == said, "{pause:?}");
        assert_eq!(starts, 25, "{pause:?}");
        let stats = world.jitter.stats();
        assert_eq!((stats.lost, stats.late), (0, 0), "{pause:?}");
        assert!(
            stats.delay < Duration::from_millis(60),
            "{pause:?}: {stats:?}"
        );
        // Nothing but the abrupt end of a spurt has to be invented.
        let most = if pause == Pause::Abrupt { 25 * 6 } else { 25 };
        assert!(stats.concealed <= most, "{pause:?}: {stats:?}");
    }
}

#[test]
fn silence_frames_for_ever_are_no_talkspurt() {
    let mut world = World::new(21);
    for id in 0..500u64 {
        let bytes: Arc<[u8]> = match id {
            0..50 => payload(960, id),
            _ => SILENCE_FRAME.into(),
        };
        world.send(id, id * 20 * MS, id as u16, id as u32 * 960, bytes);
    }
    world.listen(11_000 * MS);
    let sound = world
        .turns
        .iter()
        .filter(|pulled| **pulled != Pulled::Quiet);
    assert!((50..=61).contains(&sound.count()));
    assert_eq!(world.jitter.waiting(), 0);
}

#[test]
fn a_word_of_one_packet_is_heard() {
    let mut world = World::new(22);
    world.send(5, 0, 9, 9, payload(960, 5));
    world.listen(1000 * MS);
    assert_eq!(heard(&world), (vec![5], 1));
}

#[test]
fn packets_that_waited_for_their_key_are_all_heard() {
    let mut world = World::new(23);
    let mut jitter = Jitter::new(JitterConfig::default());
    let epoch = world.epoch;
    // 1.2 s of speech opened at once, and what follows comes in time.
    let packet = |id: u64| JitterPacket {
        sequence: id as u16,
        timestamp: id as u32 * 960,
        arrival: epoch + Duration::from_millis(id * 20),
        payload: payload(960, id),
    };
    for id in 0..60 {
        assert_eq!(jitter.push(packet(id)), Pushed::Kept);
    }
    for id in 60..6000u64 {
        assert_eq!(jitter.push(packet(id)), Pushed::Kept, "{id}");
        let pulled = jitter.pull(world.at(id * 20 * MS));
        world.turns.push(pulled);
    }
    let (loud, starts) = heard(&world);
    assert!(loud == (0..loud.len() as u64).collect::<Vec<_>>());
    assert!(loud.len() > 5990, "{}: the delay goes back", loud.len());
    assert_eq!(starts, 1);
}

#[test]
fn a_short_gap_without_packets_is_comfort_and_a_hole_is_loss() {
    let mut world = World::new(24);
    let ids = (0..50u64).chain(53..100);
    for id in ids {
        // 3 packets are lost on the way; after 80 nothing is sent for 60 ms.
        let pause = if id >= 80 { 3 } else { 0 };
        let at = (id + pause) * 20 * MS;
        world.send(
            id,
            at,
            id as u16,
            (id + pause) as u32 * 960,
            payload(960, id),
        );
    }
    world.listen(1900 * MS);
    let mut pieces = (0, 0);
    for pulled in &world.turns {
        let Pulled::Sound(turn) = pulled else {
            continue;
        };
        for piece in &turn.pieces {
            match piece {
                Piece::Lost { frames, .. } => pieces.0 += frames,
                Piece::Dtx { frames } => pieces.1 += frames,
                Piece::Packet(_) => {}
            }
        }
    }
    let stats = world.jitter.stats();
    assert_eq!(stats.lost, 3);
    assert_eq!(pieces.0 + pieces.1, 6 * 960, "{pieces:?}");
}

#[test]
fn redundancy_is_handed_on_only_where_the_next_packet_has_some() {
    // SILK, wideband, 20 ms, mono: one bit of voice activity, then the flag for redundancy.
    let silk = |has_fec: bool| -> Arc<[u8]> {
        let flags = if has_fec { 0b1100_0000 } else { 0b1000_0000 };
        [&[9 << 3, flags][..], &[7; 48]].concat().into()
    };
    for has_fec in [true, false] {
        let mut world = World::new(25);
        for id in (0..100u64).filter(|id| id % 10 != 5) {
            world.send(id, id * 20 * MS, id as u16, id as u32 * 960, silk(has_fec));
        }
        world.listen(1990 * MS);
        let lost = world.turns.iter().filter_map(|pulled| match pulled {
            Pulled::Sound(turn) => Some(&turn.pieces),
            Pulled::Quiet => None,
        });
        let with = lost
            .flatten()
            .filter(|piece| {
                matches!(
                    piece,
                    Piece::Lost {
                        frames: 960,
                        next: Some(_)
                    }
                )
            })
            .count();
        assert_eq!(with, if has_fec { 10 } else { 0 });
        assert_eq!(world.jitter.stats().recovered_by_fec, with as u64);
        assert_eq!(world.jitter.stats().lost, 10);
    }
}
