//! Rendering against a known sender: loss, reorder, pauses, exact length.

use mynah_audio::{Block, Encoder, EncoderConfig, FRAMES, SILENCE, SILENT_BLOCK};
use mynah_media::ogg::OpusReader;
use mynah_wire::rng::Rng;

use super::*;

const ALICE: UserId = UserId::new(50);

/// Opus frames of a 440 Hz tone.
fn tone(count: usize) -> Vec<Arc<[u8]>> {
    let mut encoder = Encoder::new(EncoderConfig::default()).unwrap();
    let mut bytes = [0u8; 1275];
    (0..count)
        .map(|n| {
            let mut block: Block = SILENT_BLOCK;
            for (i, pair) in block.chunks_exact_mut(2).enumerate() {
                let t = (n * FRAMES + i) as f32 / 48_000.0;
                pair.fill(0.25 * (std::f32::consts::TAU * 440.0 * t).sin());
            }
            let length = encoder.encode(&block, &mut bytes).unwrap();
            bytes[..length].into()
        })
        .collect()
}

struct Sender {
    started: Instant,
    track: Track,
    sequence: u16,
    timestamp: u32,
}

impl Sender {
    fn new() -> Self {
        Self {
            started: Instant::now(),
            track: Track {
                owner: Some(ALICE),
                ..Track::default()
            },
            sequence: 65_500,
            timestamp: u32::MAX - 5000,
        }
    }

    /// A packet that arrives `ms` after the start of the recording.
    fn send(&mut self, ms: f64, payload: &Arc<[u8]>) {
        self.track.packets.push(Packet {
            sequence: self.sequence,
            timestamp: self.timestamp,
            arrival: self.started + Duration::from_secs_f64(ms / 1000.0),
            payload: Arc::clone(payload),
        });
        self.skip();
    }

    /// A packet that never arrives.
    fn skip(&mut self) {
        self.sequence = self.sequence.wrapping_add(1);
        self.timestamp = self.timestamp.wrapping_add(960);
    }

    fn capture(self) -> Capture {
        Capture {
            started: self.started,
            tracks: [(Ssrc(1), self.track)].into(),
            lost_to_keys: KeyLosses::default(),
        }
    }
}

fn hear(capture: &Capture, seconds: f64, format: HearFormat) -> Heard {
    let request = HearRequest {
        seconds,
        from: None,
        format,
    };
    render(capture, &request).unwrap()
}

fn samples(heard: &Heard) -> Vec<f32> {
    mynah_media::wav::read(&heard.bytes).unwrap().samples
}

/// The packets of an Ogg recording, without those of its pre-skip.
fn packets(heard: &Heard) -> Vec<Vec<u8>> {
    let mut all = all_packets(heard);
    all.drain(..4);
    all
}

fn all_packets(heard: &Heard) -> Vec<Vec<u8>> {
    let mut reader = OpusReader::new(&heard.bytes[..]).unwrap();
    let mut all = Vec::new();
    while let Some(packet) = reader.next_packet().unwrap() {
        all.push(packet.data);
    }
    all
}

/// Root mean square between two times.
fn level(samples: &[f32], from_ms: usize, to_ms: usize) -> f32 {
    mynah_audio::level::rms(&samples[from_ms * 96..to_ms * 96])
}

#[test]
fn the_length_is_exact_whatever_was_heard() {
    let mut sender = Sender::new();
    for (n, frame) in tone(40).iter().enumerate() {
        sender.send(33.0 + 20.0 * n as f64, frame);
    }
    let capture = sender.capture();
    for seconds in [0.0001, 0.25, 0.7777, 2.0] {
        let frames = (seconds * 48_000.0_f64).round() as usize;
        for format in [HearFormat::Wav, HearFormat::WavFloat] {
            assert_eq!(samples(&hear(&capture, seconds, format)).len(), frames * 2);
        }
        let ogg = hear(&capture, seconds, HearFormat::Ogg);
        let mut reader = OpusReader::new(&ogg.bytes[..]).unwrap();
        let mut total = 0;
        while let Some(packet) = reader.next_packet().unwrap() {
            total += usize::from(packet.frames - packet.trim_end);
        }
        // 80 ms of pre-skip come first.
        assert_eq!(total, 3840 + frames, "{seconds}");
    }
}

