//! The line to the voice server: socket, keys, and the RTP counters that belong to them.

use mynah_session::transport::RtpSealer;
use mynah_wire::Ssrc;
use mynah_wire::rtp::{FIXED_HEADER_LEN, Header, TIMESTAMP_STEP};

use crate::packet::Packet;

/// Everything a mix needs to be heard. Made from the `Keys` output of the voice session.
#[derive(Debug)]
pub struct Transport<L = std::net::UdpSocket> {
    /// Connected to the voice server; made non-blocking if it is not.
    pub socket: L,
    /// Seals packets under the session key. It holds the nonce counter and goes when the line goes:
    /// detach when keys are lost, not for a websocket that is being resumed with the same keys.
    pub sealer: RtpSealer,
    /// The SSRC of `Ready`.
    pub ssrc: Ssrc,
    /// Sequence number of the first packet; should be random (voice.md section 9).
    pub first_sequence: u16,
    /// Timestamp of the first tick after attaching; should be random.
    pub first_timestamp: u32,
}

/// How a frame is sealed end to end before the transport seals the packet. Under DAVE protocol
/// version 0 frames travel as they are; the sealed variant takes its place beside this one, and
/// the packet buffer keeps the room for its trailer.
pub(crate) enum FrameSeal {
    /// Protocol version 0: no end-to-end encryption in this channel.
    Clear,
}

impl FrameSeal {
    /// Seals `frame[..len]` in place and returns the new length. *Tick-safe.*
    fn seal(&mut self, _frame: &mut [u8], len: usize) -> usize {
        match self {
            Self::Clear => len,
        }
    }
}

/// A [`Transport`] at work on the tick.
pub(crate) struct Line<L> {
    pub(crate) link: L,
    sealer: RtpSealer,
    frames: FrameSeal,
    ssrc: Ssrc,
    sequence: u16,
    /// The timestamp that tick 0 would have had: timestamps follow from the tick number alone, so
    /// they advance over silence, pauses and lost time without anybody counting.
    timestamp_at_zero: u32,
}

impl<L> Line<L> {
    pub(crate) fn new(transport: Transport<L>) -> Self {
        Self {
            link: transport.socket,
            sealer: transport.sealer,
            frames: FrameSeal::Clear,
            ssrc: transport.ssrc,
            sequence: transport.first_sequence,
            timestamp_at_zero: transport.first_timestamp,
        }
    }

    /// Pins the first timestamp to `tick`, the first one this line can be heard at. *Tick-safe.*
    pub(crate) fn start_at(&mut self, tick: u64) {
        self.timestamp_at_zero = self.timestamp_at_zero.wrapping_sub(advance(tick));
    }

    /// Makes `packet`, whose frame of `frame_len` bytes is in place, ready to be sent. False when
    /// sealing failed; no sequence number is spent then. *Tick-safe.*
    pub(crate) fn seal(&mut self, packet: &mut Packet, frame_len: usize, tick: u64) -> bool {
        let timestamp = self.timestamp_at_zero.wrapping_add(advance(tick));
        packet.put_header(Header::opus(self.sequence, timestamp, self.ssrc));
        let buffer = packet.buffer();
        let room = buffer.get_mut(FIXED_HEADER_LEN..).unwrap_or_default();
        let end = FIXED_HEADER_LEN + self.frames.seal(room, frame_len);
        match self.sealer.seal(buffer, FIXED_HEADER_LEN, end) {
            Ok(len) => {
                packet.set_len(len);
                self.sequence = self.sequence.wrapping_add(1);
                true
            }
            Err(_) => false,
        }
    }
}

/// 960 per 20 ms, wrapping (voice.md section 9).
fn advance(ticks: u64) -> u32 {
    (ticks as u32).wrapping_mul(TIMESTAMP_STEP)
}
