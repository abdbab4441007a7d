//! What leaves: header fields, silence, times.

use super::rig::{self, FIRST_SEQUENCE, FIRST_TIMESTAMP, MS, Rig, START_NS, tone};
use crate::{EventKind, Sent, TrackId};
use mynah_audio::Decoder;

#[test]
fn the_first_packet_carries_the_first_numbers_and_leaves_within_25_ms() {
    let mut rig = Rig::new(100);
    rig.sing(tone, 10);
    rig.run_ms(60);
    let heard = rig.heard(1);
    let first = &heard[0];
    assert_eq!(first.header.sequence, FIRST_SEQUENCE);
    assert_eq!(first.header.timestamp, FIRST_TIMESTAMP);
    assert_eq!(first.header.ssrc.0, 1001);
    assert_eq!(first.header.payload_type, 120);
    assert!(
        first.at_ns <= START_NS + 25 * MS,
        "{}",
        first.at_ns - START_NS
    );
}

#[test]
fn packets_leave_every_20_ms_exactly_and_count_without_gaps() {
    let mut rig = Rig::new(100);
    rig.sing(tone, 40);
    rig.run_ms(600);
    let heard = rig.heard(1);
    assert!(heard.len() >= 28);
    for pair in heard.windows(2) {
        let (a, b) = (&pair[0], &pair[1]);
        assert_eq!(b.at_ns - a.at_ns, 20 * MS);
        assert_eq!(b.header.sequence, a.header.sequence.wrapping_add(1));
        assert_eq!(b.header.timestamp, a.header.timestamp.wrapping_add(960));
    }
}

#[test]
fn sound_ends_in_five_silence_frames_and_then_nothing() {
    let mut rig = Rig::new(100);
    let (_, mut writer) = rig.sing(tone, 4);
    writer.finish();
    rig.run_ms(1000);
    let heard = rig.heard(1);
    // Four blocks of song, one with the encoder's look-ahead, five of silence.
    let silences: Vec<_> = heard.iter().map(|h| h.is_silence()).collect();
    let expected = [[false; 5], [true; 5]].concat();
    assert_eq!(silences, expected);
    let played = EventKind::Ended {
        track: TrackId(1),
        frames_played: 4 * 960,
    };
    assert_eq!(rig.kinds(), [EventKind::Started(TrackId(1)), played]);
}

#[test]
fn the_end_of_the_song_is_not_cut_off_by_the_encoders_delay() {
    let mut rig = Rig::new(100);
    let (_, mut writer) = rig.sing(tone, 5);
    writer.finish();
    rig.run_ms(500);
    let pcm = rig.listen(1);
    // 8 ms (312 frames of the codec, 72 of the limiter) later than put in, the last 3 ms of the song
    // must still be loud.
    let end = 5 * 960 + 312 + 72;
    let rms = mynah_audio::level::rms(&pcm[end - 144..end]);
    assert!(rms > 0.2, "rms {rms}");
    assert!(
        mynah_audio::level::rms(&pcm[end + 960..]) < 1e-3,
        "and then silence"
    );
}

#[test]
fn digital_silence_in_the_song_is_not_encoded_and_the_clock_runs_on() {
    let mut rig = Rig::new(100);
    // 5 blocks of tone, 20 blocks of nothing, 5 blocks of tone.
    let quiet = 5 * 960..25 * 960;
    rig.sing(|n| if quiet.contains(&n) { 0.0 } else { tone(n) }, 30);
    rig.run_ms(590);
    let heard = rig.heard(1);
    assert_eq!(heard.iter().filter(|h| h.is_silence()).count(), 5);
    for pair in heard.windows(2) {
        assert_eq!(
            pair[1].header.sequence,
            pair[0].header.sequence.wrapping_add(1)
        );
    }
    // The 26th tick of the stream is the first with sound again.
    let back = &heard[5 + 1 + 5];
    assert_eq!(
        back.header.timestamp,
        FIRST_TIMESTAMP.wrapping_add(25 * 960)
    );
    assert_eq!(back.at_ns - heard[0].at_ns, 25 * 20 * MS);
}

/// Seven sines at once: enough to tell an encoder that is out of step with the decoder.
fn chord(n: usize) -> f32 {
    let t = n as f32 / 48_000.0;
    let hz = [220.0f32, 277.2, 329.6, 440.0, 880.0, 1760.0, 3520.0];
    let sum: f32 = hz
        .iter()
        .map(|hz| (t * hz * std::f32::consts::TAU).sin())
        .sum();
    sum * 0.1
}

#[test]
fn sound_after_silence_is_as_good_as_if_the_silence_had_been_encoded() {
    const QUIET: std::ops::Range<usize> = 20 * 960..40 * 960;
    let song = |n: usize| if QUIET.contains(&n) { 0.0 } else { chord(n) };
    let mut rig = Rig::new(200);
    rig.sing(song, 60);
    rig.run_ms(1210);
    let heard = rig.listen(1);

    let (mut encoder, mut decoder) = (rig::encoder(), Decoder::new().unwrap());
    let (mut out, mut reference) = ([0; 1275], vec![]);
    for b in 0..60 {
        let mut block = [0.0; 1920];
        for (i, frame) in block.chunks_exact_mut(2).enumerate() {
            frame.fill(song(b * 960 + i));
        }
        let len = encoder.encode(&block, &mut out).unwrap();
        decoder.decode(&out[..len], &mut block).unwrap();
        reference.extend(block.iter().step_by(2));
    }
    let snr_db = |pcm: &[f32], block: usize, delay: usize| {
        let error = |i: usize| pcm[i + delay] - song(i);
        let frames = block * 960..(block + 1) * 960;
        let noise: f32 = frames.clone().map(|i| error(i) * error(i)).sum();
        let sound: f32 = frames.map(|i| song(i) * song(i)).sum();
        10.0 * (sound / noise).log10()
    };
    // The first 40 ms after the silence; later on both encoders go their own, equally good way.
    let mean_db = |pcm: &[f32], delay| (snr_db(pcm, 40, delay) + snr_db(pcm, 41, delay)) / 2.0;
    // The codec's delay, and the limiter's, which the reference has not.
    let (got, wanted) = (mean_db(&heard, 312 + 72), mean_db(&reference, 312));
    assert!(got > wanted - 0.5, "{got} dB instead of {wanted} dB");
}

