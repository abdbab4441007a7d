//! One session's ear, without I/O.
//!
//! Feed it datagrams ([`Hearing::take`]), keys, and who speaks on which stream; ask every 20 ms what
//! was heard ([`Hearing::tick`]). One bad, forged or closed packet changes a counter and nothing else.

mod stream;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mynah_audio::{Block, JitterPacket, Limiter, SILENT_BLOCK};
use mynah_session::receive::{Counters, Received, Receiver};
use mynah_session::transport::RtpOpener;
use mynah_session::voice::MediaKeys;
use mynah_wire::rtcp::{Report, reports};
use mynah_wire::udp::{Datagram, classify};
use mynah_wire::{Ssrc, UserId};

use crate::{Heard, Packet, Want};
use stream::Stream;

/// Streams known at once; a further one takes the place of the one that was silent longest.
const MAX_STREAMS: usize = 1024;
/// Owners known at once, as many as the receiver learns.
const MAX_OWNERS: usize = 4096;
/// Packets between two ticks. A flood beyond is counted and dropped: 1,024 speakers send as many.
const MAX_PACKETS: usize = 4096;
/// A stream that is silent so long is forgotten; its counters with it.
const FORGET_STREAM: Duration = Duration::from_secs(120);

/// What a datagram was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// Media, or a report about it: dealt with.
    Media,
    /// IP discovery, a ping's answer or a keepalive: the session's business. It is unchanged.
    Control,
}

/// How well a session hears. Counted since the session began, or since its transport was replaced.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HearStats {
    /// Packets by what became of them.
    pub packets: Counters,
    /// Packets that came when too many lay there already.
    pub flooded: u64,
    /// RTCP datagrams that were read.
    pub reports: u64,
    /// Of the last 256 packets the bot sent, so many did not reach the server, as it says.
    pub sent_lost_of_256: Option<u8>,
    /// How unevenly the server gets the bot's packets.
    pub sent_jitter: Option<Duration>,
    /// Everybody who was heard lately.
    pub speakers: Vec<SpeakerStats>,
}

/// How well one stream is heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpeakerStats {
    /// Who, if known.
    pub user: Option<UserId>,
    /// Which stream.
    pub ssrc: Ssrc,
    /// Packets that came.
    pub received: u64,
    /// Packets that never came.
    pub lost: u64,
    /// How unevenly they come (RFC 3550, section 6.4.1).
    pub jitter: Duration,
    /// How long they wait in the jitter buffer; zero where nobody wants sound.
    pub delay: Duration,
}

/// One session's ear.
pub struct Hearing {
    receiver: Receiver,
    /// Beside the receiver's own: reports are opened here.
    reports: Option<RtpOpener>,
    own: Option<Ssrc>,
    want: Want,
    tick: u64,
    owners: BTreeMap<Ssrc, UserId>,
    streams: BTreeMap<Ssrc, Stream>,
    packets: Vec<Packet>,
    limiter: Limiter,
    /// Blocks until the limiter has let go of everything it delays.
    tail: u8,
    flooded: u64,
    read_reports: u64,
    sent_lost_of_256: Option<u8>,
    sent_jitter: Option<Duration>,
}

impl Default for Hearing {
    fn default() -> Self {
        Self::new()
    }
}

impl Hearing {
    /// An ear that hears nothing yet.
    #[must_use]
    pub fn new() -> Self {
        let mut receiver = Receiver::new();
        receiver.tell_unopened(true);
        Self {
            receiver,
            reports: None,
            own: None,
            want: Want::default(),
            tick: 0,
            owners: BTreeMap::new(),
            streams: BTreeMap::new(),
            packets: Vec::new(),
            limiter: Limiter::new(),
            tail: 0,
            flooded: 0,
            read_reports: 0,
            sent_lost_of_256: None,
            sent_jitter: None,
        }
    }

    // --- what it needs to know -----------------------------------------------------------------

