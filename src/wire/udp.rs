//! UDP control packets of the voice connection (voice.md section 7).

use std::net::{IpAddr, Ipv4Addr};

use crate::Ssrc;

/// Size of an IP discovery packet in either direction.
pub const DISCOVERY_LEN: usize = 74;
const DISCOVERY_BODY_LEN: u16 = 70;
const REQUEST: u16 = 1;
const RESPONSE: u16 = 2;
const PING: [u8; 4] = [0x13, 0x37, 0xCA, 0xFE];
const PONG: [u8; 4] = [0x13, 0x37, 0xF0, 0x0D];

/// What a datagram on a voice socket is, judged by its first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Datagram {
    /// IP discovery, request or response (74 bytes).
    Discovery,
    /// Ping (`13 37 CA FE`) or its answer (`13 37 F0 0D`).
    Ping,
    /// RTP version 2 with a media payload type.
    Rtp,
    /// RTCP: second byte 200 to 206 (RFC 5761 section 4).
    Rtcp,
    /// Anything else, mostly 4- or 8-byte keepalives.
    Keepalive,
}

/// Tells what a datagram is without parsing it.
pub fn classify(packet: &[u8]) -> Datagram {
    match packet {
        [0, 1 | 2, ..] if packet.len() == DISCOVERY_LEN => Datagram::Discovery,
        [0x13, 0x37, 0xCA, 0xFE, ..] | [0x13, 0x37, 0xF0, 0x0D, ..] => Datagram::Ping,
        [first, second, ..] if first >> 6 == 2 && packet.len() >= 8 => {
            if (72..=78).contains(&(second & 0x7F)) && *second & 0x80 != 0 {
                Datagram::Rtcp
            } else if packet.len() >= 12 {
                Datagram::Rtp
            } else {
                Datagram::Keepalive
            }
        }
        _ => Datagram::Keepalive,
    }
}

/// IP discovery: the client asks which address and port its packets come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Discovery {
    /// Client to server.
    Request {
        /// The client's own source, from Ready.
        ssrc: Ssrc,
    },
    /// Server to client.
    Response {
        /// Echo of the request's source.
        ssrc: Ssrc,
        /// The client's address as the server saw it.
        address: IpAddr,
        /// The client's port as the server saw it.
        port: u16,
    },
}

impl Discovery {
    /// Parses a 74-byte discovery packet; `None` when it is malformed.
    pub fn parse(packet: &[u8]) -> Option<Self> {
        let packet: &[u8; DISCOVERY_LEN] = packet.try_into().ok()?;
        let kind = u16::from_be_bytes([packet[0], packet[1]]);
        if u16::from_be_bytes([packet[2], packet[3]]) != DISCOVERY_BODY_LEN {
            return None;
        }
        let ssrc = Ssrc(u32::from_be_bytes([
            packet[4], packet[5], packet[6], packet[7],
        ]));
        match kind {
            REQUEST => Some(Self::Request { ssrc }),
            RESPONSE => {
                let text = packet.get(8..72)?;
                let end = text.iter().position(|byte| *byte == 0)?;
                let address = std::str::from_utf8(text.get(..end)?).ok()?.parse().ok()?;
                let port = u16::from_be_bytes([packet[72], packet[73]]);
                Some(Self::Response {
                    ssrc,
                    address,
                    port,
                })
            }
            _ => None,
        }
    }

    /// The 74 bytes on the wire.
    pub fn write(&self) -> [u8; DISCOVERY_LEN] {
        let mut out = [0; DISCOVERY_LEN];
        let (kind, ssrc) = match self {
            Self::Request { ssrc } => (REQUEST, ssrc),
            Self::Response { ssrc, .. } => (RESPONSE, ssrc),
        };
        out[0..2].copy_from_slice(&kind.to_be_bytes());
        out[2..4].copy_from_slice(&DISCOVERY_BODY_LEN.to_be_bytes());
        out[4..8].copy_from_slice(&ssrc.0.to_be_bytes());
        if let Self::Response { address, port, .. } = self {
            // At most 45 bytes for any address, so one NUL always stays (songbird insists on it).
            let text = match address {
                IpAddr::V4(v4) => v4.to_string(),
                IpAddr::V6(v6) => v6
                    .to_ipv4_mapped()
                    .as_ref()
                    .map_or_else(|| v6.to_string(), Ipv4Addr::to_string),
            };
            for (slot, byte) in out[8..71].iter_mut().zip(text.bytes()) {
                *slot = byte;
            }
            out[72..74].copy_from_slice(&port.to_be_bytes());
        }
        out
    }
}

