//! Effects as a listener hears them: a ring that is filled, and a tick in virtual time.

use std::time::Duration;

use mynah_audio::filters::{LowPass, Timescale};
use mynah_audio::{Decoder, Encoder, EncoderConfig, measure};
use mynah_media::{OpenOptions, ogg, wav};
use mynah_pulse::{
    EventKind, MixConfig, PulseHandle, Sender, Sent, SessionKey, TrackOptions, Transmit, Transport,
    by_hand,
};
use mynah_session::transport::{RtpOpener, RtpSealer};
use mynah_wire::{EncryptionMode, Ssrc};

use super::*;
use crate::TrackId;
use crate::fetch::Input;

const MODE: EncryptionMode = EncryptionMode::XChaCha20Poly1305RtpSize;
const KEY: [u8; 32] = [5; 32];
const VOICE: mynah_pulse::TrackId = mynah_pulse::TrackId(1);
const ID: TrackId = TrackId(7);

/// Clock and network of the tick: packets with the time they leave.
#[derive(Default)]
struct Net {
    now_ns: u64,
    datagrams: Vec<(u64, Vec<u8>)>,
}

impl Transmit for Net {
    type Link = ();

    fn now_ns(&mut self) -> u64 {
        self.now_ns
    }

    fn send(&mut self, _link: &(), datagram: &[u8]) -> Sent {
        self.datagrams.push((self.now_ns, datagram.to_vec()));
        Sent::Done
    }
}

impl Net {
    /// What was heard, and when each 20 ms of it left.
    fn heard(self) -> (Vec<f32>, Vec<u64>) {
        let opener = RtpOpener::new(MODE, &KEY);
        let mut decoder = Decoder::new().unwrap();
        let (mut heard, mut times) = (Vec::new(), Vec::new());
        for (at, mut packet) in self.datagrams {
            let opened = opener.open(&mut packet).unwrap();
            let mut block = SILENT_BLOCK;
            decoder.decode(&packet[opened.payload], &mut block).unwrap();
            heard.extend(block);
            times.push(at);
        }
        (heard, times)
    }
}

fn item(media: mynah_media::Media) -> Item {
    Item {
        id: ID,
        media,
        first_frame: 0,
        level: crate::loudness::Level::default(),
        _in_use: Input::File(Arc::default()),
    }
}

/// Two tones, 300 Hz and 5 kHz, in float.
fn tones(frames: usize) -> Vec<f32> {
    let tone = |n: usize, hz: f64| (n as f64 / 48_000.0 * hz * std::f64::consts::TAU).sin();
    (0..frames)
        .flat_map(|n| [(0.2 * tone(n, 300.0) + 0.1 * tone(n, 5000.0)) as f32; 2])
        .collect()
}

fn wav(frames: usize) -> Item {
    let mut out = wav::WavWriter::new(std::io::Cursor::new(Vec::new()), wav::Format::F32).unwrap();
    out.write(&tones(frames)).unwrap();
    let bytes = out.finish().unwrap().into_inner();
    item(mynah_media::open_bytes("x.wav", bytes, &OpenOptions::default()).unwrap())
}

fn opus(frames: usize) -> Item {
    let config = EncoderConfig::default();
    let mut encoder = Encoder::new(config).unwrap();
    let head = ogg::Head::default();
    let mut writer = ogg::OpusWriter::new(vec![], 7, head, &ogg::Tags::default()).unwrap();
    for samples in tones(frames).chunks_exact(FRAMES * CHANNELS) {
        let mut packet = vec![0; 1275];
        let len = encoder
            .encode(samples.try_into().unwrap(), &mut packet)
            .unwrap();
        writer.packet(&packet[..len]).unwrap();
    }
    let file = writer.finish().unwrap();
    item(mynah_media::open_bytes("x.opus", file, &OpenOptions::default()).unwrap())
}

/// A listener, and the track that plays to them.
struct Stage {
    wheel: mynah_pulse::Wheel<()>,
    handle: PulseHandle<()>,
    session: SessionKey,
    net: Net,
    fill: Fill,
    progress: Arc<Progress>,
    _janitor: mynah_pulse::Janitor<()>,
}

