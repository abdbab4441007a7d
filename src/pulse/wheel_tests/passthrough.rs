//! Packets that go out as they are, and the ways to and from our own encoder, heard by a listener.

use mynah_audio::codec::{MAX_FRAME_BYTES, PACKET_LEAD_FRAMES};
use mynah_audio::{Block, Decoder, Encoder, EncoderConfig, FRAMES, SILENT_BLOCK, measure};

use super::rig::{Heard, Rig};
use crate::{EventKind, RingWriter, SessionKey, TrackId, TrackOptions, packet_ring, ring};

/// The track of packets, and another one.
const SONG: TrackId = TrackId(1);
const OTHER: TrackId = TrackId(2);

/// An Opus file: its packets and what they sound like.
struct Song {
    packets: Vec<Vec<u8>>,
    /// Interleaved, from the first packet's first frame on.
    sound: Vec<f32>,
    next: usize,
    writer: RingWriter,
}

/// Chords with a beat and some hiss.
fn music(n: usize) -> [f32; 2] {
    let t = n as f32 / 48_000.0;
    let root = [220.0, 277.2, 164.8][(t * 2.0) as usize % 3];
    let wave = |hz: f32| (t * hz * std::f32::consts::TAU).sin();
    let hiss = ((n as u32).wrapping_mul(2_654_435_761) >> 16) as f32 / 65_536.0 - 0.5;
    let swell = 0.7 + 0.3 * (t * 6.0).sin();
    [
        (wave(root) + wave(root * 1.5)) * 0.15 * swell + hiss * 0.01,
        (wave(root) + wave(root * 2.0)) * 0.15 * swell - hiss * 0.01,
    ]
}

impl Song {
    fn new(packets: usize, writer: RingWriter) -> Self {
        let mut encoder = Encoder::new(EncoderConfig::default()).unwrap();
        let mut decoder = Decoder::new().unwrap();
        let (mut all, mut sound) = (vec![], vec![]);
        for k in 0..packets {
            let mut block = SILENT_BLOCK;
            for (i, frame) in block.chunks_exact_mut(2).enumerate() {
                frame.copy_from_slice(&music(k * FRAMES + i));
            }
            let mut packet = [0; MAX_FRAME_BYTES];
            let len = encoder.encode(&block, &mut packet).unwrap();
            decoder.decode(&packet[..len], &mut block).unwrap();
            all.push(packet[..len].to_vec());
            sound.extend(block);
        }
        Self {
            packets: all,
            sound,
            next: 0,
            writer,
        }
    }

    /// The block that stands for packet `k`.
    fn block(&self, k: usize) -> Block {
        let from = (k * FRAMES + PACKET_LEAD_FRAMES) * 2;
        let mut block = SILENT_BLOCK;
        let sound = self.sound.iter().skip(from);
        block
            .iter_mut()
            .zip(sound)
            .for_each(|(to, from)| *to = *from);
        block
    }

    /// What a media thread does; the last block comes without a packet.
    fn feed(&mut self) {
        while self.writer.free() > 0 && self.next < self.packets.len() {
            let k = self.next;
            self.next += 1;
            let last = k + 1 == self.packets.len();
            if self.writer.wants_pcm() || k + 2 >= self.packets.len() {
                *self.writer.acquire().unwrap() = self.block(k);
                if last {
                    self.writer.commit(FRAMES - PACKET_LEAD_FRAMES);
                    self.writer.finish();
                } else {
                    self.writer.commit_with_packet(&self.packets[k]);
                }
            } else {
                assert!(self.writer.commit_packet(&self.packets[k]));
            }
        }
    }

    /// Its left channel.
    fn left(&self) -> Vec<f32> {
        self.sound.iter().step_by(2).copied().collect()
    }
}

/// A session with a listener that plays a song of so many packets.
fn sing(packets: usize, options: TrackOptions) -> (Rig, SessionKey, Song) {
    let mut rig = Rig::new(2000);
    let session = rig.open();
    rig.attach(session, 1);
    let (writer, reader) = packet_ring(16);
    let mut song = Song::new(packets, writer);
    song.feed();
    rig.handle.play(session, SONG, reader, options);
    (rig, session, song)
}

fn run(rig: &mut Rig, song: &mut Song, ticks: usize) {
    for _ in 0..ticks {
        song.feed();
        rig.run_ms(20);
    }
}

fn step(sound: &[f32]) -> f32 {
    let steps = sound.windows(2).map(|w| (w[1] - w[0]).abs());
    steps.fold(0.0, f32::max)
}

/// Nothing in what was heard jumps further than the song itself does.
fn assert_no_click(heard: &[f32], song: &Song) {
    let own = step(&song.left());
    let found = step(heard);
    assert!(found <= own * 1.2, "a step of {found} in music of {own}");
}