/// The official client's UDP ping; answers carry the same sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ping {
    /// True for the server's answer.
    pub is_answer: bool,
    /// Counts up by one per ping.
    pub sequence: u32,
}

impl Ping {
    /// Parses an 8-byte ping or answer.
    pub fn parse(packet: &[u8]) -> Option<Self> {
        let [a, b, c, d, sequence @ ..] = packet else {
            return None;
        };
        let is_answer = match [*a, *b, *c, *d] {
            PING => false,
            PONG => true,
            _ => return None,
        };
        let sequence = u32::from_be_bytes(sequence.get(..4)?.try_into().ok()?);
        Some(Self {
            is_answer,
            sequence,
        })
    }

    /// The 8 bytes on the wire.
    pub fn write(&self) -> [u8; 8] {
        let magic = if self.is_answer { PONG } else { PING };
        let mut out = [0; 8];
        out[..4].copy_from_slice(&magic);
        out[4..].copy_from_slice(&self.sequence.to_be_bytes());
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn discovery_survives_a_round_trip() {
        let request = Discovery::Request {
            ssrc: Ssrc(0x0102_0304),
        };
        assert_eq!(Discovery::parse(&request.write()), Some(request));
        assert_eq!(request.write()[..8], [0, 1, 0, 70, 1, 2, 3, 4]);
        let response = Discovery::Response {
            ssrc: Ssrc(9),
            address: "198.51.100.4".parse().unwrap(),
            port: 51_000,
        };
        assert_eq!(Discovery::parse(&response.write()), Some(response));
    }

    #[test]
    fn mapped_addresses_are_written_as_ipv4() {
        let response = Discovery::Response {
            ssrc: Ssrc(9),
            address: "::ffff:1.2.3.4".parse().unwrap(),
            port: 1,
        };
        assert!(response.write()[8..].starts_with(b"1.2.3.4\0"));
    }

    #[test]
    fn malformed_discovery_is_refused() {
        let good = Discovery::Response {
            ssrc: Ssrc(1),
            address: "1.2.3.4".parse().unwrap(),
            port: 5,
        }
        .write();
        assert_eq!(Discovery::parse(&good[..73]), None);
        let mut no_nul = good;
        no_nul[8..72].fill(b'1');
        assert_eq!(Discovery::parse(&no_nul), None);
        let mut wrong_length = good;
        wrong_length[3] = 71;
        assert_eq!(Discovery::parse(&wrong_length), None);
    }

    #[test]
    fn datagrams_are_told_apart_by_their_first_bytes() {
        assert_eq!(
            classify(&Discovery::Request { ssrc: Ssrc(1) }.write()),
            Datagram::Discovery
        );
        assert_eq!(
            classify(
                &Ping {
                    is_answer: false,
                    sequence: 1
                }
                .write()
            ),
            Datagram::Ping
        );
        assert_eq!(
            classify(&[0x80, 0x78, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1]),
            Datagram::Rtp
        );
        assert_eq!(classify(&[0x80, 201, 0, 1, 0, 0, 0, 1]), Datagram::Rtcp);
        assert_eq!(classify(&[1, 0, 0, 0, 0, 0, 0, 0]), Datagram::Keepalive);
        assert_eq!(classify(&[]), Datagram::Keepalive);
    }

    #[test]
    fn pings_survive_a_round_trip() {
        for is_answer in [false, true] {
            let ping = Ping {
                is_answer,
                sequence: 77,
            };
            assert_eq!(Ping::parse(&ping.write()), Some(ping));
        }
        assert_eq!(Ping::parse(&[0x13, 0x37]), None);
    }
}
