use super::*;
use crate::{SAMPLES, SILENCE, SILENT_BLOCK, measure};

/// Three seconds of chords with some hiss: music enough to make the encoder work.
fn music() -> Vec<Block> {
    let mut seed = 7u64;
    let mut blocks = vec![SILENT_BLOCK; 150];
    for (n, frame) in blocks
        .iter_mut()
        .flat_map(|b| b.chunks_exact_mut(CHANNELS))
        .enumerate()
    {
        let t = n as f32 / SAMPLE_RATE_HZ as f32;
        let root = [220.0, 277.2, 164.8][(t as usize) % 3];
        let mut hiss = || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            ((seed >> 40) as f32 / 16_777_216.0 - 0.5) * 0.02
        };
        let tone = |k: f32| (std::f32::consts::TAU * root * k * t).sin() * 0.15;
        frame.copy_from_slice(&[
            tone(1.0) + tone(1.5) + hiss(),
            tone(1.0) + tone(2.0) + hiss(),
        ]);
    }
    blocks
}

/// Encodes and decodes; returns the sound with the encoder's delay taken off, and the bytes spent.
fn through(config: EncoderConfig, blocks: &[Block]) -> (Vec<f32>, usize) {
    let mut encoder = Encoder::new(config).unwrap();
    let mut decoder = Decoder::new().unwrap();
    let (mut heard, mut bytes) = (vec![], 0);
    let mut packet = [0u8; MAX_FRAME_BYTES];
    for block in blocks {
        let len = encoder.encode(block, &mut packet).unwrap();
        let mut out = SILENT_BLOCK;
        assert_eq!(decoder.decode(&packet[..len], &mut out), Ok(FRAMES));
        heard.extend(out);
        bytes += len;
    }
    heard.drain(..encoder.lookahead_frames().unwrap() as usize * CHANNELS);
    (heard, bytes)
}

#[test]
fn music_survives_opus_with_the_signal_well_above_the_noise() {
    let song = music();
    let (heard, bytes) = through(EncoderConfig::default(), &song);
    let snr = measure::snr_db(&song.concat(), &heard);
    assert!(snr > 20.0, "{snr} dB at 128 kbit/s");
    let kbps = bytes as f64 * 8.0 / 3.0 / 1000.0;
    assert!((90.0..170.0).contains(&kbps), "{kbps} kbit/s");
}

#[test]
fn more_bits_sound_better() {
    let song = music();
    let at = |bitrate_bps| {
        let (heard, bytes) = through(
            EncoderConfig {
                bitrate_bps,
                ..Default::default()
            },
            &song,
        );
        (measure::snr_db(&song.concat(), &heard), bytes)
    };
    let (low, high) = (at(32_000), at(256_000));
    assert!(
        high.0 > low.0 + 6.0 && high.1 > low.1 * 4,
        "{low:?} {high:?}"
    );
}

#[test]
fn the_lookahead_is_the_delay_the_decoded_sound_really_has() {
    let song = music();
    let mut encoder = Encoder::new(EncoderConfig::default()).unwrap();
    assert_eq!(encoder.lookahead_frames(), Ok(312));
    let (heard, _) = through(EncoderConfig::default(), &song);
    let found = measure::align(&song.concat(), &heard, 2000).unwrap();
    assert_eq!(found.offset_frames, 0);
}

#[test]
fn changing_bitrate_and_complexity_in_mid_song_works() {
    let song = music();
    let mut encoder = Encoder::new(EncoderConfig::default()).unwrap();
    let mut packet = [0u8; MAX_FRAME_BYTES];
    let mut spend = |encoder: &mut Encoder| -> usize {
        song.iter()
            .take(50)
            .map(|b| encoder.encode(b, &mut packet).unwrap())
            .sum()
    };
    let before = spend(&mut encoder);
    encoder.set_bitrate(24_000).unwrap();
    encoder.set_complexity(1).unwrap();
    let after = spend(&mut encoder);
    assert!(after * 3 < before, "{after} of {before} bytes");
    encoder.set_bitrate(0).unwrap(); // clamped, not refused
    encoder.set_complexity(200).unwrap();
}

#[test]
fn a_frame_never_exceeds_the_room_given() {
    let config = EncoderConfig {
        bitrate_bps: 510_000,
        ..Default::default()
    };
    let mut encoder = Encoder::new(config).unwrap();
    let mut small = [0u8; 100];
    for block in music().iter().take(20) {
        assert!(encoder.encode(block, &mut small).unwrap() <= 100);
    }
    assert!(encoder.encode(&SILENT_BLOCK, &mut []).is_err());
}

