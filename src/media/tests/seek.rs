//! Seeking lands on the exact sample and sounds as if everything before had been played.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test may panic and print"
)]

mod truth;

use std::time::Duration;

use mynah_audio::measure;
use mynah_media::{OpenOptions, Read};
use truth::Layout::{self, Mono, Stereo};

/// Seeks to several places and compares what follows with the formula.
fn check(name: &str, layout: Layout, seconds: f64, least_snr_db: f64, slack_frames: i64) {
    let mut media = truth::open(name);
    let wanted = truth::truth(layout, seconds);
    for to_ms in [350u64, 20, 500, 0, 333] {
        let reached = media.seek(Duration::from_millis(to_ms)).expect(name);
        assert_eq!(reached, Duration::from_millis(to_ms), "{name}");
        let heard = truth::play(&mut media);
        let rest = &wanted[to_ms as usize * 96..];
        let off = heard.len() as i64 / 2 - rest.len() as i64 / 2;
        assert!(
            off.abs() <= slack_frames + 1,
            "{name} from {to_ms} ms: {off} frames too long"
        );
        let both = heard.len().min(rest.len());
        let (a, b) = (truth::inner(&rest[..both]), truth::inner(&heard[..both]));
        let found = measure::align(a, b, 2000).expect(name);
        assert!(
            found.offset_frames.abs() <= slack_frames,
            "{name} from {to_ms} ms: {found:?}"
        );
        let (a, b) = measure::overlap(a, b, found.offset_frames);
        let snr_db = measure::snr_db(a, b);
        assert!(
            snr_db >= least_snr_db,
            "{name} from {to_ms} ms: SNR {snr_db:.1} dB"
        );
    }
}

#[test]
fn seeking_is_exact_in_every_format() {
    check("mp3_44k_stereo.mp3", Stereo, 0.7, 25.0, 0);
    check("mp3_22k_mono.mp3", Mono, 0.9, 25.0, 0);
    check("vorbis_44k_stereo.ogg", Stereo, 0.7, 18.0, 0);
    check("opus_48k_stereo.opus", Stereo, 0.777, 18.0, 0);
    check("opus_48k_stereo.mp4", Stereo, 0.777, 18.0, 0);
    // ffmpeg's own AAC encoder leaves 19 dB of this clip.
    check("aac_44k_stereo.m4a", Stereo, 0.7, 17.0, 0);
    check("aac_48k_mono_faststart.m4a", Mono, 0.7, 25.0, 0);
    check("aac_44k_fragmented.mp4", Stereo, 0.7, 17.0, 0);
    // HE-AAC is half a frame off, see clips.rs.
    check("aac_he_44k_stereo.m4a", Stereo, 0.7, 15.0, 1);
}

#[test]
fn seeking_in_matroska_is_exact_in_spite_of_its_millisecond_clock() {
    check("opus_48k_stereo.webm", Stereo, 0.777, 15.0, 0);
}

#[test]
fn a_long_file_sounds_the_same_after_a_seek_as_when_played_through() {
    // 12 s of the built-in tune at 44.1 kHz in a WAV file of our own: long enough for real jumps.
    let tune: Vec<f32> = mynah_media::tune::builtin(12.0).flatten().collect();
    let out = std::io::Cursor::new(vec![]);
    let format = mynah_media::wav::Format::F32;
    let mut writer = mynah_media::wav::WavWriter::with_shape(out, format, 44_100, 2).unwrap();
    writer.write(&tune).unwrap();
    let bytes = writer.finish().unwrap().into_inner();
    let options = OpenOptions::default();
    let mut media = mynah_media::open_bytes("tune.wav", bytes, &options).unwrap();
    let whole = truth::play(&mut media);
    for to_ms in [1_000u64, 9_999, 4_321, 12_000] {
        media.seek(Duration::from_millis(to_ms)).unwrap();
        let heard = truth::play(&mut media);
        let wanted = &whole[to_ms as usize * 96..];
        assert_eq!(heard.len(), wanted.len(), "from {to_ms} ms");
        let worst = heard
            .iter()
            .zip(wanted)
            .fold(0f32, |w, (a, b)| w.max((a - b).abs()));
        assert!(worst < 1e-6, "from {to_ms} ms: {worst}");
    }
}

#[test]
fn seeking_among_the_clusters_of_a_webm_is_exact() {
    let mut media = truth::open("opus_11s_clusters.webm");
    let whole = truth::play(&mut media);
    assert_eq!(whole.len(), 11 * 96_000);
    for to_ms in [9_000u64, 1_500, 5_999, 10_900, 700] {
        media.seek(Duration::from_millis(to_ms)).unwrap();
        let heard = truth::play(&mut media);
        let wanted = &whole[to_ms as usize * 96..];
        assert_eq!(heard.len(), wanted.len(), "from {to_ms} ms");
        // Opus settles after a jump within its pre-roll; what differs is far below hearing.
        let snr_db = measure::snr_db(wanted, &heard);
        assert!(snr_db > 25.0, "from {to_ms} ms: SNR {snr_db:.1} dB");
    }
}

#[test]
fn past_the_end_is_the_end() {
    for name in [
        "mp3_44k_stereo.mp3",
        "opus_48k_stereo.opus",
        "aac_44k_stereo.m4a",
        "flac_44k_stereo.flac",
        "pcm_22k_mono.aiff",
        "opus_48k_stereo.webm",
        "aac_44k_stereo.aac",
    ] {
        let mut media = truth::open(name);
        let reached = media.seek(Duration::from_secs(1000)).expect(name);
        assert!(reached <= Duration::from_secs(1), "{name}: {reached:?}");
        let mut block = [1.0; 1920];
        assert_eq!(media.read(&mut block).expect(name), Read::End, "{name}");
        assert!(block.iter().all(|s| *s == 0.0));
        media.seek(Duration::ZERO).expect(name);
        assert_eq!(
            media.read(&mut block).expect(name),
            Read::Full,
            "{name} plays again"
        );
    }
}

#[test]
fn opening_at_a_start_is_seeking_there() {
    let start = Duration::from_millis(250);
    let options = OpenOptions { start };
    let path = truth::path("flac_44k_stereo.flac");
    let mut late = mynah_media::open(&path, &options).unwrap();
    let mut sought = truth::open("flac_44k_stereo.flac");
    sought.seek(start).unwrap();
    assert_eq!(truth::play(&mut late), truth::play(&mut sought));
}