/// The worst 20 ms of `heard` against `truth`. Music that is encoded twice keeps 20 to 35 dB; the
/// first frame after a change to or from packets has 10 to 15, because decoder and encoder remember
/// different pasts.
fn worst_snr(truth: &[f32], heard: &[f32]) -> f64 {
    let blocks = truth.chunks(FRAMES).zip(heard.chunks(FRAMES));
    let loud = blocks.filter(|(truth, _)| truth.iter().any(|s| s.abs() > 0.02));
    let snr = loud.map(|(truth, heard)| measure::snr_db(truth, heard));
    snr.fold(f64::INFINITY, f64::min)
}

/// Which packets of the song were sent as they are, by the tick they were sent at.
fn passed(heard: &[Heard], song: &Song) -> Vec<bool> {
    let is_packet = |h: &Heard| song.packets.contains(&h.frame);
    heard.iter().map(is_packet).collect()
}

/// Another track that adds nothing: the song has to be mixed.
fn add_nothing(rig: &Rig, session: SessionKey, blocks: usize) {
    let (mut writer, reader) = ring(blocks.max(1));
    while writer.put(|block| block.fill(0.0)) {}
    writer.finish();
    rig.handle
        .play(session, OTHER, reader, TrackOptions::default());
}

#[test]
fn a_lone_opus_track_leaves_packet_by_packet_and_nothing_is_encoded() {
    let (mut rig, session, mut song) = sing(60, TrackOptions::default());
    run(&mut rig, &mut song, 40);
    let heard = rig.heard(1);
    assert!(heard.len() >= 39);
    for (k, packet) in heard.iter().enumerate() {
        assert_eq!(packet.frame, song.packets[k], "packet {k}");
    }
    let stats = rig.handle.stats();
    let mine = stats.session(session).unwrap();
    assert_eq!((mine.frames_encoded, mine.frames_unpacked), (0, 0));
    assert!(stats.frames_passed >= 39 && mine.frames_passed == stats.frames_passed);
}

#[test]
fn a_second_track_and_its_end_are_not_heard_in_the_first() {
    let (mut rig, session, mut song) = sing(150, TrackOptions::default());
    run(&mut rig, &mut song, 30);
    for _ in 0..2 {
        add_nothing(&rig, session, 12);
        run(&mut rig, &mut song, 50);
    }
    let heard = rig.listen(1);
    let truth = &song.left()[..heard.len()];
    assert_no_click(&heard, &song);
    let worst = worst_snr(truth, &heard);
    assert!(worst > 8.0, "{worst} dB");
    let found = measure::align(truth, &heard, 200).unwrap();
    assert_eq!(found.offset_frames, 0);
    let ways = passed(&rig.heard(1), &song);
    assert!(ways[..29].iter().all(|p| *p) && ways[60..78].iter().all(|p| *p));
    let mixed = ways.iter().filter(|passed| !**passed).count();
    assert!((44..50).contains(&mixed), "2 times 12 and 10: {mixed}");
    let stats = rig.handle.stats();
    assert!(
        stats.frames_unpacked <= 2 * (16 + 6),
        "{}",
        stats.frames_unpacked
    );
    assert_eq!(stats.codec_errors, 0);
}

#[test]
fn our_own_encoder_takes_over_in_the_same_place() {
    let (mut rig, session, mut song) = sing(120, TrackOptions::default());
    run(&mut rig, &mut song, 20);
    add_nothing(&rig, session, 90);
    run(&mut rig, &mut song, 80);
    let heard = rig.listen(1);
    let truth = song.left();
    for part in [5..18, 24..60, 60..95] {
        let part = part.start * FRAMES..part.end * FRAMES;
        let found = measure::align(&truth[part.clone()], &heard[part.clone()], 200).unwrap();
        assert_eq!(found.offset_frames, 0, "{part:?}");
        let snr = measure::snr_db(&truth[part.clone()], &heard[part]);
        assert!(snr > 15.0, "{snr} dB");
    }
}

#[test]
fn a_change_of_gain_moves_nothing_and_clicks_nowhere() {
    let (mut rig, session, mut song) = sing(150, TrackOptions::default());
    run(&mut rig, &mut song, 30);
    rig.handle.gain(session, SONG, 0.25);
    run(&mut rig, &mut song, 30);
    rig.handle.gain(session, SONG, 1.0);
    run(&mut rig, &mut song, 60);
    let heard = rig.listen(1);
    let truth = song.left();
    assert_no_click(&heard, &song);
    let quiet: Vec<f32> = truth.iter().map(|s| s * 0.25).collect();
    for (truth, part) in [(&truth, 1..29), (&quiet, 33..58), (&truth, 63..118)] {
        let part = part.start * FRAMES..part.end * FRAMES;
        let worst = worst_snr(&truth[part.clone()], &heard[part]);
        assert!(worst > 10.0, "{worst} dB");
    }
    let ways = passed(&rig.heard(1), &song);
    assert!(ways[75..].iter().all(|p| *p), "packets again");
    assert!(!ways[32..69].iter().any(|p| *p));
}