#[test]
fn a_lost_packet_is_concealed_with_something_like_the_music() {
    let song = music();
    let mut encoder = Encoder::new(EncoderConfig::default()).unwrap();
    let mut decoder = Decoder::new().unwrap();
    let mut packet = [0u8; MAX_FRAME_BYTES];
    let mut out = SILENT_BLOCK;
    for block in song.iter().take(20) {
        let len = encoder.encode(block, &mut packet).unwrap();
        decoder.decode(&packet[..len], &mut out).unwrap();
    }
    let before = crate::level::rms(&out);
    assert_eq!(decoder.conceal(&mut out), Ok(FRAMES));
    let concealed = crate::level::rms(&out);
    assert!(concealed > before * 0.3, "{concealed} after {before}");
    assert_eq!(
        decoder.conceal(&mut out[..100]),
        Err(OpusError::BadArgument)
    );
}

/// A buzz gliding like a voice, one side only a little different: libopus takes it for speech.
fn voice(blocks: usize) -> Vec<Block> {
    let mut out = vec![SILENT_BLOCK; blocks];
    let mut phase = 0.0f32;
    for (n, frame) in out
        .iter_mut()
        .flat_map(|b| b.chunks_exact_mut(CHANNELS))
        .enumerate()
    {
        let t = n as f32 / SAMPLE_RATE_HZ as f32;
        phase += (130.0 + 40.0 * (t * 9.0).sin()) / SAMPLE_RATE_HZ as f32;
        let buzz: f32 = (1..20)
            .map(|k| (std::f32::consts::TAU * phase * k as f32).sin() / k as f32)
            .sum();
        let syllable = (t * 22.0).sin().max(0.1);
        frame.fill(buzz * syllable * 0.2);
    }
    out
}

#[test]
fn speech_with_fec_restores_a_lost_frame_better_than_concealing_does() {
    let config = EncoderConfig {
        bitrate_bps: 24_000,
        fec: true,
        expected_loss_percent: 30,
        ..Default::default()
    };
    let mut encoder = Encoder::new(config).unwrap();
    let packets: Vec<Vec<u8>> = voice(100)
        .iter()
        .map(|b| {
            let mut p = [0u8; MAX_FRAME_BYTES];
            let len = encoder.encode(b, &mut p).unwrap();
            p[..len].to_vec()
        })
        .collect();
    // Configurations below 16 are SILK and hybrid (RFC 6716 table 2): only those carry FEC.
    assert!(packets[50][0] >> 3 < 16, "libopus chose CELT for a voice");
    let (mut restored, mut concealed) = (0.0, 0.0);
    for lost in (20..90).step_by(5) {
        let mut decoders: [Decoder; 3] = std::array::from_fn(|_| Decoder::new().unwrap());
        let mut out = SILENT_BLOCK;
        for packet in &packets[..lost] {
            for decoder in &mut decoders {
                decoder.decode(packet, &mut out).unwrap();
            }
        }
        let (mut truth, mut fec, mut plc) = (SILENT_BLOCK, SILENT_BLOCK, SILENT_BLOCK);
        let [a, b, c] = &mut decoders;
        a.decode(&packets[lost], &mut truth).unwrap();
        assert_eq!(b.decode_fec(&packets[lost + 1], &mut fec), Ok(FRAMES));
        assert_eq!(c.conceal(&mut plc), Ok(FRAMES));
        restored += measure::snr_db(&truth, &fec);
        concealed += measure::snr_db(&truth, &plc);
    }
    assert!(
        restored > concealed + 14.0,
        "{restored} against {concealed} dB in 14 losses"
    );
    let mut decoder = Decoder::new().unwrap();
    let empty = decoder.decode_fec(&[], &mut SILENT_BLOCK.clone());
    assert_eq!(empty, Err(OpusError::InvalidPacket));
}

#[test]
fn the_silence_frame_decodes_to_silence() {
    let mut decoder = Decoder::new().unwrap();
    let mut out = [1.0; SAMPLES];
    assert_eq!(decoder.decode(&SILENCE, &mut out), Ok(FRAMES));
    assert!(crate::level::peak(&out) < 1e-6);
    assert_eq!(packet_frames(&SILENCE), Ok(FRAMES));
}

#[test]
fn hostile_packets_are_refused_and_leave_the_decoder_usable() {
    let mut decoder = Decoder::new().unwrap();
    let mut out = vec![0.0; MAX_PACKET_FRAMES * CHANNELS];
    assert_eq!(decoder.decode(&[], &mut out), Err(OpusError::InvalidPacket));
    assert_eq!(packet_frames(&[]), Err(OpusError::InvalidPacket));
    let mut seed = 3u64;
    let mut refused = 0;
    for len in 1..2000usize {
        let bytes: Vec<u8> = (0..len % 300 + 1)
            .map(|_| {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (seed >> 56) as u8
            })
            .collect();
        match decoder.decode(&bytes, &mut out) {
            Ok(frames) => assert!(out[..frames * 2].iter().all(|s| s.is_finite())),
            Err(_) => refused += 1,
        }
    }
    assert!(refused > 100);
    assert_eq!(decoder.decode(&SILENCE, &mut out), Ok(FRAMES));
}

