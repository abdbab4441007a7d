use std::time::Duration;

use mynah_audio::codec::LOOKAHEAD_FRAMES;
use mynah_audio::{Encoder, EncoderConfig, SILENT_BLOCK, measure};

use super::*;
use crate::ogg::{Head, OpusWriter, Tags};
use crate::{OpenOptions, open_bytes};

/// A glide over some hiss: no two places of it are alike.
fn music(n: usize) -> f32 {
    let t = n as f32 / 48_000.0;
    let hiss = ((n as u32).wrapping_mul(2_654_435_761) >> 16) as f32 / 65_536.0 - 0.5;
    0.4 * ((200.0 + 60.0 * t) * t * std::f32::consts::TAU).sin() + 0.02 * hiss
}

/// The packets of so many frames of music, and what a decoder makes of all of them.
fn encoded(frames: usize) -> (Vec<Vec<u8>>, Vec<f32>) {
    let mut encoder = Encoder::new(EncoderConfig::default()).unwrap();
    let mut decoder = Decoder::new().unwrap();
    let (mut packets, mut sound) = (vec![], vec![]);
    for k in 0..(frames + LOOKAHEAD_FRAMES).div_ceil(FRAMES) {
        let mut block = SILENT_BLOCK;
        for (i, frame) in block.chunks_exact_mut(2).enumerate() {
            let n = k * FRAMES + i;
            frame.fill(if n < frames { music(n) } else { 0.0 });
        }
        let mut packet = [0; MAX_FRAME_BYTES];
        let len = encoder.encode(&block, &mut packet).unwrap();
        decoder.decode(&packet[..len], &mut block).unwrap();
        packets.push(packet[..len].to_vec());
        sound.extend(block);
    }
    (packets, sound)
}

fn ogg(packets: &[Vec<u8>], frames: usize) -> Vec<u8> {
    let mut writer = OpusWriter::new(Vec::new(), 7, Head::default(), &Tags::default()).unwrap();
    for packet in packets {
        writer.packet(packet).unwrap();
    }
    writer.finish_at(frames as u64).unwrap()
}

fn open(file: &[u8]) -> Media {
    open_bytes("x.opus", file.to_vec(), &OpenOptions::default()).unwrap()
}

/// Everything from where it stands: packets, and the sound where that came.
#[derive(Debug)]
struct Given {
    packet: Option<Vec<u8>>,
    sound: Option<Vec<f32>>,
}

fn all(media: &mut Media, mut sound: impl FnMut(usize) -> bool) -> Vec<Given> {
    let mut given = vec![];
    loop {
        let mut block = SILENT_BLOCK;
        let slot = media.read_slot(&mut block, sound(given.len())).unwrap();
        let packet = matches!(slot, Slot::Packet | Slot::Both).then(|| media.packet().to_vec());
        let frames = match slot {
            Slot::Sound(Read::End) => return given,
            Slot::Sound(Read::Last(frames)) => frames,
            _ => FRAMES,
        };
        let sound = (slot != Slot::Packet).then(|| block[..frames * 2].to_vec());
        given.push(Given { packet, sound });
        assert!(given.len() < 10_000);
    }
}

const TEN_S: usize = 10 * 48_000 - 123;
/// Slots until its last frame.
const SLOTS: usize = (TEN_S + LOOKAHEAD_FRAMES - PACKET_LEAD_FRAMES).div_ceil(FRAMES);

#[test]
fn packets_come_out_as_they_were_put_in_without_being_decoded() {
    let (packets, _) = encoded(TEN_S);
    let given = all(&mut open(&ogg(&packets, TEN_S)), |_| false);
    assert_eq!(given.len(), SLOTS);
    let last = given.iter().filter(|g| g.packet.is_none()).count();
    assert!((1..=2).contains(&last), "only the end is exact: {last}");
    for (k, (given, packet)) in given.iter().zip(&packets).enumerate() {
        assert!(given.packet.as_ref().is_none_or(|p| p == packet), "{k}");
        let near_end = k + 4 >= packets.len();
        assert!(near_end || given.sound.is_none(), "{k}");
        assert!(given.packet.is_some() || given.sound.is_some());
    }
    let before_last = given.iter().rposition(|g| g.packet.is_some()).unwrap();
    assert!(given[before_last].sound.is_some(), "the way out of packets");
}

#[test]
fn the_sound_on_demand_is_what_the_packets_decode_to() {
    let (packets, truth) = encoded(TEN_S);
    let file = ogg(&packets, TEN_S);
    for from in [0, 1, 3, 50, 200] {
        let given = all(&mut open(&file), |k| k >= from);
        let heard: Vec<f32> = given[from..]
            .iter()
            .flat_map(|g| g.sound.clone().unwrap())
            .collect();
        let start = (from * FRAMES + PACKET_LEAD_FRAMES) * 2;
        let truth = &truth[start..(TEN_S + LOOKAHEAD_FRAMES) * 2];
        assert_eq!(heard.len(), truth.len(), "it ends where it should");
        let snr = measure::snr_db(truth, &heard);
        assert!(snr > 45.0, "{snr} dB from slot {from}");
    }
}

