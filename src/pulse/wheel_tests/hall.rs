//! Several wheels on one clock, stepped by hand in any order.

use mynah_audio::{Decoder, FRAMES, SAMPLES};
use mynah_session::transport::{RtpOpener, RtpSealer};
use mynah_testkit::alloc::in_tick;
use mynah_wire::Ssrc;

use super::rig::{Heard, KEY, MODE, MS, START_NS, World};
use crate::{
    Bus, Event, EventReader, Janitor, MixConfig, PulseHandle, RingWriter, Sender, SessionKey,
    TrackId, TrackOptions, Transport, WAKE_NS, Wheel, ring, wheels_by_hand,
};

pub(super) const MIX: MixConfig = MixConfig {
    bitrate_bps: 128_000,
    complexity: 5,
};

pub(super) struct Hall {
    pub(super) wheels: Vec<Wheel<u32>>,
    pub(super) handle: PulseHandle<u32>,
    pub(super) janitor: Janitor<u32>,
    pub(super) worlds: Vec<World>,
    /// The later wheels step first.
    pub(super) backwards: bool,
    reader: EventReader,
    pub(super) news: Vec<Event>,
    now_ns: u64,
}

impl Hall {
    pub(super) fn new(wheels: u16, log: usize) -> Self {
        let (wheels, handle, janitor) = wheels_by_hand(START_NS, wheels);
        let reader = handle.events().unwrap();
        Self {
            worlds: wheels.iter().map(|_| World::new(log)).collect(),
            wheels,
            handle,
            janitor,
            backwards: false,
            reader,
            news: vec![],
            now_ns: START_NS,
        }
    }

    /// A bus that plays `song`.
    pub(super) fn bus(&self, song: impl FnMut(usize) -> f32, blocks: usize) -> (Bus, RingWriter) {
        let bus = self.handle.open_bus(MIX).unwrap();
        let writer = self.play(bus.key(), 1, song, blocks, TrackOptions::default());
        (bus, writer)
    }

    /// A session with a line of this number that is subscribed to `bus`.
    pub(super) fn listener(&self, bus: &Bus, link: u32) -> SessionKey {
        let session = self.handle.open(MIX).unwrap();
        self.handle.attach(session, line(link));
        self.handle.subscribe(session, Some(bus));
        session
    }

    pub(super) fn play(
        &self,
        session: SessionKey,
        track: u64,
        mut song: impl FnMut(usize) -> f32,
        blocks: usize,
        options: TrackOptions,
    ) -> RingWriter {
        let (mut writer, reader) = ring(blocks);
        for b in 0..blocks {
            assert!(writer.put(|block| {
                for (i, frame) in block.chunks_exact_mut(2).enumerate() {
                    frame.fill(song(b * FRAMES + i));
                }
            }));
        }
        writer.finish();
        self.handle.play(session, TrackId(track), reader, options);
        writer
    }

    /// Lets virtual time pass; every wheel is stepped at every wake.
    pub(super) fn run_ms(&mut self, ms: u64) {
        for _ in 0..ms * MS / WAKE_NS {
            self.now_ns += WAKE_NS;
            let mut order: Vec<_> = self.wheels.iter_mut().zip(&mut self.worlds).collect();
            if self.backwards {
                order.reverse();
            }
            for (wheel, io) in order {
                io.now_ns = io.now_ns.max(self.now_ns);
                in_tick(|| wheel.step(io));
            }
            while let Some(event) = self.reader.poll() {
                self.news.push(event);
            }
        }
        self.janitor.sweep();
    }

    pub(super) fn heard(&self, link: u32) -> Vec<Heard> {
        let opener = RtpOpener::new(MODE, &KEY);
        let log = self.worlds.iter().flat_map(|world| &world.log);
        let mut mine: Vec<_> = log.filter(|d| d.link == link).collect();
        // A session may have been on several of them.
        mine.sort_by_key(|datagram| datagram.at_ns);
        mine.into_iter()
            .map(|datagram| datagram.open(&opener))
            .collect()
    }

    /// The frames with sound in them that were sent over `link`.
    pub(super) fn frames(&self, link: u32) -> Vec<Vec<u8>> {
        let heard = self.heard(link).into_iter();
        let sound = heard.filter(|h| !h.is_silence());
        sound.map(|h| h.frame).collect()
    }

    /// What a listener's decoder makes of everything that was sent over `link`, left channel.
    pub(super) fn listen(&self, link: u32) -> Vec<f32> {
        let mut decoder = Decoder::new().unwrap();
        let mut pcm = [0.0; SAMPLES];
        let mut all = vec![];
        for heard in self.heard(link) {
            assert_eq!(decoder.decode(&heard.frame, &mut pcm).unwrap(), FRAMES);
            all.extend(pcm.iter().step_by(2));
        }
        all
    }
}

pub(super) fn line(link: u32) -> Transport<u32> {
    Transport {
        socket: link,
        sealer: RtpSealer::new(MODE, &KEY, 0),
        sender: Sender::Plain,
        ssrc: Ssrc(1000 + link),
        first_sequence: 0,
        first_timestamp: 0,
    }
}
