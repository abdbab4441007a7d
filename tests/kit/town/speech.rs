//! What people say, and how it comes to the bot's plugins.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use mynah_audio::{Encoder, EncoderConfig, FRAMES, SAMPLE_RATE_HZ, SAMPLES};
use mynah_engine::ear::{Heard, Packet, Voice};
use mynah_host::Listens;
use mynah_wire::{Ssrc, UserId};

/// Ticks a tap holds, as the bot's own: 1 s.
const MAX_HELD: usize = 50;
/// The longest Opus frame (RFC 6716 section 3.2.1).
const MAX_PACKET_BYTES: usize = 1275;

/// What somebody says.
#[derive(Clone, Debug, PartialEq)]
pub enum Said {
    /// A sine tone.
    Tone {
        /// Frequency in Hz.
        hz: f64,
        /// Amplitude, 0 to 1.
        amplitude: f32,
    },
    /// Samples, 48 kHz, left and right in turns; silence after their end.
    Samples(Arc<[f32]>),
}

impl Said {
    /// A tone at a quarter of full scale.
    #[must_use]
    pub const fn tone(hz: f64) -> Self {
        Self::Tone {
            hz,
            amplitude: 0.25,
        }
    }

    fn block(&self, first_frame: usize) -> [f32; SAMPLES] {
        match self {
            Self::Tone { hz, amplitude } => core::array::from_fn(|at| {
                let frame = (first_frame + at / 2) as f64;
                let turn = frame * hz / f64::from(SAMPLE_RATE_HZ) * std::f64::consts::TAU;
                turn.sin() as f32 * amplitude
            }),
            Self::Samples(samples) => core::array::from_fn(|at| {
                let sample = samples.get(first_frame * 2 + at);
                sample.copied().unwrap_or(0.0)
            }),
        }
    }
}

/// Somebody who speaks.
pub(super) struct Speaker {
    said: VecDeque<(Said, usize)>,
    /// Blocks of the first one that were heard.
    at: usize,
    position: u64,
    sequence: u16,
    ssrc: Ssrc,
    encoder: Option<Encoder>,
    pub(super) is_on: bool,
}

impl Speaker {
    /// Somebody who has said nothing yet.
    pub(super) fn new(ssrc: Ssrc) -> Self {
        Self {
            said: VecDeque::new(),
            at: 0,
            position: 0,
            sequence: 0,
            ssrc,
            encoder: None,
            is_on: false,
        }
    }

    /// Says this after everything else, for so many times 20 ms.
    pub(super) fn add(&mut self, said: Said, blocks: usize) {
        self.said.push_back((said, blocks));
    }

    /// The next 20 ms, if they speak.
    pub(super) fn next(&mut self) -> Option<[f32; SAMPLES]> {
        while let Some((said, blocks)) = self.said.front() {
            if self.at < *blocks {
                let block = said.block(self.at * FRAMES);
                self.at += 1;
                return Some(block);
            }
            self.said.pop_front();
            self.at = 0;
        }
        None
    }

    /// The same as the bot hears it.
    pub(super) fn say(
        &mut self,
        user: UserId,
        block: &[f32; SAMPLES],
        now: std::time::Instant,
    ) -> (Voice, Packet) {
        let mut bytes = vec![0; MAX_PACKET_BYTES];
        if self.encoder.is_none() {
            self.encoder = Encoder::new(EncoderConfig::default()).ok();
        }
        let encoder = self.encoder.as_mut();
        let len = encoder.and_then(|encoder| encoder.encode(block, &mut bytes).ok());
        bytes.truncate(len.unwrap_or(0));
        let level = mynah_audio::level::db_from_gain(mynah_audio::level::rms(block));
        let voice = Voice {
            user,
            ssrc: self.ssrc,
            pcm: Some(Arc::new(*block)),
            level_dbfs: level.clamp(-100.0, 0.0),
            is_speech: true,
            conceals: false,
            position: self.position,
            lost: 0,
        };
        let packet = Packet {
            user: Some(user),
            lane: None,
            ssrc: self.ssrc,
            sequence: self.sequence,
            timestamp: self.position as u32,
            arrival: now,
            payload: bytes.into(),
            unopened: false,
        };
        self.position += FRAMES as u64;
        self.sequence = self.sequence.wrapping_add(1);
        (voice, packet)
    }
}

/// What a plugin's listening reads.
#[derive(Default)]
pub(super) struct Tap {
    held: Mutex<(VecDeque<Heard>, u32)>,
    pub(super) is_over: AtomicBool,
    pub(super) is_dropped: AtomicBool,
}

/// The plugin's end of it.
pub(super) struct Reader(pub(super) Arc<Tap>);

impl Listens for Reader {
    fn next(&mut self) -> Option<Heard> {
        let mut held = self.0.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.0.pop_front()
    }

    fn is_over(&self) -> bool {
        self.0.is_over.load(Ordering::Relaxed)
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.0.is_dropped.store(true, Ordering::Relaxed);
    }
}

impl Tap {
    /// Adds 20 ms; when it is full they are lost, and that is told.
    pub(super) fn put(&self, mut heard: Heard) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if held.0.len() >= MAX_HELD {
            held.1 += 1;
            return;
        }
        heard.lost_before = std::mem::take(&mut held.1);
        held.0.push_back(heard);
    }
}