#[test]
fn a_seek_begins_with_the_exact_frame_and_goes_on_with_packets() {
    let (packets, truth) = encoded(TEN_S);
    let file = ogg(&packets, TEN_S);
    for ms in [0u64, 7, 100, 1_234, 5_000, 9_321] {
        let mut media = open(&file);
        let _ = media.read_slot(&mut SILENT_BLOCK.clone(), false).unwrap();
        let at = media.seek(Duration::from_millis(ms)).unwrap();
        assert_eq!(at, Duration::from_millis(ms));
        let given = all(&mut media, |_| false);
        let wanted = usize::try_from(ms).unwrap() * 48 + LOOKAHEAD_FRAMES;
        let slot = wanted.saturating_sub(PACKET_LEAD_FRAMES) / FRAMES;
        let has_packets = given.iter().position(|g| g.packet.is_some()).unwrap();
        assert_eq!(has_packets, usize::from(slot > 0), "{ms} ms");
        assert_eq!(
            given[has_packets].packet.as_ref(),
            packets.get(slot + has_packets)
        );
        assert_eq!(given.len() + slot, SLOTS);
        if slot > 0 {
            let led_in = given.iter().take_while(|g| g.sound.is_some()).count();
            assert!(led_in > 12 || given.len() < 40, "{led_in}");
            let heard: Vec<f32> = given
                .iter()
                .map_while(|g| g.sound.clone())
                .flatten()
                .collect();
            let begin = (wanted - slot * FRAMES - PACKET_LEAD_FRAMES) * 2;
            assert!(heard[..begin].iter().all(|s| *s == 0.0));
            let truth = &truth[wanted * 2..];
            let snr = measure::snr_db(&truth[..heard.len() - begin], &heard[begin..]);
            assert!(snr > 30.0, "{snr} dB at {ms} ms");
        }
    }
}

#[test]
fn reading_sound_first_gives_no_packets_and_the_same_sound_as_ever() {
    let (packets, truth) = encoded(TEN_S);
    let mut media = open(&ogg(&packets, TEN_S));
    let mut block = SILENT_BLOCK;
    assert_eq!(media.read(&mut block).unwrap(), Read::Full);
    let snr = measure::snr_db(&truth[LOOKAHEAD_FRAMES * 2..][..1920], &block);
    assert!(snr > 80.0, "{snr}");
    let slot = media.read_slot(&mut block, false).unwrap();
    assert_eq!(slot, Slot::Sound(Read::Full));
    assert!(media.packet().is_empty());
}

#[test]
fn going_over_to_sound_for_good_continues_without_a_seam() {
    let (packets, truth) = encoded(TEN_S);
    let mut media = open(&ogg(&packets, TEN_S));
    let mut block = SILENT_BLOCK;
    for _ in 0..100 {
        assert_eq!(media.read_slot(&mut block, false).unwrap(), Slot::Packet);
    }
    let mut heard = vec![];
    while media.read(&mut block).unwrap() == Read::Full {
        heard.extend(block);
    }
    let start = (100 * FRAMES + PACKET_LEAD_FRAMES) * 2;
    let snr = measure::snr_db(&truth[start..start + heard.len()], &heard);
    assert!(snr > 45.0, "{snr} dB");
}

#[test]
fn a_packet_of_another_length_has_only_its_sound_and_its_neighbours_stay() {
    let (mut packets, _) = encoded(TEN_S);
    // Two frames of 10 ms in one packet (code 1), and three of 20 ms (code 3).
    let ten_ms = 30 << 3 | 1;
    packets[20] = vec![ten_ms, 1, 2, 3, 4];
    packets[40] = vec![packets[40][0] & 0xFC | 3, 3, 9, 9, 9];
    let given = all(&mut open(&ogg(&packets, TEN_S)), |_| false);
    for (k, given) in given.iter().enumerate().take(100) {
        let expected = match k {
            20 | 40..43 => None,
            0..40 => Some(&packets[k]),
            _ => Some(&packets[k - 2]),
        };
        assert_eq!(given.packet.as_ref(), expected, "{k}");
        let gap = [19, 20, 39, 40, 41, 42].contains(&k);
        assert!(!gap || given.sound.is_some(), "{k}");
    }
    assert!(given[60].sound.is_none());
}

#[test]
fn what_needs_more_than_decoding_has_no_packets() {
    let (packets, _) = encoded(48_000);
    let mut file = ogg(&packets, 48_000);
    // The output gain of the header (RFC 7845 section 5.1): bytes 16 and 17 of it.
    let head = file.windows(8).position(|w| w == b"OpusHead").unwrap();
    file[head + 17] = 1;
    let page = 27 + 1 + 19;
    file[22..26].fill(0);
    let sum = crate::ogg::crc(&file[..page]);
    file[22..26].copy_from_slice(&sum.to_le_bytes());
    let given = all(&mut open(&file), |_| false);
    assert!(given.len() >= 49 && given.iter().all(|g| g.packet.is_none()));
}

