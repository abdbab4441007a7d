use super::*;
use std::io::Cursor;

fn boxed(kind: &[u8; 4], contents: &[u8]) -> Vec<u8> {
    let mut out = (contents.len() as u32 + 8).to_be_bytes().to_vec();
    out.extend(kind);
    out.extend(contents);
    out
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|w| w.to_be_bytes()).collect()
}

/// A track at 44.1 kHz with the given edit list and sample table.
fn movie(movie_scale: u32, edits: &[[u32; 2]], samples: u32, extra: &[u8]) -> Vec<u8> {
    let mut list = words(&[0, edits.len() as u32]);
    edits
        .iter()
        .for_each(|[duration, start]| list.extend(words(&[*duration, *start, 0x10000])));
    let stbl = boxed(b"stbl", &boxed(b"stts", &words(&[0, 1, samples, 1024])));
    let mdia = [
        boxed(b"mdhd", &words(&[0, 0, 0, 44_100, 0])),
        boxed(b"minf", &stbl),
    ]
    .concat();
    let trak = [
        boxed(b"tkhd", &words(&[0, 0, 0, 7])),
        boxed(b"edts", &boxed(b"elst", &list)),
        boxed(b"mdia", &mdia),
    ]
    .concat();
    let moov = [
        boxed(b"mvhd", &words(&[0, 0, 0, movie_scale])),
        boxed(b"trak", &trak),
        extra.to_vec(),
    ];
    [
        boxed(b"ftyp", b"M4A "),
        boxed(b"mdat", &[0; 100]),
        boxed(b"moov", &moov.concat()),
    ]
    .concat()
}

fn trim(bytes: &[u8]) -> Trim {
    read_facts(&mut Cursor::new(bytes), 7, 44_100).trim
}

#[test]
fn an_edit_list_names_the_delay_and_the_table_the_exact_length() {
    // 44,100 frames of music in 1024 + 43 · 1024 + …: the edit says 1000 ms, rounded.
    let bytes = movie(1000, &[[975, 1024]], 43, &[]);
    assert_eq!(
        trim(&bytes),
        Trim {
            start_frames: 1024,
            music_frames: Some(42 * 1024)
        }
    );
}

#[test]
fn an_edit_shorter_than_the_table_cuts_the_end() {
    let bytes = movie(44_100, &[[40_000, 2112]], 43, &[]);
    assert_eq!(
        trim(&bytes),
        Trim {
            start_frames: 2112,
            music_frames: Some(40_000)
        }
    );
}

#[test]
fn empty_edits_are_passed_over_and_many_edits_do_not_cut() {
    let bytes = movie(1000, &[[20, u32::MAX], [975, 1024]], 43, &[]);
    assert_eq!(trim(&bytes).start_frames, 1024);
    let bytes = movie(1000, &[[100, 1024], [100, 9000]], 43, &[]);
    assert_eq!(
        trim(&bytes),
        Trim {
            start_frames: 1024,
            music_frames: None
        }
    );
}

#[test]
fn the_itunes_comment_wins_over_the_edit_list() {
    let text = b" 00000000 00000840 000001CA 0000000000003F1A 00000000 00000000";
    let data = [&words(&[1, 0])[..], text].concat();
    let comment = [
        boxed(b"mean", b"\0\0\0\0com.apple.iTunes"),
        boxed(b"name", b"\0\0\0\0iTunSMPB"),
        boxed(b"data", &data),
    ]
    .concat();
    let hdlr = boxed(b"hdlr", &[0; 24]);
    let ilst = boxed(b"ilst", &boxed(b"----", &comment));
    let meta = boxed(b"meta", &[&[0; 4][..], &hdlr, &ilst].concat());
    let bytes = movie(1000, &[[975, 1024]], 43, &boxed(b"udta", &meta));
    assert_eq!(
        trim(&bytes),
        Trim {
            start_frames: 0x840,
            music_frames: Some(0x3F1A)
        }
    );
}

#[test]
fn other_tracks_and_foreign_bytes_have_no_trimming() {
    let bytes = movie(1000, &[[975, 1024]], 43, &[]);
    assert_eq!(
        read_facts(&mut Cursor::new(&bytes), 8, 44_100).trim,
        Trim::default()
    );
    assert_eq!(trim(b"OggS and so on and on"), Trim::default());
    for cut in 0..bytes.len() {
        let _ = trim(bytes.get(..cut).unwrap_or_default());
    }
}
