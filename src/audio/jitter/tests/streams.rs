//! Streams of every kind: lengths, stalls, restarts, and what no sender should do.

use super::*;

#[test]
fn the_delay_follows_the_jitter_up_and_down() {
    let mut world = World::new(7);
    let spread = [0.0, 120.0, 0.0];
    let mut targets = Vec::new();
    for (minute, jitter_ms) in (0..).zip(spread) {
        let weather = Weather { jitter_ms, ..CALM };
        stream(
            &mut world,
            minute * 60_000 * MS,
            3000,
            minute * 3000,
            &weather,
        );
        // Each weather is judged at its end.
        world.run((minute + 1) * 60_000 * MS - 40 * MS);
        targets.push(world.jitter.stats());
    }
    let [calm, rough, again] = targets.try_into().unwrap();
    assert_eq!(calm.target, Duration::from_millis(20));
    assert!((110..=125).contains(&rough.target.as_millis()), "{rough:?}");
    assert_eq!(again.target, Duration::from_millis(20));
    assert!(again.delay < Duration::from_millis(50), "{again:?}");
    assert_eq!(again.lost, again.late);
    assert!(again.late < 20, "{again:?}");
}

#[test]
fn more_jitter_than_the_bound_costs_packets_but_not_order() {
    let mut world = World::new(8);
    let weather = Weather {
        jitter_ms: 600.0,
        ..CALM
    };
    stream(&mut world, 0, 3000, 0, &weather);
    world.run(62_000 * MS);
    let stats = world.jitter.stats();
    assert_eq!(stats.target, Duration::from_millis(200));
    assert!(world.played.is_sorted_by(|a, b| a < b));
    // Those that came before the very first, but after it, are late and nothing else.
    let known = world.played.len() as u64 + stats.lost;
    assert!((2970..=3000).contains(&known), "{stats:?}");
    assert_eq!(world.played.len() as u64 + stats.late, 3000, "{stats:?}");
}

#[test]
fn packets_of_every_length_are_played_whole() {
    for (frames, max_ms) in [
        (120, 60),
        (240, 110),
        (480, 60),
        (1920, 90),
        (2880, 90),
        (5760, 150),
    ] {
        for ppm in [100.0, -100.0] {
            let mut world = World::new(9);
            let count = 600 * 48_000 / frames as u64;
            let weather = Weather {
                frames,
                ppm,
                jitter_ms: 15.0,
                ..CALM
            };
            let arrived = stream(&mut world, 0, count, 0, &weather);
            world.run(610_000 * MS);
            let stats = world.jitter.stats();
            assert!(
                world.played == arrived,
                "{frames} frames, {ppm} ppm: {stats:?}"
            );
            assert_eq!(stats.lost, 0);
            assert!(
                stats.delay < Duration::from_millis(max_ms),
                "{frames}: {stats:?}"
            );
            assert!(
                stats.concealed <= 12,
                "{frames} frames, {ppm} ppm: {stats:?}"
            );
        }
    }
}

#[test]
fn lost_packets_of_every_length_are_concealed_for_as_long_as_they_were() {
    for frames in [120, 480, 960, 2880] {
        let mut world = World::new(10);
        let count = 60 * 48_000 / frames as u64;
        let weather = Weather {
            frames,
            loss: 0.03,
            ..CALM
        };
        let arrived = stream(&mut world, 0, count, 0, &weather);
        world.run(62_000 * MS);
        assert!(world.played == arrived);
        let lost = (count - arrived.len() as u64) as i64 * frames;
        // At the end 100 ms are invented, once for each spurt.
        let most = lost + 6 * 960 * world.jitter.stats().spurts as i64;
        let invented = world.invented;
        assert!(
            (lost - 5760..=most).contains(&invented),
            "{frames}: {invented}, lost {lost}"
        );
    }
}

#[test]
fn after_a_stall_everything_that_was_held_up_is_played_and_the_delay_goes_back() {
    let mut world = World::new(11);
    let count = 3000;
    for id in 0..count {
        let sent = id * 20 * MS;
        // The network holds everything for 900 ms and then brings it at once.
        let at = match (10_000..10_900).contains(&(sent / MS)) {
            true => 10_900 * MS,
            false => sent,
        };
        world.send(
            id,
            at + 30 * MS,
            id as u16,
            id as u32 * 960,
            payload(960, id),
        );
    }
    world.run(11_500 * MS);
    let after = world.jitter.stats().delay;
    assert!(after > Duration::from_millis(400), "{after:?}");
    world.run(62_000 * MS);
    assert!(world.played == (0..count).collect::<Vec<_>>());
    assert!(
        world.jitter.stats().delay < Duration::from_millis(100),
        "{:?}",
        world.jitter.stats()
    );
}