#[test]
fn a_cut_file_and_a_tiny_one_end_in_time() {
    let (packets, _) = encoded(TEN_S);
    let file = ogg(&packets, TEN_S);
    for cut in (file.len() / 4..file.len()).step_by(9_973) {
        let given = all(&mut open(&file[..cut]), |k| k % 3 == 0);
        assert!(given.len() <= packets.len() + 1);
    }
    for frames in [1, 100, 960, 5_000, 47_999, 48_000, 48_500, 49_000] {
        let (packets, _) = encoded(frames);
        let given = all(&mut open(&ogg(&packets, frames)), |_| false);
        let ahead = PACKET_LEAD_FRAMES - LOOKAHEAD_FRAMES;
        let heard: usize = given
            .iter()
            .map(|g| g.sound.as_ref().map_or(FRAMES, |s| s.len() / 2))
            .sum();
        let lost = if frames < 48_000 { 0 } else { ahead };
        assert_eq!(heard + lost, frames);
    }
}

#[test]
fn a_packet_is_passed_on_if_it_is_one_frame_of_20_ms_in_any_mode_and_only_then() {
    let mut passed = 0;
    for toc in 0..=255u8 {
        // Long enough for every code; a code 3 packet of one frame is one, too, but nobody makes them.
        let data = [&[toc, 1][..], &[7; 60]].concat();
        let alone = toc & 3 == 0 && packet_frames(&data) == Ok(FRAMES);
        let frames = FRAMES as u64;
        let entry = |start, data: &[u8]| Entry {
            start,
            frames,
            padding: 0,
            data: data.into(),
        };
        assert_eq!(entry(5 * STEP, &data).is_whole(), alone, "{toc:#x}");
        assert!(!entry(5 * STEP + 480, &data).is_whole(), "off the grid");
        assert!(
            !entry(0, &data[..2]).is_whole(),
            "a pause in the transmission"
        );
        passed += u32::from(alone);
    }
    // Five of SILK and hybrid, four of CELT; mono and stereo.
    assert_eq!(passed, 2 * 9);
}

/// Mono at 8 kbit/s, in clusters of 2 s.
fn webm() -> Media {
    let clip = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../tests/data/audio/opus_11s_clusters.webm"
    );
    crate::open(clip.as_ref(), &OpenOptions::default()).unwrap()
}

#[test]
fn mono_packets_of_a_webm_file_are_passed_on_to_its_end_and_after_every_seek() {
    let whole = all(&mut webm(), |_| false);
    let frames: usize = whole
        .iter()
        .map(|g| g.sound.as_ref().map_or(FRAMES, |s| s.len() / 2))
        .sum();
    let ahead = PACKET_LEAD_FRAMES - LOOKAHEAD_FRAMES;
    assert_eq!(
        frames + ahead,
        11 * 48_000,
        "to the last frame, and no padding"
    );
    let packets: Vec<_> = whole.iter().filter_map(|g| g.packet.clone()).collect();
    assert!(packets.len() + 2 >= whole.len(), "only the end is exact");
    assert!(packets.iter().all(|packet| packet[0] & 4 == 0), "mono");

    // What the packets decode to is what the file sounds like.
    let mut decoder = Decoder::new().unwrap();
    let mut heard = vec![];
    for packet in &packets {
        let mut block = SILENT_BLOCK;
        decoder.decode(packet, &mut block).unwrap();
        heard.extend(block);
    }
    let mut media = webm();
    let (mut block, mut truth) = (SILENT_BLOCK, vec![]);
    while media.read(&mut block).unwrap() == Read::Full {
        truth.extend(block);
    }
    let heard = &heard[LOOKAHEAD_FRAMES * 2..];
    let common = heard.len().min(truth.len());
    let snr = measure::snr_db(&truth[..common], &heard[..common]);
    assert!(snr > 60.0, "{snr} dB");

    for ms in [5_999u64, 700, 10_500, 2_000, 0] {
        let to = Duration::from_millis(ms);
        assert_eq!(media.seek(to).unwrap(), to);
        let given = all(&mut media, |_| false);
        let rest: Vec<_> = given.iter().filter_map(|g| g.packet.clone()).collect();
        let place = packets.len() - rest.len();
        assert_eq!(rest, packets[place..], "{ms} ms");
        let wanted = ms as usize * 48 + LOOKAHEAD_FRAMES;
        let slot = wanted.saturating_sub(PACKET_LEAD_FRAMES) / FRAMES;
        assert_eq!(place, slot + usize::from(slot > 0), "{ms} ms");
        assert_eq!(given.len() + slot, whole.len(), "{ms} ms");
    }
}

#[test]
fn a_file_that_is_sought_to_its_end_or_over_gives_no_packet_any_more() {
    let mut media = webm();
    for ms in [10_995, 11_000, 99_000] {
        media.seek(Duration::from_millis(ms)).unwrap();
        let given = all(&mut media, |_| false);
        assert!(
            given.len() <= 2 && given.iter().all(|g| g.packet.is_none()),
            "{ms}: {given:?}"
        );
    }
    media.seek(Duration::from_secs(1)).unwrap();
    assert!(
        all(&mut media, |_| false)
            .iter()
            .filter(|g| g.packet.is_some())
            .count()
            > 490
    );
}
