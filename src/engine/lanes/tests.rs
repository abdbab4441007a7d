//! A mix on a wheel in virtual time: what its lanes say against what a listener hears.

use std::collections::BTreeMap;

use mynah_audio::{Decoder, Encoder, EncoderConfig, FRAMES, SAMPLES, SILENT_BLOCK};
use mynah_pulse::{
    Janitor, MixConfig, PulseHandle, Sender, Sent, SessionKey, TrackOptions, Transmit, Transport,
    Wheel, by_hand, packet_ring, ring,
};
use mynah_session::transport::{RtpOpener, RtpSealer};
use mynah_wire::{EncryptionMode, Ssrc};

use super::*;

const MS: u64 = 1_000_000;
const MODE: EncryptionMode = EncryptionMode::Aes256GcmRtpSize;
const KEY: [u8; 32] = [3; 32];

/// Clock and network.
#[derive(Default)]
struct Air {
    now_ns: u64,
    /// Timestamp and frame of all that was sent.
    sent: Vec<(u64, Vec<u8>)>,
}

impl Transmit for Air {
    type Link = ();

    fn now_ns(&mut self) -> u64 {
        self.now_ns
    }

    fn send(&mut self, (): &(), datagram: &[u8]) -> Sent {
        let mut bytes = datagram.to_vec();
        let opened = RtpOpener::new(MODE, &KEY).open(&mut bytes).unwrap();
        self.sent.push((
            opened.header.timestamp.into(),
            bytes[opened.payload].to_vec(),
        ));
        Sent::Done
    }
}

struct Rig {
    wheel: Wheel<()>,
    handle: PulseHandle<()>,
    _janitor: Janitor<()>,
    air: Air,
    mix: SessionKey,
    reader: LaneReader,
    coder: Coder,
    epoch: Instant,
    packets: Vec<LanePacket>,
}

impl Rig {
    fn new() -> Self {
        let (wheel, handle, janitor) = by_hand(0);
        let mix = handle
            .open(MixConfig {
                bitrate_bps: 128_000,
                complexity: 5,
            })
            .unwrap();
        handle.attach(
            mix,
            Transport {
                socket: (),
                sealer: RtpSealer::new(MODE, &KEY, 0),
                sender: Sender::Plain,
                ssrc: Ssrc(1),
                first_sequence: 0,
                first_timestamp: 0,
            },
        );
        let reader = handle.listen_lanes(mix);
        Self {
            wheel,
            handle,
            _janitor: janitor,
            air: Air::default(),
            mix,
            reader,
            coder: Coder::default(),
            epoch: clock::now(),
            packets: Vec::new(),
        }
    }

    fn run_ms(&mut self, ms: u64) {
        let end = self.air.now_ns + ms * MS;
        while self.air.now_ns < end {
            let next = self.wheel.step(&mut self.air);
            self.air.now_ns = next.max(self.air.now_ns);
            if self.air.now_ns.is_multiple_of(20 * MS) {
                self.look(false);
            }
        }
    }

    /// What the thread does every 20 ms.
    fn look(&mut self, over: bool) {
        let epoch = self.epoch;
        let at = move |ns| epoch + Duration::from_nanos(ns);
        let (out, packets) = std::sync::mpsc::channel();
        let mut sink: LaneSink = Box::new(move |packet| out.send(packet).is_ok());
        assert!(self.coder.read(&mut self.reader, at, &mut sink));
        assert!(self.coder.idle(at(self.air.now_ns), over, &mut sink));
        drop(sink);
        self.packets.extend(packets);
    }

    fn play(&self, track: u64, lane: Lane, blocks: usize, song: impl Fn(usize) -> f32) {
        let (mut writer, reader) = ring(blocks);
        for b in 0..blocks {
            assert!(writer.put(|block| {
                let frames = block.chunks_exact_mut(2).enumerate();
                frames.for_each(|(i, frame)| frame.fill(song(b * FRAMES + i)));
            }));
        }
        writer.finish();
        let options = TrackOptions {
            lane,
            ..TrackOptions::default()
        };
        let track = mynah_pulse::TrackId(track);
        self.handle.play(self.mix, track, reader, options);
    }

    /// The packets of a lane by the timestamp that the mix's packets would have had.
    fn lane(&self, lane: Lane) -> Vec<(u64, Vec<u8>)> {
        let mine = self.packets.iter().filter(|packet| packet.lane == lane);
        let first = self.first_tick();
        mine.map(|packet| {
            let since = packet.timestamp.wrapping_sub(first);
            (since.into(), packet.payload.to_vec())
        })
        .collect()
    }

    /// The timestamp of the tick in which timestamps of the mix are 0.
    fn first_tick(&self) -> u32 {
        let all = self.packets.iter();
        let earliest = all.min_by_key(|packet| packet.timestamp).unwrap();
        earliest.timestamp.wrapping_sub(self.air.sent[0].0 as u32)
    }
}

/// What a decoder hears, left channel, gaps as silence.
fn decode(packets: &[(u64, Vec<u8>)], frames: usize) -> Vec<f32> {
    let by_tick: BTreeMap<u64, &Vec<u8>> = packets.iter().map(|(at, frame)| (*at, frame)).collect();
    let mut decoder = Decoder::new().unwrap();
    let mut out = vec![0.0; frames];
    for (at, frame) in by_tick {
        let mut pcm = [0.0; SAMPLES];
        assert_eq!(decoder.decode(frame, &mut pcm).unwrap(), FRAMES);
        let left = pcm.iter().step_by(2);
        let room = out.iter_mut().skip(at as usize);
        room.zip(left).for_each(|(to, from)| *to = *from);
    }
    out
}