#[test]
fn silence_frames_are_where_too_much_delay_goes_first() {
    let mut world = World::new(12);
    for id in 0..400u64 {
        // Held up for a second, as packets that wait for a key.
        let at = (id * 20 * MS).max(1000 * MS);
        let silent = (100..108).contains(&id);
        let bytes = match silent {
            true => Arc::from([0xF8, 0xFF, 0xFE]),
            false => payload(960, id),
        };
        world.send(id, at, id as u16, id as u32 * 960, bytes);
    }
    world.run(2700 * MS);
    let before = world.jitter.stats().delay;
    world.run(3400 * MS);
    let after = world.jitter.stats().delay;
    // The first of them shows that it is one.
    assert!(
        after + Duration::from_millis(140) <= before,
        "{before:?} {after:?}"
    );
    world.run(9000 * MS);
    let loud: Vec<u64> = (0..400).filter(|id| !(100..108).contains(id)).collect();
    assert!(world.played == loud);
}

#[test]
fn a_sender_that_begins_anew_with_other_numbers_loses_nothing() {
    let mut world = World::new(13);
    for id in 0..500u64 {
        let at = id * 20 * MS;
        let (sequence, timestamp) = match id {
            0..250 => (id as u16, 4_000_000 + id as u32 * 960),
            // The same ssrc after a restart of the client, 300 ms later.
            _ => (40_000 + id as u16, 3_000_000_000 + id as u32 * 960),
        };
        let pause = if id >= 250 { 300 * MS } else { 0 };
        world.send(id, at + pause, sequence, timestamp, payload(960, id));
    }
    world.keep_turns = true;
    world.run(11_000 * MS);
    assert!(world.played == (0..500).collect::<Vec<_>>());
    let positions = world.turns.iter().filter_map(|pulled| match pulled {
        Pulled::Sound(turn) => Some(turn.position),
        Pulled::Quiet => None,
    });
    assert!(positions.is_sorted(), "positions go on");
    assert_eq!(world.jitter.stats().lost, 0);
}

#[test]
fn a_packet_from_nowhere_changes_nothing() {
    let mut world = World::new(14);
    let arrived = stream(&mut world, 0, 500, 0, &CALM);
    for n in 0..20u64 {
        // Far off, and never two that follow each other.
        world.send(
            (1 << 41) + n,
            (100 + n * 400) * MS,
            (9000 * n) as u16,
            77,
            payload(960, 0),
        );
    }
    world.run(11_000 * MS);
    assert!(world.played == arrived);
}

#[test]
fn a_full_buffer_drops_the_oldest_and_never_grows() {
    let mut jitter = Jitter::new(JitterConfig::default());
    let now = Instant::now();
    let push = |jitter: &mut Jitter, id: u64| {
        jitter.push(JitterPacket {
            sequence: id as u16,
            timestamp: id as u32 * 960,
            arrival: now,
            payload: payload(960, id),
        })
    };
    for id in 0..64 {
        assert_eq!(push(&mut jitter, id), Pushed::Kept);
    }
    for id in 64..1000 {
        assert_eq!(push(&mut jitter, id), Pushed::Replaced);
        assert_eq!(jitter.waiting(), MAX_PACKETS);
    }
    assert_eq!(push(&mut jitter, 999), Pushed::Duplicate);
    assert_eq!(push(&mut jitter, 900), Pushed::Duplicate);
    let Pulled::Sound(turn) = jitter.pull(now) else {
        panic!("it is full");
    };
    assert!(turn.starts);
    assert!(matches!(&turn.pieces[..], [Piece::Packet(first)] if number(first) == 936));
    assert_eq!(jitter.stats().replaced, 936);
}

#[test]
fn what_is_no_opus_packet_is_refused() {
    let mut jitter = Jitter::new(JitterConfig::default());
    for bytes in [&[][..], &[0xFF], &[0xFF, 0], &[0xFF, 63, 1, 2]] {
        let refused = jitter.push(JitterPacket {
            sequence: 1,
            timestamp: 960,
            arrival: Instant::now(),
            payload: bytes.into(),
        });
        assert_eq!(refused, Pushed::Bad, "{bytes:?}");
    }
    assert_eq!(jitter.stats().bad, 4);
}
