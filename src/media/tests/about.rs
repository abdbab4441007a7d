//! What files say about themselves besides their sound.
#![allow(missing_docs, clippy::unwrap_used, reason = "a test may panic")]

mod truth;

use std::time::Duration;

use mynah_media::{Gain, Info, OpenOptions, open_bytes};

fn about(name: &str, bytes: Vec<u8>) -> Info {
    let media = open_bytes(name, bytes, &OpenOptions::default()).unwrap();
    media.info().clone()
}

fn chapters(info: &Info) -> Vec<(u64, &str)> {
    let told = info.chapters.iter();
    told.map(|chapter| (chapter.start.as_millis() as u64, chapter.title.as_str()))
        .collect()
}

#[test]
fn gain_chapters_and_cover_are_told_in_every_format() {
    for (name, db, peak, has_chapters) in [
        ("about.mp3", Some(-7.5), Some(0.25), true),
        ("about.flac", Some(-7.5), Some(0.25), false),
        ("about.mka", Some(-7.5), Some(0.25), true),
        // -1920/256 dB to -23 LUFS.
        ("about.opus", Some(-2.5), None, true),
        ("about.m4a", None, None, true),
    ] {
        let info = about(name, truth::bytes(name));
        assert_eq!(info.title.as_deref(), Some("Chirp"), "{name}");
        let gain = db.map(|db| Gain { db, peak });
        assert_eq!(info.replay_gain, gain, "{name}");
        let told = chapters(&info);
        match has_chapters {
            true => assert_eq!(told, [(0, "One"), (100, "Zwei \u{2013} zwei")], "{name}"),
            false => assert_eq!(told, [], "{name}"),
        }
        let cover = info.cover.unwrap();
        assert_eq!(
            (cover.mime, cover.bytes.len()),
            ("image/png", 879),
            "{name}"
        );
    }
}

#[test]
fn what_is_told_stays_known_after_a_seek_and_files_without_it_tell_nothing() {
    let mut media = truth::open("about.mka");
    let before = media.info().clone();
    media.seek(Duration::from_secs(9)).unwrap();
    media.seek(Duration::ZERO).unwrap();
    assert_eq!(*media.info(), before);
    let plain = about("a.mp3", truth::bytes("mp3_44k_stereo.mp3"));
    assert!(plain.replay_gain.is_none() && plain.chapters.is_empty() && plain.cover.is_none());
}

/// A box of MP4.
fn atom(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let size = u32::try_from(8 + body.len()).unwrap().to_be_bytes();
    [&size[..], kind, body].concat()
}

#[test]
fn the_gain_of_an_mp4_file_is_a_free_form_tag() {
    let text = |kind, body: &[u8]| atom(kind, &[&[0; 4][..], body].concat());
    let data = [&[0, 0, 0, 1, 0, 0, 0, 0][..], b"-3.25 dB"].concat();
    let tag = [
        text(b"mean", b"com.apple.iTunes"),
        text(b"name", b"replaygain_track_gain"),
        atom(b"data", &data),
    ];
    let tag = atom(b"----", &tag.concat());
    let mut file = truth::bytes("about.m4a");
    // It comes first in the list; all boxes around the list grow.
    let place = |file: &[u8], kind: &[u8]| file.windows(4).position(|at| at == kind).unwrap();
    let list = place(&file, b"ilst");
    for kind in [b"moov", b"udta", b"meta", b"ilst"] {
        let at = match kind {
            b"udta" | b"meta" => file[..list].windows(4).rposition(|w| w == kind).unwrap(),
            kind => place(&file, kind),
        };
        let size: [u8; 4] = file[at - 4..at].try_into().unwrap();
        let size = u32::from_be_bytes(size) + u32::try_from(tag.len()).unwrap();
        file[at - 4..at].copy_from_slice(&size.to_be_bytes());
    }
    file.splice(list + 4..list + 4, tag);
    let info = about("tagged.m4a", file);
    assert_eq!(
        info.replay_gain,
        Some(Gain {
            db: -3.25,
            peak: None
        })
    );
    assert_eq!(info.title.as_deref(), Some("Chirp"));
}
