//! RTCP: what the other side says about how media travels (RFC 3550 section 6).
//!
//! On Discord the server sends receiver reports about our stream, clients send sender reports about
//! theirs (voice.md section 9). All of it is decrypted already when it comes here. Nothing allocates;
//! lengths are checked, and what is not understood is passed over.

use crate::Ssrc;

/// What stays clear of an encrypted RTCP packet: its first header and the sender's SSRC (voice.md
/// section 8).
pub const CLEAR_BYTES: usize = 8;

const SENDER_REPORT: u8 = 200;
const RECEIVER_REPORT: u8 = 201;
const GOODBYE: u8 = 203;
/// Bytes of a sender report between the sender's SSRC and the first block.
const SENDER_INFO: usize = 20;
const BLOCK_BYTES: usize = 24;

/// One RTCP packet of a compound one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Report<'a> {
    /// Section 6.4.1: how much somebody sent, and what they receive.
    Sender {
        /// Who reports.
        ssrc: Ssrc,
        /// Their wall clock, NTP format: seconds since 1900 in the upper 32 bits.
        ntp: u64,
        /// The same moment on the media clock of their stream.
        rtp_time: u32,
        /// Packets they have sent.
        packets: u32,
        /// Bytes of payload they have sent.
        bytes: u32,
        /// What they receive.
        blocks: Blocks<'a>,
    },
    /// Section 6.4.2: what somebody receives who sends nothing.
    Receiver {
        /// Who reports.
        ssrc: Ssrc,
        /// What they receive.
        blocks: Blocks<'a>,
    },
    /// Section 6.6: a stream ends.
    Goodbye {
        /// The first stream that does.
        ssrc: Ssrc,
    },
    /// Something else, by its packet type.
    Other(u8),
}

/// How one stream is received (section 6.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// The stream.
    pub ssrc: Ssrc,
    /// Of 256 packets since the last report, so many were lost.
    pub fraction_lost: u8,
    /// Packets lost since the beginning; negative when some came twice.
    pub lost: i32,
    /// The highest sequence received; the upper half counts how often it came around.
    pub highest_sequence: u32,
    /// Interarrival jitter in ticks of the media clock (1/48000 s).
    pub jitter: u32,
    /// The middle of the NTP time of the last sender report, 0 when none came.
    pub last_report: u32,
    /// How long ago that was, in 1/65536 s.
    pub since_report: u32,
}

/// The blocks of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blocks<'a>(&'a [u8]);

impl Iterator for Blocks<'_> {
    type Item = Block;

    fn next(&mut self) -> Option<Block> {
        let (block, rest) = self.0.split_at_checked(BLOCK_BYTES)?;
        self.0 = rest;
        let lost = word(block, 4)?;
        Some(Block {
            ssrc: Ssrc(word(block, 0)?),
            fraction_lost: (lost >> 24) as u8,
            // 24 bits with a sign.
            lost: (lost << 8) as i32 >> 8,
            highest_sequence: word(block, 8)?,
            jitter: word(block, 12)?,
            last_report: word(block, 16)?,
            since_report: word(block, 20)?,
        })
    }
}

/// The packets of a compound packet, until something in it cannot be right.
pub fn reports(mut compound: &[u8]) -> impl Iterator<Item = Report<'_>> {
    std::iter::from_fn(move || {
        let head = word(compound, 0)?;
        // Version 2 (section 6.4.1).
        if head >> 30 != 2 {
            return None;
        }
        let bytes = 4 * (1 + (head & 0xFFFF) as usize);
        let (packet, rest) = compound.split_at_checked(bytes)?;
        compound = rest;
        let count = (head >> 24 & 0x1F) as usize;
        one(packet, (head >> 16) as u8, count)
    })
}

