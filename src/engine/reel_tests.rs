use super::*;
use mynah_audio::{Encoder, EncoderConfig};
use mynah_media::{OpenOptions, ogg, wav};

/// A WAV in memory whose sample frames count upwards from `first`, so that each names itself.
fn counting(id: u64, first: usize, frames: usize) -> Item {
    let samples: Vec<f32> = (first..first + frames)
        .flat_map(|n| [n as f32 / 65_536.0, -(n as f32) / 65_536.0])
        .collect();
    let mut out = wav::WavWriter::new(std::io::Cursor::new(Vec::new()), wav::Format::F32).unwrap();
    out.write(&samples).unwrap();
    let bytes = out.finish().unwrap().into_inner();
    Item {
        id: TrackId(id),
        media: mynah_media::open_bytes("x.wav", bytes, &OpenOptions::default()).unwrap(),
        first_frame: 0,
        level: Level::default(),
        _in_use: Input::File(std::sync::Arc::default()),
    }
}

/// Everything a reel gives: the left channel as numbers, and each join at its frame from the start.
fn play(reel: &mut Reel, at_most: usize) -> (Vec<usize>, Vec<(usize, u64)>) {
    let (mut heard, mut joins) = (vec![], vec![]);
    let mut block = SILENT_BLOCK;
    while heard.len() < at_most {
        let filled = reel.fill(&mut block);
        for join in &filled.joins {
            joins.push((heard.len() + join.at, join.id.0));
        }
        let sound = &block[..filled.frames * CHANNELS];
        heard.extend(sound.chunks(2).map(|f| (f[0] * 65_536.0).round() as usize));
        if filled.over {
            break;
        }
        assert_eq!(filled.frames, FRAMES, "only the last block may be short");
    }
    (heard, joins)
}

#[test]
fn two_sounds_meet_at_the_sample_wherever_in_a_block_that_is() {
    for frames in [1, 959, 960, 961, 3000, 4801] {
        let mut reel = Reel::new(counting(1, 0, frames), Repeat::Off);
        reel.set_next(Some(counting(2, frames, 5000)));
        let (heard, joins) = play(&mut reel, usize::MAX);
        assert_eq!(heard, (0..frames + 5000).collect::<Vec<_>>(), "{frames}");
        assert_eq!(joins, [(frames, 2)]);
    }
}

#[test]
fn a_loop_has_no_seam() {
    let mut reel = Reel::new(counting(7, 0, 2500), Repeat::Forever);
    let (heard, joins) = play(&mut reel, 20_000);
    let expected: Vec<usize> = (0..heard.len()).map(|n| n % 2500).collect();
    assert_eq!(heard, expected);
    assert_eq!(joins[..3], [(2500, 7), (5000, 7), (7500, 7)]);
}

#[test]
fn sounds_shorter_than_a_block_all_fit_into_it() {
    let mut reel = Reel::new(counting(1, 0, 100), Repeat::Forever);
    let mut block = SILENT_BLOCK;
    let filled = reel.fill(&mut block);
    assert_eq!(filled.frames, FRAMES);
    assert_eq!(filled.joins.len(), 9);
}

#[test]
fn what_was_to_follow_can_be_taken_back_by_its_name_only() {
    let mut reel = Reel::new(counting(1, 0, 960), Repeat::Off);
    reel.set_next(Some(counting(2, 0, 960)));
    assert!(!reel.drop_next(TrackId(3)));
    assert!(reel.drop_next(TrackId(2)));
    assert!(!reel.drop_next(TrackId(2)));
    let (frames, joins) = play(&mut reel, 10);
    assert_eq!((frames.len(), joins.len()), (960, 0));
}

#[test]
fn a_loop_can_be_ended_and_the_next_sound_begins() {
    let mut reel = Reel::new(counting(1, 0, 2000), Repeat::Forever);
    reel.set_next(Some(counting(2, 0, 960)));
    let mut block = SILENT_BLOCK;
    for _ in 0..5 {
        assert!(!reel.fill(&mut block).over);
    }
    reel.set_repeat(Repeat::Off);
    let (heard, joins) = play(&mut reel, usize::MAX);
    assert_eq!(
        joins,
        [(1200, 2)],
        "4800 frames were played, the third pass ends at 6000"
    );
    assert_eq!(heard.len(), 1200 + 960);
}

/// Two seconds of Opus in memory, and its packets.
fn opus(id: u64) -> (Item, Vec<Vec<u8>>) {
    let mut encoder = Encoder::new(EncoderConfig::default()).unwrap();
    let head = ogg::Head::default();
    let mut writer = ogg::OpusWriter::new(vec![], 7, head, &ogg::Tags::default()).unwrap();
    let mut packets = vec![];
    for k in 0..100 {
        let mut block = SILENT_BLOCK;
        for (n, frame) in block.chunks_exact_mut(2).enumerate() {
            frame.fill(((k * FRAMES + n) as f32 * 0.05).sin() * 0.3);
        }
        let mut packet = vec![0; 1275];
        let len = encoder.encode(&block, &mut packet).unwrap();
        packet.truncate(len);
        writer.packet(&packet).unwrap();
        packets.push(packet);
    }
    let file = writer.finish().unwrap();
    let media = mynah_media::open_bytes("x.opus", file, &OpenOptions::default()).unwrap();
    let item = Item {
        id: TrackId(id),
        media,
        first_frame: 0,
        level: Level::default(),
        _in_use: Input::File(std::sync::Arc::default()),
    };
    (item, packets)
}

#[test]
fn an_opus_file_to_which_nothing_is_done_comes_as_its_packets() {
    let (item, packets) = opus(1);
    let mut reel = Reel::new(item, Repeat::Off);
    let mut block = SILENT_BLOCK;
    for (k, packet) in packets.iter().enumerate().take(90) {
        // Somebody mixes from the 30th on, and no longer from the 60th on.
        let sound = (30..60).contains(&k);
        let filled = reel.fill_slot(&mut block, sound);
        let expected = if sound { Cargo::Both } else { Cargo::Packet };
        assert_eq!((filled.cargo, filled.frames), (expected, FRAMES), "{k}");
        assert_eq!(reel.packet(), packet, "{k}");
    }
}

#[test]
fn what_follows_an_opus_file_begins_at_its_own_first_frame() {
    let (item, _) = opus(1);
    let mut reel = Reel::new(item, Repeat::Off);
    reel.set_next(Some(counting(2, 7, 3000)));
    let mut block = SILENT_BLOCK;
    let (mut after, mut joined) = (vec![], false);
    loop {
        let filled = reel.fill_slot(&mut block, false);
        let from = match filled.joins.first() {
            Some(join) => join.at,
            None if joined => 0,
            None => FRAMES,
        };
        joined |= !filled.joins.is_empty();
        let sound = &block[from.min(filled.frames) * CHANNELS..filled.frames * CHANNELS];
        after.extend(sound.chunks(2).map(|f| (f[0] * 65_536.0).round() as usize));
        if filled.over {
            break;
        }
    }
    assert_eq!(after, (7..3007).collect::<Vec<_>>());
}
