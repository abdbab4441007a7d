//! The packet buffer: every byte is written once, where it will be sent from.
//!
//! ```text
//! 0        12                    12+n          +24      +16    +24
//! │ header │ Opus frame, n bytes │ frame trailer │ tag   │ nonce │   ≤ 1460
//! ```
//! The encoder writes to offset 12, a sealed frame grows at its end (the DAVE trailer, dave.md
//! section 7), and the transport sealer adds tag and nonce behind that (voice.md section 8). Between
//! the two the packet waits for its deadline with a frame that is still plain.

use mynah_audio::SILENCE;
use mynah_audio::codec::MAX_FRAME_BYTES;
use mynah_dave::frame::MAX_OVERHEAD_BYTES as FRAME_TRAILER_ROOM;
use mynah_wire::rtp::{FIXED_HEADER_LEN, Header, MAX_PACKET_BYTES};

/// Tag and the longest nonce on the wire (`xsalsa20_poly1305_suffix`).
const SEAL_ROOM: usize = 16 + 24;

const _: () = assert!(
    FIXED_HEADER_LEN + MAX_FRAME_BYTES + FRAME_TRAILER_ROOM + SEAL_ROOM <= MAX_PACKET_BYTES,
    "the largest Opus frame must fit with everything around it"
);

/// One datagram in the making. Lives in its session, is allocated once.
pub(crate) struct Packet {
    bytes: [u8; MAX_PACKET_BYTES],
    frame_len: usize,
    tick: u64,
    len: usize,
}

impl Packet {
    pub(crate) const fn new() -> Self {
        Self {
            bytes: [0; MAX_PACKET_BYTES],
            frame_len: 0,
            tick: 0,
            len: 0,
        }
    }

    /// Where the encoder writes. *Tick-safe.*
    pub(crate) fn frame_room(&mut self) -> &mut [u8] {
        let room = FIXED_HEADER_LEN..FIXED_HEADER_LEN + MAX_FRAME_BYTES;
        self.bytes.get_mut(room).unwrap_or_default()
    }

    /// Writes the silence frame where the encoder would have written and returns its length.
    /// *Tick-safe.*
    pub(crate) fn put_silence(&mut self) -> usize {
        let room = self.frame_room();
        for (to, from) in room.iter_mut().zip(SILENCE) {
            *to = from;
        }
        SILENCE.len()
    }

    /// Says how long the frame is, and the tick it was made for. *Tick-safe.*
    pub(crate) fn set_frame(&mut self, len: usize, tick: u64) {
        self.frame_len = len.min(MAX_FRAME_BYTES);
        self.tick = tick;
    }

    /// The frame, while it is still plain. *Tick-safe.*
    pub(crate) fn frame(&self) -> &[u8] {
        let at = FIXED_HEADER_LEN..FIXED_HEADER_LEN + self.frame_len;
        self.bytes.get(at).unwrap_or_default()
    }

    /// Length of the plain frame. *Tick-safe.*
    pub(crate) fn frame_len(&self) -> usize {
        self.frame_len
    }

    /// The tick the frame was made for. *Tick-safe.*
    pub(crate) fn tick(&self) -> u64 {
        self.tick
    }

    /// The frame, and room for what sealing adds to it. *Tick-safe.*
    pub(crate) fn sealed_room(&mut self) -> &mut [u8] {
        let end = FIXED_HEADER_LEN + MAX_FRAME_BYTES + FRAME_TRAILER_ROOM;
        self.bytes
            .get_mut(FIXED_HEADER_LEN..end)
            .unwrap_or_default()
    }

    /// Writes the clear header. *Tick-safe.*
    pub(crate) fn put_header(&mut self, header: Header) {
        for (to, from) in self.bytes.iter_mut().zip(header.write()) {
            *to = from;
        }
    }

    /// The whole buffer, for sealing in place. *Tick-safe.*
    pub(crate) fn buffer(&mut self) -> &mut [u8] {
        &mut self.bytes
    }

    /// Says how long the finished datagram is. *Tick-safe.*
    pub(crate) fn set_len(&mut self, len: usize) {
        self.len = len.min(MAX_PACKET_BYTES);
    }

    /// The finished datagram. *Tick-safe.*
    pub(crate) fn datagram(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mynah_wire::Ssrc;

    #[test]
    fn header_and_frame_lie_where_the_protocol_page_puts_them() {
        let mut packet = Packet::new();
        let len = packet.put_silence();
        packet.put_header(Header::opus(1, 960, Ssrc(1)));
        packet.set_len(FIXED_HEADER_LEN + len);
        let expected = [
            0x80, 0x78, 0, 1, 0, 0, 3, 0xC0, 0, 0, 0, 1, 0xF8, 0xFF, 0xFE,
        ];
        assert_eq!(packet.datagram(), expected);
    }

    #[test]
    fn the_encoder_has_room_for_the_largest_frame() {
        assert_eq!(Packet::new().frame_room().len(), MAX_FRAME_BYTES);
    }
}