#[test]
fn a_paused_session_sends_nothing_and_resumes_on_the_same_clock() {
    let mut rig = Rig::new(200);
    let (session, _writer) = rig.sing(tone, 60);
    rig.run_ms(100);
    rig.handle.pause(session, TrackId(1));
    rig.run_ms(1000);
    let before = rig.heard(1).len();
    rig.run_ms(500);
    assert_eq!(rig.heard(1).len(), before, "quiet");
    rig.handle.resume(session, TrackId(1));
    rig.run_ms(100);
    let heard = rig.heard(1);
    let (last, first) = (&heard[before - 1], &heard[before]);
    assert!(last.is_silence());
    assert_eq!(first.header.sequence, last.header.sequence.wrapping_add(1));
    let elapsed_ticks = (first.at_ns - last.at_ns) / (20 * MS);
    let advanced = first.header.timestamp.wrapping_sub(last.header.timestamp);
    assert_eq!(u64::from(advanced), elapsed_ticks * 960, "the clock ran on");
}

#[test]
fn new_keys_for_the_same_stream_keep_its_numbers_and_another_stream_begins_its_own() {
    let mut rig = Rig::new(200);
    let (session, _writer) = rig.sing(tone, 60);
    rig.run_ms(200);
    rig.attach(session, 1);
    rig.run_ms(200);
    let heard = rig.heard(1);
    assert!(heard.len() > 18, "{}", heard.len());
    for pair in heard.windows(2) {
        let (before, after) = (pair[0].header, pair[1].header);
        assert_eq!(after.sequence, before.sequence.wrapping_add(1));
        assert_eq!(after.timestamp, before.timestamp.wrapping_add(960));
    }
    rig.attach(session, 2);
    rig.run_ms(100);
    assert_eq!(rig.heard(2)[0].header.sequence, FIRST_SEQUENCE);
}

#[test]
fn silence_frames_in_progress_give_way_to_sound() {
    let mut rig = Rig::new(200);
    let (session, _writer) = rig.sing(tone, 60);
    rig.run_ms(100);
    rig.handle.pause(session, TrackId(1));
    rig.run_ms(90);
    rig.handle.resume(session, TrackId(1));
    rig.run_ms(200);
    let heard = rig.heard(1);
    let silences = heard.iter().filter(|h| h.is_silence()).count();
    assert!((1..5).contains(&silences), "{silences}");
    for pair in heard.windows(2) {
        assert_eq!(pair[1].at_ns - pair[0].at_ns, 20 * MS, "without a break");
    }
}

#[test]
fn a_full_socket_drops_counts_and_never_retries() {
    let mut rig = Rig::new(100);
    let (session, _writer) = rig.sing(tone, 60);
    rig.io.answer = Sent::Full;
    rig.run_ms(500);
    let sends = rig.io.sends;
    let stats = rig.handle.stats();
    assert_eq!(stats.packets_dropped, sends);
    assert_eq!(stats.packets_sent, 0);
    assert_eq!(stats.session(session).unwrap().packets_dropped, sends);
    rig.io.answer = Sent::Failed;
    rig.run_ms(100);
    assert_eq!(rig.handle.stats().send_errors, 5);
    rig.io.answer = Sent::Done;
    rig.run_ms(100);
    let stats = rig.handle.stats();
    assert_eq!(stats.packets_sent, 5);
    assert_eq!(
        rig.io.sends,
        sends + 10,
        "one send per 20 ms, whatever the answer"
    );
}

#[test]
fn every_mode_the_session_may_choose_fits_the_packet() {
    use mynah_session::transport::{RtpOpener, RtpSealer};
    use mynah_wire::{EncryptionMode, Ssrc, rtp::FIXED_HEADER_LEN};
    for mode in EncryptionMode::ALL {
        let mut line = crate::line::Line::new(crate::Transport {
            socket: (),
            sealer: RtpSealer::new(mode, &[1; 32], 7),
            sender: rig::sealed(1),
            ssrc: Ssrc(5),
            first_sequence: 1,
            first_timestamp: 0,
        });
        let mut packet = crate::packet::Packet::new();
        let longest = packet.frame_room().len();
        packet.frame_room().fill(0xAB);
        packet.set_frame(longest, 3);
        assert!(line.seal(&mut packet), "{mode}");
        let mut bytes = packet.datagram().to_vec();
        let plain = FIXED_HEADER_LEN + longest;
        let trailer = 12;
        assert_eq!(bytes.len(), plain + trailer + mode.overhead_bytes());
        let opened = RtpOpener::new(mode, &[1; 32]).open(&mut bytes).unwrap();
        assert_eq!(opened.header.timestamp, 3 * 960);
        let frame = &mut bytes[opened.payload];
        let opened = super::dave::Epochs::new(1).open(frame);
        assert_eq!(opened, (Some(1), vec![0xAB; longest]));
    }
}
