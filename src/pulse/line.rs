//! The line to the voice server: socket, keys, and the RTP counters that belong to them.

use mynah_session::transport::RtpSealer;
use mynah_wire::Ssrc;
use mynah_wire::rtp::{FIXED_HEADER_LEN, Header, TIMESTAMP_STEP};

use crate::Sender;
use crate::packet::Packet;

/// Everything a mix needs to be heard. Made from the `Keys` output of the voice session.
#[derive(Debug)]
pub struct Transport<L = std::net::UdpSocket> {
    /// Connected to the voice server; made non-blocking if it is not.
    pub socket: L,
    /// Seals packets under the session key. It holds the nonce counter and goes when the line goes:
    /// detach when keys are lost, not for a websocket that is being resumed with the same keys.
    pub sealer: RtpSealer,
    /// How frames travel until [`PulseHandle::sender`](crate::PulseHandle::sender) says otherwise;
    /// [`Sender::Hold`] when that is not known yet. A line with the same SSRC as the one it replaces
    /// goes on with that one's sender then.
    pub sender: Sender,
    /// The SSRC of `Ready`.
    pub ssrc: Ssrc,
    /// Sequence number of the first packet; should be random (voice.md section 9).
    pub first_sequence: u16,
    /// Timestamp of the first tick after attaching; should be random.
    pub first_timestamp: u32,
}

/// A [`Transport`] at work on the tick.
pub(crate) struct Line<L> {
    pub(crate) link: L,
    pub(crate) sender: Sender,
    sealer: RtpSealer,
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
            sender: transport.sender,
            sealer: transport.sealer,
            ssrc: transport.ssrc,
            sequence: transport.first_sequence,
            timestamp_at_zero: transport.first_timestamp,
        }
    }

    /// Pins the first timestamp to `tick`, the first one this line can be heard at. *Tick-safe.*
    pub(crate) fn start_at(&mut self, tick: u64) {
        self.timestamp_at_zero = self.timestamp_at_zero.wrapping_sub(advance(tick));
    }

    /// New keys for the same stream: the numbers of its packets go on where `old` stood, so that
    /// receivers hear no new one, and frames travel as they did unless something else is said: the
    /// transport's keys are none of the end-to-end encryption's business. *Tick-safe.*
    pub(crate) fn go_on_from(&mut self, old: &mut Self) -> bool {
        if self.ssrc != old.ssrc {
            return false;
        }
        if matches!(self.sender, Sender::Hold) {
            std::mem::swap(&mut self.sender, &mut old.sender);
        }
        self.sequence = old.sequence;
        self.timestamp_at_zero = old.timestamp_at_zero;
        true
    }

    /// Makes the datagram of `packet`, whose frame is in place. False when sealing failed; no
    /// sequence number is spent then. *Tick-safe.*
    pub(crate) fn seal(&mut self, packet: &mut Packet) -> bool {
        let timestamp = self.timestamp_at_zero.wrapping_add(advance(packet.tick()));
        packet.put_header(Header::opus(self.sequence, timestamp, self.ssrc));
        let len = packet.frame_len();
        let Some(len) = self.sender.seal(packet.sealed_room(), len) else {
            return false;
        };
        let end = FIXED_HEADER_LEN + len;
        match self.sealer.seal(packet.buffer(), FIXED_HEADER_LEN, end) {
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
