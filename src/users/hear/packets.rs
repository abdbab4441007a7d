//! A recording for measuring: every packet as it came, with the time it came at.
//!
//! Sound files have one clock, the sender's; what they cannot tell is when somebody could hear a
//! change. Here every packet keeps its own time of arrival.

use std::fmt::Write;
use std::time::Instant;

use mynah_wire::Ssrc;
use serde::Serialize;

use super::{Packet, Track};
use crate::{Error, clock};

#[derive(Serialize)]
struct Document {
    /// The beginning of the recording, microseconds since the Unix epoch.
    started_at_us: u64,
    /// By sender, then in order of arrival.
    packets: Vec<Line>,
}

#[derive(Serialize)]
struct Line {
    /// Who sent it, if anybody has said so.
    from: Option<String>,
    ssrc: u32,
    sequence: u16,
    timestamp: u32,
    /// Since the beginning. Negative: came before it, and only brings a decoder up to speed.
    arrival_us: i64,
    /// The Opus packet in hexadecimal digits.
    opus: String,
}

/// Writes all packets.
///
/// # Errors
/// [`Error::Io`] when they cannot be written as JSON, which does not happen.
pub fn write<'a>(
    started: Instant,
    tracks: impl Iterator<Item = (&'a Ssrc, &'a Track)>,
) -> Result<Vec<u8>, Error> {
    let mut packets = Vec::new();
    for (ssrc, track) in tracks {
        let from = track.owner.map(|owner| owner.to_string());
        let all = track.preroll.iter().chain(&track.packets);
        packets.extend(all.map(|packet| line(started, *ssrc, from.clone(), packet)));
    }
    let document = Document {
        started_at_us: clock::unix_us_at(started),
        packets,
    };
    serde_json::to_vec(&document).map_err(|error| Error::Io(error.into()))
}

fn line(started: Instant, ssrc: Ssrc, from: Option<String>, packet: &Packet) -> Line {
    let micros = |time: std::time::Duration| i64::try_from(time.as_micros()).unwrap_or(i64::MAX);
    let arrival_us = match packet.arrival.checked_duration_since(started) {
        Some(since) => micros(since),
        None => -micros(started.saturating_duration_since(packet.arrival)),
    };
    let mut opus = String::with_capacity(packet.payload.len() * 2);
    for byte in packet.payload.iter() {
        let _never = write!(opus, "{byte:02x}");
    }
    Line {
        from,
        ssrc: ssrc.0,
        sequence: packet.sequence,
        timestamp: packet.timestamp,
        arrival_us,
        opus,
    }
}
