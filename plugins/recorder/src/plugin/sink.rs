//! The recorder's ear: from what is heard to what is written.

use std::collections::BTreeMap;

use mynah_plugin::{Heard, Lane, Packet, Sink};

use super::scribe::{Pen, Source, lock};
use crate::core::packet::is_quiet;
use crate::core::timeline::Arrived;

/// Packets of a stream nobody has been named for: two seconds.
const MAX_HELD: usize = 100;
/// Such streams.
const MAX_UNNAMED: usize = 64;

/// Hands packets to the disk thread; nobody who opted out gets past it.
pub(super) struct Ear {
    pen: Pen,
    /// The host's clock when the recording began.
    started_us: u64,
    last_us: u64,
    unnamed: BTreeMap<u32, Vec<Arrived>>,
}

impl Ear {
    pub fn new(pen: Pen, started_us: u64) -> Self {
        Self {
            pen,
            started_us,
            last_us: 0,
            unnamed: BTreeMap::new(),
        }
    }

    fn take(&mut self, packet: &Packet<'_>, out: &mut Vec<(Source, Arrived)>) {
        // What was said before people were told is nobody's business.
        let Some(arrival_us) = packet.arrival_us.checked_sub(self.started_us) else {
            return;
        };
        let arrived = Arrived {
            ssrc: packet.ssrc,
            seq: packet.sequence,
            rtp: packet.timestamp,
            arrival_us,
            payload: packet.opus.to_vec(),
        };
        if let Some(lane) = packet.lane {
            out.push((Source::Lane(lane_name(lane)), arrived));
            return;
        }
        let Some(user) = packet.user else {
            self.hold(arrived);
            return;
        };
        let user = user.get();
        let before = self.unnamed.remove(&packet.ssrc).unwrap_or_default();
        if lock(&self.pen.shared.excluded).contains(user) {
            return;
        }
        if !is_quiet(&arrived.payload) {
            lock(&self.pen.shared.heard).insert(user, arrival_us);
        }
        let all = before.into_iter().chain([arrived]);
        out.extend(all.map(|arrived| (Source::Person(user), arrived)));
    }

    fn hold(&mut self, arrived: Arrived) {
        if self.unnamed.len() >= MAX_UNNAMED && !self.unnamed.contains_key(&arrived.ssrc) {
            return;
        }
        let held = self.unnamed.entry(arrived.ssrc).or_default();
        if held.len() >= MAX_HELD {
            held.remove(0);
        }
        held.push(arrived);
    }
}

impl Sink for Ear {
    fn heard(&mut self, heard: &Heard<'_>) {
        let Some(now_us) = heard.at_us().checked_sub(self.started_us) else {
            return;
        };
        self.last_us = self.last_us.max(now_us);
        let mut packets = Vec::new();
        for packet in heard.packets() {
            self.take(&packet, &mut packets);
        }
        self.pen.write(now_us, packets);
    }
}

impl Drop for Ear {
    fn drop(&mut self) {
        self.pen.finish(self.last_us);
    }
}

fn lane_name(lane: Lane) -> &'static str {
    match lane {
        Lane::Bed => "music",
        Lane::Speech => "speech",
        Lane::Fx => "fx",
        Lane::Notice => "notice",
    }
}
