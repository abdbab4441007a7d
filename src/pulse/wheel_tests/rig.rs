//! A wheel with a fake clock, a fake network, and listeners that really open and decode.

use std::collections::HashMap;

use mynah_audio::{Decoder, Encoder, EncoderConfig, FRAMES, SAMPLES};
use mynah_dave::BaseSecret;
use mynah_dave::frame::FrameSealer;
use mynah_session::transport::{RtpOpener, RtpSealer};
use mynah_testkit::alloc::in_tick;
use mynah_wire::rtp::Header;
use mynah_wire::{EncryptionMode, Ssrc};

use crate::{
    Event, EventKind, EventReader, Janitor, MixConfig, PulseHandle, RingWriter, Sender, Sent,
    SessionKey, TrackId, TrackOptions, Transmit, Transport, WAKE_NS, Wheel, by_hand, ring,
};

pub(super) const MS: u64 = 1_000_000;
pub(super) const START_NS: u64 = 1_000 * MS;
pub(super) const FIRST_SEQUENCE: u16 = 65_530; // wraps soon
pub(super) const FIRST_TIMESTAMP: u32 = u32::MAX - 3 * 960; // so does this
pub(super) const MODE: EncryptionMode = EncryptionMode::Aes256GcmRtpSize;
pub(super) const KEY: [u8; 32] = [9; 32];
const MIX: MixConfig = MixConfig {
    bitrate_bps: 96_000,
    complexity: 1,
};

/// One datagram as the fake network saw it.
#[derive(Clone)]
pub(super) struct Datagram {
    pub(super) at_ns: u64,
    pub(super) link: u32,
    len: usize,
    bytes: [u8; 1460],
}

impl Datagram {
    pub(super) fn open(&self, opener: &RtpOpener) -> Heard {
        let mut bytes = self.bytes;
        let packet = &mut bytes[..self.len];
        let opened = opener.open(packet).unwrap();
        Heard {
            at_ns: self.at_ns,
            header: opened.header,
            frame: packet[opened.payload].to_vec(),
        }
    }
}

/// Clock and network. Never allocates while the wheel runs.
pub(super) struct World {
    pub(super) now_ns: u64,
    /// What each look at the clock costs: makes time pass while the wheel works.
    pub(super) look_costs_ns: u64,
    pub(super) answer: Sent,
    pub(super) sends: u64,
    pub(super) log: Vec<Datagram>,
}

impl World {
    /// `log` datagrams are kept, further ones only counted.
    pub(super) fn new(log: usize) -> Self {
        Self {
            now_ns: START_NS,
            look_costs_ns: 0,
            answer: Sent::Done,
            sends: 0,
            log: Vec::with_capacity(log),
        }
    }
}

impl Transmit for World {
    type Link = u32;

    fn now_ns(&mut self) -> u64 {
        self.now_ns += self.look_costs_ns;
        self.now_ns
    }

    fn send(&mut self, link: &u32, datagram: &[u8]) -> Sent {
        self.sends += 1;
        if self.log.len() < self.log.capacity() {
            let mut bytes = [0; 1460];
            bytes[..datagram.len()].copy_from_slice(datagram);
            self.log.push(Datagram {
                at_ns: self.now_ns,
                link: *link,
                len: datagram.len(),
                bytes,
            });
        }
        self.answer
    }
}

/// A packet that was opened.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Heard {
    pub(super) at_ns: u64,
    pub(super) header: Header,
    pub(super) frame: Vec<u8>,
}

impl Heard {
    pub(super) fn is_silence(&self) -> bool {
        self.frame == mynah_audio::SILENCE
    }
}

pub(super) struct Rig {
    pub(super) wheel: Wheel<u32>,
    pub(super) handle: PulseHandle<u32>,
    pub(super) janitor: Janitor<u32>,
    pub(super) io: World,
    reader: EventReader,
    pub(super) news: Vec<Event>,
    /// When the wheel wants to be stepped next.
    next_ns: u64,
}

impl Rig {
    /// `log` datagrams are kept, further ones only counted.
    pub(super) fn new(log: usize) -> Self {
        let (wheel, handle, janitor) = by_hand(START_NS);
        let reader = handle.events().unwrap();
        assert!(handle.events().is_none(), "there is one reader");
        Self {
            wheel,
            handle,
            janitor,
            io: World::new(log),
            reader,
            news: vec![],
            next_ns: START_NS,
        }
    }

    pub(super) fn open(&mut self) -> SessionKey {
        self.handle.open(MIX).unwrap()
    }

    /// A line without end-to-end encryption.
    pub(super) fn attach(&self, session: SessionKey, link: u32) {
        self.attach_as(session, link, Sender::Plain);
    }