#[test]
fn silence_stays_where_it_was() {
    let mut sender = Sender::new();
    let frames = tone(100);
    for (n, frame) in frames[..25].iter().enumerate() {
        sender.send(500.0 + 20.0 * n as f64, frame);
    }
    for n in 0..5 {
        sender.send(1000.0 + 20.0 * f64::from(n), &SILENCE.as_slice().into());
    }
    // A pause of one second; this sender's timestamps do not count through it.
    for (n, frame) in frames[25..50].iter().enumerate() {
        sender.send(2100.0 + 20.0 * n as f64, frame);
    }
    let capture = sender.capture();
    let heard = samples(&hear(&capture, 3.0, HearFormat::WavFloat));
    assert!(level(&heard, 0, 499) < 1e-6);
    assert!(level(&heard, 540, 1000) > 0.1);
    assert!(level(&heard, 1100, 2099) < 1e-3);
    assert!(level(&heard, 2140, 2590) > 0.1);
    assert!(level(&heard, 2650, 3000) < 1e-6);
    // The same in Ogg, on a grid of 20 ms.
    let silent: Vec<bool> = packets(&hear(&capture, 3.0, HearFormat::Ogg))
        .iter()
        .map(|packet| packet[..] == SILENCE)
        .collect();
    assert_eq!(silent.len(), 150);
    for (n, silent) in silent.iter().enumerate() {
        let sounds = (25..50).contains(&n) || (105..130).contains(&n);
        assert_eq!(*silent, !sounds, "packet {n}");
    }
}

#[test]
fn timestamps_that_count_through_a_pause_are_kept_to_the_frame() {
    let mut sender = Sender::new();
    let frames = tone(20);
    for (n, frame) in frames[..10].iter().enumerate() {
        sender.send(20.0 * n as f64, frame);
    }
    sender.timestamp = sender.timestamp.wrapping_add(48_000);
    // 17 ms of network jitter on the first packet after the pause.
    for (n, frame) in frames[10..].iter().enumerate() {
        sender.send(1200.0 + 17.0 + 20.0 * n as f64, frame);
    }
    let placed = timeline::place(sender.started, &sender.track.packets);
    assert_eq!(placed[10].at, 10 * 960 + 48_000);
    assert_eq!(placed[10].lost, 0);
}

#[test]
fn reordered_and_doubled_packets_sound_as_if_nothing_had_happened() {
    let frames = tone(60);
    let mut orderly = Sender::new();
    for (n, frame) in frames.iter().enumerate() {
        orderly.send(20.0 * n as f64, frame);
    }
    let started = orderly.started;
    let mut shaken = orderly.track.packets.clone();
    let mut rng = Rng::new(4);
    // Every packet but the first up to 50 ms late, some twice.
    for packet in &mut shaken[1..] {
        packet.arrival += Duration::from_millis(rng.below(50));
    }
    let copies: Vec<Packet> = shaken.iter().step_by(7).cloned().collect();
    shaken.extend(copies);
    shaken.sort_by_key(|packet| packet.arrival);
    let shaken = Capture {
        started,
        lost_to_keys: KeyLosses::default(),
        tracks: [(
            Ssrc(1),
            Track {
                packets: shaken,
                ..Track::default()
            },
        )]
        .into(),
    };
    let shaken = hear(&shaken, 1.2, HearFormat::WavFloat);
    let orderly = hear(&orderly.capture(), 1.2, HearFormat::WavFloat);
    assert_eq!(samples(&shaken), samples(&orderly));
    assert_eq!((shaken.stats.packets, shaken.stats.lost), (60, 0));
    assert!(shaken.stats.late > 5 && shaken.stats.jitter_ms > 2.0);
    assert_eq!((orderly.stats.late, orderly.stats.packets), (0, 60));
    assert!(orderly.stats.jitter_ms < 0.01);
}