#[test]
fn surround_with_contradicting_numbers_is_refused() {
    assert!(MultistreamDecoder::new(0, 0, &[0]).is_err());
    assert!(MultistreamDecoder::new(1, 2, &[0, 1]).is_err());
    assert!(MultistreamDecoder::new(1, 1, &[]).is_err());
    assert!(MultistreamDecoder::new(4, 2, &[0, 4, 1, 2, 3, 5]).is_ok());
}

/// A drum: loud from the first sample, too regular for libopus to code its start on its own accord
/// without prediction.
fn drum(blocks: usize) -> Vec<Block> {
    let mut out = vec![SILENT_BLOCK; blocks];
    for (n, frame) in out
        .iter_mut()
        .flat_map(|b| b.chunks_exact_mut(CHANNELS))
        .enumerate()
    {
        let t = n as f32 / SAMPLE_RATE_HZ as f32;
        let low = (std::f32::consts::TAU * 55.0 * t).cos();
        let high = (std::f32::consts::TAU * 880.0 * t).sin();
        frame.fill(low * 0.6 + high * 0.2);
    }
    out
}

#[test]
fn sound_begins_at_its_full_level_whatever_the_decoder_heard_before() {
    let song = drum(10);
    let config = EncoderConfig {
        bitrate_bps: 96_000,
        ..Default::default()
    };
    let mut packet = [0u8; MAX_FRAME_BYTES];
    let mut encoder = Encoder::new(config).unwrap();
    // Straight after its making, after a pause, after a reset.
    for round in 0..3 {
        for silence_before in [0, 1, 5, 50] {
            let mut decoder = Decoder::new().unwrap();
            let mut out = SILENT_BLOCK;
            for _ in 0..silence_before {
                decoder.decode(&crate::SILENCE, &mut out).unwrap();
            }
            let mut heard = Vec::new();
            for block in &song {
                let length = encoder.encode(block, &mut packet).unwrap();
                decoder.decode(&packet[..length], &mut out).unwrap();
                heard.extend_from_slice(&out);
            }
            let snr = measure::snr_db(&song.concat()[..1920], &heard[624..2544]);
            assert!(snr > 6.0, "{snr} dB, {silence_before}, round {round}");
            match round {
                0 => encoder.begin(),
                1 => encoder.reset().unwrap(),
                _ => encoder = Encoder::new(config).unwrap(),
            }
        }
    }
}

#[test]
fn applied_settings_are_in_force_within_their_ranges() {
    let mut encoder = Encoder::new(EncoderConfig::default()).unwrap();
    assert_eq!(*encoder.settings(), EncoderSettings::default());
    let wanted = EncoderSettings {
        bitrate_bps: 48_000,
        complexity: 5,
        fec: true,
        expected_loss_percent: 8,
        dtx: true,
        vbr: false,
    };
    encoder.apply(&wanted).unwrap();
    assert_eq!(*encoder.settings(), wanted);
    let mut packet = [0u8; MAX_FRAME_BYTES];
    for block in &music()[..10] {
        // Constant bitrate: 48,000 bit/s are 120 bytes in 20 ms.
        assert_eq!(encoder.encode(block, &mut packet), Ok(120));
    }
    encoder
        .apply(&EncoderSettings {
            bitrate_bps: 1,
            complexity: 99,
            expected_loss_percent: 255,
            ..wanted
        })
        .unwrap();
    let now = *encoder.settings();
    assert_eq!((now.bitrate_bps, now.complexity), (6_000, 10));
    assert_eq!(now.expected_loss_percent, 100);
    encoder.set_bitrate(96_000).unwrap();
    encoder.set_complexity(1).unwrap();
    assert_eq!(encoder.settings().bitrate_bps, 96_000);
    assert_eq!(encoder.settings().complexity, 1);
}

#[test]
fn applying_the_same_settings_again_changes_no_packet() {
    let song = music();
    let settings = EncoderSettings {
        bitrate_bps: 96_000,
        complexity: 5,
        ..EncoderSettings::default()
    };
    let packets = |each_time: bool| {
        let mut encoder = Encoder::new(EncoderConfig::default()).unwrap();
        encoder.apply(&settings).unwrap();
        let mut packet = [0u8; MAX_FRAME_BYTES];
        song.iter()
            .map(|block| {
                if each_time {
                    encoder.apply(&settings).unwrap();
                }
                let len = encoder.encode(block, &mut packet).unwrap();
                packet[..len].to_vec()
            })
            .collect::<Vec<_>>()
    };
    assert!(packets(true) == packets(false));
}
