//! Every format plays from its first sample to its last, in place and at the right level.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test may panic and print"
)]

mod truth;

use mynah_audio::measure;
use truth::Layout::{self, FiveOne, Mono, Stereo};

/// Plays a clip and compares it with the formula: length exact, offset 0, level and noise.
fn check(name: &str, rate_hz: u32, layout: Layout, seconds: f64, least_snr_db: f64) {
    check_up_to(name, rate_hz, layout, seconds, least_snr_db, 0.0);
}

/// The same for a file that does not tell its exact end: up to `padding_s` more may follow.
fn check_up_to(
    name: &str,
    rate_hz: u32,
    layout: Layout,
    seconds: f64,
    least_snr_db: f64,
    padding_s: f64,
) {
    let mut media = truth::open(name);
    let info = media.info().clone();
    assert_eq!(info.sample_rate_hz, rate_hz, "{name}: {info:?}");
    let channels = [(Mono, 1), (Stereo, 2), (FiveOne, 6)];
    assert!(
        channels.contains(&(layout, info.channels)),
        "{name}: {info:?}"
    );
    if let Some(told) = info.duration {
        let off = told.as_secs_f64() - seconds;
        assert!(
            (-0.001..=padding_s + 0.002).contains(&off),
            "{name} says it lasts {told:?}"
        );
    }

    let heard = truth::play(&mut media);
    let wanted = truth::truth(layout, seconds);
    let off = heard.len() as i64 / 2 - wanted.len() as i64 / 2;
    let padding = (padding_s * 48_000.0) as i64;
    assert!(
        (-1..=padding + 1).contains(&off),
        "{name}: {off} frames too long"
    );
    assert!(media.damage().is_none(), "{name}: {:?}", media.damage());

    let both = heard.len().min(wanted.len());
    let (heard, wanted) = (truth::inner(&heard[..both]), truth::inner(&wanted[..both]));
    let found = measure::align(wanted, heard, 2000).expect(name);
    assert_eq!(found.offset_frames, 0, "{name} starts late or early");
    let (snr_db, gain) = measure::snr_fitted_db(wanted, heard);
    println!("{name}: SNR {snr_db:.1} dB, gain {gain:.4}, {off} frames longer");
    // LAME encodes at 95 % by default.
    assert!(
        (0.945..1.02).contains(&gain),
        "{name} is {gain} times as loud"
    );
    assert!(snr_db >= least_snr_db, "{name}: SNR {snr_db:.1} dB");
}

/// For a file that does not tell its encoder delay: all the sound is there, after `late` frames.
fn check_late(
    name: &str,
    layout: Layout,
    seconds: f64,
    least_snr_db: f64,
    late: std::ops::RangeInclusive<i64>,
) {
    let heard = truth::play(&mut truth::open(name));
    let wanted = truth::truth(layout, seconds);
    let found = measure::align(&wanted, &heard, 3000).expect("aligned");
    assert!(late.contains(&found.offset_frames), "{name}: {found:?}");
    let (a, b) = measure::overlap(&wanted, &heard, found.offset_frames);
    assert_eq!(a.len(), wanted.len(), "{name}: the end is cut off");
    let (snr_db, _) = measure::snr_fitted_db(truth::inner(a), truth::inner(b));
    assert!(snr_db >= least_snr_db, "{name}: SNR {snr_db:.1} dB");
}

// The least SNR of each lossy clip is what ffmpeg's decoder reaches on it, less half a decibel or
// so: the noise is the encoder's, and our decoding and resampling must add none.

#[test]
fn mp3_plays_without_encoder_delay_and_padding() {
    check("mp3_44k_stereo.mp3", 44_100, Stereo, 0.7, 70.0);
    check("mp3_22k_mono.mp3", 22_050, Mono, 0.9, 70.0);
}

#[test]
fn flac_plays_to_the_last_bit() {
    check("flac_44k_stereo.flac", 44_100, Stereo, 0.31, 75.0);
    check("flac_96k_mono_24bit.flac", 96_000, Mono, 0.09, 100.0);
    check("flac_48k_5_1.flac", 48_000, FiveOne, 0.11, 75.0);
    check("flac_44k_stereo.mka", 44_100, Stereo, 0.21, 75.0);
}