#[test]
fn lost_packets_are_concealed_and_counted() {
    let mut sender = Sender::new();
    for (n, frame) in tone(100).iter().enumerate() {
        if n % 10 == 7 {
            sender.skip();
        } else {
            sender.send(20.0 * n as f64, frame);
        }
    }
    let capture = sender.capture();
    let heard = hear(&capture, 2.0, HearFormat::WavFloat);
    assert_eq!((heard.stats.lost, heard.stats.packets), (10, 90));
    assert!((heard.stats.max_gap_ms - 40.0).abs() < 0.01);
    let sound = samples(&heard);
    for n in 0..9 {
        let hole = 140 + 200 * n;
        assert!(level(&sound, hole, hole + 20) > 0.08, "hole at {hole} ms");
    }
    // In Ogg a lost packet is one without data, so that players conceal it too.
    let packets = packets(&hear(&capture, 2.0, HearFormat::Ogg));
    let empty: Vec<usize> = (0..packets.len())
        .filter(|n| packets[*n].len() == 1)
        .collect();
    assert_eq!(empty, (0..10).map(|n| 7 + 10 * n).collect::<Vec<_>>());
    assert_eq!(packets.len(), 100);
}

#[test]
fn a_long_blackout_is_silence_in_its_place() {
    let mut sender = Sender::new();
    for (n, frame) in tone(150).iter().enumerate() {
        if (50..100).contains(&n) {
            sender.skip();
        } else {
            sender.send(20.0 * n as f64, frame);
        }
    }
    let capture = sender.capture();
    let heard = hear(&capture, 3.0, HearFormat::WavFloat);
    assert_eq!(heard.stats.lost, 50);
    let sound = samples(&heard);
    assert!(level(&sound, 1300, 1950) < 0.02);
    assert!(level(&sound, 2050, 2990) > 0.1);
    assert_eq!(packets(&hear(&capture, 3.0, HearFormat::Ogg)).len(), 150);
}

#[test]
fn a_running_stream_is_heard_well_from_its_first_packet() {
    let frames = tone(40);
    let mut warm = Sender::new();
    for frame in &frames[..20] {
        warm.send(0.0, frame);
    }
    warm.track.preroll = std::mem::take(&mut warm.track.packets).split_off(12);
    for (n, frame) in frames[20..].iter().enumerate() {
        warm.send(20.0 * n as f64, frame);
    }
    let mut cold = Sender::new();
    cold.track.packets = warm.track.packets.clone();
    cold.started = warm.started;
    // In Ogg the packets before the recording are its pre-skip.
    let before: Vec<Vec<u8>> = warm.track.preroll[4..]
        .iter()
        .map(|packet| packet.payload.to_vec())
        .collect();
    let warm = warm.capture();
    assert_eq!(all_packets(&hear(&warm, 0.4, HearFormat::Ogg))[..4], before);
    let first = |capture: &Capture| {
        let heard = hear(capture, 0.4, HearFormat::WavFloat);
        level(&samples(&heard), 0, 3)
    };
    let (warm, cold) = (first(&warm), first(&cold.capture()));
    assert!(warm > 1.5 * cold, "{warm} against {cold}");
}

#[test]
fn everybody_is_mixed_and_one_can_be_chosen() {
    let mut alice = Sender::new();
    for (n, frame) in tone(50).iter().enumerate() {
        alice.send(20.0 * n as f64, frame);
    }
    let mut capture = alice.capture();
    let mut bob = capture.tracks[&Ssrc(1)].clone();
    bob.owner = Some(UserId::new(51));
    capture.tracks.insert(Ssrc(2), bob);
    let both = hear(&capture, 1.0, HearFormat::WavFloat);
    let request = HearRequest {
        seconds: 1.0,
        from: Some(ALICE),
        format: HearFormat::WavFloat,
    };
    let one = render(&capture, &request).unwrap();
    let (loud, quiet) = (samples(&both), samples(&one));
    assert!(
        loud.iter()
            .zip(&quiet)
            .all(|(a, b)| (a - 2.0 * b).abs() < 1e-5)
    );
    assert_eq!((both.stats.packets, one.stats.packets), (100, 50));

    let ogg = |from| HearRequest {
        seconds: 1.0,
        from,
        format: HearFormat::Ogg,
    };
    let error = render(&capture, &ogg(None)).unwrap_err();
    assert!(error.to_string().contains("50, 51"), "{error}");
    assert!(render(&capture, &ogg(Some(ALICE))).is_ok());
}

