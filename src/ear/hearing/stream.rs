//! One stream: whose it is, how it travels, and its sound where somebody wants it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use mynah_audio::{Block, Jitter, JitterConfig, JitterPacket, Pulled, SILENT_BLOCK, Speaker};
use mynah_session::receive::{HELD_PER_STREAM, HOLD_TIME};
use mynah_wire::{Ssrc, UserId};

use crate::flow::Flow;
use crate::{Voice, Want};

/// One stream.
pub(super) struct Stream {
    pub user: Option<UserId>,
    pub flow: Flow,
    pub heard_at: Instant,
    /// Made when sound is wanted.
    pub decoding: Option<Box<Decoding>>,
}

/// The way from packets to sound.
#[derive(Default)]
pub(super) struct Decoding {
    jitter: Option<Jitter>,
    speaker: Speaker,
    /// Packets of a stream that nobody has been named for: nobody hears it before, and then nothing of it
    /// is missing. As many, and for as long, as the receiver would hold them for a key.
    unnamed: VecDeque<JitterPacket>,
}

impl Decoding {
    fn jitter(&mut self) -> &mut Jitter {
        self.jitter
            .get_or_insert_with(|| Jitter::new(JitterConfig::default()))
    }

    /// How long packets wait in the jitter buffer.
    pub fn delay(&self) -> std::time::Duration {
        let jitter = self.jitter.as_ref();
        jitter.map_or_else(Default::default, |jitter| jitter.stats().delay)
    }
}

impl Stream {
    pub fn new(now: Instant) -> Self {
        Self {
            user: None,
            flow: Flow::default(),
            heard_at: now,
            decoding: None,
        }
    }

    /// Takes a packet for its sound.
    pub fn hear(&mut self, packet: JitterPacket) {
        let decoding = self.decoding.get_or_insert_default();
        if self.user.is_some() {
            // What became of it is in the buffer's own counters.
            let _ = decoding.jitter().push(packet);
            return;
        }
        if decoding.unnamed.len() >= HELD_PER_STREAM {
            decoding.unnamed.pop_front();
        }
        decoding.unnamed.push_back(packet);
    }

    /// Now it is known whose it is: what waited for that is heard, unless it is too old to be of use.
    pub fn belongs_to(&mut self, user: UserId, now: Instant) {
        self.user = Some(user);
        let Some(decoding) = &mut self.decoding else {
            return;
        };
        for packet in std::mem::take(&mut decoding.unnamed) {
            if now.saturating_duration_since(packet.arrival) < HOLD_TIME {
                let _ = decoding.jitter().push(packet);
            }
        }
    }

    /// 20 ms of it, added to `mix`; `None` when they are silent, or nobody knows whose it is.
    pub fn speak(
        &mut self,
        ssrc: Ssrc,
        now: Instant,
        want: Want,
        mix: &mut Block,
    ) -> Option<Voice> {
        let user = self.user?;
        let decoding = self.decoding.as_mut()?;
        let pulled = decoding.jitter().pull(now);
        let position = match &pulled {
            Pulled::Sound(turn) => turn.position,
            Pulled::Quiet => 0,
        };
        let mut block = SILENT_BLOCK;
        let spoken = decoding.speaker.turn(&pulled, &mut block);
        // The first quiet turn still carries the fade of the last sound.
        if pulled == Pulled::Quiet && block == SILENT_BLOCK {
            return None;
        }
        if want.mix {
            let samples = mix.iter_mut().zip(&block);
            samples.for_each(|(sum, sample)| *sum += sample);
        }
        Some(Voice {
            user,
            ssrc,
            pcm: want.pcm.then(|| Arc::new(block)),
            level_dbfs: spoken.level_dbfs,
            is_speech: spoken.is_speech,
            conceals: spoken.conceals,
            position,
            lost: u32::try_from(self.flow.lost()).unwrap_or(u32::MAX),
        })
    }
}