    /// New transport keys, twice: for media and for reports about it. `own` is the bot's stream.
    /// What is known of people and their keys stays; after [`unplug`](Self::unplug) streams begin anew,
    /// for another server gives the same numbers to other people.
    pub fn plug(&mut self, media: RtpOpener, reports: RtpOpener, own: Ssrc) {
        if self.own.is_none() {
            self.streams.clear();
        }
        self.receiver.transport(Some(media));
        self.reports = Some(reports);
        self.own = Some(own);
    }

    /// The connection is gone, and with it all keys and streams. What was heard is still told.
    pub fn unplug(&mut self) {
        self.receiver.transport(None);
        self.reports = None;
        self.own = None;
        self.owners.clear();
        self.sent_lost_of_256 = None;
        self.sent_jitter = None;
    }

    /// News of the end-to-end encryption, in the order in which the session gave them.
    pub fn keys(&mut self, now: Instant, keys: &MediaKeys) {
        self.receiver.keys(now, keys);
        self.collect(now);
    }

    /// Op 5: whose stream this is. Packets may have come before.
    pub fn learn(&mut self, now: Instant, ssrc: Ssrc, user: UserId) {
        if self.owners.len() < MAX_OWNERS || self.owners.contains_key(&ssrc) {
            self.owners.insert(ssrc, user);
        }
        // The stream knows its owner even when the owner has left since.
        let owner = self.streams.get(&ssrc).and_then(|stream| stream.user);
        if owner.is_some_and(|owner| owner != user) {
            // Somebody else has the number now: their clocks and decoders are strangers.
            self.streams.remove(&ssrc);
        }
        if let Some(stream) = self.streams.get_mut(&ssrc) {
            stream.belongs_to(user, now);
        }
        self.receiver.learn(ssrc, user);
        self.collect(now);
    }

    /// Op 13: the user left. What is still on the way is heard.
    pub fn forget(&mut self, user: UserId) {
        self.receiver.forget(user);
        self.owners.retain(|_, owner| *owner != user);
    }

    /// What is wanted from now on.
    pub fn want(&mut self, want: Want) {
        if self.want == Want::default() {
            // Nobody listened: what passed meanwhile was not lost.
            for stream in self.streams.values_mut() {
                stream.flow.rest();
            }
        }
        self.want = want;
        if !want.decodes() {
            for stream in self.streams.values_mut() {
                stream.decoding = None;
            }
        }
    }

    // --- packets -------------------------------------------------------------------------------

    /// Takes a datagram; it is decrypted in place.
    pub fn take(&mut self, now: Instant, datagram: &mut [u8]) -> Taken {
        match classify(datagram) {
            Datagram::Rtp => {
                self.receiver.take(now, datagram);
                self.collect(now);
                Taken::Media
            }
            Datagram::Rtcp => {
                self.report(datagram);
                Taken::Media
            }
            Datagram::Discovery | Datagram::Ping | Datagram::Keepalive => Taken::Control,
        }
    }

    /// A packet of one of the bot's own lanes.
    pub fn lane(&mut self, packet: Packet) {
        if self.want.lanes {
            self.keep(packet);
        }
    }

    /// Somebody whose frames do not open, again and again: tell the session.
    pub fn undecryptable(&mut self) -> Option<UserId> {
        self.receiver.undecryptable()
    }

    fn report(&mut self, datagram: &mut [u8]) {
        let opened = self
            .reports
            .as_ref()
            .map(|opener| opener.open_rtcp(datagram));
        let Some(Ok(length)) = opened else {
            return;
        };
        self.read_reports += 1;
        for report in reports(datagram.get(..length).unwrap_or_default()) {
            let (Report::Sender { blocks, .. } | Report::Receiver { blocks, .. }) = report else {
                continue;
            };
            for block in blocks.filter(|block| Some(block.ssrc) == self.own) {
                self.sent_lost_of_256 = Some(block.fraction_lost);
                let seconds = f64::from(block.jitter) / 48_000.0;
                self.sent_jitter = Duration::try_from_secs_f64(seconds).ok();
            }
        }
    }

    /// Takes over what the receiver has ready.
    fn collect(&mut self, now: Instant) {
        while let Some(received) = self.receiver.poll(now) {
            self.sort(received);
        }
    }

