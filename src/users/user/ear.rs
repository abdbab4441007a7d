//! Listening: opens packets, knows who speaks, and feeds the recordings that run.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::{Duration, Instant};

use mynah_session::transport::RtpOpener;
use mynah_wire::{Ssrc, UserId};
use tokio::sync::oneshot;

use crate::hear::{Capture, Packet, Track};

/// Packets kept of every sender, so that a recording begins with a warm decoder: 160 ms.
const PREROLL: usize = 8;
/// Streams known at once; packets of further ones are dropped.
const MAX_STREAMS: usize = 1024;
/// Recordings of one user at once.
pub const MAX_RECORDINGS: usize = 16;
/// What one recording may hold.
pub const MAX_CAPTURE_BYTES: usize = 256 << 20;
/// What a packet costs beside its payload.
const PACKET_OVERHEAD_BYTES: usize = size_of::<Packet>() + 32;

/// Why there is no capture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// [`MAX_RECORDINGS`] run already.
    TooMany,
    /// [`MAX_CAPTURE_BYTES`] were exceeded.
    TooMuch,
}

/// A user's ear.
#[derive(Debug, Default)]
pub struct Ear {
    opener: Option<RtpOpener>,
    deaf: bool,
    owners: HashMap<Ssrc, UserId>,
    recent: HashMap<Ssrc, VecDeque<Packet>>,
    recordings: Vec<Recording>,
}

#[derive(Debug)]
struct Recording {
    capture: Capture,
    until: Instant,
    from: Option<UserId>,
    bytes: usize,
    done: oneshot::Sender<Result<Capture, Refusal>>,
}

impl Ear {
    /// New keys.
    pub fn plug(&mut self, opener: RtpOpener) {
        self.opener = Some(opener);
    }

    /// The connection is gone, and with it all streams. Recordings go on: silence is heard.
    pub fn unplug(&mut self) {
        self.opener = None;
        self.owners.clear();
        self.recent.clear();
    }

    /// A deaf ear drops everything, as the server should too.
    pub const fn set_deaf(&mut self, deaf: bool) {
        self.deaf = deaf;
    }

    /// Op 5 tells whose stream this is; packets may have come before.
    pub fn learn(&mut self, ssrc: Ssrc, user_id: UserId) {
        if self.owners.len() >= MAX_STREAMS && !self.owners.contains_key(&ssrc) {
            return;
        }
        self.owners.insert(ssrc, user_id);
        for recording in &mut self.recordings {
            recording.learn(ssrc, user_id);
        }
    }

    /// The user left; the stream may be given to somebody else. Recordings remember.
    pub fn forget(&mut self, user_id: UserId) {
        let recent = &mut self.recent;
        self.owners.retain(|ssrc, owner| {
            let stays = *owner != user_id;
            if !stays {
                recent.remove(ssrc);
            }
            stays
        });
    }

    /// Takes one RTP packet.
    pub fn take(&mut self, now: Instant, datagram: &mut [u8]) {
        let Some(opener) = self.opener.as_ref().filter(|_| !self.deaf) else {
            return;
        };
        // Packets that do not open are not for us, or were changed on the way: they are lost.
        let Ok(opened) = opener.open(datagram) else {
            return;
        };
        let Some(payload) = datagram.get(opened.payload).filter(|p| !p.is_empty()) else {
            return;
        };
        let ssrc = opened.header.ssrc;
        let packet = Packet {
            sequence: opened.header.sequence,
            timestamp: opened.header.timestamp,
            arrival: now,
            payload: payload.into(),
        };
        self.keep(ssrc, packet);
    }

    fn keep(&mut self, ssrc: Ssrc, packet: Packet) {
        if self.recent.len() >= MAX_STREAMS && !self.recent.contains_key(&ssrc) {
            return;
        }
        let recent = self.recent.entry(ssrc).or_default();
        let owner = self.owners.get(&ssrc).copied();
        for recording in &mut self.recordings {
            recording.take(ssrc, owner, recent, &packet);
        }
        if recent.len() >= PREROLL {
            recent.pop_front();
        }
        recent.push_back(packet);
    }

    /// Records from now on.
    pub fn record(
        &mut self,
        now: Instant,
        length: Duration,
        from: Option<UserId>,
        done: oneshot::Sender<Result<Capture, Refusal>>,
    ) {
        self.recordings
            .retain(|recording| !recording.done.is_closed());
        if self.recordings.len() >= MAX_RECORDINGS {
            let _ = done.send(Err(Refusal::TooMany));
            return;
        }
        self.recordings.push(Recording {
            capture: Capture {
                started: now,
                tracks: BTreeMap::new(),
            },
            until: now + length,
            from,
            bytes: 0,
            done,
        });
    }

    /// When the next recording ends.
    pub fn wake(&self) -> Option<Instant> {
        self.recordings
            .iter()
            .map(|recording| recording.until)
            .min()
    }

    /// Hands out the recordings that are over.
    pub fn finish(&mut self, now: Instant) {
        while let Some(at) = self.recordings.iter().position(|r| r.until <= now) {
            let recording = self.recordings.swap_remove(at);
            let result = if recording.bytes > MAX_CAPTURE_BYTES {
                Err(Refusal::TooMuch)
            } else {
                Ok(recording.capture)
            };
            let _ = recording.done.send(result);
        }
    }
}

impl Recording {
    fn take(
        &mut self,
        ssrc: Ssrc,
        owner: Option<UserId>,
        recent: &VecDeque<Packet>,
        packet: &Packet,
    ) {
        let wanted = self.from.is_none() || owner.is_none() || owner == self.from;
        if !wanted || packet.arrival >= self.until || self.bytes > MAX_CAPTURE_BYTES {
            return;
        }
        self.bytes += packet.payload.len() + PACKET_OVERHEAD_BYTES;
        let track = self.capture.tracks.entry(ssrc).or_insert_with(|| Track {
            owner,
            preroll: recent.iter().cloned().collect(),
            packets: Vec::new(),
        });
        track.owner = track.owner.or(owner);
        track.packets.push(packet.clone());
    }

    fn learn(&mut self, ssrc: Ssrc, user_id: UserId) {
        if let Some(track) = self.capture.tracks.get_mut(&ssrc) {
            track.owner.get_or_insert(user_id);
        }
    }
}

#[cfg(test)]
mod tests;
