//! RTP as Discord voice uses it (RFC 3550, RFC 8285; voice.md section 9).
//!
//! Nothing here allocates: the header is a small value, bodies stay in the caller's buffer.

use crate::Ssrc;

/// Length of the header without CSRCs and extension.
pub const FIXED_HEADER_LEN: usize = 12;
/// Opus at 48 kHz, two channels (voice.md section 9).
pub const PAYLOAD_TYPE_OPUS: u8 = 120;
/// The largest datagram we send or accept; stays under every common path MTU.
pub const MAX_PACKET_BYTES: usize = 1460;
/// 48 kHz clock ticks per 20 ms frame.
pub const TIMESTAMP_STEP: u32 = 960;
/// Profile of the one-byte header extension (RFC 8285 section 4.2).
pub const ONE_BYTE_PROFILE: u16 = 0xBEDE;

/// The clear part of an RTP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// P bit (0x20): the last byte of the *decrypted* body counts padding bytes.
    pub padding: bool,
    /// X bit (0x10): an extension preamble follows the CSRCs.
    pub extension: bool,
    /// Number of CSRC words, 0 to 15.
    pub csrc_count: u8,
    /// M bit.
    pub marker: bool,
    /// Payload type, 7 bits.
    pub payload_type: u8,
    /// Counts packets, wraps.
    pub sequence: u16,
    /// 48 kHz media clock, wraps.
    pub timestamp: u32,
    /// The sender's stream.
    pub ssrc: Ssrc,
}

impl Header {
    /// An Opus packet's header without CSRC, extension or padding.
    pub const fn opus(sequence: u16, timestamp: u32, ssrc: Ssrc) -> Self {
        Self {
            padding: false,
            extension: false,
            csrc_count: 0,
            marker: false,
            payload_type: PAYLOAD_TYPE_OPUS,
            sequence,
            timestamp,
            ssrc,
        }
    }

    /// Parses the fixed header; `None` when shorter than 12 bytes or not version 2.
    pub fn parse(packet: &[u8]) -> Option<Self> {
        let head: &[u8; FIXED_HEADER_LEN] = packet.get(..FIXED_HEADER_LEN)?.try_into().ok()?;
        if head[0] >> 6 != 2 {
            return None;
        }
        Some(Self {
            padding: head[0] & 0x20 != 0,
            extension: head[0] & 0x10 != 0,
            csrc_count: head[0] & 0x0F,
            marker: head[1] & 0x80 != 0,
            payload_type: head[1] & 0x7F,
            sequence: u16::from_be_bytes([head[2], head[3]]),
            timestamp: u32::from_be_bytes([head[4], head[5], head[6], head[7]]),
            ssrc: Ssrc(u32::from_be_bytes([head[8], head[9], head[10], head[11]])),
        })
    }

    /// The 12 bytes of the fixed header.
    pub const fn write(&self) -> [u8; FIXED_HEADER_LEN] {
        let first = 0x80
            | ((self.padding as u8) << 5)
            | ((self.extension as u8) << 4)
            | (self.csrc_count & 0x0F);
        let second = ((self.marker as u8) << 7) | (self.payload_type & 0x7F);
        let sequence = self.sequence.to_be_bytes();
        let timestamp = self.timestamp.to_be_bytes();
        let ssrc = self.ssrc.0.to_be_bytes();
        [
            first,
            second,
            sequence[0],
            sequence[1],
            timestamp[0],
            timestamp[1],
            timestamp[2],
            timestamp[3],
            ssrc[0],
            ssrc[1],
            ssrc[2],
            ssrc[3],
        ]
    }

    /// Bytes that stay clear and authenticated under the rtpsize modes: fixed header, CSRCs and,
    /// when the X bit is set, the 4-byte extension preamble (voice.md section 8).
    pub const fn clear_len(&self) -> usize {
        FIXED_HEADER_LEN + 4 * self.csrc_count as usize + if self.extension { 4 } else { 0 }
    }
}

