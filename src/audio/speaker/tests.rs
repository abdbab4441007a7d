//! From sound over a bad network to sound.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::*;
use crate::jitter::{Jitter, JitterConfig, JitterPacket};
use crate::{Encoder, SILENCE, SILENT_BLOCK};

/// What people use: voice with redundancy.
fn voice_encoder() -> opus::Encoder {
    let mut encoder =
        opus::Encoder::new(48_000, opus::Channels::Stereo, opus::Application::Voip).unwrap();
    encoder.set_bitrate(opus::Bitrate::Bits(32_000)).unwrap();
    encoder.set_inband_fec(true).unwrap();
    encoder.set_packet_loss_perc(20).unwrap();
    encoder
}

/// Something like a voice: a buzz of 120 Hz with two moving formants, in syllables of 240 ms.
fn voice(blocks: usize) -> Vec<f32> {
    let mut out = Vec::with_capacity(blocks * SAMPLES);
    let mut states = [[0.0f32; 2]; 2];
    let mut hiss = 1u32;
    for n in 0..blocks * FRAMES {
        let t = n as f32 / 48_000.0;
        let syllable = (t * 4.2).fract();
        let loud = (syllable * std::f32::consts::PI).sin().powi(2);
        let pitch = 120.0 + 15.0 * (t * 1.3).sin();
        hiss = hiss.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let breath = (hiss >> 8) as f32 / 16_777_216.0 - 0.5;
        let mut sound = match (t * pitch).fract() * 48_000.0 / pitch < 1.0 {
            true => 1.0,
            false => breath * 0.01,
        };
        let formants = [
            500.0 + 250.0 * (t * 2.1).sin(),
            1500.0 + 500.0 * (t * 1.7).cos(),
        ];
        for (state, hz) in states.iter_mut().zip(formants) {
            let r = 0.995f32;
            let w = std::f32::consts::TAU * hz / 48_000.0;
            let next = sound + 2.0 * r * w.cos() * state[0] - r * r * state[1];
            *state = [next, state[0]];
            sound = next * 0.06;
        }
        let sample = (sound * loud * 2.0).clamp(-0.9, 0.9);
        out.extend([sample, sample]);
    }
    out
}

/// 20 ms packets of `sound`.
fn packets(sound: &[f32], encoder: &mut opus::Encoder) -> Vec<Arc<[u8]>> {
    let mut room = [0; 1275];
    let blocks = sound.chunks_exact(SAMPLES);
    blocks
        .map(|block| {
            let length = encoder.encode_float(block, &mut room).unwrap();
            room[..length].into()
        })
        .collect()
}

/// What is heard of packets of which some are lost; they come 30 ms after they were sent.
struct Heard {
    sound: Vec<f32>,
    spoken: Vec<Spoken>,
    jitter: Jitter,
    speaker: Speaker,
}

fn hear(packets: &[Arc<[u8]>], turns: usize, ppm: f64, lost: impl Fn(usize) -> bool) -> Heard {
    let start = Instant::now();
    let mut heard = Heard {
        sound: Vec::new(),
        spoken: Vec::new(),
        jitter: Jitter::new(JitterConfig::default()),
        speaker: Speaker::new(),
    };
    let mut out = SILENT_BLOCK;
    let mut next = 0;
    for turn in 0..turns {
        let now = start + Duration::from_millis(turn as u64 * 20 + 35);
        while let Some(packet) = packets.get(next) {
            let sent = next as f64 * 0.02 / (1.0 + ppm * 1e-6);
            let arrival = start + Duration::from_secs_f64(sent + 0.03);
            if arrival > now {
                break;
            }
            if !lost(next) {
                let _ = heard.jitter.push(JitterPacket {
                    sequence: next as u16,
                    timestamp: next as u32 * 960,
                    arrival,
                    payload: Arc::clone(packet),
                });
            }
            next += 1;
        }
        let pulled = heard.jitter.pull(now);
        heard.spoken.push(heard.speaker.turn(&pulled, &mut out));
        heard.sound.extend(out);
    }
    assert_eq!(heard.speaker.failures(), 0);
    heard
}

/// Mean power of what is left when `heard` is taken from `truth`, dB below it; both aligned.
fn likeness_db(truth: &[f32], heard: &[f32]) -> f32 {
    let power = |samples: &mut dyn Iterator<Item = f32>| -> f64 {
        samples.map(|s| f64::from(s) * f64::from(s)).sum()
    };
    let difference = power(&mut truth.iter().zip(heard).map(|(a, b)| a - b));
    let whole = power(&mut truth.iter().copied());
    (10.0 * (whole / difference.max(1e-12)).log10()) as f32
}