/// How far `part` is below `whole` where they differ, dB.
fn likeness_db(whole: &[f32], part: &[f32]) -> f64 {
    let power = |samples: &mut dyn Iterator<Item = f32>| -> f64 {
        samples.map(|s| f64::from(s).powi(2)).sum()
    };
    let off = power(&mut whole.iter().zip(part).map(|(a, b)| a - b));
    10.0 * (power(&mut whole.iter().copied()) / off.max(1e-12)).log10()
}

fn tone(hz: f64, n: usize) -> f32 {
    (n as f64 * hz * std::f64::consts::TAU / 48_000.0).sin() as f32 * 0.25
}

#[test]
fn lanes_decoded_and_added_are_what_the_listener_heard_to_the_sample() {
    let mut rig = Rig::new();
    rig.play(1, Lane::Bed, 60, |n| tone(440.0, n));
    rig.run_ms(400);
    rig.play(2, Lane::Speech, 20, |n| tone(1300.0, n));
    rig.run_ms(600);
    // The music ends, and later an effect comes alone.
    rig.run_ms(1000);
    rig.play(3, Lane::Fx, 10, |n| tone(800.0, n));
    rig.run_ms(1000);
    let frames = 170 * FRAMES;
    let heard = decode(&rig.air.sent, frames);
    let lanes = [Lane::Bed, Lane::Speech, Lane::Fx].map(|lane| rig.lane(lane));
    // Its blocks, and one with what the encoder still held.
    assert_eq!(lanes.each_ref().map(Vec::len), [61, 21, 11]);
    assert!(rig.lane(Lane::Notice).is_empty());
    let mut sum = vec![0.0; frames];
    for lane in &lanes {
        let sound = decode(lane, frames);
        sum.iter_mut().zip(sound).for_each(|(a, b)| *a += b);
    }
    let likeness = likeness_db(&heard, &sum);
    assert!(likeness > 20.0, "{likeness:.1} dB");
    // Where it is one sample off it is far less.
    assert!(likeness_db(&heard[1..], &sum) < likeness - 3.0);
}

#[test]
fn packets_stay_as_they_are_and_the_way_to_the_encoder_has_no_seam() {
    let mut rig = Rig::new();
    let (mut writer, reader) = packet_ring(80);
    let mut encoder = Encoder::new(EncoderConfig::default()).unwrap();
    let mut packets = Vec::new();
    for b in 0..70 {
        let mut block = SILENT_BLOCK;
        let frames = block.chunks_exact_mut(2).enumerate();
        frames.for_each(|(i, frame)| frame.fill(tone(440.0, b * FRAMES + i)));
        let mut room = [0; 1275];
        let length = encoder.encode(&block, &mut room).unwrap();
        assert!(writer.commit_packet(&room[..length]));
        packets.push(room[..length].to_vec());
    }
    let track = mynah_pulse::TrackId(1);
    rig.handle
        .play(rig.mix, track, reader, TrackOptions::default());
    rig.run_ms(600);
    rig.handle.gain(rig.mix, track, 0.9);
    rig.run_ms(600);
    let lane = rig.lane(Lane::Bed);
    let as_they_are = lane.iter().zip(&packets);
    let as_they_are = as_they_are.take_while(|((_, a), b)| a == *b).count();
    assert!((25..35).contains(&as_they_are), "{as_they_are} packets");
    // The lane's encoder is set up like the mix's here: what it is told is the same to the bit.
    assert!(
        lane == rig.air.sent,
        "there is a seam after {as_they_are} packets"
    );
}

#[test]
fn a_lane_that_is_cut_off_ends_and_sequences_and_times_go_on() {
    let mut rig = Rig::new();
    rig.play(1, Lane::Notice, 200, |n| tone(300.0, n));
    rig.run_ms(300);
    rig.handle.sender(rig.mix, Sender::Hold);
    rig.run_ms(600);
    let before = rig.packets.len();
    assert_eq!(rig.packets.last().unwrap().payload.len().min(4), 4);
    rig.handle.sender(rig.mix, Sender::Plain);
    rig.run_ms(300);
    assert!(rig.packets.len() > before + 10);
    let sequences = rig.packets.iter().map(|packet| packet.sequence);
    assert!(sequences.eq(0..rig.packets.len() as u16));
    for pair in rig.packets.windows(2) {
        let step = pair[1].timestamp.wrapping_sub(pair[0].timestamp);
        let time = pair[1].sent - pair[0].sent;
        assert_eq!(step % 960, 0);
        let by_clock = time.as_micros() * 48 / 1000;
        assert!(by_clock.abs_diff(u128::from(step)) <= 250, "{pair:?}");
    }
    rig.run_ms(40);
    let before = rig.packets.len();
    rig.look(true);
    assert_eq!(rig.packets.len(), before + 1, "what the encoder held");
}

#[test]
fn the_thread_takes_mixes_and_ends_with_its_owner() {
    let lanes = Lanes::start().unwrap();
    let (wheel, handle, janitor) = by_hand::<()>(0);
    let mix = handle
        .open(MixConfig {
            bitrate_bps: 64_000,
            complexity: 1,
        })
        .unwrap();
    let (dropped, is_dropped) = std::sync::mpsc::channel::<()>();
    let sink: LaneSink = Box::new(move |_| dropped.send(()).is_ok());
    assert!(lanes.read(handle.listen_lanes(mix), sink));
    // The mix goes, and with it the thread's part of it.
    drop((wheel, janitor, handle));
    assert!(is_dropped.recv().is_err());
    drop(lanes);
}
