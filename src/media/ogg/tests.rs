use super::page::{CONTINUED, FIRST, LAST, Page, crc};
use super::*;
use mynah_audio::codec::MAX_FRAME_BYTES;
use mynah_audio::{Encoder, EncoderConfig, FRAMES, SILENCE, measure};

/// The built-in tune as Opus packets, and as it was.
fn tune(seconds: f64) -> (Vec<Vec<u8>>, Vec<f32>) {
    let mut encoder = Encoder::new(EncoderConfig::default()).unwrap();
    let mut packet = [0u8; MAX_FRAME_BYTES];
    let blocks: Vec<_> = crate::tune::builtin(seconds).collect();
    let packets = blocks.iter().map(|block| {
        let len = encoder.encode(block, &mut packet).unwrap();
        packet[..len].to_vec()
    });
    (packets.collect(), blocks.concat())
}

fn written(packets: &[Vec<u8>], frames: Option<u64>) -> Vec<u8> {
    let tags = Tags {
        fields: vec![("TITLE".into(), "Tune".into())],
    };
    let mut writer = OpusWriter::new(vec![], 7, Head::default(), &tags).unwrap();
    packets.iter().for_each(|p| writer.packet(p).unwrap());
    match frames {
        Some(frames) => writer.finish_at(frames).unwrap(),
        None => writer.finish().unwrap(),
    }
}

fn pages(bytes: &[u8]) -> Vec<Page> {
    let mut input = bytes;
    std::iter::from_fn(|| Page::read(&mut input).unwrap()).collect()
}

#[test]
fn the_checksum_is_the_one_of_rfc_3533() {
    // CRC-32 with polynomial 04C11DB7, not reflected, from zero: catalogued check value of the
    // variant with an inverted result (CRC-32/CKSUM less its length bytes) is 0x89A1897F for
    // "123456789" inverted.
    assert_eq!(crc(b"123456789"), 0x89A1_897F);
    assert_eq!(crc(b""), 0);
    let clip = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../tests/data/audio/opus_24k_mono.opus"
    );
    let foreign = pages(&std::fs::read(clip).unwrap());
    assert!(
        foreign.len() > 2,
        "pages written by somebody else are accepted"
    );
}

#[test]
fn a_written_file_plays_and_is_as_long_as_asked() {
    let (packets, source) = tune(3.0);
    let frames = packets.len() as u64 * FRAMES as u64 - 312 - 500;
    let bytes = written(&packets, Some(frames));
    let mut media = crate::open_bytes("tune.opus", bytes, &Default::default()).unwrap();
    assert_eq!(media.info().title.as_deref(), Some("Tune"));
    let micros = frames as u128 * 1_000_000 / 48_000;
    assert_eq!(media.info().duration.map(|d| d.as_micros()), Some(micros));
    let mut heard = vec![];
    let mut block = mynah_audio::SILENT_BLOCK;
    loop {
        match media.read(&mut block).unwrap() {
            crate::Read::Full => heard.extend(block),
            crate::Read::Last(n) => heard.extend(&block[..n * 2]),
            crate::Read::End => break,
        }
    }
    assert_eq!(heard.len() as u64 / 2, frames);
    assert!(measure::snr_db(&source[..heard.len()], &heard) > 15.0);
}

#[test]
fn page_headers_follow_rfc_7845() {
    let (packets, _) = tune(2.5);
    let pages = pages(&written(&packets, None));
    assert_eq!(pages[0].flags, FIRST);
    assert!(pages[0].body.starts_with(b"OpusHead") && pages[0].granule == 0);
    assert!(pages[1].body.starts_with(b"OpusTags") && pages[1].granule == 0);
    assert!(
        pages
            .iter()
            .zip(0..)
            .all(|(p, n)| p.sequence == n && p.serial == 7)
    );
    let granules: Vec<u64> = pages[2..].iter().map(|p| p.granule).collect();
    assert_eq!(granules, [48_000, 96_000, 120_000], "a page a second");
    assert_eq!(pages.last().map(|p| p.flags), Some(LAST));
    assert!(pages[1..pages.len() - 1].iter().all(|p| p.flags == 0));
}

#[test]
fn packets_come_back_as_they_were() {
    let (packets, _) = tune(2.0);
    let mut reader = OpusReader::new(std::io::Cursor::new(written(&packets, None))).unwrap();
    assert_eq!((reader.pre_skip(), reader.channels()), (312, 2));
    for wanted in &packets {
        let got = reader.next_packet().unwrap().unwrap();
        assert_eq!((&got.data, got.frames, got.trim_end), (wanted, 960, 0));
    }
    assert_eq!(reader.next_packet().unwrap(), None);
}

