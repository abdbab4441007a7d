//! Lanes as those who record them get them, beside what a listener hears of the same ticks.

use mynah_audio::codec::LOOKAHEAD_FRAMES;
use mynah_audio::{Encoder, EncoderConfig, FRAMES, Lane, Limiter, SILENT_BLOCK};

use super::rig::{FIRST_TIMESTAMP, Rig, tone};
use crate::{LaneReader, Sender, SentTick, Tapped, TrackId, TrackOptions, packet_ring, ring};

/// What was read of a tick: lane, left channel or packet.
#[derive(Clone, Debug, PartialEq)]
enum Said {
    Block(Lane, Vec<f32>),
    Before(Lane),
    Packet(Lane, Vec<u8>),
}

fn read(reader: &mut LaneReader) -> Vec<(SentTick, Vec<Said>)> {
    let mut all = vec![];
    loop {
        let mut said = vec![];
        let left = |block: &[f32]| block.iter().step_by(2).copied().collect();
        let tick = reader.next(|lane, tapped| {
            said.push(match tapped {
                Tapped::Block(block) => Said::Block(lane, left(block)),
                Tapped::Before(_) => Said::Before(lane),
                Tapped::Packet(packet) => Said::Packet(lane, packet.to_vec()),
            });
        });
        match tick {
            Some(tick) => all.push((tick, said)),
            None => return all,
        }
    }
}

fn on(lane: Lane) -> TrackOptions {
    TrackOptions {
        lane,
        ..TrackOptions::default()
    }
}

#[test]
fn lanes_are_what_listeners_hear_taken_apart_and_carry_the_time_they_hear_it() {
    let mut rig = Rig::new(400);
    let (session, _music) = rig.sing(tone, 100);
    let mut lanes = rig.handle.listen_lanes(session);
    let mut ticks = vec![];
    // Somebody speaks in the middle, and the music steps back.
    for step in 0..30 {
        if step == 10 {
            let (mut writer, reader) = ring(16);
            for b in 0..10 {
                let low = |n: usize| 0.3 * (n as f32 * 0.013).sin();
                assert!(writer.put(|block| {
                    let frames = block.chunks_exact_mut(2).enumerate();
                    frames.for_each(|(i, frame)| frame.fill(low(b * FRAMES + i)));
                }));
            }
            writer.finish();
            rig.handle
                .play(session, TrackId(2), reader, on(Lane::Speech));
        }
        rig.run_ms(40);
        ticks.extend(read(&mut lanes));
    }
    let heard = rig.heard(1);
    assert!(ticks.len() > 50);
    // The tap was ordered before the first tick was made: both begin with the same one.
    let mut sum = vec![];
    for ((tick, said), packet) in ticks.iter().zip(&heard) {
        assert_eq!(tick.sent_ns, packet.at_ns);
        let since = packet.header.timestamp.wrapping_sub(FIRST_TIMESTAMP);
        let first = (ticks[0].0.tick * 960) as u32;
        assert_eq!((tick.tick * 960) as u32 - first, since, "the same 20 ms");
        let mut block = vec![0.0; FRAMES];
        for said in said {
            let Said::Block(_, samples) = said else {
                panic!("nothing goes out as it is");
            };
            block.iter_mut().zip(samples).for_each(|(a, b)| *a += b);
        }
        sum.extend(block);
    }
    let talks = |lane| {
        let of = |said: &Said| matches!(said, Said::Block(l, _) if *l == lane);
        ticks.iter().filter(|(_, said)| said.iter().any(of)).count()
    };
    assert!(talks(Lane::Bed) > 50);
    assert_eq!(talks(Lane::Speech), 10);
    assert_eq!(talks(Lane::Fx) + talks(Lane::Notice), 0);
    let listened = rig.listen(1);
    let late = LOOKAHEAD_FRAMES + Limiter::LATENCY_FRAMES;
    let (mut off, mut all) = (0.0f64, 0.0f64);
    for (truth, heard) in sum.iter().zip(&listened[late..]).skip(4 * FRAMES) {
        off += f64::from(truth - heard).powi(2);
        all += f64::from(*truth).powi(2);
    }
    let below_db = 10.0 * (all / off).log10();
    assert!(
        below_db > 18.0,
        "the lanes are {below_db:.1} dB like the sum"
    );
}