#[test]
fn vorbis_plays_in_ogg_and_webm() {
    check("vorbis_44k_stereo.ogg", 44_100, Stereo, 0.7, 33.0);
    // WebM does not say where in the last Vorbis block the music ends.
    check_up_to("vorbis_44k_stereo.webm", 44_100, Stereo, 0.7, 33.0, 0.024);
    check("vorbis_48k_5_1.ogg", 48_000, FiveOne, 0.5, 29.0);
}

#[test]
fn opus_plays_without_pre_skip_and_padding_in_every_container() {
    check("opus_48k_stereo.opus", 48_000, Stereo, 0.777, 36.0);
    check("opus_48k_stereo.webm", 48_000, Stereo, 0.777, 36.0);
    check("opus_48k_stereo.mp4", 48_000, Stereo, 0.777, 36.0);
    check("opus_24k_mono.opus", 48_000, Mono, 0.7, 36.0);
    check("opus_60ms_long_frames.opus", 48_000, Stereo, 0.5, 33.0);
    check("opus_48k_5_1.opus", 48_000, FiveOne, 0.45, 33.0);
}

#[test]
fn aac_plays_without_the_encoder_delay_of_its_edit_list() {
    check("aac_44k_stereo.m4a", 44_100, Stereo, 0.7, 19.0);
    check("aac_48k_mono_faststart.m4a", 48_000, Mono, 0.7, 33.0);
    check("aac_44k_fragmented.mp4", 44_100, Stereo, 0.7, 19.0);
}

#[test]
fn surround_aac_is_mixed_down_in_its_order_of_channels() {
    check("aac_48k_5_1.m4a", 48_000, FiveOne, 0.2, 42.0);
    check_late("aac_48k_5_1.aac", FiveOne, 0.2, 42.0, 1024..=1024);
}

#[test]
fn he_aac_plays_its_whole_spectrum_without_encoder_delay() {
    check_he("aac_he_44k_stereo.m4a", 24.0);
}

#[test]
fn he_aac_v2_is_stereo_again() {
    // Parametric stereo keeps levels and not waves; the mono of it alone would reach 3 dB.
    check_he("aac_he_v2_44k_stereo.m4a", 7.0);
}

/// HE-AAC delays by half a frame more than a whole number of them, and its upper band is made up.
fn check_he(name: &str, least_snr_db: f64) {
    let mut media = truth::open(name);
    let info = media.info().clone();
    assert_eq!((info.sample_rate_hz, info.channels), (44_100, 2), "{name}");
    let heard = truth::play(&mut media);
    let wanted = truth::truth(Stereo, 0.7);
    assert_eq!(heard.len(), wanted.len(), "{name}");
    let found = measure::align(&wanted, &heard, 2000).expect(name);
    assert!(found.offset_frames.abs() <= 1, "{name}: {found:?}");
    let (a, b) = measure::overlap(&wanted, &heard, found.offset_frames);
    let (snr_db, gain) = measure::snr_fitted_db(truth::inner(a), truth::inner(b));
    println!("{name}: SNR {snr_db:.1} dB, gain {gain:.3}");
    assert!(snr_db >= least_snr_db, "{name}: SNR {snr_db:.1} dB");
}

#[test]
fn he_aac_that_is_not_announced_plays_like_the_announced() {
    let told = truth::play(&mut truth::open("aac_he_44k_stereo.m4a"));
    // The frame headers say plain AAC at 22.05 kHz, and nothing tells the delay of 5058 frames,
    // which are 5505.3 at 48 kHz.
    let mut media = truth::open("aac_he_44k_stereo.aac");
    assert_eq!(media.info().sample_rate_hz, 44_100);
    let heard = truth::play(&mut media);
    let (a, b) = measure::overlap(&told, &heard, 5505);
    assert_eq!(a.len(), told.len(), "the end is cut off");
    let (snr_db, _) = measure::snr_fitted_db(truth::inner(a), truth::inner(b));
    assert!(snr_db > 23.0, "SNR {snr_db:.1} dB");

    // In MP4 likewise: object type 5 (SBR) at 22.05 kHz becomes 2 (AAC-LC).
    let mut bytes = truth::bytes("aac_he_44k_stereo.m4a");
    let announced = [0x2B, 0x92, 0x08, 0x00];
    let at = bytes.windows(4).position(|w| w == announced).unwrap();
    bytes[at..at + 2].copy_from_slice(&[0x13, 0x90]);
    let options = mynah_media::OpenOptions::default();
    let mut media = mynah_media::open_bytes("quiet.m4a", bytes, &options).unwrap();
    assert_eq!(media.info().sample_rate_hz, 44_100);
    assert_eq!(truth::play(&mut media), told);
}