#[test]
fn pause_and_resume_lose_nothing_and_click_nowhere() {
    let (mut rig, session, mut song) = sing(150, TrackOptions::default());
    run(&mut rig, &mut song, 30);
    rig.handle.pause(session, SONG);
    run(&mut rig, &mut song, 25);
    rig.handle.resume(session, SONG);
    run(&mut rig, &mut song, 60);
    let heard = rig.listen(1);
    assert_no_click(&heard, &song);
    let truth = song.left();
    let packets = rig.heard(1);
    let before = passed(&packets, &song).iter().take_while(|p| **p).count();
    // The block that faded out is heard again, fading in: find it by the song's own place.
    let silent = |b: &[f32]| b.iter().all(|s| s.abs() < 1e-3);
    let blocks: Vec<&[f32]> = heard.chunks(FRAMES).collect();
    let gap = (before..blocks.len())
        .position(|b| silent(blocks[b]))
        .unwrap()
        + before;
    let again = (gap..blocks.len()).find(|b| !silent(blocks[*b])).unwrap();
    let shift = again - before;
    let part = (again + 2) * FRAMES..heard.len();
    let moved = &truth[part.start - shift * FRAMES..][..part.len()];
    let worst = worst_snr(moved, &heard[part.clone()]);
    assert!(worst > 8.0, "{worst} dB after {shift} blocks");
    assert!(rig.kinds().contains(&EventKind::Paused(SONG)));
}

#[test]
fn a_stop_fades_and_ends_in_five_silence_frames() {
    let (mut rig, session, mut song) = sing(150, TrackOptions::default());
    run(&mut rig, &mut song, 30);
    rig.handle.stop(session, SONG);
    run(&mut rig, &mut song, 20);
    let heard = rig.heard(1);
    assert_no_click(&rig.listen(1), &song);
    let silences = heard.iter().filter(|h| h.is_silence()).count();
    assert_eq!(silences, 5);
    let at_end = heard.iter().rev().take(5).all(Heard::is_silence);
    assert!(at_end);
    assert!(matches!(
        rig.kinds()[..],
        [EventKind::Started(_), EventKind::Stopped { .. }]
    ));
}

#[test]
fn a_source_that_stalls_fades_and_comes_back_in_step() {
    let (mut rig, _, mut song) = sing(150, TrackOptions::default());
    run(&mut rig, &mut song, 20);
    rig.run_ms(600); // Nobody feeds.
    run(&mut rig, &mut song, 60);
    let heard = rig.listen(1);
    assert_no_click(&heard, &song);
    assert!(rig.kinds().contains(&EventKind::Stalled(SONG)));
    assert!(rig.kinds().contains(&EventKind::Recovered(SONG)));
    let truth = song.left();
    let tail = heard.len() - 40 * FRAMES..heard.len() - FRAMES;
    let found = measure::align(&truth, &heard[tail], truth.len()).unwrap();
    assert_eq!(
        found.offset_frames.unsigned_abs() as usize % FRAMES,
        0,
        "in step"
    );
}

#[test]
fn the_end_of_the_file_is_played_to_its_last_frame() {
    let (mut rig, _, mut song) = sing(60, TrackOptions::default());
    run(&mut rig, &mut song, 80);
    let heard = rig.listen(1);
    let truth = song.left();
    assert_no_click(&heard[..truth.len() - 1], &song);
    let worst = worst_snr(&truth[..59 * FRAMES], &heard[..59 * FRAMES]);
    assert!(worst > 10.0, "{worst} dB");
    let ended = |e: &EventKind| matches!(e, EventKind::Ended { frames_played, .. } if *frames_played as usize == 60 * FRAMES - PACKET_LEAD_FRAMES);
    assert!(rig.kinds().iter().any(ended), "{:?}", rig.kinds());
    assert!(rig.heard(1).iter().rev().take(5).all(Heard::is_silence));
}

#[test]
fn packets_that_simply_end_are_followed_by_silence_frames() {
    let (mut rig, _, mut song) = sing(30, TrackOptions::default());
    song.packets.truncate(16);
    song.writer.finish();
    rig.run_ms(20 * 30);
    let heard = rig.heard(1);
    assert_eq!(heard.len(), 16 + 5);
    assert!(heard[16..].iter().all(Heard::is_silence));
    assert!(rig.handle.stats().sessions[0].frames_encoded <= 1);
}

#[test]
fn a_track_that_is_not_at_unity_is_never_passed_and_asks_for_sound() {
    let options = TrackOptions {
        gain: 0.5,
        ..TrackOptions::default()
    };
    let (mut rig, _, mut song) = sing(100, options);
    assert!(song.writer.wants_pcm(), "before the first tick");
    run(&mut rig, &mut song, 60);
    let stats = rig.handle.stats();
    assert_eq!(stats.frames_passed, 0);
    assert!(stats.frames_unpacked <= 17, "{}", stats.frames_unpacked);
    let heard = rig.listen(1);
    let truth: Vec<f32> = song.left().iter().map(|s| s * 0.5).collect();
    let from = 2 * FRAMES;
    let snr = measure::snr_db(&truth[from..heard.len()], &heard[from..]);
    assert!(snr > 15.0, "{snr} dB");
}
