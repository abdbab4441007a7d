//! Listening: takes what the receiver has opened, and feeds the recordings that run.
//!
//! Whose a packet is and with which key it opens is the business of [`Receiver`]. A packet that had to
//! wait for either comes out late, with the time at which it arrived, and is recorded there.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::{Duration, Instant};

use mynah_session::receive::{HOLD_TIME, Losses, Received, Receiver};
use mynah_session::transport::RtpOpener;
use mynah_session::voice::MediaKeys;
use mynah_wire::{Ssrc, UserId};
use tokio::sync::oneshot;

use crate::hear::{Capture, Packet, Track};
use crate::types::KeyLosses;

/// Packets kept of every sender, so that a recording begins with a warm decoder: 160 ms.
const PREROLL: usize = 8;
/// Streams known at once; a further one takes the place of the one that was silent longest.
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
    receiver: Receiver,
    deaf: bool,
    recent: HashMap<Ssrc, Recent>,
    recordings: Vec<Recording>,
}

/// The latest packets of one stream.
#[derive(Debug, Default)]
struct Recent {
    owner: Option<UserId>,
    packets: VecDeque<Packet>,
}

#[derive(Debug)]
struct Recording {
    capture: Capture,
    until: Instant,
    from: Option<UserId>,
    bytes: usize,
    /// What was lost before it began.
    losses: Losses,
    done: oneshot::Sender<Result<Capture, Refusal>>,
}

impl Ear {
    /// New transport keys.
    pub fn plug(&mut self, opener: RtpOpener) {
        self.receiver.transport(Some(opener));
    }

    /// The connection is gone, and with it all streams. Recordings go on: silence is heard.
    pub fn unplug(&mut self) {
        self.receiver.transport(None);
        self.recent.clear();
    }

    /// News of the end-to-end encryption; packets may have waited for it.
    pub fn keys(&mut self, now: Instant, keys: &MediaKeys) {
        self.receiver.keys(now, keys);
        self.collect(now);
    }

    /// A deaf ear drops everything, as the server should too.
    pub const fn set_deaf(&mut self, deaf: bool) {
        self.deaf = deaf;
    }

    /// Op 5 tells whose stream this is; packets may have come before.
    pub fn learn(&mut self, now: Instant, ssrc: Ssrc, user_id: UserId) {
        // Somebody else's earlier packets are no preroll of this one's.
        let is_other = |recent: &Recent| recent.owner.is_some_and(|owner| owner != user_id);
        if self.recent.get(&ssrc).is_some_and(is_other) {
            self.recent.remove(&ssrc);
        }
        for recording in &mut self.recordings {
            recording.learn(ssrc, user_id);
        }
        self.receiver.learn(ssrc, user_id);
        self.collect(now);
    }

    /// The user left; the stream may be given to somebody else. Recordings remember.
    pub fn forget(&mut self, user_id: UserId) {
        self.receiver.forget(user_id);
        self.recent
            .retain(|_, recent| recent.owner != Some(user_id));
    }

    /// Takes one RTP packet.
    pub fn take(&mut self, now: Instant, datagram: &mut [u8]) {
        if !self.deaf {
            self.receiver.take(now, datagram);
            self.collect(now);
        }
    }

    /// Somebody whose frames do not open, again and again.
    pub fn undecryptable(&mut self) -> Option<UserId> {
        self.receiver.undecryptable()
    }

    /// Keeps what the receiver has ready.
    fn collect(&mut self, now: Instant) {
        while let Some(received) = self.receiver.poll(now) {
            self.keep(received);
        }
    }

    fn keep(&mut self, received: Received) {
        let (ssrc, owner) = (received.ssrc, received.user_id);
        let packet = Packet {
            sequence: received.sequence,
            timestamp: received.timestamp,
            arrival: received.arrival,
            payload: received.payload,
        };
        if !self.recent.contains_key(&ssrc) {
            self.make_room();
        }
        let recent = self.recent.entry(ssrc).or_default();
        recent.owner = owner.or(recent.owner);
        for recording in &mut self.recordings {
            recording.take(ssrc, owner, &recent.packets, &packet);
        }
        if recent.packets.len() >= PREROLL {
            recent.packets.pop_front();
        }
        recent.packets.push_back(packet);
    }

    fn make_room(&mut self) {
        if self.recent.len() < MAX_STREAMS {
            return;
        }
        let last = |recent: &Recent| recent.packets.back().map(|packet| packet.arrival);
        let oldest = self.recent.iter().min_by_key(|(_, recent)| last(recent));
        if let Some(ssrc) = oldest.map(|(ssrc, _)| *ssrc) {
            self.recent.remove(&ssrc);
        }
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
                lost_to_keys: KeyLosses::default(),
            },
            until: now + length,
            from,
            bytes: 0,
            losses: self.receiver.counters().lost,
            done,
        });
    }

    /// When to [`finish`](Self::finish) again without anything happening.
    pub fn wake(&self) -> Option<Instant> {
        let ends = self.recordings.iter().map(|recording| self.end(recording));
        ends.chain(self.receiver.wake()).min()
    }

    /// Hands out the recordings that are over.
    pub fn finish(&mut self, now: Instant) {
        self.collect(now);
        while let Some(at) = self.recordings.iter().position(|r| self.end(r) <= now) {
            let mut recording = self.recordings.swap_remove(at);
            let losses = &self.receiver.counters().lost;
            recording.capture.lost_to_keys = KeyLosses::between(&recording.losses, losses);
            let result = if recording.bytes > MAX_CAPTURE_BYTES {
                Err(Refusal::TooMuch)
            } else {
                Ok(recording.capture)
            };
            let _ = recording.done.send(result);
        }
    }

    /// When a recording is complete: packets that came in its time may still wait for their keys.
    fn end(&self, recording: &Recording) -> Instant {
        if self.receiver.held() == 0 {
            recording.until
        } else {
            recording.until + HOLD_TIME
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
        let is_in_time = (self.capture.started..self.until).contains(&packet.arrival);
        let is_wanted = self.from.is_none() || owner.is_none() || owner == self.from;
        if !is_wanted || !is_in_time || self.bytes > MAX_CAPTURE_BYTES {
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