#[test]
fn alac_aiff_and_wav_play_exactly() {
    check("alac_44k_stereo.m4a", 44_100, Stereo, 0.21, 75.0);
    check("pcm_22k_mono.aiff", 22_050, Mono, 0.4, 75.0);
    check("pcm_44k_stereo_24bit.wav", 44_100, Stereo, 0.07, 100.0);
    check(
        "adpcm_44k_stereo.wav",
        44_100,
        Stereo,
        9108.0 / 44_100.0,
        31.0,
    );
}

#[test]
fn surround_wav_is_mixed_down_without_clipping() {
    let mut media = truth::open("pcm_48k_5_1.wav");
    assert_eq!(media.info().channels, 6);
    let heard = truth::play(&mut media);
    let wanted = truth::truth(FiveOne, 0.03);
    assert_eq!(heard.len(), wanted.len());
    assert!(measure::snr_db(&wanted, &heard) > 75.0);
}

#[test]
fn files_that_do_not_tell_their_encoder_delay_play_whole() {
    // LAME adds 1105 frames, ffmpeg's AAC encoder 1024; at 44.1 kHz they last 1203 and 1115.
    check_late("mp3_48k_no_index.mp3", Stereo, 0.9, 30.0, 1104..=1106);
    // The latter are 1202.7 and 1114.6 frames: the comparison is off by the rest.
    check_late("mp3_44k_stereo.mkv", Stereo, 0.7, 20.0, 1202..=1204);
    check_late("aac_44k_stereo.mkv", Stereo, 0.7, 15.0, 1114..=1116);
    check_late("aac_44k_stereo.aac", Stereo, 0.7, 15.0, 1114..=1116);
}

#[test]
fn files_glued_together_play_one_after_the_other() {
    // Ogg calls it chaining; here the second link even has other channels.
    let chain = [
        truth::bytes("opus_48k_stereo.opus"),
        truth::bytes("opus_24k_mono.opus"),
    ];
    let options = mynah_media::OpenOptions::default();
    let mut media = mynah_media::open_bytes("chain.opus", chain.concat(), &options).unwrap();
    let heard = truth::play(&mut media);
    let wanted = [truth::truth(Stereo, 0.777), truth::truth(Mono, 0.7)].concat();
    assert_eq!(heard.len(), wanted.len());
    assert!(measure::snr_db(&wanted, &heard) > 30.0);
    media.seek(std::time::Duration::from_millis(1_000)).unwrap();
    assert_eq!(truth::play(&mut media).len(), wanted.len() - 96_000);

    let twice = truth::bytes("mp3_44k_stereo.mp3").repeat(2);
    let mut media = mynah_media::open_bytes("twice.mp3", twice, &options).unwrap();
    let heard = truth::play(&mut media);
    let seconds = heard.len() as f64 / 96_000.0;
    assert!((1.4..1.5).contains(&seconds), "{seconds} s");
}

#[test]
fn tags_codec_and_container_are_told() {
    for name in [
        "mp3_44k_stereo.mp3",
        "flac_44k_stereo.flac",
        "vorbis_44k_stereo.ogg",
        "opus_48k_stereo.opus",
        "opus_48k_stereo.webm",
        "aac_44k_stereo.m4a",
    ] {
        let info = mynah_media::probe(&truth::path(name)).expect(name);
        assert_eq!(info.title.as_deref(), Some("Chirp"), "{name}");
        assert_eq!(info.artist.as_deref(), Some("Mynah"), "{name}");
        assert_eq!(info.album.as_deref(), Some("Clips"), "{name}");
        assert!(name.starts_with(&info.codec), "{name}: {}", info.codec);
        assert!(!info.container.is_empty());
    }
}
