//! Packets to sound on the tick: the first moments after a track that went out as packets has to be
//! mixed, until its media thread delivers sound again.
//!
//! A decoder that begins in mid-stream needs 80 ms until it is where the listener's is (RFC 7845
//! section 4.6), so the last four packets are kept and decoded first.

use mynah_audio::codec::{MAX_FRAME_BYTES, PACKET_LEAD_FRAMES};
use mynah_audio::ramp::RAMP_FRAMES;
use mynah_audio::{Block, CHANNELS, Decoder, OpusError, SAMPLES, SILENT_BLOCK};

/// Samples from the start of a packet's sound to its block.
const LEAD: usize = PACKET_LEAD_FRAMES * CHANNELS;

/// Packets decoded before the first one wanted: 80 ms.
const PRIMING_PACKETS: usize = 4;

/// A concealed length that libopus knows (a multiple of 2.5 ms), not shorter than the lead.
const CONCEALED: usize = 480 * CHANNELS;
const _: () = assert!(LEAD <= CONCEALED && CONCEALED <= SAMPLES);

/// A packet that has been played.
struct Kept {
    len: usize,
    bytes: [u8; MAX_FRAME_BYTES],
}

/// Decodes packets of a track. 28 kB of libopus beside its own size.
pub(crate) struct Unpacker {
    decoder: Decoder,
    /// The packets before the next one, in a circle; the oldest stands at `oldest`.
    kept: [Kept; PRIMING_PACKETS],
    oldest: usize,
    count: usize,
    /// What the packet decoded last sounds like.
    sound: Block,
    /// The number of that packet, while the decoder stands behind it.
    at: Option<u64>,
    decoded: u64,
}

impl Unpacker {
    /// Control side: allocates.
    pub(crate) fn new() -> Result<Self, OpusError> {
        let none = || Kept {
            len: 0,
            bytes: [0; MAX_FRAME_BYTES],
        };
        Ok(Self {
            decoder: Decoder::new()?,
            kept: std::array::from_fn(|_| none()),
            oldest: 0,
            count: 0,
            sound: SILENT_BLOCK,
            at: None,
            decoded: 0,
        })
    }

    /// Packets decoded so far. *Tick-safe.*
    pub(crate) fn decoded_packets(&self) -> u64 {
        self.decoded
    }

    /// A slot was played, with this packet. Without one the stream is broken off. *Tick-safe.*
    pub(crate) fn keep(&mut self, packet: Option<&[u8]>) {
        let Some(packet) = packet else {
            self.count = 0;
            self.at = None;
            return;
        };
        let at = (self.oldest + self.count) % PRIMING_PACKETS;
        if let Some(kept) = self.kept.get_mut(at) {
            kept.len = packet.len().min(MAX_FRAME_BYTES);
            kept.bytes
                .iter_mut()
                .zip(packet)
                .for_each(|(to, from)| *to = *from);
        }
        if self.count < PRIMING_PACKETS {
            self.count += 1;
        } else {
            self.oldest = (self.oldest + 1) % PRIMING_PACKETS;
        }
    }

    /// Writes the block of packet number `no`, which comes after those kept; its end is the start of
    /// the `next` one. *Tick-safe.*
    pub(crate) fn block(&mut self, no: u64, packet: &[u8], next: Option<&[u8]>, out: &mut Block) {
        if self.at != Some(no) {
            if self.at.is_none() || self.at.map(|at| at + 1) != Some(no) {
                self.prime();
            }
            self.decode(packet);
            self.at = Some(no);
        }
        self.begin_block(out);
        self.end_block(next.map(|next| (no + 1, next)), out);
    }

    /// Writes the block of the packet before number `no`, whose end is the start of `front`; false
    /// when no packet is known. *Tick-safe.*
    pub(crate) fn recall(&mut self, no: u64, front: Option<&[u8]>, out: &mut Block) -> bool {
        if self.count == 0 {
            return false;
        }
        self.prime();
        self.begin_block(out);
        self.end_block(front.map(|front| (no, front)), out);
        true
    }

    /// Decodes what is kept, from the oldest on.
    fn prime(&mut self) {
        // An old state would only be heard for 80 ms more.
        let _unlikely = self.decoder.reset();
        for step in 0..self.count {
            let at = (self.oldest + step) % PRIMING_PACKETS;
            let Self {
                decoder,
                kept,
                sound,
                decoded,
                ..
            } = self;
            if let Some(kept) = kept.get(at) {
                let bytes = kept.bytes.get(..kept.len).unwrap_or_default();
                decode(decoder, bytes, sound, decoded);
            }
        }
    }

    fn decode(&mut self, packet: &[u8]) {
        decode(
            &mut self.decoder,
            packet,
            &mut self.sound,
            &mut self.decoded,
        );
    }

    /// The part that the decoded packet itself gives.
    fn begin_block(&self, out: &mut Block) {
        let own = self.sound.get(LEAD..).unwrap_or_default();
        out.iter_mut().zip(own).for_each(|(to, from)| *to = *from);
    }

    /// The part that the packet after it gives, or a fade of what might have come.
    fn end_block(&mut self, next: Option<(u64, &[u8])>, out: &mut Block) {
        let end = out.get_mut(SAMPLES - LEAD..).unwrap_or_default();
        if let Some((no, packet)) = next {
            self.decode(packet);
            self.at = Some(no);
            end.iter_mut()
                .zip(&self.sound)
                .for_each(|(to, from)| *to = *from);
            return;
        }
        self.at = None;
        end.fill(0.0);
        let room = self.sound.get_mut(..CONCEALED).unwrap_or_default();
        if self.decoder.conceal(room).is_err() {
            return;
        }
        let gains = (0..RAMP_FRAMES).rev();
        let frames = end
            .chunks_exact_mut(CHANNELS)
            .zip(room.chunks_exact(CHANNELS));
        for ((to, from), left) in frames.zip(gains) {
            let gain = left as f32 / RAMP_FRAMES as f32;
            to.iter_mut()
                .zip(from)
                .for_each(|(to, from)| *to = *from * gain);
        }
    }
}

/// Decodes 20 ms into `sound`; silence where libopus refuses.
fn decode(decoder: &mut Decoder, packet: &[u8], sound: &mut Block, decoded: &mut u64) {
    *decoded += 1;
    if decoder.decode(packet, sound).is_err() {
        sound.fill(0.0);
    }
}