/// What a decoder makes of all packets without any network.
fn truth(packets: &[Arc<[u8]>]) -> Vec<f32> {
    let mut decoder = Decoder::new().unwrap();
    let mut out = Vec::new();
    let mut room = [0.0; MAX_PACKET_FRAMES * CHANNELS];
    for packet in packets {
        let frames = decoder.decode(packet, &mut room).unwrap();
        out.extend(&room[..frames * CHANNELS]);
    }
    out
}

/// How much later `heard` is than `truth`, frames: the first sound of both.
fn delay(truth: &[f32], heard: &[f32]) -> usize {
    let first = |sound: &[f32]| sound.iter().position(|s| s.abs() > 1e-3).unwrap() / CHANNELS;
    first(heard) - first(truth)
}

#[test]
fn a_stream_without_faults_is_heard_bit_for_bit() {
    let packets = packets(&voice(200), &mut voice_encoder());
    let heard = hear(&packets, 220, 0.0, |_| false);
    let truth = truth(&packets);
    let late = delay(&truth, &heard.sound) * CHANNELS;
    assert!(
        heard.sound[late..].starts_with(&truth),
        "it is moved in time, and that is all"
    );
    assert!(late < 3 * SAMPLES);
    let conceals = heard.spoken[..200].iter().any(|spoken| spoken.conceals);
    assert!(!conceals);
}

#[test]
fn a_lost_packet_is_restored_from_the_next_and_is_closer_to_the_truth_than_a_guess() {
    let packets = packets(&voice(400), &mut voice_encoder());
    let truth = truth(&packets);
    let lost = |n: usize| n % 20 == 13;
    let heard = hear(&packets, 420, 0.0, lost);
    let stats = heard.jitter.stats();
    assert_eq!(stats.lost, 20);
    // libopus puts redundancy into voice, and none where nobody speaks.
    assert!(stats.recovered_by_fec >= 15, "{stats:?}");
    let late = delay(&truth, &heard.sound) * CHANNELS;
    let with = likeness_db(&truth, &heard.sound[late..]);
    // The same without the redundancy.
    let mut decoder = Decoder::new().unwrap();
    let mut guessed = Vec::new();
    let mut room = [0.0; MAX_PACKET_FRAMES * CHANNELS];
    for (n, packet) in packets.iter().enumerate() {
        match lost(n) {
            true => decoder.conceal(&mut room[..SAMPLES]).unwrap(),
            false => decoder.decode(packet, &mut room).unwrap(),
        };
        guessed.extend(&room[..SAMPLES]);
    }
    let without = likeness_db(&truth, &guessed);
    println!("with redundancy {with} dB, without {without} dB");
    assert!(with > without + 3.0, "{with} dB, {without} dB");
}

#[test]
fn an_invention_fades_into_silence_and_what_comes_after_it_rises_without_a_jump() {
    let mut encoder = Encoder::new(crate::EncoderConfig::default()).unwrap();
    let tone: Vec<f32> = (0..300 * FRAMES)
        .flat_map(|n| [(n as f64 * 0.0576).sin() as f32 * 0.5; 2])
        .collect();
    let packets: Vec<Arc<[u8]>> = tone
        .chunks_exact(SAMPLES)
        .map(|block| {
            let mut room = [0; 1275];
            let length = encoder
                .encode(block.try_into().unwrap(), &mut room)
                .unwrap();
            room[..length].into()
        })
        .collect();
    // 180 ms are lost in the middle.
    let heard = hear(&packets, 290, 0.0, |n| (100..109).contains(&n));
    let levels: Vec<f32> = heard.sound.chunks_exact(SAMPLES).map(level::rms).collect();
    let loud = levels[50];
    let quiet = levels[95..115]
        .iter()
        .filter(|level| **level < loud * 0.02)
        .count();
    assert!(
        (3..=6).contains(&quiet),
        "{quiet} turns of 9 are silent: {:?}",
        &levels[95..115]
    );
    let steps = heard.sound.chunks_exact(2).map(|frame| frame[0]);
    let steepest = steps
        .clone()
        .zip(steps.skip(1))
        .skip(20 * FRAMES)
        .map(|(a, b)| (a - b).abs())
        .fold(0.0, f32::max);
    // The tone itself moves by 0.029 a frame.
    assert!(steepest < 0.12, "a click of {steepest}");
}