fn one(packet: &[u8], kind: u8, count: usize) -> Option<Report<'_>> {
    let blocks = |from: usize| {
        let end = from.checked_add(count * BLOCK_BYTES)?;
        packet.get(from..end).map(Blocks)
    };
    Some(match kind {
        SENDER_REPORT => Report::Sender {
            ssrc: Ssrc(word(packet, 4)?),
            ntp: u64::from(word(packet, 8)?) << 32 | u64::from(word(packet, 12)?),
            rtp_time: word(packet, 16)?,
            packets: word(packet, 20)?,
            bytes: word(packet, 24)?,
            blocks: blocks(CLEAR_BYTES + SENDER_INFO)?,
        },
        RECEIVER_REPORT => Report::Receiver {
            ssrc: Ssrc(word(packet, 4)?),
            blocks: blocks(CLEAR_BYTES)?,
        },
        GOODBYE if count > 0 => Report::Goodbye {
            ssrc: Ssrc(word(packet, 4)?),
        },
        other => Report::Other(other),
    })
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let word = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_be_bytes(word.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block() -> [u8; BLOCK_BYTES] {
        let mut block = [0; BLOCK_BYTES];
        block[..4].copy_from_slice(&7_u32.to_be_bytes());
        block[4..8].copy_from_slice(&[64, 0xFF, 0xFF, 0xFD]);
        block[8..12].copy_from_slice(&0x0001_0005_u32.to_be_bytes());
        block[12..16].copy_from_slice(&480_u32.to_be_bytes());
        block[16..20].copy_from_slice(&0x1234_5678_u32.to_be_bytes());
        block[20..24].copy_from_slice(&65_536_u32.to_be_bytes());
        block
    }

    #[test]
    fn a_sender_and_a_receiver_report_in_one_datagram_are_both_read() {
        let mut compound = vec![0x81, 200, 0, 12];
        for word in [9_u32, 3_900_000_000, 1 << 31, 48_000, 50, 8_000] {
            compound.extend(word.to_be_bytes());
        }
        compound.extend(block());
        compound.extend([0x81, 201, 0, 7, 0, 0, 0, 8]);
        compound.extend(block());
        let read: Vec<_> = reports(&compound).collect();
        let Report::Sender {
            ssrc,
            ntp,
            rtp_time,
            packets,
            bytes,
            mut blocks,
        } = read[0]
        else {
            panic!("{read:?}");
        };
        assert_eq!(
            (ssrc, rtp_time, packets, bytes),
            (Ssrc(9), 48_000, 50, 8_000)
        );
        assert_eq!(ntp, 3_900_000_000 << 32 | 1 << 31);
        let expected = Block {
            ssrc: Ssrc(7),
            fraction_lost: 64,
            lost: -3,
            highest_sequence: 0x0001_0005,
            jitter: 480,
            last_report: 0x1234_5678,
            since_report: 65_536,
        };
        assert_eq!(blocks.next(), Some(expected));
        assert_eq!(blocks.next(), None);
        let Report::Receiver { ssrc, mut blocks } = read[1] else {
            panic!("{read:?}");
        };
        assert_eq!((ssrc, blocks.next()), (Ssrc(8), Some(expected)));
        assert_eq!(read.len(), 2);
    }

    #[test]
    fn lengths_that_cannot_be_right_end_the_reading() {
        // Thirty-one blocks are announced, none is there.
        assert_eq!(reports(&[0x9F, 201, 0, 1, 0, 0, 0, 8]).count(), 0);
        // Longer than the datagram; version 1; empty.
        assert_eq!(reports(&[0x80, 201, 0, 9, 0, 0, 0, 8]).count(), 0);
        assert_eq!(reports(&[0x40, 201, 0, 1, 0, 0, 0, 8]).count(), 0);
        assert_eq!(reports(&[]).count(), 0);
        // What is not known is passed over.
        let known: Vec<_> =
            reports(&[0x81, 206, 0, 1, 0, 0, 0, 8, 0x81, 203, 0, 1, 0, 0, 0, 5]).collect();
        assert_eq!(
            known,
            [Report::Other(206), Report::Goodbye { ssrc: Ssrc(5) }]
        );
    }

    #[test]
    fn no_bytes_can_break_it_and_it_always_ends() {
        let mut rng = crate::rng::Rng::new(1);
        for _ in 0..20_000 {
            let length = rng.below(120) as usize;
            let mut bytes: Vec<u8> = (0..length).map(|_| rng.next_u32() as u8).collect();
            if let Some(first) = bytes.first_mut() {
                *first = 0x80 | (*first & 0x3F);
            }
            for report in reports(&bytes) {
                if let Report::Sender { blocks, .. } | Report::Receiver { blocks, .. } = report {
                    assert!(blocks.count() <= 31);
                }
            }
        }
    }
}
