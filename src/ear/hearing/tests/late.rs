//! What is not known in time, never, or passes while nobody listens.

use super::*;

#[test]
fn what_never_opens_comes_empty_when_that_is_certain_and_only_as_a_packet() {
    let all = Want {
        packets: true,
        ..SOUND
    };
    let (mut rig, mut mouth) = (Rig::new(all), Mouth::new(5));
    rig.know(5);
    rig.take(mouth.say());
    assert_eq!(rig.tick().packets.len(), 1);
    // An epoch of which the key never comes.
    mouth.epoch(2);
    let begun = rig.now;
    for _ in 0..5 {
        rig.take(mouth.say());
    }
    let mut unopened = Vec::new();
    for _ in 0..150 {
        unopened.extend(rig.tick().packets);
    }
    let sequences: Vec<u16> = unopened.iter().map(|packet| packet.sequence).collect();
    assert_eq!(sequences, [65_501, 65_502, 65_503, 65_504, 65_505]);
    for packet in &unopened {
        assert!(packet.unopened && packet.payload.is_empty());
        assert_eq!((packet.user, packet.arrival), (Some(UserId::new(5)), begun));
    }
    // They came; the network lost none.
    let stats = rig.ear.stats();
    assert_eq!((stats.speakers[0].received, stats.speakers[0].lost), (6, 0));
    assert_eq!(stats.packets.lost.no_key, 5);
    assert_eq!(rig.ear.streams[&Ssrc(5)].user, Some(UserId::new(5)));
}

#[test]
fn who_is_not_known_yet_is_not_in_the_mix_and_nothing_of_them_is_lost() {
    let mut rig = Rig::new(SOUND);
    plain(&mut rig);
    let mut rtp = RtpSealer::new(MODE, &KEY, 0);
    let mut encoder = Encoder::new(EncoderConfig::default()).unwrap();
    let mut frame = [0; 1400];
    let mut say = |rig: &mut Rig, sequence: u16| {
        let tone = std::array::from_fn(|at| (at as f32 * 0.05).sin() * 0.3);
        let length = encoder.encode(&tone, &mut frame).unwrap();
        let header = Header::opus(sequence, 960 * u32::from(sequence), Ssrc(5)).write();
        rig.take(sealed(&mut rtp, &header, &frame[..length]));
    };
    for sequence in 0..25 {
        say(&mut rig, sequence);
        let heard = rig.tick();
        assert!(heard.voices.is_empty() && heard.mix.is_none());
    }
    rig.ear.learn(rig.now, Ssrc(5), UserId::new(50));
    let (mut spoke, mut mixed, mut conceals) = (0, 0, 0);
    for sequence in 25..225 {
        if sequence < 75 {
            say(&mut rig, sequence);
        }
        let heard = rig.tick();
        mixed += usize::from(heard.mix.is_some());
        for voice in &heard.voices {
            assert_eq!(voice.user, UserId::new(50));
            spoke += usize::from(voice.level_dbfs > -30.0);
            conceals += usize::from(voice.conceals && voice.level_dbfs > -30.0);
        }
    }
    // Half a second was held. Sound that late may be shortened, but is not cut out.
    assert!(spoke >= 65, "{spoke} of 75 ticks, {conceals} made up");
    assert!(mixed >= spoke);
    assert_eq!(rig.ear.stats().speakers[0].lost, 0);
}

#[test]
fn a_stream_that_nobody_is_ever_named_for_takes_little_and_its_old_words_are_not_heard() {
    let mut rig = Rig::new(SOUND);
    plain(&mut rig);
    let mut rtp = RtpSealer::new(MODE, &KEY, 0);
    for sequence in 0..1_000_u16 {
        let header = Header::opus(sequence, 960 * u32::from(sequence), Ssrc(5)).write();
        rig.take(sealed(&mut rtp, &header, &[0xF8, 1, 2, 3]));
        assert!(rig.tick().voices.is_empty());
    }
    rig.now += Duration::from_secs(5);
    rig.ear.learn(rig.now, Ssrc(5), UserId::new(50));
    assert!((0..20).all(|_| rig.tick().voices.is_empty()));
}

#[test]
fn ticks_that_are_skipped_are_counted_and_nothing_of_them_is_lost() {
    let (mut rig, mut mouth) = (Rig::new(PACKETS), Mouth::new(5));
    rig.know(5);
    assert_eq!(rig.tick().tick, 0);
    for _ in 0..30 {
        rig.take(mouth.say());
    }
    rig.ear.skip(29);
    let heard = rig.tick();
    assert_eq!((heard.tick, heard.packets.len()), (30, 30));
}

#[test]
fn what_is_said_while_nobody_listens_is_no_loss() {
    let (mut rig, mut mouth) = (Rig::new(PACKETS), Mouth::new(5));
    rig.know(5);
    for listens in [true, false, true] {
        rig.ear
            .want(if listens { PACKETS } else { Want::default() });
        for _ in 0..100 {
            let said = mouth.say();
            if listens {
                rig.take(said);
                let _ = rig.tick();
            }
        }
    }
    let speakers = rig.ear.stats().speakers;
    assert_eq!((speakers[0].received, speakers[0].lost), (200, 0));
}