    pub(super) fn attach_as(&self, session: SessionKey, link: u32, sender: Sender) {
        let transport = Transport {
            socket: link,
            sealer: RtpSealer::new(MODE, &KEY, 0),
            sender,
            ssrc: Ssrc(1000 + link),
            first_sequence: FIRST_SEQUENCE,
            first_timestamp: FIRST_TIMESTAMP,
        };
        self.handle.attach(session, transport);
    }

    /// A session with a line and one track of which `song` is ready in the ring.
    pub(super) fn sing(
        &mut self,
        song: impl FnMut(usize) -> f32,
        blocks: usize,
    ) -> (SessionKey, RingWriter) {
        self.sing_as(Sender::Plain, song, blocks)
    }

    pub(super) fn sing_as(
        &mut self,
        sender: Sender,
        song: impl FnMut(usize) -> f32,
        blocks: usize,
    ) -> (SessionKey, RingWriter) {
        let session = self.open();
        self.attach_as(session, 1, sender);
        let writer = self.play(session, TrackId(1), song, blocks);
        (session, writer)
    }

    pub(super) fn play(
        &mut self,
        session: SessionKey,
        track: TrackId,
        mut song: impl FnMut(usize) -> f32,
        blocks: usize,
    ) -> RingWriter {
        let (mut writer, reader) = ring(blocks.max(16));
        for b in 0..blocks {
            assert!(writer.put(|block| {
                for (i, frame) in block.chunks_exact_mut(2).enumerate() {
                    frame.fill(song(b * FRAMES + i));
                }
            }));
        }
        self.handle
            .play(session, track, reader, TrackOptions::default());
        writer
    }

    /// Lets virtual time pass, stepping the wheel whenever it asked for it.
    pub(super) fn run_ms(&mut self, ms: u64) {
        let end = self.io.now_ns + ms * MS;
        while self.next_ns <= end {
            self.io.now_ns = self.io.now_ns.max(self.next_ns);
            self.step();
        }
        self.io.now_ns = self.io.now_ns.max(end);
        while let Some(event) = self.reader.poll() {
            self.news.push(event);
        }
    }

    pub(super) fn step(&mut self) {
        let (wheel, io) = (&mut self.wheel, &mut self.io);
        self.next_ns = in_tick(|| wheel.step(io));
        assert_eq!(
            (self.next_ns - START_NS) % WAKE_NS,
            0,
            "deadlines never move"
        );
    }

    /// Time passes and nobody steps the wheel.
    pub(super) fn sleep_through_ms(&mut self, ms: u64) {
        self.io.now_ns += ms * MS;
    }

    pub(super) fn kinds(&self) -> Vec<EventKind> {
        self.news.iter().map(|e| e.kind).collect()
    }

    /// Opens everything that was sent over `link`.
    pub(super) fn heard(&self, link: u32) -> Vec<Heard> {
        let opener = RtpOpener::new(MODE, &KEY);
        let mine = self.io.log.iter().filter(|d| d.link == link);
        mine.map(|datagram| datagram.open(&opener)).collect()
    }

    /// What a listener's decoder makes of it, left channel, laid out by timestamp from the first
    /// packet on; gaps are zeros.
    pub(super) fn listen(&self, link: u32) -> Vec<f32> {
        Self::decode(&self.heard(link))
    }

    pub(super) fn decode(packets: &[Heard]) -> Vec<f32> {
        let first = packets[0].header.timestamp;
        let mut decoder = Decoder::new().unwrap();
        let mut by_tick = HashMap::new();
        let mut last = 0;
        for packet in packets {
            let tick = packet.header.timestamp.wrapping_sub(first) as usize / FRAMES;
            let mut pcm = [0.0; SAMPLES];
            assert_eq!(decoder.decode(&packet.frame, &mut pcm).unwrap(), FRAMES);
            by_tick.insert(tick, pcm);
            last = last.max(tick);
        }
        let blocks = (0..=last).map(|t| by_tick.get(&t).copied().unwrap_or([0.0; SAMPLES]));
        blocks
            .flat_map(|b| b.into_iter().step_by(2).collect::<Vec<_>>())
            .collect()
    }
}

/// The own media secret of an epoch.
pub(super) fn base(epoch: u64) -> BaseSecret {
    let mut bytes = [7; 16];
    bytes[..8].copy_from_slice(&epoch.to_le_bytes());
    BaseSecret::new(bytes)
}

/// Frames sealed in an epoch.
pub(super) fn sealed(epoch: u64) -> Sender {
    Sender::Sealed(Box::new(FrameSealer::new(&base(epoch), epoch)))
}

/// An encoder like those on the wheel.
pub(super) fn encoder() -> Encoder {
    Encoder::new(EncoderConfig {
        bitrate_bps: MIX.bitrate_bps,
        complexity: MIX.complexity,
        ..EncoderConfig::default()
    })
    .unwrap()
}

/// A sine of 440 Hz.
pub(super) fn tone(n: usize) -> f32 {
    0.5 * (n as f32 * 440.0 * std::f32::consts::TAU / 48_000.0).sin()
}