    fn sort(&mut self, received: Received) {
        let Received {
            ssrc,
            user_id,
            sequence,
            timestamp,
            arrival,
            payload,
            unopened,
        } = received;
        let user = user_id.or_else(|| self.owners.get(&ssrc).copied());
        let want = self.want;
        let stream = self.stream(ssrc, arrival);
        if let Some(user) = user.filter(|user| stream.user != Some(*user)) {
            stream.belongs_to(user, arrival);
        }
        stream.heard_at = stream.heard_at.max(arrival);
        stream.flow.note(sequence, timestamp, arrival);
        if want.decodes() && !unopened {
            stream.hear(JitterPacket {
                sequence,
                timestamp,
                arrival,
                payload: Arc::clone(&payload),
            });
        }
        if want.packets {
            self.keep(Packet {
                user,
                lane: None,
                ssrc,
                sequence,
                timestamp,
                arrival,
                payload,
                unopened,
            });
        }
    }

    fn keep(&mut self, packet: Packet) {
        if self.packets.len() >= MAX_PACKETS {
            self.flooded += 1;
            return;
        }
        self.packets.push(packet);
    }

    fn stream(&mut self, ssrc: Ssrc, now: Instant) -> &mut Stream {
        if self.streams.len() >= MAX_STREAMS && !self.streams.contains_key(&ssrc) {
            let oldest = self
                .streams
                .iter()
                .min_by_key(|(_, stream)| stream.heard_at);
            if let Some(oldest) = oldest.map(|(ssrc, _)| *ssrc) {
                self.streams.remove(&oldest);
            }
        }
        self.streams.entry(ssrc).or_insert_with(|| Stream::new(now))
    }

    // --- hearing -------------------------------------------------------------------------------

    /// So many ticks will never come, because the thread came too late for them. Their packets come with
    /// the next.
    pub fn skip(&mut self, ticks: u32) {
        self.tick += u64::from(ticks);
    }

    /// What was heard in the last 20 ms. To be called every 20 ms while anybody listens.
    pub fn tick(&mut self, now: Instant) -> Heard {
        self.collect(now);
        let (mut voices, mut mix) = (Vec::new(), SILENT_BLOCK);
        if self.want.decodes() {
            for (ssrc, stream) in &mut self.streams {
                if let Some(voice) = stream.speak(*ssrc, now, self.want, &mut mix) {
                    voices.push(voice);
                }
            }
        }
        self.streams
            .retain(|_, stream| now.saturating_duration_since(stream.heard_at) < FORGET_STREAM);
        let heard = Heard {
            tick: self.tick,
            at: now,
            lost_before: 0,
            mix: self.mixed(!voices.is_empty(), mix),
            voices,
            packets: std::mem::take(&mut self.packets),
        };
        self.tick += 1;
        heard
    }

    /// The sum through the limiter, which delays it by 1.5 ms: after the last voice it has more.
    fn mixed(&mut self, sounds: bool, mut mix: Block) -> Option<Arc<Block>> {
        if !self.want.mix || !sounds && self.tail == 0 {
            return None;
        }
        self.tail = u8::from(sounds);
        self.limiter.process(&mut mix, true);
        Some(Arc::new(mix))
    }

    /// How well it hears.
    #[must_use]
    pub fn stats(&self) -> HearStats {
        let speakers = self.streams.iter().map(|(ssrc, stream)| {
            let decoding = stream.decoding.as_ref();
            SpeakerStats {
                user: stream.user,
                ssrc: *ssrc,
                received: stream.flow.received(),
                lost: stream.flow.lost(),
                jitter: stream.flow.jitter(),
                delay: decoding.map_or(Duration::ZERO, |decoding| decoding.delay()),
            }
        });
        HearStats {
            packets: *self.receiver.counters(),
            flooded: self.flooded,
            reports: self.read_reports,
            sent_lost_of_256: self.sent_lost_of_256,
            sent_jitter: self.sent_jitter,
            speakers: speakers.collect(),
        }
    }
}

impl std::fmt::Debug for Hearing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hearing")
            .field("want", &self.want)
            .field("tick", &self.tick)
            .field("streams", &self.streams.len())
            .field("receiver", &self.receiver)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