#[test]
fn nothing_heard_is_silence_of_the_right_length() {
    let capture = Capture {
        started: Instant::now(),
        tracks: BTreeMap::new(),
        lost_to_keys: KeyLosses::default(),
    };
    let wav = hear(&capture, 1.0, HearFormat::Wav);
    assert!(samples(&wav).iter().all(|sample| *sample == 0.0));
    assert_eq!(wav.stats, HearStats::default());
    let ogg = packets(&hear(&capture, 1.0, HearFormat::Ogg));
    assert!(ogg.len() == 50 && ogg.iter().all(|packet| packet[..] == SILENCE));
}

#[test]
fn hostile_payloads_neither_panic_nor_break_the_length() {
    for seed in 0..200 {
        let mut rng = Rng::new(seed);
        let mut sender = Sender::new();
        for _ in 0..rng.below(60) {
            let payload: Vec<u8> = (0..1 + rng.below(40))
                .map(|_| rng.next_u64() as u8)
                .collect();
            if rng.chance(0.2) {
                sender.sequence = rng.next_u16();
            }
            if rng.chance(0.2) {
                sender.timestamp = rng.next_u32();
            }
            let ms = rng.below(1500) as f64;
            sender.send(ms, &payload.into());
        }
        sender.track.packets.sort_by_key(|packet| packet.arrival);
        let capture = sender.capture();
        assert_eq!(samples(&hear(&capture, 1.0, HearFormat::Wav)).len(), 96_000);
        hear(&capture, 1.0, HearFormat::Ogg);
    }
}

#[test]
fn a_jump_of_the_sequence_is_a_new_stream_and_not_loss() {
    let mut sender = Sender::new();
    let frames = tone(20);
    for (n, frame) in frames.iter().enumerate() {
        if n == 10 {
            sender.sequence = sender.sequence.wrapping_add(20_000);
            sender.timestamp = 5;
        }
        sender.send(20.0 * n as f64, frame);
    }
    let heard = hear(&sender.capture(), 0.4, HearFormat::Wav);
    assert_eq!((heard.stats.lost, heard.stats.packets), (0, 20));
}

#[test]
fn lengths_are_checked() {
    let request = |seconds, format| HearRequest {
        seconds,
        from: None,
        format,
    };
    for seconds in [0.0, -1.0, f64::NAN, f64::INFINITY, 4000.0] {
        assert!(length(&request(seconds, HearFormat::Ogg)).is_err());
    }
    assert!(length(&request(700.0, HearFormat::Wav)).is_err());
    assert!(length(&request(700.0, HearFormat::Ogg)).is_ok());
}

#[test]
fn packets_for_measuring_are_untouched_and_keep_their_own_times() {
    let mut sender = Sender::new();
    let frames = tone(4);
    sender.send(0.0, &frames[0]);
    sender.send(3.5, &frames[1]);
    sender.send(40.25, &frames[2]);
    sender.skip();
    sender.send(64.0, &frames[3]);
    sender.track.preroll = vec![sender.track.packets.remove(0)];
    sender.track.preroll[0].arrival = sender.started - Duration::from_millis(20);
    let capture = sender.capture();
    let heard = hear(&capture, 1.0, HearFormat::Packets);
    assert_eq!((heard.stats.packets, heard.stats.lost), (3, 1));
    let document: serde_json::Value = serde_json::from_slice(&heard.bytes).unwrap();
    let packets = document["packets"].as_array().unwrap();
    let times: Vec<_> = packets
        .iter()
        .map(|packet| packet["arrival_us"].as_i64().unwrap())
        .collect();
    assert_eq!(times, [-20_000, 3_500, 40_250, 64_000]);
    assert_eq!(packets[3]["sequence"], 65_504);
    assert_eq!(packets[0]["from"], ALICE.to_string());
    for (packet, frame) in packets.iter().zip(&frames) {
        let hex: String = frame.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(packet["opus"], hex);
    }
    let wanted = HearRequest {
        seconds: 1.0,
        from: Some(UserId::new(51)),
        format: HearFormat::Packets,
    };
    let nobody = render(&capture, &wanted).unwrap();
    let document: serde_json::Value = serde_json::from_slice(&nobody.bytes).unwrap();
    assert_eq!(document["packets"], serde_json::json!([]));
}