#[test]
fn the_last_packet_says_how_much_of_it_to_trim() {
    let (packets, _) = tune(1.0);
    let whole = packets.len() as u64 * 960 - 312;
    let mut reader =
        OpusReader::new(std::io::Cursor::new(written(&packets, Some(whole - 100)))).unwrap();
    let all: Vec<Packet> = std::iter::from_fn(|| reader.next_packet().unwrap()).collect();
    assert_eq!(all.last().map(|p| p.trim_end), Some(100));
    assert!(all.iter().rev().skip(1).all(|p| p.trim_end == 0));
}

#[test]
fn very_small_and_very_large_packets_survive() {
    // A page holds 255 segments: 100 packets of 1200 bytes need several, and a silence frame one.
    let mut encoder = Encoder::new(EncoderConfig {
        bitrate_bps: 510_000,
        vbr: false,
        ..Default::default()
    })
    .unwrap();
    let mut packet = [0u8; MAX_FRAME_BYTES];
    let mut packets: Vec<Vec<u8>> = crate::tune::builtin(2.0)
        .map(|b| {
            let len = encoder.encode(&b, &mut packet).unwrap();
            packet[..len].to_vec()
        })
        .collect();
    assert!(packets[0].len() > 1200);
    packets.insert(50, SILENCE.to_vec());
    let bytes = written(&packets, None);
    let mut reader = OpusReader::new(&*bytes).unwrap();
    let back: Vec<Vec<u8>> =
        std::iter::from_fn(|| reader.next_packet().unwrap().map(|p| p.data)).collect();
    assert_eq!(back, packets);
}

#[test]
fn a_comment_longer_than_a_page_is_continued_and_read_over() {
    let long = Tags {
        fields: vec![("DESCRIPTION".into(), "x".repeat(200_000))],
    };
    let mut writer = OpusWriter::new(vec![], 1, Head::default(), &long).unwrap();
    writer.packet(&SILENCE).unwrap();
    let bytes = writer.finish().unwrap();
    assert!(
        pages(&bytes)
            .iter()
            .filter(|p| p.flags & CONTINUED != 0)
            .count()
            >= 3
    );
    let mut reader = OpusReader::new(&*bytes).unwrap();
    assert_eq!(
        reader.next_packet().unwrap().map(|p| p.data),
        Some(SILENCE.to_vec())
    );
    assert_eq!(reader.next_packet().unwrap(), None);
    assert!(crate::open_bytes("x.opus", bytes, &Default::default()).is_ok());
}

#[test]
fn an_unfinished_recording_can_be_read_up_to_its_last_flush() {
    let (packets, _) = tune(2.0);
    let mut file = vec![];
    let mut writer = OpusWriter::new(&mut file, 3, Head::default(), &Tags::default()).unwrap();
    packets.iter().for_each(|p| writer.packet(p).unwrap());
    writer.flush().unwrap();
    drop(writer);
    let mut reader = OpusReader::new(&*file).unwrap();
    let read = std::iter::from_fn(|| reader.next_packet().unwrap()).count();
    assert_eq!(
        read,
        packets.len() - 1,
        "only the packet kept back is missing"
    );
}

#[test]
fn damaged_pages_are_passed_over() {
    let (packets, _) = tune(3.0);
    let good = written(&packets, None);
    let starts: Vec<usize> = (0..good.len() - 4)
        .filter(|at| good[*at..].starts_with(b"OggS"))
        .collect();
    let mut bad = good.clone();
    bad[starts[3] + 40] ^= 0x55;
    let mut reader = OpusReader::new(&*bad).unwrap();
    let read = std::iter::from_fn(|| reader.next_packet().unwrap()).count();
    assert_eq!(read, packets.len() - 50, "one second is missing");
    for cut in (0..good.len()).step_by(97) {
        if let Ok(mut reader) = OpusReader::new(&good[..cut]) {
            while reader.next_packet().unwrap().is_some() {}
        }
    }
}

#[test]
fn what_is_not_opus_is_refused() {
    assert!(matches!(OpusReader::new(&b""[..]), Err(ReadError::NotOpus)));
    assert!(matches!(
        OpusReader::new(&b"RIFF....WAVE"[..]),
        Err(ReadError::NotOpus)
    ));
    let vorbis = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../tests/data/audio/vorbis_44k_stereo.ogg"
    );
    let vorbis = std::fs::read(vorbis).unwrap();
    assert!(matches!(OpusReader::new(&*vorbis), Err(ReadError::NotOpus)));
    let mut writer = OpusWriter::new(vec![], 1, Head::default(), &Tags::default()).unwrap();
    assert!(writer.packet(&[]).is_err());
}