#[test]
fn a_clock_that_is_off_is_followed_without_a_click() {
    let cheap = crate::EncoderConfig {
        complexity: 0,
        ..Default::default()
    };
    let mut encoder = Encoder::new(cheap).unwrap();
    let tone = |n: usize| (n as f64 * 0.05).sin() as f32 * 0.5;
    for ppm in [500.0, -500.0] {
        let packets: Vec<Arc<[u8]>> = (0..3000)
            .map(|block| {
                let mut room = [0; 1275];
                let block: Vec<f32> = (0..FRAMES)
                    .flat_map(|n| [tone(block * FRAMES + n); 2])
                    .collect();
                let length = encoder
                    .encode(block[..].try_into().unwrap(), &mut room)
                    .unwrap();
                room[..length].into()
            })
            .collect();
        let heard = hear(&packets, 2980, ppm, |_| false);
        let left: Vec<f32> = heard.sound.chunks_exact(2).map(|frame| frame[0]).collect();
        let calm = &left[10 * FRAMES..2900 * FRAMES];
        // The second difference of a sine stays below 0.5 × 0.05² = 0.00125.
        let bend = calm.windows(3).map(|w| (w[0] - 2.0 * w[1] + w[2]).abs());
        let worst = bend.fold(0.0, f32::max);
        assert!(worst < 0.006, "{ppm} ppm: a kink of {worst}");
        let silent = heard.spoken[10..2900]
            .iter()
            .filter(|spoken| spoken.conceals)
            .count();
        assert_eq!(silent, 0, "{ppm} ppm: {:?}", heard.jitter.stats());
    }
}

#[test]
fn speech_is_told_from_hiss_and_from_silence() {
    let mut detector = voice::Detector::new();
    let mut hears = |sound: &[f32]| {
        let turns = sound.chunks_exact(SAMPLES);
        let all = turns.len();
        let heard = turns
            .filter(|turn| {
                let level = level::db_from_gain(level::rms(turn)).max(SILENT_DBFS);
                detector.hears((*turn).try_into().unwrap(), level)
            })
            .count();
        heard as f32 / all as f32
    };
    let speech = hears(&voice(500));
    let quiet = hears(&vec![0.0; 500 * SAMPLES]);
    let mut seed = 9u32;
    let hiss: Vec<f32> = (0..500 * SAMPLES)
        .map(|_| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            ((seed >> 8) as f32 / 16_777_216.0 - 0.5) * 0.1
        })
        .collect();
    let hiss = hears(&hiss);
    println!("speech {speech}, hiss {hiss}, silence {quiet}");
    assert!(speech > 0.8, "{speech}");
    assert!(hiss < 0.25, "{hiss}");
    assert!(quiet < 0.03, "{quiet}");
}

#[test]
fn a_level_is_in_decibels_below_full_scale() {
    let square: Vec<f32> = (0..100 * FRAMES)
        .flat_map(|n| [0.1 * if n / 100 % 2 == 0 { 1.0 } else { -1.0 }; 2])
        .collect();
    let heard = hear(&packets(&square, &mut voice_encoder()), 90, 0.0, |_| false);
    let level = heard.spoken[60].level_dbfs;
    assert!((-22.0..-18.0).contains(&level), "{level}");
    let quiet = hear(&[], 10, 0.0, |_| false);
    assert_eq!(quiet.spoken[5], Spoken::NOTHING);
}

#[test]
fn the_decoder_comes_with_the_first_packet_and_goes_after_a_minute_of_silence() {
    let mut packets = packets(&voice(50), &mut voice_encoder());
    packets.extend(std::iter::repeat_n(SILENCE.into(), 5));
    let mut heard = hear(&packets, 60, 0.0, |_| false);
    assert!(heard.speaker.is_awake());
    let mut out = SILENT_BLOCK;
    for turn in 1..=KEEP_TURNS {
        heard.speaker.turn(&Pulled::Quiet, &mut out);
        // Some of the silence is over.
        assert!(turn > KEEP_TURNS - 20 || heard.speaker.is_awake());
    }
    assert!(!heard.speaker.is_awake());
    let mut fresh = Speaker::new();
    fresh.turn(&Pulled::Quiet, &mut out);
    assert!(!fresh.is_awake());
}

#[test]
fn what_is_no_opus_inside_is_concealed_and_counted() {
    let mut speaker = Speaker::new();
    let mut out = SILENT_BLOCK;
    for (n, bytes) in [&[0xFD, 1, 2, 3][..], &[0xFF, 63], &[], &[0x0B, 0x83, 0xFF]]
        .iter()
        .enumerate()
    {
        let packet = JitterPacket {
            sequence: 0,
            timestamp: 0,
            arrival: Instant::now(),
            payload: (*bytes).into(),
        };
        let lost = Piece::Lost {
            frames: 100_000,
            next: Some((*bytes).into()),
        };
        let turn = Pulled::Sound(Turn {
            starts: true,
            position: 0,
            frames: 100_000,
            pieces: vec![Piece::Packet(packet), lost],
        });
        assert!(speaker.turn(&turn, &mut out).conceals, "{n}");
        assert!(out.iter().all(|sample| sample.is_finite()));
    }
    assert!(speaker.failures() >= 4);
}

mod words;