#[test]
fn packets_that_go_out_as_they_are_are_tapped_as_packets_and_a_change_leads_over() {
    let mut rig = Rig::new(200);
    let session = rig.open();
    rig.attach(session, 1);
    let (mut writer, reader) = packet_ring(60);
    let mut encoder = Encoder::new(EncoderConfig::default()).unwrap();
    for b in 0..50 {
        let mut block = SILENT_BLOCK;
        let frames = block.chunks_exact_mut(2).enumerate();
        frames.for_each(|(i, frame)| frame.fill(tone(b * FRAMES + i)));
        let mut room = [0; 1275];
        let len = encoder.encode(&block, &mut room).unwrap();
        assert!(writer.commit_packet(&room[..len]));
    }
    let mut lanes = rig.handle.listen_lanes(session);
    rig.handle
        .play(session, TrackId(1), reader, on(Lane::Notice));
    rig.run_ms(400);
    rig.handle.gain(session, TrackId(1), 0.5);
    rig.run_ms(200);
    let ticks = read(&mut lanes);
    let heard = rig.heard(1);
    let turn = ticks.iter().position(|(_, said)| said.len() == 2).unwrap();
    for ((_, said), packet) in ticks[..turn].iter().zip(&heard) {
        assert_eq!(said[..], [Said::Packet(Lane::Notice, packet.frame.clone())]);
    }
    assert!(turn > 15);
    assert_eq!(ticks[turn].1[0], Said::Before(Lane::Notice));
    let blocks = |said: &[Said]| matches!(said, [.., Said::Block(Lane::Notice, _)]);
    assert!(ticks[turn..].iter().all(|(_, said)| blocks(said)));
}

#[test]
fn what_was_made_and_not_sent_is_not_in_the_lanes() {
    let mut rig = Rig::new(400);
    let (session, _music) = rig.sing(tone, 100);
    let mut lanes = rig.handle.listen_lanes(session);
    rig.run_ms(203);
    // A packet waits for its deadline when the keys go.
    rig.handle.sender(session, Sender::Hold);
    rig.run_ms(200);
    rig.handle.sender(session, Sender::Plain);
    rig.run_ms(200);
    rig.handle.detach(session);
    rig.run_ms(100);
    let ticks = read(&mut lanes);
    let sent: Vec<u64> = rig.heard(1).iter().map(|packet| packet.at_ns).collect();
    let told: Vec<u64> = ticks.iter().map(|(tick, _)| tick.sent_ns).collect();
    assert_eq!(told, sent);
    assert!(ticks.iter().all(|(_, said)| said.len() == 1));
    assert_eq!(lanes.lost(), 0);
}

#[test]
fn a_tap_that_nobody_reads_loses_and_counts_and_one_that_is_dropped_costs_nothing() {
    let mut rig = Rig::new(400);
    let (session, _music) = rig.sing(tone, 200);
    let mut lanes = rig.handle.listen_lanes(session);
    rig.run_ms(3000);
    assert!(lanes.lost() > 100, "{}", lanes.lost());
    assert!(read(&mut lanes).len() > 30);
    rig.run_ms(100);
    // What is read now is of now.
    let fresh = read(&mut lanes);
    assert!(fresh.iter().all(|(_, said)| said.len() == 1) && fresh.len() >= 4);
    drop(lanes);
    rig.run_ms(200);
    let lanes = rig.handle.listen_lanes(session);
    rig.run_ms(20);
    assert!(!lanes.is_over());
    rig.handle.leave_lanes(session);
    rig.run_ms(20);
    rig.janitor.sweep();
    assert!(lanes.is_over(), "the janitor drops the tick's end");
    assert_eq!(
        rig.heard(1).len(),
        rig.io.sends as usize,
        "all of it was heard"
    );
}
