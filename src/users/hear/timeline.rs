//! Where each packet lies on the recording's timeline.
//!
//! Within a talkspurt the RTP timestamp decides, so the sound is as continuous as it was sent, and
//! network jitter moves nothing. Each talkspurt is anchored at the arrival of its first packet,
//! unless the sender's timestamps kept counting through the pause and agree with the clock: then
//! they are the better witness.

use std::time::Instant;

use mynah_audio::codec::packet_frames;
use mynah_audio::{FRAMES, SAMPLE_RATE_HZ, SILENCE};
use mynah_wire::rtp::timestamp_distance;

use super::Packet;
use super::order::Order;

/// Timestamps may disagree with arrival by this much (60 ms) and still be believed over a pause.
const TRUSTED_FRAMES: i64 = 2880;
/// Without any mark of a pause: sound that comes a second too late was paused.
const PAUSED_FRAMES: i64 = SAMPLE_RATE_HZ as i64;

/// One packet on the timeline.
#[derive(Clone, Copy, Debug)]
pub struct Placed<'a> {
    /// Frames (48 kHz) from the beginning of the recording; negative before it.
    pub at: i64,
    /// Frames in it.
    pub frames: i64,
    /// Packets lost directly before, inside a talkspurt; each as long as the packet before them.
    pub lost: i64,
    /// The packet.
    pub packet: &'a Packet,
}

/// Places the packets of one stream, given in order of arrival.
pub fn place<'a>(started: Instant, arrived: &'a [Packet]) -> Vec<Placed<'a>> {
    let mut placed: Vec<Placed<'a>> = Vec::with_capacity(arrived.len());
    let mut previous_index = 0;
    for ordered in Order::of(arrived).packets {
        let packet = ordered.packet;
        let arrival = frames_since(started, packet.arrival);
        let frames = packet_frames(&packet.payload).unwrap_or(FRAMES) as i64;
        let mut place = Placed {
            at: arrival,
            frames,
            lost: 0,
            packet,
        };
        if let Some(previous) = placed.last() {
            let steps = ordered.index - previous_index;
            let span = i64::from(timestamp_distance(
                previous.packet.timestamp,
                packet.timestamp,
            ));
            let by_timestamp = previous.at + span;
            let paused = ordered.restarts
                || span > previous.frames * steps
                || (is_silence(previous.packet) && !is_silence(packet))
                || arrival - by_timestamp > PAUSED_FRAMES;
            let end = previous.at + previous.frames;
            if span <= 0 || paused && (arrival - by_timestamp).abs() > TRUSTED_FRAMES {
                place.at = arrival.max(end);
            } else {
                place.at = by_timestamp.max(end);
                place.lost = if paused { 0 } else { steps - 1 };
            }
        }
        previous_index = ordered.index;
        placed.push(place);
    }
    placed
}

fn is_silence(packet: &Packet) -> bool {
    *packet.payload == SILENCE
}

fn frames_since(started: Instant, arrival: Instant) -> i64 {
    let seconds = arrival.saturating_duration_since(started).as_secs_f64();
    (seconds * f64::from(SAMPLE_RATE_HZ)).round() as i64
}