/// Bytes of extension elements announced by the preamble that ends at `clear_len`; 0 without X.
/// `None` when the packet is too short to hold the preamble.
pub fn extension_bytes(packet: &[u8], header: &Header) -> Option<usize> {
    if !header.extension {
        return Some(0);
    }
    let end = header.clear_len();
    let words = packet.get(end.checked_sub(2)?..end)?;
    Some(4 * usize::from(u16::from_be_bytes(words.try_into().ok()?)))
}

/// Distance from `from` to `to` in wrapping 16-bit sequence space: positive when `to` is newer.
pub const fn sequence_distance(from: u16, to: u16) -> i16 {
    to.wrapping_sub(from) as i16
}

/// Distance from `from` to `to` in wrapping 32-bit timestamp space: positive when `to` is later.
pub const fn timestamp_distance(from: u32, to: u32) -> i32 {
    to.wrapping_sub(from) as i32
}

/// One element of a one-byte header extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Element<'a> {
    /// 1 to 14.
    pub id: u8,
    /// 1 to 16 bytes.
    pub data: &'a [u8],
}

/// Iterates over one-byte extension elements; stops at id 15 or at malformed data.
pub fn elements(mut bytes: &[u8]) -> impl Iterator<Item = Element<'_>> {
    std::iter::from_fn(move || {
        loop {
            let (&first, rest) = bytes.split_first()?;
            if first == 0 {
                bytes = rest;
                continue;
            }
            let id = first >> 4;
            if id == 15 {
                return None;
            }
            let len = usize::from(first & 0x0F) + 1;
            let (data, after) = rest.split_at_checked(len)?;
            bytes = after;
            return Some(Element { id, data });
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_matches_the_protocol_pages_example() {
        let header = Header::opus(1, 960, Ssrc(1));
        assert_eq!(
            header.write(),
            [0x80, 0x78, 0, 1, 0, 0, 3, 0xC0, 0, 0, 0, 1]
        );
        assert_eq!(Header::parse(&header.write()), Some(header));
        assert_eq!(header.clear_len(), 12);
    }

    #[test]
    fn every_flag_survives_a_round_trip() {
        let header = Header {
            padding: true,
            extension: true,
            csrc_count: 3,
            marker: true,
            payload_type: 101,
            sequence: 0xFFFF,
            timestamp: 0xFFFF_FFF0,
            ssrc: Ssrc(0xDEAD_BEEF),
        };
        assert_eq!(Header::parse(&header.write()), Some(header));
        assert_eq!(header.clear_len(), 12 + 12 + 4);
    }

    #[test]
    fn short_or_foreign_packets_are_refused() {
        assert_eq!(Header::parse(&[0x80; 11]), None);
        assert_eq!(Header::parse(&[0x40; 12]), None);
    }

    #[test]
    fn the_extension_length_comes_from_the_preamble() {
        let mut packet = Header {
            extension: true,
            ..Header::opus(2, 1920, Ssrc(10))
        }
        .write()
        .to_vec();
        packet.extend([0xBE, 0xDE, 0, 2]);
        let header = Header::parse(&packet).unwrap();
        assert_eq!(extension_bytes(&packet, &header), Some(8));
        assert_eq!(extension_bytes(&packet[..14], &header), None);
    }

    #[test]
    fn extension_elements_are_listed_and_padding_skipped() {
        let bytes = [0x10, 0x85, 0x00, 0x90, 0x02, 0x00, 0x00, 0x00];
        let found: Vec<_> = elements(&bytes).collect();
        assert_eq!(
            found,
            [
                Element {
                    id: 1,
                    data: &[0x85]
                },
                Element {
                    id: 9,
                    data: &[0x02]
                }
            ]
        );
        assert_eq!(elements(&[0x1F, 1]).count(), 0);
        assert_eq!(elements(&[0xF0, 1]).count(), 0);
    }

    #[test]
    fn distances_wrap() {
        assert_eq!(sequence_distance(65_535, 1), 2);
        assert_eq!(sequence_distance(1, 65_535), -2);
        assert_eq!(timestamp_distance(u32::MAX, 959), 960);
    }
}