impl Stage {
    fn new(item: Item, filters: FilterSpec) -> Self {
        let (wheel, handle, janitor) = by_hand(0);
        let mix = MixConfig {
            bitrate_bps: 256_000,
            complexity: 5,
        };
        let session = handle.open(mix).unwrap();
        let transport = Transport {
            socket: (),
            sealer: RtpSealer::new(MODE, &KEY, 0),
            sender: Sender::Plain,
            ssrc: Ssrc(1),
            first_sequence: 0,
            first_timestamp: 0,
        };
        handle.attach(session, transport);
        let (mut fill, reader, progress) = Fill::new(item, Repeat::Off, filters);
        fill.put(RING_BLOCKS);
        handle.play(session, VOICE, reader, TrackOptions::default());
        Self {
            wheel,
            handle,
            session,
            net: Net::default(),
            fill,
            progress,
            _janitor: janitor,
        }
    }

    /// So many 20 ms; the ring is kept as full as it goes.
    fn play(&mut self, blocks: usize) {
        for _ in 0..blocks {
            self.tick(1);
            self.fill.put(RING_BLOCKS);
        }
    }

    /// So many 20 ms of what there is.
    fn tick(&mut self, blocks: usize) {
        for _ in 0..4 * blocks {
            self.net.now_ns = self.wheel.step(&mut self.net);
        }
    }

    fn set(&mut self, spec: &FilterSpec) {
        if let Some((ring, at)) = self.fill.change(spec) {
            self.handle.swap(self.session, VOICE, ring, at);
        }
    }

    fn passed(&self) -> u64 {
        self.handle
            .stats()
            .session(self.session)
            .unwrap()
            .frames_passed
    }
}

fn low_pass() -> FilterSpec {
    FilterSpec {
        low_pass: Some(LowPass { smoothing: 20.0 }),
        ..FilterSpec::default()
    }
}

/// Amplitude of 5 kHz in 10 ms from frame `at` on, left.
fn treble(heard: &[f32], at: usize) -> f64 {
    let (mut re, mut im) = (0.0, 0.0);
    for (n, frame) in heard.chunks_exact(2).skip(at).take(480).enumerate() {
        let turn = n as f64 * 5000.0 / 48_000.0 * std::f64::consts::TAU;
        re += f64::from(frame[0]) * turn.cos();
        im += f64::from(frame[0]) * turn.sin();
    }
    re.hypot(im) * 2.0 / 480.0
}

/// Where, in frames of what is heard, the packets that leave from a time on begin.
fn frame_at(times: &[u64], from_ns: u64) -> usize {
    times.iter().take_while(|at| **at < from_ns).count() * FRAMES
}

#[test]
fn an_effect_is_heard_within_40_ms_and_gone_within_40_ms_without_a_click() {
    for is_opus in [false, true] {
        for wakes in 0..4 {
            let mut stage = Stage::new(
                if is_opus {
                    opus(48_000 * 6)
                } else {
                    wav(48_000 * 6)
                },
                FilterSpec::default(),
            );
            stage.play(100);
            for _ in 0..wakes {
                stage.net.now_ns = stage.wheel.step(&mut stage.net);
            }
            let on = stage.net.now_ns;
            stage.set(&low_pass());
            stage.play(60);
            let off = stage.net.now_ns;
            stage.set(&FilterSpec::default());
            stage.play(60);
            let before = stage.passed();
            stage.play(20);
            if is_opus {
                assert_eq!(stage.passed() - before, 20, "packets go through again");
            }
            let position = stage.progress.position(ID).as_millis();
            let (heard, times) = stage.net.heard();
            let played = (heard.len() / CHANNELS / 48) as u128;
            assert!(position.abs_diff(played) <= 40, "{position} of {played}");
            // A packet holds what is heard from its start on, but the codec's look-ahead later.
            let late = |from_ns| frame_at(&times, from_ns + 40_000_000) + 312;
            let loud = treble(&heard, frame_at(&times, on) - 960);
            assert!((0.08..0.12).contains(&loud), "{loud}");
            let dull = treble(&heard, late(on) + 480);
            assert!(dull < 0.02, "{dull} of {loud}, {wakes} wakes later");
            let again = treble(&heard, late(off) + 480);
            assert!((again - loud).abs() < 0.01, "{again} instead of {loud}");
            let click = measure::largest_step(&heard) / measure::largest_step(&tones(48_000));
            assert!(click < 1.25, "a step {click} times that of the sound");
        }
    }
}

