//! The mix in virtual time, as a listener hears it.

use super::*;
use crate::{LIVE_BLOCKS, live};
use mynah_audio::{Decoder, SAMPLES, level::rms};

fn tone(frames: usize) -> Vec<u8> {
    let mut out = mynah_media::wav::WavWriter::new(
        std::io::Cursor::new(vec![]),
        mynah_media::wav::Format::F32,
    )
    .unwrap();
    let wave = (0..frames).flat_map(|at| {
        let sample = (at as f32 * 440.0 / 48_000.0 * std::f32::consts::TAU).sin() * 0.3;
        [sample, sample]
    });
    out.write(&wave.collect::<Vec<f32>>()).unwrap();
    out.finish().unwrap().into_inner()
}

fn heard(mix: &mut Mix, ticks: usize) -> (Vec<f32>, Vec<(TrackId, TrackEvent)>) {
    let mut decoder = Decoder::new().unwrap();
    let (mut sound, mut events) = (Vec::new(), Vec::new());
    for _ in 0..ticks {
        let tick = mix.tick();
        for packet in tick.packets {
            let mut block = [0.0; SAMPLES];
            decoder.decode(&packet, &mut block).unwrap();
            sound.extend(block);
        }
        events.extend(tick.events);
    }
    (sound, events)
}

#[test]
fn a_file_is_heard_whole_and_what_follows_it_follows_without_a_gap() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.wav");
    std::fs::write(&path, tone(48_000)).unwrap();
    let mut mix = Mix::new().unwrap();
    mix.play(TrackId(1), &path, &PlayOptions::default())
        .unwrap();
    assert!(
        mix.play_next(TrackId(1), TrackId(2), path, Duration::ZERO)
            .unwrap()
    );
    let (sound, events) = heard(&mut mix, 120);
    let kinds: Vec<_> = events.iter().map(|(id, kind)| (id.0, kind)).collect();
    let wanted = [
        (1, &TrackEvent::Started),
        (1, &TrackEvent::Ended),
        (2, &TrackEvent::Started),
        (2, &TrackEvent::Ended),
    ];
    assert_eq!(kinds, wanted);
    // The first block carries the encoder's look-ahead; then no 20 ms is quiet for two seconds.
    let loud = sound.chunks(SAMPLES).skip(1).take(98);
    assert!(loud.into_iter().all(|block| rms(block) > 0.15));
    assert!(!mix.pause(TrackId(2)));
}

#[test]
fn live_sound_is_heard_once_there_is_some_and_a_stop_ends_it() {
    let mut mix = Mix::new().unwrap();
    let (mut writer, pipe) = live();
    mix.play_live(TrackId(5), pipe, PlayOptions::default());
    assert!(heard(&mut mix, 3).0.is_empty());
    let block = core::array::from_fn(|at| ((at / 2) as f32 * 0.05).sin() * 0.3);
    (0..LIVE_BLOCKS).for_each(|_| writer.put(&block));
    let (sound, events) = heard(&mut mix, 5);
    assert!(rms(&sound) > 0.05, "{}", rms(&sound));
    assert_eq!(events, [(TrackId(5), TrackEvent::Started)]);
    assert!(mix.stop(TrackId(5)));
    let (_, events) = heard(&mut mix, 5);
    assert_eq!(events, [(TrackId(5), TrackEvent::Stopped)]);
    assert!(writer.is_abandoned());
}
