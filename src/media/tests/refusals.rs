//! What cannot be played is refused with its name, the reason and what to do.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test may panic and print"
)]

mod truth;

use mynah_media::{MediaError, OpenOptions, open, open_bytes};

fn refuse(name: &str, bytes: &[u8]) -> MediaError {
    let error = open_bytes(name, bytes.to_vec(), &OpenOptions::default()).expect_err(name);
    assert!(
        error.to_string().contains(&format!("\"{name}\"")),
        "{error}"
    );
    assert!(error.remedy().len() > 10);
    error
}

#[test]
fn a_text_file_named_mp3_is_called_text() {
    let error = refuse(
        "notes.mp3",
        b"Buy milk.\nCall the office.\n".repeat(50).as_slice(),
    );
    assert_eq!(
        error.to_string(),
        "\"notes.mp3\" is not audio Mynah can play: it looks like text"
    );
    assert!(error.remedy().contains("renaming does not help"));
}

#[test]
fn pictures_archives_and_noise_are_told_apart() {
    let looks = |name: &str, bytes: &[u8]| refuse(name, bytes).to_string();
    assert!(looks("cover.mp3", b"\x89PNG\r\n\x1a\n0000000000000000000000").contains("PNG"));
    assert!(looks("album.mp3", b"PK\x03\x04000000000000000000000000000").contains("zip"));
    assert!(
        looks("page.ogg", b"<!DOCTYPE html><html><body>404</body></html>").contains("web page")
    );
    assert!(looks("zero.wav", &[0; 5000]).contains("zero bytes"));
    let noise: Vec<u8> = (0..5000u32)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    refuse("noise.flac", &noise);
}

#[test]
fn paths_that_are_no_files_are_refused_before_reading() {
    let dir = tempfile::tempdir().unwrap();
    let options = OpenOptions::default();
    let refused = |path: &std::path::Path| open(path, &options).expect_err("refused");

    assert!(matches!(refused(dir.path()), MediaError::Directory { .. }));
    assert!(matches!(
        refused(&dir.path().join("none.mp3")),
        MediaError::NotFound { .. }
    ));
    let empty = dir.path().join("empty.mp3");
    std::fs::write(&empty, b"").unwrap();
    let error = refused(&empty);
    assert_eq!(error.to_string(), "\"empty.mp3\" is empty (0 bytes)");
    #[cfg(unix)]
    assert!(matches!(
        refused("/dev/zero".as_ref()),
        MediaError::NotAFile { .. }
    ));
}

#[cfg(unix)]
#[test]
fn a_file_that_may_not_be_read_is_told_so() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("secret.mp3");
    std::fs::write(&path, truth::bytes("mp3_44k_stereo.mp3")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o000)).unwrap();
    // Root may read everything; then there is nothing to refuse.
    if std::fs::read(&path).is_ok() {
        assert!(open(&path, &OpenOptions::default()).is_ok());
        return;
    }
    let error = open(&path, &OpenOptions::default()).expect_err("refused");
    assert!(matches!(error, MediaError::NoPermission { .. }), "{error}");
    assert!(error.remedy().contains("chmod"));
}

#[test]
fn the_name_in_a_message_has_no_folder() {
    let error = open("/no/such/folder/song.mp3".as_ref(), &OpenOptions::default()).expect_err("no");
    assert_eq!(error.to_string(), "there is no file \"song.mp3\"");
}

#[test]
fn a_film_without_sound_is_told_so() {
    let error = refuse("no_sound.webm", &truth::bytes("no_sound.webm"));
    assert!(matches!(error, MediaError::NoAudioTrack { .. }), "{error}");
}

#[test]
fn unsupported_flavours_of_aac_are_named() {
    // The AudioSpecificConfig follows the tag 05 and its length in the `esds` box. Its first bits
    // are the object type, 2 for AAC-LC; types from 32 on are 31 and six bits more.
    let clip = truth::bytes("aac_44k_stereo.m4a");
    let esds = clip.windows(4).position(|w| w == b"esds").expect("esds");
    let tag = clip[esds..]
        .windows(5)
        .position(|w| w == [5, 0x80, 0x80, 0x80, 5])
        .expect("config");
    let config = esds + tag + 5;
    assert_eq!(clip[config] >> 3, 2, "it is AAC-LC");
    let refuse_as = |name: &str, first: u8, second: u8| {
        let mut bytes = clip.clone();
        bytes[config] = first;
        bytes[config + 1] = second;
        let error = refuse(name, &bytes);
        assert!(
            matches!(error, MediaError::UnsupportedCodec { .. }),
            "{error}"
        );
        assert!(error.remedy().contains("ffmpeg"));
        error.to_string()
    };
    assert_eq!(
        refuse_as("usac.m4a", 31 << 3 | 0b001, 0b0100_1000),
        "\"usac.m4a\" holds xHE-AAC (USAC), which Mynah does not decode"
    );
    let rate_and_channels = (clip[config] & 7, clip[config + 1]);
    assert_eq!(
        refuse_as("ssr.m4a", 3 << 3 | rate_and_channels.0, rate_and_channels.1),
        "\"ssr.m4a\" holds AAC-SSR, which Mynah does not decode"
    );
}

#[test]
fn a_header_that_asks_for_too_much_is_refused() {
    // A WAV header claiming 1,000,000,000 Hz.
    let mut wav = truth::bytes("pcm_44k_stereo_24bit.wav");
    let fmt = wav.windows(4).position(|w| w == b"fmt ").expect("fmt");
    wav[fmt + 12..fmt + 16].copy_from_slice(&1_000_000_000u32.to_le_bytes());
    let error = refuse("fast.wav", &wav);
    assert!(matches!(error, MediaError::BeyondLimit { .. }), "{error}");
    assert!(error.to_string().contains("1000000000 Hz"), "{error}");
}

#[test]
fn a_file_cut_inside_its_header_is_damaged_not_foreign() {
    for name in [
        "flac_44k_stereo.flac",
        "opus_48k_stereo.opus",
        "aac_44k_stereo.m4a",
    ] {
        let bytes = truth::bytes(name);
        let error = refuse(name, &bytes[..60]);
        assert!(
            matches!(error, MediaError::Damaged { .. }),
            "{name}: {error:?}"
        );
    }
}