#[test]
fn a_faster_song_is_shorter_and_its_position_is_that_of_the_file() {
    let faster = FilterSpec {
        timescale: Some(Timescale {
            speed: 1.25,
            ..Timescale::default()
        }),
        ..FilterSpec::default()
    };
    let mut events = Vec::new();
    let mut stage = Stage::new(wav(48_000 * 4), FilterSpec::default());
    let mut told = stage.handle.events().unwrap();
    stage.play(50);
    stage.set(&faster);
    stage.play(80);
    // A second as it is and 1.6 s a quarter faster; the last block is heard a little later.
    let position = stage.progress.position(ID).as_secs_f64();
    assert!((position - 3.0).abs() < 0.05, "{position}");
    stage.set(&FilterSpec::default());
    stage.play(20);
    let position = stage.progress.position(ID).as_secs_f64();
    assert!((position - 3.4).abs() < 0.06, "{position}");
    stage.play(60);
    events.extend(std::iter::from_fn(|| told.poll()).map(|event| event.kind));
    let Some(EventKind::Ended { frames_played, .. }) = events.last() else {
        panic!("{events:?}");
    };
    let seconds = *frames_played as f64 / 48_000.0;
    assert!((seconds - 3.6).abs() < 0.03, "{seconds}");
    assert_eq!(stage.progress.failure(ID), None);
}

#[test]
fn a_knob_that_is_turned_all_the_time_loses_no_place_and_does_not_click() {
    let mut stage = Stage::new(wav(48_000 * 5), FilterSpec::default());
    stage.play(20);
    for turn in 0..60u8 {
        let spec = FilterSpec {
            low_pass: Some(LowPass {
                smoothing: 2.0 + f32::from(turn % 7),
            }),
            ..FilterSpec::default()
        };
        // Sometimes twice before the tick has seen the first.
        stage.set(&spec);
        if turn % 3 == 0 {
            stage.set(&low_pass());
        }
        stage.play(usize::from(turn % 3));
    }
    stage.set(&FilterSpec::default());
    stage.play(40);
    let position = stage.progress.position(ID);
    let (heard, _) = stage.net.heard();
    let played = Duration::from_millis((heard.len() / CHANNELS / 48) as u64);
    assert!(
        position.abs_diff(played) < Duration::from_millis(45),
        "{position:?} {played:?}"
    );
    let click = measure::largest_step(&heard) / measure::largest_step(&tones(48_000));
    assert!(click < 1.25, "a step {click} times that of the sound");
    // Nothing is left out or doubled: the end stands where it does without all that.
    let end = heard.len() - 20 * FRAMES * CHANNELS;
    let truth = tones(48_000 * 5);
    let at = measure::align(&heard[end..], &truth[end - 9_600 * CHANNELS..], 19_200).unwrap();
    assert!(at.correlation > 0.95, "{at:?}");
}

#[test]
fn a_ring_that_runs_dry_before_the_next_one_is_handed_over_only_waits_for_it() {
    let mut stage = Stage::new(wav(48_000 * 5), FilterSpec::default());
    let mut told = stage.handle.events().unwrap();
    stage.play(5);
    // The machine is slow: the tick plays everything there was, and then some, before it learns of the
    // next ring; and of the one after that it learns first.
    let first = stage.fill.change(&low_pass()).unwrap();
    stage.tick(2 * RING_BLOCKS);
    let second = stage.fill.change(&FilterSpec::default()).unwrap();
    stage.tick(RING_BLOCKS);
    drop(first);
    let (ring, at) = second;
    stage.handle.swap(stage.session, VOICE, ring, at);
    stage.play(10);
    let events: Vec<_> = std::iter::from_fn(|| told.poll())
        .map(|event| event.kind)
        .collect();
    assert!(
        !events
            .iter()
            .any(|event| matches!(event, EventKind::Broken { .. })),
        "{events:?}"
    );
    assert!(
        matches!(events.last(), Some(EventKind::Recovered(_))),
        "{events:?}"
    );
}
